//! Where a database is, and how it is spoken to.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The address of a database: `postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=ca.pem`.
///
/// `sslmode` is `disable`, `require`, `verify-ca` or `verify-full`; the last three are one and the same here, because a
/// certificate that nobody looks at protects from nobody. Without it, a database on this machine is spoken to in the clear
/// and any other by TLS. `sslrootcert` names the authorities to believe instead of those of the machine.
///
/// It holds a password: neither `Debug` nor `Display` shows it.
#[derive(Clone)]
pub struct Address {
    whole: SecretString,
    pub(crate) config: Config,
    pub(crate) roots: Option<PathBuf>,
}

/// Why a text is no address. It does not repeat the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no address like postgres://user:password@host:5432/name: {0}")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = |text: &str| AddressError(text.to_owned());
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(fault("it must begin with postgres://"));
        }
        let (plain, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(PathBuf::from(value)),
                _ => others.push(pair),
            }
        }
        let query =
            if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
        let mut config = Config::from_str(&format!("{plain}{query}")).map_err(|error| {
            // The cause names the parameter and not its value.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            AddressError(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(fault("a host is missing"));
        }
        let is_missing = |name: Option<&str>| name.is_none_or(str::is_empty);
        if is_missing(config.get_user()) || is_missing(config.get_dbname()) {
            return Err(fault("the user or the name of the database is missing"));
        }
        config.ssl_mode(match mode {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            None if config.get_hosts().iter().all(is_here) => SslMode::Disable,
            None => SslMode::Require,
            Some(_) => {
                return Err(fault("sslmode is disable, require, verify-ca or verify-full"));
            }
        });
        if roots.is_some() && config.get_ssl_mode() == SslMode::Disable {
            return Err(fault("sslrootcert needs sslmode=verify-full"));
        }
        Ok(Self { whole: text.to_owned().into(), config, roots })
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl Address {
    /// The address with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        write!(f, "postgres://{}@", config.get_user().unwrap_or_default())?;
        for (number, host) in config.get_hosts().iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            let ports = config.get_ports();
            if let Some(port) = ports.get(number).or_else(|| ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> SslMode {
        text.parse::<Address>().unwrap().config.get_ssl_mode()
    }

    #[test]
    fn only_what_stays_on_this_machine_is_in_the_clear() {
        for here in ["localhost", "127.0.0.1:5433", "%2Frun%2Fpostgresql"] {
            assert_eq!(mode(&format!("postgres://u@{here}/d")), SslMode::Disable, "{here}");
        }
        assert_eq!(mode("postgres://u@db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://u@localhost,db.example/d"), SslMode::Require);
        assert_eq!(mode("postgresql://u@db.example/d?sslmode=disable"), SslMode::Disable);
        let asked = "postgres://u@127.0.0.1/d?sslmode=verify-full&sslrootcert=/x/ca.pem";
        assert_eq!(mode(asked), SslMode::Require);
        assert!(asked.parse::<Address>().unwrap().roots.is_some());
    }

    #[test]
    fn the_password_is_not_shown() {
        let address: Address =
            "postgres://u:hush%20hush@a,b:7/d?application_name=x".parse().unwrap();
        assert_eq!(address.config.get_password(), Some(&b"hush hush"[..]));
        for shown in [address.to_string(), format!("{address:?}"), format!("{:#?}", Some(&address))]
        {
            assert!(shown.contains("postgres://u@a") && !shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address_is_said_without_repeating_it() {
        for bad in [
            "",
            "sqlite:hush",
            "host=hush",
            "postgres://u:hush@/d",
            "postgres://u:hush@h",
            "postgres://:hush@h/d",
            "postgres://u:hush@h/d?sslmode=allow",
            "postgres://u:hush@h/d?nope=hush",
            "postgres://u:hush@h:hush/d",
            "postgres://u:hush@localhost/d?sslrootcert=x",
        ] {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{bad}: {error}");
        }
    }
}
