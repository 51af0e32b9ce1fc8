//! The command line: what can be asked for, as types. Nothing is done here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scim_conformance::Profile;
use scim_conformance::console::Color;

/// Checks a SCIM 2.0 server against RFC 7643, RFC 7644 and RFC 9865
///
/// It creates users and groups of its own, looks at what the server does with them, and removes
/// them, whatever happens. Every check cites its clause; a failure shows what was compared and the
/// curl line that repeats it.
#[derive(Debug, Parser)]
#[command(name = "scim-conformance", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Whether to use colours; NO_COLOR in the environment switches them off too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: When,
}

const EXAMPLES: &str = "\
Examples:
  SCIM_TOKEN=... scim-conformance run https://host/scim/v2
      Everything, against the base URL: what stands before /Users.
  scim-conformance run https://host/scim/v2 --token-file token --profile strict --json out.json
      Fail on SHOULD too, and keep the whole result.
  scim-conformance run https://host/scim/v2 --only patch,filter --skip patch.path
      Some of the checks, by topic, id or clause; `list` shows them.
  scim-conformance run https://host/scim/v2 --read-only
      Send nothing that changes the server.
  scim-conformance run https://host/scim/v2 --baseline before.json --html report.html
      Fail on news only, and write a page to read.
  scim-conformance run https://host/scim/v2 --quiet --markdown - >> summary.md
      One of the reports to standard output; what is for people goes to standard error then.
  scim-conformance explain patch.add.multi-valued
      What a check wants, where that is written, and what to mend.
  scim-conformance sweep https://host/scim/v2 --dry-run
      Show what a run left that was killed; without --dry-run, remove it.

Exit codes:
  0  conformant
  1  not conformant
  2  could not run: no answer, a refused token, nothing to check, broken off";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the checks against a server
    #[command(after_long_help = EXAMPLES)]
    Run(Box<Run>),

    /// List the checks, one a line: id, level, clause, reason
    List(Selection),

    /// Say what a check wants, where that is written, and what to mend
    Explain {
        /// The id of a check, as `list` shows it; a topic, a clause or the beginning of an id lists its checks
        #[arg(value_name = "ID")]
        id: String,
    },

    /// Remove what earlier runs left behind, found by their names
    ///
    /// Only users and groups whose name has exactly the form that the suite makes are touched:
    /// scimconf-, eight hexadecimal digits for the run, the mark of a check, a number and a word.
    /// They are listed before anything is removed.
    Sweep {
        #[command(flatten)]
        target: Box<TargetArgs>,

        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },

    /// Compare two JSON reports: what is new, what is mended
    ///
    /// Exit codes: 0 nothing new that decides, 1 something that does, 2 no verdict, or no report.
    Diff {
        /// The earlier report, as `run --json` wrote it
        #[arg(value_name = "OLD")]
        old: PathBuf,

        /// The later one; its profile says what decides
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },

    /// Print which requirements the checks cover, in Markdown, and why the others have no check
    Coverage,

    /// Print the JSON Schema of the JSON report
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) target: TargetArgs,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// What the server is held against
    #[arg(
        long,
        default_value = "rfc",
        value_parser = clap::builder::PossibleValuesParser::new(Profile::ALL.iter().map(|p| p.name())),
        help_heading = "Checks",
        long_help = "What the server is held against\n\n\
            rfc: fails on MUST, warns on SHOULD. strict: fails on SHOULD too. entra, okta, interop \
            and ipsie: rfc, and what that peer needs."
    )]
    pub(crate) profile: String,

    /// Send nothing that changes the server; checks that would are skipped
    #[arg(long, help_heading = "Checks")]
    pub(crate) read_only: bool,

    /// How many checks run at the same time: 1 to 64
    #[arg(
        long,
        default_value_t = 4,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=64),
        help_heading = "Checks"
    )]
    pub(crate) jobs: u8,

    /// How long one check, and one request, may take: 30s, 2m, 500ms
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME", help_heading = "Checks")]
    pub(crate) timeout: Duration,

    /// How long to wait in all for a server that limits requests (429, 503): 10m, 0s for not at all
    #[arg(long, default_value = "10m", value_parser = patience, value_name = "TIME", help_heading = "Checks")]
    pub(crate) patience: Duration,

    /// The seed of made-up names; a random one unless given
    #[arg(long, value_name = "N", help_heading = "Checks")]
    pub(crate) seed: Option<u32>,

    /// The domain of made-up user names and e-mail addresses
    #[arg(long, default_value = "example.org", value_parser = domain, value_name = "DOMAIN", help_heading = "Checks")]
    pub(crate) mail_domain: String,

    /// Deviations that decide nothing: those of an earlier JSON report, so that only news fails
    #[arg(long, value_name = "FILE", help_heading = "Checks")]
    pub(crate) baseline: Option<PathBuf>,

    /// Deviations that decide nothing, with their reasons: a TOML file, or the name of a product
    #[arg(long, value_name = "FILE|PRODUCT", help_heading = "Checks")]
    pub(crate) known: Vec<String>,

    /// Write the whole result as JSON, `-` for standard output; `schema` prints its schema
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) json: Option<PathBuf>,

    /// Write one HTML page, to read and to work from; `-` for standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) html: Option<PathBuf>,

    /// Write JUnit XML, for CI; `-` for standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) junit: Option<PathBuf>,

    /// Write a short Markdown text, for a pull request; `-` for standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) markdown: Option<PathBuf>,

    /// Keep the exchanges of passed checks in the reports too
    #[arg(long, help_heading = "Reports")]
    pub(crate) all_evidence: bool,

    /// Show no progress, only the result
    #[arg(long, short, help_heading = "Reports")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only these checks: ids or beginnings of ids, topics, clauses; `*` stands for anything
    #[arg(long, value_delimiter = ',', value_name = "WHAT", help_heading = "Checks")]
    pub(crate) only: Vec<String>,

    /// Not these checks
    #[arg(long, value_delimiter = ',', value_name = "WHAT", help_heading = "Checks")]
    pub(crate) skip: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The base URL of the server, what stands before /Users
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// File with the bearer token
    ///
    /// The token itself can be given as SCIM_TOKEN. There is no flag for it: flags can be read by
    /// every user of the machine.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(crate) token_file: Option<PathBuf>,

    /// Name for HTTP Basic; the password comes from --password-file or SCIM_PASSWORD
    #[arg(long, value_name = "NAME", help_heading = "Access", conflicts_with_all = ["token_file", "oauth_token_url"])]
    pub(crate) user: Option<String>,

    /// File with the password for HTTP Basic
    #[arg(long, value_name = "FILE", help_heading = "Access", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,

    /// Token endpoint for OAuth 2.0 client credentials
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Access",
        requires = "oauth_client_id",
        conflicts_with = "token_file"
    )]
    pub(crate) oauth_token_url: Option<String>,

    /// Client id at the token endpoint
    #[arg(long, value_name = "ID", help_heading = "Access", requires = "oauth_token_url")]
    pub(crate) oauth_client_id: Option<String>,

    /// File with the client's secret; the secret itself can be given as SCIM_CLIENT_SECRET
    #[arg(long, value_name = "FILE", help_heading = "Access", requires = "oauth_token_url")]
    pub(crate) oauth_secret_file: Option<PathBuf>,

    /// File with the client's private key in PEM, for a signed assertion in place of a secret
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Access",
        requires = "oauth_token_url",
        conflicts_with = "oauth_secret_file"
    )]
    pub(crate) oauth_key_file: Option<PathBuf>,

    /// Scope to ask the token endpoint for; can be given more than once
    #[arg(long, value_name = "SCOPE", help_heading = "Access", requires = "oauth_token_url")]
    pub(crate) oauth_scope: Vec<String>,

    /// Certificates in PEM to trust beside those of the system, for a server with its own CA
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(crate) insecure_ca: Option<PathBuf>,

    /// Client certificate: its chain and its private key in one PEM file
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(crate) client_cert: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for Color {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// The longest time that can be given: a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A time that is more than nothing.
fn duration(text: &str) -> Result<Duration, String> {
    match patience(text)? {
        Duration::ZERO => Err("the time has to be more than nothing".to_owned()),
        time => Ok(time),
    }
}

/// `30s`, `2m`, `500ms`; a number alone is seconds.
fn patience(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no time; write 30s"))?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(format!("{unit:?} is no unit; there are ms, s and m")),
    };
    if duration > LONGEST { Err("a day at the most".to_owned()) } else { Ok(duration) }
}

/// The name of a host, so that the addresses made with it are some.
fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inside) && !label.starts_with('-')
    };
    if text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("a domain has letters, digits, dots and hyphens: example.org".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_domain_makes_addresses() {
        for good in ["example.org", "a-b.c", "localhost"] {
            assert_eq!(domain(good).as_deref(), Ok(good));
        }
        for wrong in ["", ".", "a..b", "not a domain", "a@b", "-a.b"] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(patience("0s"), Ok(Duration::ZERO));
        for wrong in ["", "s", "0s", "3h", "-1s", "1.5s", "1441m", "99999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
