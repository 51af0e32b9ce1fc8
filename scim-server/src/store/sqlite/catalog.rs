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
}

impl Catalog {
    /// Reads the numbers, after [`super::migrate`] has given every type and attribute one.
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
        let mut find =
            connection.prepare("SELECT id FROM attribute WHERE type = ?1 AND path = ?2")?;
        let mut types = BTreeMap::new();
        for schema in registry.resource_types() {
            let number = names.iter().find(|(_, name)| *name == schema.name()).map(|(id, _)| *id);
            let Some(number) = number else { return Err(missing(schema.name())) };
            let index = TypeIndex::of(schema);
            let paths = index.attributes().iter().map(|a| a.path.to_string());
            let attributes = paths
                .map(|path| find.query_row((number, path), |row| row.get(0)))
                .collect::<Result<_, _>>()?;
            types.insert(SmolStr::new(schema.name()), TypeInfo { number, index, attributes });
        }
        Ok(Self { registry: Arc::clone(&registry), types, names })
    }

    /// A type of the registry.
    pub(super) fn get(&self, name: &str) -> Option<&TypeInfo> {
        self.types.get(name)
    }

    /// A type of the registry that a write needs.
    pub(super) fn need(&self, name: &str) -> Result<&TypeInfo, StoreError> {
        self.get(name).ok_or_else(|| crate::store::no_type(name))
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
    /// The number of an indexed attribute.
    pub(super) fn attribute(&self, place: usize) -> i64 {
        self.attributes[place]
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
