//! PATCH on the vectors and on the examples of RFC 7644, in both profiles.

use scim_core::patch::Patch;
use scim_core::{
    ChangeSet, Error, Filter, Leniency, Limits, Literal, PatchPath, Profile, Registry, Resource,
    ResourceSchema, Value, check, json,
};
use serde_json::{Value as Json, json};

const VECTORS: &str = include_str!("../fixtures/vectors/patch.json");
const PATHS: &str = include_str!("../fixtures/vectors/paths.json");

pub(crate) fn profiles() -> [(&'static str, Profile); 2] {
    [("strict", Profile::strict()), ("default", Profile::default())]
}

/// A resource read as the server reads bodies.
pub(crate) fn resource(json: &Json) -> Resource {
    Resource::parse(json.to_string().as_bytes(), &Limits::default()).unwrap()
}

pub(crate) fn message(operations: &Json) -> Json {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// What a request does, checked in every way that must agree: applying it at once, applying it with the members split
/// off, and the full check of the outcome.
pub(crate) fn run(
    message: &Json,
    before: &Resource,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<(Resource, ChangeSet), Error> {
    let limits = Limits::default();
    let object = json::parse_object(message.to_string().as_bytes(), &limits)?;
    let patch = Patch::from_object(object, &limits, leniency)?;
    let resolved = patch.resolve(schema, leniency)?;
    let mut after = before.clone();
    let outcome = resolved.apply(&mut after, schema, leniency);
    let split = split(resolved, before, schema, leniency.profile());
    let changes = match outcome {
        Ok(changes) => changes,
        Err(error) => {
            assert_eq!(text(&after), text(before), "an error leaves no trace: {error}");
            assert!(split.is_err(), "{message}: only the split form succeeds: {error}");
            return Err(error);
        }
    };
    assert_eq!(comparable(&split.unwrap()), comparable(&after), "{message}: split");
    assert_eq!(changes.is_empty(), text(&after) == text(before), "{message}: {changes}");
    let checked = check::patched(after.clone(), schema).unwrap();
    assert_eq!(comparable(&checked), comparable(&after), "{message}: check::patched finds more");
    assert_eq!(
        checked.schemas().collect::<Vec<_>>(),
        after.schemas().collect::<Vec<_>>(),
        "{message}: schemas"
    );
    Ok((after, changes))
}

/// The members apart from the rest, as a store of rows does it.
fn split(
    resolved: scim_core::ResolvedPatch,
    before: &Resource,
    schema: &ResourceSchema,
    profile: Profile,
) -> Result<Resource, Error> {
    let mut rest = before.clone();
    let mut members = rest.remove("members").map(|m| m.values().to_vec()).unwrap_or_default();
    let (resolved, edits) = resolved.split_members("members");
    resolved.apply(&mut rest, schema, &mut Leniency::new(profile))?;
    for edit in edits {
        edit.op.apply_to(&mut members)?;
    }
    if !members.is_empty() {
        rest.set("members", members);
    }
    Ok(rest)
}

pub(crate) fn text(resource: &Resource) -> String {
    serde_json::to_string(resource).unwrap()
}

/// The form in which outcomes are compared: without what the server keeps, lists without order, false primaries
/// dropped.
pub(crate) fn comparable(resource: &Resource) -> Json {
    fn normal(value: Json) -> Json {
        match value {
            Json::Array(items) => {
                let mut items: Vec<_> = items.into_iter().map(normal).collect();
                items.sort_by_key(ToString::to_string);
                Json::Array(items)
            }
            Json::Object(members) => Json::Object(
                members
                    .into_iter()
                    .filter(|(name, value)| name != "primary" || *value != json!(false))
                    .map(|(name, value)| (name, normal(value)))
                    .collect(),
            ),
            other => other,
        }
    }
    let mut json = serde_json::to_value(resource).unwrap();
    for name in ["id", "meta", "schemas", "groups"] {
        json.as_object_mut().unwrap().remove(name);
    }
    normal(json)
}

fn vectors() -> Vec<Json> {
    let filled = VECTORS
        .replace("{{self}}", "self-1")
        .replace("{{u1}}", "u-1")
        .replace("{{u2}}", "u-2")
        .replace("{{u3}}", "u-3");
    let json: Json = serde_json::from_str(&filled).unwrap();
    json["cases"].as_array().unwrap().clone()
}

#[test]
fn vectors_hold_in_both_profiles() {
    let registry = Registry::standard();
    let (mut ran, mut errors, mut failures) = (0, 0, Vec::new());
    for case in vectors() {
        let id = case["id"].as_str().unwrap();
        let schema = registry.get(case["resourceType"].as_str().unwrap()).unwrap();
        let mut before = resource(&case["before"]);
        before.set("id", "self-1");
        for (profile_name, profile) in profiles() {
            ran += 1;
            let mut leniency = Leniency::new(profile);
            let outcome = run(&message(&case["operations"]), &before, schema, &mut leniency);
            errors += usize::from(outcome.is_err());
            let alternatives = case["expect"]["alternatives"].as_array().cloned();
            let fits = std::iter::once(case["expect"].clone())
                .chain(alternatives.unwrap_or_default())
                .filter(|e| e["for"].as_str().is_none_or(|f| f == profile_name))
                .any(|expected| fits(&expected, &outcome));
            if !fits {
                failures.push(format!("{id} {profile_name}: {outcome:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{ran} runs, {errors} refused");
    assert_eq!((ran, errors), (280, 55));
}

fn fits(expected: &Json, outcome: &Result<(Resource, ChangeSet), Error>) -> bool {
    match outcome {
        Ok((after, _)) => {
            expected.get("after").is_some_and(|e| comparable(&resource(e)) == comparable(after))
        }
        Err(error) => expected.get("error").is_some_and(|e| {
            let (status, scim_type) = error.code();
            let types = e["scimType"].as_array().unwrap();
            e["status"] == json!(status.as_u16()) && types.iter().any(|t| t.as_str() == scim_type)
        }),
    }
}

#[test]
fn path_vectors_parse_and_print() {
    let json: Json = serde_json::from_str(PATHS).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for case in json["cases"].as_array().unwrap() {
        let (id, text) = (&case["id"], case["path"].as_str().unwrap());
        for (name, profile) in profiles() {
            let parsed = PatchPath::parse(text, &Limits::default(), &mut Leniency::new(profile));
            if case["expect"] == "invalid" {
                assert!(parsed.is_err(), "{id} {name}: {text} is read as {parsed:?}");
                invalid += 1;
                continue;
            }
            let path = parsed.unwrap_or_else(|e| panic!("{id} {name}: {text}: {e}"));
            valid += 1;
            assert_eq!(path.to_string().parse::<PatchPath>().unwrap(), path, "{id}: {text}");
            let (want, attribute) = (&case["parsed"], path.attribute().unwrap());
            assert_eq!(attribute_json(attribute), want["path"], "{id}: {text}");
            assert_eq!(
                path.filter().map_or(Json::Null, filter_json),
                want.get("filter").cloned().unwrap_or_default(),
                "{id}: {text}"
            );
            if path.filter().is_some() {
                assert_eq!(json!(path.sub().map(|s| s.as_str())), want["sub"], "{id}: {text}");
            }
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert_eq!((valid, invalid), (108, 36));
}

fn attribute_json(path: &scim_core::AttrPath) -> Json {
    json!({
        "urn": path.uri().map(|u| u.as_str()),
        "name": path.name().as_str(),
        "sub": path.sub().map(|s| s.as_str()),
    })
}

fn filter_json(filter: &Filter) -> Json {
    let list = |op: &str, terms: &[Filter]| json!({"op": op, "args": terms.iter().map(filter_json).collect::<Vec<_>>()});
    match filter {
        Filter::And(terms) => list("and", terms),
        Filter::Or(terms) => list("or", terms),
        Filter::Not(term) => json!({"op": "not", "arg": filter_json(term)}),
        Filter::Present(path) => json!({"attr": attribute_json(path), "op": "pr"}),
        Filter::Compare(c) => json!({
            "attr": attribute_json(&c.path),
            "op": c.op.as_str(),
            "value": match &c.value {
                Literal::Null => Json::Null,
                Literal::Bool(b) => json!(b),
                Literal::Number(n) => json!(n),
                Literal::String(s) => json!(s.as_str()),
            },
        }),
        Filter::ValuePath { path, filter } => {
            json!({"valuePath": attribute_json(path), "filter": filter_json(filter)})
        }
    }
}

/// The PATCH examples of RFC 7644 and what they do to the example resources of RFC 7643.
#[test]
fn rfc_examples() {
    let registry = Registry::standard();
    let read = |name: &str| -> Json {
        let path = format!("{}/tests/fixtures/rfc/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
    };
    let full = resource(&read("rfc7643-8.2-user-full"));
    let minimal = resource(&read("rfc7643-8.1-user-minimal"));
    let mut group = resource(&read("rfc7643-8.4-group"));
    let group_of_two = group.clone();
    let second = group.get("members").unwrap().values()[1].clone();
    group.set("members", [second]);
    let files: Vec<_> =
        std::fs::read_dir(format!("{}/tests/fixtures/rfc", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("rfc7644-3.5.2") && name.contains("patch"))
            .collect();
    assert_eq!(files.len(), EXAMPLES.len());
    for (name, expected) in EXAMPLES {
        let message = read(&format!("rfc7644-3.5.2.{name}-request"));
        let (schema, before) = match *name {
            "1-patch-add-member" => (registry.group(), &group),
            name if name.contains("member") => (registry.group(), &group_of_two),
            name if name.contains("no-path") => (registry.user(), &minimal),
            _ => (registry.user(), &full),
        };
        for (profile_name, profile) in profiles() {
            let mut leniency = Leniency::new(profile);
            let (after, changes) = run(&message, before, schema, &mut leniency)
                .unwrap_or_else(|e| panic!("{name} {profile_name}: {e}"));
            let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(lines.len(), expected.len(), "{name} {profile_name}: {changes}");
            for (line, parts) in lines.iter().zip(*expected) {
                let all = parts.iter().all(|part| line.contains(part));
                assert!(all, "{name} {profile_name}: {line} without {parts:?}");
            }
            assert!(leniency.traces().is_empty(), "{name} needs no tolerance");
            let (_, again) = run(&message, &after, schema, &mut leniency).unwrap();
            assert!(again.is_empty(), "{name} {profile_name}: again {again}");
        }
    }
}

/// The end of each file's name, and parts of the lines that say what changed.
const EXAMPLES: &[(&str, &[&[&str]])] = &[
    ("1-patch-add-member", &[&["members: {\"value\":\"2819c223-", "added"]]),
    (
        "1-patch-add-no-path-emails-nickname",
        &[&["emails: {", "babs@jensen.org", "added"], &["nickName: \"Babs\" added"]],
    ),
    (
        "2-patch-remove-all-and-add-members",
        &[&["2819c223-", "->"], &["902c246b-", "removed"], &["08e1d05d-", "added"]],
    ),
    ("2-patch-remove-all-members", &[&["2819c223-", "removed"], &["902c246b-", "removed"]]),
    // The RFC shortens the ids of these two, so that they name nobody.
    ("2-patch-remove-and-add-member", &[&["08e1d05d...473d93df9210", "added"]]),
    ("2-patch-remove-one-member", &[]),
    ("2-patch-remove-email-by-filter", &[&["emails: {", "bjensen@example.com", "removed"]]),
    (
        "3-patch-replace-all-members",
        &[
            &["2819c223-", "removed"],
            &["902c246b-", "removed"],
            &["2819c223...", "added"],
            &["08e1d05d...", "added"],
        ],
    ),
    (
        "3-patch-replace-no-path-emails-nickname",
        &[
            &["emails: {", "bjensen@example.com", "added"],
            &["emails: {", "babs@jensen.org", "added"],
            &["nickName: \"Babs\" added"],
        ],
    ),
    (
        "3-patch-replace-street-by-filter",
        &[&["addresses: {", "100 Universal City Plaza", " -> {", "1010 Broadway Ave"]],
    ),
    (
        "3-patch-replace-work-address",
        &[&["addresses: {", "100 Universal City Plaza", " -> {", "911 Universal City Plaza"]],
    ),
];

#[test]
fn an_error_in_a_later_operation_undoes_the_earlier_ones() {
    let registry = Registry::standard();
    let before = resource(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1", "userName": "ada", "title": "Dr", "name": {"givenName": "Ada"},
        "emails": [{"value": "a@x.example", "type": "work", "primary": true}],
    }));
    let steps = json!([
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "nickName", "value": "A"},
        {"op": "replace", "path": "name.givenName", "value": "B"},
        {"op": "add", "path": "emails", "value": [{"value": "b@x.example", "primary": true}]},
        {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", "value": "D"},
        {"op": "add", "path": "title", "value": "Prof"},
    ]);
    for last in [
        json!({"op": "remove", "path": "userName"}),
        json!({"op": "replace", "path": "emails[type eq \"none\"]", "value": {"value": "x"}}),
        json!({"op": "replace", "value": {"id": "2"}}),
    ] {
        let mut operations = steps.as_array().unwrap().clone();
        operations.push(last);
        for (_, profile) in profiles() {
            let mut leniency = Leniency::new(profile);
            let outcome =
                run(&message(&json!(operations)), &before, registry.user(), &mut leniency);
            assert!(outcome.is_err());
        }
    }
    let mut leniency = Leniency::new(Profile::strict());
    let (after, _) = run(&message(&steps), &before, registry.user(), &mut leniency).unwrap();
    assert_eq!(after.get("title"), Some(&Value::from("Prof")));
}

#[test]
fn a_filter_selects_nothing_in_a_single_value() {
    let registry = Registry::standard();
    let before = resource(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "1", "userName": "ada", "title": "Dr",
    }));
    for path in [r#"title[value eq "Dr"]"#, r#"title eq "Dr""#, r#"userName eq "x""#] {
        for (name, profile) in profiles() {
            let operations = json!([{"op": "remove", "path": path}]);
            let outcome =
                run(&message(&operations), &before, registry.user(), &mut Leniency::new(profile));
            let Err(error) = outcome else { panic!("{path} in {name}: accepted") };
            assert_eq!(error.code().1, Some("invalidPath"), "{path} in {name}: {error}");
        }
    }
}
