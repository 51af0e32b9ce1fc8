//! An entry as the directory sent it, and its values by the kind that the schema says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lber::structure::{PL, StructureTag};
use ldap3::controls::RawControl;
use scim_sync::connector::{ReferenceTo, ValueKind};
use scim_sync::{AttributeValue, ConnectorError, Dn};
use uuid::Uuid;

use super::dn::{self, ExtendedDn};
use super::{filetime, guid};

/// A part of the values of an attribute: `member;range=0-1499`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    /// The first value's number.
    pub(crate) from: u32,
    /// The last value's number; `None` when these are the last ones (`*`).
    pub(crate) to: Option<u32>,
}

impl Range {
    /// What DirSync calls values that went.
    pub(crate) const REMOVED: Self = Self { from: 0, to: Some(0) };
    /// What DirSync calls values that came.
    pub(crate) const ADDED: Self = Self { from: 1, to: Some(1) };
}

/// An entry of a search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) dn: String,
    /// Its attributes by name in lower case and range.
    attributes: BTreeMap<(String, Option<Range>), Vec<Vec<u8>>>,
    /// What came with it.
    pub(crate) controls: Vec<RawControl>,
}

impl Entry {
    /// The parts of an attribute description: the name in lower case, and the range among its options. Other options
    /// (languages, `;binary`) stay part of the name.
    fn key(description: &str) -> (String, Option<Range>) {
        let lower = description.to_ascii_lowercase();
        let Some((name, range)) = lower.rsplit_once(";range=") else { return (lower, None) };
        let parsed = range.split_once('-').and_then(|(from, to)| {
            let to = if to == "*" { None } else { Some(to.parse().ok()?) };
            Some(Range { from: from.parse().ok()?, to })
        });
        match parsed {
            Some(range) => (name.to_owned(), Some(range)),
            None => (lower, None),
        }
    }

    /// Reads the contents of a SearchResultEntry (RFC 4511 section 4.5.2).
    pub(crate) fn from_message(
        message: StructureTag,
        controls: Vec<RawControl>,
    ) -> Result<Self, ConnectorError> {
        let bad =
            || ConnectorError::Protocol("the directory sent an entry that is none".to_owned());
        let mut parts = constructed(message).ok_or_else(bad)?.into_iter();
        let dn = parts.next().and_then(primitive).ok_or_else(bad)?;
        let dn = String::from_utf8(dn).map_err(|_| bad())?;
        // With the extended DN control the entry's own name comes with its identifiers, too.
        let dn = ExtendedDn::parse(&dn).dn.to_owned();
        let list = parts.next().and_then(constructed).ok_or_else(bad)?;
        let mut attributes: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
        for attribute in list {
            let mut parts = constructed(attribute).ok_or_else(bad)?.into_iter();
            let description = parts.next().and_then(primitive).ok_or_else(bad)?;
            let description = String::from_utf8(description).map_err(|_| bad())?;
            let values = parts.next().and_then(constructed).ok_or_else(bad)?;
            let values: Option<Vec<_>> = values.into_iter().map(primitive).collect();
            attributes.entry(Self::key(&description)).or_default().extend(values.ok_or_else(bad)?);
        }
        Ok(Self { dn, attributes, controls })
    }

    /// Whether the attribute is in the answer, be it without values.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(&(name.to_ascii_lowercase(), None))
    }

    /// The values of an attribute that came without a range.
    pub(crate) fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(&(name.to_ascii_lowercase(), None)).map_or(&[], Vec::as_slice)
    }

    /// The values of an attribute within one range.
    pub(crate) fn range(&self, name: &str, range: Range) -> &[Vec<u8>] {
        self.attributes.get(&(name.to_ascii_lowercase(), Some(range))).map_or(&[], Vec::as_slice)
    }

    /// The ranges in which an attribute came.
    pub(crate) fn ranges(&self, name: &str) -> Vec<Range> {
        let name = name.to_ascii_lowercase();
        let from = (name.clone(), Some(Range { from: 0, to: None }));
        self.attributes
            .range((name.clone(), None)..)
            .take_while(|((found, _), _)| *found == name)
            .filter_map(|((_, range), _)| *range)
            .chain(self.attributes.contains_key(&from).then_some(Range { from: 0, to: None }))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Adds values to an attribute and forgets the ranges in which it came.
    pub(crate) fn complete(&mut self, name: &str, values: Vec<Vec<u8>>) {
        let name = name.to_ascii_lowercase();
        self.attributes.retain(|(found, range), _| *found != name || range.is_none());
        self.attributes.entry((name, None)).or_default().extend(values);
    }

    /// The names of the attributes that came, in lower case.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(|(name, _)| name.as_str())
    }

    /// The values of an attribute that are text.
    pub(crate) fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Whether a value is `TRUE`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("TRUE"))
    }

    /// A value that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The object's GUID.
    pub(crate) fn guid(&self) -> Option<Uuid> {
        guid::from_octets(self.values("objectGUID").first()?)
    }

    /// The value of a control that came with the entry.
    pub(crate) fn control(&self, oid: &str) -> Option<&[u8]> {
        self.controls.iter().find(|control| control.ctype == oid)?.val.as_deref()
    }

    #[cfg(test)]
    pub(crate) fn new(dn: &str) -> Self {
        Self { dn: dn.to_owned(), ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn with<const N: usize>(mut self, name: &str, values: [&str; N]) -> Self {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        self.attributes.insert(Self::key(name), values);
        self
    }
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(parts) => Some(parts),
        // A list of nothing is written like an empty primitive by some servers' libraries.
        PL::P(octets) if octets.is_empty() => Some(Vec::new()),
        PL::P(_) => None,
    }
}

fn primitive(tag: StructureTag) -> Option<Vec<u8>> {
    match tag.payload {
        PL::P(octets) => Some(octets),
        PL::C(_) => None,
    }
}

/// The octets of a part of an intermediate message: `[0]` is its name, `[1]` its value (RFC 4511 section 4.13).
pub(crate) fn intermediate(message: StructureTag) -> Option<(String, Vec<u8>)> {
    let mut name = None;
    let mut value = Vec::new();
    for part in constructed(message)? {
        match part.id {
            0 => name = String::from_utf8(primitive(part)?).ok(),
            1 => value = primitive(part)?,
            _ => {}
        }
    }
    Some((name?, value))
}

/// The addresses of a continuation reference (RFC 4511 section 4.5.3).
pub(crate) fn reference(message: StructureTag) -> Vec<String> {
    let parts = constructed(message).unwrap_or_default();
    parts.into_iter().filter_map(primitive).filter_map(|uri| String::from_utf8(uri).ok()).collect()
}

/// One value by the kind of its attribute. What is not of that kind is given as text or as bytes, so that one bad value
/// takes nothing else with it.
pub(crate) fn value(kind: ValueKind, octets: &[u8]) -> AttributeValue {
    let Ok(text) = std::str::from_utf8(octets) else {
        return AttributeValue::Binary(octets.to_vec());
    };
    let as_text = || AttributeValue::text(text);
    match kind {
        ValueKind::Binary => AttributeValue::Binary(octets.to_vec()),
        ValueKind::Integer => {
            text.trim().parse().map_or_else(|_| as_text(), AttributeValue::Integer)
        }
        ValueKind::Boolean if text.eq_ignore_ascii_case("TRUE") => AttributeValue::Boolean(true),
        ValueKind::Boolean if text.eq_ignore_ascii_case("FALSE") => AttributeValue::Boolean(false),
        ValueKind::DateTime => {
            filetime::from_generalized(text).map_or_else(as_text, AttributeValue::DateTime)
        }
        ValueKind::Text | ValueKind::Boolean | ValueKind::Reference | ValueKind::Complex => {
            as_text()
        }
    }
}

/// The object that a value names: by its anchor where the directory told it, by its name otherwise. Samba goes on listing
/// links to deleted objects in a read of changes; they name nothing any more.
pub(crate) fn reference_to(octets: &[u8]) -> Option<ReferenceTo> {
    let text: Cow<'_, str> = String::from_utf8_lossy(octets);
    let parsed = ExtendedDn::parse(&text);
    if dn::is_deleted(parsed.dn) {
        return None;
    }
    if let Some(guid) = parsed.guid {
        return Some(ReferenceTo::Anchor(guid::anchor(guid)));
    }
    // `uniqueMember` may carry a bit string after the name (RFC 4517 section 3.3.21).
    let dn = parsed.dn.rsplit_once("#'").filter(|(_, bits)| bits.ends_with("'B"));
    let dn = dn.map_or(parsed.dn, |(dn, _)| dn).trim();
    (!dn.is_empty()).then(|| ReferenceTo::Dn(Dn::new(dn)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    #[test]
    fn ranges_are_told_from_the_rest_of_a_description() {
        let entry = Entry::new("CN=g")
            .with("member;range=1-1", ["a"])
            .with("member;range=0-0", ["b", "c"])
            .with("description;lang-de", ["x"]);
        assert_eq!(entry.range("member", Range::ADDED).len(), 1);
        assert_eq!(entry.range("Member", Range::REMOVED).len(), 2);
        assert_eq!(entry.ranges("member"), [Range::REMOVED, Range::ADDED]);
        assert!(entry.values("member").is_empty());
        assert!(!entry.has("member"));
        assert!(entry.has("DESCRIPTION;lang-de"));
    }

    #[test]
    fn an_open_range_is_completed() {
        let mut entry = Entry::new("CN=g").with("member;range=1500-*", ["a"]);
        assert_eq!(entry.ranges("member"), [Range { from: 1500, to: None }]);
        entry.complete("member", vec![b"b".to_vec()]);
        assert!(entry.ranges("member").is_empty());
        assert_eq!(entry.values("member"), [b"b".to_vec()]);
    }

    #[test]
    fn values_by_kind() {
        assert_eq!(
            value(ValueKind::Integer, b"-2147483646"),
            AttributeValue::Integer(-2_147_483_646)
        );
        assert_eq!(value(ValueKind::Integer, b"many"), AttributeValue::text("many"));
        assert_eq!(value(ValueKind::Boolean, b"FALSE"), AttributeValue::Boolean(false));
        assert_eq!(
            value(ValueKind::DateTime, b"20260102030405.0Z"),
            AttributeValue::DateTime(Utc.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap())
        );
        assert_eq!(value(ValueKind::Binary, b"abc"), AttributeValue::Binary(b"abc".to_vec()));
        assert_eq!(value(ValueKind::Text, &[0xff]), AttributeValue::Binary(vec![0xff]));
    }

    #[test]
    fn references_by_anchor_or_name() {
        let known = reference_to(b"<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>;CN=a,DC=x");
        let Some(ReferenceTo::Anchor(anchor)) = known else { panic!("{known:?}") };
        assert_eq!(anchor.as_str(), "BAMCAQYFCAcJCgsMDQ4PEA==");
        assert_eq!(reference_to(b"cn=a,dc=x#'0101'B"), Some(ReferenceTo::Dn(Dn::new("cn=a,dc=x"))));
        assert_eq!(reference_to(b""), None);
        let gone =
            r"<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>;CN=a\0ADEL:1,CN=Deleted Objects,DC=x";
        assert_eq!(reference_to(gone.as_bytes()), None);
    }
}
