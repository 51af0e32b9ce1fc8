//! Checking bearer tokens: stored service tokens, and the one an operator chose.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::CryptoRng;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use subtle::ConstantTimeEq as _;

use super::cache::PrincipalCache;
use super::credential::Digest;
use super::tokens::TokenText;
use super::{
    AuthError, AuthScheme, Authenticator, CredentialInput, InvalidTokenSpec, NewToken, Principal,
    PrincipalId, Scopes, TenantId, TokenId, TokenRecord, TokenSpec, TokenStore, TokenStoreError,
};

/// How many accepted tokens are held in memory; about half a kilobyte each at most.
const CACHED: usize = 4096;

/// Uses closer together than this are noted once, so that reading does not write.
const TOUCH_EVERY: TimeDelta = TimeDelta::seconds(60);

/// The service tokens of a store: issue, list, revoke, and check.
///
/// A token that was accepted is believed for up to five seconds. Revoking through this value
/// takes effect at once; through another process, within those five seconds.
///
/// Rotation needs no special verb: any number of tokens may be live at a time.
#[derive(Debug)]
pub struct ServiceTokens {
    store: Arc<dyn TokenStore>,
    cache: PrincipalCache,
}

/// A token that could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request makes no sense.
    #[error(transparent)]
    Spec(#[from] InvalidTokenSpec),
    /// The record could not be stored.
    #[error(transparent)]
    Store(#[from] TokenStoreError),
}

impl ServiceTokens {
    /// Tokens whose records are in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn TokenStore>) -> Self {
        Self { store, cache: PrincipalCache::new(CACHED) }
    }

    /// Makes a token and stores its record. The text is in the result and nowhere else.
    ///
    /// `rng` is done with when this returns; the future does not borrow it.
    ///
    /// # Errors
    /// [`IssueError::Spec`] and [`IssueError::Store`].
    pub fn issue<'a>(
        &'a self,
        spec: TokenSpec,
        rng: &mut dyn CryptoRng,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<NewToken, IssueError>> + Send + use<'a> {
        let generated = NewToken::generate(spec, rng, now);
        async move {
            let token = generated?;
            self.store.token_insert(token.record.clone()).await?;
            Ok(token)
        }
    }

    /// The records of `tenant`, oldest first.
    ///
    /// # Errors
    /// [`TokenStoreError::Backend`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, TokenStoreError> {
        self.store.token_list(tenant).await
    }

    /// Revokes a token, from the next request on. `false` if there was nothing to revoke.
    ///
    /// # Errors
    /// [`TokenStoreError::Backend`].
    pub async fn revoke(&self, id: &TokenId, now: DateTime<Utc>) -> Result<bool, TokenStoreError> {
        let outcome = self.store.token_revoke(id, now).await;
        // Also after an error, as the store may have done it.
        self.cache.clear();
        outcome
    }

    /// Forgets what was accepted lately; for when a tenant with its tokens is removed.
    pub fn forget_accepted(&self) {
        self.cache.clear();
    }

    /// Notes the use of a token without making the request wait for the store.
    fn touch(&self, record: &TokenRecord, now: DateTime<Utc>) {
        if record.last_used.is_some_and(|last| now - last < TOUCH_EVERY) {
            return;
        }
        let (store, id) = (Arc::clone(&self.store), record.id.clone());
        tokio::spawn(async move {
            if let Err(error) = store.token_touch(&id, now).await {
                tracing::warn!(token = %id, %error, "the use of a token could not be noted");
            }
        });
    }
}

#[async_trait]
impl Authenticator for ServiceTokens {
    fn accepts(&self, input: &CredentialInput<'_>) -> bool {
        TokenText::has_prefix(input.token())
    }

    async fn authenticate(&self, input: &CredentialInput<'_>) -> Result<Principal, AuthError> {
        if let Some(principal) = self.cache.get(input.digest(), input.now()) {
            return Ok(principal);
        }
        let text = TokenText::parse(input.token()).map_err(AuthError::Malformed)?;
        let epoch = self.cache.epoch();
        let found = self.store.token_find(&text.id).await;
        let record = found
            .map_err(|error| AuthError::Backend(error.into()))?
            .ok_or(AuthError::Invalid("no token has this id"))?;
        if !record.matches(text.secret) {
            return Err(AuthError::Invalid("the token's secret differs"));
        }
        if record.revoked.is_some() {
            return Err(AuthError::Revoked);
        }
        if record.expires.is_some_and(|expires| expires <= input.now()) {
            return Err(AuthError::Expired);
        }
        let principal =
            record.principal().ok_or(AuthError::Invalid("the token's id is no subject"))?;
        self.touch(&record, input.now());
        self.cache.put(epoch, *input.digest(), principal.clone(), input.now(), record.expires);
        Ok(principal)
    }

    fn schemes(&self) -> Vec<AuthScheme> {
        vec![AuthScheme::bearer()]
    }
}

/// One token that the operator chose, for the default tenant, with all scopes.
///
/// Only its SHA-256 is held. Put it before [`ServiceTokens`] in an
/// [`AnyOf`](super::AnyOf), so that it wins over a stored token of the same text.
pub struct StaticToken {
    digest: Digest,
    principal: Principal,
}

/// A token that an operator should not have chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStaticToken {
    /// Too short to be safe.
    #[error("the token has fewer than {} characters", StaticToken::MIN_LEN)]
    TooShort,
    /// Too long to be accepted in a request.
    #[error("the token has more than {} characters", CredentialInput::MAX_LEN)]
    TooLong,
    /// Characters that cannot be sent in a header.
    #[error("the token contains a space, a control character or something other than ASCII")]
    Characters,
}

impl StaticToken {
    /// The shortest token.
    pub const MIN_LEN: usize = 16;

    /// Takes the digest of `token`.
    ///
    /// # Errors
    /// [`InvalidStaticToken`], which does not repeat the token.
    pub fn new(token: &SecretString) -> Result<Self, InvalidStaticToken> {
        let text = token.expose_secret();
        if text.chars().count() < Self::MIN_LEN {
            return Err(InvalidStaticToken::TooShort);
        }
        if text.len() > CredentialInput::MAX_LEN {
            return Err(InvalidStaticToken::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidStaticToken::Characters);
        }
        let subject = PrincipalId::new("static").ok_or(InvalidStaticToken::Characters)?;
        let principal = Principal {
            tenant: TenantId::default(),
            subject,
            scopes: Scopes::ALL,
            user: None,
            name: SmolStr::new_static("SCIM_TOKEN"),
        };
        Ok(Self { digest: Sha256::digest(text).into(), principal })
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticToken").finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticator for StaticToken {
    fn accepts(&self, _input: &CredentialInput<'_>) -> bool {
        // An operator may choose a token of any form.
        true
    }

    async fn authenticate(&self, input: &CredentialInput<'_>) -> Result<Principal, AuthError> {
        if bool::from(input.digest().ct_eq(&self.digest)) {
            Ok(self.principal.clone())
        } else {
            Err(AuthError::Invalid("not the configured token"))
        }
    }

    fn schemes(&self) -> Vec<AuthScheme> {
        vec![AuthScheme::bearer()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{HeaderMap, HeaderValue, header};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::auth::{AnyOf, MemoryTokens};
    use crate::clock::{Clock, FixedClock};

    const STATIC: &str = "operator-chosen-0123";

    struct Bench {
        clock: FixedClock,
        tokens: Arc<ServiceTokens>,
        all: AnyOf,
        rng: StdRng,
    }

    impl Bench {
        fn new() -> Self {
            Self::with_store(Arc::new(MemoryTokens::new()))
        }

        fn with_store(store: Arc<dyn TokenStore>) -> Self {
            let tokens = Arc::new(ServiceTokens::new(store));
            let fixed = Arc::new(StaticToken::new(&STATIC.into()).unwrap());
            let all = AnyOf::new(vec![fixed, tokens.clone()]);
            let rng = StdRng::seed_from_u64(42);
            Self { clock: FixedClock::default(), tokens, all, rng }
        }

        async fn issue(&mut self, expires: Option<TimeDelta>) -> (TokenId, String) {
            let now = self.clock.now();
            let spec = TokenSpec {
                tenant: "acme".parse().unwrap(),
                name: "okta".to_owned(),
                scopes: Scopes::READ,
                user: Some("2819c223".to_owned()),
                expires: expires.map(|after| now + after),
            };
            let token = self.tokens.issue(spec, &mut self.rng, now).await.unwrap();
            (token.record.id, token.plain.expose_secret().to_owned())
        }

        async fn try_header(&self, value: &[u8]) -> Result<Principal, AuthError> {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            let input = CredentialInput::from_headers(&headers, self.clock.now())?;
            self.all.authenticate(&input).await
        }

        async fn try_token(&self, token: &str) -> Result<Principal, AuthError> {
            self.try_header(format!("Bearer {token}").as_bytes()).await
        }
    }

    #[tokio::test]
    async fn a_stored_token_opens_its_tenant_with_its_scopes() {
        let mut bench = Bench::new();
        let (id, plain) = bench.issue(None).await;
        let fresh = bench.try_token(&plain).await.unwrap();
        let cached = bench.try_token(&plain).await.unwrap();
        assert_eq!(fresh, cached);
        assert_eq!(fresh.subject.as_str(), id.as_str());
        assert_eq!(fresh.tenant.as_str(), "acme");
        assert_eq!((fresh.scopes, fresh.user.as_deref()), (Scopes::READ, Some("2819c223")));
        let elsewhere = fresh.authorize(&TenantId::default(), crate::auth::Scope::Read);
        assert!(matches!(elsewhere, Err(AuthError::WrongTenant)));
        for header in [format!("bearer {plain}"), format!("BEARER   {plain}")] {
            assert_eq!(bench.try_header(header.as_bytes()).await.unwrap(), fresh);
        }
    }

    #[tokio::test]
    async fn wrong_tokens_are_refused_alike() {
        let mut bench = Bench::new();
        let (_, plain) = bench.issue(None).await;
        let (_, other) = bench.issue(None).await;
        let stranger = NewToken::generate(
            TokenSpec {
                tenant: TenantId::default(),
                name: "never stored".to_owned(),
                scopes: Scopes::ALL,
                user: None,
                expires: None,
            },
            &mut StdRng::seed_from_u64(43),
            bench.clock.now(),
        )
        .unwrap();
        let parts: Vec<&str> = plain.split('_').collect();
        let [_, id, secret, check] = parts[..] else { panic!("{}", parts.len()) };
        let other_secret = other.split('_').nth(2).unwrap();
        // A right checksum over parts that do not belong together.
        let forge = |id: &str, secret: &str| {
            let body = format!("scim_{id}_{secret}");
            format!("{body}_{:08x}", crc32fast::hash(body.as_bytes()))
        };
        let swapped_check = format!("{}{}", &check[4..], &check[..4]);
        let wrong = [
            "scim_".to_owned(),
            "scim".to_owned(),
            "_".to_owned(),
            "___".to_owned(),
            format!("scim_{id}"),
            format!("scim_{id}_{secret}"),
            format!("scim_{id}_{secret}_"),
            format!("scim_{id}__{check}"),
            format!("scim__{secret}_{check}"),
            format!("scim_{secret}_{id}_{check}"),
            format!("scim_{id}_{secret}_{swapped_check}"),
            format!("scim_{id}_{secret}_{check}_{check}"),
            format!("scim_{id}_{secret}_0{check}"),
            format!("scim_{id}_{secret}_00000000"),
            forge(id, other_secret),
            forge(id, &secret[1..]),
            forge(&id.to_ascii_uppercase(), secret),
            forge(id, &secret.to_ascii_uppercase()),
            forge(id, ""),
            forge("", secret),
            forge(id, &"a".repeat(52)),
            forge(&"a".repeat(16), secret),
            forge(id, &"%61".repeat(17)),
            plain.to_ascii_uppercase(),
            plain.replacen("scim", "SCIM", 1),
            plain[..plain.len() - 1].to_owned(),
            plain[1..].to_owned(),
            plain.repeat(2),
            format!("{plain}x"),
            format!("x{plain}"),
            format!("\"{plain}\""),
            format!("'{plain}'"),
            format!("{plain},{plain}"),
            "a".repeat(8192),
            format!("scim_{}", "a".repeat(8000)),
            secret.to_owned(),
            id.to_owned(),
            STATIC[..STATIC.len() - 1].to_owned(),
            STATIC.to_ascii_uppercase(),
            format!("{STATIC}!"),
            "null".to_owned(),
            "undefined".to_owned(),
            stranger.plain.expose_secret().to_owned(),
        ];
        for token in &wrong {
            let error = bench.try_token(token).await.expect_err(token);
            assert!(error.is_guess(), "{token}: {error}");
            assert_eq!(error.detail(), AuthError::Expired.detail());
        }
        let headers: [&[u8]; 10] = [
            b"",
            b"Bearer",
            b"Bearer ",
            plain.as_bytes(),
            b"Basic c2NpbTpzY2lt",
            &[b"Token ", plain.as_bytes()].concat(),
            &[b"Bearer\t", plain.as_bytes()].concat(),
            &[b"Bearer ", plain.as_bytes(), b" x"].concat(),
            &[b"Bearer ", plain.as_bytes(), b"\xc2\xa0"].concat(),
            &[b"Bearer ", "ſcim_".as_bytes(), &plain.as_bytes()[5..]].concat(),
        ];
        for header in headers {
            assert!(bench.try_header(header).await.is_err(), "{}", header.escape_ascii());
        }
        assert!(bench.try_token(&plain).await.is_ok(), "the right one still works");
    }

    #[tokio::test]
    async fn expiry_is_exact_even_for_a_token_just_accepted() {
        let mut bench = Bench::new();
        let (_, plain) = bench.issue(Some(TimeDelta::seconds(2))).await;
        bench.clock.advance(TimeDelta::milliseconds(1999));
        assert!(bench.try_token(&plain).await.is_ok());
        bench.clock.advance(TimeDelta::milliseconds(1));
        assert!(matches!(bench.try_token(&plain).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn revoking_takes_effect_at_once_and_rotation_needs_no_pause() {
        let mut bench = Bench::new();
        let (old, old_plain) = bench.issue(None).await;
        let (_, new_plain) = bench.issue(None).await;
        assert!(bench.try_token(&old_plain).await.is_ok());
        assert!(bench.try_token(&new_plain).await.is_ok());
        assert!(bench.tokens.revoke(&old, bench.clock.now()).await.unwrap());
        assert!(!bench.tokens.revoke(&old, bench.clock.now()).await.unwrap());
        assert!(matches!(bench.try_token(&old_plain).await, Err(AuthError::Revoked)));
        assert!(bench.try_token(&new_plain).await.is_ok());
        let listed = bench.tokens.list(&"acme".parse().unwrap()).await.unwrap();
        assert_eq!(listed.iter().filter(|record| record.revoked.is_some()).count(), 1);
    }

    #[tokio::test]
    async fn a_revocation_by_another_process_is_seen_within_the_ttl() {
        let store = Arc::new(MemoryTokens::new());
        let mut bench = Bench::with_store(store.clone());
        let (id, plain) = bench.issue(None).await;
        assert!(bench.try_token(&plain).await.is_ok());
        store.token_revoke(&id, bench.clock.now()).await.unwrap();
        bench.clock.advance(PrincipalCache::TTL - TimeDelta::milliseconds(1));
        assert!(bench.try_token(&plain).await.is_ok());
        bench.clock.advance(TimeDelta::milliseconds(1));
        assert!(matches!(bench.try_token(&plain).await, Err(AuthError::Revoked)));
    }

    #[tokio::test]
    async fn the_operators_token_wins_and_stays_in_the_default_tenant() {
        let store = Arc::new(MemoryTokens::new());
        let mut bench = Bench::with_store(store);
        let (_, plain) = bench.issue(None).await;
        let fixed: Arc<dyn Authenticator> =
            Arc::new(StaticToken::new(&plain.as_str().into()).unwrap());
        bench.all = AnyOf::new(vec![fixed, bench.tokens.clone()]);
        let principal = bench.try_token(&plain).await.unwrap();
        assert_eq!(principal.tenant, TenantId::default());
        assert_eq!((principal.subject.as_str(), principal.scopes), ("static", Scopes::ALL));
    }

    #[test]
    fn weak_or_unsendable_operator_tokens_are_refused() {
        let long = "x".repeat(CredentialInput::MAX_LEN + 1);
        for (token, error) in [
            ("", InvalidStaticToken::TooShort),
            ("123456789012345", InvalidStaticToken::TooShort),
            (long.as_str(), InvalidStaticToken::TooLong),
            ("sixteen or more spaced", InvalidStaticToken::Characters),
            ("sixteen-or-more-\n", InvalidStaticToken::Characters),
            ("sixteen-or-more-é", InvalidStaticToken::Characters),
        ] {
            assert_eq!(StaticToken::new(&token.into()).unwrap_err(), error, "{token}");
        }
        let fixed = StaticToken::new(&"0123456789canary".into()).unwrap();
        let shown = format!("{fixed:?}");
        assert!(!shown.contains("canary") && !shown.contains(&format!("{:?}", fixed.digest)));
    }

    #[tokio::test]
    async fn without_authenticators_nobody_enters() {
        let bench = Bench { all: AnyOf::default(), ..Bench::new() };
        assert!(matches!(bench.try_token(STATIC).await, Err(AuthError::Invalid(_))));
        assert!(bench.all.schemes().is_empty());
    }

    #[test]
    fn both_kinds_of_token_are_one_scheme_to_a_client() {
        let schemes = Bench::new().all.schemes();
        assert_eq!(schemes.iter().map(|s| s.primary).collect::<Vec<_>>(), [true]);
        let wire = serde_json::to_value(&schemes[0]).unwrap();
        assert_eq!(wire["type"], "oauthbearertoken");
        assert!(wire["specUri"].as_str().unwrap().starts_with("https://"));
    }

    /// Counts reads, and fails when told to.
    #[derive(Debug, Default)]
    struct Watched {
        inner: MemoryTokens,
        finds: AtomicUsize,
        touches: AtomicUsize,
        broken: std::sync::atomic::AtomicBool,
    }

    #[async_trait]
    impl TokenStore for Watched {
        async fn token_find(&self, id: &TokenId) -> Result<Option<TokenRecord>, TokenStoreError> {
            self.finds.fetch_add(1, Ordering::SeqCst);
            if self.broken.load(Ordering::SeqCst) {
                return Err(TokenStoreError::Backend("disk".into()));
            }
            self.inner.token_find(id).await
        }
        async fn token_insert(&self, record: TokenRecord) -> Result<(), TokenStoreError> {
            self.inner.token_insert(record).await
        }
        async fn token_list(&self, of: &TenantId) -> Result<Vec<TokenRecord>, TokenStoreError> {
            self.inner.token_list(of).await
        }
        async fn token_revoke(
            &self,
            id: &TokenId,
            at: DateTime<Utc>,
        ) -> Result<bool, TokenStoreError> {
            self.inner.token_revoke(id, at).await
        }
        async fn token_touch(
            &self,
            id: &TokenId,
            at: DateTime<Utc>,
        ) -> Result<(), TokenStoreError> {
            self.inner.token_touch(id, at).await?;
            self.touches.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_busy_token_costs_one_read_per_ttl_and_one_touch_per_minute() {
        let store = Arc::new(Watched::default());
        let mut bench = Bench::with_store(store.clone());
        let (id, plain) = bench.issue(None).await;
        for _ in 0..100 {
            bench.try_token(&plain).await.unwrap();
        }
        assert_eq!(store.finds.load(Ordering::SeqCst), 1);
        while store.touches.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let record = store.inner.token_find(&id).await.unwrap().unwrap();
        assert_eq!(record.last_used, Some(bench.clock.now()));
        for _ in 0..11 {
            bench.clock.advance(PrincipalCache::TTL);
            bench.try_token(&plain).await.unwrap();
        }
        tokio::task::yield_now().await;
        assert_eq!(store.finds.load(Ordering::SeqCst), 12);
        assert_eq!(store.touches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_store_that_fails_is_not_a_wrong_token() {
        let store = Arc::new(Watched::default());
        let mut bench = Bench::with_store(store.clone());
        let (_, plain) = bench.issue(None).await;
        store.broken.store(true, Ordering::SeqCst);
        let error = bench.try_token(&plain).await.unwrap_err();
        assert!(matches!(error, AuthError::Backend(_)), "{error}");
        assert!(!error.is_guess());
        assert!(bench.try_token(STATIC).await.is_ok(), "needs no store");
    }
}
