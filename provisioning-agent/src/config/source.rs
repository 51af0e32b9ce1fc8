//! The directories that are read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SecretSource};

/// A directory that is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceConfig {
    /// What rules and state call it.
    pub name: String,
    /// What it is and how it is reached.
    #[serde(flatten)]
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SourceKind {
    /// A domain of Active Directory, or of Samba.
    ActiveDirectory(LdapSource),
    /// An OpenLDAP server.
    #[serde(rename = "openldap")]
    OpenLdap(LdapSource),
    /// Files of comma separated values.
    Csv(CsvSource),
}

/// How a directory is reached and what of it is taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LdapSource {
    /// `ldaps://host[:port]` or `ldap://host[:port]`; several are domain controllers of the same domain, the preferred one
    /// first.
    pub servers: Vec<String>,
    /// How connections of `ldap://` are protected.
    #[serde(default)]
    pub tls: Tls,
    /// Certificates (PEM) that the servers' certificates must come from; empty for the system's own.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Who reads: a distinguished name, in Active Directory also `user@domain`.
    pub bind_dn: String,
    /// That account's password.
    pub password: SecretSource,
    /// How it signs in.
    #[serde(default)]
    pub sign_in: SignIn,
    /// The Kerberos realm; empty for the one that the directory says it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub realm: String,
    /// The Kerberos server, `host` or `host:port`; empty for the server of the directory that is signed in to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kdc: String,
    /// The root of the domain, or where to read.
    pub base: String,
    /// How changes are found; Active Directory only.
    #[serde(default)]
    pub changes: Tracking,
    /// What of it is taken in.
    #[serde(default)]
    pub scope: ScopeConfig,
}

/// How a connection of `ldap://` is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// By StartTLS; only to this machine itself may the password travel without it.
    #[default]
    Required,
    /// Not at all. Everybody on the way can read the password.
    Off,
}

/// How an account signs in to a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// With its name and password (a simple bind).
    #[default]
    Simple,
    /// By Kerberos inside TLS, for directories that refuse simple binds.
    Kerberos,
}

/// How the changes of an Active Directory are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tracking {
    /// By DirSync, with the right to replicate changes (`DS-Replication-Get-Changes`).
    #[default]
    DirSync,
    /// By DirSync, with the account's ordinary rights: what it may not read is not told.
    DirSyncOrdinary,
    /// By `uSNChanged`, for servers without DirSync.
    UsnChanged,
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DirSync => "dir-sync",
            Self::DirSyncOrdinary => "dir-sync-ordinary",
            Self::UsnChanged => "usn-changed",
        })
    }
}

/// What of a directory is taken in. The default is everything but the built-in exclusions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ScopeConfig {
    /// Only what is under one of these places: distinguished names or GUIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// But nothing under these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Only this group and its members, such as a group of pilots: a distinguished name or GUID; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Whether members of groups within the group belong to it.
    pub nested: bool,
}

/// A folder of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CsvSource {
    /// The file of each object type.
    pub files: BTreeMap<String, scim_sync_connectors::csv::CsvFile>,
}

impl SourceConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |message: &str| Err(ConfigError::new(format!("source {:?}: {message}", self.name)));
        match &self.kind {
            SourceKind::ActiveDirectory(source) | SourceKind::OpenLdap(source) => {
                if source.servers.is_empty() {
                    return wrong(
                        "servers is empty: give at least one, such as ldaps://dc1.corp.example",
                    );
                }
                if source.base.trim().is_empty() {
                    return wrong(
                        "base is empty: give the root of the domain, such as DC=corp,DC=example",
                    );
                }
                if source.bind_dn.trim().is_empty() {
                    return wrong("bind-dn is empty: name the account that reads");
                }
                if source.sign_in == SignIn::Simple
                    && !(source.realm.is_empty() && source.kdc.is_empty())
                {
                    return wrong(
                        "realm and kdc are of Kerberos: set sign-in = \"kerberos\", or leave them out",
                    );
                }
                Ok(())
            }
            SourceKind::Csv(source) if source.files.is_empty() => {
                wrong("files is empty: name one for each object type")
            }
            SourceKind::Csv(_) => Ok(()),
        }
    }
}
