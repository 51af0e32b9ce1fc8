//! What is kept of a job beside the state of its synchronisation.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_sync::escrow::{QuarantineLimits, RetrySchedule};
use scim_sync::guard::Guard;
use scim_sync::rules::Release;
use scim_sync::rules::graph::JobSchema;
use scim_sync_connectors::remote::RemoteScope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::duration::IsoDuration;
use super::pilot::Pilot;
use super::state::JobState;

/// A job, as administrators made it. How it is doing is a record of its own, [`JobStatus`](super::JobStatus): the one is
/// written by people and the other by cycles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// What it is called in addresses.
    pub id: String,
    /// The template that it was made from.
    pub template_id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its settings.
    pub settings: JobSettings,
    /// Whether it runs.
    pub state: JobState,
    /// The version of its mapping that is in force.
    pub mapping: u64,
    /// The names of the secrets that it has.
    pub secrets: BTreeSet<String>,
    /// Whether somebody is deleting it: it runs no more, and what is left of it is removed.
    #[serde(default)]
    pub deleted: bool,
}

impl JobRecord {
    /// Whether it knows its target and how to show who it is there.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        ["BaseAddress", "SecretToken"].iter().all(|name| self.secrets.contains(*name))
    }
}

/// The settings of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobSettings {
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// What is read.
    pub source: SourceSettings,
    /// How the target is spoken to; its address and its token are secrets.
    #[serde(default)]
    pub target: TargetSettings,
    /// The time from the beginning of a cycle to the beginning of the next.
    #[serde(default = "two_minutes")]
    pub interval: IsoDuration,
    /// Whether anything is written.
    #[serde(default)]
    pub mode: Mode,
    /// Of what is read, for whom only; for all of them where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilot: Option<Pilot>,
    /// What a cycle may take away.
    #[serde(default)]
    pub guard: Guard,
    /// When failures are the failure of the whole job.
    #[serde(default)]
    pub quarantine: QuarantineLimits,
    /// When what failed is tried again.
    #[serde(default)]
    pub retry: RetrySchedule,
    /// What becomes of objects that are no longer asked for.
    #[serde(default)]
    pub deprovision: Deprovision,
    /// A target that does not tell changes is read whole when its last read is as old as this.
    #[serde(default = "one_day")]
    pub read_target_every: IsoDuration,
}

const fn two_minutes() -> IsoDuration {
    IsoDuration::new(Duration::from_secs(120))
}

const fn one_day() -> IsoDuration {
    IsoDuration::new(Duration::from_secs(86_400))
}

impl JobSettings {
    /// These settings with others, each as a whole; `null` for what is usual.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn with(&self, named: &Map<String, Value>) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in named {
            match (all.as_object_mut(), value) {
                (Some(all), Value::Null) => drop(all.remove(name)),
                (Some(all), value) => drop(all.insert(name.clone(), value.clone())),
                (None, _) => {}
            }
        }
        let all: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        all.check()?;
        Ok(all)
    }

    /// The usual settings for a directory that the agents of a group read.
    #[must_use]
    pub fn new(group: &str, directory: &str) -> Self {
        Self {
            name: String::new(),
            source: SourceSettings {
                group: group.to_owned(),
                directory: directory.to_owned(),
                scope: RemoteScope::default(),
            },
            target: TargetSettings::default(),
            interval: two_minutes(),
            mode: Mode::default(),
            pilot: None,
            guard: Guard::default(),
            quarantine: QuarantineLimits::default(),
            retry: RetrySchedule::default(),
            deprovision: Deprovision::default(),
            read_target_every: one_day(),
        }
    }

    /// What is taken in of the directory: the scope, and of it what the pilot names.
    ///
    /// # Errors
    /// As [`Pilot::narrow`].
    pub fn scope(&self) -> Result<RemoteScope, String> {
        let scope = &self.source.scope;
        self.pilot.as_ref().map_or_else(|| Ok(scope.clone()), |pilot| pilot.narrow(scope))
    }

    /// What is wrong with them, in a sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self) -> Result<(), String> {
        let text = |what: &str, text: &str| {
            let fits = !text.trim().is_empty() && text.len() <= 256;
            if fits { Ok(()) } else { Err(format!("{what} is a text of 1 to 256 bytes")) }
        };
        text("hybrid.source.group", &self.source.group)?;
        text("hybrid.source.directory", &self.source.directory)?;
        if self.interval.get() < Duration::from_millis(100) {
            return Err("hybrid.interval is at least PT0.1S".to_owned());
        }
        if self.interval.get() > Duration::from_secs(31 * 86_400) {
            return Err("hybrid.interval is at most P31D".to_owned());
        }
        if !(1..=3650).contains(&self.deprovision.delete_after_days) {
            return Err("hybrid.deprovision.deleteAfterDays is 1 to 3650".to_owned());
        }
        if self.target.parallel == Some(0) {
            return Err("hybrid.target.parallel is at least 1".to_owned());
        }
        self.scope().map(drop)
    }
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSettings {
    /// The group of agents that are asked.
    pub group: String,
    /// The directory, as the agents call it.
    pub directory: String,
    /// What of it is taken in. The agent keeps no configuration: this goes with every request.
    #[serde(default)]
    pub scope: RemoteScope,
}

/// How a target is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TargetSettings {
    /// The profile of the target, as `scim profile list` names it; empty for one that keeps to the standard.
    pub profile: String,
    /// Writes under way at a time.
    pub parallel: Option<usize>,
    /// Whether several writes are sent in one request.
    pub bulk: bool,
    /// Certificates in PEM that the target may show beside those that everybody trusts.
    pub ca_pem: String,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// What is planned is written.
    #[default]
    Active,
    /// Nothing is written: cycles read, work out and keep what they would write.
    Staging,
}

impl Mode {
    /// Its name, as in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Staging => "staging",
        }
    }
}

/// What becomes of objects that are no longer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Deprovision {
    /// Of those that were deleted in the source.
    pub on_delete: Release,
    /// Of those that left the scope. What cannot be switched off, such as a group, is removed instead.
    pub on_out_of_scope: Release,
    /// How many days what is switched off first stays before it is removed.
    pub delete_after_days: u32,
}

impl Default for Deprovision {
    fn default() -> Self {
        Self {
            on_delete: Release::Delete,
            on_out_of_scope: Release::Disable,
            delete_after_days: 30,
        }
    }
}

/// One version of a job's mapping. Versions are never changed: going back makes a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingVersion {
    /// Counts from 1.
    pub version: u64,
    /// When it was saved,
    pub at: DateTime<Utc>,
    /// and by whom.
    pub by: String,
    /// The version that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<u64>,
    /// What of it has no effect here, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The mapping.
    pub schema: JobSchema,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_usual_values_and_no_unknown_ones() {
        let text = r#"{"source":{"group":"corp","directory":"ad"}}"#;
        let settings: JobSettings = serde_json::from_str(text).unwrap();
        assert_eq!(settings, JobSettings::new("corp", "ad"));
        settings.check().unwrap();
        let back = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<JobSettings>(&back).unwrap(), settings);
        let wrong = text.replace("group", "grupp");
        assert!(serde_json::from_str::<JobSettings>(&wrong).is_err());
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let usual = JobSettings::new("corp", "ad");
        assert!(JobSettings::new("", "ad").check().is_err());
        let short = JobSettings { interval: "PT0.01S".parse().unwrap(), ..usual.clone() };
        assert!(short.check().unwrap_err().contains("interval"));
        let mut at_once = usual.clone();
        at_once.deprovision.delete_after_days = 0;
        assert!(at_once.check().unwrap_err().contains("deleteAfterDays"));
        let mut none = usual;
        none.target.parallel = Some(0);
        let nobody =
            JobSettings { pilot: Some(Pilot::default()), ..JobSettings::new("corp", "ad") };
        assert!(nobody.check().unwrap_err().contains("pilot"));
        assert!(none.check().unwrap_err().contains("parallel"));
    }
}
