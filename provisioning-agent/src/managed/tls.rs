//! Whom the agent believes to be its service, and how it shows who it is itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use scim_sync_link::gateway::{Fingerprint, PinnedAuthority};
use scim_sync_link::websocket::{ClientIdentity, Roots, client_tls};

use crate::config::ManagedConfig;
use crate::identity::{Identity, Trust};

/// The settings of TLS for an agent that has an identity.
///
/// # Errors
/// Where a file of certificates or the identity cannot be used.
pub(crate) fn of_identity(
    config: &ManagedConfig,
    identity: &Identity,
) -> Result<Arc<ClientConfig>> {
    let own = ClientIdentity {
        certificate_pem: identity.certificate.clone(),
        key_pem: identity.key.clone(),
    };
    let file = match (identity.about.trust, config.service_ca()) {
        (Trust::Authority, _) => Some(identity.authority.clone()),
        (Trust::Machine, Some(path)) => {
            let text = std::fs::read_to_string(&path);
            Some(text.with_context(|| path.display().to_string())?)
        }
        (Trust::Machine, None) => None,
    };
    let roots = file.as_deref().map_or(Roots::System, Roots::Pem);
    Ok(client_tls(roots, Some(&own))?)
}

/// The settings of TLS for an agent that has a code and nothing else.
///
/// # Errors
/// Where a file of certificates cannot be used.
pub(crate) fn of_code(verifier: Arc<Pinned>) -> Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Judges as this machine does, or by the authorities of a file. `None` where the machine knows no authorities at all.
fn by_machine(file: Option<&Path>) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
    let Some(file) = file else {
        return Ok(match Verifier::new(provider()) {
            Ok(verifier) => Some(Arc::new(verifier)),
            Err(error) => {
                tracing::debug!(%error, "the machine's authorities cannot be read");
                None
            }
        });
    };
    let shown = || file.display().to_string();
    let pem = std::fs::read(file).with_context(shown)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.with_context(shown)?).with_context(shown)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider());
    Ok(Some(verifier.build().with_context(shown)?))
}

/// What a code's fingerprint found out about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nobody was reached.
    Nothing,
    /// The server shows the authority that the code names, and is certified by it.
    Authority,
    /// It does not, and this machine trusts it all the same, as it does any public server.
    Machine,
    /// Neither.
    Stranger(String),
}

/// Judges the service before there is an identity: by the fingerprint of its authority, which came with the code on another
/// way than the network. A service that shows a public certificate instead is judged as any other server is, and has to name
/// that authority in its answer.
#[derive(Debug)]
pub(crate) struct Pinned {
    fingerprint: Fingerprint,
    judge: PinnedAuthority,
    found: Mutex<Found>,
}

impl Pinned {
    /// `service_ca` stands for the authorities of the system.
    pub(crate) fn new(fingerprint: Fingerprint, service_ca: Option<&Path>) -> Result<Arc<Self>> {
        let machine = by_machine(service_ca)?;
        let judge = PinnedAuthority::new(fingerprint, machine);
        Ok(Arc::new(Self { fingerprint, judge, found: Mutex::new(Found::Nothing) }))
    }

    pub(crate) fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let named = intermediates.iter().any(|shown| Fingerprint::of(shown) == self.fingerprint);
        let judged = self.judge.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let found = match &judged {
            Ok(_) if named => Found::Authority,
            Ok(_) => Found::Machine,
            Err(rustls::Error::InvalidCertificate(error)) => {
                Found::Stranger(stranger(error, named))
            }
            Err(error) => Found::Stranger(error.to_string()),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// Why a certificate is not taken, and what to look at.
fn stranger(error: &CertificateError, named: bool) -> String {
    let bad = format!("its certificate is not good ({error})");
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            format!("{bad}: look at this machine's clock first")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{bad}: use the address that the service was set up with")
        }
        _ if !named => "it does not show the authority that the code names: the code is for another service, or somebody \
                        stands in between, such as a proxy that opens TLS"
            .to_owned(),
        _ => bad,
    }
}
