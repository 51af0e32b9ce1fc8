//! The route table: every path, its methods and what each needs. It drives dispatch, the `Allow` header, the coverage
//! test of credentials and the OpenAPI document, so none of them can forget a route.
//!
//! | path | methods |
//! |---|---|
//! | `/` | GET (query over all types) |
//! | `/.search` | POST |
//! | `/{type}` | GET, POST |
//! | `/{type}/.search` | POST |
//! | `/{type}/{id}` | GET, PUT, PATCH, DELETE |
//! | `/Me` | GET, PUT, PATCH, DELETE, POST |
//! | `/Bulk` | POST |
//! | `/ServiceProviderConfig`, `/ServiceProviderConfigs` | GET |
//! | `/ResourceTypes`, `/ResourceTypes/{name}`, `/Schemas`, `/Schemas/{uri}` | GET |
//! | `/openapi.json` | GET |
//!
//! HEAD goes wherever GET does, OPTIONS everywhere. Source: RFC 7644 section 3.2.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use scim_core::{Registry, ResourceSchema};

use crate::auth::Scope;

/// What a path stands for.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// `/`: all resource types.
    Root,
    /// `/.search`.
    RootSearch,
    /// `/Users`.
    Collection(Arc<ResourceSchema>),
    /// `/Users/.search`.
    CollectionSearch(Arc<ResourceSchema>),
    /// `/Users/{id}`; the id as it stood in the URL, decoded.
    Item(Arc<ResourceSchema>, String),
    /// `/Me`.
    Me,
    /// `/Bulk`.
    Bulk,
    /// `/ServiceProviderConfig`.
    ServiceProviderConfig,
    /// `/ResourceTypes`.
    ResourceTypes,
    /// `/ResourceTypes/{name}`.
    ResourceType(String),
    /// `/Schemas`.
    Schemas,
    /// `/Schemas/{uri}`.
    Schema(String),
    /// `/openapi.json`.
    OpenApi,
}

/// One row of the table, for tests and documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The path under the base URL, with `{id}` for parameters.
    pub path: String,
    /// The method.
    pub method: Method,
    /// What the credential must allow.
    pub scope: Scope,
    /// A name for the operation, unique over the table.
    pub operation: String,
    /// The resource type that it is about, if it is about one.
    pub resource_type: Option<String>,
}

impl Route {
    /// Finds the route of a path under the base URL.
    pub(crate) fn find(registry: &Registry, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let (first, second) = (segments.next().unwrap_or_default(), segments.next());
        if segments.next().is_some() {
            return None;
        }
        let first = decode(first)?;
        let Some(second) = second else {
            return Some(match &*first {
                "" => Self::Root,
                ".search" => Self::RootSearch,
                "Me" => Self::Me,
                "Bulk" => Self::Bulk,
                // The plural stands in old drafts and is still asked for (erratum 4978); it is served, not advertised.
                "ServiceProviderConfig" | "ServiceProviderConfigs" => Self::ServiceProviderConfig,
                "ResourceTypes" => Self::ResourceTypes,
                "Schemas" => Self::Schemas,
                "openapi.json" => Self::OpenApi,
                name => Self::Collection(exact(registry, name)?),
            });
        };
        let second = decode(second)?;
        if second.is_empty() {
            return None;
        }
        Some(match &*first {
            "ResourceTypes" => Self::ResourceType(second.into_owned()),
            "Schemas" => Self::Schema(second.into_owned()),
            name => {
                let schema = exact(registry, name)?;
                match &*second {
                    ".search" => Self::CollectionSearch(schema),
                    _ => Self::Item(schema, second.into_owned()),
                }
            }
        })
    }

    /// The methods that it answers besides OPTIONS, each with the scope that it needs.
    pub(crate) fn methods(&self) -> &'static [(Method, Scope)] {
        const READ: &[(Method, Scope)] = &[(Method::GET, Scope::Read), (Method::HEAD, Scope::Read)];
        const SEARCH: &[(Method, Scope)] = &[(Method::POST, Scope::Read)];
        const COLLECTION: &[(Method, Scope)] = &[
            (Method::GET, Scope::Read),
            (Method::HEAD, Scope::Read),
            (Method::POST, Scope::Write),
        ];
        const ITEM: &[(Method, Scope)] = &[
            (Method::GET, Scope::Read),
            (Method::HEAD, Scope::Read),
            (Method::PUT, Scope::Write),
            (Method::PATCH, Scope::Write),
            (Method::DELETE, Scope::Write),
        ];
        const ME: &[(Method, Scope)] = &[
            (Method::GET, Scope::Read),
            (Method::HEAD, Scope::Read),
            (Method::POST, Scope::Write),
            (Method::PUT, Scope::Write),
            (Method::PATCH, Scope::Write),
            (Method::DELETE, Scope::Write),
        ];
        const BULK: &[(Method, Scope)] = &[(Method::POST, Scope::Write)];
        match self {
            Self::RootSearch | Self::CollectionSearch(_) => SEARCH,
            Self::Collection(_) => COLLECTION,
            Self::Item(..) => ITEM,
            Self::Me => ME,
            Self::Bulk => BULK,
            _ => READ,
        }
    }

    /// The scope that a method needs here; `None` when the method is not answered.
    pub(crate) fn scope(&self, method: &Method) -> Option<Scope> {
        if *method == Method::OPTIONS {
            return Some(Scope::Read);
        }
        self.methods().iter().find(|(m, _)| m == method).map(|(_, scope)| *scope)
    }

    /// The value of the `Allow` header.
    pub(crate) fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods().iter().map(|(m, _)| m.as_str()).collect();
        names.push("OPTIONS");
        names.join(", ")
    }

    /// Whether the route describes the service itself, so that configuration may open it to everyone.
    pub(crate) fn is_discovery(&self) -> bool {
        matches!(
            self,
            Self::ServiceProviderConfig
                | Self::ResourceTypes
                | Self::ResourceType(_)
                | Self::Schemas
                | Self::Schema(_)
        )
    }

    /// The path with parameter names instead of values: what logs and metrics show.
    pub(crate) fn template(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Root => "/",
            Self::RootSearch => "/.search",
            Self::Collection(schema) => return schema.resource_type().endpoint.clone().into(),
            Self::CollectionSearch(schema) => {
                return format!("{}/.search", schema.resource_type().endpoint).into();
            }
            Self::Item(schema, _) => {
                return format!("{}/{{id}}", schema.resource_type().endpoint).into();
            }
            Self::Me => "/Me",
            Self::Bulk => "/Bulk",
            Self::ServiceProviderConfig => "/ServiceProviderConfig",
            Self::ResourceTypes => "/ResourceTypes",
            Self::ResourceType(_) => "/ResourceTypes/{name}",
            Self::Schemas => "/Schemas",
            Self::Schema(_) => "/Schemas/{uri}",
            Self::OpenApi => "/openapi.json",
        })
    }

    fn operation(&self, method: &Method) -> String {
        let verb = match (self, method.as_str()) {
            (Self::Collection(schema), "GET") => return format!("list{}", plural(schema)),
            (Self::Collection(schema), _) => return format!("create{}", schema.name()),
            (Self::CollectionSearch(schema), _) => return format!("search{}", plural(schema)),
            (Self::Item(schema, _), "GET") => return format!("get{}", schema.name()),
            (Self::Item(schema, _), "PUT") => return format!("replace{}", schema.name()),
            (Self::Item(schema, _), "PATCH") => return format!("patch{}", schema.name()),
            (Self::Item(schema, _), _) => return format!("delete{}", schema.name()),
            (Self::Me, "GET") => "getMe",
            (Self::Me, "POST") => "createMe",
            (Self::Me, "PUT") => "replaceMe",
            (Self::Me, "PATCH") => "patchMe",
            (Self::Me, _) => "deleteMe",
            (Self::Root, _) => "listAll",
            (Self::RootSearch, _) => "searchAll",
            (Self::Bulk, _) => "bulk",
            (Self::ServiceProviderConfig, _) => "getServiceProviderConfig",
            (Self::ResourceTypes, _) => "listResourceTypes",
            (Self::ResourceType(_), _) => "getResourceType",
            (Self::Schemas, _) => "listSchemas",
            (Self::Schema(_), _) => "getSchema",
            (Self::OpenApi, _) => "getOpenApi",
        };
        verb.to_owned()
    }

    fn resource_type(&self) -> Option<String> {
        match self {
            Self::Collection(s) | Self::CollectionSearch(s) | Self::Item(s, _) => {
                Some(s.name().to_owned())
            }
            _ => None,
        }
    }
}

/// Every route and method (but HEAD and OPTIONS, which follow from the others), in the order of the document.
pub fn table(registry: &Registry) -> Vec<RouteInfo> {
    let mut routes = Vec::new();
    for schema in registry.resource_types() {
        routes.push(Route::Collection(Arc::clone(schema)));
        routes.push(Route::CollectionSearch(Arc::clone(schema)));
        routes.push(Route::Item(Arc::clone(schema), String::new()));
    }
    routes.extend([
        Route::Root,
        Route::RootSearch,
        Route::Me,
        Route::Bulk,
        Route::ServiceProviderConfig,
        Route::ResourceTypes,
        Route::ResourceType(String::new()),
        Route::Schemas,
        Route::Schema(String::new()),
        Route::OpenApi,
    ]);
    routes
        .iter()
        .flat_map(|route| {
            route.methods().iter().filter(|(method, _)| method != Method::HEAD).map(
                |(method, scope)| RouteInfo {
                    path: route.template().into_owned(),
                    method: method.clone(),
                    scope: *scope,
                    operation: route.operation(method),
                    resource_type: route.resource_type(),
                },
            )
        })
        .collect()
}

/// Paths are case-sensitive (RFC 3986 section 6.2.2.1), unlike attribute names.
fn exact(registry: &Registry, name: &str) -> Option<Arc<ResourceSchema>> {
    let schema = registry.by_endpoint(name)?;
    (schema.resource_type().endpoint.trim_start_matches('/') == name).then(|| Arc::clone(schema))
}

/// Decodes one segment. An encoded slash or NUL is refused: a guard in front of us may have read it otherwise.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!decoded.contains(['/', '\\', '\0'])).then_some(decoded)
}

fn plural(schema: &ResourceSchema) -> &str {
    schema.resource_type().endpoint.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str) -> Option<String> {
        Route::find(&Registry::standard(), path).map(|r| r.template().into_owned())
    }

    #[test]
    fn paths_find_their_route() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            ("/Users", "/Users"),
            ("/Users/.search", "/Users/.search"),
            ("/Users/2819c223", "/Users/{id}"),
            ("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "/Schemas/{uri}"),
            ("/Schemas/urn%3Aietf%3Aparams", "/Schemas/{uri}"),
            ("/Contacts/x", "/Contacts/{id}"),
        ] {
            assert_eq!(template(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "//Users",
            "/Users/",
            "/users",
            "/Users/a/b",
            "/Users/a%2fb",
            "/Nope",
            "/Users/%ff",
            "/Bulk/x",
            "/./Users",
        ] {
            assert_eq!(template(path), None, "{path}");
        }
    }

    #[test]
    fn operations_are_unique() {
        let table = table(&Registry::standard());
        let mut names: Vec<_> = table.iter().map(|r| r.operation.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), table.len());
        assert_eq!(table.iter().filter(|r| r.resource_type.as_deref() == Some("User")).count(), 7);
    }
}
