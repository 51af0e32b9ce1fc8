//! Identities of the metaverse.

use std::collections::BTreeMap;

use super::help::{
    ad, add, at, cloud, identity, is_conflict, is_missing, key, linked, name, object,
};
use crate::metaverse::{Contribution, Life, MetaverseObject, ReferenceSource, ReleaseCause};
use crate::store::SyncStore;
use crate::{MetaverseId, SpaceId};

pub fn an_identity_comes_back_as_it_was_put(store: &mut dyn SyncStore) {
    let contribution = Contribution {
        values: vec!["Ada".into(), 5.into()],
        from: vec![SpaceId(1), SpaceId(2)],
        rule: "in".to_owned(),
    };
    // Called as a field of it is.
    let rule = r#"in,"attributes":{"#.to_owned();
    let source = ReferenceSource { from: SpaceId(1), attribute: name("member"), rule };
    let mut full = MetaverseObject {
        id: MetaverseId(0),
        object_type: "person".into(),
        attributes: BTreeMap::from([(name("displayName"), contribution)]),
        references: BTreeMap::from([
            (name("attributes"), vec![source.clone()]),
            (name("members"), vec![source]),
        ]),
        life: Life::Released { cause: ReleaseCause::OutOfScope, since: at(5) },
    };
    store.begin().unwrap();
    full.id = store.insert_metaverse(&full).unwrap();
    store.commit().unwrap();
    assert_eq!(store.metaverse(full.id).unwrap().as_ref(), Some(&full));
    assert_eq!(store.identity_outline(full.id).unwrap(), Some(full.clone().into()));
    let plain = MetaverseObject { id: full.id, ..identity() };
    store.begin().unwrap();
    store.put_metaverse(&plain).unwrap();
    store.commit().unwrap();
    assert_eq!(store.metaverse_objects(None, 9).unwrap(), [plain]);
}

pub fn an_identity_that_is_not_there_cannot_be_put_or_marked(store: &mut dyn SyncStore) {
    let ghost = MetaverseId(9);
    store.begin().unwrap();
    assert!(is_missing(store.put_metaverse(&MetaverseObject { id: ghost, ..identity() })));
    assert!(is_missing(store.mark_dirty(ghost)));
    assert!(is_missing(store.index_metaverse(ghost, &[key("cn", "a")])));
    assert!(is_missing(store.index_metaverse(ghost, &[])));
    store.clear_dirty(ghost).unwrap();
    store.remove_metaverse(ghost).unwrap();
    store.commit().unwrap();
    assert!(store.metaverse(ghost).unwrap().is_none());
    assert!(store.identity_outline(ghost).unwrap().is_none());
    assert!(store.links(ghost).unwrap().is_empty());
}

pub fn a_linked_identity_stays(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    let a = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    assert!(is_conflict(store.remove_metaverse(mv)));
    assert!(store.metaverse(mv).unwrap().is_some());
    store.remove_object(a).unwrap();
    store.remove_metaverse(mv).unwrap();
    assert!(store.metaverse(mv).unwrap().is_none());
    store.commit().unwrap();
}

pub fn links_are_by_connector(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    let other = store.insert_metaverse(&identity()).unwrap();
    let there = store.insert_object(&linked(object(&cloud(), "a"), mv)).unwrap();
    let here = store.insert_object(&linked(object(&ad(), "a"), mv)).unwrap();
    store.insert_object(&linked(object(&ad(), "b"), other)).unwrap();
    add(store, &ad(), "c");
    store.commit().unwrap();
    assert_eq!(store.links(mv).unwrap(), [(ad(), here), (cloud(), there)]);
    store.begin().unwrap();
    let row = store.object(here).unwrap().unwrap();
    store.put_object(&crate::space::SpaceObject { link: None, ..row }).unwrap();
    store.commit().unwrap();
    assert_eq!(store.links(mv).unwrap(), [(cloud(), there)]);
}

pub fn identities_are_in_pages(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    for _ in 0..3 {
        store.insert_metaverse(&identity()).unwrap();
    }
    store.commit().unwrap();
    let ids = |after, limit| -> Vec<u64> {
        let page = store.metaverse_objects(after, limit).unwrap();
        let ids: Vec<_> = page.iter().map(|object| object.id).collect();
        assert_eq!(store.metaverse_ids(after, limit).unwrap(), ids);
        ids.into_iter().map(|id| id.0).collect()
    };
    assert_eq!(ids(None, 2), [1, 2]);
    assert_eq!(ids(Some(MetaverseId(2)), 2), [3]);
    assert!(ids(Some(MetaverseId(3)), 2).is_empty());
}

pub fn identities_are_found_by_key_and_type(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = store.insert_metaverse(&identity()).unwrap();
    let group = MetaverseObject { object_type: "group".into(), ..identity() };
    let b = store.insert_metaverse(&group).unwrap();
    let c = store.insert_metaverse(&identity()).unwrap();
    for id in [c, b, a] {
        store.index_metaverse(id, &[key("mail", "x"), key("mail", "x")]).unwrap();
    }
    let find = |store: &dyn SyncStore, object_type: &str, limit| {
        store.metaverse_by_key(&object_type.into(), &key("Mail", "x"), limit).unwrap()
    };
    assert_eq!(find(store, "person", 9), [a, c]);
    assert_eq!(find(store, "person", 1), [a]);
    assert_eq!(find(store, "group", 9), [b]);
    store.index_metaverse(a, &[key("mail", "y")]).unwrap();
    assert_eq!(find(store, "person", 9), [c]);
    assert_eq!(store.metaverse_keys(a).unwrap(), [key("mail", "y")]);
    store.commit().unwrap();
}

pub fn dirty_is_a_set_in_order(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let ids: Vec<MetaverseId> =
        (0..3).map(|_| store.insert_metaverse(&identity()).unwrap()).collect();
    for id in [ids[2], ids[0], ids[2]] {
        store.mark_dirty(id).unwrap();
    }
    assert_eq!(store.dirty(None, 9).unwrap(), [ids[0], ids[2]]);
    assert_eq!(store.dirty(Some(ids[0]), 9).unwrap(), [ids[2]]);
    assert_eq!(store.dirty(None, 1).unwrap(), [ids[0]]);
    store.clear_dirty(ids[0]).unwrap();
    store.clear_dirty(ids[1]).unwrap();
    store.commit().unwrap();
    assert_eq!(store.dirty(None, 9).unwrap(), [ids[2]]);
}

pub fn a_removed_identity_leaves_nothing(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let mv = store.insert_metaverse(&identity()).unwrap();
    store.index_metaverse(mv, &[key("mail", "x")]).unwrap();
    store.mark_dirty(mv).unwrap();
    store.remove_metaverse(mv).unwrap();
    store.commit().unwrap();
    assert!(store.dirty(None, 9).unwrap().is_empty());
    assert!(store.metaverse_keys(mv).unwrap().is_empty());
    let found = store.metaverse_by_key(&"person".into(), &key("mail", "x"), 9).unwrap();
    assert!(found.is_empty());
}
