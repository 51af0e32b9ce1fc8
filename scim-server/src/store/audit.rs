//! Feed and audit entries: how a write is told, the same in every store.

use std::collections::BTreeSet;

use scim_core::Resource;
use scim_core::patch::ChangeSet;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::{AuditEntry, Change, ChangeKind, ResourceId};
use crate::auth::TenantId;

/// Members named in an audit entry, at most, of each kind; the rest is a number.
const NAMED: usize = 1_000;

/// The hash before the first entry.
pub(super) const GENESIS: [u8; 32] = [0; 32];

/// Members that came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MemberDiff {
    pub(super) added: BTreeSet<ResourceId>,
    pub(super) removed: BTreeSet<ResourceId>,
}

impl MemberDiff {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.added.len() as u64, self.removed.len() as u64)
    }
}

/// The names of the attributes that a creation sets.
pub(super) fn created_attributes(resource: &Resource, password: bool) -> Vec<String> {
    let names = resource.object().iter().map(|(name, _)| name.to_owned());
    let mut names: Vec<String> = names.filter(|n| !n.eq_ignore_ascii_case("schemas")).collect();
    if password {
        names.push("password".to_owned());
    }
    names
}

/// The names of the attributes that a change set touches, each once and without sub-attributes.
pub(super) fn changed_attributes(changes: &ChangeSet) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for change in changes {
        let path = change.path();
        let name = match path.uri() {
            None => path.name().to_string(),
            Some(uri) => format!("{uri}:{}", path.name()),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The detail of an audit entry.
pub(super) fn detail(changes: Option<&ChangeSet>, members: &MemberDiff) -> String {
    let detail = Detail {
        changes: changes.filter(|changes| !changes.is_empty()),
        members: (!members.is_empty()).then(|| DetailMembers::of(members)),
    };
    // Texts, numbers and lists of them: there is nothing in it that JSON cannot say.
    serde_json::to_string(&detail).unwrap_or_default()
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a ChangeSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<DetailMembers<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailMembers<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    added_unnamed: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    removed_unnamed: usize,
}

impl<'a> DetailMembers<'a> {
    fn of(diff: &'a MemberDiff) -> Self {
        let named = |ids: &'a BTreeSet<ResourceId>| {
            ids.iter().take(NAMED).map(ResourceId::as_str).collect()
        };
        Self {
            added: named(&diff.added),
            added_unnamed: diff.added.len().saturating_sub(NAMED),
            removed: named(&diff.removed),
            removed_unnamed: diff.removed.len().saturating_sub(NAMED),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Makes an audit entry, chained to the one before.
pub(super) fn entry(
    before: &[u8; 32],
    tenant: &TenantId,
    change: Change,
    request_id: SmolStr,
    detail: String,
) -> AuditEntry {
    let mut entry = AuditEntry { change, request_id, detail, hash: GENESIS };
    entry.hash = chain(before, tenant, &entry);
    entry
}

/// The hash of an entry. Every part stands behind its length, so that no two entries can run together to the same text.
pub(super) fn chain(before: &[u8; 32], tenant: &TenantId, entry: &AuditEntry) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    let change = &entry.change;
    part(before);
    part(tenant.as_str().as_bytes());
    part(&change.seq.to_le_bytes());
    part(&change.at.timestamp_millis().to_le_bytes());
    part(&[kind_code(change.kind)]);
    part(change.resource_type.as_bytes());
    part(change.id.as_str().as_bytes());
    part(&change.version.0.to_le_bytes());
    part(change.actor.as_bytes());
    part(&(change.attributes.len() as u64).to_le_bytes());
    for name in &change.attributes {
        part(name.as_bytes());
    }
    part(&change.members_added.to_le_bytes());
    part(&change.members_removed.to_le_bytes());
    part(entry.request_id.as_bytes());
    part(entry.detail.as_bytes());
    hash.finalize().into()
}

/// The number that stands for a kind of change in the database and in hashes.
pub(super) const fn kind_code(kind: ChangeKind) -> u8 {
    match kind {
        ChangeKind::Create => 1,
        ChangeKind::Update => 2,
        ChangeKind::Membership => 3,
        ChangeKind::Delete => 4,
    }
}

/// The kind of change that a number stands for.
pub(super) const fn kind_of_code(code: u8) -> Option<ChangeKind> {
    match code {
        1 => Some(ChangeKind::Create),
        2 => Some(ChangeKind::Update),
        3 => Some(ChangeKind::Membership),
        4 => Some(ChangeKind::Delete),
        _ => None,
    }
}
