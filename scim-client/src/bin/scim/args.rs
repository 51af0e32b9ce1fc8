//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    bulk, completions, create, delete, diff, discover, export, get, list, me, patch, profile,
    replace, search,
};
use crate::connect::ConnectArgs;
use crate::import;

// Lines that fit a terminal of 80 columns: longer ones would be wrapped anew.
const EXAMPLES: &str = r#"Credentials:
  SCIM_URL and SCIM_TOKEN are enough. No flag takes a secret. Others:
    SCIM_TOKEN_FILE
    SCIM_USER with SCIM_PASSWORD or SCIM_PASSWORD_FILE
    SCIM_OAUTH_TOKEN_URL, SCIM_OAUTH_CLIENT_ID and, if needed, SCIM_OAUTH_SCOPE
      with SCIM_OAUTH_CLIENT_SECRET, SCIM_OAUTH_CLIENT_SECRET_FILE or
      SCIM_OAUTH_PRIVATE_KEY_FILE
    SCIM_CLIENT_CERTIFICATE_FILE (PEM); SCIM_CA_FILE for a server of your own
  Several services are kept in a profile file, which names secrets and holds
  none:

    [work]
    url = "https://directory.example/scim/v2"
    target = "entra"                  # or a TOML file
    token-env = "WORK_TOKEN"          # or token-file = "work.token"

    [other]
    url = "https://other.example/scim"
    [other.oauth]
    token-url = "https://login.example/token"
    client-id = "agent"
    client-secret-file = "other.secret"
    scopes = ["scim.write"]

Examples:
  export SCIM_URL=https://directory.example/scim/v2 SCIM_TOKEN=...
  scim list users --filter 'active eq true' --format table
  scim get user 2819c223 | jq .emails
  echo '{"userName":"ada"}' | scim create user -
  scim patch user 2819c223 --set active=false
  scim export > directory.jsonl
  scim --profile other import directory.jsonl

Exit codes: 0 done, 1 some refused (each is named), 2 could not run."#;

/// Reads and writes any SCIM 2.0 directory.
#[derive(Debug, Parser)]
#[command(name = "scim", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the resources of a type
    #[command(after_long_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Read resources by id
    #[command(after_long_help = get::EXAMPLES)]
    Get(get::GetArgs),
    /// Create resources
    #[command(after_long_help = create::EXAMPLES)]
    Create(create::CreateArgs),
    /// Put another state in the place of a resource
    #[command(after_long_help = replace::EXAMPLES)]
    Replace(replace::ReplaceArgs),
    /// Change parts of a resource
    #[command(after_long_help = patch::EXAMPLES)]
    Patch(patch::PatchArgs),
    /// Delete resources by id
    #[command(after_long_help = delete::EXAMPLES)]
    Delete(delete::DeleteArgs),
    /// Search with POST, over one type or all
    #[command(after_long_help = search::EXAMPLES)]
    Search(search::SearchArgs),
    /// Send many writes at once
    #[command(after_long_help = bulk::EXAMPLES)]
    Bulk(bulk::BulkArgs),
    /// The smallest PATCH from one state of a resource to another
    #[command(after_long_help = diff::EXAMPLES)]
    Diff(diff::DiffArgs),
    /// Write a whole directory as JSON Lines
    #[command(after_long_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Create what a file of JSON Lines holds, references among its lines included
    #[command(after_long_help = import::EXAMPLES)]
    Import(import::ImportArgs),
    /// What servers can do, and the profiles that are known
    #[command(after_long_help = profile::EXAMPLES)]
    Profile(profile::ProfileArgs),
    /// Read the resource that stands for you
    Me(me::MeArgs),
    /// What the server says about itself
    Discover(discover::DiscoverArgs),
    /// Write a completion script for a shell
    #[command(after_long_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
}
