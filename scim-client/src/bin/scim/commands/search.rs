//! `scim search [TYPE]`.

use clap::Args;
use scim_client::Client;

use super::list::QueryArgs;
use crate::ended::Ended;
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"A filter in a POST does not stand in logs of web servers, as one in a URL may.

Examples:
  scim search users --filter 'emails.value eq "ada@example.org"'
  scim search --filter 'displayName sw "Eng"' --format table   over all types"#;

#[derive(Args, Debug)]
pub(crate) struct SearchArgs {
    /// The type; all types without it
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(client: &Client, args: SearchArgs) -> anyhow::Result<Ended> {
    let endpoint = match &args.kind {
        Some(kind) => types::endpoint(client, kind).await?,
        None => String::new(),
    };
    let list = client.resources(&endpoint).search();
    super::list::print(list, &endpoint, args.query, &args.output).await
}
