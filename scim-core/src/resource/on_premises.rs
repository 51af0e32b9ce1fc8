//! What the on-premises directory knows.

use super::extension::Extension;
use super::view::view;
use crate::name::urn;
use crate::schema::{RegistryError, Schema};

view! {
    /// What the on-premises directory knows about a user, group or contact that was synchronised from it.
    OnPremises {
        /// The anchor of the source object, such as its objectGUID in base64; never changes while the object lives.
        one immutable_id "immutableId": String = with_immutable_id,
        /// The distinguished name in the source directory.
        one distinguished_name "distinguishedName": String = with_distinguished_name,
        /// The logon name of older systems.
        one sam_account_name "samAccountName": String = with_sam_account_name,
        /// The security identifier (SID).
        one security_identifier "securityIdentifier": String = with_security_identifier,
        /// The DNS name of the source domain.
        one domain_name "domainName": String = with_domain_name,
        /// The user principal name in the source directory.
        one user_principal_name "userPrincipalName": String = with_user_principal_name,
        /// When the object was last synchronised, as xsd:dateTime.
        one last_sync_date_time "lastSyncDateTime": String = with_last_sync_date_time,
    }
}

impl Extension for OnPremises {
    const URN: &'static str = urn::ON_PREMISES;

    fn schema() -> Result<Schema, RegistryError> {
        Ok(Schema::on_premises())
    }
}
