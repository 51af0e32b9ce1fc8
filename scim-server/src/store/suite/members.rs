//! Groups and their members.

use scim_core::patch::{MemberEdit, MemberOp, Patch};
use scim_core::{Filter, Leniency, Limits, Profile, ResourceId, TypedFilter, Version};

use super::Store;
use super::help::{
    REGISTRY, add, at, batch, create, create_group, create_users, creation, default, deletion,
    elements, find, get, group, groups, id, key, members, membership, number, other, query, remove,
    scope, user, write,
};
use crate::store::{ChangeKind, Include, Key, MEMBERS_AT_ONCE, Query, StoreError, Write, WriteIf};

fn element_filter(text: &str) -> TypedFilter {
    let mut leniency = Leniency::new(Profile::strict());
    let filter = Filter::parse(text, &Limits::default(), &mut leniency).unwrap();
    let members = REGISTRY.group().attribute("members").unwrap();
    filter.resolve_in(members, &mut leniency).unwrap()
}

pub async fn members_come_and_go(store: &impl Store) {
    create_users(store, &["a", "b", "c", "d"]).await;
    create_group(store, 10, &[]).await;
    for (op, added, removed, left) in [
        (add(&[3, 1]), 2, 0, vec![1, 3]),
        (add(&[2, 1, 2]), 1, 0, vec![1, 2, 3]),
        (remove(&[1, 4]), 0, 1, vec![2, 3]),
        (MemberOp::Replace(elements(&[4, 3])), 1, 1, vec![3, 4]),
        (MemberOp::RemoveAll, 0, 2, vec![]),
        (MemberOp::Replace(elements(&[1])), 1, 0, vec![1]),
        (MemberOp::Replace(Vec::new()), 0, 1, vec![]),
    ] {
        let before = get(store, &group(10)).await.version;
        let told = format!("{op:?}");
        let written = write(store, 3, membership(&group(10), vec![op])).await.unwrap();
        assert_eq!((written.members_added, written.members_removed), (added, removed), "{told}");
        assert_eq!(members(store, 10).await, left, "{told}");
        let stored = get(store, &group(10)).await;
        assert_eq!((stored.version, stored.modified), (before.next(), at(3)), "{told}");
        let change = store.changes(&default(), 0, 100).await.unwrap().pop().unwrap();
        assert_eq!(change.kind, ChangeKind::Membership);
        assert_eq!((change.members_added, change.members_removed), (added, removed), "{told}");
    }
    // Members do not change when they join a group.
    assert_eq!(get(store, &user(1)).await.version, Version::FIRST);
}

pub async fn operations_apply_in_order_and_count_what_they_come_to(store: &impl Store) {
    create_users(store, &["a", "b", "c"]).await;
    create_group(store, 10, &[1, 2]).await;
    let ops = vec![remove(&[1]), add(&[1, 3]), remove(&[2]), add(&[2]), remove(&[2])];
    let written = write(store, 0, membership(&group(10), ops)).await.unwrap();
    assert_eq!((written.members_added, written.members_removed), (1, 1));
    assert_eq!(members(store, 10).await, [1, 3]);
    // All of it together changes nothing.
    let ops = vec![MemberOp::RemoveAll, add(&[1, 2]), MemberOp::Replace(elements(&[3, 1]))];
    let written = write(store, 0, membership(&group(10), ops)).await.unwrap();
    assert!(!written.changed);
    assert_eq!(written.stored.version, Version(2));
    assert_eq!(members(store, 10).await, [1, 3]);
}

pub async fn members_that_do_not_exist_are_named(store: &impl Store) {
    create_users(store, &["a"]).await;
    create_group(store, 10, &[1]).await;
    let nameless = MemberOp::Add(vec![scim_core::Object::new().into()]);
    for (ops, at) in [
        (vec![add(&[1, 7])], (0, 1)),
        (vec![remove(&[1]), add(&[1]), MemberOp::Replace(elements(&[8]))], (2, 0)),
        (vec![nameless], (0, 0)),
    ] {
        match write(store, 0, membership(&group(10), ops)).await {
            Err(StoreError::UnknownMember { operation, position }) => {
                assert_eq!((operation, position), at);
            }
            other => panic!("{other:?}"),
        }
    }
    // The operation is the one that the request numbers so.
    let edit = MemberEdit { operation: 5, op: add(&[9]) };
    let update = Write::Update {
        key: group(10),
        guard: WriteIf::Any,
        draft: None,
        members: vec![edit],
        allow_cycles: false,
    };
    let result = write(store, 0, update).await;
    assert!(matches!(result, Err(StoreError::UnknownMember { operation: 5, position: 0 })));
    assert_eq!(members(store, 10).await, [1]);
    assert_eq!(get(store, &group(10)).await.version, Version::FIRST);
}

pub async fn members_of_types_that_the_schema_forbids_are_unknown(store: &impl Store) {
    create(store, &key("Contact", 1), r#"{"displayName":"C"}"#).await;
    create_group(store, 2, &[1]).await;
    create_group(store, 3, &[2]).await;
    assert_eq!(get(store, &group(2)).await.members[0].resource_type, "Contact");
    assert_eq!(members(store, 3).await, [2]);
}

pub async fn members_of_another_tenant_do_not_exist(store: &impl Store) {
    store.tenant_create(&other(), at(0)).await.unwrap();
    create(store, &Key { tenant: other(), ..user(1) }, r#"{"userName":"a"}"#).await;
    create_group(store, 2, &[]).await;
    let result = write(store, 0, membership(&group(2), vec![add(&[1])])).await;
    assert!(matches!(result, Err(StoreError::UnknownMember { operation: 0, position: 0 })));
}

pub async fn members_are_read_in_pages_by_id(store: &impl Store) {
    create_users(store, &["a", "b", "c", "d", "e"]).await;
    create(store, &user(6), r#"{"userName":"f","displayName":"F"}"#).await;
    create_group(store, 10, &[6, 4, 2, 5, 1, 3]).await;
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = store.members(&group(10), after.as_ref(), 2).await.unwrap();
        pages.push(page.members.iter().map(|m| number(&m.id)).collect::<Vec<_>>());
        after = page.members.last().map(|m| m.id.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [[1, 2], [3, 4], [5, 6]]);
    let page = store.members(&group(10), Some(&id(5)), 9).await.unwrap();
    let last = &page.members[0];
    assert_eq!((last.resource_type.as_str(), last.display.as_deref()), ("User", Some("F")));
    let page = store.members(&group(10), None, 1).await.unwrap();
    assert_eq!(page.members[0].display.as_deref(), Some("a"));
    assert!(page.more);
    for missing in [user(10), group(11)] {
        let result = store.members(&missing, None, 1).await;
        assert!(matches!(result, Err(StoreError::NotFound)));
    }
}

pub async fn a_filter_takes_members_out(store: &impl Store) {
    create_users(store, &["a", "b", "c", "d", "e"]).await;
    create_group(store, 6, &[]).await;
    create_group(store, 10, &[1, 2, 3, 4, 5, 6]).await;
    let not_these = format!("not (value eq \"{}\" or value eq \"{}\")", id(2), id(6));
    for (filter, left) in [
        ("type eq \"robot\"", vec![1, 2, 3, 4, 5, 6]),
        (&*format!("$ref eq \"Users/{}\"", id(5)), vec![1, 2, 3, 4, 5, 6]),
        (&*format!("$ref eq \"https://example.com/scim/v2/Users/{}\"", id(4)), vec![1, 2, 3, 5, 6]),
        (&*format!("value eq \"{}\"", id(3)), vec![1, 2, 5, 6]),
        (&*not_these, vec![2, 6]),
        ("type eq \"GROUP\"", vec![2]),
        ("value pr", vec![]),
    ] {
        let op = MemberOp::RemoveWhere(element_filter(filter));
        write(store, 0, membership(&group(10), vec![op])).await.unwrap();
        assert_eq!(members(store, 10).await, left, "{filter}");
    }
}

pub async fn edits_inside_of_members_are_checked(store: &impl Store) {
    create_users(store, &["a", "b", "c"]).await;
    create_group(store, 10, &[1, 2, 3]).await;
    let edit = |path: String, value: &str| {
        let patch = Patch::new().replace(path.parse().unwrap(), value);
        let mut leniency = Leniency::new(Profile::default());
        let (_, edits) =
            patch.resolve(REGISTRY.group(), &mut leniency).unwrap().split_members("members");
        Write::Update {
            key: group(10),
            guard: WriteIf::Any,
            draft: None,
            members: edits,
            allow_cycles: false,
        }
    };
    let immutable = edit(format!("members[value eq \"{}\"].value", id(3)), id(1).as_str());
    let result = write(store, 0, immutable).await;
    assert!(matches!(result, Err(StoreError::Edit(_))), "{result:?}");
    let nothing = edit(format!("members[value eq \"{}\"].value", id(7)), id(1).as_str());
    let result = write(store, 0, nothing).await;
    assert!(matches!(result, Err(StoreError::Edit(_))), "{result:?}");
    // The type that a member has anyway changes nothing.
    let same = edit(format!("members[value eq \"{}\"].type", id(3)), "User");
    assert!(!write(store, 0, same).await.unwrap().changed);
    assert_eq!(members(store, 10).await, [1, 2, 3]);
}

pub async fn a_group_may_not_contain_itself(store: &impl Store) {
    for n in 1..=3 {
        create_group(store, n, &[]).await;
    }
    write(store, 0, membership(&group(1), vec![add(&[2])])).await.unwrap();
    write(store, 0, membership(&group(2), vec![add(&[3])])).await.unwrap();
    for (inner, outer) in [(1, 1), (2, 1), (3, 2), (3, 1)] {
        for op in [add(&[outer]), MemberOp::Replace(elements(&[outer]))] {
            let result = write(store, 0, membership(&group(inner), vec![op])).await;
            assert!(matches!(result, Err(StoreError::MemberCycle)), "{inner} {outer}: {result:?}");
        }
    }
    let own = creation(&group(4), r#"{"displayName":"G"}"#, &[4]);
    assert!(matches!(write(store, 0, own).await, Err(StoreError::MemberCycle)));
    assert_eq!(find(store, "Group", "").await, [1, 2, 3]);
    // Reaching a group on two ways is no cycle.
    write(store, 0, membership(&group(1), vec![add(&[3])])).await.unwrap();
}

pub async fn cycles_are_possible_when_allowed(store: &impl Store) {
    create_users(store, &["a"]).await;
    for n in 2..=3 {
        create_group(store, n, &[]).await;
    }
    let allowed = |n, ops: Vec<MemberOp>| match membership(&group(n), ops) {
        Write::Update { key, guard, draft, members, .. } => {
            Write::Update { key, guard, draft, members, allow_cycles: true }
        }
        other => other,
    };
    write(store, 0, allowed(2, vec![add(&[3, 1])])).await.unwrap();
    write(store, 0, allowed(3, vec![add(&[2])])).await.unwrap();
    assert_eq!(groups(store, &user(1)).await, [2, -3]);
    assert_eq!(groups(store, &group(2)).await, [-2, 3]);
    assert_eq!(groups(store, &group(3)).await, [2, -3]);
    let filter = format!("groups.value eq \"{}\"", id(3));
    assert_eq!(find(store, "User", &filter).await, [1]);
    write(store, 0, deletion(&group(2))).await.unwrap();
    assert_eq!(members(store, 3).await, [0; 0]);
    // A group in itself goes, too.
    write(store, 0, allowed(3, vec![add(&[3])])).await.unwrap();
    write(store, 0, deletion(&group(3))).await.unwrap();
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn groups_are_direct_and_indirect(store: &impl Store) {
    create_users(store, &["a", "b"]).await;
    create_group(store, 10, &[1]).await;
    create_group(store, 11, &[10, 2]).await;
    create_group(store, 12, &[11, 1]).await;
    assert_eq!(groups(store, &user(1)).await, [10, -11, 12]);
    assert_eq!(groups(store, &user(2)).await, [11, -12]);
    assert_eq!(groups(store, &group(10)).await, [11, -12]);
    assert_eq!(groups(store, &group(12)).await, [0; 0]);
    let stored = get(store, &user(1)).await;
    assert_eq!(stored.groups[0].display, "Group 10");
    let plain = store.get(&user(1), Include::default()).await.unwrap();
    assert_eq!((plain.groups.len(), plain.members.len()), (0, 0));
    let only = store.get(&group(12), Include { groups: false, members: true }).await.unwrap();
    assert_eq!(only.members.iter().map(|m| number(&m.id)).collect::<Vec<_>>(), [1, 11]);
}

pub async fn a_deleted_member_leaves_its_groups(store: &impl Store) {
    create_users(store, &["a", "b"]).await;
    create_group(store, 10, &[1, 2]).await;
    create_group(store, 11, &[1]).await;
    create_group(store, 12, &[2]).await;
    write(store, 8, deletion(&user(1))).await.unwrap();
    for (n, left, version) in [(10, vec![2], 2), (11, vec![], 2), (12, vec![2], 1)] {
        let stored = get(store, &group(n)).await;
        assert_eq!(members(store, n).await, left, "{n}");
        assert_eq!(stored.version, Version(version), "{n}");
        assert_eq!(stored.modified, if version == 2 { at(8) } else { at(0) }, "{n}");
    }
    let told: Vec<(ChangeKind, u64)> = store
        .changes(&default(), 5, 9)
        .await
        .unwrap()
        .iter()
        .map(|c| (c.kind, number(&c.id)))
        .collect();
    use ChangeKind::{Delete, Membership};
    assert_eq!(told, [(Membership, 10), (Membership, 11), (Delete, 1)]);
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn a_deleted_group_lets_its_members_go(store: &impl Store) {
    create_users(store, &["a"]).await;
    create_group(store, 10, &[1]).await;
    create_group(store, 11, &[10]).await;
    write(store, 8, deletion(&group(10))).await.unwrap();
    assert_eq!(groups(store, &user(1)).await, [0; 0]);
    assert_eq!(members(store, 11).await, [0; 0]);
    assert_eq!(get(store, &group(11)).await.version, Version(2));
    assert_eq!(get(store, &user(1)).await.version, Version::FIRST);
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn a_created_group_has_its_members(store: &impl Store) {
    create_users(store, &["a", "b"]).await;
    let json = r#"{"displayName":"G"}"#;
    let written = write(store, 0, creation(&group(10), json, &[2, 1, 2])).await.unwrap();
    assert_eq!((written.members_added, written.members_removed), (2, 0));
    assert_eq!(written.stored.version, Version::FIRST);
    assert_eq!(members(store, 10).await, [1, 2]);
    let change = store.changes(&default(), 2, 9).await.unwrap().pop().unwrap();
    assert_eq!((change.kind, change.members_added), (ChangeKind::Create, 2));
    assert_eq!(change.attributes, ["displayName", "members"]);
    let result = write(store, 0, creation(&group(11), json, &[1, 9])).await;
    assert!(matches!(result, Err(StoreError::UnknownMember { operation: 0, position: 1 })));
    assert!(matches!(store.get(&group(11), Include::default()).await, Err(StoreError::NotFound)));
}

pub async fn a_large_group_comes_with_the_ids_of_its_other_members(store: &impl Store) {
    let most = MEMBERS_AT_ONCE as u64;
    let users =
        (1..=most + 2).map(|n| creation(&user(n), &format!(r#"{{"userName":"u{n}"}}"#), &[]));
    store.write(batch(0, users.collect())).await.unwrap();
    for (n, size) in [(5_000, most - 1), (5_001, most), (5_002, most + 1), (5_003, most + 2)] {
        let all: Vec<u64> = (1..=size).rev().collect();
        create_group(store, n, &all).await;
        let stored = get(store, &group(n)).await;
        let first: Vec<u64> = stored.members.iter().map(|m| number(&m.id)).collect();
        assert_eq!(first, (1..=size.min(most)).collect::<Vec<_>>());
        let others: Vec<u64> = stored.other_members.iter().map(|id| number(&id)).collect();
        assert_eq!(others, (most + 1..=size).collect::<Vec<_>>());
        let one = scope("Group", &format!(r#"displayName eq "Group {n}""#));
        let include = Include { groups: true, members: true };
        let page = store.query(&Query { include, ..query(vec![one]) }).await.unwrap();
        assert_eq!(page.items, [stored]);
        let without = store.get(&group(n), Include::default()).await.unwrap();
        assert!(without.members.is_empty() && without.other_members.is_empty());
    }
}

pub async fn ids_become_members_again(store: &impl Store) {
    create_users(store, &["a", "b", "c", "d", "e", "f"]).await;
    let contact = Key { resource_type: "Contact".into(), ..user(7) };
    create(store, &contact, r#"{"displayName":"G"}"#).await;
    create_group(store, 10, &[1, 3, 5, 7]).await;
    let named = async |group: &Key, ids: &[u64]| {
        let ids: Vec<ResourceId> = ids.iter().map(|n| id(*n)).collect();
        let members = store.named(group, &ids).await.unwrap();
        members.into_iter().map(|m| (number(&m.id), m.display.unwrap_or_default())).collect()
    };
    let all = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "G")];
    let expected = |ids: &[u64]| -> Vec<(u64, smol_str::SmolStr)> {
        all.iter().filter(|(n, _)| ids.contains(n)).map(|(n, name)| (*n, (*name).into())).collect()
    };
    // In the group or not any more, or the group is gone itself: the same members.
    for group in [group(10), group(11), user(1)] {
        for ids in [&[1, 3, 5, 7][..], &[2, 4], &[1, 2, 3, 4, 5, 6, 7], &[6], &[3], &[1, 7], &[]] {
            let found: Vec<(u64, smol_str::SmolStr)> = named(&group, ids).await;
            assert_eq!(found, expected(ids), "{group:?} {ids:?}");
        }
    }
    let found = store.named(&group(10), &[id(7)]).await.unwrap();
    assert_eq!(found[0].resource_type, "Contact");
    write(store, 0, deletion(&user(3))).await.unwrap();
    let found: Vec<(u64, smol_str::SmolStr)> = named(&group(10), &[1, 3, 5]).await;
    assert_eq!(found, expected(&[1, 5]), "those that are gone are left out");
    // Nothing of another tenant.
    store.tenant_create(&other(), at(0)).await.unwrap();
    let there = Key { tenant: other(), ..group(10) };
    let found: Vec<(u64, smol_str::SmolStr)> = named(&there, &[1, 2]).await;
    assert_eq!(found, []);
}
