//! Names of things: connectors, objects in their spaces, identities in the metaverse.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Makes a text newtype that is cheap to clone.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The name as given.
            #[must_use]
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(SmolStr::new(text))
            }

            /// The text of it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// One connected system, as the configuration names it: `corp-ad`, `cloud`.
    ConnectorId
}

text_id! {
    /// The type of an object, in the words of the system that holds it: `user`, `User`, `contact`.
    ///
    /// Compared as written: the connector decides on one spelling.
    ObjectType
}

text_id! {
    /// What identifies an object in its system for as long as it lives, whatever it is renamed to: the Base64 text of an
    /// `objectGUID`, an `entryUUID`, the `id` of a SCIM resource. Compared as written.
    Anchor
}

text_id! {
    /// Where an object is in a directory that has names: a distinguished name as the directory wrote it.
    ///
    /// Equality here is that of the text; a store finds objects by the folded form, [`Dn::folded`].
    Dn
}

impl Dn {
    /// The form by which two spellings of one name are found equal: lower case, no blanks around separators.
    #[must_use]
    pub fn folded(&self) -> SmolStr {
        let mut out = String::with_capacity(self.0.len());
        let mut escaped = false;
        let mut blanks = 0;
        for c in self.0.chars() {
            let separator = !escaped && matches!(c, ',' | '=' | '+' | ';');
            if c == ' ' && !escaped {
                blanks += 1;
                continue;
            }
            if blanks > 0 {
                let after_separator =
                    out.is_empty() || (out.ends_with([',', '=', '+']) && !ends_escaped(&out));
                if !separator && !after_separator {
                    out.extend(std::iter::repeat_n(' ', blanks));
                }
                blanks = 0;
            }
            escaped = !escaped && c == '\\';
            match c {
                ';' if separator => out.push(','),
                c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
                c => out.extend(c.to_lowercase()),
            }
        }
        SmolStr::new(out)
    }
}

/// Whether the last character of `text` is one that a backslash protects.
fn ends_escaped(text: &str) -> bool {
    let before = &text[..text.len() - 1];
    before.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Makes a number newtype for a row of the state.
macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

row_id! {
    /// One object of a connector space. Made by the store, means nothing outside one state: never written to a target.
    SpaceId
}

row_id! {
    /// One identity of the metaverse. Made by the store, means nothing outside one state.
    MetaverseId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_name_fold_to_one_text() {
        let folded = |text: &str| Dn::new(text).folded();
        assert_eq!(folded("CN=Ada, OU=People ,DC=Corp"), folded("cn=ada,ou=people,dc=corp"));
        assert_eq!(folded("cn=Ada Lovelace,dc=x"), "cn=ada lovelace,dc=x");
        assert_eq!(folded("cn=a;dc=b"), "cn=a,dc=b");
        assert_ne!(folded(r"cn=a\, b,dc=x"), folded("cn=a,b,dc=x"));
    }

    #[test]
    fn what_is_escaped_stays_as_it_is() {
        assert_eq!(Dn::new(r"CN=Lovelace\, Ada,DC=x").folded(), r"cn=lovelace\, ada,dc=x");
        assert_eq!(Dn::new(r"CN=Ada\ ,DC=x").folded(), r"cn=ada\ ,dc=x");
    }
}
