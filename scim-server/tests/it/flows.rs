//! `fixtures/vectors/flows.json`: requests that build on each other, over the router in memory and over a socket, in
//! both profiles.

use scim_core::Profile;
use serde_json::{Value, json};
use testkit::{Client, Launch};

use crate::harness::{Backend, TestServer};
use crate::support::{Vars, fixture, profiles};

/// The way to a server.
enum Way<'a> {
    Router(&'a TestServer),
    Socket(&'a Client),
}

impl Way<'_> {
    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value, String) {
        match self {
            Self::Router(server) => {
                let answer = server.send(method.parse().unwrap(), path, body).await;
                (answer.status.as_u16(), answer.body, answer.text)
            }
            Self::Socket(client) => {
                let request = client.request(method, path);
                let answer = match body {
                    Some(body) => request.json(body).send(),
                    None => request.send(),
                };
                let text = answer.text();
                (answer.status, serde_json::from_str(&text).unwrap_or_default(), text)
            }
        }
    }
}

/// Steps of each flow. A flow may grow; then this must.
const FLOWS: [(&str, usize); 2] = [("entra-group", 20), ("discovery-errors", 19)];

async fn run(way: &Way<'_>, name: &str) {
    let vectors = fixture("vectors/flows.json");
    let flows = vectors["flows"].as_array().unwrap();
    assert_eq!(flows.len(), FLOWS.len());
    let mut checks = 0;
    for (flow, (id, count)) in flows.iter().zip(FLOWS) {
        assert_eq!(flow["id"], id);
        let steps = flow["steps"].as_array().unwrap();
        assert_eq!(steps.len(), count, "{id}");
        let mut vars = Vars::default();
        vars.set("run", format!("{name}-7f3a"));
        for step in steps {
            let at = format!("{id} in {name}: {}", step["name"].as_str().unwrap());
            let path = vars.fill(step["path"].as_str().unwrap());
            let body = step.get("body").map(|body| vars.fill_json(body));
            let method = step["method"].as_str().unwrap();
            let (status, answer, text) = way.send(method, &path, body.as_ref()).await;
            let allowed = step["status"].as_array().unwrap();
            assert!(allowed.contains(&json!(status)), "{at}: {status}: {text}");
            // Steps marked optional are things that servers may leave out; this one does not.
            for check in step["json"].as_array().into_iter().flatten() {
                assert_holds(&answer, &vars.fill_json(check), &at);
                checks += 1;
            }
            for (variable, from) in step["save"].as_object().into_iter().flatten() {
                let value = at_path(&answer, from.as_str().unwrap());
                vars.set(
                    variable,
                    value.and_then(Value::as_str).unwrap_or_else(|| panic!("{at}: {text}")),
                );
            }
        }
    }
    println!("{name}: {} steps, {checks} checks", FLOWS.iter().map(|(_, n)| n).sum::<usize>());
    assert_eq!(checks, 44);
}

/// The value at `a.b[0].c`, or `URN|attribute`.
fn at_path<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    let (mut at, path) = match path.split_once('|') {
        Some((extension, rest)) => (json.get(extension)?, rest),
        None => (json, path),
    };
    for part in path.split('.') {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        at = at.get(name)?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            at = at.get(index.trim_end_matches(']').parse::<usize>().unwrap())?;
        }
    }
    Some(at)
}

#[track_caller]
fn assert_holds(answer: &Value, check: &Value, at: &str) {
    let found = at_path(answer, check["path"].as_str().unwrap());
    let holds = match check["is"].as_str().unwrap() {
        "present" => found.is_some_and(|value| !value.is_null()),
        "absent" => found.is_none(),
        "equal" => found == Some(&check["value"]),
        "contains" => {
            found.and_then(Value::as_array).is_some_and(|list| list.contains(&check["value"]))
        }
        other => panic!("{at}: unknown check {other}"),
    };
    assert!(holds, "{at}: {check} in {answer}");
}

#[tokio::test]
async fn over_the_router() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        for (name, profile) in profiles() {
            let server = TestServer::with(backend, |builder| builder.profile(profile)).await;
            run(&Way::Router(&server), &format!("{name}-{backend:?}")).await;
        }
    }
}

#[tokio::test]
async fn over_a_socket() {
    for (name, profile) in profiles() {
        let flag = if profile == Profile::strict() { "strict" } else { "default" };
        let server =
            Launch::new(env!("CARGO_BIN_EXE_scim-server")).args(&["--profile", flag]).start();
        run(&Way::Socket(&server.client()), &format!("{name}-socket")).await;
        assert!(server.stop(std::time::Duration::from_secs(20)).success());
    }
}
