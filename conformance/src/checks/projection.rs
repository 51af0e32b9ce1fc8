//! Which attributes an answer has (RFC 7644 sections 3.4.2.5 and 3.9, RFC 7643 section 2.2).

use scim_core::urn;
use serde_json::{Value, json};

use crate::check::{Check, Need, Stop, Topic, Verdict, may, must};
use crate::context::{Answer, Cx, Made};

const NAMES: &[Need] = &[
    Need::Users,
    Need::Attribute("nickName"),
    Need::Attribute("title"),
    Need::Attribute("name.givenName"),
    Need::Attribute("name.familyName"),
    Need::Attribute("emails.value"),
    Need::Attribute("emails.type"),
];

pub(super) const CHECKS: &[Check] = &[
    must("projection.default", Topic::Projection, &["7644-3.4-02", "7644-3.9-01", "7643-7-20"])
        .reason("without parameters, what is returned by default comes back")
        .mend("Return every attribute with returned default or always that has a value.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer = cx.read(&user).await?;
                for path in
                    ["id", "userName", "nickName", "title", "name.familyName", "emails.0.value"]
                {
                    present(cx, &answer, path)?;
                }
                Ok(())
            })
        }),
    must("projection.attributes", Topic::Projection, &["7644-3.9-04", "7643-7-17", "7643-7-20"])
        .reason(
            "attributes replaces the default set: what is asked for, and what is always returned",
        )
        .mend("Return id, schemas and the named attributes only.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer = read_with(cx, &user, "attributes", "nickName").await?;
                for path in ["id", "nickName"] {
                    present(cx, &answer, path)?;
                }
                for path in ["userName", "title", "name", "emails"] {
                    absent(cx, &answer, path)?;
                }
                if answer.get("meta").is_some() {
                    cx.note("meta is returned although attributes does not name it");
                }
                if answer.get("schemas").is_none() {
                    cx.warn("schemas is left out when attributes does not name it");
                }
                Ok(())
            })
        }),
    must("projection.attributes.list", Topic::Projection, &["7644-3.9-06"])
        .reason("attributes holds several names, separated by commas")
        .mend("Split the parameter at commas.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer = read_with(cx, &user, "attributes", "nickName,title").await?;
                for path in ["nickName", "title"] {
                    present(cx, &answer, path)?;
                }
                absent(cx, &answer, "emails")
            })
        }),
    must("projection.attributes.sub", Topic::Projection, &["7644-3.9-04"])
        .reason("attributes may name a sub-attribute; its siblings are left out")
        .mend("Return the named sub-attributes of the complex attribute only.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer =
                    read_with(cx, &user, "attributes", "name.givenName,emails.value").await?;
                for path in ["name.givenName", "emails.0.value"] {
                    present(cx, &answer, path)?;
                }
                for path in ["name.familyName", "emails.0.type", "nickName"] {
                    absent(cx, &answer, path)?;
                }
                Ok(())
            })
        }),
    must("projection.attributes.any-case", Topic::Projection, &["7643-2.1-01"])
        .reason("letter case does not count in attributes")
        .mend("Compare attribute names without regard to case.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer = read_with(cx, &user, "attributes", "NICKNAME").await?;
                present(cx, &answer, "nickName")?;
                absent(cx, &answer, "title")
            })
        }),
    must("projection.attributes.qualified", Topic::Projection, &["7644-3.9-04"])
        .reason("attributes may name an attribute with its schema's URN")
        .mend("Resolve urn:…:User:nickName as nickName.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer =
                    read_with(cx, &user, "attributes", &format!("{}:nickName", urn::USER)).await?;
                present(cx, &answer, "nickName")?;
                absent(cx, &answer, "title")
            })
        }),
    must("projection.excluded", Topic::Projection, &["7644-3.9-05", "7643-7-20"])
        .reason("excludedAttributes takes attributes out of the default set")
        .mend("Return the default set without the named attributes.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer =
                    read_with(cx, &user, "excludedAttributes", "nickName,name.givenName").await?;
                for path in ["id", "userName", "title", "name.familyName", "emails.0.value"] {
                    present(cx, &answer, path)?;
                }
                for path in ["nickName", "name.givenName"] {
                    absent(cx, &answer, path)?;
                }
                Ok(())
            })
        }),
    must("projection.excluded.always", Topic::Projection, &["7644-3.9-05", "7643-7-17"])
        .reason("what is always returned cannot be excluded")
        .mend("Keep id, whatever excludedAttributes says.")
        .needs(NAMES)
        .body(|cx| {
            Box::pin(async move {
                let user = full(cx).await?;
                let answer = read_with(cx, &user, "excludedAttributes", "id,nickName").await?;
                present(cx, &answer, "id")?;
                absent(cx, &answer, "nickName")
            })
        }),
    must("projection.never", Topic::Projection, &["7644-3.9-07", "7643-7-18"])
        .reason("what is never returned stays hidden even when asked for")
        .mend("Leave password out of every answer.")
        .needs(&[Need::Users, Need::Password])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("password", "Sc1m-Never!4711-Show").create().await?;
                let answer = read_with(cx, &user, "attributes", "userName,password").await?;
                present(cx, &answer, "userName")?;
                absent(cx, &answer, "password")
            })
        }),
    must("projection.in-lists", Topic::Projection, &["7644-3.9-04", "7644-3.9-05"])
        .reason("attributes and excludedAttributes hold for the resources of a list")
        .mend("Apply the projection to every resource of a ListResponse.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("nickName"),
            Need::Attribute("displayName"),
        ])
        .body(|cx| Box::pin(in_lists(cx))),
    must("projection.in-writes", Topic::Projection, &["7644-3.9-04", "7644-3.9-05"])
        .reason("attributes and excludedAttributes hold for the answers to POST and PUT")
        .mend("Apply the projection to the representation that a write answers with.")
        .needs(NAMES)
        .body(|cx| Box::pin(in_writes(cx))),
    must("projection.members", Topic::Projection, &["7644-3.9-05"])
        .reason("members can be excluded from a group")
        .mend("Leave members out when excludedAttributes names it; large groups depend on it.")
        .needs(&[Need::Users, Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let group = cx.group().member(&user).create().await?;
                let answer = read_with(cx, &group, "excludedAttributes", "members").await?;
                present(cx, &answer, "displayName")?;
                absent(cx, &answer, "members")
            })
        }),
    may("projection.both", Topic::Projection, &["7644-3.9-04"])
        .reason("attributes together with excludedAttributes is refused")
        .mend("Answer 400 invalidValue; the two are mutually exclusive.")
        .needs(&[Need::Users, Need::Attribute("title")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let query = [("attributes", "title"), ("excludedAttributes", "userName")];
                let answer = cx.list(&user, &query).await?;
                cx.expect_status(&answer, &[400])
            })
        }),
    may("projection.unknown", Topic::Projection, &["7644-3.4.2-03"])
        .reason("unknown names in attributes are ignored")
        .mend("Ignore names that no schema has.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let answer =
                    cx.list(&user, &[("attributes", "userName,scimConformanceNoSuch")]).await?;
                cx.expect_status(&answer, &[200])?;
                present(cx, &answer, "userName")
            })
        }),
];

async fn full(cx: &Cx) -> Result<Made, Stop> {
    cx.user()
        .with("nickName", "ace")
        .with("title", "Engineer")
        .with("name", json!({"givenName": "Ada", "familyName": "Lovelace"}))
        .with("emails", json!([{"value": cx.unique_mail("work"), "type": "work"}]))
        .create()
        .await
}

async fn read_with(cx: &Cx, made: &Made, parameter: &str, names: &str) -> Result<Answer, Stop> {
    let answer = cx.list(made, &[(parameter, names)]).await?;
    cx.expect_status(&answer, &[200])?;
    Ok(answer)
}

fn present(cx: &Cx, answer: &Answer, path: &str) -> Verdict {
    cx.ensure_on(answer, answer.get(path).is_some(), &format!("{path} is returned"))
}

fn absent(cx: &Cx, answer: &Answer, path: &str) -> Verdict {
    cx.expect_on(answer, answer.get(path)).to_be(None, &format!("{path} is left out"))
}

async fn in_lists(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let users = cx.served().users().to_owned();
    let everyone = data.everyone();
    let only = [("filter", everyone.as_str()), ("attributes", "nickName")];
    let answer = cx.list(&users, &only).await?;
    cx.expect_status(&answer, &[200])?;
    let has = |one: &Value, name: &str| crate::json::at(one, name).is_some();
    for one in answer.resources() {
        cx.ensure_on(&answer, has(one, "id"), "id is returned in lists")?;
        cx.ensure_on(&answer, !has(one, "userName"), "userName is left out when not asked for")?;
    }
    let nicks = answer.resources().iter().filter(|one| has(one, "nickName")).count();
    cx.expect_on(&answer, nicks).to_hold(
        |n| *n > 0,
        "some",
        "nickName is returned where there is one",
    )?;
    let without = [("filter", everyone.as_str()), ("excludedAttributes", "displayName")];
    let answer = cx.list(&users, &without).await?;
    cx.expect_status(&answer, &[200])?;
    for one in answer.resources() {
        cx.ensure_on(&answer, has(one, "userName"), "userName stays when another is excluded")?;
        cx.ensure_on(&answer, !has(one, "displayName"), "displayName is left out when excluded")?;
    }
    Ok(())
}

async fn in_writes(cx: &Cx) -> Verdict {
    let users = cx.served().users().to_owned();
    let body = cx.user().with("nickName", "ace").with("title", "Engineer").body()?;
    let post = cx.request(http::Method::POST, &users).query("attributes", "nickName");
    let created = post.json(&body).send().await?;
    cx.expect_status(&created, &[201])?;
    present(cx, &created, "id")?;
    present(cx, &created, "nickName")?;
    absent(cx, &created, "title")?;
    let place = format!("{users}/{}", created.id().unwrap_or_default());
    let put = cx.request(http::Method::PUT, &place).query("excludedAttributes", "nickName");
    let replaced = put.json(&body).send().await?;
    cx.expect_status(&replaced, &[200])?;
    present(cx, &replaced, "title")?;
    absent(cx, &replaced, "nickName")
}
