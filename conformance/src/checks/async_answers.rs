//! Asynchronous answers (RFC 9967 section 2.5.1.1): asked for with `Prefer: respond-async`, and always the server's choice.

use std::time::Duration;

use http::Method;

use super::helpers_a::{folded, resolve, text};
use crate::check::{Check, Need, Stop, Topic, must, should};
use crate::context::{Answer, Cx};

pub(crate) const CHECKS: &[Check] = &[ANSWER, HEADERS, LOCATION, ACCEPT, WAIT];

const ANSWER: Check = must("async.answer.status", Topic::Async, &["9967-2.5.1.1-04"])
    .reason("respond-async gets the ordinary answer, or a 202 without a body")
    .mend("Carry the request out as usual, or answer 202 without a body.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = prefer(cx, "respond-async", None).await?;
            cx.expect_status(&answer, &[201, 202])?;
            let bare = answer.status() != 202 || answer.bytes().is_empty();
            cx.ensure_on(&answer, bare, "a 202 has no body")
        })
    });

const HEADERS: Check = must(
    "async.accepted.headers",
    Topic::Async,
    &["9967-3-01", "9967-2.5.1.1-05", "9967-2.5.1.1-06"],
)
.reason("a 202 carries Set-Txn and Preference-Applied")
.mend("Send Set-Txn with the transaction and Preference-Applied: respond-async.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let answer = accepted(cx, "respond-async").await?;
        let given = |name: &str| answer.header(name).is_some_and(|value| !value.trim().is_empty());
        cx.ensure_on(&answer, given("set-txn"), "a 202 has Set-Txn")?;
        cx.ensure_on(&answer, given("preference-applied"), "a 202 has Preference-Applied")
    })
});

const LOCATION: Check = must(
    "async.accepted.location",
    Topic::Async,
    &["9967-2.5.1.1-07", "9967-5-06"],
)
.reason(
    "Location of a 202 says where the result or the resource will be, for those with credentials",
)
.mend("Send Location with the 202, and require credentials there.")
.needs(&[Need::Users, Need::Credentials])
.body(|cx| {
    Box::pin(async move {
        let answer = accepted(cx, "respond-async").await?;
        let Some(location) = answer.header("location") else {
            return cx.fail_on(&answer, "the 202 has no Location");
        };
        let url = resolve(cx, location);
        let open = cx.request(Method::GET, &url).anonymous().send().await?;
        cx.ensure_on(&open, !open.is_success(), "the result is not open to everybody")
    })
});

const ACCEPT: Check = must("async.accept.ignored", Topic::Async, &["9967-2.5.1.1-02"])
    .reason("an asynchronous answer does not depend on Accept")
    .mend("Answer 202 whatever Accept says.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            accepted(cx, "respond-async").await?;
            let answer = prefer(cx, "respond-async", Some("text/plain")).await?;
            cx.expect_status(&answer, &[202])
        })
    });

const WAIT: Check = should("async.wait.understood", Topic::Async, &["9967-2.5.1.1-03"])
    .reason("the wait preference next to respond-async is understood, or at least harmless")
    .mend("Read wait=n as the longest time to hold the request back.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = prefer(cx, "respond-async, wait=5", None).await?;
            cx.expect_status(&answer, &[201, 202])
        })
    });

/// A create that was answered with 202; skips where it is carried out at once.
async fn accepted(cx: &Cx, preference: &str) -> Result<Answer, Stop> {
    let answer = prefer(cx, preference, None).await?;
    if answer.status() == 202 {
        return Ok(answer);
    }
    Err(Stop::Skipped("the server answers at once".to_owned()))
}

/// Creates a user with a preference. What a 202 leaves for later is waited for and removed.
async fn prefer(cx: &Cx, preference: &str, accept: Option<&str>) -> Result<Answer, Stop> {
    let body = cx.user().body()?;
    let users = cx.served().users();
    let mut request = cx.request(Method::POST, users).header("prefer", preference).json(&body);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let answer = request.send().await?;
    if answer.status() == 202 {
        let name = text(&body, "userName").unwrap_or_default();
        let filter = format!("userName eq \"{name}\"");
        for _ in 0..10 {
            let list = cx.list(users, &[("filter", &filter)]).await?;
            let made = list
                .resources()
                .iter()
                .find(|one| folded(text(one, "userName")) == folded(Some(name)));
            if let Some(id) = made.and_then(|one| text(one, "id")) {
                cx.delete(&format!("{users}/{id}")).await?;
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(answer)
}
