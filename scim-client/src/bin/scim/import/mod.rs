//! `scim import FILE|-`.

mod journal;
mod line;
mod links;
mod lookup;
mod run;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use scim_client::Client;
use tokio::io::{AsyncBufRead, BufReader};

use crate::ended::{Ended, note};
use crate::input::{STDIN, shown};
use crate::types;
use journal::Journal;
use run::Run;

pub(crate) const EXAMPLES: &str = r#"Each line is a resource, as scim export writes it: its type is told by
meta.resourceType or schemas. The id of a line is a name by which other lines
refer to it, as members or manager; the server gives ids of its own. Lines may
refer to later ones and to each other. A reference to a name of no line is taken
for an id that the server knows. What only the server writes is left out.

What was done is kept in FILE.import-state until all is done. After an
interruption, or when refused lines were mended, --resume goes on there and
creates nothing twice. Without such a state, as with standard input, --resume
looks up each line by userName, externalId or displayName.

Examples:
  scim import directory.jsonl
  scim import directory.jsonl --dry-run
  scim import directory.jsonl --resume --jobs 16
  scim --profile old export | scim --profile new import -

Exit codes: 0 all done, 1 some lines refused (each is named), 2 could not run
or go on."#;

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// A file of JSON Lines, or - for standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Go on where an earlier import was interrupted
    #[arg(long)]
    resume: bool,
    /// Where it is kept how far the import is [default: FILE.import-state; none for standard input]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Requests at a time
    #[arg(short, long, default_value_t = 4, value_name = "N",
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256))]
    jobs: usize,
    /// Read and check the lines only; nothing is written to the server
    #[arg(long)]
    dry_run: bool,
}

impl ImportArgs {
    fn state(&self) -> Option<PathBuf> {
        match (&self.state, self.file.as_str()) {
            (Some(state), _) => Some(state.clone()),
            (None, STDIN) => None,
            (None, file) => Some(PathBuf::from(format!("{file}.import-state"))),
        }
    }
}

pub(crate) async fn run(client: &Client, args: ImportArgs) -> anyhow::Result<Ended> {
    let (input, size) = open(&args.file).await?;
    let state = args.state().filter(|_| !args.dry_run);
    if let Some(state) = &state
        && let (Ok(one), Ok(other)) = (state.canonicalize(), Path::new(&args.file).canonicalize())
        && one == other
    {
        bail!("{} is the input; give another file to --state", state.display());
    }
    let earlier = state.as_ref().is_some_and(|state| state.exists());
    if let Some(state) = state.as_ref().filter(|_| earlier && !args.resume) {
        bail!(
            "an earlier import was not finished; go on with --resume, or delete {} to begin anew",
            state.display()
        );
    }
    let registry = types::registry(client).await?;
    let looks_up = args.resume && !earlier;
    let journal =
        Journal::open(state.as_deref(), client.base_url().as_str(), &args.file, looks_up)?;
    let looks_up = journal.looks_up();
    let mut run = Run::new(client.clone(), registry, journal, args.jobs, looks_up, args.dry_run);
    let outcome = run.all(input, size).await;
    // Where nothing was begun there is nothing to go on from.
    let unfinished = (outcome.is_err() || run.refused() > 0) && run.has_begun();
    let kept = state.as_ref().filter(|_| unfinished);
    match (&state, kept) {
        (Some(_), Some(state)) => note(&format!(
            "{}: kept in {}; go on with --resume",
            if outcome.is_err() { "How far it came" } else { "What was done" },
            state.display()
        )),
        (Some(state), None) => std::fs::remove_file(state)
            .with_context(|| format!("{} cannot be removed", state.display()))?,
        (None, _) => {}
    }
    outcome?;
    note(&run.summary());
    Ok(Ended::with(run.refused()))
}

type Input = Box<dyn AsyncBufRead + Unpin + Send>;

/// The input, and its size where it is known.
async fn open(file: &str) -> anyhow::Result<(Input, Option<u64>)> {
    if file == STDIN {
        return Ok((Box::new(BufReader::new(tokio::io::stdin())), None));
    }
    let failed = || format!("{} cannot be read", shown(file));
    let opened = tokio::fs::File::open(file).await.with_context(failed)?;
    let meta = opened.metadata().await.with_context(failed)?;
    if meta.is_dir() {
        bail!("{file} is a folder, not a file of JSON Lines");
    }
    Ok((Box::new(BufReader::with_capacity(256 * 1024, opened)), Some(meta.len())))
}
