//! Stops a plan that would take away more than anybody meant to, before its first write.
//!
//! The ways in which a synchronisation empties a target are few and always the same: a read that was cut off, a scope
//! that was narrowed by mistake, a join that stopped matching, a missing right that makes every group look empty. None of
//! them looks like an error; all of them look like a plan that removes too much. So what a plan takes away is counted, and
//! above a limit nothing of the plan is done until somebody has looked at it and allowed it by its digest, once.
//!
//! The limits have a number and a share, and the smaller of the two counts: a number alone is too much for a small company
//! and a share alone too much for a large one. A share of a few objects is nothing, so it is never taken for less than
//! `at-least`. `0` allows nothing; only the word `off`, with a reason, switches a limit off.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{ExportPlan, one_line};

/// The limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Guard {
    /// How many objects may be removed, disabled or switched off in one cycle; the share is one of the objects of the
    /// target that belong to an identity.
    pub deletes: Limit,
    /// How many references one object may lose; the share is one of those that it has.
    pub members: Limit,
    /// How many groups may lose all their members; the share is one of the objects of the target that belong to an
    /// identity.
    pub emptied: Limit,
    /// Whether a first cycle may remove or disable anything.
    pub first_run: FirstRun,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            deletes: Limit::Of(Threshold { number: 500, percent: 10, at_least: 5 }),
            members: Limit::Of(Threshold { number: 500, percent: 50, at_least: 50 }),
            emptied: Limit::Of(Threshold { number: 50, percent: 10, at_least: 5 }),
            first_run: FirstRun::Stop,
        }
    }
}

/// One limit, or none for a reason.
///
/// ```
/// use scim_sync::guard::Limit;
///
/// let limit: Limit = toml::from_str("number = 20\npercent = 5")?;
/// assert_eq!(limit.of(1000), Some(20));
/// assert!(toml::from_str::<Limit>("off = ''").is_err(), "off needs a reason");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a limit is `{ number = 500, percent = 10, at-least = 5 }` or `{ off = \"the reason\" }`"
)]
pub enum Limit {
    /// Above this, a plan is stopped.
    Of(Threshold),
    /// No limit.
    Off(Off),
}

impl Limit {
    /// The limit for a whole of so many; `None` where it is off.
    #[must_use]
    pub fn of(&self, whole: u64) -> Option<u64> {
        match self {
            Self::Of(threshold) => Some(threshold.of(whole)),
            Self::Off(_) => None,
        }
    }
}

/// A number and a share, the smaller of which counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Threshold {
    /// So many; `0` allows none.
    #[serde(default = "Threshold::number")]
    pub number: u64,
    /// So many of a hundred; `0` allows none.
    #[serde(default = "Threshold::percent")]
    pub percent: u8,
    /// The share is never taken for less than this.
    #[serde(default = "Threshold::at_least")]
    pub at_least: u64,
}

impl Threshold {
    fn number() -> u64 {
        500
    }

    fn percent() -> u8 {
        10
    }

    fn at_least() -> u64 {
        5
    }

    /// The limit for a whole of so many.
    ///
    /// The share is rounded down; a share of `0` is none at all, whatever `at_least` says.
    #[must_use]
    pub fn of(&self, whole: u64) -> u64 {
        if self.percent == 0 {
            return 0;
        }
        self.number.min(self.share(whole).max(self.at_least))
    }

    fn share(&self, whole: u64) -> u64 {
        let share = u128::from(whole) * u128::from(self.percent.min(100)) / 100;
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// How the limit came about, for the sentence of a stop.
    fn arithmetic(&self, whole: u64, of_what: &str) -> String {
        let limit = self.of(whole);
        if self.percent == 0 || self.number == 0 {
            return "the configuration allows none".to_owned();
        }
        let share = self.share(whole);
        if share < self.at_least && limit == self.at_least {
            return format!(
                "the limit is {limit}: {} % of {whole} {of_what} would be {share}, but it is never under {}",
                self.percent, self.at_least
            );
        }
        format!(
            "the limit is {limit}, the smaller of {} and {} % of {whole} {of_what} ({share})",
            self.number, self.percent
        )
    }
}

/// No limit, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Off {
    /// The reason, for whoever reads the configuration next.
    off: Reason,
}

impl Off {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.off.0
    }
}

/// Words; not nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty() { Err("`off` needs a reason in words") } else { Ok(Self(text)) }
    }
}

/// Whether a first cycle may remove or disable anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstRun {
    /// Such a plan is stopped.
    #[default]
    Stop,
    /// It may, and why.
    #[serde(untagged)]
    Off(Off),
}

/// What a plan is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The objects of the target that belong to an identity and that the target has.
    pub linked: u64,
    /// Whether nothing was ever exported to this target with this state.
    pub first_run: bool,
}

/// That somebody has looked at a plan and lets it through.
///
/// The plan with this digest passes, and so does one that takes away exactly the same while other changes were added to it
/// since: in a busy directory no plan stays the same for long, and what was allowed is what is taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The digest of the plan.
    pub digest: String,
    /// The digest of what it takes away, where the stop was recorded.
    pub removals: Option<String>,
}

impl Allowance {
    /// Lets the plan with this digest through and no other.
    #[must_use]
    pub fn of(digest: &str) -> Self {
        Self { digest: digest.trim().to_owned(), removals: None }
    }

    /// Whether this is the plan that was meant.
    #[must_use]
    pub fn covers(&self, plan: &ExportPlan) -> bool {
        self.digest == plan.digest() || self.removals.as_deref() == Some(plan.removals())
    }
}

impl Guard {
    /// Lets a plan through, or says why not.
    ///
    /// # Errors
    /// [`GuardStop`]: nothing of the plan may be written.
    pub fn admit(
        &self,
        plan: &ExportPlan,
        baseline: &Baseline,
        allowed: Option<&Allowance>,
    ) -> Result<(), GuardStop> {
        let reasons = self.reasons(plan, baseline);
        if reasons.is_empty() || allowed.is_some_and(|allowance| allowance.covers(plan)) {
            return Ok(());
        }
        Err(GuardStop {
            target: plan.target().to_string(),
            digest: plan.digest().to_owned(),
            removals: plan.removals().to_owned(),
            reasons,
        })
    }

    fn reasons(&self, plan: &ExportPlan, baseline: &Baseline) -> Vec<StopReason> {
        let counts = plan.counts();
        let mut reasons = Vec::new();
        let delete = counts.delete + counts.replace;
        let disable = counts.disable + counts.switched_off;
        let taken = delete + disable + counts.references_removed;
        if baseline.first_run && taken > 0 && self.first_run == FirstRun::Stop {
            let references = counts.references_removed;
            reasons.push(StopReason::FirstRun { delete, disable, references });
        }
        if let Limit::Of(threshold) = &self.deletes
            && counts.guarded() > threshold.of(baseline.linked)
        {
            reasons.push(StopReason::Deletes {
                delete: counts.delete + counts.replace,
                disable: counts.disable,
                switched_off: counts.switched_off,
                left_scope: counts.left_scope,
                linked: baseline.linked,
                threshold: *threshold,
            });
        }
        if let Limit::Of(threshold) = &self.members {
            let over: Vec<_> = plan
                .losses()
                .iter()
                .filter(|loss| loss.removed > threshold.of(loss.before))
                .collect();
            if let Some(worst) = over.first() {
                reasons.push(StopReason::Members {
                    label: worst.label.to_string(),
                    attribute: one_line(worst.attribute.as_str()).to_string(),
                    removed: worst.removed,
                    before: worst.before,
                    others: over.len() as u64 - 1,
                    threshold: *threshold,
                });
            }
        }
        if let Limit::Of(threshold) = &self.emptied
            && counts.emptied > threshold.of(baseline.linked)
        {
            reasons.push(StopReason::Emptied {
                emptied: counts.emptied,
                linked: baseline.linked,
                threshold: *threshold,
            });
        }
        reasons
    }
}

/// That a plan was stopped; nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct GuardStop {
    /// The target.
    pub target: String,
    /// The digest to allow.
    pub digest: String,
    /// The digest of what the plan takes away.
    pub removals: String,
    /// Why.
    pub reasons: Vec<StopReason>,
}

impl fmt::Display for GuardStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was written to {}: ", self.target)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            if index > 0 {
                f.write_str("; and ")?;
            }
            write!(f, "{reason}")?;
        }
        write!(f, ". If this is meant, allow the plan with the digest {}", self.digest)
    }
}

/// Why a plan was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum StopReason {
    /// A first cycle would take something away.
    FirstRun {
        /// Objects that would be removed.
        delete: u64,
        /// Objects that would be disabled.
        disable: u64,
        /// References that would be taken away, of groups to their members among them.
        #[serde(default)]
        references: u64,
    },
    /// Too many objects would be removed or switched off.
    Deletes {
        /// Removed.
        delete: u64,
        /// Disabled because nothing asks for them any more.
        disable: u64,
        /// Switched off by a value.
        switched_off: u64,
        /// Of the removed and disabled, those that left the scope.
        left_scope: u64,
        /// The whole that the share is one of.
        linked: u64,
        /// The limit.
        threshold: Threshold,
    },
    /// An object would lose too many references.
    Members {
        /// The one that loses most.
        label: String,
        /// Of this attribute.
        attribute: String,
        /// So many,
        removed: u64,
        /// of so many.
        before: u64,
        /// How many others lose too many.
        others: u64,
        /// The limit.
        threshold: Threshold,
    },
    /// Too many groups would be left without members.
    Emptied {
        /// So many.
        emptied: u64,
        /// The whole that the share is one of.
        linked: u64,
        /// The limit.
        threshold: Threshold,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstRun { delete, disable, references } => {
                write!(
                    f,
                    "this is the first cycle for this target and it would delete {delete} and disable {disable} objects"
                )?;
                if *references > 0 {
                    write!(f, " and take {references} members or other references away")?;
                }
                f.write_str(", which a first cycle never should")
            }
            Self::Deletes { delete, disable, switched_off, left_scope, linked, threshold } => {
                let all = delete + disable + switched_off;
                write!(f, "{all} objects would be taken away (delete {delete}, disable {disable}")?;
                if *switched_off > 0 {
                    write!(f, ", switch off {switched_off}")?;
                }
                f.write_str(")")?;
                if *left_scope > 0 {
                    write!(f, ", {left_scope} of them because they left the scope")?;
                }
                write!(f, "; {}", threshold.arithmetic(*linked, "linked objects"))
            }
            Self::Members { label, attribute, removed, before, others, threshold } => {
                write!(
                    f,
                    "\"{label}\" would lose {removed} of its {before} {attribute}; {}",
                    threshold.arithmetic(*before, attribute)
                )?;
                match others {
                    0 => Ok(()),
                    1 => f.write_str(", and another object is over its limit too"),
                    more => write!(f, ", and {more} other objects are over their limits too"),
                }
            }
            Self::Emptied { emptied, linked, threshold } => write!(
                f,
                "{emptied} groups would lose all their members; {}",
                threshold.arithmetic(*linked, "linked objects")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deletes() -> Threshold {
        match Guard::default().deletes {
            Limit::Of(threshold) => threshold,
            Limit::Off(_) => unreachable!("the default is a limit"),
        }
    }

    #[test]
    fn the_usual_limit_for_companies_of_every_size() {
        let cases = [
            (0, 5),
            (5, 5),
            (20, 5),
            (50, 5),
            (59, 5),
            (60, 6),
            (500, 50),
            (4_999, 499),
            (5_000, 500),
            (100_000, 500),
        ];
        for (linked, limit) in cases {
            assert_eq!(deletes().of(linked), limit, "{linked} linked objects");
        }
    }

    #[test]
    fn zero_is_none_and_not_off() {
        let none = Threshold { number: 0, ..deletes() };
        assert_eq!(none.of(1_000_000), 0);
        let none = Threshold { percent: 0, ..deletes() };
        assert_eq!(none.of(1_000_000), 0);
        assert!(none.arithmetic(10, "linked objects").contains("allows none"));
    }

    #[test]
    fn off_is_a_word_with_a_reason() {
        let guard: Guard = toml::from_str(
            "deletes = { off = 'rebuilt every night' }\nmembers = { number = 3 }\nfirst-run = { off = 'the trial tenant' }",
        )
        .unwrap();
        assert_eq!(guard.deletes.of(10), None);
        assert_eq!(guard.members.of(1000), Some(3));
        assert_ne!(guard.first_run, FirstRun::Stop);
        for bad in [
            "deletes = { off = ' ' }",
            "deletes = 'off'",
            "deletes = 0",
            "deletes = { nunber = 3 }",
            "first-run = 'off'",
            "first-run = { off = '' }",
            "x = 1",
        ] {
            assert!(toml::from_str::<Guard>(bad).is_err(), "{bad}");
        }
        assert_eq!(toml::from_str::<Guard>("").unwrap(), Guard::default());
        let back: Guard = toml::from_str(&toml::to_string(&guard).unwrap()).unwrap();
        assert_eq!(back, guard);
        assert_eq!(
            toml::from_str::<Guard>("first-run = 'stop'").unwrap().first_run,
            FirstRun::Stop
        );
    }

    #[test]
    fn the_sentence_says_the_arithmetic() {
        assert_eq!(
            deletes().arithmetic(20, "linked objects"),
            "the limit is 5: 10 % of 20 linked objects would be 2, but it is never under 5"
        );
        assert_eq!(
            deletes().arithmetic(20_000, "linked objects"),
            "the limit is 500, the smaller of 500 and 10 % of 20000 linked objects (2000)"
        );
    }

    proptest! {
        #[test]
        fn a_limit_never_exceeds_its_number_and_grows_with_the_whole(number in 0u64..2000, percent in 0u8..=100, at_least in 0u64..100, whole in 0u64..1_000_000) {
            let threshold = Threshold { number, percent, at_least };
            prop_assert!(threshold.of(whole) <= number);
            prop_assert!(threshold.of(whole) <= threshold.of(whole + 1));
        }
    }
}
