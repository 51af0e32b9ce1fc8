//! A browser's side of the conversation, without a browser.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use scim_provisioning_service::api;
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::gateway::Peer;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use secrecy::ExposeSecret as _;
use tower::ServiceExt as _;

use crate::harness::acme;

pub(crate) const ORIGIN: &str = "https://test";

/// An answer.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn shows(self, text: &str) -> Self {
        assert!(self.text.contains(text), "no {text:?} in {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn hides(self, text: &str) -> Self {
        assert!(!self.text.contains(text), "{text:?} in {}", self.text);
        self
    }

    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }
}

/// Somebody with a cookie, or without.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) router: Router,
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: String,
}

impl Client {
    pub(crate) fn nobody(app: &Arc<App>) -> Self {
        Self { router: api::router(app), cookie: None, csrf: String::new() }
    }

    /// Somebody who has signed in with a new token; gives the id of the token too.
    pub(crate) async fn signed_in(app: &Arc<App>, role: Role) -> (Self, String) {
        let spec = TokenSpec { name: format!("{role}'s"), role, expires: None };
        let made = app.tokens.create(&Actor::Program, &acme(), spec).await.unwrap();
        (Self::with(app, made.plain.expose_secret()).await, made.id)
    }

    /// Somebody who has signed in with this token.
    pub(crate) async fn with(app: &Arc<App>, token: &str) -> Self {
        let mut client = Self::nobody(app);
        let page = client.post("/console/sign-in", &[("token", token)]).await;
        let page = page.expect(StatusCode::SEE_OTHER);
        let cookie = page.headers[SET_COOKIE].to_str().unwrap();
        client.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        let page = client.get("/console").await.expect(StatusCode::OK);
        let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().clone_into(&mut client.csrf);
        client
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[], &[]).await
    }

    /// Sends a form as a browser does from a page of this session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        let headers = [("origin", ORIGIN), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, path, &all, &headers).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "test")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let peer = Peer { address: SocketAddr::from(([192, 0, 2, 9], 1)), certificate: None };
        let request = request.extension(peer).body(Body::from(body.finish())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}
