//! One connection of an agent, from its hello to its end.

use std::{collections::BTreeSet, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    AgentIdentity, Inner,
    attached::{Attached, millis},
};
use crate::{
    connection::Connection,
    error::{EndCode, Ended, short},
    frame::{Frame, Hello, MINOR},
    outbox::Outbox,
    pump::{self, Event, Reader},
};

/// The longest name and version of a program, in characters.
const SOFTWARE: usize = 100;

/// Runs the link of one agent.
pub(super) async fn run(
    hub: &Arc<Inner>,
    identity: AgentIdentity,
    connection: Connection,
) -> Ended {
    let timing = hub.options.timing;
    let transport = connection.transport().to_owned();
    let outbox = Arc::new(Outbox::new());
    let _over = Over(Arc::clone(&outbox));
    let (mut reader, writer) = pump::split(connection, &outbox, timing);
    outbox.control(Frame::Hello(Hello {
        minor: MINOR,
        software: concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")).to_owned(),
        capacity: 0,
        max_request: 0,
        window: 0,
        beside: false,
    }));
    let mut writing = pin!(writer.run());
    let serving = async {
        let mut hello = match timeout(timing.hello, first_frame(&mut reader)).await {
            Ok(hello) => hello?,
            Err(_) => return Err(Ended::protocol("the agent did not say hello")),
        };
        hello.software = short(&hello.software, SOFTWARE);
        hello.capacity = hello.capacity.clamp(1, hub.options.capacity.max(1));
        let mut expires = identity.credential_expires;
        let attached = Arc::new(Attached::new(hub, identity, hello, transport, &outbox));
        let member = Member::join(hub, &attached)
            .ok_or_else(|| Ended::new(EndCode::Stopping, "the service is stopping"))?;
        member.serve(&mut reader, &mut expires).await
    };
    let ended = tokio::select! {
        ended = serving => match ended {
            Ok(never) => match never {},
            Err(ended) => ended,
        },
        done = &mut writing => return done.err().unwrap_or_else(|| Ended::lost("closed")),
    };
    if ended.code != EndCode::Lost {
        outbox.close(ended.code, &ended.reason, true);
        // The last words are a courtesy: whether they arrive changes nothing here.
        drop(timeout(timing.farewell, &mut writing).await);
    }
    ended
}

/// Dropped with the connection: nothing can be sent any more, and who waits to send learns it.
struct Over(Arc<Outbox>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn first_frame(reader: &mut Reader) -> Result<Hello, Ended> {
    loop {
        match reader.next().await? {
            Event::Frame(Frame::Hello(hello)) => return Ok(hello),
            Event::Frame(other) => {
                return Err(Ended::protocol(format!("{} came before hello", other.kind())));
            }
            Event::Tick => {}
        }
    }
}

/// A connection that is in the registry; dropped, it is not.
struct Member<'a> {
    hub: &'a Arc<Inner>,
    attached: Arc<Attached>,
    connection: u64,
}

impl<'a> Member<'a> {
    fn join(hub: &'a Arc<Inner>, attached: &Arc<Attached>) -> Option<Self> {
        let joined = hub.registry().join(hub, attached)?;
        let connection = joined.connection;
        for older in joined.replaced {
            older.end(Ended::new(EndCode::Replaced, "the agent has a newer connection"));
        }
        let member = Self { hub, attached: Arc::clone(attached), connection };
        hub.announce(&attached.identity.tenant, &attached.identity.groups);
        Some(member)
    }

    async fn serve(
        &self,
        reader: &mut Reader,
        expires: &mut Option<Instant>,
    ) -> Result<Infallible, Ended> {
        let mut end = self.attached.ending();
        let mut renewing: Option<BoxFuture<'_, Result<Duration, String>>> = None;
        let mut retiring = self.attached.retiring();
        let (mut draining, mut retired) = (false, false);
        loop {
            let quiet = self.hub.quiet.notified();
            if retired && self.attached.is_quiet() {
                let reason = "the agent has a newer connection, and all of this one is answered";
                return Err(Ended::new(EndCode::Replaced, reason));
            }
            if draining && self.attached.is_quiet() {
                // Only now: a request that was on its way when the agent asked is answered, too.
                self.attached.tell(Frame::Drained);
                draining = false;
            }
            tokio::select! {
                event = reader.next() => match event? {
                    Event::Frame(Frame::Renew { credential }) => {
                        renewing = Some(self.renew(credential, *expires));
                    }
                    Event::Frame(Frame::Drain) => {
                        draining = true;
                        self.hub.registry().drain(&self.attached, self.connection);
                        self.hub.announce(
                            &self.attached.identity.tenant,
                            &self.groups(),
                        );
                    }
                    Event::Frame(frame) => self.attached.frame(frame)?,
                    Event::Tick => self.attached.check()?,
                },
                ended = wanted(&mut end) => return Err(ended),
                () = at(*expires) => {
                    return Err(Ended::new(EndCode::Expired, "the credential has expired"));
                }
                renewed = optional(&mut renewing) => {
                    renewing = None;
                    match renewed {
                        Ok(valid) => {
                            *expires = Instant::now().checked_add(valid);
                            self.attached.tell(Frame::Renewed { valid_ms: Some(millis(valid)) });
                        }
                        Err(reason) => {
                            let reason = format!("the new credential is not accepted: {reason}");
                            return Err(Ended::new(EndCode::Expired, reason));
                        }
                    }
                }
                () = sooner_or_later(&mut retiring), if !retired => retired = true,
                () = quiet, if draining || retired => {}
            }
        }
    }

    fn renew(
        &self,
        credential: SecretString,
        expires: Option<Instant>,
    ) -> BoxFuture<'_, Result<Duration, String>> {
        let Some(credentials) = self.hub.options.credentials.as_ref() else {
            // Nothing changes: what is left of the old one is what the agent is told.
            let left = expires.map_or(Duration::MAX, |at| at.duration_since(Instant::now()));
            return std::future::ready(Ok(left)).boxed();
        };
        let patience = self.hub.options.timing.hello;
        async move {
            timeout(patience, credentials.renew(&self.attached.identity, &credential))
                .await
                .unwrap_or_else(|_| Err("it could not be checked in time".to_owned()))
        }
        .boxed()
    }

    fn groups(&self) -> BTreeSet<String> {
        let identity = &self.attached.identity;
        let agents = self.hub.registry().statuses(&identity.tenant);
        agents
            .into_iter()
            .find(|agent| agent.agent == identity.agent)
            .map(|agent| agent.groups)
            .unwrap_or_default()
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let groups = self.groups();
        self.hub.registry().leave(&self.attached, self.connection);
        self.attached.fail_all();
        self.hub.announce(&self.attached.identity.tenant, &groups);
    }
}

async fn wanted(end: &mut watch::Receiver<Option<Ended>>) -> Ended {
    match end.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
        Ok(Some(ended)) => ended,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn sooner_or_later(wanted: &mut watch::Receiver<bool>) {
    if wanted.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending().await
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn optional<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
