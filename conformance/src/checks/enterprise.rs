//! The enterprise extension of users (RFC 7643 section 4.3).

use scim_core::urn;
use serde_json::json;

use super::after::{expect_refusal, patched};
use crate::check::{Check, Need, Stop, Topic, Verdict, must, should};
use crate::context::{Cx, Made};

const DEPARTMENT: Need =
    Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department");
const MANAGER: Need =
    Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager");

pub(super) const CHECKS: &[Check] = &[
    must("enterprise.urn", Topic::Enterprise, &["7643-4.3-01"])
        .reason("enterprise attributes live in an object under the extension's URN, which schemas names")
        .mend("Store and return them below the URN, and list it in schemas.")
        .needs(&[Need::Users, Need::Enterprise, DEPARTMENT])
        .body(|cx| Box::pin(under_the_urn(cx))),
    must("enterprise.patch", Topic::Enterprise, &["7644-3.5.2-14", "7643-4.3-01"])
        .reason("an enterprise attribute is changed by a path with the extension's URN")
        .mend("Resolve urn:…:User:department as an attribute of the extension.")
        .needs(&[Need::Users, Need::Enterprise, Need::Patch, DEPARTMENT])
        .body(|cx| {
            Box::pin(async move {
                let path = format!("{}:department", urn::ENTERPRISE_USER);
                let user = cx.user().with(&path, json!("Engines")).create().await?;
                let after = patched(cx, &user, json!([{"op": "replace", "path": path, "value": "Looms"}])).await?;
                cx.expect_on(&after, after.text(&path)).to_be(Some("Looms"), "the attribute is replaced")?;
                let after = patched(cx, &user, json!([{"op": "remove", "path": path}])).await?;
                cx.expect_on(&after, after.get(&path)).to_be(None, "the attribute is removed")
            })
        }),
    should("enterprise.manager.value", Topic::Enterprise, &["7643-4.3-02"])
        .reason("manager.value holds the id of the manager")
        .mend("Store and return the id that the client sends.")
        .needs(&[Need::Users, Need::Enterprise, MANAGER])
        .body(|cx| {
            Box::pin(async move {
                let (manager, user) = managed(cx).await?;
                let after = cx.read(&user).await?;
                let path = format!("{}:manager.value", urn::ENTERPRISE_USER);
                cx.expect_on(&after, after.text(&path)).to_be(Some(manager.id()), "the manager is named by id")?;
                let found = cx.read(&manager).await?;
                cx.expect_on(&found, found.id()).to_be(Some(manager.id()), "the id leads to the manager")
            })
        }),
    should("enterprise.manager.ref", Topic::Enterprise, &["7643-4.3-03"])
        .reason("manager.$ref holds the URI of the manager")
        .mend("Fill manager.$ref with the manager's location.")
        .needs(&[Need::Users, Need::Enterprise, MANAGER])
        .body(|cx| Box::pin(manager_ref(cx))),
    must("enterprise.manager.display-name", Topic::Enterprise, &["7643-4.3-04"])
        .reason("manager.displayName is readOnly: ignored on POST, refused in PATCH")
        .mend("Ignore manager.displayName in POST; answer 400 mutability to an operation on it.")
        .needs(&[Need::Users, Need::Enterprise, Need::Patch, MANAGER, Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName")])
        .body(|cx| Box::pin(display_name(cx))),
];

async fn managed(cx: &Cx) -> Result<(Made, Made), Stop> {
    let manager = cx.user().create().await?;
    let path = format!("{}:manager", urn::ENTERPRISE_USER);
    let user = cx.user().with(&path, json!({"value": manager.id()})).create().await?;
    Ok((manager, user))
}

async fn under_the_urn(cx: &Cx) -> Verdict {
    let path = format!("{}:department", urn::ENTERPRISE_USER);
    let user = cx.user().with(&path, json!("Engines")).create().await?;
    let read = cx.read(&user).await?;
    let object = read.get(urn::ENTERPRISE_USER).and_then(|inner| inner.get("department"));
    cx.expect_on(&read, object)
        .to_be(Some(&json!("Engines")), "department stands below the URN")?;
    cx.expect_on(&read, read.list("schemas").to_vec()).to_hold(
        |found| found.iter().any(|uri| uri.as_str() == Some(urn::ENTERPRISE_USER)),
        urn::ENTERPRISE_USER,
        "schemas names the extension",
    )
}

async fn manager_ref(cx: &Cx) -> Verdict {
    let (manager, user) = managed(cx).await?;
    let read = cx.read(&user).await?;
    let Some(uri) = read.text(&format!("{}:manager.$ref", urn::ENTERPRISE_USER)) else {
        return cx.fail_on(&read, "manager has no $ref");
    };
    let base = cx.base();
    let absolute = match uri.contains("://") {
        true => uri.to_owned(),
        false => format!("{base}/{}", uri.trim_start_matches("../").trim_start_matches('/')),
    };
    let found = cx.read(&absolute).await?;
    cx.expect_on(&found, found.id()).to_be(Some(manager.id()), "the reference leads to the manager")
}

async fn display_name(cx: &Cx) -> Verdict {
    let manager = cx.user().create().await?;
    let made_up = "scim-conformance made-up name";
    let extension = json!({"manager": {"value": manager.id(), "displayName": made_up}});
    let schemas = json!([urn::USER, urn::ENTERPRISE_USER]);
    let fixture = cx.user().raw(urn::ENTERPRISE_USER, extension).raw("schemas", schemas);
    let answer = fixture.post().await?;
    cx.expect_status(&answer, &[201])?;
    let place = format!("{}/{}", cx.served().users(), answer.id().unwrap_or_default());
    let path = format!("{}:manager.displayName", urn::ENTERPRISE_USER);
    let read = cx.read(&place).await?;
    cx.expect_on(&read, read.text(&path))
        .not_to_be(Some(made_up), "the client's displayName is not stored")?;
    let operations = json!([{"op": "replace", "path": path, "value": made_up}]);
    let refused = cx.patch(&place, operations).await?;
    expect_refusal(cx, &refused, &[400], &["mutability"])?;
    let read = cx.read(&place).await?;
    cx.expect_on(&read, read.text(&path)).not_to_be(Some(made_up), "and not by PATCH either")
}
