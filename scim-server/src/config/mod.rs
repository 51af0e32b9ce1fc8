//! The configuration: one typed [`Config`], made by [`load`] from flags, environment and a file.
//!
//! Every setting has one name in three spellings: `max_page` in the file, `SCIM_MAX_PAGE` in the
//! environment, `--max-page` as a flag. A flag beats the environment, the environment beats the
//! file, and an empty variable counts as not set. The bearer token is the exception: it comes
//! from `SCIM_TOKEN` or a file named by `token_file`, never from a flag, where every user of the
//! machine could read it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

mod flags;
mod jwt;
mod load;
mod values;

pub use flags::{CommonFlags, Flags, ServeFlags};
pub use jwt::{Jwk, JwtAlgorithm, JwtConfig};
pub use load::{ConfigError, Loaded, Origin, load, process_environment};
pub use values::{BasePath, PublicUrl, check_tenant_name, parse_duration};

use values::human;

/// The name of the tenant that is served under the base path itself.
pub const DEFAULT_TENANT: &str = "default";

/// Everything an operator can decide, with its defaults in [`Config::default`].
///
/// A value of this type that came from [`load`] has passed every check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 lets the system pick one.
    pub listen: SocketAddr,
    /// The address clients use, for the links in answers; without it, the address listened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// Where the default tenant's endpoints live.
    pub base_path: BasePath,
    /// Certificate chain in PEM; with `tls_key` the server speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM of the first certificate of `tls_cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// The folder that holds everything kept.
    pub data: PathBuf,
    /// Keep everything in memory and nothing on disk.
    pub memory: bool,
    /// How deviations of clients are treated.
    pub profile: ProfileName,
    /// Files with resource types and schemas to add at start.
    pub schemas: Vec<PathBuf>,
    /// Tenants that exist besides the default one; made at start where missing.
    pub tenants: Vec<String>,
    /// The default tenant's bearer token: `SCIM_TOKEN`, else what `token_file` holds.
    #[serde(skip)]
    pub token: Option<SecretString>,
    /// A file with the default tenant's bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Answer the discovery endpoints without a token.
    pub open_discovery: bool,
    /// Resources on a page when the client names no count.
    pub default_page: usize,
    /// Most resources on a page, whatever the client asks for.
    pub max_page: usize,
    /// Most bytes on a page, about; it ends before the resource that would make it larger.
    pub max_page_bytes: usize,
    /// Largest request body in bytes.
    pub max_payload: usize,
    /// Most operations in one bulk request.
    pub max_operations: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections open at once from one address (IPv6: one /64 network); 0 is no limit.
    pub max_connections_per_ip: usize,
    /// From the first byte of a request (or the connection) to the end of its headers.
    #[serde(with = "human")]
    pub header_timeout: Duration,
    /// From the end of the headers to the last byte of the body.
    #[serde(with = "human")]
    pub body_timeout: Duration,
    /// From the end of the headers to the start of the answer.
    #[serde(with = "human")]
    pub request_timeout: Duration,
    /// From one part of the answer that the client takes to the next.
    #[serde(with = "human")]
    pub write_timeout: Duration,
    /// How long a connection may stay open between two requests.
    #[serde(with = "human")]
    pub idle_timeout: Duration,
    /// How long requests under way may take after the signal to stop.
    #[serde(with = "human")]
    pub drain_timeout: Duration,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or `target=level,...`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Log every exchange with secrets masked, and why it was refused.
    pub trace_requests: bool,
    /// JSON Web Tokens as credentials; off without this table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            base_path: BasePath::default(),
            tls_cert: None,
            tls_key: None,
            data: PathBuf::from("scim-data"),
            memory: false,
            profile: ProfileName::Default,
            schemas: Vec::new(),
            tenants: Vec::new(),
            token: None,
            token_file: None,
            open_discovery: false,
            default_page: 100,
            max_page: 1000,
            max_page_bytes: 16 * 1024 * 1024,
            max_payload: 4 * 1024 * 1024,
            max_operations: 1000,
            max_connections: 1024,
            max_connections_per_ip: 256,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(20),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            trace_requests: false,
            jwt: None,
        }
    }
}

impl Config {
    /// Certificate and key, where the server speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.tls_cert.as_ref().zip(self.tls_key.as_ref())
    }

    /// `https` with TLS, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls().is_some() { "https" } else { "http" }
    }
}

/// The two ways to treat what the RFCs do not allow but identity providers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// Tolerant: accept the known deviations of real identity providers.
    Default,
    /// Refuse whatever the RFCs do not allow.
    Strict,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for people.
    Text,
    /// One JSON object a line for collectors.
    Json,
}
