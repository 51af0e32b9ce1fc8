//! The order of the import does not matter, and one bad object does not stop the others.

use proptest::prelude::*;

use super::world::{RULES, With, World, ad, group, object, user};
use crate::ConnectorId;
use crate::connector::ImportedObject;
use crate::sync::SyncMode;

/// A second directory whose people are the same by mail.
const OTHER: &str = r#"
[[rule]]
name = "in other"
direction = "inbound"
connector = "other"
object-type = "person"
metaverse-type = "person"
link = "provision"
precedence = 200
join = [[{ from = "mail", to = "mail" }]]
flow = [
    { to = "sourceAnchor", from = "anchor" },
    { to = "name", from = "mail" },
    { to = "mail", from = "mail" },
]

[[rule]]
name = "in hr"
direction = "inbound"
connector = "hr"
object-type = "worker"
metaverse-type = "person"
link = "join"
precedence = 10
join = [[{ from = "mail", to = "mail" }]]
flow = [{ to = "title", from = "job" }]
"#;

/// A directory: users with mail addresses that may clash, groups of them, and who left.
#[derive(Clone, Debug)]
struct Directory {
    users: Vec<(u8, Option<u8>, bool, Option<u8>)>,
    others: Vec<u8>,
    workers: Vec<u8>,
    groups: Vec<Vec<u8>>,
}

fn directory() -> impl Strategy<Value = Directory> {
    let one = (
        0..12_u8,
        prop::option::of(0..6_u8),
        prop::bool::weighted(0.2),
        prop::option::of(0..12_u8),
    );
    (
        prop::collection::vec(one, 0..10),
        prop::collection::btree_set(0..6_u8, 0..3),
        prop::collection::vec(0..6_u8, 0..4),
        prop::collection::vec(prop::collection::vec(0..14_u8, 0..5), 0..3),
    )
        .prop_map(|(mut users, others, workers, groups)| {
            users.sort();
            users.dedup_by_key(|user| user.0);
            Directory { users, others: others.into_iter().collect(), workers, groups }
        })
}

impl Directory {
    fn objects(&self) -> Vec<ImportedObject> {
        let users = self.users.iter().map(|(number, mail, hidden, manager)| {
            let mut object = user(&format!("u{number:02}"));
            if let Some(mail) = mail {
                object = object.with("mail", format!("m{mail}@x").as_str());
            }
            if *hidden {
                object = object.with("hidden", "yes");
            }
            if let Some(manager) = manager {
                object = object.refers("manager", &[&format!("u{manager:02}")]);
            }
            object
        });
        let groups = self.groups.iter().enumerate().map(|(number, members)| {
            let members: Vec<String> =
                members.iter().map(|number| format!("u{number:02}")).collect();
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            group(&format!("g{number}"), &members)
        });
        users.chain(groups).collect()
    }

    fn others(&self) -> Vec<ImportedObject> {
        let others = self.others.iter();
        let mail = |mail: &u8| format!("m{mail}@x");
        others
            .map(|it| object("person", &format!("p{it}")).with("mail", mail(it).as_str()))
            .collect()
    }

    fn workers(&self) -> Vec<ImportedObject> {
        let workers = self.workers.iter().enumerate();
        let one = |(number, mail): (usize, &u8)| {
            let worker = object("worker", &format!("w{number}"));
            worker
                .with("mail", format!("m{mail}@x").as_str())
                .with("job", format!("job {number}").as_str())
        };
        workers.map(one).collect()
    }
}

/// All that can be seen from outside: the target, what is pending, who is in escrow and why.
fn seen(world: &World) -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    (world.target(), world.pending(), world.escrows())
}

fn run(directories: [(&str, Vec<ImportedObject>); 3]) -> World {
    let mut world = World::new(&format!("{RULES}{OTHER}"));
    for (connector, objects) in directories {
        world.import(&ConnectorId::new(connector), objects);
    }
    world.sync(SyncMode::Delta);
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_order_of_the_import_does_not_matter(
        directory in directory(),
        seed in any::<prop::sample::Index>(),
        turned in any::<bool>(),
    ) {
        let mut shuffled = directory.objects();
        let (mut others, mut workers) = (directory.others(), directory.workers());
        if !shuffled.is_empty() {
            let at = seed.index(shuffled.len());
            shuffled.rotate_left(at);
        }
        if turned {
            shuffled.reverse();
            others.reverse();
            workers.reverse();
        }
        let one = run([("ad", directory.objects()), ("hr", directory.workers()), ("other", directory.others())]);
        let two = run([("other", others), ("hr", workers), ("ad", shuffled)]);
        prop_assert_eq!(seen(&one), seen(&two));
    }

    #[test]
    fn it_settles_and_stays_settled(first in directory(), second in directory()) {
        let mut world = run([("ad", first.objects()), ("hr", first.workers()), ("other", first.others())]);
        world.cycle();
        // Whoever was in escrow has had another turn before a full synchronisation gives them one.
        world.later(1_000);
        world.cycle();
        world.sync(SyncMode::Full);
        prop_assert_eq!(world.pending(), [] as [&str; 0]);
        if !second.objects().is_empty() {
            world.import(&ad(), second.objects());
            world.cycle();
            world.later(1_000);
            world.cycle();
            let target = world.target();
            world.sync(SyncMode::Full);
            prop_assert_eq!(world.pending(), [] as [&str; 0]);
            prop_assert_eq!(world.target(), target);
        }
    }

    #[test]
    fn a_delta_comes_to_what_a_full_synchronisation_comes_to(
        first in directory(),
        second in directory(),
    ) {
        // Without the second systems, whose joins are made once and kept.
        let mut delta = World::new(RULES);
        delta.import(&ad(), first.objects());
        delta.cycle();
        prop_assume!(!second.objects().is_empty());
        delta.import(&ad(), second.objects());
        delta.sync(SyncMode::Delta);
        let mut full = World::new(RULES);
        full.import(&ad(), first.objects());
        full.cycle();
        full.import(&ad(), second.objects());
        full.sync(SyncMode::Full);
        prop_assert_eq!(seen(&delta), seen(&full));
    }
}
