//! `scim list TYPE`.

use clap::Args;
use futures::TryStreamExt;
use scim_client::Client;
use scim_client::request::List;
use scim_client::scim_core::{Filter, Resource};

use crate::ended::Ended;
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"Examples:
  scim list users
  scim list users --filter 'userName sw "ada"' --attributes emails --format csv
  scim list groups --sort-by displayName --format table
  scim list groups --format table --columns id,displayName,members.display
  scim list users --limit 10 --format jsonl"#;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The type: users, groups, contacts, or another that the server announces
    #[arg(value_name = "TYPE")]
    kind: String,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct QueryArgs {
    /// Only those that match, such as 'userName eq "ada"'
    #[arg(long)]
    pub(crate) filter: Option<Filter>,
    /// Sort by this attribute, if the server sorts
    #[arg(long, value_name = "PATH")]
    pub(crate) sort_by: Option<String>,
    /// The other way round
    #[arg(long, requires = "sort_by")]
    pub(crate) descending: bool,
    /// Resources in an answer; all pages are read anyway
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) page_size: Option<u64>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only these attributes
    #[arg(long, value_delimiter = ',', value_name = "PATH,...")]
    pub(crate) attributes: Vec<String>,
    /// All but these attributes
    #[arg(long, value_delimiter = ',', value_name = "PATH,...", conflicts_with = "attributes")]
    pub(crate) excluded_attributes: Vec<String>,
}

impl QueryArgs {
    fn apply(self, mut list: List<Resource>) -> List<Resource> {
        if let Some(filter) = self.filter {
            list = list.filter(filter);
        }
        if let Some(path) = &self.sort_by {
            list = list.sort_by(path, self.descending);
        }
        if let Some(size) = self.page_size {
            list = list.count(size);
        }
        list.attributes(&self.attributes).excluded_attributes(&self.excluded_attributes)
    }
}

/// Reads all pages of a list and writes what they hold.
pub(crate) async fn print(
    list: List<Resource>,
    endpoint: &str,
    query: QueryArgs,
    output: &OutputArgs,
) -> anyhow::Result<Ended> {
    let mut output = output.clone();
    if output.has_columns() && output.columns.is_empty() && !query.attributes.is_empty() {
        let own = query.attributes.iter().filter(|path| !path.trim().eq_ignore_ascii_case("id"));
        output.columns = std::iter::once("id".to_owned()).chain(own.cloned()).collect();
    }
    let mut printer = output.many(endpoint)?;
    let mut left = query.limit.unwrap_or(usize::MAX);
    let mut stream = query.apply(list).stream();
    while left > 0
        && let Some(resource) = stream.try_next().await?
    {
        printer.write(&resource)?;
        left -= 1;
    }
    printer.finish()?;
    Ok(Ended::Done)
}

pub(crate) async fn run(client: &Client, args: ListArgs) -> anyhow::Result<Ended> {
    let endpoint = types::endpoint(client, &args.kind).await?;
    let list = client.resources(&endpoint).list();
    print(list, &endpoint, args.query, &args.output).await
}
