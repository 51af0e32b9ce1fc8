//! Transports that lose, double and reorder messages.

use bytes::Bytes;
use futures::{SinkExt as _, stream};

use super::{
    Link,
    help::{PATIENCE, Pair, Rig, check_pattern, ended, hurried, identity, pattern, soon},
};
use crate::{Connection, EndCode, HubOptions, LinkError, RequestOptions, TransportError};

/// What happens to the messages of one direction; they are counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// This one never arrives.
    pub lose: Option<u64>,
    /// Each of these arrives twice (every so many).
    pub double: Option<u64>,
    /// Each of these arrives after the one behind it (every so many).
    pub swap: Option<u64>,
}

/// A connection whose outgoing messages have the faults.
pub fn faulty(connection: Connection, faults: Faults) -> Connection {
    let transport = format!("faulty {}", connection.transport());
    let mut count = 0_u64;
    let mut held: Option<Bytes> = None;
    let outgoing = connection.outgoing.with_flat_map(move |message: Bytes| {
        count += 1;
        let each = |every: Option<u64>| every.is_some_and(|every| count.is_multiple_of(every));
        let mut now: Vec<Result<Bytes, TransportError>> = Vec::new();
        if each(faults.swap) && held.is_none() {
            held = Some(message);
        } else if faults.lose != Some(count) {
            if each(faults.double) {
                now.push(Ok(message.clone()));
            }
            now.push(Ok(message));
            now.extend(held.take().map(Ok));
        }
        stream::iter(now)
    });
    Connection::new(transport, outgoing, connection.incoming)
}

fn both(link: Link, faults: Faults) -> Link {
    Link {
        agent: faulty(link.agent, faults),
        service: faulty(link.service, faults),
        keep: link.keep,
    }
}

fn rig() -> Rig {
    Rig::with(HubOptions { timing: hurried(), ..HubOptions::default() })
}

pub async fn doubled_messages_are_taken_once(pair: Pair<'_>) {
    let rig = rig();
    let faults = Faults { double: Some(1), ..Faults::default() };
    let _a = rig.join_as(identity("a"), both(pair().await, faults)).await;
    for number in 0..50 {
        let path = format!("/path/{number}");
        assert_eq!(rig.text(&path).await.unwrap(), path);
    }
    assert_eq!(rig.counts.handled(), 50);
    let options = RequestOptions::within(PATIENCE);
    let answer = rig.ask_with("/echo", pattern(2_000_000), options).await.unwrap();
    check_pattern(answer.into_body(), 2_000_000).await;
    assert_eq!(rig.counts.handled(), 51);
}

pub async fn reordered_messages_are_put_in_order(pair: Pair<'_>) {
    let rig = rig();
    // Held back is what comes before another: pings bring the next one at the latest.
    let faults = Faults { swap: Some(3), ..Faults::default() };
    let _a = rig.join_as(identity("a"), both(pair().await, faults)).await;
    let options = RequestOptions::within(PATIENCE);
    for _ in 0..3 {
        let answer = rig.ask_with("/echo", pattern(2_000_000), options).await.unwrap();
        check_pattern(answer.into_body(), 2_000_000).await;
    }
}

pub async fn a_lost_message_is_never_a_wrong_answer(pair: Pair<'_>) {
    for lost in [2, 3, 5, 9, 14] {
        for of_agent in [true, false] {
            let rig = rig();
            let faults = Faults { lose: Some(lost), ..Faults::default() };
            let link = pair().await;
            let link = if of_agent {
                Link { agent: faulty(link.agent, faults), ..link }
            } else {
                Link { service: faulty(link.service, faults), ..link }
            };
            let a = rig.join_as(identity("a"), link).await;
            let options = RequestOptions::within(PATIENCE);
            let answered = match rig.ask_with("/echo", pattern(3_000_000), options).await {
                Ok(answer) => soon("the answer", answer.into_body().collect(1 << 24)).await,
                Err(error) => Err(error),
            };
            match answered {
                Ok(bytes) => assert_eq!(bytes, pattern(3_000_000)),
                Err(error) => {
                    assert!(error.is_retryable(), "{error} for {lost} of agent: {of_agent}");
                    let (agent, service) = (ended(a.agent).await, ended(a.service).await);
                    assert!(
                        [agent.code, service.code].contains(&EndCode::Lost),
                        "{agent} / {service}"
                    );
                }
            }
        }
    }
}

pub async fn a_lost_last_message_is_noticed(pair: Pair<'_>) {
    let rig = rig();
    let link = pair().await;
    // The second message of the agent is its only answer.
    let faults = Faults { lose: Some(2), ..Faults::default() };
    let link = Link { agent: faulty(link.agent, faults), ..link };
    let a = rig.join_as(identity("a"), link).await;
    let lost = rig.text("/name").await;
    // Either the answer was lost, or a ping was and the answer is right.
    match lost {
        Ok(name) => assert_eq!(name, "a"),
        Err(error) => assert_eq!(error, LinkError::Lost),
    }
    assert_eq!(ended(a.service).await.code, EndCode::Lost);
}
