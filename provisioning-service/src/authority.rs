//! The service's own certificate authority. It signs agents' keys, and the service's own where no other certificate is
//! given. Its key is kept sealed.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use scim_sync_link::gateway::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::audit::{self, Actor};
use crate::records::{Batch, Key, Records, RecordsError, Write};
use crate::seal::{SealError, Sealer};
use crate::tenant::TenantId;
use crate::tokens::hex;

const KIND: &str = "authority";
const ID: &str = "1";
/// Where the key is kept, for the seal.
const PLACE: &str = "$service/authority/1";
const NAME: &str = "Provisioning service";
/// How long the authority is good.
const LIFETIME: TimeDelta = TimeDelta::days(3650);
/// Certificates begin so long ago, for whose clock is behind.
const BACKDATE: TimeDelta = TimeDelta::hours(1);
/// What an agent's id begins with in a certificate.
const URN: &str = "urn:uuid:";

/// Why the authority did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The request for a certificate is none, or is not signed with its own key.
    #[error("the certificate request cannot be used: {0}")]
    Request(String),
    /// The key of the request is of another kind.
    #[error("the key of the certificate request must be an ECDSA key on the curve P-256")]
    Algorithm,
    /// A certificate cannot be read or is not one of an agent.
    #[error("the certificate is not one of an agent: {0}")]
    Certificate(&'static str),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Issue(#[from] rcgen::Error),
    /// The authority's key cannot be sealed or opened.
    #[error("the key of the certificate authority: {0}")]
    Seal(#[from] SealError),
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    certificate_pem: String,
    sealed_key: String,
    created: DateTime<Utc>,
}

/// The authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate that was just issued to an agent.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub pem: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The SHA-256 of its public key in hexadecimal.
    pub key: String,
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// What a certificate of this authority says about an agent. Whether the agent is still wanted, the records know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedAgent {
    /// The tenant.
    pub tenant: TenantId,
    /// The agent's id.
    pub agent: String,
    /// The serial number of the certificate in hexadecimal.
    pub serial: String,
    /// When the certificate ends.
    pub expires: DateTime<Utc>,
    /// The public key, an uncompressed point.
    pub public_key: Vec<u8>,
}

impl Authority {
    /// The authority of the records; one is made where there is none.
    ///
    /// # Errors
    /// [`AuthorityError::Seal`] where the key was sealed with another key than that of `sealer`.
    pub async fn open_or_make(
        records: &dyn Records,
        sealer: &Sealer,
        now: DateTime<Utc>,
    ) -> Result<Self, AuthorityError> {
        let key = Key::new(&TenantId::service(), KIND, ID);
        if records.get(&key).await?.is_none() {
            let kept = make(sealer, now)?;
            let details = json!({"expires": now + LIFETIME});
            let entry = audit::entry(
                &key.tenant,
                &Actor::Service,
                "authority.create",
                "certificate authority",
                details,
                now,
            );
            let batch = Batch {
                writes: vec![Write::create(key.clone(), json!(kept))],
                entries: vec![entry],
                fence: None,
            };
            match records.commit(batch).await {
                // Another process was faster: its authority counts.
                Ok(()) | Err(RecordsError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let record = records.get(&key).await?.ok_or(RecordsError::Conflict(key))?;
        let kept: Kept = serde_json::from_value(record.value)
            .map_err(|error| RecordsError::Damaged(format!("the authority: {error}")))?;
        Self::open(&kept, sealer)
    }

    fn open(kept: &Kept, sealer: &Sealer) -> Result<Self, AuthorityError> {
        let damaged = || RecordsError::Damaged("the authority".to_owned());
        let key = sealer.open(PLACE, &kept.sealed_key)?;
        let key = std::str::from_utf8(&key).map_err(|_| damaged())?;
        let key = KeyPair::from_pem(key)?;
        let certificate = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes())
            .map_err(|_| damaged())?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate, pem: kept.certificate_pem.clone() })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When the authority's certificate ends.
    #[must_use]
    pub fn expires(&self) -> DateTime<Utc> {
        let parsed = x509_parser::parse_x509_certificate(&self.certificate).ok();
        let seconds = parsed.map(|(_, found)| found.validity().not_after.timestamp());
        seconds
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What enrolment codes carry.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Signs an agent's key. Nothing of the request is believed but the key.
    ///
    /// # Errors
    /// [`AuthorityError::Request`], [`AuthorityError::Algorithm`], [`AuthorityError::Issue`].
    pub fn sign_agent(
        &self,
        csr_pem: &str,
        tenant: &TenantId,
        agent: &str,
        lifetime: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Issued, AuthorityError> {
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(|error| AuthorityError::Request(error.to_string()))?;
        if *request.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::Algorithm);
        }
        let key = hex(&Sha256::digest(request.public_key.der_bytes()));
        let serial = new_serial();
        let expires = now + lifetime;
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, tenant.as_str());
        name.push(DnType::CommonName, agent);
        let mut params = CertificateParams::default();
        set_validity(&mut params, now, expires);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = name;
        params.subject_alt_names = vec![SanType::URI(format!("{URN}{agent}").try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        request.params = params;
        let certificate = request.signed_by(&self.issuer)?;
        Ok(Issued { pem: certificate.pem(), serial: hex(&serial), key, expires })
    }

    /// A certificate for the service itself, with its key in PKCS #8.
    ///
    /// # Errors
    /// [`AuthorityError::Issue`], as for a name that is none.
    pub fn sign_server(
        &self,
        names: &[String],
        lifetime: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<(CertificateDer<'static>, Zeroizing<Vec<u8>>), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, NAME);
        params.distinguished_name = name;
        set_validity(&mut params, now, now + lifetime);
        params.serial_number = Some(SerialNumber::from_slice(&new_serial()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.der().clone(), Zeroizing::new(key.serialize_der())))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Reads what a certificate says about an agent. Who issued it must have been verified before.
///
/// # Errors
/// [`AuthorityError::Certificate`].
pub fn certified(der: &[u8]) -> Result<CertifiedAgent, AuthorityError> {
    let wrong = AuthorityError::Certificate;
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| wrong("it is no certificate"))?;
    if !rest.is_empty() {
        return Err(wrong("something follows it"));
    }
    let mut organisations = certificate.subject().iter_organization();
    let (Some(tenant), None) = (organisations.next(), organisations.next()) else {
        return Err(wrong("it names no tenant"));
    };
    let tenant = tenant.as_str().ok().and_then(|name| TenantId::new(name).ok());
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| wrong("its names cannot be read"))?
        .map(|names| names.value.general_names.as_slice())
        .unwrap_or_default();
    let [GeneralName::URI(uri)] = names else {
        return Err(wrong("it names no agent"));
    };
    let agent = uri.strip_prefix(URN).ok_or(wrong("it names no agent"))?;
    let expires = certificate.validity().not_after.timestamp();
    Ok(CertifiedAgent {
        tenant: tenant.ok_or(wrong("it names no tenant"))?,
        agent: agent.to_owned(),
        serial: hex(certificate.raw_serial()),
        expires: DateTime::from_timestamp(expires, 0).ok_or(wrong("it ends at no time"))?,
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
    })
}

fn make(sealer: &Sealer, now: DateTime<Utc>) -> Result<Kept, AuthorityError> {
    let key = KeyPair::generate()?;
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, NAME);
    name.push(DnType::CommonName, format!("{NAME} {}", hex(&new_serial()[..4])));
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    set_validity(&mut params, now, now + LIFETIME);
    params.serial_number = Some(SerialNumber::from_slice(&new_serial()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    let plain = Zeroizing::new(key.serialize_pem());
    Ok(Kept {
        certificate_pem: certificate.pem(),
        sealed_key: sealer.seal(PLACE, plain.as_bytes())?,
        created: now,
    })
}

/// Sixteen random bytes that make a positive number of full length.
fn new_serial() -> [u8; 16] {
    let mut serial = [0; 16];
    rand::rng().fill_bytes(&mut serial);
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// From an hour before `now` to `end`, in whole seconds.
fn set_validity(params: &mut CertificateParams, now: DateTime<Utc>, end: DateTime<Utc>) {
    let seconds = |at: DateTime<Utc>| {
        std::time::Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or(0))
    };
    params.not_before = date_time_ymd(1970, 1, 1) + seconds(now - BACKDATE);
    params.not_after = date_time_ymd(1970, 1, 1) + seconds(end);
}
