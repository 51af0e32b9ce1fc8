//! Stores that are opened again with other schemas, with a life in between.

use std::path::Path;
use std::sync::Arc;

use scim_core::{Registry, Version};

use crate::store::suite::block_on;
use crate::store::suite::help::{
    REGISTRY, at, batch, change, create, creation, default, deletion, find, get, key, other,
    resource, user, write,
};
use crate::store::{
    AdminStore, Include, Key, MemoryStore, ResourceStore, SqliteOptions, SqliteStore, StoreError,
};

/// A badge for users, with a number that is unique, and doors.
fn wide() -> Arc<Registry> {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{"schemas":[
                {"id":"urn:x:Badge","attributes":[
                    {"name":"number","type":"string","uniqueness":"server"},
                    {"name":"boss","type":"complex","subAttributes":[
                        {"name":"$ref","type":"reference","referenceTypes":["User"]}]}]},
                {"id":"urn:x:Door","attributes":[{"name":"name","type":"string","required":true}]}],
            "resourceTypes":[{"name":"Door","endpoint":"/Doors","schema":"urn:x:Door"}],
            "extensions":{"User":[{"schema":"urn:x:Badge"}]}}"#,
        )
        .unwrap();
    Arc::new(registry)
}

const WITH: &str = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:x:Badge"],
    "userName":"u1","urn:x:Badge":{"number":"7","boss":{"$ref":"Users/2"}}}"#;
const WITHOUT: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u1"}"#;
const RENAMED: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"renamed"}"#;
const RENAMED_WITH: &str = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:x:Badge"],
    "userName":"renamed","urn:x:Badge":{"number":"7","boss":{"$ref":"Users/2"}}}"#;

/// The sentences about what is not registered.
async fn told(store: &impl AdminStore) -> Vec<String> {
    let all = store.unregistered().await.unwrap();
    all.iter().map(|kept| kept.to_string().split(';').next().unwrap().to_owned()).collect()
}

async fn fill<S: ResourceStore + AdminStore>(store: &S) {
    create(store, &user(1), WITH).await;
    create(store, &user(2), &WITHOUT.replace("u1", "u2")).await;
    create(store, &user(3), &WITH.replace("u1", "u3").replace('7', "8")).await;
    create(store, &user(4), &WITH.replace("u1", "u4").replace('7', "9")).await;
    create(store, &key("Door", 5), r#"{"name":"north"}"#).await;
    assert!(told(store).await.is_empty());
}

/// What holds while the schemas are gone; changes one user and deletes another.
async fn live_without<S: ResourceStore + AdminStore>(store: &S) {
    assert_eq!(
        told(store).await,
        [
            "1 stored resource of type Door cannot be reached: the type is not registered",
            "3 stored resources of type User hold data of urn:x:Badge, which is not registered"
        ]
    );
    store.health().await.unwrap();
    assert_eq!(store.verify().await.unwrap(), []);
    let stored = get(store, &user(1)).await;
    assert_eq!(resource(std::str::from_utf8(&stored.body).unwrap()), resource(WITHOUT));
    write(store, 10, change(&user(1), WITHOUT, RENAMED)).await.unwrap();
    write(store, 20, deletion(&user(3))).await.unwrap();
    assert_eq!(find(store, "User", r#"userName eq "renamed""#).await, [1]);
    assert_eq!(store.verify().await.unwrap(), []);
}

/// What holds when they are back.
async fn live_again<S: ResourceStore + AdminStore>(store: &S) {
    assert!(told(store).await.is_empty());
    let stored = get(store, &user(1)).await;
    assert_eq!(resource(std::str::from_utf8(&stored.body).unwrap()), resource(RENAMED_WITH));
    assert!(store.get(&key("Door", 5), Include::default()).await.is_ok());
    // Its key is back too.
    let twin = WITH.replace("u1", "u9");
    match write(store, 30, creation(&user(9), &twin, &[])).await {
        Err(StoreError::Uniqueness { attribute }) => assert_eq!(attribute, "urn:x:Badge:number"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.verify().await.unwrap(), []);
    assert_eq!(store.changes(&default(), 0, 99).await.unwrap().len(), 7);
}

#[test]
fn memory_keeps_what_is_not_registered() {
    block_on(async {
        let store = MemoryStore::new(wide(), at(0));
        fill(&store).await;
        let store = store.reopened(Arc::clone(&REGISTRY), at(9)).unwrap();
        live_without(&store).await;
        live_again(&store.reopened(wide(), at(29)).unwrap()).await;
    });
}

fn open(folder: &Path, registry: &Arc<Registry>) -> SqliteStore {
    SqliteStore::open(folder, Arc::clone(registry), at(0), &SqliteOptions::default()).unwrap()
}

#[test]
fn sqlite_keeps_what_is_not_registered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    block_on(async {
        fill(&open(folder, &wide())).await;
        live_without(&open(folder, &REGISTRY)).await;
        // A start with the same schemas changes nothing.
        let store = open(folder, &REGISTRY);
        assert_eq!(told(&store).await.len(), 2);
        drop(store);
        live_again(&open(folder, &wide())).await;
        let user = get(&open(folder, &wide()), &user(1)).await;
        assert!(user.relative_refs, "the reference that came back would be shown relative");
    });
}

#[test]
fn a_database_of_the_version_before_is_settled_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    block_on(async {
        fill(&open(folder, &wide())).await;
        rusqlite::Connection::open(folder.join("scim.db"))
            .unwrap()
            .execute("UPDATE resource_type SET names = NULL", [])
            .unwrap();
        live_without(&open(folder, &REGISTRY)).await;
    });
}

/// The badge's number as a number: none of those that are stored as text fits.
fn numeric() -> Arc<Registry> {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{"schemas":[{"id":"urn:x:Badge","attributes":[{"name":"number","type":"integer"},
                    {"name":"boss","type":"complex","subAttributes":[
                        {"name":"$ref","type":"reference","referenceTypes":["User"]}]}]}],
            "extensions":{"User":[{"schema":"urn:x:Badge"}]}}"#,
        )
        .unwrap();
    Arc::new(registry)
}

/// What holds while the badge's number is of another type.
async fn live_otherwise<S: ResourceStore + AdminStore>(store: &S) {
    let badges = "3 stored resources of type User hold data of urn:x:Badge that does not fit the schema which is registered";
    assert_eq!(told(store).await[1], badges);
    let stored = get(store, &user(1)).await;
    let without = WITH.replace(r#""number":"7","#, "");
    assert_eq!(resource(std::str::from_utf8(&stored.body).unwrap()), resource(&without));
    // Who holds what it was before may not write over it.
    assert_eq!(stored.version, Version::FIRST.next());
    assert!(stored.modified > stored.created);
    let untouched = get(store, &user(2)).await;
    assert_eq!((untouched.version, untouched.modified), (Version::FIRST, untouched.created));
    write(
        store,
        10,
        change(&user(1), &without, &without.replace(r#"{"boss"#, r#"{"number":7,"boss"#)),
    )
    .await
    .unwrap();
    assert_eq!(store.verify().await.unwrap(), []);
}

/// What holds when the type is what it was.
async fn live_as_before<S: ResourceStore + AdminStore>(store: &S) {
    let stored = get(store, &user(1)).await;
    assert_eq!(resource(std::str::from_utf8(&stored.body).unwrap()), resource(WITH));
    assert_eq!(stored.version, Version::FIRST.next().next().next());
    assert_eq!(
        told(store).await,
        [
            "1 stored resource of type User hold data of urn:x:Badge that does not fit the schema which is registered"
        ],
        "the number that was written meanwhile"
    );
    assert_eq!(store.verify().await.unwrap(), []);
}

#[test]
fn data_of_another_type_is_kept_and_told() {
    block_on(async {
        let store = MemoryStore::new(wide(), at(0));
        fill(&store).await;
        let store = store.reopened(numeric(), at(9)).unwrap();
        live_otherwise(&store).await;
        live_as_before(&store.reopened(wide(), at(29)).unwrap()).await;

        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path(), &wide())).await;
        let later = |registry, now| {
            SqliteStore::open(folder.path(), registry, at(now), &SqliteOptions::default()).unwrap()
        };
        live_otherwise(&later(numeric(), 9)).await;
        live_as_before(&later(wide(), 29)).await;
    });
}

#[test]
fn a_tenant_goes_with_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    block_on(async {
        let store = open(folder, &wide());
        store.tenant_create(&other(), at(0)).await.unwrap();
        let mut batch = batch(0, Vec::new());
        let key = Key { tenant: other(), ..user(1) };
        batch.tenant = other();
        batch.writes = vec![creation(&key, WITH, &[])];
        store.write(batch).await.unwrap();
        drop(store);
        let store = open(folder, &REGISTRY);
        assert_eq!(told(&store).await.len(), 1);
        store.tenant_delete(&other()).await.unwrap();
        assert!(told(&store).await.is_empty());
        assert_eq!(store.verify().await.unwrap(), []);
    });
}
