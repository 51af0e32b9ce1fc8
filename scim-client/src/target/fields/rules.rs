//! `[types.X]`: rules of one endpoint.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{Limit, MemberRules, Path};

/// `[types.X]`: rules of the endpoint `X`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TypeRules {
    /// The endpoint as this server spells it, when that is not the name of the section.
    pub endpoint: Option<String>,
    /// What can be done here.
    pub methods: Vec<Action>,
    /// Attributes without which a create is refused.
    pub required: Vec<Path>,
    /// Attributes that the server does not have. They are left out of what is sent, and that is reported.
    pub drop: Vec<Path>,
    /// Attributes that make a request fail. Nothing is sent, the caller gets an error.
    pub refuse: Vec<Path>,
    /// Attributes that are taken by create only.
    pub create_only: Vec<Path>,
    /// Attributes that cannot be removed.
    pub not_removable: Vec<Path>,
    /// Attributes that PATCH can change; all when empty.
    pub patchable: Vec<Path>,
    /// The only values that PATCH can give an attribute, such as `{ active = [false] }`.
    #[cfg_attr(test, schemars(with = "BTreeMap<Path, Vec<serde_json::Value>>"))]
    pub patch_values: BTreeMap<Path, Vec<toml::Value>>,
    /// The operations of PATCH that work.
    pub patch_operations: Vec<PatchVerb>,
    /// The most values that a multi-valued attribute may have.
    pub max_values: BTreeMap<Path, Limit>,
    /// The most values of one `type` that a multi-valued attribute may have.
    pub max_values_per_type: BTreeMap<Path, Limit>,
    /// The only `type` words of a multi-valued attribute.
    pub value_types: BTreeMap<Path, Vec<String>>,
    /// Multi-valued attributes one value of which must be primary, such as the only e-mail address.
    pub primary_needed: Vec<Path>,
    /// The most characters of a text.
    pub max_length: BTreeMap<Path, Limit>,
    /// Texts without white space.
    pub no_spaces: Vec<Path>,
    /// Attributes that no answer has, although they are kept.
    pub never_returned: Vec<Path>,
    /// What DELETE does.
    pub delete_means: DeleteMeans,
    /// After DELETE or deactivation the resource answers 404 although it is still there: look it up by filter before a
    /// new one is made, and expect that its name is taken.
    pub inactive_answers_404: bool,
    /// What a 404 does not prove for these actions, unless a GET says 404 too.
    pub confirm_not_found: Vec<Action>,
    /// Attributes that the `id` follows: when one of them is changed, its new value is the new `id`.
    pub id_follows: Vec<Path>,
    /// The server acts later than it answers: read again before a difference is called an error.
    pub eventual: bool,
    /// A list without filter is no list of everything; it is not asked for.
    pub list_needs_filter: bool,
    /// Pages of this endpoint.
    pub page: PageRules,
    /// Filters of this endpoint.
    pub filter: FilterRules,
    /// Members of groups.
    pub members: MemberRules,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for TypeRules {
    fn default() -> Self {
        Self {
            endpoint: None,
            methods: Action::ALL.to_vec(),
            required: Vec::new(),
            drop: Vec::new(),
            refuse: Vec::new(),
            create_only: Vec::new(),
            not_removable: Vec::new(),
            patchable: Vec::new(),
            patch_values: BTreeMap::new(),
            patch_operations: vec![PatchVerb::Add, PatchVerb::Remove, PatchVerb::Replace],
            max_values: BTreeMap::new(),
            max_values_per_type: BTreeMap::new(),
            value_types: BTreeMap::new(),
            primary_needed: Vec::new(),
            max_length: BTreeMap::new(),
            no_spaces: Vec::new(),
            never_returned: Vec::new(),
            delete_means: DeleteMeans::Removes,
            inactive_answers_404: false,
            confirm_not_found: vec![Action::Replace],
            id_follows: Vec::new(),
            eventual: false,
            list_needs_filter: false,
            page: PageRules::default(),
            filter: FilterRules::default(),
            members: MemberRules::default(),
            source: Vec::new(),
        }
    }
}

/// What can be done at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Action {
    /// `POST /X`
    Create,
    /// `GET /X/{id}`
    Read,
    /// `GET /X`
    List,
    /// `POST /X/.search`
    Search,
    /// `PUT /X/{id}`
    Replace,
    /// `PATCH /X/{id}`
    Patch,
    /// `DELETE /X/{id}`
    Delete,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Read,
        Self::List,
        Self::Search,
        Self::Replace,
        Self::Patch,
        Self::Delete,
    ];

    /// Whether it changes something.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Patch | Self::Delete)
    }

    /// The method on the wire.
    #[must_use]
    pub const fn method(self) -> http::Method {
        match self {
            Self::Create | Self::Search => http::Method::POST,
            Self::Read | Self::List => http::Method::GET,
            Self::Replace => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }

    /// The word in profiles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::List => "list",
            Self::Search => "search",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operation of PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PatchVerb {
    /// `add`
    Add,
    /// `remove`
    Remove,
    /// `replace`
    Replace,
}

/// What DELETE does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum DeleteMeans {
    /// The resource is gone.
    #[default]
    Removes,
    /// The resource stays and is inactive.
    Deactivates,
    /// The account is suspended and can never be used again; the person needs a new one.
    SuspendsForEver,
}

impl DeleteMeans {
    /// The word in profiles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Removes => "removes",
            Self::Deactivates => "deactivates",
            Self::SuspendsForEver => "suspends-for-ever",
        }
    }
}

/// `[types.X.page]`: pages of one endpoint, where they differ from `[paging]`.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PageRules {
    /// Resources on a page.
    pub max_size: Option<Limit>,
    /// Resources on a page of a request that has `attributes`, none of them of `small-with`.
    pub max_size_with_attributes: Option<Limit>,
    /// Attributes that keep the page at `max-size` when they are asked for.
    pub small_with: Vec<Path>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// `[types.X.filter]`: filters of one endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FilterRules {
    /// Operators; all when empty.
    pub operators: Vec<Operator>,
    /// Attributes of an operator: `{ eq = ["userName"] }`. Operators that are not named take every attribute.
    pub attributes: BTreeMap<Operator, Vec<Path>>,
    /// What joins comparisons.
    pub logical: Vec<Logical>,
    /// Whether `and` and `or` may stand in one filter; not where a server gives neither precedence.
    pub mixed: bool,
    /// Whether `emails[type eq "work"]` is understood.
    pub brackets: bool,
    /// The operators that `not` may stand in front of; any when empty.
    pub not_before: Vec<Operator>,
    /// Comparisons in one filter.
    pub max_comparisons: Limit,
    /// Comparisons and the words that join them, counted together.
    pub max_nodes: Limit,
    /// Attributes that must be the only comparison of a filter.
    pub alone: Vec<Path>,
    /// Sets of attributes that may be joined; any may when empty.
    pub together: Vec<Vec<Path>>,
    /// Attributes that cannot be asked for without another one of their set.
    pub never_alone: Vec<Path>,
    /// What an empty answer says.
    pub empty_means: EmptyMeans,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for FilterRules {
    fn default() -> Self {
        Self {
            operators: Vec::new(),
            attributes: BTreeMap::new(),
            logical: vec![Logical::And, Logical::Or, Logical::Not],
            mixed: true,
            brackets: true,
            not_before: Vec::new(),
            max_comparisons: Limit::NONE,
            max_nodes: Limit::NONE,
            alone: Vec::new(),
            together: Vec::new(),
            never_alone: Vec::new(),
            empty_means: EmptyMeans::NoMatch,
            source: Vec::new(),
        }
    }
}

/// An operator of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Has a value.
    Pr,
}

impl Operator {
    /// The operator as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Pr => "pr",
        }
    }
}

impl From<scim_core::CompareOp> for Operator {
    fn from(op: scim_core::CompareOp) -> Self {
        use scim_core::CompareOp;
        match op {
            CompareOp::Eq => Self::Eq,
            CompareOp::Ne => Self::Ne,
            CompareOp::Co => Self::Co,
            CompareOp::Sw => Self::Sw,
            CompareOp::Ew => Self::Ew,
            CompareOp::Gt => Self::Gt,
            CompareOp::Ge => Self::Ge,
            CompareOp::Lt => Self::Lt,
            CompareOp::Le => Self::Le,
        }
    }
}

/// A word between comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Logical {
    /// Both.
    And,
    /// One of them.
    Or,
    /// Not.
    Not,
}

/// What an empty answer to a filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum EmptyMeans {
    /// That nothing matches.
    #[default]
    NoMatch,
    /// Nothing: filters that the server does not support are answered in the same way.
    Unknown,
}
