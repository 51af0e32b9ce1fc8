//! What breaks: agents, links, the service itself.

use serde_json::json;
use testkit::poll;

use crate::bed::{Bed, PATIENCE, now};

/// So much of an answer passes before a wire holds; the rest is more than the window of the link.
pub(crate) const PART: u64 = 100_000;

impl Bed {
    /// Has everything read anew, and waits until the read is held up on one of the wires; gives which.
    #[track_caller]
    fn read_half(&self) -> usize {
        for wire in &self.wires {
            wire.hold_after(PART);
        }
        self.read_anew();
        poll::until(PATIENCE, || {
            self.wires.iter().position(|wire| wire.is_held()).ok_or_else(|| self.tail())
        })
    }

    fn heal(&self) {
        for wire in &self.wires {
            wire.heal();
        }
    }
}

pub(crate) fn agent_killed(bed: &mut Bed) {
    bed.by_hand();
    bed.cycle("Succeeded");
    let _ = bed.writes();
    bed.samba.set(&bed.samba.dn_of("u000040"), "displayName", Some("Changed before the read"));
    bed.samba.delete(&bed.samba.dn_of("u000041"));
    let since = now();
    let victim = bed.read_half();
    bed.agents[victim].kill();
    bed.heal();
    let served = |name: &str| bed.told_agents()[name]["requestsServed"].as_u64().unwrap();
    let other = bed.agents[1 - victim].name().to_owned();
    let before = served(&other);
    let failed = bed.cycle_since(since, "Failed");
    let why = failed["error"]["message"].as_str().unwrap();
    assert!(why.contains("agent"), "it says what was lost: {failed}");
    assert!(bed.writes().0.is_empty(), "nothing is concluded from half a read");
    // The other agent takes the next one, which is of everything.
    let whole = bed.cycle("Succeeded");
    assert!(whole["countImported"].as_u64().unwrap() > 500, "{whole}");
    bed.equal();
    assert!(served(&other) > before);
    let [made, changed, gone] = bed.writes().counts();
    assert_eq!((made, gone), (0, 1), "nothing twice");
    // The name, and the groups whose member is gone where the target is told of that.
    assert!(changed >= 1, "{changed} changes");
    assert!(bed.followed().0.is_empty());
    bed.agents[victim].begin();
    bed.connected(2);
}

pub(crate) fn link_held(bed: &mut Bed) {
    bed.samba.set(&bed.samba.dn_of("u000050"), "displayName", Some("Changed while it is slow"));
    let links = |bed: &Bed| -> usize {
        bed.agents.iter().map(|agent| agent.log().matches("linked to").count()).sum()
    };
    let linked = links(bed);
    let since = now();
    let _ = bed.read_half();
    // The service waits: nothing has failed, and nothing is concluded.
    let began = bed.look()["status"]["lastExecution"]["timeBegan"].clone();
    let began: chrono::DateTime<chrono::Utc> = began.as_str().unwrap().parse().unwrap();
    assert!(began < since && bed.writes().0.is_empty());
    bed.heal();
    let cycle = bed.cycle_since(since, "Succeeded");
    assert!(cycle["countImported"].as_u64().unwrap() > 500, "all of it was read: {cycle}");
    bed.equal();
    assert_eq!(links(bed), linked, "the links have held");
    let _ = bed.writes();
}

pub(crate) fn link_cut(bed: &mut Bed) {
    let since = now();
    let _ = bed.read_half();
    for wire in &bed.wires {
        wire.cut();
    }
    bed.connected(0);
    bed.samba.set(&bed.samba.dn_of("u000051"), "displayName", Some("Changed while it is cut"));
    let failed = bed.cycle_since(since, "Failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("agent"), "{failed}");
    // Later ones find nobody at all, and say so.
    let nobody = bed.cycle("Failed");
    assert!(nobody["error"]["message"].as_str().unwrap().contains("no agent"), "{nobody}");
    assert_ne!(bed.look()["status"]["code"], "Quarantine", "a link that is cut is no quarantine");
    for agent in &mut bed.agents {
        agent.process().says("connecting again", PATIENCE);
        agent.process().says("trying again until it answers", PATIENCE);
    }
    assert!(bed.writes().0.is_empty());
    bed.heal();
    bed.connected(2);
    let _ = bed.cycle("Succeeded");
    bed.equal();
    assert_eq!(bed.writes().counts(), [0, 1, 0]);
    for agent in &mut bed.agents {
        agent.process().says("is there again, after", PATIENCE);
    }
}

pub(crate) fn service_killed(bed: &mut Bed) {
    const CHANGES: usize = 40;
    bed.by_hand();
    bed.cycle("Succeeded");
    let changes: String = (100..100 + CHANGES)
        .map(|number| {
            let dn = testkit::ldif_line("dn", &bed.samba.dn_of(&format!("u{number:06}")));
            format!("{dn}changetype: modify\nreplace: title\ntitle: Survivor {number}\n\n")
        })
        .collect();
    bed.samba.modify(&changes);
    bed.person("CN=Born In The Middle", "middle", "");
    bed.samba.delete(&bed.samba.dn_of("u000061"));
    let gate = bed.proxy.gate(20);
    bed.by_schedule();
    poll::until(PATIENCE, || gate.reached().then_some(()).ok_or("nobody came to the gate"));
    bed.service.kill();
    gate.open();
    let mut before = bed.writes();
    assert!(before.0.len() >= 20, "{}", before.0.len());
    // A change while nobody runs.
    bed.samba.set(&bed.samba.dn_of("u000062"), "displayName", Some("Changed while it is down"));
    let since = now();
    bed.service.begin();
    bed.connected(2);
    let resumed = bed.cycle_since(since, "Succeeded");
    let read = resumed["countImported"].as_u64().unwrap();
    assert!(read < 100, "it reads on from where it was: {resumed}");
    let _ = bed.cycle("Succeeded");
    bed.equal();
    before.0.extend(bed.writes().0);
    let (twice, all) = (before.repeated(), before.0.len());
    assert!(twice <= 16 && all >= CHANGES + 3 + twice, "{twice} of {all} came twice");
    assert!(bed.logged("middle", "create", "success") <= 1);
    assert_eq!(bed.look()["status"]["code"], json!("Active"));
}
