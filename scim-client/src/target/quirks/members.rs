//! Operations on the members of a group: what they do, and the form in which the server takes them.

use scim_core::patch::PatchPath;
use scim_core::{
    AttrName, AttrPath, CompareOp, Comparison, Filter, Literal, Object, Op, Operation, Value,
};

use crate::target::fields::{Action, MemberRules, Removal};
use crate::target::{TargetProfile, Unsupported};

/// The attribute of a group that holds its members.
pub(crate) const MEMBERS: &str = "members";

/// What an operation does to the members.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MemberChange {
    Add(Vec<Value>),
    /// The ids.
    Remove(Vec<String>),
    RemoveAll,
    Replace(Vec<Value>),
    /// Something inside members, or a removal by another filter than of ids.
    Other,
}

/// What an operation with a path does to the members; `None` when it is about something else.
pub(super) fn member_change(operation: &Operation) -> Option<MemberChange> {
    let path = operation.path.as_ref()?;
    let attribute = path.attribute()?;
    if crate::target::fields::extension(attribute).is_some() || attribute.name() != MEMBERS {
        return None;
    }
    let values = operation.value.as_ref().map(Value::values).unwrap_or_default();
    if path.sub().is_some() {
        return Some(MemberChange::Other);
    }
    Some(match (operation.op, path.filter()) {
        (Op::Add, None) => MemberChange::Add(values.to_vec()),
        (Op::Replace, None) if values.is_empty() => MemberChange::RemoveAll,
        (Op::Replace, None) => MemberChange::Replace(values.to_vec()),
        (Op::Remove, None) if operation.value.is_none() => MemberChange::RemoveAll,
        (Op::Remove, None) => match values.iter().map(id_of).collect() {
            Some(ids) => MemberChange::Remove(ids),
            None => MemberChange::Other,
        },
        (Op::Remove, Some(filter)) => {
            let mut ids = Vec::new();
            match ids_of(filter, &mut ids) {
                true => MemberChange::Remove(ids),
                false => MemberChange::Other,
            }
        }
        _ => MemberChange::Other,
    })
}

fn id_of(member: &Value) -> Option<String> {
    member.as_object()?.get_str("value").map(str::to_owned)
}

/// Collects the ids of `value eq "a" or value eq "b"`; whether the filter is nothing else.
fn ids_of(filter: &Filter, ids: &mut Vec<String>) -> bool {
    match filter {
        Filter::Or(terms) => terms.iter().all(|term| ids_of(term, ids)),
        Filter::Compare(Comparison { path, op: CompareOp::Eq, value: Literal::String(id) })
            if path.name() == "value" && path.sub().is_none() =>
        {
            ids.push(id.to_string());
            true
        }
        _ => false,
    }
}

/// The operation that adds these members.
pub(crate) fn addition(members: Vec<Value>) -> Option<Operation> {
    let path = AttrPath::from(AttrName::new(MEMBERS).ok()?);
    Some(Operation { op: Op::Add, path: Some(path.into()), value: Some(Value::Array(members)) })
}

/// The operations that remove these members, in the form that the server takes.
pub(crate) fn removals<S: AsRef<str>>(form: Removal, ids: &[S]) -> Vec<Operation> {
    let Ok(members) = AttrName::new(MEMBERS).map(AttrPath::from) else { return Vec::new() };
    let Ok(value) = AttrName::new("value").map(AttrPath::from) else { return Vec::new() };
    let is = |id: &S| {
        Filter::Compare(Comparison {
            path: value.clone(),
            op: CompareOp::Eq,
            value: Literal::from(id.as_ref()),
        })
    };
    let by = |filter| Operation {
        op: Op::Remove,
        path: Some(PatchPath::selected(members.clone(), filter, None)),
        value: None,
    };
    match form {
        Removal::AsGiven | Removal::Filter => ids.iter().map(|id| by(is(id))).collect(),
        Removal::OneFilter => Filter::any(ids.iter().map(is)).map(by).into_iter().collect(),
        Removal::ValueList => {
            let list = ids.iter().map(|id| {
                let member: Object = [("value", id.as_ref())].into_iter().collect();
                Value::Object(member)
            });
            let list: Vec<Value> = list.collect();
            let path = Some(PatchPath::from(members));
            vec![Operation { op: Op::Remove, path, value: Some(Value::Array(list)) }]
        }
    }
}

/// What one more operation would add to a request, to be held against the limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) operations: usize,
    pub(super) attributes: usize,
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) other_membership: usize,
}

impl Load {
    pub(super) fn with(self, more: Self) -> Self {
        Self {
            operations: self.operations + more.operations,
            attributes: self.attributes + more.attributes,
            added: self.added + more.added,
            removed: self.removed + more.removed,
            other_membership: self.other_membership + more.other_membership,
        }
    }

    pub(super) fn fits(self, rules: &MemberRules) -> bool {
        let membership = self.added + self.removed + self.other_membership;
        rules.max_add.admits(self.added)
            && rules.max_remove.admits(self.removed)
            && rules.max_change.admits(self.added + self.removed)
            && (rules.mixed || self.added == 0 || self.removed == 0)
            && (!rules.apart || membership == 0 || self.attributes == 0)
    }
}

impl TargetProfile {
    /// Members in the body of a create or replace.
    pub(super) fn check_whole_membership(
        &self,
        endpoint: &str,
        action: Action,
        body: &Object,
    ) -> Result<(), Unsupported> {
        let rules = &self.rules(endpoint).members;
        let Some(members) = body.get(MEMBERS).map(Value::values) else {
            return Ok(());
        };
        if action == Action::Create {
            return match rules.max_create.admits(members.len()) {
                true => Ok(()),
                false => Err(self.unsupported(format!(
                    "a new group with {} members, at most {}; add the others afterwards",
                    members.len(),
                    rules.max_create
                ))),
            };
        }
        if !rules.replace_all {
            return Err(self.unsupported("a replace of all members; add and remove by patch"));
        }
        match rules.max_replace.admits(members.len()) {
            true => Ok(()),
            false => Err(self.unsupported(format!(
                "a replace with {} members, at most {}; add and remove by patch",
                members.len(),
                rules.max_replace
            ))),
        }
    }
}
