//! As much BER as a small LDAP server needs; written apart from the connector's, so that the two check each other.

/// One value: its tag and its contents.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

impl Value {
    /// The values within a constructed one; those that can be read.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = self.body.as_slice();
        while let Some((part, after)) = split(rest) {
            parts.push(part);
            rest = after;
        }
        parts
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn number(&self) -> i64 {
        let negative = self.body.first().is_some_and(|octet| octet & 0x80 != 0);
        self.body
            .iter()
            .fold(if negative { -1 } else { 0 }, |sum, octet| sum << 8 | i64::from(*octet))
    }
}

/// The first value and what follows; `None` when it is not complete yet.
pub(crate) fn split(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Value { tag, body: body.to_vec() }, rest))
}

/// A value with a length of five octets, as Active Directory itself writes them.
pub(crate) fn value(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag, 0x84], length.as_slice(), body].concat()
}

pub(crate) fn sequence(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    value(tag, &parts.concat())
}

pub(crate) fn number(tag: u8, number: i64) -> Vec<u8> {
    value(tag, &number.to_be_bytes())
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    value(0x04, text.as_bytes())
}
