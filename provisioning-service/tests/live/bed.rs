//! What every chapter has, and what it waits for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_provisioning_service::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::managed::{Agent, Programs, Service};
use testkit::proxy::Seen;
use testkit::{Api, Held, Launch, Proxy, Samba, Server, SmtpSink, Thing, Wire, held, poll};

/// The group that both agents answer for.
pub(crate) const GROUP: &str = "ad.test.example";
/// People in the domain: the answer to a full read has to be larger than the window of the link.
pub(crate) const PEOPLE: u32 = 400;
/// For everything that is waited for; the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at the service, each of which is a process.
const LOOK: Duration = Duration::from_millis(150);

/// Everything that runs. In the order in which it is ended.
pub(crate) struct Bed {
    pub(crate) agents: [Agent; 2],
    pub(crate) wires: [Wire; 2],
    pub(crate) service: Service,
    pub(crate) proxy: Proxy,
    pub(crate) target: Server,
    pub(crate) sink: SmtpSink,
    pub(crate) samba: Samba,
    pub(crate) programs: Programs,
    pub(crate) folder: TempDir,
    /// The job, once there is one,
    pub(crate) job: String,
    /// and whether its cycles begin by its schedule or when a chapter says so.
    pub(crate) by_hand: bool,
    /// What left the scope: switched off in the target, by identifier.
    pub(crate) released: BTreeMap<String, Thing>,
}

impl Bed {
    pub(crate) fn start() -> Self {
        let service = Path::new(env!("CARGO_BIN_EXE_provisioning-service"));
        let programs = Programs::within(service.parent().unwrap()).unwrap();
        let samba = Samba::start_with(PEOPLE, &[("SEED_TOMBSTONES", "yes")]);
        Self::around(samba, programs, TempDir::with_prefix("live-").unwrap(), &[])
    }

    /// Everything else beside a domain, with more settings of the service.
    pub(crate) fn around(
        samba: Samba,
        programs: Programs,
        folder: TempDir,
        more: &[(&str, &str)],
    ) -> Self {
        let target = Launch::new(&programs.server).data(folder.path().join("target")).start();
        let proxy = Proxy::start(target.address(), target.url());
        let sink = SmtpSink::start();
        let config = folder.path().join("service.toml");
        std::fs::write(&config, crate::mail::settings(&sink)).unwrap();
        let mut settings = vec![
            ("PROVISIONING_CONFIG", config.to_str().unwrap()),
            ("PROVISIONING_BOOTSTRAP_INTERVAL", "30s"),
            ("PROVISIONING_JOB_LEASE", "4s"),
        ];
        settings.extend(more);
        let service = Service::start(&programs.service, folder.path(), &settings);
        let agents =
            ["north", "south"].map(|name| Agent::new(&programs.agent, folder.path(), name));
        let wires = [Wire::start(), Wire::start()];
        Self {
            agents,
            wires,
            service,
            proxy,
            target,
            sink,
            samba,
            programs,
            folder,
            job: String::new(),
            by_hand: false,
            released: BTreeMap::new(),
        }
    }

    /// Everything ends when it is told to; the domain and the programs are left.
    pub(crate) fn end(mut self) -> (Samba, Programs) {
        for agent in &mut self.agents {
            agent.stop();
        }
        self.service.stop();
        (self.samba, self.programs)
    }

    pub(crate) fn api(&self) -> Api {
        self.service.api()
    }

    /// The path of something of the job.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/synchronization/jobs/{}{rest}", self.job)
    }

    /// Posts something to the job that answers nothing.
    #[track_caller]
    pub(crate) fn tell(&self, verb: &str, body: Option<&Value>) {
        let _ = self.api().post(&self.path(verb), body).expect(204);
    }

    /// The job, as the API tells it.
    #[track_caller]
    pub(crate) fn look(&self) -> Value {
        self.api().get(&self.path("")).expect(200)
    }

    /// Asks until something is so.
    #[track_caller]
    pub(crate) fn until<T>(&self, mut probe: impl FnMut() -> Result<T, String>) -> T {
        match poll::try_every(LOOK, PATIENCE, &mut probe) {
            Ok(found) => found,
            Err(state) => panic!("not within {PATIENCE:?}; last state: {state}"),
        }
    }

    /// From now on a cycle begins when it is told to, so that how one ended can be looked at; `start` tells it.
    #[track_caller]
    pub(crate) fn by_hand(&mut self) {
        self.settings(|hybrid| hybrid["interval"] = json!("PT1H"));
        self.by_hand = true;
    }

    /// From now on a cycle begins every second.
    #[track_caller]
    pub(crate) fn by_schedule(&mut self) {
        self.settings(|hybrid| hybrid["interval"] = json!("PT1S"));
        self.by_hand = false;
    }

    /// Changes settings of the job.
    #[track_caller]
    pub(crate) fn settings(&self, change: impl FnOnce(&mut Value)) {
        let mut hybrid = self.look()["hybrid"].clone();
        change(&mut hybrid);
        let _ = self.api().patch(&self.path(""), &json!({ "hybrid": hybrid })).expect(200);
    }

    /// Waits for a cycle that began after now and came to its end so, and gives it. What is in the domain now, it has read.
    #[track_caller]
    pub(crate) fn cycle(&self, state: &str) -> Value {
        let since = now();
        if self.by_hand {
            self.tell("/start", None);
        }
        self.cycle_since(since, state)
    }

    #[track_caller]
    pub(crate) fn cycle_since(&self, since: DateTime<Utc>, state: &str) -> Value {
        self.cycle_that(since, |last| last["state"] == state)
    }

    /// The same, however it came to its end.
    #[track_caller]
    pub(crate) fn ended_since(&self, since: DateTime<Utc>) -> Value {
        self.cycle_that(since, |_| true)
    }

    #[track_caller]
    fn cycle_that(&self, since: DateTime<Utc>, fits: impl Fn(&Value) -> bool) -> Value {
        self.until(|| {
            let job = self.look();
            let last = &job["status"]["lastExecution"];
            let began = last["timeBegan"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
            let new = began.is_some_and(|began| began > since);
            match new && fits(last) {
                true => Ok(last.clone()),
                false => Err(format!("{:#}\nof the service:\n{}", job["status"], self.tail())),
            }
        })
    }

    /// The next cycle brings the target to what the domain says, and the one after it writes nothing. Gives the writes.
    #[track_caller]
    pub(crate) fn followed(&self) -> Writes {
        let cycle = self.cycle("Succeeded");
        assert_eq!(cycle["countEscrowed"], 0, "{cycle}");
        self.equal();
        let writes = self.writes();
        let quiet = self.cycle("Succeeded");
        assert_eq!((&quiet["countExports"], &quiet["countEscrowed"]), (&json!(0), &json!(0)));
        let more = self.writes();
        assert!(more.0.is_empty(), "nothing was to be written: {:?}", more.0);
        writes
    }

    /// The target is what the domain says.
    #[track_caller]
    pub(crate) fn equal(&self) {
        self.held().expect(&held::expected_with(&self.samba, &self.released));
    }

    /// What the target holds.
    #[track_caller]
    pub(crate) fn held(&self) -> Held {
        Held::read(&self.target)
    }

    /// The writes to the target since this was asked last.
    pub(crate) fn writes(&self) -> Writes {
        Writes(self.proxy.take().into_iter().filter(Seen::is_write).collect())
    }

    /// The agents by name, as the API tells them.
    #[track_caller]
    pub(crate) fn told_agents(&self) -> BTreeMap<String, Value> {
        told_agents(&self.api())
    }

    /// Waits until so many agents are connected.
    #[track_caller]
    pub(crate) fn connected(&self, number: usize) {
        self.connected_by(&self.api(), number);
    }

    /// The same, as this replica of the service tells it.
    #[track_caller]
    pub(crate) fn connected_by(&self, api: &Api, number: usize) {
        self.until(|| {
            let agents = told_agents(api);
            match agents.values().filter(|agent| agent["connected"] == true).count() {
                found if found == number => Ok(()),
                _ => Err(format!("{agents:#?}\n{}", self.tail())),
            }
        });
    }

    /// The last of what the service said.
    pub(crate) fn tail(&self) -> String {
        let log = self.service.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// How many entries the provisioning log has of an object with an action that went so.
    #[track_caller]
    pub(crate) fn logged(&self, object: &str, action: &str, status: &str) -> usize {
        let path =
            format!("/auditLogs/provisioning?object={object}&action={action}&status={status}");
        self.api().get(&path).expect(200)["value"].as_array().unwrap().len()
    }

    /// Has both sides read anew with the next cycle.
    #[track_caller]
    pub(crate) fn read_anew(&self) {
        self.read_anew_by(&self.api());
    }

    /// The same, asked of this replica of the service.
    #[track_caller]
    pub(crate) fn read_anew_by(&self, api: &Api) {
        let criteria = json!({ "criteria": { "resetScope": "Watermark" } });
        let _ = api.post(&self.path("/restart"), Some(&criteria)).expect(204);
    }
}

#[track_caller]
fn told_agents(api: &Api) -> BTreeMap<String, Value> {
    let all = api.get("/api/agents").expect(200);
    let mut all = all["agents"].as_array().cloned().unwrap();
    // Of two with one name, the one that is connected.
    all.sort_by_key(|agent| agent["connected"] == true);
    all.into_iter().map(|agent| (agent["name"].as_str().unwrap().to_owned(), agent)).collect()
}

/// The time of this machine.
pub(crate) fn now() -> DateTime<Utc> {
    SystemClock::new().now()
}

/// Writes to the target.
#[derive(Debug)]
pub(crate) struct Writes(pub(crate) Vec<Seen>);

impl Writes {
    /// Those that make something, change something, and remove something.
    pub(crate) fn counts(&self) -> [usize; 3] {
        ["POST", "PATCH", "DELETE"]
            .map(|method| self.0.iter().filter(|seen| seen.method == method).count())
    }

    /// How many came a second time: what was on its way when somebody died may have arrived, and is asked for again.
    #[track_caller]
    pub(crate) fn repeated(&self) -> usize {
        let mut times: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for seen in &self.0 {
            *times.entry((&seen.method, &seen.target, &seen.body)).or_default() += 1;
        }
        let repeated: Vec<_> = times.iter().filter(|(_, count)| **count > 1).collect();
        assert!(repeated.iter().all(|(_, count)| **count == 2), "{repeated:?}");
        repeated.len()
    }
}
