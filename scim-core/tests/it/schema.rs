//! The schema vectors: characteristics of the built-in attributes, and bodies that a POST takes or refuses.

use scim_core::{
    Attribute, Leniency, Limits, Profile, Registry, Resource, Schema, Tolerance, check,
};
use serde_json::Value as Json;

const VECTORS: &str = include_str!("../fixtures/vectors/schema.json");

fn rows(list: &str) -> Vec<Json> {
    let vectors: Json = serde_json::from_str(VECTORS).unwrap();
    vectors[list].as_array().unwrap().clone()
}

fn find<'a>(schema: &'a Schema, path: &str) -> Option<&'a Attribute> {
    match path.split_once('.') {
        Some((name, sub)) => schema.attribute(name)?.sub(sub),
        None => schema.attribute(path),
    }
}

#[test]
fn attributes_have_the_characteristics_of_the_rfc() {
    let registry = Registry::rfc7643();
    let mut facts = 0;
    let rows = rows("attributes");
    for row in &rows {
        let (id, uri) = (&row["id"], row["schema"].as_str().unwrap());
        let schema = registry.schema(uri).unwrap_or_else(|| panic!("{id}: no schema {uri}"));
        let attribute = find(schema, row["attribute"].as_str().unwrap())
            .unwrap_or_else(|| panic!("{id}: no attribute {}", row["attribute"]));
        let ours = serde_json::to_value(attribute).unwrap();
        for (fact, expected) in row["facts"].as_object().unwrap() {
            assert_eq!(ours[fact], *expected, "{id}: {} {fact}", row["attribute"]);
            facts += 1;
        }
    }
    println!("{} attributes, {facts} facts", rows.len());
    assert_eq!((rows.len(), facts), (40, 187));
}

/// What the profiles decide where the vectors leave it open (level `lenient`): the tolerance that lets it pass in the
/// default profile, or none when both refuse.
const OPEN: [(&str, Option<Tolerance>); 2] =
    [("C028", Some(Tolerance::WrapObject)), ("C041", None)];

#[test]
fn bodies_are_taken_or_refused() {
    let registry = Registry::standard();
    let rows = rows("payloads");
    let mut ran = 0;
    for row in &rows {
        let id = row["id"].as_str().unwrap();
        let body = match row["raw"].as_str() {
            // Raw bodies are bytes, written as Latin-1.
            Some(raw) => raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
            None => serde_json::to_vec(&row["resource"]).unwrap(),
        };
        let schema = registry.get(row["resourceType"].as_str().unwrap()).unwrap();
        let open = OPEN.iter().find(|(open, _)| *open == id);
        assert_eq!(row["level"] == "lenient", open.is_some(), "{id}: say what the profiles do");
        for (profile, strict) in [(Profile::strict(), true), (Profile::default(), false)] {
            let mut leniency = Leniency::new(profile);
            let outcome = Resource::parse(&body, &Limits::default())
                .and_then(|resource| check::create(resource, schema, &mut leniency));
            let refused = match open {
                Some((_, tolerance)) => strict || tolerance.is_none(),
                None => row["expect"]["status"] == 400,
            };
            let context = format!("{id} ({profile:?}): {outcome:?}");
            match (outcome, refused) {
                (Ok(resource), false) => check_kept(&row["check"], &resource, &context),
                (Err(error), true) => {
                    assert_eq!(error.status(), 400, "{context}");
                    let types = row["expect"]["scimType"].as_array();
                    let scim_type = error.code().1.unwrap();
                    assert!(
                        types.is_none_or(|types| types.iter().any(|t| t == scim_type)),
                        "{context}"
                    );
                }
                _ => panic!("{context}"),
            }
            // No row needs a tolerance but the one that is open.
            let expected: Vec<_> =
                open.and_then(|(_, t)| *t).filter(|_| !strict).into_iter().collect();
            let used: Vec<_> = leniency.traces().iter().map(|t| t.tolerance).collect();
            assert_eq!(used, expected, "{context}");
            ran += 1;
        }
    }
    println!("{} bodies, {ran} runs", rows.len());
    assert_eq!((rows.len(), ran), (35, 70));
}

fn check_kept(checks: &Json, resource: &Resource, context: &str) {
    let Some(checks) = checks.as_object() else { return };
    for (name, expected) in checks {
        let kept = resource.get(name).map(|v| serde_json::to_value(v).unwrap());
        if expected["absent"] == true {
            // Returned never: the check keeps it, the projection hides it.
            let attribute = Registry::standard().user().attribute(name).unwrap().clone();
            assert!(attribute.is_secret(), "{context}: {name}");
        } else if let Some(not) = expected.get("not") {
            assert_ne!(kept.as_ref(), Some(not), "{context}: {name}");
        } else {
            assert_eq!(kept.as_ref(), Some(expected), "{context}: {name}");
        }
    }
}
