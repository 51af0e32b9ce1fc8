//! TLS as the agent does it.

use std::{fmt, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::DialError;

/// Whom the agent believes about the service's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots<'a> {
    /// The authorities of the machine.
    System,
    /// These certificates, PEM, and nobody else.
    Pem(&'a str),
}

/// What the agent proves itself with.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate and those up to its CA, PEM, its own first.
    pub certificate_pem: String,
    /// The key, PEM (PKCS #8).
    pub key_pem: SecretString,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

/// The configuration for one dial after another.
///
/// # Errors
/// [`DialError::Tls`] when certificates or key cannot be read or do not belong together.
pub fn client_tls(
    roots: Roots<'_>,
    identity: Option<&ClientIdentity>,
) -> Result<Arc<ClientConfig>, DialError> {
    let wrong = |what: &str, error: &dyn fmt::Display| DialError::Tls(format!("{what}: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("the protocol versions", &error))?;
    let builder = match roots {
        Roots::System => builder
            .with_platform_verifier()
            .map_err(|error| wrong("the machine's authorities cannot be read", &error))?,
        Roots::Pem(pem) => {
            let mut store = RootCertStore::empty();
            for root in certificates(pem, "the service's CA")? {
                store.add(root).map_err(|error| wrong("the service's CA", &error))?;
            }
            builder.with_root_certificates(store)
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.certificate_pem, "the agent's certificate")?;
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose_secret().as_bytes())
                .map_err(|_| DialError::Tls("the agent's key cannot be read".to_owned()))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| wrong("the agent's certificate and key", &error))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(pem: &str, whose: &str) -> Result<Vec<CertificateDer<'static>>, DialError> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| DialError::Tls(format!("{whose} cannot be read: {error}")))?;
    if read.is_empty() {
        return Err(DialError::Tls(format!("{whose} has no certificate in it")));
    }
    Ok(read)
}
