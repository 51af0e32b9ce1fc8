//! What the agent asks of its service over HTTPS: enrolment, bootstrap, renewal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use scim_client::transport::{ReqwestTransport, Transport as _};
use scim_sync_link::gateway::{
    BootstrapRequest, BootstrapResponse, ChallengeResponse, EnrollRequest, EnrollResponse,
    ProofClaims, ProofKey, RenewRequest, RenewResponse, path,
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::identity::Identity;

const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const LARGEST: usize = 1 << 20;
const AGENT: &str = concat!("provisioning-agent/", env!("CARGO_PKG_VERSION"));

/// Why the service did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// It was not reached, or its answer was lost.
    #[error("{0}")]
    Unreachable(String),
    /// It has no time now.
    #[error("the service answers {status}: {detail}")]
    Busy {
        status: StatusCode,
        detail: String,
        /// When to ask again.
        after: Option<Duration>,
    },
    /// It does not want this agent, or this code.
    #[error("{detail}")]
    Refused { status: StatusCode, detail: String },
    /// What answers does not speak as a service does.
    #[error("{0}")]
    Strange(String),
}

impl GatewayError {
    /// Whether asking again makes no sense: the service itself said so, and no proxy in between.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. }
        )
    }

    /// How long the service wants to be left alone.
    pub(crate) fn after(&self) -> Option<Duration> {
        match self {
            Self::Busy { after, .. } => *after,
            _ => None,
        }
    }
}

/// The way to the service.
pub(crate) struct Gateway {
    transport: ReqwestTransport,
    base: Url,
    /// To sign what is asked, where a proxy ends TLS and the certificate does not arrive.
    key: Option<ProofKey>,
    signs: AtomicBool,
}

impl Gateway {
    /// With these settings of TLS, through this proxy; `identity` is whoever asks.
    pub(crate) fn new(
        base: &Url,
        tls: rustls::ClientConfig,
        proxy: Option<&Url>,
        identity: Option<&Identity>,
    ) -> Result<Self> {
        let transport = ReqwestTransport::builder()
            .tls(tls)
            .proxy(proxy.map(Url::as_str))
            .timeout(PATIENCE)
            .body_limit(LARGEST)
            .build()?;
        let key = identity.map(|identity| ProofKey::from_pem(&identity.key, &identity.certificate));
        // Without TLS on the last part of the way there is nothing but the signature.
        let signs = base.scheme() == "http";
        Ok(Self { transport, base: base.clone(), key: key.transpose()?, signs: signs.into() })
    }

    pub(crate) async fn enroll(
        &self,
        asked: &EnrollRequest,
    ) -> Result<EnrollResponse, GatewayError> {
        self.ask(path::ENROLL, asked, false).await
    }

    pub(crate) async fn bootstrap(
        &self,
        asked: &BootstrapRequest,
    ) -> Result<BootstrapResponse, GatewayError> {
        self.proven(path::BOOTSTRAP, asked).await
    }

    pub(crate) async fn renew(&self, asked: &RenewRequest) -> Result<RenewResponse, GatewayError> {
        self.proven(path::RENEW, asked).await
    }

    /// Asks with the client certificate; and where that is not enough, as behind a proxy that ends TLS, with a signature.
    async fn proven<A: DeserializeOwned>(
        &self,
        path: &str,
        asked: &impl Serialize,
    ) -> Result<A, GatewayError> {
        if self.signs.load(Ordering::Relaxed) {
            return self.ask(path, asked, true).await;
        }
        match self.ask(path, asked, false).await {
            Err(refused @ GatewayError::Refused { status: StatusCode::UNAUTHORIZED, .. }) => {
                match self.ask(path, asked, true).await {
                    Ok(answer) => {
                        tracing::debug!("the certificate does not arrive: requests are signed");
                        self.signs.store(true, Ordering::Relaxed);
                        Ok(answer)
                    }
                    Err(GatewayError::Refused {
                        status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
                        ..
                    }) => Err(refused),
                    Err(error) => Err(error),
                }
            }
            other => other,
        }
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        asked: &impl Serialize,
        signed: bool,
    ) -> Result<A, GatewayError> {
        let body = serde_json::to_vec(asked).map_err(strange)?;
        let address = self.address(path);
        let mut request = http::Request::post(&address)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT);
        if signed && let Some(key) = &self.key {
            let challenge: ChallengeResponse = self
                .send(
                    http::Request::post(self.address(path::CHALLENGE)).header(USER_AGENT, AGENT),
                    Bytes::new(),
                )
                .await?;
            let claims = ProofClaims::new(&challenge.nonce, &Method::POST, &address, &body);
            let proof = key.sign(&claims).map_err(strange)?;
            let mut value = HeaderValue::from_str(proof.expose_secret()).map_err(strange)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        self.send(request, body.into()).await
    }

    async fn send<A: DeserializeOwned>(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<A, GatewayError> {
        let request = request.body(body).map_err(strange)?;
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|error| GatewayError::Unreachable(error.to_string()))?;
        if answer.status().is_success() {
            return serde_json::from_slice(answer.body()).map_err(|error| {
                GatewayError::Strange(format!(
                    "{} answers, and not as a provisioning service does ({error}): look at the address",
                    self.base
                ))
            });
        }
        Err(self.refusal(&answer))
    }

    fn refusal(&self, answer: &http::Response<Bytes>) -> GatewayError {
        let status = answer.status();
        let document: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
        let detail = document.as_ref().and_then(|document| document["detail"].as_str());
        // What is no document of the service's may be some proxy's, and says nothing about this agent.
        let Some(detail) = detail.map(str::to_owned) else {
            return match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                true => GatewayError::Busy {
                    status,
                    detail: "something before the service may be out of order".to_owned(),
                    after: after(answer),
                },
                false => GatewayError::Strange(format!(
                    "{} answers {status}, and not as a provisioning service does: look at the address and at proxies",
                    self.base
                )),
            };
        };
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => GatewayError::Busy { status, detail, after: after(answer) },
            false => GatewayError::Refused { status, detail },
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }
}

fn after(answer: &http::Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn strange(error: impl std::fmt::Display) -> GatewayError {
    GatewayError::Strange(error.to_string())
}
