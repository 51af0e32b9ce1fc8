//! The commands for tokens, agents and groups. They work on the data folder, beside a running service or without one.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::ExposeSecret as _;

use super::Parts;
use crate::agents::{AgentState, CodeSpec, delta};
use crate::audit::Actor;
use crate::cli::{AgentCommand, GroupCommand, TokenCommand};
use crate::config::Config;
use crate::tokens::{TokenSpec, Tokens};

pub(super) async fn token(config: &Config, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let tokens = Tokens::new(Arc::clone(&parts.records), Arc::clone(&parts.clock));
    let now = parts.clock.now();
    match command {
        TokenCommand::Create { of, role, name, expires } => {
            let expires = expires.map(|lifetime| now + delta(lifetime));
            let spec = TokenSpec { name, role, expires };
            let made = tokens.create(&Actor::Program, &of.tenant, spec).await?;
            eprintln!(
                "Token {} for the tenant {} ({role}). It is shown this once:",
                made.id, of.tenant
            );
            println!("{}", made.plain.expose_secret());
        }
        TokenCommand::List => {
            for (id, token) in tokens.list(None).await? {
                let state = if token.revoked.is_some() {
                    "revoked".to_owned()
                } else {
                    match token.expires {
                        Some(expires) if expires <= now => "expired".to_owned(),
                        Some(expires) => format!("until {}", shown(expires)),
                        None => "for ever".to_owned(),
                    }
                };
                let used = token
                    .last_used
                    .map_or_else(|| "never used".to_owned(), |at| format!("used {}", shown(at)));
                println!("{id}  {}  {}  {state}  {used}  {}", token.tenant, token.role, token.name);
            }
        }
        TokenCommand::Revoke { id } => {
            anyhow::ensure!(
                tokens.revoke(&Actor::Program, None, &id).await?,
                "there is no token {id:?} that is not revoked; `token list` shows them"
            );
            eprintln!("revoked {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn agent(config: &Config, command: AgentCommand) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let agents = parts.agents(config).await?;
    let now = parts.clock.now();
    match command {
        AgentCommand::Code { of, group, expires, note } => {
            let spec = CodeSpec {
                note,
                groups: group.into_iter().collect(),
                lifetime: expires.map(delta),
            };
            let made = agents.code_create(&Actor::Program, &of.tenant, spec).await?;
            eprintln!(
                "A code for one agent of the tenant {}, good until {}. It is shown this once. Beside the directory:",
                of.tenant,
                shown(made.expires)
            );
            let service = config
                .public_url
                .as_ref()
                .map_or_else(|| format!("https://{}", config.listen), ToString::to_string);
            eprintln!();
            eprintln!("  provisioning-agent setup --service {service} --code CODE");
            eprintln!();
            println!("{}", made.code.expose_secret());
        }
        AgentCommand::List { of, all } => {
            let lifetimes = agents.lifetimes();
            for (id, agent) in agents.list(&of.tenant).await? {
                let state = agent.state(now, &lifetimes);
                if !all && matches!(state, AgentState::Removed | AgentState::Revoked) {
                    continue;
                }
                let state = match state {
                    AgentState::Active => "active",
                    AgentState::Inactive => "inactive",
                    AgentState::Removed => "removed",
                    AgentState::Revoked => "revoked",
                };
                let groups: Vec<&str> = agent.groups.iter().map(String::as_str).collect();
                let seen = agent.last_bootstrap.map_or_else(
                    || "has not bootstrapped".to_owned(),
                    |at| format!("bootstrapped {}", shown(at)),
                );
                println!("{id}  {state}  {}  [{}]  {seen}", agent.name, groups.join(", "));
            }
        }
        AgentCommand::Revoke { of, id } => {
            if agents.revoke(&Actor::Program, &of.tenant, &id).await? {
                eprintln!("revoked {id}; a running service ends its link within five seconds");
            } else {
                eprintln!("{id} was revoked before");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn group(config: &Config, command: GroupCommand) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let agents = parts.agents(config).await?;
    let actor = Actor::Program;
    match command {
        GroupCommand::List { of } => {
            let all = agents.list(&of.tenant).await?;
            for (name, _) in agents.group_list(&of.tenant).await? {
                let members = all
                    .iter()
                    .filter(|(_, agent)| agent.revoked.is_none() && agent.groups.contains(&name))
                    .count();
                println!("{name}  {members} agents");
            }
        }
        GroupCommand::Add { of, group, agent: None } => {
            agents.group_put(&actor, &of.tenant, &group, "").await?;
            eprintln!("the group {group} is there");
        }
        GroupCommand::Add { of, group, agent: Some(id) } => {
            agents.group_member(&actor, &of.tenant, &group, &id, true).await?;
            eprintln!("{id} answers for {group}");
        }
        GroupCommand::Remove { of, group, agent: None } => {
            agents.group_delete(&actor, &of.tenant, &group).await?;
            eprintln!("deleted {group}");
        }
        GroupCommand::Remove { of, group, agent: Some(id) } => {
            agents.group_member(&actor, &of.tenant, &group, &id, false).await?;
            eprintln!("{id} no more answers for {group}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the certificate of the service's own authority. It is made where there is none yet, so that it can be handed out
/// before the first start.
pub(super) async fn authority(config: &Config) -> anyhow::Result<ExitCode> {
    let agents = Parts::open(config).await?.agents(config).await?;
    print!("{}", agents.authority().pem());
    Ok(ExitCode::SUCCESS)
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
