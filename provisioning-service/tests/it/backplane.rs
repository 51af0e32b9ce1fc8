//! Two replicas of the service: whoever has the agent, each can ask it.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, StatusCode};
use scim_provisioning_service::job::Sources as _;
use scim_provisioning_service::link::HubSources;
use scim_provisioning_service::tokens::Role;
use scim_sync_link::LinkError;
use serde_json::json;

use crate::channel::{ask, link};
use crate::harness::{Service, acme, until};
use crate::page::client::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_one_replica_answers_the_jobs_of_the_other() {
    let nats = testkit::Nats::start();
    let [one, two] = Service::replicas(&nats.url()).await;
    let agent = one.enrol(&["g"]).await;
    let linked = link(&one, &agent).await;
    until("the other replica knows", async || !two.app.hub.everywhere("acme").is_empty()).await;
    assert!(two.app.hub.connected("acme").is_empty());
    assert_eq!(ask(&two, "g", "/x").await.unwrap(), "you asked for /x");
    assert_eq!(ask(&two, "h", "/x").await.unwrap_err(), LinkError::NoAgent);

    // As a job of the other replica has it.
    let relay = HubSources::new(two.app.hub.clone(), Duration::from_secs(3600)).relay(&acme(), "g");
    let request = http::Request::get("/y").body(Bytes::new()).unwrap();
    let answer = relay.send(request, Duration::from_secs(10)).await.unwrap();
    let body: Vec<Bytes> = answer.into_body().map(|piece| piece.unwrap()).collect().await;
    assert_eq!(body.concat(), b"you asked for /y");

    // An administrator sees the agent from either.
    let reader = two.token(&acme(), Role::Reader).await;
    for replica in [&one, &two] {
        let place = format!("/api/agents/{}", agent.id);
        let (_, shown) = replica.admin(&reader, Method::GET, &place, json!(null)).await;
        assert_eq!(shown["connected"], json!(true), "{shown}");
        let (page, _) = Client::signed_in(&replica.app, Role::Reader).await;
        page.get("/console/agents").await.expect(StatusCode::OK).shows(">Connected<");
    }

    // Revoked at the other replica, it is out here, too.
    let admin = two.token(&acme(), Role::Admin).await;
    let place = format!("/api/agents/{}/revoke", agent.id);
    two.admin(&admin, Method::POST, &place, json!(null)).await;
    linked.ended.await.unwrap();
    until("nobody is left", async || two.app.hub.everywhere("acme").is_empty()).await;
    assert_eq!(ask(&two, "g", "/x").await.unwrap_err(), LinkError::NoAgent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_start_without_nats_and_find_each_other_when_it_comes() {
    let mut nats = testkit::Nats::start();
    nats.stop();
    let [one, two] = Service::replicas(&nats.url()).await;
    let agent = one.enrol(&["g"]).await;
    let _linked = link(&one, &agent).await;
    assert_eq!(ask(&one, "g", "/x").await.unwrap(), "you asked for /x");
    assert_eq!(ask(&two, "g", "/x").await.unwrap_err(), LinkError::NoAgent);
    nats.start_again();
    until("the other replica knows", async || !two.app.hub.everywhere("acme").is_empty()).await;
    assert_eq!(ask(&two, "g", "/x").await.unwrap(), "you asked for /x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_moves_to_the_replica_that_is_left() {
    let nats = testkit::Nats::start();
    let [one, two] = Service::replicas(&nats.url()).await;
    let agent = one.enrol(&["g"]).await;
    let first = link(&one, &agent).await;
    until("the other replica knows", async || !two.app.hub.everywhere("acme").is_empty()).await;
    assert_eq!(ask(&two, "g", "/x").await.unwrap(), "you asked for /x");
    one.stop();
    one.app.hub.stop(Duration::ZERO).await;
    first.ended.await.unwrap();
    until("the other replica knows", async || two.app.hub.everywhere("acme").is_empty()).await;
    // The credential of one replica is good at each.
    let second = link(&two, &agent).await;
    assert_eq!(ask(&two, "g", "/x").await.unwrap(), "you asked for /x");
    second.control.drain();
    second.ended.await.unwrap();
}
