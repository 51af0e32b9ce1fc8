//! The end: what is under way is answered, the rest is closed.

use super::*;

#[tokio::test]
async fn a_stop_answers_the_busy_and_closes_the_others() {
    let server = Running::start(with(NEVER)).await;
    let mut busy = server.connect().await;
    busy.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut idle = server.connect_used().await;
    let mut silent = server.connect().await;
    let mut half_sent = server.connect_used().await;
    half_sent.send("GET /hello HTTP/1.1\r\nhost:").await;
    let mut half_body = server.connect().await;
    half_body.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfo").await;
    server.begun(1).await;
    // All of the above is known to the server once a later request is answered.
    let mut probe = server.connect_used().await;
    probe.get("/hello").await.is(200).keeps_open();

    server.shutdown.stop();
    idle.is_closed().await;
    silent.is_closed().await;
    half_sent.reply().await.is_problem(408);
    assert!(TcpStream::connect(server.address).await.is_err(), "still accepting");

    half_body.send("ur").await;
    assert_eq!(half_body.reply().await.is(200).closes().body, b"four");
    half_body.is_closed().await;

    assert!(!server.task.is_finished());
    server.gate.add_permits(1);
    assert_eq!(busy.reply().await.is(200).closes().body, b"open");
    busy.is_closed().await;
    assert_eq!(server.finished().await, Drained { dropped: 0 });
}

#[tokio::test]
async fn a_half_sent_head_may_become_whole_after_a_stop() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect_used().await;
    client.send("GET /hello HTTP/1.1\r\nhost:").await;
    server.connect_used().await;
    server.shutdown.stop();
    client.send(" x\r\n\r\n").await;
    client.reply().await.is(200).closes();
    assert_eq!(server.finished().await, Drained { dropped: 0 });
}

#[tokio::test]
async fn the_drain_deadline_drops_what_is_left() {
    let server = Running::start(with(Deadlines { drain: SHORT, ..NEVER })).await;
    let mut client = server.connect().await;
    client.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.begun(1).await;
    let begin = Instant::now();
    server.shutdown.stop();
    let ended = Arc::clone(&server.ended);
    assert_eq!(server.finished().await, Drained { dropped: 1 });
    assert!(begin.elapsed() >= SHORT);
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert!(client.try_reply().await.is_err());
}

#[tokio::test]
async fn a_second_request_to_stop_does_not_wait() {
    let server = Running::start(with(NEVER)).await;
    let mut client = server.connect().await;
    client.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.begun(1).await;
    server.shutdown.stop();
    poll("closed for new clients", || std::net::TcpStream::connect(server.address).is_err()).await;
    assert!(!server.task.is_finished());
    server.shutdown.cut();
    assert_eq!(server.finished().await, Drained { dropped: 1 });
}

#[tokio::test]
async fn requests_in_the_queue_when_the_stop_comes_are_answered() {
    let bound =
        Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), with(NEVER)).await.unwrap();
    // Connected and asked, but not accepted: nobody serves yet, and the stop comes first.
    let mut client = Client(TcpStream::connect(bound.local_addr()).await.unwrap());
    client.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let router = Router::new().route("/hello", get(|| async { "hello" }));
    let drained = timeout(PATIENCE, bound.serve(router, async {})).await.unwrap();
    assert_eq!(drained, Drained { dropped: 0 });
    client.reply().await.is(200).closes();
}

#[tokio::test]
async fn every_request_around_a_stop_is_answered_or_never_begun() {
    let server = Running::start(with(NEVER)).await;
    let address = server.address;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(tokio::spawn(async move {
            let mut answered = 0;
            while let Ok(socket) = TcpStream::connect(address).await {
                let mut client = Client(socket);
                if client.0.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
                    break;
                }
                // In the queue of a socket that is closed a request never begins.
                let Ok(reply) = client.try_reply().await else { break };
                reply.is(200);
                answered += 1;
            }
            answered
        }));
    }
    server.connect_used().await;
    server.shutdown.stop();
    assert_eq!(server.finished().await, Drained { dropped: 0 });
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
}

/// The signals themselves: the process sends them to itself.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_and_a_second_one_cuts() {
    let shutdown = Shutdown::on_signals().unwrap();
    let signal = |name: &str| {
        let id = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    assert!(!shutdown.is_stopping());
    signal("-TERM");
    timeout(PATIENCE, shutdown.stopped()).await.expect("SIGTERM stops");
    assert!(timeout(SHORT / 10, shutdown.was_cut()).await.is_err(), "one signal does not cut");
    signal("-INT");
    timeout(PATIENCE, shutdown.was_cut()).await.expect("a second signal cuts");
}
