//! The orders that queries ask for.

use std::cmp::Ordering;

use scim_core::ResourceId;
use scim_core::query::SortKey;

use super::Hit;
use crate::store::sqlite::catalog::TypeInfo;
use crate::store::sqlite::plan::{Column, Source};
use crate::store::{Position, Sorting};

/// Where the sort key of a resource comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nowhere: the order is that of the ids.
    Id,
    /// The id is the key.
    ById,
    /// No resource of the type has a key, so they are in the order of their ids.
    Missing,
    /// A time that every resource has.
    Time(Column),
    /// An indexed attribute of which every resource has exactly one value.
    Key(usize),
    /// The attributes must be looked at.
    Attribute,
}

impl Order {
    pub(super) fn of(sorting: Option<&Sorting>, at: usize, info: &TypeInfo) -> Self {
        let Some(sorting) = sorting else { return Order::Id };
        let Some(Some(by)) = sorting.by.get(at) else { return Order::Missing };
        let field = &by.field;
        if field.extension.is_none() {
            match &field.sub {
                None if field.name == "id" => return Order::ById,
                Some(sub) if field.name == "meta" && *sub == "created" => {
                    return Order::Time(Column::Created);
                }
                Some(sub) if field.name == "meta" && *sub == "lastModified" => {
                    return Order::Time(Column::Modified);
                }
                _ => {}
            }
        }
        match info.index.find(field) {
            Some(place) if info.index.attributes()[place].total => Order::Key(place),
            _ => Order::Attribute,
        }
    }

    /// Whether an index has the candidates of a source in this order.
    pub(super) fn is_index_of(self, source: &Source) -> bool {
        match (self, source) {
            (Order::Attribute, _) => false,
            (_, Source::All) => true,
            (Order::Time(order), Source::Time { column, .. }) => order == *column,
            (Order::Key(order), Source::Prefix { place, .. }) => order == *place,
            _ => false,
        }
    }

    /// Whether the key is known without looking at the attributes.
    pub(super) fn is_plain(self) -> bool {
        !matches!(self, Order::Attribute | Order::Key(_))
    }
}

/// A hit that is ordered as the query wants: the lesser one comes first.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) key: Option<SortKey>,
    pub(super) id: ResourceId,
    pub(super) rid: i64,
    pub(super) at: usize,
    pub(super) descending: bool,
}

impl Ranked {
    pub(super) fn is_after(&self, position: &Position) -> bool {
        follows(&self.key, &self.id, position, self.descending)
    }

    pub(super) fn into_hit(self) -> Hit {
        Hit { at: self.at, rid: self.rid, id: self.id, key: self.key }
    }
}

/// Whether a key and id come after a position.
pub(super) fn follows(
    key: &Option<SortKey>,
    id: &ResourceId,
    position: &Position,
    descending: bool,
) -> bool {
    let order = key.cmp(&position.key).then_with(|| id.cmp(&position.id));
    order == if descending { Ordering::Less } else { Ordering::Greater }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.key.cmp(&other.key).then_with(|| self.id.cmp(&other.id));
        if self.descending { order.reverse() } else { order }
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
