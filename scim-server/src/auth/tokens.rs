//! Service tokens: their text, their record, and where records are kept.
//!
//! ```text
//! token  = "scim_" id "_" secret "_" check
//! id     = 16 base32     public: shown in lists and logs, the key of the record
//! secret = 52 base32     256 random bits; only its SHA-256 is kept
//! check  = 8 hex         CRC-32 of everything before its underscore
//! base32 = a-z / 2-7     lower case, no padding
//! ```
//!
//! The prefix lets secret scanners find a leaked token, and the checksum lets them, and us, tell
//! a mistyped token from a wrong one without a store. A fast hash is enough for the secret: 256
//! random bits cannot be guessed, unlike a password.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rand::CryptoRng;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::credential::Digest;
use super::principal::is_loggable;
use super::{Principal, PrincipalId, Scopes, TenantId};

const PREFIX: &str = "scim_";
const ID_LEN: usize = 16;
const SECRET_LEN: usize = 52;
const CHECK_LEN: usize = 8;

/// The public part of a service token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(SmolStr);

/// Text that is not the id of a service token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token id has 16 characters out of a-z and 2-7")]
pub struct InvalidTokenId;

impl TokenId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_base32(text, ID_LEN) { Ok(Self(text.into())) } else { Err(InvalidTokenId) }
    }
}

/// What is kept of a service token. The secret is not.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The public id.
    pub id: TokenId,
    /// The tenant the token opens, and no other.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the secret part.
    pub hash: Digest,
    /// What its holder may do.
    pub scopes: Scopes,
    /// The id of the resource that `/Me` means.
    pub user: Option<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// From when on it is refused.
    pub expires: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// When it was last accepted, to about a minute.
    pub last_used: Option<DateTime<Utc>>,
}

impl TokenRecord {
    /// Whether `secret` is this token's; in time that does not depend on where they differ.
    pub(super) fn matches(&self, secret: &str) -> bool {
        let digest: Digest = Sha256::digest(secret).into();
        digest.ct_eq(&self.hash).into()
    }

    /// The caller this token stands for. An id is always a fit subject.
    pub(super) fn principal(&self) -> Option<Principal> {
        Some(Principal {
            tenant: self.tenant.clone(),
            subject: PrincipalId::new(self.id.as_str())?,
            scopes: self.scopes,
            user: self.user.as_deref().map(SmolStr::from),
            name: self.name.as_str().into(),
        })
    }
}

impl fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRecord")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("user", &self.user)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .field("revoked", &self.revoked)
            .field("last_used", &self.last_used)
            .finish_non_exhaustive()
    }
}

/// What to put into a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// The tenant it opens.
    pub tenant: TenantId,
    /// What people call it: 1 to 100 bytes, no control characters.
    pub name: String,
    /// What its holder may do.
    pub scopes: Scopes,
    /// The id of the resource that `/Me` shall mean.
    pub user: Option<String>,
    /// From when on it is refused; `None` for never.
    pub expires: Option<DateTime<Utc>>,
}

/// A [`TokenSpec`] that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenSpec {
    /// The name is empty, too long or not printable.
    #[error("a token's name has 1 to 100 bytes and no control characters")]
    Name,
    /// The token could do nothing.
    #[error("a token needs a scope: 'read' or 'write'")]
    Scopes,
    /// The token would be refused from the start.
    #[error("a token's expiry must be in the future")]
    Expires,
    /// The resource id is empty, too long or not printable.
    #[error("the user of a token is the id of a resource")]
    User,
}

/// A token just made: the record to store and, once, the text to give away.
#[derive(Debug)]
pub struct NewToken {
    /// What to store.
    pub record: TokenRecord,
    /// The token itself. It cannot be had again.
    pub plain: SecretString,
}

impl NewToken {
    /// Makes a token out of 42 bytes of `rng`: 10 for the id, 32 for the secret.
    ///
    /// ```
    /// use rand::SeedableRng as _;
    /// use scim_server::auth::{NewToken, Scopes, TenantId, TokenSpec};
    /// use scim_server::clock::{Clock as _, FixedClock};
    ///
    /// // A server passes `rand::rng()`; a seed makes the example repeatable.
    /// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    /// let spec = TokenSpec {
    ///     tenant: TenantId::default(),
    ///     name: "entra".to_owned(),
    ///     scopes: Scopes::ALL,
    ///     user: None,
    ///     expires: None,
    /// };
    /// let token = NewToken::generate(spec, &mut rng, FixedClock::default().now())?;
    /// assert_eq!(token.record.name, "entra");
    /// # Ok::<(), scim_server::auth::InvalidTokenSpec>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidTokenSpec`].
    pub fn generate(
        spec: TokenSpec,
        rng: &mut dyn CryptoRng,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidTokenSpec> {
        if !is_loggable(&spec.name, 100) {
            return Err(InvalidTokenSpec::Name);
        }
        if spec.scopes.is_empty() {
            return Err(InvalidTokenSpec::Scopes);
        }
        if spec.expires.is_some_and(|expires| expires <= now) {
            return Err(InvalidTokenSpec::Expires);
        }
        if spec.user.as_deref().is_some_and(|user| !is_loggable(user, PrincipalId::MAX_LEN)) {
            return Err(InvalidTokenSpec::User);
        }
        let mut id_bytes = [0; 10];
        rng.fill_bytes(&mut id_bytes);
        let mut secret_bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret_bytes.as_mut_slice());

        let id = base32(&id_bytes);
        let secret = Zeroizing::new(base32(secret_bytes.as_slice()));
        let body = Zeroizing::new(format!("{PREFIX}{id}_{}", secret.as_str()));
        let plain = format!("{}_{:08x}", body.as_str(), crc32fast::hash(body.as_bytes()));
        let record = TokenRecord {
            id: TokenId(id.into()),
            tenant: spec.tenant,
            name: spec.name,
            hash: Sha256::digest(secret.as_bytes()).into(),
            scopes: spec.scopes,
            user: spec.user,
            created: now,
            expires: spec.expires,
            revoked: None,
            last_used: None,
        };
        Ok(Self { record, plain: plain.into() })
    }
}

/// The parts of a service token that its holder sent.
pub(super) struct TokenText<'a> {
    pub(super) id: TokenId,
    pub(super) secret: &'a str,
}

impl<'a> TokenText<'a> {
    /// Whether `token` claims to be a service token.
    pub(super) fn has_prefix(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Takes `token` apart, or says what is wrong with it.
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let rest = token.strip_prefix(PREFIX).ok_or("a service token starts with 'scim_'")?;
        let (body, check) = token.rsplit_once('_').ok_or("a service token has four parts")?;
        let mut parts = rest.split('_');
        let (Some(id), Some(secret), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("a service token has four parts");
        };
        let id = id.parse().map_err(|InvalidTokenId| "the token's id has another form")?;
        if !is_base32(secret, SECRET_LEN) {
            return Err("the token's secret has another form");
        }
        if check.len() != CHECK_LEN || check != format!("{:08x}", crc32fast::hash(body.as_bytes()))
        {
            return Err("the token's checksum differs; it was mistyped or cut");
        }
        Ok(Self { id, secret })
    }
}

/// A token store that failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenStoreError {
    /// A token with this id exists.
    #[error("a token with this id exists")]
    Exists,
    /// The store could not be read or written.
    #[error("the token store failed")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

/// Where the records of service tokens are kept.
///
/// Ids are unique over all tenants, as the id is all that a request brings along. A record that
/// was revoked stays, so that the audit trail's subjects keep a name.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// The record of `id`, revoked or expired ones included.
    async fn token_find(&self, id: &TokenId) -> Result<Option<TokenRecord>, TokenStoreError>;

    /// Adds a record; durable when this returns.
    ///
    /// # Errors
    /// [`TokenStoreError::Exists`] when the id is taken; nothing is changed then.
    async fn token_insert(&self, record: TokenRecord) -> Result<(), TokenStoreError>;

    /// All records of `tenant`, oldest first, then by id.
    async fn token_list(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, TokenStoreError>;

    /// Revokes the token; durable when this returns.
    ///
    /// Gives whether this call did it: `false` for an unknown token and for one that was revoked
    /// before, whose time stays.
    async fn token_revoke(&self, id: &TokenId, at: DateTime<Utc>) -> Result<bool, TokenStoreError>;

    /// Notes that the token was accepted at `at`; never moves `last_used` back. Unknown ids are
    /// ignored. Need not be durable.
    async fn token_touch(&self, id: &TokenId, at: DateTime<Utc>) -> Result<(), TokenStoreError>;
}

/// Token records in memory, for a server that keeps nothing on disk.
#[derive(Debug, Default)]
pub struct MemoryTokens {
    records: RwLock<BTreeMap<TokenId, TokenRecord>>,
}

impl MemoryTokens {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn update<T>(&self, id: &TokenId, change: impl FnOnce(&mut TokenRecord) -> T) -> Option<T> {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        records.get_mut(id).map(change)
    }
}

#[async_trait]
impl TokenStore for MemoryTokens {
    async fn token_find(&self, id: &TokenId) -> Result<Option<TokenRecord>, TokenStoreError> {
        Ok(self.records.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    async fn token_insert(&self, record: TokenRecord) -> Result<(), TokenStoreError> {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        if records.contains_key(&record.id) {
            return Err(TokenStoreError::Exists);
        }
        records.insert(record.id.clone(), record);
        Ok(())
    }

    async fn token_list(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, TokenStoreError> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = records.values().filter(|r| r.tenant == *tenant).cloned().collect();
        // The map's order is by id and the sort is stable.
        list.sort_by_key(|record| record.created);
        Ok(list)
    }

    async fn token_revoke(&self, id: &TokenId, at: DateTime<Utc>) -> Result<bool, TokenStoreError> {
        let revoked = self.update(id, |record| {
            let first = record.revoked.is_none();
            record.revoked.get_or_insert(at);
            first
        });
        Ok(revoked.unwrap_or(false))
    }

    async fn token_touch(&self, id: &TokenId, at: DateTime<Utc>) -> Result<(), TokenStoreError> {
        self.update(id, |record| record.last_used = record.last_used.max(Some(at)));
        Ok(())
    }
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// RFC 4648 base32 in lower case without padding. There is no need for the way back.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut buffer, mut held) = (0_u32, 0);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(symbol(buffer >> held));
        }
        buffer &= (1 << held) - 1;
    }
    if held > 0 {
        out.push(symbol(buffer << (5 - held)));
    }
    out
}

fn symbol(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

fn is_base32(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| ALPHABET.contains(&b))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::clock::{Clock, FixedClock};

    fn spec() -> TokenSpec {
        TokenSpec {
            tenant: TenantId::default(),
            name: "okta".to_owned(),
            scopes: Scopes::READ,
            user: None,
            expires: None,
        }
    }

    fn make(seed: u64) -> NewToken {
        let mut rng = StdRng::seed_from_u64(seed);
        NewToken::generate(spec(), &mut rng, FixedClock::default().now()).unwrap()
    }

    #[test]
    fn base32_is_rfc4648() {
        let vectors = ["", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"];
        for (len, expected) in vectors.into_iter().enumerate() {
            assert_eq!(base32(&b"foobar"[..len]), expected);
        }
        assert_eq!(base32(&[0xff; 32]).len(), SECRET_LEN);
        assert_eq!(base32(&[0xff; 10]), "7".repeat(ID_LEN));
    }

    #[test]
    fn a_generated_token_parses_back_and_only_its_hash_is_kept() {
        let token = make(7);
        let plain = token.plain.expose_secret();
        assert_eq!(plain.len(), 83);
        let text = TokenText::parse(plain).unwrap();
        assert_eq!(text.id, token.record.id);
        assert!(token.record.matches(text.secret));
        assert!(!token.record.matches(plain));

        let secret = text.secret;
        let hash = format!("{:?}", token.record.hash);
        for shown in [format!("{token:?}"), format!("{:?}", token.record)] {
            assert!(!shown.contains(secret) && !shown.contains(&hash), "{shown}");
            assert!(shown.contains(token.record.id.as_str()));
        }
    }

    #[test]
    fn tokens_differ_and_come_from_the_given_random_source() {
        assert_eq!(make(1).plain.expose_secret(), make(1).plain.expose_secret());
        assert_ne!(make(1).plain.expose_secret(), make(2).plain.expose_secret());
        assert_ne!(make(1).record.id, make(2).record.id);
    }

    #[test]
    fn senseless_specs_are_refused() {
        let now = FixedClock::default().now();
        let cases = [
            (TokenSpec { name: String::new(), ..spec() }, InvalidTokenSpec::Name),
            (TokenSpec { name: "a\nb".to_owned(), ..spec() }, InvalidTokenSpec::Name),
            (TokenSpec { name: "x".repeat(101), ..spec() }, InvalidTokenSpec::Name),
            (TokenSpec { scopes: Scopes::NONE, ..spec() }, InvalidTokenSpec::Scopes),
            (TokenSpec { expires: Some(now), ..spec() }, InvalidTokenSpec::Expires),
            (TokenSpec { user: Some(String::new()), ..spec() }, InvalidTokenSpec::User),
        ];
        for (spec, expected) in cases {
            let made = NewToken::generate(spec, &mut StdRng::seed_from_u64(1), now);
            assert_eq!(made.unwrap_err(), expected);
        }
    }

    #[tokio::test]
    async fn memory_store_keeps_its_contract() {
        let store = MemoryTokens::new();
        let (a, b) = (make(1).record, make(2).record);
        let other = TokenRecord { tenant: "acme".parse().unwrap(), ..make(3).record };
        let older = TokenRecord { created: b.created - TimeDelta::days(1), ..b.clone() };
        for record in [&a, &older, &other] {
            store.token_insert(record.clone()).await.unwrap();
        }
        assert!(matches!(store.token_insert(a.clone()).await, Err(TokenStoreError::Exists)));
        assert_eq!(store.token_list(&a.tenant).await.unwrap(), [older, a.clone()]);
        assert_eq!(store.token_find(&other.id).await.unwrap(), Some(other));
        assert_eq!(store.token_find(&make(9).record.id).await.unwrap(), None);

        let at = a.created + TimeDelta::hours(1);
        assert!(store.token_revoke(&a.id, at).await.unwrap());
        assert!(!store.token_revoke(&a.id, at + TimeDelta::hours(1)).await.unwrap());
        assert!(!store.token_revoke(&make(9).record.id, at).await.unwrap());
        store.token_touch(&a.id, at).await.unwrap();
        store.token_touch(&a.id, at - TimeDelta::hours(9)).await.unwrap();
        store.token_touch(&make(9).record.id, at).await.unwrap();
        let found = store.token_find(&a.id).await.unwrap().unwrap();
        assert_eq!((found.revoked, found.last_used), (Some(at), Some(at)));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_noticed_offline(at in 0_usize..83, to in "[ -~]") {
            let token = make(5);
            let plain = token.plain.expose_secret();
            let mut changed = plain.to_owned();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(TokenText::parse(&changed).is_ok(), changed == plain);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,120}", tail in "[a-z2-7_]{0,90}") {
            let _ = TokenText::parse(&text);
            let _ = TokenText::parse(&format!("scim_{tail}"));
        }
    }
}
