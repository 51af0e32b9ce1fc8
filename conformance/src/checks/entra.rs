//! What Microsoft Entra's provisioning service sends beyond the RFCs.

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::after::{patched, user_requires, values};
use crate::check::{Check, Need, Peer, Topic, Verdict, interop};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    interop("interop.entra.test-connection", Topic::Interop, Peer::Entra, &["7644-3.4.2-09"])
        .reason("Test Connection asks for a random userName and wants an empty list")
        .mend("Answer 200 with totalResults 0.")
        .needs(&[Need::Users, Need::Filter])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let filter = "userName eq \"2b1f8f0a-6d7c-4f5e-9a3b-5c4d3e2f1a0b\"";
                let answer = cx.list(&users, &[("filter", filter)]).await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.total()).to_be(Some(0), "nobody has that name")
            })
        }),
    interop("interop.entra.capital-op", Topic::Interop, Peer::Entra, &["7644-3.5.2-05"])
        .reason("operations are written Add, Replace and Remove")
        .mend("Compare op without regard to letter case.")
        .needs(&[Need::Users, Need::Patch, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().without("nickName").create().await?;
                let after = patched(cx, &user, json!([{"op": "Add", "path": "nickName", "value": "Babs"}])).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("Babs"), "Add adds")?;
                let after = patched(cx, &user, json!([{"op": "Replace", "path": "nickName", "value": "Barb"}])).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("Barb"), "Replace replaces")?;
                let after = patched(cx, &user, json!([{"op": "Remove", "path": "nickName"}])).await?;
                cx.expect_on(&after, after.get("nickName")).to_be(None, "Remove removes")
            })
        }),
    interop("interop.entra.string-boolean", Topic::Interop, Peer::Entra, &["7644-3.5.2-10"])
        .reason("a user is disabled with the string \"False\"")
        .mend("Read the strings True and False as booleans, in any letter case.")
        .needs(&[Need::Users, Need::Patch, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", true).create().await?;
                let after = patched(cx, &user, json!([{"op": "Replace", "path": "active", "value": "False"}])).await?;
                cx.expect_on(&after, after.get("active")).to_be(Some(&json!(false)), "the user is disabled")?;
                let after = patched(cx, &user, json!([{"op": "Replace", "path": "active", "value": "True"}])).await?;
                cx.expect_on(&after, after.get("active")).to_be(Some(&json!(true)), "and enabled again")
            })
        }),
    interop("interop.entra.disabled-is-readable", Topic::Interop, Peer::Entra, &["7644-3.4.1-01"])
        .reason("a disabled user can still be read and found")
        .mend("Keep inactive users in GET and in lists; 404 only after DELETE.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", false).create().await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.get("active")).to_be(Some(&json!(false)), "the user is there, disabled")?;
                let users = cx.served().users().to_owned();
                let filter = format!("userName eq {}", json!(user.name()));
                let answer = cx.list(&users, &[("filter", &filter)]).await?;
                cx.expect_on(&answer, answer.ids()).to_be(vec![user.id()], "the user is found")
            })
        }),
    interop("interop.entra.dotted-keys", Topic::Interop, Peer::Entra, &["7644-3.5.2.3-01"])
        .reason("with the 2020 flag, a value without a path has keys like name.givenName and urn:…:department")
        .mend("Resolve such keys as attribute paths.")
        .needs(&[Need::Users, Need::Patch, Need::Enterprise, Need::Attribute("name.givenName"), Need::Attribute("name.familyName")])
        .body(|cx| Box::pin(dotted_keys(cx))),
    interop("interop.entra.filtered-add", Topic::Interop, Peer::Entra, &["7644-3.5.2.1-04"])
        .reason("an add to emails[type eq \"work\"].value creates the address when there is none")
        .mend("Create the element that the filter describes when nothing matches.")
        .needs(&[Need::Users, Need::Patch, Need::Attribute("emails.value"), Need::Attribute("emails.type")])
        .body(|cx| {
            Box::pin(async move {
                if user_requires(cx, "emails") {
                    return cx.skip("the target requires emails");
                }
                let user = cx.user().without("emails").create().await?;
                let mail = cx.unique_mail("work");
                let operations = json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": mail}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, values(&after, "emails")).to_be(vec![mail.as_str()], "the address is there")?;
                cx.expect_on(&after, after.text("emails.0.type")).to_be(Some("work"), "its type is that of the filter")
            })
        }),
    interop("interop.entra.member-add", Topic::Interop, Peer::Entra, &["7644-3.5.2.1-06"])
        .reason("a member is added with \"$ref\": null, and the request may be repeated")
        .mend("Ignore a null $ref, and treat a member that is there already as success.")
        .needs(&[Need::Users, Need::Groups, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let group = cx.group().create().await?;
                let value = json!([{"$ref": null, "value": user.id()}]);
                for _ in 0..2 {
                    let operations = json!([{"op": "Add", "path": "members", "value": value}]);
                    let after = patched(cx, &group, operations).await?;
                    cx.expect_on(&after, values(&after, "members")).to_be(vec![user.id()], "the member is there once")?;
                }
                Ok(())
            })
        }),
    interop("interop.entra.member-remove", Topic::Interop, Peer::Entra, &["7644-3.5.2.2-03"])
        .reason("a member is removed by a value list, which must remove that member and no other")
        .mend("Remove the members in value; never empty the group.")
        .needs(&[Need::Users, Need::Groups, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (kept, gone) = (cx.user().create().await?, cx.user().create().await?);
                let group = cx.group().member(&kept).member(&gone).create().await?;
                let value = json!([{"$ref": null, "value": gone.id()}]);
                let operations = json!([{"op": "Remove", "path": "members", "value": value}]);
                let after = patched(cx, &group, operations).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![kept.id()], "only the listed member is gone")
            })
        }),
    interop("interop.entra.manager-string", Topic::Interop, Peer::Entra, &["7643-4.3-02"])
        .reason("the manager is set with a plain string and removed with an empty one")
        .mend("Take a string for manager as its value, and an empty one as no manager.")
        .needs(&[Need::Users, Need::Patch, Need::Enterprise, Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager")])
        .body(|cx| Box::pin(manager_string(cx))),
    interop("interop.entra.nulls", Topic::Interop, Peer::Entra, &["7643-4.1.2-18"])
        .reason("attributes without a value arrive as null")
        .mend("Treat null as no value in POST (RFC 7643 section 2.5).")
        .needs(&[Need::Users, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.user().raw("nickName", Value::Null).raw("title", Value::Null).post().await?;
                cx.expect_status(&answer, &[201])?;
                cx.expect_on(&answer, answer.get("nickName")).to_be(None, "null is no value")
            })
        }),
    interop("interop.entra.group-without-members", Topic::Interop, Peer::Entra, &["7644-3.9-05"])
        .reason("groups are read with excludedAttributes=members")
        .mend("Support excludedAttributes on single resources and on lists.")
        .needs(&[Need::Users, Need::Groups, Need::Filter, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let group = cx.group().member(&user).create().await?;
                let groups = cx.served().groups().to_owned();
                let filter = format!("displayName eq {}", json!(group.name()));
                let query = [("excludedAttributes", "members"), ("filter", filter.as_str())];
                let answer = cx.list(&groups, &query).await?;
                cx.expect_status(&answer, &[200])?;
                cx.expect_on(&answer, answer.ids()).to_be(vec![group.id()], "the group is found by its name")?;
                cx.expect_on(&answer, answer.get("Resources.0.members")).to_be(None, "members is left out")
            })
        }),
    interop("interop.entra.extra-members", Topic::Interop, Peer::Entra, &["7644-3.5.2-02"])
        .reason("a PATCH may have an id at its top level and a name in an operation")
        .mend("Ignore members of a message that you do not know.")
        .needs(&[Need::Users, Need::Patch, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let body = json!({
                    "schemas": [urn::PATCH_OP], "id": user.id(),
                    "Operations": [{"name": "replaceNick", "op": "Replace", "path": "nickName", "value": "Babs"}],
                });
                let answer = cx.request(Method::PATCH, &user).json(&body).send().await?;
                cx.expect_status(&answer, &[200, 204])?;
                let after = cx.read(&user).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("Babs"), "the operation is applied")
            })
        }),
];

async fn dotted_keys(cx: &Cx) -> Verdict {
    let user = cx
        .user()
        .with("name", json!({"givenName": "Ada", "familyName": "Lovelace"}))
        .create()
        .await?;
    let department = format!("{}:department", urn::ENTERPRISE_USER);
    let mut value = serde_json::Map::new();
    value.insert("name.familyName".to_owned(), json!("King"));
    value.insert(department.clone(), json!("Engines"));
    let after = patched(cx, &user, json!([{"op": "Replace", "value": value}])).await?;
    cx.expect_on(&after, after.value().get("name.familyName"))
        .to_be(None, "the key is a path and not a name to store")?;
    cx.expect_on(&after, after.text("name.familyName"))
        .to_be(Some("King"), "the sub-attribute is replaced")?;
    cx.expect_on(&after, after.text("name.givenName")).to_be(Some("Ada"), "its sibling is kept")?;
    cx.expect_on(&after, after.text(&department))
        .to_be(Some("Engines"), "the extension's attribute is set")
}

async fn manager_string(cx: &Cx) -> Verdict {
    let (manager, user) = (cx.user().create().await?, cx.user().create().await?);
    let path = format!("{}:manager", urn::ENTERPRISE_USER);
    let set = json!([{"op": "Add", "path": path, "value": manager.id()}]);
    let after = patched(cx, &user, set).await?;
    cx.expect_on(&after, after.text(&format!("{path}.value")))
        .to_be(Some(manager.id()), "the string is the manager's id")?;
    let clear = json!([{"op": "Replace", "path": path, "value": ""}]);
    let after = patched(cx, &user, clear).await?;
    cx.expect_on(&after, after.get(&format!("{path}.value")))
        .to_be(None, "an empty string is no manager")
}
