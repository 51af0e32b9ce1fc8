//! The whole line: a code, a certificate, a bootstrap, a WebSocket, and a request that is answered through it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use futures::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::job::Sources as _;
use scim_provisioning_service::link::HubSources;
use scim_provisioning_service::tokens::Role;
use scim_sync_link::gateway::path;
use scim_sync_link::{
    Agent, Body, Connection, Control, EndCode, Ended, GroupKey, Handler, LinkError, RequestContext,
    RequestOptions, TransportError,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{client_async, tungstenite};

use crate::harness::{Identity, Service, acme, until};

/// Answers at once, or, under `/slow`, when it is let.
pub(crate) struct Echo(pub(crate) Arc<Notify>);

#[async_trait]
impl Handler for Echo {
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        _: RequestContext,
    ) -> http::Response<Body> {
        if request.uri().path() == "/slow" {
            self.0.notified().await;
        }
        http::Response::new(Body::from(format!("you asked for {}", request.uri().path())))
    }
}

pub(crate) struct Linked {
    pub(crate) control: Control,
    go: Arc<Notify>,
    pub(crate) ended: JoinHandle<Ended>,
}

/// Opens the WebSocket; the status and the problem where that is refused.
async fn upgrade(
    service: &Service,
    identity: Option<&Identity>,
    credential: Option<&str>,
    protocol: Option<&str>,
) -> Result<Connection, StatusCode> {
    let socket = service.connect(identity).await.unwrap();
    let uri = format!("wss://{}{}", service.address, path::CHANNEL).parse().unwrap();
    let mut request = ClientRequestBuilder::new(uri);
    if let Some(credential) = credential {
        request = request.with_header("Authorization", format!("Bearer {credential}"));
    }
    if let Some(protocol) = protocol {
        request = request.with_sub_protocol(protocol);
    }
    match client_async(request, socket).await {
        Ok((socket, _)) => {
            let (sending, receiving) = socket.split();
            let outgoing = sending.sink_map_err(TransportError::new).with(|bytes: Bytes| {
                std::future::ready(Ok::<_, TransportError>(Message::Binary(bytes)))
            });
            let incoming = receiving.filter_map(|message| {
                std::future::ready(match message {
                    Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
                    Ok(_) => None,
                    Err(error) => Some(Err(TransportError::new(error))),
                })
            });
            Ok(Connection::new("websocket", outgoing, incoming))
        }
        Err(tungstenite::Error::Http(answer)) => Err(answer.status()),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn link(service: &Service, identity: &Identity) -> Linked {
    let told = service.bootstrap(identity).await;
    link_with(service, identity, &told.credential).await
}

async fn link_with(service: &Service, identity: &Identity, credential: &SecretString) -> Linked {
    let credential = Some(credential.expose_secret());
    let connection =
        upgrade(service, Some(identity), credential, Some("sync-link.1")).await.unwrap();
    let (control, go) = (Control::new(), Arc::new(Notify::new()));
    let ended = tokio::spawn({
        let (control, go) = (control.clone(), Arc::clone(&go));
        async move { Agent::new(Echo(go)).serve(connection, &control).await }
    });
    until("the agent is connected", async || {
        service.app.hub.connected("acme").iter().any(|status| status.agent == identity.id)
    })
    .await;
    Linked { control, go, ended }
}

pub(crate) async fn ask(service: &Service, group: &str, path: &str) -> Result<Bytes, LinkError> {
    let request = http::Request::get(path).body(Bytes::new()).unwrap();
    let group = GroupKey::new("acme", group);
    let answer = service.app.hub.request(&group, request, RequestOptions::default()).await?;
    answer.into_body().collect(1 << 20).await
}

#[tokio::test]
async fn from_a_code_to_an_answer_through_the_hub() {
    let service = Service::start().await;
    let agent = service.enrol(&["corp.example.com"]).await;
    let linked = link(&service, &agent).await;
    assert_eq!(ask(&service, "corp.example.com", "/x").await.unwrap(), "you asked for /x");
    assert_eq!(ask(&service, "other", "/x").await.unwrap_err(), LinkError::NoAgent);

    // As a job has it.
    let relay = HubSources::new(service.app.hub.clone(), Duration::from_secs(600))
        .relay(&acme(), "corp.example.com");
    let request = http::Request::get("/y").body(Bytes::new()).unwrap();
    let answer = relay.send(request, Duration::from_secs(10)).await.unwrap();
    let body: Vec<Bytes> = answer.into_body().map(|piece| piece.unwrap()).collect().await;
    assert_eq!(body.concat(), b"you asked for /y");

    let reader = service.token(&acme(), Role::Reader).await;
    let (_, shown) = service
        .admin(&reader, Method::GET, &format!("/api/agents/{}", agent.id), json!(null))
        .await;
    assert_eq!((&shown["connected"], &shown["requestsServed"]), (&json!(true), &json!(2)));

    linked.control.drain();
    assert_eq!(linked.ended.await.unwrap().code, EndCode::Drained);
    until("the agent is gone", async || service.app.hub.connected("acme").is_empty()).await;
    let relay = HubSources::new(service.app.hub.clone(), Duration::from_secs(600))
        .relay(&acme(), "corp.example.com");
    let request = http::Request::get("/y").body(Bytes::new()).unwrap();
    assert!(relay.send(request, Duration::from_secs(10)).await.is_err());
}

#[tokio::test]
async fn behind_a_proxy_the_credential_opens_the_link() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&["g"]).await;
    let words = service.words();
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    let request = crate::harness::request(Method::POST, path::BOOTSTRAP, Some(&proof), &words);
    let (_, told) = service.send(None, request).await.unwrap();
    assert_eq!(told["links"][0]["url"], "wss://sync.example.com/agent/channel");
    let credential: SecretString = told["credential"].as_str().unwrap().into();
    link_with(&service, &agent, &credential).await;
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");
}

#[tokio::test]
async fn a_link_needs_certificate_credential_and_protocol_of_one_agent() {
    let service = Service::start().await;
    let (agent, other) = (service.enrol(&[]).await, service.enrol(&[]).await);
    let credential = service.bootstrap(&agent).await.credential;
    let good = Some(credential.expose_secret());
    let admin = service.token(&acme(), Role::Admin).await;
    let protocol = Some("sync-link.1");
    for (who, credential, protocol, expected) in [
        (Some(&agent), None, protocol, StatusCode::UNAUTHORIZED),
        (Some(&agent), Some("x"), protocol, StatusCode::UNAUTHORIZED),
        (Some(&agent), Some(admin.as_str()), protocol, StatusCode::UNAUTHORIZED),
        (None, good, protocol, StatusCode::UNAUTHORIZED),
        (Some(&other), good, protocol, StatusCode::UNAUTHORIZED),
        (Some(&agent), good, None, StatusCode::BAD_REQUEST),
        (Some(&agent), good, Some("sync-link.9"), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(upgrade(&service, who, credential, protocol).await.unwrap_err(), expected);
    }
    service.clock.advance(TimeDelta::minutes(20));
    let late = upgrade(&service, Some(&agent), good, protocol).await;
    assert_eq!(late.unwrap_err(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revoked_agent_loses_its_link() {
    let service = Service::start().await;
    let (agent, other) = (service.enrol(&["g"]).await, service.enrol(&["g"]).await);
    let credential = service.bootstrap(&agent).await.credential;
    let linked = link_with(&service, &agent, &credential).await;
    let kept = link(&service, &other).await;
    let admin = service.token(&acme(), Role::Admin).await;
    let place = format!("/api/agents/{}/revoke", agent.id);
    service.admin(&admin, Method::POST, &place, json!(null)).await;
    let ended = linked.ended.await.unwrap();
    assert_eq!((ended.code, ended.by_peer), (EndCode::Revoked, true), "{ended}");
    let again =
        upgrade(&service, Some(&agent), Some(credential.expose_secret()), Some("sync-link.1"))
            .await;
    assert_eq!(again.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");

    // By another process, which the service notices when it looks again.
    service.app.agents.revoke(&Actor::Program, &acme(), &other.id).await.unwrap();
    assert_eq!(kept.ended.await.unwrap().code, EndCode::Revoked);
    assert_eq!(ask(&service, "g", "/x").await.unwrap_err(), LinkError::NoAgent);
}

#[tokio::test]
async fn a_certificate_is_renewed_while_a_request_is_under_way() {
    let service = Service::start().await;
    let first = service.enrol(&["g"]).await;
    let linked = link(&service, &first).await;
    let slow = ask(&service, "g", "/slow");
    let renewing = async {
        until("the request is under way", async || {
            service.app.hub.connected("acme").iter().any(|status| status.in_flight == 1)
        })
        .await;
        let second = service.renew(&first).await;
        let told = service.bootstrap(&second).await;
        linked.control.renew(told.credential);
        let (status, _) =
            service.post(Some(&first), path::BOOTSTRAP, service.words()).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        linked.go.notify_one();
        second
    };
    let (answer, second) = futures::join!(slow, renewing);
    assert_eq!(answer.unwrap(), "you asked for /slow");
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");
    // The new certificate takes the place of the old link.
    let newer = link(&service, &second).await;
    assert_eq!(linked.ended.await.unwrap().code, EndCode::Replaced);
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");
    newer.ended.abort();
}

#[tokio::test]
async fn a_foreign_credential_over_a_link_ends_it() {
    let service = Service::start().await;
    let (agent, other) = (service.enrol(&["g"]).await, service.enrol(&["g"]).await);
    let linked = link(&service, &agent).await;
    linked.control.renew(service.bootstrap(&other).await.credential);
    let ended = linked.ended.await.unwrap();
    assert_eq!(ended.code, EndCode::Expired, "{ended}");
    assert!(ended.reason.contains("another agent"), "{ended}");
}

#[tokio::test]
async fn a_connected_agent_answers_for_its_new_groups_at_once() {
    let service = Service::start().await;
    let agent = service.enrol(&["g"]).await;
    let _linked = link(&service, &agent).await;
    let operator = service.token(&acme(), Role::Operator).await;
    service.admin(&operator, Method::PUT, "/api/groups/h", json!({})).await;
    let member = format!("/api/groups/h/agents/{}", agent.id);
    service.admin(&operator, Method::PUT, &member, json!({})).await;
    assert_eq!(ask(&service, "h", "/x").await.unwrap(), "you asked for /x");
    service.admin(&operator, Method::DELETE, &member, json!({})).await;
    assert_eq!(ask(&service, "h", "/x").await.unwrap_err(), LinkError::NoAgent);
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");
}
