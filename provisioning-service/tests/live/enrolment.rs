//! From a code to an agent that gets work.

use scim_sync_link::gateway::EnrolmentCode;
use secrecy::{ExposeSecret as _, SecretString};
use testkit::Ran;
use testkit::managed::Agent;

use crate::bed::{Bed, GROUP, PATIENCE, now};

impl Bed {
    /// `setup` of an agent beside the domain, through a wire.
    #[track_caller]
    pub(crate) fn setup(&self, agent: &Agent, wire: usize, code: &str, more: &[&str]) -> Ran {
        self.setup_at(self.service.url(), agent, wire, code, more)
    }

    /// The same with the replica of the service that is at this address.
    #[track_caller]
    pub(crate) fn setup_at(
        &self,
        url: &str,
        agent: &Agent,
        wire: usize,
        code: &str,
        more: &[&str],
    ) -> Ran {
        let (ca, proxy) = (self.samba.ca().display().to_string(), self.wires[wire].url());
        let mut directory = vec![
            "--directory",
            "active-directory",
            "--server",
            self.samba.ldaps_uri(),
            "--ldap-ca",
            &ca,
            "--base",
            self.samba.base(),
            "--proxy",
            &proxy,
        ];
        directory.extend(more);
        agent.setup(url, code, self.samba.sync_account(), &directory)
    }
}

pub(crate) fn bad_codes(bed: &mut Bed) {
    let stranger = Agent::new(&bed.programs.agent, bed.folder.path(), "stranger");
    let refused = |code: &str, why: &str| {
        let ran = bed.setup(&stranger, 0, code, &["--no-check", "--force"]).expect(1).says(why);
        assert!(!format!("{ran}").contains(code), "the code is not shown");
        assert!(!stranger.path("identity/current").exists(), "{ran}");
    };
    let used = bed.service.code(GROUP);
    let _ = bed.setup(&bed.agents[0], 0, &used, &[]).expect(0).says("enrolled");
    refused(&used, "was used already");
    // Never made, though for this very authority.
    let kept: SecretString = used.into();
    let authority = EnrolmentCode::try_from(&kept).unwrap().fingerprint();
    let unknown = EnrolmentCode::new(authority, [7; 15]).text();
    refused(unknown.expose_secret(), "does not take the code");
    let made = now();
    let short = bed.service.run(&["agent", "code", "--expires", "1s"]).expect(0).stdout;
    bed.until(|| match (now() - made).num_milliseconds() {
        3000.. => Ok(()),
        waited => Err(format!("{waited} ms")),
    });
    refused(short.trim(), "expired");
    refused("7Q4K-22MB", "13 groups");
    let audit = bed.api().get("/api/audit?action=agent.enrol").expect(200);
    assert_eq!(audit["entries"].as_array().unwrap().len(), 1, "{audit}");
}

pub(crate) fn two_agents(bed: &mut Bed) {
    let code = bed.service.code(GROUP);
    let _ = bed.setup(&bed.agents[1], 1, &code, &[]).expect(0).says("enrolled");
    for agent in &bed.agents {
        let _ = agent.run(&["doctor"]).expect(0).says("it answers for ad.test.example");
    }
    for agent in &mut bed.agents {
        agent.begin();
        agent.process().says("linked to", PATIENCE);
    }
    bed.connected(2);
    for (name, agent) in bed.told_agents() {
        assert_eq!((&agent["state"], &agent["groups"][0]), (&"active".into(), &GROUP.into()));
        assert_eq!(agent["directories"][0], "ad", "{name}");
        assert!(agent["lastBootstrap"].is_string() && agent["certificateExpires"].is_string());
    }
    for (agent, wire) in bed.agents.iter().zip(&bed.wires) {
        assert!(wire.tunnels() >= 2, "the bootstrap and the link go through the proxy");
        let _ = agent.run(&["status"]).expect(0).says("linked by websocket");
    }
    let doctor = bed.service.run(&["doctor"]).expect(0);
    assert_eq!(doctor.stdout.matches("is active").count(), 2, "{doctor}");
    // Nobody without a token learns anything, and who may only read changes nothing.
    let anonymous = bed.api().with_token("prov_none");
    assert_eq!(anonymous.get("/api/agents").status, 401);
    let made = bed.service.run(&["token", "create", "--name", "reader", "--role", "reader"]);
    let reader = bed.api().with_token(made.expect(0).stdout.trim());
    assert_eq!(reader.get("/api/agents").status, 200);
    assert_eq!(reader.post("/api/codes", Some(&serde_json::json!({}))).status, 403);
}
