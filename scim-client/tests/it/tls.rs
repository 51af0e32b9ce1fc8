//! Client certificates, over a real TLS connection that asks for one.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use scim_client::{Client, Transport, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::transports::sockets;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for localhost and its key.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// Answers every request with a user, to clients with a certificate of this authority.
async fn serve(authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let (certificate, key) = issue(authority);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    seen.push(byte);
                }
                let body = r#"{"id":"7","userName":"ada"}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// Asks for a user; the name of whom came.
async fn ask(port: u16, transport: Arc<dyn Transport>) -> Result<String, scim_client::Error> {
    let scim = Client::builder(format!("https://localhost:{port}/scim/v2"))
        .transport(transport)
        .retry(scim_client::RetryPolicy::none())
        .build()?;
    Ok(scim.users().get("7").await?.user_name)
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = authority();
    let port = serve(&authority).await;
    let (certificate, key) = issue(&authority);
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());

    let known = sockets!(|builder| {
        let builder = builder.root_certificates(authority.pem()).client_certificate(pem.clone());
        assert!(!format!("{builder:?}").contains("PRIVATE"));
        builder
    });
    for (name, transport) in known {
        assert_eq!(ask(port, transport.unwrap()).await.unwrap(), "ada", "{name}");
    }

    for (name, transport) in sockets!(|builder| builder.root_certificates(authority.pem())) {
        let error = ask(port, transport.unwrap()).await.unwrap_err();
        assert_eq!(error.status(), None, "{name}: {error}");
    }

    // A server that nobody vouches for is not spoken to.
    for (name, transport) in sockets!(|builder| builder.client_certificate(pem.clone())) {
        let error = ask(port, transport.unwrap()).await.unwrap_err();
        let scim_client::Error::Transport { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), TransportErrorKind::Connect, "{name}: {error}");
    }

    for (name, broken) in sockets!(|builder| builder.client_certificate("no PEM")) {
        assert_eq!(broken.unwrap_err().kind(), TransportErrorKind::Request, "{name}");
    }
}

/// An authority that was made for this, and no other; what it offers in ALPN is the transport's affair.
#[tokio::test]
async fn settings_of_tls_are_taken_as_they_are() {
    let authority = authority();
    let port = serve(&authority).await;
    let (certificate, key) = issue(&authority);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    for (name, transport) in sockets!(|builder| builder.tls(config.clone())) {
        assert_eq!(ask(port, transport.unwrap()).await.unwrap(), "ada", "{name}");
    }
}
