//! Two replicas of the service: a PostgreSQL that they share, NATS between them, and an agent at each.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use tempfile::TempDir;
use testkit::managed::{Programs, Service};
use testkit::server::TOKEN;
use testkit::{Nats, Postgres, Samba, poll};

use crate::bed::{Bed, GROUP, PATIENCE, now};
use crate::faults::PART;

/// The service of the bed is one replica, and `other` is the other one; each has the agent of its number.
pub(crate) struct Pair {
    bed: Bed,
    other: Service,
    nats: Nats,
    postgres: Postgres,
    database: String,
}

impl Deref for Pair {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

impl DerefMut for Pair {
    fn deref_mut(&mut self) -> &mut Bed {
        &mut self.bed
    }
}

impl Pair {
    /// Beside a domain, with a target that holds nothing.
    pub(crate) fn start(samba: Samba, programs: Programs) -> Self {
        let (postgres, nats) = (Postgres::start(), Nats::start());
        let address = postgres.database();
        let folder = TempDir::with_prefix("live-").unwrap();
        let key = folder.path().join("seal.key");
        let settings = [
            ("PROVISIONING_DATABASE", address.as_str()),
            ("PROVISIONING_NATS", &nats.url()),
            ("PROVISIONING_KEY_FILE", key.to_str().unwrap()),
        ];
        let bed = Bed::around(samba, programs, folder, &settings);
        let other = bed.service.beside(&bed.folder.path().join("other"));
        let database = address.rsplit('/').next().unwrap().to_owned();
        Self { bed, other, nats, postgres, database }
    }

    pub(crate) fn end(self) {
        let Self { bed, mut other, nats: _nats, postgres: _postgres, .. } = self;
        assert_eq!(bed.sink.mails(), [], "nobody was needed");
        let _ = bed.end();
        other.stop();
    }

    fn replica(&self, number: usize) -> &Service {
        match number {
            0 => &self.bed.service,
            _ => &self.other,
        }
    }

    /// Waits until both replicas say that so many agents are connected.
    #[track_caller]
    fn both_know(&self, agents: usize) {
        for number in 0..2 {
            self.connected_by(&self.replica(number).api(), agents);
        }
    }

    /// Which replica had the lease of the job last.
    #[track_caller]
    fn runner(&self) -> usize {
        let sql = format!("SELECT holder FROM lease WHERE name LIKE 'job/%/{}'", self.job);
        let holder = self.postgres.sql(&self.database, &sql);
        let process = holder.split('-').next().unwrap().parse().ok();
        let found = (0..2).find(|number| process == Some(self.replica(*number).process().pid()));
        found.unwrap_or_else(|| panic!("{holder:?} is neither of the replicas"))
    }

    /// The replicas change their places, and their agents with them.
    fn turn_round(&mut self) {
        std::mem::swap(&mut self.bed.service, &mut self.other);
        self.bed.agents.swap(0, 1);
        self.bed.wires.swap(0, 1);
    }

    /// Has a cycle run by this replica, and gives how it ended. It is the one that is asked unless the other looks in the
    /// same moment; then it is asked again.
    #[track_caller]
    fn cycle_by(&self, number: usize, anew: bool, state: &str) -> Value {
        for _ in 0..10 {
            let since = now();
            self.begin_by(number, anew);
            let last = self.ended_since(since);
            if self.runner() == number {
                assert_eq!(last["state"], state, "{last:#}\n{}", self.tail());
                return last;
            }
        }
        panic!("replica {number} never runs the job");
    }

    #[track_caller]
    fn begin_by(&self, number: usize, anew: bool) {
        let api = self.replica(number).api();
        match anew {
            true => self.read_anew_by(&api),
            false => drop(api.post(&self.path("/start"), None).expect(204)),
        }
    }

    /// A change in the domain arrives with a cycle that this replica runs, and nothing else is written.
    #[track_caller]
    fn change_arrives(&self, by: usize, account: &str) {
        let _ = self.writes();
        self.samba.set(&self.samba.dn_of(account), "displayName", Some(&format!("By {by}")));
        let _ = self.cycle_by(by, false, "Succeeded");
        self.equal();
        assert_eq!(self.writes().counts(), [0, 1, 0]);
    }
}

pub(crate) fn an_agent_each(pair: &mut Pair) {
    let urls = [pair.bed.service.url().to_owned(), pair.other.url().to_owned()];
    for (number, url) in urls.iter().enumerate() {
        // A code is good at every replica.
        let code = pair.replica(1 - number).code(GROUP);
        let agent = &pair.agents[number];
        let _ = pair.setup_at(url, agent, number, &code, &[]).expect(0).says("enrolled");
    }
    for (number, url) in urls.iter().enumerate() {
        let agent = &mut pair.agents[number];
        agent.begin();
        agent.process().says(&format!("linked to {url}"), PATIENCE);
    }
    pair.both_know(2);
}

pub(crate) fn one_killed(pair: &mut Pair) {
    let _ = pair.make_job("PT1S");
    pair.save_token(TOKEN);
    let gate = pair.proxy.gate(200);
    pair.tell("/start", None);
    poll::until(PATIENCE, || gate.reached().then_some(()).ok_or_else(|| pair.tail()));
    if pair.runner() == 0 {
        pair.turn_round();
    }
    pair.other.kill();
    gate.open();
    let mut written = pair.writes();
    let resumed = pair.cycle_since(now(), "Succeeded");
    assert_eq!(pair.runner(), 0);
    let read = resumed["countImported"].as_u64().unwrap();
    assert!(read < 100, "it reads on from where the other was: {resumed}");
    pair.equal();
    written.0.extend(pair.writes().0);
    let (twice, made) = (written.repeated(), pair.held().0.len());
    let [posted, _, gone] = written.counts();
    assert!(twice <= 16 && (made..=made + twice).contains(&posted), "{posted} for {made}");
    assert_eq!(gone, 0);
    let _ = pair.cycle("Succeeded");
    assert!(pair.writes().0.is_empty());
    pair.other.begin();
    pair.both_know(2);
}

pub(crate) fn shared(pair: &mut Pair) {
    // One job that is due every second: now this one takes it, now that one.
    let mut ran = [false; 2];
    pair.until(|| {
        ran[pair.runner()] = true;
        if ran == [true; 2] { Ok(()) } else { Err(format!("{ran:?}")) }
    });
    pair.by_hand();
    // The agent of the other replica is away: what that one reads, it reads through this one.
    pair.agents[1].stop();
    pair.both_know(1);
    pair.change_arrives(1, "u000072");
    let whole = pair.cycle_by(1, true, "Succeeded");
    assert!(whole["countImported"].as_u64().unwrap() > 500, "{whole}");
    assert!(pair.writes().0.is_empty());
}

pub(crate) fn nats_killed(pair: &mut Pair) {
    pair.samba.set(&pair.samba.dn_of("u000073"), "displayName", Some("Changed without NATS"));
    let since = loop {
        let since = now();
        pair.wires[0].hold_after(PART);
        pair.begin_by(1, true);
        poll::until(PATIENCE, || match pair.wires[0].is_held() {
            true => Ok(()),
            false => Err(pair.tail()),
        });
        if pair.runner() == 1 {
            break since;
        }
        pair.wires[0].heal();
        let _ = pair.ended_since(since);
    };
    let _ = pair.writes();
    pair.nats.stop();
    let failed = pair.cycle_since(since, "Failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("agent"), "{failed}");
    pair.wires[0].heal();
    // Each is alone: who has no agent reads nothing, and who has one needs nobody.
    pair.connected_by(&pair.other.api(), 0);
    let nobody = pair.cycle_by(1, false, "Failed");
    assert!(nobody["error"]["message"].as_str().unwrap().contains("no agent"), "{nobody}");
    assert!(pair.writes().0.is_empty());
    let _ = pair.cycle_by(0, false, "Succeeded");
    pair.equal();
    assert_eq!(pair.writes().counts(), [0, 1, 0]);
    pair.nats.start_again();
    pair.both_know(1);
    pair.change_arrives(1, "u000074");
    pair.agents[1].begin();
    pair.both_know(2);
    pair.change_arrives(0, "u000075");
    assert_eq!(pair.look()["status"]["code"], "Active");
}
