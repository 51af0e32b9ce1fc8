//! What went over the wire: recorded with its secrets masked, shortened, and as a curl line that repeats it.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// Bytes of a body that a report keeps.
const BODY_EXCERPT: usize = 8 * 1024;

/// Bytes of a body that a curl line holds.
const CURL_BODY: usize = 4 * 1024;

/// So many times the same character, and a curl line counts it in place of repeating it.
const RUN: usize = 256;

/// Exchanges of one check that a report keeps.
const MOST: usize = 200;

/// One request and what came back, with secrets masked and long bodies cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// The method of the request.
    pub method: String,
    /// The URL of the request.
    pub url: String,
    /// Its headers.
    pub request_headers: Vec<(String, String)>,
    /// Its body; empty where there is none.
    pub request_body: String,
    /// How long that body was on the wire, before it was cut for the report.
    #[serde(default)]
    pub request_bytes: usize,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// Its headers.
    pub response_headers: Vec<(String, String)>,
    /// Its body; empty where there is none.
    pub response_body: String,
    /// How long that body was on the wire.
    #[serde(default)]
    pub response_bytes: usize,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// A command that sends the same request; `$SCIM_TOKEN` stands for the secret.
    pub curl: String,
}

/// The secrets of a run, so that they are masked wherever they turn up.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    known: Arc<Mutex<Vec<SecretString>>>,
}

impl Secrets {
    /// Remembers what stands behind the scheme of an Authorization header.
    pub(crate) fn learn(&self, text: &str) {
        let secret = text.split_once(' ').map_or(text, |(_, secret)| secret);
        if secret.len() < 4 {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|one| one.expose_secret() == secret) {
            known.push(secret.into());
        }
    }

    /// The text with every known secret masked.
    pub(crate) fn mask(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), MASK))
    }
}

impl Secrets {
    /// Text that came from the target as people may see it: without the secrets, and without what steers a terminal.
    pub(crate) fn tell(&self, text: &str) -> String {
        let plain =
            |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
        self.mask(text).chars().map(plain).collect()
    }
}

/// A request on its way into the evidence.
pub(crate) struct Sent<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Whether the Authorization header is the run's own, so that curl can use `$SCIM_TOKEN`.
    pub(crate) own_credentials: bool,
}

impl Exchange {
    /// The request half, masked.
    pub(crate) fn begin(sent: &Sent<'_>, secrets: &Secrets) -> Self {
        let body = masked_body(sent.body, secrets);
        let url = secrets.mask(sent.url);
        Self {
            method: sent.method.to_string(),
            curl: curl(sent, &url, &body, secrets),
            url,
            request_headers: masked_headers(sent.headers, secrets),
            request_body: excerpt(&body),
            request_bytes: sent.body.len(),
            ..Self::default()
        }
    }

    /// Adds the answer.
    pub(crate) fn answered(&mut self, status: u16, headers: &HeaderMap, body: &[u8], s: &Secrets) {
        self.status = status;
        self.response_headers = masked_headers(headers, s);
        self.response_body = excerpt(&masked_body(body, s));
        self.response_bytes = body.len();
    }

    /// Whether neither the report nor the curl line has the whole request.
    pub(crate) fn request_is_cut(&self) -> bool {
        self.curl.contains(CUT)
    }
}

/// The exchanges of one check, in order.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    exchanges: Mutex<Vec<Exchange>>,
}

impl Evidence {
    /// Keeps a place for an exchange and returns its number, so that numbers follow the order of sending.
    pub(crate) fn begin(&self, exchange: Exchange) -> usize {
        let mut all = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(exchange);
        all.len() - 1
    }

    /// Completes an exchange.
    pub(crate) fn complete(&self, number: usize, complete: impl FnOnce(&mut Exchange)) {
        let mut all = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = all.get_mut(number) {
            complete(exchange);
        }
    }

    /// Whether anything was answered.
    pub(crate) fn has_answer(&self) -> bool {
        let all = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|exchange| exchange.status != 0)
    }

    /// Whether the last request has no answer.
    pub(crate) fn ends_in_silence(&self) -> bool {
        let all = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        all.last().is_some_and(|exchange| exchange.status == 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Everything recorded. Where there is too much, the first and last ones, `focus` among them.
    pub(crate) fn take(&self, focus: usize) -> (Vec<Exchange>, usize) {
        let mut all =
            std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner));
        if all.len() <= MOST {
            return (all, focus);
        }
        let start = (focus + 1).saturating_sub(MOST);
        all.drain(..start);
        all.truncate(MOST);
        (all, focus - start)
    }
}

fn masked_headers(headers: &HeaderMap, secrets: &Secrets) -> Vec<(String, String)> {
    let one = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let shown = match name.as_str() {
            "authorization" | "proxy-authorization" => {
                // Only the scheme: a deliberately wrong token may still be somebody's.
                let scheme = text.split(' ').next().unwrap_or_default();
                format!("{scheme} {MASK}")
            }
            "set-cookie" | "cookie" => MASK.to_owned(),
            _ => secrets.mask(&text),
        };
        (name.as_str().to_owned(), shown)
    };
    headers.iter().map(one).collect()
}

/// A body with passwords and known secrets masked; otherwise as it was, byte for byte where it is text.
fn masked_body(body: &[u8], secrets: &Secrets) -> String {
    let text = String::from_utf8_lossy(body);
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            if mask_values(&mut value) {
                value.to_string()
            } else {
                text.into_owned()
            }
        }
        Err(_) => mask_quoted(&text),
    };
    secrets.mask(&text)
}

/// Names of members whose value is nobody's business.
fn is_secret(name: &str) -> bool {
    // `urn:…:User:password` and `password` alike.
    let last = name.rsplit([':', '.']).next().unwrap_or(name);
    ["password", "secret", "token", "access_token", "client_secret", "client_assertion"]
        .iter()
        .any(|secret| last.eq_ignore_ascii_case(secret))
}

/// Masks in place; says whether there was anything to mask.
fn mask_values(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| mask_values(item) | any),
        Value::Object(members) => {
            // A PATCH operation names the attribute in `path` and has it in `value`.
            let by_path = members.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("path") && value.as_str().is_some_and(is_secret)
            });
            let mut any = false;
            for (name, value) in members.iter_mut() {
                let hide = is_secret(name) || (by_path && name.eq_ignore_ascii_case("value"));
                if hide && matches!(value, Value::String(_)) {
                    *value = Value::String(MASK.to_owned());
                    any = true;
                } else {
                    any |= mask_values(value);
                }
            }
            any
        }
        _ => false,
    }
}

/// Masks `"password" : "..."` in text that is no JSON.
fn mask_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = find_ignoring_case(rest, "\"password\"") {
        let (before, after) = rest.split_at(found + "\"password\"".len());
        out.push_str(before);
        let value = after.trim_start_matches([' ', '\t', '\r', '\n', ':']);
        out.push_str(&after[..after.len() - value.len()]);
        rest = match value.strip_prefix('"') {
            Some(secret) => {
                out.push_str("\"***\"");
                secret.find('"').map_or("", |end| &secret[end + 1..])
            }
            None => value,
        };
    }
    out.push_str(rest);
    out
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

fn excerpt(text: &str) -> String {
    if text.len() <= BODY_EXCERPT {
        return text.to_owned();
    }
    let end = (0..=BODY_EXCERPT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

fn curl(sent: &Sent<'_>, url: &str, body: &str, secrets: &Secrets) -> String {
    let mut line = "curl -i".to_owned();
    match *sent.method {
        Method::GET => {}
        Method::HEAD => line.push_str(" --head"),
        _ => {
            line.push_str(" -X ");
            line.push_str(sent.method.as_str());
        }
    }
    line.push(' ');
    line.push_str(&quoted(url));
    for (name, value) in masked_headers(sent.headers, secrets) {
        if matches!(name.as_str(), "user-agent" | "content-length" | "host") {
            continue;
        }
        line.push_str(" -H ");
        if name == "authorization" && sent.own_credentials {
            let scheme = value.split(' ').next().unwrap_or_default();
            line.push_str(&format!("\"Authorization: {scheme} $SCIM_TOKEN\""));
        } else {
            line.push_str(&quoted(&format!("{name}: {value}")));
        }
    }
    if body.is_empty() {
        return line;
    }
    if body.len() <= CURL_BODY {
        return format!("{line} --data-binary {}", quoted(body));
    }
    if let Some(recipe) = recipe(body) {
        return format!("{{ {recipe}; }} | {line} --data-binary @-");
    }
    let beginning: String = body.chars().take(200).map(|c| if c < ' ' { ' ' } else { c }).collect();
    format!("{line} {CUT}, {} bytes, begins with {beginning}…", body.len())
}

/// How a curl line goes on whose body is too long for it.
const CUT: &str = "--data-binary @body # the file body";

/// Shell commands that print a long body which is long because of one character many times over.
fn recipe(body: &str) -> Option<String> {
    let mut commands = Vec::new();
    let mut literal = 0;
    let mut print = |text: &str| {
        literal += text.len();
        (!text.is_empty()).then(|| format!("printf %s {}", quoted(text)))
    };
    let bytes = body.as_bytes();
    let (mut printed, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let length = bytes[at..].iter().take_while(|&&next| next == byte).count();
        if length >= RUN && (byte.is_ascii_alphanumeric() || byte == b' ') {
            // A run of an ASCII character begins and ends between characters.
            commands.extend(print(&body[printed..at]));
            let byte = char::from(byte);
            commands.push(format!("head -c {length} /dev/zero | tr '\\0' '{byte}'"));
            printed = at + length;
        }
        at += length;
    }
    commands.extend(print(&body[printed..]));
    (literal <= CURL_BODY).then(|| commands.join("; "))
}

/// A word for a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
