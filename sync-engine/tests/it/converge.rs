//! Random directories, edits and faults: the target becomes what the directory says, and nobody loses anything meanwhile.
//!
//! Every run has a seed; `SYNC_SEED=n` runs that one alone, `SYNC_RUNS=n` runs more of them.

use std::ops::Range;

use chrono::TimeDelta;
use scim_sync::sync::Synchronizer;
use scim_sync::verify::verify;
use scim_sync::{MemoryStore, SyncStore};

use crate::crashing::Crashing;
use crate::simulated::{Dice, Faults, ReadFault};
use crate::world::World;

fn seeds(default: u64) -> Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("SYNC_SEED") {
        return seed..seed + 1;
    }
    0..number("SYNC_RUNS").unwrap_or(default)
}

fn world(seed: u64) -> (World, Dice) {
    let mut dice = Dice::new(seed);
    let mut world = World::new();
    world.user("first");
    world.directory.page = 1 + dice.below(6);
    world.directory.sparse = dice.percent(50);
    world.target.tells = dice.percent(60);
    world.target.versions = dice.percent(60);
    world.options.sync_batch = 1 + dice.below(20);
    world.options.export_batch = 1 + dice.below(10);
    world.options.reference_batch = 1 + dice.below(6);
    for _ in 0..dice.below(25) {
        world.edit(&mut dice);
    }
    (world, dice)
}

/// At most two clean cycles, a day apart so that whatever waits is due: then everything is as it should be.
fn settle(world: &mut World, seed: u64) {
    *world.target.faults.lock().unwrap() = (Faults::default(), Dice::new(0));
    *world.directory.fault.lock().unwrap() = None;
    let mut told = Vec::new();
    for _ in 0..2 {
        world.now += TimeDelta::hours(25);
        let report = world.cycle();
        assert!(report.errors.is_empty(), "seed {seed}: {:?}", report.errors);
        let harm = world.harm();
        assert!(harm.is_empty(), "seed {seed}: {harm:?}");
        told.push(report);
    }
    let differences = world.differences();
    let escrows = world.store.escrows(None, None, 100).unwrap();
    assert!(differences.is_empty(), "seed {seed}: {differences:#?}\n{escrows:#?}\n{told:#?}");
}

/// Nothing is left to do, and nothing is done.
fn quiet(world: &mut World, seed: u64) {
    let before = world.resources();
    let report = world.cycle();
    assert_eq!(report.writes(), 0, "seed {seed}: {report:#?}");
    for target in &report.targets {
        assert!(target.plan.is_empty(), "seed {seed}: {}", target.plan);
    }
    assert_eq!(world.resources(), before, "seed {seed}");
    let notes = notes(world);
    assert!(notes.is_empty(), "seed {seed}: {notes:?}");
}

/// What the checker says of the state, its indexes too.
fn notes(world: &World) -> Vec<String> {
    let synchronizer = Synchronizer::new(&world.rules, world.now);
    let notes = verify(&world.store, &["ad".into(), "cloud".into()], Some(&synchronizer)).unwrap();
    notes.iter().map(ToString::to_string).collect()
}

/// Every object is found by the values that it has, whatever became of the writes.
fn indexed(world: &World, seed: u64) {
    let mut notes = notes(world);
    notes.retain(|note| note.contains("indexed"));
    assert!(notes.is_empty(), "seed {seed}: {notes:?}");
}

#[test]
fn without_faults_one_cycle_is_enough_and_the_next_writes_nothing() {
    for seed in seeds(150) {
        let (mut world, mut dice) = world(seed);
        for _ in 0..4 {
            let report = world.cycle();
            let differences = world.differences();
            assert!(differences.is_empty(), "seed {seed}: {differences:#?}\n{report:#?}");
            assert_eq!(world.harm(), Vec::<String>::new(), "seed {seed}");
            quiet(&mut world, seed);
            for _ in 0..dice.below(8) {
                world.edit(&mut dice);
            }
        }
    }
}

#[test]
fn a_state_that_was_thrown_away_is_rebuilt_without_a_write() {
    for seed in seeds(100) {
        let (mut world, mut dice) = world(seed);
        for _ in 0..2 {
            world.cycle();
            world.harm();
            for _ in 0..dice.below(8) {
                world.edit(&mut dice);
            }
        }
        // What is out of scope is nobody's without the state: it is as if somebody else had put it into the target.
        for anchor in world.anchors("user").iter().chain(&world.anchors("group")) {
            world.change(anchor, |entry| entry.in_scope = true);
        }
        settle(&mut world, seed);
        let before = world.resources();
        world.store = MemoryStore::new();
        let report = world.cycle();
        assert_eq!(report.writes(), 0, "seed {seed}: {report:#?}");
        assert_eq!(world.resources(), before, "seed {seed}");
        quiet(&mut world, seed);
    }
}

fn read_fault(dice: &mut Dice) -> Option<ReadFault> {
    let pages = dice.below(4);
    match dice.below(12) {
        0 => Some(ReadFault::Breaks(pages)),
        1 => Some(ReadFault::CutOff(pages)),
        2 => Some(ReadFault::HalfPage(pages)),
        3 => Some(ReadFault::Empty),
        4 => Some(ReadFault::Refused),
        5 => Some(ReadFault::Credentials),
        _ => None,
    }
}

fn faults(dice: &mut Dice) -> Faults {
    let mut share = |bound: usize| if dice.percent(40) { dice.below(bound) as u64 } else { 0 };
    Faults {
        busy: share(15),
        lost_after: share(50),
        lost_before: share(30),
        refused: share(30),
        changed: share(40),
        call_fails: share(15),
        short_answer: share(20),
        silent: share(20),
        read_breaks: share(60),
        find_fails: share(50),
        schema_fails: share(30),
    }
}

#[test]
fn faults_never_take_anything_away_and_two_clean_cycles_mend_everything() {
    for seed in seeds(400) {
        let (mut world, mut dice) = world(seed);
        for _ in 0..1 + dice.below(6) {
            *world.directory.fault.lock().unwrap() = read_fault(&mut dice);
            *world.target.faults.lock().unwrap() = (faults(&mut dice), Dice::new(dice.roll()));
            if dice.percent(20) {
                world.now += TimeDelta::hours(25);
            }
            world.cycle();
            let harm = world.harm();
            assert!(harm.is_empty(), "seed {seed}: {harm:?}");
            no_twins(&world, seed);
            indexed(&world, seed);
            for _ in 0..dice.below(6) {
                world.edit(&mut dice);
            }
        }
        settle(&mut world, seed);
        quiet(&mut world, seed);
    }
}

fn no_twins(world: &World, seed: u64) {
    let twins: Vec<String> =
        world.differences().into_iter().filter(|text| text.ends_with("twice")).collect();
    assert!(twins.is_empty(), "seed {seed}: {twins:?}");
}

#[test]
fn a_program_that_dies_between_any_two_transactions_goes_on_where_it_was() {
    for seed in seeds(300) {
        let (mut world, mut dice) = world(seed);
        for _ in 0..1 + dice.below(5) {
            if dice.percent(30) {
                *world.target.faults.lock().unwrap() = (faults(&mut dice), Dice::new(dice.roll()));
            }
            let commits = dice.below(40) as u64;
            let mut store = Crashing::new(std::mem::take(&mut world.store), commits);
            let ended = world.cycle_on(&mut store);
            let (store, died) = store.after();
            assert_eq!(ended.is_err(), died, "seed {seed}: {:?}", ended.err());
            world.store = store;
            let harm = world.harm();
            assert!(harm.is_empty(), "seed {seed}: {harm:?}");
            no_twins(&world, seed);
            indexed(&world, seed);
            for _ in 0..dice.below(6) {
                world.edit(&mut dice);
            }
        }
        settle(&mut world, seed);
        quiet(&mut world, seed);
    }
}

#[test]
fn what_others_change_in_the_target_is_set_right() {
    for seed in seeds(150) {
        let (mut world, mut dice) = world(seed);
        world.cycle();
        world.harm();
        for _ in 0..3 {
            for _ in 0..1 + dice.below(4) {
                meddle(&mut world, &mut dice);
            }
            for _ in 0..dice.below(3) {
                world.edit(&mut dice);
            }
            settle(&mut world, seed);
            quiet(&mut world, seed);
        }
    }
}

/// Somebody else changes something in the target.
fn meddle(world: &mut World, dice: &mut Dice) {
    let mut state = world.target.state.lock().unwrap();
    let anchors: Vec<_> = state.resources.keys().cloned().collect();
    let Some(anchor) = dice.pick(&anchors).cloned() else { return };
    match dice.below(4) {
        0 if anchors.len() > 1 => {
            state.resources.remove(&anchor);
            for other in state.resources.values_mut() {
                for to in other.references.values_mut() {
                    to.remove(&anchor);
                }
            }
        }
        1 => {
            if let Some(resource) = state.resources.get_mut(&anchor) {
                resource.attributes.set("displayName".into(), vec!["Somebody else".into()]);
            }
        }
        2 => {
            let member = dice.pick(&anchors).cloned().unwrap_or(anchor.clone());
            if let Some(resource) = state.resources.get_mut(&anchor)
                && resource.object_type.as_str() == "Group"
            {
                let members = resource.references.entry("members".into()).or_default();
                if !members.remove(&member) {
                    members.insert(member);
                }
            }
        }
        _ => {
            if let Some(resource) = state.resources.get_mut(&anchor) {
                resource.references.clear();
            }
        }
    }
}

#[test]
fn the_same_state_gives_the_same_plan_whatever_its_rows_are_called() {
    for seed in seeds(100) {
        let plan = |page: usize, sparse: bool| {
            let (mut world, mut dice) = world(seed);
            world.directory.page = page;
            world.directory.sparse = sparse;
            world.options.export = false;
            world.cycle();
            // Rows that are used up before.
            if sparse {
                world.store.begin().unwrap();
                world.store.rollback().unwrap();
            }
            for _ in 0..dice.below(6) {
                world.edit(&mut dice);
            }
            let report = world.cycle();
            report.targets.into_iter().next().unwrap().plan
        };
        assert_eq!(plan(3, false), plan(50, false), "seed {seed}");
        assert_eq!(plan(3, false).digest(), plan(1, true).digest(), "seed {seed}");
    }
}
