//! The provisioning log: `/auditLogs/provisioning`, and the same as JSON lines.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::stream;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

use super::problem::{Caller, Problem, Query};
use crate::job::Jobs;
use crate::job::wire::Collection;
use crate::records::{LogQuery, RecordsError};

/// What is asked for. `$top` and `$skiptoken` are those of OData.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Of this job.
    job_id: Option<String>,
    /// About objects with this text in their names or identifiers.
    object: Option<String>,
    /// `create`, `update`, `delete`, `stageddelete`, `disable` or `other`.
    action: Option<String>,
    /// `success`, `failure`, `skipped` or `warning`.
    status: Option<String>,
    /// Not before.
    since: Option<DateTime<Utc>>,
    /// Before.
    until: Option<DateTime<Utc>>,
    #[serde(rename = "$top")]
    top: Option<usize>,
    #[serde(rename = "$skiptoken")]
    skip_token: Option<u64>,
}

impl From<Asked> for LogQuery {
    fn from(asked: Asked) -> Self {
        Self {
            job: asked.job_id,
            object: asked.object,
            action: asked.action,
            status: asked.status,
            since: asked.since,
            until: asked.until,
            after: asked.skip_token,
            limit: asked.top.unwrap_or(100),
            ..Self::default()
        }
    }
}

pub(super) async fn page(
    State(jobs): State<Jobs>,
    caller: Caller,
    uri: axum::extract::OriginalUri,
    Query(asked): Query<Asked>,
) -> Result<Json<Collection<Value>>, Problem> {
    let found = jobs.log(&caller.0.tenant, &asked.into()).await?;
    let next_link = found.next.map(|token| {
        let others = uri.query().unwrap_or_default().split('&');
        let others = others.filter(|part| !part.is_empty() && !is_token(part));
        let mut query: Vec<String> = others.map(ToOwned::to_owned).collect();
        query.push(format!("$skiptoken={token}"));
        format!("{}?{}", uri.path(), query.join("&"))
    });
    Ok(Json(Collection { next_link, value: found.entries }))
}

fn is_token(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or_default();
    name == "$skiptoken" || name.eq_ignore_ascii_case("%24skiptoken")
}

/// All of it, oldest first, a page at a time: a reader that is slow holds no more than a page.
pub(super) async fn lines(
    State(jobs): State<Jobs>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    Ok(export(jobs, caller.0.tenant, asked.into()).await?)
}

/// The entries that a query finds, as JSON lines.
pub(crate) async fn export(
    jobs: Jobs,
    tenant: crate::tenant::TenantId,
    query: LogQuery,
) -> Result<Response, RecordsError> {
    let first = jobs.log_lines(&tenant, &query).await?;
    let start = Some((first, jobs, tenant, query));
    let pages = stream::unfold(start, |state| async move {
        let ((text, next), jobs, tenant, query) = state?;
        let next = match next {
            None => None,
            Some(after) => {
                let query = LogQuery { after: Some(after), ..query };
                let page = following(&jobs, &tenant, &query).await;
                Some((page, jobs, tenant, query))
            }
        };
        Some((Ok::<_, Infallible>(text), next))
    });
    let content = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((content, Body::from_stream(pages)).into_response())
}

/// The next page; where it cannot be had, a last line that says so: a cut-off export must not look like a whole one.
async fn following(
    jobs: &Jobs,
    tenant: &crate::tenant::TenantId,
    query: &LogQuery,
) -> (String, Option<u64>) {
    match jobs.log_lines(tenant, query).await {
        Ok(page) => page,
        Err(error) => (broken_off(&error), None),
    }
}

fn broken_off(error: &RecordsError) -> String {
    let message = format!("the export was broken off here: {error}");
    format!("{}\n", serde_json::json!({ "error": { "code": "BrokenOff", "message": message } }))
}
