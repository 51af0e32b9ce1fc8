//! A foreign client, its command line and its compliance suite against the real server.
//!
//! They come from PyPI (`scim2-client`, `scim2-cli`, `scim2-tester`), at the versions in
//! `xtask/foreign/requirements.txt`, in a virtual environment below the target folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use testkit::Launch;

use crate::tools;
use crate::workspace::{self, Workspace};

const REQUIREMENTS: &str = "xtask/foreign/requirements.txt";
const DRIVER: &str = "xtask/foreign/run.py";

/// How many lines of the server's log help to understand a failure.
const LOG_LINES: usize = 60;

/// Starts the server in memory and runs the driver against it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let python = environment(workspace)?;
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

/// The Python of an environment that holds exactly the required versions.
fn environment(workspace: &Workspace) -> Result<PathBuf> {
    tools::python(workspace)?;
    let folder = workspace.tools().join("foreign");
    let python = folder.join("bin").join("python");
    let installed = folder.join("installed.txt");
    let wanted = fs::read_to_string(workspace.root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    if python.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("installing {REQUIREMENTS}; this happens once for each version of it");
    let _ = fs::remove_dir_all(&folder);
    workspace::run(workspace.command("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    workspace::run(workspace.command(&python).args(pip).args(["--requirement", REQUIREMENTS]))
        .context("the foreign suite could not be installed from PyPI")?;
    fs::write(installed, wanted)?;
    Ok(python)
}
