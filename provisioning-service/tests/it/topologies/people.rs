//! The same people in two forests: one job makes them, the other joins them and keeps to attributes of its own.

use scim_provisioning_service::job::JobKey;
use scim_sync::rules::Release;
use scim_sync::rules::graph::JobSchema;

use super::{Forest, World};
use crate::bed::{actor, succeeded};

/// Leaves of the users' mapping what `keep` says, and of groups and contacts nothing.
fn only(schema: &mut JobSchema, keep: impl Fn(&str) -> bool) {
    for rule in &mut schema.synchronization_rules {
        for mapping in &mut rule.object_mappings {
            if mapping.target_object_name == "User" {
                mapping.attribute_mappings.retain(|it| keep(&it.target_attribute_name));
            }
        }
    }
}

async fn remap(world: &World, key: &JobKey, keep: impl Fn(&str) -> bool) {
    let mut schema = world.jobs().schema(key).await.unwrap();
    only(&mut schema, keep);
    world.jobs().save_schema(key, &schema, &actor()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_two_forests_are_joined_and_each_job_keeps_to_its_own() {
    let world = World::new();
    // Accounts are in the one, telephones in the other; the name by which people sign in is the same.
    let (accounts, telephones) = (Forest::new("accounts", 5), Forest::new("telephones", 6));
    let login = ("userPrincipalName", "ada@example.com");
    accounts.person("ada", &[login, ("title", "Engineer")]);
    let there = telephones.person("a.lovelace", &[login, ("telephoneNumber", "+49 30 1")]);
    world.agent(&accounts, "accounts-dc").await;
    world.agent(&telephones, "telephones-dc").await;
    let telephone = |name: &str| name.starts_with("phoneNumbers");
    let of_accounts = world.job(&accounts, |_| {}).await;
    remap(&world, &of_accounts, |name| !telephone(name)).await;
    let of_telephones = world
        .job(&telephones, |settings| {
            settings.deprovision.on_delete = Release::Keep;
            settings.deprovision.on_out_of_scope = Release::Keep;
        })
        .await;
    remap(&world, &of_telephones, |name| telephone(name) || name == "userName").await;

    succeeded(&world.start(&of_accounts).await);
    succeeded(&world.start(&of_telephones).await);
    for job in world.both(&of_accounts, &of_telephones).await {
        succeeded(&job);
    }
    assert_eq!(world.held().len(), 1, "{:?}", world.held());
    let ada = world.user("ada@example.com");
    assert_eq!(ada["title"], "Engineer");
    assert_eq!(ada["phoneNumbers"][0]["value"], "+49 30 1", "{ada}");
    // Neither undoes what the other did.
    let _ = world.written();
    for _ in 0..2 {
        for job in world.both(&of_accounts, &of_telephones).await {
            succeeded(&job);
        }
    }
    assert_eq!(world.written(), []);

    // A change on either side, and an end on the side that only adds.
    telephones.ad.set(there, "telephoneNumber", Some("+49 30 2"));
    succeeded(&world.next(&of_telephones).await);
    assert_eq!(world.user("ada@example.com")["phoneNumbers"][0]["value"], "+49 30 2");
    telephones.ad.delete(there);
    succeeded(&world.next(&of_telephones).await);
    assert_eq!(world.user("ada@example.com")["active"], true);
    world.end().await;
}
