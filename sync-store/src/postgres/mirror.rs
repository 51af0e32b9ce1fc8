//! A working copy in SQLite of a state in PostgreSQL: what changed is sent before it is committed here.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use scim_sync::StoreError;
use serde_json::Value;

use super::kinds::{self, KINDS, Kind, SEQUENCE};
use super::remote::{Begun, Place, Remote, Revision, Row, Session, io};
use super::{Guard, StateKey};
use crate::sqlite::error::{damaged, failed};

/// Rows that travel together,
const ROWS: usize = 2_000;
/// and bytes of them.
const BYTES: usize = 2 << 20;

/// What stands between a store and its database.
pub(crate) struct Mirror {
    session: Session,
    key: StateKey,
    guard: Option<Guard>,
    /// What the copy is like.
    revision: Revision,
    /// The row numbers that were given last, as the database knows them.
    sequences: BTreeMap<String, i64>,
    /// Why this copy cannot be worked with any more.
    broken: Option<String>,
}

impl Mirror {
    /// Brings a working copy up to date, and has it remember from now on what is written.
    pub(super) fn attach(
        remote: &Arc<Remote>,
        connection: &mut Connection,
        key: &StateKey,
        guard: Option<Guard>,
    ) -> Result<Self, StoreError> {
        let session = remote.connect()?;
        let revision = pull(connection, &session, key)?;
        // What was committed is in the database: here it may be lost, and is fetched again.
        let prepare = "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
                       CREATE TEMP TABLE changed (kind INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;";
        connection.execute_batch(prepare).map_err(failed)?;
        for kind in &KINDS {
            connection.execute_batch(&kind.triggers()).map_err(failed)?;
        }
        let sequences = sequences(connection)?;
        Ok(Self { session, key: key.clone(), guard, revision, sequences, broken: None })
    }

    /// Whether the copy can be worked with.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.broken {
            Some(why) => Err(io(format!("the working copy has to be opened again: {why}"))),
            None => Ok(()),
        }
    }

    /// The commit was made in the database and not here.
    pub(crate) fn lagging(&mut self) {
        self.broken = Some("what was written did not reach it".to_owned());
    }

    /// Makes the transaction of the connection last in the database; it is to be committed here afterwards.
    pub(crate) fn send(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.check()?;
        let sent = self.try_send(connection);
        if let Err(error) = &sent {
            self.broken = Some(error.to_string());
        }
        sent
    }

    fn try_send(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let sequences = sequences(connection)?;
        let mut first: Vec<Row> = sequences
            .iter()
            .filter(|(name, number)| self.sequences.get(*name) != Some(*number))
            .map(|(name, number)| Row {
                kind: SEQUENCE,
                key: name.clone(),
                body: Some(number.to_string()),
            })
            .collect();
        let mut statement = connection
            .prepare_cached("SELECT kind, key FROM temp.changed ORDER BY kind, key")
            .map_err(failed)?;
        let mut changed = statement.query([]).map_err(failed)?;
        let mut begun: Option<Revision> = None;
        let mut rows = std::mem::take(&mut first);
        let mut bytes = 0;
        while let Some(found) = changed.next().map_err(failed)? {
            let number: i16 = found.get(0).map_err(failed)?;
            let key: String = found.get(1).map_err(failed)?;
            let kind = kinds::numbered(number).ok_or_else(|| damaged("a table without a name"))?;
            let body = body(connection, kind, &key)?;
            bytes += key.len() + body.as_ref().map_or(0, String::len);
            rows.push(Row { kind: number, key, body });
            if rows.len() >= ROWS || bytes >= BYTES {
                begun = Some(self.ship(begun, std::mem::take(&mut rows))?);
                bytes = 0;
            }
        }
        if !rows.is_empty() {
            begun = Some(self.ship(begun, rows)?);
        }
        // Where nothing was written, there is nothing to commit.
        let Some(revision) = begun else { return Ok(()) };
        let here = (|| {
            connection.execute("DELETE FROM temp.changed", [])?;
            let sql = "UPDATE mirror SET revision = ?1, stamp = ?2";
            connection.prepare_cached(sql)?.execute((revision.number, revision.stamp))
        })();
        if let Err(error) = here {
            self.session.abandon();
            return Err(failed(error));
        }
        self.session.commit(&self.key, revision)?;
        self.revision = revision;
        self.sequences = sequences;
        Ok(())
    }

    fn ship(&self, begun: Option<Revision>, rows: Vec<Row>) -> Result<Revision, StoreError> {
        if let Some(revision) = begun {
            let more = self.session.more(&self.key, revision, rows);
            return more.inspect_err(|_| self.session.abandon()).map(|()| revision);
        }
        let begun = self.session.begin(&self.key, self.guard.clone(), self.revision.number, rows);
        match begun.inspect_err(|_| self.session.abandon())? {
            Begun::As(revision) => Ok(revision),
            Begun::Lost => Err(io(LOST)),
            Begun::Behind => Err(io("somebody else has written to it meanwhile")),
        }
    }
}

/// Why a guard refuses.
pub(super) const LOST: &str = "the lease was lost: another replica has taken the job over";

/// What gives out row numbers.
fn sequences(connection: &Connection) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT name, seq FROM sqlite_sequence").map_err(failed)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// The parts of a key, to be bound. A number may be bound as text: the column makes one of it.
fn parts<'k>(kind: &Kind, key: &'k str) -> impl Iterator<Item = &'k str> + use<'k> {
    key.splitn(kind.parts, ' ')
}

/// The rows of a key as JSON; `None` where there are none.
fn body(connection: &Connection, kind: &Kind, key: &str) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare_cached(&kind.select()).map_err(failed)?;
    let columns = statement.column_count();
    let mut found = statement.query(params_from_iter(parts(kind, key))).map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        let column = |at| match row.get_ref(at).map_err(failed)? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(number) => Ok(Value::from(number)),
            ValueRef::Text(text) => std::str::from_utf8(text).map(Value::from).map_err(damaged),
            ValueRef::Real(_) | ValueRef::Blob(_) => Err(damaged("a column of another type")),
        };
        rows.push(Value::Array((0..columns).map(column).collect::<Result<_, StoreError>>()?));
    }
    Ok((!rows.is_empty()).then(|| Value::Array(rows).to_string()))
}

/// Brings a working copy up to date: by what has changed where its past is that of the state, and whole otherwise.
fn pull(
    connection: &mut Connection,
    session: &Session,
    key: &StateKey,
) -> Result<Revision, StoreError> {
    let prepare = "CREATE TABLE IF NOT EXISTS mirror (
                       id       INTEGER PRIMARY KEY CHECK (id = 1),
                       revision INTEGER NOT NULL,
                       stamp    INTEGER NOT NULL
                   ) STRICT;
                   PRAGMA foreign_keys = OFF;";
    connection.execute_batch(prepare).map_err(failed)?;
    let sql = "SELECT revision, stamp FROM mirror";
    let known: Option<Revision> = connection
        .query_row(sql, [], |row| Ok(Revision { number: row.get(0)?, stamp: row.get(1)? }))
        .optional()
        .map_err(failed)?;
    let (now, is_past) = session.look(key, known)?;
    let pulled = (|| {
        if known == Some(now) && (is_past || now.number == 0) {
            return Ok(());
        }
        let transaction = connection.transaction().map_err(failed)?;
        let from = Place {
            revision: known.filter(|_| is_past).map_or(0, |known| known.number),
            // After every row of the revision that is known.
            kind: i16::MAX,
            key: String::new(),
        };
        if from.revision == 0 {
            for kind in &KINDS {
                transaction.execute(&kind.clear(), []).map_err(failed)?;
            }
            transaction.execute("DELETE FROM sqlite_sequence", []).map_err(failed)?;
        } else {
            // All of them first: what one row gives up, another may have.
            each(session, key, &from, false, |row| delete(&transaction, &row))?;
        }
        each(session, key, &from, true, |row| insert(&transaction, row))?;
        let sql = "INSERT OR REPLACE INTO mirror (id, revision, stamp) VALUES (1, ?1, ?2)";
        transaction.execute(sql, (now.number, now.stamp)).map_err(failed)?;
        transaction.commit().map_err(failed)
    })();
    session.abandon();
    pulled?;
    connection.execute_batch("PRAGMA foreign_keys = ON").map_err(failed)?;
    Ok(now)
}

fn each(
    session: &Session,
    key: &StateKey,
    from: &Place,
    bodies: bool,
    mut row: impl FnMut(Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = from.clone();
    loop {
        let (rows, place) = session.page(key, &after, bodies, ROWS as i64)?;
        let ended = rows.len() < ROWS;
        rows.into_iter().try_for_each(&mut row)?;
        if ended {
            return Ok(());
        }
        after = place;
    }
}

fn known(row: &Row) -> Result<&'static Kind, StoreError> {
    kinds::numbered(row.kind).ok_or_else(|| damaged(format!("rows of the kind {}", row.kind)))
}

fn delete(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    if row.kind == SEQUENCE {
        return Ok(());
    }
    let kind = known(row)?;
    let mut statement = connection.prepare_cached(&kind.delete()).map_err(failed)?;
    statement.execute(params_from_iter(parts(kind, &row.key))).map(drop).map_err(failed)
}

fn insert(connection: &Connection, row: Row) -> Result<(), StoreError> {
    let Some(body) = &row.body else { return Ok(()) };
    if row.kind == SEQUENCE {
        let number: i64 = body.parse().map_err(damaged)?;
        let changed = connection
            .prepare_cached("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1")
            .and_then(|mut statement| statement.execute((&row.key, number)))
            .map_err(failed)?;
        if changed == 0 {
            let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
            connection.execute(sql, (&row.key, number)).map_err(failed)?;
        }
        return Ok(());
    }
    let mut statement = connection.prepare_cached(&known(&row)?.insert()).map_err(failed)?;
    let rows: Vec<Vec<Value>> = serde_json::from_str(body).map_err(damaged)?;
    for columns in rows {
        let values = columns.into_iter().map(|value| match value {
            Value::Null => Ok(Sql::Null),
            Value::String(text) => Ok(Sql::Text(text)),
            Value::Number(number) => {
                number.as_i64().map(Sql::Integer).ok_or_else(|| damaged("a number that is none"))
            }
            _ => Err(damaged("a column of another type")),
        });
        let values: Vec<Sql> = values.collect::<Result<_, _>>()?;
        statement.execute(params_from_iter(values)).map_err(failed)?;
    }
    Ok(())
}
