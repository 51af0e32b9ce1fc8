//! Read, change, write again: local writers of one resource take turns, others are met by optimistic retry.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::store::Key;

/// How often a change without precondition is made anew after another node was faster.
pub(crate) const ATTEMPTS: usize = 16;

/// Locks that make read-change-write cycles on one resource take turns within this process.
///
/// Correctness rests on [`crate::store::WriteIf`]; these only spare concurrent changes of one resource from failing
/// and repeating each other. Different keys may share a lock; nobody ever holds two.
pub(crate) struct KeyLocks {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl KeyLocks {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), locks: (0..256).map(|_| Mutex::new(())).collect() }
    }

    /// Waits for its turn.
    pub(crate) async fn turn(&self, key: &Key) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((key.tenant.as_str(), key.id.as_str()));
        self.locks[hash as usize % self.locks.len()].lock().await
    }
}

impl fmt::Debug for KeyLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLocks")
    }
}
