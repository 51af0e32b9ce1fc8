//! `/health/live` and `/health/ready`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Access, Endpoint};
use crate::app::App;
use crate::problem::Problem;
use crate::records::Key;
use crate::tenant::TenantId;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Method::GET, "/health/live", Access::Open, "live", live),
        Endpoint::new(Method::GET, "/health/ready", Access::Open, "ready", ready),
    ]
}

async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Ready is who can read its records.
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let probe = Key::new(&TenantId::service(), "authority", "1");
    match app.records.get(&probe).await {
        Ok(Some(_)) => Ok(Json(json!({"status": "ready"}))),
        Ok(None) | Err(_) => Err(Problem::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service cannot read its records",
            5,
        )),
    }
}
