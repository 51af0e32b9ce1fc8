//! What goes out, and what comes back from servers that differ.

use scim_client::scim_core::{Group, Patch, User};
use scim_client::{Client, Error};
use serde_json::json;

use crate::help::scripted;

#[tokio::test]
async fn requests_have_the_form_of_the_rfc() {
    let (scim, script) = scripted();
    script.json(201, &json!({"schemas": [], "id": "7", "userName": "ada"}));
    script.json(200, &json!({"id": "7", "userName": "ada"}));
    script.text(204, &[("ETag", "W/\"2\"")], "");
    script.text(204, &[], "");
    scim.users().create(&User::new("ada")).await.unwrap();
    scim.users().get("a/b c%").attributes(["name.familyName", "userName"]).await.unwrap();
    let patch = Patch::new().replace("active".parse().unwrap(), false);
    let patched = scim.users().patch("7", patch).if_match("W/\"1\"").respond_async().await.unwrap();
    assert_eq!((patched.version(), patched.id().unwrap()), (Some("W/\"2\""), "7"));
    scim.users().delete("7").await.unwrap();

    let seen = script.requests();
    let line = |i: usize| format!("{} {}", seen[i].method, seen[i].uri);
    assert_eq!(line(0), "POST https://scim.example/v2/Users");
    assert_eq!(
        line(1),
        "GET https://scim.example/v2/Users/a%2Fb%20c%25?attributes=name.familyName,userName"
    );
    assert_eq!(line(2), "PATCH https://scim.example/v2/Users/7");
    assert_eq!(line(3), "DELETE https://scim.example/v2/Users/7");
    assert_eq!(seen[0].header("content-type"), Some("application/scim+json"));
    assert!(seen[0].header("user-agent").unwrap().starts_with("scim-client/"));
    assert_eq!(seen[0].json()["userName"], "ada");
    assert_eq!(seen[2].header("if-match"), Some("W/\"1\""));
    assert_eq!(seen[2].header("prefer"), Some("respond-async"));
    assert_eq!(seen[3].header("content-type"), None, "a DELETE has no body");
    for request in &seen {
        assert_eq!(request.header("authorization"), Some("Bearer 0123456789abcdef0123"));
        assert!(!format!("{request:?}").contains("0123456789abcdef"), "{request:?}");
    }
}

#[tokio::test]
async fn ids_that_are_no_path_are_not_sent() {
    let (scim, script) = scripted();
    for id in ["", ".", ".."] {
        let error = scim.users().get(id).await.unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{id:?}");
    }
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_comes_later() {
    let (scim, script) = scripted();
    script.text(202, &[("Set-Txn", "734f0614"), ("Location", "/Users/7")], "");
    let written = scim.users().create(&User::new("ada")).respond_async().await.unwrap();
    assert!(written.is_pending());
    assert_eq!(written.txn(), Some("734f0614"));
    assert!(written.id().is_err(), "the location may be that of the event");
    assert!(written.into_resource().is_err());
}

#[tokio::test]
async fn answers_of_real_servers() {
    let (scim, script) = scripted();
    // FortiAuthenticator 8.0.1 names the wrong type; some .NET servers put a byte order mark in front.
    script.text(
        200,
        &[("Content-Type", "text/html")],
        "\u{feff}{\"id\":\"7\",\"userName\":\"ada\"}",
    );
    assert_eq!(scim.users().get("7").await.unwrap().user_name, "ada");
    // A 201 without body: the id is in the Location.
    script.text(201, &[("Location", "https://scim.example/v2/Users/8")], "");
    let written = scim.users().create(&User::new("bob")).await.unwrap();
    assert_eq!((written.id().unwrap(), written.resource()), ("8", None));
    // A 200 with an empty object for a write, and some words for a delete.
    script.text(200, &[], "{}").text(200, &[], "deleted");
    let patch = Patch::new().replace("active".parse().unwrap(), false);
    assert_eq!(scim.users().patch("7", patch).await.unwrap().resource(), None);
    scim.users().delete("7").await.unwrap();
}

#[tokio::test]
async fn urls_of_others_are_not_followed() {
    let (scim, script) = scripted();
    for url in [
        "https://evil.example/v2/Users/7",
        "http://scim.example/v2/Users/7",
        "https://scim.example:444/v2/Users/7",
        "https://scim.example/other/Users/7",
        "https://scim.example/v2/../admin",
        "https://user@scim.example/v2/Users/7",
        "//evil.example/v2/Users/7",
        "../../admin",
        "https://scim.example/v2/Users/%2e%2e/%2e%2e/admin",
    ] {
        let error = scim.follow::<User>(url).await.unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{url}: {error}");
    }
    assert!(script.requests().is_empty());
    script.json(200, &json!({"id": "7", "userName": "ada"}));
    script.json(200, &json!({"id": "7", "userName": "ada"}));
    scim.follow::<User>("https://scim.example/v2/Users/7").await.unwrap();
    scim.follow::<User>("Users/7").await.unwrap();
    for request in script.requests() {
        assert_eq!(request.uri.to_string(), "https://scim.example/v2/Users/7");
    }
}

#[tokio::test]
async fn a_service_at_the_root_of_its_host() {
    let script = scim_client::testing::ScriptedTransport::new();
    for base in ["https://scim.example", "https://scim.example/"] {
        let scim = Client::builder(base).transport(script.clone()).build().unwrap();
        script.json(200, &json!({"id": "7", "userName": "ada"}));
        script.text(201, &[("Location", "https://scim.example/Users/8")], "");
        scim.follow::<User>("https://scim.example/Users/7").await.unwrap();
        let made = scim.users().create(&User::new("bob")).await.unwrap();
        assert_eq!(made.id().unwrap(), "8");
    }
    let paths: Vec<_> = script.requests().iter().map(|r| r.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/Users/7", "/Users", "/Users/7", "/Users"]);
}

#[test]
fn base_urls_are_checked() {
    for (base, part) in [
        ("scim.example/v2", "not valid"),
        ("ftp://scim.example", "http or https"),
        ("https://me:secret@scim.example", "auth()"),
        ("https://scim.example/v2?x=1", "query"),
        ("http://scim.example/v2", "dangerous_plain_http"),
    ] {
        let error = Client::builder(base).auth(scim_client::Auth::bearer("t")).build().unwrap_err();
        assert!(error.to_string().contains(part), "{base}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    assert!(
        Client::builder("http://127.0.0.1:8080")
            .auth(scim_client::Auth::bearer("t"))
            .build()
            .is_ok()
    );
    assert!(
        Client::builder("https://x.example")
            .auth(scim_client::Auth::bearer(" \n"))
            .build()
            .is_err()
    );
    assert!(
        Client::builder("https://x.example")
            .auth(scim_client::Auth::basic("a:b", "c"))
            .build()
            .is_err()
    );
}

#[tokio::test]
async fn me_is_a_place_of_its_own() {
    let (scim, script) = scripted();
    script.json(200, &json!({"id": "7", "userName": "ada"})).text(204, &[], "");
    assert_eq!(scim.me().get().await.unwrap().user_name, "ada");
    let patch = Patch::new().replace("title".parse().unwrap(), "Dr");
    assert!(scim.me().patch(patch).await.unwrap().id().is_err(), "Me is no id");
    let paths: Vec<_> = script.requests().iter().map(|r| r.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/v2/Me", "/v2/Me"]);
}

#[tokio::test]
async fn capabilities_are_asked_for_once() {
    let (scim, script) = scripted();
    script.error(403, None, "not yet");
    scim.capabilities().await.unwrap_err();
    // Slack and Salesforce have the plural of SCIM 1.1.
    script.text(404, &[("Content-Type", "text/html")], "<html>no</html>");
    script.json(200, &json!({"patch": {"supported": true}, "etag": {"supported": true}}));
    let (first, again) = (scim.capabilities().await.unwrap(), scim.capabilities().await.unwrap());
    assert!(first.announced().unwrap().etag.supported && again.announced().is_some());
    assert_eq!(script.left(), 0);
    assert_eq!(script.requests()[2].uri.path(), "/v2/ServiceProviderConfigs");

    let (scim, script) = scripted();
    script.error(404, None, "no").error(404, None, "no");
    assert!(scim.capabilities().await.unwrap().announced().is_none());
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_target_changes_what_is_sent() {
    let script = scim_client::testing::ScriptedTransport::new();
    let scim = Client::builder("https://scim.eu-west-1.amazonaws.com/tenant/scim/v2")
        .transport(script.clone())
        .target(scim_client::TargetProfile::named("aws").unwrap())
        .build()
        .unwrap();
    let group = Group::new("Engines");
    let error = scim.groups().replace("7", &group).await.unwrap_err();
    assert!(matches!(error, Error::Target(_)), "AWS has no PUT for groups: {error}");
    assert!(script.requests().is_empty());
}
