//! The enterprise extension of users.

use super::extension::Extension;
use super::view::view;
use crate::name::urn;
use crate::schema::{RegistryError, Schema};

view! {
    /// The enterprise extension of a user (RFC 7643 section 4.3).
    EnterpriseUser {
        /// The number that the organisation gave the person.
        one employee_number "employeeNumber": String = with_employee_number,
        /// The cost center.
        one cost_center "costCenter": String = with_cost_center,
        /// The organisation.
        one organization "organization": String = with_organization,
        /// The division.
        one division "division": String = with_division,
        /// The department.
        one department "department": String = with_department,
        /// The user's manager.
        one manager "manager": Manager = with_manager,
    }
}

impl Extension for EnterpriseUser {
    const URN: &'static str = urn::ENTERPRISE_USER;

    fn schema() -> Result<Schema, RegistryError> {
        Ok(Schema::enterprise_user())
    }
}

view! {
    /// The manager of a user or contact.
    Manager {
        /// The manager's id.
        one value "value": String = with_value,
        /// The manager's URI.
        one reference "$ref": String = with_reference,
        /// The manager's name; written by the server only.
        one display_name "displayName": String = with_display_name,
    }
}

impl Manager {
    /// The manager with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self::default().with_value(id)
    }
}

impl From<&str> for Manager {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}
