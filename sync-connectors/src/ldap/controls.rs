//! The control values that the connector sends and reads.
//!
//! DirSync and the controls around it are Microsoft's (MS-ADTS section 3.1.1.3.4.1), the sync controls are those of
//! RFC 4533, paged results those of RFC 2696.

use ldap3::controls::RawControl;
use uuid::Uuid;

use super::ber::{self, BerError, Reader};

/// LDAP_SERVER_DIRSYNC_OID.
pub(crate) const DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// LDAP_SERVER_SHOW_DELETED_OID.
pub(crate) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// LDAP_SERVER_EXTENDED_DN_OID.
pub(crate) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// pagedResultsControl.
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Sync Request Control.
pub(crate) const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Sync State Control.
pub(crate) const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// Sync Done Control.
pub(crate) const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// Sync Info Message.
pub(crate) const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// The longest cookie that is taken: a few hundred octets are usual, and one for each domain controller ever seen.
const MAX_COOKIE: usize = 1 << 20;
/// The most UUIDs of one syncIdSet; slapd sends some tens, and a full present list in several messages.
const MAX_ID_SET: usize = 1 << 20;

/// The caller's own rights decide what is seen; without it the right DS-Replication-Get-Changes is needed.
pub(crate) const OBJECT_SECURITY: u32 = 0x0000_0001;
/// Only the values of linked attributes that changed, not the whole list.
pub(crate) const INCREMENTAL_VALUES: u32 = 0x8000_0000;

/// The value of the DirSync control in a request.
///
/// The flags are a signed 32-bit INTEGER: the top bit is sent as a negative number of four octets, and as five octets
/// with a leading zero it would be refused.
pub(crate) fn dirsync_request(flags: u32, max_bytes: u32, cookie: &[u8]) -> RawControl {
    let value = ber::sequence(|out| {
        ber::write_integer(out, ber::INTEGER, i64::from(flags.cast_signed()));
        ber::write_integer(out, ber::INTEGER, i64::from(max_bytes));
        ber::write(out, ber::OCTET_STRING, cookie);
    });
    RawControl { ctype: DIRSYNC.to_owned(), crit: true, val: Some(value) }
}

/// The value of the DirSync control in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirSyncAnswer {
    /// Whether the server has more for the same request.
    pub(crate) more: bool,
    /// Where to go on from.
    pub(crate) cookie: Vec<u8>,
}

impl DirSyncAnswer {
    /// Reads the value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, BerError> {
        let mut outer = Reader::new(value);
        let mut inner = outer.inner(ber::SEQUENCE)?;
        let more = inner.integer(ber::INTEGER)? != 0;
        // MS-ADTS calls the second number unused; servers differ in what they put there.
        let _unused = inner.integer(ber::INTEGER)?;
        let cookie = cookie(inner.expect(ber::OCTET_STRING)?)?;
        outer.end()?;
        Ok(Self { more, cookie })
    }
}

fn cookie(bytes: &[u8]) -> Result<Vec<u8>, BerError> {
    if bytes.len() > MAX_COOKIE { Err(BerError::Length) } else { Ok(bytes.to_vec()) }
}

/// Shows deleted objects to a search.
pub(crate) fn show_deleted() -> RawControl {
    RawControl { ctype: SHOW_DELETED.to_owned(), crit: true, val: None }
}

/// Gives names with the GUID of what they name: `<GUID=...>;<SID=...>;CN=...`, in the readable form.
pub(crate) fn extended_dn() -> RawControl {
    let value = ber::sequence(|out| ber::write_integer(out, ber::INTEGER, 1));
    RawControl { ctype: EXTENDED_DN.to_owned(), crit: false, val: Some(value) }
}

/// Asks for one page.
pub(crate) fn paged_request(size: u32, cookie: &[u8]) -> RawControl {
    let value = ber::sequence(|out| {
        ber::write_integer(out, ber::INTEGER, i64::from(size));
        ber::write(out, ber::OCTET_STRING, cookie);
    });
    RawControl { ctype: PAGED_RESULTS.to_owned(), crit: true, val: Some(value) }
}

/// The cookie of the next page; empty after the last one.
pub(crate) fn paged_answer(value: &[u8]) -> Result<Vec<u8>, BerError> {
    let mut outer = Reader::new(value);
    let mut inner = outer.inner(ber::SEQUENCE)?;
    let _estimate = inner.integer(ber::INTEGER)?;
    let next = cookie(inner.expect(ber::OCTET_STRING)?)?;
    outer.end()?;
    Ok(next)
}

/// Asks for the content once (refreshOnly), from where `cookie` left off (RFC 4533 section 2.2).
pub(crate) fn sync_request(cookie: Option<&[u8]>) -> RawControl {
    let value = ber::sequence(|out| {
        ber::write_integer(out, ber::ENUMERATED, 1);
        if let Some(cookie) = cookie {
            ber::write(out, ber::OCTET_STRING, cookie);
        }
        // reloadHint FALSE is the default and is left out.
    });
    RawControl { ctype: SYNC_REQUEST.to_owned(), crit: true, val: Some(value) }
}

/// What a Sync State Control says about its entry (RFC 4533 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// The entry is as it was; only its name comes.
    Present,
    /// The entry is new to this content, or changed: servers do not tell the two apart.
    Add,
    /// The entry changed.
    Modify,
    /// The entry left the content.
    Delete,
}

/// The value of a Sync State Control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncState {
    /// What became of the entry.
    pub(crate) state: EntryState,
    /// The entry's lasting name.
    pub(crate) uuid: Uuid,
    /// A newer cookie, where the server sends one on the way.
    pub(crate) cookie: Option<Vec<u8>>,
}

impl SyncState {
    /// Reads the value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, BerError> {
        let mut outer = Reader::new(value);
        let mut inner = outer.inner(ber::SEQUENCE)?;
        let state = match inner.integer(ber::ENUMERATED)? {
            0 => EntryState::Present,
            1 => EntryState::Add,
            2 => EntryState::Modify,
            3 => EntryState::Delete,
            _ => return Err(BerError::Number),
        };
        let uuid = uuid(inner.expect(ber::OCTET_STRING)?)?;
        let cookie = inner.optional(ber::OCTET_STRING)?.map(cookie).transpose()?;
        outer.end()?;
        Ok(Self { state, uuid, cookie })
    }
}

fn uuid(octets: &[u8]) -> Result<Uuid, BerError> {
    Uuid::from_slice(octets).map_err(|_| BerError::Length)
}

/// The value of a Sync Done Control (RFC 4533 section 2.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncDone {
    /// Where to go on from; none when nothing changed.
    pub(crate) cookie: Option<Vec<u8>>,
    /// True: deletions were listed. False: what was not named as present is gone.
    pub(crate) refresh_deletes: bool,
}

impl SyncDone {
    /// Reads the value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, BerError> {
        let mut outer = Reader::new(value);
        let mut inner = outer.inner(ber::SEQUENCE)?;
        let cookie = inner.optional(ber::OCTET_STRING)?.map(cookie).transpose()?;
        let refresh_deletes =
            inner.optional(ber::BOOLEAN)?.map(ber::boolean).transpose()?.unwrap_or(false);
        outer.end()?;
        Ok(Self { cookie, refresh_deletes })
    }
}

/// The value of a Sync Info Message (RFC 4533 section 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyncInfo {
    /// A newer cookie, nothing else.
    NewCookie(Vec<u8>),
    /// The phase in which deletions are listed is over, or goes on.
    RefreshDelete {
        /// A newer cookie.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over.
        done: bool,
    },
    /// The phase in which what is still there is named is over, or goes on.
    RefreshPresent {
        /// A newer cookie.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over.
        done: bool,
    },
    /// Many entries at once.
    IdSet {
        /// A newer cookie.
        cookie: Option<Vec<u8>>,
        /// True: these are gone. False: these are still there.
        deletes: bool,
        /// The entries.
        uuids: Vec<Uuid>,
    },
}

impl SyncInfo {
    /// Reads the value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, BerError> {
        let mut outer = Reader::new(value);
        let (tag, contents) = outer.any()?;
        outer.end()?;
        match tag {
            0x80 => Ok(Self::NewCookie(cookie(contents)?)),
            0xa1 => {
                let (cookie, done) = phase(contents)?;
                Ok(Self::RefreshDelete { cookie, done })
            }
            0xa2 => {
                let (cookie, done) = phase(contents)?;
                Ok(Self::RefreshPresent { cookie, done })
            }
            0xa3 => {
                let mut inner = Reader::new(contents);
                let newer = inner.optional(ber::OCTET_STRING)?.map(cookie).transpose()?;
                let deletes =
                    inner.optional(ber::BOOLEAN)?.map(ber::boolean).transpose()?.unwrap_or(false);
                let mut set = inner.inner(ber::SET)?;
                let mut uuids = Vec::new();
                while !set.is_empty() {
                    if uuids.len() >= MAX_ID_SET {
                        return Err(BerError::Length);
                    }
                    uuids.push(uuid(set.expect(ber::OCTET_STRING)?)?);
                }
                Ok(Self::IdSet { cookie: newer, deletes, uuids })
            }
            found => Err(BerError::Tag { wanted: 0xa3, found }),
        }
    }
}

fn phase(contents: &[u8]) -> Result<(Option<Vec<u8>>, bool), BerError> {
    let mut inner = Reader::new(contents);
    let newer = inner.optional(ber::OCTET_STRING)?.map(cookie).transpose()?;
    let done = inner.optional(ber::BOOLEAN)?.map(ber::boolean).transpose()?.unwrap_or(true);
    Ok((newer, done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn a_dirsync_request_has_a_negative_flag() {
        let control = dirsync_request(INCREMENTAL_VALUES | OBJECT_SECURITY, 0x10_0000, b"");
        assert_eq!(control.val.unwrap(), bytes("30 0d 0204 80000001 0203 100000 0400"));
        assert!(control.crit);
    }

    #[test]
    fn a_cookie_of_a_domain_controller_is_read() {
        // An answer of Samba 4.17: more = 0, a second number, a cookie that begins with MSDS.
        let cookie = bytes(
            "4d53445303000000 80ebc2c2417add01 0000000000000000 28000000 6a10000000000000 0000000000000000 \
             6a10000000000000 3dde395d0a8a324eac6082301f9ec443 0100000000000000 0100000000000000 \
             3dde395d0a8a324eac6082301f9ec443 6a10000000000000",
        );
        let value = [bytes("3074 020100 020100 046c"), cookie.clone()].concat();
        let answer = DirSyncAnswer::decode(&value).unwrap();
        assert!(!answer.more);
        assert_eq!(answer.cookie, cookie);
    }

    #[test]
    fn sync_controls_of_slapd_are_read() {
        let state = bytes("3015 0a0101 0410 11111111111111111111111111111111");
        let state = SyncState::decode(&state).unwrap();
        assert_eq!(state.state, EntryState::Add);
        assert_eq!(state.uuid.as_bytes(), &[0x11; 16]);
        assert_eq!(state.cookie, None);
        let done = SyncDone::decode(&bytes("3008 0403 726964 0101ff")).unwrap();
        assert_eq!(done, SyncDone { cookie: Some(b"rid".to_vec()), refresh_deletes: true });
        assert_eq!(SyncDone::decode(&bytes("3000")).unwrap(), SyncDone::default());
        let set = bytes("a317 0101ff 3112 0410 22222222222222222222222222222222");
        let Ok(SyncInfo::IdSet { cookie: None, deletes: true, uuids }) = SyncInfo::decode(&set)
        else {
            panic!("no id set");
        };
        assert_eq!(uuids, [Uuid::from_bytes([0x22; 16])]);
        assert_eq!(
            SyncInfo::decode(&bytes("a203 010100")).unwrap(),
            SyncInfo::RefreshPresent { cookie: None, done: false }
        );
        assert_eq!(
            SyncInfo::decode(&bytes("a100")).unwrap(),
            SyncInfo::RefreshDelete { cookie: None, done: true }
        );
    }

    #[test]
    fn what_is_no_control_value_is_refused() {
        assert!(DirSyncAnswer::decode(b"").is_err());
        assert!(DirSyncAnswer::decode(&bytes("3003 020100")).is_err());
        assert!(SyncState::decode(&bytes("3005 0a0107 0400")).is_err());
        assert!(SyncState::decode(&bytes("3006 0a0101 0401 11")).is_err());
        assert!(SyncInfo::decode(&bytes("a304 3102 0400")).is_err());
        assert!(SyncInfo::decode(&bytes("8400")).is_err());
    }

    proptest! {
        #[test]
        fn no_octets_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = DirSyncAnswer::decode(&bytes);
            let _ = SyncState::decode(&bytes);
            let _ = SyncDone::decode(&bytes);
            let _ = SyncInfo::decode(&bytes);
            let _ = paged_answer(&bytes);
        }

        #[test]
        fn a_paged_cookie_comes_back(cookie in proptest::collection::vec(any::<u8>(), 0..300)) {
            let control = paged_request(500, &cookie);
            prop_assert_eq!(paged_answer(&control.val.unwrap()), Ok(cookie));
        }
    }
}
