//! Lists and index paging (RFC 7644 sections 3.4.2 and 3.4.2.4).

use std::collections::BTreeSet;

use scim_core::urn;
use serde_json::json;

use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx};

pub(super) const CHECKS: &[Check] = &[
    must("page.list.form", Topic::Page, &["7644-3.4.2-04", "7644-3.4.2-05", "7644-3.4.2-06", "7644-3.4.2.4-08"])
        .reason("a query is answered with a ListResponse: schemas, totalResults and Resources")
        .mend("Answer with the ListResponse schema, the count of all matches, and the resources.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(form(cx))),
    must("page.count", Topic::Page, &["7644-3.4.2.4-04", "7644-3.4.2-05"])
        .reason("a page never has more than count resources, and totalResults still counts all matches")
        .mend("Cut the page to count, and count the matches before that.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                for count in ["1", "2", "5"] {
                    let answer = page(cx, &[("count", count)]).await?;
                    let most = count.parse::<usize>().unwrap_or_default();
                    cx.expect_on(&answer, answer.resources().len()).to_hold(
                        |found| (1..=most).contains(found),
                        &format!("1 to {most} resources"),
                        "a page has at most count resources, and at least one where there are matches",
                    )?;
                    total(cx, &answer).await?;
                }
                Ok(())
            })
        }),
    must("page.partial.members", Topic::Page, &["7644-3.4.2-07", "7644-3.4.2-08"])
        .reason("a partial result says where it starts and how many resources it has")
        .mend("Return startIndex and itemsPerPage, the number of resources in this page.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, &[("startIndex", "2"), ("count", "2")]).await?;
                cx.expect_on(&answer, answer.get("startIndex")).to_be(Some(&json!(2)), "startIndex is that of the page")?;
                let items = json!(answer.resources().len());
                cx.expect_on(&answer, answer.get("itemsPerPage"))
                    .to_be(Some(&items), "itemsPerPage is the number of resources in the page")
            })
        }),
    must("page.start-index", Topic::Page, &["7644-3.4.2.4-02"])
        .reason("startIndex counts from 1, and 1 is its default")
        .mend("Treat startIndex as the 1-based position of the first result.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let whole = page(cx, &[("count", "4")]).await?;
                let first = page(cx, &[("startIndex", "1"), ("count", "4")]).await?;
                cx.expect_on(&first, first.ids()).to_be(whole.ids(), "startIndex 1 is the default")?;
                let third = page(cx, &[("startIndex", "3"), ("count", "1")]).await?;
                cx.expect_on(&third, third.ids())
                    .to_be(whole.ids().get(2).copied().into_iter().collect(), "startIndex 3 begins with the third")
            })
        }),
    must("page.start-index.below-one", Topic::Page, &["7644-3.4.2.4-03"])
        .reason("a startIndex below 1 counts as 1")
        .mend("Clamp startIndex to 1.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let first = page(cx, &[("count", "3")]).await?;
                for start in ["0", "-5"] {
                    let answer = page(cx, &[("startIndex", start), ("count", "3")]).await?;
                    cx.expect_on(&answer, answer.ids()).to_be(first.ids(), "the first page comes back")?;
                }
                Ok(())
            })
        }),
    should("page.start-index.beyond", Topic::Page, &["7644-3.4.2.4-09"])
        .reason("a startIndex beyond the end gives an empty page with the true totalResults")
        .mend("Answer 200 without resources; totalResults stays.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, &[("startIndex", "9999")]).await?;
                cx.expect_on(&answer, answer.resources().len()).to_be(0, "there is nothing there")?;
                total(cx, &answer).await
            })
        }),
    must("page.count.zero", Topic::Page, &["7644-3.4.2.4-07"])
        .reason("count 0 asks for totalResults only")
        .mend("Answer 200 with totalResults and no resources.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| Box::pin(no_resources(cx, "0"))),
    must("page.count.negative", Topic::Page, &["7644-3.4.2.4-06"])
        .reason("a negative count counts as 0")
        .mend("Clamp count to 0.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| Box::pin(no_resources(cx, "-1"))),
    must("page.walk", Topic::Page, &["7644-3.4.2.4-02", "7644-3.4.2.4-04"])
        .reason("walking the pages shows every resource exactly once")
        .mend("Keep a stable order over all pages of a query.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| Box::pin(walk(cx))),
    may("page.count.large", Topic::Page, &["7644-3.4.2.4-05"])
        .reason("a count far above what there is gives a page, of fewer resources")
        .mend("Answer with as many resources as you return at most, and say how many in itemsPerPage.")
        .needs(&[Need::Users, Need::Filter, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let answer = page(cx, &[("count", "100000")]).await?;
                cx.expect_on(&answer, answer.resources().len()).to_hold(
                    |found| *found >= 1,
                    "at least one resource",
                    "a large count still gives a page",
                )?;
                total(cx, &answer).await
            })
        }),
    must("page.too-many", Topic::Page, &["7644-3.4.2.1-03", "7644-3.12-12"])
        .reason("a query that finds more than the target will return is answered in pages, or refused with tooMany")
        .mend("Return the first page, or 400 with scimType tooMany.")
        .needs(&[Need::Users])
        .reads()
        .body(|cx| Box::pin(too_many(cx))),
    should("page.unknown-parameter", Topic::Page, &["7644-3.4.2-03"])
        .reason("unknown query parameters are ignored")
        .mend("Ignore parameters that you do not know.")
        .needs(&[Need::Users])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let answer = cx.list(&users, &[("scimConformance", "x"), ("count", "1")]).await?;
                cx.expect_status(&answer, &[200])
            })
        }),
];

/// A page of the data set.
async fn page(cx: &Cx, query: &[(&str, &str)]) -> Result<Answer, Stop> {
    let data = cx.dataset().await?;
    let everyone = data.everyone();
    let users = cx.served().users().to_owned();
    let mut all = vec![("filter", everyone.as_str())];
    all.extend_from_slice(query);
    let answer = cx.list(&users, &all).await?;
    cx.expect_status(&answer, &[200])?;
    Ok(answer)
}

async fn total(cx: &Cx, answer: &Answer) -> Verdict {
    let everyone = u64::try_from(cx.dataset().await?.len()).ok();
    cx.expect_on(answer, answer.total()).to_be(everyone, "totalResults counts all matches")
}

async fn form(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let users = cx.served().users().to_owned();
    let answer = cx.list(&users, &[]).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.list("schemas").to_vec())
        .to_be(vec![json!(urn::LIST_RESPONSE)], "the answer names the ListResponse schema")?;
    cx.expect_on(&answer, answer.total()).to_hold(
        |total| total.is_some_and(|total| total >= 1),
        "a number of at least 1",
        "totalResults counts the matches",
    )?;
    cx.expect_on(&answer, answer.resources().len()).to_hold(
        |found| *found >= 1,
        "at least one resource",
        "Resources is there when totalResults is not 0",
    )?;
    drop(user);
    Ok(())
}

async fn no_resources(cx: &Cx, count: &str) -> Verdict {
    let answer = page(cx, &[("count", count)]).await?;
    cx.expect_on(&answer, answer.resources().len()).to_be(0, "no resources come back")?;
    total(cx, &answer).await
}

/// Everything there is, asked for without a limit: as a list and as a filter that every user matches.
async fn too_many(cx: &Cx) -> Verdict {
    let users = cx.served().users().to_owned();
    for query in [&[][..], &[("filter", "userName pr")]] {
        let answer = cx.list(&users, query).await?;
        match (answer.status(), answer.scim_type()) {
            (200, _) => {}
            (400, Some("invalidFilter")) if !query.is_empty() => {
                cx.note("the filter is not understood, so that only the list was tried");
            }
            // Who may list everything is another matter.
            (401 | 403 | 404 | 405 | 501, _) => {
                return cx.skip(format!("the target does not list users: {}", answer.summary()));
            }
            _ => cx.expect_scim_error(&answer, &[400], Some("tooMany"))?,
        }
    }
    Ok(())
}

async fn walk(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let mut seen = Vec::new();
    // As a client does: until there are as many as totalResults says. What is beyond is page.start-index.beyond's matter.
    while seen.len() < data.len() {
        let start = (seen.len() + 1).to_string();
        let answer = page(cx, &[("startIndex", &start), ("count", "5")]).await?;
        if answer.resources().is_empty() {
            break;
        }
        total(cx, &answer).await?;
        seen.extend(data.labels_of(answer.resources()));
    }
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    cx.expect(once.len()).to_be(data.len(), "every resource is on some page")?;
    cx.expect(seen.len()).to_be(data.len(), "no resource is on two pages")
}
