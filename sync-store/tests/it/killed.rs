//! A program that is killed while it stages: each page is there whole or not at all, and the watermark moves with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use scim_sync::connector::{
    ImportChange, ImportEnd, ImportPage, ImportedObject, SourceScope, Watermark,
};
use scim_sync::import::{ReadKind, Staging};
use scim_sync::store::Which;
use scim_sync::suite::help::at;
use scim_sync::{Anchor, AttributeSet, ConnectorId, SyncStore, verify};
use scim_sync_store::SqliteStore;

/// Tells the copy of this program that is to be killed where to write.
const STATE: &str = "SCIM_SYNC_STORE_KILLED_STATE";
const OBJECTS: u64 = 40;
const KILLS: u64 = 12;

fn ad() -> ConnectorId {
    ConnectorId::new("ad")
}

/// Object `number` in the round `round`: its value says which round it is of.
fn object(number: u64, round: u64) -> ImportedObject {
    let members = (0..round % 5).map(|step| (number + step + 1) % OBJECTS);
    let members = members.map(|to| scim_sync::connector::ReferenceTo::Dn(dn(to)));
    ImportedObject {
        anchor: Anchor::new(number.to_string()),
        dn: Some(dn(number)),
        object_type: "group".into(),
        scope: SourceScope::In,
        attributes: AttributeSet::new().with("round", round.cast_signed()),
        references: [("member".into(), members.collect())].into(),
        version: None,
    }
}

fn dn(number: u64) -> scim_sync::Dn {
    scim_sync::Dn::new(format!("cn={number},dc=x"))
}

/// One read of one page: all objects and the watermark of the round.
fn stage(store: &mut SqliteStore, round: u64) {
    let mut staging = Staging::begin(store, &ad(), ReadKind::Delta, at(0)).unwrap();
    let changes = (0..OBJECTS).map(|number| ImportChange::Object(object(number, round)));
    let watermark = Some(Watermark(round.into()));
    let end = Some(ImportEnd { watermark, sweep: false });
    staging.page(ImportPage { changes: changes.collect(), expected: None, end }).unwrap();
    assert!(staging.finish().unwrap().complete);
}

/// The round that a state is of, after checking that it is of one only.
fn round_of(path: &Path) -> u64 {
    let store = SqliteStore::open(path).unwrap();
    assert_eq!(store.check_file().unwrap(), Vec::<String>::new());
    assert_eq!(verify::verify(&store, &[ad()], None).unwrap(), []);
    let watermark = store.connector(&ad()).unwrap().watermark;
    let round = watermark.map_or(0, |watermark| watermark.0.as_u64().unwrap());
    let rows = store.objects(&ad(), Which::All, None, usize::MAX).unwrap();
    assert_eq!(rows.len() as u64, if round == 0 { 0 } else { OBJECTS });
    for row in rows {
        let told = row.hologram.first(&"round".into()).cloned();
        assert_eq!(told, Some(round.cast_signed().into()), "{:?}", row.anchor);
        let members = store.edges(row.id, &"member".into(), None, usize::MAX).unwrap();
        assert_eq!(members.len() as u64, round % 5, "{:?}", row.anchor);
    }
    round
}

/// Not a test: what [`a_page_is_whole_or_absent`] runs and kills.
#[test]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(STATE) else { return };
    let mut store = SqliteStore::open(Path::new(&path)).unwrap();
    let watermark = store.connector(&ad()).unwrap().watermark;
    let begun = watermark.map_or(0, |watermark| watermark.0.as_u64().unwrap());
    for round in begun + 1.. {
        stage(&mut store, round);
        // The line may never be read; it says that this round was committed.
        println!("committed {round}");
    }
}

#[test]
fn a_page_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut last = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::writes_until_it_is_killed", "--nocapture"])
            .env(STATE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut committed = lines.map_while(Result::ok).filter_map(|line| {
            let (_, round) = line.split_once("committed ")?;
            round.trim().parse::<u64>().ok()
        });
        let told = committed.by_ref().nth(usize::try_from(kill % 4).unwrap()).unwrap();
        // Somewhere within the next round, another place each time.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_micros(kill * 700) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let told = committed.last().unwrap_or(told);
        let found = round_of(&path);
        assert!(found == told || found == told + 1, "{told} was committed, {found} is there");
        assert!(found > last);
        last = found;
    }
}
