//! What the operator does with a store: tenants, audit, backup, verification.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use smol_str::SmolStr;

use super::{Change, StoreError, Unregistered};
use crate::auth::TenantId;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// A row of the audit: a change, who asked for it, and what it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The change, as the feed has it.
    pub change: Change,
    /// The request that it was part of.
    pub request_id: SmolStr,
    /// What changed, as JSON, secrets masked: `changes` has the attributes before and after, `members` who came and
    /// went.
    pub detail: String,
    /// SHA-256 over the hash of the entry before and all of this one, so that no row can be altered or taken out of the
    /// middle without a trace.
    pub hash: [u8; 32],
}

/// Something that [`AdminStore::verify`] found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: a tenant's name, or the file itself.
    pub place: String,
    /// What.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// The operator's side of a store.
#[async_trait]
pub trait AdminStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a tenant; answers whether this call made it, `false` when it was there.
    async fn tenant_create(
        &self,
        tenant: &TenantId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// All tenants by name. `default` is always among them.
    async fn tenant_list(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Removes a tenant with everything in it: resources, tokens, feed and audit.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`]; [`StoreError::Refused`] for `default`.
    async fn tenant_delete(&self, tenant: &TenantId) -> Result<(), StoreError>;

    /// Audit entries of a tenant after number `after`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`].
    async fn audit(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Writes one consistent state of everything into a new file, while reads and writes go on. When this returns, the
    /// file is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the file exists, or when the store keeps nothing on disk.
    async fn backup(&self, file: &Path) -> Result<(), StoreError>;

    /// Checks that what is stored agrees with itself: the file, counts, indexes against the resources they were made
    /// from, memberships, the feed and the chain of audit hashes. An empty list is good news.
    async fn verify(&self) -> Result<Vec<Finding>, StoreError>;

    /// Data that is kept but not served, because its attribute, schema or resource type is not registered; by type and
    /// name.
    async fn unregistered(&self) -> Result<Vec<Unregistered>, StoreError>;

    /// A key of the server by name, such as the one that signs cursors: the stored one, or `fresh`, which is stored
    /// then.
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;
}
