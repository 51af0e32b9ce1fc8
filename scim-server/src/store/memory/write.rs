//! Writes, on a copy of the tenant.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scim_core::{Object, Resource, ResourceId, Version};

use super::{MemoryStore, Row, TenantData};
use crate::store::audit::{self, MemberDiff};
use crate::store::eval::References;
use crate::store::index::{TypeIndex, label};
use crate::store::members::{RowOp, edited, may_be_member, row_ops};
use crate::store::{
    Change, ChangeKind, Draft, Include, Key, StoreError, Stored, Write, WriteBatch, WriteIf,
    Written,
};

/// Applies all writes of a batch.
pub(super) fn apply(
    store: &MemoryStore,
    tenant: &mut TenantData,
    batch: &WriteBatch,
) -> Result<Vec<Written>, StoreError> {
    let now = crate::store::to_millis(batch.now).max(tenant.last);
    let mut session = Session { store, tenant, batch, now };
    batch.writes.iter().map(|write| session.write(write)).collect()
}

struct Session<'a> {
    store: &'a MemoryStore,
    tenant: &'a mut TenantData,
    batch: &'a WriteBatch,
    now: DateTime<Utc>,
}

/// What a change entry tells, but for what all of a batch share.
struct Told<'a> {
    key: &'a Key,
    kind: ChangeKind,
    version: Version,
    attributes: Vec<String>,
    detail: String,
    counts: (u64, u64),
}

impl Session<'_> {
    fn write(&mut self, write: &Write) -> Result<Written, StoreError> {
        match write {
            Write::Create { key, draft, members, allow_cycles } => {
                self.create(key, draft, members, *allow_cycles)
            }
            Write::Update { key, guard, draft, members, allow_cycles } => {
                let row = self.guarded(key, *guard)?;
                self.update(key, row, draft.as_ref(), &row_ops(members), *allow_cycles)
            }
            Write::Delete { key, guard } => {
                let row = self.guarded(key, *guard)?;
                self.delete(key, &row)
            }
        }
    }

    fn create(
        &mut self,
        key: &Key,
        draft: &Draft,
        members: &[ResourceId],
        allow_cycles: bool,
    ) -> Result<Written, StoreError> {
        if self.tenant.rows.contains_key(&key.id) {
            return Err(StoreError::Uniqueness { attribute: "id".to_owned() });
        }
        let mut row = Row {
            resource_type: key.resource_type.clone(),
            version: Version::FIRST,
            created: self.now,
            modified: self.now,
            resource: draft.resource.clone(),
            body: body(&draft.resource)?,
            label: label(&draft.resource),
            password: draft.password_hash.clone(),
            relative_refs: draft.relative_refs,
            entries: BTreeSet::new(),
            members: BTreeSet::new(),
            unregistered: Object::new(),
        };
        row.entries = self.entries(key, draft)?;
        self.tenant.rows.insert(key.id.clone(), Arc::new(row));
        let ids = members.iter().map(|id| Some(id.clone())).collect();
        let diff = self.edit_members(key, &[RowOp::Add { operation: 0, ids }], allow_cycles)?;
        let attributes = audit::created_attributes(&draft.resource, draft.password_hash.is_some());
        self.tell(Told {
            key,
            kind: ChangeKind::Create,
            version: Version::FIRST,
            attributes: with_members(attributes, &diff),
            detail: audit::detail(None, &diff),
            counts: diff.counts(),
        });
        self.written(key, true, &diff)
    }

    fn update(
        &mut self,
        key: &Key,
        mut row: Row,
        draft: Option<&Draft>,
        members: &[RowOp<'_>],
        allow_cycles: bool,
    ) -> Result<Written, StoreError> {
        let mut attributes_changed = false;
        if let Some(draft) = draft {
            let password = match (&draft.password_hash, draft.clear_password) {
                (Some(hash), _) => Some(hash.clone()),
                (None, true) => None,
                (None, false) => row.password.clone(),
            };
            attributes_changed = draft.resource != row.resource
                || draft.relative_refs != row.relative_refs
                || password != row.password;
            if attributes_changed {
                row.entries = self.entries(key, draft)?;
                row.resource = draft.resource.clone();
                row.body = body(&draft.resource)?;
                row.label = label(&draft.resource);
                row.relative_refs = draft.relative_refs;
                row.password = password;
            }
        }
        self.tenant.rows.insert(key.id.clone(), Arc::new(row));
        let diff = self.edit_members(key, members, allow_cycles)?;
        if !attributes_changed && diff.is_empty() {
            return self.written(key, false, &diff);
        }
        let version = self.touch(&key.id);
        let changes = draft.filter(|_| attributes_changed).map(|draft| &draft.changes);
        let attributes = changes.map(audit::changed_attributes).unwrap_or_default();
        self.tell(Told {
            key,
            kind: if attributes_changed { ChangeKind::Update } else { ChangeKind::Membership },
            version,
            attributes: with_members(attributes, &diff),
            detail: audit::detail(changes, &diff),
            counts: diff.counts(),
        });
        self.written(key, true, &diff)
    }

    fn delete(&mut self, key: &Key, row: &Row) -> Result<Written, StoreError> {
        let stored = self.tenant.stored(&key.id, row, Include::default());
        for holder in self.tenant.holders(&key.id) {
            if holder == key.id {
                continue;
            }
            let Some(group) = self.tenant.rows.get_mut(&holder) else { continue };
            let group = Arc::make_mut(group);
            group.members.remove(&key.id);
            let resource_type = group.resource_type.clone();
            let version = self.touch(&holder);
            let diff = MemberDiff { removed: [key.id.clone()].into(), ..MemberDiff::default() };
            self.tell(Told {
                key: &Key { tenant: key.tenant.clone(), resource_type, id: holder },
                kind: ChangeKind::Membership,
                version,
                attributes: with_members(Vec::new(), &diff),
                detail: audit::detail(None, &diff),
                counts: diff.counts(),
            });
        }
        self.tenant.rows.remove(&key.id);
        self.tell(Told {
            key,
            kind: ChangeKind::Delete,
            version: row.version,
            attributes: Vec::new(),
            detail: audit::detail(None, &MemberDiff::default()),
            counts: (0, 0),
        });
        Ok(Written { stored, changed: true, members_added: 0, members_removed: 0 })
    }

    /// The row, if it is there and the precondition holds.
    fn guarded(&self, key: &Key, guard: WriteIf) -> Result<Row, StoreError> {
        let row = self.tenant.row(key)?;
        match guard {
            WriteIf::Version(version) if version != row.version => {
                Err(StoreError::VersionMismatch { actual: row.version })
            }
            _ => Ok((**row).clone()),
        }
    }

    /// The index entries of a draft, if no other resource is in the way of the unique ones.
    fn entries(
        &self,
        key: &Key,
        draft: &Draft,
    ) -> Result<BTreeSet<crate::store::index::Entry>, StoreError> {
        let index = self.index(key)?;
        let entries = index.entries(&draft.resource);
        index.check_total(&entries)?;
        for entry in entries.iter().filter(|e| index.attributes()[e.attribute].unique) {
            let taken = self.tenant.rows.iter().any(|(id, row)| {
                *id != key.id
                    && row.resource_type == key.resource_type
                    && row.entries.contains(entry)
            });
            if taken {
                let attribute = index.attributes()[entry.attribute].path.to_string();
                return Err(StoreError::Uniqueness { attribute });
            }
        }
        Ok(entries)
    }

    fn index(&self, key: &Key) -> Result<TypeIndex, StoreError> {
        let index = self.store.index(&key.resource_type);
        index.ok_or_else(|| crate::store::no_type(&key.resource_type))
    }

    /// Applies membership edits in order and answers what they came to.
    fn edit_members(
        &mut self,
        key: &Key,
        edits: &[RowOp<'_>],
        allow_cycles: bool,
    ) -> Result<MemberDiff, StoreError> {
        let before = self.tenant.row(key)?.members.clone();
        for edit in edits {
            let mut members = self.tenant.row(key)?.members.clone();
            match edit {
                RowOp::Add { operation, ids } => {
                    members.extend(self.existing(key, *operation, ids, allow_cycles)?);
                }
                RowOp::Replace { operation, ids } => {
                    members = self.existing(key, *operation, ids, allow_cycles)?;
                }
                RowOp::Remove { ids } => {
                    members.retain(|id| !ids.iter().any(|gone| gone == id.as_str()));
                }
                RowOp::RemoveAll => members.clear(),
                RowOp::RemoveWhere { filter } => {
                    let references =
                        References::of_base(&self.store.registry, &self.batch.base_url);
                    members.retain(|id| {
                        let member = self.tenant.member(id);
                        !member.is_some_and(|m| filter.matches_element(&references.member(&m)))
                    });
                }
                RowOp::Edit { operation, op, edit } => {
                    let references =
                        References::of_base(&self.store.registry, &self.batch.base_url);
                    let elements = members.iter().filter_map(|id| self.tenant.member(id));
                    let selected: Vec<_> = elements
                        .map(|member| (member.id.clone(), references.member(&member)))
                        .filter(|(_, e)| edit.selects().is_none_or(|f| f.matches_element(e)))
                        .collect();
                    let (before, elements): (Vec<_>, Vec<_>) = selected.into_iter().unzip();
                    let after = edited(op, elements)?;
                    let stays = |id: &ResourceId| after.iter().flatten().any(|a| a == id);
                    members.retain(|id| !before.contains(id) || stays(id));
                    members.extend(self.existing(key, *operation, &after, allow_cycles)?);
                }
            }
            if let Some(row) = self.tenant.rows.get_mut(&key.id) {
                Arc::make_mut(row).members = members;
            }
        }
        let after = &self.tenant.row(key)?.members;
        Ok(MemberDiff {
            added: after.difference(&before).cloned().collect(),
            removed: before.difference(after).cloned().collect(),
        })
    }

    /// The named members, if all of them exist and none of them contains the group.
    fn existing(
        &self,
        key: &Key,
        operation: usize,
        ids: &[Option<ResourceId>],
        allow_cycles: bool,
    ) -> Result<BTreeSet<ResourceId>, StoreError> {
        let mut found = BTreeSet::new();
        for (position, id) in ids.iter().enumerate() {
            let unknown = StoreError::UnknownMember { operation, position };
            let Some(id) = id else { return Err(unknown) };
            let Some(row) = self.tenant.rows.get(id) else { return Err(unknown) };
            if !may_be_member(&self.store.registry, &key.resource_type, &row.resource_type) {
                return Err(unknown);
            }
            let holds =
                |id: &ResourceId| self.tenant.groups(&key.id).iter().any(|group| group.id == *id);
            // What is there may be sent back, even a cycle that bulk made.
            let there = self.tenant.row(key)?.members.contains(id);
            if !allow_cycles && !there && (*id == key.id || holds(id)) {
                return Err(StoreError::MemberCycle);
            }
            found.insert(id.clone());
        }
        Ok(found)
    }

    /// Moves a resource's version and time.
    fn touch(&mut self, id: &ResourceId) -> Version {
        let Some(row) = self.tenant.rows.get_mut(id) else { return Version::FIRST };
        let row = Arc::make_mut(row);
        row.version = row.version.next();
        row.modified = self.now;
        row.version
    }

    fn tell(&mut self, told: Told<'_>) {
        let change = Change {
            seq: self.tenant.feed.len() as u64 + 1,
            at: self.now,
            kind: told.kind,
            resource_type: told.key.resource_type.clone(),
            id: told.key.id.clone(),
            version: told.version,
            actor: self.batch.actor.clone(),
            attributes: told.attributes,
            members_added: told.counts.0,
            members_removed: told.counts.1,
        };
        let before = self.tenant.feed.last().map_or(audit::GENESIS, |entry| entry.hash);
        let request = self.batch.request_id.clone();
        let entry = audit::entry(&before, &self.batch.tenant, change, request, told.detail);
        self.tenant.feed.push(Arc::new(entry));
        self.tenant.last = self.now;
    }

    fn written(&self, key: &Key, changed: bool, diff: &MemberDiff) -> Result<Written, StoreError> {
        let stored: Stored = self.tenant.stored(&key.id, self.tenant.row(key)?, Include::default());
        let (members_added, members_removed) = diff.counts();
        Ok(Written { stored, changed, members_added, members_removed })
    }
}

pub(super) fn body(resource: &Resource) -> Result<Bytes, StoreError> {
    serde_json::to_vec(resource).map(Bytes::from).map_err(StoreError::backend)
}

fn with_members(mut attributes: Vec<String>, diff: &MemberDiff) -> Vec<String> {
    if !diff.is_empty() {
        attributes.push("members".to_owned());
    }
    attributes
}
