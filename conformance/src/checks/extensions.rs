//! Schema extensions of users, whichever the target announces (RFC 7643 section 3.3).

use serde_json::{Value, json};

use super::helpers_a::{has_schema, is_refusal, list_of, made_path, text_at, without};
use crate::check::{Check, Need, Stop, Topic, must, should};
use crate::context::{Answer, Cx};

pub(crate) const CHECKS: &[Check] =
    &[CONTAINER, TOP_LEVEL, UNLISTED, ORDER, URI_CASE, EMPTIED, REQUIRED, COMMON];

const CONTAINER: Check = must(
    "schema.extension.container",
    Topic::Schema,
    &["7643-3.3-04", "7643-3.3-02", "7643-3-03"],
)
.reason("extension attributes stand in an object under the extension's URI, which schemas names")
.mend("Return extension data under its URI and list the URI in schemas.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let (uri, name) = extension(cx)?;
        let value = cx.unique("e");
        let user = cx.user().with(&format!("{uri}:{name}"), value.as_str()).create().await?;
        let read = cx.read(&user).await?;
        shows(cx, &read, &uri, &name, &value)
    })
});

const TOP_LEVEL: Check = must("schema.extension.not-at-the-top", Topic::Schema, &["7643-3.3-04"])
    .reason("an extension attribute beside the base attributes is not taken for the extension's")
    .mend("Read extension attributes from the object under the extension's URI only.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let (uri, name) = extension(cx)?;
            let answer = cx.user().raw(&name, cx.unique("e")).post().await?;
            if is_refusal(&answer) {
                return cx.expect_status(&answer, &[400]);
            }
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            let path = format!("{uri}:{name}");
            cx.expect_on(&read, read.get(&path)).to_be(None, &format!("{path} is unassigned"))
        })
    });

const UNLISTED: Check =
    should("schema.extension.unlisted", Topic::Schema, &["7643-3.3-02", "7643-3.3-04"])
        .reason("extension data is taken even where schemas forgot its URI, and then it is listed")
        .mend("Derive schemas from the data of the resource.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (uri, name) = extension(cx)?;
                let value = cx.unique("e");
                let user = cx.user().raw(&uri, json!({&name: value}));
                let answer = user.post().await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                shows(cx, &read, &uri, &name, &value)
            })
        });

const ORDER: Check = must("schema.extension.order", Topic::Schema, &["7643-3-05"])
    .reason("the order of schemas means nothing: an extension may come first")
    .mend("Look for the base schema anywhere in schemas.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let (uri, name) = extension(cx)?;
            let value = cx.unique("e");
            let user = cx.user().with(&format!("{uri}:{name}"), value.as_str());
            let mut schemas = list_of(&user.body()?, "schemas").to_vec();
            schemas.reverse();
            let answer = user.raw("schemas", schemas).post().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            let base = cx.served().type_of("User").map(|kind| kind.schema.as_str());
            let named = base.is_some_and(|base| has_schema(&read.value(), base));
            cx.ensure_on(&read, named, "schemas has the base schema")?;
            shows(cx, &read, &uri, &name, &value)
        })
    });

const URI_CASE: Check = should("schema.extension.uri-case", Topic::Schema, &["7643-3.3-06"])
    .reason("schema URIs are compared without regard to case")
    .mend("Compare schema URIs case-insensitively, in schemas and as member names.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let (uri, name) = extension(cx)?;
            let value = cx.unique("e");
            let body = cx.user().with(&format!("{uri}:{name}"), value.as_str()).body()?;
            let mut other = without(&body, &[&uri]);
            let spelled: Vec<Value> = list_of(&body, "schemas")
                .iter()
                .map(|one| json!(one.as_str().unwrap_or_default().to_ascii_uppercase()))
                .collect();
            other["schemas"] = Value::Array(spelled);
            other[uri.to_ascii_uppercase()] = json!({&name: value});
            let answer = cx.post(cx.served().users(), &other).await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            shows(cx, &read, &uri, &name, &value)
        })
    });

const EMPTIED: Check =
    should("schema.extension.emptied", Topic::Schema, &["7643-3.3-02", "7643-2.5-02"])
        .reason("an extension without data is not in schemas")
        .mend("Leave the URI of an extension out of schemas once its last attribute is gone.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (uri, name) = extension(cx)?;
                let value = cx.unique("e");
                let user =
                    cx.user().with(&format!("{uri}:{name}"), value.as_str()).create().await?;
                let put = cx.put(&user, &user.sent_but(&[(&uri, json!({&name: null}))])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
                let read = cx.read(&user).await?;
                let path = format!("{uri}:{name}");
                cx.expect_on(&read, read.get(&path))
                    .to_be(None, &format!("{path} is unassigned"))?;
                // Other attributes of the extension may have defaults.
                let data =
                    read.get(&uri).and_then(Value::as_object).is_some_and(|all| !all.is_empty());
                cx.expect_on(&read, has_schema(&read.value(), &uri))
                    .to_be(data, "schemas names the extension as long as it has data")
            })
        });

const REQUIRED: Check = must("schema.extension.required", Topic::Schema, &["7643-6-10"])
    .reason("where an extension is announced as required, users without it are refused")
    .mend("Refuse users without the extension, or announce required false.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let kind = cx.served().type_of("User");
            let required = kind.and_then(|kind| kind.extensions.iter().find(|(_, must)| *must));
            let Some((uri, _)) = required else {
                return cx.skip("no extension of users is announced as required");
            };
            let body = cx.user().body()?;
            let schemas: Vec<Value> = list_of(&body, "schemas")
                .iter()
                .filter(|one| !one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(uri)))
                .cloned()
                .collect();
            let answer = cx.user().without(uri).raw("schemas", schemas).post().await?;
            cx.expect_status(&answer, &[400])
        })
    });

const COMMON: Check = should(
    "schema.common.characteristics",
    Topic::Schema,
    &["7643-3.1-04", "7643-3.1-03"],
)
.reason("a schema that lists id, externalId or meta gives them the characteristics of the RFC")
.mend("Announce id as readOnly and returned always, meta as readOnly, externalId as case exact.")
.needs(&[Need::Schemas, Need::ResourceTypes])
.reads()
.body(|cx| {
    Box::pin(async move {
        let mut seen = false;
        let mut found = Vec::new();
        for kind in cx.served().types() {
            let Some(schema) = cx.served().schema(&kind.schema) else { continue };
            for (name, mutability, returned) in [
                ("id", "readOnly", Some("always")),
                ("meta", "readOnly", None),
                ("externalId", "readWrite", None),
            ] {
                let Some(a) = schema.attribute(name) else { continue };
                seen = true;
                if !a.mutability.eq_ignore_ascii_case(mutability) {
                    found.push(format!("{}: {name} is {}", kind.name, a.mutability));
                }
                if returned.is_some_and(|word| !a.returned.eq_ignore_ascii_case(word)) {
                    found.push(format!("{}: {name} is returned {}", kind.name, a.returned));
                }
            }
        }
        if !seen {
            return cx.skip("no schema lists a common attribute");
        }
        super::helpers_a::none(&found, "common attributes are as in RFC 7643 section 3.1")
    })
});

/// A plain attribute of an extension of users: the extension's URI and the attribute's name. Those whose name the base
/// schema has too are passed over.
fn extension(cx: &Cx) -> Result<(String, String), Stop> {
    let served = cx.served();
    let kind = served.type_of("User");
    let base = kind.and_then(|kind| served.schema(&kind.schema));
    for (uri, _) in kind.into_iter().flat_map(|kind| &kind.extensions) {
        let attributes = served.schema(uri).into_iter().flat_map(|schema| &schema.attributes);
        let plain = attributes.into_iter().find(|a| {
            a.kind.eq_ignore_ascii_case("string")
                && !a.multi_valued
                && a.mutability.eq_ignore_ascii_case("readWrite")
                && a.returned.eq_ignore_ascii_case("default")
                && a.canonical_values.is_empty()
                && base.is_none_or(|base| base.attribute(&a.name).is_none())
        });
        if let Some(found) = plain {
            return Ok((uri.clone(), found.name.clone()));
        }
    }
    Err(Stop::Skipped("users have no extension with a plain string attribute".to_owned()))
}

/// The extension has this value, and `schemas` names it.
fn shows(cx: &Cx, read: &Answer, uri: &str, name: &str, value: &str) -> crate::check::Verdict {
    let body = read.value();
    let inside = crate::json::member(&body, uri).and_then(|inner| text_at(inner, name));
    cx.expect_on(read, inside).to_be(Some(value), &format!("{name} stands under {uri}"))?;
    cx.ensure_on(read, has_schema(&body, uri), "schemas names the extension")
}
