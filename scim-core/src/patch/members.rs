//! Membership operations: what a PATCH does to an attribute that a store keeps as rows.
//!
//! A group of a hundred thousand members must not be loaded to add one. So [`ResolvedPatch::split_members`] takes the
//! edits of that attribute out of the patch, in terms that rows can be changed by.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use smol_str::SmolStr;

use super::ResolvedPatch;
use super::add::{append, put_list, take_list};
use super::edit::{Action, Edit, ElementChange, ElementEdit};
use super::locate::{Slot, Spot};
use super::replace;
use crate::error::Error;
use crate::filter::{CompareOp, TypedFilter, TypedValue};
use crate::resource::Value;
use crate::text::TextRule;

/// One change of a row-stored attribute, in the order of the request.
#[derive(Debug, Clone)]
pub struct MemberEdit {
    /// The index of the operation that it came from, for errors such as a member that does not exist.
    pub operation: usize,
    /// What to do.
    pub op: MemberOp,
}

/// What to do to the rows of one resource. A member is identified by its `value`.
#[derive(Debug, Clone)]
pub enum MemberOp {
    /// Add these elements, unless they are there.
    Add(Vec<Value>),
    /// Take the elements with these ids away; ids that are not there are no error.
    Remove(Vec<SmolStr>),
    /// Take away what the filter matches ([`TypedFilter::matches_element`]).
    RemoveWhere(TypedFilter),
    /// Take all away.
    RemoveAll,
    /// Make these the only elements. Those that are there already stay as they are.
    Replace(Vec<Value>),
    /// Something rarer, that only [`MemberOp::apply_to`] knows how to do to the elements.
    Edit(RowEdit),
}

/// A change inside elements, such as `replace` of `members[value eq "x"].display`.
///
/// Rows are changed by loading those that [`RowEdit::selects`] says, applying the operation to them, and writing back
/// what became of them.
#[derive(Clone)]
pub struct RowEdit {
    operation: usize,
    slot: Slot,
    edit: Box<ElementEdit>,
}

impl RowEdit {
    /// The filter for the elements that the change is about; all of them when there is none.
    pub fn selects(&self) -> Option<&TypedFilter> {
        self.edit.filter.as_ref()
    }
}

impl fmt::Debug for RowEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowEdit({})", Spot { operation: self.operation, slot: &self.slot })
    }
}

impl MemberOp {
    /// Applies the operation to a list of elements: the meaning of the operation, for stores that keep lists and as
    /// what stores of rows are tested against. On an error the list is unchanged.
    ///
    /// # Errors
    /// Only [`MemberOp::Edit`] fails: [`Error::NoTarget`] when nothing matches, [`Error::Mutability`] when an immutable
    /// sub-attribute would change.
    pub fn apply_to(&self, members: &mut Vec<Value>) -> Result<(), Error> {
        match self {
            MemberOp::Add(values) => {
                append(members, values, id);
            }
            MemberOp::Remove(ids) => {
                let ids: BTreeSet<&str> = ids.iter().map(SmolStr::as_str).collect();
                members.retain(|member| !ids.contains(&*id(member)));
            }
            MemberOp::RemoveWhere(filter) => {
                members.retain(|member| !filter.matches_element(member));
            }
            MemberOp::RemoveAll => members.clear(),
            MemberOp::Replace(values) => {
                *members = replace::replaced_references(members, values, id);
            }
            MemberOp::Edit(RowEdit { operation, slot, edit }) => {
                let Some(attribute) = &edit.definition else { return Ok(()) };
                let mut place = Value::Null;
                put_list(&mut place, members.clone());
                let spot = Spot { operation: *operation, slot };
                replace::elements(&mut place, edit, attribute, None, spot)?;
                *members = take_list(&mut place);
            }
        }
        Ok(())
    }
}

/// Elements without an id, which the checks let no one write, are identified by what they are.
fn id(member: &Value) -> Cow<'_, str> {
    match member.as_object().and_then(|m| m.get_str("value")) {
        Some(id) => Cow::Borrowed(id),
        None => Cow::Owned(member.to_string()),
    }
}

impl ResolvedPatch {
    /// Takes the edits of a row-stored attribute of the base schema out; what is left works on the resource without
    /// that attribute. Both keep their order, and since no edit looks at another attribute than its own, doing one
    /// after the other is the same as doing all in turn.
    pub fn split_members(self, attribute: &str) -> (ResolvedPatch, Vec<MemberEdit>) {
        let mut rest = Vec::with_capacity(self.edits.len());
        let mut members = Vec::new();
        for edit in self.edits {
            if edit.slot.extension.is_some() || edit.slot.name != *attribute {
                rest.push(edit);
                continue;
            }
            let operation = edit.operation;
            if let Some(op) = member_op(edit) {
                members.push(MemberEdit { operation, op });
            }
        }
        (ResolvedPatch { edits: rest }, members)
    }
}

/// The row form of an edit; nothing for an edit that does nothing.
fn member_op(edit: Edit) -> Option<MemberOp> {
    let Edit { operation, slot, action } = edit;
    match action {
        Action::Add(values) => Some(MemberOp::Add(list(values))),
        Action::Replace(values) => Some(MemberOp::Replace(list(values))),
        Action::Remove { only: None } => Some(MemberOp::RemoveAll),
        Action::Remove { only: Some(only) } => {
            Some(MemberOp::Remove(only.iter().map(|v| SmolStr::new(id(v))).collect()))
        }
        Action::Elements(edit) => Some(match (&edit.change, &edit.filter) {
            (ElementChange::Remove { only: None }, Some(filter)) => match ids(filter) {
                Some(ids) => MemberOp::Remove(ids),
                None => MemberOp::RemoveWhere(filter.clone()),
            },
            (ElementChange::Remove { only: None }, None) => MemberOp::RemoveAll,
            _ => MemberOp::Edit(RowEdit { operation, slot, edit }),
        }),
        // Single-valued attributes are not kept as rows, and extensions are another slot.
        Action::Merge { .. }
        | Action::Unset { .. }
        | Action::RemoveExtension
        | Action::Expect(_) => None,
    }
}

fn list(values: Value) -> Vec<Value> {
    match values {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        single => vec![single],
    }
}

/// The ids that a filter names, when it is nothing but `value eq "x"` or several of them joined by `or`.
fn ids(filter: &TypedFilter) -> Option<Vec<SmolStr>> {
    match filter {
        TypedFilter::Compare(c) => match &c.value {
            TypedValue::Text { raw, .. }
                if c.op == CompareOp::Eq
                    && c.field.rule == TextRule::Exact
                    && c.field.sub.is_none()
                    && c.field.name == "value" =>
            {
                Some(vec![raw.clone()])
            }
            _ => None,
        },
        TypedFilter::Or(terms) => {
            let mut all = Vec::with_capacity(terms.len());
            for term in terms {
                all.append(&mut ids(term)?);
            }
            Some(all)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Patch;
    use crate::json;
    use crate::limits::Limits;
    use crate::profile::{Leniency, Profile};
    use crate::schema::Registry;

    use super::*;

    fn split(operations: &str) -> (ResolvedPatch, Vec<MemberEdit>) {
        let registry = Registry::standard();
        let (limits, mut leniency) = (Limits::default(), Leniency::new(Profile::default()));
        let body = format!(r#"{{"Operations":[{operations}]}}"#);
        let message = json::parse_object(body.as_bytes(), &limits).unwrap();
        let patch = Patch::from_object(message, &limits, &mut leniency).unwrap();
        patch.resolve(registry.group(), &mut leniency).unwrap().split_members("members")
    }

    fn one(operation: &str) -> MemberOp {
        let (rest, mut edits) = split(operation);
        assert!(rest.is_empty());
        assert_eq!(edits.len(), 1);
        edits.remove(0).op
    }

    #[test]
    fn ids_are_found_in_filters() {
        for (path, expected) in [
            (r#"members[value eq \"a\"]"#, &["a"][..]),
            (r#"members[value eq \"a\" or value eq \"B\"]"#, &["a", "B"]),
            (r#"members[(value eq \"a\" or value eq \"b\") or value eq \"c\"]"#, &["a", "b", "c"]),
        ] {
            let op = one(&format!(r#"{{"op":"remove","path":"{path}"}}"#));
            assert!(matches!(&op, MemberOp::Remove(ids) if ids == expected), "{path}: {op:?}");
        }
        for path in [
            r#"members[value ne \"a\"]"#,
            r#"members[value sw \"a\"]"#,
            r#"members[value eq \"a\" and type eq \"User\"]"#,
            r#"members[value eq \"a\" or type eq \"User\"]"#,
            r#"members[not (value eq \"a\")]"#,
        ] {
            let op = one(&format!(r#"{{"op":"remove","path":"{path}"}}"#));
            assert!(matches!(op, MemberOp::RemoveWhere(_)), "{path}: {op:?}");
        }
    }

    #[test]
    fn every_form_has_its_operation() {
        let add = one(r#"{"op":"add","path":"members","value":{"value":"a"}}"#);
        assert!(matches!(add, MemberOp::Add(values) if values.len() == 1));
        let all = one(r#"{"op":"remove","path":"members"}"#);
        assert!(matches!(all, MemberOp::RemoveAll));
        let empty = one(r#"{"op":"replace","path":"members","value":[]}"#);
        assert!(matches!(empty, MemberOp::RemoveAll));
        let listed = one(r#"{"op":"remove","path":"members","value":[{"value":"a"}]}"#);
        assert!(matches!(listed, MemberOp::Remove(ids) if ids == ["a"]));
        let none = one(r#"{"op":"remove","path":"members","value":[]}"#);
        assert!(matches!(none, MemberOp::Remove(ids) if ids.is_empty()));
        let inside =
            one(r#"{"op":"replace","path":"members[value eq \"a\"].type","value":"User"}"#);
        let MemberOp::Edit(edit) = &inside else { panic!("{inside:?}") };
        assert!(edit.selects().is_some());
        assert!(matches!(inside.apply_to(&mut Vec::new()), Err(Error::NoTarget { .. })));
    }

    #[test]
    fn the_rest_keeps_its_order_and_edits_their_index() {
        let (rest, edits) = split(
            r#"{"op":"replace","path":"displayName","value":"a"},
               {"op":"add","path":"members","value":[{"value":"u"}]},
               {"op":"replace","value":{"displayName":"b","members":[{"value":"v"}]}},
               {"op":"remove","path":"members[value eq \"v\"]"}"#,
        );
        assert_eq!(edits.iter().map(|e| e.operation).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            format!("{rest:?}"),
            r#"["Operations[0], displayName", "Operations[2], displayName"]"#
        );
        let mut members = Vec::new();
        for edit in edits {
            edit.op.apply_to(&mut members).unwrap();
        }
        assert!(members.is_empty());
    }
}
