//! The audit log: every administrative act, written in the same commit as what it did.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::records::{Entry, Journal, LogEntry};
use crate::tenant::TenantId;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds this token.
    Token {
        /// The token's id.
        id: String,
        /// What people call it.
        name: String,
    },
    /// An agent, by its id.
    Agent(String),
    /// Someone with a shell on the service's machine.
    Program,
    /// The service of its own accord.
    Service,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, name } => write!(f, "token {id} ({name})"),
            Self::Agent(id) => write!(f, "agent {id}"),
            Self::Program => f.write_str("command line"),
            Self::Service => f.write_str("service"),
        }
    }
}

/// An entry for the audit log of a tenant. `details` holds no secret.
#[must_use]
pub fn entry(
    tenant: &TenantId,
    actor: &Actor,
    action: &str,
    object: impl Into<String>,
    details: Value,
    at: DateTime<Utc>,
) -> Entry {
    let entry = LogEntry {
        at,
        job: actor.to_string(),
        object: object.into(),
        action: action.to_owned(),
        status: "Success".to_owned(),
        body: details,
    };
    Entry { tenant: tenant.clone(), journal: Journal::Audit, entry }
}
