//! What Okta sends, and what its SPEC test asks for, beyond the RFCs.

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::after::{patched, user_has, values};
use crate::check::{Check, Need, Peer, Topic, Verdict, interop};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    interop("interop.okta.list-numbers", Topic::Interop, Peer::Okta, &["7644-3.4.2-08"])
        .reason("itemsPerPage, startIndex and totalResults are JSON numbers in every list")
        .mend("Return the three as numbers, whole result or not.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let _user = cx.user().create().await?;
                let users = cx.served().users().to_owned();
                let answer = cx.list(&users, &[("count", "1"), ("startIndex", "1")]).await?;
                cx.expect_status(&answer, &[200])?;
                for name in ["itemsPerPage", "startIndex", "totalResults"] {
                    let number = answer.get(name).is_some_and(Value::is_number);
                    cx.ensure_on(&answer, number, &format!("{name} is a number"))?;
                }
                Ok(())
            })
        }),
    interop("interop.okta.unknown-user", Topic::Interop, Peer::Okta, &["7644-3.4.1-02"])
        .reason("an unknown id is answered with an Error that has a detail")
        .mend("Fill detail in error bodies.")
        .needs(&[Need::Users])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let path = format!("{}/00u-no-such-user", cx.served().users());
                let answer = cx.get(&path).await?;
                cx.expect_scim_error(&answer, &[404], None)?;
                cx.ensure_on(&answer, answer.text("detail").is_some_and(|text| !text.is_empty()), "detail is not empty")
            })
        }),
    interop("interop.okta.create", Topic::Interop, Peer::Okta, &["7644-3.3-06"])
        .reason("a user is created with empty groups and a placeholder password, and comes back whole")
        .mend("Ignore groups in POST, accept the password without returning it, and answer with the user.")
        .needs(&[Need::Users, Need::Attribute("active")])
        .body(|cx| Box::pin(create(cx))),
    interop("interop.okta.look-up", Topic::Interop, Peer::Okta, &["7644-3.4.2.2-31"])
        .reason("before a create, userName is looked up in any letter case with startIndex and count")
        .mend("Support userName eq, without regard to letter case.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let users = cx.served().users().to_owned();
                let filter = format!("userName eq {}", json!(user.name().to_uppercase()));
                let query = [("filter", filter.as_str()), ("startIndex", "1"), ("count", "100")];
                let answer = cx.list(&users, &query).await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.ids()).to_be(vec![user.id()], "the user is found")
            })
        }),
    interop("interop.okta.put-what-was-read", Topic::Interop, Peer::Okta, &["7644-3.5.1-03"])
        .reason("profile updates read the user, change a value and send all of it back by PUT")
        .mend("Ignore readOnly members in a PUT, and answer 200 with the whole user.")
        .needs(&[Need::Users, Need::Attribute("name.familyName")])
        .body(|cx| Box::pin(put_back(cx))),
    interop("interop.okta.deactivate-put", Topic::Interop, Peer::Okta, &["7644-3.5.1-04"])
        .reason("a user is deactivated by PUT with active false")
        .mend("Store active as sent; do not delete the user.")
        .needs(&[Need::Users, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", true).create().await?;
                let answer = cx.put(&user, &user.sent_but(&[("active", json!(false))])).await?;
                cx.expect_status(&answer, &[200])?;
                let after = cx.read(&user).await?;
                cx.expect_on(&after, after.get("active")).to_be(Some(&json!(false)), "the user is there, disabled")
            })
        }),
    interop("interop.okta.group-rename", Topic::Interop, Peer::Okta, &["7644-3.5.2.3-01"])
        .reason("a group is renamed by a value object that repeats its id")
        .mend("Accept id in a value without a path when it is the resource's own.")
        .needs(&[Need::Groups, Need::Patch])
        .body(|cx| {
            Box::pin(async move {
                let group = cx.group().create().await?;
                let name = cx.unique("renamed");
                let value = json!({"id": group.id(), "displayName": name});
                let after = patched(cx, &group, json!([{"op": "replace", "value": value}])).await?;
                cx.expect_on(&after, after.text("displayName")).to_be(Some(name.as_str()), "the group has its new name")
            })
        }),
    interop("interop.okta.group-push", Topic::Interop, Peer::Okta, &["7644-3.5.2.3-03"])
        .reason("group push replaces the members with exactly the list, and an empty list empties the group")
        .mend("Treat replace on members as the whole membership, [] included.")
        .needs(&[Need::Users, Need::Groups, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (old, new) = (cx.user().create().await?, cx.user().create().await?);
                let group = cx.group().member(&old).create().await?;
                let value = json!([{"value": new.id(), "display": new.name()}]);
                let after = patched(cx, &group, json!([{"op": "replace", "path": "members", "value": value}])).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![new.id()], "the list is the membership")?;
                let after = patched(cx, &group, json!([{"op": "replace", "path": "members", "value": []}])).await?;
                cx.expect_on(&after, after.list("members").len()).to_be(0, "an empty list empties the group")
            })
        }),
    interop("interop.okta.empty-group", Topic::Interop, Peer::Okta, &["7643-4.2-01"])
        .reason("groups are created with an empty list of members")
        .mend("Accept members: [].")
        .needs(&[Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.group().with("members", json!([])).post().await?;
                cx.expect_status(&answer, &[201])
            })
        }),
];

async fn create(cx: &Cx) -> Verdict {
    let mut fixture = cx.user().with("active", true).raw("groups", json!([]));
    if user_has(cx, "password") {
        fixture = fixture.raw("password", "1mz050nq-Placeholder!");
    }
    let answer = fixture.post().await?;
    cx.expect_status(&answer, &[201])?;
    for name in ["id", "userName", "active"] {
        cx.ensure_on(&answer, answer.get(name).is_some(), &format!("{name} is in the answer"))?;
    }
    cx.expect_on(&answer, answer.get("password")).to_be(None, "the password is not returned")
}

async fn put_back(cx: &Cx) -> Verdict {
    let name = json!({"givenName": "Ada", "familyName": "Lovelace"});
    let user = cx.user().with("name", name).create().await?;
    let mut body = cx.read(&user).await?.value();
    body["name"]["familyName"] = json!("King");
    let answer = cx.request(Method::PUT, &user).json(&body).send().await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.text("name.familyName"))
        .to_be(Some("King"), "the answer shows the change")?;
    let after = cx.read(&user).await?;
    cx.expect_on(&after, after.text("name.familyName"))
        .to_be(Some("King"), "the change is stored")?;
    cx.expect_on(&after, after.text("name.givenName")).to_be(Some("Ada"), "the rest is kept")?;
    cx.ensure_on(
        &after,
        after.list("schemas").contains(&json!(urn::USER)),
        "schemas is still right",
    )
}
