//! What an operator says about a directory.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use scim_sync::{ConnectorError, ConnectorId, ObjectType};
use secrecy::{ExposeSecret, SecretString};

use super::clause::Exclusion;
use super::entry::Entry;
use super::filter::LdapFilter;
use super::scope::LdapScope;

/// A directory to be read.
///
/// ```
/// use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapServer};
///
/// let bind = LdapBind::simple("svc-sync@corp.example", "secret");
/// let server = LdapServer::new("ldaps://dc1.corp.example");
/// let config = LdapConfig::active_directory("corp", server, bind, "DC=corp,DC=example");
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, Debug)]
pub struct LdapConfig {
    /// The name of the connector in rules and state.
    pub id: ConnectorId,
    /// The servers of one directory, the preferred one first. Of a domain: its domain controllers.
    pub servers: Vec<LdapServer>,
    /// Certificates (PEM) that the servers' certificates must come from; the system's own when `None`.
    pub ca_file: Option<PathBuf>,
    /// Who reads.
    pub bind: LdapBind,
    /// Lets a password go over a connection without TLS. For tests on one machine.
    pub allow_plaintext: bool,
    /// What kind of directory it is, which decides how changes are found.
    pub directory: Directory,
    /// Where to read: of a domain its root, since DirSync knows no other base.
    pub base: String,
    /// What to read.
    pub types: Vec<LdapType>,
    /// What of it to take in.
    pub scope: LdapScope,
    /// How long and how much at a time.
    pub limits: LdapLimits,
}

impl LdapConfig {
    /// A domain of Active Directory or Samba with users, groups and contacts, and the usual exclusions.
    #[must_use]
    pub fn active_directory(id: &str, server: LdapServer, bind: LdapBind, base: &str) -> Self {
        Self {
            id: ConnectorId::new(id),
            servers: vec![server],
            ca_file: None,
            bind,
            allow_plaintext: false,
            directory: Directory::ActiveDirectory(ChangeTracking::default()),
            base: base.to_owned(),
            types: vec![LdapType::ad_user(), LdapType::ad_contact(), LdapType::ad_group()],
            scope: LdapScope::default(),
            limits: LdapLimits::default(),
        }
    }

    /// An OpenLDAP server with the overlay `syncprov`, whose people are `inetOrgPerson` and whose groups `groupOfNames`.
    #[must_use]
    pub fn open_ldap(id: &str, server: LdapServer, bind: LdapBind, base: &str) -> Self {
        let types = vec![
            LdapType::new("inetOrgPerson", &["inetOrgPerson"]),
            LdapType::new("groupOfNames", &["groupOfNames", "groupOfUniqueNames"]),
        ];
        let directory = Directory::OpenLdap;
        Self { directory, types, ..Self::active_directory(id, server, bind, base) }
    }

    /// Whether the directory is one of Microsoft's kind.
    pub(crate) fn is_active_directory(&self) -> bool {
        matches!(self.directory, Directory::ActiveDirectory(_))
    }

    /// What can be said without asking the directory.
    ///
    /// # Errors
    /// [`ConnectorError::Configuration`] with what to mend.
    pub fn check(&self) -> Result<(), ConnectorError> {
        let wrong = |text: String| Err(ConnectorError::Configuration(text));
        if self.servers.is_empty() {
            return wrong(format!("connector {}: no server is given", self.id));
        }
        if self.base.trim().is_empty() {
            return wrong(format!(
                "connector {}: no base is given, such as DC=corp,DC=example",
                self.id
            ));
        }
        for server in &self.servers {
            let url = &server.url;
            if !url.starts_with("ldap://") && !url.starts_with("ldaps://") {
                return wrong(format!("{url} is no LDAP URL: it begins with ldaps:// or ldap://"));
            }
            #[cfg(feature = "kerberos")]
            if matches!(self.bind, LdapBind::Kerberos(_)) && !server.is_encrypted() {
                return wrong(format!(
                    "{url} is not encrypted, and a sign-in by Kerberos goes inside TLS only: use ldaps:// or StartTLS"
                ));
            }
            let secret = matches!(self.bind, LdapBind::Simple { .. });
            if secret && !server.is_encrypted() && !self.allow_plaintext {
                return wrong(format!(
                    "{url} would get the password unencrypted: use ldaps:// or StartTLS, or allow it by allow_plaintext"
                ));
            }
        }
        if let LdapBind::Simple { name, password } = &self.bind
            && (name.is_empty() || password.expose_secret().is_empty())
        {
            // RFC 4513 section 5.1.2: a server takes a name without a password for an anonymous bind that succeeds.
            return wrong("the name or the password to bind with is empty".to_owned());
        }
        #[cfg(feature = "kerberos")]
        if let LdapBind::Kerberos(account) = &self.bind
            && (account.name.is_empty() || account.password.expose_secret().is_empty())
        {
            return wrong("the name or the password to bind with is empty".to_owned());
        }
        Ok(())
    }
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapServer {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub url: String,
    /// Whether to ask for TLS on a connection of `ldap://` before anything else is said.
    pub start_tls: bool,
}

impl LdapServer {
    /// A server by its URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), start_tls: false }
    }

    /// The same with StartTLS.
    #[must_use]
    pub fn with_start_tls(self) -> Self {
        Self { start_tls: true, ..self }
    }

    /// Whether what is said to it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.start_tls || self.url.starts_with("ldaps://")
    }
}

/// How to say who reads.
#[derive(Clone)]
pub enum LdapBind {
    /// Nobody in particular.
    Anonymous,
    /// A name and a password.
    Simple {
        /// A distinguished name, or in Active Directory also `user@domain` or `DOMAIN\user`.
        name: String,
        /// The password.
        password: SecretString,
    },
    /// An account of a Kerberos realm, by SASL GSSAPI inside TLS.
    #[cfg(feature = "kerberos")]
    Kerberos(KerberosAccount),
}

/// An account of a Kerberos realm.
///
/// ```
/// use scim_sync_connectors::ldap::{KerberosAccount, LdapBind};
///
/// let bind = LdapBind::Kerberos(KerberosAccount::new("svc-sync@corp.example", "secret"));
/// assert!(!format!("{bind:?}").contains("secret"));
/// ```
#[cfg(feature = "kerberos")]
#[derive(Clone, Debug)]
pub struct KerberosAccount {
    /// `user`, `user@realm`, or in Active Directory `user@` any suffix of the forest.
    pub name: String,
    /// The password; the account's key is made of it.
    pub password: SecretString,
    /// The realm; when `None` the one that the directory belongs to, and where it does not tell, the one in the name.
    pub realm: Option<String>,
    /// The Kerberos server, `host` or `host:port`, asked over TCP; when `None` the host of the directory, since every domain
    /// controller is one.
    pub kdc: Option<String>,
}

#[cfg(feature = "kerberos")]
impl KerberosAccount {
    /// An account of the domain that is read.
    #[must_use]
    pub fn new(name: &str, password: impl Into<String>) -> Self {
        let password = SecretString::from(password.into());
        Self { name: name.to_owned(), password, realm: None, kdc: None }
    }
}

impl LdapBind {
    /// A name and a password.
    #[must_use]
    pub fn simple(name: &str, password: impl Into<String>) -> Self {
        Self::Simple { name: name.to_owned(), password: SecretString::from(password.into()) }
    }
}

impl fmt::Debug for LdapBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Simple { name, .. } => {
                f.debug_struct("Simple").field("name", name).finish_non_exhaustive()
            }
            #[cfg(feature = "kerberos")]
            Self::Kerberos(account) => f.debug_tuple("Kerberos").field(account).finish(),
        }
    }
}

/// What kind of directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Active Directory or Samba.
    ActiveDirectory(ChangeTracking),
    /// OpenLDAP, or another server with content synchronisation (RFC 4533).
    OpenLdap,
}

/// How changes of an Active Directory are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeTracking {
    /// The DirSync control.
    DirSync {
        /// Reads with the account's ordinary rights instead of the right to replicate (`DS-Replication-Get-Changes`).
        object_security: bool,
    },
    /// By the number of the last change, `uSNChanged`. Reads changed objects whole.
    UsnChanged,
}

impl Default for ChangeTracking {
    fn default() -> Self {
        Self::DirSync { object_security: false }
    }
}

/// An object type: which entries it takes and which of them are left out.
#[derive(Clone, Debug)]
pub struct LdapType {
    /// Its name in rules.
    pub name: ObjectType,
    /// An entry with any of these object classes,
    pub classes: Vec<String>,
    /// and none of these.
    pub without: Vec<String>,
    /// Entries that are told as out of scope.
    pub exclusions: Vec<Exclusion>,
    /// An entry with more references than this in one attribute is out of scope.
    pub max_references: Option<usize>,
}

impl LdapType {
    /// A type by its classes, without exclusions.
    #[must_use]
    pub fn new(name: &str, classes: &[&str]) -> Self {
        Self {
            name: ObjectType::new(name),
            classes: classes.iter().map(|&class| class.to_owned()).collect(),
            without: Vec::new(),
            exclusions: Vec::new(),
            max_references: None,
        }
    }

    /// Users (`inetOrgPerson` among them) but not computers. Who of them is no person is for the rules to say.
    #[must_use]
    pub fn ad_user() -> Self {
        Self { without: vec!["computer".to_owned()], ..Self::of_domain("user") }
    }

    /// Groups.
    #[must_use]
    pub fn ad_group() -> Self {
        Self { max_references: Some(250_000), ..Self::of_domain("group") }
    }

    /// Contacts.
    #[must_use]
    pub fn ad_contact() -> Self {
        Self::of_domain("contact")
    }

    fn of_domain(class: &str) -> Self {
        Self { exclusions: Exclusion::built_in(), ..Self::new(class, &[class]) }
    }

    /// The filter that finds its entries.
    pub(crate) fn filter(&self) -> LdapFilter {
        let class = |class: &String| LdapFilter::equal("objectClass", class);
        let wanted = LdapFilter::any(self.classes.iter().map(class));
        let without = self.without.iter().map(|name| LdapFilter::negate(class(name)));
        LdapFilter::all(std::iter::once(wanted).chain(without))
    }

    /// Whether an entry with its `objectClass` is of this type.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        let has = |class: &String| {
            entry.texts("objectClass").any(|found| found.eq_ignore_ascii_case(class))
        };
        self.classes.iter().any(has) && !self.without.iter().any(has)
    }
}

/// How long to wait and how much to ask for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LdapLimits {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the next sign of life of an operation.
    pub idle: Duration,
    /// Entries of a page; Active Directory gives at most 1,000.
    pub page: u32,
}

impl Default for LdapLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(120), page: 500 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> LdapConfig {
        let bind = LdapBind::simple("cn=reader", "hush-hush");
        LdapConfig::active_directory("corp", LdapServer::new(url), bind, "DC=x")
    }

    #[test]
    fn a_password_needs_an_encrypted_connection() {
        let error = config("ldap://dc1").check().unwrap_err().to_string();
        assert!(error.contains("allow_plaintext"), "{error}");
        assert!(config("ldaps://dc1").check().is_ok());
        let mut plain = config("ldap://dc1");
        plain.servers[0].start_tls = true;
        assert!(plain.check().is_ok());
        plain.servers[0].start_tls = false;
        plain.allow_plaintext = true;
        assert!(plain.check().is_ok());
    }

    #[cfg(feature = "kerberos")]
    #[test]
    fn kerberos_goes_inside_tls_whatever_is_allowed() {
        let with = |url, password: &str| LdapConfig {
            bind: LdapBind::Kerberos(KerberosAccount::new("svc-sync", password)),
            allow_plaintext: true,
            ..config(url)
        };
        assert!(with("ldaps://dc1", "hush-hush").check().is_ok());
        let error = with("ldap://dc1", "hush-hush").check().unwrap_err().to_string();
        assert!(error.contains("inside TLS only"), "{error}");
        assert!(with("ldaps://dc1", "").check().unwrap_err().to_string().contains("empty"));
        assert!(!format!("{:?}", with("ldaps://dc1", "hush-hush")).contains("hush"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_words() {
        assert!(config("http://dc1").check().unwrap_err().to_string().contains("ldaps://"));
        let empty = LdapConfig { bind: LdapBind::simple("cn=x", ""), ..config("ldaps://dc1") };
        assert!(empty.check().unwrap_err().to_string().contains("empty"));
        let none = LdapConfig { base: String::new(), ..config("ldaps://dc1") };
        assert!(none.check().unwrap_err().to_string().contains("base"));
    }

    #[test]
    fn no_secret_in_what_is_shown() {
        assert!(!format!("{:?}", config("ldaps://dc1")).contains("hush"));
    }

    #[test]
    fn the_filter_of_users_leaves_computers_out() {
        let filter = LdapType::ad_user().filter().to_string();
        assert_eq!(filter, "(&(objectClass=user)(!(objectClass=computer)))");
    }
}
