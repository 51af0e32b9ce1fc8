//! Creating with POST (RFC 7644 section 3.3).

use std::collections::BTreeSet;

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::helpers_a::{
    comparable, folded, has_schema, list_of, made_path, plain_attribute, resolve, reversed, rich,
    same_url, swapped_case, text, without,
};
use crate::check::{Check, Need, Stop, Topic, may, must, should};
use crate::context::{Answer, Cx, Fixture};
use crate::json::at;

pub(crate) const CHECKS: &[Check] = &[
    STATUS,
    BODY,
    LOCATION,
    META,
    MINIMAL,
    MATCHES_READ,
    ID_IGNORED,
    META_IGNORED,
    GROUPS_IGNORED,
    UNIQUE_IDS,
    USER_NAME_MISSING,
    USER_NAME_EMPTY,
    REQUIRED_CAUSE,
    DUPLICATE,
    DUPLICATE_CASE,
    DUPLICATE_STATUS,
    NOT_UNIQUE,
    EXTERNAL_ID_NOT_INVENTED,
    EXTERNAL_ID_NOT_UNIQUE,
    DEFAULTS,
    MEMBER_ORDER,
    NAME_CASE,
];

const STATUS: Check = must("create.answer.status", Topic::Create, &["7644-3.3-05"])
    .reason("a successful create gives 201")
    .mend("Answer 201 Created to a POST that created a resource.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.user().post().await?;
            cx.expect_status(&answer, &[201])
        })
    });

const BODY: Check = should(
    "create.answer.body",
    Topic::Create,
    &["7644-3.3-06", "7643-2.1-02", "7643-3-02", "7643-7-11"],
)
.reason("the answer to a create holds the created resource")
.mend("Send the new resource with id, schemas and meta in the body of the 201.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let answer = user.answer();
        cx.ensure_on(answer, answer.value().is_object(), "the body is a JSON object")?;
        cx.ensure_on(answer, answer.id().is_some(), "it has the id")?;
        cx.expect_on(answer, folded(answer.text("userName")))
            .to_be(folded(Some(user.name())), "it has the userName sent")?;
        cx.ensure_on(answer, has_schema(&answer.value(), urn::USER), "it names its schemas")?;
        cx.ensure_on(answer, answer.get("meta").is_some(), "it has meta")
    })
});

const LOCATION: Check =
    must("create.answer.location", Topic::Create, &["7644-3.3-07", "7643-3.1-26"])
        .reason("the new resource's URL is in Location and in meta.location, and they agree")
        .mend("Send Location with the 201 and put the same URL into meta.location.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let Some(location) = user.answer().header("location") else {
                    return cx.fail_on(user.answer(), "the 201 has no Location header");
                };
                let read = cx.read(&resolve(cx, location)).await?;
                let Some(inside) = read.text("meta.location") else {
                    return cx.fail_on(&read, "the resource has no meta.location");
                };
                let rule = "meta.location is the Location of the 201";
                cx.expect_on(&read, inside).to_hold(
                    |url| same_url(cx, url, location),
                    location,
                    rule,
                )
            })
        });

const META: Check = must(
    "create.answer.meta",
    Topic::Create,
    &["7643-3.1-02", "7644-3.3.1-01", "7643-3.1-05", "7643-3-01", "7643-3.1-22"],
)
.reason("the server assigns the id, and resourceType, created, lastModified and location in meta")
.mend("Give every new resource an id and a whole meta; resourceType is the name at /ResourceTypes.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let read = cx.read(&user).await?;
        cx.ensure_on(&read, read.id().is_some_and(|id| !id.is_empty()), "id is not empty")?;
        let name = cx.served().type_of("User").map_or("User", |kind| &kind.name);
        cx.expect_on(&read, read.text("meta.resourceType"))
            .to_be(Some(name), "meta.resourceType is the name of the resource type")?;
        for path in ["meta.created", "meta.lastModified", "meta.location"] {
            let rule = format!("{path} is assigned");
            cx.ensure_on(&read, read.text(path).is_some_and(|v| !v.is_empty()), &rule)?;
        }
        Ok(())
    })
});

const MINIMAL: Check = must("create.body.minimal", Topic::Create, &["7643-2.2-01", "7643-6-11"])
    .reason("what is not announced as required may be left out, extensions included")
    .mend("Announce what you require with required true, or accept users without it.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            // The fixture holds what the served schemas require and nothing else.
            let answer = cx.user().post().await?;
            let rule = "a user with all required attributes is created";
            cx.ensure_on(&answer, answer.is_success(), rule)
        })
    });

const MATCHES_READ: Check =
    must("create.answer.matches-read", Topic::Create, &["7644-3.1-05", "7644-3.4.1-01"])
        .reason("the answer to a create shows what a read shows afterwards")
        .mend("Answer a create with the resource as it is stored.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = rich(cx).create().await?;
                if user.answer().id().is_none() {
                    return cx.skip("the 201 has no body to compare");
                }
                let read = cx.read(&user).await?;
                let told = comparable(&user.answer().value());
                cx.expect_on(&read, comparable(&read.value()))
                    .to_be(told, "the read shows what the 201 showed")
            })
        });

const ID_IGNORED: Check = must(
    "mutability.create.id",
    Topic::Mutability,
    &["7643-3.1-09", "7644-3.3-01", "7643-7-12", "7643-3.1-03"],
)
.reason("an id in the body of a create is ignored, neither adopted nor refused")
.mend("Drop readOnly attributes from the body of a POST and assign the id yourself.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let wanted = cx.unique("id");
        let answer = created(cx, cx.user().raw("id", wanted.as_str())).await?;
        cx.expect_on(&answer, answer.id()).not_to_be(Some(&wanted), "the server assigns the id")?;
        let read = cx.get(&format!("{}/{wanted}", cx.served().users())).await?;
        cx.expect_status(&read, &[404])
    })
});

const META_IGNORED: Check = must(
    "mutability.create.meta",
    Topic::Mutability,
    &["7643-3.1-19", "7644-3.3-01", "7644-3.3.1-01", "7643-3.1-20"],
)
.reason("meta in the body of a create is ignored")
.mend("Drop meta from the body of a POST; resourceType follows from the endpoint.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let sent = json!({
            "resourceType": "Group",
            "created": "1999-01-01T00:00:00Z",
            "lastModified": "1999-01-01T00:00:00Z",
            "location": "https://example.com/elsewhere",
            "version": "W/\"from-the-client\"",
        });
        let answer = created(cx, cx.user().raw("meta", sent.clone())).await?;
        let read = cx.read(&made_path(cx, &answer)?).await?;
        for name in ["resourceType", "created", "lastModified", "location", "version"] {
            cx.expect_on(&read, read.text(&format!("meta.{name}")))
                .not_to_be(text(&sent, name), &format!("meta.{name} is the server's"))?;
        }
        Ok(())
    })
});

const GROUPS_IGNORED: Check = must(
    "mutability.create.groups",
    Topic::Mutability,
    &["7643-4.1.2-18", "7644-3.3-01", "7643-7-12"],
)
.reason("groups in the body of a create is ignored: membership changes through Group")
.mend("Drop the readOnly attribute groups from the body of a POST.")
.needs(&[Need::Users, Need::Groups, Need::Attribute("groups")])
.body(|cx| {
    Box::pin(async move {
        let group = cx.group().create().await?;
        let groups = json!([{"value": group.id(), "type": "direct"}]);
        let answer = created(cx, cx.user().raw("groups", groups)).await?;
        let read = cx.read(&made_path(cx, &answer)?).await?;
        cx.expect_on(&read, read.list("groups").len()).to_be(0, "the user is in no group")
    })
});

const UNIQUE_IDS: Check =
    must("uniqueness.id.all-types", Topic::Uniqueness, &["7643-3.1-06", "7643-3.1-10"])
        .reason("ids are unique over all resource types and never hold the word bulkId")
        .mend("Draw ids from one space for all types.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let mut made = vec![cx.user().create().await?, cx.user().create().await?];
                if cx.served().type_of("Group").is_some() {
                    made.push(cx.group().create().await?);
                    made.push(cx.group().create().await?);
                }
                let ids: Vec<&str> = made.iter().map(|one| one.id()).collect();
                let distinct: BTreeSet<&str> = ids.iter().copied().collect();
                cx.expect(ids.clone()).to_hold(
                    |ids| ids.len() == distinct.len(),
                    "each id once",
                    "no two resources share an id",
                )?;
                let reserved = |id: &&str| id.to_ascii_lowercase().contains("bulkid");
                cx.expect(ids.into_iter().find(reserved))
                    .to_be(None, "no id holds the reserved word bulkId")
            })
        });

const USER_NAME_MISSING: Check = must(
    "create.user-name.missing",
    Topic::Create,
    &["7643-4.1.1-01", "7644-3.3-09", "7643-4.1.1-04"],
)
.reason("a user without userName is refused")
.mend("Answer 400 invalidValue to a User without userName.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        for user in [cx.user().without("userName"), cx.user().raw("userName", Value::Null)] {
            let answer = user.post().await?;
            cx.expect_status(&answer, &[400])?;
        }
        Ok(())
    })
});

const USER_NAME_EMPTY: Check = must("create.user-name.empty", Topic::Create, &["7643-4.1.1-01"])
    .reason("a user with an empty userName is refused")
    .mend("Answer 400 invalidValue to an empty userName.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.user().raw("userName", "").post().await?;
            cx.expect_status(&answer, &[400])
        })
    });

const REQUIRED_CAUSE: Check = should(
    "errors.required.cause",
    Topic::Errors,
    &["7644-3.3-09", "7644-3.12-18", "7644-3.12-03"],
)
.reason("a missing required attribute is refused with 400 invalidValue")
.mend("Name the cause with scimType invalidValue.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let answer = cx.user().without("userName").post().await?;
        cx.expect_scim_error(&answer, &[400], Some("invalidValue"))
    })
});

const DUPLICATE: Check = must(
    "uniqueness.create.user-name",
    Topic::Uniqueness,
    &["7643-4.1.1-02", "7644-3.3-08", "7643-7-22", "7643-7-24"],
)
.reason("a userName that is taken is refused")
.mend("Answer 409 uniqueness to a create with a userName that another user has.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let again = cx.post(user.endpoint(), user.sent()).await?;
        // 400 is what RFC 7643 section 7 would allow; that 409 is right is another check's matter.
        cx.expect_status(&again, &[409, 400])
    })
});

const DUPLICATE_CASE: Check = must(
    "uniqueness.create.user-name-case",
    Topic::Uniqueness,
    &["7643-4.1.1-03", "7643-4.1.1-02"],
)
.reason("userName is compared without regard to case when its uniqueness is checked")
.mend("Compare userName case-insensitively.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let other = user.sent_but(&[("userName", json!(swapped_case(user.name())))]);
        let again = cx.post(user.endpoint(), &other).await?;
        cx.expect_status(&again, &[409, 400])
    })
});

const DUPLICATE_STATUS: Check = should(
    "uniqueness.create.status",
    Topic::Uniqueness,
    &["7644-3.3-08", "7644-3.12-13", "7644-3.12-08"],
)
.reason("a duplicate is refused with 409 and the scimType uniqueness")
.mend("Answer 409 with scimType uniqueness, not 400.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let user = cx.user().create().await?;
        let again = cx.post(user.endpoint(), user.sent()).await?;
        cx.expect_scim_error(&again, &[409], Some("uniqueness"))
    })
});

const NOT_UNIQUE: Check = must("uniqueness.none.same-value", Topic::Uniqueness, &["7643-2.2-06"])
    .reason("an attribute without announced uniqueness may have one value in two resources")
    .mend("Announce uniqueness server on what you keep unique, or accept equal values.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let path = plain_attribute(cx)?;
            let value = cx.unique("same");
            cx.user().with(path, value.as_str()).create().await?;
            let again = cx.user().with(path, value.as_str()).post().await?;
            let rule = format!("two users may have the same {path}");
            cx.ensure_on(&again, again.is_success(), &rule)
        })
    });

const EXTERNAL_ID_NOT_INVENTED: Check =
    must("create.external-id.not-invented", Topic::Create, &["7643-3.1-15"])
        .reason("externalId is the client's: the server does not make one up")
        .mend("Leave externalId unassigned unless the client sends it.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().without("externalId").create().await?;
                cx.expect_on(user.answer(), user.get("externalId"))
                    .to_be(None, "the 201 has no externalId")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.get("externalId"))
                    .to_be(None, "the read has no externalId")
            })
        });

const EXTERNAL_ID_NOT_UNIQUE: Check =
    should("uniqueness.external-id.none", Topic::Uniqueness, &["7643-3.1-17"])
        .reason("the server does not keep externalId unique")
        .mend("Accept a second resource with the same externalId, or document the 409.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let external = cx.unique("external");
                for _ in 0..2 {
                    let answer = cx.user().raw("externalId", external.as_str()).post().await?;
                    let rule = "two users may have one externalId";
                    cx.ensure_on(&answer, answer.is_success(), rule)?;
                }
                Ok(())
            })
        });

const DEFAULTS: Check = may("create.defaults.active", Topic::Create, &["7644-3.3-02"])
    .reason("active, left out, is unassigned or gets a boolean default that stays")
    .mend("Assign the default when the user is created, not anew in each answer.")
    .needs(&[Need::Users, Need::Attribute("active")])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().without("active").create().await?;
            let told = user.get("active");
            cx.expect_on(user.answer(), told).to_hold(
                |told| told.is_none_or(Value::is_boolean),
                "a boolean or nothing",
                "the default of active",
            )?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.get("active")).to_be(told, "the default stays")
        })
    });

const MEMBER_ORDER: Check =
    must("create.body.member-order", Topic::Create, &["7643-2.3.8-01", "7643-2.4-01"])
        .reason("the order of members in the body means nothing")
        .mend("Read the whole body before interpreting it; schemas may come last.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let body = rich(cx).body()?;
                let others = reversed(&without(&body, &["schemas"]));
                let others = others.strip_suffix('}').unwrap_or(&others);
                let schemas = json!(list_of(&body, "schemas"));
                let schemas_last = format!("{others},\"schemas\":{schemas}}}");
                let answer =
                    cx.request(Method::POST, cx.served().users()).raw(schemas_last).send().await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, folded(read.text("userName")))
                    .to_be(folded(text(&body, "userName")), "userName arrived")?;
                for email in list_of(&body, "emails") {
                    let same = |one: &&Value| {
                        folded(text(one, "value")) == folded(text(email, "value"))
                            && at(one, "type") == at(email, "type")
                    };
                    let found = read.list("emails").iter().find(same);
                    cx.ensure_on(&read, found.is_some(), &format!("{email} arrived"))?;
                }
                Ok(())
            })
        });

const NAME_CASE: Check = must("attributes.name.case", Topic::Attributes, &["7643-2.1-01"])
    .reason("attribute names in a body are matched without regard to case")
    .mend("Compare attribute names case-insensitively when reading bodies.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let name = cx.unique_mail("case");
            // It takes the place of userName.
            let user = cx.user().raw("USERNAME", name.as_str());
            let answer = created(cx, user).await?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, folded(read.text("userName")))
                .to_be(folded(Some(&name)), "USERNAME is userName")
        })
    });

/// Creates, and fails the check unless that gives a 201.
async fn created(cx: &Cx, user: Fixture<'_>) -> Result<Answer, Stop> {
    let answer = user.post().await?;
    cx.expect_status(&answer, &[201])?;
    Ok(answer)
}
