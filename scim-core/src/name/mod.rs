//! Names: attribute names, schema URIs and the paths made of them (RFC 7643 section 2.1, RFC 7644 section 3.10).

mod path;
mod uri;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use smol_str::SmolStr;

pub use path::AttrPath;
pub use uri::{SchemaUri, urn};
pub(crate) use uri::{is_schema_uri, is_uri_byte};

/// An attribute name: compares without regard to case, keeps the spelling it was written with.
///
/// Grammar: a letter or `$`, then letters, digits, `-` and `_`. The leading `$` is for `$ref`, which the published
/// grammar forgets (erratum 8924). Source: RFC 7643 section 2.1.
///
/// ```
/// use scim_core::AttrName;
/// let a: AttrName = "userName".parse()?;
/// assert_eq!(a, "USERNAME".parse::<AttrName>()?);
/// assert_eq!(a.as_str(), "userName");
/// # Ok::<(), scim_core::NameError>(())
/// ```
#[derive(Clone)]
pub struct AttrName(SmolStr);

impl AttrName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError`] when the text is not an attribute name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if is_attr_name(text) {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(NameError { text: text.chars().take(64).collect() })
        }
    }

    /// A name that the caller has already matched against the grammar.
    pub(crate) fn from_checked(text: &str) -> Self {
        debug_assert!(is_attr_name(text), "{text:?} is no attribute name");
        Self(SmolStr::new(text))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without copying it, for use as a member name.
    pub(crate) fn to_smol(&self) -> SmolStr {
        self.0.clone()
    }
}

/// Whether the text is an attribute name by the grammar above.
pub(crate) fn is_attr_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.first(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'$'))
        && bytes[1..].iter().all(|b| is_name_byte(*b))
        && bytes != b"$"
}

/// A byte that may follow the first one of a name.
pub(crate) const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

impl PartialEq for AttrName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for AttrName {}

impl PartialEq<str> for AttrName {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for AttrName {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialOrd for AttrName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttrName {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_ignore_ascii_case(&self.0, &other.0)
    }
}

impl Hash for AttrName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignore_ascii_case(&self.0, state);
    }
}

impl FromStr for AttrName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for AttrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A text that is not an attribute name, schema URI or attribute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid name: expected a letter or '$', then letters, digits, '-' or '_'")]
pub struct NameError {
    pub(crate) text: String,
}

pub(crate) fn cmp_ignore_ascii_case(a: &str, b: &str) -> Ordering {
    a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()))
}

pub(crate) fn hash_ignore_ascii_case<H: Hasher>(text: &str, state: &mut H) {
    for b in text.bytes() {
        state.write_u8(b.to_ascii_lowercase());
    }
    state.write_u8(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in ["a", "userName", "$ref", "x509Certificates", "a-b_c9"] {
            assert!(AttrName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "$", "1a", "-a", "a b", "a.b", "é", "a\0", "a:b", "_a"] {
            assert!(AttrName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_is_ignored_everywhere() {
        let (a, b) = (AttrName::from_checked("UserName"), AttrName::from_checked("username"));
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), Ordering::Equal);
        let set: std::collections::BTreeSet<_> = [a, b].into();
        assert_eq!(set.len(), 1);
    }
}
