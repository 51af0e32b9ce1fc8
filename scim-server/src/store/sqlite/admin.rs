//! Tenants, audit, backup and keys.

use std::fs::File;
use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use smol_str::SmolStr;

use super::aside::Lane;
use super::catalog::{Catalog, damaged};
use super::{SqliteStore, feed, folder, pool, read, verify};
use crate::auth::TenantId;
use crate::store::audit::GENESIS;
use crate::store::unregistered::is_registered;
use crate::store::{
    AdminStore, AuditEntry, Finding, StoreError, Tenant, Unregistered, default_stays, to_millis,
};

/// Every table with rows of a tenant, those that refer to others first.
const OF_TENANT: [&str; 9] = [
    "member",
    "unregistered",
    "unique_key",
    "attr_index",
    "resource_count",
    "change",
    "audit",
    "token",
    "resource",
];

#[async_trait]
impl AdminStore for SqliteStore {
    async fn tenant_create(
        &self,
        tenant: &TenantId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.writer
            .call(move |connection| {
                let new = connection.execute(
                    "INSERT INTO tenant (name, created, last_at, head) VALUES (?1, ?2, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                    (tenant.as_str(), to_millis(now).timestamp_millis(), GENESIS.as_slice()),
                )?;
                Ok(new > 0)
            })
            .await
    }

    async fn tenant_list(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read_aside(Lane::Single, |connection, _| {
            let mut statement =
                connection.prepare_cached("SELECT name, created FROM tenant ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut tenants = Vec::new();
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                let id = name.parse().map_err(StoreError::backend)?;
                tenants.push(Tenant { id, created: feed::time(row.get(1)?)? });
            }
            Ok(tenants)
        })
        .await
    }

    async fn tenant_delete(&self, tenant: &TenantId) -> Result<(), StoreError> {
        if *tenant == TenantId::default() {
            return Err(default_stays());
        }
        let tenant = tenant.clone();
        self.writer
            .call(move |connection| {
                let number = read::tenant(connection, &tenant)?;
                for table in OF_TENANT {
                    connection
                        .execute(&format!("DELETE FROM {table} WHERE tenant = ?1"), [number])?;
                }
                connection.execute("DELETE FROM tenant WHERE id = ?1", [number])?;
                Ok(())
            })
            .await
    }

    async fn audit(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let tenant = tenant.clone();
        self.read_aside(Lane::Scan, move |connection, catalog| {
            feed::entries(connection, catalog, read::tenant(connection, &tenant)?, after, limit)
        })
        .await
    }

    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let file = file.to_owned();
        let database = self.path.clone();
        let task = tokio::task::spawn_blocking(move || backup(&database, &file));
        task.await.map_err(StoreError::backend)?
    }

    async fn verify(&self) -> Result<Vec<Finding>, StoreError> {
        self.read_aside(Lane::Scan, verify::verify).await
    }

    async fn unregistered(&self) -> Result<Vec<Unregistered>, StoreError> {
        self.read_aside(Lane::Scan, unregistered).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let key = format!("secret {name}");
        self.writer
            .call(move |connection| {
                connection.execute(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    (&key, fresh.as_slice()),
                )?;
                let stored: Vec<u8> = connection.query_row(
                    "SELECT value FROM meta WHERE key = ?1",
                    [&key],
                    |row| row.get(0),
                )?;
                stored.try_into().map_err(|_| StoreError::backend("a stored key is damaged"))
            })
            .await
    }
}

fn unregistered(
    connection: &Connection,
    catalog: &Catalog,
) -> Result<Vec<Unregistered>, StoreError> {
    let mut found = Vec::new();
    let mut types = connection.prepare_cached(
        "SELECT t.name, sum(c.n) FROM resource_count c JOIN resource_type t ON t.id = c.type
         GROUP BY t.name HAVING sum(c.n) > 0",
    )?;
    let mut rows = types.query([])?;
    while let Some(row) = rows.next()? {
        let resource_type = SmolStr::new(row.get_ref(0)?.as_str().map_err(damaged)?);
        if catalog.registry.get(&resource_type).is_none() {
            let resources = feed::count(row, 1)?;
            found.push(Unregistered { resource_type, name: None, registered: false, resources });
        }
    }
    let mut names = connection.prepare_cached(
        "SELECT t.name, j.key, count(*)
         FROM unregistered u JOIN resource r ON r.rid = u.rid JOIN resource_type t ON t.id = r.type,
              json_each(u.data) j
         GROUP BY t.name, j.key",
    )?;
    let mut rows = names.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| -> Result<SmolStr, StoreError> {
            Ok(SmolStr::new(row.get_ref(column)?.as_str().map_err(damaged)?))
        };
        let (resource_type, name, resources) = (text(0)?, text(1)?, feed::count(row, 2)?);
        if let Some(schema) = catalog.registry.get(&resource_type) {
            let registered = is_registered(schema, &name);
            found.push(Unregistered { resource_type, name: Some(name), registered, resources });
        }
    }
    found.sort();
    Ok(found)
}

/// Copies one state of the database into a new file.
fn backup(database: &Path, file: &Path) -> Result<(), StoreError> {
    // Made here, so that nobody else's file can be in the way or be overwritten; SQLite takes it because it is empty.
    folder::private().create_new(true).open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            StoreError::Refused(format!("{} exists: a backup overwrites nothing", file.display()))
        }
        _ => folder::io(file, &error),
    })?;
    let copied = pool::open_copier(database).and_then(|connection| copy(&connection, file));
    if copied.is_err() {
        // What failed is told; a file that is no backup must not look like one.
        let _ = std::fs::remove_file(file);
    }
    copied
}

fn copy(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    let path = file
        .to_str()
        .ok_or_else(|| StoreError::Refused(format!("{} is not UTF-8", file.display())))?;
    connection.execute("VACUUM INTO ?1", [path])?;
    File::open(file).and_then(|file| file.sync_all()).map_err(|error| folder::io(file, &error))?;
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    folder::sync_folder(parent)
}
