//! What a job has to keep to itself: how it reaches its target, and who it is there.

use std::collections::BTreeMap;

use scim_client::transport::ReqwestTransport;
use scim_client::{Auth, Client, TargetProfile};
use scim_sync::ConnectorId;
use scim_sync::guard::{Guard, Limit, Threshold};
use scim_sync_connectors::scim::{BulkUse, ScimConnector};
use scim_sync_link::websocket::Proxy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::error::JobError;
use super::record::TargetSettings;
use super::wire::SecretPair;
use crate::config::is_loopback;
use crate::reach::Reach;
use crate::seal::Sealer;
use crate::tenant::TenantId;

/// The secrets that mean something here. `SyncAll` is what is always done: who is provisioned is told by the scope.
const KNOWN: [&str; 5] = [
    "BaseAddress",
    "SecretToken",
    "SyncNotificationSettings",
    "SkipOutOfScopeDeletions",
    "SyncAll",
];

/// The longest secret, in bytes.
const LONGEST: usize = 16 * 1024;

/// Secrets as they are kept: sealed, by name.
pub(super) type Sealed = BTreeMap<String, String>;

/// What the secrets of a job say.
#[derive(Debug, Default)]
pub(super) struct Opened {
    base: Option<Url>,
    token: Option<SecretString>,
    /// How many deletions are too many; `Some(None)` where the limit is switched off.
    threshold: Option<Option<u64>>,
    /// Whether what left the scope stays in the target.
    pub(super) skip_out_of_scope: bool,
    /// Who is told of the job by mail, beside those that the configuration names.
    pub(super) recipients: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Notifications {
    enabled: bool,
    recipients: String,
    delete_threshold_enabled: bool,
    delete_threshold_value: u64,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            enabled: false,
            recipients: String::new(),
            delete_threshold_enabled: true,
            delete_threshold_value: 500,
        }
    }
}

fn place(tenant: &TenantId, job: &str, name: &str) -> String {
    format!("{tenant}/job-secrets/{job}/{name}")
}

/// Puts secrets among those that are kept; an empty one is forgotten. None of them is shown in an error.
pub(super) fn seal(
    kept: &mut Sealed,
    sealer: &Sealer,
    tenant: &TenantId,
    job: &str,
    pairs: &[SecretPair],
) -> Result<(), JobError> {
    check(pairs)?;
    for SecretPair { key, value } in pairs {
        let value = value.expose_secret();
        if value.is_empty() {
            kept.remove(key);
        } else {
            kept.insert(key.clone(), sealer.seal(&place(tenant, job, key), value.as_bytes())?);
        }
    }
    Ok(())
}

/// Refuses an address at another place where the token stays: it was given for the place that it was given with.
pub(super) fn same_place(
    kept: &Sealed,
    sealer: &Sealer,
    tenant: &TenantId,
    job: &str,
    pairs: &[SecretPair],
) -> Result<(), JobError> {
    let given = |name: &str| pairs.iter().find(|pair| pair.key == name);
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    let Some(address) = given("BaseAddress") else { return Ok(()) };
    if given("SecretToken").is_some() || !kept.contains_key("SecretToken") {
        return Ok(());
    }
    let before = open(kept, sealer, tenant, job)?.base;
    let moves = before.map(|before| before.origin()) != origin(address.value.expose_secret());
    if moves && !address.value.expose_secret().is_empty() {
        return Err(JobError::Invalid(
            "BaseAddress is at another place: give the SecretToken for it as well".to_owned(),
        ));
    }
    Ok(())
}

/// Opens what is kept.
pub(super) fn open(
    kept: &Sealed,
    sealer: &Sealer,
    tenant: &TenantId,
    job: &str,
) -> Result<Opened, JobError> {
    let mut opened = Opened::default();
    for (name, sealed) in kept {
        let plain = sealer.open(&place(tenant, job, name), sealed)?;
        let text = std::str::from_utf8(&plain)
            .map_err(|_| JobError::Internal(format!("the secret {name} is no text")))?;
        opened.take(name, text)?;
    }
    Ok(opened)
}

/// What secrets say that are not kept.
pub(super) fn of(pairs: &[SecretPair]) -> Result<Opened, JobError> {
    check(pairs)?;
    let mut opened = Opened::default();
    for pair in pairs {
        opened.take(&pair.key, pair.value.expose_secret())?;
    }
    Ok(opened)
}

fn check(pairs: &[SecretPair]) -> Result<(), JobError> {
    for SecretPair { key, value } in pairs {
        if !KNOWN.contains(&key.as_str()) {
            return Err(JobError::Invalid(format!(
                "the secret {key:?} has no meaning here; there are {}",
                KNOWN.join(", ")
            )));
        }
        if value.expose_secret().len() > LONGEST {
            return Err(JobError::Invalid(format!(
                "the secret {key} is longer than {LONGEST} bytes"
            )));
        }
    }
    of_each(pairs)
}

/// Whether each is what its name promises.
fn of_each(pairs: &[SecretPair]) -> Result<(), JobError> {
    let mut opened = Opened::default();
    for pair in pairs.iter().filter(|pair| !pair.value.expose_secret().is_empty()) {
        opened.take(&pair.key, pair.value.expose_secret())?;
    }
    Ok(())
}

impl Opened {
    fn take(&mut self, name: &str, text: &str) -> Result<(), JobError> {
        match name {
            "BaseAddress" => {
                let url = Url::parse(text).map_err(|error| {
                    JobError::Invalid(format!("BaseAddress is no address: {error}"))
                })?;
                let host = url.host_str().unwrap_or_default();
                let sealed = match url.scheme() {
                    "https" => true,
                    "http" => is_loopback(host),
                    _ => false,
                };
                if !sealed || !url.username().is_empty() || url.password().is_some() {
                    return Err(JobError::Invalid(
                        "BaseAddress is an address with https (http is for this machine only), without a name and a password"
                            .to_owned(),
                    ));
                }
                self.base = Some(url);
            }
            "SecretToken" => self.token = Some(text.to_owned().into()),
            "SyncNotificationSettings" => {
                let told: Notifications = serde_json::from_str(text).map_err(|error| {
                    JobError::Invalid(format!(
                        "SyncNotificationSettings is no JSON of its kind: {error}"
                    ))
                })?;
                // So many are too many: one less passes.
                let most = told.delete_threshold_value.saturating_sub(1);
                self.threshold = Some(told.delete_threshold_enabled.then_some(most));
                self.recipients = if told.enabled { addresses(&told.recipients)? } else { vec![] };
            }
            "SkipOutOfScopeDeletions" => {
                self.skip_out_of_scope = match text.trim().to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => {
                        return Err(JobError::Invalid(
                            "SkipOutOfScopeDeletions is True or False".to_owned(),
                        ));
                    }
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// The limits of the settings, with the threshold that the secrets tell.
    pub(super) fn guard(&self, guard: &Guard) -> Result<Guard, JobError> {
        let Some(threshold) = self.threshold else { return Ok(guard.clone()) };
        let deletes = match (threshold, &guard.deletes) {
            (Some(number), Limit::Of(limit)) => Limit::Of(Threshold { number, ..*limit }),
            (Some(number), Limit::Off(_)) => {
                Limit::Of(Threshold { number, percent: 100, at_least: number })
            }
            (None, _) => {
                let off = serde_json::json!({ "off": "SyncNotificationSettings switches it off" });
                serde_json::from_value(off)
                    .map_err(|error| JobError::Internal(error.to_string()))?
            }
        };
        Ok(Guard { deletes, ..guard.clone() })
    }

    /// The target, to be written to.
    pub(super) fn connector(
        &self,
        id: ConnectorId,
        settings: &TargetSettings,
        reach: &Reach,
    ) -> Result<ScimConnector, JobError> {
        let connector = ScimConnector::new(id, self.client(settings, reach)?);
        let connector =
            connector.bulk(if settings.bulk { BulkUse::Always } else { BulkUse::Never });
        Ok(match settings.parallel {
            Some(writes) => connector.parallel(writes),
            None => connector,
        })
    }

    fn client(&self, settings: &TargetSettings, reach: &Reach) -> Result<Client, JobError> {
        let missing = |name: &str| JobError::Invalid(format!("the secret {name} is missing"));
        let base = self.base.as_ref().ok_or_else(|| missing("BaseAddress"))?;
        let token = self.token.clone().ok_or_else(|| missing("SecretToken"))?;
        let wrong =
            |error: &dyn std::fmt::Display| JobError::Invalid(format!("the target: {error}"));
        reach.check(base).map_err(|error| wrong(&error))?;
        let mut transport = ReqwestTransport::builder();
        // A proxy looks names up itself: what may be reached through it is for the proxy to say.
        transport = match proxy_for(base) {
            Some(proxy) => transport.proxy(Some(&proxy)),
            None => transport.proxy(None).resolver(reach.clone()),
        };
        if !settings.ca_pem.is_empty() {
            transport = transport.root_certificates(settings.ca_pem.clone().into_bytes());
        }
        let transport = transport.build().map_err(|error| wrong(&error))?;
        let mut builder = Client::builder(base.as_str())
            .auth(Auth::Bearer(token))
            .transport(transport)
            .user_agent(concat!("provisioning-service/", env!("CARGO_PKG_VERSION")));
        if !settings.profile.is_empty() {
            let profile = TargetProfile::named(&settings.profile).map_err(|error| wrong(&error))?;
            builder = builder.target(profile);
        }
        builder.build().map_err(|error| wrong(&error))
    }
}

/// The proxy on the way to a target, as the environment names it; what is on this machine needs none.
fn proxy_for(base: &Url) -> Option<String> {
    let proxy = Proxy::named(base, |name| std::env::var(name).ok());
    let proxy = proxy.filter(|_| base.scheme() == "https")?;
    Some(if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
}

/// Mail addresses with commas or semicolons between.
fn addresses(text: &str) -> Result<Vec<String>, JobError> {
    let parts = text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse::<lettre::Address>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(JobError::Invalid(
                "SyncNotificationSettings: Recipients are mail addresses with commas between"
                    .to_owned(),
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> SecretPair {
        SecretPair { key: key.to_owned(), value: value.to_owned().into() }
    }

    /// Nothing private is allowed.
    fn nowhere() -> Reach {
        Reach::new("private_targets", &[])
    }

    #[tokio::test]
    async fn a_private_target_is_reached_where_the_operator_says_so_only() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let allowed = Reach::new("private_targets", &["127.0.0.1".to_owned()]);
        let client = |host: &str, reach: &Reach| {
            let base = format!("http://{host}:{port}/scim");
            let opened = of(&[pair("BaseAddress", &base), pair("SecretToken", "t")]).unwrap();
            opened.client(&TargetSettings::default(), reach).map_err(|error| error.to_string())
        };
        let error = client("127.0.0.1", &nowhere()).unwrap_err();
        assert!(error.contains("private_targets does not name it"), "{error}");
        client("127.0.0.1", &allowed).unwrap();
        // A name is found out when it is looked up, and nobody is connected to.
        let asked = client("localhost", &nowhere()).unwrap();
        let error = asked.discovery().service_provider_config().await.unwrap_err();
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told = format!("{told}: {error}");
            cause = error.source();
        }
        assert!(told.contains("private_targets does not name it"), "{told}");
        let nobody = std::time::Duration::ZERO;
        assert!(tokio::time::timeout(nobody, listener.accept()).await.is_err());
    }

    #[test]
    fn what_is_sealed_is_opened_in_its_own_place_only() {
        let sealer = Sealer::parse(&Sealer::new_key()).unwrap();
        let tenant = TenantId::default();
        let mut kept = Sealed::new();
        let pairs =
            [pair("BaseAddress", "https://target.example/scim"), pair("SecretToken", "t0p")];
        seal(&mut kept, &sealer, &tenant, "one", &pairs).unwrap();
        assert!(!format!("{kept:?}").contains("t0p"));
        let opened = open(&kept, &sealer, &tenant, "one").unwrap();
        opened.client(&TargetSettings::default(), &nowhere()).unwrap();
        assert!(!format!("{opened:?}").contains("t0p"));
        assert!(open(&kept, &sealer, &tenant, "two").is_err());
        let other = TenantId::new("other").unwrap();
        assert!(open(&kept, &sealer, &other, "one").is_err());

        seal(&mut kept, &sealer, &tenant, "one", &[pair("SecretToken", "")]).unwrap();
        let opened = open(&kept, &sealer, &tenant, "one").unwrap();
        let error = opened.client(&TargetSettings::default(), &nowhere()).unwrap_err();
        assert!(error.to_string().contains("SecretToken is missing"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_it_is_kept() {
        for (key, value) in [
            ("Passwort", "x"),
            ("BaseAddress", "target"),
            ("BaseAddress", "ftp://target.example"),
            ("BaseAddress", "http://target.example"),
            ("BaseAddress", "http://10.0.0.1"),
            ("BaseAddress", "https://:secret@target.example"),
            ("SyncNotificationSettings", "{"),
            ("SkipOutOfScopeDeletions", "perhaps"),
        ] {
            let sealer = Sealer::parse(&Sealer::new_key()).unwrap();
            let mut kept = Sealed::new();
            let pairs = [pair(key, value)];
            assert!(
                seal(&mut kept, &sealer, &TenantId::default(), "one", &pairs).is_err(),
                "{key}"
            );
            assert!(kept.is_empty());
        }
    }

    #[test]
    fn the_threshold_of_the_notifications_is_that_of_the_guard() {
        let told = |value: &str| {
            let opened = of(&[pair("SyncNotificationSettings", value)]).unwrap();
            opened.guard(&Guard::default()).unwrap().deletes.of(1_000_000)
        };
        assert_eq!(told(r#"{"Enabled":true}"#), Some(499));
        assert_eq!(told(r#"{"DeleteThresholdValue":20}"#), Some(19));
        assert_eq!(told(r#"{"DeleteThresholdEnabled":false}"#), None);
    }

    #[test]
    fn the_recipients_of_the_notifications_are_told_where_they_are_enabled() {
        let told = |value: &str| of(&[pair("SyncNotificationSettings", value)]);
        let both = told(r#"{"Enabled":true,"Recipients":"ada@x.example; bob@x.example,"}"#);
        assert_eq!(both.unwrap().recipients, ["ada@x.example", "bob@x.example"]);
        let off = told(r#"{"Enabled":false,"Recipients":"ada@x.example"}"#);
        assert_eq!(off.unwrap().recipients, [] as [&str; 0]);
        let error = told(r#"{"Enabled":true,"Recipients":"everybody"}"#).unwrap_err();
        assert!(error.to_string().contains("Recipients"), "{error}");
    }
}
