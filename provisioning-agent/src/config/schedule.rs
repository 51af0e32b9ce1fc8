//! How often.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;

/// When cycles run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ScheduleConfig {
    /// From the beginning of one cycle to that of the next; a cycle that takes longer is followed at once.
    pub every: Period,
    /// At most this much is added by chance, so that many agents do not ask at the same moment.
    pub jitter: Period,
    /// How often everything is read anew and compared, although nothing asks for it.
    pub full_every: Period,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            every: Period::seconds(120),
            jitter: Period::seconds(10),
            full_every: Period::seconds(7 * 24 * 3600),
        }
    }
}

impl ScheduleConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.every.duration() < Duration::from_secs(1) {
            return Err(ConfigError::new("schedule.every is less than a second"));
        }
        Ok(())
    }
}

/// A length of time as people write it: `90s`, `2m`, `12h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

const UNITS: &[(&str, u64)] = &[("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl std::str::FromStr for Period {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::new(format!(
                "{text:?} is no length of time: write a whole number and s, m, h or d, such as 2m"
            ))
        };
        let (number, unit) =
            text.trim().split_at_checked(text.trim().len().saturating_sub(1)).ok_or_else(wrong)?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.trim().parse().map_err(|_| wrong())?;
        number.checked_mul(*seconds).map(Self::seconds).ok_or_else(wrong)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let fits = UNITS.iter().find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
        match fits {
            Some((name, unit)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_as_it_is_written() {
        for (text, seconds) in
            [("90s", 90), ("2m", 120), ("12h", 43_200), ("7d", 604_800), ("0s", 0)]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.duration().as_secs(), seconds);
            assert_eq!(period.to_string(), text);
        }
        for bad in ["", "2", "m", "2 min", "-1s", "1.5h", "99999999999999999999d", "2é"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
