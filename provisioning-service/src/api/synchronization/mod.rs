//! `/synchronization` and `/auditLogs/provisioning`: jobs and their log, with the paths, verbs and JSON of Microsoft's API.
//!
//! What that API has no verb for is beside it under names of its own: `hybrid` of a job, `schema/versions`, `stoppedPlans`.

mod jobs;
mod logs;
mod problem;
mod schema;

use std::sync::Arc;

pub(crate) use logs::export;

use axum::extract::FromRef;
use http::{Method, StatusCode};

use super::{Access, Endpoint};
use crate::app::App;
use crate::job::{JobError, Jobs};
use crate::tokens::Role;

impl FromRef<Arc<App>> for Jobs {
    fn from_ref(app: &Arc<App>) -> Self {
        app.jobs.clone()
    }
}

/// An error of the jobs as the API tells it.
pub(crate) fn told(error: JobError) -> (StatusCode, String) {
    problem::Problem::from(error).told()
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    const TEMPLATE: &str = "/synchronization/templates/{template}";
    const TEMPLATE_SCHEMA: &str = "/synchronization/templates/{template}/schema";
    const JOBS: &str = "/synchronization/jobs";
    const JOB: &str = "/synchronization/jobs/{job}";
    const SCHEMA: &str = "/synchronization/jobs/{job}/schema";
    const VERSION: &str = "/synchronization/jobs/{job}/schema/versions/{version}";
    let get = Method::GET;
    let post = Method::POST;
    let reader = Access::Role(Role::Reader);
    let operator = Access::Role(Role::Operator);
    let admin = Access::Role(Role::Admin);
    vec![
        Endpoint::new(
            get.clone(),
            "/synchronization/templates",
            reader,
            "listTemplates",
            schema::templates,
        ),
        Endpoint::new(get.clone(), TEMPLATE, reader, "getTemplate", schema::template),
        Endpoint::new(
            get.clone(),
            TEMPLATE_SCHEMA,
            reader,
            "getTemplateSchema",
            schema::template_schema,
        ),
        Endpoint::new(get.clone(), JOBS, reader, "listJobs", jobs::list),
        Endpoint::new(post.clone(), JOBS, admin, "createJob", jobs::create),
        Endpoint::new(get.clone(), JOB, reader, "getJob", jobs::get),
        Endpoint::new(Method::PATCH, JOB, admin, "configureJob", jobs::configure),
        Endpoint::new(Method::DELETE, JOB, admin, "deleteJob", jobs::delete),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/start",
            operator,
            "startJob",
            jobs::start,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/pause",
            operator,
            "pauseJob",
            jobs::pause,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/restart",
            operator,
            "restartJob",
            jobs::restart,
        ),
        Endpoint::new(
            get.clone(),
            "/synchronization/jobs/{job}/plan",
            reader,
            "getPlan",
            jobs::plan,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/goLive",
            admin,
            "goLive",
            jobs::go_live,
        ),
        Endpoint::new(
            get.clone(),
            "/synchronization/jobs/{job}/stoppedPlans",
            reader,
            "listStoppedPlans",
            jobs::stopped_plans,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/allowDeletes",
            operator,
            "allowDeletes",
            jobs::allow,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/rejectDeletes",
            operator,
            "rejectDeletes",
            jobs::pause,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/provisionOnDemand",
            operator,
            "provisionOnDemand",
            jobs::on_demand,
        ),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/validateCredentials",
            admin,
            "validateCredentials",
            jobs::validate,
        ),
        Endpoint::new(
            Method::PUT,
            "/synchronization/jobs/{job}/secrets",
            admin,
            "putSecrets",
            jobs::secrets,
        ),
        Endpoint::new(get.clone(), SCHEMA, reader, "getSchema", schema::get),
        Endpoint::new(Method::PUT, SCHEMA, admin, "putSchema", schema::put),
        Endpoint::new(
            post.clone(),
            "/synchronization/jobs/{job}/schema/parseExpression",
            reader,
            "parseExpression",
            schema::parse,
        ),
        Endpoint::new(
            get.clone(),
            "/synchronization/jobs/{job}/schema/versions",
            reader,
            "listSchemaVersions",
            schema::versions,
        ),
        Endpoint::new(get.clone(), VERSION, reader, "getSchemaVersion", schema::version),
        Endpoint::new(
            get.clone(),
            "/synchronization/jobs/{job}/schema/differences",
            reader,
            "compareSchemaVersions",
            schema::differences,
        ),
        Endpoint::new(
            post,
            "/synchronization/jobs/{job}/schema/rollBack",
            admin,
            "rollBackSchema",
            schema::roll_back,
        ),
        Endpoint::new(
            get.clone(),
            "/auditLogs/provisioning",
            reader,
            "listProvisioningLog",
            logs::page,
        ),
        Endpoint::new(
            get,
            "/auditLogs/provisioning.jsonl",
            reader,
            "exportProvisioningLog",
            logs::lines,
        ),
    ]
}
