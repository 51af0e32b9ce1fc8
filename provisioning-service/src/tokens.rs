//! Administrators' tokens: made by the service, shown once, kept as a hash.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::records::{Batch, Key, Records, RecordsError, Write};
use crate::tenant::TenantId;

/// The kind of the records.
pub(crate) const KIND: &str = "token";
const PREFIX: &str = "prov_";
const ID_LEN: usize = 16;
const SECRET_LEN: usize = 64;
const CHECK_LEN: usize = 8;
/// How exactly it is known when a token was last used.
const TOUCH: TimeDelta = TimeDelta::minutes(1);
/// Records that are looked at with one call.
const PAGE: usize = 500;

/// What the holder of a token may do; each role may do what those before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Reader,
    /// Run jobs, put agents into groups, allow what the guard stopped.
    Operator,
    /// Give identities and rights: codes, agents, tokens, configuration.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// What is kept of a token.
#[derive(Clone, Serialize, Deserialize)]
pub struct Token {
    /// The tenant that it opens.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// From when on it is refused.
    pub expires: Option<DateTime<Utc>>,
    /// Since when it is refused, because someone said so.
    pub revoked: Option<DateTime<Utc>>,
    /// When it was last used, within a minute.
    pub last_used: Option<DateTime<Utc>>,
    /// SHA-256 of the secret, in hexadecimal.
    hash: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What to put into a new token.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// What people call it: 1 to 100 printable characters.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it ends; `None` for never.
    pub expires: Option<DateTime<Utc>>,
}

/// A token just made.
#[derive(Debug)]
pub struct NewToken {
    /// Its id, for lists and for revoking it.
    pub id: String,
    /// The token itself. It cannot be had again.
    pub plain: SecretString,
}

/// Who asks, as proven by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the caller may reach.
    pub tenant: TenantId,
    /// What the caller may do.
    pub role: Role,
    /// The token's id.
    pub token: String,
    /// The token's name.
    pub name: String,
}

impl Caller {
    /// The caller as the audit log has it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Token { id: self.token.clone(), name: self.name.clone() }
    }
}

/// Why a token was not made or not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The name is empty, too long or not printable.
    #[error("a token's name has 1 to 100 printable characters")]
    Name,
    /// The token would be refused from the start.
    #[error("a token's expiry must be in the future")]
    Expiry,
    /// It is not a token, and cannot have been one.
    #[error("this is not a token of this service: {0}")]
    Form(&'static str),
    /// No such token, or another secret.
    #[error("the token is not known")]
    Unknown,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// The tokens of all tenants.
#[derive(Debug, Clone)]
pub struct Tokens {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Over these records.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>) -> Self {
        Self { records, clock }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenError::Name`], [`TokenError::Expiry`], [`TokenError::Records`].
    pub async fn create(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        spec: TokenSpec,
    ) -> Result<NewToken, TokenError> {
        let now = self.clock.now();
        if !is_name(&spec.name) {
            return Err(TokenError::Name);
        }
        if spec.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenError::Expiry);
        }
        let mut bytes = Zeroizing::new([0_u8; (ID_LEN + SECRET_LEN) / 2]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        let id = hex(&bytes[..ID_LEN / 2]);
        let secret = Zeroizing::new(hex(&bytes[ID_LEN / 2..]));
        let body = Zeroizing::new(format!("{PREFIX}{id}_{}", secret.as_str()));
        let plain = format!("{}_{}", body.as_str(), check_of(&body));
        let details = json!({"name": spec.name, "role": spec.role, "expires": spec.expires});
        let token = Token {
            tenant: tenant.clone(),
            name: spec.name,
            role: spec.role,
            created: now,
            expires: spec.expires,
            revoked: None,
            last_used: None,
            hash: hash_of(&secret),
        };
        let entry =
            audit::entry(tenant, actor, "token.create", format!("token {id}"), details, now);
        let batch = Batch {
            writes: vec![Write::create(key(&id), json!(token))],
            entries: vec![entry],
            fence: None,
        };
        self.records.commit(batch).await?;
        Ok(NewToken { id, plain: plain.into() })
    }

    /// The tokens of a tenant, or of all of them, with their ids, oldest first.
    ///
    /// # Errors
    /// [`TokenError::Records`].
    pub async fn list(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(String, Token)>, TokenError> {
        let mut tokens = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let service = TenantId::service();
            let page = self.records.list(&service, KIND, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (id, record) in page {
                let token: Token = read(record.value)?;
                if tenant.is_none_or(|tenant| *tenant == token.tenant) {
                    tokens.push((id, token));
                }
            }
        }
        tokens.sort_by_key(|(_, token)| token.created);
        Ok(tokens)
    }

    /// Revokes a token of a tenant, or of any with `None`. Gives whether this call did it.
    ///
    /// # Errors
    /// [`TokenError::Records`].
    pub async fn revoke(
        &self,
        actor: &Actor,
        tenant: Option<&TenantId>,
        id: &str,
    ) -> Result<bool, TokenError> {
        let now = self.clock.now();
        let Some(record) = self.records.get(&key(id)).await? else { return Ok(false) };
        let mut token: Token = read(record.value)?;
        if tenant.is_some_and(|tenant| *tenant != token.tenant) || token.revoked.is_some() {
            return Ok(false);
        }
        token.revoked = Some(now);
        let details = json!({"name": token.name});
        let entry =
            audit::entry(&token.tenant, actor, "token.revoke", format!("token {id}"), details, now);
        let batch = Batch {
            // Whatever happened to it meanwhile, a revoked token stays revoked.
            writes: vec![Write {
                key: key(id),
                expect: crate::records::Expect::Any,
                value: Some(json!(token)),
            }],
            entries: vec![entry],
            fence: None,
        };
        self.records.commit(batch).await?;
        Ok(true)
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// [`TokenError::Form`], [`TokenError::Unknown`], [`TokenError::Revoked`], [`TokenError::Expired`] and
    /// [`TokenError::Records`].
    pub async fn authenticate(&self, text: &str) -> Result<Caller, TokenError> {
        let (id, secret) = parse(text).map_err(TokenError::Form)?;
        let record = self.records.get(&key(id)).await?.ok_or(TokenError::Unknown)?;
        let mut token: Token = read(record.value)?;
        let sent = hash_of(secret);
        if !bool::from(sent.as_bytes().ct_eq(token.hash.as_bytes())) {
            return Err(TokenError::Unknown);
        }
        let now = self.clock.now();
        let caller = token.holder(id, now)?;
        if token.last_used.is_none_or(|last| now - last >= TOUCH) {
            token.last_used = Some(now);
            let touch = Write::replace(key(id), record.version, json!(token));
            match self.records.write(vec![touch]).await {
                // Someone else noted it, or revoked it: that counts more.
                Ok(()) | Err(RecordsError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(caller)
    }

    /// Who holds the token of this id, for a session that was opened with it: whether it is still good, and for what.
    ///
    /// # Errors
    /// [`TokenError::Unknown`], [`TokenError::Revoked`], [`TokenError::Expired`] and [`TokenError::Records`].
    pub(crate) async fn holder(&self, id: &str) -> Result<Caller, TokenError> {
        let record = self.records.get(&key(id)).await?.ok_or(TokenError::Unknown)?;
        read(record.value)?.holder(id, self.clock.now())
    }
}

impl Token {
    /// Who holds it, if it is good now.
    fn holder(&self, id: &str, now: DateTime<Utc>) -> Result<Caller, TokenError> {
        if self.revoked.is_some() {
            return Err(TokenError::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenError::Expired);
        }
        Ok(Caller {
            tenant: self.tenant.clone(),
            role: self.role,
            token: id.to_owned(),
            name: self.name.clone(),
        })
    }
}

fn key(id: &str) -> Key {
    Key::new(&TenantId::service(), KIND, id)
}

fn read(value: serde_json::Value) -> Result<Token, TokenError> {
    serde_json::from_value(value)
        .map_err(|error| RecordsError::Damaged(format!("a token: {error}")).into())
}

/// Whether a text can be a name in lists and logs.
pub(crate) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 100 && !text.chars().any(char::is_control)
}

fn parse(text: &str) -> Result<(&str, &str), &'static str> {
    let rest = text.strip_prefix(PREFIX).ok_or("one starts with 'prov_'")?;
    let (body, check) = text.rsplit_once('_').ok_or("one has four parts")?;
    let mut parts = rest.split('_');
    let (Some(id), Some(secret), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("one has four parts");
    };
    if !is_hex(id, ID_LEN) || !is_hex(secret, SECRET_LEN) || !is_hex(check, CHECK_LEN) {
        return Err("its parts have another form");
    }
    if check != check_of(body) {
        return Err("its checksum differs; it was mistyped or cut");
    }
    Ok((id, secret))
}

fn check_of(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes())[..CHECK_LEN / 2])
}

fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::clock::{FixedClock, from_millis};
    use crate::records::{Journal, LogQuery, SqliteRecords};

    fn tokens() -> (Tokens, Arc<FixedClock>, Arc<dyn Records>) {
        let clock = Arc::new(FixedClock::at(from_millis(1_780_000_000_000)));
        let records: Arc<dyn Records> = Arc::new(SqliteRecords::in_memory().unwrap());
        (Tokens::new(Arc::clone(&records), clock.clone()), clock, records)
    }

    fn spec(role: Role, expires: Option<DateTime<Utc>>) -> TokenSpec {
        TokenSpec { name: "ops".to_owned(), role, expires }
    }

    #[tokio::test]
    async fn a_token_opens_its_tenant_until_it_expires_or_is_revoked() {
        let (tokens, clock, records) = tokens();
        let acme = TenantId::new("acme").unwrap();
        let end = clock.now() + TimeDelta::hours(1);
        let made =
            tokens.create(&Actor::Program, &acme, spec(Role::Reader, Some(end))).await.unwrap();
        let plain = made.plain.expose_secret();
        let caller = tokens.authenticate(plain).await.unwrap();
        assert_eq!((caller.tenant.as_str(), caller.role), ("acme", Role::Reader));
        let kept = tokens.list(Some(&acme)).await.unwrap();
        assert_eq!(kept[0].1.last_used, Some(clock.now()));
        assert!(
            !plain.contains(&kept[0].1.hash)
                && !format!("{kept:?}{made:?}").contains(&plain[22..40])
        );

        clock.advance(TimeDelta::hours(1));
        assert!(matches!(tokens.authenticate(plain).await, Err(TokenError::Expired)));
        let other = tokens.create(&Actor::Program, &acme, spec(Role::Admin, None)).await.unwrap();
        let globex = TenantId::new("globex").unwrap();
        assert!(!tokens.revoke(&Actor::Program, Some(&globex), &other.id).await.unwrap());
        assert!(tokens.authenticate(other.plain.expose_secret()).await.is_ok());
        assert!(tokens.revoke(&Actor::Program, Some(&acme), &other.id).await.unwrap());
        assert!(!tokens.revoke(&Actor::Program, None, &other.id).await.unwrap());
        assert!(matches!(
            tokens.authenticate(other.plain.expose_secret()).await,
            Err(TokenError::Revoked)
        ));

        let all = LogQuery { limit: 10, ..LogQuery::default() };
        let log = records.log(&acme, Journal::Audit, &all).await.unwrap();
        let actions: Vec<_> = log.iter().map(|logged| logged.entry.action.as_str()).collect();
        assert_eq!(actions, ["token.revoke", "token.create", "token.create"]);
        assert!(tokens.list(Some(&globex)).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_right_id_with_a_wrong_secret_is_unknown() {
        let (tokens, ..) = tokens();
        let tenant = TenantId::default();
        let made = tokens.create(&Actor::Program, &tenant, spec(Role::Admin, None)).await.unwrap();
        let body = format!("{PREFIX}{}_{}", made.id, "0".repeat(SECRET_LEN));
        let forged = format!("{body}_{}", check_of(&body));
        assert!(matches!(tokens.authenticate(&forged).await, Err(TokenError::Unknown)));
        for spec in [
            TokenSpec { name: " ".to_owned(), ..spec(Role::Admin, None) },
            TokenSpec { name: "a\nb".to_owned(), ..spec(Role::Admin, None) },
            spec(Role::Admin, Some(from_millis(0))),
        ] {
            assert!(tokens.create(&Actor::Program, &tenant, spec).await.is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_no_token_is_told_without_looking_it_up(text in "\\PC{0,120}", tail in "[a-f0-9_]{0,100}") {
            prop_assert!(parse(&text).is_err());
            let claimed = format!("prov_{tail}");
            prop_assert!(parse(&claimed).is_err());
        }
    }
}
