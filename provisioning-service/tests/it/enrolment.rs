//! Codes: good once, for a time, and only where the authority is the one that the code names.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use scim_provisioning_service::tokens::Role;
use scim_sync_link::gateway::{EnrolmentCode, Fingerprint, path};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::harness::{Service, acme, csr, enrolment};

#[tokio::test]
async fn a_code_is_good_for_one_agent() {
    let service = Service::start().await;
    let code = service.code(&["corp.example.com"]).await;
    let agent = service.enrol_with(&code, KeyPair::generate().unwrap()).await.unwrap();
    assert_eq!(agent.tenant, "acme");
    let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
    assert!(kept.groups.contains("corp.example.com"));

    let again = service.enrol_with(&code, KeyPair::generate().unwrap()).await;
    let (status, answer) = again.err().unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(answer["detail"].as_str().unwrap().contains("used already"), "{answer}");
    assert_eq!(answer["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
}

#[tokio::test]
async fn of_many_that_come_with_one_code_one_gets_in() {
    let service = Service::start().await;
    let code = service.code(&[]).await;
    let tries = (0..6).map(|_| service.enrol_with(&code, KeyPair::generate().unwrap()));
    let results = futures::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(service.app.agents.list(&acme()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn expired_unknown_and_mistyped_codes_are_told_apart() {
    let service = Service::start().await;
    let expired = service.code(&[]).await;
    service.clock.advance(TimeDelta::minutes(30));
    let unknown = EnrolmentCode::new(service.fingerprint(), [1; 15]).text();
    let good = service.code(&[]).await;
    let mistyped: SecretString = good.expose_secret().replacen(|c: char| c != '-', "0", 3).into();
    for (code, status, detail) in [
        (&expired, StatusCode::UNAUTHORIZED, "expired"),
        (&unknown, StatusCode::UNAUTHORIZED, "not known"),
        (&mistyped, StatusCode::BAD_REQUEST, "mistyped"),
        (&SecretString::from("x"), StatusCode::BAD_REQUEST, "13 groups"),
    ] {
        let refused = service.enrol_with(code, KeyPair::generate().unwrap()).await;
        let (found, answer) = refused.err().unwrap();
        assert_eq!(found, status, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(detail), "{answer}");
        assert!(!answer.to_string().contains(code.expose_secret()) || code.expose_secret() == "x");
    }
    assert!(service.app.agents.list(&acme()).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_guesses_codes_is_made_to_wait() {
    let service = Service::start().await;
    let unknown = EnrolmentCode::new(service.fingerprint(), [1; 15]).text();
    let good = service.code(&[]).await;
    let request = csr(&KeyPair::generate().unwrap());
    for _ in 0..10 {
        let body = enrolment(unknown.expose_secret(), &request);
        let (status, _) = service.post(None, path::ENROLL, body).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let body = enrolment(unknown.expose_secret(), &request);
    let (status, _) = service.post(None, path::ENROLL, body).await.unwrap();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    // Others may have the same address: a good code is taken.
    let body = enrolment(good.expose_secret(), &request);
    let (status, answer) = service.post(None, path::ENROLL, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn a_request_that_cannot_be_signed_leaves_the_code_good() {
    let service = Service::start().await;
    let code = service.code(&[]).await;
    let other_curve = csr(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    let good = csr(&KeyPair::generate().unwrap());
    let mut broken = good.clone();
    // Somewhere in the signature, at the end.
    let at = broken.len() - 40;
    let swapped = if broken.as_bytes()[at] == b'A' { "B" } else { "A" };
    broken.replace_range(at..=at, swapped);
    for (csr, name) in [(other_curve.as_str(), "dc1"), (&broken, "dc1"), ("", "dc1"), (&good, "")] {
        let mut body = enrolment(code.expose_secret(), csr);
        body["agentName"] = json!(name);
        let (status, answer) = service.post(None, path::ENROLL, body).await.unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    for body in [json!({}), json!([]), json!({"code": 5})] {
        let (status, _) = service.post(None, path::ENROLL, body).await.unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    assert!(service.enrol_with(&code, KeyPair::generate().unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_agent_finds_the_authority_that_its_code_names_or_none() {
    let service = Service::start().await;
    let code = EnrolmentCode::try_from(&service.code(&[]).await).unwrap();
    assert!(service.connect_pinned(code.fingerprint(), None).await.is_ok());
    let other = Fingerprint::of(b"another authority");
    let error = service.connect_pinned(other, None).await.err().unwrap();
    assert!(error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn administrators_make_codes_and_take_them_back() {
    let service = Service::start().await;
    let admin = service.token(&acme(), Role::Admin).await;
    let body = json!({"groups": ["corp.example.com"], "note": "dc1", "lifetimeSeconds": 60});
    let (status, made) = service.admin(&admin, Method::POST, "/api/codes", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let code: SecretString = made["code"].as_str().unwrap().into();
    let (_, listed) = service.admin(&admin, Method::GET, "/api/codes", json!(null)).await;
    assert_eq!(listed["codes"][0]["id"], made["id"]);
    assert_eq!(listed["codes"][0]["note"], "dc1");
    assert!(!listed.to_string().contains(code.expose_secret()));

    let place = format!("/api/codes/{}", made["id"].as_str().unwrap());
    let (status, _) = service.admin(&admin, Method::DELETE, &place, json!(null)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let refused = service.enrol_with(&code, KeyPair::generate().unwrap()).await;
    assert_eq!(refused.err().unwrap().0, StatusCode::UNAUTHORIZED);

    for wrong in [
        json!({"groups": ["a/b"]}),
        json!({"lifetimeSeconds": 0}),
        json!({"lifetimeSeconds": 999_999}),
        json!({"x": 1}),
    ] {
        let (status, _) = service.admin(&admin, Method::POST, "/api/codes", wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (_, log) = service.admin(&admin, Method::GET, "/api/audit", json!(null)).await;
    let actions: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["code.delete", "code.create"]);
    assert!(!log.to_string().contains(code.expose_secret()));
}
