//! The OpenAPI document: every route is in it, it is sound, and what the service answers is what it says.

use std::collections::BTreeSet;

use http::Method;
use scim_provisioning_service::api::{self, Access, openapi};
use scim_provisioning_service::job::JobSettings;
use scim_provisioning_service::tokens::Role;
use serde_json::{Value, json};

use crate::harness::{Service, acme};

#[test]
fn every_route_of_the_table_is_in_the_document_and_nothing_else() {
    let document = openapi::document().unwrap();
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(told.insert((path.clone(), method.to_uppercase(), id)), "{path} {method}");
            // What is in braces is declared, and required.
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            {
                let parameters = operation["parameters"].as_array().unwrap();
                let found = parameters.iter().find(|it| it["name"] == name && it["in"] == "path");
                assert_eq!(found.unwrap()["required"], true, "{path}");
            }
        }
    }
    let table: Vec<_> = api::table()
        .into_iter()
        .filter(|it| !matches!(it.access, Access::Page | Access::Session(_)))
        .collect();
    let routes: BTreeSet<_> = table
        .iter()
        .map(|it| (it.path.to_owned(), it.method.to_string(), it.operation.to_owned()))
        .collect();
    assert_eq!(told, routes);
    for endpoint in table {
        let method = endpoint.method.as_str().to_lowercase();
        let open = document["paths"][endpoint.path][&method]["security"] == json!([]);
        assert_eq!(open, endpoint.access == Access::Open, "{endpoint:?}");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => drop(found.insert(target.clone())),
                    member => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// A validator of a schema of the document.
fn validator(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    schema["components"] = document["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn fits(document: &Value, name: &str, value: &Value) {
    let errors: Vec<String> =
        validator(document, name).iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {value}");
}

#[test]
fn its_references_lead_somewhere_and_its_schemas_are_schemas() {
    let document = openapi::document().unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for target in &found {
        assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let schema = &document["components"]["schemas"][name];
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
        drop(validator(&document, name));
    }
}

#[tokio::test]
async fn what_the_service_answers_is_what_the_document_says() {
    let service = Service::start().await;
    let document = openapi::document().unwrap();
    let token = service.token(&acme(), Role::Admin).await;
    let ask = async |method: Method, path: &str, body: Value| {
        let (status, answer) = service.admin(&token, method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    };
    let served = ask(Method::GET, "/openapi.json", Value::Null).await;
    assert_eq!(served, document);
    service.enrol(&["corp"]).await;
    let settings = serde_json::to_value(JobSettings::new("corp", "corp")).unwrap();
    fits(&document, "JobSettings", &settings);
    let new = json!({ "templateId": "AD2CloudUsersGroups", "hybrid": settings });
    fits(&document, "NewJob", &new);
    let job = ask(Method::POST, "/synchronization/jobs", new).await;
    fits(&document, "SynchronizationJob", &job);
    let job = format!("/synchronization/jobs/{}", job["id"].as_str().unwrap());
    for (path, schema) in [
        ("/health/ready".to_owned(), "Health"),
        ("/api/agents".to_owned(), "Agents"),
        ("/api/codes".to_owned(), "Codes"),
        ("/api/groups".to_owned(), "Groups"),
        ("/api/tokens".to_owned(), "Tokens"),
        ("/api/audit".to_owned(), "Audit"),
        ("/api/notifications".to_owned(), "Notifications"),
        ("/synchronization/jobs".to_owned(), "JobCollection"),
        ("/synchronization/templates".to_owned(), "Collection"),
        ("/synchronization/templates/AD2CloudUsersGroups".to_owned(), "Template"),
        (format!("{job}/schema/versions/1"), "MappingVersion"),
        (format!("{job}/stoppedPlans"), "Collection"),
        ("/auditLogs/provisioning".to_owned(), "LogPage"),
    ] {
        fits(&document, schema, &ask(Method::GET, &path, Value::Null).await);
    }
    let code = ask(Method::POST, "/api/codes", json!({ "groups": ["corp"] })).await;
    fits(&document, "CreatedCode", &code);
    let tests = ask(Method::POST, "/api/notifications/test", Value::Null).await;
    fits(&document, "NotificationTests", &tests);
    let asked = json!({ "expression": "Trim([mail])" });
    let parsed = ask(Method::POST, &format!("{job}/schema/parseExpression"), asked).await;
    fits(&document, "ParsedExpression", &parsed);
    let (_, refused) = service.admin("nonsense", Method::GET, "/api/agents", Value::Null).await;
    fits(&document, "ScimError", &refused);
    let (_, missing) =
        service.admin(&token, Method::GET, "/synchronization/jobs/none", Value::Null).await;
    fits(&document, "ODataError", &missing);
}
