//! Queries by looking at everything.

use std::cmp::Ordering;

use scim_core::query::SortKey;
use scim_core::{Registry, Resource, ResourceId, Value};

use super::{Row, TenantData};
use crate::store::eval::{Facts, Needs, References};
use crate::store::types::Budget;
use crate::store::{Page, Position, Query, Scope, Total, sort_key};

/// A match with the key that it is sorted by.
struct Match<'a> {
    key: Option<SortKey>,
    id: &'a ResourceId,
    row: &'a Row,
}

pub(super) fn run(registry: &Registry, tenant: &TenantData, query: &Query) -> Page {
    let descending = query.sorting.as_ref().is_some_and(|s| s.descending);
    let order = |a: (&Option<SortKey>, &ResourceId), b: (&Option<SortKey>, &ResourceId)| {
        let order = a.cmp(&b);
        if descending { order.reverse() } else { order }
    };
    let mut matches: Vec<Match<'_>> = Vec::new();
    for (at, scope) in query.scopes.iter().enumerate() {
        for (id, row) in &tenant.rows {
            if row.resource_type != scope.resource_type {
                continue;
            }
            let whole = whole(registry, tenant, scope, id, row);
            if scope.filter.as_ref().is_none_or(|filter| filter.matches(&whole)) {
                let key = query.sorting.as_ref().map(|s| sort_key(s, at, &whole));
                matches.push(Match { key, id, row });
            }
        }
    }
    matches.sort_by(|a, b| order((&a.key, a.id), (&b.key, b.id)));
    let total = (query.total == Total::Count).then_some(matches.len() as u64);
    if let Some(after) = &query.after {
        matches.retain(|m| order((&m.key, m.id), (&after.key, &after.id)) == Ordering::Greater);
    }
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    let rest = matches.into_iter().skip(skip);
    let (mut items, mut next, mut budget) = (Vec::new(), None, Budget::of(query));
    let mut last: Option<Match<'_>> = None;
    for found in rest {
        let stored = tenant.stored(found.id, found.row, query.include);
        if items.len() == query.limit || !budget.admits(&stored) {
            next = last.map(|m| Position { key: m.key, id: m.id.clone() });
            break;
        }
        items.push(stored);
        last = Some(found);
    }
    Page { items, total, next }
}

/// The resource with everything that a filter could ask for.
fn whole(
    registry: &Registry,
    tenant: &TenantData,
    scope: &Scope,
    id: &ResourceId,
    row: &Row,
) -> Resource {
    let mut resource = row.resource.clone();
    let facts = Facts {
        resource_type: &row.resource_type,
        id: id.as_str(),
        version: row.version,
        created: row.created,
        modified: row.modified,
        location: &scope.location,
    };
    let mut needs = Needs::default();
    (needs.id, needs.meta) = (true, true);
    facts.add_to(&mut resource, &needs);
    let references = References::of_location(registry, &row.resource_type, &scope.location);
    let members = tenant.members(row);
    if !members.is_empty() {
        let elements: Vec<Value> = members.iter().map(|m| references.member(m)).collect();
        resource.set("members", elements);
    }
    let groups = tenant.groups(id);
    if !groups.is_empty() {
        let elements: Vec<Value> = groups.iter().map(|g| references.group(g)).collect();
        resource.set("groups", elements);
    }
    resource
}
