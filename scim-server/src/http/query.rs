//! Queries: GET of a collection or the root, POST to `.search` (RFC 7644 section 3.4.2 and 3.4.3).

use std::sync::Arc;

use http::{Method, StatusCode};
use scim_core::query::ListQuery;
use scim_core::{ResourceSchema, json};

use super::dispatch::{Input, Reply, respond};
use super::parts::{self, Shape};
use super::representation;
use super::view::View;
use crate::service::{self, Cx, Listed};
use crate::store::Include;

/// `GET /{type}` and `GET /`.
pub(crate) async fn list(
    cx: &mut Cx<'_>,
    schemas: &[Arc<ResourceSchema>],
    input: &Input<'_>,
) -> Reply {
    let query = ListQuery::from_query(input.query, &cx.app.limits, &mut cx.leniency)?;
    answer(cx, schemas, &query).await
}

/// `POST /{type}/.search` and `POST /.search`.
pub(crate) async fn search(
    cx: &mut Cx<'_>,
    schemas: &[Arc<ResourceSchema>],
    input: &Input<'_>,
) -> Reply {
    debug_assert_eq!(*input.method, Method::POST);
    let body = json::parse_object(&input.body, &cx.app.limits)?;
    let query = ListQuery::from_search(&body, &cx.app.limits, &mut cx.leniency)?;
    answer(cx, schemas, &query).await
}

async fn answer(cx: &mut Cx<'_>, schemas: &[Arc<ResourceSchema>], query: &ListQuery) -> Reply {
    let mut views = Vec::with_capacity(schemas.len());
    let mut include = Include::default();
    for schema in schemas {
        let view = View::new(cx, &query.projection, schema);
        let wanted = view.include(schema);
        include.groups |= wanted.groups;
        include.members |= wanted.members;
        views.push(view);
    }
    let endpoint = match schemas {
        [one] => one.resource_type().endpoint.as_str(),
        _ => "/",
    };
    let listing = service::list(cx, &Listed { schemas, endpoint, query, include }).await?;
    if parts::is_large(&listing.items) {
        let shapes = schemas.iter().map(Arc::clone).zip(views);
        let shapes = shapes.map(|(schema, view)| Shape { schema, view }).collect();
        let (head, tail) = listing.page.around();
        return Ok(respond(StatusCode::OK, parts::body(cx, shapes, head, listing.items, tail)?));
    }
    let resources: Vec<Vec<u8>> = listing
        .items
        .iter()
        .filter_map(|stored| {
            let at = schemas.iter().position(|schema| schema.name() == stored.resource_type)?;
            let mut bytes = Vec::with_capacity(stored.body.len() + 384);
            representation::write(&mut bytes, stored, &schemas[at], cx.links, &views[at]);
            Some(bytes)
        })
        .collect();
    let size: usize = resources.iter().map(|r| r.len() + 1).sum();
    let mut body = Vec::with_capacity(size + 256);
    listing.page.write(&resources, &mut body);
    Ok(respond(StatusCode::OK, body))
}
