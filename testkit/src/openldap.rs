//! A throw-away OpenLDAP server with content synchronisation.

use std::ops::Deref;

use tempfile::TempDir;

use crate::ldap_tools::{self, Bed};

/// A `slapd` in a temporary folder, on free ports of 127.0.0.1; destroyed when dropped. Needs no root.
#[derive(Debug)]
pub struct OpenLdap {
    folder: TempDir,
    ports: (u16, u16),
    bed: Bed,
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
            bed: Bed::default(),
            variables: vec![("SESSIONLOG", session_log.to_string())],
        };
        server.start_again();
        if users > 0 {
            server.verb("seed", &[&users.to_string()]);
        }
        server.bed = Bed::told(&server.verb("env", &[]), "LDAP_SYNC_DN");
        server
    }

    #[track_caller]
    fn verb(&self, verb: &str, arguments: &[&str]) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let all: Vec<&str> = [verb, &folder].into_iter().chain(arguments.iter().copied()).collect();
        ldap_tools::run(&ldap_tools::script("openldap.sh"), &all, &self.variables)
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

impl Deref for OpenLdap {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
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
