//! What answers mean: errors, filters that were ignored, capabilities.

use http::StatusCode;
use scim_core::discovery::{Pagination, ServiceProviderConfig};
use scim_core::{Filter, Resource};
use serde_json::json;

use super::named;
use crate::target::fields::{Action, Meaning, Parameter};
use crate::target::{
    Capabilities, Deactivation, FilterIgnored, Lookup, Origin, Refusal, TargetProfile,
    check_matches, check_one,
};

fn refusal(action: Action, status: u16, body: &str) -> Refusal<'_> {
    Refusal {
        action,
        endpoint: "Users",
        status: StatusCode::from_u16(status).unwrap(),
        html: body.starts_with('<'),
        body,
    }
}

#[test]
fn errors_mean_what_the_profile_says() {
    use Action::{Create, List, Patch, Read, Replace};
    for (profile, action, status, body, meaning) in [
        (
            "databricks",
            List,
            500,
            "REQUEST_LIMIT_EXCEEDED: concurrent limit of 4 requests",
            Some(Meaning::SlowDown),
        ),
        ("databricks", List, 500, "a bug", None),
        ("generic", List, 500, "REQUEST_LIMIT_EXCEEDED", None),
        (
            "salesforce",
            Create,
            409,
            "REQUIRED_FIELD_MISSING:user_must_have_one_entitlement",
            Some(Meaning::Invalid),
        ),
        ("salesforce", Create, 409, "duplicate value", None),
        ("entra", List, 400, "scimapiconsumptions", Some(Meaning::NotEnabled)),
        ("entra", Read, 400, "scimapiconsumptions", Some(Meaning::NotEnabled)),
        ("entra", Read, 400, "no such id", Some(Meaning::NotFound)),
        ("entra", Patch, 400, "bad", None),
        ("entra", List, 504, "", Some(Meaning::Retryable)),
        ("google", Replace, 404, "<html>not found</html>", Some(Meaning::MethodUnsupported)),
        ("google", Read, 404, "{}", None),
        ("gitlab", Replace, 405, "", Some(Meaning::MethodUnsupported)),
        ("aws", List, 400, "ThrottlingException", Some(Meaning::SlowDown)),
        ("github", List, 403, "You have exceeded a secondary rate limit", Some(Meaning::SlowDown)),
    ] {
        let refusal = refusal(action, status, body);
        assert_eq!(named(profile).meaning(&refusal), meaning, "{profile} {status} {body}");
    }
    let entra = named("entra");
    let hint = entra.hint(&refusal(List, 400, "scimapiconsumptions"));
    assert!(hint.unwrap().contains("switch on"));
    let atlassian = named("atlassian");
    assert!(atlassian.hint(&refusal(Read, 404, "")).unwrap().contains("deactivated"));
    let pulumi = named("pulumi");
    let group = Refusal { endpoint: "Groups", ..refusal(Patch, 400, "") };
    assert!(pulumi.hint(&group).unwrap().contains("all members"));
    assert_eq!(named("generic").hint(&group), None);
}

fn rows(values: serde_json::Value) -> Vec<Resource> {
    serde_json::from_value(values).unwrap()
}

#[test]
fn an_ignored_filter_is_found_by_what_it_lets_through() {
    let filter = |text: &str| text.parse::<Filter>().unwrap();
    let ada = json!({"id":"1","userName":"Ada","emails":[{"value":"a@x.example","type":"work"}],"active":true});
    for matching in [
        r#"userName eq "ada""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ADA""#,
        r#"emails.value ew "X.EXAMPLE""#,
        r#"emails eq "a@x.example""#,
        r#"emails[type eq "work"].value pr"#.split(".value").next().unwrap(),
        r#"userName eq "bob" or active eq true"#,
        r#"not (userName eq "bob")"#,
        r#"userName ne "bob""#,
        // Nothing that the row shows says no.
        r#"groups.value eq "g""#,
        r#"userName gt "z""#,
        r#"title eq "Countess""#,
        r#"not (title pr)"#,
        r#"userName eq "Ädä""#,
    ] {
        assert_eq!(check_matches(&filter(matching), &rows(json!([ada]))), Ok(()), "{matching}");
    }
    for other in [
        r#"userName eq "bob""#,
        r#"userName eq "bob" and title pr"#,
        r#"active eq false"#,
        r#"emails.value co "@y""#,
        r#"emails[type eq "home" and value pr]"#,
        r#"not (userName eq "ada")"#,
        r#"userName ne "ada""#,
    ] {
        let error = check_matches(&filter(other), &rows(json!([ada]))).unwrap_err();
        assert!(matches!(error, FilterIgnored::Mismatch { ref id, .. } if id == "1"), "{other}");
        assert!(error.to_string().contains("ignored the filter"));
    }
    let one = filter(r#"userName eq "ada""#);
    assert_eq!(check_one(&one, &[]), Ok(None));
    let two = rows(json!([ada, {"id":"2"}]));
    assert!(matches!(check_one(&one, &two), Err(FilterIgnored::TooMany { found: 2, .. })));
    assert_eq!(check_one(&one, &two[..1]), Ok(Some(&two[0])));
}

#[test]
fn an_empty_answer_is_not_always_one() {
    let filter = r#"userName eq "ada""#.parse().unwrap();
    assert_eq!(named("snowflake").lookup("Users", &filter, &[]), Ok(Lookup::Missing));
    let old = named("snowflake-before-2026-03");
    assert_eq!(old.lookup("Users", &filter, &[]), Ok(Lookup::Unknown));
}

#[test]
fn capabilities_say_who_says_so() {
    let announced = ServiceProviderConfig::new()
        .with_patch()
        .with_filter(0)
        .with_pagination(Pagination { max_page_size: Some(500), ..Pagination::index_and_cursor() });
    let effective = |profile: &str| {
        Capabilities::from_service_provider_config(Some(&announced), &named(profile))
    };
    let keycloak = effective("keycloak");
    assert_eq!(keycloak.filter_max_results.value, Some(100), "not the announced 0");
    assert_eq!(keycloak.filter_max_results.origin, Origin::Profile);
    assert_eq!(keycloak.largest_page(), Some(100));
    let generic = effective("generic");
    assert_eq!((generic.filter_max_results.value, generic.largest_page()), (None, Some(500)));
    assert_eq!(generic.cursor_paging.origin, Origin::Announced);
    assert_eq!((generic.sort.value, generic.sort.origin), (false, Origin::Announced));
    assert_eq!(generic.announced(), Some(&announced));
    let silent = Capabilities::from_service_provider_config(None, &TargetProfile::generic());
    assert!(silent.patch.value && silent.filter.value && silent.index_paging.value);
    assert!(!silent.bulk.value && !silent.cursor_paging.value);
    assert_eq!(silent.patch.origin, Origin::Default);
}

#[test]
fn capabilities_are_a_table() {
    let announced = ServiceProviderConfig::new().with_patch().with_bulk(10, 1_000);
    let effective = Capabilities::from_service_provider_config(Some(&announced), &named("entra"));
    insta::assert_snapshot!(effective.to_string());
}

#[test]
fn what_is_done_instead_is_named() {
    let says = |profile: &str, endpoint: &str, action| {
        named(profile).admits_action(endpoint, action).map_err(|e| e.to_string())
    };
    for (profile, endpoint, action, why) in [
        ("entra", "Users", Action::Replace, "send the difference by patch"),
        ("google", "Users", Action::Replace, "send the difference by patch"),
        ("aws", "Groups", Action::Replace, "send the difference by patch"),
        ("aws", "Users", Action::Search, "ask with list"),
        ("salesforce", "Users", Action::Delete, "deactivate it"),
        ("salesforce", "Groups", Action::Create, "create of Groups"),
        ("pingfederate", "Groups", Action::List, "no endpoint Groups"),
        ("logfire", "Users", Action::Create, "create of Users"),
        ("entra", "Devices", Action::List, "no endpoint Devices"),
        ("aws", "Me", Action::Read, "/Me"),
        ("aws", "Bulk", Action::Create, "bulk"),
        ("entra", "", Action::List, "over all types"),
    ] {
        let error = says(profile, endpoint, action).unwrap_err();
        assert!(error.contains(why), "{profile}: {error}");
    }
    assert_eq!(says("entra", "ServiceProviderConfig", Action::List), Ok(()));
    assert_eq!(says("generic", "Bulk", Action::Create), Ok(()));
    assert!(matches!(named("entra").deactivation("Users"), Deactivation::Patch(_)));
    assert!(matches!(named("salesforce").deactivation("Users"), Deactivation::Patch(_)));
    let put = TargetProfile::from_toml("name=\"x\"\n[types.Users]\nmethods=[\"replace\"]").unwrap();
    assert_eq!(put.deactivation("Users"), Deactivation::Replace);
    let delete = "name=\"x\"\n[types.Users]\nmethods=[\"delete\"]\ndelete-means=\"deactivates\"";
    let delete = TargetProfile::from_toml(delete).unwrap();
    assert_eq!(delete.deactivation("Users"), Deactivation::Delete);
    assert!(!named("entra").shows("Groups", &"members.value".parse().unwrap()));
    assert!(named("entra").shows("Groups", &"displayName".parse().unwrap()));
}

#[test]
fn pages_and_parameters_keep_to_the_target() {
    let entra = named("entra");
    let paths = |names: &[&str]| names.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>();
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    assert_eq!(entra.count("Users", &[], 999), 100);
    assert_eq!(entra.count("Users", &paths(&["userName"]), 5_000), 999);
    assert_eq!(entra.count("Users", &paths(&["userName", manager]), 999), 100);
    assert_eq!(entra.count("Groups", &[], 5_000), 1_000);
    assert_eq!(entra.count("Users", &[], 0), 1, "count=0 is refused");
    assert_eq!(named("generic").count("Users", &[], 0), 0);
    assert_eq!(named("atlassian").count("Users", &[], 10_000), 100);
    assert_eq!(named("salesforce").count("Entitlements", &[], 1_000), 200);
    assert!(named("aws").admits_parameter(Parameter::Attributes).is_err());
    assert!(named("google").admits_parameter(Parameter::Count).is_err());
    assert!(named("atlassian").admits_parameter(Parameter::SortBy).is_err());
}
