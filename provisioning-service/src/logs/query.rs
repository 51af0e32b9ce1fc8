//! Questions to the log.

use serde_json::Value;

use crate::records::{Journal, LogOrder, LogQuery, Logged, Records, RecordsError};
use crate::tenant::TenantId;

/// The most entries of one page.
const LARGEST: usize = 1000;

/// A page of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<Value>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<u64>,
}

/// A page of entries, in the order that the query says.
///
/// # Errors
/// [`RecordsError`].
pub async fn page(
    records: &dyn Records,
    tenant: &TenantId,
    query: &LogQuery,
) -> Result<LogPage, RecordsError> {
    let limit = query.limit.clamp(1, LARGEST);
    let query = LogQuery { limit: limit + 1, ..query.clone() };
    let mut found = records.log(tenant, Journal::Provisioning, &query).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(|logged| logged.sequence) } else { None };
    Ok(LogPage { entries: found.into_iter().map(told).collect(), next })
}

/// The next piece of an export: JSON lines, oldest first, and where the piece after it begins.
///
/// # Errors
/// [`RecordsError`].
pub async fn lines(
    records: &dyn Records,
    tenant: &TenantId,
    query: &LogQuery,
) -> Result<(String, Option<u64>), RecordsError> {
    let query = LogQuery { order: LogOrder::OldestFirst, limit: LARGEST, ..query.clone() };
    let page = page(records, tenant, &query).await?;
    let mut text = String::new();
    for entry in page.entries {
        text.push_str(&entry.to_string());
        text.push('\n');
    }
    Ok((text, page.next))
}

/// An entry with its place in the log as its identifier.
pub(crate) fn told(logged: Logged) -> Value {
    let mut body = logged.entry.body;
    if let Some(object) = body.as_object_mut() {
        object.insert("id".to_owned(), logged.sequence.to_string().into());
    }
    body
}
