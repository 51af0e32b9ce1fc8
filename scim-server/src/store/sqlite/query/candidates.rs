//! The statements that candidates come from. All of them give the same columns: rid, id, the index's own sort column,
//! version, created, modified and the body; the last four only where the attributes are looked at.

use std::ops::ControlFlow;

use rusqlite::types::Value as Sql;
use rusqlite::{Row, params_from_iter};
use scim_core::query::SortKey;

use super::{Order, Planned, Run};
use crate::store::sqlite::feed::clamp;
use crate::store::sqlite::plan::{Branch, Column, Source};
use crate::store::sqlite::read::find_resource;
use crate::store::{Position, StoreError};

/// What is done with a candidate.
pub(super) type Visit<'v> = dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError> + 'v;

const BODY: &str = ", r.version, r.created, r.modified, r.body";

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Column::Created => "created",
            Column::Modified => "modified",
        }
    }
}

impl Run<'_> {
    /// Candidates in the order asked for, from where the query starts (or shortly before), passing over `offset`.
    pub(super) fn stream(
        &self,
        scope: &Planned<'_>,
        after: Option<&Position>,
        offset: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let Some(start) = self.start(scope.order, after) else { return Ok(()) };
        let descending = self.descending();
        let (from, to, direction) =
            if descending { ("<=", ">=", "DESC") } else { (">=", "<=", "ASC") };
        let columns = if scope.plan.residual.is_some() { BODY } else { "" };
        let (tenant, type_number) = (self.tenant, scope.info.number);
        let mut params: Vec<Sql> = vec![tenant.into(), type_number.into()];
        let mut sql = match scope.order {
            Order::Id | Order::ById | Order::Missing => {
                let mut sql = format!(
                    "SELECT r.rid, r.id, NULL{columns} FROM resource r
                     WHERE r.tenant = ?1 AND r.type = ?2"
                );
                if let Some(Start { id, .. }) = start {
                    sql += &format!(" AND r.id {from} ?{}", push(&mut params, id.into()));
                }
                sql + &format!(" ORDER BY r.id {direction}")
            }
            Order::Time(column) => {
                let name = column.name();
                let mut sql = format!(
                    "SELECT r.rid, r.id, r.{name}{columns} FROM resource r
                     WHERE r.tenant = ?1 AND r.type = ?2"
                );
                let (mut first, mut last) = match &scope.plan.source {
                    Source::Time { from, to, .. } => (*from, *to),
                    _ => (i64::MIN, i64::MAX),
                };
                if let Some(Start { millis, .. }) = start {
                    (first, last) = if descending {
                        (first, last.min(millis))
                    } else {
                        (first.max(millis), last)
                    };
                }
                if descending {
                    (first, last) = (last, first);
                }
                sql += &format!(" AND r.{name} {from} ?{}", push(&mut params, first.into()));
                sql += &format!(" AND r.{name} {to} ?{}", push(&mut params, last.into()));
                sql + &format!(" ORDER BY r.{name} {direction}, r.id {direction}")
            }
            Order::Key(place) => {
                let attribute = push(&mut params, scope.info.attribute(place).into());
                let mut sql = format!(
                    "SELECT r.rid, r.id, k.key{columns}
                     FROM unique_key k CROSS JOIN resource r ON r.rid = k.rid
                     WHERE k.tenant = ?1 AND k.type = ?2 AND k.attr = ?{attribute}"
                );
                if let Source::Prefix { prefix, .. } = &scope.plan.source {
                    sql += &between(&mut params, prefix);
                }
                if let Some(Start { key, .. }) = start {
                    let key = push(&mut params, Sql::Blob(key.into_bytes()));
                    sql += &format!(" AND k.key {from} ?{key}");
                }
                sql + &format!(" ORDER BY k.key {direction}")
            }
            Order::Attribute => return Ok(()),
        };
        if offset > 0 {
            sql += &format!(" LIMIT -1 OFFSET ?{}", push(&mut params, clamp(offset).into()));
        }
        self.each(&sql, &params, visit).map(|_| ())
    }

    /// The candidates of a source, in whatever order.
    pub(super) fn candidates(
        &self,
        scope: &Planned<'_>,
        source: &Source,
        body: bool,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let columns = if body { BODY } else { "" };
        // A sort by time is read from its column, also when the attributes are not.
        let time = match scope.order {
            Order::Time(column) => format!("r.{}", column.name()),
            _ => "NULL".to_owned(),
        };
        let select = format!("SELECT r.rid, r.id, {time}{columns}");
        let mut params: Vec<Sql> = vec![self.tenant.into(), scope.info.number.into()];
        let own = "r.tenant = ?1 AND r.type = ?2";
        let sql = match source {
            Source::Nothing => return Ok(ControlFlow::Continue(())),
            Source::All => format!("{select} FROM resource r WHERE {own}"),
            Source::Id(id) => {
                let id = push(&mut params, id.clone().into());
                format!("{select} FROM resource r WHERE {own} AND r.id = ?{id}")
            }
            Source::Time { column, from, to } => {
                let (from, to) =
                    (push(&mut params, (*from).into()), push(&mut params, (*to).into()));
                let name = column.name();
                format!(
                    "{select} FROM resource r WHERE {own} AND r.{name} BETWEEN ?{from} AND ?{to}"
                )
            }
            Source::Key { place, key } => {
                let table = self.table(scope, *place, &mut params);
                let key = push(&mut params, Sql::Blob(key.clone().into_bytes()));
                format!("{select} FROM {table} AND k.key = ?{key}")
            }
            Source::Prefix { place, prefix } => {
                let table = self.table(scope, *place, &mut params);
                format!("{select} FROM {table}{}", between(&mut params, prefix))
            }
            Source::Holding { member } => {
                let Some((rid, _)) = find_resource(self.connection, self.tenant, member)? else {
                    return Ok(ControlFlow::Continue(()));
                };
                let rid = push(&mut params, rid.into());
                format!(
                    "{select} FROM member m INDEXED BY member_of CROSS JOIN resource r ON r.rid = m.grp
                     WHERE m.tenant = ?1 AND m.rid = ?{rid} AND r.type = ?2"
                )
            }
            Source::HeldBy { group } => {
                let Some((rid, _)) = find_resource(self.connection, self.tenant, group)? else {
                    return Ok(ControlFlow::Continue(()));
                };
                let rid = push(&mut params, rid.into());
                format!(
                    "WITH RECURSIVE held (rid) AS (
                         SELECT rid FROM member WHERE tenant = ?1 AND grp = ?{rid}
                         UNION
                         SELECT m.rid FROM held h CROSS JOIN member m ON m.tenant = ?1 AND m.grp = h.rid)
                     {select} FROM held h CROSS JOIN resource r ON r.rid = h.rid WHERE r.type = ?2"
                )
            }
            Source::Union(branches) => return self.union(scope, branches, body, visit),
        };
        self.each(&sql, &params, visit)
    }

    /// The candidates of all branches, each once.
    fn union(
        &self,
        scope: &Planned<'_>,
        branches: &[Branch],
        body: bool,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        for (i, Branch { plan, .. }) in branches.iter().enumerate() {
            let earlier = &branches[..i];
            let look = !earlier.is_empty() || plan.residual.is_some();
            let flow = self.candidates(scope, &plan.source, body || look, &mut |row| {
                if look && !self.is_new(scope, plan, earlier, row)? {
                    return Ok(ControlFlow::Continue(()));
                }
                visit(row)
            })?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What is left of `room` after as many as a source has candidates: `None` when there is not enough, or when that is
    /// not found out by reading no more than `room` index rows.
    pub(super) fn take(
        &self,
        scope: &Planned<'_>,
        source: &Source,
        room: usize,
    ) -> Result<Option<usize>, StoreError> {
        let n = match source {
            Source::Nothing => 0,
            Source::Id(_) => 1,
            Source::Key { place, .. } if scope.info.index.attributes()[*place].unique => 1,
            Source::Key { place, key } => {
                let mut params: Vec<Sql> = vec![self.tenant.into(), scope.info.number.into()];
                let keys = keys(scope, *place, &mut params);
                let key = push(&mut params, Sql::Blob(key.clone().into_bytes()));
                self.probe(&format!("{keys} AND k.key = ?{key}"), params, room)?
            }
            Source::Holding { member } => {
                match find_resource(self.connection, self.tenant, member)? {
                    // The member's groups of all types, which is no less.
                    Some((rid, _)) => self.probe(
                        "member m INDEXED BY member_of WHERE m.tenant = ?1 AND m.rid = ?2",
                        vec![self.tenant.into(), rid.into()],
                        room,
                    )?,
                    None => 0,
                }
            }
            Source::Union(branches) => {
                let mut left = room;
                for branch in branches {
                    // A branch costs a look-up also when it has no candidates.
                    match self.take(scope, &branch.plan.source, left)? {
                        Some(after) if after < left => left = after,
                        Some(after) if after > 0 => left = after - 1,
                        _ => return Ok(None),
                    }
                }
                return Ok(Some(left));
            }
            Source::HeldBy { .. } | Source::Time { .. } | Source::Prefix { .. } | Source::All => {
                return Ok(None);
            }
        };
        Ok(room.checked_sub(n))
    }

    /// How many rows there are, counting no more than one beyond `room`.
    fn probe(&self, rows: &str, mut params: Vec<Sql>, room: usize) -> Result<usize, StoreError> {
        let limit = push(&mut params, clamp((room as u64).saturating_add(1)).into());
        let mut n = 0;
        let sql = format!("SELECT 1 FROM {rows} LIMIT ?{limit}");
        self.each(&sql, &params, &mut |_| {
            n += 1;
            Ok(ControlFlow::Continue(()))
        })
        .map(|_| n)
    }

    /// The number of matches of a scope.
    pub(super) fn count(&self, scope: &Planned<'_>) -> Result<u64, StoreError> {
        let mut params: Vec<Sql> = vec![self.tenant.into(), scope.info.number.into()];
        let sql = match &scope.plan.source {
            _ if scope.plan.residual.is_some() => None,
            Source::All => Some(
                "SELECT coalesce(sum(n), 0) FROM resource_count WHERE tenant = ?1 AND type = ?2"
                    .to_owned(),
            ),
            Source::Time { column, from, to } => {
                let (from, to) =
                    (push(&mut params, (*from).into()), push(&mut params, (*to).into()));
                Some(format!(
                    "SELECT count(*) FROM resource r
                     WHERE r.tenant = ?1 AND r.type = ?2 AND r.{} BETWEEN ?{from} AND ?{to}",
                    column.name()
                ))
            }
            Source::Prefix { place, prefix } => {
                let keys = keys(scope, *place, &mut params);
                Some(format!("SELECT count(*) FROM {keys}{}", between(&mut params, prefix)))
            }
            Source::Key { place, key } => {
                let keys = keys(scope, *place, &mut params);
                let key = push(&mut params, Sql::Blob(key.clone().into_bytes()));
                Some(format!("SELECT count(*) FROM {keys} AND k.key = ?{key}"))
            }
            _ => None,
        };
        if let Some(sql) = sql {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let n: i64 = statement.query_row(params_from_iter(&params), |row| row.get(0))?;
            return u64::try_from(n).map_err(StoreError::backend);
        }
        let mut matched = 0;
        let body = scope.plan.residual.is_some();
        self.candidates(scope, &scope.plan.source, body, &mut |row| {
            let matches = match &scope.plan.residual {
                Some(filter) => self.matches(scope, filter, row)?,
                None => true,
            };
            matched += u64::from(matches);
            Ok(ControlFlow::Continue(()))
        })
        .map(|_| ())?;
        Ok(matched)
    }

    /// An index table joined with its resources, ready for a condition on the key.
    fn table(&self, scope: &Planned<'_>, place: usize, params: &mut Vec<Sql>) -> String {
        let keys = keys(scope, place, params);
        keys.replacen(" WHERE", " CROSS JOIN resource r ON r.rid = k.rid WHERE", 1)
    }

    /// Where a stream starts: `None` when nothing in it comes after the position, `Some(None)` when all of it does.
    fn start(&self, order: Order, after: Option<&Position>) -> Option<Option<Start>> {
        let Some(after) = after else { return Some(None) };
        let at = |millis, key| Start { id: after.id.to_string(), millis, key };
        // A key of the kind that the stream has, to tell where the position is if it is of another kind.
        let sample = match (order, &after.key) {
            (Order::Id, _) | (Order::Missing, Some(SortKey::Missing)) => {
                return Some(Some(at(0, String::new())));
            }
            (Order::ById, Some(SortKey::Text(id))) => {
                return Some(Some(Start { id: id.to_string(), millis: 0, key: String::new() }));
            }
            (Order::Time(_), Some(SortKey::Instant(time))) => {
                return Some(Some(at(time.timestamp_millis(), String::new())));
            }
            (Order::Key(_), Some(SortKey::Text(key))) => {
                return Some(Some(at(0, key.to_string())));
            }
            (Order::Missing, _) => SortKey::Missing,
            (Order::Time(_), _) => SortKey::Instant(chrono::DateTime::UNIX_EPOCH),
            (Order::ById | Order::Key(_) | Order::Attribute, _) => SortKey::Text("".into()),
        };
        let later = Some(sample) > after.key;
        (later != self.descending()).then_some(None)
    }

    fn each(
        &self,
        sql: &str,
        params: &[Sql],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        #[cfg(test)]
        assert_indexed(self.connection, sql);
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            if visit(row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A position in the terms of the statements.
struct Start {
    id: String,
    millis: i64,
    key: String,
}

/// Adds a parameter and answers its number.
fn push(params: &mut Vec<Sql>, value: Sql) -> usize {
    params.push(value);
    params.len()
}

/// The index table of an attribute.
fn keys(scope: &Planned<'_>, place: usize, params: &mut Vec<Sql>) -> String {
    let attribute = push(params, scope.info.attribute(place).into());
    let table =
        if scope.info.index.attributes()[place].unique { "unique_key" } else { "attr_index" };
    format!("{table} k WHERE k.tenant = ?1 AND k.type = ?2 AND k.attr = ?{attribute}")
}

/// The condition that a key begins with a prefix. No text has the byte FF in it, so it ends the range.
fn between(params: &mut Vec<Sql>, prefix: &str) -> String {
    let mut end = prefix.as_bytes().to_vec();
    end.push(0xff);
    let from = push(params, Sql::Blob(prefix.as_bytes().to_vec()));
    let to = push(params, Sql::Blob(end));
    format!(" AND k.key >= ?{from} AND k.key < ?{to}")
}

/// Every statement that a test runs must be answered by indexes alone: no walk over a whole table, and no sorting, which
/// would hold all rows in memory.
#[cfg(test)]
fn assert_indexed(connection: &rusqlite::Connection, sql: &str) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let step: String = row.get(3).unwrap();
        let walk = step.starts_with("SCAN") && step != "SCAN h" && step != "SCAN held";
        assert!(!walk && !step.contains("TEMP B-TREE"), "{step}: {sql}");
    }
}
