//! `provisioning-service logs`: what was done to whom, as people read it or as JSON lines.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use scim_sync::plan::one_line;

use super::Parts;
use crate::agents::delta;
use crate::cli::LogsCommand;
use crate::config::Config;
use crate::logs::{ProvisioningObjectSummary, told};
use crate::records::{Journal, LogOrder, LogQuery, Logged};

/// Entries that are read at a time.
const PAGE: usize = 1000;
/// How often it is looked for what is new.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn logs(config: &Config, asked: LogsCommand) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let tenant = &asked.of.tenant;
    let query = LogQuery {
        job: asked.job,
        object: asked.object,
        action: asked.action,
        status: asked.status,
        since: asked.since.map(|back| parts.clock.now() - delta(back)),
        ..LogQuery::default()
    };
    let mut last = None;
    if asked.all {
        let mut query = LogQuery { order: LogOrder::OldestFirst, limit: PAGE, ..query.clone() };
        loop {
            let page = parts.records.log(tenant, Journal::Provisioning, &query).await?;
            last = page.last().map(|logged| logged.sequence).or(last);
            query.after = last;
            let ended = page.len() < PAGE;
            if !print(page, asked.json)? {
                return Ok(ExitCode::SUCCESS);
            }
            if ended {
                break;
            }
        }
    } else {
        let newest = LogQuery { limit: asked.limit, ..query.clone() };
        let mut page = parts.records.log(tenant, Journal::Provisioning, &newest).await?;
        page.reverse();
        last = page.last().map(|logged| logged.sequence);
        if page.is_empty() && !asked.follow {
            eprintln!("nothing is in the log that fits");
        }
        if !print(page, asked.json)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !asked.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let mut query = LogQuery { order: LogOrder::OldestFirst, limit: PAGE, ..query };
    loop {
        tokio::time::sleep(LOOK).await;
        query.after = last;
        let page = parts.records.log(tenant, Journal::Provisioning, &query).await?;
        last = page.last().map(|logged| logged.sequence).or(last);
        if !print(page, asked.json)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Prints entries; whether somebody still reads them.
fn print(entries: Vec<Logged>, json: bool) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let written = entries.into_iter().try_for_each(|logged| {
        let line = if json { told(logged).to_string() } else { line(&logged) };
        writeln!(out, "{line}")
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        done => Ok(done.map(|()| true)?),
    }
}

/// An entry as people read it. What it tells comes from directories and targets: nothing in it reaches the terminal as a
/// control character.
fn line(logged: &Logged) -> String {
    let entry = &logged.entry;
    let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let told = serde_json::from_value::<ProvisioningObjectSummary>(entry.body.clone());
    let (name, more) = match told {
        Ok(told) => {
            let name = [&told.source_identity, &told.target_identity]
                .into_iter()
                .map(|identity| identity.display_name.as_str())
                .find(|name| !name.is_empty())
                .unwrap_or(&entry.object)
                .to_owned();
            let changed: Vec<&str> =
                told.modified_properties.iter().map(|it| it.display_name.as_str()).collect();
            let why = told.provisioning_status_info.error_information.map(|error| error.reason);
            (name, why.unwrap_or_else(|| changed.join(", ")))
        }
        // Written by another version: what a search finds it by is there in any case.
        Err(_) => (entry.object.clone(), String::new()),
    };
    let (action, status) = (&entry.action, &entry.status);
    one_line(format!("{at}  {status:<8} {action:<13} {name}  {more}").trim_end()).to_string()
}
