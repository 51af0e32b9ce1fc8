//! Jobs: `/synchronization/jobs`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use scim_sync::run::Reset;
use serde::Deserialize;

use super::problem::{Body, Caller, Problem};
use crate::job::wire::{
    Collection, NewJob, ProvisionOnDemand, Restart, Secrets, SynchronizationJob,
    ValidateCredentials,
};
use crate::job::{Command, JobKey, Jobs, OnDemand, Planned, StoppedPlan};

type Answer<T> = Result<Json<T>, Problem>;

fn key(caller: &Caller, job: &str) -> JobKey {
    JobKey::new(&caller.0.tenant, job)
}

pub(super) async fn list(
    State(jobs): State<Jobs>,
    caller: Caller,
) -> Answer<Collection<SynchronizationJob>> {
    Ok(Json(Collection::of(jobs.list(&caller.0.tenant).await?)))
}

pub(super) async fn create(
    State(jobs): State<Jobs>,
    caller: Caller,
    Body(new): Body<NewJob>,
) -> Result<(StatusCode, Json<SynchronizationJob>), Problem> {
    let job = jobs.create(&caller.0.tenant, new, &caller.0.actor()).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

pub(super) async fn get(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Answer<SynchronizationJob> {
    Ok(Json(jobs.get(&key(&caller, &job)).await?))
}

/// What of a job can be changed: the settings that are named; the others stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    hybrid: serde_json::Map<String, serde_json::Value>,
}

pub(super) async fn configure(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(change): Body<Change>,
) -> Answer<SynchronizationJob> {
    let actor = caller.0.actor();
    Ok(Json(jobs.configure(&key(&caller, &job), &change.hybrid, &actor).await?))
}

pub(super) async fn delete(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<StatusCode, Problem> {
    jobs.delete(&key(&caller, &job), &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn command(
    jobs: &Jobs,
    caller: &Caller,
    job: &str,
    command: Command,
) -> Result<StatusCode, Problem> {
    jobs.command(&key(caller, job), &command, &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn start(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<StatusCode, Problem> {
    command(&jobs, &caller, &job, Command::Start).await
}

/// Pauses a job; a plan that was rejected stays unwritten with it, until the scope is mended and the job restarted.
pub(super) async fn pause(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<StatusCode, Problem> {
    command(&jobs, &caller, &job, Command::Pause).await
}

pub(super) async fn restart(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(asked): Body<Restart>,
) -> Result<StatusCode, Problem> {
    let resets = Reset::list(&asked.criteria.reset_scope)
        .map_err(|error| Problem::bad(format!("criteria.resetScope: {error}")))?;
    command(&jobs, &caller, &job, Command::Restart(resets)).await
}

pub(super) async fn plan(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Answer<Planned> {
    Ok(Json(jobs.plan(&key(&caller, &job)).await?))
}

/// The plan that was looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Live {
    digest: Option<String>,
}

pub(super) async fn go_live(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(live): Body<Live>,
) -> Result<StatusCode, Problem> {
    jobs.go_live(&key(&caller, &job), live.digest.as_deref(), &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn stopped_plans(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
) -> Answer<Collection<StoppedPlan>> {
    Ok(Json(Collection::of(jobs.stopped_plans(&key(&caller, &job)).await?)))
}

/// The plan that is allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allowed {
    digest: String,
}

pub(super) async fn allow(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(allowed): Body<Allowed>,
) -> Result<StatusCode, Problem> {
    jobs.allow(&key(&caller, &job), &allowed.digest, &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn on_demand(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(asked): Body<ProvisionOnDemand>,
) -> Answer<OnDemand> {
    Ok(Json(jobs.on_demand(&key(&caller, &job), &asked, &caller.0.actor()).await?))
}

pub(super) async fn validate(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(asked): Body<ValidateCredentials>,
) -> Result<StatusCode, Problem> {
    jobs.validate(&key(&caller, &job), &asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn secrets(
    State(jobs): State<Jobs>,
    caller: Caller,
    Path(job): Path<String>,
    Body(secrets): Body<Secrets>,
) -> Result<Response, Problem> {
    jobs.save_secrets(&key(&caller, &job), &secrets.value, &caller.0.actor()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
