//! Joining the layers (defaults, file, environment, flags) and checking the result.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use scim_postgres::Address;
use serde::Serialize;
use toml::{Table, Value};

use super::{Config, LogFormat, PublicUrl, TlsMode, notify};

/// What every variable begins with.
const PREFIX: &str = "PROVISIONING_";
/// The variable with the sealing key.
const SEAL_KEY: &str = "seal_key";
/// Settings that [`Config::default`] leaves out because they have no default.
const WITHOUT_DEFAULT: [&str; 8] = [
    "public_url",
    "tls_cert",
    "tls_key",
    "key_file",
    "database",
    "nats",
    "nats_credentials",
    "nats_ca",
];
/// Settings that are paths, with the section that they are in; in the file they are relative to its folder.
const PATHS: [(Option<&str>, &str); 10] = [
    (None, "tls_cert"),
    (None, "tls_key"),
    (None, "data"),
    (None, "key_file"),
    (None, "nats_credentials"),
    (None, "nats_ca"),
    (Some("mail"), "password_file"),
    (Some("mail"), "ca_file"),
    (Some("webhook"), "secret_file"),
    (Some("webhook"), "ca_file"),
];

/// The settings as command-line flags; absent flags leave the lower layers alone.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct Flags {
    /// Read settings from this TOML file [env: PROVISIONING_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Folder that holds everything kept; made if missing [env: PROVISIONING_DATA] [default: provisioning-data]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,

    /// PostgreSQL that replicas of the service share, like postgres://user@host/name; other users of the machine see flags, so
    /// give a password by the variable or the file [env: PROVISIONING_DATABASE] [default: files in the data folder]
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    #[serde(skip)]
    pub database: Option<Address>,

    /// Address and port to listen on; port 0 picks a free one [env: PROVISIONING_LISTEN] [default: 127.0.0.1:8443]
    #[arg(long, global = true, value_name = "ADDR:PORT", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,

    /// Address under which agents reach this service, like `https://sync.example.com` [env: PROVISIONING_PUBLIC_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,

    /// Where TLS ends [env: PROVISIONING_TLS] [default: own]
    #[arg(long, global = true, value_name = "WHERE", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsMode>,

    /// Certificate chain in PEM, with --tls files [env: PROVISIONING_TLS_CERT]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,

    /// Private key in PEM, with --tls files [env: PROVISIONING_TLS_KEY]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,

    /// File with the key that seals secrets [env: PROVISIONING_KEY_FILE] [default: seal.key in the data folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,

    /// NATS servers between several replicas, like nats://127.0.0.1:4222 [env: PROVISIONING_NATS]
    #[arg(long, global = true, value_name = "URL,...", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<String>,

    /// What to log, on standard error, like info or warn,scim_provisioning_service=debug [env: PROVISIONING_LOG]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,

    /// How log lines look [env: PROVISIONING_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Settings")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// A checked configuration, and the file that it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Why there is no configuration; every text names the file or the setting as it was spelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not TOML, or holds what it may not.
    #[error("{path}: {problem}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and key.
        problem: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{setting}: {problem}")]
    Setting {
        /// The setting as it was spelled.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The variables of this process that can hold settings.
///
/// # Errors
/// [`ConfigError::Setting`] where one is not UTF-8.
pub fn process_environment() -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            return Err(ConfigError::Setting {
                setting: name,
                problem: "it is not UTF-8".to_owned(),
            });
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

/// Joins flags, environment and file over the defaults, and checks the result.
///
/// The environment is an argument so that nothing here depends on the process; the program passes
/// [`process_environment`]. Unknown keys in the file are an error; variables that name no setting are passed over.
///
/// # Errors
/// [`ConfigError`].
pub fn load(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
    let variable_of =
        |setting: &str| environment.get(&variable(setting)).filter(|value| !value.is_empty());
    let file = flags.config.clone().or_else(|| variable_of("config").map(PathBuf::from));

    let mut settings = table_of(&Config::default());
    // A section is in the file only.
    let plain = settings.iter().filter(|(_, value)| !value.is_table());
    let known: Vec<String> =
        plain.map(|(name, _)| name.clone()).chain(WITHOUT_DEFAULT.map(str::to_owned)).collect();
    if let Some(path) = &file {
        settings.extend(read_file(path)?);
    }
    for setting in &known {
        let Some(text) = variable_of(setting) else { continue };
        let wrong = |problem| ConfigError::Setting { setting: variable(setting), problem };
        let value = value_of(text, settings.get(setting)).map_err(wrong)?;
        settings.insert(setting.clone(), value);
        // At once, so that the fault is that of this variable.
        settings.clone().try_into::<Config>().map_err(|error| wrong(error.message().to_owned()))?;
    }
    settings.extend(table_of(flags));

    let mut config: Config = settings.try_into().map_err(|error| ConfigError::Setting {
        setting: "settings".to_owned(),
        problem: error.message().to_owned(),
    })?;
    if flags.database.is_some() {
        config.database.clone_from(&flags.database);
    }
    config.seal_key = variable_of(SEAL_KEY).map(|key| key.clone().into());
    let fault =
        |(setting, problem)| ConfigError::Setting { setting: format!("`{setting}`"), problem };
    let secret = |name: &str| variable_of(name).cloned();
    notify::read_secrets(config.mail.as_mut(), config.webhook.as_mut(), secret).map_err(fault)?;
    config.check().map_err(fault)?;
    Ok(Loaded { config, file })
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let problem = |error: toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        problem: error.to_string().trim_end().to_owned(),
    };
    // As a whole first: this error knows line and column.
    toml::from_str::<Config>(&text).map_err(problem)?;
    let mut table: Table = toml::from_str(&text).map_err(problem)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let place = |path: &mut Value| {
        if let Value::String(path) = path
            && let Some(joined) = folder.join(path.as_str()).to_str()
        {
            joined.clone_into(path);
        }
    };
    for (section, key) in PATHS {
        let holder = match section {
            None => Some(&mut table),
            Some(section) => table.get_mut(section).and_then(Value::as_table_mut),
        };
        holder.and_then(|holder| holder.get_mut(key)).map(place);
    }
    let tenants = table.get_mut("webhook").and_then(|webhook| webhook.get_mut("tenants"));
    for (_, tenant) in tenants.and_then(Value::as_table_mut).into_iter().flatten() {
        tenant.get_mut("secret_file").map(place);
    }
    Ok(table)
}

/// A text as the value of a setting that has this default or value.
fn value_of(text: &str, like: Option<&Value>) -> Result<Value, String> {
    Ok(match like {
        Some(Value::Boolean(_)) => {
            Value::Boolean(text.parse().map_err(|_| format!("{text:?} is neither true nor false"))?)
        }
        Some(Value::Integer(_)) => {
            Value::Integer(text.parse().map_err(|_| format!("{text:?} is no number"))?)
        }
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    })
}

/// A struct of settings as a table. Paths that are not UTF-8 have no spelling in TOML; they are left out here, and clap
/// does not let them through.
fn table_of(settings: &impl Serialize) -> Table {
    Table::try_from(settings).unwrap_or_default()
}

fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn fault(flags: &Flags, pairs: &[(&str, &str)]) -> String {
        load(flags, &env(pairs)).unwrap_err().to_string()
    }

    #[test]
    fn defaults_make_a_service_for_this_machine() {
        let config = load(&Flags::default(), &env(&[])).unwrap().config;
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.tls, TlsMode::Own);
        assert_eq!(config.key_path(), Path::new("provisioning-data/seal.key"));
    }

    #[test]
    fn flags_beat_the_environment_and_it_the_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("service.toml");
        std::fs::write(
            &path,
            "listen = \"0.0.0.0:1\"\ndata = \"state\"\ncode_lifetime = \"5m\"\nlog = \"warn\"\n",
        )
        .unwrap();
        let flags = Flags { config: Some(path), log: Some("debug".to_owned()), ..Flags::default() };
        let pairs = [
            ("PROVISIONING_LISTEN", "0.0.0.0:2"),
            ("PROVISIONING_LOG", "error"),
            ("PROVISIONING_NAMES", "a.example, 10.0.0.1"),
            ("PROVISIONING_RENEW_BEFORE", ""),
            ("PROVISIONING_TRUSTED_PROXIES", "10.1.0.0/16,::1"),
            ("PROVISIONING_OTHER", "x"),
            ("PROVISIONING_SEAL_KEY", "k"),
            ("PROVISIONING_DATABASE", "postgres://u:hush@h/d"),
        ];
        let config = load(&flags, &env(&pairs)).unwrap().config;
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.log, "debug");
        assert_eq!(config.data, folder.path().join("state"));
        assert_eq!(config.code_lifetime, Duration::from_secs(300));
        assert_eq!(config.names, ["a.example", "10.0.0.1"]);
        assert!(config.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
        assert!(config.seal_key.is_some());
        assert!(!format!("{config:?}").contains("\"k\""));
        assert_eq!(config.database.as_ref().unwrap().to_string(), "postgres://u@h:5432/d");
        assert!(!format!("{config:?}").contains("hush"));
        let flags = Flags { database: Some("postgres://f@h/d".parse().unwrap()), ..flags };
        let config = load(&flags, &env(&pairs)).unwrap().config;
        assert_eq!(config.database.unwrap().to_string(), "postgres://f@h:5432/d");
    }

    #[cfg(feature = "nats")]
    #[test]
    fn nats_is_on_this_machine_or_behind_tls() {
        for (servers, ca) in [
            ("nats://127.0.0.1:4222", ""),
            ("nats://localhost", ""),
            ("nats://[::1]:4222", ""),
            ("tls://a.example:4222, tls://b.example:4222", ""),
            ("nats://a.example", "ca.pem"),
        ] {
            let pairs = [("PROVISIONING_NATS", servers), ("PROVISIONING_NATS_CA", ca)];
            let config = load(&Flags::default(), &env(&pairs)).unwrap().config;
            assert_eq!(config.nats.as_deref(), Some(servers));
        }
        let pairs =
            [("PROVISIONING_NATS", "nats://localhost"), ("PROVISIONING_NATS_PREFIX", "a.>")];
        assert!(fault(&Flags::default(), &pairs).contains("nats_prefix"));
    }

    #[test]
    fn each_fault_names_what_was_written() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("service.toml");
        let flags = Flags { config: Some(path.clone()), ..Flags::default() };
        assert!(fault(&flags, &[]).contains("service.toml"));
        for (text, expected) in [
            ("listen = ", "line 1"),
            ("nope = 1", "nope"),
            ("\nlisten = \"x\"", "line 2"),
            ("code_lifetime = \"5\"", "is no time"),
            ("seal_key = \"x\"", "seal_key"),
        ] {
            std::fs::write(&path, text).unwrap();
            let problem = fault(&flags, &[]);
            assert!(problem.contains("service.toml") && problem.contains(expected), "{problem}");
        }
        let none = Flags::default();
        for (name, value, expected) in [
            ("PROVISIONING_LISTEN", "x", "PROVISIONING_LISTEN"),
            ("PROVISIONING_TLS", "maybe", "PROVISIONING_TLS"),
            ("PROVISIONING_TLS", "files", "tls_cert"),
            ("PROVISIONING_TLS", "off", "public_url"),
            ("PROVISIONING_TLS_KEY", "key.pem", "tls_key"),
            ("PROVISIONING_CONNECTIONS_PER_ADDRESS", "0", "connections_per_address"),
            ("PROVISIONING_CODE_LIFETIME", "8d", "code_lifetime"),
            ("PROVISIONING_CERTIFICATE_LIFETIME", "30d", "renew_before"),
            ("PROVISIONING_BOOTSTRAP_INTERVAL", "2h", "bootstrap_interval"),
            ("PROVISIONING_REMOVED_AFTER", "1m", "removed_after"),
            ("PROVISIONING_TRUSTED_PROXIES", "proxy.example", "PROVISIONING_TRUSTED_PROXIES"),
            ("PROVISIONING_PUBLIC_URL", "http://a", "PROVISIONING_PUBLIC_URL"),
            ("PROVISIONING_NATS", "10.0.0.1", "nats"),
            ("PROVISIONING_NATS", "http://localhost", "nats"),
            ("PROVISIONING_NATS", "nats://10.0.0.1:4222", "tls://"),
            ("PROVISIONING_NATS", "nats://localhost,nats://n.example", "tls://"),
            ("PROVISIONING_NATS", "tls://u:p@n.example", "nats_credentials"),
            ("PROVISIONING_NATS_CA", "ca.pem", "nats_ca"),
            ("PROVISIONING_NATS_CREDENTIALS", "x.creds", "nats_credentials"),
            ("PROVISIONING_DATABASE", "mysql://a", "PROVISIONING_DATABASE"),
        ] {
            let problem = fault(&none, &[(name, value)]);
            assert!(problem.contains(expected), "{name}={value}: {problem}");
        }
    }
}
