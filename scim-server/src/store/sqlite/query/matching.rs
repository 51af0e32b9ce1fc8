//! Looking at a candidate: does it match, and what is it sorted by?

use rusqlite::Row;
use scim_core::filter::{CompareOp, Field, TypedComparison, TypedFilter, TypedValue};
use scim_core::query::SortKey;
use scim_core::text::TextRule;
use scim_core::{Resource, Value, Version};

use super::{Order, Planned, Run};
use crate::store::eval::{Facts, References};
use crate::store::sqlite::catalog::damaged;
use crate::store::sqlite::feed::{count, time};
use crate::store::sqlite::plan::{Branch, Plan};
use crate::store::sqlite::read;
use crate::store::{StoreError, sort_key};

/// Members of a group that a filter looks at together.
const CHUNK: usize = if cfg!(test) { 2 } else { 512 };

impl Run<'_> {
    /// The sort key of a candidate (`None` in it for the order of ids), if it matches.
    pub(super) fn examine(
        &self,
        scope: &Planned<'_>,
        row: &Row<'_>,
    ) -> Result<Option<Option<SortKey>>, StoreError> {
        let plain = |row: &Row<'_>| -> Result<Option<SortKey>, StoreError> {
            Ok(match scope.order {
                Order::Id => None,
                Order::ById => Some(SortKey::Text(read_text(row, 1)?.into())),
                Order::Time(_) => Some(SortKey::Instant(time(row.get(2)?)?)),
                Order::Key(_) => {
                    let key = row.get_ref(2)?.as_blob().map_err(damaged)?;
                    let key = std::str::from_utf8(key).map_err(StoreError::backend)?;
                    Some(SortKey::Text(key.into()))
                }
                Order::Missing | Order::Attribute => Some(SortKey::Missing),
            })
        };
        let from_index = scope.order.is_plain() || scope.is_stream();
        if scope.plan.residual.is_none() && from_index {
            return plain(row).map(Some);
        }
        let resource = self.view(scope, row)?;
        if let Some(filter) = &scope.plan.residual
            && !self.holds(scope, filter, &resource, row.get(0)?)?
        {
            return Ok(None);
        }
        match &self.query.sorting {
            Some(_) if from_index => plain(row).map(Some),
            Some(sorting) => {
                let mut resource = resource;
                if scope.needs.members {
                    // The key is that of the first member: none of them is primary.
                    self.add_members(scope, &mut resource, row.get(0)?, None, 1)?;
                }
                Ok(Some(Some(sort_key(sorting, scope.at, &resource))))
            }
            None => Ok(Some(None)),
        }
    }

    /// Whether a candidate matches a filter.
    pub(super) fn matches(
        &self,
        scope: &Planned<'_>,
        filter: &TypedFilter,
        row: &Row<'_>,
    ) -> Result<bool, StoreError> {
        self.holds(scope, filter, &self.view(scope, row)?, row.get(0)?)
    }

    /// Whether a candidate of a branch matches it, and none of the branches before.
    pub(super) fn is_new(
        &self,
        scope: &Planned<'_>,
        plan: &Plan,
        earlier: &[Branch],
        row: &Row<'_>,
    ) -> Result<bool, StoreError> {
        let (resource, rid) = (self.view(scope, row)?, row.get(0)?);
        if let Some(filter) = &plan.residual
            && !self.holds(scope, filter, &resource, rid)?
        {
            return Ok(false);
        }
        for branch in earlier {
            if self.holds(scope, &branch.filter, &resource, rid)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As much of a resource as the query looks at, without its members.
    fn view(&self, scope: &Planned<'_>, row: &Row<'_>) -> Result<Resource, StoreError> {
        let needs = &scope.needs;
        let body = row.get_ref(6)?.as_bytes().map_err(damaged)?;
        let mut resource = needs.read(body)?;
        if needs.id || needs.meta {
            let facts = Facts {
                resource_type: &scope.scope.resource_type,
                id: read_text(row, 1)?,
                version: Version(count(row, 3)?),
                created: time(row.get(4)?)?,
                modified: time(row.get(5)?)?,
                location: &scope.scope.location,
            };
            facts.add_to(&mut resource, needs);
        }
        if needs.groups {
            let references = self.references(scope);
            let groups = read::groups(self.connection, self.tenant, row.get(0)?)?;
            if !groups.is_empty() {
                let elements: Vec<Value> = groups.iter().map(|g| references.group(g)).collect();
                resource.set("groups", elements);
            }
        }
        Ok(resource)
    }

    /// Evaluates a filter; what it asks about members is asked of the rows, some at a time.
    fn holds(
        &self,
        scope: &Planned<'_>,
        filter: &TypedFilter,
        resource: &Resource,
        rid: i64,
    ) -> Result<bool, StoreError> {
        if !scope.needs.members {
            return Ok(filter.matches(resource));
        }
        let about_members = match filter {
            TypedFilter::And(filters) => {
                for filter in filters {
                    if !self.holds(scope, filter, resource, rid)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            TypedFilter::Or(filters) => {
                for filter in filters {
                    if self.holds(scope, filter, resource, rid)? {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            TypedFilter::Not(filter) => return Ok(!self.holds(scope, filter, resource, rid)?),
            TypedFilter::Constant(answer) => return Ok(*answer),
            TypedFilter::Compare(TypedComparison { field, .. })
            | TypedFilter::Present(field)
            | TypedFilter::Element { field, .. } => is_members(field),
        };
        if !about_members {
            return Ok(filter.matches(resource));
        }
        if let Some(id) = member_named(filter) {
            return self.has_member(rid, id);
        }
        // One of the members has to match, so they need not be there all at once.
        let mut after = None;
        loop {
            let mut group = Resource::new();
            let page = self.add_members(scope, &mut group, rid, after.as_ref(), CHUNK)?;
            if filter.matches(&group) {
                return Ok(true);
            }
            after = page.members.into_iter().last().map(|member| member.id);
            if !page.more {
                return Ok(false);
            }
        }
    }

    fn has_member(&self, group: i64, id: &str) -> Result<bool, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT 1 FROM member WHERE tenant = ?1 AND grp = ?2 AND id = ?3")?
            .exists((self.tenant, group, id))?)
    }

    fn add_members(
        &self,
        scope: &Planned<'_>,
        resource: &mut Resource,
        rid: i64,
        after: Option<&scim_core::ResourceId>,
        limit: usize,
    ) -> Result<crate::store::MemberPage, StoreError> {
        let page = read::members(self.connection, self.catalog, self.tenant, rid, after, limit)?;
        if !page.members.is_empty() {
            let references = self.references(scope);
            let elements: Vec<Value> = page.members.iter().map(|m| references.member(m)).collect();
            resource.set("members", elements);
        }
        Ok(page)
    }

    fn references<'s>(&'s self, scope: &'s Planned<'_>) -> References<'s> {
        let Planned { scope, .. } = scope;
        References::of_location(&self.catalog.registry, &scope.resource_type, &scope.location)
    }
}

/// Whether a filter asks about members what may take reading all of them.
pub(super) fn reads_members(filter: &TypedFilter) -> bool {
    match filter {
        TypedFilter::And(filters) | TypedFilter::Or(filters) => filters.iter().any(reads_members),
        TypedFilter::Not(filter) => reads_members(filter),
        TypedFilter::Constant(_) => false,
        TypedFilter::Compare(TypedComparison { field, .. })
        | TypedFilter::Present(field)
        | TypedFilter::Element { field, .. } => is_members(field) && member_named(filter).is_none(),
    }
}

fn is_members(field: &Field) -> bool {
    field.extension.is_none() && field.name == "members"
}

/// The id, when a filter on members asks for nothing but one.
fn member_named(filter: &TypedFilter) -> Option<&str> {
    let (comparison, name) = match filter {
        TypedFilter::Compare(c) => (c, c.field.sub.as_ref()?),
        TypedFilter::Element { filter, .. } => match &**filter {
            TypedFilter::Compare(c) if c.field.sub.is_none() => (c, &c.field.name),
            _ => return None,
        },
        _ => return None,
    };
    match &comparison.value {
        TypedValue::Text { raw, .. }
            if *name == "value"
                && comparison.op == CompareOp::Eq
                && comparison.field.rule == TextRule::Exact =>
        {
            Some(raw)
        }
        _ => None,
    }
}

fn read_text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, StoreError> {
    row.get_ref(column)?.as_str().map_err(damaged)
}
