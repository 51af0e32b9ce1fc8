//! The command line: what can be asked for, as types. Nothing is done here.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{Flags, parse_duration};
use crate::tenant::TenantId;
use crate::tokens::Role;

/// The provisioning service: enrols agents, and provisions SCIM services from the directories beside them
///
/// It listens on 127.0.0.1:8443 with a certificate of its own authority and keeps everything in the folder
/// provisioning-data. The first start makes an administrator's token and says what to do next.
#[derive(Debug, Clone, Parser)]
#[command(name = "provisioning-service", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The settings.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve agents and administrators until told to stop
    Serve,

    /// Make, list and revoke administrators' tokens
    #[command(subcommand)]
    Token(TokenCommand),

    /// Let agents in, list them, and shut them out
    #[command(subcommand)]
    Agent(AgentCommand),

    /// Agent groups: any live agent of a group answers what is asked of it
    #[command(subcommand)]
    Group(GroupCommand),

    /// Print the certificate of the service's own authority (PEM), by which curl and browsers know the service
    Authority,

    /// See how jobs are doing, start and stop them, and let plans through
    #[command(subcommand)]
    Job(JobCommand),

    /// See what people were told of by mail and webhook, and try whether they can be told
    #[command(subcommand)]
    Notify(NotifyCommand),

    /// Print what was done to whom: the provisioning log
    Logs(LogsCommand),

    /// Say whether everything that the service needs is there, and what to mend
    Doctor,

    /// Print the OpenAPI document of the API
    Openapi,
}

/// The tenant that a command is about.
#[derive(Debug, Clone, Args)]
pub struct OfTenant {
    /// The tenant
    #[arg(long, value_name = "NAME", default_value_t)]
    pub tenant: TenantId,
}

/// What can be done with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, this once; only its hash is kept
    Create {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// What its holder may do
        #[arg(long, value_name = "ROLE", default_value = "admin")]
        role: Role,
        /// A name to know the token by in lists and in the audit log
        #[arg(long, value_name = "NAME")]
        name: String,
        /// How long it is good, like 12h or 90d; without it, until it is revoked
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<Duration>,
    },
    /// List tokens: id, tenant, role, name; never the token itself
    List,
    /// Revoke a token; a running service refuses it at once
    Revoke {
        /// The token's id, as `token list` shows it
        id: String,
    },
}

/// What can be done with agents.
#[derive(Debug, Clone, Subcommand)]
pub enum AgentCommand {
    /// Make an enrolment code, good for one agent, and print it, this once
    Code {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// A group that the agent is to answer for, like corp.example.com; made if missing; may be repeated
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
        /// How long the code is good, like 10m or 1d [default: as configured, 30m]
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<Duration>,
        /// A note for people
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// List agents with their state, groups and last bootstrap
    List {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// With those that were silent for ten days, and revoked ones
        #[arg(long)]
        all: bool,
    },
    /// Refuse an agent for good; a running service ends its link within five seconds
    Revoke {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// The agent's id, as `agent list` shows it
        id: String,
    },
}

/// Which entries of the log are printed, and how.
#[derive(Debug, Clone, Args)]
pub struct LogsCommand {
    /// Of which tenant
    #[command(flatten)]
    pub of: OfTenant,
    /// Of the job with this id
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,
    /// About objects with this text in their names or identifiers
    #[arg(long, value_name = "TEXT")]
    pub object: Option<String>,
    /// With this action
    #[arg(long, value_parser = ["create", "update", "delete", "stageddelete", "disable", "other"])]
    pub action: Option<String>,
    /// With this outcome
    #[arg(long, value_parser = ["success", "failure", "skipped", "warning"])]
    pub status: Option<String>,
    /// Not older than this, like 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// The newest ones, so many
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "all")]
    pub limit: usize,
    /// All that there are
    #[arg(long)]
    pub all: bool,
    /// Go on with what is added, until stopped
    #[arg(long)]
    pub follow: bool,
    /// JSON, an entry a line, as the API tells them
    #[arg(long)]
    pub json: bool,
}

/// What can be done with groups.
#[derive(Debug, Clone, Subcommand)]
pub enum GroupCommand {
    /// List groups and how many agents answer for each
    List {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
    },
    /// Make a group, or put an agent into it
    Add {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// The group, like corp.example.com
        group: String,
        /// The agent that is to answer for it
        agent: Option<String>,
    },
    /// Delete a group, or take an agent out of it
    Remove {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// The group
        group: String,
        /// The agent that is to answer for it no more
        agent: Option<String>,
    },
}

/// A job of a tenant.
#[derive(Debug, Clone, Args)]
pub struct OfJob {
    /// Of which tenant
    #[command(flatten)]
    pub of: OfTenant,
    /// The job's id, or its name, as `job list` shows them
    pub job: String,
}

/// What can be done with jobs. A running service follows within five seconds.
#[derive(Debug, Clone, Subcommand)]
pub enum JobCommand {
    /// List jobs with their state, their mode and for whom they are
    List {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
    },
    /// Show a job as the API does
    Show(OfJob),
    /// Run a job by its schedule, and at once where it rests
    Start(OfJob),
    /// Stop a job at once and keep everything
    Pause(OfJob),
    /// Begin anew
    Restart {
        /// Which job
        #[command(flatten)]
        of: OfJob,
        /// What is forgotten before, with commas between [default: Watermark,Escrows,QuarantineState]
        #[arg(long, value_name = "SCOPES", default_value = "")]
        reset: String,
    },
    /// Show what a job would write, where it is in staging mode or the guard stopped it
    Plan(OfJob),
    /// Let a plan through that the guard stopped, once
    Allow {
        /// Which job
        #[command(flatten)]
        of: OfJob,
        /// The digest of the plan, or its beginning
        digest: String,
    },
    /// End the staging mode of a job: from its next cycle on it writes
    GoLive {
        /// Which job
        #[command(flatten)]
        of: OfJob,
        /// Only if the plan still has this digest, or one that begins so
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
    },
    /// Narrow a job to some, or end that; everybody else is out of its scope
    Pilot {
        /// Which job
        #[command(flatten)]
        of: OfJob,
        /// For everybody in the scope again
        #[arg(long, conflicts_with_all = ["group", "include", "object"])]
        end: bool,
        /// A group whose members are in
        #[arg(long, value_name = "DN")]
        group: Option<String>,
        /// With the members of groups within it
        #[arg(long, requires = "group")]
        nested: bool,
        /// A place whose objects are in; may be repeated
        #[arg(long, value_name = "DN")]
        include: Vec<String>,
        /// An object that is in; may be repeated
        #[arg(long, value_name = "DN")]
        object: Vec<String>,
    },
}

/// What can be done with notifications.
#[derive(Debug, Clone, Subcommand)]
pub enum NotifyCommand {
    /// Send a message that says nothing to everybody who is told of a tenant, and say what came of it
    Test {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
    },
    /// List what people were told of, what is over, and what became of the messages
    List {
        /// Of which tenant
        #[command(flatten)]
        of: OfTenant,
        /// With what is over
        #[arg(long)]
        all: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  provisioning-service serve
      For this machine only, to try it.
  provisioning-service serve --listen 0.0.0.0:443 --public-url https://sync.example.com
      With a certificate of its own authority, which agents know by the code they enrol with.
  provisioning-service serve --tls off --public-url https://sync.example.com
      Behind a proxy that ends TLS; agents sign what they ask.
  provisioning-service agent code --group corp.example.com
      A code for an agent beside the domain corp.example.com.
  provisioning-service token create --role reader --name dashboard --expires 90d
  provisioning-service logs --status failure --since 1d
  provisioning-service authority > authority.pem
      For curl --cacert authority.pem; a service with a public certificate needs none.

Environment:
  Every setting is a variable too, PROVISIONING_ and its name in capitals, like PROVISIONING_LISTEN.
  PROVISIONING_SEAL_KEY   the key that seals secrets, instead of a file; has no flag
  PROVISIONING_MAIL_PASSWORD, PROVISIONING_WEBHOOK_SECRET
                          secrets of the sections [mail] and [webhook] of the file, instead of files
  PROVISIONING_CONFIG     the configuration file
  An empty variable counts as not set. A flag beats the environment, the environment the file.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
