//! Secrets: never in the file itself, always from somewhere that can be protected.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Environment};

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "Written")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line break at its end does not count.
    File(PathBuf),
    /// A credential that systemd hands to the service (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential(String),
}

/// What stands in the file. A text there is most likely the secret itself, so no error may show it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Named(Named),
    Else(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    Env(String),
    File(PathBuf),
    Credential(String),
}

impl TryFrom<Written> for SecretSource {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Named(Named::Env(name)) => Ok(Self::Env(name)),
            Written::Named(Named::File(path)) => Ok(Self::File(path)),
            Written::Named(Named::Credential(name)) => Ok(Self::Credential(name)),
            Written::Else(_) => Err(
                "a password or token never stands in the file itself: write one of { file = \"...\" }, { env = \"...\" } \
                 and { credential = \"...\" }",
            ),
        }
    }
}

impl SecretSource {
    /// Fetches the secret. `folder` is that of the configuration file, for files that are named relative to it.
    ///
    /// # Errors
    /// A sentence that says what is not there; never the secret.
    pub fn fetch(
        &self,
        folder: &Path,
        environment: &dyn Environment,
    ) -> Result<SecretString, ConfigError> {
        let text = match self {
            Self::Env(name) => environment.get(name).ok_or_else(|| {
                ConfigError::new(format!("the environment variable {name} is not set"))
            })?,
            Self::File(path) => read(&folder.join(path))?,
            Self::Credential(name) => {
                let base = environment.get("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    ConfigError::new(format!(
                        "the credential {name} is not there: the program does not run as a systemd service with LoadCredential"
                    ))
                })?;
                if name.contains('/') {
                    return Err(ConfigError::new(format!("{name} is no name of a credential")));
                }
                read(&Path::new(&base).join(name))?
            }
        };
        if text.trim().is_empty() {
            return Err(ConfigError::new(format!("the secret from {self} is empty")));
        }
        Ok(SecretString::from(text))
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(format!("the secret in {} cannot be read: {error}", path.display()))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_shown() {
        let read =
            |text: &str| toml::from_str::<std::collections::BTreeMap<String, SecretSource>>(text);
        let error = read("password = \"hunter2\"").unwrap_err().message().to_owned();
        assert!(
            error.contains("never stands in the file itself") && !error.contains("hunter2"),
            "{error}"
        );
        for wrong in ["{ env = 5 }", "{ env = \"A\", file = \"b\" }", "{ vault = \"x\" }"] {
            assert!(read(&format!("password = {wrong}")).is_err(), "{wrong}");
        }
        let source = read("password = { file = \"pw\" }").unwrap().remove("password");
        assert_eq!(source, Some(SecretSource::File("pw".into())));
    }

    #[test]
    fn a_secret_comes_from_where_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "hush \r\n").unwrap();
        let base = folder.path().display().to_string();
        let environment = move |name: &str| match name {
            "PW" => Some("hush".to_owned()),
            "CREDENTIALS_DIRECTORY" => Some(base.clone()),
            _ => None,
        };
        let fetch = |source: SecretSource| source.fetch(folder.path(), &environment);
        assert_eq!(fetch(SecretSource::Env("PW".to_owned())).unwrap().expose_secret(), "hush");
        assert_eq!(fetch(SecretSource::File("pw".into())).unwrap().expose_secret(), "hush ");
        assert_eq!(
            fetch(SecretSource::Credential("pw".to_owned())).unwrap().expose_secret(),
            "hush "
        );
        assert!(
            fetch(SecretSource::Env("NONE".to_owned())).unwrap_err().to_string().contains("NONE")
        );
        assert!(fetch(SecretSource::File("none".into())).unwrap_err().to_string().contains("none"));
        assert!(fetch(SecretSource::Credential("../pw".to_owned())).is_err());
    }
}
