//! How a session begins, lives and ends.

use chrono::TimeDelta;
use http::header::SET_COOKIE;
use http::{Method, StatusCode};
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::config::TlsMode;
use scim_provisioning_service::records::{Journal, LogQuery};
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use secrecy::ExposeSecret as _;

use super::client::{Client, ORIGIN};
use crate::harness::{acme, app};

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_half_a_day_in_any_case() {
    let (app, clock) = app(TlsMode::Own, ORIGIN).await;
    let minutes = |minutes| clock.advance(TimeDelta::minutes(minutes));
    let (client, _) = Client::signed_in(&app, Role::Reader).await;
    minutes(29);
    client.get("/console").await.expect(StatusCode::OK);
    minutes(29);
    client.get("/console").await.expect(StatusCode::OK);
    // What a page asks for by itself keeps nothing alive.
    for _ in 0..29 {
        minutes(1);
        let page =
            client.send(Method::GET, "/console", &[], &[("x-poll", "1"), ("hx-request", "true")]);
        page.await.expect(StatusCode::OK);
    }
    minutes(1);
    let page =
        client.send(Method::GET, "/console", &[], &[("x-poll", "1"), ("hx-request", "true")]).await;
    assert_eq!(page.headers["hx-redirect"], "/console/sign-in");
    let page = page.expect(StatusCode::UNAUTHORIZED);
    assert!(page.text.is_empty());
    let page = client.get("/console/jobs?x=1").await.expect(StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/console/sign-in?next=%2Fconsole%2Fjobs%3Fx%3D1");

    let (client, _) = Client::signed_in(&app, Role::Reader).await;
    for _ in 0..(12 * 3 - 1) {
        minutes(20);
        client.get("/console").await.expect(StatusCode::OK);
    }
    minutes(20);
    client.get("/console").await.expect(StatusCode::SEE_OTHER);
    // What is over is not kept: with the next sign-in at the latest.
    minutes(31);
    let _ = Client::signed_in(&app, Role::Reader).await;
    let kept = app.records.list(&TenantId::service(), "page-session", None, 10).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn a_session_is_worth_what_its_token_is_worth() {
    let (app, clock) = app(TlsMode::Own, ORIGIN).await;
    let (client, id) = Client::signed_in(&app, Role::Admin).await;
    client.get("/console").await.expect(StatusCode::OK);
    app.tokens.revoke(&Actor::Program, None, &id).await.unwrap();
    client.get("/console").await.expect(StatusCode::SEE_OTHER);
    let end = clock.now() + TimeDelta::minutes(5);
    let spec = TokenSpec { name: "short".to_owned(), role: Role::Admin, expires: Some(end) };
    let made = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
    let client = Client::with(&app, made.plain.expose_secret()).await;
    clock.advance(TimeDelta::minutes(5));
    client.get("/console").await.expect(StatusCode::SEE_OTHER);
    let nobody = Client::nobody(&app);
    let page = nobody.post("/console/sign-in", &[("token", made.plain.expose_secret())]).await;
    page.expect(StatusCode::UNAUTHORIZED).shows("The token has expired.");
}

#[tokio::test]
async fn the_cookie_is_for_this_host_alone_and_its_secret_is_kept_nowhere() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let spec = TokenSpec { name: "t".to_owned(), role: Role::Admin, expires: None };
    let made = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
    let token = made.plain.expose_secret();
    let nobody = Client::nobody(&app);
    let page = nobody.post("/console/sign-in", &[("token", token), ("next", "/console/log")]).await;
    assert_eq!(page.location(), "/console/log");
    let cookie = page.headers[SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["__Host-provisioning=", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(secret.len(), 43);
    let kept = app.records.list(&TenantId::service(), "page-session", None, 10).await.unwrap();
    assert!(kept.len() == 1 && !format!("{kept:?}").contains(secret));
    let client = Client::with(&app, token).await;
    let page = client.get("/console").await.expect(StatusCode::OK);
    page.hides(secret).hides(token).hides(&token[22..60]);

    client.post("/console/sign-out", &[]).await.expect(StatusCode::SEE_OTHER);
    client.get("/console").await.expect(StatusCode::SEE_OTHER);
    let all = LogQuery { limit: 10, object: Some(made.id.clone()), ..LogQuery::default() };
    let log = app.records.log(&acme(), Journal::Audit, &all).await.unwrap();
    let acts: Vec<_> = log.iter().map(|logged| logged.entry.action.as_str()).collect();
    assert_eq!(acts, ["session.end", "session.begin", "session.begin", "token.create"]);
    for next in ["//evil.example", "https://evil.example", "/agent/enroll", "/console\\x"] {
        let page = nobody.post("/console/sign-in", &[("token", token), ("next", next)]).await;
        assert_eq!(page.location(), "/console", "{next}");
    }
}

#[tokio::test]
async fn who_guesses_tokens_is_made_to_wait_on_the_page_too() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let (client, _) = Client::signed_in(&app, Role::Reader).await;
    let nobody = Client::nobody(&app);
    for _ in 0..10 {
        let page = nobody.post("/console/sign-in", &[("token", "prov_nonsense")]).await;
        page.expect(StatusCode::UNAUTHORIZED)
            .hides("prov_nonsense")
            .shows("no token of this service");
    }
    let page = nobody.post("/console/sign-in", &[("token", "prov_nonsense")]).await;
    page.expect(StatusCode::TOO_MANY_REQUESTS).shows("Try again in");
    // Who is in stays in, and who has a token gets in.
    client.get("/console").await.expect(StatusCode::OK);
    let spec = TokenSpec { name: "again".to_owned(), role: Role::Reader, expires: None };
    let made = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
    let form = [("token", made.plain.expose_secret())];
    nobody.post("/console/sign-in", &form).await.expect(StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_link_from_a_mail_goes_on_by_a_page_of_ours() {
    let (app, _) = app(TlsMode::Own, ORIGIN).await;
    let nobody = Client::nobody(&app);
    let page =
        nobody.send(Method::GET, "/console/jobs", &[], &[("sec-fetch-site", "cross-site")]).await;
    page.expect(StatusCode::OK).shows("content=\"0; url=/console/jobs\"");
    let page =
        nobody.send(Method::GET, "/console/jobs", &[], &[("sec-fetch-site", "same-origin")]).await;
    page.expect(StatusCode::SEE_OTHER);
}
