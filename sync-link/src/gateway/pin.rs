//! Trust in a service whose certificate authority is known by its fingerprint only.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{self, CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Fingerprint;

/// Accepts a service whose certificate was issued by the authority with this fingerprint, which sends it in its chain; what
/// does not send it is left to another verifier, such as that of the platform, or refused.
pub struct PinnedAuthority {
    fingerprint: Fingerprint,
    otherwise: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    /// The authority of an enrolment code, and who judges services that show another one.
    ///
    /// `otherwise` is for services with a certificate of a public authority: without it they are refused.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, otherwise: Option<Arc<dyn ServerCertVerifier>>) -> Self {
        Self { fingerprint, otherwise, provider: Arc::new(aws_lc_rs::default_provider()) }
    }
}

impl fmt::Debug for PinnedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedAuthority")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates.iter().find(|der| Fingerprint::of(der) == self.fingerprint);
        let verifier: Arc<dyn ServerCertVerifier> = match (pinned, &self.otherwise) {
            (Some(authority), _) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone().into_owned())?;
                WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(&self.provider),
                )
                .build()
                .map_err(|error| Error::General(error.to_string()))?
            }
            (None, Some(otherwise)) => Arc::clone(otherwise),
            (None, None) => {
                return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
            }
        };
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
