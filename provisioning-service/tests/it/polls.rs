//! The long poll: where no WebSocket gets through, requests are answered all the same.

use std::sync::Arc;

use http::{Method, StatusCode};
use scim_provisioning_service::tokens::Role;
use scim_sync_link::gateway::{LinkKind, path};
use scim_sync_link::long_poll::{self, HEADER_BATCH, HEADER_PROTOCOL, HEADER_SESSION};
use scim_sync_link::websocket::{ClientIdentity, Dial, DialError, Roots, client_tls};
use scim_sync_link::{Agent, Connection, Control, EndCode, Ended};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::proxy::{Pass, Proxy};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use url::Url;

use crate::channel::{Echo, ask};
use crate::harness::{Identity, Service, acme, until};

async fn serve(service: &Service, agent: &Identity, connection: Connection) -> JoinHandle<Ended> {
    let go = Arc::new(Notify::new());
    let ended =
        tokio::spawn(async move { Agent::new(Echo(go)).serve(connection, &Control::new()).await });
    until("the agent is connected", async || {
        service.app.hub.connected("acme").iter().any(|status| status.agent == agent.id)
    })
    .await;
    ended
}

fn dial(service: &Service, agent: &Identity, url: &str, credential: &SecretString) -> Dial {
    let authority = service.app.agents.authority().pem();
    let own = ClientIdentity {
        certificate_pem: agent.certificate.clone(),
        key_pem: agent.key.serialize_pem().into(),
    };
    let tls = client_tls(Roots::Pem(authority), Some(&own)).unwrap();
    Dial::new(Url::parse(url).unwrap(), tls).with_credential(credential.clone())
}

#[tokio::test]
async fn through_a_proxy_that_refuses_upgrades() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&["g"]).await;
    let words = service.words();
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    let request = crate::harness::request(Method::POST, path::BOOTSTRAP, Some(&proof), &words);
    let (_, told) = service.send(None, request).await.unwrap();
    assert_eq!(told["links"][1]["kind"], "long-poll");
    assert_eq!(told["links"][1]["url"], "https://sync.example.com/agent/poll");
    let credential: SecretString = told["credential"].as_str().unwrap().into();

    let proxy = Proxy::start(service.address, &format!("http://{}", service.address));
    proxy.decide(|seen| match (seen.target.as_str(), seen.number % 5) {
        (path::CHANNEL, _) => Pass::Answer(403, None),
        // And it is in a bad mood besides.
        (_, 3) => Pass::LoseAnswer,
        _ => Pass::Through,
    });
    let at = |path: &str| format!("{}{path}", proxy.url());
    let channel = at(path::CHANNEL).replacen("http", "ws", 1);
    let refused = dial(&service, &agent, &channel, &credential).connect().await.unwrap_err();
    assert!(matches!(refused, DialError::Refused { status: StatusCode::FORBIDDEN, .. }));
    let poll = dial(&service, &agent, &at(path::POLL), &credential);
    let connection = long_poll::connect(&poll, &Control::new()).await.unwrap();
    let ended = serve(&service, &agent, connection).await;
    for number in 0..20 {
        let path = format!("/{number}");
        let answer = ask(&service, "g", &path).await.unwrap();
        assert_eq!(answer, format!("you asked for {path}"));
    }
    assert_eq!(service.app.hub.connected("acme")[0].transport, "long-poll");
    assert_eq!(service.app.hub.connected("acme")[0].served, 20, "each was asked once");

    let admin = service.token(&acme(), Role::Admin).await;
    let place = format!("/api/agents/{}/revoke", agent.id);
    service.admin(&admin, Method::POST, &place, json!(null)).await;
    let ended = ended.await.unwrap();
    assert_eq!((ended.code, ended.by_peer), (EndCode::Revoked, true), "{ended}");
    // Whoever opens a link asks once: this answer arrives.
    proxy.decide(|_| Pass::Through);
    let again = long_poll::connect(&poll, &Control::new()).await.unwrap_err();
    assert!(matches!(again, DialError::Refused { status: StatusCode::FORBIDDEN, .. }), "{again}");
}

#[tokio::test]
async fn with_certificates_a_session_is_its_agents_alone() {
    let service = Service::start().await;
    let (agent, other) = (service.enrol(&["g"]).await, service.enrol(&["g"]).await);
    let told = service.bootstrap(&agent).await;
    let kinds: Vec<_> = told.links.iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [LinkKind::WebSocket, LinkKind::LongPoll]);
    let poll = dial(&service, &agent, &told.links[1].url, &told.credential);
    let connection = long_poll::connect(&poll, &Control::new()).await.unwrap();
    let ended = serve(&service, &agent, connection).await;
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");

    // Neither the credential without the certificate nor another agent with both gets into it.
    let of_other = service.bootstrap(&other).await.credential;
    let refused = dial(&service, &other, &told.links[1].url, &told.credential);
    let refused = long_poll::connect(&refused, &Control::new()).await.unwrap_err();
    assert!(matches!(refused, DialError::Refused { status: StatusCode::UNAUTHORIZED, .. }));
    let open = request(path::POLL, &told.credential, &[(HEADER_PROTOCOL, "sync-link.1")]);
    let (status, _) = service.send(None, open).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for (target, headers) in [
        (path::POLL.to_owned(), [(HEADER_SESSION, "unknown"), (HEADER_BATCH, "0")]),
        (path::RESULT.replace("{id}", "unknown"), [(HEADER_SESSION, "-"), (HEADER_BATCH, "1")]),
    ] {
        let foreign = request(&target, &of_other, &headers);
        let (status, problem) = service.send(Some(&other), foreign).await.unwrap();
        assert_eq!((status, &problem["detail"]), (StatusCode::GONE, &json!("the session is over")));
    }
    assert_eq!(ask(&service, "g", "/x").await.unwrap(), "you asked for /x");
    ended.abort();
}

fn request(
    target: &str,
    credential: &SecretString,
    headers: &[(&'static str, &str)],
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    use secrecy::ExposeSecret as _;
    let bearer = format!("Bearer {}", credential.expose_secret());
    let mut request =
        crate::harness::request(Method::POST, target, Some(&bearer), &Value::String(String::new()));
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}
