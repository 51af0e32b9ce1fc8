//! Plans that are stopped, and how they are let through.

use std::collections::BTreeSet;

use scim_sync::cycle::Outcome;
use scim_sync::guard::{Guard, StopReason};
use scim_sync::observer::Event;
use scim_sync::run::{self, Reset};
use scim_sync::{Anchor, ConnectorId};

use crate::simulated::{Dice, Faults};
use crate::world::{World, name};

fn targets() -> BTreeSet<ConnectorId> {
    BTreeSet::from([ConnectorId::new("cloud")])
}

/// A company of so many, synchronised.
fn company(users: usize) -> (World, Vec<Anchor>) {
    let mut world = World::new();
    world.options.guard = Guard::default();
    let users = (0..users).map(|number| world.user(&format!("user{number:03}"))).collect();
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    (world, users)
}

#[test]
fn a_small_company_may_lose_five_and_not_six() {
    let (mut world, users) = company(20);
    for user in &users[..5] {
        world.delete(user);
    }
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(world.resources().len(), 15);
    for user in &users[5..11] {
        world.delete(user);
    }
    let report = world.cycle();
    assert_eq!(report.outcome(), Outcome::GuardStopped);
    assert_eq!(report.writes(), 0);
    assert_eq!(world.resources().len(), 15);
    let stop = report.targets[0].stop.clone().unwrap();
    assert_eq!(stop.digest, report.targets[0].plan.digest());
    insta::assert_snapshot!(stop.to_string());
}

#[test]
fn disables_and_accounts_that_are_switched_off_count_too() {
    let (mut world, users) = company(100);
    for user in &users[..4] {
        world.delete(user);
    }
    for user in &users[4..8] {
        world.change(user, |entry| entry.in_scope = false);
    }
    for user in &users[8..12] {
        world.set(user, "enabled", false);
    }
    world.user("new");
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    insta::assert_snapshot!(report.targets[0].stop.as_ref().unwrap().to_string());
    let staged = world.events.iter().filter(|event| matches!(event, Event::StepStaged(_)));
    assert_eq!(staged.count(), 8);
}

#[test]
fn a_stopped_plan_is_let_through_once_by_its_digest() {
    let (mut world, users) = company(20);
    for user in &users[..8] {
        world.delete(user);
    }
    let digest = world.cycle().targets[0].plan.digest().to_owned();
    assert_eq!(run::allow(&mut world.store, &targets(), "0123456789abcdef").unwrap(), None);
    assert_eq!(world.cycle().outcome(), Outcome::GuardStopped);
    assert!(run::allow(&mut world.store, &targets(), &digest).unwrap().is_some());
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(world.resources().len(), 12);
    for user in &users[8..16] {
        world.delete(user);
    }
    assert_eq!(world.cycle().outcome(), Outcome::GuardStopped);
}

#[test]
fn one_more_deletion_is_another_plan_and_one_more_user_is_not() {
    let (mut world, users) = company(20);
    for user in &users[..8] {
        world.delete(user);
    }
    let digest = world.cycle().targets[0].plan.digest().to_owned();
    run::allow(&mut world.store, &targets(), &digest[..12]).unwrap().unwrap();
    world.delete(&users[8]);
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    let digest = report.targets[0].plan.digest().to_owned();
    run::allow(&mut world.store, &targets(), &digest).unwrap().unwrap();
    world.user("new");
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(world.resources().len(), 12);
}

#[test]
fn force_deletes_lets_the_last_stop_through() {
    let (mut world, users) = company(20);
    for user in &users[..8] {
        world.delete(user);
    }
    assert_eq!(world.cycle().outcome(), Outcome::GuardStopped);
    world.options.reset = BTreeSet::from([Reset::ForceDeletes]);
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(world.resources().len(), 12);
}

#[test]
fn a_group_that_loses_most_of_its_members_is_stopped() {
    let (mut world, users) = company(120);
    let all: Vec<&Anchor> = users.iter().collect();
    let staff = world.group("Staff", &all);
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    world.change(&staff, |entry| {
        let members = entry.references.entry(name("member")).or_default();
        *members = members.iter().take(40).cloned().collect();
    });
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    insta::assert_snapshot!(report.targets[0].stop.as_ref().unwrap().to_string());
}

#[test]
fn many_groups_that_lose_all_members_are_stopped() {
    let (mut world, users) = company(10);
    let groups: Vec<Anchor> = (0..6)
        .map(|number| world.group(&format!("Group {number}"), &[&users[0], &users[1]]))
        .collect();
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    for group in &groups {
        world.change(group, |entry| entry.references.clear());
    }
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    insta::assert_snapshot!(report.targets[0].stop.as_ref().unwrap().to_string());
}

#[test]
fn a_first_cycle_takes_nothing_away() {
    use scim_sync::SyncStore;
    let (mut world, users) = company(3);
    // As after a cycle that made everything and was broken off before its end.
    world.store.begin().unwrap();
    world.store.put_fact("exported.cloud", None).unwrap();
    world.store.commit().unwrap();
    world.delete(&users[0]);
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    insta::assert_snapshot!(report.targets[0].stop.as_ref().unwrap().to_string());
}

#[test]
fn a_first_cycle_takes_no_members_away_and_switches_nobody_off() {
    let mut world = World::new();
    let ada = world.user("ada");
    let bob = world.user("bob");
    let staff = world.group("Staff", &[&ada, &bob]);
    world.cycle();
    // The same company, with a state that knows nothing and a group that somebody looked after by hand.
    world.options.guard = Guard::default();
    world.store = scim_sync::MemoryStore::new();
    world.change(&staff, |entry| {
        entry.references.entry(name("member")).or_default().remove(&bob);
    });
    world.set(&ada, "enabled", false);
    let before = world.resources();
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    assert_eq!(world.resources(), before);
    insta::assert_snapshot!(report.targets[0].stop.as_ref().unwrap().to_string());
}

#[test]
fn a_share_is_one_of_the_objects_that_the_target_has() {
    let (mut world, users) = company(20);
    let refused = Faults { refused: 100, ..Faults::default() };
    *world.target.faults.lock().unwrap() = (refused, Dice::new(1));
    for number in 0..100 {
        world.user(&format!("refused{number:03}"));
    }
    assert_eq!(world.cycle().escrowed, 100);
    *world.target.faults.lock().unwrap() = (Faults::default(), Dice::new(1));
    // A tenth of 120 would let ten go.
    for user in &users[..10] {
        world.delete(user);
    }
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::GuardStopped, 0));
    let stop = report.targets[0].stop.as_ref().unwrap();
    assert!(matches!(stop.reasons[..], [StopReason::Deletes { linked: 20, .. }]), "{stop}");
}

/// What others did in the target is known when it is read, and may be known in the middle of an export: nobody has seen a
/// plan that takes it away.
#[test]
fn members_that_nobody_knew_of_are_not_taken_away_before_a_plan_says_so() {
    for values_too in [false, true] {
        let (mut world, users) = company(120);
        let staff = world.group("Staff", &users[..40].iter().collect::<Vec<_>>());
        assert_eq!(world.cycle().outcome(), Outcome::Done);
        let (group, _) = world.find("Staff").unwrap();
        let accounts = users[40..115].iter().map(|user| world.account(user));
        *world.target.joined.lock().unwrap() = Some((group.clone(), accounts.collect()));
        world.change(&staff, |entry| {
            entry.references.entry(name("member")).or_default().insert(users[119].clone());
        });
        if values_too {
            world.set(&staff, "cn", "All staff");
        }
        let members = |world: &World| world.resources()[&group].references[&name("members")].len();
        world.cycle();
        assert!(members(&world) >= 115, "{}", members(&world));
        let report = world.cycle();
        assert_eq!(report.outcome(), Outcome::GuardStopped);
        assert_eq!(report.targets[0].plan.counts().references_removed, 75);
        assert!(members(&world) >= 115, "{}", members(&world));
    }
}
