//! Clients that are slow, silent, endless or wrong.

use super::*;

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = Running::start(with(Deadlines { header: SHORT, ..NEVER })).await;
    let begin = Instant::now();
    server.connect().await.is_closed().await;
    assert!(begin.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_answered_408() {
    let server = Running::start(with(Deadlines { header: SHORT, ..NEVER })).await;
    // On a new connection, and on one whose idle time is long.
    for client in [server.connect().await, server.connect_used().await] {
        trickle(client, "GET /hello HTTP/1.1\r\n", "x-a: b\r\n").await.is_problem(408);
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_is_answered_408() {
    let server = Running::start(with(Deadlines { body: SHORT, ..NEVER })).await;
    for framing in ["content-length: 1000000", "transfer-encoding: chunked"] {
        let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
        trickle(server.connect().await, &head, "1\r\nx\r\n").await.is_problem(408);
    }
}

/// Sends a piece again and again while the connection lives; what comes before its end.
async fn trickle(mut client: Client<TcpStream>, begin: &str, piece: &'static str) -> Reply {
    client.send(begin).await;
    let (mut read, mut write) = client.0.into_split();
    let sender = tokio::spawn(async move {
        while write.write_all(piece.as_bytes()).await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    let whole = timeout(PATIENCE, read.read_to_end(&mut answer)).await;
    assert!(whole.is_ok(), "it may trickle for ever");
    sender.await.unwrap();
    Client(tokio::io::join(answer.as_slice(), tokio::io::sink())).reply().await
}

#[tokio::test]
async fn the_deadline_of_a_body_does_not_count_for_the_handler() {
    let server = Running::start(with(Deadlines { body: SHORT, ..NEVER })).await;
    let mut client = server.connect().await;
    client.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.begun(1).await;
    tokio::time::sleep(SHORT * 2).await;
    server.gate.add_permits(1);
    client.reply().await.is(200).keeps_open();
}

#[tokio::test]
async fn a_handler_that_hangs_is_dropped_and_503_answered() {
    let server = Running::start(with(Deadlines { request: SHORT, ..NEVER })).await;
    let mut client = server.connect().await;
    let reply = client.get("/hang").await;
    assert!(reply.is_problem(503).head.contains("\r\nretry-after: "));
    client.is_closed().await;
    assert_eq!(server.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped() {
    let server = Running::start(with(Deadlines { write: SHORT, ..NEVER })).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(SHORT * 4).await;
    // It was reset: neither the rest of the answer nor an orderly end is kept for the client.
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, client.0.read_to_end(&mut rest)).await.expect("still open");
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    assert!(rest.len() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_client_that_reads_gets_a_large_answer_past_the_write_deadline() {
    let write = SHORT * 3;
    let server = Running::start(with(Deadlines { write, ..NEVER })).await;
    let mut client = server.connect().await;
    let begin = Instant::now();
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut piece = vec![0; 4 * 1024 * 1024];
    for _ in 0..16 {
        // Pauses are shorter than the deadline, and longer together.
        timeout(PATIENCE, client.0.read_exact(&mut piece)).await.unwrap().expect("cut");
        tokio::time::sleep(write / 12).await;
    }
    assert!(begin.elapsed() > write);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Running::start(with(Deadlines { idle: SHORT, ..NEVER })).await;
    let mut client = server.connect_used().await;
    let begin = Instant::now();
    client.is_closed().await;
    assert!(begin.elapsed() >= SHORT / 2);
}

#[tokio::test]
async fn heads_that_are_too_large_are_answered_431() {
    let server = Running::start(with(NEVER)).await;
    let one_large = format!("x-large: {}\r\n", "x".repeat(20 * 1024));
    let many_small = "x-a: b\r\n".repeat(101);
    let huge = format!("x-large: {}\r\n", "x".repeat(1024 * 1024));
    for headers in [one_large, many_small, huge] {
        for mut client in [server.connect().await, server.connect_used().await] {
            // The server may close before all of it is sent.
            let request = format!("GET /hello HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
            let _ = client.0.write_all(request.as_bytes()).await;
            client.reply().await.is_problem(431);
        }
    }
    let allowed = format!("x-large: {}\r\n{}", "x".repeat(8 * 1024), "x-a: b\r\n".repeat(98));
    let mut client = server.connect().await;
    client.send(&format!("GET /hello HTTP/1.1\r\nhost: x\r\n{allowed}\r\n")).await;
    client.reply().await.is(200);
}

#[tokio::test]
async fn what_is_no_http_is_answered_400() {
    let server = Running::start(with(NEVER)).await;
    for text in [
        "nonsense\r\n\r\n",
        "GET /hello\r\n\r\n",
        "GET /hel lo HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/7.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /hello HTTP/1.1\r\nx y: z\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{1}\0\0\0\0\0\0\0",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\nab",
    ] {
        for mut client in [server.connect().await, server.connect_used().await] {
            client.send(text).await;
            client.reply().await.is_problem(400);
            client.is_closed().await;
        }
    }
}

/// RFC 9112 section 3.2.
#[tokio::test]
async fn a_request_names_its_host_once() {
    let server = Running::start(with(NEVER)).await;
    for hosts in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a b\r\n",
        "host: me@a\r\n",
        "host: http://a/\r\n",
        "host: a:b\r\n",
        "host: \u{e4}\r\n",
    ] {
        for mut client in [server.connect().await, server.connect_used().await] {
            client.send(&format!("GET /hello HTTP/1.1\r\n{hosts}\r\n")).await;
            client.reply().await.is_problem(400);
            client.is_closed().await;
        }
        // The body is not waited for, and not taken for the next request.
        let mut client = server.connect().await;
        let head = format!("POST /echo HTTP/1.1\r\n{hosts}content-length: 4\r\n\r\n");
        client.send(&format!("{head}GET ")).await;
        client.reply().await.is_problem(400);
        client.is_closed().await;
    }
    for good in ["host:\r\n", "host: a\r\n", "host: a.example:8080\r\n", "host: [::1]:80\r\n"] {
        let mut client = server.connect().await;
        client.send(&format!("GET /hello HTTP/1.1\r\n{good}\r\n")).await;
        client.reply().await.is(200);
    }
    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.0\r\n\r\n").await;
    client.reply().await.is(200);
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_hide_a_second_request() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
             0\r\n\r\nGET /hello HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .await;
    // Either it is refused, or the chunks count and what follows them is the next request.
    let reply = client.reply().await;
    if reply.status == 200 {
        assert!(reply.body.is_empty(), "{reply:?}");
    } else {
        reply.is_problem(400);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_malformed_harms_only_its_sender() {
    let server = Running::start(with(NEVER)).await;
    let mut broken = server.connect().await;
    broken.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nab").await;
    broken.0.shutdown().await.unwrap();
    let mut malformed = server.connect().await;
    malformed
        .send("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        .await;
    broken.reply().await.is(400);
    malformed.reply().await.is(400);
    server.connect_used().await;
}

#[tokio::test]
async fn a_body_without_end_is_not_read_for_ever_after_its_answer() {
    let server = Running::start(with(Deadlines { body: SHORT, ..NEVER })).await;
    // As fast as the server takes it, and with pauses: amount and time are both bounded.
    for pause in [Duration::ZERO, SHORT / 10] {
        let mut client = server.connect().await;
        client.send("POST /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n").await;
        let (mut read, mut write) = client.0.into_split();
        let sender = tokio::spawn(async move {
            while write.write_all(&[b'x'; 1024]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let mut answer = Vec::new();
        // The end may be a reset, which comes after the answer.
        let _ = timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("open for ever");
        timeout(PATIENCE, sender).await.expect("it may go on for ever").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_body_that_nobody_reads() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client.send("POST /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").await;
    assert_eq!(client.reply().await.is(200).body, b"not listening");
    let trickle = tokio::spawn(async move {
        while client.0.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    server.shutdown.stop();
    assert_eq!(server.finished().await, Drained { dropped: 0 });
    timeout(PATIENCE, trickle).await.expect("still open").unwrap();
}
