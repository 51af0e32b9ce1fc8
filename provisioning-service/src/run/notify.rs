//! The commands for notifications, and what `doctor` says of them.

use std::process::ExitCode;

use super::Parts;
use super::doctor::Report;
use crate::cli::NotifyCommand;
use crate::config::Config;
use crate::notify::{self, Channels, DeliveryOutcome, Listed};
use crate::records::Records;
use crate::tenant::TenantId;

pub(super) async fn notify(config: &Config, command: NotifyCommand) -> anyhow::Result<ExitCode> {
    match command {
        NotifyCommand::Test { of } => test(config, &of.tenant).await,
        NotifyCommand::List { of, all } => {
            let parts = Parts::open(config).await?;
            for listed in notify::list(&*parts.records, &of.tenant).await? {
                if all || listed.notification.resolved.is_none() {
                    show(&listed);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn test(config: &Config, tenant: &TenantId) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let channels = Channels::new(config)?;
    let origin = config.public_url.as_ref().map_or_else(String::new, ToString::to_string);
    let tried = notify::test(&channels, tenant, &origin, parts.clock.now()).await;
    anyhow::ensure!(
        !tried.is_empty(),
        "nobody is told of the tenant {tenant}: name recipients in [mail], or a url in [webhook], of the configuration file"
    );
    let mut all = true;
    for one in tried {
        match one.error {
            None => println!("ok     {}", one.to),
            Some(error) => {
                all = false;
                println!("FAULT  {}: {error}", one.to);
            }
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(listed: &Listed) {
    let found = &listed.notification;
    let state = match found.resolved {
        None => format!("open since {}", found.opened),
        Some(at) => format!("over since {at}"),
    };
    println!("{}  {}  {state}", found.kind, found.name);
    if found.resolved.is_none() {
        println!("    {}", found.message);
    }
    for delivery in &found.deliveries {
        let outcome = match delivery.outcome {
            DeliveryOutcome::Delivered => "was told",
            DeliveryOutcome::Refused => "refused",
            DeliveryOutcome::Expired => "could not be told in time",
            DeliveryOutcome::Dropped => "was not told",
        };
        let error = delivery.error.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        println!("    {} {outcome} at {}{error}", delivery.to, delivery.at);
    }
    for waiting in &listed.waiting {
        let error = waiting.error.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        println!(
            "    {} waits, tried {} times, next at {}{error}",
            waiting.to, waiting.attempts, waiting.next
        );
    }
}

/// Whether people can be told, and what they would be told of.
pub(super) async fn examine(
    config: &Config,
    records: &dyn Records,
    tenants: &[TenantId],
    report: &mut Report,
) -> anyhow::Result<()> {
    let channels = match Channels::new(config) {
        Ok(channels) => channels,
        Err(error) => {
            report.bad(&error.to_string());
            return Ok(());
        }
    };
    match channels.try_mail().await {
        None => {}
        Some(Ok(())) => report.good("the mail server lets the service in"),
        Some(Err(error)) => report.bad(&error.to_string()),
    }
    for tenant in tenants {
        if channels.destinations(tenant, &[]).is_empty() {
            report.odd(&format!("nobody is told when something of the tenant {tenant} needs a person: [mail] and [webhook] in the configuration file"));
        }
    }
    for tenant in tenants.iter().cloned().chain([TenantId::service()]) {
        for listed in notify::list(records, &tenant).await? {
            let found = &listed.notification;
            // What belongs to the service is told once, and not with every tenant.
            if found.resolved.is_none() && (tenant.is_service() || !found.kind.is_of_service()) {
                report.bad(&format!("{} of {tenant}: {}", found.name, found.message));
            }
            for waiting in listed.waiting.iter().filter(|waiting| waiting.attempts > 0) {
                let why = waiting.error.as_deref().unwrap_or_default();
                report.bad(&format!("{} is not told yet: {why}", waiting.to));
            }
            if let Some(last) = found.deliveries.last()
                && last.outcome != DeliveryOutcome::Delivered
            {
                let why = last.error.as_deref().unwrap_or_default();
                report.odd(&format!("{} was not told of {}: {why}", last.to, found.name));
            }
        }
    }
    Ok(())
}
