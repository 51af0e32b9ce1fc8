//! PATCH (RFC 7644 section 3.5.2): from message to edits, from edits and a resource to what changed, and back from two
//! resources to a message.
//!
//! The way of a request is [`Patch::from_object`] (form), [`Patch::resolve`] (names, types, mutability by the schema)
//! and [`ResolvedPatch::apply`] (the resource). A store that keeps group members as rows takes
//! [`ResolvedPatch::split_members`] in between and never loads them.
//!
//! ```
//! use scim_core::{Leniency, Limits, Profile, Registry, Resource, json, patch::Patch};
//!
//! let registry = Registry::standard();
//! let mut leniency = Leniency::new(Profile::default());
//! let body = br#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
//!                 "Operations":[{"op":"Replace","path":"active","value":"False"}]}"#;
//! let limits = Limits::default();
//! let patch = Patch::from_object(json::parse_object(body, &limits)?, &limits, &mut leniency)?;
//!
//! let mut user = Resource::parse(br#"{"userName":"ada","active":true}"#, &limits)?;
//! let resolved = patch.resolve(registry.user(), &mut leniency)?;
//! let changes = resolved.apply(&mut user, registry.user(), &mut leniency)?;
//! assert_eq!(changes.to_string(), "active: true -> false");
//! assert_eq!(leniency.traces().len(), 1, "a boolean in quotes");
//! # Ok::<(), scim_core::Error>(())
//! ```

mod add;
mod budget;
mod change;
mod diff;
mod edit;
mod expect;
mod locate;
mod members;
mod path;
mod primary;
mod remove;
mod replace;
mod resolve;
mod select;
mod settle;
mod wire;

use std::fmt;

pub use change::{Change, ChangeSet};
pub use diff::diff;
pub use members::{MemberEdit, MemberOp, RowEdit};
pub use path::PatchPath;
pub use wire::{Op, Operation, Patch};

use crate::error::Error;
use crate::filter::Field;
use crate::profile::{Leniency, Profile};
use crate::resource::{Object, Resource, Value};
use crate::schema::{Mutability, ResourceSchema};
use budget::Budget;
use edit::{Action, Edit};
use locate::{Journal, Spot};

impl Patch {
    /// Resolves the message and applies it to a resource: [`Patch::resolve`] and [`ResolvedPatch::apply`] in one, for
    /// those who do not need the traces.
    ///
    /// # Errors
    /// As those two. The resource is unchanged then.
    pub fn apply(
        &self,
        resource: &mut Resource,
        schema: &ResourceSchema,
        profile: Profile,
    ) -> Result<ChangeSet, Error> {
        let mut leniency = Leniency::new(profile);
        self.resolve(schema, &mut leniency)?.apply(resource, schema, &mut leniency)
    }
}

/// A PATCH whose names are found, whose values are checked, and which only the resource's state can still refuse.
///
/// It owns what it needs and can be sent to where the resource is.
#[derive(Clone, Default)]
pub struct ResolvedPatch {
    edits: Vec<Edit>,
}

impl ResolvedPatch {
    /// Whether nothing is left to do, such as when all operations were taken out by
    /// [`split_members`](Self::split_members).
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Rewrites what the value filters of the operations compare with by `eq`, as
    /// [`TypedFilter::rewrite_equal`](crate::filter::TypedFilter::rewrite_equal) does.
    pub fn rewrite_equal(&mut self, rewrite: &mut dyn FnMut(&Field, &str) -> Option<String>) {
        for Edit { slot, action, .. } in &mut self.edits {
            if let Action::Elements(edit) = action
                && let Some(filter) = &mut edit.filter
            {
                filter.rewrite_equal_in(slot.extension.as_ref(), &slot.name, rewrite);
            }
        }
    }

    /// Applies all edits in order, or none.
    ///
    /// The resource must be canonical, as [`crate::check::Checked`] has it, and `schema` the one that the patch was
    /// resolved with. `schemas` follows from the data afterwards. A resource that was valid is valid afterwards: what
    /// the edits touched is checked for required attributes, so that [`crate::check::patched`] finds nothing more.
    ///
    /// # Errors
    /// [`Error::NoTarget`] when a filter selects nothing to add to or replace, [`Error::Mutability`] when a protected
    /// value would change or a required one go, [`Error::InvalidValue`] when one operation makes two values primary or
    /// a required sub-attribute is missing, [`Error::TooLarge`] when the edits together touch far more than a request
    /// holds. The resource is then exactly as it was.
    pub fn apply(
        &self,
        resource: &mut Resource,
        schema: &ResourceSchema,
        leniency: &mut Leniency,
    ) -> Result<ChangeSet, Error> {
        let object = resource.object_mut();
        let mut journal = Journal::default();
        let mut budget = Budget::new();
        let outcome = self
            .edits
            .iter()
            .try_for_each(|edit| {
                apply(edit, object, schema, &mut journal, leniency)?;
                object.get(edit.slot.top()).map_or(Ok(()), |touched| budget.spend(touched))
            })
            .and_then(|()| settle::check(object, &journal, schema));
        if let Err(error) = outcome {
            journal.roll_back(object);
            return Err(error);
        }
        let extensions = journal.touched().any(|name| schema.extension(name).is_some());
        let changes = journal.finish(object, schema);
        if extensions && !changes.is_empty() {
            settle::derive_schemas(object, schema);
        }
        Ok(changes)
    }
}

/// Shows where the edits are, never values.
impl fmt::Debug for ResolvedPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.edits.iter().map(|e| Spot { operation: e.operation, slot: &e.slot });
        f.debug_list().entries(places.map(|spot| spot.to_string())).finish()
    }
}

fn apply(
    edit: &Edit,
    object: &mut Object,
    schema: &ResourceSchema,
    journal: &mut Journal,
    leniency: &mut Leniency,
) -> Result<(), Error> {
    let spot = Spot { operation: edit.operation, slot: &edit.slot };
    match &edit.action {
        Action::Expect(value) => {
            return expect::check(value, object, schema, leniency, spot);
        }
        Action::RemoveExtension => {
            let uri = edit.slot.top();
            let found = schema.extensions().find(|(extension, _)| extension.id == *uri);
            let Some((extension, required)) = found else { return Ok(()) };
            journal.touch(object, uri);
            if let Some(Value::Object(data)) = object.get_mut(uri) {
                remove::extension(data, extension, required, edit.operation)?;
            }
            return Ok(());
        }
        _ => {}
    }
    let Some(attribute) = edit.slot.attribute(schema) else {
        return Err(Error::path(spot, "the resource type has no such attribute"));
    };
    journal.touch(object, edit.slot.top());
    let place = edit.slot.value(object);
    let immutable = attribute.mutability == Mutability::Immutable && !place.is_unassigned();
    let before = immutable.then(|| place.clone());
    match &edit.action {
        Action::Add(value) if attribute.multi_valued => {
            add::to_list(place, value.values(), attribute, spot)?;
        }
        Action::Replace(value) if attribute.multi_valued => {
            replace::list(place, value.values(), attribute, spot)?;
        }
        Action::Add(value) | Action::Replace(value) => *place = value.clone(),
        Action::Remove { only } => remove::attribute(place, only.as_deref(), attribute, spot)?,
        Action::Merge { members, append, whole } => {
            replace::merge(place, members, (*append, *whole), attribute, spot)?;
        }
        Action::Unset { sub, only } => {
            if let (Value::Object(object), Some(sub)) = (&mut *place, attribute.sub(sub.as_str())) {
                remove::sub(object, sub, only.as_deref(), spot)?;
            }
            if place.is_unassigned() {
                *place = Value::Null;
            }
        }
        Action::Elements(edit) => {
            replace::elements(place, edit, attribute, Some(leniency), spot)?;
        }
        Action::Expect(_) | Action::RemoveExtension => {}
    }
    if let Some(before) = before {
        if !replace::same(attribute, &before, place) {
            return Err(spot.mutability(None, "it is immutable and has a value already"));
        }
        *place = before;
    }
    remove::check_required(place, attribute, spot)
}
