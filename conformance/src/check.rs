//! What a check is: an id, the clause it rests on, what it needs, and a body that tries it.

use std::fmt;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Cx;

/// How the body of a check ends. `Ok` means that the target does what the clause asks.
pub type Verdict = Result<(), Stop>;

/// The code of a check.
pub type Body = for<'a> fn(&'a Cx) -> BoxFuture<'a, Verdict>;

/// Why a check ended early.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The target does not do what the clause asks.
    Failed(Failure),
    /// The target does not have what the check is about; no judgement.
    Skipped(String),
    /// It could not be tried: its setup was refused, or there was no answer.
    Broken(String),
}

/// What a failed check compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What is wrong, for people.
    pub message: String,
    /// What the clause asks for.
    pub expected: Option<String>,
    /// What came.
    pub got: Option<String>,
    /// The exchange that shows it, by its number in the evidence; the last one where nothing is said.
    pub exchange: Option<usize>,
}

impl Failure {
    /// A failure that only says what is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One thing that is checked. Made with [`must`], [`should`], [`may`] or [`interop`].
#[derive(Clone, Copy)]
pub struct Check {
    /// Stable name: `topic.subject.rule`.
    pub id: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// Requirements it rests on, by the ids of `requirements.tsv`; the first is the main one.
    pub clause: &'static [&'static str],
    /// How much it weighs.
    pub level: Level,
    /// What the target has to do, in one line.
    pub reason: &'static str,
    /// What to change in a target that does not, in one line.
    pub mend: &'static str,
    /// What the target has to have for it.
    pub needs: &'static [Need],
    /// Whether it creates or changes resources.
    pub writes: bool,
    /// Whether nothing else may run at the same time.
    pub exclusive: bool,
    /// The code.
    pub body: Body,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("id", &self.id)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// A check the RFCs demand (MUST, SHALL, REQUIRED).
pub const fn must(id: &'static str, topic: Topic, clause: &'static [&'static str]) -> Draft {
    Draft::new(id, topic, clause, Level::Must)
}

/// A check the RFCs recommend (SHOULD, RECOMMENDED).
pub const fn should(id: &'static str, topic: Topic, clause: &'static [&'static str]) -> Draft {
    Draft::new(id, topic, clause, Level::Should)
}

/// A check of something optional: where it fails, the report notes it and nothing more.
pub const fn may(id: &'static str, topic: Topic, clause: &'static [&'static str]) -> Draft {
    Draft::new(id, topic, clause, Level::May)
}

/// A check of what a peer needs beyond the RFCs; it counts in that peer's profile only.
pub const fn interop(
    id: &'static str,
    topic: Topic,
    peer: Peer,
    clause: &'static [&'static str],
) -> Draft {
    Draft::new(id, topic, clause, Level::Interop(peer))
}

/// A check without its body. [`Draft::body`] completes it, and refuses to compile without a reason and a mend.
#[derive(Clone, Copy, Debug)]
#[must_use = "a draft becomes a check with `body`"]
pub struct Draft {
    id: &'static str,
    topic: Topic,
    clause: &'static [&'static str],
    level: Level,
    reason: &'static str,
    mend: &'static str,
    needs: &'static [Need],
    writes: bool,
    exclusive: bool,
}

impl Draft {
    const fn new(
        id: &'static str,
        topic: Topic,
        clause: &'static [&'static str],
        level: Level,
    ) -> Self {
        Self {
            id,
            topic,
            clause,
            level,
            reason: "",
            mend: "",
            needs: &[],
            writes: true,
            exclusive: false,
        }
    }

    /// What the target has to do, in one line: "add appends to a multi-valued attribute".
    pub const fn reason(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// What to change in a target that does not, in one line.
    pub const fn mend(mut self, mend: &'static str) -> Self {
        self.mend = mend;
        self
    }

    /// What the target has to have; without it the check is skipped with that as the reason.
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// The check creates and changes nothing, so that it runs with `--read-only` too.
    pub const fn reads(mut self) -> Self {
        self.writes = false;
        self
    }

    /// Nothing else may run at the same time.
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Completes the check.
    #[must_use]
    pub const fn body(self, body: Body) -> Check {
        assert!(!self.reason.is_empty(), "a check says what the target has to do: reason(..)");
        assert!(!self.mend.is_empty(), "a check says what to change: mend(..)");
        assert!(!self.clause.is_empty(), "a check names its clause");
        Check {
            id: self.id,
            topic: self.topic,
            clause: self.clause,
            level: self.level,
            reason: self.reason,
            mend: self.mend,
            needs: self.needs,
            writes: self.writes,
            exclusive: self.exclusive,
            body,
        }
    }
}

/// How much a check weighs; the [profile](crate::Profile) decides what counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// MUST, SHALL, REQUIRED.
    Must,
    /// SHOULD, RECOMMENDED.
    Should,
    /// MAY, OPTIONAL.
    May,
    /// What a peer needs beyond the RFCs.
    Interop(Peer),
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Must => f.pad("must"),
            Self::Should => f.pad("should"),
            Self::May => f.pad("may"),
            Self::Interop(_) => f.pad("interop"),
        }
    }
}

/// Whose needs an interoperability check stands for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// Microsoft Entra ID's provisioning service.
    Entra,
    /// Okta.
    Okta,
    /// The IPSIE profile of the OpenID Foundation.
    Ipsie,
    /// The interoperability profile draft, and what several peers need.
    General,
}

/// What a check is about; the first part of its id.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Topic {
    Capability,
    Discovery,
    Schema,
    Auth,
    Media,
    Create,
    Read,
    Replace,
    Patch,
    Delete,
    Attributes,
    Mutability,
    Returned,
    Uniqueness,
    Projection,
    Filter,
    Sort,
    Page,
    Cursor,
    Search,
    Root,
    Etag,
    Concurrency,
    Bulk,
    Me,
    Groups,
    Enterprise,
    Password,
    Unicode,
    Errors,
    Security,
    Async,
    Interop,
}

impl Topic {
    /// Every topic, in the order of a report.
    pub const ALL: &'static [Self] = &[
        Self::Capability,
        Self::Discovery,
        Self::Schema,
        Self::Auth,
        Self::Media,
        Self::Create,
        Self::Read,
        Self::Replace,
        Self::Patch,
        Self::Delete,
        Self::Attributes,
        Self::Mutability,
        Self::Returned,
        Self::Uniqueness,
        Self::Projection,
        Self::Filter,
        Self::Sort,
        Self::Page,
        Self::Cursor,
        Self::Search,
        Self::Root,
        Self::Etag,
        Self::Concurrency,
        Self::Bulk,
        Self::Me,
        Self::Groups,
        Self::Enterprise,
        Self::Password,
        Self::Unicode,
        Self::Errors,
        Self::Security,
        Self::Async,
        Self::Interop,
    ];

    /// The name as ids and options write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capability => "capability",
            Self::Discovery => "discovery",
            Self::Schema => "schema",
            Self::Auth => "auth",
            Self::Media => "media",
            Self::Create => "create",
            Self::Read => "read",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Attributes => "attributes",
            Self::Mutability => "mutability",
            Self::Returned => "returned",
            Self::Uniqueness => "uniqueness",
            Self::Projection => "projection",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Page => "page",
            Self::Cursor => "cursor",
            Self::Search => "search",
            Self::Root => "root",
            Self::Etag => "etag",
            Self::Concurrency => "concurrency",
            Self::Bulk => "bulk",
            Self::Me => "me",
            Self::Groups => "groups",
            Self::Enterprise => "enterprise",
            Self::Password => "password",
            Self::Unicode => "unicode",
            Self::Errors => "errors",
            Self::Security => "security",
            Self::Async => "async",
            Self::Interop => "interop",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a target has to have for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `patch.supported`.
    Patch,
    /// `bulk.supported`.
    Bulk,
    /// `filter.supported`.
    Filter,
    /// `sort.supported`.
    Sort,
    /// `etag.supported`.
    Etag,
    /// `changePassword.supported`.
    ChangePassword,
    /// `pagination.cursor` (RFC 9865).
    CursorPaging,
    /// `pagination.index`; taken for granted where nothing is announced.
    IndexPaging,
    /// A resource type at `/Users`.
    Users,
    /// A resource type at `/Groups`.
    Groups,
    /// The enterprise extension of users.
    Enterprise,
    /// `/Me` answers.
    Me,
    /// `POST /Users/.search` answers.
    Search,
    /// Queries at the root answer.
    RootQuery,
    /// Users have a `password`.
    Password,
    /// Creating and changing is allowed in this run. Every check that [writes](Check::writes) needs it.
    Write,
    /// The run has credentials, so that leaving them out means something.
    Credentials,
    /// `/ServiceProviderConfig` gave a JSON object.
    Config,
    /// `/Schemas` gave schemas; without it those of RFC 7643 are assumed.
    Schemas,
    /// `/ResourceTypes` gave resource types.
    ResourceTypes,
    /// The served User schema has this attribute, written as a path: `name.familyName`, `urn:…:User:manager`.
    Attribute(&'static str),
    /// The served Group schema has this attribute.
    GroupAttribute(&'static str),
    /// Asynchronous answers (RFC 9967) are announced.
    Async,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Patch => "PATCH",
            Self::Bulk => "bulk",
            Self::Filter => "filters",
            Self::Sort => "sorting",
            Self::Etag => "versions",
            Self::ChangePassword => "changing passwords",
            Self::CursorPaging => "paging by cursor",
            Self::IndexPaging => "paging by index",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Enterprise => "the enterprise extension",
            Self::Me => "/Me",
            Self::Search => ".search",
            Self::RootQuery => "queries at the root",
            Self::Password => "users with a password",
            Self::Write => "leave to write",
            Self::Credentials => "credentials",
            Self::Config => "/ServiceProviderConfig",
            Self::Schemas => "/Schemas",
            Self::ResourceTypes => "/ResourceTypes",
            Self::Attribute(path) => return write!(f, "{path} of users"),
            Self::GroupAttribute(path) => return write!(f, "{path} of groups"),
            Self::Async => "asynchronous answers",
        };
        f.write_str(text)
    }
}
