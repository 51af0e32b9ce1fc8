//! Text beyond ASCII: kept as it is, compared as people read it (RFC 7643 section 2.3.1, RFC 7644 section 5).

use http::Method;
use serde_json::json;

use super::helpers_a::{made_path, plain_attribute};
use crate::check::{Check, Need, Stop, Topic, Verdict, must};
use crate::context::{Answer, Cx};

pub(crate) const CHECKS: &[Check] =
    &[ROUND_TRIP, ESCAPES, CASE, NORMALISED, WIDTH, FILTER_NORMALISED];

const ROUND_TRIP: Check = must("unicode.text.round-trip", Topic::Unicode, &["7643-2.3.1-01"])
    .reason("text in any script comes back as it was sent")
    .mend("Store text as Unicode, with characters outside the basic plane too.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            for text in
                ["Жанна Ökçün 李小龍", "عمر الخيام", "🦀 𝒜da 👩\u{200d}🚀", "tab\tquote\"slash\\"]
            {
                let user = cx.user().with(attribute, text).create().await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text(attribute))
                    .to_be(Some(text), "the text came back")?;
            }
            Ok(())
        })
    });

const ESCAPES: Check = must("unicode.text.escapes", Topic::Unicode, &["7643-2.3.1-01"])
    .reason("JSON escapes mean the characters that they stand for, surrogate pairs included")
    .mend("Decode \\u escapes before anything else.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let body = cx.user().with(attribute, "@TEXT@").body()?.to_string();
            let body = body.replace("@TEXT@", "\\u00c5ngstr\\u00f6m \\ud83e\\udd80");
            let answer = cx.request(Method::POST, cx.served().users()).raw(body).send().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.text(attribute))
                .to_be(Some("Ångström 🦀"), "the escapes are read")
        })
    });

const CASE: Check = must("unicode.user-name.case", Topic::Unicode, &["7643-4.1.1-03", "7644-5-01"])
    .reason("userName is compared without regard to case beyond ASCII too")
    .mend("Use Unicode case folding for userName.")
    .needs(&[Need::Users])
    .body(|cx| Box::pin(async move { same_name(cx, "björn", "BJÖRN").await }));

const NORMALISED: Check =
    must("unicode.user-name.normalised", Topic::Unicode, &["7644-5-01", "7644-7.8-01"])
        .reason("two ways to write the same userName (composed or not) are one name")
        .mend("Prepare userName by PRECIS (NFC) before comparing it.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(async move { same_name(cx, "rene\u{301}e", "ren\u{e9}e").await }));

const WIDTH: Check = must("unicode.user-name.width", Topic::Unicode, &["7644-5-01"])
    .reason("a userName in full-width letters is the one in plain letters")
    .mend("Prepare userName by PRECIS (width mapping) before comparing it, or refuse such names.")
    .needs(&[Need::Users])
    .body(|cx| Box::pin(async move { same_name(cx, "\u{ff41}\u{ff44}\u{ff41}", "ada").await }));

const FILTER_NORMALISED: Check =
    must("unicode.filter.normalised", Topic::Unicode, &["7644-7.8-01", "7644-5-01"])
        .reason("a filter by userName finds it in either normalisation")
        .mend("Prepare the operand of a filter as the stored userName is.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let name = cx.unique("ren\u{e9}e");
                let answer = cx.user().raw("userName", name.as_str()).post().await?;
                let Some(id) = created_or_skip(cx, &answer)? else { return Ok(()) };
                let other = name.replace('\u{e9}', "e\u{301}");
                let filter = format!("userName eq \"{other}\"");
                let list = cx.list(cx.served().users(), &[("filter", &filter)]).await?;
                cx.expect_status(&list, &[200])?;
                cx.expect_on(&list, list.ids())
                    .to_be(vec![id.as_str()], "the filter finds the user")
            })
        });

/// Two spellings of a name: the second one is taken once the first is, unless the server refuses such names.
async fn same_name(cx: &Cx, first: &str, second: &str) -> Verdict {
    let stem = cx.unique("u");
    let answer = cx.user().raw("userName", json!(format!("{stem}{first}"))).post().await?;
    if created_or_skip(cx, &answer)?.is_none() {
        return Ok(());
    }
    let again = cx.user().raw("userName", json!(format!("{stem}{second}"))).post().await?;
    // PRECIS may also refuse the second spelling as such.
    cx.expect_status(&again, &[409, 400])
}

/// The id of the new user; skips where the server does not take such names.
fn created_or_skip(cx: &Cx, answer: &Answer) -> Result<Option<String>, Stop> {
    if answer.status() == 400 {
        cx.skip("the server refuses such a userName")?;
        return Ok(None);
    }
    cx.expect_status(answer, &[201])?;
    Ok(answer.id().map(str::to_owned))
}
