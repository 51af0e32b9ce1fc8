//! The store on SQLite: one file in a folder, one writer, many readers.

mod admin;
mod aside;
mod catalog;
mod draft;
mod error;
mod feed;
mod folder;
mod member;
mod migrate;
mod plan;
mod pool;
mod query;
mod read;
mod tokens;
mod verify;
mod write;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scim_core::{Registry, ResourceId};

use self::aside::{Aside, Lane};
use self::catalog::Catalog;
use self::draft::Batch;
use self::migrate::Age;
use self::pool::Readers;
use self::writer::{Source, Writer};
use super::{
    Change, Include, Key, Member, MemberPage, Page, Query, ResourceStore, StoreError, Stored,
    WriteBatch, Written,
};
use crate::auth::TenantId;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Writes that may wait for the writer; one more waits for room.
    pub queue: usize,
    /// How long a write waits for room in the queue before it is refused as busy.
    pub queue_wait: Duration,
    /// How long a read that may be large waits for others of its kind before it is refused as busy.
    pub read_wait: Duration,
    /// The size in pages of 4 KiB that the database may grow to; `None` for as much as the disk holds.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        let wait = Duration::from_secs(5);
        Self { queue: 1_024, queue_wait: wait, read_wait: wait, max_pages: None }
    }
}

/// Resources, tokens, feed and audit in one SQLite file.
///
/// Acknowledged writes are on the disk: `synchronous` is `FULL` and read back on every connection. Writes that wait at
/// the same time share a commit.
#[derive(Debug)]
pub struct SqliteStore {
    // Readers are closed first, so that the writer is the last to leave and tidies the log up.
    readers: Arc<Readers>,
    writer: Writer,
    catalog: Arc<Catalog>,
    aside: Aside,
    path: PathBuf,
    /// Held while this process serves from the folder.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens the folder to serve from it, and makes it if it is not there. No other server can do so at the same time.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another server has the folder, [`StoreError::Refused`] when the database is that of a
    /// newer version or does not fit the registry's resource types, [`StoreError::Full`], [`StoreError::Backend`].
    pub fn open(
        folder: &Path,
        registry: Arc<Registry>,
        now: DateTime<Utc>,
        options: &SqliteOptions,
    ) -> Result<Self, StoreError> {
        folder::create(folder)?;
        let lock = folder::lock(folder)?;
        let path = folder::database(folder)?;
        let mut connection = pool::open_writer(&path, options.max_pages)?;
        if migrate::age(&connection)? == Age::Older {
            migrate::migrate(&mut connection)?;
        }
        // Only here, where no other server has the folder.
        migrate::align(&mut connection, &registry, now)?;
        Self::with(connection, path, registry, options, Some(lock))
    }

    /// Opens the folder next to a server that may be running: for commands such as those for tokens and tenants.
    ///
    /// What the server has stored is taken as it is, also where its schemas are not those of `registry`: resources of a
    /// type that it indexes otherwise can be read, but not written.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is no database in the folder, or that of a newer version;
    /// [`StoreError::InUse`] when the database is of an older version and a server is running; [`StoreError::Full`],
    /// [`StoreError::Backend`].
    pub fn open_beside(
        folder: &Path,
        registry: Arc<Registry>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let path = folder::existing(folder)?;
        let options = SqliteOptions::default();
        let mut connection = pool::open_writer(&path, options.max_pages)?;
        if migrate::age(&connection)? == Age::Older {
            // Tables are changed only when nobody serves from them.
            let _lock = folder::lock(folder)?;
            migrate::migrate(&mut connection)?;
            migrate::default_tenant(&connection, now)?;
        }
        Self::with(connection, path, registry, &options, None)
    }

    fn with(
        connection: Connection,
        path: PathBuf,
        registry: Arc<Registry>,
        options: &SqliteOptions,
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        let catalog = Arc::new(Catalog::load(&connection, registry)?);
        let source = Source { path: path.clone(), max_pages: options.max_pages };
        let writer = Writer::start(connection, source, options.queue, options.queue_wait)?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.clone())),
            writer,
            catalog,
            aside: Aside::new(options.read_wait),
            path,
            _lock: lock,
        })
    }

    /// The database file.
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// Commits that this store has made: fewer than the writes that it has answered, when they came at the same time.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Reads in one transaction on a thread that may be kept waiting.
    async fn read_aside<T, F>(&self, lane: Lane, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Catalog) -> Result<T, StoreError> + Send + 'static,
    {
        self.aside.read(lane, &self.readers, &self.catalog, read).await
    }
}

#[async_trait]
impl ResourceStore for SqliteStore {
    async fn get(&self, key: &Key, include: Include) -> Result<Stored, StoreError> {
        if !include.members {
            return self.readers.with(|c| read::get(c, &self.catalog, key, include));
        }
        let key = key.clone();
        self.read_aside(Lane::Single, move |c, catalog| read::get(c, catalog, &key, include)).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let short = self.readers.with(|c| query::run_short(c, &self.catalog, query))?;
        if let Some(page) = short {
            return Ok(page);
        }
        let query = query.clone();
        self.read_aside(Lane::Scan, move |c, catalog| query::run(c, catalog, &query)).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Written>, StoreError> {
        let batch = Batch::prepare(&self.catalog, batch)?;
        let catalog = Arc::clone(&self.catalog);
        self.writer.call(move |c| write::apply(c, &catalog, &batch)).await
    }

    async fn members(
        &self,
        group: &Key,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<MemberPage, StoreError> {
        let (group, after) = (group.clone(), after.cloned());
        self.read_aside(Lane::Single, move |c, catalog| {
            let info = catalog.get(&group.resource_type).ok_or(StoreError::NotFound)?;
            let tenant = read::tenant(c, &group.tenant)?;
            let rid = read::Found::read(c, tenant, info, &group)?.rid;
            read::members(c, catalog, tenant, rid, after.as_ref(), limit)
        })
        .await
    }

    async fn named(&self, group: &Key, ids: &[ResourceId]) -> Result<Vec<Member>, StoreError> {
        let (group, ids) = (group.clone(), ids.to_vec());
        self.read_aside(Lane::Single, move |c, catalog| {
            let tenant = read::tenant(c, &group.tenant)?;
            let found = match catalog.get(&group.resource_type) {
                Some(info) => read::number(c, tenant, info, &group.id)?,
                None => None,
            };
            read::named(c, catalog, tenant, found, &ids)
        })
        .await
    }

    async fn changes(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let tenant = tenant.clone();
        self.read_aside(Lane::Scan, move |c, catalog| {
            feed::changes(c, catalog, read::tenant(c, &tenant)?, after, limit)
        })
        .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.readers.with(|c| read::tenant(c, &TenantId::default()).map(|_| ()))?;
        // Reaching the writer shows that it is alive and can begin a transaction. After a failure only a real write
        // shows that there is room again.
        let probe = self.writer.has_failed();
        let check = self.writer.call(move |c| {
            if probe {
                c.execute(
                    "INSERT INTO meta (key, value) VALUES ('probe', X'01')
                     ON CONFLICT DO UPDATE SET value = randomblob(1)",
                    [],
                )?;
            }
            Ok(())
        });
        match tokio::time::timeout(Duration::from_secs(2), check).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Busy),
        }
    }
}
