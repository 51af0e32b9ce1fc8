//! Cursor paging (RFC 9865).

use std::collections::BTreeSet;

use serde_json::json;

use super::after::expect_refusal;
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx};

const NEEDS: &[Need] = &[Need::Users, Need::Filter, Need::CursorPaging];

pub(super) const CHECKS: &[Check] = &[
    must("cursor.first", Topic::Cursor, &["9865-2-02"])
        .reason("an empty cursor starts at the first page, and nextCursor leads on")
        .mend("Treat cursor without a value as the start of cursor paging, and return nextCursor.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, "", "3").await?;
                next(&answer).map_or_else(|| cx.fail_on(&answer, "the first of several pages has nextCursor"), |_| Ok(()))
            })
        }),
    must("cursor.characters", Topic::Cursor, &["9865-2-03"])
        .reason("cursors consist of characters that need no escape in a URL")
        .mend("Encode cursors with letters, digits, '-', '.', '_' and '~' only.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, "", "3").await?;
                cx.expect_on(&answer, next(&answer)).to_hold(
                    |cursor| cursor.as_ref().is_some_and(|cursor| cursor.chars().all(unreserved)),
                    "letters, digits, '-', '.', '_' and '~'",
                    "nextCursor needs no escape",
                )
            })
        }),
    must("cursor.walk", Topic::Cursor, &["9865-2-08", "9865-2-09", "9865-2-06", "9865-2-07"])
        .reason("nextCursor leads through all pages, each resource comes once, and only the last page has none")
        .mend("Return nextCursor on every page but the last, and keep a stable order.")
        .needs(NEEDS)
        .body(|cx| Box::pin(walk(cx, false))),
    must("cursor.walk.under-writes", Topic::Cursor, &["9865-2-08"])
        .reason("resources that are there all the time come exactly once, while others come and go")
        .mend("Let a cursor remember a position in the order, not an offset.")
        .needs(NEEDS)
        .exclusive()
        .body(|cx| Box::pin(walk(cx, true))),
    must("cursor.count", Topic::Cursor, &["9865-2-06"])
        .reason("a page never has more than count resources")
        .mend("Cut the page to count.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, "", "3").await?;
                cx.expect_on(&answer, answer.resources().len()).to_hold(|found| *found <= 3, "3 or fewer", "at most count")
            })
        }),
    must("cursor.count.zero", Topic::Cursor, &["9865-2-05", "9865-2-04"])
        .reason("count 0, or a negative one, gives totalResults and no resources")
        .mend("Answer 200 without resources.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                for count in ["0", "-1"] {
                    let answer = page(cx, "", count).await?;
                    cx.expect_on(&answer, answer.resources().len()).to_be(0, "no resources come back")?;
                }
                Ok(())
            })
        }),
    must("cursor.previous.first-page", Topic::Cursor, &["9865-2-11"])
        .reason("the first page has no previousCursor")
        .mend("Leave previousCursor out of the first page.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, "", "3").await?;
                cx.expect_on(&answer, answer.get("previousCursor")).to_be(None, "there is nothing before the first page")
            })
        }),
    may("cursor.previous", Topic::Cursor, &["9865-2-10"])
        .reason("previousCursor leads back to the page before")
        .mend("Return previousCursor from the second page on; it is optional.")
        .needs(NEEDS)
        .body(|cx| Box::pin(previous(cx))),
    should("cursor.total", Topic::Cursor, &["9865-2-16", "9865-2-15"])
        .reason("totalResults counts what all pages together have")
        .mend("Count all matches, or leave totalResults out.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, "", "3").await?;
                let Some(total) = answer.total() else {
                    return cx.skip("totalResults is left out, as RFC 9865 allows");
                };
                let everyone = cx.dataset().await?.len();
                cx.expect_on(&answer, total).to_be(u64::try_from(everyone).unwrap_or(0), "totalResults is accurate")
            })
        }),
    should("cursor.sorted", Topic::Cursor, &["9865-2.2-01"])
        .reason("cursor pages are sorted where sorting is asked for")
        .mend("Apply sortBy over all pages of a cursor walk.")
        .needs(&[Need::Users, Need::Filter, Need::CursorPaging, Need::Sort])
        .body(|cx| Box::pin(sorted(cx))),
    must("cursor.invalid", Topic::Cursor, &["9865-2.1-02", "9865-2.1-01"])
        .reason("a made-up cursor is refused with invalidCursor")
        .mend("Answer 400 with scimType invalidCursor.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = ask(cx, &[("cursor", "made-up-cursor"), ("count", "3")]).await?;
                expect_refusal(cx, &answer, &[400], &["invalidCursor"])
            })
        }),
    should("security.forged-cursor", Topic::Security, &["9865-5.2-04"])
        .reason("a cursor that was tampered with is refused")
        .mend("Authenticate cursors, and answer 400 invalidCursor when the check fails.")
        .needs(NEEDS)
        .body(|cx| Box::pin(forged(cx))),
    must("cursor.count.invalid", Topic::Cursor, &["9865-2.1-04"])
        .reason("a count that is no number is refused with invalidCount")
        .mend("Answer 400 with scimType invalidCount.")
        .needs(NEEDS)
        .body(|cx| {
            Box::pin(async move {
                let answer = ask(cx, &[("cursor", ""), ("count", "many")]).await?;
                expect_refusal(cx, &answer, &[400], &["invalidCount", "invalidValue"])
            })
        }),
    must("cursor.search", Topic::Cursor, &["9865-3-01"])
        .reason("cursor and count work in the body of a search request")
        .mend("Read cursor and count from the SearchRequest.")
        .needs(&[Need::Users, Need::Filter, Need::CursorPaging, Need::Search])
        .body(|cx| Box::pin(search(cx))),
    must("cursor.default-method", Topic::Cursor, &["9865-2.4-02", "9865-2.3-01"])
        .reason("a query that names no method gets the announced default method, and a nextCursor given unasked leads on")
        .mend("Answer with nextCursor exactly when defaultPaginationMethod is cursor.")
        .needs(NEEDS)
        .body(|cx| Box::pin(default_method(cx))),
];

fn unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

fn next(answer: &Answer) -> Option<String> {
    answer.text("nextCursor").filter(|cursor| !cursor.is_empty()).map(str::to_owned)
}

async fn ask(cx: &Cx, query: &[(&str, &str)]) -> Result<Answer, Stop> {
    let data = cx.dataset().await?;
    let everyone = data.everyone();
    let users = cx.served().users().to_owned();
    let mut all = vec![("filter", everyone.as_str())];
    all.extend_from_slice(query);
    cx.list(&users, &all).await
}

async fn page(cx: &Cx, cursor: &str, count: &str) -> Result<Answer, Stop> {
    let answer = ask(cx, &[("cursor", cursor), ("count", count)]).await?;
    cx.expect_status(&answer, &[200])?;
    Ok(answer)
}

async fn walk(cx: &Cx, with_writes: bool) -> Verdict {
    let data = cx.dataset().await?;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..=2 * data.len() {
        let answer = page(cx, &cursor, "3").await?;
        cx.expect_on(&answer, answer.resources().len()).to_hold(
            |n| *n <= 3,
            "3 or fewer",
            "at most count",
        )?;
        seen.extend(data.labels_of(answer.resources()));
        match next(&answer) {
            Some(next) => cursor = next,
            None => {
                let once: BTreeSet<_> = seen.iter().collect();
                cx.expect_on(&answer, once.len())
                    .to_be(data.len(), "every resource is on some page")?;
                return cx
                    .expect_on(&answer, seen.len())
                    .to_be(data.len(), "no resource is on two pages");
            }
        }
        if with_writes {
            // Names that sort before, between and after those of the data set, and match its filter.
            for word in ["!", "grace-", "~"] {
                let name = format!("{}{word}{}", data.prefix(), cx.unique_mail("writes"));
                let user = cx.user().with("userName", name).create().await?;
                if word == "!" {
                    let answer = cx.delete(&user).await?;
                    cx.expect_status(&answer, &[204])?;
                }
            }
        }
        // With users added all the time, the end moves; what matters are the people of the data set.
        if with_writes && seen.len() >= data.len() {
            let once: BTreeSet<_> = seen.iter().collect();
            return cx.expect(once.len()).to_be(seen.len(), "no resource is on two pages");
        }
    }
    cx.fail("the pages do not end")
}

async fn previous(cx: &Cx) -> Verdict {
    let first = page(cx, "", "3").await?;
    let Some(cursor) = next(&first) else {
        return cx.broken("the first page has no nextCursor");
    };
    let second = page(cx, &cursor, "3").await?;
    let Some(back) = second.text("previousCursor") else {
        return cx.skip("the target has no previousCursor, which is optional");
    };
    let again = page(cx, back, "3").await?;
    cx.expect_on(&again, again.ids())
        .to_be(first.ids(), "previousCursor leads back to the first page")
}

async fn sorted(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..=data.len() {
        let answer =
            ask(cx, &[("cursor", &cursor), ("count", "5"), ("sortBy", "userName")]).await?;
        cx.expect_status(&answer, &[200])?;
        seen.extend(data.labels_of(answer.resources()));
        match next(&answer) {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let wanted: Vec<_> = data.people().iter().map(|person| person.label.to_owned()).collect();
    cx.expect(seen).to_be(wanted, "sorted by userName over all pages")
}

async fn forged(cx: &Cx) -> Verdict {
    let first = page(cx, "", "3").await?;
    let Some(cursor) = next(&first) else {
        return cx.broken("the first page has no nextCursor");
    };
    let middle = cursor.chars().count() / 2;
    let forged: String = cursor
        .chars()
        .enumerate()
        .map(|(at, c)| match (at == middle, c) {
            (false, c) => c,
            (true, 'A') => 'B',
            (true, _) => 'A',
        })
        .collect();
    let answer = ask(cx, &[("cursor", &forged), ("count", "3")]).await?;
    expect_refusal(cx, &answer, &[400], &["invalidCursor", "expiredCursor"])
}

async fn search(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let users = cx.served().users().to_owned();
    let body = json!({"filter": data.everyone(), "cursor": "", "count": 3});
    let first = cx.search(&users, body).await?;
    cx.expect_status(&first, &[200])?;
    let Some(cursor) = next(&first) else {
        return cx.fail_on(&first, "the first of several pages has nextCursor");
    };
    let body = json!({"filter": data.everyone(), "cursor": cursor, "count": 3});
    let second = cx.search(&users, body).await?;
    cx.expect_status(&second, &[200])?;
    let both: BTreeSet<_> = first.ids().into_iter().chain(second.ids()).collect();
    cx.expect_on(&second, both.len())
        .to_be(first.ids().len() + second.ids().len(), "the second page has other resources")
}

async fn default_method(cx: &Cx) -> Verdict {
    let pagination = crate::json::at(cx.served().config(), "pagination.defaultPaginationMethod");
    let Some(method) = pagination.and_then(|method| method.as_str()) else {
        return cx.skip("the target does not announce defaultPaginationMethod");
    };
    let answer = ask(cx, &[("count", "3")]).await?;
    cx.expect_status(&answer, &[200])?;
    let given = next(&answer);
    cx.expect_on(&answer, given.is_some()).to_be(
        method == "cursor",
        "nextCursor comes unasked exactly when the default method is cursor",
    )?;
    let Some(cursor) = given else { return Ok(()) };
    let second = page(cx, &cursor, "3").await?;
    let both: BTreeSet<_> = answer.ids().into_iter().chain(second.ids()).collect();
    cx.expect_on(&second, both.len())
        .to_be(answer.ids().len() + second.ids().len(), "the cursor leads to other resources")
}
