//! Questions.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Failed;
use crate::clock::from_millis;
use crate::records::types::folded;
use crate::records::{Journal, Key, LogEntry, LogOrder, LogQuery, Logged, Record};
use crate::tenant::TenantId;

/// A limit as SQL has it.
fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn record(version: i64, value: &str) -> Result<Record, Failed> {
    let version = u64::try_from(version).map_err(Failed::damaged)?;
    Ok(Record { version, value: serde_json::from_str(value).map_err(Failed::damaged)? })
}

pub(super) async fn get(client: &Object, key: &Key) -> Result<Option<Record>, Failed> {
    let sql = "SELECT version, value FROM record WHERE tenant = $1 AND kind = $2 AND id = $3";
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_opt(&statement, &[&key.tenant.as_str(), &key.kind, &key.id]).await?;
    row.map(|row| record(row.get(0), row.get(1))).transpose()
}

pub(super) async fn list(
    client: &Object,
    tenant: &TenantId,
    kind: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Record)>, Failed> {
    // No id is empty.
    let sql = "SELECT id, version, value FROM record \
               WHERE tenant = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4";
    let statement = client.prepare_cached(sql).await?;
    let after = after.unwrap_or_default();
    let rows =
        client.query(&statement, &[&tenant.as_str(), &kind, &after, &limited(limit)]).await?;
    rows.iter().map(|row| Ok((row.get(0), record(row.get(1), row.get(2))?))).collect()
}

/// The tenants of which anything was ever written.
pub(super) async fn tenants(client: &Object) -> Result<Vec<String>, Failed> {
    let statement = client.prepare_cached("SELECT tenant FROM head ORDER BY tenant").await?;
    Ok(client.query(&statement, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Tenant by tenant, each by its key.
pub(super) async fn scan(
    client: &Object,
    kind: &'static str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Record)>, Failed> {
    let sql = "SELECT h.tenant, r.id, r.version, r.value FROM head h CROSS JOIN LATERAL \
               (SELECT id, version, value FROM record \
                WHERE tenant = h.tenant AND kind = $1 AND (h.tenant > $2 OR id > $3) ORDER BY id LIMIT $4) r \
               WHERE h.tenant >= $2 ORDER BY h.tenant, r.id LIMIT $4";
    let statement = client.prepare_cached(sql).await?;
    let (tenant, id) = after.map_or(("", ""), |key| (key.tenant.as_str(), key.id.as_str()));
    let rows = client.query(&statement, &[&kind, &tenant, &id, &limited(limit)]).await?;
    let mut found = Vec::new();
    for row in rows {
        let tenant = TenantId::stored(row.get(0)).map_err(Failed::damaged)?;
        found.push((Key { tenant, kind, id: row.get(1) }, record(row.get(2), row.get(3))?));
    }
    Ok(found)
}

pub(super) async fn log(
    client: &Object,
    tenant: &TenantId,
    journal: Journal,
    query: &LogQuery,
) -> Result<Vec<Logged>, Failed> {
    let mut sql = "SELECT sequence, at, job, object, action, status, body FROM entry \
                   WHERE tenant = $1 AND journal = $2"
        .to_owned();
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> =
        vec![Box::new(tenant.as_str().to_owned()), Box::new(journal.name())];
    // Every text here is one of these constants; what was asked for is bound.
    let mut clause = |before: &str, value: Option<Box<dyn ToSql + Sync + Send>>, after: &str| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!("{before}${}{after}", values.len()));
        }
    };
    fn text(value: Option<&String>) -> Option<Box<dyn ToSql + Sync + Send>> {
        Some(Box::new(value?.clone()))
    }
    fn number(value: Option<i64>) -> Option<Box<dyn ToSql + Sync + Send>> {
        Some(Box::new(value?))
    }
    let object = query.object.as_deref().map(folded);
    clause(" AND job = ", text(query.job.as_ref()), "");
    clause(" AND position(", text(object.as_ref()), " IN object_key) > 0");
    clause(" AND action = ", text(query.action.as_ref()), "");
    clause(" AND status = ", text(query.status.as_ref()), "");
    clause(" AND at >= ", number(query.since.map(|at| at.timestamp_millis())), "");
    clause(" AND at < ", number(query.until.map(|at| at.timestamp_millis())), "");
    let after = query.after.map(|after| i64::try_from(after).unwrap_or(i64::MAX));
    let (beyond, order) = match query.order {
        LogOrder::NewestFirst => (" AND sequence < ", " ORDER BY sequence DESC LIMIT "),
        LogOrder::OldestFirst => (" AND sequence > ", " ORDER BY sequence LIMIT "),
    };
    clause(beyond, number(after), "");
    clause(order, number(Some(limited(query.limit))), "");
    let statement = client.prepare_cached(&sql).await?;
    let values: Vec<&(dyn ToSql + Sync)> =
        values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    client.query(&statement, &values).await?.iter().map(logged).collect()
}

fn logged(row: &Row) -> Result<Logged, Failed> {
    let entry = LogEntry {
        at: from_millis(row.get(1)),
        job: row.get(2),
        object: row.get(3),
        action: row.get(4),
        status: row.get(5),
        body: serde_json::from_str(row.get(6)).map_err(Failed::damaged)?,
    };
    Ok(Logged { sequence: u64::try_from(row.get::<_, i64>(0)).map_err(Failed::damaged)?, entry })
}
