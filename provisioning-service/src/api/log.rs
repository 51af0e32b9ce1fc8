//! `/api/audit`: the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Access, Endpoint, Parameters};
use crate::app::App;
use crate::problem::Problem;
use crate::records::{Journal, LogQuery};
use crate::tokens::{Caller, Role};

/// Entries on a page, at most.
const PAGE: usize = 500;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let reader = Access::Role(Role::Reader);
    vec![Endpoint::new(Method::GET, "/api/audit", reader, "listAudit", list)]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    object: Option<String>,
    action: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// The `next` of the page before.
    after: Option<u64>,
    limit: Option<usize>,
}

/// Newest first; `next` is there when there may be more.
async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<Value>, Problem> {
    let limit = query.limit.unwrap_or(100).clamp(1, PAGE);
    let query = LogQuery {
        object: query.object,
        action: query.action,
        since: query.since,
        until: query.until,
        after: query.after,
        limit,
        ..LogQuery::default()
    };
    let found = app.records.log(&caller.tenant, Journal::Audit, &query).await?;
    let next = (found.len() == limit).then(|| found.last().map(|logged| logged.sequence)).flatten();
    let entries: Vec<Value> = found
        .into_iter()
        .map(|logged| {
            let entry = logged.entry;
            json!({
                "sequence": logged.sequence,
                "at": entry.at,
                "actor": entry.job,
                "action": entry.action,
                "object": entry.object,
                "details": entry.body,
            })
        })
        .collect();
    let mut answer = json!({ "entries": entries });
    if let Some(next) = next {
        answer["next"] = json!(next);
    }
    Ok(Json(answer))
}
