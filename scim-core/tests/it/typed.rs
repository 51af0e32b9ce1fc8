//! The typed views: lossless both ways, and described by JSON Schemas that the RFCs' examples satisfy.

use proptest::prelude::*;
use schemars::generate::SchemaSettings;
use scim_core::{
    Attribute, AttributeType, Contact, Email, EmailType, EnterpriseUser, Group, Member, Name,
    Object, OnPremises, Registry, Resource, ResourceSchema, User, Value, urn,
};
use serde_json::{Value as Json, json};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rfc");

/// Every object in the RFCs' examples that says in `schemas` that it is a resource, with the file it is from.
fn example_resources() -> Vec<(String, String, Json)> {
    let mut found = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(EXAMPLES).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        collect(&name, &json, &mut found);
    }
    found
}

fn collect(file: &str, json: &Json, found: &mut Vec<(String, String, Json)>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(file, item, found)),
        Json::Object(members) => {
            let uris = members.get("schemas").and_then(Json::as_array).cloned().unwrap_or_default();
            let bases = [
                urn::USER,
                urn::GROUP,
                urn::SERVICE_PROVIDER_CONFIG,
                urn::RESOURCE_TYPE,
                urn::SCHEMA,
            ];
            if let Some(base) = bases.into_iter().find(|base| uris.iter().any(|uri| uri == base)) {
                found.push((file.to_owned(), base.to_owned(), json.clone()));
            }
            members.values().for_each(|member| collect(file, member, found));
        }
        _ => {}
    }
}

fn errors(schema: &Json, instance: &Json) -> Vec<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    validator.iter_errors(instance).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// Examples that do not satisfy the RFC's own schema, and why.
const NOT_VALID: [(&str, &[&str]); 3] = [
    // Section 8.7.2 requires the attribute; both texts leave it out for Group, as an empty list may be.
    ("rfc7643-8.6-resource-type-group.json", &["schemaExtensions"]),
    ("rfc7644-4-resource-types-list-response.json", &["schemaExtensions"]),
    // A fragment, as its name says.
    (
        "rfc9865-4-service-provider-config-pagination-fragment.json",
        &["patch", "bulk", "filter", "changePassword", "sort", "etag", "authenticationSchemes"],
    ),
];

#[test]
fn json_schemas_accept_the_examples_of_the_rfcs() {
    let registry = Registry::standard();
    let examples = example_resources();
    for (file, base, json) in &examples {
        let schema = match registry.resource_types().find(|t| t.base().id == base.as_str()) {
            Some(resource_type) => resource_type.json_schema(),
            None => registry.schema(base).unwrap().json_schema(),
        };
        let errors = errors(&schema.to_value(), json);
        match NOT_VALID.iter().find(|(name, _)| name == file) {
            Some((_, missing)) if !errors.is_empty() => {
                let expected: Vec<_> =
                    missing.iter().map(|m| format!(": \"{m}\" is a required property")).collect();
                assert_eq!(errors, expected, "{file}");
            }
            _ => assert_eq!(errors, [""; 0], "{file}"),
        }
    }
    println!("{} resources", examples.len());
    assert_eq!(examples.len(), 32);
}

#[test]
fn json_schemas_refuse_what_the_schema_does_not_allow() {
    let registry = Registry::standard();
    let user = registry.user().json_schema().to_value();
    assert!(jsonschema::meta::is_valid(&user));
    let good = json!({"schemas": [urn::USER], "userName": "ada", "x-other": 1});
    assert_eq!(errors(&user, &good), [""; 0]);
    for (pointer, bad) in [
        ("", json!({"schemas": [urn::USER]})),
        ("/active", json!({"schemas": [], "userName": "a", "active": "true"})),
        ("/emails", json!({"schemas": [], "userName": "a", "emails": {"value": "x"}})),
        ("/emails/0/value", json!({"schemas": [], "userName": "a", "emails": [{"value": 1}]})),
        ("/meta/created", json!({"schemas": [], "userName": "a", "meta": {"created": "today"}})),
        (
            "/x509Certificates/0/value",
            json!({"schemas": [], "userName": "a", "x509Certificates": [{"value": "?"}]}),
        ),
        ("/profileUrl", json!({"schemas": [], "userName": "a", "profileUrl": "a b"})),
        (
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager",
            json!({"schemas": [], "userName": "a", urn::ENTERPRISE_USER: {"manager": "26"}}),
        ),
    ] {
        let errors = errors(&user, &bad);
        assert_eq!(errors.len(), 1, "{bad}: {errors:?}");
        assert!(errors[0].starts_with(&format!("{pointer}: ")), "{errors:?}");
    }
}

fn typed_schema<T: schemars::JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn assert_same_names(json: &Json, attributes: &[&Attribute], what: &str) {
    let mut ours: Vec<_> = json["properties"].as_object().unwrap().keys().cloned().collect();
    let mut theirs: Vec<_> = attributes.iter().map(|a| a.name.to_string()).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "{what}");
    for attribute in attributes {
        let name = attribute.name.as_str();
        let field = &json["properties"][name];
        assert_eq!(field["type"] == "array", attribute.multi_valued, "{what} {name}");
        let value = if attribute.multi_valued { &field["items"] } else { field };
        let wanted = match attribute.kind {
            AttributeType::Boolean => "boolean",
            AttributeType::Complex => "object",
            _ => "string",
        };
        assert_eq!(value["type"], wanted, "{what} {name}");
        if attribute.is_complex() {
            let subs: Vec<_> = attribute.sub_attributes.iter().collect();
            assert_same_names(value, &subs, name);
        }
        for text in &attribute.canonical_values {
            let examples = value["examples"].as_array().unwrap();
            assert!(examples.iter().any(|e| e == text), "{what} {name}: {text}");
        }
    }
}

#[test]
fn structs_have_the_fields_of_their_schemas() {
    let registry = Registry::standard();
    fn whole(schema: &ResourceSchema) -> Vec<&Attribute> {
        schema.base().attributes.iter().chain(schema.common()).collect()
    }
    assert_same_names(&typed_schema::<User>(), &whole(registry.user()), "User");
    assert_same_names(&typed_schema::<Group>(), &whole(registry.group()), "Group");
    assert_same_names(
        &typed_schema::<Contact>(),
        &whole(registry.get("Contact").unwrap()),
        "Contact",
    );
    for (json, urn) in [
        (typed_schema::<EnterpriseUser>(), urn::ENTERPRISE_USER),
        (typed_schema::<OnPremises>(), urn::ON_PREMISES),
    ] {
        let schema = registry.schema(urn).unwrap();
        assert_same_names(&json, &schema.attributes.iter().collect::<Vec<_>>(), urn);
    }
}

fn there_and_back(resource: &Resource) -> Result<Resource, String> {
    let base = resource.schemas().find(|uri| [urn::USER, urn::GROUP, urn::CONTACT].contains(uri));
    let resource = resource.clone();
    let back: Result<Resource, _> = match base {
        Some(urn::USER) => User::try_from(resource).map(Into::into),
        Some(urn::GROUP) => Group::try_from(resource).map(Into::into),
        _ => Contact::try_from(resource).map(Into::into),
    };
    back.map_err(|e| e.to_string())
}

#[test]
fn examples_of_the_rfcs_survive_the_typed_form() {
    let (user, group) = (typed_schema::<User>(), typed_schema::<Group>());
    let mut ran = 0;
    for (file, base, json) in example_resources() {
        let schema = match base.as_str() {
            urn::USER => &user,
            urn::GROUP => &group,
            _ => continue,
        };
        let mut resource: Resource = serde_json::from_value(json.clone()).unwrap();
        // An empty list is the same as none (RFC 7643 section 2.5).
        resource.object_mut().retain(|_, value| !value.is_unassigned());
        assert_eq!(there_and_back(&resource).unwrap(), resource, "{file}");
        assert_eq!(errors(schema, &json), [""; 0], "{file}");
        ran += 1;
    }
    println!("{ran} users and groups");
    assert_eq!(ran, 26);
}

#[test]
fn builders_make_what_the_wire_shows() {
    let ada = User::new("ada")
        .with_name(Name::new("Ada", "Lovelace"))
        .with_email(Email::work("ada@example.org").primary())
        .with_email("ada@home.example.org")
        .with_active(true)
        .with_extension(EnterpriseUser::default().with_department("Engines").with_manager("26"));
    assert_eq!(
        serde_json::to_value(&ada).unwrap(),
        json!({
            "schemas": [urn::USER, urn::ENTERPRISE_USER],
            "userName": "ada",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "active": true,
            "emails": [
                {"value": "ada@example.org", "type": "work", "primary": true},
                {"value": "ada@home.example.org"}
            ],
            urn::ENTERPRISE_USER: {"department": "Engines", "manager": {"value": "26"}}
        })
    );
    let text = serde_json::to_string(&ada).unwrap();
    assert_eq!(serde_json::from_str::<User>(&text).unwrap(), ada);
    assert_eq!(ada.extension::<OnPremises>().unwrap(), None);
    let group = Group::new("Engineers").with_member(Member::contact("7"));
    assert_eq!(
        serde_json::to_value(group).unwrap()["members"],
        json!([{"value": "7", "type": "Contact"}])
    );
}

#[test]
fn names_in_any_case_are_fields_and_the_rest_is_extra() {
    let user: User = serde_json::from_value(json!({
        "USERNAME": "ada", "Emails": [{"TYPE": "Work", "Value": "a", "x-note": [1]}], "nickName": null, "x-level": {"a": 1}
    }))
    .unwrap();
    assert_eq!(user.user_name, "ada");
    assert_eq!(user.emails[0].kind, Some(EmailType::Work));
    assert_eq!(user.emails[0].kind.as_ref().unwrap().as_str(), "Work");
    assert_eq!(user.emails[0].extra.get("x-note"), Some(&Value::from([1_i64])));
    assert_eq!(user.extra.len(), 1);
    // A field that is assigned wins over an entry put into `extra` by hand; one that is not lets it through.
    let mut user = user;
    user.extra.insert("USERname", "grace");
    user.extra.insert("title", "Countess");
    let object = user.into_object();
    assert_eq!(
        (object.get_str("userName"), object.get_str("title")),
        (Some("ada"), Some("Countess"))
    );
}

#[test]
fn what_does_not_fit_is_said_with_its_place() {
    for (json, message) in [
        (json!({}), "userName: is missing"),
        (json!({"userName": null}), "userName: is missing"),
        (json!({"userName": 7}), "userName: must be a string, but is a number"),
        (json!({"userName": "a", "emails": "s3cr3t"}), "emails: must be an array, but is a string"),
        (
            json!({"userName": "a", "emails": [{}, {"type": true}]}),
            "emails[1].type: must be a string, but is a boolean",
        ),
        (json!({"userName": "a", "name": []}), "name: must be an object, but is an array"),
    ] {
        let resource: Resource = serde_json::from_value(json).unwrap();
        assert_eq!(User::try_from(resource).unwrap_err().to_string(), message);
    }
    let mut user = User::new("ada");
    user.extra.insert(urn::ENTERPRISE_USER, Value::from("s3cr3t"));
    let error = user.extension::<EnterpriseUser>().unwrap_err();
    assert!(
        error.to_string().starts_with(urn::ENTERPRISE_USER)
            && !error.to_string().contains("s3cr3t")
    );
}

#[test]
fn debug_hides_the_password() {
    let shown = format!("{:?}", User::new("ada").with_password("s3cr3t"));
    assert!(shown.contains("ada") && !shown.contains("s3cr3t"), "{shown}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f32>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

fn any_value(attribute: &Attribute) -> BoxedStrategy<Json> {
    let one = match attribute.kind {
        AttributeType::Boolean => any::<bool>().prop_map(Json::from).boxed(),
        AttributeType::Complex => members_of(attribute.sub_attributes.iter().collect()),
        _ if !attribute.canonical_values.is_empty() => {
            prop_oneof![prop::sample::select(attribute.canonical_values.clone()), "[a-zA-Z]{0,6}"]
                .prop_map(Json::from)
                .boxed()
        }
        _ => "\\PC{0,8}".prop_map(Json::from).boxed(),
    };
    match attribute.multi_valued {
        true => prop::collection::vec(one, 1..3).prop_map(Json::from).boxed(),
        false => one,
    }
}

/// Some of the attributes, in any letter case, among members that no schema knows.
fn members_of(attributes: Vec<&Attribute>) -> BoxedStrategy<Json> {
    let pairs: Vec<_> = attributes
        .iter()
        .map(|a| {
            let case =
                prop::sample::select(vec![a.name.to_string(), a.name.as_str().to_uppercase()]);
            (case, any_value(a)).boxed()
        })
        .collect();
    let most = pairs.len().min(6);
    let unknown = prop::collection::btree_map("x-[a-z]{1,4}", any_json(), 0..2);
    (prop::sample::subsequence(pairs, 0..=most).prop_flat_map(|pairs| pairs), unknown)
        .prop_map(|(known, unknown)| Json::Object(known.into_iter().chain(unknown).collect()))
        .boxed()
}

fn any_resource() -> impl Strategy<Value = Resource> {
    (0..3_usize).prop_flat_map(|kind| {
        let registry = Registry::standard();
        let schema = registry.resource_types().nth(kind).unwrap();
        let required = if kind == 0 { "userName" } else { "displayName" };
        let uri = schema.base().id.to_string();
        let uris: Vec<String> = schema.extensions().map(|(e, _)| e.id.to_string()).collect();
        let data: Vec<_> = schema
            .extensions()
            .map(|(e, _)| prop::option::of(members_of(e.attributes.iter().collect())))
            .collect();
        let attributes = schema.base().attributes.iter().chain(schema.common());
        let attributes =
            attributes.filter(|a| a.name != *required && a.name != "schemas").collect();
        (members_of(attributes), data, "[a-z]{1,6}").prop_map(move |(members, data, name)| {
            let mut object: Object = serde_json::from_value(members).unwrap();
            object.insert("schemas", vec![uri.as_str()]);
            object.insert(required, name);
            for (uri, data) in uris.iter().zip(data) {
                if let Some(data) = data {
                    object.insert(uri, data);
                }
            }
            Resource::from(object)
        })
    })
}

/// Texts of a user, in the order of the fields.
const TEXTS: [&str; 12] = [
    "id",
    "externalId",
    "userName",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "password",
];

/// Members of a user in any order and letter case: texts, `null`, sometimes a number that does not fit, and unknown ones.
fn any_members() -> impl Strategy<Value = Vec<(String, Value)>> {
    let fitting = prop_oneof![8 => "[a-z]{0,30}".prop_map(Value::from), 1 => Just(Value::Null)];
    let value = prop_oneof![30 => fitting, 1 => Just(Value::from(7_i64))];
    let known = prop::sample::subsequence(TEXTS.to_vec(), 0..=TEXTS.len())
        .prop_flat_map(|names| names.into_iter().map(|n| Just(n.to_owned())).collect::<Vec<_>>());
    let unknown = prop::collection::btree_set("x-[a-z]{1,3}", 0..6);
    (known, unknown)
        .prop_flat_map(move |(known, unknown)| {
            let names: Vec<String> = known.into_iter().chain(unknown).collect();
            let values = prop::collection::vec((value.clone(), 0..3), names.len());
            (Just(names), values)
        })
        .prop_map(|(names, values)| {
            let spelled = |(name, (value, style)): (String, (Value, i32))| match style {
                0 => (name.to_uppercase(), value),
                1 => (name.to_lowercase(), value),
                _ => (name, value),
            };
            names.into_iter().zip(values).map(spelled).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn any_resource_survives_the_typed_form(resource in any_resource()) {
        prop_assert_eq!(there_and_back(&resource), Ok(resource));
    }

    /// The model takes one field after the other out of what came.
    #[test]
    fn fields_are_found_wherever_they_stand(members in any_members()) {
        let mut left: Object = members.iter().map(|(name, value)| (name, value.clone())).collect();
        let mut wanted = Object::new();
        let mut fault = None;
        for name in TEXTS {
            match left.remove(name).unwrap_or_default() {
                Value::Null if name != "userName" => {}
                value @ Value::String(_) => drop(wanted.insert(name, value)),
                _ => fault = fault.or(Some(name)),
            }
        }
        let sent: Object = members.into_iter().collect();
        match User::try_from(sent) {
            Ok(user) => {
                prop_assert_eq!(fault, None);
                prop_assert_eq!(format!("{:?}", user.extra), format!("{left:?}"), "order and spelling");
                for (name, value) in left {
                    wanted.insert(&name, value);
                }
                prop_assert_eq!(user.to_object(), wanted.clone());
                prop_assert_eq!(user.into_object(), wanted);
            }
            Err(error) => prop_assert_eq!(Some(error.at()), fault),
        }
    }
}
