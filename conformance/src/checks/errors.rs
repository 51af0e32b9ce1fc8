//! Error answers (RFC 7644 section 3.12).

use http::Method;
use serde_json::Value;

use super::helpers_a::{none, refused};
use crate::check::{Check, Need, Stop, Topic, must, should};
use crate::context::{Answer, Cx};
use crate::json::at;

pub(crate) const CHECKS: &[Check] = &[
    BODY,
    STATUS_TEXT,
    STATUS_EQUAL,
    SCIM_TYPE,
    DETAIL,
    ENDPOINT,
    MESSAGES,
    BROKEN_JSON,
    NO_OBJECT,
    SYNTAX_CAUSE,
    VALUE_CAUSE,
    NOTHING_CREATED,
];

/// Keywords of RFC 7644 table 9, RFC 9865 section 2.1.
const SCIM_TYPES: &[&str] = &[
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
    "invalidCursor",
    "expiredCursor",
    "invalidCount",
];

const BODY: Check = must("errors.body.schema", Topic::Errors, &["7644-3.12-01"])
    .reason("errors have a JSON body with the Error schema")
    .mend("Answer every error with schemas, status and detail as in RFC 7644 section 3.12.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for answer in provoked(cx).await? {
                let uris = answer.list("schemas");
                let named = uris.iter().any(|uri| uri.as_str() == Some(scim_core::urn::ERROR));
                cx.ensure_on(&answer, named, "the body of an error has the Error schema")?;
            }
            Ok(())
        })
    });

const STATUS_TEXT: Check = must("errors.body.status", Topic::Errors, &["7644-3.12-02"])
    .reason("status in an error body is a JSON string")
    .mend("Write \"status\": \"404\", not 404.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for answer in provoked(cx).await? {
                let status = answer.get("status");
                cx.expect_on(&answer, status).to_hold(
                    |status| status.is_some_and(Value::is_string),
                    "a string",
                    "status of an error body",
                )?;
            }
            Ok(())
        })
    });

const STATUS_EQUAL: Check = should("errors.body.status-equal", Topic::Errors, &["7644-3.2-05"])
    .reason("status in an error body is the HTTP status")
    .mend("Repeat the HTTP status in the body.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for answer in provoked(cx).await? {
                let said = answer.get("status").map(|status| match status {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                cx.expect_on(&answer, said)
                    .to_be(Some(answer.status().to_string()), "status of an error body")?;
            }
            Ok(())
        })
    });

const SCIM_TYPE: Check = should("errors.body.scim-type", Topic::Errors, &["7644-3.12-03"])
    .reason("scimType, where given, is a keyword of the RFC")
    .mend("Use the keywords of RFC 7644 table 9, or leave scimType out.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for answer in provoked(cx).await? {
                if let Some(word) = answer.get("scimType") {
                    cx.expect_on(&answer, word).to_hold(
                        |word| word.as_str().is_some_and(|word| SCIM_TYPES.contains(&word)),
                        &SCIM_TYPES.join(", "),
                        "scimType is a keyword of the RFC",
                    )?;
                }
            }
            Ok(())
        })
    });

const DETAIL: Check = should("errors.body.detail", Topic::Errors, &["7644-3.12-04"])
    .reason("detail, where given, is one readable text")
    .mend("Make detail a string, not an array or an object.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for answer in provoked(cx).await? {
                if let Some(detail) = answer.get("detail") {
                    cx.expect_on(&answer, detail).to_hold(
                        |detail| detail.as_str().is_some_and(|text| !text.trim().is_empty()),
                        "a text",
                        "detail of an error body",
                    )?;
                }
            }
            Ok(())
        })
    });

const ENDPOINT: Check =
    should("errors.endpoint.unknown", Topic::Errors, &["7644-3.12-01", "7644-3.12-05"])
        .reason("an unknown endpoint gives 404 with an error body")
        .mend("Let the SCIM error handler answer for unknown routes as well.")
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.get("/ScimConformanceNoSuchEndpoint").await?;
                cx.expect_scim_error(&answer, &[404], None)
            })
        });

const MESSAGES: Check =
    must("errors.message.schema", Topic::Errors, &["7644-3.1-02", "7643-1.1-01"])
        .reason("protocol messages carry a schema URI that begins with urn:ietf:params:scim:api:")
        .mend("Give list answers and errors the URIs of RFC 7644 section 8.2.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let list = cx.list(cx.served().users(), &[("count", "1")]).await?;
                for answer in provoked(cx).await?.iter().chain([&list]) {
                    let message =
                        answer.list("schemas").iter().filter_map(Value::as_str).any(|uri| {
                            uri.to_ascii_lowercase()
                                .starts_with("urn:ietf:params:scim:api:messages:2.0:")
                        });
                    cx.ensure_on(answer, message, "the message names its schema")?;
                }
                Ok(())
            })
        });

const BROKEN_JSON: Check = must("errors.syntax.broken-json", Topic::Errors, &["7644-3.3-10"])
    .reason("a body that is no JSON gives 400")
    .mend("Answer 400 invalidSyntax to a body that cannot be parsed.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            for body in
                ["{", "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],", "no"]
            {
                let answer = raw_post(cx, body).await?;
                cx.expect_status(&answer, &[400])?;
            }
            Ok(())
        })
    });

const NO_OBJECT: Check =
    must("errors.syntax.no-object", Topic::Errors, &["7644-3.3-10", "7644-3.12-15"])
        .reason("a body that is JSON but no object gives 400")
        .mend("Answer 400 invalidSyntax to a body that is no JSON object.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                for body in ["[]", "\"text\"", "42", "null"] {
                    let answer = raw_post(cx, body).await?;
                    refused(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])?;
                }
                Ok(())
            })
        });

const SYNTAX_CAUSE: Check =
    should("errors.syntax.cause", Topic::Errors, &["7644-3.12-15", "7644-3.3-10"])
        .reason("broken JSON is named invalidSyntax")
        .mend("Answer with scimType invalidSyntax.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let answer = raw_post(cx, "{").await?;
                cx.expect_scim_error(&answer, &[400], Some("invalidSyntax"))
            })
        });

const VALUE_CAUSE: Check = should("errors.value.cause", Topic::Errors, &["7644-3.12-18"])
    .reason("a value of the wrong type gives 400 invalidValue")
    .mend("Check the types of all values and answer 400 with scimType invalidValue.")
    .needs(&[Need::Users, Need::Attribute("active")])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.user().raw("active", "maybe").post().await?;
            cx.expect_scim_error(&answer, &[400], Some("invalidValue"))
        })
    });

const NOTHING_CREATED: Check =
    must("errors.create.nothing-stored", Topic::Errors, &["7644-3.1-05", "7644-3.12-18"])
        .reason("a refused create stores nothing")
        .mend("Validate the whole body before anything is stored.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let body = cx.user().raw("name", "no object").raw("emails", "no array").body()?;
                let answer = cx.post(cx.served().users(), &body).await?;
                if answer.is_success() {
                    return cx.skip("the server takes a string for name and emails");
                }
                let name = at(&body, "userName").and_then(Value::as_str).unwrap_or_default();
                let filter = format!("userName eq \"{name}\"");
                let list = cx.list(cx.served().users(), &[("filter", &filter)]).await?;
                cx.expect_status(&list, &[200])?;
                cx.expect_on(&list, list.ids()).to_be(Vec::new(), "nobody has that userName")
            })
        });

async fn raw_post(cx: &Cx, body: &'static str) -> Result<Answer, Stop> {
    cx.request(Method::POST, cx.served().users()).raw(body).send().await
}

/// Errors of several kinds.
async fn provoked(cx: &Cx) -> Result<Vec<Answer>, Stop> {
    let users = cx.served().users();
    let unknown = format!("{users}/{}", cx.unique("unknown"));
    let user = cx.user().create().await?;
    let answers = vec![
        cx.get(&unknown).await?,
        cx.put(&unknown, user.sent()).await?,
        cx.delete(&unknown).await?,
        raw_post(cx, "{").await?,
        cx.user().without("userName").post().await?,
        cx.post(users, user.sent()).await?,
    ];
    // That each of them is an error is the matter of other checks.
    let errors: Vec<Answer> =
        answers.into_iter().filter(|answer| matches!(answer.status(), 400..=599)).collect();
    let found = if errors.is_empty() {
        vec!["no request that should fail was answered with an error".to_owned()]
    } else {
        Vec::new()
    };
    none(&found, "requests that cannot succeed are answered with errors")?;
    Ok(errors)
}
