//! Reading single resources, their groups and their members.

use std::collections::BTreeSet;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use scim_core::{ResourceId, Version};
use smol_str::SmolStr;

use super::catalog::{Catalog, TypeInfo, damaged};
use super::feed::{clamp, count, id, time};
use crate::auth::TenantId;
use crate::store::{GroupRow, Include, Key, Member, MemberPage, StoreError, Stored};

/// The number of a tenant.
pub(super) fn tenant(connection: &Connection, tenant: &TenantId) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT id FROM tenant WHERE name = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::NoTenant)
}

/// Makes a resource of a row of rid, id, version, created, modified, flags and body.
pub(super) fn stored(resource_type: &SmolStr, row: &Row<'_>) -> Result<Stored, StoreError> {
    let body = row.get_ref(6)?.as_bytes().map_err(damaged)?;
    Ok(Stored {
        resource_type: resource_type.clone(),
        id: id(row, 1)?,
        version: Version(count(row, 2)?),
        created: time(row.get(3)?)?,
        modified: time(row.get(4)?)?,
        body: Bytes::copy_from_slice(body),
        relative_refs: row.get::<_, i64>(5)? & 1 != 0,
        groups: Vec::new(),
        members: Vec::new(),
    })
}

/// Reads one resource, without what comes from memberships, in a single statement.
pub(super) fn get(
    connection: &Connection,
    info: &TypeInfo,
    key: &Key,
) -> Result<(i64, Stored), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.rid, r.id, r.version, r.created, r.modified, r.flags, r.body
         FROM tenant t LEFT JOIN resource r ON r.tenant = t.id AND r.type = ?2 AND r.id = ?3
         WHERE t.name = ?1",
    )?;
    let mut rows = statement.query((key.tenant.as_str(), info.number, key.id.as_str()))?;
    let row = rows.next()?.ok_or(StoreError::NoTenant)?;
    match row.get(0)? {
        Some(rid) => Ok((rid, stored(&key.resource_type, row)?)),
        None => Err(StoreError::NotFound),
    }
}

/// Reads what was asked for along with a resource.
pub(super) fn include(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    rid: i64,
    include: Include,
    stored: &mut Stored,
) -> Result<(), StoreError> {
    if include.groups {
        stored.groups = groups(connection, tenant, rid)?;
    }
    if include.members {
        stored.members = members(connection, catalog, tenant, rid, None, usize::MAX)?.members;
    }
    Ok(())
}

/// The groups that hold a resource, directly and through other groups, by id.
///
/// Walked here rather than by a recursive query: most resources are in no group or a few, and each step is one look-up
/// in an index that is named, whatever the planner thinks of large groups.
pub(super) fn groups(
    connection: &Connection,
    tenant: i64,
    rid: i64,
) -> Result<Vec<GroupRow>, StoreError> {
    let direct = holders(connection, tenant, rid)?;
    if direct.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen: BTreeSet<i64> = direct.iter().copied().collect();
    let mut open = direct.clone();
    while let Some(group) = open.pop() {
        for holder in holders(connection, tenant, group)? {
            if seen.insert(holder) {
                open.push(holder);
            }
        }
    }
    let mut statement =
        connection.prepare_cached("SELECT id, label FROM resource WHERE rid = ?1")?;
    let mut groups = Vec::with_capacity(seen.len());
    for group in seen {
        let mut rows = statement.query([group])?;
        if let Some(row) = rows.next()? {
            groups.push(GroupRow {
                id: id(row, 0)?,
                display: label(row, 1)?.unwrap_or_default(),
                direct: direct.contains(&group),
            });
        }
    }
    groups.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(groups)
}

/// The groups that a resource is itself a member of.
fn holders(connection: &Connection, tenant: i64, rid: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT grp FROM member INDEXED BY member_of WHERE tenant = ?1 AND rid = ?2",
    )?;
    let mut rows = statement.query((tenant, rid))?;
    let mut holders = Vec::new();
    while let Some(row) = rows.next()? {
        holders.push(row.get(0)?);
    }
    Ok(holders)
}

/// A page of the members of a group.
pub(super) fn members(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    group: i64,
    after: Option<&ResourceId>,
    limit: usize,
) -> Result<MemberPage, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT m.id, r.type, r.label FROM member m CROSS JOIN resource r ON r.rid = m.rid
         WHERE m.tenant = ?1 AND m.grp = ?2 AND m.id > ?3 ORDER BY m.id LIMIT ?4",
    )?;
    let after = after.map_or("", ResourceId::as_str);
    let one_more = clamp((limit as u64).saturating_add(1));
    let mut rows = statement.query((tenant, group, after, one_more))?;
    let mut page = MemberPage::default();
    while let Some(row) = rows.next()? {
        if page.members.len() == limit {
            page.more = true;
            break;
        }
        page.members.push(Member {
            id: id(row, 0)?,
            resource_type: catalog.name(row.get(1)?)?,
            display: label(row, 2)?,
        });
    }
    Ok(page)
}

/// The text that a resource goes by in lists.
fn label(row: &Row<'_>, column: usize) -> Result<Option<SmolStr>, StoreError> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(damaged)?;
    Ok(text.map(SmolStr::new))
}

/// The number and type of a resource of whatever type.
pub(super) fn find_resource(
    connection: &Connection,
    tenant: i64,
    id: &str,
) -> Result<Option<(i64, i64)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT r.rid, r.type FROM resource_type t
             CROSS JOIN resource r ON r.tenant = ?1 AND r.type = t.id AND r.id = ?2",
        )?
        .query_row((tenant, id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

/// A resource as the writer needs it.
pub(super) struct Found {
    pub(super) rid: i64,
    pub(super) password: Option<String>,
    pub(super) stored: Stored,
}

impl Found {
    /// Reads a resource whose tenant's number is known.
    pub(super) fn read(
        connection: &Connection,
        tenant: i64,
        info: &TypeInfo,
        key: &Key,
    ) -> Result<Self, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT r.rid, r.id, r.version, r.created, r.modified, r.flags, r.body, r.password
             FROM resource r WHERE r.tenant = ?1 AND r.type = ?2 AND r.id = ?3",
        )?;
        let mut rows = statement.query((tenant, info.number, key.id.as_str()))?;
        let row = rows.next()?.ok_or(StoreError::NotFound)?;
        Ok(Self {
            rid: row.get(0)?,
            password: row.get(7)?,
            stored: stored(&key.resource_type, row)?,
        })
    }
}
