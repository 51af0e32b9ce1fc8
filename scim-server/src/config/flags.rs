//! The settings as command-line flags; absent flags leave the lower layers alone.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use figment::value::{Dict, Value};
use serde::Serialize;

use super::{
    BasePath, LogFormat, ProfileName, PublicUrl, check_tenant_name, parse_duration,
    values::human_option,
};

/// What the command line says about settings, over all the places where flags may stand.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The configuration file, from `--config`.
    pub file: Option<PathBuf>,
    pub(super) values: Dict,
}

impl Flags {
    /// Joins the flags that every command takes with those before and after the command's name.
    ///
    /// Where a flag stands twice, the one after the command's name counts.
    #[must_use]
    pub fn new(common: &CommonFlags, before: &ServeFlags, after: Option<&ServeFlags>) -> Self {
        let mut values = dict_of(common);
        values.append(&mut dict_of(before));
        if let Some(after) = after {
            values.append(&mut dict_of(after));
        }
        Self { file: common.config.clone(), values }
    }
}

/// The flags as a dictionary of those that were given; all of them have a spelling in text.
fn dict_of(flags: &impl Serialize) -> Dict {
    let Ok(Value::Dict(_, dict)) = Value::serialize(flags) else {
        return Dict::new();
    };
    let given = |value: &Value| match value {
        Value::Empty(..) => false,
        Value::Array(_, items) => !items.is_empty(),
        _ => true,
    };
    dict.into_iter().filter(|(_, value)| given(value)).collect()
}

/// Flags that every command takes, before or after its name.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct CommonFlags {
    /// Read settings from this TOML file [env: SCIM_CONFIG]
    ///
    /// A setting has one name in three spellings: `max_page` in the file, SCIM_MAX_PAGE in the
    /// environment, --max-page as a flag. A flag beats the environment, the environment beats
    /// the file. Paths in the file are relative to the folder it is in, those of flags and of the
    /// environment to the working directory. `scim-server check-config` shows the result.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings for all commands")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Folder that holds everything kept; made if missing [env: SCIM_DATA] [default: scim-data]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Settings for all commands", value_parser = parse_path)]
    pub data: Option<PathBuf>,

    /// What to log, on standard error [env: SCIM_LOG] [default: info]
    ///
    /// A level (error, warn, info, debug, trace, off), or levels by part of the program, like
    /// `warn,scim_server=debug`.
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Settings for all commands")]
    pub log: Option<String>,

    /// How log lines look [env: SCIM_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Settings for all commands")]
    pub log_format: Option<LogFormat>,
}

/// Flags of the server itself; `check-config` and `openapi` take them too.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct ServeFlags {
    /// Address and port to listen on; port 0 picks a free one [env: SCIM_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,

    /// Address under which clients reach this server [env: SCIM_PUBLIC_URL]
    ///
    /// Used for the links in answers (`meta.location`, `$ref`). Set it behind a proxy or tunnel,
    /// like `https://scim.example.com`; without it links show the address listened on. The Host
    /// header is never used for links.
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub public_url: Option<PublicUrl>,

    /// Path of the default tenant's endpoints [env: SCIM_BASE_PATH] [default: /scim/v2]
    #[arg(long, value_name = "PATH", help_heading = "Network")]
    pub base_path: Option<BasePath>,

    /// Certificate chain in PEM; together with --tls-key turns TLS on [env: SCIM_TLS_CERT]
    #[arg(long, value_name = "FILE", help_heading = "Network", value_parser = parse_path)]
    pub tls_cert: Option<PathBuf>,

    /// Private key in PEM for the certificate [env: SCIM_TLS_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Network", value_parser = parse_path)]
    pub tls_key: Option<PathBuf>,

    /// How deviations of clients are treated [env: SCIM_PROFILE] [default: default]
    #[arg(long, value_name = "PROFILE", help_heading = "Behaviour")]
    pub profile: Option<ProfileName>,

    /// Keep everything in memory, nothing on disk; for tests [env: SCIM_MEMORY]
    #[arg(long, value_name = "BOOL", help_heading = "Behaviour", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub memory: Option<bool>,

    /// JSON files with resource types and schemas to add [env: SCIM_SCHEMAS, separated by commas]
    ///
    /// Data that is stored with a file stays when the server is started without it: not shown, not
    /// lost, named in a warning, and shown again with the file.
    #[arg(long, value_name = "FILE", help_heading = "Behaviour", value_delimiter = ',', value_parser = parse_path)]
    pub schemas: Vec<PathBuf>,

    /// Tenants to make at start where missing, besides the default one [env: SCIM_TENANTS, separated by commas]
    #[arg(long, value_name = "NAME", help_heading = "Behaviour", value_delimiter = ',', value_parser = check_tenant_name)]
    pub tenants: Vec<String>,

    /// Resources on a page when the client names no count [env: SCIM_DEFAULT_PAGE] [default: 100]
    #[arg(long, value_name = "N", help_heading = "Behaviour")]
    pub default_page: Option<usize>,

    /// Most resources on a page [env: SCIM_MAX_PAGE] [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Behaviour")]
    pub max_page: Option<usize>,

    /// Most bytes on a page, about [env: SCIM_MAX_PAGE_BYTES] [default: 16777216]
    ///
    /// A page ends before the resource that would make it larger, whatever count asks for; the
    /// client goes on from there with nextCursor, or with startIndex plus itemsPerPage. The first
    /// resource comes whatever its size. All answers over 256 KiB together take at most 16 times
    /// as much memory.
    #[arg(long, value_name = "BYTES", help_heading = "Limits", hide_short_help = true)]
    pub max_page_bytes: Option<usize>,

    /// Answer the discovery endpoints without a token [env: SCIM_OPEN_DISCOVERY]
    #[arg(long, value_name = "BOOL", help_heading = "Access", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub open_discovery: Option<bool>,

    /// File with the default tenant's bearer token [env: SCIM_TOKEN_FILE]
    ///
    /// The token itself can be given as SCIM_TOKEN, which wins. It has at least 16 visible ASCII
    /// characters. There is no flag for it: flags can be read by every user of the machine.
    #[arg(long, value_name = "FILE", help_heading = "Access", value_parser = parse_path)]
    pub token_file: Option<PathBuf>,

    /// Log every exchange with secrets masked, and why it was refused [env: SCIM_TRACE_REQUESTS]
    #[arg(long, value_name = "BOOL", help_heading = "Logs", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub trace_requests: Option<bool>,

    /// Largest request body in bytes [env: SCIM_MAX_PAYLOAD] [default: 4194304]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", hide_short_help = true)]
    pub max_payload: Option<usize>,

    /// Most operations in one bulk request [env: SCIM_MAX_OPERATIONS] [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_operations: Option<usize>,

    /// Connections open at once [env: SCIM_MAX_CONNECTIONS] [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_connections: Option<usize>,

    /// Connections open at once from one address, 0 for no limit [env: SCIM_MAX_CONNECTIONS_PER_IP] [default: 256]
    ///
    /// Behind a proxy or tunnel all connections come from one address.
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_connections_per_ip: Option<usize>,

    /// Time for the headers of a request to arrive [env: SCIM_HEADER_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub header_timeout: Option<Duration>,

    /// Time for the body of a request to arrive [env: SCIM_BODY_TIMEOUT] [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub body_timeout: Option<Duration>,

    /// Time for a request to be answered [env: SCIM_REQUEST_TIMEOUT] [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub request_timeout: Option<Duration>,

    /// Time a client may stop taking an answer [env: SCIM_WRITE_TIMEOUT] [default: 30s]
    ///
    /// A client that takes less than 16 KiB a second is dropped after this time too.
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub write_timeout: Option<Duration>,

    /// Time a connection may stay open between requests [env: SCIM_IDLE_TIMEOUT] [default: 75s]
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub idle_timeout: Option<Duration>,

    /// Time for requests under way after the signal to stop [env: SCIM_DRAIN_TIMEOUT] [default: 20s]
    #[arg(long, value_name = "TIME", help_heading = "Limits", hide_short_help = true, value_parser = parse_duration)]
    #[serde(serialize_with = "human_option::serialize")]
    pub drain_timeout: Option<Duration>,
}

/// A path as text: one that is not UTF-8 has no spelling in the file or in `check-config`.
fn parse_path(text: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(text))
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not an address and a port, like 127.0.0.1:8080 or [::1]:8080")
    })
}
