//! The commands for jobs. They change the records; a running service sees it when it looks next.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use scim_sync::run::Reset;
use scim_sync_link::Hub;

use super::Parts;
use crate::audit::Actor;
use crate::cli::{JobCommand, OfJob};
use crate::config::Config;
use crate::job::wire::{ScheduleState, SynchronizationJob};
use crate::job::{Command, JobKey, JobParts, Jobs, Pilot};
use crate::link::HubSources;
use crate::tenant::TenantId;

pub(super) async fn job(config: &Config, command: JobCommand) -> anyhow::Result<ExitCode> {
    let parts = Parts::open(config).await?;
    let jobs = Jobs::new(JobParts {
        records: Arc::clone(&parts.records),
        // Nothing is asked of agents here: they are connected to the service.
        sources: Arc::new(HubSources::new(Hub::new(), config.read_limit)),
        sealer: Arc::clone(&parts.sealer),
        clock: Arc::clone(&parts.clock),
        targets: config.targets(),
        folder: config.data.clone(),
        instance: format!("command-{}", std::process::id()),
        lease_for: Duration::from_secs(60),
        keep_log: Duration::MAX,
    });
    let by = Actor::Program;
    match command {
        JobCommand::List { of } => {
            for job in jobs.list(&of.tenant).await? {
                println!("{}", line(&job));
            }
        }
        JobCommand::Show(of) => {
            let job = jobs.get(&find(&jobs, &of).await?).await?;
            println!("{}", serde_json::to_string_pretty(&job)?);
        }
        JobCommand::Start(of) => {
            jobs.command(&find(&jobs, &of).await?, &Command::Start, &by).await?;
            eprintln!("{} is started", of.job);
        }
        JobCommand::Pause(of) => {
            jobs.command(&find(&jobs, &of).await?, &Command::Pause, &by).await?;
            eprintln!("{} is paused; everything is kept", of.job);
        }
        JobCommand::Restart { of, reset } => {
            let resets =
                Reset::list(&reset).map_err(|error| anyhow::anyhow!("--reset: {error}"))?;
            jobs.command(&find(&jobs, &of).await?, &Command::Restart(resets), &by).await?;
            eprintln!("{} begins anew", of.job);
        }
        JobCommand::Plan(of) => {
            let plan = jobs.plan(&find(&jobs, &of).await?).await?;
            println!("{} mode, {}, worked out at {}", plan.mode.name(), plan.scope, plan.at);
            if let Some(stopped) = plan.stopped {
                println!("{stopped}");
            }
            for line in plan.lines {
                println!("{line}");
            }
            if plan.omitted > 0 {
                println!("and {} more", plan.omitted);
            }
            println!("digest {}", plan.digest);
        }
        JobCommand::Allow { of, digest } => {
            jobs.allow(&find(&jobs, &of).await?, &digest, &by).await?;
            eprintln!(
                "the plan of {} is let through once, if it still takes away the same",
                of.job
            );
        }
        JobCommand::GoLive { of, digest } => {
            jobs.go_live(&find(&jobs, &of).await?, digest.as_deref(), &by).await?;
            eprintln!("{} writes from its next cycle on", of.job);
        }
        JobCommand::Pilot { of, end, group, nested, include, object } => {
            let key = find(&jobs, &of).await?;
            let pilot = (!end).then_some(Pilot { include, objects: object, group, nested });
            let named =
                serde_json::Map::from_iter([("pilot".to_owned(), serde_json::to_value(pilot)?)]);
            jobs.configure(&key, &named, &by).await?;
            let scope = jobs.get(&key).await?.hybrid.pilot;
            let scope =
                scope.map_or_else(|| "everybody in its scope".to_owned(), |it| it.to_string());
            eprintln!("{} is for {scope}", of.job);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The job of an id or a name.
async fn find(jobs: &Jobs, of: &OfJob) -> anyhow::Result<JobKey> {
    let tenant: &TenantId = &of.of.tenant;
    let all = jobs.list(tenant).await?;
    let mut found = all.iter().filter(|job| job.id == of.job || job.hybrid.name == of.job);
    match (found.next(), found.next()) {
        (Some(job), None) => Ok(JobKey::new(tenant, &job.id)),
        (None, _) => anyhow::bail!("there is no job {:?}; `job list` shows them", of.job),
        _ => anyhow::bail!("several jobs are called {:?}; name one by its id", of.job),
    }
}

fn line(job: &SynchronizationJob) -> String {
    let schedule = match job.schedule.state {
        ScheduleState::Active => "on",
        ScheduleState::Paused => "paused",
        ScheduleState::Disabled => "off",
    };
    let mode = job.hybrid.mode.name();
    let scope = job.hybrid.pilot.as_ref().map_or_else(String::new, |it| format!("  pilot: {it}"));
    let name = &job.hybrid.name;
    format!("{}  {:?}  {schedule}  {mode}  {name}{scope}", job.id, job.status.code)
}
