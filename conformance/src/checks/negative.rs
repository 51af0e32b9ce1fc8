//! Input that no proper client sends: it has to be refused in good order and leave nothing behind.

use http::Method;
use serde_json::{Value, json};

use super::helpers_a::{is_refusal, made_path, plain_attribute};
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx, Fixture};

pub(crate) const CHECKS: &[Check] = &[
    USER_NAME_TYPE,
    NAME_TYPE,
    EMAILS_TYPE,
    UNKNOWN_ATTRIBUTE,
    SCHEMAS_MISSING,
    SCHEMAS_FOREIGN,
    SCHEMAS_WITHOUT_BASE,
    DUPLICATE_MEMBER,
    DEEP,
    LONG,
    NUL,
    SURROGATE,
    NOT_UTF_8,
    ODD_PATHS,
];

const USER_NAME_TYPE: Check = must("errors.type.user-name", Topic::Errors, &["7644-3.12-18"])
    .reason("a userName that is no string is refused")
    .mend("Check the type of every value before storing it.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for wrong in [json!({"a": "b"}), json!(["a"]), json!(true)] {
                let answer = cx.user().raw("userName", wrong).post().await?;
                kept_out(cx, &answer, "userName", Value::is_string).await?;
            }
            Ok(())
        })
    });

const NAME_TYPE: Check =
    must("errors.type.complex", Topic::Errors, &["7644-3.12-18", "7644-3.1-05"])
        .reason("a complex attribute that is no object is refused, or at least not shown so")
        .mend("Answer 400 invalidValue to a string in place of an object.")
        .needs(&[Need::Users, Need::Attribute("name")])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.user().raw("name", "Ada Lovelace").post().await?;
                kept_out(cx, &answer, "name", Value::is_object).await
            })
        });

const EMAILS_TYPE: Check = must(
    "errors.type.multi-valued",
    Topic::Errors,
    &["7644-3.12-18", "7643-2.4-01"],
)
.reason("a multi-valued complex attribute with strings in it is refused, or at least not shown so")
.mend("Answer 400 invalidValue to strings in place of objects.")
.needs(&[Need::Users, Need::Attribute("emails")])
.body(|cx| {
    Box::pin(async move {
        let mail = cx.unique_mail("plain");
        let answer = cx.user().raw("emails", json!([mail])).post().await?;
        kept_out(cx, &answer, "emails", |emails| {
            emails.as_array().is_some_and(|all| all.iter().all(Value::is_object))
        })
        .await
    })
});

const UNKNOWN_ATTRIBUTE: Check =
    may("errors.attribute.unknown", Topic::Errors, &["7643-3-03", "7644-3.12-15"])
        .reason("an attribute that no schema has is refused or dropped, but never shown")
        .mend("Drop unknown attributes, or answer 400 invalidSyntax.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.user().raw("scimconfNoSuchAttribute", "x").post().await?;
                if is_refusal(&answer) {
                    cx.note(format!("unknown attributes are refused: {}", answer.summary()));
                    return cx.expect_status(&answer, &[400]);
                }
                cx.note("unknown attributes are accepted and dropped");
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, read.get("scimconfNoSuchAttribute"))
                    .to_be(None, "the unknown attribute is not shown")
            })
        });

const SCHEMAS_MISSING: Check =
    should("schema.request.missing", Topic::Schema, &["7643-3-02", "7643-2.1-02"])
        .reason("a resource without schemas is refused")
        .mend("Answer 400 invalidValue to a body without schemas.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                for user in [cx.user().without("schemas"), cx.user().raw("schemas", json!([]))] {
                    let answer = user.post().await?;
                    cx.expect_status(&answer, &[400])?;
                }
                Ok(())
            })
        });

const SCHEMAS_FOREIGN: Check = must("schema.request.undeclared", Topic::Schema, &["7643-3-03"])
    .reason("a schema URI that the resource type does not have is refused or dropped, never shown")
    .mend("Show only the base schema and declared extensions in schemas.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            const FOREIGN: &str = "urn:example:scim-conformance:2.0:NoSuchSchema";
            let mut schemas = schemas_of(&cx.user())?;
            schemas.push(json!(FOREIGN));
            let answer = cx.user().raw("schemas", schemas).post().await?;
            if is_refusal(&answer) {
                return cx.expect_status(&answer, &[400]);
            }
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            for answer in [&answer, &read] {
                cx.expect_on(answer, answer.list("schemas")).to_hold(
                    |all| !all.iter().any(|uri| uri.as_str() == Some(FOREIGN)),
                    "no undeclared URI",
                    "schemas holds only what the resource type declares",
                )?;
            }
            Ok(())
        })
    });

const SCHEMAS_WITHOUT_BASE: Check =
    must("schema.request.without-base", Topic::Schema, &["7643-3.3-01"])
        .reason("a body that names only an extension is refused, or the base schema is added")
        .mend("Answer 400, or add the URI of the base schema.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let Some((uri, _)) = cx.served().type_of("User").and_then(|k| k.extensions.first())
                else {
                    return cx.skip("users have no extension");
                };
                let answer = cx.user().raw("schemas", json!([uri])).post().await?;
                if is_refusal(&answer) {
                    return cx.expect_status(&answer, &[400]);
                }
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                let base = super::helpers_a::has_schema(&read.value(), scim_core::urn::USER);
                cx.ensure_on(&read, base, "schemas has the base schema")
            })
        });

const DUPLICATE_MEMBER: Check =
    may("errors.syntax.duplicate-member", Topic::Errors, &["7644-3.3-10"])
        .reason("a JSON object with the same member twice is refused")
        .mend("Answer 400 invalidSyntax: what such an object means cannot be predicted (RFC 8259).")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let body = cx.user().body()?.to_string();
                let again = format!(",\"userName\":\"{}\"}}", cx.unique_mail("twice"));
                let body = format!("{}{again}", body.strip_suffix('}').unwrap_or(&body));
                let answer = cx.request(Method::POST, cx.served().users()).raw(body).send().await?;
                cx.expect_status(&answer, &[400])
            })
        });

const DEEP: Check = should("errors.syntax.deep", Topic::Errors, &["7644-3.3-10", "7644-3.12-05"])
    .reason("deeply nested JSON is answered in good order")
    .mend("Bound the depth of JSON bodies and answer 400.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let body = cx.user().body()?.to_string();
            let nested = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
            let start = body.strip_suffix('}').unwrap_or(&body);
            let body = format!("{start},\"scimconfDeep\":{nested}}}");
            let answer = cx.request(Method::POST, cx.served().users()).raw(body).send().await?;
            // To drop it as unknown is as good as to refuse it.
            let rule = "the answer is no fault of the server";
            cx.ensure_on(&answer, answer.status() < 500, rule)
        })
    });

const LONG: Check = should("errors.value.long", Topic::Errors, &["7644-3.12-18", "7644-3.12-05"])
    .reason("a very long value is stored whole or refused")
    .mend("Answer 400 or 413 to values that are too long; never cut them in silence.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let long = "x".repeat(70_000);
            let answer = cx.user().with(attribute, long.as_str()).post().await?;
            if !answer.is_success() {
                return orderly(cx, &answer);
            }
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.text(attribute).map_or(0, str::len))
                .to_be(long.len(), "the value is stored whole")
        })
    });

const NUL: Check = should("errors.value.nul", Topic::Errors, &["7644-3.12-18", "7643-2.3.1-01"])
    .reason("a NUL character in a value is stored or refused")
    .mend("Answer 400 invalidValue where the store cannot hold U+0000.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let answer = cx.user().with(attribute, "a\u{0}b").post().await?;
            if !answer.is_success() {
                return orderly(cx, &answer);
            }
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.text(attribute)).to_be(Some("a\u{0}b"), "the value is stored")
        })
    });

const SURROGATE: Check = should("unicode.input.lone-surrogate", Topic::Unicode, &["7643-2.3.1-01"])
    .reason("half a surrogate pair is refused, or replaced")
    .mend("Answer 400 to a string that is no Unicode text.")
    .needs(&[Need::Users])
    // A server that stores it may break every list with it.
    .exclusive()
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let body = cx.user().with(attribute, "@HALF@").body()?.to_string();
            let body = body.replace("@HALF@", "\\ud83d");
            let answer = cx.request(Method::POST, cx.served().users()).raw(body).send().await?;
            if !answer.is_success() {
                return orderly(cx, &answer);
            }
            let whole = answer.bytes().is_empty() || answer.json().is_some();
            if !whole && let Some(id) = raw_id(&answer) {
                // Nobody else can read the id of such an answer, so it is removed here.
                cx.delete(&format!("{}/{id}", cx.served().users())).await?;
            }
            cx.ensure_on(&answer, whole, "the answer is readable JSON")?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.ensure_on(&read, read.get(attribute).is_some(), "the value is stored")
        })
    });

const NOT_UTF_8: Check =
    should("unicode.input.not-utf-8", Topic::Unicode, &["7644-3.8-01", "7644-3.3-10"])
        .reason("a body that is no UTF-8 is refused")
        .mend("Answer 400 invalidSyntax to a body with broken UTF-8.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let body = cx.user().with(attribute, "@BYTE@").body()?.to_string();
                let (before, after) = body.split_once("@BYTE@").unwrap_or((&body, ""));
                let bytes = [before.as_bytes(), &[0xff, 0xfe], after.as_bytes()].concat();
                let answer =
                    cx.request(Method::POST, cx.served().users()).raw(bytes).send().await?;
                cx.expect_status(&answer, &[400])
            })
        });

const ODD_PATHS: Check =
    should("errors.path.odd", Topic::Errors, &["7644-3.4.1-02", "7644-3.12-05"])
        .reason("odd ids in a path are answered as unknown, not with a fault of the server")
        .mend("Treat what cannot be an id as an unknown id: 404.")
        .needs(&[Need::Users])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for id in [
                    "%00",
                    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                    "'%20or%20'1'='1",
                    "%F0%9F%A6%80",
                    "-1",
                ] {
                    let answer = cx.get(&format!("{}/{id}", cx.served().users())).await?;
                    let rule = format!("GET with the id {id} is answered 404 or 400");
                    cx.ensure_on(&answer, matches!(answer.status(), 400 | 404), &rule)?;
                }
                let long = "a".repeat(4000);
                let answer = cx.get(&format!("{}/{long}", cx.served().users())).await?;
                let good = matches!(answer.status(), 400 | 404 | 414 | 431);
                cx.ensure_on(
                    &answer,
                    good,
                    "GET with an id of 4000 letters is answered 404, 400 or 414",
                )
            })
        });

/// A client error: neither a fault of the server nor silence.
fn orderly(cx: &Cx, answer: &Answer) -> Verdict {
    cx.ensure_on(answer, matches!(answer.status(), 400..=499), "the answer is a client error")
}

/// The `id` in a body that is no JSON for us.
fn raw_id(answer: &Answer) -> Option<String> {
    let body = String::from_utf8_lossy(answer.bytes());
    let after = body.split("\"id\":").nth(1)?.trim_start().strip_prefix('"')?;
    Some(after.split('"').next()?.to_owned())
}

/// The create was refused, or what is stored has the right type.
async fn kept_out(cx: &Cx, answer: &Answer, path: &str, right: impl Fn(&Value) -> bool) -> Verdict {
    if !answer.is_success() {
        return orderly(cx, answer);
    }
    let read = cx.read(&made_path(cx, answer)?).await?;
    cx.expect_on(&read, read.get(path)).to_hold(
        |value| value.is_none_or(&right),
        "a value of the announced type, or none",
        &format!("{path} is not stored with the wrong type"),
    )
}

fn schemas_of(user: &Fixture<'_>) -> Result<Vec<Value>, Stop> {
    Ok(super::helpers_a::list_of(&user.body()?, "schemas").to_vec())
}
