//! Which checks decide.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{Level, Peer};

/// What a target is held against. All checks run in every profile; the profile says which of them decide.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The MUSTs of RFC 7643, 7644 and 9865. SHOULDs warn.
    #[default]
    Rfc,
    /// The SHOULDs too.
    Strict,
    /// [`Profile::Rfc`] and what Microsoft Entra ID needs.
    Entra,
    /// [`Profile::Rfc`] and what Okta needs.
    Okta,
    /// [`Profile::Rfc`] and what peers in general need.
    Interop,
    /// [`Profile::Rfc`] and the IPSIE profile.
    Ipsie,
}

impl Profile {
    /// Every profile.
    pub const ALL: &'static [Self] =
        &[Self::Rfc, Self::Strict, Self::Entra, Self::Okta, Self::Interop, Self::Ipsie];

    /// The name as the option writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc => "rfc",
            Self::Strict => "strict",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Interop => "interop",
            Self::Ipsie => "ipsie",
        }
    }

    /// Whether a check of this level decides whether the target is conformant.
    #[must_use]
    pub const fn decides(self, level: Level) -> bool {
        match (self, level) {
            (_, Level::Must)
            | (Self::Strict, Level::Should)
            | (Self::Entra, Level::Interop(Peer::Entra))
            | (Self::Okta, Level::Interop(Peer::Okta))
            | (Self::Interop, Level::Interop(Peer::General))
            | (Self::Ipsie, Level::Interop(Peer::Ipsie)) => true,
            (_, Level::Should | Level::May | Level::Interop(_)) => false,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no profile.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no profile; there are rfc, strict, entra, okta, interop and ipsie")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|profile| profile.name() == text);
        found.copied().ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}
