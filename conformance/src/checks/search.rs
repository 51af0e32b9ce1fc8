//! Search by POST (RFC 7644 section 3.4.3) and queries at the root (section 3.4.2.1).

use http::Method;
use scim_core::urn;
use serde_json::json;

use super::after::expect_refusal;
use crate::check::{Check, Need, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("search.same-as-get", Topic::Search, &["7644-3.4.3-07", "7644-3.4.3-02"])
        .reason("POST /.search answers as GET with the same query does, and creates nothing")
        .mend("Treat the body as the query, and answer 200 with a ListResponse.")
        .needs(&[Need::Users, Need::Filter, Need::Search])
        .body(|cx| Box::pin(same_as_get(cx))),
    must("search.paging", Topic::Search, &["7644-3.4.3-07"])
        .reason("startIndex and count hold in a search request")
        .mend("Read startIndex and count as numbers from the body.")
        .needs(&[Need::Users, Need::Filter, Need::Search, Need::IndexPaging])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.dataset().await?;
                let users = cx.served().users().to_owned();
                let body = json!({"filter": data.everyone(), "startIndex": 2, "count": 3});
                let answer = cx.search(&users, body).await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.resources().len()).to_be(3, "the page has count resources")?;
                let everyone = u64::try_from(data.len()).ok();
                cx.expect_on(&answer, answer.total()).to_be(everyone, "totalResults counts all matches")
            })
        }),
    must("search.attributes", Topic::Search, &["7644-3.4.3-06"])
        .reason("attributes in a search request is a list of names in standard notation")
        .mend("Apply the names in attributes as those of the query parameter.")
        .needs(&[Need::Users, Need::Filter, Need::Search, Need::Attribute("displayName")])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.dataset().await?;
                let users = cx.served().users().to_owned();
                let names = json!([format!("{}:userName", urn::USER)]);
                let answer = cx.search(&users, json!({"filter": data.everyone(), "attributes": names})).await?;
                cx.expect_status(&answer, &[200])?;
                for one in answer.resources() {
                    let has = |name: &str| crate::json::at(one, name).is_some();
                    cx.ensure_on(&answer, has("userName"), "userName is returned")?;
                    cx.ensure_on(&answer, !has("displayName"), "displayName is left out when not asked for")?;
                }
                cx.expect_on(&answer, answer.resources().len()).to_be(data.len(), "everyone comes back")
            })
        }),
    must("search.sort", Topic::Search, &["7644-3.4.3-06"])
        .reason("sortBy in a search request orders the result")
        .mend("Apply sortBy and sortOrder of the body.")
        .needs(&[Need::Users, Need::Filter, Need::Search, Need::Sort])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.dataset().await?;
                let users = cx.served().users().to_owned();
                let body = json!({"filter": data.everyone(), "sortBy": "userName", "sortOrder": "descending"});
                let answer = cx.search(&users, body).await?;
                cx.expect_status(&answer, &[200])?;
                let wanted: Vec<_> = data.people().iter().rev().map(|one| one.label.to_owned()).collect();
                cx.expect_on(&answer, data.labels_of(answer.resources())).to_be(wanted, "sorted, descending")
            })
        }),
    must("search.invalid-filter", Topic::Search, &["7644-3.4.3-05", "7644-3.12-11"])
        .reason("a search request with a broken filter is refused")
        .mend("Answer 400 invalidFilter.")
        .needs(&[Need::Users, Need::Filter, Need::Search])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let answer = cx.search(&users, json!({"filter": "userName eq"})).await?;
                expect_refusal(cx, &answer, &[400], &["invalidFilter"])
            })
        }),
    must("search.wrong-schema", Topic::Search, &["7644-3.4.3-03"])
        .reason("a search body that names another message's schema is refused")
        .mend("Answer 400 invalidSyntax unless schemas holds the SearchRequest URN.")
        .needs(&[Need::Users, Need::Search])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let answer = cx.search(&users, json!({"schemas": [urn::PATCH_OP], "count": 1})).await?;
                expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])
            })
        }),
    should("search.without-schemas", Topic::Search, &["7644-3.4.3-03"])
        .reason("a search body without schemas is refused")
        .mend("Answer 400 invalidSyntax, or accept it knowingly for lax clients.")
        .needs(&[Need::Users, Need::Search])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let path = format!("{}/.search", cx.served().users());
                let answer = cx.request(Method::POST, &path).json(&json!({"count": 1})).send().await?;
                expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])
            })
        }),
    must("root.all-types", Topic::Root, &["7644-3.4.2.1-01", "7644-3.4.2.1-04"])
        .reason("a query at the root covers resources of all types")
        .mend("Search every resource type, and combine the results in one ListResponse.")
        .needs(&[Need::Users, Need::Groups, Need::Filter, Need::RootQuery])
        .body(|cx| Box::pin(all_types(cx))),
    must("root.undefined-attribute", Topic::Root, &["7644-3.4.2.1-05"])
        .reason("at the root, an attribute that a type does not have has no value there")
        .mend("Treat the attribute as unassigned for such types, without an error.")
        .needs(&[Need::Users, Need::Groups, Need::Filter, Need::RootQuery])
        .body(|cx| Box::pin(undefined(cx))),
];

async fn same_as_get(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let users = cx.served().users().to_owned();
    let filter = data.everyone();
    let get = cx.list(&users, &[("filter", &filter), ("count", "50")]).await?;
    cx.expect_status(&get, &[200])?;
    let search = cx.search(&users, json!({"filter": filter, "count": 50})).await?;
    cx.expect_status(&search, &[200])?;
    cx.expect_on(&search, search.list("schemas").to_vec())
        .to_be(vec![json!(urn::LIST_RESPONSE)], "the answer names the ListResponse schema")?;
    cx.expect_on(&search, search.total()).to_be(get.total(), "both count the same matches")?;
    let sorted = |mut ids: Vec<&str>| -> Vec<String> {
        ids.sort_unstable();
        ids.into_iter().map(str::to_owned).collect()
    };
    cx.expect_on(&search, sorted(search.ids()))
        .to_be(sorted(get.ids()), "both find the same resources")
}

async fn all_types(cx: &Cx) -> Verdict {
    let word = cx.unique("root");
    let user = cx.user().with("displayName", word.as_str()).create().await?;
    let group = cx.group().with("displayName", word.as_str()).create().await?;
    let filter = format!("(displayName eq {0}) or (displayName eq {0} and id pr)", json!(word));
    let answer = cx.search("", json!({"filter": filter})).await?;
    cx.expect_status(&answer, &[200])?;
    let mut wanted = vec![user.id(), group.id()];
    wanted.sort_unstable();
    let mut found = answer.ids();
    found.sort_unstable();
    cx.expect_on(&answer, found).to_be(wanted, "the user and the group are found")
}

async fn undefined(cx: &Cx) -> Verdict {
    let word = cx.unique("root");
    let user = cx.user().with("displayName", word.as_str()).create().await?;
    let group = cx.group().with("displayName", word.as_str()).create().await?;
    let filter = format!("displayName eq {} and userName pr", json!(word));
    let answer = cx.search("", json!({"filter": filter})).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.ids()).to_be(vec![user.id()], "the group has no userName")?;
    let filter = format!("displayName eq {} and not (userName pr)", json!(word));
    let answer = cx.search("", json!({"filter": filter})).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.ids()).to_be(vec![group.id()], "only the group lacks a userName")
}
