//! Matching against a second, naive reading of RFC 7644 section 3.4.2.2 that works on plain JSON and knows no schema
//! but the table below.

use proptest::prelude::*;
use scim_core::{CompareOp, Filter, Leniency, Literal, Profile, Registry, Resource, attr};
use serde_json::{Value, json};

/// How the attributes of the random users compare.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Without regard to case.
    Text,
    /// Exactly.
    Id,
    Flag,
    /// All in the same notation, so that order of text is order of time.
    Time,
}

const FIELDS: [(&str, Kind); 12] = [
    ("userName", Kind::Text),
    ("title", Kind::Text),
    ("externalId", Kind::Id),
    ("active", Kind::Flag),
    ("meta.created", Kind::Time),
    ("name.familyName", Kind::Text),
    ("name", Kind::Text),
    ("emails.value", Kind::Text),
    ("emails.type", Kind::Text),
    ("emails.primary", Kind::Flag),
    ("emails", Kind::Text),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", Kind::Text),
];

const SUBS: [(&str, Kind); 3] =
    [("value", Kind::Text), ("type", Kind::Text), ("primary", Kind::Flag)];

/// All values at a path, lists opened; a complex value stands for its `value`.
fn values<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
    match (value, path) {
        (Value::Array(items), _) => items.iter().for_each(|item| values(item, path, found)),
        (Value::Object(object), [first, rest @ ..]) => {
            if let Some(value) = object.get(*first) {
                values(value, rest, found);
            }
        }
        (value, []) => found.push(value),
        _ => {}
    }
}

fn steps(path: &str) -> Vec<&str> {
    match path.rsplit_once(':') {
        Some((uri, name)) => std::iter::once(uri).chain(name.split('.')).collect(),
        None => path.split('.').collect(),
    }
}

fn not_empty(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(not_empty),
        Value::Object(object) => object.values().any(not_empty),
        _ => true,
    }
}

fn holds(filter: &Filter, value: &Value, fields: &[(&str, Kind)]) -> bool {
    match filter {
        Filter::And(terms) => terms.iter().all(|term| holds(term, value, fields)),
        Filter::Or(terms) => terms.iter().any(|term| holds(term, value, fields)),
        Filter::Not(inner) => !holds(inner, value, fields),
        Filter::Present(path) => {
            let mut found = Vec::new();
            values(value, &steps(&path.to_string()), &mut found);
            found.into_iter().any(not_empty)
        }
        Filter::ValuePath { path, filter } => {
            let elements = value.get(path.name().as_str()).and_then(Value::as_array);
            elements.into_iter().flatten().any(|element| holds(filter, element, &SUBS))
        }
        Filter::Compare(comparison) => {
            let path = comparison.path.to_string();
            let kind = fields.iter().find(|(name, _)| *name == path).unwrap().1;
            let mut found = Vec::new();
            let mut steps = steps(&path);
            if path == "emails" {
                steps.push("value");
            }
            values(value, &steps, &mut found);
            let any = |op| found.iter().any(|found| compare(found, op, &comparison.value, kind));
            if comparison.op == CompareOp::Ne { !any(CompareOp::Eq) } else { any(comparison.op) }
        }
    }
}

fn compare(found: &Value, op: CompareOp, wanted: &Literal, kind: Kind) -> bool {
    match (found, wanted) {
        (Value::Bool(found), Literal::Bool(wanted)) => found == wanted,
        (Value::String(found), Literal::String(wanted)) => {
            let form = |text: &str| match kind {
                Kind::Text => text.to_lowercase(),
                _ => text.to_owned(),
            };
            let (found, wanted) = (form(found), form(wanted));
            match op {
                CompareOp::Eq => found == wanted,
                CompareOp::Ne => found != wanted,
                CompareOp::Co => found.contains(&wanted),
                CompareOp::Sw => found.starts_with(&wanted),
                CompareOp::Ew => found.ends_with(&wanted),
                CompareOp::Gt => found > wanted,
                CompareOp::Ge => found >= wanted,
                CompareOp::Lt => found < wanted,
                CompareOp::Le => found <= wanted,
            }
        }
        _ => false,
    }
}

/// Few letters, so that equal texts and parts of texts are common.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[aAbB]{0,3}", "[aAéÉ@]{0,3}"]
}

fn time() -> impl Strategy<Value = String> {
    (0..3u8, 0..3u8).prop_map(|(h, s)| format!("2026-01-01T0{h}:00:0{s}Z"))
}

fn user() -> impl Strategy<Value = Value> {
    let member = |kind: Kind| match kind {
        Kind::Text | Kind::Id => text().prop_map(Value::from).boxed(),
        Kind::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Time => time().prop_map(Value::from).boxed(),
    };
    let email = (
        prop::option::of(member(Kind::Text)),
        prop::option::of(member(Kind::Text)),
        prop::option::of(member(Kind::Flag)),
    )
        .prop_map(
            |(value, kind, primary)| json!({"value": value, "type": kind, "primary": primary}),
        );
    (
        text(),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::option::of(any::<bool>()),
        prop::option::of(time()),
        prop::option::of(text()),
        prop::collection::vec(email, 0..3),
        prop::option::of(text()),
    )
        .prop_map(|(user_name, title, external, active, created, family, emails, department)| {
            json!({
                "userName": user_name, "title": title, "externalId": external, "active": active,
                "meta": {"created": created}, "name": {"familyName": family}, "emails": emails,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": department},
            })
        })
}

fn term(fields: &'static [(&'static str, Kind)]) -> BoxedStrategy<Filter> {
    let ops = |kind| match kind {
        Kind::Flag => vec![CompareOp::Eq, CompareOp::Ne],
        Kind::Time => vec![
            CompareOp::Eq,
            CompareOp::Ne,
            CompareOp::Gt,
            CompareOp::Ge,
            CompareOp::Lt,
            CompareOp::Le,
        ],
        _ => vec![
            CompareOp::Eq,
            CompareOp::Ne,
            CompareOp::Co,
            CompareOp::Sw,
            CompareOp::Ew,
            CompareOp::Gt,
            CompareOp::Ge,
            CompareOp::Lt,
            CompareOp::Le,
        ],
    };
    prop::sample::select(fields)
        .prop_flat_map(move |(path, kind)| {
            let value: BoxedStrategy<Literal> = match kind {
                Kind::Text | Kind::Id => text().prop_map(Literal::from).boxed(),
                Kind::Flag => any::<bool>().prop_map(Literal::from).boxed(),
                Kind::Time => time().prop_map(Literal::from).boxed(),
            };
            let present = Just(attr(path).present());
            if path == "name" {
                return present.boxed();
            }
            let compared = (prop::sample::select(ops(kind)), value)
                .prop_map(move |(op, value)| attr(path).compare(op, value));
            prop_oneof![1 => present, 5 => compared].boxed()
        })
        .boxed()
}

fn combined(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| !filter),
        ]
    })
    .boxed()
}

fn filter() -> BoxedStrategy<Filter> {
    let brackets = combined(term(&SUBS)).prop_map(|filter| attr("emails").matches(filter));
    combined(prop_oneof![3 => term(&FIELDS), 1 => brackets].boxed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn matching_agrees_with_the_model(filter in filter(), user in user()) {
        let registry = Registry::standard();
        let mut strict = Leniency::new(Profile::strict());
        let typed = filter.resolve(registry.user(), &mut strict).unwrap();
        let resource: Resource = serde_json::from_value(user.clone()).unwrap();
        prop_assert_eq!(typed.matches(&resource), holds(&filter, &user, &FIELDS), "{}", filter);
    }
}
