//! Distinguished names (RFC 4514): parts, parents, subtrees, escapes, and the marks that Active Directory leaves in them.

use std::borrow::Cow;

use scim_sync::Dn;
use uuid::Uuid;

/// The mark of an object that lost a naming conflict (`\0ACNF:`).
const CONFLICT: &str = r"\0ACNF:";
/// The mark of a deleted object (`\0ADEL:`).
const DELETED: &str = r"\0ADEL:";

/// The parts of a name, the most specific first, as written.
#[must_use]
pub fn parts(dn: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = dn;
    while let Some(at) = separator(rest) {
        parts.push(trim(&rest[..at]));
        rest = &rest[at + 1..];
    }
    if !trim(rest).is_empty() {
        parts.push(trim(rest));
    }
    parts
}

/// Where the first part ends.
fn separator(dn: &str) -> Option<usize> {
    let mut escaped = false;
    let mut quoted = false;
    for (at, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The name of what this name is under; `None` for a name of one part.
#[must_use]
pub fn parent(dn: &str) -> Option<&str> {
    let rest = dn[separator(dn)? + 1..].trim_start();
    (!rest.is_empty()).then_some(rest)
}

/// The first part, as written.
#[must_use]
pub fn rdn(dn: &str) -> &str {
    trim(separator(dn).map_or(dn, |at| &dn[..at]))
}

/// A part without the blanks around it; a blank that a backslash protects is part of the value.
fn trim(part: &str) -> &str {
    let part = part.trim_start();
    let trimmed = part.trim_end_matches(' ');
    let protected = trimmed.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    if protected { &part[..part.len().min(trimmed.len() + 1)] } else { trimmed }
}

/// The value of the first part without its escapes: `Lovelace, Ada` of `CN=Lovelace\, Ada,DC=x`.
#[must_use]
pub fn rdn_value(dn: &str) -> Option<String> {
    let (_, value) = rdn(dn).split_once('=')?;
    Some(unescape(value.trim_start()))
}

fn unescape(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            pair.iter().all(u8::is_ascii_hexdigit).then(|| u8::from_str_radix(text, 16).ok())?
        });
        if let Some(octet) = hex {
            out.push(octet);
            at += 3;
        } else {
            out.extend(bytes.get(at + 1));
            at += 2;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A value made fit to stand in a name (RFC 4514 section 2.4).
#[must_use]
pub fn escape(value: &str) -> Cow<'_, str> {
    let special =
        |c: char| matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '\0' | '\n');
    if !value.contains(special) && !value.starts_with([' ', '#']) && !value.ends_with(' ') {
        return Cow::Borrowed(value);
    }
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 4);
    for (at, c) in value.chars().enumerate() {
        match c {
            '\0' => out.push_str("\\00"),
            '\n' => out.push_str("\\0A"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            _ => {
                if special(c) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    Cow::Owned(out)
}

/// Whether `dn` is `base` or below it, however the two are spelt. Everything is below the empty name.
#[must_use]
pub fn is_within(dn: &str, base: &str) -> bool {
    let (name, base) = (Dn::new(dn).folded(), Dn::new(base).folded());
    if base.is_empty() || name == base {
        return true;
    }
    let Some(above) = name.strip_suffix(base.as_str()).and_then(|above| above.strip_suffix(','))
    else {
        return false;
    };
    // The comma belongs to the value when an odd number of backslashes stands before it.
    above.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0
}

/// Whether the object is the loser of a naming conflict between two domain controllers (SYNC row 14).
pub(crate) fn is_conflict(dn: &str) -> bool {
    has_mark(dn, CONFLICT)
}

/// Whether the name is that of a deleted object.
pub(crate) fn is_deleted(dn: &str) -> bool {
    has_mark(dn, DELETED)
}

fn has_mark(dn: &str, mark: &str) -> bool {
    let rdn = rdn(dn);
    // A line feed as such is what a server writes that does not escape it.
    let plain = mark.replacen(r"\0A", "\n", 1);
    let found = |mark: &str| {
        rdn.as_bytes().windows(mark.len()).any(|part| part.eq_ignore_ascii_case(mark.as_bytes()))
    };
    found(mark) || found(&plain)
}

/// A name with what identifies the object: `<GUID=...>;<SID=...>;CN=...` as the extended DN control gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedDn<'a> {
    /// The object's GUID, where the server gave one.
    pub(crate) guid: Option<Uuid>,
    /// The name itself.
    pub(crate) dn: &'a str,
}

impl<'a> ExtendedDn<'a> {
    /// Splits the identifiers from the name; a plain name has none.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut rest = text;
        let mut guid = None;
        while let Some((label, after)) =
            rest.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        {
            if let Some((name, value)) = label.split_once('=')
                && name.eq_ignore_ascii_case("GUID")
            {
                guid = parse_guid(value);
            }
            rest = after.strip_prefix(';').unwrap_or(after);
        }
        Self { guid, dn: rest }
    }
}

/// A GUID in its readable form, or as the hexadecimal digits of its octets.
fn parse_guid(text: &str) -> Option<Uuid> {
    if text.contains('-') {
        return Uuid::parse_str(text).ok();
    }
    Uuid::parse_str(text).ok().map(|uuid| Uuid::from_bytes_le(*uuid.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_and_parents() {
        let dn = r"CN=Lovelace\, Ada,OU=People, DC=corp,DC=example";
        assert_eq!(parts(dn), [r"CN=Lovelace\, Ada", "OU=People", "DC=corp", "DC=example"]);
        assert_eq!(parent(dn), Some("OU=People, DC=corp,DC=example"));
        assert_eq!(rdn_value(dn).as_deref(), Some("Lovelace, Ada"));
        assert_eq!(rdn_value(r"cn=\c3\96d\c3\b6n").as_deref(), Some("Ödön"));
        assert_eq!(parent("DC=example"), None);
        assert_eq!(rdn_value("nothing"), None);
        assert!(parts("").is_empty());
    }

    #[test]
    fn subtrees() {
        let base = "OU=People,DC=corp";
        assert!(is_within("cn=a,ou=people, dc=CORP", base));
        assert!(is_within(base, base));
        assert!(!is_within("OU=More People,DC=corp", base));
        assert!(!is_within(r"CN=x\,OU=People,DC=corp", base));
        assert!(!is_within("DC=corp", base));
        assert!(is_within("DC=corp", ""));
    }

    #[test]
    fn marks_of_conflicts_and_deletions() {
        assert!(is_conflict(r"CN=Ada\0ACNF:11111111-2222-3333-4444-555555555555,OU=x"));
        assert!(is_conflict("CN=Ada\nCNF:11111111-2222-3333-4444-555555555555,OU=x"));
        assert!(!is_conflict(r"CN=Ada,OU=Old\0ACNF:1"));
        assert!(is_deleted(r"CN=Ada\0ADEL:1,CN=Deleted Objects,DC=x"));
        assert!(!is_deleted("CN=DEL:1,DC=x"));
    }

    #[test]
    fn names_with_identifiers() {
        let text = "<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>;<SID=S-1-5-21-1>;CN=a,DC=x";
        let parsed = ExtendedDn::parse(text);
        assert_eq!(parsed.guid.unwrap().to_string(), "01020304-0506-0708-090a-0b0c0d0e0f10");
        assert_eq!(parsed.dn, "CN=a,DC=x");
        let hex = ExtendedDn::parse("<GUID=0403020106050807090a0b0c0d0e0f10>;CN=a");
        assert_eq!(hex.guid, parsed.guid);
        assert_eq!(
            ExtendedDn::parse("CN=a<b>,DC=x"),
            ExtendedDn { guid: None, dn: "CN=a<b>,DC=x" }
        );
    }

    proptest! {
        #[test]
        fn escapes_come_back(value in "[ -~é\n\0]{1,20}") {
            let dn = format!("CN={},DC=x", escape(&value));
            prop_assert_eq!(rdn_value(&dn), Some(value));
            prop_assert_eq!(parent(&dn), Some("DC=x"));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = (parts(&text), parent(&text), rdn_value(&text), is_within(&text, "DC=x"), is_conflict(&text));
            let _ = ExtendedDn::parse(&text);
        }
    }
}
