//! Where a proxy ends TLS: a signature in place of the client certificate.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use scim_sync_link::gateway::path;
use serde_json::{Value, json};

use crate::harness::{Identity, Service, acme, csr, request};

async fn send(service: &Service, path: &str, proof: &str, body: &Value) -> (StatusCode, String) {
    let (status, answer) =
        service.send(None, request(Method::POST, path, Some(proof), body)).await.unwrap();
    (status, answer["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_signed_request_is_as_good_as_a_certificate() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&[]).await;
    let words = service.words();
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    let (status, detail) = send(&service, path::BOOTSTRAP, &proof, &words).await;
    assert_eq!(status, StatusCode::OK, "{detail}");
    let next = KeyPair::generate().unwrap();
    let body = json!({"csrPem": csr(&next)});
    let proof = service.proof(&agent, path::RENEW, &body).await;
    assert_eq!(send(&service, path::RENEW, &proof, &body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&[]).await;
    let words = service.words();
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    assert_eq!(send(&service, path::BOOTSTRAP, &proof, &words).await.0, StatusCode::OK);
    let (status, detail) = send(&service, path::BOOTSTRAP, &proof, &words).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail.contains("used already"), "{detail}");

    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    let tries = (0..5).map(|_| send(&service, path::BOOTSTRAP, &proof, &words));
    let results = futures::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|(status, _)| *status == StatusCode::OK).count(), 1);
}

#[tokio::test]
async fn a_proof_is_for_its_request_and_its_time_only() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&[]).await;
    let words = service.words();
    let mut other = words.clone();
    other["hostname"] = json!("dc2");
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    for (path, body) in [(path::BOOTSTRAP, &other), (path::RENEW, &words)] {
        let (status, detail) = send(&service, path, &proof, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(detail.contains("another request"), "{detail}");
    }
    // It was not used up by that.
    service.clock.advance(TimeDelta::seconds(60));
    let (status, detail) = send(&service, path::BOOTSTRAP, &proof, &words).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail.contains("nonce") && detail.contains("expired"), "{detail}");

    let made_up = service.signed(&agent, "AQIDBA==", path::BOOTSTRAP, &words);
    let (status, detail) = send(&service, path::BOOTSTRAP, &made_up, &words).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail.contains("not one of this service"), "{detail}");
}

#[tokio::test]
async fn strangers_cannot_sign() {
    let service = Service::behind_proxy().await;
    let agent = service.enrol(&[]).await;
    let words = service.words();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::default().self_signed(&key).unwrap().pem();
    let identity = |key: KeyPair, certificate: String| Identity {
        key,
        certificate,
        id: agent.id.clone(),
        tenant: agent.tenant.clone(),
    };
    let stranger = identity(key, own);
    // The certificate of the agent, which is no secret, with another key.
    let thief = identity(KeyPair::generate().unwrap(), agent.certificate.clone());
    for (who, expected) in [(&stranger, "certificate"), (&thief, "signature")] {
        let proof = service.proof(who, path::BOOTSTRAP, &words).await;
        let (status, detail) = send(&service, path::BOOTSTRAP, &proof, &words).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(detail.contains(expected), "{detail}");
    }
    for junk in ["AgentProof", "AgentProof x", "AgentProof a.b.c", "Bearer x"] {
        let (status, _) = send(&service, path::BOOTSTRAP, junk, &words).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{junk}");
    }
    let kept = service.app.agents.find(&acme(), &agent.id).await.unwrap().unwrap();
    assert_eq!(kept.last_bootstrap, None);

    service.days(91);
    let proof = service.proof(&agent, path::BOOTSTRAP, &words).await;
    let (status, detail) = send(&service, path::BOOTSTRAP, &proof, &words).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(detail.to_lowercase().contains("expired"), "{detail}");
}
