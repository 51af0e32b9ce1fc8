//! Certificates: whose, until when, and what takes them away.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use scim_provisioning_service::agents::AgentState;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::tokens::Role;
use scim_sync_link::gateway::path;
use serde_json::{Value, json};

use crate::harness::{Identity, Service, acme, csr};

fn detail(answer: &Value) -> &str {
    answer["detail"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_bootstrap_tells_where_to_connect_and_for_how_long() {
    let service = Service::start().await;
    let agent = service.enrol(&["corp.example.com"]).await;
    let told = service.bootstrap(&agent).await;
    assert_eq!(told.links[0].url, format!("wss://{}/agent/channel", service.address));
    assert_eq!(told.groups, ["corp.example.com"]);
    assert_eq!(told.credential_expires, service.clock.now() + TimeDelta::minutes(20));
    assert_eq!((told.poll_seconds, told.renew), (600, false));
    assert_eq!(told.service_time, service.clock.now());
    let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
    assert_eq!(kept.last_bootstrap, Some(service.clock.now()));
    assert_eq!(kept.directories, ["corp.example.com"]);
}

#[tokio::test]
async fn without_a_certificate_or_with_a_foreign_one_there_is_no_bootstrap() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    let (status, answer) = service.post(None, path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");

    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
    let foreign = Identity { key, certificate, id: agent.id.clone(), tenant: agent.tenant.clone() };
    assert!(service.post(Some(&foreign), path::BOOTSTRAP, service.words()).await.is_err());
}

#[tokio::test]
async fn a_certificate_of_another_tenant_does_not_fit() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    // Even one of the same authority: the agent is one of acme's and of nobody else's.
    let globex = TenantId::new("globex").unwrap();
    let key = KeyPair::generate().unwrap();
    let now = service.clock.now();
    let authority = service.app.agents.authority();
    let issued =
        authority.sign_agent(&csr(&key), &globex, &agent.id, TimeDelta::days(1), now).unwrap();
    let other = Identity {
        key,
        certificate: issued.pem,
        id: agent.id.clone(),
        tenant: "globex".to_owned(),
    };
    let (status, answer) =
        service.post(Some(&other), path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    // Nor does one of acme that was never given to this agent.
    let key = KeyPair::generate().unwrap();
    let issued =
        authority.sign_agent(&csr(&key), &acme(), &agent.id, TimeDelta::days(1), now).unwrap();
    let other =
        Identity { key, certificate: issued.pem, id: agent.id.clone(), tenant: "acme".to_owned() };
    let (status, answer) =
        service.post(Some(&other), path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
    assert_eq!(kept.last_bootstrap, None);
}

#[tokio::test]
async fn a_revoked_agent_gets_nothing() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    let admin = service.token(&acme(), Role::Admin).await;
    let place = format!("/api/agents/{}/revoke", agent.id);
    for _ in 0..2 {
        let (status, _) = service.admin(&admin, Method::POST, &place, json!(null)).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    for (path, body) in [
        (path::BOOTSTRAP, service.words()),
        (path::RENEW, json!({"csrPem": csr(&KeyPair::generate().unwrap())})),
    ] {
        let (status, answer) = service.post(Some(&agent), path, body).await.unwrap();
        assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
        assert!(detail(&answer).contains("revoked"), "{answer}");
    }
    let (_, shown) =
        service.admin(&admin, Method::GET, &format!("/api/agents/{}", agent.id), json!(null)).await;
    assert_eq!(shown["state"], "revoked");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    service.days(89);
    assert!(service.bootstrap(&agent).await.renew);
    service.days(1);
    // In its last second it is let through by TLS, and refused here.
    let (status, answer) =
        service.post(Some(&agent), path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail(&answer).contains("expired"), "{answer}");
    service.clock.advance(TimeDelta::seconds(1));
    assert!(service.post(Some(&agent), path::BOOTSTRAP, service.words()).await.is_err());
    // It is forgotten when it has been silent for long enough.
    service.days(8);
    service.app.agents.forget().await.unwrap();
    assert!(service.app.agents.find(&acme(), &agent.id).await.unwrap().is_some());
    service.days(2);
    assert_eq!(service.app.agents.forget().await.unwrap(), 1);
    assert!(service.app.agents.find(&acme(), &agent.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_wrong_clock_of_an_agent_is_told_and_harms_nothing() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    for hours in [-26_i64, 26] {
        let mut words = service.words();
        words["clock"] = json!(service.clock.now() + TimeDelta::hours(hours));
        let (status, answer) = service.post(Some(&agent), path::BOOTSTRAP, words).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
        assert_eq!(kept.clock_ahead, hours * 3600);
        assert_eq!(kept.last_bootstrap, Some(service.clock.now()));
    }
}

#[tokio::test]
async fn a_renewed_certificate_replaces_the_old_one_when_it_is_used() {
    let service = Service::start().await;
    let first = service.enrol(&[]).await;
    service.days(61);
    assert!(service.bootstrap(&first).await.renew);
    let same = json!({"csrPem": csr(&first.key)});
    let (status, answer) = service.post(Some(&first), path::RENEW, same).await.unwrap();
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");

    let lost = service.renew(&first).await;
    let second = service.renew(&first).await;
    // The answer with the first of the two got lost: only the last one counts.
    let (status, _) = service.post(Some(&lost), path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // Until the new one is used, the old one is good.
    service.bootstrap(&first).await;
    assert!(!service.bootstrap(&second).await.renew);
    let (status, answer) =
        service.post(Some(&first), path::BOOTSTRAP, service.words()).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail(&answer).contains("not known"), "{answer}");
    let (status, _) = service
        .post(Some(&first), path::RENEW, json!({"csrPem": csr(&KeyPair::generate().unwrap())}))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    service.bootstrap(&second).await;
}

#[tokio::test]
async fn a_silent_agent_is_listed_no_more_and_may_come_back() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    service.bootstrap(&agent).await;
    let reader = service.token(&acme(), Role::Reader).await;
    let state = async || {
        let (_, list) = service.admin(&reader, Method::GET, "/api/agents", json!(null)).await;
        list["agents"].as_array().unwrap().first().map(|agent| agent["state"].clone())
    };
    assert_eq!(state().await, Some(json!("active")));
    service.clock.advance(TimeDelta::hours(1));
    assert_eq!(state().await, Some(json!("inactive")));
    service.days(10);
    assert_eq!(state().await, None);
    let lifetimes = service.app.agents.lifetimes();
    let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
    assert_eq!(kept.state(service.clock.now(), &lifetimes), AgentState::Removed);
    service.bootstrap(&agent).await;
    assert_eq!(state().await, Some(json!("active")));
    let (_, log) = service.admin(&reader, Method::GET, "/api/audit", json!(null)).await;
    assert_eq!(log["entries"][0]["action"], "agent.return");
}

#[tokio::test]
async fn an_agent_that_is_too_old_gets_no_work() {
    let service = Service::start().await;
    let agent = service.enrol(&[]).await;
    let mut words = service.words();
    words["version"] = json!("0.0.9");
    let (status, answer) = service.post(Some(&agent), path::BOOTSTRAP, words).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["links"], &answer["minimumVersion"]), (&json!([]), &json!("0.1.0")));
}

#[tokio::test]
async fn groups_have_agents_and_are_deleted_when_they_have_none() {
    let service = Service::start().await;
    let agent = service.enrol(&["a.example"]).await;
    let operator = service.token(&acme(), Role::Operator).await;
    let call = async |method: Method, path: &str| {
        service.admin(&operator, method, path, json!({"note": "x"})).await.0
    };
    let member = format!("/api/groups/b.example/agents/{}", agent.id);
    assert_eq!(call(Method::PUT, &member).await, StatusCode::NOT_FOUND);
    assert_eq!(call(Method::PUT, "/api/groups/b.example").await, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::PUT, &member).await, StatusCode::NO_CONTENT);
    assert_eq!(service.bootstrap(&agent).await.groups, ["a.example", "b.example"]);
    assert_eq!(service.bootstrap(&agent).await.config_version, 2);
    assert_eq!(call(Method::DELETE, "/api/groups/b.example").await, StatusCode::CONFLICT);
    assert_eq!(call(Method::DELETE, &member).await, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::DELETE, "/api/groups/b.example").await, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::DELETE, "/api/groups/b.example").await, StatusCode::NOT_FOUND);
    assert_eq!(call(Method::PUT, "/api/groups/b%20c").await, StatusCode::BAD_REQUEST);
    let actor = Actor::Program;
    assert!(
        service
            .app
            .agents
            .group_member(&actor, &acme(), "a.example", &agent.id, true)
            .await
            .is_ok_and(|changed| !changed)
    );
}
