//! The commands, a file each.

mod configuration;
mod doctor;
mod guard;
mod log;
mod managed;
mod plan;
mod preview;
mod reset;
mod run;
mod setup;
mod status;
mod sync;
mod undo;
mod verify;

use anyhow::{Result, bail};

use crate::cli::{Cli, Command};
use crate::config::{ManagedConfig, Process};
use crate::exit::Exit;
use crate::session::Session;

/// Does what the command line asks.
///
/// # Errors
/// A text for the person at the terminal; the program ends with 1 then.
pub fn execute(cli: &Cli) -> Result<Exit> {
    let session = || match ManagedConfig::load(&cli.config, &Process)? {
        Some(managed) => bail!(
            "{} is of an agent that {} manages: rules, plans, state and log are there; here are `run`, `status`, `doctor` and `setup`",
            cli.config.display(),
            managed.settings.service
        ),
        None => Session::load(&cli.config),
    };
    let managed = || ManagedConfig::load(&cli.config, &Process);
    match &cli.command {
        Command::Setup(args) => setup::setup(&cli.config, args),
        Command::Doctor(shown) => match managed()? {
            Some(config) => managed::doctor(&config, shown),
            None => doctor::doctor(&session()?, shown),
        },
        Command::Plan(shown) => plan::plan(&session()?, shown, cli.quiet),
        Command::Preview(args) => preview::preview(&session()?, args),
        Command::Sync(args) => sync::sync(&session()?, args, cli.quiet),
        Command::Run => match managed()? {
            Some(config) => crate::managed::run(&config),
            None => run::run(&session()?),
        },
        Command::Status(shown) => match managed()? {
            Some(config) => managed::status(&config, shown),
            None => status::status(&session()?, shown),
        },
        Command::Pending(args) => plan::pending(&session()?, args),
        Command::Allow { digest } => guard::allow(&session()?, digest),
        Command::Undo(args) => undo::undo(&session()?, args),
        Command::Reset(args) => reset::reset(&session()?, args),
        Command::Log(args) => log::log(&session()?, args),
        Command::Verify(shown) => verify::verify(&session()?, shown),
        Command::ExportConfig(args) => configuration::export(&session()?, args),
        Command::ImportConfig(args) => configuration::import(&session()?, args),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(
                *shell,
                &mut command,
                "provisioning-agent",
                &mut std::io::stdout(),
            );
            Ok(Exit::Done)
        }
    }
}

/// Writes to standard output. A reader that has had enough, such as `head`, is no error.
pub(crate) fn print(text: impl AsRef<str>) -> Result<()> {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().lock().write_all(text.as_ref().as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
