//! `provisioning-service serve`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::Parts;
use crate::api;
use crate::app::App;
use crate::audit::Actor;
use crate::config::{Config, TlsMode};
use crate::gateway;
use crate::net::Server;
use crate::page;
use crate::tenant::TenantId;
use crate::tls;
use crate::tokens::{Role, TokenSpec, Tokens};

/// For requests that agents are answering when the service is told to stop.
const GRACE: Duration = Duration::from_secs(15);

/// Serves until a signal comes.
pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let parts = Parts::open(&config).await?;
    let server = Server::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?
        .configured(&config);
    let scheme = if config.tls == TlsMode::Off { "http" } else { "https" };
    let listening = format!("{scheme}://{}", reachable(server.local_addr()));
    let origin = config.public_url.as_ref().map_or_else(|| listening.clone(), ToString::to_string);
    #[cfg(feature = "nats")]
    let others = crate::replicas::Others::find(&config).await?;
    #[cfg(feature = "nats")]
    let backplane = others.as_ref().map(crate::replicas::Others::backplane);
    #[cfg(not(feature = "nats"))]
    let backplane = None;
    let app = App::beside(
        backplane,
        config,
        &origin,
        Arc::clone(&parts.records),
        Arc::clone(&parts.clock),
        Arc::clone(&parts.sealer),
    )
    .await?;
    let tls = tls::server(&app.config, app.agents.shared_authority(), Arc::clone(&parts.clock))?;
    let stop = stop_on_signals()?;
    let watching = tokio::spawn(gateway::watch(Arc::clone(&app), stop.clone()));
    first_steps(&app).await?;
    tracing::info!(public_url = %origin, data = %app.config.data.display(), "serving");
    eprintln!("The page for operators: {}{}", app.origin, page::PATH);
    announce(&listening)?;

    // Longer than the links: what other replicas have asked is answered first.
    #[cfg(feature = "nats")]
    let alone = CancellationToken::new();
    #[cfg(feature = "nats")]
    let beside = others.map(|others| others.join(&app.hub, alone.clone()));
    let jobs = app.jobs.clone();
    let ending = stop.clone();
    let jobs = tokio::spawn(async move { jobs.run(async move { ending.cancelled().await }).await });
    let notifier = app.notifier.clone();
    let ending = stop.clone();
    let notices = tokio::spawn(async move {
        notifier.run(async move { ending.cancelled().await }).await;
    });
    let hub = app.hub.clone();
    let ending = stop.clone();
    let links = tokio::spawn(async move {
        ending.cancelled().await;
        hub.stop(GRACE).await;
    });
    server.serve(api::router(&app), tls, stop).await;
    jobs.await.context("the jobs did not end")?;
    notices.await.context("the notifications did not end")?;
    links.await.context("the links did not end")?;
    #[cfg(feature = "nats")]
    {
        alone.cancel();
        if let Some(beside) = beside {
            beside.await.context("the link to other replicas did not end")?;
        }
    }
    watching.await.context("the watch did not end")?;
    tracing::info!("stopped");
    Ok(())
}

/// The one line on standard output, for whoever started the program and waits.
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

/// Makes a token for an administrator when there is none at all, and says what to do next.
async fn first_steps(app: &App) -> anyhow::Result<()> {
    let tokens: &Tokens = &app.tokens;
    let now = app.clock.now();
    let known = tokens.list(None).await?;
    let live = known.iter().any(|(_, token)| {
        token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now)
    });
    let data = app.config.data.display();
    if !known.is_empty() {
        if !live {
            eprintln!(
                "Every token is revoked or expired, so no administrator can enter. Make one, while the service runs:"
            );
            eprintln!();
            eprintln!("  provisioning-service token create --name ops --data '{data}'");
            eprintln!();
        }
        return Ok(());
    }
    let spec = TokenSpec { name: "first start".to_owned(), role: Role::Admin, expires: None };
    let made = tokens.create(&Actor::Program, &TenantId::default(), spec).await?;
    eprintln!("An administrator's token was made. It is shown this once; only its hash is kept:");
    eprintln!();
    eprintln!("  {}", made.plain.expose_secret());
    eprintln!();
    eprintln!(
        "To let an agent in, make a code for it, and give it to the agent within {}:",
        crate::config::show_duration(app.config.code_lifetime)
    );
    eprintln!();
    eprintln!("  provisioning-service agent code --group corp.example.com --data '{data}'");
    eprintln!("  provisioning-agent setup --service {} --code CODE", app.origin);
    eprintln!();
    if app.config.tls == TlsMode::Own {
        eprintln!(
            "To make a job (docs/jobs.md), ask the service, which curl knows by its authority:"
        );
        eprintln!();
        eprintln!("  provisioning-service authority --data '{data}' > authority.pem");
        eprintln!(
            "  curl --cacert authority.pem -H 'Authorization: Bearer TOKEN' {}/synchronization/jobs",
            app.origin
        );
        eprintln!();
    }
    Ok(())
}

/// Cancelled at SIGTERM or Ctrl-C; a second one ends the program at once.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).context("signals cannot be received")?
    };
    tokio::spawn(async move {
        for last in [false, true] {
            #[cfg(unix)]
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            #[cfg(not(unix))]
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            if last {
                std::process::exit(1);
            }
            told.cancel();
        }
    });
    Ok(stop)
}
