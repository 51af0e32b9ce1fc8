//! The same domain and the same server in managed mode: an agent beside the domain, the service at the other end of its link.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::managed::{Agent, Programs, Service};
use testkit::{Launch, Samba, Server, poll};

use super::{CYCLE, Cycle, TOKEN};

const GROUP: &str = "measured.example";
/// Between two looks at the job: each is a process, which the programs that are measured do without.
const LOOK: Duration = Duration::from_millis(500);

/// An empty server, a service without state, and an agent that has just enrolled.
pub(super) struct Managed {
    agent: Agent,
    service: Service,
    server: Server,
    job: String,
}

impl Managed {
    pub(super) fn start(release: &Path, domain: &Samba, scratch: &Path) -> Result<Self> {
        let programs = Programs::within(release).map_err(anyhow::Error::msg)?;
        std::fs::create_dir_all(scratch)?;
        let server = Launch::new(&programs.server).token(TOKEN).data(scratch.join("cloud")).start();
        let service = Service::start(&programs.service, scratch, &[]);
        let mut agent = Agent::new(&programs.agent, scratch, "agent");
        let ca = domain.ca().display().to_string();
        let directory = ["--directory", "active-directory", "--server", domain.ldaps_uri()];
        let place = ["--ldap-ca", ca.as_str(), "--base", domain.base()];
        let (code, account) = (service.code(GROUP), domain.sync_account());
        let directory = [directory, place].concat();
        let _ = agent.setup(service.url(), &code, account, &directory).expect(0);
        agent.begin();
        let api = service.api();
        let connected = poll::try_every(LOOK, Duration::from_secs(60), || {
            let agents = api.get("/api/agents").expect(200);
            if agents["agents"][0]["connected"] == true { Ok(()) } else { Err(agents) }
        });
        if let Err(agents) = connected {
            bail!("the agent is not connected: {agents}");
        }
        // Cycles begin when they are asked for, and at no other time.
        let job = json!({
            "templateId": "AD2CloudUsersGroups",
            "hybrid": { "source": { "group": GROUP, "directory": "ad" }, "interval": "P1D" },
        });
        let made = api.post("/synchronization/jobs", Some(&job)).expect(201);
        let job = made["id"].as_str().context("the job has no id")?.to_owned();
        let secrets = json!({ "value": [
            { "key": "BaseAddress", "value": server.url() },
            { "key": "SecretToken", "value": TOKEN },
        ] });
        let _ = api.put(&format!("/synchronization/jobs/{job}/secrets"), &secrets).expect(204);
        Ok(Self { agent, service, server, job })
    }

    /// One cycle; its peak is that of the agent since it was started.
    pub(super) fn cycle(&self) -> Result<Cycle> {
        let api = self.service.api();
        let path = format!("/synchronization/jobs/{}", self.job);
        let last = || api.get(&path).expect(200)["status"]["lastExecution"].take();
        let before = last()["activityIdentifier"].take();
        let _ = api.post(&format!("{path}/start"), None).expect(204);
        let ended = poll::try_every(LOOK, CYCLE, || {
            let cycle = last();
            if cycle["activityIdentifier"] == before { Err(cycle) } else { Ok(cycle) }
        });
        let Ok(cycle) = ended else { bail!("the cycle did not end within {CYCLE:?}") };
        ensure!(cycle["state"] == "Succeeded", "the cycle ended with {cycle}");
        let peak = self.agent.pid().and_then(testkit::program::peak).unwrap_or_default();
        Ok(Cycle { took: duration(&cycle)?, peak })
    }

    /// What the service had resident at its peak, in MiB.
    pub(super) fn service_peak(&self) -> f64 {
        self.service.process().peak().unwrap_or_default()
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }
}

/// From the beginning to the end of a cycle, as the service tells them.
fn duration(cycle: &Value) -> Result<Duration> {
    let at = |name: &str| cycle[name].as_str().and_then(seconds).with_context(|| cycle.to_string());
    let (began, ended) = (at("timeBegan")?, at("timeEnded")?);
    // Past midnight.
    let day = if ended < began { 86_400.0 } else { 0.0 };
    Ok(Duration::from_secs_f64(ended - began + day))
}

/// The seconds since midnight of a time such as `2026-11-22T01:26:05.215Z`.
fn seconds(time: &str) -> Option<f64> {
    let (_, time) = time.split_once('T')?;
    let mut parts = time.trim_end_matches('Z').splitn(3, ':').map(str::parse::<f64>);
    let mut part = || parts.next()?.ok();
    Some(part()? * 3600.0 + part()? * 60.0 + part()?)
}

#[cfg(test)]
mod tests {
    use super::{duration, seconds};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn times_are_told_apart_past_midnight_too() {
        assert_eq!(seconds("2026-11-22T01:02:03.5Z"), Some(3723.5));
        assert_eq!(seconds("yesterday"), None);
        let cycle =
            json!({"timeBegan": "2026-11-22T23:59:59.500Z", "timeEnded": "2026-11-23T00:00:01Z"});
        assert_eq!(duration(&cycle).unwrap(), Duration::from_millis(1500));
    }
}
