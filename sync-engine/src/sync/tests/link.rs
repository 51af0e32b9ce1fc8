//! Joins, on the way in and on the way out.

use super::world::{RULES, With, World, ad, changed, cloud, object, user};
use crate::connector::ImportChange;
use crate::space::LinkOrigin;
use crate::sync::SyncMode;
use crate::{ConnectorId, SyncStore};

const HR: &str = r#"
[[rule]]
name = "in hr"
direction = "inbound"
connector = "hr"
object-type = "worker"
metaverse-type = "person"
link = "join"
precedence = 50
join = [
    [{ from = "mail", to = "mail" }],
    [{ from = "given", to = "title" }, { from = "login", to = "name", case-sensitive = true }],
]
flow = [{ to = "title", from = "job" }]
"#;

fn hr() -> ConnectorId {
    ConnectorId::new("hr")
}

fn world() -> World {
    World::new(&format!("{RULES}{HR}"))
}

fn joined_by(world: &World, anchor: &str) -> Option<String> {
    match world.at(&hr(), anchor).link?.origin {
        LinkOrigin::Joined { by, .. } => Some(by),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_group_that_fits_one_identity_joins() {
    let mut world = world();
    world
        .import(&ad(), vec![user("ada").with("mail", "Ada@corp"), user("bob").with("title", "Dr")]);
    world.import(
        &hr(),
        vec![
            object("worker", "1").with("mail", "ada@CORP").with("job", "Countess"),
            object("worker", "2").with("given", "DR").with("login", "bob"),
            object("worker", "3").with("given", "Dr").with("login", "BOB"),
            object("worker", "4").with("mail", "nobody"),
        ],
    );
    world.sync(SyncMode::Delta);
    assert_eq!(joined_by(&world, "1").as_deref(), Some("`mail`"));
    // Letter case counts in the second condition of the second group only.
    assert_eq!(joined_by(&world, "2").as_deref(), Some("`given` and `login`"));
    assert_eq!(joined_by(&world, "3"), None);
    assert_eq!(joined_by(&world, "4"), None);
    assert_eq!(world.escrows(), []);
    // A join rule makes no identities, and the lower precedence number wins.
    assert_eq!(world.store.metaverse_objects(None, 10).unwrap().len(), 2);
    assert!(world.pending()[0].contains("title=Countess"), "{:?}", world.pending());
}

#[test]
fn an_ambiguous_join_is_not_guessed() {
    let mut world = world();
    let twice = |anchor: &str| user(anchor).with("mail", "team@corp");
    world.import(&ad(), vec![twice("ada"), twice("bob")]);
    world.import(&hr(), vec![object("worker", "1").with("mail", "team@corp")]);
    world.sync(SyncMode::Delta);
    assert_eq!(joined_by(&world, "1"), None);
    let escrows = world.escrows();
    assert_eq!(escrows.len(), 1);
    assert_eq!(escrows[0].0, "1");
    for part in ["CN=ada", "CN=bob", "`mail`", "2 identities"] {
        assert!(escrows[0].1.contains(part), "{escrows:?}");
    }
    // As soon as it fits one of them only, it joins.
    world.change(&ad(), vec![changed("user", "bob", &[("mail", Some("bob@corp"))])]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.escrows(), []);
    assert!(joined_by(&world, "1").is_some());
}

#[test]
fn an_ambiguous_group_gives_the_next_one_its_turn() {
    let mut world = world();
    world.import(
        &ad(),
        vec![
            user("ada").with("mail", "team@corp").with("title", "Dr"),
            user("bob").with("mail", "team@corp").with("title", "Dr"),
        ],
    );
    let worker = object("worker", "1").with("mail", "team@corp");
    world.import(&hr(), vec![worker.with("given", "Dr").with("login", "bob")]);
    world.sync(SyncMode::Delta);
    assert_eq!(joined_by(&world, "1").as_deref(), Some("`given` and `login`"));
}

#[test]
fn what_could_not_join_joins_when_the_identity_comes() {
    let mut world = world();
    world.import(&hr(), vec![object("worker", "1").with("mail", "ada@corp")]);
    world.sync(SyncMode::Delta);
    assert_eq!(joined_by(&world, "1"), None);
    world.import(&ad(), vec![user("ada")]);
    world.sync(SyncMode::Delta);
    assert_eq!(joined_by(&world, "1"), None);
    world.change(&ad(), vec![changed("user", "ada", &[("mail", Some("ada@corp"))])]);
    world.sync(SyncMode::Delta);
    assert!(joined_by(&world, "1").is_some());
}

#[test]
fn a_join_is_made_once() {
    let mut world = world();
    world.import(&ad(), vec![user("ada").with("mail", "ada@corp"), user("bob")]);
    world.import(&hr(), vec![object("worker", "1").with("mail", "ada@corp")]);
    world.sync(SyncMode::Delta);
    let link = world.at(&hr(), "1").link;
    // The values part ways, and the link stays.
    world.change(&ad(), vec![changed("user", "bob", &[("mail", Some("ada@corp"))])]);
    world.change(&ad(), vec![changed("user", "ada", &[("mail", None)])]);
    world.sync(SyncMode::Full);
    assert_eq!(world.at(&hr(), "1").link, link);
}

#[test]
fn two_objects_of_one_system_for_one_identity_are_told_apart_by_anchor() {
    for order in [["1", "2"], ["2", "1"]] {
        let mut world = world();
        world.import(&ad(), vec![user("ada").with("mail", "ada@corp")]);
        let workers = order.map(|anchor| object("worker", anchor).with("mail", "ada@corp"));
        world.import(&hr(), workers.into());
        world.sync(SyncMode::Delta);
        assert!(world.at(&hr(), "1").link.is_some());
        assert!(world.at(&hr(), "2").link.is_none());
        let escrows = world.escrows();
        assert_eq!(escrows.len(), 1, "{escrows:?}");
        assert_eq!(escrows[0].0, "2");
        assert!(escrows[0].1.contains("two objects of one system"), "{escrows:?}");
    }
}

#[test]
fn only_one_rule_in_scope_may_join() {
    let second = HR.replace("in hr", "in hr 2").replace("job", "work");
    let mut world = World::new(&format!("{RULES}{HR}{second}"));
    world.import(&ad(), vec![user("ada").with("mail", "ada@corp")]);
    world.import(&hr(), vec![object("worker", "1").with("mail", "ada@corp")]);
    world.sync(SyncMode::Delta);
    let escrows = world.escrows();
    assert!(escrows[0].1.contains("`in hr` and `in hr 2` both say how to join"), "{escrows:?}");
}

fn cloud_user(anchor: &str, user_name: &str) -> crate::connector::ImportedObject {
    let mut object = object("User", anchor).with("userName", user_name).with("active", true);
    object.dn = None;
    object
}

#[test]
fn what_the_target_has_already_is_found_and_not_made() {
    let mut world = World::new(RULES);
    world.import(&cloud(), vec![cloud_user("c1", "ADA"), cloud_user("c2", "eve")]);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.sync(SyncMode::Delta);
    assert_eq!(
        world.pending(),
        [
            "Add User active=True externalId=bob userName=bob",
            "Update User externalId=ada userName=ada"
        ]
    );
    let link = world.at(&cloud(), "c1").link.unwrap();
    assert!(matches!(link.origin, LinkOrigin::Joined { by, .. } if by == "userName"));
    // What nobody asked for is left alone.
    assert!(world.at(&cloud(), "c2").link.is_none());
}

#[test]
fn an_identifier_is_matched_to_the_letter() {
    let mut world = World::new(RULES);
    let stranger = cloud_user("c1", "someone").with("externalId", "ADA");
    world.import(&cloud(), vec![stranger]);
    world.import(&ad(), vec![user("ada")]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending(), ["Add User active=True externalId=ada userName=ada"]);
}

#[test]
fn several_hits_in_the_target_are_named_and_none_is_taken() {
    let mut world = World::new(RULES);
    world.import(&cloud(), vec![cloud_user("c1", "ada"), cloud_user("c2", "Ada")]);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.sync(SyncMode::Delta);
    let escrows = world.escrows();
    assert_eq!(escrows.len(), 1, "{escrows:?}");
    assert_eq!(escrows[0].0, "ada");
    assert!(escrows[0].1.contains("`c1`") && escrows[0].1.contains("`c2`"), "{escrows:?}");
    // The others go on.
    assert_eq!(world.pending(), ["Add User active=True externalId=bob userName=bob"]);
}

#[test]
fn two_sources_for_one_target_object_are_named_whoever_comes_first() {
    for order in [["a", "b"], ["b", "a"]] {
        let mut world = World::new(RULES);
        let users = order.map(|anchor| object("user", anchor).with("name", "ada"));
        world.import(&ad(), users.into());
        world.sync(SyncMode::Delta);
        assert_eq!(world.pending(), ["Add User active=True externalId=a userName=ada"]);
        let escrows = world.escrows();
        assert_eq!(escrows.len(), 1, "{escrows:?}");
        assert_eq!(escrows[0].0, "b");
        assert!(escrows[0].1.contains("CN=a,") && escrows[0].1.contains("CN=b,"), "{escrows:?}");
        // The one that is there keeps it, also when everything is looked at again.
        world.export();
        world.sync(SyncMode::Full);
        assert_eq!(world.pending(), [] as [&str; 0]);
        assert_eq!(world.escrows(), escrows);
        // When it goes, the other one has its turn at its time, and not before.
        world.change(&ad(), vec![ImportChange::Deleted("a".into())]);
        world.cycle();
        world.later(5);
        assert_eq!(world.cycle(), [] as [&str; 0]);
        world.later(1);
        assert_eq!(world.cycle(), ["Add User active=True externalId=b userName=ada"]);
        assert_eq!(world.escrows(), []);
    }
}

#[test]
fn what_is_planned_gives_way_to_what_turns_up() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada")]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending().len(), 1);
    world.change(&cloud(), vec![ImportChange::Object(cloud_user("c1", "ada"))]);
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), ["Update User externalId=ada"]);
    assert_eq!(world.target().len(), 1);
}

#[test]
fn an_outbound_join_rule_makes_nothing_and_lets_go_in_the_end() {
    let rules = RULES
        .replace(
            "object-type = \"User\"\nmetaverse-type = \"person\"\nlink = \"provision\"",
            "object-type = \"User\"\nmetaverse-type = \"person\"\nlink = \"join\"",
        )
        .replace("on-delete = \"delete\"\non-out-of-scope = \"disable\"\n", "");
    let mut world = World::new(&rules);
    world.import(&cloud(), vec![cloud_user("c1", "ada")]);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    assert_eq!(world.cycle(), ["Update User externalId=ada"]);
    world.change(&ad(), vec![ImportChange::Deleted("ada".into())]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    assert!(world.at(&cloud(), "c1").link.is_none());
}

#[test]
fn thrown_away_and_read_again_nothing_is_written() {
    let mut world = World::new(RULES);
    let source =
        || vec![user("ada").with("title", "Dr"), user("bob"), super::world::group("g", &["ada"])];
    world.import(&ad(), source());
    world.cycle();
    let target = world.store.objects(&cloud(), crate::store::Which::All, None, 10).unwrap();
    let mut again = World::new(RULES);
    let mut told = Vec::new();
    for object in target {
        let mut references = std::collections::BTreeMap::new();
        for (attribute, _) in world.store.edge_counts(object.id).unwrap() {
            let to = world.store.edges(object.id, &attribute, None, 100).unwrap();
            let to = to.into_iter().map(|id| {
                let object = world.store.object(id).unwrap().unwrap();
                crate::connector::ReferenceTo::Anchor(object.anchor.unwrap())
            });
            references.insert(attribute, to.collect());
        }
        told.push(crate::connector::ImportedObject {
            anchor: object.anchor.unwrap(),
            dn: None,
            object_type: object.object_type.unwrap(),
            scope: crate::connector::SourceScope::In,
            attributes: object.hologram,
            references,
            version: None,
        });
    }
    again.import(&cloud(), told);
    again.import(&ad(), source());
    again.sync(SyncMode::Full);
    assert_eq!(again.pending(), [] as [&str; 0]);
}
