//! The few messages of LDAP that go over a connection before `ldap3` has it: StartTLS, a question about the server, and the
//! steps of a SASL bind (RFC 4511).

use std::io;

use ldap3::LdapError;
use scim_sync::ConnectorError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::ldap::ber::{
    self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, write,
    write_integer,
};
use crate::ldap::result::{self, code};

/// No answer to these messages is as large.
const LARGEST: usize = 1 << 20;

const BIND: u8 = 0x60;
const BIND_ANSWER: u8 = 0x61;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const SASL_IN_PROGRESS: u32 = 14;

/// A connection that is not signed in yet.
pub(super) struct Wire<'s, S> {
    stream: S,
    server: &'s str,
    last: i32,
}

/// What a server says about itself to everybody.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its host name.
    pub(super) host: Option<String>,
    /// The realm that it belongs to.
    pub(super) realm: Option<String>,
    /// How one can sign in.
    pub(super) mechanisms: Vec<String>,
}

/// The answer to a step of a bind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Signed in.
    Done,
    /// Another token is wanted.
    Next(Vec<u8>),
}

/// The end of an operation.
struct Outcome {
    rc: u32,
    text: String,
    token: Option<Vec<u8>>,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Wire<'s, S> {
    pub(super) fn new(stream: S, server: &'s str) -> Self {
        Self { stream, server, last: 0 }
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Asks for TLS; what follows belongs to it.
    pub(super) async fn start_tls(&mut self) -> Result<(), ConnectorError> {
        let what = "asking for TLS";
        let mut name = Vec::new();
        write(&mut name, 0x80, START_TLS);
        self.send(EXTENDED, &name, what).await?;
        let (tag, octets) = self.receive(what).await?;
        let outcome = self.read(|| Outcome::read(tag, EXTENDED_ANSWER, &octets))?;
        match outcome.rc {
            code::SUCCESS => Ok(()),
            rc => Err(result::refused(self.server, "StartTLS", rc, &outcome.text)),
        }
    }

    /// Asks the server about itself, which it tells everybody.
    pub(super) async fn facts(&mut self) -> Result<Facts, ConnectorError> {
        let what = "reading what the server says about itself";
        self.send(SEARCH, &about_itself(), what).await?;
        let mut facts = Facts::default();
        loop {
            let (tag, octets) = self.receive(what).await?;
            if tag == ENTRY {
                facts = self.read(|| Facts::read(&octets))?;
                continue;
            }
            let outcome = self.read(|| Outcome::read(tag, SEARCH_DONE, &octets))?;
            return match outcome.rc {
                code::SUCCESS => Ok(facts),
                rc => Err(result::refused(self.server, what, rc, &outcome.text)),
            };
        }
    }

    /// One step of a bind by GSSAPI.
    pub(super) async fn bind(&mut self, token: &[u8]) -> Result<Step, ConnectorError> {
        let what = "signing in";
        let mut request = Vec::new();
        write_integer(&mut request, INTEGER, 3);
        write(&mut request, OCTET_STRING, b"");
        let mut sasl = Vec::new();
        write(&mut sasl, OCTET_STRING, b"GSSAPI");
        write(&mut sasl, OCTET_STRING, token);
        write(&mut request, 0xa3, &sasl);
        self.send(BIND, &request, what).await?;
        let (tag, octets) = self.receive(what).await?;
        let outcome = self.read(|| Outcome::read(tag, BIND_ANSWER, &octets))?;
        match outcome.rc {
            code::SUCCESS => Ok(Step::Done),
            SASL_IN_PROGRESS => Ok(Step::Next(outcome.token.unwrap_or_default())),
            // The password was right, or there would be no ticket.
            code::INVALID_CREDENTIALS => Err(ConnectorError::Credentials(format!(
                "{} did not accept the Kerberos ticket (result {}: {}): look whether the clocks agree, and whether the key \
                 of the service is the one of this server",
                self.server,
                outcome.rc,
                one_line(&outcome.text)
            ))),
            // An older Samba, which knows no channel binding, where its configuration does not say that TLS is enough.
            code::STRONGER_AUTH => Err(ConnectorError::Unsupported(format!(
                "{} wants Kerberos to sign messages inside TLS too (result {}: {}): let it accept TLS for that (Samba: \
                 `ldap server require strong auth = allow_sasl_over_tls`), or sign in with name and password",
                self.server,
                outcome.rc,
                one_line(&outcome.text)
            ))),
            rc => Err(result::refused(self.server, "the bind", rc, &outcome.text)),
        }
    }

    async fn send(
        &mut self,
        tag: u8,
        contents: &[u8],
        what: &'static str,
    ) -> Result<(), ConnectorError> {
        self.last += 1;
        let message = ber::sequence(|out| {
            write_integer(out, INTEGER, i64::from(self.last));
            write(out, tag, contents);
        });
        let sent = async {
            self.stream.write_all(&message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| broken(self.server, what, error))
    }

    /// The next message, which must answer the last one. Reads it to its end and not an octet further.
    async fn receive(&mut self, what: &'static str) -> Result<(u8, Vec<u8>), ConnectorError> {
        let octets = self.octets().await.map_err(|error| broken(self.server, what, error))?;
        self.read(|| {
            let mut fields = Reader::new(&octets).inner(SEQUENCE)?;
            let id = fields.integer(INTEGER)?;
            let (tag, contents) = fields.any()?;
            if id != i64::from(self.last) {
                // A notice of disconnection has the number 0 (RFC 4511 section 4.4.1).
                return Err(BerError::Number);
            }
            Ok((tag, contents.to_vec()))
        })
    }

    async fn octets(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; 2];
        self.stream.read_exact(&mut message).await?;
        let mut length = usize::from(message[1]);
        if length >= 0x80 {
            let mut octets = vec![0; length & 0x7f];
            if !(1..=4).contains(&octets.len()) {
                return Err(no_message());
            }
            self.stream.read_exact(&mut octets).await?;
            length = octets.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet));
            message.extend_from_slice(&octets);
        }
        if length > LARGEST {
            return Err(no_message());
        }
        let head = message.len();
        message.resize(head + length, 0);
        self.stream.read_exact(&mut message[head..]).await?;
        Ok(message)
    }

    fn read<T>(&self, read: impl FnOnce() -> Result<T, BerError>) -> Result<T, ConnectorError> {
        read().map_err(|error| {
            ConnectorError::Protocol(format!(
                "{} sent a message that does not belong here: {error}",
                self.server
            ))
        })
    }
}

fn no_message() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it sent something that is no LDAP")
}

/// A failure of the connection, told as everywhere in the connector.
pub(super) fn broken(server: &str, what: &str, source: io::Error) -> ConnectorError {
    let error = match source.kind() {
        io::ErrorKind::UnexpectedEof => LdapError::EndOfStream,
        _ => LdapError::Io { source },
    };
    result::broken(server, what, &error)
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A search of the entry without a name.
fn about_itself() -> Vec<u8> {
    let mut request = Vec::new();
    write(&mut request, OCTET_STRING, b"");
    write_integer(&mut request, ENUMERATED, 0);
    write_integer(&mut request, ENUMERATED, 0);
    write_integer(&mut request, INTEGER, 0);
    write_integer(&mut request, INTEGER, 0);
    write(&mut request, BOOLEAN, &[0]);
    write(&mut request, 0x87, b"objectClass");
    let attributes = ber::sequence(|out| {
        for name in [HOST, SERVICE, MECHANISMS] {
            write(out, OCTET_STRING, name.as_bytes());
        }
    });
    request.extend_from_slice(&attributes);
    request
}

const HOST: &str = "dnsHostName";
/// `domain:account@REALM`.
const SERVICE: &str = "ldapServiceName";
const MECHANISMS: &str = "supportedSASLMechanisms";

impl Facts {
    fn read(octets: &[u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(octets);
        reader.expect(OCTET_STRING)?;
        let mut attributes = reader.inner(SEQUENCE)?;
        let mut facts = Self::default();
        while !attributes.is_empty() {
            let mut attribute = attributes.inner(SEQUENCE)?;
            let name = attribute.expect(OCTET_STRING)?;
            let mut values = attribute.inner(SET)?;
            while !values.is_empty() {
                let value = String::from_utf8_lossy(values.expect(OCTET_STRING)?).into_owned();
                let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
                if is(HOST) {
                    facts.host = Some(value);
                } else if is(SERVICE) {
                    facts.realm = value.rsplit_once('@').map(|(_, realm)| realm.to_owned());
                } else if is(MECHANISMS) {
                    facts.mechanisms.push(value);
                }
            }
        }
        Ok(facts)
    }
}

impl Outcome {
    fn read(tag: u8, wanted: u8, octets: &[u8]) -> Result<Self, BerError> {
        if tag != wanted {
            return Err(BerError::Tag { wanted, found: tag });
        }
        let mut fields = Reader::new(octets);
        let rc = u32::try_from(fields.integer(ENUMERATED)?).map_err(|_| BerError::Number)?;
        fields.expect(OCTET_STRING)?;
        let text = String::from_utf8_lossy(fields.expect(OCTET_STRING)?).into_owned();
        fields.optional(0xa3)?;
        let token = fields.optional(0x87)?.map(<[u8]>::to_vec);
        Ok(Self { rc, text, token })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    fn answer(id: i64, tag: u8, rc: i64, text: &str, token: Option<&[u8]>) -> Vec<u8> {
        ber::sequence(|out| {
            write_integer(out, INTEGER, id);
            let mut result = Vec::new();
            write_integer(&mut result, ENUMERATED, rc);
            write(&mut result, OCTET_STRING, b"");
            write(&mut result, OCTET_STRING, text.as_bytes());
            if let Some(token) = token {
                write(&mut result, 0x87, token);
            }
            write(out, tag, &result);
        })
    }

    /// A connection whose other side has said everything already.
    async fn told(octets: &[u8]) -> (Wire<'static, DuplexStream>, DuplexStream) {
        let (near, mut far) = duplex(1 << 16);
        far.write_all(octets).await.unwrap();
        (Wire::new(near, "ldaps://dc1"), far)
    }

    #[tokio::test]
    async fn a_message_is_read_to_its_end_and_not_further() {
        let mut said = answer(1, BIND_ANSWER, 14, "", Some(b"token"));
        said.extend_from_slice(b"what follows");
        let (mut wire, _far) = told(&said).await;
        assert_eq!(wire.bind(b"first").await.unwrap(), Step::Next(b"token".to_vec()));
        let mut rest = [0; 12];
        wire.into_stream().read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"what follows");
    }

    #[tokio::test]
    async fn an_answer_to_something_else_is_none() {
        let (mut wire, _far) = told(&answer(2, BIND_ANSWER, 0, "", None)).await;
        assert!(matches!(wire.bind(b"").await, Err(ConnectorError::Protocol(_))));
        let (mut wire, _far) = told(&answer(1, SEARCH_DONE, 0, "", None)).await;
        assert!(matches!(wire.bind(b"").await, Err(ConnectorError::Protocol(_))));
        let (mut wire, far) = told(b"0\x84\x7f\xff\xff\xff").await;
        drop(far);
        assert!(matches!(wire.bind(b"").await, Err(ConnectorError::Unreachable(_))));
    }

    #[tokio::test]
    async fn a_refused_ticket_is_no_wrong_password() {
        let (mut wire, _far) = told(&answer(1, BIND_ANSWER, 49, "no\nway", None)).await;
        let text = wire.bind(b"").await.unwrap_err().to_string();
        assert!(
            text.contains("ticket") && text.contains("clocks") && !text.contains('\n'),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_server_that_does_not_trust_tls_is_told_of() {
        let (mut wire, _far) = told(&answer(1, BIND_ANSWER, 8, "Sign or Seal", None)).await;
        let error = wire.bind(b"").await.unwrap_err();
        assert!(matches!(&error, ConnectorError::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains("inside TLS too (result 8: Sign or Seal)"), "{error}");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Facts::read(&octets);
            let _ = Outcome::read(BIND_ANSWER, BIND_ANSWER, &octets);
        }
    }
}
