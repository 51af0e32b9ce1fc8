//! How a managed agent does, for the health endpoint and for `status`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use scim_sync_link::gateway::BootstrapResponse;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::answer::Counts;
use crate::clock;
use crate::files;
use crate::health::Told;

/// The file beside the identity.
const FILE: &str = "status.json";

/// What is known, as it stands in the file and in what the health endpoint answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) service: Url,
    /// `connecting`, `linked`, `waiting`, `unwanted` or `stopped`.
    pub(crate) link: String,
    /// Since when.
    pub(crate) since: DateTime<Utc>,
    pub(crate) transport: Option<String>,
    pub(crate) last_bootstrap: Option<DateTime<Utc>>,
    pub(crate) groups: Vec<String>,
    /// By how much the service's clock is ahead of this machine's, where that is worth telling.
    pub(crate) clock_offset_seconds: i64,
    /// What is in the way.
    pub(crate) trouble: Option<String>,
}

impl Status {
    /// What the agent that ran last has left.
    pub(crate) fn read(identity: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(identity.join(FILE)).ok()?).ok()
    }
}

/// What a managed agent tells of itself.
#[derive(Debug)]
pub struct LinkHealth {
    file: PathBuf,
    counts: Arc<Counts>,
    status: Mutex<Status>,
}

impl LinkHealth {
    pub(super) fn new(service: &Url, identity: &Path, counts: Arc<Counts>) -> Self {
        let status = Status {
            service: service.clone(),
            link: "connecting".to_owned(),
            since: clock::now(),
            transport: None,
            last_bootstrap: None,
            groups: Vec::new(),
            clock_offset_seconds: 0,
            trouble: None,
        };
        Self { file: identity.join(FILE), counts, status: Mutex::new(status) }
    }

    pub(super) fn bootstrapped(&self, answer: &BootstrapResponse, skew: i64) {
        self.change(|status| {
            status.last_bootstrap = Some(clock::now());
            status.groups.clone_from(&answer.groups);
            status.clock_offset_seconds = skew;
            if status.link == "linked" {
                status.trouble = None;
            }
        });
    }

    pub(super) fn linked(&self, transport: &str) {
        self.change(|status| {
            status.turn("linked");
            status.transport = Some(transport.to_owned());
            status.trouble = None;
        });
    }

    pub(super) fn lost(&self, why: &str) {
        self.change(|status| {
            status.turn("waiting");
            status.transport = None;
            status.trouble = Some(why.to_owned());
        });
    }

    /// The service is not reached; the link may be there all the same.
    pub(super) fn trouble(&self, why: &str) {
        self.change(|status| {
            if status.link != "linked" {
                status.turn("waiting");
            }
            status.trouble = Some(why.to_owned());
        });
    }

    pub(super) fn unwanted(&self, why: &str) {
        self.change(|status| {
            status.turn("unwanted");
            status.trouble = Some(why.to_owned());
        });
    }

    pub(super) fn ended(&self) {
        self.change(|status| {
            status.transport = None;
            if status.link != "unwanted" {
                status.turn("stopped");
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let before = status.clone();
        change(&mut status);
        if *status == before && self.file.exists() {
            return;
        }
        // For people only: nothing depends on it.
        let text = serde_json::to_string_pretty(&*status).unwrap_or_default();
        if let Err(error) = files::write(&self.file, &text, true) {
            tracing::debug!(%error, "{} cannot be written", self.file.display());
        }
    }
}

impl Status {
    fn turn(&mut self, link: &str) {
        if self.link != link {
            link.clone_into(&mut self.link);
            self.since = clock::now();
        }
    }
}

impl Told for LinkHealth {
    fn told(&self) -> (bool, Value) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let well = status.link == "linked";
        let (answered, failed, working) = self.counts.told();
        let mut document = json!(status);
        document["status"] = json!(if well { "ok" } else { "trouble" });
        document["requests"] =
            json!({ "answered": answered, "failed": failed, "working": working });
        (well, document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_link_is_trouble_and_is_told_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let service = Url::parse("https://sync.example").unwrap();
        let health = LinkHealth::new(&service, folder.path(), Arc::default());
        assert!(!health.told().0, "nothing is linked yet");
        health.linked("websocket");
        let (well, document) = health.told();
        assert!(well && document["transport"] == "websocket", "{document}");
        health.trouble("503");
        assert!(health.told().0, "the link holds while the bootstrap fails");
        health.lost("silence");
        let (well, document) = health.told();
        assert!(!well && document["trouble"] == "silence", "{document}");
        let read = Status::read(folder.path()).unwrap();
        assert_eq!((read.link.as_str(), read.transport), ("waiting", None));
        health.unwanted("revoked");
        health.ended();
        assert_eq!(Status::read(folder.path()).unwrap().link, "unwanted");
    }
}
