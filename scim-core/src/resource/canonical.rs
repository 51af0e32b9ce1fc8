//! Open string enums: the canonical values of the schemas, and whatever else a peer sends.

use smol_str::SmolStr;

/// A text that is none of the canonical values of its enum.
#[derive(Debug, Clone)]
pub struct Custom(SmolStr);

/// Defines an enum of canonical values that keeps other texts, and other spellings, as they are.
macro_rules! canonical {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        ///
        /// Values compare without regard to letter case, so test with `==` rather than by pattern: `"Work"` from a peer
        /// keeps its spelling and still equals the variant.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// Any other text; made by `From<&str>`.
            #[doc(hidden)]
            Custom(Custom),
        }

        impl $name {
            /// The canonical values.
            pub const CANONICAL: &'static [&'static str] = &[$($text),*];

            /// The text on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Custom(Custom(text)) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Custom(Custom(SmolStr::new(other))),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                text.as_str().into()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str().eq_ignore_ascii_case(other.as_str())
            }
        }

        impl Eq for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <SmolStr as serde::Deserialize>::deserialize(deserializer)?;
                Ok(text.as_str().into())
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": Self::CANONICAL })
            }
        }

        impl crate::resource::view::Leaf for $name {
            fn read(value: crate::resource::Value) -> Result<Self, crate::resource::ConvertError> {
                match value {
                    crate::resource::Value::String(text) => Ok(text.as_str().into()),
                    other => Err(crate::resource::ConvertError::expected("a string", &other)),
                }
            }

            fn write(&self) -> crate::resource::Value {
                match self {
                    $(Self::$variant => SmolStr::new_static($text),)*
                    Self::Custom(Custom(text)) => text.clone(),
                }
                .into()
            }
        }
    };
}

canonical! {
    /// What an e-mail address is for.
    EmailType {
        /// Business.
        Work = "work",
        /// Private.
        Home = "home",
        /// Something else.
        Other = "other",
    }
}

canonical! {
    /// What a phone number is for.
    PhoneNumberType {
        /// Business.
        Work = "work",
        /// Private.
        Home = "home",
        /// A mobile phone.
        Mobile = "mobile",
        /// A fax machine.
        Fax = "fax",
        /// A pager.
        Pager = "pager",
        /// Something else.
        Other = "other",
    }
}

canonical! {
    /// The service of an instant messaging address.
    ImType {
        /// AIM.
        Aim = "aim",
        /// Google Talk.
        Gtalk = "gtalk",
        /// ICQ.
        Icq = "icq",
        /// XMPP.
        Xmpp = "xmpp",
        /// MSN.
        Msn = "msn",
        /// Skype.
        Skype = "skype",
        /// QQ.
        Qq = "qq",
        /// Yahoo.
        Yahoo = "yahoo",
        /// Something else.
        Other = "other",
    }
}

canonical! {
    /// The size of a photo.
    PhotoType {
        /// Full size.
        Photo = "photo",
        /// A thumbnail.
        Thumbnail = "thumbnail",
    }
}

canonical! {
    /// What an address is for.
    AddressType {
        /// Business.
        Work = "work",
        /// Private.
        Home = "home",
        /// Something else.
        Other = "other",
    }
}

canonical! {
    /// How a user came to be in a group.
    GroupRefType {
        /// The user is a member of the group itself.
        Direct = "direct",
        /// The user is a member of a group that is in the group.
        Indirect = "indirect",
    }
}

canonical! {
    /// The resource type of a group's member.
    MemberType {
        /// A user.
        User = "User",
        /// A group.
        Group = "Group",
        /// A contact.
        Contact = "Contact",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_and_spellings_stay() {
        for text in ["work", "Work", "WORK", "school", ""] {
            assert_eq!(EmailType::from(text).as_str(), text);
        }
        assert_eq!(EmailType::from("Work"), EmailType::Work);
        assert_ne!(EmailType::from("school"), EmailType::Other);
        assert!(matches!(EmailType::from("home"), EmailType::Home));
    }
}
