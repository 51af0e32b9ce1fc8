//! What happens when several clients write at once: uniqueness, lost updates, versions.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::after::{expect_refusal, unchanged, values};
use crate::check::{Check, Need, Stop, Topic, Verdict, must, should};
use crate::context::{Answer, Cx};

/// So many clients at once.
const CLIENTS: usize = 8;

pub(super) const CHECKS: &[Check] = &[
    must("uniqueness.create", Topic::Uniqueness, &["7644-3.3-08", "7644-3.12-13", "7643-7-24"])
        .reason("a second user with the same userName is refused with 409 uniqueness")
        .mend("Answer 409 with scimType uniqueness, and create nothing.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(duplicate(cx))),
    must("uniqueness.letter-case", Topic::Uniqueness, &["7644-3.3-08"])
        .reason("a userName in another letter case is the same userName, unless it is caseExact")
        .mend("Compare userName for uniqueness as filters compare it.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(letter_case(cx))),
    must("uniqueness.replace", Topic::Uniqueness, &["7644-3.12-13", "7643-7-24"])
        .reason("PUT to a userName that another user has is refused, and changes nothing")
        .mend("Answer 409 uniqueness.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (taken, user) = (cx.user().create().await?, cx.user().create().await?);
                let before = cx.read(&user).await?;
                let body = user.sent_but(&[("userName", json!(taken.name()))]);
                conflict(cx, &cx.put(&user, &body).await?)?;
                unchanged(cx, &user, &before).await
            })
        }),
    must("uniqueness.patch", Topic::Uniqueness, &["7644-3.12-13", "7643-7-24"])
        .reason("PATCH to a userName that another user has is refused, and changes nothing")
        .mend("Answer 409 uniqueness.")
        .needs(&[Need::Users, Need::Patch])
        .body(|cx| {
            Box::pin(async move {
                let (taken, user) = (cx.user().create().await?, cx.user().create().await?);
                let before = cx.read(&user).await?;
                let operations =
                    json!([{"op": "replace", "path": "userName", "value": taken.name()}]);
                conflict(cx, &cx.patch(&user, operations).await?)?;
                unchanged(cx, &user, &before).await
            })
        }),
    must("uniqueness.race", Topic::Uniqueness, &["7644-3.3-08", "7643-7-24"])
        .reason("of several creates of one userName at the same time, exactly one succeeds")
        .mend("Let the database decide (a unique index), not a look-up before the insert.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(create_race(cx))),
    must("uniqueness.freed", Topic::Uniqueness, &["7644-3.3-08"])
        .reason("the userName of a deleted user can be used again")
        .mend("Leave deleted resources out of the uniqueness check.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let answer = cx.delete(&user).await?;
                cx.expect_status(&answer, &[204])?;
                let again = cx.user().with("userName", user.name()).post().await?;
                cx.expect_status(&again, &[201])
            })
        }),
    should("concurrency.patch", Topic::Concurrency, &["7644-3.5.2-19"])
        .reason("changes of different attributes at the same time are all kept")
        .mend("Apply a PATCH to what is stored at that moment, in one transaction.")
        .needs(&[
            Need::Users,
            Need::Patch,
            Need::Attribute("nickName"),
            Need::Attribute("title"),
            Need::Attribute("displayName"),
            Need::Attribute("userType"),
        ])
        .body(|cx| Box::pin(lost_update(cx))),
    must("concurrency.members", Topic::Concurrency, &["7644-3.5.2.1-06"])
        .reason("members that several clients add at the same time are all there")
        .mend("Add members in one transaction, not by reading and writing the whole list.")
        .needs(&[Need::Users, Need::Groups, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(member_race(cx))),
    must("concurrency.if-match", Topic::Concurrency, &["7644-3.14-07"])
        .reason("of several PUTs with the same If-Match at the same time, exactly one succeeds")
        .mend("Compare the version and write in one step.")
        .needs(&[Need::Users, Need::Etag, Need::Attribute("nickName")])
        .body(|cx| Box::pin(if_match_race(cx))),
];

/// 409 with scimType uniqueness; 400 is tolerated by RFC 7643 section 7 (AMBIGUITIES 66) and warned of.
fn conflict(cx: &Cx, answer: &Answer) -> Verdict {
    expect_refusal(cx, answer, &[409, 400], &["uniqueness"])?;
    if answer.status() == 400 {
        cx.warn("a value that is taken is refused with 400; RFC 7644 section 3.3 has 409");
    }
    Ok(())
}

async fn having(cx: &Cx, name: &str) -> Result<usize, Stop> {
    if cx.served().announces("filter") != Some(true) {
        return Ok(1);
    }
    let users = cx.served().users().to_owned();
    let answer = cx.list(&users, &[("filter", &format!("userName eq {}", json!(name)))]).await?;
    cx.expect_status(&answer, &[200])?;
    Ok(answer.resources().len())
}

async fn duplicate(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let answer = cx.user().with("userName", user.name()).post().await?;
    conflict(cx, &answer)?;
    cx.expect(having(cx, user.name()).await?).to_be(1, "there is still one user of that name")
}

async fn letter_case(cx: &Cx) -> Verdict {
    let served = cx.served();
    let attribute =
        served.type_of(served.users()).and_then(|kind| served.attribute(kind, "userName"));
    if attribute.is_some_and(|attribute| attribute.case_exact) {
        return cx.skip("the served schema says that userName is caseExact");
    }
    let user = cx.user().create().await?;
    let answer = cx.user().with("userName", user.name().to_uppercase()).post().await?;
    conflict(cx, &answer)
}

async fn create_race(cx: &Cx) -> Verdict {
    let name = cx.unique_mail("race");
    let answers =
        join_all((0..CLIENTS).map(|_| cx.user().with("userName", name.as_str()).post())).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let created = answers.iter().filter(|answer| answer.status() == 201).count();
    cx.expect(created).to_be(1, "exactly one create succeeds")?;
    for answer in answers.iter().filter(|answer| answer.status() != 201) {
        cx.expect_status(answer, &[409, 400])?;
    }
    cx.expect(having(cx, &name).await?).to_be(1, "there is one user of that name")
}

async fn lost_update(cx: &Cx) -> Verdict {
    const NAMES: [&str; 4] = ["nickName", "title", "displayName", "userType"];
    let user = cx.user().create().await?;
    for round in 0..3 {
        let value = format!("round {round}");
        let changes = NAMES.map(|name| {
            cx.patch(&user, json!([{"op": "replace", "path": name, "value": value.as_str()}]))
        });
        for answer in join_all(changes).await {
            cx.expect_status(&answer?, &[200, 204])?;
        }
        let after = cx.read(&user).await?;
        for name in NAMES {
            cx.expect_on(&after, after.text(name))
                .to_be(Some(value.as_str()), &format!("the change of {name} is kept"))?;
        }
    }
    Ok(())
}

async fn member_race(cx: &Cx) -> Verdict {
    let users = join_all((0..CLIENTS).map(|_| cx.user().create())).await;
    let users = users.into_iter().collect::<Result<Vec<_>, _>>()?;
    let group = cx.group().create().await?;
    let adds = users.iter().map(|user| {
        let add = json!({"op": "add", "path": "members", "value": [{"value": user.id()}]});
        let body = json!({"schemas": [scim_core::urn::PATCH_OP], "Operations": [add]});
        // A server may refuse some of what comes at once.
        cx.request(Method::PATCH, &group).json(&body).impatient().send()
    });
    let answers = join_all(adds).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    if answers.iter().all(|answer| matches!(answer.status(), 429 | 503)) {
        let text =
            format!("all of {CLIENTS} adds at the same time were refused for now (429, 503)");
        return cx.broken(text);
    }
    let mut wanted = Vec::new();
    for (user, answer) in users.iter().zip(answers) {
        cx.expect_status(&answer, &[200, 204, 409, 412, 429, 503])?;
        if answer.is_success() {
            wanted.push(user.id());
        }
    }
    wanted.sort_unstable();
    cx.expect(wanted.len()).to_hold(|n| *n > 0, "at least one", "some of the adds succeed")?;
    let after = cx.list(&group, &[("attributes", "members")]).await?;
    cx.expect_status(&after, &[200])?;
    cx.expect_on(&after, values(&after, "members"))
        .to_be(wanted, "every acknowledged member is there")
}

async fn if_match_race(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let read = cx.read(&user).await?;
    let Some(version) = read.header("etag").map(str::to_owned) else {
        return cx.fail_on(&read, "etag is announced, and the answer has no ETag header");
    };
    let puts = (0..CLIENTS).map(|n| {
        let body = user.sent_but(&[("nickName", Value::from(format!("client {n}")))]);
        cx.request(Method::PUT, &user).header("if-match", &version).json(&body).send()
    });
    let answers = join_all(puts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let done = answers.iter().filter(|answer| answer.is_success()).count();
    cx.expect(done).to_be(1, "exactly one PUT succeeds")?;
    for answer in answers.iter().filter(|answer| !answer.is_success()) {
        cx.expect_status(answer, &[412, 409])?;
    }
    Ok(())
}
