//! Single objects: new, changed, renamed, of another type, gone, back.

use super::*;
use crate::AttributeValue;
use crate::metaverse::{Life, MetaverseObject};
use crate::space::{ExportKind, Link, LinkOrigin, PendingExport, Unconfirmed};
use crate::store::EscrowStage;

#[test]
fn a_new_object_is_an_add_with_all_it_has() {
    let mut store = MemoryStore::new();
    let ada = ImportedObject {
        version: Some("1".to_owned()),
        scope: SourceScope::Out("no".to_owned()),
        ..user("ada")
    };
    let report = full(&mut store, vec![ada.clone()]);
    assert_eq!((report.added, report.complete), (1, true));
    let row = row(&store, "ada");
    assert_eq!(row.pending_import, PendingImport::Add);
    assert_eq!((row.hologram, row.version, row.scope), (ada.attributes, ada.version, ada.scope));
    assert_eq!((row.kind, row.dn), (SpaceKind::Staged, ada.dn));
    is_sound(&store);
}

#[test]
fn an_object_as_it_was_is_no_news() {
    let mut store = MemoryStore::new();
    let attributes = AttributeSet::new().with("mail", "a").with("mail", "b");
    full(&mut store, vec![ImportedObject { attributes, ..user("ada") }]);
    synchronise(&mut store);
    let attributes = AttributeSet::new().with("Mail", "b").with("MAIL", "a");
    let report = full(&mut store, vec![ImportedObject { attributes, ..user("ada") }]);
    assert_eq!((report.unchanged, report.updated), (1, 0), "values have no order");
    assert_eq!(row(&store, "ada").pending_import, PendingImport::None);
}

#[test]
fn what_changed_is_named_and_adds_up_until_it_is_synchronised() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("ada")]);
    synchronise(&mut store);
    let attributes = AttributeSet::new().with("sn", "L");
    full(&mut store, vec![ImportedObject { attributes, dn: Some(dn("eve")), ..user("ada") }]);
    assert_eq!(row(&store, "ada").pending_import, update(&["cn", "sn", "dn"]));
    let mut change = changed("ada");
    change.attributes = BTreeMap::from([("sn".into(), vec![]), ("c".into(), vec!["DE".into()])]);
    change.scope = Some(SourceScope::Out("moved".to_owned()));
    delta(&mut store, vec![ImportChange::Changed(change)]);
    let row = row(&store, "ada");
    assert_eq!(row.pending_import, update(&["cn", "sn", "dn", "c", "scope"]));
    assert_eq!(row.hologram, AttributeSet::new().with("c", "DE"));
    assert_eq!(row.dn, Some(dn("eve")), "what a change does not tell stays");
}

#[test]
fn an_add_stays_an_add_whatever_comes_after() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("ada")]);
    let attributes = AttributeSet::new().with("cn", "other");
    full(&mut store, vec![ImportedObject { attributes, ..user("ada") }]);
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Add);
    full(&mut store, vec![ImportedObject { object_type: "contact".into(), ..user("ada") }]);
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Add, "nobody saw the other type");
}

#[test]
fn another_type_at_one_anchor_is_a_delete_and_an_add() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("ada")]);
    synchronise(&mut store);
    let contact = ImportedObject { object_type: "contact".into(), ..user("ada") };
    full(&mut store, vec![contact.clone()]);
    let seen = row(&store, "ada");
    assert_eq!(seen.pending_import, PendingImport::DeleteAdd);
    assert_eq!(seen.object_type, Some("contact".into()));
    full(&mut store, vec![contact]);
    assert_eq!(row(&store, "ada").pending_import, PendingImport::DeleteAdd);
}

#[test]
fn a_deletion_waits_for_the_synchronisation_and_can_be_taken_back() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("ada"), user("eve")]);
    synchronise(&mut store);
    let report = delta(&mut store, vec![ImportChange::Deleted("ada".into())]);
    assert_eq!(report.deleted, 1);
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Delete);
    let report = delta(&mut store, vec![ImportChange::Deleted("ada".into())]);
    assert_eq!(report.deleted, 0, "it is no news");
    let report = delta(&mut store, vec![ImportChange::Deleted("nobody".into())]);
    assert_eq!(report.deleted, 0);
    delta(&mut store, vec![told(user("ada"))]);
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Add, "unlinked: as if new");
}

#[test]
fn an_unknown_object_is_read_whole_before_the_watermark_moves() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("eve")]);
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(2)).unwrap();
    let changes = vec![
        ImportChange::Changed(changed("ada")),
        ImportChange::Changed(changed("ada")),
        ImportChange::Present("bob".into()),
        ImportChange::Changed(ChangedObject { object_type: "contact".into(), ..changed("eve") }),
    ];
    let asked = staging.page(page(changes)).unwrap().unknown;
    assert_eq!(asked, ["ada".into(), "bob".into(), "eve".into()] as [Anchor; 3]);
    staging.page(end(7, false)).unwrap();
    let contact = ImportedObject { object_type: "contact".into(), ..user("eve") };
    let half = staging.read_back(&asked[1..], vec![contact]).unwrap();
    assert_eq!(half.updated, 1);
    let whole = staging.read_back(&asked[..1], vec![user("ada")]).unwrap();
    assert_eq!((whole.added, whole.unknown), (1, vec![]));
    let report = staging.finish().unwrap();
    assert!(report.complete);
    assert_eq!(store.connector(&ad()).unwrap().watermark, Some(Watermark(json!(7))));
    assert_eq!(store.object_by_anchor(&ad(), &"bob".into()).unwrap(), None, "it was gone");
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Add);

    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(3)).unwrap();
    staging.page(page(vec![ImportChange::Changed(changed("zoe"))])).unwrap();
    staging.page(end(8, false)).unwrap();
    assert!(!staging.finish().unwrap().complete, "zoe was not read back");
    assert_eq!(store.connector(&ad()).unwrap().watermark, Some(Watermark(json!(7))));
}

#[test]
fn two_objects_may_change_their_names() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b")]);
    synchronise(&mut store);
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(2)).unwrap();
    let a = ImportedObject { dn: Some(dn("b")), ..user("a") };
    let b = ImportedObject { dn: Some(dn("a")), ..user("b") };
    staging.page(page(vec![told(a)])).unwrap();
    staging.page(page(vec![told(b)])).unwrap();
    staging.page(end(2, false)).unwrap();
    assert!(staging.finish().unwrap().complete);
    assert_eq!(store.object_by_dn(&ad(), &dn("b")).unwrap(), Some(id(&store, "a")));
    assert_eq!(store.object_by_dn(&ad(), &dn("a")).unwrap(), Some(id(&store, "b")));
    assert_eq!(row(&store, "b").kind, SpaceKind::Staged);
    assert_eq!(store.count_objects(&ad(), Which::Transient).unwrap(), 0);
    is_sound(&store);
}

#[test]
fn an_object_whose_name_is_taken_is_asked_for() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("z")]);
    synchronise(&mut store);
    let taker = || ImportedObject { dn: Some(dn("A")), ..user("b") };
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Delta, at(2)).unwrap();
    staging.page(page(vec![told(taker())])).unwrap();
    let asked = staging.page(end(2, false)).unwrap().unknown;
    assert_eq!(asked, ["a".into()] as [Anchor; 1]);
    staging.read_back(&asked, vec![]).unwrap();
    assert!(staging.finish().unwrap().complete);
    let a = row(&store, "a");
    assert_eq!((a.kind, a.pending_import), (SpaceKind::Transient, PendingImport::Delete));
    assert_eq!(store.object_by_dn(&ad(), &dn("a")).unwrap(), Some(id(&store, "b")));

    full(&mut store, vec![taker(), ImportedObject { dn: Some(dn("new")), ..user("a") }, user("z")]);
    assert_eq!(row(&store, "a").kind, SpaceKind::Staged, "told again");
    is_sound(&store);
}

#[test]
fn two_objects_with_one_name_end_in_escrow_and_not_in_a_loop() {
    let mut store = MemoryStore::new();
    let twin = || ImportedObject { dn: Some(dn("a")), ..user("b") };
    let mut staging = Staging::begin(&mut store, &ad(), ReadKind::Full, at(2)).unwrap();
    staging.page(page(vec![told(user("a")), told(twin())])).unwrap();
    let asked = staging.page(end(2, true)).unwrap().unknown;
    assert_eq!(asked, ["a".into()] as [Anchor; 1]);
    let asked = staging.read_back(&asked, vec![user("a")]).unwrap().unknown;
    assert_eq!(asked, ["b".into()] as [Anchor; 1]);
    let asked = staging.read_back(&asked, vec![twin()]).unwrap().unknown;
    assert!(asked.is_empty());
    assert!(staging.finish().unwrap().complete);
    let escrow = store.escrow(id(&store, "a")).unwrap().unwrap();
    assert!(escrow.message.contains("one name"), "{}", escrow.message);
    full(&mut store, vec![user("a"), ImportedObject { dn: Some(dn("c")), ..twin() }]);
    assert_eq!(store.count_objects(&ad(), Which::Escrowed).unwrap(), 0, "mended");
    is_sound(&store);
}

#[test]
fn two_objects_with_one_anchor_are_named() {
    let mut store = MemoryStore::new();
    let twin = ImportedObject { dn: Some(dn("b")), ..user("a") };
    full(&mut store, vec![user("a"), twin.clone()]);
    let escrow = store.escrow(id(&store, "a")).unwrap().unwrap();
    assert_eq!(escrow.stage, EscrowStage::Import);
    assert!(escrow.message.contains("cn=a,dc=x and cn=b,dc=x"), "{}", escrow.message);
    full(&mut store, vec![twin]);
    assert!(store.escrow(id(&store, "a")).unwrap().is_none());
    delta(
        &mut store,
        vec![told(user("a")), told(ImportedObject { dn: Some(dn("b")), ..user("a") })],
    );
    assert!(store.escrow(id(&store, "a")).unwrap().is_none(), "a delta may tell two renames");
}

/// A row in the target that was written and not read back.
fn written(store: &mut MemoryStore, anchor: Option<&str>, value: &str) -> SpaceId {
    store.begin().unwrap();
    let mut identity = MetaverseObject {
        id: crate::MetaverseId(0),
        object_type: "person".into(),
        attributes: BTreeMap::new(),
        references: BTreeMap::new(),
        life: Life::Held,
    };
    identity.id = store.insert_metaverse(&identity).unwrap();
    let id = store
        .insert_object(&SpaceObject {
            id: SpaceId(0),
            connector: ad(),
            object_type: Some("user".into()),
            anchor: anchor.map(Anchor::new),
            dn: Some(dn("ada")),
            kind: SpaceKind::Staged,
            scope: SourceScope::In,
            hologram: AttributeSet::new().with("cn", value),
            version: None,
            pending_import: PendingImport::None,
            pending_export: None,
            unconfirmed: Some(Unconfirmed {
                at: at(0),
                attributes: BTreeMap::from([("CN".into(), vec![AttributeValue::text(value)])]),
                mismatches: 0,
            }),
            link: Some(Link {
                metaverse: identity.id,
                origin: LinkOrigin::Provisioned { rule: "out".to_owned() },
                released: None,
            }),
        })
        .unwrap();
    store.commit().unwrap();
    id
}

#[test]
fn an_import_confirms_what_was_written() {
    let mut store = MemoryStore::new();
    written(&mut store, Some("ada"), "ada");
    let report = full(&mut store, vec![user("ada")]);
    let row = row(&store, "ada");
    assert_eq!((row.unconfirmed, row.pending_import), (None, PendingImport::None));
    assert_eq!(report.updated, 1, "it is confirmed");
    assert!(store.dirty(None, 9).unwrap().is_empty());
}

#[test]
fn what_was_written_in_vain_is_written_again_and_the_third_time_a_person_looks() {
    let mut store = MemoryStore::new();
    let id = written(&mut store, Some("ada"), "Ada");
    for times in 1..=3 {
        full(&mut store, vec![user("ada")]);
        let row = row(&store, "ada");
        assert_eq!(row.unconfirmed.as_ref().map(|written| written.mismatches), Some(times));
        assert_eq!(row.hologram.first(&"cn".into()), Some(&"ada".into()), "what it really has");
        assert_eq!(store.dirty(None, 9).unwrap().len(), 1, "the outbound rules compare again");
        assert_eq!(store.escrow(id).unwrap().is_some(), times == 3);
        full(&mut store, vec![user("ada")]);
        let mut again = self::row(&store, "ada");
        let mut written = again.unconfirmed.take().unwrap();
        assert_eq!(written.mismatches, times, "it was not written again");
        written.attributes.insert("CN".into(), vec![AttributeValue::text("Ada")]);
        again.unconfirmed = Some(written);
        store.begin().unwrap();
        store.put_object(&again).unwrap();
        store.commit().unwrap();
    }
    let escrow = store.escrow(id).unwrap().unwrap();
    assert_eq!((escrow.stage, escrow.next), (EscrowStage::Export, Some(at(1 + 6 * 3600))));
    assert!(escrow.message.contains("ad was told CN 3 times"), "{}", escrow.message);
}

#[test]
fn an_object_that_was_being_made_is_found_by_its_name_and_keeps_its_link() {
    let mut store = MemoryStore::new();
    let id = written(&mut store, None, "ada");
    store.begin().unwrap();
    let mut making = store.object(id).unwrap().unwrap();
    making.pending_export = Some(PendingExport {
        kind: ExportKind::Add,
        attributes: BTreeMap::new(),
        references: BTreeSet::new(),
        reason: String::new(),
        sent: Some(at(0)),
    });
    store.put_object(&making).unwrap();
    store.commit().unwrap();
    full(&mut store, vec![user("ada")]);
    let row = row(&store, "ada");
    assert_eq!((row.id, row.link), (id, making.link));
    assert_eq!(row.pending_import, PendingImport::Add);
}
