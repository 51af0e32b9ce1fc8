//! Signing in by Kerberos: SASL GSSAPI (RFC 4752) inside TLS, bound to it by the server's certificate (RFC 5929), so that
//! domain controllers that insist on channel binding accept it.
//!
//! `ldap3` knows neither SASL by hand nor the certificate, so the connection is made and signed in here, and `ldap3` gets one
//! end of a pair of sockets. What goes through it is carried by [`carried`], which is a part of the session's driver: it is
//! awake only while an operation waits, holds little, and ends with the session.
//!
//! The account's key is made of its password at every sign-in, as `kinit` does; tickets are kept nowhere. Kerberos servers
//! are asked over TCP. Encryption is AES: neither RC4 nor DES.

mod clock;
mod crypto;
mod failure;
mod gss;
mod kdc;
mod message;
mod wire;

use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use scim_sync::ConnectorError;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpStream, UnixStream};
use tokio::time;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

use self::failure::Asking;
use self::gss::{Initiator, TokenError};
use self::kdc::Kdc;
use self::message::Principal;
use self::wire::{Facts, Step, Wire};
use super::config::{KerberosAccount, LdapConfig, LdapServer};
use super::session::Pump;
use super::tls;

const MECHANISM: &str = "GSSAPI";
const KDC_PORT: u16 = 88;

/// Connects to a server and signs in; gives the socket at which the rest of the session can be had, and what carries it.
///
/// # Errors
/// [`ConnectorError::Unreachable`] for the directory or the Kerberos server, [`ConnectorError::Credentials`],
/// [`ConnectorError::Configuration`] for clocks, realms and services, [`ConnectorError::Unsupported`].
pub(super) async fn signed_in(
    config: &LdapConfig,
    server: &LdapServer,
    account: &KerberosAccount,
) -> Result<(StdUnixStream, Pump), ConnectorError> {
    let patience = config.limits.connect;
    let silent = |seconds| {
        ConnectorError::Unreachable(format!("{} did not answer within {seconds} s", server.url))
    };
    let place = Place::of(&server.url)?;
    let connecting = time::timeout(patience, connected(config, server, &place));
    let (stream, facts) = connecting.await.map_err(|_| silent(patience.as_secs()))??;
    if !facts.mechanisms.iter().any(|name| name.eq_ignore_ascii_case(MECHANISM)) {
        return Err(ConnectorError::Unsupported(format!(
            "{} offers no sign-in by Kerberos ({MECHANISM})",
            server.url
        )));
    }
    let binding = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| gss::binding(chain.first()?))
        .ok_or_else(|| {
            ConnectorError::Unsupported(format!(
                "a sign-in by Kerberos cannot be bound to the certificate of {}: its signature has no hash that RFC 5929 knows",
                server.url
            ))
        })?;
    let realm = account.realm_of(&facts)?;
    let kdc = Kdc {
        address: &account.kdc.as_deref().map_or_else(|| place.kdc(), with_port),
        realm: &realm,
        account: &account.name,
        password: &account.password,
        patience,
    };
    let service = Principal::service("ldap", facts.host.as_deref().unwrap_or(&place.host));
    let ticket = kdc.ticket(&service).await?;
    let binding = bound(stream, &server.url, &kdc, &service, &ticket, binding);
    let idle = config.limits.idle;
    let stream = time::timeout(idle, binding).await.map_err(|_| silent(idle.as_secs()))??;
    let lost = |error| wire::broken(&server.url, "signing in", error);
    let (near, far) = StdUnixStream::pair().map_err(lost)?;
    far.set_nonblocking(true).map_err(lost)?;
    let far = UnixStream::from_std(far).map_err(lost)?;
    Ok((near, Box::pin(carried(stream, far))))
}

/// Carries octets both ways until one side has ended.
async fn carried(
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    mut library: UnixStream,
) -> std::io::Result<()> {
    copy_bidirectional(&mut server, &mut library).await.map(drop)
}

/// Where a server is.
struct Place {
    host: String,
    port: u16,
    tls: bool,
}

impl Place {
    fn of(url: &str) -> Result<Self, ConnectorError> {
        let wrong =
            |text: String| ConnectorError::Configuration(format!("{url} is no LDAP URL: {text}"));
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let tls = parsed.scheme() == "ldaps";
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host".to_owned()))?.to_owned();
        let port = parsed.port().unwrap_or(if tls { 636 } else { 389 });
        Ok(Self { host, port, tls })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A domain controller is a Kerberos server too.
    fn kdc(&self) -> String {
        format!("{}:{KDC_PORT}", self.host)
    }
}

/// A host with its port, which is Kerberos' own when none is given.
fn with_port(kdc: &str) -> String {
    let after_address = kdc.rsplit_once(']').map_or(kdc, |(_, rest)| rest);
    if after_address.contains(':') { kdc.to_owned() } else { format!("{kdc}:{KDC_PORT}") }
}

/// A connection inside TLS, and what the server says about itself there.
async fn connected(
    config: &LdapConfig,
    server: &LdapServer,
    place: &Place,
) -> Result<(TlsStream<TcpStream>, Facts), ConnectorError> {
    let lost = |error| wire::broken(&server.url, "connecting", error);
    let tcp = TcpStream::connect(place.address()).await.map_err(lost)?;
    tcp.set_nodelay(true).map_err(lost)?;
    let tcp = if place.tls {
        tcp
    } else {
        let mut wire = Wire::new(tcp, &server.url);
        wire.start_tls().await?;
        wire.into_stream()
    };
    let name = place.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|error| {
        ConnectorError::Configuration(format!("{} names no host: {error}", server.url))
    })?;
    let trust = match &config.ca_file {
        Some(file) => tls::trusting(file)?,
        None => tls::by_the_system()?,
    };
    let stream = TlsConnector::from(Arc::clone(&trust)).connect(name, tcp).await.map_err(lost)?;
    let mut wire = Wire::new(stream, &server.url);
    let facts = wire.facts().await?;
    Ok((wire.into_stream(), facts))
}

impl KerberosAccount {
    /// The realm to ask: the one given, else the directory's, else the one in the account's name.
    fn realm_of(&self, facts: &Facts) -> Result<String, ConnectorError> {
        let suffix = self.name.rsplit_once('@').map(|(_, suffix)| suffix.to_uppercase());
        self.realm.clone().or_else(|| facts.realm.clone()).or(suffix).ok_or_else(|| {
            ConnectorError::Configuration(format!(
                "the Kerberos realm of the account {} is not known, and the directory does not tell its own: give it",
                self.name
            ))
        })
    }
}

/// Shows the ticket and answers what the server asks until it is content.
async fn bound(
    stream: TlsStream<TcpStream>,
    url: &str,
    kdc: &Kdc<'_>,
    service: &Principal,
    ticket: &kdc::Ticket,
    binding: [u8; 16],
) -> Result<TlsStream<TcpStream>, ConnectorError> {
    let told = |error| match error {
        TokenError::Refused(refusal) => {
            let asking = Asking {
                server: url,
                realm: kdc.realm,
                account: kdc.account,
                service: &service.to_string(),
                now: clock::now(),
            };
            failure::refused(asking, &refusal)
        }
        TokenError::Content(error) => ConnectorError::Protocol(format!(
            "what {url} answers to a Kerberos ticket cannot be used: {error}"
        )),
        TokenError::Stranger => ConnectorError::Protocol(format!(
            "what {url} answers does not belong to the Kerberos ticket that it was shown"
        )),
        TokenError::Layers => ConnectorError::Unsupported(format!(
            "{url} wants Kerberos to protect messages that TLS protects already: let it accept TLS instead"
        )),
    };
    let early = || {
        ConnectorError::Protocol(format!(
            "{url} ended the sign-in by Kerberos before it showed who it is"
        ))
    };
    let number = kdc::nonce().map_err(|error| told(error.into()))?;
    let (mut initiator, token) = Initiator::begin(ticket, binding, number, clock::now())
        .map_err(|error| told(error.into()))?;
    let mut wire = Wire::new(stream, url);
    let Step::Next(answer) = wire.bind(&token).await? else { return Err(early()) };
    initiator.accepted(&answer).map_err(told)?;
    let Step::Next(offer) = wire.bind(&[]).await? else { return Err(early()) };
    let answer = initiator.without_layer(&offer).map_err(told)?;
    match wire.bind(&answer).await? {
        Step::Done => Ok(wire.into_stream()),
        Step::Next(_) => Err(ConnectorError::Protocol(format!(
            "{url} goes on asking after the sign-in by Kerberos was complete"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn account(name: &str, realm: Option<&str>) -> KerberosAccount {
        KerberosAccount {
            realm: realm.map(str::to_owned),
            ..KerberosAccount::new(name, "hush-hush")
        }
    }

    #[test]
    fn the_realm_is_the_directorys_unless_one_is_given() {
        let facts = Facts { realm: Some("CORP.EXAMPLE".to_owned()), ..Facts::default() };
        let silent = Facts::default();
        let of = |account: &KerberosAccount, facts: &Facts| account.realm_of(facts).ok();
        let corp = Some("CORP.EXAMPLE".to_owned());
        assert_eq!(of(&account("svc@mail.example", None), &facts), corp);
        assert_eq!(of(&account("svc", Some("OTHER")), &facts), Some("OTHER".to_owned()));
        assert_eq!(of(&account("svc@corp.example", None), &silent), corp);
        assert_eq!(of(&account("svc", None), &silent), None);
    }

    #[test]
    fn a_kerberos_server_has_its_own_port() {
        assert_eq!(with_port("dc1"), "dc1:88");
        assert_eq!(with_port("dc1:1088"), "dc1:1088");
        assert_eq!(with_port("[::1]"), "[::1]:88");
        assert_eq!(with_port("[::1]:1088"), "[::1]:1088");
        assert_eq!(Place::of("ldaps://dc1:6360").unwrap().kdc(), "dc1:88");
        assert_eq!(Place::of("ldap://[::1]").unwrap().address(), "[::1]:389");
        assert!(Place::of("ldaps://").is_err());
    }

    #[tokio::test]
    async fn what_a_server_said_before_it_closed_is_still_carried() {
        let (server, mut far) = duplex(64);
        let (near, library) = UnixStream::pair().unwrap();
        let mut near = near;
        let pump = tokio::spawn(carried(server, library));
        far.write_all(b"the last words").await.unwrap();
        drop(far);
        let mut heard = Vec::new();
        near.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"the last words");
        drop(near);
        assert!(pump.await.unwrap().is_ok());
    }
}
