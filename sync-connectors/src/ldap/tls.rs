//! Which certificates of servers are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use scim_sync::ConnectorError;

/// Trusts what the certificates of a PEM file signed, and nothing else.
///
/// # Errors
/// [`ConnectorError::Configuration`] when the file cannot be read or holds no certificate.
pub(crate) fn trusting(file: &Path) -> Result<Arc<ClientConfig>, ConnectorError> {
    let wrong = |text: String| {
        ConnectorError::Configuration(format!(
            "the file of trusted certificates {}: {text}",
            file.display()
        ))
    };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    let builder = builder().map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Trusts what the system trusts.
///
/// # Errors
/// [`ConnectorError::Configuration`] when that cannot be found out.
#[cfg(feature = "kerberos")]
pub(crate) fn by_the_system() -> Result<Arc<ClientConfig>, ConnectorError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let wrong = |error: rustls::Error| {
        ConnectorError::Configuration(format!("the certificates that the system trusts: {error}"))
    };
    let builder = builder().and_then(|builder| builder.with_platform_verifier()).map_err(wrong)?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}
