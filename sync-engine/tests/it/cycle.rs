//! Cycles: what they read, what they tell, how they end.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use scim_sync::cycle::Outcome;
use scim_sync::escrow::QuarantineReason;
use scim_sync::observer::{Event, StepStatus};
use scim_sync::rules::RuleSet;
use scim_sync::run::{self, CycleMode, Reset};
use scim_sync::space::ExportKind;
use scim_sync::{AttributeValue, SyncStore};

use crate::simulated::{Dice, Faults, ReadFault, Resource};
use crate::world::{RULES, World, name, text};

fn always(faults: Faults) -> (Faults, Dice) {
    (faults, Dice::new(1))
}

#[test]
fn the_first_cycle_reads_everything_and_the_next_what_changed() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.user("bob");
    let first = world.cycle();
    let ad = &first.imports[&"ad".into()];
    assert!(ad.full && ad.told == 2, "{ad:?}");
    world.set(&ada, "title", "Countess");
    let second = world.cycle();
    let ad = &second.imports[&"ad".into()];
    assert!(!ad.full && ad.told == 1, "{ad:?}");
    assert!(
        !second.imports.contains_key(&"cloud".into()),
        "a target without changes is read once a day"
    );
    assert_eq!(second.writes(), 1);
    world.now += TimeDelta::hours(25);
    assert!(world.cycle().imports[&"cloud".into()].full);
    world.options.mode = CycleMode::Initial;
    let forced = world.cycle();
    assert!(forced.imports[&"ad".into()].full && forced.imports[&"cloud".into()].full);
    assert_eq!(forced.writes(), 0);
}

#[test]
fn the_log_of_objects_says_what_was_done_and_hides_nothing_but_secrets() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.cycle();
    world.events.clear();
    world.set(&ada, "displayName", "Ada Lovelace");
    let report = world.cycle();
    assert!(matches!(&world.events[0], Event::CycleStarted { run, .. } if *run == report.run));
    let steps: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StepDone(step) => Some(step),
            _ => None,
        })
        .collect();
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((step.action, step.status), (ExportKind::Update, StepStatus::Success));
    assert_eq!(step.source.as_ref(), Some(&ada));
    assert_eq!(step.name, "ada");
    assert_eq!(step.changes.len(), 1);
    assert_eq!(step.changes[0].old, [AttributeValue::text("The ada")]);
    assert_eq!(step.changes[0].new, [AttributeValue::text("Ada Lovelace")]);
}

#[test]
fn the_history_keeps_runs_for_a_week() {
    let mut world = World::new();
    world.user("ada");
    world.cycle();
    world.now += TimeDelta::days(8);
    world.cycle();
    let runs = world.store.runs(10).unwrap();
    assert_eq!(runs.len(), 1);
    let record = &runs[0].1;
    assert_eq!((record.profile.as_str(), record.outcome.as_str()), ("incremental", "done"));
    assert_eq!(record.counts["countExported"], 0);
    assert!(record.ended.is_some());
}

#[test]
fn a_directory_that_cannot_be_read_stops_nothing_but_itself_and_deletes_nothing() {
    for fault in [
        ReadFault::Breaks(0),
        ReadFault::CutOff(1),
        ReadFault::HalfPage(1),
        ReadFault::Empty,
        ReadFault::Credentials,
    ] {
        let mut world = World::new();
        for number in 0..12 {
            world.user(&format!("user{number}"));
        }
        world.cycle();
        let before = world.resources();
        world.options.mode = CycleMode::Initial;
        *world.directory.fault.lock().unwrap() = Some(fault);
        let report = world.cycle();
        assert_eq!(report.outcome(), Outcome::CouldNotRun, "{fault:?}");
        assert_eq!(report.errors.len(), 1, "{fault:?}");
        assert_eq!(world.resources(), before, "{fault:?}");
        let rests = run::quarantine(&world.store).unwrap().quarantine;
        assert_eq!(rests.is_some(), fault == ReadFault::Credentials, "{fault:?}");
        assert_eq!(world.cycle().outcome(), Outcome::Done, "{fault:?}");
        assert!(run::quarantine(&world.store).unwrap().quarantine.is_none());
    }
}

#[test]
fn a_busy_target_ends_the_export_and_the_next_cycle_goes_on() {
    let mut world = World::new();
    world.user("ada");
    *world.target.faults.lock().unwrap() = always(Faults { busy: 100, ..Faults::default() });
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::SomeFailed, 0));
    *world.target.faults.lock().unwrap() = always(Faults::default());
    assert_eq!(world.cycle().writes(), 1);
}

#[test]
fn references_to_what_is_there_go_with_a_new_object() {
    let mut world = World::new();
    world.options.reference_batch = 2;
    let ada = world.user("ada");
    let bob = world.user("bob");
    world.cycle();
    let eve = world.user("eve");
    world.change(&eve, |entry| {
        entry.references.insert(name("manager"), [ada.clone()].into());
    });
    world.group("two", &[&ada, &bob]);
    // Eve is made first, and yet the group has more than fits.
    world.group("three", &[&ada, &bob, &eve]);
    let report = world.cycle();
    assert_eq!(world.differences(), Vec::<String>::new());
    let export = report.targets[0].export.as_ref().unwrap();
    assert_eq!((export.created, export.references), (3, 1), "{export:?}");
    assert_eq!(world.cycle().writes(), 0);
}

#[test]
fn a_dead_reference_does_not_keep_an_object_from_being_made() {
    let mut world = World::new();
    let ada = world.user("ada");
    let bob = world.user("bob");
    world.cycle();
    let (hers, _) = world.find("ada").unwrap();
    world.target.state.lock().unwrap().resources.remove(&hers);
    world.group("both", &[&ada, &bob]);
    world.cycle();
    let group = |resource: &Resource| resource.object_type.as_str() == "Group";
    assert!(world.resources().values().any(group), "the group waits for a member that is gone");
    // The next whole read shows that she is gone; she is made again, and is a member.
    world.options.mode = CycleMode::Initial;
    world.cycle();
    world.options.mode = CycleMode::Incremental;
    world.cycle();
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn what_the_target_refuses_waits_in_escrow_and_the_others_go_on() {
    let mut world = World::new();
    world.user("ada");
    *world.target.faults.lock().unwrap() = always(Faults { refused: 100, ..Faults::default() });
    assert_eq!(world.cycle().escrowed, 1);
    *world.target.faults.lock().unwrap() = always(Faults::default());
    world.user("bob");
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::SomeFailed, 1));
    assert_eq!(report.targets[0].plan.counts().waiting, 1);
    world.now += TimeDelta::hours(6);
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::Done, 1));
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn what_was_refused_is_tried_at_once_when_it_is_mended_in_the_source() {
    let mut world = World::new();
    let ada = world.user("ada");
    *world.target.faults.lock().unwrap() = always(Faults { refused: 100, ..Faults::default() });
    assert_eq!(world.cycle().escrowed, 1);
    *world.target.faults.lock().unwrap() = always(Faults::default());
    assert_eq!(world.cycle().writes(), 0);
    world.set(&ada, "displayName", "Ada");
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::Done, 1));
}

#[test]
fn an_answer_that_was_lost_makes_no_second_object() {
    let mut world = World::new();
    world.user("ada");
    *world.target.faults.lock().unwrap() =
        always(Faults { lost_after: 100, find_fails: 100, ..Faults::default() });
    world.cycle();
    *world.target.faults.lock().unwrap() = always(Faults::default());
    let report = world.cycle();
    assert_eq!(report.writes(), 0, "{report:?}");
    assert_eq!(world.resources().len(), 1);
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn an_object_that_somebody_made_by_hand_is_joined_and_not_made_again() {
    let mut world = World::new();
    world.user("ada");
    world.cycle();
    // The same resource, without what was matched by.
    for resource in world.target.state.lock().unwrap().resources.values_mut() {
        resource.attributes.remove(&name("externalId"));
        resource.attributes.set(name("displayName"), vec!["By hand".into()]);
    }
    world.store = Default::default();
    let report = world.cycle();
    assert_eq!(report.targets[0].plan.counts().create, 0);
    assert_eq!(world.resources().len(), 1);
    let (_, resource) = world.find("ada").unwrap();
    assert_eq!(text(&resource.attributes, "displayName"), "The ada");
}

#[test]
fn staging_mode_plans_and_writes_nothing() {
    let mut world = World::new();
    world.user("ada");
    world.options.export = false;
    let report = world.cycle();
    assert_eq!(report.targets[0].plan.counts().create, 1);
    assert!(report.targets[0].export.is_none());
    assert!(world.resources().is_empty());
    world.options.mode = CycleMode::ExportOnly;
    world.options.export = true;
    let report = world.cycle();
    assert!(report.imports.is_empty() && report.sync.is_none());
    assert_eq!(report.writes(), 1);
}

#[test]
fn whoever_is_asked_to_stop_stops_before_the_next_batch() {
    let mut world = World::new();
    for number in 0..20 {
        world.user(&format!("user{number}"));
    }
    world.stop.stop();
    let report = world.cycle();
    assert!(report.stopped && report.writes() == 0, "{report:?}");
    assert_eq!(report.outcome(), Outcome::Stopped);
    world.stop = Default::default();
    assert_eq!(world.cycle().writes(), 20);
}

#[test]
fn resets_forget_what_they_say_and_nothing_else() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.group("Staff", &[&ada]);
    world.cycle();
    let before = world.resources();
    for (reset, full) in [
        (Reset::Watermark, true),
        (Reset::ConnectorDataStore, true),
        (Reset::Full, true),
        (Reset::Escrows, false),
    ] {
        world.options.reset = BTreeSet::from([reset]);
        let report = world.cycle();
        assert_eq!(report.imports[&"ad".into()].full, full, "{reset}");
        assert_eq!(report.writes(), 0, "{reset}");
        assert_eq!(world.resources(), before, "{reset}");
    }
}

#[test]
fn an_object_that_fell_out_of_scope_is_switched_off_and_on_again_with_its_groups() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.group("Staff", &[&ada]);
    world.cycle();
    world.change(&ada, |entry| entry.in_scope = false);
    let report = world.cycle();
    assert_eq!(report.targets[0].plan.counts().left_scope, 1);
    let (anchor, resource) = world.find("ada").unwrap();
    assert_eq!(resource.attributes.first(&name("active")), Some(&AttributeValue::Boolean(false)));
    world.change(&ada, |entry| entry.in_scope = true);
    world.cycle();
    let (again, _) = world.find("ada").unwrap();
    assert_eq!(again, anchor);
    assert_eq!(world.differences(), Vec::<String>::new());
    world.change(&ada, |entry| entry.in_scope = false);
    world.cycle();
    world.delete(&ada);
    world.cycle();
    assert!(world.find("ada").is_none());
}

#[test]
fn a_manager_who_is_deleted_is_taken_away_from_those_who_were_led() {
    let mut world = World::new();
    let (ada, bob) = (world.user("ada"), world.user("bob"));
    world.change(&ada, |entry| {
        entry.references.insert(name("manager"), [bob.clone()].into());
    });
    world.cycle();
    let manager = |world: &World| {
        let (_, ada) = world.find("ada").unwrap();
        ada.references.get(&name("manager")).map_or(0, BTreeSet::len)
    };
    assert_eq!(manager(&world), 1);
    world.delete(&bob);
    world.cycle();
    assert_eq!(manager(&world), 0, "a target drops members that it removes, and no manager");
}

#[test]
fn a_guard_that_stops_lets_the_job_rest() {
    let mut world = World::new();
    world.options.guard = Default::default();
    let users: Vec<_> = (0..12).map(|number| world.user(&format!("user{number}"))).collect();
    world.cycle();
    for user in &users[..6] {
        world.delete(user);
    }
    assert_eq!(world.cycle().outcome(), Outcome::GuardStopped);
    let rests = run::quarantine(&world.store).unwrap().quarantine.unwrap();
    assert_eq!(rests.reason, QuarantineReason::DeleteThresholdExceeded);
}

#[test]
fn what_the_target_did_and_did_not_answer_is_not_done_twice() {
    let mut world = World::new();
    world.options.export_batch = 10;
    world.user("ada");
    world.cycle();
    for number in 0..6 {
        world.group(&format!("Group {number}"), &[]);
    }
    *world.target.faults.lock().unwrap() = always(Faults { silent: 100, ..Faults::default() });
    let report = world.cycle();
    assert_eq!(report.targets[0].export.as_ref().unwrap().created, 3);
    assert_eq!(world.resources().len(), 7);
    *world.target.faults.lock().unwrap() = always(Faults::default());
    world.cycle();
    assert_eq!(world.differences(), Vec::<String>::new());
    assert_eq!(world.resources().len(), 7);
}

/// A target that makes something else of a value is not told for ever, and not every few hours for ever.
#[test]
fn what_is_written_in_vain_follows_the_schedule_for_what_failed() {
    for tells in [true, false] {
        let mut world = World::new();
        world.target.tells = tells;
        world.target.shouts = true;
        world.options.read_targets_every = TimeDelta::zero();
        world.user("ada");
        let mut written = Vec::new();
        for hour in 0..80 {
            if world.cycle().writes() > 0 {
                written.push(hour);
            }
            world.now += TimeDelta::minutes(50);
        }
        // The answer to the third write shows that it was in vain; without answers the next read does.
        let from = if tells { 2 } else { 3 };
        let mut expected = vec![0, 1, 2];
        expected.extend([6, 12, 24, 48, 72].map(|later| from + later));
        assert_eq!(written, expected, "tells: {tells}");
        let escrows = world.store.escrows(None, None, 9).unwrap();
        assert_eq!(escrows.len(), 1, "{escrows:?}");
        // The rule gives in: nothing is asked for any more, and nobody has to look.
        world.target.shouts = false;
        world.now += TimeDelta::days(1);
        world.cycle();
        world.cycle();
        assert_eq!(world.differences(), Vec::<String>::new());
        assert_eq!(world.store.escrows(None, None, 9).unwrap(), []);
    }
}

/// Whatever the state says: two of one group are worse than none, and somebody can look.
#[test]
fn what_may_have_been_made_is_not_made_again_where_the_target_cannot_be_asked() {
    let mut world = World::new();
    world.user("ada");
    world.cycle();
    world.target.finds = false;
    world.target.watermarks = true;
    world.group("Staff", &[]);
    *world.target.faults.lock().unwrap() = always(Faults { lost_after: 100, ..Faults::default() });
    world.cycle();
    *world.target.faults.lock().unwrap() = always(Faults::default());
    for _ in 0..3 {
        world.cycle();
        world.now += TimeDelta::hours(30);
    }
    assert_eq!(world.resources().len(), 2);
    let escrows = world.store.escrows(None, None, 9).unwrap();
    assert!(escrows[0].1.message.contains("look there"), "{escrows:?}");
    world.target.finds = true;
    world.cycle();
    world.cycle();
    assert_eq!(world.resources().len(), 2);
    assert_eq!(world.differences(), Vec::<String>::new());
    assert_eq!(world.store.escrows(None, None, 9).unwrap(), []);
}

#[test]
fn what_is_gone_from_a_target_that_tells_changes_only_is_noticed_within_a_day() {
    let mut world = World::new();
    world.target.watermarks = true;
    world.user("ada");
    world.user("bob");
    world.cycle();
    let (anchor, _) = world.find("ada").unwrap();
    world.target.state.lock().unwrap().resources.remove(&anchor);
    assert_eq!(world.cycle().writes(), 0);
    world.now += TimeDelta::days(1);
    world.cycle();
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn what_was_given_once_is_there_still_when_somebody_comes_back_into_the_scope() {
    let mut world = World::new();
    let once = RULES.replacen("to = \"title\"\n", "to = \"title\"\napply = \"on-create\"\n", 1);
    world.rules = RuleSet::from_toml(&once).unwrap();
    let ada = world.user("ada");
    world.set(&ada, "title", "Countess");
    world.cycle();
    world.set(&ada, "title", "Programmer");
    world.change(&ada, |entry| entry.in_scope = false);
    world.cycle();
    world.change(&ada, |entry| entry.in_scope = true);
    world.cycle();
    let (_, account) = world.find("ada").unwrap();
    assert_eq!(text(&account.attributes, "title"), "Countess");
    assert_eq!(account.attributes.first(&name("active")), Some(&true.into()));
}

/// A type that no rule is about any more is not a type of which everything was deleted.
#[test]
fn rules_that_are_switched_off_release_as_a_scope_does() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.group("Staff", &[&ada]);
    world.cycle();
    let off = RULES.replacen("name = \"In user\"", "name = \"In user\"\nenabled = false", 1);
    world.rules = RuleSet::from_toml(&off).unwrap();
    world.cycle();
    world.cycle();
    let (_, account) = world.find("ada").expect("it was deleted");
    assert_eq!(account.attributes.first(&name("active")), Some(&false.into()));
    world.rules = RuleSet::from_toml(RULES).unwrap();
    world.cycle();
    world.cycle();
    assert_eq!(world.differences(), Vec::<String>::new());
}
