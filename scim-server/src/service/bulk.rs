//! Bulk (RFC 7644 section 3.7): each operation is a request of its own, the job as a whole is not atomic.

use std::sync::Arc;

use http::StatusCode;
use scim_core::bulk::{BulkMethod, BulkRequest, BulkResponse, BulkRun, Outcome, Task};
use scim_core::{Error, ErrorDocument, Object, Resource, ResourceSchema};

use super::{Cx, Guard, ReadyHashes, ServiceError, create, delete, has_members, patch, replace};
use crate::assembled::opaque_version;
use crate::store::Stored;

/// Runs the operations of a bulk request, one after the other, in an order in which references can be resolved.
///
/// `refuse` makes the error document of an operation that failed; it is told the operation's index.
pub(crate) async fn bulk(
    cx: &mut Cx<'_>,
    message: Object,
    refuse: impl Fn(ServiceError, usize) -> (StatusCode, ErrorDocument),
) -> super::Result<BulkResponse> {
    let request = BulkRequest::from_object(message, &cx.app.limits, &mut cx.leniency)?;
    cx.hashes = ReadyHashes::of(cx.app, &request).await;
    let mut run = BulkRun::new(request, cx.links.base_url());
    // Groups that refer to each other are what circular bulkIds are for.
    cx.allow_cycles = true;
    while let Some(task) = run.next_task() {
        let index = task.index;
        let outcome = match step(cx, task).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let (status, document) = refuse(error, index);
                Outcome::Failed { status, document }
            }
        };
        run.report(outcome);
    }
    Ok(run.finish())
}

async fn step(cx: &mut Cx<'_>, task: Task) -> super::Result<Outcome> {
    let schema = endpoint(cx, &task.endpoint)?;
    let id = task.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let guard = Guard { if_match: task.version, if_none_match: None };
    let data = task.data.unwrap_or_default();
    match task.method {
        BulkMethod::Post => {
            let stored = create(cx, &schema, Resource::from(data)).await?;
            Ok(done(cx, &schema, &stored, StatusCode::CREATED, true))
        }
        BulkMethod::Put => {
            let stored = replace(cx, &schema, &id, Resource::from(data), &guard).await?;
            Ok(done(cx, &schema, &stored, StatusCode::OK, false))
        }
        BulkMethod::Patch => {
            let stored = patch(cx, &schema, &id, data, &guard).await?;
            let status = if has_members(&schema) { StatusCode::NO_CONTENT } else { StatusCode::OK };
            Ok(done(cx, &schema, &stored, status, false))
        }
        BulkMethod::Delete => {
            delete(cx, &schema, &id, &guard).await?;
            let location = Some(cx.links.location(&schema, &id));
            let status = StatusCode::NO_CONTENT;
            Ok(Outcome::Done { status, id: None, location, version: None, response: None })
        }
    }
}

fn endpoint(cx: &Cx<'_>, name: &str) -> super::Result<Arc<ResourceSchema>> {
    let found = cx
        .app
        .registry
        .by_endpoint(name)
        .filter(|schema| schema.resource_type().endpoint.trim_start_matches('/') == name);
    found.map(Arc::clone).ok_or_else(|| {
        ServiceError::Scim(Error::NotFound {
            what: "the endpoint of the operation's path".to_owned(),
        })
    })
}

fn done(
    cx: &Cx<'_>,
    schema: &ResourceSchema,
    stored: &Stored,
    status: StatusCode,
    created: bool,
) -> Outcome {
    Outcome::Done {
        status,
        id: created.then(|| stored.id.clone()),
        location: Some(cx.links.location(schema, stored.id.as_str())),
        version: Some(format!("W/\"{}\"", opaque_version(stored))),
        response: None,
    }
}
