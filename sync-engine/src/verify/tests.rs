//! Each broken rule is found, and a sound state has no notes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Recompute, verify};
use crate::metaverse::{Contribution, Life, MetaverseObject, ReferenceSource, ReleaseCause};
use crate::space::{ExportKind, PendingExport, PendingImport, SpaceKind, SpaceObject, Unconfirmed};
use crate::store::{Escrow, EscrowStage, JoinKey};
use crate::suite::help::{ad, add, at, cloud, identity, key, linked, name, object};
use crate::{MemoryStore, MetaverseId, SpaceId, SyncStore};

/// The notes about a state that `make` makes, without those that say who they are about.
fn notes(make: impl FnOnce(&mut MemoryStore)) -> Vec<String> {
    let mut store = MemoryStore::new();
    store.begin().unwrap();
    make(&mut store);
    store.commit().unwrap();
    let notes = verify(&store, &[ad(), cloud()], None).unwrap();
    notes.iter().map(ToString::to_string).collect()
}

fn about(row: SpaceObject) -> Vec<String> {
    notes(|store| {
        store.insert_object(&row).unwrap();
    })
}

fn export(kind: ExportKind) -> PendingExport {
    PendingExport {
        kind,
        attributes: BTreeMap::new(),
        references: BTreeSet::new(),
        reason: String::new(),
        sent: None,
    }
}

#[test]
fn a_sound_state_has_no_notes() {
    let found = notes(|store| {
        let mv = store.insert_metaverse(&identity()).unwrap();
        let a = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
        store.insert_object(&linked(object(&cloud(), "a"), mv)).unwrap();
        let contribution =
            Contribution { values: vec!["a".into()], from: vec![a], rule: "in".to_owned() };
        let source = ReferenceSource { from: a, attribute: name("member"), rule: "in".to_owned() };
        store
            .put_metaverse(&MetaverseObject {
                id: mv,
                attributes: BTreeMap::from([(name("cn"), contribution)]),
                references: BTreeMap::from([(name("members"), vec![source])]),
                ..identity()
            })
            .unwrap();
        store.mark_dirty(mv).unwrap();
        let placeholder = SpaceObject {
            kind: SpaceKind::Placeholder,
            anchor: None,
            object_type: None,
            hologram: crate::AttributeSet::new(),
            ..object(&ad(), "p")
        };
        let placeholder = store.insert_object(&placeholder).unwrap();
        store.add_edge(a, &name("member"), placeholder).unwrap();
        store.add_edge(a, &name("Owner"), a).unwrap();
        let to_be_made = SpaceObject {
            anchor: None,
            pending_export: Some(export(ExportKind::Add)),
            ..object(&ad(), "n")
        };
        let mv = store.insert_metaverse(&identity()).unwrap();
        store.insert_object(&linked(to_be_made, mv)).unwrap();
        let deleted = SpaceObject { pending_import: PendingImport::Delete, ..object(&ad(), "d") };
        store.insert_object(&deleted).unwrap();
        store
            .insert_object(&SpaceObject { anchor: Some("e".into()), ..object(&ad(), "d") })
            .unwrap();
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_placeholder_is_nothing_but_a_name() {
    let found = notes(|store| {
        let mv = store.insert_metaverse(&identity()).unwrap();
        let row = SpaceObject {
            kind: SpaceKind::Placeholder,
            anchor: None,
            dn: None,
            pending_import: PendingImport::Add,
            ..object(&ad(), "p")
        };
        let row = store.insert_object(&linked(row, mv)).unwrap();
        let other = add(store, &ad(), "o");
        store.add_edge(row, &name("member"), other).unwrap();
    });
    let expected = [
        "error: ad, object 1: it is a placeholder and has values",
        "error: ad, object 1: it is a placeholder and linked",
        "error: ad, object 1: it is a placeholder and refers to others",
        "error: ad, object 1: it is a placeholder and something is pending",
        "error: ad, object 1: it is a placeholder for nothing",
        "warning: ad, object 1: it is a placeholder that nothing refers to",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_pending_fits_what_is_there() {
    let row = || object(&ad(), "a");
    let nameless = SpaceObject { anchor: None, object_type: None, ..row() };
    let unconfirmed = Some(Unconfirmed { at: at(0), attributes: BTreeMap::new(), mismatches: 0 });
    let found = about(SpaceObject { unconfirmed, ..nameless });
    let expected = [
        "error: ad, object 1: it has no anchor and is not to be made",
        "error: ad, object 1: it has no type",
        "error: ad, object 1: something was written to it and it has no anchor",
    ];
    assert_eq!(found, expected);
    let found = about(SpaceObject { pending_export: Some(export(ExportKind::Add)), ..row() });
    let expected = [
        "error: ad, object 1: it is to be made and has an anchor",
        "warning: ad, object 1: an export is pending and it belongs to no identity",
    ];
    assert_eq!(found, expected);
    let found = about(SpaceObject { pending_export: Some(export(ExportKind::Update)), ..row() });
    assert_eq!(found[0], "error: ad, object 1: an export of nothing is pending");
    let pending_import = PendingImport::Update(BTreeSet::new());
    let found = about(SpaceObject { pending_import, ..row() });
    assert_eq!(found, ["error: ad, object 1: an import of no attribute is pending"]);
    let found = about(SpaceObject { kind: SpaceKind::Transient, ..row() });
    assert_eq!(found, ["warning: ad, object 1: another object has its name"]);
}

#[test]
fn an_edge_stays_in_its_space() {
    let found = notes(|store| {
        let (a, b) = (add(store, &ad(), "a"), add(store, &cloud(), "b"));
        store.add_edge(a, &name("member"), b).unwrap();
    });
    assert_eq!(found, ["error: ad, object 1: member refers to 2 of cloud"]);
}

#[test]
fn an_identity_is_made_of_what_is_linked_to_it() {
    let found = notes(|store| {
        let a = add(store, &ad(), "a");
        let contribution = Contribution { values: vec![], from: vec![a], rule: String::new() };
        let source =
            ReferenceSource { from: SpaceId(9), attribute: name("member"), rule: String::new() };
        store
            .insert_metaverse(&MetaverseObject {
                attributes: BTreeMap::from([(name("cn"), contribution)]),
                references: BTreeMap::from([(name("members"), vec![source])]),
                ..identity()
            })
            .unwrap();
        let released = Life::Released { cause: ReleaseCause::Deleted, since: at(0) };
        store.insert_metaverse(&MetaverseObject { life: released, ..identity() }).unwrap();
    });
    let expected = [
        "error: identity 1: cn comes from object 1, which is not linked to it",
        "error: identity 1: cn has no values",
        "error: identity 1: it is held and nothing is linked to it",
        "error: identity 1: members comes from object 9, which is not linked to it",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_escrow_says_why() {
    let found = notes(|store| {
        let a = add(store, &ad(), "a");
        let escrow = Escrow {
            stage: EscrowStage::Sync,
            message: String::new(),
            first: at(0),
            next: None,
            attempts: 1,
        };
        store.put_escrow(a, Some(&escrow)).unwrap();
    });
    assert_eq!(found, ["warning: ad, object 1: it is in escrow without a word why"]);
}

/// Everything is indexed by its number.
struct Numbers;

impl Recompute for Numbers {
    fn object_keys(&self, object: &SpaceObject) -> Option<Vec<JoinKey>> {
        Some(vec![key("id", &object.id.to_string())])
    }

    fn metaverse_keys(&self, object: &MetaverseObject) -> Option<Vec<JoinKey>> {
        (object.id != MetaverseId(3)).then(|| vec![key("id", &object.id.to_string())])
    }
}

#[test]
fn the_indexes_are_what_they_would_be_made_again() {
    let mut store = MemoryStore::new();
    store.begin().unwrap();
    for text in ["a", "b", "c"] {
        let mv = store.insert_metaverse(&identity()).unwrap();
        let id = store.insert_object(&linked(object(&ad(), text), mv)).unwrap();
        let keys = [key("ID", &id.to_string()), key("other", "x")];
        store.index_object(id, &keys[..id.0.min(2) as usize]).unwrap();
        store.index_metaverse(mv, &keys[..id.0.min(2) as usize]).unwrap();
    }
    store.commit().unwrap();
    let notes = verify(&store, &[ad()], Some(&Numbers)).unwrap();
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    let expected = [
        "error: ad, object 2: it is indexed by other values than it has",
        "error: ad, object 3: it is indexed by other values than it has",
        "error: identity 2: it is indexed by other values than it has",
    ];
    assert_eq!(notes, expected);
}
