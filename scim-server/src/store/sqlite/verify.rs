//! Checking that the database agrees with itself.

use std::collections::BTreeSet;

use rusqlite::Connection;
use scim_core::Resource;

use super::catalog::{Catalog, TypeInfo, damaged};
use super::feed;
use crate::auth::TenantId;
use crate::store::audit::{GENESIS, chain};
use crate::store::{Finding, StoreError};

/// Findings named in full; a damaged file could have one for every row.
const NAMED: usize = 100;
/// Audit entries that are read together.
const CHUNK: usize = if cfg!(test) { 3 } else { 1_000 };

pub(super) fn verify(
    connection: &Connection,
    catalog: &Catalog,
) -> Result<Vec<Finding>, StoreError> {
    let mut check = Check { connection, catalog, findings: Vec::new(), left_out: 0 };
    check.file()?;
    // A file that is damaged as a file has nothing more to tell.
    if check.findings.is_empty() {
        let tenants = check.tenants()?;
        for tenant in &tenants {
            check.counts(tenant)?;
            check.labels(tenant)?;
            for (name, info) in catalog.iter() {
                check.index(tenant, name, info)?;
            }
            check.chain(tenant)?;
        }
    }
    if check.left_out > 0 {
        let problem = format!("{} more problems", check.left_out);
        check.findings.push(Finding { place: "database".to_owned(), problem });
    }
    Ok(check.findings)
}

struct Check<'a> {
    connection: &'a Connection,
    catalog: &'a Catalog,
    findings: Vec<Finding>,
    left_out: u64,
}

struct TenantRow {
    number: i64,
    id: TenantId,
    seq: u64,
    head: [u8; 32],
}

impl Check<'_> {
    fn found(&mut self, place: &str, problem: String) {
        if self.findings.len() < NAMED {
            self.findings.push(Finding { place: place.to_owned(), problem });
        } else {
            self.left_out += 1;
        }
    }

    /// SQLite's own checks: pages, indexes, foreign keys.
    fn file(&mut self) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                self.found("database", line);
            }
        }
        let mut statement = self.connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            self.found("database", format!("a row of {table} refers to nothing in {parent}"));
        }
        Ok(())
    }

    fn tenants(&mut self) -> Result<Vec<TenantRow>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id, name, seq, head FROM tenant")?;
        let mut rows = statement.query([])?;
        let mut tenants = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            match name.parse() {
                Ok(id) => tenants.push(TenantRow {
                    number: row.get(0)?,
                    id,
                    seq: feed::count(row, 2)?,
                    head: feed::head(row.get_ref(3)?.as_blob().map_err(damaged)?),
                }),
                Err(_) => self.found("database", format!("{name:?} is no name of a tenant")),
            }
        }
        if !tenants.iter().any(|tenant| tenant.id == TenantId::default()) {
            self.found("database", "the tenant \"default\" is missing".to_owned());
        }
        Ok(tenants)
    }

    fn counts(&mut self, tenant: &TenantRow) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT t.name, (SELECT count(*) FROM resource r WHERE r.tenant = ?1 AND r.type = t.id),
                    (SELECT coalesce(sum(n), 0) FROM resource_count c WHERE c.tenant = ?1 AND c.type = t.id)
             FROM resource_type t",
        )?;
        let mut rows = statement.query([tenant.number])?;
        while let Some(row) = rows.next()? {
            let (name, real, kept): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if real != kept {
                let problem = format!("there are {real} of type {name}, but {kept} are counted");
                self.found(tenant.id.as_str(), problem);
            }
        }
        Ok(())
    }

    /// Member rows name their member twice, by number and by id.
    fn labels(&mut self, tenant: &TenantRow) -> Result<(), StoreError> {
        let wrong: i64 = self.connection.query_row(
            "SELECT count(*) FROM member m JOIN resource r ON r.rid = m.rid
             WHERE m.tenant = ?1 AND m.id <> r.id",
            [tenant.number],
            |row| row.get(0),
        )?;
        if wrong > 0 {
            let problem = format!("{wrong} memberships have the wrong id");
            self.found(tenant.id.as_str(), problem);
        }
        Ok(())
    }

    /// Makes the index rows of every resource again and compares.
    fn index(&mut self, tenant: &TenantRow, name: &str, info: &TypeInfo) -> Result<(), StoreError> {
        let (mut unique, mut plain) = (0_i64, 0_i64);
        let mut resources = self
            .connection
            .prepare("SELECT rid, id, body, label FROM resource WHERE tenant = ?1 AND type = ?2")?;
        let mut rows = resources.query((tenant.number, info.number))?;
        while let Some(row) = rows.next()? {
            let (rid, id): (i64, String) = (row.get(0)?, row.get(1)?);
            let body = row.get_ref(2)?.as_bytes().map_err(damaged)?;
            let Ok(resource) = serde_json::from_slice::<Resource>(body) else {
                self.found(tenant.id.as_str(), format!("{name} {id} is no JSON object"));
                continue;
            };
            let label: Option<String> = row.get(3)?;
            if crate::store::index::label(&resource).as_deref() != label.as_deref() {
                self.found(tenant.id.as_str(), format!("{name} {id} has the wrong label"));
            }
            let entries: BTreeSet<_> = info.index.entries(&resource);
            for entry in &entries {
                let (attribute, is_unique) = info.locate(entry);
                let (table, n) = match is_unique {
                    true => ("unique_key", &mut unique),
                    false => ("attr_index", &mut plain),
                };
                *n += 1;
                let sql = format!(
                    "SELECT 1 FROM {table}
                     WHERE tenant = ?1 AND type = ?2 AND attr = ?3 AND key = ?4 AND rid = ?5"
                );
                let key = entry.key.as_bytes();
                let there = self.connection.prepare_cached(&sql)?.exists((
                    tenant.number,
                    info.number,
                    attribute,
                    key,
                    rid,
                ))?;
                if !there {
                    let path = &info.index.attributes()[entry.attribute].path;
                    let problem = format!("{name} {id} is not indexed by its {path}");
                    self.found(tenant.id.as_str(), problem);
                }
            }
        }
        // Every row that should be there was looked for; so as many rows are as should be, if none is left over.
        // Attributes that only a running server's schemas index are not known here, and not looked at.
        for (table, is_unique, expected) in
            [("unique_key", true, unique), ("attr_index", false, plain)]
        {
            let sql = format!(
                "SELECT count(*) FROM {table} WHERE tenant = ?1 AND type = ?2 AND attr = ?3"
            );
            let mut count = self.connection.prepare_cached(&sql)?;
            let mut n = 0_i64;
            for attribute in info.numbers(is_unique) {
                let key = (tenant.number, info.number, attribute);
                n += count.query_row(key, |row| row.get::<_, i64>(0))?;
            }
            drop(count);
            if n != expected {
                let problem = format!("{table} of {name} has {n} rows instead of {expected}");
                self.found(tenant.id.as_str(), problem);
            }
        }
        Ok(())
    }

    /// The feed has no gaps, and each audit row follows from the one before.
    fn chain(&mut self, tenant: &TenantRow) -> Result<(), StoreError> {
        let (mut seq, mut before, mut last) = (0, GENESIS, i64::MIN);
        for table in ["change", "audit"] {
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant = ?1");
            let n: i64 = self.connection.query_row(&sql, [tenant.number], |row| row.get(0))?;
            if feed::number(tenant.seq)? != n {
                let problem = format!("{table} has {n} rows, the last number is {}", tenant.seq);
                self.found(tenant.id.as_str(), problem);
            }
        }
        loop {
            let number = tenant.number;
            let entries = feed::entries(self.connection, self.catalog, number, seq, CHUNK)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let at = entry.change.at.timestamp_millis();
                if entry.change.seq != seq + 1 || at < last {
                    let problem = format!("change {} does not follow {seq}", entry.change.seq);
                    self.found(tenant.id.as_str(), problem);
                }
                if entry.hash != chain(&before, &tenant.id, &entry) {
                    let problem = format!("audit row {} is not what was written", entry.change.seq);
                    self.found(tenant.id.as_str(), problem);
                }
                (seq, before, last) = (entry.change.seq, entry.hash, at);
            }
        }
        if seq != tenant.seq || before != tenant.head {
            self.found(tenant.id.as_str(), "the end of the audit is missing".to_owned());
        }
        Ok(())
    }
}
