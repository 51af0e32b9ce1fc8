//! The client that the commands use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use scim_client::transport::ReqwestTransport;
use scim_client::{Auth, Client, TargetProfile};
use url::{Host, Url};

use crate::settings::{Settings, default_file, profiles, variable};

/// Which service to speak to. Secrets are read from the environment or from files, never from flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Base URL of the service, such as https://host/scim/v2 [env: SCIM_URL]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "profile")]
    pub(crate) url: Option<String>,
    /// Profile of the profile file that says where and as whom [env: SCIM_CLIENT_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The profile file [env: SCIM_PROFILES] [default: ~/.config/scim/profiles.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) profiles: Option<PathBuf>,
    /// What kind of server it is: a target profile such as entra, aws or slack, or a TOML file [env: SCIM_TARGET]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Send credentials over unencrypted HTTP also to other machines
    #[arg(long, global = true)]
    pub(crate) plain_http: bool,
}

impl ConnectArgs {
    /// The profiles of the file; none where there is no file and none was asked for.
    pub(crate) fn known(&self) -> anyhow::Result<BTreeMap<String, Settings>> {
        let named = self.profiles.clone().or_else(|| variable("SCIM_PROFILES").map(PathBuf::from));
        match named {
            Some(file) => profiles(&file),
            None => match default_file().filter(|file| file.exists()) {
                Some(file) => profiles(&file),
                None => Ok(BTreeMap::new()),
            },
        }
    }

    /// Flags win over the environment; credentials come from where the URL comes from.
    fn settings(&self) -> anyhow::Result<Settings> {
        if let Some(url) = &self.url {
            return Ok(Settings::from_environment(url.clone()));
        }
        if let Some(name) = &self.profile {
            return self.of(name);
        }
        if let Some(url) = variable("SCIM_URL") {
            return Ok(Settings::from_environment(url));
        }
        match variable("SCIM_CLIENT_PROFILE") {
            Some(name) => self.of(&name),
            None => bail!(
                "which service? Set SCIM_URL and SCIM_TOKEN, or choose a profile with --profile NAME (scim help shows both)"
            ),
        }
    }

    fn of(&self, name: &str) -> anyhow::Result<Settings> {
        let mut known = self.known()?;
        known.remove(name).ok_or_else(|| match known.is_empty() {
            true => anyhow!("there is no profile `{name}`, and no others: is the profile file where it should be? (--profiles FILE)"),
            false => anyhow!(
                "there is no profile `{name}`; there are {}",
                known.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// The target profile.
    fn target(&self, settings: &Settings) -> anyhow::Result<TargetProfile> {
        let name = self.target.clone().or_else(|| settings.target.clone());
        match name.or_else(|| variable("SCIM_TARGET")) {
            Some(name) => target_named(&name),
            None => Ok(TargetProfile::generic()),
        }
    }

    /// The client; nothing is sent yet.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let settings = self.settings()?;
        if Url::parse(settings.url.trim())
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
        {
            bail!(
                "the base URL holds a user name or a password; give them with SCIM_USER and SCIM_PASSWORD or \
                 SCIM_PASSWORD_FILE, or in the profile file with user and password-env or password-file"
            );
        }
        let mut transport = ReqwestTransport::builder();
        let read = |file: &PathBuf| {
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
        };
        // A file without one would be taken for none, and the server's own certificate be refused for another reason.
        let certificate = |file: &PathBuf| {
            let pem = read(file)?;
            let marker: &[u8] = b"-----BEGIN CERTIFICATE-----";
            match pem.windows(marker.len()).any(|window| window == marker) {
                true => Ok(pem),
                false => Err(anyhow!("{} holds no certificate in PEM", file.display())),
            }
        };
        if let Some(file) = &settings.ca_file {
            transport = transport.root_certificates(certificate(file)?);
        }
        if let Some(file) = &settings.client_certificate_file {
            transport = transport.client_certificate(certificate(file)?);
        }
        let auth = settings.auth()?;
        // A transport of one's own has to keep credentials off the open network by itself.
        if !self.plain_http && !matches!(auth, Auth::None) && is_open(&settings.url) {
            bail!(
                "the base URL is http: and everyone on the way could read the credentials; use https:, or allow it with \
                 --plain-http"
            );
        }
        let transport = transport.build().context("the certificates cannot be used")?;
        let mut builder = Client::builder(&settings.url)
            .auth(auth)
            .target(self.target(&settings)?)
            .transport(transport);
        if self.plain_http {
            builder = builder.dangerous_plain_http();
        }
        // As text: what is wrong with the settings is nothing that a server refused.
        builder.build().map_err(|error| anyhow!("{error}"))
    }
}

/// Whether what goes to this URL can be read on the way: by HTTP to another machine. What is no URL is refused later.
fn is_open(url: &str) -> bool {
    let Ok(url) = Url::parse(url.trim()) else { return false };
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !local
}

/// A shipped target profile, or one of a file.
pub(crate) fn target_named(name: &str) -> anyhow::Result<TargetProfile> {
    if !name.ends_with(".toml") {
        return Ok(TargetProfile::named(name)?);
    }
    let text = std::fs::read_to_string(name)
        .with_context(|| format!("the target profile cannot be read from {name}"))?;
    TargetProfile::from_toml(&text).with_context(|| name.to_owned())
}
