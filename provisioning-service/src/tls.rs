//! TLS: the service's certificate, and client certificates of its own authority.

mod files;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivatePkcs8KeyDer, UnixTime};

use self::files::FileCertificate;
use crate::authority::{Authority, AuthorityError};
use crate::clock::Clock;
use crate::config::{Config, PublicUrl, TlsMode};

/// How long a certificate of the service's own is good, and after which time it is made anew.
const LIFETIME: TimeDelta = TimeDelta::days(30);
const RENEW: TimeDelta = TimeDelta::days(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("the {what} {path}: {problem}", path = path.display())]
    File {
        /// Certificate chain or private key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not go together, or the authority's certificate cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
    /// The verifier for client certificates cannot be made.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The service's own certificate cannot be issued.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// The verifier of agents' certificates: issued by the service's own authority, for clients, within their time.
///
/// # Errors
/// [`TlsError::Rustls`], [`TlsError::Verifier`].
pub(crate) fn agent_verifier(
    authority: &Authority,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()?)
}

/// What the service needs to speak TLS; nothing where a proxy ends it.
///
/// A client certificate is optional, because administrators and agents that enrol have none; one that is shown must be
/// good.
///
/// # Errors
/// [`TlsError`].
pub fn server(
    config: &Config,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let verifier = agent_verifier(&authority)?;
    let time = Arc::new(Time(Arc::clone(&clock)));
    let builder = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier);
    let mut tls = match (config.tls, &config.tls_cert, &config.tls_key) {
        (TlsMode::Off, ..) => return Ok(None),
        (TlsMode::Files, Some(cert), Some(key)) => {
            builder.with_cert_resolver(Arc::new(FileCertificate::open(cert, key, clock)?))
        }
        _ => {
            let own = OwnCertificate::new(authority, clock, names(config))?;
            builder.with_cert_resolver(Arc::new(own))
        }
    };
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(tls)))
}

/// The names of the service's own certificate.
fn names(config: &Config) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !config.listen.ip().is_unspecified() {
        names.push(config.listen.ip().to_string());
    }
    names.extend(config.public_url.as_ref().map(PublicUrl::host));
    names.extend(config.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Our clock as rustls asks for it.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A certificate of the service's own authority, made anew before it ends. Its key is in memory only.
struct OwnCertificate {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    names: Vec<String>,
    current: RwLock<(Arc<CertifiedKey>, DateTime<Utc>)>,
}

impl OwnCertificate {
    fn new(
        authority: Arc<Authority>,
        clock: Arc<dyn Clock>,
        names: Vec<String>,
    ) -> Result<Self, TlsError> {
        let now = clock.now();
        let first = Self::issue(&authority, &names, now)?;
        Ok(Self { authority, clock, names, current: RwLock::new((first, now)) })
    }

    fn issue(
        authority: &Authority,
        names: &[String],
        now: DateTime<Utc>,
    ) -> Result<Arc<CertifiedKey>, TlsError> {
        let (certificate, key) = authority.sign_server(names, LIFETIME, now)?;
        let key = PrivatePkcs8KeyDer::from(key.as_slice()).clone_key();
        // The authority goes along: agents know it by the fingerprint of their code.
        let chain = vec![certificate, authority.certificate().clone()];
        let provider = aws_lc_rs::default_provider();
        Ok(Arc::new(CertifiedKey::from_der(chain, key.into(), &provider)?))
    }

    fn certificate(&self) -> Arc<CertifiedKey> {
        let now = self.clock.now();
        let (current, made) = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if now.signed_duration_since(made) < RENEW {
            return current;
        }
        match Self::issue(&self.authority, &self.names, now) {
            Ok(next) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) =
                    (Arc::clone(&next), now);
                next
            }
            Err(error) => {
                tracing::error!(%error, "the service's certificate cannot be made anew");
                current
            }
        }
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate())
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCertificate").field("names", &self.names).finish_non_exhaustive()
    }
}
