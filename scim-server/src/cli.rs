//! The command line: what can be asked for, as types. Nothing is done here.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{
    CommonFlags, DEFAULT_TENANT, Flags, ServeFlags, check_tenant_name, parse_duration,
};

/// A SCIM 2.0 server on an embedded database
///
/// A local target for Entra, Okta and other identity providers, and the reference server of this
/// project. Without a command it serves: it listens on 127.0.0.1:8080, keeps everything in the
/// folder scim-data, and writes one line to standard output when it answers requests.
#[derive(Debug, Clone, Parser)]
#[command(name = "scim-server", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    serve: ServeFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What to do; `serve` when no command was named.
    #[must_use]
    pub fn action(&self) -> Command {
        self.command.clone().unwrap_or_else(|| Command::Serve(ServeFlags::default()))
    }

    /// The settings given as flags, before or after the command's name.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let after = match &self.command {
            Some(Command::Serve(flags) | Command::CheckConfig(flags) | Command::Openapi(flags)) => {
                Some(flags)
            }
            _ => None,
        };
        Flags::new(&self.common, &self.serve, after)
    }
}

/// What the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve requests; this is what happens without a command
    #[command(after_long_help = EXAMPLES)]
    Serve(ServeFlags),

    /// Make, list and revoke bearer tokens
    #[command(subcommand, after_long_help = TOKEN_EXAMPLES)]
    Token(TokenCommand),

    /// Make, list and delete tenants
    ///
    /// A tenant has its own users, groups and tokens at /t/NAME and the base path, like
    /// /t/acme/scim/v2. Nothing crosses from one to another. The tenant `default` lives under the
    /// base path itself.
    #[command(subcommand, after_long_help = TENANT_EXAMPLES)]
    Tenant(TenantCommand),

    /// Write a copy of the database to a file, while the server runs or not
    #[command(after_long_help = BACKUP_EXAMPLES)]
    Backup {
        /// The file to write; it may not exist yet
        file: PathBuf,
    },

    /// Check that everything stored is whole and belongs together
    ///
    /// Leaves with 0 when it is, and with 1 and a list of what is wrong when it is not. Nothing
    /// is changed. Data whose schema is not registered is named on standard error; it is kept
    /// until it is registered again, and no damage.
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify,

    /// Print the OpenAPI document of the server as configured
    #[command(after_long_help = OPENAPI_EXAMPLES)]
    Openapi(ServeFlags),

    /// Print the settings that flags, environment and file make together
    ///
    /// The output is a configuration file; a comment on every line says where the value came
    /// from. Secrets are masked. Leaves with 2 and one sentence when a setting is wrong.
    #[command(after_long_help = CHECK_EXAMPLES)]
    CheckConfig(ServeFlags),
}

/// What can be done with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, this once; only its hash is kept
    #[command(after_long_help = TOKEN_EXAMPLES)]
    Create(TokenCreate),

    /// List tokens: id, name, scopes, expiry; never the token itself
    #[command(after_long_help = TOKEN_EXAMPLES)]
    List {
        /// Only the tokens of this tenant
        #[arg(long, value_name = "NAME", value_parser = check_tenant_name)]
        tenant: Option<String>,
    },

    /// Revoke a token; a running server refuses it within five seconds
    #[command(after_long_help = TOKEN_EXAMPLES)]
    Revoke {
        /// The token's id, as `token list` shows it
        id: String,
    },
}

/// What a new token is good for.
#[derive(Debug, Clone, Args)]
pub struct TokenCreate {
    /// The tenant that the token opens
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TENANT, value_parser = check_tenant_name)]
    pub tenant: String,

    /// What the token allows; may be repeated
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        default_values_t = [TokenScope::Read, TokenScope::Write]
    )]
    pub scopes: Vec<TokenScope>,

    /// How long the token is good, like 12h or 90d; without it, until it is revoked
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    pub expires: Option<Duration>,

    /// The id of the user that /Me stands for with this token
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,

    /// A name to know the token by in lists
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum TokenScope {
    /// Look, search and list
    Read,
    /// Create, change and delete
    Write,
}

impl std::fmt::Display for TokenScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// What can be done with tenants.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant
    #[command(after_long_help = TENANT_EXAMPLES)]
    Create {
        /// 1 to 63 lower-case letters, digits or `-`
        #[arg(value_parser = check_tenant_name)]
        name: String,
    },

    /// List tenants
    #[command(after_long_help = TENANT_EXAMPLES)]
    List,

    /// Delete a tenant with all its users, groups, tokens and history
    #[command(after_long_help = TENANT_EXAMPLES)]
    Delete {
        /// The tenant's name
        #[arg(value_parser = check_tenant_name)]
        name: String,

        /// Do it; without this nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("a token that expires at once is of no use".to_owned()),
        // The limit keeps the date it leads to inside what a calendar can express.
        long if long > Duration::from_secs(100 * 366 * 24 * 60 * 60) => {
            Err("it may be at most 100 years; leave it out for a token without an end".to_owned())
        }
        lifetime => Ok(lifetime),
    }
}

const EXAMPLES: &str = "\
Examples:
  scim-server
      Serve on 127.0.0.1:8080 from the folder scim-data. The first start makes a token and shows
      it inside a curl command on standard error.
  SCIM_TOKEN=$(openssl rand -hex 32) scim-server --listen 0.0.0.0:8080 --profile strict
      A token of your own, all interfaces, no tolerance for deviations from the RFCs.
  scim-server --public-url https://abc.tunnel.example --trace-requests
      Behind a tunnel, with every exchange in the log, to see what an identity provider sends.
  scim-server --tls-cert fullchain.pem --tls-key key.pem --listen 0.0.0.0:8443
      TLS without a proxy.
  scim-server --memory --listen 127.0.0.1:0
      For tests: nothing on disk, a free port, which the line on standard output names.

Environment:
  Every setting is a variable too, SCIM_ and the flag's name in capitals, like SCIM_MAX_PAGE.
  SCIM_TOKEN    the default tenant's bearer token; has no flag
  SCIM_CONFIG   the configuration file
  NO_COLOR      no colours in logs, even on a terminal
  An empty variable counts as not set. A flag beats the environment, the environment the file.

Example of a configuration file:
  listen = \"0.0.0.0:8080\"
  public_url = \"https://scim.example.com\"
  token_file = \"/run/secrets/scim-token\"
  tenants = [\"acme\"]
  [jwt]
  issuer = \"https://login.example.com\"
  audience = \"scim\"
  jwks_file = \"jwks.json\"";

const TOKEN_EXAMPLES: &str = "\
Examples:
  scim-server token create --name entra --expires 90d
      A token for the default tenant that reads and writes, good for 90 days.
  scim-server token create --tenant acme --scope read
      A token that opens the tenant acme for reading only.
  scim-server token create --user 0191f0c4-9d6a-7c3e-8f52-2f1f5a7b9c11
      A token for which /Me is that user.
  scim-server token list --tenant acme
  scim-server token revoke ye2dhhqexhnxi7mx
  scim-server --data /var/lib/scim token list";

const TENANT_EXAMPLES: &str = "\
Examples:
  scim-server tenant create acme
      Then: scim-server token create --tenant acme
  scim-server tenant list
  scim-server tenant delete acme --yes";

const BACKUP_EXAMPLES: &str = "\
Examples:
  scim-server backup /backups/scim-monday.sqlite
  scim-server --data /var/lib/scim backup copy.sqlite";

const VERIFY_EXAMPLES: &str = "\
Examples:
  scim-server verify
  scim-server --data /var/lib/scim verify";

const OPENAPI_EXAMPLES: &str = "\
Examples:
  scim-server openapi > openapi.json
  scim-server openapi --schemas device.json --base-path /scim";

const CHECK_EXAMPLES: &str = "\
Examples:
  scim-server check-config
  SCIM_MAX_PAGE=200 scim-server check-config --config scim.toml --listen 0.0.0.0:8080
  scim-server check-config > scim.toml
      Start a configuration file from what is in effect now.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;
    use crate::config::{Config, load};

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split_whitespace()).unwrap()
    }

    fn config(line: &str) -> Config {
        load(&parse(line).flags(), &BTreeMap::new()).unwrap().config
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_takes_its_flags_in_both_places() {
        for line in [
            "scim-server --listen 127.0.0.1:1 --memory",
            "scim-server serve --listen 127.0.0.1:1 --memory",
            "scim-server --listen 127.0.0.1:1 serve --memory",
            "scim-server --listen 127.0.0.1:9 serve --listen 127.0.0.1:1 --memory=true",
        ] {
            assert!(matches!(parse(line).action(), Command::Serve(_)), "{line}");
            let config = config(line);
            assert_eq!(config.listen.port(), 1, "{line}");
            assert!(config.memory, "{line}");
        }
        assert!(!config("scim-server --memory=false").memory);
    }

    #[test]
    fn common_flags_stand_before_and_after_every_command() {
        for command in
            ["serve", "token list", "tenant list", "backup f", "verify", "openapi", "check-config"]
        {
            for line in [
                format!("scim-server --data d --log warn {command}"),
                format!("scim-server {command} --data d --log warn"),
            ] {
                let config = config(&line);
                assert_eq!(
                    (config.data.to_str(), config.log.as_str()),
                    (Some("d"), "warn"),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas() {
        let config = config("scim-server --schemas a,b --schemas c --tenants x,y");
        assert_eq!(config.schemas, ["a", "b", "c"].map(PathBuf::from));
        assert_eq!(config.tenants, ["x", "y"]);
    }

    #[test]
    fn tokens_are_made_listed_and_revoked() {
        let Command::Token(TokenCommand::Create(create)) = parse(
            "scim-server token create --tenant acme --scope read --expires 90d --user u --name n",
        )
        .action() else {
            panic!("not a token create");
        };
        assert_eq!(create.tenant, "acme");
        assert_eq!(create.scopes, [TokenScope::Read]);
        assert_eq!(create.expires, Some(Duration::from_secs(90 * 24 * 60 * 60)));
        assert_eq!((create.user.as_deref(), create.name.as_deref()), (Some("u"), Some("n")));

        for scopes in ["", "--scope read,write", "--scope read --scope write"] {
            let line = format!("scim-server token create {scopes}");
            let Command::Token(TokenCommand::Create(create)) = parse(&line).action() else {
                panic!("not a token create");
            };
            assert_eq!(create.scopes, [TokenScope::Read, TokenScope::Write], "{line}");
            assert_eq!(create.tenant, DEFAULT_TENANT);
            assert_eq!(create.expires, None);
        }
        assert!(matches!(
            parse("scim-server token revoke abc").action(),
            Command::Token(TokenCommand::Revoke { id }) if id == "abc"
        ));
    }

    #[test]
    fn deleting_a_tenant_has_to_be_meant() {
        for (line, meant) in [("delete acme", false), ("delete acme --yes", true)] {
            let command = parse(&format!("scim-server tenant {line}")).action();
            let Command::Tenant(TenantCommand::Delete { name, yes }) = command else {
                panic!("not a tenant delete");
            };
            assert_eq!((name.as_str(), yes), ("acme", meant));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "scim-server --token 0123456789abcdef",
            "scim-server --listen nowhere",
            "scim-server --base-path scim",
            "scim-server --public-url scim",
            "scim-server --profile odd",
            "scim-server --header-timeout 10",
            "scim-server --max-page -1",
            "scim-server --log-format xml",
            "scim-server token create --scope admin",
            "scim-server token create --expires never",
            "scim-server token create --expires 0s",
            "scim-server token create --expires 99999d",
            "scim-server token create --tenant A",
            "scim-server token revoke",
            "scim-server tenant create ../x",
            "scim-server backup",
            "scim-server nonsense",
        ] {
            assert!(Cli::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }

    /// A path without a spelling in text would be lost on its way through the layers.
    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_are_refused() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        for flag in ["--data", "--tls-cert", "--tls-key", "--token-file", "--schemas"] {
            let line = [OsStr::new("scim-server"), OsStr::new(flag), OsStr::from_bytes(b"\xff")];
            assert!(Cli::try_parse_from(line).is_err(), "{flag}");
        }
    }

    #[test]
    fn every_flag_names_its_variable_and_every_command_has_an_example() {
        fn walk(command: &clap::Command) {
            assert!(
                command.get_after_long_help().is_some(),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().filter(|c| c.get_name() != "help").for_each(walk);
        }
        let command = Cli::command();
        walk(&command);
        for arg in command.get_arguments() {
            let (Some(flag), Some(help)) = (arg.get_long(), arg.get_help()) else { continue };
            if matches!(flag, "help" | "version") {
                continue;
            }
            let variable = format!("[env: SCIM_{}", flag.replace('-', "_").to_uppercase());
            assert!(help.to_string().contains(&variable), "--{flag} does not name its variable");
        }
    }
}
