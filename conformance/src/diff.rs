//! What has changed between two reports.

use std::fmt;

use crate::baseline::failed_as;
use crate::check::Level;
use crate::report::{Conclusion, Ended, Outcome, Report};

/// What has changed between two reports, one line a check.
#[derive(Clone, Debug)]
pub struct Diff {
    news: Vec<Change>,
    mended: Vec<Change>,
    otherwise: Vec<Change>,
    remarks: Vec<String>,
    summary: String,
    code: u8,
}

#[derive(Clone, Debug)]
struct Change {
    id: String,
    /// How it ended in the old report; `None` where it was not there.
    old: Option<&'static str>,
    /// How it ended in the new report.
    new: Option<&'static str>,
    text: String,
    decides: bool,
}

impl Diff {
    /// Compares an old and a new report. What decides is up to the profile of the new one.
    #[must_use]
    pub fn between(old: &Report, new: &Report) -> Self {
        let mut diff = Self {
            news: Vec::new(),
            mended: Vec::new(),
            otherwise: Vec::new(),
            remarks: Vec::new(),
            summary: String::new(),
            code: 0,
        };
        let differ = |name: &str, old: &dyn fmt::Display, new: &dyn fmt::Display| {
            let (old, new) = (old.to_string(), new.to_string());
            (old != new).then(|| format!("{name}: {old} -> {new}"))
        };
        diff.remarks.extend(differ("target", &old.target, &new.target));
        diff.remarks.extend(differ("profile", &old.profile, &new.profile));
        diff.remarks.extend(differ("tool", &old.tool, &new.tool));
        for (name, report) in [("old", old), ("new", new)] {
            if let Some(why) = &report.why {
                let why = crate::report::harmless(why);
                diff.remarks.push(format!(
                    "warning: the {name} run is incomplete, it could not run to its end: {why}"
                ));
                let unknown = report.checks.len() - known(report).count();
                diff.remarks.push(format!(
                    "warning: {unknown} checks that could not be tried in the {name} run are not compared"
                ));
            }
        }
        for outcome in known(new) {
            // What an incomplete run could not try is not known, and neither news nor mended.
            let before = old.outcome(&outcome.id);
            if before.is_none() || known(old).any(|one| one.id == outcome.id) {
                diff.compare(before, outcome, new);
            }
        }
        for gone in known(old).filter(|one| new.outcome(&one.id).is_none()) {
            diff.otherwise.push(Change {
                id: gone.id.clone(),
                old: Some(gone.result.word()),
                new: None,
                text: String::new(),
                decides: false,
            });
        }
        let decide = diff.news.iter().filter(|one| one.decides).count();
        diff.code = match (new.verdict, decide) {
            (Conclusion::CouldNotRun, _) => 2,
            (_, 0) => 0,
            _ => 1,
        };
        diff.summary = format!(
            "new: {} (that decide in profile {}: {decide}), mended: {}, changed otherwise: {}",
            diff.news.len(),
            new.profile,
            diff.mended.len(),
            diff.otherwise.len(),
        );
        diff
    }

    fn compare(&mut self, old: Option<&Outcome>, new: &Outcome, report: &Report) {
        let (before, after) = (old.and_then(failed_as), failed_as(new));
        let word = old.map(|old| old.result.word());
        if old.is_some() && word == Some(new.result.word()) && before == after {
            return;
        }
        let change = Change {
            id: new.id.clone(),
            old: word,
            new: Some(new.result.word()),
            text: new.message.lines().next().unwrap_or_default().to_owned(),
            decides: new.counts_against(report.profile),
        };
        let list = match (before, after) {
            // A check that is only new, and nothing is wrong with it.
            (None, None) if old.is_none() => return,
            (before, Some(after)) if before != Some(after) && new.level != Level::May => {
                &mut self.news
            }
            (Some(_), None) => &mut self.mended,
            _ => &mut self.otherwise,
        };
        list.push(change);
    }

    /// Whether a check that decides deviates or could not be tried, and did not before.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.code == 1
    }

    /// The exit code of the program: 0 nothing new that decides, 1 something, 2 the new run has no verdict.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.code
    }
}

/// What a report knows: of an incomplete run, not what could not be tried.
fn known(report: &Report) -> impl Iterator<Item = &Outcome> {
    let whole = report.why.is_none();
    report.checks.iter().filter(move |one| whole || one.result != Ended::Broken)
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
        }
        let lists = [("new", &self.news), ("mended", &self.mended), ("changed", &self.otherwise)];
        for (name, changes) in lists {
            for change in changes {
                let absent = "absent";
                let (old, new) = (change.old.unwrap_or(absent), change.new.unwrap_or(absent));
                write!(f, "{name:<8} {}: {old} -> {new}", change.id)?;
                if change.text.is_empty() || name == "mended" {
                    writeln!(f)?;
                } else {
                    writeln!(f, ": {}", crate::report::harmless(&change.text))?;
                }
            }
        }
        writeln!(f, "{}", self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{outcome, report};

    fn diff(old: Ended, new: Ended) -> Diff {
        let with = |ended| report(vec![outcome("a.x", ended), outcome("a.y", Ended::Passed)]);
        Diff::between(&with(old), &with(new))
    }

    #[test]
    fn what_is_new_decides_and_what_was_so_does_not() {
        use Ended::{Broken, Failed, Known, Passed, Skipped};
        for (old, new, code) in [
            (Passed, Passed, 0),
            (Passed, Failed, 1),
            (Passed, Broken, 1),
            (Skipped, Failed, 1),
            (Broken, Failed, 1),
            (Failed, Failed, 0),
            (Failed, Passed, 0),
            (Failed, Known, 0),
            (Passed, Known, 0),
            (Known, Failed, 0),
            (Passed, Skipped, 0),
        ] {
            let found = diff(old, new);
            assert_eq!(found.exit_code(), code, "{old:?} -> {new:?}: {found}");
        }
    }

    #[test]
    fn a_diff_names_every_change() {
        let old = report(vec![
            outcome("a.same", Ended::Failed),
            outcome("a.worse", Ended::Passed),
            outcome("a.mended", Ended::Failed),
            outcome("a.off", Ended::Passed),
            outcome("a.gone", Ended::Passed),
        ]);
        let mut new = report(vec![
            outcome("a.same", Ended::Failed),
            outcome("a.worse", Ended::Failed),
            outcome("a.mended", Ended::Passed),
            outcome("a.off", Ended::Skipped),
            outcome("a.fresh", Ended::Passed),
            outcome("a.fresh-and-wrong", Ended::Failed),
        ]);
        new.profile = crate::Profile::Strict;
        insta::assert_snapshot!(Diff::between(&old, &new), @r"
        profile: rfc -> strict
        new      a.worse: passed -> failed: a.worse does not hold
        new      a.fresh-and-wrong: absent -> failed: a.fresh-and-wrong does not hold
        mended   a.mended: failed -> passed
        changed  a.off: passed -> skipped: a.off does not hold
        changed  a.gone: passed -> absent
        new: 2 (that decide in profile strict: 2), mended: 1, changed otherwise: 2
        ");
    }

    #[test]
    fn what_an_incomplete_run_did_not_try_is_not_compared() {
        let mut old = report(vec![
            outcome("a.x", Ended::Broken),
            outcome("a.y", Ended::Broken),
            outcome("a.z", Ended::Failed),
        ]);
        old.why = Some("interrupted".to_owned());
        old.judge();
        let new = report(vec![
            outcome("a.x", Ended::Passed),
            outcome("a.y", Ended::Failed),
            outcome("a.z", Ended::Passed),
        ]);
        insta::assert_snapshot!(Diff::between(&old, &new), @r"
        warning: the old run is incomplete, it could not run to its end: interrupted
        warning: 2 checks that could not be tried in the old run are not compared
        mended   a.z: failed -> passed
        new: 0 (that decide in profile rfc: 0), mended: 1, changed otherwise: 0
        ");
        let found = Diff::between(&new, &old);
        assert_eq!(found.exit_code(), 2);
        assert!(found.to_string().contains("the new run is incomplete"), "{found}");
    }

    #[test]
    fn a_run_without_a_verdict_is_neither_better_nor_worse() {
        let mut new = report(Vec::new());
        new.why = Some("no answer".to_owned());
        new.judge();
        let found = Diff::between(&report(vec![outcome("a.x", Ended::Passed)]), &new);
        assert_eq!(found.exit_code(), 2);
        assert!(found.to_string().contains("it could not run to its end: no answer"), "{found}");
    }
}
