//! Security identifiers (MS-DTYP section 2.4.2): octets to text and back, and the relative identifier at the end.

use std::fmt;

/// A security identifier, such as `S-1-5-21-1-2-3-513`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid {
    revision: u8,
    authority: u64,
    parts: Vec<u32>,
}

impl Sid {
    /// Reads the binary form; `None` when the octets are no identifier.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (&revision, rest) = octets.split_first()?;
        let (&count, rest) = rest.split_first()?;
        let (authority, rest) = rest.split_at_checked(6)?;
        // The format allows fifteen parts.
        if count > 15 || rest.len() != usize::from(count) * 4 {
            return None;
        }
        let authority = authority.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet));
        let parts = rest
            .chunks_exact(4)
            .map(|part| part.iter().rev().fold(0, |sum: u32, &octet| sum << 8 | u32::from(octet)));
        Some(Self { revision, authority, parts: parts.collect() })
    }

    /// The binary form.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let count = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        let mut out = vec![self.revision, count];
        out.extend_from_slice(&self.authority.to_be_bytes()[2..]);
        out.extend(self.parts.iter().flat_map(|part| part.to_le_bytes()));
        out
    }

    /// The last part: which object of the domain it is.
    #[must_use]
    pub fn relative(&self) -> Option<u32> {
        self.parts.last().copied()
    }

    /// The identifier of an object of the domain that `self` identifies.
    #[must_use]
    pub fn child(&self, relative: u32) -> Self {
        let mut child = self.clone();
        child.parts.push(relative);
        child
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-{}-{}", self.revision, self.authority)?;
        self.parts.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn domain_users_of_a_domain() {
        let octets = [
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x50, 4, 0, 0,
        ];
        let sid = Sid::from_octets(&octets).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-1-2-3-1104");
        assert_eq!(sid.relative(), Some(1104));
        assert_eq!(sid.child(513).to_string(), "S-1-5-21-1-2-3-1104-513");
        assert_eq!(sid.to_octets(), octets);
        assert_eq!(Sid::from_octets(&octets[..27]), None);
        assert_eq!(Sid::from_octets(&[1, 0, 0, 0, 0, 0, 0, 5]).unwrap().relative(), None);
    }

    proptest! {
        #[test]
        fn octets_are_read_exactly_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..72)) {
            if let Some(sid) = Sid::from_octets(&octets) {
                prop_assert_eq!(sid.to_octets(), octets);
            }
        }
    }
}
