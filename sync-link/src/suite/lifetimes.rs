//! How links end, and what becomes of the requests on them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::help::{
    PATIENCE, Pair, Rig, ended, eventually, group, hurried, identity, pattern, soon,
};
use crate::{AgentIdentity, Credentials, EndCode, HubOptions, LinkError, Timing};

pub async fn a_draining_agent_answers_what_it_has(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let a = rig.join(pair, "a").await;
    let asked: Vec<_> = ["/gate", "/bytes/3000000"]
        .into_iter()
        .map(|path| {
            let rig = Arc::clone(&rig);
            tokio::spawn(
                async move { rig.ask(path).await.unwrap().into_body().collect(1 << 24).await },
            )
        })
        .collect();
    eventually("both are at work", || rig.counts.handled() == 2).await;
    a.control.drain();
    eventually("the hub knows", || rig.hub.agents(&group())[0].draining).await;
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    let _b = rig.join(pair, "b").await;
    assert_eq!(rig.text("/name").await.unwrap(), "b");
    rig.counts.gate.add_permits(1);
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(soon("the answer", answer).await.unwrap().unwrap());
    }
    assert_eq!(answers, ["a".into(), pattern(3_000_000)]);
    let (agent, service) = (ended(a.agent).await, ended(a.service).await);
    assert_eq!((agent.code, agent.by_peer), (EndCode::Drained, false));
    assert_eq!((service.code, service.by_peer), (EndCode::Drained, true));
    assert_eq!(rig.hub.agents(&group()).len(), 1);
}

pub async fn a_stopping_service_lets_requests_finish(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let a = rig.join(pair, "a").await;
    let asked = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.text("/gate").await }
    });
    eventually("it is at work", || rig.counts.handled() == 1).await;
    let stopping = tokio::spawn({
        let hub = rig.hub.clone();
        async move { hub.stop(PATIENCE).await }
    });
    eventually("no more is taken", || rig.hub.agents(&group())[0].draining).await;
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    rig.counts.gate.add_permits(1);
    assert_eq!(asked.await.unwrap().unwrap(), "a");
    soon("the hub stops", stopping).await.unwrap();
    assert_eq!(ended(a.service).await.code, EndCode::Stopping);
    let agent = ended(a.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Stopping, true));
    let late = rig.join(pair, "b").await;
    assert_eq!(ended(late.service).await.code, EndCode::Stopping);
}

pub async fn a_stopping_service_does_not_wait_for_ever(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let a = rig.join(pair, "a").await;
    let asked = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.text("/never").await }
    });
    eventually("it is at work", || rig.counts.handled() == 1).await;
    soon("the hub stops", rig.hub.stop(Duration::from_millis(50))).await;
    assert_eq!(asked.await.unwrap(), Err(LinkError::Lost));
    assert_eq!(ended(a.agent).await.code, EndCode::Stopping);
    eventually("the handler is stopped", || rig.counts.cancelled() == 1).await;
}

pub async fn an_agent_that_dies_loses_its_answer_and_another_takes_the_next(pair: Pair<'_>) {
    let rig = Rig::new();
    let a = rig.join(pair, "a").await;
    let mut answer = rig.ask("/bytes/50000000").await.unwrap().into_body();
    soon("a piece", answer.next()).await.unwrap().unwrap();
    let _b = rig.join(pair, "b").await;
    // As if its process had been killed: nothing is said.
    a.agent.abort();
    let error = loop {
        match soon("the error", answer.next()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("an answer that was broken off looks complete"),
        }
    };
    assert_eq!(error, LinkError::Lost);
    assert!(error.is_retryable());
    assert!(soon("the end", answer.next()).await.is_none());
    assert_eq!(ended(a.service).await.code, EndCode::Lost);
    for _ in 0..10 {
        assert_eq!(rig.text("/name").await.unwrap(), "b");
    }
}

pub async fn a_link_ends_with_its_credential(pair: Pair<'_>) {
    let rig = Rig::new();
    let link = pair().await;
    let short = identity("a").valid_for(Duration::from_secs(3));
    let a = rig.join_as(short, link).await;
    let never = rig.text("/never").await;
    assert_eq!(never, Err(LinkError::Lost));
    let service = ended(a.service).await;
    assert_eq!((service.code, service.by_peer), (EndCode::Expired, false));
    let agent = ended(a.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Expired, true));
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
}

struct Judge(Mutex<Vec<String>>);

#[async_trait]
impl Credentials for Judge {
    async fn renew(
        &self,
        agent: &AgentIdentity,
        credential: &SecretString,
    ) -> Result<Duration, String> {
        let credential = credential.expose_secret();
        self.0.lock().unwrap().push(format!("{} {credential}", agent.agent));
        if credential == "good" { Ok(Duration::from_secs(3600)) } else { Err("unknown".to_owned()) }
    }
}

fn with_judge() -> (Rig, Arc<Judge>) {
    let judge = Arc::new(Judge(Mutex::default()));
    let credentials = Some(Arc::clone(&judge) as Arc<dyn Credentials>);
    (Rig::with(HubOptions { credentials, ..HubOptions::default() }), judge)
}

pub async fn a_renewed_credential_keeps_the_link(pair: Pair<'_>) {
    let (rig, judge) = with_judge();
    let life = Duration::from_secs(3);
    let link = pair().await;
    let expires = Instant::now() + life;
    let a = rig.join_as(identity("a").valid_for(life), link).await;
    a.control.renew("good".into());
    eventually("it is judged", || !judge.0.lock().unwrap().is_empty()).await;
    tokio::time::sleep_until(expires + Duration::from_millis(200)).await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert_eq!(*judge.0.lock().unwrap(), ["a good"]);
}

pub async fn a_credential_that_is_not_accepted_ends_the_link(pair: Pair<'_>) {
    let (rig, _judge) = with_judge();
    let life = Duration::from_secs(600);
    let a = rig.join_as(identity("a").valid_for(life), pair().await).await;
    a.control.renew("forged".into());
    let agent = ended(a.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Expired, true));
    assert!(agent.reason.contains("unknown") && !agent.reason.contains("forged"), "{agent}");
    assert_eq!(ended(a.service).await.code, EndCode::Expired);
}

pub async fn a_revoked_agent_is_out_at_once(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let a = rig.join(pair, "a").await;
    let _b = rig.join_as(AgentIdentity::new("other", "a"), pair().await).await;
    let asked = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.text("/never").await }
    });
    eventually("it is at work", || rig.counts.handled() == 1).await;
    assert!(rig.hub.disconnect("tenant", "a", "revoked by an administrator"));
    assert_eq!(asked.await.unwrap(), Err(LinkError::Lost));
    let agent = ended(a.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Revoked, true));
    assert_eq!(agent.reason, "revoked by an administrator");
    assert_eq!(ended(a.service).await.code, EndCode::Revoked);
    assert!(!rig.hub.disconnect("tenant", "a", "again"));
    assert_eq!(rig.hub.connected("other").len(), 1);
}

pub async fn a_newer_connection_replaces_the_older(pair: Pair<'_>) {
    let rig = Rig::new();
    let older = rig.join(pair, "a").await;
    let newer = rig.join(pair, "a").await;
    assert_eq!(ended(older.agent).await.code, EndCode::Replaced);
    assert_eq!(ended(older.service).await.code, EndCode::Replaced);
    assert_eq!(rig.hub.agents(&group()).len(), 1);
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert!(!newer.agent.is_finished() && !newer.service.is_finished());
}

pub async fn a_connection_beside_the_older_loses_no_request(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let older = rig.join(pair, "a").await;
    let ask = |path: &'static str| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.ask(path).await?.into_body().collect(1 << 24).await })
    };
    let (gated, long) = (ask("/gate"), ask("/bytes/3000000"));
    eventually("both are at work", || rig.counts.handled() >= 2).await;
    // Requests that come at every moment of the change.
    let go_on = Arc::new(AtomicBool::new(true));
    let asking = tokio::spawn({
        let (rig, go_on) = (Arc::clone(&rig), Arc::clone(&go_on));
        async move {
            while go_on.load(Ordering::SeqCst) {
                assert_eq!(rig.text("/name").await, Ok("a".to_owned()));
            }
        }
    });
    let newer = rig.join_beside(pair, "a").await;
    assert_eq!(rig.hub.agents(&group()).len(), 1);
    let before = rig.hub.agents(&group())[0].served;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert!(rig.hub.agents(&group())[0].served > before, "the newer one has the new requests");
    assert!(!older.agent.is_finished() && !older.service.is_finished());
    go_on.store(false, Ordering::SeqCst);
    soon("the last one", asking).await.unwrap();
    assert_eq!(soon("the long answer", long).await.unwrap().unwrap(), pattern(3_000_000));
    rig.counts.gate.add_permits(1);
    assert_eq!(soon("the answer", gated).await.unwrap().unwrap(), "a");
    let agent = ended(older.agent).await;
    assert_eq!((agent.code, agent.by_peer), (EndCode::Replaced, true));
    assert_eq!(ended(older.service).await.code, EndCode::Replaced);
    assert!(!newer.agent.is_finished() && !newer.service.is_finished());
    assert_eq!(rig.text("/name").await.unwrap(), "a");
}

pub async fn a_revoked_agent_loses_its_older_connection_too(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let older = rig.join(pair, "a").await;
    let asked = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.text("/never").await }
    });
    eventually("it is at work", || rig.counts.handled() == 1).await;
    let newer = rig.join_beside(pair, "a").await;
    assert!(rig.hub.disconnect("tenant", "a", "revoked by an administrator"));
    assert_eq!(soon("the answer", asked).await.unwrap(), Err(LinkError::Lost));
    for side in [older.agent, older.service, newer.agent, newer.service] {
        assert_eq!(ended(side).await.code, EndCode::Revoked);
    }
}

pub async fn silence_ends_the_link_on_both_sides(pair: Pair<'_>) {
    let timing = Timing { dead: Duration::from_millis(700), ..hurried() };
    let rig = Rig::with(HubOptions { timing, ..HubOptions::default() });
    // Each side greets and then says nothing more, without closing.
    let mut one = pair().await;
    let hello = crate::frame::Frame::Hello(super::rogues::hello());
    one.agent.send(hello.clone().encode(1).unwrap()).await.unwrap();
    let service = soon("the service gives up", rig.hub.attach(identity("a"), one.service)).await;
    assert_eq!(service.code, EndCode::Silent);
    let mut two = pair().await;
    two.service.send(hello.encode(1).unwrap()).await.unwrap();
    let handler = super::help::Scripted { name: "a".to_owned(), counts: Arc::clone(&rig.counts) };
    let agent = crate::Agent::new(handler).with_options(rig.options.clone());
    let control = crate::Control::new();
    let agent = soon("the agent gives up", agent.serve(two.agent, &control)).await;
    assert_eq!(agent.code, EndCode::Silent);
}

pub async fn pings_keep_a_quiet_link(pair: Pair<'_>) {
    let timing = Timing {
        ping: Duration::from_millis(100),
        dead: Duration::from_millis(2500),
        ..Timing::default()
    };
    let rig = Rig::with(HubOptions { timing, ..HubOptions::default() });
    let a = rig.join(pair, "a").await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert!(!a.agent.is_finished() && !a.service.is_finished());
    assert_eq!(rig.text("/name").await.unwrap(), "a");
}
