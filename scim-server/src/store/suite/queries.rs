//! Finding resources by filter, a page at a time.

use super::Store;
use super::help::{
    add, at, create, create_group, create_users, deletion, find, group, groups, id, key,
    membership, numbers, other, query, scope, user, write,
};
use crate::store::{Include, Key, Position, Query, StoreError, Total};

/// Eight people, for filters of all kinds.
async fn people(store: &impl Store) {
    for (n, json) in (1..).zip([
        r#"{"userName":"ada","externalId":"X1","displayName":"Ada","active":true,"name":{"familyName":"Lovelace"},"emails":[{"value":"ada@example.com","type":"work"},{"value":"ada@home.example","type":"home"}]}"#,
        r#"{"userName":"Bob","externalId":"x1","displayName":"ada","active":false,"emails":[{"value":"bob@example.com","type":"work"},{"value":"ADA@example.com","type":"home"}]}"#,
        r#"{"userName":"adam","active":true,"name":{"familyName":"Smith"},"emails":[{"value":"adam@example.com"}]}"#,
        r#"{"userName":"ADELE","externalId":"X4","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Math","employeeNumber":"7"}}"#,
        r#"{"userName":"Émile","displayName":"École","active":true}"#,
        r#"{"userName":"e\u0301milie","displayName":"ecole"}"#,
        r#"{"userName":"zoe","externalId":"","nickName":"","active":false}"#,
        r#"{"userName":"a_a%","displayName":"50% _off"}"#,
    ]) {
        write(store, 10 * n as i64, super::help::creation(&user(n), json, &[])).await.unwrap();
    }
}

async fn page(store: &impl Store, query: &Query) -> (Vec<u64>, Option<Position>, Option<u64>) {
    let page = store.query(query).await.unwrap();
    (numbers(&page), page.next, page.total)
}

pub async fn resources_come_in_the_order_of_their_ids(store: &impl Store) {
    for n in [5, 2, 9, 1] {
        create(store, &user(n), &format!(r#"{{"userName":"u{n}"}}"#)).await;
    }
    create(store, &key("Contact", 3), r#"{"displayName":"C"}"#).await;
    assert_eq!(find(store, "User", "").await, [1, 2, 5, 9]);
    write(store, 0, deletion(&user(2))).await.unwrap();
    assert_eq!(find(store, "User", "").await, [1, 5, 9]);
    assert_eq!(find(store, "Contact", "").await, [3]);
    assert_eq!(find(store, "Group", "").await, [0; 0]);
    let nothing = Query { tenant: "nobody".parse().unwrap(), ..query(vec![scope("User", "")]) };
    assert!(matches!(store.query(&nothing).await, Err(StoreError::NoTenant)));
}

pub async fn pages_follow_each_other(store: &impl Store) {
    let names: Vec<String> = (0..23).map(|n| format!("u{n}")).collect();
    create_users(store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (filter, expected) in [("", 23), ("userName sw \"u1\"", 11), ("userName co \"1\"", 12)] {
        let mut query = Query { limit: 5, ..query(vec![scope("User", filter)]) };
        let mut seen = Vec::new();
        loop {
            let (numbers, next, total) = page(store, &query).await;
            assert_eq!(total, Some(expected), "{filter}");
            assert!(numbers.len() == 5 || next.is_none());
            seen.extend(numbers);
            match next {
                Some(next) => {
                    assert_eq!((next.key.is_none(), &next.id), (true, &id(seen[seen.len() - 1])));
                    query.after = Some(next);
                }
                None => break,
            }
        }
        let all = find(store, "User", filter).await;
        assert_eq!((seen.len() as u64, &seen), (expected, &all), "{filter}");
    }
    // A position stays good when its resource is gone.
    write(store, 0, deletion(&user(5))).await.unwrap();
    let after = Some(Position { key: None, id: id(5) });
    let query = Query { after, limit: 2, ..query(vec![scope("User", "")]) };
    assert_eq!(page(store, &query).await.0, [6, 7]);
}

pub async fn skipping_is_counting_from_the_start(store: &impl Store) {
    let names: Vec<String> = (0..40).map(|n| format!("u{n}")).collect();
    create_users(store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for filter in ["", "userName ew \"1\" or userName pr", "userName sw \"u\""] {
        for skip in [0, 1, 7, 8, 9, 25, 39, 40, 1_000] {
            let query = Query { skip, limit: 3, ..query(vec![scope("User", filter)]) };
            let (numbers, next, total) = page(store, &query).await;
            let expected: Vec<u64> = (skip + 1..=40).take(3).collect();
            assert_eq!(numbers, expected, "{filter} {skip}");
            assert_eq!(next.is_some(), skip + 3 < 40, "{filter} {skip}");
            assert_eq!(total, Some(40));
        }
        let after = Some(Position { key: None, id: id(10) });
        let query = Query { skip: 5, after, limit: 2, ..query(vec![scope("User", filter)]) };
        assert_eq!(page(store, &query).await.0, [16, 17], "{filter}");
    }
}

pub async fn totals_do_not_depend_on_the_page(store: &impl Store) {
    people(store).await;
    for (filter, expected) in [
        ("", 8),
        ("active eq true", 3),
        ("userName eq \"ada\"", 1),
        ("displayName eq \"ADA\"", 2),
        ("userName sw \"ad\"", 3),
        ("emails.value sw \"ada\"", 3),
        ("meta.created gt \"2026-01-01T12:00:00.040Z\"", 4),
        ("userName eq \"ada\" or emails.value eq \"ada@example.com\"", 2),
    ] {
        let base = query(vec![scope("User", filter)]);
        let after = Some(Position { key: None, id: id(3) });
        for query in [
            Query { limit: 0, ..base.clone() },
            Query { limit: 1, ..base.clone() },
            Query { skip: 100, ..base.clone() },
            Query { limit: 1, after, ..base.clone() },
        ] {
            assert_eq!(page(store, &query).await.2, Some(expected), "{filter}");
        }
        let (numbers, next, total) =
            page(store, &Query { total: Total::Skip, limit: 0, ..base }).await;
        assert_eq!((numbers.len(), next, total), (0, None, None));
    }
}

pub async fn indexed_attributes_are_found(store: &impl Store) {
    people(store).await;
    for (filter, expected) in [
        ("userName eq \"ADA\"", vec![1]),
        ("userName eq \"ａｄａ\"", vec![1]),
        ("userName eq \"e\u{301}mile\"", vec![5]),
        ("userName sw \"ad\"", vec![1, 3, 4]),
        ("userName sw \"é\"", vec![5, 6]),
        ("userName sw \"\"", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("userName eq \"a%\"", vec![]),
        ("userName eq \"a_a%\"", vec![8]),
        ("externalId eq \"X1\"", vec![1]),
        ("externalId eq \"x1\"", vec![2]),
        ("externalId sw \"X\"", vec![1, 4]),
        ("externalId eq \"\"", vec![7]),
        ("externalId pr", vec![1, 2, 4]),
        ("displayName eq \"ADA\"", vec![1, 2]),
        ("displayName sw \"50% _\"", vec![8]),
        ("emails.value eq \"ADA@EXAMPLE.COM\"", vec![1, 2]),
        ("emails eq \"adam@example.com\"", vec![3]),
        ("emails.value sw \"ada@\"", vec![1, 2]),
        (&*format!("id eq \"{}\"", id(4)), vec![4]),
        ("id eq \"nobody\"", vec![]),
    ] {
        assert_eq!(find(store, "User", filter).await, expected, "{filter}");
    }
    write(
        store,
        0,
        super::help::change(
            &user(1),
            r#"{"userName":"ada","emails":[{"value":"ada@example.com"}]}"#,
            r#"{"userName":"ada","emails":[{"value":"new@example.com"}]}"#,
        ),
    )
    .await
    .unwrap();
    assert_eq!(find(store, "User", "emails.value eq \"ada@example.com\"").await, [2]);
    assert_eq!(find(store, "User", "emails.value eq \"new@example.com\"").await, [1]);
    assert_eq!(find(store, "User", "externalId eq \"X1\"").await, [0; 0]);
}

pub async fn other_attributes_are_found_too(store: &impl Store) {
    people(store).await;
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (filter, expected) in [
        ("active eq true", vec![1, 3, 5]),
        ("active pr", vec![1, 2, 3, 5, 7]),
        ("nickName pr", vec![]),
        ("name.familyName co \"LOVE\"", vec![1]),
        ("name pr", vec![1, 3]),
        ("userName ew \"a\"", vec![1]),
        ("emails[type eq \"home\" and value co \"ada\"]", vec![1, 2]),
        ("emails[type eq \"work\" and value eq \"ada@example.com\"]", vec![1]),
        ("emails.type eq \"work\"", vec![1, 2]),
        (&*format!("{enterprise}:department eq \"math\""), vec![4]),
        (&*format!("{enterprise}:employeeNumber pr"), vec![4]),
        ("meta.resourceType eq \"User\" and userName eq \"zoe\"", vec![7]),
        ("meta.version eq \"W/\\\"1\\\"\"", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (&*format!("meta.location ew \"/Users/{}\"", id(2)), vec![2]),
        ("displayName gt \"ada\"", vec![5, 6]),
    ] {
        assert_eq!(find(store, "User", filter).await, expected, "{filter}");
    }
}

pub async fn terms_are_combined(store: &impl Store) {
    people(store).await;
    for (filter, expected) in [
        ("userName eq \"ada\" and active eq true", vec![1]),
        ("userName eq \"ada\" and active eq false", vec![]),
        ("active eq true and userName sw \"ad\"", vec![1, 3]),
        ("userName eq \"ada\" or userName eq \"bob\"", vec![1, 2]),
        ("userName eq \"ada\" or displayName eq \"ada\" or userName sw \"a\"", vec![1, 2, 3, 4, 8]),
        ("userName eq \"ada\" or active eq false", vec![1, 2, 7]),
        ("not (userName sw \"a\")", vec![2, 5, 6, 7]),
        ("userName sw \"a\" and not (active eq true)", vec![4, 8]),
        ("userName ne \"ada\" and displayName eq \"ada\"", vec![2]),
        ("externalId eq \"X1\" and externalId eq \"x1\"", vec![]),
        (
            "(userName eq \"ada\" and active eq false) or (externalId eq \"X4\" and userName pr)",
            vec![4],
        ),
        ("unknown eq \"x\" or userName eq \"ada\"", vec![1]),
        ("unknown eq \"x\"", vec![]),
        ("unknown ne \"x\"", vec![1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        assert_eq!(find(store, "User", filter).await, expected, "{filter}");
    }
}

pub async fn times_are_compared_to_the_millisecond(store: &impl Store) {
    people(store).await;
    let time = |ms: &str| format!("\"2026-01-01T12:00:00{ms}Z\"");
    for (op, ms, expected) in [
        ("gt", ".070", vec![8]),
        ("ge", ".070", vec![7, 8]),
        ("gt", ".0699", vec![7, 8]),
        ("ge", ".0701", vec![8]),
        ("lt", ".020", vec![1]),
        ("le", ".020", vec![1, 2]),
        ("lt", ".0201", vec![1, 2]),
        ("eq", ".030", vec![3]),
        ("eq", ".0301", vec![]),
        ("eq", ".035", vec![]),
    ] {
        for attribute in ["meta.created", "meta.lastModified"] {
            let filter = format!("{attribute} {op} {}", time(ms));
            assert_eq!(find(store, "User", &filter).await, expected, "{filter}");
        }
    }
    let between = format!(
        "meta.lastModified ge {} and meta.lastModified lt {} and meta.created gt {}",
        time(".030"),
        time(".060"),
        time(".040")
    );
    assert_eq!(find(store, "User", &between).await, [5]);
    let offset = "meta.created eq \"2026-01-01T14:00:00.03+02:00\"";
    assert_eq!(find(store, "User", offset).await, [3]);
}

pub async fn memberships_are_found(store: &impl Store) {
    create_users(store, &["a", "b", "c", "d", "e"]).await;
    create_group(store, 10, &[1, 2, 3, 4, 5]).await;
    create_group(store, 11, &[10, 2]).await;
    create_group(store, 12, &[]).await;
    let (one, two, ten, eleven) = (id(1), id(2), id(10), id(11));
    for (filter, expected) in [
        (format!("members.value eq \"{two}\""), vec![10, 11]),
        (format!("members[value eq \"{one}\"]"), vec![10]),
        (format!("members eq \"{ten}\""), vec![11]),
        (format!("members.value eq \"{}\"", id(77)), vec![]),
        (format!("members.value eq \"{two}\" and displayName eq \"Group 11\""), vec![11]),
        (format!("displayName sw \"Group\" and members.value eq \"{one}\""), vec![10]),
        (format!("not (members.value eq \"{two}\")"), vec![12]),
        (format!("members.value ne \"{two}\" or displayName eq \"Group 10\""), vec![10, 12]),
        (format!("members[value eq \"{ten}\" and type eq \"Group\"]"), vec![11]),
        (format!("members[value eq \"{ten}\" and type eq \"User\"]"), vec![]),
        ("members pr".to_owned(), vec![10, 11]),
        ("not (members pr)".to_owned(), vec![12]),
        ("members.type eq \"group\"".to_owned(), vec![11]),
        ("members[type eq \"User\"]".to_owned(), vec![10, 11]),
        (format!("members.$ref eq \"https://example.com/scim/v2/Users/{}\"", id(5)), vec![10]),
        (format!("members.value sw \"{}\"", &ten.as_str()[..30]), vec![10, 11]),
    ] {
        assert_eq!(find(store, "Group", &filter).await, expected, "{filter}");
    }
    for (filter, expected) in [
        (format!("groups.value eq \"{ten}\""), vec![1, 2, 3, 4, 5]),
        (format!("groups.value eq \"{eleven}\""), vec![1, 2, 3, 4, 5]),
        (format!("groups[value eq \"{eleven}\" and type eq \"direct\"]"), vec![2]),
        (format!("groups eq \"{eleven}\" and userName eq \"c\""), vec![3]),
        (format!("groups.value eq \"{}\"", id(12)), vec![]),
        (format!("groups.value eq \"{one}\""), vec![]),
        ("groups.display eq \"group 11\"".to_owned(), vec![1, 2, 3, 4, 5]),
        ("not (groups pr)".to_owned(), vec![]),
    ] {
        assert_eq!(find(store, "User", &filter).await, expected, "{filter}");
    }
}

pub async fn several_types_make_one_list(store: &impl Store) {
    for (n, resource_type) in
        (1..).zip(["User", "Group", "Contact", "Group", "User", "Contact", "User", "Group"])
    {
        let json = format!(r#"{{"displayName":"N{}","userName":"u{n}"}}"#, n % 3);
        create(store, &key(resource_type, n), &json).await;
    }
    let scopes =
        |filter: &str| ["User", "Group", "Contact"].iter().map(|t| scope(t, filter)).collect();
    let mut all = query(scopes(""));
    assert_eq!(page(store, &all).await, ((1..=8).collect(), None, Some(8)));
    all.limit = 3;
    let mut seen = Vec::new();
    loop {
        let (numbers, next, total) = page(store, &all).await;
        assert_eq!(total, Some(8));
        seen.extend(numbers);
        all.after = next;
        if all.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=8).collect::<Vec<_>>());
    for skip in 0..=9 {
        let query = Query { skip, limit: 2, ..query(scopes("")) };
        let expected: Vec<u64> = (skip + 1..=8).take(2).collect();
        assert_eq!(page(store, &query).await.0, expected);
    }
    let filtered = query(scopes("displayName eq \"n1\""));
    assert_eq!(page(store, &filtered).await, (vec![1, 4, 7], None, Some(3)));
    // What one of the types does not have, it has no value of.
    let filtered = query(scopes("userName ne \"u1\""));
    assert_eq!(page(store, &filtered).await.0, (2..=8).collect::<Vec<_>>());
}

pub async fn tenants_do_not_see_each_other(store: &impl Store) {
    store.tenant_create(&other(), at(0)).await.unwrap();
    create_users(store, &["ada"]).await;
    create_group(store, 2, &[1]).await;
    for n in [1, 3] {
        let theirs = Key { tenant: other(), ..user(n) };
        create(store, &theirs, &format!(r#"{{"userName":"ada{n}"}}"#)).await;
    }
    for (filter, ours, theirs) in [
        ("", vec![1], vec![1, 3]),
        ("userName sw \"ada\"", vec![1], vec![1, 3]),
        ("userName eq \"ada\"", vec![1], vec![]),
        (&*format!("id eq \"{}\"", id(3)), vec![], vec![3]),
        (&*format!("groups.value eq \"{}\"", id(2)), vec![1], vec![]),
        ("meta.created pr", vec![1], vec![1, 3]),
    ] {
        assert_eq!(find(store, "User", filter).await, ours, "{filter}");
        let query = Query { tenant: other(), ..query(vec![scope("User", filter)]) };
        assert_eq!(page(store, &query).await.0, theirs, "{filter}");
    }
    assert_eq!(groups(store, &Key { tenant: other(), ..user(1) }).await, [0; 0]);
    let not_there = write(store, 0, deletion(&Key { tenant: other(), ..group(2) })).await;
    assert!(matches!(not_there, Err(StoreError::NotFound)));
    assert_eq!(store.changes(&other(), 0, 9).await.unwrap().len(), 2);
}

pub async fn what_is_asked_for_comes_along(store: &impl Store) {
    create_users(store, &["a", "b"]).await;
    create_group(store, 10, &[]).await;
    write(store, 0, membership(&group(10), vec![add(&[1, 2])])).await.unwrap();
    for (resource_type, include, groups, members) in [
        ("User", Include { groups: true, members: false }, vec![1, 1], vec![0, 0]),
        ("User", Include::default(), vec![0, 0], vec![0, 0]),
        ("Group", Include { groups: false, members: true }, vec![0], vec![2]),
        ("Group", Include { groups: true, members: false }, vec![0], vec![0]),
    ] {
        let query = Query { include, ..query(vec![scope(resource_type, "")]) };
        let page = store.query(&query).await.unwrap();
        assert_eq!(page.items.iter().map(|i| i.groups.len()).collect::<Vec<_>>(), groups);
        assert_eq!(page.items.iter().map(|i| i.members.len()).collect::<Vec<_>>(), members);
        for item in &page.items {
            let key = key(resource_type, super::help::number(&item.id));
            assert_eq!(*item, store.get(&key, include).await.unwrap());
        }
    }
}

pub async fn a_page_ends_within_its_budget(store: &impl Store) {
    for n in 1..=9 {
        let size = if n == 4 { 20_000 } else { 1_000 };
        let json = format!(r#"{{"userName":"u{n}","displayName":"{}"}}"#, "x".repeat(size));
        create(store, &user(n), &json).await;
    }
    let sizes: Vec<usize> = {
        let page = store.query(&query(vec![scope("User", "")])).await.unwrap();
        page.items.iter().map(crate::store::Stored::size).collect()
    };
    for (filter, order) in [("", None), (r#"userName co "u""#, None), ("", Some("displayName"))] {
        let scopes = vec![scope("User", filter)];
        let sorting = order.map(|by| super::help::sorting(&scopes, by));
        let whole = Query { sorting, ..query(scopes) };
        let all = numbers(&store.query(&whole).await.unwrap());
        for budget in [0, 1, sizes[0], 2 * sizes[0] + 1, 5_000, 21_000, 26_000, usize::MAX] {
            let (mut seen, mut after, mut pages) = (Vec::new(), None, Vec::new());
            loop {
                let page = Query { budget, after, ..whole.clone() };
                let page = store.query(&page).await.unwrap();
                assert_eq!(page.total, Some(9), "{budget}");
                let size: usize = page.items.iter().map(crate::store::Stored::size).sum();
                assert!(size <= budget || page.items.len() == 1, "{budget}: {size}");
                // Skipping goes on at the same place.
                let skip = seen.len() as u64;
                let skipped = Query { budget, skip, ..whole.clone() };
                assert_eq!(store.query(&skipped).await.unwrap().items, page.items, "{budget}");
                seen.extend(numbers(&page));
                pages.push(page.items.len());
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "{filter} {order:?} {budget}: {pages:?}");
            assert_eq!(pages.len() == 9, budget <= sizes[0], "{budget}: {pages:?}");
            assert_eq!(pages.len() == 1, budget == usize::MAX, "{budget}: {pages:?}");
        }
    }
    let page = Query { budget: 0, limit: 0, ..query(vec![scope("User", "")]) };
    let page = store.query(&page).await.unwrap();
    assert_eq!((page.items.len(), page.total, page.next), (0, Some(9), None));
}
