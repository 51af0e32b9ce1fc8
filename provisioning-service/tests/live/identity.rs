//! Who an agent is: renewed, suspected, refused.

use std::process::Command;

use testkit::managed::Agent;

use crate::bed::{Bed, GROUP, PATIENCE};

/// The generation of the key that an agent uses.
fn generation(agent: &Agent) -> u32 {
    let current = agent.path("identity/current");
    std::fs::read_to_string(current).unwrap().trim().parse().unwrap()
}

pub(crate) fn renewed(bed: &mut Bed) {
    bed.by_schedule();
    // 90 days less ten seconds: a certificate is renewed ten seconds after it was signed.
    bed.service.stop();
    bed.service.set("PROVISIONING_RENEW_BEFORE", "7775990s");
    bed.service.set("PROVISIONING_BOOTSTRAP_INTERVAL", "2s");
    bed.service.begin();
    bed.connected(2);
    let _ = bed.cycle("Succeeded");
    let before: Vec<u32> = bed.agents.iter().map(generation).collect();
    let links: Vec<usize> =
        bed.agents.iter().map(|agent| agent.log().matches("linked to").count()).collect();
    for (agent, before) in bed.agents.iter().zip(&before) {
        bed.until(|| match generation(agent) {
            now if now > *before + 1 => Ok(()),
            now => Err(format!("generation {now}\n{}", agent.log())),
        });
        assert!(agent.log().contains("the certificate is renewed, with a new key"));
        assert!(!agent.path(&format!("identity/{before}")).exists(), "the old key is gone");
    }
    let _ = bed.cycle("Succeeded");
    for (agent, links) in bed.agents.iter().zip(&links) {
        let now = agent.log().matches("linked to").count();
        assert_eq!(now, *links, "the link has held\n{}", agent.log());
    }
    let failures = bed.look()["status"]["countSuccessiveCompleteFailures"].clone();
    assert_eq!(failures, 0);
    bed.service.stop();
    bed.service.set("PROVISIONING_RENEW_BEFORE", "30d");
    bed.service.set("PROVISIONING_BOOTSTRAP_INTERVAL", "30s");
    bed.service.begin();
    bed.connected(2);
}

/// The variables with which a program's clock is ten minutes ahead: behind, it would be too early for the domain's certificate.
///
/// `faketime` names them; it stays between a program and its signals, so it does no more than that.
fn early() -> Vec<(String, String)> {
    let mut faketime = Command::new("faketime");
    let told = testkit::program::run(faketime.args(["--exclude-monotonic", "-f", "+600s", "env"]));
    let told = told.expect(0).stdout;
    let ours = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"];
    let lines = told.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| ours.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn wrong_clock(bed: &mut Bed) {
    bed.agents[1].stop();
    let early = early();
    for (name, value) in &early {
        bed.agents[1].set(name, value);
    }
    let _ = bed.agents[1].run(&["doctor"]).expect(0).says("have both follow a time server");
    bed.agents[1].begin();
    bed.agents[1].process().says("ahead of the service's", PATIENCE);
    bed.connected(2);
    let ahead = bed.told_agents()["south"]["clockAheadSeconds"].as_i64().unwrap();
    assert!((590..=660).contains(&ahead), "{ahead}");
    let doctor = bed.service.run(&["doctor"]).expect(1);
    let _ = doctor.says("its clock is");
    // It works all the same.
    bed.agents[0].stop();
    bed.samba.set(&bed.samba.dn_of("u000070"), "displayName", Some("Read by an early one"));
    bed.followed();
    bed.agents[0].begin();
    bed.agents[1].stop();
    for (name, _) in &early {
        bed.agents[1].unset(name);
    }
    bed.agents[1].begin();
    bed.connected(2);
}

pub(crate) fn revoked(bed: &mut Bed) {
    let id = bed.agents[1].id();
    let _ = bed.service.run(&["agent", "revoke", &id]).expect(0);
    let ended = bed.agents[1].process().wait(PATIENCE);
    assert_eq!(ended.code(), Some(4));
    let log = bed.agents[1].log();
    assert!(log.contains("does not want this agent") && log.contains("revoked"), "{log}");
    // Started again by somebody who does not know, it says the same.
    bed.agents[1].begin();
    assert_eq!(bed.agents[1].process().wait(PATIENCE).code(), Some(4));
    let _ = bed.agents[1].run(&["status"]).says("did not want it");
    bed.connected(1);
    assert_eq!(bed.told_agents()["south"]["state"], "revoked");
    bed.samba.set(&bed.samba.dn_of("u000071"), "displayName", Some("Read by the other"));
    bed.followed();
    // With a new code the machine is an agent again, another one.
    let code = bed.service.code(GROUP);
    let _ = bed.setup(&bed.agents[1], 1, &code, &["--force"]).expect(0).says("enrolled");
    assert_ne!(bed.agents[1].id(), id);
    bed.agents[1].begin();
    bed.connected(2);
}
