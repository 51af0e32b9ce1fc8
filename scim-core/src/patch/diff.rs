//! The smallest PATCH from one state of a resource to another.

use std::collections::{BTreeMap, BTreeSet};

use super::add::identity;
use super::{Op, Operation, Patch, PatchPath};
use crate::filter::{CompareOp, Comparison, Filter, Literal};
use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::profile::Profile;
use crate::resource::{Object, Resource, Value};
use crate::schema::{Attribute, AttributeType, Mutability, ResourceSchema};

/// Up to this number of elements, each is removed by an operation of its own: some servers take no other filters.
const MANY: usize = 20;

/// Ids in one filter, so that it stays within the length that servers read.
const IDS_IN_A_FILTER: usize = 100;

/// The operations that make `after` of `before`, in the forms that every reading of RFC 7644 understands: always with a
/// path, single-valued complex attributes by their sub-attributes, elements of multi-valued attributes by filters
/// where that is less than the whole list.
///
/// What only the server writes is left out, as is what the schema does not have. Empty when nothing differs; the order
/// of lists, `display` and `$ref` of references and a `primary` that is false do not count as differences.
///
/// ```
/// use scim_core::{Registry, Resource, patch};
/// let registry = Registry::standard();
/// let parse = |text| serde_json::from_str::<Resource>(text);
/// let before = parse(r#"{"userName":"ada","emails":[{"value":"a@x.example","type":"work"}]}"#)?;
/// let after = parse(r#"{"userName":"ada","emails":[{"value":"b@x.example","type":"work"}],"title":"Dr"}"#)?;
/// let patch = patch::diff(&before, &after, registry.user());
/// assert_eq!(
///     serde_json::to_value(&patch)?["Operations"],
///     serde_json::json!([
///         {"op":"add","path":"title","value":"Dr"},
///         {"op":"replace","path":"emails[type eq \"work\"].value","value":"b@x.example"},
///     ])
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn diff(before: &Resource, after: &Resource, schema: &ResourceSchema) -> Patch {
    let mut differ = Differ { schema, patch: Patch::new() };
    let common = schema.common().iter().filter(|a| a.name != "schemas");
    for attribute in common.chain(&schema.base().attributes) {
        differ.attribute(None, before.object(), after.object(), attribute);
    }
    let empty = Object::new();
    for (extension, _) in schema.extensions() {
        let uri = extension.id.as_str();
        let [before, after] = [before, after].map(|r| r.extension(uri).unwrap_or(&empty));
        for attribute in &extension.attributes {
            differ.attribute(Some(&extension.id), before, after, attribute);
        }
    }
    differ.patch
}

struct Differ<'s> {
    schema: &'s ResourceSchema,
    patch: Patch,
}

impl Differ<'_> {
    fn attribute(
        &mut self,
        uri: Option<&SchemaUri>,
        before: &Object,
        after: &Object,
        attribute: &Attribute,
    ) {
        if attribute.mutability == Mutability::ReadOnly {
            return;
        }
        let path = AttrPath::new(uri.cloned(), attribute.name.clone(), None);
        let [before, after] = [before, after]
            .map(|object| writable(object.get(attribute.name.as_str()), attribute))
            .map(|value| value.filter(|v| !v.is_unassigned()));
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => {
                let op = if repeats(&after, attribute) { Op::Replace } else { Op::Add };
                self.push(op, path, Some(after));
            }
            (Some(_), None) => self.push(Op::Remove, path, None),
            (Some(before), Some(after)) if attribute.multi_valued => {
                self.list(path, &before, &after, attribute);
            }
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.subs(&path, &before, &after, attribute);
            }
            (Some(before), Some(after)) if before != after => {
                self.push(Op::Replace, path, Some(after));
            }
            _ => {}
        }
    }

    /// The sub-attributes of a single-valued attribute. The `value` of a reference comes first, because what is
    /// derived from it goes with it.
    fn subs(&mut self, path: &AttrPath, before: &Object, after: &Object, attribute: &Attribute) {
        let (first, rest): (Vec<&Attribute>, Vec<_>) =
            attribute.sub_attributes.iter().partition(|s| s.name == "value");
        let moved = attribute.is_resource_reference() && before.get("value") != after.get("value");
        for sub in first.into_iter().chain(rest) {
            let name = sub.name.as_str();
            let derived =
                moved && ["$ref", "display", "displayName"].iter().any(|d| sub.name == *d);
            let old = before.get(name).filter(|_| !derived);
            let path = path.clone().with_sub(sub.name.clone());
            match (old, after.get(name)) {
                (None, Some(new)) => self.push(Op::Add, path, Some(new.clone())),
                (Some(old), Some(new)) if old != new => {
                    self.push(Op::Replace, path, Some(new.clone()));
                }
                (Some(_), None) => self.push(Op::Remove, path, None),
                _ => {}
            }
        }
    }

    fn list(&mut self, path: AttrPath, before: &Value, after: &Value, attribute: &Attribute) {
        if alike(attribute, before, after) {
            return;
        }
        let (old, new) = (before.values(), after.values());
        if let Some(steps) = steps(&path, old, new, attribute)
            && steps.len() <= new.len().max(MANY)
            && self.leads_to(&path, before, &steps, after, attribute)
        {
            steps.into_iter().for_each(|step| self.patch.push(step));
        } else {
            self.push(Op::Replace, path, Some(after.clone()));
        }
    }

    /// Whether the steps do what they should; primary values and equal elements have ways of their own. References
    /// are known to be simple, and may be many.
    fn leads_to(
        &self,
        path: &AttrPath,
        before: &Value,
        steps: &[Operation],
        after: &Value,
        attribute: &Attribute,
    ) -> bool {
        if attribute.is_resource_reference() {
            return true;
        }
        let name = path.name().as_str();
        let mut resource = Resource::new();
        match path.uri() {
            Some(uri) => resource.set(uri.as_str(), Object::from_iter([(name, before.clone())])),
            None => resource.set(name, before.clone()),
        }
        let patch: Patch = steps.iter().cloned().collect();
        // The rest of the resource, and so its required attributes, are not there; only this attribute is looked at.
        if patch.apply(&mut resource, self.schema, Profile::strict()).is_err() {
            return false;
        }
        let outcome = match path.uri() {
            Some(uri) => resource.extension(uri.as_str()).and_then(|data| data.get(name)),
            None => resource.get(name),
        };
        outcome.is_some_and(|outcome| alike(attribute, outcome, after))
    }

    fn push(&mut self, op: Op, path: AttrPath, value: Option<Value>) {
        self.patch.push(Operation { op, path: Some(path.into()), value });
    }
}

/// Whether a list has elements that count as the same: adding would keep one of them only.
fn repeats(value: &Value, attribute: &Attribute) -> bool {
    let mut seen = BTreeSet::new();
    attribute.multi_valued && !value.values().iter().all(|v| seen.insert(identity(attribute, v)))
}

/// A value without what only the server writes.
fn writable(value: Option<&Value>, attribute: &Attribute) -> Option<Value> {
    let read_only =
        |name: &str| attribute.sub(name).is_none_or(|s| s.mutability == Mutability::ReadOnly);
    let strip = |value: &Value| match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(name, v)| !read_only(name) && !v.is_unassigned())
                .map(|(name, v)| (name, v.clone()))
                .collect(),
        ),
        other => other.clone(),
    };
    value.map(|value| match value {
        Value::Array(items) => Value::Array(items.iter().map(strip).collect()),
        single => strip(single),
    })
}

/// Removals, changes and additions of elements; nothing when an element cannot be addressed.
fn steps(
    path: &AttrPath,
    before: &[Value],
    after: &[Value],
    attribute: &Attribute,
) -> Option<Vec<Operation>> {
    let mut wanted: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, element) in after.iter().enumerate().rev() {
        wanted.entry(full_key(element, attribute)).or_default().push(i);
    }
    let mut come = vec![true; after.len()];
    let mut gone = Vec::new();
    for element in before {
        match wanted.get_mut(&full_key(element, attribute)).and_then(Vec::pop) {
            Some(i) => come[i] = false,
            None => gone.push(element),
        }
    }
    let addresses = Addresses::of(before, attribute);
    if attribute.is_resource_reference() && gone.len() > MANY {
        let gone = gone.into_iter().map(|element| addresses.find(element));
        let gone: Vec<_> = gone.collect::<Option<_>>()?;
        let removals = gone.chunks(IDS_IN_A_FILTER).map(|ids| Operation {
            op: Op::Remove,
            path: Some(any_of(path, ids)),
            value: None,
        });
        let mut steps: Vec<Operation> = removals.collect();
        steps.extend(additions(path, after, &come));
        return Some(steps);
    }
    let mut steps = Vec::new();
    let mut changes = Vec::new();
    for element in gone {
        let address = addresses.find(element)?;
        let partner = come.iter().zip(after).position(|(free, new)| {
            *free && !attribute.is_resource_reference() && address.fits(new)
        });
        match partner {
            Some(i) => {
                come[i] = false;
                changes.extend(inside(path, &address, element, &after[i], attribute)?);
            }
            None => steps.push(Operation {
                op: Op::Remove,
                path: Some(address.path(path, None)),
                value: None,
            }),
        }
    }
    steps.append(&mut changes);
    steps.extend(additions(path, after, &come));
    Some(steps)
}

/// The elements that are new, in one operation.
fn additions(path: &AttrPath, after: &[Value], come: &[bool]) -> Option<Operation> {
    let new = after.iter().zip(come).filter(|(_, come)| **come);
    let new: Vec<Value> = new.map(|(v, _)| v.clone()).collect();
    let path = Some(path.clone().into());
    (!new.is_empty()).then_some(Operation { op: Op::Add, path, value: Some(Value::Array(new)) })
}

/// The changes of sub-attributes that make one element another.
fn inside(
    path: &AttrPath,
    address: &Address<'_>,
    before: &Value,
    after: &Value,
    attribute: &Attribute,
) -> Option<Vec<Operation>> {
    let (before, after) = (before.as_object()?, after.as_object()?);
    let mut steps = Vec::new();
    for sub in &attribute.sub_attributes {
        let (old, new) = (before.get(sub.name.as_str()), after.get(sub.name.as_str()));
        let not_primary = |v: Option<&Value>| v.is_none_or(|v| *v == Value::Bool(false));
        if old == new || (sub.name == "primary" && not_primary(old) && not_primary(new)) {
            continue;
        }
        let op = match (old, new) {
            (_, None) => Op::Remove,
            (None, Some(_)) => Op::Add,
            (Some(_), Some(_)) => Op::Replace,
        };
        let path = Some(address.path(path, Some(sub.name.clone())));
        steps.push(Operation { op, path, value: new.cloned() });
    }
    Some(steps)
}

/// By which of their sub-attributes the elements of a list can be told apart.
struct Addresses<'a> {
    attribute: &'a Attribute,
    /// How often each key of `value` (or the element itself) and of `type` occurs.
    counts: [BTreeMap<String, usize>; 2],
}

/// A filter for one element.
struct Address<'a> {
    sub: &'a str,
    definition: &'a Attribute,
    text: &'a str,
}

impl<'a> Addresses<'a> {
    fn of(elements: &'a [Value], attribute: &'a Attribute) -> Self {
        let mut counts = [BTreeMap::new(), BTreeMap::new()];
        for (counts, sub) in counts.iter_mut().zip(["value", "type"]) {
            for element in elements {
                if let Some((definition, text)) = text_of(element, sub, attribute) {
                    *counts.entry(definition.text_rule().key(text).into_owned()).or_default() += 1;
                }
            }
        }
        Self { attribute, counts }
    }

    /// By `type` first, which mostly stays when the value changes; a reference by its id.
    fn find(&self, element: &'a Value) -> Option<Address<'a>> {
        let order: &[usize] = if self.attribute.is_resource_reference() { &[0] } else { &[1, 0] };
        order.iter().find_map(|i| {
            let sub = ["value", "type"][*i];
            let (definition, text) = text_of(element, sub, self.attribute)?;
            let alone = self.counts[*i].get(&*definition.text_rule().key(text)) == Some(&1);
            alone.then_some(Address { sub, definition, text })
        })
    }
}

/// The text of a sub-attribute, or of a simple element as its `value`, if a filter can compare it.
fn text_of<'a>(
    element: &'a Value,
    sub: &str,
    attribute: &'a Attribute,
) -> Option<(&'a Attribute, &'a str)> {
    let (definition, text) = match element {
        Value::Object(object) => (attribute.sub(sub)?, object.get_str(sub)?),
        Value::String(text) if sub == "value" => (attribute, text.as_str()),
        _ => return None,
    };
    let comparable = matches!(
        definition.kind,
        AttributeType::String | AttributeType::Reference | AttributeType::Binary
    );
    (comparable && !definition.is_secret() && !text.is_empty()).then_some((definition, text))
}

impl Address<'_> {
    fn fits(&self, element: &Value) -> bool {
        let text = element.as_object().and_then(|e| e.get_str(self.sub));
        text.is_some_and(|text| self.definition.text_rule().eq(text, self.text))
    }

    fn filter(&self) -> Filter {
        Filter::Compare(Comparison {
            path: AttrName::from_checked(self.sub).into(),
            op: CompareOp::Eq,
            value: Literal::String(self.text.into()),
        })
    }

    fn path(&self, path: &AttrPath, sub: Option<AttrName>) -> PatchPath {
        PatchPath::selected(path.clone(), self.filter(), sub)
    }
}

/// The path of all these elements.
fn any_of(path: &AttrPath, addresses: &[Address<'_>]) -> PatchPath {
    let filter = match addresses {
        [one] => one.filter(),
        several => Filter::Or(several.iter().map(Address::filter).collect()),
    };
    PatchPath::selected(path.clone(), filter, None)
}

/// What makes an element what it is, exactly; references by their id only.
fn full_key(element: &Value, attribute: &Attribute) -> String {
    match element {
        Value::Object(object) if !attribute.is_resource_reference() => {
            let mut members: Vec<String> = object
                .iter()
                .filter(|(name, v)| {
                    **v != Value::Bool(false) || !name.eq_ignore_ascii_case("primary")
                })
                .map(|(name, v)| format!("{}:{v}", name.to_ascii_lowercase()))
                .collect();
            members.sort_unstable();
            members.join(",")
        }
        Value::Object(_) => identity(attribute, element).into_owned(),
        other => other.to_string(),
    }
}

/// Whether two lists hold the same elements, exactly.
fn alike(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.values().iter().map(|v| full_key(v, attribute)).collect();
        keys.sort_unstable();
        keys
    };
    keys(a) == keys(b)
}
