//! What the program does: one file per command.

mod admin;
mod parts;
mod serve;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{self, Loaded};
use crate::http::openapi;
use crate::telemetry;

/// Runs the program with the arguments of the process.
///
/// Leaves with 0 when done, 1 when what was asked for failed or found something, 2 when a setting is wrong.
#[must_use]
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// Runs the program with these arguments, of which the first is its name; for processes that are not only this program,
/// such as the tests of clients.
#[must_use]
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(args);
    let loaded = config::process_environment()
        .and_then(|environment| config::load(&cli.flags(), &environment));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("scim-server: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&cli.action(), &loaded) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("scim-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let config = &loaded.config;
    match command {
        Command::Serve(_) => {
            telemetry::init(&config.log, config.log_format);
            runtime()?.block_on(serve::serve(config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Token(token) => runtime()?.block_on(admin::token(config, token)),
        Command::Tenant(tenant) => runtime()?.block_on(admin::tenant(config, tenant)),
        Command::Backup { file } => runtime()?.block_on(admin::backup(config, file)),
        Command::Verify => runtime()?.block_on(admin::verify(config)),
        Command::Openapi(_) => {
            let registry = parts::registry(config)?;
            print(&format!("{}\n", serde_json::to_string_pretty(&openapi::document(&registry))?))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckConfig(_) => {
            if let Err(error) = parts::check(config) {
                eprintln!("scim-server: {error:#}");
                return Ok(ExitCode::from(2));
            }
            print(&loaded.to_toml().context("the configuration cannot be printed")?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")
}

/// Writes to standard output; whoever has closed it, such as `head`, wants no more.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}
