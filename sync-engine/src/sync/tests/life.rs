//! Identities come, go, and come back.

use super::world::{RULES, With, World, ad, changed, cloud, group, object, user};
use crate::connector::{ImportChange, ImportedObject, SourceScope};
use crate::metaverse::{Life, ReleaseCause};
use crate::sync::SyncMode;
use crate::{Anchor, SyncStore};

fn life(world: &World, anchor: &str) -> Life {
    let link = world.source(anchor).link.unwrap();
    world.store.metaverse(link.metaverse).unwrap().unwrap().life
}

fn told(object: ImportedObject) -> ImportChange {
    ImportChange::Object(object)
}

fn deleted(anchor: &str) -> ImportChange {
    ImportChange::Deleted(Anchor::new(anchor))
}

#[test]
fn an_object_becomes_an_identity_and_an_object_of_the_target() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada").with("title", "Countess")]);
    let report = world.sync(SyncMode::Delta);
    assert_eq!((report.projected, report.provisioned), (1, 1));
    assert_eq!(
        world.pending(),
        ["Add User active=True externalId=ada title=Countess userName=ada"]
    );
    world.export();
    // The second run has nothing to say, and neither has a full one.
    assert_eq!(world.sync(SyncMode::Delta).objects, 0);
    assert_eq!(world.pending(), [] as [&str; 0]);
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), [] as [&str; 0]);
}

#[test]
fn whom_a_target_is_to_have_is_counted_apart() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    let report = world.sync(SyncMode::Delta);
    assert_eq!((report.identities, report.in_scope), (2, 2));
    world.cycle();
    world.change(&ad(), vec![out("ada"), changed("user", "bob", &[("title", Some("Dr"))])]);
    let report = world.sync(SyncMode::Delta);
    assert_eq!((report.identities, report.in_scope), (2, 1));
}

#[test]
fn leaving_the_scope_disables_and_coming_back_gives_the_groups_back() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob"), group("staff", &["ada", "bob"])]);
    world.cycle();
    let before = world.target();
    assert_eq!(before[0], "Group displayName=staff externalId=staff members->ada+bob");

    world.change(&ad(), vec![changed("user", "ada", &[("hidden", Some("yes"))])]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
    let Life::Released { cause, .. } = life(&world, "ada") else { panic!("still held") };
    assert_eq!(cause, ReleaseCause::OutOfScope);
    // It stays a member: nobody has to put it back.
    assert_eq!(world.target()[0], before[0]);
    // A disabled one is not disabled again.
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), [] as [&str; 0]);

    world.change(&ad(), vec![changed("user", "ada", &[("hidden", None)])]);
    assert_eq!(world.cycle(), ["Update User ada: active=True"]);
    assert_eq!(life(&world, "ada"), Life::Held);
    assert_eq!(world.target(), before);
}

#[test]
fn a_hard_delete_deletes_also_what_was_disabled_before() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob"), group("staff", &["ada", "bob"])]);
    world.cycle();
    world.change(&ad(), vec![changed("user", "ada", &[("hidden", Some("yes"))])]);
    world.cycle();
    world.change(&ad(), vec![deleted("ada")]);
    let told = world.cycle();
    assert_eq!(told[0], "Delete User ada:");
    assert_eq!(world.store.metaverse_objects(None, 10).unwrap().len(), 2);
    assert_eq!(world.target()[0], "Group displayName=staff externalId=staff members->bob");
}

#[test]
fn what_leaves_the_scope_of_the_connector_is_out_of_scope() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada")]);
    world.cycle();
    let mut moved = user("ada");
    moved.scope = SourceScope::Out("it is not below OU=People".to_owned());
    world.import(&ad(), vec![moved]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
}

#[test]
fn each_cause_has_its_own_release() {
    let cases = [
        ("delete", "disable", vec!["Delete User ada:"], vec!["Disable User ada: active=False"]),
        ("disable", "delete", vec!["Disable User ada: active=False"], vec!["Delete User ada:"]),
        ("keep", "keep", vec![], vec![]),
    ];
    for (on_delete, on_out_of_scope, when_deleted, when_out) in cases {
        let rules = RULES
            .replace("on-delete = \"delete\"", &format!("on-delete = \"{on_delete}\""))
            .replace(
                "on-out-of-scope = \"disable\"",
                &format!("on-out-of-scope = \"{on_out_of_scope}\""),
            );
        let mut world = World::new(&rules);
        world.import(&ad(), vec![user("ada")]);
        world.cycle();
        world.change(&ad(), vec![deleted("ada")]);
        assert_eq!(world.cycle(), when_deleted, "{on_delete} when deleted");

        let mut world = World::new(&rules);
        world.import(&ad(), vec![user("ada")]);
        world.cycle();
        world.change(&ad(), vec![changed("user", "ada", &[("hidden", Some("x"))])]);
        assert_eq!(world.cycle(), when_out, "{on_out_of_scope} when out of scope");
        let unlinked = world.target().iter().any(|line| line.ends_with("(unlinked)"));
        assert_eq!(unlinked, on_out_of_scope == "keep");
    }
}

/// Rules that switch off what left the scope and remove it after 30 days.
fn later() -> String {
    RULES.replace(
        "on-out-of-scope = \"disable\"",
        "on-out-of-scope = \"disable-then-delete\"\ndelete-after-days = 30",
    )
}

fn out(anchor: &str) -> ImportChange {
    changed("user", anchor, &[("hidden", Some("yes"))])
}

fn back(anchor: &str) -> ImportChange {
    changed("user", anchor, &[("hidden", None)])
}

const DAYS: i64 = 24;

#[test]
fn what_is_switched_off_first_is_removed_when_its_days_are_over() {
    let mut world = World::new(&later());
    world.import(&ad(), vec![user("ada"), user("bob"), group("staff", &["ada", "bob"])]);
    world.cycle();
    world.change(&ad(), vec![out("ada")]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
    // Another one, five days later: each has its own days.
    world.later(5 * DAYS);
    world.change(&ad(), vec![out("bob")]);
    assert_eq!(world.cycle(), ["Disable User bob: active=False"]);
    world.later(25 * DAYS - 1);
    assert_eq!(world.cycle(), [] as [&str; 0], "an hour too early");
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), [] as [&str; 0], "neither with all objects looked at");
    world.later(1);
    world.sync(SyncMode::Delta);
    let pending = world.store.objects(&cloud(), crate::store::Which::PendingExport, None, 9);
    let reason = pending.unwrap().remove(0).pending_export.unwrap().reason;
    assert!(reason.contains("left the scope") && reason.contains("off for 30 days"), "{reason}");
    assert_eq!(world.cycle(), ["Delete User ada:"]);
    world.later(5 * DAYS);
    assert_eq!(world.cycle(), ["Delete User bob:"]);
    assert_eq!(world.target(), ["Group displayName=staff externalId=staff"]);
    // Nothing is looked for any more.
    world.later(365 * DAYS);
    assert_eq!(world.sync(SyncMode::Delta).identities, 0);
}

#[test]
fn what_comes_back_in_between_is_never_removed() {
    let mut world = World::new(&later());
    world.import(&ad(), vec![user("ada")]);
    world.cycle();
    world.change(&ad(), vec![out("ada")]);
    world.cycle();
    world.later(29 * DAYS);
    world.change(&ad(), vec![back("ada")]);
    assert_eq!(world.cycle(), ["Update User ada: active=True"]);
    world.later(10 * DAYS);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    // When it leaves again, its days begin anew.
    world.change(&ad(), vec![out("ada")]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
    world.later(29 * DAYS);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    // It comes back with the very import after which it would have been removed, and when that was planned already.
    world.later(2 * DAYS);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending(), ["Delete User ada:"]);
    world.change(&ad(), vec![back("ada")]);
    assert_eq!(world.cycle(), ["Update User ada: active=True"]);
    assert_eq!(world.target(), ["User active=True externalId=ada userName=ada"]);
}

#[test]
fn the_days_are_those_that_it_was_off() {
    let mut world = World::new(&later());
    world.import(&ad(), vec![user("ada")]);
    world.cycle();
    world.change(&ad(), vec![out("ada")]);
    world.sync(SyncMode::Delta);
    // Nobody lets the plan through for a long time.
    world.later(40 * DAYS);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending(), ["Disable User ada: active=False"]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
    // And somebody switches it on in the target.
    world.later(20 * DAYS);
    let id = world.store.objects(&cloud(), crate::store::Which::All, None, 9).unwrap().remove(0);
    let anchor = id.anchor.unwrap().to_string();
    world.change(&cloud(), vec![changed("User", &anchor, &[("active", Some("true"))])]);
    assert_eq!(world.cycle(), ["Disable User ada: active=False"]);
    world.later(29 * DAYS);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    world.later(DAYS);
    assert_eq!(world.cycle(), ["Delete User ada:"]);
}

#[test]
fn without_the_operation_delete_nothing_is_removed_or_switched_off() {
    let rules = RULES.replace(
        "on-delete = \"delete\"",
        "on-delete = \"delete\"\noperations = [\"add\", \"update\"]",
    );
    let mut world = World::new(&rules);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.cycle();
    let hidden = changed("user", "bob", &[("hidden", Some("x"))]);
    world.change(&ad(), vec![deleted("ada"), hidden]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
}

#[test]
fn what_was_never_made_is_not_deleted() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending().len(), 2);
    world.change(&ad(), vec![deleted("ada")]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending(), ["Add User active=True externalId=bob userName=bob"]);
}

#[test]
fn what_was_sent_and_not_answered_is_not_forgotten() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.sync(SyncMode::Delta);
    let pending = world.store.objects(&cloud(), crate::store::Which::All, None, 10).unwrap();
    world.store.begin().unwrap();
    for mut object in pending {
        object.pending_export.as_mut().unwrap().sent = Some(world.now);
        world.store.put_object(&object).unwrap();
    }
    world.store.commit().unwrap();
    world.change(&ad(), vec![deleted("ada"), changed("user", "bob", &[("title", Some("Dr"))])]);
    world.sync(SyncMode::Delta);
    // The export has to find out whether it is there, by the values that were sent; then it is deleted, or brought up to
    // date.
    assert_eq!(
        world.pending(),
        [
            "Add User active=True externalId=ada userName=ada",
            "Add User active=True externalId=bob title=Dr userName=bob"
        ]
    );
    let pending = world.store.objects(&cloud(), crate::store::Which::All, None, 10).unwrap();
    assert!(pending.iter().all(|object| object.pending_export.as_ref().unwrap().sent.is_some()));
}

#[test]
fn a_person_who_comes_back_as_a_new_object_has_the_old_account() {
    // Found by the user name, while the deletion was not carried out yet.
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("bob")]);
    world.cycle();
    world.change(&ad(), vec![deleted("ada")]);
    world.sync(SyncMode::Delta);
    assert_eq!(world.pending(), ["Delete User ada:"]);
    world.change(&ad(), vec![ImportChange::Object(object("user", "ada-2").with("name", "ada"))]);
    assert_eq!(world.cycle(), ["Update User ada: externalId=ada-2"]);
    assert_eq!(world.target().len(), 2);
    assert_eq!(world.escrows(), []);
}

#[test]
fn another_type_at_one_anchor_is_another_identity() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("x"), user("bob")]);
    world.cycle();
    world.change(&ad(), vec![ImportChange::Object(group("x", &["bob"]))]);
    let told = world.cycle();
    assert!(told.contains(&"Delete User x:".to_owned()), "{told:?}");
    assert_eq!(world.target()[0], "Group displayName=x externalId=x members->bob");
    assert_eq!(world.target().len(), 2);
}

#[test]
fn an_object_that_the_target_lost_is_made_again() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), group("staff", &["ada"])]);
    world.cycle();
    let before = world.target();
    let anchor = world.store.objects(&cloud(), crate::store::Which::All, None, 10).unwrap();
    let lost = anchor.into_iter().find(|it| it.object_type == Some("User".into())).unwrap();
    world.change(&cloud(), vec![ImportChange::Deleted(lost.anchor.unwrap())]);
    assert_eq!(
        world.cycle(),
        ["Add User active=True externalId=ada userName=ada", "Update Group staff: members->"]
    );
    assert_eq!(world.target(), before);
}

#[test]
fn a_sticky_join_holds_what_a_join_does_not() {
    for (link, expected) in [("join", "Delete User ada:"), ("sticky-join", "")] {
        let rules = format!(
            "{RULES}\n[[rule]]\nname = \"in hr\"\ndirection = \"inbound\"\nconnector = \"hr\"\n\
             object-type = \"worker\"\nmetaverse-type = \"person\"\nlink = \"{link}\"\n\
             join = [[{{ from = \"login\", to = \"name\" }}]]\n\
             flow = [{{ to = \"hrTitle\", from = \"title\" }}, {{ to = \"name\", from = \"login\" }}]\n"
        );
        let mut world = World::new(&rules);
        let hr = crate::ConnectorId::new("hr");
        world.import(&ad(), vec![user("ada"), user("bob")]);
        world.import(&hr, vec![object("worker", "w1").with("login", "ada")]);
        world.cycle();
        assert!(world.at(&hr, "w1").link.is_some());
        world.change(&ad(), vec![deleted("ada")]);
        let told = world.cycle();
        assert_eq!(told.iter().any(|line| line == expected), !expected.is_empty(), "{told:?}");
        // The end of the last holder is the end of it.
        if link == "sticky-join" {
            world.change(&hr, vec![deleted("w1")]);
            let told = world.cycle();
            assert_eq!(told, ["Delete User"]);
        }
    }
}

/// Users with the title `service` are of another type in the target.
fn two_types(more: &str) -> String {
    format!(
        r#"{RULES}
[[rule]]
name = "out service"
direction = "outbound"
connector = "cloud"
object-type = "Service"
metaverse-type = "person"
link = "provision"
precedence = 1
scope = [[{{ attribute = "title", operator = "EQUAL", value = "service" }}]]
match = ["externalId"]
{more}
flow = [
    {{ to = "externalId", from = "sourceAnchor" }},
    {{ to = "label", from = "name" }},
]
"#
    )
}

#[test]
fn what_is_of_another_type_now_is_replaced() {
    let mut world = World::new(&two_types(""));
    world.import(&ad(), vec![user("ada"), user("bob"), group("staff", &["ada", "bob"])]);
    world.cycle();
    let before = world.target();
    world.change(&ad(), vec![changed("user", "ada", &[("title", Some("service"))])]);
    assert_eq!(
        world.cycle(),
        [
            "DeleteAdd User ada:",
            "Add Service externalId=ada label=ada",
            "Update Group staff: members->"
        ]
    );
    assert_eq!(
        world.target(),
        [
            "Group displayName=staff externalId=staff members->ada+bob",
            "Service externalId=ada label=ada",
            "User active=True externalId=bob userName=bob",
        ]
    );
    world.change(&ad(), vec![changed("user", "ada", &[("title", None)])]);
    assert_eq!(world.cycle()[0], "DeleteAdd Service ada:");
    assert_eq!(world.target(), before);
    // What is only planned changes its type without being removed.
    world.change(&ad(), vec![told(user("eve"))]);
    world.sync(SyncMode::Delta);
    world.change(&ad(), vec![changed("user", "eve", &[("title", Some("service"))])]);
    assert_eq!(world.cycle()[0], "Add Service externalId=eve label=eve");
}

#[test]
fn nothing_is_replaced_that_its_rule_does_not_let_be_removed() {
    let rules = two_types("").replace("on-delete = \"delete\"", "on-delete = \"disable\"");
    let mut world = World::new(&rules);
    world.import(&ad(), vec![user("ada")]);
    world.cycle();
    let before = world.target();
    world.change(&ad(), vec![changed("user", "ada", &[("title", Some("service"))])]);
    world.cycle_with_escrow();
    assert_eq!(world.target(), before);
    let escrows = world.escrows();
    assert_eq!(escrows.len(), 1);
    assert!(escrows[0].1.contains("wants it as a Service"), "{escrows:?}");
}
