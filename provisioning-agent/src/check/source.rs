//! A source: whether it is reached, signed in to, and read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::StreamExt as _;
use scim_sync::connector::{
    Connector, ConnectorSchema, ImportChange, ImportMode, ImportRequest, ImportShape, SourceScope,
};
use scim_sync::{ConnectorError, ConnectorId};
use scim_sync_connectors::ldap::{
    ChangeTracking, Directory, LdapConfig, LdapConnector, LdapProbe, LdapServer,
};
use url::Url;

use super::certificate;
use super::{Place, Report, State};
use crate::clock;
use crate::config::{LdapSource, SignIn, SourceConfig, SourceKind};
use crate::connect;

/// So many objects are read at most, and for so long, to see that they can be.
const ENOUGH: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(5);
/// Kerberos bears five minutes, and so do those who compare logs.
const SKEW: i64 = 300;

/// Looks at a source and gives its schema, where it comes that far.
///
/// # Errors
/// Where the report cannot be printed.
pub async fn source(
    report: &mut Report,
    source: &SourceConfig,
    place: Place<'_>,
) -> Result<Option<ConnectorSchema>> {
    match &source.kind {
        SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap) => {
            directory(report, source, ldap, place).await
        }
        SourceKind::Csv(_) => match connect::source(source, place.folder, place.environment) {
            Ok(connector) => read(report, &source.name, connector.as_ref(), place).await,
            Err(error) => {
                report.add(State::Fail, &source.name, "files", error.to_string())?;
                Ok(None)
            }
        },
    }
}

async fn directory(
    report: &mut Report,
    source: &SourceConfig,
    ldap: &LdapSource,
    place: Place<'_>,
) -> Result<Option<ConnectorSchema>> {
    let about = source.name.as_str();
    let config = match connect::ldap(source, place.folder, place.environment) {
        Ok(config) => config,
        Err(error) => {
            report.add(State::Fail, about, "settings", error.to_string())?;
            return Ok(None);
        }
    };
    if let Some(path) = &config.ca_file
        && !certificate::of_file(report, about, path)?
    {
        return Ok(None);
    }
    let Some((probe, connector)) = signed_in(report, about, &config, ldap).await? else {
        return Ok(None);
    };
    changes(report, about, &config, &probe)?;
    clock_of(report, about, &probe)?;
    base(report, about, &config, &probe)?;
    read(report, about, &connector, place).await
}

/// Connects and signs in to every server: one that does not answer is in nobody's way until it is the last one.
async fn signed_in(
    report: &mut Report,
    about: &str,
    config: &LdapConfig,
    ldap: &LdapSource,
) -> Result<Option<(LdapProbe, LdapConnector)>> {
    let mut found = None;
    let mut failures = Vec::new();
    for server in &config.servers {
        if server.is_encrypted()
            && let Some((host, port)) = host_and_port(server)
        {
            certificate::shown_by(report, about, &host, port, server.start_tls).await?;
        }
        let alone = LdapConfig { servers: vec![server.clone()], ..config.clone() };
        let probed = match LdapConnector::new(alone) {
            Ok(connector) => connector.probe().await.map(|probe| (probe, connector)),
            Err(error) => Err(error),
        };
        match probed {
            Ok((probe, connector)) => {
                let how = match ldap.sign_in {
                    SignIn::Simple => "",
                    SignIn::Kerberos => " by Kerberos",
                };
                let text = format!("signed in to {} as {}{how}", server.url, ldap.bind_dn);
                report.add(State::Ok, about, "bind", text)?;
                found.get_or_insert((probe, connector));
            }
            // Another try elsewhere would only lock the account.
            Err(error @ ConnectorError::Credentials(_)) => {
                report.add(State::Fail, about, "bind", error.to_string())?;
                return Ok(None);
            }
            Err(error) => failures.push((server.url.clone(), error.to_string())),
        }
    }
    let state = if found.is_some() { State::Warn } else { State::Fail };
    for (url, text) in failures {
        let text = if text.contains(&url) { text } else { format!("{url}: {text}") };
        report.add(state, about, "server", text)?;
    }
    Ok(found)
}

fn host_and_port(server: &LdapServer) -> Option<(String, u16)> {
    let url = Url::parse(&server.url).ok()?;
    let usual = if url.scheme() == "ldaps" { 636 } else { 389 };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), url.port().unwrap_or(usual)))
}

/// Whether the server offers the way in which changes are to be found.
fn changes(report: &mut Report, about: &str, config: &LdapConfig, probe: &LdapProbe) -> Result<()> {
    let (good, text) = match config.directory {
        Directory::ActiveDirectory(ChangeTracking::DirSync { .. }) if probe.dirsync => {
            (true, "the server offers DirSync")
        }
        Directory::ActiveDirectory(ChangeTracking::DirSync { .. }) => (
            false,
            "the server does not offer DirSync: set changes = \"usn-changed\", or name a domain controller",
        ),
        Directory::ActiveDirectory(ChangeTracking::UsnChanged) if probe.dirsync => (
            true,
            "found by uSNChanged, as configured; the server offers DirSync too, which also tells what lost rights or members",
        ),
        Directory::ActiveDirectory(ChangeTracking::UsnChanged) => (true, "found by uSNChanged"),
        Directory::OpenLdap if probe.content_sync => {
            (true, "the server offers content synchronisation (syncprov)")
        }
        Directory::OpenLdap => (
            false,
            "the server does not offer content synchronisation: load the overlay syncprov for this database",
        ),
    };
    report.add(if good { State::Ok } else { State::Fail }, about, "changes", text)
}

fn clock_of(report: &mut Report, about: &str, probe: &LdapProbe) -> Result<()> {
    let Some(theirs) = probe.clock else {
        return report.add(State::Ok, about, "clock", "the server does not tell its time");
    };
    // What it tells has whole seconds.
    let seconds = (clock::now() - theirs).num_seconds().abs();
    let (state, text) = if seconds > SKEW {
        let text = format!(
            "the clocks of {} and of this machine are {seconds} s apart: have both follow the same time server (NTP)",
            probe.server
        );
        (State::Warn, text)
    } else {
        (State::Ok, format!("{seconds} s apart"))
    };
    report.add(state, about, "clock", text)
}

/// Whether the base is in one of the server's trees.
fn base(report: &mut Report, about: &str, config: &LdapConfig, probe: &LdapProbe) -> Result<()> {
    let held = probe
        .naming_contexts
        .iter()
        .any(|context| scim_sync_connectors::ldap::dn::is_within(&config.base, context));
    if held || probe.naming_contexts.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the server does not hold {}; it holds {}: set base to one of them",
        config.base,
        super::few(probe.naming_contexts.iter().map(String::as_str))
    );
    report.add(State::Fail, about, "base", text)
}

/// Reads the schema, and the first objects: so the rights to read changes, the base and the places of the scope are tried
/// and not guessed.
async fn read(
    report: &mut Report,
    about: &str,
    connector: &dyn Connector,
    place: Place<'_>,
) -> Result<Option<ConnectorSchema>> {
    let schema = match connector.schema().await {
        Ok(schema) => schema,
        Err(error) => {
            report.add(State::Fail, about, "schema", error.to_string())?;
            return Ok(None);
        }
    };
    let attributes = schema.types.values().map(|kind| kind.attributes.len()).max().unwrap_or(0);
    let types: Vec<&str> = schema.types.keys().map(|name| name.as_str()).collect();
    let text = format!("{attributes} attributes for {}", types.join(", "));
    report.add(State::Ok, about, "schema", text)?;
    let shape = match place.rules {
        Some(rules) => rules.shape(&ConnectorId::new(about)),
        // Whether objects can be read shows without their attributes too.
        None => ImportShape {
            types: schema.types.keys().map(|name| (name.clone(), Vec::new())).collect(),
        },
    };
    if shape.types.is_empty() {
        report.add(State::Warn, about, "read", "no rule reads from this source")?;
        return Ok(Some(schema));
    }
    let mut pages = connector.import(ImportRequest { mode: ImportMode::Full, shape });
    let mut counts = Counts::default();
    let began = Instant::now();
    let mut cut = false;
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => counts.add(&page.changes),
            Err(error) => {
                report.add(State::Fail, about, "read", mended(&error))?;
                return Ok(Some(schema));
            }
        }
        if counts.told >= ENOUGH || began.elapsed() > PATIENCE {
            cut = true;
            break;
        }
    }
    let state = if counts.taken.is_empty() { State::Warn } else { State::Ok };
    report.add(state, about, "read", counts.told(cut))?;
    Ok(Some(schema))
}

/// What was read.
#[derive(Debug, Default)]
struct Counts {
    told: usize,
    taken: BTreeMap<String, usize>,
    left_out: usize,
}

impl Counts {
    fn add(&mut self, changes: &[ImportChange]) {
        for change in changes {
            if let ImportChange::Object(object) = change {
                self.told += 1;
                match object.scope {
                    SourceScope::In => {
                        *self.taken.entry(object.object_type.to_string()).or_default() += 1;
                    }
                    SourceScope::Out(_) => self.left_out += 1,
                }
            }
        }
    }

    fn told(&self, cut: bool) -> String {
        let taken: Vec<String> =
            self.taken.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let taken = match (taken.is_empty(), cut) {
            (false, _) => taken.join(", "),
            (true, true) => "none of the first objects".to_owned(),
            (true, false) => {
                "nothing: look at base and scope, and at what the account that reads may see"
                    .to_owned()
            }
        };
        let among = if cut {
            format!(" among the first {}, and more to come", self.told)
        } else {
            String::new()
        };
        format!("in scope of the source: {taken}{among}; {} left out", self.left_out)
    }
}

/// An error of a read, with what grants the right that it speaks of.
fn mended(error: &ConnectorError) -> String {
    match error {
        ConnectorError::Forbidden(text) if text.contains("ordinary rights") => {
            format!("{text}; the latter is changes = \"dir-sync-ordinary\" here")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use scim_sync::AttributeSet;
    use scim_sync::connector::ImportedObject;

    use super::*;

    fn object(scope: SourceScope) -> ImportChange {
        ImportChange::Object(ImportedObject {
            anchor: "a".into(),
            dn: None,
            object_type: "user".into(),
            scope,
            attributes: AttributeSet::new(),
            references: BTreeMap::new(),
            version: None,
        })
    }

    #[test]
    fn what_was_read_is_counted_by_type() {
        let mut counts = Counts::default();
        counts
            .add(&[object(SourceScope::In), object(SourceScope::Out("it is critical".to_owned()))]);
        assert_eq!(counts.told(false), "in scope of the source: 1 user; 1 left out");
        assert!(counts.told(true).contains("the first 2"));
        assert!(Counts::default().told(false).contains("nothing: look at base"));
    }

    #[test]
    fn where_a_server_listens() {
        let at = |url: &str| host_and_port(&LdapServer::new(url));
        assert_eq!(at("ldaps://dc1.corp.example"), Some(("dc1.corp.example".to_owned(), 636)));
        assert_eq!(at("ldap://[::1]:3389"), Some(("::1".to_owned(), 3389)));
        assert_eq!(at("ldap://10.0.0.1"), Some(("10.0.0.1".to_owned(), 389)));
    }

    #[test]
    fn what_a_lacking_right_can_be_replaced_by_is_named() {
        let lacking = "give it the right \"Replicating Directory Changes\", or have it read with its ordinary rights";
        let text = mended(&ConnectorError::Forbidden(lacking.to_owned()));
        assert!(text.contains("dir-sync-ordinary"), "{text}");
        let other = mended(&ConnectorError::Forbidden("it may not read the schema".to_owned()));
        assert_eq!(other, "it may not read the schema");
    }
}
