//! The store in memory: the reference for every other one, and what `--memory` serves from.
//!
//! It is meant to be obviously right rather than fast: a batch works on a copy of the tenant that replaces the old one
//! when all went well, and every query looks at every resource.

mod query;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use scim_core::{Object, Registry, Resource, ResourceId, Version};
use smol_str::SmolStr;

use super::index::{Entry, TypeIndex, label};
use super::{
    AdminStore, AuditEntry, Change, Finding, GroupRow, Include, Key, MEMBERS_AT_ONCE, Member,
    MemberPage, Page, Query, ResourceStore, StoreError, Stored, Tenant, Unregistered, WriteBatch,
    Written, audit, unregistered,
};
use crate::auth::TenantId;

/// A store that keeps nothing on disk.
#[derive(Debug)]
pub struct MemoryStore {
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tenants: BTreeMap<TenantId, TenantData>,
    secrets: BTreeMap<String, [u8; 32]>,
}

#[derive(Debug, Clone)]
struct TenantData {
    created: DateTime<Utc>,
    /// The time of the last write.
    last: DateTime<Utc>,
    rows: BTreeMap<ResourceId, Arc<Row>>,
    feed: Vec<Arc<AuditEntry>>,
}

#[derive(Debug, Clone)]
struct Row {
    resource_type: SmolStr,
    version: Version,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
    resource: Resource,
    body: Bytes,
    label: Option<SmolStr>,
    password: Option<String>,
    relative_refs: bool,
    entries: BTreeSet<Entry>,
    members: BTreeSet<ResourceId>,
    /// What it holds under names that are not registered.
    unregistered: Object,
}

impl MemoryStore {
    /// An empty store with the tenant `default`.
    pub fn new(registry: Arc<Registry>, now: DateTime<Utc>) -> Self {
        let mut state = State::default();
        state.tenants.insert(TenantId::default(), TenantData::new(now));
        Self { registry, state: Mutex::new(state) }
    }

    /// The same store, opened again with other schemas. Data that they have no name for is set aside, neither shown nor
    /// lost, until they have one again; a resource that is another one by this has another version.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when what must be unique now is not, or what must be there is missing.
    pub fn reopened(self, registry: Arc<Registry>, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let next = Self { registry, state: Mutex::default() };
        for tenant in state.tenants.values_mut() {
            tenant.settle(&next, super::to_millis(now))?;
        }
        *next.state() = state;
        Ok(next)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, resource_type: &str) -> Option<TypeIndex> {
        self.registry.get(resource_type).map(|schema| TypeIndex::of(schema))
    }
}

impl State {
    fn tenant(&self, id: &TenantId) -> Result<&TenantData, StoreError> {
        self.tenants.get(id).ok_or(StoreError::NoTenant)
    }
}

impl TenantData {
    fn new(now: DateTime<Utc>) -> Self {
        let now = super::to_millis(now);
        Self { created: now, last: now, rows: BTreeMap::new(), feed: Vec::new() }
    }

    /// Brings every resource in line with the store's schemas.
    fn settle(&mut self, store: &MemoryStore, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut taken = BTreeSet::new();
        for row in self.rows.values_mut() {
            let Some(schema) = store.registry.get(&row.resource_type) else { continue };
            let row = Arc::make_mut(row);
            let had_some = !row.unregistered.is_empty();
            if unregistered::settle(&mut row.resource, &mut row.unregistered, schema) {
                row.body = write::body(&row.resource)?;
                row.label = label(&row.resource);
                row.relative_refs |= had_some;
                row.version = row.version.next();
                row.modified = row.modified.max(now);
            }
            let index = TypeIndex::of(schema);
            row.entries = index.entries(&row.resource);
            index.check_total(&row.entries)?;
            for entry in row.entries.iter().filter(|e| index.attributes()[e.attribute].unique) {
                if !taken.insert((row.resource_type.clone(), entry.clone())) {
                    let path = &index.attributes()[entry.attribute].path;
                    return Err(StoreError::Refused(format!(
                        "{path} must be unique now, but stored resources share a value of it"
                    )));
                }
            }
        }
        Ok(())
    }

    fn row(&self, key: &Key) -> Result<&Arc<Row>, StoreError> {
        let row = self.rows.get(&key.id).filter(|row| row.resource_type == key.resource_type);
        row.ok_or(StoreError::NotFound)
    }

    fn stored(&self, id: &ResourceId, row: &Row, include: Include) -> Stored {
        let mut ids = row.members.iter().filter(|_| include.members);
        Stored {
            resource_type: row.resource_type.clone(),
            id: id.clone(),
            version: row.version,
            created: row.created,
            modified: row.modified,
            body: row.body.clone(),
            relative_refs: row.relative_refs,
            groups: if include.groups { self.groups(id) } else { Vec::new() },
            members: ids.by_ref().take(MEMBERS_AT_ONCE).filter_map(|id| self.member(id)).collect(),
            other_members: ids.cloned().collect(),
        }
    }

    /// The groups that hold a resource, directly or through other groups.
    fn groups(&self, id: &ResourceId) -> Vec<GroupRow> {
        let direct = self.holders(id);
        let mut found = direct.clone();
        let mut left: Vec<ResourceId> = direct.iter().cloned().collect();
        while let Some(group) = left.pop() {
            for holder in self.holders(&group) {
                if found.insert(holder.clone()) {
                    left.push(holder);
                }
            }
        }
        found
            .into_iter()
            .map(|group| GroupRow {
                display: self.rows.get(&group).and_then(|r| r.label.clone()).unwrap_or_default(),
                direct: direct.contains(&group),
                id: group,
            })
            .collect()
    }

    /// The groups that hold a resource directly.
    fn holders(&self, id: &ResourceId) -> BTreeSet<ResourceId> {
        let holders = self.rows.iter().filter(|(_, row)| row.members.contains(id));
        holders.map(|(id, _)| id.clone()).collect()
    }

    fn members(&self, group: &Row) -> Vec<Member> {
        group.members.iter().filter_map(|id| self.member(id)).collect()
    }

    fn member(&self, id: &ResourceId) -> Option<Member> {
        let row = self.rows.get(id)?;
        Some(Member {
            id: id.clone(),
            resource_type: row.resource_type.clone(),
            display: row.label.clone(),
        })
    }
}

#[async_trait]
impl ResourceStore for MemoryStore {
    async fn get(&self, key: &Key, include: Include) -> Result<Stored, StoreError> {
        let state = self.state();
        let tenant = state.tenant(&key.tenant)?;
        Ok(tenant.stored(&key.id, tenant.row(key)?, include))
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let state = self.state();
        Ok(query::run(&self.registry, state.tenant(&query.tenant)?, query))
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Written>, StoreError> {
        let mut state = self.state();
        let mut copy = state.tenant(&batch.tenant)?.clone();
        let written = write::apply(self, &mut copy, &batch)?;
        state.tenants.insert(batch.tenant, copy);
        Ok(written)
    }

    async fn members(
        &self,
        group: &Key,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<MemberPage, StoreError> {
        let state = self.state();
        let tenant = state.tenant(&group.tenant)?;
        let row = tenant.row(group)?;
        let mut ids = row.members.iter().filter(|id| after.is_none_or(|after| *id > after));
        let members = ids.by_ref().take(limit).filter_map(|id| tenant.member(id)).collect();
        Ok(MemberPage { members, more: ids.next().is_some() })
    }

    async fn named(&self, group: &Key, ids: &[ResourceId]) -> Result<Vec<Member>, StoreError> {
        let state = self.state();
        let tenant = state.tenant(&group.tenant)?;
        Ok(ids.iter().filter_map(|id| tenant.member(id)).collect())
    }

    async fn changes(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let entries = self.audit(tenant, after, limit).await?;
        Ok(entries.into_iter().map(|entry| entry.change).collect())
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl AdminStore for MemoryStore {
    async fn tenant_create(
        &self,
        tenant: &TenantId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let new = !state.tenants.contains_key(tenant);
        if new {
            state.tenants.insert(tenant.clone(), TenantData::new(now));
        }
        Ok(new)
    }

    async fn tenant_list(&self) -> Result<Vec<Tenant>, StoreError> {
        let state = self.state();
        let tenants = state.tenants.iter();
        Ok(tenants.map(|(id, t)| Tenant { id: id.clone(), created: t.created }).collect())
    }

    async fn tenant_delete(&self, tenant: &TenantId) -> Result<(), StoreError> {
        if *tenant == TenantId::default() {
            return Err(super::default_stays());
        }
        self.state().tenants.remove(tenant).map(|_| ()).ok_or(StoreError::NoTenant)
    }

    async fn audit(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let state = self.state();
        let feed = &state.tenant(tenant)?.feed;
        let later = feed.iter().filter(|entry| entry.change.seq > after);
        Ok(later.take(limit).map(|entry| (**entry).clone()).collect())
    }

    async fn backup(&self, _file: &Path) -> Result<(), StoreError> {
        Err(StoreError::Refused("the server keeps everything in memory: nothing to back up".into()))
    }

    async fn verify(&self) -> Result<Vec<Finding>, StoreError> {
        let state = self.state();
        let mut findings = Vec::new();
        for (id, tenant) in &state.tenants {
            let mut before = audit::GENESIS;
            for (i, entry) in tenant.feed.iter().enumerate() {
                if entry.change.seq != i as u64 + 1
                    || entry.hash != audit::chain(&before, id, entry)
                {
                    let problem = format!("audit entry {} does not follow", entry.change.seq);
                    findings.push(Finding { place: id.to_string(), problem });
                }
                before = entry.hash;
            }
        }
        Ok(findings)
    }

    async fn unregistered(&self) -> Result<Vec<Unregistered>, StoreError> {
        let state = self.state();
        let mut found: BTreeMap<(SmolStr, Option<SmolStr>), u64> = BTreeMap::new();
        for row in state.tenants.values().flat_map(|tenant| tenant.rows.values()) {
            let resource_type = &row.resource_type;
            if self.registry.get(resource_type).is_none() {
                *found.entry((resource_type.clone(), None)).or_default() += 1;
                continue;
            }
            for (name, _) in row.unregistered.iter() {
                *found.entry((resource_type.clone(), Some(name.into()))).or_default() += 1;
            }
        }
        let all = found.into_iter().map(|((resource_type, name), resources)| {
            let schema = self.registry.get(&resource_type);
            let registered = schema.zip(name.as_deref());
            let registered =
                registered.is_some_and(|(schema, name)| unregistered::is_registered(schema, name));
            Unregistered { resource_type, name, registered, resources }
        });
        Ok(all.collect())
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        Ok(*self.state().secrets.entry(name.to_owned()).or_insert(fresh))
    }
}
