//! From a code that an administrator gave to an identity of one's own.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use scim_sync_link::gateway::{EnrollRequest, EnrolmentCode, Fingerprint};
use secrecy::SecretString;
use url::Url;

use crate::identity::{About, Identity, IdentityFolder, Issued, Trust};
use crate::managed::gateway::{Gateway, GatewayError};
use crate::managed::tls::{self, Found, Pinned};

/// What an enrolment needs.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// The address of the service.
    pub service: &'a Url,
    /// The code.
    pub code: &'a SecretString,
    /// How operators are to call the agent.
    pub name: &'a str,
    /// The proxy on the way to the service.
    pub proxy: Option<&'a Url>,
    /// Authorities of a service that does not show that of its agents, in place of the system's.
    pub service_ca: Option<&'a Path>,
}

/// Makes a key, has the service sign it, and takes it into use. Nothing is sent to a service that is not the one the code
/// names.
///
/// # Errors
/// A sentence that says whether the code, the service or this machine is in the way.
pub async fn enroll(asked: &Enrolment<'_>, folder: &IdentityFolder) -> Result<Identity> {
    let code = EnrolmentCode::try_from(asked.code)?;
    let verifier = Pinned::new(code.fingerprint(), asked.service_ca)?;
    let tls = tls::of_code(verifier.clone())?;
    let gateway = Gateway::new(asked.service, tls, asked.proxy, None)?;
    let pending = folder.begin()?;
    let request = EnrollRequest {
        code: asked.code.clone(),
        csr_pem: pending.request()?,
        agent_name: asked.name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: hostname(),
    };
    let answer = match gateway.enroll(&request).await {
        Ok(answer) => answer,
        Err(error) => bail!("{}", refused(asked.service, &error, &verifier.found())),
    };
    let named = CertificateDer::pem_slice_iter(answer.ca_pem.as_bytes())
        .filter_map(Result::ok)
        .any(|shown| Fingerprint::of(&shown) == code.fingerprint());
    if !named {
        bail!(
            "{} signed the key by another authority than the one that the code names: the code is for another service",
            asked.service
        );
    }
    let trust = match verifier.found() {
        Found::Authority => Trust::Authority,
        _ => Trust::Machine,
    };
    let issued = Issued {
        about: About {
            agent_id: answer.agent_id,
            tenant: answer.tenant,
            trust,
            renew_after: answer.renew_after,
        },
        certificate: answer.certificate_pem,
        authority: answer.ca_pem,
    };
    let identity = folder.keep(&pending, &issued)?;
    folder.promote(&identity).context("the identity could not be taken into use")?;
    Ok(identity)
}

fn refused(service: &Url, error: &GatewayError, found: &Found) -> String {
    match (error, found) {
        (GatewayError::Unreachable(_), Found::Stranger(why)) => {
            format!("{service} was reached and is not believed, so the code was not sent: {why}")
        }
        (GatewayError::Unreachable(why), _) => format!(
            "{service} is not reached ({why}): look at the address, the firewall (outbound only) and the proxy"
        ),
        (GatewayError::Refused { detail, .. }, _) => {
            format!("the service does not take the code: {detail}")
        }
        (error, _) => error.to_string(),
    }
}

/// The name of this machine, as far as it is known.
#[must_use]
pub fn hostname() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let files = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let variables = ["HOSTNAME", "COMPUTERNAME"].iter().filter_map(|name| std::env::var(name).ok());
    files
        .chain(variables)
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
