//! The server as a library: build it, then nest its router in an axum application or serve it on its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use scim_core::query::{CursorCodec, CursorKey};
use scim_core::{Limits, Profile, Registry};

use crate::app::{App, Settings, ToleranceCounts};
use crate::assembled::Links;
use crate::auth::password::{PasswordConfig, PasswordError, PasswordHasher};
use crate::auth::throttle::Throttle;
use crate::auth::{Authenticator, TenantId};
use crate::clock::{Clock, IdSource, SystemClock, SystemIds};
use crate::http::{self, Mount, Room, Secrets};
use crate::service::KeyLocks;
use crate::store::ResourceStore;

/// A SCIM server: resource types, a store, and who may enter.
///
/// ```no_run
/// use std::sync::Arc;
/// use scim_server::auth::StaticToken;
/// use scim_server::clock::{Clock, SystemClock};
/// use scim_server::store::MemoryStore;
/// use scim_server::{Registry, ScimServer};
///
/// let registry = Arc::new(Registry::standard());
/// let server = ScimServer::builder(Arc::clone(&registry))
///     .store(MemoryStore::new(registry, SystemClock::new().now()))
///     .authenticator(StaticToken::new(&"a-token-of-enough-characters".into())?)
///     .base_url("https://app.example/scim/v2")
///     .build()?;
/// let app: axum::Router = axum::Router::new().nest("/scim/v2", server.router());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScimServer {
    app: Arc<App>,
    base_url: String,
}

/// Pages of the largest size that may be on their way to slow clients at the same time.
const PAGES_AT_ONCE: usize = 16;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A part that has no default is missing.
    #[error("the server needs {0}")]
    Missing(&'static str),
    /// The base URL cannot be the start of a resource's URL.
    #[error("the base URL must be absolute, http or https, and have no query or fragment")]
    BaseUrl,
    /// The costs of password hashing are out of range.
    #[error("password hashing cannot be set up")]
    Passwords(#[from] PasswordError),
}

/// Collects the parts of a [`ScimServer`].
#[derive(Debug)]
pub struct Builder {
    registry: Arc<Registry>,
    store: Option<Arc<dyn ResourceStore>>,
    authenticator: Option<Arc<dyn Authenticator>>,
    base_url: String,
    limits: Limits,
    settings: Settings,
    cursor_key: Option<[u8; 32]>,
    clock: Arc<dyn Clock>,
    ids: Option<Arc<dyn IdSource>>,
}

impl ScimServer {
    /// Starts with the resource types that the server is to have.
    #[must_use]
    pub fn builder(registry: Arc<Registry>) -> Builder {
        Builder {
            registry,
            store: None,
            authenticator: None,
            base_url: "http://127.0.0.1:8080/scim/v2".to_owned(),
            limits: Limits::default(),
            settings: Settings {
                profile: Profile::default(),
                default_page: 100,
                max_page: 1000,
                page_bytes: 16 << 20,
                cursor_seconds: 3600,
                open_discovery: false,
                trace_requests: false,
            },
            cursor_key: None,
            clock: Arc::new(SystemClock::new()),
            ids: None,
        }
    }

    /// The endpoints of the default tenant, to be nested where the base URL says.
    pub fn router(&self) -> Router {
        let mount = self.mount(TenantId::default(), self.base_url.clone());
        Router::new().fallback(move |request: Request| {
            let mount = mount.clone();
            async move {
                let path = request.uri().path().to_owned();
                http::serve(Arc::clone(&mount.app), Some(mount), Some(&path), request).await
            }
        })
    }

    /// The whole service on its own: the default tenant under `base_path`, others under `/t/{tenant}{base_path}`, and
    /// `/health/live` and `/health/ready`. `origin` is the public URL in front of those paths. Answers of more than a
    /// kibibyte are compressed for clients that accept gzip.
    pub fn service(&self, origin: &str, base_path: &str) -> Router {
        let origin = origin.trim_end_matches('/').to_owned();
        let default = self.mount(TenantId::default(), format!("{origin}{base_path}"));
        // axum clones the handler for every request.
        let places = Arc::new(Places {
            server: self.clone(),
            default,
            origin,
            base_path: base_path.to_owned(),
        });
        let endpoints = move |request: Request| {
            let place = places.find(request.uri().path());
            async move {
                let (app, mount, path) = place;
                let answer =
                    async move |request| http::serve(app, mount, path.as_deref(), request).await;
                http::compressed(request, answer).await
            }
        };
        http::health_routes(Arc::clone(&self.app)).fallback(endpoints)
    }

    /// Lets `/health/ready` say no from now on: the process is about to end.
    pub fn drain(&self) {
        self.app.draining.store(true, Ordering::Relaxed);
    }

    /// The tolerances that were used since the start, by name, with how often.
    #[must_use]
    pub fn tolerated(&self) -> Vec<(&'static str, u64)> {
        self.app.tolerated.used().into_iter().map(|(t, n)| (t.name(), n)).collect()
    }

    fn mount(&self, tenant: TenantId, base_url: String) -> Mount {
        let links = Arc::new(Links::new(base_url, Arc::clone(&self.app.registry)));
        Mount { app: Arc::clone(&self.app), tenant, links }
    }
}

/// Where the tenants' endpoints are.
struct Places {
    server: ScimServer,
    default: Mount,
    origin: String,
    base_path: String,
}

impl Places {
    /// Which tenant a path is for, and what is left of it under that tenant's base path.
    fn find(&self, path: &str) -> (Arc<App>, Option<Mount>, Option<String>) {
        let under = |path: &str| {
            let rest = path.strip_prefix(self.base_path.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let app = Arc::clone(&self.server.app);
        let Some(rest) = path.strip_prefix("/t/") else {
            return (app, Some(self.default.clone()), under(path));
        };
        let (name, rest) =
            rest.split_once('/').map_or((rest, ""), |(name, _)| (name, &rest[name.len()..]));
        let mount = TenantId::new(name).ok().map(|tenant| {
            let base_url = format!("{}/t/{tenant}{}", self.origin, self.base_path);
            self.server.mount(tenant, base_url)
        });
        (app, mount, under(rest))
    }
}

impl Builder {
    /// Where resources live. Required.
    #[must_use]
    pub fn store(self, store: impl ResourceStore) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// Like [`Builder::store`], for a store that others use too.
    #[must_use]
    pub fn shared_store(mut self, store: Arc<dyn ResourceStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Who may enter. Required: there is no default credential.
    #[must_use]
    pub fn authenticator(self, authenticator: impl Authenticator + 'static) -> Self {
        self.shared_authenticator(Arc::new(authenticator))
    }

    /// Like [`Builder::authenticator`], for one that others use too.
    #[must_use]
    pub fn shared_authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// The absolute URL under which [`ScimServer::router`] is reached; `meta.location` and `$ref` start with it. It is
    /// never taken from the `Host` header.
    #[must_use]
    pub fn base_url(mut self, base_url: &str) -> Self {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
        self
    }

    /// Which tolerances are on. [`Profile::default`] without this.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.settings.profile = profile;
        self
    }

    /// Limits of the parsers.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Resources on a page when the client does not say (100), and at most (1,000).
    #[must_use]
    pub fn page_sizes(mut self, default: usize, max: usize) -> Self {
        self.settings.max_page = max.max(1);
        self.settings.default_page = default.clamp(1, self.settings.max_page);
        self
    }

    /// About how many bytes a page may have (16 MiB): it ends before the resource that would make it larger, and the client
    /// goes on from there. All answers over 256 KiB together take at most 16 times as much memory; a client that asks for
    /// one more is told to try again.
    #[must_use]
    pub fn page_bytes(mut self, bytes: usize) -> Self {
        self.settings.page_bytes = bytes;
        self
    }

    /// How long a cursor stays good, in seconds (3,600).
    #[must_use]
    pub fn cursor_seconds(mut self, seconds: u32) -> Self {
        self.settings.cursor_seconds = seconds;
        self
    }

    /// The key that authenticates cursors. Without one each process makes its own, and cursors end with it.
    #[must_use]
    pub fn cursor_key(mut self, key: [u8; 32]) -> Self {
        self.cursor_key = Some(key);
        self
    }

    /// Whether `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` answer without a credential (no).
    #[must_use]
    pub fn open_discovery(mut self, open: bool) -> Self {
        self.settings.open_discovery = open;
        self
    }

    /// Whether to log each exchange, with secrets masked (no).
    #[must_use]
    pub fn trace_requests(mut self, trace: bool) -> Self {
        self.settings.trace_requests = trace;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where ids come from.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Puts the server together.
    ///
    /// # Errors
    /// [`BuildError`] when a part is missing or wrong.
    pub fn build(self) -> Result<ScimServer, BuildError> {
        let url = url::Url::parse(&self.base_url).map_err(|_| BuildError::BaseUrl)?;
        let fits = matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none();
        if !fits {
            return Err(BuildError::BaseUrl);
        }
        let key = self.cursor_key.unwrap_or_else(rand::random);
        let plain = self.registry.resource_types().filter(|schema| http::is_plain(schema));
        let app = App {
            plain: plain.map(|schema| schema.name().into()).collect(),
            secrets: Secrets::of(&self.registry),
            draining: AtomicBool::new(false),
            registry: self.registry,
            store: self.store.ok_or(BuildError::Missing("a store"))?,
            authenticator: self.authenticator.ok_or(BuildError::Missing("an authenticator"))?,
            throttle: Throttle::default(),
            passwords: PasswordHasher::new(PasswordConfig::default())?,
            ids: self.ids.unwrap_or_else(|| Arc::new(SystemIds::new(Arc::clone(&self.clock)))),
            clock: self.clock,
            cursors: CursorCodec::new(&CursorKey::new(1, key)),
            limits: self.limits,
            large: Room::new(self.settings.page_bytes.saturating_mul(PAGES_AT_ONCE)),
            settings: self.settings,
            locks: KeyLocks::new(),
            tolerated: ToleranceCounts::new(),
        };
        Ok(ScimServer { app: Arc::new(app), base_url: self.base_url })
    }
}
