//! How long a server's certificate holds. Whether it is trusted is for the connection that carries secrets to say; here
//! nothing is sent but the handshake, and every certificate is looked at.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::certificate::X509Certificate;

use super::{Report, State};
use crate::clock;

/// A certificate that ends within so many days is warned of.
const SOON: i64 = 30;
const PATIENCE: Duration = Duration::from_secs(10);

/// The request for StartTLS (RFC 4511 section 4.14.1), with the message number 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// From when until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Validity {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    issuer: String,
}

/// Looks at the certificate that a server shows. A server that cannot be reached gets no line: the bind says why.
///
/// # Errors
/// Where the report cannot be printed.
pub(super) async fn shown_by(
    report: &mut Report,
    about: &str,
    host: &str,
    port: u16,
    start_tls: bool,
) -> Result<()> {
    let looked = tokio::time::timeout(PATIENCE, handshake(host, port, start_tls)).await;
    match looked {
        Ok(Ok(Some(found))) => {
            let (state, text) = judged(&found, clock::now());
            report.add(state, about, "certificate", format!("{host} shows one that {text}"))
        }
        Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Looks at the certificates of a file of authorities.
///
/// # Errors
/// Where the report cannot be printed.
pub(super) fn of_file(report: &mut Report, about: &str, path: &std::path::Path) -> Result<bool> {
    let fail = |text: String| format!("the file of authorities {}: {text}", path.display());
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(error) => {
            report.add(State::Fail, about, "ca-file", fail(error.to_string()))?;
            return Ok(false);
        }
    };
    let mut worst = None;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let read = certificate.ok().and_then(|certificate| validity(&certificate));
        let Some(found) = read else {
            let text = fail("holds something that is no certificate".to_owned());
            report.add(State::Fail, about, "ca-file", text)?;
            return Ok(false);
        };
        let judged = judged(&found, clock::now());
        if worst.as_ref().is_none_or(|(state, _)| judged.0 > *state) {
            worst = Some(judged);
        }
    }
    let (state, text) = worst.unwrap_or_else(|| {
        (State::Fail, "holds no certificate: it has to be PEM (BEGIN CERTIFICATE)".to_owned())
    });
    report.add(state, about, "ca-file", format!("{} {text}", path.display()))?;
    Ok(state != State::Fail)
}

fn judged(found: &Validity, now: DateTime<Utc>) -> (State, String) {
    let day = |moment: DateTime<Utc>| moment.format("%Y-%m-%d").to_string();
    let issuer = &found.issuer;
    if now < found.from {
        let from = day(found.from);
        return (State::Fail, format!("is valid from {from} only: look at the clocks"));
    }
    if now > found.until {
        let until = day(found.until);
        return (State::Fail, format!("expired on {until}: have it renewed (issuer: {issuer})"));
    }
    let left = (found.until - now).num_days();
    let text = format!("is valid until {} (issuer: {issuer})", day(found.until));
    match found.until - now < TimeDelta::days(SOON) {
        true => (State::Warn, format!("{text}: only {left} days, have it renewed")),
        false => (State::Ok, text),
    }
}

fn validity(der: &[u8]) -> Option<Validity> {
    let (_, certificate): (_, X509Certificate<'_>) =
        x509_parser::parse_x509_certificate(der).ok()?;
    let validity = certificate.validity();
    let moment = |seconds: i64| DateTime::from_timestamp(seconds, 0);
    Some(Validity {
        from: moment(validity.not_before.timestamp())?,
        until: moment(validity.not_after.timestamp())?,
        issuer: certificate.issuer().to_string(),
    })
}

/// Speaks TLS as far as the certificate of the server.
async fn handshake(host: &str, port: u16, start_tls: bool) -> Result<Option<Validity>> {
    let mut stream = TcpStream::connect((host, port)).await?;
    if start_tls {
        stream.write_all(START_TLS).await?;
        // The answer is one small message: a tag, a length below 128 or in a few bytes, and so many bytes.
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let mut length = usize::from(head[1]);
        if length >= 0x80 {
            let mut digits = vec![0; (length & 0x7F).min(2)];
            stream.read_exact(&mut digits).await?;
            length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Looking(provider)))
        .with_no_client_auth();
    config.enable_sni = true;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    Ok(shown.and_then(|certificate| validity(certificate)))
}

/// Takes every certificate, since no secret goes over this connection.
#[derive(Debug)]
struct Looking(Arc<CryptoProvider>);

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_that_is_near_is_told_before_it_comes() {
        let found = Validity {
            from: at("2026-01-01T00:00:00Z"),
            until: at("2026-12-31T00:00:00Z"),
            issuer: "CN=ca".to_owned(),
        };
        let state = |now: &str| judged(&found, at(now)).0;
        assert_eq!(state("2025-12-31T23:00:00Z"), State::Fail);
        assert_eq!(state("2026-06-01T00:00:00Z"), State::Ok);
        assert_eq!(state("2026-12-02T00:00:00Z"), State::Warn);
        assert_eq!(state("2027-01-01T00:00:00Z"), State::Fail);
    }

    #[test]
    fn a_file_of_authorities_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let look = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut report = Report::new(false);
            let good = of_file(&mut report, "corp", &path).unwrap();
            assert_eq!(good, report.worst() != State::Fail);
            report.lines()[0].text.clone()
        };
        assert!(look("no certificate").contains("BEGIN CERTIFICATE"));
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let old = parameters.self_signed(&key).unwrap().pem();
        assert!(look(&old).contains("expired on 2020-01-01"));
        let long = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        assert!(look(&long).contains("valid until"));
        assert!(look(&format!("{long}{old}")).contains("expired"), "the worst of several counts");
    }
}
