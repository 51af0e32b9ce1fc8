//! Queries: plan each resource type, walk an index in the order asked for where one has it, and otherwise keep the best
//! of all candidates in a bounded heap.

mod candidates;
mod matching;
mod order;

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use rusqlite::{Connection, Row};
use scim_core::ResourceId;
use scim_core::query::SortKey;

use self::order::{Order, Ranked};
use super::catalog::{Catalog, TypeInfo};
use super::feed::id;
use super::plan::{Plan, Source};
use super::read;
use crate::store::eval::Needs;
use crate::store::types::Budget;
use crate::store::{Page, Position, Query, Scope, StoreError, Stored, Total};

/// Keys that a query holds in memory at most, unless a page alone is larger. What is skipped beyond that is skipped in
/// several passes.
const HELD: usize = if cfg!(test) { 8 } else { 16_384 };

/// Rows of a list that are read on the caller's own thread at most, when an index leads to them.
const INLINE: usize = 20;
/// Candidates of a filter that are looked at on the caller's own thread at most.
const FEW: usize = if cfg!(test) { 6 } else { 64 };

/// Runs a query.
pub(super) fn run(
    connection: &Connection,
    catalog: &Catalog,
    query: &Query,
) -> Result<Page, StoreError> {
    let scopes = scopes(catalog, query);
    read::in_tenant(connection, &query.tenant, |tenant| {
        Run { connection, catalog, query, tenant }.page_of(&scopes)
    })
}

/// Runs a query if it is answered in so short a time that moving it to another thread is not worth it; answers `None`
/// otherwise.
pub(super) fn run_short(
    connection: &Connection,
    catalog: &Catalog,
    query: &Query,
) -> Result<Option<Page>, StoreError> {
    if query.include.members {
        return Ok(None);
    }
    let scopes = scopes(catalog, query);
    if let [scope] = &*scopes
        && let Some(key) = scope.only_key(query)
    {
        return at_key(connection, catalog, query, scope, key).map(Some);
    }
    read::in_tenant(connection, &query.tenant, |tenant| {
        let run = Run { connection, catalog, query, tenant };
        let mut room = FEW;
        for scope in &scopes {
            if scope.is_short_list(query) {
                continue;
            }
            let large = scope.scope.filter.as_ref().is_some_and(matching::reads_members);
            match if large { None } else { run.take(scope, &scope.plan.source, room)? } {
                Some(left) => room = left,
                None => return Ok(None),
            }
        }
        run.page_of(&scopes).map(Some)
    })
}

/// The one resource that has a unique key, if there is one: in a single statement, with the tenant.
fn at_key(
    connection: &Connection,
    catalog: &Catalog,
    query: &Query,
    scope: &Planned<'_>,
    (place, key): (usize, &str),
) -> Result<Page, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.rid, r.id, r.version, r.created, r.modified, r.flags, r.body, t.id
         FROM tenant t
         LEFT JOIN unique_key k ON k.tenant = t.id AND k.type = ?2 AND k.attr = ?3 AND k.key = ?4
         LEFT JOIN resource r ON r.rid = k.rid
         WHERE t.name = ?1",
    )?;
    let (number, attribute) = (scope.info.number, scope.info.attribute(place));
    let mut rows = statement.query((query.tenant.as_str(), number, attribute, key.as_bytes()))?;
    let row = rows.next()?.ok_or(StoreError::NoTenant)?;
    let mut items = Vec::new();
    if let Some(rid) = row.get(0)? {
        let mut stored = read::stored(&scope.scope.resource_type, row)?;
        read::include(connection, catalog, row.get(7)?, rid, query.include, &mut stored)?;
        items.push(stored);
    }
    let total = (query.total == Total::Count).then_some(items.len() as u64);
    Ok(Page { items, total, next: None })
}

/// The planned scopes; resource types that the store does not know have no resources.
fn scopes<'a>(catalog: &'a Catalog, query: &'a Query) -> Vec<Planned<'a>> {
    let known = |(at, scope): (usize, &'a Scope)| {
        let info = catalog.get(&scope.resource_type)?;
        Some(Planned::new(at, scope, info, query))
    };
    query.scopes.iter().enumerate().filter_map(known).collect()
}

/// One of the resource types of a query.
struct Planned<'a> {
    /// Its place in the query.
    at: usize,
    scope: &'a Scope,
    info: &'a TypeInfo,
    plan: Plan,
    order: Order,
    /// What the filter and the order look at.
    needs: Needs,
}

impl<'a> Planned<'a> {
    fn new(at: usize, scope: &'a Scope, info: &'a TypeInfo, query: &Query) -> Self {
        let plan = Plan::of(scope.filter.as_ref(), info);
        let order = Order::of(query.sorting.as_ref(), at, info);
        let mut needs = scope.filter.as_ref().map(Needs::of_filter).unwrap_or_default();
        if let Some(sorting) = &query.sorting
            && let Some(Some(by)) = sorting.by.get(at)
        {
            needs.add(by.field.extension.as_ref(), &by.field.name);
        }
        Self { at, scope, info, plan, order, needs }
    }

    /// Whether an index gives the candidates in the order asked for.
    fn is_stream(&self) -> bool {
        self.order.is_index_of(&self.plan.source)
    }

    /// Whether an index has a page of all resources.
    fn is_short_list(&self, query: &Query) -> bool {
        self.plan.source == Source::All
            && self.plan.residual.is_none()
            && self.is_stream()
            && query.limit <= INLINE
            && query.skip <= INLINE as u64
    }

    /// The unique key that alone decides who is on the page: what identity providers ask before every creation.
    fn only_key(&self, query: &Query) -> Option<(usize, &str)> {
        match &self.plan.source {
            Source::Key { place, key }
                if self.info.index.attributes()[*place].unique
                    && self.plan.residual.is_none()
                    && query.after.is_none()
                    && query.skip == 0
                    && query.limit > 0 =>
            {
                Some((*place, key))
            }
            _ => None,
        }
    }

    /// Whether a candidate's attributes must be looked at.
    fn needs_body(&self) -> bool {
        self.plan.residual.is_some() || !self.order.is_plain()
    }
}

/// A query at work.
struct Run<'a> {
    connection: &'a Connection,
    catalog: &'a Catalog,
    query: &'a Query,
    tenant: i64,
}

/// A resource found, before it is read.
struct Hit {
    at: usize,
    rid: i64,
    id: ResourceId,
    key: Option<SortKey>,
}

impl Run<'_> {
    fn page_of(&self, scopes: &[Planned<'_>]) -> Result<Page, StoreError> {
        match scopes {
            [scope] if scope.is_stream() => self.walk(scope),
            scopes => self.select(scopes),
        }
    }

    /// One resource type in the order of an index.
    fn walk(&self, scope: &Planned<'_>) -> Result<Page, StoreError> {
        let query = self.query;
        let counting = query.total == Total::Count;
        // An index can pass over rows by itself, if none of them has to be looked at.
        let exact = scope.plan.residual.is_none();
        let offset = if exact && query.after.is_none() { query.skip } else { 0 };
        let mut to_skip = query.skip - offset;
        let mut hits: Vec<Hit> = Vec::new();
        let mut more = false;
        let mut matched = 0_u64;
        // The matches can be counted along the way, if the walk begins with the first.
        let count_along = counting && !exact && query.after.is_none();
        self.stream(scope, query.after.as_ref(), offset, &mut |row| {
            let Some(key) = self.examine(scope, row)? else { return Ok(ControlFlow::Continue(())) };
            let found = id(row, 1)?;
            if !self.is_after(&key, &found) {
                return Ok(ControlFlow::Continue(()));
            }
            matched += 1;
            if to_skip > 0 {
                to_skip -= 1;
            } else if hits.len() < query.limit {
                hits.push(Hit { at: scope.at, rid: row.get(0)?, id: found, key });
            } else {
                more = true;
                if !count_along {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let total = match (counting, count_along) {
            (false, _) => None,
            (true, true) => Some(matched),
            (true, false) => Some(self.count(scope)?),
        };
        self.page(hits, more, total)
    }

    /// Several resource types, or an order that no index has: the best of all candidates.
    fn select(&self, scopes: &[Planned<'_>]) -> Result<Page, StoreError> {
        let query = self.query;
        let counting = query.total == Total::Count;
        let held = HELD.max(query.limit.saturating_add(1));
        let mut total = counting.then_some(0_u64);
        let mut to_skip = query.skip;
        let mut after = query.after.clone();
        let mut first = true;
        loop {
            let wanted = usize::try_from(to_skip)
                .unwrap_or(usize::MAX)
                .saturating_add(query.limit)
                .saturating_add(1);
            // A page fits as it is; a long way to it is gone in steps that pass over nothing else.
            let fits = wanted <= held;
            let room = if fits {
                wanted
            } else {
                held.min(usize::try_from(to_skip).unwrap_or(usize::MAX))
            };
            let mut best = Best::new(room);
            for scope in scopes {
                let count = self.collect(scope, after.as_ref(), &mut best, first && counting)?;
                if first && let Some(total) = &mut total {
                    *total += count;
                }
            }
            first = false;
            let full = best.heap.len() == room;
            let sorted = best.heap.into_sorted_vec();
            if fits || !full {
                let skip = usize::try_from(to_skip).unwrap_or(usize::MAX);
                let more = sorted.len() > skip.saturating_add(query.limit);
                let hits = sorted.into_iter().skip(skip).take(query.limit).map(Ranked::into_hit);
                return self.page(hits.collect(), more, total);
            }
            to_skip -= sorted.len() as u64;
            after = sorted.into_iter().last().map(|r| Position { key: r.key, id: r.id });
        }
    }

    /// Puts a scope's matches into the heap, and counts them if asked to.
    fn collect(
        &self,
        scope: &Planned<'_>,
        after: Option<&Position>,
        best: &mut Best,
        counting: bool,
    ) -> Result<u64, StoreError> {
        let descending = self.descending();
        let mut matched = 0;
        let stream = scope.is_stream();
        let mut visit = |row: &Row<'_>| {
            let Some(key) = self.examine(scope, row)? else { return Ok(ControlFlow::Continue(())) };
            matched += 1;
            let hit = Ranked { key, id: id(row, 1)?, rid: row.get(0)?, at: scope.at, descending };
            if after.is_some_and(|after| !hit.is_after(after)) {
                return Ok(ControlFlow::Continue(()));
            }
            let took = best.push(hit);
            // Of a sorted stream, nothing better can follow.
            Ok(if stream && !took { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        if stream {
            self.stream(scope, after, 0, &mut visit)?;
            return if counting { self.count(scope) } else { Ok(0) };
        }
        let body = scope.needs_body();
        self.candidates(scope, &scope.plan.source, body, &mut visit).map(|_| ())?;
        Ok(matched)
    }

    /// Reads the hits of a page.
    fn page(&self, hits: Vec<Hit>, more: bool, total: Option<u64>) -> Result<Page, StoreError> {
        let mut items = Vec::with_capacity(hits.len());
        let mut budget = Budget::of(self.query);
        for hit in &hits {
            let stored = self.load(hit)?;
            if !budget.admits(&stored) {
                break;
            }
            items.push(stored);
        }
        let more = more || items.len() < hits.len();
        let last = items.len().checked_sub(1).map(|last| &hits[last]).filter(|_| more);
        let next = last.map(|hit| Position { key: hit.key.clone(), id: hit.id.clone() });
        Ok(Page { items, total, next })
    }

    fn load(&self, hit: &Hit) -> Result<Stored, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.rid, r.id, r.version, r.created, r.modified, r.flags, r.body
             FROM resource r WHERE r.rid = ?1",
        )?;
        let mut rows = statement.query([hit.rid])?;
        let row = rows.next()?.ok_or(StoreError::NotFound)?;
        let mut stored = read::stored(&self.query.scopes[hit.at].resource_type, row)?;
        let include = self.query.include;
        read::include(self.connection, self.catalog, self.tenant, hit.rid, include, &mut stored)?;
        Ok(stored)
    }

    fn descending(&self) -> bool {
        self.query.sorting.as_ref().is_some_and(|sorting| sorting.descending)
    }

    /// Whether a resource comes after where the query starts.
    fn is_after(&self, key: &Option<SortKey>, id: &ResourceId) -> bool {
        self.query
            .after
            .as_ref()
            .is_none_or(|after| order::follows(key, id, after, self.descending()))
    }
}

/// The best so many of what was pushed.
struct Best {
    heap: BinaryHeap<Ranked>,
    room: usize,
}

impl Best {
    fn new(room: usize) -> Self {
        Self { heap: BinaryHeap::new(), room }
    }

    /// Answers whether there was room, or a worse one made room.
    fn push(&mut self, hit: Ranked) -> bool {
        if self.heap.len() < self.room {
            self.heap.push(hit);
            return true;
        }
        match self.heap.peek_mut() {
            Some(mut worst) if hit < *worst => {
                *worst = hit;
                true
            }
            _ => false,
        }
    }
}
