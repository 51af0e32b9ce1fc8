//! Linked again after every end, with a wait that grows; on a clock that is moved.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use proptest::prelude::*;
use scim_sync_link::{
    Agent, AgentIdentity, Body, Connection, Control, EndCode, Handler, Hub, RequestContext, memory,
    reconnect::{Backoff, DialFailure, Dialer, LinkEvent, Stopped, keep_linked},
};
use tokio::time::Instant;

struct Nobody;

#[async_trait::async_trait]
impl Handler for Nobody {
    async fn handle(&self, _: http::Request<Bytes>, _: RequestContext) -> http::Response<Body> {
        http::Response::new(Body::empty())
    }
}

/// Does what its script says, last entry first, then links to the hub.
struct Scripted {
    hub: Hub,
    script: Mutex<Vec<DialFailure>>,
    dialled: Mutex<Vec<Instant>>,
}

impl Scripted {
    fn new(hub: &Hub, script: impl IntoIterator<Item = DialFailure>) -> Self {
        let script = Mutex::new(script.into_iter().collect());
        Self { hub: hub.clone(), script, dialled: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl Dialer for Scripted {
    async fn dial(&self) -> Result<Connection, DialFailure> {
        self.dialled.lock().unwrap().push(Instant::now());
        if let Some(failure) = self.script.lock().unwrap().pop() {
            return Err(failure);
        }
        let (agent, service) = memory::pair();
        let hub = self.hub.clone();
        tokio::spawn(async move { hub.attach(AgentIdentity::new("t", "a"), service).await });
        Ok(agent)
    }
}

async fn until(holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(24 * 60 * 60);
    while !holds() {
        assert!(Instant::now() < limit, "never");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_waited_out_and_lost_links_made_again() {
    let hub = Hub::new();
    let dialer = Arc::new(Scripted::new(&hub, (0..8).map(|_| DialFailure::later("down"))));
    let events = Arc::new(Mutex::new(Vec::new()));
    let control = Control::new();
    let running = tokio::spawn({
        let (dialer, events, control) = (Arc::clone(&dialer), Arc::clone(&events), control.clone());
        async move {
            let tell = move |event| events.lock().unwrap().push(event);
            let agent = Agent::new(Nobody);
            keep_linked(&agent, &*dialer, &control, Backoff::default(), &tell).await
        }
    });
    until(|| hub.connected("t").len() == 1).await;
    let dialled = dialer.dialled.lock().unwrap().clone();
    assert_eq!(dialled.len(), 9);
    let waits: Vec<_> = dialled.windows(2).map(|two| two[1] - two[0]).collect();
    let most = [4, 8, 16, 32, 60, 60, 60, 60].map(Duration::from_secs);
    for (wait, most) in waits.iter().zip(most) {
        assert!(
            (Duration::from_secs(1)..=most + Duration::from_millis(10)).contains(wait),
            "{waits:?}"
        );
    }

    // A link that held starts over.
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(hub.disconnect("t", "a", "try it"));
    until(|| dialer.dialled.lock().unwrap().len() == 10).await;
    until(|| hub.connected("t").len() == 1).await;
    let revoked = events.lock().unwrap().iter().any(
        |event| matches!(event, LinkEvent::Ended(ended) if ended.code == EndCode::Revoked && ended.by_peer),
    );
    assert!(revoked, "{events:?}");
    let last_wait = events.lock().unwrap().iter().rev().find_map(|event| match event {
        LinkEvent::Waiting(wait) => Some(*wait),
        _ => None,
    });
    assert!(last_wait.unwrap() <= Duration::from_secs(4), "{last_wait:?}");

    control.drain();
    assert_eq!(running.await.unwrap(), Stopped::Drained);
    assert!(hub.connected("t").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dialer_that_gives_up_ends_it() {
    let hub = Hub::new();
    let dialer = Scripted::new(
        &hub,
        [DialFailure::Never("the agent was removed".to_owned()), DialFailure::later("down")],
    );
    let agent = Agent::new(Nobody);
    let stopped = keep_linked(&agent, &dialer, &Control::new(), Backoff::default(), &|_| {}).await;
    assert_eq!(stopped, Stopped::GaveUp("the agent was removed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_is_not_asked_before() {
    let hub = Hub::new();
    let busy = DialFailure::Later {
        reason: "busy".to_owned(),
        retry_after: Some(Duration::from_secs(30)),
    };
    let dialer = Scripted::new(&hub, [DialFailure::Never("enough".to_owned()), busy]);
    let started = Instant::now();
    let agent = Agent::new(Nobody);
    keep_linked(&agent, &dialer, &Control::new(), Backoff::default(), &|_| {}).await;
    assert!(started.elapsed() >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_stop_does_not_wait() {
    let hub = Hub::new();
    let script = (0..100).map(|_| DialFailure::later("down"));
    let dialer = Scripted::new(&hub, script);
    let control = Control::new();
    let agent = Agent::new(Nobody);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(45)).await;
        control.drain();
        Instant::now()
    };
    let (stopped, at) = tokio::join!(
        async {
            let tell = |_| {};
            let stopped = keep_linked(&agent, &dialer, &control, Backoff::default(), &tell).await;
            (stopped, Instant::now())
        },
        stop
    );
    assert_eq!(stopped.0, Stopped::Drained);
    assert!(stopped.1 - at < Duration::from_millis(10));
}

proptest! {
    #[test]
    fn waits_are_between_least_and_most(failures in any::<u32>(), chance in -1.0_f64..2.0) {
        let backoff = Backoff::default();
        let delay = backoff.delay(failures, chance);
        prop_assert!(delay >= backoff.least && delay <= backoff.most);
    }
}
