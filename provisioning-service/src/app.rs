//! What a running service consists of.

use std::sync::Arc;

use chrono::TimeDelta;
use scim_sync_link::long_poll::Sessions;
use scim_sync_link::{Backplane, Hub, HubOptions};

use crate::agents::{Agents, Lifetimes};
use crate::authority::{Authority, AuthorityError};
use crate::clock::Clock;
use crate::config::{Config, TlsMode};
use crate::gateway::{Challenges, Credentials, Links, Throttle};
use crate::job::{JobParts, Jobs};
use crate::link::HubSources;
use crate::notify::{ChannelError, Channels, Notifier, NotifyParts};
use crate::records::Records;
use crate::seal::Sealer;
use crate::tokens::Tokens;

/// Why a service cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The certificate authority cannot be opened or made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Nobody can be told of anything as the configuration says.
    #[error(transparent)]
    Channels(#[from] ChannelError),
}

/// The parts that requests share.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The address that agents and administrators use, without a slash at its end.
    pub origin: String,
    /// Where everything is kept.
    pub records: Arc<dyn Records>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// The agents.
    pub agents: Agents,
    /// The administrators' tokens.
    pub tokens: Tokens,
    /// The links to connected agents.
    pub hub: Hub,
    /// The jobs.
    pub jobs: Jobs,
    /// Who tells people.
    pub notifier: Notifier,
    pub(crate) challenges: Challenges,
    pub(crate) credentials: Credentials,
    pub(crate) links: Links,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
}

impl App {
    /// Puts a service together. `origin` is the address that agents use.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn new(
        config: Config,
        origin: &str,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
    ) -> Result<Arc<Self>, AppError> {
        Self::beside(None, config, origin, records, clock, sealer).await
    }

    /// The same, as one of several replicas.
    ///
    /// # Errors
    /// As [`App::new`].
    pub async fn beside(
        others: Option<Arc<dyn Backplane>>,
        config: Config,
        origin: &str,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
    ) -> Result<Arc<Self>, AppError> {
        let authority = Authority::open_or_make(&*records, &sealer, clock.now()).await?;
        let lifetimes = Lifetimes::from(&config);
        let agents =
            Agents::new(Arc::clone(&records), Arc::clone(&clock), Arc::new(authority), lifetimes);
        // Twice the time between two bootstraps: one may fail.
        let good = crate::agents::delta(config.bootstrap_interval) * 2;
        let patient_until = clock.now() + good;
        let credentials =
            Credentials::new(Arc::clone(&sealer), Arc::clone(&clock), agents.clone(), good);
        let mut options = HubOptions::default();
        options.credentials = Some(Arc::new(credentials.clone()));
        options.backplane = others;
        let hub = Hub::with_options(options);
        let instance = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let jobs = Jobs::new(JobParts {
            records: Arc::clone(&records),
            sources: Arc::new(HubSources::new(hub.clone(), config.read_limit)),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&clock),
            targets: config.targets(),
            folder: config.data.clone(),
            instance: instance.clone(),
            lease_for: config.job_lease,
            keep_log: config.log_retention,
        });
        let origin = origin.trim_end_matches('/').to_owned();
        let notifier = Notifier::new(NotifyParts {
            records: Arc::clone(&records),
            clock: Arc::clone(&clock),
            jobs: jobs.clone(),
            agents: agents.clone(),
            channels: Channels::new(&config)?,
            settings: config.notifications.clone(),
            patient_until,
            origin: origin.clone(),
            instance,
        });
        Ok(Arc::new(Self {
            origin,
            notifier,
            tokens: Tokens::new(Arc::clone(&records), Arc::clone(&clock)),
            challenges: Challenges::new(
                Arc::clone(&records),
                Arc::clone(&sealer),
                Arc::clone(&clock),
                TimeDelta::minutes(1),
            ),
            throttle: Throttle::new(Arc::clone(&clock)),
            links: Links::default(),
            sessions: Sessions::new(),
            hub,
            jobs,
            credentials,
            agents,
            config,
            records,
            clock,
            sealer,
        }))
    }

    /// Whether a proxy ends TLS, so that client certificates cannot be seen here.
    pub(crate) fn behind_proxy(&self) -> bool {
        self.config.tls == TlsMode::Off
    }
}
