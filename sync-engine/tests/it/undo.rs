//! What was written is taken back.

use std::collections::BTreeMap;
use std::io;

use scim_sync::export::ExportEnd;
use scim_sync::guard::{Allowance, Baseline, Guard};
use scim_sync::plan::PlanOptions;
use scim_sync::rules::RuleSet;
use scim_sync::stop::Stop;
use scim_sync::undo::{
    Undo, UndoEntry, UndoError, UndoLines, UndoMark, UndoOptions, UndoProgress, UndoReport,
    UndoSink, Undoing,
};
use scim_sync::{Anchor, SyncStore};

use crate::crashing::Crashing;
use crate::simulated::{Resource, Written};
use crate::world::{RULES, World, name, text};

/// Takes everything back that was written since the world's undo lines were begun.
fn take_back(world: &mut World) -> UndoReport {
    take_back_with(world, false)
}

fn take_back_with(world: &mut World, force: bool) -> UndoReport {
    let mut lines = UndoLines(Vec::new());
    for entry in std::mem::take(&mut world.undo) {
        lines.record(&entry).unwrap();
    }
    let undo = Undo::read(lines.0.as_slice()).unwrap();
    let mut store = std::mem::take(&mut world.store);
    let report = apply(world, &mut store, &undo, &mut Vec::new(), force);
    world.store = store;
    report.unwrap()
}

fn apply(
    world: &World,
    store: &mut dyn SyncStore,
    undo: &Undo,
    progress: &mut dyn UndoProgress,
    force: bool,
) -> Result<UndoReport, UndoError> {
    let options = UndoOptions { force, ..UndoOptions::new(&world.rules, &"cloud".into()) };
    let with = Undoing {
        store,
        connector: &world.target,
        options: &options,
        now: world.now,
        stop: &Stop::new(),
        progress,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(undo.apply(with))
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
    let attributes = |resources: &BTreeMap<Anchor, Resource>| {
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

#[test]
fn what_was_made_and_changed_by_somebody_since_is_not_removed() {
    let made = || {
        let mut world = World::new();
        world.user("ada");
        world.user("bob");
        let staff = world.group("Staff", &[]);
        world.cycle();
        let entries = std::mem::take(&mut world.undo);
        world.user("eve");
        world.change(&staff, |_| {});
        world.cycle();
        world.undo = entries;
        let (eve, _) = world.find("eve").unwrap();
        let (ada, _) = world.find("ada").unwrap();
        let (staff, _) = world.find("Staff").unwrap();
        let mut state = world.target.state.lock().unwrap();
        let resource = state.resources.get_mut(&ada).unwrap();
        resource.attributes.set(name("title"), vec!["Countess".into()]);
        resource.attributes.set(name("displayName"), vec!["Lady Lovelace".into()]);
        let resource = state.resources.get_mut(&staff).unwrap();
        resource.references.entry(name("members")).or_default().insert(eve);
        drop(state);
        world
    };
    let mut world = made();
    let report = take_back(&mut world);
    assert_eq!(report.done, 1, "bob: {report:?}");
    assert_eq!(
        report.skipped,
        [
            "Group Staff: somebody changed it since it was made (members), and so it is not removed",
            "User ada: somebody changed it since it was made (displayName), and so it is not removed",
        ]
    );
    assert!(world.find("ada").is_some() && world.find("Staff").is_some());
    assert!(world.find("bob").is_none());
    let mut world = made();
    let report = take_back_with(&mut world, true);
    assert_eq!((report.done, report.skipped.len()), (3, 0), "{report:?}");
    assert_eq!(world.resources().len(), 1, "eve was made by another cycle");
}

#[test]
fn a_target_that_keeps_something_else_does_not_look_like_somebody() {
    let mut world = World::new();
    world.target.shouts = true;
    world.user("ada");
    world.cycle();
    let report = take_back(&mut world);
    assert_eq!((report.done, report.skipped.len()), (1, 0), "{report:?}");
    assert!(world.resources().is_empty());
}

/// A cycle with everything that there is to take back: values, references, and objects made, switched off and removed.
fn written() -> World {
    let mut world = World::new();
    let ada = world.user("ada");
    let bob = world.user("bob");
    let eve = world.user("eve");
    let staff = world.group("Staff", &[&ada, &bob, &eve]);
    let gone = world.group("Gone", &[&ada, &bob]);
    world.change(&eve, |entry| {
        entry.references.insert(name("manager"), [bob.clone()].into());
    });
    world.cycle();
    world.undo.clear();
    world.set(&ada, "displayName", "Ada Lovelace");
    world.set(&ada, "title", "Countess");
    world.delete(&bob);
    world.delete(&gone);
    world.change(&eve, |entry| entry.in_scope = false);
    let grace = world.user("grace");
    world.change(&staff, |entry| {
        let members = entry.references.entry(name("member")).or_default();
        members.remove(&ada);
        members.insert(grace);
    });
    assert!(world.cycle().writes() >= 6);
    world
}

/// What the target holds, whatever the identifiers are, and how often something was made in it.
fn picture(world: &World) -> (Vec<String>, usize) {
    let state = world.target.state.lock().unwrap();
    let called = |anchor: &Anchor| {
        let external =
            state.resources.get(anchor).map(|other| text(&other.attributes, "externalId"));
        external.unwrap_or_else(|| "nobody".to_owned())
    };
    let mut all: Vec<String> = Vec::new();
    for resource in state.resources.values() {
        let mut references: Vec<String> = Vec::new();
        for (attribute, to) in &resource.references {
            references.extend(to.iter().map(|to| format!("{attribute}->{}", called(to))));
        }
        references.sort();
        all.push(format!("{:?} {references:?}", resource.attributes));
    }
    all.sort();
    let made = |written: &&Written| matches!(written, Written::Create(_));
    (all, state.written.iter().filter(made).count())
}

/// Marks until the program dies.
struct Dying {
    marks: Vec<UndoMark>,
    left: u64,
}

impl UndoProgress for Dying {
    fn mark(&mut self, mark: &UndoMark) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(io::Error::other("the program died"));
        };
        self.left = left;
        self.marks.mark(mark)
    }
}

/// How an undo is broken off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Before the commit with this number.
    Commit(u64),
    /// Before the mark with this number.
    Mark(u64),
    /// The target is gone before the call with this number.
    Call(u64),
    /// The answer to the write with this number is lost.
    Answer(u64),
}

/// Takes back, is broken off, and takes back again; whether it was broken off.
fn broken_off(cut: Cut, keeps_marks: bool) -> (World, bool) {
    let mut world = written();
    let entries: Vec<UndoEntry> = std::mem::take(&mut world.undo);
    let undo = Undo::of(entries.clone());
    let (commits, marks) = match cut {
        Cut::Commit(n) => (n, u64::MAX),
        Cut::Mark(n) => (u64::MAX, n),
        Cut::Call(n) => {
            *world.target.gone_after.lock().unwrap() = Some(n);
            (u64::MAX, u64::MAX)
        }
        Cut::Answer(n) => {
            *world.target.loses.lock().unwrap() = Some(n);
            (u64::MAX, u64::MAX)
        }
    };
    let mut store = Crashing::new(std::mem::take(&mut world.store), commits);
    let mut progress = Dying { marks: Vec::new(), left: marks };
    let first = apply(&world, &mut store, &undo, &mut progress, false);
    let was_cut = match (&first, cut) {
        (Err(UndoError::Store(_) | UndoError::Staging(_)), Cut::Commit(_))
        | (Err(UndoError::Progress(_)), Cut::Mark(_)) => true,
        (Ok(report), Cut::Call(_)) => {
            assert!(matches!(report.ended, None | Some(ExportEnd::Broken(_))), "{report:?}");
            report.ended.is_some()
        }
        (Ok(report), Cut::Answer(_)) => {
            assert_eq!((&report.failed, &report.ended), (&vec![], &None), "{cut:?}");
            world.target.loses.lock().unwrap().is_none()
        }
        (Ok(report), _) => {
            assert_eq!(report.ended, None);
            false
        }
        (Err(error), _) => panic!("{cut:?}: {error}"),
    };
    *world.target.gone_after.lock().unwrap() = None;
    *world.target.loses.lock().unwrap() = None;
    let (store, _) = store.after();
    world.store = store;
    let before = if keeps_marks { progress.marks } else { Vec::new() };
    let undo = Undo::of(entries).resume(before);
    let mut store = std::mem::take(&mut world.store);
    let report = apply(&world, &mut store, &undo, &mut Vec::new(), false).unwrap();
    world.store = store;
    assert_eq!((&report.failed, &report.ended), (&vec![], &None), "{cut:?}");
    (world, was_cut)
}

#[test]
fn an_undo_that_is_broken_off_anywhere_goes_on_to_the_same_end() {
    let mut whole = written();
    let report = take_back(&mut whole);
    assert_eq!((&report.failed, &report.skipped), (&vec![], &vec![]));
    let expected = picture(&whole);
    type Cuts = fn(u64) -> Cut;
    let cuts: [Cuts; 4] = [Cut::Commit, Cut::Mark, Cut::Call, Cut::Answer];
    for cut in cuts {
        let mut steps = 0;
        loop {
            let (mut world, was_cut) = broken_off(cut(steps), true);
            assert_eq!(picture(&world), expected, "{:?}", cut(steps));
            if !was_cut {
                break;
            }
            steps += 1;
            // The state knows what the target has: the next cycles do it again, each object once.
            for _ in 0..2 {
                world.now += chrono::TimeDelta::hours(25);
                world.cycle();
            }
            let mut left = world.differences();
            left.retain(|text| !text.ends_with("gone and there"));
            assert_eq!(left, Vec::<String>::new(), "{:?}", cut(steps));
        }
        assert!(steps >= 8, "{:?}", cut(steps));
    }
}

/// Who loses the marks too has the matching attributes still.
#[test]
fn without_its_marks_an_undo_makes_nothing_twice() {
    let mut whole = written();
    take_back(&mut whole);
    let (_, made) = picture(&whole);
    for step in 0..40 {
        let (world, _) = broken_off(Cut::Mark(step), false);
        assert_eq!(picture(&world).1, made, "{step}");
        let twins = world.differences().into_iter().filter(|text| text.ends_with("twice"));
        assert_eq!(twins.count(), 0, "{step}");
    }
}

#[test]
fn what_cannot_be_looked_up_is_not_made_a_second_time() {
    let mut world = written();
    let undo = Undo::of(std::mem::take(&mut world.undo));
    let lines = RULES.lines().filter(|line| !line.starts_with("match = "));
    let rules: Vec<&str> = lines.collect();
    world.rules = RuleSet::from_toml(&rules.join("\n")).unwrap();
    let mut store = std::mem::take(&mut world.store);
    let mut progress = Vec::new();
    *world.target.loses.lock().unwrap() = Some(0);
    let report = apply(&world, &mut store, &undo, &mut progress, false).unwrap();
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert!(report.failed[0].contains("may have been made again"), "{report:?}");
    let before = picture(&world).1;
    let undo = undo.resume(progress);
    let report = apply(&world, &mut store, &undo, &mut Vec::new(), false).unwrap();
    assert!(report.failed[0].contains("may have been made again"), "{report:?}");
    assert_eq!(picture(&world).1, before);
}
