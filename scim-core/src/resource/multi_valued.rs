//! The elements of multi-valued attributes (RFC 7643 section 2.4 and 4.1.2).

use super::canonical::{EmailType, GroupRefType, ImType, MemberType, PhoneNumberType, PhotoType};
use super::view::view;

/// What all elements with `value` and `primary` can do.
macro_rules! element {
    ($name:ident) => {
        impl $name {
            /// An element with this value.
            pub fn new(value: impl Into<String>) -> Self {
                Self::default().with_value(value)
            }

            /// Makes it the preferred one.
            #[must_use]
            pub fn primary(self) -> Self {
                self.with_primary(true)
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self::new(value)
            }
        }
    };
}

view! {
    /// An e-mail address.
    Email {
        /// The address.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// What the address is for.
        one kind "type": EmailType = with_type,
        /// Whether this is the preferred address; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(Email);

impl Email {
    /// A business address.
    pub fn work(value: impl Into<String>) -> Self {
        Self::new(value).with_type(EmailType::Work)
    }

    /// A private address.
    pub fn home(value: impl Into<String>) -> Self {
        Self::new(value).with_type(EmailType::Home)
    }
}

view! {
    /// A phone number, preferably as `tel:` URI (RFC 3966).
    PhoneNumber {
        /// The number.
        one value "value": String = with_value,
        /// The number for display.
        one display "display": String = with_display,
        /// What the number is for.
        one kind "type": PhoneNumberType = with_type,
        /// Whether this is the preferred number; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(PhoneNumber);

impl PhoneNumber {
    /// A business number.
    pub fn work(value: impl Into<String>) -> Self {
        Self::new(value).with_type(PhoneNumberType::Work)
    }

    /// The number of a mobile phone.
    pub fn mobile(value: impl Into<String>) -> Self {
        Self::new(value).with_type(PhoneNumberType::Mobile)
    }
}

view! {
    /// An instant messaging address.
    Im {
        /// The address.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// The service.
        one kind "type": ImType = with_type,
        /// Whether this is the preferred address; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(Im);

view! {
    /// A photo of the user.
    Photo {
        /// The URI of the image file.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// The size.
        one kind "type": PhotoType = with_type,
        /// Whether this is the preferred photo; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(Photo);

view! {
    /// Something that the user is entitled to. No vocabulary is prescribed.
    Entitlement {
        /// The entitlement.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// A label.
        one kind "type": String = with_type,
        /// Whether this is the preferred value; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(Entitlement);

view! {
    /// A role of the user, such as "Student". No vocabulary is prescribed.
    Role {
        /// The role.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// A label.
        one kind "type": String = with_type,
        /// Whether this is the preferred value; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(Role);

view! {
    /// A certificate of the user.
    X509Certificate {
        /// The certificate: DER in base64.
        one value "value": String = with_value,
        /// A name for display.
        one display "display": String = with_display,
        /// A label.
        one kind "type": String = with_type,
        /// Whether this is the preferred certificate; true at most once.
        one primary "primary": bool = with_primary,
    }
}
element!(X509Certificate);

view! {
    /// A group that the user is in; written by the server only.
    GroupRef {
        /// The group's id.
        one value "value": String = with_value,
        /// The group's URI.
        one reference "$ref": String = with_reference,
        /// The group's name for display.
        one display "display": String = with_display,
        /// Whether the user is in the group itself or in one that is in it.
        one kind "type": GroupRefType = with_type,
    }
}

view! {
    /// A member of a group. Only `value` is the client's to say; the server fills in the rest.
    Member {
        /// The member's id.
        one value "value": String = with_value,
        /// The member's URI.
        one reference "$ref": String = with_reference,
        /// The member's resource type.
        one kind "type": MemberType = with_type,
        /// The member's name for display.
        one display "display": String = with_display,
    }
}

impl Member {
    /// A member of whatever type.
    pub fn new(id: impl Into<String>) -> Self {
        Self::default().with_value(id)
    }

    /// A user.
    pub fn user(id: impl Into<String>) -> Self {
        Self::new(id).with_type(MemberType::User)
    }

    /// A group.
    pub fn group(id: impl Into<String>) -> Self {
        Self::new(id).with_type(MemberType::Group)
    }

    /// A contact.
    pub fn contact(id: impl Into<String>) -> Self {
        Self::new(id).with_type(MemberType::Contact)
    }
}
