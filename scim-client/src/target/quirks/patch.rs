//! PATCH messages in the form that a server takes.

use scim_core::patch::PatchPath;
use scim_core::{AttrName, AttrPath, Filter, Object, Op, Operation, Patch, SchemaUri, Value, urn};

use super::members::{Load, MEMBERS, MemberChange, addition, member_change, removals};
use crate::target::fields::{Limit, OpCase, PatchVerb, Path, PathStyle, Removal, TypeRules};
use crate::target::{TargetProfile, Unsupported};

/// A PATCH as this server takes it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ShapedPatch {
    /// The messages, to be sent in this order. They are more than one where the server takes less at once: then the
    /// whole is no longer done or not done, but each message is. There is none when all was left out.
    pub messages: Vec<Object>,
    /// The attributes that were left out because the server does not have them.
    pub dropped: Vec<String>,
}

/// Operations for one request.
#[derive(Default)]
struct Message {
    operations: Vec<Operation>,
    load: Load,
}

impl TargetProfile {
    /// Brings a PATCH into the form that the server takes: with or without paths, the spelling of `op`, removals of
    /// members, and no more at once than it allows.
    ///
    /// # Errors
    /// [`Unsupported`] for what cannot be said in a form that the server takes.
    pub fn shape(&self, endpoint: &str, patch: &Patch) -> Result<ShapedPatch, Unsupported> {
        if self.fields().features.patch == Some(false) {
            return Err(self.unsupported("PATCH"));
        }
        let rules = self.rules(endpoint);
        let mut shaped = ShapedPatch::default();
        let mut operations = Vec::new();
        for operation in patch.operations() {
            // With paths, what an operation touches is plain to see; the form comes last.
            for single in with_paths(operation.clone()) {
                match rules.drop.iter().find(|path| touches(path, &single)) {
                    Some(path) => shaped.dropped.push(path.to_string()),
                    None => {
                        self.check_operation(rules, &single)?;
                        self.unfold(rules, single, &mut operations)?;
                    }
                }
            }
        }
        let style = self.fields().patch.path;
        let mut messages: Vec<Message> = Vec::new();
        for operation in operations {
            self.pack(rules, operation, &mut messages)?;
        }
        for message in messages {
            let operations = match style {
                PathStyle::Required => message.operations,
                PathStyle::AsGiven if patch.operations().iter().all(|op| op.path.is_some()) => {
                    message.operations
                }
                PathStyle::AsGiven => self.as_given(patch, message.operations),
                PathStyle::Omitted => self.without_paths(message.operations)?,
            };
            self.bounded(operations, &mut shaped.messages)?;
        }
        Ok(shaped)
    }

    fn check_operation(&self, rules: &TypeRules, operation: &Operation) -> Result<(), Unsupported> {
        let verb = match operation.op {
            Op::Add => PatchVerb::Add,
            Op::Remove => PatchVerb::Remove,
            Op::Replace => PatchVerb::Replace,
        };
        if !rules.patch_operations.contains(&verb) {
            return Err(self.unsupported(format!("the PATCH operation {}", operation.op)));
        }
        let shown = operation.path.as_ref().map(ToString::to_string).unwrap_or_default();
        let refused = |list: &[Path]| list.iter().any(|path| touches(path, operation));
        if refused(&rules.refuse) {
            return Err(self.unsupported(format!("the attribute {shown}")));
        }
        if refused(&rules.create_only) {
            return Err(self.unsupported(format!("{shown} after the resource was created")));
        }
        if !rules.patchable.is_empty() && !refused(&rules.patchable) {
            let known: Vec<String> = rules.patchable.iter().map(ToString::to_string).collect();
            return Err(self.unsupported(format!("PATCH of {shown}, only of {}", known.join(", "))));
        }
        let empty = operation.value.as_ref().is_none_or(Value::is_unassigned);
        if (operation.op == Op::Remove || empty) && refused(&rules.not_removable) {
            return Err(self.unsupported(format!("the removal of {shown}")));
        }
        for (path, values) in &rules.patch_values {
            let value = operation.value.clone().map(serde_json::Value::from);
            let allowed = || {
                let known = values.iter().filter_map(|v| serde_json::to_value(v).ok());
                known.into_iter().any(|known| Some(&known) == value.as_ref())
            };
            if touches(path, operation) && !allowed() {
                return Err(self.unsupported(format!("PATCH of {shown} with this value")));
            }
        }
        self.check_path_filter(operation)?;
        match sample(operation) {
            Some(sample) => self.check_values(rules, &sample),
            None => Ok(()),
        }
    }

    fn check_path_filter(&self, operation: &Operation) -> Result<(), Unsupported> {
        let Some(path) = &operation.path else { return Ok(()) };
        let (Some(attribute), Some(filter)) = (path.attribute(), path.filter()) else {
            return Ok(());
        };
        let known = &self.fields().patch.path_filters;
        let Some((_, allowed)) = known.iter().find(|(known, _)| known.is(attribute)) else {
            return Ok(());
        };
        let same = |text: &String| text.parse::<Filter>().is_ok_and(|known| known == *filter);
        match allowed.iter().any(same) {
            true => Ok(()),
            false => Err(self.unsupported(format!(
                "the path {path}; of {attribute} only [{}]",
                allowed.join("] or [")
            ))),
        }
    }

    /// Cuts changes of members into pieces that one request may hold.
    fn unfold(
        &self,
        rules: &TypeRules,
        operation: Operation,
        out: &mut Vec<Operation>,
    ) -> Result<(), Unsupported> {
        let limits = &rules.members;
        let at_once = |limit: Limit| {
            let limits = [limit, limits.max_change].into_iter().filter_map(Limit::get);
            limits.min().unwrap_or(usize::MAX)
        };
        match member_change(&operation) {
            Some(MemberChange::Add(members)) => {
                let pieces = members.chunks(at_once(limits.max_add).max(1));
                out.extend(pieces.filter_map(|piece| addition(piece.to_vec())));
            }
            Some(MemberChange::Remove(ids))
                if limits.removal == Removal::AsGiven
                    && ids.len() <= at_once(limits.max_remove) =>
            {
                out.push(operation);
            }
            Some(MemberChange::Remove(ids)) => {
                for piece in ids.chunks(at_once(limits.max_remove).max(1)) {
                    out.extend(removals(limits.removal, piece));
                }
            }
            Some(MemberChange::RemoveAll) if !limits.replace_all => {
                return Err(self.unsupported("a removal of all members at once; name them"));
            }
            Some(MemberChange::Replace(members)) => {
                if !limits.replace_all {
                    return Err(
                        self.unsupported("a replace of all members; add some and remove others")
                    );
                }
                if !limits.max_replace.admits(members.len()) {
                    return Err(self.unsupported(format!(
                        "a replace with {} members, at most {}",
                        members.len(),
                        limits.max_replace
                    )));
                }
                out.push(operation);
            }
            _ => out.push(operation),
        }
        Ok(())
    }

    /// Puts the operation into the last message if it fits there, and into a new one if not.
    fn pack(
        &self,
        rules: &TypeRules,
        operation: Operation,
        messages: &mut Vec<Message>,
    ) -> Result<(), Unsupported> {
        let change = member_change(&operation);
        let mut load = Load { operations: 1, ..Load::default() };
        match &change {
            Some(MemberChange::Add(members)) => load.added = members.len(),
            Some(MemberChange::Remove(ids)) => load.removed = ids.len(),
            Some(_) => load.other_membership = 1,
            None => load.attributes = 1,
        }
        if let Some(last) = messages.last_mut() {
            let joins = match (&change, last.operations.last_mut()) {
                (Some(MemberChange::Add(more)), Some(before)) => {
                    matches!(member_change(before), Some(MemberChange::Add(_)))
                        .then_some((before, more))
                }
                _ => None,
            };
            // Some servers want one operation with all that is added.
            let joined = Load { operations: 0, ..load };
            if rules.members.one_addition
                && let Some((before, more)) = joins
                && last.load.with(joined).fits(&rules.members)
                && let Some(Value::Array(members)) = &mut before.value
            {
                members.extend(more.iter().cloned());
                last.load = last.load.with(joined);
                return Ok(());
            }
            let both = last.load.with(load);
            if both.fits(&rules.members)
                && self.fields().patch.max_operations.admits(both.operations)
            {
                last.load = both;
                last.operations.push(operation);
                return Ok(());
            }
        }
        if !load.fits(&rules.members) {
            return Err(self.unsupported("so many members in one operation"));
        }
        messages.push(Message { operations: vec![operation], load });
        Ok(())
    }

    /// Gives operations back the form without path that they had, where the message was not taken apart.
    fn as_given(&self, patch: &Patch, operations: Vec<Operation>) -> Vec<Operation> {
        let limit = self.fields().patch.attributes_without_path;
        let unchanged: Vec<Operation> =
            patch.operations().iter().cloned().flat_map(with_paths).collect();
        match unchanged == operations {
            true => {
                patch.operations().iter().cloned().flat_map(|op| in_pieces(op, limit)).collect()
            }
            false => operations,
        }
    }

    fn without_paths(&self, operations: Vec<Operation>) -> Result<Vec<Operation>, Unsupported> {
        let limit = self.fields().patch.attributes_without_path;
        let mut out: Vec<Operation> = Vec::new();
        for operation in operations {
            let Some(body) = sample(&operation).filter(|_| operation.op != Op::Remove) else {
                let shown = operation.path.as_ref().map(ToString::to_string).unwrap_or_default();
                return Err(self.unsupported(format!(
                    "{} of {shown}: it takes operations without path only",
                    operation.op
                )));
            };
            // Neighbours with the same verb share a value, as far as the server takes them.
            if let Some(Operation { op, value: Some(Value::Object(before)), .. }) = out.last_mut()
                && *op == operation.op
                && limit.admits(before.len() + body.len())
                && body.iter().all(|(name, _)| !before.contains(name))
            {
                for (name, value) in body {
                    before.insert(&name, value);
                }
                continue;
            }
            out.push(Operation { op: operation.op, path: None, value: Some(body.into()) });
        }
        Ok(out)
    }

    /// Writes the message, cut in halves until it has no more bytes than the server takes.
    fn bounded(
        &self,
        operations: Vec<Operation>,
        out: &mut Vec<Object>,
    ) -> Result<(), Unsupported> {
        let rules = &self.fields().patch;
        let message = written(&operations, rules.op_case);
        let size = Value::Object(message.clone()).to_string().len();
        if rules.max_bytes.admits(size) {
            out.push(message);
            return Ok(());
        }
        let too_large =
            || self.unsupported(format!("a PATCH of {size} bytes, at most {}", rules.max_bytes));
        let (first, second) = match <[Operation; 1]>::try_from(operations) {
            Err(operations) => {
                let (first, second) = operations.split_at(operations.len() / 2);
                (first.to_vec(), second.to_vec())
            }
            Ok(
                [Operation { op: Op::Add, path: Some(path), value: Some(Value::Array(values)) }],
            ) if values.len() > 1 => {
                let half = |values: &[Value]| {
                    let value = Some(Value::Array(values.to_vec()));
                    vec![Operation { op: Op::Add, path: Some(path.clone()), value }]
                };
                let (first, second) = values.split_at(values.len() / 2);
                (half(first), half(second))
            }
            Ok(_) => return Err(too_large()),
        };
        self.bounded(first, out)?;
        self.bounded(second, out)
    }
}

/// The operation by paths: one without path becomes one for each attribute of its value.
fn with_paths(operation: Operation) -> Vec<Operation> {
    let Operation { op, path: None, value: Some(Value::Object(attributes)) } = &operation else {
        return vec![operation];
    };
    let as_it_is = || vec![operation.clone()];
    let one = |path: PatchPath, value: &Value| Operation {
        op: *op,
        path: Some(path),
        value: Some(value.clone()),
    };
    let mut out = Vec::new();
    for (name, value) in attributes.iter() {
        match (SchemaUri::new(name), value) {
            (Ok(uri), Value::Object(extension)) => {
                for (name, value) in extension.iter() {
                    let Ok(name) = AttrName::new(name) else { return as_it_is() };
                    out.push(one(AttrPath::new(Some(uri.clone()), name, None).into(), value));
                }
            }
            // Some write whole paths as names: `name.givenName`, `urn:...:department`.
            _ => match name.parse::<PatchPath>() {
                Ok(path) => out.push(one(path, value)),
                Err(_) => return as_it_is(),
            },
        }
    }
    out
}

/// Operations without path with no more attributes in each than the limit.
fn in_pieces(operation: Operation, limit: Limit) -> Vec<Operation> {
    match (&operation.path, &operation.value) {
        (None, Some(Value::Object(attributes))) if !limit.admits(attributes.len()) => {
            let members: Vec<(&str, &Value)> = attributes.iter().collect();
            let pieces = members.chunks(limit.get().unwrap_or(usize::MAX));
            pieces
                .map(|piece| {
                    let value: Object = piece.iter().map(|(n, v)| (*n, (*v).clone())).collect();
                    Operation { op: operation.op, path: None, value: Some(value.into()) }
                })
                .collect()
        }
        _ => vec![operation],
    }
}

/// Whether the operation is about the attribute, a part of it, or something that it is a part of.
fn touches(path: &Path, operation: &Operation) -> bool {
    let Some(target) = &operation.path else { return false };
    let whole = target.to_string();
    if whole.eq_ignore_ascii_case(&path.to_string()) {
        return true;
    }
    let Some(attribute) = target.attribute() else { return false };
    match target.sub() {
        Some(sub) => path.covers(&attribute.clone().with_sub(sub.clone())),
        None if path.covers(attribute) => true,
        // A value for the whole that has the part in it.
        None => sample(operation).is_some_and(|body| !super::at::values(&body, path).is_empty()),
    }
}

/// The operation's value where it would stand in a resource; `None` where only the server knows.
fn sample(operation: &Operation) -> Option<Object> {
    let (path, value) = match (&operation.path, &operation.value) {
        (None, Some(Value::Object(body))) => return Some(body.clone()),
        (Some(path), Some(value)) if path.filter().is_none() => (path, value.clone()),
        _ => return None,
    };
    let Some(attribute) = path.attribute() else {
        return Some([(path.to_string(), value)].into_iter().collect());
    };
    let value = match attribute.sub() {
        Some(sub) => {
            let inner: Object = [(sub.as_str(), value)].into_iter().collect();
            Value::Object(inner)
        }
        None => value,
    };
    let own: Object = [(attribute.name().as_str(), value)].into_iter().collect();
    Some(match crate::target::fields::extension(attribute) {
        Some(uri) => [(uri.as_str(), Value::Object(own))].into_iter().collect(),
        None => own,
    })
}

fn written(operations: &[Operation], case: OpCase) -> Object {
    let operations: Vec<Value> = operations
        .iter()
        .map(|operation| {
            let word = match (case, operation.op) {
                (OpCase::Lower, op) => op.as_str(),
                (OpCase::Capital, Op::Add) => "Add",
                (OpCase::Capital, Op::Remove) => "Remove",
                (OpCase::Capital, Op::Replace) => "Replace",
            };
            let mut object = Object::new();
            object.insert("op", word);
            if let Some(path) = &operation.path {
                object.insert("path", path.to_string());
            }
            if let Some(value) = &operation.value {
                object.insert("value", value.clone());
            }
            Value::Object(object)
        })
        .collect();
    let mut message = Object::new();
    message.insert("schemas", [urn::PATCH_OP]);
    message.insert("Operations", Value::Array(operations));
    message
}

/// The members that a message adds to a group, counted as the rate windows of some servers do.
pub(crate) fn members_in(body: &Object) -> usize {
    let counted = |operation: &Value| {
        let operation = operation.as_object()?;
        let add = operation.get_str("op")?.eq_ignore_ascii_case("add");
        let members = operation.get_str("path")?.eq_ignore_ascii_case(MEMBERS);
        (add && members).then(|| operation.get("value").map_or(0, |v| v.values().len()))
    };
    let operations = body.get("Operations").map(Value::values).unwrap_or_default();
    let patched: usize = operations.iter().filter_map(counted).sum();
    patched + body.get(MEMBERS).map_or(0, |members| members.values().len())
}
