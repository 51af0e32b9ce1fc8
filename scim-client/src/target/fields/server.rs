//! Sections that hold for the whole server.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Limit, Path};

/// `[server]`: what the base URL must look like.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServerRules {
    /// What the path of the base URL ends with, in exactly this spelling. `*` stands for one segment.
    pub base_path: Vec<String>,
    /// Host names may not hold an underscore.
    pub no_underscore_in_host: bool,
    /// Only `https`.
    pub https_only: bool,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// `[auth]`: what the server takes as credentials.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuthRules {
    /// The ways that work; any when the list is empty.
    pub kinds: Vec<AuthKind>,
    /// What to ask an OAuth token for, when the configuration names no scope.
    pub scopes: Vec<String>,
    /// Whether the discovery endpoints ask for credentials too.
    pub discovery_needs_token: bool,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for AuthRules {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            scopes: Vec::new(),
            discovery_needs_token: true,
            source: Vec::new(),
        }
    }
}

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum AuthKind {
    /// A token made by hand in the server.
    Bearer,
    /// Name and password.
    Basic,
    /// A token by OAuth 2.0 client credentials.
    Oauth2,
    /// A client certificate.
    Certificate,
}

/// `[http]`: headers and media types.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HttpRules {
    /// The `Accept` header.
    pub accept: String,
    /// The `Accept` header of some methods, such as `{ DELETE = "*/*" }`.
    pub accept_by_method: BTreeMap<String, String>,
    /// The `Content-Type` of what is sent.
    pub content_type: String,
    /// Whether requests without `User-Agent` are refused. One is sent in any case, unless it was switched off.
    pub user_agent: UserAgentRule,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for HttpRules {
    fn default() -> Self {
        Self {
            accept: "application/scim+json, application/json;q=0.9".to_owned(),
            accept_by_method: BTreeMap::new(),
            content_type: "application/scim+json".to_owned(),
            user_agent: UserAgentRule::Optional,
            source: Vec::new(),
        }
    }
}

/// Whether a server wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum UserAgentRule {
    /// It does not matter.
    Optional,
    /// A client that sends none cannot be built for this target.
    Required,
}

/// `[discovery]`: what can be asked about the server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Discovery {
    /// What is there; nothing else is asked for.
    pub served: Vec<DiscoveryPart>,
    /// The last part of the path of the service provider configuration; some servers kept the plural of SCIM 1.1.
    pub service_provider_config: String,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for Discovery {
    fn default() -> Self {
        use DiscoveryPart::{ResourceTypes, Schemas, ServiceProviderConfig};
        Self {
            served: vec![ServiceProviderConfig, ResourceTypes, Schemas],
            service_provider_config: "ServiceProviderConfig".to_owned(),
            source: Vec::new(),
        }
    }
}

/// A discovery endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum DiscoveryPart {
    /// `/ServiceProviderConfig`
    ServiceProviderConfig,
    /// `/ResourceTypes`
    ResourceTypes,
    /// `/Schemas`
    Schemas,
}

/// `[features]`: corrects what ServiceProviderConfig says. What is absent here is taken from there.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Features {
    /// PATCH.
    pub patch: Option<bool>,
    /// Bulk.
    pub bulk: Option<bool>,
    /// Operations in one bulk request.
    pub bulk_max_operations: Option<Limit>,
    /// Bytes of one bulk request.
    pub bulk_max_bytes: Option<Limit>,
    /// Filters.
    pub filter: Option<bool>,
    /// Resources that one query yields at most.
    pub filter_max_results: Option<Limit>,
    /// Sorting.
    pub sort: Option<bool>,
    /// Versions and conditional requests.
    pub etag: Option<bool>,
    /// Changing passwords.
    pub change_password: Option<bool>,
    /// `/Me`.
    pub me: Option<bool>,
    /// `POST /.search`.
    pub search: Option<bool>,
    /// Queries over all types at the base URL.
    pub root_query: Option<bool>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// `[paging]`: how lists come in pages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Paging {
    /// By `startIndex`; as announced when absent, and yes when that says nothing either.
    pub index: Option<bool>,
    /// By cursor (RFC 9865); as announced when absent, and no when that says nothing either.
    pub cursor: Option<bool>,
    /// Resources on a page when the request does not say.
    pub default_size: Option<Limit>,
    /// Resources on a page whatever the request says.
    pub max_size: Option<Limit>,
    /// The first request must carry an empty `cursor`, or there will be no second page.
    pub empty_first_cursor: bool,
    /// Whether `count=0` is understood.
    pub zero_count: bool,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            index: None,
            cursor: None,
            default_size: None,
            max_size: None,
            empty_first_cursor: false,
            zero_count: true,
            source: Vec::new(),
        }
    }
}

/// `[query]`: parameters of queries.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QueryRules {
    /// Parameters that are refused or ignored; they are never sent.
    pub refused: Vec<Parameter>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// A parameter of a query (RFC 7644 section 3.4.2, RFC 9865 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Parameter {
    /// `filter`
    Filter,
    /// `sortBy`
    SortBy,
    /// `sortOrder`
    SortOrder,
    /// `startIndex`
    StartIndex,
    /// `count`
    Count,
    /// `cursor`
    Cursor,
    /// `attributes`
    Attributes,
    /// `excludedAttributes`
    ExcludedAttributes,
}

impl Parameter {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::SortBy => "sortBy",
            Self::SortOrder => "sortOrder",
            Self::StartIndex => "startIndex",
            Self::Count => "count",
            Self::Cursor => "cursor",
            Self::Attributes => "attributes",
            Self::ExcludedAttributes => "excludedAttributes",
        }
    }
}

/// `[patch]`: the form of PATCH messages. Which attributes may be patched is a matter of the type.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PatchRules {
    /// Whether operations have a `path`.
    pub path: PathStyle,
    /// Attributes in the value of one operation without `path`; more are sent as several operations.
    pub attributes_without_path: Limit,
    /// The spelling of `op`.
    pub op_case: OpCase,
    /// Operations in one request; more are sent as several requests.
    pub max_operations: Limit,
    /// Bytes of one request.
    pub max_bytes: Limit,
    /// Filters in a `path` that are taken, for the attributes named here: `{ addresses = ['type eq "work"'] }`.
    pub path_filters: BTreeMap<Path, Vec<String>>,
    /// Where these facts come from.
    pub source: Vec<String>,
}

/// Whether operations have a `path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PathStyle {
    /// As the caller wrote them.
    #[default]
    AsGiven,
    /// Always: an operation without becomes one with a path for each attribute.
    Required,
    /// Never: a path becomes a member of the value.
    Omitted,
}

/// The spelling of `op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum OpCase {
    /// `add`
    #[default]
    Lower,
    /// `Add`
    Capital,
}
