//! `scim get TYPE ID...`.

use clap::Args;
use scim_client::Client;

use crate::ended::{Ended, is_refusal, note};
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"Examples:
  scim get user 2819c223
  scim get users 2819c223 902c246b --attributes userName,groups --format csv"#;

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The type, such as user
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Only these attributes
    #[arg(long, value_delimiter = ',', value_name = "PATH,...")]
    attributes: Vec<String>,
    /// All but these attributes
    #[arg(long, value_delimiter = ',', value_name = "PATH,...", conflicts_with = "attributes")]
    excluded_attributes: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(client: &Client, args: GetArgs) -> anyhow::Result<Ended> {
    let endpoint = types::endpoint(client, &args.kind).await?;
    let resources = client.resources(&endpoint);
    let read = |id: &str| {
        let get = resources.get(id).attributes(&args.attributes);
        get.excluded_attributes(&args.excluded_attributes)
    };
    if let [id] = args.ids.as_slice() {
        let resource = read(id).await?;
        let mut printer = args.output.one(&endpoint)?;
        printer.write(&resource)?;
        printer.finish()?;
        return Ok(Ended::Done);
    }
    let mut printer = args.output.many(&endpoint)?;
    let mut refused = 0;
    for id in &args.ids {
        match read(id).await {
            Ok(resource) => printer.write(&resource)?,
            Err(error) if is_refusal(&error) => {
                note(&format!("{id}: {error}"));
                refused += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    printer.finish()?;
    Ok(Ended::with(refused))
}
