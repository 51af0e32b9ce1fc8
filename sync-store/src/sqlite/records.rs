//! What is kept beside the objects: states of connectors, escrow, history, facts.

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OptionalExtension};
use scim_sync::store::{ConnectorState, Escrow, RunRecord};
use scim_sync::{ConnectorId, SpaceId, StoreError};
use serde::de::DeserializeOwned;

use super::error::{damaged, failed};
use super::{limited, number, row_id};

/// A moment as text that sorts.
fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// A body, where there is a row.
fn body<T: DeserializeOwned>(
    found: rusqlite::Result<Option<Option<String>>>,
) -> Result<Option<T>, StoreError> {
    match found.map_err(failed)?.flatten() {
        Some(body) => serde_json::from_str(&body).map(Some).map_err(damaged),
        None => Ok(None),
    }
}

pub(super) fn connector(
    connection: &Connection,
    connector: &ConnectorId,
) -> Result<Option<ConnectorState>, StoreError> {
    let sql = "SELECT state FROM connector WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    body(statement.query_row([connector.as_str()], |row| row.get(0)).optional())
}

pub(super) fn put_connector(
    connection: &Connection,
    connector: &ConnectorId,
    state: &ConnectorState,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO connector (name, state) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET state = excluded.state";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let state = serde_json::to_string(state).map_err(damaged)?;
    statement.execute((connector.as_str(), state)).map(drop).map_err(failed)
}

pub(super) fn escrow(connection: &Connection, id: SpaceId) -> Result<Option<Escrow>, StoreError> {
    let sql = "SELECT body FROM escrow WHERE object = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    body(statement.query_row([number(id.0)?], |row| row.get(0)).optional())
}

pub(super) fn put_escrow(
    connection: &Connection,
    id: SpaceId,
    escrow: Option<&Escrow>,
) -> Result<(), StoreError> {
    let Some(escrow) = escrow else {
        let sql = "DELETE FROM escrow WHERE object = ?1";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        return statement.execute([number(id.0)?]).map(drop).map_err(failed);
    };
    let sql = "INSERT INTO escrow (object, next, body) VALUES (?1, ?2, ?3)
               ON CONFLICT (object) DO UPDATE SET next = excluded.next, body = excluded.body";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let body = serde_json::to_string(escrow).map_err(damaged)?;
    statement.execute((number(id.0)?, escrow.next.map(moment), body)).map(drop).map_err(failed)
}

pub(super) fn escrows(
    connection: &Connection,
    due: Option<DateTime<Utc>>,
    after: Option<SpaceId>,
    limit: usize,
) -> Result<Vec<(SpaceId, Escrow)>, StoreError> {
    let sql = "SELECT object, body FROM escrow WHERE object > ?1 AND (?2 IS NULL OR next <= ?2)
               ORDER BY object LIMIT ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let mut rows = statement.query((after, due.map(moment), limited(limit))).map_err(failed)?;
    let mut escrows = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let body = row.get_ref(1).map_err(failed)?.as_str().map_err(damaged)?;
        let id = SpaceId(row_id(row.get(0).map_err(failed)?)?);
        escrows.push((id, serde_json::from_str(body).map_err(damaged)?));
    }
    Ok(escrows)
}

pub(super) fn add_run(connection: &Connection, run: &RunRecord) -> Result<u64, StoreError> {
    let mut statement = connection
        .prepare_cached("INSERT INTO run (ended, body) VALUES (?1, ?2)")
        .map_err(failed)?;
    let body = serde_json::to_string(run).map_err(damaged)?;
    row_id(statement.insert((run.ended.map(moment), body)).map_err(failed)?)
}

pub(super) fn put_run(
    connection: &Connection,
    run_number: u64,
    run: &RunRecord,
) -> Result<(), StoreError> {
    let sql = "UPDATE run SET ended = ?2, body = ?3 WHERE number = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let body = serde_json::to_string(run).map_err(damaged)?;
    let rows = statement.execute((number(run_number)?, run.ended.map(moment), body));
    match rows.map_err(failed)? {
        0 => Err(StoreError::Missing(format!("run {run_number}"))),
        _ => Ok(()),
    }
}

pub(super) fn runs(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<(u64, RunRecord)>, StoreError> {
    let sql = "SELECT number, body FROM run ORDER BY number DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([limited(limit)]).map_err(failed)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let body = row.get_ref(1).map_err(failed)?.as_str().map_err(damaged)?;
        let run = serde_json::from_str(body).map_err(damaged)?;
        runs.push((row_id(row.get(0).map_err(failed)?)?, run));
    }
    Ok(runs)
}

pub(super) fn forget_runs(
    connection: &Connection,
    before: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("DELETE FROM run WHERE ended < ?1").map_err(failed)?;
    statement.execute([moment(before)]).map(drop).map_err(failed)
}

pub(super) fn fact(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM fact WHERE name = ?1").map_err(failed)?;
    statement.query_row([name], |row| row.get(0)).optional().map_err(failed)
}

pub(super) fn put_fact(
    connection: &Connection,
    name: &str,
    value: Option<&str>,
) -> Result<(), StoreError> {
    let done = match value {
        Some(value) => connection
            .prepare_cached(
                "INSERT INTO fact (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .and_then(|mut statement| statement.execute((name, value))),
        None => connection
            .prepare_cached("DELETE FROM fact WHERE name = ?1")
            .and_then(|mut statement| statement.execute([name])),
    };
    done.map(drop).map_err(failed)
}
