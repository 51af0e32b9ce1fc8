//! The issuer's keys: read, checked, chosen by `kid`, and read again when their file changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::KeySource;
use crate::auth::AuthError;

/// Key files are looked at no more often than this.
const CHECK_EVERY_MILLIS: i64 = 1000;

/// The largest key file.
const MAX_FILE_LEN: u64 = 1024 * 1024;

/// A JWK set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// The file cannot be read.
    #[error("the key file {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a key file.
    #[error("the key file {path} is larger than {MAX_FILE_LEN} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is no JWK set. What it says is not repeated, as it may be secret.
    #[error("not a JWK set, at line {line} column {column}")]
    Json {
        /// Where, from one.
        line: usize,
        /// Where, from one.
        column: usize,
    },
    /// No key is left that could verify a token.
    #[error("no key in the set can verify a signature with an allowed algorithm")]
    NoUsableKey,
}

/// A key and the allowed algorithms that it is for.
pub(super) struct SigningKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

/// The usable keys of one JWK set.
pub(super) struct KeySet {
    keys: Vec<SigningKey>,
}

impl KeySet {
    /// Reads a JWK set and leaves out what cannot be used; RFC 7517 section 5 asks for that.
    fn parse(json: &str, allowed: &[Algorithm], secrets: bool) -> Result<Self, InvalidKeys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_str(json)
            .map_err(|e| InvalidKeys::Json { line: e.line(), column: e.column() })?;
        let mut keys = Vec::new();
        for (index, value) in set.keys.into_iter().enumerate() {
            match SigningKey::new(value, allowed, secrets) {
                Ok(key) => keys.push(key),
                Err(reason) => tracing::warn!(index, reason, "a key of the JWK set is left out"),
            }
        }
        if keys.is_empty() { Err(InvalidKeys::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// The one key that may have signed a token with this header.
    ///
    /// The algorithm must be one that the key is for, so a public key is never taken for a
    /// shared secret. Without `kid` the choice must be unambiguous.
    pub(super) fn select(&self, header: &Header) -> Result<&SigningKey, AuthError> {
        let id_fits =
            |key: &&SigningKey| header.kid.is_none() || key.id.as_ref() == header.kid.as_ref();
        if !self.keys.iter().any(|key| id_fits(&key)) {
            return Err(AuthError::Invalid("no configured key has the JWT's key id"));
        }
        let mut fitting =
            self.keys.iter().filter(id_fits).filter(|key| key.algorithms.contains(&header.alg));
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(AuthError::Invalid("the JWT's algorithm is not allowed for its key")),
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(AuthError::Invalid("the JWT does not say which key signed")),
        }
    }
}

impl SigningKey {
    fn new(value: Value, allowed: &[Algorithm], secrets: bool) -> Result<Self, &'static str> {
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it cannot be read")?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err("its use is not signing");
        }
        if jwk
            .common
            .key_operations
            .as_ref()
            .is_some_and(|ops| !ops.contains(&KeyOperations::Verify))
        {
            return Err("its operations do not include verifying");
        }
        let mut algorithms = fitting_algorithms(&jwk.algorithm, secrets)?;
        if let Some(only) = jwk.common.key_algorithm {
            algorithms.retain(|alg| KeyAlgorithm::from(*alg) == only);
        }
        algorithms.retain(|alg| allowed.contains(alg));
        if algorithms.is_empty() {
            return Err("it is for none of the allowed algorithms");
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "its values cannot be read")?;
        Ok(Self { id: jwk.common.key_id, algorithms, decoding })
    }
}

/// What a key of this type and size can be used with (RFC 7518 section 3).
fn fitting_algorithms(
    key: &AlgorithmParameters,
    secrets: bool,
) -> Result<Vec<Algorithm>, &'static str> {
    let sized = |fits: bool, algorithms: &[Algorithm]| {
        if fits { Ok(algorithms.to_vec()) } else { Err("its values have a wrong size") }
    };
    match key {
        AlgorithmParameters::EllipticCurve(ec) => {
            let (size, algorithm) = match ec.curve {
                EllipticCurve::P256 => (32, Algorithm::ES256),
                EllipticCurve::P384 => (48, Algorithm::ES384),
                _ => return Err("its curve is not supported"),
            };
            sized(length(&ec.x) == size && length(&ec.y) == size, &[algorithm])
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            sized(length(&okp.x) == 32, &[Algorithm::EdDSA])
        }
        AlgorithmParameters::RSA(rsa) => sized(
            (2048 / 8..=8192 / 8).contains(&length(&rsa.n)),
            &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
        ),
        AlgorithmParameters::OctetKey(_) if !secrets => {
            Err("a shared secret is accepted in inline keys only")
        }
        AlgorithmParameters::OctetKey(oct) => {
            // A secret shorter than the hash is weaker than the algorithm promises.
            let size = length(&oct.value);
            let algorithms: Vec<_> =
                [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)]
                    .into_iter()
                    .filter_map(|(algorithm, least)| (size >= least).then_some(algorithm))
                    .collect();
            sized(!algorithms.is_empty(), &algorithms)
        }
        _ => Err("its type is not supported"),
    }
}

/// Bytes in a base64url value; none if it is not one.
fn length(value: &str) -> usize {
    URL_SAFE_NO_PAD.decode(value).map_or(0, |bytes| Zeroizing::new(bytes).len())
}

/// The keys in use, and the file they came from.
pub(super) struct KeyRing {
    current: RwLock<Arc<KeySet>>,
    file: Option<KeyFile>,
}

struct KeyFile {
    path: PathBuf,
    allowed: Vec<Algorithm>,
    next_check_millis: AtomicI64,
    seen: Mutex<Option<Stamp>>,
}

/// What tells one version of a file from the next.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    len: u64,
}

impl KeyRing {
    pub(super) fn open(source: &KeySource, allowed: &[Algorithm]) -> Result<Self, InvalidKeys> {
        let (keys, file) = match source {
            KeySource::Inline(json) => (KeySet::parse(json.expose_secret(), allowed, true)?, None),
            KeySource::File(path) => {
                // Taken before reading: a change in between is then seen by the next check.
                let stamp = stamp(path).map_err(|source| file_error(path, source))?;
                let file = KeyFile {
                    path: path.clone(),
                    allowed: allowed.to_vec(),
                    next_check_millis: AtomicI64::new(i64::MIN),
                    seen: Mutex::new(Some(stamp)),
                };
                (file.read()?, Some(file))
            }
        };
        Ok(Self { current: RwLock::new(Arc::new(keys)), file })
    }

    /// The keys in use.
    pub(super) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at most once a second whether the file changed, and takes over its keys if it did.
    ///
    /// A file that is gone or cannot be used leaves the old keys in place, with a warning.
    /// Gives whether the keys changed.
    pub(super) fn refresh(&self, now: DateTime<Utc>) -> bool {
        let Some(file) = &self.file else { return false };
        let now = now.timestamp_millis();
        let due = file.next_check_millis.load(Ordering::Relaxed);
        let claim = || {
            let next = now + CHECK_EVERY_MILLIS;
            let order = Ordering::Relaxed;
            file.next_check_millis.compare_exchange(due, next, order, order).is_ok()
        };
        if now < due || !claim() || !file.changed() {
            return false;
        }
        match file.read() {
            Ok(keys) => {
                tracing::info!(path = %file.path.display(), "the JWK set was read again");
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                true
            }
            Err(error) => {
                if matches!(error, InvalidKeys::File { .. }) {
                    // It may be readable the next time without having changed again.
                    *file.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the JWK set changed and is unusable; the old keys stay");
                false
            }
        }
    }
}

impl KeyFile {
    /// Whether the file differs from what was last looked at.
    fn changed(&self) -> bool {
        let now = stamp(&self.path).ok();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, now) != now
    }

    fn read(&self) -> Result<KeySet, InvalidKeys> {
        let len = fs::metadata(&self.path).map_err(|source| file_error(&self.path, source))?.len();
        if len > MAX_FILE_LEN {
            return Err(InvalidKeys::TooLarge { path: self.path.clone() });
        }
        let json =
            fs::read_to_string(&self.path).map_err(|source| file_error(&self.path, source))?;
        KeySet::parse(&json, &self.allowed, false)
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp { modified: metadata.modified()?, len: metadata.len() })
}

fn file_error(path: &Path, source: io::Error) -> InvalidKeys {
    InvalidKeys::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration already refuses HMAC with a file; this is the second lock.
    #[test]
    fn a_set_for_public_keys_takes_no_shared_secret_whatever_is_allowed() {
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        let json = format!(r#"{{"keys":[{{"kty":"oct","k":"{secret}"}}]}}"#);
        let refused = KeySet::parse(&json, &[Algorithm::HS256], false);
        assert!(matches!(refused, Err(InvalidKeys::NoUsableKey)));
        assert!(KeySet::parse(&json, &[Algorithm::HS256], true).is_ok());
    }
}
