//! This clone: where it is, where it builds, and how to run commands in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The clone a task works on.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root manifest; also the working directory of this process.
    pub(crate) root: PathBuf,
    /// Where cargo builds; everything a task writes goes below it.
    pub(crate) target: PathBuf,
    /// The answer of `cargo metadata --no-deps`.
    metadata: Value,
}

impl Workspace {
    /// Finds the clone that this process was started in.
    pub(crate) fn open() -> Result<Self> {
        let text = text_of(Command::new(cargo()).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--locked",
        ]))?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
        let folder = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).with_context(|| format!("no {key}"))
        };
        let (root, target) = (folder("workspace_root")?, folder("target_directory")?);
        std::env::set_current_dir(&root).with_context(|| format!("enter {}", root.display()))?;
        Ok(Self { root, target, metadata })
    }

    /// The packages of the workspace, as `cargo metadata` describes them.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().into_iter().flatten()
    }

    /// Where tools are installed that the machine does not have.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// A cargo command in this clone, on the same toolchain.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.command(cargo());
        command.args(args);
        command
    }

    /// Any command in this clone. Installed tools come last in its `PATH`, and no `SCIM_*`
    /// variable of the developer's shell reaches it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SCIM_") {
                command.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([self.tools().join("bin")]);
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
    }

    /// Builds all binaries and examples with the features that the tests use, and returns the
    /// path of one of them.
    pub(crate) fn built(&self, name: &str) -> Result<PathBuf> {
        let mut build = self.cargo(&[
            "build",
            "--workspace",
            "--bins",
            "--examples",
            "--locked",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ]);
        let messages = text_of(&mut build)?;
        messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == name)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .with_context(|| format!("the workspace has no binary or example named {name}"))
    }

    /// What `git status --porcelain` says; `None` where this is not a git clone.
    pub(crate) fn git_status(&self) -> Option<String> {
        // The folder may belong to someone else, as in a container.
        let args = ["-c", "safe.directory=*", "status", "--porcelain"];
        let output = self.command("git").args(args).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Runs a command on this terminal; an exit status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

/// Runs a command and returns its standard output; standard error stays on this terminal.
pub(crate) fn text_of(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of {}", shown(command)))
}

/// Whether a command runs and succeeds; says nothing on this terminal.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let args = command.get_args().map(OsStr::to_string_lossy);
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
