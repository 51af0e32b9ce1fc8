//! Two replicas with a real NATS server between them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt as _;
use scim_sync_link::{
    AgentIdentity, EndCode, GroupKey, Hub, HubOptions, LinkError, RequestOptions, memory,
    nats::{Nats, NatsConfig, NatsError, ReplicaOptions, Replicas},
    suite::{
        Link,
        help::{self, Rig, eventually, group, identity, soon},
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Both ends of a connection that NATS carries.
pub(crate) async fn pair() -> Link {
    let server = testkit::Nats::start();
    let config = NatsConfig::new(server.url());
    let agent = Nats::connect(&config).await.unwrap();
    let service = Nats::connect(&config).await.unwrap();
    let (up, down) = ("test.up", "test.down");
    let agent = agent.connection(up, down).await.unwrap();
    let service = service.connection(down, up).await.unwrap();
    Link::new(agent, service).keeping(server)
}

pub(crate) async fn in_memory() -> Link {
    let (agent, service) = memory::pair();
    Link::new(agent, service)
}

/// One replica of a service.
struct Replica {
    hub: Hub,
    replicas: Replicas,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn replica(nats: Nats, options: HubOptions) -> Replica {
    let replicas = Replicas::new(nats, ReplicaOptions::default());
    let mut options = options;
    options.backplane = Some(Arc::new(replicas.clone()));
    let hub = Hub::with_options(options);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (replicas, hub, stop) = (replicas.clone(), hub.clone(), stop.clone());
        async move { replicas.run(&hub, stop).await.unwrap() }
    });
    Replica { hub, replicas, stop, running }
}

/// What the cases of the suite run on: agents at one replica, requests at another.
pub(crate) struct Two {
    pub(crate) make: help::Replicas,
    _server: testkit::Nats,
}

pub(crate) async fn two() -> Two {
    let server = testkit::Nats::start();
    let config = NatsConfig::new(server.url());
    // A case may make more than one rig; each gets connections of its own.
    let (one, two) = (Nats::connect(&config).await.unwrap(), Nats::connect(&config).await.unwrap());
    let make: help::Replicas = Arc::new(move |options| {
        let back = replica(one.clone(), options);
        let front = replica(two.clone(), HubOptions::default());
        (back.hub, front.hub)
    });
    Two { make, _server: server }
}

/// Two replicas as a rig: agents join `back`, requests are born at `front`.
struct Scene {
    rig: Rig,
    back: Replica,
    front: Replica,
    server: testkit::Nats,
}

async fn scene() -> Scene {
    let server = testkit::Nats::start();
    let config = NatsConfig::new(server.url());
    let back = replica(Nats::connect(&config).await.unwrap(), HubOptions::default());
    let front = replica(Nats::connect(&config).await.unwrap(), HubOptions::default());
    let mut rig = Rig::new();
    rig.hub = back.hub.clone();
    rig.front = front.hub.clone();
    Scene { rig, back, front, server }
}

async fn link() -> Link {
    in_memory().await
}

impl Scene {
    async fn join(&self, name: &str) -> help::Joined {
        self.rig.join_as(identity(name), link().await).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_are_seen_and_asked_from_everywhere() {
    let scene = scene().await;
    assert_eq!(scene.rig.text("/name").await, Err(LinkError::NoAgent));
    let a = scene.join("a").await;
    assert_eq!(scene.rig.text("/name").await.unwrap(), "a");
    let seen = scene.front.hub.everywhere("tenant");
    assert_eq!(
        (seen.len(), seen[0].agent.as_str(), seen[0].transport.as_str()),
        (1, "a", "memory")
    );
    assert!(scene.front.hub.connected("tenant").is_empty());
    assert!(scene.front.hub.everywhere("other").is_empty());
    // One that is here is asked before one that is there, and the other way round.
    let (agent, service) = memory::pair();
    let here = tokio::spawn({
        let hub = scene.front.hub.clone();
        async move { hub.attach(identity("here"), service).await }
    });
    let handler = help::Scripted { name: "here".to_owned(), counts: Arc::clone(&scene.rig.counts) };
    tokio::spawn(async move {
        let control = scim_sync_link::Control::new();
        scim_sync_link::Agent::new(handler).serve(agent, &control).await
    });
    eventually("it is here", || scene.front.hub.connected("tenant").len() == 1).await;
    for _ in 0..5 {
        assert_eq!(scene.rig.text("/name").await.unwrap(), "here");
    }
    here.abort();
    eventually("it is gone", || scene.front.hub.connected("tenant").is_empty()).await;
    assert_eq!(scene.rig.text("/name").await.unwrap(), "a");
    // Names with anything in them, and tenants that are apart.
    let odd = AgentIdentity::new("ten.ant *", "b").in_group("gröup > .");
    let _b = scene.rig.join_as(odd, link().await).await;
    let request = || http::Request::get("/name").body(Bytes::new()).unwrap();
    let ask = |tenant: &str, group: &str| {
        let (hub, key) = (scene.front.hub.clone(), GroupKey::new(tenant, group));
        async move {
            let answer = hub.request(&key, request(), RequestOptions::default()).await?;
            soon("the answer", answer.into_body().collect(100)).await
        }
    };
    assert_eq!(ask("ten.ant *", "gröup > .").await.unwrap(), "b");
    assert_eq!(ask("tenant", "gröup > .").await, Err(LinkError::NoAgent));
    a.control.drain();
    assert_eq!(help::ended(a.agent).await.code, EndCode::Drained);
    assert_eq!(scene.rig.text("/name").await, Err(LinkError::NoAgent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_dies_loses_what_it_was_asked_and_nothing_else() {
    let scene = scene().await;
    let _a = scene.join("a").await;
    let mut answer = scene.rig.ask("/bytes/50000000").await.unwrap().into_body();
    soon("a piece", answer.next()).await.unwrap().unwrap();
    // As if its process had been killed: nothing is said.
    scene.back.running.abort();
    let error = loop {
        match soon("the error", answer.next()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("an answer that was broken off looks complete"),
        }
    };
    assert_eq!(error, LinkError::Lost);
    assert!(error.is_retryable());
    eventually("it is forgotten", || scene.front.replicas.others().is_empty()).await;
    assert_eq!(scene.rig.text("/name").await, Err(LinkError::NoAgent));
    assert!(scene.front.hub.everywhere("tenant").is_empty());
    // What it did for the other replica stops with it.
    scene.rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stops_says_so() {
    let scene = scene().await;
    let _a = scene.join("a").await;
    assert_eq!(scene.rig.text("/name").await.unwrap(), "a");
    scene.back.stop.cancel();
    scene.back.running.await.unwrap();
    let told = tokio::time::Instant::now();
    eventually("it is gone", || scene.front.replicas.others().is_empty()).await;
    assert!(told.elapsed() < Duration::from_secs(5), "long before it would be missed");
    assert_eq!(scene.rig.text("/name").await, Err(LinkError::NoAgent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_requests_are_lost_and_come_back_with_it() {
    let mut scene = scene().await;
    let _a = scene.join("a").await;
    let waiting = tokio::spawn({
        let hub = scene.front.hub.clone();
        async move {
            let request = http::Request::get("/never").body(Bytes::new()).unwrap();
            hub.request(&group(), request, RequestOptions::within(help::PATIENCE)).await.map(drop)
        }
    });
    eventually("it is at work", || scene.rig.counts.handled() == 1).await;
    scene.server.stop();
    assert_eq!(soon("it is lost", waiting).await.unwrap(), Err(LinkError::Lost));
    eventually("the agent is told", || scene.rig.counts.cancelled() == 1).await;
    assert_eq!(scene.rig.text("/name").await, Err(LinkError::NoAgent));
    // The agent's own replica needs nobody.
    let request = http::Request::get("/name").body(Bytes::new()).unwrap();
    let here = scene.back.hub.request(&group(), request, RequestOptions::default()).await;
    assert_eq!(here.unwrap().into_body().collect(100).await.unwrap(), "a");
    scene.server.start_again();
    eventually("they find each other", || !scene.front.hub.everywhere("tenant").is_empty()).await;
    assert_eq!(scene.rig.text("/name").await.unwrap(), "a");
    assert_eq!(scene.rig.counts.handled(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_without_nats_find_each_other_when_it_comes() {
    let mut server = testkit::Nats::start();
    let config = NatsConfig::new(server.url());
    server.stop();
    let back = replica(Nats::begin(&config).await.unwrap(), HubOptions::default());
    let front = replica(Nats::begin(&config).await.unwrap(), HubOptions::default());
    let mut rig = Rig::new();
    (rig.hub, rig.front) = (back.hub.clone(), front.hub.clone());
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    server.start_again();
    let _a = rig.join_as(identity("a"), link().await).await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    for replica in [back, front] {
        replica.stop.cancel();
        soon("it stops", replica.running).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_finds_nats_can_be_stopped_and_told_why_not() {
    let mut gone = testkit::Nats::start();
    let config = NatsConfig::new(gone.url());
    gone.stop();
    let alone = replica(Nats::begin(&config).await.unwrap(), HubOptions::default());
    alone.stop.cancel();
    soon("it stops", alone.running).await.unwrap();
    let small = testkit::Nats::with("max_payload: 65536");
    let nats = Nats::begin(&NatsConfig::new(small.url())).await.unwrap();
    let refused = soon("it is told", nats.ready()).await;
    assert!(matches!(refused, Err(NatsError::TooSmall(65536))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_spread_over_replicas_and_each_is_given_once() {
    let scene = scene().await;
    let config = NatsConfig::new(scene.server.url());
    let third = replica(Nats::connect(&config).await.unwrap(), HubOptions::default());
    let _a = scene.join("a").await;
    let mut rig = Rig::new();
    rig.hub = third.hub.clone();
    rig.front = scene.front.hub.clone();
    rig.counts = Arc::clone(&scene.rig.counts);
    let _b = rig.join_as(identity("b"), link().await).await;
    let asked = (0..200).map(|_| scene.rig.text("/name"));
    let answers = futures::future::join_all(asked).await;
    let of_a = answers.iter().filter(|answer| answer.as_deref() == Ok("a")).count();
    let of_b = answers.iter().filter(|answer| answer.as_deref() == Ok("b")).count();
    assert_eq!(of_a + of_b, 200, "{answers:?}");
    assert!(of_a >= 50 && of_b >= 50, "{of_a} and {of_b}");
    assert_eq!(scene.rig.counts.handled(), 200);
}

#[tokio::test]
async fn credentials_and_sizes_are_looked_at_when_connecting() {
    let server = testkit::Nats::with("authorization { user: sync, password: \"p w\" }");
    let refused = Nats::connect(&NatsConfig::new(server.url())).await;
    assert!(matches!(refused, Err(NatsError::Connect(_))), "{refused:?}");
    let mut config = NatsConfig::new(server.url());
    config.credentials = Some("sync:p w".into());
    assert!(matches!(Nats::connect(&config).await, Err(NatsError::Credentials(_))));

    let server = testkit::Nats::with("authorization { user: sync, password: secret }");
    let mut config = NatsConfig::new(server.url());
    config.credentials = Some("sync:secret\n".into());
    Nats::connect(&config).await.unwrap();
    assert!(!format!("{config:?}").contains("secret"));
    config.credentials = Some("sync:wrong".into());
    let refused = Nats::connect(&config).await.unwrap_err();
    assert!(refused.to_string().contains("NATS is not reached"), "{refused}");
    config.credentials = Some("-----BEGIN NATS USER JWT-----\nnonsense".into());
    assert!(matches!(Nats::connect(&config).await, Err(NatsError::Credentials(_))));

    let server = testkit::Nats::with("authorization { token: t0ken }");
    let mut config = NatsConfig::new(server.url());
    config.credentials = Some("t0ken".into());
    Nats::connect(&config).await.unwrap();

    let small = testkit::Nats::with("max_payload: 65536");
    let refused = Nats::connect(&NatsConfig::new(small.url())).await.unwrap_err();
    assert!(matches!(refused, NatsError::TooSmall(65536)), "{refused}");
    let wrong = Nats::connect(&NatsConfig::new("nats://a b")).await;
    assert!(matches!(wrong, Err(NatsError::Address(_))), "{wrong:?}");
}

#[tokio::test]
async fn tls_on_both_sides() {
    let ca = crate::sockets::Authority::new();
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (certificate, key) = ca.sign("127.0.0.1");
    let settings = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        write("cert.pem", &certificate.pem()),
        write("key.pem", &key.serialize_pem()),
        write("ca.pem", &ca.pem()),
    );
    let server = testkit::Nats::with(&settings);
    let mut config = NatsConfig::new(server.url());
    config.ca_pem = Some(ca.pem());
    assert!(Nats::connect(&config).await.is_err(), "without a certificate of its own");
    let (certificate, key) = ca.sign("replica");
    config.identity = Some(scim_sync_link::websocket::ClientIdentity {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem().into(),
    });
    Nats::connect(&config).await.unwrap();
    config.ca_pem = Some(crate::sockets::Authority::new().pem());
    assert!(Nats::connect(&config).await.is_err(), "another server");
}
