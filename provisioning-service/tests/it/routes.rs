//! Every route with every credential: what is not in the table cannot be reached, and what is lets in who it should.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request, StatusCode};
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use scim_provisioning_service::agents::CodeSpec;
use scim_provisioning_service::api::{self, Access};
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::config::TlsMode;
use scim_provisioning_service::gateway::Peer;
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use scim_sync_link::gateway::EnrollRequest;
use secrecy::ExposeSecret as _;
use tower::ServiceExt as _;

use crate::harness::{acme, app, csr};

/// What a request brings.
#[derive(Clone)]
struct Brings {
    name: &'static str,
    authorization: Option<String>,
    certificate: Option<CertificateDer<'static>>,
    /// The role of a good token.
    role: Option<Role>,
}

/// Each request from another address, so that none is throttled for another.
static ADDRESS: AtomicU32 = AtomicU32::new(0x0a00_0001);

async fn status(router: &Router, method: &Method, path: &str, brings: &Brings) -> StatusCode {
    let address = ADDRESS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut request = Request::builder()
        .method(method)
        .uri(path.replace("{id}", "x").replace("{group}", "x"))
        .header("content-type", "application/json");
    if let Some(authorization) = &brings.authorization {
        request = request.header("authorization", authorization);
    }
    let peer =
        Peer { address: SocketAddr::from((address, 1)), certificate: brings.certificate.clone() };
    // No body that any route takes: who gets in is told so, and nothing happens.
    let request = request.extension(peer).body(Body::from("5")).unwrap();
    router.clone().oneshot(request).await.unwrap().status()
}

async fn token(app: &App, role: Role) -> (String, String) {
    let spec = TokenSpec { name: role.to_string(), role, expires: None };
    let made = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
    (made.id, made.plain.expose_secret().to_owned())
}

async fn credentials(app: &Arc<App>) -> Vec<Brings> {
    let bare = |name| Brings { name, authorization: None, certificate: None, role: None };
    let with =
        |name, authorization: String| Brings { authorization: Some(authorization), ..bare(name) };
    let code = app.agents.code_create(&Actor::Program, &acme(), CodeSpec::default()).await.unwrap();
    let enrolled = app
        .agents
        .enrol(&EnrollRequest {
            code: code.code,
            csr_pem: csr(&KeyPair::generate().unwrap()),
            agent_name: "dc1".to_owned(),
            version: "0.1.0".to_owned(),
            hostname: "dc1".to_owned(),
        })
        .await
        .unwrap();
    let certificate = CertificateDer::from_pem_slice(enrolled.certificate_pem.as_bytes()).unwrap();
    let mut all = vec![
        bare("nothing"),
        with("an empty token", "Bearer ".to_owned()),
        with("junk", "Bearer abc".to_owned()),
        with("another scheme", "Basic YTpi".to_owned()),
        with("an empty proof", "AgentProof ..".to_owned()),
        Brings { certificate: Some(certificate), ..bare("a certificate") },
    ];
    let (id, revoked) = token(app, Role::Admin).await;
    app.tokens.revoke(&Actor::Program, None, &id).await.unwrap();
    all.push(with("a revoked token", format!("Bearer {revoked}")));
    let (_, admin) = token(app, Role::Admin).await;
    all.push(with("a token as basic", format!("Basic {admin}")));
    let changed = if admin.ends_with('0') { '1' } else { '0' };
    all.push(with("a changed token", format!("Bearer {}{changed}", &admin[..admin.len() - 1])));
    for role in [Role::Reader, Role::Operator, Role::Admin] {
        let (_, text) = token(app, role).await;
        all.push(Brings { role: Some(role), ..with("a token", format!("Bearer {text}")) });
    }
    all
}

#[tokio::test]
async fn every_route_lets_in_who_it_should_and_nobody_else() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let router = api::router(&app);
    let brought = credentials(&app).await;
    let mut tried = 0;
    for endpoint in api::table() {
        for brings in &brought {
            let found = status(&router, &endpoint.method, endpoint.path, brings).await;
            let who = format!("{endpoint:?} with {} {:?}: {found}", brings.name, brings.role);
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&found);
            match (endpoint.access, brings.role) {
                (Access::Open, _) => assert!(!refused, "{who}"),
                (Access::Agent, _) => assert_eq!(refused, brings.certificate.is_none(), "{who}"),
                // The credential of a link is tried with the links.
                (Access::Link, _) => assert_eq!(found, StatusCode::UNAUTHORIZED, "{who}"),
                (Access::Role(needed), Some(role)) if role >= needed => assert!(!refused, "{who}"),
                (Access::Role(_), Some(_)) => assert_eq!(found, StatusCode::FORBIDDEN, "{who}"),
                (Access::Role(_), None) => assert_eq!(found, StatusCode::UNAUTHORIZED, "{who}"),
                // Sessions are tried with the pages; none of these is one.
                (Access::Session(_), _) if endpoint.method == Method::GET => {
                    assert_eq!(found, StatusCode::SEE_OTHER, "{who}");
                }
                (Access::Session(_), _) => assert_eq!(found, StatusCode::UNAUTHORIZED, "{who}"),
                // A form must say where it comes from.
                (Access::Page, _) => assert_eq!(refused, endpoint.method == Method::POST, "{who}"),
            }
            assert!(!found.is_server_error(), "{who}");
            tried += 1;
        }
    }
    assert_eq!(tried, api::table().len() * brought.len());
}

#[tokio::test]
async fn the_table_is_sound_and_nothing_else_answers() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let router = api::router(&app);
    let table = api::table();
    let operations: BTreeSet<_> = table.iter().map(|endpoint| endpoint.operation).collect();
    assert_eq!(operations.len(), table.len());
    let places: BTreeSet<_> =
        table.iter().map(|endpoint| (endpoint.path, endpoint.method.as_str())).collect();
    assert_eq!(places.len(), table.len());
    let brought = credentials(&app).await;
    let admin = brought.last().unwrap();
    for path in [
        "/console/",
        "/console/nonsense",
        "/api",
        "/api/",
        "//api/agents",
        "/api/agents/",
        "/API/agents",
        "/api/./agents",
        "/api/agents/x/y",
        "/agent/bootstrap/",
        "/health",
    ] {
        assert_eq!(
            status(&router, &Method::GET, path, admin).await,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for endpoint in &table {
        for method in
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE]
        {
            if !places.contains(&(endpoint.path, method.as_str())) {
                let found = status(&router, &method, endpoint.path, admin).await;
                assert_eq!(found, StatusCode::METHOD_NOT_ALLOWED, "{method} {}", endpoint.path);
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let (app, clock) = app(TlsMode::Own, "https://test").await;
    let router = api::router(&app);
    let _ = credentials(&app).await;
    let (agent, _) = app.agents.list(&acme()).await.unwrap().remove(0);
    let globex = TenantId::new("globex").unwrap();
    let spec = TokenSpec {
        name: "globex".to_owned(),
        role: Role::Admin,
        expires: Some(clock.now() + TimeDelta::days(1)),
    };
    let made = app.tokens.create(&Actor::Program, &globex, spec).await.unwrap();
    let admin = Brings {
        name: "globex",
        authorization: Some(format!("Bearer {}", made.plain.expose_secret())),
        certificate: None,
        role: Some(Role::Admin),
    };
    let (token_of_acme, _) = app.tokens.list(Some(&acme())).await.unwrap().remove(2);
    let (code_of_acme, _) = app.agents.code_list(&acme()).await.unwrap().remove(0);
    app.agents.group_put(&Actor::Program, &acme(), "g", "").await.unwrap();
    app.agents.group_put(&Actor::Program, &globex, "h", "").await.unwrap();
    for (method, path) in [
        (Method::GET, format!("/api/agents/{agent}")),
        (Method::POST, format!("/api/agents/{agent}/revoke")),
        (Method::PUT, format!("/api/groups/h/agents/{agent}")),
        (Method::DELETE, "/api/groups/g".to_owned()),
        (Method::DELETE, format!("/api/tokens/{token_of_acme}")),
        (Method::DELETE, format!("/api/codes/{code_of_acme}")),
    ] {
        let found = status(&router, &method, &path, &admin).await;
        assert_eq!(found, StatusCode::NOT_FOUND, "{method} {path}");
    }
    for path in ["/api/agents", "/api/codes", "/api/groups", "/api/tokens", "/api/audit"] {
        let request = Request::get(path)
            .header("authorization", admin.authorization.clone().unwrap())
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for secret in [agent.as_str(), &token_of_acme, &code_of_acme, "acme"] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    clock.advance(TimeDelta::days(1));
    let found = status(&router, &Method::GET, "/api/agents", &admin).await;
    assert_eq!(found, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_guesses_tokens_is_made_to_wait() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let router = api::router(&app);
    let (_, good) = token(&app, Role::Admin).await;
    let ask = async |token: &str| {
        let peer = Peer { address: SocketAddr::from(([192, 0, 2, 1], 1)), certificate: None };
        let request = Request::get("/api/agents")
            .header("authorization", format!("Bearer {token}"))
            .extension(peer)
            .body(Body::empty())
            .unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    for _ in 0..10 {
        assert_eq!(ask("abc").await.status(), StatusCode::UNAUTHORIZED);
    }
    let answer = ask("abc").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    // Others may have the same address, as behind a proxy: who brings what is good gets in.
    assert_eq!(ask(&good).await.status(), StatusCode::OK);
}
