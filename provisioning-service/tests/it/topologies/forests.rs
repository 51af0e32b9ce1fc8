//! One forest, several domains, forests that know nothing of each other.

use super::{Forest, World};
use crate::bed::succeeded;

fn names(world: &World) -> Vec<String> {
    world.held().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_forest_to_a_single_tenant() {
    let world = World::new();
    let corp = Forest::new("corp", 1);
    let ada = corp.person("ada", &[("title", "Engineer")]);
    let bob = corp.person("bob", &[]);
    // An account that is disabled is made all the same, and is off.
    corp.person("old", &[("userAccountControl", "514")]);
    let staff = corp.group("staff", &[ada, bob]);
    // Two agents of one group: one of them going makes no difference.
    world.agent(&corp, "dc1").await;
    world.agent(&corp, "dc2").await;
    let key = world.job(&corp, |_| {}).await;
    succeeded(&world.start(&key).await);
    assert_eq!(
        names(&world),
        ["ada@corp.example", "bob@corp.example", "old@corp.example (off)", "staff"]
    );
    assert_eq!(world.held()["staff"], ["ada@corp.example", "bob@corp.example"]);
    assert_eq!(world.user("ada@corp.example")["title"], "Engineer");

    assert!(world.hub.disconnect("default", "dc1", "its machine is gone"));
    corp.ad.delete(bob);
    corp.person("eve", &[]);
    corp.ad.link(staff, "member", &[ada], false);
    succeeded(&world.next(&key).await);
    assert_eq!(
        names(&world),
        ["ada@corp.example", "eve@corp.example", "old@corp.example (off)", "staff"]
    );
    assert!(world.held()["staff"].is_empty());
    let _ = world.written();
    succeeded(&world.next(&key).await);
    assert_eq!(world.written(), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_domains_with_agents_of_their_own_and_one_tenant() {
    let world = World::new();
    let (north, south) = (Forest::new("north", 1), Forest::new("south", 2));
    let people: Vec<_> = (0..8).map(|n| north.person(&format!("n{n}"), &[])).collect();
    let ada = north.person("ada", &[]);
    // The same account name in another domain is another person.
    let other = south.person("ada", &[]);
    let sue = south.person("sue", &[]);
    north.group("north staff", &[ada, people[0]]);
    south.group("south staff", &[other, sue]);
    world.agent(&north, "north-dc").await;
    world.agent(&south, "south-dc").await;
    let (of_north, of_south) = (world.job(&north, |_| {}).await, world.job(&south, |_| {}).await);
    succeeded(&world.start(&of_north).await);
    succeeded(&world.start(&of_south).await);
    let held = world.held();
    assert_eq!(held.len(), 13, "{held:?}");
    assert_eq!(held["south staff"], ["ada@south.example", "sue@south.example"]);
    assert_eq!(held["north staff"], ["ada@north.example", "n0@north.example"]);
    assert_ne!(
        world.user("ada@north.example")["externalId"],
        world.user("ada@south.example")["externalId"]
    );

    // Each job reads the whole tenant and touches what is its own: neither takes the other's people away.
    let _ = world.written();
    for job in world.both(&of_north, &of_south).await {
        succeeded(&job);
    }
    assert_eq!(world.written(), []);
    south.ad.delete(sue);
    north.ad.set(ada, "title", Some("Captain"));
    for job in world.both(&of_north, &of_south).await {
        succeeded(&job);
    }
    let held = world.held();
    assert_eq!((held.len(), held["south staff"].len()), (12, 1), "{held:?}");
    assert_eq!(world.user("ada@north.example")["title"], "Captain");
    assert_eq!(world.user("ada@south.example").get("title"), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_forests_do_not_wait_for_each_other() {
    let world = World::new();
    let (main, island) = (Forest::new("main", 1), Forest::new("island", 2));
    main.person("ada", &[]);
    island.person("bob", &[]);
    world.agent(&main, "main-dc").await;
    let (of_main, of_island) = (world.job(&main, |_| {}).await, world.job(&island, |_| {}).await);
    // Nobody is connected on the island: its job cannot run, and takes nothing for gone.
    let cut = world.start(&of_island).await;
    let error = cut.status.last_execution.unwrap().error.unwrap().message;
    assert!(error.contains("no agent of the group"), "{error}");
    succeeded(&world.start(&of_main).await);
    assert_eq!(names(&world), ["ada@main.example"]);

    world.agent(&island, "island-dc").await;
    succeeded(&world.next(&of_island).await);
    assert_eq!(names(&world), ["ada@main.example", "bob@island.example"]);
    // The island is cut off again, and the mainland goes on.
    assert!(world.hub.disconnect("default", "island-dc", "the cable is cut"));
    main.person("eve", &[]);
    let [of_main_now, of_island_now] = world.both(&of_main, &of_island).await;
    succeeded(&of_main_now);
    assert!(of_island_now.status.last_execution.unwrap().error.is_some());
    assert_eq!(names(&world), ["ada@main.example", "bob@island.example", "eve@main.example"]);
    world.agent(&island, "island-dc").await;
    island.person("sue", &[]);
    succeeded(&world.next(&of_island).await);
    assert_eq!(names(&world).len(), 4);
    world.end().await;
}
