//! What is done on the connection for records and leases.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::error::{damaged, failed};
use super::log;
use crate::clock::from_millis;
use crate::records::{Batch, Expect, Fence, Key, Lease, Record, RecordsError, Write};
use crate::tenant::TenantId;

pub(super) fn get(connection: &Connection, key: &Key) -> Result<Option<Record>, RecordsError> {
    let sql = "SELECT version, value FROM record WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let row = statement
        .query_row(params![key.tenant.as_str(), key.kind, key.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed)?;
    row.map(|(version, value)| record(version, value)).transpose()
}

fn record(version: i64, value: String) -> Result<Record, RecordsError> {
    let version = u64::try_from(version).map_err(damaged)?;
    Ok(Record { version, value: serde_json::from_str(&value).map_err(damaged)? })
}

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    kind: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Record)>, RecordsError> {
    let sql = "SELECT id, version, value FROM record \
               WHERE tenant = ?1 AND kind = ?2 AND (?3 IS NULL OR id > ?3) ORDER BY id LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows =
        statement.query(params![tenant.as_str(), kind, after, limited(limit)]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let id = row.get(0).map_err(failed)?;
        let (version, value) = (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
        found.push((id, record(version, value)?));
    }
    Ok(found)
}

pub(super) fn scan(
    connection: &Connection,
    kind: &'static str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Record)>, RecordsError> {
    let sql = "SELECT tenant, id, version, value FROM record \
               WHERE kind = ?1 AND (?2 IS NULL OR (tenant, id) > (?2, ?3)) ORDER BY tenant, id LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let (tenant, id) = (after.map(|key| key.tenant.as_str()), after.map(|key| key.id.as_str()));
    let mut rows = statement.query(params![kind, tenant, id, limited(limit)]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let tenant: String = row.get(0).map_err(failed)?;
        let tenant = TenantId::stored(&tenant).map_err(damaged)?;
        let id = row.get(1).map_err(failed)?;
        let (version, value) = (row.get(2).map_err(failed)?, row.get(3).map_err(failed)?);
        found.push((Key { tenant, kind, id }, record(version, value)?));
    }
    Ok(found)
}

pub(super) fn commit(connection: &mut Connection, batch: &Batch) -> Result<(), RecordsError> {
    let transaction = begin(connection)?;
    if let Some(fence) = &batch.fence {
        check_fence(&transaction, fence)?;
    }
    if !batch.writes.is_empty() {
        let sql = "UPDATE revision SET value = value + 1 RETURNING value";
        let revision: i64 = transaction.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        for write in &batch.writes {
            put(&transaction, write, revision)?;
        }
    }
    for entry in &batch.entries {
        log::append(&transaction, entry)?;
    }
    transaction.commit().map_err(failed)
}

/// A transaction that has the right to write from the start: one that read first could not get it afterwards.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, RecordsError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)
}

fn put(transaction: &Transaction<'_>, write: &Write, revision: i64) -> Result<(), RecordsError> {
    let Key { tenant, kind, id } = &write.key;
    let place = params![tenant.as_str(), kind, id];
    if write.expect != Expect::Any {
        let sql = "SELECT version FROM record WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
        let found: Option<i64> =
            statement.query_row(place, |row| row.get(0)).optional().map_err(failed)?;
        let found = found.map(u64::try_from).transpose().map_err(damaged)?;
        let as_expected = match write.expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
        };
        if !as_expected {
            return Err(RecordsError::Conflict(write.key.clone()));
        }
    }
    match &write.value {
        None => {
            let sql = "DELETE FROM record WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
            transaction.prepare_cached(sql).and_then(|mut s| s.execute(place)).map_err(failed)?;
        }
        Some(value) => {
            let sql = "INSERT INTO record (tenant, kind, id, version, value) VALUES (?1, ?2, ?3, ?4, ?5) \
                       ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value";
            let row = params![tenant.as_str(), kind, id, revision, value.to_string()];
            transaction.prepare_cached(sql).and_then(|mut s| s.execute(row)).map_err(failed)?;
        }
    }
    Ok(())
}

fn check_fence(transaction: &Transaction<'_>, fence: &Fence) -> Result<(), RecordsError> {
    let sql = "SELECT fence FROM lease WHERE name = ?1";
    let found: Option<i64> =
        transaction.query_row(sql, [&fence.name], |row| row.get(0)).optional().map_err(failed)?;
    if found.and_then(|found| u64::try_from(found).ok()) == Some(fence.fence) {
        Ok(())
    } else {
        Err(RecordsError::Fenced(fence.name.clone()))
    }
}

pub(super) fn lease(
    connection: &mut Connection,
    name: String,
    holder: String,
    ttl: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Lease>, RecordsError> {
    let until = end(ttl, now);
    let transaction = begin(connection)?;
    let sql = "INSERT INTO lease (name, holder, fence, expires) VALUES (?1, ?2, 1, ?3) \
               ON CONFLICT DO UPDATE SET holder = excluded.holder, fence = fence + 1, expires = excluded.expires \
               WHERE lease.expires <= ?4 RETURNING fence";
    let row = params![name, holder, until, now.timestamp_millis()];
    let fence: Option<i64> =
        transaction.query_row(sql, row, |row| row.get(0)).optional().map_err(failed)?;
    transaction.commit().map_err(failed)?;
    fence
        .map(|fence| {
            let fence = u64::try_from(fence).map_err(damaged)?;
            Ok(Lease { name, holder, fence, until: from_millis(until) })
        })
        .transpose()
}

pub(super) fn renew(
    connection: &mut Connection,
    lease: Lease,
    ttl: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Lease>, RecordsError> {
    let until = end(ttl, now);
    let sql = "UPDATE lease SET expires = ?1 \
               WHERE name = ?2 AND holder = ?3 AND fence = ?4 AND expires > ?5";
    let fence = i64::try_from(lease.fence).map_err(damaged)?;
    let row = params![until, lease.name, lease.holder, fence, now.timestamp_millis()];
    let kept = connection.execute(sql, row).map_err(failed)?;
    Ok((kept == 1).then(|| Lease { until: from_millis(until), ..lease }))
}

pub(super) fn is_held(
    connection: &Connection,
    name: &str,
    now: DateTime<Utc>,
) -> Result<bool, RecordsError> {
    let sql = "SELECT 1 FROM lease WHERE name = ?1 AND expires > ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.exists(params![name, now.timestamp_millis()]).map_err(failed)
}

pub(super) fn release(connection: &Connection, lease: &Lease) -> Result<(), RecordsError> {
    // The row stays, so that fences only grow.
    let sql = "UPDATE lease SET expires = 0 WHERE name = ?1 AND holder = ?2 AND fence = ?3";
    let fence = i64::try_from(lease.fence).map_err(damaged)?;
    connection.execute(sql, params![lease.name, lease.holder, fence]).map_err(failed)?;
    Ok(())
}

/// When a time from now ends, in milliseconds.
fn end(ttl: Duration, now: DateTime<Utc>) -> i64 {
    let ttl = TimeDelta::from_std(ttl).map_or(i64::MAX, |ttl| ttl.num_milliseconds());
    now.timestamp_millis().saturating_add(ttl)
}

/// A limit as SQL has it.
pub(super) fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
