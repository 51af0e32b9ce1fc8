//! A file that somebody else has written to: the checks find it.

use scim_sync::suite::help::{ad, add, identity, linked, name, object};
use scim_sync::{SyncStore, verify};
use scim_sync_store::SqliteStore;

/// What the two checks say of a small state after `damage` was done to its file.
fn found(damage: &str) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    let a = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    let b = add(&mut store, &ad(), "b");
    store.add_edge(a, &name("member"), b).unwrap();
    store.commit().unwrap();
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {damage}")).unwrap();
    drop(connection);
    let store = SqliteStore::open(&path).unwrap();
    let notes = verify::verify(&store, &[ad()], None).unwrap();
    (store.check_file().unwrap(), notes.iter().map(ToString::to_string).collect())
}

#[test]
fn an_untouched_file_is_sound() {
    assert_eq!(found(""), (vec![], vec![]));
}

#[test]
fn a_missing_row_is_missed_by_everyone_who_names_it() {
    let (file, notes) = found("DELETE FROM object WHERE id = 2");
    assert_eq!(file, ["a row of edge refers to a row of object that is not there"]);
    assert_eq!(notes, ["error: ad, object 1: member refers to 2, which is not there"]);
    let (file, notes) = found("DELETE FROM metaverse");
    assert_eq!(file, ["a row of object refers to a row of metaverse that is not there"]);
    assert_eq!(notes, ["error: ad, object 1: it is linked to identity 1, which is not there"]);
}

#[test]
fn a_row_that_cannot_be_found_is_named() {
    let (_, notes) = found("UPDATE object SET dn_key = 'other' WHERE id = 2");
    assert_eq!(notes, ["error: ad, object 2: it is not found by its name CN=b,DC=x"]);
    let (_, notes) = found("UPDATE object SET pending_import = 1 WHERE id = 2");
    assert_eq!(notes, ["error: ad: the list PendingImport counts 1 objects, there are 0"]);
}

#[test]
fn a_body_that_is_no_body_is_an_error_and_not_an_empty_object() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    let a = add(&mut store, &ad(), "a");
    store.commit().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("UPDATE object SET body = '{}'").unwrap();
    let error = store.object(a).unwrap_err();
    assert!(matches!(error, scim_sync::StoreError::Damaged(_)), "{error:?}");
}
