//! What a request of a browser must bring: a session with the right role, and, where it changes something, the word of the
//! form and an origin that is ours.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use http::header::{HOST, LOCATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use url::Url;

use super::layout::Place;
use super::session::{self, Session};
use super::{answer, layout, sign_in};
use crate::app::App;
use crate::problem::Problem;
use crate::tokens::Role;

/// The largest form.
const MAX_FORM: usize = 64 * 1024;

/// The fields of a form, or of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of a name without spaces around it; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// The same, where there is anything.
    pub(super) fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every value of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// As it is written behind a question mark, without those of these names and without empty ones.
    pub(super) fn query_without(&self, names: &[&str]) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if !names.contains(&name.as_str()) && !value.is_empty() {
                text.append_pair(name, value);
            }
        }
        text.finish()
    }
}

/// A request that was let in: what every page works with.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) session: Session,
    /// What stands behind the question mark.
    pub(super) query: Fields,
    /// What was sent.
    pub(super) form: Fields,
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let session = parts.extensions.get::<Session>().cloned().ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "this page is for those who have signed in")
        })?;
        Ok(Self {
            app: Arc::clone(app),
            session,
            query: Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            form: parts.extensions.get::<Fields>().cloned().unwrap_or_default(),
        })
    }
}

/// Lets a request to a page for everybody through: what is sent must come from a page of ours.
pub(crate) async fn open(app: &App, request: Request) -> Result<Request, Box<Response>> {
    if !changes(request.method()) {
        return Ok(request);
    }
    if !is_ours(app, request.headers()) {
        let text = "The form was sent from another site, or by something that is no browser.";
        return Err(Box::new(layout::bare(StatusCode::FORBIDDEN, "Not accepted", text)));
    }
    filled(request).await.map_err(|problem| Box::new(layout::problem(None, &problem)))
}

/// Lets a request of a session with at least this role through.
pub(crate) async fn signed_in(
    app: &App,
    role: Role,
    request: Request,
) -> Result<Request, Box<Response>> {
    let polls = request.headers().contains_key("x-poll");
    let session = match session::resume(app, request.headers(), !polls).await {
        Ok(Some(session)) => session,
        Ok(None) => return Err(Box::new(not_signed_in(&request))),
        Err(problem) => return Err(Box::new(layout::problem(None, &problem))),
    };
    let refused = |title: &str, text: &str| {
        Box::new(layout::refused(&session, StatusCode::FORBIDDEN, title, text))
    };
    if !session.may(role) {
        let text = format!(
            "This needs a token with the role {role}; yours has the role {}.",
            session.caller.role
        );
        return Err(refused("Not yours to do", &text));
    }
    let mut request = request;
    if changes(request.method()) {
        if !is_ours(app, request.headers()) {
            return Err(refused(
                "Not accepted",
                "The form was sent from another site, or by something that is no browser.",
            ));
        }
        request = filled(request)
            .await
            .map_err(|problem| Box::new(layout::problem(Some(&session), &problem)))?;
        let sent = request.extensions().get::<Fields>();
        if !sent.is_some_and(|form| session.sent(form.text("csrf"))) {
            return Err(refused(
                "The form is out of date",
                "It belongs to another session. Nothing was changed: go back, reload the page and try again.",
            ));
        }
    }
    request.extensions_mut().insert(session);
    Ok(request)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Reads the form of a request.
async fn filled(request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_FORM).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the form is larger than 64 KiB")
    })?;
    parts.extensions.insert(Fields::parse(&body));
    Ok(Request::from_parts(parts, Body::empty()))
}

/// Whether a browser says that a request comes from a page of ours. One that says neither where it comes from nor that it is
/// ours is no browser of today.
fn is_ours(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
    let site = text("sec-fetch-site").map(|site| site == "same-origin");
    let origin = text(ORIGIN.as_str()).map(|origin| {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        origin == app.origin || host.is_some_and(|host| is_origin_of(origin, host))
    });
    site.unwrap_or(true) && origin.unwrap_or(true) && (site.is_some() || origin.is_some())
}

/// Whether an origin is the one that a request went to. The host is the browser's word too, and a foreign page cannot choose
/// it together with our cookie.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let Some(name) = url.host_str() else { return false };
    let authority = match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    url.scheme() == "https" && authority.eq_ignore_ascii_case(host)
}

fn not_signed_in(request: &Request) -> Response {
    let headers = request.headers();
    let here = request.uri().path_and_query().map_or("", |path| path.as_str());
    if headers.contains_key("hx-request") {
        let mut response = answer(StatusCode::UNAUTHORIZED, maud::Markup::default());
        let to = HeaderValue::from_static(sign_in::PATH);
        response.headers_mut().insert("hx-redirect", to);
        return response;
    }
    if changes(request.method()) {
        return sign_in::page(
            StatusCode::UNAUTHORIZED,
            Place::Overview.path(),
            Some("Your session is over. Nothing was changed: sign in and try again."),
        );
    }
    // A strict cookie does not come along when a link of another site is followed, as in a mail. Ours brings it.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return layout::again(here);
    }
    see_other(&sign_in::path_for(here))
}

/// Sends the browser on to a page.
pub(super) fn see_other(path: &str) -> Response {
    let mut response = answer(StatusCode::SEE_OTHER, maud::Markup::default());
    let to = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/console"));
    response.headers_mut().insert(LOCATION, to);
    response
}

/// A path of ours to go on to after signing in; the overview instead of anything else.
pub(super) fn onward(path: &str) -> &str {
    let inside =
        path == "/console" || path.starts_with("/console/") || path.starts_with("/console?");
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let parses = path.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none());
    if inside && plain && parses && !path.contains("//") { path } else { Place::Overview.path() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_of_its_host_only() {
        for (origin, host, same) in [
            ("https://sync.example.com", "sync.example.com", true),
            ("https://127.0.0.1:8443", "127.0.0.1:8443", true),
            ("https://[::1]:8443", "[::1]:8443", true),
            ("https://Sync.example.com", "sync.EXAMPLE.com", true),
            ("http://sync.example.com", "sync.example.com", false),
            ("https://sync.example.com:444", "sync.example.com", false),
            ("https://evil.example", "sync.example.com", false),
            ("https://sync.example.com.evil.example", "sync.example.com", false),
            ("null", "sync.example.com", false),
            ("", "", false),
        ] {
            assert_eq!(is_origin_of(origin, host), same, "{origin} {host}");
        }
    }

    #[test]
    fn nobody_is_sent_away() {
        for good in ["/console", "/console/jobs?x=1", "/console?done=1"] {
            assert_eq!(onward(good), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/console",
            "/console//evil.example",
            "/console\\evil",
            "/consoles",
            "/console/\r\nSet-Cookie: a=b",
            "/console/ä",
        ] {
            assert_eq!(onward(bad), "/console", "{bad}");
        }
    }

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let fields = Fields::parse(b"a=+x+%3C&a=2&b=&c");
        assert_eq!(fields.text("a"), "x <");
        assert_eq!(fields.all("a").count(), 2);
        assert_eq!((fields.some("b"), fields.some("d")), (None, None));
        assert_eq!(fields.query_without(&["b"]), "a=+x+%3C&a=2");
    }
}
