//! The two questions to a Kerberos server: who somebody is, and for a ticket of a service.

use std::time::Duration;

use aws_lc_rs::rand;
use scim_sync::ConnectorError;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

use super::clock;
use super::crypto::{CryptoError, Encryption, Key};
use super::failure::{self, Asking, code};
use super::message::{
    self, Answer, Asked, Authenticator, ContentError, Exchange, Granted, Principal, Recipe,
    Refusal, Reply, Sealed, padata, usage,
};

/// Tickets of accounts in many groups are tens of kilobytes.
const LARGEST: u32 = 1 << 20;

/// A ticket and what goes with it.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The account that it is for, as the server calls it.
    pub(super) realm: String,
    pub(super) client: Principal,
    pub(super) ticket: Vec<u8>,
    pub(super) session: Key,
}

/// A Kerberos server, and who asks it.
#[derive(Debug)]
pub(super) struct Kdc<'a> {
    /// `host:port`.
    pub(super) address: &'a str,
    pub(super) realm: &'a str,
    pub(super) account: &'a str,
    pub(super) password: &'a SecretString,
    pub(super) patience: Duration,
}

impl Kdc<'_> {
    /// Signs in and asks for the ticket of a service.
    ///
    /// # Errors
    /// [`ConnectorError::Unreachable`] for a server that does not answer, [`ConnectorError::Credentials`] for an account or
    /// a password that it does not accept, [`ConnectorError::Configuration`] for clocks, realms and services.
    pub(super) async fn ticket(&self, service: &Principal) -> Result<Ticket, ConnectorError> {
        let granting = self.signed_in().await?;
        let nonce = nonce().map_err(|error| self.broken(&error.into()))?;
        let asked =
            Asked { client: None, realm: self.realm, service, nonce, encryption: &Encryption::ALL };
        let body = asked.body();
        let shown = granting.shown_for(&body).map_err(|error| self.broken(&error.into()))?;
        let request = message::request(Exchange::Ticket, &[(padata::TGS_REQ, shown)], &body);
        let reply = match self.ask(&request).await? {
            Answer::Reply(reply) => reply,
            Answer::Refused(refusal) => return Err(self.refused(&refusal, service)),
        };
        self.granted(reply, &granting.session, usage::TGS_REPLY, nonce, service)
    }

    /// The ticket that others are asked for with.
    async fn signed_in(&self) -> Result<Ticket, ConnectorError> {
        let service = Principal::service("krbtgt", self.realm);
        let client = self.client();
        let nonce = nonce().map_err(|error| self.broken(&error.into()))?;
        let asked = |encryption| Asked {
            client: Some(&client),
            realm: self.realm,
            service: &service,
            nonce,
            encryption,
        };
        let request =
            message::request(Exchange::Authentication, &[], &asked(&Encryption::ALL).body());
        // Most servers want to see the time encrypted with the account's key, and say first how the key is made.
        let (told, first) = match self.ask(&request).await? {
            Answer::Reply(reply) => (reply.padata.clone(), Some(reply)),
            Answer::Refused(refusal) if refusal.code == code::PREAUTH_REQUIRED => {
                let data = refusal.data.as_deref().unwrap_or_default();
                let told =
                    message::read_padata(data).map_err(|error| self.broken(&error.into()))?;
                (told, None)
            }
            Answer::Refused(refusal) => return Err(self.refused(&refusal, &service)),
        };
        let recipe = Recipe::best(&told).map_err(|error| self.broken(&error.into()))?;
        let Some(recipe) = recipe else {
            return Err(self.refused(&Refusal::by_itself(code::NO_COMMON_ENCRYPTION), &service));
        };
        let key = self.key(&recipe, &client).map_err(|error| self.broken(&error.into()))?;
        let reply = match first {
            Some(reply) => reply,
            None => {
                let now = Sealed::make(&key, usage::TIMESTAMP, &message::timestamp(clock::now()));
                let now = now.map_err(|error| self.broken(&error.into()))?;
                let proof = [(padata::ENC_TIMESTAMP, message::sealed(&now))];
                let body = asked(&[recipe.kind]).body();
                let request = message::request(Exchange::Authentication, &proof, &body);
                match self.ask(&request).await? {
                    Answer::Reply(reply) => reply,
                    Answer::Refused(refusal) => return Err(self.refused(&refusal, &service)),
                }
            }
        };
        self.granted(reply, &key, usage::AS_REPLY, nonce, &service)
    }

    /// The account as the server is to look it up: by its name in the realm, or by a name with another suffix.
    fn client(&self) -> Principal {
        match self.account.rsplit_once('@') {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case(self.realm) => {
                Principal::account(name)
            }
            Some(_) => Principal::enterprise(self.account),
            None => Principal::account(self.account),
        }
    }

    fn key(&self, recipe: &Recipe, client: &Principal) -> Result<Key, CryptoError> {
        let usual = || [self.realm, &client.parts.concat()].concat().into_bytes();
        let salt = recipe.salt.clone().unwrap_or_else(usual);
        let password = self.password.expose_secret();
        Key::from_password(recipe.kind, password, &salt, recipe.parameters.as_deref())
    }

    /// Opens a reply, which must answer this question.
    fn granted(
        &self,
        reply: Reply,
        key: &Key,
        usage: u32,
        nonce: u32,
        service: &Principal,
    ) -> Result<Ticket, ConnectorError> {
        let opened = reply.sealed.open(key, usage).map_err(|error| match error {
            // Without preauthentication a wrong password shows only here.
            CryptoError::Integrity if usage == usage::AS_REPLY => {
                self.refused(&Refusal::by_itself(code::PREAUTH_FAILED), service)
            }
            error => self.broken(&error.into()),
        })?;
        let granted = Granted::read(&opened).map_err(|error| self.broken(&error))?;
        if granted.nonce != i64::from(nonce) || !granted.service.is(service) {
            return Err(ConnectorError::Protocol(format!(
                "the Kerberos server {} answered about {} where {service} was asked for",
                self.address, granted.service
            )));
        }
        let Reply { realm, client, ticket, .. } = reply;
        Ok(Ticket { realm, client, ticket, session: granted.key })
    }

    /// Sends a request over TCP, where each message comes with its length (RFC 4120 section 7.2.2).
    async fn ask(&self, request: &[u8]) -> Result<Answer, ConnectorError> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
            stream.write_all(&[&length.to_be_bytes(), request].concat()).await?;
            let length = stream.read_u32().await?;
            if length > LARGEST {
                return Ok(None);
            }
            let mut answer = vec![0; usize::try_from(length).unwrap_or_default()];
            stream.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(Some(answer))
        };
        let address = self.address;
        let server = format!("the Kerberos server {address} of the realm {}", self.realm);
        match time::timeout(self.patience, exchange).await {
            Ok(Ok(Some(answer))) => {
                Answer::read(&answer).map_err(|error| self.broken(&error.into()))
            }
            Ok(Ok(None)) => Err(ConnectorError::Protocol(format!(
                "{server} sent a message that is no Kerberos"
            ))),
            Ok(Err(error)) => {
                Err(ConnectorError::Unreachable(format!("{server} cannot be talked to: {error}")))
            }
            Err(_) => Err(ConnectorError::Unreachable(format!(
                "{server} did not answer within {} s",
                self.patience.as_secs()
            ))),
        }
    }

    fn refused(&self, refusal: &Refusal, service: &Principal) -> ConnectorError {
        let asking = Asking {
            server: &format!("the Kerberos server {}", self.address),
            realm: self.realm,
            account: self.account,
            service: &service.to_string(),
            now: clock::now(),
        };
        failure::refused(asking, refusal)
    }

    fn broken(&self, error: &ContentError) -> ConnectorError {
        ConnectorError::Protocol(format!(
            "what the Kerberos server {} says cannot be used: {error}",
            self.address
        ))
    }
}

impl Ticket {
    /// The ticket as it is shown to ask for another one.
    fn shown_for(&self, body: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let authenticator = Authenticator {
            realm: &self.realm,
            client: &self.client,
            checksum: self.session.checksum(usage::TGS_CHECKSUM, body)?,
            now: clock::now(),
            session: None,
        };
        let octets = authenticator.octets();
        let sealed = Sealed::make(&self.session, usage::TGS_AUTHENTICATOR, &octets)?;
        Ok(message::shown(&self.ticket, &sealed, false))
    }
}

/// A number that nobody guesses; of 31 bits, since some servers read it with a sign.
pub(super) fn nonce() -> Result<u32, CryptoError> {
    let mut octets = [0; 4];
    rand::fill(&mut octets)?;
    Ok(u32::from_be_bytes(octets) >> 1)
}
