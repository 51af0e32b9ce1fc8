//! What is concluded at the end of a read, and what is not.

use super::*;
use crate::ObjectType;

#[test]
fn what_a_full_read_did_not_tell_is_gone() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b"), group("g", &[by_dn("c")])]);
    let report = full(&mut store, vec![user("a"), group("g", &[by_dn("c")])]);
    assert_eq!(report.deleted, 1);
    assert_eq!(row(&store, "b").pending_import, PendingImport::Delete);
    let placeholder = store.object_by_dn(&ad(), &dn("c")).unwrap();
    assert!(placeholder.is_some(), "what was never told cannot be gone");
}

#[test]
fn a_read_that_was_cut_off_concludes_nothing() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b")]);
    let before = store.connector(&ad()).unwrap();
    for kind in [ReadKind::Full, ReadKind::Delta] {
        let mut staging = Staging::begin(&mut store, &ad(), kind, at(9)).unwrap();
        staging.page(page(vec![told(user("c"))])).unwrap();
        let report = staging.finish().unwrap();
        assert!(!report.complete);
    }
    let after = store.connector(&ad()).unwrap();
    assert_eq!((after.watermark, after.last_import), (before.watermark, before.last_import));
    assert_eq!(row(&store, "a").pending_import, PendingImport::Add);
    assert_eq!(row(&store, "c").pending_import, PendingImport::Add, "what was told is told");
    let report = full(&mut store, vec![user("a"), user("b")]);
    assert_eq!(report.deleted, 1, "an earlier read does not count for a later one");
}

#[test]
fn the_first_full_read_completes_the_space_and_keeps_its_shape() {
    let mut store = MemoryStore::new();
    delta(&mut store, vec![told(user("a"))]);
    assert!(!store.connector(&ad()).unwrap().complete);
    let staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(5)).unwrap();
    let mut staging = staging.with_shape("digest");
    staging.page(page(vec![told(user("a"))])).unwrap();
    assert!(!staging.store.connector(&ad()).unwrap().complete);
    staging.page(end(5, true)).unwrap();
    staging.finish().unwrap();
    let state = store.connector(&ad()).unwrap();
    assert!(state.complete);
    assert_eq!(state.shape.as_deref(), Some("digest"));
    assert_eq!((state.watermark, state.last_import), (Some(Watermark(json!(5))), Some(at(5))));
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(6)).unwrap();
    let quiet = ImportEnd { watermark: None, sweep: false };
    staging.page(ImportPage { end: Some(quiet), ..ImportPage::default() }).unwrap();
    assert!(staging.finish().unwrap().complete);
    let state = store.connector(&ad()).unwrap();
    assert_eq!(state.watermark, Some(Watermark(json!(5))), "none keeps the one there was");
    assert_eq!(row(&store, "a").pending_import, PendingImport::Add);
}

#[test]
fn a_present_phase_sweeps_too() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b"), user("c")]);
    synchronise(&mut store);
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(5)).unwrap();
    let attributes = AttributeSet::new().with("cn", "new");
    let b = told(ImportedObject { attributes, ..user("b") });
    staging.page(page(vec![ImportChange::Present("a".into()), b])).unwrap();
    staging.page(end(5, true)).unwrap();
    staging.finish().unwrap();
    assert_eq!(pending(&store)["a"], PendingImport::None);
    assert_eq!(pending(&store)["b"], update(&["cn"]));
    assert_eq!(pending(&store)["c"], PendingImport::Delete);
}

#[test]
fn a_complete_read_of_nothing_is_refused() {
    for kind in [ReadKind::Full, ReadKind::Delta] {
        let mut store = MemoryStore::new();
        full(&mut store, vec![user("a"), user("b")]);
        let before = store.connector(&ad()).unwrap();
        let mut staging = Staging::begin(&mut store, &ad(), kind, at(9)).unwrap();
        staging.page(page(vec![])).unwrap();
        let error = staging.page(end(9, true)).unwrap_err();
        assert!(matches!(error, StagingError::Empty { known: 2, .. }), "{error}");
        assert!(error.to_string().contains("nothing was deleted"), "{error}");
        assert!(staging.page(end(9, true)).is_err(), "the read is over");
        let after = store.connector(&ad()).unwrap();
        assert_eq!(after.watermark, before.watermark);
        assert_eq!(row(&store, "a").pending_import, PendingImport::Add);
    }
}

#[test]
fn a_complete_read_of_nothing_of_a_type_is_refused_where_there_were_some() {
    let groups = |count: usize| (0..count).map(|number| group(&format!("g{number}"), &[]));
    let mut store = MemoryStore::new();
    full(&mut store, groups(6).chain([user("a")]).collect());
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(9)).unwrap();
    staging.page(page(vec![told(user("a"))])).unwrap();
    let error = staging.page(end(9, true)).unwrap_err();
    assert!(matches!(error, StagingError::Empty { known: 6, .. }), "{error}");
    assert!(error.to_string().contains("no group at all"), "{error}");
    assert_eq!(row(&store, "g0").pending_import, PendingImport::Add);

    let mut store = MemoryStore::new();
    full(&mut store, groups(5).chain([user("a")]).collect());
    full(&mut store, vec![user("a")]);
    assert_eq!(row(&store, "g0").pending_import, PendingImport::Delete, "a few may go");
}

#[test]
fn what_is_read_no_more_is_not_gone() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), group("g", &[])]);
    synchronise(&mut store);
    for _ in 0..2 {
        let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(9)).unwrap();
        staging = staging.with_types([ObjectType::new("user")].into());
        staging.page(page(vec![told(user("a"))])).unwrap();
        staging.page(end(9, true)).unwrap();
        let scope = row(&store, "g").scope;
        assert!(matches!(scope, SourceScope::Out(_)), "{scope:?}");
        assert_eq!(row(&store, "g").pending_import, update(&["scope"]));
    }
}

#[test]
fn an_empty_system_is_empty_from_the_start() {
    let mut store = MemoryStore::new();
    assert!(full(&mut store, vec![]).complete);
    assert!(full(&mut store, vec![]).complete);
    delta(&mut store, vec![told(user("a")), ImportChange::Deleted("a".into())]);
    assert!(full(&mut store, vec![]).complete, "the last one was told to be gone");
}

#[test]
fn a_page_that_fails_leaves_nothing_of_itself() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a")]);
    // A store under another's transaction refuses the page.
    store.begin().unwrap();
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(9)).unwrap();
    assert!(staging.page(page(vec![told(user("b"))])).is_err());
    drop(staging);
    store.commit().unwrap();
    assert_eq!(store.object_by_anchor(&ad(), &"b".into()).unwrap(), None);
}

#[test]
fn no_page_comes_after_the_end() {
    let mut store = MemoryStore::new();
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(9)).unwrap();
    staging.page(end(1, true)).unwrap();
    assert!(staging.page(page(vec![told(user("b"))])).is_err());
    let _: Staged = staging.read_back(&[], vec![]).unwrap();
}

#[test]
fn spaces_are_read_apart() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a")]);
    let cloud = ConnectorId::new("cloud");
    let mut staging = Staging::begin(&mut store, &cloud, ReadKind::Full, at(9)).unwrap();
    staging.page(page(vec![told(user("a"))])).unwrap();
    staging.page(end(1, true)).unwrap();
    staging.finish().unwrap();
    assert_eq!(row(&store, "a").pending_import, PendingImport::Add);
    assert!(store.object_by_anchor(&cloud, &"a".into()).unwrap().is_some());
}
