//! What each command does.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use scim_client::transport::ReqwestTransport;
use scim_client::{Auth, OAuth2};
use scim_conformance::console::{Color, summary};
use scim_conformance::report::json;
use scim_conformance::{
    Check, Console, Coverage, Diff, Interrupt, Known, Profile, Report, Requirement, Silent, Suite,
    Target, sweep_telling,
};
use secrecy::SecretString;

use crate::cli::{Cli, Command, Run, Selection, TargetArgs};
use crate::near;
use crate::outputs::{Outputs, print};

/// How long a request of a sweep may take.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what was asked for; the exit code.
pub(crate) async fn execute(cli: Cli) -> Result<u8> {
    let color = Color::from(cli.color);
    match cli.command {
        Command::Run(run) => check(&run, color).await,
        Command::List(selection) => list(&selection),
        Command::Explain { id } => explain(&id),
        Command::Sweep { target, dry_run } => remove_leftovers(&target, dry_run).await,
        Command::Diff { old, new } => {
            let diff = Diff::between(&report(&old)?, &report(&new)?);
            print(&diff.to_string())?;
            Ok(diff.exit_code())
        }
        Command::Coverage => {
            print(&Coverage::of_all_checks().markdown())?;
            Ok(0)
        }
        Command::Schema => {
            print(&format!("{}\n", serde_json::to_string_pretty(&Report::schema())?))?;
            Ok(0)
        }
    }
}

async fn check(run: &Run, color: Color) -> Result<u8> {
    let outputs = Outputs::of(run)?;
    let interrupt = Interrupt::new();
    let mut suite = select(&run.selection)?
        .profile(run.profile.parse()?)
        .jobs(usize::from(run.jobs))
        .timeout(run.timeout)
        .patience(run.patience)
        .read_only(run.read_only)
        .keep_evidence(run.all_evidence)
        .interrupted_by(&interrupt);
    if let Some(seed) = run.seed {
        suite = suite.seed(seed);
    }
    for name in &run.known {
        suite = suite.knowing(known(name)?);
    }
    if let Some(path) = &run.baseline {
        let baseline = Known::baseline(path.display().to_string(), &report(path)?);
        suite = suite.knowing(baseline.with_context(|| format!("--baseline {}", path.display()))?);
    }
    let target = target(&run.target, run.timeout)?.mail_domain(run.mail_domain.as_str());
    let watching = tokio::spawn(end_on_signal(interrupt));
    let report = if run.quiet {
        suite.run_with(&target, &mut Silent).await
    } else {
        suite.run_with(&target, &mut Console::with_color(color)).await
    };
    watching.abort();
    let written = outputs.write(&report);
    if outputs.take_stdout() {
        // The last words of a run; where nobody reads them, its reports are still good.
        eprint(&summary(&report, color.decide(io::stderr().is_terminal())));
    } else {
        print(&summary(&report, color.decide(io::stdout().is_terminal())))?;
    }
    written?;
    Ok(report.exit_code())
}

/// A product that the program has a list for, else a file.
fn known(name: &str) -> Result<Known> {
    if Known::products().any(|product| product == name) {
        return Ok(Known::of_product(name)?);
    }
    let path = Path::new(name);
    if !path.exists() {
        let products = Known::products().collect::<Vec<_>>().join(", ");
        bail!("--known {name}: no such file, and no product with a list; there are {products}");
    }
    Known::from_toml(&text(path)?).with_context(|| format!("--known {name}"))
}

fn report(path: &Path) -> Result<Report> {
    json::read(&text(path)?).with_context(|| path.display().to_string())
}

/// The first signal ends the run in order, the second at once but for the reports, the third everything.
async fn end_on_signal(interrupt: Interrupt) {
    if !signalled().await {
        return;
    }
    interrupt.trigger();
    eprint(
        "\nending: what was created is being removed, for 10 seconds at the most; once more leaves it behind\n",
    );
    if !signalled().await {
        return;
    }
    interrupt.abandon();
    eprint(
        "\nended: the report says what is left behind; `scim-conformance sweep URL` removes it\n",
    );
    if signalled().await {
        std::process::exit(i32::from(crate::COULD_NOT_RUN));
    }
}

/// For people; where nobody reads it, that is no reason to end.
fn eprint(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Waits for Ctrl-C or the signal to terminate; `false` where that cannot be waited for.
async fn signalled() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return false };
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.is_ok(),
            received = terminate.recv() => received.is_some(),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}

fn select(selection: &Selection) -> Result<Suite> {
    let mut suite = Suite::all();
    if !selection.only.is_empty() {
        suite = suite.only(&selection.only);
    }
    suite = suite.skip(&selection.skip);
    if let [first, ..] = suite.unmatched() {
        let near = near::suggestion(first, Suite::all().checks());
        bail!("{first:?} names no check{near}; `scim-conformance list` shows them all");
    }
    if suite.checks().is_empty() {
        bail!("--only and --skip leave no check to run");
    }
    Ok(suite)
}

fn target(args: &TargetArgs, timeout: Duration) -> Result<Target> {
    let mut transport = ReqwestTransport::builder().timeout(timeout);
    if let Some(path) = &args.insecure_ca {
        transport = transport.root_certificates(certificates("--insecure-ca", path)?);
    }
    if let Some(path) = &args.client_cert {
        transport = transport.client_certificate(certificates("--client-cert", path)?);
    }
    let transport = transport.build().context("the connection cannot be set up")?;
    Ok(Target::new(&args.url)?.auth(auth(args)?).transport(transport))
}

/// A file with certificates. One without would be taken for a file with none to trust, and the error come much later.
fn certificates(flag: &str, path: &Path) -> Result<Vec<u8>> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        bail!(
            "{flag}: {} has no certificate in PEM: that is text which begins with -----BEGIN CERTIFICATE-----",
            path.display()
        );
    }
    Ok(bytes)
}

fn auth(args: &TargetArgs) -> Result<Auth> {
    if let (Some(url), Some(id)) = (&args.oauth_token_url, &args.oauth_client_id) {
        let mut tokens = match &args.oauth_key_file {
            Some(path) => OAuth2::private_key_jwt(url, id, secret_of(path)?),
            None => {
                let secret = secret(args.oauth_secret_file.as_deref(), "SCIM_CLIENT_SECRET")?;
                let secret =
                    secret.context("--oauth-secret-file or SCIM_CLIENT_SECRET is missing")?;
                OAuth2::client_credentials(url, id, secret)
            }
        };
        for scope in &args.oauth_scope {
            tokens = tokens.scope(scope);
        }
        return Ok(Auth::OAuth2(tokens));
    }
    if let Some(user) = &args.user {
        let password = secret(args.password_file.as_deref(), "SCIM_PASSWORD")?;
        let password = password.context("--password-file or SCIM_PASSWORD is missing")?;
        return Ok(Auth::Basic { user: user.clone(), password });
    }
    Ok(match secret(args.token_file.as_deref(), "SCIM_TOKEN")? {
        Some(token) => Auth::Bearer(token),
        None => Auth::None,
    })
}

/// A secret from a file, else from the environment, where empty counts as not set.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<SecretString>> {
    match file {
        Some(path) => secret_of(path).map(Some),
        None => Ok(std::env::var(variable).ok().filter(|text| !text.is_empty()).map(Into::into)),
    }
}

fn secret_of(path: &Path) -> Result<SecretString> {
    let text = text(path)?;
    let text = text.trim();
    if text.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(text.into())
}

fn text(path: &Path) -> Result<String> {
    let bytes = read(path)?;
    String::from_utf8(bytes).ok().with_context(|| format!("{} is no text", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn list(selection: &Selection) -> Result<u8> {
    print(&listed(&select(selection)?))?;
    Ok(0)
}

/// The checks of a suite, one a line.
fn listed(suite: &Suite) -> String {
    let width = suite.checks().iter().map(|check| check.id.len()).max().unwrap_or_default();
    let line = |check: &Check| {
        let clause = check.clause.first().unwrap_or(&"");
        format!("{:<width$}  {:<7}  {clause:<18}  {}\n", check.id, check.level, check.reason)
    };
    suite.checks().iter().map(line).collect()
}

fn explain(id: &str) -> Result<u8> {
    let suite = Suite::all();
    let Some(check) = suite.checks().iter().find(|check| check.id == id) else {
        let near = near::suggestion(id, suite.checks());
        let some = suite.only([id]);
        if some.checks().is_empty() {
            bail!("{id:?} names no check{near}; `scim-conformance list` shows them all");
        }
        print(&listed(&some))?;
        return Ok(0);
    };
    let mut out = String::new();
    writeln!(out, "{}\n", check.id)?;
    writeln!(out, "rule    {}", check.reason)?;
    writeln!(out, "mend    {}", check.mend)?;
    let decides = Profile::ALL.iter().filter(|profile| profile.decides(check.level));
    let decides: Vec<_> = decides.map(|profile| profile.name()).collect();
    let decides = if decides.is_empty() { "none".to_owned() } else { decides.join(", ") };
    writeln!(out, "level   {}; decides in profiles: {decides}", check.level)?;
    if !check.needs.is_empty() {
        let needs: Vec<_> = check.needs.iter().map(ToString::to_string).collect();
        writeln!(out, "needs   {}", needs.join(", "))?;
    }
    writeln!(out, "writes  {}", if check.writes { "yes" } else { "no" })?;
    for requirement in check.clause.iter().filter_map(|id| Requirement::find(id)) {
        writeln!(out, "\n{} ({})", requirement.id, requirement.level)?;
        writeln!(out, "  {}\n  {}", requirement.text, requirement.url())?;
    }
    print(&out)?;
    Ok(0)
}

async fn remove_leftovers(args: &TargetArgs, dry_run: bool) -> Result<u8> {
    let target = target(args, SWEEP_TIMEOUT)?;
    let mut told = Ok(());
    let tell = |found: &[(String, String)]| {
        let mut text = String::new();
        for (path, name) in found {
            text.push_str(&format!("{path} {name}\n"));
        }
        if !dry_run && !found.is_empty() {
            text.push_str(&format!("removing {}\n", found.len()));
        }
        told = print(&text);
    };
    let swept = sweep_telling(&target, dry_run, tell).await.map_err(anyhow::Error::msg)?;
    told?;
    let mut out = String::new();
    for left in &swept.left {
        writeln!(out, "not removed: {} ({})", left.path, left.why)?;
    }
    let (found, removed) = (swept.found.len(), swept.removed);
    match dry_run {
        true => writeln!(out, "{found} found, nothing removed, {} problems", swept.left.len())?,
        false => writeln!(out, "{found} found, {removed} removed, {} problems", swept.left.len())?,
    }
    print(&out)?;
    Ok(u8::from(!swept.left.is_empty()))
}
