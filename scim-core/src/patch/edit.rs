//! Edits: operations bound to the attributes of a schema, with checked values.

use std::sync::Arc;

use super::locate::Slot;
use crate::filter::TypedFilter;
use crate::name::AttrName;
use crate::resource::Value;
use crate::schema::Attribute;

/// One step of a resolved PATCH.
#[derive(Clone)]
pub(super) struct Edit {
    /// The index of the operation that it came from.
    pub(super) operation: usize,
    pub(super) slot: Slot,
    pub(super) action: Action,
}

#[derive(Clone)]
pub(super) enum Action {
    /// Add to a multi-valued attribute, or set a simple single-valued one.
    Add(Value),
    /// Put in the place of all there is.
    Replace(Value),
    /// Take away: everything, or these values only.
    Remove { only: Option<Vec<Value>> },
    /// Set sub-attributes of a single-valued complex attribute; `null` takes one away.
    Merge {
        members: Vec<(AttrName, Value)>,
        /// Whether lists grow (`add`) or are replaced.
        append: bool,
        /// Whether sub-attributes that are not named go.
        whole: bool,
    },
    /// Take a sub-attribute of a single-valued complex attribute away, or only if it has one of these values.
    Unset { sub: AttrName, only: Option<Vec<Value>> },
    /// Work on some elements.
    Elements(Box<ElementEdit>),
    /// Take the data of an extension away. The slot's name is of no meaning.
    RemoveExtension,
    /// The attribute, which only the server writes, must already be this.
    Expect(Value),
}

/// What happens to the elements that a filter selects.
#[derive(Clone)]
pub(super) struct ElementEdit {
    /// All elements, when there is none.
    pub(super) filter: Option<TypedFilter>,
    /// What `eq` terms of the filter say that a matching element has.
    pub(super) pins: Vec<(AttrName, Value)>,
    /// Whether an element that has the pins may be made where none matches.
    pub(super) creates: bool,
    pub(super) change: ElementChange,
    /// The attribute, where the edit may be taken out of the patch and applied to rows.
    pub(super) definition: Option<Arc<Attribute>>,
}

#[derive(Clone)]
pub(super) enum ElementChange {
    Set { sub: AttrName, value: Value, append: bool },
    Unset { sub: AttrName, only: Option<Vec<Value>> },
    Replace(Value),
    Merge(Value),
    Remove { only: Option<Vec<Value>> },
}
