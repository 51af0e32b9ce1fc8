//! Creating, changing and deleting.

use scim_core::Version;

use super::Store;
use super::help::{
    add, at, batch, change, create, create_group, create_users, creation, default, deletion, draft,
    find, get, group, id, key, membership, number, other, resource, user, write,
};
use crate::store::{ChangeKind, Draft, Include, Key, StoreError, Write, WriteIf};

const ADA: &str = r#"{"userName":"ada"}"#;

pub async fn get_finds_by_tenant_type_and_id(store: &impl Store) {
    store.tenant_create(&other(), at(0)).await.unwrap();
    create(store, &user(1), ADA).await;
    assert_eq!(get(store, &user(1)).await.id, id(1));
    let wrong_type = key("Group", 1);
    let wrong_tenant = Key { tenant: other(), ..user(1) };
    let no_type = key("Robot", 1);
    for missing in [user(2), wrong_type, wrong_tenant, no_type] {
        let result = store.get(&missing, Include::default()).await;
        assert!(matches!(result, Err(StoreError::NotFound)), "{missing:?}: {result:?}");
    }
    let no_tenant = Key { tenant: "nobody".parse().unwrap(), ..user(1) };
    let result = store.get(&no_tenant, Include::default()).await;
    assert!(matches!(result, Err(StoreError::NoTenant)));
}

pub async fn a_creation_is_the_first_version(store: &impl Store) {
    let written = write(store, 5, creation(&user(1), ADA, &[])).await.unwrap();
    assert!(written.changed);
    let stored = get(store, &user(1)).await;
    assert_eq!(written.stored, stored);
    assert_eq!(stored.version, Version::FIRST);
    assert_eq!((stored.created, stored.modified), (at(5), at(5)));
    assert_eq!(stored.resource_type, "User");
    assert!(!stored.relative_refs);
}

pub async fn the_body_is_compact_json_as_it_was_given(store: &impl Store) {
    let json = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\"\u0001é😀","x-unknown":[1,2.5,-3,null,{"deep":[[]]}],"active":false,"emails":[{"value":"A@B","primary":true}]}"#;
    create(store, &user(1), json).await;
    let with_refs = Draft { relative_refs: true, ..draft(r#"{"userName":"b"}"#) };
    let creation =
        Write::Create { key: user(2), draft: with_refs, members: Vec::new(), allow_cycles: false };
    write(store, 0, creation).await.unwrap();
    let stored = get(store, &user(1)).await;
    assert_eq!(stored.body, serde_json::to_string(&resource(json)).unwrap());
    assert!(!stored.relative_refs);
    assert!(get(store, &user(2)).await.relative_refs);
}

pub async fn an_id_is_given_once_in_a_tenant(store: &impl Store) {
    create(store, &user(1), ADA).await;
    for taken in [user(1), key("Contact", 1)] {
        let result = write(store, 0, creation(&taken, r#"{"userName":"x"}"#, &[])).await;
        match result {
            Err(StoreError::Uniqueness { attribute }) => assert_eq!(attribute, "id"),
            other => panic!("{other:?}"),
        }
    }
    store.tenant_create(&other(), at(0)).await.unwrap();
    create(store, &Key { tenant: other(), ..user(1) }, ADA).await;
}

pub async fn unique_values_differ_by_fold_within_tenant_and_type(store: &impl Store) {
    create(store, &user(1), r#"{"userName":"Straße"}"#).await;
    create(store, &user(2), r#"{"userName":"ada"}"#).await;
    for taken in ["STRASSE", "straße", "ＡＤＡ", "Ada"] {
        let json = format!(r#"{{"userName":"{taken}"}}"#);
        let result = write(store, 0, creation(&user(3), &json, &[])).await;
        match result {
            Err(StoreError::Uniqueness { attribute }) => assert_eq!(attribute, "userName"),
            other => panic!("{taken}: {other:?}"),
        }
        let result = write(store, 0, change(&user(2), ADA, &json)).await;
        let own = taken != "STRASSE" && taken != "straße";
        assert_eq!(result.is_ok(), own, "{taken}");
        if own {
            write(store, 0, change(&user(2), &json, ADA)).await.unwrap();
        }
    }
    // Other types and tenants have their own names.
    create(store, &key("Contact", 4), r#"{"userName":"ada","displayName":"Ada"}"#).await;
    store.tenant_create(&other(), at(0)).await.unwrap();
    create(store, &Key { tenant: other(), ..user(5) }, ADA).await;
}

pub async fn unique_values_are_free_again(store: &impl Store) {
    create(store, &user(1), ADA).await;
    write(store, 0, change(&user(1), ADA, r#"{"userName":"king"}"#)).await.unwrap();
    create(store, &user(2), ADA).await;
    write(store, 0, deletion(&user(2))).await.unwrap();
    create(store, &user(3), ADA).await;
    assert_eq!(find(store, "User", "userName eq \"ada\"").await, [3]);
    assert_eq!(find(store, "User", "userName eq \"king\"").await, [1]);
}

pub async fn an_update_moves_version_and_time(store: &impl Store) {
    create(store, &user(1), ADA).await;
    let after = r#"{"userName":"ada","title":"Countess"}"#;
    let written = write(store, 7, change(&user(1), ADA, after)).await.unwrap();
    assert!(written.changed);
    assert_eq!(written.stored.version, Version(2));
    assert_eq!((written.stored.created, written.stored.modified), (at(0), at(7)));
    assert_eq!(written.stored.body, after);
    assert_eq!(get(store, &user(1)).await, written.stored);
    // The same millisecond is another version all the same.
    let written = write(store, 7, change(&user(1), after, ADA)).await.unwrap();
    assert_eq!((written.stored.version, written.stored.modified), (Version(3), at(7)));
}

pub async fn preconditions_are_checked(store: &impl Store) {
    create(store, &user(1), ADA).await;
    write(store, 0, change(&user(1), ADA, r#"{"userName":"king"}"#)).await.unwrap();
    let guarded = |version| Write::Update {
        key: user(1),
        guard: WriteIf::Version(Version(version)),
        draft: Some(draft(ADA)),
        members: Vec::new(),
        allow_cycles: false,
    };
    let delete = |key, version| Write::Delete { key, guard: WriteIf::Version(Version(version)) };
    for (refused, case) in [(guarded(1), "update"), (delete(user(1), 3), "delete")] {
        match write(store, 0, refused).await {
            Err(StoreError::VersionMismatch { actual }) => assert_eq!(actual, Version(2), "{case}"),
            other => panic!("{case}: {other:?}"),
        }
    }
    assert_eq!(write(store, 0, guarded(2)).await.unwrap().stored.version, Version(3));
    write(store, 0, delete(user(1), 3)).await.unwrap();
    for missing in [guarded(3), delete(user(1), 3), deletion(&group(1))] {
        assert!(matches!(write(store, 0, missing).await, Err(StoreError::NotFound)));
    }
}

pub async fn what_changes_nothing_leaves_everything_alone(store: &impl Store) {
    create(store, &user(1), r#"{"userName":"ada","name":{"givenName":"A","familyName":"L"}}"#)
        .await;
    create_group(store, 2, &[1]).await;
    let (before, before_group) = (get(store, &user(1)).await, get(store, &group(2)).await);
    let same = r#"{"name":{"familyName":"L","givenName":"A"},"userName":"ada"}"#;
    let written = write(store, 9, change(&user(1), same, same)).await.unwrap();
    assert!(!written.changed);
    assert_eq!(written.stored.version, Version::FIRST);
    let written = write(store, 9, membership(&group(2), vec![add(&[1])])).await.unwrap();
    assert_eq!((written.changed, written.members_added), (false, 0));
    let written = write(store, 9, membership(&group(2), Vec::new())).await.unwrap();
    assert!(!written.changed);
    assert_eq!(get(store, &user(1)).await, before);
    assert_eq!(get(store, &group(2)).await, before_group);
    assert_eq!(store.changes(&default(), 0, 100).await.unwrap().len(), 2);
    // Another spelling of a unique value is a change.
    let spelled = r#"{"userName":"ADA","name":{"givenName":"A","familyName":"L"}}"#;
    assert!(write(store, 9, change(&user(1), same, spelled)).await.unwrap().changed);
}

pub async fn a_password_alone_is_a_change(store: &impl Store) {
    let with = |hash: Option<&str>, clear| Write::Update {
        key: user(1),
        guard: WriteIf::Any,
        draft: Some(Draft {
            password_hash: hash.map(str::to_owned),
            clear_password: clear,
            ..draft(ADA)
        }),
        members: Vec::new(),
        allow_cycles: false,
    };
    create(store, &user(1), ADA).await;
    for (hash, clear, changed) in [
        (None, true, false),
        (Some("h1"), false, true),
        (Some("h1"), false, false),
        (None, false, false),
        (Some("h2"), false, true),
        (None, true, true),
        (None, true, false),
    ] {
        let written = write(store, 0, with(hash, clear)).await.unwrap();
        assert_eq!(written.changed, changed, "{hash:?} {clear}");
    }
    let stored = get(store, &user(1)).await;
    assert_eq!(stored.version, Version(4));
    assert_eq!(stored.body, ADA);
}

pub async fn a_batch_is_applied_whole_or_not_at_all(store: &impl Store) {
    create_users(store, &["ada", "king"]).await;
    create_group(store, 3, &[1]).await;
    let before =
        [get(store, &user(1)).await, get(store, &user(2)).await, get(store, &group(3)).await];
    let writes = vec![
        creation(&user(4), r#"{"userName":"new"}"#, &[]),
        change(&user(1), ADA, r#"{"userName":"ada","title":"T"}"#),
        membership(&group(3), vec![add(&[2, 4])]),
        deletion(&user(2)),
        creation(&user(5), r#"{"userName":"ADA"}"#, &[]),
    ];
    let result = store.write(batch(9, writes)).await;
    assert!(matches!(result, Err(StoreError::Uniqueness { .. })), "{result:?}");
    let after =
        [get(store, &user(1)).await, get(store, &user(2)).await, get(store, &group(3)).await];
    assert_eq!(after, before);
    assert_eq!(find(store, "User", "").await, [1, 2]);
    assert_eq!(find(store, "User", "userName eq \"new\"").await, [0; 0]);
    assert_eq!(store.changes(&default(), 0, 100).await.unwrap().len(), 3);
    assert_eq!(store.verify().await.unwrap(), []);
}

pub async fn a_batch_is_applied_in_order(store: &impl Store) {
    let writes = vec![
        creation(&user(1), ADA, &[]),
        creation(&group(2), r#"{"displayName":"G"}"#, &[1]),
        change(&user(1), ADA, r#"{"userName":"king"}"#),
        creation(&user(3), ADA, &[]),
        membership(&group(2), vec![add(&[3])]),
    ];
    let written = store.write(batch(1, writes)).await.unwrap();
    let versions: Vec<u64> = written.iter().map(|w| w.stored.version.0).collect();
    assert_eq!(versions, [1, 1, 2, 1, 2]);
    assert!(written.iter().all(|w| w.changed && w.stored.modified == at(1)));
    let kinds: Vec<ChangeKind> =
        store.changes(&default(), 0, 100).await.unwrap().iter().map(|c| c.kind).collect();
    use ChangeKind::{Create, Membership, Update};
    assert_eq!(kinds, [Create, Create, Update, Create, Membership]);
    assert_eq!(store.write(batch(1, Vec::new())).await.unwrap(), []);
}

pub async fn times_never_go_backwards(store: &impl Store) {
    write(store, 100, creation(&user(1), ADA, &[])).await.unwrap();
    write(store, 50, creation(&user(2), r#"{"userName":"b"}"#, &[])).await.unwrap();
    assert_eq!(get(store, &user(2)).await.created, at(100));
    let after = r#"{"userName":"c"}"#;
    let written = write(store, 20, change(&user(1), ADA, after)).await.unwrap();
    assert_eq!(written.stored.modified, at(100));
    let times: Vec<_> =
        store.changes(&default(), 0, 9).await.unwrap().iter().map(|c| c.at).collect();
    assert_eq!(times, [at(100); 3]);
    // What is told to the nanosecond is kept to the millisecond.
    let mut late = batch(0, vec![creation(&user(3), r#"{"userName":"d"}"#, &[])]);
    late.now = at(200) + chrono::TimeDelta::nanoseconds(999_999);
    store.write(late).await.unwrap();
    assert_eq!(get(store, &user(3)).await.created, at(200));
}

pub async fn changes_have_no_gaps_and_say_what_happened(store: &impl Store) {
    let before = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","name":{"familyName":"L"}}"#;
    let after = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","name":{"familyName":"K"},"title":"T"}"#;
    write(store, 1, creation(&user(1), before, &[])).await.unwrap();
    create_group(store, 2, &[]).await;
    write(store, 2, change(&user(1), before, after)).await.unwrap();
    write(store, 3, membership(&group(2), vec![add(&[1])])).await.unwrap();
    write(store, 4, deletion(&user(1))).await.unwrap();
    let _ = write(store, 5, deletion(&user(1))).await;
    let changes = store.changes(&default(), 0, 100).await.unwrap();
    let told: Vec<String> = changes
        .iter()
        .map(|c| {
            format!(
                "{} {:?} {} {} v{} [{}] +{} -{} {}",
                c.seq,
                c.kind,
                c.resource_type,
                number(&c.id),
                c.version.0,
                c.attributes.join(" "),
                c.members_added,
                c.members_removed,
                c.actor
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 Create User 1 v1 [userName name] +0 -0 tester",
            "2 Create Group 2 v1 [displayName] +0 -0 tester",
            "3 Update User 1 v2 [name title] +0 -0 tester",
            "4 Membership Group 2 v2 [members] +1 -0 tester",
            "5 Membership Group 2 v3 [members] +0 -1 tester",
            "6 Delete User 1 v2 [] +0 -0 tester",
        ]
    );
    assert_eq!(changes[2].at, at(2));
    let page = store.changes(&default(), 2, 3).await.unwrap();
    assert_eq!(page, changes[2..5]);
    assert_eq!(store.changes(&default(), 6, 3).await.unwrap(), []);
    let none = store.changes(&"nobody".parse().unwrap(), 0, 1).await;
    assert!(matches!(none, Err(StoreError::NoTenant)));
}

pub async fn a_deletion_answers_what_was_there(store: &impl Store) {
    create(store, &user(1), ADA).await;
    let before = store.get(&user(1), Include::default()).await.unwrap();
    let written = write(store, 9, deletion(&user(1))).await.unwrap();
    assert_eq!((written.stored, written.changed), (before, true));
    assert!(matches!(store.get(&user(1), Include::default()).await, Err(StoreError::NotFound)));
    assert_eq!(find(store, "User", "").await, [0; 0]);
    assert_eq!(find(store, "User", "userName eq \"ada\"").await, [0; 0]);
}

pub async fn unknown_types_and_tenants_are_refused(store: &impl Store) {
    let result = write(store, 0, creation(&key("Robot", 1), "{}", &[])).await;
    assert!(matches!(result, Err(StoreError::Refused(_))), "{result:?}");
    // What every resource of a type has, an index orders all of them by.
    let nameless = write(store, 0, creation(&user(1), r#"{"displayName":"x"}"#, &[])).await;
    assert!(matches!(nameless, Err(StoreError::Refused(_))), "{nameless:?}");
    let stranger = Key { tenant: "nobody".parse().unwrap(), ..user(1) };
    let result = write(store, 0, creation(&stranger, ADA, &[])).await;
    assert!(matches!(result, Err(StoreError::NoTenant)), "{result:?}");
}

pub async fn writers_at_the_same_time_do_not_lose_writes(store: &impl Store) {
    create_group(store, 1_000, &[]).await;
    create(store, &user(999), r#"{"userName":"shared"}"#).await;
    let one = |n: u64| async move {
        create(store, &user(n), &format!(r#"{{"userName":"user{n}"}}"#)).await;
        write(store, 0, membership(&group(1_000), vec![add(&[n])])).await.unwrap();
        // Only one of those who saw the first version may change it.
        let guarded = Write::Update {
            key: user(999),
            guard: WriteIf::Version(Version::FIRST),
            draft: Some(draft(&format!(r#"{{"userName":"shared","title":"{n}"}}"#))),
            members: Vec::new(),
            allow_cycles: false,
        };
        match write(store, 0, guarded).await {
            Ok(_) => true,
            Err(StoreError::VersionMismatch { actual }) => {
                assert_eq!(actual, Version(2));
                false
            }
            Err(error) => panic!("{error}"),
        }
    };
    let winners = join_all((1..=64).map(one)).await.into_iter().filter(|won| *won).count();
    assert_eq!(winners, 1);
    assert_eq!(super::help::members(store, 1_000).await, (1..=64).collect::<Vec<u64>>());
    assert_eq!(get(store, &group(1_000)).await.version, Version(65));
    let changes = store.changes(&default(), 0, 1_000).await.unwrap();
    assert_eq!(changes.len(), 2 + 64 + 64 + 1);
    assert!(changes.iter().zip(1..).all(|(change, seq)| change.seq == seq));
    assert_eq!(store.verify().await.unwrap(), []);
}

/// Runs all of them at the same time.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in waiting.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
