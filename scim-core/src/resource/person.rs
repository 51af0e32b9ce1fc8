//! What describes a person: name and postal address.

use super::canonical::AddressType;
use super::view::view;

view! {
    /// The components of a person's name (RFC 7643 section 4.1.1).
    Name {
        /// The full name, formatted for display.
        one formatted "formatted": String = with_formatted,
        /// The family name.
        one family_name "familyName": String = with_family_name,
        /// The given name.
        one given_name "givenName": String = with_given_name,
        /// The middle names.
        one middle_name "middleName": String = with_middle_name,
        /// The title in front of the name, such as "Dr.".
        one honorific_prefix "honorificPrefix": String = with_honorific_prefix,
        /// The suffix after the name, such as "III".
        one honorific_suffix "honorificSuffix": String = with_honorific_suffix,
    }
}

impl Name {
    /// A given and a family name.
    pub fn new(given_name: impl Into<String>, family_name: impl Into<String>) -> Self {
        Self::default().with_given_name(given_name).with_family_name(family_name)
    }
}

view! {
    /// A postal address (RFC 7643 section 4.1.2).
    Address {
        /// The whole address, formatted for display.
        one formatted "formatted": String = with_formatted,
        /// Street, house number, box.
        one street_address "streetAddress": String = with_street_address,
        /// The city.
        one locality "locality": String = with_locality,
        /// The state or region.
        one region "region": String = with_region,
        /// The postal code.
        one postal_code "postalCode": String = with_postal_code,
        /// The country, as ISO 3166-1 alpha-2 code.
        one country "country": String = with_country,
        /// What the address is for.
        one kind "type": AddressType = with_type,
        /// Whether this is the preferred address; true at most once.
        one primary "primary": bool = with_primary,
    }
}

impl Address {
    /// A business address, to be filled by the setters.
    pub fn work() -> Self {
        Self::default().with_type(AddressType::Work)
    }

    /// A private address, to be filled by the setters.
    pub fn home() -> Self {
        Self::default().with_type(AddressType::Home)
    }

    /// Makes it the preferred one.
    #[must_use]
    pub fn primary(self) -> Self {
        self.with_primary(true)
    }
}
