//! `scim replace TYPE ID [FILE]`.

use clap::Args;
use scim_client::Client;
use scim_client::scim_core::Resource;

use super::{add_schemas, after_write, told};
use crate::ended::Ended;
use crate::input::{self, STDIN};
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"What is not in the file is gone afterwards. Use patch to change parts.
`schemas` may be left out for types that the server announces.

Examples:
  scim get user 2819c223 | jq '.title = "Dr"' | scim replace user 2819c223
  scim replace user 2819c223 ada.json --if-match 'W/"3"'"#;

#[derive(Args, Debug)]
pub(crate) struct ReplaceArgs {
    /// The type, such as user
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The id
    #[arg(value_name = "ID")]
    id: String,
    /// A file with the new state, or - for standard input
    #[arg(value_name = "FILE", default_value = STDIN)]
    file: String,
    /// Only if it still has this version (meta.version)
    #[arg(long, value_name = "VERSION")]
    if_match: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(client: &Client, args: ReplaceArgs) -> anyhow::Result<Ended> {
    let endpoint = types::endpoint(client, &args.kind).await?;
    let mut resource = Resource::from(input::object(&args.file)?);
    add_schemas(client, &endpoint, std::iter::once(&mut resource)).await?;
    let mut printer = args.output.one(&endpoint)?;
    let mut replace = client.resources(&endpoint).replace(&args.id, &resource);
    if let Some(version) = &args.if_match {
        replace = replace.if_match(version);
    }
    let written = replace.await?;
    told(printer.write(&after_write(client, &endpoint, written).await?))?;
    told(printer.finish())?;
    Ok(Ended::Done)
}
