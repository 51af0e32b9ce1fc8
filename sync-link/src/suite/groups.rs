//! Who gets a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};

use super::help::{Pair, Rig, eventually, group, identity};
use crate::{AgentIdentity, Answer, Backplane, GroupKey, HubOptions, LinkError, RequestOptions};

pub async fn agents_of_a_group_take_turns(pair: Pair<'_>) {
    let rig = Rig::new();
    let _a = rig.join(pair, "a").await;
    let _b = rig.join(pair, "b").await;
    let mut answered: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..100 {
        *answered.entry(rig.text("/name").await.unwrap()).or_default() += 1;
        rig.quiet().await;
    }
    assert_eq!(answered, BTreeMap::from([("a".to_owned(), 50), ("b".to_owned(), 50)]));
}

pub async fn the_one_with_room_gets_the_next_request(pair: Pair<'_>) {
    let mut rig = Rig::new();
    rig.options.capacity = 4;
    let _a = rig.join(pair, "a").await;
    rig.options.capacity = 8;
    let _b = rig.join(pair, "b").await;
    let open = async {
        eventually("all are at work", || rig.in_flight() == 12).await;
        let busy: Vec<_> = rig.hub.agents(&group()).iter().map(|a| a.in_flight).collect();
        assert_eq!(busy, [4, 8]);
        rig.counts.gate.add_permits(12);
    };
    let (answers, ()) = futures::join!(join_all((0..12).map(|_| rig.text("/gate"))), open);
    let of_a = answers.iter().filter(|answer| answer.as_deref() == Ok("a")).count();
    assert_eq!((answers.len(), of_a), (12, 4), "{answers:?}");
}

pub async fn who_finds_all_busy_waits_and_no_more_than_allowed(pair: Pair<'_>) {
    let mut rig = Rig::with(HubOptions { waiting: 3, ..HubOptions::default() });
    rig.options.capacity = 1;
    let _a = rig.join(pair, "a").await;
    let mut asked: Vec<_> = (0..4).map(|_| Box::pin(rig.text("/gate"))).collect();
    for asked in &mut asked {
        assert!(futures::poll!(asked).is_pending());
    }
    // One has the place, three wait, a fifth is too many.
    assert_eq!(rig.text("/gate").await, Err(LinkError::Busy { waiting: 3 }));
    // Who gives up leaves its place in the queue.
    drop(asked.remove(1));
    let late = RequestOptions::within(Duration::from_millis(50));
    let late = rig.ask_with("/gate", Bytes::new(), late).await;
    assert_eq!(late.map(drop), Err(LinkError::Deadline));
    rig.counts.gate.add_permits(3);
    for answer in join_all(asked).await {
        assert_eq!(answer.unwrap(), "a");
    }
    assert_eq!(rig.counts.handled(), 3);
    rig.quiet().await;
}

pub async fn tenants_and_groups_are_apart(pair: Pair<'_>) {
    let rig = Rig::new();
    let _a = rig.join(pair, "a").await;
    let other = AgentIdentity::new("other", "a").in_group("group");
    let _b = rig.join_as(other, pair().await).await;
    let third = AgentIdentity::new("tenant", "c").in_group("elsewhere");
    let _c = rig.join_as(third, pair().await).await;
    for _ in 0..10 {
        assert_eq!(rig.text("/name").await.unwrap(), "a");
    }
    let served = |tenant: &str| -> Vec<u64> {
        rig.hub.connected(tenant).iter().map(|agent| agent.served).collect()
    };
    assert_eq!((served("tenant"), served("other")), (vec![10, 0], vec![0]));
    let nobody = GroupKey::new("other", "elsewhere");
    let request = http::Request::get("/name").body(Bytes::new()).unwrap();
    let refused = rig.hub.request(&nobody, request, RequestOptions::default()).await;
    assert_eq!(refused.map(drop), Err(LinkError::NoAgent));
}

pub async fn an_agent_changes_its_groups_at_once(pair: Pair<'_>) {
    let rig = Rig::new();
    let link = pair().await;
    let _a = rig.join_as(AgentIdentity::new("tenant", "a"), link).await;
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    let groups = BTreeSet::from(["group".to_owned()]);
    assert!(rig.hub.regroup("tenant", "a", groups));
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    assert!(rig.hub.regroup("tenant", "a", BTreeSet::new()));
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    assert!(!rig.hub.regroup("tenant", "unknown", BTreeSet::new()));
}

pub async fn without_an_agent_there_is_no_answer(pair: Pair<'_>) {
    let rig = Rig::new();
    assert_eq!(rig.text("/name").await, Err(LinkError::NoAgent));
    // Who waits for the last agent is told when it leaves.
    let mut rig = rig;
    rig.options.capacity = 1;
    let a = rig.join(pair, "a").await;
    let mut first = Box::pin(rig.text("/gate"));
    assert!(futures::poll!(&mut first).is_pending());
    eventually("it is at work", || rig.counts.handled() == 1).await;
    let mut second = Box::pin(rig.text("/name"));
    assert!(futures::poll!(&mut second).is_pending());
    a.service.abort();
    assert_eq!(first.await, Err(LinkError::Lost));
    assert_eq!(second.await, Err(LinkError::NoAgent));
}

#[derive(Default)]
struct Elsewhere {
    present: Mutex<Vec<(String, usize)>>,
}

#[async_trait]
impl Backplane for Elsewhere {
    async fn request(
        &self,
        group: &GroupKey,
        request: http::Request<Bytes>,
        _: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        let said = format!("{} of {} elsewhere", request.uri(), group.group);
        let said = stream::iter([Ok(Bytes::from(said))]).boxed();
        Ok(http::Response::new(Answer::from_stream(said)))
    }

    fn present(&self, group: &GroupKey, agents: usize) {
        self.present.lock().unwrap().push((group.group.clone(), agents));
    }
}

pub async fn the_backplane_is_asked_when_nobody_is_here(pair: Pair<'_>) {
    let elsewhere = Arc::new(Elsewhere::default());
    let backplane = Some(Arc::clone(&elsewhere) as Arc<dyn Backplane>);
    let rig = Rig::with(HubOptions { backplane, ..HubOptions::default() });
    assert_eq!(rig.text("/name").await.unwrap(), "/name of group elsewhere");
    let a = rig.join_as(identity("a").in_group("more"), pair().await).await;
    assert_eq!(rig.text("/name").await.unwrap(), "a");
    a.control.drain();
    super::help::ended(a.service).await;
    assert_eq!(rig.text("/name").await.unwrap(), "/name of group elsewhere");
    let request = http::Request::get("/name").body(Bytes::new()).unwrap();
    let here = rig.hub.request_here(&group(), request, RequestOptions::default()).await;
    assert_eq!(here.map(drop), Err(LinkError::NoAgent));
    let present = elsewhere.present.lock().unwrap().clone();
    let first: Vec<_> = present.iter().take(2).map(|(g, n)| (g.as_str(), *n)).collect();
    assert_eq!(first, [("group", 1), ("more", 1)]);
    assert!(present.iter().skip(2).all(|(_, agents)| *agents == 0), "{present:?}");
}
