//! More clients than there is room for.

use super::*;

#[tokio::test]
async fn beyond_the_cap_clients_are_told_and_those_inside_are_served() {
    let server = Running::start(NetConfig { max_connections: 2, ..with(NEVER) }).await;
    let mut inside = server.connect_used().await;
    let second = server.connect_used().await;

    let mut outside = server.connect().await;
    let reply = outside.get("/hello").await;
    assert!(reply.is_problem(503).head.contains("\r\nretry-after: 1\r\n"));
    outside.is_closed().await;

    inside.get("/hello").await.is(200);
    drop(second);
    let mut later = server.connect().await;
    let end = Instant::now() + PATIENCE;
    while later.get("/hello").await.status != 200 {
        assert!(Instant::now() < end, "a free place stays closed");
        later = server.connect().await;
    }
}

#[tokio::test]
async fn health_is_answered_when_all_places_are_taken() {
    let server = Running::start(NetConfig { max_connections: 1, ..with(NEVER) }).await;
    let _inside = server.connect_used().await;
    let mut probe = server.connect().await;
    assert_eq!(probe.get("/health/live").await.is(200).closes().body, b"alive");
    probe.is_closed().await;
}

#[tokio::test]
async fn beyond_the_reserve_the_door_is_shut_with_a_word() {
    let server = Running::start(NetConfig { max_connections: 1, ..with(NEVER) }).await;
    let _inside = server.connect_used().await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(server.connect().await);
    }
    let mut refused = server.connect().await;
    refused.reply().await.is_problem(503);
    refused.is_closed().await;

    // Nobody holds a place of the reserve for long.
    for mut client in silent {
        client.is_closed().await;
    }
    server.connect().await.get("/health/live").await.is(200);
}

#[tokio::test]
async fn one_address_cannot_take_the_places_of_others() {
    let config = NetConfig { max_connections_per_ip: 2, ..with(NEVER) };
    let server = Running::start(config).await;
    let mut inside = server.connect_used().await;
    let second = server.connect_used().await;
    for _ in 0..200 {
        // Most of these hang about; the door speaks to some of them only.
        let _ = TcpStream::connect(server.address).await;
    }
    let mut refused = server.connect().await;
    if let Ok(reply) = timeout(PATIENCE, refused.try_reply()).await.unwrap() {
        reply.is_problem(503);
    }
    inside.get("/hello").await.is(200);

    // Another loopback address is another client.
    let socket = TcpSocket::new_v4().unwrap();
    if socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).is_ok() {
        let mut other = Client(socket.connect(server.address).await.unwrap());
        assert_eq!(other.0.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
        other.get("/hello").await.is(200).keeps_open();
    }

    drop(second);
    let end = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect().await;
        client.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
        if matches!(client.try_reply().await, Ok(reply) if reply.status == 200) {
            break;
        }
        assert!(Instant::now() < end, "a free place stays closed");
    }
}

#[tokio::test]
async fn a_crowd_comes_and_goes_and_leaves_every_place_free() {
    let server = Running::start(NetConfig { max_connections: 8, ..with(NEVER) }).await;
    for _ in 0..20 {
        let mut crowd = Vec::new();
        for _ in 0..8 {
            crowd.push(server.connect().await);
        }
        for client in &mut crowd {
            client.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
        }
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let mut crowd = Vec::new();
        for _ in 0..8 {
            crowd.push(server.connect().await);
        }
        let mut served = 0;
        for client in &mut crowd {
            served += usize::from(client.get("/hello").await.status == 200);
        }
        if served == 8 {
            break;
        }
        assert!(Instant::now() < end, "places are lost: {served} of 8 are left");
    }
}

/// Runs itself again with few files, fills them all, and frees them.
#[cfg(unix)]
#[test]
fn running_out_of_files_ends_nothing() {
    const MARK: &str = "SCIM_TEST_FEW_FILES";
    if std::env::var_os(MARK).is_none() {
        let status = std::process::Command::new("sh")
            .args([
                "-c",
                "ulimit -n 40 && exec \"$0\" --exact crowd::running_out_of_files_ends_nothing",
            ])
            .arg(std::env::current_exe().unwrap())
            .env(MARK, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Running::start(with(NEVER)).await;
        // Both ends are in this process, and nothing is accepted before the first await below: the
        // clients use up the files, and wait in the queue for the server to need more.
        let mut clients = Vec::new();
        while let Ok(client) = std::net::TcpStream::connect(server.address) {
            clients.push(client);
        }
        assert!(clients.len() > 10);
        tokio::time::sleep(SHORT).await;
        drop(clients);
        server.connect_used().await;
    });
}
