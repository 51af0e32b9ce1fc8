//! A throw-away Active Directory domain controller (Samba).

use std::ops::Deref;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ldap_tools::{self, Bed};

/// A Samba domain in a temporary folder, on free ports of 127.0.0.1; destroyed when dropped.
///
/// Needs root and the packages that a failure names. Provisioning takes 4 to 16 seconds: a test that wants several things
/// of a domain asks them of one.
#[derive(Debug)]
pub struct Samba {
    folder: Folder,
    ports: [u16; 3],
    bed: Bed,
}

/// Where a domain lives.
#[derive(Debug)]
enum Folder {
    /// Destroyed with everything in it.
    Thrown(TempDir),
    /// Stopped; the data stay.
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Thrown(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

const PROGRAMS: &[(&str, &str)] = &[
    ("samba", "samba-ad-dc"),
    ("samba-tool", "samba"),
    ("ldbadd", "ldb-tools"),
    ("ldapsearch", "ldap-utils"),
    ("ldapmodify", "ldap-utils"),
    ("openssl", "openssl"),
    ("socat", "socat"),
    ("ss", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("python3", "python3-samba"),
];

impl Samba {
    /// Provisions a domain, starts it and puts `users` people, a tenth as many groups (at least 100) and some contacts
    /// into it.
    #[must_use]
    #[track_caller]
    pub fn start(users: u32) -> Self {
        Self::start_with(users, &[])
    }

    /// The same with variables for the script, such as `SAMBA_STRONG_AUTH=yes`.
    #[must_use]
    #[track_caller]
    pub fn start_with(users: u32, variables: &[(&str, &str)]) -> Self {
        let folder = match TempDir::with_prefix("samba-") {
            Ok(folder) => folder,
            Err(error) => crate::fail(format_args!("no temporary folder: {error}")),
        };
        Self::start_in(Folder::Thrown(folder), users, variables)
    }

    /// A domain in a folder that stays, for measurements: provisioned and seeded where it is not yet, and only stopped when
    /// dropped. Its sync account is shown deleted objects, as by Windows. Seeding 20,000 people takes ten minutes.
    #[must_use]
    #[track_caller]
    pub fn kept(folder: &Path, users: u32) -> Self {
        Self::start_in(Folder::Kept(folder.to_owned()), users, &[("SEED_TOMBSTONES", "yes")])
    }

    #[track_caller]
    fn start_in(folder: Folder, users: u32, variables: &[(&str, &str)]) -> Self {
        ldap_tools::need("Samba", PROGRAMS);
        if !rustix::process::geteuid().is_root() {
            crate::fail(format_args!(
                "Samba needs root for its network namespace and its file attributes"
            ));
        }
        let mut environment: Vec<_> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        environment.push(("SEED_PASSWORDS", "3".to_owned()));
        let ports = std::array::from_fn(|_| ldap_tools::free_port());
        // From here on the domain is destroyed whatever fails.
        let mut samba = Self { folder, ports, bed: Bed::default() };
        samba.start_on_its_ports(&environment);
        if users > 0 {
            samba.verb("seed", &[&users.to_string()], &environment);
        }
        samba.bed = Bed::told(&samba.verb("env", &[], &[]), "LDAP_SYNC_UPN");
        if variables.iter().any(|(name, value)| *name == "SAMBA_STRONG_AUTH" && *value != "no") {
            samba.bed.protect();
        }
        samba
    }

    #[track_caller]
    fn verb(&self, verb: &str, arguments: &[&str], environment: &[(&str, String)]) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let all: Vec<&str> = [verb, &folder].into_iter().chain(arguments.iter().copied()).collect();
        ldap_tools::run(&ldap_tools::script("samba-ad.sh"), &all, environment)
    }

    /// Removes an object.
    #[track_caller]
    pub fn delete(&self, dn: &str) {
        self.modify(&format!("{}changetype: delete\n", crate::ldif_line("dn", dn)));
    }

    /// Renames an object, and moves it when `parent` is given.
    #[track_caller]
    pub fn rename(&self, dn: &str, rdn: &str, parent: Option<&str>) {
        let parent =
            parent.map(|parent| crate::ldif_line("newsuperior", parent)).unwrap_or_default();
        self.modify(&format!(
            "{}changetype: modrdn\n{}deleteoldrdn: 1\n{parent}",
            crate::ldif_line("dn", dn),
            crate::ldif_line("newrdn", rdn)
        ));
    }

    /// Sets an attribute; no value clears it.
    #[track_caller]
    pub fn set(&self, dn: &str, attribute: &str, value: Option<&str>) {
        let value = value.map(|value| crate::ldif_line(attribute, value)).unwrap_or_default();
        self.modify(&format!(
            "{}changetype: modify\nreplace: {attribute}\n{value}",
            crate::ldif_line("dn", dn)
        ));
    }

    /// Adds (`add`) or removes (`delete`) one value.
    #[track_caller]
    pub fn change(&self, dn: &str, verb: &str, attribute: &str, value: &str) {
        self.modify(&format!(
            "{}changetype: modify\n{verb}: {attribute}\n{}",
            crate::ldif_line("dn", dn),
            crate::ldif_line(attribute, value)
        ));
    }

    /// The name of the account with this `sAMAccountName`.
    #[must_use]
    #[track_caller]
    pub fn dn_of(&self, account: &str) -> String {
        let found = self.values(&format!("(sAMAccountName={account})"), "dn");
        match found.as_slice() {
            [dn] => dn.clone(),
            found => crate::fail(format_args!("{account} should be one object and is {found:?}")),
        }
    }

    /// Stops the server; the data stay.
    #[track_caller]
    pub fn stop(&self) {
        self.verb("stop", &[], &[]);
    }

    /// Starts it again on the same ports.
    #[track_caller]
    pub fn start_again(&self) {
        self.start_on_its_ports(&[]);
    }

    /// `127.0.0.1:port` of its Kerberos server.
    #[must_use]
    pub fn kdc(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    #[track_caller]
    fn start_on_its_ports(&self, environment: &[(&str, String)]) {
        let [ldap, ldaps, kdc] = self.ports.map(|port| port.to_string());
        // Nobody asks for the fourth one, remote procedure calls.
        self.verb("start", &[&ldap, &ldaps, "0", &kdc], environment);
    }
}

impl Deref for Samba {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let script = ldap_tools::script("samba-ad.sh");
        let verb = match &self.folder {
            Folder::Thrown(_) => "destroy",
            Folder::Kept(_) => "stop",
        };
        // What is left when this fails is a folder below the temporary one; a failing test must not fail twice.
        let _ = std::process::Command::new("bash")
            .arg(script)
            .arg(verb)
            .arg(self.folder.path())
            .output();
    }
}
