//! The catalogue: one broken behaviour each, as servers in the field have them.

mod bulk;
mod credentials;
mod documents;
mod lists;
mod messages;
mod patches;
mod rarities;
mod refusals;
mod representations;
mod values;
mod versions;
mod writes;

use serde_json::{Value, json};

use crate::proxy::{Mutant, Told};

pub(crate) const TOKEN: &str = "mutants-token-0123456789";

/// Every fault.
pub(crate) fn all() -> Vec<Mutant> {
    [
        documents::all(),
        credentials::all(),
        messages::all(),
        refusals::all(),
        writes::all(),
        representations::all(),
        values::all(),
        patches::all(),
        lists::all(),
        versions::all(),
        bulk::all(),
        rarities::all(),
    ]
    .concat()
}

/// An error answer.
fn error(status: u16, scim_type: Option<&str>) -> Told {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": "broken on purpose",
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = json!(scim_type);
    }
    Told::of(status, &body)
}

/// Different at each call within a run, the same over runs: a counter.
fn uuid_like() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("twin{}-", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Changes every text of a value but those that name things.
fn each_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    const KEPT: [&str; 8] =
        ["id", "schemas", "meta", "$ref", "value", "location", "userName", "type"];
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                if !KEPT.contains(&name.as_str()) {
                    each_text(inner, change);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| each_text(inner, change)),
        Value::String(text) => *text = change(text),
        _ => {}
    }
}
