//! `patch.json` and `paths.json`.

use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer};
use crate::support::{
    GROUP, USER, Vars, assert_error, comparable, fixture, made, patch_op, profiles, user,
};

/// Both profiles on both stores.
fn each_backend() -> impl Iterator<Item = (Backend, (&'static str, Profile))> {
    let backends = [Backend::Memory, Backend::Sqlite];
    backends.into_iter().flat_map(|backend| profiles().map(|profile| (backend, profile)))
}

#[tokio::test]
async fn patches() {
    let vectors = fixture("vectors/patch.json");
    let (mut ran, mut refused, mut failures) = (0, 0, Vec::new());
    for (backend, (name, profile)) in each_backend() {
        let server = TestServer::with(backend, |builder| builder.profile(profile)).await;
        let mut vars = Vars::default();
        for n in 1..=3 {
            vars.set(&format!("u{n}"), user(&server, &format!("member{n}@example.com")).await);
        }
        for case in vectors["cases"].as_array().unwrap() {
            let run = run(&server, case, &mut vars).await;
            let alternatives = case["expect"]["alternatives"].as_array().cloned();
            let fits = std::iter::once(case["expect"].clone())
                .chain(alternatives.unwrap_or_default())
                .filter(|expected| expected["for"].as_str().is_none_or(|f| f == name))
                .any(|expected| run.fits(&vars, &expected));
            if !fits || !run.clean() {
                failures.push(format!(
                    "{} in {name} on {backend:?}: {}: {}",
                    case["id"], run.answer.text, run.after
                ));
            }
            refused += usize::from(run.answer.status == 400);
            ran += 1;
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    println!("{ran} PATCH vectors, {refused} refused");
    assert_eq!((ran, refused), (560, 110));
}

/// What a PATCH did.
struct Run {
    before: Value,
    answer: Answer,
    after: Value,
}

async fn run(server: &TestServer, case: &Value, vars: &mut Vars) -> Run {
    let endpoint = match case["resourceType"].as_str().unwrap() {
        "Group" => "/Groups",
        _ => "/Users",
    };
    vars.set("self", "");
    let created = made(server, endpoint, &vars.fill_json(&case["before"])).await;
    let id = created["id"].as_str().unwrap();
    let path = format!("{endpoint}/{id}");
    vars.set("self", id);
    let before = server.get(&path).await.body;
    let answer = server.patch(&path, &patch_op(&vars.fill_json(&case["operations"]))).await;
    let after = server.get(&path).await.body;
    assert_eq!(server.delete(&path).await.status, 204);
    Run { before, answer, after }
}

impl Run {
    fn fits(&self, vars: &Vars, expected: &Value) -> bool {
        let status = self.answer.status.as_u16();
        match expected.get("after") {
            Some(after) => {
                matches!(status, 200 | 204)
                    && comparable(&vars.fill_json(after)) == comparable(&self.after)
            }
            None => {
                let error = &expected["error"];
                let types = error["scimType"].as_array().unwrap();
                error["status"] == json!(status)
                    && types.iter().any(|t| t.as_str() == self.answer.scim_type())
            }
        }
    }

    /// What holds for every PATCH: a refusal and a change of nothing leave the resource as it was, version included;
    /// a change moves the version; the answer is the resource.
    fn clean(&self) -> bool {
        let changed = comparable(&self.before) != comparable(&self.after);
        let moved = self.before["meta"]["version"] != self.after["meta"]["version"];
        match self.answer.status.as_u16() {
            200 => moved == changed && self.answer.body == self.after,
            204 => moved == changed && self.answer.text.is_empty(),
            _ => self.before == self.after,
        }
    }
}

#[tokio::test]
async fn paths() {
    let vectors = fixture("vectors/paths.json");
    let (mut valid, mut invalid, mut failures) = ([0; 2], 0, Vec::new());
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        let person = json!({
            "schemas": [USER], "userName": "paths@example.com",
            "emails": [{ "value": "bob@example.com", "type": "work" }],
        });
        let person = made(&server, "/Users", &person).await;
        let team =
            made(&server, "/Groups", &json!({ "schemas": [GROUP], "displayName": "Paths" })).await;
        for case in vectors["cases"].as_array().unwrap() {
            for (endpoint, target) in [("/Users", &person), ("/Groups", &team)] {
                let path = format!("{endpoint}/{}", target["id"].as_str().unwrap());
                let before = server.get(&path).await.body;
                for operation in [
                    json!({ "op": "replace", "path": case["path"], "value": "x" }),
                    json!({ "op": "remove", "path": case["path"] }),
                ] {
                    let at = format!("{} in {name}: {operation}", case["id"]);
                    let answer = server.patch(&path, &patch_op(&json!([operation]))).await;
                    if answer.status == 400 {
                        assert_error(
                            &answer,
                            400,
                            &[
                                "invalidPath",
                                "invalidFilter",
                                "invalidValue",
                                "noTarget",
                                "mutability",
                            ],
                            &at,
                        );
                        assert_eq!(server.get(&path).await.body, before, "{at}: changed");
                    } else if !answer.status.is_success() {
                        failures.push(format!("{at}: {}", answer.text));
                    }
                    if case["expect"] == "valid" {
                        valid[usize::from(answer.status == 400)] += 1;
                        continue;
                    }
                    invalid += 1;
                    let said = matches!(answer.scim_type(), Some("invalidPath" | "invalidFilter"));
                    if answer.status != 400 || !said {
                        failures.push(format!(
                            "{at}: an invalid path: {} {}",
                            answer.status, answer.text
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    println!("paths: {valid:?} valid ones accepted and refused, {invalid} invalid ones refused");
    assert_eq!(valid.iter().sum::<usize>(), 54 * 2 * 2 * 2);
    assert_eq!(invalid, 18 * 2 * 2 * 2);
}
