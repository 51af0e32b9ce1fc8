//! PATCH add (RFC 7644 section 3.5.2.1).

use serde_json::json;

use super::after::{patched, tick, two_mails, values};
use crate::check::{Check, Need, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("patch.add.without-path", Topic::Patch, &["7644-3.5.2.1-03"])
        .reason("without a path, the attributes of the value object are added to the resource")
        .mend("Treat each member of the value as an attribute to add.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName"), Need::Attribute("emails")])
        .body(|cx| Box::pin(without_path(cx))),
    must("patch.add.missing-target", Topic::Patch, &["7644-3.5.2.1-04"])
        .reason("add creates an attribute that the resource does not have")
        .mend("Do not demand that the target of add exists.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().without("nickName").create().await?;
                let operations = json!([{"op": "add", "path": "nickName", "value": "ace"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "nickName is there")
            })
        }),
    must("patch.add.complex", Topic::Patch, &["7644-3.5.2.1-05"])
        .reason("add on a complex attribute sets the given sub-attributes and keeps the others")
        .mend("Merge the value into the complex attribute.")
        .needs(&[
            Need::Patch,
            Need::Users,
            Need::Attribute("name.givenName"),
            Need::Attribute("name.familyName"),
        ])
        .body(|cx| {
            Box::pin(async move {
                let name = json!({"givenName": "Ada", "familyName": "Lovelace"});
                let user = cx.user().with("name", name).create().await?;
                let value = json!({"givenName": "Augusta"});
                let after =
                    patched(cx, &user, json!([{"op": "add", "path": "name", "value": value}]))
                        .await?;
                cx.expect_on(&after, after.text("name.givenName"))
                    .to_be(Some("Augusta"), "the given one is set")?;
                cx.expect_on(&after, after.text("name.familyName"))
                    .to_be(Some("Lovelace"), "the other is kept")
            })
        }),
    must("patch.add.multi-valued", Topic::Patch, &["7644-3.5.2.1-06"])
        .reason("add appends to a multi-valued attribute")
        .mend("Keep the existing values and append the new ones.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let (first, second) = (cx.unique_mail("a"), cx.unique_mail("b"));
                let emails = json!([{"value": first, "type": "work"}]);
                let user = cx.user().with("emails", emails).create().await?;
                let value = json!([{"value": second, "type": "home"}]);
                let after =
                    patched(cx, &user, json!([{"op": "add", "path": "emails", "value": value}]))
                        .await?;
                let mut wanted = vec![first.as_str(), second.as_str()];
                wanted.sort_unstable();
                cx.expect_on(&after, values(&after, "emails"))
                    .to_be(wanted, "add keeps the first address and appends the second")
            })
        }),
    must("patch.add.single-valued", Topic::Patch, &["7644-3.5.2.1-07"])
        .reason("add on a single-valued attribute replaces its value")
        .mend("Overwrite the value; a single-valued attribute cannot hold two.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("nickName", json!("old")).create().await?;
                let operations = json!([{"op": "add", "path": "nickName", "value": "new"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName"))
                    .to_be(Some("new"), "the new value stands")
            })
        }),
    should("patch.add.duplicate", Topic::Patch, &["7644-3.5.2.1-08"])
        .reason("adding a value that is already there succeeds and changes nothing")
        .mend("Leave out values that are already there, and answer as for success.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| Box::pin(duplicate(cx))),
    must("patch.add.no-op-keeps-last-modified", Topic::Patch, &["7644-3.5.2.1-09"])
        .reason("an add that changes nothing does not move meta.lastModified")
        .mend("Compare before and after, and leave meta alone when they are equal.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(no_op(cx, "add"))),
    should("patch.replace.no-op-keeps-last-modified", Topic::Patch, &["7644-3.5.2.1-09"])
        .reason("a replace that changes nothing should not move meta.lastModified either")
        .mend("Compare before and after, and leave meta alone when they are equal.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(no_op(cx, "replace"))),
];

async fn without_path(cx: &Cx) -> Verdict {
    let (first, second) = (cx.unique_mail("a"), cx.unique_mail("b"));
    let user = cx.user().with("emails", json!([{"value": first, "type": "work"}])).create().await?;
    let value = json!({"nickName": "ace", "emails": [{"value": second, "type": "home"}]});
    let after = patched(cx, &user, json!([{"op": "add", "value": value}])).await?;
    cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "the single value is set")?;
    let mut wanted = vec![first.as_str(), second.as_str()];
    wanted.sort_unstable();
    cx.expect_on(&after, values(&after, "emails"))
        .to_be(wanted, "the multi-valued one is appended to")
}

async fn duplicate(cx: &Cx) -> Verdict {
    let user = two_mails(cx).await?;
    let before = cx.read(&user).await?;
    let value = json!([before.get("emails.0")]);
    let after =
        patched(cx, &user, json!([{"op": "add", "path": "emails", "value": value}])).await?;
    cx.expect_on(&after, values(&after, "emails"))
        .to_be(values(&before, "emails"), "the address stands once, as before")
}

async fn no_op(cx: &Cx, op: &str) -> Verdict {
    let user = cx.user().with("nickName", json!("same")).create().await?;
    let before = cx.read(&user).await?;
    if before.get("meta.lastModified").is_none() {
        return cx.skip("the target does not return meta.lastModified");
    }
    tick().await;
    let operations = json!([{"op": op, "path": "nickName", "value": "same"}]);
    let after = patched(cx, &user, operations).await?;
    cx.expect_on(&after, after.text("meta.lastModified"))
        .to_be(before.text("meta.lastModified"), "nothing changed, so lastModified stays")
}
