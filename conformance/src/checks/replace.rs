//! Replacing with PUT (RFC 7644 section 3.5.1).

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::helpers_a::{
    comparable, folded, has_schema, is_refusal, plain_attribute, refused, swapped_case, text_at,
    user_attribute, without,
};
use crate::check::{Check, Need, Stop, Topic, may, must, should};
use crate::context::{Answer, Cx, Made};
use crate::json::at;

pub(crate) const CHECKS: &[Check] = &[
    WORKS,
    BODY,
    VALUES,
    SENT_BACK,
    OMITTED,
    NULL,
    EMPTY_ARRAY,
    UNKNOWN,
    ID_KEPT,
    ID_IGNORED,
    META_IGNORED,
    GROUPS_IGNORED,
    READ_ONLY_IGNORED,
    IMMUTABLE,
    IMMUTABLE_CAUSE,
    IMMUTABLE_UNSET,
    REQUIRED,
    DUPLICATE,
    DUPLICATE_STATUS,
    DUPLICATE_CASE,
    UNCHANGED,
    ADDRESSED_ONLY,
];

const WORKS: Check = must("replace.one.works", Topic::Replace, &["7644-3.5-01", "7644-3.2-04"])
    .reason("PUT on a resource is supported")
    .mend("Implement PUT on every resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let put = cx.put(&user, user.sent()).await?;
            cx.ensure_on(&put, put.is_success(), "PUT of what was created is accepted")?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, folded(read.text("userName")))
                .to_be(folded(Some(user.name())), "the resource is what was put")
        })
    });

const BODY: Check =
    should("replace.answer.body", Topic::Replace, &["7644-3.5.1-12", "7644-3.1-05"])
        .reason("a successful PUT gives 200 with the whole resource")
        .mend("Answer PUT with 200 and the resource as it is stored.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let put = cx.put(&user, user.sent()).await?;
                cx.expect_status(&put, &[200])?;
                cx.expect_on(&put, put.id()).to_be(Some(user.id()), "the body is the resource")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, comparable(&read.value()))
                    .to_be(comparable(&put.value()), "the read shows what the PUT showed")
            })
        });

const VALUES: Check = must(
    "replace.values.replaced",
    Topic::Replace,
    &["7644-3.5.1-04", "7643-2.2-04", "7644-3.1-05"],
)
.reason("the values given replace the old ones")
.mend("Store the values of the body in place of the old ones.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let attribute = plain_attribute(cx)?;
        let user = cx.user().with(attribute, "Before").create().await?;
        accepted(cx, &user, &but(&user, attribute, json!("After"))).await?;
        let read = cx.read(&user).await?;
        cx.expect_on(&read, read.text(attribute))
            .to_be(Some("After"), &format!("{attribute} has the new value"))
    })
});

const SENT_BACK: Check = must(
    "replace.values.sent-back",
    Topic::Replace,
    &["7644-3.5.1-10", "7643-7-12", "7644-3.5-01"],
)
.reason("what a GET showed can be sent back with PUT: readOnly values in it are ignored")
.mend("Ignore readOnly attributes (id, meta, groups and others) in the body of a PUT.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = super::helpers_a::rich(cx).create().await?;
        let read = cx.read(&user).await?;
        accepted(cx, &user, &read.value()).await?;
        let again = cx.read(&user).await?;
        cx.expect_on(&again, comparable(&again.value()))
            .to_be(comparable(&read.value()), "nothing has changed")
    })
});

const OMITTED: Check = may("replace.values.omitted", Topic::Replace, &["7644-3.5.1-05"])
    .reason("what a PUT leaves out is cleared or gets its default")
    .mend("Clear the attributes that the body of a PUT does not have.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let attribute = plain_attribute(cx)?;
            let user = cx.user().with(attribute, "Before").create().await?;
            accepted(cx, &user, &but(&user, attribute, Value::Null)).await?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.text(attribute))
                .not_to_be(Some("Before"), &format!("{attribute} is cleared"))
        })
    });

const NULL: Check =
    must("attributes.null.unassigned", Topic::Attributes, &["7643-2.5-02", "7643-2.5-03"])
        .reason("null makes an attribute unassigned")
        .mend("Read null as unassigned.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "Before").create().await?;
                let mut body = but(&user, attribute, Value::Null);
                match attribute.split_once('.') {
                    Some((name, sub)) => body[name] = json!({sub: null}),
                    None => body[attribute] = Value::Null,
                }
                accepted(cx, &user, &body).await?;
                let read = cx.read(&user).await?;
                // An empty string where text was is a value that nobody assigned.
                cx.expect_on(&read, read.get(attribute))
                    .to_be(None, &format!("{attribute} is unassigned"))
            })
        });

const EMPTY_ARRAY: Check =
    must("attributes.empty-array.unassigned", Topic::Attributes, &["7643-2.5-02", "7643-2.5-01"])
        .reason("an empty array makes a multi-valued attribute unassigned")
        .mend("Read [] as unassigned.")
        .needs(&[Need::Users, Need::Attribute("emails")])
        .body(|cx| {
            Box::pin(async move {
                let mail = cx.unique_mail("gone");
                let user = cx
                    .user()
                    .with("emails", json!([{"value": mail, "type": "work"}]))
                    .create()
                    .await?;
                let put = cx.put(&user, &user.sent_but(&[("emails", json!([]))])).await?;
                if put.status() == 400 && is_required(cx, "emails") {
                    return cx.skip("emails are required here");
                }
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.list("emails").len()).to_be(0, "there are no e-mails")
            })
        });

const UNKNOWN: Check =
    must("replace.unknown.not-created", Topic::Replace, &["7644-3.5.1-02", "7644-3.2-03"])
        .reason("PUT on an unknown id gives 404 and creates nothing")
        .mend("Answer 404 to PUT on an id that does not exist.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let path = format!("{}/{}", cx.served().users(), cx.unique("unknown"));
                let put = cx.put(&path, &cx.user().body()?).await?;
                cx.expect_status(&put, &[404])?;
                let read = cx.get(&path).await?;
                cx.expect_status(&read, &[404])
            })
        });

const ID_KEPT: Check =
    must("mutability.replace.id-kept", Topic::Mutability, &["7643-3.1-12", "7643-7-12"])
        .reason("an id in the body of a PUT does not change the id")
        .mend("Ignore id in the body of a PUT.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let other = cx.unique("id");
                let put = cx.put(&user, &user.sent_but(&[("id", json!(other))])).await?;
                // RFC 7644 section 3.12 shows an error in answer to this, so a refusal is not wrong.
                cx.expect_status(&put, &[200, 204, 400])?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.id()).to_be(Some(user.id()), "the id stays")?;
                let read = cx.get(&format!("{}/{other}", user.endpoint())).await?;
                cx.expect_status(&read, &[404])
            })
        });

const ID_IGNORED: Check =
    should("mutability.replace.id-ignored", Topic::Mutability, &["7644-3.5.1-10", "7643-3.1-12"])
        .reason("another id in the body of a PUT is ignored, not refused")
        .mend("Ignore readOnly values in a PUT.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let put = cx.put(&user, &user.sent_but(&[("id", json!(cx.unique("id")))])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")
            })
        });

const META_IGNORED: Check = must(
    "mutability.replace.meta",
    Topic::Mutability,
    &["7644-3.5.1-10", "7643-3.1-19", "7643-3.1-20"],
)
.reason("meta in the body of a PUT is ignored")
.mend("Ignore meta in the body of a PUT.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let before = cx.read(&user).await?;
        let meta = json!({
            "resourceType": "Group",
            "created": "1999-01-01T00:00:00Z",
            "location": "https://example.com/elsewhere",
        });
        accepted(cx, &user, &user.sent_but(&[("meta", meta)])).await?;
        let read = cx.read(&user).await?;
        for path in ["meta.resourceType", "meta.created", "meta.location"] {
            cx.expect_on(&read, read.text(path))
                .to_be(before.text(path), &format!("{path} stays"))?;
        }
        Ok(())
    })
});

const GROUPS_IGNORED: Check = must(
    "mutability.replace.groups",
    Topic::Mutability,
    &["7643-4.1.2-18", "7644-3.5.1-10", "7643-7-12"],
)
.reason("groups in the body of a PUT changes no membership")
.mend("Ignore the readOnly attribute groups in a PUT.")
.needs(&[Need::Users, Need::Groups, Need::Attribute("groups")])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let group = cx.group().create().await?;
        let groups = json!([{"value": group.id()}]);
        accepted(cx, &user, &user.sent_but(&[("groups", groups)])).await?;
        let read = cx.read(&user).await?;
        cx.expect_on(&read, read.list("groups").len()).to_be(0, "the user is in no group")?;
        let read = cx.read(&group).await?;
        cx.expect_on(&read, read.list("members").len()).to_be(0, "the group has no member")
    })
});

const READ_ONLY_IGNORED: Check = must(
    "mutability.replace.read-only",
    Topic::Mutability,
    &["7643-7-12", "7644-3.5.1-10", "7644-3.3-01"],
)
.reason("an attribute announced as readOnly is never set by a client")
.mend("Ignore readOnly attributes in POST and PUT.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let Some((path, _)) = user_attribute(cx, |a| {
            a.mutability.eq_ignore_ascii_case("readOnly") && a.kind.eq_ignore_ascii_case("string")
        }) else {
            return cx.skip("users have no further readOnly string attribute");
        };
        let value = cx.unique("mine");
        let user = cx.user().create().await?;
        let mut body = user.sent().clone();
        match path.rsplit_once(':') {
            Some((uri, name)) => body[uri][name] = json!(value),
            None => body[&path] = json!(value),
        }
        accepted(cx, &user, &body).await?;
        let read = cx.read(&user).await?;
        cx.expect_on(&read, read.text(&path))
            .not_to_be(Some(&value), &format!("{path} is the server's"))
    })
});

const IMMUTABLE: Check =
    must("mutability.immutable.kept", Topic::Mutability, &["7644-3.5.1-07", "7643-7-15"])
        .reason("an immutable attribute that has a value keeps it")
        .mend("Refuse, or leave alone, another value for an immutable attribute.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let path = immutable(cx)?;
                let user = cx.user().with(&path, "first").create().await?;
                let put = cx.put(&user, &changed(&user, &path, "second")).await?;
                cx.ensure_on(
                    &put,
                    put.is_success() || is_refusal(&put),
                    "the PUT is answered properly",
                )?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text(&path)).to_be(Some("first"), &format!("{path} stays"))
            })
        });

const IMMUTABLE_CAUSE: Check =
    should("mutability.immutable.cause", Topic::Mutability, &["7644-3.5.1-08", "7644-3.12-14"])
        .reason("another value for an immutable attribute gives 400 mutability")
        .mend("Answer 400 with scimType mutability.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let path = immutable(cx)?;
                let user = cx.user().with(&path, "first").create().await?;
                let put = cx.put(&user, &changed(&user, &path, "second")).await?;
                cx.expect_scim_error(&put, &[400], Some("mutability"))
            })
        });

const IMMUTABLE_UNSET: Check =
    must("mutability.immutable.unset", Topic::Mutability, &["7644-3.5.1-09"])
        .reason("an immutable attribute without a value takes the new one")
        .mend("Let a PUT set an immutable attribute that has no value yet.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let path = immutable(cx)?;
                let user = cx.user().create().await?;
                if cx.read(&user).await?.get(&path).is_some() {
                    return cx.skip(format!("{path} always has a value"));
                }
                accepted(cx, &user, &changed(&user, &path, "first")).await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text(&path))
                    .to_be(Some("first"), &format!("{path} is set"))
            })
        });

const REQUIRED: Check =
    must("replace.required.missing", Topic::Replace, &["7643-4.1.1-01", "7643-4.1.1-04"])
        .reason("a PUT without userName is refused and changes nothing")
        .mend("Answer 400 invalidValue to a PUT without a required attribute.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let before = cx.read(&user).await?;
                let put = cx.put(&user, &without(user.sent(), &["userName"])).await?;
                refused(cx, &put, &[400], &["invalidValue", "invalidSyntax", "mutability"])?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.value()).to_be(before.value(), "the user is as before")
            })
        });

const DUPLICATE: Check = must(
    "uniqueness.replace.user-name",
    Topic::Uniqueness,
    &["7643-4.1.1-02", "7644-3.5.1-13", "7643-7-24"],
)
.reason("a PUT onto another user's userName is refused")
.mend("Check uniqueness on PUT as on POST.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let (user, put) = onto_another(cx, |name| name.to_owned()).await?;
        cx.expect_status(&put, &[409, 400])?;
        let read = cx.read(&user).await?;
        cx.expect_on(&read, folded(read.text("userName")))
            .to_be(folded(Some(user.name())), "userName is as before")
    })
});

const DUPLICATE_CASE: Check = must(
    "uniqueness.replace.user-name-case",
    Topic::Uniqueness,
    &["7643-4.1.1-03", "7644-3.5.1-13"],
)
.reason("a PUT onto another user's userName in other letter case is refused")
.mend("Compare userName case-insensitively on PUT as on POST.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let (_, put) = onto_another(cx, swapped_case).await?;
        cx.expect_status(&put, &[409, 400])
    })
});

const DUPLICATE_STATUS: Check =
    should("uniqueness.replace.status", Topic::Uniqueness, &["7644-3.5.1-13", "7644-3.12-13"])
        .reason("a PUT that breaks uniqueness gives 409 with scimType uniqueness")
        .mend("Answer 409 with scimType uniqueness.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (_, put) = onto_another(cx, |name| name.to_owned()).await?;
                cx.expect_scim_error(&put, &[409], Some("uniqueness"))
            })
        });

const UNCHANGED: Check =
    must("errors.replace.unchanged", Topic::Errors, &["7644-3.1-05", "7644-3.12-15"])
        .reason("a refused PUT leaves the resource as it was")
        .mend("Validate the whole body before anything is stored.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "Before").create().await?;
                let before = cx.read(&user).await?;
                let mut bad = but(&user, attribute, json!("After"));
                bad["userName"] = json!({"not": "a string"});
                let put = cx.put(&user, &bad).await?;
                cx.ensure_on(&put, is_refusal(&put), "an object as userName is refused")?;
                let put = cx.request(Method::PUT, &user).raw("{\"schemas\":[").send().await?;
                cx.ensure_on(&put, is_refusal(&put), "broken JSON is refused")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.value()).to_be(before.value(), "the user is as before")
            })
        });

const ADDRESSED_ONLY: Check =
    must("replace.one.addressed-only", Topic::Replace, &["7644-3.2-04", "7643-3.1-05"])
        .reason("a PUT changes the addressed resource and no other, and its schemas stay")
        .mend("Replace the resource of the URL only.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let user = cx.user().with(attribute, "Before").create().await?;
                let other = cx.user().with(attribute, "Before").create().await?;
                accepted(cx, &user, &but(&user, attribute, json!("After"))).await?;
                let read = cx.read(&other).await?;
                cx.expect_on(&read, read.text(attribute))
                    .to_be(Some("Before"), "the other one stays")?;
                let read = cx.read(&user).await?;
                cx.ensure_on(
                    &read,
                    has_schema(&read.value(), urn::USER),
                    "schemas has the base schema",
                )
            })
        });

/// A PUT that has to be accepted.
async fn accepted(cx: &Cx, user: &Made, body: &Value) -> Result<Answer, Stop> {
    let put = cx.put(user, body).await?;
    cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
    Ok(put)
}

/// The body that was sent with another value at a path of at most two names; null leaves it out.
fn but(user: &Made, path: &str, value: Value) -> Value {
    match path.split_once('.') {
        Some((name, sub)) => {
            let mut inner = at(user.sent(), name).cloned().unwrap_or_else(|| json!({}));
            if value.is_null() {
                inner = without(&inner, &[sub]);
            } else {
                inner[sub] = value;
            }
            user.sent_but(&[(name, inner)])
        }
        None => user.sent_but(&[(path, value)]),
    }
}

/// The body that was sent with another value at a path, that of an extension included.
fn changed(user: &Made, path: &str, value: &str) -> Value {
    let mut body = user.sent().clone();
    match path.rsplit_once(':') {
        Some((uri, name)) => {
            body[uri][name] = json!(value);
            let listed = has_schema(&body, uri);
            if let (false, Some(schemas)) = (listed, body["schemas"].as_array_mut()) {
                schemas.push(json!(uri));
            }
        }
        None => body[path] = json!(value),
    }
    body
}

/// An immutable string attribute of users.
fn immutable(cx: &Cx) -> Result<String, Stop> {
    let found = user_attribute(cx, |a| {
        a.mutability.eq_ignore_ascii_case("immutable")
            && a.kind.eq_ignore_ascii_case("string")
            && a.canonical_values.is_empty()
            && !a.returned.eq_ignore_ascii_case("never")
            && !a.returned.eq_ignore_ascii_case("request")
    });
    found
        .map(|(path, _)| path)
        .ok_or_else(|| Stop::Skipped("users have no immutable string attribute".to_owned()))
}

/// Puts a user onto the name of another one, spelled so.
async fn onto_another(cx: &Cx, spell: impl Fn(&str) -> String) -> Result<(Made, Answer), Stop> {
    let taken = cx.user().create().await?;
    let user = cx.user().create().await?;
    let name = spell(text_at(taken.sent(), "userName").unwrap_or_default());
    let put = cx.put(&user, &user.sent_but(&[("userName", json!(name))])).await?;
    Ok((user, put))
}

fn is_required(cx: &Cx, name: &str) -> bool {
    let kind = cx.served().type_of("User");
    kind.and_then(|kind| cx.served().attribute(kind, name)).is_some_and(|a| a.required)
}
