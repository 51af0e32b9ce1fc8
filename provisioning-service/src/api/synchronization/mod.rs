//! `/synchronization` and `/auditLogs/provisioning`: jobs and their log, with the paths, verbs and JSON of Microsoft's API.
//!
//! What that API has no verb for is beside it under names of its own: `hybrid` of a job, `schema/versions`, `stoppedPlans`.

mod jobs;
mod logs;
mod problem;
mod schema;

use axum::Router;
use axum::routing::{get, post, put};
use http::Method;

pub use problem::Problem;

use crate::job::Jobs;
use crate::tokens::Role;

/// The largest body: a schema with every attribute of a large directory is about a megabyte.
pub const LARGEST_BODY: usize = 8 << 20;

/// Every path with its methods and the role that it takes at least: what the check of credentials goes by.
pub const ROUTES: &[(&str, Method, Role)] = &[
    ("/synchronization/templates", Method::GET, Role::Reader),
    ("/synchronization/templates/{template}", Method::GET, Role::Reader),
    ("/synchronization/templates/{template}/schema", Method::GET, Role::Reader),
    ("/synchronization/jobs", Method::GET, Role::Reader),
    ("/synchronization/jobs", Method::POST, Role::Admin),
    ("/synchronization/jobs/{job}", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}", Method::PATCH, Role::Admin),
    ("/synchronization/jobs/{job}", Method::DELETE, Role::Admin),
    ("/synchronization/jobs/{job}/start", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/pause", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/restart", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/stoppedPlans", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}/allowDeletes", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/rejectDeletes", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/provisionOnDemand", Method::POST, Role::Operator),
    ("/synchronization/jobs/{job}/validateCredentials", Method::POST, Role::Admin),
    ("/synchronization/jobs/{job}/secrets", Method::PUT, Role::Admin),
    ("/synchronization/jobs/{job}/schema", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}/schema", Method::PUT, Role::Admin),
    ("/synchronization/jobs/{job}/schema/parseExpression", Method::POST, Role::Reader),
    ("/synchronization/jobs/{job}/schema/versions", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}/schema/versions/{version}", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}/schema/differences", Method::GET, Role::Reader),
    ("/synchronization/jobs/{job}/schema/rollBack", Method::POST, Role::Admin),
    ("/auditLogs/provisioning", Method::GET, Role::Reader),
    ("/auditLogs/provisioning.jsonl", Method::GET, Role::Reader),
];

/// The handlers. Whoever asks must be known by now: without a [`Caller`](crate::tokens::Caller) among the extensions of a
/// request every one of them answers 401, and with one whose role is less than [`ROUTES`] says, 403.
pub fn router() -> Router<Jobs> {
    Router::new()
        .route("/synchronization/templates", get(schema::templates))
        .route("/synchronization/templates/{template}", get(schema::template))
        .route("/synchronization/templates/{template}/schema", get(schema::template_schema))
        .route("/synchronization/jobs", get(jobs::list).post(jobs::create))
        .route(
            "/synchronization/jobs/{job}",
            get(jobs::get).patch(jobs::configure).delete(jobs::delete),
        )
        .route("/synchronization/jobs/{job}/start", post(jobs::start))
        .route("/synchronization/jobs/{job}/pause", post(jobs::pause))
        .route("/synchronization/jobs/{job}/restart", post(jobs::restart))
        .route("/synchronization/jobs/{job}/stoppedPlans", get(jobs::stopped_plans))
        .route("/synchronization/jobs/{job}/allowDeletes", post(jobs::allow))
        .route("/synchronization/jobs/{job}/rejectDeletes", post(jobs::pause))
        .route("/synchronization/jobs/{job}/provisionOnDemand", post(jobs::on_demand))
        .route("/synchronization/jobs/{job}/validateCredentials", post(jobs::validate))
        .route("/synchronization/jobs/{job}/secrets", put(jobs::secrets))
        .route("/synchronization/jobs/{job}/schema", get(schema::get).put(schema::put))
        .route("/synchronization/jobs/{job}/schema/parseExpression", post(schema::parse))
        .route("/synchronization/jobs/{job}/schema/versions", get(schema::versions))
        .route("/synchronization/jobs/{job}/schema/versions/{version}", get(schema::version))
        .route("/synchronization/jobs/{job}/schema/differences", get(schema::differences))
        .route("/synchronization/jobs/{job}/schema/rollBack", post(schema::roll_back))
        .route("/auditLogs/provisioning", get(logs::page))
        .route("/auditLogs/provisioning.jsonl", get(logs::lines))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
}
