//! Every page with every kind of session, and every form with every fault that it can have.

use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{Method, StatusCode};
use scim_provisioning_service::api::{self, Access, Endpoint};
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::config::TlsMode;
use scim_provisioning_service::tokens::Role;

use super::client::{Client, ORIGIN, Page};
use crate::harness::app;

/// Fields, or headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const OURS: [(&str, &str); 2] = [("origin", ORIGIN), ("sec-fetch-site", "same-origin")];

fn pages() -> Vec<(Endpoint, Role)> {
    let all = api::table().into_iter();
    let pages: Vec<_> = all
        .filter_map(|endpoint| match endpoint.access {
            Access::Session(role) => Some((endpoint, role)),
            _ => None,
        })
        .collect();
    assert!(pages.len() >= 20, "{}", pages.len());
    pages
}

fn path(endpoint: &Endpoint) -> String {
    endpoint.path.replace("{id}", "x").replace("{job}", "x").replace("{digest}", "x")
}

/// Asks for a page as it is meant to be asked for.
async fn ask(client: &Client, endpoint: &Endpoint) -> Page {
    match endpoint.method {
        Method::GET => client.get(&path(endpoint)).await,
        _ => client.post(&path(endpoint), &[]).await,
    }
}

#[tokio::test]
async fn every_page_is_for_sessions_with_its_role_and_for_nobody_else() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (admin, _) = Client::signed_in(&app, Role::Admin).await;
    let (revoked, id) = Client::signed_in(&app, Role::Admin).await;
    app.tokens.revoke(&Actor::Program, None, &id).await.unwrap();
    let (ended, _) = Client::signed_in(&app, Role::Admin).await;
    ended.post("/console/sign-out", &[]).await.expect(StatusCode::SEE_OTHER);
    let nobody = Client { csrf: admin.csrf.clone(), ..Client::nobody(&app) };
    let junk = |cookie: &str| Client { cookie: Some(cookie.to_owned()), ..nobody.clone() };
    let secret = admin.cookie.clone().unwrap();
    let strangers = [
        nobody.clone(),
        junk("__Host-provisioning="),
        junk("__Host-provisioning=AAAA"),
        junk(&secret[..secret.len() - 1]),
        junk(&secret.replace("__Host-", "")),
        revoked,
        ended,
    ];
    for (endpoint, needed) in pages() {
        for stranger in &strangers {
            let found = ask(stranger, &endpoint).await;
            let who = format!("{endpoint:?} with {:?}: {}", stranger.cookie, found.status);
            if endpoint.method == Method::GET {
                assert_eq!(found.status, StatusCode::SEE_OTHER, "{who}");
                assert!(found.location().starts_with("/console/sign-in"), "{who}");
            } else {
                assert_eq!(found.status, StatusCode::UNAUTHORIZED, "{who}");
            }
        }
        for role in [Role::Reader, Role::Operator, Role::Admin] {
            // A new one each time: one of the pages ends the session.
            let (client, _) = Client::signed_in(&app, role).await;
            let found = ask(&client, &endpoint).await;
            let who = format!("{endpoint:?} as {role}: {}", found.status);
            if role >= needed {
                let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                let refused = refusals.contains(&found.status);
                assert!(!refused && !found.status.is_server_error(), "{who}");
                let out = endpoint.operation == "signOut";
                assert!(out || !found.location().starts_with("/console/sign-in"), "{who}");
            } else {
                assert_eq!(found.status, StatusCode::FORBIDDEN, "{who}");
            }
        }
    }
}

#[tokio::test]
async fn every_form_must_come_from_a_page_of_its_session() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (client, _) = Client::signed_in(&app, Role::Admin).await;
    let (other, _) = Client::signed_in(&app, Role::Admin).await;
    let good = client.csrf.as_str();
    let cut = &good[..good.len() - 1];
    let none: Pairs<'_> = &[];
    let faults: [(&str, Pairs<'_>, Pairs<'_>); 10] = [
        ("no word", &[], &OURS),
        ("an empty word", &[("csrf", "")], &OURS),
        ("a cut word", &[("csrf", cut)], &OURS),
        ("another session's word", &[("csrf", &other.csrf)], &OURS),
        ("a foreign origin", &[("csrf", good)], &[("origin", "https://evil.example")]),
        ("the same name without TLS", &[("csrf", good)], &[("origin", "http://test")]),
        ("no origin that can be told", &[("csrf", good)], &[("origin", "null")]),
        (
            "another site",
            &[("csrf", good)],
            &[("origin", ORIGIN), ("sec-fetch-site", "cross-site")],
        ),
        ("a neighbour", &[("csrf", good)], &[("sec-fetch-site", "same-site")]),
        ("no browser", &[("csrf", good)], none),
    ];
    for (endpoint, _) in pages().into_iter().filter(|(page, _)| page.method == Method::POST) {
        for (fault, fields, headers) in faults {
            let found = client.send(Method::POST, &path(&endpoint), fields, headers).await;
            assert_eq!(found.status, StatusCode::FORBIDDEN, "{endpoint:?} with {fault}");
        }
        // The word in the address is none.
        let beside = format!("{}?csrf={good}", path(&endpoint));
        let found = client.send(Method::POST, &beside, &[], &OURS).await;
        assert_eq!(found.status, StatusCode::FORBIDDEN, "{endpoint:?}");
    }
    let long = "x".repeat(70_000);
    let found = client.post("/console/codes", &[("note", &long)]).await;
    assert_eq!(found.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Nothing of all that was done.
    client.get("/console").await.expect(StatusCode::OK);
    // Either sign of an origin will do, where the other is missing.
    for headers in [&OURS[..1], &OURS[1..]] {
        let fields = [("csrf", good), ("group", "g")];
        let found = client.send(Method::POST, "/console/codes", &fields, headers).await;
        found.expect(StatusCode::OK).shows("provisioning-agent setup");
    }
    // Nor does anybody sign in from elsewhere.
    for (_, _, headers) in &faults[4..] {
        let found = client.send(Method::POST, "/console/sign-in", &[("token", "x")], headers).await;
        assert_eq!(found.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_others_out() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (client, _) = Client::signed_in(&app, Role::Reader).await;
    let nobody = Client::nobody(&app);
    let mut found = vec![nobody.get("/").await, nobody.get("/console/sign-in").await];
    found.push(nobody.get("/console/assets/none.css").await);
    for (endpoint, _) in pages() {
        found.push(ask(&nobody, &endpoint).await);
        if endpoint.operation != "signOut" {
            found.push(ask(&client, &endpoint).await);
        }
    }
    for page in &found {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for part in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value, "{} {}", page.status, page.text);
        }
        // No script and no style within a page.
        for within in [" onclick", " onload", " style=", "<style", "javascript:", "<script>"] {
            assert!(!page.text.contains(within), "{within} in {}", page.text);
        }
        assert_eq!(page.text.matches("<script").count(), page.text.matches("<script src=").count());
        assert!(!page.headers.contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_under_the_name_of_what_is_in_them() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let nobody = Client::nobody(&app);
    let page = nobody.get("/console/sign-in").await.expect(StatusCode::OK);
    let mut kinds = Vec::new();
    for part in page.text.split(['"']).filter(|part| part.starts_with("/console/assets/")) {
        let asset = nobody.get(part).await.expect(StatusCode::OK);
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers["x-content-type-options"], "nosniff");
        kinds.push(asset.headers[CONTENT_TYPE].to_str().unwrap().to_owned());
    }
    kinds.sort();
    let script = "text/javascript; charset=utf-8";
    assert_eq!(kinds, ["image/svg+xml", "text/css; charset=utf-8", script, script]);
    nobody.get("/console/assets/console.css").await.expect(StatusCode::NOT_FOUND);
    nobody.get("/console/assets/..%2Fmod.rs").await.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_of_the_page_that_is_none_is_a_page_about_that() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (client, _) = Client::signed_in(&app, Role::Reader).await;
    let nobody = Client::nobody(&app);
    for path in ["/console/", "/console/nowhere", "/console/jobs/x/y/z"] {
        for (who, word) in [(&client, "Sign out"), (&nobody, "There is no such page")] {
            let page =
                who.get(path).await.expect(StatusCode::NOT_FOUND).shows("Not here").shows(word);
            assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(page.headers.contains_key("content-security-policy"));
            assert_eq!(page.headers["cache-control"], "no-store");
        }
    }
    let page = client.send(Method::DELETE, "/console/jobs", &[], &OURS).await;
    page.expect(StatusCode::METHOD_NOT_ALLOWED).shows("<html");
    // Beside the page, programs are answered.
    for path in ["/consoles", "/nowhere"] {
        let page = nobody.get(path).await.expect(StatusCode::NOT_FOUND);
        assert!(page.headers[CONTENT_TYPE].to_str().unwrap().contains("json"), "{}", page.text);
    }
}
