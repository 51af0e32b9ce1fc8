//! Leases.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::{Object, Transaction};

use super::error::Failed;
use crate::clock::from_millis;
use crate::records::{Fence, Lease};

/// When a time from now ends, in milliseconds.
fn end(ttl: Duration, now: DateTime<Utc>) -> i64 {
    let ttl = TimeDelta::from_std(ttl).map_or(i64::MAX, |ttl| ttl.num_milliseconds());
    now.timestamp_millis().saturating_add(ttl)
}

fn number(fence: u64) -> Result<i64, Failed> {
    i64::try_from(fence).map_err(Failed::damaged)
}

/// Whether this is still the last lease of its name, and stays so until the transaction ends.
pub(super) async fn is_last(transaction: &Transaction<'_>, fence: &Fence) -> Result<bool, Failed> {
    let sql = "SELECT fence FROM lease WHERE name = $1 FOR SHARE";
    let statement = transaction.prepare_cached(sql).await?;
    let row = transaction.query_opt(&statement, &[&fence.name]).await?;
    Ok(row.is_some_and(|row| u64::try_from(row.get::<_, i64>(0)).ok() == Some(fence.fence)))
}

pub(super) async fn take(
    transaction: &Transaction<'_>,
    name: &str,
    holder: &str,
    ttl: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Lease>, Failed> {
    let until = end(ttl, now);
    let sql = "INSERT INTO lease AS l (name, holder, fence, expires) VALUES ($1, $2, 1, $3) \
               ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, \
               expires = excluded.expires WHERE l.expires <= $4 RETURNING fence";
    let statement = transaction.prepare_cached(sql).await?;
    let row = transaction
        .query_opt(&statement, &[&name, &holder, &until, &now.timestamp_millis()])
        .await?;
    row.map(|row| {
        let fence = u64::try_from(row.get::<_, i64>(0)).map_err(Failed::damaged)?;
        let (name, holder) = (name.to_owned(), holder.to_owned());
        Ok(Lease { name, holder, fence, until: from_millis(until) })
    })
    .transpose()
}

pub(super) async fn renew(
    transaction: &Transaction<'_>,
    lease: &Lease,
    ttl: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Lease>, Failed> {
    let until = end(ttl, now);
    let sql = "UPDATE lease SET expires = $1 \
               WHERE name = $2 AND holder = $3 AND fence = $4 AND expires > $5";
    let statement = transaction.prepare_cached(sql).await?;
    let (fence, now) = (number(lease.fence)?, now.timestamp_millis());
    let kept = transaction
        .execute(&statement, &[&until, &lease.name, &lease.holder, &fence, &now])
        .await?;
    Ok((kept == 1).then(|| Lease { until: from_millis(until), ..lease.clone() }))
}

pub(super) async fn is_held(
    client: &Object,
    name: &str,
    now: DateTime<Utc>,
) -> Result<bool, Failed> {
    let sql = "SELECT 1 FROM lease WHERE name = $1 AND expires > $2";
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, &[&name, &now.timestamp_millis()]).await?.is_some())
}

pub(super) async fn release(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Failed> {
    // The row stays, so that fences only grow.
    let sql = "UPDATE lease SET expires = 0 WHERE name = $1 AND holder = $2 AND fence = $3";
    let statement = transaction.prepare_cached(sql).await?;
    let fence = number(lease.fence)?;
    transaction.execute(&statement, &[&lease.name, &lease.holder, &fence]).await?;
    Ok(())
}
