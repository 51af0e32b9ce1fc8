//! One resource: POST to a collection, GET, PUT, PATCH and DELETE of an item (RFC 7644 section 3.3 to 3.6).

use std::sync::Arc;

use http::header::{ETAG, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use scim_core::project::Projection;
use scim_core::{Error, Resource, ResourceSchema, json};

use super::body::Body;
use super::conditional;
use super::dispatch::{Input, Reply, respond};
use super::parts::{self, Shape};
use super::problem::Failure;
use super::representation;
use super::view::View;
use crate::assembled::opaque_version;
use crate::service::{self, Cx, has_members};
use crate::store::{Include, Stored};

/// `POST /{type}`.
pub(crate) async fn create(
    cx: &mut Cx<'_>,
    schema: &Arc<ResourceSchema>,
    input: &Input<'_>,
) -> Reply {
    let asked = projection(cx, input)?;
    let mut view = View::new(cx, &asked, schema);
    let resource = Resource::parse(&input.body, &cx.app.limits)?;
    view.show_written(schema, resource.object());
    let written = service::create(cx, schema, resource).await?;
    // A new resource is in no group yet; its members are shown with their names.
    let include = Include { groups: false, members: view.include(schema).members };
    let stored = service::refresh(cx, schema, written, include).await;
    represent_written(cx, schema, stored, view, StatusCode::CREATED)
}

/// `GET`, `PUT`, `PATCH`, `DELETE` of `/{type}/{id}`.
pub(crate) async fn item(
    cx: &mut Cx<'_>,
    schema: &Arc<ResourceSchema>,
    id: &str,
    input: &Input<'_>,
) -> Reply {
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

async fn get(cx: &mut Cx<'_>, schema: &Arc<ResourceSchema>, id: &str, input: &Input<'_>) -> Reply {
    let asked = projection(cx, input)?;
    let view = View::new(cx, &asked, schema);
    let guard = conditional::guard(input.headers)?;
    let stored = service::get(cx, schema, id, view.include(schema)).await?;
    if guard.if_match.as_ref().is_some_and(|tags| !tags.matches(stored.version)) {
        return Err(Error::PreconditionFailed.into());
    }
    let opaque = opaque_version(&stored);
    if guard.if_none_match.is_some_and(|tags| tags.names(&opaque)) {
        let mut response = respond(StatusCode::NOT_MODIFIED, Vec::new());
        set_etag(&mut response, &opaque);
        return Ok(response);
    }
    represent(cx, schema, stored, view, StatusCode::OK)
}

async fn replace(
    cx: &mut Cx<'_>,
    schema: &Arc<ResourceSchema>,
    id: &str,
    input: &Input<'_>,
) -> Reply {
    let guard = conditional::guard(input.headers)?;
    let asked = projection(cx, input)?;
    let mut view = View::new(cx, &asked, schema);
    let resource = Resource::parse(&input.body, &cx.app.limits)?;
    view.show_written(schema, resource.object());
    let written = service::replace(cx, schema, id, resource, &guard).await?;
    let stored = service::refresh(cx, schema, written, view.include(schema)).await;
    represent_written(cx, schema, stored, view, StatusCode::OK)
}

/// 200 with the resource for most types, 204 for groups, whose representation can be huge; 200 for both when the
/// client says which attributes it wants (RFC 7644 section 3.5.2; AMBIGUITIES 14).
async fn patch(
    cx: &mut Cx<'_>,
    schema: &Arc<ResourceSchema>,
    id: &str,
    input: &Input<'_>,
) -> Reply {
    let guard = conditional::guard(input.headers)?;
    let asked = projection(cx, input)?;
    let message = json::parse_object(&input.body, &cx.app.limits)?;
    let written = service::patch(cx, schema, id, message, &guard).await?;
    if has_members(schema) && asked.is_default() {
        let mut response = respond(StatusCode::NO_CONTENT, Vec::new());
        set_etag(&mut response, &opaque_version(&written));
        return Ok(response);
    }
    let view = View::new(cx, &asked, schema);
    let stored = service::refresh(cx, schema, written, view.include(schema)).await;
    represent_written(cx, schema, stored, view, StatusCode::OK)
}

fn projection(cx: &Cx<'_>, input: &Input<'_>) -> Result<Projection, Failure> {
    if input.query.is_empty() {
        return Ok(Projection::default());
    }
    Ok(Projection::from_query(input.query, &cx.app.limits)?)
}

/// The answer to a write that has happened. Where there is no room to show the resource it is told without a body: an
/// error would make the client repeat what is done.
fn represent_written(
    cx: &Cx<'_>,
    schema: &Arc<ResourceSchema>,
    stored: Stored,
    view: View,
    status: StatusCode,
) -> Reply {
    let opaque = opaque_version(&stored);
    let location = cx.links.location(schema, stored.id.as_str());
    match represent(cx, schema, stored, view, status) {
        Err(Failure::Crowded) => {
            let bare = if status == StatusCode::OK { StatusCode::NO_CONTENT } else { status };
            let mut response = respond(bare, Vec::new());
            set_etag(&mut response, &opaque);
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        reply => reply,
    }
}

fn represent(
    cx: &Cx<'_>,
    schema: &Arc<ResourceSchema>,
    stored: Stored,
    view: View,
    status: StatusCode,
) -> Reply {
    let opaque = opaque_version(&stored);
    let location = cx.links.location(schema, stored.id.as_str());
    let body = if stored.other_members.is_empty() {
        let mut body = Vec::with_capacity(stored.body.len() + 384);
        representation::write(&mut body, &stored, schema, cx.links, &view);
        drop(stored);
        parts::held(cx, body)?
    } else {
        let shape = Shape { schema: Arc::clone(schema), view };
        parts::body(cx, vec![shape], Vec::new(), vec![stored], b"")?
    };
    let mut response = respond(status, body);
    set_etag(&mut response, &opaque);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn set_etag(response: &mut Response<Body>, opaque: &str) {
    if let Ok(tag) = HeaderValue::try_from(["W/\"", opaque, "\""].concat()) {
        response.headers_mut().insert(ETAG, tag);
    }
}
