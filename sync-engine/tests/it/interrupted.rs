//! A program that dies within the synchronisation, where what is still to be done is known in memory only.

use std::collections::{BTreeMap, BTreeSet};

use scim_sync::AttributeSet;
use scim_sync::rules::RuleSet;

use crate::crashing::Crashing;
use crate::simulated::Directory;
use crate::sources::{hr_user, rules};
use crate::world::{RULES, World, name, text};

/// What the target holds, by the names that people know.
fn picture(world: &World) -> BTreeMap<String, (AttributeSet, BTreeSet<String>)> {
    let resources = world.resources();
    let called = |attributes: &AttributeSet| match text(attributes, "userName") {
        user if user.is_empty() => text(attributes, "displayName"),
        user => user,
    };
    let picture = resources.values().map(|resource| {
        let referred = resource.references.values().flatten();
        let referred = referred.filter_map(|anchor| resources.get(anchor));
        let referred = referred.map(|other| called(&other.attributes)).collect();
        (called(&resource.attributes), (resource.attributes.clone(), referred))
    });
    picture.collect()
}

/// Runs a cycle that dies before each of its commits in turn, and one after it.
fn wherever_it_dies(prepared: impl Fn() -> World) {
    let mut whole = prepared();
    whole.cycle();
    let expected = picture(&whole);
    let mut deaths = 0;
    loop {
        let mut world = prepared();
        let mut store = Crashing::new(std::mem::take(&mut world.store), deaths);
        let ended = world.cycle_on(&mut store);
        let (store, died) = store.after();
        assert_eq!(ended.is_err(), died, "{:?}", ended.err());
        world.store = store;
        if !died {
            break;
        }
        let report = world.cycle();
        assert_eq!(picture(&world), expected, "dead before commit {deaths}: {report:#?}");
        assert_eq!(world.cycle().writes(), 0, "dead before commit {deaths}");
        deaths += 1;
    }
    assert!(deaths > 10, "{deaths}");
}

#[test]
fn members_of_a_group_that_decides_the_scope() {
    wherever_it_dies(|| {
        let mut world = World::new();
        let scope =
            "link = \"provision\"\nscope = [[{ operator = \"ISMEMBEROF\", value = \"g0001\" }]]";
        let rules = RULES.replacen("link = \"provision\"", scope, 1);
        world.rules = RuleSet::from_toml(&rules).unwrap();
        world.options.sync_batch = 1;
        let pilot = world.group("Pilot", &[]);
        assert_eq!(pilot.as_str(), "g0001");
        let users: Vec<_> = (0..6).map(|number| world.user(&format!("u{number}"))).collect();
        let members = |world: &mut World, of: &[_]| {
            let of = of.iter().cloned().collect();
            world.change(&pilot, |entry| {
                entry.references.insert(name("member"), of);
            });
        };
        members(&mut world, &users[..3]);
        world.cycle();
        assert_eq!(world.resources().len(), 4);
        members(&mut world, &users[2..]);
        world
    });
}

#[test]
fn objects_that_have_somebody_to_join_now() {
    wherever_it_dies(|| {
        let mut world = World::new();
        let only_joins = rules().replacen(
            "link = \"provision\"\nprecedence = 200",
            "link = \"join\"\nprecedence = 200",
            1,
        );
        world.rules = RuleSet::from_toml(&only_joins).unwrap();
        world.options.sync_batch = 1;
        world.user("first");
        let hr = Directory::new("hr");
        for (anchor, account) in [("h1", "ada"), ("h2", "bob"), ("h3", "first")] {
            hr_user(&hr, anchor, account);
        }
        world.hr = Some(hr);
        world.cycle();
        assert_eq!(world.resources().len(), 1);
        world.user("ada");
        world.user("bob");
        world
    });
}
