//! Discovery (RFC 7643 section 5 to 7, RFC 7644 section 4): what a server can do, as resources.

use serde::{Deserialize, Serialize};

use crate::event::EventUri;
use crate::name::urn;
use crate::resource::{Object, Resource, Value};
use crate::schema::{ResourceType, Schema};

/// What a service provider supports (RFC 7643 section 5, RFC 9865 section 4, RFC 9967 section 4).
///
/// Made with nothing supported; a server fills in the values that it enforces.
///
/// ```
/// use scim_core::discovery::{AuthenticationScheme, Pagination, ServiceProviderConfig};
/// let config = ServiceProviderConfig::new()
///     .with_patch()
///     .with_bulk(1_000, 1_048_576)
///     .with_filter(200)
///     .with_etag()
///     .with_pagination(Pagination { max_page_size: Some(200), ..Pagination::index_and_cursor() })
///     .with_authentication(AuthenticationScheme::bearer_token().primary());
/// let resource = config.to_resource("https://example.com/scim/v2");
/// assert_eq!(resource.schemas().count(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProviderConfig {
    /// Help for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_uri: Option<String>,
    /// PATCH.
    #[serde(default)]
    pub patch: Supported,
    /// Bulk and its limits.
    #[serde(default)]
    pub bulk: BulkSupport,
    /// Filters and how many results they may yield.
    #[serde(default)]
    pub filter: FilterSupport,
    /// Whether clients may change passwords.
    #[serde(default)]
    pub change_password: Supported,
    /// Sorting.
    #[serde(default)]
    pub sort: Supported,
    /// Versions and conditional requests.
    #[serde(default)]
    pub etag: Supported,
    /// How to authenticate.
    #[serde(default)]
    pub authentication_schemes: Vec<AuthenticationScheme>,
    /// Paging; absent where a server does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// Events; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_events: Option<SecurityEvents>,
}

/// A feature that is there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Supported {
    /// Whether it is.
    #[serde(default)]
    pub supported: bool,
}

/// Bulk and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkSupport {
    /// Whether it is there.
    #[serde(default)]
    pub supported: bool,
    /// Operations in one request.
    #[serde(default)]
    pub max_operations: u64,
    /// Bytes of one request.
    #[serde(default)]
    pub max_payload_size: u64,
}

/// Filters and their limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterSupport {
    /// Whether they are there.
    #[serde(default)]
    pub supported: bool,
    /// Resources in one answer.
    #[serde(default)]
    pub max_results: u64,
}

/// A way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationScheme {
    /// `oauth`, `oauth2`, `oauthbearertoken`, `httpbasic`, `httpdigest`, or another word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The usual name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where it is specified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_uri: Option<String>,
    /// How to use it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_uri: Option<String>,
    /// Whether it is the preferred one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary: bool,
}

fn is_false(b: &bool) -> bool {
    !*b
}

/// How a server pages (RFC 9865 section 4).
///
/// There is no word in it for `previousCursor`: this project's server pages forward only, as the RFC allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Whether there are cursors.
    pub cursor: bool,
    /// Whether there is `startIndex`.
    pub index: bool,
    /// How it pages when a request has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_pagination_method: Option<PaginationMethod>,
    /// Results on a page when a request has no `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_page_size: Option<u64>,
    /// Results on a page whatever the `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_page_size: Option<u64>,
    /// Seconds that a cursor is good for, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_timeout: Option<u64>,
}

/// A way to page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PaginationMethod {
    /// RFC 9865.
    Cursor,
    /// RFC 7644 section 3.4.2.4.
    Index,
}

impl Pagination {
    /// Both ways, by index when a request says nothing: what servers that had index paging first should do (RFC 9865
    /// section 2.4).
    pub fn index_and_cursor() -> Self {
        Self {
            cursor: true,
            index: true,
            default_pagination_method: Some(PaginationMethod::Index),
            default_page_size: None,
            max_page_size: None,
            cursor_timeout: None,
        }
    }
}

/// What a server does about security events (RFC 9967 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityEvents {
    /// Whether requests can be answered later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub async_request: Option<AsyncRequest>,
    /// The events that it can send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_uris: Vec<EventUri>,
}

/// When a server answers asynchronously; any letter case is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum AsyncRequest {
    /// Never.
    None,
    /// When it takes long.
    Long,
    /// When the client asks for it.
    Request,
}

impl TryFrom<String> for AsyncRequest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "long" => Ok(Self::Long),
            "request" => Ok(Self::Request),
            _ => Err("asyncRequest is none, long or request"),
        }
    }
}

impl AuthenticationScheme {
    /// OAuth 2.0 bearer tokens (RFC 6750).
    pub fn bearer_token() -> Self {
        Self {
            kind: "oauthbearertoken".to_owned(),
            name: "OAuth Bearer Token".to_owned(),
            description: "Authentication with a bearer token in the Authorization header"
                .to_owned(),
            spec_uri: Some("https://www.rfc-editor.org/info/rfc6750".to_owned()),
            documentation_uri: None,
            primary: false,
        }
    }

    /// The same as the preferred scheme.
    #[must_use]
    pub fn primary(self) -> Self {
        Self { primary: true, ..self }
    }
}

impl ServiceProviderConfig {
    /// Nothing supported.
    pub fn new() -> Self {
        Self::default()
    }

    /// PATCH is supported.
    #[must_use]
    pub fn with_patch(self) -> Self {
        Self { patch: Supported { supported: true }, ..self }
    }

    /// Bulk is supported, within these limits.
    #[must_use]
    pub fn with_bulk(self, max_operations: u64, max_payload_size: u64) -> Self {
        let bulk = BulkSupport { supported: true, max_operations, max_payload_size };
        Self { bulk, ..self }
    }

    /// Filters are supported, with at most so many resources in one answer.
    #[must_use]
    pub fn with_filter(self, max_results: u64) -> Self {
        Self { filter: FilterSupport { supported: true, max_results }, ..self }
    }

    /// Passwords can be changed.
    #[must_use]
    pub fn with_change_password(self) -> Self {
        Self { change_password: Supported { supported: true }, ..self }
    }

    /// Sorting is supported.
    #[must_use]
    pub fn with_sort(self) -> Self {
        Self { sort: Supported { supported: true }, ..self }
    }

    /// Versions are supported.
    #[must_use]
    pub fn with_etag(self) -> Self {
        Self { etag: Supported { supported: true }, ..self }
    }

    /// One more way to authenticate.
    #[must_use]
    pub fn with_authentication(mut self, scheme: AuthenticationScheme) -> Self {
        self.authentication_schemes.push(scheme);
        self
    }

    /// How it pages.
    #[must_use]
    pub fn with_pagination(self, pagination: Pagination) -> Self {
        Self { pagination: Some(pagination), ..self }
    }

    /// What it does about security events.
    #[must_use]
    pub fn with_security_events(self, events: SecurityEvents) -> Self {
        Self { security_events: Some(events), ..self }
    }

    /// Where people find help.
    #[must_use]
    pub fn with_documentation(self, uri: impl Into<String>) -> Self {
        Self { documentation_uri: Some(uri.into()), ..self }
    }

    /// The resource at `/ServiceProviderConfig`. It has no `id`: there is only one (RFC 7643 section 5).
    pub fn to_resource(&self, base_url: &str) -> Resource {
        wire(urn::SERVICE_PROVIDER_CONFIG, None, self, base_url, "ServiceProviderConfig", "")
    }
}

impl ResourceType {
    /// The resource at `/ResourceTypes/{name}` (RFC 7643 section 6).
    pub fn to_resource(&self, base_url: &str) -> Resource {
        let below = format!("s/{}", self.name);
        wire(urn::RESOURCE_TYPE, Some(&self.name), self, base_url, "ResourceType", &below)
    }
}

impl Schema {
    /// The resource at `/Schemas/{id}` (RFC 7643 section 7).
    pub fn to_resource(&self, base_url: &str) -> Resource {
        let below = format!("s/{}", self.id);
        wire(urn::SCHEMA, Some(self.id.as_str()), self, base_url, "Schema", &below)
    }
}

/// Puts the common attributes around what is served.
fn wire(
    schema: &str,
    id: Option<&str>,
    body: &impl Serialize,
    base_url: &str,
    resource_type: &str,
    below: &str,
) -> Resource {
    let mut object = Object::new();
    object.insert("schemas", [schema]);
    if let Some(id) = id {
        object.insert("id", id);
    }
    if let Some(Value::Object(body)) = to_value(body) {
        for (name, value) in body {
            object.insert(&name, value);
        }
    }
    let location = format!("{}/{resource_type}{below}", base_url.trim_end_matches('/'));
    let meta: Object =
        [("resourceType", resource_type), ("location", &location)].into_iter().collect();
    object.insert("meta", meta);
    Resource::from(object)
}

/// The value that something is written as, members in the order in which they are written. `None` never occurs for
/// plain structs with string keys.
pub(crate) fn to_value(body: &impl Serialize) -> Option<Value> {
    let text = serde_json::to_string(body).ok()?;
    serde_json::from_str(&text).ok()
}
