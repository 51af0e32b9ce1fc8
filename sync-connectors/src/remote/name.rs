//! Names of attributes and types in the grammar of SCIM, and back.
//!
//! Nearly all names of attributes are names in SCIM too and stay as they are. The others (`cn;lang-de`, an object identifier,
//! a SCIM path with a filter) become a `$` and their bytes, those that are neither letter, digit nor hyphen as `_` and two
//! hexadecimal digits: `$cn_3Blang-de`.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use scim_core::{AttrName, SchemaUri};
use scim_sync::{AttributeName, ObjectType};

use super::wire;

/// What stays as it is in a segment of a path and in a URN.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The SCIM name of an attribute.
#[expect(clippy::expect_used, reason = "what is written here is within the grammar: see the test")]
pub(super) fn member(name: &AttributeName) -> AttrName {
    let text = name.as_str();
    if !text.starts_with('$')
        && let Ok(plain) = AttrName::new(text)
    {
        return plain;
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.push('$');
    if text.is_empty() {
        out.push('_');
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            // Writing to memory does not fail.
            let _ = write!(out, "_{byte:02X}");
        }
    }
    AttrName::new(&out).expect("a dollar sign and name bytes")
}

/// The attribute behind a SCIM name; `None` when no attribute is written so.
pub(super) fn attribute(member: &str) -> Option<AttributeName> {
    let Some(escaped) = member.strip_prefix('$') else {
        return AttrName::new(member).is_ok().then(|| AttributeName::new(member));
    };
    if escaped == "_" {
        return Some(AttributeName::new(""));
    }
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            _ if byte.is_ascii_alphanumeric() || byte == b'-' => byte,
            _ => return None,
        });
    }
    let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    Some(AttributeName::new(text))
}

/// The URN of the schema with the attributes of a type.
#[expect(clippy::expect_used, reason = "what is written here is within the grammar: see the test")]
pub(super) fn urn(object_type: &ObjectType) -> SchemaUri {
    let name =
        if object_type.as_str().is_empty() { "%".into() } else { segment(object_type.as_str()) };
    SchemaUri::new(&format!("{}{name}", wire::TYPE)).expect("a URN of URI bytes")
}

/// The type whose attributes are under this URN.
pub(super) fn object_type(urn: &str) -> Option<ObjectType> {
    let (prefix, name) = urn.split_at_checked(wire::TYPE.len())?;
    if !prefix.eq_ignore_ascii_case(wire::TYPE) {
        return None;
    }
    if name == "%" {
        return Some(ObjectType::new(""));
    }
    text(name).map(ObjectType::new)
}

/// One segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The text of a segment of a path.
pub(super) fn text(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_directories_stay_as_they_are() {
        for name in ["cn", "msDS-cloudExtensionAttribute1", "extensionAttribute1", "sAMAccountName"]
        {
            assert_eq!(member(&name.into()).as_str(), name);
        }
        assert_eq!(member(&"cn;lang-de".into()).as_str(), "$cn_3Blang-de");
        assert_eq!(urn(&"user".into()).as_str(), format!("{}user", wire::TYPE));
        assert_eq!(attribute("$a_zz"), None);
        assert_eq!(attribute("no name"), None);
        assert_eq!(attribute("$"), None);
        assert_eq!(object_type("urn:ietf:params:scim:schemas:core:2.0:User"), None);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "[a-zA-Z$_:.\\[\\]é 0-9;-]{0,12}|\\PC{0,6}") {
            let back = attribute(member(&name.as_str().into()).as_str()).unwrap();
            prop_assert_eq!(back.as_str(), name.as_str());
            let back = object_type(urn(&ObjectType::new(&name)).as_str()).unwrap();
            prop_assert_eq!(back.as_str(), name.as_str());
            prop_assert_eq!(text(&segment(&name)), Some(name));
        }
    }
}
