//! `scim create TYPE [FILE]...`.

use clap::Args;
use scim_client::Client;
use scim_client::scim_core::Resource;

use super::{add_schemas, after_write, told};
use crate::ended::{Ended, is_refusal, no_endpoint, note};
use crate::input::{self, STDIN};
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"A file holds one JSON object, an array of them, or one after the other.
`schemas` may be left out for types that the server announces.

Examples:
  echo '{"userName":"ada"}' | scim create user
  scim create users ada.json charles.json --format table
  jq -c '.[]' people.json | scim create users -"#;

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The type, such as user
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Files, or - for standard input
    #[arg(value_name = "FILE", default_value = STDIN)]
    files: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(client: &Client, args: CreateArgs) -> anyhow::Result<Ended> {
    let endpoint = types::endpoint(client, &args.kind).await?;
    // All is read before anything is sent.
    let mut given = Vec::new();
    for file in &args.files {
        let objects = input::objects(file)?;
        let alone = objects.len() == 1;
        for (at, object) in objects.into_iter().enumerate() {
            let name = match alone {
                true => input::shown(file).to_owned(),
                false => format!("{}, number {}", input::shown(file), at + 1),
            };
            given.push((name, Resource::from(object)));
        }
    }
    add_schemas(client, &endpoint, given.iter_mut().map(|(_, resource)| resource)).await?;
    let mut printer = match given.len() {
        1 => args.output.one(&endpoint)?,
        _ => args.output.many(&endpoint)?,
    };
    let (mut made, mut refused) = (0, 0);
    for (name, resource) in given {
        match client.resources(&endpoint).create(&resource).await {
            Ok(written) => {
                told(printer.write(&after_write(client, &endpoint, written).await?))?;
                made += 1;
            }
            Err(error) if is_refusal(&error) => {
                if let Some(error) = no_endpoint(&error).filter(|_| made == 0) {
                    return Err(error);
                }
                note(&format!("{name}: {error}"));
                refused += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    match made {
        0 => printer.finish()?,
        _ => told(printer.finish())?,
    }
    Ok(Ended::with(refused))
}
