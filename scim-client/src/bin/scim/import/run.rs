//! Carries an import out: creates line by line, then makes the references that had to wait.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use scim_client::scim_core::Registry;
use scim_client::target::membership::MemberLimits;
use scim_client::{Client, Error};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::Input;
use super::journal::{Before, Journal};
use super::line::{Line, Link};
use super::links::{self, Deferred, Named, Names};
use super::lookup::{lookup, unclaimed};
use crate::ended::{is_refusal, no_endpoint};
use crate::input::{BOM, is_utf_16};
use crate::progress;

/// An import on its way.
pub(super) struct Run {
    client: Client,
    registry: Registry,
    journal: Journal,
    jobs: usize,
    /// Whether lines of which nothing is known may be there already.
    looks_up: bool,
    dry: bool,
    names: Names,
    /// Ids that lines stand for.
    claimed: BTreeSet<String>,
    deferred: Vec<Deferred>,
    /// By type.
    created: BTreeMap<String, u64>,
    known: u64,
    refused: BTreeSet<u64>,
}

/// What became of a line that was sent.
struct Sent {
    line: u64,
    endpoint: String,
    name: Option<String>,
    waiting: Vec<Link>,
    outcome: Result<String, Error>,
}

/// Bytes of a line: a group with a million members has fewer.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Refuses a file of which every line would be refused.
fn check_first(text: &[u8]) -> anyhow::Result<()> {
    if is_utf_16(text) {
        anyhow::bail!("the input is UTF-16; make it UTF-8");
    }
    if text.starts_with(b"[") || text == b"{" {
        anyhow::bail!(
            "the input is JSON, but not a resource a line; for an array, `jq -c '.[]'` makes lines of it"
        );
    }
    Ok(())
}

type Sending = FuturesUnordered<BoxFuture<'static, Sent>>;

impl Run {
    pub(super) fn new(
        client: Client,
        registry: Registry,
        journal: Journal,
        jobs: usize,
        looks_up: bool,
        dry: bool,
    ) -> Self {
        let claimed = journal.ids().map(str::to_owned).collect();
        Self {
            client,
            registry,
            journal,
            jobs,
            looks_up,
            dry,
            names: Names::new(),
            claimed,
            deferred: Vec::new(),
            created: BTreeMap::new(),
            known: 0,
            refused: BTreeSet::new(),
        }
    }

    /// Whether the state says of any line that it was created, or may have been.
    pub(super) fn has_begun(&self) -> bool {
        self.journal.has_begun()
    }

    /// Lines that were refused, or some of whose references were.
    pub(super) fn refused(&self) -> u64 {
        self.refused.len() as u64
    }

    /// What was done, in words.
    pub(super) fn summary(&self) -> String {
        let created: Vec<String> =
            self.created.iter().map(|(endpoint, number)| format!("{number} {endpoint}")).collect();
        let created = if created.is_empty() { "nothing".to_owned() } else { created.join(", ") };
        let mut text = match self.dry {
            true => format!("would create {created}"),
            false => format!("created {created}"),
        };
        if self.known > 0 {
            text.push_str(&format!("; {} were there from before", self.known));
        }
        match self.refused.len() {
            0 => {}
            1 => text.push_str("; 1 line refused"),
            n => text.push_str(&format!("; {n} lines refused")),
        }
        text
    }

    /// Does it all.
    ///
    /// # Errors
    /// When it cannot go on. What concerns one line is told, and the others go on.
    pub(super) async fn all(&mut self, input: Input, size: Option<u64>) -> anyhow::Result<()> {
        let bar = progress::bar(size, "Creating");
        let mut sending = Sending::new();
        let outcome = self.lines(input, &bar, &mut sending).await;
        // What is on its way is waited for, whatever happened: its ids are needed to go on later.
        let mut first = outcome.err();
        while let Some(sent) = sending.next().await {
            if let Err(error) = self.arrived(sent, &bar) {
                first.get_or_insert(error);
            }
        }
        bar.finish_and_clear();
        match first {
            Some(error) => Err(error),
            None => self.references().await,
        }
    }

    async fn lines(
        &mut self,
        mut input: Input,
        bar: &ProgressBar,
        sending: &mut Sending,
    ) -> anyhow::Result<()> {
        let mut text = Vec::new();
        let mut last = String::new();
        let mut first = true;
        for number in 1.. {
            text.clear();
            let read = (&mut input).take(LONGEST + 1).read_until(b'\n', &mut text).await;
            let read = read.with_context(|| format!("line {number} cannot be read"))? as u64;
            if read == 0 {
                break;
            }
            if read > LONGEST {
                anyhow::bail!("line {number} is longer than {LONGEST} bytes: is this JSON Lines?");
            }
            bar.inc(read);
            let mut text = text.trim_ascii();
            if number == 1 {
                text = text.strip_prefix(BOM).unwrap_or(text);
            }
            if text.is_empty() {
                continue;
            }
            if std::mem::take(&mut first) {
                check_first(text)?;
            }
            let line = match Line::read(number, text, &self.registry) {
                Ok(line) => line,
                Err(why) => {
                    self.refuse(number, &why, bar);
                    continue;
                }
            };
            // What another type refers to is there, so that groups are created with their members.
            while sending.len() >= self.jobs || (line.endpoint != last && !sending.is_empty()) {
                if let Some(sent) = sending.next().await {
                    self.arrived(sent, bar)?;
                }
            }
            last.clone_from(&line.endpoint);
            self.line(line, bar, sending).await?;
        }
        Ok(())
    }

    async fn line(
        &mut self,
        mut line: Line,
        bar: &ProgressBar,
        sending: &mut Sending,
    ) -> anyhow::Result<()> {
        let number = line.number;
        if let Some(name) = &line.name {
            if let Some(other) = self.names.get(name) {
                let why = format!("its id {name} is that of line {} too", other.line);
                self.refuse(number, &why, bar);
                return Ok(());
            }
            self.names.insert(name.clone(), Named { line: number, id: None });
        }
        if self.dry {
            self.stands_for(&line.name, format!("(line {number})"));
            *self.created.entry(line.endpoint).or_default() += 1;
            return Ok(());
        }
        let begun = match self.journal.before(number) {
            Before::Made { name, id, whole } => {
                if name != line.name {
                    anyhow::bail!(
                        "line {number} is another one than when the import was begun; the state does not fit the file"
                    );
                }
                self.known += 1;
                self.stands_for(&line.name, id.clone());
                if !whole {
                    self.defer(number, line.endpoint, id, line.links);
                }
                return Ok(());
            }
            Before::Begun => true,
            Before::Nothing => self.looks_up,
        };
        if begun && self.was_there(&mut line, bar).await? {
            return Ok(());
        }
        let limits = MemberLimits::of(self.client.target());
        let waiting = links::put_known(&mut line, &self.names, &limits);
        self.journal.begun(number)?;
        let client = self.client.clone();
        sending.push(Box::pin(async move {
            let create = client.resources(&line.endpoint).create(&line.resource).await;
            let outcome = create.and_then(|written| written.id().map(str::to_owned));
            let Line { number, endpoint, name, .. } = line;
            Sent { line: number, endpoint, name, waiting, outcome }
        }));
        Ok(())
    }

    /// Whether the line was created by the interrupted import, or need not be created now.
    async fn was_there(&mut self, line: &mut Line, bar: &ProgressBar) -> anyhow::Result<bool> {
        let found = match lookup(&self.client, line).await {
            Ok(found) => found,
            Err(error) if is_refusal(&error) => {
                let why = format!("it may be there already, and cannot be looked up: {error}");
                self.refuse(line.number, &why, bar);
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(found) = found else {
            let why = "it may be there already, and has no userName, externalId or displayName to look it up by";
            self.refuse(line.number, why, bar);
            return Ok(true);
        };
        let Some(id) = unclaimed(found, &self.claimed) else { return Ok(false) };
        self.known += 1;
        let links = std::mem::take(&mut line.links);
        self.journal.made(line.number, line.name.as_deref(), &id, links.is_empty())?;
        self.stands_for(&line.name, id.clone());
        self.defer(line.number, line.endpoint.clone(), id, links);
        Ok(true)
    }

    fn stands_for(&mut self, name: &Option<String>, id: String) {
        if let Some(named) = name.as_ref().and_then(|name| self.names.get_mut(name)) {
            named.id = Some(id.clone());
        }
        self.claimed.insert(id);
    }

    fn defer(&mut self, line: u64, endpoint: String, id: String, links: Vec<Link>) {
        if !links.is_empty() {
            self.deferred.push(Deferred { line, endpoint, id, links });
        }
    }

    fn refuse(&mut self, line: u64, why: &str, bar: &ProgressBar) {
        self.refused.insert(line);
        progress::note(bar, &format!("line {line}: {why}"));
    }

    /// An answer, or none.
    fn arrived(&mut self, sent: Sent, bar: &ProgressBar) -> anyhow::Result<()> {
        match sent.outcome {
            Ok(id) => {
                self.journal.made(sent.line, sent.name.as_deref(), &id, sent.waiting.is_empty())?;
                self.stands_for(&sent.name, id.clone());
                *self.created.entry(sent.endpoint.clone()).or_default() += 1;
                self.defer(sent.line, sent.endpoint, id, sent.waiting);
                Ok(())
            }
            Err(error) if is_refusal(&error) => {
                if self.created.is_empty()
                    && self.known == 0
                    && let Some(error) = no_endpoint(&error)
                {
                    self.journal.refused(sent.line)?;
                    return Err(error);
                }
                // What may have been done stays begun, and is looked up when the import goes on.
                if !error.may_have_been_done() {
                    self.journal.refused(sent.line)?;
                }
                self.refuse(sent.line, &error.to_string(), bar);
                Ok(())
            }
            Err(error) => {
                if !error.may_have_been_done() {
                    self.journal.refused(sent.line)?;
                }
                Err(anyhow::Error::from(error).context(format!("line {}", sent.line)))
            }
        }
    }

    /// Makes the references that had to wait.
    async fn references(&mut self) -> anyhow::Result<()> {
        if self.dry {
            return Ok(());
        }
        let deferred = std::mem::take(&mut self.deferred);
        let bar = progress::bar(Some(deferred.len() as u64), "Referring");
        let mut todo = deferred.into_iter();
        let mut making = FuturesUnordered::new();
        let mut first: Option<anyhow::Error> = None;
        loop {
            while making.len() < self.jobs
                && first.is_none()
                && let Some(mut one) = todo.next()
            {
                let (missing, own) = links::settle(&mut one, &self.names);
                let client = self.client.clone();
                making.push(async move {
                    let line = one.line;
                    let made = links::make(&client, one, &own).await;
                    (line, made.map(|refused| [missing, refused].concat()))
                });
            }
            let Some((line, made)) = making.next().await else { break };
            bar.inc(1);
            match made {
                Ok(refused) if refused.is_empty() => self.journal.linked(line)?,
                Ok(refused) => {
                    for why in refused {
                        self.refuse(line, &why, &bar);
                    }
                }
                Err(error) => {
                    let error = anyhow::Error::from(error).context(format!("line {line}"));
                    first.get_or_insert(error);
                }
            }
        }
        bar.finish_and_clear();
        match first {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
