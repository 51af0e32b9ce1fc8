//! Users.

use super::Meta;
use super::multi_valued::{
    Email, Entitlement, GroupRef, Im, PhoneNumber, Photo, Role, X509Certificate,
};
use super::person::{Address, Name};
use super::view::{resource_view, view};
use crate::name::urn;

view! {
    /// A user account (RFC 7643 section 4.1).
    ///
    /// Extensions travel in `extra` under their URNs; [`User::extension`] reads them with their type. Conversion from
    /// and to [`Resource`](crate::Resource) loses nothing but unassigned values.
    ///
    /// ```
    /// use scim_core::{Email, EnterpriseUser, Name, User};
    /// let ada = User::new("ada")
    ///     .with_name(Name::new("Ada", "Lovelace"))
    ///     .with_email(Email::work("ada@example.org").primary())
    ///     .with_extension(EnterpriseUser { department: Some("Engines".into()), ..Default::default() });
    /// let resource = ada.clone().into_resource();
    /// assert_eq!(resource.schemas().count(), 2);
    /// assert_eq!(User::try_from(resource)?, ada);
    /// assert_eq!(ada.extension::<EnterpriseUser>()?.unwrap().department.as_deref(), Some("Engines"));
    /// # Ok::<(), scim_core::ConvertError>(())
    /// ```
    User {
        /// The URIs of the schemas that it has attributes of.
        many schemas "schemas": String,
        /// The identifier that the server gave.
        one id "id": String = with_id,
        /// The identifier that the client gave.
        one external_id "externalId": String = with_external_id,
        /// The name with which the user signs in; unique without regard to case.
        must user_name "userName": String,
        /// The components of the user's name.
        one name "name": Name = with_name,
        /// The name for display.
        one display_name "displayName": String = with_display_name,
        /// The casual name.
        one nick_name "nickName": String = with_nick_name,
        /// The URI of the user's online profile.
        one profile_url "profileUrl": String = with_profile_url,
        /// The title, such as "Vice President".
        one title "title": String = with_title,
        /// The relation to the organisation, such as "Contractor".
        one user_type "userType": String = with_user_type,
        /// The preferred languages, as in the `Accept-Language` header.
        one preferred_language "preferredLanguage": String = with_preferred_language,
        /// The locale for dates, numbers and money, as language tag.
        one locale "locale": String = with_locale,
        /// The time zone, such as "America/Los_Angeles".
        one timezone "timezone": String = with_timezone,
        /// Whether the account may be used.
        one active "active": bool = with_active,
        /// The password in clear text; only ever sent to a server.
        one password "password": String = with_password,
        /// E-mail addresses.
        many emails "emails": Email = with_email,
        /// Phone numbers.
        many phone_numbers "phoneNumbers": PhoneNumber = with_phone_number,
        /// Instant messaging addresses.
        many ims "ims": Im = with_im,
        /// Photos.
        many photos "photos": Photo = with_photo,
        /// Postal addresses.
        many addresses "addresses": Address = with_address,
        /// The groups that the user is in; written by the server only.
        many groups "groups": GroupRef,
        /// What the user is entitled to.
        many entitlements "entitlements": Entitlement = with_entitlement,
        /// The user's roles.
        many roles "roles": Role = with_role,
        /// The user's certificates.
        many x509_certificates "x509Certificates": X509Certificate = with_x509_certificate,
        /// Facts that the server keeps.
        one meta "meta": Meta = with_meta,
    }
}
resource_view!(User);

impl User {
    /// A user of this name, with nothing else.
    pub fn new(user_name: impl Into<String>) -> Self {
        let schemas = vec![urn::USER.to_owned()];
        Self { schemas, user_name: user_name.into(), ..Self::default() }
    }
}
