//! Who is let in.

use http::{HeaderValue, Method, StatusCode};

use super::TOKEN;
use crate::proxy::{Mutant, asked, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let bearer = || HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    vec![
        asked("auth.open-door", move |asked| drop(asked.headers.insert("authorization", bearer()))),
        asked("auth.any-token", move |asked| {
            if asked.headers.contains_key("authorization") {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-reading", move |asked| {
            if asked.method == Method::GET {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-deleting", move |asked| {
            if asked.method == Method::DELETE {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-creating", move |asked| {
            if asked.method == Method::POST {
                asked.headers.insert("authorization", bearer());
            }
        }),
        told("auth.no-challenge", |_, told| drop(told.headers.remove("www-authenticate"))),
        told("auth.plain-401", |_, told| {
            if told.status == StatusCode::UNAUTHORIZED {
                told.body = "Unauthorized".into();
                told.headers.insert("content-type", HeaderValue::from_static("text/plain"));
            }
        }),
    ]
}
