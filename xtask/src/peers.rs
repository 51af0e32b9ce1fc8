//! Foreign SCIM servers, installed at pinned versions below the target folder and run for as long as a check needs them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::poll;

use crate::tools;
use crate::workspace::{self, Workspace};

/// The bearer token of every peer.
pub(crate) const TOKEN: &str = "foreign-server-token-0123456789";

const SCIM2_SERVER: &str = "xtask/foreign/scim2-server.txt";
const SCIMMY: &str = "xtask/foreign/scimmy";

/// How long a peer may take until it answers; Python on a busy machine needs seconds for its imports.
const START: Duration = Duration::from_secs(60);

/// A running foreign server; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The base URL.
    pub(crate) url: String,
    child: Child,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PyPI's scim2-server, with everything in memory.
pub(crate) fn scim2_server(workspace: &Workspace) -> Result<Peer> {
    let python = python_environment(workspace, "scim2-server", SCIM2_SERVER)?;
    let port = free_port()?;
    let child = workspace
        .command(python.with_file_name("scim2-server"))
        .args(["--port", &port.to_string(), "--bearer-token", TOKEN])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("scim2-server does not start")?;
    let mut peer = Peer { name: "scim2-server", url: format!("http://127.0.0.1:{port}"), child };
    let answers = poll::try_until(START, || match peer.child.try_wait() {
        Ok(None) => {
            if answers(port) {
                Ok(true)
            } else {
                Err(())
            }
        }
        _ => Ok(false),
    });
    if answers != Ok(true) {
        bail!("scim2-server ended, or did not answer within {START:?}");
    }
    Ok(peer)
}

/// npm's SCIMMY in the application of `xtask/foreign/scimmy`, with everything in memory.
pub(crate) fn scimmy(workspace: &Workspace) -> Result<Peer> {
    let folder = node_modules(workspace)?;
    let mut child = workspace
        .command("node")
        .arg("app.mjs")
        .args(["0", TOKEN])
        .current_dir(&folder)
        .env("NODE_ENV", "production")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("SCIMMY does not start")?;
    let stdout = child.stdout.take();
    let mut peer = Peer { name: "scimmy", url: String::new(), child };
    peer.url = stdout.and_then(listening).context("SCIMMY ended before it listened")?;
    Ok(peer)
}

/// The URL that a peer names when it is ready; end of output means that it is gone.
fn listening(stdout: ChildStdout) -> Option<String> {
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).next()
}

/// A port that was free just now. The peer that needs it cannot pick one itself.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

/// Whether something on this port answers HTTP.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let attempt = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            b"GET /ServiceProviderConfig HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        )?;
        let mut begin = [0; 5];
        stream.read_exact(&mut begin)?;
        Ok(&begin == b"HTTP/")
    };
    attempt().unwrap_or(false)
}

/// The Python of an environment that holds exactly the required versions.
pub(crate) fn python_environment(
    workspace: &Workspace,
    name: &str,
    requirements: &str,
) -> Result<PathBuf> {
    tools::python(workspace)?;
    let folder = workspace.tools().join(name);
    let python = folder.join("bin").join("python");
    let wanted = fs::read_to_string(workspace.root.join(requirements))
        .with_context(|| requirements.to_owned())?;
    if python.exists() && is_installed(&folder, &wanted) {
        return Ok(python);
    }
    println!("installing {requirements}; this happens once for each version of it");
    let _ = fs::remove_dir_all(&folder);
    workspace::run(workspace.command("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    workspace::run(workspace.command(&python).args(pip).args(["--requirement", requirements]))
        .with_context(|| format!("{requirements} could not be installed from PyPI"))?;
    installed(&folder, &wanted)?;
    Ok(python)
}

/// A folder with the application and the modules that its lock file names.
fn node_modules(workspace: &Workspace) -> Result<PathBuf> {
    tools::node(workspace)?;
    let (from, folder) = (workspace.root.join(SCIMMY), workspace.tools().join("scimmy"));
    let lock = fs::read_to_string(from.join("package-lock.json")).context(SCIMMY)?;
    if !is_installed(&folder, &lock) {
        println!("installing {SCIMMY}; this happens once for each version of it");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        copy(&from, &folder, &["package.json", "package-lock.json"])?;
        let mut npm: Command = workspace.command("npm");
        npm.args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder);
        workspace::run(&mut npm)
            .with_context(|| format!("{SCIMMY} could not be installed from npm"))?;
        installed(&folder, &lock)?;
    }
    copy(&from, &folder, &["app.mjs"])?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("copy {name}"))?;
    }
    Ok(())
}

/// What says in an installed folder which versions it holds; written last, so that a broken installation has none.
const INSTALLED: &str = "installed.txt";

fn is_installed(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|text| text == wanted)
}

fn installed(folder: &Path, wanted: &str) -> Result<()> {
    fs::write(folder.join(INSTALLED), wanted).context(INSTALLED)
}
