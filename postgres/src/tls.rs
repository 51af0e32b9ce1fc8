//! TLS to the database: rustls, which always looks at the certificate and the name in it.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::OpenError;

/// With these authorities, or those of the machine.
pub(crate) fn client(roots: Option<&Path>) -> Result<ClientConfig, OpenError> {
    let wrong = |error: &dyn std::fmt::Display| OpenError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
    let Some(path) = roots else {
        let builder = builder.with_platform_verifier().map_err(|error| wrong(&error))?;
        return Ok(builder.with_no_client_auth());
    };
    let named = |error: &dyn std::fmt::Display| wrong(&format!("{}: {error}", path.display()));
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(path).map_err(|error| named(&error))? {
        store.add(root.map_err(|error| named(&error))?).map_err(|error| named(&error))?;
    }
    if store.is_empty() {
        return Err(named(&"there is no certificate in it"));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
