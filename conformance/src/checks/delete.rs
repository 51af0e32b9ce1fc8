//! Deleting (RFC 7644 section 3.6).

use serde_json::json;

use super::helpers_a::plain_attribute;
use crate::check::{Check, Need, Topic, must, should};

pub(crate) const CHECKS: &[Check] =
    &[STATUS, GONE, PATCH_GONE, UNKNOWN, NOT_LISTED, RECREATE, NEW_ID, ADDRESSED_ONLY];

const STATUS: Check = must("delete.answer.status", Topic::Delete, &["7644-3.6-05"])
    .reason("a successful DELETE gives 204 without a body")
    .mend("Answer DELETE with 204 No Content.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.expect_status(&answer, &[204])?;
            cx.expect_on(&answer, answer.bytes().len()).to_be(0, "a 204 has no body")
        })
    });

const GONE: Check = must("delete.deleted.gone", Topic::Delete, &["7644-3.6-02"])
    .reason("GET, PUT and DELETE on a deleted resource give 404")
    .mend("Answer 404 to every operation on a deleted resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            cx.expect_status(&cx.get(&user).await?, &[404])?;
            cx.expect_status(&cx.put(&user, user.sent()).await?, &[404])?;
            cx.expect_status(&cx.delete(&user).await?, &[404])?;
            cx.expect_status(&cx.get(&user).await?, &[404])
        })
    });

const PATCH_GONE: Check = must("delete.deleted.patch", Topic::Delete, &["7644-3.6-02"])
    .reason("PATCH on a deleted resource gives 404")
    .mend("Answer 404 to every operation on a deleted resource.")
    .needs(&[Need::Users, Need::Patch])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            let operations = json!([{"op": "replace", "path": attribute, "value": "x"}]);
            cx.expect_status(&cx.patch(&user, operations).await?, &[404])
        })
    });

const UNKNOWN: Check = must("delete.unknown.not-found", Topic::Delete, &["7644-3.6-06"])
    .reason("DELETE of an unknown id gives 404")
    .mend("Answer 404 with a SCIM error to DELETE on an id that does not exist.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let path = format!("{}/{}", cx.served().users(), cx.unique("unknown"));
            cx.expect_scim_error(&cx.delete(&path).await?, &[404], None)
        })
    });

const NOT_LISTED: Check = must("delete.deleted.not-listed", Topic::Delete, &["7644-3.6-03"])
    .reason("deleted resources are left out of queries")
    .mend("Leave deleted resources out of every query.")
    .needs(&[Need::Users, Need::Filter])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let filter = format!("userName eq \"{}\"", user.name());
            let before = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
            if before.ids() != [user.id()] {
                return cx.broken("a filter by userName does not find the user");
            }
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            let after = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
            cx.expect_status(&after, &[200])?;
            cx.expect_on(&after, after.resources().len()).to_be(0, "the filter finds nobody")?;
            cx.expect_on(&after, after.total()).to_be(Some(0), "totalResults is 0")
        })
    });

const RECREATE: Check = should("delete.deleted.no-conflict", Topic::Delete, &["7644-3.6-04"])
    .reason("a deleted resource does not stand in the way of a new one with the same userName")
    .mend("Free unique values when a resource is deleted.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            let again = cx.post(user.endpoint(), user.sent()).await?;
            cx.expect_status(&again, &[201])
        })
    });

const NEW_ID: Check = must("delete.id.not-reused", Topic::Delete, &["7643-3.1-07"])
    .reason("the id of a deleted resource is not given to a new one")
    .mend("Draw a new id for every resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            let again = cx.post(user.endpoint(), user.sent()).await?;
            if again.status() == 409 {
                return cx.skip("the userName of a deleted user cannot be taken again");
            }
            cx.expect_on(&again, again.id())
                .not_to_be(Some(user.id()), "the new user has a new id")?;
            cx.expect_status(&cx.get(&user).await?, &[404])
        })
    });

const ADDRESSED_ONLY: Check = must("delete.one.addressed-only", Topic::Delete, &["7644-3.2-04"])
    .reason("a DELETE removes the addressed resource and no other")
    .mend("Delete the resource of the URL only.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let other = cx.user().create().await?;
            let answer = cx.delete(&user).await?;
            cx.ensure_on(&answer, answer.is_success(), "the user is deleted")?;
            cx.expect_status(&cx.get(&other).await?, &[200])
        })
    });
