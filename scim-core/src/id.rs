//! Identifiers.

use std::fmt;

use smol_str::SmolStr;

/// The `id` of a resource: made by the server, opaque to everyone, compared exactly.
///
/// Nothing that a client sends becomes an id. Source: RFC 7643 section 3.1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(SmolStr);

impl ResourceId {
    /// Takes an id; `None` when the text is empty, too long to be one of ours (128 bytes), holds characters that
    /// could not stand in a URL path, or is the reserved word `bulkId`.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= 128
            && !text.eq_ignore_ascii_case("bulkId")
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'));
        fits.then(|| Self(SmolStr::new(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
