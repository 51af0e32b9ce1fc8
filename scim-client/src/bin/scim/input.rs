//! JSON from files and standard input.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use scim_client::scim_core::{Leniency, Limits, Object, Patch, Profile, Value};

/// How inputs are described in `--help`.
pub(crate) const STDIN: &str = "-";

/// What is not a resource of the server yet has no limits but those of the parser.
pub(crate) fn limits() -> Limits {
    Limits {
        patch_operations: usize::MAX,
        bulk_operations: usize::MAX,
        payload_bytes: usize::MAX,
        ..Limits::default()
    }
}

/// The name of an input for people.
pub(crate) fn shown(file: &str) -> &str {
    if file == STDIN { "standard input" } else { file }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn bytes(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file {
        STDIN => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
        file => std::fs::read(Path::new(file)).map(|read| bytes = read),
    }
    .with_context(|| format!("{} cannot be read", shown(file)))?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

/// The objects of an input: one, an array of them, or one after the other as in JSON Lines.
pub(crate) fn objects(file: &str) -> anyhow::Result<Vec<Object>> {
    let bytes = bytes(file)?;
    let wrong = |why: String| anyhow!("{}: {why}", shown(file));
    let mut objects = Vec::new();
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>() {
        let value = value.map_err(|e| wrong(format!("this is no JSON: {e}")))?;
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let number = objects.len() + 1;
            match value {
                Value::Object(object) => objects.push(object),
                other => {
                    return Err(wrong(format!(
                        "number {number} is {}, not an object",
                        other.kind()
                    )));
                }
            }
        }
    }
    match objects.is_empty() {
        true => Err(wrong("there is nothing in it; give a JSON object".to_owned())),
        false => Ok(objects),
    }
}

/// The one object of an input.
pub(crate) fn object(file: &str) -> anyhow::Result<Object> {
    let mut objects = objects(file)?;
    match objects.len() {
        1 => Ok(objects.remove(0)),
        n => Err(anyhow!("{}: there are {n} objects in it where one is needed", shown(file))),
    }
}

/// The PATCH of an input: a message as RFC 7644 section 3.5.2 has it.
pub(crate) fn patch(file: &str) -> anyhow::Result<Patch> {
    let mut leniency = Leniency::new(Profile::default());
    Patch::from_object(object(file)?, &limits(), &mut leniency)
        .with_context(|| format!("{} is no PATCH message", shown(file)))
}
