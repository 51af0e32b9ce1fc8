use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::{PER_OWNER, SessionOptions, Sessions};
use crate::{
    Connection,
    long_poll::{
        HEADER_BATCH, HEADER_PROTOCOL, HEADER_SESSION, MAX_BATCH, Packing, number, unpacked,
    },
};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

async fn open(sessions: &Sessions, owner: &str) -> (String, Connection) {
    let asked = headers(&[(HEADER_PROTOCOL, "sync-link.1")]);
    let polled = sessions.poll(owner, &asked).await.unwrap();
    let id = polled.response.headers()[HEADER_SESSION].to_str().unwrap().to_owned();
    (id, polled.opened.unwrap())
}

async fn poll(
    sessions: &Sessions,
    owner: &str,
    id: &str,
    came: u64,
) -> Result<Option<(u64, Vec<Bytes>)>, StatusCode> {
    let asked = headers(&[(HEADER_SESSION, id), (HEADER_BATCH, &came.to_string())]);
    let polled = sessions.poll(owner, &asked).await.map_err(|refusal| refusal.status)?;
    let response = polled.response;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    let number = number(response.headers()).unwrap();
    assert!(response.body().len() <= MAX_BATCH);
    Ok(Some((number, unpacked(response.into_body()).unwrap())))
}

async fn result(
    sessions: &Sessions,
    owner: &str,
    id: &str,
    number: u64,
    messages: &[Bytes],
) -> Result<(), StatusCode> {
    let mut packing = Packing::default();
    messages.iter().for_each(|message| packing.add(message));
    let asked = headers(&[(HEADER_BATCH, &number.to_string())]);
    let taken = sessions.result(owner, id, &asked, packing.batch()).await;
    taken.map(drop).map_err(|refusal| refusal.status)
}

/// What the network does with one request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    AnswerLost,
    Twice,
    /// An older one comes (again), this long after it was sent.
    Old(u64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Arrives),
        Just(Fate::AnswerLost),
        Just(Fate::Twice),
        (0_u64..5).prop_map(Fate::Old),
    ]
}

fn message(number: usize) -> Bytes {
    Bytes::from(format!("message {number}"))
}

async fn both_ways(script: Vec<(bool, Fate)>) {
    let hurry = Duration::from_millis(1);
    let sessions = Sessions::with_options(SessionOptions {
        wait: hurry,
        room: hurry,
        ..SessionOptions::default()
    });
    let (id, mut connection) = open(&sessions, "a").await;
    // From the agent: sent so far, taken as the agent knows, read by the service.
    let (mut sent, mut read) = (0_u64, 0_usize);
    // To the agent: written by the service, and what came.
    let (mut written, mut came, mut got) = (0_usize, 0_u64, Vec::new());
    for (upwards, fate) in script {
        if upwards {
            let batch = |number: u64| -> Vec<Bytes> {
                let number = usize::try_from(number).unwrap();
                vec![message(2 * number), message(2 * number + 1)]
            };
            let next = sent + 1;
            match fate {
                Fate::Old(age) => {
                    let old = next.saturating_sub(age).max(1);
                    let taken = result(&sessions, "a", &id, old, &batch(old - 1)).await;
                    taken.unwrap_or_default();
                }
                Fate::AnswerLost => {
                    result(&sessions, "a", &id, next, &batch(sent)).await.unwrap_or_default();
                }
                Fate::Arrives | Fate::Twice => {
                    for _ in 0..if matches!(fate, Fate::Twice) { 2 } else { 1 } {
                        if result(&sessions, "a", &id, next, &batch(next - 1)).await.is_ok() {
                            sent = next;
                        }
                    }
                }
            }
            while let Some(Some(next)) =
                futures::FutureExt::now_or_never(connection.incoming.next())
            {
                assert_eq!(next.unwrap(), message(read));
                read += 1;
            }
            assert!(read >= usize::try_from(sent).unwrap() * 2, "what was taken is there");
        } else {
            connection.outgoing.send(message(written)).await.unwrap();
            written += 1;
            match fate {
                Fate::AnswerLost => drop(poll(&sessions, "a", &id, came).await.unwrap()),
                Fate::Old(age) => {
                    drop(poll(&sessions, "a", &id, came.saturating_sub(age)).await.unwrap());
                }
                Fate::Arrives | Fate::Twice => {
                    for _ in 0..if matches!(fate, Fate::Twice) { 2 } else { 1 } {
                        // Both were sent with the same number.
                        let polled = poll(&sessions, "a", &id, came).await.unwrap();
                        if let Some((number, messages)) = polled {
                            assert_eq!(number, came + 1);
                            if matches!(fate, Fate::Arrives) {
                                came = number;
                                got.extend(messages);
                            }
                        }
                    }
                }
            }
            let expected: Vec<Bytes> = (0..got.len()).map(message).collect();
            assert_eq!(got, expected);
        }
        if written - got.len() > 20 {
            let (number, messages) = poll(&sessions, "a", &id, came).await.unwrap().unwrap();
            came = number;
            got.extend(messages);
        }
    }
    while got.len() < written {
        let (number, messages) = poll(&sessions, "a", &id, came).await.unwrap().unwrap();
        came = number;
        got.extend(messages);
    }
    let expected: Vec<Bytes> = (0..written).map(message).collect();
    assert_eq!(got, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of the requests, each message comes once and in order.
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(
        script in proptest::collection::vec((any::<bool>(), fate()), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(both_ways(script));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_answers_its_owner_only_while_it_lasts() {
    let sessions = Sessions::new();
    let (id, connection) = open(&sessions, "a").await;
    assert_eq!(poll(&sessions, "b", &id, 0).await, Err(StatusCode::GONE));
    assert_eq!(result(&sessions, "b", &id, 1, &[]).await, Err(StatusCode::GONE));
    assert_eq!(poll(&sessions, "a", "x", 0).await, Err(StatusCode::GONE));
    assert_eq!(poll(&sessions, "a", &id, 7).await, Err(StatusCode::BAD_REQUEST));
    assert_eq!(result(&sessions, "a", &id, 7, &[]).await, Err(StatusCode::CONFLICT));
    assert_eq!(result(&sessions, "a", &id, 1, &[message(0)]).await, Ok(()));
    // One that waits goes home when the session ends.
    let waits = tokio::spawn({
        let (sessions, id) = (sessions.clone(), id.clone());
        async move { poll(&sessions, "a", &id, 0).await }
    });
    tokio::task::yield_now().await;
    drop(connection);
    assert_eq!(waits.await.unwrap(), Err(StatusCode::GONE));
    assert_eq!(poll(&sessions, "a", &id, 0).await, Err(StatusCode::GONE));
}

#[tokio::test(start_paused = true)]
async fn an_agent_has_a_few_sessions_and_no_more() {
    let sessions = Sessions::new();
    let mut all = Vec::new();
    for _ in 0..PER_OWNER {
        all.push(open(&sessions, "a").await);
    }
    let asked = headers(&[(HEADER_PROTOCOL, "sync-link.1")]);
    let refused = sessions.poll("a", &asked).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    open(&sessions, "b").await;
    drop(all.pop());
    open(&sessions, "a").await;
    let other = headers(&[(HEADER_PROTOCOL, "sync-link.9")]);
    assert_eq!(sessions.poll("a", &other).await.unwrap_err().status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_requests_ends_after_a_minute() {
    let sessions = Sessions::new();
    let (id, mut connection) = open(&sessions, "a").await;
    let started = tokio::time::Instant::now();
    // Polls keep it, and wait in vain for less than a minute.
    for _ in 0..3 {
        assert_eq!(poll(&sessions, "a", &id, 0).await, Ok(None));
    }
    assert_eq!(started.elapsed(), 3 * SessionOptions::default().wait);
    let ended = connection.incoming.next().await.unwrap();
    assert!(ended.unwrap_err().to_string().contains("60s"));
    let silent = started.elapsed() - 3 * SessionOptions::default().wait;
    assert!(silent >= Duration::from_secs(60) && silent < Duration::from_secs(61), "{silent:?}");
    assert!(connection.incoming.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_sends_the_older_home_and_last_words_are_fetched() {
    let sessions = Sessions::new();
    let (id, mut connection) = open(&sessions, "a").await;
    let waiting = |came| {
        let (sessions, id) = (sessions.clone(), id.clone());
        tokio::spawn(async move { poll(&sessions, "a", &id, came).await })
    };
    let older = waiting(0);
    tokio::task::yield_now().await;
    let newer = waiting(0);
    assert_eq!(older.await.unwrap(), Ok(None));
    connection.outgoing.send(message(1)).await.unwrap();
    assert_eq!(newer.await.unwrap(), Ok(Some((1, vec![message(1)]))));
    connection.outgoing.send(message(2)).await.unwrap();
    let mut closing = Box::pin(connection.outgoing.close());
    assert!(futures::poll!(&mut closing).is_pending());
    assert_eq!(poll(&sessions, "a", &id, 1).await, Ok(Some((2, vec![message(2)]))));
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_not_read_waits_and_is_told_so() {
    let sessions = Sessions::new();
    let (id, mut connection) = open(&sessions, "a").await;
    result(&sessions, "a", &id, 1, &[message(1)]).await.unwrap();
    let full = result(&sessions, "a", &id, 2, &[message(2)]).await;
    assert_eq!(full, Err(StatusCode::SERVICE_UNAVAILABLE));
    let again = tokio::spawn({
        let (sessions, id) = (sessions.clone(), id.clone());
        async move { result(&sessions, "a", &id, 2, &[message(2)]).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(connection.incoming.next().await.unwrap().unwrap(), message(1));
    assert_eq!(again.await.unwrap(), Ok(()));
    assert_eq!(connection.incoming.next().await.unwrap().unwrap(), message(2));
    // And in the other direction the service waits.
    let filled = async {
        loop {
            connection.outgoing.send(message(0)).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), filled).await.is_err());
}
