//! What only a socket shows: TLS, compression, limits of the request line.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::http::{Connection, raw};
use testkit::people;

use super::*;

#[test]
fn https_with_a_certificate_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let server = launch().args(&["--tls-cert", &cert, "--tls-key", &key]).start();
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let token = testkit::server::TOKEN;
    let line = format!(
        "curl --silent --show-error --fail --cacert {cert} -H 'Authorization: Bearer {token}' {}/ServiceProviderConfig",
        server.url()
    );
    let config: Value = serde_json::from_str(&said(&shell(&line))).unwrap();
    let location = config["meta"]["location"].as_str().unwrap();
    assert!(location.starts_with("https://"), "{location}");
    // Who does not trust the certificate, or does not speak TLS, gets nothing.
    let untrusting = shell(&line.replace(&format!("--cacert {cert}"), ""));
    assert!(!untrusting.status.success());
    let plain = raw(server.address(), b"GET /scim/v2/Users HTTP/1.1\r\nhost: x\r\n\r\n", SOON);
    assert!(plain.is_err(), "{plain:?}");
    let (code, sentence) =
        refused(&launch().args(&["--tls-cert", &cert]).command().output().unwrap());
    assert_eq!(code, 2, "{sentence}");
    let swapped = launch().args(&["--tls-cert", &key, "--tls-key", &cert]).try_start().unwrap_err();
    assert!(swapped.stderr.contains("pem"), "{swapped}");
}

#[test]
fn gzip_for_those_who_ask() {
    let server = launch().start();
    let client = server.client();
    for number in 0..30 {
        assert_eq!(client.post("/Users", &people::user(number)).status, 201);
    }
    let plain = client.get("/Users");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    for accept in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "*"] {
        let packed = client.request("GET", "/Users").header("accept-encoding", accept).send();
        assert_eq!(packed.status, 200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{accept}: {packed:?}");
        assert_eq!(packed.body[..2], [0x1f, 0x8b], "{accept}");
        assert!(
            packed.body.len() * 3 < plain.body.len(),
            "{} of {}",
            packed.body.len(),
            plain.body.len()
        );
        let vary = packed.header("vary").unwrap_or_default().to_ascii_lowercase();
        assert!(vary.contains("accept-encoding"), "{vary}");
        assert_eq!(packed.header("content-type"), Some("application/scim+json"));
    }
    for accept in ["", "identity", "gzip;q=0", "br", "deflate"] {
        let same = client.request("GET", "/Users").header("accept-encoding", accept).send();
        assert_eq!(same.header("content-encoding"), None, "{accept}");
        assert_eq!(same.body, plain.body, "{accept}");
    }
    let small = client.request("GET", "/Users?count=0").header("accept-encoding", "gzip").send();
    assert_eq!(small.header("content-encoding"), None, "not worth it: {} bytes", small.body.len());
    let head = client.request("HEAD", "/Users").header("accept-encoding", "gzip").send();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let token = testkit::server::TOKEN;
    let line = format!(
        "curl --silent --compressed -H 'Authorization: Bearer {token}' {}/Users",
        server.url()
    );
    assert_eq!(said(&shell(&line)).as_bytes(), plain.body);
}

#[test]
fn a_filter_of_a_megabyte_in_the_url() {
    let server = launch().start();
    let token = testkit::server::TOKEN;
    for piece in ["(", "x", "%22", "not%20("] {
        let filter = piece.repeat(1_000_000 / piece.len());
        let request = format!(
            "GET /scim/v2/Users?filter={filter} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        // The answer may come before all of it is sent, and the rest then meets a closed socket.
        if let Ok(answer) = raw(server.address(), request.as_bytes(), SOON) {
            assert!(matches!(answer.status, 400 | 414 | 431), "{}", answer.text());
            assert_eq!(answer.json()["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
        }
        assert_eq!(server.client().get("/Users").status, 200, "dead after {piece}");
    }
    for (request, status) in [
        (
            format!(
                "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 99999999999999999999\r\n\r\n"
            ),
            400,
        ),
        (
            format!(
                "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 999999999\r\n\r\n"
            ),
            413,
        ),
        (
            format!(
                "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
        ),
        (
            format!(
                "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"
            ),
            400,
        ),
        ("GET /scim/v2/Users\u{0} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 400),
        ("GET /scim/v2/\u{e9} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 400),
    ] {
        let answer = raw(server.address(), request.as_bytes(), SOON);
        match answer {
            Ok(answer) => {
                let refused = answer.status == status || matches!(answer.status, 400 | 401);
                assert!(refused, "{request}: {} {}", answer.status, answer.text());
            }
            Err(error) => assert_ne!(
                error.kind(),
                std::io::ErrorKind::TimedOut,
                "{request}: no answer and no end"
            ),
        }
    }
    assert_eq!(server.client().get("/Users").expect(200)["totalResults"], 0);
}

/// RFC 9112 section 9.6: the server closes in stages, so that a client that reads only after it has sent everything
/// finds the answer.
#[test]
fn a_payload_that_is_too_large_gets_its_answer_even_if_it_is_sent_to_its_end() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let server = launch().args(&["--max-payload", &LIMIT.to_string()]).start();
    let token = testkit::server::TOKEN;
    let body = vec![b'x'; LIMIT + 1024 * 1024];
    let whole = [format!("content-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let mut chunks = b"transfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(64 * 1024) {
        chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let mut closes = BTreeSet::new();
    for (framing, rest) in [("whole", whole), ("chunks", chunks)] {
        for time in 1..=20 {
            let head = format!(
                "POST /scim/v2/Bulk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/scim+json\r\n"
            );
            let mut client = Connection::open(server.address(), SOON).unwrap();
            let sent = client.send(&[head.as_bytes(), &rest].concat());
            assert!(sent.is_ok(), "{framing}, {time}: {sent:?}");
            let answer = client.receive();
            let answer = answer.unwrap_or_else(|error| panic!("{framing}, {time}: {error}"));
            let close = answer.header("connection").map(str::to_owned);
            let document = answer.expect(413);
            let detail = document["detail"].as_str().unwrap();
            assert!(detail.contains(&LIMIT.to_string()), "{framing}, {time}: {detail}");
            assert!(client.closed().unwrap(), "{framing}, {time}");
            closes.insert(close);
        }
    }
    assert_eq!(closes, BTreeSet::from([Some("close".to_owned())]), "the end is announced");
}
