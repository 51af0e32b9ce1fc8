//! What has to wait for what.

use std::collections::BTreeSet;

use scim_core::Object;
use scim_core::bulk::references;
use smol_str::SmolStr;

use super::super::{Prepared, Target};

/// What operations have to wait for: what a batch under construction creates, and others that wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) ids: BTreeSet<SmolStr>,
    /// Resources that a waiting operation is about: a later one must not overtake it.
    paths: BTreeSet<String>,
}

impl Waits {
    pub(super) fn for_operation(&mut self, operation: &Prepared) {
        self.ids.extend(operation.bulk_id.clone());
        match &operation.target {
            Target::Endpoint => {}
            Target::Id(_) => drop(self.paths.insert(operation.place().to_path())),
            Target::BulkId(bulk_id) => drop(self.ids.insert(bulk_id.clone())),
        }
    }

    pub(super) fn concern(&self, operation: &Prepared) -> bool {
        let target = match &operation.target {
            Target::Endpoint => None,
            Target::Id(_) if self.paths.contains(&operation.place().to_path()) => return true,
            Target::Id(_) => None,
            Target::BulkId(bulk_id) => Some(bulk_id),
        };
        let data = operation.data.iter().flat_map(Object::values);
        references(target, data).iter().any(|bulk_id| self.ids.contains(bulk_id))
    }
}
