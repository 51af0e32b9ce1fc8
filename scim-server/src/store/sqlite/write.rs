//! Batches inside the writer's transaction.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};
use scim_core::{ResourceId, Version};

use super::catalog::{Catalog, TypeInfo};
use super::draft::{Batch, NewRow, Ready};
use super::feed::{self, number, time};
use super::member::Membership;
use super::read::{Found, find_resource};
use crate::store::audit::{self, MemberDiff};
use crate::store::eval::{Needs, damaged};
use crate::store::index::Entry;
use crate::store::members::{RowOp, row_ops};
use crate::store::{Change, ChangeKind, IdList, Key, StoreError, Stored, WriteIf, Written};

/// Applies all writes of a batch.
pub(super) fn apply(
    connection: &Connection,
    catalog: &Catalog,
    batch: &Batch,
) -> Result<Vec<Written>, StoreError> {
    let mut session = Session::open(connection, catalog, batch)?;
    let written = batch.writes.iter().map(|w| session.write(w)).collect::<Result<Vec<_>, _>>()?;
    session.close()?;
    Ok(written)
}

/// A batch at work.
struct Session<'a> {
    connection: &'a Connection,
    catalog: &'a Catalog,
    batch: &'a Batch,
    /// The tenant's number.
    tenant: i64,
    now: DateTime<Utc>,
    /// The number and hash of the last audit entry.
    seq: u64,
    head: [u8; 32],
    told: bool,
}

/// What a change entry tells, but for what all of a batch share.
struct Told<'a> {
    type_number: i64,
    resource_type: &'a str,
    id: &'a ResourceId,
    kind: ChangeKind,
    version: Version,
    attributes: Vec<String>,
    detail: String,
    counts: (u64, u64),
}

impl<'a> Session<'a> {
    fn open(
        connection: &'a Connection,
        catalog: &'a Catalog,
        batch: &'a Batch,
    ) -> Result<Self, StoreError> {
        let (tenant, last, seq, head) = connection
            .prepare_cached("SELECT id, last_at, seq, head FROM tenant WHERE name = ?1")?
            .query_row([batch.tenant.as_str()], |row| {
                let head = feed::head(row.get_ref(3)?.as_blob()?);
                Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, head))
            })
            .optional()?
            .ok_or(StoreError::NoTenant)?;
        let seq = u64::try_from(seq).map_err(StoreError::backend)?;
        let now = batch.now.max(time(last)?);
        Ok(Self { connection, catalog, batch, tenant, now, seq, head, told: false })
    }

    /// Keeps what the next batch goes on from.
    fn close(self) -> Result<(), StoreError> {
        if self.told {
            self.connection
                .prepare_cached(
                    "UPDATE tenant SET last_at = ?2, seq = ?3, head = ?4 WHERE id = ?1",
                )?
                .execute((
                    self.tenant,
                    self.now.timestamp_millis(),
                    number(self.seq)?,
                    self.head.as_slice(),
                ))?;
        }
        Ok(())
    }

    fn write(&mut self, write: &Ready) -> Result<Written, StoreError> {
        match write {
            Ready::Create { key, row, attributes, members, allow_cycles } => {
                self.create(key, row, attributes.clone(), members, *allow_cycles)
            }
            Ready::Update { key, guard, row, members, allow_cycles } => {
                let info = self.catalog.need(&key.resource_type)?;
                let found = self.guarded(info, key, *guard)?;
                self.update(info, key, found, row.as_ref(), &row_ops(members), *allow_cycles)
            }
            Ready::Delete { key, guard } => {
                let info = self.catalog.need(&key.resource_type)?;
                let found = self.guarded(info, key, *guard)?;
                self.delete(info, key, found)
            }
        }
    }

    fn create(
        &mut self,
        key: &Key,
        row: &NewRow,
        attributes: Vec<String>,
        members: &[ResourceId],
        allow_cycles: bool,
    ) -> Result<Written, StoreError> {
        let info = self.catalog.need(&key.resource_type)?;
        if find_resource(self.connection, self.tenant, key.id.as_str())?.is_some() {
            return Err(StoreError::Uniqueness { attribute: "id".to_owned() });
        }
        let now = self.now.timestamp_millis();
        self.connection
            .prepare_cached(
                "INSERT INTO resource (tenant, type, id, version, created, modified, flags, label, password, body)
                 VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                self.tenant,
                info.number,
                key.id.as_str(),
                now,
                row.relative_refs,
                row.label.as_deref(),
                row.password.as_deref(),
                row.text()?,
            ))?;
        let rid = self.connection.last_insert_rowid();
        for entry in &row.entries {
            self.insert_entry(info, rid, entry)?;
        }
        self.count(info, 1)?;
        let ids = members.iter().map(|id| Some(id.clone())).collect();
        let diff =
            self.edit_members(key, rid, &[RowOp::Add { operation: 0, ids }], allow_cycles)?;
        let detail = audit::detail(None, &diff);
        let version = Version::FIRST;
        let attributes = with_members(attributes, &diff);
        self.tell(info, key, ChangeKind::Create, version, attributes, detail, &diff)?;
        Ok(written(self.stored(key, row, version, self.now), true, &diff))
    }

    fn update(
        &mut self,
        info: &TypeInfo,
        key: &Key,
        mut found: Found,
        row: Option<&NewRow>,
        members: &[RowOp<'_>],
        allow_cycles: bool,
    ) -> Result<Written, StoreError> {
        let row = match row {
            Some(row) if self.differs(&found, row)? => Some(row),
            _ => None,
        };
        if let Some(row) = row {
            self.move_entries(info, &found, row)?;
        }
        let diff = self.edit_members(key, found.rid, members, allow_cycles)?;
        if row.is_none() && diff.is_empty() {
            return Ok(written(found.stored, false, &diff));
        }
        found.stored.version = found.stored.version.next();
        found.stored.modified = self.now;
        let (version, now) = (number(found.stored.version.0)?, self.now.timestamp_millis());
        let mut changes = None;
        if let Some(row) = row {
            let password = match (&row.password, row.clear_password) {
                (Some(hash), _) => Some(hash.as_str()),
                (None, true) => None,
                (None, false) => found.password.as_deref(),
            };
            self.connection
                .prepare_cached(
                    "UPDATE resource SET version = ?2, modified = ?3, flags = ?4, label = ?5, password = ?6, body = ?7
                     WHERE rid = ?1",
                )?
                .execute((
                    found.rid,
                    version,
                    now,
                    row.relative_refs,
                    row.label.as_deref(),
                    password,
                    row.text()?,
                ))?;
            found.stored.body = row.body.clone();
            found.stored.relative_refs = row.relative_refs;
            changes = Some(&row.changes);
        } else {
            self.touch(found.rid, version)?;
        }
        let kind = if row.is_some() { ChangeKind::Update } else { ChangeKind::Membership };
        let attributes = changes.map(audit::changed_attributes).unwrap_or_default();
        let (attributes, detail) = (with_members(attributes, &diff), audit::detail(changes, &diff));
        self.tell(info, key, kind, found.stored.version, attributes, detail, &diff)?;
        Ok(written(found.stored, true, &diff))
    }

    fn delete(&mut self, info: &TypeInfo, key: &Key, found: Found) -> Result<Written, StoreError> {
        let mut memberships = self.membership();
        let left = MemberDiff { removed: [key.id.clone()].into(), ..MemberDiff::default() };
        for holder in memberships.leave_all(found.rid, &key.id)? {
            let version = holder.version.next();
            self.touch(holder.rid, number(version.0)?)?;
            self.tell_row(Told {
                type_number: holder.type_number,
                resource_type: &self.catalog.name(holder.type_number)?,
                id: &holder.id,
                kind: ChangeKind::Membership,
                version,
                attributes: with_members(Vec::new(), &left),
                detail: audit::detail(None, &left),
                counts: left.counts(),
            })?;
        }
        memberships.clear(found.rid)?;
        for entry in self.entries_of(info, &found)? {
            self.delete_entry(info, found.rid, &entry)?;
        }
        self.connection
            .prepare_cached("DELETE FROM resource WHERE rid = ?1")?
            .execute([found.rid])?;
        self.count(info, -1)?;
        let none = MemberDiff::default();
        let detail = audit::detail(None, &none);
        let version = found.stored.version;
        self.tell(info, key, ChangeKind::Delete, version, Vec::new(), detail, &none)?;
        Ok(written(found.stored, true, &none))
    }

    /// The row, if it is there and the precondition holds.
    fn guarded(&self, info: &TypeInfo, key: &Key, guard: WriteIf) -> Result<Found, StoreError> {
        let found = Found::read(self.connection, self.tenant, info, key)?;
        match guard {
            WriteIf::Version(version) if version != found.stored.version => {
                Err(StoreError::VersionMismatch { actual: found.stored.version })
            }
            _ => Ok(found),
        }
    }

    /// Whether a draft would change anything.
    fn differs(&self, found: &Found, row: &NewRow) -> Result<bool, StoreError> {
        let password = match (&row.password, row.clear_password) {
            (Some(hash), _) => Some(hash) != found.password.as_ref(),
            (None, clear) => clear && found.password.is_some(),
        };
        if password || row.relative_refs != found.stored.relative_refs {
            return Ok(true);
        }
        if row.body == found.stored.body {
            return Ok(false);
        }
        let stored: scim_core::Resource =
            serde_json::from_slice(&found.stored.body).map_err(damaged)?;
        Ok(stored != row.resource)
    }

    /// Brings the index from the stored attributes to the new ones.
    fn move_entries(&self, info: &TypeInfo, found: &Found, row: &NewRow) -> Result<(), StoreError> {
        let before = self.entries_of(info, found)?;
        for entry in before.difference(&row.entries) {
            self.delete_entry(info, found.rid, entry)?;
        }
        for entry in row.entries.difference(&before) {
            self.insert_entry(info, found.rid, entry)?;
        }
        Ok(())
    }

    fn entries_of(
        &self,
        info: &TypeInfo,
        found: &Found,
    ) -> Result<std::collections::BTreeSet<Entry>, StoreError> {
        let resource = Needs::of_names(info.index.names()).read(&found.stored.body)?;
        Ok(info.index.entries(&resource))
    }

    fn insert_entry(&self, info: &TypeInfo, rid: i64, entry: &Entry) -> Result<(), StoreError> {
        let (attribute, unique) = info.locate(entry);
        let sql = if unique {
            "INSERT INTO unique_key (tenant, type, attr, key, rid) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING"
        } else {
            "INSERT INTO attr_index (tenant, type, attr, key, rid) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING"
        };
        let new = self.connection.prepare_cached(sql)?.execute((
            self.tenant,
            info.number,
            attribute,
            entry.key.as_bytes(),
            rid,
        ))?;
        if unique && new == 0 {
            let attribute = info.index.attributes()[entry.attribute].path.to_string();
            return Err(StoreError::Uniqueness { attribute });
        }
        Ok(())
    }

    fn delete_entry(&self, info: &TypeInfo, rid: i64, entry: &Entry) -> Result<(), StoreError> {
        let (attribute, unique) = info.locate(entry);
        let sql = if unique {
            "DELETE FROM unique_key
             WHERE tenant = ?1 AND type = ?2 AND attr = ?3 AND key = ?4 AND rid = ?5"
        } else {
            "DELETE FROM attr_index
             WHERE tenant = ?1 AND type = ?2 AND attr = ?3 AND key = ?4 AND rid = ?5"
        };
        self.connection.prepare_cached(sql)?.execute((
            self.tenant,
            info.number,
            attribute,
            entry.key.as_bytes(),
            rid,
        ))?;
        Ok(())
    }

    fn membership(&self) -> Membership<'a> {
        Membership::of(self.connection, self.catalog, self.tenant, &self.batch.base_url)
    }

    fn edit_members(
        &self,
        key: &Key,
        rid: i64,
        edits: &[RowOp<'_>],
        allow_cycles: bool,
    ) -> Result<MemberDiff, StoreError> {
        let mut membership = self.membership();
        for edit in edits {
            membership.apply(key, rid, edit, allow_cycles)?;
        }
        Ok(membership.diff())
    }

    fn count(&self, info: &TypeInfo, step: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO resource_count (tenant, type, n) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET n = n + excluded.n",
            )?
            .execute((self.tenant, info.number, step))?;
        Ok(())
    }

    /// Moves a resource's version and time.
    fn touch(&self, rid: i64, version: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE resource SET version = ?2, modified = ?3 WHERE rid = ?1")?
            .execute((rid, version, self.now.timestamp_millis()))?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    fn tell(
        &mut self,
        info: &TypeInfo,
        key: &Key,
        kind: ChangeKind,
        version: Version,
        attributes: Vec<String>,
        detail: String,
        diff: &MemberDiff,
    ) -> Result<(), StoreError> {
        self.tell_row(Told {
            type_number: info.number,
            resource_type: &key.resource_type,
            id: &key.id,
            kind,
            version,
            attributes,
            detail,
            counts: diff.counts(),
        })
    }

    fn tell_row(&mut self, told: Told<'_>) -> Result<(), StoreError> {
        self.seq += 1;
        let change = Change {
            seq: self.seq,
            at: self.now,
            kind: told.kind,
            resource_type: told.resource_type.into(),
            id: told.id.clone(),
            version: told.version,
            actor: self.batch.actor.clone(),
            attributes: told.attributes,
            members_added: told.counts.0,
            members_removed: told.counts.1,
        };
        let request = self.batch.request_id.clone();
        let entry = audit::entry(&self.head, &self.batch.tenant, change, request, told.detail);
        feed::append(self.connection, self.tenant, told.type_number, &entry)?;
        self.head = entry.hash;
        self.told = true;
        Ok(())
    }

    fn stored(&self, key: &Key, row: &NewRow, version: Version, at: DateTime<Utc>) -> Stored {
        Stored {
            resource_type: key.resource_type.clone(),
            id: key.id.clone(),
            version,
            created: at,
            modified: at,
            body: row.body.clone(),
            relative_refs: row.relative_refs,
            groups: Vec::new(),
            members: Vec::new(),
            other_members: IdList::default(),
        }
    }
}

fn written(stored: Stored, changed: bool, diff: &MemberDiff) -> Written {
    let (members_added, members_removed) = diff.counts();
    Written { stored, changed, members_added, members_removed }
}

fn with_members(mut attributes: Vec<String>, diff: &MemberDiff) -> Vec<String> {
    if !diff.is_empty() {
        attributes.push("members".to_owned());
    }
    attributes
}
