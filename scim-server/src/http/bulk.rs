//! `POST /Bulk` (RFC 7644 section 3.7).

use http::StatusCode;
use scim_core::{ErrorDocument, json};

use super::dispatch::{Input, Reply, respond};
use super::problem::Failure;
use crate::service::{self, Cx, ServiceError};

/// The job is 200 when it was processed, whatever became of its operations.
pub(crate) async fn run(cx: &mut Cx<'_>, input: &Input<'_>) -> Reply {
    let message = json::parse_object(&input.body, &cx.app.limits)?;
    let id = cx.request_id.clone();
    let refuse = |error, index| failure_document(error, &id, index);
    let response = service::bulk(cx, message, refuse).await?;
    let mut body = Vec::new();
    let _ = serde_json::to_writer(&mut body, &response);
    Ok(respond(StatusCode::OK, body))
}

/// The error document of an operation, which is logged like that of a request of its own.
fn failure_document(
    error: ServiceError,
    request_id: &str,
    index: usize,
) -> (StatusCode, ErrorDocument) {
    let failure = Failure::from(error);
    let (status, document) = failure.document();
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        tracing::error!(id = request_id, operation = index, status = status.as_u16(), reason = %failure, "bulk operation failed");
    } else {
        let scim_type = document.scim_type().unwrap_or("-");
        let status = status.as_u16();
        tracing::warn!(id = request_id, operation = index, status, scim_type, detail = %failure, "bulk operation refused");
    }
    (status, document)
}
