//! What a synchronisation costs: a Samba domain, the agent and `scim-server` on this machine, all in their release builds; and
//! the same in managed mode, with the provisioning service in between.
//!
//! Every figure is the median of its rounds, and the bare read of the directory is measured between them: on a shared
//! machine only what was measured in the same minutes can be compared.

mod managed;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use testkit::{Launch, Samba, Server, poll, program};

use self::managed::Managed;
use crate::workspace::{self, Workspace};

/// The bearer token of the server.
const TOKEN: &str = "measured-server-token-0123456789";
/// How long a cycle may take.
const CYCLE: Duration = Duration::from_secs(1800);

/// Options of `cargo xtask measure`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Users in the domain; a tenth as many groups, a twentieth as many contacts, and one group of all users
    #[arg(long, default_value_t = 20_000)]
    users: u32,
    /// The folder of the domain, kept for the next time: seeding 20,000 users takes ten minutes
    #[arg(long, value_name = "DIR")]
    domain: PathBuf,
    /// Rounds of every figure
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let parts =
        ["-p", "scim-agent", "-p", "scim-reference-server", "-p", "scim-provisioning-service"];
    let mut build = workspace.cargo(&["build", "--release", "--locked"]);
    workspace::run(build.args(parts).args(["--bins", "--example", "read_sources"]))?;
    eprintln!("starting the domain; seeding {} users where they are not there yet", options.users);
    let domain = Samba::kept(&options.domain, options.users);
    let scratch = options.domain.join("measure");
    let mut table = Table::default();
    let mut objects = 0;
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        let bed = Bed::start(workspace, &domain, &scratch)?;
        let read = bed.bare_read()?;
        let first = bed.cycle()?;
        objects = linked(&bed.server)?;
        table.read.push(per_second(read.objects, read.took));
        table.first.push(per_second(objects, first.took));
        table.ratio.push(read.took.as_secs_f64() / first.took.as_secs_f64());
        table.memory.push(first.peak);
        for _ in 0..options.rounds {
            let quiet = bed.cycle()?;
            table.quiet.push(quiet.took.as_secs_f64());
            table.memory.push(quiet.peak);
        }
        change(&domain, 200, round)?;
        let changed = bed.cycle()?;
        table.changes.push(changed.took.as_secs_f64());
        table.memory.push(changed.peak);
        drop(bed);
        let managed = Managed::start(&workspace.target.join("release"), &domain, &scratch)?;
        let through = managed.cycle()?;
        let held = linked(managed.server())?;
        ensure!(held == objects, "the link brought {held} objects, the direct mode {objects}");
        table.link.push(per_second(held, through.took));
        table.link_ratio.push(first.took.as_secs_f64() / through.took.as_secs_f64());
        for _ in 0..options.rounds {
            table.link_quiet.push(managed.cycle()?.took.as_secs_f64());
        }
        change(&domain, 200, round + options.rounds)?;
        let changed = managed.cycle()?;
        table.link_changes.push(changed.took.as_secs_f64());
        table.link_memory.push(changed.peak);
        table.service_memory.push(managed.service_peak());
    }
    println!("{}", table.show(options.users, objects));
    Ok(())
}

#[derive(Default)]
struct Table {
    read: Vec<f64>,
    first: Vec<f64>,
    ratio: Vec<f64>,
    quiet: Vec<f64>,
    changes: Vec<f64>,
    memory: Vec<f64>,
    link: Vec<f64>,
    link_ratio: Vec<f64>,
    link_quiet: Vec<f64>,
    link_changes: Vec<f64>,
    link_memory: Vec<f64>,
    service_memory: Vec<f64>,
}

impl Table {
    fn show(&self, users: u32, objects: u64) -> String {
        let mut text = format!("{users} users in the domain, {objects} objects in the target\n\n");
        let mut row = |what: &str, values: &[f64], unit: &str, goal: &str| {
            let (low, middle, high) = spread(values);
            let _ =
                writeln!(text, "| {what} | {middle:.2} {unit} | {low:.2} to {high:.2} | {goal} |");
        };
        row("bare read of the directory", &self.read, "objects/s", "the bound");
        row("first cycle", &self.first, "objects/s", "1,000, or half of the bare read");
        row("time of the bare read by time of the first cycle", &self.ratio, "", "");
        row("quiet cycle, whole program", &self.quiet, "s", "under 1");
        row("cycle of 200 changes, whole program", &self.changes, "s", "under 3");
        row("resident memory of the agent at its peak", &self.memory, "MiB", "100 at most");
        row("managed: first cycle", &self.link, "objects/s", "");
        row(
            "managed: time of the direct first cycle by time of the managed one",
            &self.link_ratio,
            "",
            "at least 0.80",
        );
        row("managed: quiet cycle", &self.link_quiet, "s", "under 1");
        row("managed: cycle of 200 changes", &self.link_changes, "s", "under 3");
        row("managed: resident memory of the agent at its peak", &self.link_memory, "MiB", "");
        row("managed: resident memory of the service at its peak", &self.service_memory, "MiB", "");
        text
    }
}

/// Lowest, median and highest.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

#[expect(clippy::cast_precision_loss, reason = "counts of objects are small")]
fn per_second(objects: u64, took: Duration) -> f64 {
    objects as f64 / took.as_secs_f64()
}

/// Changes a value of so many users.
fn change(domain: &Samba, count: usize, round: usize) -> Result<()> {
    // Some 300 of them: a search without pages ends at 1,000.
    let first = "(|(employeeID=E00000*)(employeeID=E00001*)(employeeID=E00002*))";
    let users = domain.entries(first, &["cn"]);
    ensure!(users.len() >= count, "the domain has too few users to change");
    let title = testkit::ldif_line("title", &format!("Title {round} of {}", std::process::id()));
    let changes = users.iter().take(count).map(|user| {
        let dn = testkit::ldif_line("dn", &user.dn);
        format!("{dn}changetype: modify\nreplace: title\n{title}\n")
    });
    domain.modify(&changes.collect::<String>());
    Ok(())
}

/// An empty server and an agent without state.
struct Bed {
    server: Server,
    config: PathBuf,
    environment: Vec<(&'static str, String)>,
    release: PathBuf,
}

struct Read {
    objects: u64,
    took: Duration,
}

struct Cycle {
    took: Duration,
    /// In MiB.
    peak: f64,
}

impl Bed {
    fn start(workspace: &Workspace, domain: &Samba, scratch: &Path) -> Result<Self> {
        if scratch.exists() {
            fs::remove_dir_all(scratch)?;
        }
        fs::create_dir_all(scratch)?;
        let release = workspace.target.join("release");
        let launch = Launch::new(release.join("scim-server")).token(TOKEN);
        let server = launch.data(scratch.join("data")).start();
        let environment = vec![
            ("STATE_DIR", scratch.join("state").display().to_string()),
            ("LDAP_URI", domain.ldaps_uri().to_owned()),
            ("LDAP_CA", domain.ca().display().to_string()),
            ("LDAP_BIND_DN", domain.sync_account().0.to_owned()),
            ("LDAP_PASSWORD", domain.sync_account().1.to_owned()),
            ("LDAP_BASE", domain.base().to_owned()),
            ("SCIM_URL", server.url().to_owned()),
            ("SCIM_TOKEN", TOKEN.to_owned()),
        ];
        let config = workspace.root.join("provisioning-agent/examples/ad-to-scim.toml");
        Ok(Self { server, config, environment, release })
    }

    /// The agent's own connector, and nothing else.
    fn bare_read(&self) -> Result<Read> {
        let output = Command::new(self.release.join("examples/read_sources"))
            .arg(&self.config)
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the bare read failed");
        let text = String::from_utf8(output.stdout)?;
        // `ad: 23020 objects in 12.34 s`
        let words: Vec<&str> = text.split_whitespace().collect();
        let (Some(objects), Some(seconds)) = (words.get(1), words.get(4)) else {
            bail!("the bare read said {text:?}");
        };
        Ok(Read { objects: objects.parse()?, took: Duration::from_secs_f64(seconds.parse()?) })
    }

    fn cycle(&self) -> Result<Cycle> {
        let started = Instant::now();
        let mut child = Command::new(self.release.join("provisioning-agent"))
            .args(["--quiet", "--config"])
            .arg(&self.config)
            .args(["sync", "--once"])
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .spawn()
            .context("the agent does not start")?;
        let mut peak = 0.0_f64;
        let ended = poll::try_until(CYCLE, || match child.try_wait() {
            Ok(Some(status)) => Ok(Ok(status)),
            Ok(None) => {
                // The kernel keeps the peak; the last look before the end has it.
                peak = peak.max(program::peak(child.id()).unwrap_or_default());
                Err(())
            }
            Err(error) => Ok(Err(error)),
        });
        let Ok(status) = ended else {
            child.kill()?;
            bail!("the cycle did not end within {CYCLE:?}");
        };
        let status = status?;
        ensure!(status.success(), "the cycle ended with {status}");
        Ok(Cycle { took: started.elapsed(), peak })
    }
}

/// How many objects a server has.
fn linked(server: &Server) -> Result<u64> {
    let mut total = 0;
    for endpoint in ["Users", "Groups", "Contacts"] {
        let answer = server.client().list(&format!("/{endpoint}"), &[("count", "0")]);
        total += answer.expect(200)["totalResults"].as_u64().context("no totalResults")?;
    }
    Ok(total)
}
