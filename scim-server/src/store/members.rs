//! Membership operations in the form that the stores apply.

use scim_core::filter::TypedFilter;
use scim_core::patch::{MemberEdit, MemberOp, RowEdit};
use scim_core::{Registry, ResourceId, Value};
use smol_str::SmolStr;

use super::StoreError;

/// One membership operation. Members are `None` where the value cannot be the id of anything.
#[derive(Debug)]
pub(super) enum RowOp<'a> {
    /// Come in; those that are in already stay.
    Add {
        /// The place in the request.
        operation: usize,
        /// Who.
        ids: Vec<Option<ResourceId>>,
    },
    /// Are all that is left.
    Replace {
        /// The place in the request.
        operation: usize,
        /// Who.
        ids: Vec<Option<ResourceId>>,
    },
    /// Go; those that are not in are passed over.
    Remove {
        /// Who.
        ids: &'a [SmolStr],
    },
    /// Go, whoever matches.
    RemoveWhere {
        /// On elements of `members`.
        filter: &'a TypedFilter,
    },
    /// All go.
    RemoveAll,
    /// Something inside of elements, which only the operation itself knows.
    Edit {
        /// The place in the request.
        operation: usize,
        /// The operation.
        op: &'a MemberOp,
        /// Which elements it is about.
        edit: &'a RowEdit,
    },
}

/// The operations of a write.
pub(super) fn row_ops(edits: &[MemberEdit]) -> Vec<RowOp<'_>> {
    edits.iter().map(row_op).collect()
}

fn row_op(MemberEdit { operation, op }: &MemberEdit) -> RowOp<'_> {
    let operation = *operation;
    match op {
        MemberOp::Add(members) => RowOp::Add { operation, ids: ids(members) },
        MemberOp::Replace(members) => RowOp::Replace { operation, ids: ids(members) },
        MemberOp::Remove(ids) => RowOp::Remove { ids },
        MemberOp::RemoveWhere(filter) => RowOp::RemoveWhere { filter },
        MemberOp::RemoveAll => RowOp::RemoveAll,
        MemberOp::Edit(edit) => RowOp::Edit { operation, op, edit },
    }
}

fn ids(members: &[Value]) -> Vec<Option<ResourceId>> {
    let id = |member: &Value| ResourceId::new(member.as_object()?.get_str("value")?);
    members.iter().map(id).collect()
}

/// Whether resources of a type may be members of a group of another: the `$ref` of its `members` says which.
pub(super) fn may_be_member(registry: &Registry, group: &str, member: &str) -> bool {
    let reference = registry
        .get(group)
        .and_then(|schema| schema.attribute("members"))
        .and_then(|members| members.sub("$ref"));
    let Some(reference) = reference else { return true };
    let mut types = reference.reference_types.iter().filter(|t| *t != "uri" && *t != "external");
    let mut any = types.by_ref().peekable();
    any.peek().is_none() || any.any(|t| t == member)
}

/// What an operation inside of elements comes to for these elements, which are those that it selects: the ids of those
/// that are left or new. Everything else about a member follows from the member itself and is not stored.
pub(super) fn edited(
    op: &MemberOp,
    mut elements: Vec<Value>,
) -> Result<Vec<Option<ResourceId>>, StoreError> {
    op.apply_to(&mut elements).map_err(StoreError::Edit)?;
    Ok(ids(&elements))
}
