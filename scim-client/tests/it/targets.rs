//! What a target profile changes in what goes out, and in how answers are read.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::TryStreamExt;
use scim_client::scim_core::{Group, Member, Patch, Resource, User, attr};
use scim_client::target::membership::Current;
use scim_client::testing::{Recorded, ScriptedTransport};
use scim_client::{Auth, Client, Error, OAuth2, TargetProfile, TransportErrorKind};
use serde_json::{Value, json};
use tokio::time::Instant;

fn base(profile: &str) -> &'static str {
    match profile {
        "entra" => "https://graph.example/rp/scim",
        "github" => "https://ghe.example/api/v3/scim/v2",
        "miro" => "https://miro.example/api/v1/scim",
        _ => "https://scim.example/v2",
    }
}

fn target(profile: &str) -> (Client, ScriptedTransport) {
    let script = ScriptedTransport::new();
    let client = Client::builder(base(profile))
        .target(TargetProfile::named(profile).unwrap())
        .transport(script.clone())
        .auth(Auth::Bearer("token-of-the-test".into()))
        .build()
        .unwrap();
    (client, script)
}

fn own(toml: &str) -> (Client, ScriptedTransport) {
    let script = ScriptedTransport::new();
    let profile = TargetProfile::from_toml(&format!("name = \"own\"\n{toml}")).unwrap();
    let builder = Client::builder(base("own")).target(profile).transport(script.clone());
    (builder.build().unwrap(), script)
}

fn list(resources: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.as_array().unwrap().len(),
        "Resources": resources,
    })
}

/// Method, path and query of a request.
fn line(request: &Recorded) -> String {
    let query = request.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.uri.path())
}

fn lines(script: &ScriptedTransport) -> Vec<String> {
    script.requests().iter().map(line).collect()
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<scim_client::MemberId> {
    ids.map(Into::into).into()
}

#[tokio::test]
async fn headers_and_spelling_of_endpoints() {
    let (entra, script) = target("entra");
    script.json(200, &json!({"id": "1", "userName": "ada"})).text(204, &[], "");
    entra.users().get("1").await.unwrap();
    entra.users().delete("1").await.unwrap();
    let requests = script.requests();
    assert_eq!(lines(&script), ["GET /rp/scim/users/1", "DELETE /rp/scim/users/1"]);
    assert_eq!(requests[0].header("accept"), Some("application/scim+json"));
    assert_eq!(requests[1].header("accept"), Some("*/*"));

    let (github, script) = target("github");
    script.json(200, &json!({"id": "1", "userName": "ada"}));
    github.users().get("1").await.unwrap();
    assert!(script.requests()[0].header("user-agent").unwrap().starts_with("scim-client/"));
    let silent = |profile: &str| {
        Client::builder(base(profile))
            .target(TargetProfile::named(profile).unwrap())
            .transport(ScriptedTransport::new())
            .user_agent("")
            .build()
    };
    assert!(matches!(silent("github"), Err(Error::Target(_))), "User-Agent is required there");
    let (plain, script) = own("[http]\ncontent-type = \"application/json\"");
    script.json(200, &json!({"id": "1"}));
    plain
        .resources("Users")
        .patch("1", Patch::new().replace("title".parse().unwrap(), "x"))
        .await
        .unwrap();
    assert_eq!(script.requests()[0].header("content-type"), Some("application/json"));
    assert!(silent("zoom").is_ok());
}

#[test]
fn base_urls_and_credentials_that_a_target_cannot_have() {
    let build = |profile: &str, base: &str, auth: Auth| {
        Client::builder(base)
            .target(TargetProfile::named(profile).unwrap())
            .transport(ScriptedTransport::new())
            .auth(auth)
            .build()
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let basic = || Auth::Basic { user: "u".to_owned(), password: "p".into() };
    for (profile, base, auth, why) in [
        ("snowflake", "https://my_org.snowflakecomputing.com/scim/v2", Auth::None, "underscore"),
        ("miro", "https://miro.com/scim/v2", Auth::None, "/api/v1/scim"),
        ("entra", "https://graph.microsoft.com/rp/SCIM", Auth::None, "/rp/scim"),
        ("entra", "http://graph.microsoft.com/rp/scim", Auth::None, "https"),
        ("github", "https://api.github.com/scim/v2", Auth::None, "enterprises"),
        ("github", "https://api.github.com/scim/v2/enterprises/acme", basic(), "Basic"),
    ] {
        let error = build(profile, base, auth).unwrap_err();
        assert!(error.contains(why), "{profile}: {error}");
    }
    assert_eq!(
        build("github", "https://api.github.com/scim/v2/enterprises/acme", Auth::None),
        Ok(())
    );
    assert_eq!(build("entra", "http://127.0.0.1:8080/scim", Auth::None), Ok(()), "a test server");
}

#[tokio::test]
async fn scopes_come_from_the_profile_unless_they_are_given() {
    for (own, sent) in [(None, "scope=scim2"), (Some("mine"), "scope=mine")] {
        let script = ScriptedTransport::new();
        script.text(
            200,
            &[("content-type", "application/json")],
            r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#,
        );
        script.json(200, &json!({"id": "1", "userName": "ada"}));
        let oauth = OAuth2::client_credentials("https://zoom.example/token", "id", "secret");
        let client = Client::builder("https://scim.example/v2")
            .target(TargetProfile::named("zoom").unwrap())
            .transport(script.clone())
            .auth(own.into_iter().fold(oauth, |oauth, scope| oauth.scope(scope)))
            .build()
            .unwrap();
        client.users().get("1").await.unwrap();
        let body = String::from_utf8(script.requests()[0].body.to_vec()).unwrap();
        assert!(body.contains(sent), "{body}");
    }
}

#[tokio::test]
async fn discovery_as_the_target_has_it() {
    let (slack, script) = target("slack");
    script.json(200, &json!({"patch": {"supported": true}}));
    slack.capabilities().await.unwrap();
    assert_eq!(lines(&script), ["GET /v2/ServiceProviderConfigs"]);

    let (logfire, script) = target("logfire");
    assert!(logfire.capabilities().await.unwrap().patch.value);
    assert!(matches!(logfire.discovery().schemas().await, Err(Error::Target(_))));
    assert!(script.requests().is_empty(), "nothing is asked that is not there");

    let (zscaler, script) = target("zscaler");
    script.json(200, &json!({"patch": {"supported": true}}));
    script.json(200, &json!({"id": "1", "userName": "ada"}));
    zscaler.capabilities().await.unwrap();
    zscaler.users().get("1").await.unwrap();
    assert_eq!(script.requests()[0].header("authorization"), None);
    assert!(script.requests()[1].header("authorization").is_some());

    let (entra, script) = target("entra");
    script.json(200, &json!({"patch": {"supported": true}}));
    script.json(200, &list(&json!([])));
    entra.discovery().service_provider_config().await.unwrap();
    entra.discovery().schemas().await.unwrap();
    assert_eq!(lines(&script), ["GET /rp/scim/serviceproviderconfig", "GET /rp/scim/schemas"]);
}

#[tokio::test]
async fn pages_as_the_target_gives_them() {
    let config =
        json!({"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 0}});
    // A short page with a cursor is not the last one.
    let (aws, script) = target("aws");
    script.json(200, &config);
    script.json(200, &json!({"Resources": [{"id": "1", "userName": "a"}], "nextCursor": "c2"}));
    script.json(200, &json!({"Resources": [{"id": "2", "userName": "b"}]}));
    let users: Vec<User> = aws.users().list().stream().try_collect().await.unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(
        lines(&script)[1..],
        ["GET /v2/Users?cursor=&count=100", "GET /v2/Users?cursor=c2&count=100"]
    );
    let named = aws.users().list().attributes(["userName"]).await;
    assert!(matches!(named, Err(Error::Target(_))), "`attributes` is refused there");

    let (google, script) = target("google");
    script.json(200, &config);
    script.json(200, &list(&json!([{"id": "1", "userName": "a"}])));
    let users: Vec<User> = google.users().list().stream().try_collect().await.unwrap();
    assert_eq!((users.len(), &*lines(&script)[1]), (1, "GET /v2/Users"));

    let (keycloak, script) = target("keycloak");
    script.json(200, &config);
    script.json(200, &list(&json!([{"id": "1", "userName": "a"}])));
    let list_all = keycloak.users().list().count(1_000).stream();
    let _: Vec<User> = list_all.try_collect().await.unwrap();
    assert_eq!(lines(&script)[1], "GET /v2/Users?count=100");

    let (entra, script) = target("entra");
    script.json(200, &list(&json!([]))).json(200, &list(&json!([])));
    let resources = entra.resources("Users");
    resources.list().count(5_000).await.unwrap();
    resources.list().count(5_000).attributes(["userName"]).await.unwrap();
    assert_eq!(
        lines(&script),
        ["GET /rp/scim/users?count=100", "GET /rp/scim/users?attributes=userName&count=999"]
    );
}

#[tokio::test]
async fn what_the_target_refuses_is_not_sent() {
    let (entra, script) = target("entra");
    let user = User::new("ada");
    let title = || attr("title").eq("x");
    let outcomes = [
        entra.users().replace("1", &user).await.map(drop),
        entra.users().create(&user).await.map(drop),
        entra.users().list().filter(title()).await.map(drop),
        entra.users().list().sort_by("userName", false).await.map(drop),
        entra.users().search().filter(attr("userName").eq("x")).await.map(drop),
        entra.me().get().await.map(drop),
        entra.resources("Devices").list().await.map(drop),
    ];
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert!(matches!(outcome, Err(Error::Target(_))), "{i}: {outcome:?}");
    }
    let (salesforce, _) = target("salesforce");
    assert!(matches!(salesforce.users().delete("1").await, Err(Error::Target(_))));
    let (old, _) = target("snowflake-before-2026-03");
    assert!(matches!(old.users().list().await, Err(Error::Target(_))), "a list without filter");
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn what_the_target_does_not_have_is_left_out() {
    let (aws, script) = target("aws");
    script.json(201, &json!({"id": "1", "userName": "ada"}));
    let user: Resource = serde_json::from_value(json!({
        "userName": "ada", "displayName": "Ada", "password": "correct horse",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
    }))
    .unwrap();
    let written = aws.resources("Users").create(&user).await.unwrap();
    assert_eq!(written.dropped(), ["password"]);
    assert_eq!(script.requests()[0].json().get("password"), None);
}

#[tokio::test]
async fn patches_in_the_form_of_the_target() {
    let (gitlab, script) = target("gitlab");
    script.text(204, &[], "");
    let patch = Patch::new().replace("externalId".parse().unwrap(), "new-uid");
    let written = gitlab.users().patch("old-uid", patch).await.unwrap();
    assert_eq!(written.id().unwrap(), "new-uid", "the id follows externalId");
    assert_eq!(script.requests()[0].json()["Operations"][0]["op"], "Replace");

    // More operations than one request takes; each request is bound to the version that the last one made.
    let (terraform, script) = target("terraform");
    let many = || -> Patch {
        (0..150).fold(Patch::new(), |patch, i| patch.replace(format!("a{i}").parse().unwrap(), "x"))
    };
    script.json(200, &json!({"id": "1", "meta": {"version": "W/\"2\""}}));
    script.json(200, &json!({"id": "1", "meta": {"version": "W/\"3\""}}));
    let users = terraform.resources("Users");
    users.patch("1", many()).if_match("W/\"1\"").await.unwrap();
    let requests = script.requests();
    let sizes: Vec<usize> =
        requests.iter().map(|r| r.json()["Operations"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [100, 50]);
    assert_eq!(requests[0].header("if-match"), Some("W/\"1\""));
    assert_eq!(requests[1].header("if-match"), Some("W/\"2\""));

    script.json(200, &json!({"id": "1"})).error(400, Some("invalidValue"), "no");
    let error = users.patch("1", many()).await.unwrap_err();
    assert!(matches!(&error, Error::Partly { done: 1, of: 2, .. }), "{error:?}");
    assert!(error.may_have_been_done() && error.status().unwrap() == 400);
}

#[tokio::test(start_paused = true)]
async fn errors_mean_what_the_profile_says() {
    let (salesforce, script) = target("salesforce");
    script.text(409, &[], "REQUIRED_FIELD_MISSING:user_must_have_one_entitlement");
    let user: Resource =
        serde_json::from_value(json!({"userName": "ada", "entitlements": [{"value": "p"}]}))
            .unwrap();
    let error = salesforce.resources("Users").create(&user).await.unwrap_err();
    assert!(!error.is_uniqueness() && !error.is_retryable());
    assert!(error.to_string().contains("exactly one entitlement"), "{error}");

    let (databricks, script) = target("databricks");
    script.text(500, &[], "REQUEST_LIMIT_EXCEEDED: concurrent limit of 4 requests");
    script.json(200, &json!({"id": "1", "userName": "ada"}));
    databricks.users().get("1").await.unwrap();
    assert_eq!(script.requests().len(), 2, "asked again, as after a 429");

    let (entra, script) = target("entra");
    script.error(400, None, "unknown id");
    assert!(entra.users().get("1").await.unwrap_err().is_not_found());

    // The 404 of a server that does not know the method: GET finds the resource.
    let (generic, script) = target("generic");
    script.error(404, None, "no such resource");
    script.json(200, &json!({"id": "1", "userName": "ada"}));
    let error = generic.users().replace("1", &User::new("ada")).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    script.error(404, None, "no such resource").error(404, None, "no such resource");
    let error = generic.users().replace("1", &User::new("ada")).await.unwrap_err();
    assert!(error.is_not_found(), "GET says so too");
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_does_not_make_a_second_resource() {
    for (profile, requests) in [("generic", 3), ("snowflake-before-2026-03", 2)] {
        let (client, script) = target(profile);
        script.fail(TransportErrorKind::Lost);
        script.json(200, &list(&json!([])));
        script.json(201, &json!({"id": "1", "userName": "ada"}));
        let outcome = client.users().create(&User::new("ada")).await;
        assert_eq!(outcome.is_ok(), profile == "generic", "{outcome:?}");
        assert_eq!(script.requests().len(), requests, "{profile}");
    }
    // Nor does an answer to another question.
    let (client, script) = target("generic");
    script.fail(TransportErrorKind::Lost);
    script.json(200, &list(&json!([{"id": "7", "userName": "somebody else"}])));
    assert!(client.users().create(&User::new("ada")).await.is_err());
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_shared_by_clones() {
    let (deel, script) = target("deel");
    let start = Instant::now();
    for _ in 0..11 {
        script.json(200, &json!({"id": "1", "userName": "ada"}));
        let client = deel.clone();
        client.users().get("1").await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "5 in a second: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_the_clones_too() {
    let (client, script) = target("generic");
    script.text(429, &[("retry-after", "3")], "");
    script
        .json(200, &json!({"id": "1", "userName": "a"}))
        .json(200, &json!({"id": "1", "userName": "a"}));
    let start = Instant::now();
    let other = client.clone();
    let (one, two) = tokio::join!(client.users().get("1"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let user = other.users().get("1").await;
        assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
        user
    });
    assert!(one.is_ok() && two.is_ok());
}

#[tokio::test]
async fn members_within_the_limits_of_entra() {
    let (entra, script) = target("entra");
    script.json(200, &json!({"patch": {"supported": true}}));
    script.json(200, &list(&json!([{"id": "old1"}, {"id": "old2"}, {"id": "m0"}])));
    for _ in 0..5 {
        script.text(204, &[], "");
    }
    let desired: BTreeSet<_> = (0..46).map(|i| format!("m{i}").into()).collect();
    let report = entra.membership("g1").set(&desired).await.unwrap();
    assert_eq!((report.added.len(), report.removed.len(), report.requests), (45, 2, 5));
    assert!(report.failed.is_empty() && report.stopped.is_none());
    let requests = script.requests();
    assert_eq!(
        line(&requests[1]),
        "GET /rp/scim/users?attributes=id&filter=groups.value%20eq%20%22g1%22&count=200",
        "members are never shown: the users are asked"
    );
    assert_eq!(
        requests[2].json()["Operations"],
        json!([{"op": "remove", "path": "members[value eq \"old1\"]"}])
    );
    let sizes: Vec<usize> = requests[4..]
        .iter()
        .map(|r| r.json()["Operations"][0]["value"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [20, 20, 5]);
    assert!(requests[2..].iter().all(|r| r.json()["Operations"].as_array().unwrap().len() == 1));
}

#[tokio::test]
async fn one_member_that_is_refused_does_not_hold_up_the_others() {
    let (aws, script) = target("aws");
    let current = Current::Known(ids(["gone"]));
    let bad = |request: &Recorded| request.json().to_string().contains("\"bad\"");
    for _ in 0..40 {
        script.respond(move |request| {
            let mut answer = http::Response::new(bytes::Bytes::new());
            let status = match (request.method.as_str(), bad(request)) {
                ("PATCH", true) => 404,
                ("PATCH", false) => 204,
                _ => 200,
            };
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            if status == 200 {
                *answer.body_mut() = r#"{"id":"g","displayName":"g"}"#.into();
            }
            Ok(answer)
        });
    }
    let desired = ids(["a", "b", "bad", "c", "d", "e"]);
    let report = aws.membership("g").set_from(&desired, &current).await;
    assert_eq!(report.added, ids(["a", "b", "c", "d", "e"]));
    assert_eq!(report.removed, ids(["gone"]));
    assert_eq!(report.failed.keys().cloned().collect::<BTreeSet<_>>(), ids(["bad"]));
    assert!(report.stopped.is_none() && !report.is_done());
    assert!(report.requests <= 9, "{}", report.requests);
}

#[tokio::test]
async fn a_group_that_is_gone_stops_the_work() {
    let (generic, script) = target("generic");
    script.error(404, None, "no group").error(404, None, "no group");
    let report =
        generic.membership("g").set_from(&ids(["a", "b", "c"]), &Current::Known(ids([]))).await;
    assert!(report.stopped.unwrap().is_not_found());
    assert_eq!(script.requests().len(), 2, "the PATCH and a look at the group");
}

#[tokio::test]
async fn an_empty_list_is_no_empty_group() {
    let (unsaid, script) = target("generic");
    script.json(200, &json!({"id": "g", "displayName": "g"}));
    assert_eq!(unsaid.membership("g").current().await.unwrap(), Current::unknown());
    script.json(200, &json!({"id": "g", "members": [{"value": "a"}]}));
    assert_eq!(unsaid.membership("g").current().await.unwrap(), Current::Known(ids(["a"])));

    let (always, script) = own("[types.Groups.members]\nreturned = \"always\"");
    script.json(200, &json!({"id": "g", "displayName": "g"}));
    assert_eq!(always.membership("g").current().await.unwrap(), Current::Known(ids([])));

    let (aws, script) = target("aws");
    script.json(200, &json!({"patch": {"supported": true}}));
    script.json(200, &list(&json!([{"id": "u1"}])));
    assert_eq!(aws.membership("g").current().await.unwrap(), Current::Known(ids(["u1"])));
    assert_eq!(
        lines(&script)[1],
        "GET /v2/Users?filter=groups.value%20eq%20%22g%22&cursor=&count=100",
        "the group itself is not asked"
    );
    script.json(200, &list(&json!([{"id": "g"}])));
    assert_eq!(aws.membership("g").contains("u1").await.unwrap(), Some(true));
    assert_eq!(
        lines(&script)[2],
        "GET /v2/Groups?filter=id%20eq%20%22g%22%20and%20members.value%20eq%20%22u1%22&cursor=&count=100"
    );
    // A server that answers with everybody.
    script.json(200, &list(&json!([{"id": "u9", "groups": [{"value": "another"}]}])));
    let error = aws.membership("g").current().await.unwrap_err();
    assert!(error.to_string().contains("ignored the filter"), "{error}");
}

#[tokio::test]
async fn a_replace_that_fails_is_done_in_steps() {
    let (client, script) = own("[types.Groups.members]\nmax-add = 2");
    let desired = ids(["a", "b", "c", "d"]);
    script.error(400, Some("invalidValue"), "no such member");
    for _ in 0..2 {
        script.text(204, &[], "");
    }
    let current = Current::Known(ids([]));
    let report = client.membership("g").set_from(&desired, &current).await;
    assert!(report.is_done(), "{report:?}");
    assert_eq!(report.requests, 3);
    assert_eq!(script.requests()[0].json()["Operations"][0]["op"], "replace");
    assert_eq!(script.requests()[1].json()["Operations"][0]["op"], "add");
}

#[tokio::test]
async fn a_target_that_acts_later_is_said_to() {
    let (gitlab, script) = target("gitlab");
    script.text(204, &[], "");
    let report = gitlab.membership("g").set_from(&ids(["a"]), &Current::Known(ids([]))).await;
    assert!(report.pending && report.is_done());
    assert_eq!(script.requests()[0].json()["Operations"][0]["op"], "Add");
}

#[tokio::test]
async fn what_was_done_can_be_looked_up() {
    let (entra, script) = target("entra");
    script.json(200, &json!({"patch": {"supported": true}}));
    script.json(200, &list(&json!([{"id": "a"}, {"id": "x"}])));
    script.json(200, &list(&json!([])));
    let (missing, extra) = entra.membership("g").difference(&ids(["a", "b"])).await.unwrap();
    assert_eq!((missing, extra), (ids(["b"]), ids(["x"])));
    assert_eq!(
        lines(&script)[2],
        "GET /rp/scim/groups?attributes=id&filter=id%20eq%20%22g%22%20and%20members.value%20eq%20%22b%22&count=200",
        "one who is not among the users may be a member all the same"
    );
}

#[tokio::test]
async fn a_new_group_takes_as_many_members_as_the_target_allows() {
    let (aws, script) = target("aws");
    let mut group = Group::new("g");
    group.members = (0..101).map(|i| Member::new(i.to_string())).collect();
    let error = aws.groups().create(&group).await.unwrap_err();
    assert!(error.to_string().contains("at most 100"), "{error}");
    assert!(script.requests().is_empty());
}
