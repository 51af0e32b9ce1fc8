//! Many objects: that staging them is quick, and what it takes.
//!
//! `cargo nextest run --release -p scim-sync-store --run-ignored only --no-capture load` prints the figures.

use std::time::{Duration, Instant};

use scim_sync::connector::{
    ImportChange, ImportEnd, ImportPage, ImportedObject, ReferenceTo, SourceScope,
};
use scim_sync::import::{ReadKind, Staging, StagingReport};
use scim_sync::store::Which;
use scim_sync::suite::help::at;
use scim_sync::{Anchor, AttributeSet, ConnectorId, Dn, MemoryStore, SyncStore};
use scim_sync_store::SqliteStore;

const PAGE: usize = 1_000;

fn dn(number: usize) -> Dn {
    Dn::new(format!(
        "CN=User {number:06},OU=Department {},OU=People,DC=corp,DC=example,DC=com",
        number % 50
    ))
}

/// A user as a directory has one: some fifteen attributes and a manager.
fn user(number: usize) -> ImportedObject {
    let text = |what: &str| format!("{what} {number:06}");
    let mut attributes = AttributeSet::new();
    for name in ["cn", "displayName", "givenName", "sn", "title", "department", "company", "l", "c"]
    {
        attributes = attributes.with(name, text(name).as_str());
    }
    let account = format!("u{number:06}");
    let attributes = attributes
        .with("sAMAccountName", account.as_str())
        .with("userPrincipalName", format!("{account}@corp.example.com").as_str())
        .with("mail", format!("{account}@corp.example.com").as_str())
        .with("telephoneNumber", format!("+49 30 {number:06}").as_str())
        .with("userAccountControl", 512_i64)
        .with("uSNChanged", i64::try_from(number).unwrap());
    let manager = ReferenceTo::Dn(dn(number / 10));
    ImportedObject {
        anchor: Anchor::new(format!("k9Qx{number:018}==")),
        dn: Some(dn(number)),
        object_type: "user".into(),
        scope: SourceScope::In,
        attributes,
        references: [("manager".into(), vec![manager])].into(),
        version: None,
    }
}

fn everybody(users: usize) -> ImportedObject {
    ImportedObject {
        anchor: "everybody".into(),
        dn: Some("CN=Everybody,OU=Groups,DC=corp,DC=example,DC=com".into()),
        object_type: "group".into(),
        references: [("member".into(), (0..users).map(|n| ReferenceTo::Dn(dn(n))).collect())]
            .into(),
        ..user(0)
    }
}

pub(crate) fn stage(store: &mut dyn SyncStore, users: usize) -> (StagingReport, Duration) {
    let begun = Instant::now();
    let mut staging =
        Staging::begin(store, &ConnectorId::new("ad"), ReadKind::Full, at(0)).unwrap();
    let mut next = 0;
    while next < users {
        let to = users.min(next + PAGE);
        let changes = (next..to).map(|n| ImportChange::Object(user(n))).collect();
        staging.page(ImportPage { changes, ..ImportPage::default() }).unwrap();
        next = to;
    }
    let changes = vec![ImportChange::Object(everybody(users))];
    staging.page(ImportPage { changes, ..ImportPage::default() }).unwrap();
    let end = Some(ImportEnd { watermark: None, sweep: true });
    staging.page(ImportPage { end, ..ImportPage::default() }).unwrap();
    (staging.finish().unwrap(), begun.elapsed())
}

/// Resident memory of this program in KiB, now and at most, where the system tells.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or("?").to_owned()
    };
    format!("resident {} KiB, at most {} KiB", line("VmRSS:"), line("VmHWM:"))
}

#[test]
fn five_thousand_users_are_staged_in_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("state.db")).unwrap();
    let (report, took) = stage(&mut store, 5_000);
    assert_eq!((report.added, report.complete), (5_001, true));
    // A debug build on a busy machine; an order of magnitude is what this is about.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let (report, _) = stage(&mut store, 5_000);
    assert_eq!((report.unchanged, report.updated), (5_001, 0));
}

#[test]
#[ignore = "figures for people: run it in release"]
fn load_figures() {
    for users in [20_000, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let mut store = SqliteStore::open(&path).unwrap();
        let (report, first) = stage(&mut store, users);
        assert!(report.complete);
        let (report, again) = stage(&mut store, users);
        assert_eq!(report.updated, 0);
        let begun = Instant::now();
        let mut after = None;
        let mut rows = 0;
        loop {
            let page = store.objects(&"ad".into(), Which::PendingImport, after, PAGE).unwrap();
            rows += page.len();
            after = page.last().map(|row| row.id);
            if page.len() < PAGE {
                break;
            }
        }
        let read = begun.elapsed();
        let size = std::fs::metadata(&path).unwrap().len() >> 20;
        println!(
            "SQLite, {users} users and a group of all: staged in {first:.2?}, staged again without news in \
             {again:.2?}, {rows} rows read in {read:.2?}, file {size} MiB, {}",
            resident()
        );
    }
    let mut store = MemoryStore::new();
    let (_, first) = stage(&mut store, 100_000);
    println!("memory, 100000 users and a group of all: staged in {first:.2?}, {}", resident());
}
