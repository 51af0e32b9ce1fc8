//! Rules for the text and size of simple values (RFC 7643 section 2.3).

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde_json::Number;

use super::at::At;
use crate::error::Error;
use crate::filter::instant::parse_instant;
use crate::schema::{Attribute, AttributeType};

/// U+0000 is legal JSON, but nothing that stores or shows text agrees about what follows it.
pub(super) fn no_nul(text: &str, at: &At<'_>) -> Result<(), Error> {
    match memchr::memchr(0, text.as_bytes()) {
        None => Ok(()),
        Some(_) => Err(Error::value(at, "must not hold the character U+0000")),
    }
}

/// A JSON number of the attribute's type: an integer has no fraction or exponent and fits 64 bits with sign.
pub(super) fn number(number: &Number, kind: AttributeType, at: &At<'_>) -> Result<(), Error> {
    if kind != AttributeType::Integer || number.is_i64() {
        return Ok(());
    }
    let detail = match number.is_u64() {
        true => "must be a whole number from -2^63 to 2^63-1",
        false => "must be a whole number without fraction or exponent, from -2^63 to 2^63-1",
    };
    Err(Error::value(at, detail))
}

/// The number that a string holds, in JSON's notation and nothing around it.
pub(super) fn number_text(text: &str) -> Option<Number> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    plain.then(|| serde_json::from_str(text).ok()).flatten()
}

/// A valid xsd:dateTime with a year of four digits that is not 0000; the offset may be missing.
///
/// Source: RFC 7643 section 2.3.5, XML Schema part 2 section 3.2.7.
pub(super) fn date_time(text: &str, at: &At<'_>) -> Result<(), Error> {
    match parse_instant(text) {
        Some(_) if !text.starts_with("0000") => Ok(()),
        _ => Err(Error::value(
            at,
            "must be an xsd:dateTime, such as 2011-05-13T04:42:34Z or 2011-05-13T04:42:34.5+02:00",
        )),
    }
}

/// Base64 with the standard alphabet; the padding may be left out (RFC 7643 section 2.3.6).
pub(super) fn base64(text: &str, at: &At<'_>) -> Result<(), Error> {
    const LENIENT_PADDING: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    match LENIENT_PADDING.decode(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::value(
            at,
            "must be base64 with the standard alphabet (RFC 4648 section 4), without line breaks",
        )),
    }
}

/// An absolute http(s) URI or a relative one; where the schema says `uri`, any URI.
///
/// Source: RFC 7643 section 2.3.7, AMBIGUITIES 106. Whether anything is there is not asked.
pub(super) fn reference(text: &str, attribute: &Attribute, at: &At<'_>) -> Result<(), Error> {
    if !is_uri_reference(text) {
        return Err(Error::value(
            at,
            "must be an absolute or relative URI (RFC 3986); encode other characters as %XX",
        ));
    }
    let Some(scheme) = scheme(text) else { return Ok(()) };
    let types = &attribute.reference_types;
    let any = types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case("uri"));
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if web && !text[scheme.len()..].strip_prefix("://").is_some_and(has_host) {
        return Err(Error::value(at, "must name a host after the scheme"));
    }
    match any || web {
        true => Ok(()),
        false => Err(Error::value(at, "must be an http or https URI, or a relative one")),
    }
}

fn has_host(rest: &str) -> bool {
    !rest.is_empty() && !rest.starts_with(['/', '?', '#'])
}

/// The part before the first colon, when it is a scheme.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    good.then_some(scheme)
}

/// Whether the text has only characters of RFC 3986, `%` with two hexadecimal digits after it, at most one `#`, and no
/// colon in the first segment of a relative path.
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let escapes = memchr::memchr_iter(b'%', bytes).all(|i| {
        matches!(bytes.get(i + 1..i + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    });
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    bytes.iter().all(|b| allowed(*b))
        && escapes
        && memchr::memchr_iter(b'#', bytes).count() <= 1
        && (scheme(text).is_some() || !first.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AttrName;

    #[test]
    fn date_times() {
        for good in [
            "2008-01-23T04:56:22Z",
            "2008-01-23T04:56:22",
            "2011-05-13T04:42:34.123456789012+14:00",
            "2008-02-29T24:00:00Z",
            "0001-01-01T00:00:00-00:00",
            "9999-12-31T23:59:59.9Z",
        ] {
            assert!(date_time(good, &At::ROOT).is_ok(), "{good}");
        }
        for bad in [
            "",
            "2008-01-23",
            "2008-01-23T04:56Z",
            "2007-02-29T00:00:00Z",
            "2008-01-23T24:00:01Z",
            "2008-01-23T04:56:60Z",
            "2008-01-23T04:56:22+14:01",
            "0000-01-01T00:00:00Z",
            "-2008-01-23T04:56:22Z",
            "12008-01-23T04:56:22Z",
            " 2008-01-23T04:56:22Z",
        ] {
            assert!(date_time(bad, &At::ROOT).is_err(), "{bad}");
        }
    }

    #[test]
    fn base64_text() {
        let at = At::ROOT;
        for good in ["", "MIIDQw==", "MIIDQw", "ab+/", "YWI=", "YWI"] {
            assert!(base64(good, &at).is_ok(), "{good}");
        }
        for bad in ["a", "ab-_", "MIID\nQw==", "MII DQw", "====", "é", "YWI=="] {
            assert!(base64(bad, &at).is_err(), "{bad}");
        }
    }

    #[test]
    fn references() {
        let reference_to = |types: &[&str]| Attribute {
            reference_types: types.iter().map(|t| (*t).to_owned()).collect(),
            ..Attribute::new(AttrName::from_checked("ref"), AttributeType::Reference)
        };
        let (user, uri) = (reference_to(&["User"]), reference_to(&["uri"]));
        for good in [
            "https://example.com/v2/Users/26118915-6090-4610-87e4-49d8ca9f808d?a=b#c",
            "HTTP://[::1]:8080/",
            "../Users/26118915",
            "Users/1",
            "/Users/1",
            "",
            "a/b:c",
            "x%20y",
        ] {
            assert!(reference(good, &user, &At::ROOT).is_ok(), "{good}");
        }
        for bad in [
            "a b",
            "https://",
            "http:x",
            "x%2",
            "x%zz",
            "<x>",
            "\"",
            "é",
            "a\nb",
            "1:2",
            ":x",
            "a#b#c",
            "urn:example:x",
            "javascript:alert(1)",
        ] {
            assert!(reference(bad, &user, &At::ROOT).is_err(), "{bad}");
        }
        for good in ["urn:example:x", "mailto:a@example.org", "https://a", "x"] {
            assert!(reference(good, &uri, &At::ROOT).is_ok(), "{good}");
        }
        assert!(reference("a b", &uri, &At::ROOT).is_err());
    }

    #[test]
    fn numbers() {
        assert_eq!(number_text("-7"), Some((-7).into()));
        assert_eq!(number_text("1.5e2").and_then(|n| n.as_f64()), Some(150.0));
        for bad in ["", " 7", "7 ", "+7", "0x7", "seven", "1e999", "--7", "NaN"] {
            assert_eq!(number_text(bad), None, "{bad}");
        }
        let integer = |n: Number| number(&n, AttributeType::Integer, &At::ROOT).is_ok();
        assert!(integer(i64::MAX.into()) && integer(i64::MIN.into()));
        assert!(!integer(u64::MAX.into()));
        assert!(!integer(Number::from_f64(1.0).unwrap()));
        assert!(number(&u64::MAX.into(), AttributeType::Decimal, &At::ROOT).is_ok());
    }
}
