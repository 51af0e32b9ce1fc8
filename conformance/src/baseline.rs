//! A baseline: an earlier report, so that only news fails.

use std::collections::BTreeMap;

use crate::known::{As, Known, KnownError, Listed};
use crate::report::{Conclusion, Ended, Outcome, Report};

impl Known {
    /// What deviated or could not be tried in an earlier report. A check that could not be tried then and deviates
    /// now is news, and the other way round.
    ///
    /// # Errors
    /// [`KnownError::NoVerdict`] for the report of a run that was interrupted or broke off: what it did not come to would
    /// be taken as known.
    pub fn baseline(name: impl Into<String>, earlier: &Report) -> Result<Self, KnownError> {
        if earlier.verdict == Conclusion::CouldNotRun {
            let why = earlier.why.clone().unwrap_or_else(|| "it has no verdict".to_owned());
            return Err(KnownError::NoVerdict(why));
        }
        let listed: BTreeMap<_, _> = earlier.checks.iter().filter_map(entry).collect();
        Ok(Self::new(name.into(), listed))
    }
}

fn entry(outcome: &Outcome) -> Option<(String, Listed)> {
    let as_ = failed_as(outcome)?;
    let reason = match (&outcome.known, outcome.message.lines().next()) {
        (Some(known), _) => known.clone(),
        (None, Some(message)) => format!("it was so before: {message}"),
        (None, None) => "it was so before".to_owned(),
    };
    Some((outcome.id.clone(), Listed { reason, as_ }))
}

/// In which way an outcome speaks against its target, whether that was known or not.
pub(crate) fn failed_as(outcome: &Outcome) -> Option<As> {
    if outcome.deviates {
        return Some(As::Deviating);
    }
    // What is known and does not deviate could not be tried.
    matches!(outcome.result, Ended::Broken | Ended::Known).then_some(As::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{outcome, report};

    #[test]
    fn only_what_was_not_so_before_is_news() {
        let earlier = report(vec![
            outcome("a.fails", Ended::Failed),
            outcome("a.broken", Ended::Broken),
            outcome("a.passes", Ended::Passed),
            outcome("a.skipped", Ended::Skipped),
            outcome("a.mended", Ended::Failed),
        ]);
        let baseline = Known::baseline("old.json", &earlier).unwrap();
        let expected = [
            ("a.fails", Ended::Failed, Ended::Known),
            ("a.fails", Ended::Broken, Ended::Broken),
            ("a.broken", Ended::Broken, Ended::Known),
            ("a.broken", Ended::Failed, Ended::Failed),
            ("a.passes", Ended::Failed, Ended::Failed),
            ("a.skipped", Ended::Failed, Ended::Failed),
            ("a.new", Ended::Failed, Ended::Failed),
            ("a.mended", Ended::Passed, Ended::Passed),
        ];
        for (id, ended, counts_as) in expected {
            let mut now = outcome(id, ended);
            baseline.mark(&mut now);
            assert_eq!(now.result, counts_as, "{id} {ended:?}");
        }
        let now = [outcome("a.mended", Ended::Passed)];
        assert_eq!(baseline.mended(&now).count(), 1);
    }

    #[test]
    fn a_run_that_broke_off_is_no_baseline() {
        let mut earlier =
            report(vec![outcome("a.x", Ended::Passed), outcome("a.y", Ended::Broken)]);
        earlier.why = Some("interrupted".to_owned());
        earlier.judge();
        let error = Known::baseline("old.json", &earlier).unwrap_err().to_string();
        assert!(error.contains("interrupted"), "{error}");
    }

    #[test]
    fn a_baseline_of_a_run_with_a_baseline_keeps_what_was_known() {
        let first = report(vec![outcome("a.x", Ended::Failed), outcome("a.y", Ended::Broken)]);
        let mut second = first.clone();
        let baseline = Known::baseline("first", &first).unwrap();
        second.checks.iter_mut().for_each(|one| baseline.mark(one));
        second.judge();
        assert_eq!((second.counts.known, second.exit_code()), (2, 0));
        assert!(second.verdict_line().starts_with("conformant but for what is known"));

        let mut third = first.clone();
        let baseline = Known::baseline("second", &second).unwrap();
        third.checks.iter_mut().for_each(|one| baseline.mark(one));
        third.judge();
        assert_eq!((third.counts.known, third.exit_code()), (2, 0));
    }
}
