//! The first requests of a run: what the target is, or why nothing can be checked there.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::check::Stop;
use crate::context::{Answer, Cx};
use crate::pace::shown;
use crate::run::Run;
use crate::served::Served;

/// Asks the target what it is. The error says why nothing can be checked.
pub(crate) async fn ask(run: &Arc<Run>, patience: Duration) -> Result<(), String> {
    let cx = Cx::of_run(Arc::clone(run), "ask");
    let asked = async |path: String| match run.pacer.within(patience, cx.get(&path)).await {
        Some(answer) => answer,
        None => Err(Stop::Broken(format!("no answer within {}", shown(patience)))),
    };
    let documents = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"];
    let [config, types, schemas] = documents.map(|path| asked(path.to_owned()));
    let (config, types, schemas) = tokio::join!(config, types, schemas);
    let body = |answer: &Result<Answer, Stop>| {
        let answer = answer.as_ref().ok().filter(|answer| answer.status() == 200)?;
        answer.json().filter(|json| json.is_object() || json.is_array()).cloned()
    };
    let (c, t, s) = (body(&config), body(&types), body(&schemas));
    run.learn_served(Served::read(c.as_ref(), t.as_ref(), s.as_ref()));
    if let Some(why) = run.pacer.gave_up() {
        return Err(why);
    }
    let users = if run.answers() == 0 {
        // It would only be waited for once more.
        Err(Stop::Broken("not asked".to_owned()))
    } else {
        let kind = run.served().types().first();
        asked(kind.map_or("/Users", |kind| &kind.endpoint).to_owned()).await
    };
    if let Some(why) = run.pacer.gave_up() {
        return Err(why);
    }
    let base = run.target.url("");
    let all = [&config, &types, &schemas, &users];
    let answers = || all.iter().filter_map(|answer| answer.as_ref().ok());
    let Some(first) = answers().next() else {
        let why = all.iter().find_map(|answer| match answer {
            Err(Stop::Broken(text)) => Some(text.as_str()),
            _ => None,
        });
        let why = why.unwrap_or("nothing could be sent");
        // Answers that only ask for patience are answers, and the reason says so.
        return Err(match run.answers() {
            0 => format!("no answer from {base}: {why}{}", hint(&base, why)),
            _ => why.to_owned(),
        });
    };
    let refused = users.as_ref().is_ok_and(|answer| answer.status() == 401)
        || answers().all(|answer| matches!(answer.status(), 401 | 403));
    if refused {
        let credentials = if run.target.has_credentials() {
            "the credentials are refused"
        } else {
            "the target wants credentials, and the run has none; SCIM_TOKEN or --token-file gives it a token"
        };
        let said = users.map_or_else(|_| "401".to_owned(), |answer| answer.summary());
        return Err(format!("{credentials}: {base} answered {said}"));
    }
    if c.is_some() || t.is_some() || s.is_some() || body(&users).is_some() {
        return Ok(());
    }
    let path = match config {
        Ok(_) => documents[0],
        Err(_) => "a request",
    };
    Err(match elsewhere(first, &base) {
        Some(why) => why,
        None if is_page(first) && first.status() < 500 => format!(
            "{base} is no SCIM server: {path} was answered {} with a web page{}. Give the base URL of the SCIM \
             interface, what stands before /Users; a web page is often the one to sign in for people",
            first.status(),
            title(first).map(|title| format!(" ({title:?})")).unwrap_or_default(),
        ),
        None => format!(
            "nothing at {base} speaks SCIM: {path} was answered {}{}",
            first.summary(),
            above(&base, first)
        ),
    })
}

/// What most likely is wrong where there is no answer.
fn hint(base: &str, why: &str) -> &'static str {
    // What rustls says of an answer that is no TLS.
    if base.starts_with("https:") && why.contains("InvalidContentType") {
        return "; it does not speak TLS there, so try http://";
    }
    ""
}

/// What most likely is wrong with a base URL below which there is nothing.
fn above(base: &str, answer: &Answer) -> String {
    let endpoint = base
        .rsplit_once('/')
        .filter(|(_, last)| ENDPOINTS.iter().any(|endpoint| endpoint.eq_ignore_ascii_case(last)));
    match endpoint {
        Some((above, _)) => format!(". Give what stands before the endpoint: {above}"),
        None if matches!(answer.status(), 404 | 405) => {
            ". Give the base URL, what stands before /Users; it often ends in /scim/v2".to_owned()
        }
        None => String::new(),
    }
}

/// What is easily left at the end of a base URL.
const ENDPOINTS: &[&str] =
    &["Users", "Groups", "ServiceProviderConfig", "ResourceTypes", "Schemas", "Bulk", "Me"];

/// Where a redirect leads, and what to do about it.
fn elsewhere(answer: &Answer, base: &str) -> Option<String> {
    let status = answer.status();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let Some(location) = answer.header("location") else {
        return Some(format!("{base} redirects ({status}), and does not say where to"));
    };
    let asked = Url::parse(&format!("{base}/ServiceProviderConfig")).ok()?;
    let to = match asked.join(location) {
        Ok(to) => to.to_string(),
        Err(_) => location.to_owned(),
    };
    if to == asked.as_str() {
        return Some(format!("{base} redirects ({status}) every request to itself"));
    }
    // The base of the same document elsewhere; anything else is a page, to sign in most likely.
    let plain = to.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let there = plain.strip_suffix("/ServiceProviderConfig").filter(|there| *there != base);
    Some(match there {
        Some(there) => format!("{base} redirects ({status}) to {there}: use that URL"),
        None => format!(
            "{base} redirects ({status}) to {to}, which is no SCIM endpoint: most likely a page to sign in. Give the \
             base URL of the SCIM interface, what stands before /Users, and the token that belongs to it"
        ),
    })
}

/// Whether an answer is for a browser.
fn is_page(answer: &Answer) -> bool {
    let page = |media: &str| matches!(media, "text/html" | "application/xhtml+xml");
    let begins = |tag: &[u8]| {
        let text = answer.bytes().trim_ascii_start();
        text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    answer.media_type().is_some_and(|media| page(&media))
        || begins(b"<!doctype html")
        || begins(b"<html")
}

/// What a web page calls itself.
fn title(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(answer.bytes());
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower[start..].find("</title>")?;
    let words: Vec<_> = text.get(start..start + length)?.split_whitespace().collect();
    let title: String = words.join(" ").chars().take(80).collect();
    (!title.is_empty()).then_some(title)
}
