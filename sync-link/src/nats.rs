//! Several replicas of a service as one, over a NATS server (feature `nats`).
//!
//! An agent is connected to one replica; a request for it may be born on any. Each replica tells the others which agents it
//! has, and between each two there is a link of the same frames as to an agent: windows, deadlines, cancelling and the
//! numbers that notice what is lost are those of the link, and NATS only carries messages. Nothing is kept by it: no
//! JetStream.
//!
//! Subjects, below the prefix: `here` (who is there), `ask` (tell me), `open.{replica}`, `link.{connection}.{side}`.

mod presence;
mod relay;
mod replicas;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerAddr, Subscriber};
use bytes::Bytes;
use futures::{StreamExt as _, sink, stream};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::watch, time::timeout};

use crate::{
    connection::{Connection, TransportError},
    frame::MAX_MESSAGE,
    websocket::{ClientIdentity, DialError, Roots, client_tls},
};

pub use replicas::{ReplicaOptions, Replicas};

/// Marks the message that says that there are no more.
const END: &str = "Sync-Link-End";
/// For the first connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to reach the NATS server.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct NatsConfig {
    /// `nats://host:4222`, or `tls://host:4222`; several with commas between them.
    pub servers: String,
    /// What the server wants to know: the text of a `.creds` file, `user:password`, or a token.
    pub credentials: Option<SecretString>,
    /// Whom to believe about the server's certificate, PEM; the machine's authorities when it is missing.
    pub ca_pem: Option<String>,
    /// What this side proves itself with, where the server wants a certificate.
    pub identity: Option<ClientIdentity>,
}

impl NatsConfig {
    /// A server, without credentials.
    pub fn new(servers: impl Into<String>) -> Self {
        Self { servers: servers.into(), ..Self::default() }
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// Why there is no connection to NATS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// An address is none.
    #[error("the address of NATS is wrong: {0}")]
    Address(String),
    /// The credentials cannot be used.
    #[error("the credentials for NATS: {0}")]
    Credentials(String),
    /// Certificates or key cannot be used.
    #[error("NATS: {0}")]
    Tls(#[from] DialError),
    /// It is not reached, or does not let this side in.
    #[error("NATS is not reached: {0}")]
    Connect(String),
    /// It takes no messages of the size that the link needs.
    #[error(
        "NATS takes messages of {0} bytes at most, and the link needs {MAX_MESSAGE} (max_payload)"
    )]
    TooSmall(usize),
}

/// A connection to NATS that comes back by itself.
#[derive(Debug, Clone)]
pub struct Nats {
    client: Client,
    up: watch::Receiver<bool>,
}

impl Nats {
    /// Connects. Once it has been there, the server may go and come.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn connect(config: &NatsConfig) -> Result<Self, NatsError> {
        let nats = Self::open(config, false).await?;
        nats.ready().await?;
        Ok(nats)
    }

    /// Begins to connect, and goes on trying for as long as it takes; see [`Nats::ready`].
    ///
    /// # Errors
    /// [`NatsError::Address`], [`NatsError::Credentials`], [`NatsError::Tls`]: what does not pass by itself.
    pub async fn begin(config: &NatsConfig) -> Result<Self, NatsError> {
        Self::open(config, true).await
    }

    /// Waits until the server is there, and looks whether it takes what the link needs.
    ///
    /// # Errors
    /// [`NatsError::TooSmall`].
    pub async fn ready(&self) -> Result<(), NatsError> {
        let closed = || NatsError::Connect("the connection is closed".to_owned());
        self.up.clone().wait_for(|up| *up).await.map_err(|_| closed())?;
        // What the server says of itself is known a little later than that it is there, and before this is done.
        self.client.flush().await.map_err(|_| closed())?;
        match self.client.server_info().max_payload {
            most if most < MAX_MESSAGE => Err(NatsError::TooSmall(most)),
            _ => Ok(()),
        }
    }

    async fn open(config: &NatsConfig, patient: bool) -> Result<Self, NatsError> {
        let servers = config
            .servers
            .split(',')
            .map(|server| server.trim().parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| NatsError::Address(error.to_string()))?;
        let (sender, up) = watch::channel(!patient);
        let sender = Arc::new(sender);
        let said = Arc::new(Mutex::new(String::new()));
        let tls_wanted = servers.iter().any(ServerAddr::tls_required);
        let mut options = ConnectOptions::new()
            .name("provisioning-service")
            .connection_timeout(PATIENCE)
            .no_echo()
            // Refused credentials are refused again; and who waits for a server does so with a pause.
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| {
                Duration::from_millis((50 * attempt as u64).min(2000))
            })
            .event_callback(move |event| {
                let (sender, said) = (Arc::clone(&sender), Arc::clone(&said));
                async move {
                    match event {
                        Event::Connected => {
                            tell_once(&said, String::new());
                            sender.send_replace(true);
                        }
                        Event::Disconnected | Event::Closed => drop(sender.send_replace(false)),
                        Event::SlowConsumer(_) => {
                            tracing::warn!(
                                "NATS brings more than is taken: some requests are lost"
                            );
                        }
                        Event::ClientError(error) => tell_once(&said, error.to_string()),
                        other => tracing::debug!(%other, "NATS"),
                    }
                }
            });
        if tls_wanted || config.ca_pem.is_some() || config.identity.is_some() {
            let roots = config.ca_pem.as_deref().map_or(Roots::System, Roots::Pem);
            let tls = client_tls(roots, config.identity.as_ref())?;
            options = options.tls_client_config(Arc::unwrap_or_clone(tls)).require_tls(true);
        }
        if let Some(credentials) = &config.credentials {
            options = with_credentials(options, credentials.expose_secret().trim())?;
        }
        if patient {
            options = options.retry_on_initial_connect();
        }
        let client = options
            .connect(servers)
            .await
            .map_err(|error| NatsError::Connect(crate::websocket::plain(&error)))?;
        Ok(Self { client, up })
    }

    /// One end of a connection that NATS carries: what is sent to one subject and comes from another. Both ends have to be
    /// there before either sends.
    ///
    /// # Errors
    /// When the connection to NATS is closed.
    pub async fn connection(&self, to: &str, from: &str) -> Result<Connection, TransportError> {
        let incoming = self.subscribe(from).await?;
        Ok(carry(&self.client, to, incoming))
    }

    async fn subscribe(&self, subject: &str) -> Result<Subscriber, TransportError> {
        let subscribed = self.client.subscribe(subject.to_owned()).await;
        let subscriber = subscribed.map_err(TransportError::new)?;
        // Only what the server knows is delivered, and what it says behind the subscription shows that it does: here, that
        // nobody listens to a name that was just made up.
        let nobody = self.client.request(self.client.new_inbox(), Bytes::new());
        drop(timeout(PATIENCE, nobody).await.map_err(TransportError::new)?);
        Ok(subscriber)
    }
}

/// Says what is in the way of a connection, once until it is something else.
fn tell_once(said: &Mutex<String>, trouble: String) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if *said != trouble {
        if !trouble.is_empty() {
            tracing::warn!("NATS is not reached: {trouble}");
        }
        *said = trouble;
    }
}

fn with_credentials(options: ConnectOptions, text: &str) -> Result<ConnectOptions, NatsError> {
    if text.contains("-----BEGIN") {
        return options.credentials(text).map_err(|_| {
            NatsError::Credentials("they begin like a .creds file and are none".to_owned())
        });
    }
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(NatsError::Credentials(
            "they are neither a .creds file nor user:password nor a token".to_owned(),
        ));
    }
    Ok(match text.split_once(':') {
        Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
        None => options.token(text.to_owned()),
    })
}

fn carry(client: &Client, to: &str, incoming: Subscriber) -> Connection {
    let over = Over { client: client.clone(), to: to.to_owned() };
    let outgoing = sink::unfold(over, |over, message: Bytes| async move {
        over.client.publish(over.to.clone(), message).await.map_err(TransportError::new)?;
        Ok(over)
    });
    let incoming = stream::unfold(Some(incoming), |incoming| async move {
        let mut incoming = incoming?;
        let message = incoming.next().await?;
        if message.headers.is_some_and(|headers| headers.get(END).is_some()) {
            return Some((Err(TransportError::new("the other side is gone")), None));
        }
        Some((Ok(message.payload), Some(incoming)))
    });
    Connection::new("nats", outgoing, incoming)
}

/// Tells the other side, which NATS does not do, when this one is gone.
struct Over {
    client: Client,
    to: String,
}

impl Drop for Over {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (client, to) = (self.client.clone(), std::mem::take(&mut self.to));
        let mut headers = HeaderMap::new();
        headers.insert(END, "1");
        // A courtesy: who does not get it notices by the silence.
        runtime.spawn(async move {
            drop(client.publish_with_headers(to, headers, Bytes::new()).await);
            // With its last handle the client ends, whatever it still had to send.
            drop(client.flush().await);
        });
    }
}
