//! Objects of connector spaces: rows, lists, marks and keys.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row};
use scim_sync::connector::SourceScope;
use scim_sync::space::{
    ExportKind, Link, LinkOrigin, PendingExport, PendingImport, SpaceKind, SpaceObject, Unconfirmed,
};
use scim_sync::store::{JoinKey, ObjectOutline, Which};
use scim_sync::{
    Anchor, AttributeSet, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId, StoreError,
};
use serde::{Deserialize, Serialize};

use super::error::{damaged, failed};
use super::{limited, number, row_id};

/// What of an object is written: everything that no question of the store is about.
#[derive(Serialize)]
struct BodyRef<'a> {
    #[serde(skip_serializing_if = "is_in")]
    scope: &'a SourceScope,
    hologram: &'a AttributeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "is_nothing")]
    import: &'a PendingImport,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'a PendingExport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmed: Option<&'a Unconfirmed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a LinkOrigin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<DateTime<Utc>>,
}

/// The same, read.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    scope: SourceScope,
    hologram: AttributeSet,
    version: Option<String>,
    #[serde(default)]
    import: PendingImport,
    export: Option<PendingExport>,
    unconfirmed: Option<Unconfirmed>,
    origin: Option<LinkOrigin>,
    released: Option<DateTime<Utc>>,
}

fn is_in(scope: &SourceScope) -> bool {
    *scope == SourceScope::In
}

fn is_nothing(import: &PendingImport) -> bool {
    *import == PendingImport::None
}

fn body(object: &SpaceObject) -> Result<String, StoreError> {
    let body = BodyRef {
        scope: &object.scope,
        hologram: &object.hologram,
        version: object.version.as_deref(),
        import: &object.pending_import,
        export: object.pending_export.as_ref(),
        unconfirmed: object.unconfirmed.as_ref(),
        origin: object.link.as_ref().map(|link| &link.origin),
        released: object.link.as_ref().and_then(|link| link.released),
    };
    serde_json::to_string(&body).map_err(damaged)
}

fn kind(kind: SpaceKind) -> i64 {
    match kind {
        SpaceKind::Staged => 0,
        SpaceKind::Placeholder => 1,
        SpaceKind::Transient => 2,
    }
}

fn read_kind(kind: i64) -> Result<SpaceKind, StoreError> {
    match kind {
        0 => Ok(SpaceKind::Staged),
        1 => Ok(SpaceKind::Placeholder),
        2 => Ok(SpaceKind::Transient),
        other => Err(damaged(format!("an object of the kind {other}"))),
    }
}

fn unique_name(object: &SpaceObject) -> Option<String> {
    let dn = object.dn.as_ref().filter(|_| object.holds_its_name())?;
    Some(dn.folded().to_string())
}

pub(super) fn insert(
    connection: &Connection,
    connector: i64,
    object: &SpaceObject,
) -> Result<SpaceId, StoreError> {
    let sql = "INSERT INTO object (connector, kind, pending_import, pending_export, metaverse, object_type, anchor, dn,
                                   dn_key, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let row = statement.insert((
        connector,
        kind(object.kind),
        object.pending_import != PendingImport::None,
        object.pending_export.is_some(),
        object.link.as_ref().map(|link| number(link.metaverse.0)).transpose()?,
        object.object_type.as_ref().map(ObjectType::as_str),
        object.anchor.as_ref().map(Anchor::as_str),
        object.dn.as_ref().map(Dn::as_str),
        unique_name(object),
        body(object)?,
    ));
    Ok(SpaceId(row_id(row.map_err(failed)?)?))
}

/// What [`put`] writes of the columns that an index is about.
const INDEXED: [&str; 6] = [
    ", kind = ?3",
    ", pending_import = ?4",
    ", pending_export = ?5",
    ", metaverse = ?6",
    ", anchor = ?7",
    ", dn_key = ?8",
];

/// Whether the row was there, in this space.
///
/// SQLite writes the indexes of every column that an update names, whether its value changes or not: so only those are named
/// that are otherwise than before.
pub(super) fn put(
    connection: &Connection,
    connector: i64,
    object: &SpaceObject,
) -> Result<bool, StoreError> {
    let id = number(object.id.0)?;
    let kind = kind(object.kind);
    let pending_import = object.pending_import != PendingImport::None;
    let pending_export = object.pending_export.is_some();
    let metaverse = object.link.as_ref().map(|link| number(link.metaverse.0)).transpose()?;
    let anchor = object.anchor.as_ref().map(Anchor::as_str);
    let dn_key = unique_name(object);
    let sql = "SELECT kind IS ?3, pending_import IS ?4, pending_export IS ?5, metaverse IS ?6, anchor IS ?7, dn_key IS ?8
               FROM object WHERE id = ?1 AND connector = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let indexed = (id, connector, kind, pending_import, pending_export, metaverse, anchor, &dn_key);
    let mut rows = statement.query(indexed).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(false) };
    let mut sql = "UPDATE object SET object_type = ?9, dn = ?10, body = ?11".to_owned();
    for (at, column) in INDEXED.iter().enumerate() {
        if !row.get::<_, bool>(at).map_err(failed)? {
            sql.push_str(column);
        }
    }
    sql.push_str(" WHERE id = ?1 AND connector = ?2");
    drop(rows);
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.execute((
        id,
        connector,
        kind,
        pending_import,
        pending_export,
        metaverse,
        anchor,
        &dn_key,
        object.object_type.as_ref().map(ObjectType::as_str),
        object.dn.as_ref().map(Dn::as_str),
        body(object)?,
    ));
    Ok(rows.map_err(failed)? == 1)
}

pub(super) fn exists(connection: &Connection, id: SpaceId) -> Result<bool, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM object WHERE id = ?1").map_err(failed)?;
    statement.exists([number(id.0)?]).map_err(failed)
}

/// The columns of a row, as [`read`] expects them.
macro_rules! columns {
    () => {
        "o.id, o.kind, o.object_type, o.anchor, o.dn, o.metaverse, o.body"
    };
}

fn read(row: &Row<'_>, connector: &ConnectorId) -> Result<SpaceObject, StoreError> {
    let text = |column| -> Result<Option<&str>, StoreError> {
        row.get_ref(column).map_err(failed)?.as_str_or_null().map_err(damaged)
    };
    let body: Body = serde_json::from_str(text(6)?.unwrap_or_default()).map_err(damaged)?;
    let metaverse: Option<i64> = row.get(5).map_err(failed)?;
    let link = match (metaverse, body.origin) {
        (Some(metaverse), Some(origin)) => Some(Link {
            metaverse: MetaverseId(row_id(metaverse)?),
            origin,
            released: body.released,
        }),
        (None, None) => None,
        _ => return Err(damaged("a link without an origin")),
    };
    Ok(SpaceObject {
        id: SpaceId(row_id(row.get(0).map_err(failed)?)?),
        connector: connector.clone(),
        object_type: text(2)?.map(ObjectType::new),
        anchor: text(3)?.map(Anchor::new),
        dn: text(4)?.map(Dn::new),
        kind: read_kind(row.get(1).map_err(failed)?)?,
        scope: body.scope,
        hologram: body.hologram,
        version: body.version,
        pending_import: body.import,
        pending_export: body.export,
        unconfirmed: body.unconfirmed,
        link,
    })
}

/// `named` knows connectors by their numbers.
pub(super) fn get(
    connection: &Connection,
    id: SpaceId,
    named: impl FnOnce(i64) -> Result<ConnectorId, StoreError>,
) -> Result<Option<SpaceObject>, StoreError> {
    let sql = concat!("SELECT ", columns!(), ", o.connector FROM object o WHERE o.id = ?1");
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([number(id.0)?]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let connector = named(row.get(7).map_err(failed)?)?;
    read(row, &connector).map(Some)
}

/// Of what is kept as text, only as much is taken in as is asked for.
pub(super) fn outline(
    connection: &Connection,
    id: SpaceId,
) -> Result<Option<ObjectOutline>, StoreError> {
    #[derive(Deserialize)]
    struct Exporting {
        export: Option<Kind>,
    }
    #[derive(Deserialize)]
    struct Kind {
        kind: ExportKind,
    }
    let sql = "SELECT anchor, CASE WHEN pending_export THEN body END, kind, metaverse FROM object WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([number(id.0)?]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let text = |column| -> Result<Option<&str>, StoreError> {
        row.get_ref(column).map_err(failed)?.as_str_or_null().map_err(damaged)
    };
    let export = match text(1)? {
        Some(body) => serde_json::from_str::<Exporting>(body).map_err(damaged)?.export,
        None => None,
    };
    let metaverse: Option<i64> = row.get(3).map_err(failed)?;
    Ok(Some(ObjectOutline {
        kind: read_kind(row.get(2).map_err(failed)?)?,
        anchor: text(0)?.map(Anchor::new),
        metaverse: metaverse.map(|id| Ok(MetaverseId(row_id(id)?))).transpose()?,
        export: export.map(|export| export.kind),
    }))
}

pub(super) fn by_anchor(
    connection: &Connection,
    connector: i64,
    anchor: &Anchor,
) -> Result<Option<SpaceId>, StoreError> {
    let sql = "SELECT id FROM object WHERE connector = ?1 AND anchor = ?2";
    by_text(connection, sql, connector, anchor.as_str())
}

pub(super) fn by_dn(
    connection: &Connection,
    connector: i64,
    dn: &Dn,
) -> Result<Option<SpaceId>, StoreError> {
    let sql = "SELECT id FROM object WHERE connector = ?1 AND dn_key = ?2";
    by_text(connection, sql, connector, &dn.folded())
}

fn by_text(
    connection: &Connection,
    sql: &str,
    connector: i64,
    text: &str,
) -> Result<Option<SpaceId>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let id: Option<i64> =
        statement.query_row((connector, text), |row| row.get(0)).optional().map_err(failed)?;
    id.map(|id| Ok(SpaceId(row_id(id)?))).transpose()
}

pub(super) fn remove(connection: &Connection, id: SpaceId) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("DELETE FROM object WHERE id = ?1").map_err(failed)?;
    statement.execute([number(id.0)?]).map(drop).map_err(failed)
}

/// What follows `SELECT …` of each list; the index is named, because a planner without statistics does not know that
/// the order is what matters.
macro_rules! list {
    ($which:expr, $before:expr, $after:expr) => {
        match $which {
            Which::All => {
                concat!($before, " FROM object o INDEXED BY object_all WHERE o.connector = ?1", $after)
            }
            Which::PendingImport => concat!(
                $before,
                " FROM object o INDEXED BY object_pending_import WHERE o.connector = ?1 AND o.pending_import = 1",
                $after
            ),
            Which::PendingExport => concat!(
                $before,
                " FROM object o INDEXED BY object_pending_export WHERE o.connector = ?1 AND o.pending_export = 1",
                $after
            ),
            Which::Linked => concat!(
                $before,
                " FROM object o INDEXED BY object_linked WHERE o.connector = ?1 AND o.metaverse IS NOT NULL",
                $after
            ),
            Which::Escrowed => concat!(
                $before,
                " FROM escrow e CROSS JOIN object o ON o.id = e.object WHERE o.connector = ?1",
                $after
            ),
            Which::Transient => concat!(
                $before,
                " FROM object o INDEXED BY object_transient WHERE o.connector = ?1 AND o.kind = 2",
                $after
            ),
        }
    };
}

/// A page of a list.
macro_rules! page {
    ($which:expr, $columns:expr) => {
        // In the list of the escrow the rows are those of `escrow`.
        if $which == Which::Escrowed {
            concat!(
                "SELECT ",
                $columns,
                " FROM escrow e CROSS JOIN object o ON o.id = e.object
                  WHERE o.connector = ?1 AND e.object > ?2 ORDER BY e.object LIMIT ?3"
            )
        } else {
            list!($which, concat!("SELECT ", $columns), " AND o.id > ?2 ORDER BY o.id LIMIT ?3")
        }
    };
}

pub(super) fn list(
    connection: &Connection,
    connector: &ConnectorId,
    connector_number: i64,
    which: Which,
    after: Option<SpaceId>,
    limit: usize,
) -> Result<Vec<SpaceObject>, StoreError> {
    let sql = page!(which, columns!());
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let mut rows = statement.query((connector_number, after, limited(limit))).map_err(failed)?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        objects.push(read(row, connector)?);
    }
    Ok(objects)
}

pub(super) fn list_ids(
    connection: &Connection,
    connector: i64,
    which: Which,
    after: Option<SpaceId>,
    limit: usize,
) -> Result<Vec<SpaceId>, StoreError> {
    let mut statement = connection.prepare_cached(page!(which, "o.id")).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let asked = (connector, after, limited(limit));
    let rows = statement.query_map(asked, |row| row.get(0)).map_err(failed)?;
    rows.map(|id| Ok(SpaceId(row_id(id.map_err(failed)?)?))).collect()
}

pub(super) fn count(
    connection: &Connection,
    connector: i64,
    which: Which,
) -> Result<u64, StoreError> {
    let sql = list!(which, "SELECT count(*)", "");
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    row_id(statement.query_row([connector], |row| row.get(0)).map_err(failed)?)
}

pub(super) fn mark_seen(connection: &Connection, id: SpaceId, read: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO seen (object, read) VALUES (?1, ?2)
               ON CONFLICT (object) DO UPDATE SET read = excluded.read";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute((number(id.0)?, number(read)?)).map(drop).map_err(failed)
}

pub(super) fn seen(connection: &Connection, id: SpaceId) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT read FROM seen WHERE object = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let read: Option<i64> =
        statement.query_row([number(id.0)?], |row| row.get(0)).optional().map_err(failed)?;
    read.map(row_id).transpose()
}

pub(super) fn unseen(
    connection: &Connection,
    connector: i64,
    read: u64,
    after: Option<SpaceId>,
    limit: usize,
) -> Result<Vec<SpaceId>, StoreError> {
    let sql = "SELECT o.id FROM object o INDEXED BY object_all LEFT JOIN seen s ON s.object = o.id
               WHERE o.connector = ?1 AND o.id > ?2 AND s.read IS NOT ?3 AND o.kind <> 1 AND o.anchor IS NOT NULL
               ORDER BY o.id LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let after = after.map_or(Ok(0), |id| number(id.0))?;
    let rows = statement
        .query_map((connector, after, number(read)?, limited(limit)), |row| row.get(0))
        .map_err(failed)?;
    rows.map(|id| Ok(SpaceId(row_id(id.map_err(failed)?)?))).collect()
}

pub(super) fn index(
    connection: &Connection,
    id: SpaceId,
    keys: &[JoinKey],
) -> Result<(), StoreError> {
    let before = self::keys(connection, id)?;
    // Where there are keys, the object is there.
    if before.is_empty() && !exists(connection, id)? {
        return Err(StoreError::Missing(format!("object {id}")));
    }
    super::replace_keys(
        connection,
        &before,
        "DELETE FROM object_key WHERE object = ?1",
        "INSERT INTO object_key (attribute, value, object) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        number(id.0)?,
        keys,
    )
}

pub(super) fn keys(connection: &Connection, id: SpaceId) -> Result<Vec<JoinKey>, StoreError> {
    let sql = "SELECT attribute, value FROM object_key WHERE object = ?1 ORDER BY attribute, value";
    super::read_keys(connection, sql, number(id.0)?)
}

pub(super) fn by_key(
    connection: &Connection,
    connector: i64,
    object_type: &ObjectType,
    key: &JoinKey,
    limit: usize,
) -> Result<Vec<SpaceId>, StoreError> {
    let sql = "SELECT k.object FROM object_key k CROSS JOIN object o ON o.id = k.object
               WHERE k.attribute = ?1 AND k.value = ?2 AND o.connector = ?3 AND o.object_type = ?4 AND o.kind = 0
               ORDER BY k.object LIMIT ?5";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let asked = (
        key.attribute.as_str(),
        key.value.as_str(),
        connector,
        object_type.as_str(),
        limited(limit),
    );
    let rows = statement.query_map(asked, |row| row.get(0)).map_err(failed)?;
    rows.map(|id| Ok(SpaceId(row_id(id.map_err(failed)?)?))).collect()
}
