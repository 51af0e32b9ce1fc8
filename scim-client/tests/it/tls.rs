//! Client certificates, over a real TLS connection that asks for one.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use scim_client::transport::ReqwestTransport;
use scim_client::{Client, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = authority();
    let port = serve(&authority).await;
    let client = |transport: ReqwestTransport| {
        Client::builder(format!("https://localhost:{port}/scim/v2"))
            .transport(transport)
            .retry(scim_client::RetryPolicy::none())
            .build()
            .unwrap()
    };
    let (certificate, key) = issue(&authority);
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
    let builder = ReqwestTransport::builder()
        .root_certificates(authority.pem())
        .client_certificate(pem.clone());
    assert!(!format!("{builder:?}").contains("PRIVATE"));
    let known = client(builder.build().unwrap());
    assert_eq!(known.users().get("7").await.unwrap().user_name, "ada");

    let without = ReqwestTransport::builder().root_certificates(authority.pem()).build().unwrap();
    let error = client(without).users().get("7").await.unwrap_err();
    assert_eq!(error.status(), None, "{error}");

    // A server that nobody vouches for is not spoken to.
    let stranger = ReqwestTransport::builder().client_certificate(pem).build().unwrap();
    let error = client(stranger).users().get("7").await.unwrap_err();
    let scim_client::Error::Transport { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), TransportErrorKind::Connect, "{error}");

    let broken = ReqwestTransport::builder().client_certificate("no PEM").build();
    assert_eq!(broken.unwrap_err().kind(), TransportErrorKind::Request);
}
