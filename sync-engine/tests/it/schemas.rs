//! What the systems say that they have, and targets that do not say it.

use chrono::TimeDelta;
use scim_sync::connector::ValueKind;
use scim_sync::cycle::Outcome;
use scim_sync::run::CycleMode;
use scim_sync::store::Which;
use scim_sync::{Anchor, AttributeValue, SyncStore};

use crate::simulated::{Dice, Faults};
use crate::world::{World, name};

fn silent(world: &World, silent: bool) {
    let faults = Faults { schema_fails: if silent { 100 } else { 0 }, ..Faults::default() };
    *world.target.faults.lock().unwrap() = (faults, Dice::new(1));
}

/// Someone whose directory says `TRUE`, in letters, where the target wants a truth value.
fn in_letters(world: &mut World, account: &str) -> Anchor {
    let user = world.user(account);
    world.set(&user, "enabled", "TRUE");
    user
}

/// What is to be written to `active`.
fn pending(world: &World) -> Vec<AttributeValue> {
    let objects =
        world.store.objects(&"cloud".into(), Which::PendingExport, None, 100).unwrap().into_iter();
    let pending = objects.filter_map(|object| object.pending_export);
    pending.filter_map(|mut it| it.attributes.remove(&name("active"))).flatten().collect()
}

fn active(world: &World, called: &str) -> AttributeValue {
    world.find(called).unwrap().1.attributes.first(&name("active")).unwrap().clone()
}

const YES: AttributeValue = AttributeValue::Boolean(true);

#[test]
fn nothing_is_worked_out_for_a_target_that_has_never_answered() {
    let mut world = World::new();
    in_letters(&mut world, "ada");
    // It was read, so only what it has is not known.
    world.options.export = false;
    world.cycle();
    let mut store = std::mem::take(&mut world.store);
    store.begin().unwrap();
    store.put_fact("schema.cloud", None).unwrap();
    store.commit().unwrap();
    world.store = store;
    world.options.export = true;
    let bob = in_letters(&mut world, "bob");
    silent(&world, true);
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::CouldNotRun, 0));
    assert_eq!(
        report.errors,
        [
            "cloud: 503 at /Schemas",
            "cloud has never said what attributes it has: until then nothing is worked out for cloud"
        ]
    );
    assert_eq!(pending(&world), [YES], "ada alone");
    world.set(&bob, "displayName", "Bob");
    assert_eq!(world.cycle().writes(), 0);
    silent(&world, false);
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!([active(&world, "ada"), active(&world, "bob")], [YES, YES]);
}

#[test]
fn a_first_cycle_without_the_schema_makes_nothing_of_a_wrong_kind() {
    let mut world = World::new();
    in_letters(&mut world, "ada");
    silent(&world, true);
    assert_eq!(world.cycle().writes(), 0);
    assert!(pending(&world).is_empty());
    silent(&world, false);
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(active(&world, "ada"), YES);
}

#[test]
fn a_target_that_does_not_answer_has_what_it_had() {
    let mut world = World::new();
    in_letters(&mut world, "ada");
    world.cycle();
    in_letters(&mut world, "bob");
    silent(&world, true);
    let report = world.cycle();
    assert_eq!(
        (report.errors.as_slice(), report.writes()),
        (&["cloud: 503 at /Schemas".to_owned()][..], 0)
    );
    assert_eq!(pending(&world), [YES]);
    silent(&world, false);
    assert_eq!(world.cycle().writes(), 1);
    assert_eq!(active(&world, "bob"), YES);
}

#[test]
fn what_is_pending_is_worked_out_anew_for_another_schema() {
    let mut world = World::new();
    in_letters(&mut world, "ada");
    world.options.export = false;
    world.target.active = ValueKind::Text;
    world.cycle();
    assert_eq!(pending(&world), [AttributeValue::text("TRUE")]);
    world.target.active = ValueKind::Boolean;
    world.options.export = true;
    world.options.mode = CycleMode::ExportOnly;
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::CouldNotRun, 0));
    assert!(report.errors[0].starts_with("nothing was exported: "), "{:?}", report.errors);
    world.options.mode = CycleMode::Incremental;
    assert_eq!(world.cycle().writes(), 1);
    assert_eq!(active(&world, "ada"), YES);
}

#[test]
fn an_export_alone_knows_what_the_target_has() {
    let mut world = World::new();
    let (ada, bob) = (world.user("ada"), world.user("bob"));
    world.change(&ada, |entry| {
        entry.references.insert(name("manager"), [bob.clone()].into());
    });
    world.cycle();
    world.delete(&bob);
    world.options.export = false;
    world.cycle();
    world.options.export = true;
    world.options.mode = CycleMode::ExportOnly;
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    let (_, ada) = world.find("ada").unwrap();
    assert!(ada.references.get(&name("manager")).is_none_or(|to| to.is_empty()), "{ada:?}");
}

#[test]
fn an_export_alone_needs_rules_that_all_have_passed() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.group("Staff", &[&ada]);
    world.cycle();
    let before = world.resources();
    world.options.export = false;
    let bob = world.user("bob");
    let staff = world.anchors("group")[0].clone();
    world.change(&staff, |entry| {
        entry.references.insert(name("member"), [ada.clone(), bob].into());
    });
    world.cycle();
    // The members come from somewhere else now, which nobody has read.
    let rules = crate::world::RULES.replace("from = \"member\"", "from = \"uniqueMember\"");
    let rules = rules.replace("to = \"member\"", "to = \"uniqueMember\"");
    world.rules = scim_sync::rules::RuleSet::from_toml(&rules).unwrap();
    world.options.export = true;
    world.options.mode = CycleMode::ExportOnly;
    world.now += TimeDelta::hours(1);
    let report = world.cycle();
    assert_eq!(report.outcome(), Outcome::CouldNotRun);
    assert_eq!(world.resources(), before);
}
