//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4): made from what is enforced.

use http::StatusCode;
use scim_core::discovery::{AuthenticationScheme, Pagination, ServiceProviderConfig};
use scim_core::query::{ListQuery, ListResponse};
use scim_core::{Error, Resource};

use super::dispatch::{Input, Reply, respond};
use super::routes::Route;
use crate::app::App;
use crate::assembled::Links;

/// Answers a discovery route. Filters are refused (RFC 7644 section 4: 403); sorting and paging are ignored.
pub(crate) fn answer(app: &App, links: &Links, route: &Route, input: &Input<'_>) -> Reply {
    refuse_filter(app, input)?;
    let base = links.base_url();
    let resource = match route {
        Route::ServiceProviderConfig => config(app).to_resource(base),
        Route::ResourceTypes => {
            return Ok(list(
                app.registry.resource_types().map(|s| s.resource_type().to_resource(base)),
            ));
        }
        Route::Schemas => return Ok(list(app.registry.schemas().map(|s| s.to_resource(base)))),
        Route::ResourceType(name) => {
            let found = app.registry.get(name);
            found.ok_or_else(|| not_found("the resource type"))?.resource_type().to_resource(base)
        }
        Route::Schema(uri) => {
            let found = app.registry.schema(uri);
            found.ok_or_else(|| not_found("the schema"))?.to_resource(base)
        }
        _ => return Err(not_found("the endpoint").into()),
    };
    Ok(respond(StatusCode::OK, serde_json::to_vec(&resource).unwrap_or_default()))
}

fn refuse_filter(app: &App, input: &Input<'_>) -> Result<(), Error> {
    let named = input
        .query
        .split('&')
        .any(|pair| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("filter")));
    if !named {
        // Malformed parameters are an error here as anywhere.
        let mut leniency = scim_core::Leniency::new(app.settings.profile);
        return ListQuery::from_query(input.query, &app.limits, &mut leniency).map(drop);
    }
    Err(Error::Forbidden { detail: "discovery endpoints take no filter; leave it out".to_owned() })
}

fn not_found(what: &str) -> Error {
    Error::NotFound { what: what.to_owned() }
}

fn list(resources: impl Iterator<Item = Resource>) -> http::Response<super::body::Body> {
    let response = ListResponse::all(resources.collect());
    respond(StatusCode::OK, serde_json::to_vec(&response).unwrap_or_default())
}

fn config(app: &App) -> ServiceProviderConfig {
    let config = ServiceProviderConfig::new()
        .with_patch()
        .with_bulk(app.limits.bulk_operations as u64, app.limits.payload_bytes as u64)
        .with_filter(app.settings.max_page as u64)
        .with_change_password()
        .with_sort()
        .with_etag()
        .with_pagination(Pagination {
            default_page_size: Some(app.settings.default_page as u64),
            max_page_size: Some(app.settings.max_page as u64),
            cursor_timeout: Some(u64::from(app.settings.cursor_seconds)),
            ..Pagination::index_and_cursor()
        });
    app.authenticator.schemes().into_iter().fold(config, |config, scheme| {
        config.with_authentication(AuthenticationScheme {
            kind: scheme.kind.to_owned(),
            name: scheme.name.to_owned(),
            description: scheme.description.to_owned(),
            spec_uri: Some(scheme.spec_uri.to_owned()),
            documentation_uri: None,
            primary: scheme.primary,
        })
    })
}
