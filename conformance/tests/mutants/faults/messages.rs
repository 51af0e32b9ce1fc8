//! The form of answers.

use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::error;
use crate::proxy::{Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    vec![
        told("media.plain-text", |_, told| {
            drop(told.headers.insert("content-type", HeaderValue::from_static("text/plain")))
        }),
        told("media.html", |_, told| {
            drop(told.headers.insert("content-type", HeaderValue::from_static("text/html")))
        }),
        told("media.array", |asked, told| {
            if asked.names_one() && !told.is_error() {
                told.edit(|v| *v = json!([v.clone()]));
            }
        }),
        told("media.latin-1", |asked, told| {
            if asked.below("/Users") {
                told.body = told
                    .body
                    .iter()
                    .map(|b| if b.is_ascii() { *b } else { 0xe9 })
                    .collect::<Vec<_>>()
                    .into();
            }
        }),
        instead("media.charset-refused", |server, asked| async move {
            let kind = asked.headers.get("content-type").and_then(|v| v.to_str().ok());
            if kind.is_some_and(|kind| kind.contains("charset")) {
                return Ok(error(415, None));
            }
            server.ask(&asked).await
        }),
        asked("media.body-ascii", |asked| {
            let text = String::from_utf8_lossy(&asked.body)
                .chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect::<String>();
            if std::str::from_utf8(&asked.body).is_ok() {
                asked.body = text.into();
            }
        }),
        told("errors.empty", |_, told| {
            if told.is_error() {
                told.body = bytes::Bytes::new();
            }
        }),
        told("errors.html", |_, told| {
            if told.is_error() {
                told.body = "<html><h1>Error</h1></html>".into();
                told.headers.insert("content-type", HeaderValue::from_static("text/html"));
            }
        }),
        told("errors.without-schemas", |_, told| {
            if told.is_error() {
                told.edit(|v| drop(v.as_object_mut().map(|m| m.remove("schemas"))));
            }
        }),
        told("errors.other-schema", |_, told| {
            if told.is_error() {
                told.edit(|v| v["schemas"] = json!(["https://example.org/error"]));
            }
        }),
        told("errors.status-number", |_, told| {
            let status = told.status.as_u16();
            if told.is_error() {
                told.edit(|v| v["status"] = json!(status));
            }
        }),
        told("errors.without-scim-type", |_, told| {
            if told.is_error() {
                told.edit(|v| drop(v.as_object_mut().map(|m| m.remove("scimType"))));
            }
        }),
        told("errors.own-scim-type", |_, told| {
            if told.is_error() {
                told.edit(|v| v["scimType"] = json!("somethingElse"));
            }
        }),
        told("errors.detail-object", |_, told| {
            if told.is_error() {
                told.edit(|v| v["detail"] = json!({"text": "x"}));
            }
        }),
        told("errors.without-limit", |_, told| {
            if told.status == StatusCode::PAYLOAD_TOO_LARGE {
                told.edit(|v| v["detail"] = json!("too large"));
            }
        }),
        told("errors.all-500", |_, told| {
            if told.is_error() {
                told.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }),
        told("errors.404-is-200", |_, told| {
            if told.status == StatusCode::NOT_FOUND {
                *told = Told::of(200, &json!({}));
            }
        }),
        told("errors.409-is-400", |_, told| {
            if told.status == StatusCode::CONFLICT {
                told.status = StatusCode::BAD_REQUEST;
            }
        }),
        told("errors.412-is-400", |_, told| {
            if told.status == StatusCode::PRECONDITION_FAILED {
                told.status = StatusCode::BAD_REQUEST;
            }
        }),
    ]
}
