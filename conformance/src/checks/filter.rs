//! Filters by meaning (RFC 7644 section 3.4.2.2): each is put to a known set of users, and what comes back is
//! compared with what `scim-core` finds in the same users.

use scim_core::urn;
use serde_json::{Value, json};

use super::after::expect_refusal;
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("filter.eq", Topic::Filter, &["7644-3.4.2.2-09", "7644-3.4.2.2-03"])
        .reason("eq finds those whose value is the same, and nobody else")
        .mend("Apply the filter; never answer with resources that do not match it.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.dataset().await?;
                let ada = data.person("ada")?.text("userName").unwrap_or_default().to_owned();
                finds(cx, &[&format!("userName eq {}", json!(ada)), "nickName eq \"Countess\""])
                    .await?;
                finds(cx, &["title eq \"Engineer\"", "nickName eq \"Count\""]).await
            })
        }),
    must("filter.eq.alone", Topic::Filter, &["7644-3.4.2.2-03", "7644-3.4.2.2-09"])
        .reason("userName eq finds exactly the one user, as every identity provider asks")
        .mend("Return the one user who has the name, and totalResults 1.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| Box::pin(eq_alone(cx))),
    must("filter.no-match", Topic::Filter, &["7644-3.4.2-09", "7644-3.4.2.2-03"])
        .reason("a filter that nothing matches is answered 200 with totalResults 0")
        .mend("Answer 200 with an empty ListResponse, never 404.")
        .needs(&[Need::Users, Need::Filter])
        .reads()
        .body(|cx| Box::pin(no_match(cx))),
    must("filter.ne", Topic::Filter, &["7644-3.4.2.2-10"])
        .reason("ne finds those whose value is another one")
        .mend("Support ne.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.dataset().await?;
                let ada = data.person("ada")?.text("userName").unwrap_or_default().to_owned();
                finds(cx, &[&format!("userName ne {}", json!(ada))]).await
            })
        }),
    may("filter.ne.unassigned", Topic::Filter, &["7644-3.4.2.2-10"])
        .reason("ne finds those without a value too, as not (… eq …) does")
        .mend("Treat ne as the negation of eq; the RFC leaves it open.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("nickName")])
        .body(|cx| Box::pin(finds(cx, &["nickName ne \"Countess\""]))),
    must("filter.co", Topic::Filter, &["7644-3.4.2.2-11"])
        .reason("co finds those whose value contains the text")
        .mend("Support co on strings.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("name.familyName")])
        .body(|cx| {
            Box::pin(finds(cx, &["name.familyName co \"ov\"", "name.familyName co \"щенк\""]))
        }),
    must("filter.sw", Topic::Filter, &["7644-3.4.2.2-12"])
        .reason("sw finds those whose value begins with the text, the whole value included")
        .mend("Support sw on strings.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(finds(cx, &["nickName sw \"M\"", "nickName sw \"Matz\"", "title sw \"Prof\""]))
        }),
    must("filter.ew", Topic::Filter, &["7644-3.4.2.2-13"])
        .reason("ew finds those whose value ends with the text, the whole value included")
        .mend("Support ew on strings.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &["nickName ew \"e\"", "nickName ew \"Matz\"", "title ew \"Engineer\""],
            ))
        }),
    must("filter.pr", Topic::Filter, &["7644-3.4.2.2-14"])
        .reason("pr finds those who have a value")
        .mend("Support pr; an empty list and null are no values.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("nickName"),
            Need::Attribute("title"),
            Need::Attribute("emails"),
        ])
        .body(|cx| Box::pin(finds(cx, &["nickName pr", "title pr", "emails pr"]))),
    must("filter.pr.false", Topic::Filter, &["7644-3.4.2.2-14"])
        .reason("false is a value: active pr finds the disabled too")
        .mend("Test for presence, not for truth.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("active")])
        .body(|cx| Box::pin(finds(cx, &["active pr"]))),
    must("filter.gt", Topic::Filter, &["7644-3.4.2.2-15"])
        .reason("gt, ge, lt and le compare strings in lexicographic order")
        .mend("Support the four operators on strings, in the order of their characters.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| Box::pin(ordered(cx))),
    must("filter.gt.date-time", Topic::Filter, &["7644-3.4.2.2-15", "7644-3.4.2.2-17"])
        .reason("dates compare in time, whatever their offset")
        .mend("Compare instants, not texts.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| Box::pin(in_time(cx))),
    must("filter.gt.boolean", Topic::Filter, &["7644-3.4.2.2-16", "7644-3.12-11"])
        .reason("gt and its like on a boolean are refused")
        .mend("Answer 400 invalidFilter.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("active")])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &["active gt true", "active le false"]))),
    must("filter.and-or-not", Topic::Filter, &["7644-3.4.2.2-22", "7644-3.4.2.2-03"])
        .reason("and, or and not combine expressions")
        .mend("Support the logical operators.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("userType"), Need::Attribute("active")])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &[
                    "userType eq \"Employee\" and active eq true",
                    "userType eq \"Contractor\" or userType eq \"Intern\"",
                    "not (userType eq \"Employee\") and userType pr",
                    "not (active eq true)",
                ],
            ))
        }),
    must("filter.precedence", Topic::Filter, &["7644-3.4.2.2-24"])
        .reason("not binds tighter than and, and tighter than or; parentheses come first")
        .mend("Parse or as the weakest operator, then and, then not.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("userType"),
            Need::Attribute("active"),
            Need::Attribute("nickName"),
        ])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &[
                    "userType eq \"Employee\" or userType eq \"Contractor\" and active eq false",
                    "(userType eq \"Employee\" or userType eq \"Contractor\") and active eq false",
                    "not (active eq true) or nickName pr and userType eq \"Employee\"",
                    "not (active eq true or nickName pr)",
                ],
            ))
        }),
    must("filter.names-any-case", Topic::Filter, &["7644-3.4.2.2-08", "7643-2.1-01"])
        .reason("letter case does not count in attribute names and operators")
        .mend("Compare names and operators without regard to case.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("nickName"), Need::Attribute("title")])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &["NICKNAME Eq \"Countess\" OR Title SW \"Prof\"", "nOt (nickName PR)"],
            ))
        }),
    must("filter.qualified", Topic::Filter, &["7644-3.4.2.2-27"])
        .reason("an attribute may be written with its schema's URN")
        .mend("Resolve urn:…:User:nickName as nickName.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("nickName"),
            Need::Attribute("name.familyName"),
        ])
        .body(|cx| {
            Box::pin(async move {
                let nick = format!("{}:nickName eq \"Countess\"", urn::USER);
                let family = format!("{}:name.familyName sw \"L\"", urn::USER);
                finds(cx, &[&nick, &family]).await
            })
        }),
    must("filter.sub-attribute", Topic::Filter, &["7644-3.4.2.2-26"])
        .reason("complex attributes are filtered by a sub-attribute")
        .mend("Resolve name.familyName.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("name.familyName"),
            Need::Attribute("name.givenName"),
        ])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &[
                    "name.familyName eq \"Hopper\"",
                    "name.givenName eq \"Ada\" or name.givenName eq \"Ken\"",
                ],
            ))
        }),
    should("filter.complex-itself", Topic::Filter, &["7644-3.4.2.2-26", "7644-3.12-11"])
        .reason("comparing a complex attribute itself is refused")
        .mend("Answer 400 invalidFilter to name eq \"x\".")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("name")])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &["name eq \"Lovelace\""]))),
    must("filter.multi-valued", Topic::Filter, &["7644-3.4.2.2-25"])
        .reason("a multi-valued attribute matches when any of its values does")
        .mend("Look at every element.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("emails.value"),
            Need::Attribute("emails.type"),
        ])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &["emails.value ew \"@home.example.net\"", "emails.type eq \"home\""],
            ))
        }),
    may("filter.value-path", Topic::Filter, &["7644-3.4.2.2-18"])
        .reason("a filter in brackets picks elements of a multi-valued attribute")
        .mend("Support emails[type eq \"work\" and value co \"x\"].")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("emails.type")])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &["emails[type eq \"home\"]", "emails[type eq \"work\" and value sw \"x\"]"],
            ))
        }),
    must("filter.value-path.one-element", Topic::Filter, &["7644-3.4.2.2-19"])
        .reason("all expressions in brackets hold for one and the same element")
        .mend("Evaluate the bracket filter for each element alone.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("emails.type")])
        .body(|cx| Box::pin(one_element(cx))),
    must("filter.value-path.sub-attributes", Topic::Filter, &["7644-3.4.2.2-20"])
        .reason("in brackets stands a filter over the sub-attributes")
        .mend("Answer 400 invalidFilter when the brackets hold no valid filter.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("emails.type")])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &["emails[]", "emails[type]", "emails[type eq \"work\""]))),
    must("filter.values", Topic::Filter, &["7644-3.4.2.2-23"])
        .reason("values are JSON: strings with escapes, true and false")
        .mend("Read the value as JSON, escapes included.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("title"),
            Need::Attribute("nickName"),
            Need::Attribute("active"),
        ])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &[
                    r#"title eq "Lead \"Apollo\" \\ Engineer""#,
                    r#"nickName eq "\u0043ountess""#,
                    "title co \"😀\"",
                    r#"title ew "\ud83d\ude00""#,
                    "active eq false",
                    "active eq true",
                ],
            ))
        }),
    must("filter.unicode", Topic::Filter, &["7644-3.4.2.2-23", "7644-3.4.2.2-09"])
        .reason("text in any script is found")
        .mend("Compare characters, not bytes of one encoding or another.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Attribute("name.familyName"),
            Need::Attribute("title"),
        ])
        .body(|cx| {
            Box::pin(finds(
                cx,
                &[
                    "name.familyName eq \"Ющенко\"",
                    "name.givenName sw \"ゆき\"",
                    "title co \"gęśl\"",
                    "name.familyName co \"'\"",
                ],
            ))
        }),
    must("filter.case-insensitive", Topic::Filter, &["7644-3.4.2.2-31", "7643-7-09"])
        .reason("attributes that are not caseExact match in any letter case")
        .mend("Fold letter case when comparing an attribute with caseExact false.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| Box::pin(any_case(cx))),
    must("filter.case-exact", Topic::Filter, &["7644-3.4.2.2-31", "7643-7-09"])
        .reason("attributes that are caseExact match in their own letter case only")
        .mend("Compare exactly when caseExact is true, as for externalId and id.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| Box::pin(exact_case(cx))),
    must("filter.defaulted", Topic::Filter, &["7644-3.4.2.2-28"])
        .reason("a defaulted attribute is filtered by the value that the client was shown")
        .mend("Store the default that you return.")
        .needs(&[Need::Users, Need::Filter, Need::Attribute("active")])
        .body(|cx| Box::pin(defaulted(cx))),
    must("filter.unknown-operator", Topic::Filter, &["7644-3.4.2.2-30", "7644-3.12-11"])
        .reason("an unknown operator is refused")
        .mend("Answer 400 invalidFilter.")
        .needs(&[Need::Users, Need::Filter])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &["userName regex \"x\"", "userName = \"x\""]))),
    must("filter.malformed", Topic::Filter, &["7644-3.4.2.2-22", "7644-3.4.2.2-05"])
        .reason("a filter that does not follow the grammar is refused")
        .mend("Parse the whole filter and answer 400 invalidFilter.")
        .needs(&[Need::Users, Need::Filter])
        .reads()
        .body(|cx| {
            Box::pin(refuses(
                cx,
                &[
                    "userName eq",
                    "userName",
                    "userName eq \"x",
                    "(userName eq \"x\"",
                    "userName eq \"x\")",
                    "userName eq \"x\" and",
                    "and userName eq \"x\"",
                    "userName eq \"x\" userName eq \"y\"",
                    "not userName eq \"x\"",
                    "eq \"x\"",
                    "userName eq x",
                    "userName eq 'x'",
                ],
            ))
        }),
    should("filter.empty", Topic::Filter, &["7644-3.4.2.2-04"])
        .reason("an empty filter is refused")
        .mend("Answer 400 invalidFilter rather than the whole directory.")
        .needs(&[Need::Users, Need::Filter])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &[""]))),
    should("filter.unknown-attribute", Topic::Filter, &["7644-3.4.2.2-22"])
        .reason("a filter on an attribute that no schema has is refused")
        .mend("Answer 400 invalidFilter, so that a misspelt filter is not taken for \"nobody\".")
        .needs(&[Need::Users, Need::Filter, Need::Schemas])
        .reads()
        .body(|cx| Box::pin(refuses(cx, &["scimConformanceNoSuch eq \"x\""]))),
    should("security.password-filter", Topic::Security, &["7643-7-19"])
        .reason("a password cannot be guessed by filters")
        .mend("Answer 400 invalidFilter or 403 sensitive when a filter names password.")
        .needs(&[Need::Users, Need::Filter, Need::Password])
        .body(|cx| Box::pin(password(cx))),
];

/// Each filter finds in the data set whom it should.
pub(super) async fn finds(cx: &Cx, filters: &[&str]) -> Verdict {
    let data = cx.dataset().await?;
    for filter in filters {
        let expected = data.expected(filter)?;
        let found = cx.matching(filter).await?;
        cx.expect(found).to_be(expected, &format!("{filter} finds the right users"))?;
    }
    Ok(())
}

/// Each filter is refused with 400 invalidFilter.
async fn refuses(cx: &Cx, filters: &[&str]) -> Verdict {
    let users = cx.served().users().to_owned();
    for filter in filters {
        let answer = cx.list(&users, &[("filter", filter), ("count", "1")]).await?;
        cx.ensure_on(&answer, !answer.is_success(), &format!("the filter {filter:?} is refused"))?;
        expect_refusal(cx, &answer, &[400], &["invalidFilter"])?;
    }
    Ok(())
}

async fn eq_alone(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let grace = data.person("grace")?;
    let name = grace.text("userName").unwrap_or_default();
    let users = cx.served().users().to_owned();
    let answer = cx.list(&users, &[("filter", &format!("userName eq {}", json!(name)))]).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.ids())
        .to_be(vec![grace.id.as_str()], "the one user comes back")?;
    cx.expect_on(&answer, answer.total()).to_be(Some(1), "totalResults is 1")
}

async fn no_match(cx: &Cx) -> Verdict {
    let users = cx.served().users().to_owned();
    let filter = format!("userName eq {}", json!(cx.unique_mail("nobody")));
    let answer = cx.list(&users, &[("filter", &filter)]).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.resources().len()).to_be(0, "nobody matches")?;
    cx.expect_on(&answer, answer.total()).to_be(Some(0), "totalResults is 0")
}

async fn ordered(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let pivot = data.person("grace")?.text("userName").unwrap_or_default().to_owned();
    for operator in ["gt", "ge", "lt", "le"] {
        finds(cx, &[&format!("userName {operator} {}", json!(pivot))]).await?;
    }
    Ok(())
}

async fn in_time(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let created = |person: &crate::context::Person| {
        let text = person.text("meta.lastModified")?;
        chrono::DateTime::parse_from_rfc3339(text).ok()
    };
    let Some(instant) = data.people().iter().filter_map(created).max() else {
        return cx.skip("the target does not return meta.lastModified");
    };
    let zones =
        [0, 2, -7].into_iter().filter_map(|hours| chrono::FixedOffset::east_opt(hours * 3600));
    for zone in zones {
        let text = json!(instant.with_timezone(&zone).to_rfc3339());
        let later = json!((instant + chrono::Duration::hours(1)).with_timezone(&zone).to_rfc3339());
        let earlier =
            json!((instant - chrono::Duration::hours(1)).with_timezone(&zone).to_rfc3339());
        let filters = [
            format!("meta.lastModified le {text}"),
            format!("meta.lastModified gt {text}"),
            format!("meta.lastModified lt {later}"),
            format!("meta.lastModified ge {later}"),
            format!("meta.lastModified gt {earlier}"),
        ];
        finds(cx, &filters.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

async fn one_element(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let users = cx.served().users().to_owned();
    let work = "emails[type eq \"work\" and value ew \"@home.example.net\"]";
    let probe = cx.list(&users, &[("filter", &data.scoped("emails[type eq \"home\"]"))]).await?;
    if !probe.is_success() {
        return cx.skip("the target does not support filters in brackets, which are optional");
    }
    // Three people have a home address at home.example.net and a work address elsewhere.
    finds(cx, &[work, "emails[type eq \"home\" and value ew \"@home.example.net\"]"]).await
}

async fn any_case(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let served = cx.served();
    let exact = |path: &str| {
        served
            .type_of(served.users())
            .and_then(|kind| served.attribute(kind, path))
            .map(|a| a.case_exact)
    };
    if exact("userName") == Some(true) {
        return cx.skip("the served schema says that userName is caseExact");
    }
    let name = data.person("ada")?.text("userName").unwrap_or_default().to_uppercase();
    finds(cx, &[&format!("userName eq {}", json!(name))]).await?;
    if exact("nickName") == Some(false) {
        finds(cx, &["nickName eq \"COUNTESS\"", "nickName co \"GRACE\"", "nickName sw \"KEN\""])
            .await?;
    }
    Ok(())
}

async fn exact_case(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let users = cx.served().users().to_owned();
    let Some(external) = data.person("ada")?.text("externalId").map(str::to_owned) else {
        return cx.skip("the target does not return externalId");
    };
    let count = |name: String| {
        let users = users.clone();
        async move {
            let filter = format!("externalId eq {}", json!(name));
            let answer = cx.list(&users, &[("filter", &filter)]).await?;
            cx.expect_status(&answer, &[200])?;
            Ok::<_, Stop>(answer.resources().len())
        }
    };
    cx.expect(count(external.clone()).await?)
        .to_be(1, "externalId in its own letter case is found")?;
    cx.expect(count(external.to_uppercase()).await?)
        .to_be(0, "externalId in another letter case is not found")
}

async fn defaulted(cx: &Cx) -> Verdict {
    let user = cx.user().without("active").create().await?;
    let read = cx.read(&user).await?;
    let Some(active) = read.get("active").and_then(Value::as_bool) else {
        return cx.skip("the target does not default active");
    };
    let users = cx.served().users().to_owned();
    let filter = format!("userName eq {} and active eq {active}", json!(user.name()));
    let answer = cx.list(&users, &[("filter", &filter)]).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.ids())
        .to_be(vec![user.id()], "the default that was shown is found")
}

async fn password(cx: &Cx) -> Verdict {
    const PASSWORD: &str = "Sc1m-Guess!4711-Me";
    let user = cx.user().with("password", PASSWORD).create().await?;
    let users = cx.served().users().to_owned();
    for condition in [format!("password eq {}", json!(PASSWORD)), "password sw \"Sc1m\"".to_owned()]
    {
        let filter = format!("userName eq {} and {condition}", json!(user.name()));
        let answer = cx.list(&users, &[("filter", &filter)]).await?;
        cx.ensure_on(
            &answer,
            !answer.ids().contains(&user.id()),
            "a filter on password finds nobody",
        )?;
    }
    Ok(())
}
