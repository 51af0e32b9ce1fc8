//! `scim diff BEFORE AFTER`.

use anyhow::{anyhow, bail};
use clap::Args;
use scim_client::Client;
use scim_client::scim_core::patch::diff;
use scim_client::scim_core::{ChangeSet, Profile, Registry, Resource, ResourceSchema};

use crate::connect::ConnectArgs;
use crate::ended::{Ended, note};
use crate::input::{self, STDIN};
use crate::output::{Format, OutputArgs, Printer, json};
use crate::types;

pub(crate) const EXAMPLES: &str = r#"Each side is a file, - for standard input, or a resource of the server as
TYPE/ID. The PATCH goes to standard output and can be given to scim patch; what
changes is told in words on standard error. Tables, CSV and JSON Lines show the
changes instead of the PATCH. Nothing is written to the server.

Examples:
  scim diff before.json after.json
  scim diff users/2819c223 ada.json
  scim diff users/2819c223 ada.json --format table
  scim diff users/2819c223 ada.json | scim patch user 2819c223 -"#;

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The state that is there: FILE, - or TYPE/ID
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The state that should be there: FILE, - or TYPE/ID
    #[arg(value_name = "AFTER")]
    after: String,
    /// The type, where neither side tells it
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// One side, not yet read.
enum Side<'a> {
    File(&'a str),
    Resource { kind: &'a str, id: &'a str },
}

impl<'a> Side<'a> {
    fn of(text: &'a str) -> Self {
        match text.trim_start_matches('/').split_once('/') {
            Some((kind, id)) if text != STDIN && !std::path::Path::new(text).exists() => {
                Self::Resource { kind, id }
            }
            _ => Self::File(text),
        }
    }

    async fn read(&self, client: Option<&Client>) -> anyhow::Result<Resource> {
        match (self, client) {
            (Self::File(file), _) => Ok(Resource::from(input::object(file)?)),
            (Self::Resource { kind, id }, Some(client)) => {
                let endpoint = types::endpoint(client, kind).await?;
                Ok(client.resources(&endpoint).get(id).await?)
            }
            (Self::Resource { kind, .. }, None) => bail!("{kind}: there is no server to ask"),
        }
    }
}

pub(crate) async fn run(connect: &ConnectArgs, args: DiffArgs) -> anyhow::Result<Ended> {
    if args.before == STDIN && args.after == STDIN {
        bail!("only one side can be standard input");
    }
    let sides = [Side::of(&args.before), Side::of(&args.after)];
    let asks = sides.iter().any(|side| matches!(side, Side::Resource { .. }));
    let client = if asks { Some(connect.client()?) } else { None };
    let registry = match &client {
        Some(client) => types::registry(client).await?,
        None => Registry::standard(),
    };
    let before = sides[0].read(client.as_ref()).await?;
    let after = sides[1].read(client.as_ref()).await?;
    let schema = schema(&registry, &args, &sides, [&before, &after])?;
    let patch = diff(&before, &after, schema);
    // Only what a client can write: the rest is no difference that anybody could mend.
    let mut reached = before.clone();
    if !patch.is_empty() {
        patch.apply(&mut reached, schema, Profile::default())?;
    }
    let changes = ChangeSet::between(&before, &reached, schema);
    if args.output.format == Format::Json {
        for change in changes.iter() {
            note(&change.to_string());
        }
        if changes.is_empty() {
            note("nothing differs");
        }
        json(&patch)?;
        return Ok(Ended::Done);
    }
    if !args.output.columns.is_empty() {
        bail!("changes have the columns path, before and after");
    }
    let mut printer = Printer::new(args.output.format, &["path", "before", "after"], true)?;
    for change in changes.iter() {
        let mut row = Resource::new();
        row.set("path", change.path().to_string());
        for (name, value) in [("before", change.before()), ("after", change.after())] {
            if let Some(value) = value {
                row.set(name, value.clone());
            }
        }
        printer.write(&row)?;
    }
    printer.finish()?;
    Ok(Ended::Done)
}

/// The type of what is compared: as told, as the place says, or as `schemas` says.
fn schema<'r>(
    registry: &'r Registry,
    args: &DiffArgs,
    sides: &[Side<'_>],
    read: [&Resource; 2],
) -> anyhow::Result<&'r ResourceSchema> {
    let places = sides.iter().filter_map(|side| match side {
        Side::Resource { kind, .. } => Some(*kind),
        Side::File(_) => None,
    });
    let named = args.kind.as_deref().into_iter().chain(places).next();
    let found = match named {
        Some(name) => registry.resource_types().find(|schema| {
            let endpoint = schema.resource_type().endpoint.trim_matches('/');
            [schema.name(), endpoint].iter().any(|known| known.eq_ignore_ascii_case(name))
        }),
        None => registry.resource_types().find(|schema| {
            let base = schema.base().id.as_str();
            read.iter().any(|r| r.schemas().any(|uri| uri.eq_ignore_ascii_case(base)))
        }),
    };
    found.map(|schema| &**schema).ok_or_else(|| match named {
        Some(name) => anyhow!("there is no resource type {name}"),
        None => anyhow!("of which type is it? Neither side has schemas; say it with --type"),
    })
}
