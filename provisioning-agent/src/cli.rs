//! The command line.

use std::path::PathBuf;

use crate::config::{SignIn, Tracking};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps a SCIM service in step with a directory.
#[derive(Debug, Parser)]
#[command(
    name = "provisioning-agent",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done; 1 could not run (no directory, no target, bad file); 2 some objects failed and are in \
escrow, to be tried again; 3 stopped by the guard before the first write; 4 the service does not want this agent.\n\nStart with `setup`, ask `doctor`, look with `plan`, write \
with `sync --once`, and leave `run` to systemd."
)]
pub struct Cli {
    /// The configuration file
    #[arg(
        long,
        short,
        global = true,
        env = "PROVISIONING_CONFIG",
        value_name = "FILE",
        default_value = "provisioning-agent.toml"
    )]
    pub config: PathBuf,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[expect(missing_docs, reason = "the commands say it")]
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for what is needed, try each answer, and write a configuration file
    Setup(Box<SetupArgs>),
    /// Look whether everything that a cycle needs is there, and say what to mend
    Doctor(Shown),
    /// Read both sides and show what would be written; nothing is, not even the state
    Plan(Shown),
    /// Show what becomes of one object: every rule, every value; nothing is written
    Preview(PreviewArgs),
    /// Run one cycle
    Sync(SyncArgs),
    /// Run cycles until told to stop; as a managed agent, answer what the provisioning service asks
    Run,
    /// Show what the last runs did, what waits and what failed
    Status(Shown),
    /// Show the writes that wait, such as those of a staging agent
    Pending(PendingArgs),
    /// Let a plan through that the guard stopped, once
    Allow {
        /// The digest that the stop named
        digest: String,
    },
    /// Take back what a run wrote
    Undo(UndoArgs),
    /// Forget a part of the state, so that the next cycle works it out anew
    Reset(ResetArgs),
    /// Show what was done to objects, newest last
    Log(LogArgs),
    /// Check that the state makes sense
    Verify(Shown),
    /// Write the rules and settings as one document that can be kept and compared
    ExportConfig(ExportConfigArgs),
    /// Put rules from a document in the place of those of the configuration file
    ImportConfig(ImportConfigArgs),
    /// Print completions for a shell
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
}

/// How a result is shown.
#[derive(Debug, Args)]
pub struct Shown {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The object, by its distinguished name or by what identifies it
    #[arg(long, value_name = "DN")]
    pub object: String,
    /// The source it is in, where there are several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// One cycle and no more; without it, say `run`
    #[arg(long, required = true)]
    pub once: bool,
    /// Read both sides anew, instead of what changed
    #[arg(long)]
    pub full: bool,
}

/// Options of `pending`.
#[derive(Debug, Args)]
pub struct PendingArgs {
    /// As comma separated values, a line each property
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// As JSON lines
    #[arg(long)]
    pub json: bool,
}

/// Options of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The file that the run left, in the folder `undo` of the state
    pub file: PathBuf,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The digest of the plan, where the guard stopped it
    #[arg(long, value_name = "DIGEST")]
    pub allow: Option<String>,
    /// Take back what somebody changed since, too
    #[arg(long)]
    pub force: bool,
}

/// Options of `reset`.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// What to forget; several with commas. Without it: the watermarks, the escrow and the quarantine
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scope: Vec<ResetScope>,
}

/// A part of the state (the words are those of Microsoft's restart criteria).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResetScope {
    /// Where changes are read from: everything is read anew, links stay
    Watermark,
    /// What failed and waits
    Escrows,
    /// That the agent rests after too many failures
    QuarantineState,
    /// The connector spaces: what is known of each side
    ConnectorDataStore,
    /// All of it
    Full,
    /// Let the plan that was stopped for its deletions through, once
    ForceDeletes,
}

/// Options of `log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// At most so many of the newest lines
    #[arg(long, short = 'n', default_value_t = 50)]
    pub lines: usize,
    /// Only objects with this in their name or ids
    #[arg(long, value_name = "TEXT")]
    pub object: Option<String>,
    /// As JSON lines, as they are kept
    #[arg(long)]
    pub json: bool,
}

/// Options of `export-config`.
#[derive(Debug, Args)]
pub struct ExportConfigArgs {
    /// Where to; standard output without it
    pub file: Option<PathBuf>,
    /// In the shape of Microsoft's job schema (`synchronizationSchema`); what it has no words for is named
    #[arg(long)]
    pub graph: bool,
}

/// Options of `import-config`.
#[derive(Debug, Args)]
pub struct ImportConfigArgs {
    /// The document: rules in TOML or JSON, or a schema in Microsoft's shape
    pub file: PathBuf,
    /// Show the differences and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The answers of `setup`. What is not given is asked for on a terminal.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The kind of directory
    #[arg(long, value_enum, value_name = "KIND")]
    pub directory: Option<DirectoryKind>,
    /// The server, such as ldaps://dc1.corp.example, or ldap:// with StartTLS; again for further domain controllers
    #[arg(long, value_name = "URL")]
    pub server: Vec<String>,
    /// A file with the certificates that the server's must come from
    #[arg(long, value_name = "FILE")]
    pub ldap_ca: Option<PathBuf>,
    /// The account that reads
    #[arg(long, value_name = "NAME")]
    pub bind_dn: Option<String>,
    /// A file with its password; the program asks for it otherwise and keeps it in such a file
    #[arg(long, value_name = "FILE")]
    pub bind_password_file: Option<PathBuf>,
    /// How it signs in: with its password (a simple bind), or by Kerberos
    #[arg(long, value_enum, value_name = "HOW")]
    pub sign_in: Option<SignIn>,
    /// The Kerberos realm, where the directory does not tell its own
    #[arg(long, value_name = "REALM")]
    pub realm: Option<String>,
    /// The Kerberos server, host or host:port, where it is not the server of the directory
    #[arg(long, value_name = "HOST")]
    pub kdc: Option<String>,
    /// The root of the domain; the server is asked otherwise
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,
    /// How the changes of an Active Directory are found
    #[arg(long, value_enum, value_name = "HOW")]
    pub changes: Option<Tracking>,
    /// Only what is under this place; again for several
    #[arg(long, value_name = "DN")]
    pub include: Vec<String>,
    /// Only the members of this group, such as a group of pilots
    #[arg(long, value_name = "DN")]
    pub group: Option<String>,
    /// The SCIM service
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// A file with its bearer token; the program asks for it otherwise and keeps it in such a file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with the certificates that the service's must come from
    #[arg(long, value_name = "FILE")]
    pub target_ca: Option<PathBuf>,
    /// The profile of the service, such as entra, aws or slack
    #[arg(long, value_name = "PROFILE")]
    pub target_profile: Option<String>,
    /// Where the state is kept
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// Work everything out and write nothing until the file says otherwise
    #[arg(long)]
    pub staging: bool,
    /// Ask nothing: what is not given has its default, and what has none is an error
    #[arg(long)]
    pub no_questions: bool,
    /// Write over a configuration file that is there
    #[arg(long)]
    pub force: bool,
    /// Do not try the directory or the target
    #[arg(long)]
    pub no_check: bool,
    /// What makes it an agent that a provisioning service manages
    #[command(flatten)]
    pub managed: ManagedArgs,
}

/// The answers of `setup` for an agent that a provisioning service manages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Managed by a provisioning service")]
pub struct ManagedArgs {
    /// The provisioning service: rules, scope and schedule are there, and here only how the directory is reached
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["include", "group", "target", "token_file", "target_ca", "target_profile", "state_dir", "staging"]
    )]
    pub service: Option<url::Url>,
    /// The code that the service's administrator made for this agent
    #[arg(
        long,
        value_name = "CODE",
        env = "PROVISIONING_CODE",
        hide_env_values = true,
        requires = "service"
    )]
    pub code: Option<Code>,
    /// How operators call this agent; the name of the machine otherwise
    #[arg(long, value_name = "NAME", requires = "service")]
    pub name: Option<String>,
    /// The folder for the agent's key and certificate
    #[arg(long, value_name = "FOLDER", requires = "service")]
    pub identity: Option<PathBuf>,
    /// A file with the certificates that the service's must come from, where it does not come from its own authority
    #[arg(long, value_name = "FILE", requires = "service")]
    pub service_ca: Option<PathBuf>,
    /// The proxy on the way to the service, or `none`; what HTTPS_PROXY says otherwise
    #[arg(long, value_name = "URL", requires = "service")]
    pub proxy: Option<String>,
}

/// A code, which is not shown.
#[derive(Clone, Debug)]
pub struct Code(pub secrecy::SecretString);

impl std::str::FromStr for Code {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().into()))
    }
}

/// A kind of directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectoryKind {
    /// Active Directory or Samba
    ActiveDirectory,
    /// OpenLDAP
    #[value(name = "openldap")]
    OpenLdap,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
