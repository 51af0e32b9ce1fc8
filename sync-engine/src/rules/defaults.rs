//! The rules that come with the crate.

use super::{RuleFile, RuleSet, load};
use crate::ConnectorId;
use crate::rules::RuleError;

/// The rules from Active Directory to a SCIM service, as text, with the connectors `ad` and `scim`.
pub const AD_TO_SCIM: &str = include_str!("../../rules/ad-to-scim.toml");

/// The rules from OpenLDAP to a SCIM service, as text, with the connectors `ldap` and `scim`.
pub const OPENLDAP_TO_SCIM: &str = include_str!("../../rules/openldap-to-scim.toml");

impl RuleSet {
    /// Users, groups and contacts of Active Directory, with the usual mappings.
    ///
    /// # Errors
    /// None for the text that comes with the crate.
    pub fn ad_to_scim(source: &ConnectorId, target: &ConnectorId) -> Result<Self, RuleError> {
        named(AD_TO_SCIM, source, target)
    }

    /// Users and groups of OpenLDAP, with the usual mappings.
    ///
    /// # Errors
    /// None for the text that comes with the crate.
    pub fn openldap_to_scim(source: &ConnectorId, target: &ConnectorId) -> Result<Self, RuleError> {
        named(OPENLDAP_TO_SCIM, source, target)
    }
}

/// The same rules between connectors of other names.
fn named(text: &str, source: &ConnectorId, target: &ConnectorId) -> Result<RuleSet, RuleError> {
    let mut file: RuleFile = load::read_toml(text)?;
    for rule in &mut file.rules {
        let is_target = rule.connector.as_str() == "scim";
        rule.connector = if is_target { target.clone() } else { source.clone() };
    }
    RuleSet::from_file(file)
}
