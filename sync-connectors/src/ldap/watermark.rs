//! How far a directory was read, and all that this depends on.

use std::collections::BTreeMap;
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scim_sync::ConnectorError;
use scim_sync::connector::Watermark;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::LdapConfig;
use super::object::ReadPlan;
use super::scope::ScopeMemory;
use super::servers::ServerIdentity;

/// The contents of a watermark of this connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    /// Which server counted.
    pub(crate) server: ServerIdentity,
    /// What was read: another question has another answer.
    pub(crate) question: String,
    /// Where to go on.
    pub(crate) progress: Progress,
    /// What the scope was.
    #[serde(default)]
    pub(crate) scope: ScopeMemory,
}

/// Where to go on, in the words of the way in which changes are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Progress {
    /// DirSync.
    DirSync {
        /// A cookie for each query, in Base64.
        cookies: BTreeMap<String, String>,
        /// Whether the account that reads is shown what was deleted.
        tombstones: bool,
        /// The number of the server's latest change when the read began.
        usn: Option<i64>,
    },
    /// The number of the last change that was read.
    Usn(i64),
    /// The cookie of content synchronisation, in Base64.
    ContentSync(String),
}

impl Position {
    /// Reads a watermark.
    ///
    /// # Errors
    /// [`ConnectorError::WatermarkRefused`] when it is none of this connector, or belongs to another question.
    pub(crate) fn parse(watermark: &Watermark, question: &str) -> Result<Self, ConnectorError> {
        let position: Self = serde_json::from_value(watermark.0.clone()).map_err(|_| {
            ConnectorError::WatermarkRefused("the watermark is of another kind".to_owned())
        })?;
        if position.question != question {
            return Err(ConnectorError::WatermarkRefused(
                "the base, the scope or the attributes are not those of the last read".to_owned(),
            ));
        }
        Ok(position)
    }

    /// The watermark.
    ///
    /// # Errors
    /// [`ConnectorError::Protocol`], which cannot happen with what is in it.
    pub(crate) fn watermark(&self) -> Result<Watermark, ConnectorError> {
        serde_json::to_value(self).map(Watermark).map_err(|error| {
            ConnectorError::Protocol(format!("no watermark can be written: {error}"))
        })
    }
}

/// A digest of what is asked of the directory: base, kind of tracking, types with their filters, attributes, scope.
pub(crate) fn question(config: &LdapConfig, plan: &ReadPlan) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &dyn Debug| hash.update(format!("{part:?}\n"));
    add(&config.base);
    add(&config.directory);
    add(&config.scope);
    for kind in &plan.types {
        add(&kind.kind);
        add(&kind.request);
    }
    STANDARD.encode(&hash.finalize()[..16])
}

/// A cookie as text.
pub(crate) fn encode(cookie: &[u8]) -> String {
    STANDARD.encode(cookie)
}

/// A cookie from its text.
pub(crate) fn decode(cookie: &str) -> Result<Vec<u8>, ConnectorError> {
    STANDARD
        .decode(cookie)
        .map_err(|_| ConnectorError::WatermarkRefused("the watermark is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let position = Position {
            server: ServerIdentity { name: "dc1".to_owned(), invocation_id: None },
            question: "q".to_owned(),
            progress: Progress::DirSync {
                cookies: [("user".to_owned(), encode(b"MSDS"))].into(),
                tombstones: true,
                usn: Some(7),
            },
            scope: ScopeMemory::default(),
        };
        let watermark = position.watermark().unwrap();
        assert_eq!(Position::parse(&watermark, "q").unwrap(), position);
        let refused = |error| matches!(error, ConnectorError::WatermarkRefused(_));
        assert!(refused(Position::parse(&watermark, "other").unwrap_err()));
        assert!(refused(Position::parse(&Watermark(serde_json::json!(5)), "q").unwrap_err()));
        assert!(refused(decode("***").unwrap_err()));
    }
}
