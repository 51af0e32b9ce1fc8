//! Delete (RFC 7644 section 3.6). The resource leaves all groups in the same transaction.

use scim_core::{Error, ResourceSchema};

use super::retry::ATTEMPTS;
use super::{Cx, Guard, Result, ServiceError, at};
use crate::store::{Include, Write, WriteIf};

/// Deletes a resource.
pub(crate) async fn delete(
    cx: &mut Cx<'_>,
    schema: &ResourceSchema,
    id: &str,
    guard: &Guard,
) -> Result<()> {
    let key = cx.key(schema, id)?;
    if guard.is_empty() {
        return cx.write(Write::Delete { key, guard: WriteIf::Any }).await.map(drop);
    }
    for _ in 0..ATTEMPTS {
        let stored = cx.app.store.get(&key, Include::default()).await?;
        guard.check(stored.version)?;
        match cx.write(Write::Delete { key: key.clone(), guard: at(stored.version) }).await {
            Err(ServiceError::Scim(Error::PreconditionFailed)) => {}
            other => return other.map(drop),
        }
    }
    Err(Error::Conflict { detail: "the resource keeps changing; try again".to_owned() }.into())
}
