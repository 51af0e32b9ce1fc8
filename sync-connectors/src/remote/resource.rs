//! What a read tells as SCIM resources, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use scim_core::SchemaUri;
use scim_core::resource::{Object, Resource, Value};
use scim_sync::connector::{
    ChangedObject, ConnectorSchema, ImportChange, ImportShape, ImportedObject, ReferenceChange,
    ReferenceTo, SourceScope,
};
use scim_sync::{Anchor, AttributeName, AttributeSet, ConnectorError, Dn, ObjectType, Values};
use smol_str::SmolStr;

use super::fault::protocol;
use super::value::{self, Types};
use super::{name, wire};

/// What was asked for: nothing else is told by one side, or believed by the other.
#[derive(Debug)]
pub(super) struct Asked(BTreeMap<ObjectType, AskedType>);

#[derive(Debug)]
struct AskedType {
    urn: SchemaUri,
    attributes: BTreeSet<AttributeName>,
    multi_valued: BTreeSet<AttributeName>,
}

impl Asked {
    /// `schema` is for the side that writes, which shows values of attributes that can have several as lists.
    pub(super) fn new(shape: &ImportShape, schema: Option<&ConnectorSchema>) -> Self {
        let types = shape.types.iter().map(|(object_type, names)| {
            let known = schema.and_then(|schema| schema.types.get(object_type));
            let multi_valued = names.iter().filter(|name| {
                known
                    .and_then(|known| known.attribute(name))
                    .is_some_and(|known| known.multi_valued)
            });
            let asked = AskedType {
                urn: name::urn(object_type),
                multi_valued: multi_valued.cloned().collect(),
                attributes: names.iter().cloned().collect(),
            };
            (object_type.clone(), asked)
        });
        Self(types.collect())
    }

    fn of(&self, object_type: &ObjectType) -> Option<&AskedType> {
        self.0.get(object_type)
    }

    /// The resource that tells this.
    ///
    /// # Errors
    /// [`ConnectorError::Protocol`] when it is of a type that was not asked for.
    pub(super) fn write(&self, change: &ImportChange) -> Result<Resource, ConnectorError> {
        let kind = |object_type| {
            self.of(object_type).ok_or_else(|| {
                ConnectorError::Protocol(format!(
                    "the directory's connector told an object of type {object_type}, which was not asked for"
                ))
            })
        };
        Ok(match change {
            ImportChange::Object(object) => write_object(object, kind(&object.object_type)?),
            ImportChange::Changed(object) => write_changed(object, kind(&object.object_type)?),
            ImportChange::Present(anchor) => head(anchor, "present", None).into(),
            ImportChange::Deleted(anchor) => head(anchor, "deleted", None).into(),
        })
    }

    /// What a resource tells.
    ///
    /// # Errors
    /// [`ConnectorError::Protocol`] when it is none of these resources, or was not asked for.
    pub(super) fn read(&self, resource: Resource) -> Result<ImportChange, ConnectorError> {
        let mut object = resource.into_object();
        let anchor = match object.remove("id") {
            Some(Value::String(id)) => Anchor::new(id),
            _ => return Err(protocol("a resource has no id")),
        };
        let change = object.remove("change");
        match change.as_ref().and_then(Value::as_str) {
            Some("present") => return Ok(ImportChange::Present(anchor)),
            Some("deleted") => return Ok(ImportChange::Deleted(anchor)),
            Some("object" | "changed") => {}
            _ => return Err(protocol("a resource does not tell what it is, by change")),
        }
        let meta = object.remove("meta").unwrap_or_default();
        let meta = meta.as_object();
        let object_type = meta.and_then(|meta| meta.get_str("resourceType"));
        let object_type =
            object_type.map(ObjectType::new).ok_or_else(|| protocol("a resource has no type"))?;
        let kind = self.of(&object_type).ok_or_else(|| {
            protocol(format!("it has an object of type {object_type}, which was not asked for"))
        })?;
        let version = meta.and_then(|meta| meta.get_str("version")).map(str::to_owned);
        let mut told = Told {
            dn: text(&mut object, "dn")?.map(Dn::new),
            scope: scope(object.remove("scope"))?,
            attributes: attributes(&mut object, kind)?,
            references: references(object.remove("references"), kind)?,
            cleared: cleared(object.remove("cleared"), kind)?,
        };
        if change.as_ref().and_then(Value::as_str) == Some("changed") {
            for name in told.cleared {
                if told.attributes.insert(name, Values::new()).is_some() {
                    return Err(protocol("an attribute is cleared and has values"));
                }
            }
            let references = told.references.into_iter().map(|(name, entries)| {
                let mut change = ReferenceChange::default();
                for (operation, to) in entries {
                    match operation.as_deref() {
                        Some("add") => change.added.extend(to),
                        Some("remove") => change.removed.extend(to),
                        Some("replace") => {
                            change.replace = true;
                            change.added.extend(to);
                        }
                        _ => return Err(protocol("a change of references has no operation")),
                    }
                }
                Ok((name, change))
            });
            return Ok(ImportChange::Changed(ChangedObject {
                anchor,
                object_type,
                dn: told.dn,
                scope: told.scope,
                references: references.collect::<Result<_, _>>()?,
                attributes: told.attributes,
                version,
            }));
        }
        if !told.cleared.is_empty() {
            return Err(protocol("a whole object has cleared attributes"));
        }
        let references = told.references.into_iter().map(|(name, entries)| {
            let whole = entries.into_iter().map(|(operation, to)| match operation {
                None => Ok(to),
                Some(_) => Err(protocol("a whole object changes references")),
            });
            let whole: Vec<_> = whole.collect::<Result<_, _>>()?;
            Ok((name, whole.into_iter().flatten().collect()))
        });
        Ok(ImportChange::Object(ImportedObject {
            anchor,
            dn: told.dn,
            object_type,
            scope: told.scope.ok_or_else(|| protocol("a whole object has no scope"))?,
            references: references.collect::<Result<_, ConnectorError>>()?,
            attributes: AttributeSet::from_iter(told.attributes),
            version,
        }))
    }
}

/// What every resource begins with.
fn head(
    anchor: &Anchor,
    change: &str,
    kind: Option<(&ObjectType, &AskedType, Option<&str>)>,
) -> Object {
    let mut out = Object::new();
    let mut schemas = vec![wire::OBJECT];
    schemas.extend(kind.map(|(_, kind, _)| kind.urn.as_str()));
    out.insert("schemas", schemas);
    out.insert("id", anchor.as_str());
    if let Some((object_type, _, version)) = kind {
        let mut meta = Object::new();
        meta.insert("resourceType", object_type.as_str());
        if let Some(version) = version {
            meta.insert("version", version);
        }
        out.insert("meta", meta);
    }
    out.insert("change", change);
    out
}

fn write_object(object: &ImportedObject, kind: &AskedType) -> Resource {
    let about = (&object.object_type, kind, object.version.as_deref());
    let mut out = head(&object.anchor, "object", Some(about));
    write_place(&mut out, object.dn.as_ref(), Some(&object.scope));
    let mut entries = Vec::new();
    for (name, to) in object.references.iter().filter(|(name, _)| kind.attributes.contains(name)) {
        write_references(name, None, to, &mut entries);
    }
    set_list(&mut out, "references", entries);
    write_attributes(&mut out, object.attributes.iter(), kind);
    out.into()
}

fn write_changed(object: &ChangedObject, kind: &AskedType) -> Resource {
    let about = (&object.object_type, kind, object.version.as_deref());
    let mut out = head(&object.anchor, "changed", Some(about));
    write_place(&mut out, object.dn.as_ref(), object.scope.as_ref());
    let mut entries = Vec::new();
    for (name, change) in
        object.references.iter().filter(|(name, _)| kind.attributes.contains(name))
    {
        let came = if change.replace { "replace" } else { "add" };
        if change.replace || !change.added.is_empty() || change.removed.is_empty() {
            write_references(name, Some(came), &change.added, &mut entries);
        }
        if !change.removed.is_empty() {
            write_references(name, Some("remove"), &change.removed, &mut entries);
        }
    }
    set_list(&mut out, "references", entries);
    let (there, cleared): (Vec<_>, Vec<_>) =
        object.attributes.iter().partition(|(_, values)| !values.is_empty());
    let cleared = cleared.into_iter().filter(|(name, _)| kind.attributes.contains(name));
    let cleared = cleared.map(|(name, _)| Value::from(name::member(name).as_str())).collect();
    set_list(&mut out, "cleared", cleared);
    let there = there.into_iter().map(|(name, values)| (name, values.as_slice()));
    write_attributes(&mut out, there, kind);
    out.into()
}

fn write_place(out: &mut Object, dn: Option<&Dn>, scope: Option<&SourceScope>) {
    if let Some(dn) = dn {
        out.insert("dn", dn.as_str());
    }
    if let Some(scope) = scope {
        let mut written = Object::new();
        written.insert("included", *scope == SourceScope::In);
        if let SourceScope::Out(reason) = scope {
            written.insert("reason", reason.as_str());
        }
        out.insert("scope", written);
    }
}

fn write_attributes<'a>(
    out: &mut Object,
    attributes: impl Iterator<Item = (&'a AttributeName, &'a [scim_sync::AttributeValue])>,
    kind: &AskedType,
) {
    let (mut written, mut types) = (Object::new(), Vec::new());
    for (name, values) in attributes.filter(|(name, _)| kind.attributes.contains(name)) {
        let several = kind.multi_valued.contains(name);
        let value = value::write(name, values, several, &mut types);
        written.insert(name::member(name).as_str(), value);
    }
    set_list(out, "types", types);
    if !written.is_empty() {
        out.insert(kind.urn.as_str(), written);
    }
}

/// References of one attribute, those by anchor and those by name in entries of their own, in order.
fn write_references(
    name: &AttributeName,
    operation: Option<&str>,
    to: &[ReferenceTo],
    out: &mut Vec<Value>,
) {
    let mut entry = |to: &[ReferenceTo]| {
        let mut entry = Object::new();
        entry.insert("attribute", name::member(name).as_str());
        if let Some(operation) = operation {
            entry.insert("operation", operation);
        }
        if let Some(first) = to.first() {
            let member = match first {
                ReferenceTo::Anchor(_) => "values",
                ReferenceTo::Dn(_) => "names",
            };
            let texts = to.iter().map(|to| match to {
                ReferenceTo::Anchor(anchor) => Value::from(anchor.as_str()),
                ReferenceTo::Dn(dn) => Value::from(dn.as_str()),
            });
            entry.insert(member, Value::Array(texts.collect()));
        }
        out.push(Value::Object(entry));
    };
    if to.is_empty() {
        return entry(to);
    }
    to.chunk_by(|a, b| discriminant(a) == discriminant(b)).for_each(entry);
}

fn set_list(out: &mut Object, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(name, Value::Array(items));
    }
}

/// References of one attribute as they were told: operations with what they are about.
type Entries = Vec<(Option<SmolStr>, Vec<ReferenceTo>)>;

struct Told {
    dn: Option<Dn>,
    scope: Option<SourceScope>,
    attributes: BTreeMap<AttributeName, Values>,
    references: BTreeMap<AttributeName, Entries>,
    cleared: Vec<AttributeName>,
}

fn text(object: &mut Object, name: &str) -> Result<Option<SmolStr>, ConnectorError> {
    match object.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(protocol(format!("{name} is no text"))),
    }
}

fn scope(value: Option<Value>) -> Result<Option<SourceScope>, ConnectorError> {
    let Some(value) = value else { return Ok(None) };
    let wrong = || protocol("a scope does not say whether the object is included");
    let scope = value.as_object().ok_or_else(wrong)?;
    Ok(Some(match scope.get("included").and_then(Value::as_bool).ok_or_else(wrong)? {
        true => SourceScope::In,
        false => SourceScope::Out(scope.get_str("reason").unwrap_or_default().to_owned()),
    }))
}

/// The attribute that a member names, which must have been asked for.
fn asked_name(member: Option<&str>, kind: &AskedType) -> Result<AttributeName, ConnectorError> {
    let name = member.and_then(name::attribute);
    let name = name.ok_or_else(|| protocol("the name of an attribute is none"))?;
    if !kind.attributes.contains(&name) {
        return Err(protocol(format!("it has the attribute {name}, which was not asked for")));
    }
    Ok(name)
}

fn attributes(
    object: &mut Object,
    kind: &AskedType,
) -> Result<BTreeMap<AttributeName, Values>, ConnectorError> {
    let mut types = Types::read(object.get("types"))?;
    let mut read = BTreeMap::new();
    match object.remove(kind.urn.as_str()) {
        None => {}
        Some(Value::Object(members)) => {
            for (member, value) in members {
                let name = asked_name(Some(&member), kind)?;
                let values = types.values(&name, value)?;
                if values.is_empty() {
                    return Err(protocol(format!("{name} is there without values")));
                }
                read.insert(name, values);
            }
        }
        Some(_) => return Err(protocol("the attributes of an object are no JSON object")),
    }
    types.finish()?;
    Ok(read)
}

fn references(
    value: Option<Value>,
    kind: &AskedType,
) -> Result<BTreeMap<AttributeName, Entries>, ConnectorError> {
    let mut read: BTreeMap<_, Entries> = BTreeMap::new();
    let Some(value) = value else { return Ok(read) };
    let Value::Array(entries) = value else { return Err(protocol("references is no list")) };
    for entry in entries {
        let Value::Object(mut entry) = entry else {
            return Err(protocol("an entry of references is no JSON object"));
        };
        let name = asked_name(entry.get_str("attribute"), kind)?;
        let mut to = Vec::new();
        for (member, make) in [
            (
                "values",
                (|text| ReferenceTo::Anchor(Anchor::new(text))) as fn(SmolStr) -> ReferenceTo,
            ),
            ("names", |text| ReferenceTo::Dn(Dn::new(text))),
        ] {
            match entry.remove(member) {
                None => {}
                Some(Value::Array(items)) => {
                    to.reserve(items.len());
                    for item in items {
                        let Value::String(text) = item else {
                            return Err(protocol("a reference is no text"));
                        };
                        to.push(make(text));
                    }
                }
                Some(_) => return Err(protocol("references of an attribute are no list")),
            }
        }
        let operation = text(&mut entry, "operation")?;
        read.entry(name).or_default().push((operation, to));
    }
    Ok(read)
}

fn cleared(value: Option<Value>, kind: &AskedType) -> Result<Vec<AttributeName>, ConnectorError> {
    let value = value.unwrap_or_default();
    value.values().iter().map(|name| asked_name(name.as_str(), kind)).collect()
}
