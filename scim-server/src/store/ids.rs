//! Many ids in little memory.

use std::fmt;

use scim_core::ResourceId;
use uuid::Uuid;

/// Ids in the order in which they were put in; those that are UUIDs, as the server makes them, take 17 bytes each.
///
/// ```
/// use scim_core::ResourceId;
/// use scim_server::store::IdList;
/// let ids = ["0193f0a4-7d2c-7abc-8def-0123456789ab", "by-hand"].map(|id| ResourceId::new(id).unwrap());
/// let list: IdList = ids.iter().cloned().collect();
/// assert_eq!(list.len(), 2);
/// assert!(list.iter().eq(ids));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IdList {
    len: usize,
    /// For each id its length in bytes and its text, or for a UUID a zero and its 16 bytes.
    packed: Vec<u8>,
}

impl IdList {
    /// Puts an id at the end.
    pub fn push(&mut self, id: &ResourceId) {
        let text = id.as_str();
        // Only the usual spelling comes back as it was.
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| {
            let mut buffer = Uuid::encode_buffer();
            *uuid.hyphenated().encode_lower(&mut buffer) == *text
        });
        match uuid {
            Some(uuid) => {
                self.packed.push(0);
                self.packed.extend_from_slice(uuid.as_bytes());
            }
            // An id has 1 to 128 bytes.
            None => {
                self.packed.push(text.len() as u8);
                self.packed.extend_from_slice(text.as_bytes());
            }
        }
        self.len += 1;
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the ids take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// The ids in their order.
    pub fn iter(&self) -> impl Iterator<Item = ResourceId> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || self.read(&mut at))
    }

    /// The id that begins at a place, which moves behind it; `None` at the end.
    pub(crate) fn read(&self, at: &mut usize) -> Option<ResourceId> {
        let (length, rest) = self.packed.get(*at..)?.split_first()?;
        if *length == 0 {
            *at += 1 + size_of::<Uuid>();
            let uuid = Uuid::from_slice(rest.get(..size_of::<Uuid>())?).ok()?;
            return ResourceId::new(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        }
        *at += 1 + usize::from(*length);
        ResourceId::new(std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?)
    }
}

impl FromIterator<ResourceId> for IdList {
    fn from_iter<I: IntoIterator<Item = ResourceId>>(ids: I) -> Self {
        let mut list = Self::default();
        for id in ids {
            list.push(&id);
        }
        list
    }
}

impl fmt::Debug for IdList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What went in comes out, also what only looks like a UUID.
        #[test]
        fn a_list_of_ids(texts in proptest::collection::vec(
            prop_oneof![
                "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "[0-9a-f]{32}",
                "[A-Za-z0-9._~-]{1,128}",
            ],
            0..20,
        )) {
            let ids: Vec<ResourceId> = texts.iter().filter_map(|text| ResourceId::new(text)).collect();
            let list: IdList = ids.iter().cloned().collect();
            prop_assert_eq!(list.len(), ids.len());
            prop_assert_eq!(list.is_empty(), ids.is_empty());
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), ids);
        }
    }
}
