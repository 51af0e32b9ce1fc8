//! JSON from files and standard input.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use scim_client::scim_core::{Leniency, Limits, Object, Patch, Profile, Value, urn};

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

/// What some programs put before UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Whether a text that begins like this is UTF-16, as Windows PowerShell writes what is sent to a file.
pub(crate) fn is_utf_16(start: &[u8]) -> bool {
    let marked = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    marked || matches!(start, [0, b'[' | b'{', ..] | [b'[' | b'{', 0, ..])
}

/// Reads a file, or standard input for `-`.
pub(crate) fn bytes(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file {
        STDIN => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
        file => std::fs::read(Path::new(file)).map(|read| bytes = read),
    }
    .with_context(|| format!("{} cannot be read", shown(file)))?;
    if is_utf_16(&bytes) {
        bail!("{} is UTF-16; make it UTF-8", shown(file));
    }
    if bytes.starts_with(BOM) {
        bytes.drain(..BOM.len());
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
    let object = object(file)?;
    // As scim diff writes it where nothing differs.
    let none = matches!(object.get("Operations"), Some(Value::Array(all)) if all.is_empty());
    let patch = object.get("schemas").is_some_and(|uris| {
        uris.values().iter().filter_map(Value::as_str).any(|uri| uri == urn::PATCH_OP)
    });
    if none && patch {
        return Ok(Patch::new());
    }
    let mut leniency = Leniency::new(Profile::default());
    Patch::from_object(object, &limits(), &mut leniency)
        .with_context(|| format!("{} is no PATCH message", shown(file)))
}
