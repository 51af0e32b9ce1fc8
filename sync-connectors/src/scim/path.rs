//! Attribute names of rules as places in a resource.

use std::sync::Arc;

use scim_client::TargetProfile;
use scim_client::scim_core::filter::{CompareOp, Comparison, Literal};
use scim_client::scim_core::patch::PatchPath;
use scim_client::scim_core::text::TextRule;
use scim_client::scim_core::{
    AttrName, AttrPath, Attribute, AttributeType, Error, Filter, Object, ResourceSchema, SchemaUri,
    Target, Value,
};
use scim_client::target::fields::Returned;
use scim_sync::{AttributeName, ObjectType};

/// A place in a resource.
#[derive(Clone, Debug)]
pub(super) struct TargetPath {
    /// As the rule writes it.
    pub(super) name: AttributeName,
    /// The extension that it is in.
    pub(super) extension: Option<SchemaUri>,
    /// The attribute.
    pub(super) attribute: AttrName,
    /// Whether the attribute is a list.
    pub(super) multi_valued: bool,
    /// Which elements of the list: those with all of these values.
    pub(super) select: Vec<Selector>,
    /// The sub-attribute.
    pub(super) sub: Option<AttrName>,
    /// What the values are.
    pub(super) kind: AttributeType,
    /// Whether its values are other resources.
    pub(super) reference: bool,
    /// The sub-attributes of a complex value, to read and write them by type.
    pub(super) parts: Vec<Attribute>,
}

/// `sub eq value` in brackets.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    sub: AttrName,
    value: Value,
    rule: TextRule,
}

impl TargetPath {
    /// Looks a name up.
    ///
    /// # Errors
    /// A sentence that says what there is not.
    pub(super) fn resolve(name: &AttributeName, schema: &ResourceSchema) -> Result<Self, String> {
        let wrong = |problem: String| format!("{name} of {}: {problem}", schema.name());
        let path: PatchPath = name.as_str().parse().map_err(|e: Error| wrong(e.to_string()))?;
        let at = path
            .attribute()
            .ok_or_else(|| wrong("that is a schema and no attribute".to_owned()))?;
        let found = schema.resolve(at).map_err(|error| wrong(error.to_string()))?;
        let Target::Attribute { extension, attribute, sub, bare } = found else {
            return Err(wrong("that is a schema and no attribute".to_owned()));
        };
        if let (true, Some(extension)) = (bare, extension) {
            return Err(wrong(format!("write it with its schema, {}:{name}", extension.id)));
        }
        let sub = match path.sub() {
            Some(named) => Some(attribute.sub(named.as_str()).ok_or_else(|| {
                wrong(format!("{} has no sub-attribute {named}", attribute.name))
            })?),
            None => sub,
        };
        let select = match path.filter() {
            Some(_) if !attribute.multi_valued => {
                return Err(wrong(format!(
                    "{} has one value only, so nothing can be selected",
                    attribute.name
                )));
            }
            Some(filter) => selectors(filter, attribute).map_err(wrong)?,
            None => Vec::new(),
        };
        let leaf = sub.unwrap_or(attribute);
        Ok(Self {
            name: name.clone(),
            extension: extension.map(|schema| schema.id.clone()),
            attribute: attribute.name.clone(),
            multi_valued: attribute.multi_valued,
            select,
            sub: sub.map(|sub| sub.name.clone()),
            kind: leaf.kind,
            reference: sub.is_none() && attribute.is_resource_reference(),
            parts: if leaf.is_complex() { leaf.sub_attributes.clone() } else { Vec::new() },
        })
    }

    /// Whether it can have several values.
    pub(super) fn is_list(&self) -> bool {
        self.multi_valued && self.select.is_empty()
    }

    /// The path of the whole attribute, as `attributes=` and PATCH name it.
    pub(super) fn whole(&self) -> AttrPath {
        AttrPath::new(self.extension.clone(), self.attribute.clone(), None)
    }

    /// The path itself, without a selection.
    pub(super) fn plain(&self) -> AttrPath {
        AttrPath::new(self.extension.clone(), self.attribute.clone(), self.sub.clone())
    }

    /// The path of the selected elements, with the sub-attribute or without.
    pub(super) fn selected(&self, sub: Option<AttrName>) -> Option<PatchPath> {
        let terms = self.select.iter().map(Selector::filter);
        Some(PatchPath::selected(self.whole(), Filter::all(terms)?, sub))
    }

    /// The filter `path eq value`.
    pub(super) fn equals(&self, value: Literal) -> Filter {
        let compare = |path: AttrPath| {
            Filter::Compare(Comparison { path, op: CompareOp::Eq, value: value.clone() })
        };
        if self.select.is_empty() {
            return compare(self.plain());
        }
        let sub = self
            .sub
            .clone()
            .map_or_else(|| compare(self.whole()), |sub| compare(AttrPath::from(sub)));
        let inner = self.select.iter().map(Selector::filter).fold(sub, |all, next| next.and(all));
        Filter::ValuePath { path: self.whole(), filter: Box::new(inner) }
    }

    /// The object that has the attribute: the resource itself or one of its extensions.
    fn container<'a>(&self, resource: &'a Object) -> Option<&'a Object> {
        match &self.extension {
            None => Some(resource),
            Some(uri) => resource.get(uri.as_str())?.as_object(),
        }
    }

    /// The values at this place.
    pub(super) fn values<'a>(&self, resource: &'a Object) -> Vec<&'a Value> {
        let Some(value) =
            self.container(resource).and_then(|object| object.get(self.attribute.as_str()))
        else {
            return Vec::new();
        };
        let elements = value.values().iter().filter(|element| self.selects(element));
        match &self.sub {
            None => elements.filter(|value| !value.is_unassigned()).collect(),
            Some(sub) => elements
                .filter_map(|element| element.as_object()?.get(sub.as_str()))
                .filter(|value| !value.is_unassigned())
                .collect(),
        }
    }

    /// Whether an element of the list is one of those that are meant.
    pub(super) fn selects(&self, element: &Value) -> bool {
        self.select.iter().all(|selector| {
            element.as_object().and_then(|object| object.get(selector.sub.as_str())).is_some_and(
                |found| match (found, &selector.value) {
                    (Value::String(found), Value::String(wanted)) => {
                        selector.rule.eq(found, wanted)
                    }
                    (found, wanted) => found == wanted,
                },
            )
        })
    }

    /// A new element that the selection would find.
    pub(super) fn new_element(&self) -> Object {
        let mut element = Object::new();
        for selector in &self.select {
            element.insert(selector.sub.as_str(), selector.value.clone());
        }
        element
    }

    /// Whether both are about the same elements of the same list.
    pub(super) fn same_elements(&self, other: &Self) -> bool {
        let same = |a: &Selector, b: &Selector| a.sub == b.sub && a.value == b.value;
        self.extension == other.extension
            && self.attribute == other.attribute
            && self.select.len() == other.select.len()
            && self.select.iter().zip(&other.select).all(|(a, b)| same(a, b))
    }
}

impl Selector {
    fn filter(&self) -> Filter {
        let value = match &self.value {
            Value::Bool(boolean) => Literal::Bool(*boolean),
            Value::Number(number) => Literal::Number(number.clone()),
            Value::String(text) => Literal::String(text.clone()),
            _ => Literal::Null,
        };
        Filter::Compare(Comparison {
            path: AttrPath::from(self.sub.clone()),
            op: CompareOp::Eq,
            value,
        })
    }
}

/// The comparisons of a filter in brackets: equalities joined by `and`, so that a missing element can be made.
fn selectors(filter: &Filter, attribute: &Attribute) -> Result<Vec<Selector>, String> {
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        single => std::slice::from_ref(single),
    };
    terms
        .iter()
        .map(|term| {
            let Filter::Compare(comparison) = term else {
                return Err(
                    "only `sub eq value`, joined by `and`, can stand in the brackets".to_owned()
                );
            };
            if comparison.op != CompareOp::Eq {
                return Err(
                    "only `eq` can stand in the brackets: a missing element has to be made"
                        .to_owned(),
                );
            }
            let sub = attribute.sub(comparison.path.name().as_str()).ok_or_else(|| {
                format!("{} has no sub-attribute {}", attribute.name, comparison.path)
            })?;
            let value = match &comparison.value {
                Literal::Null => return Err("nothing can be selected by `null`".to_owned()),
                Literal::Bool(boolean) => Value::Bool(*boolean),
                Literal::Number(number) => Value::Number(number.clone()),
                Literal::String(text) => Value::String(text.clone()),
            };
            Ok(Selector { sub: sub.name.clone(), value, rule: sub.text_rule() })
        })
        .collect()
}

/// What of a type is read or written.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) object_type: ObjectType,
    pub(super) schema: Arc<ResourceSchema>,
    /// Those that have values.
    pub(super) values: Vec<TargetPath>,
    /// Those that refer to other resources.
    pub(super) references: Vec<TargetPath>,
    /// Whether there are references that the server keeps and never shows, which are in no list here.
    pub(super) hides: bool,
}

impl Paths {
    pub(super) fn resolve(
        object_type: &ObjectType,
        names: &[AttributeName],
        schema: Arc<ResourceSchema>,
    ) -> Result<Self, String> {
        let mut values = Vec::new();
        let mut references = Vec::new();
        for name in names {
            let path = TargetPath::resolve(name, &schema)?;
            if path.reference { references.push(path) } else { values.push(path) }
        }
        Ok(Self { object_type: object_type.clone(), schema, values, references, hides: false })
    }

    /// Leaves the references out that a server never shows: that they are in no answer says nothing about them.
    pub(super) fn shown_by(mut self, target: &TargetProfile) -> Self {
        let before = self.references.len();
        let endpoint = super::endpoint(&self.schema);
        let members = target.rules(endpoint).members.returned != Returned::Never;
        self.references.retain(|path| {
            let is_members = endpoint == "Groups" && path.whole().to_string() == "members";
            target.shows(endpoint, &path.whole()) && (members || !is_members)
        });
        self.hides = self.references.len() < before;
        self
    }

    /// The attributes to ask for, each once; with references or without.
    pub(super) fn attributes(&self, references: bool) -> Vec<String> {
        let refs = if references { self.references.as_slice() } else { &[] };
        let mut names: Vec<String> =
            self.values.iter().chain(refs).map(|path| path.whole().to_string()).collect();
        names.extend(["id", "meta"].map(str::to_owned));
        names.sort();
        names.dedup();
        names
    }
}
