//! Batches.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;

use super::error::Failed;
use super::lease;
use crate::records::types::folded;
use crate::records::{Batch, Entry, Expect, Journal, Key, RecordsError, Write};

/// Entries that are written together.
const CHUNK: usize = 500;

/// What a tenant's writes are numbered with.
struct Head {
    revision: i64,
    entry: i64,
}

pub(super) async fn commit(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), Failed> {
    if let Some(fence) = &batch.fence
        && !lease::is_last(transaction, fence).await?
    {
        return Err(Failed::Told(RecordsError::Fenced(fence.name.clone())));
    }
    let mut heads = heads(transaction, batch).await?;
    for write in &batch.writes {
        if let Some(head) = heads.get(write.key.tenant.as_str()) {
            put(transaction, write, head.revision).await?;
        }
    }
    for chunk in batch.entries.chunks(CHUNK) {
        append(transaction, chunk, &mut heads).await?;
    }
    Ok(())
}

/// Takes the turn of every tenant that is written to, in one order for all.
async fn heads<'b>(
    transaction: &Transaction<'_>,
    batch: &'b Batch,
) -> Result<BTreeMap<&'b str, Head>, Failed> {
    let mut wanted: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for write in &batch.writes {
        wanted.entry(write.key.tenant.as_str()).or_default().0 = 1;
    }
    for entry in &batch.entries {
        wanted.entry(entry.tenant.as_str()).or_default().1 += 1;
    }
    let sql = "INSERT INTO head AS h (tenant, revision, entry) VALUES ($1, $2, $3) \
               ON CONFLICT (tenant) DO UPDATE SET revision = h.revision + excluded.revision, \
               entry = h.entry + excluded.entry RETURNING revision, entry";
    let statement = transaction.prepare_cached(sql).await?;
    let mut heads = BTreeMap::new();
    for (tenant, (revisions, entries)) in wanted {
        let row = transaction.query_one(&statement, &[&tenant, &revisions, &entries]).await?;
        // The entries are those up to the last.
        heads.insert(tenant, Head { revision: row.get(0), entry: row.get::<_, i64>(1) - entries });
    }
    Ok(heads)
}

async fn put(transaction: &Transaction<'_>, write: &Write, revision: i64) -> Result<(), Failed> {
    let Key { tenant, kind, id } = &write.key;
    let tenant = tenant.as_str();
    if write.expect != Expect::Any {
        let sql = "SELECT version FROM record WHERE tenant = $1 AND kind = $2 AND id = $3";
        let statement = transaction.prepare_cached(sql).await?;
        // Nobody else writes to the tenant before this is over.
        let row = transaction.query_opt(&statement, &[&tenant, kind, id]).await?;
        let found = row.map(|row| u64::try_from(row.get::<_, i64>(0))).transpose();
        let found = found.map_err(Failed::damaged)?;
        let as_expected = match write.expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
        };
        if !as_expected {
            return Err(Failed::conflict(&write.key));
        }
    }
    match &write.value {
        None => {
            let sql = "DELETE FROM record WHERE tenant = $1 AND kind = $2 AND id = $3";
            let statement = transaction.prepare_cached(sql).await?;
            transaction.execute(&statement, &[&tenant, kind, id]).await?;
        }
        Some(value) => {
            let sql = "INSERT INTO record (tenant, kind, id, version, value) VALUES ($1, $2, $3, $4, $5) \
                       ON CONFLICT (tenant, kind, id) \
                       DO UPDATE SET version = excluded.version, value = excluded.value";
            let statement = transaction.prepare_cached(sql).await?;
            let value = value.to_string();
            transaction.execute(&statement, &[&tenant, kind, id, &revision, &value]).await?;
        }
    }
    Ok(())
}

/// Text as the database can have it, which has no U+0000.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

async fn append(
    transaction: &Transaction<'_>,
    entries: &[Entry],
    heads: &mut BTreeMap<&str, Head>,
) -> Result<(), Failed> {
    let sql = "INSERT INTO entry (tenant, journal, sequence, at, job, object, object_key, action, status, body) \
               SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], \
               $7::text[], $8::text[], $9::text[], $10::text[])";
    let statement = transaction.prepare_cached(sql).await?;
    let mut sequences = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(head) = heads.get_mut(entry.tenant.as_str()) {
            head.entry += 1;
            sequences.push(head.entry);
        }
    }
    let column = |of: fn(&Entry) -> String| entries.iter().map(of).collect::<Vec<String>>();
    let at: Vec<i64> = entries.iter().map(|it| it.entry.at.timestamp_millis()).collect();
    let objects = column(|it| plain(&it.entry.object));
    let keys: Vec<String> = objects.iter().map(|object| folded(object)).collect();
    transaction
        .execute(
            &statement,
            &[
                &column(|it| it.tenant.as_str().to_owned()),
                &column(|it| it.journal.name().to_owned()),
                &sequences,
                &at,
                &column(|it| plain(&it.entry.job)),
                &objects,
                &keys,
                &column(|it| plain(&it.entry.action)),
                &column(|it| plain(&it.entry.status)),
                &column(|it| it.entry.body.to_string()),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn forget(
    transaction: &Transaction<'_>,
    tenant: &str,
    journal: Journal,
    before: DateTime<Utc>,
) -> Result<u64, Failed> {
    let sql = "DELETE FROM entry WHERE tenant = $1 AND journal = $2 AND at < $3";
    let statement = transaction.prepare_cached(sql).await?;
    let before = before.timestamp_millis();
    Ok(transaction.execute(&statement, &[&tenant, &journal.name(), &before]).await?)
}
