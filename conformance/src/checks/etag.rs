//! Versions: ETag, If-Match and If-None-Match (RFC 7644 section 3.14).

use http::Method;
use serde_json::json;

use super::helpers_a::{plain_attribute, swapped_case};
use crate::check::{Check, Need, Stop, Topic, may, must, should};
use crate::context::{Answer, Cx, Made};

pub(crate) const CHECKS: &[Check] = &[
    HEADER,
    FORM,
    IN_META,
    META_EQUALS,
    NOT_MODIFIED,
    MODIFIED,
    MOVES,
    STANDS,
    STALE_PUT,
    STALE_PUT_UNCHANGED,
    STALE_DELETE,
    CURRENT_PUT,
    ANY,
    LIST,
    CASE,
];

const HEADER: Check = must("etag.header.present", Topic::Etag, &["7644-3.14-02", "7644-3.14-01"])
    .reason("where versions are supported, answers with a resource have an ETag header")
    .mend("Send ETag with the answers to POST, GET and PUT, or announce etag.supported false.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let put = cx.put(&user, user.sent()).await?;
            let read = cx.read(&user).await?;
            // Without a body there is no representation that a tag would belong to.
            let answers = [("POST", user.answer()), ("PUT", &put), ("GET", &read)];
            for (name, answer) in answers.iter().filter(|(_, answer)| answer.id().is_some()) {
                let rule = format!("the answer to {name} has an ETag");
                cx.ensure_on(answer, answer.header("etag").is_some(), &rule)?;
            }
            Ok(())
        })
    });

const FORM: Check = must("etag.header.form", Topic::Etag, &["7643-3.1-30", "7643-1.1-01"])
    .reason("an ETag is a quoted string, behind a capital W/ where it is weak")
    .mend("Write ETag as \"tag\" or W/\"tag\".")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let (read, tag) = tagged(cx, &user).await?;
            cx.expect_on(&read, tag).to_hold(
                |tag| is_entity_tag(tag),
                "\"tag\" or W/\"tag\"",
                "the ETag is an entity tag of HTTP",
            )
        })
    });

const IN_META: Check = should("etag.meta.present", Topic::Etag, &["7644-3.14-03"])
    .reason("the version is in meta.version too")
    .mend("Put the ETag into meta.version.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let read = cx.read(&user).await?;
            cx.ensure_on(&read, read.text("meta.version").is_some(), "meta.version is there")
        })
    });

const META_EQUALS: Check = must("etag.meta.equals", Topic::Etag, &["7643-3.1-27"])
    .reason("meta.version equals the ETag header")
    .mend("Take both from the same value, W/ and quotes included.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let put = cx.put(&user, user.sent()).await?;
            let read = cx.read(&user).await?;
            let mut compared = false;
            for answer in [user.answer(), &put, &read] {
                if let (Some(version), Some(tag)) =
                    (answer.text("meta.version"), answer.header("etag"))
                {
                    compared = true;
                    cx.expect_on(answer, version).to_be(tag, "meta.version is the ETag")?;
                }
            }
            if compared { Ok(()) } else { cx.skip("no answer has both meta.version and ETag") }
        })
    });

const NOT_MODIFIED: Check = must("etag.none-match.unchanged", Topic::Etag, &["7644-3.14-05"])
    .reason("GET with If-None-Match and the current version gives 304 without a body")
    .mend("Answer 304 without a body when the version is the one given.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let (_, tag) = tagged(cx, &user).await?;
            let answer =
                cx.request(Method::GET, &user).header("if-none-match", &tag).send().await?;
            cx.expect_status(&answer, &[304])?;
            cx.expect_on(&answer, answer.bytes().len()).to_be(0, "a 304 has no body")
        })
    });

const MODIFIED: Check =
    must("etag.none-match.changed", Topic::Etag, &["7644-3.14-05", "7644-3.14-08"])
        .reason("GET with If-None-Match and an older version gives the resource")
        .mend("Answer 304 only while the version is the one given.")
        .needs(&[Need::Users, Need::Etag])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "before").create().await?;
                let (_, old) = tagged(cx, &user).await?;
                change(cx, &user, attribute, None).await?;
                let answer =
                    cx.request(Method::GET, &user).header("if-none-match", &old).send().await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.text(attribute))
                    .to_be(Some("after"), "the answer is the changed resource")
            })
        });

const MOVES: Check = must("etag.version.moves", Topic::Etag, &["7644-3.14-08"])
    .reason("the version changes with the resource")
    .mend("Give every change a new version.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let (_, old) = tagged(cx, &user).await?;
            change(cx, &user, attribute, None).await?;
            let (read, new) = tagged(cx, &user).await?;
            cx.expect_on(&read, new).not_to_be(old, "the version after a change is another one")
        })
    });

const STANDS: Check = must("etag.version.stands", Topic::Etag, &["7644-3.14-05", "7644-3.14-02"])
    .reason("the version stays while the resource does")
    .mend("Compute the version from the stored state, not anew for each answer.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let (_, first) = tagged(cx, &user).await?;
            let (read, second) = tagged(cx, &user).await?;
            cx.expect_on(&read, second).to_be(first, "two reads show one version")
        })
    });

const STALE_PUT: Check =
    must("etag.match.stale-put", Topic::Etag, &["7644-3.14-07", "7644-3.12-08"])
        .reason("PUT with a stale If-Match gives 412")
        .mend("Compare If-Match with the current version and answer 412 when it is another one.")
        .needs(&[Need::Users, Need::Etag])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "before").create().await?;
                let (_, old) = tagged(cx, &user).await?;
                change(cx, &user, attribute, None).await?;
                let put = change(cx, &user, attribute, Some(&old)).await?;
                cx.expect_scim_error(&put, &[412], None)
            })
        });

const STALE_PUT_UNCHANGED: Check =
    must("etag.match.stale-unchanged", Topic::Etag, &["7644-3.14-07"])
        .reason("PUT with a stale If-Match changes nothing")
        .mend("Compare the version in the same transaction as the write.")
        .needs(&[Need::Users, Need::Etag])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "before").create().await?;
                let (before, _) = tagged(cx, &user).await?;
                change(cx, &user, attribute, Some("W/\"scimconf-never-issued\"")).await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.value()).to_be(before.value(), "the user is as before")
            })
        });

const STALE_DELETE: Check = should("etag.match.stale-delete", Topic::Etag, &["7644-3.14-07"])
    .reason("DELETE with a stale If-Match gives 412 and deletes nothing")
    .mend("Honour If-Match on DELETE as on PUT.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx
                .request(Method::DELETE, &user)
                .header("if-match", "W/\"scimconf-never-issued\"")
                .send()
                .await?;
            cx.expect_status(&answer, &[412])?;
            cx.expect_status(&cx.get(&user).await?, &[200])
        })
    });

const CURRENT_PUT: Check = must("etag.match.current-put", Topic::Etag, &["7644-3.14-07"])
    .reason("PUT with the current version in If-Match is carried out, a weak one too")
    .mend("Compare the tags without regard to W/: SCIM uses weak ones with If-Match.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let (_, tag) = tagged(cx, &user).await?;
            let put = change(cx, &user, attribute, Some(&tag)).await?;
            cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.text(attribute)).to_be(Some("after"), "the change is stored")
        })
    });

const ANY: Check = may("etag.match.any", Topic::Etag, &["7644-3.14-07"])
    .reason("If-Match: * stands for any version")
    .mend("Accept If-Match: * on a resource that exists (RFC 9110 section 13.1.1).")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let put = change(cx, &user, attribute, Some("*")).await?;
            cx.ensure_on(&put, put.is_success(), "the PUT is accepted")
        })
    });

const LIST: Check = may("etag.match.list", Topic::Etag, &["7644-3.14-07"])
    .reason("If-Match may list several versions, one of which has to be the current one")
    .mend("Read If-Match as a list (RFC 9110 section 13.1.1).")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let (_, tag) = tagged(cx, &user).await?;
            let tags = format!("W/\"scimconf-never-issued\", {tag}");
            let put = change(cx, &user, attribute, Some(&tags)).await?;
            cx.ensure_on(&put, put.is_success(), "the PUT is accepted")
        })
    });

const CASE: Check = must("etag.version.case-exact", Topic::Etag, &["7643-3.1-28"])
    .reason("versions are case exact")
    .mend("Compare versions byte by byte.")
    .needs(&[Need::Users, Need::Etag])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "before").create().await?;
            let (_, tag) = tagged(cx, &user).await?;
            let (weak, opaque) = match tag.strip_prefix("W/") {
                Some(opaque) => ("W/", opaque),
                None => ("", tag.as_str()),
            };
            let other = swapped_case(opaque);
            if other == opaque {
                return cx.skip("versions of this server have no letters");
            }
            let put = change(cx, &user, attribute, Some(&format!("{weak}{other}"))).await?;
            cx.expect_status(&put, &[412])
        })
    });

/// Reads a resource and its ETag.
async fn tagged(cx: &Cx, user: &Made) -> Result<(Answer, String), Stop> {
    let read = cx.read(user).await?;
    match read.header("etag").map(str::to_owned) {
        Some(tag) => Ok((read, tag)),
        None => {
            cx.ensure_on(&read, false, "etag is announced, and a read has an ETag")?;
            Err(Stop::Broken("no ETag".to_owned()))
        }
    }
}

/// Puts `after` into an attribute, where the version allows it.
async fn change(
    cx: &Cx,
    user: &Made,
    attribute: &str,
    if_match: Option<&str>,
) -> Result<Answer, Stop> {
    let body = match attribute.split_once('.') {
        Some((name, sub)) => user.sent_but(&[(name, json!({sub: "after"}))]),
        None => user.sent_but(&[(attribute, json!("after"))]),
    };
    let request = cx.request(Method::PUT, user).json(&body);
    match if_match {
        Some(tag) => request.header("if-match", tag).send().await,
        None => {
            let answer = request.send().await?;
            if answer.is_success() {
                return Ok(answer);
            }
            Err(Stop::Broken(format!("setup: PUT was answered {}", answer.summary())))
        }
    }
}

/// Whether a text is an entity tag (RFC 9110 section 8.8.3).
fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| {
        !inner.contains('"') && !inner.chars().any(|c| c.is_ascii_control() || c == ' ')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_quoted_and_weak_ones_have_a_capital_w() {
        for good in ["\"1\"", "W/\"3694e05e9dff591\"", "\"\""] {
            assert!(is_entity_tag(good), "{good}");
        }
        for bad in ["1", "W/1", "w/\"1\"", "\"a\"b\"", "W/\"a b\"", "\""] {
            assert!(!is_entity_tag(bad), "{bad}");
        }
    }
}
