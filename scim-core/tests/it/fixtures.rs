//! The files below `tests/fixtures`.

use std::path::PathBuf;

use scim_core::{Object, Value};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The text of one file.
pub(crate) fn fixture(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The object of one file.
pub(crate) fn object(name: &str) -> Object {
    serde_json::from_str(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The object that a text is.
pub(crate) fn parse(text: &str) -> Object {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        other => panic!("{text}: {other:?}"),
    }
}

/// Name and text of the files whose names begin like this, in order.
pub(crate) fn fixtures(prefix: &str) -> Vec<(String, String)> {
    let (sub, start) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let mut names: Vec<String> = std::fs::read_dir(folder().join(sub))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(start) && name.ends_with(".json"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fixture(&format!("{sub}/{name}")))).collect()
}
