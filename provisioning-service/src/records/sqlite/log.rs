//! The journals.

use chrono::{DateTime, Utc};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};

use super::error::{damaged, failed};
use super::work::limited;
use crate::clock::from_millis;
use crate::records::types::folded;
use crate::records::{Entry, Journal, LogEntry, LogOrder, LogQuery, Logged, RecordsError};
use crate::tenant::TenantId;

pub(super) fn append(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), RecordsError> {
    let Entry { tenant, journal, entry } = entry;
    let sql = "INSERT INTO entry (tenant, journal, at, job, object, object_key, action, status, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let row = params![
        tenant.as_str(),
        journal.name(),
        entry.at.timestamp_millis(),
        entry.job,
        entry.object,
        folded(&entry.object),
        entry.action,
        entry.status,
        entry.body.to_string(),
    ];
    transaction.prepare_cached(sql).and_then(|mut s| s.execute(row)).map_err(failed)?;
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    tenant: &TenantId,
    journal: Journal,
    query: &LogQuery,
) -> Result<Vec<Logged>, RecordsError> {
    let mut sql = "SELECT sequence, at, job, object, action, status, body FROM entry \
                   WHERE tenant = ? AND journal = ?"
        .to_owned();
    let mut values: Vec<Sql> =
        vec![tenant.as_str().to_owned().into(), journal.name().to_owned().into()];
    let (beyond, order) = match query.order {
        LogOrder::NewestFirst => (" AND sequence < ?", " ORDER BY sequence DESC LIMIT ?"),
        LogOrder::OldestFirst => (" AND sequence > ?", " ORDER BY sequence LIMIT ?"),
    };
    // Every text here is one of these constants; what was asked for is bound.
    let mut clause = |text: &str, value: Option<Sql>| {
        if let Some(value) = value {
            sql.push_str(text);
            values.push(value);
        }
    };
    clause(" AND job = ?", query.job.clone().map(Sql::from));
    clause(" AND instr(object_key, ?) > 0", query.object.as_deref().map(|o| folded(o).into()));
    clause(" AND action = ?", query.action.clone().map(Sql::from));
    clause(" AND status = ?", query.status.clone().map(Sql::from));
    clause(" AND at >= ?", query.since.map(|at| at.timestamp_millis().into()));
    clause(" AND at < ?", query.until.map(|at| at.timestamp_millis().into()));
    let after = query.after.map(|after| i64::try_from(after).unwrap_or(i64::MAX));
    clause(beyond, after.map(Sql::from));
    clause(order, Some(limited(query.limit).into()));
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(logged(row)?);
    }
    Ok(found)
}

fn logged(row: &Row<'_>) -> Result<Logged, RecordsError> {
    let text = |at: usize| row.get::<_, String>(at).map_err(failed);
    let sequence: i64 = row.get(0).map_err(failed)?;
    let at: i64 = row.get(1).map_err(failed)?;
    let entry = LogEntry {
        at: from_millis(at),
        job: text(2)?,
        object: text(3)?,
        action: text(4)?,
        status: text(5)?,
        body: serde_json::from_str(&text(6)?).map_err(damaged)?,
    };
    Ok(Logged { sequence: u64::try_from(sequence).map_err(damaged)?, entry })
}

pub(super) fn forget(
    connection: &Connection,
    journal: Journal,
    before: DateTime<Utc>,
) -> Result<u64, RecordsError> {
    let sql = "DELETE FROM entry WHERE journal = ?1 AND at < ?2";
    let gone = connection
        .execute(sql, params![journal.name(), before.timestamp_millis()])
        .map_err(failed)?;
    u64::try_from(gone).map_err(damaged)
}
