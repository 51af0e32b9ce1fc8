//! The program: it reads the command line, and does what it is asked.

mod admin;
mod doctor;
mod job;
mod logs;
mod notify;
mod serve;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::TimeDelta;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::agents::{Agents, Lifetimes};
use crate::authority::Authority;
use crate::cli::{Cli, Command};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LogFormat, load, process_environment};
use crate::records::{Key, PostgresRecords, Records, RecordsError, SqliteRecords};
use crate::seal::Sealer;
use crate::tenant::TenantId;

/// Runs the program.
///
/// Leaves with 0 when it did what it was asked, with 1 when it could not, and with 2 when it was asked for something that
/// cannot be.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let loaded = match process_environment().and_then(|variables| load(&cli.flags, &variables)) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let config = loaded.config;
    let serves = matches!(cli.command, Command::Serve);
    if let Err(error) = tell(&config, serves) {
        eprintln!("error: `log`: {error}");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Serve => serve::serve(config).await.map(|()| ExitCode::SUCCESS),
                Command::Authority => admin::authority(&config).await,
                Command::Doctor => doctor::doctor(&config).await,
                Command::Token(command) => admin::token(&config, command).await,
                Command::Agent(command) => admin::agent(&config, command).await,
                Command::Group(command) => admin::group(&config, command).await,
                Command::Logs(command) => logs::logs(&config, command).await,
                Command::Job(command) => job::job(&config, command).await,
                Command::Openapi => openapi(),
                Command::Notify(command) => notify::notify(&config, command).await,
            }
        })
    });
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn openapi() -> anyhow::Result<ExitCode> {
    let document = crate::api::openapi::document().map_err(anyhow::Error::msg)?;
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(ExitCode::SUCCESS)
}

/// Logs go to standard error; commands other than `serve` say what they did themselves.
fn tell(config: &Config, serves: bool) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = if serves { config.log.as_str() } else { "error" };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}

/// What every command works on.
struct Parts {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    sealer: Arc<Sealer>,
}

impl Parts {
    /// Opens what is kept, in the data folder or in the database; makes it, with a sealing key, where there is none.
    async fn open(config: &Config) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("the folder {} cannot be made", config.data.display()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (records, sealer): (Arc<dyn Records>, Sealer) = match &config.database {
            Some(address) => {
                let records = PostgresRecords::open(address)
                    .await
                    .with_context(|| format!("the database {address} cannot be used"))?;
                warn_of_skew(&records, &*clock).await?;
                let is_there = authority_is_there(&records).await?;
                let sealer = sealer(config, is_there, &format!("the database {address}"))?;
                (Arc::new(records), sealer)
            }
            None => {
                let path = config.records_path();
                let sealer = sealer(config, path.exists(), &path.display().to_string())?;
                let records = SqliteRecords::open(&path)
                    .with_context(|| format!("{} cannot be opened", path.display()))?;
                (Arc::new(records), sealer)
            }
        };
        Ok(Self { records, clock, sealer: Arc::new(sealer) })
    }

    /// The agents, whose authority is made where there is none.
    async fn agents(&self, config: &Config) -> anyhow::Result<Agents> {
        let authority =
            Authority::open_or_make(&*self.records, &self.sealer, self.clock.now()).await?;
        Ok(Agents::new(
            Arc::clone(&self.records),
            Arc::clone(&self.clock),
            Arc::new(authority),
            Lifetimes::from(config),
        ))
    }
}

/// Clocks that do not agree let replicas take jobs from each other before their time.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// How far this machine's clock is ahead of the database's.
async fn skew(records: &PostgresRecords, clock: &dyn Clock) -> Result<TimeDelta, RecordsError> {
    Ok(clock.now() - records.time().await?)
}

async fn warn_of_skew(records: &PostgresRecords, clock: &dyn Clock) -> anyhow::Result<()> {
    let skew = skew(records, clock).await?;
    if skew.abs() > SKEW {
        tracing::warn!(
            seconds = skew.num_seconds(),
            "this clock is ahead of the database's: replicas whose clocks differ take jobs from each other too early"
        );
    }
    Ok(())
}

async fn authority_is_there(records: &dyn Records) -> Result<bool, RecordsError> {
    Ok(records.get(&Key::new(&TenantId::service(), "authority", "1")).await?.is_some())
}

/// The sealing key; a new one only where nothing is kept yet (`is_there`) that another one has sealed.
fn sealer(config: &Config, is_there: bool, kept: &str) -> anyhow::Result<Sealer> {
    if let Some(key) = &config.seal_key {
        return Sealer::parse(key).context("PROVISIONING_SEAL_KEY");
    }
    let path = config.key_path();
    anyhow::ensure!(
        path.exists() || !is_there,
        "the key file {} is not there, and without it the secrets in {kept} cannot be read: put it back, or copy it from \
         another replica, or name it with --key-file",
        path.display(),
    );
    let (sealer, made) = Sealer::load_or_make(&path)?;
    if made {
        tracing::warn!(
            path = %path.display(),
            "a key that seals secrets was made; keep a copy apart from the backups of the data"
        );
    }
    Ok(sealer)
}
