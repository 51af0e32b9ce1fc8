//! Members that a target refuses: which ones it is, and when to stop asking.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use proptest::prelude::*;
use scim_client::Client;
use scim_client::target::membership::{
    MemberId, MembershipPlan, MembershipReport, MembershipRequest,
};
use scim_client::testing::{Recorded, ScriptedTransport};

use crate::help::scripted;

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<MemberId> {
    numbers.into_iter().map(|n| format!("m{n:04}").into()).collect()
}

fn adds(members: &[MemberId]) -> MembershipRequest {
    MembershipRequest::Change { add: members.to_vec(), remove: Vec::new() }
}

/// A target whose group is there, and that answers a change of its members with this status.
fn target(
    status: impl Fn(&Recorded) -> u16 + Clone + Send + 'static,
) -> (Client, ScriptedTransport) {
    let (client, script) = scripted();
    for _ in 0..5_000 {
        let status = status.clone();
        script.respond(move |request| {
            let get = request.method == "GET";
            let body = if get { r#"{"id":"g","displayName":"g"}"# } else { "" };
            let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
            let status = if get { 200 } else { status(request) };
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(answer)
        });
    }
    (client, script)
}

/// A target that refuses these members.
fn refusing(bad: &[MemberId]) -> (Client, ScriptedTransport) {
    let bad: Vec<String> = bad.iter().map(|id| id.as_str().to_owned()).collect();
    target(move |request| {
        let body = request.json().to_string();
        if bad.iter().any(|id| body.contains(id)) { 400 } else { 204 }
    })
}

async fn apply(client: &Client, requests: Vec<MembershipRequest>) -> MembershipReport {
    client.membership("g").apply(&MembershipPlan { requests }).await
}

#[tokio::test]
async fn what_is_refused_for_everyone_is_given_up_soon() {
    let members = ids(0..1_000);
    for status in [400, 404, 409, 413, 422] {
        let (client, _) = target(move |_| status);
        let report = apply(&client, vec![adds(&members)]).await;
        let error = report.stopped.as_ref().unwrap();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(report.added.is_empty() && !report.is_done());
        assert!(report.requests <= 30, "{status}: {}", report.requests);
    }
    for status in [401, 403, 412, 501] {
        let (client, script) = target(move |_| status);
        let report = apply(&client, vec![adds(&members)]).await;
        assert!(report.stopped.is_some() && report.failed.is_empty());
        assert_eq!(script.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_group_that_is_full_is_given_up_soon() {
    let members = ids(0..1_000);
    let full = members[300..].to_vec();
    let (client, script) = refusing(&full);
    let report = apply(&client, members.chunks(100).map(adds).collect()).await;
    assert_eq!(report.added, members[..300].iter().cloned().collect());
    assert!(report.stopped.is_some());
    assert!(script.requests().len() <= 3 + 30, "{}", script.requests().len());
}

#[tokio::test]
async fn many_refused_members_in_a_row_do_not_hold_up_the_others() {
    let members = ids(0..1_000);
    let (client, script) = refusing(&members[..60]);
    let report = apply(&client, vec![adds(&members)]).await;
    assert!(report.stopped.is_none(), "{:?}", report.stopped);
    assert_eq!(report.failed.keys().cloned().collect::<Vec<_>>(), members[..60]);
    assert_eq!(report.added, members[60..].iter().cloned().collect());
    assert!(script.requests().len() <= 200, "{}", script.requests().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Against the set that the target refuses: nobody is told to be what they are not, none is left out untold, and
    /// the requests are bounded.
    #[test]
    fn the_refused_are_found(
        count in 1_usize..120,
        bad in proptest::collection::btree_set(0_usize..120, 0..60),
        removed in any::<bool>(),
    ) {
        let members = ids(0..count);
        let bad = ids(bad.into_iter().filter(|n| *n < count));
        let (client, script) = refusing(&bad);
        let request = match removed {
            true => MembershipRequest::Change { add: Vec::new(), remove: members.clone() },
            false => adds(&members),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(apply(&client, vec![request]));
        let bad: BTreeSet<MemberId> = bad.into_iter().collect();
        let done = if removed { &report.removed } else { &report.added };
        let failed: BTreeSet<MemberId> = report.failed.keys().cloned().collect();
        prop_assert!(done.is_disjoint(&bad) && failed.is_subset(&bad));
        if report.stopped.is_none() {
            prop_assert_eq!(done.len() + failed.len(), count);
        }
        if bad.len() <= 4 {
            prop_assert!(report.stopped.is_none(), "few of them do not stop it");
        }
        prop_assert!(script.requests().len() <= 2 * count, "{} for {}", script.requests().len(), count);
    }
}
