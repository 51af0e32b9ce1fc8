//! Who is asking: tenant, subject and scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

use super::AuthError;

/// The name of a tenant: `[a-z0-9][a-z0-9-]{0,62}`, so that it is safe in a path and in a log.
///
/// ```
/// use scim_server::auth::TenantId;
/// assert!("acme-2".parse::<TenantId>().is_ok());
/// assert!("../acme".parse::<TenantId>().is_err());
/// assert_eq!(TenantId::default().as_str(), "default");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(SmolStr);

/// Text that is not a tenant name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant name has 1 to 63 characters out of a-z, 0-9 and '-', and does not start with '-'"
)]
pub struct InvalidTenantId;

impl TenantId {
    /// The longest name.
    pub const MAX_LEN: usize = 63;

    /// Checks `name` and keeps it.
    ///
    /// # Errors
    /// [`InvalidTenantId`] when it has another form; upper case is not folded but refused.
    pub fn new(name: &str) -> Result<Self, InvalidTenantId> {
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let bytes = name.as_bytes();
        let valid = (1..=Self::MAX_LEN).contains(&bytes.len())
            && bytes[0] != b'-'
            && bytes.iter().copied().all(shape);
        if valid { Ok(Self(name.into())) } else { Err(InvalidTenantId) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    /// The tenant served without a `/t/{tenant}` prefix.
    fn default() -> Self {
        Self(SmolStr::new_static("default"))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = SmolStr::deserialize(deserializer)?;
        Self::new(&name).map_err(de::Error::custom)
    }
}

/// Who authenticated, as the audit trail names it: a token id or a JWT's `sub`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PrincipalId(SmolStr);

impl PrincipalId {
    /// The longest subject.
    pub const MAX_LEN: usize = 255;

    /// Keeps `subject` if it can be written to a log line: not empty, no control characters, at
    /// most [`PrincipalId::MAX_LEN`] bytes.
    #[must_use]
    pub fn new(subject: &str) -> Option<Self> {
        is_loggable(subject, Self::MAX_LEN).then(|| Self(subject.into()))
    }

    /// The subject.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at resources.
    Read,
    /// Change resources, and look at them: write implies read.
    Write,
}

impl Scope {
    /// The wire name: `read` or `write`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that is not a list of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scopes are 'read' and 'write', separated by a space or a comma")]
pub struct InvalidScope;

/// A set of [`Scope`]s in which write always brings read along.
///
/// The text form, for a command line or a column, is `read` or `read write`.
///
/// ```
/// use scim_server::auth::{Scope, Scopes};
/// let scopes: Scopes = "write".parse()?;
/// assert!(scopes.contains(Scope::Read));
/// assert_eq!(scopes.to_string(), "read write");
/// # Ok::<(), scim_server::auth::InvalidScope>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scopes {
    // Two nested rights are a scale: nothing, read, read and write.
    highest: Option<Scope>,
}

impl Scopes {
    /// No scope: the holder is known and may do nothing.
    pub const NONE: Self = Self { highest: None };
    /// Look, but do not change.
    pub const READ: Self = Self { highest: Some(Scope::Read) };
    /// Everything.
    pub const ALL: Self = Self { highest: Some(Scope::Write) };

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.highest >= Some(scope)
    }

    /// The set with `scope` added.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self { highest: self.highest.max(Some(scope)) }
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.highest.is_none()
    }

    /// The scopes of the set, read first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        [Scope::Read, Scope::Write].into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self::NONE.with(scope)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.highest {
            None => "",
            Some(Scope::Read) => "read",
            Some(Scope::Write) => "read write",
        })
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(|word| match word {
                "read" => Ok(Scope::Read),
                "write" => Ok(Scope::Write),
                _ => Err(InvalidScope),
            })
            .collect()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// An authenticated caller. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The only tenant this caller may touch.
    pub tenant: TenantId,
    /// The token id, or the `sub` of a JWT.
    pub subject: PrincipalId,
    /// What the caller may do.
    pub scopes: Scopes,
    /// The id of the resource that `/Me` means, where the credential is bound to one.
    pub user: Option<SmolStr>,
    /// A name for people: the token's name, or the subject.
    pub name: SmolStr,
}

impl Principal {
    /// Checks that this caller may do `scope` in `tenant`.
    ///
    /// The tenant comes first, so a caller learns nothing about scopes elsewhere.
    ///
    /// # Errors
    /// [`AuthError::WrongTenant`] for any other tenant, whether it exists or not, and
    /// [`AuthError::InsufficientScope`].
    pub fn authorize(&self, tenant: &TenantId, scope: Scope) -> Result<(), AuthError> {
        if self.tenant != *tenant {
            Err(AuthError::WrongTenant)
        } else if !self.scopes.contains(scope) {
            Err(AuthError::InsufficientScope { needed: scope })
        } else {
            Ok(())
        }
    }
}

/// Whether `text` may stand in a log line or a terminal listing as it is.
pub(super) fn is_loggable(text: &str, max_len: usize) -> bool {
    (1..=max_len).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn principal(tenant: &str, scopes: Scopes) -> Principal {
        Principal {
            tenant: tenant.parse().unwrap(),
            subject: PrincipalId::new("s").unwrap(),
            scopes,
            user: None,
            name: "s".into(),
        }
    }

    #[test]
    fn tenant_names_are_path_segments_and_nothing_more() {
        let longest = "a".repeat(63);
        for good in ["default", "a", "0", "acme-2", "a--b", "a-", longest.as_str()] {
            assert_eq!(TenantId::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in [
            "",
            "-a",
            "A",
            "acme_2",
            "a.b",
            "a/b",
            "..",
            "a b",
            "ä",
            "a\0",
            "%61",
            "a\n",
            too_long.as_str(),
        ] {
            assert_eq!(TenantId::new(bad), Err(InvalidTenantId), "{bad:?}");
            assert!(serde_json::from_value::<TenantId>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn write_implies_read_in_every_form() {
        let write: Scopes = serde_json::from_str(r#"["write"]"#).unwrap();
        assert_eq!(write, Scopes::ALL);
        assert_eq!(serde_json::to_string(&write).unwrap(), r#"["read","write"]"#);
        assert_eq!(serde_json::to_string(&Scopes::READ).unwrap(), r#"["read"]"#);
        assert_eq!("read,write".parse(), Ok(Scopes::ALL));
        assert_eq!("".parse(), Ok(Scopes::NONE));
        assert_eq!("admin".parse::<Scopes>(), Err(InvalidScope));
        assert_eq!("Read".parse::<Scopes>(), Err(InvalidScope));
        assert!(!Scopes::READ.contains(Scope::Write));
        assert!(!Scopes::NONE.contains(Scope::Read));
    }

    #[test]
    fn authorize_checks_the_tenant_before_the_scope() {
        let acme = TenantId::new("acme").unwrap();
        let reader = principal("acme", Scopes::READ);
        assert!(reader.authorize(&acme, Scope::Read).is_ok());
        assert!(matches!(
            reader.authorize(&acme, Scope::Write),
            Err(AuthError::InsufficientScope { needed: Scope::Write })
        ));
        assert!(matches!(
            reader.authorize(&TenantId::default(), Scope::Write),
            Err(AuthError::WrongTenant)
        ));
        assert!(principal("acme", Scopes::NONE).authorize(&acme, Scope::Read).is_err());
    }

    #[test]
    fn subjects_cannot_break_a_log_line() {
        assert!(PrincipalId::new("spiffe://a/b").is_some());
        for bad in ["", "a\nb", "a\u{1b}[0m", &"x".repeat(256)] {
            assert!(PrincipalId::new(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn scopes_are_the_set_union_with_write_implying_read(
            list in proptest::collection::vec(prop_oneof![Just(Scope::Read), Just(Scope::Write)], 0..5)
        ) {
            let scopes: Scopes = list.iter().copied().collect();
            let writes = list.contains(&Scope::Write);
            prop_assert_eq!(scopes.contains(Scope::Write), writes);
            prop_assert_eq!(scopes.contains(Scope::Read), writes || list.contains(&Scope::Read));
            prop_assert_eq!(scopes.to_string().parse::<Scopes>(), Ok(scopes));
        }
    }
}
