//! The edge behind its own TLS.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;

struct Secured {
    server: Running,
    roots: RootCertStore,
}

impl Secured {
    async fn start(config: NetConfig) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert_file, cert.pem()).unwrap();
        std::fs::write(&key_file, signing_key.serialize_pem()).unwrap();
        let tls = scim_server::tls::load(&cert_file, &key_file).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        Self { server: Running::start(NetConfig { tls: Some(tls), ..config }).await, roots }
    }

    async fn connect(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Client<TlsStream<TcpStream>> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(self.roots.clone())
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let socket = TcpStream::connect(self.server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Client(TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap())
    }
}

#[tokio::test]
async fn both_versions_serve_http_1_1() {
    let secured = Secured::start(with(NEVER)).await;
    for (version, spoken) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut client = secured.connect(version).await;
        assert_eq!(client.0.get_ref().1.protocol_version(), Some(spoken));
        assert_eq!(client.0.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        for _ in 0..2 {
            assert_eq!(client.get("/hello").await.is(200).keeps_open().body, b"hello");
        }
        let local = client.0.get_ref().0.local_addr().unwrap();
        assert_eq!(client.get("/peer").await.body, local.to_string().into_bytes());
    }
}

#[tokio::test]
async fn a_large_answer_and_a_large_body_pass() {
    let secured = Secured::start(with(NEVER)).await;
    let mut client = secured.connect(&TLS13).await;
    assert_eq!(client.get("/large").await.is(200).body.len(), 64 * 1024 * 1024);
    let body = "x".repeat(1024 * 1024);
    let length = body.len();
    client
        .send(&format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    assert_eq!(client.reply().await.is(200).body.len(), length);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_closed_while_others_are_served() {
    let secured = Secured::start(with(Deadlines { header: SHORT * 3, ..NEVER })).await;
    let mut silent = secured.server.connect().await;
    let mut wrong = secured.server.connect().await;
    wrong.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    secured.connect(&TLS13).await.get("/hello").await.is(200);
    silent.is_closed().await;
    // What comes back is an alert of TLS, not HTTP.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, wrong.0.read_to_end(&mut rest)).await.expect("still open");
    assert!(!rest.starts_with(b"HTTP"));
}

#[tokio::test]
async fn deadlines_and_refusals_speak_through_tls() {
    // The deadline of heads counts for handshakes too, and those are work.
    let deadlines = Deadlines { header: SHORT * 3, ..NEVER };
    let config = NetConfig { max_connections: 2, ..with(deadlines) };
    let secured = Secured::start(config).await;
    let mut slow = secured.connect(&TLS13).await;
    slow.send("GET /hello HT").await;
    slow.reply().await.is_problem(408);
    let mut wrong = secured.connect(&TLS13).await;
    wrong.send("nonsense\r\n\r\n").await;
    wrong.reply().await.is_problem(400);
    drop((slow, wrong));

    let mut inside = Vec::new();
    while inside.len() < 2 {
        let mut client = secured.connect(&TLS13).await;
        if client.get("/hello").await.status == 200 {
            inside.push(client);
        }
    }
    secured.connect(&TLS13).await.get("/hello").await.is_problem(503);
    secured.connect(&TLS13).await.get("/health/live").await.is(200);
}

#[tokio::test]
async fn a_stop_closes_tls_properly() {
    let secured = Secured::start(with(NEVER)).await;
    let mut idle = secured.connect(&TLS13).await;
    idle.get("/hello").await.is(200);
    let mut busy = secured.connect(&TLS12).await;
    busy.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let silent = secured.server.connect().await;
    secured.server.begun(1).await;
    secured.server.shutdown.stop();
    // rustls tells an end without close_notify as an error, which this would show.
    let mut rest = Vec::new();
    timeout(PATIENCE, idle.0.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    secured.server.gate.add_permits(1);
    busy.reply().await.is(200).closes();
    drop(silent);
    assert_eq!(secured.server.finished().await, Drained { dropped: 0 });
}
