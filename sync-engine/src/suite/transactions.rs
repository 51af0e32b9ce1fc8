//! Transactions.

use super::help::{ad, add, at, identity, is_conflict, is_misuse, key, name, object};
use crate::store::{ConnectorState, Escrow, EscrowStage, RunRecord, SyncStore, Which};
use crate::{MetaverseId, SpaceId};

pub fn changes_outside_of_a_transaction_are_misuse(store: &mut dyn SyncStore) {
    let (id, mv) = (SpaceId(1), MetaverseId(1));
    assert!(is_misuse(store.put_connector(&ad(), &ConnectorState::default())));
    assert!(is_misuse(store.insert_object(&object(&ad(), "a"))));
    assert!(is_misuse(store.put_object(&object(&ad(), "a"))));
    assert!(is_misuse(store.remove_object(id)));
    assert!(is_misuse(store.mark_seen(id, 1)));
    assert!(is_misuse(store.add_edge(id, &name("member"), id)));
    assert!(is_misuse(store.remove_edge(id, &name("member"), id)));
    assert!(is_misuse(store.index_object(id, &[])));
    assert!(is_misuse(store.index_metaverse(mv, &[])));
    assert!(is_misuse(store.insert_metaverse(&identity())));
    assert!(is_misuse(store.put_metaverse(&identity())));
    assert!(is_misuse(store.remove_metaverse(mv)));
    assert!(is_misuse(store.mark_dirty(mv)));
    assert!(is_misuse(store.clear_dirty(mv)));
    assert!(is_misuse(store.put_escrow(id, None)));
    assert!(is_misuse(store.add_run(&run())));
    assert!(is_misuse(store.put_run(1, &run())));
    assert!(is_misuse(store.forget_runs(at(1))));
    assert!(is_misuse(store.put_fact("a", Some("b"))));
    assert!(store.fact("a").unwrap().is_none());
}

fn run() -> RunRecord {
    RunRecord {
        profile: "initial".to_owned(),
        started: at(0),
        ended: None,
        outcome: "running".to_owned(),
        counts: std::collections::BTreeMap::new(),
        errors: Vec::new(),
    }
}

pub fn transactions_do_not_nest_and_end_once(store: &mut dyn SyncStore) {
    assert!(is_misuse(store.commit()));
    assert!(is_misuse(store.rollback()));
    store.begin().unwrap();
    assert!(is_misuse(store.begin()));
    store.put_fact("a", Some("b")).unwrap();
    store.commit().unwrap();
    assert!(is_misuse(store.commit()));
    assert_eq!(store.fact("a").unwrap().as_deref(), Some("b"), "a refused begin ends nothing");
}

pub fn reads_see_what_the_transaction_wrote(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    assert_eq!(store.object_by_anchor(&ad(), &"a".into()).unwrap(), Some(a));
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 1);
    store.commit().unwrap();
    assert_eq!(store.object_by_anchor(&ad(), &"a".into()).unwrap(), Some(a));
}

pub fn a_rollback_takes_everything_back(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b) = (add(store, &ad(), "a"), add(store, &ad(), "b"));
    store.add_edge(a, &name("member"), b).unwrap();
    store.index_object(a, &[key("cn", "a")]).unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    store.index_metaverse(mv, &[key("cn", "a")]).unwrap();
    store.put_fact("fact", Some("old")).unwrap();
    store.commit().unwrap();

    store.begin().unwrap();
    let mut changed = store.object(a).unwrap().unwrap();
    changed.anchor = Some("z".into());
    store.put_object(&changed).unwrap();
    store.remove_object(b).unwrap();
    add(store, &ad(), "c");
    store.index_object(a, &[]).unwrap();
    store.index_metaverse(mv, &[key("cn", "z")]).unwrap();
    store.mark_dirty(mv).unwrap();
    store.mark_seen(a, 7).unwrap();
    let escrow = Escrow {
        stage: EscrowStage::Sync,
        message: "no".to_owned(),
        first: at(0),
        next: None,
        attempts: 1,
    };
    store.put_escrow(a, Some(&escrow)).unwrap();
    store.put_fact("fact", None).unwrap();
    store.add_run(&run()).unwrap();
    store.put_connector(&ad(), &ConnectorState { read: 9, ..Default::default() }).unwrap();
    store.rollback().unwrap();

    assert_eq!(store.object_by_anchor(&ad(), &"a".into()).unwrap(), Some(a));
    assert_eq!(store.object_by_anchor(&ad(), &"z".into()).unwrap(), None);
    assert_eq!(store.object_by_anchor(&ad(), &"c".into()).unwrap(), None);
    assert_eq!(store.object_by_dn(&ad(), &"cn=B,dc=x".into()).unwrap(), Some(b));
    assert_eq!(store.edges(a, &name("member"), None, 9).unwrap(), [b]);
    assert_eq!(store.object_keys(a).unwrap(), [key("cn", "a")]);
    assert_eq!(store.metaverse_keys(mv).unwrap(), [key("cn", "a")]);
    assert!(store.dirty(None, 9).unwrap().is_empty());
    assert_eq!(store.seen(a).unwrap(), None);
    assert!(store.escrow(a).unwrap().is_none());
    assert_eq!(store.count_objects(&ad(), Which::Escrowed).unwrap(), 0);
    assert_eq!(store.fact("fact").unwrap().as_deref(), Some("old"));
    assert!(store.runs(9).unwrap().is_empty());
    assert_eq!(store.connector(&ad()).unwrap(), ConnectorState::default());
}

pub fn row_numbers_are_given_once_and_again_after_a_rollback(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    assert_eq!(add(store, &ad(), "a"), SpaceId(1));
    assert_eq!(add(store, &ad(), "b"), SpaceId(2));
    store.remove_object(SpaceId(2)).unwrap();
    store.commit().unwrap();
    store.begin().unwrap();
    assert_eq!(add(store, &ad(), "c"), SpaceId(3));
    assert_eq!(store.insert_metaverse(&identity()).unwrap(), MetaverseId(1));
    store.rollback().unwrap();
    store.begin().unwrap();
    assert_eq!(add(store, &ad(), "d"), SpaceId(3));
    assert_eq!(store.insert_metaverse(&identity()).unwrap(), MetaverseId(1));
    store.remove_metaverse(MetaverseId(1)).unwrap();
    assert_eq!(store.insert_metaverse(&identity()).unwrap(), MetaverseId(2));
    store.commit().unwrap();
}

pub fn a_refused_call_changes_nothing_and_the_transaction_goes_on(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    assert!(is_conflict(store.insert_object(&object(&ad(), "a"))));
    let b = add(store, &ad(), "b");
    assert_eq!(b.0, a.0 + 1, "a refused row has no number");
    let mut changed = store.object(b).unwrap().unwrap();
    changed.anchor = Some("a".into());
    changed.dn = Some("cn=elsewhere".into());
    assert!(is_conflict(store.put_object(&changed)));
    store.commit().unwrap();
    assert_eq!(store.object(b).unwrap().unwrap().anchor, Some("b".into()));
    assert_eq!(store.object_by_dn(&ad(), &"cn=elsewhere".into()).unwrap(), None);
    assert_eq!(store.object_by_dn(&ad(), &"cn=b,dc=x".into()).unwrap(), Some(b));
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 2);
}
