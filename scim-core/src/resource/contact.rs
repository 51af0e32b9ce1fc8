//! Contacts.

use super::Meta;
use super::enterprise::Manager;
use super::multi_valued::{Email, PhoneNumber};
use super::person::{Address, Name};
use super::view::{resource_view, view};
use crate::name::urn;

view! {
    /// A person outside the organisation: can be reached and can be a group member, but has no credentials.
    ///
    /// Contacts are this project's own resource type; the schema is published at `/Schemas`.
    Contact {
        /// The URIs of the schemas that it has attributes of.
        many schemas "schemas": String,
        /// The identifier that the server gave.
        one id "id": String = with_id,
        /// The identifier that the client gave.
        one external_id "externalId": String = with_external_id,
        /// The name shown in address books.
        must display_name "displayName": String,
        /// The components of the contact's name.
        one name "name": Name = with_name,
        /// E-mail addresses.
        many emails "emails": Email = with_email,
        /// Phone numbers.
        many phone_numbers "phoneNumbers": PhoneNumber = with_phone_number,
        /// Postal addresses.
        many addresses "addresses": Address = with_address,
        /// The title, such as "Vice President".
        one title "title": String = with_title,
        /// The department.
        one department "department": String = with_department,
        /// The organisation that the contact works for.
        one organization "organization": String = with_organization,
        /// The person responsible for the contact.
        one manager "manager": Manager = with_manager,
        /// Every address at which mail reaches the contact, with its scheme, such as SMTP:ada@example.org.
        many proxy_addresses "proxyAddresses": String = with_proxy_address,
        /// Facts that the server keeps.
        one meta "meta": Meta = with_meta,
    }
}
resource_view!(Contact);

impl Contact {
    /// A contact of this name.
    pub fn new(display_name: impl Into<String>) -> Self {
        let schemas = vec![urn::CONTACT.to_owned()];
        Self { schemas, display_name: display_name.into(), ..Self::default() }
    }
}
