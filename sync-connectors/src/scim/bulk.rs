//! Many writes in one request (RFC 7644 section 3.7).

use std::collections::BTreeMap;
use std::sync::Arc;

use scim_client::scim_core::ResourceSchema;
use scim_client::scim_core::bulk::BulkMethod;
use scim_client::{BulkOutcome, Fate};
use scim_sync::connector::{ExportFailure, ExportOutcome, ExportWrite, Exported, FailureKind};
use scim_sync::{Anchor, ConnectorError, ObjectType};

use super::export::{self, Single};
use super::failure::{connector_error, failure};
use super::{ScimConnector, endpoint};

/// Writes below this number are quicker as requests of their own.
const FEWEST: usize = 8;

/// Whether the server takes bulk requests and there are enough writes.
pub(super) async fn pays(
    connector: &ScimConnector,
    writes: &[ExportWrite],
) -> Result<bool, ConnectorError> {
    if writes.len() < FEWEST {
        return Ok(false);
    }
    let capabilities =
        connector.client.capabilities().await.map_err(|error| connector_error(&error))?;
    Ok(capabilities.bulk.value && capabilities.patch.value)
}

/// Carries out all writes: those that are one operation each in bulk, the others after them by themselves.
pub(super) async fn export(
    connector: &ScimConnector,
    writes: Vec<ExportWrite>,
    schemas: &BTreeMap<ObjectType, Arc<ResourceSchema>>,
) -> Vec<ExportOutcome> {
    let mut outcomes: Vec<Option<ExportOutcome>> = writes.iter().map(|_| None).collect();
    let mut bulk = connector.client.bulk();
    let mut pushed = Vec::new();
    for (index, write) in writes.iter().enumerate() {
        let schema = &schemas[&write.object_type];
        let at = endpoint(schema);
        let (operation, version) = match export::single(connector, write, schema) {
            Ok(Some(Single::Create(resource))) => (bulk.create_at(at, &resource), None),
            Ok(Some(Single::Patch(anchor, version, patch))) => {
                (bulk.patch_at(at, anchor.as_str(), &patch), version)
            }
            Ok(Some(Single::Delete(anchor, version))) => {
                (bulk.delete_at(at, anchor.as_str()), version)
            }
            Ok(None) => continue,
            Err(failure) => {
                outcomes[index] = Some(ExportOutcome::Failed(failure));
                continue;
            }
        };
        if let Some(version) = version {
            operation.if_match(version);
        }
        pushed.push(index);
    }
    match bulk.await {
        Ok(report) => {
            for (index, outcome) in pushed.into_iter().zip(report.outcomes()) {
                outcomes[index] = Some(told(outcome));
            }
        }
        Err(error) => {
            for index in pushed {
                outcomes[index] = Some(ExportOutcome::Failed(failure(&error)));
            }
        }
    }
    let mut all = Vec::with_capacity(writes.len());
    for (write, outcome) in writes.into_iter().zip(outcomes) {
        all.push(match outcome {
            Some(outcome) => outcome,
            None => {
                let schema = Arc::clone(&schemas[&write.object_type]);
                export::one(connector, write, &schema).await
            }
        });
    }
    all
}

fn told(outcome: &BulkOutcome) -> ExportOutcome {
    let failed = |kind, message: String| ExportOutcome::Failed(ExportFailure { kind, message });
    match &outcome.fate {
        Fate::Done(_) | Fate::Pending { .. } => ExportOutcome::Done(Exported {
            anchor: outcome.id.as_deref().map(Anchor::new),
            version: outcome.version.clone(),
            ..Exported::default()
        }),
        Fate::Failed(error) if outcome.method == BulkMethod::Delete && error.is_not_found() => {
            ExportOutcome::Done(Exported::default())
        }
        Fate::Failed(error) => ExportOutcome::Failed(failure(error)),
        Fate::Unknown(error) => failed(FailureKind::Unknown, error.to_string()),
        Fate::NotAttempted | Fate::Dangling { .. } => {
            failed(FailureKind::Busy, outcome.to_string())
        }
        other => failed(FailureKind::Unknown, format!("{other:?}")),
    }
}
