//! Edges: references between the objects of a space.

use rusqlite::Connection;
use scim_sync::{AttributeName, SpaceId, StoreError};

use super::error::{damaged, failed};
use super::{limited, number, row_id};

pub(super) fn add(
    connection: &Connection,
    from: SpaceId,
    attribute: &AttributeName,
    to: SpaceId,
) -> Result<bool, StoreError> {
    let sql =
        "INSERT INTO edge (source, attribute, target) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.execute((number(from.0)?, attribute.as_str(), number(to.0)?));
    Ok(rows.map_err(failed)? == 1)
}

pub(super) fn remove(
    connection: &Connection,
    from: SpaceId,
    attribute: &AttributeName,
    to: SpaceId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM edge WHERE source = ?1 AND attribute = ?2 AND target = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.execute((number(from.0)?, attribute.as_str(), number(to.0)?));
    Ok(rows.map_err(failed)? == 1)
}

pub(super) fn list(
    connection: &Connection,
    from: SpaceId,
    attribute: &AttributeName,
    after: Option<SpaceId>,
    limit: usize,
) -> Result<Vec<SpaceId>, StoreError> {
    let sql = "SELECT target FROM edge WHERE source = ?1 AND attribute = ?2 AND target > ?3
               ORDER BY target LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let rows = statement
        .query_map((number(from.0)?, attribute.as_str(), after, limited(limit)), |row| row.get(0))
        .map_err(failed)?;
    rows.map(|id| Ok(SpaceId(row_id(id.map_err(failed)?)?))).collect()
}

pub(super) fn counts(
    connection: &Connection,
    from: SpaceId,
) -> Result<Vec<(AttributeName, u64)>, StoreError> {
    let sql = "SELECT attribute, count(*) FROM edge WHERE source = ?1 GROUP BY attribute ORDER BY attribute";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([number(from.0)?]).map_err(failed)?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let name = AttributeName::new(row.get_ref(0).map_err(failed)?.as_str().map_err(damaged)?);
        counts.push((name, row_id(row.get(1).map_err(failed)?)?));
    }
    Ok(counts)
}

pub(super) fn referrers(
    connection: &Connection,
    to: SpaceId,
    after: Option<&(SpaceId, AttributeName)>,
    limit: usize,
) -> Result<Vec<(SpaceId, AttributeName)>, StoreError> {
    let sql = "SELECT source, attribute FROM edge INDEXED BY edge_back
               WHERE target = ?1 AND (source, attribute) > (?2, ?3) ORDER BY source, attribute LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let (source, attribute) = match after {
        Some((source, attribute)) => (number(source.0)?, attribute.as_str()),
        None => (-1, ""),
    };
    let mut rows =
        statement.query((number(to.0)?, source, attribute, limited(limit))).map_err(failed)?;
    let mut referrers = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let name = AttributeName::new(row.get_ref(1).map_err(failed)?.as_str().map_err(damaged)?);
        referrers.push((SpaceId(row_id(row.get(0).map_err(failed)?)?), name));
    }
    Ok(referrers)
}

/// All of it; the order of the other space is made here.
pub(super) fn list_in(
    connection: &Connection,
    from: SpaceId,
    attribute: &AttributeName,
    target: i64,
) -> Result<Vec<SpaceId>, StoreError> {
    let sql = "SELECT t.id FROM edge e CROSS JOIN object s ON s.id = e.target
               CROSS JOIN object t INDEXED BY object_link ON t.metaverse = s.metaverse AND t.connector = ?3
               WHERE e.source = ?1 AND e.attribute = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement
        .query_map((number(from.0)?, attribute.as_str(), target), |row| row.get(0))
        .map_err(failed)?;
    let mut rows = rows
        .map(|id| Ok(SpaceId(row_id(id.map_err(failed)?)?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}
