//! No write is lost and none is done twice, whatever the network does, and it costs less than twice the requests.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use scim_client::scim_core::resource::to_value;
use scim_client::scim_core::{Email, Group, Member, Patch, User, Value};
use scim_client::{Auth, Client, Error, Fate};

use crate::faulty::{Fault, Faulty, MENDABLE, Weather};
use crate::help::{TOKEN, client_over, server};

const PEOPLE: usize = 40;

/// Calls that are under way at the same time.
const AT_ONCE: usize = 6;

/// A client behind such a network, and one that reaches the same server well.
fn clients(weather: Weather) -> (Client, Client, Faulty) {
    let server = server();
    let network = Faulty::new(server.clone(), weather);
    let through = Client::builder("https://scim.example/scim/v2/")
        .auth(Auth::bearer(TOKEN))
        .transport(network.clone())
        .clock(network.clock)
        .jitter(0.5)
        .build()
        .unwrap();
    (through, client_over(server), network)
}

/// What a write has come to, as far as its caller can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Perhaps,
}

fn told<T>(outcome: &Result<T, Error>) -> Told {
    match outcome {
        Ok(_) => Told::Done,
        Err(error) if error.may_have_been_done() => Told::Perhaps,
        Err(_) => Told::NotDone,
    }
}

/// What one person's story has come to.
#[derive(Clone, Debug)]
struct Story {
    number: usize,
    user: Told,
    group: Told,
    title: Told,
    emails: Told,
    member: Told,
    deleted: Told,
}

fn user(number: usize) -> User {
    User::new(format!("user-{number}")).with_external_id(format!("u-{number}"))
}

/// Creates a user and a group, changes both, reads them back, and deletes every third group.
async fn story(scim: &Client, number: usize) -> Story {
    let path = |text: &str| text.parse().unwrap();
    let created = scim.users().create(&user(number)).await;
    // Group names are not unique: a second one is not refused.
    let group = Group::new("Everyone").with_external_id(format!("g-{number}"));
    let grouped = scim.groups().create(&group).await;
    let mut story = Story {
        number,
        user: told(&created),
        group: told(&grouped),
        title: Told::NotDone,
        emails: Told::NotDone,
        member: Told::NotDone,
        deleted: Told::NotDone,
    };
    if let Ok(created) = &created {
        let id = created.id().unwrap();
        let title = Patch::new().replace(path("title"), format!("title-{number}"));
        story.title = told(&scim.users().patch(id, title).await);
        // Not the same when done twice: the client must not repeat it blindly.
        let email = Email::work(format!("{number}@example.org"));
        let value = to_value(&email).unwrap();
        let add = Patch::new().add(path("emails"), Value::Array(vec![value]));
        story.emails = told(&scim.users().patch(id, add).await);
        if let Ok(read) = scim.users().get(id).await {
            assert_eq!(read.user_name, format!("user-{number}"));
        }
    }
    if let Ok(grouped) = &grouped {
        let id = grouped.id().unwrap();
        if let Ok(created) = &created {
            let member = Member::user(created.id().unwrap());
            let value = to_value(&member).unwrap();
            let add = Patch::new().add(path("members"), Value::Array(vec![value]));
            story.member = told(&scim.groups().patch(id, add).await);
        }
        if number.is_multiple_of(3) {
            story.deleted = told(&scim.groups().delete(id).await);
        }
    }
    story
}

/// Lets all stories happen; the number of requests that they took, and what the server has in the end.
async fn play(weather: Weather) -> (Vec<Story>, Client, Faulty) {
    let (scim, calm, network) = clients(weather);
    let stories = stream::iter(0..PEOPLE).map(|number| story(&scim, number));
    let stories = stories.buffer_unordered(AT_ONCE).collect().await;
    (stories, calm, network)
}

async fn judge(stories: &[Story], calm: &Client) {
    let users: Vec<User> = calm.users().list().stream().try_collect().await.unwrap();
    let groups: Vec<Group> = calm.groups().list().stream().try_collect().await.unwrap();
    let mut by_name: BTreeMap<String, Vec<&User>> = BTreeMap::new();
    for user in &users {
        by_name.entry(user.external_id.clone().unwrap()).or_default().push(user);
    }
    for story in stories {
        let users = by_name.remove(&format!("u-{}", story.number)).unwrap_or_default();
        agrees(story.user, users.len(), story);
        if let [user] = users[..] {
            agrees(story.title, usize::from(user.title.is_some()), story);
            agrees(story.emails, user.emails.len(), story);
        }
        let external = format!("g-{}", story.number);
        let groups: Vec<&Group> =
            groups.iter().filter(|group| group.external_id.as_deref() == Some(&external)).collect();
        match story.deleted {
            Told::Done => assert!(groups.is_empty(), "deleted, and there: {story:?}"),
            Told::NotDone => agrees(story.group, groups.len(), story),
            Told::Perhaps => assert!(groups.len() <= 1, "{story:?}"),
        }
        if let [group] = groups[..] {
            agrees(story.member, group.members.len(), story);
        }
    }
    assert!(by_name.is_empty(), "nobody has made these: {by_name:?}");
}

/// Whether what is there is what the caller was told.
#[track_caller]
fn agrees(told: Told, there: usize, story: &Story) {
    match told {
        Told::Done => assert_eq!(there, 1, "told to be done: {story:?}"),
        Told::NotDone => assert_eq!(there, 0, "told not to be done: {story:?}"),
        Told::Perhaps => assert!(there <= 1, "done twice: {story:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_write_is_lost_or_doubled() {
    let (calm_stories, calm, network) = play(Weather::calm()).await;
    judge(&calm_stories, &calm).await;
    assert!(
        calm_stories.iter().all(|story| story.user == Told::Done && story.emails == Told::Done)
    );
    let needed = network.requests();
    for seed in 0..20 {
        let weather = Weather { seed, faults: 0.15, kinds: MENDABLE.to_vec(), storms: 0.01 };
        let (stories, calm, network) = play(weather).await;
        judge(&stories, &calm).await;
        let clear =
            stories.iter().filter(|s| s.user == Told::Done && s.group == Told::Done).count();
        assert!(clear * 10 >= PEOPLE * 9, "seed {seed}: only {clear} of {PEOPLE} were created");
        let (requests, faults) = (network.requests(), network.faults());
        println!("seed {seed}: {requests} requests where {needed} are needed, {faults} faults");
        assert!(faults > needed / 20, "seed {seed}: the weather was good");
        assert!(
            requests <= 2 * needed,
            "seed {seed}: {requests} requests where {needed} are needed"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_waited_out() {
    let needed = play(Weather::calm()).await.2.requests();
    for seed in 0..10 {
        let weather = Weather { seed, faults: 0.0, kinds: Vec::new(), storms: 0.03 };
        let (stories, calm, network) = play(weather).await;
        judge(&stories, &calm).await;
        // A 429 says that nothing was done.
        assert!(stories.iter().all(|story| story.user != Told::Perhaps), "seed {seed}");
        let done = stories.iter().filter(|story| story.user == Told::Done).count();
        assert!(done * 10 >= PEOPLE * 9, "seed {seed}: only {done} of {PEOPLE} were created");
        let requests = network.requests();
        println!("seed {seed}: {requests} requests where {needed} are needed");
        assert!(
            requests <= 2 * needed,
            "seed {seed}: {requests} requests where {needed} are needed"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_web_page_in_place_of_an_answer_is_no_answer() {
    for seed in 0..10 {
        let kinds = vec![Fault::HtmlSuccessDone, Fault::HtmlSuccessUnseen];
        let (scim, calm, network) = clients(Weather { seed, faults: 0.3, kinds, storms: 0.0 });
        let mut stories = Vec::new();
        for number in 0..PEOPLE {
            let group = Group::new("Everyone").with_external_id(format!("g-{number}"));
            stories.push((number, told(&scim.groups().create(&group).await)));
        }
        let groups: Vec<Group> = calm.groups().list().stream().try_collect().await.unwrap();
        for (number, told) in stories {
            let external = format!("g-{number}");
            let there =
                groups.iter().filter(|g| g.external_id.as_deref() == Some(&external)).count();
            match told {
                Told::Done => assert_eq!(there, 1),
                Told::NotDone => assert_eq!(there, 0),
                Told::Perhaps => assert!(there <= 1),
            }
        }
        assert!(network.requests() <= 2 * PEOPLE as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_through_bad_weather_sees_everyone_once() {
    for seed in 0..10 {
        let weather = Weather { seed, faults: 0.15, kinds: MENDABLE.to_vec(), storms: 0.02 };
        let (scim, calm, network) = clients(weather);
        for number in 0..90 {
            calm.users().create(&user(number)).await.unwrap();
        }
        for start in [None, Some(1)] {
            let before = network.requests();
            let list = scim.users().list().count(5);
            let list = if let Some(start) = start { list.start_index(start) } else { list };
            let read: Vec<User> = list.stream().try_collect().await.unwrap();
            let mut names: Vec<String> = read.into_iter().map(|user| user.user_name).collect();
            assert_eq!(names.len(), 90);
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 90);
            // 18 pages and the configuration.
            assert!(network.requests() - before <= 2 * 19, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bulk_in_bad_weather() {
    let (mut needed, mut made) = (0, 0);
    for seed in 0..21 {
        let weather = Weather { seed, faults: 0.15, kinds: MENDABLE.to_vec(), storms: 0.02 };
        // The first time without faults, to count.
        let weather = if seed == 0 { Weather::calm() } else { weather };
        let (scim, calm, network) = clients(weather);
        let mut bulk = scim.bulk().max_operations(8);
        for number in 0..PEOPLE {
            let user = bulk.create(&user(number)).reference();
            let group = Group::new("Everyone").with_external_id(format!("g-{number}"));
            bulk.create(&group.with_member(Member::user(user)));
        }
        let report = bulk.await.unwrap();
        let users: Vec<User> = calm.users().list().stream().try_collect().await.unwrap();
        let groups: Vec<Group> = calm.groups().list().stream().try_collect().await.unwrap();
        for (index, outcome) in report.outcomes().iter().enumerate() {
            let number = index / 2;
            let (user, group) = (format!("u-{number}"), format!("g-{number}"));
            let there = if index.is_multiple_of(2) {
                users.iter().filter(|u| u.external_id.as_deref() == Some(&user)).count()
            } else {
                let own: Vec<_> =
                    groups.iter().filter(|g| g.external_id.as_deref() == Some(&group)).collect();
                assert!(own.iter().all(|group| group.members.len() == 1));
                own.len()
            };
            match &outcome.fate {
                Fate::Done(_) => assert_eq!(there, 1, "seed {seed}: {outcome}"),
                Fate::Unknown(_) => assert!(there <= 1, "seed {seed}: {outcome}"),
                _ => assert_eq!(there, 0, "seed {seed}: {outcome}"),
            }
        }
        if seed == 0 {
            needed = network.requests();
            assert!(report.is_done(), "{report}");
        } else {
            made += network.requests();
        }
    }
    println!("{made} requests in 20 runs where {needed} are needed for one");
    assert!(made <= 2 * 20 * needed, "{made} requests in 20 runs, {needed} needed for one");
}
