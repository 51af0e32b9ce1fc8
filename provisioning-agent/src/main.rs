//! The program `provisioning-agent`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use scim_agent::cli::{Cli, Command};
use scim_agent::command;
use scim_agent::exit::Exit;
use tracing_subscriber::EnvFilter;

/// A first cycle allocates more than it computes; see decision 17.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::CouldNotRun } else { Exit::Done };
            let _ = error.print();
            return code.into();
        }
    };
    logs(&cli);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("another TLS provider was there before");
    }
    match command::execute(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::CouldNotRun.into()
        }
    }
}

/// Logs go to standard error: of `run` what it does, of the others what is odd. `setup` and `doctor` say all of that in
/// their own lines. `RUST_LOG` says otherwise.
fn logs(cli: &Cli) {
    let usual = match cli.command {
        // What a connector tells of every read is for those who ask for it.
        Command::Run if !cli.quiet => "info,scim_sync_connectors=warn",
        Command::Setup(_) | Command::Doctor(_) => "off",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match cli.command {
        Command::Run => logs.init(),
        _ => logs.without_time().with_target(false).init(),
    }
}
