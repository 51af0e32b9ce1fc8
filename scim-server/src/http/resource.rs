//! One resource: POST to a collection, GET, PUT, PATCH and DELETE of an item (RFC 7644 section 3.3 to 3.6).

use http::header::{ETAG, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use scim_core::project::{Projection, ResolvedProjection};
use scim_core::{Resource, ResourceSchema, json};

use super::body::Body;
use super::dispatch::{Input, Reply, respond};
use super::problem::Failure;
use super::representation::{self, opaque_version};
use super::conditional;
use crate::service::{self, Cx, has_groups, has_members};
use crate::store::{Include, Stored};

/// `POST /{type}`.
pub(crate) async fn create(cx: &mut Cx<'_>, schema: &ResourceSchema, input: &Input<'_>) -> Reply {
    let projection = projection(cx, input)?.resolve(schema);
    let resource = Resource::parse(&input.body, &cx.app.limits)?;
    let projection = projection.with_written(&resource);
    let written = service::create(cx, schema, resource).await?;
    // A new resource is in no group yet; its members are shown with their names.
    let include = Include { groups: false, members: include(schema, &projection).members };
    let stored = service::refresh(cx, schema, written, include).await?;
    represent(cx, schema, &stored, &projection, StatusCode::CREATED)
}

/// `GET`, `PUT`, `PATCH`, `DELETE` of `/{type}/{id}`.
pub(crate) async fn item(cx: &mut Cx<'_>, schema: &ResourceSchema, id: &str, input: &Input<'_>) -> Reply {
    match *input.method {
        Method::PUT => replace(cx, schema, id, input).await,
        Method::PATCH => patch(cx, schema, id, input).await,
        Method::DELETE => {
            let guard = conditional::guard(input.headers)?;
            service::delete(cx, schema, id, &guard).await?;
            Ok(respond(StatusCode::NO_CONTENT, Vec::new()))
        }
        _ => get(cx, schema, id, input).await,
    }
}

async fn get(cx: &mut Cx<'_>, schema: &ResourceSchema, id: &str, input: &Input<'_>) -> Reply {
    let projection = projection(cx, input)?.resolve(schema);
    let guard = conditional::guard(input.headers)?;
    let stored = service::get(cx, schema, id, include(schema, &projection)).await?;
    if let Some(tags) = &guard.if_match
        && !tags.matches(stored.version)
    {
        return Err(scim_core::Error::PreconditionFailed.into());
    }
    let opaque = opaque_version(&stored);
    if guard.if_none_match.is_some_and(|tags| tags.names(&opaque)) {
        let mut response = respond(StatusCode::NOT_MODIFIED, Vec::new());
        set_etag(&mut response, &opaque);
        return Ok(response);
    }
    represent(cx, schema, &stored, &projection, StatusCode::OK)
}

async fn replace(cx: &mut Cx<'_>, schema: &ResourceSchema, id: &str, input: &Input<'_>) -> Reply {
    let guard = conditional::guard(input.headers)?;
    let projection = projection(cx, input)?.resolve(schema);
    let resource = Resource::parse(&input.body, &cx.app.limits)?;
    let projection = projection.with_written(&resource);
    let written = service::replace(cx, schema, id, resource, &guard).await?;
    let stored = service::refresh(cx, schema, written, include(schema, &projection)).await?;
    represent(cx, schema, &stored, &projection, StatusCode::OK)
}

/// 200 with the resource for most types, 204 for groups, whose representation can be huge; 200 for both when the
/// client says which attributes it wants (RFC 7644 section 3.5.2; AMBIGUITIES 14).
async fn patch(cx: &mut Cx<'_>, schema: &ResourceSchema, id: &str, input: &Input<'_>) -> Reply {
    let guard = conditional::guard(input.headers)?;
    let asked = projection(cx, input)?;
    let message = json::parse_object(&input.body, &cx.app.limits)?;
    let written = service::patch(cx, schema, id, message, &guard).await?;
    if has_members(schema) && asked.is_default() {
        let mut response = respond(StatusCode::NO_CONTENT, Vec::new());
        set_etag(&mut response, &opaque_version(&written));
        return Ok(response);
    }
    let projection = asked.resolve(schema);
    let stored = service::refresh(cx, schema, written, include(schema, &projection)).await?;
    represent(cx, schema, &stored, &projection, StatusCode::OK)
}

/// What to read for a representation with this projection.
pub(crate) fn include(schema: &ResourceSchema, projection: &ResolvedProjection) -> Include {
    Include {
        // The version shown depends on the groups, so whoever sees `meta` needs them read.
        groups: has_groups(schema) && (projection.wants("groups") || projection.wants("meta")),
        members: has_members(schema) && projection.wants("members"),
    }
}

fn projection(cx: &Cx<'_>, input: &Input<'_>) -> Result<Projection, Failure> {
    Ok(Projection::from_query(input.query, &cx.app.limits)?)
}

fn represent(
    cx: &Cx<'_>,
    schema: &ResourceSchema,
    stored: &Stored,
    projection: &ResolvedProjection,
    status: StatusCode,
) -> Reply {
    let mut body = Vec::with_capacity(stored.body.len() + 384);
    representation::write(&mut body, stored, schema, cx.links, projection, representation::is_plain(schema));
    let mut response = respond(status, body);
    set_etag(&mut response, &opaque_version(stored));
    let location = cx.links.location(schema, stored.id.as_str());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn set_etag(response: &mut Response<Body>, opaque: &str) {
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{opaque}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
}
