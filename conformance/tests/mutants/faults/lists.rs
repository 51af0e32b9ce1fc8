//! How queries go wrong.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::error;
use crate::proxy::{Asked, Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let ignored = |name: &'static str| {
        asked(format!("lists.{name}-ignored"), move |asked| asked.without_parameter(name))
    };
    let filter = |id: &str, change: fn(&str) -> String| {
        asked(format!("filter.{id}"), move |asked| {
            if let Some(text) = asked.parameter("filter") {
                asked.with_parameter("filter", &change(&text));
            }
        })
    };
    let list = |id: &str, change: fn(&Asked, &mut Value)| {
        told(format!("lists.{id}"), move |asked, told| {
            if asked.lists() && told.status == StatusCode::OK {
                let asked = asked.clone();
                told.edit(|v| change(&asked, v));
            }
        })
    };
    fn remove(v: &mut Value, name: &str) {
        if let Some(members) = v.as_object_mut() {
            members.remove(name);
        }
    }
    vec![
        ignored("filter"),
        ignored("sortBy"),
        ignored("sortOrder"),
        ignored("count"),
        ignored("startIndex"),
        ignored("cursor"),
        ignored("attributes"),
        ignored("excludedAttributes"),
        list("total-off-by-one", |_, v| {
            v["totalResults"] = json!(v["totalResults"].as_u64().unwrap_or(0) + 1)
        }),
        list("total-of-page", |_, v| {
            v["totalResults"] = json!(v["Resources"].as_array().map_or(0, Vec::len))
        }),
        list("without-total", |_, v| remove(v, "totalResults")),
        list("without-schemas", |_, v| remove(v, "schemas")),
        list("without-start-index", |_, v| remove(v, "startIndex")),
        list("without-items-per-page", |_, v| remove(v, "itemsPerPage")),
        list("without-resources", |_, v| remove(v, "Resources")),
        list("items-per-page-is-count", |_, v| v["itemsPerPage"] = json!(100)),
        list("bare-array", |_, v| *v = v["Resources"].clone()),
        list("drops-last", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                list.pop();
            }
        }),
        list("first-twice", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                let first = list.first().cloned();
                list.extend(first);
            }
        }),
        list("reversed", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                list.reverse();
            }
        }),
        list("never-next-cursor", |_, v| remove(v, "nextCursor")),
        list("always-next-cursor", |_, v| {
            if v.get("nextCursor").is_none() {
                v["nextCursor"] = json!("again");
            }
        }),
        list("odd-cursor", |_, v| {
            if let Some(next) = v["nextCursor"].as_str().map(|c| format!("{c}+/=")) {
                v["nextCursor"] = json!(next);
            }
        }),
        list("previous-on-first", |asked, v| {
            if asked.parameter("cursor").is_some_and(|c| c.is_empty()) {
                v["previousCursor"] = json!("before");
            }
        }),
        list("count-is-total", |asked, v| {
            if asked.parameter("count").as_deref() == Some("0") {
                v["totalResults"] = json!(0);
            }
        }),
        asked("lists.zero-based", |asked| {
            if let Some(start) = asked.parameter("startIndex").and_then(|s| s.parse::<i64>().ok()) {
                asked.with_parameter("startIndex", &(start + 1).to_string());
            }
        }),
        told("lists.start-below-one-refused", |asked, told| {
            if asked.parameter("startIndex").is_some_and(|s| s.starts_with('-') || s == "0") {
                *told = error(400, Some("invalidValue"));
            }
        }),
        told("lists.count-below-one-refused", |asked, told| {
            if asked.parameter("count").is_some_and(|s| s.starts_with('-') || s == "0") {
                *told = error(400, Some("invalidValue"));
            }
        }),
        asked("lists.zero-is-default", |asked| {
            if asked.parameter("count").is_some_and(|s| s.starts_with('-') || s == "0") {
                asked.without_parameter("count");
            }
        }),
        asked("lists.bad-count-ignored", |asked| {
            if asked.parameter("count").is_some_and(|s| s.parse::<i64>().is_err()) {
                asked.without_parameter("count");
            }
        }),
        asked("lists.bad-cursor-restarts", |asked| {
            if asked.parameter("cursor").is_some_and(|s| s.len() < 20) {
                asked.with_parameter("cursor", "");
            }
        }),
        instead("lists.cursor-is-offset", |server, mut asked| async move {
            let Some(cursor) = asked.parameter("cursor") else {
                return server.ask(&asked).await;
            };
            let start =
                cursor.strip_prefix("offset").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1);
            asked.without_parameter("cursor");
            asked.with_parameter("startIndex", &start.to_string());
            let mut told = server.ask(&asked).await?;
            told.edit(|v| {
                let page = v["Resources"].as_array().map_or(0, Vec::len);
                if page > 0 && start + page <= v["totalResults"].as_u64().unwrap_or(0) as usize {
                    v["nextCursor"] = json!(format!("offset{}", start + page));
                }
            });
            Ok(told)
        }),
        told("search.creates", |asked, told| {
            if asked.is_search() && told.status == StatusCode::OK {
                told.status = StatusCode::CREATED;
            }
        }),
        asked("search.body-ignored", |asked| {
            if asked.is_search() {
                asked.edit(|v| {
                    *v = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]})
                });
            }
        }),
        asked("search.users-only", |asked| {
            if asked.is_search() && asked.path() == "/.search" {
                let path = asked.url.path().replace("/.search", "/Users/.search");
                asked.url.set_path(&path);
            }
        }),
        asked("search.schema-any", |asked| {
            if asked.is_search() {
                asked.edit(|v| {
                    v["schemas"] = json!(["urn:ietf:params:scim:api:messages:2.0:SearchRequest"])
                });
            }
        }),
        told("search.root-strict", |asked, told| {
            if asked.path() == "/.search" && asked.json().to_string().contains("userName") {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        filter("and-is-or", |f| f.replace(" and ", " or ")),
        filter("or-is-and", |f| f.replace(" or ", " and ")),
        filter("not-dropped", |f| f.replace("not (", "(").replace("nOt (", "(")),
        filter("no-precedence", |f| {
            f.replace("\"Contractor\" and active", "\"Contractor\") and (active").replace(
                "(userType eq \"Employee\" or userType eq",
                "((userType eq \"Employee\" or userType eq",
            )
        }),
        filter("eq-is-sw", |f| f.replace(" eq \"", " sw \"")),
        filter("eq-is-co", |f| f.replace(" eq \"Count", " co \"Count")),
        filter("ne-is-eq", |f| f.replace(" ne ", " eq ")),
        filter("co-is-sw", |f| f.replace(" co ", " sw ")),
        filter("sw-is-co", |f| f.replace("nickName sw ", "nickName co ")),
        filter("ew-is-co", |f| f.replace(" ew ", " co ")),
        filter("pr-is-true", |f| {
            f.replace("nickName pr", "id pr")
                .replace("title pr", "id pr")
                .replace("emails pr", "id pr")
        }),
        filter("pr-is-truth", |f| f.replace("active pr", "active eq true")),
        filter("gt-is-ge", |f| f.replace(" gt ", " ge ")),
        filter("lt-is-gt", |f| f.replace(" lt ", " gt ")),
        filter("offset-dropped", |f| {
            f.replace("+02:00", "Z").replace("-07:00", "Z").replace("+00:00", "Z")
        }),
        filter("element-any", |f| {
            f.replace(
                "emails[type eq \"work\" and value ew",
                "emails.type eq \"work\" and (emails.value ew",
            )
            .replace(".net\"]", ".net\")")
        }),
        filter("false-is-true", |f| f.replace("active eq false", "active eq true")),
        filter("escapes-kept", |f| f.replace("\\u", "\\\\u")),
        filter("ascii-only", |f| f.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()),
        filter("sub-attribute-missing", |f| {
            f.replace("name.familyName", "displayName").replace("name.givenName", "displayName")
        }),
        filter("multi-valued-first", |f| {
            f.replace("emails.value ew", "userName ew")
                .replace("emails.type eq \"home\"", "emails.type eq \"nothing\"")
        }),
        filter("case-exact-folded", |f| {
            f.replace("externalId eq", "nickName pr or displayName pr or externalId eq")
        }),
        told("filter.names-case-exact", |asked, told| {
            if asked
                .parameter("filter")
                .is_some_and(|f| f.contains("NICKNAME") || f.contains("nOt"))
            {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        told("filter.urn-refused", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains("urn:")) {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        told("filter.upper-case-finds-nothing", |asked, told| {
            let upper = |f: String| {
                f.split('"').skip(1).step_by(2).any(|t| {
                    t.len() > 3
                        && t.chars().any(char::is_uppercase)
                        && !t.chars().any(char::is_lowercase)
                })
            };
            if asked.parameter("filter").is_some_and(upper) && told.status == StatusCode::OK {
                told.edit(|v| {
                    v["totalResults"] = json!(0);
                    v["Resources"] = json!([]);
                });
            }
        }),
        told("filter.defaulted-finds-nothing", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains("and active eq"))
                && told.status == StatusCode::OK
            {
                told.edit(|v| {
                    v["totalResults"] = json!(0);
                    v["Resources"] = json!([]);
                });
            }
        }),
        told("filter.brackets-anything", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains('[')) && told.is_error() {
                *told = Told::of(
                    200,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}),
                );
            }
        }),
        told("filter.common-refused", |asked, told| {
            if asked
                .parameter("filter")
                .is_some_and(|f| f.starts_with("id ") || f.contains("meta."))
            {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        asked("projection.sub-attributes-whole", |asked| {
            for name in ["attributes", "excludedAttributes"] {
                if let Some(list) = asked.parameter(name).filter(|list| !list.contains("urn:")) {
                    let names: Vec<_> =
                        list.split(',').map(|n| n.split('.').next().unwrap_or(n)).collect();
                    asked.with_parameter(name, &names.join(","));
                }
            }
        }),
        asked("projection.first-only", |asked| {
            if let Some(list) = asked.parameter("attributes") {
                asked.with_parameter("attributes", list.split(',').next().unwrap_or_default());
            }
        }),
        asked("projection.case-exact", |asked| {
            if asked.parameter("attributes").is_some_and(|a| a == "NICKNAME") {
                asked.with_parameter("attributes", "none");
            }
        }),
        asked("projection.urn-unknown", |asked| {
            if asked.parameter("attributes").is_some_and(|a| a.contains("urn:")) {
                asked.with_parameter("attributes", "none");
            }
        }),
        told("projection.id-dropped", |asked, told| {
            if asked.parameter("attributes").is_some()
                || asked.parameter("excludedAttributes").is_some_and(|a| a.contains("id"))
            {
                told.each(|v| remove(v, "id"));
            }
        }),
        asked("projection.only-in-reads", |asked| {
            if matches!(asked.method, Method::POST | Method::PUT) && !asked.is_search() {
                asked.url.set_query(None);
            }
        }),
        asked("projection.not-in-lists", |asked| {
            if asked.lists() {
                asked.without_parameter("attributes");
                asked.without_parameter("excludedAttributes");
            }
        }),
    ]
}
