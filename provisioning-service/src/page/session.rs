//! Sessions: a browser holds a random secret in a cookie, the service its digest and the token that it was opened with.
//!
//! A session is worth what its token is worth now: one that is revoked or has expired ends it with the next request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use http::header::COOKIE;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::app::App;
use crate::audit;
use crate::problem::Problem;
use crate::records::{Batch, Expect, Key, RecordsError, Write};
use crate::tenant::TenantId;
use crate::tokens::{Caller, Role, TokenError};

/// The kind of the records.
const KIND: &str = "page-session";
/// Without a request for so long, a session is over,
pub(super) const IDLE: TimeDelta = TimeDelta::minutes(30);
/// and after so long in any case.
pub(super) const TOTAL: TimeDelta = TimeDelta::hours(12);
/// How exactly it is known when a session was last used.
const TOUCH: TimeDelta = TimeDelta::minutes(1);
/// The cookie. Browsers take one with this prefix from this very host only, over TLS and for all paths.
const COOKIE_NAME: &str = "__Host-provisioning";
/// Records that are looked at with one call.
const PAGE: usize = 500;

/// What is kept of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    token: String,
    begun: DateTime<Utc>,
    seen: DateTime<Utc>,
}

impl Kept {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        now - self.seen >= IDLE || now - self.begun >= TOTAL
    }
}

/// A session that is good now.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Who it is.
    pub(super) caller: Caller,
    /// What every form of this session sends along. It is made from the cookie and does not lead back to it.
    pub(super) csrf: String,
    id: String,
}

impl Session {
    /// Whether its holder may do what needs this role.
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller.role >= role
    }

    /// Whether a form came from a page of this session.
    pub(super) fn sent(&self, csrf: &str) -> bool {
        csrf.as_bytes().ct_eq(self.csrf.as_bytes()).into()
    }
}

/// Begins a session for whoever showed a good token; gives the value of its cookie.
pub(super) async fn begin(app: &App, caller: &Caller) -> Result<String, RecordsError> {
    let now = app.clock.now();
    sweep(app, now).await?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    let secret = SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    let kept = Kept { token: caller.token.clone(), begun: now, seen: now };
    let id = derived("session", secret.expose_secret());
    let batch = Batch {
        writes: vec![Write::create(key(&id), json!(kept))],
        entries: vec![entry(caller, "session.begin", now)],
        fence: None,
    };
    app.records.commit(batch).await?;
    let lifetime = TOTAL.num_seconds();
    let secret = secret.expose_secret();
    Ok(format!(
        "{COOKIE_NAME}={secret}; Path=/; Max-Age={lifetime}; Secure; HttpOnly; SameSite=Strict"
    ))
}

/// The cookie that makes a browser forget the session.
pub(super) fn forgotten() -> String {
    format!("{COOKIE_NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

/// The session of a request, if it has one that is good. `used` says that a person did something: what a page asks for by
/// itself keeps no session alive.
pub(super) async fn resume(
    app: &App,
    headers: &HeaderMap,
    used: bool,
) -> Result<Option<Session>, Problem> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    let id = derived("session", secret);
    let Some(record) = app.records.get(&key(&id)).await? else { return Ok(None) };
    let mut kept: Kept = read(record.value)?;
    let now = app.clock.now();
    if kept.is_over(now) {
        remove(app, &id).await?;
        return Ok(None);
    }
    let caller = match app.tokens.holder(&kept.token).await {
        Ok(caller) => caller,
        Err(TokenError::Records(error)) => return Err(error.into()),
        Err(_) => {
            remove(app, &id).await?;
            return Ok(None);
        }
    };
    if used && now - kept.seen >= TOUCH {
        kept.seen = now;
        let touch = Write::replace(key(&id), record.version, json!(kept));
        match app.records.write(vec![touch]).await {
            // Another request of the session noted it, or ended it: that counts more.
            Ok(()) | Err(RecordsError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(Session { caller, csrf: derived("csrf", secret), id }))
}

/// Ends a session.
pub(super) async fn end(app: &App, session: &Session) -> Result<(), RecordsError> {
    let batch = Batch {
        writes: vec![gone(&session.id)],
        entries: vec![entry(&session.caller, "session.end", app.clock.now())],
        fence: None,
    };
    app.records.commit(batch).await
}

/// Forgets the sessions that are over and were not ended.
async fn sweep(app: &App, now: DateTime<Utc>) -> Result<(), RecordsError> {
    let mut after: Option<String> = None;
    loop {
        let page = app.records.list(&TenantId::service(), KIND, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (id, record) in page {
            if read(record.value).is_ok_and(|kept| !kept.is_over(now)) {
                continue;
            }
            remove(app, &id).await?;
        }
    }
}

async fn remove(app: &App, id: &str) -> Result<(), RecordsError> {
    app.records.write(vec![gone(id)]).await
}

fn gone(id: &str) -> Write {
    Write { key: key(id), expect: Expect::Any, value: None }
}

fn key(id: &str) -> Key {
    Key::new(&TenantId::service(), KIND, id)
}

fn read(value: serde_json::Value) -> Result<Kept, RecordsError> {
    serde_json::from_value(value)
        .map_err(|error| RecordsError::Damaged(format!("a session: {error}")))
}

fn entry(caller: &Caller, action: &str, at: DateTime<Utc>) -> crate::records::Entry {
    let object = format!("token {}", caller.token);
    audit::entry(&caller.tenant, &caller.actor(), action, object, json!({}), at)
}

/// What is made from the secret for one purpose.
fn derived(purpose: &str, secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"scim-provisioning-service page ");
    hash.update(purpose.as_bytes());
    hash.update([0]);
    hash.update(secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// The secret of the cookie. It is taken from nowhere else.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(text));
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(of("a=b; __Host-provisioning=s; c=d").as_deref(), Some("s"));
        for none in ["", "provisioning=s", "__host-provisioning=s", "__Host-provisioning=", "x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_derived_for_one_purpose_is_of_no_use_for_another() {
        assert_ne!(derived("csrf", "s"), derived("session", "s"));
        assert_ne!(derived("csrf", "s"), derived("csrf", "t"));
    }
}
