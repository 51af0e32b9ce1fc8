//! The name of a tenant: the first part of every key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a tenant: 1 to 63 lower-case letters, digits and `-`, neither first nor last a `-`.
///
/// ```
/// use scim_provisioning_service::tenant::TenantId;
///
/// assert!(TenantId::new("contoso-eu").is_ok());
/// assert!(TenantId::new("Contoso").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct TenantId(SmolStr);

/// A text that is no name of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant's name has 1 to 63 lower-case letters, digits and '-', and neither begins nor ends with '-'"
)]
pub struct InvalidTenant;

/// The longest name.
const MAX: usize = 63;
/// The owner of what belongs to the service as a whole. No tenant can have this name.
const SERVICE: &str = "$service";

impl TenantId {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidTenant`].
    pub fn new(name: &str) -> Result<Self, InvalidTenant> {
        let letters =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let edges = name.starts_with('-') || name.ends_with('-');
        if name.is_empty() || name.len() > MAX || !letters || edges {
            return Err(InvalidTenant);
        }
        Ok(Self(name.into()))
    }

    /// The owner of what belongs to the service as a whole, like its certificate authority. Not the name of any tenant:
    /// [`TenantId::new`] refuses it.
    #[must_use]
    pub const fn service() -> Self {
        Self(SmolStr::new_static(SERVICE))
    }

    /// Whether this is [`TenantId::service`].
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.0 == SERVICE
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name as a store gives it back, which may be that of the service.
    ///
    /// # Errors
    /// [`InvalidTenant`].
    pub(crate) fn stored(name: &str) -> Result<Self, InvalidTenant> {
        if name == SERVICE { Ok(Self::service()) } else { Self::new(name) }
    }
}

impl Default for TenantId {
    /// The tenant of an installation that has only one.
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
    type Err = InvalidTenant;

    fn from_str(name: &str) -> Result<Self, InvalidTenant> {
        Self::new(name)
    }
}

impl TryFrom<SmolStr> for TenantId {
    type Error = InvalidTenant;

    fn try_from(name: SmolStr) -> Result<Self, InvalidTenant> {
        Self::new(&name)
    }
}

impl From<TenantId> for SmolStr {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strict_and_the_services_own_is_none() {
        for good in ["a", "acme", "a-1", &"x".repeat(63)] {
            assert_eq!(TenantId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "$service", "ä", &"x".repeat(64)] {
            assert_eq!(TenantId::new(bad), Err(InvalidTenant), "{bad}");
        }
        assert!(serde_json::from_str::<TenantId>("\"$service\"").is_err());
        assert!(TenantId::stored("$service").unwrap().is_service());
    }
}
