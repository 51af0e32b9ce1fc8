//! Objects of connector spaces, and what finds them.

use std::collections::{BTreeMap, BTreeSet};

use super::help::{
    ad, add, at, cloud, identity, is_conflict, is_missing, is_misuse, key, linked, name, object,
};
use crate::connector::SourceScope;
use crate::space::{
    ExportKind, Link, LinkOrigin, PendingExport, PendingImport, SpaceKind, SpaceObject, Unconfirmed,
};
use crate::store::{ObjectOutline, SyncStore, Which};
use crate::{Anchor, AttributeSet, AttributeValue, Dn, MetaverseId, SpaceId};

pub fn an_object_comes_back_as_it_was_put(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let metaverse = store.insert_metaverse(&identity()).unwrap();
    let values = vec![
        AttributeValue::text("Zoë \u{1f600} \"\\\0"),
        AttributeValue::Integer(i64::MIN),
        AttributeValue::Boolean(true),
        AttributeValue::DateTime(at(1) + chrono::TimeDelta::nanoseconds(1)),
        AttributeValue::Binary((0..=255).collect()),
        AttributeValue::Complex(BTreeMap::from([
            (name("value"), AttributeValue::Integer(i64::MAX)),
            (name("Display"), AttributeValue::Complex(BTreeMap::new())),
        ])),
    ];
    let mut full = SpaceObject {
        id: SpaceId(0),
        connector: ad(),
        object_type: Some("user".into()),
        anchor: Some("A".into()),
        dn: Some(Dn::new("CN=Ada, Dc=X")),
        kind: SpaceKind::Transient,
        scope: SourceScope::Out("not in the group".to_owned()),
        hologram: [(name("Mixed"), values.clone())].into_iter().collect(),
        version: Some("W/\"1\"".to_owned()),
        pending_import: PendingImport::Update(BTreeSet::from([name("mail"), name("dn")])),
        pending_export: Some(PendingExport {
            kind: ExportKind::DeleteAdd,
            attributes: BTreeMap::from([(name("mail"), vec![]), (name("sn"), values)]),
            references: BTreeSet::from([name("members")]),
            reason: "rule".to_owned(),
            sent: Some(at(3)),
        }),
        unconfirmed: Some(Unconfirmed {
            at: at(2),
            attributes: BTreeMap::from([(name("mail"), vec!["a".into()])]),
            mismatches: 2,
        }),
        link: Some(Link {
            metaverse,
            origin: LinkOrigin::Joined { rule: "r".to_owned(), by: "mail".to_owned() },
            released: Some(at(7)),
        }),
    };
    full.id = store.insert_object(&full).unwrap();
    store.commit().unwrap();
    let read = store.object(full.id).unwrap().unwrap();
    assert_eq!(read, full);
    let spelling = read.hologram.iter().next().map(|(name, _)| name.as_str().to_owned());
    assert_eq!(spelling.as_deref(), Some("Mixed"));

    let bare = SpaceObject {
        object_type: None,
        anchor: None,
        dn: None,
        kind: SpaceKind::Placeholder,
        scope: SourceScope::In,
        hologram: AttributeSet::new(),
        version: None,
        pending_import: PendingImport::None,
        pending_export: None,
        unconfirmed: None,
        link: None,
        ..full
    };
    store.begin().unwrap();
    store.put_object(&bare).unwrap();
    store.commit().unwrap();
    assert_eq!(store.object(bare.id).unwrap().unwrap(), bare);
    assert_eq!(store.objects(&ad(), Which::All, None, 9).unwrap(), [bare]);
    assert_eq!(store.object(SpaceId(99)).unwrap(), None);
}

pub fn an_outline_is_that_of_its_object(store: &mut dyn SyncStore) {
    let kinds = [
        None,
        Some(ExportKind::Add),
        Some(ExportKind::Update),
        Some(ExportKind::Disable),
        Some(ExportKind::Delete),
        Some(ExportKind::DeleteAdd),
    ];
    store.begin().unwrap();
    for (number, kind) in kinds.into_iter().enumerate() {
        for anchor in [None, Some(Anchor::new(format!("x{number}")))] {
            let pending_export = kind.map(|kind| PendingExport {
                kind,
                attributes: BTreeMap::new(),
                references: BTreeSet::new(),
                reason: String::new(),
                sent: None,
            });
            let row = SpaceObject { dn: None, anchor, pending_export, ..object(&cloud(), "") };
            let row = match &row.anchor {
                Some(_) => linked(row, store.insert_metaverse(&identity()).unwrap()),
                None => SpaceObject { kind: SpaceKind::Placeholder, ..row },
            };
            let id = store.insert_object(&row).unwrap();
            let outline = store.object_outline(id).unwrap().unwrap();
            assert_eq!(outline, ObjectOutline::of(&row), "{kind:?}");
            assert_eq!(
                (outline.kind, outline.anchor, outline.export),
                (row.kind, row.anchor, kind)
            );
            assert_eq!(outline.metaverse, row.link.map(|link| link.metaverse));
        }
    }
    store.commit().unwrap();
    assert_eq!(store.object_outline(SpaceId(99)).unwrap(), None);
}

pub fn an_object_is_found_by_anchor_within_its_space(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b) = (add(store, &ad(), "x"), add(store, &cloud(), "x"));
    store.commit().unwrap();
    assert_eq!(store.object_by_anchor(&ad(), &"x".into()).unwrap(), Some(a));
    assert_eq!(store.object_by_anchor(&cloud(), &"x".into()).unwrap(), Some(b));
    assert_eq!(store.object_by_anchor(&ad(), &"X".into()).unwrap(), None, "as written");
    assert_eq!(store.object_by_anchor(&"hr".into(), &"x".into()).unwrap(), None);
}

pub fn an_object_is_found_by_the_folded_name_that_it_holds(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "Zoë");
    assert_eq!(store.object_by_dn(&ad(), &"cn=ZOË , dc=X".into()).unwrap(), Some(a));
    let row = store.object(a).unwrap().unwrap();
    let transient = SpaceObject { kind: SpaceKind::Transient, ..row.clone() };
    let deleted = SpaceObject { pending_import: PendingImport::Delete, ..row.clone() };
    for nameless in [transient, deleted] {
        store.put_object(&nameless).unwrap();
        assert_eq!(store.object_by_dn(&ad(), &"cn=Zoë,dc=x".into()).unwrap(), None);
        assert_eq!(store.object(a).unwrap().unwrap().dn, row.dn, "it keeps the text");
    }
    store.commit().unwrap();
}

pub fn anchors_names_and_links_are_unique_in_a_space(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    let other = SpaceObject { dn: None, ..object(&ad(), "a") };
    assert!(is_conflict(store.insert_object(&other)), "the anchor");
    let other = SpaceObject { anchor: None, ..object(&ad(), "A") };
    assert!(is_conflict(store.insert_object(&other)), "the name");
    let other = SpaceObject { kind: SpaceKind::Placeholder, ..other };
    assert!(is_conflict(store.insert_object(&other)), "a placeholder's name");
    assert!(is_conflict(store.insert_object(&linked(object(&ad(), "b"), mv))), "the link");
    store.insert_object(&linked(object(&cloud(), "a"), mv)).unwrap();
    let b = add(store, &ad(), "b");
    let b = store.object(b).unwrap().unwrap();
    assert!(is_conflict(store.put_object(&SpaceObject { anchor: Some("a".into()), ..b.clone() })));
    assert!(is_conflict(
        store.put_object(&SpaceObject { dn: Some("cn=a,dc=x".into()), ..b.clone() })
    ));
    assert!(is_conflict(store.put_object(&linked(b, mv))));
    for _ in 0..2 {
        let nameless = SpaceObject { anchor: None, dn: None, ..object(&ad(), "c") };
        store.insert_object(&nameless).unwrap();
    }
    store.commit().unwrap();
}

pub fn what_an_object_gives_up_is_free_again(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    let a = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    let a = store.object(a).unwrap().unwrap();
    store.put_object(&a).unwrap();
    let bare = SpaceObject { anchor: None, dn: None, link: None, ..a };
    store.put_object(&bare).unwrap();
    let b = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    store.remove_object(b).unwrap();
    store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    store.commit().unwrap();
}

pub fn a_transient_leaves_its_name_to_another(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    let a = store.object(a).unwrap().unwrap();
    store.put_object(&SpaceObject { kind: SpaceKind::Transient, ..a.clone() }).unwrap();
    let b = SpaceObject { dn: a.dn.clone(), ..object(&ad(), "b") };
    let b = store.insert_object(&b).unwrap();
    assert!(is_conflict(store.put_object(&a)), "staged again it would have the name too");
    let dn = a.dn.clone().unwrap();
    assert_eq!(store.object_by_dn(&ad(), &dn).unwrap(), Some(b));
    store.remove_object(b).unwrap();
    store.put_object(&a).unwrap();
    assert_eq!(store.object_by_dn(&ad(), &dn).unwrap(), Some(a.id));
    store.commit().unwrap();
}

pub fn an_object_stays_in_its_space(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    let a = store.object(a).unwrap().unwrap();
    assert!(is_misuse(store.put_object(&SpaceObject { connector: cloud(), ..a })));
    store.commit().unwrap();
}

pub fn what_is_not_there_cannot_be_put_and_need_not_be_removed(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let ghost = SpaceObject { id: SpaceId(7), ..object(&ad(), "a") };
    assert!(is_missing(store.put_object(&ghost)));
    assert!(is_missing(store.mark_seen(ghost.id, 1)));
    assert!(is_missing(store.index_object(ghost.id, &[key("cn", "a")])));
    assert!(is_missing(store.index_object(ghost.id, &[])));
    store.remove_object(ghost.id).unwrap();
    store.commit().unwrap();
    assert_eq!(store.object(ghost.id).unwrap(), None);
}

pub fn a_link_asks_for_its_identity(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    assert!(is_missing(store.insert_object(&linked(object(&ad(), "a"), MetaverseId(5)))));
    let a = add(store, &ad(), "a");
    let a = store.object(a).unwrap().unwrap();
    assert!(is_missing(store.put_object(&linked(a, MetaverseId(5)))));
    assert_eq!(store.count_objects(&ad(), Which::Linked).unwrap(), 0);
    store.commit().unwrap();
}

fn ids(objects: &[SpaceObject]) -> Vec<u64> {
    objects.iter().map(|object| object.id.0).collect()
}

pub fn lists_are_by_row_and_in_pages(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    for text in ["e", "d", "c", "b", "a"] {
        add(store, &ad(), text);
    }
    store.commit().unwrap();
    assert_eq!(ids(&store.objects(&ad(), Which::All, None, 2).unwrap()), [1, 2]);
    assert_eq!(ids(&store.objects(&ad(), Which::All, Some(SpaceId(2)), 2).unwrap()), [3, 4]);
    assert_eq!(ids(&store.objects(&ad(), Which::All, Some(SpaceId(4)), 2).unwrap()), [5]);
    assert!(store.objects(&ad(), Which::All, Some(SpaceId(5)), 2).unwrap().is_empty());
    assert!(store.objects(&ad(), Which::All, None, 0).unwrap().is_empty());
    let listed = store.object_ids(&ad(), Which::All, Some(SpaceId(2)), 2).unwrap();
    assert_eq!(listed, [SpaceId(3), SpaceId(4)]);
    assert_eq!(store.objects(&ad(), Which::All, None, usize::MAX).unwrap().len(), 5);
}

pub fn lists_follow_what_objects_become(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    let plain = add(store, &ad(), "plain");
    let export = PendingExport {
        kind: ExportKind::Update,
        attributes: BTreeMap::new(),
        references: BTreeSet::new(),
        reason: String::new(),
        sent: None,
    };
    let busy = SpaceObject {
        pending_import: PendingImport::Add,
        pending_export: Some(export),
        kind: SpaceKind::Transient,
        ..linked(object(&ad(), "busy"), mv)
    };
    let busy = store.insert_object(&busy).unwrap();
    let lists = |store: &dyn SyncStore| -> Vec<Vec<u64>> {
        let lists = [
            Which::All,
            Which::PendingImport,
            Which::PendingExport,
            Which::Linked,
            Which::Escrowed,
            Which::Transient,
        ];
        lists
            .into_iter()
            .map(|which| {
                let rows = ids(&store.objects(&ad(), which, None, 9).unwrap());
                let listed = store.object_ids(&ad(), which, None, 9).unwrap();
                assert_eq!(listed.iter().map(|id| id.0).collect::<Vec<_>>(), rows);
                assert_eq!(store.count_objects(&ad(), which).unwrap(), rows.len() as u64);
                rows
            })
            .collect()
    };
    let (p, b) = (plain.0, busy.0);
    assert_eq!(lists(store), [vec![p, b], vec![b], vec![b], vec![b], vec![], vec![b]]);
    store.put_object(&SpaceObject { id: busy, ..object(&ad(), "busy") }).unwrap();
    assert_eq!(lists(store), [vec![p, b], vec![], vec![], vec![], vec![], vec![]]);
    store.remove_object(plain).unwrap();
    assert_eq!(lists(store)[0], [b]);
    store.commit().unwrap();
}

pub fn spaces_do_not_see_each_other(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    store.index_object(a, &[key("cn", "a")]).unwrap();
    store.commit().unwrap();
    assert!(store.objects(&cloud(), Which::All, None, 9).unwrap().is_empty());
    assert_eq!(store.count_objects(&cloud(), Which::All).unwrap(), 0);
    assert!(store.unseen(&cloud(), 1, None, 9).unwrap().is_empty());
    let found = store.objects_by_key(&cloud(), &"user".into(), &key("cn", "a"), 9).unwrap();
    assert!(found.is_empty());
}

pub fn seen_is_by_read(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b, c) = (add(store, &ad(), "a"), add(store, &ad(), "b"), add(store, &ad(), "c"));
    store.mark_seen(a, 1).unwrap();
    store.mark_seen(b, 1).unwrap();
    store.mark_seen(b, 2).unwrap();
    store.commit().unwrap();
    assert_eq!(store.unseen(&ad(), 1, None, 9).unwrap(), [b, c]);
    assert_eq!(store.unseen(&ad(), 2, None, 9).unwrap(), [a, c]);
    assert_eq!(store.unseen(&ad(), 2, None, 1).unwrap(), [a]);
    assert_eq!(store.unseen(&ad(), 2, Some(a), 9).unwrap(), [c]);
    assert_eq!(store.seen(b).unwrap(), Some(2));
    assert_eq!(store.seen(c).unwrap(), None);
}

pub fn unseen_leaves_out_placeholders_and_what_has_no_anchor(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let placeholder = SpaceObject { kind: SpaceKind::Placeholder, ..object(&ad(), "p") };
    store.insert_object(&placeholder).unwrap();
    let to_be_made = SpaceObject { anchor: None, ..object(&ad(), "n") };
    store.insert_object(&to_be_made).unwrap();
    let transient = SpaceObject { kind: SpaceKind::Transient, ..object(&ad(), "t") };
    let transient = store.insert_object(&transient).unwrap();
    store.commit().unwrap();
    assert_eq!(store.unseen(&ad(), 1, None, 9).unwrap(), [transient]);
}

pub fn objects_are_found_by_key_and_type(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let rows: Vec<SpaceId> = ["a", "b", "c"].map(|text| add(store, &ad(), text)).into();
    for id in &rows {
        store.index_object(*id, &[key("mail", "x@y"), key("cn", &id.0.to_string())]).unwrap();
    }
    let group = SpaceObject { object_type: Some("group".into()), ..object(&ad(), "g") };
    let group = store.insert_object(&group).unwrap();
    store.index_object(group, &[key("mail", "x@y")]).unwrap();
    store.commit().unwrap();
    let find = |object_type: &str, key, limit| {
        store.objects_by_key(&ad(), &object_type.into(), &key, limit).unwrap()
    };
    assert_eq!(find("user", key("MAIL", "x@y"), 9), rows, "a name has no case");
    assert_eq!(find("user", key("mail", "x@y"), 2), rows[..2]);
    assert_eq!(find("group", key("mail", "x@y"), 9), [group]);
    assert_eq!(find("user", key("cn", "2"), 9), [SpaceId(2)]);
    assert!(find("user", key("mail", "X@Y"), 9).is_empty(), "a value is compared as it is");
    assert!(find("User", key("mail", "x@y"), 9).is_empty(), "and so is a type");
}

pub fn keys_are_replaced_and_go_with_their_object(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    store.index_object(a, &[key("mail", "1"), key("mail", "2"), key("Mail", "2")]).unwrap();
    assert_eq!(store.object_keys(a).unwrap(), [key("mail", "1"), key("mail", "2")]);
    store.index_object(a, &[key("mail", "2"), key("cn", "3")]).unwrap();
    assert_eq!(store.object_keys(a).unwrap(), [key("cn", "3"), key("mail", "2")]);
    let user = "user".into();
    assert!(store.objects_by_key(&ad(), &user, &key("mail", "1"), 9).unwrap().is_empty());
    store.remove_object(a).unwrap();
    assert!(store.objects_by_key(&ad(), &user, &key("mail", "2"), 9).unwrap().is_empty());
    assert!(store.object_keys(a).unwrap().is_empty());
    store.commit().unwrap();
}

pub fn only_staged_objects_are_found_by_key(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    store.index_object(a, &[key("cn", "a")]).unwrap();
    let mut row = store.object(a).unwrap().unwrap();
    for kind in [SpaceKind::Placeholder, SpaceKind::Transient, SpaceKind::Staged] {
        row.kind = kind;
        store.put_object(&row).unwrap();
        let found = store.objects_by_key(&ad(), &"user".into(), &key("cn", "a"), 9).unwrap();
        assert_eq!(found.is_empty(), kind != SpaceKind::Staged, "{kind:?}");
    }
    store.commit().unwrap();
}
