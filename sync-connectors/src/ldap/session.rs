//! One connection to one server, read at the pace of the reader.
//!
//! `ldap3` splits a connection into a driver, which reads the socket, and handles, to which it passes what it read through
//! queues without bounds. Here nobody spawns the driver: it runs only while an operation waits for an answer. A slow
//! reader so leaves the octets in the socket, and the server waits; nothing piles up in memory. For the same reason
//! nothing goes on behind the back of an operation that was given up: the connection is closed with it.
//!
//! The library panics on some messages that no server should send; those panics end here, as an error of the connection.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{self, Either};
#[cfg(feature = "kerberos")]
use ldap3::StdStream;
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchStream};
use scim_sync::ConnectorError;
use secrecy::ExposeSecret;
use tokio::time;

use super::config::{LdapBind, LdapConfig, LdapServer};
use super::entry::{self, Entry};
use super::filter::LdapFilter;
#[cfg(feature = "kerberos")]
use super::kerberos;
use super::result::{self, code};
use super::tls;

type Driver = Pin<Box<dyn Future<Output = Option<LdapError>> + Send>>;
/// Carries octets between the library and a connection that it has not made itself.
pub(super) type Pump = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A connection.
pub(crate) struct Session {
    ldap: Ldap,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    idle: Duration,
    server: String,
    usable: bool,
}

/// A search.
pub(crate) struct SearchRequest {
    /// Where.
    pub(crate) base: String,
    /// How deep.
    pub(crate) scope: Scope,
    /// What.
    pub(crate) filter: LdapFilter,
    /// Which attributes; none means no attributes, not all of them.
    pub(crate) attributes: Vec<String>,
    /// How.
    pub(crate) controls: Vec<RawControl>,
}

/// A running search.
pub(crate) struct Search<'s> {
    session: &'s mut Session,
    stream: SearchStream<'static, String, Vec<String>>,
    what: &'static str,
    ended: bool,
}

/// What a search brings.
#[derive(Debug)]
pub(crate) enum Item {
    /// An entry.
    Entry(Entry),
    /// Where else to look.
    Reference(Vec<String>),
    /// A message in between.
    Intermediate(String, Vec<u8>),
}

/// How a search ended.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The result code.
    pub(crate) rc: u32,
    /// What the server said.
    pub(crate) text: String,
    /// What came with it.
    controls: Vec<RawControl>,
}

impl Done {
    /// The value of a control.
    pub(crate) fn control(&self, oid: &str) -> Option<&[u8]> {
        self.controls.iter().find(|control| control.ctype == oid)?.val.as_deref()
    }
}

impl Session {
    /// Connects, speaks TLS where that is configured, and binds.
    ///
    /// # Errors
    /// [`ConnectorError::Unreachable`], [`ConnectorError::Credentials`], [`ConnectorError::Configuration`].
    pub(crate) async fn open(
        config: &LdapConfig,
        server: &LdapServer,
    ) -> Result<Self, ConnectorError> {
        let (settings, url, pump) = way(config, server).await?;
        let connecting = LdapConnAsync::with_settings(settings, url);
        let guarded = time::timeout(config.limits.connect, caught(connecting)).await;
        let (connection, ldap) = guarded
            .map_err(|_| {
                ConnectorError::Unreachable(format!(
                    "{} did not answer within {} s",
                    server.url,
                    config.limits.connect.as_secs()
                ))
            })?
            .ok_or_else(|| malformed(&server.url))?
            .map_err(|error| result::broken(&server.url, "connecting", &error))?;
        let driving = caught(connection.drive()).map(|ended| match ended {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error),
            None => Some(LdapError::DecodingUTF8),
        });
        let driver: Driver = match pump {
            Some(pump) => Box::pin(carried(driving, pump)),
            None => Box::pin(driving),
        };
        let mut session = Self {
            ldap,
            driver: Some(driver),
            idle: config.limits.idle,
            server: server.url.clone(),
            usable: true,
        };
        session.bind(&config.bind).await?;
        Ok(session)
    }

    async fn bind(&mut self, bind: &LdapBind) -> Result<(), ConnectorError> {
        let LdapBind::Simple { name, password } = bind else { return Ok(()) };
        let mut ldap = self.ldap.clone();
        let binding = ldap.simple_bind(name, password.expose_secret());
        let answer = run(&mut self.driver, self.idle, binding).await;
        let answer = answer.map_err(|lost| lost.told(&self.server, "signing in"))?;
        match answer.rc {
            code::SUCCESS => Ok(()),
            rc => Err(result::refused(&self.server, "the bind", rc, &answer.text)),
        }
    }

    /// The URL of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Whether another operation may be tried.
    pub(crate) fn is_usable(&self) -> bool {
        self.usable && self.driver.is_some()
    }

    /// Begins a search; `what` says in an error what was being done.
    pub(crate) async fn search(
        &mut self,
        request: SearchRequest,
        what: &'static str,
    ) -> Result<Search<'_>, ConnectorError> {
        let SearchRequest { base, scope, filter, mut attributes, controls } = request;
        if attributes.is_empty() {
            // RFC 4511 section 4.5.1.8: an empty list asks for everything, this asks for nothing.
            attributes.push("1.1".to_owned());
        }
        let mut ldap = self.ldap.clone();
        ldap.with_controls(controls);
        let filter = filter.to_string();
        let beginning = ldap.streaming_search(&base, scope, &filter, attributes);
        self.usable = false;
        let stream = run(&mut self.driver, self.idle, beginning)
            .await
            .map_err(|lost| lost.told(&self.server, what))?;
        Ok(Search { session: self, stream, what, ended: false })
    }

    /// Carries a search out whose answer is small, and gives its entries.
    pub(crate) async fn entries(
        &mut self,
        request: SearchRequest,
        what: &'static str,
    ) -> Result<Vec<Entry>, ConnectorError> {
        let mut search = self.search(request, what).await?;
        let mut entries = Vec::new();
        while let Some(item) = search.next().await? {
            if let Item::Entry(entry) = item {
                entries.push(entry);
            }
        }
        search.succeed().await?;
        Ok(entries)
    }

    /// Reads one entry by its name; `None` when there is none or it may not be seen.
    pub(crate) async fn read(
        &mut self,
        dn: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
        what: &'static str,
    ) -> Result<Option<Entry>, ConnectorError> {
        let request = SearchRequest {
            base: dn.to_owned(),
            scope: Scope::Base,
            filter: LdapFilter::all([]),
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            controls,
        };
        let mut search = self.search(request, what).await?;
        let mut found = None;
        while let Some(item) = search.next().await? {
            if let Item::Entry(entry) = item {
                found = Some(entry);
            }
        }
        let done = search.finish().await?;
        match done.rc {
            code::SUCCESS => Ok(found),
            code::NO_SUCH_OBJECT | code::INVALID_DN => Ok(None),
            rc => Err(result::refused(&self.server, what, rc, &done.text)),
        }
    }
}

impl Search<'_> {
    /// The next thing; `None` at the end, whose result [`Search::finish`] gives.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, ConnectorError> {
        if self.ended {
            return Ok(None);
        }
        let next = run(&mut self.session.driver, self.session.idle, self.stream.next()).await;
        let next = next.map_err(|lost| lost.told(&self.session.server, self.what))?;
        let Some(found) = next else {
            self.ended = true;
            return Ok(None);
        };
        let controls = found.1.into_iter().map(|control| control.1).collect();
        match found.0.id {
            4 => Entry::from_message(found.0, controls).map(Item::Entry).map(Some),
            19 => Ok(Some(Item::Reference(entry::reference(found.0)))),
            _ => entry::intermediate(found.0)
                .map(|(name, value)| Some(Item::Intermediate(name, value)))
                .ok_or_else(|| malformed(&self.session.server)),
        }
    }

    /// The result of a search that was read to its end.
    pub(crate) async fn finish(mut self) -> Result<Done, ConnectorError> {
        while self.next().await?.is_some() {}
        let result = self.stream.finish().await;
        self.session.usable = true;
        let controls = result.ctrls.into_iter().map(|control| control.1).collect();
        Ok(Done { rc: result.rc, text: result.text, controls })
    }

    /// The same, when only success will do.
    pub(crate) async fn succeed(self) -> Result<Done, ConnectorError> {
        let (server, what) = (self.session.server.clone(), self.what);
        let done = self.finish().await?;
        match done.rc {
            code::SUCCESS => Ok(done),
            rc => Err(result::refused(&server, what, rc, &done.text)),
        }
    }
}

/// How the library gets to a server: by its URL, or at a socket that somebody has signed in already, with what carries it.
async fn way<'s>(
    config: &LdapConfig,
    server: &'s LdapServer,
) -> Result<(LdapConnSettings, &'s str, Option<Pump>), ConnectorError> {
    let settings = LdapConnSettings::new().set_conn_timeout(config.limits.connect);
    #[cfg(feature = "kerberos")]
    if let LdapBind::Kerberos(account) = &config.bind {
        let (socket, pump) = kerberos::signed_in(config, server, account).await?;
        return Ok((settings.set_std_stream(StdStream::Unix(socket)), "ldapi:///", Some(pump)));
    }
    let mut settings = settings.set_starttls(server.start_tls);
    if let Some(file) = &config.ca_file {
        settings = settings.set_config(tls::trusting(file)?);
    }
    Ok((settings, &server.url, None))
}

/// Drives a connection and carries its octets. What came before the way broke is still read.
async fn carried(
    driving: impl Future<Output = Option<LdapError>> + Send,
    pump: Pump,
) -> Option<LdapError> {
    match future::select(Box::pin(driving), pump).await {
        Either::Left((ended, _)) => ended,
        Either::Right((Ok(()), driving)) => driving.await,
        Either::Right((Err(source), driving)) => {
            driving.await;
            Some(LdapError::Io { source })
        }
    }
}

/// Why an operation has no answer.
enum Lost {
    /// Nothing came in time.
    Silent(Duration),
    /// The connection ended.
    Closed(Option<LdapError>),
    /// The library refused, or the server.
    Failed(LdapError),
    /// The message was none.
    Malformed,
}

impl Lost {
    fn told(self, server: &str, what: &str) -> ConnectorError {
        match self {
            Self::Silent(idle) => ConnectorError::Unreachable(format!(
                "{server} said nothing for {} s while {what}",
                idle.as_secs()
            )),
            Self::Closed(None) => result::broken(server, what, &LdapError::EndOfStream),
            // What the driver ends with when the library panicked.
            Self::Closed(Some(LdapError::DecodingUTF8))
            | Self::Failed(LdapError::DecodingUTF8)
            | Self::Malformed => malformed(server),
            Self::Closed(Some(error)) | Self::Failed(error) => result::broken(server, what, &error),
        }
    }
}

fn malformed(server: &str) -> ConnectorError {
    ConnectorError::Protocol(format!("{server} sent a message that is no LDAP"))
}

/// The outcome of a future, or `None` when it panicked.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

/// Runs an operation and, as long as it waits, the driver. A connection that ended still gives what it had brought.
async fn run<T>(
    driver: &mut Option<Driver>,
    idle: Duration,
    operation: impl Future<Output = Result<T, LdapError>>,
) -> Result<T, Lost> {
    let mut operation = pin!(caught(operation));
    let mut ended = None;
    let both = poll_fn(|context| {
        loop {
            match operation.as_mut().poll(context) {
                Poll::Ready(Some(Ok(value))) => return Poll::Ready(Ok(value)),
                // The handles only know that nobody answers; why is what the driver ended with.
                Poll::Ready(Some(Err(error))) => {
                    let error = ended.take().unwrap_or(error);
                    return Poll::Ready(Err(Lost::Failed(error)));
                }
                Poll::Ready(None) => return Poll::Ready(Err(Lost::Malformed)),
                Poll::Pending => {}
            }
            let Some(running) = driver.as_mut() else {
                return Poll::Ready(Err(Lost::Closed(ended.take())));
            };
            match running.as_mut().poll(context) {
                Poll::Ready(end) => {
                    *driver = None;
                    ended = end;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    match time::timeout(idle, both).await {
        Ok(outcome) => outcome,
        Err(_) => {
            // What was asked may still be on its way: the connection goes, and with it the operation.
            *driver = None;
            Err(Lost::Silent(idle))
        }
    }
}
