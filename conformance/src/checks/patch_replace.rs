//! PATCH replace (RFC 7644 section 3.5.2.3).

use serde_json::{Value, json};

use super::after::{patched, refused, two_mails, values, with};
use crate::check::{Check, Need, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    should("patch.replace.filter-without-match.sub-attribute", Topic::Patch, &["7644-3.5.2.3-08"])
        .reason("replace of a sub-attribute in elements that do not exist is refused")
        .mend("Answer 400 noTarget; creating the element helps Entra, and is a tolerance to choose knowingly.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                let path = r#"emails[type eq "nothing-has-this"].value"#;
                let value = cx.unique_mail("lost");
                let operations = json!([{"op": "replace", "path": path, "value": value}]);
                refused(cx, &user, operations, &["noTarget"]).await
            })
        }),
    must("patch.replace.without-path", Topic::Patch, &["7644-3.5.2.3-01"])
        .reason("without a path, the value object lists the attributes to replace")
        .mend("Treat each member of the value as an attribute to replace, and keep the others.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx
                    .user()
                    .with("nickName", json!("old"))
                    .with("title", json!("kept"))
                    .create()
                    .await?;
                let operations = json!([{"op": "replace", "value": {"nickName": "new"}}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName"))
                    .to_be(Some("new"), "the named attribute is replaced")?;
                cx.expect_on(&after, after.text("title")).to_be(Some("kept"), "the others are kept")
            })
        }),
    must("patch.replace.active", Topic::Patch, &["7644-3.5.2.3-01", "7644-3.5.2.3-02"])
        .reason("a user can be disabled by PATCH, which is not a deletion")
        .mend("Store active=false and keep the resource readable.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", json!(true)).create().await?;
                let operations = json!([{"op": "replace", "value": {"active": false}}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.get("active"))
                    .to_be(Some(&json!(false)), "the user is disabled")?;
                let operations = json!([{"op": "replace", "path": "active", "value": true}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.get("active"))
                    .to_be(Some(&json!(true)), "and enabled again")
            })
        }),
    must("patch.replace.single-valued", Topic::Patch, &["7644-3.5.2.3-02"])
        .reason("replace sets a single-valued attribute")
        .mend("Overwrite the value.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("nickName", json!("old")).create().await?;
                let operations = json!([{"op": "replace", "path": "nickName", "value": "new"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName"))
                    .to_be(Some("new"), "the new value stands")
            })
        }),
    must("patch.replace.multi-valued", Topic::Patch, &["7644-3.5.2.3-03"])
        .reason("replace without a filter replaces all values of a multi-valued attribute")
        .mend("Drop the old values and store the new ones.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                let only = cx.unique_mail("only");
                let value = json!([{"value": only, "type": "other"}]);
                let after = patched(
                    cx,
                    &user,
                    json!([{"op": "replace", "path": "emails", "value": value}]),
                )
                .await?;
                cx.expect_on(&after, values(&after, "emails"))
                    .to_be(vec![only.as_str()], "only the new address is there")
            })
        }),
    must("patch.replace.missing-target", Topic::Patch, &["7644-3.5.2.3-04"])
        .reason("replace on an attribute that the resource does not have works as add")
        .mend("Do not demand that the target of replace exists, unless its path has a filter.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().without("nickName").create().await?;
                let operations = json!([{"op": "replace", "path": "nickName", "value": "ace"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "nickName is there")
            })
        }),
    must("patch.replace.complex", Topic::Patch, &["7644-3.5.2.3-05"])
        .reason("replace on a complex attribute sets the given sub-attributes and keeps the others")
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
                    patched(cx, &user, json!([{"op": "replace", "path": "name", "value": value}]))
                        .await?;
                cx.expect_on(&after, after.text("name.givenName"))
                    .to_be(Some("Augusta"), "the given one is set")?;
                cx.expect_on(&after, after.text("name.familyName"))
                    .to_be(Some("Lovelace"), "the other is kept")
            })
        }),
    must("patch.replace.sub-attribute", Topic::Patch, &["7644-3.5.2.3-02"])
        .reason("replace on a sub-attribute sets it and keeps the others")
        .mend("Support attribute.subAttribute in paths.")
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
                let operations =
                    json!([{"op": "replace", "path": "name.familyName", "value": "King"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("name.familyName"))
                    .to_be(Some("King"), "the sub-attribute is set")?;
                cx.expect_on(&after, after.text("name.givenName"))
                    .to_be(Some("Ada"), "the other is kept")
            })
        }),
    must("patch.replace.filter", Topic::Patch, &["7644-3.5.2.3-06"])
        .reason("replace with a value filter replaces the elements that match")
        .mend("Replace each matching element with the value, and keep the others.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| Box::pin(filter(cx))),
    must("patch.replace.filter-sub-attribute", Topic::Patch, &["7644-3.5.2.3-07"])
        .reason(
            "replace with a filter and a sub-attribute changes it in every element that matches",
        )
        .mend("Change the sub-attribute in all matching elements, not only in the first.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails.display")])
        .body(|cx| Box::pin(filter_sub_attribute(cx))),
    must("patch.replace.filter-without-match", Topic::Patch, &["7644-3.5.2.3-08"])
        .reason("replace with a value filter that matches nothing is refused")
        .mend("Answer 400 noTarget.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                let path = r#"emails[type eq "nothing-has-this"]"#;
                // Without a type: one that is not canonical may be refused for that alone.
                let value = json!({"value": cx.unique_mail("lost")});
                let operations = json!([{"op": "replace", "path": path, "value": value}]);
                refused(cx, &user, operations, &["noTarget"]).await
            })
        }),
];

async fn filter(cx: &Cx) -> Verdict {
    let user = two_mails(cx).await?;
    let before = cx.read(&user).await?;
    let home = with(&before, "emails", "type", "home")
        .first()
        .and_then(|mail| mail.get("value"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let new = cx.unique_mail("new");
    let path = r#"emails[type eq "work"]"#;
    let value = json!({"value": new, "type": "work"});
    let after =
        patched(cx, &user, json!([{"op": "replace", "path": path, "value": value}])).await?;
    let mut wanted = vec![home.as_str(), new.as_str()];
    wanted.sort_unstable();
    cx.expect_on(&after, values(&after, "emails"))
        .to_be(wanted, "the work address is the new one, the home address is kept")
}

async fn filter_sub_attribute(cx: &Cx) -> Verdict {
    let emails = json!([
        {"value": cx.unique_mail("a"), "type": "work", "display": "one"},
        {"value": cx.unique_mail("b"), "type": "work", "display": "two"},
        {"value": cx.unique_mail("c"), "type": "home", "display": "three"},
    ]);
    let user = cx.user().with("emails", emails).create().await?;
    let path = r#"emails[type eq "work"].display"#;
    let after =
        patched(cx, &user, json!([{"op": "replace", "path": path, "value": "desk"}])).await?;
    cx.expect_on(&after, with(&after, "emails", "display", "desk").len())
        .to_be(2, "both work addresses have the new display")?;
    cx.expect_on(&after, with(&after, "emails", "display", "three").len())
        .to_be(1, "the home address keeps its own")
}
