//! Identities of the metaverse: rows, links, marks and keys.

use rusqlite::{Connection, Row};
use scim_sync::metaverse::{IdentityOutline, MetaverseObject};
use scim_sync::store::JoinKey;
use scim_sync::{MetaverseId, ObjectType, SpaceId, StoreError};

use super::error::{damaged, failed};
use super::{limited, number, row_id};

fn missing(id: MetaverseId) -> StoreError {
    StoreError::Missing(format!("identity {id}"))
}

pub(super) fn insert(
    connection: &Connection,
    object: &MetaverseObject,
) -> Result<MetaverseId, StoreError> {
    let sql = "INSERT INTO metaverse (object_type, body) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let body = serde_json::to_string(object).map_err(damaged)?;
    let row = statement.insert((object.object_type.as_str(), body)).map_err(failed)?;
    Ok(MetaverseId(row_id(row)?))
}

pub(super) fn put(connection: &Connection, object: &MetaverseObject) -> Result<(), StoreError> {
    let sql = "UPDATE metaverse SET object_type = ?2, body = ?3 WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let body = serde_json::to_string(object).map_err(damaged)?;
    let rows = statement.execute((number(object.id.0)?, object.object_type.as_str(), body));
    match rows.map_err(failed)? {
        0 => Err(missing(object.id)),
        _ => Ok(()),
    }
}

/// The body knows a number that it had before it had its own.
fn read(row: &Row<'_>) -> Result<MetaverseObject, StoreError> {
    let body = row.get_ref(1).map_err(failed)?.as_str().map_err(damaged)?;
    let object: MetaverseObject = serde_json::from_str(body).map_err(damaged)?;
    Ok(MetaverseObject { id: MetaverseId(row_id(row.get(0).map_err(failed)?)?), ..object })
}

pub(super) fn get(
    connection: &Connection,
    id: MetaverseId,
) -> Result<Option<MetaverseObject>, StoreError> {
    let sql = "SELECT id, body FROM metaverse WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([number(id.0)?]).map_err(failed)?;
    rows.next().map_err(failed)?.map(read).transpose()
}

pub(super) fn outline(
    connection: &Connection,
    id: MetaverseId,
) -> Result<Option<IdentityOutline>, StoreError> {
    let sql = "SELECT body FROM metaverse WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([number(id.0)?]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let body = row.get_ref(0).map_err(failed)?.as_str().map_err(damaged)?;
    // The values are most of a body. Where they come last, as they are written now, they are not gone through. Within texts
    // quotes are escaped, and of the other maps no value is a map.
    let outline = body.split_once(",\"attributes\":{").map(|(before, _)| format!("{before}}}"));
    let read = outline.and_then(|outline| serde_json::from_str(&outline).ok());
    match read {
        Some(outline) => Ok(Some(outline)),
        None => serde_json::from_str(body).map(Some).map_err(damaged),
    }
}

pub(super) fn list(
    connection: &Connection,
    after: Option<MetaverseId>,
    limit: usize,
) -> Result<Vec<MetaverseObject>, StoreError> {
    let sql = "SELECT id, body FROM metaverse WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let mut rows = statement.query((after, limited(limit))).map_err(failed)?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        objects.push(read(row)?);
    }
    Ok(objects)
}

pub(super) fn ids(
    connection: &Connection,
    after: Option<MetaverseId>,
    limit: usize,
) -> Result<Vec<MetaverseId>, StoreError> {
    let sql = "SELECT id FROM metaverse WHERE id > ?1 ORDER BY id LIMIT ?2";
    rows(connection, sql, after, limit)
}

/// A page of row numbers.
fn rows(
    connection: &Connection,
    sql: &str,
    after: Option<MetaverseId>,
    limit: usize,
) -> Result<Vec<MetaverseId>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let rows = statement.query_map((after, limited(limit)), |row| row.get(0)).map_err(failed)?;
    rows.map(|id| Ok(MetaverseId(row_id(id.map_err(failed)?)?))).collect()
}

pub(super) fn remove(connection: &Connection, id: MetaverseId) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("DELETE FROM metaverse WHERE id = ?1").map_err(failed)?;
    statement.execute([number(id.0)?]).map(drop).map_err(failed)
}

/// The numbers of connectors and objects.
pub(super) fn links(
    connection: &Connection,
    id: MetaverseId,
) -> Result<Vec<(i64, SpaceId)>, StoreError> {
    let sql = "SELECT connector, id FROM object INDEXED BY object_link WHERE metaverse = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement
        .query_map([number(id.0)?], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(failed)?;
    let links = rows.map(|link| {
        let (connector, object) = link.map_err(failed)?;
        Ok((connector, SpaceId(row_id(object)?)))
    });
    links.collect()
}

pub(super) fn mark_dirty(connection: &Connection, id: MetaverseId) -> Result<(), StoreError> {
    let sql = "INSERT INTO dirty (metaverse) VALUES (?1) ON CONFLICT DO NOTHING";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute([number(id.0)?]).map(drop).map_err(failed)
}

pub(super) fn clear_dirty(connection: &Connection, id: MetaverseId) -> Result<(), StoreError> {
    let sql = "DELETE FROM dirty WHERE metaverse = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute([number(id.0)?]).map(drop).map_err(failed)
}

pub(super) fn dirty(
    connection: &Connection,
    after: Option<MetaverseId>,
    limit: usize,
) -> Result<Vec<MetaverseId>, StoreError> {
    let sql = "SELECT metaverse FROM dirty WHERE metaverse > ?1 ORDER BY metaverse LIMIT ?2";
    rows(connection, sql, after, limit)
}

pub(super) fn index(
    connection: &Connection,
    id: MetaverseId,
    keys: &[JoinKey],
) -> Result<(), StoreError> {
    let before = self::keys(connection, id)?;
    // Where there are keys, the identity is there.
    if before.is_empty() {
        let sql = "SELECT 1 FROM metaverse WHERE id = ?1";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        if !statement.exists([number(id.0)?]).map_err(failed)? {
            return Err(missing(id));
        }
    }
    super::replace_keys(
        connection,
        &before,
        "DELETE FROM metaverse_key WHERE metaverse = ?1",
        "INSERT INTO metaverse_key (attribute, value, metaverse) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        number(id.0)?,
        keys,
    )
}

pub(super) fn keys(connection: &Connection, id: MetaverseId) -> Result<Vec<JoinKey>, StoreError> {
    let sql =
        "SELECT attribute, value FROM metaverse_key WHERE metaverse = ?1 ORDER BY attribute, value";
    super::read_keys(connection, sql, number(id.0)?)
}

pub(super) fn by_key(
    connection: &Connection,
    object_type: &ObjectType,
    key: &JoinKey,
    limit: usize,
) -> Result<Vec<MetaverseId>, StoreError> {
    let sql = "SELECT k.metaverse FROM metaverse_key k CROSS JOIN metaverse m ON m.id = k.metaverse
               WHERE k.attribute = ?1 AND k.value = ?2 AND m.object_type = ?3 ORDER BY k.metaverse LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let asked = (key.attribute.as_str(), key.value.as_str(), object_type.as_str(), limited(limit));
    let rows = statement.query_map(asked, |row| row.get(0)).map_err(failed)?;
    rows.map(|id| Ok(MetaverseId(row_id(id.map_err(failed)?)?))).collect()
}
