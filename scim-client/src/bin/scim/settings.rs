//! Where a connection comes from: the environment, or a file of profiles. Secrets stand in neither flags nor that file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use secrecy::SecretString;
use serde::Deserialize;

/// How to reach a service and who to be there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The base URL.
    pub(crate) url: String,
    /// The target profile: the name of a shipped one, or a file.
    pub(crate) target: Option<String>,
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    user: Option<String>,
    password_env: Option<String>,
    password_file: Option<PathBuf>,
    oauth: Option<OAuth>,
    /// Certificates to trust beside those of the system, PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// Client certificate and its key, PEM.
    pub(crate) client_certificate_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OAuth {
    token_url: String,
    client_id: String,
    client_secret_env: Option<String>,
    client_secret_file: Option<PathBuf>,
    private_key_file: Option<PathBuf>,
    key_id: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    secret_in_body: bool,
}

/// Reads a variable; an empty one is none.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// Those of the environment, for this URL.
    pub(crate) fn from_environment(url: String) -> Self {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let set = |name: &str| variable(name).map(|_| name.to_owned());
        let oauth = variable("SCIM_OAUTH_TOKEN_URL").map(|token_url| OAuth {
            token_url,
            client_id: variable("SCIM_OAUTH_CLIENT_ID").unwrap_or_default(),
            client_secret_env: set("SCIM_OAUTH_CLIENT_SECRET"),
            client_secret_file: path("SCIM_OAUTH_CLIENT_SECRET_FILE"),
            private_key_file: path("SCIM_OAUTH_PRIVATE_KEY_FILE"),
            scopes: variable("SCIM_OAUTH_SCOPE")
                .map(|scopes| scopes.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            ..OAuth::default()
        });
        Self {
            url,
            target: None,
            token_env: set("SCIM_TOKEN"),
            token_file: path("SCIM_TOKEN_FILE"),
            user: variable("SCIM_USER"),
            password_env: set("SCIM_PASSWORD"),
            password_file: path("SCIM_PASSWORD_FILE"),
            oauth,
            ca_file: path("SCIM_CA_FILE"),
            client_certificate_file: path("SCIM_CLIENT_CERTIFICATE_FILE"),
        }
    }

    /// The credentials.
    ///
    /// # Errors
    /// When there are several, or a secret cannot be read.
    pub(crate) fn auth(&self) -> anyhow::Result<scim_client::Auth> {
        use scim_client::Auth;
        let token = secret(self.token_env.as_deref(), self.token_file.as_deref(), "the token")?;
        let password =
            secret(self.password_env.as_deref(), self.password_file.as_deref(), "the password")?;
        let basic = match (&self.user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some(Auth::Basic { user: user.clone(), password }),
            (Some(_), None) => bail!(
                "there is a user and no password; name it with password-env or password-file, or SCIM_PASSWORD"
            ),
            (None, Some(_)) => bail!("there is a password and no user"),
        };
        let oauth = self.oauth.as_ref().map(OAuth::auth).transpose()?;
        let mut all = [token.map(Auth::Bearer), basic, oauth].into_iter().flatten();
        match (all.next(), all.next()) {
            (auth, None) => Ok(auth.unwrap_or(Auth::None)),
            _ => bail!(
                "there are several kinds of credentials; keep one of token, user with password, and OAuth"
            ),
        }
    }
}

impl OAuth {
    fn auth(&self) -> anyhow::Result<scim_client::Auth> {
        use scim_client::OAuth2;
        if self.client_id.is_empty() {
            bail!("OAuth needs a client id: client-id, or SCIM_OAUTH_CLIENT_ID");
        }
        let given = secret(
            self.client_secret_env.as_deref(),
            self.client_secret_file.as_deref(),
            "the client secret",
        )?;
        let key = secret(None, self.private_key_file.as_deref(), "the private key")?;
        let (url, id) = (self.token_url.as_str(), self.client_id.as_str());
        let mut oauth = match (given, key) {
            (Some(secret), None) => OAuth2::client_credentials(url, id, secret),
            (None, Some(key)) => OAuth2::private_key_jwt(url, id, key),
            (None, None) => bail!(
                "OAuth needs a secret or a key: client-secret-env, client-secret-file or private-key-file, or \
                 SCIM_OAUTH_CLIENT_SECRET, SCIM_OAUTH_CLIENT_SECRET_FILE or SCIM_OAUTH_PRIVATE_KEY_FILE"
            ),
            (Some(_), Some(_)) => bail!("OAuth has a secret and a key; keep one"),
        };
        for scope in &self.scopes {
            oauth = oauth.scope(scope.as_str());
        }
        for (name, value) in &self.parameters {
            oauth = oauth.parameter(name.as_str(), value.as_str());
        }
        if let Some(key_id) = &self.key_id {
            oauth = oauth.key_id(key_id.as_str());
        }
        Ok(if self.secret_in_body { oauth.secret_in_body() } else { oauth }.into())
    }
}

/// Reads a secret from where it is; white space around it, such as the last line end, is not part of it.
fn secret(
    name: Option<&str>,
    file: Option<&Path>,
    what: &str,
) -> anyhow::Result<Option<SecretString>> {
    let text = match (name, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => bail!("{what} is given twice: by a variable and by a file"),
        (Some(name), None) => {
            variable(name).ok_or_else(|| anyhow!("{what}: the variable {name} is not set"))?
        }
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("{what} cannot be read from {}", file.display()))?,
    };
    match text.trim() {
        "" => bail!("{what} is empty"),
        text => Ok(Some(SecretString::from(text))),
    }
}

/// The file of profiles, if none is named: `scim/profiles.toml` in the folder for settings.
pub(crate) fn default_file() -> Option<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(folder.join("scim").join("profiles.toml"))
}

/// The profiles of a file.
///
/// # Errors
/// When it cannot be read or understood: also when it holds a secret itself.
pub(crate) fn profiles(file: &Path) -> anyhow::Result<BTreeMap<String, Settings>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the profiles cannot be read from {}", file.display()))?;
    let mut profiles: BTreeMap<String, Settings> = toml::from_str(&text).map_err(|error| {
        // Not the error's own picture of the line: it could hold a secret.
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        anyhow!(
            "{}, line {line}: {}\n  Secrets are named, not written there: token-env or token-file.",
            file.display(),
            error.message()
        )
    })?;
    let folder = file.parent().unwrap_or(Path::new("."));
    for settings in profiles.values_mut() {
        let oauth = settings.oauth.as_mut();
        let oauth =
            oauth.into_iter().flat_map(|o| [&mut o.client_secret_file, &mut o.private_key_file]);
        let own = [
            &mut settings.token_file,
            &mut settings.password_file,
            &mut settings.ca_file,
            &mut settings.client_certificate_file,
        ];
        for path in own.into_iter().chain(oauth).flatten() {
            *path = folder.join(&*path);
        }
        if let Some(target) = settings.target.as_mut().filter(|target| target.ends_with(".toml")) {
            *target = folder.join(&*target).to_string_lossy().into_owned();
        }
    }
    Ok(profiles)
}
