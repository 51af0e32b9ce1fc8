//! `status` and `doctor` of a managed agent.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::{doctor, print};
use crate::check::{self, Place, Report, State};
use crate::cli::Shown;
use crate::clock;
use crate::config::{ManagedConfig, Process, SourceKind};
use crate::exit::Exit;
use crate::identity::IdentityFolder;
use crate::managed::{self, Status};
use crate::state;

pub(super) fn status(config: &ManagedConfig, shown: &Shown) -> Result<Exit> {
    let folder = IdentityFolder::new(config.identity());
    let identity = folder.current()?;
    let runs = state::lock(folder.path(), "").is_err();
    let last = Status::read(folder.path());
    let validity = identity.validity();
    let document = json!({
        "service": config.settings.service,
        "agent": identity.about.agent_id,
        "tenant": identity.about.tenant,
        "certificate": {
            "from": validity.map(|(from, _)| from),
            "until": validity.map(|(_, until)| until),
            "renewAfter": identity.about.renew_after,
        },
        "runs": runs,
        "last": last,
    });
    if shown.json {
        print(format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        print(readable(&document, last.as_ref(), runs))?;
    }
    Ok(Exit::Done)
}

fn readable(document: &Value, last: Option<&Status>, runs: bool) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut out = format!(
        "agent {} of tenant {}, managed by {}\ncertificate until {}, to be renewed after {}\n",
        text(&document["agent"]),
        text(&document["tenant"]),
        text(&document["service"]),
        text(&document["certificate"]["until"]),
        text(&document["certificate"]["renewAfter"]),
    );
    match (runs, last) {
        (true, Some(last)) => {
            let by = last.transport.as_ref().map(|transport| format!(" by {transport}"));
            out.push_str(&format!(
                "{}{} since {}\n",
                last.link,
                by.unwrap_or_default(),
                last.since
            ));
        }
        (true, None) => out.push_str("it runs\n"),
        (false, Some(last)) if last.link == "unwanted" => {
            out.push_str(&format!(
                "it does not run: the service did not want it at {}\n",
                last.since
            ));
        }
        (false, _) => out.push_str("it does not run: systemctl start provisioning-agent\n"),
    }
    let Some(last) = last else { return out };
    match last.last_bootstrap {
        Some(at) => out.push_str(&format!("last bootstrap {at}\n")),
        None => out.push_str("no bootstrap yet\n"),
    }
    if last.last_bootstrap.is_some() {
        match &last.groups[..] {
            [] => out.push_str("in no group: it gets no work\n"),
            groups => out.push_str(&format!("answers for {}\n", groups.join(", "))),
        }
    }
    if last.clock_offset_seconds != 0 {
        out.push_str(&format!(
            "this machine's clock is {} s off\n",
            last.clock_offset_seconds.abs()
        ));
    }
    if let Some(trouble) = &last.trouble {
        out.push_str(&format!("trouble: {trouble}\n"));
    }
    out
}

pub(super) fn doctor(config: &ManagedConfig, shown: &Shown) -> Result<Exit> {
    let mut report = Report::new(!shown.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examine(config, &mut report))?;
    doctor::verdict(
        &report,
        shown,
        "All is well. `run` keeps the link.",
        ("The agent can work", "the agent can work"),
    )
}

async fn examine(config: &ManagedConfig, report: &mut Report) -> Result<()> {
    let settings = &config.settings;
    let names: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
    let file = format!(
        "{}: managed by {}; directories {}",
        config.path.display(),
        settings.service,
        names.join(", ")
    );
    report.add(State::Ok, "configuration", "file", file)?;
    if identity(config, report)? {
        let (state, check, text) = managed::examine(config).await;
        report.add(state, "service", check, text)?;
    }
    let place = Place { folder: config.folder(), environment: &Process, rules: None };
    for source in &settings.sources {
        let readable = match &source.kind {
            SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap) => {
                check::secret(report, &source.name, &ldap.password, place)?
            }
            SourceKind::Csv(_) => true,
        };
        if readable {
            check::source(report, source, place).await?;
        }
    }
    Ok(())
}

/// Whether there is an identity, nobody else can take it, and its certificate is good for a while.
fn identity(config: &ManagedConfig, report: &mut Report) -> Result<bool> {
    let folder = IdentityFolder::new(config.identity());
    let found = folder.current().and_then(|identity| Ok((identity, folder.key_file()?)));
    let (identity, key) = match found {
        Ok(found) => found,
        Err(error) => {
            report.add(State::Fail, "identity", "key", error.to_string())?;
            return Ok(false);
        }
    };
    let shown = key.display();
    if check::is_open(&key) {
        let text = format!(
            "others on this machine can read {shown}, and be this agent: chmod 600 {shown}, and have the administrator revoke it if somebody did"
        );
        report.add(State::Fail, "identity", "key", text)?;
    } else if let Some(error) = unwritable(folder.path()) {
        let text = format!(
            "{} cannot be written to ({error}), so the certificate cannot be renewed: it has to belong to the user that the agent runs as",
            folder.path().display()
        );
        report.add(State::Fail, "identity", "key", text)?;
    } else {
        report.add(State::Ok, "identity", "key", format!("{shown}, for this user alone"))?;
    }
    let about = &identity.about;
    let Some((from, until)) = identity.validity() else {
        report.add(State::Fail, "identity", "certificate", "it cannot be read: run setup again")?;
        return Ok(false);
    };
    let (now, day) = (clock::now(), until.date_naive());
    let (state, text) = if now >= until {
        (State::Fail, format!("expired on {day}: get a new code and run `setup --force`"))
    } else if now < from {
        (
            State::Fail,
            format!("is valid from {} only: look at this machine's clock", from.date_naive()),
        )
    } else if now > about.renew_after + chrono::TimeDelta::days(1) {
        let text = format!(
            "is good until {day} and should have been renewed on {}: does the agent run?",
            about.renew_after.date_naive()
        );
        (State::Warn, text)
    } else {
        let text =
            format!("good until {day}, renewed by itself after {}", about.renew_after.date_naive());
        (State::Ok, text)
    };
    let text = format!("agent {} of tenant {}: {text}", about.agent_id, about.tenant);
    report.add(state, "identity", "certificate", text)?;
    Ok(now < until)
}

fn unwritable(folder: &Path) -> Option<std::io::Error> {
    tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder).err()
}
