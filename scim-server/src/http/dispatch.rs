//! From HTTP request to handler: route, credential, body, handler, log line.
//!
//! There is one way in. A route that is not in the table does not exist, and every route in it is closed until a
//! credential for its tenant and scope was shown; only discovery can be opened, by configuration.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body as AxumBody;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use futures::FutureExt;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use scim_core::{Leniency, media};
use smol_str::SmolStr;

use super::body::{self, Body};
use super::problem::Failure;
use super::routes::Route;
use super::{bulk, discovery, openapi, query, resource, trace};
use crate::app::App;
use crate::assembled::Links;
use crate::auth::{AuthError, CredentialInput, Principal, Scope, TenantId};
use crate::service::{Cx, ReadyHashes};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TOLERANCES: HeaderName = HeaderName::from_static("scim-tolerances");

/// Where a tenant's endpoints hang, and how its resources are addressed.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) app: Arc<App>,
    pub(crate) tenant: TenantId,
    pub(crate) links: Arc<Links>,
}

/// What a handler may look at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// The raw query string.
    pub(crate) query: &'a str,
    /// The body; empty for methods that have none.
    pub(crate) body: Bytes,
}

/// What a handler answers.
pub(crate) type Reply = Result<Response<Body>, Failure>;

/// A JSON answer.
pub(crate) fn respond(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let body = body.into();
    let empty = body.is_end_stream();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if !empty {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media::SCIM_JSON));
    }
    response
}

/// Answers one request whose path is relative to the mount. Without a mount the tenant's name cannot be one: such a
/// request is refused like one for a tenant that the credential is not for. Without a path the request lies outside
/// the base path, where there is nothing.
pub(crate) async fn serve(
    app: Arc<App>,
    mount: Option<Mount>,
    path: Option<&str>,
    request: Request<AxumBody>,
) -> Response<AxumBody> {
    let started = std::time::Instant::now();
    let (parts, request_body) = request.into_parts();
    let request_id = request_id(&app);
    let route = path.and_then(|path| Route::find(&app.registry, path));
    let mut exchange = Exchange {
        app: &app,
        mount: mount.as_ref(),
        route: route.as_ref(),
        method: &parts.method,
        headers: &parts.headers,
        query: parts.uri.query().unwrap_or_default(),
        peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
        request_id: request_id.clone(),
        leniency: Leniency::new(app.settings.profile),
        body: Bytes::new(),
    };
    // A panic in a handler must reach the client as an error document, and the next request as if nothing happened.
    let reply = match AssertUnwindSafe(exchange.run(request_body)).catch_unwind().await {
        Ok(reply) => reply,
        Err(_) => Err(Failure::Panic),
    };
    let refused = reply.as_ref().err().map(|failure| (failure.document(), failure.to_string()));
    let mut response = reply.unwrap_or_else(Failure::into_response);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    exchange.report_tolerances(&mut response);
    trace::log(&exchange.facts(), &response, refused.as_ref(), started.elapsed());
    if parts.method == Method::HEAD {
        let (head, body) = response.into_parts();
        let length = body.size_hint().exact();
        let body = match body {
            Body::Whole(_) => AxumBody::empty(),
            // A body that is known to be empty would be told with its length, 0.
            Body::Parts(_) => AxumBody::new(Body::Parts(Box::pin(futures::stream::empty()))),
        };
        let mut response = Response::from_parts(head, body);
        if let Some(length) = length.filter(|_| response.status() != StatusCode::NOT_MODIFIED) {
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        return response;
    }
    response.map(AxumBody::new)
}

/// One request on its way through.
struct Exchange<'a> {
    app: &'a App,
    mount: Option<&'a Mount>,
    route: Option<&'a Route>,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: &'a str,
    peer: Option<IpAddr>,
    request_id: SmolStr,
    leniency: Leniency,
    body: Bytes,
}

impl Exchange<'_> {
    async fn run(&mut self, request_body: AxumBody) -> Reply {
        let scope = self.route.and_then(|route| route.scope(self.method)).unwrap_or(Scope::Read);
        let open = self.app.settings.open_discovery
            && self.route.is_some_and(Route::is_discovery)
            && self.mount.is_some();
        let principal = match open {
            true => None,
            false => Some(self.authenticate(scope).await?),
        };
        // Whoever may not enter learns nothing about which endpoints there are, so these come after the credential.
        let Some(route) = self.route else { return Err(Failure::NoRoute) };
        if route.scope(self.method).is_none() {
            return Err(Failure::Method { allow: route.allow() });
        }
        if *self.method == Method::OPTIONS {
            let mut response = respond(StatusCode::NO_CONTENT, Vec::new());
            if let Ok(allow) = HeaderValue::from_str(&route.allow()) {
                response.headers_mut().insert(ALLOW, allow);
            }
            return Ok(response);
        }
        if matches!(*self.method, Method::POST | Method::PUT | Method::PATCH) {
            self.body =
                body::read(self.headers, request_body, self.app.limits.payload_bytes).await?;
        }
        let Some(mount) = self.mount else { return Err(Failure::NoRoute) };
        let input = Input {
            method: self.method,
            headers: self.headers,
            query: self.query,
            body: self.body.clone(),
        };
        let Some(principal) = principal else {
            return discovery::answer(self.app, &mount.links, route, &input);
        };
        let mut cx = Cx {
            app: self.app,
            tenant: mount.tenant.clone(),
            principal: &principal,
            request_id: self.request_id.clone(),
            links: &mount.links,
            leniency: self.leniency.clone(),
            allow_cycles: false,
            hashes: ReadyHashes::default(),
        };
        let reply = handle(&mut cx, route, &input).await;
        self.leniency = cx.leniency;
        reply
    }

    async fn authenticate(&self, scope: Scope) -> Result<Principal, Failure> {
        let now = self.app.clock.now();
        let checked = async {
            let input = CredentialInput::from_headers(self.headers, now)?;
            let principal = self.app.authenticator.authenticate(&input).await?;
            match self.mount {
                Some(mount) => principal.authorize(&mount.tenant, scope)?,
                None => return Err(AuthError::WrongTenant),
            }
            Ok(principal)
        };
        checked.await.map_err(|error| {
            if let (true, Some(peer)) = (error.is_guess(), self.peer)
                && let Some(throttled) = self.app.throttle.failed(peer, now)
            {
                return Failure::Throttled { seconds: throttled.retry_after_seconds() };
            }
            Failure::Auth(error)
        })
    }

    /// Makes used tolerances visible: counted, and named in a header of the answer.
    fn report_tolerances(&self, response: &mut Response<Body>) {
        if self.leniency.traces().is_empty() {
            return;
        }
        let mut text = String::new();
        for trace in self.leniency.traces() {
            self.app.tolerated.count(trace.tolerance);
            let at: String = trace
                .at
                .chars()
                .filter(|c| c.is_ascii_graphic() && !matches!(c, ',' | '"'))
                .take(96)
                .collect();
            let item = format!("{}=\"{at}\"", trace.tolerance);
            if text.contains(&item) || text.len() + item.len() > 1024 {
                continue;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&item);
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(TOLERANCES.clone(), value);
        }
    }

    fn facts(&self) -> trace::Facts<'_> {
        trace::Facts {
            request_id: &self.request_id,
            tenant: self.mount.map(|mount| mount.tenant.as_str()),
            method: self.method,
            route: self.route,
            query: self.query,
            body: &self.body,
            traces: self.leniency.traces(),
            whole: self.app.settings.trace_requests,
            secrets: &self.app.secrets,
        }
    }
}

async fn handle(cx: &mut Cx<'_>, route: &Route, input: &Input<'_>) -> Reply {
    match route {
        Route::Collection(schema) if *input.method == Method::POST => {
            resource::create(cx, schema, input).await
        }
        Route::Collection(schema) => query::list(cx, std::slice::from_ref(schema), input).await,
        Route::CollectionSearch(schema) => {
            query::search(cx, std::slice::from_ref(schema), input).await
        }
        Route::Root | Route::RootSearch => {
            let all: Vec<_> = cx.app.registry.resource_types().cloned().collect();
            match route {
                Route::Root => query::list(cx, &all, input).await,
                _ => query::search(cx, &all, input).await,
            }
        }
        Route::Item(schema, id) => resource::item(cx, schema, id, input).await,
        Route::Me => me(cx, input).await,
        Route::Bulk => bulk::run(cx, input).await,
        Route::OpenApi => Ok(openapi::answer(&cx.app.registry)),
        _ => discovery::answer(cx.app, cx.links, route, input),
    }
}

/// `/Me` stands for the user that the credential is bound to (RFC 7644 section 3.11); 501 where it is bound to none.
async fn me(cx: &mut Cx<'_>, input: &Input<'_>) -> Reply {
    let none = || scim_core::Error::NotImplemented {
        detail:
            "this credential is not bound to a user, so /Me stands for nothing; use /Users/{id}"
                .to_owned(),
    };
    let Some(id) = cx.principal.user.clone() else { return Err(none().into()) };
    if *input.method == Method::POST {
        let detail = "the user of this credential exists already; use PUT or PATCH".to_owned();
        return Err(scim_core::Error::NotImplemented { detail }.into());
    }
    let Some(schema) = cx.app.registry.get("User").map(Arc::clone) else {
        return Err(none().into());
    };
    resource::item(cx, &schema, &id, input).await
}

/// The id in logs, audit and the `x-request-id` header. Ours alone: a client's would let it forge log lines.
fn request_id(app: &App) -> SmolStr {
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = app.ids.next_id().simple().encode_lower(&mut buffer);
    // The last 12 digits are random enough within one log; the first ones are the time, which the log has.
    SmolStr::new(&id[id.len() - 12..])
}
