//! References, placeholders, and who is looked at again.

use super::*;

fn change(attribute: &str, change: ReferenceChange) -> ImportChange {
    let references = BTreeMap::from([(attribute.into(), change)]);
    ImportChange::Changed(ChangedObject { object_type: "group".into(), references, ..changed("g") })
}

#[test]
fn what_nobody_told_is_a_placeholder_until_it_is_told() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![group("g", &[by_dn("ada"), by_anchor("eve")])]);
    assert_eq!(members(&store, "g"), names(&["?cn=ada,dc=x", "eve"]));
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 3);
    let placeholder = store.object_by_dn(&ad(), &dn("ada")).unwrap().unwrap();
    assert_eq!(store.object(placeholder).unwrap().unwrap().kind, SpaceKind::Placeholder);
    is_sound(&store);
    synchronise(&mut store);

    delta(&mut store, vec![told(user("ada"))]);
    assert_eq!(id(&store, "ada"), placeholder, "the row stays, and so do the edges");
    assert_eq!(row(&store, "ada").pending_import, PendingImport::Add);
    assert_eq!(row(&store, "g").pending_import, update(&["member"]), "looked at again");
    delta(&mut store, vec![told(user("eve"))]);
    assert_eq!(row(&store, "eve").kind, SpaceKind::Staged);
    assert_eq!(members(&store, "g"), names(&["ada", "eve"]));
    is_sound(&store);
}

#[test]
fn a_placeholder_that_nobody_needs_is_gone() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![group("g", &[by_dn("ada")]), group("h", &[by_dn("ada")])]);
    full(&mut store, vec![group("g", &[]), group("h", &[by_dn("ada")])]);
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 3);
    full(&mut store, vec![group("g", &[]), group("h", &[])]);
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 2);
    delta(&mut store, vec![change("member", added(&[by_anchor("x")]))]);
    delta(&mut store, vec![ImportChange::Deleted("x".into())]);
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 2, "told to be gone");
    assert_eq!(members(&store, "g"), names(&[]));
}

fn added(members: &[ReferenceTo]) -> ReferenceChange {
    ReferenceChange { added: members.to_vec(), ..ReferenceChange::default() }
}

fn removed(members: &[ReferenceTo]) -> ReferenceChange {
    ReferenceChange { removed: members.to_vec(), ..ReferenceChange::default() }
}

#[test]
fn members_come_and_go_one_by_one() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b"), group("g", &[by_dn("a")])]);
    synchronise(&mut store);
    delta(&mut store, vec![change("member", added(&[by_anchor("b"), by_dn("a")]))]);
    assert_eq!(members(&store, "g"), names(&["a", "b"]));
    assert_eq!(pending(&store)["g"], update(&["member"]));
    assert_eq!(pending(&store)["b"], PendingImport::None, "a member does not change");
    synchronise(&mut store);
    delta(&mut store, vec![change("MEMBER", removed(&[by_dn("a"), by_dn("nobody")]))]);
    assert_eq!(members(&store, "g"), names(&["b"]));
    synchronise(&mut store);
    let report = delta(&mut store, vec![change("member", added(&[by_dn("b")]))]);
    assert_eq!((report.updated, report.unchanged), (0, 1), "it was a member");
    let replace = ReferenceChange { replace: true, ..added(&[by_dn("a")]) };
    delta(&mut store, vec![change("member", replace)]);
    assert_eq!(members(&store, "g"), names(&["a"]));
}

#[test]
fn a_whole_object_has_only_the_references_it_tells() {
    let mut store = MemoryStore::new();
    let mut both = group("g", &[by_dn("a")]);
    both.references.insert("owner".into(), vec![by_dn("a"), by_dn("g")]);
    full(&mut store, vec![user("a"), both]);
    synchronise(&mut store);
    full(&mut store, vec![user("a"), user("g")]);
    let g = row(&store, "g");
    assert_eq!(g.pending_import, PendingImport::DeleteAdd);
    assert!(store.edge_counts(g.id).unwrap().is_empty());
}

#[test]
fn an_object_refers_to_itself_before_and_after_a_rename() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![group("g", &[by_dn("g")])]);
    assert_eq!(members(&store, "g"), names(&["g"]));
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 1);
    synchronise(&mut store);
    full(&mut store, vec![ImportedObject { dn: Some(dn("new")), ..group("g", &[by_dn("new")]) }]);
    assert_eq!(members(&store, "g"), names(&["g"]));
    assert_eq!(pending(&store)["g"], update(&["dn"]));
    is_sound(&store);
}

#[test]
fn a_member_told_by_its_new_name_before_it_is_renamed_is_the_same_member() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), group("g", &[by_dn("a")])]);
    synchronise(&mut store);
    let renamed = ImportedObject { dn: Some(dn("new")), ..user("a") };
    full(&mut store, vec![group("g", &[by_dn("new")]), renamed]);
    assert_eq!(members(&store, "g"), names(&["a"]));
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 2, "no placeholder stays");
    is_sound(&store);
}

#[test]
fn a_member_told_by_a_name_is_whoever_has_the_name_at_the_end() {
    for groups_first in [true, false] {
        let mut store = MemoryStore::new();
        full(&mut store, vec![user("a"), user("b"), group("g", &[by_dn("a")])]);
        synchronise(&mut store);
        let a = ImportedObject { dn: Some(dn("b")), ..user("a") };
        let b = ImportedObject { dn: Some(dn("a")), ..user("b") };
        let mut objects = vec![a, b, group("g", &[by_dn("a")])];
        if groups_first {
            objects.reverse();
        }
        full(&mut store, objects);
        assert_eq!(members(&store, "g"), names(&["b"]), "groups first: {groups_first}");
        assert_eq!(pending(&store)["g"], update(&["member"]));
        is_sound(&store);
    }
}

#[test]
fn a_member_told_by_its_anchor_stays_whatever_it_is_called() {
    let mut store = MemoryStore::new();
    full(&mut store, vec![user("a"), user("b"), group("g", &[by_anchor("a")])]);
    let a = ImportedObject { dn: Some(dn("b")), ..user("a") };
    let b = ImportedObject { dn: Some(dn("a")), ..user("b") };
    full(&mut store, vec![group("g", &[by_anchor("a"), by_dn("outside")]), a, b]);
    assert_eq!(members(&store, "g"), names(&["a", "?cn=outside,dc=x"]));
}
