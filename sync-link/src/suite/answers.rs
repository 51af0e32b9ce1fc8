//! Requests and answers, and what bounds them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all};

use super::help::{PATIENCE, Pair, Rig, check_pattern, ended, eventually, pattern, soon};
use crate::{EndCode, LinkError, RequestOptions};

pub async fn each_request_gets_its_own_answer(pair: Pair<'_>) {
    let rig = Rig::new();
    let joined = rig.join(pair, "a").await;
    // Many more than the agent takes at once: they wait for their turn.
    let asked = (0..300).map(|number| {
        let rig = &rig;
        async move { (number, rig.text(&format!("/path/{number}")).await) }
    });
    for (number, answer) in join_all(asked).await {
        assert_eq!(answer.unwrap(), format!("/path/{number}"));
    }
    assert_eq!(rig.counts.handled(), 300);
    rig.quiet().await;
    assert!(!joined.agent.is_finished() && !joined.service.is_finished());
}

pub async fn ten_megabytes_go_both_ways(pair: Pair<'_>) {
    const SIZE: usize = 10 << 20;
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let body = pattern(SIZE);
    let options = RequestOptions::within(PATIENCE);
    let (one, two) = futures::join!(
        rig.ask_with("/echo", body.clone(), options),
        rig.ask_with("/echo", body.clone(), options),
    );
    let (one, two) = (one.unwrap().into_body(), two.unwrap().into_body());
    futures::join!(check_pattern(one, SIZE), check_pattern(two, SIZE));
    rig.quiet().await;
}

pub async fn headers_and_status_come_as_they_were(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let answer = rig.ask("/path/x?y=z").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-odd"].as_bytes(), b"caf\xe9");
    let two: Vec<_> = answer.headers().get_all("x-two").iter().collect();
    assert_eq!(two, ["1", "2"]);
    assert_eq!(answer.into_body().collect(100).await.unwrap(), "/path/x");
}

pub async fn an_empty_answer_is_an_answer(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    assert_eq!(rig.text("/empty").await.unwrap(), "");
    assert_eq!(rig.text("/bytes/0").await.unwrap(), "");
    rig.quiet().await;
}

pub async fn a_slow_reader_stops_its_own_answer_only(pair: Pair<'_>) {
    const SIZE: usize = 8 << 20;
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let mut slow = rig.ask(&format!("/bytes/{SIZE}")).await.unwrap().into_body();
    let first = soon("the first piece", slow.next()).await.unwrap().unwrap();
    // Others go on meanwhile, and a long answer among them.
    for _ in 0..20 {
        assert_eq!(rig.text("/name").await.unwrap(), "a");
    }
    let quick = rig.ask(&format!("/bytes/{SIZE}")).await.unwrap().into_body();
    check_pattern(quick, SIZE).await;
    // The window, what it was in the middle of, and one piece ahead; twice when a replica stands between.
    let ahead = rig.counts.produced() - SIZE as u64;
    assert!(
        ahead < 512 * 1024 * super::help::links(),
        "{ahead} bytes were made for a reader that does not read"
    );
    let mut read = first.to_vec();
    while let Some(piece) = soon("the next piece", slow.next()).await {
        read.extend_from_slice(&piece.unwrap());
    }
    assert!(read == pattern(SIZE), "other bytes than were sent");
}

pub async fn crumbs_are_counted(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let slow = rig.ask("/crumbs/20000").await.unwrap().into_body();
    eventually("the crumbs stop", || rig.counts.produced() > 4000).await;
    for _ in 0..20 {
        assert_eq!(rig.text("/name").await.unwrap(), "a");
    }
    // Each costs 64 bytes of the window of 256 KiB.
    let made = rig.counts.produced();
    assert!(made <= 4200, "{made} crumbs for a reader that does not read");
    check_pattern(slow, 20_000).await;
}

pub async fn an_answer_that_breaks_off_is_no_answer(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    for size in [0, 10, 100_000, 1_000_000] {
        let broken = match rig.ask(&format!("/broken/{size}")).await {
            Ok(answer) => soon("the error", answer.into_body().collect(1 << 24)).await,
            Err(error) => Err(error),
        };
        let expected = LinkError::Refused("the directory is gone".to_owned());
        assert_eq!(broken, Err(expected), "after {size} bytes");
    }
    rig.quiet().await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
}

pub async fn a_handler_that_panics_refuses_its_request_only(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let refused = rig.text("/panic").await;
    assert!(matches!(refused, Err(LinkError::Refused(_))), "{refused:?}");
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    rig.quiet().await;
}

pub async fn a_request_that_is_too_large_is_not_sent(pair: Pair<'_>) {
    let mut rig = Rig::new();
    rig.options.max_request = 1000;
    let _joined = rig.join(pair, "a").await;
    let options = RequestOptions::within(PATIENCE);
    let refused = rig.ask_with("/echo", pattern(1001), options).await;
    assert_eq!(refused.map(drop), Err(LinkError::TooLarge));
    let answer = rig.ask_with("/echo", pattern(1000), options).await.unwrap();
    check_pattern(answer.into_body(), 1000).await;
    let mut request = http::Request::get("/name").body(Bytes::new()).unwrap();
    let long = http::HeaderValue::try_from("x".repeat(70_000)).unwrap();
    request.headers_mut().insert("x-long", long);
    let refused = rig.hub.request(&super::help::group(), request, options).await;
    assert_eq!(refused.map(drop), Err(LinkError::TooLarge));
    assert_eq!(rig.counts.handled(), 1);
    rig.quiet().await;
}

pub async fn an_answer_above_the_limit_of_its_reader_is_too_large(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    for (size, limit) in [(100, 99), (1_000_000, 999_999)] {
        let answer = rig.ask(&format!("/bytes/{size}")).await.unwrap().into_body();
        assert_eq!(soon("it", answer.collect(limit)).await, Err(LinkError::TooLarge));
        let answer = rig.ask(&format!("/bytes/{size}")).await.unwrap().into_body();
        assert_eq!(soon("it", answer.collect(limit + 1)).await.unwrap(), pattern(size));
    }
    rig.quiet().await;
}

pub async fn the_deadline_is_kept_and_the_agent_stops(pair: Pair<'_>) {
    let rig = Rig::new();
    let joined = rig.join(pair, "a").await;
    let options = RequestOptions::within(Duration::from_millis(100));
    let late = rig.ask_with("/never", Bytes::new(), options).await;
    assert_eq!(late.map(drop), Err(LinkError::Deadline));
    eventually("the handler is stopped", || rig.counts.cancelled() == 1).await;
    rig.quiet().await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert!(!joined.agent.is_finished() && !joined.service.is_finished());
}

pub async fn a_gap_in_an_answer_is_bounded(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let idle = Duration::from_millis(100);
    let options = RequestOptions { idle, ..RequestOptions::within(PATIENCE) };
    let answer = rig.ask_with("/stall", Bytes::new(), options).await.unwrap();
    let gap = soon("the gap", answer.into_body().collect(1000)).await;
    assert_eq!(gap, Err(LinkError::Deadline));
    eventually("the handler is stopped", || rig.counts.cancelled() == 1).await;
    rig.quiet().await;
}

pub async fn the_whole_answer_may_be_bounded(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let total = Some(Duration::from_millis(200));
    let options = RequestOptions { total, ..RequestOptions::within(PATIENCE) };
    let answer = rig.ask_with("/stall", Bytes::new(), options).await.unwrap();
    let late = soon("the end", answer.into_body().collect(1000)).await;
    assert_eq!(late, Err(LinkError::Deadline));
    eventually("the handler is stopped", || rig.counts.cancelled() == 1).await;
    rig.quiet().await;
}

pub async fn a_dropped_request_stops_at_the_agent(pair: Pair<'_>) {
    let rig = Arc::new(Rig::new());
    let joined = rig.join(pair, "a").await;
    let asked = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.ask("/never").await.map(drop) }
    });
    eventually("the handler is at work", || rig.counts.handled() == 1).await;
    asked.abort();
    eventually("the handler is stopped", || rig.counts.cancelled() == 1).await;
    rig.quiet().await;
    // One that is dropped at once, wherever it is by then.
    for _ in 0..50 {
        let asked = tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.ask("/never").await.map(drop) }
        });
        tokio::task::yield_now().await;
        asked.abort();
    }
    rig.quiet().await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    joined.control.drain();
    assert_eq!(ended(joined.agent).await.code, EndCode::Drained);
}

pub async fn a_dropped_answer_stops_at_the_agent(pair: Pair<'_>) {
    let rig = Rig::new();
    let _joined = rig.join(pair, "a").await;
    let mut answer = rig.ask("/bytes/100000000").await.unwrap().into_body();
    soon("a piece", answer.next()).await.unwrap().unwrap();
    assert_eq!(rig.in_flight(), 1);
    drop(answer);
    rig.quiet().await;
    let produced = rig.counts.produced();
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert_eq!(rig.counts.produced(), produced);
    assert!(produced < 5_000_000, "{produced}");
}
