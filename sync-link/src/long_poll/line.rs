//! One line of HTTP/1.1 requests to the service, made anew when it breaks.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep, timeout};

use super::MAX_BATCH;
use crate::{
    agent::{Control, RenewedCredentials},
    connection::TransportError,
    websocket::{
        Dial, DialError,
        dial::{Target, retry_after},
        http1, plain,
    },
};

/// A request that fails is repeated for so long; the service keeps the session a little longer.
const TROUBLE: Duration = Duration::from_secs(50);
/// Between two attempts: after the second failure in a row, and never more. The first is repeated at once.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where requests go, and with what.
pub(super) struct Line {
    dial: Dial,
    target: Target,
    renewed: RenewedCredentials,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0}")]
    Http(String),
}

impl Reply {
    /// What a refusal says.
    pub(super) fn detail(&self) -> Option<String> {
        http1::detail(&self.headers, &self.body)
    }

    pub(super) fn refused(&self) -> DialError {
        DialError::Refused {
            status: self.status,
            detail: self.detail(),
            retry_after: retry_after(&self.headers),
        }
    }
}

impl Line {
    /// A line that renews its credential as `control` says.
    pub(super) fn new(dial: &Dial, target: &Target, control: &Control) -> Self {
        Self {
            dial: dial.clone(),
            target: target.clone(),
            renewed: control.credentials(),
            sender: None,
        }
    }

    /// Asks once.
    pub(super) async fn ask(
        &mut self,
        path: &str,
        headers: &[(&'static str, HeaderValue)],
        body: &Bytes,
    ) -> Result<Reply, AskError> {
        let request = self.request(path, headers, body)?;
        let mut sender = match self.ready().await {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let broken = |error: &(dyn std::error::Error + 'static)| AskError::Http(plain(error));
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BATCH).collect().await;
        let body = body.map_err(|error| AskError::Http(plain(&*error)))?.to_bytes();
        // Only a line whose answer was read to its end is used again.
        self.sender = Some(sender);
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// Asks until there is an answer that says something: what does not arrive, and what a proxy or a busy service says, is
    /// asked again. For requests that may come twice.
    pub(super) async fn insist(
        &mut self,
        path: &str,
        headers: &[(&'static str, HeaderValue)],
        body: &Bytes,
        patience: Duration,
    ) -> Result<Reply, TransportError> {
        let started = Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            let trouble = match timeout(patience, self.ask(path, headers, body)).await {
                Ok(Ok(reply)) if reply.status.is_success() => return Ok(reply),
                Ok(Ok(reply)) => {
                    let passing = reply.status.is_server_error()
                        || reply.status == StatusCode::TOO_MANY_REQUESTS
                        || reply.status == StatusCode::REQUEST_TIMEOUT;
                    let refused = reply.refused().to_string();
                    if !passing {
                        return Err(TransportError::new(refused));
                    }
                    refused
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {patience:?}"),
            };
            // A timeout leaves a line that may still bring the old answer.
            self.sender = None;
            if started.elapsed() >= TROUBLE {
                return Err(TransportError::new(trouble));
            }
            tracing::debug!(trouble, "a request of the long poll is repeated");
            sleep(pause).await;
            pause = (pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        }
    }

    /// The line as the last answer left it, if it is still good.
    async fn ready(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.take()?;
        sender.ready().await.ok()?;
        Some(sender)
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, AskError> {
        let stream = self.dial.stream(&self.target).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| AskError::Http(plain(&error)))?;
        // It ends with the sender, and what breaks it the sender tells.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(sender)
    }

    fn request(
        &mut self,
        path: &str,
        headers: &[(&'static str, HeaderValue)],
        body: &Bytes,
    ) -> Result<Request<Full<Bytes>>, AskError> {
        if let Some(credential) = self.renewed.latest() {
            self.dial.credential = Some(credential);
        }
        let wrong = |error: http::Error| AskError::Http(error.to_string());
        let mut request = Request::post(path)
            .header(header::HOST, &self.target.authority)
            .header(header::USER_AGENT, concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body.clone()))
            .map_err(wrong)?;
        for (name, value) in &self.dial.headers {
            request.headers_mut().append(name, value.clone());
        }
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
        if let Some(credential) = &self.dial.credential {
            request.headers_mut().insert(header::AUTHORIZATION, bearer(credential)?);
        }
        Ok(request)
    }
}

fn bearer(credential: &SecretString) -> Result<HeaderValue, DialError> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", credential.expose_secret()))
        .map_err(|_| DialError::Handshake("the credential is no token".to_owned()))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
