//! Durations as ISO 8601 writes them: `PT2M`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration of days, hours, minutes and seconds, written as in ISO 8601. Years and months have no length and are not
/// taken.
///
/// ```
/// use scim_provisioning_service::job::IsoDuration;
///
/// let interval: IsoDuration = "PT2M".parse()?;
/// assert_eq!(interval.get().as_secs(), 120);
/// assert_eq!(interval.to_string(), "PT2M");
/// assert!("P1M".parse::<IsoDuration>().is_err());
/// # Ok::<(), scim_provisioning_service::job::NoDuration>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoDuration(Duration);

/// A text that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is written like PT2M, PT1H30M or P1D, of days, hours, minutes and seconds")]
pub struct NoDuration;

impl IsoDuration {
    /// This long; parts of a millisecond are lost when it is written.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// How long.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for IsoDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        let rest = text.strip_prefix('P').ok_or(NoDuration)?;
        let (days, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(NoDuration),
            Some((days, time)) => (days, time),
            None => (rest, ""),
        };
        let mut millis: u64 = 0;
        let mut parts = 0;
        let mut take = |mut text: &str, units: &[(char, u64)]| -> Result<(), NoDuration> {
            let mut units = units.iter();
            while !text.is_empty() {
                let end = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(NoDuration)?;
                let unit = text[end..].chars().next().ok_or(NoDuration)?;
                let (_, length) = units.find(|(sign, _)| *sign == unit).ok_or(NoDuration)?;
                let part = thousandths(&text[..end], unit == 'S').ok_or(NoDuration)?;
                let part = part.checked_mul(*length).ok_or(NoDuration)?;
                millis = millis.checked_add(part).ok_or(NoDuration)?;
                parts += 1;
                text = &text[end + 1..];
            }
            Ok(())
        };
        take(days, &[('D', 86_400)])?;
        take(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
        if parts == 0 {
            return Err(NoDuration);
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// A number in thousandths; only seconds have places behind the point, and three of them count.
fn thousandths(text: &str, fraction: bool) -> Option<u64> {
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) if fraction && !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (text, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part.parse().ok()?)
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (days, seconds) = (seconds / 86_400, seconds % 86_400);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        let empty = days == 0 && hours == 0 && minutes == 0 && seconds == 0 && millis == 0;
        if hours == 0 && minutes == 0 && seconds == 0 && millis == 0 && !empty {
            return Ok(());
        }
        f.write_str("T")?;
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        match (seconds, millis) {
            (0, 0) if !empty => Ok(()),
            (seconds, 0) => write!(f, "{seconds}S"),
            (seconds, millis) => {
                let part = format!("{millis:03}");
                write!(f, "{seconds}.{}S", part.trim_end_matches('0'))
            }
        }
    }
}

impl TryFrom<String> for IsoDuration {
    type Error = NoDuration;

    fn try_from(text: String) -> Result<Self, NoDuration> {
        text.parse()
    }
}

impl From<IsoDuration> for String {
    fn from(duration: IsoDuration) -> Self {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_ones() {
        let cases =
            [("PT2M", 120), ("PT1H30M", 5400), ("P1D", 86_400), ("P2DT3S", 172_803), ("PT0S", 0)];
        for (text, seconds) in cases {
            let read: IsoDuration = text.parse().unwrap();
            assert_eq!(read.get(), Duration::from_secs(seconds), "{text}");
            assert_eq!(read.to_string(), text);
        }
        assert_eq!("PT0.25S".parse::<IsoDuration>().unwrap().get(), Duration::from_millis(250));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "P",
            "PT",
            "2M",
            "P1M",
            "P1Y",
            "PT1.5M",
            "PT-2M",
            "PT2",
            "P1DT",
            "PT1S1M",
            "PT99999999999999999999H",
        ] {
            assert_eq!(text.parse::<IsoDuration>(), Err(NoDuration), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in 0u64..=10_000_000_000_000) {
            let duration = IsoDuration::new(Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse::<IsoDuration>(), Ok(duration));
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,12}") {
            let _ = text.parse::<IsoDuration>();
        }
    }
}
