//! Webhooks: signed, tried again, and sent nowhere else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use rustls::ServerConfig;
use scim_provisioning_service::config::{Config, WebhookSettings};
use scim_provisioning_service::net::Server;
use scim_provisioning_service::notify::DeliveryOutcome;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Quiet, server_tls};

const KEY: &str = "a key of the tests, long enough";

type Seen = Arc<Mutex<(Vec<(HeaderMap, String)>, StatusCode)>>;

/// A receiver of webhooks.
struct Receiver {
    address: SocketAddr,
    seen: Seen,
    _stop: DropGuard,
}

impl Receiver {
    async fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = server.local_addr();
        let seen: Seen = Arc::new(Mutex::new((Vec::new(), StatusCode::OK)));
        let router = Router::new().fallback(take).with_state(Arc::clone(&seen));
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(router, tls, stop.clone()));
        Self { address, seen, _stop: stop.drop_guard() }
    }

    fn answer(&self, status: StatusCode) {
        self.seen.lock().unwrap().1 = status;
    }

    fn seen(&self) -> Vec<(HeaderMap, String)> {
        self.seen.lock().unwrap().0.clone()
    }
}

async fn take(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> Response {
    let mut seen = seen.lock().unwrap();
    seen.0.push((headers, String::from_utf8(body.to_vec()).unwrap()));
    let location = [("location", "/elsewhere")];
    (seen.1, location, "an answer that nobody reads").into_response()
}

fn hook(url: &str, allow: &[&str]) -> Config {
    let text = format!("url = {url:?}\nallow_private = {allow:?}");
    let mut settings: WebhookSettings = toml::from_str(&text).unwrap();
    settings.secret = Some(KEY.to_owned().into());
    Config { webhook: Some(settings), ..Config::default() }
}

fn of(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_webhook_is_signed_and_tried_until_it_is_taken() {
    let quiet = Quiet::new().await;
    let receiver = Receiver::start(None).await;
    receiver.answer(StatusCode::BAD_GATEWAY);
    quiet.lost_agent().await;
    let config = hook(&format!("http://{}/hook", receiver.address), &["127.0.0.1"]);
    let mut teller = quiet.teller(&config).await;
    teller.turn().await;
    let waiting = teller.listed(&quiet.tenant).await.remove(0).waiting;
    assert!(waiting[0].error.as_deref().unwrap().contains("answered 502"), "{waiting:?}");
    quiet.minutes(1);
    receiver.answer(StatusCode::NO_CONTENT);
    teller.turn().await;
    teller.turn().await;
    let seen = receiver.seen();
    let [first, second] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(of(&first.0, "webhook-id"), of(&second.0, "webhook-id"));
    let (headers, body) = second;
    let told: Value = serde_json::from_str(body).unwrap();
    assert_eq!(told["id"], of(headers, "webhook-id"));
    assert_eq!((&told["event"], &told["kind"]), (&"opened".into(), &"agent-lost".into()));
    assert_eq!(
        (&told["tenant"], &told["service"]),
        (&"default".into(), &"https://sync.example.com".into())
    );
    // Each try has its own time, and the signature is of it.
    assert_ne!(of(&first.0, "webhook-timestamp"), of(headers, "webhook-timestamp"));
    let text = format!("{}.{}.{body}", of(headers, "webhook-id"), of(headers, "webhook-timestamp"));
    let signed = of(headers, "webhook-signature");
    let signature = STANDARD.decode(signed.strip_prefix("v1,").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    hmac::verify(&key, text.as_bytes(), &signature).unwrap();
    assert!(hmac::verify(&key, format!("{text} ").as_bytes(), &signature).is_err());
}

#[tokio::test]
async fn redirects_are_not_followed_and_gone_is_gone() {
    let quiet = Quiet::new().await;
    let receiver = Receiver::start(None).await;
    receiver.answer(StatusCode::TEMPORARY_REDIRECT);
    quiet.lost_agent().await;
    let config = hook(&format!("http://{}/hook", receiver.address), &["127.0.0.1"]);
    let mut teller = quiet.teller(&config).await;
    teller.turn().await;
    assert_eq!(receiver.seen().len(), 1);
    let waiting = teller.listed(&quiet.tenant).await.remove(0).waiting;
    assert!(waiting[0].error.as_deref().unwrap().contains("not followed"), "{waiting:?}");
    receiver.answer(StatusCode::GONE);
    quiet.minutes(1);
    teller.turn().await;
    let listed = teller.listed(&quiet.tenant).await.remove(0);
    assert!(listed.waiting.is_empty());
    assert_eq!(listed.notification.deliveries[0].outcome, DeliveryOutcome::Refused);
}

#[tokio::test]
async fn private_addresses_are_not_called_unless_they_are_named() {
    let quiet = Quiet::new().await;
    let (tls, authority) = server_tls();
    let ca = quiet.folder.path().join("ca.pem");
    std::fs::write(&ca, &authority).unwrap();
    let receiver = Receiver::start(Some(tls)).await;
    let port = receiver.address.port();
    let test = async |url: String, allow: &[&str], ca: Option<&std::path::Path>| {
        let mut config = hook(&url, allow);
        config.webhook.as_mut().unwrap().ca_file = ca.map(ToOwned::to_owned);
        let [tried] =
            quiet.teller(&config).await.notifier.test(&quiet.tenant).await.try_into().unwrap();
        tried
    };
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let refused = test(format!("https://{host}:{port}/x"), &["elsewhere"], Some(&ca)).await;
        let error = refused.error.unwrap();
        assert!(error.contains("allow_private"), "{host}: {error}");
    }
    assert_eq!(receiver.seen().len(), 0);
    for host in ["127.0.0.1", "localhost"] {
        let good = test(format!("https://{host}:{port}/x"), &["127.0.0.1", "localhost"], Some(&ca));
        let good = good.await;
        assert!(good.delivered, "{good:?}");
    }
    assert_eq!(receiver.seen().len(), 2);
    // A certificate of nobody that is trusted is refused.
    let stranger = test(format!("https://127.0.0.1:{port}/x"), &["127.0.0.1"], None).await;
    assert!(stranger.error.unwrap().contains("cannot be reached"));
    assert_eq!(receiver.seen().len(), 2);
}
