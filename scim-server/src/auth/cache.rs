//! A short memory of credentials that were found good, so that a busy client does not cost a
//! store read or a signature check for every request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, TimeDelta, Utc};

use super::Principal;
use super::credential::Digest;

/// Accepted credentials by digest, each for a few seconds.
///
/// Only successes are kept. A revocation in this process clears the memory at once, through the
/// epoch; one made by another process is seen within [`PrincipalCache::TTL`].
///
/// Looking up a digest is not constant-time, and need not be: what leaks is a prefix of a hash
/// of a secret, of which the caller cannot choose the bits.
pub(super) struct PrincipalCache {
    capacity: usize,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    epoch: u64,
    entries: BTreeMap<Digest, Entry>,
}

struct Entry {
    principal: Principal,
    until: DateTime<Utc>,
}

impl PrincipalCache {
    /// How long an accepted credential is believed without asking again.
    pub(super) const TTL: TimeDelta = TimeDelta::seconds(5);

    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, inner: RwLock::default() }
    }

    /// The principal last seen with this digest, unless that was too long ago.
    pub(super) fn get(&self, digest: &Digest, now: DateTime<Utc>) -> Option<Principal> {
        let inner = self.read();
        let entry = inner.entries.get(digest)?;
        (now < entry.until).then(|| entry.principal.clone())
    }

    /// To be read before the credential is checked, and handed to [`PrincipalCache::put`].
    pub(super) fn epoch(&self) -> u64 {
        self.read().epoch
    }

    /// Remembers `principal` until the TTL or `expires`, whichever comes first.
    ///
    /// Nothing happens if [`PrincipalCache::clear`] was called since `epoch` was read: the check
    /// may have seen the state before the revocation.
    pub(super) fn put(
        &self,
        epoch: u64,
        digest: Digest,
        principal: Principal,
        now: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) {
        let until = expires.map_or(now + Self::TTL, |expires| expires.min(now + Self::TTL));
        let mut inner = self.write();
        if inner.epoch != epoch {
            return;
        }
        if inner.entries.len() >= self.capacity && !inner.entries.contains_key(&digest) {
            inner.entries.retain(|_, entry| now < entry.until);
            if inner.entries.len() >= self.capacity {
                // More good credentials within seconds than we care to hold: start over rather
                // than pay for a policy.
                inner.entries.clear();
            }
        }
        inner.entries.insert(digest, Entry { principal, until });
    }

    /// Forgets everything, including checks that are under way.
    pub(super) fn clear(&self) {
        let mut inner = self.write();
        inner.epoch += 1;
        inner.entries.clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PrincipalCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.read();
        f.debug_struct("PrincipalCache")
            .field("capacity", &self.capacity)
            .field("entries", &inner.entries.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{PrincipalId, Scopes, TenantId};
    use crate::clock::{Clock, FixedClock};

    fn someone() -> Principal {
        Principal {
            tenant: TenantId::default(),
            subject: PrincipalId::new("s").unwrap(),
            scopes: Scopes::ALL,
            user: None,
            name: "s".into(),
        }
    }

    #[test]
    fn an_entry_ends_with_the_ttl_or_the_credential() {
        let (cache, now) = (PrincipalCache::new(10), FixedClock::default().now());
        let second = TimeDelta::seconds(1);
        cache.put(cache.epoch(), [1; 32], someone(), now, None);
        cache.put(cache.epoch(), [2; 32], someone(), now, Some(now + second));
        let just_before = now + PrincipalCache::TTL - TimeDelta::milliseconds(1);
        assert!(cache.get(&[1; 32], just_before).is_some());
        assert!(cache.get(&[1; 32], now + PrincipalCache::TTL).is_none());
        assert!(cache.get(&[2; 32], now).is_some());
        assert!(cache.get(&[2; 32], now + second).is_none());
        assert!(cache.get(&[3; 32], now).is_none());
    }

    #[test]
    fn a_check_that_began_before_a_revocation_is_not_kept() {
        let (cache, now) = (PrincipalCache::new(10), FixedClock::default().now());
        let epoch = cache.epoch();
        cache.clear();
        cache.put(epoch, [1; 32], someone(), now, None);
        assert!(cache.get(&[1; 32], now).is_none());
    }

    #[test]
    fn the_size_is_bounded_and_the_newest_entry_is_there() {
        let (cache, now) = (PrincipalCache::new(8), FixedClock::default().now());
        for i in 0..100_u8 {
            cache.put(cache.epoch(), [i; 32], someone(), now, None);
            assert!(cache.get(&[i; 32], now).is_some());
            assert!(cache.read().entries.len() <= 8);
        }
    }
}
