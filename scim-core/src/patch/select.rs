//! Resolving what operations select: elements by a filter, values by listing them, schemas by their URIs.

use std::sync::Arc;

use super::edit::{Action, ElementChange, ElementEdit};
use super::resolve::{Named, Resolver, ValueAt, missing};
use super::{Op, PatchPath};
use crate::check::{self, Owner, Place};
use crate::error::Error;
use crate::filter::resolve::find_sub;
use crate::filter::{CompareOp, Filter, FilterError, Literal};
use crate::name::{AttrName, SchemaUri};
use crate::profile::{Leniency, Tolerance};
use crate::resource::Value;
use crate::schema::{Attribute, Mutability};

impl<'s> Resolver<'_, 's> {
    /// Elements that a filter selects, or a sub-attribute of all elements.
    pub(super) fn elements(
        &mut self,
        named: Named<'s>,
        filter: Option<&Filter>,
        sub: Option<&'s Attribute>,
        path_at: &str,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        self.writable(named, sub)?;
        let typed = match filter {
            None => None,
            Some(filter) => Some(
                filter
                    .resolve_in(named.attribute, self.leniency)
                    .map_err(|e| in_operation(e, path_at))?,
            ),
        };
        let change = match (sub, self.op, value) {
            (Some(sub), _, value) => self.sub_change(named, sub, value, at)?,
            (None, Op::Remove, value) => {
                Some(ElementChange::Remove { only: self.listed(value, named.attribute, at)? })
            }
            (None, _, None) => return Err(missing(at)),
            (None, op, Some(value)) => match (op, self.element(value, named, at)?) {
                (Op::Add, Value::Null) => None,
                (_, Value::Null) => Some(ElementChange::Remove { only: None }),
                (Op::Add, value) => Some(ElementChange::Merge(value)),
                (_, value) => Some(ElementChange::Replace(value)),
            },
        };
        let Some(change) = change else { return Ok(()) };
        let (pins, complete) = match (filter, &change) {
            (None, _) | (_, ElementChange::Remove { .. } | ElementChange::Unset { .. }) => {
                (Vec::new(), false)
            }
            (Some(filter), _) => self.pins(filter, named),
        };
        // A member comes by `add` of its id, where stores look whether there is such a resource.
        let creates = complete
            && !named.attribute.is_resource_reference()
            && self.leniency.has(Tolerance::CreateOnFilterMiss)
            && matches!(&change, ElementChange::Set { sub, .. } if pins.iter().all(|(name, _)| name != sub));
        // Plain removals are what stores of rows know best; they need no definition.
        let rows = named.attribute.is_resource_reference()
            && !matches!(change, ElementChange::Remove { only: None });
        let definition = rows.then(|| Arc::new(named.attribute.clone()));
        let edit = ElementEdit { filter: typed, pins, creates, change, definition };
        self.push(named.slot(), Action::Elements(Box::new(edit)));
        Ok(())
    }

    /// The values that the filter says an element has, and whether that is all it says.
    fn pins(&self, filter: &Filter, named: Named<'s>) -> (Vec<(AttrName, Value)>, bool) {
        let terms = match filter {
            Filter::And(terms) => terms.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut pins: Vec<(AttrName, Value)> = Vec::new();
        let mut complete = true;
        for term in terms {
            let pin = match term {
                Filter::Compare(c) if c.op == CompareOp::Eq => {
                    self.pin(c.path.name(), &c.value, named)
                }
                _ => None,
            };
            match pin {
                Some((name, value)) if pins.iter().all(|(n, _)| *n != name) => {
                    pins.push((name, value));
                }
                _ => complete = false,
            }
        }
        (pins, complete)
    }

    fn pin(
        &self,
        name: &AttrName,
        literal: &Literal,
        named: Named<'s>,
    ) -> Option<(AttrName, Value)> {
        // The filter was accepted, traces included; what it says is only read again.
        let mut leniency = Leniency::new(self.leniency.profile());
        let sub = find_sub(named.attribute, name.as_str(), &mut leniency)?;
        let value = match literal {
            Literal::Null => return None,
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Number(number) => Value::Number(number.clone()),
            Literal::String(text) => Value::String(text.clone()),
        };
        let owner = Owner::of(self.schema, named.extension);
        let value = check::value(value, sub, owner, "", Place::Patch, &mut leniency).ok()?;
        let wanted = sub.mutability != Mutability::ReadOnly && value != Value::Null;
        wanted.then(|| (sub.name.clone(), value))
    }

    /// `schemas`, which follows from the data: removing an extension's URI removes its attributes (AMBIGUITIES 20).
    pub(super) fn schemas(
        &mut self,
        path: &PatchPath,
        path_at: &str,
        value: Option<&Value>,
        at: ValueAt<'_>,
    ) -> Result<(), Error> {
        if path.sub().is_some() {
            return Err(Error::path(path_at, "schemas has no sub-attributes"));
        }
        let schema = self.schema;
        let listed = match (self.op, value) {
            (Op::Remove, None | Some(Value::Null)) => None,
            (Op::Remove, Some(_)) => {
                self.by_value(at)?;
                Some(self.uris(value, at)?)
            }
            (Op::Add, Some(Value::Null)) => return Ok(()),
            (_, None) => return Err(missing(at)),
            (_, Some(_)) => Some(self.uris(value, at)?),
        };
        let selected = match path.filter() {
            None => None,
            Some(filter) => {
                let attribute = schema.attribute("schemas");
                let typed = attribute.map(|a| filter.resolve_in(a, self.leniency)).transpose();
                typed.map_err(|e| in_operation(e, path_at))?
            }
        };
        if selected.is_some() && self.op != Op::Remove {
            return Err(Error::mutability(path_at, "schemas follows from the data; set the data"));
        }
        let goes = |uri: &SchemaUri| {
            let listed = listed.as_ref().map(|uris| uris.contains(uri));
            match self.op {
                Op::Add => false,
                Op::Replace => listed == Some(false),
                Op::Remove => {
                    let element = Value::String(uri.to_smol());
                    listed != Some(false)
                        && selected.as_ref().is_none_or(|filter| filter.matches_element(&element))
                }
            }
        };
        if goes(&schema.base().id) {
            let detail = "the base schema of a resource cannot be removed";
            return Err(Error::mutability(path_at, detail));
        }
        let gone: Vec<_> =
            schema.extensions().map(|(e, _)| &e.id).filter(|uri| goes(uri)).cloned().collect();
        gone.iter().for_each(|uri| self.remove_extension(uri));
        Ok(())
    }

    /// The URIs of a value for `schemas`, without those that the resource type does not have.
    fn uris(&mut self, value: Option<&Value>, at: ValueAt<'_>) -> Result<Vec<SchemaUri>, Error> {
        let mut uris = Vec::new();
        for uri in value.map(Value::values).unwrap_or_default() {
            let Value::String(uri) = uri else {
                return Err(Error::value(at, format!("must hold strings, not {}", uri.kind())));
            };
            let base = &self.schema.base().id;
            let known = (*base == **uri)
                .then_some(base)
                .or_else(|| self.schema.extension(uri).map(|extension| &extension.id));
            match known {
                Some(uri) => uris.push(uri.clone()),
                None if self.leniency.allows(Tolerance::DropUndeclaredSchemas, at) => {}
                None => {
                    let detail =
                        format!("holds no schema of the resource type {}", self.schema.name());
                    return Err(Error::value(at, detail));
                }
            }
        }
        Ok(uris)
    }

    /// The values that a `remove` is for; nothing when it is for all of them (AMBIGUITIES 1).
    pub(super) fn listed(
        &mut self,
        value: Option<&Value>,
        attribute: &Attribute,
        at: ValueAt<'_>,
    ) -> Result<Option<Vec<Value>>, Error> {
        let Some(value) = value.filter(|v| **v != Value::Null) else { return Ok(None) };
        self.by_value(at)?;
        // Some clients wrap the list once more: `{"members": [..]}`.
        let value = match value {
            Value::Object(object) if object.len() == 1 => {
                object.get(attribute.name.as_str()).unwrap_or(value)
            }
            value => value,
        };
        let mut listed = Vec::new();
        for value in value.values() {
            let fits = match value {
                Value::Null => continue,
                Value::Object(element) if attribute.is_resource_reference() => {
                    element.get_str("value").is_some()
                }
                Value::Object(_) => attribute.is_complex(),
                Value::Array(_) => false,
                _ => !attribute.is_complex(),
            };
            if !fits {
                let detail = format!("does not list values of {}", attribute.name);
                return Err(Error::value(at, detail));
            }
            listed.push(value.clone());
        }
        Ok(Some(listed))
    }

    /// Whether a `remove` may have a value. Never read as if it had none: that would empty whole groups.
    fn by_value(&mut self, at: ValueAt<'_>) -> Result<(), Error> {
        if self.leniency.allows(Tolerance::RemoveByValue, at) {
            return Ok(());
        }
        Err(Error::syntax(format!(
            "{at}: a remove has no value; select what to remove with a filter in the path, such as \
             members[value eq \"2819c223\"]"
        )))
    }
}

fn in_operation(error: FilterError, path_at: &str) -> Error {
    let detail = format!("{path_at}: {}", error.detail);
    Error::InvalidFilter(FilterError { detail, ..error })
}
