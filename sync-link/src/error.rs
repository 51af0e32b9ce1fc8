//! What goes wrong between a request and its answer, and how a link comes to its end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::frame::FrameError;

/// The longest reason that the other side may give, in characters.
pub(crate) const REASON: usize = 500;

/// What the other side says, fit for logs and lists: one line of `most` characters at most, none of which moves the cursor or
/// turns the text around.
pub(crate) fn short(text: &str, most: usize) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().take(most).map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// Why a request has no answer, or an answer no end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No agent of the group is connected, or those that are take no new requests.
    #[error("no agent of the group is connected")]
    NoAgent,
    /// All agents of the group are at work and too many requests wait already.
    #[error("all agents of the group are busy and {waiting} requests wait already")]
    Busy {
        /// How many waited.
        waiting: usize,
    },
    /// The time was over before the answer, or before the next part of it.
    #[error("the agent did not answer in time")]
    Deadline,
    /// The link to the agent ended; whether it did the work is not known.
    #[error("the link to the agent was lost before the answer was complete")]
    Lost,
    /// The agent gave up, in its own words.
    #[error("the agent gave up: {0}")]
    Refused(String),
    /// The request is larger than the agent takes, or the answer larger than the caller does.
    #[error("too large for the link or for its reader")]
    TooLarge,
    /// The agent did something that the protocol forbids; its link was ended.
    #[error("the agent broke the protocol: {0}")]
    Protocol(String),
}

impl LinkError {
    /// Whether the same request may well be answered when it is sent again: requests over the link are idempotent.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoAgent | Self::Busy { .. } | Self::Deadline | Self::Lost => true,
            Self::Refused(_) | Self::TooLarge | Self::Protocol(_) => false,
        }
    }
}

/// How a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What kind of end it was.
    pub code: EndCode,
    /// Whether the other side said so; otherwise this side did or the transport broke.
    pub by_peer: bool,
    /// In words, for the log: one line of 500 characters at most, also where they are the other side's.
    pub reason: String,
}

impl Ended {
    pub(crate) fn new(code: EndCode, reason: impl AsRef<str>) -> Self {
        // What a transport broke with may be in the other side's words, too.
        Self { code, by_peer: false, reason: short(reason.as_ref(), REASON) }
    }

    pub(crate) fn by_peer(code: EndCode, reason: &str) -> Self {
        Self { by_peer: true, ..Self::new(code, reason) }
    }

    pub(crate) fn protocol(reason: impl AsRef<str>) -> Self {
        Self::new(EndCode::Protocol, reason)
    }

    pub(crate) fn lost(reason: impl AsRef<str>) -> Self {
        Self::new(EndCode::Lost, reason)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_peer {
            write!(f, "ended by the other side: {}", self.reason)
        } else {
            f.write_str(&self.reason)
        }
    }
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Self {
        Self::protocol(error.to_string())
    }
}

/// The kinds of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EndCode {
    /// The agent was asked to stop and had answered everything.
    Drained,
    /// The service is stopping; another replica, or the same one later, takes the agent.
    Stopping,
    /// The credential ran out, or its successor was not accepted.
    Expired,
    /// An administrator ended it.
    Revoked,
    /// The same agent has a newer connection.
    Replaced,
    /// Nothing was heard for too long.
    Silent,
    /// The transport broke, or lost messages.
    Lost,
    /// One side did what the protocol forbids.
    Protocol,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::{EndCode, Ended, REASON, short};

    #[test]
    fn words_of_the_other_side_are_one_short_line() {
        assert_eq!(short("a\nb\u{1b}[2Jc\u{202e}d\u{2028}e", 100), "a b [2Jc d e");
        assert_eq!(short("äöü", 2), "äö");
        let ended = Ended::by_peer(EndCode::Drained, &"x\n".repeat(10_000));
        assert_eq!(ended.reason.chars().count(), REASON);
        assert!(ended.by_peer && !ended.reason.contains('\n'));
    }
}
