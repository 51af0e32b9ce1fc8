//! The command line tools of OpenLDAP, as the test beds use them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::program;

/// Fails the test with the packages to install when programs are missing.
#[track_caller]
pub(crate) fn need(what: &str, programs: &[(&str, &str)]) {
    let path = search_path();
    let there =
        |program: &str| path.split(':').any(|folder| Path::new(folder).join(program).exists());
    let mut packages: Vec<_> = programs
        .iter()
        .filter(|(program, _)| !there(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if !packages.is_empty() {
        crate::fail(format_args!(
            "{what} cannot be started: install the packages {} (apt-get install --no-install-recommends {})",
            packages.join(", "),
            packages.join(" ")
        ));
    }
}

pub(crate) fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("/usr/sbin:/usr/bin:/sbin:/bin:{path}")
}

/// A script of this crate.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}

/// Runs a verb of a script and gives what it wrote; fails the test with its words when it fails.
#[track_caller]
pub(crate) fn run<S: AsRef<OsStr>>(
    script: &Path,
    arguments: &[S],
    environment: &[(&str, String)],
) -> String {
    let mut command = Command::new("bash");
    command
        .arg(script)
        .args(arguments)
        .env("PATH", search_path())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    match program::grouped(&mut command).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => crate::fail(format_args!(
            "{} {:?} failed ({}):\n{}{}",
            script.display(),
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_string_lossy())
                .collect::<Vec<_>>(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => crate::fail(format_args!("bash does not start: {error}")),
    }
}

/// Ports that systems give to nobody by themselves: one for outgoing connections may be taken at any moment.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A port of 127.0.0.1 that nobody listens on, kept for this process against other tests.
#[track_caller]
pub(crate) fn free_port() -> u16 {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("testkit-ports");
    if let Err(error) = std::fs::create_dir_all(&folder) {
        crate::fail(format_args!("{} cannot be made: {error}", folder.display()));
    }
    let begin = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap_or(0);
    for port in (PORTS.start + begin..PORTS.end).chain(PORTS) {
        let Ok(file) = File::create(folder.join(port.to_string())) else { continue };
        if file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            HELD.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            return port;
        }
    }
    crate::fail(format_args!("no port of {PORTS:?} is free"))
}

/// Who does something where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admin {
    pub(crate) uri: String,
    pub(crate) dn: String,
    pub(crate) password: String,
    /// The authority to hold the server to where it asks for TLS; without TLS when `None`.
    pub(crate) tls: Option<PathBuf>,
}

impl Admin {
    /// Runs a tool with LDIF on its standard input; fails the test with the tool's words when it fails.
    #[track_caller]
    pub(crate) fn feed(&self, tool: &str, arguments: &[&str], ldif: &str) -> String {
        let mut command = Command::new(tool);
        if let Some(authority) = &self.tls {
            command.arg("-ZZ").env("LDAPTLS_CACERT", authority);
        }
        let spawned = command
            .args(["-x", "-H", &self.uri, "-D", &self.dn, "-w", &self.password])
            .args(arguments)
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => crate::fail(format_args!("{tool} does not start: {error}")),
        };
        if let Some(mut stdin) = child.stdin.take() {
            // A tool that ended early says why on its standard error.
            let _ = stdin.write_all(ldif.as_bytes());
        }
        match child.wait_with_output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            Ok(output) => crate::fail(format_args!(
                "{tool} {arguments:?} failed ({}): {}\n{ldif}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => crate::fail(format_args!("{tool} cannot be waited for: {error}")),
        }
    }

    /// The values of one attribute of every entry that a filter finds; `dn` gives the names.
    #[track_caller]
    pub(crate) fn values(&self, base: &str, filter: &str, attribute: &str) -> Vec<String> {
        let asked = if attribute == "dn" { "1.1" } else { attribute };
        let found =
            self.feed("ldapsearch", &["-LLL", "-o", "ldif-wrap=no", "-b", base, filter, asked], "");
        found.lines().filter_map(|line| value(line, attribute)).collect()
    }
}

impl Admin {
    /// Every entry that a filter finds, with the attributes asked for.
    #[track_caller]
    pub(crate) fn entries(&self, base: &str, filter: &str, attributes: &[&str]) -> Vec<LdapEntry> {
        let arguments: Vec<&str> = ["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]
            .into_iter()
            .chain(attributes.iter().copied())
            .collect();
        let mut entries: Vec<LdapEntry> = Vec::new();
        for line in self.feed("ldapsearch", &arguments, "").lines() {
            let Some((name, octets)) = attribute(line) else { continue };
            if name == "dn" {
                let dn = String::from_utf8_lossy(&octets).into_owned();
                entries.push(LdapEntry { dn, values: BTreeMap::new() });
            } else if let Some(entry) = entries.last_mut() {
                entry.values.entry(name.to_lowercase()).or_default().push(octets);
            }
        }
        entries
    }
}

/// A directory that a script has started: where it is, who may do what, and what is in it.
#[derive(Clone, Debug, Default)]
pub struct Bed {
    admin: Admin,
    ldaps: String,
    base: String,
    ca: PathBuf,
    sync: (String, String),
}

impl Bed {
    /// What a script tells of its directory; `sync` is its variable for the account that follows changes.
    pub(crate) fn told(environment: &str, sync: &str) -> Self {
        let get = |name: &str| variable(environment, name);
        Self {
            admin: Admin {
                uri: get("LDAP_URI"),
                dn: get("LDAP_BIND_DN"),
                password: get("LDAP_PASSWORD"),
                tls: None,
            },
            ldaps: get("LDAPS_URI"),
            base: get("LDAP_BASE"),
            ca: PathBuf::from(get("LDAP_CA")),
            sync: (get(sync), get("SEED_USERPASS")),
        }
    }

    /// Has the tools ask for TLS from now on.
    pub(crate) fn protect(&mut self) {
        self.admin.tls = Some(self.ca.clone());
    }

    /// `ldap://127.0.0.1:port`.
    #[must_use]
    pub fn ldap_uri(&self) -> &str {
        &self.admin.uri
    }

    /// `ldaps://127.0.0.1:port`, whose certificate [`Bed::ca`] signed.
    #[must_use]
    pub fn ldaps_uri(&self) -> &str {
        &self.ldaps
    }

    /// The file of the authority that signed the server's certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The name of the root.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The administrator's name and password.
    #[must_use]
    pub fn admin(&self) -> (&str, &str) {
        (&self.admin.dn, &self.admin.password)
    }

    /// Name and password of an account that may read everything and follow changes; there once people were put into it.
    #[must_use]
    pub fn sync_account(&self) -> (&str, &str) {
        (&self.sync.0, &self.sync.1)
    }

    /// Carries LDIF out: records without `changetype` are added.
    #[track_caller]
    pub fn modify(&self, ldif: &str) {
        self.admin.feed("ldapmodify", &["-a"], ldif);
    }

    /// The values of one attribute of every object that a filter finds; `dn` gives the names.
    #[must_use]
    #[track_caller]
    pub fn values(&self, filter: &str, attribute: &str) -> Vec<String> {
        self.admin.values(&self.base, filter, attribute)
    }

    /// Every object that a filter finds, with these attributes.
    #[must_use]
    #[track_caller]
    pub fn entries(&self, filter: &str, attributes: &[&str]) -> Vec<LdapEntry> {
        self.admin.entries(&self.base, filter, attributes)
    }
}

/// An entry of a directory as its command line tools show it: what tests compare with, by another way than ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapEntry {
    /// Its name.
    pub dn: String,
    values: BTreeMap<String, Vec<Vec<u8>>>,
}

impl LdapEntry {
    /// The first value of an attribute, in Base64.
    #[must_use]
    pub fn base64(&self, attribute: &str) -> Option<String> {
        let octets = self.values.get(&attribute.to_lowercase())?.first()?;
        Some(STANDARD.encode(octets))
    }

    /// The first value of an attribute.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.texts(attribute).into_iter().next()
    }

    /// The values of an attribute.
    #[must_use]
    pub fn texts(&self, attribute: &str) -> Vec<String> {
        let values = self.values.get(&attribute.to_lowercase()).map(Vec::as_slice);
        values
            .unwrap_or_default()
            .iter()
            .map(|octets| String::from_utf8_lossy(octets).into_owned())
            .collect()
    }
}

/// The name and the value of a line of LDIF.
fn attribute(line: &str) -> Option<(&str, Vec<u8>)> {
    // A comment; ldapsearch puts references to other servers into such lines.
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_once(':')?;
    match rest.strip_prefix(": ") {
        Some(encoded) => Some((name, STANDARD.decode(encoded.trim()).ok()?)),
        None => Some((name, rest.trim_start().as_bytes().to_vec())),
    }
}

/// The value of a line of LDIF.
fn value(line: &str, wanted: &str) -> Option<String> {
    let (name, octets) = attribute(line)?;
    name.eq_ignore_ascii_case(wanted).then(|| String::from_utf8_lossy(&octets).into_owned())
}

/// One line of LDIF, in Base64 so that any value fits.
#[must_use]
pub fn ldif_line(name: &str, value: &str) -> String {
    format!("{name}:: {}\n", STANDARD.encode(value))
}

/// The value of a variable in what the scripts print for a shell.
pub(crate) fn variable(environment: &str, name: &str) -> String {
    let prefix = format!("{name}=");
    environment.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ldif() {
        assert_eq!(value("dn: CN=a", "dn").as_deref(), Some("CN=a"));
        assert_eq!(value("dn:: w5Y=", "dn").as_deref(), Some("Ö"));
        assert_eq!(value("cn: a", "dn"), None);
        assert_eq!(ldif_line("dn", "Ö"), "dn:: w5Y=\n");
    }

    #[test]
    #[should_panic(expected = "install the packages no-such-package")]
    fn what_is_missing_is_named() {
        need("A server", &[("bash", "bash"), ("no-such-program", "no-such-package")]);
    }
}
