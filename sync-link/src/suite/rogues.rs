//! Sides that do not keep to the protocol: their link ends, and nobody else suffers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    Link,
    help::{Pair, Rig, Scripted, ended, eventually, group, hurried, identity, soon},
};
use crate::{
    Agent, Connection, Control, EndCode, Ended, HubOptions, LinkError, Timing,
    frame::{CancelCode, Frame, Hello, MAX_BODY, MAX_MESSAGE, MINOR, Times},
};

pub fn hello() -> Hello {
    Hello {
        minor: MINOR,
        software: "rogue".to_owned(),
        capacity: 4,
        max_request: 1 << 20,
        window: 1 << 16,
        beside: false,
    }
}

/// One end of a connection by hand.
struct Raw {
    connection: Connection,
    number: u64,
}

impl Raw {
    async fn say(&mut self, frame: Frame) {
        self.number += 1;
        let message = frame.encode(self.number).unwrap();
        // The other side may have gone already, which is what the case is about.
        self.connection.send(message).await.unwrap_or_default();
    }

    /// The next frame that is not about the connection.
    async fn hear(&mut self) -> Option<Frame> {
        loop {
            let message = soon("a frame", self.connection.receive()).await?.ok()?;
            match Frame::decode(message).unwrap().1 {
                Frame::Ping { .. } | Frame::Pong { .. } => {}
                frame => return Some(frame),
            }
        }
    }

    async fn request(&mut self) -> u64 {
        loop {
            match self.hear().await {
                Some(Frame::Request { id, .. }) => return id,
                Some(_) => {}
                None => panic!("no request came"),
            }
        }
    }

    async fn answer(&mut self, id: u64, body: &'static [u8], last: bool) {
        let (parts, ()) = http::Response::new(()).into_parts();
        let body = Bytes::from_static(body);
        self.say(Frame::Response { id, head: Box::new(parts), body, last }).await;
    }
}

/// A hub with one rogue and one proper agent.
struct Scene {
    rig: Arc<Rig>,
    rogue: Raw,
    service: JoinHandle<Ended>,
    _keep: Box<dyn std::any::Any + Send>,
}

/// One request of the scene, given to the rogue.
type Asked = JoinHandle<Result<Bytes, LinkError>>;

async fn scene(pair: Pair<'_>) -> Scene {
    let rig = Arc::new(Rig::new());
    let Link { agent, service, keep } = pair().await;
    let mut rogue = Raw { connection: agent, number: 0 };
    let service = tokio::spawn({
        let hub = rig.hub.clone();
        async move { hub.attach(identity("rogue"), service).await }
    });
    rogue.say(Frame::Hello(hello())).await;
    eventually("the rogue joins", || rig.hub.agents(&group()).len() == 1).await;
    Scene { rig, rogue, service, _keep: keep }
}

impl Scene {
    fn ask(&self) -> Asked {
        let rig = Arc::clone(&self.rig);
        tokio::spawn(async move {
            let answer = rig.ask("/name").await?;
            soon("the answer", answer.into_body().collect(1 << 20)).await
        })
    }

    /// The link ended because of the protocol, and a proper agent goes on.
    async fn over(self, pair: Pair<'_>) -> Ended {
        let service = ended(self.service).await;
        assert_eq!((service.code, service.by_peer), (EndCode::Protocol, false), "{service}");
        assert!(self.rig.hub.agents(&group()).is_empty());
        let _proper = self.rig.join(pair, "proper").await;
        assert_eq!(self.rig.text("/name").await.unwrap(), "proper");
        service
    }
}

pub async fn an_agent_that_answers_what_it_was_not_asked(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    scene.rogue.answer(1, b"surprise", true).await;
    let service = scene.over(pair).await;
    assert!(service.reason.contains("was not asked"), "{service}");
}

pub async fn an_agent_that_talks_too_much(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let Link { agent, service, keep: _keep } = pair().await;
    let mut rogue = Raw { connection: agent, number: 0 };
    let service = tokio::spawn({
        let hub = rig.hub.clone();
        async move { hub.attach(identity("rogue"), service).await }
    });
    let software = format!("rogue\n{}", "x".repeat(60_000));
    rogue.say(Frame::Hello(Hello { software, ..hello() })).await;
    eventually("the rogue joins", || rig.hub.agents(&group()).len() == 1).await;
    let told = rig.hub.agents(&group()).remove(0).software;
    assert!(told.starts_with("rogue xxx") && told.chars().count() == 100, "{told}");
    let reason = format!("over\n2026-01-01 INFO forged {}", "x".repeat(60_000));
    rogue.say(Frame::Bye { code: EndCode::Drained, reason }).await;
    let service = ended(service).await;
    assert!(service.by_peer && service.reason.starts_with("over 2026"), "{service}");
    assert_eq!(service.reason.chars().count(), 500);
}

pub async fn an_agent_that_answers_for_another(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let other = scene.rig.join(pair, "victim").await;
    // Both have a request; the rogue's has the number 1, and there is no other way to name the victim's.
    let (one, two) = (scene.ask_for("/gate"), scene.ask_for("/gate"));
    let id = scene.rogue.request().await;
    eventually("the other is at work", || scene.rig.counts.handled() == 1).await;
    scene.rogue.answer(id + 1, b"forged", true).await;
    // Nobody knows which of the two the victim has: its gate opens before either is waited for.
    let end = ended(scene.service).await.code;
    scene.rig.counts.gate.add_permits(1);
    let first = soon("one", one).await.unwrap();
    let second = soon("two", two).await.unwrap();
    let mut both = [first, second];
    both.sort_by_key(Result::is_ok);
    assert_eq!(both, [Err(LinkError::Lost), Ok(Bytes::from_static(b"victim"))]);
    assert_eq!(end, EndCode::Protocol);
    assert!(!other.service.is_finished());
}

impl Scene {
    fn ask_for(&self, path: &'static str) -> Asked {
        let rig = Arc::clone(&self.rig);
        tokio::spawn(async move {
            let answer = rig.ask(path).await?;
            soon("the answer", answer.into_body().collect(1 << 20)).await
        })
    }
}

pub async fn an_agent_that_answers_twice(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let (asked, innocent) = (scene.ask(), scene.ask());
    let id = scene.rogue.request().await;
    scene.rogue.request().await;
    scene.rogue.answer(id, b"one", false).await;
    scene.rogue.answer(id, b"two", true).await;
    let mut failed = [soon("it", asked).await.unwrap(), soon("it", innocent).await.unwrap()];
    failed.sort_by_key(|failed| failed == &Err(LinkError::Lost));
    assert!(matches!(failed[0], Err(LinkError::Protocol(_))), "{failed:?}");
    assert_eq!(failed[1], Err(LinkError::Lost));
    scene.over(pair).await;
}

pub async fn an_agent_that_goes_on_after_its_end(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let asked = scene.ask();
    let id = scene.rogue.request().await;
    scene.rogue.answer(id, b"all", true).await;
    assert_eq!(soon("it", asked).await.unwrap().unwrap(), "all");
    let more = Bytes::from_static(b"more");
    scene.rogue.say(Frame::Body { id, body: more, last: true }).await;
    scene.over(pair).await;
}

pub async fn an_agent_that_sends_a_body_without_an_answer(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let asked = scene.ask();
    let id = scene.rogue.request().await;
    let body = Bytes::from_static(b"body");
    scene.rogue.say(Frame::Body { id, body, last: true }).await;
    let failed = soon("it", asked).await.unwrap();
    assert!(matches!(failed, Err(LinkError::Protocol(_))), "{failed:?}");
    scene.over(pair).await;
}

pub async fn an_agent_that_sends_more_than_was_granted(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let mut answer = {
        let rig = Arc::clone(&scene.rig);
        let asked = tokio::spawn(async move { rig.ask("/name").await });
        let id = scene.rogue.request().await;
        scene.rogue.answer(id, b"", false).await;
        let answer = soon("the head", asked).await.unwrap().unwrap().into_body();
        for _ in 0..3 {
            let body = Bytes::from(vec![0; 100 * 1024]);
            scene.rogue.say(Frame::Body { id, body, last: false }).await;
        }
        answer
    };
    let failed = loop {
        // What was granted may be read; reading grants no more than half a window at a time.
        match soon("the end", futures::StreamExt::next(&mut answer)).await {
            Some(Ok(_)) => eventually("it is over", || scene.service.is_finished()).await,
            other => break other,
        }
    };
    assert!(matches!(failed, Some(Err(LinkError::Protocol(_)))), "{failed:?}");
    scene.over(pair).await;
}

pub async fn an_agent_that_sends_nothing_over_and_over(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let asked = scene.ask();
    let id = scene.rogue.request().await;
    scene.rogue.answer(id, b"", false).await;
    scene.rogue.say(Frame::Body { id, body: Bytes::new(), last: false }).await;
    let failed = soon("it", asked).await.unwrap();
    assert!(matches!(failed, Err(LinkError::Protocol(_))), "{failed:?}");
    scene.over(pair).await;
}

pub async fn an_agent_that_speaks_like_a_service(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let request = request(1, b"", 0, true);
    scene.rogue.say(request).await;
    let service = scene.over(pair).await;
    assert!(service.reason.contains("not for a service"), "{service}");
}

pub async fn an_agent_that_does_not_greet(pair: Pair<'_>) {
    let timing = Timing { hello: Duration::from_millis(200), ..hurried() };
    let rig = Rig::with(HubOptions { timing, ..HubOptions::default() });
    let link = pair().await;
    let service = soon("it gives up", rig.hub.attach(identity("a"), link.service)).await;
    assert_eq!(service.code, EndCode::Protocol);
    assert_eq!(service.reason, "the agent did not say hello");
}

pub async fn an_agent_that_greets_with_something_else(pair: Pair<'_>) {
    let rig = Rig::new();
    let link = pair().await;
    let mut rogue = Raw { connection: link.agent, number: 0 };
    rogue.say(Frame::Drain).await;
    let service = soon("it gives up", rig.hub.attach(identity("a"), link.service)).await;
    assert_eq!(service.reason, "drain came before hello");
}

pub async fn malformed_frames(pair: Pair<'_>) {
    let messages: [&'static [u8]; 4] = [
        b"",
        b"hello",
        b"\0\0\0\0\0\0\0\x02\0\0\0\x05{\"a\":",
        b"\0\0\0\0\0\0\0\x02\xff\xff\xff\xff{}",
    ];
    for message in messages {
        let mut scene = scene(pair).await;
        let asked = scene.ask();
        scene.rogue.request().await;
        scene.rogue.connection.send(Bytes::from_static(message)).await.unwrap();
        assert_eq!(soon("it", asked).await.unwrap(), Err(LinkError::Lost));
        scene.over(pair).await;
    }
}

pub async fn frames_that_are_too_large(pair: Pair<'_>) {
    for size in [MAX_BODY + 1, MAX_MESSAGE * 3] {
        let mut scene = scene(pair).await;
        let asked = scene.ask();
        scene.rogue.request().await;
        let head = br#"{"type":"body","id":1}"#;
        let mut message = 2_u64.to_be_bytes().to_vec();
        message.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
        message.extend(head);
        message.resize(message.len() + size, 0);
        // A transport may refuse it on either side.
        scene.rogue.connection.send(message.into()).await.unwrap_or_default();
        assert_eq!(soon("it", asked).await.unwrap(), Err(LinkError::Lost));
        let service = ended(scene.service).await;
        assert!(matches!(service.code, EndCode::Protocol | EndCode::Lost), "{service}");
    }
}

pub async fn frames_of_a_newer_version(pair: Pair<'_>) {
    let mut scene = scene(pair).await;
    let asked = scene.ask();
    let id = scene.rogue.request().await;
    let head = br#"{"type":"telepathy","id":1}"#;
    let mut message = 2_u64.to_be_bytes().to_vec();
    message.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
    message.extend(head);
    scene.rogue.connection.send(message.into()).await.unwrap();
    scene.rogue.number = 2;
    scene.rogue.answer(id, b"old words", true).await;
    assert_eq!(soon("it", asked).await.unwrap().unwrap(), "old words");
    assert!(!scene.service.is_finished());
}

/// An agent served by hand, and what its handler does.
struct Served {
    rig: Rig,
    rogue: Raw,
    agent: JoinHandle<Ended>,
    _keep: Box<dyn std::any::Any + Send>,
}

async fn served(pair: Pair<'_>) -> Served {
    let mut rig = Rig::new();
    rig.options.capacity = 2;
    rig.options.max_request = 1000;
    let Link { agent: agent_end, service, keep } = pair().await;
    let handler = Scripted { name: "a".to_owned(), counts: Arc::clone(&rig.counts) };
    let agent = Agent::new(handler).with_options(rig.options.clone());
    let agent = tokio::spawn(async move { agent.serve(agent_end, &Control::new()).await });
    let mut rogue = Raw { connection: service, number: 0 };
    rogue.say(Frame::Hello(hello())).await;
    let greeting = rogue.hear().await;
    assert!(matches!(&greeting, Some(Frame::Hello(hello)) if hello.capacity == 2), "{greeting:?}");
    Served { rig, rogue, agent, _keep: keep }
}

fn request(id: u64, body: &'static [u8], length: u64, last: bool) -> Frame {
    request_for("/never", id, body, length, last)
}

fn request_for(path: &str, id: u64, body: &'static [u8], length: u64, last: bool) -> Frame {
    let (parts, ()) = http::Request::post(path).body(()).unwrap().into_parts();
    let times = Times { deadline_ms: 60_000, idle_ms: 60_000, total_ms: None };
    let body = Bytes::from_static(body);
    Frame::Request { id, head: Box::new(parts), times, window: 1 << 18, length, body, last }
}

pub async fn a_service_that_asks_too_much(pair: Pair<'_>) {
    let mut served = served(pair).await;
    for id in 1..=3 {
        served.rogue.say(request(id, b"", 0, true)).await;
    }
    let refused = served.rogue.hear().await;
    assert!(
        matches!(&refused, Some(Frame::Cancel { id: 3, code: CancelCode::Busy, .. })),
        "{refused:?}"
    );
    served
        .rogue
        .say(Frame::Cancel { id: 1, code: CancelCode::Cancelled, reason: String::new() })
        .await;
    let stopped = served.rogue.hear().await;
    assert!(
        matches!(&stopped, Some(Frame::Cancel { id: 1, code: CancelCode::Cancelled, .. })),
        "{stopped:?}"
    );
    served.rogue.say(request(4, b"", 1001, false)).await;
    let refused = served.rogue.hear().await;
    assert!(
        matches!(
            &refused,
            Some(Frame::Cancel { id: 4, code: CancelCode::TooLarge | CancelCode::Busy, .. })
        ),
        "{refused:?}"
    );
    assert!(!served.agent.is_finished());
    eventually("the first is stopped", || served.rig.counts.cancelled() == 1).await;
}

pub async fn a_service_that_repeats_a_request(pair: Pair<'_>) {
    let mut served = served(pair).await;
    served.rogue.say(request(1, b"", 0, true)).await;
    served.rogue.say(request(1, b"", 0, true)).await;
    let agent = ended(served.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Protocol, false), "{agent}");
    eventually("its handler is stopped", || {
        served.rig.counts.cancelled() == served.rig.counts.handled()
    })
    .await;
}

pub async fn a_service_that_sends_more_than_it_said(pair: Pair<'_>) {
    for frames in [
        vec![request(1, b"four", 3, true)],
        vec![request(1, b"four", 3, false)],
        vec![
            request(1, b"four", 5, false),
            Frame::Body { id: 1, body: Bytes::from_static(b"!!"), last: true },
        ],
        vec![
            request(1, b"four", 6, false),
            Frame::Body { id: 1, body: Bytes::from_static(b"!"), last: true },
        ],
        vec![request(1, b"four", 6, false), Frame::Body { id: 1, body: Bytes::new(), last: false }],
    ] {
        let mut served = served(pair).await;
        for frame in frames {
            served.rogue.say(frame).await;
        }
        let agent = ended(served.agent).await;
        assert_eq!((agent.code, agent.by_peer), (EndCode::Protocol, false), "{agent}");
        assert_eq!(served.rig.counts.handled(), 0);
    }
    // And one that keeps to it is answered.
    let mut served = served(pair).await;
    served.rogue.say(request_for("/echo", 1, b"fo", 4, false)).await;
    served.rogue.say(Frame::Body { id: 1, body: Bytes::from_static(b"ur"), last: true }).await;
    let answer = served.rogue.hear().await;
    assert!(
        matches!(&answer, Some(Frame::Response { id: 1, body, last: true, .. }) if body == "four"),
        "{answer:?}"
    );
}
