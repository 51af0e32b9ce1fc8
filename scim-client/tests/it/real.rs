//! Against the reference server in a process of its own, over a socket, in both profiles, through both transports.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use scim_client::scim_core::{EnterpriseUser, Group, Manager, Member, Patch, Resource, User, attr};
use scim_client::{Client, Fate};

use crate::process;
use crate::transports::sockets;

/// Runs a test against both profiles, the one on SQLite and the other in memory, through both transports.
async fn in_all_ways(test: impl AsyncFn(Client)) {
    for settings in [
        [("SCIM_PROFILE", "strict"), ("SCIM_MEMORY", "false")],
        [("SCIM_PROFILE", "default"), ("SCIM_MEMORY", "true")],
    ] {
        for (_, transport) in sockets!(|builder| builder) {
            let server = process::server(&settings);
            test(process::builder(&server).transport(transport.unwrap()).build().unwrap()).await;
        }
    }
}

fn user(number: usize) -> User {
    User::new(testkit::people::user_name(number))
        .with_external_id(format!("person-{number:06}"))
        .with_active(!number.is_multiple_of(10))
}

async fn create(scim: &Client, number: usize) -> String {
    scim.users().create(&user(number)).await.unwrap().id().unwrap().to_owned()
}

#[tokio::test]
async fn one_life() {
    in_all_ways(async |scim| {
        let made = scim.users().create(&user(1)).await.unwrap();
        let (id, version) = (made.id().unwrap().to_owned(), made.version().unwrap().to_owned());
        let patch = || Patch::new().replace("title".parse().unwrap(), "Countess");
        let patched = scim.users().patch(&id, patch()).if_match(&version).await.unwrap();
        assert_ne!(patched.version(), Some(version.as_str()));
        let late = scim.users().patch(&id, patch()).if_match(&version).await.unwrap_err();
        assert!(late.is_precondition_failed(), "{late}");
        assert_eq!(scim.users().get(&id).await.unwrap().title.as_deref(), Some("Countess"));
        let twin = scim.users().create(&user(1)).await.unwrap_err();
        assert!(twin.is_uniqueness(), "{twin}");
        scim.users().replace(&id, &user(2)).await.unwrap();
        let replaced = scim.users().get(&id).await.unwrap();
        assert_eq!((replaced.user_name, replaced.title), (testkit::people::user_name(2), None));
        scim.users().delete(&id).await.unwrap();
        assert!(scim.users().get(&id).await.unwrap_err().is_not_found());
    })
    .await;
}

#[tokio::test]
async fn all_pages_by_any_way() {
    in_all_ways(async |scim| {
        let mut made = BTreeSet::new();
        for number in 0..23 {
            made.insert(create(&scim, number).await);
        }
        for (what, list) in [
            ("by cursor", scim.users().list().count(5)),
            ("by cursor, searched", scim.users().search().count(5)),
            ("by index", scim.users().list().count(5).start_index(1)),
            ("one page", scim.users().list()),
        ] {
            let read: Vec<User> = list.stream().try_collect().await.unwrap();
            let ids: BTreeSet<String> = read.iter().map(|user| user.id.clone().unwrap()).collect();
            assert_eq!((read.len(), &ids), (made.len(), &made), "{what}");
        }
        let sizes: Vec<usize> = scim
            .users()
            .list()
            .count(10)
            .pages()
            .map_ok(|page| page.resources.len())
            .try_collect()
            .await
            .unwrap();
        assert_eq!(sizes, [10, 10, 3]);
        // By index on purpose: an index past the first page stays one.
        let rest: Vec<User> =
            scim.users().list().count(4).start_index(12).stream().try_collect().await.unwrap();
        assert_eq!(rest.len(), 12);
        let inactive = scim.users().list().filter(attr("active").eq(false)).count(1);
        let inactive: Vec<User> = inactive.stream().try_collect().await.unwrap();
        assert_eq!(inactive.len(), 3);
        let page = scim.users().search().filter(attr("active").eq(true)).sort_by("userName", true);
        let page = page.attributes(["userName"]).count(2).await.unwrap();
        assert_eq!((page.about.total_results, page.resources.len()), (Some(20), 2));
        assert!(page.resources[0].user_name > page.resources[1].user_name);
        assert!(page.resources[0].external_id.is_none());
        let none = scim.users().list().filter(attr("userName").eq("nobody")).stream();
        assert_eq!(none.count().await, 0);
        let groups = [Group::new("one"), Group::new("two")];
        for group in &groups {
            scim.groups().create(group).await.unwrap();
        }
        let all: Vec<Resource> =
            scim.resources("").list().count(6).stream().try_collect().await.unwrap();
        assert_eq!(all.len(), made.len() + groups.len());
    })
    .await;
}

#[tokio::test]
async fn a_bulk_in_batches() {
    in_all_ways(async |scim| {
        for most in [1, 4, 1000] {
            let mut bulk = scim.bulk().max_operations(most);
            let mut group = Group::new(format!("In batches of {most}"));
            for number in 0..11 {
                let created = bulk.create(&user(most * 100 + number)).reference();
                group = group.with_member(Member::user(created));
            }
            let group = bulk.create(&group).reference();
            let title = Patch::new().replace("displayName".parse().unwrap(), "Renamed");
            bulk.patch::<Group>(&group, &title);
            bulk.delete::<User>("no-such-id");
            let report = bulk.await.unwrap();
            let failed: Vec<_> = report.failures().map(|failed| failed.path.as_str()).collect();
            assert_eq!(failed, ["/Users/no-such-id"], "{report}");
            let missing = report.outcomes()[13].error().unwrap();
            assert!(missing.is_not_found(), "{missing}");
            let id = report.outcomes()[11].id.as_deref().unwrap();
            let group = scim.groups().get(id).await.unwrap();
            assert_eq!((group.display_name.as_str(), group.members.len()), ("Renamed", 11));
            let requests = match most {
                1 => 14,
                // The group waits for its members, the PATCH for the group.
                4 => 5,
                _ => 3,
            };
            assert_eq!(report.requests(), requests, "batches of {most}");
        }
    })
    .await;
}

#[tokio::test]
async fn managers_in_a_circle() {
    let under = |number: usize, manager: &str| {
        let manager = Manager { value: Some(manager.to_owned()), ..Manager::default() };
        let enterprise = EnterpriseUser { manager: Some(manager), ..EnterpriseUser::default() };
        user(number).with_extension(enterprise)
    };
    in_all_ways(async |scim| {
        for most in [1, 1000] {
            let mut bulk = scim.bulk().max_operations(most);
            let first = bulk.create(&under(most, "bulkId:op1")).reference();
            bulk.create(&under(most + 1, &first));
            let report = bulk.await.unwrap();
            assert!(report.is_done(), "{report}");
            let id = |n: usize| report.outcomes()[n].id.clone().unwrap();
            for (user, manager) in [(id(0), id(1)), (id(1), id(0))] {
                let user = scim.users().get(user).await.unwrap();
                let enterprise = user.extension::<EnterpriseUser>().unwrap().unwrap();
                assert_eq!(enterprise.manager.unwrap().value, Some(manager));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_bulk_stops_after_its_errors() {
    in_all_ways(async |scim| {
        for most in [1, 2, 1000] {
            let mut bulk = scim.bulk().max_operations(most).fail_on_errors(2);
            for number in [7, 7, 8, 7, 9, 10] {
                bulk.create(&user(most * 100 + number));
            }
            let report = bulk.await.unwrap();
            let fates: Vec<&str> = report
                .outcomes()
                .iter()
                .map(|outcome| match &outcome.fate {
                    Fate::Done(StatusCode::CREATED) => "done",
                    Fate::Failed(error) if error.is_uniqueness() => "taken",
                    Fate::NotAttempted => "not begun",
                    other => panic!("{other:?}"),
                })
                .collect();
            let expected = ["done", "taken", "done", "taken", "not begun", "not begun"];
            assert_eq!(fates, expected, "batches of {most}");
        }
    })
    .await;
}
