//! Mail by SMTP.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::response::Severity;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;

use super::channel::{ChannelError, Undelivered};
use super::message::{Message, line};
use crate::config::{MailSettings, MailTls};

/// How long the server may take for a step.
const PATIENCE: Duration = Duration::from_secs(20);
/// For one message as a whole.
const DEADLINE: Duration = Duration::from_secs(60);
/// Answers that are about the service itself and not about a mailbox: whoever asks is not let in.
const NOT_LET_IN: [u16; 5] = [454, 530, 534, 535, 538];

/// Sends mails.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: String,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Mailer {
    pub(super) fn new(settings: &MailSettings) -> Result<Self, ChannelError> {
        let wrong = |setting| move |problem| ChannelError { setting, problem };
        let host = settings.server.trim_matches(['[', ']']);
        let tls = match settings.tls {
            MailTls::None => Tls::None,
            MailTls::Starttls => {
                Tls::Required(parameters(settings).map_err(wrong("mail.ca_file"))?)
            }
            MailTls::Tls => Tls::Wrapper(parameters(settings).map_err(wrong("mail.ca_file"))?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.port())
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let (Some(name), Some(password)) = (&settings.username, &settings.password) {
            let password = password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(name.clone(), password));
        }
        Ok(Self {
            transport: transport.build(),
            from: settings.from().map_err(wrong("mail.from"))?,
            server: settings.server.clone(),
        })
    }

    /// Sends a mail and waits until the server has taken it.
    pub(super) async fn send(&self, to: &str, message: &Message) -> Result<(), Undelivered> {
        let wrong = |error: &dyn std::fmt::Display| {
            Undelivered::Refused(format!("no mail can be made for {to}: {error}"))
        };
        let address: Address = to.parse().map_err(|error| wrong(&error))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![address.clone()])
            .map_err(|error| wrong(&error))?;
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let mail = Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(message.subject.clone())
            .date(SystemTime::from(message.at))
            // The same at every try: a mail that comes twice is known by it.
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .envelope(envelope)
            .body(message.text.clone())
            .map_err(|error| wrong(&error))?;
        match tokio::time::timeout(DEADLINE, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.undelivered(&error, Some(to))),
            Err(_) => Err(Undelivered::Closed(format!(
                "the mail server {} did not answer in time",
                self.server
            ))),
        }
    }

    /// Connects, and says who is there.
    pub(super) async fn try_it(&self) -> Result<(), Undelivered> {
        match tokio::time::timeout(DEADLINE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) | Err(_) => Err(Undelivered::Closed(format!(
                "the mail server {} does not answer as one",
                self.server
            ))),
            Ok(Err(error)) => Err(self.undelivered(&error, None)),
        }
    }

    fn undelivered(&self, error: &lettre::transport::smtp::Error, to: Option<&str>) -> Undelivered {
        let server = &self.server;
        let Some(code) = error.status() else {
            let why = causes(error);
            return Undelivered::Closed(format!("the mail server {server} cannot be used: {why}"));
        };
        let said = line(&causes(error), 300);
        let number: u16 = code.to_string().parse().unwrap_or_default();
        let whom = to.map_or_else(String::new, |to| format!(" the message for {to}"));
        if NOT_LET_IN.contains(&number) {
            let sentence = format!("the mail server {server} does not let the service in: {said}");
            return Undelivered::Closed(sentence);
        }
        match code.severity {
            Severity::PermanentNegativeCompletion => {
                Undelivered::Refused(format!("the mail server {server} refused{whom}: {said}"))
            }
            _ => Undelivered::Later(format!(
                "the mail server {server} does not take{whom} now: {said}"
            )),
        }
    }
}

fn parameters(settings: &MailSettings) -> Result<TlsParameters, String> {
    let host = settings.server.trim_matches(['[', ']']).to_owned();
    let mut parameters = TlsParameters::builder(host);
    if let Some(path) = &settings.ca_file {
        let wrong = |error: String| format!("{}: {error}", path.display());
        let chain = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong("it holds no certificate in PEM".to_owned()));
        }
        parameters = parameters.certificate_store(CertificateStore::None);
        for certificate in chain {
            let certificate = Certificate::from_der(certificate.to_vec())
                .map_err(|error| wrong(error.to_string()))?;
            parameters = parameters.add_root_certificate(certificate);
        }
    }
    parameters.build().map_err(|error| causes(&error))
}

/// An error with what it comes from, without saying the same twice.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
