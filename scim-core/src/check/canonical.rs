//! When two values of an attribute are the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::filter::instant::parse_instant;
use crate::resource::Value;
use crate::schema::{Attribute, AttributeType, Mutability};

/// A text that is equal for two elements of a multi-valued attribute (or two values of a complex one) when they count
/// as the same.
///
/// References to resources, such as members, are the same when their `value` is. Others are compared by all of their
/// assigned sub-attributes except readOnly ones, `$ref`, `display` and a `primary` that is not true; strings by the
/// attribute's [`text_rule`](Attribute::text_rule), dates as instants. Source: AMBIGUITIES 12.
pub fn element_key(value: &Value, attribute: &Attribute) -> String {
    let mut key = String::new();
    write_element(&mut key, value, attribute);
    key
}

/// Whether two values of the attribute, lists included, are the same; the order of a list does not count.
pub(super) fn same(a: &Value, b: &Value, attribute: &Attribute) -> bool {
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.values().iter().map(|v| element_key(v, attribute)).collect();
        keys.sort_unstable();
        keys
    };
    keys(a) == keys(b)
}

/// Keeps each value of a list once: RFC 7643 section 2.4 wants no pair of type and value to be returned twice.
///
/// Values that differ in anything that is shown, such as `display`, all stay: what a client means by them is not known.
pub(super) fn keep_once(items: &mut Vec<Value>, attribute: &Attribute) {
    if items.len() < 2 || attribute.is_resource_reference() || attribute.sub("value").is_none() {
        return;
    }
    let mut seen = BTreeSet::new();
    items.retain(|item| {
        let shown = |name| item.as_object().and_then(|o| o.get_str(name)).map(str::to_owned);
        seen.insert((element_key(item, attribute), shown("display"), shown("$ref")))
    });
}

fn write_element(key: &mut String, value: &Value, attribute: &Attribute) {
    let Value::Object(object) = value else { return write_simple(key, value, attribute) };
    if attribute.is_resource_reference()
        && let (Some(id), Some(sub)) = (object.get("value"), attribute.sub("value"))
    {
        return write_simple(key, id, sub);
    }
    for sub in &attribute.sub_attributes {
        let Some(value) = object.get(sub.name.as_str()).filter(|v| !v.is_unassigned()) else {
            continue;
        };
        let not_primary = sub.name == "primary" && *value != Value::Bool(true);
        let described = sub.name == "$ref" || sub.name == "display";
        if sub.mutability == Mutability::ReadOnly || described || not_primary {
            continue;
        }
        key.push_str(sub.name.as_str());
        for value in value.values() {
            write_element(key, value, sub);
        }
        key.push(';');
    }
}

/// The kind, the length and the text, so that no two sequences of values can read the same.
fn write_simple(key: &mut String, value: &Value, attribute: &Attribute) {
    let text = match (value, attribute.kind) {
        (Value::String(text), AttributeType::DateTime) => match parse_instant(text) {
            Some(instant) => instant.to_rfc3339(),
            None => text.to_string(),
        },
        (Value::String(text), _) => attribute.text_rule().key(text).into_owned(),
        (Value::Number(number), AttributeType::Decimal) => {
            number.as_f64().unwrap_or_default().to_string()
        }
        (other, _) => other.to_string(),
    };
    // Writing to a String cannot fail.
    let _ = write!(key, "={}:{text}", text.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Registry;

    fn same_in_user(attribute: &str, a: &str, b: &str) -> bool {
        let registry = Registry::standard();
        let attribute = registry.user().attribute(attribute).unwrap().clone();
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        same(&parse(a), &parse(b), &attribute)
    }

    #[test]
    fn by_the_rule_of_the_attribute() {
        assert!(same_in_user("displayName", r#""ADA""#, r#""ada""#));
        assert!(!same_in_user("externalId", r#""ADA""#, r#""ada""#));
        let (a, b) = (
            r#"[{"value":"A@x","type":"work"},{"value":"b"}]"#,
            r#"[{"value":"b","primary":false,"display":"B"},{"TYPE":"Work","value":"a@x"}]"#,
        );
        assert!(same_in_user("emails", a, b));
        assert!(!same_in_user("emails", a, r#"[{"value":"A@x","type":"work"}]"#));
        assert!(!same_in_user("emails", a, r#"[{"value":"A@x"},{"value":"b"}]"#));
        assert!(!same_in_user("name", r#"{"givenName":"a"}"#, r#"{"familyName":"a"}"#));
    }

    #[test]
    fn a_value_is_kept_once_with_the_same_type() {
        let registry = Registry::standard();
        let emails = registry.user().attribute("emails").unwrap();
        let mut list: Vec<Value> = serde_json::from_str(
            r#"[{"value":"A@x","type":"work"},{"value":"A@x","type":"home"},{"value":"A@x","type":"work","display":"A"},
                {"type":"Work","value":"a@x","primary":false},{"value":"A@x"},{"value":"A@x","type":"home"}]"#,
        )
        .unwrap();
        let kept = list[..3].iter().chain(&list[4..5]).cloned().collect::<Vec<_>>();
        keep_once(&mut list, emails);
        assert_eq!(list, kept);
    }

    #[test]
    fn members_by_value() {
        let registry = Registry::standard();
        let members = registry.group().attribute("members").unwrap();
        let key = |text: &str| element_key(&serde_json::from_str(text).unwrap(), members);
        assert_eq!(key(r#"{"value":"1","type":"User"}"#), key(r#"{"value":"1","$ref":"x"}"#));
        assert_ne!(key(r#"{"value":"a"}"#), key(r#"{"value":"A"}"#));
    }
}
