//! What is kept beside the objects.

use super::help::{ad, add, at, cloud, is_missing};
use crate::SpaceId;
use crate::connector::Watermark;
use crate::store::{ConnectorState, Escrow, EscrowStage, RunRecord, SyncStore, Which};

pub fn a_connector_that_is_not_known_has_an_empty_state(store: &mut dyn SyncStore) {
    assert_eq!(store.connector(&ad()).unwrap(), ConnectorState::default());
}

pub fn a_connector_state_comes_back(store: &mut dyn SyncStore) {
    let state = ConnectorState {
        watermark: Some(Watermark(serde_json::json!({"cookie": "TVNEUw==", "usn": [1, 2]}))),
        read: u64::from(u32::MAX) + 1,
        complete: true,
        shape: Some("digest".to_owned()),
        last_import: Some(at(7)),
    };
    store.begin().unwrap();
    store.put_connector(&ad(), &state).unwrap();
    add(store, &cloud(), "a");
    store.commit().unwrap();
    assert_eq!(store.connector(&ad()).unwrap(), state);
    assert_eq!(store.connector(&cloud()).unwrap(), ConnectorState::default());
    store.begin().unwrap();
    store.put_connector(&ad(), &ConnectorState::default()).unwrap();
    store.commit().unwrap();
    assert_eq!(store.connector(&ad()).unwrap(), ConnectorState::default());
}

fn escrow(next: Option<i64>) -> Escrow {
    Escrow {
        stage: EscrowStage::Export,
        message: "refused".to_owned(),
        first: at(1),
        next: next.map(at),
        attempts: 3,
    }
}

pub fn an_escrow_comes_and_goes(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b) = (add(store, &ad(), "a"), add(store, &ad(), "b"));
    assert!(is_missing(store.put_escrow(SpaceId(9), Some(&escrow(None)))));
    store.put_escrow(SpaceId(9), None).unwrap();
    store.put_escrow(a, Some(&escrow(None))).unwrap();
    store.put_escrow(a, Some(&escrow(Some(5)))).unwrap();
    assert_eq!(store.escrow(a).unwrap(), Some(escrow(Some(5))));
    assert_eq!(store.escrow(b).unwrap(), None);
    let listed = store.objects(&ad(), Which::Escrowed, None, 9).unwrap();
    assert_eq!(listed.iter().map(|object| object.id).collect::<Vec<_>>(), [a]);
    assert!(store.objects(&cloud(), Which::Escrowed, None, 9).unwrap().is_empty());
    store.put_escrow(a, None).unwrap();
    store.put_escrow(a, None).unwrap();
    assert_eq!(store.escrow(a).unwrap(), None);
    assert_eq!(store.count_objects(&ad(), Which::Escrowed).unwrap(), 0);
    store.commit().unwrap();
}

pub fn escrows_are_listed_when_due(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    for (text, next) in [("a", Some(5)), ("b", None), ("c", Some(9)), ("d", Some(5))] {
        let id = add(store, &ad(), text);
        store.put_escrow(id, Some(&escrow(next))).unwrap();
    }
    store.commit().unwrap();
    let ids = |due: Option<i64>, after, limit| -> Vec<u64> {
        let page = store.escrows(due.map(at), after, limit).unwrap();
        page.iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(ids(None, None, 9), [1, 2, 3, 4]);
    assert_eq!(ids(Some(5), None, 9), [1, 4], "by then, that moment included");
    assert_eq!(ids(Some(9), None, 2), [1, 3]);
    assert_eq!(ids(Some(9), Some(SpaceId(3)), 2), [4]);
    assert!(ids(Some(4), None, 9).is_empty());
    let nanosecond = chrono::TimeDelta::nanoseconds(1);
    assert!(store.escrows(Some(at(5) - nanosecond), None, 9).unwrap().is_empty());
}

pub fn an_escrow_goes_with_its_object(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    store.put_escrow(a, Some(&escrow(None))).unwrap();
    store.remove_object(a).unwrap();
    store.commit().unwrap();
    assert!(store.escrows(None, None, 9).unwrap().is_empty());
    assert_eq!(store.count_objects(&ad(), Which::Escrowed).unwrap(), 0);
}

pub fn runs_are_newest_first_and_forgotten_by_their_end(store: &mut dyn SyncStore) {
    let run = |ended: Option<i64>| RunRecord {
        profile: "incremental".to_owned(),
        started: at(0),
        ended: ended.map(at),
        outcome: "done".to_owned(),
        counts: [("exported".to_owned(), 3)].into(),
        errors: vec!["one".to_owned()],
    };
    store.begin().unwrap();
    assert_eq!(store.add_run(&run(None)).unwrap(), 1);
    assert_eq!(store.add_run(&run(Some(5))).unwrap(), 2);
    assert_eq!(store.add_run(&run(None)).unwrap(), 3);
    store.put_run(3, &run(Some(9))).unwrap();
    assert!(is_missing(store.put_run(4, &run(None))));
    assert_eq!(store.runs(2).unwrap(), [(3, run(Some(9))), (2, run(Some(5)))]);
    store.forget_runs(at(5)).unwrap();
    assert_eq!(store.runs(9).unwrap().len(), 3, "that moment excluded");
    store.forget_runs(at(9)).unwrap();
    assert_eq!(store.runs(9).unwrap(), [(3, run(Some(9))), (1, run(None))]);
    store.forget_runs(at(99)).unwrap();
    assert_eq!(store.add_run(&run(None)).unwrap(), 4, "a number is given once");
    store.commit().unwrap();
}

pub fn facts_are_kept_and_forgotten(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    store.put_fact("digest", Some("a")).unwrap();
    store.put_fact("digest", Some("b")).unwrap();
    store.put_fact("other", Some("")).unwrap();
    store.put_fact("unknown", None).unwrap();
    store.commit().unwrap();
    assert_eq!(store.fact("digest").unwrap().as_deref(), Some("b"));
    assert_eq!(store.fact("other").unwrap().as_deref(), Some(""));
    store.begin().unwrap();
    store.put_fact("digest", None).unwrap();
    store.commit().unwrap();
    assert_eq!(store.fact("digest").unwrap(), None);
}
