//! One request of a check: any method, path, header and body, well-formed or not.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use scim_client::TransportError;
use serde_json::Value;

use super::{Answer, Cx};
use crate::check::{Failure, Stop};
use crate::clock;
use crate::evidence::{Exchange, Sent};
use crate::pace::{Busy, Waiting};

/// The media type of SCIM.
const SCIM_JSON: &str = "application/scim+json";

/// What of a query value needs no escape.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b',')
    .remove(b'$');

/// A request being put together; [`Request::send`] sends it.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'a> {
    cx: &'a Cx,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    authenticate: bool,
    patient: bool,
    /// What the check asked for and cannot be sent.
    wrong: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(cx: &'a Cx, method: Method, path: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(SCIM_JSON));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("scim-conformance/", env!("CARGO_PKG_VERSION"))),
        );
        Self {
            cx,
            method,
            path: path.to_owned(),
            query: String::new(),
            headers,
            body: Bytes::new(),
            authenticate: true,
            patient: true,
            wrong: None,
        }
    }

    /// Adds a query parameter; its value is escaped here.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = utf8_percent_encode(value.as_ref(), QUERY);
        let separator = if self.query.is_empty() { "" } else { "&" };
        self.query.push_str(&format!("{separator}{name}={value}"));
        self
    }

    /// Adds text to the query as it is, for queries that no proper client would send.
    pub fn raw_query(mut self, text: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(text);
        self
    }

    /// Sets a header, in place of the default where there is one (`Accept`, `Content-Type`, `User-Agent`).
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        match (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(self.headers.insert(name, value)),
            _ => self.wrong = Some(format!("{name}: {value:?} is no header")),
        }
        self
    }

    /// Leaves a default header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sends no credentials.
    pub fn anonymous(mut self) -> Self {
        self.authenticate = false;
        self
    }

    /// Sends this Authorization header in place of the run's own. It is masked in the evidence.
    pub fn authorization(self, value: &str) -> Self {
        let mut request = self.header("authorization", value);
        request.authenticate = false;
        request
    }

    /// Takes a 429 or a 503 as any other answer. Without this, the request is sent once more when the target is ready
    /// again, and where that does not help, the check could not be tried.
    pub fn impatient(mut self) -> Self {
        self.patient = false;
        self
    }

    /// A JSON body, as `application/scim+json` unless a header says otherwise.
    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    /// Any bytes as body, as `application/scim+json` unless a header says otherwise.
    pub fn raw(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(SCIM_JSON));
        self
    }

    /// Sends it and reads the answer, whatever its status. Where the target asks for patience (429, 503), it waits and
    /// sends it again, unless the request is [impatient](Self::impatient).
    ///
    /// # Errors
    /// [`Stop::Broken`] when there is no answer, or only ones that ask for patience, or the request cannot be sent;
    /// [`Stop::Skipped`] when it would write in a read-only run; [`Stop::Failed`] when its URL, which the target gave, is
    /// of another origin.
    pub async fn send(mut self) -> Result<Answer, Stop> {
        let cx = self.cx;
        if let Some(wrong) = self.wrong.take() {
            return Err(Stop::Broken(wrong));
        }
        if cx.run.read_only && !reads(&self.method, &self.path) {
            return Err(Stop::Skipped("it writes, and the run is read-only".to_owned()));
        }
        let mut url = cx.run.target.url(&self.path);
        if !self.query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&self.query);
        }
        if !cx.run.target.is_own(&url) {
            let text = format!("{url} is of another origin, which must not see the credentials");
            return Err(Failure::new(text).into());
        }
        let mut number = None;
        let mut waiting = Waiting::default();
        loop {
            cx.run.pacer.ready().await;
            let (answer, at) = self.once(&url, number).await?;
            let busy = Busy::read(answer.status().as_u16(), answer.headers(), clock::now());
            let Some(busy) = busy.filter(|_| self.patient) else {
                cx.run.pacer.heard();
                return Ok(Answer::new(answer, at));
            };
            let request = format!("{} {}", self.method, cx.run.secrets.mask(&kind_of(&self.path)));
            if let Err(why) = cx.run.pacer.refused(&request, &busy, &mut waiting) {
                cx.remarks().untried.get_or_insert_with(|| why.clone());
                return Err(Stop::Broken(why));
            }
            // A request has one place in the evidence, with the last answer.
            number = Some(at);
        }
    }

    /// Sends it once; the answer, and the number of the exchange in the evidence.
    async fn once(
        &mut self,
        url: &str,
        number: Option<usize>,
    ) -> Result<(http::Response<Bytes>, usize), Stop> {
        let cx = self.cx;
        if self.authenticate
            && let Some(authorization) = cx.run.authorization().await?
        {
            self.headers.insert(AUTHORIZATION, authorization);
        }
        let sent = Sent {
            method: &self.method,
            url,
            headers: &self.headers,
            body: &self.body,
            own_credentials: self.authenticate,
        };
        let number =
            number.unwrap_or_else(|| cx.evidence.begin(Exchange::begin(&sent, &cx.run.secrets)));
        let mut request = http::Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url
            .parse()
            .map_err(|_| Stop::Broken(format!("{url} is no URL that can be asked for")))?;
        *request.headers_mut() = self.headers.clone();
        let started = Instant::now();
        let result = cx.carry(request, self.path.clone()).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(response) => {
                cx.evidence.complete(number, |exchange| {
                    exchange.duration_ms = duration_ms;
                    let status = response.status().as_u16();
                    exchange.answered(status, response.headers(), response.body(), &cx.run.secrets);
                });
                cx.run.answered();
                Ok((response, number))
            }
            Err(error) => {
                if error.may_have_been_sent() && !reads(&self.method, &self.path) {
                    cx.run.lose_track();
                }
                let text = cx.run.secrets.mask(&error.to_string());
                cx.evidence.complete(number, |exchange| {
                    exchange.duration_ms = duration_ms;
                    (exchange.status, exchange.error) = (0, Some(text.clone()));
                });
                Err(Stop::Broken(text))
            }
        }
    }
}

impl Cx {
    /// Sends in a task of its own: when the check is given up, the request is still carried out to its end and what it
    /// creates goes into the ledger.
    async fn carry(
        &self,
        request: http::Request<Bytes>,
        path: String,
    ) -> Result<http::Response<Bytes>, TransportError> {
        // Only what may create something has to be waited for.
        let writes = !reads(request.method(), &path);
        let guard = if writes { Some(self.ledger.begin().await) } else { None };
        let run = Arc::clone(&self.run);
        let (ledger, transport) = (Arc::clone(&self.ledger), Arc::clone(&self.run.transport));
        let base = self.run.target.url("");
        let carried = tokio::spawn(async move {
            let method = request.method().clone();
            let result = transport.send(request).await;
            if let Ok(response) = &result {
                let body = serde_json::from_slice(response.body()).ok();
                let location = response.headers().get("location").and_then(|v| v.to_str().ok());
                let path = path.strip_prefix(&base).unwrap_or(&path);
                let status = response.status().as_u16();
                if !ledger.observe(&method, path, status, body.as_ref(), location) {
                    run.lose_track();
                }
            }
            drop(guard);
            result
        });
        carried.await.unwrap_or_else(|stopped| {
            Err(TransportError::new(scim_client::TransportErrorKind::Lost, stopped))
        })
    }
}

/// A path without the id of a resource, so that what happens to many is told once: `/Users/…`.
fn kind_of(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let end = path.get(1..).and_then(|rest| rest.find('/')).map(|at| at + 1);
    match end {
        Some(end) if path.starts_with('/') => format!("{}/…", &path[..end]),
        _ => path.to_owned(),
    }
}

/// Whether a request changes nothing, by its method and path.
fn reads(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || (*method == Method::POST
            && path.split('?').next().is_some_and(|path| path.ends_with("/.search")))
}
