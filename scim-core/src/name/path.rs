//! Attribute paths: `[URI ":"] name ["." sub]`.

use std::fmt;
use std::str::FromStr;

use super::{AttrName, NameError, SchemaUri, is_attr_name};

/// The notation that names an attribute in filters, `attributes` lists and `sortBy` (RFC 7644 section 3.10).
///
/// The part before the last colon is the schema URI, so dots in `2.0` never look like sub-attributes. A bare extension
/// URI has the same form as a qualified attribute; [`crate::ResourceSchema::resolve`] tells them apart by what is
/// registered.
///
/// ```
/// use scim_core::AttrPath;
/// let path: AttrPath = "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName".parse()?;
/// assert_eq!(path.name(), "name");
/// assert_eq!(path.sub().unwrap(), "givenName");
/// assert_eq!(path.to_string().parse::<AttrPath>()?, path);
/// # Ok::<(), scim_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrPath {
    uri: Option<SchemaUri>,
    name: AttrName,
    sub: Option<AttrName>,
}

impl AttrPath {
    /// A path of already checked parts.
    pub fn new(uri: Option<SchemaUri>, name: AttrName, sub: Option<AttrName>) -> Self {
        Self { uri, name, sub }
    }

    /// The schema URI in front, if any.
    pub fn uri(&self) -> Option<&SchemaUri> {
        self.uri.as_ref()
    }

    /// The attribute.
    pub fn name(&self) -> &AttrName {
        &self.name
    }

    /// The sub-attribute, if any.
    pub fn sub(&self) -> Option<&AttrName> {
        self.sub.as_ref()
    }

    /// The same attribute with this sub-attribute.
    #[must_use]
    pub fn with_sub(mut self, sub: AttrName) -> Self {
        self.sub = Some(sub);
        self
    }
}

impl FromStr for AttrPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || NameError { text: text.chars().take(64).collect() };
        let (uri, rest) = match text.rfind(':') {
            Some(colon) => (Some(SchemaUri::new(&text[..colon])?), &text[colon + 1..]),
            None => (None, text),
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        if !is_attr_name(name) || sub.is_some_and(|s| !is_attr_name(s)) {
            return Err(bad());
        }
        Ok(Self { uri, name: AttrName::from_checked(name), sub: sub.map(AttrName::from_checked) })
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uri) = &self.uri {
            write!(f, "{uri}:")?;
        }
        write!(f, "{}", self.name)?;
        if let Some(sub) = &self.sub {
            write!(f, ".{sub}")?;
        }
        Ok(())
    }
}

impl From<AttrName> for AttrPath {
    fn from(name: AttrName) -> Self {
        Self { uri: None, name, sub: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_path() {
        for bad in ["", ".", "name.", ".x", "name..x", "a.b.c", "urn:x:", "emails.0", "emails/0"] {
            assert!(bad.parse::<AttrPath>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn display_reparses(path in "(urn:[a-z]{1,4}:[a-z0-9.]{1,5}[a-z]:)?[a-zA-Z$][a-zA-Z0-9_-]{1,6}(\\.[$a-z][a-z0-9]{1,4})?") {
            let parsed: AttrPath = path.parse().unwrap();
            prop_assert_eq!(parsed.to_string(), path.clone());
            prop_assert_eq!(parsed.to_string().parse::<AttrPath>().unwrap(), parsed);
        }
    }
}
