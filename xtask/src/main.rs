//! Project tasks; `cargo xtask test` is everything that must be green.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod demo;
mod deps;
#[cfg(test)]
mod fixtures;
mod foreign;
mod generated;
mod links;
mod measure;
mod package;
mod peers;
mod readme;
mod snapshots;
mod test;
mod tools;
mod workspace;

use workspace::Workspace;

/// Project tasks. `cargo xtask test` runs everything a change has to pass.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check, in order, and stop at the first that fails
    Test(test::Options),
    /// Check which crates depend on which
    Deps,
    /// Compare the openapi.json of the server and of the provisioning service with what they generate
    Openapi {
        /// Write the file instead
        #[arg(long)]
        write: bool,
    },
    /// Compare docs/tolerances.md with what scim-core generates
    Tolerances {
        /// Write the file instead
        #[arg(long)]
        write: bool,
    },
    /// Build every crate that is published from the files in its package
    Package,
    /// Run scim2-client, scim2-cli and scim2-tester against the server, and the client against scim2-server and SCIMMY
    Foreign,
    /// Do what the README tells a newcomer to do
    Readme,
    /// Run managed mode on this machine: a directory, two agents, the service and a cloud directory, until Ctrl-C
    Demo(demo::Options),
    /// Measure the synchronisation of a large domain, in release builds
    Measure(measure::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    match cli.task {
        Task::Test(options) => return test::run(&workspace, &options),
        Task::Deps => deps::run(&workspace)?,
        Task::Openapi { write } => {
            generated::OPENAPI.run(&workspace, write)?;
            generated::OPENAPI_SERVICE.run(&workspace, write)?;
        }
        Task::Tolerances { write } => generated::TOLERANCES.run(&workspace, write)?,
        Task::Package => package::run(&workspace)?,
        Task::Foreign => foreign::run(&workspace)?,
        Task::Readme => readme::run(&workspace)?,
        Task::Demo(options) => demo::run(&workspace, &options)?,
        Task::Measure(options) => measure::run(&workspace, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}
