//! `/api/notifications`: what people were told of, and whether they can be told.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Access, Endpoint, Parameters};
use crate::app::App;
use crate::notify::Listed;
use crate::problem::Problem;
use crate::tokens::{Caller, Role};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (reader, operator) = (Access::Role(Role::Reader), Access::Role(Role::Operator));
    const TEST: &str = "/api/notifications/test";
    vec![
        Endpoint::new(Method::GET, "/api/notifications", reader, "listNotifications", list),
        Endpoint::new(Method::POST, TEST, operator, "testNotifications", test),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    state: Option<Wanted>,
}

/// Which reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Open,
    Resolved,
}

/// Newest first.
async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Value>, Problem> {
    let mut all = app.notifier.list(&caller.tenant).await?;
    all.retain(|listed| asked.state.is_none_or(|wanted| wanted == state(listed)));
    let all: Vec<Value> = all
        .iter()
        .map(|listed| {
            let mut told = json!(listed);
            told["state"] = match state(listed) {
                Wanted::Open => "open".into(),
                Wanted::Resolved => "resolved".into(),
            };
            told
        })
        .collect();
    Ok(Json(json!({ "notifications": all })))
}

fn state(listed: &Listed) -> Wanted {
    if listed.notification.resolved.is_none() { Wanted::Open } else { Wanted::Resolved }
}

/// Sends a message to everybody who is told of the tenant, and nobody else, and waits for what comes of it.
async fn test(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "results": app.notifier.test(&caller.tenant).await }))
}
