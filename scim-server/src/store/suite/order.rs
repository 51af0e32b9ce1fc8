//! Sorted lists.

use scim_core::query::SortKey;

use super::Store;
use super::help::{
    create, create_group, create_users, id, key, number, numbers, query, scope, sorting, user,
    write,
};
use crate::store::{Page, Query, Scope};

async fn sorted(store: &impl Store, resource_type: &str, by: &str) -> Vec<u64> {
    numbers(&sorted_page(store, vec![scope(resource_type, "")], by).await)
}

async fn sorted_page(store: &impl Store, scopes: Vec<Scope>, by: &str) -> Page {
    let sorting = Some(sorting(&scopes, by));
    store.query(&Query { sorting, ..query(scopes) }).await.unwrap()
}

pub async fn texts_sort_by_their_keys(store: &impl Store) {
    for (n, name) in (1..).zip(["bob", "Ada", "ÉMILE", "adam", "Zoe", "e"]) {
        let json = format!(
            r#"{{"userName":"{name}","displayName":"{name}","name":{{"familyName":"{name}"}}}}"#
        );
        create(store, &user(n), &json).await;
    }
    for by in ["userName", "displayName", "name.familyName"] {
        assert_eq!(sorted(store, "User", by).await, [2, 4, 1, 6, 5, 3], "{by}");
        assert_eq!(sorted(store, "User", &format!("-{by}")).await, [3, 5, 6, 1, 4, 2], "{by}");
    }
}

pub async fn what_has_no_value_is_last_and_in_descending_order_first(store: &impl Store) {
    for (n, json) in (1..).zip([
        r#"{"userName":"a"}"#,
        r#"{"userName":"b","title":"Z"}"#,
        r#"{"userName":"c","title":"a"}"#,
        r#"{"userName":"d"}"#,
        r#"{"userName":"e","title":"A"}"#,
    ]) {
        create(store, &user(n), json).await;
    }
    assert_eq!(sorted(store, "User", "title").await, [3, 5, 2, 1, 4]);
    assert_eq!(sorted(store, "User", "-title").await, [4, 1, 2, 5, 3]);
    // An attribute that the type does not have leaves the order of the ids.
    assert_eq!(sorted(store, "User", "nothing").await, [1, 2, 3, 4, 5]);
    assert_eq!(sorted(store, "User", "-nothing").await, [5, 4, 3, 2, 1]);
}

pub async fn times_sort(store: &impl Store) {
    for (n, ms) in [(3, 10), (1, 10), (2, 10), (5, 20), (4, 30)] {
        let json = format!(r#"{{"userName":"u{n}"}}"#);
        write(store, ms, super::help::creation(&user(n), &json, &[])).await.unwrap();
    }
    let changed = super::help::change(&user(1), r#"{"userName":"u1"}"#, r#"{"userName":"v1"}"#);
    write(store, 40, changed).await.unwrap();
    assert_eq!(sorted(store, "User", "meta.created").await, [1, 2, 3, 5, 4]);
    assert_eq!(sorted(store, "User", "-meta.created").await, [4, 5, 3, 2, 1]);
    assert_eq!(sorted(store, "User", "meta.lastModified").await, [2, 3, 5, 4, 1]);
    assert_eq!(sorted(store, "User", "-meta.lastModified").await, [1, 4, 5, 3, 2]);
}

pub async fn ids_sort(store: &impl Store) {
    create_users(store, &["c", "b", "a"]).await;
    assert_eq!(sorted(store, "User", "id").await, [1, 2, 3]);
    assert_eq!(sorted(store, "User", "-id").await, [3, 2, 1]);
}

pub async fn several_types_sort_into_one_list(store: &impl Store) {
    create(store, &user(1), r#"{"userName":"m","displayName":"D"}"#).await;
    create(store, &user(2), r#"{"userName":"a","displayName":"b"}"#).await;
    create(store, &key("Group", 3), r#"{"displayName":"c"}"#).await;
    create(store, &key("Contact", 4), r#"{"displayName":"A"}"#).await;
    create(store, &key("Contact", 5), r#"{"displayName":"B"}"#).await;
    let scopes = || vec![scope("User", ""), scope("Group", ""), scope("Contact", "")];
    for (by, expected) in [
        ("displayName", vec![4, 2, 5, 3, 1]),
        ("-displayName", vec![1, 3, 5, 2, 4]),
        // Only users have user names.
        ("userName", vec![2, 1, 3, 4, 5]),
        ("-userName", vec![5, 4, 3, 1, 2]),
        ("meta.resourceType", vec![4, 5, 3, 1, 2]),
    ] {
        let page = sorted_page(store, scopes(), by).await;
        assert_eq!(numbers(&page), expected, "{by}");
        for size in 1..=3 {
            let walked = walk(store, scopes(), by, size).await;
            assert_eq!(walked, expected, "{by} {size}");
        }
        for skip in 0..=5 {
            let sorting = Some(sorting(&scopes(), by));
            let query = Query { sorting, skip, limit: 2, ..query(scopes()) };
            let expected: Vec<u64> = expected.iter().skip(skip as usize).take(2).copied().collect();
            assert_eq!(numbers(&store.query(&query).await.unwrap()), expected, "{by} {skip}");
        }
    }
}

/// All pages of a size, each from where the one before ended.
async fn walk(store: &impl Store, scopes: Vec<Scope>, by: &str, limit: usize) -> Vec<u64> {
    let sorting = Some(sorting(&scopes, by));
    let mut query = Query { sorting, limit, ..query(scopes) };
    let mut seen = Vec::new();
    loop {
        let page = store.query(&query).await.unwrap();
        seen.extend(numbers(&page));
        match page.next {
            Some(next) => {
                assert_eq!(Some(&number(&next.id)), seen.last());
                assert!(next.key.is_some());
                query.after = Some(next);
            }
            None => return seen,
        }
    }
}

pub async fn sorted_pages_follow_each_other_and_equal_skipping(store: &impl Store) {
    for n in 1..=30_u64 {
        let title = match n % 4 {
            0 => String::new(),
            m => format!(r#","title":"T{m}","displayName":"{}""#, n % 7),
        };
        let json = format!(r#"{{"userName":"u{}"{title}}}"#, (n * 7) % 31);
        let made = super::help::creation(&user(n), &json, &[]);
        write(store, (n / 5) as i64, made).await.unwrap();
    }
    for by in
        ["id", "userName", "displayName", "title", "meta.created", "meta.lastModified", "active"]
    {
        for by in [by.to_owned(), format!("-{by}")] {
            let whole = sorted(store, "User", &by).await;
            assert_eq!(whole.len(), 30);
            for size in [1, 4, 29, 30, 31] {
                let walked = walk(store, vec![scope("User", "")], &by, size).await;
                assert_eq!(walked, whole, "{by} {size}");
            }
            for skip in [0, 1, 7, 8, 9, 17, 29, 30, 31] {
                let scopes = vec![scope("User", "")];
                let sorting = Some(sorting(&scopes, &by));
                let page =
                    store.query(&Query { sorting, skip, limit: 4, ..query(scopes) }).await.unwrap();
                let expected: Vec<u64> =
                    whole.iter().skip(skip as usize).take(4).copied().collect();
                assert_eq!(numbers(&page), expected, "{by} {skip}");
                assert_eq!(page.next.is_some(), skip + 4 < 30, "{by} {skip}");
                assert_eq!(page.total, Some(30));
            }
        }
    }
}

pub async fn filtered_lists_sort(store: &impl Store) {
    create_users(store, &["ad", "b", "ac", "ab", "c"]).await;
    create_group(store, 10, &[5, 1, 2]).await;
    let in_group = format!("groups.value eq \"{}\"", id(10));
    for (filter, by, expected) in [
        ("userName sw \"a\"", "userName", vec![4, 3, 1]),
        ("userName sw \"a\"", "-userName", vec![1, 3, 4]),
        ("userName sw \"a\"", "-id", vec![4, 3, 1]),
        ("userName co \"b\"", "userName", vec![4, 2]),
        ("userName eq \"b\" or userName eq \"ad\"", "userName", vec![1, 2]),
        (&*in_group, "-userName", vec![5, 2, 1]),
        ("meta.created pr", "-meta.created", vec![5, 4, 3, 2, 1]),
        ("meta.created ge \"2026-01-01T12:00:00Z\"", "-meta.created", vec![5, 4, 3, 2, 1]),
        ("meta.created gt \"2026-01-01T12:00:00Z\"", "meta.created", vec![]),
    ] {
        let page = sorted_page(store, vec![scope("User", filter)], by).await;
        assert_eq!(numbers(&page), expected, "{filter} {by}");
        let walked = walk(store, vec![scope("User", filter)], by, 2).await;
        assert_eq!(walked, expected, "{filter} {by}");
    }
    let page = sorted_page(store, vec![scope("User", "")], "userName").await;
    assert_eq!(page.next, None);
    let query = Query {
        sorting: Some(sorting(&[scope("User", "")], "userName")),
        limit: 1,
        ..query(vec![scope("User", "")])
    };
    let next = store.query(&query).await.unwrap().next.unwrap();
    assert_eq!(next.key, Some(SortKey::Text("ab".into())));
}
