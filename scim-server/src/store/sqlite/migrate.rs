//! From whatever a file is to what this version needs: tables, numbers of types and attributes, index keys.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use scim_core::{Object, Registry, Resource, ResourceSchema};

use crate::auth::TenantId;
use crate::store::audit::GENESIS;
use crate::store::eval::{Needs, damaged};
use crate::store::index::{TypeIndex, label};
use crate::store::{StoreError, to_millis, unregistered};

/// Resources that are read together to be settled.
const SETTLED_TOGETHER: i64 = if cfg!(test) { 2 } else { 500 };

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// How far the file is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It has all tables.
    Current,
    /// Migrations are missing; all of them in a new file.
    Older,
}

/// Compares the file's version with ours.
///
/// # Errors
/// [`StoreError::Refused`] when a newer version has been at work on the file.
pub(super) fn age(connection: &Connection) -> Result<Age, StoreError> {
    let known = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|m| i64::from(m.version()))
        .max()
        .unwrap_or(0);
    let history: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let found: i64 = match history {
        None => 0,
        Some(_) => connection.query_row(
            "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
            [],
            |row| row.get(0),
        )?,
    };
    if found > known {
        return Err(StoreError::Refused(format!(
            "the database was written by a newer version of this server (its schema is {found}, this program knows {known}): use that version"
        )));
    }
    Ok(if found < known { Age::Older } else { Age::Current })
}

/// Runs the migrations that are missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    embedded::migrations::runner().run(connection).map(|_| ()).map_err(StoreError::backend)
}

/// Gives every resource type and indexed attribute a number, sets data aside that the schemas have no place for (and puts
/// back what they have a place for again), makes index keys again where they are made differently now, and makes the
/// tenant `default`. Writes nothing when all of that is in order. Whoever calls it must have the folder
/// to itself: a server beside would go on with numbers that are gone.
pub(super) fn align(
    connection: &mut Connection,
    registry: &Registry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if is_aligned(connection, registry)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for schema in registry.resource_types() {
        transaction.execute(
            "INSERT INTO resource_type (name) VALUES (?1) ON CONFLICT DO NOTHING",
            [schema.name()],
        )?;
        settle_type(&transaction, schema, now)?;
        align_type(&transaction, schema.name(), &TypeIndex::of(schema))?;
    }
    default_tenant(&transaction, now)?;
    transaction.commit()?;
    Ok(())
}

/// Makes the tenant `default`, if it is not there.
pub(super) fn default_tenant(
    connection: &Connection,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = to_millis(now).timestamp_millis();
    connection.execute(
        "INSERT INTO tenant (name, created, last_at, head) VALUES (?1, ?2, ?2, ?3)
         ON CONFLICT DO NOTHING",
        (TenantId::default().as_str(), now, GENESIS.as_slice()),
    )?;
    Ok(())
}

fn is_aligned(connection: &Connection, registry: &Registry) -> Result<bool, StoreError> {
    let default: Option<i64> = connection
        .query_row("SELECT id FROM tenant WHERE name = ?1", [TenantId::default().as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    if default.is_none() {
        return Ok(false);
    }
    for schema in registry.resource_types() {
        let number: Option<i64> = type_number(connection, schema.name())?;
        let Some(number) = number else { return Ok(false) };
        if stored_names(connection, number)?.as_deref() != Some(&*unregistered::names(schema)) {
            return Ok(false);
        }
        if stored_recipes(connection, number)? != recipes(&TypeIndex::of(schema)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn type_number(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM resource_type WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

fn known_number(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    type_number(connection, name)?
        .ok_or_else(|| StoreError::backend(format!("the database has no resource type {name}")))
}

fn stored_names(connection: &Connection, type_number: i64) -> Result<Option<String>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT names FROM resource_type WHERE id = ?1")?;
    Ok(statement.query_row([type_number], |row| row.get(0))?)
}

/// Sets aside what resources hold under names that the type has no more, or with another type, and puts back what it has
/// again. Keys of what
/// comes and goes are the index's business: such attributes are indexed no more, or anew.
fn settle_type(
    connection: &Connection,
    schema: &ResourceSchema,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let number = known_number(connection, schema.name())?;
    let names = unregistered::names(schema);
    if stored_names(connection, number)?.as_deref() == Some(&*names) {
        return Ok(());
    }
    let mut resources = connection.prepare_cached(
        "SELECT r.rid, r.tenant, r.body, u.data FROM resource r
         LEFT JOIN unregistered u ON u.tenant = r.tenant AND u.rid = r.rid
         WHERE r.type = ?1 AND r.rid > ?2 ORDER BY r.rid LIMIT ?3",
    )?;
    // In chunks, because what is read must not be what is written.
    let mut last = i64::MIN;
    loop {
        let chunk: Vec<(i64, i64, String, Option<String>)> = resources
            .query_map((number, last, SETTLED_TOGETHER), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        let Some((rid, ..)) = chunk.last() else { break };
        last = *rid;
        for (rid, tenant, body, aside) in chunk {
            settle(connection, schema, (tenant, rid), &body, aside.as_deref(), now)?;
        }
    }
    connection.execute("UPDATE resource_type SET names = ?2 WHERE id = ?1", (number, names))?;
    Ok(())
}

fn settle(
    connection: &Connection,
    schema: &ResourceSchema,
    (tenant, rid): (i64, i64),
    body: &str,
    aside: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut resource: Resource = serde_json::from_str(body).map_err(damaged)?;
    let mut kept: Object = match aside {
        Some(aside) => serde_json::from_str(aside).map_err(damaged)?,
        None => Object::new(),
    };
    if !unregistered::settle(&mut resource, &mut kept, schema) {
        return Ok(());
    }
    let body = serde_json::to_string(&resource).map_err(StoreError::backend)?;
    // A relative reference may come back: the flag says that there may be some. Who holds the version of before has not
    // seen what comes back, or counts on what goes, so it is good for no `If-Match` any more.
    let now = to_millis(now).timestamp_millis();
    connection
        .prepare_cached(
            "UPDATE resource SET body = ?2, label = ?3, flags = flags | ?4,
                 version = version + 1, modified = max(modified, ?5) WHERE rid = ?1",
        )?
        .execute((rid, body, label(&resource).as_deref(), i64::from(aside.is_some()), now))?;
    if kept.is_empty() {
        connection
            .prepare_cached("DELETE FROM unregistered WHERE tenant = ?1 AND rid = ?2")?
            .execute((tenant, rid))?;
    } else {
        let data = serde_json::to_string(&kept).map_err(StoreError::backend)?;
        connection
            .prepare_cached(
                "INSERT INTO unregistered (tenant, rid, data) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET data = excluded.data",
            )?
            .execute((tenant, rid, data))?;
    }
    Ok(())
}

/// The indexed attributes and how their keys are made, by path.
fn recipes(index: &TypeIndex) -> Vec<(String, String)> {
    let mut recipes: Vec<_> =
        index.attributes().iter().map(|a| (a.path.to_string(), a.recipe())).collect();
    recipes.sort();
    recipes
}

fn stored_recipes(
    connection: &Connection,
    type_number: i64,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT path, rule FROM attribute WHERE type = ?1")?;
    let mut found = statement
        .query_map([type_number], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()?;
    found.sort();
    Ok(found)
}

/// Drops the keys of attributes that are indexed no more or otherwise, and makes those that are missing.
fn align_type(connection: &Connection, name: &str, index: &TypeIndex) -> Result<(), StoreError> {
    let number = known_number(connection, name)?;
    let wanted = recipes(index);
    let found = stored_recipes(connection, number)?;
    let tenants: Vec<i64> = connection
        .prepare_cached("SELECT id FROM tenant")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (path, _) in found.iter().filter(|recipe| !wanted.contains(recipe)) {
        for table in ["unique_key", "attr_index"] {
            let sql = format!(
                "DELETE FROM {table} WHERE tenant = ?1 AND type = ?2
                 AND attr = (SELECT id FROM attribute WHERE type = ?2 AND path = ?3)"
            );
            for tenant in &tenants {
                connection.execute(&sql, (tenant, number, path))?;
            }
        }
        connection
            .execute("DELETE FROM attribute WHERE type = ?1 AND path = ?2", (number, path))?;
    }
    // The numbers of the attributes whose keys are to be made, by their place in the index.
    let mut missing = Vec::new();
    for (place, attribute) in index.attributes().iter().enumerate() {
        let (path, recipe) = (attribute.path.to_string(), attribute.recipe());
        if !found.contains(&(path.clone(), recipe.clone())) {
            connection.execute(
                "INSERT INTO attribute (type, path, rule) VALUES (?1, ?2, ?3)",
                (number, path, recipe),
            )?;
            missing.push((place, connection.last_insert_rowid()));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    for tenant in tenants {
        fill(connection, tenant, number, index, &missing)?;
    }
    Ok(())
}

/// Makes the keys of some attributes for all resources of a tenant and type.
fn fill(
    connection: &Connection,
    tenant: i64,
    type_number: i64,
    index: &TypeIndex,
    missing: &[(usize, i64)],
) -> Result<(), StoreError> {
    let needs = Needs::of_names(index.names());
    let mut resources = connection
        .prepare_cached("SELECT rid, body FROM resource WHERE tenant = ?1 AND type = ?2")?;
    let mut rows = resources.query((tenant, type_number))?;
    while let Some(row) = rows.next()? {
        let rid: i64 = row.get(0)?;
        let body = row.get_ref(1)?.as_bytes().map_err(StoreError::backend)?;
        let entries = index.entries(&needs.read(body)?);
        index.check_total(&entries)?;
        for entry in entries {
            let Some((_, number)) = missing.iter().find(|(place, _)| *place == entry.attribute)
            else {
                continue;
            };
            let attribute = &index.attributes()[entry.attribute];
            let sql = if attribute.unique {
                "INSERT INTO unique_key (tenant, type, attr, key, rid) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING"
            } else {
                "INSERT INTO attr_index (tenant, type, attr, key, rid) VALUES (?1, ?2, ?3, ?4, ?5)"
            };
            let new = connection.prepare_cached(sql)?.execute((
                tenant,
                type_number,
                number,
                entry.key.as_bytes(),
                rid,
            ))?;
            if new == 0 {
                return Err(StoreError::Refused(format!(
                    "{} must be unique now, but stored resources share a value of it",
                    attribute.path
                )));
            }
        }
    }
    Ok(())
}
