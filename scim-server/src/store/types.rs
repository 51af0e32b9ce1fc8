//! The vocabulary of the store contract.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scim_core::filter::TypedFilter;
use scim_core::patch::{ChangeSet, MemberEdit};
use scim_core::query::{ResolvedSort, SortKey};
use scim_core::{Resource, ResourceId, Version};
use smol_str::SmolStr;

use super::IdList;
use crate::auth::TenantId;

/// Where a resource is: tenant, resource type, id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The tenant.
    pub tenant: TenantId,
    /// The name of the resource type, in the registry's spelling.
    pub resource_type: SmolStr,
    /// The id.
    pub id: ResourceId,
}

/// What to read along with a resource. Neither is part of the stored attributes: both come from the membership rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Include {
    /// The groups that the resource is in, directly and through other groups.
    pub groups: bool,
    /// The members of the resource, if it is a group: the first [`MEMBERS_AT_ONCE`] of them, and of the others the ids.
    pub members: bool,
}

/// Members that come along with a group; a group may have any number of others.
pub const MEMBERS_AT_ONCE: usize = 1_000;

/// A resource as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The resource type's name.
    pub resource_type: SmolStr,
    /// The id.
    pub id: ResourceId,
    /// The version.
    pub version: Version,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
    /// The attributes as one JSON object without white space; never `id`, `meta`, `groups`, `members` or `password`,
    /// so that an answer can be made by appending those to the bytes.
    pub body: Bytes,
    /// Whether the attributes hold references relative to the base URL, which an answer must complete.
    pub relative_refs: bool,
    /// The groups that it is in, by id; empty unless asked for.
    pub groups: Vec<GroupRow>,
    /// Its members, by id, but no more than [`MEMBERS_AT_ONCE`]; empty unless asked for.
    pub members: Vec<Member>,
    /// Its members after those, in the same order and of the same moment; [`ResourceStore::named`] has the rest of what
    /// there is to say about them.
    ///
    /// [`ResourceStore::named`]: super::ResourceStore::named
    pub other_members: IdList,
}

impl Stored {
    /// About how many bytes it has in an answer, with what was read along; see [`Query::budget`].
    #[must_use]
    pub fn size(&self) -> usize {
        let rows = self.groups.len() + self.members.len() + self.other_members.len();
        self.body.len() + 400 + 200 * rows
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn footprint(&self) -> usize {
        let rows = self.groups.len() + self.members.len();
        self.body.len() + 400 + 200 * rows + self.other_members.bytes()
    }
}

/// A group that a resource is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The group.
    pub id: ResourceId,
    /// Its `displayName`.
    pub display: SmolStr,
    /// Whether the resource itself is a member, rather than a group that it is in.
    pub direct: bool,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member.
    pub id: ResourceId,
    /// The name of its resource type.
    pub resource_type: SmolStr,
    /// Its `displayName`, or else its `userName`.
    pub display: Option<SmolStr>,
}

/// Members in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberPage {
    /// The members.
    pub members: Vec<Member>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// What one of the resource types that a query runs over must satisfy.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The name of the resource type.
    pub resource_type: SmolStr,
    /// The filter, resolved against this type; `None` for all.
    pub filter: Option<TypedFilter>,
    /// What stands before the id in `meta.location`, such as `https://host/scim/v2/Users/`; for filters on it.
    pub location: Arc<str>,
}

/// The order of a query.
#[derive(Debug, Clone)]
pub struct Sorting {
    /// By what, resolved for each scope in the order of [`Query::scopes`]; ties are broken by id. `None` for a resource
    /// type that does not have the attribute: its resources stand where those without a value do.
    pub by: Vec<Option<ResolvedSort>>,
    /// Whether the order is descending (of the ids too).
    pub descending: bool,
}

/// Whether the number of all matches is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Count them.
    Count,
    /// It is known already, or nobody asked.
    Skip,
}

/// Where a page ended: the sort key (when sorted) and id of its last resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// The sort key, unless the query is in the order of ids.
    pub key: Option<SortKey>,
    /// The id.
    pub id: ResourceId,
}

/// A query: one or several resource types of one tenant.
#[derive(Debug, Clone)]
pub struct Query {
    /// The tenant.
    pub tenant: TenantId,
    /// The resource types, each with its filter. The result is one list over all of them.
    pub scopes: Vec<Scope>,
    /// The order; `None` for that of the ids.
    pub sorting: Option<Sorting>,
    /// Start after this position (keyset paging: costs the same wherever it is).
    pub after: Option<Position>,
    /// Skip this many (index paging).
    pub skip: u64,
    /// At most this many; 0 for the total only.
    pub limit: usize,
    /// The page ends before the resource that would make it larger than so many bytes ([`Stored::size`]). The first one
    /// comes whatever its size.
    pub budget: usize,
    /// Whether to count.
    pub total: Total,
    /// What to read along with each.
    pub include: Include,
}

/// How much of a page's budget is left.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    begun: bool,
}

impl Budget {
    pub(super) fn of(query: &Query) -> Self {
        Self { left: query.budget, begun: false }
    }

    /// Whether there is room for one more resource.
    pub(super) fn admits(&mut self, stored: &Stored) -> bool {
        let left = self.left.checked_sub(stored.size());
        if left.is_none() && self.begun {
            return false;
        }
        (self.left, self.begun) = (left.unwrap_or(0), true);
        true
    }
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The resources.
    pub items: Vec<Stored>,
    /// The number of all matches, if it was asked for.
    pub total: Option<u64>,
    /// Where to go on, if there is more.
    pub next: Option<Position>,
}

/// Writes that belong together, with who makes them and when.
#[derive(Debug, Clone)]
pub struct WriteBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// Who: the id of the token or the subject of the JWT.
    pub actor: SmolStr,
    /// The request that this is part of, for the audit.
    pub request_id: SmolStr,
    /// Where the tenant's endpoints are, with a slash at the end: for operations that select members by their `$ref`.
    pub base_url: SmolStr,
    /// When; never before the last write's time.
    pub now: DateTime<Utc>,
    /// The writes, applied in order.
    pub writes: Vec<Write>,
}

/// The attributes to store.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The checked attributes; `id`, `meta`, `groups`, `members` and `password` are not among them.
    pub resource: Resource,
    /// The hash of the password; `None` keeps what is stored.
    pub password_hash: Option<String>,
    /// Whether a stored password goes away (it was removed or nulled).
    pub clear_password: bool,
    /// Whether the attributes hold relative references.
    pub relative_refs: bool,
    /// What changes, for the audit and the feed; secrets are masked in it. Empty for a creation.
    pub changes: ChangeSet,
}

/// One write.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new resource.
    Create {
        /// Where; the id must be new in the tenant, else the error is [`StoreError::Uniqueness`] of `id`.
        key: Key,
        /// Its attributes.
        draft: Draft,
        /// Its members' ids, if it is a group.
        members: Vec<ResourceId>,
        /// Whether groups may come to contain each other (bulk cycles, RFC 7644 section 3.7.1).
        allow_cycles: bool,
    },
    /// A change of attributes, members or both.
    Update {
        /// Where.
        key: Key,
        /// The precondition.
        guard: WriteIf,
        /// The new attributes; `None` leaves them as they are.
        draft: Option<Draft>,
        /// Membership operations, applied in order.
        members: Vec<MemberEdit>,
        /// As for a creation.
        allow_cycles: bool,
    },
    /// A deletion: the resource also leaves all groups, whose versions move.
    Delete {
        /// Where.
        key: Key,
        /// The precondition.
        guard: WriteIf,
    },
}

/// The precondition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteIf {
    /// None: whatever version is there.
    Any,
    /// The stored version must be this one.
    Version(Version),
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The resource afterwards (for a deletion: before), without groups and members.
    pub stored: Stored,
    /// Whether anything changed.
    pub changed: bool,
    /// Members that came and went.
    pub members_added: u64,
    /// See `members_added`.
    pub members_removed: u64,
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Create,
    /// Attributes changed (and perhaps members).
    Update,
    /// Only its members changed.
    Membership,
    /// It was deleted.
    Delete,
}

/// One entry of the change feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The number of the change in its tenant: 1, 2, 3 ... without gaps.
    pub seq: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: ChangeKind,
    /// The resource's type.
    pub resource_type: SmolStr,
    /// The resource.
    pub id: ResourceId,
    /// Its version afterwards (for a deletion: before).
    pub version: Version,
    /// Who made the change.
    pub actor: SmolStr,
    /// The names of the attributes that changed.
    pub attributes: Vec<String>,
    /// How many members came and went.
    pub members_added: u64,
    /// See `members_added`.
    pub members_removed: u64,
}

/// Why a call failed, by meaning; the cause is for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such resource.
    #[error("not found")]
    NotFound,
    /// The stored version is another one.
    #[error("the stored version is {actual}")]
    VersionMismatch {
        /// The stored version.
        actual: Version,
    },
    /// Another resource of the type has the value.
    #[error("{attribute} is taken")]
    Uniqueness {
        /// The attribute's path.
        attribute: String,
    },
    /// A member does not exist in the tenant, or is of a type that the group's schema does not let in.
    #[error("member {position} of operation {operation} does not exist")]
    UnknownMember {
        /// The index of the operation among the write's membership operations (as given in the PATCH request).
        operation: usize,
        /// The index of the member in it.
        position: usize,
    },
    /// A group would contain itself.
    #[error("the group would contain itself")]
    MemberCycle,
    /// An operation inside of a group's members cannot be applied: nothing matches, or what matches is immutable.
    #[error("{0}")]
    Edit(scim_core::Error),
    /// The tenant does not exist.
    #[error("there is no such tenant")]
    NoTenant,
    /// The request makes no sense here, as the sentence says: for those who operate the store.
    #[error("{0}")]
    Refused(String),
    /// The disk or quota is full; nothing was written.
    #[error("the storage is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store is overloaded or shutting down; nothing was written or read, and it may be tried again.
    #[error("the storage is busy")]
    Busy,
    /// Another server uses the same data folder.
    #[error("{0}")]
    InUse(String),
    /// Anything else: damaged file, I/O error. Nothing is known to have been written.
    #[error("storage failure: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}
