//! Writes made ready on the caller's side, so that the writer thread does not spend its time on it.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scim_core::patch::{ChangeSet, MemberEdit};
use scim_core::{Resource, ResourceId};
use smol_str::SmolStr;

use super::catalog::Catalog;
use crate::auth::TenantId;
use crate::store::index::{Entry, label};
use crate::store::{Draft, Key, StoreError, Write, WriteBatch, WriteIf, audit, to_millis};

/// A batch that is ready.
pub(super) struct Batch {
    pub(super) tenant: TenantId,
    pub(super) actor: SmolStr,
    pub(super) request_id: SmolStr,
    pub(super) base_url: SmolStr,
    pub(super) now: DateTime<Utc>,
    pub(super) writes: Vec<Ready>,
}

/// A write that is ready.
pub(super) enum Ready {
    Create {
        key: Key,
        row: NewRow,
        /// The names for the feed.
        attributes: Vec<String>,
        members: Vec<ResourceId>,
        allow_cycles: bool,
    },
    Update {
        key: Key,
        guard: WriteIf,
        row: Option<NewRow>,
        members: Vec<MemberEdit>,
        allow_cycles: bool,
    },
    Delete {
        key: Key,
        guard: WriteIf,
    },
}

/// The columns that a draft comes to.
pub(super) struct NewRow {
    pub(super) resource: Resource,
    pub(super) body: Bytes,
    pub(super) label: Option<SmolStr>,
    pub(super) entries: BTreeSet<Entry>,
    pub(super) password: Option<String>,
    pub(super) clear_password: bool,
    pub(super) relative_refs: bool,
    pub(super) changes: ChangeSet,
}

impl Batch {
    /// Serialises the resources and makes their index keys.
    pub(super) fn prepare(catalog: &Catalog, batch: WriteBatch) -> Result<Self, StoreError> {
        let writes = batch.writes.into_iter().map(|write| Ready::prepare(catalog, write));
        Ok(Self {
            tenant: batch.tenant,
            actor: batch.actor,
            request_id: batch.request_id,
            base_url: batch.base_url,
            now: to_millis(batch.now),
            writes: writes.collect::<Result<_, _>>()?,
        })
    }
}

impl Ready {
    fn prepare(catalog: &Catalog, write: Write) -> Result<Self, StoreError> {
        Ok(match write {
            Write::Create { key, draft, members, allow_cycles } => {
                let attributes =
                    audit::created_attributes(&draft.resource, draft.password_hash.is_some());
                let row = NewRow::prepare(catalog, &key, draft)?;
                Ready::Create { key, row, attributes, members, allow_cycles }
            }
            Write::Update { key, guard, draft, members, allow_cycles } => {
                let row = draft.map(|draft| NewRow::prepare(catalog, &key, draft)).transpose()?;
                Ready::Update { key, guard, row, members, allow_cycles }
            }
            Write::Delete { key, guard } => Ready::Delete { key, guard },
        })
    }
}

impl NewRow {
    fn prepare(catalog: &Catalog, key: &Key, draft: Draft) -> Result<Self, StoreError> {
        let index = &catalog.need(&key.resource_type)?.index;
        let entries = index.entries(&draft.resource);
        index.check_total(&entries)?;
        let body = serde_json::to_vec(&draft.resource).map_err(StoreError::backend)?;
        Ok(Self {
            body: Bytes::from(body),
            label: label(&draft.resource),
            entries,
            password: draft.password_hash,
            clear_password: draft.clear_password,
            relative_refs: draft.relative_refs,
            changes: draft.changes,
            resource: draft.resource,
        })
    }

    /// The body as SQLite takes it.
    pub(super) fn text(&self) -> Result<&str, StoreError> {
        std::str::from_utf8(&self.body).map_err(StoreError::backend)
    }
}
