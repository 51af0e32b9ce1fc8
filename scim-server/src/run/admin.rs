//! `scim-server token`, `tenant`, `backup`, `verify`: work on the data folder, while the server runs or not.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use scim_core::ResourceId;
use secrecy::ExposeSecret;

use super::parts::{self, Stores};
use crate::auth::{Scope, ServiceTokens, TenantId, TokenId, TokenRecord, TokenSpec};
use crate::cli::{TenantCommand, TokenCommand, TokenCreate, TokenScope};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{Include, Key, StoreError};

fn open(config: &Config) -> anyhow::Result<(Stores, Arc<dyn Clock>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stores = parts::open_beside(config, &clock)?;
    Ok((stores, clock))
}

pub(super) async fn token(config: &Config, command: &TokenCommand) -> anyhow::Result<ExitCode> {
    let (stores, clock) = open(config)?;
    let tokens = ServiceTokens::new(Arc::clone(&stores.tokens));
    match command {
        TokenCommand::Create(create) => {
            let tenant: TenantId = create.tenant.parse()?;
            known(&stores, &tenant).await?;
            if let Some(user) = &create.user {
                user_exists(&stores, &tenant, user).await?;
            }
            let issued = tokens
                .issue(spec(create, tenant, clock.now())?, &mut rand::rng(), clock.now())
                .await?;
            eprintln!("token {} was made; it is shown this once:", issued.record.id);
            println!("{}", issued.plain.expose_secret());
        }
        TokenCommand::List { tenant } => {
            let tenants = match tenant {
                Some(name) => {
                    let tenant = name.parse()?;
                    known(&stores, &tenant).await?;
                    vec![tenant]
                }
                None => tenants(&stores).await?,
            };
            println!(
                "{:<18}{:<16}{:<12}{:<26}{:<10}NAME",
                "ID", "TENANT", "SCOPES", "EXPIRES", "STATE"
            );
            for tenant in tenants {
                for record in tokens.list(&tenant).await? {
                    println!("{}", row(&record, clock.now()));
                }
            }
        }
        TokenCommand::Revoke { id } => {
            let token: TokenId = id
                .parse()
                .with_context(|| format!("{id:?} is no token id; `token list` shows them"))?;
            if !tokens.revoke(&token, clock.now()).await? {
                bail!("there is no live token {token}");
            }
            println!("token {token} is revoked; a running server refuses it within five seconds");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn spec(create: &TokenCreate, tenant: TenantId, now: DateTime<Utc>) -> anyhow::Result<TokenSpec> {
    let expires = match create.expires {
        None => None,
        Some(life) => Some(
            TimeDelta::from_std(life)
                .ok()
                .and_then(|life| now.checked_add_signed(life))
                .context("--expires lies too far in the future")?,
        ),
    };
    let scope = |scope: &TokenScope| match scope {
        TokenScope::Read => Scope::Read,
        TokenScope::Write => Scope::Write,
    };
    Ok(TokenSpec {
        tenant,
        name: create.name.clone().unwrap_or_else(|| "command line".to_owned()),
        scopes: create.scopes.iter().map(scope).collect(),
        user: create.user.clone(),
        expires,
    })
}

fn row(record: &TokenRecord, now: DateTime<Utc>) -> String {
    let scopes: Vec<&str> = record.scopes.iter().map(Scope::as_str).collect();
    let expires = record
        .expires
        .map_or_else(|| "never".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let state = match (record.revoked, record.expires) {
        (Some(_), _) => "revoked",
        (None, Some(at)) if at <= now => "expired",
        _ => "live",
    };
    format!(
        "{:<18}{:<16}{:<12}{expires:<26}{state:<10}{}",
        record.id.as_str(),
        record.tenant.as_str(),
        scopes.join(","),
        record.name
    )
}

async fn known(stores: &Stores, tenant: &TenantId) -> anyhow::Result<()> {
    if !tenants(stores).await?.contains(tenant) {
        bail!("there is no tenant {tenant}; `scim-server tenant create {tenant}` makes it");
    }
    Ok(())
}

/// A token for nobody would be answered 404 by `/Me`, long after whoever made it has gone.
async fn user_exists(stores: &Stores, tenant: &TenantId, user: &str) -> anyhow::Result<()> {
    let unknown = || {
        anyhow!(
            "the tenant {tenant} has no user with the id {user:?}; --user takes the `id` that the server gave the user, not a userName"
        )
    };
    let id = ResourceId::new(user).ok_or_else(unknown)?;
    let key = Key { tenant: tenant.clone(), resource_type: "User".into(), id };
    match stores.resources.get(&key, Include::default()).await {
        Ok(_) => Ok(()),
        Err(StoreError::NotFound) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

async fn tenants(stores: &Stores) -> anyhow::Result<Vec<TenantId>> {
    Ok(stores.admin.tenant_list().await?.into_iter().map(|tenant| tenant.id).collect())
}

pub(super) async fn tenant(config: &Config, command: &TenantCommand) -> anyhow::Result<ExitCode> {
    let (stores, clock) = open(config)?;
    match command {
        TenantCommand::Create { name } => {
            let tenant: TenantId = name.parse()?;
            if !stores.admin.tenant_create(&tenant, clock.now()).await? {
                bail!("the tenant {tenant} exists already");
            }
            println!(
                "tenant {tenant} was made; its endpoints are under /t/{tenant}{}",
                config.base_path
            );
        }
        TenantCommand::List => {
            for tenant in tenants(&stores).await? {
                println!("{tenant}");
            }
        }
        TenantCommand::Delete { name, yes } => {
            let tenant: TenantId = name.parse()?;
            if !yes {
                bail!(
                    "this deletes everything of the tenant {tenant}, for good; say --yes to do it"
                );
            }
            match stores.admin.tenant_delete(&tenant).await {
                Ok(()) => println!("tenant {tenant} and everything of it is deleted"),
                Err(StoreError::NoTenant) => bail!("there is no tenant {tenant}"),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn backup(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let (stores, _) = open(config)?;
    stores.admin.backup(file).await.with_context(|| format!("the backup to {}", file.display()))?;
    println!("the database was copied to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let (stores, _) = open(config)?;
    let findings = stores.admin.verify().await?;
    // No damage: nothing is lost, and what a command does not know a running server may well.
    for kept in stores.admin.unregistered().await? {
        eprintln!("scim-server: {kept}");
    }
    if findings.is_empty() {
        println!("everything is whole");
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &findings {
        println!("{finding}");
    }
    eprintln!("scim-server: {} findings", findings.len());
    Ok(ExitCode::FAILURE)
}
