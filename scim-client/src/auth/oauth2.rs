//! Tokens by OAuth 2.0 client credentials (RFC 6749 section 4.4), with a secret or a signed assertion (RFC 7523).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth2::basic::BasicClient;
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{AuthError, Authorize, Tools, sensitive};
use crate::builder::is_local;
use crate::transport::{Transport, TransportError};

/// A token is renewed this long before its end, or after three quarters of its life if that is later.
const EARLY: Duration = Duration::from_secs(60);
/// How long a token is used whose end the endpoint does not tell.
const UNKNOWN_LIFE: Duration = Duration::from_secs(300);
/// How long a signed assertion is good.
const ASSERTION_LIFE: Duration = Duration::from_secs(120);

/// Where tokens come from, and the present one.
///
/// Clones share the token: one request to the endpoint serves all that wait for it, a new token is fetched before the
/// old one ends, and a token that the peer refuses is given up.
///
/// ```
/// use scim_client::OAuth2;
/// let tokens = OAuth2::client_credentials("https://login.example/token", "agent", "s3cr3t")
///     .scope("scim.write");
/// # let _ = tokens;
/// ```
#[derive(Clone)]
pub struct OAuth2 {
    settings: Settings,
    state: Arc<State>,
}

#[derive(Clone)]
struct Settings {
    token_url: String,
    client_id: String,
    proof: Proof,
    in_body: bool,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

#[derive(Clone)]
enum Proof {
    Secret(SecretString),
    Key {
        pem: SecretString,
        algorithm: Option<Algorithm>,
        key_id: Option<String>,
        audience: Option<String>,
    },
}

#[derive(Default)]
struct State {
    token: Mutex<Option<Token>>,
    /// Held while a token is being fetched.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    renew_at: Instant,
    ends_at: Instant,
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proof = match &self.settings.proof {
            Proof::Secret(_) => "secret",
            Proof::Key { .. } => "private key",
        };
        f.debug_struct("OAuth2")
            .field("token_url", &self.settings.token_url)
            .field("client_id", &self.settings.client_id)
            .field("proof", &proof)
            .field("scopes", &self.settings.scopes)
            .finish_non_exhaustive()
    }
}

impl OAuth2 {
    /// Client credentials with a secret, sent by HTTP Basic.
    pub fn client_credentials(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<SecretString>,
    ) -> Self {
        Self::new(token_url.into(), client_id.into(), Proof::Secret(secret.into()))
    }

    /// Client credentials with an assertion that is signed with a private key in PEM (RFC 7523 section 2.2): RS256 for
    /// an RSA key, ES256 for one on P-256, or as [`algorithm`](Self::algorithm) says.
    pub fn private_key_jwt(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        pem: impl Into<SecretString>,
    ) -> Self {
        let proof = Proof::Key { pem: pem.into(), algorithm: None, key_id: None, audience: None };
        Self::new(token_url.into(), client_id.into(), proof)
    }

    fn new(token_url: String, client_id: String, proof: Proof) -> Self {
        let settings = Settings {
            token_url,
            client_id,
            proof,
            in_body: false,
            scopes: Vec::new(),
            parameters: Vec::new(),
        };
        Self { settings, state: Arc::default() }
    }

    /// Asks for this scope, beside others.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.settings.scopes.push(scope.into());
        self
    }

    /// Asks for these scopes where none was named.
    #[must_use]
    pub(crate) fn or_scopes(mut self, scopes: &[String]) -> Self {
        if self.settings.scopes.is_empty() {
            self.settings.scopes.extend_from_slice(scopes);
        }
        self
    }

    /// Sends one more parameter to the token endpoint, such as `resource` or `audience`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.parameters.push((name.into(), value.into()));
        self
    }

    /// Sends the secret in the body instead of by HTTP Basic, for endpoints that know only that.
    #[must_use]
    pub fn secret_in_body(mut self) -> Self {
        self.settings.in_body = true;
        self
    }

    /// The algorithm of signed assertions; without this it follows from the kind of key.
    #[must_use]
    pub fn algorithm(mut self, wanted: Algorithm) -> Self {
        if let Proof::Key { algorithm, .. } = &mut self.settings.proof {
            *algorithm = Some(wanted);
        }
        self
    }

    /// The `kid` of signed assertions.
    #[must_use]
    pub fn key_id(mut self, id: impl Into<String>) -> Self {
        if let Proof::Key { key_id, .. } = &mut self.settings.proof {
            *key_id = Some(id.into());
        }
        self
    }

    /// The `aud` of signed assertions; the token endpoint without this.
    #[must_use]
    pub fn audience(mut self, wanted: impl Into<String>) -> Self {
        if let Proof::Key { audience, .. } = &mut self.settings.proof {
            *audience = Some(wanted.into());
        }
        self
    }

    fn present(&self) -> Option<Token> {
        self.state.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, token: Option<Token>) {
        *self.state.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Fetches a token and keeps it. The caller holds `fetching`.
    async fn fetch(&self, tools: &Tools<'_>) -> Result<Token, AuthError> {
        let token = self.settings.request(tools).await?;
        self.store(Some(token.clone()));
        Ok(token)
    }
}

#[async_trait]
impl Authorize for OAuth2 {
    async fn authorization(&self, tools: &Tools<'_>) -> Result<Option<HeaderValue>, AuthError> {
        let now = Instant::now();
        if let Some(token) = self.present().filter(|token| now < token.ends_at) {
            if now < token.renew_at {
                return Ok(Some(token.header));
            }
            // It is still good: one request renews it, the others go on with it. So does this one when that fails.
            let Ok(_fetching) = self.state.fetching.try_lock() else {
                return Ok(Some(token.header));
            };
            return match self.fetch(tools).await {
                Ok(fresh) => Ok(Some(fresh.header)),
                Err(error) => {
                    tracing::warn!(%error, "the token could not be renewed early");
                    Ok(Some(token.header))
                }
            };
        }
        let _fetching = self.state.fetching.lock().await;
        // Another request may have fetched one while this one waited.
        if let Some(token) = self.present().filter(|token| Instant::now() < token.ends_at) {
            return Ok(Some(token.header));
        }
        self.fetch(tools).await.map(|token| Some(token.header))
    }

    async fn refused(&self, value: &HeaderValue) -> bool {
        let mut token = self.state.token.lock().unwrap_or_else(PoisonError::into_inner);
        if token.as_ref().is_some_and(|token| token.header == *value) {
            *token = None;
        }
        true
    }
}

impl Settings {
    async fn request(&self, tools: &Tools<'_>) -> Result<Token, AuthError> {
        let unusable = |what: &str| AuthError::Unusable(format!("the token endpoint: {what}"));
        let url = Url::parse(&self.token_url).map_err(|_| unusable("its URL is not valid"))?;
        if !(url.scheme() == "https" || is_local(&url)) {
            return Err(unusable("its URL must be https: a secret is sent there"));
        }
        let token_url = TokenUrl::from_url(url);
        let mut client =
            BasicClient::new(ClientId::new(self.client_id.clone())).set_token_uri(token_url);
        if let Proof::Secret(secret) = &self.proof {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        if self.in_body {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        let mut request = client
            .exchange_client_credentials()
            .add_scopes(self.scopes.iter().map(|scope| Scope::new(scope.clone())));
        if let Some(assertion) = self.assertion(tools)? {
            request = request
                .add_extra_param(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )
                .add_extra_param("client_assertion", assertion);
        }
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let asked_at = Instant::now();
        let token =
            request.request_async(&OverTransport(tools.transport)).await.map_err(|error| {
                match error {
                    RequestTokenError::Request(error) => AuthError::Unreachable(error),
                    RequestTokenError::ServerResponse(answer) => AuthError::Refused {
                        code: answer.error().to_string(),
                        description: answer.error_description().map(|text| self.masked(text)),
                    },
                    // The body is not shown: it may hold a token.
                    RequestTokenError::Parse(..) => AuthError::Unexpected(
                        "it answered with something that is no token".to_owned(),
                    ),
                    RequestTokenError::Other(text) => AuthError::Unexpected(text),
                }
            })?;
        let life = token.expires_in().unwrap_or(UNKNOWN_LIFE);
        Ok(Token {
            header: sensitive(&format!("Bearer {}", token.access_token().secret()))?,
            renew_at: asked_at + life.saturating_sub(EARLY).max(life * 3 / 4),
            ends_at: asked_at + life,
        })
    }

    /// The text without the secret: some endpoints repeat what they refuse.
    fn masked(&self, text: &str) -> String {
        match &self.proof {
            Proof::Secret(secret) if secret.expose_secret().len() > 3 => {
                text.replace(secret.expose_secret(), "***")
            }
            _ => text.to_owned(),
        }
    }

    /// The signed assertion, where the proof is a key.
    fn assertion(&self, tools: &Tools<'_>) -> Result<Option<String>, AuthError> {
        let Proof::Key { pem, algorithm, key_id, audience } = &self.proof else { return Ok(None) };
        let unusable =
            |_| AuthError::Unusable("the private key cannot be used for that algorithm".to_owned());
        let (key, algorithm) = signing_key(pem.expose_secret().as_bytes(), *algorithm)
            .ok_or_else(|| unusable("the private key is not in PEM, or not of a known kind"))?;
        let now = tools.clock.now().timestamp();
        let claims = Claims {
            iss: &self.client_id,
            sub: &self.client_id,
            aud: audience.as_deref().unwrap_or(&self.token_url),
            jti: Uuid::from_u128(rand::random()).to_string(),
            iat: now,
            nbf: now,
            exp: now + ASSERTION_LIFE.as_secs().cast_signed(),
        };
        let mut header = Header::new(algorithm);
        header.kid.clone_from(key_id);
        jsonwebtoken::encode(&header, &claims, &key)
            .map(Some)
            .map_err(|_| unusable("the private key cannot be used for that algorithm"))
    }
}

/// The key, and the algorithm that was asked for or is usual for this kind.
fn signing_key(pem: &[u8], wanted: Option<Algorithm>) -> Option<(EncodingKey, Algorithm)> {
    if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
        return Some((key, wanted.unwrap_or(Algorithm::RS256)));
    }
    if let Ok(key) = EncodingKey::from_ec_pem(pem) {
        return Some((key, wanted.unwrap_or(Algorithm::ES256)));
    }
    let key = EncodingKey::from_ed_pem(pem).ok()?;
    Some((key, wanted.unwrap_or(Algorithm::EdDSA)))
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The library's seam, over ours.
struct OverTransport<'t>(&'t dyn Transport);

impl<'c> AsyncHttpClient<'c> for OverTransport<'_> {
    type Error = TransportError;
    type Future = BoxFuture<'c, Result<HttpResponse, TransportError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.send(request.map(Bytes::from)).await?;
            Ok(answer.map(|body| as_specified(&body).unwrap_or_else(|| body.to_vec())))
        })
    }
}

/// What real endpoints write differently: the first version of Microsoft's gives `expires_in` as text, others leave
/// `token_type` out.
fn as_specified(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).ok()?;
    answer.get("access_token")?;
    if let Some(text) = answer.get("expires_in").and_then(|value| value.as_str()) {
        let seconds: u64 = text.trim().parse().ok()?;
        answer.insert("expires_in".to_owned(), seconds.into());
    }
    answer.entry("token_type").or_insert_with(|| "Bearer".into());
    serde_json::to_vec(&answer).ok()
}
