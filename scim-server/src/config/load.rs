//! Joining the layers (defaults, file, environment, flags) and checking the result.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    error::{Actual, Kind},
    value::{Dict, Map, Value},
};
use secrecy::SecretString;

use super::{
    Config, Flags,
    values::{check_tenant_name, check_token, read_secret},
};

/// Settings that [`Config::default`] leaves out because they have no default.
const WITHOUT_DEFAULT: [&str; 4] = ["public_url", "tls_cert", "tls_key", "token_file"];

/// Settings that are paths, or lists of paths; `jwt.jwks_file` is one more. In the file they are relative to its folder.
const PATHS: [&str; 5] = ["tls_cert", "tls_key", "data", "token_file", "schemas"];

/// Settings that are lists; in the environment their items are separated by commas.
const LISTS: [&str; 2] = ["schemas", "tenants"];

/// A checked configuration and where each of its settings came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a setting came from, by its name in the file.
    #[must_use]
    pub fn origin(&self, setting: &str) -> Origin {
        self.origins.get(setting).copied().unwrap_or(Origin::Default)
    }

    /// The effective configuration as TOML, each setting with its origin, secrets masked.
    ///
    /// The text is a configuration file that makes the same settings, except for the token, when it is kept in the
    /// working directory: the paths of a file are relative to its folder, those of flags and variables to that.
    ///
    /// # Errors
    ///
    /// [`toml::ser::Error`] where a path is not UTF-8 and so has no spelling in TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let table = toml::Table::try_from(&self.config)?;
        let mut text = String::new();
        if let Some(file) = &self.file {
            text.push_str(&format!("# file: {}\n", file.display()));
        }
        if self.config.token.is_some() {
            text.push_str(&format!("# token = \"********\"  # {}\n", self.origin("token")));
        }
        let (tables, plain): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(_, value)| value.is_table());
        for (key, value) in plain {
            text.push_str(&format!("{key} = {value}  # {}\n", self.origin(&key)));
        }
        for (key, value) in tables {
            let table = toml::Table::from_iter([(key, value)]);
            text.push('\n');
            text.push_str(&toml::to_string(&table)?);
        }
        Ok(text)
    }
}

/// The layer that decided a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// A flag on the command line.
    Flag,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Default, Self::File, Self::Environment, Self::Flag];

    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }

    /// The setting as whoever set it spelled it.
    fn spelling(self, setting: &str) -> String {
        match self {
            Self::Default | Self::File => format!("`{setting}`"),
            Self::Environment => variable(setting),
            Self::Flag => format!("--{}", setting.replace('_', "-")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why there is no configuration; every text names the file or the setting as it was spelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file that a setting names cannot be read.
    #[error("cannot read {path}, named by {named_by}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        named_by: String,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration file is not TOML, or holds what it may not.
    #[error("{path}{at}: {problem}", path = path.display(), at = line.map(|line| format!(", line {line}")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What is wrong, with the key.
        problem: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{setting}: {problem}")]
    Setting {
        /// The setting as it was spelled: a flag, a variable or a key of the file.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The variables of this process that can hold settings.
///
/// # Errors
///
/// [`ConfigError::Setting`] where one is not UTF-8.
pub fn process_environment() -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with("SCIM_") {
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
/// [`process_environment`]. Variables that are empty or that name no setting are passed over:
/// other programs use the prefix too. Unknown keys in the file are an error.
///
/// # Errors
///
/// [`ConfigError::Unreadable`] for the file, or the token's file; [`ConfigError::File`] for what
/// the file holds; [`ConfigError::Setting`] for any other value that cannot be.
pub fn load(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
    let variable_of =
        |setting: &str| environment.get(&variable(setting)).filter(|value| !value.is_empty());
    let (path, named_by) = match (&flags.file, variable_of("config")) {
        (Some(path), _) => (Some(path.clone()), Origin::Flag),
        (None, Some(path)) => (Some(PathBuf::from(path)), Origin::Environment),
        (None, None) => (None, Origin::Default),
    };

    let defaults = dict_of(&Config::default());
    let keys: Vec<&str> = defaults.keys().map(String::as_str).chain(WITHOUT_DEFAULT).collect();
    let mut variables = Dict::new();
    for key in keys {
        if let Some(text) = variable_of(key) {
            let value = if LISTS.contains(&key) {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::from(items.map(str::to_owned).collect::<Vec<_>>())
            } else {
                Value::from(text.clone())
            };
            variables.insert(key.to_owned(), value);
        }
    }

    let mut figment = Figment::from(Layer(Origin::Default, defaults));
    if let Some(path) = &path {
        figment = figment.merge(Layer(Origin::File, read_file(path, named_by)?));
    }
    let figment = figment
        .merge(Layer(Origin::Environment, variables))
        .merge(Layer(Origin::Flag, flags.values.clone()));

    // Lossy: variables are text, whatever the setting's type is.
    let mut config: Config = figment.extract_lossy().map_err(|error| {
        let setting = error.path.join(".");
        let origin = error.metadata.as_ref().map_or(Origin::Default, origin_of);
        ConfigError::Setting { setting: origin.spelling(&setting), problem: in_words(&error.kind) }
    })?;

    let mut origins: BTreeMap<String, Origin> = dict_of(&config)
        .into_keys()
        .filter_map(|key| {
            let origin = origin_of(figment.find_metadata(&key)?);
            Some((key, origin))
        })
        .collect();
    let origin = |origins: &BTreeMap<String, Origin>, setting: &str| {
        origins.get(setting).copied().unwrap_or(Origin::Default)
    };

    if let Some(token) = variable_of("token") {
        check_token(token)
            .map_err(|problem| ConfigError::Setting { setting: variable("token"), problem })?;
        config.token = Some(SecretString::from(token.clone()));
        origins.insert("token".to_owned(), Origin::Environment);
    } else if let Some(path) = &config.token_file {
        let named_by = origin(&origins, "token_file").spelling("token_file");
        let token = read_secret(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            named_by: named_by.clone(),
            source,
        })?;
        check_token(&token).map_err(|problem| ConfigError::Setting {
            setting: format!("{named_by} ({})", path.display()),
            problem,
        })?;
        config.token = Some(SecretString::from(token));
        origins.insert("token".to_owned(), origin(&origins, "token_file"));
    }

    check(&config).map_err(|(setting, problem)| ConfigError::Setting {
        setting: origin(&origins, setting).spelling(setting),
        problem,
    })?;
    Ok(Loaded { config, file: path, origins })
}

/// Reads the file strictly, for errors with a line, and hands it on as it stands.
fn read_file(path: &Path, named_by: Origin) -> Result<Dict, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        named_by: named_by.spelling("config"),
        source,
    })?;
    let wrong = |error: &toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        line: error.span().map(|span| 1 + text[..span.start].matches('\n').count()),
        problem: match error.message().split_once(", expected one of") {
            // The list of all settings helps less than the page that explains them.
            Some((unknown, _)) if unknown.starts_with("unknown field") => {
                format!("{unknown}; `scim-server --help` explains every setting")
            }
            _ => error.message().to_owned(),
        },
    };
    let mut table: toml::Table = toml::from_str(&text).map_err(|e| wrong(&e))?;
    if table.contains_key("token") {
        return Err(ConfigError::File {
            path: path.to_owned(),
            line: text.lines().position(|l| l.trim_start().starts_with("token")).map(|at| at + 1),
            problem: "`token` may not stand in the file; set SCIM_TOKEN, or name a file that holds it with `token_file`".to_owned(),
        });
    }
    toml::from_str::<Config>(&text).map_err(|e| wrong(&e))?;
    resolve_paths(&mut table, path)?;
    Ok(dict_of(&table))
}

/// Makes the paths in the file absolute: what they are relative to is the folder that the file is in.
fn resolve_paths(table: &mut toml::Table, file: &Path) -> Result<(), ConfigError> {
    let wrong = |problem: &str| ConfigError::File {
        path: file.to_owned(),
        line: None,
        problem: format!("the folder of the file, to which its paths are relative, {problem}"),
    };
    let file =
        std::path::absolute(file).map_err(|error| wrong(&format!("is not known: {error}")))?;
    let folder = file.parent().unwrap_or(&file);
    let resolve = |value: &mut toml::Value| {
        if let toml::Value::String(text) = value
            && !text.is_empty()
        {
            let path = folder.join(&*text).into_os_string().into_string();
            *text = path.map_err(|_| wrong("has a name that is not UTF-8"))?;
        }
        Ok(())
    };
    for (key, value) in table.iter_mut() {
        match value {
            toml::Value::Array(items) if PATHS.contains(&key.as_str()) => {
                items.iter_mut().try_for_each(resolve)?;
            }
            toml::Value::Table(jwt) if key == "jwt" => {
                jwt.get_mut("jwks_file").map_or(Ok(()), resolve)?;
            }
            value if PATHS.contains(&key.as_str()) => resolve(value)?,
            _ => {}
        }
    }
    Ok(())
}

/// What no single type can check; the answer is the setting and what is wrong with it.
fn check(config: &Config) -> Result<(), (&'static str, String)> {
    match (&config.tls_cert, &config.tls_key) {
        (Some(_), None) => {
            return Err(("tls_cert", "a certificate needs its key; set `tls_key` too".to_owned()));
        }
        (None, Some(_)) => {
            return Err(("tls_key", "a key needs its certificate; set `tls_cert` too".to_owned()));
        }
        _ => {}
    }
    if config.data.as_os_str().is_empty() {
        return Err(("data", "it may not be empty".to_owned()));
    }
    for (setting, value, least) in [
        ("default_page", config.default_page, 1),
        ("max_page", config.max_page, 1),
        ("max_page_bytes", config.max_page_bytes, 1024),
        ("max_payload", config.max_payload, 1024),
        ("max_operations", config.max_operations, 1),
        ("max_connections", config.max_connections, 1),
    ] {
        if value < least {
            return Err((setting, format!("it is {value}; the least is {least}")));
        }
    }
    if config.default_page > config.max_page {
        let (default, most) = (config.default_page, config.max_page);
        return Err(("default_page", format!("it is {default}, more than `max_page`, {most}")));
    }
    for (setting, value) in [
        ("header_timeout", config.header_timeout),
        ("body_timeout", config.body_timeout),
        ("request_timeout", config.request_timeout),
        ("write_timeout", config.write_timeout),
        ("idle_timeout", config.idle_timeout),
        ("drain_timeout", config.drain_timeout),
    ] {
        // A day is longer than any sensible value, and no clock overflows by adding it.
        if value.is_zero() || value.as_secs() > 24 * 60 * 60 {
            return Err((setting, "it must be more than nothing and at most 24h".to_owned()));
        }
    }
    for (at, tenant) in config.tenants.iter().enumerate() {
        check_tenant_name(tenant).map_err(|problem| ("tenants", problem))?;
        if config.tenants[..at].contains(tenant) {
            return Err(("tenants", format!("`{tenant}` stands twice")));
        }
    }
    if let Err(problem) = crate::telemetry::check_filter(&config.log) {
        return Err(("log", problem));
    }
    config.jwt.as_ref().map_or(Ok(()), super::JwtConfig::check)
}

/// What is wrong with a value, without the names of Rust types.
fn in_words(kind: &Kind) -> String {
    let (Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected)) = kind else {
        return kind.to_string();
    };
    let actual = match actual {
        Actual::Str(text) => format!("`{text}`"),
        Actual::Signed(number) => format!("`{number}`"),
        other => other.to_string(),
    };
    let expected = expected.to_string();
    let expected = if expected == "usize" { "a whole number" } else { &expected };
    format!("{actual} is not {expected}")
}

/// The environment variable of a setting.
fn variable(setting: &str) -> String {
    format!("SCIM_{}", setting.to_ascii_uppercase())
}

fn dict_of(value: &impl serde::Serialize) -> Dict {
    match Value::serialize(value) {
        Ok(Value::Dict(_, dict)) => dict,
        _ => Dict::new(),
    }
}

fn origin_of(metadata: &Metadata) -> Origin {
    let named = |origin: &Origin| origin.name() == metadata.name;
    Origin::ALL.into_iter().find(named).unwrap_or(Origin::Default)
}

/// One layer as figment wants it, so that figment remembers who set what.
struct Layer(Origin, Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.name())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.1.clone()))
    }
}

#[cfg(test)]
mod tests;
