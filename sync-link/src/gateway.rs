//! What agent and gateway say to each other over HTTPS before there is a link: enrolment, bootstrap, renewal.
//!
//! Bodies are JSON; names are in camel case and unknown members are ignored, so that either side may be newer. An error is
//! a SCIM error document (RFC 7644, section 3.12).
//!
//! | request | proven by | says no with |
//! |---|---|---|
//! | `POST /agent/enroll` | the code in it | 401 unknown, expired or used code; 429; 400 for a bad key |
//! | `POST /agent/challenge` | nothing | 429 |
//! | `POST /agent/bootstrap` | client certificate, or [`Proof`] | 401 unknown or expired; 403 revoked. An agent that is too old gets no links |
//! | `POST /agent/renew` | client certificate, or [`Proof`], with the current key | as bootstrap; 400 for a bad or the same key |
//! | `GET /agent/channel` | client certificate (but for a proxy) and the credential of the bootstrap as bearer token | 401, 403 |
//! | `POST /agent/poll`, `POST /agent/result/{id}` | as the channel, each of them; see [`long_poll`](crate::long_poll) | as the channel; 410 for a session that is over |
//!
//! After 401 and 403 an agent asks again no sooner than at its next bootstrap; 429 and 503 have `Retry-After`.

mod code;
mod pin;
mod proof;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use code::{EnrolmentCode, Fingerprint, InvalidCode};
pub use pin::PinnedAuthority;
pub use proof::{PROOF_SCHEME, Proof, ProofClaims, ProofError, ProofKey};

/// Paths of the gateway, below the address of the service.
pub mod path {
    /// `POST`: a one-use code and a certificate request against a certificate.
    pub const ENROLL: &str = "/agent/enroll";
    /// `POST`: a nonce, for agents whose TLS ends at a proxy.
    pub const CHALLENGE: &str = "/agent/challenge";
    /// `POST`: where to connect, with what, and what has changed.
    pub const BOOTSTRAP: &str = "/agent/bootstrap";
    /// `POST`: a certificate for a new key, proven with the old one.
    pub const RENEW: &str = "/agent/renew";
    /// `GET`: the upgrade to the WebSocket that carries the link.
    pub const CHANNEL: &str = "/agent/channel";
    /// `POST`: the long poll, where WebSockets do not get through.
    pub const POLL: &str = "/agent/poll";
    /// `POST`: frames of the agent, beside a poll that waits.
    pub const RESULT: &str = "/agent/result/{id}";
}

/// Asks for the first certificate of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollRequest {
    /// The one-use code that an administrator made.
    #[serde(serialize_with = "exposed")]
    pub code: SecretString,
    /// PKCS #10 request for the agent's own key, PEM. Its subject is not believed.
    pub csr_pem: String,
    /// How operators call the agent.
    pub agent_name: String,
    /// Version of the agent's program.
    pub version: String,
    /// The machine that it runs on.
    pub hostname: String,
}

/// The identity that an agent has from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollResponse {
    /// The agent's id, as in its certificate.
    pub agent_id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The certificate and those between it and the CA, PEM, the agent's own first.
    pub certificate_pem: String,
    /// The CA that signs agents, and the server's certificate where that is its own, PEM.
    pub ca_pem: String,
    /// When to ask for the next certificate.
    pub renew_after: DateTime<Utc>,
}

/// What an agent says of itself at start, every ten minutes and after a lost link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapRequest {
    /// Version of the agent's program.
    pub version: String,
    /// The machine that it runs on.
    pub hostname: String,
    /// Names of the directories that it can read.
    #[serde(default)]
    pub directories: Vec<String>,
    /// The agent's clock, so that a wrong one is told to the operator.
    pub clock: DateTime<Utc>,
}

/// Where to connect, for how long, and what the agent should know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapResponse {
    /// Ways to connect, the preferred first.
    pub links: Vec<LinkEndpoint>,
    /// Short-lived proof for the link, sent as bearer token.
    #[serde(serialize_with = "exposed")]
    pub credential: SecretString,
    /// Until when the credential is taken.
    pub credential_expires: DateTime<Utc>,
    /// Changes when what the service wants of the agent changes.
    pub config_version: u64,
    /// The service's clock.
    pub service_time: DateTime<Utc>,
    /// Agents that are older get no work.
    pub minimum_version: String,
    /// Whether the agent should renew its certificate now.
    #[serde(default)]
    pub renew: bool,
    /// Groups that the agent answers for.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Seconds to the next bootstrap.
    pub poll_seconds: u64,
}

/// One way to connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkEndpoint {
    /// What is spoken there.
    pub kind: LinkKind,
    /// Where: `wss://`, `https://` or `nats://`.
    pub url: String,
}

/// A transport of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkKind {
    /// One WebSocket, subprotocol `sync-link.1`.
    #[serde(rename = "websocket")]
    WebSocket,
    /// HTTPS requests that wait for an answer.
    LongPoll,
    /// A NATS broker.
    Nats,
    /// One that this version does not know; an agent passes over it.
    #[serde(other)]
    Unknown,
}

/// Asks for the next certificate; the request itself is proven with the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewRequest {
    /// PKCS #10 request for a new key, PEM.
    pub csr_pem: String,
}

/// The next certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewResponse {
    /// The certificate and those between it and the CA, PEM, the agent's own first.
    pub certificate_pem: String,
    /// The CA that signs agents, PEM; it may have changed.
    pub ca_pem: String,
    /// When to ask again.
    pub renew_after: DateTime<Utc>,
}

/// A nonce to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeResponse {
    /// Goes into the proof, once.
    pub nonce: String,
    /// Until when the proof is taken.
    pub expires: DateTime<Utc>,
}

/// Secrets travel in these bodies and show nowhere else.
fn exposed<S: serde::Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    use secrecy::ExposeSecret as _;
    to.serialize_str(secret.expose_secret())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{BootstrapResponse, LinkKind};

    #[test]
    fn what_a_newer_service_adds_is_passed_over() {
        let answer: BootstrapResponse = serde_json::from_value(serde_json::json!({
            "links": [{"kind": "carrier-pigeon", "url": "x:"}, {"kind": "websocket", "url": "wss://s/agent/channel"}],
            "credential": "s3cret",
            "credentialExpires": "2026-01-01T00:00:00Z",
            "configVersion": 3,
            "serviceTime": "2026-01-01T00:00:00Z",
            "minimumVersion": "0.1.0",
            "pollSeconds": 600,
            "weather": "fine",
        }))
        .unwrap();
        assert_eq!(
            answer.links.iter().map(|link| link.kind).collect::<Vec<_>>(),
            [LinkKind::Unknown, LinkKind::WebSocket]
        );
        assert!(!answer.renew);
        assert_eq!(answer.credential.expose_secret(), "s3cret");
    }

    #[test]
    fn secrets_travel_and_do_not_show() {
        let request = super::EnrollRequest {
            code: "ABCD-EFGH".into(),
            csr_pem: String::new(),
            agent_name: "dc1".to_owned(),
            version: "0.1.0".to_owned(),
            hostname: "dc1.example.com".to_owned(),
        };
        assert!(!format!("{request:?}").contains("ABCD"));
        let sent = serde_json::to_value(&request).unwrap();
        assert_eq!(sent["code"], "ABCD-EFGH");
        let read: super::EnrollRequest = serde_json::from_value(sent).unwrap();
        assert_eq!(read.code.expose_secret(), "ABCD-EFGH");
    }
}
