//! One object as its system has it now: found and staged, to be explained or provisioned on its own.

use crate::connector::{
    Connector, ConnectorError, ImportChange, ImportEnd, ImportPage, ImportShape, ImportedObject,
    MatchQuery, SourceScope,
};
use crate::import::{ReadKind, Staging, StagingError};
use crate::{Anchor, AttributeValue, SpaceId, SyncStore};

/// Reads the object that somebody means: by its whole name, or by what identifies it.
///
/// A system that has no names, or none of this type, is asked by the identifier alone.
///
/// # Errors
/// Any [`ConnectorError`] of the last question.
pub async fn find(
    connector: &dyn Connector,
    object: &str,
    shape: &ImportShape,
) -> Result<Option<ImportedObject>, ConnectorError> {
    for object_type in shape.types.keys() {
        let query = MatchQuery {
            object_type: object_type.clone(),
            attribute: MatchQuery::DN.into(),
            value: AttributeValue::text(object),
            limit: 1,
        };
        match connector.find(&query, shape).await {
            Ok(found) => {
                if let Some(object) = found.into_iter().next() {
                    return Ok(Some(object));
                }
            }
            // The name is none, or names are not searched by: the identifier may be good.
            Err(
                ConnectorError::Unsupported(_)
                | ConnectorError::Configuration(_)
                | ConnectorError::Protocol(_),
            ) => {}
            Err(error) => return Err(error),
        }
    }
    let found = connector.read(&[Anchor::new(object)], shape).await?;
    Ok(found.into_iter().next())
}

/// Takes an object in whatever the connector's own scope says, and gives why it had left it out.
pub fn take_in(object: &mut ImportedObject) -> Option<String> {
    match std::mem::take(&mut object.scope) {
        SourceScope::In => None,
        SourceScope::Out(reason) => Some(reason),
    }
}

/// Stages an object as a read of changes would, and gives its row. How far the system was read stays as it is.
///
/// # Errors
/// [`StagingError`].
pub fn stage(
    store: &mut dyn SyncStore,
    connector: &dyn Connector,
    object: ImportedObject,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<SpaceId>, StagingError> {
    let anchor = object.anchor.clone();
    let mut staging = Staging::begin(store, connector.id(), ReadKind::Delta, now)?;
    staging.page(page(vec![object]))?;
    staging.finish()?;
    Ok(store.object_by_anchor(connector.id(), &anchor)?)
}

/// The one page of a read that tells these objects and nothing of others.
#[must_use]
pub fn page(objects: Vec<ImportedObject>) -> ImportPage {
    ImportPage {
        changes: objects.into_iter().map(ImportChange::Object).collect(),
        expected: None,
        end: Some(ImportEnd { watermark: None, sweep: false }),
    }
}
