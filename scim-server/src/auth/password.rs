//! Hashing of user passwords: argon2id, on a small bounded pool.
//!
//! A password is prepared with the PRECIS profile OpaqueString (RFC 8265 section 4.2), as RFC
//! 7644 section 5 asks, so that the same password typed on another keyboard still verifies.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use zeroize::Zeroizing;

/// How hard a password is hashed, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Hashes computed at a time; at least one. Each holds its memory and a thread.
    pub workers: usize,
    /// Hashes that may wait for a worker before [`PasswordError::Busy`].
    pub queue: usize,
}

impl Default for PasswordConfig {
    /// 19 MiB and two passes, as OWASP recommends for argon2id; two at a time, 64 waiting.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, workers: 2, queue: 64 }
    }
}

/// A password that was not hashed or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing is no password.
    #[error("the password is empty")]
    Empty,
    /// Longer than hashing should be asked to handle.
    #[error("the password has more than {} characters", PasswordHasher::MAX_CHARS)]
    TooLong,
    /// OpaqueString does not admit it.
    #[error("the password contains a control character or another one that passwords cannot have")]
    Characters,
    /// Too many hashes are wanted at once.
    #[error("too many passwords are being hashed; try again shortly")]
    Busy,
    /// The stored hash is not an argon2 PHC string.
    #[error("the stored password hash cannot be read")]
    StoredHash,
    /// Hashing failed: no memory, no randomness, or shutting down.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes and verifies passwords. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    /// Everybody who waits or works.
    admitted: Arc<Semaphore>,
    /// Those who work.
    workers: Arc<Semaphore>,
    at_once: usize,
}

impl PasswordHasher {
    /// The longest password, in characters after preparation.
    pub const MAX_CHARS: usize = 1024;

    /// A hasher with its own pool.
    ///
    /// # Errors
    /// [`PasswordError::Failed`] for a cost that argon2 does not define.
    pub fn new(config: PasswordConfig) -> Result<Self, PasswordError> {
        let params = Params::new(config.memory_kib, config.passes, 1, None)
            .map_err(|_| PasswordError::Failed)?;
        let workers = config.workers.clamp(1, Semaphore::MAX_PERMITS / 2);
        let queue = config.queue.min(Semaphore::MAX_PERMITS / 2);
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            admitted: Arc::new(Semaphore::new(workers + queue)),
            workers: Arc::new(Semaphore::new(workers)),
            at_once: workers,
        })
    }

    /// How many hashes are computed at a time; whoever has more of them gains nothing by asking for more at once.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Hashes `password` with a fresh salt; gives a PHC string (`$argon2id$v=19$…`).
    ///
    /// # Errors
    /// [`PasswordError::Empty`], `TooLong` and `Characters` before any work is done, and
    /// [`PasswordError::Busy`] and `Failed`.
    pub async fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        let prepared = prepare(password)?;
        let hash = self.run(move |argon2| argon2.hash_password(prepared.as_bytes())).await?;
        hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Failed)
    }

    /// Whether `password` is the one that `hash` was made from. The costs are those in `hash`.
    ///
    /// # Errors
    /// [`PasswordError::StoredHash`], [`PasswordError::Busy`] and `Failed`. A password that could
    /// never have been hashed is just wrong.
    pub async fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, PasswordError> {
        let hash = PasswordHash::new(hash).map_err(|_| PasswordError::StoredHash)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            // Well-formed, but cut short; argon2 would call it a mismatch.
            return Err(PasswordError::StoredHash);
        }
        let Ok(prepared) = prepare(password) else { return Ok(false) };
        match self.run(move |argon2| argon2.verify_password(prepared.as_bytes(), &hash)).await? {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(_) => Err(PasswordError::StoredHash),
        }
    }

    /// Runs `work` on a blocking thread when it is its turn.
    ///
    /// Both permits go along: a caller who goes away does not make room for another hash while
    /// its own is still being computed.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|e| refusal(&e))?;
        let working = Arc::clone(&self.workers).acquire_owned().await;
        let permits: [OwnedSemaphorePermit; 2] =
            [admitted, working.map_err(|_| PasswordError::Failed)?];
        let argon2 = self.argon2.clone();
        let task = tokio::task::spawn_blocking(move || {
            let done = work(&argon2);
            drop(permits);
            done
        });
        task.await.map_err(|_| PasswordError::Failed)
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher")
            .field("params", self.argon2.params())
            .finish_non_exhaustive()
    }
}

fn refusal(error: &TryAcquireError) -> PasswordError {
    match error {
        TryAcquireError::NoPermits => PasswordError::Busy,
        TryAcquireError::Closed => PasswordError::Failed,
    }
}

/// Enforces OpaqueString: other spaces become the ASCII one, then NFC; controls are refused.
fn prepare(password: &SecretString) -> Result<Zeroizing<String>, PasswordError> {
    let text = password.expose_secret();
    if text.is_empty() {
        return Err(PasswordError::Empty);
    }
    // Normalising is not free, so a text that cannot become short enough is not even looked at:
    // NFC puts at most a few characters of at most four bytes together.
    if text.len() > 4 * 4 * PasswordHasher::MAX_CHARS {
        return Err(PasswordError::TooLong);
    }
    let enforced = OpaqueString::enforce(text).map_err(|_| PasswordError::Characters)?;
    let prepared = Zeroizing::new(enforced.into_owned());
    if prepared.chars().count() > PasswordHasher::MAX_CHARS {
        return Err(PasswordError::TooLong);
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> PasswordConfig {
        PasswordConfig { memory_kib: 8, passes: 1, ..PasswordConfig::default() }
    }

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(quick()).unwrap()
    }

    #[tokio::test]
    async fn the_default_cost_is_in_the_hash_and_the_password_is_not() {
        let hasher = PasswordHasher::new(PasswordConfig::default()).unwrap();
        let hash = hasher.hash(&"correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(!hash.contains("horse"));
        assert!(hasher.verify(&"correct horse".into(), &hash).await.unwrap());
        assert!(!hasher.verify(&"correct horsf".into(), &hash).await.unwrap());
    }

    #[tokio::test]
    async fn salts_differ_and_older_costs_still_verify() {
        let old = hasher();
        let (a, b) = (old.hash(&"x".into()).await.unwrap(), old.hash(&"x".into()).await.unwrap());
        assert_ne!(a, b);
        let new = PasswordHasher::new(PasswordConfig { memory_kib: 16, ..quick() }).unwrap();
        assert!(new.verify(&"x".into(), &a).await.unwrap());
    }

    #[tokio::test]
    async fn equal_passwords_in_other_code_points_verify() {
        let hasher = hasher();
        let hash = hasher.hash(&"caf\u{e9} \u{1F600}".into()).await.unwrap();
        for same in
            ["cafe\u{301} \u{1F600}", "caf\u{e9}\u{a0}\u{1F600}", "caf\u{e9}\u{3000}\u{1F600}"]
        {
            assert!(hasher.verify(&same.into(), &hash).await.unwrap(), "{same:?}");
        }
        for other in ["cafe \u{1F600}", "CAF\u{c9} \u{1F600}", "caf\u{e9} \u{1F600} "] {
            assert!(!hasher.verify(&other.into(), &hash).await.unwrap(), "{other:?}");
        }
    }

    #[tokio::test]
    async fn limits_are_told_and_nothing_is_cut() {
        let hasher = hasher();
        let longest = "p".repeat(1024);
        let hash = hasher.hash(&longest.as_str().into()).await.unwrap();
        assert!(!hasher.verify(&longest[..1023].into(), &hash).await.unwrap());
        assert!(!hasher.verify(&format!("{longest}p").into(), &hash).await.unwrap());
        let with_nul = "abc\0def";
        let huge = "\u{1F600}".repeat(100_000);
        for (password, error) in [
            ("", PasswordError::Empty),
            (&"p".repeat(1025), PasswordError::TooLong),
            (&"\u{e9}".repeat(1025), PasswordError::TooLong),
            (&huge, PasswordError::TooLong),
            (with_nul, PasswordError::Characters),
            ("tab\there", PasswordError::Characters),
            ("\u{7f}", PasswordError::Characters),
        ] {
            assert_eq!(hasher.hash(&password.into()).await, Err(error));
        }
        assert!(hasher.hash(&"\u{e9}".repeat(1024).into()).await.is_ok());
    }

    #[tokio::test]
    async fn a_stored_hash_of_another_kind_is_an_error_not_a_mismatch() {
        for stored in ["", "plain", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=8"] {
            let outcome = hasher().verify(&"x".into(), stored).await;
            assert_eq!(outcome, Err(PasswordError::StoredHash), "{stored:?}");
        }
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let config = PasswordConfig { workers: 1, queue: 2, ..quick() };
        let hasher = PasswordHasher::new(config).unwrap();
        let working = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(&"x".into()).await })
            })
            .collect();
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.hash(&"x".into()).await, Err(PasswordError::Busy));
        drop(working);
        for hash in waiting {
            assert!(hash.await.unwrap().is_ok());
        }
        assert!(hasher.hash(&"x".into()).await.is_ok(), "room again");
    }

    #[tokio::test]
    async fn a_caller_who_gives_up_while_waiting_leaves_the_queue() {
        let config = PasswordConfig { workers: 1, queue: 0, ..quick() };
        let hasher = PasswordHasher::new(config).unwrap();
        let working = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(&"x".into()).await }
        });
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.admitted.available_permits(), 1);
        drop(working);
    }

    #[test]
    fn errors_and_debug_never_repeat_the_password() {
        let secret = SecretString::from("canary\0canary");
        let error = prepare(&secret).unwrap_err();
        let shown = format!("{error} {error:?} {secret:?} {:?}", hasher());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
