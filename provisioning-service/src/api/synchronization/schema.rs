//! Mappings and templates: `/synchronization/jobs/{job}/schema`, `/synchronization/templates`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use scim_sync::rules::graph::JobSchema;
use serde::Deserialize;

use super::problem::{Body, Caller, Problem, Query};
use crate::job::wire::{Collection, ParseExpression, ParsedExpression, Template};
use crate::job::{self, Difference, JobError, JobKey, Jobs, MappingVersion, templates};

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn templates(_: Caller) -> Answer<Collection<Template>> {
    let all = templates::all().map_err(JobError::Internal)?;
    let told: Result<Vec<_>, _> = all.iter().map(|template| template.wire(false)).collect();
    Ok(Json(Collection::of(told.map_err(JobError::Internal)?)))
}

fn named(id: String) -> Result<templates::Template, JobError> {
    templates::by_id(&id).ok_or(JobError::Missing { what: "template", id })
}

pub(super) async fn template(_: Caller, Path(id): Path<String>) -> Answer<Template> {
    Ok(Json(named(id)?.wire(true).map_err(JobError::Internal)?))
}

pub(super) async fn template_schema(_: Caller, Path(id): Path<String>) -> Answer<JobSchema> {
    Ok(Json(named(id)?.schema().map_err(JobError::Internal)?))
}

pub(super) async fn get(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<JobSchema> {
    Ok(Json(jobs.schema(&JobKey::new(&caller.0.tenant, &id)).await?))
}

pub(super) async fn put(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
    Body(schema): Body<JobSchema>,
) -> Result<StatusCode, Problem> {
    let key = JobKey::new(&caller.0.tenant, &id);
    jobs.save_schema(&key, &schema, &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn parse(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<ParseExpression>,
) -> Answer<ParsedExpression> {
    // Of a job that is there only, as the path says.
    jobs.schema(&JobKey::new(&caller.0.tenant, &id)).await?;
    Ok(Json(job::parse(&asked, jobs.now())))
}

pub(super) async fn versions(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Collection<MappingVersion>> {
    Ok(Json(Collection::of(jobs.versions(&JobKey::new(&caller.0.tenant, &id)).await?)))
}

pub(super) async fn version(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path((id, version)): Path<(String, u64)>,
) -> Answer<MappingVersion> {
    Ok(Json(jobs.version(&JobKey::new(&caller.0.tenant, &id), version).await?))
}

/// Which two versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Two {
    old: u64,
    new: u64,
}

pub(super) async fn differences(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
    Query(two): Query<Two>,
) -> Answer<Collection<Difference>> {
    let key = JobKey::new(&caller.0.tenant, &id);
    Ok(Json(Collection::of(jobs.compare(&key, two.old, two.new).await?)))
}

/// The version to go back to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    version: u64,
}

pub(super) async fn roll_back(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(id): Path<String>,
    Body(back): Body<Back>,
) -> Answer<MappingVersion> {
    let key = JobKey::new(&caller.0.tenant, &id);
    Ok(Json(jobs.roll_back(&key, back.version, &caller.0.actor()).await?))
}
