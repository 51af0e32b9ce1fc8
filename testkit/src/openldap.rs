//! A throw-away OpenLDAP server with content synchronisation.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ldap_tools::{self, Admin};

/// A `slapd` in a temporary folder, on free ports of 127.0.0.1; destroyed when dropped. Needs no root.
#[derive(Debug)]
pub struct OpenLdap {
    folder: TempDir,
    ports: (u16, u16),
    admin: Admin,
    ldaps: String,
    base: String,
    ca: PathBuf,
    sync: (String, String),
    variables: Vec<(&'static str, String)>,
}

const PROGRAMS: &[(&str, &str)] = &[
    ("slapd", "slapd"),
    ("slapadd", "slapd"),
    ("slappasswd", "slapd"),
    ("ldapsearch", "ldap-utils"),
    ("ldapmodify", "ldap-utils"),
    ("openssl", "openssl"),
    ("ss", "iproute2"),
];

impl OpenLdap {
    /// Sets a server up and puts `users` people and a tenth as many groups into it. It remembers so many operations
    /// (`session_log`) that it can list deletions; with 0 it names what is still there instead.
    #[must_use]
    #[track_caller]
    pub fn start(users: u32, session_log: u32) -> Self {
        ldap_tools::need("OpenLDAP", PROGRAMS);
        let folder = match TempDir::with_prefix("slapd-") {
            Ok(folder) => folder,
            Err(error) => crate::fail(format_args!("no temporary folder: {error}")),
        };
        let ports = (ldap_tools::free_port(), ldap_tools::free_port());
        let mut server = Self {
            folder,
            ports,
            admin: Admin { uri: String::new(), dn: String::new(), password: String::new() },
            ldaps: String::new(),
            base: String::new(),
            ca: PathBuf::new(),
            sync: (String::new(), String::new()),
            variables: vec![("SESSIONLOG", session_log.to_string())],
        };
        server.start_again();
        if users > 0 {
            server.verb("seed", &[&users.to_string()]);
        }
        let told = server.verb("env", &[]);
        let get = |name: &str| ldap_tools::variable(&told, name);
        server.admin =
            Admin { uri: get("LDAP_URI"), dn: get("LDAP_BIND_DN"), password: get("LDAP_PASSWORD") };
        server.ldaps = get("LDAPS_URI");
        server.base = get("LDAP_BASE");
        server.ca = PathBuf::from(get("LDAP_CA"));
        server.sync = (get("LDAP_SYNC_DN"), get("SEED_USERPASS"));
        server
    }

    #[track_caller]
    fn verb(&self, verb: &str, arguments: &[&str]) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let all: Vec<&str> = [verb, &folder].into_iter().chain(arguments.iter().copied()).collect();
        ldap_tools::run(&ldap_tools::script("openldap.sh"), &all, &self.variables)
    }

    /// `ldap://127.0.0.1:port`.
    #[must_use]
    pub fn ldap_uri(&self) -> &str {
        &self.admin.uri
    }

    /// `ldaps://127.0.0.1:port`, whose certificate [`OpenLdap::ca`] signed.
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

    /// Name and password of an account that may read everything.
    #[must_use]
    pub fn sync_account(&self) -> (&str, &str) {
        (&self.sync.0, &self.sync.1)
    }

    /// Carries LDIF out: records without `changetype` are added.
    #[track_caller]
    pub fn modify(&self, ldif: &str) {
        self.admin.feed("ldapmodify", &["-a"], ldif);
    }

    /// The values of one attribute of every entry that a filter finds; `dn` gives the names.
    #[must_use]
    #[track_caller]
    pub fn values(&self, filter: &str, attribute: &str) -> Vec<String> {
        self.admin.values(&self.base, filter, attribute)
    }

    /// Every object that a filter finds, with these attributes.
    #[must_use]
    #[track_caller]
    pub fn entries(&self, filter: &str, attributes: &[&str]) -> Vec<crate::LdapEntry> {
        self.admin.entries(&self.base, filter, attributes)
    }

    /// Stops the server; the data stay.
    #[track_caller]
    pub fn stop(&self) {
        self.verb("stop", &[]);
    }

    /// Starts it (again) on the same ports.
    #[track_caller]
    pub fn start_again(&self) {
        self.verb("start", &[&self.ports.0.to_string(), &self.ports.1.to_string()]);
    }
}

impl Drop for OpenLdap {
    fn drop(&mut self) {
        let script = ldap_tools::script("openldap.sh");
        // What is left when this fails is a folder below the temporary one; a failing test must not fail twice.
        let _ = std::process::Command::new("bash")
            .arg(script)
            .arg("destroy")
            .arg(self.folder.path())
            .output();
    }
}
