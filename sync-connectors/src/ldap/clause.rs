//! Conditions on the attributes of an entry: for scopes and for exclusions.

use scim_sync::connector::SourceScope;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::dn;
use super::entry::Entry;

/// A condition. Text is compared without regard to ASCII case, and a condition on an attribute with several values holds
/// when one of them meets it; on an attribute without values none holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Clause {
    /// Every one holds.
    All(Vec<Clause>),
    /// At least one holds.
    Any(Vec<Clause>),
    /// It does not hold.
    Not(Box<Clause>),
    /// There is a value.
    Present(SmolStr),
    /// A value is this.
    Equals(SmolStr, String),
    /// A value begins with this.
    StartsWith(SmolStr, String),
    /// A value ends with this.
    EndsWith(SmolStr, String),
    /// A value contains this.
    Contains(SmolStr, String),
    /// A value has at least one of these bits.
    AnyBit(SmolStr, i64),
    /// The object lost a naming conflict between two domain controllers.
    Conflict,
}

impl Clause {
    /// It does not hold.
    #[must_use]
    pub fn negate(clause: Self) -> Self {
        Self::Not(Box::new(clause))
    }

    /// There is a value.
    #[must_use]
    pub fn present(attribute: &str) -> Self {
        Self::Present(attribute.into())
    }

    /// A value is this.
    #[must_use]
    pub fn equals(attribute: &str, value: &str) -> Self {
        Self::Equals(attribute.into(), value.to_owned())
    }

    /// A value begins with this.
    #[must_use]
    pub fn starts_with(attribute: &str, value: &str) -> Self {
        Self::StartsWith(attribute.into(), value.to_owned())
    }

    /// A value ends with this.
    #[must_use]
    pub fn ends_with(attribute: &str, value: &str) -> Self {
        Self::EndsWith(attribute.into(), value.to_owned())
    }

    /// A value contains this.
    #[must_use]
    pub fn contains(attribute: &str, value: &str) -> Self {
        Self::Contains(attribute.into(), value.to_owned())
    }

    /// Whether it holds for an entry that has all the attributes it asks for.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        let texts = |attribute: &SmolStr, holds: &dyn Fn(&str) -> bool| {
            entry.texts(attribute).any(|text| holds(&text.to_lowercase()))
        };
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(entry)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(entry)),
            Self::Not(part) => !part.holds(entry),
            Self::Present(attribute) => !entry.values(attribute).is_empty(),
            Self::Equals(attribute, value) => {
                texts(attribute, &|text| text == value.to_lowercase())
            }
            Self::StartsWith(attribute, value) => {
                texts(attribute, &|text| text.starts_with(&value.to_lowercase()))
            }
            Self::EndsWith(attribute, value) => {
                texts(attribute, &|text| text.ends_with(&value.to_lowercase()))
            }
            Self::Contains(attribute, value) => {
                texts(attribute, &|text| text.contains(&value.to_lowercase()))
            }
            Self::AnyBit(attribute, bits) => entry
                .texts(attribute)
                .any(|text| text.parse::<i64>().is_ok_and(|value| value & bits != 0)),
            Self::Conflict => dn::is_conflict(&entry.dn),
        }
    }

    /// The attributes that it looks at.
    pub(crate) fn attributes(&self, into: &mut Vec<SmolStr>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.attributes(into))
            }
            Self::Not(part) => part.attributes(into),
            Self::Present(attribute)
            | Self::Equals(attribute, _)
            | Self::StartsWith(attribute, _)
            | Self::EndsWith(attribute, _)
            | Self::Contains(attribute, _)
            | Self::AnyBit(attribute, _) => into.push(attribute.clone()),
            Self::Conflict => {}
        }
    }
}

/// A condition by which an object is left out, with the words that say why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Why, as the rest of a sentence that begins with the object.
    pub reason: String,
    /// When.
    pub when: Clause,
}

impl Exclusion {
    /// A condition and its words.
    #[must_use]
    pub fn new(reason: &str, when: Clause) -> Self {
        Self { reason: reason.to_owned(), when }
    }

    /// What is never taken from an Active Directory (SYNC row 14): objects that the system needs, and losers of naming
    /// conflicts.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        vec![
            Self::new(
                "it belongs to the system (isCriticalSystemObject)",
                Clause::equals("isCriticalSystemObject", "TRUE"),
            ),
            Self::new("it lost a naming conflict (CNF)", Clause::Conflict),
        ]
    }

    /// The first exclusion that holds.
    pub(crate) fn first(exclusions: &[Self], entry: &Entry) -> Option<SourceScope> {
        let found = exclusions.iter().find(|exclusion| exclusion.when.holds(entry))?;
        Some(SourceScope::Out(found.reason.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::LdapType;
    use super::*;

    #[test]
    fn nothing_is_left_out_but_what_no_rule_can_want() {
        for kind in [LdapType::ad_user(), LdapType::ad_group(), LdapType::ad_contact()] {
            let out = |entry: &Entry| Exclusion::first(&kind.exclusions, entry).is_some();
            let entry = || Entry::new("CN=a,DC=x");
            assert!(out(&entry().with("isCriticalSystemObject", ["TRUE"])));
            assert!(out(&Entry::new(r"CN=a\0ACNF:1,DC=x")));
            // Who reads `agent.toml` sees why these are left out, and can take them in.
            assert!(!out(&entry()));
            assert!(!out(&entry().with("sAMAccountName", ["AAD_0123"])));
            assert!(!out(&entry().with("groupType", ["8"])));
            let mut names = Vec::new();
            kind.exclusions.iter().for_each(|exclusion| exclusion.when.attributes(&mut names));
            assert_eq!(names, ["isCriticalSystemObject"]);
        }
    }

    #[test]
    fn conditions_of_a_configuration() {
        let entry = Entry::new("CN=a,DC=x")
            .with("mailNickname", ["CAS_{1}"])
            .with("groupType", ["-2147483646"]);
        let starts = Clause::starts_with("mailNickname", "cas_");
        assert!(starts.holds(&entry) && Clause::ends_with("mailNickname", "}").holds(&entry));
        assert!(Clause::contains("mailnickname", "S_{").holds(&entry));
        assert!(Clause::AnyBit("groupType".into(), 0x8000_0000).holds(&entry));
        assert!(Clause::negate(Clause::AnyBit("groupType".into(), 4)).holds(&entry));
        let both = Clause::All(vec![starts.clone(), Clause::present("mail")]);
        assert!(!both.holds(&entry));
        assert!(Clause::Any(vec![starts, Clause::present("mail")]).holds(&entry));
    }
}
