//! `[rates]` and `[errors]`: how fast one may ask, and what unusual answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{Action, Limit};

/// `[rates]`: the budget of requests, shared by all who use a client and its clones.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rates {
    /// Requests under way at the same time.
    pub concurrency: Limit,
    /// A header of answers with the number of requests that are left.
    pub remaining_header: Option<String>,
    /// A header of answers with the seconds, or the second of the Unix epoch, until more are allowed.
    pub reset_header: Option<String>,
    /// Numbers of requests in a time, each under a name of its own. A request has to fit all that it belongs to.
    pub windows: BTreeMap<String, Window>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// `[rates.windows.X]`: so many in a time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// The endpoints that count; all when empty.
    pub endpoints: Vec<String>,
    /// The actions that count; all when empty.
    pub actions: Vec<Action>,
    /// Only requests whose body has more bytes than this count.
    pub body_over: Option<u32>,
    /// Only requests whose body has at most this many bytes count.
    pub body_up_to: Option<u32>,
    /// What is counted.
    pub counts: Counts,
    /// Each resource has a window of its own.
    pub each_resource: bool,
    /// How many.
    pub amount: u32,
    /// In which time: `"30s"`, `"1m"`, `"1h"`.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub per: Duration,
    /// How many at once. With it the server counts by a bucket of this size; without it, no time of this length sees
    /// more than `amount`.
    pub burst: Option<u32>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            actions: Vec::new(),
            body_over: None,
            body_up_to: None,
            counts: Counts::Requests,
            each_resource: false,
            amount: 0,
            per: Duration::ZERO,
            burst: None,
            source: Vec::new(),
        }
    }
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Counts {
    /// Requests.
    #[default]
    Requests,
    /// Operations: each one of a bulk request counts, any other request is one.
    Operations,
    /// Members that a request adds.
    AddedMembers,
}

/// `[errors.X]`: an answer that means something else than its status says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorRule {
    /// The status.
    pub status: u16,
    /// The actions; any when empty.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// The endpoints; any when empty.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// A text that the body holds.
    #[serde(default)]
    pub text: Option<String>,
    /// Whether the answer is an HTML page.
    #[serde(default)]
    pub html: Option<bool>,
    /// What it means.
    pub meaning: Meaning,
    /// What to do about it, for the person who reads the error.
    #[serde(default)]
    pub hint: Option<String>,
    /// Where this fact comes from.
    #[serde(default)]
    pub source: Vec<String>,
}

impl ErrorRule {
    /// The number of conditions.
    pub(crate) fn weight(&self) -> usize {
        usize::from(!self.actions.is_empty())
            + usize::from(!self.endpoints.is_empty())
            + usize::from(self.text.is_some())
            + usize::from(self.html.is_some())
    }
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Meaning {
    /// A passing trouble: the same request may succeed later.
    Retryable,
    /// Too fast: as a 429.
    SlowDown,
    /// The value is taken already.
    Uniqueness,
    /// There is no such resource.
    NotFound,
    /// The version is not the one that the request named.
    PreconditionFailed,
    /// The request itself has to change; it is no conflict with another resource.
    Invalid,
    /// The server does not know this method here. It says nothing about the resource.
    MethodUnsupported,
    /// The feature has to be switched on first.
    NotEnabled,
    /// Not allowed.
    Forbidden,
}

impl Meaning {
    /// The word in profiles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::SlowDown => "slow-down",
            Self::Uniqueness => "uniqueness",
            Self::NotFound => "not-found",
            Self::PreconditionFailed => "precondition-failed",
            Self::Invalid => "invalid",
            Self::MethodUnsupported => "method-unsupported",
            Self::NotEnabled => "not-enabled",
            Self::Forbidden => "forbidden",
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split_at_checked(text.len().saturating_sub(1));
    let unit = match parts {
        Some((_, "s")) => 1,
        Some((_, "m")) => 60,
        Some((_, "h")) => 3_600,
        _ => 0,
    };
    match parts.and_then(|(number, _)| number.parse::<u32>().ok()) {
        Some(number) if unit > 0 && number > 0 => Ok(Duration::from_secs(u64::from(number) * unit)),
        _ => {
            Err(de::Error::custom("a time is a number from 1 and `s`, `m` or `h`, such as \"30s\""))
        }
    }
}
