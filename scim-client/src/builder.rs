//! How a client is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use url::{Host, Url};

use crate::auth::Auth;
use crate::client::Client;
use crate::clock::{Clock, Jitter, SystemClock, SystemJitter};
use crate::error::Error;
use crate::retry::RetryPolicy;
use crate::target::TargetProfile;
use crate::transport::Transport;

/// Settings of a [`Client`]; made by [`Client::builder`].
#[must_use]
pub struct ClientBuilder {
    base: String,
    auth: Auth,
    transport: Option<Arc<dyn Transport>>,
    target: TargetProfile,
    retry: RetryPolicy,
    deadline: Duration,
    user_agent: String,
    plain_http: bool,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Jitter>,
}

/// The parts of a client, checked.
pub(crate) struct Parts {
    pub(crate) base: Url,
    pub(crate) auth: Auth,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) target: TargetProfile,
    pub(crate) retry: RetryPolicy,
    pub(crate) deadline: Duration,
    pub(crate) user_agent: HeaderValue,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jitter: Arc<dyn Jitter>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("auth", &self.auth)
            .field("target", &self.target)
            .field("retry", &self.retry)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            auth: Auth::None,
            transport: None,
            target: TargetProfile::default(),
            retry: RetryPolicy::default(),
            deadline: Duration::from_secs(120),
            user_agent: concat!("scim-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            plain_http: false,
            clock: Arc::new(SystemClock),
            jitter: Arc::new(SystemJitter),
        }
    }

    /// How the client shows who it is; not at all without this.
    pub fn auth(mut self, auth: impl Into<Auth>) -> Self {
        self.auth = auth.into();
        self
    }

    /// What carries the requests; without this reqwest over rustls, where the feature `reqwest` is on.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// What is known about the peer; nothing special without this.
    pub fn target(mut self, target: TargetProfile) -> Self {
        self.target = target;
        self
    }

    /// How often and how fast requests are repeated.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How long one call may take, with all its attempts, waits and the fetching of tokens: 2 minutes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The `User-Agent`, which some servers insist on: `scim-client/` and the version.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sends credentials over unencrypted HTTP also to other machines, where everyone on the way can read them.
    pub fn dangerous_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Where the time of day comes from.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where chance comes from.
    pub fn jitter(mut self, jitter: impl Jitter) -> Self {
        self.jitter = Arc::new(jitter);
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Target`] for a base URL, credentials or a missing `User-Agent` that the target does not take,
    /// [`Error::Request`] when the base URL is none, [`Error::Auth`] when the credentials cannot be used,
    /// [`Error::Transport`] when the default transport cannot be set up.
    pub fn build(self) -> Result<Client, Error> {
        let base = base_url(&self.base)?;
        self.target.admits_base(&base)?;
        if let Some(kind) = self.auth.kind() {
            self.target.admits_auth(kind)?;
        }
        if self.user_agent.is_empty() {
            self.target.admits_no_user_agent()?;
        }
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|_| wrong("the user agent holds characters that no header can carry"))?;
        let own_transport = self.transport.is_none();
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport()?,
        };
        let secret = !matches!(self.auth, Auth::None);
        if own_transport
            && secret
            && !self.plain_http
            && base.scheme() == "http"
            && !is_local(&base)
        {
            return Err(wrong(
                "the base URL is http: and everyone on the way could read the credentials; use https:, or allow it \
                 with dangerous_plain_http()",
            ));
        }
        Client::from_parts(Parts {
            base,
            auth: match self.auth {
                Auth::OAuth2(oauth2) => {
                    Auth::OAuth2(oauth2.or_scopes(&self.target.fields().auth.scopes))
                }
                other => other,
            },
            transport,
            target: self.target,
            retry: self.retry,
            deadline: self.deadline,
            user_agent,
            clock: self.clock,
            jitter: self.jitter,
        })
    }
}

fn wrong(text: &str) -> Error {
    Error::Request(text.to_owned())
}

/// Reads the base URL; its path ends without a slash.
fn base_url(text: &str) -> Result<Url, Error> {
    let mut url = Url::parse(text.trim()).map_err(|e| {
        Error::Request(format!("the base URL is not valid, as https://host/scim/v2 would be: {e}"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("the base URL must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the base URL holds credentials; give them with auth()"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("the base URL has a query or a fragment; it must end with the path"));
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
    }
    Ok(url)
}

/// Whether the URL leads to this machine.
pub(crate) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Result<Arc<dyn Transport>, Error> {
    match crate::transport::ReqwestTransport::builder().build() {
        Ok(transport) => Ok(Arc::new(transport)),
        Err(source) => Err(Error::Transport { source, attempts: 0 }),
    }
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Result<Arc<dyn Transport>, Error> {
    Err(wrong("the client has no transport: give one, or switch on the feature reqwest"))
}
