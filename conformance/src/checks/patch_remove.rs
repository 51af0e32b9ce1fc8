//! PATCH remove (RFC 7644 section 3.5.2.2).

use serde_json::{Value, json};

use super::after::{
    expect_refusal, patched, refused, two_mails, unchanged, user_requires, values, with,
};
use crate::check::{Check, Need, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("patch.remove.without-path", Topic::Patch, &["7644-3.5.2.2-01"])
        .reason("remove needs a path")
        .mend("Answer 400 noTarget when remove has no path.")
        .needs(&[Need::Patch, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                refused(cx, &user, json!([{"op": "remove"}]), &["noTarget"]).await
            })
        }),
    must("patch.remove.single-valued", Topic::Patch, &["7644-3.5.2.2-02"])
        .reason("remove unassigns a single-valued attribute")
        .mend("Delete the attribute from the resource.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("nickName", json!("ace")).create().await?;
                let after = patched(cx, &user, json!([{"op": "remove", "path": "nickName"}])).await?;
                cx.expect_on(&after, after.get("nickName")).to_be(None, "nickName is gone")
            })
        }),
    must("patch.remove.sub-attribute", Topic::Patch, &["7644-3.5.2.2-02"])
        .reason("remove unassigns a sub-attribute and keeps the others")
        .mend("Delete the sub-attribute only.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("name.honorificPrefix"), Need::Attribute("name.familyName")])
        .body(|cx| {
            Box::pin(async move {
                let name = json!({"familyName": "Lovelace", "givenName": "Ada", "honorificPrefix": "Lady"});
                let user = cx.user().with("name", name).create().await?;
                let operations = json!([{"op": "remove", "path": "name.honorificPrefix"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.get("name.honorificPrefix")).to_be(None, "the prefix is gone")?;
                cx.expect_on(&after, after.text("name.familyName")).to_be(Some("Lovelace"), "the name is kept")
            })
        }),
    must("patch.remove.multi-valued", Topic::Patch, &["7644-3.5.2.2-03"])
        .reason("remove without a filter removes all values of a multi-valued attribute")
        .mend("Delete the attribute with all its values.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                if user_requires(cx, "emails") {
                    return cx.skip("the target requires emails");
                }
                let user = two_mails(cx).await?;
                let after = patched(cx, &user, json!([{"op": "remove", "path": "emails"}])).await?;
                cx.expect_on(&after, after.list("emails").len()).to_be(0, "no address is left")
            })
        }),
    must("patch.remove.filter", Topic::Patch, &["7644-3.5.2.2-05"])
        .reason("remove with a value filter removes the elements that match, and no others")
        .mend("Remove exactly the elements that the filter matches.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                let path = r#"emails[type eq "work"]"#;
                let after = patched(cx, &user, json!([{"op": "remove", "path": path}])).await?;
                cx.expect_on(&after, with(&after, "emails", "type", "work").len()).to_be(0, "the work address is gone")?;
                cx.expect_on(&after, with(&after, "emails", "type", "home").len()).to_be(1, "the home address is kept")
            })
        }),
    must("patch.remove.filter-sub-attribute", Topic::Patch, &["7644-3.5.2.2-06"])
        .reason("remove with a filter and a sub-attribute unassigns it in the elements that match")
        .mend("Remove the sub-attribute, not the element.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails.display")])
        .body(|cx| Box::pin(filter_sub_attribute(cx))),
    must("patch.remove.last-value", Topic::Patch, &["7644-3.5.2.2-04"])
        .reason("when a filter removes the last element, the attribute is unassigned")
        .mend("Treat an attribute without values as absent.")
        .needs(&[Need::Patch, Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(last_member(cx))),
    must("patch.remove.required", Topic::Patch, &["7644-3.5.2.2-07"])
        .reason("removing a required attribute is refused")
        .mend("Answer 400 mutability when remove would leave a required attribute without a value.")
        .needs(&[Need::Patch, Need::Users])
        .body(|cx| Box::pin(required(cx))),
    must("patch.remove.read-only", Topic::Patch, &["7644-3.5.2.2-07"])
        .reason("removing a readOnly attribute is refused")
        .mend("Answer 400 mutability when remove targets id or meta.")
        .needs(&[Need::Patch, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                refused(cx, &user, json!([{"op": "remove", "path": "id"}]), &["mutability"]).await
            })
        }),
    should("patch.remove.not-there", Topic::Patch, &["7644-3.5.2.2-08"])
        .reason("removing a member that is not there succeeds and changes nothing")
        .mend("Answer as for success when a removal by filter matches nothing, so that it can be repeated.")
        .needs(&[Need::Patch, Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(not_there(cx))),
    should("patch.remove.value-list", Topic::Patch, &["7644-3.5.2.2-03"])
        .reason("a removal that lists members in its value, as Entra sends it, does not empty the group")
        .mend("Remove just the listed members, or refuse the form; never all of them.")
        .needs(&[Need::Patch, Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(value_list(cx))),
];

async fn filter_sub_attribute(cx: &Cx) -> Verdict {
    let (work, home) = (cx.unique_mail("work"), cx.unique_mail("home"));
    let emails = json!([
        {"value": work, "type": "work", "display": "Desk"},
        {"value": home, "type": "home", "display": "Sofa"},
    ]);
    let user = cx.user().with("emails", emails).create().await?;
    let path = r#"emails[type eq "work"].display"#;
    let after = patched(cx, &user, json!([{"op": "remove", "path": path}])).await?;
    let work_displays: Vec<_> = with(&after, "emails", "type", "work")
        .into_iter()
        .map(|mail| mail.get("display"))
        .collect();
    cx.expect_on(&after, work_displays)
        .to_be(vec![None], "the work address stays, without its display")?;
    cx.expect_on(&after, with(&after, "emails", "display", "Sofa").len())
        .to_be(1, "the home address keeps its display")
}

async fn last_member(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let group = cx.group().member(&user).create().await?;
    let path = format!(r#"members[value eq "{}"]"#, user.id());
    let after = patched(cx, &group, json!([{"op": "remove", "path": path}])).await?;
    cx.expect_on(&after, after.list("members").len()).to_be(0, "no member is left")
}

async fn required(cx: &Cx) -> Verdict {
    if !user_requires(cx, "userName") {
        return cx.skip("the served User schema does not require userName");
    }
    let user = cx.user().create().await?;
    let before = cx.read(&user).await?;
    let answer = cx.patch(&user, json!([{"op": "remove", "path": "userName"}])).await?;
    expect_refusal(cx, &answer, &[400], &["mutability", "invalidValue"])?;
    if answer.scim_type() != Some("mutability") {
        cx.warn("removing a required attribute is refused with invalidValue; section 3.5.2.2 names mutability");
    }
    unchanged(cx, &user, &before).await
}

async fn not_there(cx: &Cx) -> Verdict {
    let (member, other) = (cx.user().create().await?, cx.user().create().await?);
    let group = cx.group().member(&member).create().await?;
    let path = format!(r#"members[value eq "{}"]"#, other.id());
    let after = patched(cx, &group, json!([{"op": "remove", "path": path}])).await?;
    cx.expect_on(&after, values(&after, "members"))
        .to_be(vec![member.id()], "the other member is kept")
}

async fn value_list(cx: &Cx) -> Verdict {
    let (kept, listed) = (cx.user().create().await?, cx.user().create().await?);
    let members = json!([{"value": kept.id()}, {"value": listed.id()}]);
    let group = cx.group().with("members", members).create().await?;
    let operations =
        json!([{"op": "remove", "path": "members", "value": [{"value": listed.id()}]}]);
    let answer = cx.patch(&group, operations).await?;
    let after = cx.read(&group).await?;
    cx.expect_on(&after, values(&after, "members")).to_hold(
        |found| found.contains(&kept.id()),
        "a list with the member that was not named",
        "the member that the request does not name is still there",
    )?;
    if answer.is_success() {
        return cx
            .expect_on(&after, values(&after, "members"))
            .to_be(vec![kept.id()], "the listed member is gone, as the request says");
    }
    let before: Value = json!(values(&after, "members").len());
    cx.note(format!(
        "a removal with a value list is refused ({}); members: {before}",
        answer.status()
    ));
    Ok(())
}
