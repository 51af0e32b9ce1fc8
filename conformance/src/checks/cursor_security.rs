//! What a cursor must not give away, and how long it holds (RFC 9865 sections 2.1 and 5.2); filters in URLs (RFC 7644
//! section 7.5.2).

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::after::expect_refusal;
use super::helpers_a::strings;
use crate::check::{Check, Need, Stop, Topic, Verdict, must};
use crate::context::{Answer, Cx};

const NEEDS: &[Need] = &[Need::Users, Need::Filter, Need::CursorPaging];

/// A cursor that is announced to hold longer than this is not waited for.
const PATIENCE: u64 = 10;

pub(super) const CHECKS: &[Check] = &[
    must("security.cursor-actor", Topic::Security, &["9865-5.2-01"])
        .reason("a cursor opens nothing to somebody else: without the credentials it was given to, it is refused")
        .mend("Authenticate every page, and give only what this actor may read.")
        .needs(&[Need::Users, Need::Filter, Need::CursorPaging, Need::Credentials])
        .body(|cx| Box::pin(actor(cx))),
    must("security.cursor-error", Topic::Security, &["9865-5.2-05"])
        .reason("the error to a cursor that is not this client's tells nothing about what is stored")
        .mend("Answer each cursor that cannot be used with the same error, and without data.")
        .needs(NEEDS)
        .body(|cx| Box::pin(error(cx))),
    must("cursor.expired", Topic::Cursor, &["9865-2.1-03"])
        .reason("a cursor older than cursorTimeout is refused with expiredCursor")
        .mend("Answer 400 with scimType expiredCursor, or announce the time that cursors really hold.")
        .needs(NEEDS)
        .body(|cx| Box::pin(expired(cx))),
    must("security.sensitive-filter", Topic::Security, &["7644-3.12-20", "7644-7.5.2-04"])
        .reason("a filter that is refused with 403 because it would put sensitive data into a URL says sensitive")
        .mend("Answer 403 with scimType sensitive, so that the client turns to POST and .search.")
        .needs(&[Need::Users, Need::Filter, Need::Password])
        .reads()
        .body(|cx| Box::pin(sensitive(cx))),
];

/// The first page of the data set with a cursor to go on with.
async fn first(cx: &Cx) -> Result<(Answer, String), Stop> {
    let answer = page(cx, "").await?;
    cx.expect_status(&answer, &[200])?;
    match answer.text("nextCursor").map(str::to_owned) {
        Some(cursor) => Ok((answer, cursor)),
        None => Err(Stop::Skipped("the first page has no nextCursor".to_owned())),
    }
}

async fn page(cx: &Cx, cursor: &str) -> Result<Answer, Stop> {
    let everyone = cx.dataset().await?.everyone();
    let query = [("filter", everyone.as_str()), ("cursor", cursor), ("count", "3")];
    cx.list(cx.served().users(), &query).await
}

async fn actor(cx: &Cx) -> Verdict {
    let everyone = cx.dataset().await?.everyone();
    let (_, cursor) = first(cx).await?;
    let request = || {
        cx.request(Method::GET, cx.served().users())
            .query("filter", &everyone)
            .query("cursor", &cursor)
            .query("count", "3")
    };
    for request in [
        request().anonymous(),
        request().authorization("Bearer scimconf-this-token-was-never-issued"),
    ] {
        let answer = request.send().await?;
        cx.ensure_on(&answer, !answer.is_success(), "the page is refused to somebody else")?;
        tells_nothing(cx, &answer).await?;
    }
    // The cursor itself is good, or the refusals above would mean nothing.
    cx.expect_status(&page(cx, &cursor).await?, &[200])
}

async fn error(cx: &Cx) -> Verdict {
    let (_, cursor) = first(cx).await?;
    let doubled = format!("{cursor}{cursor}");
    for cursor in ["made-up-cursor", doubled.as_str(), "1"] {
        let answer = page(cx, cursor).await?;
        if answer.is_success() {
            return cx.skip("a made-up cursor is answered, which is the matter of cursor.invalid");
        }
        tells_nothing(cx, &answer).await?;
    }
    Ok(())
}

/// No resource, and no id of one, is in the answer.
async fn tells_nothing(cx: &Cx, answer: &Answer) -> Verdict {
    cx.ensure_on(answer, answer.resources().is_empty(), "an error has no resources")?;
    let data = cx.dataset().await?;
    let body = answer.value();
    let texts = match &body {
        Value::Null => vec![std::str::from_utf8(answer.bytes()).unwrap_or_default()],
        body => strings(body),
    };
    // A short id, such as a number, occurs in any text.
    let told = data
        .people()
        .iter()
        .filter(|one| one.id.len() >= 8)
        .find(|one| texts.iter().any(|text| text.contains(&one.id)));
    cx.expect_on(answer, told.map(|one| one.id.as_str()))
        .to_be(None, "an error names no resource that is stored")
}

async fn expired(cx: &Cx) -> Verdict {
    let Some(seconds) = cx.served().limit("pagination", "cursorTimeout") else {
        return cx.skip("the target does not announce cursorTimeout");
    };
    if seconds > PATIENCE {
        return cx.skip(format!("cursors hold for {seconds} seconds, which is not waited for"));
    }
    let (_, cursor) = first(cx).await?;
    tokio::time::sleep(Duration::from_secs(seconds + 2)).await;
    expect_refusal(cx, &page(cx, &cursor).await?, &[400], &["expiredCursor"])
}

async fn sensitive(cx: &Cx) -> Verdict {
    let filter = r#"password eq "scimconf-is-nobodys""#;
    let answer = cx.list(cx.served().users(), &[("filter", filter), ("count", "1")]).await?;
    if answer.status() != 403 {
        return cx.skip(format!("the filter is answered {}, not 403", answer.status()));
    }
    cx.expect_scim_error(&answer, &[403], Some("sensitive"))
}
