//! Where the connection comes from.

use crate::help::{bare, finish, scim, server, user};
use testkit::server::TOKEN;

#[test]
fn who_is_not_let_in_could_not_run() {
    let server = server();
    let wrong = "a-wrong-token-0123456789";
    for args in [
        &["list", "users"][..],
        &["get", "user", "1"],
        &["export"],
        &["import", "-"],
        &["bulk"],
        &["discover"],
    ] {
        let input = r#"{"method":"DELETE","path":"/Users/1"}"#;
        let input = if args[0] == "import" {
            r#"{"id":"1","userName":"x","meta":{"resourceType":"User"}}"#
        } else {
            input
        };
        let ran = finish(scim(&server, args).env("SCIM_TOKEN", wrong), input);
        assert!(!ran.stderr.contains(wrong), "{ran:?}");
        assert_eq!(ran.failed(2, "SCIM_TOKEN"), "", "{args:?}");
    }
    finish(bare().args(["list", "users"]), "").failed(2, "SCIM_URL");
    let nobody =
        finish(bare().env("SCIM_URL", "http://127.0.0.1:1/v2").args(["get", "user", "1"]), "");
    nobody.failed(2, "127.0.0.1");
    let mut open = bare();
    open.env("SCIM_URL", "http://127.0.0.1.example/v2").env("SCIM_TOKEN", TOKEN).arg("me");
    finish(&mut open, "").failed(2, "--plain-http");
    finish(bare().env("SCIM_URL", "nowhere").args(["me"]), "").failed(2, "base URL");
    let elsewhere = server.url().replace("/scim/v2", "/elsewhere");
    let line = r#"{"id":"1","userName":"x","meta":{"resourceType":"User"}}"#;
    for args in [&["list", "users"][..], &["export"], &["import", "-"], &["create", "user"]] {
        let ran = finish(scim(&server, args).env("SCIM_URL", &elsewhere), line);
        assert_eq!(ran.failed(2, "404"), "", "{args:?}");
    }
    let mut sorted = scim(&server, &["list", "users", "--sort-by", "a b"]);
    finish(&mut sorted, "").failed(2, "sortBy");
}

#[test]
fn profiles_name_secrets_and_hold_none() {
    let server = server();
    let id = user(&server, "ada");
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("profiles.toml"), folder.path().join("work.token"));
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let url = server.url();
    let text = format!(
        "[work]\nurl = \"{url}\"\ntoken-file = \"work.token\"\n\n[env]\nurl = \"{url}\"\ntoken-env = \"OTHER\"\ntarget = \"slack\"\n"
    );
    std::fs::write(&file, &text).unwrap();
    let with = |profile: &str| {
        let mut command = bare();
        command.env("SCIM_PROFILES", &file).env("OTHER", TOKEN).args(["--profile", profile]);
        command
    };
    for profile in ["work", "env"] {
        let read = finish(with(profile).args(["get", "user", &id]), "").json();
        assert_eq!(read["userName"], "ada", "{profile}");
    }
    finish(with("env").env_remove("OTHER").args(["list", "users"]), "").failed(2, "OTHER");
    finish(with("home").args(["list", "users"]), "").failed(2, "there are env, work");
    let shown = finish(with("work").args(["profile", "show", "env"]), "").done();
    assert!(shown.contains("slack") && shown.contains("announced"), "{shown}");
    let list = finish(with("work").args(["profile", "list", "-f", "csv"]), "").done();
    assert!(
        list.contains(&format!("work,service,{url}\n")) && list.contains("\nentra,target,"),
        "{list}"
    );
    // Nothing is sent for a target profile.
    let offline = finish(bare().args(["profile", "show", "entra"]), "").done();
    assert!(offline.contains("profile entra"), "{offline}");

    std::fs::write(&file, format!("{text}token = \"{TOKEN}\"\n")).unwrap();
    let ran = finish(with("work").args(["list", "users"]), "");
    assert!(!ran.stderr.contains(TOKEN), "{ran:?}");
    ran.failed(2, "line 9");
}

#[test]
fn a_token_from_a_file() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut command = bare();
    command.args(["--url", server.url(), "list", "users"]).env("SCIM_TOKEN_FILE", &token);
    assert_eq!(finish(&mut command, "").done(), "[]\n");
    // Two are one too many.
    finish(command.env("SCIM_TOKEN", TOKEN), "").failed(2, "twice");
}

/// A token endpoint that gives the token of the tests to who proves to be the agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_client_credentials() {
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Json};
    let token = async |headers: HeaderMap| {
        // agent:s3cr3t
        match headers.get("authorization").is_some_and(|h| h == "Basic YWdlbnQ6czNjcjN0") {
            true => Json(serde_json::json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}))
                .into_response(),
            false => (StatusCode::UNAUTHORIZED, Json(serde_json::json!({"error": "invalid_client"})))
                .into_response(),
        }
    };
    let app = axum::Router::new().route("/token", axum::routing::post(token));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let ran = tokio::task::spawn_blocking(move || {
        let server = server();
        let mut command = bare();
        command
            .env("SCIM_URL", server.url())
            .env("SCIM_OAUTH_TOKEN_URL", &token_url)
            .env("SCIM_OAUTH_CLIENT_ID", "agent")
            .env("SCIM_OAUTH_CLIENT_SECRET", "s3cr3t")
            .args(["list", "users"]);
        let right = finish(&mut command, "");
        (right, finish(command.env("SCIM_OAUTH_CLIENT_SECRET", "wr0ng"), ""))
    });
    let (right, wrong) = ran.await.unwrap();
    assert_eq!(right.done(), "[]\n");
    assert!(!wrong.stderr.contains("wr0ng"), "{wrong:?}");
    wrong.failed(2, "invalid_client");
}
