//! Search filters as a tree, written out with RFC 4515 escapes: input never becomes syntax.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A search filter.
///
/// ```
/// use scim_sync_connectors::ldap::LdapFilter;
///
/// let filter = LdapFilter::all([LdapFilter::equal("objectClass", "user"), LdapFilter::equal("cn", "a*(b)")]);
/// assert_eq!(filter.to_string(), r"(&(objectClass=user)(cn=a\2a\28b\29))");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LdapFilter {
    /// Every one holds; none at all holds always.
    All(Vec<LdapFilter>),
    /// At least one holds.
    Any(Vec<LdapFilter>),
    /// It does not hold.
    Not(Box<LdapFilter>),
    /// The attribute has a value.
    Present(String),
    /// The attribute has this value.
    Equal(String, Vec<u8>),
    /// The attribute is at least this, in the order of its syntax.
    AtLeast(String, Vec<u8>),
    /// All these bits are set (Active Directory's rule 1.2.840.113556.1.4.803).
    Bits(String, i64),
    /// The object is a direct or nested member (Active Directory's rule 1.2.840.113556.1.4.1941).
    InChain(String, Vec<u8>),
}

impl LdapFilter {
    /// Every one of these holds.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::All(parts.into_iter().collect())
    }

    /// At least one of these holds.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::Any(parts.into_iter().collect())
    }

    /// This does not hold.
    #[must_use]
    pub fn negate(filter: Self) -> Self {
        Self::Not(Box::new(filter))
    }

    /// The attribute has this value.
    #[must_use]
    pub fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal(attribute.to_owned(), value.as_ref().to_vec())
    }

    /// The attribute has a value.
    #[must_use]
    pub fn present(attribute: &str) -> Self {
        Self::Present(attribute.to_owned())
    }
}

impl fmt::Display for LdapFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, operator: char, parts: &[Self]| {
            write!(f, "({operator}")?;
            parts.iter().try_for_each(|part| part.fmt(f))?;
            f.write_str(")")
        };
        match self {
            // An absolute true or false filter (RFC 4526) is not understood everywhere; every entry has an object class.
            Self::All(parts) if parts.is_empty() => f.write_str("(objectClass=*)"),
            Self::Any(parts) if parts.is_empty() => f.write_str("(!(objectClass=*))"),
            Self::All(parts) | Self::Any(parts) if parts.len() == 1 => parts[0].fmt(f),
            Self::All(parts) => list(f, '&', parts),
            Self::Any(parts) => list(f, '|', parts),
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Present(attribute) => write!(f, "({}=*)", Name(attribute)),
            Self::Equal(attribute, value) => write!(f, "({}={})", Name(attribute), Value(value)),
            Self::AtLeast(attribute, value) => write!(f, "({}>={})", Name(attribute), Value(value)),
            Self::Bits(attribute, bits) => {
                write!(f, "({}:1.2.840.113556.1.4.803:={bits})", Name(attribute))
            }
            Self::InChain(attribute, value) => {
                write!(f, "({}:1.2.840.113556.1.4.1941:={})", Name(attribute), Value(value))
            }
        }
    }
}

/// The name of an attribute: what cannot be part of one is left out, so that it cannot end the clause either.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
        self.0.chars().filter(known).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// A value with its escapes (RFC 4515 section 3).
struct Value<'a>(&'a [u8]);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'*' | b'(' | b')' | b'\\' | 0..=0x1f | 0x7f..=0xff => write!(f, "\\{byte:02x}")?,
                _ => fmt::Write::write_char(f, char::from(byte))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_as_text() {
        let users = LdapFilter::all([
            LdapFilter::equal("objectClass", "user"),
            LdapFilter::negate(LdapFilter::equal("objectClass", "computer")),
        ]);
        assert_eq!(users.to_string(), "(&(objectClass=user)(!(objectClass=computer)))");
        assert_eq!(LdapFilter::all([]).to_string(), "(objectClass=*)");
        assert_eq!(LdapFilter::any([]).to_string(), "(!(objectClass=*))");
        assert_eq!(
            LdapFilter::equal("objectGUID", [0, 0x41, 0xff]).to_string(),
            r"(objectGUID=\00A\ff)"
        );
        assert_eq!(
            LdapFilter::InChain("memberOf".into(), "CN=a(b),DC=x".into()).to_string(),
            r"(memberOf:1.2.840.113556.1.4.1941:=CN=a\28b\29,DC=x)"
        );
        assert_eq!(LdapFilter::present("cn)(x=*").to_string(), "(cnx=*)");
    }

    proptest! {
        #[test]
        fn a_value_never_ends_its_clause(value in proptest::collection::vec(any::<u8>(), 0..30)) {
            let text = LdapFilter::equal("cn", &value).to_string();
            let inner = text.strip_prefix("(cn=").unwrap().strip_suffix(')').unwrap();
            prop_assert!(!inner.contains(['(', ')', '*']));
            prop_assert!(ldap3::parse_filter(&text).is_ok(), "{}", text);
        }
    }
}
