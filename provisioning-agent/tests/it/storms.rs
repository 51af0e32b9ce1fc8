//! A target that is busy, broken or silent, and an agent that is killed: nothing is made twice and nothing is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::proxy::{Pass, Seen};
use testkit::{OpenLdap, poll};

use crate::bed::{self, Bed};
use crate::openldap::{bed, expected};

/// Cycles until one is done; fails the test where so many are not enough.
#[track_caller]
fn converges(bed: &Bed, server: &OpenLdap, cycles: usize) {
    let mut last = None;
    for _ in 0..cycles {
        // What is in escrow is due later; a person who has mended the target asks for it now.
        bed.run(&["reset", "--scope", "escrows,quarantine-state"]).expect(0);
        let ran = bed.sync();
        if ran.code == 0 {
            bed.held().expect(&expected(server));
            bed.quiet();
            bed.run(&["verify"]).expect(0);
            return;
        }
        last = Some(ran);
    }
    panic!("not within {cycles} cycles: {}", last.unwrap());
}

/// A random number from a number, the same on every machine.
fn scatter(number: usize) -> usize {
    let mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0)
}

#[test]
fn a_busy_target_gets_everything_once() {
    let server = OpenLdap::start(100, 1000);
    let bed = bed(&server, &bed::config("openldap.toml"));
    // One request in forty is told to come again; the client goes slower after each.
    bed.proxy.decide(|seen| match seen.number % 40 {
        0 => Pass::Answer(429, Some(0)),
        _ => Pass::Through,
    });
    let ran = bed.sync();
    bed.proxy.heal();
    assert!(matches!(ran.code, 0 | 2), "{ran}");
    converges(&bed, &server, 3);
}

#[test]
fn a_broken_target_gets_everything_once() {
    let server = OpenLdap::start(100, 1000);
    let bed = bed(&server, &bed::config("openldap.toml"));
    for round in 0..3 {
        // Requests fail in every way there is, before and after they are carried out.
        bed.proxy.decide(move |seen: &Seen| match scatter(seen.number + 1000 * round) % 8 {
            0 => Pass::Answer(503, None),
            1 => Pass::Answer(500, None),
            2 => Pass::LoseAnswer,
            3 => Pass::Drop,
            _ => Pass::Through,
        });
        let ran = bed.sync();
        assert!(matches!(ran.code, 0..=2), "{ran}");
    }
    bed.proxy.heal();
    converges(&bed, &server, 4);
}

#[test]
fn a_target_that_is_not_there_is_waited_for() {
    let server = OpenLdap::start(40, 1000);
    let bed = bed(&server, &bed::config("openldap.toml"));
    bed.synced();
    let user = format!("uid=u000007,ou=engineering,ou=people,{}", server.base());
    server.modify(&format!("dn: {user}\nchangetype: modify\nreplace: title\ntitle: Dr\n"));
    bed.proxy.decide(|_| Pass::Answer(503, None));
    let ran = bed.sync();
    assert!(matches!(ran.code, 1 | 2), "{ran}");
    bed.proxy.heal();
    converges(&bed, &server, 2);
}

#[test]
fn an_agent_that_is_killed_loses_nothing() {
    let server = OpenLdap::start(100, 1000);
    let bed = bed(&server, &bed::config("openldap.toml"));
    // It dies with one write on its way, before or after the target has carried it out; again and again while the first
    // cycle is under way, and then while changes are.
    for round in 0..6 {
        killed_at(&bed, 1 + scatter(round) % 40, round % 2 == 0);
    }
    converges(&bed, &server, 3);
    for round in 0..6u32 {
        let base = server.base();
        let dn = |number: u32| {
            let unit = ["sales", "engineering", "finance", "hr", "legal", "support"];
            format!("uid=u{number:06},ou={},ou=people,{base}", unit[number as usize % 6])
        };
        server.modify(&format!(
            "dn: {}\nchangetype: delete\n\ndn: {}\nchangetype: modify\nreplace: cn\ncn: Round {round}\n\n\
             dn: uid=new{round},ou=people,{base}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new{round}\ncn: New\nsn: {round}\n\n\
             dn: cn=grp00001,ou=groups,{base}\nchangetype: modify\nadd: member\nmember: uid=new{round},ou=people,{base}\n",
            dn(50 + round),
            dn(60 + round),
        ));
        killed_at(&bed, 1 + scatter(round as usize) % 4, round % 2 == 0);
    }
    converges(&bed, &server, 3);
}

/// Runs a cycle that is killed with its so-manieth write; a cycle with fewer writes comes to its end.
fn killed_at(bed: &Bed, write: usize, carried_out: bool) {
    let _ = bed.proxy.take();
    let child = Arc::new(Mutex::new(None));
    let victim = Arc::clone(&child);
    let mut dead = false;
    bed.proxy.decide(move |seen| {
        if dead {
            return Pass::Drop;
        }
        if seen.write < write {
            return Pass::Through;
        }
        dead = true;
        // The process may have got here before the test has put it down.
        let mut child: std::process::Child = poll::until(Duration::from_secs(10), || {
            victim.lock().unwrap().take().ok_or("not started")
        });
        child.kill().unwrap();
        child.wait().unwrap();
        if carried_out { Pass::LoseAnswer } else { Pass::Drop }
    });
    *child.lock().unwrap() = Some(bed.spawn(&["sync", "--once", "--quiet"]));
    poll::until(Duration::from_secs(60), || {
        let mut child = child.lock().unwrap();
        let runs = child.as_mut().is_some_and(|running| running.try_wait().unwrap().is_none());
        if runs { Err("it runs") } else { Ok(()) }
    });
    bed.proxy.heal();
}

#[test]
fn an_agent_that_is_told_to_stop_stops_and_goes_on_later() {
    let server = OpenLdap::start(100, 1000);
    let bed = bed(&server, &bed::config("openldap.toml"));
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    bed.proxy.decide(move |seen| {
        counted.store(seen.write, Ordering::SeqCst);
        Pass::Through
    });
    let mut child = bed.spawn(&["run"]);
    poll::until(Duration::from_secs(60), || match writes.load(Ordering::SeqCst) {
        0..5 => Err("nothing written"),
        _ => Ok(()),
    });
    let stopped = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    let status =
        poll::until(Duration::from_secs(20), || child.try_wait().unwrap().ok_or("it runs"));
    assert_eq!(status.code(), Some(0));
    bed.proxy.heal();
    converges(&bed, &server, 2);
}
