//! What of a directory to take in, as it travels with a request.

use serde::{Deserialize, Serialize};

/// What of a directory to take in. The agent keeps no configuration of it: it comes with every request.
///
/// A member that the agent does not know makes it refuse the request: a scope that is understood in part would take in too
/// much.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RemoteScope {
    /// Where to read; the directory's own root when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Only what is under one of these places; anywhere when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// But nothing under these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Only this group and its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether the members of groups within that group belong to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
}

/// The scope of a directory that is read by LDAP; the base is no part of it.
#[cfg(feature = "ldap")]
impl From<&RemoteScope> for crate::ldap::LdapScope {
    fn from(scope: &RemoteScope) -> Self {
        let group =
            |name: &String| crate::ldap::ScopeGroup { name: name.clone(), nested: scope.nested };
        Self {
            include: scope.include.clone(),
            exclude: scope.exclude.clone(),
            group: scope.group.as_ref().map(group),
            ..Self::default()
        }
    }
}
