//! A certificate out of files that somebody else renews, as an ACME client does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, provider};
use crate::clock::Clock;

/// How often the files are looked at, at most; a handshake is what looks.
const LOOK: TimeDelta = TimeDelta::seconds(10);

/// The certificate and key of two files, read again when these change. A pair that cannot be used is told, and the one before it
/// is served on.
pub(super) struct FileCertificate {
    cert: PathBuf,
    key: PathBuf,
    clock: Arc<dyn Clock>,
    current: Mutex<Current>,
}

struct Current {
    certificate: Arc<CertifiedKey>,
    /// What the files were like when they were read last, with whatever success.
    read: Stamp,
    looked: DateTime<Utc>,
}

/// By which a change of the two files is known: their times and sizes.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64)>; 2]);

impl FileCertificate {
    /// # Errors
    /// [`TlsError::File`], [`TlsError::Rustls`].
    pub(super) fn open(cert: &Path, key: &Path, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is read again.
        let read = stamp(cert, key);
        let certificate = Arc::new(read_pair(cert, key)?);
        let current = Mutex::new(Current { certificate, read, looked: clock.now() });
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), clock, current })
    }

    fn certificate(&self) -> Arc<CertifiedKey> {
        let now = self.clock.now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if (now - current.looked).abs() >= LOOK {
            current.looked = now;
            self.look(&mut current);
        }
        Arc::clone(&current.certificate)
    }

    fn look(&self, current: &mut Current) {
        let stamp = stamp(&self.cert, &self.key);
        if stamp == current.read {
            return;
        }
        current.read = stamp;
        match read_pair(&self.cert, &self.key) {
            Ok(certificate) => {
                tracing::info!(file = %self.cert.display(), "the certificate was read anew");
                current.certificate = Arc::new(certificate);
            }
            // The other file of the pair may be on its way.
            Err(error) => {
                tracing::warn!("{error}; the certificate of before is used on");
            }
        }
    }
}

impl ResolvesServerCert for FileCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate())
    }
}

impl fmt::Debug for FileCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCertificate").field("cert", &self.cert).finish_non_exhaustive()
    }
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    Stamp([cert, key].map(|path| {
        let told = std::fs::metadata(path).ok()?;
        Some((told.modified().ok()?, told.len()))
    }))
}

fn read_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |what, path: &Path, problem: String| TlsError::File {
        what,
        path: path.to_owned(),
        problem,
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("certificate chain", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("certificate chain", cert, "it holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("private key", key, error.to_string()))?;
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;
    use crate::clock::{FixedClock, from_millis};

    struct Files {
        folder: TempDir,
        writes: u64,
    }

    impl Files {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Writes a file with a time of its own.
        fn write(&mut self, name: &str, text: &str) {
            self.writes += 1;
            let path = self.path(name);
            std::fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(self.writes);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
    }

    /// A certificate and its key, in PEM.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["sync.example".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_renewed_certificate_is_served_and_a_bad_one_is_not() {
        let clock = Arc::new(FixedClock::at(from_millis(1_780_000_000_000)));
        let mut files = Files { folder: TempDir::new().unwrap(), writes: 0 };
        let ([old, new], mut served) = ([pair(), pair()], Vec::new());
        files.write("cert.pem", &old.0);
        files.write("key.pem", &old.1);
        let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
        let certificate = FileCertificate::open(&cert, &key, clock.clone()).unwrap();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut serves = |what: &str, pem: &str| {
            clock.advance(LOOK);
            let found = certificate.certificate();
            served.push(what.to_owned());
            assert_eq!(found.cert[0], der(pem), "{served:?}");
        };
        serves("as it was", &old.0);
        files.write("cert.pem", "");
        serves("while it is being written", &old.0);
        files.write("cert.pem", &new.0);
        serves("while the key is that of the old one", &old.0);
        files.write("key.pem", &new.1);
        serves("the new pair", &new.0);
        std::fs::remove_file(&key).unwrap();
        serves("without a file", &new.0);

        // Not at every handshake.
        files.write("cert.pem", &old.0);
        files.write("key.pem", &old.1);
        assert_eq!(certificate.certificate().cert[0], der(&new.0));
        assert!(FileCertificate::open(&files.path("none"), &key, clock).is_err());
    }
}
