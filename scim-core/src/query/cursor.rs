//! Opaque cursors (RFC 9865): where a page ended, sealed so that only this server can read or make them.
//!
//! A cursor keeps no state on the server. Its text is base64url of: version, key id, tag, sealed payload. The tag is
//! an HMAC-SHA256 over the scope (tenant, endpoint, filter, sort) and the payload; it also is the nonce of the key
//! stream that hides the payload (the SIV construction), so a cursor that was made for another query, tenant or
//! server, or was changed in a single bit, does not open. Source: RFC 9865 section 5.2.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smol_str::SmolStr;

use super::ListQuery;
use super::sort::{ResolvedSort, SortKey};
use crate::error::Error;
use crate::filter::{Comparison, Filter};
use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::profile::{Leniency, Tolerance};

const VERSION: u8 = 1;
const TAG: usize = 16;
/// A cursor travels in a URL, so sort keys that are longer stay behind; see [`Cursor::sort_key`].
const MAX_KEY: usize = 1024;

/// A secret that cursors are sealed with.
#[derive(Clone)]
pub struct CursorKey {
    id: u8,
    secret: [u8; 32],
}

impl CursorKey {
    /// A key of 256 random bits. The id tells keys apart while an old one is still accepted.
    pub fn new(id: u8, secret: [u8; 32]) -> Self {
        Self { id, secret }
    }
}

/// Without the secret.
impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a cursor is good for: one tenant, one endpoint, one filter, one order.
///
/// Letter case of names does not matter, as in the RFC's own example (RFC 9865 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorScope([u8; 32]);

impl CursorScope {
    /// The scope of a query. `sort` is the one that the results are really in.
    pub fn new(
        tenant: &str,
        endpoint: &str,
        filter: Option<&Filter>,
        sort: Option<&ResolvedSort>,
    ) -> Self {
        let filter = filter.map_or_else(String::new, |filter| folded(filter).to_string());
        let sort = sort.map_or_else(String::new, |sort| {
            let ResolvedSort { field, descending } = sort;
            let path = fold_path(&field.path());
            format!("{path} {:?} {:?} {descending}", field.kind, field.rule)
        });
        let endpoint = endpoint.trim_matches('/').to_ascii_lowercase();
        let mut digest = <Sha256 as sha2::Digest>::new();
        for part in [tenant, &endpoint, &filter, &sort] {
            sha2::Digest::update(&mut digest, (part.len() as u64).to_be_bytes());
            sha2::Digest::update(&mut digest, part);
        }
        Self(sha2::Digest::finalize(digest).into())
    }
}

impl ListQuery {
    /// The scope of this query's cursors.
    pub fn cursor_scope(
        &self,
        tenant: &str,
        endpoint: &str,
        sort: Option<&ResolvedSort>,
    ) -> CursorScope {
        CursorScope::new(tenant, endpoint, self.filter.as_ref(), sort)
    }
}

/// The same filter with all names in lower case.
fn folded(filter: &Filter) -> Filter {
    match filter {
        Filter::And(filters) => Filter::And(filters.iter().map(folded).collect()),
        Filter::Or(filters) => Filter::Or(filters.iter().map(folded).collect()),
        Filter::Not(filter) => Filter::Not(Box::new(folded(filter))),
        Filter::Compare(Comparison { path, op, value }) => {
            Filter::Compare(Comparison { path: fold_path(path), op: *op, value: value.clone() })
        }
        Filter::Present(path) => Filter::Present(fold_path(path)),
        Filter::ValuePath { path, filter } => {
            Filter::ValuePath { path: fold_path(path), filter: Box::new(folded(filter)) }
        }
    }
}

fn fold_path(path: &AttrPath) -> AttrPath {
    let name = |name: &AttrName| AttrName::from_checked(&name.as_str().to_ascii_lowercase());
    let uri = |uri: &SchemaUri| SchemaUri::from_checked(&uri.as_str().to_ascii_lowercase());
    AttrPath::new(path.uri().map(uri), name(path.name()), path.sub().map(name))
}

/// Where a page ended, and what the first request of the series was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key of the last resource of the page; `None` when the results are not sorted, or when the key is over
    /// 1,024 bytes: then it is to be taken from the resource of this id, and if that is gone the cursor has expired.
    pub sort_key: Option<SortKey>,
    /// The id of the last resource of the page, or whatever else a store goes on from.
    pub id: SmolStr,
    /// The `count` of the first request.
    pub count: Option<u64>,
    /// The `totalResults` of the first page, where it need not be counted again.
    pub total: Option<u64>,
    /// When the cursor was made; to the second.
    pub issued: DateTime<Utc>,
}

impl Cursor {
    /// The page size to use when the request has this `count`. Without one, that of the first request goes on.
    ///
    /// # Errors
    /// [`Error::InvalidCount`] when the count is another than before and the profile is strict (RFC 9865 section 2.1,
    /// AMBIGUITIES 53).
    pub fn page_size(
        &self,
        count: Option<u64>,
        leniency: &mut Leniency,
    ) -> Result<Option<u64>, Error> {
        match count {
            Some(_)
                if count != self.count
                    && !leniency.allows(Tolerance::ChangingCursorCount, "count") =>
            {
                let detail = "it must be the same on every page of a cursor".to_owned();
                Err(Error::InvalidCount { detail })
            }
            count => Ok(count.or(self.count)),
        }
    }
}

/// Seals and opens cursors.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use scim_core::query::{Cursor, CursorCodec, CursorKey, CursorScope};
/// let codec = CursorCodec::new(&CursorKey::new(1, [7; 32]));
/// let scope = CursorScope::new("default", "/Users", None, None);
/// let issued = DateTime::UNIX_EPOCH;
/// let cursor = Cursor { sort_key: None, id: "42".into(), count: Some(10), total: None, issued };
/// let text = codec.seal(&cursor, &scope);
/// let hour = TimeDelta::hours(1);
/// assert_eq!(codec.open(&text, &scope, issued + hour, hour)?, cursor);
/// let other = CursorScope::new("default", "/Groups", None, None);
/// assert!(codec.open(&text, &other, issued, hour).is_err());
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CursorCodec {
    /// The first seals, all open.
    keys: Vec<Keys>,
}

#[derive(Clone)]
struct Keys {
    id: u8,
    tag: Hmac<Sha256>,
    stream: Hmac<Sha256>,
}

impl CursorCodec {
    /// A codec that seals and opens with this key.
    pub fn new(key: &CursorKey) -> Self {
        Self { keys: vec![Keys::derive(key)] }
    }

    /// Opens cursors that were sealed with an older key, too.
    #[must_use]
    pub fn accepting(mut self, old: &CursorKey) -> Self {
        self.keys.push(Keys::derive(old));
        self
    }

    /// Makes the text for `nextCursor`: characters of the unreserved set only.
    pub fn seal(&self, cursor: &Cursor, scope: &CursorScope) -> String {
        let Some(keys) = self.keys.first() else { return String::new() };
        let mut payload = encode(cursor);
        let tag = keys.tag(scope, &payload);
        keys.hide(&tag, &mut payload);
        let mut bytes = Vec::with_capacity(2 + TAG + payload.len());
        bytes.extend([VERSION, keys.id]);
        bytes.extend(tag);
        bytes.extend(payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens the text of a `cursor` parameter.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] when this server did not make it for this scope, whatever the reason;
    /// [`Error::ExpiredCursor`] when it is older than `max_age`.
    pub fn open(
        &self,
        text: &str,
        scope: &CursorScope,
        now: DateTime<Utc>,
        max_age: TimeDelta,
    ) -> Result<Cursor, Error> {
        let cursor = self.unseal(text, scope).ok_or_else(|| Error::InvalidCursor {
            detail: "it was not made for this query; start again without one".to_owned(),
        })?;
        if now.signed_duration_since(cursor.issued) > max_age {
            return Err(Error::ExpiredCursor);
        }
        Ok(cursor)
    }

    fn unseal(&self, text: &str, scope: &CursorScope) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let ([version, id], rest) = bytes.split_first_chunk::<2>()?;
        let (tag, sealed) = rest.split_first_chunk::<TAG>()?;
        if *version != VERSION {
            return None;
        }
        let keys = self.keys.iter().find(|keys| keys.id == *id)?;
        let mut payload = sealed.to_vec();
        keys.hide(tag, &mut payload);
        keys.authenticate(scope, &payload).verify_truncated_left(tag).ok()?;
        decode(&payload)
    }
}

/// Without the keys.
impl fmt::Debug for CursorCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|keys| keys.id)).finish()
    }
}

impl Keys {
    fn derive(key: &CursorKey) -> Self {
        let root = hmac(&key.secret);
        let sub = |label: &[u8]| hmac(&root.clone().chain_update(label).finalize().into_bytes());
        Self { id: key.id, tag: sub(b"scim cursor tag"), stream: sub(b"scim cursor stream") }
    }

    fn authenticate(&self, scope: &CursorScope, payload: &[u8]) -> Hmac<Sha256> {
        self.tag
            .clone()
            .chain_update([VERSION, self.id])
            .chain_update(scope.0)
            .chain_update(payload)
    }

    fn tag(&self, scope: &CursorScope, payload: &[u8]) -> [u8; TAG] {
        let full = self.authenticate(scope, payload).finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }

    /// Hides a payload, or shows it again.
    fn hide(&self, tag: &[u8; TAG], payload: &mut [u8]) {
        for (block, counter) in payload.chunks_mut(32).zip(0u32..) {
            let stream = self.stream.clone().chain_update(tag).chain_update(counter.to_be_bytes());
            for (byte, mask) in block.iter_mut().zip(stream.finalize().into_bytes()) {
                *byte ^= mask;
            }
        }
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

const HAS_COUNT: u8 = 1;
const HAS_TOTAL: u8 = 2;
const HAS_KEY: u8 = 4;

fn encode(cursor: &Cursor) -> Vec<u8> {
    let key = cursor.sort_key.as_ref().filter(|key| match key {
        SortKey::Text(text) => text.len() <= MAX_KEY,
        _ => true,
    });
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let mut out = vec![
        flag(cursor.count.is_some(), HAS_COUNT)
            | flag(cursor.total.is_some(), HAS_TOTAL)
            | flag(key.is_some(), HAS_KEY),
    ];
    out.extend(cursor.issued.timestamp().to_be_bytes());
    for number in [cursor.count, cursor.total].into_iter().flatten() {
        out.extend(number.to_be_bytes());
    }
    match key {
        None => {}
        Some(SortKey::Missing) => out.push(0),
        Some(SortKey::Bool(b)) => out.extend([1, u8::from(*b)]),
        Some(SortKey::Integer(n)) => {
            out.push(2);
            out.extend(n.to_be_bytes());
        }
        Some(SortKey::Decimal(n)) => {
            out.push(3);
            out.extend(n.to_bits().to_be_bytes());
        }
        Some(SortKey::Instant(instant)) => {
            out.push(4);
            out.extend(instant.timestamp().to_be_bytes());
            out.extend(instant.timestamp_subsec_nanos().to_be_bytes());
        }
        Some(SortKey::Text(text)) => {
            out.push(5);
            // At most MAX_KEY, as checked above.
            out.extend((text.len() as u16).to_be_bytes());
            out.extend(text.as_bytes());
        }
    }
    out.extend(cursor.id.as_bytes());
    out
}

fn decode(payload: &[u8]) -> Option<Cursor> {
    let mut reader = Reader(payload);
    let [flags] = reader.take()?;
    let issued = DateTime::from_timestamp(i64::from_be_bytes(reader.take()?), 0)?;
    let mut number = |flag: u8| match flags & flag {
        0 => Some(None),
        _ => reader.take().map(|bytes| Some(u64::from_be_bytes(bytes))),
    };
    let (count, total) = (number(HAS_COUNT)?, number(HAS_TOTAL)?);
    let sort_key = match flags & HAS_KEY {
        0 => None,
        _ => Some(match reader.take()? {
            [0] => SortKey::Missing,
            [1] => SortKey::Bool(reader.take()? == [1]),
            [2] => SortKey::Integer(i64::from_be_bytes(reader.take()?)),
            [3] => SortKey::Decimal(f64::from_bits(u64::from_be_bytes(reader.take()?))),
            [4] => {
                let seconds = i64::from_be_bytes(reader.take()?);
                let nanos = u32::from_be_bytes(reader.take()?);
                SortKey::Instant(DateTime::from_timestamp(seconds, nanos)?)
            }
            [5] => {
                let length = usize::from(u16::from_be_bytes(reader.take()?));
                let (text, rest) = reader.0.split_at_checked(length)?;
                reader.0 = rest;
                SortKey::Text(SmolStr::new(std::str::from_utf8(text).ok()?))
            }
            _ => return None,
        }),
    };
    let id = SmolStr::new(std::str::from_utf8(reader.0).ok()?);
    Some(Cursor { sort_key, id, count, total, issued })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}
