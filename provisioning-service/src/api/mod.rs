//! The routes: one table of what there is and what each needs. It makes the router, so that nothing can be reached that is
//! not in it, and drives the test that tries every route with every credential.

mod agents;
mod body;
mod groups;
mod health;
mod log;
mod notifications;
pub mod openapi;
mod synchronization;
mod tokens;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{HeaderMap, Method, StatusCode, Uri};
use scim_sync_link::gateway::path;

pub(crate) use body::{Body, Parameters};
pub(crate) use synchronization::{export, told};

use crate::app::App;
use crate::gateway::{self, Peer};
use crate::page;
use crate::problem::Problem;
use crate::tokens::{Role, TokenError};

/// What a request must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// An agent's client certificate, or its signed proof.
    Agent,
    /// The credential of a link, with the client certificate where TLS ends here.
    Link,
    /// An administrator's token with at least this role.
    Role(Role),
    /// Nothing; but what changes something must come from a page of the service.
    Page,
    /// The session of a browser whose token has at least this role; what changes something must come from a page of that
    /// session.
    Session(Role),
}

/// A route: a method on a path, what it needs, and what it does.
pub struct Endpoint {
    /// The method. GET answers HEAD as well.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// What a request must bring.
    pub access: Access,
    /// A name, unique over the table.
    pub operation: &'static str,
    handler: MethodRouter<Arc<App>>,
}

impl Endpoint {
    /// A route. Handlers of [`Access::Role`] find the [`Caller`](crate::tokens::Caller) as an extension.
    pub fn new<H, T>(
        method: Method,
        path: &'static str,
        access: Access,
        operation: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        // A method that has no filter would be reached by none.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self { method, path, access, operation, handler: on(filter, handler) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}

/// Every route.
#[must_use]
pub fn table() -> Vec<Endpoint> {
    let mut table = vec![
        Endpoint::new(Method::POST, path::ENROLL, Access::Open, "enrolAgent", gateway::enroll),
        Endpoint::new(Method::POST, path::CHALLENGE, Access::Open, "challenge", gateway::challenge),
        Endpoint::new(
            Method::POST,
            path::BOOTSTRAP,
            Access::Agent,
            "bootstrap",
            gateway::bootstrap,
        ),
        Endpoint::new(Method::POST, path::RENEW, Access::Agent, "renew", gateway::renew),
        Endpoint::new(Method::GET, path::CHANNEL, Access::Link, "openLink", gateway::connect),
        Endpoint::new(Method::POST, path::POLL, Access::Link, "pollLink", gateway::poll),
        Endpoint::new(Method::POST, path::RESULT, Access::Link, "feedLink", gateway::result),
    ];
    table.extend(health::endpoints());
    table.extend(openapi::endpoints());
    table.extend(agents::endpoints());
    table.extend(groups::endpoints());
    table.extend(tokens::endpoints());
    table.extend(log::endpoints());
    table.extend(notifications::endpoints());
    table.extend(synchronization::endpoints());
    table.extend(page::endpoints());
    table
}

/// The router of a service, out of [`table`].
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in table() {
        let guard = Guard { app: Arc::clone(app), access: endpoint.access };
        let handler = endpoint.handler.route_layer(from_fn_with_state(guard, admit));
        router = router.route(endpoint.path, handler);
    }
    router
        .fallback(async |State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap| {
            unanswered(&app, &uri, &headers, StatusCode::NOT_FOUND).await
        })
        .method_not_allowed_fallback(
            async |State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap| {
                unanswered(&app, &uri, &headers, StatusCode::METHOD_NOT_ALLOWED).await
            },
        )
        .with_state(Arc::clone(app))
}

/// What a request comes to that no route answers: people who are at the page see a page.
async fn unanswered(app: &App, uri: &Uri, headers: &HeaderMap, status: StatusCode) -> Response {
    let at_page = page::is_below(uri.path());
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "this endpoint does not answer the method")
        }
        _ if at_page => Problem::not_found("such page"),
        _ => Problem::not_found("such endpoint"),
    };
    if at_page { page::unanswered(app, headers, &problem).await } else { problem.into_response() }
}

#[derive(Clone)]
struct Guard {
    app: Arc<App>,
    access: Access,
}

/// Lets a request through that brings what its route needs.
async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.access {
        Access::Page => page::pass(&guard.app, None, request, next).await,
        Access::Session(role) => page::pass(&guard.app, Some(role), request, next).await,
        _ => match admitted(&guard, request).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        },
    }
}

async fn admitted(guard: &Guard, mut request: Request) -> Result<Request, Problem> {
    let app = &guard.app;
    match guard.access {
        Access::Open => {}
        // They are let in by what pages need.
        Access::Page | Access::Session(_) => return Err(Problem::not_found("such endpoint")),
        Access::Agent => {
            let (agent, mut request) = gateway::agent_of(app, request).await?;
            request.extensions_mut().insert(agent);
            return Ok(request);
        }
        Access::Link => {
            let certificate =
                request.extensions().get::<Peer>().and_then(|peer| peer.certificate.clone());
            let agent = gateway::linked_of(app, gateway::bearer(&request), certificate).await?;
            request.extensions_mut().insert(agent);
        }
        Access::Role(role) => {
            let address = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
            let token = gateway::bearer(&request).ok_or_else(|| {
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "an administrator's token is needed (Authorization: Bearer …)",
                )
            })?;
            let caller = match app.tokens.authenticate(token).await {
                Ok(caller) => caller,
                Err(error @ TokenError::Records(_)) => return Err(error.into()),
                Err(error) => {
                    let wait = address.and_then(|address| app.throttle.failed(address));
                    return Err(wait.map_or_else(
                        || error.into(),
                        |seconds| {
                            let detail = "too many wrong credentials from this address";
                            Problem::later(StatusCode::TOO_MANY_REQUESTS, detail, seconds)
                        },
                    ));
                }
            };
            if caller.role < role {
                let detail = format!("this needs a token with the role {role}");
                return Err(Problem::new(StatusCode::FORBIDDEN, detail));
            }
            request.extensions_mut().insert(caller);
        }
    }
    Ok(request)
}
