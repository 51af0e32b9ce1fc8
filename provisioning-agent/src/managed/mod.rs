//! The managed agent: it keeps a link to its service and answers what comes over it. It has no rules, no schedule and no
//! state of its own, but for the key that says who it is.

mod answer;
pub(crate) mod gateway;
mod link;
mod noise;
pub(crate) mod proxy;
mod renewal;
mod report;
pub(crate) mod tls;
pub(crate) mod way;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use scim_sync::stop::Stop;
use scim_sync_link::gateway::BootstrapResponse;
use scim_sync_link::{Agent, AgentOptions, Connection, Control, EndCode, Ended};
use tokio::time::{Instant, timeout};

use self::answer::{Answering, Beside, Counts};
use self::gateway::Gateway;
use self::link::{Connected, Link};
use self::noise::{Said, Trouble, spoken};
use self::way::Way;
use crate::check::State;
use crate::clock;
use crate::config::{ManagedConfig, Process};
use crate::exit::Exit;
use crate::health;
use crate::identity::{Identity, IdentityFolder};
use crate::signals;
use crate::state;

pub use report::LinkHealth;
pub(crate) use report::Status;

/// What is at work when the agent is told to stop has so long to be answered; systemd waits for a minute.
const FAREWELL: Duration = Duration::from_secs(45);
/// A link that held so long was a good one: what comes after it is a new trouble.
const GOOD: Duration = Duration::from_secs(60);
/// Bootstraps are never further apart, and never nearer, whatever the service says.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(3600);
/// How often an agent whose certificate has expired looks at the clock, which may have been wrong.
const GLANCE: Duration = Duration::from_secs(10);
/// Clocks that are further apart are told.
const SKEW: i64 = 60;

/// Runs until told to stop, or until the service does not want this agent any more.
///
/// # Errors
/// Where it cannot begin: no identity, another agent with it, a wrong proxy.
pub fn run(config: &ManagedConfig) -> Result<Exit> {
    let folder = IdentityFolder::new(config.identity());
    folder.current()?;
    let _held = state::lock(folder.path(), "an identity of its own (setup)")?;
    let stop = signals::stop_on_signal()?;
    let counts = Arc::new(Counts::default());
    let told =
        Arc::new(LinkHealth::new(&config.settings.service, folder.path(), Arc::clone(&counts)));
    if let Some(address) = config.settings.health {
        health::serve(address, told.clone())?;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let exit = runtime.block_on(async {
        Running::new(config, folder, stop, Arc::clone(&told), counts)?.run().await
    });
    told.ended();
    // A directory that does not answer holds nobody up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

struct Running<'a> {
    way: Way<'a>,
    folder: IdentityFolder,
    identity: Identity,
    gateway: Gateway,
    agent: Agent,
    control: Control,
    stop: Stop,
    told: Arc<LinkHealth>,
    link: Option<Link>,
    /// The one before, while it answers what it has.
    older: Option<Link>,
    /// Why it is not by WebSocket, as it was said.
    fallback: Option<String>,
    /// Of the bootstrap.
    trouble: Trouble,
    /// Of the link.
    flaws: Trouble,
    /// What was said of the clock, in seconds.
    skew: i64,
    /// When it was tried last with a certificate that has expired, by this machine's clock.
    expired: Option<Instant>,
    groups: Option<Vec<String>>,
}

/// What comes after a round.
enum Next {
    Wait(Duration),
    End(Exit),
}

impl<'a> Running<'a> {
    fn new(
        config: &'a ManagedConfig,
        folder: IdentityFolder,
        stop: Stop,
        told: Arc<LinkHealth>,
        counts: Arc<Counts>,
    ) -> Result<Self> {
        let way = Way::new(config)?;
        let identity = folder.current()?;
        folder.tidy();
        let sources = config.settings.sources.clone();
        let beside = Beside::new(sources, config.folder().to_owned(), Process);
        let mut options = AgentOptions::default();
        options.software = concat!("provisioning-agent/", env!("CARGO_PKG_VERSION")).to_owned();
        let agent = Agent::new(Answering::new(Arc::new(beside), counts)).with_options(options);
        Ok(Self {
            gateway: way.gateway(&identity)?,
            way,
            folder,
            identity,
            agent,
            control: Control::new(),
            stop,
            told,
            link: None,
            older: None,
            fallback: None,
            trouble: Trouble::default(),
            flaws: Trouble::default(),
            skew: 0,
            expired: None,
            groups: None,
        })
    }

    async fn run(mut self) -> Result<Exit> {
        let about = &self.identity.about;
        let proxy = self.way.proxy().map(|url| format!(" through {}", shown(url)));
        tracing::info!(
            "agent {} of tenant {} runs for {}{}",
            about.agent_id,
            about.tenant,
            self.way.service(),
            proxy.unwrap_or_default()
        );
        loop {
            let stop = self.stop.clone();
            let round = tokio::select! {
                // Nothing of a round is lost that the next start would not find.
                () = stop.wait() => return Ok(self.farewell().await),
                round = self.round() => round,
            };
            let mut wait = match round {
                Next::Wait(wait) => wait,
                Next::End(exit) => {
                    let _ = self.farewell().await;
                    return Ok(exit);
                }
            };
            // A link that ends is followed by a bootstrap soon, and by chance not at once.
            loop {
                let ended = tokio::select! {
                    () = stop.wait() => return Ok(self.farewell().await),
                    () = tokio::time::sleep(wait) => break,
                    ended = ended(self.link.as_mut()) => ended,
                };
                wait = self.lost(ended);
            }
        }
    }

    /// A bootstrap, and what it asks for.
    async fn round(&mut self) -> Next {
        let mut answer = match self.bootstrap().await {
            Ok(answer) => answer,
            Err(next) => return next,
        };
        if is_older(env!("CARGO_PKG_VERSION"), &answer.minimum_version) {
            tracing::error!(
                "this agent is too old: the service wants {} or newer, and this is {}: install the newer one",
                answer.minimum_version,
                env!("CARGO_PKG_VERSION")
            );
            return Next::End(Exit::Unwanted);
        }
        if answer.renew || clock::now() >= self.identity.about.renew_after {
            match renewal::renew(&self.way, &self.folder, &self.identity, &self.gateway).await {
                Ok(Some(taken)) => answer = self.take(taken),
                Ok(None) => {}
                Err(error) => {
                    let until = self.identity.validity().map(|(_, until)| until.date_naive());
                    let until = until.map(|day| format!("; this one is good until {day}"));
                    tracing::warn!(
                        "the certificate could not be renewed yet: {error:#}{}",
                        until.unwrap_or_default()
                    );
                }
            }
        }
        self.groups(&answer);
        let next = until_next(&answer);
        if let Some(link) = &self.link {
            self.control.renew(answer.credential.clone());
            if link.is_fallback()
                && let Some(connection) = link::websocket(&self.way, &self.identity, &answer).await
            {
                tracing::info!("WebSockets get through again");
                self.serve(connection);
            }
            return Next::Wait(next);
        }
        match link::connect(&self.way, &self.identity, &answer, &self.control).await {
            Ok(Connected { connection, instead_of }) => {
                if let Some(failed) = instead_of
                    && self.fallback.as_ref() != Some(&failed)
                {
                    tracing::warn!(
                        "WebSockets do not get through ({failed}): linked by {} instead, which is slower; a proxy in between \
                         should let the upgrade to {} pass. The WebSocket is tried again at each bootstrap",
                        connection.transport(),
                        self.way.service()
                    );
                    self.fallback = Some(failed);
                }
                self.serve(connection);
                Next::Wait(next)
            }
            Err(error) => {
                let wait = self.flaw(&format!("no link: {error:#}"));
                Next::Wait(wait.min(next))
            }
        }
    }

    /// Serves a connection in the place of the one of before.
    fn serve(&mut self, connection: Connection) {
        let older = self.link.take();
        let link = Link::serve(&self.agent, &self.control, connection, older.is_some());
        // It answers what it has; the service ends it then.
        self.older = older;
        tracing::info!("linked to {} by {}", self.way.service(), link.transport);
        self.told.linked(&link.transport);
        if !link.is_fallback() {
            self.fallback = None;
        }
        self.link = Some(link);
    }

    async fn bootstrap(&mut self) -> Result<BootstrapResponse, Next> {
        let before = clock::now();
        let until = self.identity.validity().map(|(_, until)| until);
        let expired = until.filter(|until| before >= *until);
        // No more than now and then; but at once when the clock is put right.
        if expired.is_some() && self.expired.is_some_and(|tried| tried.elapsed() < SELDOM) {
            return Err(Next::Wait(GLANCE));
        }
        self.expired = None;
        let mut untried = false;
        let asked = match renewal::settle(&self.way, &self.folder).await {
            Ok(Some(taken)) => Ok(self.take(taken)),
            Ok(None) => self.gateway.bootstrap(&self.way.hello()).await,
            Err(error) => {
                tracing::debug!("the next certificate could not be tried: {error:#}");
                untried = true;
                self.gateway.bootstrap(&self.way.hello()).await
            }
        };
        match asked {
            Ok(answer) => {
                if let Some(gone) = self.trouble.works() {
                    tracing::info!("{} is there again, after {}", self.way.service(), spoken(gone));
                }
                // The service read its clock somewhere in between.
                let middle = before + (clock::now() - before) / 2;
                self.clock((answer.service_time - middle).num_seconds());
                self.told.bootstrapped(&answer, self.skew);
                Ok(answer)
            }
            // Not while there is a certificate that it may have taken already, with the answer lost.
            Err(error) if error.is_final() && !untried => {
                tracing::error!(
                    "the service does not want this agent: {error}. With a new code, `provisioning-agent setup --service {} \
                     --code CODE --force` enrols it anew",
                    self.way.service()
                );
                self.told.unwanted(&error.to_string());
                Err(Next::End(Exit::Unwanted))
            }
            Err(error) => {
                let text = error.to_string();
                let service = self.way.service();
                if let Some(until) = expired {
                    tracing::error!(
                        "{service} is not reached ({text}), and this agent's certificate expired on {until}, by the clock of \
                         this machine: if the clock is right, get a new code and run `provisioning-agent setup --service \
                         {service} --code CODE --force`. It is tried again every hour, and when the clock is put back"
                    );
                    self.told.trouble(&format!(
                        "the certificate expired on {until}, by this machine's clock; {text}"
                    ));
                    self.expired = Some(Instant::now());
                    return Err(Next::Wait(GLANCE));
                }
                match self.trouble.failed(&text) {
                    Said::First => {
                        tracing::warn!("{service}: {text}; trying again until it answers")
                    }
                    Said::Again(gone, tries) => tracing::warn!(
                        "{service}: {text}; for {} now, tried {tries} times",
                        spoken(gone)
                    ),
                    Said::Nothing => tracing::debug!("{service}: {text}"),
                }
                self.told.trouble(&text);
                let wait = self.trouble.wait();
                Err(Next::Wait(error.after().map_or(wait, |after| after.min(SELDOM).max(wait))))
            }
        }
    }

    fn take(&mut self, taken: renewal::Taken) -> BootstrapResponse {
        let until = taken.identity.validity().map(|(_, until)| until.date_naive().to_string());
        tracing::info!(
            "the certificate is renewed, with a new key; good until {}",
            until.as_deref().unwrap_or("?")
        );
        self.identity = taken.identity;
        self.gateway = taken.gateway;
        taken.answer
    }

    /// Tells when this machine's clock is wrong, and by how much.
    fn clock(&mut self, offset: i64) {
        let apart = spoken(Duration::from_secs(offset.unsigned_abs()));
        if offset.abs() > SKEW && (offset - self.skew).abs() > SKEW {
            let which = if offset > 0 { "behind" } else { "ahead of" };
            tracing::warn!(
                "this machine's clock is {apart} {which} the service's: have both follow a time server (NTP)"
            );
            self.skew = offset;
        } else if offset.abs() <= SKEW && self.skew != 0 {
            tracing::info!("this machine's clock is right again");
            self.skew = 0;
        }
    }

    fn groups(&mut self, answer: &BootstrapResponse) {
        if self.groups.as_ref() != Some(&answer.groups) {
            match &answer.groups[..] {
                [] => tracing::warn!(
                    "the agent is in no group, so it gets no work: have the service's administrator add it to one"
                ),
                groups => tracing::info!("answers for {}", groups.join(", ")),
            }
            self.groups = Some(answer.groups.clone());
        }
    }

    /// The link is gone; how long to wait before the next.
    fn lost(&mut self, ended: Result<Ended, String>) -> Duration {
        let lived = self.link.take().map_or(Duration::ZERO, |link| link.since.elapsed());
        if lived >= GOOD {
            self.flaws = Trouble::default();
        }
        let text = match ended {
            Ok(ended) => match ended.code {
                EndCode::Replaced => format!(
                    "{ended}: does another agent run with a copy of this identity? Each needs a code of its own"
                ),
                _ => ended.to_string(),
            },
            Err(text) => text,
        };
        let wait = self.flaw(&format!("the link has ended: {text}"));
        tracing::debug!("the next link in {} ms", wait.as_millis());
        wait
    }

    fn flaw(&mut self, text: &str) -> Duration {
        match self.flaws.failed(text) {
            Said::First => tracing::warn!("{text}; connecting again"),
            Said::Again(gone, tries) => {
                tracing::warn!("{text}; for {} now, tried {tries} times", spoken(gone));
            }
            Said::Nothing => tracing::debug!("{text}"),
        }
        self.told.lost(text);
        self.flaws.wait()
    }

    /// Answers what is at work, takes nothing new, and ends the link.
    async fn farewell(&mut self) -> Exit {
        let Some(mut link) = self.link.take() else {
            tracing::info!("told to stop");
            return Exit::Done;
        };
        tracing::info!("told to stop: what is at work is answered first");
        self.control.drain();
        let older = self.older.take();
        let all = async {
            if let Some(mut older) = older {
                // How it ends is of no interest beside the end of the other.
                let _ = older.ended().await;
            }
            link.ended().await
        };
        match timeout(FAREWELL, all).await {
            Ok(Ok(ended)) => tracing::info!("stopped: {ended}"),
            Ok(Err(text)) => tracing::warn!("{text}"),
            Err(_) => tracing::warn!("stopped, with requests unanswered: they took too long"),
        }
        Exit::Done
    }
}

/// Looks whether the service is reached and takes this agent, as `doctor` tells it.
pub(crate) async fn examine(config: &ManagedConfig) -> (State, &'static str, String) {
    let service = &config.settings.service;
    let made = Way::new(config).and_then(|way| {
        let identity = IdentityFolder::new(config.identity()).current()?;
        let gateway = way.gateway(&identity)?;
        Ok((way, gateway))
    });
    let (way, gateway) = match made {
        Ok(made) => made,
        Err(error) => return (State::Fail, "settings", format!("{error:#}")),
    };
    let through = way.proxy().map(|url| format!(" through {}", shown(url))).unwrap_or_default();
    let before = clock::now();
    match gateway.bootstrap(&way.hello()).await {
        Ok(answer) => {
            let middle = before + (clock::now() - before) / 2;
            let offset = (answer.service_time - middle).num_seconds();
            let text = format!("{service} takes the agent{through}");
            if is_older(env!("CARGO_PKG_VERSION"), &answer.minimum_version) {
                let text = format!("{text}, but wants {} or newer", answer.minimum_version);
                return (State::Fail, "bootstrap", text);
            }
            if offset.abs() > SKEW {
                let text = format!(
                    "{text}; the clocks are {} apart: have both follow a time server (NTP)",
                    spoken(Duration::from_secs(offset.unsigned_abs()))
                );
                return (State::Warn, "bootstrap", text);
            }
            match &answer.groups[..] {
                [] => (
                    State::Warn,
                    "bootstrap",
                    format!("{text}; it is in no group, so it gets no work"),
                ),
                groups => (
                    State::Ok,
                    "bootstrap",
                    format!("{text}; it answers for {}", groups.join(", ")),
                ),
            }
        }
        Err(error) if error.is_final() => {
            (State::Fail, "bootstrap", format!("{service} does not want this agent: {error}"))
        }
        Err(error) => (State::Fail, "reach", format!("{service}{through}: {error}")),
    }
}

async fn ended(link: Option<&mut Link>) -> Result<Ended, String> {
    match link {
        Some(link) => link.ended().await,
        None => std::future::pending().await,
    }
}

/// When to bootstrap again: as the service says, and while the credential is good in any case.
fn until_next(answer: &BootstrapResponse) -> Duration {
    let valid = (answer.credential_expires - answer.service_time).to_std().unwrap_or_default();
    Duration::from_secs(answer.poll_seconds).min(valid.mul_f64(0.7)).clamp(OFTEN, SELDOM)
}

/// Whether a version is older than another; what cannot be read is not.
fn is_older(version: &str, minimum: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let text = text.split(['-', '+']).next().unwrap_or_default();
        text.split('.').map(|number| number.trim().parse().ok()).collect()
    };
    matches!((numbers(version), numbers(minimum)), (Some(version), Some(minimum)) if version < minimum)
}

/// An address without what somebody may have written before its host.
fn shown(url: &url::Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_older("0.1.0", "0.2.0"));
        assert!(is_older("0.9.0", "0.10"));
        assert!(!is_older("0.10.0", "0.9.5"));
        assert!(!is_older("1.0.0", "1.0.0-rc.1"));
        assert!(!is_older("1.0.0", ""), "a service that asks for nothing");
    }

    #[test]
    fn bootstraps_come_while_the_credential_is_good() {
        let answer = |poll, valid| BootstrapResponse {
            links: Vec::new(),
            credential: "x".into(),
            credential_expires: "2026-01-01T00:00:00Z".parse().unwrap(),
            config_version: 1,
            service_time: "2026-01-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap()
                - chrono::TimeDelta::seconds(valid),
            minimum_version: String::new(),
            renew: false,
            groups: Vec::new(),
            poll_seconds: poll,
        };
        let next = |poll, valid| until_next(&answer(poll, valid)).as_secs();
        assert_eq!(next(600, 900), 600);
        assert_eq!(next(600, 100), 70);
        assert_eq!(next(0, 900), 1, "no flood, whatever is said");
        assert_eq!(next(600, -5), 1);
        assert_eq!(next(90_000, 1_000_000), 3600);
    }
}
