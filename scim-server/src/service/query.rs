//! Query (RFC 7644 section 3.4.2, RFC 9865): one resource type or all of them, by index or by cursor.

use std::cell::LazyCell;
use std::sync::Arc;

use chrono::TimeDelta;
use scim_core::query::{Cursor, ListPage, ListQuery, PageRequest, SortKey};
use scim_core::{Error, ResourceId, ResourceSchema};

use super::{Cx, Result, ServiceError, get, has_groups};
use crate::assembled::assemble;
use crate::references::{self, Spelling};
use crate::store::{Include, Position, Query, Scope, Sorting, Stored, Total};

/// A page of results.
#[derive(Debug)]
pub(crate) struct Listing {
    /// What is said about it.
    pub(crate) page: ListPage,
    /// The resources.
    pub(crate) items: Vec<Stored>,
}

/// What to list.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    /// The resource types.
    pub(crate) schemas: &'a [Arc<ResourceSchema>],
    /// The endpoint, which cursors are bound to.
    pub(crate) endpoint: &'a str,
    /// Filter, order and page.
    pub(crate) query: &'a ListQuery,
    /// What to read along.
    pub(crate) include: Include,
}

/// Finds one page.
///
/// An unknown attribute in a filter is an error where one type is asked for and "no value" where all are
/// (RFC 7644 section 3.4.2.1; AMBIGUITIES 39).
pub(crate) async fn list(cx: &mut Cx<'_>, listed: &Listed<'_>) -> Result<Listing> {
    let query = listed.query;
    let scopes = scopes(cx, listed)?;
    let sorting = sorting(cx, listed);
    let first_sort = sorting.as_ref().and_then(|sorting| sorting.by.iter().flatten().next());
    // Most queries have no cursor.
    let tenant = cx.tenant.clone();
    let cursor_scope =
        LazyCell::new(|| query.cursor_scope(tenant.as_str(), listed.endpoint, first_sort));
    let settings = &cx.app.settings;
    let (max, default) = (settings.max_page as u64, settings.default_page as u64);

    let mut start_index = None;
    let (mut after, mut skip, mut known_total, mut asked) = (None, 0, None, query.page.count());
    match &query.page {
        PageRequest::Index { start, .. } => {
            start_index = Some(*start);
            skip = start - 1;
        }
        PageRequest::Cursor { cursor: None, .. } => {}
        PageRequest::Cursor { cursor: Some(text), .. } => {
            let max_age = TimeDelta::seconds(i64::from(settings.cursor_seconds));
            let cursor = cx.app.cursors.open(text, &cursor_scope, cx.app.clock.now(), max_age)?;
            asked = cursor.page_size(asked, &mut cx.leniency)?;
            known_total = cursor.total;
            let id = ResourceId::new(&cursor.id).ok_or_else(|| Error::InvalidCursor {
                detail: "it was not made for this query; start again without one".to_owned(),
            })?;
            let key = match (cursor.sort_key, &sorting) {
                (None, Some(sorting)) => Some(long_key(cx, listed, sorting, id.as_str()).await?),
                (key, _) => key,
            };
            after = Some(Position { key, id });
        }
    }
    let limit = asked.unwrap_or(default).min(max);
    let by_cursor = start_index.is_none();
    let page = cx
        .app
        .store
        .query(&Query {
            tenant: cx.tenant.clone(),
            scopes,
            sorting: sorting.clone(),
            after,
            skip,
            limit: limit as usize,
            budget: settings.page_bytes,
            total: if known_total.is_some() { Total::Skip } else { Total::Count },
            include: listed.include,
        })
        .await?;
    let total = known_total.or(page.total);
    let next_cursor = match page.next.filter(|_| by_cursor && limit > 0) {
        None => None,
        Some(position) => {
            let cursor = Cursor {
                sort_key: position.key,
                id: position.id.as_str().into(),
                count: asked,
                total,
                issued: cx.app.clock.now(),
            };
            Some(cx.app.cursors.seal(&cursor, &cursor_scope))
        }
    };
    let listed = ListPage {
        total_results: total,
        items_per_page: Some(page.items.len() as u64),
        start_index,
        next_cursor,
        previous_cursor: None,
    };
    Ok(Listing { page: listed, items: page.items })
}

/// The sort key of the resource that a page ended with, when it is too long to travel in the cursor.
///
/// # Errors
/// [`Error::ExpiredCursor`] when the resource is gone, and with it the place to go on from.
async fn long_key(
    cx: &Cx<'_>,
    listed: &Listed<'_>,
    sorting: &Sorting,
    id: &str,
) -> Result<SortKey> {
    for (schema, by) in listed.schemas.iter().zip(&sorting.by) {
        let include = Include { groups: has_groups(schema), members: false };
        match get(cx, schema, id, include).await {
            Ok(stored) => {
                let resource = assemble(&stored, schema, cx.links);
                return Ok(by.as_ref().map_or(SortKey::Missing, |by| by.key(&resource)));
            }
            Err(ServiceError::Scim(Error::NotFound { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::ExpiredCursor.into())
}

fn scopes(cx: &mut Cx<'_>, listed: &Listed<'_>) -> Result<Vec<Scope>> {
    let alone = listed.schemas.len() == 1;
    let mut scopes = Vec::with_capacity(listed.schemas.len());
    for schema in listed.schemas {
        let filter = match &listed.query.filter {
            None => None,
            Some(filter) if alone => {
                Some(filter.resolve(schema, &mut cx.leniency).map_err(Error::from)?)
            }
            Some(filter) => {
                Some(filter.resolve_root(schema, &mut cx.leniency).map_err(Error::from)?)
            }
        };
        let filter = filter.map(|mut filter| {
            let base_url = cx.links.base_url();
            filter.rewrite_equal(&mut references::compared(schema, base_url, Spelling::Stored));
            filter
        });
        scopes.push(Scope {
            resource_type: schema.name().into(),
            filter,
            location: cx.links.location(schema, "").into(),
        });
    }
    Ok(scopes)
}

/// The order, unless no type has the attribute: then the results stay in that of their ids.
fn sorting(cx: &mut Cx<'_>, listed: &Listed<'_>) -> Option<Sorting> {
    let sort = listed.query.sort.as_ref()?;
    let by: Vec<_> =
        listed.schemas.iter().map(|schema| sort.resolve(schema, &mut cx.leniency)).collect();
    by.iter().any(Option::is_some).then_some(Sorting { by, descending: sort.descending })
}
