//! Edges between the objects of a space.

use super::help::{ad, add, cloud, identity, is_missing, linked, name, object};
use crate::store::SyncStore;
use crate::{AttributeName, SpaceId};

pub fn an_edge_is_there_once(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b) = (add(store, &ad(), "a"), add(store, &ad(), "b"));
    let member = name("member");
    assert!(store.add_edge(a, &member, b).unwrap());
    assert!(!store.add_edge(a, &member, b).unwrap());
    assert_eq!(store.edges(a, &member, None, 9).unwrap(), [b]);
    assert!(store.remove_edge(a, &member, b).unwrap());
    assert!(!store.remove_edge(a, &member, b).unwrap());
    assert!(store.edges(a, &member, None, 9).unwrap().is_empty());
    assert!(store.referrers(b, None, 9).unwrap().is_empty());
    store.commit().unwrap();
}

pub fn names_of_attributes_are_compared_without_case(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b) = (add(store, &ad(), "a"), add(store, &ad(), "b"));
    store.add_edge(a, &name("Member"), b).unwrap();
    assert!(!store.add_edge(a, &name("MEMBER"), b).unwrap());
    assert_eq!(store.edges(a, &name("member"), None, 9).unwrap(), [b]);
    assert_eq!(store.edge_counts(a).unwrap(), [(name("mEmber"), 1)]);
    assert_eq!(store.edge_counts(a).unwrap()[0].0.as_str(), "Member", "shown as first written");
    assert!(store.remove_edge(a, &name("member"), b).unwrap());
    store.commit().unwrap();
}

pub fn an_edge_needs_both_ends(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    let ghost = SpaceId(99);
    assert!(is_missing(store.add_edge(a, &name("member"), ghost)));
    assert!(is_missing(store.add_edge(ghost, &name("member"), a)));
    assert!(!store.remove_edge(a, &name("member"), ghost).unwrap());
    store.commit().unwrap();
    assert!(store.edge_counts(a).unwrap().is_empty());
}

pub fn edges_are_in_pages_by_row(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let group = add(store, &ad(), "group");
    let members: Vec<SpaceId> = (0..5).map(|n| add(store, &ad(), &n.to_string())).collect();
    for to in members.iter().rev() {
        store.add_edge(group, &name("member"), *to).unwrap();
        store.add_edge(group, &name("owner"), *to).unwrap();
        store.add_edge(*to, &name("member"), group).unwrap();
    }
    store.commit().unwrap();
    let page = |after, limit| store.edges(group, &name("member"), after, limit).unwrap();
    assert_eq!(page(None, 2), members[..2]);
    assert_eq!(page(Some(members[1]), 2), members[2..4]);
    assert_eq!(page(Some(members[3]), 2), members[4..]);
    assert!(page(Some(members[4]), 2).is_empty());
    assert!(page(None, 0).is_empty());
}

pub fn edges_are_counted_by_attribute(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b, c) = (add(store, &ad(), "a"), add(store, &ad(), "b"), add(store, &ad(), "c"));
    store.add_edge(a, &name("owner"), b).unwrap();
    store.add_edge(a, &name("Member"), b).unwrap();
    store.add_edge(a, &name("Member"), c).unwrap();
    store.add_edge(b, &name("manager"), a).unwrap();
    store.commit().unwrap();
    assert_eq!(store.edge_counts(a).unwrap(), [(name("member"), 2), (name("owner"), 1)]);
    assert!(store.edge_counts(c).unwrap().is_empty());
}

pub fn referrers_are_in_pages_by_row_and_name(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b, c) = (add(store, &ad(), "a"), add(store, &ad(), "b"), add(store, &ad(), "c"));
    store.add_edge(b, &name("Owner"), a).unwrap();
    store.add_edge(b, &name("member"), a).unwrap();
    store.add_edge(c, &name("member"), a).unwrap();
    store.add_edge(a, &name("member"), c).unwrap();
    store.commit().unwrap();
    let all = [(b, name("member")), (b, name("owner")), (c, name("member"))];
    assert_eq!(store.referrers(a, None, 9).unwrap(), all);
    let mut after: Option<(SpaceId, AttributeName)> = None;
    for expected in &all {
        let page = store.referrers(a, after, 1).unwrap();
        assert_eq!(page, std::slice::from_ref(expected));
        after = page.last().cloned();
    }
    assert!(store.referrers(a, after, 1).unwrap().is_empty());
}

pub fn edges_go_with_either_end(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let (a, b, c) = (add(store, &ad(), "a"), add(store, &ad(), "b"), add(store, &ad(), "c"));
    for (from, to) in [(a, b), (b, c), (a, c), (c, a)] {
        store.add_edge(from, &name("member"), to).unwrap();
    }
    store.remove_object(b).unwrap();
    store.commit().unwrap();
    assert_eq!(store.edges(a, &name("member"), None, 9).unwrap(), [c]);
    assert_eq!(store.referrers(c, None, 9).unwrap(), [(a, name("member"))]);
    assert!(store.edges(b, &name("member"), None, 9).unwrap().is_empty());
    assert!(store.referrers(b, None, 9).unwrap().is_empty());
}

pub fn an_object_may_refer_to_itself(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let a = add(store, &ad(), "a");
    store.add_edge(a, &name("manager"), a).unwrap();
    assert_eq!(store.referrers(a, None, 9).unwrap(), [(a, name("manager"))]);
    store.remove_object(a).unwrap();
    store.commit().unwrap();
    assert!(store.edge_counts(a).unwrap().is_empty());
}

/// A person in both spaces.
fn person(store: &mut dyn SyncStore, text: &str) -> (SpaceId, SpaceId) {
    let mv = store.insert_metaverse(&identity()).unwrap();
    let here = store.insert_object(&linked(object(&ad(), text), mv)).unwrap();
    (here, store.insert_object(&linked(object(&cloud(), text), mv)).unwrap())
}

pub fn edges_come_to_another_space_through_identities(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let group = add(store, &ad(), "group");
    let (ada, ada_there) = person(store, "ada");
    let (eve, _) = person(store, "eve");
    let alone = add(store, &ad(), "alone");
    for to in [ada, alone] {
        store.add_edge(group, &name("member"), to).unwrap();
    }
    store.add_edge(group, &name("owner"), eve).unwrap();
    store.commit().unwrap();
    let come = |target| store.edges_in(group, &name("Member"), &target, None, 9).unwrap();
    assert_eq!(come(cloud()), [ada_there]);
    assert_eq!(come(ad()), [ada], "the space itself is one of the identity's");
    assert!(come("hr".into()).is_empty());
}

pub fn edges_in_another_space_are_each_once_and_in_pages(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let group = add(store, &ad(), "group");
    let mut here = Vec::new();
    let mut identities = Vec::new();
    for n in 0..5 {
        let mv = store.insert_metaverse(&identity()).unwrap();
        here.push(store.insert_object(&linked(object(&ad(), &n.to_string()), mv)).unwrap());
        identities.push(mv);
    }
    let mut there = Vec::new();
    for mv in identities.iter().rev() {
        let object = linked(object(&cloud(), &mv.0.to_string()), *mv);
        there.push(store.insert_object(&object).unwrap());
    }
    for to in here {
        store.add_edge(group, &name("member"), to).unwrap();
    }
    store.commit().unwrap();
    let page =
        |after, limit| store.edges_in(group, &name("member"), &cloud(), after, limit).unwrap();
    assert_eq!(page(None, 9), there, "in the order of the other space");
    assert_eq!(page(None, 2), there[..2]);
    assert_eq!(page(Some(there[1]), 2), there[2..4]);
    assert_eq!(page(Some(there[3]), 2), there[4..]);
    assert!(page(Some(there[4]), 2).is_empty());
    assert_eq!(page(Some(there[0]), 1), there[1..2], "from anywhere");
}

pub fn edges_in_another_space_follow_every_change(store: &mut dyn SyncStore) {
    store.begin().unwrap();
    let group = add(store, &ad(), "group");
    let people: Vec<_> = ["a", "b", "c"].map(|text| person(store, text)).into();
    for (here, _) in &people {
        store.add_edge(group, &name("member"), *here).unwrap();
    }
    store.commit().unwrap();
    let first = |store: &dyn SyncStore, after| {
        store.edges_in(group, &name("member"), &cloud(), after, 1).unwrap()
    };
    assert_eq!(first(store, None), [people[0].1]);
    store.begin().unwrap();
    store.remove_edge(group, &name("member"), people[1].0).unwrap();
    assert_eq!(first(store, Some(people[0].1)), [people[2].1]);
    assert_eq!(first(store, None), [people[0].1]);
    store.rollback().unwrap();
    assert_eq!(first(store, Some(people[0].1)), [people[1].1]);
    assert_eq!(first(store, None), [people[0].1]);
    store.begin().unwrap();
    store.remove_object(people[1].1).unwrap();
    assert_eq!(first(store, Some(people[0].1)), [people[2].1]);
    store.commit().unwrap();
}
