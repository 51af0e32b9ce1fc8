//! The store on SQLite: one file, one connection, prepared statements.

mod edges;
pub(crate) mod error;
mod identities;
mod objects;
pub(crate) mod open;
mod records;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};
use scim_sync::metaverse::{IdentityOutline, MetaverseObject};
use scim_sync::space::SpaceObject;
use scim_sync::store::{ConnectorState, Escrow, JoinKey, Listed, ObjectOutline, RunRecord, Which};
use scim_sync::{
    Anchor, AttributeName, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId, StoreError, SyncStore,
};

use self::error::{damaged, failed};

/// The state of one synchronisation in an SQLite file.
///
/// What was committed is on the disk when [`SyncStore::commit`] comes back. Other programs may read the file meanwhile; one
/// writes at a time.
///
/// ```
/// use scim_sync::SyncStore;
/// use scim_sync_store::SqliteStore;
///
/// let mut store = SqliteStore::open_in_memory()?;
/// store.begin()?;
/// store.put_fact("rules", Some("a digest"))?;
/// store.commit()?;
/// assert_eq!(store.fact("rules")?.as_deref(), Some("a digest"));
/// # Ok::<(), scim_sync::StoreError>(())
/// ```
pub struct SqliteStore {
    connection: Connection,
    /// Numbers of connectors; forgotten with a transaction that is taken back, which may have made some.
    connectors: RefCell<BTreeMap<ConnectorId, i64>>,
    listed: Listed,
    /// Where the state is, where this file is only a copy of it.
    #[cfg(feature = "postgres")]
    mirror: Option<crate::postgres::Mirror>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.connection.path()).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the state in the file at `path`, and makes the file where there is none, for its owner only.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the file cannot be opened or a newer version wrote it; [`StoreError::Damaged`] where it
    /// is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        open::open(path.as_ref()).map(Self::on)
    }

    /// Opens a state that is gone when it is dropped.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open_in_memory() -> Result<Self, StoreError> {
        open::open_in_memory().map(Self::on)
    }

    fn on(connection: Connection) -> Self {
        Self {
            connection,
            connectors: RefCell::default(),
            listed: Listed::default(),
            #[cfg(feature = "postgres")]
            mirror: None,
        }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn mirrored(connection: Connection, mirror: crate::postgres::Mirror) -> Self {
        Self { mirror: Some(mirror), ..Self::on(connection) }
    }

    /// Whether the file may be worked in, where it is a copy.
    fn check_mirror(&self) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(mirror) = &self.mirror {
            mirror.check()?;
        }
        Ok(())
    }

    /// Makes the transaction last where the state is, where this file is a copy of it.
    fn send_to_mirror(&mut self) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(mirror) = &mut self.mirror {
            mirror.send(&self.connection)?;
        }
        Ok(())
    }

    fn mirror_is_ahead(&mut self) {
        #[cfg(feature = "postgres")]
        if let Some(mirror) = &mut self.mirror {
            mirror.lagging();
        }
    }

    /// Writes the state as it is now to a new file, for a backup or to work something out in. Another program may go on
    /// writing to this one meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Io`] where there is a file already, or it cannot be written.
    pub fn copy_to(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref().to_str().ok_or_else(|| {
            StoreError::Io(format!("{} is no path that SQLite can name", path.as_ref().display()))
        })?;
        // Made first, with the mode of a state: SQLite takes an empty file as it is.
        open::make_private(Path::new(path))
            .map_err(|error| StoreError::Io(format!("{path} cannot be made: {error}")))?;
        self.connection.execute("VACUUM INTO ?1", [path]).map(drop).map_err(failed)
    }

    /// Whether the file holds together: pages, indexes, references. No sentences mean that it does; what the rows say is
    /// for [`scim_sync::verify`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn check_file(&self) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let mut statement = self.connection.prepare("PRAGMA integrity_check").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let text: String = row.get(0).map_err(failed)?;
            if text != "ok" {
                found.push(text);
            }
        }
        let mut statement = self.connection.prepare("PRAGMA foreign_key_check").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (table, parent): (String, String) =
                (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
            found.push(format!("a row of {table} refers to a row of {parent} that is not there"));
        }
        Ok(found)
    }

    /// The connection, to be written on.
    fn change(&mut self) -> Result<&Connection, StoreError> {
        if self.connection.is_autocommit() {
            return Err(StoreError::Misuse("the state is changed within a transaction only"));
        }
        self.listed.forget();
        Ok(&self.connection)
    }

    fn run(&self, sql: &str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.execute([]).map(drop).map_err(failed)
    }

    /// The number of a connector that is known.
    fn known(&self, connector: &ConnectorId) -> Result<Option<i64>, StoreError> {
        if let Some(number) = self.connectors.borrow().get(connector) {
            return Ok(Some(*number));
        }
        let sql = "SELECT id FROM connector WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let found: Option<i64> = statement
            .query_row([connector.as_str()], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        if let Some(number) = found {
            self.connectors.borrow_mut().insert(connector.clone(), number);
        }
        Ok(found)
    }

    /// The name of a connector by its number.
    fn named(&self, number: i64) -> Result<ConnectorId, StoreError> {
        let mut connectors = self.connectors.borrow_mut();
        if let Some((name, _)) = connectors.iter().find(|(_, known)| **known == number) {
            return Ok(name.clone());
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM connector WHERE id = ?1")
            .map_err(failed)?;
        let name: Option<String> =
            statement.query_row([number], |row| row.get(0)).optional().map_err(failed)?;
        let name = name.ok_or_else(|| damaged(format!("connector {number} has no name")))?;
        let name = ConnectorId::new(name);
        connectors.insert(name.clone(), number);
        Ok(name)
    }

    /// The number of a connector, a new one where it is not known.
    fn numbered(&mut self, connector: &ConnectorId) -> Result<i64, StoreError> {
        if let Some(number) = self.known(connector)? {
            return Ok(number);
        }
        let sql = "INSERT INTO connector (name) VALUES (?1)";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let number = statement.insert([connector.as_str()]).map_err(failed)?;
        self.connectors.get_mut().insert(connector.clone(), number);
        Ok(number)
    }
}

/// A number as SQLite keeps it.
fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(damaged)
}

/// A number of SQLite's.
fn row_id(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(damaged)
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Writes the keys of a row where they are others than `before`.
fn replace_keys(
    connection: &Connection,
    before: &[JoinKey],
    delete: &str,
    insert: &str,
    row: i64,
    keys: &[JoinKey],
) -> Result<(), StoreError> {
    if before == keys {
        return Ok(());
    }
    if !before.is_empty() {
        connection.prepare_cached(delete).map_err(failed)?.execute([row]).map_err(failed)?;
    }
    let mut statement = connection.prepare_cached(insert).map_err(failed)?;
    for key in keys {
        statement.execute((key.attribute.as_str(), key.value.as_str(), row)).map_err(failed)?;
    }
    Ok(())
}

fn read_keys(connection: &Connection, sql: &str, row: i64) -> Result<Vec<JoinKey>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([row]).map_err(failed)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |column| row.get_ref(column).map_err(failed)?.as_str().map_err(damaged);
        keys.push(JoinKey { attribute: AttributeName::new(text(0)?), value: text(1)?.into() });
    }
    Ok(keys)
}

impl SyncStore for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            return Err(StoreError::Misuse("a transaction is under way"));
        }
        self.check_mirror()?;
        self.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.change()?;
        if let Err(error) = self.send_to_mirror() {
            // The first error says more.
            let _ = self.rollback();
            return Err(error);
        }
        let done = self.run("COMMIT");
        if done.is_err() {
            self.mirror_is_ahead();
        }
        if done.is_err() && !self.connection.is_autocommit() {
            // The first error says more.
            let _ = self.rollback();
        }
        done
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.change()?;
        self.connectors.get_mut().clear();
        self.run("ROLLBACK")
    }

    fn connector(&self, connector: &ConnectorId) -> Result<ConnectorState, StoreError> {
        Ok(records::connector(&self.connection, connector)?.unwrap_or_default())
    }

    fn put_connector(
        &mut self,
        connector: &ConnectorId,
        state: &ConnectorState,
    ) -> Result<(), StoreError> {
        records::put_connector(self.change()?, connector, state)
    }

    fn object(&self, id: SpaceId) -> Result<Option<SpaceObject>, StoreError> {
        objects::get(&self.connection, id, |number| self.named(number))
    }

    fn object_outline(&self, id: SpaceId) -> Result<Option<ObjectOutline>, StoreError> {
        objects::outline(&self.connection, id)
    }

    fn object_by_anchor(
        &self,
        connector: &ConnectorId,
        anchor: &Anchor,
    ) -> Result<Option<SpaceId>, StoreError> {
        match self.known(connector)? {
            Some(connector) => objects::by_anchor(&self.connection, connector, anchor),
            None => Ok(None),
        }
    }

    fn object_by_dn(
        &self,
        connector: &ConnectorId,
        dn: &Dn,
    ) -> Result<Option<SpaceId>, StoreError> {
        match self.known(connector)? {
            Some(connector) => objects::by_dn(&self.connection, connector, dn),
            None => Ok(None),
        }
    }

    fn insert_object(&mut self, object: &SpaceObject) -> Result<SpaceId, StoreError> {
        self.change()?;
        let connector = self.numbered(&object.connector)?;
        objects::insert(&self.connection, connector, object)
    }

    fn put_object(&mut self, object: &SpaceObject) -> Result<(), StoreError> {
        self.change()?;
        let is_put = match self.known(&object.connector)? {
            Some(connector) => objects::put(&self.connection, connector, object)?,
            None => false,
        };
        match is_put {
            true => Ok(()),
            false if objects::exists(&self.connection, object.id)? => {
                Err(StoreError::Misuse("an object stays in its space"))
            }
            false => Err(StoreError::Missing(format!("object {}", object.id))),
        }
    }

    fn remove_object(&mut self, id: SpaceId) -> Result<(), StoreError> {
        objects::remove(self.change()?, id)
    }

    fn objects(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceObject>, StoreError> {
        match self.known(connector)? {
            Some(number) => objects::list(&self.connection, connector, number, which, after, limit),
            None => Ok(Vec::new()),
        }
    }

    fn object_ids(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        match self.known(connector)? {
            Some(number) => objects::list_ids(&self.connection, number, which, after, limit),
            None => Ok(Vec::new()),
        }
    }

    fn count_objects(&self, connector: &ConnectorId, which: Which) -> Result<u64, StoreError> {
        match self.known(connector)? {
            Some(connector) => objects::count(&self.connection, connector, which),
            None => Ok(0),
        }
    }

    fn mark_seen(&mut self, id: SpaceId, read: u64) -> Result<(), StoreError> {
        objects::mark_seen(self.change()?, id, read)
    }

    fn seen(&self, id: SpaceId) -> Result<Option<u64>, StoreError> {
        objects::seen(&self.connection, id)
    }

    fn unseen(
        &self,
        connector: &ConnectorId,
        read: u64,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        match self.known(connector)? {
            Some(connector) => objects::unseen(&self.connection, connector, read, after, limit),
            None => Ok(Vec::new()),
        }
    }

    fn add_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        edges::add(self.change()?, from, attribute, to)
    }

    fn remove_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        edges::remove(self.change()?, from, attribute, to)
    }

    fn edges(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        edges::list(&self.connection, from, attribute, after, limit)
    }

    fn edge_counts(&self, from: SpaceId) -> Result<Vec<(AttributeName, u64)>, StoreError> {
        edges::counts(&self.connection, from)
    }

    fn referrers(
        &self,
        to: SpaceId,
        after: Option<(SpaceId, AttributeName)>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, AttributeName)>, StoreError> {
        edges::referrers(&self.connection, to, after.as_ref(), limit)
    }

    fn edges_in(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        target: &ConnectorId,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let Some(number) = self.known(target)? else { return Ok(Vec::new()) };
        let asked = (from, attribute.clone(), target.clone());
        self.listed.page(asked, after, limit, |(from, attribute, _)| {
            edges::list_in(&self.connection, *from, attribute, number)
        })
    }

    fn index_object(&mut self, id: SpaceId, keys: &[JoinKey]) -> Result<(), StoreError> {
        objects::index(self.change()?, id, keys)
    }

    fn object_keys(&self, id: SpaceId) -> Result<Vec<JoinKey>, StoreError> {
        objects::keys(&self.connection, id)
    }

    fn objects_by_key(
        &self,
        connector: &ConnectorId,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        match self.known(connector)? {
            Some(connector) => {
                objects::by_key(&self.connection, connector, object_type, key, limit)
            }
            None => Ok(Vec::new()),
        }
    }

    fn index_metaverse(&mut self, id: MetaverseId, keys: &[JoinKey]) -> Result<(), StoreError> {
        identities::index(self.change()?, id, keys)
    }

    fn metaverse_keys(&self, id: MetaverseId) -> Result<Vec<JoinKey>, StoreError> {
        identities::keys(&self.connection, id)
    }

    fn metaverse_by_key(
        &self,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        identities::by_key(&self.connection, object_type, key, limit)
    }

    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>, StoreError> {
        identities::get(&self.connection, id)
    }

    fn identity_outline(&self, id: MetaverseId) -> Result<Option<IdentityOutline>, StoreError> {
        identities::outline(&self.connection, id)
    }

    fn insert_metaverse(&mut self, object: &MetaverseObject) -> Result<MetaverseId, StoreError> {
        identities::insert(self.change()?, object)
    }

    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<(), StoreError> {
        identities::put(self.change()?, object)
    }

    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        self.change()?;
        if let Some((connector, object)) = self.links(id)?.first() {
            let text = format!("identity {id} is linked to object {object} of {connector}");
            return Err(StoreError::Conflict(text));
        }
        identities::remove(&self.connection, id)
    }

    fn metaverse_objects(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseObject>, StoreError> {
        identities::list(&self.connection, after, limit)
    }

    fn metaverse_ids(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        identities::ids(&self.connection, after, limit)
    }

    fn links(&self, id: MetaverseId) -> Result<Vec<(ConnectorId, SpaceId)>, StoreError> {
        let links = identities::links(&self.connection, id)?;
        let named = links.into_iter().map(|(number, object)| Ok((self.named(number)?, object)));
        let mut links = named.collect::<Result<Vec<_>, StoreError>>()?;
        links.sort_unstable();
        Ok(links)
    }

    fn mark_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        identities::mark_dirty(self.change()?, id)
    }

    fn dirty(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        identities::dirty(&self.connection, after, limit)
    }

    fn clear_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        identities::clear_dirty(self.change()?, id)
    }

    fn escrow(&self, id: SpaceId) -> Result<Option<Escrow>, StoreError> {
        records::escrow(&self.connection, id)
    }

    fn put_escrow(&mut self, id: SpaceId, escrow: Option<&Escrow>) -> Result<(), StoreError> {
        records::put_escrow(self.change()?, id, escrow)
    }

    fn escrows(
        &self,
        due: Option<DateTime<Utc>>,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, Escrow)>, StoreError> {
        records::escrows(&self.connection, due, after, limit)
    }

    fn add_run(&mut self, run: &RunRecord) -> Result<u64, StoreError> {
        records::add_run(self.change()?, run)
    }

    fn put_run(&mut self, number: u64, run: &RunRecord) -> Result<(), StoreError> {
        records::put_run(self.change()?, number, run)
    }

    fn runs(&self, limit: usize) -> Result<Vec<(u64, RunRecord)>, StoreError> {
        records::runs(&self.connection, limit)
    }

    fn forget_runs(&mut self, before: DateTime<Utc>) -> Result<(), StoreError> {
        records::forget_runs(self.change()?, before)
    }

    fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        records::fact(&self.connection, name)
    }

    fn put_fact(&mut self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        records::put_fact(self.change()?, name, value)
    }
}
