//! A full disk: what does not fit is refused whole, everything else goes on, and room makes it work again.

use std::path::Path;
use std::sync::Arc;

use crate::store::suite::block_on;
use crate::store::suite::help::{
    REGISTRY, add, at, create_group, creation, default, find, get, group, membership, user, write,
};
use crate::store::{
    AdminStore, Include, ResourceStore, SqliteOptions, SqliteStore, StoreError, WriteBatch,
};

fn person(n: u64) -> String {
    format!(r#"{{"userName":"u{n}","title":"{}"}}"#, "x".repeat(2_000))
}

/// A user who joins a group, in one batch.
fn joining(n: u64) -> WriteBatch {
    let writes = vec![creation(&user(n), &person(n), &[]), membership(&group(1), vec![add(&[n])])];
    crate::store::suite::help::batch(0, writes)
}

/// Writes until there is no room; answers how many went in.
async fn fill(store: &SqliteStore) -> u64 {
    for n in 100..100_000 {
        match store.write(joining(n)).await {
            Ok(_) => {}
            Err(StoreError::Full(_)) => return n - 100,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("it never got full");
}

/// That exactly the first `n` batches are there, and nothing of any other.
async fn assert_whole(store: &SqliteStore, n: u64) {
    assert_eq!(find(store, "User", "").await, (100..100 + n).collect::<Vec<_>>());
    let stored = get(store, &group(1)).await;
    assert_eq!((stored.members.len() as u64, stored.version.0), (n, n + 1));
    assert_eq!(store.changes(&default(), 0, 100_000).await.unwrap().len() as u64, 1 + 2 * n);
    assert_eq!(store.verify().await.unwrap(), []);
}

#[test]
fn a_quota_is_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let quota = SqliteOptions { max_pages: Some(200), ..SqliteOptions::default() };
    let open = |options: &SqliteOptions| {
        SqliteStore::open(folder.path(), Arc::clone(&REGISTRY), at(0), options).unwrap()
    };
    let store = open(&quota);
    let n = std::sync::atomic::AtomicU64::new(0);
    block_on(async {
        create_group(&store, 1, &[]).await;
        let fitted = fill(&store).await;
        assert!(fitted > 10, "{fitted}");
        assert_whole(&store, fitted).await;
        // Reading goes on, and writing is still refused in words.
        store.get(&user(100), Include::default()).await.unwrap();
        assert!(matches!(store.write(joining(99_999)).await, Err(StoreError::Full(_))));
        n.store(fitted, std::sync::atomic::Ordering::Relaxed);
    });
    drop(store);
    let store = open(&SqliteOptions::default());
    block_on(async {
        let fitted = n.load(std::sync::atomic::Ordering::Relaxed);
        assert_whole(&store, fitted).await;
        store.write(joining(100 + fitted)).await.unwrap();
        assert_whole(&store, fitted + 1).await;
    });
}

/// A file system of its own, where we may make one.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let Some(mount) = Mount::new("6m") else {
        eprintln!("no file system can be mounted here: only the quota was tested");
        return;
    };
    let ballast = mount.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let folder = mount.path().join("data");
    let options = SqliteOptions::default();
    let store = SqliteStore::open(&folder, Arc::clone(&REGISTRY), at(0), &options).unwrap();
    block_on(async {
        create_group(&store, 1, &[]).await;
        let fitted = fill(&store).await;
        assert!(fitted > 10, "{fitted}");
        assert_whole(&store, fitted).await;
        assert!(matches!(store.write(joining(99_999)).await, Err(StoreError::Full(_))));
        // Room makes it well again, without a restart.
        std::fs::remove_file(&ballast).unwrap();
        store.health().await.unwrap();
        store.write(joining(100 + fitted)).await.unwrap();
        assert_whole(&store, fitted + 1).await;
        write(&store, 0, creation(&user(2), r#"{"userName":"a"}"#, &[])).await.unwrap();
    });
    drop(store);
    let store = SqliteStore::open(&folder, Arc::clone(&REGISTRY), at(0), &options).unwrap();
    block_on(async {
        assert_eq!(store.verify().await.unwrap(), []);
        assert_eq!(find(&store, "User", "userName eq \"a\"").await, [2]);
    });
}

#[test]
fn a_batch_that_does_not_fit_leaves_room_for_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_pages: Some(300), ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), Arc::clone(&REGISTRY), at(0), &options).unwrap();
    block_on(async {
        let store = Arc::new(store);
        let large = (1_000..1_600).map(|n| creation(&user(n), &person(n), &[])).collect();
        let large = crate::store::suite::help::batch(0, large);
        let small: Vec<_> = (1..=20)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let json = format!(r#"{{"userName":"s{n}"}}"#);
                    write(&*store, 0, creation(&user(n), &json, &[])).await
                })
            })
            .collect();
        assert!(matches!(store.write(large).await, Err(StoreError::Full(_))));
        let mut made = 0;
        for write in small {
            match write.await.unwrap() {
                Ok(_) => made += 1,
                // Those that shared its commit may have been lost with it, and were told so.
                Err(StoreError::Full(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(find(&*store, "User", "").await.len(), made);
        write(&*store, 0, creation(&user(50), r#"{"userName":"t"}"#, &[])).await.unwrap();
        assert_eq!(store.verify().await.unwrap(), []);
        store.health().await.unwrap();
    });
}
