//! Versions of resources and the conditional headers (RFC 7644 section 3.14, RFC 9110 section 13).

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The version of a resource: a counter that the store raises with every change, shown as a weak entity tag.
///
/// It is not made from the time, so two changes in one millisecond differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a new resource.
    pub const FIRST: Version = Version(1);

    /// The version after one more change.
    #[must_use]
    pub fn next(self) -> Self {
        Version(self.0 + 1)
    }
}

/// As entity tag: `W/"7"`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{}\"", self.0)
    }
}

/// An entity tag, compared by its opaque text only: SCIM sends weak tags in `If-Match`, so `W/` is ignored
/// (RFC 7644 section 3.14 against RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The text between the quotes.
    pub fn opaque(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntityTag {
    type Err = Error;

    /// Reads `W/"x"` or `"x"`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::value("version", "an entity tag is written W/\"...\" or \"...\"");
        let body = text.strip_prefix("W/").unwrap_or(text);
        let opaque = body
            .strip_prefix('"')
            .and_then(|b| b.strip_suffix('"'))
            .filter(|_| body.len() >= 2)
            .ok_or_else(bad)?;
        if opaque.bytes().all(is_etag_byte) { Ok(Self(opaque.to_owned())) } else { Err(bad()) }
    }
}

/// The value of `If-Match` or `If-None-Match`: `*` or a list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any current version.
    Any,
    /// The tags named.
    Tags(Vec<EntityTag>),
}

impl TagList {
    /// Whether the list names this entity tag text (between its quotes).
    pub fn names(&self, opaque: &str) -> bool {
        match self {
            TagList::Any => true,
            TagList::Tags(tags) => tags.iter().any(|tag| tag.0 == opaque),
        }
    }

    /// Whether the list names this version. A tag may carry a suffix after a dot that describes derived content
    /// (see the reference server); only the counter in front of it guards writes.
    pub fn matches(&self, version: Version) -> bool {
        match self {
            TagList::Any => true,
            TagList::Tags(tags) => tags.iter().any(|tag| {
                let counter = tag.0.split_once('.').map_or(tag.0.as_str(), |(counter, _)| counter);
                counter.parse() == Ok(version.0) && !counter.starts_with(['+', '0'])
            }),
        }
    }
}

impl FromStr for TagList {
    type Err = Error;

    /// Reads the header's value; several headers of one name are joined by a comma first.
    ///
    /// A malformed list is an error: ignoring it would turn a conditional write into an unconditional one.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim_matches([' ', '\t']);
        if text == "*" {
            return Ok(TagList::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let start = if rest.starts_with("W/") { 2 } else { 0 };
            let close =
                rest[start..].strip_prefix('"').and_then(|r| r.find('"')).map(|i| start + i + 2);
            let Some(end) = close else {
                return Err(Error::value(
                    "If-Match",
                    "expected * or a list of entity tags such as W/\"1\"",
                ));
            };
            tags.push(rest[..end].parse()?);
            rest = rest[end..].trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(Error::value("If-Match", "entity tags are separated by commas"));
            }
        }
        if tags.is_empty() {
            return Err(Error::value("If-Match", "the list of entity tags is empty"));
        }
        Ok(TagList::Tags(tags))
    }
}

const fn is_etag_byte(b: u8) -> bool {
    b == 0x21 || (b >= 0x23 && b != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let list: TagList = "W/\"1\", \"22\" ,W/\"3\"".parse().unwrap();
        for (version, expected) in [(1, true), (22, true), (3, true), (2, false)] {
            assert_eq!(list.matches(Version(version)), expected, "{version}");
        }
        assert!("*".parse::<TagList>().unwrap().matches(Version(9)));
        assert!("W/\"7.ab12\"".parse::<TagList>().unwrap().matches(Version(7)));
        assert!(!"W/\"07\"".parse::<TagList>().unwrap().matches(Version(7)));
    }

    #[test]
    fn malformed_is_an_error() {
        for bad in ["", ",", "1", "W/1", "\"1", "W/\"1\" W/\"2\"", "\"a b\"", "*, \"1\"", "w/\"1\""]
        {
            assert!(bad.parse::<TagList>().is_err(), "{bad:?}");
        }
    }
}
