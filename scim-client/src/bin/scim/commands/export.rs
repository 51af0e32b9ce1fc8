//! `scim export`.

use std::fs::{File, Metadata};
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use futures::TryStreamExt;
use indicatif::ProgressBar;
use scim_client::scim_core::{Object, Resource, Value};
use scim_client::target::fields::Returned;
use scim_client::target::membership::Current;
use scim_client::{Client, Error};

use crate::ended::{Ended, is_refusal};
use crate::input::STDIN;
use crate::progress;
use crate::types;

pub(crate) const EXAMPLES: &str = r#"Writes a resource a line: users first, groups with all their members last.
scim import makes the same directory of it elsewhere.

A file is written as FILE.part and put in place when it is complete: an export
that fails leaves FILE as it was. It does not go on where it failed but begins
anew: a server that changes meanwhile gives other pages, and what two runs hold
together would miss some resources and have others twice.

Examples:
  scim export > directory.jsonl
  scim export --output directory.jsonl
  scim export users | jq -r .userName
  scim --profile old export | scim --profile new import -"#;

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Only these types; all that the server announces without
    #[arg(value_name = "TYPE")]
    kinds: Vec<String>,
    /// Write to this file instead of standard output (-)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Resources in an answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    page_size: Option<u64>,
}

/// A type to be exported.
struct Kind {
    name: String,
    endpoint: String,
}

async fn kinds(client: &Client, wanted: &[String]) -> anyhow::Result<Vec<Kind>> {
    let known = types::announced(client).await?;
    let known: Vec<Kind> = match known {
        Some(known) => known
            .into_iter()
            .map(|t| Kind { name: t.name, endpoint: t.endpoint.trim_matches('/').to_owned() })
            .collect(),
        None => [("User", "Users"), ("Group", "Groups")]
            .map(|(name, endpoint)| Kind { name: name.to_owned(), endpoint: endpoint.to_owned() })
            .into(),
    };
    let mut kinds = Vec::new();
    match wanted.is_empty() {
        true => kinds = known,
        false => {
            for wanted in wanted {
                let endpoint = types::endpoint(client, wanted).await?;
                let found = known.iter().find(|kind| kind.endpoint == endpoint);
                let name = found.map_or_else(|| endpoint.clone(), |kind| kind.name.clone());
                kinds.push(Kind { name, endpoint });
            }
        }
    }
    // Users are referred to by all others, groups refer to all others.
    kinds.sort_by_key(|kind| match kind.endpoint.as_str() {
        "Users" => 0,
        "Groups" => 2,
        _ => 1,
    });
    kinds.dedup_by(|a, b| a.endpoint == b.endpoint);
    Ok(kinds)
}

pub(crate) async fn run(client: &Client, args: ExportArgs) -> anyhow::Result<Ended> {
    let kinds = kinds(client, &args.kinds).await?;
    let refused = match args.output.as_deref().filter(|file| *file != Path::new(STDIN)) {
        None => {
            let mut out = Named { out: BufWriter::new(stdout()), name: "standard output".into() };
            let refused = write_all(client, &args, &kinds, &mut out).await?;
            out.flush()?;
            refused
        }
        Some(file) => to_file(client, &args, &kinds, file).await?,
    };
    Ok(Ended::with(refused))
}

/// Writes beside the file, and puts it in place when all is there.
async fn to_file(
    client: &Client,
    args: &ExportArgs,
    kinds: &[Kind],
    file: &Path,
) -> anyhow::Result<u64> {
    // What a link leads to, so that the link stays one.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let there = std::fs::metadata(&file).ok();
    if there.as_ref().is_some_and(Metadata::is_dir) {
        bail!("{} is a folder; give a file", file.display());
    }
    // A device or a pipe is written to, and not replaced by a file.
    let special = there.as_ref().is_some_and(|meta| !meta.is_file());
    let part = match special {
        true => file.clone(),
        false => PathBuf::from(format!("{}.part", file.display())),
    };
    let failed = |path: &Path| format!("{} cannot be written", path.display());
    let created = match special {
        true => File::options().write(true).open(&part),
        false => File::create(&part),
    };
    let created = created.with_context(|| failed(&part))?;
    if let Some(there) = there.filter(|_| !special) {
        // Who may not read the old one may not read the new one.
        created.set_permissions(there.permissions()).with_context(|| failed(&part))?;
    }
    let mut out = Named { out: BufWriter::new(created), name: part.display().to_string() };
    let written = async {
        let refused = write_all(client, args, kinds, &mut out).await?;
        out.flush()?;
        if !special {
            out.out.get_ref().sync_all().with_context(|| failed(&part))?;
            std::fs::rename(&part, &file).with_context(|| failed(&file))?;
        }
        Ok(refused)
    };
    let written = written.await;
    if written.is_err() && !special {
        // A part of a directory is of no use, and people's data.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// A writer whose errors say what could not be written.
struct Named<W> {
    out: W,
    name: String,
}

impl<W: Write> Named<W> {
    fn told<T>(&self, done: std::io::Result<T>) -> std::io::Result<T> {
        done.map_err(|error| {
            let text = format!("{} cannot be written: {error}", self.name);
            std::io::Error::new(error.kind(), text)
        })
    }
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.out.write(bytes);
        self.told(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.out.flush();
        self.told(done)
    }
}

/// Writes all types; gives the number of those that were refused.
async fn write_all(
    client: &Client,
    args: &ExportArgs,
    kinds: &[Kind],
    out: &mut impl Write,
) -> anyhow::Result<u64> {
    let mut refused = 0;
    for kind in kinds {
        let bar = progress::bar(Some(0), &kind.endpoint);
        let done = write_kind(client, args, kind, &bar, out).await;
        bar.finish_and_clear();
        match done {
            Ok(()) => {}
            Err(error) => match error.downcast_ref::<Error>() {
                Some(reason) if is_refusal(reason) || is_missing(reason) => {
                    progress::note(&bar, &format!("{}: {reason}", kind.endpoint));
                    refused += 1;
                }
                _ => return Err(error.context(format!("{} could not be read", kind.endpoint))),
            },
        }
    }
    if refused > 0 && refused == kinds.len() as u64 {
        bail!("nothing could be read; is the base URL right? It ends before /Users");
    }
    Ok(refused)
}

/// A type that is announced, or asked for, and not there.
fn is_missing(error: &Error) -> bool {
    error.status().is_some_and(|status| status.as_u16() == 404)
}

async fn write_kind(
    client: &Client,
    args: &ExportArgs,
    kind: &Kind,
    bar: &ProgressBar,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut list = client.resources(&kind.endpoint).list();
    if let Some(size) = args.page_size {
        list = list.count(size);
    }
    let mut pages = list.pages();
    while let Some(page) = pages.try_next().await? {
        if let Some(total) = page.about.total_results {
            bar.set_length(total);
        }
        for mut resource in page.resources {
            if kind.endpoint == "Groups" {
                complete_members(client, &mut resource, bar).await?;
            }
            name_type(&mut resource, &kind.name);
            serde_json::to_writer(&mut *out, &resource).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
            bar.inc(1);
        }
    }
    Ok(())
}

/// Not every server shows members in a list, and some show them nowhere.
async fn complete_members(
    client: &Client,
    group: &mut Resource,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let shown = group.get("members").is_some_and(|members| !members.values().is_empty());
    let returned = client.target().rules("Groups").members.returned;
    let Some(id) = group.id().map(str::to_owned) else { return Ok(()) };
    if shown || returned == Returned::Always {
        return Ok(());
    }
    if returned != Returned::Never {
        let alone = client.resources("Groups").get(&id).await?;
        if let Some(members) = alone.get("members") {
            group.set("members", members.clone());
        }
        return Ok(());
    }
    let current = client.membership(&id).current().await?;
    if !matches!(current, Current::Known(_)) {
        progress::note(
            bar,
            &format!("note: the server does not show all members of the group {id}"),
        );
    }
    let members = current.members().iter().map(|id| {
        let member: Object = [("value", id.as_str())].into_iter().collect();
        Value::Object(member)
    });
    let members: Vec<Value> = members.collect();
    if !members.is_empty() {
        group.set("members", members);
    }
    Ok(())
}

/// Makes sure that a line says which type it is.
fn name_type(resource: &mut Resource, name: &str) {
    let meta = resource.object_mut().entry("meta");
    if meta.as_object().is_none() {
        *meta = Value::Object(Object::new());
    }
    if let Some(meta) = meta.as_object_mut()
        && meta.get_str("resourceType").is_none()
    {
        meta.insert("resourceType", name);
    }
}
