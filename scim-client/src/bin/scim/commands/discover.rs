//! `scim discover`.

use clap::{Args, ValueEnum};
use scim_client::Client;
use scim_client::scim_core::Resource;
use scim_client::scim_core::resource::{from_value, to_value};

use crate::ended::Ended;
use crate::output::{Format, OutputArgs, Printer, json};

#[derive(Args, Debug)]
pub(crate) struct DiscoverArgs {
    /// Only this part
    #[arg(value_enum)]
    part: Option<Part>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// ServiceProviderConfig
    Config,
    /// ResourceTypes
    Types,
    /// Schemas
    Schemas,
}

pub(crate) async fn run(client: &Client, args: DiscoverArgs) -> anyhow::Result<Ended> {
    let discovery = client.discovery();
    match args.part {
        Some(Part::Config) => {
            let columns = args.output.columns(&[
                "patch.supported",
                "bulk.supported",
                "filter.supported",
                "sort.supported",
                "etag.supported",
            ])?;
            let mut printer = Printer::new(args.output.format, &columns, false)?;
            printer.write(&from_value(to_value(&discovery.service_provider_config().await?)?)?)?;
            printer.finish()?;
        }
        Some(Part::Types) => print(
            &args.output,
            &["name", "endpoint", "schema", "schemaExtensions.schema"],
            &discovery.resource_types().await?,
        )?,
        Some(Part::Schemas) => {
            print(&args.output, &["id", "name", "attributes.name"], &discovery.schemas().await?)?
        }
        None => match args.output.format {
            Format::Table | Format::Csv => print(
                &args.output,
                &["name", "endpoint", "schema", "schemaExtensions.schema"],
                &discovery.resource_types().await?,
            )?,
            Format::Json | Format::Jsonl if !args.output.columns.is_empty() => {
                args.output.columns(&[])?;
            }
            Format::Json | Format::Jsonl => json(&serde_json::json!({
                "ServiceProviderConfig": discovery.service_provider_config().await?,
                "ResourceTypes": discovery.resource_types().await?,
                "Schemas": discovery.schemas().await?,
            }))?,
        },
    }
    Ok(Ended::Done)
}

fn print<T: serde::Serialize>(
    output: &OutputArgs,
    columns: &[&str],
    items: &[T],
) -> anyhow::Result<()> {
    let mut printer = Printer::new(output.format, &output.columns(columns)?, true)?;
    for item in items {
        let resource: Resource = from_value(to_value(item)?)?;
        printer.write(&resource)?;
    }
    printer.finish()
}
