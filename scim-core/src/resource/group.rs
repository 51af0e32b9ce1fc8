//! Groups.

use super::Meta;
use super::multi_valued::Member;
use super::view::{resource_view, view};
use crate::name::urn;

view! {
    /// A group of users, contacts and other groups (RFC 7643 section 4.2).
    ///
    /// ```
    /// use scim_core::{Group, Member};
    /// let tour = Group::new("Tour Guides").with_member(Member::user("2819c223"));
    /// assert_eq!(Group::try_from(tour.clone().into_resource())?, tour);
    /// # Ok::<(), scim_core::ConvertError>(())
    /// ```
    Group {
        /// The URIs of the schemas that it has attributes of.
        many schemas "schemas": String,
        /// The identifier that the server gave.
        one id "id": String = with_id,
        /// The identifier that the client gave.
        one external_id "externalId": String = with_external_id,
        /// The name for display.
        must display_name "displayName": String,
        /// The members.
        many members "members": Member = with_member,
        /// Facts that the server keeps.
        one meta "meta": Meta = with_meta,
    }
}
resource_view!(Group);

impl Group {
    /// A group of this name, without members.
    pub fn new(display_name: impl Into<String>) -> Self {
        let schemas = vec![urn::GROUP.to_owned()];
        Self { schemas, display_name: display_name.into(), ..Self::default() }
    }
}
