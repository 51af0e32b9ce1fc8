//! Strangers on both ends: a foreign client, its command line and its compliance suite against the real server, and the
//! client against foreign servers.
//!
//! The first come from PyPI (`scim2-client`, `scim2-cli`, `scim2-tester`), at the versions in
//! `xtask/foreign/requirements.txt`, in a virtual environment below the target folder. The servers are in [`peers`]; what
//! the client does there are the tests `foreign` of `scim-client`, which are ignored without a server.

use anyhow::{Context, Result};
use testkit::Launch;

use crate::peers::{self, Peer};
use crate::tools;
use crate::workspace::{self, Workspace};

const REQUIREMENTS: &str = "xtask/foreign/requirements.txt";
const DRIVER: &str = "xtask/foreign/run.py";

/// How many lines of the server's log help to understand a failure.
const LOG_LINES: usize = 60;

/// Runs both parts.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    clients(workspace)?;
    servers(workspace)
}

/// Starts the server in memory and runs the driver against it.
fn clients(workspace: &Workspace) -> Result<()> {
    let python = peers::python_environment(workspace, "foreign", REQUIREMENTS)?;
    let server = Launch::new(workspace.built("scim-server")?)
        .args(&["--memory", "--trace-requests"])
        .try_start()
        .context("the server for the foreign suite")?;
    let result = workspace::run(
        workspace
            .command(python)
            .arg(DRIVER)
            .env("SCIM_FOREIGN_URL", server.url())
            .env("SCIM_FOREIGN_TOKEN", testkit::server::TOKEN)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    if result.is_err() {
        let log = server.stderr();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
        println!("\nthe end of the server's log:\n{}", tail.join("\n"));
    }
    result
}

/// Runs the client's tests against each foreign server.
fn servers(workspace: &Workspace) -> Result<()> {
    tools::nextest(workspace)?;
    let start: [fn(&Workspace) -> Result<Peer>; 2] = [peers::scim2_server, peers::scimmy];
    for start in start {
        let peer = start(workspace)?;
        println!("\nthe client against {} at {}", peer.name, peer.url);
        // The whole workspace is named so that the features, and with them the binaries, are those of `cargo xtask test`.
        let mut tests = workspace.cargo(&["nextest", "run", "--workspace", "--locked"]);
        tests
            .args(["--run-ignored", "only", "--test-threads", "1", "--status-level", "pass"])
            .args(["--filterset", "package(scim-client) & binary(it) & test(/^foreign::/)"])
            .env("FOREIGN_SERVER", peer.name)
            .env("FOREIGN_URL", &peer.url)
            .env("FOREIGN_TOKEN", peers::TOKEN);
        workspace::run(&mut tests).with_context(|| format!("the client against {}", peer.name))?;
    }
    Ok(())
}
