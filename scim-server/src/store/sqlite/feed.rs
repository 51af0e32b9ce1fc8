//! Rows of the change feed and the audit.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row};
use scim_core::{ResourceId, Version};
use smol_str::SmolStr;

use super::catalog::{Catalog, damaged};
use crate::store::audit::{GENESIS, kind_code, kind_of_code};
use crate::store::{AuditEntry, Change, StoreError};

/// Writes an entry into both tables.
pub(super) fn append(
    connection: &Connection,
    tenant: i64,
    type_number: i64,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let change = &entry.change;
    let attributes = serde_json::to_string(&change.attributes).map_err(StoreError::backend)?;
    connection
        .prepare_cached(
            "INSERT INTO change (tenant, seq, at, kind, type, id, version, actor, attributes, added, removed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute((
            tenant,
            number(change.seq)?,
            change.at.timestamp_millis(),
            kind_code(change.kind),
            type_number,
            change.id.as_str(),
            number(change.version.0)?,
            change.actor.as_str(),
            attributes,
            number(change.members_added)?,
            number(change.members_removed)?,
        ))?;
    connection
        .prepare_cached(
            "INSERT INTO audit (tenant, seq, request, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            tenant,
            number(change.seq)?,
            entry.request_id.as_str(),
            entry.detail.as_str(),
            entry.hash.as_slice(),
        ))?;
    Ok(())
}

/// Changes after a number.
pub(super) fn changes(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    after: u64,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, kind, type, id, version, actor, attributes, added, removed
         FROM change WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query((tenant, clamp(after), clamp(limit as u64)))?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(change(catalog, row)?);
    }
    Ok(changes)
}

/// Audit entries after a number.
pub(super) fn entries(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    after: u64,
    limit: usize,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT c.seq, c.at, c.kind, c.type, c.id, c.version, c.actor, c.attributes, c.added, c.removed,
                a.request, a.detail, a.hash
         FROM change c JOIN audit a ON a.tenant = c.tenant AND a.seq = c.seq
         WHERE c.tenant = ?1 AND c.seq > ?2 ORDER BY c.seq LIMIT ?3",
    )?;
    let mut rows = statement.query((tenant, clamp(after), clamp(limit as u64)))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let mut hash = GENESIS;
        let stored = row.get_ref(12)?.as_blob().map_err(damaged)?;
        if stored.len() == hash.len() {
            hash.copy_from_slice(stored);
        }
        entries.push(AuditEntry {
            change: change(catalog, row)?,
            request_id: text(row, 10)?,
            detail: row.get(11)?,
            hash,
        });
    }
    Ok(entries)
}

fn change(catalog: &Catalog, row: &Row<'_>) -> Result<Change, StoreError> {
    let code: u8 = row.get(2)?;
    let kind = kind_of_code(code)
        .ok_or_else(|| StoreError::backend(format!("unknown kind of change {code}")))?;
    let attributes = row.get_ref(7)?.as_str().map_err(damaged)?;
    Ok(Change {
        seq: count(row, 0)?,
        at: time(row.get(1)?)?,
        kind,
        resource_type: catalog.name(row.get(3)?)?,
        id: id(row, 4)?,
        version: Version(count(row, 5)?),
        actor: text(row, 6)?,
        attributes: serde_json::from_str(attributes).map_err(StoreError::backend)?,
        members_added: count(row, 8)?,
        members_removed: count(row, 9)?,
    })
}

/// The head of a tenant's chain: the number and hash of its last entry.
pub(super) fn head(hash: &[u8]) -> [u8; 32] {
    hash.try_into().unwrap_or(GENESIS)
}

/// A count as SQLite keeps it.
pub(super) fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(StoreError::backend)
}

/// A limit or bound: more than SQLite can count is as good as no bound.
pub(super) fn clamp(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A column that counts.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(StoreError::backend)
}

/// A time from its milliseconds.
pub(super) fn time(millis: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(millis)
        .ok_or_else(|| StoreError::backend(format!("the stored time {millis} is out of range")))
}

/// A column that is short text.
pub(super) fn text(row: &Row<'_>, column: usize) -> Result<SmolStr, StoreError> {
    Ok(SmolStr::new(row.get_ref(column)?.as_str().map_err(damaged)?))
}

/// A column that is a resource's id.
pub(super) fn id(row: &Row<'_>, column: usize) -> Result<ResourceId, StoreError> {
    ResourceId::new(row.get_ref(column)?.as_str().map_err(damaged)?)
        .ok_or_else(|| StoreError::backend("a stored id is damaged"))
}
