//! What was answered, and what is still to be asked.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use scim_client::TargetProfile;
use secrecy::{ExposeSecret as _, SecretString};

use super::ask::Asker;
use crate::cli::{DirectoryKind, SetupArgs};
use crate::config::{SecretSource, SignIn, Tracking};
use crate::template::{Site, literal};

/// What the checks call secrets that were typed in and are in no file yet.
const TYPED_PASSWORD: &str = "typed password";
const TYPED_TOKEN: &str = "typed token";

/// What the unit of systemd can write to.
const MACHINE: &str = "/var/lib/provisioning-agent";

/// A secret, and where it is to be.
#[derive(Debug)]
pub(super) enum Secret {
    /// In a file that is there.
    File(PathBuf),
    /// Typed in; it comes into a file beside the configuration.
    Typed(SecretString),
}

impl Secret {
    fn of_file(path: &Path) -> Result<Self> {
        let path = absolute(path)?;
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("the secret in {} cannot be read", path.display()))?;
        if text.trim().is_empty() {
            bail!("the secret in {} is empty", path.display());
        }
        Ok(Self::File(path))
    }

    fn source(&self, typed: SecretSource) -> SecretSource {
        match self {
            Self::File(path) => SecretSource::File(path.clone()),
            Self::Typed(_) => typed,
        }
    }

    pub(super) fn typed(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Typed(secret) => Some(secret.expose_secret()),
        }
    }
}

/// All answers.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) directory: DirectoryKind,
    pub(super) servers: Vec<String>,
    pub(super) ldap_ca: String,
    pub(super) bind_dn: String,
    pub(super) password: Option<Secret>,
    pub(super) sign_in: SignIn,
    pub(super) realm: String,
    pub(super) kdc: String,
    pub(super) base: String,
    pub(super) changes: Tracking,
    pub(super) include: Vec<String>,
    pub(super) group: String,
    pub(super) target: String,
    pub(super) token: Option<Secret>,
    pub(super) target_ca: String,
    pub(super) profile: String,
    pub(super) state_dir: String,
    pub(super) staging: bool,
}

impl Answers {
    /// Those that the command line gives.
    pub(super) fn given(args: &SetupArgs, config: &Path) -> Result<Self> {
        let file = |path: &Option<PathBuf>| match path {
            Some(path) if path.as_os_str().is_empty() => Ok(String::new()),
            Some(path) => absolute(path).map(|path| path.display().to_string()),
            None => Ok(String::new()),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let secret = |path: &Option<PathBuf>| path.as_deref().map(Secret::of_file).transpose();
        let state_dir = match &args.state_dir {
            Some(path) => absolute(path)?.display().to_string(),
            None => usual_state(config)?,
        };
        let sign_in = args.sign_in.unwrap_or_default();
        if sign_in == SignIn::Simple && (args.realm.is_some() || args.kdc.is_some()) {
            bail!("--realm and --kdc belong to --sign-in kerberos");
        }
        Ok(Self {
            directory: args.directory.unwrap_or(DirectoryKind::ActiveDirectory),
            servers: args.server.clone(),
            ldap_ca: file(&args.ldap_ca)?,
            bind_dn: text(&args.bind_dn),
            password: secret(&args.bind_password_file)?,
            sign_in,
            realm: text(&args.realm),
            kdc: text(&args.kdc),
            base: text(&args.base),
            changes: args.changes.unwrap_or_default(),
            include: args.include.clone(),
            group: text(&args.group),
            target: text(&args.target),
            token: secret(&args.token_file)?,
            target_ca: file(&args.target_ca)?,
            profile: text(&args.target_profile),
            state_dir,
            staging: args.staging,
        })
    }

    /// The flags that are lacking, where nobody can be asked.
    pub(super) fn lacking(&self, base: bool, managed: bool) -> Vec<&'static str> {
        let all = [
            (self.servers.is_empty(), "--server"),
            (self.bind_dn.is_empty(), "--bind-dn"),
            (self.password.is_none(), "--bind-password-file"),
            (base && self.base.is_empty(), "--base"),
            (!managed && self.target.is_empty(), "--target"),
            (!managed && self.token.is_none(), "--token-file"),
        ];
        all.into_iter().filter(|(lacks, _)| *lacks).map(|(_, flag)| flag).collect()
    }

    /// Asks for the directory: all of it the second time, with what was answered as the default.
    pub(super) fn ask_directory(
        &mut self,
        asker: &mut Asker<'_>,
        args: &SetupArgs,
        again: bool,
    ) -> Result<()> {
        if again || args.directory.is_none() {
            asker.say("The directory: 1 Active Directory or Samba, 2 OpenLDAP")?;
            let usual = if self.directory == DirectoryKind::ActiveDirectory { "1" } else { "2" };
            self.directory = match asker.line("Which", Some(usual))?.as_str() {
                "2" => DirectoryKind::OpenLdap,
                _ => DirectoryKind::ActiveDirectory,
            };
        }
        if again || self.servers.is_empty() {
            asker.say("Its servers, the preferred one first: ldaps://host, or ldap://host for StartTLS; several with commas")?;
            let before = self.servers.join(", ");
            let answer = asker.line("Servers", (!before.is_empty()).then_some(before.as_str()))?;
            self.servers = split(&answer);
        }
        if again || args.ldap_ca.is_none() {
            asker.say("A file with the authorities of its certificates (PEM); empty where the system knows them")?;
            self.ldap_ca = path_of(&asker.maybe("Authorities", &self.ldap_ca)?)?;
        }
        if again || self.bind_dn.is_empty() {
            asker.say(
                "The account that reads: a distinguished name, or user@domain in Active Directory",
            )?;
            let before = (!self.bind_dn.is_empty()).then_some(self.bind_dn.as_str());
            self.bind_dn = asker.line("Account", before)?;
        }
        if self.password.is_none() || (again && asker.yes("Another password?", false)?) {
            self.password = Some(Secret::Typed(asker.secret("Its password")?));
        }
        if again {
            asker.say("How it signs in: 1 with its password (a simple bind), 2 by Kerberos")?;
            let usual = if self.sign_in == SignIn::Simple { "1" } else { "2" };
            self.sign_in = match asker.line("Which", Some(usual))?.as_str() {
                "2" => SignIn::Kerberos,
                _ => SignIn::Simple,
            };
        }
        if again && self.sign_in == SignIn::Kerberos {
            asker.say("Its realm and the Kerberos server (host or host:port); empty where they are the directory's own")?;
            self.realm = asker.maybe("Realm", &self.realm)?;
            self.kdc = asker.maybe("Kerberos server", &self.kdc)?;
        }
        Ok(())
    }

    /// Asks what of the directory is taken in; `found` is what the server holds.
    pub(super) fn ask_scope(
        &mut self,
        asker: &mut Asker<'_>,
        args: &SetupArgs,
        again: bool,
        found: Option<&str>,
    ) -> Result<()> {
        if again || self.base.is_empty() {
            let before = if self.base.is_empty() { found } else { Some(self.base.as_str()) };
            self.base = asker.line("The root of the domain", before)?;
        }
        if again && self.directory == DirectoryKind::ActiveDirectory {
            asker.say("How changes are found: 1 DirSync with the right to replicate changes, 2 DirSync with ordinary rights, 3 uSNChanged")?;
            let usual = match self.changes {
                Tracking::DirSync => "1",
                Tracking::DirSyncOrdinary => "2",
                Tracking::UsnChanged => "3",
            };
            self.changes = match asker.line("Which", Some(usual))?.as_str() {
                "2" => Tracking::DirSyncOrdinary,
                "3" => Tracking::UsnChanged,
                _ => Tracking::DirSync,
            };
        }
        // What a managed agent takes in is the service's to say.
        if args.managed.service.is_some() {
            return Ok(());
        }
        if again || (args.include.is_empty() && args.group.is_none()) {
            asker.say("Only a part of it? Places such as OU=Staff,DC=corp,DC=example, with semicolons between them; empty for all")?;
            let answer = asker.maybe("Places", &self.include.join("; "))?;
            self.include = answer
                .split(';')
                .map(str::trim)
                .filter(|dn| !dn.is_empty())
                .map(str::to_owned)
                .collect();
            asker.say("Only the members of a group, such as pilots? Its distinguished name; empty for everybody")?;
            self.group = asker.maybe("Group", &self.group)?;
        }
        Ok(())
    }

    /// Asks for the service.
    pub(super) fn ask_target(
        &mut self,
        asker: &mut Asker<'_>,
        args: &SetupArgs,
        again: bool,
    ) -> Result<()> {
        if again || self.target.is_empty() {
            asker
                .say("The SCIM service: its base URL, such as https://scim.example.com/scim/v2")?;
            let before = (!self.target.is_empty()).then_some(self.target.as_str());
            self.target = asker.line("URL", before)?;
        }
        if self.token.is_none() || (again && asker.yes("Another token?", false)?) {
            self.token = Some(Secret::Typed(asker.secret("Its bearer token")?));
        }
        if again {
            asker.say("A file with the authorities of its certificate (PEM); empty where the system knows them")?;
            self.target_ca = path_of(&asker.maybe("Authorities", &self.target_ca)?)?;
        }
        if again || args.target_profile.is_none() {
            let known: Vec<&str> = TargetProfile::shipped_names().collect();
            asker.say(&format!("Is it one of {}? Empty for any other", known.join(", ")))?;
            self.profile = asker.maybe("Profile", &self.profile)?;
        }
        Ok(())
    }

    /// Asks for the rest.
    pub(super) fn ask_rest(&mut self, asker: &mut Asker<'_>, args: &SetupArgs) -> Result<()> {
        if args.state_dir.is_none() {
            let answer = asker.line("The folder for the state", Some(&self.state_dir))?;
            self.state_dir = absolute(Path::new(&answer))?.display().to_string();
        }
        if !args.staging {
            asker
                .say("In staging mode everything is read and worked out, and nothing is written")?;
            self.staging = asker.yes("Begin in staging mode?", false)?;
        }
        Ok(())
    }

    /// The file, with secrets from files; `password` and `token` are where those that were typed are kept.
    pub(super) fn site(&self, password: &Path, token: &Path) -> Site {
        self.made(SecretSource::File(password.to_owned()), SecretSource::File(token.to_owned()))
    }

    /// The file as the checks see it: secrets that were typed are not in files yet.
    pub(super) fn checked_site(&self) -> Site {
        let typed = |name: &str| SecretSource::Env(name.to_owned());
        self.made(typed(TYPED_PASSWORD), typed(TYPED_TOKEN))
    }

    fn made(&self, password: SecretSource, token: SecretSource) -> Site {
        let secret = |secret: &Option<Secret>, typed: SecretSource| match secret {
            Some(secret) => secret.source(typed),
            None => typed,
        };
        let all = |texts: &[String]| texts.iter().map(|text| literal(text)).collect();
        Site {
            directory: self.directory,
            servers: all(&self.servers),
            ldap_ca: literal(&self.ldap_ca),
            bind_dn: literal(&self.bind_dn),
            password: secret(&self.password, password),
            sign_in: self.sign_in,
            realm: literal(&self.realm),
            kdc: literal(&self.kdc),
            // What there is to ask for before the base is known.
            base: literal(if self.base.is_empty() { "DC=unknown" } else { &self.base }),
            changes: self.changes,
            include: all(&self.include),
            group: literal(&self.group),
            target: literal(if self.target.is_empty() {
                "https://unknown.invalid"
            } else {
                &self.target
            }),
            token: secret(&self.token, token),
            target_ca: literal(&self.target_ca),
            profile: literal(&self.profile),
            state_dir: literal(&self.state_dir),
            staging: self.staging,
        }
    }

    /// The variables of the checks.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let secret = match name {
            TYPED_PASSWORD => &self.password,
            TYPED_TOKEN => &self.token,
            _ => return None,
        };
        secret.as_ref()?.typed().map(str::to_owned)
    }
}

/// Where the state usually is: of a configuration of the whole machine in `/var/lib`, of any other beside it.
fn usual_state(config: &Path) -> Result<String> {
    let config = absolute(config)?;
    let state = if config.starts_with("/etc") {
        PathBuf::from(MACHINE)
    } else {
        config.parent().unwrap_or(Path::new("/")).join("state")
    };
    Ok(state.display().to_string())
}

/// Where the identity of a managed agent usually is.
pub(super) fn usual_identity(config: &Path) -> Result<PathBuf> {
    let config = absolute(config)?;
    Ok(match config.starts_with("/etc") {
        true => Path::new(MACHINE).join("identity"),
        // Beside the configuration, so that the folder can be moved.
        false => PathBuf::from("identity"),
    })
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

fn path_of(answer: &str) -> Result<String> {
    if answer.is_empty() {
        return Ok(String::new());
    }
    Ok(absolute(Path::new(answer))?.display().to_string())
}

fn split(answer: &str) -> Vec<String> {
    answer
        .split([',', ' '])
        .map(str::trim)
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .collect()
}
