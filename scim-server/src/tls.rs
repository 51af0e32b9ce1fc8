//! TLS from a PEM certificate chain and its key, on aws-lc-rs; TLS 1.2 and 1.3, HTTP/1.1.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// Why there is no TLS; every text names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be opened or read.
    #[error("cannot read the {what} {path}: {source}", path = path.display())]
    Unreadable {
        /// Certificate chain or private key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("the {what} {path} {problem}", path = path.display())]
    Content {
        /// Certificate chain or private key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not go together, or the key is of a kind that is not supported.
    #[error("the certificate {cert} cannot be used with the key {key}: {source}", cert = cert.display(), key = key.display())]
    Pair {
        /// The certificate chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// Loads a server configuration from two PEM files.
///
/// The certificate file holds the server's certificate first and then the intermediate ones, as
/// certificate authorities hand them out. The key may be PKCS #8, PKCS #1 or SEC 1, without a
/// passphrase.
///
/// # Errors
///
/// [`TlsError::Unreadable`], [`TlsError::Content`] or [`TlsError::Pair`].
pub fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    const CHAIN: &str = "certificate chain";
    const KEY: &str = "private key";
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| of_pem(CHAIN, cert, e))?;
    if chain.is_empty() {
        return Err(of_pem(CHAIN, cert, pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| of_pem(KEY, key, e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private))
        .map_err(|source| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn of_pem(what: &'static str, path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    let problem = match error {
        pem::Error::Io(source) => return TlsError::Unreadable { what, path, source },
        pem::Error::NoItemsFound if what == "private key" => {
            "holds no private key in PEM (one with a passphrase cannot be used)".to_owned()
        }
        pem::Error::NoItemsFound => "holds no certificate in PEM".to_owned(),
        other => format!("is not PEM: {other}"),
    };
    TlsError::Content { what, path, problem }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    fn self_signed() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn load_texts(cert: &str, key: &str) -> Result<Arc<ServerConfig>, String> {
        let folder = TempDir::new().unwrap();
        let (cert_path, key_path) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert_path, cert).unwrap();
        std::fs::write(&key_path, key).unwrap();
        load(&cert_path, &key_path).map_err(|e| e.to_string())
    }

    #[test]
    fn a_pair_loads_and_speaks_only_http_1() {
        let (cert, key) = self_signed();
        let config = load_texts(&cert, &key).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }

    #[test]
    fn each_wrong_file_is_named_with_its_fault() {
        let (cert, key) = self_signed();
        let (_, other_key) = self_signed();
        let broken = cert.replace("-----END CERTIFICATE-----", "");
        let cases = [
            (key.as_str(), key.as_str(), "cert.pem holds no certificate"),
            ("", key.as_str(), "cert.pem holds no certificate"),
            (broken.as_str(), key.as_str(), "cert.pem is not PEM"),
            (cert.as_str(), "", "key.pem holds no private key"),
            (cert.as_str(), cert.as_str(), "key.pem holds no private key"),
            (cert.as_str(), other_key.as_str(), "cannot be used with the key"),
        ];
        for (cert, key, expected) in cases {
            let problem = load_texts(cert, key).unwrap_err();
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = TempDir::new().unwrap();
        let problem =
            load(&folder.path().join("none.pem"), &folder.path().join("key.pem")).unwrap_err();
        assert!(matches!(problem, TlsError::Unreadable { .. }));
        assert!(problem.to_string().contains("none.pem"), "{problem}");
    }
}
