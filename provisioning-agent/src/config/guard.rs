//! How many deletions are too many.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;

/// The limits of the guard. What is not given has the default of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GuardConfig {
    /// Deletions and disablements of one run, of one target. Default 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletes: Option<Limit>,
    /// The same as per cent of the linked objects of the target; the smaller of the two counts. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_percent: Option<Limit>,
    /// Members that one group may lose in one run, per cent. Default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_removal_percent: Option<Limit>,
    /// Fewer removals than this never stop a run, so that small groups can change. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_removals: Option<Limit>,
    /// Why a limit is off. Without a reason, none may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_because: Option<String>,
}

/// A limit, or that there is none. Zero is a limit: nothing at all passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most so many.
    AtMost(u64),
    /// No limit; the word in the file is `off`.
    Off,
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtMost(most) => serializer.serialize_u64(*most),
            Self::Off => serializer.serialize_str("off"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or \"off\"")
            }

            fn visit_u64<E>(self, most: u64) -> Result<Limit, E> {
                Ok(Limit::AtMost(most))
            }

            fn visit_i64<E: serde::de::Error>(self, most: i64) -> Result<Limit, E> {
                u64::try_from(most)
                    .map(Limit::AtMost)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(most), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit, E> {
                match text {
                    "off" => Ok(Limit::Off),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl GuardConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let limits =
            [self.deletes, self.delete_percent, self.member_removal_percent, self.member_removals];
        let off = limits.contains(&Some(Limit::Off));
        if off && self.off_because.as_deref().unwrap_or_default().trim().is_empty() {
            return Err(ConfigError::new(
                "guard: a limit is off without a reason; say why in off-because, for whoever reads this next year",
            ));
        }
        for (name, percent) in [
            ("delete-percent", self.delete_percent),
            ("member-removal-percent", self.member_removal_percent),
        ] {
            if matches!(percent, Some(Limit::AtMost(101..))) {
                return Err(ConfigError::new(format!(
                    "guard.{name} is more than 100; write \"off\" to have no limit"
                )));
            }
        }
        Ok(())
    }
}
