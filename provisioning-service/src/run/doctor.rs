//! `provisioning-service doctor`: is everything there, and what to mend. It changes nothing.

use std::process::ExitCode;
use std::sync::Arc;

use scim_postgres::Address;

use crate::agents::{AgentState, Agents, Lifetimes};
use crate::authority::Authority;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, TlsMode};
use crate::records::{Key, PostgresRecords, Records, RecordsError, SqliteRecords};
use crate::seal::Sealer;
use crate::tenant::TenantId;
use crate::tls;
use crate::tokens::Tokens;

/// What was found, line by line.
#[derive(Default)]
pub(super) struct Report {
    faults: usize,
}

impl Report {
    pub(super) fn good(&mut self, text: &str) {
        println!("ok     {text}");
    }

    pub(super) fn odd(&mut self, text: &str) {
        println!("note   {text}");
    }

    pub(super) fn bad(&mut self, text: &str) {
        self.faults += 1;
        println!("FAULT  {text}");
    }
}

/// Leaves with 1 when something is wrong.
pub(super) async fn doctor(config: &Config) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    check(config, &mut report).await?;
    Ok(if report.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(config: &Config, report: &mut Report) -> anyhow::Result<()> {
    let data = config.data.display();
    let is_kept_here = config.database.is_none();
    if is_kept_here && !config.records_path().exists() {
        report.odd(&format!("there is nothing in {data} yet; `serve` makes it"));
        return Ok(());
    }
    let shared = match &config.database {
        None => None,
        Some(address) => match database(address, report).await {
            Some(records) => Some(records),
            None => return Ok(()),
        },
    };
    if let Some(records) = &shared
        && !super::authority_is_there(records).await?
    {
        report.odd(NOTHING_YET);
        return Ok(());
    }
    let sealer = match &config.seal_key {
        Some(key) => Sealer::parse(key),
        None if !config.key_path().exists() => {
            report
                .bad(&format!("the key file {} is gone; put it back", config.key_path().display()));
            return Ok(());
        }
        None => Sealer::load_or_make(&config.key_path()).map(|(sealer, _)| sealer),
    };
    let sealer = match sealer {
        Ok(sealer) => sealer,
        Err(error) => {
            report.bad(&error.to_string());
            return Ok(());
        }
    };
    report.good("the key that seals secrets can be read by its owner only");
    let records: Arc<dyn Records> = match shared {
        Some(records) => Arc::new(records),
        None => match SqliteRecords::open(&config.records_path()) {
            Ok(records) => {
                report.good(&format!("the records in {data} can be opened"));
                Arc::new(records)
            }
            Err(error) => {
                report.bad(&error.to_string());
                return Ok(());
            }
        },
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let kept = records.get(&Key::new(&TenantId::service(), "authority", "1")).await?;
    if kept.is_none() {
        report.odd("there is no certificate authority yet; `serve` makes it");
        return Ok(());
    }
    let authority = match Authority::open_or_make(&*records, &sealer, clock.now()).await {
        Ok(authority) => Arc::new(authority),
        Err(error) => {
            report.bad(&error.to_string());
            return Ok(());
        }
    };
    report.good("the certificate authority can sign");
    match tls::server(config, Arc::clone(&authority), Arc::clone(&clock)) {
        Ok(Some(_)) => report.good("the certificate for TLS can be used"),
        Ok(None) => {
            report.odd("TLS ends in a proxy: it must pass Authorization on, and WebSockets")
        }
        Err(error) => report.bad(&error.to_string()),
    }
    if config.tls == TlsMode::Off && !config.listen.ip().is_loopback() {
        report.odd(&format!("{} is open to the network without TLS", config.listen));
    }
    if config.public_url.is_none() {
        report.odd("no public_url: agents are told the address listened on");
    }
    people(config, &records, &clock, authority, report).await
}

const NOTHING_YET: &str = "there is nothing in the database yet; `serve` makes it";

/// Whether the tables of a database are those of this version. They are looked at and not brought to it.
async fn tables(address: &Address, report: &mut Report) -> Result<bool, RecordsError> {
    let [records, states] = PostgresRecords::tables(address).await?;
    let all = [("the records", records), ("the states of jobs", states)];
    if all.iter().all(|(_, tables)| tables.found.is_none()) {
        report.odd(NOTHING_YET);
        return Ok(false);
    }
    for (what, tables) in all {
        let known = tables.known;
        match tables.found {
            Some(found) if found == known => {
                report.good(&format!("the tables of {what} are of version {found}"));
            }
            Some(found) if found > known => report.bad(&format!(
                "the tables of {what} are of version {found}, and this program knows {known}: use the newer program that was \
                 there before"
            )),
            found => {
                let found = found.map_or_else(|| "not there".to_owned(), |it| format!("of version {it}"));
                report.odd(&format!(
                    "the tables of {what} are {found}; the next `serve` brings them to version {known}, and what is in them is \
                     looked at then"
                ));
            }
        }
    }
    Ok(all.iter().all(|(_, tables)| tables.are_current()))
}

/// The records in a database, and whether its clock is this one's.
async fn database(address: &Address, report: &mut Report) -> Option<PostgresRecords> {
    match tables(address, report).await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => {
            report.bad(&error.to_string());
            return None;
        }
    }
    let found = async {
        let records = PostgresRecords::open(address).await?;
        let skew = super::skew(&records, &SystemClock::new()).await?;
        Ok::<_, RecordsError>((records, skew))
    };
    match found.await {
        Ok((records, skew)) => {
            report.good(&format!("the database {address} can be used"));
            if skew.abs() > super::SKEW {
                let ahead = skew.num_seconds();
                report.bad(&format!("this clock is {ahead} s ahead of the database's: set both"));
            }
            Some(records)
        }
        Err(error) => {
            report.bad(&error.to_string());
            None
        }
    }
}

/// Those who may enter: administrators and agents.
async fn people(
    config: &Config,
    records: &Arc<dyn Records>,
    clock: &Arc<dyn Clock>,
    authority: Arc<Authority>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let now = clock.now();
    let tokens = Tokens::new(Arc::clone(records), Arc::clone(clock)).list(None).await?;
    let live = tokens.iter().filter(|(_, token)| {
        token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now)
    });
    let tenants: std::collections::BTreeSet<&TenantId> =
        live.map(|(_, token)| &token.tenant).collect();
    if tenants.is_empty() {
        report.bad("no administrator can enter: provisioning-service token create --name NAME");
    }
    let lifetimes = Lifetimes::from(config);
    let agents = Agents::new(Arc::clone(records), Arc::clone(clock), authority, lifetimes);
    let all: Vec<TenantId> = tenants.iter().map(|tenant| (*tenant).clone()).collect();
    super::notify::examine(config, &**records, &all, report).await?;
    for tenant in tenants {
        for (id, agent) in agents.list(tenant).await? {
            let name = format!("agent {} ({id}) of {tenant}", agent.name);
            match agent.state(now, &lifetimes) {
                AgentState::Active => report.good(&format!("{name} is active")),
                AgentState::Inactive => {
                    report.bad(&format!("{name} was last heard of at {}", agent.last_seen()));
                }
                AgentState::Removed | AgentState::Revoked => continue,
            }
            if agent.clock_ahead.abs() > 300 {
                let which = if agent.clock_ahead > 0 { "ahead of" } else { "behind" };
                let seconds = agent.clock_ahead.abs();
                report.bad(&format!(
                    "{name}: its clock is {seconds} s {which} this machine's: have both follow a time server (NTP)"
                ));
            }
            if agent.groups.is_empty() {
                report.odd(&format!("{name} answers for no group"));
            }
        }
        for (group, _) in agents.group_list(tenant).await? {
            let all = agents.list(tenant).await?;
            let active = all.iter().any(|(_, agent)| {
                agent.groups.contains(&group) && agent.state(now, &lifetimes) == AgentState::Active
            });
            if !active {
                report.bad(&format!("no active agent answers for the group {group} of {tenant}"));
            }
        }
    }
    Ok(())
}
