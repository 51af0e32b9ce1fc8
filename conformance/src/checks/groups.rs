//! Groups and their members (RFC 7643 section 4.2), and `groups` of users (section 4.1.2).

use scim_core::urn;
use serde_json::{Value, json};

use super::after::{expect_refusal, patched, refused, values};
use crate::check::{Check, Need, Peer, Stop, Topic, Verdict, interop, may, must, should};
use crate::context::{Answer, Cx, Made};

pub(super) const CHECKS: &[Check] = &[
    must("groups.schema", Topic::Groups, &["7643-4.2-02"])
        .reason("the resource type of groups has the core Group schema")
        .mend("Serve a resource type whose schema is urn:ietf:params:scim:schemas:core:2.0:Group.")
        .needs(&[Need::Groups, Need::ResourceTypes])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let endpoint = cx.served().groups();
                let schema = cx.served().type_of(endpoint).map(|kind| kind.schema.as_str());
                cx.expect(schema).to_be(Some(urn::GROUP), "groups have the core Group schema")
            })
        }),
    must("groups.display-name.required", Topic::Groups, &["7643-4.2-01"])
        .reason("a group without displayName is refused")
        .mend("Answer 400 invalidValue when displayName is missing (erratum 5368 makes it required).")
        .needs(&[Need::Groups])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.group().without("displayName").post().await?;
                expect_refusal(cx, &answer, &[400], &["invalidValue", "invalidSyntax"])
            })
        }),
    must("groups.members.created-with", Topic::Groups, &["7643-4.2-05"])
        .reason("the value of a member is the id of a resource")
        .mend("Store the ids that the client sends, and return them in members.value.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(created_with(cx))),
    must("groups.members.ref", Topic::Groups, &["7643-4.2-06"])
        .reason("the $ref of a member is the URI of that resource")
        .mend("Fill members.$ref with the member's location.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(member_ref(cx))),
    may("groups.members.changed", Topic::Groups, &["7643-4.2-03"])
        .reason("members can be added and removed by PATCH")
        .mend("Support add and remove on members.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(changed(cx))),
    must("groups.members.remove-one", Topic::Groups, &["7644-3.5.2.2-04"])
        .reason("removing a member by a filter on its value removes that member only")
        .mend("Remove exactly the members that the filter matches.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (kept, gone) = (cx.user().create().await?, cx.user().create().await?);
                let group = cx.group().member(&kept).member(&gone).create().await?;
                let path = format!(r#"members[value eq "{}"]"#, gone.id());
                patched(cx, &group, json!([{"op": "remove", "path": path}])).await?;
                let after = with_members(cx, &group).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![kept.id()], "the other member is kept")
            })
        }),
    must("groups.members.replace-all", Topic::Groups, &["7644-3.5.2.3-03"])
        .reason("replace on members sets the whole membership")
        .mend("Treat the value as the new set of members.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (old, new) = (cx.user().create().await?, cx.user().create().await?);
                let group = cx.group().member(&old).create().await?;
                let operations = json!([{"op": "replace", "path": "members", "value": [{"value": new.id()}]}]);
                patched(cx, &group, operations).await?;
                let after = with_members(cx, &group).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![new.id()], "only the new member is there")
            })
        }),
    must("groups.members.immutable", Topic::Groups, &["7643-4.2-04"])
        .reason("the value of an existing member cannot be changed, only added and removed")
        .mend("Answer 400 mutability when an operation would change members.value of an element.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(immutable(cx))),
    should("groups.members.added-twice", Topic::Groups, &["7644-3.5.2.1-08"])
        .reason("adding a member that is already there succeeds and does not double it")
        .mend("Compare members by value.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let group = cx.group().member(&user).create().await?;
                let operations = json!([{"op": "add", "path": "members", "value": [{"value": user.id()}]}]);
                patched(cx, &group, operations).await?;
                let after = with_members(cx, &group).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![user.id()], "the member is there once")
            })
        }),
    must("groups.put.replaces-members", Topic::Groups, &["7644-3.5.1-04"])
        .reason("PUT sets the whole membership")
        .mend("Treat members in a PUT as the new set.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(put_members(cx))),
    may("groups.nested", Topic::Groups, &["7643-4.2-07"])
        .reason("a group can be a member of a group")
        .mend("Accept group ids in members, or refuse them with 400.")
        .needs(&[Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let inner = cx.group().create().await?;
                let answer = cx.group().member(&inner).post().await?;
                cx.expect_status(&answer, &[201])?;
                let id = answer.id().unwrap_or_default().to_owned();
                let outer = cx.get(&format!("{}/{id}", cx.served().groups())).await?;
                cx.expect_on(&outer, values(&outer, "members")).to_be(vec![inner.id()], "the group is a member")
            })
        }),
    may("groups.members.unknown", Topic::Groups, &["7643-2.3.7-04", "7643-4.2-05"])
        .reason("a member that does not exist is refused")
        .mend("Answer 400 invalidValue when members.value names no resource.")
        .needs(&[Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let members = json!([{"value": "00000000-0000-4000-8000-000000000000"}]);
                let answer = cx.group().with("members", members).post().await?;
                expect_refusal(cx, &answer, &[400, 404], &[])
            })
        }),
    may("groups.members.value-required", Topic::Groups, &["7643-4.2-08"])
        .reason("a member without a value is refused where the schema requires one")
        .mend("Answer 400 invalidValue, or announce members.value with required false.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members.value")])
        .body(|cx| Box::pin(value_required(cx))),
    must("groups.members.unversioned", Topic::Groups, &["7643-2.4-05"])
        .reason("a member's $ref without the version segment names the same resource as with it")
        .mend("Leave the version segment (/v2) out of account where you compare SCIM URIs.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members.$ref")])
        .body(|cx| Box::pin(unversioned(cx))),
    must("groups.user.value", Topic::Groups, &["7643-4.1.2-19"])
        .reason("groups of a user holds the ids of the groups it is in")
        .mend("Maintain User.groups from the members of groups.")
        .needs(&[Need::Groups, Need::Users, Need::Attribute("groups"), Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (user, group) = member_of_one(cx).await?;
                let after = with_groups(cx, &user).await?;
                cx.expect_on(&after, values(&after, "groups")).to_be(vec![group.id()], "the group is listed by its id")
            })
        }),
    must("groups.user.ref", Topic::Groups, &["7643-4.1.2-20"])
        .reason("groups.$ref of a user is the URI of the group")
        .mend("Fill groups.$ref with the group's location.")
        .needs(&[Need::Groups, Need::Users, Need::Attribute("groups.$ref"), Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (user, group) = member_of_one(cx).await?;
                let after = with_groups(cx, &user).await?;
                let Some(uri) = after.text("groups.0.$ref") else {
                    return cx.skip("the target does not return groups.$ref");
                };
                let found = follow(cx, &after, uri).await?;
                cx.expect_on(&found, found.id()).to_be(Some(group.id()), "the reference leads to the group")
            })
        }),
    must("groups.user.type", Topic::Groups, &["7643-4.1.2-23"])
        .reason("groups.type of a user is direct or indirect")
        .mend("Set groups.type to direct for groups that list the user, and to indirect for groups above them.")
        .needs(&[Need::Groups, Need::Users, Need::Attribute("groups.type"), Need::GroupAttribute("members")])
        .body(|cx| Box::pin(membership_type(cx))),
    should("groups.user.direct-can-change", Topic::Groups, &["7643-4.1.2-21"])
        .reason("a direct membership can be changed through the group")
        .mend("Mark as direct only what the group's members hold, and let the group change it.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::Attribute("groups.type"), Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (user, group) = member_of_one(cx).await?;
                let before = with_groups(cx, &user).await?;
                if before.text("groups.0.type") != Some("direct") {
                    return cx.skip("the target does not say that the membership is direct");
                }
                let path = format!(r#"members[value eq "{}"]"#, user.id());
                patched(cx, &group, json!([{"op": "remove", "path": path}])).await?;
                let after = with_groups(cx, &user).await?;
                cx.expect_on(&after, after.list("groups").len()).to_be(0, "the user is in no group any more")
            })
        }),
    must("groups.user.read-only", Topic::Groups, &["7643-4.1.2-18"])
        .reason("groups of a user is readOnly: ignored on POST, refused in PATCH")
        .mend("Ignore groups in POST and PUT; answer 400 mutability to an operation on it.")
        .needs(&[Need::Groups, Need::Users, Need::Patch, Need::Attribute("groups")])
        .body(|cx| Box::pin(read_only(cx))),
    interop("groups.members.deleted-user", Topic::Groups, Peer::General, &["7643-4.2-05"])
        .reason("a deleted user is no longer a member of its groups")
        .mend("Remove memberships together with the user.")
        .needs(&[Need::Groups, Need::Users, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let (gone, kept) = (cx.user().create().await?, cx.user().create().await?);
                let group = cx.group().member(&gone).member(&kept).create().await?;
                let answer = cx.delete(&gone).await?;
                cx.expect_status(&answer, &[204])?;
                let after = with_members(cx, &group).await?;
                cx.expect_on(&after, values(&after, "members")).to_be(vec![kept.id()], "only the other user is a member")
            })
        }),
];

/// Reads a group, asking for members where a plain GET leaves them out.
async fn with_members(cx: &Cx, group: &Made) -> Result<Answer, Stop> {
    with_attribute(cx, group, "members").await
}

/// Reads a user, asking for groups where a plain GET leaves them out.
async fn with_groups(cx: &Cx, user: &Made) -> Result<Answer, Stop> {
    with_attribute(cx, user, "groups").await
}

async fn with_attribute(cx: &Cx, made: &Made, attribute: &str) -> Result<Answer, Stop> {
    let plain = cx.read(made).await?;
    if plain.get(attribute).is_some() {
        return Ok(plain);
    }
    let asked = cx.list(made, &[("attributes", attribute)]).await?;
    cx.expect_status(&asked, &[200])?;
    Ok(asked)
}

async fn member_of_one(cx: &Cx) -> Result<(Made, Made), Stop> {
    let user = cx.user().create().await?;
    let group = cx.group().member(&user).create().await?;
    Ok((user, group))
}

/// Reads what a reference of this answer leads to; it may be relative to the base URL (RFC 7643 section 2.3.7).
async fn follow(cx: &Cx, from: &Answer, uri: &str) -> Result<Answer, Stop> {
    let base = cx.base();
    let absolute = match uri.contains("://") {
        true => uri.to_owned(),
        false => format!("{base}/{}", uri.trim_start_matches("../").trim_start_matches('/')),
    };
    cx.expect_on(from, absolute.as_str()).to_hold(
        |uri| uri.starts_with(&base),
        &format!("a URI below {base}"),
        "the reference leads to a resource of this service",
    )?;
    cx.read(&absolute).await
}

async fn created_with(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let group = cx.group().member(&user).create().await?;
    let read = with_members(cx, &group).await?;
    cx.expect_on(&read, values(&read, "members"))
        .to_be(vec![user.id()], "the member is there by its id")?;
    let found = cx.read(&user).await?;
    cx.expect_on(&found, found.id()).to_be(Some(user.id()), "the id leads to the user")
}

async fn member_ref(cx: &Cx) -> Verdict {
    let (user, group) = member_of_one(cx).await?;
    let read = with_members(cx, &group).await?;
    let Some(uri) = read.text("members.0.$ref") else {
        return cx.skip("the target does not return members.$ref");
    };
    let found = follow(cx, &read, uri).await?;
    cx.expect_on(&found, found.id()).to_be(Some(user.id()), "the reference leads to the member")
}

async fn changed(cx: &Cx) -> Verdict {
    let (first, second) = (cx.user().create().await?, cx.user().create().await?);
    let group = cx.group().member(&first).create().await?;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": second.id()}]}]);
    patched(cx, &group, add).await?;
    let after = with_members(cx, &group).await?;
    let mut wanted = vec![first.id(), second.id()];
    wanted.sort_unstable();
    cx.expect_on(&after, values(&after, "members")).to_be(wanted, "the second member was added")?;
    let remove = json!([{"op": "remove", "path": "members"}]);
    patched(cx, &group, remove).await?;
    let after = with_members(cx, &group).await?;
    cx.expect_on(&after, after.list("members").len()).to_be(0, "all members were removed")
}

async fn immutable(cx: &Cx) -> Verdict {
    let (member, other) = (cx.user().create().await?, cx.user().create().await?);
    let group = cx.group().member(&member).create().await?;
    let path = format!(r#"members[value eq "{}"].value"#, member.id());
    let operations = json!([{"op": "replace", "path": path, "value": other.id()}]);
    refused(cx, &group, operations, &["mutability"]).await
}

async fn put_members(cx: &Cx) -> Verdict {
    let (old, new) = (cx.user().create().await?, cx.user().create().await?);
    let group = cx.group().member(&old).create().await?;
    let body = group.sent_but(&[("members", json!([{"value": new.id()}]))]);
    let answer = cx.put(&group, &body).await?;
    cx.expect_status(&answer, &[200])?;
    let after = with_members(cx, &group).await?;
    cx.expect_on(&after, values(&after, "members"))
        .to_be(vec![new.id()], "only the new member is there")
}

async fn membership_type(cx: &Cx) -> Verdict {
    let (user, inner) = member_of_one(cx).await?;
    let outer = cx.group().member(&inner).post().await?;
    let after = with_groups(cx, &user).await?;
    for group in after.list("groups") {
        let value = group.get("value").and_then(Value::as_str);
        let kind = group.get("type").and_then(Value::as_str);
        if kind.is_none() {
            return cx.skip("the target does not return groups.type");
        }
        let wanted = if value == Some(inner.id()) { "direct" } else { "indirect" };
        cx.expect_on(&after, kind)
            .to_be(Some(wanted), "direct for the group that lists the user, else indirect")?;
    }
    if outer.is_success() && !values(&after, "groups").contains(&outer.id().unwrap_or_default()) {
        cx.note("groups of a user lists direct memberships only");
    }
    Ok(())
}

async fn read_only(cx: &Cx) -> Verdict {
    let group = cx.group().create().await?;
    let groups = json!([{"value": group.id()}]);
    let answer = cx.user().raw("groups", groups.clone()).post().await?;
    cx.expect_status(&answer, &[201])?;
    let id = answer.id().unwrap_or_default().to_owned();
    let path = format!("{}/{id}", cx.served().users());
    let after = cx.read(&path).await?;
    cx.expect_on(&after, after.list("groups").len()).to_be(0, "groups in a POST is ignored")?;
    let answer = cx.patch(&path, json!([{"op": "add", "path": "groups", "value": groups}])).await?;
    expect_refusal(cx, &answer, &[400], &["mutability"])?;
    let after = cx.read(&path).await?;
    cx.expect_on(&after, after.list("groups").len()).to_be(0, "groups in a PATCH is refused")
}

async fn value_required(cx: &Cx) -> Verdict {
    let served = cx.served();
    let kind = served.type_of(served.groups());
    let value = kind.and_then(|kind| served.attribute(kind, "members.value"));
    if !value.is_some_and(|value| value.required) {
        return cx.skip("the served schema does not require members.value");
    }
    // Not by `with`, which fills in what is required.
    let answer = cx.group().raw("members", json!([{"type": "User"}])).post().await?;
    expect_refusal(cx, &answer, &[400], &[])
}

async fn unversioned(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let url = format!("{}{}", cx.base(), user.path());
    let Some(plain) = without_version(&url) else {
        return cx.skip("the base URL has no version segment");
    };
    let members = json!([{"value": user.id(), "$ref": plain}]);
    let answer = cx.group().with("members", members).post().await?;
    cx.expect_status(&answer, &[201])?;
    let id = answer.id().unwrap_or_default().to_owned();
    let group = cx.read(&format!("{}/{id}", cx.served().groups())).await?;
    cx.expect_on(&group, values(&group, "members")).to_be(vec![user.id()], "the user is a member")
}

/// The URL without its last segment of the form `v2`.
fn without_version(url: &str) -> Option<String> {
    let mut segments: Vec<_> = url.split('/').collect();
    let is_version = |segment: &&str| {
        segment.strip_prefix('v').is_some_and(|number| number.parse::<u8>().is_ok())
    };
    let at = segments.iter().rposition(is_version)?;
    segments.remove(at);
    Some(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::without_version;

    #[test]
    fn the_version_is_a_segment_of_its_own() {
        let cut = |url| without_version(url);
        let wanted = "https://host/scim/Users/v2x".to_owned();
        assert_eq!(cut("https://host/scim/v2/Users/v2x"), Some(wanted));
        assert_eq!(cut("https://host/vault/Users/1"), None);
    }
}
