//! `scim patch TYPE ID [FILE]`.

use anyhow::{Context, anyhow, bail};
use clap::Args;
use scim_client::Client;
use scim_client::scim_core::{Patch, PatchPath, Value};

use super::{after_write, told};
use crate::ended::{Ended, note};
use crate::input;
use crate::output::OutputArgs;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"The operations come from a PATCH message, such as one of scim diff, or from
--set, --add and --remove, which are done in this order. A value is JSON; what
is no JSON is text. Text that looks like JSON, such as digits, takes quotes.

Examples:
  scim patch user 2819c223 --set active=false --set 'name.familyName=King'
  scim patch user 2819c223 --set 'title="007"' --remove nickName
  scim patch user 2819c223 --set 'emails[type eq "work"].value=ada@example.org'
  scim patch group e9e30dba --add 'members=[{"value":"2819c223"}]'
  scim diff users/2819c223 ada.json | scim patch user 2819c223 -"#;

#[derive(Args, Debug)]
pub(crate) struct PatchArgs {
    /// The type, such as user
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The id
    #[arg(value_name = "ID")]
    id: String,
    /// A file with a PATCH message, or - for standard input
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Replace a value
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Add a value
    #[arg(long, value_name = "PATH=VALUE")]
    add: Vec<String>,
    /// Remove a value
    #[arg(long, value_name = "PATH")]
    remove: Vec<String>,
    /// Only if it still has this version (meta.version)
    #[arg(long, value_name = "VERSION")]
    if_match: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

fn path(text: &str) -> anyhow::Result<PatchPath> {
    text.trim().parse().with_context(|| format!("{text} is no path"))
}

/// Splits `PATH=VALUE`; the path may have a filter, whose text may hold the sign.
fn assignment(text: &str) -> anyhow::Result<(PatchPath, Value)> {
    let mut inside = 0u32;
    let mut quoted = false;
    let at = text.char_indices().find_map(|(at, c)| {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => inside += 1,
            ']' if !quoted => inside = inside.saturating_sub(1),
            '=' if !quoted && inside == 0 => return Some(at),
            _ => {}
        }
        None
    });
    let at = at.ok_or_else(|| anyhow!("{text}: give a path, = and a value"))?;
    let value = &text[at + 1..];
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((path(&text[..at])?, value))
}

fn operations(args: &PatchArgs) -> anyhow::Result<Patch> {
    let mut patch = match &args.file {
        Some(file) => input::patch(file)?,
        None if args.set.is_empty() && args.add.is_empty() && args.remove.is_empty() => bail!(
            "what is to change? Give a FILE with a PATCH message, - for standard input, or --set, --add or --remove"
        ),
        None => Patch::new(),
    };
    for text in &args.set {
        let (path, value) = assignment(text)?;
        patch = patch.replace(path, value);
    }
    for text in &args.add {
        let (path, value) = assignment(text)?;
        patch = patch.add(path, value);
    }
    for text in &args.remove {
        patch = patch.remove(path(text)?);
    }
    Ok(patch)
}

pub(crate) async fn run(client: &Client, args: PatchArgs) -> anyhow::Result<Ended> {
    let patch = operations(&args)?;
    let endpoint = types::endpoint(client, &args.kind).await?;
    let mut printer = args.output.one(&endpoint)?;
    if patch.is_empty() {
        note("nothing to change");
        printer.write(&client.resources(&endpoint).get(&args.id).await?)?;
        printer.finish()?;
        return Ok(Ended::Done);
    }
    let mut request = client.resources(&endpoint).patch(&args.id, patch);
    if let Some(version) = &args.if_match {
        request = request.if_match(version);
    }
    let written = request.await?;
    told(printer.write(&after_write(client, &endpoint, written).await?))?;
    told(printer.finish())?;
    Ok(Ended::Done)
}
