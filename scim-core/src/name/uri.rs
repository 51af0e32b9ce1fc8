//! Schema URIs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use super::{NameError, cmp_ignore_ascii_case, hash_ignore_ascii_case};

/// The URNs of the RFCs and of this project's own schemas.
pub mod urn {
    /// Core User schema (RFC 7643 section 4.1).
    pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    /// Core Group schema (RFC 7643 section 4.2).
    pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
    /// Enterprise User extension (RFC 7643 section 4.3).
    pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    /// Service provider configuration (RFC 7643 section 5).
    pub const SERVICE_PROVIDER_CONFIG: &str =
        "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    /// Resource type (RFC 7643 section 6).
    pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
    /// Schema (RFC 7643 section 7).
    pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
    /// This project's Contact resource.
    pub const CONTACT: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact";
    /// This project's extension with the on-premises facts of a user, group or contact.
    pub const ON_PREMISES: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises";

    /// List response (RFC 7644 section 3.4.2).
    pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
    /// Search request (RFC 7644 section 3.4.3).
    pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    /// PATCH request (RFC 7644 section 3.5.2).
    pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    /// Bulk request (RFC 7644 section 3.7).
    pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
    /// Bulk response (RFC 7644 section 3.7).
    pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    /// Error (RFC 7644 section 3.12).
    pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
}

/// The URI of a schema: compares without regard to case, keeps its spelling.
///
/// Any URN or absolute URI without white space, quotes or brackets is taken. Source: RFC 7643 section 3.1 and 10.
#[derive(Clone)]
pub struct SchemaUri(SmolStr);

impl SchemaUri {
    /// Reads a schema URI.
    ///
    /// # Errors
    /// [`NameError`] when the text is no URI that can stand in front of an attribute name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if is_schema_uri(text) {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(NameError { text: text.chars().take(64).collect() })
        }
    }

    /// One of the constants of [`urn`], or a text already matched against the grammar.
    pub(crate) fn from_checked(text: &str) -> Self {
        debug_assert!(is_schema_uri(text), "{text:?} is no schema URI");
        Self(SmolStr::new(text))
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without copying it, for use as a member name.
    pub(crate) fn to_smol(&self) -> SmolStr {
        self.0.clone()
    }
}

/// A scheme, a colon and something after it, of characters that RFC 3986 allows outside brackets.
pub(crate) fn is_schema_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    !rest.is_empty()
        && !rest.ends_with(':')
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && rest.bytes().all(is_uri_byte)
}

/// A byte of a schema URI.
pub(crate) const fn is_uri_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'/'
                | b'%'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'*'
                | b'+'
                | b'='
                | b';'
                | b'#'
                | b'?'
        )
}

impl PartialEq for SchemaUri {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SchemaUri {}

impl PartialEq<str> for SchemaUri {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for SchemaUri {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialOrd for SchemaUri {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SchemaUri {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_ignore_ascii_case(&self.0, &other.0)
    }
}

impl Hash for SchemaUri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignore_ascii_case(&self.0, state);
    }
}

impl FromStr for SchemaUri {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for SchemaUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SchemaUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for SchemaUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SchemaUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in [urn::USER, urn::ENTERPRISE_USER, "urn:x:y", "https://example.org/schema/Badge"]
        {
            assert!(SchemaUri::new(good).is_ok(), "{good}");
        }
        for bad in ["", "urn", "urn:", ":x", "urn:a b", "urn:a\"b", "1:x", "urn:x:"] {
            assert!(SchemaUri::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(SchemaUri::from_checked(urn::USER), urn::USER.to_lowercase().as_str());
    }
}
