//! How attributes are named in requests, and references and cursors that lead on from an answer.

use http::Method;
use serde_json::{Value, json};

use super::helpers_a::{plain_attribute, resolve, text};
use crate::check::{Check, Need, Topic, must, should};
use crate::context::Cx;

pub(crate) const CHECKS: &[Check] =
    &[QUALIFIED, ANY_CASE, INVALID_PATH, NO_TARGET, PATCH_SUPPORTED, CURSOR_CREDENTIALS, REFERENCE];

const QUALIFIED: Check = must(
    "returned.notation.qualified",
    Topic::Returned,
    &["7644-3.10-01", "7644-3.4.2.5-01", "7644-3.4.2.5-03"],
)
.reason("attributes and excludedAttributes take names with the schema's URI in front")
.mend("Read urn:…:User:userName as userName of that schema.")
.needs(&[Need::Users])
.body(|cx| Box::pin(async move { projected(cx, str::to_owned).await }));

const ANY_CASE: Check =
    must("returned.notation.any-case", Topic::Returned, &["7644-3.10-04", "7644-3.10-01"])
        .reason("URI and attribute name are matched without regard to case")
        .mend("Compare schema URIs and attribute names case-insensitively in attributes.")
        .needs(&[Need::Users])
        .body(|cx| Box::pin(async move { projected(cx, str::to_ascii_uppercase).await }));

const INVALID_PATH: Check = should("errors.patch.invalid-path", Topic::Errors, &["7644-3.12-16"])
    .reason("a malformed path in a PATCH is named invalidPath")
    .mend("Answer 400 with scimType invalidPath.")
    .needs(&[Need::Users, Need::Patch])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let operations = json!([{"op": "replace", "path": "emails[", "value": "x"}]);
            let answer = cx.patch(&user, operations).await?;
            cx.expect_scim_error(&answer, &[400], Some("invalidPath"))
        })
    });

const NO_TARGET: Check = should("errors.patch.no-target", Topic::Errors, &["7644-3.12-17"])
    .reason("a remove that names no target is named noTarget")
    .mend("Answer 400 with scimType noTarget.")
    .needs(&[Need::Users, Need::Patch])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.patch(&user, json!([{"op": "remove"}])).await?;
            cx.expect_scim_error(&answer, &[400], Some("noTarget"))
        })
    });

const PATCH_SUPPORTED: Check = should("discovery.config.patch", Topic::Discovery, &["7644-3.5-02"])
    .reason("PATCH is supported")
    .mend("Support PATCH: without it every change of a large group sends the whole group.")
    .needs(&[Need::Config])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            cx.expect(cx.served().announces("patch")).to_be(Some(true), "patch.supported")
        })
    });

const CURSOR_CREDENTIALS: Check =
    must("cursor.credentials.each-page", Topic::Cursor, &["9865-5.2-02"])
        .reason("a cursor grants nothing: each page needs credentials")
        .mend("Check credentials on every page.")
        .needs(&[Need::Users, Need::CursorPaging, Need::Credentials])
        .body(|cx| {
            Box::pin(async move {
                cx.user().create().await?;
                cx.user().create().await?;
                let users = cx.served().users();
                let page = cx.list(users, &[("cursor", ""), ("count", "1")]).await?;
                let Some(next) = page.text("nextCursor") else {
                    return cx.skip("the first page of several has no nextCursor");
                };
                let open = cx
                    .request(Method::GET, users)
                    .query("cursor", next)
                    .query("count", "1")
                    .anonymous()
                    .send()
                    .await?;
                cx.ensure_on(&open, !open.is_success(), "the page is refused without credentials")
            })
        });

const REFERENCE: Check = must("read.reference.answers", Topic::Read, &["7643-2.3.7-03"])
    .reason("a reference is the URL of a resource, and a GET on it is answered properly")
    .mend("Put URLs that can be read into $ref.")
    .needs(&[Need::Users, Need::Groups])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let group = cx.group().member(&user).create().await?;
            let read = cx.read(&group).await?;
            let Some(reference) = read.list("members").iter().find_map(|one| text(one, "$ref"))
            else {
                return cx.skip("members have no $ref");
            };
            let answer = cx.get(&resolve(cx, reference)).await?;
            cx.expect_status(&answer, &[200])?;
            cx.expect_on(&answer, answer.id()).to_be(Some(user.id()), "it leads to the member")
        })
    });

/// Asks for `userName`, and for everything but another attribute, by qualified names spelled so.
async fn projected(cx: &Cx, spell: impl Fn(&str) -> String) -> crate::check::Verdict {
    let attribute = plain_attribute(cx)?;
    let schema = cx.served().type_of("User").map_or(scim_core::urn::USER, |kind| &kind.schema);
    let user = cx.user().with(attribute, "Shown").create().await?;
    let only = spell(&format!("{schema}:userName"));
    let read = cx.read(&format!("{}?attributes={only}", user.path())).await?;
    cx.ensure_on(&read, read.get("userName").is_some(), "userName, asked for, is shown")?;
    cx.expect_on(&read, read.get(attribute))
        .to_be(None, &format!("{attribute} is not asked for"))?;
    let but = spell(&format!("{schema}:{attribute}"));
    let read = cx.read(&format!("{}?excludedAttributes={but}", user.path())).await?;
    cx.expect_on(&read, read.get(attribute).and_then(Value::as_str))
        .to_be(None, &format!("{attribute} is excluded"))?;
    cx.ensure_on(&read, read.get("userName").is_some(), "userName is still shown")
}
