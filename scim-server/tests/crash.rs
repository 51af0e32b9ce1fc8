//! What was acknowledged is there: after SIGKILL under writers, round after round, and on a disk that fills up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Client, Launch, people};

const PROGRAM: &str = env!("CARGO_BIN_EXE_scim-server");
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ROUNDS: usize = 8;
const WRITERS: usize = 8;
/// How long the writers work before the server is killed.
const ROUND: Duration = Duration::from_millis(700);

/// What one writer knows of a resource.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    /// The last title that was acknowledged.
    title: Option<String>,
    /// A title that was sent and not answered: it may be there or not.
    maybe_title: Option<String>,
    /// Whether it was acknowledged as a member, and whether a change of that was sent and not answered.
    member: bool,
    maybe_member: bool,
    /// Whether the deletion was acknowledged, or sent and not answered.
    deleted: bool,
    maybe_deleted: bool,
}

/// What a writer was told, which must be there after the crash.
#[derive(Debug, Default)]
struct Journal {
    users: BTreeMap<String, Known>,
    /// Names whose creation was sent and not answered.
    maybe_created: Vec<String>,
    acknowledged: usize,
}

impl Journal {
    /// One write after the other until the server is gone. Each goes into the journal before the next is sent.
    fn work(&mut self, client: &Client, group: &str, numbers: &AtomicUsize, over: &AtomicBool) {
        let mut turn = 0;
        while !over.load(Ordering::Relaxed) {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let name = people::user_name(number);
            let Ok(answer) =
                client.request("POST", "/Users").json(&people::minimal_user(number)).try_send()
            else {
                self.maybe_created.push(name);
                return;
            };
            let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
            self.acknowledged += 1;
            self.users.insert(id.clone(), Known::default());
            turn += 1;
            let title = format!("title {turn}");
            let operation = json!({ "op": "replace", "path": "title", "value": title });
            let known = self.users.get_mut(&id).unwrap();
            match patch(client, &format!("/Users/{id}"), &operation) {
                Some(()) => known.title = Some(title),
                None => {
                    known.maybe_title = Some(title);
                    return;
                }
            }
            let operation = json!({ "op": "add", "path": "members", "value": [{ "value": id }] });
            match patch(client, group, &operation) {
                Some(()) => known.member = true,
                None => {
                    known.maybe_member = true;
                    return;
                }
            }
            self.acknowledged += 2;
            if turn % 3 == 0 {
                match client.request("DELETE", &format!("/Users/{id}")).try_send() {
                    Ok(answer) => {
                        assert_eq!(answer.status, 204, "{}", answer.text());
                        known.deleted = true;
                        self.acknowledged += 1;
                    }
                    Err(_) => {
                        known.maybe_deleted = true;
                        return;
                    }
                }
            }
        }
    }
}

/// `None` when no answer came: the server was killed meanwhile.
fn patch(client: &Client, path: &str, operation: &Value) -> Option<()> {
    let body = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
    let answer = client.request("PATCH", path).json(&body).try_send().ok()?;
    assert!(matches!(answer.status, 200 | 204), "{} {}", answer.status, answer.text());
    Some(())
}

fn verify(launch: &Launch) {
    let output = launch.clone().args(&["verify"]).command().output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "verify: {text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.trim(), "everything is whole");
}

/// Holds what the server has against what the writers were told.
fn check(client: &Client, group: &str, journals: &[Journal], round: usize) -> usize {
    let mut checked = 0;
    let list = client.get(&format!("{group}?attributes=members")).expect(200);
    let members: Vec<&str> = list["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|member| member["value"].as_str())
        .collect();
    for (id, known) in journals.iter().flat_map(|journal| &journal.users) {
        let what = format!("round {round}: user {id}, of which is known {known:?}");
        let answer = client.get(&format!("/Users/{id}"));
        let is_member = members.contains(&id.as_str());
        checked += 1;
        if known.deleted || known.maybe_deleted && answer.status == 404 {
            assert_eq!(answer.status, 404, "{what}: came back");
            assert!(!is_member, "{what}: left its group behind");
            continue;
        }
        let user = answer.expect(200);
        let title = user["title"].as_str().map(str::to_owned);
        let right =
            title == known.title || (known.maybe_title.is_some() && title == known.maybe_title);
        assert!(right, "{what}: has the title {title:?}");
        assert!(is_member == known.member || known.maybe_member, "{what}: member: {is_member}");
        let shown = user["groups"].as_array().is_some_and(|groups| groups.len() == 1);
        assert_eq!(shown, is_member, "{what}: user and group disagree");
    }
    for name in journals.iter().flat_map(|journal| &journal.maybe_created) {
        let found =
            client.list("/Users", &[("filter", &format!("userName eq \"{name}\""))]).expect(200);
        assert!(
            found["totalResults"].as_u64().unwrap() <= 1,
            "round {round}: {name} is there twice"
        );
    }
    checked
}

#[test]
fn every_acknowledged_write_survives_sigkill() {
    let mut launch = Launch::new(PROGRAM);
    let numbers = Arc::new(AtomicUsize::new(0));
    let mut journals: Vec<Journal> = Vec::new();
    let mut group = String::new();
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let server = launch.start();
        let client = server.client();
        if round == 0 {
            let made = client.post("/Groups", &people::group::<&str>(1, &[])).expect(201);
            group = format!("/Groups/{}", made["id"].as_str().unwrap());
        }
        let over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (client, group) = (client.within(Duration::from_secs(5)), group.clone());
                let (numbers, over) = (Arc::clone(&numbers), Arc::clone(&over));
                thread::spawn(move || {
                    let mut journal = Journal::default();
                    journal.work(&client, &group, &numbers, &over);
                    journal
                })
            })
            .collect();
        // The kill comes in the middle of the work, not between two rounds of it.
        let end = Instant::now() + ROUND;
        testkit::poll::until(
            ROUND * 4,
            || if Instant::now() < end { Err("working") } else { Ok(()) },
        );
        launch = server.kill();
        over.store(true, Ordering::Relaxed);
        let told: Vec<Journal> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        interrupted += told
            .iter()
            .filter(|journal| {
                let open = |known: &Known| {
                    known.maybe_title.is_some() || known.maybe_member || known.maybe_deleted
                };
                !journal.maybe_created.is_empty() || journal.users.values().any(open)
            })
            .count();
        let acknowledged: usize = told.iter().map(|journal| journal.acknowledged).sum();
        assert!(
            acknowledged >= WRITERS,
            "round {round}: only {acknowledged} writes were acknowledged"
        );
        verify(&launch);
        let server = launch.start();
        let checked = check(&server.client(), &group, &told, round);
        println!("round {round}: {acknowledged} writes acknowledged, {checked} users checked");
        journals.extend(told);
        launch = server.kill();
    }
    assert!(
        interrupted > ROUNDS,
        "the kills met {interrupted} writes under way: too few to show anything"
    );
    let server = launch.start();
    let checked = check(&server.client(), &group, &journals, ROUNDS);
    assert!(checked >= ROUNDS * WRITERS);
    // The feed has no gap and the server takes writes.
    assert_eq!(server.client().post("/Users", &json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "after@example.org",
    })).status, 201);
    assert!(server.stop(Duration::from_secs(15)).success());
    verify(&launch);
}

/// A file system of a few megabytes, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            mount.status.success(),
            "root cannot mount a tmpfs: {}",
            String::from_utf8_lossy(&mount.stderr)
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

#[test]
fn a_full_disk_is_507_and_nothing_is_half_done() {
    if !is_root() {
        println!("skipped: only root can mount the small file system that this test fills");
        return;
    }
    let disk = SmallDisk::mount();
    let data = disk.path().join("data");
    let server = Launch::new(PROGRAM).data(&data).start();
    let client = server.client();
    let first = client.post("/Users", &people::user(0)).expect(201);
    let team =
        client.post("/Groups", &people::group(1, &[first["id"].as_str().unwrap()])).expect(201);
    let first = client.get(&format!("/Users/{}", first["id"].as_str().unwrap())).expect(200);
    // Something else takes most of the room, and gives it back later.
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 5 << 20]).unwrap();

    let mut made = 2;
    let mut number = 1;
    let refused = loop {
        let mut user = people::user(number);
        user["displayName"] = json!("x".repeat(4000));
        let began = Instant::now();
        let answer = client.post("/Users", &user);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        if answer.status != 201 {
            break answer;
        }
        number += 1;
        made += 1;
        assert!(number < 5000, "the disk never fills");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    let document = refused.json();
    assert_eq!(document["status"], "507");
    assert_eq!(document["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    assert!(document["detail"].as_str().unwrap().contains("full"), "{document}");

    // Every kind of write is refused the same way or done whole; reads go on.
    let path = format!("/Users/{}", first["id"].as_str().unwrap());
    let team = format!("/Groups/{}", team["id"].as_str().unwrap());
    for round in 0..5 {
        let mut replaced = people::user(0);
        replaced["displayName"] = json!(format!("{round} {}", "y".repeat(200_000)));
        let answer = client.put(&path, &replaced);
        assert_eq!(answer.status, 507, "{}", answer.text());
        let now = client.get(&path).expect(200);
        assert_eq!(
            now["meta"]["version"], first["meta"]["version"],
            "a refused write moved the version"
        );
        assert_eq!(now["displayName"], first["displayName"]);
        let list =
            client.list("/Users", &[("filter", "userName sw \"a\""), ("count", "3")]).expect(200);
        assert!(list["totalResults"].as_u64().unwrap() > 0);
        assert_eq!(client.get(&team).expect(200)["members"].as_array().unwrap().len(), 1);
    }
    let listed = client.get("/Users?count=0").expect(200)["totalResults"].as_u64().unwrap();
    assert_eq!(listed + 1, made, "refused users are there, or acknowledged ones are not");

    std::fs::remove_file(&ballast).unwrap();
    let mut user = people::user(number);
    user["displayName"] = json!("there is room again");
    let answer = testkit::poll::until(Duration::from_secs(10), || {
        let answer = client.post("/Users", &user);
        if answer.status == 201 { Ok(answer) } else { Err(answer.text()) }
    });
    assert_eq!(answer.json()["displayName"], "there is room again");
    assert_eq!(client.delete(&path).status, 204);
    let launch = server.launch().clone();
    assert!(server.stop(Duration::from_secs(15)).success());
    verify(&launch);
    let again = launch.start();
    assert_eq!(again.client().get("/Users?count=0").expect(200)["totalResults"], json!(listed));
}
