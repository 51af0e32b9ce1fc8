//! The query part of a URL: pairs in, pairs out (RFC 3986 section 2.1 and 3.4).

use std::borrow::Cow;

use crate::error::Error;

/// A parameter of a query string, decoded on demand: unknown ones are never looked at.
pub(super) struct Pair<'a> {
    /// The name, decoded where that was possible.
    pub(super) name: Cow<'a, str>,
    raw: &'a str,
}

impl<'a> Pair<'a> {
    /// The value with `%xx` and `+` decoded; empty when there was no `=`.
    pub(super) fn value(&self) -> Result<Cow<'a, str>, Error> {
        decode(self.raw).map_err(|problem| Error::value(&self.name, problem))
    }
}

/// Splits a raw query string, without its leading `?`. Empty pieces and stray question marks at the ends are skipped:
/// real clients leave them there.
pub(super) fn pairs(raw: &str) -> impl Iterator<Item = Pair<'_>> {
    raw.trim_start_matches('?').trim_end_matches(['?', '&']).split('&').filter_map(|piece| {
        let (name, raw) = piece.split_once('=').unwrap_or((piece, ""));
        // A name that cannot be decoded is the name of nothing we know.
        let name = decode(name).unwrap_or(Cow::Borrowed(name));
        (!name.is_empty()).then_some(Pair { name, raw })
    })
}

fn decode(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if !raw.bytes().any(|b| b == b'%' || b == b'+') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match b {
            b'+' => b' ',
            b'%' => {
                let (Some(high), Some(low)) =
                    (tail.first().and_then(|b| hex(*b)), tail.get(1).and_then(|b| hex(*b)))
                else {
                    return Err("a % must be followed by two hexadecimal digits; send %25 for %");
                };
                rest = &tail[2..];
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| "the percent-encoded bytes are not UTF-8")
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// Appends `name=value`, with `&` before it where needed.
pub(super) fn push(out: &mut String, name: &str, value: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if !out.is_empty() {
        out.push('&');
    }
    out.push_str(name);
    out.push('=');
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b',' | b':') {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(b >> 4)]));
            out.push(char::from(DIGITS[usize::from(b & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn oddities_of_clients() {
        let read = |raw: &str| -> Vec<(String, String)> {
            pairs(raw).map(|p| (p.name.to_string(), p.value().unwrap().into_owned())).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("a=b+c&"), [pair("a", "b c")]);
        assert_eq!(read("?a=%20%2B&&cursor?"), [pair("a", " +"), pair("cursor", "")]);
        assert_eq!(read("a=b=c"), [pair("a", "b=c")]);
        assert_eq!(read(""), []);
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%C3%28"] {
            assert!(pairs(bad).all(|p| p.value().is_err()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read(name in "[a-zA-Z]{1,8}", value in "\\PC{0,24}") {
            let mut out = String::new();
            push(&mut out, "first", "1");
            push(&mut out, &name, &value);
            let last = pairs(&out).last().unwrap();
            prop_assert_eq!(&*last.name, name.as_str());
            prop_assert_eq!(&*last.value().unwrap(), value.as_str());
        }
    }
}
