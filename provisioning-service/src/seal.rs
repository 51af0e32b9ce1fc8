//! Secrets at rest: sealed with AES-256-GCM under a key that is not in the database.
//!
//! Whoever has only the database, or a copy of it, can read no secret and can put none in another's place: what is sealed
//! is bound to where it is kept.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The first byte of everything that is sealed.
const VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 4;
const NONCE_LEN: usize = 12;

/// Seals and opens secrets.
///
/// ```
/// use scim_provisioning_service::seal::Sealer;
///
/// let sealer = Sealer::parse(&Sealer::new_key())?;
/// let sealed = sealer.seal("acme/secret/job-1", b"hunter2")?;
/// assert_eq!(sealer.open("acme/secret/job-1", &sealed)?.as_slice(), b"hunter2");
/// assert!(sealer.open("acme/secret/job-2", &sealed).is_err());
/// # Ok::<(), scim_provisioning_service::seal::SealError>(())
/// ```
pub struct Sealer {
    /// The first one seals, all of them open.
    keys: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID_LEN],
    key: RandomizedNonceKey,
}

/// Why something was not sealed or opened. No variant tells anything of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The file with the key cannot be read or made.
    #[error("the key file {path} cannot be read or made: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than the owner can read the file with the key.
    #[error("the key file {path} can be read by others: chmod 600 {path}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// What should be keys is none.
    #[error("a sealing key is 32 bytes in base64, one on a line, the newest first")]
    Key,
    /// What is sealed was sealed with a key that is not here.
    #[error(
        "this was sealed with another key: put that key back, as a further line of the key file"
    )]
    OtherKey,
    /// What is sealed was changed, cut or moved.
    #[error("what was sealed has been changed, or moved to another place")]
    Damaged,
}

impl Sealer {
    /// A new key as a text, for a file or a variable.
    #[must_use]
    pub fn new_key() -> SecretString {
        let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        BASE64.encode(bytes.as_slice()).into()
    }

    /// Keys from a text: one a line in base64, the newest first.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn parse(text: &SecretString) -> Result<Self, SealError> {
        let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(Key::parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::Key);
        }
        Ok(Self { keys })
    }

    /// Keys from a file, which is made with a new key, for its owner only, where it does not exist. Gives whether it was
    /// made.
    ///
    /// # Errors
    /// [`SealError::File`], [`SealError::Open`] where others may read it, [`SealError::Key`].
    pub fn load_or_make(path: &Path) -> Result<(Self, bool), SealError> {
        let failed = |source| SealError::File { path: path.to_owned(), source };
        let made = match make_new(path) {
            Ok(mut file) => {
                let key = Zeroizing::new(format!("{}\n", Self::new_key().expose_secret()));
                file.write_all(key.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                true
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed(error)),
        };
        if !is_private(path).map_err(failed)? {
            return Err(SealError::Open { path: path.to_owned() });
        }
        let text: SecretString = std::fs::read_to_string(path).map_err(failed)?.into();
        Ok((Self::parse(&text)?, made))
    }

    /// Seals a secret for one place, a text that says where it is kept.
    ///
    /// # Errors
    /// [`SealError::Damaged`] for a secret longer than the algorithm can seal, 64 GiB.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<String, SealError> {
        let Some(Key { id, key }) = self.keys.first() else { return Err(SealError::Key) };
        let mut secret = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut secret)
            .map_err(|_| SealError::Damaged)?;
        let mut sealed = Vec::with_capacity(1 + KEY_ID_LEN + NONCE_LEN + secret.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut secret);
        Ok(BASE64.encode(sealed))
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError::OtherKey`] and [`SealError::Damaged`].
    pub fn open(&self, place: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut bytes = Zeroizing::new(BASE64.decode(sealed).map_err(|_| SealError::Damaged)?);
        let head = 1 + KEY_ID_LEN + NONCE_LEN;
        if bytes.len() < head || bytes[0] != VERSION {
            return Err(SealError::Damaged);
        }
        let id = &bytes[1..=KEY_ID_LEN];
        let key = self.keys.iter().find(|key| key.id == id).ok_or(SealError::OtherKey)?;
        let nonce = Nonce::try_assume_unique_for_key(&bytes[1 + KEY_ID_LEN..head])
            .map_err(|_| SealError::Damaged)?;
        let plain = key
            .key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut bytes[head..])
            .map_err(|_| SealError::Damaged)?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

impl Key {
    fn parse(line: &str) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(BASE64.decode(line).map_err(|_| SealError::Key)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Key)?;
        let mut hash = Sha256::new();
        hash.update(b"scim-provisioning-service key id");
        hash.update(bytes.as_slice());
        let hash = hash.finalize();
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&hash[..KEY_ID_LEN]);
        Ok(Self { id, key })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys.len()).finish()
    }
}

#[cfg(unix)]
fn make_new(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn make_new(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn is_private(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode().trailing_zeros() >= 6)
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> std::io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn text(lines: &[&SecretString]) -> SecretString {
        lines.iter().map(|key| key.expose_secret()).collect::<Vec<_>>().join("\n").into()
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_and_read_again() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("seal.key");
        let (first, made) = Sealer::load_or_make(&path).unwrap();
        assert!(made && is_private(&path).unwrap());
        let (second, made) = Sealer::load_or_make(&path).unwrap();
        assert!(!made);
        let sealed = first.seal("here", b"secret").unwrap();
        assert_eq!(second.open("here", &sealed).unwrap().as_slice(), b"secret");
        assert!(Sealer::load_or_make(&folder.path().join("none/seal.key")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("seal.key");
        Sealer::load_or_make(&path).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Sealer::load_or_make(&path), Err(SealError::Open { .. })), "{mode:o}");
        }
    }

    #[test]
    fn an_old_key_still_opens_and_a_missing_one_is_named() {
        let (old, new) = (Sealer::new_key(), Sealer::new_key());
        let sealed = Sealer::parse(&old).unwrap().seal("p", b"x").unwrap();
        let both = Sealer::parse(&text(&[&new, &old])).unwrap();
        assert_eq!(both.open("p", &sealed).unwrap().as_slice(), b"x");
        let only_new = Sealer::parse(&new).unwrap();
        assert!(matches!(only_new.open("p", &sealed), Err(SealError::OtherKey)));
        let again = both.seal("p", b"x").unwrap();
        assert!(only_new.open("p", &again).is_ok());
        assert_ne!(both.seal("p", b"x").unwrap(), again);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "\n", "abc", "AAAA", &BASE64.encode([1; 31]), &BASE64.encode([1; 33])] {
            assert!(matches!(Sealer::parse(&bad.into()), Err(SealError::Key)), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let sealer = Sealer::parse(&Sealer::new_key()).unwrap();
            let sealed = sealer.seal("place", &plain).unwrap();
            let opened = sealer.open("place", &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert!(sealer.open("Place", &sealed).is_err());
            let mut bytes = BASE64.decode(&sealed).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(sealer.open("place", &BASE64.encode(&bytes)).is_err());
            bytes.truncate(at);
            prop_assert!(sealer.open("place", &BASE64.encode(&bytes)).is_err());
        }
    }
}
