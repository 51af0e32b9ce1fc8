//! The programs that the checks need, and how to get them where they are missing.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};

/// Tools built from crates.io into `<target>/tools` when the machine has none.
const NEXTEST: CargoTool = CargoTool { name: "cargo-nextest", verb: "nextest", version: "0.9.143" };
const DENY: CargoTool = CargoTool { name: "cargo-deny", verb: "deny", version: "0.20.2" };

/// Makes sure that everything is there before the long checks begin.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    component(workspace, "fmt", "rustfmt")?;
    component(workspace, "clippy", "clippy")?;
    nextest(workspace)?;
    deny(workspace)?;
    python(workspace)?;
    node(workspace)?;
    curl(workspace)?;
    browser(workspace)?;
    faketime(workspace)?;
    directories(workspace)?;
    postgres(workspace)?;
    nats(workspace)
}

/// The test runner: any version will do.
pub(crate) fn nextest(workspace: &Workspace) -> Result<()> {
    NEXTEST.ensure(workspace)
}

/// The licence and dependency checker: any version will do.
pub(crate) fn deny(workspace: &Workspace) -> Result<()> {
    DENY.ensure(workspace)
}

/// Python with `venv`, for the foreign client, suite and server.
pub(crate) fn python(workspace: &Workspace) -> Result<()> {
    // Debian keeps `ensurepip`, without which a virtual environment has no pip, in its own package.
    let probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    system(
        workspace,
        &["python3", "-c", probe],
        "Python 3.11 or newer with venv",
        &["python3", "python3-venv"],
    )
}

/// Node with npm, for the foreign server that is made of them.
pub(crate) fn node(workspace: &Workspace) -> Result<()> {
    let probe = "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)";
    system(workspace, &["node", "-e", probe], "Node.js 18 or newer", &["nodejs", "npm"])?;
    system(workspace, &["npm", "--version"], "npm", &["npm"])
}

/// curl, because the README and the server tell people to paste a curl line.
pub(crate) fn curl(workspace: &Workspace) -> Result<()> {
    system(workspace, &["curl", "--version"], "curl", &["curl"])
}

/// A browser that can be told what to do, for the page of operators.
pub(crate) fn browser(workspace: &Workspace) -> Result<()> {
    let packages = &["chromium", "chromium-driver", "fonts-dejavu-core"];
    system(workspace, &["chromedriver", "--version"], "Chromium with its WebDriver", packages)?;
    let probe = "command -v chromium || command -v google-chrome";
    system(workspace, &["sh", "-c", probe], "Chromium", packages)
}

/// faketime, under which an agent has a wrong clock.
pub(crate) fn faketime(workspace: &Workspace) -> Result<()> {
    system(workspace, &["faketime", "-f", "-600s", "true"], "faketime", &["faketime"])
}

/// The directories that the synchronisation is tried on: a Samba domain controller and an OpenLDAP server.
///
/// Samba sets up its domain as root only, in a network namespace of its own.
pub(crate) fn directories(workspace: &Workspace) -> Result<()> {
    const SAMBA: &[&str] = &[
        "samba",
        "samba-ad-dc",
        "samba-ad-provision",
        "samba-dsdb-modules",
        "samba-vfs-modules",
        "winbind",
        "ldb-tools",
        "python3-samba",
    ];
    // Servers are not on everybody's path.
    let probe = |programs: &str| {
        format!(
            "PATH=$PATH:/usr/sbin:/sbin; for program in {programs}; do command -v $program || exit 1; done"
        )
    };
    let samba = probe("samba samba-tool ldbmodify winbindd");
    system(workspace, &["sh", "-c", &samba], "Samba with what a domain controller needs", SAMBA)?;
    system(workspace, &["sh", "-c", &probe("slapd")], "OpenLDAP's server", &["slapd"])?;
    let around = probe("ldapsearch openssl socat ip nsenter unshare");
    let packages = &["ldap-utils", "openssl", "socat", "iproute2", "util-linux"];
    system(workspace, &["sh", "-c", &around], "what starts and fills the directories", packages)
}

/// PostgreSQL, for what can be kept there. Debian starts a server of its own after installing it, which nothing here uses.
pub(crate) fn postgres(workspace: &Workspace) -> Result<()> {
    let probe = "PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :); command -v initdb && command -v postgres && command -v psql";
    system(workspace, &["sh", "-c", probe], "PostgreSQL", &["postgresql"])
}

/// The broker between replicas of the provisioning service.
pub(crate) fn nats(workspace: &Workspace) -> Result<()> {
    let probe = "PATH=$PATH:/usr/sbin:/sbin; command -v nats-server";
    system(workspace, &["sh", "-c", probe], "the NATS server", &["nats-server"])
}

#[derive(Debug)]
struct CargoTool {
    name: &'static str,
    verb: &'static str,
    version: &'static str,
}

impl CargoTool {
    fn ensure(&self, workspace: &Workspace) -> Result<()> {
        if workspace::works(workspace.cargo(&[self.verb]).arg("--version")) {
            return Ok(());
        }
        println!("{} {} is built from source; this happens once.", self.name, self.version);
        let build = workspace.tools().join("build");
        let mut install = workspace.cargo(&["install", "--locked", "--quiet", self.name]);
        install
            .args(["--version", self.version])
            .arg("--root")
            .arg(workspace.tools())
            .arg("--target-dir")
            .arg(&build)
            // A tool that runs for a second is not worth minutes of optimisation.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env_remove("RUSTFLAGS");
        workspace::run(&mut install).with_context(|| {
            format!("{} is missing and could not be installed from crates.io", self.name)
        })?;
        // Only the binary is worth its space.
        let _ = std::fs::remove_dir_all(build);
        Ok(())
    }
}

/// A component of the Rust toolchain, added with rustup where there is one.
fn component(workspace: &Workspace, verb: &str, name: &str) -> Result<()> {
    let mut probe = workspace.cargo(&[verb, "--version"]);
    if workspace::works(&mut probe) {
        return Ok(());
    }
    let added = workspace::run(workspace.command("rustup").args(["component", "add", name]));
    if added.is_err() || !workspace::works(&mut probe) {
        bail!("{name} is missing: install it with `rustup component add {name}`");
    }
    Ok(())
}

/// A program of the operating system, installed with apt-get when this is root on a Debian.
fn system(workspace: &Workspace, probe: &[&str], what: &str, packages: &[&str]) -> Result<()> {
    let found = || workspace::works(workspace.command(probe[0]).args(&probe[1..]));
    if found() {
        return Ok(());
    }
    let names = packages.join(" ");
    let root = rustix::process::geteuid().is_root();
    if !root || !workspace::works(Command::new("apt-get").arg("--version")) {
        bail!("{what} is missing: install it (Debian: apt-get install {names})");
    }
    println!("{what} is missing; installing {names}.");
    let apt = |args: &[&str]| {
        let mut command = workspace.command("apt-get");
        command.arg("--quiet").args(args).env("DEBIAN_FRONTEND", "noninteractive");
        workspace::run(&mut command)
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    apt(&["update"])
        .and_then(|()| apt(&install))
        .with_context(|| format!("{what} is missing and could not be installed"))?;
    if !found() {
        bail!("{what} is missing although {names} was installed");
    }
    Ok(())
}
