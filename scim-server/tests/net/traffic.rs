//! What well-behaved clients see.

use super::*;

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        let reply = client.get("/hello").await;
        assert_eq!(reply.is(200).keeps_open().body, b"hello");
    }
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfour").await;
    assert_eq!(client.reply().await.is(200).body, b"four");
    client.get("/nowhere").await.is(404);
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client
        .send(
            "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n\
             POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
             GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(client.reply().await.is(200).body, b"hello");
    assert_eq!(client.reply().await.is(200).body, b"abc");
    assert_eq!(client.reply().await.is(200).closes().body, b"hello");
    client.is_closed().await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.reply().await.is(200).body, b"hello");
    client.is_closed().await;
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_its_answer() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.0.shutdown().await.unwrap();
    server.begun(1).await;
    server.gate.add_permits(1);
    assert_eq!(client.reply().await.is(200).body, b"open");
    client.is_closed().await;
}

#[tokio::test]
async fn handlers_see_who_asks() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    let here = client.0.local_addr().unwrap();
    assert_eq!(client.get("/peer").await.is(200).body, here.to_string().into_bytes());
}

#[tokio::test]
async fn a_body_is_asked_for_where_the_client_waits_for_that() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    client.reply().await.is(100);
    client.send("ab").await;
    assert_eq!(client.reply().await.is(200).body, b"ab");
}

#[tokio::test]
async fn an_answer_before_the_end_of_a_large_body_arrives() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client.send("POST /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 524288\r\n\r\n").await;
    // The answer is there, and the client goes on sending before it looks.
    client.0.peek(&mut [0]).await.unwrap();
    for _ in 0..16 {
        client.send(&"x".repeat(32 * 1024)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.reply().await.is(200).body, b"not listening");
}
