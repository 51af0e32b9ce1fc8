//! Properties of the gate for writes that hold for any body.

use proptest::prelude::*;
use scim_core::{
    AttrName, Attribute, AttributeType, Leniency, Mutability, Object, Profile, Registry, Resource,
    ResourceSchema, Schema, Tolerance, Value, check,
};
use serde_json::{Value as Json, json};

fn resource(json: Json) -> Resource {
    let Value::Object(object) = Value::from(json) else { panic!("not an object") };
    object.into()
}

fn leaf(attribute: &Attribute) -> BoxedStrategy<Json> {
    let good = match attribute.kind {
        AttributeType::Boolean => any::<bool>().prop_map(Json::from).boxed(),
        AttributeType::Integer => any::<i64>().prop_map(Json::from).boxed(),
        AttributeType::Decimal => (-1e6..1e6).prop_map(Json::from).boxed(),
        AttributeType::DateTime => Just(json!("2011-05-13T04:42:34Z")).boxed(),
        AttributeType::Binary => Just(json!("MIIDQw")).boxed(),
        AttributeType::Reference => Just(json!("https://example.org/a")).boxed(),
        _ => "[a-zA-Zé]{0,6}".prop_map(Json::from).boxed(),
    };
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!("True")),
        Just(json!("7")),
        Just(json!([])),
        Just(json!({"value": ""})),
        Just(json!("")),
        any::<i16>().prop_map(Json::from),
    ];
    prop_oneof![8 => good, 1 => odd].boxed()
}

fn any_value(attribute: &Attribute) -> BoxedStrategy<Json> {
    let one = match attribute.is_complex() {
        true => members_of(&attribute.sub_attributes, 4),
        false => leaf(attribute),
    };
    match attribute.multi_valued {
        true => prop_oneof![9 => prop::collection::vec(one.clone(), 0..3).prop_map(Json::from), 1 => one].boxed(),
        false => one,
    }
}

fn members_of(attributes: &[Attribute], most: usize) -> BoxedStrategy<Json> {
    let unknown = Attribute::new(AttrName::new("unheard-of").unwrap(), AttributeType::String);
    let pairs: Vec<_> = attributes
        .iter()
        .chain([&unknown])
        .map(|a| (Just(a.name.to_string()), any::<bool>(), any_value(a)).boxed())
        .collect();
    prop::sample::subsequence(pairs, 0..=most.min(attributes.len()))
        .prop_flat_map(|pairs| pairs)
        .prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(name, upper, value)| (if upper { name.to_uppercase() } else { name }, value))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
        .boxed()
}

fn any_body(schema: &ResourceSchema) -> BoxedStrategy<Json> {
    let base: Vec<Attribute> =
        schema.base().attributes.iter().chain(schema.common()).cloned().collect();
    let uri = schema.base().id.to_string();
    let extensions: Vec<Schema> = schema.extensions().map(|(s, _)| s.clone()).collect();
    let data: Vec<_> = extensions
        .iter()
        .map(|s| (Just(s.id.to_string()), prop::option::of(members_of(&s.attributes, 3))))
        .collect();
    (members_of(&base, 8), data, "[a-z]{1,6}")
        .prop_map(move |(mut body, data, name)| {
            let members = body.as_object_mut().unwrap();
            members.retain(|name, _| !name.eq_ignore_ascii_case("schemas"));
            members.insert("schemas".to_owned(), json!([uri]));
            for required in ["userName", "displayName"] {
                members.retain(|name, _| !name.eq_ignore_ascii_case(required));
                members.insert(required.to_owned(), json!(name));
            }
            for (uri, data) in data {
                if let Some(data) = data {
                    members.insert(uri, data);
                }
            }
            body
        })
        .boxed()
}

fn no_read_only(object: &Object, attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| match object.get(attribute.name.as_str()) {
        None => true,
        Some(_) if attribute.mutability == Mutability::ReadOnly => false,
        Some(value) => value
            .values()
            .iter()
            .filter_map(Value::as_object)
            .all(|inner| no_read_only(inner, &attribute.sub_attributes)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_canonical(
        (kind, body) in (0..3_usize).prop_flat_map(|kind| {
            let registry = Registry::standard();
            let body = any_body(registry.resource_types().nth(kind).unwrap());
            (Just(kind), body)
        })
    ) {
        let registry = Registry::standard();
        let schema = registry.resource_types().nth(kind).unwrap();
        let mut leniency = Leniency::new(Profile::default());
        let Ok(checked) = check::create(resource(body), schema, &mut leniency) else {
            return Ok(());
        };
        // Canonical output passes the strict gate but for content rules, unchanged.
        let content = Profile::strict().with(Tolerance::AnyCountry).with(Tolerance::AnyUserName);
        let again = check::create((*checked).clone(), schema, &mut Leniency::new(content)).unwrap();
        let text = |r: &Resource| serde_json::to_string(r).unwrap();
        prop_assert_eq!(text(&again), text(&checked));
        // Replacing a resource by itself, and a PATCH that changes nothing, yield the same.
        let replaced =
            check::replace((*checked).clone(), &checked, schema, &mut Leniency::new(content)).unwrap();
        prop_assert_eq!(&*replaced, &*checked);
        prop_assert_eq!(text(&check::patched((*checked).clone(), schema).unwrap()), text(&checked));

        prop_assert!(no_read_only(checked.object(), &schema.base().attributes));
        prop_assert!(no_read_only(checked.object(), schema.common()));
        for (extension, _) in schema.extensions() {
            if let Some(data) = checked.extension(extension.id.as_str()) {
                prop_assert!(no_read_only(data, &extension.attributes));
            }
        }
        prop_assert!(checked.object().values().all(|v| !v.is_unassigned()));
    }
}
