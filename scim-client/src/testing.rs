//! For tests of code that uses this client: a transport that answers from a script.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use scim_core::ErrorDocument;
use serde::Serialize;

use crate::transport::{Transport, TransportError, TransportErrorKind};

/// Answers requests in order from a script, and keeps what was asked. Clones share both.
///
/// ```
/// use scim_client::testing::ScriptedTransport;
/// use scim_client::Client;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let script = ScriptedTransport::new();
/// script.json(200, &serde_json::json!({"id": "7", "userName": "ada"}));
/// let client = Client::builder("https://scim.example/v2").transport(script.clone()).build()?;
/// assert_eq!(client.users().get("7").await?.user_name, "ada");
/// assert_eq!(script.requests()[0].uri.path(), "/v2/Users/7");
/// # Ok::<(), scim_client::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ScriptedTransport {
    state: Arc<Mutex<State>>,
}

type Step = Box<dyn FnOnce(&Recorded) -> Result<Response<Bytes>, TransportError> + Send>;

#[derive(Default)]
struct State {
    steps: VecDeque<Step>,
    requests: Vec<Recorded>,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its method.
    pub method: Method,
    /// Its URL.
    pub uri: Uri,
    /// Its headers. Credentials among them are not shown by `Debug`.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Recorded {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ScriptedTransport")
            .field("left", &state.steps.len())
            .field("requests", &state.requests.len())
            .finish()
    }
}

impl ScriptedTransport {
    /// A script without answers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then answers so.
    pub fn answer(&self, answer: Response<Bytes>) -> &Self {
        self.respond(move |_| Ok(answer))
    }

    /// Then answers with this status and JSON body.
    ///
    /// # Panics
    /// When the status is none, or the body cannot be written as JSON.
    #[expect(clippy::expect_used, reason = "a wrong script is a mistake in the test")]
    pub fn json(&self, status: u16, body: &impl Serialize) -> &Self {
        let body = serde_json::to_vec(body).expect("the body can be written as JSON");
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(scim_core::media::SCIM_JSON));
        self.answer(answer)
    }

    /// Then answers with this status, these headers and text.
    ///
    /// # Panics
    /// When the status or a header is none.
    #[expect(clippy::expect_used, reason = "a wrong script is a mistake in the test")]
    pub fn text(&self, status: u16, headers: &[(&str, &str)], body: &str) -> &Self {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        self.answer(answer.body(Bytes::copy_from_slice(body.as_bytes())).expect("an answer"))
    }

    /// Then answers with a SCIM error.
    ///
    /// # Panics
    /// When the status is none.
    #[expect(clippy::expect_used, reason = "a wrong script is a mistake in the test")]
    pub fn error(&self, status: u16, scim_type: Option<&'static str>, detail: &str) -> &Self {
        let code = StatusCode::from_u16(status).expect("a status");
        self.json(status, &ErrorDocument::new(code, scim_type, detail))
    }

    /// Then fails so.
    pub fn fail(&self, kind: TransportErrorKind) -> &Self {
        self.respond(move |_| Err(TransportError::new(kind, "as the script says")))
    }

    /// Then answers as this function says.
    pub fn respond(
        &self,
        step: impl FnOnce(&Recorded) -> Result<Response<Bytes>, TransportError> + Send + 'static,
    ) -> &Self {
        self.state().steps.push_back(Box::new(step));
        self
    }

    /// The requests that were made, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    /// How many answers have not been asked for.
    #[must_use]
    pub fn left(&self) -> usize {
        self.state().steps.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let recorded =
            Recorded { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        let step = {
            let mut state = self.state();
            state.requests.push(recorded.clone());
            state.steps.pop_front()
        };
        match step {
            Some(step) => step(&recorded),
            None => {
                let end = format!("the script is at its end: {} {}", recorded.method, recorded.uri);
                Err(TransportError::new(TransportErrorKind::Request, end))
            }
        }
    }
}
