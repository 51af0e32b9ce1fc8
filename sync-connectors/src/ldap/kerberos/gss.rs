//! The tokens of the Kerberos mechanism of GSS-API (RFC 4121), as far as SASL (RFC 4752) needs them to sign in inside TLS.

use aws_lc_rs::digest::{self, Algorithm};
use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};

use super::crypto::{CryptoError, Key};
use super::kdc::Ticket;
use super::message::{
    self, Accepted, Authenticator, ContentError, REFUSAL, Refusal, Sealed, usage,
};
use crate::ldap::ber::{self, BerError, Reader, SEQUENCE};

/// The mechanism: 1.2.840.113554.1.2.2.
const KERBEROS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
const OBJECT_IDENTIFIER: u8 = 0x06;
const TOKEN: u8 = 0x60;
const AP_REQUEST: [u8; 2] = [1, 0];
const AP_REPLY: [u8; 2] = [2, 0];
const ERROR: [u8; 2] = [3, 0];

/// The checksum of an authenticator that carries bindings and flags (RFC 4121 section 4.1.1).
const GSS_CHECKSUM: i64 = 0x8003;
/// The service shows who it is, and messages come in order. Neither signed nor encrypted: TLS does both.
const FLAGS: u32 = 0x02 | 0x08;

const ACCEPTOR_SEAL: u32 = 22;
const INITIATOR_SEAL: u32 = 24;
const FROM_ACCEPTOR: u8 = 0x01;
const ENCRYPTED: u8 = 0x02;
const ACCEPTOR_KEY: u8 = 0x04;
const HEADER: usize = 16;
/// No protection of messages, in the answer and among what a server offers (RFC 4752 section 3.3).
const NO_LAYER: u8 = 1;

/// Why a token of the server cannot be used.
#[derive(Debug)]
pub(super) enum TokenError {
    /// The service refused, and says why.
    Refused(Refusal),
    /// It cannot be read, or not with the keys of this session.
    Content(ContentError),
    /// It answers something else than what was asked.
    Stranger,
    /// It offers only connections whose messages are protected by Kerberos too.
    Layers,
}

impl From<ContentError> for TokenError {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl From<BerError> for TokenError {
    fn from(error: BerError) -> Self {
        Self::Content(error.into())
    }
}

impl From<CryptoError> for TokenError {
    fn from(error: CryptoError) -> Self {
        Self::Content(error.into())
    }
}

/// The side that signs in.
#[derive(Debug)]
pub(super) struct Initiator {
    session: Key,
    /// The key of messages: of this side until the service chooses one.
    key: Key,
    flags: u8,
    first: u32,
    began: DateTime<Utc>,
}

impl Initiator {
    /// Gives the first token, which shows the ticket, bound to a channel.
    pub(super) fn begin(
        ticket: &Ticket,
        binding: [u8; 16],
        first: u32,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<u8>), CryptoError> {
        let key = Key::random(ticket.session.kind())?;
        let mut checksum = Vec::with_capacity(24);
        checksum.extend_from_slice(&16_u32.to_le_bytes());
        checksum.extend_from_slice(&binding);
        checksum.extend_from_slice(&FLAGS.to_le_bytes());
        let authenticator = Authenticator {
            realm: &ticket.realm,
            client: &ticket.client,
            checksum: (GSS_CHECKSUM, checksum),
            now,
            session: Some((&key, first)),
        };
        let sealed = Sealed::make(&ticket.session, usage::AUTHENTICATOR, &authenticator.octets())?;
        let token = framed(AP_REQUEST, &message::shown(&ticket.ticket, &sealed, true));
        let session = ticket.session.clone();
        Ok((Self { session, key, flags: 0, first, began: now }, token))
    }

    /// Reads the answer, which only the service can give that the ticket is for.
    pub(super) fn accepted(&mut self, token: &[u8]) -> Result<(), TokenError> {
        let mut fields = Reader::new(token).inner(TOKEN)?;
        if fields.expect(OBJECT_IDENTIFIER)? != KERBEROS {
            return Err(TokenError::Stranger);
        }
        let inner = fields.rest();
        let (kind, octets) = inner.split_at_checked(2).ok_or(BerError::Truncated)?;
        let mut reader = Reader::new(octets);
        if kind == ERROR && reader.peek() == Some(REFUSAL) {
            return Err(TokenError::Refused(Refusal::read(&mut reader)?));
        }
        if kind != AP_REPLY {
            return Err(TokenError::Stranger);
        }
        let sealed = message::read_ap_reply(&mut reader)?;
        let accepted = Accepted::read(&sealed.open(&self.session, usage::AP_REPLY)?)?;
        // It gives back the time of the authenticator, which was encrypted.
        let same = accepted.time == message::moment(self.began)
            && accepted.microseconds == i64::from(self.began.timestamp_subsec_micros());
        if !same {
            return Err(TokenError::Stranger);
        }
        if let Some(key) = accepted.key {
            self.key = key;
            self.flags = ACCEPTOR_KEY;
        }
        Ok(())
    }

    /// Reads which protections the server offers, and answers that none is wanted.
    pub(super) fn without_layer(&self, offer: &[u8]) -> Result<Vec<u8>, TokenError> {
        let offer = self.unwrap(offer)?;
        match offer.as_slice() {
            [layers, _, _, _] if layers & NO_LAYER != 0 => Ok(self.wrap(&[NO_LAYER, 0, 0, 0])?),
            [_, _, _, _] => Err(TokenError::Layers),
            _ => Err(TokenError::Stranger),
        }
    }

    /// The message in a token that is signed and not encrypted (RFC 4121 section 4.2.6.2).
    fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (header, body) = token.split_at_checked(HEADER).ok_or(BerError::Truncated)?;
        let [5, 4, flags, 0xff, _, extra, _, rotated, ..] = *header else {
            return Err(TokenError::Stranger);
        };
        let expected = FROM_ACCEPTOR | self.flags;
        if flags & (FROM_ACCEPTOR | ENCRYPTED | ACCEPTOR_KEY) != expected {
            return Err(TokenError::Stranger);
        }
        let mut body = body.to_vec();
        if !body.is_empty() {
            let length = body.len();
            body.rotate_left(usize::from(rotated) % length);
        }
        let length = body.len().checked_sub(usize::from(extra)).ok_or(BerError::Truncated)?;
        let checksum = body.split_off(length);
        let mut signed = body.clone();
        signed.extend_from_slice(&header[..4]);
        signed.extend_from_slice(&[0; 4]);
        signed.extend_from_slice(&header[8..]);
        self.key.verify(ACCEPTOR_SEAL, &signed, &checksum)?;
        Ok(body)
    }

    fn wrap(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut header = vec![5, 4, self.flags, 0xff, 0, 0, 0, 0];
        header.extend_from_slice(&u64::from(self.first).to_be_bytes());
        let (_, checksum) = self.key.checksum(INITIATOR_SEAL, &[message, &header].concat())?;
        // The checksum is made without its own length.
        header[5] = u8::try_from(checksum.len()).map_err(|_| CryptoError::Library)?;
        Ok([header.as_slice(), message, &checksum].concat())
    }
}

fn framed(kind: [u8; 2], message: &[u8]) -> Vec<u8> {
    let mut contents = Vec::with_capacity(message.len() + 16);
    ber::write(&mut contents, OBJECT_IDENTIFIER, &KERBEROS);
    contents.extend_from_slice(&kind);
    contents.extend_from_slice(message);
    let mut out = Vec::with_capacity(contents.len() + 6);
    ber::write(&mut out, TOKEN, &contents);
    out
}

/// What binds a session to the certificate (DER) of the server that it goes to: `tls-server-end-point` of RFC 5929, hashed
/// as RFC 4121 section 4.1.1.2 says. `None` when the certificate's own signature names no hash.
pub(super) fn binding(certificate: &[u8]) -> Option<[u8; 16]> {
    let hash = digest::digest(hash_of(certificate)?, certificate);
    binding_of(hash.as_ref())
}

fn binding_of(hash: &[u8]) -> Option<[u8; 16]> {
    let data = [b"tls-server-end-point:", hash].concat();
    let mut md5 = Md5::new();
    // Neither side's address: two types and two lengths of zero.
    md5.update([0; 16]);
    md5.update(u32::try_from(data.len()).ok()?.to_le_bytes());
    md5.update(&data);
    Some(md5.finalize().into())
}

/// The hash of a certificate's signature; MD5 and SHA-1 count as SHA-256 (RFC 5929 section 4.1).
fn hash_of(certificate: &[u8]) -> Option<&'static Algorithm> {
    let mut fields = Reader::new(certificate).inner(SEQUENCE).ok()?;
    fields.expect(SEQUENCE).ok()?;
    let mut signature = fields.inner(SEQUENCE).ok()?;
    match signature.expect(OBJECT_IDENTIFIER).ok()? {
        // RSA: 1.2.840.113549.1.1.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, kind] => match kind {
            4 | 5 | 11 => Some(&digest::SHA256),
            12 => Some(&digest::SHA384),
            13 => Some(&digest::SHA512),
            10 => hash_of_pss(signature).ok()?,
            _ => None,
        },
        // ECDSA with SHA-1: 1.2.840.10045.4.1.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Some(&digest::SHA256),
        // ECDSA with SHA-2: 1.2.840.10045.4.3.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, kind] => match kind {
            2 => Some(&digest::SHA256),
            3 => Some(&digest::SHA384),
            4 => Some(&digest::SHA512),
            _ => None,
        },
        _ => None,
    }
}

/// RSASSA-PSS names its hash in its parameters; SHA-1 where it does not.
fn hash_of_pss(mut signature: Reader<'_>) -> Result<Option<&'static Algorithm>, BerError> {
    let mut parameters = signature.inner(SEQUENCE)?;
    let Some(hash) = parameters.optional(0xa0)? else { return Ok(Some(&digest::SHA256)) };
    // SHA-2: 2.16.840.1.101.3.4.2.
    Ok(match Reader::new(hash).inner(SEQUENCE)?.expect(OBJECT_IDENTIFIER)? {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, kind] => match kind {
            1 => Some(&digest::SHA256),
            2 => Some(&digest::SHA384),
            3 => Some(&digest::SHA512),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, SignatureAlgorithm};

    use super::super::crypto::Encryption;
    use super::super::message::Principal;
    use super::*;

    fn session(flags: u8) -> Initiator {
        let key = Key::random(Encryption::Aes256).unwrap();
        let began = DateTime::from_timestamp(1_000_000, 5_000).unwrap();
        Initiator { session: key.clone(), key, flags, first: 7, began }
    }

    /// A token as the service makes it, turned by some octets as Windows does.
    fn offered(by: &Initiator, flags: u8, message: &[u8], turned: u8) -> Vec<u8> {
        let mut header = vec![5, 4, flags, 0xff, 0, 0, 0, 0];
        header.extend_from_slice(&9_u64.to_be_bytes());
        let signed = [message, &header].concat();
        let (_, checksum) = by.key.checksum(ACCEPTOR_SEAL, &signed).unwrap();
        let mut body = [message, &checksum].concat();
        let length = body.len();
        body.rotate_right(usize::from(turned) % length);
        (header[5], header[7]) = (12, turned);
        [header, body].concat()
    }

    #[test]
    fn an_offer_is_answered_without_a_layer() {
        for flags in [0, ACCEPTOR_KEY] {
            let session = session(flags);
            for turned in [0, 12, 28] {
                let offer = offered(&session, flags | FROM_ACCEPTOR, &[7, 0, 16, 0], turned);
                let answer = session.without_layer(&offer).unwrap();
                let (header, body) = answer.split_at(HEADER);
                assert_eq!(header, [5, 4, flags, 0xff, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
                let (message, checksum) = body.split_at(4);
                assert_eq!(message, [1, 0, 0, 0]);
                let signed = [message, &header[..4], &[0; 4], &header[8..]].concat();
                assert!(session.key.verify(INITIATOR_SEAL, &signed, checksum).is_ok());
            }
        }
    }

    #[test]
    fn an_offer_of_somebody_else_is_refused() {
        let own = session(0);
        let of = |by: &Initiator, flags, message: &[u8]| {
            own.without_layer(&offered(by, flags, message, 0))
        };
        let integrity = TokenError::Content(ContentError::Crypto(CryptoError::Integrity));
        let told = of(&session(0), FROM_ACCEPTOR, &[7, 0, 16, 0]).unwrap_err();
        assert_eq!(format!("{told:?}"), format!("{integrity:?}"));
        // What this side said itself comes back.
        assert!(matches!(of(&own, 0, &[7, 0, 16, 0]), Err(TokenError::Stranger)));
        assert!(matches!(
            of(&own, FROM_ACCEPTOR | ACCEPTOR_KEY, &[7, 0, 16, 0]),
            Err(TokenError::Stranger)
        ));
        assert!(matches!(of(&own, FROM_ACCEPTOR, &[6, 0, 16, 0]), Err(TokenError::Layers)));
        assert!(matches!(of(&own, FROM_ACCEPTOR, &[7]), Err(TokenError::Stranger)));
    }

    #[test]
    fn a_service_that_does_not_know_the_time_it_was_told_is_a_stranger() {
        let ticket = Ticket {
            realm: "CORP.EXAMPLE".to_owned(),
            client: Principal::account("svc-sync"),
            ticket: vec![0x61, 0],
            session: Key::random(Encryption::Aes128).unwrap(),
        };
        let now = DateTime::from_timestamp(1_000_000, 5_000).unwrap();
        let reply = |time: &str| {
            let mut part = Vec::new();
            let fields = ber::sequence(|out| {
                let mut moment = Vec::new();
                ber::write(&mut moment, 0x18, time.as_bytes());
                ber::write(out, 0xa0, &moment);
                ber::write(out, 0xa1, &[2, 1, 5]);
            });
            ber::write(&mut part, 0x7b, &fields);
            let sealed = Sealed::make(&ticket.session, usage::AP_REPLY, &part).unwrap();
            let fields = ber::sequence(|out| {
                ber::write(out, 0xa0, &[2, 1, 5]);
                ber::write(out, 0xa1, &[2, 1, 15]);
                ber::write(out, 0xa2, &message::sealed(&sealed));
            });
            let mut out = Vec::new();
            ber::write(&mut out, 0x6f, &fields);
            framed(AP_REPLY, &out)
        };
        let begin = || Initiator::begin(&ticket, [0; 16], 1, now).unwrap().0;
        assert!(begin().accepted(&reply("19700112134640Z")).is_ok());
        assert!(matches!(begin().accepted(&reply("19700112134641Z")), Err(TokenError::Stranger)));
        let other = Initiator { session: Key::random(Encryption::Aes128).unwrap(), ..begin() };
        let mut other = other;
        assert!(matches!(other.accepted(&reply("19700112134640Z")), Err(TokenError::Content(_))));
    }

    /// The example that Microsoft published for extended protection.
    #[test]
    fn a_session_is_bound_as_windows_does_it() {
        let hash = *b"\xea\x05\xfe\xfe\xcc\x6b\x0b\xd5\x71\xdb\xbc\x5b\xaa\x3e\xd4\x53\
                      \x86\xd0\x44\x68\x35\xf7\xb7\x4c\x85\x62\x1b\x99\x83\x47\x5f\x95";
        let expected = *b"\x65\x86\xe9\x9d\x81\xc2\xfc\x98\x4e\x47\x17\x2f\xd4\xdd\x03\x10";
        assert_eq!(binding_of(&hash), Some(expected));
    }

    fn certificate(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["dc1".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_session_is_bound_by_the_hash_of_the_certificates_signature() {
        let with = |algorithm| hash_of(&certificate(algorithm));
        assert_eq!(with(&rcgen::PKCS_ECDSA_P256_SHA256), Some(&digest::SHA256));
        assert_eq!(with(&rcgen::PKCS_ECDSA_P384_SHA384), Some(&digest::SHA384));
        assert!(with(&rcgen::PKCS_ED25519).is_none());
        assert_eq!(binding(&certificate(&rcgen::PKCS_ED25519)), None);
        assert_eq!(binding(b"nothing"), None);
    }

    proptest! {
        #[test]
        fn any_token_is_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut session = session(0);
            prop_assert!(session.without_layer(&octets).is_err());
            prop_assert!(session.accepted(&octets).is_err());
            prop_assert!(session.accepted(&framed(AP_REPLY, &octets)).is_err());
            prop_assert!(session.accepted(&framed(ERROR, &octets)).is_err());
            let _ = binding(&octets);
        }
    }
}
