//! Where nothing can be checked, nothing passes, and the exit code is 2.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Html;
use scim_conformance::{Conclusion, Ended, Report, Suite, Target};

use crate::site::{Site, TOKEN, dead_url};

#[track_caller]
fn could_not_run(report: &Report, why: &str) {
    assert_eq!(report.verdict, Conclusion::CouldNotRun, "{report}");
    assert_eq!(report.exit_code(), 2);
    assert!(!report.checks.iter().any(|one| one.result == Ended::Passed), "{report}");
    assert!(report.profiles.iter().all(|one| !one.conformant), "{:?}", report.profiles);
    let said = report.why.as_deref().unwrap_or_default();
    assert!(said.contains(why), "{said}");
    assert!(report.verdict_line().contains(said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_port_is_no_answer() {
    let target = Target::new(dead_url().await).unwrap().bearer(TOKEN);
    could_not_run(&Suite::all().run(&target).await, "no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_fails_speaks_no_scim() {
    let app = Router::new()
        .fallback(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong") });
    let report = Suite::all().run(&Site::of(app).await.target()).await;
    could_not_run(&report, "speaks SCIM");
    could_not_run(&report, "500 something went wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_speaks_no_scim() {
    let app = Router::new().fallback(|| async { Html("<html><h1>Welcome</h1></html>") });
    could_not_run(&Suite::all().run(&Site::of(app).await.target()).await, "is no SCIM server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_to_sign_in_is_named() {
    let page = "<!doctype html><html><title>Sign in to\n Contoso</title><form></form></html>";
    let app = Router::new().fallback(move || async move { Html(page) });
    let report = Suite::all().run(&Site::of(app).await.target()).await;
    could_not_run(&report, "is no SCIM server: /ServiceProviderConfig was answered 200");
    could_not_run(&report, "\"Sign in to Contoso\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_about_an_error_is_no_page_to_sign_in() {
    let page = (StatusCode::BAD_GATEWAY, Html("<html><h1>502 Bad Gateway</h1></html>"));
    let app = Router::new().fallback(move || async move { page });
    let report = Suite::all().run(&Site::of(app).await.target()).await;
    could_not_run(&report, "speaks SCIM: /ServiceProviderConfig was answered 502");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_named_with_the_url_to_use() {
    use axum::extract::Request;
    use axum::response::Redirect;
    for (to, why) in [
        (
            "https://other.example:8443/scim/v2",
            "to https://other.example:8443/scim/v2: use that URL",
        ),
        ("/v3", "/v3: use that URL"),
    ] {
        let moved = move |request: Request| async move {
            Redirect::permanent(&format!("{to}{}", request.uri().path()))
        };
        let site = Site::of(Router::new().fallback(moved)).await;
        could_not_run(&Suite::all().run(&site.target()).await, why);
    }
    let itself = |request: Request| async move { Redirect::to(&request.uri().to_string()) };
    let report = Suite::all().run(&Site::of(Router::new().fallback(itself)).await.target()).await;
    could_not_run(&report, "redirects (303) every request to itself");
    let app = Router::new().fallback(|| async { Redirect::to("/login?next=%2F") });
    let site = Site::of(app).await;
    let report = Suite::all().run(&site.target()).await;
    could_not_run(&report, &format!("{}/login?next=%2F", site.url));
    could_not_run(&report, "most likely a page to sign in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_it_is_unavailable_is_not_called_silent() {
    let app = Router::new()
        .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")], "") });
    let report = Suite::all().run(&Site::of(app).await.target()).await;
    could_not_run(&report, "the target says that it is unavailable");
    assert!(!report.verdict_line().contains("no answer"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_named_and_not_repeated() {
    let site = Site::ours().await;
    let target = Target::new(&site.url).unwrap().bearer("wrong-token-wrong-token");
    let report = Suite::all().run(&target).await;
    could_not_run(&report, "the credentials are refused");
    assert!(!serde_json::to_string(&report).unwrap().contains("wrong-token"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_where_one_is_wanted_is_named() {
    let site = Site::ours().await;
    let report = Suite::all().run(&Target::new(&site.url).unwrap()).await;
    could_not_run(&report, "the run has none; SCIM_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_nearly_the_base_is_put_right() {
    let site = Site::ours().await;
    for (url, why) in [
        (format!("{}/Users", site.url), format!("before the endpoint: {}", site.url)),
        (site.url.replace("/scim/v2", "/scim"), "it often ends in /scim/v2".to_owned()),
        (site.url.replace("http:", "https:"), "so try http://".to_owned()),
    ] {
        let report = Suite::all().run(&Target::new(&url).unwrap().bearer(TOKEN)).await;
        could_not_run(&report, &why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up() {
    let app = Router::new().fallback(std::future::pending::<StatusCode>);
    let suite = Suite::all().timeout(Duration::from_millis(200));
    could_not_run(&suite.run(&Site::of(app).await.target()).await, "no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_discovery_is_checked_as_rfc_7643_says() {
    use axum::response::IntoResponse;
    let site = Site::with(|request, next| async move {
        let path = request.uri().path();
        let known = path.contains("/Users") || path.contains("/Groups") || path.contains("/Bulk");
        if known { next.run(request).await } else { StatusCode::NOT_FOUND.into_response() }
    })
    .await;
    let report = Suite::all().only(["capability", "discovery"]).run(&site.target()).await;
    assert_eq!(report.verdict, Conclusion::NotConformant, "{report}");
    assert_eq!(report.problems.len(), 3, "{:?}", report.problems);
    let works = |name: &str| {
        let found = report.capabilities.iter().find(|one| one.name == name).unwrap();
        (found.announced, found.works)
    };
    assert_eq!(works("patch"), (None, Some(true)));
    assert_eq!(works("users"), (None, Some(true)));
    assert_eq!(report.outcome("discovery.schemas.list").unwrap().result, Ended::Failed);
    assert_eq!(site.resources().await, [0, 0]);
}

/// Some servers repeat the credentials in their errors; a terminal must not take orders from them either.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_repeats_is_masked_everywhere() {
    let app = Router::new().fallback(|request: axum::extract::Request| async move {
        let token = request.headers().get("authorization").and_then(|v| v.to_str().ok());
        let error = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "403",
            "detail": format!("no rights for {}\u{1b}[2J", token.unwrap_or_default()),
        });
        let discovery = request.uri().path() == "/ServiceProviderConfig";
        if discovery {
            let config = serde_json::json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
                "patch": {"supported": true},
            });
            return (StatusCode::OK, config.to_string());
        }
        (StatusCode::FORBIDDEN, error.to_string())
    });
    let report = Suite::all().run(&Site::of(app).await.target()).await;
    let whole = serde_json::to_string(&report).unwrap();
    assert!(whole.contains("no rights for"), "{report}");
    let shown = whole.find(TOKEN).map(|at| &whole[at.saturating_sub(200)..at]);
    assert_eq!(shown, None);
    assert!(!report.to_string().contains('\u{1b}'), "{report}");
    assert!(!report.to_string().contains(TOKEN), "{report}");
}
