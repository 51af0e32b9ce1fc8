//! Values of the configuration that have their own spelling: durations, paths of URLs, names.

use std::{fmt, path::Path, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

/// Parses `500ms`, `10s`, `15m`, `12h` or `90d`: a whole number and one unit.
///
/// A bare number is refused, because nobody can tell seconds from milliseconds by looking at it.
///
/// # Errors
///
/// A sentence that says what was expected.
///
/// ```
/// use std::time::Duration;
/// use scim_server::config::parse_duration;
///
/// assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
/// assert!(parse_duration("90").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{text}` is not a duration; write a whole number and a unit, like 500ms, 10s, 15m, 12h or 90d"
        )
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim_start() {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that loses nothing.
pub(super) fn format_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if millis != 0 || seconds == 0 {
        return format!("{}ms", duration.as_millis());
    }
    for (size, unit) in [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m")] {
        if seconds.is_multiple_of(size) && seconds > size {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

/// `#[serde(with = "human")]`: a [`Duration`] as text with a unit.
pub(super) mod human {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration(*value))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_duration(&text).map_err(D::Error::custom)
    }
}

/// `#[serde(with = "human_option")]`: the same where the value may be absent (flags).
pub(super) mod human_option {
    use std::time::Duration;

    use serde::Serializer;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::human::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// The path under which the default tenant's endpoints live: `/scim/v2` unless configured.
///
/// It starts with a slash and never ends with one; it is never the root, because `/health` and
/// `/t/{tenant}` live there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BasePath(String);

impl BasePath {
    /// The path, like `/scim/v2`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BasePath {
    fn default() -> Self {
        Self("/scim/v2".to_owned())
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err(format!("the base path `{text}` must start with `/`, like /scim/v2"));
        };
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return Err("the base path may not be the root: /health and /t live there".to_owned());
        }
        let mut segments = inner.split('/');
        for segment in segments.clone() {
            if segment.is_empty() || segment == "." || segment == ".." {
                return Err(format!("the base path `{text}` has an empty or a dot segment"));
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            if !segment.bytes().all(plain) {
                return Err(format!(
                    "the base path `{text}` may only hold letters, digits and `-._~` between the slashes"
                ));
            }
        }
        if matches!(segments.next(), Some("health" | "t")) {
            return Err(format!("the base path `{text}` would hide /health or /t"));
        }
        Ok(Self(format!("/{inner}")))
    }
}

impl TryFrom<String> for BasePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BasePath> for String {
    fn from(path: BasePath) -> Self {
        path.0
    }
}

/// The address under which clients reach the server, for `meta.location` and `$ref`.
///
/// Links are never made from the `Host` header: whoever can set it would receive the next request
/// of a client that follows the link, token included. Scheme, host and an optional path, without
/// a slash at the end; the base path is added by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The address, like `https://scim.example.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|e| {
            format!("`{text}` is not a URL ({e}); write one like https://scim.example.com")
        })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("the public URL `{text}` must start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the public URL may not hold a user name or password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("the public URL `{text}` may not have a query or a fragment"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

/// Checks the name of a tenant: 1 to 63 of `a-z`, `0-9` and `-`, first a letter or digit.
///
/// The name is a path segment and a key; one spelling per tenant keeps both plain.
///
/// # Errors
///
/// A sentence that says what is allowed.
pub fn check_tenant_name(name: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(plain) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "`{name}` is not a tenant name; use 1 to 63 lower-case letters, digits or `-`, and no `-` first"
        ))
    }
}

/// Checks a bearer token that an operator chose: 16 or more visible ASCII characters, no spaces.
///
/// The message never repeats the token.
pub(super) fn check_token(token: &str) -> Result<(), String> {
    if let Some(at) = token.bytes().position(|b| !b.is_ascii_graphic()) {
        return Err(format!(
            "the token may hold only visible ASCII characters and no spaces; character {} is none",
            at + 1
        ));
    }
    if token.len() < 16 {
        return Err(format!(
            "the token has {} characters; it needs at least 16 (try `openssl rand -hex 32`)",
            token.len()
        ));
    }
    Ok(())
}

/// Reads a file that holds one secret; a line end after it is not part of it.
pub(super) fn read_secret(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_with_units_are_read() {
        let cases = [
            ("0ms", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("90d", 7_776_000_000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn durations_without_a_unit_or_out_of_range_are_refused() {
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 weeks",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(millis in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn base_paths_lose_their_trailing_slash() {
        assert_eq!("/scim/v2/".parse::<BasePath>().unwrap().as_str(), "/scim/v2");
        assert_eq!("/a-b_c.d~e".parse::<BasePath>().unwrap().as_str(), "/a-b_c.d~e");
    }

    #[test]
    fn base_paths_that_would_not_route_are_refused() {
        let wrong = [
            "",
            "scim",
            "/",
            "//",
            "/a//b",
            "/./a",
            "/../a",
            "/a?b",
            "/a#b",
            "/{tenant}",
            "/a b",
            "/%61",
            "/health",
            "/t/x",
            "http://x/scim",
        ];
        for text in wrong {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn public_urls_are_an_origin_and_a_path() {
        let url = |text: &str| text.parse::<PublicUrl>().map(String::from);
        assert_eq!(url("https://scim.example.com/"), Ok("https://scim.example.com".to_owned()));
        assert_eq!(url("http://h:8080/prefix/"), Ok("http://h:8080/prefix".to_owned()));
        for text in
            ["", "scim.example.com", "ftp://h", "https://u:p@h", "https://h/?a", "https://h/#a"]
        {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tenant_names_are_plain_path_segments() {
        for name in ["a", "acme", "0-1", &"x".repeat(63)] {
            assert_eq!(check_tenant_name(name).as_deref(), Ok(name));
        }
        for name in ["", "-a", "Acme", "a b", "a/b", "ä", &"x".repeat(64)] {
            assert!(check_tenant_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn weak_tokens_are_refused_without_being_repeated() {
        assert!(check_token("0123456789abcdef").is_ok());
        for token in [
            "0123456789abcde",
            "with a space in it",
            "tab\tinside-the-token",
            "ünïcödé-token-16-chars",
            "",
        ] {
            let problem = check_token(token).unwrap_err();
            assert!(token.is_empty() || !problem.contains(token), "{problem}");
        }
    }
}
