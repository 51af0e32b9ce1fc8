//! The operator's side.

use super::Store;
use super::help::{
    add, at, create, create_users, creation, default, deletion, draft, find, group, id, membership,
    other, user, write,
};
use crate::auth::TenantId;
use crate::store::{Draft, Include, Key, StoreError, Write, WriteIf};

async fn names(store: &impl Store) -> Vec<String> {
    store.tenant_list().await.unwrap().iter().map(|t| t.id.to_string()).collect()
}

pub async fn tenants_are_made_listed_and_deleted(store: &impl Store) {
    assert_eq!(names(store).await, ["default"]);
    assert!(store.tenant_create(&other(), at(3)).await.unwrap());
    assert!(!store.tenant_create(&other(), at(4)).await.unwrap());
    assert!(!store.tenant_create(&default(), at(4)).await.unwrap());
    store.tenant_create(&TenantId::new("acme").unwrap(), at(5)).await.unwrap();
    assert_eq!(names(store).await, ["acme", "default", "other"]);
    let tenants = store.tenant_list().await.unwrap();
    assert_eq!(tenants[2].created, at(3));
    store.tenant_delete(&other()).await.unwrap();
    assert_eq!(names(store).await, ["acme", "default"]);
    assert!(matches!(store.tenant_delete(&other()).await, Err(StoreError::NoTenant)));
    assert!(matches!(store.tenant_delete(&default()).await, Err(StoreError::Refused(_))));
    assert_eq!(names(store).await, ["acme", "default"]);
}

pub async fn a_deleted_tenant_takes_everything_along(store: &impl Store) {
    create_users(store, &["ada"]).await;
    store.tenant_create(&other(), at(0)).await.unwrap();
    let theirs = |key: Key| Key { tenant: other(), ..key };
    create(store, &theirs(user(1)), r#"{"userName":"ada","externalId":"x"}"#).await;
    let made = creation(&theirs(group(2)), r#"{"displayName":"G"}"#, &[1]);
    write(store, 0, made).await.unwrap();
    store.tenant_delete(&other()).await.unwrap();
    let gone = store.get(&theirs(user(1)), Include::default()).await;
    assert!(matches!(gone, Err(StoreError::NoTenant)));
    let refused = write(store, 0, creation(&theirs(user(5)), r#"{"userName":"b"}"#, &[])).await;
    assert!(matches!(refused, Err(StoreError::NoTenant)));
    assert!(matches!(store.changes(&other(), 0, 9).await, Err(StoreError::NoTenant)));
    assert!(matches!(store.audit(&other(), 0, 9).await, Err(StoreError::NoTenant)));
    // One of the same name begins with nothing.
    store.tenant_create(&other(), at(0)).await.unwrap();
    let missing = store.get(&theirs(user(1)), Include::default()).await;
    assert!(matches!(missing, Err(StoreError::NotFound)));
    assert_eq!(store.changes(&other(), 0, 9).await.unwrap(), []);
    create(store, &theirs(user(1)), r#"{"userName":"ada"}"#).await;
    assert_eq!(find(store, "User", "").await, [1]);
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn the_audit_tells_who_changed_what(store: &impl Store) {
    let json = r#"{"userName":"ada","name":{"familyName":"Lovelace"}}"#;
    create(store, &user(1), json).await;
    let after = r#"{"userName":"ada","name":{"familyName":"King"}}"#;
    let mut update = super::help::batch(2, vec![super::help::change(&user(1), json, after)]);
    update.actor = "okta".into();
    update.request_id = "r-42".into();
    store.write(update).await.unwrap();
    write(store, 3, creation(&group(2), r#"{"displayName":"G"}"#, &[1])).await.unwrap();
    write(store, 4, membership(&group(2), vec![super::help::remove(&[1])])).await.unwrap();
    let audit = store.audit(&default(), 0, 100).await.unwrap();
    let details: Vec<&str> = audit.iter().map(|entry| entry.detail.as_str()).collect();
    let member = |how: &str| format!(r#"{{"members":{{"{how}":["{}"]}}}}"#, id(1));
    assert_eq!(
        details,
        [
            "{}",
            r#"{"changes":[{"path":"name.familyName","before":"Lovelace","after":"King"}]}"#,
            &member("added"),
            &member("removed"),
        ]
    );
    assert_eq!(audit[1].change.actor, "okta");
    assert_eq!((audit[1].request_id.as_str(), audit[1].change.seq), ("r-42", 2));
    let changes = store.changes(&default(), 0, 100).await.unwrap();
    assert_eq!(audit.iter().map(|e| e.change.clone()).collect::<Vec<_>>(), changes);
    assert_eq!(store.audit(&default(), 1, 2).await.unwrap(), audit[1..3]);
    // A password is named, never told.
    let created = Write::Create {
        key: user(9),
        draft: Draft {
            password_hash: Some("$argon2id$x".to_owned()),
            ..draft(r#"{"userName":"p"}"#)
        },
        members: Vec::new(),
        allow_cycles: false,
    };
    write(store, 5, created).await.unwrap();
    let entry = store.audit(&default(), 4, 9).await.unwrap().remove(0);
    assert_eq!(entry.change.attributes, ["userName", "password"]);
    assert!(!format!("{entry:?}").contains("argon2id"));
}

pub async fn the_audit_is_a_chain(store: &impl Store) {
    create_users(store, &["a", "b", "c"]).await;
    store.tenant_create(&other(), at(0)).await.unwrap();
    create(store, &Key { tenant: other(), ..user(1) }, r#"{"userName":"a"}"#).await;
    let ours = store.audit(&default(), 0, 9).await.unwrap();
    let theirs = store.audit(&other(), 0, 9).await.unwrap();
    let mut hashes: Vec<[u8; 32]> = ours.iter().chain(&theirs).map(|entry| entry.hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    // The first entries of both tenants tell the same, but for the tenant.
    assert_eq!(hashes.len(), 4);
    assert!(!hashes.contains(&[0; 32]));
}

pub async fn a_sound_store_has_no_findings(store: &impl Store) {
    assert_eq!(store.verify().await.unwrap(), []);
    create_users(store, &["a", "b", "c"]).await;
    write(store, 0, creation(&group(9), r#"{"displayName":"G"}"#, &[1, 2])).await.unwrap();
    write(store, 0, deletion(&user(2))).await.unwrap();
    write(store, 0, membership(&group(9), vec![add(&[3])])).await.unwrap();
    let guard = WriteIf::Any;
    write(store, 0, Write::Delete { key: user(1), guard }).await.unwrap();
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn a_secret_stays_what_it_was_first(store: &impl Store) {
    assert_eq!(store.secret("cursor", [7; 32]).await.unwrap(), [7; 32]);
    assert_eq!(store.secret("cursor", [8; 32]).await.unwrap(), [7; 32]);
    assert_eq!(store.secret("other", [9; 32]).await.unwrap(), [9; 32]);
}

pub async fn a_healthy_store_says_so(store: &impl Store) {
    store.health().await.unwrap();
}
