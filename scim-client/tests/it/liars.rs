//! Lists of targets that page in their own way, or lie about it: everything once, or an error; and never without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response};
use scim_client::scim_core::User;
use scim_client::{Error, InProcess, PagingError, Transport, TransportError};
use serde_json::{Value, json};

use crate::help::{client_over, server};

const USERS: usize = 23;
const PAGE: u64 = 5;

/// What the target does differently from the server behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Honest,
    HonestCursors,
    LowerCaseResources,
    NoNumbers,
    NoSchemas,
    NumbersAsText,
    IgnoresCount,
    /// Answers by cursor although it was asked by index.
    ForcesCursors,
    /// Announces cursors and pages by index.
    AnnouncesCursors,
    /// Each page begins one too early.
    Overlaps,
    TotalOneTooLow,
    /// Index paging whose pages are one shorter than asked.
    ShortPages,
    IgnoresStart,
    TotalTooHigh,
    TotalShrinks,
    /// The last page leads back to the first.
    CursorsInACircle,
    EmptyPagesForEver,
    WebPage,
    ErrorWithStatus200,
    /// One resource is not what it should be.
    BadRow,
}

#[derive(Clone, Debug)]
struct Target {
    server: InProcess,
    habit: Habit,
    lists: Arc<AtomicU64>,
}

#[async_trait]
impl Transport for Target {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let path = request.uri().path().to_owned();
        let lists = request.method() == Method::GET && path.ends_with("/Users");
        if lists {
            self.lists.fetch_add(1, Ordering::Relaxed);
            let query = self.asked(request.uri().query().unwrap_or_default());
            let uri = format!("https://scim.example{path}?{query}");
            *request.uri_mut() = uri.parse().unwrap();
        }
        let answer = self.server.send(request).await?;
        if !lists && !path.ends_with("/ServiceProviderConfig") {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let text = if lists {
            self.answered(&mut body)
        } else {
            let cursors = [Habit::HonestCursors, Habit::AnnouncesCursors, Habit::CursorsInACircle];
            let cursors = cursors.contains(&self.habit) || self.habit == Habit::EmptyPagesForEver;
            body["pagination"]["cursor"] = json!(cursors);
            body.to_string()
        };
        Ok(Response::from_parts(parts, Bytes::from(text)))
    }
}

impl Target {
    /// The query that goes to the server behind.
    fn asked(&self, query: &str) -> String {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            let number = || value.parse::<u64>().unwrap();
            match (self.habit, name) {
                (Habit::IgnoresCount, "count") => None,
                (Habit::IgnoresStart | Habit::ForcesCursors, "startIndex") => None,
                (Habit::AnnouncesCursors, "cursor") => None,
                (Habit::CursorsInACircle, "cursor") if value == "again" => {
                    Some("cursor=".to_owned())
                }
                (Habit::EmptyPagesForEver, "cursor") => Some("cursor=".to_owned()),
                (Habit::Overlaps, "startIndex") => Some(format!("startIndex={}", number() - 1)),
                (Habit::ShortPages, "count") => Some(format!("count={}", number() - 1)),
                _ => Some(pair.to_owned()),
            }
        });
        let mut query: Vec<String> = pairs.collect();
        if self.habit == Habit::ForcesCursors
            && !query.iter().any(|pair| pair.starts_with("cursor="))
        {
            query.push("cursor=".to_owned());
        }
        query.join("&")
    }

    /// What the client gets in place of the server's answer.
    fn answered(&self, body: &mut Value) -> String {
        let turn = self.lists.load(Ordering::Relaxed);
        let object = body.as_object_mut().unwrap();
        let numbers = ["totalResults", "itemsPerPage", "startIndex"];
        match self.habit {
            Habit::LowerCaseResources => {
                let rows = object.remove("Resources").unwrap();
                object.insert("resources".to_owned(), rows);
            }
            Habit::NoNumbers => numbers.iter().for_each(|name| drop(object.remove(*name))),
            Habit::NoSchemas => drop(object.remove("schemas")),
            Habit::NumbersAsText => {
                for name in numbers {
                    let text = object[name].to_string();
                    object.insert(name.to_owned(), json!(text));
                }
            }
            Habit::TotalOneTooLow => {
                drop(object.insert("totalResults".to_owned(), json!(USERS - 1)))
            }
            Habit::TotalTooHigh => drop(object.insert("totalResults".to_owned(), json!(USERS + 4))),
            Habit::TotalShrinks => {
                object.insert("totalResults".to_owned(), json!(USERS as u64 + 1 - turn));
            }
            Habit::CursorsInACircle if object.get("nextCursor").is_none() => {
                object.insert("nextCursor".to_owned(), json!("again"));
            }
            Habit::EmptyPagesForEver => {
                object.insert("Resources".to_owned(), json!([]));
                object.insert("nextCursor".to_owned(), json!(format!("c{turn}")));
            }
            Habit::WebPage => return "<!doctype html><p>Please log in".to_owned(),
            Habit::ErrorWithStatus200 => {
                let urn = "urn:ietf:params:scim:api:messages:2.0:Error";
                return json!({ "schemas": [urn], "status": "500", "detail": "sorry" }).to_string();
            }
            Habit::BadRow if turn == 2 => {
                drop(object["Resources"][1].as_object_mut().unwrap().remove("userName"))
            }
            _ => {}
        }
        body.to_string()
    }
}

/// What a walk has come to: the users read, the errors, the pages asked for.
async fn walk(habit: Habit) -> (Vec<String>, Vec<Error>, u64) {
    let target = Target { server: server(), habit, lists: Arc::default() };
    let calm = client_over(target.server.clone());
    for number in 0..USERS {
        calm.users().create(&User::new(format!("user-{number:02}"))).await.unwrap();
    }
    let scim = client_over(target.clone());
    let (mut names, mut errors) = (Vec::new(), Vec::new());
    let mut users = scim.users().list().count(PAGE).stream();
    while let Some(user) = users.next().await {
        match user {
            Ok(user) => names.push(user.user_name),
            Err(error) => errors.push(error),
        }
    }
    names.sort_unstable();
    (names, errors, target.lists.load(Ordering::Relaxed))
}

#[tokio::test]
async fn their_own_ways_make_no_difference() {
    let everyone: Vec<String> = (0..USERS).map(|number| format!("user-{number:02}")).collect();
    let (_, _, needed) = walk(Habit::Honest).await;
    assert_eq!(needed, 5);
    for habit in [
        Habit::Honest,
        Habit::HonestCursors,
        Habit::LowerCaseResources,
        Habit::NoNumbers,
        Habit::NoSchemas,
        Habit::NumbersAsText,
        Habit::IgnoresCount,
        Habit::ForcesCursors,
        Habit::AnnouncesCursors,
        Habit::Overlaps,
        Habit::TotalOneTooLow,
        Habit::ShortPages,
    ] {
        let (names, errors, pages) = walk(habit).await;
        assert!(errors.is_empty(), "{habit:?}: {errors:?}");
        assert_eq!(names, everyone, "{habit:?}");
        assert!(pages <= 2 * needed, "{habit:?}: {pages} pages");
    }
}

/// Whether an error is the one that a lie deserves.
type IsRight = fn(&Error) -> bool;

#[tokio::test]
async fn lies_are_errors() {
    let cases: [(Habit, IsRight); 7] = [
        (Habit::IgnoresStart, |e| matches!(e, Error::Paging(PagingError::Repeated { page: 2 }))),
        (Habit::TotalTooHigh, |e| {
            matches!(e, Error::Paging(PagingError::Incomplete { received: 23, total: 27 }))
        }),
        (Habit::TotalShrinks, |e| matches!(e, Error::Paging(PagingError::Shrunk { .. }))),
        (Habit::CursorsInACircle, |e| matches!(e, Error::Paging(PagingError::Repeated { .. }))),
        (Habit::EmptyPagesForEver, |e| {
            matches!(e, Error::Paging(PagingError::Endless { pages: 100 }))
        }),
        (Habit::WebPage, |e| matches!(e, Error::Decode(_))),
        (Habit::ErrorWithStatus200, |e| matches!(e, Error::Decode(_))),
    ];
    for (habit, right) in cases {
        let (names, errors, pages) = walk(habit).await;
        assert!(matches!(&errors[..], [error] if right(error)), "{habit:?}: {errors:?}");
        let mut once = names.clone();
        once.dedup();
        assert_eq!(once, names, "{habit:?}: somebody came twice");
        assert!(pages <= 100, "{habit:?}: {pages} pages");
    }
}

#[tokio::test]
async fn one_bad_row_hides_no_other() {
    let (names, errors, _) = walk(Habit::BadRow).await;
    assert_eq!(names.len(), USERS - 1);
    let [Error::Decode(bad)] = &errors[..] else { panic!("{errors:?}") };
    assert!(bad.problem.contains("userName"), "{}", bad.problem);
}
