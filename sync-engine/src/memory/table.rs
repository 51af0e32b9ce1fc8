//! A sorted table that can take back what was done to it since the transaction began.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// Rows by key, with what each changed row was before.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// What was there before each change, oldest first.
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    pub(super) fn range(
        &self,
        keys: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// Sets a row; a key that is there keeps its spelling.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.before.push((key, before));
    }

    /// Removes a row; whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        match self.rows.remove_entry(key) {
            Some((key, value)) => {
                self.before.push((key, Some(value)));
                true
            }
            None => false,
        }
    }
}

/// The end of a transaction, for tables of all types.
pub(super) trait Transactional {
    fn keep(&mut self);
    fn take_back(&mut self);
}

impl<K: Ord, V> Transactional for Table<K, V> {
    fn keep(&mut self) {
        self.before.clear();
    }

    fn take_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}
