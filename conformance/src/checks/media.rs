//! Media types and encodings (RFC 7644 section 3.8).

use http::Method;
use serde_json::Value;

use super::helpers_a::{made_path, plain_attribute};
use crate::check::{Check, Need, Topic, may, must, should};

pub(crate) const CHECKS: &[Check] = &[
    SCIM_JSON,
    DEFAULT,
    JSON,
    BODIES_ARE_JSON,
    CHARSET,
    WITHOUT_CHARSET,
    AS_JSON,
    OTHER_TYPE,
    ERRORS,
];

const SCIM: &str = "application/scim+json";
const PLAIN: &str = "application/json";

const SCIM_JSON: Check =
    must("media.accept.scim-json", Topic::Media, &["7644-3.8-06", "7644-3.8-01"])
        .reason("Accept: application/scim+json gets application/scim+json")
        .mend("Answer with Content-Type application/scim+json.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let answer = cx.request(Method::GET, &user).header("accept", SCIM).send().await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.media_type().as_deref())
                    .to_be(Some(SCIM), "the media type asked for")
            })
        });

const DEFAULT: Check = should("media.accept.none", Topic::Media, &["7644-3.8-08", "7644-8.1-01"])
    .reason("without Accept the answer is application/scim+json")
    .mend("Make application/scim+json the default media type.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.request(Method::GET, &user).without_header("accept").send().await?;
            cx.expect_status(&answer, &[200])?;
            cx.expect_on(&answer, answer.media_type().as_deref())
                .to_be(Some(SCIM), "the default media type")
        })
    });

const JSON: Check = should("media.accept.json", Topic::Media, &["7644-3.8-07"])
    .reason("Accept: application/json is supported")
    .mend("Answer to Accept: application/json with JSON, not with 406.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.request(Method::GET, &user).header("accept", PLAIN).send().await?;
            cx.expect_status(&answer, &[200])?;
            cx.expect_on(&answer, answer.media_type().as_deref())
                .to_be_one_of(&[Some(PLAIN), Some(SCIM)], "the media type is JSON")
        })
    });

const BODIES_ARE_JSON: Check =
    must("media.body.json", Topic::Media, &["7644-3.2-06", "7644-3.8-01"])
        .reason("bodies are JSON objects in UTF-8")
        .mend("Answer with JSON.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let read = cx.get(&user).await?;
                let list = cx.list(cx.served().users(), &[("count", "1")]).await?;
                for answer in [user.answer(), &read, &list] {
                    if answer.bytes().is_empty() && answer.status() != 200 {
                        continue;
                    }
                    let good = answer.json().is_some_and(Value::is_object);
                    cx.ensure_on(answer, good, "the body is a JSON object")?;
                }
                Ok(())
            })
        });

const CHARSET: Check = must("media.request.charset", Topic::Media, &["7644-3.8-01"])
    .reason("a body with charset=utf-8 in its Content-Type is accepted")
    .mend("Allow parameters behind the media type.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx
                .request(Method::POST, cx.served().users())
                .header("content-type", "application/scim+json; charset=utf-8")
                .json(&cx.user().body()?)
                .send()
                .await?;
            cx.expect_status(&answer, &[201])
        })
    });

const WITHOUT_CHARSET: Check =
    must("media.request.utf-8", Topic::Media, &["7644-3.8-02", "7643-2.3.1-01"])
        .reason("a body without a charset is UTF-8")
        .mend("Decode bodies as UTF-8, whatever the default of the framework.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                const TEXT: &str = "Zoë Ångström-Жуков 山田";
                let attribute = plain_attribute(cx)?;
                let body = cx.user().with(attribute, TEXT).body()?;
                let answer = cx
                    .request(Method::POST, cx.served().users())
                    .header("content-type", SCIM)
                    .json(&body)
                    .send()
                    .await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, read.text(attribute)).to_be(Some(TEXT), "the text came through")
            })
        });

const AS_JSON: Check = may("media.request.json", Topic::Media, &["7644-3.8-01"])
    .reason("a body as application/json is accepted too")
    .mend("Accept application/json next to application/scim+json: many clients send it.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx
                .request(Method::POST, cx.served().users())
                .header("content-type", PLAIN)
                .json(&cx.user().body()?)
                .send()
                .await?;
            cx.expect_status(&answer, &[201])
        })
    });

const OTHER_TYPE: Check = may("media.request.other", Topic::Media, &["7644-3.8-01"])
    .reason("a body of another media type is refused with 415")
    .mend(
        "Answer 415 to a Content-Type that is neither application/scim+json nor application/json.",
    )
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx
                .request(Method::POST, cx.served().users())
                .header("content-type", "text/plain")
                .json(&cx.user().body()?)
                .send()
                .await?;
            cx.expect_status(&answer, &[415])
        })
    });

const ERRORS: Check = should("media.error.json", Topic::Media, &["7644-8.1-01", "7644-3.2-06"])
    .reason("errors come as application/scim+json too")
    .mend("Send error bodies with Content-Type application/scim+json.")
    .needs(&[Need::Users])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let path = format!("{}/{}", cx.served().users(), cx.unique("unknown"));
            let answer = cx.get(&path).await?;
            cx.expect_status(&answer, &[404])?;
            cx.expect_on(&answer, answer.media_type().as_deref())
                .to_be_one_of(&[Some(SCIM), Some(PLAIN)], "the media type of an error")
        })
    });
