//! The configuration of a managed agent: where its service is, who it is, and how the directory beside it is reached. What
//! is read and what becomes of it is the service's to say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;
use url::Url;

use super::target::is_loopback;
use super::{ConfigError, Environment, SourceConfig, SourceKind, environment, located};

/// The key that no other configuration has.
const MARK: &str = "service";

/// What the file of a managed agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ManagedSettings {
    /// The address of the service.
    pub service: Url,
    /// The folder with the agent's key and certificate.
    pub identity: PathBuf,
    /// Authorities (PEM) of a service that does not show the authority of its agents; empty for those of the system.
    #[serde(default)]
    pub service_ca: PathBuf,
    /// The proxy on the way to the service; empty for what `HTTPS_PROXY` says, `none` for none.
    #[serde(default)]
    pub proxy: String,
    /// Where the health endpoint listens; nowhere when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<SocketAddr>,
    /// The directories beside the agent.
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
}

/// The file of a managed agent, read and checked as far as it can be without asking anybody.
#[derive(Clone, Debug)]
pub struct ManagedConfig {
    /// Where the file is.
    pub path: PathBuf,
    /// What it says.
    pub settings: ManagedSettings,
}

impl ManagedConfig {
    /// Reads a file; `None` where it is that of an agent with rules of its own.
    ///
    /// # Errors
    /// [`ConfigError`], with the file in front.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Option<Self>, ConfigError> {
        let here = |error: ConfigError| ConfigError::new(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("{} cannot be read: {error}", path.display()))
        })?;
        let settings = ManagedSettings::parse(&text, environment).map_err(here)?;
        Ok(settings.map(|settings| Self { path: path.to_owned(), settings }))
    }

    /// The folder of the file: what it names by a relative path is looked for there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The folder of the identity.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.folder().join(&self.settings.identity)
    }

    /// The file of authorities for the service, where one is named.
    #[must_use]
    pub fn service_ca(&self) -> Option<PathBuf> {
        let path = &self.settings.service_ca;
        (!path.as_os_str().is_empty()).then(|| self.folder().join(path))
    }
}

impl ManagedSettings {
    /// Reads a text; `None` where it is that of an agent with rules of its own.
    ///
    /// # Errors
    /// [`ConfigError`] with the line, as far as it is known.
    pub fn parse(text: &str, environment: &dyn Environment) -> Result<Option<Self>, ConfigError> {
        let mut table: Table =
            toml::from_str(text).map_err(|error| ConfigError::new(located(text, &error)))?;
        if !table.contains_key(MARK) {
            return Ok(None);
        }
        for key in ["rule", "target", "guard", "schedule", "mode"] {
            if table.contains_key(key) {
                return Err(ConfigError::new(format!(
                    "{key} and service are both there: a managed agent has its {key} from the service; take one of them out"
                )));
            }
        }
        environment::expand(&mut table, &[], environment)?;
        let settings: Self = table.try_into().map_err(|error: toml::de::Error| {
            ConfigError::new(error.to_string().trim().replace('\n', " "))
        })?;
        settings.check()?;
        Ok(Some(settings))
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_service(&self.service)?;
        if self.identity.as_os_str().is_empty() {
            return Err(ConfigError::new(
                "identity is empty: name the folder of key and certificate",
            ));
        }
        if self.sources.is_empty() {
            return Err(ConfigError::new("there is no [[source]]: name a directory to read"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for source in &self.sources {
            if source.name.trim().is_empty() {
                return Err(ConfigError::new(
                    "a source has an empty name: the service calls it by that",
                ));
            }
            if !seen.insert(&source.name) {
                return Err(ConfigError::new(format!(
                    "two sources have the name {:?}",
                    source.name
                )));
            }
            source.check()?;
            if let SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap) = &source.kind
                && ldap.scope != super::ScopeConfig::default()
            {
                return Err(ConfigError::new(format!(
                    "source {:?}: a managed agent has no scope of its own: the service's jobs say what is taken in",
                    source.name
                )));
            }
        }
        Ok(())
    }
}

/// Whether an address can be that of a service.
///
/// # Errors
/// [`ConfigError`] where it cannot.
pub(crate) fn check_service(url: &Url) -> Result<(), ConfigError> {
    let wrong = |message: &str| Err(ConfigError::new(format!("service {url}: {message}")));
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return wrong("what agents and service say would not be protected: use https://"),
        _ => return wrong("it should be https://host or https://host:port"),
    }
    if url.host_str().is_none() {
        return wrong("there is no host in it");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return wrong("it should be an address and no more");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "[[source]]\nname = \"people\"\nkind = \"csv\"\nfiles.user = { path = \"u.csv\", anchor = \"id\" }\n";

    fn parse(text: &str) -> Result<Option<ManagedSettings>, String> {
        let environment = |name: &str| (name == "HOST").then(|| "sync.example".to_owned());
        ManagedSettings::parse(text, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_managed_by_its_service() {
        let text = format!("service = \"https://${{HOST}}:8443\"\nidentity = \"id\"\n{SOURCE}");
        let settings = parse(&text).unwrap().unwrap();
        assert_eq!(settings.service.as_str(), "https://sync.example:8443/");
        assert_eq!(settings.sources.len(), 1);
        assert_eq!(parse("state-dir = \"x\"\n").unwrap(), None);
    }

    #[test]
    fn what_the_service_decides_is_not_here() {
        let wrong = |service: &str, more: &str| {
            parse(&format!("service = \"{service}\"\nidentity = \"id\"\n{more}")).unwrap_err()
        };
        let service = "https://sync.example";
        assert!(wrong(service, "mode = \"staging\"\n").contains("mode"));
        let ldap = "[[source]]\nname = \"ad\"\nkind = \"active-directory\"\nservers = [\"ldaps://dc\"]\n\
            bind-dn = \"a\"\npassword = { env = \"P\" }\nbase = \"DC=x\"\nscope.group = \"CN=g\"\n";
        assert!(wrong(service, ldap).contains("no scope of its own"));
        assert!(wrong(service, &SOURCE.repeat(2)).contains("two sources"));
        assert!(wrong(service, "source = []\n").contains("[[source]]"));
        assert!(wrong("http://sync.example", SOURCE).contains("https://"));
        assert!(wrong("ldap://sync.example", SOURCE).contains("https://"));
        assert!(wrong("https://sync.example?x=1", SOURCE).contains("no more"));
        assert!(
            parse(&format!("service = \"http://127.0.0.1:8\"\nidentity = \"id\"\n{SOURCE}"))
                .is_ok()
        );
    }
}
