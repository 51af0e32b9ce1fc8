//! A directory behind an agent: both ends of what travels between the two.
//!
//! The agent stands beside the directory and answers requests ([`Face`]); the service asks them ([`RemoteConnector`]), through
//! whatever carries them ([`Relay`]). What travels is SCIM, so that it can be read with the tools that read SCIM:
//!
//! | Request | What it is |
//! |---|---|
//! | `GET /{directory}/Schemas`, `/ResourceTypes`, `/ServiceProviderConfig` | the types and attributes of the directory |
//! | `POST /{directory}/.search` | a read of several types: everything, what changed since a cursor, or objects by their `id` |
//! | `POST /{directory}/{type}/.search` | the same of one type, and a search for objects by one value |
//!
//! A search is answered by list responses, one a line. A resource has the `id` of its object, what there is to say of it as an
//! entry of a directory at the top (`change`, `dn`, `scope`, `references`), and the directory's own attributes under the URN of
//! its type. The last line has the end mark, and as `nextCursor` from where to go on; an answer without it was broken off.
//! `docs/decisions/0016` says why it is so.
//!
//! The agent keeps nothing between requests but opened connectors, which can be opened again: what to read, its scope
//! included, is told with each request.

mod answer;
mod connector;
mod discovery;
mod face;
mod fault;
mod lines;
mod name;
mod page;
mod relay;
mod request;
mod resource;
mod scope;
mod search;
mod value;

pub use answer::{Answer, Cancelled};
pub use connector::{Deadlines, KnownSchema, RemoteConnector};
pub use face::{Directories, Face};
pub use relay::{Relay, RelayBody, RelayError};
pub use scope::RemoteScope;

/// URNs and sizes of the wire.
pub mod wire {
    /// The schema of every resource: what there is to say of an object as an entry of a directory.
    pub const OBJECT: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:DirectoryObject";
    /// What stands before the name of a type in the URN of the schema with its attributes.
    pub const TYPE: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:directory:";
    /// The part of a search request that SCIM has no words for: the scope, the type of a value.
    pub const REQUEST: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:DirectoryRequest";
    /// The end mark in the last list response of an answer.
    pub const END: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:ReadEnd";
    /// The part of an error document that says which kind of connector error it is.
    pub const ERROR: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:ConnectorError";

    /// The content type of requests, of discovery and of errors.
    pub const SCIM_JSON: &str = "application/scim+json";
    /// The content type of the answer to a search: list responses, one a line.
    pub const LINES: &str = "application/x-ndjson";

    /// The largest request that is read: a cursor can hold the members of a scoping group.
    pub const MAX_REQUEST: usize = 16 << 20;
    /// The longest line of an answer; one group with a million members is one.
    pub const MAX_LINE: usize = 64 << 20;
    /// The largest answer that is no search.
    pub const MAX_DOCUMENT: usize = 64 << 20;
    /// Where a page is split into two lines.
    pub const PAGE: usize = 256 << 10;
    /// The largest piece of a body.
    pub const PIECE: usize = 64 << 10;
}
