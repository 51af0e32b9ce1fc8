//! The digest of a plan: the same for the same writes, whatever the rows of the state are called and in whatever order
//! they are met, in memory that does not grow with the plan.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::step::Secrets;
use crate::space::{ExportKind, PendingExport, SpaceObject};
use crate::{AttributeName, AttributeValue, Values};

/// The hash of one thing that a plan does.
pub(crate) type ItemHash = [u8; 32];

/// A set of hashes, folded into one digest in their order.
///
/// A set that is larger than what is held is folded in several passes over the same items: each pass takes the smallest
/// that are left.
pub(crate) struct SetDigest {
    hasher: Sha256,
    held: Vec<ItemHash>,
    capacity: usize,
    /// All up to this one are folded in.
    folded: Option<ItemHash>,
    /// Whether this pass left something for the next.
    more: bool,
    first: bool,
    items: u64,
}

impl SetDigest {
    /// An empty set; `capacity` hashes are held at a time.
    pub(crate) fn new(domain: &str, capacity: usize) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.as_bytes());
        Self {
            hasher,
            held: Vec::new(),
            capacity: capacity.max(1),
            folded: None,
            more: false,
            first: true,
            items: 0,
        }
    }

    /// Takes an item.
    pub(crate) fn add(&mut self, item: ItemHash) {
        if self.first {
            self.items += 1;
        }
        if self.folded.is_some_and(|folded| item <= folded) {
            return;
        }
        self.held.push(item);
        if self.held.len() >= self.capacity * 2 {
            self.shrink();
        }
    }

    /// Ends a pass; whether the same items have to be added once more.
    pub(crate) fn pass(&mut self) -> bool {
        if self.held.len() > self.capacity {
            self.shrink();
        }
        self.held.sort_unstable();
        self.held.dedup();
        for item in &self.held {
            self.hasher.update(item);
        }
        if let Some(last) = self.held.last() {
            self.folded = Some(*last);
        }
        self.held.clear();
        self.first = false;
        std::mem::take(&mut self.more)
    }

    /// The digest, in hexadecimal.
    pub(crate) fn finish(mut self) -> String {
        self.hasher.update(self.items.to_be_bytes());
        hex(&self.hasher.finalize())
    }

    /// Keeps the smallest.
    fn shrink(&mut self) {
        self.held.sort_unstable();
        self.held.dedup();
        if self.held.len() > self.capacity {
            self.held.truncate(self.capacity);
            self.more = true;
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Hashes parts so that no two lists of parts come to the same bytes.
pub(crate) struct Item(Sha256);

impl Item {
    /// Begins an item of a kind.
    pub(crate) fn new(kind: &str) -> Self {
        Self(Sha256::new()).part(kind.as_bytes())
    }

    /// Adds a part.
    pub(crate) fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds values.
    pub(crate) fn values(mut self, values: &[AttributeValue]) -> Self {
        self.0.update((values.len() as u64).to_be_bytes());
        for value in values {
            self.0 = value_part(self.0, value);
        }
        self
    }

    /// The hash.
    pub(crate) fn finish(self) -> ItemHash {
        self.0.finalize().into()
    }
}

fn value_part(mut hasher: Sha256, value: &AttributeValue) -> Sha256 {
    let mut put = |tag: u8, bytes: &[u8]| {
        hasher.update([tag]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    match value {
        AttributeValue::Text(text) => put(0, text.as_bytes()),
        AttributeValue::Integer(number) => put(1, &number.to_be_bytes()),
        AttributeValue::Boolean(boolean) => put(2, &[u8::from(*boolean)]),
        AttributeValue::DateTime(moment) => {
            put(3, &moment.timestamp().to_be_bytes());
            put(3, &moment.timestamp_subsec_nanos().to_be_bytes());
        }
        AttributeValue::Binary(bytes) => put(4, bytes),
        AttributeValue::Complex(parts) => {
            put(5, &(parts.len() as u64).to_be_bytes());
            for (name, value) in parts {
                hasher.update((name.as_str().len() as u64).to_be_bytes());
                hasher.update(name.folded().as_bytes());
                hasher = value_part(hasher, value);
            }
        }
    }
    hasher
}

/// What identifies an object in a plan: its identifier in the target, or, before it has one, what it is made of.
pub(crate) fn identity(object: &SpaceObject, secrets: &Secrets) -> ItemHash {
    let object_type = object.object_type.as_ref().map_or("", |found| found.as_str());
    let item = Item::new("object").part(object_type.as_bytes());
    match (&object.anchor, &object.pending_export) {
        (Some(anchor), _) => item.part(b"anchor").part(anchor.as_str().as_bytes()).finish(),
        (None, Some(pending)) => {
            attributes(item.part(b"new"), &pending.attributes, secrets).finish()
        }
        (None, None) => item.part(b"unmade").finish(),
    }
}

/// The item of a step that is about values.
pub(crate) fn values_item(
    object: ItemHash,
    pending: &PendingExport,
    secrets: &Secrets,
) -> ItemHash {
    let kind = match pending.kind {
        ExportKind::Add => "create",
        ExportKind::Update => "update",
        ExportKind::Disable => "disable",
        ExportKind::Delete => "delete",
        ExportKind::DeleteAdd => "replace",
    };
    attributes(Item::new(kind).part(&object), &pending.attributes, secrets).finish()
}

/// The item of one reference that comes or goes.
pub(crate) fn reference_item(
    from: ItemHash,
    attribute: &AttributeName,
    add: bool,
    to: ItemHash,
) -> ItemHash {
    Item::new(if add { "refer" } else { "unrefer" })
        .part(&from)
        .part(attribute.folded().as_bytes())
        .part(&to)
        .finish()
}

fn attributes(
    mut item: Item,
    attributes: &std::collections::BTreeMap<AttributeName, Values>,
    secrets: &Secrets,
) -> Item {
    for (name, values) in attributes {
        item = item.part(name.folded().as_bytes());
        item = if secrets.holds(name) { item.part(b"redacted") } else { item.values(values) };
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(items: &[u32], capacity: usize) -> String {
        let mut set = SetDigest::new("test", capacity);
        loop {
            for item in items {
                set.add(Item::new("x").part(&item.to_be_bytes()).finish());
            }
            if !set.pass() {
                return set.finish();
            }
        }
    }

    proptest! {
        #[test]
        fn order_and_memory_do_not_matter(mut items in proptest::collection::vec(0u32..1000, 0..200), seed in 0usize..200) {
            let whole = digest(&items, 1000);
            let turn = seed % items.len().max(1);
            items.rotate_left(turn);
            items.reverse();
            for capacity in [1, 3, 64] {
                prop_assert_eq!(&digest(&items, capacity), &whole);
            }
        }

        #[test]
        fn another_item_is_another_digest(items in proptest::collection::btree_set(0u32..1000, 0..50), extra in 1000u32..2000) {
            let mut items: Vec<u32> = items.into_iter().collect();
            let before = digest(&items, 7);
            items.push(extra);
            prop_assert_ne!(digest(&items, 7), before);
        }
    }
}
