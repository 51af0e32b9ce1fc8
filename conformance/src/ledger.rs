//! What the run has created, so that it can be removed whatever happens.
//!
//! Every request of a run passes [`Ledger::observe`]. A request that is under way when its check is given up is still
//! waited for, because what it creates has to go too.

use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use serde_json::Value;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::json::{at, member};

/// What names of everything that a run creates begin with; `sweep` looks for it.
pub const MARKER: &str = "scimconf-";

/// What stands in a name after the marker and the seed: the mark of a check, or one of these.
const TAGS: &[&str] = &["probe", "data"];

/// A name as the suite makes them: marker, seed of the run, mark of the check, number, word.
pub(crate) fn made_up(seed: u32, tag: &str, number: usize, word: &str) -> String {
    format!("{MARKER}{seed:08x}-{tag}-{number}-{word}")
}

/// Whether a name has exactly that form, whatever its case. Somebody else's may begin with the marker too.
pub(crate) fn is_made_up(name: &str) -> bool {
    let name = name.to_lowercase();
    let Some(rest) = name.strip_prefix(MARKER) else { return false };
    let mut parts = rest.splitn(4, '-');
    let (Some(seed), Some(tag), Some(number), Some(_)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_hash(seed) && (is_hash(tag) || TAGS.contains(&tag)) && is_number
}

/// Eight hexadecimal digits.
fn is_hash(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The resources created and not yet removed, as paths below the base URL, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    paths: Mutex<Vec<String>>,
    under_way: Arc<RwLock<()>>,
}

impl Ledger {
    /// Marks a request as under way, until the guard is dropped.
    pub(crate) async fn begin(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.under_way).read_owned().await
    }

    /// Waits until nothing is under way.
    pub(crate) async fn quiet(&self) {
        drop(self.under_way.write().await);
    }

    /// Learns from an answer what is there now, and what no longer. `false` when something was created and the answer
    /// does not tell where.
    pub(crate) fn observe(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        body: Option<&Value>,
        location: Option<&str>,
    ) -> bool {
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        if *method == Method::DELETE && matches!(status, 200..=299 | 404) {
            self.forget(path);
        }
        if !matches!(status, 200..=299) || !matches!(*method, Method::POST | Method::PUT) {
            return true;
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        if last.eq_ignore_ascii_case("Bulk") {
            for operation in at_list(body, "Operations") {
                let is_post = member(operation, "method").and_then(Value::as_str);
                if is_post.is_some_and(|method| method.eq_ignore_ascii_case("POST"))
                    && is_created(member(operation, "status"))
                    && let Some(location) = member(operation, "location").and_then(Value::as_str)
                    && let Some(path) = last_two(location)
                {
                    self.note(path);
                }
            }
        } else if *method == Method::PUT {
            // A server that creates with PUT says so.
            if status == 201 {
                self.note(path.to_owned());
            }
        } else if last != ".search" {
            let id = body.and_then(|body| at(body, "id")).and_then(Value::as_str);
            // The path of /Me is not that of the resource.
            let id = id.filter(|id| is_safe(id) && !last.eq_ignore_ascii_case("Me"));
            let by_id = id.map(|id| format!("{path}/{}", segment(id)));
            let Some(found) = by_id.or_else(|| location.and_then(last_two)) else { return false };
            self.note(found);
        }
        true
    }

    fn note(&self, path: String) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }

    fn forget(&self, path: &str) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one != path);
    }

    /// Takes over what another ledger has.
    pub(crate) fn absorb(&self, other: &Self) {
        other.drain().into_iter().rev().for_each(|path| self.note(path));
    }

    /// Takes out what is there, newest first, so that groups go before their members.
    pub(crate) fn drain(&self) -> Vec<String> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::mem::take(&mut *paths);
        all.reverse();
        all
    }
}

fn at_list<'a>(body: Option<&'a Value>, name: &str) -> &'a [Value] {
    crate::json::values(body.and_then(|body| member(body, name)))
}

/// `"201"`, `201`, and the object of RFC 7644 section 3.7.2's example.
fn is_created(status: Option<&Value>) -> bool {
    match status {
        Some(Value::String(text)) => text == "201",
        Some(Value::Number(number)) => number.as_u64() == Some(201),
        Some(object @ Value::Object(_)) => is_created(member(object, "code")),
        _ => false,
    }
}

/// `/Users/7` of a resource's URL.
fn last_two(location: &str) -> Option<String> {
    let path = location.split(['?', '#']).next()?.trim_end_matches('/');
    let mut segments = path.rsplit('/');
    let (id, endpoint) = (segments.next()?, segments.next()?);
    (is_safe(id) && is_safe(endpoint)).then(|| format!("/{endpoint}/{id}"))
}

/// Whether a path with this id at its end names a resource and nothing above it.
fn is_safe(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

/// An id as a segment of a path.
pub(crate) fn segment(id: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(id, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_created_is_known_and_what_was_deleted_is_not() {
        let ledger = Ledger::default();
        let post = |path: &str, status, body: Value, location: Option<&str>| {
            ledger.observe(&Method::POST, path, status, Some(&body), location);
        };
        post("/Users", 201, json!({"id": "a b"}), None);
        post("/Users?attributes=x", 201, json!({}), Some("https://h/scim/Users/2"));
        post("/Groups", 200, json!({"ID": "3"}), None);
        post("/Users", 201, json!({"id": ".."}), None);
        post("/Users", 409, json!({"id": "no"}), None);
        post("/Users/.search", 200, json!({"id": "no"}), None);
        post("/Me", 201, json!({"id": "4"}), Some("/scim/Users/4"));
        post(
            "/Bulk",
            200,
            json!({"Operations": [
                {"method": "POST", "status": "201", "location": "https://h/Users/5"},
                {"method": "post", "status": {"code": 201}, "location": "https://h/Users/6"},
                {"method": "POST", "status": "409", "location": "https://h/Users/no"},
                {"method": "PUT", "status": "200", "location": "https://h/Users/no"},
            ]}),
            None,
        );
        ledger.observe(&Method::DELETE, "/Users/5", 204, None, None);
        ledger.observe(&Method::DELETE, "/Users/6", 500, None, None);
        assert_eq!(
            ledger.drain(),
            ["/Users/6", "/Users/4", "/Groups/3", "/Users/2", "/Users/a%20b"]
        );
        assert!(ledger.drain().is_empty());
    }

    #[test]
    fn only_names_of_the_exact_form_are_ours() {
        for ours in [
            made_up(0, "probe", 0, "x"),
            made_up(u32::MAX, "data", 3, "data-ada@example.org"),
            made_up(7, "811c9dc5", 12, "a-b").to_uppercase(),
            made_up(7, "811c9dc5", 12, ""),
        ] {
            assert!(is_made_up(&ours), "{ours}");
        }
        for other in [
            "scimconf-1-a",
            "scimconf-",
            "scimconf-service-account",
            "scimconf-0000000g-probe-0-x",
            "scimconf-00000007-admin-0-x",
            "scimconf-00000007-probe-x",
            "scimconf-00000007-probe-0",
            "scimconf-000000007-probe-0-x",
            "xscimconf-00000007-probe-0-x",
        ] {
            assert!(!is_made_up(other), "{other}");
        }
    }

    #[tokio::test]
    async fn quiet_waits_for_what_is_under_way() {
        let ledger = Arc::new(Ledger::default());
        let guard = ledger.begin().await;
        let waiting = tokio::spawn({
            let ledger = Arc::clone(&ledger);
            async move { ledger.quiet().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(guard);
        waiting.await.unwrap();
    }
}
