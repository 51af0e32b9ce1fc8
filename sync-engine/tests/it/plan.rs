//! Plans as people read them.

use std::time::Instant;

use chrono::{DateTime, Utc};
use scim_sync::metaverse::{Life, MetaverseObject};
use scim_sync::plan::{ExportPlan, PlanOptions, SameName};
use scim_sync::space::{ExportKind, PendingExport, PendingImport, SpaceKind, SpaceObject};
use scim_sync::{
    AttributeSet, ConnectorId, MemoryStore, MetaverseId, ObjectType, SpaceId, SyncStore,
};

use crate::world::{World, name};

/// A company in which something of everything happens at once.
fn busy() -> World {
    let mut world = World::new();
    let ada = world.user("ada");
    let bob = world.user("bob");
    let eve = world.user("eve");
    let mallory = world.user("mallory");
    let staff = world.group("Staff", &[&ada, &bob, &eve, &mallory]);
    world.group("Projects", &[&staff]);
    world.cycle();
    world.set(&ada, "displayName", "Ada, Countess of Lovelace");
    world.set(&ada, "title", "Countess\r\n- User everybody");
    world.change(&ada, |entry| {
        entry.references.insert(name("manager"), [bob.clone()].into());
    });
    world.set(&bob, "enabled", false);
    world.change(&eve, |entry| entry.in_scope = false);
    world.delete(&mallory);
    let grace = world.user("grace");
    world.change(&staff, |entry| {
        let members = entry.references.entry(name("member")).or_default();
        members.insert(grace.clone());
        members.remove(&bob);
    });
    world.options.export = false;
    world
}

#[test]
fn a_plan_is_read_by_people() {
    let mut world = busy();
    let report = world.cycle();
    insta::assert_snapshot!(report.targets[0].plan.to_string());
}

#[test]
fn a_plan_is_read_by_programs() {
    let mut world = busy();
    let report = world.cycle();
    insta::assert_json_snapshot!(report.targets[0].plan);
}

#[test]
fn a_long_plan_shows_its_first_steps_and_counts_them_all() {
    let mut world = World::new();
    for number in 0..30 {
        world.user(&format!("user{number:02}"));
    }
    world.options.export = false;
    let whole = world.cycle().targets.remove(0).plan;
    world.options.plan_lines = 4;
    let short = world.cycle().targets.remove(0).plan;
    assert_eq!(short.digest(), whole.digest());
    assert_eq!(short.counts(), whole.counts());
    assert_eq!(short.steps(), &whole.steps()[..4]);
    assert_eq!(short.omitted(), 26);
    insta::assert_snapshot!(short.to_string());
}

#[test]
fn an_empty_plan_says_so() {
    let mut world = World::new();
    world.user("ada");
    world.cycle();
    insta::assert_snapshot!(world.cycle().targets[0].plan.to_string());
}

#[test]
fn a_secret_is_in_no_plan_and_in_no_digest() {
    let plan = |password: &str| {
        let mut store = MemoryStore::new();
        store.begin().unwrap();
        let mut object = pending(0);
        if let Some(export) = &mut object.pending_export {
            export.attributes.insert(name("password"), vec![password.into()]);
        }
        let identity = insert_identity(&mut store);
        object.link = Some(link(identity));
        store.insert_object(&object).unwrap();
        store.commit().unwrap();
        let options = PlanOptions::new(now());
        ExportPlan::build(&store, &"cloud".into(), &SameName, &options).unwrap()
    };
    let one = plan("correct horse");
    for text in [one.to_string(), serde_json::to_string(&one).unwrap(), format!("{one:?}")] {
        assert!(!text.contains("correct"), "{text}");
    }
    assert_eq!(one.digest(), plan("battery staple").digest());
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn insert_identity(store: &mut MemoryStore) -> MetaverseId {
    let identity = MetaverseObject {
        id: MetaverseId(0),
        object_type: ObjectType::new("person"),
        attributes: Default::default(),
        references: Default::default(),
        life: Life::Held,
    };
    store.insert_metaverse(&identity).unwrap()
}

fn link(metaverse: MetaverseId) -> scim_sync::space::Link {
    let origin = scim_sync::space::LinkOrigin::Provisioned { rule: "Out user".to_owned() };
    scim_sync::space::Link { metaverse, origin, released: None }
}

fn pending(number: u64) -> SpaceObject {
    let attributes = [
        ("userName", format!("user{number}@example.com")),
        ("displayName", format!("User {number}")),
        ("externalId", format!("g-{number}")),
        ("name.givenName", format!("Given {number}")),
        ("name.familyName", format!("Family {number}")),
        ("title", "Engineer".to_owned()),
    ];
    SpaceObject {
        id: SpaceId(0),
        connector: ConnectorId::new("cloud"),
        object_type: Some(ObjectType::new("User")),
        anchor: None,
        dn: None,
        kind: SpaceKind::Staged,
        scope: Default::default(),
        hologram: AttributeSet::new(),
        version: None,
        pending_import: PendingImport::None,
        pending_export: Some(PendingExport {
            kind: ExportKind::Add,
            attributes: attributes
                .iter()
                .map(|(attribute, value)| (name(attribute), vec![value.as_str().into()]))
                .collect(),
            references: Default::default(),
            reason: "rule `Out user` takes it in".to_owned(),
            sent: None,
        }),
        unconfirmed: None,
        link: None,
    }
}

/// How long a plan of many objects takes: `SYNC_PLAN=100000` with an optimised build tells the number that counts.
#[test]
fn a_plan_of_many_objects_is_made_in_time() {
    let size = std::env::var("SYNC_PLAN").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let mut store = MemoryStore::new();
    store.begin().unwrap();
    for number in 0..size {
        let mut object = pending(number);
        object.link = Some(link(insert_identity(&mut store)));
        store.insert_object(&object).unwrap();
    }
    store.commit().unwrap();
    let begun = Instant::now();
    let plan =
        ExportPlan::build(&store, &"cloud".into(), &SameName, &PlanOptions::new(now())).unwrap();
    let took = begun.elapsed();
    println!("a plan of {size} objects: {took:?}");
    assert_eq!(plan.counts().create, size);
    assert!(took.as_secs() < 20, "{took:?}");
}
