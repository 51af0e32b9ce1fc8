//! The commands, a file each.

pub(crate) mod bulk;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod discover;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod me;
pub(crate) mod patch;
pub(crate) mod profile;
pub(crate) mod replace;
pub(crate) mod search;

use anyhow::Context;
use scim_client::scim_core::Resource;
use scim_client::{Client, Error, Written};

use crate::args::{Cli, Command};
use crate::ended::{Ended, note};
use crate::types;

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Ended> {
    let connect = &cli.connect;
    match cli.command {
        Command::Completions(args) => completions::run(&args),
        Command::Profile(args) => profile::run(connect, args).await,
        Command::Diff(args) => diff::run(connect, args).await,
        command => {
            let client = connect.client()?;
            online(&client, command).await.map_err(|error| located(error, &client))
        }
    }
}

async fn online(client: &Client, command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::List(args) => list::run(client, args).await,
        Command::Get(args) => get::run(client, args).await,
        Command::Create(args) => create::run(client, args).await,
        Command::Replace(args) => replace::run(client, args).await,
        Command::Patch(args) => patch::run(client, args).await,
        Command::Delete(args) => delete::run(client, args).await,
        Command::Search(args) => search::run(client, args).await,
        Command::Bulk(args) => bulk::run(client, args).await,
        Command::Export(args) => export::run(client, args).await,
        Command::Import(args) => crate::import::run(client, args).await,
        Command::Me(args) => me::run(client, args).await,
        Command::Discover(args) => discover::run(client, args).await,
        Command::Completions(_) | Command::Profile(_) | Command::Diff(_) => {
            anyhow::bail!("this command needs no connection")
        }
    }
}

/// Says which service it is that did not answer.
fn located(error: anyhow::Error, client: &Client) -> anyhow::Error {
    let unanswered = error.chain().filter_map(|cause| cause.downcast_ref::<Error>());
    let unanswered = unanswered
        .into_iter()
        .any(|e| matches!(e, Error::Transport { .. } | Error::Deadline { .. }));
    match unanswered {
        true => error.context(client.base_url().to_string()),
        false => error,
    }
}

/// The resource after a write: what the server answered, or, where it answered without, what a read finds.
async fn after_write(
    client: &Client,
    endpoint: &str,
    written: Written<Resource>,
) -> anyhow::Result<Resource> {
    if !written.dropped().is_empty() {
        note(&format!("note: the target does not take {}; left out", written.dropped().join(", ")));
    }
    if written.is_pending() {
        note("note: the server will do it later");
    }
    if let Some(resource) = written.resource() {
        return Ok(resource.clone());
    }
    let id = written.id()?;
    let mut resource = Resource::new();
    resource.set("id", id);
    if written.is_pending() {
        return Ok(resource);
    }
    match client.resources(endpoint).get(id).await {
        Ok(read) => Ok(read),
        // The write has happened, whatever becomes of the look at it.
        Err(error) => {
            note(&format!("note: it is done, but cannot be read back: {error}"));
            Ok(resource)
        }
    }
}

/// A failure to show what a write came to: it has happened all the same.
fn told(shown: anyhow::Result<()>) -> anyhow::Result<()> {
    shown.context("it is done, but cannot be shown")
}

/// Says which schemas are meant where that was left out: the type's own, and the extensions that are used.
async fn add_schemas(
    client: &Client,
    endpoint: &str,
    given: impl Iterator<Item = &mut Resource>,
) -> anyhow::Result<()> {
    let mut bare = given.filter(|resource| resource.get("schemas").is_none()).peekable();
    if bare.peek().is_none() {
        return Ok(());
    }
    let registry = types::registry(client).await?;
    let Some(schema) = registry.by_endpoint(&format!("/{endpoint}")) else { return Ok(()) };
    for resource in bare {
        let used = schema.extensions().map(|(extension, _)| extension.id.as_str());
        let used = used.filter(|uri| resource.extension(uri).is_some());
        let schemas: Vec<&str> = std::iter::once(schema.base().id.as_str()).chain(used).collect();
        resource.set("schemas", schemas);
    }
    Ok(())
}
