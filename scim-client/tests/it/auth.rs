//! Tokens from a real token endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use scim_client::{Client, Error, OAuth2};
use serde_json::{Value, json};

/// A token endpoint and a SCIM endpoint on a socket.
struct Peer {
    url: String,
    state: Arc<PeerState>,
}

#[derive(Default)]
struct PeerState {
    issued: AtomicU64,
    /// The number of the last token that is no longer good.
    revoked: AtomicU64,
    expires_in: AtomicU64,
    failures: AtomicUsize,
    public_key: Option<String>,
    last: std::sync::Mutex<BTreeMap<String, String>>,
}

async fn peer(state: PeerState) -> Peer {
    let state = Arc::new(state);
    let app = axum::Router::new()
        .route("/token", post(token))
        .route("/scim/v2/Users/{id}", get(user))
        .with_state(Arc::clone(&state));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Peer { url, state }
}

async fn token(State(state): State<Arc<PeerState>>, headers: HeaderMap, body: Bytes) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    if state.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"error": "temporarily_unavailable"})),
        )
            .into_response();
    }
    let known = match &state.public_key {
        Some(key) => is_signed(&form, key),
        // agent:s3cr3t+
        None => {
            headers.get("authorization").is_some_and(|h| h == "Basic YWdlbnQ6czNjcjN0JTJC")
                || form.get("client_secret").is_some_and(|s| s == "s3cr3t+")
        }
    };
    *state.last.lock().unwrap() = form;
    if !known {
        let sent = state.last.lock().unwrap().get("client_secret").cloned().unwrap_or_default();
        let text = format!("who are you? {sent}");
        let body = json!({"error": "invalid_client", "error_description": text});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let n = state.issued.fetch_add(1, Ordering::SeqCst) + 1;
    let life = state.expires_in.load(Ordering::SeqCst);
    // As the first version of Microsoft's endpoint writes it.
    Json(json!({"access_token": format!("token-number-{n}"), "token_type": "Bearer", "expires_in": life.to_string()}))
        .into_response()
}

fn is_signed(form: &BTreeMap<String, String>, key: &str) -> bool {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["https://login.example/aud"]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_ec_pem(key.as_bytes()).unwrap();
    let kind = form.get("client_assertion_type").map(String::as_str);
    kind == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        && jsonwebtoken::decode::<Value>(&form["client_assertion"], &key, &validation).is_ok_and(
            |token| {
                token.claims["iss"] == "agent"
                    && token.claims["jti"].is_string()
                    && token.header.kid.as_deref() == Some("key-1")
            },
        )
}

async fn user(State(state): State<Arc<PeerState>>, headers: HeaderMap) -> Response {
    let number = headers
        .get("authorization")
        .and_then(|h| h.to_str().ok()?.strip_prefix("Bearer token-number-")?.parse::<u64>().ok());
    match number {
        Some(n) if n > state.revoked.load(Ordering::SeqCst) => {
            Json(json!({"id": "7", "userName": "ada"})).into_response()
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn client(peer: &Peer, oauth2: OAuth2) -> Client {
    Client::builder(format!("{}/scim/v2", peer.url)).auth(oauth2).build().unwrap()
}

fn with_secret(peer: &Peer) -> OAuth2 {
    OAuth2::client_credentials(format!("{}/token", peer.url), "agent", "s3cr3t+")
}

fn hour() -> PeerState {
    PeerState { expires_in: 3600.into(), ..PeerState::default() }
}

#[tokio::test]
async fn many_requests_share_one_token() {
    let peer = peer(hour()).await;
    let scim = client(&peer, with_secret(&peer).scope("scim.read").parameter("resource", "x"));
    let users = scim.users();
    let all = futures::future::join_all((0..32).map(|_| users.get("7").into_future())).await;
    assert!(all.iter().all(Result::is_ok), "{:?}", all.iter().find(|r| r.is_err()));
    assert_eq!(peer.state.issued.load(Ordering::SeqCst), 1);
    let form = peer.state.last.lock().unwrap().clone();
    assert_eq!((form["scope"].as_str(), form["resource"].as_str()), ("scim.read", "x"));
    assert_eq!(form["grant_type"], "client_credentials");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let peer = peer(hour()).await;
    let scim = client(&peer, with_secret(&peer).secret_in_body());
    scim.users().get("7").await.unwrap();
    peer.state.revoked.store(1, Ordering::SeqCst);
    let users = scim.users();
    let all = futures::future::join_all((0..16).map(|_| users.get("7").into_future())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(peer.state.issued.load(Ordering::SeqCst), 2);
    // When none is good any more there is an end.
    peer.state.revoked.store(u64::MAX, Ordering::SeqCst);
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (401, 2));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let peer = peer(PeerState { expires_in: 1.into(), ..PeerState::default() }).await;
    let scim = client(&peer, with_secret(&peer));
    scim.users().get("7").await.unwrap();
    // Within a second it is due, and never refused: the peer counts how many there were.
    let start = std::time::Instant::now();
    while peer.state.issued.load(Ordering::SeqCst) < 2 {
        scim.users().get("7").await.unwrap();
        assert!(start.elapsed().as_secs() < 20, "it was not renewed");
    }
}

#[tokio::test]
async fn a_key_signs_for_the_client() {
    let key = rcgen::KeyPair::generate().unwrap();
    let peer = peer(PeerState { public_key: Some(key.public_key_pem()), ..hour() }).await;
    let oauth2 =
        OAuth2::private_key_jwt(format!("{}/token", peer.url), "agent", key.serialize_pem())
            .key_id("key-1")
            .audience("https://login.example/aud");
    assert!(!format!("{oauth2:?}").contains("PRIVATE"), "{oauth2:?}");
    client(&peer, oauth2).users().get("7").await.unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let oauth2 =
        OAuth2::private_key_jwt(format!("{}/token", peer.url), "agent", other.serialize_pem())
            .key_id("key-1")
            .audience("https://login.example/aud");
    let error = client(&peer, oauth2).users().get("7").await.unwrap_err();
    assert!(
        matches!(error, Error::Auth(_)) && error.to_string().contains("invalid_client"),
        "{error}"
    );
}

#[tokio::test]
async fn token_endpoints_that_fail() {
    let passing = peer(PeerState { failures: 2.into(), ..hour() }).await;
    let scim = client(&passing, with_secret(&passing));
    scim.users().get("7").await.unwrap();

    let wrong =
        OAuth2::client_credentials(format!("{}/token", passing.url), "agent", "other-secret")
            .secret_in_body();
    let error = client(&passing, wrong).users().get("7").await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("who are you?"), "{error}");
    assert!(!format!("{error} {error:?}").contains("other-secret"));

    let plain = OAuth2::client_credentials("http://login.example/token", "agent", "other-secret");
    let error = client(&passing, plain).users().get("7").await.unwrap_err();
    assert!(error.to_string().contains("https"), "{error}");
}
