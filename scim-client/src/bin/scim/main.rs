//! `scim`: the command line of a SCIM client.

mod args;
mod commands;
mod connect;
mod ended;
mod import;
mod input;
mod output;
mod progress;
mod settings;
mod types;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::ended::{Ended, Failure};

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(Cli::parse()).await {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Refused) => ExitCode::from(1),
        Err(error) => {
            let failure = Failure::of(&error);
            // The reader of a pipe has seen enough: nothing went wrong.
            if failure == Failure::ReaderGone {
                return ExitCode::SUCCESS;
            }
            // Where standard error is gone too, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "scim: {}", ended::tell(&error));
            ExitCode::from(if failure == Failure::Refused { 1 } else { 2 })
        }
    }
}
