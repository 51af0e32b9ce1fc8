//! Beside somebody else who provisions to the same tenant: a new forest of an existing hybrid, and a pilot of a forest that
//! the other provisions already.

use scim_provisioning_service::job::{Mode, Pilot};
use scim_sync::rules::Release;
use serde_json::{Value, json};

use super::{Forest, World, anchor};
use crate::bed::{actor, named, succeeded};

/// Somebody else makes a user, and gives it an identifier of theirs.
fn made_by_other(world: &World, name: &str, external: &str, title: &str) -> Value {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name, "externalId": external, "title": title, "active": true
    });
    world.server.client().post("/Users", &user).expect(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_hybrid_gets_a_new_forest() {
    let world = World::new();
    // The primary forest is provisioned by somebody else.
    let primary: Vec<Value> = (0..20)
        .map(|n| {
            made_by_other(
                &world,
                &format!("p{n}@primary.example"),
                &format!("connect-{n}"),
                "Of the other",
            )
        })
        .collect();
    // Somebody of the new forest was made by hand before there was a job, without an identifier of any directory.
    let by_hand = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eve@acquired.example", "active": true
    });
    let by_hand = world.server.client().post("/Users", &by_hand).expect(201);
    let acquired = Forest::new("acquired", 3);
    let ada = acquired.person("ada", &[]);
    let eve = acquired.person("eve", &[("title", "Founder")]);
    acquired.group("newcomers", &[ada, eve]);
    world.agent(&acquired, "acquired-dc").await;

    // First without writing: what would be done is looked at.
    let key = world.job(&acquired, |settings| settings.mode = Mode::Staging).await;
    succeeded(&world.start(&key).await);
    assert_eq!(world.written(), []);
    let plan = world.jobs().plan(&key).await.unwrap();
    assert_eq!(
        (plan.counts["delete"].as_u64(), plan.counts["disable"].as_u64()),
        (Some(0), Some(0))
    );
    world.jobs().go_live(&key, Some(&plan.digest), &actor()).await.unwrap();
    succeeded(&world.next(&key).await);
    succeeded(&world.next(&key).await);

    let held = world.held();
    assert_eq!(held.len(), 23, "{held:?}");
    assert_eq!(held["newcomers"], ["ada@acquired.example", "eve@acquired.example"]);
    // Joined, not made a second time.
    let joined = world.user("eve@acquired.example");
    assert_eq!(joined["id"], by_hand["id"]);
    assert_eq!((&joined["externalId"], &joined["title"]), (&anchor(eve).into(), &"Founder".into()));
    // What the other one provisions is as it was, to the version.
    for before in primary {
        let now = world.user(before["userName"].as_str().unwrap());
        assert_eq!(now["meta"]["version"], before["meta"]["version"]);
    }
    // And it stays so when the new forest is closed down.
    acquired.ad.delete(ada);
    succeeded(&world.next(&key).await);
    assert_eq!(world.held().len(), 22);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_beside_an_existing_synchronisation() {
    let world = World::new();
    let corp = Forest::new("corp", 4);
    let people: Vec<[u8; 16]> = (0..12).map(|n| corp.person(&format!("u{n:02}"), &[])).collect();
    // The other synchronisation has provisioned all of them, by the same anchors.
    let before: Vec<Value> = people
        .iter()
        .enumerate()
        .map(|(n, guid)| {
            made_by_other(&world, &format!("u{n:02}@corp.example"), &anchor(*guid), "Of the other")
        })
        .collect();
    let pilots = corp.group("pilots", &people[..2]);
    world.agent(&corp, "dc1").await;
    let key = world
        .job(&corp, |settings| {
            settings.pilot =
                Some(Pilot { group: Some(format!("CN=pilots,{}", corp.base)), ..Pilot::default() });
            // Whoever leaves the pilot goes back to the other one, and is not taken away.
            settings.deprovision.on_out_of_scope = Release::Keep;
        })
        .await;
    succeeded(&world.start(&key).await);
    succeeded(&world.next(&key).await);
    let held = world.held();
    assert_eq!(held.len(), 13, "{held:?}");
    assert_eq!(held["pilots"].len(), 2);
    // The pilots are joined by their anchors: this job's from now on. The others are untouched.
    for (n, before) in before.iter().enumerate() {
        let now = world.user(&format!("u{n:02}@corp.example"));
        assert_eq!(now["id"], before["id"]);
        let same = now["meta"]["version"] == before["meta"]["version"];
        assert_eq!(same, n >= 2, "{now}");
    }
    // One more comes in, one leaves: nobody is switched off or removed.
    corp.ad.link(pilots, "member", &people[2..3], true);
    corp.ad.link(pilots, "member", &people[..1], false);
    succeeded(&world.next(&key).await);
    succeeded(&world.next(&key).await);
    let held = world.held();
    assert_eq!(held["pilots"], ["u01@corp.example", "u02@corp.example"]);
    assert!(held.contains_key("u00@corp.example"), "{held:?}");
    assert_eq!(held.len(), 13);

    // The pilot ends, and the rest comes: joined, and nothing made twice.
    let mut settings = world.jobs().get(&key).await.unwrap().hybrid;
    settings.pilot = None;
    world.jobs().configure(&key, &named(&settings), &actor()).await.unwrap();
    succeeded(&world.next(&key).await);
    succeeded(&world.next(&key).await);
    let held = world.held();
    assert_eq!(held.len(), 13, "{held:?}");
    assert_ne!(world.user("u11@corp.example")["meta"]["version"], before[11]["meta"]["version"]);
    world.end().await;
}
