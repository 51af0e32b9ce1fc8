//! Who a managed agent is: a key of its own, the certificate that the service signed for it, and whom it trusts.
//!
//! A folder holds numbered generations, each whole, and a file that names the one in use. A renewal makes the next
//! generation beside it, step by step, and changes that one file when the service has taken the new certificate: whatever
//! moment the program dies in, the key that works is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::files;

const CURRENT: &str = "current";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
const AUTHORITY: &str = "ca.pem";
const ABOUT: &str = "about.json";

/// What is wrong with an identity on this machine's disk, or with what the service gave for one.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error(
        "there is no identity in {0}: get a code from the service's administrator and run `provisioning-agent setup --service URL --code CODE`"
    )]
    None(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {error}", path = .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds something else.
    #[error("{path}: {what}", path = .path.display())]
    Broken {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The service signed something that is not this agent's.
    #[error("the service gave a certificate that cannot be used: {0}")]
    Foreign(String),
    /// No key could be made.
    #[error("a key could not be made: {0}")]
    Key(#[from] rcgen::Error),
}

/// How the service's own certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By the authority that the enrolment code named, and no other.
    Authority,
    /// As this machine judges any, or by the file that the configuration names.
    Machine,
}

/// What is kept of an identity beside key and certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The agent's id.
    pub agent_id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// How the service's certificate is judged.
    pub trust: Trust,
    /// When to ask for the next certificate.
    pub renew_after: DateTime<Utc>,
}

/// One generation of an identity, read.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which generation it is.
    pub number: u32,
    /// Whose.
    pub about: About,
    /// The private key, PKCS #8 as PEM.
    pub key: SecretString,
    /// The certificate and those between it and the authority, PEM.
    pub certificate: String,
    /// The authority, PEM.
    pub authority: String,
}

/// The folder of an identity.
#[derive(Clone, Debug)]
pub struct IdentityFolder {
    path: PathBuf,
}

/// A key that waits for its certificate.
#[derive(Debug)]
pub struct Pending {
    number: u32,
    key: KeyPair,
}

impl Pending {
    /// The request to sign it. Nothing but the key is of interest in it: the service knows whose it is.
    ///
    /// # Errors
    /// [`IdentityError::Key`].
    pub fn request(&self) -> Result<String, IdentityError> {
        Ok(CertificateParams::default().serialize_request(&self.key)?.pem()?)
    }
}

/// What the service gave for a key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Whose.
    pub about: About,
    /// The certificate and those between it and the authority, PEM.
    pub certificate: String,
    /// The authority, PEM.
    pub authority: String,
}

impl IdentityFolder {
    /// A folder, which need not be there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the key in use is.
    ///
    /// # Errors
    /// [`IdentityError::None`], and where the folder cannot be read.
    pub fn key_file(&self) -> Result<PathBuf, IdentityError> {
        Ok(self.generation(self.number()?).join(KEY))
    }

    /// The identity in use.
    ///
    /// # Errors
    /// [`IdentityError::None`]; [`IdentityError::File`] and [`IdentityError::Broken`] where it is damaged.
    pub fn current(&self) -> Result<Identity, IdentityError> {
        self.read(self.number()?)
    }

    /// The next identity, where the service has signed it and it was not taken into use yet.
    ///
    /// # Errors
    /// As [`Self::current`].
    pub fn next(&self) -> Result<Option<Identity>, IdentityError> {
        let number = self.next_number()?;
        // The certificate is written last.
        match self.generation(number).join(CERTIFICATE).exists() {
            true => self.read(number).map(Some),
            false => Ok(None),
        }
    }

    /// A key for the next identity. What an attempt before this one left is removed.
    ///
    /// # Errors
    /// [`IdentityError::Key`], [`IdentityError::File`].
    pub fn begin(&self) -> Result<Pending, IdentityError> {
        self.discard()?;
        let number = self.next_number()?;
        let folder = self.generation(number);
        files::make_folder(&folder).map_err(|error| file(&folder, error))?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let text = SecretString::from(key.serialize_pem());
        self.write(&folder.join(KEY), text.expose_secret())?;
        Ok(Pending { number, key })
    }

    /// Keeps what the service gave for a key. The identity in use stays the other one.
    ///
    /// # Errors
    /// [`IdentityError::Foreign`] where the certificate is not for this key; [`IdentityError::File`].
    pub fn keep(&self, pending: &Pending, issued: &Issued) -> Result<Identity, IdentityError> {
        let leaf = first(&issued.certificate)
            .ok_or_else(|| IdentityError::Foreign("it is no certificate".to_owned()))?;
        let signed = subject_key(&leaf)
            .ok_or_else(|| IdentityError::Foreign("it cannot be read".to_owned()))?;
        if signed != pending.key.subject_public_key_info() {
            return Err(IdentityError::Foreign("it is for another key".to_owned()));
        }
        if first(&issued.authority).is_none() {
            return Err(IdentityError::Foreign("it comes without its authority".to_owned()));
        }
        let folder = self.generation(pending.number);
        let about = serde_json::to_string_pretty(&issued.about)
            .map_err(|error| IdentityError::Foreign(error.to_string()))?;
        self.write(&folder.join(ABOUT), &about)?;
        self.write(&folder.join(AUTHORITY), &issued.authority)?;
        self.write(&folder.join(CERTIFICATE), &issued.certificate)?;
        self.read(pending.number)
    }

    /// Takes an identity into use, and removes those before it.
    ///
    /// # Errors
    /// [`IdentityError::File`] where it could not be taken into use.
    pub fn promote(&self, identity: &Identity) -> Result<(), IdentityError> {
        self.write(&self.path.join(CURRENT), &format!("{}\n", identity.number))?;
        self.tidy();
        Ok(())
    }

    /// Gives up the next identity.
    ///
    /// # Errors
    /// [`IdentityError::File`].
    pub fn discard(&self) -> Result<(), IdentityError> {
        let folder = self.generation(self.next_number()?);
        // In this order, what is left of a half removed one is a key that waits for its certificate.
        for name in [CERTIFICATE, KEY] {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file(&path, error));
                }
                _ => {}
            }
        }
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(&folder, error)),
            _ => Ok(()),
        }
    }

    /// Removes identities that are in use no more; what cannot be removed is tried again next time.
    pub fn tidy(&self) {
        let Ok(current) = self.number() else { return };
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            if number.is_some_and(|number| number < current)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(%error, "{}: the old key cannot be removed", entry.path().display());
            }
        }
    }

    fn generation(&self, number: u32) -> PathBuf {
        self.path.join(number.to_string())
    }

    fn number(&self) -> Result<u32, IdentityError> {
        let path = self.path.join(CURRENT);
        let text = maybe(&path)?.ok_or_else(|| IdentityError::None(self.path.clone()))?;
        text.trim().parse().map_err(|_| broken(&path, "it should hold a number"))
    }

    fn next_number(&self) -> Result<u32, IdentityError> {
        match self.number() {
            Ok(number) => Ok(number.saturating_add(1)),
            Err(IdentityError::None(_)) => Ok(1),
            Err(error) => Err(error),
        }
    }

    fn read(&self, number: u32) -> Result<Identity, IdentityError> {
        let folder = self.generation(number);
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| file(&path, error))
        };
        let about = serde_json::from_str(&text(ABOUT)?)
            .map_err(|error| broken(&folder.join(ABOUT), &error.to_string()))?;
        let identity = Identity {
            number,
            about,
            key: SecretString::from(text(KEY)?),
            certificate: text(CERTIFICATE)?,
            authority: text(AUTHORITY)?,
        };
        let key = KeyPair::from_pem(identity.key.expose_secret())
            .map_err(|_| broken(&folder.join(KEY), "it holds no private key"))?;
        let signed = first(&identity.certificate).and_then(|leaf| subject_key(&leaf));
        match signed {
            Some(signed) if signed == key.subject_public_key_info() => Ok(identity),
            Some(_) => Err(broken(&folder.join(CERTIFICATE), "it is for another key")),
            None => Err(broken(&folder.join(CERTIFICATE), "it holds no certificate")),
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), IdentityError> {
        files::write(path, text, true).map_err(|error| file(path, error))
    }
}

impl Identity {
    /// Until when the certificate is valid, and from when.
    #[must_use]
    pub fn validity(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let leaf = first(&self.certificate)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&leaf).ok()?;
        let moment = |seconds| DateTime::from_timestamp(seconds, 0);
        let validity = certificate.validity();
        Some((moment(validity.not_before.timestamp())?, moment(validity.not_after.timestamp())?))
    }
}

/// The first certificate of a PEM text.
fn first(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).next()?.ok()
}

fn subject_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.public_key().raw.to_vec())
}

fn maybe(path: &Path) -> Result<Option<String>, IdentityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(path, error)),
    }
}

fn file(path: &Path, error: io::Error) -> IdentityError {
    IdentityError::File { path: path.to_owned(), error }
}

fn broken(path: &Path, what: &str) -> IdentityError {
    IdentityError::Broken { path: path.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests;
