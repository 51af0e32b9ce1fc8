//! Signing in with an administrator's token, and out again.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use maud::html;

use super::guard::{Fields, Visit, onward, see_other};
use super::layout::{self, Place, note};
use super::words::Tone;
use super::{Answer, answer, session};
use crate::app::App;
use crate::gateway::Peer;
use crate::tokens::TokenError;

pub(super) const PATH: &str = "/console/sign-in";

/// Where to sign in, for somebody who wants to go on to a page.
pub(super) fn path_for(next: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if onward(next) == next && next != Place::Overview.path() {
        query.append_pair("next", next);
    }
    let query = query.finish();
    if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
}

/// The page, with what went wrong.
pub(super) fn page(status: StatusCode, next: &str, trouble: Option<&str>) -> Response {
    let body = html! {
        h1 { "Sign in" }
        @if let Some(trouble) = trouble { (note(Tone::Bad, trouble, &html! {})) }
        form method="post" action=(PATH) {
            input type="hidden" name="next" value=(onward(next));
            // Password managers keep a token under a name.
            input type="text" name="username" value="administrator" autocomplete="username" hidden;
            label for="token" { "Administrator's token" }
            input type="password" id="token" name="token" required autocomplete="current-password"
                autocapitalize="none" spellcheck="false" maxlength="200" autofocus;
            button type="submit" class="primary" { "Sign in" }
            details.help {
                summary { "Where do I get one?" }
                p {
                    "It begins with " code { "prov_" } ". The first start of the service prints one; this makes another:"
                }
                pre.command { code { "provisioning-service token create --name NAME --role admin" } }
            }
        }
    };
    answer(status, layout::narrow("Sign in", &body))
}

/// `GET /console/sign-in`
pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Answer {
    let query = Fields::parse(uri.query().unwrap_or_default().as_bytes());
    let next = query.text("next");
    if session::resume(&app, &headers, false).await?.is_some() {
        return Ok(see_other(onward(next)));
    }
    Ok(page(StatusCode::OK, next, None))
}

/// `POST /console/sign-in`
pub(super) async fn post(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Extension(form): Extension<Fields>,
) -> Answer {
    let next = form.text("next");
    let address = peer.map(|Extension(peer)| peer.address.ip());
    match app.tokens.authenticate(form.text("token")).await {
        Ok(caller) => {
            let cookie = session::begin(&app, &caller).await?;
            let mut response = see_other(onward(next));
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(TokenError::Records(error)) => Err(error.into()),
        Err(error) => {
            if let Some(address) = address {
                tracing::warn!(%address, %error, "a sign-in was refused");
                if let Some(seconds) = app.throttle.failed(address) {
                    let words = format!(
                        "Too many wrong tokens from this address. Try again in {seconds} s."
                    );
                    return Ok(page(StatusCode::TOO_MANY_REQUESTS, next, Some(&words)));
                }
            }
            let words = match error {
                TokenError::Revoked => "The token was revoked.",
                TokenError::Expired => "The token has expired.",
                _ => "This is no token of this service.",
            };
            Ok(page(StatusCode::UNAUTHORIZED, next, Some(words)))
        }
    }
}

/// `POST /console/sign-out`
pub(super) async fn out(visit: Visit) -> Answer {
    session::end(&visit.app, &visit.session).await?;
    let mut response = see_other(PATH);
    if let Ok(cookie) = HeaderValue::from_str(&session::forgotten()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
