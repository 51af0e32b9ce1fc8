//! `scim-conformance`: checks a SCIM server.

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

/// What could not be run; 1 is for targets that are not conformant.
const COULD_NOT_RUN: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::execute(Cli::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("scim-conformance: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}
