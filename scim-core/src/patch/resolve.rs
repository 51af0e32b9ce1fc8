//! From operations to edits: names looked up, values checked, mutability by the schema.

use std::fmt;

use super::edit::{Action, Edit, ElementChange};
use super::locate::Slot;
use super::path::in_path;
use super::{Op, Operation, Patch, PatchPath, ResolvedPatch};
use crate::check::{self, Owner, Place};
use crate::error::Error;
use crate::filter::resolve::find_sub;
use crate::limits::Limits;
use crate::name::{AttrName, AttrPath, SchemaUri, is_attr_name};
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability, ResolveError, ResourceSchema, Schema, Target};

impl Patch {
    /// Finds the attributes that the operations name, checks their values and says what is to be done to a resource.
    ///
    /// A value without path is taken apart into one edit for each attribute. Names that the schema does not have are
    /// errors in every profile (AMBIGUITIES 23).
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for unknown names, [`Error::InvalidFilter`] for a filter that does not fit the attribute,
    /// [`Error::NoTarget`] for a `remove` without path, [`Error::InvalidValue`] for missing values and values of the
    /// wrong type or form, [`Error::InvalidSyntax`] for a `remove` with a value, [`Error::Mutability`] for what only the
    /// server writes.
    pub fn resolve(
        &self,
        schema: &ResourceSchema,
        leniency: &mut Leniency,
    ) -> Result<ResolvedPatch, Error> {
        let mut edits = Vec::with_capacity(self.operations().len());
        for (i, operation) in self.operations().iter().enumerate() {
            let mut resolver = Resolver {
                schema,
                leniency: &mut *leniency,
                operation: i,
                op: operation.op,
                edits: &mut edits,
            };
            resolver.operation(operation)?;
        }
        Ok(ResolvedPatch { edits })
    }
}

/// The attribute that an operation or a key of its value names.
#[derive(Clone, Copy)]
pub(super) struct Named<'s> {
    pub(super) extension: Option<&'s Schema>,
    pub(super) attribute: &'s Attribute,
}

impl Named<'_> {
    pub(super) fn slot(&self) -> Slot {
        Slot { extension: self.extension.map(|e| e.id.clone()), name: self.attribute.name.clone() }
    }
}

/// Where a value stood, for errors: the operation's value, or a member of it.
#[derive(Clone, Copy)]
pub(super) struct ValueAt<'a> {
    operation: usize,
    keys: [Option<&'a str>; 2],
}

impl fmt::Display for ValueAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations[{}].value", self.operation)?;
        self.keys.iter().flatten().try_for_each(|key| write!(f, ".{}", shown(key)))
    }
}

/// A key as errors and traces show it: without the filter of a path, whose values are the peer's, and not so long that it
/// fills an answer or a log.
fn shown(key: &str) -> &str {
    let path = key.find(['[', ' ', '"']).map_or(key, |at| &key[..at]);
    path.char_indices().nth(96).map_or(path, |(at, _)| &path[..at])
}

impl<'a> ValueAt<'a> {
    fn key(mut self, name: &'a str) -> Self {
        let free = usize::from(self.keys[0].is_some());
        self.keys[free] = Some(name);
        self
    }
}

/// Resolves one operation.
pub(super) struct Resolver<'r, 's> {
    pub(super) schema: &'s ResourceSchema,
    pub(super) leniency: &'r mut Leniency,
    operation: usize,
    pub(super) op: Op,
    edits: &'r mut Vec<Edit>,
}

impl<'s> Resolver<'_, 's> {
    fn operation(&mut self, operation: &Operation) -> Result<(), Error> {
        let at = ValueAt { operation: self.operation, keys: [None; 2] };
        let value = operation.value.as_ref();
        match (&operation.path, self.op) {
            (None, Op::Remove) => Err(Error::no_target(
                format_args!("Operations[{}].path", self.operation),
                "is missing; a remove must say what to remove",
            )),
            (None, _) => self.whole(value, at),
            (Some(path), _) => {
                let path_at = format!("Operations[{}].path", self.operation);
                self.at_path(path, &path_at, value, at)
            }
        }
    }

    /// A value without path: attributes of the resource.
    fn whole(&mut self, value: Option<&Value>, at: ValueAt<'_>) -> Result<(), Error> {
        let Some(Value::Object(members)) = value else {
            let detail = match value {
                None => "is missing; give an object with the attributes to set".to_owned(),
                Some(v) => {
                    format!("must be an object with the attributes to set, but is {}", v.kind())
                }
            };
            return Err(Error::value(at, detail));
        };
        // `schemas` is compared when the other members have done their work.
        for (name, value) in members.iter().filter(|(name, _)| !is_schemas(name)) {
            self.member(name, value, at.key(name))?;
        }
        match members.get("schemas") {
            Some(schemas) => self.member("schemas", schemas, at.key("schemas")),
            None => Ok(()),
        }
    }

    fn member(&mut self, name: &str, value: &Value, at: ValueAt<'_>) -> Result<(), Error> {
        let schema = self.schema;
        if let Some(attribute) = schema.attribute(name) {
            if ["schemas", "id", "meta"].iter().any(|n| attribute.name == *n) {
                if !value.is_unassigned() {
                    let slot = Slot { extension: None, name: attribute.name.clone() };
                    self.push(slot, Action::Expect(value.clone()));
                }
                return Ok(());
            }
            return self.attribute(Named { extension: None, attribute }, Some(value), at);
        }
        if let Some(extension) = schema.extension(name) {
            return self.container(extension, Some(value), at);
        }
        if schema.base().id == *name {
            return self.whole(Some(value), at);
        }
        if is_attr_name(name) {
            let path = AttrPath::from(AttrName::from_checked(name));
            let named = self.find(&path, &at.to_string())?;
            return self.attribute(named, Some(value), at);
        }
        // A key that is a path is its own operation (AMBIGUITIES 7).
        let shown = at.to_string();
        if !self.leniency.allows(Tolerance::PathKeys, &shown) {
            let detail = "is no attribute name; give the path in an operation of its own";
            return Err(Error::path(shown, detail));
        }
        let path = PatchPath::parse_for(self.op, name, &Limits::default(), self.leniency)
            .map_err(|e| Error::path(&shown, in_path(&e)))?;
        self.at_path(&path, &shown, Some(value), at)
    }

    fn at_path(
        &mut self,
        path: &PatchPath,
        path_at: &str,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        let Some(front) = path.attribute() else {
            let text = path.to_string();
            if let Some(extension) = self.schema.extension(&text) {
                return self.container(extension, value, at);
            }
            if self.schema.base().id == *text {
                return self.base(path_at, value, at);
            }
            return Err(unknown(path_at, &ResolveError::Schema(text)));
        };
        let sub = path.sub();
        if path.filter().is_some() && front.sub().is_some() {
            let detail = "a sub-attribute stands after the bracket, not in front of it";
            return Err(Error::path(path_at, detail));
        }
        let whole;
        let front = match front.sub() {
            Some(_) => {
                whole = AttrPath::new(front.uri().cloned(), front.name().clone(), None);
                &whole
            }
            None => front,
        };
        let named = match self.schema.resolve(front) {
            Ok(Target::Extension(extension)) if path.filter().is_none() && sub.is_none() => {
                return self.container(extension, value, at);
            }
            Ok(Target::Base(_)) if path.filter().is_none() && sub.is_none() => {
                return self.base(path_at, value, at);
            }
            Ok(Target::Extension(_) | Target::Base(_)) => {
                let detail = "a schema URI has no sub-attributes; name the attribute after it";
                return Err(Error::path(path_at, detail));
            }
            _ => self.find(front, path_at)?,
        };
        if named.extension.is_none() && is_schemas(named.attribute.name.as_str()) {
            return self.schemas(path, path_at, value, at);
        }
        let sub = match sub {
            None => None,
            Some(name) => {
                let Some(sub) = find_sub(named.attribute, name.as_str(), self.leniency) else {
                    let (attribute, sub) = (named.attribute.name.to_string(), name.to_string());
                    return Err(unknown(path_at, &ResolveError::Sub { attribute, sub }));
                };
                Some(sub)
            }
        };
        let Some(filter) = path.filter() else {
            return match sub {
                None => self.attribute(named, value, at),
                Some(sub) if named.attribute.multi_valued => {
                    self.elements(named, None, Some(sub), path_at, value, at)
                }
                Some(sub) => self.sub(named, sub, value, at),
            };
        };
        if !named.attribute.multi_valued && !named.attribute.is_complex() {
            let detail = "the attribute has one value, so there is nothing for a filter to select";
            return Err(Error::path(path_at, detail));
        }
        self.elements(named, Some(filter), sub, path_at, value, at)
    }

    /// Finds an attribute; `path` has no sub-attribute.
    fn find(&mut self, path: &AttrPath, at: &str) -> Result<Named<'s>, Error> {
        match self.schema.resolve(path) {
            Ok(Target::Attribute { extension, attribute, bare, .. }) => {
                if bare && !self.leniency.allows(Tolerance::BareExtensionName, at) {
                    let detail = match extension {
                        Some(e) => format!("put the schema URI in front: {}:{}", e.id, path.name()),
                        None => "put the schema URI in front".to_owned(),
                    };
                    return Err(Error::path(at, detail));
                }
                Ok(Named { extension, attribute })
            }
            Ok(_) => Err(unknown(at, &ResolveError::Attribute(path.to_string()))),
            Err(error) => Err(unknown(at, &error)),
        }
    }

    /// The base schema's URI as path: the resource itself.
    fn base(&mut self, path_at: &str, value: Option<&Value>, at: ValueAt<'_>) -> Result<(), Error> {
        match self.op {
            Op::Remove => {
                Err(Error::mutability(path_at, "the base schema of a resource cannot be removed"))
            }
            Op::Add | Op::Replace => self.whole(value, at),
        }
    }

    /// An extension as a whole: `add` and `replace` merge into it, `remove` empties it (AMBIGUITIES 8 and 20).
    fn container(
        &mut self,
        extension: &'s Schema,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        match (self.op, value) {
            (Op::Remove, None | Some(Value::Null)) | (Op::Replace, Some(Value::Null)) => {
                self.remove_extension(&extension.id);
                Ok(())
            }
            (Op::Add, Some(Value::Null)) => Ok(()),
            (_, Some(Value::Object(members))) => {
                for (name, value) in members.iter() {
                    let at = at.key(name);
                    let Some(attribute) = extension.attribute(name) else {
                        if extension.names_itself(name, value) {
                            continue;
                        }
                        let name = at.keys[1].or(at.keys[0]).unwrap_or_default();
                        let name = shown(name).to_owned();
                        return Err(unknown(&at.to_string(), &ResolveError::Attribute(name)));
                    };
                    self.attribute(
                        Named { extension: Some(extension), attribute },
                        Some(value),
                        at,
                    )?;
                }
                Ok(())
            }
            (_, None) => Err(missing(at)),
            (_, Some(other)) => Err(Error::value(
                at,
                format!(
                    "must be an object with attributes of the extension, but is {}",
                    other.kind()
                ),
            )),
        }
    }

    /// An attribute as a whole.
    fn attribute(
        &mut self,
        named: Named<'s>,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        self.writable(named, None)?;
        let action = match (self.op, value) {
            (Op::Remove, value) => {
                Action::Remove { only: self.listed(value, named.attribute, at)? }
            }
            (_, None) => return Err(missing(at)),
            (Op::Add, Some(Value::Null)) => return Ok(()),
            (Op::Replace, Some(Value::Null)) => Action::Remove { only: None },
            (_, Some(value)) if named.attribute.is_complex() && !named.attribute.multi_valued => {
                match self.merge(named, value, at)? {
                    Some(action) => action,
                    None => return Ok(()),
                }
            }
            (op, Some(value)) => {
                let checked = self.checked(value, named, named.attribute, at)?;
                match op {
                    Op::Add if checked == Value::Null => return Ok(()),
                    Op::Add => Action::Add(checked),
                    _ if checked == Value::Null => Action::Remove { only: None },
                    _ => Action::Replace(checked),
                }
            }
        };
        self.push(named.slot(), action);
        Ok(())
    }

    /// A value for a single-valued complex attribute: the sub-attributes that it names.
    fn merge(
        &mut self,
        named: Named<'s>,
        value: &Value,
        at: ValueAt<'_>,
    ) -> Result<Option<Action>, Error> {
        let replaces = self.op == Op::Replace;
        let mut members = Vec::new();
        let mut only_nulls = false;
        if let Value::Object(object) = value {
            only_nulls = object.values().all(Value::is_unassigned);
            // A null in a replacement takes its sub-attribute away (AMBIGUITIES 27).
            for (name, _) in object.iter().filter(|(_, v)| replaces && v.is_unassigned()) {
                if let Some(sub) = named.attribute.sub(name)
                    && sub.mutability != Mutability::ReadOnly
                {
                    members.push((sub.name.clone(), Value::Null));
                }
            }
        }
        match self.checked(value, named, named.attribute, at)? {
            Value::Object(object) => {
                let set = object.into_iter().map(|(name, v)| (AttrName::from_checked(&name), v));
                members.extend(set);
            }
            // Such as `manager` with an empty id.
            _ if replaces && !only_nulls => return Ok(Some(Action::Remove { only: None })),
            _ if members.is_empty() => return Ok(None),
            _ => {}
        }
        let whole = replaces && self.leniency.allows(Tolerance::ReplaceComplexWhole, at);
        Ok(Some(Action::Merge { members, append: !replaces, whole }))
    }

    /// A sub-attribute of a single-valued attribute.
    fn sub(
        &mut self,
        named: Named<'s>,
        sub: &'s Attribute,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        self.writable(named, Some(sub))?;
        // An empty id is no manager, whether it comes alone or inside its object.
        if self.op != Op::Remove
            && sub.name == "value"
            && value.and_then(Value::as_str) == Some("")
            && Owner::of(self.schema, named.extension).is_manager(named.attribute)
        {
            let manager = Value::Object(Object::from_iter([("value", "")]));
            return self.attribute(named, Some(&manager), at);
        }
        let action = match self.sub_change(named, sub, value, at)? {
            Some(ElementChange::Set { sub, value, append }) => {
                Action::Merge { members: vec![(sub, value)], append, whole: false }
            }
            Some(ElementChange::Unset { sub, only }) => Action::Unset { sub, only },
            _ => return Ok(()),
        };
        self.push(named.slot(), action);
        Ok(())
    }

    pub(super) fn sub_change(
        &mut self,
        named: Named<'s>,
        sub: &'s Attribute,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<Option<ElementChange>, Error> {
        let name = sub.name.clone();
        match (self.op, value) {
            (Op::Remove, value) => {
                Ok(Some(ElementChange::Unset { sub: name, only: self.listed(value, sub, at)? }))
            }
            (_, None) => Err(missing(at)),
            (op, Some(value)) => match self.checked(value, named, sub, at)? {
                Value::Null if op == Op::Add => Ok(None),
                Value::Null => Ok(Some(ElementChange::Unset { sub: name, only: None })),
                value => Ok(Some(ElementChange::Set { sub: name, value, append: op == Op::Add })),
            },
        }
    }

    pub(super) fn checked(
        &mut self,
        value: &Value,
        named: Named<'s>,
        attribute: &Attribute,
        at: ValueAt<'_>,
    ) -> Result<Value, Error> {
        let owner = Owner::of(self.schema, named.extension);
        check::value(value.clone(), attribute, owner, &at.to_string(), Place::Patch, self.leniency)
    }

    pub(super) fn element(
        &mut self,
        value: &Value,
        named: Named<'s>,
        at: ValueAt<'_>,
    ) -> Result<Value, Error> {
        let owner = Owner::of(self.schema, named.extension);
        let (value, attribute) = (value.clone(), named.attribute);
        check::element(value, attribute, owner, &at.to_string(), Place::Patch, self.leniency)
    }

    pub(super) fn writable(&self, named: Named<'s>, sub: Option<&Attribute>) -> Result<(), Error> {
        let read_only = |a: &Attribute| a.mutability == Mutability::ReadOnly;
        let name = match sub {
            _ if read_only(named.attribute) => named.slot().to_string(),
            Some(sub) if read_only(sub) => format!("{}.{}", named.slot(), sub.name),
            _ => return Ok(()),
        };
        Err(Error::mutability(
            format_args!("Operations[{}], {name}", self.operation),
            "it is readOnly; leave it out",
        ))
    }

    pub(super) fn remove_extension(&mut self, uri: &SchemaUri) {
        let slot = Slot { extension: Some(uri.clone()), name: AttrName::from_checked("schemas") };
        self.push(slot, Action::RemoveExtension);
    }

    pub(super) fn push(&mut self, slot: Slot, action: Action) {
        self.edits.push(Edit { operation: self.operation, slot, action });
    }
}

fn is_schemas(name: &str) -> bool {
    name.eq_ignore_ascii_case("schemas")
}

fn unknown(at: &str, error: &ResolveError) -> Error {
    Error::path(at, error.to_string())
}

pub(super) fn missing(at: ValueAt<'_>) -> Error {
    Error::value(at, "is missing; give the value to set, or null to unassign")
}
