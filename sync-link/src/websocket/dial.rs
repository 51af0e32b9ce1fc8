//! From an address to a connection.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, protocol::Role},
};
use url::{Host, Url};

use super::{PROTOCOL, Proxy, config, http1, plain, received, wrap};
use crate::connection::Connection;

/// One of several addresses of a host gets this long.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);

/// How to reach the service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dial {
    /// `wss://…`, or `ws://` to this very machine.
    pub url: Url,
    /// Certificates and key; see [`client_tls`](super::client_tls).
    pub tls: Arc<ClientConfig>,
    /// Sent as bearer token.
    pub credential: Option<SecretString>,
    /// Further headers, such as a signed proof.
    pub headers: HeaderMap,
    /// The proxy, if there is one.
    pub proxy: Option<Proxy>,
    /// For all of it; 30 seconds.
    pub patience: Duration,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address is none that can be dialled.
    #[error("the service's address is wrong: {0}")]
    Url(String),
    /// No TCP connection.
    #[error("{0} cannot be reached: {1}")]
    Connect(String, String),
    /// The proxy does not let us through.
    #[error("the proxy: {0}")]
    Proxy(String),
    /// No TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// The service does not want this agent, or not now.
    #[error("the service refused the link with {status}{}", detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// In the service's words.
        detail: Option<String>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// What answers is no service of this protocol.
    #[error("what answers is not the service: {0}")]
    Handshake(String),
    /// It took too long.
    #[error("no link within {0:?}")]
    TooLate(Duration),
}

impl Dial {
    /// An address and how to trust it.
    pub fn new(url: Url, tls: Arc<ClientConfig>) -> Self {
        Self {
            url,
            tls,
            credential: None,
            headers: HeaderMap::new(),
            proxy: None,
            patience: Duration::from_secs(30),
        }
    }

    /// With a bearer token.
    #[must_use]
    pub fn with_credential(mut self, credential: SecretString) -> Self {
        self.credential = Some(credential);
        self
    }

    /// With further headers.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Through a proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// Where it got to, as [`DialError`] says.
    pub async fn connect(&self) -> Result<Connection, DialError> {
        timeout(self.patience, self.attempt())
            .await
            .map_err(|_| DialError::TooLate(self.patience))?
    }

    async fn attempt(&self) -> Result<Connection, DialError> {
        let target = Target::of(&self.url, "wss", "ws")?;
        let stream = self.stream(&target).await?;
        self.upgrade(stream, &target).await
    }

    /// TCP, through the proxy where there is one, and TLS.
    pub(crate) async fn stream(&self, target: &Target) -> Result<Box<dyn Stream>, DialError> {
        let stream = self.tcp(target).await?;
        if !target.tls {
            return Ok(Box::new(stream));
        }
        let mut tls = ClientConfig::clone(&self.tls);
        // A WebSocket starts as HTTP/1.1, and the long poll stays with it.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(target.name.clone())
            .map_err(|error| DialError::Url(error.to_string()))?;
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await
            .map_err(|error| DialError::Tls(plain(&error)))?;
        Ok(Box::new(stream))
    }

    async fn tcp(&self, target: &Target) -> Result<TcpStream, DialError> {
        let Some(proxy) = &self.proxy else {
            return connect(&target.name, target.port).await;
        };
        let mut stream = connect(&proxy.host, proxy.port).await?;
        let request = proxy.connect_request(&target.host, target.port);
        let wrong = |error: &dyn std::fmt::Display| DialError::Proxy(format!("{proxy}: {error}"));
        let reply = http1::exchange(&mut stream, request.expose_secret().as_bytes())
            .await
            .map_err(|error| wrong(&error))?;
        if reply.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(wrong(&"it wants a user name and a password that it knows (407)"));
        }
        if !reply.status.is_success() {
            return Err(wrong(&format!("it answers {}", reply.status)));
        }
        if !reply.rest.is_empty() {
            return Err(wrong(&"it talks before it was asked"));
        }
        Ok(stream)
    }

    async fn upgrade(
        &self,
        mut stream: Box<dyn Stream>,
        target: &Target,
    ) -> Result<Connection, DialError> {
        let (key, accept) = http1::key();
        let request = self.upgrade_request(target, &key)?;
        let reply = http1::exchange(&mut stream, request.expose_secret().as_bytes())
            .await
            .map_err(|error| DialError::Handshake(plain(&error)))?;
        if reply.status != StatusCode::SWITCHING_PROTOCOLS {
            let status = reply.status;
            let retry_after = retry_after(&reply.headers);
            let detail = http1::refusal(&mut stream, reply).await;
            return Err(DialError::Refused { status, detail, retry_after });
        }
        let has = |name, value: &str| {
            reply.headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
        };
        let missing = if !http1::lists(&reply.headers, &header::UPGRADE, "websocket")
            || !http1::lists(&reply.headers, &header::CONNECTION, "upgrade")
        {
            "its answer to the upgrade is none"
        } else if !has(header::SEC_WEBSOCKET_ACCEPT, &accept) {
            "its answer belongs to another request"
        } else if !has(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
            "it does not speak the link's protocol"
        } else if reply.headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            "it wants an extension that nobody asked for"
        } else {
            let rest = reply.rest.to_vec();
            let socket =
                WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config()))
                    .await;
            return Ok(wrap(socket, tungstenite::Message::Binary, received));
        };
        Err(DialError::Handshake(missing.to_owned()))
    }

    fn upgrade_request(&self, target: &Target, key: &str) -> Result<SecretString, DialError> {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Protocol: {PROTOCOL}\r\n",
            path = target.path,
            host = target.authority,
        );
        let mut line = |name: &str, value: &str| {
            request.push_str(name);
            request.push_str(": ");
            request.push_str(value);
            request.push_str("\r\n");
        };
        line("User-Agent", concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")));
        let ours = |value: &HeaderValue| {
            let wrong = || DialError::Handshake("a header of ours is not ASCII".to_owned());
            value.to_str().map(str::to_owned).map_err(|_| wrong())
        };
        for (name, value) in &self.headers {
            line(name.as_str(), &ours(value)?);
        }
        if let Some(credential) = &self.credential {
            let bearer = HeaderValue::try_from(format!("Bearer {}", credential.expose_secret()))
                .map_err(|_| DialError::Handshake("the credential is no token".to_owned()))?;
            line("Authorization", &ours(&bearer)?);
        }
        request.push_str("\r\n");
        Ok(request.into())
    }
}

/// Both directions of a connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The parts of the address.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    tls: bool,
    /// As a name to resolve and to check.
    name: String,
    /// As written in a request, with brackets around IPv6.
    host: String,
    port: u16,
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Target {
    /// Of an address that starts with one of two schemes: with TLS, and without, which is for this machine only.
    pub(crate) fn of(url: &Url, secure: &str, open: &str) -> Result<Self, DialError> {
        let wrong = |why: &str| DialError::Url(why.to_owned());
        let host = url.host().ok_or_else(|| wrong("it has no host"))?;
        let (name, here) = match &host {
            Host::Domain(name) => ((*name).to_owned(), *name == "localhost"),
            Host::Ipv4(ip) => (ip.to_string(), ip.is_loopback()),
            Host::Ipv6(ip) => (ip.to_string(), ip.is_loopback()),
        };
        let tls = match url.scheme() {
            scheme if scheme == secure => true,
            scheme if scheme == open && here => false,
            scheme if scheme == open => {
                let why = format!("{open}:// is for this machine only; others need {secure}://");
                return Err(wrong(&why));
            }
            _ => return Err(wrong(&format!("it has to start with {secure}://"))),
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
        let host = host.to_string();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path.push('?');
            path.push_str(query);
        }
        Ok(Self { tls, name, host, port, authority, path })
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let failed = |error: &dyn std::fmt::Display| {
        DialError::Connect(format!("{host}:{port}"), error.to_string())
    };
    let addresses = lookup_host((host, port)).await.map_err(|error| failed(&error))?;
    let mut last = failed(&"its name has no address");
    for address in addresses {
        match timeout(ADDRESS_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small frames must not wait for each other.
                stream.set_nodelay(true).map_err(|error| failed(&error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = failed(&error),
            Err(_) => last = failed(&"it does not answer"),
        }
    }
    Err(last)
}

pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
