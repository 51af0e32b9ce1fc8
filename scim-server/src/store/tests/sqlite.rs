//! What is particular to SQLite: the folder, the file, other processes, damage.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use scim_core::Registry;
use tempfile::TempDir;

use crate::auth::{NewToken, Scopes, TenantId, TokenSpec, TokenStore, TokenStoreError};
use crate::store::suite::block_on;
use crate::store::suite::help::{
    REGISTRY, add, at, batch, create, create_group, create_users, creation, default, deletion,
    find, get, group, id, key, members, membership, other, query, scope, user, write,
};
use crate::store::{
    AdminStore, Include, Key, Query, ResourceStore, SqliteOptions, SqliteStore, StoreError, Total,
};

pub(super) fn open() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (reopen(folder.path()), folder)
}

fn reopen(folder: &Path) -> SqliteStore {
    try_open(folder, &REGISTRY).unwrap()
}

fn try_open(folder: &Path, registry: &Arc<Registry>) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, Arc::clone(registry), at(0), &SqliteOptions::default())
}

/// A connection of somebody else.
fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join("scim.db")).unwrap()
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let (store, folder) = open();
    block_on(async {
        create_users(&store, &["a", "b"]).await;
        create_group(&store, 10, &[1, 2]).await;
        assert_eq!(store.secret("k", [1; 32]).await.unwrap(), [1; 32]);
    });
    drop(store);
    assert!(!folder.path().join("scim.db-wal").exists(), "the last to leave tidies up");
    let store = reopen(folder.path());
    block_on(async {
        assert_eq!(find(&store, "User", "").await, [1, 2]);
        assert_eq!(members(&store, 10).await, [1, 2]);
        assert_eq!(store.secret("k", [2; 32]).await.unwrap(), [1; 32]);
        assert_eq!(store.changes(&default(), 0, 9).await.unwrap().len(), 3);
        write(&store, 0, deletion(&user(1))).await.unwrap();
        assert_eq!(store.verify().await.unwrap(), []);
    });
}

#[test]
fn a_folder_serves_one_server() {
    let (store, folder) = open();
    match try_open(folder.path(), &REGISTRY) {
        Err(StoreError::InUse(sentence)) => {
            assert!(sentence.contains(&folder.path().display().to_string()), "{sentence}");
        }
        other => panic!("{other:?}"),
    }
    drop(store);
    reopen(folder.path());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made/by/us");
    let store = reopen(&folder);
    block_on(create_users(&store, &["a"]));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in ["scim.db", "scim.db-wal", "scim.lock"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
}

#[test]
fn commands_work_beside_a_server() {
    let (server, folder) = open();
    let command = SqliteStore::open_beside(folder.path(), Arc::clone(&REGISTRY), at(0)).unwrap();
    block_on(async {
        command.tenant_create(&other(), at(1)).await.unwrap();
        let theirs = Key { tenant: other(), ..user(1) };
        create(&server, &theirs, r#"{"userName":"a"}"#).await;
        assert_eq!(get(&command, &theirs).await, get(&server, &theirs).await);
        // Both write, at the same time.
        let (a, b) = tokio::join!(
            async {
                for n in 10..30 {
                    create(&server, &user(n), &format!(r#"{{"userName":"u{n}"}}"#)).await;
                }
            },
            async {
                for n in 30..50 {
                    create(&command, &user(n), &format!(r#"{{"userName":"u{n}"}}"#)).await;
                }
            }
        );
        let ((), ()) = (a, b);
        assert_eq!(find(&server, "User", "").await.len(), 40);
        // What one deletes is gone for the other, and a new tenant of the name is another one.
        command.tenant_delete(&other()).await.unwrap();
        let gone = server.get(&theirs, Include::default()).await;
        assert!(matches!(gone, Err(StoreError::NoTenant)));
        command.tenant_create(&other(), at(2)).await.unwrap();
        let missing = server.get(&theirs, Include::default()).await;
        assert!(matches!(missing, Err(StoreError::NotFound)));
        create(&server, &theirs, r#"{"userName":"a"}"#).await;
        assert_eq!(command.verify().await.unwrap(), []);
    });
}

/// The standard types, with badges whose numbers are unique on users: as a server has them from a schema file.
fn with_badges() -> Arc<Registry> {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{"schemas":[
                {"id":"urn:x:Badge","attributes":[
                    {"name":"number","type":"string","uniqueness":"server"}]},
                {"id":"urn:x:Door","attributes":[
                    {"name":"name","type":"string","uniqueness":"server","required":true}]}],
            "resourceTypes":[{"name":"Door","endpoint":"/Doors","schema":"urn:x:Door"}],
            "extensions":{"User":[{"schema":"urn:x:Badge"}]}}"#,
        )
        .unwrap();
    Arc::new(registry)
}

#[test]
fn a_command_that_knows_fewer_schemas_leaves_the_index_of_the_server_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = try_open(folder.path(), &with_badges()).unwrap();
    let rows = || -> Vec<i64> {
        let tables = ["attribute", "unique_key", "attr_index"];
        let count = |table| format!("SELECT count(*) FROM {table}");
        tables
            .map(|table| raw(folder.path()).query_row(&count(table), [], |r| r.get(0)).unwrap())
            .to_vec()
    };
    block_on(async {
        let json = r#"{"userName":"u1","displayName":"U","urn:x:Badge":{"number":"7"}}"#;
        create(&server, &user(1), json).await;
        create(&server, &key("Door", 5), r#"{"name":"north"}"#).await;
        let before = rows();
        let command =
            SqliteStore::open_beside(folder.path(), Arc::clone(&REGISTRY), at(0)).unwrap();
        assert_eq!(rows(), before);
        // It tells what it knows of, and nothing about the rest.
        assert_eq!(command.verify().await.unwrap(), []);
        assert_eq!(get(&command, &user(1)).await, get(&server, &user(1)).await);
        assert_eq!(find(&command, "User", r#"userName eq "u1""#).await, [1]);
        // It would leave the badge's key out.
        let json = r#"{"userName":"u2","urn:x:Badge":{"number":"7"}}"#;
        let refused = write(&command, 0, creation(&user(2), json, &[])).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        match write(&server, 0, creation(&user(2), json, &[])).await {
            Err(StoreError::Uniqueness { attribute }) => {
                assert_eq!(attribute, "urn:x:Badge:number");
            }
            other => panic!("{other:?}"),
        }
        let json = r#"{"userName":"u3","urn:x:Badge":{"number":"8"}}"#;
        create(&server, &user(3), json).await;
        assert_eq!(server.verify().await.unwrap(), []);
        // Damage to what it knows of is told still.
        raw(folder.path())
            .execute("DELETE FROM attr_index WHERE key = CAST('u' AS BLOB)", [])
            .unwrap();
        let findings = command.verify().await.unwrap();
        assert!(findings.iter().any(|f| f.to_string().contains("displayName")), "{findings:?}");
    });
}

#[test]
fn a_command_makes_no_database() {
    let parent = tempfile::tempdir().unwrap();
    let there = parent.path().join("there");
    std::fs::create_dir(&there).unwrap();
    for folder in [parent.path().join("typo"), there] {
        match SqliteStore::open_beside(&folder, Arc::clone(&REGISTRY), at(0)) {
            Err(StoreError::Refused(sentence)) => {
                assert!(sentence.contains(&folder.display().to_string()), "{sentence}");
            }
            other => panic!("{other:?}"),
        }
        assert!(!folder.join("scim.db").exists());
    }
    assert!(!parent.path().join("typo").exists());
}

#[test]
fn a_newer_database_is_refused() {
    let (store, folder) = open();
    drop(store);
    raw(folder.path())
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES (99, 'future', '2030-01-01T00:00:00Z', '1')",
            [],
        )
        .unwrap();
    match try_open(folder.path(), &REGISTRY) {
        Err(StoreError::Refused(sentence)) => {
            assert!(sentence.contains("newer version"), "{sentence}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scim.db"), vec![b'x'; 8_192]).unwrap();
    assert!(matches!(try_open(folder.path(), &REGISTRY), Err(StoreError::Backend(_))));
}

#[test]
fn writes_that_wait_share_a_commit() {
    let (store, folder) = open();
    let before = store.commits();
    let other_process = raw(folder.path());
    other_process.execute_batch("BEGIN IMMEDIATE").unwrap();
    block_on(async {
        let store = Arc::new(store);
        let writers: Vec<_> = (1..=64_u64)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    create(&*store, &user(n), &format!(r#"{{"userName":"u{n}"}}"#)).await;
                })
            })
            .collect();
        // The first is stopped by the other process; the rest must be waiting before it goes on.
        tokio::task::yield_now().await;
        let unblock = tokio::task::spawn_blocking(move || {
            other_process.execute_batch("COMMIT").unwrap();
        });
        unblock.await.unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(find(&*store, "User", "").await.len(), 64);
        assert_eq!(store.verify().await.unwrap(), []);
        let commits = store.commits() - before;
        assert!(commits < 64, "{commits} commits for 64 writes");
    });
}

#[test]
fn a_refused_write_does_not_disturb_those_of_its_group() {
    let (store, _folder) = open();
    block_on(async {
        create(&store, &user(1_000), r#"{"userName":"taken"}"#).await;
        let store = Arc::new(store);
        let writers: Vec<_> = (1..=64_u64)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let name = if n % 3 == 0 { "taken".to_owned() } else { format!("u{n}") };
                    let json = format!(r#"{{"userName":"{name}"}}"#);
                    let extra = creation(&user(n + 100), &format!(r#"{{"userName":"x{n}"}}"#), &[]);
                    let writes = vec![extra, creation(&user(n), &json, &[])];
                    (n, store.write(batch(0, writes)).await)
                })
            })
            .collect();
        for writer in writers {
            let (n, result) = writer.await.unwrap();
            assert_eq!(result.is_err(), n % 3 == 0, "{n}: {result:?}");
        }
        assert_eq!(find(&*store, "User", "").await.len(), 1 + 2 * 43);
        assert_eq!(store.verify().await.unwrap(), []);
    });
}

#[test]
fn a_backup_is_whole_and_overwrites_nothing() {
    let (store, folder) = open();
    let target = tempfile::tempdir().unwrap();
    let file = target.path().join("scim.db");
    block_on(async {
        let store = Arc::new(store);
        create_users(&*store, &["a", "b"]).await;
        create_group(&*store, 10, &[1]).await;
        let writer = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 100..200 {
                    create(&*store, &user(n), &format!(r#"{{"userName":"u{n}"}}"#)).await;
                }
            })
        };
        store.backup(&file).await.unwrap();
        writer.await.unwrap();
        for taken in [&file, &folder.path().join("scim.db")] {
            let length = std::fs::metadata(taken).unwrap().len();
            assert!(matches!(store.backup(taken).await, Err(StoreError::Refused(_))));
            assert_eq!(std::fs::metadata(taken).unwrap().len(), length);
        }
        let nowhere = target.path().join("no/such/folder");
        assert!(matches!(store.backup(&nowhere).await, Err(StoreError::Backend(_))));
    });
    let copy = reopen(target.path());
    block_on(async {
        assert_eq!(copy.verify().await.unwrap(), []);
        assert_eq!(members(&copy, 10).await, [1]);
        let users = find(&copy, "User", "").await;
        // A prefix of what was written while it was made.
        assert!(users.iter().copied().eq((1..=2).chain(100..).take(users.len())), "{users:?}");
        create(&copy, &user(999), r#"{"userName":"z"}"#).await;
    });
}

#[test]
fn damage_is_found() {
    let cases = [
        ("UPDATE resource_count SET n = n + 1", "are counted"),
        ("DELETE FROM unique_key WHERE rid = 1", "not indexed by its userName"),
        ("UPDATE attr_index SET key = X'00'", "not indexed by its displayName"),
        (
            "INSERT INTO attr_index SELECT tenant, type, attr, X'00', rid FROM attr_index",
            "rows instead of",
        ),
        ("UPDATE resource SET label = 'other' WHERE rid = 1", "wrong label"),
        ("UPDATE resource SET body = 'x' WHERE rid = 1", "no JSON object"),
        ("UPDATE member SET id = 'zz'", "wrong id"),
        ("PRAGMA foreign_keys = OFF; UPDATE member SET rid = 77", "refers to nothing"),
        ("DELETE FROM audit WHERE seq = 2; DELETE FROM change WHERE seq = 2", "does not follow 1"),
        (
            "DELETE FROM audit WHERE seq = 3; DELETE FROM change WHERE seq = 3",
            "the end of the audit",
        ),
        ("UPDATE change SET actor = 'nobody' WHERE seq = 1", "audit row 1 is not what was written"),
        ("UPDATE audit SET detail = '{ }' WHERE seq = 3", "audit row 3 is not what was written"),
        ("UPDATE change SET at = 0 WHERE seq = 2", "does not follow"),
        ("UPDATE tenant SET head = zeroblob(32)", "the end of the audit"),
    ];
    for (sql, expected) in cases {
        let (store, folder) = open();
        block_on(async {
            create(&store, &user(1), r#"{"userName":"a","displayName":"A"}"#).await;
            create(&store, &user(2), r#"{"userName":"b"}"#).await;
            create_group(&store, 10, &[1]).await;
            assert_eq!(store.verify().await.unwrap(), []);
            raw(folder.path()).execute_batch(sql).unwrap();
            let findings = store.verify().await.unwrap();
            let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|f| f.contains(expected)), "{sql}: {told:?}");
        });
    }
}

#[test]
fn an_index_follows_the_schemas() {
    let with_unique = |attribute: &str| {
        let mut registry = Registry::standard();
        registry
            .add_json(&format!(
                r#"{{"schemas":[{{"id":"urn:x:Badge","attributes":[
                    {{"name":"serial","type":"string","caseExact":true}},
                    {{"name":"{attribute}","type":"string","uniqueness":"server"}}]}}],
                "extensions":{{"User":[{{"schema":"urn:x:Badge"}}]}}}}"#
            ))
            .unwrap();
        Arc::new(registry)
    };
    let (store, folder) = open();
    block_on(async {
        for (n, badge) in [(1, "x"), (2, "y")] {
            let json = format!(
                r#"{{"userName":"u{n}","urn:x:Badge":{{"serial":"s","badge":"{badge}","room":"same"}}}}"#
            );
            create(&store, &user(n), &json).await;
        }
    });
    drop(store);
    // An attribute that becomes unique is indexed from what is stored.
    let store = try_open(folder.path(), &with_unique("badge")).unwrap();
    block_on(async {
        let json = r#"{"userName":"u3","urn:x:Badge":{"badge":"X"}}"#;
        match write(&store, 0, creation(&user(3), json, &[])).await {
            Err(StoreError::Uniqueness { attribute }) => assert_eq!(attribute, "urn:x:Badge:badge"),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.verify().await.unwrap(), []);
    });
    drop(store);
    // Stored values that collide are told, and nothing is changed.
    match try_open(folder.path(), &with_unique("room")) {
        Err(StoreError::Refused(sentence)) => assert!(sentence.contains("room"), "{sentence}"),
        other => panic!("{other:?}"),
    }
    let store = try_open(folder.path(), &REGISTRY).unwrap();
    block_on(async {
        create(&store, &user(3), r#"{"userName":"u3","urn:x:Badge":{"badge":"X"}}"#).await;
        assert_eq!(store.verify().await.unwrap(), []);
    });
}

#[test]
fn tokens_keep_their_contract() {
    use rand::SeedableRng;
    let make = |seed: u64, tenant: TenantId, millis: i64| {
        let spec = TokenSpec {
            tenant,
            name: format!("token {seed}"),
            scopes: Scopes::ALL,
            user: (seed == 1).then(|| id(1).to_string()),
            expires: (seed == 2).then(|| at(1_000_000)),
        };
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        NewToken::generate(spec, &mut rng, at(millis)).unwrap().record
    };
    let (store, folder) = open();
    block_on(async {
        store.tenant_create(&other(), at(0)).await.unwrap();
        let (a, b) = (make(1, default(), 20), make(2, default(), 10));
        let c = make(3, other(), 0);
        for token in [&a, &b, &c] {
            store.token_insert(token.clone()).await.unwrap();
        }
        assert!(matches!(store.token_insert(a.clone()).await, Err(TokenStoreError::Exists)));
        let nobody = make(4, "nobody".parse().unwrap(), 0);
        assert!(matches!(store.token_insert(nobody).await, Err(TokenStoreError::Backend(_))));
        assert_eq!(store.token_list(&default()).await.unwrap(), [b.clone(), a.clone()]);
        assert_eq!(store.token_find(&c.id).await.unwrap(), Some(c.clone()));
        assert_eq!(store.token_find(&make(9, default(), 0).id).await.unwrap(), None);
        assert!(store.token_revoke(&a.id, at(50)).await.unwrap());
        assert!(!store.token_revoke(&a.id, at(60)).await.unwrap());
        assert!(!store.token_revoke(&make(9, default(), 0).id, at(60)).await.unwrap());
        store.token_touch(&a.id, at(70)).await.unwrap();
        store.token_touch(&a.id, at(40)).await.unwrap();
        let found = store.token_find(&a.id).await.unwrap().unwrap();
        assert_eq!((found.revoked, found.last_used), (Some(at(50)), Some(at(70))));
        // A tenant's tokens go with it.
        store.tenant_delete(&other()).await.unwrap();
        assert_eq!(store.token_find(&c.id).await.unwrap(), None);
    });
    drop(store);
    let secret = raw(folder.path())
        .query_row("SELECT count(*) FROM token WHERE length(hash) = 32", [], |r| r.get::<_, i64>(0))
        .unwrap();
    assert_eq!(secret, 2);
}

#[test]
fn readers_see_whole_batches_only() {
    let (store, _folder) = open();
    block_on(async {
        let store = Arc::new(store);
        create_group(&*store, 1_000, &[]).await;
        let writer = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 1..=60 {
                    let json = format!(r#"{{"userName":"u{n}"}}"#);
                    let writes = vec![
                        creation(&user(n), &json, &[]),
                        membership(&group(1_000), vec![add(&[n])]),
                    ];
                    store.write(batch(0, writes)).await.unwrap();
                }
            })
        };
        while !writer.is_finished() {
            let all = Query { total: Total::Count, limit: 500, ..query(vec![scope("User", "")]) };
            let page = store.query(&all).await.unwrap();
            assert_eq!(page.total, Some(page.items.len() as u64));
            let stored = get(&*store, &group(1_000)).await;
            assert_eq!(stored.members.len() as u64 + 1, stored.version.0);
        }
        writer.await.unwrap();
    });
}
