//! From the configuration to connected systems.

use std::path::Path;
use std::sync::Arc;

use scim_client::transport::ReqwestTransport;
use scim_client::{Auth, Client, TargetProfile};
use scim_sync::{Connector, ConnectorId};
use scim_sync_connectors::Beside;
use scim_sync_connectors::csv::CsvConnector;
#[cfg(feature = "kerberos")]
use scim_sync_connectors::ldap::KerberosAccount;
use scim_sync_connectors::ldap::{
    ChangeTracking, Directory, LdapBind, LdapConfig, LdapConnector, LdapScope, LdapServer,
    ScopeGroup,
};
use scim_sync_connectors::scim::{BulkUse, ScimConnector};
use secrecy::SecretString;
use url::Url;

use crate::config::{
    BulkConfig, Config, ConfigError, Environment, LdapSource, SignIn, SourceConfig, SourceKind,
    TargetConfig, Tls, Tracking, is_loopback,
};

/// The connectors of a configuration.
pub struct Connectors {
    /// What is read.
    pub sources: Vec<Arc<dyn Connector>>,
    /// What is written to.
    pub targets: Vec<Arc<dyn Connector>>,
}

impl std::fmt::Debug for Connectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(|connector| connector.id().to_string())).finish()
    }
}

impl Connectors {
    /// All of them, sources first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.sources.iter().chain(&self.targets)
    }

    /// Makes them all; nothing is asked of anybody yet.
    ///
    /// # Errors
    /// [`ConfigError`] for a secret or a file that is not there.
    pub fn of(config: &Config, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let beside = |connector| Arc::new(Beside::new(connector)) as Arc<dyn Connector>;
        let sources = config
            .settings
            .sources
            .iter()
            .map(|source| self::source(source, config.folder(), environment).map(beside));
        let targets = config
            .settings
            .targets
            .iter()
            .map(|target| Ok(beside(Arc::new(scim(target, config.folder(), environment)?))));
        Ok(Self {
            sources: sources.collect::<Result<_, ConfigError>>()?,
            targets: targets.collect::<Result<_, ConfigError>>()?,
        })
    }
}

/// The connector of a source.
///
/// # Errors
/// As [`Connectors::of`].
pub fn source(
    source: &SourceConfig,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<Arc<dyn Connector>, ConfigError> {
    let here = |message: String| ConfigError::new(format!("source {:?}: {message}", source.name));
    match &source.kind {
        SourceKind::Csv(csv) => {
            let files = csv.files.iter().map(|(object_type, file)| {
                let mut file = file.clone();
                file.path = folder.join(&file.path);
                (object_type.as_str().into(), file)
            });
            let connector = CsvConnector::new(ConnectorId::new(&source.name), files.collect());
            Ok(Arc::new(connector.map_err(|error| here(error.to_string()))?))
        }
        SourceKind::ActiveDirectory(_) | SourceKind::OpenLdap(_) => {
            let connector = LdapConnector::new(ldap(source, folder, environment)?);
            Ok(Arc::new(connector.map_err(|error| here(error.to_string()))?))
        }
    }
}

/// How the directory of a source is reached and read.
///
/// # Errors
/// As [`Connectors::of`]; and where the source is no directory.
pub fn ldap(
    source: &SourceConfig,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<LdapConfig, ConfigError> {
    let here = |message: String| ConfigError::new(format!("source {:?}: {message}", source.name));
    let (SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap)) = &source.kind else {
        return Err(here("it is no directory".to_owned()));
    };
    let password =
        ldap.password.fetch(folder, environment).map_err(|error| here(error.to_string()))?;
    let bind = bind(ldap, password).map_err(here)?;
    let ca_file = (!ldap.ca_file.as_os_str().is_empty()).then(|| folder.join(&ldap.ca_file));
    let mut servers = Vec::with_capacity(ldap.servers.len());
    let mut loopback = true;
    for url in &ldap.servers {
        let parsed =
            Url::parse(url).map_err(|error| here(format!("the server {url:?}: {error}")))?;
        let own = is_loopback(&parsed);
        loopback &= own;
        let server = LdapServer::new(url);
        // On the way to this machine itself nobody can read the password; where there is a certificate to hold the
        // server to, or to bind a sign-in to, it is held to it all the same.
        let held = !own || ca_file.is_some() || ldap.sign_in == SignIn::Kerberos;
        let start_tls = url.starts_with("ldap://") && ldap.tls == Tls::Required && held;
        servers.push(if start_tls { server.with_start_tls() } else { server });
    }
    let (first, base) = (LdapServer::new(""), ldap.base.as_str());
    let made = match &source.kind {
        SourceKind::OpenLdap(_) => LdapConfig::open_ldap(&source.name, first, bind, base),
        _ => LdapConfig::active_directory(&source.name, first, bind, base),
    };
    let directory = match (made.directory, ldap.changes) {
        (Directory::OpenLdap, _) => Directory::OpenLdap,
        (_, Tracking::DirSync) => {
            Directory::ActiveDirectory(ChangeTracking::DirSync { object_security: false })
        }
        (_, Tracking::DirSyncOrdinary) => {
            Directory::ActiveDirectory(ChangeTracking::DirSync { object_security: true })
        }
        (_, Tracking::UsnChanged) => Directory::ActiveDirectory(ChangeTracking::UsnChanged),
    };
    let scope = &ldap.scope;
    Ok(LdapConfig {
        servers,
        ca_file,
        allow_plaintext: ldap.tls == Tls::Off || loopback,
        directory,
        scope: LdapScope {
            include: scope.include.clone(),
            exclude: scope.exclude.clone(),
            group: (!scope.group.is_empty())
                .then(|| ScopeGroup { name: scope.group.clone(), nested: scope.nested }),
            ..LdapScope::default()
        },
        ..made
    })
}

/// Who signs in to a directory, and how.
fn bind(ldap: &LdapSource, password: SecretString) -> Result<LdapBind, String> {
    let name = ldap.bind_dn.clone();
    match ldap.sign_in {
        SignIn::Simple => Ok(LdapBind::Simple { name, password }),
        #[cfg(feature = "kerberos")]
        SignIn::Kerberos => {
            let given = |text: &String| (!text.is_empty()).then(|| text.clone());
            let (realm, kdc) = (given(&ldap.realm), given(&ldap.kdc));
            Ok(LdapBind::Kerberos(KerberosAccount { name, password, realm, kdc }))
        }
        #[cfg(not(feature = "kerberos"))]
        SignIn::Kerberos => {
            Err("this program was built without Kerberos: build it with the feature kerberos"
                .to_owned())
        }
    }
}

/// The connector of a target.
///
/// # Errors
/// As [`Connectors::of`].
pub fn scim(
    target: &TargetConfig,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<ScimConnector, ConfigError> {
    let client = client(target, folder, environment)?;
    let bulk = match target.bulk {
        BulkConfig::Never => BulkUse::Never,
        BulkConfig::Always => BulkUse::Always,
    };
    Ok(ScimConnector::new(ConnectorId::new(&target.name), client)
        .parallel(target.parallel)
        .bulk(bulk))
}

/// The client of a target.
///
/// # Errors
/// As [`Connectors::of`].
pub fn client(
    target: &TargetConfig,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<Client, ConfigError> {
    let here = |message: String| ConfigError::new(format!("target {:?}: {message}", target.name));
    let token = target.token.fetch(folder, environment).map_err(|error| here(error.to_string()))?;
    let mut transport = ReqwestTransport::builder();
    if !target.ca_file.as_os_str().is_empty() {
        let path = folder.join(&target.ca_file);
        let pem = std::fs::read(&path)
            .map_err(|error| here(format!("{} cannot be read: {error}", path.display())))?;
        transport = transport.root_certificates(pem);
    }
    let transport = transport.build().map_err(|error| here(error.to_string()))?;
    let mut builder = Client::builder(&target.url)
        .auth(Auth::Bearer(token))
        .transport(transport)
        .user_agent(concat!("provisioning-agent/", env!("CARGO_PKG_VERSION")));
    if !target.profile.is_empty() {
        builder = builder.target(profile(&target.profile, folder).map_err(here)?);
    }
    builder.build().map_err(|error| here(error.to_string()))
}

/// A target profile by its name, or from a file.
fn profile(name: &str, folder: &Path) -> Result<TargetProfile, String> {
    if TargetProfile::shipped_names().any(|known| known == name) || name == "generic" {
        return TargetProfile::named(name).map_err(|error| error.to_string());
    }
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        format!("there is no target profile {name:?} (`scim profile list` names them), and the file {} cannot be read: {error}", path.display())
    })?;
    TargetProfile::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))
}
