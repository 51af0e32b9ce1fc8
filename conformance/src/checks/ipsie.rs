//! What the IPSIE account lifecycle profile and the interoperability profile draft ask for beyond the RFCs.

use serde_json::{Value, json};

use super::after::{expect_refusal, patched, values};
use super::filter::finds;
use crate::check::{Check, Need, Peer, Topic, Verdict, interop};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    interop("interop.ipsie.endpoints", Topic::Interop, Peer::Ipsie, &["7643-4.2-02"])
        .reason("users, groups, and the three discovery endpoints are there")
        .mend("Serve /Users, /Groups, /ServiceProviderConfig, /ResourceTypes and /Schemas.")
        .needs(&[Need::Users, Need::Groups, Need::Config, Need::Schemas, Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
                    let answer = cx.get(path).await?;
                    cx.expect_status(&answer, &[200])?;
                }
                Ok(())
            })
        }),
    interop("interop.ipsie.filters", Topic::Interop, Peer::Ipsie, &["7644-3.4.2.2-09"])
        .reason("users are looked up by userName, externalId and emails[value eq …]")
        .mend("Support these three filters.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("externalId"),
            Need::Attribute("emails.value"),
        ])
        .body(|cx| Box::pin(filters(cx))),
    interop("interop.ipsie.group-filters", Topic::Interop, Peer::Ipsie, &["7644-3.4.2.2-18"])
        .reason("groups are looked up by displayName and by members[value eq …]")
        .mend("Support these two filters on groups.")
        .needs(&[Need::Users, Need::Groups, Need::Filter, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(group_filters(cx))),
    interop("interop.ipsie.reactivate", Topic::Interop, Peer::Ipsie, &["7644-3.5.2.3-02"])
        .reason("a user is deactivated and reactivated by PATCH")
        .mend("Store active in both directions.")
        .needs(&[Need::Users, Need::Patch, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", true).create().await?;
                for active in [false, true] {
                    let operations = json!([{"op": "replace", "path": "active", "value": active}]);
                    let after = patched(cx, &user, operations).await?;
                    cx.expect_on(&after, after.get("active"))
                        .to_be(Some(&json!(active)), "active is as sent")?;
                }
                Ok(())
            })
        }),
    interop("interop.ipsie.many-members", Topic::Interop, Peer::Ipsie, &["7644-3.5.2.1-06"])
        .reason("one PATCH may change at least 50 members")
        .mend("Accept 50 member operations in one request.")
        .needs(&[Need::Users, Need::Groups, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(many_members(cx))),
    interop("interop.ipsie.bulk", Topic::Interop, Peer::Ipsie, &["7644-3.7-13"])
        .reason("bulk is supported")
        .mend("Serve /Bulk and announce it.")
        .needs(&[Need::Config])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                cx.expect(cx.served().announces("bulk")).to_be(Some(true), "bulk.supported is true")
            })
        }),
    interop(
        "interop.profile.undefined-attribute",
        Topic::Interop,
        Peer::General,
        &["7644-3.12-15"],
    )
    .reason("an attribute that no schema has is refused")
    .mend(
        "Answer 400 invalidSyntax; or keep the tolerance knowingly, because real clients need it.",
    )
    .needs(&[Need::Users, Need::Schemas])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.user().raw("scimConformanceNoSuch", "x").post().await?;
            expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])
        })
    }),
    interop(
        "interop.profile.unknown-filter-attribute",
        Topic::Interop,
        Peer::General,
        &["7644-3.12-11"],
    )
    .reason("a filter on an attribute that no schema has is refused")
    .mend("Answer 400 invalidFilter.")
    .needs(&[Need::Users, Need::Filter, Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let users = cx.served().users().to_owned();
            let answer = cx.list(&users, &[("filter", "scimConformanceNoSuch eq \"x\"")]).await?;
            expect_refusal(cx, &answer, &[400], &["invalidFilter"])
        })
    }),
    interop("interop.profile.page-of-100", Topic::Interop, Peer::General, &["7644-3.4.2.4-08"])
        .reason("a page of 100 is accepted")
        .mend("Accept count=100.")
        .needs(&[Need::Users])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let answer = cx.list(&users, &[("count", "100")]).await?;
                cx.expect_status(&answer, &[200])
            })
        }),
    interop("interop.profile.resource-type-id", Topic::Interop, Peer::General, &["7643-4.2-02"])
        .reason("each resource type has an id that equals its name")
        .mend("Set id of a resource type to its name.")
        .needs(&[Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.get("/ResourceTypes").await?;
                cx.expect_status(&answer, &[200])?;
                for one in answer.resources() {
                    cx.expect_on(&answer, one.get("id").and_then(Value::as_str))
                        .to_be(one.get("name").and_then(Value::as_str), "id equals name")?;
                }
                Ok(())
            })
        }),
];

async fn filters(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let grace = data.person("grace")?;
    let text = |path: &str| json!(grace.text(path).unwrap_or_default()).to_string();
    let by_name = format!("userName eq {}", text("userName"));
    let by_external = format!("externalId eq {}", text("externalId"));
    let by_mail = format!("emails[value eq {}]", text("emails.0.value"));
    let by_work_mail = format!("emails[type eq \"work\" and value eq {}]", text("emails.0.value"));
    finds(cx, &[&by_name, &by_external, &by_mail, &by_work_mail]).await
}

async fn group_filters(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let group = cx.group().member(&user).create().await?;
    let groups = cx.served().groups().to_owned();
    let filters = [
        format!("displayName eq {}", json!(group.name())),
        format!("members[value eq {}]", json!(user.id())),
    ];
    for filter in filters {
        let query = [("filter", filter.as_str()), ("excludedAttributes", "members")];
        let answer = cx.list(&groups, &query).await?;
        cx.expect_status(&answer, &[200])?;
        cx.expect_on(&answer, answer.ids())
            .to_be(vec![group.id()], &format!("{filter} finds the group"))?;
    }
    Ok(())
}

async fn many_members(cx: &Cx) -> Verdict {
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(cx.user().create().await?.id().to_owned());
    }
    let group = cx.group().create().await?;
    let adds: Vec<_> = ids
        .iter()
        .map(|id| json!({"op": "add", "path": "members", "value": [{"value": id}]}))
        .collect();
    let after = patched(cx, &group, Value::Array(adds)).await?;
    ids.sort_unstable();
    cx.expect_on(&after, values(&after, "members"))
        .to_be(ids.iter().map(String::as_str).collect(), "all 50 are members")
}
