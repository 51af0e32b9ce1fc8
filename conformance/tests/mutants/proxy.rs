//! A proxy that breaks one behaviour of the server behind it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use scim_client::{Transport, TransportError};
use serde_json::Value;
use url::Url;

/// A request on its way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    base: String,
}

impl Asked {
    /// The path below the base URL: `/Users/7`.
    pub(crate) fn path(&self) -> &str {
        self.url.path().strip_prefix(self.base.as_str()).unwrap_or(self.url.path())
    }

    /// Whether it is for an endpoint or something below it.
    pub(crate) fn below(&self, endpoint: &str) -> bool {
        self.path()
            .strip_prefix(endpoint)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it names one resource of `/Users` or `/Groups`.
    pub(crate) fn names_one(&self) -> bool {
        let parts: Vec<_> = self.path().split('/').filter(|part| !part.is_empty()).collect();
        matches!(parts[..], ["Users" | "Groups", id] if id != ".search")
    }

    pub(crate) fn is_search(&self) -> bool {
        self.method == Method::POST && self.path().ends_with("/.search")
    }

    /// Whether it asks for a list of users or groups, either way.
    pub(crate) fn lists(&self) -> bool {
        self.is_search()
            || (self.method == Method::GET
                && matches!(self.path(), "/Users" | "/Groups" | "" | "/"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, value: &Value) {
        self.body = Bytes::from(value.to_string());
    }

    /// Changes the body where it is JSON.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body) {
            change(&mut value);
            self.set_json(&value);
        }
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Takes a query parameter out, and the member of that name out of a search.
    pub(crate) fn without_parameter(&mut self, name: &str) {
        let kept: Vec<_> = self
            .url
            .query_pairs()
            .filter(|(key, _)| key != name)
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        match kept.is_empty() {
            true => self.url.set_query(None),
            false => drop(self.url.query_pairs_mut().clear().extend_pairs(kept)),
        }
        if self.is_search() {
            self.edit(|body| {
                if let Value::Object(members) = body {
                    members.remove(name);
                }
            });
        }
    }

    /// Sets a query parameter, and the member of that name in a search.
    pub(crate) fn with_parameter(&mut self, name: &str, value: &str) {
        self.without_parameter(name);
        if self.is_search() {
            self.edit(|body| body[name] = Value::from(value));
        } else {
            self.url.query_pairs_mut().append_pair(name, value);
        }
    }
}

/// An answer on its way to the suite.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    pub(crate) fn of(status: u16, value: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/scim+json"));
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from(value.to_string()),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body) {
            change(&mut value);
            self.body = Bytes::from(value.to_string());
        }
    }

    /// Changes each resource of the answer: the one that it is, or those that it lists.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut Value)) {
        self.edit(|value| match value.get_mut("Resources").and_then(Value::as_array_mut) {
            Some(resources) => resources.iter_mut().for_each(change),
            None => change(value),
        });
    }

    pub(crate) fn is_error(&self) -> bool {
        self.status.is_client_error()
    }
}

/// Sends a request to the server behind the proxy.
#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<dyn Transport>,
}

impl Server {
    pub(crate) async fn ask(&self, asked: &Asked) -> Result<Told, TransportError> {
        let mut request = http::Request::new(asked.body.clone());
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.url.as_str().parse().unwrap();
        *request.headers_mut() = asked.headers.clone();
        let (parts, body) = self.inner.send(request).await?.into_parts();
        Ok(Told { status: parts.status, headers: parts.headers, body })
    }
}

pub(crate) type Telling = Pin<Box<dyn Future<Output = Result<Told, TransportError>> + Send>>;

type Tell = dyn Fn(&Asked, &mut Told) + Send + Sync;

/// What the proxy does.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Changes requests.
    Asked(Arc<dyn Fn(&mut Asked) + Send + Sync>),
    /// Changes answers.
    Told(Arc<Tell>),
    /// Stands in for the server.
    Instead(Arc<dyn Fn(Server, Asked) -> Telling + Send + Sync>),
}

/// One broken behaviour.
#[derive(Clone)]
pub(crate) struct Mutant {
    pub(crate) id: String,
    pub(crate) fault: Fault,
}

pub(crate) fn asked(
    id: impl Into<String>,
    change: impl Fn(&mut Asked) + Send + Sync + 'static,
) -> Mutant {
    Mutant { id: id.into(), fault: Fault::Asked(Arc::new(change)) }
}

pub(crate) fn told(
    id: impl Into<String>,
    change: impl Fn(&Asked, &mut Told) + Send + Sync + 'static,
) -> Mutant {
    Mutant { id: id.into(), fault: Fault::Told(Arc::new(change)) }
}

pub(crate) fn instead<F>(
    id: impl Into<String>,
    stand_in: impl Fn(Server, Asked) -> F + Send + Sync + 'static,
) -> Mutant
where
    F: Future<Output = Result<Told, TransportError>> + Send + 'static,
{
    let stand_in = move |server, asked| -> Telling { Box::pin(stand_in(server, asked)) };
    Mutant { id: id.into(), fault: Fault::Instead(Arc::new(stand_in)) }
}

/// The transport that carries the suite's requests through a fault.
pub(crate) struct Proxy {
    server: Server,
    base: String,
    fault: Fault,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

impl Proxy {
    pub(crate) fn new(inner: Arc<dyn Transport>, base: &str, fault: Fault) -> Self {
        let base = Url::parse(base).unwrap().path().trim_end_matches('/').to_owned();
        Self { server: Server { inner }, base, fault }
    }
}

#[async_trait]
impl Transport for Proxy {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let mut asked = Asked {
            method: parts.method,
            url: Url::parse(&parts.uri.to_string()).unwrap(),
            headers: parts.headers,
            body,
            base: self.base.clone(),
        };
        let told = match &self.fault {
            Fault::Asked(change) => {
                change(&mut asked);
                self.server.ask(&asked).await?
            }
            Fault::Told(change) => {
                let mut told = self.server.ask(&asked).await?;
                change(&asked, &mut told);
                told
            }
            Fault::Instead(stand_in) => stand_in(self.server.clone(), asked).await?,
        };
        let mut response = http::Response::new(told.body);
        *response.status_mut() = told.status;
        *response.headers_mut() = told.headers;
        response.headers_mut().remove("content-length");
        Ok(response)
    }
}
