//! The ids of members.

use std::borrow::Borrow;
use std::fmt;

use smol_str::SmolStr;

/// The `id` of a member as its server writes it: any text, compared exactly.
///
/// Not every server keeps to letters, digits and hyphens: some use the user name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(SmolStr);

impl MemberId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<SmolStr>> From<T> for MemberId {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl AsRef<str> for MemberId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Sets of ids can be asked for a text.
impl Borrow<str> for MemberId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
