//! `cargo xtask demo`: managed mode as a whole on this machine, from the domain to the cloud directory, until Ctrl-C.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use testkit::managed::{Agent, Programs, Service};
use testkit::{Api, Bed, Launch, OpenLdap, Samba, Server, poll, program};

use crate::workspace::{self, Workspace};

/// The group that both agents answer for.
const GROUP: &str = "corp.example.com";
/// How long the first cycle may take.
const CYCLE: Duration = Duration::from_secs(300);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(500);

/// Options of `cargo xtask demo`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the agents stand beside
    #[arg(long, value_enum, default_value = "samba")]
    directory: Directory,
    /// People in the directory
    #[arg(long, default_value_t = 40)]
    people: u32,
    /// Leave the files where they are, and say where
    #[arg(long)]
    keep: bool,
    /// Run the release builds
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Directory {
    /// An Active Directory domain; needs root
    Samba,
    /// An OpenLDAP server; needs no root
    Openldap,
}

/// Starts everything, says what to try, and ends everything when told to.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    possible(workspace, options.directory)?;
    let programs = build(workspace, options.release)?;
    program::apart();
    // What fails below fails with a sentence, and takes down what it started on its way out.
    std::panic::set_hook(Box::new(|failed| {
        let text = failed.payload_as_str().unwrap_or("something failed");
        eprintln!("error: {text}");
    }));
    let told = told_to_stop()?;
    let folder = Folder::new(workspace, options.keep)?;
    let mut demo = Demo::start(&programs, options, &folder.0, &told)?;
    println!("{demo}");
    demo.watch(&told);
    eprintln!("stopping");
    demo.end();
    Ok(())
}

fn possible(workspace: &Workspace, directory: Directory) -> Result<()> {
    let found = |name: &str| {
        let probe = format!("PATH=$PATH:/usr/sbin:/sbin; command -v {name}");
        workspace::works(workspace.command("sh").args(["-c", &probe]))
    };
    ensure!(found("curl"), "curl is missing: install it (Debian: apt-get install curl)");
    match directory {
        Directory::Openldap => ensure!(
            found("slapd") && found("ldapmodify") && found("openssl"),
            "OpenLDAP is missing: install it (Debian: apt-get install slapd ldap-utils openssl)"
        ),
        Directory::Samba if !found("samba") => bail!(
            "Samba is missing: install it (Debian: `apt-get install samba-ad-dc samba-ad-provision samba-dsdb-modules \
             samba-vfs-modules winbind ldb-tools python3-samba ldap-utils openssl socat`), or say --directory openldap"
        ),
        Directory::Samba => ensure!(
            rustix::process::geteuid().is_root(),
            "Samba needs root for its network namespace and its file attributes: run this as root, or say --directory openldap"
        ),
    }
    Ok(())
}

fn build(workspace: &Workspace, release: bool) -> Result<Programs> {
    eprintln!("building the programs");
    let packages =
        ["-p", "scim-provisioning-service", "-p", "scim-agent", "-p", "scim-reference-server"];
    let mut cargo = workspace.cargo(&["build", "--locked", "--quiet", "--bins"]);
    cargo.args(packages).args(release.then_some("--release"));
    workspace::run(&mut cargo)?;
    let profile = if release { "release" } else { "debug" };
    Programs::within(&workspace.target.join(profile)).map_err(anyhow::Error::msg)
}

/// Where everything is; gone at the end unless it is to be kept.
struct Folder(PathBuf, bool);

impl Folder {
    fn new(workspace: &Workspace, keep: bool) -> Result<Self> {
        let name = format!("demo-{}", std::process::id());
        // A kept folder is not for those who clean up /tmp.
        let below = if keep { workspace.target.clone() } else { std::env::temp_dir() };
        let path = below.join(name);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path, keep))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.1 {
            eprintln!("the files are in {}", self.0.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} cannot be removed: {error}", self.0.display());
        }
    }
}

/// Hears Ctrl-C and SIGTERM from now on.
fn told_to_stop() -> Result<Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, told) = mpsc::channel();
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    });
    Ok(told)
}

/// The directory that runs.
enum Source {
    Samba(Box<Samba>),
    OpenLdap(Box<OpenLdap>),
}

impl Source {
    fn start(options: &Options) -> Self {
        match options.directory {
            Directory::Samba => Self::Samba(Box::new(Samba::start_with(
                options.people,
                &[("SEED_TOMBSTONES", "yes")],
            ))),
            Directory::Openldap => Self::OpenLdap(Box::new(OpenLdap::start(options.people, 1000))),
        }
    }

    fn bed(&self) -> &Bed {
        match self {
            Self::Samba(samba) => samba,
            Self::OpenLdap(server) => server,
        }
    }

    /// What `setup` calls its kind, what agents call it, and the template of its jobs.
    const fn words(&self) -> [&'static str; 3] {
        match self {
            Self::Samba(_) => ["active-directory", "ad", "AD2CloudUsersGroups"],
            Self::OpenLdap(_) => ["openldap", "ldap", "OpenLdap2CloudUsersGroups"],
        }
    }

    /// Somebody to change, and what to change of them.
    fn somebody(&self) -> String {
        let (filter, attribute) = match self {
            Self::Samba(_) => ("(sAMAccountName=u000007)", "displayName"),
            Self::OpenLdap(_) => ("(objectClass=inetOrgPerson)", "displayName"),
        };
        let dn = self.bed().values(filter, "dn").into_iter().next().unwrap_or_default();
        format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: Changed by hand")
    }
}

/// Everything that runs. In the order in which it ends.
struct Demo {
    agents: [Agent; 2],
    service: Service,
    target: Server,
    source: Source,
    job: String,
    held: String,
}

impl Demo {
    fn start(
        programs: &Programs,
        options: &Options,
        folder: &Path,
        told: &Receiver<()>,
    ) -> Result<Self> {
        let go_on = || match told.try_recv() {
            Ok(()) => bail!("stopped before everything was started"),
            Err(_) => Ok(()),
        };
        eprintln!("starting the directory, with {} people", options.people);
        let source = Source::start(options);
        go_on()?;
        eprintln!("starting the cloud directory and the provisioning service");
        let target = Launch::new(&programs.server).data(folder.join("cloud")).start();
        let service = Service::start(&programs.service, folder, &[]);
        go_on()?;
        eprintln!("enrolling two agents");
        let agents = ["north", "south"].map(|name| Agent::new(&programs.agent, folder, name));
        let [kind, directory, template] = source.words();
        let mut demo =
            Self { agents, service, target, source, job: String::new(), held: String::new() };
        demo.enrol(kind);
        go_on()?;
        eprintln!("making a job; the first cycle");
        demo.begin(directory, template);
        demo.held = demo.first_cycle(told)?;
        Ok(demo)
    }

    fn enrol(&mut self, kind: &str) {
        let bed = self.source.bed();
        let ca = bed.ca().display().to_string();
        let directory = ["--directory", kind, "--server", bed.ldaps_uri()];
        let place = ["--ldap-ca", &ca, "--base", bed.base()];
        let directory = [directory, place].concat();
        for agent in &mut self.agents {
            let code = self.service.code(GROUP);
            let account = bed.sync_account();
            let _ = agent.setup(self.service.url(), &code, account, &directory).expect(0);
            agent.begin();
        }
    }

    fn begin(&mut self, directory: &str, template: &str) {
        let api = self.service.api();
        let job = json!({
            "templateId": template,
            "hybrid": {
                "name": "The directory to the cloud",
                "source": { "group": GROUP, "directory": directory },
                "interval": "PT10S",
            },
        });
        let made = api.post("/synchronization/jobs", Some(&job)).expect(201);
        self.job = made["id"].as_str().unwrap_or_default().to_owned();
        let secrets = json!({ "value": [
            { "key": "BaseAddress", "value": self.target.url() },
            { "key": "SecretToken", "value": testkit::server::TOKEN },
        ] });
        let _ = api.put(&self.path("/secrets"), &secrets).expect(204);
        let _ = api.post(&self.path("/start"), None).expect(204);
    }

    fn path(&self, rest: &str) -> String {
        format!("/synchronization/jobs/{}{rest}", self.job)
    }

    /// Waits for its end; gives what the cloud directory holds then.
    fn first_cycle(&self, told: &Receiver<()>) -> Result<String> {
        let api: Api = self.service.api();
        let ended = poll::try_every(LOOK, CYCLE, || {
            if told.try_recv().is_ok() {
                return Ok(None);
            }
            let status = api.get(&self.path("")).expect(200)["status"].take();
            match status["lastSuccessfulExecution"].is_object() {
                true => Ok(Some(status)),
                false => Err(status),
            }
        });
        let status = match ended {
            Ok(Some(status)) => status,
            Ok(None) => bail!("stopped before everything was started"),
            Err(status) => bail!("the first cycle did not succeed: {status:#}"),
        };
        let counts = status["synchronizedEntryCountByType"].as_array().cloned().unwrap_or_default();
        let counts = counts.iter().map(|pair: &Value| {
            format!("{} {}", pair["value"], pair["key"].as_str().unwrap_or_default())
        });
        Ok(counts.collect::<Vec<_>>().join(", "))
    }

    /// Waits until told to stop, and tells of whoever ends before.
    fn watch(&mut self, told: &Receiver<()>) {
        let mut ended: Vec<String> = Vec::new();
        loop {
            match told.recv_timeout(LOOK) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            for agent in &mut self.agents {
                let name = agent.name().to_owned();
                if !agent.process().is_running() && !ended.contains(&name) {
                    let log = agent.log();
                    let last = log.lines().last().unwrap_or_default();
                    eprintln!("the agent {name} has ended; the last it said: {last}");
                    ended.push(name);
                }
            }
        }
    }

    /// In order: agents say farewell, the service finishes what it writes.
    fn end(mut self) {
        for agent in &mut self.agents {
            if agent.process().is_running() {
                agent.stop();
            }
        }
        self.service.stop();
    }
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bed = self.source.bed();
        let service = self.service.url();
        let authority = self.service.authority();
        let api = format!(
            "curl --cacert {} -H 'Authorization: Bearer {}' {service}",
            authority.display(),
            self.service.token()
        );
        let [north, south] = self.agents.each_ref().map(|agent| agent.pid().unwrap_or_default());
        writeln!(f, "\nEverything runs; the first cycle is done: {}.\n", self.held)?;
        writeln!(f, "  provisioning service  {service}")?;
        writeln!(f, "  page for operators    {service}/console (sign in with the token)")?;
        writeln!(f, "  administrator's token {}", self.service.token())?;
        writeln!(f, "  cloud directory       {}", self.target.url())?;
        writeln!(f, "  its token             {}", testkit::server::TOKEN)?;
        writeln!(f, "  directory             {}", bed.ldap_uri())?;
        writeln!(f, "  agents                north (process {north}), south (process {south})")?;
        writeln!(f, "\nTry:\n\n  # how the job does, and what it did to whom")?;
        writeln!(f, "  {api}{}", self.path(""))?;
        writeln!(f, "  {api}/auditLogs/provisioning.jsonl")?;
        writeln!(f, "  # the agents")?;
        writeln!(f, "  {api}/api/agents")?;
        writeln!(f, "  # change somebody in the directory; within ten seconds the cloud has it")?;
        let (name, password) = bed.admin();
        writeln!(
            f,
            "  ldapmodify -x -H {} -D '{name}' -w '{password}' <<'END'\n{}\nEND",
            bed.ldap_uri(),
            self.source.somebody()
        )?;
        writeln!(
            f,
            "  curl -sG {}/Users -H 'Authorization: Bearer {}' --data-urlencode 'filter=displayName eq \"Changed by hand\"'",
            self.target.url(),
            testkit::server::TOKEN
        )?;
        writeln!(f, "  # the other agent goes on alone\n  kill -9 {north}")?;
        write!(f, "\nCtrl-C ends everything and removes it.")
    }
}
