//! Managed mode as an operator has it: a Samba domain, `scim-server`, the service and two agents as processes of their own,
//! on free ports, through their command lines and nothing else.
//!
//! One test tells the whole story, because a domain takes seconds to make and because that is how it is lived: each chapter
//! begins where the one before it ended, and leaves the two directories equal. A chapter is a function of [`Bed`], or of [`Pair`]
//! for what is shown of two replicas; another one is another line in its list.
//!
//! `cargo xtask test --only live` builds the programs and runs it; it needs root for Samba.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod bed;
mod cycles;
mod enrolment;
mod faults;
mod identity;
mod limits;
mod mail;
mod replicas;

use std::time::Instant;

use bed::Bed;
use replicas::Pair;

/// A part of the story: its name, and what happens.
type Chapter<B> = (&'static str, fn(&mut B));

const CHAPTERS: &[Chapter<Bed>] = &[
    ("codes that are unknown, used or too old", enrolment::bad_codes),
    ("two agents enrol, bootstrap and are linked", enrolment::two_agents),
    ("the initial cycle", cycles::initial),
    ("an incremental cycle after changes of people", cycles::people_change),
    ("an incremental cycle after changes of groups", cycles::groups_change),
    ("an incremental cycle after deletions", cycles::objects_go),
    ("quarantine after bad credentials, and out of it", limits::quarantine),
    ("the threshold of deletions, and its release", limits::threshold),
    ("an agent is killed in the middle of a read", faults::agent_killed),
    ("the link is held up and goes on", faults::link_held),
    ("the link is cut and heals", faults::link_cut),
    ("certificates are renewed while jobs run", identity::renewed),
    ("an agent whose clock is wrong", identity::wrong_clock),
    ("an agent that is revoked", identity::revoked),
    ("mail of everything, also of what had to wait", mail::everything_arrived),
    // After the mail: who was killed keeps the right to send it for two minutes.
    ("the service is killed in the middle of a cycle", faults::service_killed),
];

/// With the same domain, and a target that holds nothing yet.
const OF_REPLICAS: &[Chapter<Pair>] = &[
    ("two replicas, and an agent at each", replicas::an_agent_each),
    ("one of them is killed in the middle of the first cycle", replicas::one_killed),
    ("they share a job, and one reads through the other", replicas::shared),
    ("NATS is killed and comes back", replicas::nats_killed),
];

#[test]
#[ignore = "it needs all programs and root: cargo xtask test --only live"]
fn managed_mode() {
    let began = Instant::now();
    let mut bed = Bed::start();
    told("everything is started", began);
    tell(&mut bed, CHAPTERS);
    let (samba, programs) = bed.end();
    let mut pair = Pair::start(samba, programs);
    tell(&mut pair, OF_REPLICAS);
    pair.end();
    told("all of it", began);
}

fn tell<B>(bed: &mut B, chapters: &[Chapter<B>]) {
    for (number, (name, chapter)) in chapters.iter().enumerate() {
        let began = Instant::now();
        println!("{}/{} {name}", number + 1, chapters.len());
        chapter(bed);
        told(name, began);
    }
}

fn told(what: &str, began: Instant) {
    println!("    {what}: {:.1} s", began.elapsed().as_secs_f64());
}
