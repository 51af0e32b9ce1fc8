//! `vectors/filters.json` and the grammar part of `vectors/paths.json`: every row, and for valid ones the tree.

use scim_core::filter::{PathForm, parse_path};
use scim_core::{AttrPath, Filter, Leniency, Limits, Literal, Profile, Registry};
use serde_json::{Value, json};

use super::{parse, profiles};

const FILTERS: &str = include_str!("../../fixtures/vectors/filters.json");
const PATHS: &str = include_str!("../../fixtures/vectors/paths.json");

/// A filter in the notation of the vectors.
fn tree(filter: &Filter) -> Value {
    match filter {
        Filter::And(terms) => {
            json!({"op": "and", "args": terms.iter().map(tree).collect::<Vec<_>>()})
        }
        Filter::Or(terms) => {
            json!({"op": "or", "args": terms.iter().map(tree).collect::<Vec<_>>()})
        }
        Filter::Not(inner) => json!({"op": "not", "arg": tree(inner)}),
        Filter::Present(attr) => json!({"attr": path(attr), "op": "pr"}),
        Filter::ValuePath { path: attr, filter } => {
            json!({"valuePath": path(attr), "filter": tree(filter)})
        }
        Filter::Compare(comparison) => {
            let value = match &comparison.value {
                Literal::Null => Value::Null,
                Literal::Bool(value) => json!(value),
                Literal::Number(number) => Value::Number(number.clone()),
                Literal::String(text) => json!(text.as_str()),
            };
            json!({"attr": path(&comparison.path), "op": comparison.op.as_str(), "value": value})
        }
    }
}

fn path(path: &AttrPath) -> Value {
    json!({
        "urn": path.uri().map(|uri| uri.as_str()),
        "name": path.name().as_str(),
        "sub": path.sub().map(|sub| sub.as_str()),
    })
}

/// What rfc/PROFILES.md decides for the rows that the RFC leaves open: (strict accepts, default accepts).
fn lenient(id: &str) -> (bool, bool) {
    match id {
        // `$` inside a name, `not x` without parentheses, unquoted and single-quoted texts, operators behind brackets.
        "F0505" | "F0634" | "F0637" | "F0638" | "F0647" | "F0648" | "F0649" | "F0652" | "F0653" => {
            (false, false)
        }
        // A comparison behind brackets.
        "F0607" | "F0608" | "F0609" | "F0610" | "F0611" | "F0613" => (false, true),
        // More spaces or fewer where nothing can be mistaken, and an attribute that is called `not`.
        "F0588" | "F0617" | "F0619" | "F0620" | "F0623" | "F0624" | "F0625" | "F0628" | "F0629"
        | "F0631" | "F0632" | "F0798" => (true, true),
        other => panic!("{other}: a new row that needs a decision"),
    }
}

#[test]
fn filters() {
    let vectors: Value = serde_json::from_str(FILTERS).unwrap();
    let registry = Registry::standard();
    let (mut valid, mut invalid, mut semantic, mut open) = (0, 0, 0, 0);
    for case in vectors["cases"].as_array().unwrap() {
        let (id, text) = (case["id"].as_str().unwrap(), case["filter"].as_str().unwrap());
        for (profile_name, profile) in profiles() {
            let parsed = parse(text, profile);
            let at = format!("{id} in {profile_name}: {text:?}");
            if let Ok(filter) = &parsed {
                let written = filter.to_string();
                assert_eq!(written.parse().as_ref(), Ok(filter), "{at} written as {written:?}");
            }
            match case["expect"].as_str().unwrap() {
                "valid" => {
                    let filter = parsed.unwrap_or_else(|error| panic!("{at}: {error}"));
                    assert_eq!(tree(&filter), case["ast"], "{at}");
                    // Whether it fits the schema is another matter, but it must be decided without panic.
                    let _ = filter.resolve(registry.user(), &mut Leniency::new(profile));
                    valid += 1;
                }
                "invalid" => {
                    let error = parsed.expect_err(&at);
                    assert!(
                        (1..=text.chars().count() + 1).contains(&error.column),
                        "{at}: {error}"
                    );
                    assert!(error.detail.starts_with("expected "), "{at}: {error}");
                    invalid += 1;
                }
                "semantic-invalid" => {
                    let filter = parsed.unwrap_or_else(|error| panic!("{at}: {error}"));
                    assert_eq!(tree(&filter), case["ast"], "{at}");
                    let resolved = filter.resolve(registry.user(), &mut Leniency::new(profile));
                    assert!(resolved.is_err(), "{at}");
                    semantic += 1;
                }
                "lenient" => {
                    let (strict, default) = lenient(id);
                    let accepts = if profile_name == "strict" { strict } else { default };
                    assert_eq!(parsed.is_ok(), accepts, "{at}: {parsed:?}");
                    open += 1;
                }
                other => panic!("{id}: unknown expectation {other}"),
            }
        }
    }
    println!(
        "filters.json in two profiles: {valid} valid, {invalid} invalid, {semantic} that do not fit, {open} open"
    );
    assert_eq!([valid, invalid, semantic, open], [600, 130, 12, 54]);
}

#[test]
fn comparison_behind_brackets_moves_into_them() {
    for (text, same) in [
        (
            r#"emails[type eq "work"].value ew "@example.org""#,
            r#"emails[type eq "work" and value ew "@example.org"]"#,
        ),
        (
            r#"emails[type eq "work" or type eq "home"].value ew "@example.org""#,
            r#"emails[(type eq "work" or type eq "home") and value ew "@example.org"]"#,
        ),
        (
            r#"not (emails[type eq "work" and value pr].primary pr) or title pr"#,
            r#"not (emails[type eq "work" and value pr and primary pr]) or title pr"#,
        ),
    ] {
        assert_eq!(parse(text, Profile::default()), parse(same, Profile::strict()), "{text}");
    }
}

#[test]
fn paths() {
    let vectors: Value = serde_json::from_str(PATHS).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for case in vectors["cases"].as_array().unwrap() {
        let (id, text) = (case["id"].as_str().unwrap(), case["path"].as_str().unwrap());
        for (_, profile) in profiles() {
            let parsed = parse_path(text, &Limits::default(), &mut Leniency::new(profile));
            if case["expect"] == "valid" {
                let form = parsed.unwrap_or_else(|error| panic!("{id} {text:?}: {error}"));
                assert_eq!(form_tree(&form), case["parsed"], "{id} {text:?}");
                valid += 1;
            } else {
                // `userName eq "x"` is a path by erratum 7122; only for lists of simple values is it a good one, which
                // is for the engine to say.
                let allowed = matches!(parsed, Ok(PathForm::Comparison(_))) && id == "P133";
                assert!(parsed.is_err() || allowed, "{id} {text:?}: {parsed:?}");
                invalid += 1;
            }
        }
    }
    println!("paths.json in two profiles: {valid} valid, {invalid} invalid");
    assert_eq!([valid, invalid], [108, 36]);
}

fn form_tree(form: &PathForm) -> Value {
    match form {
        PathForm::Attribute(attr) => json!({"path": path(attr)}),
        PathForm::Selected { path: attr, filter, sub } => json!({
            "path": path(attr),
            "filter": tree(filter),
            "sub": sub.as_ref().map(|sub| sub.as_str()),
        }),
        PathForm::Comparison(comparison) => tree(&Filter::Compare(comparison.clone())),
    }
}
