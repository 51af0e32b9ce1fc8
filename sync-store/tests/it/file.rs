//! The file itself.

use scim_sync::{StoreError, SyncStore};
use scim_sync_store::SqliteStore;

#[test]
fn what_was_committed_is_there_after_a_restart_and_what_was_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    store.put_fact("a", Some("kept")).unwrap();
    store.commit().unwrap();
    store.begin().unwrap();
    store.put_fact("b", Some("lost")).unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.fact("a").unwrap().as_deref(), Some("kept"));
    assert_eq!(store.fact("b").unwrap(), None);
    assert!(store.check_file().unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    store.put_fact("a", Some("b")).unwrap();
    store.commit().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.file_name());
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(SqliteStore::open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (999, 'x', '', '0')";
    other.execute(sql, []).unwrap();
    let error = SqliteStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("newer version"), "{error}");
}

#[test]
fn a_file_that_is_something_else_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, "something else, and long enough to be looked at".repeat(100)).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(error.to_string().contains("can be thrown away"), "{error}");
}

#[test]
fn others_read_while_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let reader = SqliteStore::open(&path).unwrap();
    store.begin().unwrap();
    store.put_fact("a", Some("b")).unwrap();
    assert_eq!(reader.fact("a").unwrap(), None);
    store.commit().unwrap();
    assert_eq!(reader.fact("a").unwrap().as_deref(), Some("b"));
}

#[cfg(unix)]
#[test]
fn a_copy_is_for_its_owner_only_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("state.db")).unwrap();
    store.begin().unwrap();
    store.put_fact("rules", Some("a digest")).unwrap();
    store.commit().unwrap();
    let copy = folder.path().join("copy.db");
    store.copy_to(&copy).unwrap();
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a whole directory stands in it");
    assert!(store.copy_to(&copy).is_err(), "there is a file already");
    let copied = SqliteStore::open(&copy).unwrap();
    assert_eq!(copied.fact("rules").unwrap().as_deref(), Some("a digest"));
}

#[test]
fn an_identity_whose_values_were_written_first_is_read_as_ever() {
    use scim_sync::MetaverseId;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    let body = r#"{"id":0,"object_type":"person",
        "attributes":{"cn":{"values":[{"text":"Ada"}],"from":[1],"rule":"in"}},
        "references":{"manager":[{"from":1,"attribute":"manager","rule":"in"}]},"life":"held"}"#;
    let body: String = body.lines().map(str::trim).collect();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "INSERT INTO metaverse (object_type, body) VALUES ('person', ?1)";
    connection.execute(sql, [&body]).unwrap();
    let identity = store.metaverse(MetaverseId(1)).unwrap().unwrap();
    assert_eq!((identity.attributes.len(), identity.references.len()), (1, 1));
    assert_eq!(store.identity_outline(MetaverseId(1)).unwrap(), Some(identity.into()));
}
