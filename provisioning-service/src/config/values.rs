//! Values that settings can have, and how they are spelled.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// The address under which agents and administrators reach the service: an origin without a path, like
/// `https://sync.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// The host, as a name or an address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
    }

    /// The URL without a slash at its end.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.as_str().trim_end_matches('/').to_owned()
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if url.scheme() != "https" || url.host_str().is_none() || !plain {
            return Err(format!("{text:?} must be like https://sync.example.com, without a path"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Units of time, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A time like `90s`, `10m`, `12h` or `90d`; at least a second, at most ten years.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time like 90s, 10m, 12h or 90d");
    let (number, seconds) = UNITS
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
    match number.checked_mul(seconds) {
        Some(seconds @ 1..=315_360_000) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} must be from a second to ten years")),
    }
}

/// A time in the largest unit that fits.
#[must_use]
pub fn show_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let unit =
        UNITS.into_iter().find(|(_, size)| seconds >= *size && seconds.is_multiple_of(*size));
    unit.map_or_else(|| format!("{seconds}s"), |(unit, size)| format!("{}{unit}", seconds / size))
}

/// Times in files as people write them.
pub(super) mod human {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::show_duration(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        super::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// The same for times that may be left out.
pub(super) mod human_option {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_str(&super::show_duration(*time)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| super::parse_duration(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

/// Where TLS ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Here, with a certificate that the service's own authority issues.
    Own,
    /// Here, with a certificate from files.
    Files,
    /// In a proxy before the service; agents prove who they are by a signature.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for people.
    Text,
    /// One JSON object a line for collectors.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("12h", 43_200), ("90d", 7_776_000)] {
            let time = parse_duration(text).unwrap();
            assert_eq!(time, Duration::from_secs(seconds));
            assert_eq!(parse_duration(&show_duration(time)), Ok(time));
        }
        for bad in
            ["", "s", "5", "0s", "-1s", "1.5h", "1w", "9999999d", "1 0s", "99999999999999999999s"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_url_is_an_https_origin() {
        let url: PublicUrl = "https://sync.example.com/".parse().unwrap();
        assert_eq!(
            (url.to_string().as_str(), url.host().as_str()),
            ("https://sync.example.com", "sync.example.com")
        );
        let url: PublicUrl = "https://[::1]:8443".parse().unwrap();
        assert_eq!((url.origin().as_str(), url.host().as_str()), ("https://[::1]:8443", "::1"));
        for bad in [
            "sync.example.com",
            "http://sync.example.com",
            "https://a/b",
            "https://u:p@a",
            "https://a?x",
            "file:///x",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
