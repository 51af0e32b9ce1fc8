//! Delete (RFC 7644 section 3.6). The resource leaves all groups in the same transaction.

use scim_core::ResourceSchema;

use super::{Cx, Guard, Result, at};
use crate::store::{Include, Write, WriteIf};

/// Deletes a resource.
pub(crate) async fn delete(
    cx: &mut Cx<'_>,
    schema: &ResourceSchema,
    id: &str,
    guard: &Guard,
) -> Result<()> {
    let key = cx.key(schema, id)?;
    let condition = if guard.is_empty() {
        WriteIf::Any
    } else {
        let stored = cx.app.store.get(&key, Include::default()).await?;
        guard.check(stored.version)?;
        at(stored.version)
    };
    cx.write(Write::Delete { key, guard: condition }).await.map(drop)
}
