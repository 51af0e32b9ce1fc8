//! `scim-server serve`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;

use super::parts::{self, Stores};
use crate::auth::{Scope, ServiceTokens, TenantId, TokenRecord, TokenSpec};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ProfileName};
use crate::net::{NetConfig, Server};
use crate::server::ScimServer;
use crate::shutdown::Shutdown;
use crate::store::AdminStore;
use crate::tls;

/// Serves until a signal comes.
pub(super) async fn serve(config: &Config) -> anyhow::Result<()> {
    let tls = match config.tls() {
        Some((cert, key)) => Some(tls::load(cert, key)?),
        None => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let registry = Arc::new(parts::registry(config)?);
    let stores = parts::open(config, &registry, &clock)?;
    for kept in stores.admin.unregistered().await? {
        tracing::warn!("{kept}");
    }
    make_tenants(config, &*stores.admin, &*clock).await?;
    let shutdown = Shutdown::on_signals().context("signals cannot be received")?;
    let net = Server::bind(config.listen, NetConfig::new(config, tls))
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let listening = format!("{}://{}", config.scheme(), reachable(net.local_addr()));
    let origin = config.public_url.as_ref().map_or_else(|| listening.clone(), ToString::to_string);
    // Whoever pastes the URL that the identity provider gets means the same server.
    let origin = origin.trim_end_matches('/');
    let origin = origin.strip_suffix(config.base_path.as_str()).unwrap_or(origin).to_owned();
    let base_path = config.base_path.as_str();
    let server = ScimServer::builder(registry)
        .shared_store(Arc::clone(&stores.resources))
        .shared_authenticator(parts::authenticator(config, Arc::clone(&stores.tokens))?)
        .base_url(&format!("{}{base_path}", origin.trim_end_matches('/')))
        .profile(parts::profile(config))
        .limits(parts::limits(config))
        .page_sizes(config.default_page, config.max_page)
        .page_bytes(config.max_page_bytes)
        .cursor_key(stores.admin.secret("cursor", rand::random()).await?)
        .open_discovery(config.open_discovery)
        .trace_requests(config.trace_requests)
        .clock(Arc::clone(&clock))
        .build()?;
    let router = server.service(&origin, base_path);
    let url = format!("{listening}{base_path}");
    if config.token.is_none() && config.jwt.is_none() {
        first_token(&stores, &*clock, &url, &config.data).await?;
    }
    let data =
        if config.memory { "memory only".to_owned() } else { config.data.display().to_string() };
    tracing::info!(profile = %profile_name(config), data, public_url = %origin, "serving");
    announce(&url)?;
    let stop = async {
        shutdown.stopped().await;
        server.drain();
    };
    let drained = net.serve_until(router, stop, shutdown.was_cut()).await;
    for (tolerance, times) in server.tolerated() {
        tracing::info!(tolerance, times, "tolerated since the start");
    }
    tracing::info!(dropped = drained.dropped, "stopped");
    Ok(())
}

/// The profile as the setting spells it.
fn profile_name(config: &Config) -> &'static str {
    match config.profile {
        ProfileName::Default => "default",
        ProfileName::Strict => "strict",
    }
}

/// The one line on standard output, for whoever started us and waits.
fn announce(url: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {url}")
        .and_then(|()| out.flush())
        .context("standard output is closed")
}

/// An address that a client on this machine can use: a wildcard is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn make_tenants(
    config: &Config,
    admin: &dyn AdminStore,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    for name in &config.tenants {
        let tenant: TenantId = name.parse().with_context(|| format!("the tenant {name:?}"))?;
        let made = admin.tenant_create(&tenant, clock.now()).await;
        made.with_context(|| format!("the tenant {name:?} cannot be made"))?;
    }
    Ok(())
}

/// Makes a token for the default tenant when it has none, and shows it this once.
///
/// The command reaches this server from this machine. With TLS the certificate is for another name or self-signed, so it
/// is not held against it; what travels is a token to a server that was just started here.
async fn first_token(
    stores: &Stores,
    clock: &dyn Clock,
    url: &str,
    data: &Path,
) -> anyhow::Result<()> {
    let options = if url.starts_with("https:") { "--insecure " } else { "" };
    let tokens = ServiceTokens::new(Arc::clone(&stores.tokens));
    let tenant = TenantId::default();
    let now = clock.now();
    let live = |token: &TokenRecord| {
        token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now)
    };
    let known = tokens.list(&tenant).await?;
    if !known.is_empty() {
        if !known.iter().any(live) {
            // Not a matter of the log's level: nobody can get in.
            let data = data.display().to_string().replace('\'', r"'\''");
            eprintln!(
                "Every token of the default tenant is revoked or expired, so nobody can enter it. Make one, while the server runs:"
            );
            eprintln!();
            eprintln!("scim-server token create --data '{data}'");
            eprintln!();
        }
        return Ok(());
    }
    let spec = TokenSpec {
        tenant,
        name: "first start".to_owned(),
        scopes: [Scope::Read, Scope::Write].into_iter().collect(),
        user: None,
        expires: None,
    };
    let issued = tokens.issue(spec, &mut rand::rng(), clock.now()).await?;
    eprintln!(
        "A token was made for this server. It is shown this once; only its hash is kept. Try it:"
    );
    eprintln!();
    eprintln!(
        "curl {options}-H 'Authorization: Bearer {}' {url}/Users",
        issued.plain.expose_secret()
    );
    eprintln!();
    Ok(())
}
