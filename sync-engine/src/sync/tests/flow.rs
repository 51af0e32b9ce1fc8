//! Values: precedence, merging, defaults, and what a flow may do to what the target has.

use super::world::{RULES, With, World, ad, changed, cloud, name, object, user};
use crate::connector::ImportChange;
use crate::sync::SyncMode;
use crate::{ConnectorId, SyncStore};

fn hr() -> ConnectorId {
    ConnectorId::new("hr")
}

/// Rules with a second source `hr`, whose flows are these, before those of the directory.
fn with_hr(flows: &str) -> String {
    format!(
        "{RULES}\n[[rule]]\nname = \"in hr\"\ndirection = \"inbound\"\nconnector = \"hr\"\n\
         object-type = \"worker\"\nmetaverse-type = \"person\"\nlink = \"join\"\nprecedence = 10\n\
         join = [[{{ from = \"login\", to = \"name\" }}]]\nflow = [{flows}]\n"
    )
}

/// What an identity has of an attribute.
fn held(world: &World, anchor: &str, attribute: &str) -> Vec<String> {
    let link = world.source(anchor).link.unwrap();
    let identity = world.store.metaverse(link.metaverse).unwrap().unwrap();
    let held = identity.attributes.get(&name(attribute));
    let values = held.map_or(&[][..], |held| &held.values);
    values.iter().map(|value| crate::rules::text_of(value).into_owned()).collect()
}

fn worker() -> crate::connector::ImportedObject {
    object("worker", "1").with("login", "ada")
}

#[test]
fn the_lower_precedence_number_wins_and_no_value_goes_on_to_the_next() {
    let mut world = World::new(&with_hr(r#"{ to = "title", from = "job" }"#));
    world.import(&ad(), vec![user("ada").with("title", "from ad")]);
    world.import(&hr(), vec![worker().with("job", "from hr")]);
    world.sync(SyncMode::Delta);
    assert_eq!(held(&world, "ada", "title"), ["from hr"]);
    world.change(&hr(), vec![changed("worker", "1", &[("job", None)])]);
    world.sync(SyncMode::Delta);
    assert_eq!(held(&world, "ada", "title"), ["from ad"]);
    let identity = world.source("ada").link.unwrap().metaverse;
    let identity = world.store.metaverse(identity).unwrap().unwrap();
    assert_eq!(identity.attributes[&name("title")].rule, "in user");
    assert_eq!(identity.attributes[&name("title")].from, [world.source("ada").id]);
}

#[test]
fn what_a_deleted_object_gave_goes_with_it() {
    let mut world = World::new(&with_hr(r#"{ to = "title", from = "job" }"#));
    world.import(&ad(), vec![user("ada").with("title", "from ad")]);
    world.import(&hr(), vec![worker().with("job", "from hr"), object("worker", "2")]);
    world.cycle();
    world.change(&hr(), vec![ImportChange::Deleted("1".into())]);
    assert_eq!(world.cycle(), ["Update User ada: title=from ad"]);
}

#[test]
fn merged_values_come_from_all_rules() {
    for (merge, expected) in [
        ("update", vec!["X@a", "y@a"]),
        ("merge", vec!["X@a", "y@a", "x@A", "z@a"]),
        ("merge-case-insensitive", vec!["X@a", "y@a", "z@a"]),
    ] {
        let rules = with_hr(&format!(r#"{{ to = "mail", from = "mails", merge = "{merge}" }}"#))
            .replace(
                r#"{ to = "mail", from = "mail" }"#,
                &format!(r#"{{ to = "mail", from = "mail", merge = "{merge}" }}"#),
            );
        let mut world = World::new(&rules);
        world.import(&ad(), vec![user("ada").with("mail", "x@A").with("mail", "z@a")]);
        world.import(&hr(), vec![worker().with("mails", "X@a").with("mails", "y@a")]);
        world.sync(SyncMode::Delta);
        assert_eq!(held(&world, "ada", "mail"), expected, "{merge}");
    }
}

#[test]
fn an_inbound_flow_on_create_never_flows_again() {
    let rules = RULES.replace(
        r#"{ to = "title", from = "title" }"#,
        r#"{ to = "title", from = "title", apply = "on-create" }"#,
    );
    let mut world = World::new(&rules);
    world.import(&ad(), vec![user("ada").with("title", "Dr")]);
    world.cycle();
    world.change(&ad(), vec![changed("user", "ada", &[("title", Some("Prof"))])]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    world.sync(SyncMode::Full);
    assert_eq!(held(&world, "ada", "title"), ["Dr"]);
}

#[test]
fn an_inbound_default_stands_in_for_nothing() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob").with("enabled", false)]);
    world.sync(SyncMode::Delta);
    assert_eq!(held(&world, "ada", "enabled"), ["True"]);
    assert_eq!(held(&world, "bob", "enabled"), ["False"]);
}

/// A world in which `title` flows out as said, with one user without a title who was exported.
fn exported(flow: &str, title: Option<&str>) -> World {
    let rules = RULES.replace(
        r#"{ to = "title", from = "title" },
    { to = "emails", from = "mail" },"#,
        &format!(r#"{{ to = "title", {flow} }}, {{ to = "emails", from = "mail" }},"#),
    );
    assert_ne!(rules, RULES);
    let mut world = World::new(&rules);
    let ada = user("ada");
    world.import(
        &ad(),
        vec![match title {
            Some(title) => ada.with("title", title),
            None => ada,
        }],
    );
    world.cycle();
    world
}

fn title_of(world: &World) -> String {
    let target = world.target();
    let title = target[0].split(' ').find_map(|part| part.strip_prefix("title="));
    title.unwrap_or("").to_owned()
}

fn set(world: &mut World, title: Option<&str>) -> Vec<String> {
    world.change(&ad(), vec![changed("user", "ada", &[("title", title)])]);
    world.cycle()
}

#[test]
fn an_outbound_default_is_for_what_is_made() {
    let mut world = exported(r#"from = "title", default = "Staff""#, None);
    assert_eq!(title_of(&world), "Staff");
    assert_eq!(set(&mut world, Some("Dr")), ["Update User ada: title=Dr"]);
    // What was once there and is empty in the source now stays as it is.
    assert_eq!(set(&mut world, None), [] as [&str; 0]);
    assert_eq!(title_of(&world), "Dr");
}

#[test]
fn without_a_default_nothing_clears() {
    let mut world = exported(r#"from = "title""#, Some("Dr"));
    assert_eq!(set(&mut world, None), ["Update User ada: title="]);
    assert_eq!(title_of(&world), "");
}

#[test]
fn an_outbound_flow_on_create_never_flows_again() {
    for flow in
        [r#"from = "title", apply = "on-create""#, r#"from = "title", flow-type = "ObjectAddOnly""#]
    {
        let mut world = exported(flow, Some("Dr"));
        assert_eq!(title_of(&world), "Dr");
        assert_eq!(set(&mut world, Some("Prof")), [] as [&str; 0], "{flow}");
        assert_eq!(set(&mut world, None), [] as [&str; 0], "{flow}");
    }
}

#[test]
fn a_flow_from_nowhere_leaves_alone_and_fills_what_is_empty() {
    let mut world = exported(r#"default = "Staff""#, Some("Dr"));
    assert_eq!(title_of(&world), "Staff");
    assert_eq!(set(&mut world, Some("Prof")), [] as [&str; 0]);
    let told = clear_in_target(&mut world);
    assert_eq!(told, ["Update User ada: title=Staff"]);
    let world = exported("apply = \"always\"", Some("Dr"));
    assert_eq!(title_of(&world), "");
}

fn clear_in_target(world: &mut World) -> Vec<String> {
    let anchor = format!("id-{}", 1);
    world.change(&cloud(), vec![changed("User", &anchor, &[("title", None)])]);
    world.cycle()
}

#[test]
fn drift_in_the_target_is_set_right() {
    let mut world = exported(r#"from = "title""#, Some("Dr"));
    world.change(&cloud(), vec![changed("User", "id-1", &[("title", Some("Mr"))])]);
    assert_eq!(world.cycle(), ["Update User ada: title=Dr"]);
}

#[test]
fn a_constant_flows() {
    let world = exported(r#"constant = "Staff""#, Some("Dr"));
    assert_eq!(title_of(&world), "Staff");
}

#[test]
fn attribute_add_only_writes_where_there_is_nothing() {
    let mut world = exported(r#"from = "title", flow-type = "AttributeAddOnly""#, None);
    assert_eq!(set(&mut world, Some("Dr")), ["Update User ada: title=Dr"]);
    assert_eq!(set(&mut world, Some("Prof")), [] as [&str; 0]);
    assert_eq!(set(&mut world, None), [] as [&str; 0]);
}

#[test]
fn value_add_only_replaces_and_never_empties() {
    let mut world = exported(r#"from = "title", flow-type = "ValueAddOnly""#, Some("Dr"));
    assert_eq!(set(&mut world, Some("Prof")), ["Update User ada: title=Prof"]);
    assert_eq!(set(&mut world, None), [] as [&str; 0]);
    assert_eq!(title_of(&world), "Prof");
}

fn mails(flow_type: &str) -> World {
    let rules = RULES.replace(
        r#"{ to = "emails", from = "mail" }"#,
        &format!(r#"{{ to = "emails", from = "mail", flow-type = "{flow_type}" }}"#),
    );
    let mut world = World::new(&rules);
    world.import(&ad(), vec![user("ada").with("mail", "a@x").with("mail", "b@x")]);
    world.cycle();
    world
}

#[test]
fn multi_value_add_only_adds_and_removes_nothing() {
    for flow_type in ["MultiValueAddOnly", "ValueAddOnly"] {
        let mut world = mails(flow_type);
        world.import(&ad(), vec![user("ada").with("mail", "b@x").with("mail", "c@x")]);
        assert_eq!(world.cycle(), ["Update User ada: emails=a@x+b@x+c@x"], "{flow_type}");
        world.import(&ad(), vec![user("ada")]);
        assert_eq!(world.cycle(), [] as [&str; 0], "{flow_type}");
    }
    // One value in the place of one other is no addition.
    let mut world = exported(r#"from = "title", flow-type = "MultiValueAddOnly""#, Some("Dr"));
    assert_eq!(set(&mut world, Some("Prof")), [] as [&str; 0]);
}

#[test]
fn the_order_of_values_is_no_difference() {
    let mut world = mails("Always");
    world.import(&ad(), vec![user("ada").with("mail", "b@x").with("mail", "a@x")]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    world.import(&ad(), vec![user("ada").with("mail", "b@x")]);
    assert_eq!(world.cycle(), ["Update User ada: emails=b@x"]);
}

#[test]
fn flow_always_goes_with_every_update_and_makes_none() {
    let mut world = exported(r#"from = "title", behavior = "FlowAlways""#, Some("Dr"));
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), [] as [&str; 0]);
    world.change(&ad(), vec![changed("user", "ada", &[("mail", Some("a@x"))])]);
    assert_eq!(world.cycle(), ["Update User ada: emails=a@x title=Dr"]);
    let mut world = exported(r#"from = "title""#, Some("Dr"));
    world.change(&ad(), vec![changed("user", "ada", &[("mail", Some("a@x"))])]);
    assert_eq!(world.cycle(), ["Update User ada: emails=a@x"]);
}

#[test]
fn two_outbound_rules_share_an_object() {
    let more = r#"
[[rule]]
name = "out vip"
direction = "outbound"
connector = "cloud"
object-type = "User"
metaverse-type = "person"
link = "join"
precedence = 10
scope = 'title eq "countess"'
flow = [{ to = "userType", constant = "vip" }, { to = "title", constant = "VIP" }]
"#;
    let mut world = World::new(&format!("{RULES}{more}"));
    world.import(&ad(), vec![user("ada").with("title", "Countess"), user("bob")]);
    world.cycle();
    assert_eq!(
        world.target(),
        [
            "User active=True externalId=ada title=VIP userName=ada userType=vip",
            "User active=True externalId=bob userName=bob"
        ]
    );
}
