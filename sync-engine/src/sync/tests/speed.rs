//! How long a hundred thousand identities take.

use std::time::Instant;

use super::world::{RULES, With, World, ad, cloud, group, user};
use crate::observer::Silent;
use crate::store::{SyncStore, Which};
use crate::sync::{SyncMode, Synchronizer};

/// Run with `--release -- --ignored --nocapture` for figures that mean something.
#[test]
#[ignore = "takes its time; the figures are for the record"]
fn a_hundred_thousand_identities() {
    let count = 100_000;
    let mut world = World::new(RULES);
    let names: Vec<String> = (0..count).map(|number| format!("user-{number:06}")).collect();
    let mut objects = Vec::new();
    for name in &names {
        let person =
            user(name).with("title", "Engineer").with("mail", format!("{name}@x").as_str());
        objects.push(person.refers("manager", &[names[0].as_str()]));
    }
    for (number, members) in names.chunks(100).enumerate() {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        objects.push(group(&format!("group-{number}"), &members));
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    objects.push(group("all", &all));
    world.import(&ad(), objects);
    for mode in [SyncMode::Delta, SyncMode::Full, SyncMode::Full, SyncMode::Delta] {
        let begun = Instant::now();
        let synchronizer = Synchronizer::new(&world.rules, world.now);
        let report = synchronizer.run(&mut world.store, mode, &mut Silent).unwrap();
        println!("{mode:?}: {:?} {report:?}", begun.elapsed());
        assert_eq!(report.escrowed, 0);
        world.export();
    }
    assert_eq!(world.store.count_objects(&cloud(), Which::PendingExport).unwrap(), 0);
}
