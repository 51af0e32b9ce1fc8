//! What is on the pages: what people need, nothing that is secret, and no foreign text that is more than a text.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use proptest::prelude::*;
use rcgen::KeyPair;
use scim_provisioning_service::agents::CodeSpec;
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::config::TlsMode;
use scim_provisioning_service::job::wire::{NewJob, ScheduleState, StatusCode as Code};
use scim_provisioning_service::job::{JobKey, JobSettings};
use scim_provisioning_service::records::{Journal, LogEntry};
use scim_provisioning_service::tokens::{Role, TokenSpec};
use scim_sync_link::gateway::EnrollRequest;
use secrecy::ExposeSecret as _;
use serde_json::json;
use testkit::SmtpSink;
use testkit::smtp::{Reply, Step};

use super::client::{Client, ORIGIN};
use crate::harness::{acme, app, app_of, csr};
use crate::notify::{OPS, mail_to};

async fn enrol(app: &App, name: &str) -> String {
    let spec = CodeSpec { groups: ["corp".to_owned()].into(), ..CodeSpec::default() };
    let code = app.agents.code_create(&Actor::Program, &acme(), spec).await.unwrap().code;
    let request = EnrollRequest {
        code,
        csr_pem: csr(&KeyPair::generate().unwrap()),
        agent_name: name.to_owned(),
        version: "0.1.0".to_owned(),
        hostname: name.to_owned(),
    };
    app.agents.enrol(&request).await.unwrap().agent_id
}

async fn job(app: &App, name: &str) -> JobKey {
    let hybrid = JobSettings { name: name.to_owned(), ..JobSettings::new("corp", "corp") };
    let new = NewJob { template_id: "AD2CloudUsersGroups".to_owned(), hybrid };
    let job = app.jobs.create(&acme(), new, &Actor::Program).await.unwrap();
    JobKey::new(&acme(), &job.id)
}

/// An entry of the provisioning log about an object of this name.
fn entry(app: &App, job: &str, name: &str, action: &str, status: &str) -> LogEntry {
    let at = app.clock.now();
    let identity =
        |id: &str| json!({"id": id, "displayName": name, "identityType": name, "details": {}});
    LogEntry {
        at,
        job: job.to_owned(),
        object: name.to_owned(),
        action: action.to_owned(),
        status: status.to_owned(),
        body: json!({
            "activityDateTime": at, "tenantId": "acme", "jobId": job, "cycleId": "c", "changeId": "c.1",
            "provisioningAction": action, "durationInMilliseconds": null,
            "provisioningStatusInfo": {"status": status, "errorInformation": {"errorCode": "x", "reason": name}},
            "provisioningSteps": [],
            "modifiedProperties": [{"displayName": name, "oldValue": name, "newValue": name}],
            "sourceSystem": {"id": "s", "displayName": "s", "details": {}},
            "targetSystem": {"id": "t", "displayName": "t", "details": {}},
            "sourceIdentity": identity("s-1"), "targetIdentity": identity("t-1"),
            "initiatedBy": {"id": name, "displayName": name, "initiatorType": "user"},
        }),
    }
}

#[tokio::test]
async fn an_empty_service_says_what_comes_next() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (admin, _) = Client::signed_in(&app, Role::Admin).await;
    let page = admin.get("/console").await.expect(StatusCode::OK);
    page.shows("Two steps to the first synchronisation")
        .shows("Let an agent in")
        .shows("Make a job");
    admin.get("/console/agents").await.shows("No agent yet").shows("Make a code");
    admin.get("/console/jobs").await.shows("No job yet").shows("/console/jobs/new");
    admin.get("/console/log").await.shows("Nothing was done yet");
    let (reader, _) = Client::signed_in(&app, Role::Reader).await;
    reader.get("/console/agents").await.shows("An administrator lets one in").hides("Make a code");
    reader.get("/console/jobs").await.shows("An administrator makes one");
}

#[tokio::test]
async fn a_code_is_shown_once_and_an_agent_is_revoked_after_a_question() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (admin, _) = Client::signed_in(&app, Role::Admin).await;
    let fields = [("group", "corp.example.com"), ("lifetime", "10"), ("note", "for dc1")];
    let page = admin.post("/console/codes", &fields).await.expect(StatusCode::OK);
    let page = page.shows("provisioning-agent setup --service https://test --code ");
    let code = page.text.split("--code ").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(code.len(), 64);
    let page =
        admin.get("/console/agents").await.shows("for dc1").shows("corp.example.com").hides(&code);
    let (id, kept) = app.agents.code_list(&acme()).await.unwrap().remove(0);
    assert_eq!(kept.expires - kept.created, TimeDelta::minutes(10));
    drop(page);
    let withdrawn = admin.post(&format!("/console/codes/{id}/withdraw"), &[]).await;
    assert_eq!(withdrawn.location(), "/console/agents?done=withdrawn");
    admin
        .get("/console/agents?done=withdrawn")
        .await
        .shows("The code was withdrawn.")
        .hides("for dc1");
    assert!(app.agents.code_list(&acme()).await.unwrap().is_empty());
    admin
        .post("/console/codes", &[("group", "no group: it has spaces")])
        .await
        .expect(StatusCode::BAD_REQUEST);

    let agent = enrol(&app, "dc1").await;
    let path = format!("/console/agents/{agent}/revoke");
    admin.get("/console/agents").await.shows(&path).shows("Not connected");
    admin.get(&path).await.expect(StatusCode::OK).shows("This cannot be taken back");
    let (reader, _) = Client::signed_in(&app, Role::Reader).await;
    reader.get("/console/agents").await.shows("dc1").hides("/revoke");
    assert_eq!(admin.post(&path, &[]).await.location(), "/console/agents?done=revoked");
    assert!(app.agents.find(&acme(), &agent).await.unwrap().unwrap().revoked.is_some());
    admin.get("/console/agents").await.shows("Revoked").hides(&path);
    admin.get("/console/agents/none/revoke").await.expect(StatusCode::NOT_FOUND).shows("Not here");
}

#[tokio::test]
async fn a_job_is_started_paused_and_begun_anew_by_operators() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (operator, _) = Client::signed_in(&app, Role::Operator).await;
    let (admin, _) = Client::signed_in(&app, Role::Admin).await;
    admin.get("/console/jobs/new").await.expect(StatusCode::OK).shows("AD2CloudUsersGroups");
    let fields =
        [("name", "Corp to the cloud"), ("template", "AD2CloudUsersGroups"), ("group", "corp")];
    admin
        .post("/console/jobs", &fields)
        .await
        .expect(StatusCode::BAD_REQUEST)
        .shows("source.directory");
    let fields = [&fields[..], &[("directory", "corp")]].concat();
    let made = admin.post("/console/jobs", &fields).await.expect(StatusCode::SEE_OTHER);
    let path = made.location().strip_suffix("?done=created").unwrap().to_owned();
    let key = JobKey::new(&acme(), path.rsplit('/').next().unwrap());
    let page = admin.get(made.location()).await.shows("Say where it writes");
    page.shows("<details class=\"panel form\" open>");
    operator.get("/console/jobs").await.shows("Corp to the cloud").shows("Not configured");
    let page = operator.post(&format!("{path}/start"), &[]).await.expect(StatusCode::BAD_REQUEST);
    page.shows("save the secrets BaseAddress and SecretToken first");
    let target = format!("{path}/target");
    let fields = [("address", "not an address"), ("secret", "s3cr3t-t0ken"), ("act", "save")];
    admin.post(&target, &fields).await.expect(StatusCode::BAD_REQUEST).hides("s3cr3t");
    let fields =
        [("address", "https://127.0.0.1:9/scim"), ("secret", "s3cr3t-t0ken"), ("act", "save")];
    admin.post(&target, &fields).await.expect(StatusCode::SEE_OTHER);
    let asked = admin.post(&target, &[("act", "test")]).await.expect(StatusCode::BAD_REQUEST);
    asked.hides("s3cr3t");
    let page = operator.get(&path).await.shows("Not started");
    page.hides("s3cr3t").hides("127.0.0.1:9").hides("/target");
    let started = operator.post(&format!("{path}/start"), &[]).await;
    assert_eq!(started.location(), format!("{path}?done=started"));
    operator
        .get(&format!("{path}?done=started"))
        .await
        .shows("The job was started.")
        .shows("First cycle to come");
    let resets = [("reset", "Watermark"), ("reset", "ForceDeletes"), ("reset", "nonsense")];
    operator.post(&format!("{path}/restart"), &resets).await.expect(StatusCode::SEE_OTHER);
    operator.post(&format!("{path}/pause"), &[]).await.expect(StatusCode::SEE_OTHER);
    let job = app.jobs.get(&key).await.unwrap();
    assert_eq!((job.schedule.state, job.status.code), (ScheduleState::Paused, Code::Paused));
    // What plans are allowed with is not among what a restart forgets.
    let (reader, _) = Client::signed_in(&app, Role::Reader).await;
    let audit = reader.get("/console/audit?action=job.restart").await.expect(StatusCode::OK);
    audit.shows("job.restart").shows("Watermark").hides("ForceDeletes");
    reader.get(&path).await.expect(StatusCode::OK).hides("/start").hides("Begin anew");
    operator.get("/console/jobs/none").await.expect(StatusCode::NOT_FOUND).shows("There is no job");
    operator
        .get(&format!("{path}/plans/0123"))
        .await
        .expect(StatusCode::OK)
        .shows("This plan waits no more");
    operator.post(&format!("{path}/plans/0123/allow"), &[]).await.expect(StatusCode::NOT_FOUND);
    operator.post(&format!("{path}/plans/0123/reject"), &[]).await.expect(StatusCode::NOT_FOUND);
    // Nobody answers for the group, and that is said.
    let shown = operator.post(&format!("{path}/preview"), &[("object", "CN=x")]).await;
    shown.expect(StatusCode::OK).shows("It could not be worked out");
}

#[tokio::test]
async fn a_mailbox_that_refuses_is_on_the_first_page() {
    let sink = SmtpSink::start();
    let refuse = |line: &'static str| {
        sink.decide(move |step| match step {
            Step::To(_) => Reply::Line(line.to_owned()),
            _ => Reply::Usual,
        });
    };
    let (app, clock) = app_of(mail_to(&sink, &[OPS]), ORIGIN).await;
    let id = enrol(&app, "dc1").await;
    clock.advance(TimeDelta::hours(2));
    let (reader, _) = Client::signed_in(&app, Role::Reader).await;
    refuse("450 4.2.0 the <mailbox> is locked");
    app.notifier.turn(&mut None).await;
    let page = reader.get("/console").await.expect(StatusCode::OK);
    page.shows("Message to ops@example.com")
        .shows("does not take the message for ops@example.com now")
        .shows("the &lt;mailbox&gt; is locked")
        .shows("It is about agent dc1 on dc1. It is tried again in 1 min.");

    clock.advance(TimeDelta::minutes(3));
    refuse("550 5.1.1 nobody of this name");
    app.notifier.turn(&mut None).await;
    let page = reader.get("/console").await.expect(StatusCode::OK);
    page.shows("nobody of this name").shows("It is not tried again.").hides("is locked");

    // What is over needs nobody.
    sink.usual();
    app.agents.revoke(&Actor::Program, &acme(), &id).await.unwrap();
    clock.advance(TimeDelta::minutes(3));
    app.notifier.turn(&mut None).await;
    reader.get("/console").await.expect(StatusCode::OK).hides("Message to");
}

#[tokio::test]
async fn the_log_is_searched_paged_and_taken_away() {
    let (app, clock) = app(TlsMode::Own, ORIGIN).await;
    let mut entries = Vec::new();
    for number in 0..120 {
        clock.advance(TimeDelta::minutes(1));
        let status = if number % 10 == 0 { "failure" } else { "success" };
        entries.push(entry(&app, "job-1", &format!("Person {number:03}"), "create", status));
    }
    app.records.append(&acme(), Journal::Provisioning, entries).await.unwrap();
    let (reader, _) = Client::signed_in(&app, Role::Reader).await;
    let page = reader.get("/console/log").await.expect(StatusCode::OK);
    let page = page.shows("Person 119").shows("Person 070").hides("Person 069");
    let older = page.text.split("href=\"/console/log?after=").nth(1).unwrap();
    let older = format!("/console/log?after={}", older.split('"').next().unwrap());
    reader.get(&older).await.shows("Person 069").hides("Person 070").shows("Newest");
    reader
        .get("/console/log?object=person+04&status=failure")
        .await
        .shows("Person 040")
        .hides("Person 041");
    reader.get("/console/log?action=delete").await.shows("Nothing like this");
    reader
        .get("/console/log?status=failure&object=PERSON")
        .await
        .shows("Person 110")
        .hides("Person 111");
    reader.get("/console/log?since=tomorrow").await.shows("is no time");
    let later = (clock.now() - TimeDelta::seconds(90)).format("%Y-%m-%dT%H:%M:%S");
    reader
        .get(&format!("/console/log?since={later}"))
        .await
        .shows("Person 119")
        .hides("Person 100");
    let lines = reader.get("/console/log.jsonl?status=failure").await.expect(StatusCode::OK);
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    assert!(lines.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(lines.text.lines().count(), 12);
    assert!(lines.text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    reader.get("/console/log.jsonl?since=tomorrow").await.expect(StatusCode::BAD_REQUEST);
}

/// The tags of a page with the names of their attributes, read as browsers do.
fn skeleton(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let mut tag = String::new();
        let mut quoted = false;
        for (at, character) in rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                '>' if !quoted => {
                    rest = &rest[at + 1..];
                    break;
                }
                _ if !quoted => tag.push(character),
                _ => {}
            }
        }
        tags.push(tag);
    }
    tags
}

/// A service in which everything that can have a name is called this.
async fn named(name: &str) -> (Arc<App>, Vec<String>) {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let agent = enrol(&app, name).await;
    let spec = TokenSpec { name: name.to_owned(), role: Role::Admin, expires: None };
    let token = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
    let client = Client::with(&app, token.plain.expose_secret()).await;
    let key = job(&app, name).await;
    let note = CodeSpec { note: name.to_owned(), ..CodeSpec::default() };
    app.agents.code_create(&Actor::Program, &acme(), note).await.unwrap();
    let entries = vec![entry(&app, &key.id, name, "create", "failure")];
    app.records.append(&acme(), Journal::Provisioning, entries).await.unwrap();
    let query = {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("object", name)
            .append_pair("status", "failure")
            .append_pair("since", name);
        query.finish()
    };
    let job = format!("/console/jobs/{}", key.id);
    let mut pages = Vec::new();
    for path in [
        "/console",
        "/console/agents",
        &format!("/console/agents/{agent}/revoke"),
        "/console/jobs",
        &job,
        "/console/log",
        &format!("/console/log?{query}"),
        "/console/audit",
        &format!("{job}/preview"),
        &format!(
            "/console/jobs/{}",
            url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>()
        ),
    ] {
        pages.push(client.get(path).await.text);
    }
    let fields = [("object", name), ("members", name)];
    pages.push(client.post(&format!("{job}/preview"), &fields).await.text);
    (app, pages)
}

async fn is_only_text(name: &str) {
    let (_, plain) = named("plain").await;
    let (_, hostile) = named(name).await;
    for (plain, hostile) in plain.iter().zip(&hostile) {
        assert_eq!(skeleton(hostile), skeleton(plain), "{name:?} in {hostile}");
        // What was written into a field stays what it is: it is sent again.
        let fields = hostile.split(" value=\"").enumerate().map(|(place, part)| match place {
            0 => part,
            _ => part.split_once('"').map_or("", |(_, rest)| rest),
        });
        let hostile: String = fields.collect();
        let hostile = match (hostile.find("<textarea"), hostile.find("</textarea")) {
            (Some(start), Some(end)) => format!("{}{}", &hostile[..start], &hostile[end..]),
            _ => hostile,
        };
        for turns in ['\u{202e}', '\u{2066}', '\u{0}'] {
            assert!(!hostile.contains(turns), "{name:?} in {hostile}");
        }
    }
}

#[tokio::test]
async fn names_that_would_be_more_than_names_are_not() {
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title></bdi></td><h1>",
        "javascript:alert(1)",
        "\u{202e}nimda \u{2066}x",
        "&lt;b&gt;&quot;&#x22;",
        "=cmd|'/c calc'!A1",
        "{{7*7}} ${x} <!-- --> ]]>",
    ] {
        is_only_text(name).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_name_is_more_than_a_text(name in "(\\PC|[<>&\"'`=/{}]|--|\u{202e}|</|<a ){1,12}") {
        let name = name.trim();
        prop_assume!(!name.is_empty() && name.len() <= 100);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(is_only_text(name));
    }
}
