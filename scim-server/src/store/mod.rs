//! Where resources live: the [`ResourceStore`] contract and its implementations.
//!
//! Every call is atomic and sees one state of the data. Every write is one transaction that holds its precondition,
//! its uniqueness check, the version bump, the change-feed row and the audit row. No call works without a tenant.
//! The behaviour suite in `suite.rs` has one case for each sentence of the contract and runs on every implementation.

mod admin;
mod audit;
mod eval;
mod ids;
mod index;
mod members;
mod memory;
mod sqlite;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod suite;
#[cfg(test)]
mod tests;
mod types;
mod unregistered;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use scim_core::query::SortKey;
use scim_core::{Resource, ResourceId};

pub use admin::{AdminStore, AuditEntry, Finding, Tenant};
pub use ids::IdList;
pub use memory::MemoryStore;
pub use sqlite::{SqliteOptions, SqliteStore};
pub use types::{
    Change, ChangeKind, Draft, GroupRow, Include, Key, MEMBERS_AT_ONCE, Member, MemberPage, Page,
    Position, Query, Scope, Sorting, StoreError, Stored, Total, Write, WriteBatch, WriteIf,
    Written,
};
pub use unregistered::Unregistered;

use crate::auth::TenantId;

/// The only way to data.
#[async_trait]
pub trait ResourceStore: fmt::Debug + Send + Sync + 'static {
    /// Reads one resource.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of this type and id in this tenant; an id of another type or tenant
    /// is not found either.
    async fn get(&self, key: &Key, include: Include) -> Result<Stored, StoreError>;

    /// Finds resources by filter, in the order asked for (by default in the order of their ids, which is that of their
    /// creation), one page at a time.
    ///
    /// What no index answers is answered by reading on, in memory that does not grow with the data.
    async fn query(&self, query: &Query) -> Result<Page, StoreError>;

    /// Applies all writes or none. Preconditions, uniqueness and the existence of members are checked inside the
    /// transaction. An acknowledged write survives the loss of the process and of power.
    ///
    /// A write that changes nothing (equal attributes, members that are there already) leaves version, times, feed and
    /// audit alone and says so in [`Written::changed`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::VersionMismatch`], [`StoreError::Uniqueness`],
    /// [`StoreError::UnknownMember`], [`StoreError::MemberCycle`], [`StoreError::Full`], [`StoreError::Busy`].
    async fn write(&self, batch: WriteBatch) -> Result<Vec<Written>, StoreError>;

    /// The members of a group in the order of their ids, after the given one.
    async fn members(
        &self,
        group: &Key,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<MemberPage, StoreError>;

    /// Resources as members of a group, in the order of `ids`; those that do not exist any more are left out.
    ///
    /// It is for [`Stored::other_members`]: whether a resource is in the group (still) makes no difference, only that it
    /// is found faster.
    async fn named(&self, group: &Key, ids: &[ResourceId]) -> Result<Vec<Member>, StoreError>;

    /// Changes of a tenant after sequence number `after`, oldest first. The numbers have no gaps.
    async fn changes(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError>;

    /// Whether reads and writes can be served now; the truth behind the readiness probe.
    async fn health(&self) -> Result<(), StoreError>;
}

/// Times are kept in milliseconds.
fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
}

/// The sort key of a resource of a query's scope.
fn sort_key(sorting: &Sorting, scope: usize, resource: &Resource) -> SortKey {
    match sorting.by.get(scope) {
        Some(Some(by)) => by.key(resource),
        _ => SortKey::Missing,
    }
}

fn no_type(name: &str) -> StoreError {
    StoreError::Refused(format!("the store was opened without the resource type {name}"))
}

fn default_stays() -> StoreError {
    StoreError::Refused("the tenant \"default\" cannot be deleted".to_owned())
}
