//! Versions and conditions.

use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::{error, uuid_like};
use crate::proxy::{Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    vec![
        told("etag.no-header", |_, told| drop(told.headers.remove("etag"))),
        told("etag.unquoted", |_, told| {
            if told.headers.contains_key("etag") {
                told.headers.insert("etag", HeaderValue::from_static("abc"));
            }
        }),
        told("etag.lower-case-w", |_, told| {
            let lower = told
                .headers
                .get("etag")
                .and_then(|v| v.to_str().ok())
                .map(|v| v.replace("W/", "w/"));
            if let Some(lower) = lower.and_then(|v| HeaderValue::from_str(&v).ok()) {
                told.headers.insert("etag", lower);
            }
        }),
        told("etag.constant", |_, told| {
            if told.headers.contains_key("etag") {
                told.headers.insert("etag", HeaderValue::from_static("W/\"1\""));
                told.each(|v| {
                    if v.get("meta").is_some() {
                        v["meta"]["version"] = json!("W/\"1\"");
                    }
                });
            }
        }),
        told("etag.always-new", |_, told| {
            if told.headers.contains_key("etag") {
                let new = format!("W/\"{}\"", uuid_like());
                told.headers.insert("etag", HeaderValue::from_str(&new).unwrap());
                told.each(|v| {
                    if v.get("meta").is_some() {
                        v["meta"]["version"] = json!(new);
                    }
                });
            }
        }),
        told("etag.meta-differs", |_, told| {
            told.each(|v| {
                if v.get("meta").is_some() {
                    v["meta"]["version"] = json!("W/\"other\"");
                }
            })
        }),
        asked("etag.if-match-ignored", |asked| drop(asked.headers.remove("if-match"))),
        asked("etag.if-none-match-ignored", |asked| drop(asked.headers.remove("if-none-match"))),
        told("etag.always-304", |asked, told| {
            if asked.headers.contains_key("if-none-match") {
                *told = Told::empty(304);
            }
        }),
        told("etag.304-with-body", |_, told| {
            if told.status == StatusCode::NOT_MODIFIED {
                told.body = "{}".into();
            }
        }),
        told("etag.if-match-never", |asked, told| {
            if asked.headers.contains_key("if-match") {
                *told = error(412, None);
            }
        }),
        asked("etag.case-folded", |asked| {
            for name in ["if-match", "if-none-match"] {
                let folded = asked
                    .headers
                    .get(name)
                    .and_then(|v| v.to_str().ok())
                    .map(|v| v.to_lowercase().replace("w/", "W/"));
                if let Some(folded) = folded.and_then(|v| HeaderValue::from_str(&v).ok()) {
                    asked.headers.insert(name, folded);
                }
            }
        }),
        instead("etag.written-then-refused", |server, mut asked| async move {
            let told = server.ask(&asked).await?;
            if told.status == StatusCode::PRECONDITION_FAILED {
                asked.headers.remove("if-match");
                server.ask(&asked).await?;
            }
            Ok(told)
        }),
    ]
}
