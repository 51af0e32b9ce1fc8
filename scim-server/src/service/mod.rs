//! Use cases: what a request means, without HTTP (but its status codes) and without SQL.
//!
//! One function per use case. Each takes a [`Cx`] (who, where, when, how tolerant) and values that are parsed already,
//! and goes through the same gate: check, plan, [`ResourceStore::write`](crate::store::ResourceStore::write).

mod bulk;
mod create;
mod delete;
mod passwords;
mod patch;
mod query;
mod refer;
mod replace;
mod retry;
mod split;

use chrono::{DateTime, Utc};
use scim_core::{Error, Leniency, ResourceId, ResourceSchema, TagList, Version, urn};
use smol_str::SmolStr;

pub(crate) use bulk::bulk;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use passwords::ReadyHashes;
pub(crate) use patch::patch;
pub(crate) use query::{Listed, list};
pub(crate) use replace::replace;
pub(crate) use retry::KeyLocks;

use crate::app::App;
use crate::assembled::Links;
use crate::auth::password::PasswordError;
use crate::auth::{Principal, TenantId};
use crate::store::{Include, Key, StoreError, Stored, Write, WriteBatch, WriteIf, Written};

/// The circumstances of one request.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    /// What the server consists of.
    pub(crate) app: &'a App,
    /// The tenant that the URL names and the credential is for.
    pub(crate) tenant: TenantId,
    /// Who asks.
    pub(crate) principal: &'a Principal,
    /// For audit and log.
    pub(crate) request_id: SmolStr,
    /// How resources are addressed.
    pub(crate) links: &'a Links,
    /// The profile, and which of its tolerances were used.
    pub(crate) leniency: Leniency,
    /// Whether groups may come to contain each other: inside bulk requests only (RFC 7644 section 3.7.1).
    pub(crate) allow_cycles: bool,
    /// Hashes of passwords that were made ahead: inside bulk requests only.
    pub(crate) hashes: ReadyHashes,
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The protocol says no.
    #[error(transparent)]
    Scim(#[from] Error),
    /// The store cannot serve the request.
    #[error(transparent)]
    Store(StoreError),
    /// The password cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Store errors that say something about the request become protocol errors; the rest stay the server's fault.
impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::Scim(not_found()),
            StoreError::VersionMismatch { .. } => Self::Scim(Error::PreconditionFailed),
            StoreError::Uniqueness { attribute } => Self::Scim(Error::Uniqueness { at: attribute }),
            StoreError::UnknownMember { operation, position } => Self::Scim(Error::value(
                format!("Operations[{operation}].value[{position}].value"),
                "there is no such resource; create it before adding it to a group",
            )),
            StoreError::MemberCycle => Self::Scim(Error::value(
                "members",
                "the group would contain itself, directly or through other groups",
            )),
            StoreError::Edit(error) => Self::Scim(error),
            other => Self::Store(other),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, ServiceError>;

pub(crate) fn not_found() -> Error {
    Error::NotFound { what: "the resource".to_owned() }
}

/// The precondition that the client gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// `If-Match`, or the `version` of a bulk operation.
    pub(crate) if_match: Option<TagList>,
    /// `If-None-Match`.
    pub(crate) if_none_match: Option<TagList>,
}

impl Guard {
    /// Whether the client named versions at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Holds the stored version against the precondition.
    pub(crate) fn check(&self, version: Version) -> Result<()> {
        let matched = self.if_match.as_ref().is_none_or(|tags| tags.matches(version));
        let excluded = self.if_none_match.as_ref().is_some_and(|tags| tags.matches(version));
        if matched && !excluded { Ok(()) } else { Err(Error::PreconditionFailed.into()) }
    }
}

impl Cx<'_> {
    /// The key of a resource. An id that could not be one of ours names nothing: 404.
    pub(crate) fn key(&self, schema: &ResourceSchema, id: &str) -> Result<Key> {
        let id = ResourceId::new(id).ok_or_else(not_found)?;
        Ok(Key { tenant: self.tenant.clone(), resource_type: schema.name().into(), id })
    }

    /// The time, as the store will keep it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// Writes one thing.
    pub(crate) async fn write(&self, write: Write) -> Result<Written> {
        let batch = WriteBatch {
            tenant: self.tenant.clone(),
            actor: self.principal.subject.as_str().into(),
            request_id: self.request_id.clone(),
            base_url: format!("{}/", self.links.base_url()).into(),
            now: self.now(),
            writes: vec![write],
        };
        let mut written = self.app.store.write(batch).await?;
        written.pop().ok_or_else(|| {
            ServiceError::Store(StoreError::Backend("the store answered nothing to a write".into()))
        })
    }
}

/// Reads one resource.
pub(crate) async fn get(
    cx: &Cx<'_>,
    schema: &ResourceSchema,
    id: &str,
    include: Include,
) -> Result<Stored> {
    let key = cx.key(schema, id)?;
    Ok(cx.app.store.get(&key, include).await?)
}

/// Completes what a write answered with the groups and members that the representation shows.
///
/// The write is done. Should this reading fail, or the resource be gone by now, the state right after the write is shown:
/// an error would make the client repeat what has happened.
pub(crate) async fn refresh(
    cx: &Cx<'_>,
    schema: &ResourceSchema,
    written: Stored,
    include: Include,
) -> Stored {
    if include == Include::default() {
        return written;
    }
    match get(cx, schema, written.id.as_str(), include).await {
        Ok(stored) => stored,
        Err(ServiceError::Scim(Error::NotFound { .. })) => written,
        Err(error) => {
            tracing::error!(id = %cx.request_id, %error, "what was written could not be read again");
            written
        }
    }
}

/// Whether resources of this type have their `members` kept as rows.
pub(crate) fn has_members(schema: &ResourceSchema) -> bool {
    schema.base().id == urn::GROUP
}

/// Whether resources of this type show the `groups` that they are in.
pub(crate) fn has_groups(schema: &ResourceSchema) -> bool {
    schema.base().id == urn::USER
}

/// `WriteIf` for a resource that was read at this version.
pub(crate) fn at(version: Version) -> WriteIf {
    WriteIf::Version(version)
}
