//! The messages of Kerberos (RFC 4120 section 5) that a client sends and gets.

use chrono::{DateTime, Utc};

use super::crypto::{CryptoError, Encryption, Key};
use crate::ldap::ber::{
    self, BerError, INTEGER, OCTET_STRING, Reader, SEQUENCE, write, write_integer,
};
use crate::ldap::filetime;

const BIT_STRING: u8 = 0x03;
const GENERALIZED_TIME: u8 = 0x18;
const GENERAL_STRING: u8 = 0x1b;
const VERSION: i64 = 5;

/// Types of preauthentication data (RFC 4120 section 5.2.7).
pub(super) mod padata {
    pub(in super::super) const TGS_REQ: i64 = 1;
    pub(in super::super) const ENC_TIMESTAMP: i64 = 2;
    pub(in super::super) const ETYPE_INFO2: i64 = 19;
}

/// What keys are used for (RFC 4120 section 7.5.1).
pub(super) mod usage {
    pub(in super::super) const TIMESTAMP: u32 = 1;
    pub(in super::super) const AS_REPLY: u32 = 3;
    pub(in super::super) const TGS_CHECKSUM: u32 = 6;
    pub(in super::super) const TGS_AUTHENTICATOR: u32 = 7;
    pub(in super::super) const TGS_REPLY: u32 = 8;
    pub(in super::super) const AUTHENTICATOR: u32 = 11;
    pub(in super::super) const AP_REPLY: u32 = 12;
}

/// A name within a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Principal {
    kind: i64,
    pub(super) parts: Vec<String>,
}

impl Principal {
    /// The name of an account in its realm.
    pub(super) fn account(name: &str) -> Self {
        Self { kind: 1, parts: vec![name.to_owned()] }
    }

    /// A name that only the server knows to belong to an account, such as `name@another-suffix` (RFC 6806).
    pub(super) fn enterprise(name: &str) -> Self {
        Self { kind: 10, parts: vec![name.to_owned()] }
    }

    /// A service, such as `ldap/host` or `krbtgt/REALM`.
    pub(super) fn service(service: &str, instance: &str) -> Self {
        Self { kind: 2, parts: vec![service.to_owned(), instance.to_owned()] }
    }

    /// Whether it is the same name; how it is meant does not count, nor the case, which Active Directory changes.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|(a, b)| a.eq_ignore_ascii_case(b))
    }

    fn write(&self, out: &mut Vec<u8>) {
        constructed(out, SEQUENCE, |out| {
            number(out, 0, self.kind);
            field(out, 1, |out| {
                constructed(out, SEQUENCE, |out| {
                    for part in &self.parts {
                        write(out, GENERAL_STRING, part.as_bytes());
                    }
                });
            });
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let mut fields = reader.inner(SEQUENCE)?;
        let kind = read_number(&mut fields, 0)?;
        let mut names = read_field(&mut fields, 1)?.inner(SEQUENCE)?;
        let mut parts = Vec::new();
        while !names.is_empty() {
            parts.push(text(names.expect(GENERAL_STRING)?));
        }
        Ok(Self { kind, parts })
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("/"))
    }
}

/// Something encrypted.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) kind: i64,
    octets: Vec<u8>,
}

impl Sealed {
    pub(super) fn make(key: &Key, usage: u32, plain: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self { kind: key.kind().number(), octets: key.encrypt(usage, plain)? })
    }

    pub(super) fn open(&self, key: &Key, usage: u32) -> Result<Vec<u8>, CryptoError> {
        if self.kind != key.kind().number() {
            return Err(CryptoError::Integrity);
        }
        key.decrypt(usage, &self.octets)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        constructed(out, SEQUENCE, |out| {
            number(out, 0, self.kind);
            field(out, 2, |out| write(out, OCTET_STRING, &self.octets));
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let mut fields = reader.inner(SEQUENCE)?;
        let kind = read_number(&mut fields, 0)?;
        fields.optional(0xa1)?;
        let octets = read_field(&mut fields, 2)?.expect(OCTET_STRING)?.to_vec();
        Ok(Self { kind, octets })
    }
}

/// What a client asks of a Kerberos server.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Who asks, where no ticket says it.
    pub(super) client: Option<&'a Principal>,
    pub(super) realm: &'a str,
    pub(super) service: &'a Principal,
    pub(super) nonce: u32,
    pub(super) encryption: &'a [Encryption],
}

impl Asked<'_> {
    /// KDC-REQ-BODY.
    pub(super) fn body(&self) -> Vec<u8> {
        // The server may put the name of the account right (RFC 6806); a ticket of another realm is not asked for.
        let options = if self.client.is_some() { 0x0001_0000 } else { 0 };
        ber::sequence(|out| {
            field(out, 0, |out| flags(out, options));
            if let Some(client) = self.client {
                field(out, 1, |out| client.write(out));
            }
            field(out, 2, |out| write(out, GENERAL_STRING, self.realm.as_bytes()));
            field(out, 3, |out| self.service.write(out));
            // As long as the server will have it (RFC 4120 section 5.4.1).
            field(out, 5, |out| write(out, GENERALIZED_TIME, b"19700101000000Z"));
            number(out, 7, i64::from(self.nonce));
            field(out, 8, |out| {
                constructed(out, SEQUENCE, |out| {
                    for kind in self.encryption {
                        write_integer(out, INTEGER, kind.number());
                    }
                });
            });
        })
    }
}

/// Which of the two services of a Kerberos server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// For the ticket that tickets are asked with.
    Authentication,
    /// For the ticket of a service.
    Ticket,
}

/// A request: KDC-REQ.
pub(super) fn request(exchange: Exchange, padata: &[(i64, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let (tag, kind) = match exchange {
        Exchange::Authentication => (0x6a, 10),
        Exchange::Ticket => (0x6c, 12),
    };
    let mut out = Vec::new();
    constructed(&mut out, tag, |out| {
        constructed(out, SEQUENCE, |out| {
            number(out, 1, VERSION);
            number(out, 2, kind);
            if !padata.is_empty() {
                field(out, 3, |out| {
                    constructed(out, SEQUENCE, |out| {
                        for (kind, value) in padata {
                            constructed(out, SEQUENCE, |out| {
                                number(out, 1, *kind);
                                field(out, 2, |out| write(out, OCTET_STRING, value));
                            });
                        }
                    });
                });
            }
            field(out, 4, |out| out.extend_from_slice(body));
        });
    });
    out
}

/// PA-ENC-TS-ENC: that somebody who knows the key asks now.
pub(super) fn timestamp(now: DateTime<Utc>) -> Vec<u8> {
    ber::sequence(|out| {
        field(out, 0, |out| write(out, GENERALIZED_TIME, moment(now).as_bytes()));
        number(out, 1, i64::from(now.timestamp_subsec_micros()));
    })
}

/// EncryptedData by itself, as preauthentication carries it.
pub(super) fn sealed(sealed: &Sealed) -> Vec<u8> {
    let mut out = Vec::new();
    sealed.write(&mut out);
    out
}

/// What a Kerberos server answers.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Reply),
    Refused(Refusal),
}

/// AS-REP and TGS-REP.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) padata: Vec<(i64, Vec<u8>)>,
    pub(super) realm: String,
    pub(super) client: Principal,
    /// As it came: only the service can read it.
    pub(super) ticket: Vec<u8>,
    pub(super) sealed: Sealed,
}

/// KRB-ERROR.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: i64,
    /// What the server's clock shows.
    pub(super) clock: Option<DateTime<Utc>>,
    /// The realm that the account belongs to, where the server tells.
    pub(super) realm: Option<String>,
    pub(super) text: Option<String>,
    pub(super) data: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn read(octets: &[u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(octets);
        match reader.peek() {
            Some(REFUSAL) => Refusal::read(&mut reader).map(Self::Refused),
            Some(tag @ (0x6b | 0x6d)) => {
                let mut fields = reader.inner(tag)?.inner(SEQUENCE)?;
                head(&mut fields)?;
                let padata = match fields.optional(0xa2)? {
                    Some(octets) => read_padata(octets)?,
                    None => Vec::new(),
                };
                let realm = text(read_field(&mut fields, 3)?.expect(GENERAL_STRING)?);
                let client = Principal::read(&mut read_field(&mut fields, 4)?)?;
                let ticket = fields.expect(0xa5)?.to_vec();
                let sealed = Sealed::read(&mut read_field(&mut fields, 6)?)?;
                Ok(Self::Reply(Reply { padata, realm, client, ticket, sealed }))
            }
            Some(found) => Err(BerError::Tag { wanted: 0x6b, found }),
            None => Err(BerError::Truncated),
        }
    }
}

/// The tag of KRB-ERROR.
pub(super) const REFUSAL: u8 = 0x7e;

impl Refusal {
    /// A refusal that shows in something else than a message.
    pub(super) fn by_itself(code: i64) -> Self {
        Self { code, clock: None, realm: None, text: None, data: None }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let mut fields = reader.inner(REFUSAL)?.inner(SEQUENCE)?;
        head(&mut fields)?;
        fields.optional(0xa2)?;
        fields.optional(0xa3)?;
        let clock = text(read_field(&mut fields, 4)?.expect(GENERALIZED_TIME)?);
        fields.optional(0xa5)?;
        let code = read_number(&mut fields, 6)?;
        let string = |octets: Option<&[u8]>| {
            octets
                .map(|octets| Reader::new(octets).any().map(|(_, octets)| text(octets)))
                .transpose()
        };
        let realm = string(fields.optional(0xa7)?)?;
        fields.optional(0xa8)?;
        fields.optional(0xa9)?;
        fields.optional(0xaa)?;
        let said = string(fields.optional(0xab)?)?;
        let data = match fields.optional(0xac)? {
            Some(octets) => Some(Reader::new(octets).expect(OCTET_STRING)?.to_vec()),
            None => None,
        };
        Ok(Self { code, clock: filetime::from_generalized(&clock), realm, text: said, data })
    }
}

/// METHOD-DATA: what a server says about how it wants to be convinced.
pub(super) fn read_padata(octets: &[u8]) -> Result<Vec<(i64, Vec<u8>)>, BerError> {
    let mut list = Reader::new(octets).inner(SEQUENCE)?;
    let mut padata = Vec::new();
    while !list.is_empty() {
        let mut fields = list.inner(SEQUENCE)?;
        let kind = read_number(&mut fields, 1)?;
        padata.push((kind, read_field(&mut fields, 2)?.expect(OCTET_STRING)?.to_vec()));
    }
    Ok(padata)
}

/// How an account's password becomes a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) kind: Encryption,
    pub(super) salt: Option<Vec<u8>>,
    pub(super) parameters: Option<Vec<u8>>,
}

impl Recipe {
    /// The best of those that are known here (ETYPE-INFO2).
    pub(super) fn best(padata: &[(i64, Vec<u8>)]) -> Result<Option<Self>, BerError> {
        let Some((_, octets)) = padata.iter().find(|(kind, _)| *kind == padata::ETYPE_INFO2) else {
            return Ok(None);
        };
        let mut list = Reader::new(octets).inner(SEQUENCE)?;
        let mut known = Vec::new();
        while !list.is_empty() {
            let mut fields = list.inner(SEQUENCE)?;
            let kind = read_number(&mut fields, 0)?;
            let mut optional = |tag| {
                let octets = fields.optional(tag)?;
                octets.map(|octets| Ok(Reader::new(octets).any()?.1.to_vec())).transpose()
            };
            let (salt, parameters) = (optional(0xa1)?, optional(0xa2)?);
            known.extend(Encryption::of(kind).map(|kind| Self { kind, salt, parameters }));
        }
        known.sort_by_key(|recipe| Encryption::ALL.iter().position(|kind| *kind == recipe.kind));
        Ok(known.into_iter().next())
    }
}

/// What only the client can read of a reply: EncKDCRepPart, as far as it is used.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) key: Key,
    pub(super) nonce: i64,
    pub(super) service: Principal,
}

/// Why what was decrypted cannot be used.
#[derive(Debug)]
pub(super) enum ContentError {
    Ber(BerError),
    Crypto(CryptoError),
    /// A key of a type that is not known here.
    Encryption(i64),
}

impl From<BerError> for ContentError {
    fn from(error: BerError) -> Self {
        Self::Ber(error)
    }
}

impl From<CryptoError> for ContentError {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

impl std::fmt::Display for ContentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ber(error) => error.fmt(f),
            Self::Crypto(error) => error.fmt(f),
            Self::Encryption(number) => {
                write!(
                    f,
                    "it is about encryption type {number}, and only 17 and 18 (AES) are known"
                )
            }
        }
    }
}

impl Granted {
    pub(super) fn read(octets: &[u8]) -> Result<Self, ContentError> {
        let mut reader = Reader::new(octets);
        // Some servers give both replies the same tag.
        let tag = reader.peek().filter(|tag| matches!(tag, 0x79 | 0x7a)).unwrap_or(0x79);
        let mut fields = reader.inner(tag)?.inner(SEQUENCE)?;
        let key = read_key(&mut read_field(&mut fields, 0)?)?;
        fields.expect(0xa1)?;
        let nonce = read_number(&mut fields, 2)?;
        fields.optional(0xa3)?;
        fields.expect(0xa4)?;
        fields.expect(0xa5)?;
        fields.optional(0xa6)?;
        fields.expect(0xa7)?;
        fields.optional(0xa8)?;
        fields.expect(0xa9)?;
        let service = Principal::read(&mut read_field(&mut fields, 10)?)?;
        Ok(Self { key, nonce, service })
    }
}

/// Who shows a ticket, when, and what for.
#[derive(Debug)]
pub(super) struct Authenticator<'a> {
    pub(super) realm: &'a str,
    pub(super) client: &'a Principal,
    /// Its type and its octets.
    pub(super) checksum: (i64, Vec<u8>),
    pub(super) now: DateTime<Utc>,
    /// A key for this session alone, and the number of its first message.
    pub(super) session: Option<(&'a Key, u32)>,
}

impl Authenticator<'_> {
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        constructed(&mut out, 0x62, |out| {
            constructed(out, SEQUENCE, |out| {
                number(out, 0, VERSION);
                field(out, 1, |out| write(out, GENERAL_STRING, self.realm.as_bytes()));
                field(out, 2, |out| self.client.write(out));
                field(out, 3, |out| {
                    constructed(out, SEQUENCE, |out| {
                        number(out, 0, self.checksum.0);
                        field(out, 1, |out| write(out, OCTET_STRING, &self.checksum.1));
                    });
                });
                number(out, 4, i64::from(self.now.timestamp_subsec_micros()));
                field(out, 5, |out| write(out, GENERALIZED_TIME, moment(self.now).as_bytes()));
                if let Some((key, first)) = self.session {
                    field(out, 6, |out| {
                        constructed(out, SEQUENCE, |out| {
                            number(out, 0, key.kind().number());
                            field(out, 1, |out| write(out, OCTET_STRING, key.expose()));
                        });
                    });
                    number(out, 7, i64::from(first));
                }
            });
        });
        out
    }
}

/// A ticket and who shows it: AP-REQ. `mutual` asks the service to show who it is.
pub(super) fn shown(ticket: &[u8], authenticator: &Sealed, mutual: bool) -> Vec<u8> {
    let mut out = Vec::new();
    constructed(&mut out, 0x6e, |out| {
        constructed(out, SEQUENCE, |out| {
            number(out, 0, VERSION);
            number(out, 1, 14);
            field(out, 2, |out| flags(out, if mutual { 0x2000_0000 } else { 0 }));
            field(out, 3, |out| out.extend_from_slice(ticket));
            field(out, 4, |out| authenticator.write(out));
        });
    });
    out
}

/// What a service answers to a ticket: AP-REP.
pub(super) fn read_ap_reply(reader: &mut Reader<'_>) -> Result<Sealed, BerError> {
    let mut fields = reader.inner(0x6f)?.inner(SEQUENCE)?;
    head(&mut fields)?;
    Sealed::read(&mut read_field(&mut fields, 2)?)
}

/// The content of AP-REP: EncAPRepPart.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) time: String,
    pub(super) microseconds: i64,
    /// The key that the service chose, where it did.
    pub(super) key: Option<Key>,
}

impl Accepted {
    pub(super) fn read(octets: &[u8]) -> Result<Self, ContentError> {
        let mut fields = Reader::new(octets).inner(0x7b)?.inner(SEQUENCE)?;
        let time = text(read_field(&mut fields, 0)?.expect(GENERALIZED_TIME)?);
        let microseconds = read_number(&mut fields, 1)?;
        let key = match fields.optional(0xa2)? {
            Some(octets) => Some(read_key(&mut Reader::new(octets))?),
            None => None,
        };
        Ok(Self { time, microseconds, key })
    }
}

/// A moment as Kerberos writes it, to the second.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y%m%d%H%M%SZ").to_string()
}

fn read_key(reader: &mut Reader<'_>) -> Result<Key, ContentError> {
    let mut fields = reader.inner(SEQUENCE)?;
    let number = read_number(&mut fields, 0)?;
    let octets = read_field(&mut fields, 1)?.expect(OCTET_STRING)?.to_vec();
    let kind = Encryption::of(number).ok_or(ContentError::Encryption(number))?;
    Ok(Key::new(kind, octets)?)
}

/// The version and the type of a message, which its tag says too.
fn head(fields: &mut Reader<'_>) -> Result<(), BerError> {
    fields.expect(0xa0)?;
    fields.expect(0xa1)?;
    Ok(())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn constructed(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut contents = Vec::new();
    fill(&mut contents);
    write(out, tag, &contents);
}

/// A field of a sequence by its number; they are all tagged explicitly.
fn field(out: &mut Vec<u8>, number: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    constructed(out, 0xa0 | number, fill);
}

fn number(out: &mut Vec<u8>, at: u8, value: i64) {
    field(out, at, |out| write_integer(out, INTEGER, value));
}

fn flags(out: &mut Vec<u8>, flags: u32) {
    let [a, b, c, d] = flags.to_be_bytes();
    write(out, BIT_STRING, &[0, a, b, c, d]);
}

fn read_field<'a>(fields: &mut Reader<'a>, number: u8) -> Result<Reader<'a>, BerError> {
    fields.inner(0xa0 | number)
}

fn read_number(fields: &mut Reader<'_>, number: u8) -> Result<i64, BerError> {
    read_field(fields, number)?.integer(INTEGER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_recipe_that_is_known_is_taken() {
        let info = ber::sequence(|out| {
            for (kind, salt) in [(23, "rc4"), (17, "short"), (18, "long")] {
                constructed(out, SEQUENCE, |out| {
                    number(out, 0, kind);
                    field(out, 1, |out| write(out, GENERAL_STRING, salt.as_bytes()));
                });
            }
        });
        let best = Recipe::best(&[(2, Vec::new()), (padata::ETYPE_INFO2, info)]).unwrap().unwrap();
        assert_eq!(best.kind, Encryption::Aes256);
        assert_eq!((best.salt, best.parameters), (Some(b"long".to_vec()), None));
        let none = ber::sequence(|out| {
            constructed(out, SEQUENCE, |out| number(out, 0, 23));
        });
        assert_eq!(Recipe::best(&[(padata::ETYPE_INFO2, none)]), Ok(None));
    }

    #[test]
    fn names_are_the_same_whatever_their_case() {
        let asked = Principal::service("ldap", "dc1.corp.example");
        assert!(
            asked.is(&Principal { kind: 3, parts: vec!["LDAP".into(), "DC1.corp.example".into()] })
        );
        assert!(!asked.is(&Principal::service("krbtgt", "dc1.corp.example")));
        assert!(!asked.is(&Principal::account("ldap")));
        let mut out = Vec::new();
        asked.write(&mut out);
        assert_eq!(Principal::read(&mut Reader::new(&out)), Ok(asked));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Answer::read(&octets);
            let _ = Granted::read(&octets);
            let _ = Accepted::read(&octets);
            let _ = read_padata(&octets);
            let _ = Recipe::best(&[(padata::ETYPE_INFO2, octets.clone())]);
            let _ = read_ap_reply(&mut Reader::new(&octets));
        }

        #[test]
        fn what_is_cut_off_or_changed_is_read_or_refused(
            cut in 0_usize..120,
            at in 0_usize..120,
            octet in any::<u8>(),
        ) {
            let mut whole = Vec::new();
            constructed(&mut whole, REFUSAL, |out| {
                constructed(out, SEQUENCE, |out| {
                    number(out, 0, 5);
                    number(out, 1, 30);
                    field(out, 4, |out| write(out, GENERALIZED_TIME, b"20260102030405Z"));
                    number(out, 5, 0);
                    number(out, 6, 25);
                    field(out, 9, |out| write(out, GENERAL_STRING, b"CORP.EXAMPLE"));
                    field(out, 10, |out| Principal::account("a").write(out));
                    field(out, 12, |out| write(out, OCTET_STRING, &ber::sequence(|_| {})));
                });
            });
            let read = Answer::read(&whole);
            let Ok(Answer::Refused(refusal)) = read else { panic!("{read:?}") };
            prop_assert_eq!((refusal.code, refusal.clock.is_some()), (25, true));
            let mut changed = whole.clone();
            let length = changed.len();
            changed[at % length] = octet;
            let _ = Answer::read(&changed);
            prop_assert!(Answer::read(&whole[..cut.min(length - 1)]).is_err());
        }
    }
}
