//! The attributes of the User schema: names, addresses of all kinds, languages (RFC 7643 section 4.1).

use serde_json::{Value, json};

use super::attributes::announced;
use super::helpers_a::{folded, is_refusal, made_path, text};
use crate::check::{Check, Need, Topic, Verdict, may, must, should};
use crate::context::Cx;
use crate::served::ServedAttribute;

pub(crate) const CHECKS: &[Check] = &[
    EMAILS,
    TWO_PRIMARY,
    NO_PRIMARY,
    SAME_VALUE,
    SAME_PAIR,
    DISPLAY,
    OTHER_TYPE,
    EMAIL_HOST,
    EMAIL_BROKEN,
    PHONE,
    PHONE_FORM,
    IM_FORM,
    NAME,
    NAME_FORMATTED,
    DISPLAY_NAME,
    LANGUAGE,
    LANGUAGE_UNDERSCORE,
    LOCALE,
    TIME_ZONE,
    ADDRESS,
    ADDRESS_LINES,
    COUNTRY,
    ROLES,
    PHOTOS,
];

const EMAILS: Check =
    must("attributes.emails.value", Topic::Attributes, &["7643-2.4-01", "7643-2.4-02"])
        .reason("each value of a multi-valued attribute comes back with its type")
        .mend("Keep every value with its sub-attributes.")
        .needs(&[Need::Users, Need::Attribute("emails.type")])
        .body(|cx| {
            Box::pin(async move {
                let sent = json!([
                    {"type": "work", "value": cx.unique_mail("w"), "primary": true},
                    {"value": cx.unique_mail("h"), "type": "home"},
                ]);
                let user = cx.user().with("emails", sent.clone()).create().await?;
                let read = cx.read(&user).await?;
                let pairs = |all: &[Value]| {
                    let mut pairs: Vec<_> = all
                        .iter()
                        .map(|one| (folded(text(one, "value")), folded(text(one, "type"))))
                        .collect();
                    pairs.sort();
                    pairs
                };
                let expected = pairs(sent.as_array().map_or(&[], Vec::as_slice));
                cx.expect_on(&read, pairs(read.list("emails")))
                    .to_be(expected, "the e-mails are those sent")?;
                let primary = read.list("emails").iter().filter(|one| is_primary(one)).count();
                cx.expect_on(&read, primary).to_be(1, "one of them is primary")
            })
        });

const TWO_PRIMARY: Check = must("attributes.primary.once", Topic::Attributes, &["7643-2.4-03"])
    .reason("at most one value of an attribute is primary")
    .mend("Refuse two values with primary true, or keep one of them so.")
    .needs(&[Need::Users, Need::Attribute("emails.primary")])
    .body(|cx| {
        Box::pin(async move {
            let sent = json!([
                {"value": cx.unique_mail("a"), "type": "work", "primary": true},
                {"value": cx.unique_mail("b"), "type": "home", "primary": true},
            ]);
            let answer = cx.user().with("emails", sent).post().await?;
            if is_refusal(&answer) {
                return cx.expect_status(&answer, &[400]);
            }
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            let primary = read.list("emails").iter().filter(|one| is_primary(one)).count();
            cx.expect_on(&read, primary).to_hold(|n| *n <= 1, "0 or 1", "primary e-mails")
        })
    });

const NO_PRIMARY: Check = should("attributes.primary.absent", Topic::Attributes, &["7643-2.4-04"])
    .reason("a value that does not say primary is not primary")
    .mend("Do not make a value primary that the client did not.")
    .needs(&[Need::Users, Need::Attribute("emails.primary")])
    .body(|cx| {
        Box::pin(async move {
            let sent = json!([
                {"value": cx.unique_mail("a"), "type": "work"},
                {"value": cx.unique_mail("b"), "type": "home"},
            ]);
            let user = cx.user().with("emails", sent).create().await?;
            let read = cx.read(&user).await?;
            let primary = read.list("emails").iter().filter(|one| is_primary(one)).count();
            cx.expect_on(&read, primary).to_be(0, "no e-mail is primary")
        })
    });

const SAME_VALUE: Check = may("attributes.emails.same-value", Topic::Attributes, &["7643-2.4-07"])
    .reason("one value may stand under two types")
    .mend("Tell values apart by value and type.")
    .needs(&[Need::Users, Need::Attribute("emails.type")])
    .body(|cx| {
        Box::pin(async move {
            let mail = cx.unique_mail("both");
            let sent = json!([{"value": mail, "type": "work"}, {"value": mail, "type": "home"}]);
            let answer = cx.user().with("emails", sent).post().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.list("emails").len()).to_be(2, "both are kept")
        })
    });

const SAME_PAIR: Check = should("attributes.emails.same-pair", Topic::Attributes, &["7643-2.4-08"])
    .reason("the same value with the same type is not returned twice")
    .mend("Keep each pair of value and type once.")
    .needs(&[Need::Users, Need::Attribute("emails.type")])
    .body(|cx| {
        Box::pin(async move {
            let mail = cx.unique_mail("twice");
            let sent = json!([{"value": mail, "type": "work"}, {"value": mail, "type": "work"}]);
            let answer = cx.user().with("emails", sent).post().await?;
            if is_refusal(&answer) {
                return cx.expect_status(&answer, &[400]);
            }
            let read = cx.read(&made_path(cx, &answer)?).await?;
            let count = read.list("emails").len();
            cx.expect_on(&read, count).to_be_one_of(&[1, 2], "the e-mails of the user")?;
            // What counts as the same where sub-attributes differ is not said, so this is a warning only.
            if count > 1 {
                cx.warn("an e-mail sent twice with the same type is returned twice");
            }
            Ok(())
        })
    });

const DISPLAY: Check = must("attributes.display.read-write", Topic::Attributes, &["7643-2.4-10"])
    .reason("display of an e-mail can be changed where the schema says readWrite")
    .mend("Store the display that is sent, or announce it as readOnly or immutable.")
    .needs(&[Need::Users, Need::Attribute("emails.display")])
    .body(|cx| {
        Box::pin(async move {
            let open = announced(cx, "emails.display")
                .is_some_and(|a| a.mutability.eq_ignore_ascii_case("readWrite"));
            if !open {
                return cx.skip("emails.display is not announced as readWrite");
            }
            let mail = cx.unique_mail("d");
            let emails =
                |display: &str| json!([{"value": mail, "type": "work", "display": display}]);
            let user = cx.user().with("emails", emails("Before")).create().await?;
            let put = cx.put(&user, &user.sent_but(&[("emails", emails("After"))])).await?;
            cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.text("emails.0.display"))
                .to_be(Some("After"), "display is new")
        })
    });

const OTHER_TYPE: Check =
    may("attributes.canonical-values.other", Topic::Attributes, &["7643-2.3.1-03", "7643-7-08"])
        .reason("a type outside canonicalValues is accepted, or refused with 400, each time alike")
        .mend("Treat unknown types alike on every request.")
        .needs(&[Need::Users, Need::Attribute("emails.type")])
        .body(|cx| {
            Box::pin(async move {
                let mut statuses = Vec::new();
                for _ in 0..2 {
                    let sent = json!([{"value": cx.unique_mail("o"), "type": "x-scimconf"}]);
                    let answer = cx.user().with("emails", sent).post().await?;
                    cx.expect_status(&answer, &[201, 400])?;
                    statuses.push(answer.status());
                }
                cx.expect(statuses[0]).to_be(statuses[1], "both answers are alike")
            })
        });

const EMAIL_HOST: Check = should(
    "attributes.emails.canonical",
    Topic::Attributes,
    &["7643-4.1.2-02", "7643-2.4-06", "7643-4.1.2-03"],
)
.reason("the host part of an e-mail address comes back in lower case")
.mend("Write the host of an e-mail address in lower case, in value or in display.")
.needs(&[Need::Users, Need::Attribute("emails.value")])
.body(|cx| {
    Box::pin(async move {
        let mail = cx.unique_mail("Host");
        let (local, host) = mail.split_once('@').unwrap_or((&mail, "example.org"));
        let sent = format!("{local}@{}", host.to_uppercase());
        let wanted = format!("{local}@{}", host.to_lowercase());
        let user =
            cx.user().with("emails", json!([{"value": sent, "type": "work"}])).create().await?;
        let read = cx.read(&user).await?;
        // The local part belongs to the mail server, but may well be written small too.
        let shown = [read.text("emails.0.value"), read.text("emails.0.display")];
        cx.expect_on(&read, shown).to_hold(
            |shown| shown.iter().flatten().any(|text| text.eq_ignore_ascii_case(&sent)),
            &wanted,
            "the address is the one sent",
        )?;
        // Clients that compare what they read with what they sent want it the other way round.
        if !shown.iter().flatten().any(|text| text.ends_with(&host.to_lowercase())) {
            cx.warn(format!("the host of an address is kept as sent, not written as {wanted}"));
        }
        Ok(())
    })
});

const EMAIL_BROKEN: Check =
    may("attributes.emails.broken", Topic::Attributes, &["7643-4.1.2-01", "7643-2.3.1-02"])
        .reason("what is no e-mail address is refused with 400")
        .mend("Check e-mail addresses by RFC 5321.")
        .needs(&[Need::Users, Need::Attribute("emails.value")])
        .body(|cx| {
            Box::pin(async move {
                let sent = json!([{"value": "no address at all", "type": "work"}]);
                let answer = cx.user().with("emails", sent).post().await?;
                cx.expect_status(&answer, &[400])
            })
        });

const PHONE: Check = should("attributes.phone.value", Topic::Attributes, &["7643-4.1.2-05"])
    .reason("a phone number written as RFC 3966 says is accepted and comes back")
    .mend("Accept tel: URIs as phone numbers.")
    .needs(&[Need::Users, Need::Attribute("phoneNumbers.value")])
    .body(|cx| {
        Box::pin(async move {
            let sent = json!([{"value": "tel:+1-201-555-0123", "type": "work"}]);
            let answer = cx.user().with("phoneNumbers", sent).post().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            cx.expect_on(&read, read.text("phoneNumbers.0.value").map(digits))
                .to_be(Some("12015550123".to_owned()), "it is the number sent")
        })
    });

const PHONE_FORM: Check = may("attributes.phone.canonical", Topic::Attributes, &["7643-4.1.2-06"])
    .reason("a phone number comes back in the form of RFC 3966")
    .mend("Write phone numbers as tel: URIs, in value or in display.")
    .needs(&[Need::Users, Need::Attribute("phoneNumbers.value")])
    .body(|cx| {
        Box::pin(async move {
            let sent = json!([{"value": "+1 201 555 0123", "type": "work"}]);
            let user = cx.user().with("phoneNumbers", sent).create().await?;
            let read = cx.read(&user).await?;
            let shown = [read.text("phoneNumbers.0.value"), read.text("phoneNumbers.0.display")];
            cx.expect_on(&read, shown).to_hold(
                |shown| shown.iter().flatten().any(|text| text.starts_with("tel:+1")),
                "tel:+1-201-555-0123 or the like",
                "the number is in canonical form",
            )
        })
    });

const IM_FORM: Check = may("attributes.ims.canonical", Topic::Attributes, &["7643-4.1.2-08"])
    .reason("instant messaging addresses lose white space and letter case")
    .mend(
        "Write instant messaging addresses without blanks, in lower case, in value or in display.",
    )
    .needs(&[Need::Users, Need::Attribute("ims.value")])
    .body(|cx| {
        Box::pin(async move {
            let user = cx
                .user()
                .with("ims", json!([{"value": "Ada Lovelace", "type": "aim"}]))
                .create()
                .await?;
            let read = cx.read(&user).await?;
            let shown = [read.text("ims.0.value"), read.text("ims.0.display")];
            cx.expect_on(&read, shown).to_hold(
                |shown| shown.contains(&Some("adalovelace")),
                "adalovelace",
                "the address is in canonical form",
            )
        })
    });

const NAME: Check = must("attributes.name.value", Topic::Attributes, &["7643-4.1.1-05"])
    .reason("a name comes back, in parts, as formatted, or both")
    .mend("Return the parts of a name or its formatted form.")
    .needs(&[Need::Users, Need::Attribute("name.familyName"), Need::Attribute("name.givenName")])
    .body(|cx| {
        Box::pin(async move {
            let name = json!({"familyName": "Lovelace", "givenName": "Ada"});
            let user = cx.user().with("name", name).create().await?;
            let read = cx.read(&user).await?;
            let parts = read.text("name.familyName") == Some("Lovelace")
                && read.text("name.givenName") == Some("Ada");
            let formatted = read
                .text("name.formatted")
                .is_some_and(|text| text.contains("Lovelace") && text.contains("Ada"));
            cx.expect_on(&read, read.get("name")).to_hold(
                |_| parts || formatted,
                "familyName Lovelace and givenName Ada, or formatted with both",
                "the name is the one sent",
            )
        })
    });

const NAME_FORMATTED: Check =
    should("attributes.name.formatted", Topic::Attributes, &["7643-4.1.1-06"])
        .reason("formatted, where the server makes it, describes the name of the parts")
        .mend("Build name.formatted from the parts, and anew when they change.")
        .needs(&[
            Need::Users,
            Need::Attribute("name.familyName"),
            Need::Attribute("name.givenName"),
        ])
        .body(|cx| {
            Box::pin(async move {
                let user = cx
                    .user()
                    .with("name", json!({"familyName": "Byron", "givenName": "Ada"}))
                    .create()
                    .await?;
                let name = json!({"familyName": "Lovelace", "givenName": "Ada"});
                let put = cx.put(&user, &user.sent_but(&[("name", name)])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
                let read = cx.read(&user).await?;
                let Some(formatted) = read.text("name.formatted") else {
                    return cx.skip("the server does not make name.formatted");
                };
                cx.expect_on(&read, formatted).to_hold(
                    |text| text.contains("Lovelace") && !text.contains("Byron"),
                    "a text with Lovelace",
                    "formatted describes the name",
                )
            })
        });

const DISPLAY_NAME: Check =
    should("attributes.display-name.value", Topic::Attributes, &["7643-4.1.1-07"])
        .reason("displayName comes back as it was sent")
        .mend("Keep the displayName of the client, or announce it as readOnly.")
        .needs(&[Need::Users, Need::Attribute("displayName")])
        .body(|cx| {
            Box::pin(async move {
                let writable =
                    announced(cx, "displayName").is_some_and(ServedAttribute::is_writable);
                if !writable {
                    return cx.skip("displayName is announced as readOnly");
                }
                keeps(cx, "displayName", "Augusta Ada King").await
            })
        });

const LANGUAGE: Check =
    must("attributes.preferred-language.value", Topic::Attributes, &["7643-4.1.1-11"])
        .reason("preferredLanguage takes a language range of HTTP")
        .mend("Accept en-US and the like as preferredLanguage.")
        .needs(&[Need::Users, Need::Attribute("preferredLanguage")])
        .body(|cx| Box::pin(async move { keeps(cx, "preferredLanguage", "en-US").await }));

const LANGUAGE_UNDERSCORE: Check =
    may("attributes.preferred-language.underscore", Topic::Attributes, &["7643-4.1.1-12"])
        .reason("preferredLanguage with an underscore is accepted for older clients")
        .mend("Accept en_US next to en-US.")
        .needs(&[Need::Users, Need::Attribute("preferredLanguage")])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.user().with("preferredLanguage", "en_US").post().await?;
                cx.expect_status(&answer, &[201])
            })
        });

const LOCALE: Check = must("attributes.locale.value", Topic::Attributes, &["7643-4.1.1-13"])
    .reason("locale takes a language tag of BCP 47")
    .mend("Accept en-US and the like as locale.")
    .needs(&[Need::Users, Need::Attribute("locale")])
    .body(|cx| Box::pin(async move { keeps(cx, "locale", "en-US").await }));

const TIME_ZONE: Check = must("attributes.timezone.value", Topic::Attributes, &["7643-4.1.1-14"])
    .reason("timezone takes a name of the IANA data base")
    .mend("Accept America/Los_Angeles and the like as timezone.")
    .needs(&[Need::Users, Need::Attribute("timezone")])
    .body(|cx| Box::pin(async move { keeps(cx, "timezone", "America/Los_Angeles").await }));

const ADDRESS: Check = must("attributes.addresses.parts", Topic::Attributes, &["7643-4.1.2-15"])
    .reason("every part of an address is optional")
    .mend("Accept an address that has only a locality.")
    .needs(&[Need::Users, Need::Attribute("addresses.locality")])
    .body(|cx| {
        Box::pin(async move {
            // What the schema announces as required is the server's own rule, and the fixture adds it.
            let sent = json!([{"locality": "London", "type": "work"}]);
            let answer = cx.user().with("addresses", sent).post().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.text("addresses.0.locality"))
                .to_be(Some("London"), "the locality is the one sent")
        })
    });

const ADDRESS_LINES: Check =
    may("attributes.addresses.lines", Topic::Attributes, &["7643-4.1.2-16"])
        .reason("an address may have several lines")
        .mend("Keep line breaks in formatted and streetAddress.")
        .needs(&[Need::Users, Need::Attribute("addresses.streetAddress")])
        .body(|cx| {
            Box::pin(async move {
                const LINES: &str = "12 St James's Square\nSecond floor";
                let sent = json!([{"streetAddress": LINES, "type": "work"}]);
                let answer = cx.user().with("addresses", sent).post().await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, read.text("addresses.0.streetAddress"))
                    .to_be(Some(LINES), "the line break is kept")
            })
        });

const COUNTRY: Check =
    should("attributes.addresses.country", Topic::Attributes, &["7643-4.1.2-17"])
        .reason("country is a two-letter code: US is taken, USA is not")
        .mend("Check country against ISO 3166-1 alpha-2.")
        .needs(&[Need::Users, Need::Attribute("addresses.country")])
        .body(|cx| {
            Box::pin(async move {
                let address = |country: &str| json!([{"country": country, "type": "work"}]);
                let answer = cx.user().with("addresses", address("US")).post().await?;
                cx.expect_status(&answer, &[201])?;
                let answer = cx.user().with("addresses", address("USA")).post().await?;
                cx.expect_status(&answer, &[201, 400])?;
                if answer.status() == 201 {
                    // Clients in the field send names of countries.
                    cx.warn("a country is accepted that is no ISO 3166-1 alpha-2 code");
                }
                Ok(())
            })
        });

const ROLES: Check =
    should("attributes.roles.any-text", Topic::Attributes, &["7643-4.1.2-26", "7643-2.2-02"])
        .reason("roles and entitlements have no prescribed vocabulary, nor do their types")
        .mend(
            "Accept any text as value and type of roles and entitlements without canonicalValues.",
        )
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let mut tried = false;
                for name in ["roles", "entitlements"] {
                    let free = |sub: &str| {
                        announced(cx, &format!("{name}.{sub}"))
                            .is_some_and(|a| a.canonical_values.is_empty() && a.is_writable())
                    };
                    if !free("value") || !free("type") {
                        continue;
                    }
                    tried = true;
                    let sent = json!([{"value": "x-scimconf: any text, 42", "type": "x-scimconf"}]);
                    let answer = cx.user().with(name, sent).post().await?;
                    cx.expect_status(&answer, &[201])?;
                    let read = cx.read(&made_path(cx, &answer)?).await?;
                    cx.expect_on(&read, read.text(&format!("{name}.0.value"))).to_be(
                        Some("x-scimconf: any text, 42"),
                        &format!("{name} is what was sent"),
                    )?;
                }
                if tried {
                    Ok(())
                } else {
                    cx.skip("neither roles nor entitlements take free text")
                }
            })
        });

const PHOTOS: Check = should("attributes.photos.types", Topic::Attributes, &["7643-4.1.2-14"])
    .reason("photos have the types photo and thumbnail")
    .mend("Accept photo and thumbnail as types of photos.")
    .needs(&[Need::Users, Need::Attribute("photos.type")])
    .body(|cx| {
        Box::pin(async move {
            let sent = json!([
                {"value": "https://example.com/Ada.jpg", "type": "photo"},
                {"value": "https://example.com/Ada-small.jpg", "type": "thumbnail"},
            ]);
            let answer = cx.user().with("photos", sent).post().await?;
            cx.expect_status(&answer, &[201])?;
            let read = cx.read(&made_path(cx, &answer)?).await?;
            cx.expect_on(&read, read.list("photos").len()).to_be(2, "both photos are kept")
        })
    });

/// Sends a value and reads it back; letter case may differ where the attribute is not case exact.
async fn keeps(cx: &Cx, path: &str, value: &str) -> Verdict {
    let answer = cx.user().with(path, value).post().await?;
    cx.expect_status(&answer, &[201])?;
    let read = cx.read(&made_path(cx, &answer)?).await?;
    cx.expect_on(&read, read.text(path)).to_hold(
        |got| folded(*got) == folded(Some(value)),
        value,
        &format!("{path} is what was sent"),
    )
}

fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}
