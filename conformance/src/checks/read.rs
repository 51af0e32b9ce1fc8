//! Reading one resource, and what every representation holds: id, schemas and meta.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use http::Method;
use serde_json::{Value, json};

use super::helpers_a::{
    comparable, has_schema, list_of, none, plain_attribute, refused, resolve, rich, same_url,
    swapped_case, text, text_at,
};
use crate::check::{Check, Need, Stop, Topic, may, must, should};
use crate::context::{Answer, Cx, Made};

pub(crate) const CHECKS: &[Check] = &[
    FOUND,
    UNKNOWN,
    STABLE,
    ID_CASE,
    DEFAULT_SET,
    LOCATION,
    RELATIVE,
    DATE_TIMES,
    NOT_YET_MODIFIED,
    MODIFIED,
    EACH_TYPE,
    SCHEMAS_OF_TYPE,
    SCHEMAS_ONCE,
    SINGLE_WORD_META,
    WITHOUT_META,
    ID_ALWAYS,
    ID_NOT_EXCLUDED,
    UNKNOWN_PARAMETER,
    HEAD,
];

const FOUND: Check = must("read.one.found", Topic::Read, &["7644-3.4.1-01", "7643-3.1-05"])
    .reason("a created resource is read with 200 and its representation")
    .mend("Answer GET on an existing resource with 200 and the resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.get(&user).await?;
            cx.expect_status(&read, &[200])?;
            cx.expect_on(&read, read.id())
                .to_be(Some(user.id()), "it is the resource asked for")?;
            let name = read.text("userName").map(str::to_lowercase);
            cx.expect_on(&read, name)
                .to_be(Some(user.name().to_lowercase()), "it has the userName it was made with")
        })
    });

const UNKNOWN: Check = must("read.one.unknown", Topic::Read, &["7644-3.4.1-02"])
    .reason("an unknown id gives 404 with an Error body")
    .mend("Answer 404 with a SCIM error to GET on an id that does not exist.")
    .needs(&[Need::Users])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let path = format!("{}/{}", cx.served().users(), cx.unique("unknown"));
            let answer = cx.get(&path).await?;
            cx.expect_scim_error(&answer, &[404], None)
        })
    });

const STABLE: Check = must("read.id.stable", Topic::Read, &["7643-3.1-07"])
    .reason("a resource keeps its id, through reads and changes")
    .mend("Never change the id of a resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            for _ in 0..2 {
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.id()).to_be(Some(user.id()), "the id stays")?;
                let body = user.sent_but(&[]);
                cx.put(&user, &body).await?;
            }
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.id()).to_be(Some(user.id()), "the id stays")
        })
    });

const ID_CASE: Check = must("read.id.case-exact", Topic::Read, &["7643-3.1-11"])
    .reason("ids are case exact: another spelling names another resource, or none")
    .mend("Compare ids byte by byte.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let other = swapped_case(user.id());
            if other == user.id() {
                return cx.skip("ids of this server have no letters");
            }
            let answer = cx.get(&format!("{}/{other}", user.endpoint())).await?;
            cx.expect_status(&answer, &[404])
        })
    });

const DEFAULT_SET: Check = must(
    "returned.default.shown",
    Topic::Returned,
    &["7644-3.4-02", "7644-3.9-01", "7643-7-20", "7643-2.2-05"],
)
.reason("without parameters a read shows what was assigned and is returned by default or always")
.mend("Return every assigned attribute whose returned is always or default.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = rich(cx).create().await?;
        let read = cx.read(&user).await?;
        let kind = cx.served().type_of("User");
        let mut found = Vec::new();
        for name in user.sent().as_object().into_iter().flat_map(serde_json::Map::keys) {
            let shown = kind.and_then(|kind| cx.served().attribute(kind, name)).is_some_and(|a| {
                ["default", "always"].iter().any(|one| a.returned.eq_ignore_ascii_case(one))
                    && !a.mutability.eq_ignore_ascii_case("writeOnly")
            });
            if shown && read.get(name).is_none() {
                found.push(format!("{name} was sent and is not shown"));
            }
        }
        none(&found, "a read shows every assigned attribute of the default set")
    })
});

const LOCATION: Check = must("read.meta.location", Topic::Read, &["7643-3.1-26"])
    .reason("meta.location is the resource's URL, and Content-Location agrees where it is sent")
    .mend("Put the URL under which the resource is read into meta.location.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.read(&user).await?;
            let Some(location) = read.text("meta.location") else {
                return cx.fail_on(&read, "the resource has no meta.location");
            };
            if let Some(header) = read.header("content-location") {
                cx.expect_on(&read, header).to_hold(
                    |header| same_url(cx, header, location),
                    location,
                    "Content-Location is meta.location",
                )?;
            }
            let again = cx.read(&resolve(cx, location)).await?;
            cx.expect_on(&again, again.id()).to_be(Some(user.id()), "it leads to the resource")
        })
    });

const RELATIVE: Check = must("read.meta.location-resolves", Topic::Read, &["7643-2.3.7-02"])
    .reason("a relative location stands below the base URL, before the endpoint")
    .mend("Make locations absolute, or relative to the base URL.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.read(&user).await?;
            let location = read.text("meta.location").unwrap_or_default();
            if location.contains("://") {
                let path = resolve(cx, location);
                let rule = "an absolute location is that of the endpoint";
                return cx.expect_on(&read, path.as_str()).to_hold(
                    |url| url.contains(user.endpoint().trim_start_matches('/')),
                    user.endpoint(),
                    rule,
                );
            }
            let again = cx.read(&resolve(cx, location)).await?;
            cx.expect_on(&again, again.id()).to_be(Some(user.id()), "it leads to the resource")
        })
    });

const DATE_TIMES: Check = must(
    "attributes.date-time.meta",
    Topic::Attributes,
    &["7643-2.3.5-01", "7643-2.3.5-03", "7643-3.1-23"],
)
.reason("created and lastModified are xsd:dateTime values in JSON strings")
.mend("Write times as 2026-01-31T12:00:00Z.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let read = cx.read(&user).await?;
        for path in ["meta.created", "meta.lastModified"] {
            let value = read.get(path);
            cx.expect_on(&read, value).to_hold(
                |value| value.and_then(Value::as_str).is_some_and(is_date_time),
                "a string like 2026-01-31T12:00:00Z",
                &format!("{path} is a DateTime"),
            )?;
        }
        Ok(())
    })
});

const NOT_YET_MODIFIED: Check = must("read.meta.not-yet-modified", Topic::Read, &["7643-3.1-24"])
    .reason("lastModified equals created until the first change")
    .mend("Set both to the time of the creation.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.read(&user).await?;
            let (created, modified) = times(cx, &read)?;
            cx.expect_on(&read, modified.to_rfc3339())
                .to_be(created.to_rfc3339(), "lastModified is created before the first change")
        })
    });

const MODIFIED: Check = must("read.meta.modified", Topic::Read, &["7643-3.1-25"])
    .reason("lastModified moves with a change, created does not")
    .mend("Set lastModified on every change and leave created alone.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let (created, _) = times(cx, &cx.read(&user).await?)?;
            // A server may keep whole seconds, so the change is repeated until the clock must have moved.
            let mut read = change(cx, &user, attribute, 0).await?;
            for round in 1..=6 {
                if times(cx, &read)?.1 > created {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(400)).await;
                read = change(cx, &user, attribute, round).await?;
            }
            let (created_now, modified) = times(cx, &read)?;
            cx.expect_on(&read, created_now.to_rfc3339())
                .to_be(created.to_rfc3339(), "created stays")?;
            let got = modified.to_rfc3339();
            cx.expect_on(&read, got).to_hold(
                |_| modified > created,
                &format!("later than {}", created.to_rfc3339()),
                "lastModified moves with a change",
            )
        })
    });

const EACH_TYPE: Check = must(
    "read.each-type.common",
    Topic::Read,
    &["7643-3.1-01", "7643-3.1-05", "7643-2.1-02", "7643-3-02", "7643-3-01", "7643-3.1-22"],
)
.reason("resources of every type have id, schemas and meta, with the name of their type")
.mend("Give every resource an id, schemas and meta, whatever its type.")
.needs(&[Need::ResourceTypes])
.reads()
.body(|cx| {
    Box::pin(async move {
        let mut seen = 0;
        let mut found = Vec::new();
        for kind in cx.served().types() {
            let answer = cx.list(&kind.endpoint, &[("count", "20")]).await?;
            if answer.status() != 200 {
                cx.note(format!("{} cannot be listed: {}", kind.endpoint, answer.summary()));
                continue;
            }
            for one in answer.resources() {
                seen += 1;
                let name = || format!("{}/{}", kind.endpoint, text(one, "id").unwrap_or("?"));
                if text(one, "id").is_none_or(str::is_empty) {
                    found.push(format!("{} has no id", name()));
                }
                if list_of(one, "schemas").is_empty() {
                    found.push(format!("{} has no schemas", name()));
                }
                match text_at(one, "meta.resourceType") {
                    Some(word) if word == kind.name => {}
                    other => found.push(format!("{} has meta.resourceType {other:?}", name())),
                }
            }
        }
        if seen == 0 {
            return cx.skip("the target has no resources that can be listed");
        }
        none(&found, "every resource has id, schemas and the name of its type")
    })
});

const SCHEMAS_OF_TYPE: Check = must(
    "schema.resource.of-type",
    Topic::Schema,
    &["7643-3-03", "7643-3.3-01", "7643-7-01", "7643-3-04"],
)
.reason("schemas holds the base schema, declared extensions and nothing else, each once")
.mend("Derive schemas from the resource type and from the extensions that have data.")
.needs(&[Need::ResourceTypes])
.reads()
.body(|cx| {
    Box::pin(async move {
        let mut seen = 0;
        let mut found = Vec::new();
        for kind in cx.served().types() {
            let answer = cx.list(&kind.endpoint, &[("count", "20")]).await?;
            for one in answer.resources() {
                seen += 1;
                if !has_schema(one, &kind.schema) {
                    found.push(format!("{} without {}: {one}", kind.endpoint, kind.schema));
                }
                let mut before: Vec<String> = Vec::new();
                for uri in list_of(one, "schemas") {
                    let uri = uri.as_str().unwrap_or_default().to_ascii_lowercase();
                    let declared = uri.eq_ignore_ascii_case(&kind.schema)
                        || cx.served().has_extension(kind, &uri);
                    if !declared {
                        found.push(format!("{uri} is no schema of {}", kind.name));
                    }
                    if before.contains(&uri) {
                        found.push(format!("{uri} stands twice in {}", kind.endpoint));
                    }
                    before.push(uri);
                }
            }
        }
        if seen == 0 {
            return cx.skip("the target has no resources that can be listed");
        }
        none(&found, "schemas are those of the resource type, each once")
    })
});

const SCHEMAS_ONCE: Check =
    must("schema.resource.once", Topic::Schema, &["7643-3-04", "7643-2.1-02", "7643-3-02"])
        .reason("a representation names its schemas, each once, even where the client repeated one")
        .mend("Make the values of schemas distinct.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let body = cx.user().body()?;
                let mut schemas = list_of(&body, "schemas").to_vec();
                schemas.extend(schemas.clone());
                let answer = cx.user().raw("schemas", schemas).post().await?;
                if answer.status() == 400 {
                    return refused(cx, &answer, &[400], &["invalidValue", "invalidSyntax"]);
                }
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&super::helpers_a::made_path(cx, &answer)?).await?;
                let shown = read.list("schemas");
                let mut once: Vec<&Value> = Vec::new();
                for uri in shown {
                    if !once.contains(&uri) {
                        once.push(uri);
                    }
                }
                cx.expect_on(&read, shown.len()).to_hold(
                    |count| *count == once.len() && *count > 0,
                    &format!("{} distinct URIs", once.len()),
                    "schemas is not empty and has no duplicates",
                )
            })
        });

const SINGLE_WORD_META: Check =
    should("returned.meta.not-asked-for", Topic::Returned, &["7643-3.1-21"])
        .reason("meta is returned by default, so that attributes=userName leaves it out")
        .mend("Treat meta as an attribute with returned default.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let read = cx.read(&user).await?;
                cx.ensure_on(&read, read.get("meta").is_some(), "a read shows meta")?;
                let query = format!("{}?attributes=userName", user.path());
                let read = cx.read(&query).await?;
                cx.expect_on(&read, read.get("meta"))
                    .to_be(None, "meta is not shown when only userName is asked for")
            })
        });

const WITHOUT_META: Check = should("returned.meta.excluded", Topic::Returned, &["7643-3.1-21"])
    .reason("excludedAttributes=meta leaves meta out")
    .mend("Treat meta as an attribute with returned default.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.read(&format!("{}?excludedAttributes=meta", user.path())).await?;
            cx.expect_on(&read, read.get("meta")).to_be(None, "meta is left out")?;
            cx.ensure_on(&read, read.get("userName").is_some(), "the rest is still there")
        })
    });

const ID_ALWAYS: Check =
    must("returned.id.always", Topic::Returned, &["7643-3.1-13", "7643-7-17", "7644-3.9-04"])
        .reason("id is returned always, whatever attributes names")
        .mend("Add attributes with returned always to every representation.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let read = cx.read(&format!("{}?attributes=userName", user.path())).await?;
                cx.expect_on(&read, read.id()).to_be(Some(user.id()), "the id is there")?;
                cx.ensure_on(&read, read.get("userName").is_some(), "what was asked for is there")
            })
        });

const ID_NOT_EXCLUDED: Check =
    must("returned.id.not-excluded", Topic::Returned, &["7643-3.1-13", "7644-3.4.2.5-02"])
        .reason("excludedAttributes=id has no effect")
        .mend("Ignore attributes with returned always in excludedAttributes.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let read = cx.read(&format!("{}?excludedAttributes=id", user.path())).await?;
                cx.expect_on(&read, read.id()).to_be(Some(user.id()), "the id is there")
            })
        });

const UNKNOWN_PARAMETER: Check =
    should("read.query.unknown-parameter", Topic::Read, &["7644-3.4.2-03"])
        .reason("query parameters that nobody knows are ignored")
        .mend("Ignore unknown query parameters instead of refusing the request.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let plain = cx.read(&user).await?;
                let asked = cx.get(&format!("{}?scimconfUnknown=1", user.path())).await?;
                cx.expect_status(&asked, &[200])?;
                cx.expect_on(&asked, comparable(&asked.value()))
                    .to_be(comparable(&plain.value()), "the answer is the same")?;
                let list = cx.list(cx.served().users(), &[("scimconfUnknown", "1")]).await?;
                // A large directory may refuse to be listed without a filter.
                let too_many = list.status() == 400 && list.scim_type() == Some("tooMany");
                if too_many { Ok(()) } else { cx.expect_status(&list, &[200]) }
            })
        });

const HEAD: Check = may("read.one.head", Topic::Read, &["7644-3.2-04"])
    .reason("HEAD answers as GET does, without a body")
    .mend("Answer HEAD with the status and headers of GET (RFC 9110 section 9.3.2).")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let get = cx.read(&user).await?;
            let head = cx.request(Method::HEAD, &user).send().await?;
            if matches!(head.status(), 405 | 501) {
                return cx.skip("HEAD is not supported");
            }
            cx.expect_status(&head, &[200])?;
            cx.expect_on(&head, head.bytes().len()).to_be(0, "the answer to HEAD has no body")?;
            for name in ["content-type", "etag"] {
                cx.expect_on(&head, head.header(name))
                    .to_be(get.header(name), &format!("{name} is that of GET"))?;
            }
            let unknown = format!("{}/{}", user.endpoint(), cx.unique("unknown"));
            let head = cx.request(Method::HEAD, &unknown).send().await?;
            cx.expect_status(&head, &[404])
        })
    });

async fn change(cx: &Cx, user: &Made, attribute: &str, round: u32) -> Result<Answer, Stop> {
    let value = json!(format!("after-{round}"));
    let body = match attribute.split_once('.') {
        Some((name, sub)) => user.sent_but(&[(name, json!({sub: value}))]),
        None => user.sent_but(&[(attribute, value)]),
    };
    let put = cx.put(user, &body).await?;
    if !put.is_success() {
        return Err(Stop::Broken(format!("setup: PUT was answered {}", put.summary())));
    }
    cx.read(user).await
}

/// `meta.created` and `meta.lastModified`.
fn times(cx: &Cx, read: &Answer) -> Result<(DateTime<FixedOffset>, DateTime<FixedOffset>), Stop> {
    let time = |path: &str| {
        let text = read.text(path).unwrap_or_default();
        instant(text).ok_or_else(|| {
            let rule = format!("{path} is a DateTime");
            match cx.fail_on(read, rule) {
                Err(stop) => stop,
                Ok(()) => Stop::Broken("unreadable time".to_owned()),
            }
        })
    };
    Ok((time("meta.created")?, time("meta.lastModified")?))
}

/// The instant of an xsd:dateTime; one without an offset is read as UTC.
fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z")))
        .ok()
        .filter(|_| is_date_time(text))
}

/// Whether a text is a valid xsd:dateTime: capital T and Z, seconds, an optional offset.
fn is_date_time(text: &str) -> bool {
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z")));
    parsed.is_ok() && text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_are_those_of_xml_schema() {
        for good in [
            "2011-05-13T04:42:34Z",
            "2011-05-13T04:42:34.123456Z",
            "2011-05-13T04:42:34+02:00",
            "2011-05-13T04:42:34",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in ["2011-05-13", "2011-05-13 04:42:34Z", "2011-05-13T04:42:34z", "yesterday", "1"]
        {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
