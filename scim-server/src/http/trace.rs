//! The log line of a request, and with `--trace-requests` the whole exchange with secrets masked.

use std::time::Duration;

use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use scim_core::{ErrorDocument, Registry, Trace, Value};

use super::body::Body;
use super::routes::Route;

/// What the log says about a request.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) method: &'a Method,
    pub(crate) route: Option<&'a Route>,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) traces: &'a [Trace],
    pub(crate) whole: bool,
    pub(crate) secrets: &'a Secrets,
}

/// Writes the line. Query values, bodies and credentials are never in it; with `whole` the query and both bodies are
/// logged too, with passwords masked.
pub(crate) fn log(
    facts: &Facts<'_>,
    response: &Response<Body>,
    refused: Option<&((StatusCode, ErrorDocument), String)>,
    elapsed: Duration,
) {
    let status = response.status();
    let refused_at_warn = refused.is_some() && tracing::enabled!(tracing::Level::WARN);
    if refused_at_warn
        || facts.whole
        || !facts.traces.is_empty()
        || tracing::enabled!(tracing::Level::DEBUG)
    {
        let route = facts.route.map(Route::template).unwrap_or_else(|| "-".into());
        let (id, method, tenant) = (facts.request_id, facts.method, facts.tenant.unwrap_or("-"));
        let ms = elapsed.as_millis() as u64;
        match refused {
            Some(((_, document), reason)) => {
                let scim_type = document.scim_type().unwrap_or("-");
                if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
                    tracing::error!(%id, %method, %route, tenant, status = status.as_u16(), ms, reason, "request failed");
                } else if status == StatusCode::NOT_FOUND {
                    tracing::info!(%id, %method, %route, tenant, status = status.as_u16(), detail = document.detail(), "not found");
                } else {
                    let status = status.as_u16();
                    tracing::warn!(%id, %method, %route, tenant, status, scim_type, detail = reason, "request refused");
                }
            }
            None => {
                tracing::debug!(%id, %method, %route, tenant, status = status.as_u16(), ms, "request")
            }
        }
        for trace in facts.traces {
            tracing::info!(%id, %method, %route, tenant, tolerance = trace.tolerance.name(), at = trace.at, "tolerated");
        }
    }
    if facts.whole {
        whole(facts, response);
    }
}

fn whole(facts: &Facts<'_>, response: &Response<Body>) {
    let route = facts.route.map(Route::template).unwrap_or_else(|| "-".into());
    let sent = masked(facts.body, facts.secrets);
    let query = masked_query(facts.query, facts.secrets);
    let answered = answered(response);
    tracing::info!(
        id = facts.request_id,
        "exchange: {} {route}{}{}\n  sent     {sent}\n  answered {} {answered}",
        facts.method,
        if query.is_empty() { "" } else { "?" },
        query,
        response.status().as_u16(),
    );
}

/// The body with passwords masked; a body that is no JSON is not shown, since nobody knows what is secret in it.
fn masked(body: &[u8], secrets: &Secrets) -> String {
    if body.is_empty() {
        return "(no body)".to_owned();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            secrets.mask(&mut value);
            let mut text = value.to_string();
            cut(&mut text);
            text
        }
        Err(error) => format!("({} bytes that are no acceptable JSON: {error})", body.len()),
    }
}

fn answered(response: &Response<Body>) -> String {
    // `Full` hands out its bytes only once, so a copy is asked for them.
    let bytes = {
        use futures::FutureExt;
        use http_body_util::BodyExt;
        let Body::Whole(body) = response.body() else {
            return "(a large body, not shown)".to_owned();
        };
        body.clone().collect().now_or_never().and_then(Result::ok).map(|b| b.to_bytes())
    };
    match bytes {
        Some(bytes) if !bytes.is_empty() => {
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            cut(&mut text);
            text
        }
        _ => "(no body)".to_owned(),
    }
}

fn cut(text: &mut String) {
    const MOST: usize = 8 * 1024;
    if text.len() > MOST {
        let mut at = MOST;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        text.push_str(" ... (cut)");
    }
}

/// The query string with the values of SCIM's own parameters only: what others hold, such as a token that was put in the
/// wrong place, nobody knows. A filter that speaks of passwords is not shown either.
fn masked_query(query: &str, secrets: &Secrets) -> String {
    const KNOWN: [&str; 8] = [
        "attributes",
        "excludedAttributes",
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "cursor",
    ];
    let mask = |pair: &str| {
        let Some((name, value)) = pair.split_once('=') else {
            return pair.chars().take(64).collect();
        };
        let decoded = percent_decode_str(name).decode_utf8_lossy();
        let known = KNOWN.iter().any(|known| known.eq_ignore_ascii_case(&decoded));
        if known && !secrets.named_in(&percent_decode_str(value).decode_utf8_lossy()) {
            pair.to_owned()
        } else {
            format!("{name}=***")
        }
    };
    query.split('&').map(mask).collect::<Vec<String>>().join("&")
}

/// The names of the attributes that no answer may show, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of all registered schemas, and `password` in any case.
    pub(crate) fn of(registry: &Registry) -> Self {
        let mut names = vec!["password".to_owned()];
        for schema in registry.schemas() {
            for attribute in &schema.attributes {
                let all = std::iter::once(attribute).chain(&attribute.sub_attributes);
                names.extend(
                    all.filter(|a| a.is_secret()).map(|a| a.name.as_str().to_ascii_lowercase()),
                );
            }
        }
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    fn named_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|name| text.contains(name.as_str()))
    }

    /// Replaces secrets wherever they can stand: as members, as dotted or qualified keys, as values of operations whose
    /// path names the attribute, in the filters of such paths and of searches, and in the data of bulk operations.
    fn mask(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            // A key that is a path with a filter holds values itself.
            Value::Object(object)
                if object.iter().any(|(name, _)| name.contains('[') && self.named_in(name)) =>
            {
                *value = Value::from("***");
            }
            Value::Object(object) => {
                let secret_path = object.get_str("path").is_some_and(|path| self.named_in(path));
                for (name, member) in object.iter_mut() {
                    let lower = name.to_ascii_lowercase();
                    let secret_name = self.0.iter().any(|secret| lower.ends_with(secret.as_str()));
                    let with_path = ["path", "value"].iter().any(|n| name.eq_ignore_ascii_case(n));
                    let filter = name.eq_ignore_ascii_case("filter");
                    let guess = filter && member.as_str().is_some_and(|text| self.named_in(text));
                    if secret_name || guess || (secret_path && with_path) {
                        *member = Value::from("***");
                    } else {
                        self.mask(member);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use scim_core::Object;

    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        let mut registry = Registry::standard();
        let pin = r#"{"schemas":[{"id":"urn:x:Door","attributes":[{"name":"pin","returned":"never"}]}],"extensions":{"User":[{"schema":"urn:x:Door"}]}}"#;
        registry.add_json(pin).unwrap();
        let secrets = Secrets::of(&registry);
        for body in [
            r#"{"password":"canary"}"#,
            r#"{"Operations":[{"op":"replace","path":"password","value":"canary"}]}"#,
            r#"{"Operations":[{"op":"add","value":{"PassWord":"canary","urn:ietf:params:scim:schemas:core:2.0:User:password":"canary"}}]}"#,
            r#"{"Operations":[{"method":"POST","data":{"password":"canary"}}]}"#,
            r#"{"Operations":[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:password","VALUE":["canary"]}]}"#,
            r#"{"Operations":[{"op":"replace","path":"password[value eq \"canary\"]","value":1}]}"#,
            r#"{"filter":"userName pr and PassWord eq \"canary\""}"#,
            r#"{"urn:x:Door":{"pin":"canary"}}"#,
            r#"{"Operations":[{"op":"add","value":{"password[value eq \"canary\"].x":1}}]}"#,
            "password=canary",
        ] {
            let shown = masked(body.as_bytes(), &secrets);
            assert!(!shown.contains("canary"), "{shown}");
        }
        for query in [
            "filter=password%20eq%20%22canary%22",
            "count=1&filter=pass%77ord+eq+canary",
            "access_token=canary&count=1",
            "PassWord=canary",
        ] {
            let shown = masked_query(query, &secrets);
            assert!(!shown.contains("canary") && shown.contains("=***"), "{shown}");
        }
        assert_eq!(
            masked_query("filter=userName+pr&count=1", &secrets),
            "filter=userName+pr&count=1"
        );
        let object: Object = [("userName", "ada")].into_iter().collect();
        assert!(masked(&serde_json::to_vec(&object).unwrap(), &secrets).contains("ada"));
    }
}
