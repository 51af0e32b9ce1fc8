//! Random calls: the store on SQLite answers as the store in memory does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use scim_sync::connector::Watermark;
use scim_sync::metaverse::MetaverseObject;
use scim_sync::space::{ExportKind, PendingExport, PendingImport, SpaceKind, SpaceObject};
use scim_sync::store::{ConnectorState, Escrow, EscrowStage, JoinKey, RunRecord, Which};
use scim_sync::suite::help::{at, identity, linked, object};
use scim_sync::{AttributeName, ConnectorId, MemoryStore, MetaverseId, SpaceId, SyncStore};
use scim_sync_store::SqliteStore;

/// Small numbers, so that calls meet.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Begin,
    Commit,
    Rollback,
    Insert(Row),
    Put(u64, Row),
    Remove(u64),
    Seen(u64, u64),
    AddEdge(u64, u8, u64),
    RemoveEdge(u64, u8, u64),
    Index(u64, Vec<(u8, u8)>),
    InsertIdentity(bool),
    PutIdentity(u64, bool),
    RemoveIdentity(u64),
    IndexIdentity(u64, Vec<(u8, u8)>),
    Dirty(u64),
    Clean(u64),
    Escrow(u64, Option<i64>),
    EndEscrow(u64),
    Connector(bool, u64),
    Run(Option<i64>),
    PutRun(u64, Option<i64>),
    ForgetRuns(i64),
    Fact(u8, Option<u8>),
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    cloud: bool,
    anchor: Option<u8>,
    name: Option<u8>,
    kind: u8,
    import: u8,
    export: bool,
    link: Option<u64>,
    group: bool,
}

fn row() -> impl Strategy<Value = Row> {
    (
        any::<bool>(),
        prop::option::of(0_u8..6),
        prop::option::of(0_u8..6),
        0_u8..3,
        0_u8..4,
        any::<bool>(),
        prop::option::weighted(0.4, 1_u64..5),
        any::<bool>(),
    )
        .prop_map(|(cloud, anchor, name, kind, import, export, link, group)| Row {
            cloud,
            anchor,
            name,
            kind,
            import,
            export,
            link,
            group,
        })
}

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let id = || 1_u64..9;
    let keys = || prop::collection::vec((0_u8..3, 0_u8..3), 0..4);
    prop_oneof![
        4 => Just(Call::Begin),
        3 => Just(Call::Commit),
        1 => Just(Call::Rollback),
        12 => row().prop_map(Call::Insert),
        8 => (id(), row()).prop_map(|(id, row)| Call::Put(id, row)),
        2 => id().prop_map(Call::Remove),
        3 => (id(), 1_u64..3).prop_map(|(id, read)| Call::Seen(id, read)),
        10 => (id(), 0_u8..4, id()).prop_map(|(from, name, to)| Call::AddEdge(from, name, to)),
        3 => (id(), 0_u8..4, id()).prop_map(|(from, name, to)| Call::RemoveEdge(from, name, to)),
        3 => (id(), keys()).prop_map(|(id, keys)| Call::Index(id, keys)),
        5 => any::<bool>().prop_map(Call::InsertIdentity),
        2 => (id(), any::<bool>()).prop_map(|(id, group)| Call::PutIdentity(id, group)),
        2 => id().prop_map(Call::RemoveIdentity),
        3 => (id(), keys()).prop_map(|(id, keys)| Call::IndexIdentity(id, keys)),
        2 => id().prop_map(Call::Dirty),
        1 => id().prop_map(Call::Clean),
        2 => (id(), prop::option::of(0_i64..4)).prop_map(|(id, next)| Call::Escrow(id, next)),
        1 => id().prop_map(Call::EndEscrow),
        1 => (any::<bool>(), 0_u64..4).prop_map(|(cloud, read)| Call::Connector(cloud, read)),
        1 => prop::option::of(0_i64..4).prop_map(Call::Run),
        1 => (id(), prop::option::of(0_i64..4)).prop_map(|(id, ended)| Call::PutRun(id, ended)),
        1 => (0_i64..4).prop_map(Call::ForgetRuns),
        1 => (0_u8..2, prop::option::of(0_u8..3)).prop_map(|(name, value)| Call::Fact(name, value)),
    ]
}

fn connector(cloud: bool) -> ConnectorId {
    ConnectorId::new(if cloud { "cloud" } else { "ad" })
}

/// Two of the four are one name in two spellings.
fn attribute(number: u8) -> AttributeName {
    AttributeName::new(["member", "Manager", "MEMBER", "owner"][usize::from(number)])
}

fn space_object(id: u64, row: &Row) -> SpaceObject {
    let cased = |text: String| if row.cloud { text.to_uppercase() } else { text };
    let made = SpaceObject {
        id: SpaceId(id),
        object_type: Some(if row.group { "group" } else { "user" }.into()),
        anchor: row.anchor.map(|anchor| anchor.to_string().as_str().into()),
        dn: row.name.map(|name| cased(format!("cn=É{name}, dc=x")).as_str().into()),
        kind: [SpaceKind::Staged, SpaceKind::Placeholder, SpaceKind::Transient]
            [usize::from(row.kind)],
        pending_import: match row.import {
            0 => PendingImport::None,
            1 => PendingImport::Add,
            2 => PendingImport::Update(BTreeSet::from([attribute(0), attribute(1)])),
            _ => PendingImport::Delete,
        },
        pending_export: row.export.then(|| PendingExport {
            kind: ExportKind::Update,
            attributes: BTreeMap::from([(attribute(1), vec!["x".into()])]),
            references: BTreeSet::new(),
            reason: "rule".to_owned(),
            sent: None,
        }),
        ..object(&connector(row.cloud), "x")
    };
    match row.link {
        Some(link) => linked(made, MetaverseId(link)),
        None => made,
    }
}

fn metaverse_object(id: u64, group: bool) -> MetaverseObject {
    let object_type = if group { "group" } else { "person" }.into();
    MetaverseObject { id: MetaverseId(id), object_type, ..identity() }
}

fn key(attribute_number: u8, value: u8) -> JoinKey {
    JoinKey { attribute: attribute(attribute_number), value: value.to_string().into() }
}

fn keys(keys: &[(u8, u8)]) -> Vec<JoinKey> {
    keys.iter().map(|(attribute, value)| key(*attribute, *value)).collect()
}

fn run(ended: Option<i64>) -> RunRecord {
    RunRecord {
        profile: "full".to_owned(),
        started: at(0),
        ended: ended.map(at),
        outcome: "done".to_owned(),
        counts: BTreeMap::new(),
        errors: Vec::new(),
    }
}

/// Makes the call; the answer as text, errors by their kind.
pub(crate) fn make(store: &mut dyn SyncStore, call: &Call) -> String {
    fn told<T: std::fmt::Debug>(result: Result<T, scim_sync::StoreError>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => {
                let text = format!("{error:?}");
                text.split('(').next().unwrap_or_default().to_owned()
            }
        }
    }
    match call {
        Call::Begin => told(store.begin()),
        Call::Commit => told(store.commit()),
        Call::Rollback => told(store.rollback()),
        Call::Insert(row) => told(store.insert_object(&space_object(0, row))),
        Call::Put(id, row) => told(store.put_object(&space_object(*id, row))),
        Call::Remove(id) => told(store.remove_object(SpaceId(*id))),
        Call::Seen(id, read) => told(store.mark_seen(SpaceId(*id), *read)),
        Call::AddEdge(from, name, to) => {
            told(store.add_edge(SpaceId(*from), &attribute(*name), SpaceId(*to)))
        }
        Call::RemoveEdge(from, name, to) => {
            told(store.remove_edge(SpaceId(*from), &attribute(*name), SpaceId(*to)))
        }
        Call::Index(id, values) => told(store.index_object(SpaceId(*id), &keys(values))),
        Call::InsertIdentity(group) => told(store.insert_metaverse(&metaverse_object(0, *group))),
        Call::PutIdentity(id, group) => told(store.put_metaverse(&metaverse_object(*id, *group))),
        Call::RemoveIdentity(id) => told(store.remove_metaverse(MetaverseId(*id))),
        Call::IndexIdentity(id, values) => {
            told(store.index_metaverse(MetaverseId(*id), &keys(values)))
        }
        Call::Dirty(id) => told(store.mark_dirty(MetaverseId(*id))),
        Call::Clean(id) => told(store.clear_dirty(MetaverseId(*id))),
        Call::Escrow(id, next) => {
            let escrow = Escrow {
                stage: EscrowStage::Sync,
                message: "no".to_owned(),
                first: at(0),
                next: next.map(at),
                attempts: 1,
            };
            told(store.put_escrow(SpaceId(*id), Some(&escrow)))
        }
        Call::EndEscrow(id) => told(store.put_escrow(SpaceId(*id), None)),
        Call::Connector(cloud, read) => {
            let watermark = Some(Watermark(serde_json::json!(read)));
            let state = ConnectorState { read: *read, watermark, ..ConnectorState::default() };
            told(store.put_connector(&connector(*cloud), &state))
        }
        Call::Run(ended) => told(store.add_run(&run(*ended))),
        Call::PutRun(number, ended) => told(store.put_run(*number, &run(*ended))),
        Call::ForgetRuns(before) => told(store.forget_runs(at(*before))),
        Call::Fact(name, value) => {
            let value = value.map(|value| value.to_string());
            told(store.put_fact(&name.to_string(), value.as_deref()))
        }
    }
}

/// Everything that can be asked, in pages of `limit`.
pub(crate) fn everything(store: &dyn SyncStore, limit: usize) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    macro_rules! tell {
        ($($what:expr),*) => { $(writeln!(out, "{:?}", $what).unwrap();)* };
    }
    for cloud in [false, true] {
        let space = connector(cloud);
        tell!(store.connector(&space).unwrap());
        for which in [
            Which::All,
            Which::PendingImport,
            Which::PendingExport,
            Which::Linked,
            Which::Escrowed,
            Which::Transient,
        ] {
            let mut after = None;
            loop {
                let page = store.objects(&space, which, after, limit).unwrap();
                tell!(page);
                after = page.last().map(|row| row.id).or(after);
                if page.len() < limit {
                    break;
                }
            }
            tell!(store.count_objects(&space, which).unwrap());
        }
        for number in 0..6 {
            let dn = format!("CN=é{number},DC=X").as_str().into();
            tell!(store.object_by_dn(&space, &dn).unwrap());
            let anchor = number.to_string().as_str().into();
            tell!(store.object_by_anchor(&space, &anchor).unwrap());
        }
        for read in 1..3 {
            tell!(store.unseen(&space, read, None, limit).unwrap());
            tell!(store.unseen(&space, read, Some(SpaceId(2)), 99).unwrap());
        }
        for object_type in ["user", "group"] {
            for value in 0..9_u8 {
                let key = key(value % 3, value / 3);
                tell!(store.objects_by_key(&space, &object_type.into(), &key, limit).unwrap());
            }
        }
    }
    for id in (0..12).map(SpaceId) {
        tell!(store.object(id).unwrap(), store.edge_counts(id).unwrap());
        tell!(store.seen(id).unwrap(), store.escrow(id).unwrap(), store.object_keys(id).unwrap());
        for name in 0..4 {
            tell!(store.edges(id, &attribute(name), None, limit).unwrap());
            tell!(store.edges(id, &attribute(name), Some(SpaceId(3)), 99).unwrap());
            for cloud in [false, true] {
                let mut after = None;
                loop {
                    let page = store
                        .edges_in(id, &attribute(name), &connector(cloud), after, limit)
                        .unwrap();
                    tell!(page);
                    after = page.last().copied().or(after);
                    if page.len() < limit {
                        break;
                    }
                }
            }
        }
        let mut after = None;
        loop {
            let page = store.referrers(id, after.clone(), limit).unwrap();
            tell!(page);
            after = page.last().cloned().or(after);
            if page.len() < limit {
                break;
            }
        }
    }
    for id in (0..9).map(MetaverseId) {
        tell!(store.metaverse(id).unwrap(), store.links(id).unwrap());
        tell!(store.metaverse_keys(id).unwrap());
    }
    for value in 0..9_u8 {
        let key = key(value % 3, value / 3);
        tell!(store.metaverse_by_key(&"person".into(), &key, limit).unwrap());
    }
    tell!(store.metaverse_objects(None, limit).unwrap());
    tell!(store.metaverse_objects(Some(MetaverseId(1)), 99).unwrap());
    tell!(store.dirty(None, limit).unwrap(), store.dirty(Some(MetaverseId(1)), 99).unwrap());
    for due in [None, Some(at(1)), Some(at(3))] {
        tell!(store.escrows(due, None, limit).unwrap());
        tell!(store.escrows(due, Some(SpaceId(2)), 99).unwrap());
    }
    tell!(store.runs(limit).unwrap(), store.fact("0").unwrap(), store.fact("1").unwrap());
    out
}

/// Spellings of names are compared where the contract says which one is shown; elsewhere any will do.
pub(crate) fn folded(text: &str) -> String {
    text.replace("MEMBER", "member")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn sqlite_answers_as_memory_does(
        calls in prop::collection::vec(call(), 1..80),
        limit in 1_usize..5,
    ) {
        let mut memory = MemoryStore::new();
        let mut sqlite = SqliteStore::open_in_memory().unwrap();
        for (number, call) in calls.iter().enumerate() {
            let (expected, found) = (make(&mut memory, call), make(&mut sqlite, call));
            prop_assert_eq!(expected, found, "call {}: {:?}", number, call);
            if number % 20 == 19 {
                let expected = folded(&everything(&memory, limit));
                prop_assert_eq!(expected, folded(&everything(&sqlite, limit)), "after call {}", number);
            }
        }
        // A transaction that was left open is seen from within, and then taken back.
        prop_assert_eq!(folded(&everything(&memory, limit)), folded(&everything(&sqlite, limit)));
        prop_assert_eq!(memory.rollback().is_ok(), sqlite.rollback().is_ok());
        prop_assert_eq!(folded(&everything(&memory, 99)), folded(&everything(&sqlite, 99)));
        prop_assert_eq!(sqlite.check_file().unwrap(), Vec::<String>::new());
    }
}
