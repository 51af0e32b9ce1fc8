//! Resource types and indexed attributes by the small integers that stand for them in the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use scim_core::Registry;
use smol_str::SmolStr;

use crate::store::StoreError;
use crate::store::index::{Entry, TypeIndex};

/// What the store knows about the resource types of the database and of the registry.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) registry: Arc<Registry>,
    types: BTreeMap<SmolStr, TypeInfo>,
    names: BTreeMap<i64, SmolStr>,
}

/// A resource type that the registry knows.
#[derive(Debug)]
pub(super) struct TypeInfo {
    pub(super) number: i64,
    pub(super) index: TypeIndex,
    /// The numbers of the index's attributes.
    attributes: Vec<i64>,
    /// Whether the database indexes the type as the registry says. If not, the index holds what both agree on.
    whole: bool,
}

impl Catalog {
    /// Reads what is stored, and keeps of the registry what agrees with it: all of it after [`super::migrate::align`],
    /// perhaps less beside a server that knows other schemas.
    pub(super) fn load(
        connection: &Connection,
        registry: Arc<Registry>,
    ) -> Result<Self, StoreError> {
        let mut names = BTreeMap::new();
        let mut statement = connection.prepare("SELECT id, name FROM resource_type")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            names.insert(row.get(0)?, SmolStr::new(row.get_ref(1)?.as_str().map_err(damaged)?));
        }
        let mut types = BTreeMap::new();
        for schema in registry.resource_types() {
            let number = names.iter().find(|(_, name)| *name == schema.name()).map(|(id, _)| *id);
            if let Some(number) = number {
                let info = TypeInfo::load(connection, number, TypeIndex::of(schema))?;
                types.insert(SmolStr::new(schema.name()), info);
            }
        }
        Ok(Self { registry: Arc::clone(&registry), types, names })
    }

    /// A type of the registry.
    pub(super) fn get(&self, name: &str) -> Option<&TypeInfo> {
        self.types.get(name)
    }

    /// A type of the registry that a write needs.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is none, or when a write would leave index rows out.
    pub(super) fn need(&self, name: &str) -> Result<&TypeInfo, StoreError> {
        let info = self.get(name).ok_or_else(|| crate::store::no_type(name))?;
        if !info.whole {
            return Err(StoreError::Refused(format!(
                "the database indexes {name} by other schemas than those given: write with the schema files of the server"
            )));
        }
        Ok(info)
    }

    /// The name of a type of the database, also of one that the registry has no more.
    pub(super) fn name(&self, number: i64) -> Result<SmolStr, StoreError> {
        self.names.get(&number).cloned().ok_or_else(|| missing(&number.to_string()))
    }

    /// All types of the registry.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &TypeInfo)> {
        self.types.iter()
    }
}

impl TypeInfo {
    fn load(connection: &Connection, number: i64, index: TypeIndex) -> Result<Self, StoreError> {
        let mut statement =
            connection.prepare_cached("SELECT path, rule, id FROM attribute WHERE type = ?1")?;
        let mut stored: BTreeMap<(String, String), i64> = statement
            .query_map([number], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let wanted = index.attributes().len();
        let mut attributes = Vec::with_capacity(wanted);
        let index = index.only(|attribute| {
            let found = stored.remove(&(attribute.path.to_string(), attribute.recipe()));
            attributes.extend(found);
            found.is_some()
        });
        let whole = stored.is_empty() && attributes.len() == wanted;
        Ok(Self { number, index, attributes, whole })
    }

    /// The number of an indexed attribute.
    pub(super) fn attribute(&self, place: usize) -> i64 {
        self.attributes[place]
    }

    /// The numbers of the attributes whose values are unique, or of the others.
    pub(super) fn numbers(&self, unique: bool) -> impl Iterator<Item = i64> {
        let places = self.index.attributes().iter().zip(&self.attributes);
        places.filter(move |(indexed, _)| indexed.unique == unique).map(|(_, number)| *number)
    }

    /// The number of an entry's attribute, and whether its values are unique.
    pub(super) fn locate(&self, entry: &Entry) -> (i64, bool) {
        (self.attributes[entry.attribute], self.index.attributes()[entry.attribute].unique)
    }
}

fn missing(name: &str) -> StoreError {
    StoreError::backend(format!("the database has no resource type {name}"))
}

/// A column that has another type than the schema says.
pub(super) fn damaged(error: rusqlite::types::FromSqlError) -> StoreError {
    StoreError::backend(error)
}
