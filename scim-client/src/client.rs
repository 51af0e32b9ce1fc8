//! The client: a handle over one peer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use scim_core::{Contact, Group, Resource, User};
use tokio::sync::OnceCell;
use url::Url;

use crate::auth::Authorize;
use crate::builder::{ClientBuilder, Parts};
use crate::clock::{Clock, Jitter};
use crate::discovery::Discovery;
use crate::error::Error;
use crate::me::Me;
use crate::resources::{Place, Resources, TypedResource, View};
use crate::retry::{RetryBudget, RetryPolicy};
use crate::target::{Budget, Capabilities, TargetProfile};
use crate::transport::Transport;

/// A client of one SCIM service.
///
/// Clones are cheap and share connections, token, rate budget and what is known about the service.
///
/// **What is repeated.** A request is made again after a failure that may pass, as often and as fast as the
/// [`RetryPolicy`] says and never past the deadline of the call, and only where that is safe:
///
/// | | connection refused, 425, 429 | answer lost, 408, 500, 502, 503, 504 |
/// |---|---|---|
/// | read, search | again | again |
/// | replace, delete | again | again; a delete that then finds nothing has succeeded |
/// | patch | again | again if its operations do the same twice, else it is left to the caller |
/// | create | again | looked up first, by `userName`, `externalId` or what else tells the resource; found, that is the answer; without such an attribute it is left to the caller |
///
/// A 429, and a 503 with `Retry-After`, are waited out up to the deadline.
///
/// **What is never done.** Redirects are not followed; URLs in answers that lead to another origin are not followed;
/// credentials go nowhere else than to the base URL, and appear in no error, log or `Debug`.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) base: Url,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) auth: Option<Arc<dyn Authorize>>,
    pub(crate) target: TargetProfile,
    pub(crate) budget: Budget,
    pub(crate) retry: RetryPolicy,
    pub(crate) retries: RetryBudget,
    pub(crate) deadline: Duration,
    pub(crate) user_agent: HeaderValue,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jitter: Arc<dyn Jitter>,
    capabilities: OnceCell<Arc<Capabilities>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.inner.base.as_str())
            .field("auth", &self.inner.auth)
            .field("target", &self.inner.target.name())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts with the base URL of the service, to which `/Users` is appended.
    pub fn builder(base: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(base.as_ref())
    }

    pub(crate) fn from_parts(parts: Parts) -> Result<Self, Error> {
        let inner = Inner {
            base: parts.base,
            transport: parts.transport,
            auth: parts.auth.into_provider()?,
            budget: Budget::new(&parts.target),
            target: parts.target,
            retries: RetryBudget::new(&parts.retry),
            retry: parts.retry,
            deadline: parts.deadline,
            user_agent: parts.user_agent,
            clock: parts.clock,
            jitter: parts.jitter,
            capabilities: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The users.
    #[must_use]
    pub fn users(&self) -> Resources<User> {
        self.of()
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> Resources<Group> {
        self.of()
    }

    /// The contacts: a resource type of this project's server.
    #[must_use]
    pub fn contacts(&self) -> Resources<Contact> {
        self.of()
    }

    /// The resources of a type that is known at compile time.
    #[must_use]
    pub fn of<T: TypedResource>(&self) -> Resources<T> {
        Resources::new(self.clone(), Place::endpoint(T::ENDPOINT), T::LOOKUP)
    }

    /// The resources at this endpoint, without types: `"Users"` or `"/Devices"`, as `ResourceTypes` names it. The empty
    /// text is the root, where all types can be searched.
    #[must_use]
    pub fn resources(&self, endpoint: &str) -> Resources<Resource> {
        Resources::new(self.clone(), Place::endpoint(endpoint), crate::resources::UNTYPED_LOOKUP)
    }

    /// The resource that stands for the one who is authenticated (RFC 7644 section 3.11).
    #[must_use]
    pub fn me(&self) -> Me {
        Me::new(self.clone())
    }

    /// What the service says about itself (RFC 7644 section 4).
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        Discovery::new(self.clone())
    }

    /// What the service can do: what it announces, corrected by the target's profile. It is asked once; a service
    /// without `ServiceProviderConfig` announces nothing.
    ///
    /// # Errors
    /// As any request; a failure is not kept, the next call asks again.
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>, Error> {
        let work_out = async || {
            let announced = match self.discovery().service_provider_config().await {
                Ok(config) => Some(config),
                Err(error) if announces_nothing(&error) => None,
                Err(error) => return Err(error),
            };
            Ok(Arc::new(Capabilities::from_service_provider_config(
                announced.as_ref(),
                &self.inner.target,
            )))
        };
        self.inner.capabilities.get_or_try_init(work_out).await.cloned()
    }

    /// Reads the resource at a URL that the service gave, such as a `$ref` or `meta.location`; relative ones stand
    /// below the base URL.
    ///
    /// # Errors
    /// [`Error::Request`] when the URL leads to another origin or outside of the base URL: it is not followed, since the
    /// credentials would go there too.
    pub async fn follow<T: View>(&self, url: &str) -> Result<T, Error> {
        let place = Place::from_url(&self.inner.base, url)?;
        crate::request::Get::new(self.clone(), place).await
    }

    /// What is known about the peer.
    #[must_use]
    pub fn target(&self) -> &TargetProfile {
        &self.inner.target
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.inner.base
    }
}

/// Whether a service that answers so has no `ServiceProviderConfig`.
fn announces_nothing(error: &Error) -> bool {
    let rejected = match error {
        Error::Scim(rejected) => rejected,
        // The profile knows that there is none.
        Error::Target(_) => return true,
        _ => return false,
    };
    matches!(
        rejected.status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}
