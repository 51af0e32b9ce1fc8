//! Which checks run, and how.

use std::time::Duration;

use crate::check::Check;
use crate::checks;
use crate::interrupt::Interrupt;
use crate::known::Known;
use crate::observer::{Observer, Silent};
use crate::profile::Profile;
use crate::report::Report;
use crate::runner;
use crate::target::Target;

/// A selection of checks and the settings of a run.
#[derive(Clone, Debug)]
pub struct Suite {
    pub(crate) checks: Vec<Check>,
    pub(crate) profile: Profile,
    pub(crate) jobs: usize,
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) read_only: bool,
    pub(crate) seed: Option<u32>,
    pub(crate) keep_evidence: bool,
    pub(crate) interrupt: Interrupt,
    pub(crate) known: Vec<Known>,
    unmatched: Vec<String>,
}

impl Suite {
    /// Every check there is.
    #[must_use]
    pub fn all() -> Self {
        Self::of(checks::all())
    }

    /// These checks, for example one's own.
    #[must_use]
    pub fn of(checks: impl IntoIterator<Item = Check>) -> Self {
        Self {
            checks: checks.into_iter().collect(),
            profile: Profile::default(),
            jobs: 4,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(600),
            read_only: false,
            seed: None,
            keep_evidence: false,
            interrupt: Interrupt::default(),
            known: Vec::new(),
            unmatched: Vec::new(),
        }
    }

    /// What decides; [`Profile::Rfc`] unless set.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Keeps the checks that one of these patterns names: an id or the beginning of one (`patch.add`), a topic
    /// (`patch`), a clause or the beginning of one (`7644-3.5.2`), or any of these with `*`.
    #[must_use]
    pub fn only<S: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        let patterns = self.noting_unmatched(patterns);
        self.checks.retain(|check| patterns.iter().any(|pattern| names(pattern, check)));
        self
    }

    /// Leaves out the checks that one of these patterns names.
    #[must_use]
    pub fn skip<S: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        let patterns = self.noting_unmatched(patterns);
        self.checks.retain(|check| !patterns.iter().any(|pattern| names(pattern, check)));
        self
    }

    fn noting_unmatched<S: AsRef<str>>(
        &mut self,
        patterns: impl IntoIterator<Item = S>,
    ) -> Vec<String> {
        let patterns: Vec<_> = patterns.into_iter().map(|one| one.as_ref().to_owned()).collect();
        let nothing = |pattern: &&String| !self.checks.iter().any(|check| names(pattern, check));
        let unmatched: Vec<_> = patterns.iter().filter(nothing).cloned().collect();
        self.unmatched.extend(unmatched);
        patterns
    }

    /// Patterns that named no check: most likely misspelt.
    #[must_use]
    pub fn unmatched(&self) -> &[String] {
        &self.unmatched
    }

    /// How many checks run at the same time; 4 unless set. Those that need the target for themselves run alone.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// How long one check may take; 30 seconds unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the run waits in all for a target that asks for it (429, 503); 10 minutes unless set. One request waits
    /// for two of them at the most. Waiting does not count against the timeout of a check.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends nothing that changes the target. Checks that would are skipped.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The seed of made-up names; a random one unless set.
    #[must_use]
    pub fn seed(mut self, seed: u32) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Keeps the exchanges of passed checks too.
    #[must_use]
    pub fn keep_evidence(mut self, keep: bool) -> Self {
        self.keep_evidence = keep;
        self
    }

    /// Deviations that are known: a check on the list that fails ends as [`Ended::Known`](crate::Ended::Known) and
    /// decides nothing. Where several lists have it, the first one's reason counts.
    #[must_use]
    pub fn knowing(mut self, known: Known) -> Self {
        self.known.push(known);
        self
    }

    /// Ends the run early when this is triggered; what was created is still removed, within ten seconds.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// The selected checks.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Runs the checks and removes what they created. Needs a tokio runtime.
    ///
    /// Drive it to its end: when the future is dropped, what is on the target stays there, for `sweep` to find.
    pub async fn run(&self, target: &Target) -> Report {
        self.run_with(target, &mut Silent).await
    }

    /// As [`Suite::run`], telling an observer what happens.
    pub async fn run_with(&self, target: &Target, observer: &mut dyn Observer) -> Report {
        runner::run(self, target, observer).await
    }
}

/// Whether a pattern names a check.
fn names(pattern: &str, check: &Check) -> bool {
    let begins = |text: &str, separators: &[char]| {
        let rest = text.strip_prefix(pattern);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(separators))
    };
    if pattern.contains('*') {
        return matches(pattern, check.id)
            || matches(pattern, check.topic.name())
            || check.clause.iter().any(|clause| matches(pattern, clause));
    }
    begins(check.id, &['.'])
        || begins(check.topic.name(), &[])
        || check.clause.iter().any(|clause| begins(clause, &['.', '-']))
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Topic, must};

    const CHECK: Check = must("patch.add.multi-valued", Topic::Patch, &["7644-3.5.2.1-05"])
        .reason("r")
        .mend("m")
        .body(|_| Box::pin(async { Ok(()) }));

    #[test]
    fn patterns_name_checks_by_id_topic_and_clause() {
        for yes in [
            "patch",
            "patch.add",
            "patch.add.multi-valued",
            "patch.*",
            "*.multi-*",
            "7644",
            "*",
            "7644-3.5.2",
            "7644-3.5.2.1",
            "7644-3.5.2.1-05",
            "7644-3.*-05",
            "patch*valued",
        ] {
            assert!(names(yes, &CHECK), "{yes}");
        }
        for no in
            ["pat", "patch.ad", "add", "7644-3.5.2.1-0", "7644-3.5.2.2", "", "*.x", "a*", "pat*x"]
        {
            assert!(!names(no, &CHECK), "{no}");
        }
    }

    #[test]
    fn a_pattern_that_names_nothing_is_told() {
        let suite = Suite::of([CHECK]).only(["patch", "ptach"]).skip(["filter"]);
        assert_eq!(suite.unmatched(), ["ptach", "filter"]);
        assert_eq!(suite.checks().len(), 1);
        assert!(Suite::of([CHECK]).skip(["patch.add"]).checks().is_empty());
    }
}
