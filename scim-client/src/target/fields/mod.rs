//! The fields of a profile file, as they are read. `docs/targets.md` lists them from these comments.

mod members;
mod path;
mod rate;
mod rules;
mod server;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use members::{MemberRules, Removal, Returned, Reverse};
pub(crate) use path::extension;
pub use path::{Limit, Path};
pub use rate::{Counts, ErrorRule, Meaning, Rates, Window};
pub use rules::{
    Action, DeleteMeans, EmptyMeans, FilterRules, Logical, Operator, PageRules, PatchVerb,
    TypeRules,
};
pub use server::{
    AuthKind, AuthRules, Discovery, DiscoveryPart, Features, HttpRules, OpCase, Paging, Parameter,
    PatchRules, PathStyle, QueryRules, ServerRules, UserAgentRule,
};

/// All facts of a profile. What a file leaves out keeps the value of RFC 7644, or of the profile that it extends.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fields {
    /// The word by which the profile is asked for.
    pub name: String,
    /// What people call the server.
    pub title: String,
    /// The shipped profile whose facts hold where this file says nothing; `generic` when absent.
    pub extends: Option<String>,
    /// Where the facts come from. Sections have a `source` of their own where it differs.
    pub source: Vec<String>,
    /// Facts that a person has to act on, such as a feature that has to be switched on first.
    pub notes: Vec<String>,
    /// Endpoints in the order in which a directory is written, so that references find what they refer to.
    pub order: Vec<String>,
    /// The server expects that nobody else writes; two writers undo each other's work.
    pub one_writer: bool,
    /// The base URL.
    pub server: ServerRules,
    /// How to authenticate.
    pub auth: AuthRules,
    /// Headers and media types.
    pub http: HttpRules,
    /// The discovery endpoints.
    pub discovery: Discovery,
    /// What ServiceProviderConfig says, where the truth is known better.
    pub features: Features,
    /// Paging of all endpoints.
    pub paging: Paging,
    /// Parameters of queries.
    pub query: QueryRules,
    /// The form of PATCH messages.
    pub patch: PatchRules,
    /// How fast and how many at once.
    pub rates: Rates,
    /// What answers mean that say it in their own way, each rule under a name of its own. The rule with the most
    /// conditions wins.
    pub errors: BTreeMap<String, ErrorRule>,
    /// Rules by endpoint (`Users`, `Groups`). Those of `"*"` hold for every endpoint that does not say otherwise.
    pub types: BTreeMap<String, TypeRules>,
}
