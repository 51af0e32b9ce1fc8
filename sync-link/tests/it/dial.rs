//! Dialling: TLS with client certificates, proxies, refusals.

use std::time::Duration;

use http::StatusCode;
use scim_sync_link::websocket::{
    ClientIdentity, Dial, DialError, Proxy, Roots, accept, client_tls,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

use crate::sockets::{Authority, dial};

/// A server that reads one request and answers with a text; what it read.
async fn scripted(answer: &str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.to_owned();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    });
    (port, serving)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A proxy that lets one connection through; what it was asked.
async fn proxy() -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let head = read_head(&mut client).await;
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let mut server = TcpStream::connect(target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
        head
    });
    (port, serving)
}

#[tokio::test]
async fn an_agent_with_its_certificate_comes_through_a_proxy() {
    let ca = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = ca.server();
    let service = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tls.accept(stream).await.unwrap();
        let peer = stream.get_ref().1.peer_certificates().unwrap().len();
        (accept(stream).await.unwrap(), peer)
    });
    let (proxy_port, proxied) = proxy().await;
    let (certificate, key) = ca.sign("agent-1");
    let identity =
        ClientIdentity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem().into() };
    assert!(!format!("{identity:?}").contains("PRIVATE"));
    let tls = client_tls(Roots::Pem(&ca.pem()), Some(&identity)).unwrap();
    let url = Url::parse(&format!("wss://localhost:{port}/agent/channel?x=1")).unwrap();
    let proxy = Proxy::parse(&format!("http://me:secret@127.0.0.1:{proxy_port}")).unwrap();
    let mut agent = Dial::new(url, tls).with_proxy(Some(proxy)).connect().await.unwrap();
    let (mut service, certificates) = service.await.unwrap();
    assert_eq!(certificates, 1);
    agent.send("there".into()).await.unwrap();
    assert_eq!(service.receive().await.unwrap().unwrap(), "there");
    service.send("and back".into()).await.unwrap();
    assert_eq!(agent.receive().await.unwrap().unwrap(), "and back");
    drop((agent, service));
    let asked = proxied.await.unwrap();
    assert!(asked.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{asked}");
}

#[tokio::test]
async fn who_is_not_believed_is_not_spoken_to() {
    let (ca, other) = (Authority::new(), Authority::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = ca.server();
    let service = tokio::spawn(async move {
        let mut refused = 0;
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            refused += u32::from(tls.accept(stream).await.is_err());
        }
        refused
    });
    let url = Url::parse(&format!("wss://localhost:{port}/")).unwrap();
    // The service's certificate is of a CA that the agent does not know.
    let tls = client_tls(Roots::Pem(&other.pem()), None).unwrap();
    let error = Dial::new(url.clone(), tls).connect().await.unwrap_err();
    assert!(matches!(&error, DialError::Tls(_)), "{error}");
    // The agent has no certificate: TLS 1.3 tells it with the first answer.
    let tls = client_tls(Roots::Pem(&ca.pem()), None).unwrap();
    let error = Dial::new(url, tls).connect().await.unwrap_err();
    assert!(matches!(&error, DialError::Handshake(_) | DialError::Tls(_)), "{error}");
    assert_eq!(service.await.unwrap(), 2);
}

#[tokio::test]
async fn the_credential_goes_with_the_upgrade() {
    let (port, asked) = scripted("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    let dial = dial(&format!("ws://127.0.0.1:{port}/agent/channel"))
        .with_credential("abc.def".into())
        .with_headers([("x-proof".parse().unwrap(), "p".parse().unwrap())].into_iter().collect());
    assert!(!format!("{dial:?}").contains("abc"), "{dial:?}");
    let error = dial.connect().await.unwrap_err();
    let expected =
        DialError::Refused { status: StatusCode::UNAUTHORIZED, detail: None, retry_after: None };
    assert_eq!(error, expected);
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("GET /agent/channel HTTP/1.1\r\n"), "{asked}");
    for line in [
        "Authorization: Bearer abc.def\r\n",
        "x-proof: p\r\n",
        "Sec-WebSocket-Protocol: sync-link.1\r\n",
    ] {
        assert!(asked.contains(line), "{line} in {asked}");
    }
    // One that would be two lines is not sent.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let split = crate::sockets::dial(&format!("ws://127.0.0.1:{port}/"))
        .with_credential("abc\r\nx: y".into());
    let error = split.connect().await.unwrap_err();
    assert_eq!(error, DialError::Handshake("the credential is no token".to_owned()));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_services_words() {
    let document = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403","detail":"the agent was removed"}"#;
    let (port, _asked) = scripted(&format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/scim+json\r\nRetry-After: 7\r\n\
         Content-Length: {}\r\n\r\n{document}",
        document.len()
    ))
    .await;
    let error = dial(&format!("ws://localhost:{port}/")).connect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the service refused the link with 403 Forbidden: the agent was removed"
    );
    let DialError::Refused { retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn what_is_no_service_is_told_apart() {
    let accepted =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        format!("{accepted}\r\n"),
        format!(
            "{accepted}Sec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: sync-link.1\r\n\r\n"
        ),
        format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000)),
        String::new(),
    ] {
        let (port, _asked) = scripted(&answer).await;
        let error = dial(&format!("ws://127.0.0.1:{port}/")).connect().await.unwrap_err();
        assert!(matches!(&error, DialError::Handshake(_)), "{error} for {answer}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_as_the_proxy() {
    for (answer, word) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "user name"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        ("HTTP/1.1 200 OK\r\n\r\nhello", "before it was asked"),
        ("nonsense\r\n\r\n", "HTTP"),
    ] {
        let (port, _asked) = scripted(answer).await;
        let proxy = Proxy::parse(&format!("127.0.0.1:{port}")).unwrap();
        let dial = dial("wss://service.invalid/").with_proxy(Some(proxy));
        let error = dial.connect().await.unwrap_err();
        assert!(matches!(&error, DialError::Proxy(why) if why.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn addresses_that_make_no_sense_are_refused_before_anything_is_sent() {
    for (url, word) in [
        ("ws://service.example.com/", "this machine only"),
        ("https://service.example.com/", "wss://"),
        ("wss:///", "host"),
    ] {
        let Ok(url) = Url::parse(url) else { continue };
        let tls = client_tls(Roots::Pem(&Authority::new().pem()), None).unwrap();
        let error = Dial::new(url, tls).connect().await.unwrap_err();
        assert!(matches!(&error, DialError::Url(why) if why.contains(word)), "{error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = dial(&format!("ws://127.0.0.1:{port}/")).connect().await.unwrap_err();
    assert!(matches!(&error, DialError::Connect(..)), "{error}");
    assert!(client_tls(Roots::Pem("nothing"), None).is_err());
}

#[tokio::test]
async fn one_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut dial = dial(&format!("ws://127.0.0.1:{port}/"));
    dial.patience = Duration::from_millis(50);
    let error = dial.connect().await.unwrap_err();
    assert_eq!(error, DialError::TooLate(Duration::from_millis(50)));
}
