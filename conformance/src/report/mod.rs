//! What a run found, as data. Every report format is made from this, and the JSON report is this.

pub mod console;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod text;

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::check::{Check, Level, Topic};
use crate::evidence::Exchange;
use crate::profile::Profile;

pub(crate) use text::harmless;

/// The version of the JSON report's format; grows when a reader has to change.
pub const FORMAT: u32 = 1;

/// How the message of a check begins that the run did not come to.
pub(crate) const NOT_TRIED: &str = "not tried: ";

/// What a run found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this format: 1.
    pub format: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The base URL of the target.
    pub target: String,
    /// What it was held against.
    pub profile: Profile,
    /// The seed of made-up names; the same seed makes the same names.
    pub seed: u32,
    /// Whether nothing was written.
    pub read_only: bool,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: u64,
    /// The end of it.
    pub verdict: Conclusion,
    /// Why it could not run, or was broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many checks ended how.
    pub counts: Counts,
    /// The verdict in each profile.
    pub profiles: Vec<ProfileVerdict>,
    /// What the target can do.
    pub capabilities: Vec<Capability>,
    /// What of the target's discovery could not be read.
    pub problems: Vec<String>,
    /// Every check that was selected, in the order of the suite.
    pub checks: Vec<Outcome>,
    /// What was created and could not be removed.
    pub leftovers: Vec<Leftover>,
    /// The lists of known deviations that were taken into account: files by their name, products, the baseline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_from: Vec<String>,
    /// Checks on such a list that pass now, and can be taken off it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<Mended>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Every check that decides has passed or does not apply.
    Conformant,
    /// At least one check that decides has failed or could not be tried.
    NotConformant,
    /// There is no judgement: no answer, a refused token, nothing to check, broken off.
    CouldNotRun,
}

/// How a check ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The target does what the clause asks.
    Passed,
    /// It does not, and that decides.
    Failed,
    /// It does not, and that does not decide in this profile; or something about it is doubtful.
    Warned,
    /// It does not do something optional, or something that only another profile asks for.
    Noted,
    /// The target does not have what the check is about.
    Skipped,
    /// It could not be tried: setup refused, no answer, out of time. Where the check decides, this counts as failed.
    Broken,
    /// It fails as a baseline or a file of known deviations says.
    Known,
}

impl Ended {
    /// The word that reports write.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Noted => "noted",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
            Self::Known => "known",
        }
    }
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "named like the ends")]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub warned: usize,
    pub noted: usize,
    pub skipped: usize,
    pub broken: usize,
    pub known: usize,
}

/// The verdict in one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileVerdict {
    /// The profile.
    pub profile: Profile,
    /// Whether no check that decides there has failed.
    pub conformant: bool,
    /// How many such checks have failed or could not be tried.
    pub failed: usize,
    /// How many such checks have passed.
    pub passed: usize,
    /// How many such checks fail as a list of known deviations says.
    #[serde(default)]
    pub known: usize,
}

/// How one check ended, with everything needed to understand it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The id of the check.
    pub id: String,
    /// What it is about.
    pub topic: Topic,
    /// How much it weighs.
    pub level: Level,
    /// The requirements it rests on.
    pub clause: Vec<String>,
    /// What the target has to do.
    pub reason: String,
    /// What to change in a target that does not.
    pub mend: String,
    /// How it ended.
    pub result: Ended,
    /// Whether the target did not do what the clause asks, whatever that counts for.
    pub deviates: bool,
    /// What is wrong, or why it was skipped or could not be tried; empty where it passed.
    pub message: String,
    /// Why the deviation is known, and from which list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// What the clause asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What the check said besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What went over the wire, in order; empty where the check passed, unless all evidence was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Exchange>,
    /// The exchange that shows it, as an index into the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<usize>,
    /// A command that repeats that exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curl: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A resource that the run created and could not remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leftover {
    /// Its path below the base URL.
    pub path: String,
    /// Why it is still there.
    pub why: String,
}

/// A check that a list of known deviations has, and that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mended {
    /// The id of the check.
    pub check: String,
    /// The list.
    pub from: String,
    /// The reason that stands there.
    pub reason: String,
}

impl Outcome {
    /// The outcome of a check that nothing is known of yet.
    pub(crate) fn of(check: &Check, result: Ended, message: impl Into<String>) -> Self {
        Self {
            id: check.id.to_owned(),
            topic: check.topic,
            level: check.level,
            clause: check.clause.iter().map(|&clause| clause.to_owned()).collect(),
            reason: check.reason.to_owned(),
            mend: check.mend.to_owned(),
            result,
            deviates: false,
            message: message.into(),
            known: None,
            expected: None,
            got: None,
            notes: Vec::new(),
            evidence: Vec::new(),
            focus: None,
            curl: None,
            duration_ms: 0,
        }
    }

    /// The exchange that shows it.
    #[must_use]
    pub fn shown_by(&self) -> Option<&Exchange> {
        self.evidence.get(self.focus?)
    }

    /// Whether the run came to this check at all before it ended.
    #[must_use]
    pub fn was_reached(&self) -> bool {
        self.result != Ended::Broken || !self.message.starts_with(NOT_TRIED)
    }

    /// Whether this speaks against the target in a profile.
    #[must_use]
    pub fn counts_against(&self, profile: Profile) -> bool {
        let wrong = self.deviates || self.result == Ended::Broken;
        wrong && self.result != Ended::Known && profile.decides(self.level)
    }
}

impl Report {
    /// Counts the outcomes and draws the conclusion. Call it after changing outcomes, for example to
    /// [`Ended::Known`]; a run that could not run stays one.
    pub fn judge(&mut self) {
        let mut counts = Counts::default();
        for outcome in &self.checks {
            *match outcome.result {
                Ended::Passed => &mut counts.passed,
                Ended::Failed => &mut counts.failed,
                Ended::Warned => &mut counts.warned,
                Ended::Noted => &mut counts.noted,
                Ended::Skipped => &mut counts.skipped,
                Ended::Broken => &mut counts.broken,
                Ended::Known => &mut counts.known,
            } += 1;
        }
        self.counts = counts;
        let verdict_in = |profile: Profile| {
            let failed = self.checks.iter().filter(|one| one.counts_against(profile)).count();
            let passed = |one: &&Outcome| one.result == Ended::Passed && profile.decides(one.level);
            let passed = self.checks.iter().filter(passed).count();
            let known = |one: &&Outcome| one.result == Ended::Known && profile.decides(one.level);
            let known = self.checks.iter().filter(known).count();
            ProfileVerdict {
                profile,
                conformant: failed == 0 && self.why.is_none(),
                failed,
                passed,
                known,
            }
        };
        self.profiles = Profile::ALL.iter().copied().map(verdict_in).collect();
        let tried = counts.passed + counts.failed + counts.warned + counts.noted + counts.known;
        if self.why.is_none() && tried == 0 {
            self.why = Some("nothing could be checked".to_owned());
        }
        let against = self.checks.iter().any(|one| one.counts_against(self.profile));
        self.verdict = match (&self.why, against) {
            (Some(_), _) => Conclusion::CouldNotRun,
            (None, true) => Conclusion::NotConformant,
            (None, false) => Conclusion::Conformant,
        };
    }

    /// How many checks the run did not come to before it ended, and why; `None` where it came to all of them.
    #[must_use]
    pub fn not_reached(&self) -> Option<(usize, &str)> {
        let mut missed = self.checks.iter().filter(|one| !one.was_reached());
        let why = missed.next()?.message.strip_prefix(NOT_TRIED).unwrap_or_default();
        Some((1 + missed.count(), why))
    }

    /// Whether the target is conformant in the profile of the run.
    #[must_use]
    pub fn is_conformant(&self) -> bool {
        self.verdict == Conclusion::Conformant
    }

    /// The exit code of the program: 0 conformant, 1 not, 2 could not run.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Conclusion::Conformant => 0,
            Conclusion::NotConformant => 1,
            Conclusion::CouldNotRun => 2,
        }
    }

    /// The outcome of a check.
    #[must_use]
    pub fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.checks.iter().find(|one| one.id == id)
    }

    /// The verdict with its counts, in one line.
    #[must_use]
    pub fn verdict_line(&self) -> String {
        let Counts { passed, failed, warned, noted, skipped, broken, known } = self.counts;
        let excused = self.profiles.iter().find(|one| one.profile == self.profile);
        let excused = excused.map_or(0, |one| one.known);
        let verdict = match (self.verdict, &self.why) {
            (Conclusion::Conformant, _) if excused > 0 => {
                format!("conformant but for what is known (profile {})", self.profile)
            }
            (Conclusion::Conformant, _) => format!("conformant (profile {})", self.profile),
            (Conclusion::NotConformant, _) => format!("not conformant (profile {})", self.profile),
            (Conclusion::CouldNotRun, Some(why)) => {
                let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("could not run: {}", text::cut(&why, 300))
            }
            (Conclusion::CouldNotRun, None) => "could not run".to_owned(),
        };
        if self.checks.is_empty() {
            return verdict;
        }
        let mut line = format!(
            "{verdict}: {passed} passed, {failed} failed, {warned} warned, {skipped} skipped, {broken} broken"
        );
        for (count, word) in [(noted, "noted"), (known, "known")] {
            if count > 0 {
                line.push_str(&format!(", {count} {word}"));
            }
        }
        line
    }

    /// The JSON Schema of a report.
    #[must_use]
    pub fn schema() -> Schema {
        schemars::schema_for!(Self)
    }
}

/// The failures and the verdict, for `assert!(report.is_conformant(), "{report}")`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in self.checks.iter().filter(|one| one.counts_against(self.profile)) {
            writeln!(f, "{} {}: {}", outcome.result.word(), outcome.id, outcome.message)?;
            for (name, text) in [("expected", &outcome.expected), ("got", &outcome.got)] {
                if let Some(text) = text {
                    writeln!(f, "  {name}: {text}")?;
                }
            }
            if let Some(curl) = &outcome.curl {
                writeln!(f, "  {curl}")?;
            }
        }
        f.write_str(&self.verdict_line())
    }
}

#[cfg(test)]
pub(crate) mod tests;
