//! The words of the store's contract.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tenant::TenantId;

/// What a record is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is, like `agent`.
    pub kind: &'static str,
    /// Which one.
    pub id: String,
}

impl Key {
    /// A key of its parts.
    #[must_use]
    pub fn new(tenant: &TenantId, kind: &'static str, id: impl Into<String>) -> Self {
        Self { tenant: tenant.clone(), kind, id: id.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.kind, self.id)
    }
}

/// A value and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Greater than every version that any record of the tenant had before this was written.
    pub version: u64,
    /// The value.
    pub value: Value,
}

/// What a write expects of the record as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// That there is none.
    Absent,
    /// That this is its version.
    Version(u64),
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// What must be so before.
    pub expect: Expect,
    /// The value, or `None` to delete. To delete what is not there is no error.
    pub value: Option<Value>,
}

impl Write {
    /// A record that may not be there yet.
    #[must_use]
    pub fn create(key: Key, value: Value) -> Self {
        Self { key, expect: Expect::Absent, value: Some(value) }
    }

    /// A new value for the record that was read at this version.
    #[must_use]
    pub fn replace(key: Key, version: u64, value: Value) -> Self {
        Self { key, expect: Expect::Version(version), value: Some(value) }
    }

    /// No more record, if it is still that of this version.
    #[must_use]
    pub fn delete(key: Key, version: u64) -> Self {
        Self { key, expect: Expect::Version(version), value: None }
    }
}

/// What is committed together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Records, in this order.
    pub writes: Vec<Write>,
    /// Journal entries.
    pub entries: Vec<Entry>,
    /// The lease under which all of this is done.
    pub fence: Option<Fence>,
}

/// A lease that must still be the last one given out under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The name of the lease.
    pub name: String,
    /// Its fence.
    pub fence: u64,
}

/// The journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Journal {
    /// What the synchronisation did to whom.
    Provisioning,
    /// What administrators and agents did to the service.
    Audit,
}

impl Journal {
    /// The name that it is stored under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Audit => "audit",
        }
    }
}

/// An entry for a journal of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose journal.
    pub tenant: TenantId,
    /// Which journal.
    pub journal: Journal,
    /// The entry.
    pub entry: LogEntry,
}

/// One thing that happened. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// In which job, or by whom; may be empty.
    pub job: String,
    /// To what: the text that a search looks into.
    pub object: String,
    /// What was done.
    pub action: String,
    /// How it went.
    pub status: String,
    /// Everything else.
    pub body: Value,
}

/// An entry and its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Greater than that of every entry before it.
    pub sequence: u64,
    /// The entry.
    pub entry: LogEntry,
}

/// Which entries, and from which end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Of this job.
    pub job: Option<String>,
    /// Whose object has this text in it, in upper or lower case.
    pub object: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// Beyond this sequence, in the direction of the order: where the page before ended.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// From which end.
    pub order: LogOrder,
}

/// From which end a journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogOrder {
    /// As people look at it.
    #[default]
    NewestFirst,
    /// As it is exported.
    OldestFirst,
}

/// The right to do something alone, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What for.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Grows with every lease of this name; see [`Batch::fence`].
    pub fence: u64,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Lease {
    /// The fence for a batch that is written under this lease.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), fence: self.fence }
    }
}

/// The text in which a search looks for `object`, on both sides.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}
