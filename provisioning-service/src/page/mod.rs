//! The web page of operators: plain pages that work without scripts, which small ones make livelier.
//!
//! Pages call what the API calls and decide nothing themselves. Their routes are in the one table of the API, with an access
//! of their own: a session, and for everything that changes something the word of its form and an origin that is ours.

mod agents;
mod assets;
mod audit;
mod go_live;
mod guard;
mod job;
mod jobs;
mod layout;
mod log;
mod overview;
mod plan;
mod preview;
mod session;
mod setup;
mod sign_in;
mod words;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use maud::Markup;

use crate::agents::AgentError;
use crate::api::{Access, Endpoint};
use crate::app::App;
use crate::job::JobError;
use crate::problem::Problem;
use crate::records::RecordsError;
use crate::tokens::Role;
use session::Session;

/// What a page answers.
type Answer = Result<Response, Trouble>;

/// Nothing from elsewhere, nothing within the page, no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The path of the page at the address of the service.
pub const PATH: &str = "/console";

/// The routes of the page.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    const SIGN_IN: &str = sign_in::PATH;
    const REVOKE: &str = "/console/agents/{id}/revoke";
    const JOB: &str = "/console/jobs/{job}";
    const PLAN: &str = "/console/jobs/{job}/plans/{digest}";
    const GO_LIVE: &str = "/console/jobs/{job}/go-live";
    const PREVIEW: &str = "/console/jobs/{job}/preview";
    let (get, post) = (|| Method::GET, || Method::POST);
    let everybody = Access::Page;
    let reader = Access::Session(Role::Reader);
    let operator = Access::Session(Role::Operator);
    let admin = Access::Session(Role::Admin);
    vec![
        Endpoint::new(get(), "/", everybody, "pageRoot", async || guard::see_other(PATH)),
        Endpoint::new(get(), SIGN_IN, everybody, "pageSignIn", sign_in::get),
        Endpoint::new(post(), SIGN_IN, everybody, "signIn", sign_in::post),
        Endpoint::new(get(), "/console/assets/{name}", everybody, "pageAsset", assets::get),
        Endpoint::new(post(), "/console/sign-out", reader, "signOut", sign_in::out),
        Endpoint::new(get(), PATH, reader, "pageOverview", overview::get),
        Endpoint::new(get(), "/console/agents", reader, "pageAgents", agents::list),
        Endpoint::new(post(), "/console/codes", admin, "pageCreateCode", agents::create_code),
        Endpoint::new(
            post(),
            "/console/codes/{id}/withdraw",
            admin,
            "pageWithdrawCode",
            agents::withdraw_code,
        ),
        Endpoint::new(get(), REVOKE, admin, "pageRevoke", agents::confirm),
        Endpoint::new(post(), REVOKE, admin, "pageRevokeAgent", agents::revoke),
        Endpoint::new(get(), "/console/jobs", reader, "pageJobs", jobs::list),
        Endpoint::new(post(), "/console/jobs", admin, "pageCreateJob", setup::create),
        Endpoint::new(get(), "/console/jobs/new", admin, "pageNewJob", setup::form),
        Endpoint::new(get(), JOB, reader, "pageJob", job::get),
        Endpoint::new(post(), "/console/jobs/{job}/target", admin, "pageTarget", setup::save),
        Endpoint::new(post(), "/console/jobs/{job}/start", operator, "pageStart", job::start),
        Endpoint::new(post(), "/console/jobs/{job}/pause", operator, "pagePause", job::pause),
        Endpoint::new(post(), "/console/jobs/{job}/restart", operator, "pageRestart", job::restart),
        Endpoint::new(get(), GO_LIVE, admin, "pageGoLive", go_live::confirm),
        Endpoint::new(post(), GO_LIVE, admin, "pageGoLiveJob", go_live::post),
        Endpoint::new(get(), PLAN, reader, "pagePlan", plan::get),
        Endpoint::new(
            post(),
            "/console/jobs/{job}/plans/{digest}/allow",
            operator,
            "pageAllow",
            plan::allow,
        ),
        Endpoint::new(
            post(),
            "/console/jobs/{job}/plans/{digest}/reject",
            operator,
            "pageReject",
            plan::reject,
        ),
        Endpoint::new(get(), PREVIEW, operator, "pagePreview", preview::get),
        Endpoint::new(post(), PREVIEW, operator, "pageOnDemand", preview::post),
        Endpoint::new(get(), "/console/log", reader, "pageLog", log::get),
        Endpoint::new(get(), "/console/log.jsonl", reader, "pageExport", log::export),
        Endpoint::new(get(), "/console/audit", reader, "pageAudit", audit::get),
    ]
}

/// Lets a request through that brings what its page needs, and puts around the answer what every page has.
pub(crate) async fn pass(
    app: &Arc<App>,
    role: Option<Role>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = match role {
        None => guard::open(app, request).await,
        Some(role) => guard::signed_in(app, role, request).await,
    };
    let response = match admitted {
        Err(refusal) => *refusal,
        Ok(request) => {
            let session = request.extensions().get::<Session>().cloned();
            let mut response = next.run(request).await;
            if let Some(problem) = response.extensions_mut().remove::<Problem>() {
                response = layout::problem(session.as_ref(), &problem);
            }
            response
        }
    };
    dressed(response)
}

/// Whether a path is below that of the page, where people expect pages.
pub(crate) fn is_below(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The page about a request that no page answers.
pub(crate) async fn unanswered(app: &App, headers: &HeaderMap, problem: &Problem) -> Response {
    // Whoever cannot be told from others sees the page of everybody.
    let session = session::resume(app, headers, false).await.ok().flatten();
    dressed(layout::problem(session.as_ref(), problem))
}

/// Puts around an answer what every page has.
fn dressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 7] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`, with which browsers send no origin either.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// A page as an answer.
fn answer(status: StatusCode, page: Markup) -> Response {
    let mut response = Response::new(Body::from(page.into_string()));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// What went wrong. It becomes a page where it is known who asked.
#[derive(Debug)]
struct Trouble(Problem);

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = answer(self.0.status, Markup::default());
        response.extensions_mut().insert(self.0);
        response
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<RecordsError> for Trouble {
    fn from(error: RecordsError) -> Self {
        Self(error.into())
    }
}

impl From<AgentError> for Trouble {
    fn from(error: AgentError) -> Self {
        Self(error.into())
    }
}

impl From<JobError> for Trouble {
    fn from(error: JobError) -> Self {
        let (status, message) = crate::api::told(error);
        Self(Problem::new(status, message))
    }
}
