//! Membership rows inside the writer's transaction. Nothing here reads a whole group unless the operation is about all
//! of its members.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use scim_core::{ResourceId, Value, Version};

use super::catalog::Catalog;
use super::feed::{count, id};
use super::read::{find_resource, members};
use crate::store::audit::MemberDiff;
use crate::store::eval::References;
use crate::store::members::{RowOp, edited, may_be_member};
use crate::store::{Key, StoreError};

/// Members that are looked at together.
const CHUNK: usize = if cfg!(test) { 2 } else { 512 };

/// Changes to the memberships of one write.
pub(super) struct Membership<'a> {
    connection: &'a Connection,
    catalog: &'a Catalog,
    tenant: i64,
    base_url: &'a str,
    /// The touched members: whether they were in at first, and whether they are now.
    touched: BTreeMap<ResourceId, (bool, bool)>,
    /// The groups that hold the group, once they were needed.
    holders: Option<BTreeSet<i64>>,
}

/// A group that a resource has left.
pub(super) struct Holder {
    pub(super) rid: i64,
    pub(super) type_number: i64,
    pub(super) id: ResourceId,
    /// Its version before.
    pub(super) version: Version,
}

impl<'a> Membership<'a> {
    pub(super) fn of(
        connection: &'a Connection,
        catalog: &'a Catalog,
        tenant: i64,
        base_url: &'a str,
    ) -> Self {
        Self { connection, catalog, tenant, base_url, touched: BTreeMap::new(), holders: None }
    }

    /// Applies one operation to a group.
    pub(super) fn apply(
        &mut self,
        key: &Key,
        group: i64,
        op: &RowOp<'_>,
        allow_cycles: bool,
    ) -> Result<(), StoreError> {
        match op {
            RowOp::Add { operation, ids } => {
                let members = self.existing(key, group, *operation, ids, allow_cycles)?;
                self.add(group, &members)
            }
            RowOp::Replace { operation, ids } => {
                let members = self.existing(key, group, *operation, ids, allow_cycles)?;
                let gone: Vec<ResourceId> =
                    self.all(group)?.into_iter().filter(|id| !members.contains_key(id)).collect();
                self.remove(group, gone.iter().map(ResourceId::as_str))?;
                self.add(group, &members)
            }
            RowOp::Remove { ids } => self.remove(group, ids.iter().map(|id| id.as_str())),
            RowOp::RemoveAll => {
                let all = self.all(group)?;
                self.clear_group(group)?;
                for id in all {
                    self.note(id, true, false);
                }
                Ok(())
            }
            RowOp::RemoveWhere { filter } => self.for_each_chunk(group, |this, chunk| {
                let gone = chunk.iter().filter(|(_, element)| filter.matches_element(element));
                this.remove(group, gone.map(|(id, _)| id.as_str()))
            }),
            RowOp::Edit { operation, op, edit } => {
                let mut any = false;
                let settle = |this: &mut Self, before: &[ResourceId], elements| {
                    let after = edited(op, elements)?;
                    let gone = before.iter().filter(|id| !after.iter().flatten().any(|a| a == *id));
                    this.remove(group, gone.map(ResourceId::as_str))?;
                    let members = this.existing(key, group, *operation, &after, allow_cycles)?;
                    this.add(group, &members)
                };
                self.for_each_chunk(group, |this, chunk| {
                    let (before, elements): (Vec<_>, Vec<_>) = chunk
                        .into_iter()
                        .filter(|(_, e)| edit.selects().is_none_or(|f| f.matches_element(e)))
                        .unzip();
                    if elements.is_empty() {
                        return Ok(());
                    }
                    any = true;
                    settle(this, &before, elements)
                })?;
                // Whether it is an error that nothing matches is for the operation to say.
                if any { Ok(()) } else { settle(self, &[], Vec::new()) }
            }
        }
    }

    /// What the operations came to.
    pub(super) fn diff(self) -> MemberDiff {
        let mut diff = MemberDiff::default();
        for (id, (was, is)) in self.touched {
            match (was, is) {
                (false, true) => diff.added.insert(id),
                (true, false) => diff.removed.insert(id),
                _ => false,
            };
        }
        diff
    }

    /// Takes a resource out of all groups but itself, and answers which they were, by id.
    pub(super) fn leave_all(
        &mut self,
        rid: i64,
        member: &ResourceId,
    ) -> Result<Vec<Holder>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT g.rid, g.type, g.id, g.version FROM member m INDEXED BY member_of CROSS JOIN resource g ON g.rid = m.grp
             WHERE m.tenant = ?1 AND m.rid = ?2 AND m.grp <> ?2 ORDER BY g.id",
        )?;
        let mut rows = statement.query((self.tenant, rid))?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()? {
            holders.push(Holder {
                rid: row.get(0)?,
                type_number: row.get(1)?,
                id: id(row, 2)?,
                version: Version(count(row, 3)?),
            });
        }
        for holder in &holders {
            self.delete(holder.rid, member.as_str())?;
        }
        Ok(holders)
    }

    /// Takes all members out of a group that goes away.
    pub(super) fn clear(&mut self, group: i64) -> Result<(), StoreError> {
        self.clear_group(group)
    }

    /// The numbers of the named members, if all of them exist and none of them holds the group.
    fn existing(
        &mut self,
        key: &Key,
        group: i64,
        operation: usize,
        ids: &[Option<ResourceId>],
        allow_cycles: bool,
    ) -> Result<BTreeMap<ResourceId, i64>, StoreError> {
        let mut found = BTreeMap::new();
        for (position, id) in ids.iter().enumerate() {
            let unknown = || StoreError::UnknownMember { operation, position };
            let id = id.as_ref().ok_or_else(unknown)?;
            let (rid, type_number) =
                find_resource(self.connection, self.tenant, id.as_str())?.ok_or_else(unknown)?;
            let resource_type = self.catalog.name(type_number)?;
            if !may_be_member(&self.catalog.registry, &key.resource_type, &resource_type) {
                return Err(unknown());
            }
            let circular = rid == group || self.holders(group)?.contains(&rid);
            if circular && !allow_cycles && !self.is_member(group, id)? {
                return Err(StoreError::MemberCycle);
            }
            found.insert(id.clone(), rid);
        }
        Ok(found)
    }

    /// Whether the resource is a member already: what is there may be sent back, even a cycle that bulk made.
    fn is_member(&self, group: i64, id: &ResourceId) -> Result<bool, StoreError> {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM member WHERE tenant = ?1 AND grp = ?2 AND id = ?3")?
            .exists((self.tenant, group, id.as_str()))?;
        Ok(found)
    }

    /// The groups that hold a group, directly and through other groups. Adding members to it does not change them.
    fn holders(&mut self, group: i64) -> Result<&BTreeSet<i64>, StoreError> {
        let holders = match self.holders.take() {
            Some(holders) => holders,
            None => {
                let mut statement = self.connection.prepare_cached(
                    "WITH RECURSIVE holder (rid) AS (
                         SELECT grp FROM member INDEXED BY member_of WHERE tenant = ?1 AND rid = ?2
                         UNION
                         SELECT m.grp FROM holder h CROSS JOIN member m INDEXED BY member_of
                         ON m.tenant = ?1 AND m.rid = h.rid)
                     SELECT rid FROM holder",
                )?;
                statement
                    .query_map((self.tenant, group), |row| row.get(0))?
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(self.holders.insert(holders))
    }

    fn add(&mut self, group: i64, members: &BTreeMap<ResourceId, i64>) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO member (tenant, grp, id, rid) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?;
        for (id, rid) in members {
            if insert.execute((self.tenant, group, id.as_str(), rid))? > 0 {
                self.note(id.clone(), false, true);
            }
        }
        Ok(())
    }

    fn remove<'i>(
        &mut self,
        group: i64,
        ids: impl Iterator<Item = &'i str>,
    ) -> Result<(), StoreError> {
        for id in ids {
            if self.delete(group, id)?
                && let Some(id) = ResourceId::new(id)
            {
                self.note(id, true, false);
            }
        }
        Ok(())
    }

    fn delete(&self, group: i64, id: &str) -> Result<bool, StoreError> {
        let gone = self
            .connection
            .prepare_cached("DELETE FROM member WHERE tenant = ?1 AND grp = ?2 AND id = ?3")?
            .execute((self.tenant, group, id))?;
        Ok(gone > 0)
    }

    fn clear_group(&self, group: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM member WHERE tenant = ?1 AND grp = ?2")?
            .execute((self.tenant, group))?;
        Ok(())
    }

    fn all(&self, group: i64) -> Result<Vec<ResourceId>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM member WHERE tenant = ?1 AND grp = ?2 ORDER BY id")?;
        let mut rows = statement.query((self.tenant, group))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(id(row, 0)?);
        }
        Ok(all)
    }

    /// Goes through the members as elements of `members`, some at a time. What the closure takes out does not disturb
    /// the walk, which goes by id.
    fn for_each_chunk(
        &mut self,
        group: i64,
        mut visit: impl FnMut(&mut Self, Vec<(ResourceId, Value)>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let references = References::of_base(&self.catalog.registry, self.base_url);
        let mut after: Option<ResourceId> = None;
        loop {
            let (catalog, tenant) = (self.catalog, self.tenant);
            let page = members(self.connection, catalog, tenant, group, after.as_ref(), CHUNK)?;
            let elements: Vec<(ResourceId, Value)> =
                page.members.iter().map(|m| (m.id.clone(), references.member(m))).collect();
            after = page.members.into_iter().last().map(|m| m.id);
            visit(self, elements)?;
            if !page.more {
                return Ok(());
            }
        }
    }

    fn note(&mut self, id: ResourceId, was: bool, is: bool) {
        self.touched.entry(id).or_insert((was, is)).1 = is;
    }
}
