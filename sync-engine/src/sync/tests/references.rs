//! Members and managers.

use std::collections::BTreeMap;

use super::world::{RULES, With, World, ad, changed, cloud, group, name, user};
use crate::SyncStore;
use crate::connector::{ChangedObject, ImportChange, ReferenceChange, ReferenceTo};
use crate::store::Which;
use crate::sync::SyncMode;

fn members(anchor: &str, added: &[&str], removed: &[&str]) -> ImportChange {
    let to = |anchors: &[&str]| {
        anchors.iter().map(|anchor| ReferenceTo::Anchor((*anchor).into())).collect()
    };
    let change = ReferenceChange { replace: false, added: to(added), removed: to(removed) };
    ImportChange::Changed(ChangedObject {
        anchor: anchor.into(),
        object_type: "group".into(),
        dn: None,
        scope: None,
        attributes: BTreeMap::new(),
        references: BTreeMap::from([(name("member"), change)]),
        version: None,
    })
}

fn group_line(world: &World) -> String {
    world.target().into_iter().find(|line| line.starts_with("Group")).unwrap()
}

#[test]
fn members_flow_as_references() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![group("staff", &["ada", "all"]), user("ada"), group("all", &[])]);
    world.cycle();
    assert_eq!(world.target()[1], "Group displayName=staff externalId=staff members->ada+all");
    world.import(
        &ad(),
        vec![group("staff", &["bob", "all"]), user("ada"), user("bob"), group("all", &[])],
    );
    let told = world.cycle();
    assert_eq!(told[1], "Update Group staff: members->");
    assert_eq!(world.target()[1], "Group displayName=staff externalId=staff members->all+bob");
}

#[test]
fn a_reference_waits_for_what_it_refers_to() {
    let mut world = World::new(RULES);
    world.import(
        &ad(),
        vec![group("staff", &["ada", "bob"]), user("ada").refers("manager", &["eve"])],
    );
    world.cycle();
    assert_eq!(group_line(&world), "Group displayName=staff externalId=staff members->ada");
    // Nobody tells of the group or of ada again: those who refer to what came are looked at by themselves.
    world.change(&ad(), vec![ImportChange::Object(user("bob")), ImportChange::Object(user("eve"))]);
    let told = world.cycle();
    assert!(told.contains(&"Update Group staff: members->".to_owned()), "{told:?}");
    assert!(told.contains(&"Update User ada: manager->".to_owned()), "{told:?}");
    assert_eq!(group_line(&world), "Group displayName=staff externalId=staff members->ada+bob");
}

#[test]
fn a_cycle_of_references_comes_to_rest() {
    let mut world = World::new(RULES);
    world.import(
        &ad(),
        vec![
            user("ada").refers("manager", &["bob"]),
            user("bob").refers("manager", &["ada"]),
            user("eve").refers("manager", &["eve"]),
            group("x", &["y"]),
            group("y", &["x", "y"]),
        ],
    );
    world.cycle();
    assert_eq!(
        world.target(),
        [
            "Group displayName=x externalId=x members->y",
            "Group displayName=y externalId=y members->x+y",
            "User active=True externalId=ada userName=ada manager->bob",
            "User active=True externalId=bob userName=bob manager->ada",
            "User active=True externalId=eve userName=eve manager->eve",
        ]
    );
}

#[test]
fn the_last_reference_goes_too() {
    let mut world = World::new(RULES);
    world.import(
        &ad(),
        vec![group("staff", &["ada"]), user("ada").refers("manager", &["bob"]), user("bob")],
    );
    world.cycle();
    world.import(&ad(), vec![group("staff", &[]), user("ada"), user("bob")]);
    assert_eq!(world.cycle(), ["Update Group staff: members->", "Update User ada: manager->"]);
    assert_eq!(group_line(&world), "Group displayName=staff externalId=staff");
}

#[test]
fn members_of_another_hand_are_removed_unless_the_flow_only_adds() {
    for (flow_type, expected) in [("Always", "members->ada"), ("ValueAddOnly", "members->ada+bob")]
    {
        let rules = RULES.replace(
            r#"{ to = "members", from = "member" }"#,
            &format!(r#"{{ to = "members", from = "member", flow-type = "{flow_type}" }}"#),
        );
        let mut world = World::new(&rules);
        world.import(&ad(), vec![group("staff", &["ada"]), user("ada"), user("bob")]);
        world.cycle();
        let objects = world.store.objects(&cloud(), Which::All, None, 10).unwrap();
        let find = |external: &str| {
            let named = |object: &&crate::space::SpaceObject| {
                object.hologram.first(&name("externalId")) == Some(&external.into())
            };
            objects.iter().find(named).unwrap().id
        };
        let (staff, bob) = (find("staff"), find("bob"));
        world.store.begin().unwrap();
        world.store.add_edge(staff, &name("members"), bob).unwrap();
        world.store.commit().unwrap();
        world.sync(SyncMode::Full);
        assert_eq!(world.pending().is_empty(), flow_type != "Always");
        world.export();
        assert!(group_line(&world).ends_with(expected), "{}", group_line(&world));
    }
}

#[test]
fn added_members_are_added_also_where_a_flow_only_adds() {
    let rules = RULES.replace(
        r#"{ to = "members", from = "member" }"#,
        r#"{ to = "members", from = "member", flow-type = "MultiValueAddOnly" }"#,
    );
    let mut world = World::new(&rules);
    world.import(&ad(), vec![group("staff", &["ada"]), user("ada"), user("bob"), user("eve")]);
    world.cycle();
    world.change(&ad(), vec![members("staff", &["bob"], &["ada"])]);
    world.cycle();
    assert!(group_line(&world).ends_with("members->ada+bob"));
    world.change(&ad(), vec![members("staff", &[], &["bob"])]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
}

#[test]
fn missing_references_are_written_by_name_where_a_flow_says_so() {
    let rules = RULES.replace(
        r#"{ to = "manager", from = "manager" },
    { to = "active""#,
        r#"{ to = "manager", from = "manager", export-missing-references = true },
    { to = "active""#,
    );
    assert_ne!(rules, RULES);
    let mut stranger = user("ada");
    let dn = ReferenceTo::Dn("CN=Eve,DC=elsewhere".into());
    stranger.references.insert(name("manager"), vec![dn]);
    for (rules, expected) in [
        (
            rules.as_str(),
            "Add User active=True externalId=ada manager=CN=Eve,DC=elsewhere userName=ada",
        ),
        (RULES, "Add User active=True externalId=ada userName=ada"),
    ] {
        let mut world = World::new(rules);
        world.import(&ad(), vec![stranger.clone()]);
        assert_eq!(world.cycle(), [expected]);
    }
}

#[test]
fn a_group_decides_who_is_in_scope() {
    let rules = RULES.replace(
        r#"scope = [[{ attribute = "hidden", operator = "ISNULL" }]]"#,
        r#"scope = [[{ operator = "ISMEMBEROF", value = "pilot" }]]"#,
    );
    let mut world = World::new(&rules);
    world.import(
        &ad(),
        vec![user("ada"), user("bob"), user("eve"), group("pilot", &["ada", "bob"])],
    );
    world.cycle();
    assert_eq!(world.target().len(), 3);
    // Only the group is told of, and all who are concerned are looked at. Its name does not matter, its anchor does.
    world.change(&ad(), vec![members("pilot", &["eve"], &["ada"])]);
    let told = world.cycle();
    assert!(told.contains(&"Disable User ada: active=False".to_owned()), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("Add User") && line.contains("eve")));
    // By name as well.
    let rules = rules.replace("\"pilot\"", "\"cn=pilot,dc=corp,dc=EXAMPLE\"");
    let mut world = World::new(&rules);
    world.import(&ad(), vec![user("ada"), user("bob"), group("pilot", &["ada"])]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending().len(), 2);
    let nobody = changed("user", "ada", &[("title", Some("x"))]);
    world.change(&ad(), vec![nobody]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending().len(), 2);
}
