//! Reading answers: good ones, refusals, and what is neither.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use scim_core::{Limits, Object, Value, json, urn};
use secrecy::ExposeSecret;

use super::{Answer, Call, Progress};
use crate::client::Client;
use crate::error::{Error, Rejected, Undecodable};
use crate::retry::retry_after;
use crate::target::Refusal;

/// How much of a body that is no SCIM is kept for people to read.
const EXCERPT: usize = 400;

impl Call {
    /// Reads the answer to a request that the peer accepted, or answered 304.
    pub(super) fn accepted(
        &self,
        answer: Response<Bytes>,
        credentials: Option<&HeaderValue>,
        progress: &Progress,
    ) -> Result<Answer, Error> {
        let (parts, body) = answer.into_parts();
        let (status, mut headers) = (parts.status, parts.headers);
        hide_cookies(&mut headers);
        let body = match read_object(&body) {
            Ok(object) => object,
            // The peer will do it later; what it says meanwhile is for people.
            Err(_) if status == StatusCode::ACCEPTED => None,
            // Many answer a delete with some text.
            Err(_) if self.method == http::Method::DELETE => None,
            Err(problem) => {
                return Err(Error::Decode(Box::new(Undecodable {
                    method: self.method.clone(),
                    path: self.path(),
                    status,
                    body_excerpt: self.excerpt(&body, &headers, credentials),
                    headers,
                    problem,
                    attempts: progress.attempts(),
                })));
            }
        };
        let txn = headers.get("set-txn").and_then(|txn| txn.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status,
            headers,
            body,
            txn,
            method: self.method.clone(),
            attempts: progress.attempts(),
        })
    }

    /// Reads a refusal, in whatever form it came.
    pub(super) fn rejected(
        &self,
        client: &Client,
        answer: Response<Bytes>,
        credentials: Option<&HeaderValue>,
        progress: &Progress,
    ) -> Rejected {
        let (parts, body) = answer.into_parts();
        let mut headers = parts.headers;
        hide_cookies(&mut headers);
        let document = read_object(&body).ok().flatten();
        let is_scim = document.as_ref().is_some_and(is_error_document);
        let text = |name: &str| document.as_ref().and_then(|d| d.get_str(name));
        // Some write `message` or an OAuth error where SCIM has `detail`.
        let detail =
            text("detail").or_else(|| text("message")).or_else(|| text("error_description"));
        let excerpt = self.excerpt(&body, &headers, credentials);
        let status = parts.status;
        let said = String::from_utf8_lossy(&body);
        let refusal = Refusal {
            action: self.action(),
            endpoint: self.place.endpoint_name(),
            status,
            html: is_html(&headers, &said),
            body: &said,
        };
        let target = client.target();
        let (meaning, hint) = (target.meaning(&refusal), target.hint(&refusal).map(str::to_owned));
        Rejected {
            method: self.method.clone(),
            path: self.path(),
            status,
            scim_type: text("scimType").filter(|word| !word.is_empty()).map(str::to_owned),
            detail: detail.filter(|d| !d.is_empty()).map(|d| self.masked(d, credentials)),
            body_excerpt: if is_scim { None } else { excerpt },
            is_scim,
            meaning,
            hint,
            confirmed_missing: false,
            after_lost_answer: progress.lost(),
            attempts: progress.attempts(),
            retry_after: retry_after(&headers, client.inner.clock.now()),
            headers,
        }
    }

    fn path(&self) -> String {
        self.place.to_string()
    }

    /// The beginning of a body, for people; nothing where it is empty or no text.
    fn excerpt(
        &self,
        body: &Bytes,
        headers: &HeaderMap,
        credentials: Option<&HeaderValue>,
    ) -> Option<String> {
        let text = std::str::from_utf8(body).ok()?;
        let text = if is_html(headers, text) { without_tags(text) } else { text.to_owned() };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = self.masked(&text, credentials);
        let mut short: String = text.chars().take(EXCERPT).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        (!short.is_empty()).then_some(short)
    }

    /// The text without the secrets that were sent: some servers repeat what they refuse.
    fn masked(&self, text: &str, credentials: Option<&HeaderValue>) -> String {
        let credentials = credentials
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split_once(' ').map_or(value, |(_, credentials)| credentials));
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret).chain(credentials);
        // Shorter ones would blank out what is none.
        secrets.filter(|secret| secret.len() > 3).fold(text.to_owned(), |text, secret| {
            if text.contains(secret) { text.replace(secret, "***") } else { text }
        })
    }
}

/// Reads a body, whatever its type says: real servers send SCIM as `text/html`. Nothing where it is empty.
fn read_object(body: &Bytes) -> Result<Option<Object>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match json::parse(body, &Limits::default()) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(other) => Err(format!("the body must be a JSON object, not {}", other.kind())),
        Err(error) => Err(error.to_string()),
    }
}

/// The URN makes it one; so does the form, for those who write `schema` or a text in place of the list.
fn is_error_document(document: &Object) -> bool {
    let named = ["schemas", "schema"].into_iter().filter_map(|name| document.get(name)).any(|s| {
        let is_error = |v: &Value| v.as_str().is_some_and(|u| u.eq_ignore_ascii_case(urn::ERROR));
        is_error(s) || s.values().iter().any(is_error)
    });
    named || (document.contains("status") && document.contains("detail"))
}

fn is_html(headers: &HeaderMap, text: &str) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.contains("html")) || text.trim_start().starts_with('<')
}

fn hide_cookies(headers: &mut HeaderMap) {
    if let http::header::Entry::Occupied(mut cookies) = headers.entry(SET_COOKIE) {
        cookies.iter_mut().for_each(|cookie| cookie.set_sensitive(true));
    }
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        out.push(' ');
        let tag = &rest[open..];
        let lower: String = tag.chars().take(7).collect::<String>().to_ascii_lowercase();
        // What these hold is not for people.
        let end = ["</style>", "</script>"]
            .into_iter()
            .find(|close| lower.starts_with(&close.replace("</", "<")[..close.len() - 2]))
            .and_then(|close| tag.to_ascii_lowercase().find(close).map(|at| at + close.len()))
            .or_else(|| tag.find('>').map(|at| at + 1));
        match end {
            Some(end) => rest = &tag[end..],
            None => return out,
        }
    }
    out.push_str(rest);
    out
}
