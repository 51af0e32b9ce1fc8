//! What is told late, or by somebody else, or not at all.

use chrono::TimeDelta;
use scim_sync::cycle::Outcome;
use scim_sync::rules::RuleSet;
use scim_sync::store::Which;
use scim_sync::{Anchor, AttributeValue, SyncStore};

use crate::simulated::{Dice, Faults, Resource};
use crate::world::{RULES, World, name};

fn always(faults: Faults) -> (Faults, Dice) {
    (faults, Dice::new(1))
}

#[test]
fn who_lost_a_name_is_read_and_who_lost_one_to_that_one_too() {
    let mut world = World::new();
    let users = ["ada", "bob", "eve"].map(|account| world.user(account));
    let place = |world: &World, user: &Anchor, dn| {
        world.directory.state.lock().unwrap().entries.get_mut(user).unwrap().dn = Some(dn);
    };
    for (user, dn) in users.iter().zip(["cn=1", "cn=2", "cn=3"]) {
        place(&world, user, dn);
    }
    world.cycle();
    // Each has moved to the place of the next; what the directory tells is only who came to the first.
    for (user, dn) in users.iter().zip(["cn=2", "cn=3", "cn=4"]) {
        place(&world, user, dn);
    }
    let new = world.user("new");
    place(&world, &new, "cn=1");
    for entry in world.directory.state.lock().unwrap().entries.values_mut() {
        entry.attributes.set(name("title"), vec!["Moved".into()]);
    }
    let report = world.cycle();
    assert_eq!((report.outcome(), report.writes()), (Outcome::Done, 4), "{:?}", report.errors);
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn a_target_that_was_never_read_gets_no_second_one_of_what_it_has() {
    let mut world = World::new();
    let ada = world.user("ada");
    world.group("Staff", &[&ada]);
    world.cycle();
    let before = world.resources();
    world.store = Default::default();
    *world.target.faults.lock().unwrap() = always(Faults { read_breaks: 100, ..Faults::default() });
    let report = world.cycle();
    assert_eq!(report.writes(), 0);
    assert!(
        report.errors.iter().any(|error| error.starts_with("cloud was never read to its end")),
        "{:?}",
        report.errors
    );
    assert_eq!(world.store.count_objects(&"cloud".into(), Which::PendingExport).unwrap(), 0);
    *world.target.faults.lock().unwrap() = always(Faults::default());
    assert_eq!(world.cycle().writes(), 0);
    assert_eq!(world.resources(), before);
}

#[test]
fn what_somebody_else_made_while_ours_was_refused_is_joined() {
    let mut world = World::new();
    world.user("ada");
    world.cycle();
    *world.target.faults.lock().unwrap() = always(Faults { refused: 100, ..Faults::default() });
    let staff = world.group("Staff", &[]);
    assert_eq!(world.cycle().escrowed, 1);
    *world.target.faults.lock().unwrap() = always(Faults::default());
    let by_hand = Resource::new("Group", &[("externalId", staff.as_str())]);
    world.target.state.lock().unwrap().resources.insert("by-hand".into(), by_hand);
    world.now += TimeDelta::hours(25);
    let report = world.cycle();
    assert_eq!(report.targets[0].plan.counts().create, 0);
    assert_eq!(world.find("Staff").unwrap().0.as_str(), "by-hand");
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn a_group_that_decides_the_scope_and_goes_takes_its_members_out() {
    for by in ["g0003", "cn=pilot"] {
        let mut world = World::new();
        let scope = format!(
            "link = \"provision\"\nscope = [[{{ operator = \"ISMEMBEROF\", value = \"{by}\" }}]]"
        );
        let rules = RULES.replacen("link = \"provision\"", &scope, 1);
        world.rules = RuleSet::from_toml(&rules).unwrap();
        world.options.sync_batch = 1;
        let (ada, _) = (world.user("ada"), world.user("bob"));
        let pilot = world.group("Pilot", &[&ada]);
        world.change(&pilot, |entry| entry.dn = Some("cn=pilot"));
        world.cycle();
        let active = |world: &World| {
            let (_, ada) = world.find("ada").unwrap();
            ada.attributes.first(&name("active")) == Some(&AttributeValue::Boolean(true))
        };
        assert!(active(&world) && world.find("bob").is_none(), "{by}");
        if by == "cn=pilot" {
            world.change(&pilot, |entry| entry.dn = Some("cn=other"));
            world.cycle();
            assert!(active(&world), "it is the same group by another name");
            let other = world.group("Another", &[]);
            world.change(&other, |entry| entry.dn = Some("cn=pilot"));
            world.cycle();
            assert!(active(&world), "whoever has the name now");
        }
        world.delete(&pilot);
        world.cycle();
        assert!(!active(&world), "{by} is gone");
    }
}
