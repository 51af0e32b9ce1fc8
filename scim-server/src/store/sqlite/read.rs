//! Reading single resources, their groups and their members.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use scim_core::{ResourceId, Version};
use smol_str::SmolStr;

use super::catalog::{Catalog, TypeInfo, damaged};
use super::feed::{clamp, count, id, time};
use crate::auth::TenantId;
use crate::store::{
    GroupRow, IdList, Include, Key, MEMBERS_AT_ONCE, Member, MemberPage, StoreError, Stored,
};

/// The number of a tenant.
pub(super) fn tenant(connection: &Connection, tenant: &TenantId) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT id FROM tenant WHERE name = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::NoTenant)
}

/// Runs the closure with the number of a tenant, in one state of the data: the statement that the number comes from stays
/// open meanwhile, and holds the state as a transaction would.
pub(super) fn in_tenant<T>(
    connection: &Connection,
    tenant: &TenantId,
    read: impl FnOnce(i64) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM tenant WHERE name = ?1")?;
    let mut rows = statement.query([tenant.as_str()])?;
    let number = rows.next()?.ok_or(StoreError::NoTenant)?.get(0)?;
    read(number)
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
        other_members: IdList::default(),
    })
}

/// Reads one resource, and along with it what was asked for, in one state of the data.
pub(super) fn get(
    connection: &Connection,
    catalog: &Catalog,
    key: &Key,
    also: Include,
) -> Result<Stored, StoreError> {
    let info = catalog.get(&key.resource_type).ok_or(StoreError::NotFound)?;
    let mut statement = connection.prepare_cached(
        "SELECT r.rid, r.id, r.version, r.created, r.modified, r.flags, r.body, t.id
         FROM tenant t LEFT JOIN resource r ON r.tenant = t.id AND r.type = ?2 AND r.id = ?3
         WHERE t.name = ?1",
    )?;
    let mut rows = statement.query((key.tenant.as_str(), info.number, key.id.as_str()))?;
    let row = rows.next()?.ok_or(StoreError::NoTenant)?;
    let Some(rid) = row.get(0)? else { return Err(StoreError::NotFound) };
    let mut stored = stored(&key.resource_type, row)?;
    // The statement is still open, so what follows sees what it has seen.
    include(connection, catalog, row.get(7)?, rid, also, &mut stored)?;
    Ok(stored)
}

/// The number of a resource.
pub(super) fn number(
    connection: &Connection,
    tenant: i64,
    info: &TypeInfo,
    id: &ResourceId,
) -> Result<Option<i64>, StoreError> {
    let found = connection
        .prepare_cached("SELECT rid FROM resource WHERE tenant = ?1 AND type = ?2 AND id = ?3")?
        .query_row((tenant, info.number, id.as_str()), |row| row.get(0))
        .optional()?;
    Ok(found)
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
        let first = members(connection, catalog, tenant, rid, None, MEMBERS_AT_ONCE)?;
        if let Some(last) = first.members.last().filter(|_| first.more) {
            stored.other_members = ids_after(connection, tenant, rid, &last.id)?;
        }
        stored.members = first.members;
    }
    Ok(())
}

/// The ids of a group's members after the given one.
fn ids_after(
    connection: &Connection,
    tenant: i64,
    group: i64,
    after: &ResourceId,
) -> Result<IdList, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM member WHERE tenant = ?1 AND grp = ?2 AND id > ?3 ORDER BY id",
    )?;
    let mut rows = statement.query((tenant, group, after.as_str()))?;
    let mut ids = IdList::default();
    while let Some(row) = rows.next()? {
        ids.push(&id(row, 0)?);
    }
    Ok(ids)
}

/// Resources as members, in the order of `ids`. Those that are in the group are met on a walk over its rows, which costs
/// much less than to look each of them up.
pub(super) fn named(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    group: Option<i64>,
    ids: &[ResourceId],
) -> Result<Vec<Member>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    let mut left = ids.iter().peekable();
    if let (Some(group), [first, .., last]) = (group, ids) {
        let mut statement = connection.prepare_cached(
            "SELECT m.id, r.type, r.label FROM member m CROSS JOIN resource r ON r.rid = m.rid
             WHERE m.tenant = ?1 AND m.grp = ?2 AND m.id >= ?3 AND m.id <= ?4 ORDER BY m.id LIMIT ?5",
        )?;
        // Others may have come in between; a crowd of them ends the walk.
        let most = clamp(2 * ids.len() as u64);
        let mut rows = statement.query((tenant, group, first.as_str(), last.as_str(), most))?;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().map_err(damaged)?;
            while let Some(gone) = left.next_if(|id| id.as_str() < text) {
                found.extend(find_member(connection, catalog, tenant, gone)?);
            }
            if let Some(id) = left.next_if(|id| id.as_str() == text) {
                let resource_type = catalog.name(row.get(1)?)?;
                found.push(Member { id: id.clone(), resource_type, display: label(row, 2)? });
            }
        }
    }
    for id in left {
        found.extend(find_member(connection, catalog, tenant, id)?);
    }
    Ok(found)
}

/// A resource as a member.
fn find_member(
    connection: &Connection,
    catalog: &Catalog,
    tenant: i64,
    id: &ResourceId,
) -> Result<Option<Member>, StoreError> {
    let Some((rid, type_number)) = find_resource(connection, tenant, id.as_str())? else {
        return Ok(None);
    };
    let display = connection
        .prepare_cached("SELECT label FROM resource WHERE rid = ?1")?
        .query_row([rid], |row| row.get::<_, Option<String>>(0))?;
    let resource_type = catalog.name(type_number)?;
    Ok(Some(Member { id: id.clone(), resource_type, display: display.map(SmolStr::from) }))
}

/// The groups that hold a resource, directly and through other groups, by id.
pub(super) fn groups(
    connection: &Connection,
    tenant: i64,
    rid: i64,
) -> Result<Vec<GroupRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT m.grp, g.id, g.label FROM member m INDEXED BY member_of CROSS JOIN resource g ON g.rid = m.grp
         WHERE m.tenant = ?1 AND m.rid = ?2",
    )?;
    // By number first, since a group can be reached on several ways.
    let mut found: BTreeMap<i64, GroupRow> = BTreeMap::new();
    let (mut left, mut direct) = (vec![rid], true);
    while let Some(held) = left.pop() {
        let mut rows = statement.query((tenant, held))?;
        while let Some(row) = rows.next()? {
            if let Entry::Vacant(place) = found.entry(row.get(0)?) {
                left.push(*place.key());
                let display = label(row, 2)?.unwrap_or_default();
                place.insert(GroupRow { id: id(row, 1)?, display, direct });
            }
        }
        direct = false;
    }
    let mut groups: Vec<GroupRow> = found.into_values().collect();
    groups.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(groups)
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
