//! What the target says about itself: `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas`.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use url::Url;

use super::helpers_a::{
    attributes_of, has_schema, is_refusal, list_of, none, resource_types, schemas, text,
};
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::Cx;
use crate::json::{at, resources};

pub(crate) const CHECKS: &[Check] = &[
    CONFIG,
    CONFIG_FLAGS,
    CONFIG_BULK,
    CONFIG_FILTER,
    CONFIG_SCHEMES,
    CONFIG_SCHEME_TYPES,
    CONFIG_URIS,
    CONFIG_PAGINATION,
    CONFIG_EVENTS,
    CONFIG_OPEN,
    CONFIG_READ_ONLY,
    SCHEMAS_LIST,
    SCHEMAS_SINGLE,
    SCHEMAS_READ_ONLY,
    SCHEMAS_NO_MESSAGES,
    TYPES_LIST,
    TYPES_SINGLE,
    TYPES_MEMBERS,
    TYPES_EXTENSIONS,
    TYPES_SCHEMAS,
    TYPES_ENDPOINTS,
    TYPES_CORE,
    TYPES_PLURAL,
    TYPES_READ_ONLY,
    PAGING_IGNORED,
    FILTER_REFUSED,
];

const CONFIG_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const TYPE_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const LIST_URI: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

const CONFIG: Check =
    must("discovery.config.object", Topic::Discovery, &["7644-4-02", "7643-5-01", "7643-5-13"])
        .reason("/ServiceProviderConfig answers one object with its own schema URI")
        .mend("Answer the configuration itself, with its schema URI in schemas, not a list.")
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let body = cx.read("/ServiceProviderConfig").await?.value();
                // It may have none, and then nothing is missing.
                cx.expect(at(&body, "id")).to_hold(
                    |id| id.is_none_or(Value::is_string),
                    "a string or nothing",
                    "the id of the configuration",
                )?;
                cx.expect(has_schema(&body, LIST_URI)).to_be(false, "it is a list answer")?;
                cx.expect(has_schema(&body, CONFIG_URI))
                    .to_be(true, "schemas has the URI of the ServiceProviderConfig schema")
            })
        });

const CONFIG_FLAGS: Check = must(
    "discovery.config.features",
    Topic::Discovery,
    &["7643-5-03", "7643-5-06", "7643-5-07", "7643-5-08"],
)
.reason("patch, changePassword, sort and etag say with a boolean whether they are supported")
.mend("Add the missing feature with \"supported\": true or false.")
.needs(&[Need::Config])
.reads()
.body(|cx| {
    Box::pin(async move {
        let config = config(cx).await?;
        let found: Vec<String> = ["patch", "changePassword", "sort", "etag"]
            .iter()
            .filter_map(|name| not_a(&config, &format!("{name}.supported"), Value::is_boolean))
            .collect();
        none(&found, "patch, changePassword, sort and etag have the boolean supported")
    })
});

const CONFIG_BULK: Check =
    must("discovery.config.bulk", Topic::Discovery, &["7643-5-04", "7644-3.7.4-01"])
        .reason("bulk has supported, maxOperations and maxPayloadSize")
        .mend("Give bulk its boolean and both limits as integers, also where it is not supported.")
        .needs(&[Need::Config])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let config = config(cx).await?;
                let found: Vec<String> = not_a(&config, "bulk.supported", Value::is_boolean)
                    .into_iter()
                    .chain(not_a(&config, "bulk.maxOperations", Value::is_u64))
                    .chain(not_a(&config, "bulk.maxPayloadSize", Value::is_u64))
                    .collect();
                none(&found, "bulk has supported, maxOperations and maxPayloadSize")
            })
        });

const CONFIG_FILTER: Check = must("discovery.config.filter", Topic::Discovery, &["7643-5-05"])
    .reason("filter has supported and maxResults")
    .mend("Give filter its boolean and maxResults as an integer.")
    .needs(&[Need::Config])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let config = config(cx).await?;
            let found: Vec<String> = not_a(&config, "filter.supported", Value::is_boolean)
                .into_iter()
                .chain(not_a(&config, "filter.maxResults", Value::is_u64))
                .collect();
            none(&found, "filter has supported and maxResults")
        })
    });

const CONFIG_SCHEMES: Check = must("discovery.config.schemes", Topic::Discovery, &["7643-5-09"])
    .reason("authenticationSchemes is an array whose entries have type, name and description")
    .mend("List every scheme with type, name and description.")
    .needs(&[Need::Config])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let config = config(cx).await?;
            let Some(schemes) = at(&config, "authenticationSchemes").and_then(Value::as_array)
            else {
                return cx.fail("authenticationSchemes is missing or no array");
            };
            let mut found = Vec::new();
            for (index, scheme) in schemes.iter().enumerate() {
                for name in ["type", "name", "description"] {
                    if text(scheme, name).is_none_or(str::is_empty) {
                        found.push(format!("authenticationSchemes[{index}] has no {name}"));
                    }
                }
            }
            none(&found, "every scheme has type, name and description")
        })
    });

const CONFIG_SCHEME_TYPES: Check =
    may("discovery.config.scheme-types", Topic::Discovery, &["7643-5-10"])
        .reason("scheme types are oauth, oauth2, oauthbearertoken, httpbasic or httpdigest")
        .mend("Use the type of RFC 7643 section 5 that fits the scheme.")
        .needs(&[Need::Config])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                const KNOWN: &[&str] =
                    &["oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"];
                let config = config(cx).await?;
                let found: Vec<String> = list_of(&config, "authenticationSchemes")
                    .iter()
                    .filter_map(|scheme| text(scheme, "type"))
                    .filter(|kind| !KNOWN.contains(&kind.to_ascii_lowercase().as_str()))
                    .map(str::to_owned)
                    .collect();
                none(&found, "every scheme type is one of RFC 7643 section 5")
            })
        });

const CONFIG_URIS: Check =
    should("discovery.config.documentation", Topic::Discovery, &["7643-5-02", "7643-5-11"])
        .reason("documentationUri and specUri, where given, are absolute URLs")
        .mend("Give a URL that people can open, or leave it out.")
        .needs(&[Need::Config])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let config = config(cx).await?;
                let given = at(&config, "documentationUri").into_iter().cloned().chain(
                    list_of(&config, "authenticationSchemes").iter().flat_map(|scheme| {
                        ["specUri", "documentationUri"]
                            .map(|name| at(scheme, name).cloned())
                            .into_iter()
                            .flatten()
                            .collect::<Vec<_>>()
                    }),
                );
                let given: Vec<Value> = given.collect();
                if given.is_empty() {
                    return cx.skip("neither documentationUri nor specUri is given");
                }
                let found: Vec<String> = given
                    .iter()
                    .filter(|uri| uri.as_str().is_none_or(|uri| Url::parse(uri).is_err()))
                    .map(Value::to_string)
                    .collect();
                none(&found, "documentation addresses are absolute URLs")
            })
        });

const CONFIG_PAGINATION: Check =
    must("discovery.config.pagination", Topic::Discovery, &["9865-4-02", "9865-4-03"])
        .reason(
            "pagination, where announced, has the booleans cursor and index and sensible numbers",
        )
        .mend("Give pagination both booleans; sizes and cursorTimeout are positive integers.")
        .needs(&[Need::Config])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let config = config(cx).await?;
                let Some(paging) = at(&config, "pagination") else {
                    return cx.skip("pagination is not announced");
                };
                let mut found: Vec<String> = ["cursor", "index"]
                    .iter()
                    .filter_map(|name| not_a(paging, name, Value::is_boolean))
                    .collect();
                for name in ["defaultPageSize", "maxPageSize", "cursorTimeout"] {
                    if at(paging, name).is_some_and(|n| n.as_u64().is_none_or(|n| n == 0)) {
                        found.extend(not_a(paging, name, |n| n.as_u64().is_some_and(|n| n > 0)));
                    }
                }
                if let Some(method) = at(paging, "defaultPaginationMethod")
                    && !matches!(method.as_str(), Some("cursor" | "index"))
                {
                    found.push(format!("defaultPaginationMethod is {method}"));
                }
                none(&found, "pagination is as in RFC 9865 section 4")
            })
        });

const CONFIG_EVENTS: Check = must(
    "discovery.config.security-events",
    Topic::Discovery,
    &["9967-4-02", "9967-4-03", "9967-4-01"],
)
.reason("securityEvents, where announced, has asyncRequest and a list of event URIs")
.mend("Set asyncRequest to none, long or request and list the eventUris.")
.needs(&[Need::Config])
.reads()
.body(|cx| {
    Box::pin(async move {
        let config = config(cx).await?;
        let Some(events) = at(&config, "securityEvents") else {
            return cx.skip("securityEvents is not announced");
        };
        let how = text(events, "asyncRequest").unwrap_or_default().to_ascii_lowercase();
        cx.expect(["none", "long", "request"].contains(&how.as_str()))
            .to_be(true, "asyncRequest is none, long or request")?;
        let uris = at(events, "eventUris").and_then(Value::as_array).cloned();
        cx.expect(uris.is_some_and(|uris| {
            uris.iter().all(|uri| uri.as_str().is_some_and(|uri| Url::parse(uri).is_ok()))
        }))
        .to_be(true, "eventUris is an array of URIs")
    })
});

const CONFIG_OPEN: Check =
    should("discovery.config.without-credentials", Topic::Discovery, &["7643-5-12"])
        .reason("the authentication schemes can be read before authenticating")
        .mend("Answer GET /ServiceProviderConfig without credentials too.")
        .needs(&[Need::Config, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer =
                    cx.request(Method::GET, "/ServiceProviderConfig").anonymous().send().await?;
                // A service may well want to know who reads its configuration.
                if answer.status() != 200 {
                    cx.warn(format!("without credentials the answer is {}", answer.summary()));
                }
                Ok(())
            })
        });

const CONFIG_READ_ONLY: Check =
    must("discovery.config.read-only", Topic::Discovery, &["7643-5-01"])
        .reason("the configuration cannot be written")
        .mend("Refuse writes to /ServiceProviderConfig with 405 (or 501, 403).")
        .needs(&[Need::Config])
        .body(|cx| Box::pin(async move { refuses_writes(cx, "/ServiceProviderConfig").await }));

const SCHEMAS_LIST: Check =
    must("discovery.schemas.list", Topic::Discovery, &["7644-4-03", "7643-1.2-02"])
        .reason("/Schemas answers all schemas as a list")
        .mend("Answer GET /Schemas with a ListResponse of Schema resources.")
        .reads()
        .body(|cx| Box::pin(async move { is_list(cx, "/Schemas").await }));

const SCHEMAS_SINGLE: Check = must(
    "discovery.schemas.single",
    Topic::Discovery,
    &["7644-4-04", "7644-3.4.1-03", "7643-7-03"],
)
.reason("/Schemas/{URI} answers that schema as a single object, with the URI as its id")
.mend("Answer GET /Schemas/{id} with the schema whose id is the URI.")
.needs(&[Need::Schemas])
.reads()
.body(|cx| {
    Box::pin(async move {
        for schema in schemas(cx).await? {
            let Some(id) = text(&schema, "id").filter(|id| id.contains(':')) else {
                return cx
                    .fail(format!("the id of a schema is its URI, but is {:?}", schema.get("id")));
            };
            let body = cx.read(&format!("/Schemas/{id}")).await?.value();
            cx.expect(text(&body, "id")).to_be(Some(id), "the id of the schema read by its URI")?;
            cx.expect(attributes_of(&body).len())
                .to_be(attributes_of(&schema).len(), "it has the attributes that the list shows")?;
        }
        Ok(())
    })
});

const SCHEMAS_READ_ONLY: Check =
    must("discovery.schemas.read-only", Topic::Discovery, &["7643-7-02"])
        .reason("schemas cannot be written")
        .mend("Refuse writes below /Schemas with 405 (or 501, 403).")
        .needs(&[Need::Schemas])
        .body(|cx| {
            Box::pin(async move {
                let schemas = schemas(cx).await?;
                let Some(id) = schemas.iter().find_map(|schema| text(schema, "id")) else {
                    return cx.skip("no schema has an id");
                };
                refuses_writes(cx, &format!("/Schemas/{id}")).await
            })
        });

const SCHEMAS_NO_MESSAGES: Check =
    must("discovery.schemas.no-messages", Topic::Discovery, &["7644-3.1-03"])
        .reason("the schemas of protocol messages are not among the served ones")
        .mend("Leave urn:ietf:params:scim:api:… out of /Schemas.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found: Vec<String> = schemas(cx)
                    .await?
                    .iter()
                    .filter_map(|schema| text(schema, "id"))
                    .filter(|id| id.to_ascii_lowercase().starts_with("urn:ietf:params:scim:api:"))
                    .map(str::to_owned)
                    .collect();
                none(&found, "no message schema at /Schemas")
            })
        });

const TYPES_LIST: Check =
    must("discovery.resource-types.list", Topic::Discovery, &["7644-4-05", "7643-6-01"])
        .reason("/ResourceTypes answers all resource types as a list")
        .mend("Answer GET /ResourceTypes with a ListResponse of ResourceType resources.")
        .reads()
        .body(|cx| {
            Box::pin(async move {
                is_list(cx, "/ResourceTypes").await?;
                for kind in resource_types(cx).await? {
                    cx.expect(has_schema(&kind, TYPE_URI))
                        .to_be(true, "each has the URI of the ResourceType schema in schemas")?;
                }
                Ok(())
            })
        });

const TYPES_SINGLE: Check =
    must("discovery.resource-types.single", Topic::Discovery, &["7644-4-04", "7644-3.4.1-03"])
        .reason("/ResourceTypes/{id} answers that resource type as a single object")
        .mend("Answer GET /ResourceTypes/{id} with that resource type, not with a list.")
        .needs(&[Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for kind in resource_types(cx).await? {
                    // The id is optional (RFC 7643 section 6) and then the name is what there is.
                    let Some(id) = text(&kind, "id").or_else(|| text(&kind, "name")) else {
                        continue;
                    };
                    let body = cx.read(&format!("/ResourceTypes/{id}")).await?.value();
                    cx.expect(text(&body, "name")).to_be(
                        text(&kind, "name"),
                        "the name of the resource type read by its id",
                    )?;
                }
                Ok(())
            })
        });

const TYPES_MEMBERS: Check = must(
    "discovery.resource-types.members",
    Topic::Discovery,
    &["7643-6-03", "7643-6-05"],
)
.reason("every resource type has a name and an endpoint relative to the base URL, each of its own")
.mend("Give each type a unique name and an endpoint like /Users.")
.needs(&[Need::ResourceTypes])
.reads()
.body(|cx| {
    Box::pin(async move {
        let mut found = Vec::new();
        let (mut names, mut endpoints) = (BTreeSet::new(), BTreeSet::new());
        for kind in resource_types(cx).await? {
            let name = text(&kind, "name").unwrap_or_default().to_owned();
            let endpoint = text(&kind, "endpoint").unwrap_or_default().to_owned();
            if name.is_empty() {
                found.push(format!("a type has no name: {kind}"));
            } else if !names.insert(name.clone()) {
                found.push(format!("two types have the name {name}"));
            }
            if endpoint.is_empty() {
                found.push(format!("{name} has no endpoint"));
            } else if Url::parse(&endpoint).is_ok() {
                found.push(format!("the endpoint {endpoint} is not relative"));
            } else if !endpoints.insert(endpoint.trim_start_matches('/').to_owned()) {
                found.push(format!("two types have the endpoint {endpoint}"));
            }
        }
        none(&found, "each resource type has its own name and relative endpoint")
    })
});

const TYPES_EXTENSIONS: Check = must(
    "discovery.resource-types.extensions",
    Topic::Discovery,
    &["7643-6-09", "7643-6-07", "7643-6-02", "7643-6-04"],
)
.reason("schemaExtensions is an array whose entries have schema and the boolean required")
.mend("Give every entry of schemaExtensions its schema URI and required; id and description are strings.")
.needs(&[Need::ResourceTypes])
.reads()
.body(|cx| {
    Box::pin(async move {
        let mut found = Vec::new();
        for kind in resource_types(cx).await? {
            let name = text(&kind, "name").unwrap_or_default();
            for member in ["id", "description"] {
                if at(&kind, member).is_some_and(|value| !value.is_string()) {
                    found.push(format!("{member} of {name} is no string"));
                }
            }
            let Some(extensions) = at(&kind, "schemaExtensions") else { continue };
            let Some(extensions) = extensions.as_array() else {
                found.push(format!("schemaExtensions of {name} is no array"));
                continue;
            };
            for one in extensions {
                found.extend(not_a(one, "schema", Value::is_string).map(|f| format!("{name}: {f}")));
                found.extend(not_a(one, "required", Value::is_boolean).map(|f| format!("{name}: {f}")));
            }
        }
        none(&found, "schemaExtensions is as in RFC 7643 section 6")
    })
});

const TYPES_SCHEMAS: Check = must(
    "discovery.resource-types.schemas-served",
    Topic::Discovery,
    &["7643-6-06", "7643-6-08", "7643-7-01", "7643-3.2-01"],
)
.reason("the schema and the extensions of every resource type are served at /Schemas")
.mend("Serve a Schema resource for every URI that a resource type names.")
.needs(&[Need::ResourceTypes, Need::Schemas])
.reads()
.body(|cx| {
    Box::pin(async move {
        let schemas = schemas(cx).await?;
        let served: BTreeSet<String> = schemas
            .iter()
            .filter_map(|schema| text(schema, "id"))
            .map(str::to_ascii_lowercase)
            .collect();
        let mut found = Vec::new();
        for kind in resource_types(cx).await? {
            let name = text(&kind, "name").unwrap_or_default();
            let extensions = list_of(&kind, "schemaExtensions");
            let uris = extensions.iter().map(|one| text(one, "schema"));
            for uri in uris.chain([text(&kind, "schema")]) {
                match uri {
                    None => found.push(format!("{name} names no schema")),
                    Some(uri) if !served.contains(&uri.to_ascii_lowercase()) => {
                        found.push(format!("{uri} of {name} is not served"));
                    }
                    Some(_) => {}
                }
            }
        }
        none(&found, "every schema that a resource type names is served")
    })
});

const TYPES_ENDPOINTS: Check =
    must("discovery.resource-types.endpoints-answer", Topic::Discovery, &["7643-6-05"])
        .reason("every announced endpoint is there")
        .mend("Announce only endpoints that answer, relative to the base URL.")
        .needs(&[Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for kind in resource_types(cx).await? {
                    let Some(endpoint) = text(&kind, "endpoint") else { continue };
                    let answer = cx.get(&format!("{endpoint}?count=1")).await?;
                    // A type may well not be listable; then the answer says so.
                    let there =
                        answer.status() != 404 && answer.status() < 500 || answer.status() == 501;
                    cx.expect(there)
                        .to_be(true, &format!("{endpoint} answers, but not with 404"))?;
                }
                Ok(())
            })
        });

const TYPES_CORE: Check =
    must("discovery.resource-types.core", Topic::Discovery, &["7643-4.1-01", "7643-4.2-02"])
        .reason("users and groups have the schemas of RFC 7643")
        .mend("Set schema of the type at /Users and /Groups to the core URI.")
        .needs(&[Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let mut seen = false;
                for kind in resource_types(cx).await? {
                    let wanted = match text(&kind, "endpoint").map(|e| e.trim_start_matches('/')) {
                        Some("Users") => "urn:ietf:params:scim:schemas:core:2.0:User",
                        Some("Groups") => "urn:ietf:params:scim:schemas:core:2.0:Group",
                        _ => continue,
                    };
                    seen = true;
                    let schema = text(&kind, "schema").unwrap_or_default();
                    cx.expect(schema.eq_ignore_ascii_case(wanted))
                        .to_be(true, &format!("the schema of the type is {wanted}"))?;
                }
                if seen { Ok(()) } else { cx.skip("neither /Users nor /Groups is announced") }
            })
        });

const TYPES_PLURAL: Check =
    may("discovery.resource-types.plural", Topic::Discovery, &["7644-3.2-01"])
        .reason("an endpoint is the plural of its type's name")
        .mend("Name the endpoint of a new type by its plural.")
        .needs(&[Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found: Vec<String> = resource_types(cx)
                    .await?
                    .iter()
                    .filter_map(|kind| Some((text(kind, "name")?, text(kind, "endpoint")?)))
                    .filter(|(name, endpoint)| {
                        endpoint.trim_start_matches('/').eq_ignore_ascii_case(name)
                            && !name.ends_with('s')
                    })
                    .map(|(name, endpoint)| format!("{name} is at {endpoint}"))
                    .collect();
                none(&found, "no endpoint is the singular")
            })
        });

const TYPES_READ_ONLY: Check =
    must("discovery.resource-types.read-only", Topic::Discovery, &["7643-6-01"])
        .reason("resource types cannot be written")
        .mend("Refuse writes below /ResourceTypes with 405 (or 501, 403).")
        .needs(&[Need::ResourceTypes])
        .body(|cx| {
            Box::pin(async move {
                let types = resource_types(cx).await?;
                let Some(id) = types.iter().find_map(|t| text(t, "id").or_else(|| text(t, "name")))
                else {
                    return cx.skip("no resource type has an id or a name");
                };
                refuses_writes(cx, &format!("/ResourceTypes/{id}")).await
            })
        });

const PAGING_IGNORED: Check =
    must("discovery.query.paging-ignored", Topic::Discovery, &["7644-4-06"])
        .reason("discovery ignores sorting and paging: everything comes at once")
        .mend(
            "Answer /Schemas and /ResourceTypes whole, whatever count, startIndex and sortBy say.",
        )
        .needs(&[Need::Schemas, Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for path in ["/Schemas", "/ResourceTypes"] {
                    let whole = names_at(cx, path).await?;
                    let asked =
                        format!("{path}?count=1&startIndex=2&sortBy=id&sortOrder=descending");
                    let answer = names_at(cx, &asked).await?;
                    cx.expect(answer)
                        .to_be(whole, &format!("{path} with paging parameters is whole"))?;
                }
                Ok(())
            })
        });

const FILTER_REFUSED: Check =
    should("discovery.query.filter-refused", Topic::Discovery, &["7644-4-07"])
        .reason("a filter on a discovery endpoint is refused with 403")
        .mend("Answer 403 to GET /Schemas?filter=… and its like.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for path in ["/Schemas", "/ResourceTypes"] {
                    let answer = cx.get(&format!("{path}?filter=id%20pr")).await?;
                    cx.expect_status(&answer, &[403])?;
                }
                Ok(())
            })
        });

async fn config(cx: &Cx) -> Result<Value, Stop> {
    let body = cx.read("/ServiceProviderConfig").await?.value();
    // Some servers put it into a list; that it is one is another check's matter.
    Ok(resources(&body).first().cloned().unwrap_or(body))
}

async fn is_list(cx: &Cx, path: &str) -> Verdict {
    let body = cx.read(path).await?.value();
    cx.expect(has_schema(&body, LIST_URI)).to_be(true, "schemas has the URI of a ListResponse")?;
    let count = resources(&body).len();
    cx.expect(count > 0).to_be(true, "Resources is an array and not empty")?;
    cx.expect(at(&body, "totalResults").and_then(Value::as_u64))
        .to_be(Some(count as u64), "totalResults is the number of Resources")
}

/// Ids of the resources at a discovery endpoint, sorted.
async fn names_at(cx: &Cx, path: &str) -> Result<BTreeSet<String>, Stop> {
    let body = cx.read(path).await?.value();
    let name = |one: &Value| text(one, "id").or_else(|| text(one, "name")).map(str::to_owned);
    Ok(resources(&body).iter().filter_map(name).collect())
}

/// Sends back what was read, so that nothing changes even where the write is let through.
async fn refuses_writes(cx: &Cx, path: &str) -> Verdict {
    let body = cx.read(path).await?.value();
    for method in [Method::PUT, Method::POST, Method::PATCH] {
        let answer = cx.request(method.clone(), path).json(&body).send().await?;
        let rule = format!("{method} {path} is refused with a client error or 501");
        cx.ensure_on(&answer, is_refusal(&answer), &rule)?;
    }
    Ok(())
}

/// Says what is wrong unless the member is there and of the kind.
fn not_a(value: &Value, path: &str, is: impl Fn(&Value) -> bool) -> Option<String> {
    match at(value, path) {
        None => Some(format!("{path} is missing")),
        Some(found) if !is(found) => Some(format!("{path} is {found}")),
        Some(_) => None,
    }
}
