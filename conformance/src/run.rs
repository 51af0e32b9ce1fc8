//! What all checks of one run share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::HeaderValue;
use scim_client::Transport;
use scim_client::auth::{Authorize, Tools};
use scim_client::clock::SystemClock;

use crate::capability::Capabilities;
use crate::check::Stop;
use crate::context::{Cx, Dataset};
use crate::evidence::Secrets;
use crate::interrupt::Interrupt;
use crate::ledger::Ledger;
use crate::pace::Pacer;
use crate::profile::Profile;
use crate::served::Served;
use crate::target::{Target, TargetError};

type SharedDataset = Shared<BoxFuture<'static, Result<Arc<Dataset>, Stop>>>;

pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) transport: Arc<dyn Transport>,
    provider: Option<Arc<dyn Authorize>>,
    pub(crate) secrets: Secrets,
    pub(crate) profile: Profile,
    pub(crate) seed: u32,
    pub(crate) read_only: bool,
    /// What is created for all checks together.
    pub(crate) ledger: Arc<Ledger>,
    served: OnceLock<Served>,
    capabilities: OnceLock<Capabilities>,
    dataset: Mutex<Option<SharedDataset>>,
    answers: AtomicU64,
    lost_track: AtomicBool,
    pub(crate) pacer: Pacer,
    /// Ends cleaning up when the user has had enough.
    interrupt: Interrupt,
    /// Ends cleaning up some time after the target has stopped answering.
    gone: Interrupt,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("target", &self.target).field("seed", &self.seed).finish()
    }
}

impl Run {
    pub(crate) fn new(
        target: &Target,
        profile: Profile,
        seed: u32,
        read_only: bool,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, TargetError> {
        Ok(Self {
            transport: target.connect()?,
            provider: target.provider()?,
            target: target.clone(),
            secrets: Secrets::default(),
            profile,
            seed,
            read_only,
            ledger: Arc::default(),
            served: OnceLock::new(),
            capabilities: OnceLock::new(),
            dataset: Mutex::default(),
            answers: AtomicU64::new(0),
            lost_track: AtomicBool::new(false),
            pacer: Pacer::new(patience),
            interrupt: interrupt.clone(),
            gone: Interrupt::new(),
        })
    }

    /// What the target says about itself; what is assumed, until it has been asked.
    pub(crate) fn served(&self) -> &Served {
        self.served.get_or_init(|| Served::read(None, None, None))
    }

    /// What the target can do; nothing is known, until it has been tried.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        self.capabilities.get_or_init(Capabilities::default)
    }

    /// Settles what the target says about itself, once.
    pub(crate) fn learn_served(&self, served: Served) {
        drop(self.served.set(served));
    }

    /// Settles what the target can do, once.
    pub(crate) fn learn_capabilities(&self, capabilities: Capabilities) {
        drop(self.capabilities.set(capabilities));
    }

    /// The Authorization header of the next request. What is in it is masked from now on.
    pub(crate) async fn authorization(&self) -> Result<Option<HeaderValue>, Stop> {
        let Some(provider) = &self.provider else { return Ok(None) };
        let tools = Tools::new(self.transport.as_ref(), &SystemClock);
        let value = provider.authorization(&tools).await;
        let value = value.map_err(|error| Stop::Broken(format!("no credentials: {error}")))?;
        if let Some(text) = value.as_ref().and_then(|value| value.to_str().ok()) {
            self.secrets.learn(text);
        }
        Ok(value)
    }

    /// Counts an answer.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers that something may have been created that no ledger knows.
    pub(crate) fn lose_track(&self) {
        self.lost_track.store(true, Ordering::Relaxed);
    }

    /// Whether something may have been created that no ledger knows.
    pub(crate) fn has_lost_track(&self) -> bool {
        self.lost_track.load(Ordering::Relaxed)
    }

    /// The target has stopped answering; cleaning up does not wait for it for long.
    pub(crate) fn give_up(&self) {
        self.gone.trigger();
    }

    /// Whether checks go on: nobody has interrupted the run, and the target answers.
    pub(crate) fn goes_on(&self) -> bool {
        let ended = self.interrupt.is_triggered() || self.gone.is_triggered();
        !ended && self.pacer.gave_up().is_none()
    }

    /// The result of a step of cleaning up; `None` where there is no time left for it.
    pub(crate) async fn in_time<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupt.over() => None,
            () = self.gone.over() => None,
            result = step => Some(result),
        }
    }

    /// How many answers have come.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The shared users. The first to ask starts a task that creates them, which goes on when that check is given up.
    pub(crate) async fn dataset(self: &Arc<Self>) -> Result<Arc<Dataset>, Stop> {
        if self.read_only {
            return Err(Stop::Skipped("it needs a data set, and the run is read-only".to_owned()));
        }
        let shared = {
            let mut slot = self.dataset.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert_with(|| {
                let cx = Cx::of_run(Arc::clone(self), "data");
                let task = tokio::spawn(async move { Dataset::create(&cx).await.map(Arc::new) });
                let settled = async move {
                    task.await.unwrap_or_else(|stopped| {
                        Err(Stop::Broken(format!("the data set: {stopped}")))
                    })
                };
                settled.boxed().shared()
            })
            .clone()
        };
        shared.await
    }
}
