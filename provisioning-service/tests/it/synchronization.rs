//! Jobs over the API, in the JSON of Microsoft's.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use scim_provisioning_service::api;
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::config::TlsMode;
use scim_provisioning_service::records::{Journal, LogQuery};
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{acme, app};

struct Client {
    router: Router,
    token: String,
}

impl Client {
    async fn of(app: &Arc<App>, tenant: &TenantId, role: Role) -> Self {
        let spec = TokenSpec { name: role.to_string(), role, expires: None };
        let made = app.tokens.create(&Actor::Program, tenant, spec).await.unwrap();
        Self { router: api::router(app), token: made.plain.expose_secret().to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("/synchronization{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, body).await
    }
}

fn new_job() -> Value {
    json!({
        "templateId": "AD2CloudUsersGroups",
        "hybrid": { "source": { "group": "corp", "directory": "corp-ad" } },
    })
}

#[tokio::test]
async fn a_job_from_its_making_to_its_end() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let client = Client::of(&app, &acme(), Role::Admin).await;
    let (status, job) = client.post("/jobs", new_job()).await;
    assert_eq!(status, StatusCode::CREATED, "{job}");
    assert_eq!(
        job["schedule"],
        json!({ "expiration": null, "interval": "PT2M", "state": "Disabled" })
    );
    assert_eq!(job["status"]["code"], "NotConfigured");
    for member in [
        "countSuccessiveCompleteFailures",
        "escrowsPruned",
        "lastExecution",
        "lastSuccessfulExecution",
        "lastSuccessfulExecutionWithExports",
        "progress",
        "quarantine",
        "steadyStateFirstAchievedTime",
        "steadyStateLastAchievedTime",
        "synchronizedEntryCountByType",
        "troubleshootingUrl",
    ] {
        assert!(job["status"].get(member).is_some(), "{member}: {job}");
    }
    let id = job["id"].as_str().unwrap();
    let path = format!("/jobs/{id}");

    let (status, refused) = client.post(&format!("{path}/start"), Value::Null).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("JobNotConfigured"))
    );
    let secrets = json!({ "value": [
        { "key": "BaseAddress", "value": "https://target.example/scim/v2" },
        { "key": "SecretToken", "value": "t0p-s3cret" },
    ] });
    let (status, _) = client.send(Method::PUT, &format!("{path}/secrets"), secrets).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, job) = client.get(&path).await;
    assert_eq!(job["status"]["code"], "NotRun");
    assert!(!job.to_string().contains("t0p-s3cret"));

    let (status, _) = client.post(&format!("{path}/start"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, list) = client.get("/jobs").await;
    assert_eq!(list["value"][0]["schedule"]["state"], "Active");
    let (status, _) = client.post(&format!("{path}/pause"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let criteria = |text: &str| json!({ "criteria": { "resetScope": text } });
    let restart = format!("{path}/restart");
    let (status, _) = client.post(&restart, criteria("Watermark, Escrows, QuarantineState")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, wrong) = client.post(&restart, criteria("Everything")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(wrong["error"]["message"].as_str().unwrap().contains("Everything"), "{wrong}");

    let secrets_path = format!("{path}/secrets");
    let settings = json!({ "hybrid": {
        "source": { "group": "corp", "directory": "corp-ad", "scope": { "include": ["OU=People,DC=corp"] } },
        "interval": "PT30M",
        "deprovision": { "onDelete": "disable", "onOutOfScope": "keep" },
    } });
    let (status, job) = client.send(Method::PATCH, &path, settings).await;
    assert_eq!((status, &job["schedule"]["interval"]), (StatusCode::OK, &json!("PT30M")), "{job}");
    // What is not named stays as it is.
    let named = json!({ "hybrid": { "name": "Corp", "interval": null } });
    let (_, job) = client.send(Method::PATCH, &path, named).await;
    assert_eq!(job["hybrid"]["source"]["scope"]["include"], json!(["OU=People,DC=corp"]), "{job}");
    assert_eq!(job["hybrid"]["deprovision"]["onOutOfScope"], "keep");
    assert_eq!(
        (&job["hybrid"]["name"], &job["schedule"]["interval"]),
        (&json!("Corp"), &json!("PT2M"))
    );
    // A token is for the place that it was given with.
    let secret = |address: &str| json!({ "value": [{ "key": "BaseAddress", "value": address }] });
    let put = |value| client.send(Method::PUT, &secrets_path, value);
    let (status, wrong) = put(secret("https://elsewhere.example/scim/v2")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(wrong["error"]["message"].as_str().unwrap().contains("SecretToken"), "{wrong}");
    let (status, _) = put(secret("https://target.example/scim/v3")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let wrong = json!({ "hybrid": { "source": { "group": "corp" } } });
    let (status, wrong) = client.send(Method::PATCH, &path, wrong).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(wrong["error"]["message"].as_str().unwrap().contains("directory"), "{wrong}");

    // Everything that was done is in the audit log, without the secret.
    let query = LogQuery { object: Some(id.to_owned()), limit: 100, ..LogQuery::default() };
    let acts = app.records.log(&acme(), Journal::Audit, &query).await.unwrap();
    let names: Vec<&str> = acts.iter().rev().map(|act| act.entry.action.as_str()).collect();
    assert_eq!(
        names,
        [
            "job.create",
            "job.secrets",
            "job.start",
            "job.pause",
            "job.restart",
            "job.configure",
            "job.configure",
            "job.secrets"
        ]
    );
    assert!(!format!("{acts:?}").contains("t0p-s3cret"));
}

#[tokio::test]
async fn a_mapping_is_had_saved_and_taken_back() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let client = Client::of(&app, &acme(), Role::Admin).await;
    let (_, templates) = client.get("/templates").await;
    assert_eq!(templates["value"][0]["id"], "AD2CloudUsersGroups");
    let (_, template) = client.get("/templates/AD2CloudUsersGroups/schema").await;
    let (_, job) = client.post("/jobs", new_job()).await;
    let path = format!("/jobs/{}/schema", job["id"].as_str().unwrap());
    let (status, mut schema) = client.get(&path).await;
    assert_eq!((status, &schema), (StatusCode::OK, &template));

    schema["synchronizationRules"][0]["objectMappings"][0]["enabled"] = json!(false);
    let (status, _) = client.send(Method::PUT, &path, schema.clone()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, differences) = client.get(&format!("{path}/differences?old=1&new=2")).await;
    let path_of = differences["value"][0]["path"].as_str().unwrap();
    assert!(path_of.ends_with(".enabled"), "{differences}");
    let (_, versions) = client.get(&format!("{path}/versions")).await;
    assert_eq!(versions["value"].as_array().unwrap().len(), 2);
    let (status, back) = client.post(&format!("{path}/rollBack"), json!({ "version": 1 })).await;
    assert_eq!((status, &back["version"], &back["copyOf"]), (StatusCode::OK, &json!(3), &json!(1)));
    let (_, now) = client.get(&path).await;
    assert_eq!(now, template);

    schema["synchronizationRules"][0]["objectMappings"][0]["flowTypes"] = json!("Upset");
    let (status, wrong) = client.send(Method::PUT, &path, schema).await;
    assert_eq!(
        (status, &wrong["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("InvalidSchema"))
    );
    let expression = json!({ "expression": "ToUpper([mail])", "testInputObject": {
        "properties": [{ "key": "mail", "value": "ada@corp.example" }],
    } });
    let (_, parsed) = client.post(&format!("{path}/parseExpression"), expression).await;
    assert_eq!(parsed["evaluationResult"], json!(["ADA@CORP.EXAMPLE"]));
    assert_eq!(parsed["parsedExpression"]["type"], "Function");
}

#[tokio::test]
async fn nobody_sees_the_jobs_of_another_tenant() {
    let (app, _) = app(TlsMode::Own, "https://test").await;
    let client = Client::of(&app, &acme(), Role::Admin).await;
    let (_, job) = client.post("/jobs", new_job()).await;
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let other = Client::of(&app, &TenantId::new("other").unwrap(), Role::Admin).await;
    let (_, list) = other.get("/jobs").await;
    assert_eq!(list["value"], json!([]));
    for (method, suffix) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::POST, "/start"),
        (Method::POST, "/pause"),
        (Method::GET, "/schema"),
        (Method::GET, "/schema/versions"),
        (Method::GET, "/schema/versions/1"),
        (Method::GET, "/stoppedPlans"),
    ] {
        let (status, body) =
            other.send(method.clone(), &format!("{path}{suffix}"), Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {suffix}: {body}");
        assert_eq!(body["error"]["code"], "ResourceNotFound");
    }
    let (status, _) = client.get(&path).await;
    assert_eq!(status, StatusCode::OK);
}
