//! The little of BER that control values need: read without panics, written in the shortest form.
//!
//! `ldap3` reads the messages themselves. Its parsers of control values panic on what they do not expect, and it has none
//! for DirSync, so those values are read here: every length is checked against what is there, nothing is followed deeper
//! than one level at a time, and what does not fit is an error that says where.

use std::fmt;

/// Universal BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// Universal INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Universal OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// Universal ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// Universal SEQUENCE, constructed.
pub(crate) const SEQUENCE: u8 = 0x30;
/// Universal SET, constructed.
pub(crate) const SET: u8 = 0x31;

/// Why some bytes are no BER value, or not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BerError {
    /// The bytes end before the value does.
    Truncated,
    /// The length is indefinite, or longer than any value can be.
    Length,
    /// Another tag than the one asked for.
    Tag {
        /// What was asked for.
        wanted: u8,
        /// What is there.
        found: u8,
    },
    /// A number without octets, or one that does not fit.
    Number,
    /// Octets after the end.
    Trailing,
}

impl fmt::Display for BerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the value ends too early"),
            Self::Length => f.write_str("a length that no value has"),
            Self::Tag { wanted, found } => {
                write!(f, "tag {found:#04x} where {wanted:#04x} belongs")
            }
            Self::Number => f.write_str("a number that is empty or too large"),
            Self::Trailing => f.write_str("octets after the end of the value"),
        }
    }
}

impl std::error::Error for BerError {}

/// Reads values one after the other from a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value, without reading it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads the next value whatever it is: its tag and its contents.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8]), BerError> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(BerError::Truncated)?;
        let (&first, after_length) = after_tag.split_first().ok_or(BerError::Truncated)?;
        let (length, body) = if first < 0x80 {
            (usize::from(first), after_length)
        } else {
            let octets = usize::from(first & 0x7f);
            // 0x80 is the indefinite form, which LDAP forbids (RFC 4511 section 5.1).
            if octets == 0 || octets > 4 {
                return Err(BerError::Length);
            }
            let (length, body) =
                after_length.split_at_checked(octets).ok_or(BerError::Truncated)?;
            (length.iter().fold(0_usize, |sum, &octet| sum << 8 | usize::from(octet)), body)
        };
        let (contents, rest) = body.split_at_checked(length).ok_or(BerError::Truncated)?;
        self.rest = rest;
        Ok((tag, contents))
    }

    /// Reads a value that must have this tag.
    pub(crate) fn expect(&mut self, wanted: u8) -> Result<&'a [u8], BerError> {
        match self.peek() {
            None => Err(BerError::Truncated),
            Some(found) if found != wanted => Err(BerError::Tag { wanted, found }),
            Some(_) => self.any().map(|(_, contents)| contents),
        }
    }

    /// Reads a value with this tag when one is next.
    pub(crate) fn optional(&mut self, wanted: u8) -> Result<Option<&'a [u8]>, BerError> {
        if self.peek() == Some(wanted) { self.expect(wanted).map(Some) } else { Ok(None) }
    }

    /// Reads a constructed value and gives a reader of its contents.
    pub(crate) fn inner(&mut self, tag: u8) -> Result<Reader<'a>, BerError> {
        self.expect(tag).map(Reader::new)
    }

    /// Reads a number of at most 64 bits.
    pub(crate) fn integer(&mut self, tag: u8) -> Result<i64, BerError> {
        integer(self.expect(tag)?)
    }

    /// What was not read yet.
    #[cfg(feature = "kerberos")]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn end(self) -> Result<(), BerError> {
        if self.is_empty() { Ok(()) } else { Err(BerError::Trailing) }
    }
}

/// A number in two's complement.
pub(crate) fn integer(octets: &[u8]) -> Result<i64, BerError> {
    let (&first, _) = octets.split_first().ok_or(BerError::Number)?;
    if octets.len() > 8 {
        return Err(BerError::Number);
    }
    let sign = if first & 0x80 == 0 { 0_i64 } else { -1 };
    Ok(octets.iter().fold(sign, |sum, &octet| sum << 8 | i64::from(octet)))
}

/// A truth value: anything but zero is true (RFC 4511 section 5.1 asks for 0xFF, servers send 1 as well).
pub(crate) fn boolean(octets: &[u8]) -> Result<bool, BerError> {
    match octets {
        [octet] => Ok(*octet != 0),
        _ => Err(BerError::Number),
    }
}

/// Appends one value.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    let length = contents.len();
    if length < 0x80 {
        // Below 128, so the conversion cannot lose anything.
        out.extend(u8::try_from(length));
    } else {
        let octets = length.to_be_bytes();
        let used: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
        out.extend(u8::try_from(used.len()).map(|count| 0x80 | count));
        out.extend(used);
    }
    out.extend_from_slice(contents);
}

/// Appends a number in the fewest octets that hold its sign.
pub(crate) fn write_integer(out: &mut Vec<u8>, tag: u8, number: i64) {
    let octets = number.to_be_bytes();
    let mut start = 0;
    while start < 7 {
        let redundant = (octets[start] == 0x00 && octets[start + 1] & 0x80 == 0)
            || (octets[start] == 0xff && octets[start + 1] & 0x80 != 0);
        if !redundant {
            break;
        }
        start += 1;
    }
    write(out, tag, &octets[start..]);
}

/// A SEQUENCE around what `fill` writes.
pub(crate) fn sequence(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut contents = Vec::new();
    fill(&mut contents);
    let mut out = Vec::with_capacity(contents.len() + 4);
    write(&mut out, SEQUENCE, &contents);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_most_negative_flag_takes_four_octets() {
        let mut out = Vec::new();
        write_integer(&mut out, INTEGER, i64::from(i32::MIN));
        assert_eq!(out, [0x02, 0x04, 0x80, 0, 0, 0]);
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        assert_eq!(Reader::new(&[0x04, 0x05, 1, 2]).any(), Err(BerError::Truncated));
        assert_eq!(Reader::new(&[0x30, 0x80, 0, 0]).any(), Err(BerError::Length));
        assert_eq!(Reader::new(&[0x04, 0x85, 1, 1, 1, 1, 1]).any(), Err(BerError::Length));
        assert_eq!(
            Reader::new(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff]).any(),
            Err(BerError::Truncated)
        );
        assert_eq!(Reader::new(&[]).any(), Err(BerError::Truncated));
    }

    #[test]
    fn a_wrong_tag_is_named() {
        let error = Reader::new(&[0x04, 0x00]).expect(INTEGER).unwrap_err();
        assert_eq!(error.to_string(), "tag 0x04 where 0x02 belongs");
    }

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<i64>()) {
            let mut out = Vec::new();
            write_integer(&mut out, INTEGER, number);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.integer(INTEGER), Ok(number));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn octets_come_back_whatever_their_length(length in 0_usize..70_000) {
            let contents = vec![7_u8; length];
            let mut out = Vec::new();
            write(&mut out, OCTET_STRING, &contents);
            prop_assert_eq!(Reader::new(&out).expect(OCTET_STRING), Ok(contents.as_slice()));
        }

        #[test]
        fn any_octets_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let mut seen = 0;
            while let Ok((_, contents)) = reader.any() {
                seen += contents.len() + 2;
            }
            prop_assert!(seen <= bytes.len());
        }
    }
}
