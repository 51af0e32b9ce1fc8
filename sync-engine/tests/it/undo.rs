//! What was written is taken back.

use scim_sync::Anchor;
use scim_sync::guard::{Allowance, Baseline, Guard};
use scim_sync::plan::PlanOptions;
use scim_sync::stop::Stop;
use scim_sync::undo::{Undo, UndoLines, UndoReport, UndoSink};

use crate::world::{World, name, text};

/// Takes everything back that was written since the world's undo lines were begun.
fn take_back(world: &mut World) -> UndoReport {
    let mut lines = UndoLines(Vec::new());
    for entry in std::mem::take(&mut world.undo) {
        lines.record(&entry).unwrap();
    }
    let undo = Undo::read(lines.0.as_slice()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stop = Stop::new();
    let applied = undo.apply(&mut world.store, &world.target, world.now, &stop);
    runtime.block_on(applied).unwrap()
}

fn members(world: &World, group: &str) -> Vec<String> {
    let resources = world.resources();
    let (_, group) = world.find(group).unwrap();
    let members = group.references.get(&name("members")).into_iter().flatten();
    let mut names: Vec<String> =
        members.map(|anchor| text(&resources[anchor].attributes, "userName")).collect();
    names.sort();
    names
}

#[test]
fn values_memberships_switches_and_deleted_objects_come_back() {
    let mut world = World::new();
    let ada = world.user("ada");
    let bob = world.user("bob");
    let eve = world.user("eve");
    let staff = world.group("Staff", &[&ada, &bob, &eve]);
    let gone = world.group("Gone", &[&ada, &bob]);
    world.cycle();
    let before = world.resources();
    world.undo.clear();

    world.set(&ada, "displayName", "Ada Lovelace");
    world.set(&ada, "title", "Countess");
    world.change(&eve, |entry| entry.in_scope = false);
    world.delete(&bob);
    world.delete(&gone);
    world.change(&staff, |entry| {
        entry.references.entry(name("member")).or_default().remove(&ada);
    });
    world.user("grace");
    assert!(world.cycle().writes() >= 6);
    assert_eq!(members(&world, "Staff"), ["eve"]);

    let report = take_back(&mut world);
    assert_eq!((&report.failed, &report.skipped), (&vec![], &vec![]));
    assert_eq!(report.renamed.len(), 2);
    assert_eq!(members(&world, "Staff"), ["ada", "bob", "eve"]);
    assert_eq!(members(&world, "Gone"), ["ada", "bob"]);
    assert!(world.find("grace").is_none());
    let attributes =
        |resources: &std::collections::BTreeMap<Anchor, crate::simulated::Resource>| {
            let mut all: Vec<String> =
                resources.values().map(|resource| format!("{:?}", resource.attributes)).collect();
            all.sort();
            all
        };
    assert_eq!(attributes(&world.resources()), attributes(&before));

    // The directory still says what it said: the next cycles do it again, each object once.
    world.now += chrono::TimeDelta::hours(25);
    world.cycle();
    world.now += chrono::TimeDelta::hours(25);
    world.cycle();
    let left: Vec<String> =
        world.differences().into_iter().filter(|text| !text.ends_with("gone and there")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_somebody_changed_since_is_left_as_it_is() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.cycle();
    world.set(&ada, "displayName", "First");
    world.cycle();
    let first = std::mem::take(&mut world.undo);
    world.set(&ada, "displayName", "Second");
    world.cycle();
    world.undo = first.into_iter().skip(1).collect();
    let report = take_back(&mut world);
    assert_eq!(report.done, 0);
    assert_eq!(report.skipped.len(), 1, "{report:?}");
    let (_, resource) = world.find("ada").unwrap();
    assert_eq!(text(&resource.attributes, "displayName"), "Second");
}

#[test]
fn an_undo_is_planned_and_passes_the_guard() {
    let mut world = World::new();
    for number in 0..8 {
        world.user(&format!("user{number}"));
    }
    world.cycle();
    let undo = Undo::of(std::mem::take(&mut world.undo));
    let options = PlanOptions::new(world.now);
    let plan = undo.plan(&world.store, &"cloud".into(), &options).unwrap();
    insta::assert_snapshot!(plan.to_string());
    let baseline = Baseline { linked: 8, first_run: false };
    let stop = Guard::default().admit(&plan, &baseline, None).unwrap_err();
    let allowed = Allowance::of(&stop.digest);
    Guard::default().admit(&plan, &baseline, Some(&allowed)).unwrap();
}
