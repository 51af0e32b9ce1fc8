//! The kinds of events, by their URIs (RFC 9967 section 7.4).

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use smol_str::SmolStr;

/// What kind of event it is. Unknown URIs are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventUri {
    /// The resource joined the feed; it need not be new.
    FeedAdd,
    /// The resource left the feed; it need not be deleted.
    FeedRemove,
    /// Created; with the names of its attributes.
    CreateNotice,
    /// Created; with its representation.
    CreateFull,
    /// Changed by PATCH; with the names of the changed attributes.
    PatchNotice,
    /// Changed by PATCH; with the PATCH.
    PatchFull,
    /// Replaced; with the names of the changed attributes.
    PutNotice,
    /// Replaced; with the PUT body.
    PutFull,
    /// Deleted.
    Delete,
    /// Ready for use, by agreement of the two sides.
    Activate,
    /// Disabled, by agreement of the two sides.
    Deactivate,
    /// An asynchronous request was completed.
    AsyncResponse,
    /// Any other event.
    Other(SmolStr),
}

impl EventUri {
    /// The events of RFC 9967 section 7.4.
    pub const ALL: [EventUri; 12] = [
        Self::FeedAdd,
        Self::FeedRemove,
        Self::CreateNotice,
        Self::CreateFull,
        Self::PatchNotice,
        Self::PatchFull,
        Self::PutNotice,
        Self::PutFull,
        Self::Delete,
        Self::Activate,
        Self::Deactivate,
        Self::AsyncResponse,
    ];

    /// The URI.
    pub fn as_str(&self) -> &str {
        match self {
            Self::FeedAdd => "urn:ietf:params:scim:event:feed:add",
            Self::FeedRemove => "urn:ietf:params:scim:event:feed:remove",
            Self::CreateNotice => "urn:ietf:params:scim:event:prov:create:notice",
            Self::CreateFull => "urn:ietf:params:scim:event:prov:create:full",
            Self::PatchNotice => "urn:ietf:params:scim:event:prov:patch:notice",
            Self::PatchFull => "urn:ietf:params:scim:event:prov:patch:full",
            Self::PutNotice => "urn:ietf:params:scim:event:prov:put:notice",
            Self::PutFull => "urn:ietf:params:scim:event:prov:put:full",
            Self::Delete => "urn:ietf:params:scim:event:prov:delete",
            Self::Activate => "urn:ietf:params:scim:event:prov:activate",
            Self::Deactivate => "urn:ietf:params:scim:event:prov:deactivate",
            Self::AsyncResponse => "urn:ietf:params:scim:event:misc:asyncresp",
            Self::Other(uri) => uri,
        }
    }

    pub(super) fn content(&self) -> Contains {
        match self {
            Self::CreateFull | Self::PatchFull | Self::PutFull => Contains::Data,
            Self::CreateNotice | Self::PatchNotice | Self::PutNotice => Contains::Attributes,
            Self::AsyncResponse => Contains::Result,
            Self::FeedAdd | Self::FeedRemove | Self::Delete | Self::Activate | Self::Deactivate => {
                Contains::Nothing
            }
            Self::Other(_) => Contains::Anything,
        }
    }
}

/// What the payload of an event has to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contains {
    Nothing,
    Data,
    Attributes,
    Result,
    Anything,
}

impl From<&str> for EventUri {
    fn from(uri: &str) -> Self {
        let known = Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(uri));
        known.unwrap_or_else(|| Self::Other(SmolStr::new(uri)))
    }
}

impl FromStr for EventUri {
    type Err = std::convert::Infallible;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        Ok(uri.into())
    }
}

impl fmt::Display for EventUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(SmolStr::deserialize(deserializer)?.as_str().into())
    }
}
