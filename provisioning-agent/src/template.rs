//! The configuration file that `setup` writes, and the examples: the systems with comments, then the shipped rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use scim_sync::ConnectorId;
use scim_sync::rules::RuleSet;
use scim_sync::rules::defaults::{AD_TO_SCIM, OPENLDAP_TO_SCIM};

use crate::cli::DirectoryKind;
use crate::config::{SecretSource, SignIn, Tracking};

/// What the shipped rules call the target.
pub const TARGET: &str = "scim";

impl DirectoryKind {
    /// What the shipped rules call the source.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "ad",
            Self::OpenLdap => "ldap",
        }
    }

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "active-directory",
            Self::OpenLdap => "openldap",
        }
    }

    /// The shipped rules, as text.
    const fn rules(self) -> &'static str {
        match self {
            Self::ActiveDirectory => AD_TO_SCIM,
            Self::OpenLdap => OPENLDAP_TO_SCIM,
        }
    }
}

/// What differs from site to site. In texts, `${NAME}` stands for an environment variable; see [`literal`].
#[derive(Clone, Debug)]
pub struct Site {
    /// The kind of directory.
    pub directory: DirectoryKind,
    /// Its servers.
    pub servers: Vec<String>,
    /// Authorities of its certificates; empty for those of the system.
    pub ldap_ca: String,
    /// The account that reads.
    pub bind_dn: String,
    /// Its password.
    pub password: SecretSource,
    /// How it signs in.
    pub sign_in: SignIn,
    /// Its Kerberos realm; empty for the directory's own.
    pub realm: String,
    /// Its Kerberos server; empty for the server of the directory.
    pub kdc: String,
    /// The root of the domain.
    pub base: String,
    /// How changes are found; of Active Directory only.
    pub changes: Tracking,
    /// Only what is under these places.
    pub include: Vec<String>,
    /// Only this group and its members, those of groups within it among them.
    pub group: String,
    /// The URL of the service.
    pub target: String,
    /// Its token.
    pub token: SecretSource,
    /// Authorities of its certificate; empty for those of the system.
    pub target_ca: String,
    /// Its profile; empty for none.
    pub profile: String,
    /// The folder of the state.
    pub state_dir: String,
    /// Whether nothing is to be written.
    pub staging: bool,
}

/// What differs from one managed agent to another, beside its directory.
#[derive(Clone, Debug)]
pub struct ManagedSite {
    /// The address of the service.
    pub service: String,
    /// The folder of the identity.
    pub identity: String,
    /// Authorities of the service's certificate; empty for its own or the system's.
    pub service_ca: String,
    /// The proxy; empty for what the environment says.
    pub proxy: String,
}

impl Site {
    /// The site of the examples: everything comes from the environment.
    #[must_use]
    pub fn from_environment(directory: DirectoryKind) -> Self {
        Self {
            directory,
            servers: vec!["${LDAP_URI}".to_owned()],
            ldap_ca: "${LDAP_CA:-}".to_owned(),
            bind_dn: "${LDAP_BIND_DN}".to_owned(),
            password: SecretSource::Env("LDAP_PASSWORD".to_owned()),
            sign_in: SignIn::Simple,
            realm: String::new(),
            kdc: String::new(),
            base: "${LDAP_BASE}".to_owned(),
            changes: Tracking::DirSync,
            include: Vec::new(),
            group: String::new(),
            target: "${SCIM_URL}".to_owned(),
            token: SecretSource::Env("SCIM_TOKEN".to_owned()),
            target_ca: String::new(),
            profile: String::new(),
            state_dir: "${STATE_DIR}".to_owned(),
            staging: false,
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}\n{}", self.systems(), body(self.directory.rules()).trim_start())
    }

    /// The file of an agent that a service manages: how the directory is reached, and nothing of what becomes of it.
    #[must_use]
    pub fn managed_file(&self, managed: &ManagedSite) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = self.write_managed(&mut text, managed);
        text
    }

    fn write_managed(&self, to: &mut String, managed: &ManagedSite) -> std::fmt::Result {
        writeln!(
            to,
            "# An agent that a provisioning service manages. Rules, scope and schedule are with the service; here is how the"
        )?;
        writeln!(
            to,
            "# directory beside it is reached. Texts may have ${{NAME}} for an environment variable, and $${{ for ${{ itself.\n"
        )?;
        writeln!(to, "service = {}", quoted(&managed.service))?;
        writeln!(
            to,
            "# The agent's own key and certificate. Nobody else may read them, and no other agent may use them."
        )?;
        writeln!(to, "identity = {}", quoted(&managed.identity))?;
        let optional = [
            (
                "service-ca",
                &managed.service_ca,
                "ca.pem",
                "authorities (PEM), where the service's certificate is not of its own",
            ),
            (
                "proxy",
                &managed.proxy,
                "http://proxy:3128",
                "what HTTPS_PROXY says otherwise; \"none\" for none",
            ),
        ];
        for (name, value, example, what) in optional {
            match value.is_empty() {
                true => writeln!(to, "# {name} = {}   # {what}", quoted(example))?,
                false => writeln!(to, "{name} = {}", quoted(value))?,
            }
        }
        writeln!(
            to,
            "# health = \"127.0.0.1:9123\"   # GET /health on this machine: 200 while the link is there\n"
        )?;
        writeln!(
            to,
            "# The jobs of the service call the directory by its name; agents of one group use the same."
        )?;
        self.reached(to)
    }

    /// What stands before the rules.
    fn systems(&self) -> String {
        let mut text = String::new();
        let what = match self.directory {
            DirectoryKind::ActiveDirectory => "Active Directory (or Samba)",
            DirectoryKind::OpenLdap => "OpenLDAP",
        };
        // Writing to a text does not fail.
        let _ = self.write(&mut text, what);
        text
    }

    fn write(&self, to: &mut String, what: &str) -> std::fmt::Result {
        writeln!(
            to,
            "# {what} into a SCIM service. Texts outside of the rules may have ${{NAME}} for an environment variable,"
        )?;
        writeln!(
            to,
            "# ${{NAME:-default}} for one that may be missing, and $${{ for ${{ itself.\n"
        )?;
        writeln!(to, "version = 1")?;
        writeln!(
            to,
            "# What was read, what was written, logs, and what is needed to undo a run. One agent for each folder."
        )?;
        writeln!(to, "state-dir = {}", quoted(&self.state_dir))?;
        writeln!(
            to,
            "# \"staging\" reads and works everything out, and writes nothing: `pending` shows what would be."
        )?;
        writeln!(to, "mode = \"{}\"", if self.staging { "staging" } else { "active" })?;
        writeln!(
            to,
            "# health = \"127.0.0.1:9123\"   # GET /health on this machine: 200 where all is well\n"
        )?;
        self.source(to)?;
        writeln!(to, "[[target]]\nname = \"{TARGET}\"")?;
        writeln!(to, "url = {}", quoted(&self.target))?;
        writeln!(to, "token = {}", secret(&self.token))?;
        if self.target_ca.is_empty() {
            writeln!(
                to,
                "# ca-file = \"\"   # authorities of the service's certificate (PEM), where the system does not know them"
            )?;
        } else {
            writeln!(to, "ca-file = {}", quoted(&self.target_ca))?;
        }
        if self.profile.is_empty() {
            writeln!(
                to,
                "# profile = \"entra\"   # what is known of a service: `scim profile list`"
            )?;
        } else {
            writeln!(to, "profile = {}", quoted(&self.profile))?;
        }
        writeln!(
            to,
            "\n# A cycle that would take away more than this writes nothing, and says how to let it through (`allow`)."
        )?;
        writeln!(
            to,
            "# The smaller of number and percent counts, but never less than at-least. 0 allows none."
        )?;
        writeln!(to, "[guard]")?;
        writeln!(
            to,
            "deletes = {{ number = 500, percent = 10, at-least = 5 }}   # of the target's objects; switching off counts too"
        )?;
        writeln!(
            to,
            "members = {{ number = 500, percent = 50, at-least = 50 }}  # of the members of one group\n"
        )?;
        writeln!(
            to,
            "[schedule]\nevery = \"2m\"        # for `run`\njitter = \"10s\"\nfull-every = \"7d\"   # everything is read anew and compared\n"
        )?;
        writeln!(
            to,
            "# --- The rules: which objects are taken in, and what becomes of each attribute. They are yours to change; `preview`"
        )?;
        writeln!(
            to,
            "# shows what they make of one object, and `plan` what a change of them would write."
        )
    }

    fn source(&self, to: &mut String) -> std::fmt::Result {
        self.reached(to)?;
        writeln!(
            to,
            "\n# Places and groups may be given by name or by GUID. What leaves the scope is switched off or removed, as the"
        )?;
        writeln!(to, "# rules say by on-out-of-scope.\n[source.scope]")?;
        writeln!(to, "include = {}   # only what is under these places", list(&self.include))?;
        writeln!(to, "exclude = []   # and nothing under these")?;
        writeln!(
            to,
            "group = {}     # only this group and its members, such as pilots",
            quoted(&self.group)
        )?;
        writeln!(to, "nested = true  # members of groups within it too\n")
    }

    /// How the directory is reached.
    fn reached(&self, to: &mut String) -> std::fmt::Result {
        writeln!(
            to,
            "[[source]]\nname = \"{}\"\nkind = \"{}\"",
            self.directory.source(),
            self.directory.word()
        )?;
        writeln!(to, "# The preferred server first; the others stand in for it.")?;
        writeln!(to, "servers = {}", list(&self.servers))?;
        writeln!(
            to,
            "# Authorities of the servers' certificates (PEM); empty for those that the system trusts."
        )?;
        writeln!(to, "ca-file = {}", quoted(&self.ldap_ca))?;
        writeln!(to, "bind-dn = {}", quoted(&self.bind_dn))?;
        writeln!(
            to,
            "# Also {{ file = \"password\" }} or {{ credential = \"ldap-password\" }} (systemd); never the secret itself."
        )?;
        writeln!(to, "password = {}", secret(&self.password))?;
        self.signed_in(to)?;
        writeln!(to, "base = {}", quoted(&self.base))?;
        if self.directory == DirectoryKind::ActiveDirectory {
            writeln!(
                to,
                "# \"dir-sync\" needs the right to replicate changes, \"dir-sync-ordinary\" no right but to read."
            )?;
            writeln!(to, "changes = \"{}\"", self.changes)?;
        }
        Ok(())
    }

    /// How the account signs in.
    fn signed_in(&self, to: &mut String) -> std::fmt::Result {
        if self.sign_in == SignIn::Simple {
            return match self.directory {
                DirectoryKind::ActiveDirectory => {
                    writeln!(
                        to,
                        "# sign-in = \"kerberos\"   # for domains that refuse simple binds"
                    )
                }
                DirectoryKind::OpenLdap => Ok(()),
            };
        }
        writeln!(to, "sign-in = \"kerberos\"")?;
        let optional = [
            ("realm", &self.realm, "CORP.EXAMPLE", "where the directory does not tell its own"),
            ("kdc", &self.kdc, "dc1.corp.example", "where it is not the directory's server"),
        ];
        for (name, value, example, what) in optional {
            match value.is_empty() {
                true => writeln!(to, "# {name} = {}   # {what}", quoted(example))?,
                false => writeln!(to, "{name} = {}", quoted(value))?,
            }
        }
        Ok(())
    }
}

/// A text of the operator as it stands in the file: what looks like a variable is none.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

fn secret(secret: &SecretSource) -> String {
    match secret {
        SecretSource::Env(name) => format!("{{ env = {} }}", quoted(name)),
        SecretSource::File(path) => format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
        SecretSource::Credential(name) => format!("{{ credential = {} }}", quoted(name)),
    }
}

/// Rules without the line of their version and what stands before it: the file has its own.
fn body(rules: &str) -> &str {
    rules.split_once("version = 1\n").map_or(rules, |(_, body)| body)
}

/// In lower case, the attributes that the shipped rules read.
#[must_use]
pub fn attributes() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in [DirectoryKind::ActiveDirectory, DirectoryKind::OpenLdap] {
        if let Ok(rules) = RuleSet::from_toml(directory.rules()) {
            let shape = rules.shape(&ConnectorId::new(directory.source()));
            let all = shape.types.into_values().flatten();
            names.extend(all.map(|name| name.to_string().to_lowercase()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Settings;

    const EXAMPLES: [(DirectoryKind, &str); 2] = [
        (DirectoryKind::ActiveDirectory, "ad-to-scim.toml"),
        (DirectoryKind::OpenLdap, "openldap-to-scim.toml"),
    ];

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "LDAP_URI" => "ldaps://dc1.corp.example",
            "LDAP_BIND_DN" => "reader@corp.example",
            "LDAP_BASE" => "DC=corp,DC=example",
            "SCIM_URL" => "https://scim.example/v2",
            "STATE_DIR" => "/var/lib/agent",
            _ => return None,
        };
        Some(value.to_owned())
    }

    /// `UPDATE_EXAMPLES=1` writes them anew.
    #[test]
    fn the_examples_are_what_setup_writes() {
        for (directory, name) in EXAMPLES {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
            let text = Site::from_environment(directory).file();
            if std::env::var_os("UPDATE_EXAMPLES").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == text, "{name} differs; UPDATE_EXAMPLES=1 writes it anew");
        }
    }

    #[test]
    fn the_examples_are_read_with_nothing_but_the_environment() {
        for (directory, name) in EXAMPLES {
            let text = Site::from_environment(directory).file();
            let settings = Settings::parse(&text, &environment).unwrap();
            assert_eq!(settings.guard, scim_sync::guard::Guard::default(), "{name}");
            assert_eq!(settings.schedule, crate::config::ScheduleConfig::default(), "{name}");
            let rules = RuleSet::from_config(&text).unwrap();
            assert_eq!(rules.sources(), [ConnectorId::new(directory.source())].into(), "{name}");
            assert_eq!(rules.targets(), [ConnectorId::new(TARGET)].into(), "{name}");
            assert_eq!(settings.sources[0].name, directory.source());
            assert_eq!(settings.targets[0].name, TARGET);
            let shipped = RuleSet::from_toml(directory.rules()).unwrap();
            assert_eq!(rules.digest(), shipped.digest(), "{name}");
        }
    }

    #[test]
    fn a_text_with_quotes_and_variables_comes_back_as_it_is() {
        let odd = "CN=a\"b\\, ${HOME} c,DC=x";
        let site = Site {
            base: literal(odd),
            include: vec![literal(odd)],
            profile: "entra".to_owned(),
            target_ca: "ca.pem".to_owned(),
            staging: true,
            password: SecretSource::File("a b".into()),
            ..Site::from_environment(DirectoryKind::ActiveDirectory)
        };
        let settings = Settings::parse(&site.file(), &environment).unwrap();
        let crate::config::SourceKind::ActiveDirectory(ldap) = &settings.sources[0].kind else {
            panic!()
        };
        assert_eq!((ldap.base.as_str(), ldap.scope.include[0].as_str()), (odd, odd));
        assert_eq!(ldap.password, site.password);
        assert_eq!(settings.mode, crate::config::Mode::Staging);
        assert_eq!(settings.targets[0].profile, "entra");
    }

    #[test]
    fn how_the_account_signs_in_comes_back() {
        let site = Site {
            sign_in: SignIn::Kerberos,
            realm: "CORP.EXAMPLE".to_owned(),
            ..Site::from_environment(DirectoryKind::ActiveDirectory)
        };
        let settings = Settings::parse(&site.file(), &environment).unwrap();
        let crate::config::SourceKind::ActiveDirectory(ldap) = &settings.sources[0].kind else {
            panic!()
        };
        assert_eq!((ldap.sign_in, ldap.realm.as_str()), (SignIn::Kerberos, "CORP.EXAMPLE"));
        assert_eq!(ldap.kdc, "");
    }

    /// Several sources, a group of pilots, staging, and rules that say who wins.
    #[test]
    fn two_forests_feed_one_service() {
        let text = include_str!("../examples/two-forests.toml");
        let everything = |name: &str| match name {
            "SCIM_URL" => Some("https://scim.example/v2".to_owned()),
            name => Some(format!("value of {name}")),
        };
        let settings = Settings::parse(text, &everything).unwrap();
        assert_eq!(settings.mode, crate::config::Mode::Staging);
        let scopes: Vec<_> = settings
            .sources
            .iter()
            .map(|source| match &source.kind {
                crate::config::SourceKind::ActiveDirectory(ldap) => ldap.scope.group.as_str(),
                _ => panic!("{}", source.name),
            })
            .collect();
        assert_eq!(scopes, ["", "value of APAC_PILOTS"]);
        let rules = RuleSet::from_config(text).unwrap();
        let sources: Vec<String> = rules.sources().iter().map(ToString::to_string).collect();
        assert_eq!(sources, ["apac", "emea"]);
        let precedence = |name: &str| rules.by_name(name).unwrap().precedence;
        assert!(precedence("In from EMEA - user") < precedence("In from APAC - user"));
        assert_eq!(rules.by_name("In from APAC - user").unwrap().join.len(), 2);
    }

    #[test]
    fn what_the_rules_read_is_known() {
        let names = attributes();
        assert!(names.contains("samaccountname") && names.contains("uid"), "{names:?}");
    }
}
