//! What a profile changes in what is sent.

mod at;
mod body;
mod filter;
mod members;
mod patch;

use http::{HeaderValue, Method};
use scim_core::{AttrName, AttrPath, Filter, Object, Patch, Value};
use url::Url;

pub use body::ShapedBody;
pub(crate) use members::{addition, removals};
pub use patch::ShapedPatch;
pub(crate) use patch::members_in;

use super::fields::{
    Action, AuthKind, DeleteMeans, DiscoveryPart, Limit, Parameter, UserAgentRule,
};
use super::{TargetProfile, Unsupported};

impl TargetProfile {
    /// Whether this can be done at this endpoint.
    ///
    /// # Errors
    /// [`Unsupported`], with what can be done instead.
    pub fn admits_action(&self, endpoint: &str, action: Action) -> Result<(), Unsupported> {
        let name = endpoint.trim_matches('/');
        let features = &self.fields().features;
        let absent = |feature: Option<bool>, what: &str| match feature {
            Some(false) => Err(self.unsupported(what)),
            _ => Ok(()),
        };
        // Endpoints of the protocol, which no resource type describes.
        match name {
            "" => return absent(features.root_query, "queries over all types"),
            "Bulk" => return absent(features.bulk, "bulk"),
            "Me" => return absent(features.me, "/Me"),
            ".search" => return absent(features.search, "searches by POST"),
            _ if self.is_discovery(name) => return Ok(()),
            _ => {}
        }
        if action == Action::Search {
            absent(features.search, "searches by POST; ask with list")?;
        }
        let rules = self.rules(endpoint);
        if rules.methods.contains(&action) {
            return Ok(());
        }
        let has = |action| rules.methods.contains(&action);
        let instead = match action {
            Action::Replace if has(Action::Patch) => "; send the difference by patch",
            Action::Patch if has(Action::Replace) => "; send the whole resource by replace",
            Action::Search if has(Action::List) => "; ask with list",
            Action::Delete if has(Action::Patch) || has(Action::Replace) => "; deactivate it",
            _ => "",
        };
        let text = match rules.methods.is_empty() {
            true => format!("it has no endpoint {name}"),
            false => format!("{action} of {name}{instead}"),
        };
        Err(self.unsupported(text))
    }

    /// The name of the endpoint as this server spells it.
    #[must_use]
    pub fn endpoint<'a>(&'a self, endpoint: &'a str) -> &'a str {
        let name = endpoint.trim_matches('/');
        self.rules(name).endpoint.as_deref().unwrap_or(name)
    }

    /// Whether the base URL can be one of this server.
    ///
    /// # Errors
    /// [`Unsupported`] for a host, scheme or path that the server cannot have.
    pub fn admits_base(&self, base: &Url) -> Result<(), Unsupported> {
        let rules = &self.fields().server;
        if rules.https_only && base.scheme() != "https" && !is_loopback(base) {
            return Err(self.unsupported("a base URL without https"));
        }
        if rules.no_underscore_in_host && base.host_str().is_some_and(|host| host.contains('_')) {
            return Err(self.unsupported("a host name with an underscore; write it with a hyphen"));
        }
        let path: Vec<&str> = base.path().split('/').filter(|s| !s.is_empty()).collect();
        let fits = |pattern: &String| {
            let pattern: Vec<&str> = pattern.split('/').filter(|s| !s.is_empty()).collect();
            path.len() >= pattern.len()
                && path[path.len() - pattern.len()..]
                    .iter()
                    .zip(&pattern)
                    .all(|(part, wanted)| *wanted == "*" || part == wanted)
        };
        if rules.base_path.is_empty() || rules.base_path.iter().any(fits) || is_loopback(base) {
            return Ok(());
        }
        Err(self.unsupported(format!(
            "the base URL {base}; its path ends with {} there, in this spelling",
            rules.base_path.join(" or ")
        )))
    }

    /// Whether the server takes this kind of credentials.
    ///
    /// # Errors
    /// [`Unsupported`], with the kinds that it takes.
    pub fn admits_auth(&self, kind: AuthKind) -> Result<(), Unsupported> {
        let kinds = &self.fields().auth.kinds;
        match kinds.is_empty() || kinds.contains(&kind) {
            true => Ok(()),
            false => Err(self.unsupported(format!("{kind:?} credentials; it takes {kinds:?}"))),
        }
    }

    /// Whether a client may send no `User-Agent`.
    ///
    /// # Errors
    /// [`Unsupported`] when the server refuses requests without.
    pub fn admits_no_user_agent(&self) -> Result<(), Unsupported> {
        match self.fields().http.user_agent {
            UserAgentRule::Optional => Ok(()),
            UserAgentRule::Required => Err(self.unsupported("requests without User-Agent")),
        }
    }

    /// The `Accept` header for this method.
    #[must_use]
    pub fn accept(&self, method: &Method) -> Option<HeaderValue> {
        let http = &self.fields().http;
        let value = http.accept_by_method.get(method.as_str()).unwrap_or(&http.accept);
        HeaderValue::try_from(value).ok()
    }

    /// The `Content-Type` of what is sent.
    #[must_use]
    pub fn content_type(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&self.fields().http.content_type).ok()
    }

    /// The last part of the path of a discovery endpoint; `None` when the server has none.
    #[must_use]
    pub fn discovery_path(&self, part: DiscoveryPart) -> Option<&str> {
        let discovery = &self.fields().discovery;
        discovery.served.contains(&part).then_some(match part {
            DiscoveryPart::ServiceProviderConfig => &discovery.service_provider_config,
            DiscoveryPart::ResourceTypes => "ResourceTypes",
            DiscoveryPart::Schemas => "Schemas",
        })
    }

    /// Whether this endpoint can be queried so.
    ///
    /// # Errors
    /// As [`admits`](Self::admits), and for a list without filter where the server has none.
    pub fn admits_query(&self, endpoint: &str, filter: Option<&Filter>) -> Result<(), Unsupported> {
        match filter {
            Some(filter) => self.admits(endpoint, filter),
            None if self.rules(endpoint).list_needs_filter => {
                let name = endpoint.trim_matches('/');
                Err(self.unsupported(format!("a list of {name} without filter")))
            }
            None => Ok(()),
        }
    }

    /// Whether the server shows an attribute that it keeps. If not, its absence from an answer says nothing.
    #[must_use]
    pub fn shows(&self, endpoint: &str, path: &AttrPath) -> bool {
        !self.rules(endpoint).never_returned.iter().any(|hidden| hidden.covers(path))
    }

    /// Whether the discovery endpoints want credentials too.
    #[must_use]
    pub fn wants_credentials(&self, endpoint: &str) -> bool {
        self.fields().auth.discovery_needs_token || !self.is_discovery(endpoint)
    }

    /// Whether it is an endpoint of RFC 7644 section 4, as the RFC or the server spells it.
    fn is_discovery(&self, endpoint: &str) -> bool {
        DISCOVERY.contains(&endpoint) || endpoint == self.fields().discovery.service_provider_config
    }

    /// Whether queries may have this parameter.
    ///
    /// # Errors
    /// [`Unsupported`] when the server refuses or ignores it.
    pub fn admits_parameter(&self, parameter: Parameter) -> Result<(), Unsupported> {
        let sorts = matches!(parameter, Parameter::SortBy | Parameter::SortOrder);
        let unsorted = sorts && self.fields().features.sort == Some(false);
        match unsorted || self.fields().query.refused.contains(&parameter) {
            true => {
                Err(self.unsupported(format!("the parameter {} in queries", parameter.as_str())))
            }
            false => Ok(()),
        }
    }

    /// The most resources on a page of this endpoint, for a request with these `attributes`.
    #[must_use]
    pub fn page_limit(&self, endpoint: &str, attributes: &[AttrPath]) -> Option<usize> {
        let page = &self.rules(endpoint).page;
        let small = attributes.iter().any(|a| page.small_with.iter().any(|small| small.covers(a)));
        let large = page.max_size_with_attributes.filter(|_| !attributes.is_empty() && !small);
        large.or(page.max_size).or(self.fields().paging.max_size).and_then(Limit::get)
    }

    /// The `count` to send: what was asked for, within what the server takes. `count=0` becomes 1 where the server does
    /// not know it.
    #[must_use]
    pub fn count(&self, endpoint: &str, attributes: &[AttrPath], wanted: u64) -> u64 {
        if wanted == 0 {
            return u64::from(!self.fields().paging.zero_count);
        }
        match self.page_limit(endpoint, attributes) {
            Some(limit) => wanted.min(limit as u64),
            None => wanted,
        }
    }

    /// How a resource of this endpoint is made inactive.
    #[must_use]
    pub fn deactivation(&self, endpoint: &str) -> Deactivation {
        let rules = self.rules(endpoint);
        let active = AttrName::new("active").map(AttrPath::from);
        let Ok(active) = active else { return Deactivation::Impossible };
        let patchable =
            rules.patchable.is_empty() || rules.patchable.iter().any(|path| path.covers(&active));
        if rules.methods.contains(&Action::Patch) && patchable {
            Deactivation::Patch(Patch::new().replace(active.into(), false))
        } else if rules.methods.contains(&Action::Replace) {
            Deactivation::Replace
        } else if rules.delete_means == DeleteMeans::Deactivates {
            Deactivation::Delete
        } else {
            Deactivation::Impossible
        }
    }

    /// The `id` that a resource has after this PATCH message; `None` when it stays as it is.
    #[must_use]
    pub fn id_after(&self, endpoint: &str, message: &Object) -> Option<String> {
        let follows = &self.rules(endpoint).id_follows;
        let operations = message.get("Operations").map(Value::values).unwrap_or_default().iter();
        let mut news = operations.filter_map(|operation| {
            let operation = operation.as_object()?;
            let value = operation.get("value")?;
            match operation.get_str("path") {
                Some(path) => {
                    let path: AttrPath = path.parse().ok()?;
                    follows.iter().any(|follow| follow.is(&path)).then(|| value.as_str()).flatten()
                }
                None => {
                    let names = follows.iter().map(ToString::to_string);
                    names.into_iter().find_map(|name| value.as_object()?.get_str(&name))
                }
            }
        });
        news.next_back().map(str::to_owned)
    }

    /// Whether a 404 for this action is believed only when a GET says the same.
    #[must_use]
    pub fn confirms_not_found(&self, endpoint: &str, action: Action) -> bool {
        self.rules(endpoint).confirm_not_found.contains(&action)
    }
}

/// The endpoints of RFC 7644 section 4, and the plural of SCIM 1.1.
const DISCOVERY: [&str; 4] =
    ["ServiceProviderConfig", "ServiceProviderConfigs", "ResourceTypes", "Schemas"];

/// How a resource is made inactive; see [`TargetProfile::deactivation`].
#[derive(Clone, Debug, PartialEq)]
pub enum Deactivation {
    /// By this PATCH.
    Patch(Patch),
    /// By a PUT of the whole resource with `active` false.
    Replace,
    /// DELETE does it, and does no more.
    Delete,
    /// The server has no way.
    Impossible,
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
