//! `docs/targets.md` lists every field and every shipped profile; its tables are made here.

use std::fmt::Write as _;

use serde_json::Value;

use super::TargetProfile;
use super::fields::Fields;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/targets.md");

/// The text between two markers of the page is what this says. `SCIM_WRITE_DOCS=1` writes it.
fn held(marker: &str, wanted: &str) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (begin, end) = (format!("<!-- {marker} -->\n"), format!("<!-- end of {marker} -->"));
    let from = page.find(&begin).unwrap_or_else(|| panic!("{marker} is missing")) + begin.len();
    let to = page.find(&end).unwrap();
    if std::env::var_os("SCIM_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{}{wanted}{}", &page[..from], &page[to..])).unwrap();
    } else {
        assert!(
            page[from..to] == *wanted,
            "docs/targets.md: {marker} is not what the code says; run this test with SCIM_WRITE_DOCS=1"
        );
    }
}

#[test]
fn the_fields_of_the_page_are_those_of_the_code() {
    let schema = schemars::schema_for!(Fields).to_value();
    let mut out = String::new();
    table("", &schema, &schema, &mut out);
    held("fields", &out);
}

#[test]
fn the_profiles_of_the_page_are_those_that_are_shipped() {
    let mut out = String::from("| Name | Server | Sources |\n| --- | --- | --- |\n");
    for name in TargetProfile::shipped_names() {
        let profile = TargetProfile::named(name).unwrap();
        let fields = profile.fields();
        let sources: Vec<String> = fields
            .source
            .iter()
            .enumerate()
            .map(|(i, url)| format!("[{}]({url})", i + 1))
            .collect();
        writeln!(out, "| `{name}` | {} | {} |", fields.title, sources.join(" ")).unwrap();
    }
    held("profiles", &out);
}

/// A table for the object, and one for each that is in it.
fn table(path: &str, object: &Value, root: &Value, out: &mut String) {
    let object = followed(object, root);
    let properties = object["properties"].as_object().unwrap();
    let heading = if path.is_empty() { "Top".to_owned() } else { format!("`[{path}]`") };
    writeln!(out, "\n### {heading}\n\n| Field | Value | Meaning |\n| --- | --- | --- |").unwrap();
    let mut below = Vec::new();
    for (name, property) in properties {
        let (kind, inner) = kind(property, root);
        let text = description(property);
        writeln!(out, "| `{name}` | {kind} | {text} |").unwrap();
        if let Some((suffix, inner)) = inner {
            let dot = if path.is_empty() { "" } else { "." };
            below.push((format!("{path}{dot}{name}{suffix}"), inner));
        }
    }
    for (path, inner) in below {
        table(&path, &inner, root, out);
    }
}

fn followed<'v>(value: &'v Value, root: &'v Value) -> &'v Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => value,
    }
}

fn description(property: &Value) -> String {
    let text = property["description"].as_str().unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}

/// What a value looks like, and the object in it with what comes after its name in a path.
fn kind(property: &Value, root: &Value) -> (String, Option<(&'static str, Value)>) {
    if let Some(options) = property.get("anyOf").and_then(Value::as_array) {
        let real = options.iter().find(|option| option["type"] != "null").unwrap();
        return kind(real, root);
    }
    let value = followed(property, root);
    if let Some(words) = words(value) {
        return (words, None);
    }
    if value.get("properties").is_some() {
        return ("table".to_owned(), Some(("", value.clone())));
    }
    if let Some(items) = value.get("items") {
        let (kind, inner) = kind(items, root);
        return (format!("list of {kind}"), inner);
    }
    if let Some(values) = value.get("additionalProperties").filter(|v| v.is_object()) {
        let (kind, inner) = kind(values, root);
        let below = inner.map(|(_, inner)| (".X", inner));
        return (format!("table of {kind}"), below);
    }
    let format = value["format"].as_str().unwrap_or_default();
    let name = match (&value["type"], format) {
        (_, "attribute path") => "attribute",
        (_, "limit") => "number or `\"none\"`",
        (Value::String(kind), _) if kind == "integer" => "number",
        (Value::String(kind), _) if kind == "boolean" => "yes/no",
        (Value::String(_), _) => "text",
        (Value::Array(kinds), _) if kinds.iter().any(|kind| kind == "boolean") => "yes/no",
        (Value::Array(kinds), _) if kinds.iter().any(|kind| kind == "integer") => "number",
        (Value::Array(_), _) => "text",
        _ => "value",
    };
    (name.to_owned(), None)
}

/// The words of an enumeration.
fn words(value: &Value) -> Option<String> {
    let from = |words: Vec<&str>| {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    if let Some(words) = value.get("enum").and_then(Value::as_array) {
        return Some(from(words.iter().filter_map(Value::as_str).collect()));
    }
    let options = value.get("oneOf").and_then(Value::as_array)?;
    let mut all = Vec::new();
    for option in options {
        match option.get("const").and_then(Value::as_str) {
            Some(word) => all.push(word),
            None => all.extend(option["enum"].as_array()?.iter().filter_map(Value::as_str)),
        }
    }
    Some(from(all))
}
