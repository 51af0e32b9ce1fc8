//! PATCH: the message, its paths, and the rules for all operations (RFC 7644 section 3.5.2).

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::after::{expect_refusal, patched, refused, two_mails, unchanged, values, with};
use crate::check::{Check, Need, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("patch.message.wrong-schema", Topic::Patch, &["7644-3.5.2-02"])
        .reason("a PATCH body that names another message's schema is refused")
        .mend("Answer 400 invalidSyntax unless schemas holds the PatchOp URN.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(wrong_schema(cx))),
    should("patch.message.without-schemas", Topic::Patch, &["7644-3.5.2-02"])
        .reason("a PATCH body without schemas is refused")
        .mend("Answer 400 invalidSyntax when schemas is missing, or accept it knowingly for lax clients.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(without_schemas(cx))),
    must("patch.message.no-operations", Topic::Patch, &["7644-3.5.2-03"])
        .reason("a PATCH body needs at least one operation")
        .mend("Answer 400 invalidSyntax or invalidValue when Operations is missing or empty.")
        .needs(&[Need::Patch, Need::Users])
        .body(|cx| Box::pin(no_operations(cx))),
    must("patch.message.op-missing", Topic::Patch, &["7644-3.5.2-04"])
        .reason("each operation has an op")
        .mend("Answer 400 invalidSyntax when an operation has no op.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([{"path": "nickName", "value": "x"}]);
                refused(cx, &user, operations, &["invalidSyntax", "invalidValue"]).await
            })
        }),
    must("patch.message.op-unknown", Topic::Patch, &["7644-3.5.2-05"])
        .reason("op is add, remove or replace; any other is refused")
        .mend("Answer 400 invalidSyntax or invalidValue for an unknown op.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([{"op": "move", "path": "nickName", "value": "x"}]);
                refused(cx, &user, operations, &["invalidSyntax", "invalidValue"]).await
            })
        }),
    must("patch.path.malformed", Topic::Patch, &["7644-3.5.2-08", "7644-3.5.2-20"])
        .reason("a path that does not follow the grammar is refused")
        .mend("Parse the whole path and answer 400 invalidPath.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| Box::pin(malformed_path(cx))),
    must("patch.path.value-path", Topic::Patch, &["7644-3.5.2-08"])
        .reason("a path may pick elements by a filter and name a sub-attribute of them")
        .mend("Support attribute[filter].subAttribute in paths.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails"), Need::Attribute("emails.display")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                let path = r#"emails[type eq "work" and value pr].display"#;
                let after =
                    patched(cx, &user, json!([{"op": "replace", "path": path, "value": "Desk"}])).await?;
                let displays: Vec<&Value> =
                    with(&after, "emails", "type", "work").iter().filter_map(|m| m.get("display")).collect();
                cx.expect_on(&after, displays).to_be(vec![&json!("Desk")], "the work address got the display")?;
                cx.expect_on(&after, with(&after, "emails", "display", "Desk").len())
                    .to_be(1, "no other address got it")
            })
        }),
    must("patch.path.no-index", Topic::Patch, &["7644-3.5.2-09"])
        .reason("array indexes and JSON Pointers are no paths")
        .mend("Answer 400 invalidPath for \"/emails/0\" and \"emails[0]\".")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let user = two_mails(cx).await?;
                for path in ["/emails/0/value", "emails[0].value"] {
                    let value = cx.unique_mail("index");
                    let operations = json!([{"op": "replace", "path": path, "value": value}]);
                    let causes = ["invalidPath", "invalidFilter", "noTarget", "invalidSyntax"];
                    refused(cx, &user, operations, &causes).await?;
                }
                Ok(())
            })
        }),
    should("patch.path.unknown", Topic::Patch, &["7644-3.5.2-13"])
        .reason("a path that names no attribute of the schemas is refused")
        .mend("Answer 400 invalidPath (or noTarget) when no schema of the resource has the attribute.")
        .needs(&[Need::Patch, Need::Users, Need::Schemas])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([{"op": "add", "path": "scimConformanceNoSuch", "value": "x"}]);
                let causes = ["invalidPath", "noTarget", "invalidSyntax", "invalidValue"];
                refused(cx, &user, operations, &causes).await
            })
        }),
    must("patch.path.urn", Topic::Patch, &["7644-3.5.2-14", "7644-3.5.2-08"])
        .reason("a path may be written with the schema's URN or without it")
        .mend("Resolve a path without a URN against the resource's schemas, and one with a URN against that schema.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([
                    {"op": "add", "path": "nickName", "value": "short"},
                    {"op": "add", "path": format!("{}:title", urn::USER), "value": "long"},
                ]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("short"), "the plain path was applied")?;
                cx.expect_on(&after, after.text("title")).to_be(Some("long"), "the qualified path was applied")
            })
        }),
    must("patch.path.case", Topic::Patch, &["7644-3.5.2-08"])
        .reason("attribute names in a path compare without regard to letter case (RFC 7643 section 2.1)")
        .mend("Compare attribute names without regard to case.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([{"op": "replace", "path": "NICKNAME", "value": "ace"}]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "NICKNAME is nickName")
            })
        }),
    must("patch.mutability.read-only", Topic::Patch, &["7644-3.5.2-10", "7644-3.5.2-13"])
        .reason("an operation on a readOnly attribute is refused")
        .mend("Answer 400 mutability when an operation would change id or meta.")
        .needs(&[Need::Patch, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let id = json!([{"op": "replace", "path": "id", "value": "another-id"}]);
                refused(cx, &user, id, &["mutability"]).await?;
                let created = json!([{"op": "replace", "path": "meta.created", "value": "2001-01-01T00:00:00Z"}]);
                refused(cx, &user, created, &["mutability"]).await
            })
        }),
    must("patch.value.wrong-type", Topic::Patch, &["7644-3.5.2-10"])
        .reason("a value that does not fit the attribute's type is refused")
        .mend("Check each value against the schema and answer 400 invalidValue.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("active"), Need::Attribute("name")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                for (path, value) in [("active", json!("perhaps")), ("active", json!({"a": 1})), ("name", json!(7))] {
                    let operations = json!([{"op": "replace", "path": path, "value": value}]);
                    refused(cx, &user, operations, &["invalidValue", "invalidSyntax"]).await?;
                }
                Ok(())
            })
        }),
    must("patch.value.missing", Topic::Patch, &["7644-3.5.2-10"])
        .reason("add and replace need a value")
        .mend("Answer 400 invalidValue or invalidSyntax when value is missing.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("nickName", json!("kept")).create().await?;
                for op in ["add", "replace"] {
                    let operations = json!([{"op": op, "path": "nickName"}]);
                    refused(cx, &user, operations, &["invalidValue", "invalidSyntax"]).await?;
                }
                Ok(())
            })
        }),
    must("patch.schemas.change-holds", Topic::Patch, &["7644-3.5.2-15"])
        .reason("a schema added by one operation holds for the operations after it")
        .mend("Apply each operation on the result of the one before, schemas included.")
        .needs(&[Need::Patch, Need::Users, Need::Enterprise, Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let path = format!("{}:department", urn::ENTERPRISE_USER);
                let operations = json!([
                    {"op": "add", "path": "schemas", "value": [urn::ENTERPRISE_USER]},
                    {"op": "add", "path": path, "value": "Engines"},
                ]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text(&path)).to_be(Some("Engines"), "the extension attribute is there")?;
                let schemas = after.list("schemas").to_vec();
                cx.expect_on(&after, schemas).to_hold(
                    |found| found.iter().any(|uri| uri.as_str() == Some(urn::ENTERPRISE_USER)),
                    urn::ENTERPRISE_USER,
                    "schemas names the extension",
                )
            })
        }),
    must("patch.order", Topic::Patch, &["7644-3.5.2-17"])
        .reason("operations are applied in order, each on the result of the one before")
        .mend("Do not collect or reorder operations.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operations = json!([
                    {"op": "add", "path": "nickName", "value": "first"},
                    {"op": "add", "path": "title", "value": "kept"},
                    {"op": "replace", "path": "nickName", "value": "second"},
                    {"op": "remove", "path": "title"},
                    {"op": "add", "path": "title", "value": "last"},
                ]);
                let after = patched(cx, &user, operations).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("second"), "the later operation wins")?;
                cx.expect_on(&after, after.text("title")).to_be(Some("last"), "removed, then added again")
            })
        }),
    must("patch.primary.one", Topic::Patch, &["7644-3.5.2-18"])
        .reason("setting primary to true makes it false on every other value")
        .mend("When an operation sets primary, clear it on the other values of that attribute.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("emails"), Need::Attribute("emails.primary")])
        .body(|cx| Box::pin(one_primary(cx))),
    must("patch.atomic", Topic::Patch, &["7644-3.5.2-19", "7644-3.5.2-20"])
        .reason("when one operation fails, none is applied")
        .mend("Apply the operations to a copy and store it only when all of them succeeded.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("nickName", json!("before")).create().await?;
                let operations = json!([
                    {"op": "replace", "path": "nickName", "value": "after"},
                    {"op": "replace", "path": "id", "value": "another-id"},
                ]);
                refused(cx, &user, operations, &["mutability"]).await
            })
        }),
    must("patch.answer", Topic::Patch, &["7644-3.5.2-21"])
        .reason("a PATCH that succeeds answers 200 with the resource, or 204 with nothing")
        .mend("Answer 200 with the whole changed resource, or 204 without a body.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(answer(cx))),
    must("patch.answer.attributes", Topic::Patch, &["7644-3.5.2-22"])
        .reason("a PATCH that asks for attributes answers 200 with them")
        .mend("When the URL has attributes or excludedAttributes, answer 200 with that representation, never 204.")
        .needs(&[Need::Patch, Need::Users, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| Box::pin(answer_attributes(cx))),
];

async fn wrong_schema(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let before = cx.read(&user).await?;
    let body = json!({
        "schemas": [urn::SEARCH_REQUEST],
        "Operations": [{"op": "add", "path": "nickName", "value": "x"}],
    });
    let answer = cx.request(Method::PATCH, &user).json(&body).send().await?;
    expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])?;
    unchanged(cx, &user, &before).await
}

async fn without_schemas(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let body = json!({"Operations": [{"op": "add", "path": "nickName", "value": "x"}]});
    let answer = cx.request(Method::PATCH, &user).json(&body).send().await?;
    expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])
}

async fn no_operations(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let before = cx.read(&user).await?;
    for body in
        [json!({"schemas": [urn::PATCH_OP]}), json!({"schemas": [urn::PATCH_OP], "Operations": []})]
    {
        let answer = cx.request(Method::PATCH, &user).json(&body).send().await?;
        expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])?;
    }
    unchanged(cx, &user, &before).await
}

async fn malformed_path(cx: &Cx) -> Verdict {
    let user = two_mails(cx).await?;
    for path in
        ["emails[", r#"emails[type eq "work"#, "emails..value", r#"emails[type eq "work"]value"#]
    {
        let operations = json!([{"op": "replace", "path": path, "value": "x"}]);
        refused(cx, &user, operations, &["invalidPath", "invalidFilter", "invalidSyntax"]).await?;
    }
    Ok(())
}

async fn one_primary(cx: &Cx) -> Verdict {
    let (old, new) = (cx.unique_mail("old"), cx.unique_mail("new"));
    let user = cx
        .user()
        .with("emails", json!([{"value": old, "type": "work", "primary": true}]))
        .create()
        .await?;
    let value = json!([{"value": new, "type": "home", "primary": true}]);
    let after =
        patched(cx, &user, json!([{"op": "add", "path": "emails", "value": value}])).await?;
    cx.expect_on(&after, values(&after, "emails").len()).to_be(2, "both addresses are there")?;
    let primary: Vec<_> = after
        .list("emails")
        .iter()
        .filter(|mail| mail.get("primary") == Some(&json!(true)))
        .filter_map(|mail| mail.get("value").and_then(Value::as_str))
        .collect();
    cx.expect_on(&after, primary).to_be(vec![new.as_str()], "only the new address is primary")
}

async fn answer(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let operations = json!([{"op": "add", "path": "nickName", "value": "ace"}]);
    let answer = cx.patch(&user, operations).await?;
    cx.expect_status(&answer, &[200, 204])?;
    if answer.status() == 204 {
        return cx
            .expect_on(&answer, answer.bytes().len())
            .to_be(0, "an answer with status 204 has no body");
    }
    cx.expect_on(&answer, answer.text("nickName"))
        .to_be(Some("ace"), "a 200 shows the resource as it is now")?;
    let read = cx.read(&user).await?;
    cx.expect_on(&answer, answer.value())
        .to_be(read.value(), "a 200 shows the whole resource, as GET does")
}

async fn answer_attributes(cx: &Cx) -> Verdict {
    let user = cx.user().with("title", json!("Engineer")).create().await?;
    let body = json!({
        "schemas": [urn::PATCH_OP],
        "Operations": [{"op": "add", "path": "nickName", "value": "ace"}],
    });
    let request = cx.request(Method::PATCH, &user).query("attributes", "nickName").json(&body);
    let answer = request.send().await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.text("nickName")).to_be(Some("ace"), "the attribute is shown")?;
    cx.expect_on(&answer, answer.text("title")).to_be(None, "what was not asked for is left out")
}
