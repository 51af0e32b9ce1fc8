//! The default transport: reqwest over rustls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::dns::Resolve;
use secrecy::ExposeSecret;

use crate::transport::{
    Incoming, ParsedUrl, Settings, Transport, TransportError, TransportErrorKind,
};

/// HTTP/1.1 and HTTP/2 over rustls, with a pool of connections.
///
/// Follows no redirects and keeps no cookies. Honours the proxy variables of the environment.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    body_limit: usize,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

impl ReqwestTransport {
    /// Settings: 10 s to connect, 60 s an exchange, answers of up to 64 MiB.
    #[must_use]
    pub fn builder() -> ReqwestBuilder {
        ReqwestBuilder {
            settings: Settings::default(),
            proxy: ProxyUse::Environment,
            resolver: None,
        }
    }
}

/// Settings of a [`ReqwestTransport`].
pub struct ReqwestBuilder {
    settings: Settings,
    proxy: ProxyUse,
    resolver: Option<Arc<dyn Resolve>>,
}

/// Through which proxy requests go.
enum ProxyUse {
    /// As the variables of the environment say.
    Environment,
    /// None at all.
    Direct,
    /// This one.
    Through(String),
}

impl fmt::Debug for ReqwestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ReqwestBuilder {
    /// How long a connection, TLS included, may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long an exchange may take, from the connection to the last byte of the body.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The largest body, in bytes, that is read into memory.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// Trusts the certificates of this PEM text beside those of the system.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.roots.push(pem.into());
        self
    }

    /// Presents a client certificate: its chain and its private key in one PEM text.
    #[must_use]
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.set_identity(pem.into());
        self
    }

    /// Uses these settings of TLS as they are, for a trust that PEM texts cannot say, such as one authority and no other.
    ///
    /// [`root_certificates`](Self::root_certificates) and [`client_certificate`](Self::client_certificate) do nothing then.
    #[must_use]
    pub fn tls(mut self, config: rustls::ClientConfig) -> Self {
        self.settings.tls = Some(config);
        self
    }

    /// Goes through this proxy, or with `None` through none, whatever the environment says.
    #[must_use]
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.proxy = match url {
            Some(url) => ProxyUse::Through(url.to_owned()),
            None => ProxyUse::Direct,
        };
        self
    }

    /// Looks names up with this, which may leave out addresses that must not be reached.
    ///
    /// It is not asked for a host that is an address already, and is asked for the name of a proxy instead of that of the target.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Builds the transport.
    ///
    /// # Errors
    /// [`TransportErrorKind::Request`] where a certificate, a key or the address of a proxy cannot be read.
    pub fn build(self) -> Result<ReqwestTransport, TransportError> {
        let Self { settings, proxy, resolver } = self;
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .tcp_nodelay(true);
        for pem in &settings.roots {
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(unusable)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if let Some(pem) = &settings.identity {
            let identity = reqwest::Identity::from_pem(pem.expose_secret()).map_err(unusable)?;
            builder = builder.identity(identity);
        }
        builder = match &proxy {
            ProxyUse::Environment => builder,
            ProxyUse::Direct => builder.no_proxy(),
            ProxyUse::Through(url) => builder.proxy(reqwest::Proxy::all(url).map_err(unusable)?),
        };
        if let Some(resolver) = resolver {
            builder = builder.dns_resolver(resolver);
        }
        if let Some(tls) = settings.tls {
            builder = builder.tls_backend_preconfigured(tls);
        }
        let client = builder.build().map_err(unusable)?;
        Ok(ReqwestTransport { client, body_limit: settings.body_limit })
    }
}

fn unusable(error: reqwest::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Request, error)
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let mut answer = self.client.execute(prepared(request)?).await.map_err(failed)?;
        let body = self.body(&mut answer).await?;
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl ReqwestTransport {
    async fn body(&self, answer: &mut reqwest::Response) -> Result<Bytes, TransportError> {
        let mut incoming = Incoming::new(self.body_limit, answer.content_length())?;
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if let Some(whole) = incoming.push(chunk)? {
                return Ok(whole);
            }
        }
        Ok(incoming.end())
    }
}

/// The request as reqwest takes it: with a URL where `http` has a URI.
fn prepared(mut request: http::Request<Bytes>) -> Result<reqwest::Request, TransportError> {
    let parsed = request.extensions_mut().remove::<ParsedUrl>();
    let Some(url) = parsed.and_then(|parsed| parsed.of(request.uri())) else {
        return reqwest::Request::try_from(request).map_err(unusable);
    };
    let (parts, body) = request.into_parts();
    let mut request = reqwest::Request::new(parts.method, url);
    *request.headers_mut() = parts.headers;
    *request.version_mut() = parts.version;
    *request.body_mut() = Some(body.into());
    Ok(request)
}

fn failed(error: reqwest::Error) -> TransportError {
    let kind = if error.is_builder() {
        TransportErrorKind::Request
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Lost
    };
    TransportError::new(kind, error.without_url())
}

/// The peer had begun to answer: whatever goes wrong now, it has seen the request.
fn broken(error: reqwest::Error) -> TransportError {
    let kind =
        if error.is_timeout() { TransportErrorKind::Timeout } else { TransportErrorKind::Lost };
    TransportError::new(kind, error.without_url())
}
