//! From configuration to the parts of a server.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use scim_core::{Limits, Profile, Registry};
use secrecy::SecretString;

use crate::auth::jwt::{self, JwtAuthenticator};
use crate::auth::{
    AnyOf, Authenticator, MemoryTokens, ServiceTokens, StaticToken, TenantId, TokenStore,
};
use crate::clock::Clock;
use crate::config::{Config, JwtConfig, ProfileName};
use crate::store::{AdminStore, MemoryStore, ResourceStore, SqliteOptions, SqliteStore};
use crate::tls;

/// The resource types: the standard ones and those of the configured files.
pub(super) fn registry(config: &Config) -> anyhow::Result<Registry> {
    let mut registry = Registry::standard();
    for file in &config.schemas {
        let text = fs::read_to_string(file)
            .with_context(|| format!("the schema file {}", file.display()))?;
        registry.add_json(&text).with_context(|| format!("the schema file {}", file.display()))?;
    }
    Ok(registry)
}

/// Whether the files that the configuration names can be used.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    registry(config)?;
    if let Some((cert, key)) = config.tls() {
        tls::load(cert, key)?;
    }
    if let Some(jwt) = &config.jwt {
        JwtAuthenticator::new(jwt_config(jwt)?)?;
    }
    Ok(())
}

/// One store, in its three roles.
pub(super) struct Stores {
    pub(super) resources: Arc<dyn ResourceStore>,
    pub(super) admin: Arc<dyn AdminStore>,
    pub(super) tokens: Arc<dyn TokenStore>,
}

/// Opens the store of a serving process, which has the data folder to itself.
pub(super) fn open(
    config: &Config,
    registry: &Arc<Registry>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Stores> {
    if config.memory {
        let store = Arc::new(MemoryStore::new(Arc::clone(registry), clock.now()));
        return Ok(Stores {
            resources: store.clone(),
            admin: store,
            tokens: Arc::new(MemoryTokens::new()),
        });
    }
    let store = SqliteStore::open(
        &config.data,
        Arc::clone(registry),
        clock.now(),
        &SqliteOptions::default(),
    )?;
    let store = Arc::new(store);
    Ok(Stores { resources: store.clone(), admin: store.clone(), tokens: store })
}

/// Opens the store beside a serving process, or without one.
pub(super) fn open_beside(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Stores> {
    if config.memory {
        bail!("with memory = true there is nothing stored that this command could work on");
    }
    let registry = Arc::new(registry(config)?);
    let store = SqliteStore::open_beside(&config.data, registry, clock.now())?;
    let store = Arc::new(store);
    Ok(Stores { resources: store.clone(), admin: store.clone(), tokens: store })
}

/// Who may enter: the token of the configuration, stored tokens, JWTs.
pub(super) fn authenticator(
    config: &Config,
    tokens: Arc<dyn TokenStore>,
) -> anyhow::Result<Arc<dyn Authenticator>> {
    let mut members: Vec<Arc<dyn Authenticator>> = Vec::new();
    if let Some(token) = &config.token {
        members.push(Arc::new(StaticToken::new(token)?));
    }
    members.push(Arc::new(ServiceTokens::new(tokens)));
    if let Some(jwt) = &config.jwt {
        members.push(Arc::new(JwtAuthenticator::new(jwt_config(jwt)?)?));
    }
    Ok(Arc::new(AnyOf::new(members)))
}

/// The settings of the file in the terms of the authenticator.
fn jwt_config(config: &JwtConfig) -> anyhow::Result<jwt::JwtConfig> {
    let keys = match &config.jwks_file {
        Some(file) => jwt::KeySource::File(file.clone()),
        None => {
            let set = serde_json::json!({ "keys": config.keys });
            jwt::KeySource::Inline(SecretString::from(set.to_string()))
        }
    };
    let mut made = jwt::JwtConfig::new(config.issuer.clone(), config.audience.clone(), keys);
    let names = serde_json::to_value(&config.algorithms)?;
    made.algorithms = serde_json::from_value(names).context("jwt.algorithms")?;
    made.leeway_seconds = seconds(config.leeway);
    made.tenant = match &config.tenant_claim {
        Some(claim) => jwt::TenantRule::Claim(claim.clone()),
        None => jwt::TenantRule::Fixed(config.tenant.parse::<TenantId>().context("jwt.tenant")?),
    };
    made.scope_claims = vec![config.scope_claim.clone()];
    made.read_values = config.read_scopes.clone();
    made.write_values = config.write_scopes.clone();
    made.user_claim = config.user_claim.clone();
    Ok(made)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// The profile by its name.
pub(super) fn profile(config: &Config) -> Profile {
    match config.profile {
        ProfileName::Default => Profile::default(),
        ProfileName::Strict => Profile::strict(),
    }
}

/// The limits of the parsers that are configurable; the others keep their defaults.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        payload_bytes: config.max_payload,
        bulk_operations: config.max_operations,
        ..Limits::default()
    }
}
