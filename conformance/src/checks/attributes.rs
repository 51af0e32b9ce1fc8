//! Attributes of users and the data types of their values (RFC 7643 section 2 and 4.1).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chrono::DateTime;
use serde_json::{Value, json};

use super::helpers_a::{
    list_of, made_path, none, plain_attribute, swapped_case, text, user_attribute,
};
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx};
use crate::served::ServedAttribute;

pub(crate) const CHECKS: &[Check] = &[
    BOOLEAN,
    BOOLEAN_TEXT,
    DATE_TIME,
    DATE_TIME_WRONG,
    BINARY,
    BINARY_WRONG,
    BINARY_UNPADDED,
    CERTIFICATE,
    CERTIFICATES,
    REFERENCE,
    REFERENCE_WRONG,
    INTEGER,
    DECIMAL,
    NULL,
    EXTERNAL_ID,
    EXTERNAL_ID_CASE,
    CASE_INSENSITIVE,
    COMMON,
    UNTYPED,
    ON_REQUEST,
];

/// A certificate that was made for this purpose; its key is thrown away.
const CERTIFICATE_DER: &str = concat!(
    "MIIBjDCCATGgAwIBAgIULj/j63UTswhrPRfUCsGw8TT7uB8wCgYIKoZIzj0EAwIwGzEZMBcGA1UE",
    "AwwQc2NpbS1jb25mb3JtYW5jZTAeFw0yNjExMjExNTI5MzVaFw0zNjExMTgxNTI5MzVaMBsxGTAX",
    "BgNVBAMMEHNjaW0tY29uZm9ybWFuY2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARXgsuOkZ6L",
    "GXOKDHMJ5kSaEh3gt2Cnu5xwwzZOwaUoCS07Ox9QNp/giKymoGFu7LBGzcvbuzxxW+frLts5wiyw",
    "o1MwUTAdBgNVHQ4EFgQU1t1+cFfnFaHeU+J3ezECREsc9ZQwHwYDVR0jBBgwFoAU1t1+cFfnFaHe",
    "U+J3ezECREsc9ZQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAnvZmuDiiMXBt",
    "W7wdLYLo1ak1yY4NzMkuicPxsVZoQhACIQC2CB4ifesKHWxmYRSeJZuvW/cVBQoY7dOZnS9tsoSL",
    "dA==",
);

const BOOLEAN: Check =
    must("attributes.boolean.value", Topic::Attributes, &["7643-2.3.2-01", "7643-4.1.1-15"])
        .reason("active is a JSON boolean and can be set to false")
        .mend("Return true and false, without quotes, and store what is sent.")
        .needs(&[Need::Users, Need::Attribute("active")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().with("active", true).create().await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.get("active"))
                    .to_be(Some(&json!(true)), "active is the boolean sent")?;
                let put = cx.put(&user, &user.sent_but(&[("active", json!(false))])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.get("active"))
                    .to_be(Some(&json!(false)), "active is the boolean sent")
            })
        });

const BOOLEAN_TEXT: Check = must("attributes.boolean.text", Topic::Attributes, &["7643-2.3.2-01"])
    .reason("a string in place of a boolean is refused or read as one, but never returned")
    .mend("Answer 400 invalidValue to \"active\": \"true\", or store true.")
    .needs(&[Need::Users, Need::Attribute("active")])
    .body(|cx| {
        Box::pin(async move {
            for wrong in ["true", "maybe"] {
                let answer = cx.user().raw("active", wrong).post().await?;
                kept_out(cx, &answer, "active", Value::is_boolean).await?;
            }
            Ok(())
        })
    });

const DATE_TIME: Check = must(
    "attributes.date-time.value",
    Topic::Attributes,
    &["7643-2.3.5-01", "7643-2.3.5-03", "7643-2.3.5-04"],
)
.reason("a DateTime comes back as the same instant")
.mend("Store DateTime values as instants, with at least a second's precision.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let path = of_kind(cx, "dateTime")?;
        const SENT: &str = "2026-03-01T12:30:00+02:00";
        let user = cx.user().with(&path, SENT).create().await?;
        let read = cx.read(&user).await?;
        let same = |got: &Option<&str>| {
            let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
            got.and_then(instant).is_some_and(|got| Some(got) == instant(SENT))
        };
        cx.expect_on(&read, read.text(&path)).to_hold(
            same,
            SENT,
            &format!("{path} is the instant sent"),
        )
    })
});

const DATE_TIME_WRONG: Check = must(
    "attributes.date-time.wrong",
    Topic::Attributes,
    &["7643-2.3.5-01", "7643-2.3.5-02", "7644-3.12-18"],
)
.reason("what is no DateTime, a bare date included, is not stored")
.mend("Answer 400 invalidValue to a DateTime without date, time or both.")
.needs(&[Need::Users])
.body(|cx| {
    Box::pin(async move {
        let path = of_kind(cx, "dateTime")?;
        for wrong in ["yesterday", "2011-05-13", "12:30:00Z"] {
            let user = cx.user().with(&path, wrong);
            let answer = user.post().await?;
            kept_out(cx, &answer, &path, |value| value.as_str() != Some(wrong)).await?;
        }
        Ok(())
    })
});

const BINARY: Check =
    must("attributes.binary.value", Topic::Attributes, &["7643-2.3.6-01", "7643-2.3.6-04"])
        .reason("binary values come back byte for byte, letter case included")
        .mend("Store base64 text as it is, or its bytes.")
        .needs(&[Need::Users, Need::Attribute("x509Certificates.value")])
        .body(|cx| {
            Box::pin(async move {
                let certificates = json!([{"value": CERTIFICATE_DER}]);
                let user = cx.user().with("x509Certificates", certificates).create().await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text("x509Certificates.0.value").and_then(decoded))
                    .to_be(decoded(CERTIFICATE_DER), "the certificate came back")
            })
        });

const BINARY_WRONG: Check =
    must("attributes.binary.wrong", Topic::Attributes, &["7643-2.3.6-01", "7644-3.12-18"])
        .reason("what is no base64 is not stored as a binary value")
        .mend("Answer 400 invalidValue to a binary value that is no base64.")
        .needs(&[Need::Users, Need::Attribute("x509Certificates.value")])
        .body(|cx| {
            Box::pin(async move {
                let wrong = json!([{"value": "this is not base64!"}]);
                let answer = cx.user().with("x509Certificates", wrong).post().await?;
                kept_out(cx, &answer, "x509Certificates", |all| {
                    all.as_array().is_none_or(Vec::is_empty)
                })
                .await
            })
        });

const BINARY_UNPADDED: Check =
    may("attributes.binary.unpadded", Topic::Attributes, &["7643-2.3.6-02"])
        .reason("base64 without its padding is accepted")
        .mend("Accept base64 with and without trailing =.")
        .needs(&[Need::Users, Need::Attribute("x509Certificates.value")])
        .body(|cx| {
            Box::pin(async move {
                let unpadded = CERTIFICATE_DER.trim_end_matches('=');
                if unpadded == CERTIFICATE_DER {
                    return cx.broken("the sample certificate needs padding");
                }
                let certificates = json!([{"value": unpadded}]);
                let answer = cx.user().with("x509Certificates", certificates).post().await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, read.text("x509Certificates.0.value").and_then(decoded))
                    .to_be(decoded(CERTIFICATE_DER), "it decodes to the same bytes")
            })
        });

const CERTIFICATE: Check =
    may("attributes.x509.certificate", Topic::Attributes, &["7643-4.1.2-24"])
        .reason("an x509Certificates value that is no certificate is refused")
        .mend("Parse the DER and answer 400 invalidValue to anything else.")
        .needs(&[Need::Users, Need::Attribute("x509Certificates.value")])
        .body(|cx| {
            Box::pin(async move {
                let wrong = json!([{"value": STANDARD.encode("this is not a certificate")}]);
                let answer = cx.user().with("x509Certificates", wrong).post().await?;
                cx.expect_status(&answer, &[400])
            })
        });

const CERTIFICATES: Check = may("attributes.x509.single", Topic::Attributes, &["7643-4.1.2-25"])
    .reason("an x509Certificates value with two certificates in it is refused")
    .mend("Answer 400 invalidValue when bytes follow the certificate.")
    .needs(&[Need::Users, Need::Attribute("x509Certificates.value")])
    .body(|cx| {
        Box::pin(async move {
            let one = decoded(CERTIFICATE_DER).unwrap_or_default();
            let two = STANDARD.encode([one.as_slice(), one.as_slice()].concat());
            let answer = cx.user().with("x509Certificates", json!([{"value": two}])).post().await?;
            cx.expect_status(&answer, &[400])
        })
    });

const REFERENCE: Check = must(
    "attributes.reference.value",
    Topic::Attributes,
    &["7643-2.3.7-05", "7643-7-10", "7643-4.1.1-10"],
)
.reason("a reference comes back with the letter case of its path")
.mend("Keep references as they are; only scheme and host may change case.")
.needs(&[Need::Users, Need::Attribute("profileUrl")])
.body(|cx| {
    Box::pin(async move {
        const URL: &str = "https://example.com/Profiles/AdaLovelace?Tab=Main";
        let user = cx.user().with("profileUrl", URL).create().await?;
        let read = cx.read(&user).await?;
        cx.expect_on(&read, read.text("profileUrl")).to_be(Some(URL), "profileUrl is what was sent")
    })
});

const REFERENCE_WRONG: Check =
    should("attributes.reference.wrong", Topic::Attributes, &["7643-2.3.7-01", "7643-4.1.1-10"])
        .reason("what is no URI is refused as a reference")
        .mend("Answer 400 invalidValue to a reference that is no absolute or relative URI.")
        .needs(&[Need::Users, Need::Attribute("profileUrl")])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.user().raw("profileUrl", "::::").post().await?;
                cx.expect_status(&answer, &[400])
            })
        });

const INTEGER: Check = must("attributes.integer.value", Topic::Attributes, &["7643-2.3.4-01"])
    .reason("an integer has no fraction: 42 comes back, 1.5 is not stored")
    .mend("Answer 400 invalidValue to a fraction, and return integers without one.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let path = of_kind(cx, "integer")?;
            let user = cx.user().with(&path, 42).create().await?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.get(&path).and_then(Value::as_i64))
                .to_be(Some(42), &format!("{path} is the number sent"))?;
            let answer = cx.user().with(&path, 1.5).post().await?;
            kept_out(cx, &answer, &path, |value| value.is_i64() || value.is_u64()).await
        })
    });

const DECIMAL: Check = must("attributes.decimal.value", Topic::Attributes, &["7643-2.3.3-01"])
    .reason("a decimal comes back as a JSON number")
    .mend("Return decimals as numbers, not as strings.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let path = of_kind(cx, "decimal")?;
            let user = cx.user().with(&path, 1.5).create().await?;
            let read = cx.read(&user).await?;
            cx.expect_on(&read, read.get(&path).and_then(Value::as_f64))
                .to_be(Some(1.5), &format!("{path} is the number sent"))
        })
    });

const NULL: Check =
    must("attributes.null.create", Topic::Attributes, &["7643-2.5-01", "7643-2.5-02"])
        .reason("null and [] in a create are the same as leaving the attribute out")
        .mend("Read null and an empty array as unassigned.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                let mut user = cx.user();
                user = match attribute.split_once('.') {
                    Some((name, sub)) => user.raw(name, json!({sub: null})),
                    None => user.raw(attribute, Value::Null),
                };
                let emails = announced(cx, "emails").is_some_and(|a| !a.required);
                if emails {
                    user = user.raw("emails", json!([]));
                }
                let answer = user.post().await?;
                cx.expect_status(&answer, &[201])?;
                let read = cx.read(&made_path(cx, &answer)?).await?;
                cx.expect_on(&read, read.get(attribute))
                    .to_be(None, &format!("{attribute} is unassigned"))?;
                cx.expect_on(&read, read.list("emails").len() * usize::from(emails))
                    .to_be(0, "there are no e-mails")
            })
        });

const EXTERNAL_ID: Check =
    must("attributes.external-id.value", Topic::Attributes, &["7643-3.1-18", "7643-7-10"])
        .reason("externalId keeps its letter case and can be changed")
        .mend("Store externalId as it is sent, on POST and on PUT.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (first, second) = (cx.unique("AbC"), cx.unique("xYz"));
                let user = cx.user().raw("externalId", first.as_str()).create().await?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text("externalId"))
                    .to_be(Some(&first), "externalId as sent")?;
                let put = cx.put(&user, &user.sent_but(&[("externalId", json!(second))])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT is accepted")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text("externalId"))
                    .to_be(Some(&second), "externalId as put")
            })
        });

const EXTERNAL_ID_CASE: Check =
    must("attributes.external-id.case-exact", Topic::Attributes, &["7643-3.1-18", "7643-7-09"])
        .reason("externalId is case exact in filters")
        .mend("Compare externalId byte by byte.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let external = cx.unique("AbC");
                let user = cx.user().raw("externalId", external.as_str()).create().await?;
                let find = async |value: &str| {
                    let filter = format!("externalId eq \"{value}\"");
                    let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
                    cx.expect_status(&list, &[200])?;
                    Ok::<Answer, Stop>(list)
                };
                let list = find(&external).await?;
                cx.expect_on(&list, list.ids())
                    .to_be(vec![user.id()], "the value sent finds the user")?;
                let list = find(&swapped_case(&external)).await?;
                cx.expect_on(&list, list.ids())
                    .to_be(Vec::new(), "another letter case finds nobody")
            })
        });

const CASE_INSENSITIVE: Check =
    must("attributes.case.insensitive", Topic::Attributes, &["7643-2.2-03", "7643-7-09"])
        .reason("a string that is not announced as case exact is compared without regard to case")
        .mend("Compare attributes with caseExact false case-insensitively.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let attribute = plain_attribute(cx)?;
                if announced(cx, attribute).is_some_and(|a| a.case_exact) {
                    return cx.skip(format!("{attribute} is announced as case exact"));
                }
                let value = cx.unique("MiXed");
                let user = cx.user().with(attribute, value.as_str()).create().await?;
                let filter = format!("{attribute} eq \"{}\"", swapped_case(&value));
                let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
                cx.expect_status(&list, &[200])?;
                cx.expect_on(&list, list.ids())
                    .to_be(vec![user.id()], "another letter case finds the user")
            })
        });

const COMMON: Check =
    must("attributes.common.everywhere", Topic::Attributes, &["7643-3-06", "7643-3.1-01"])
        .reason("common attributes can be filtered by, whatever schemas says")
        .mend("Resolve id and meta in filters on every endpoint.")
        .needs(&[Need::Users, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                for extra in ["", " and meta.resourceType eq \"User\""] {
                    let filter = format!("id eq \"{}\"{extra}", user.id());
                    let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
                    cx.expect_status(&list, &[200])?;
                    cx.expect_on(&list, list.ids())
                        .to_be(vec![user.id()], "the filter finds the user")?;
                }
                Ok(())
            })
        });

const UNTYPED: Check = must("attributes.untyped.string", Topic::Attributes, &["7643-2.2-07"])
    .reason("an attribute announced without a type takes a string")
    .mend("Announce the type of every attribute that is no string.")
    .needs(&[Need::Users, Need::Schemas])
    .body(|cx| {
        Box::pin(async move {
            let schemas = super::helpers_a::schemas(cx).await?;
            let base = cx.served().type_of("User").map(|kind| kind.schema.clone());
            let untyped = schemas
                .iter()
                .filter(|schema| text(schema, "id") == base.as_deref())
                .flat_map(|schema| list_of(schema, "attributes"))
                .find(|a| {
                    a.get("type").is_none()
                        && a.get("multiValued") != Some(&json!(true))
                        && !matches!(text(a, "mutability"), Some("readOnly"))
                });
            let Some(name) = untyped.and_then(|a| text(a, "name")) else {
                return cx.skip("every attribute is announced with a type");
            };
            let answer = cx.user().with(name, cx.unique("text")).post().await?;
            cx.expect_status(&answer, &[201])
        })
    });

const ON_REQUEST: Check = must("returned.request.asked-for", Topic::Returned, &["7643-7-21"])
    .reason("an attribute with returned request is shown when asked for, not otherwise")
    .mend("Leave returned=request attributes out of reads unless attributes names them.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let found = user_attribute(cx, |a| {
                a.returned.eq_ignore_ascii_case("request")
                    && a.kind.eq_ignore_ascii_case("string")
                    && a.is_writable()
                    && a.canonical_values.is_empty()
            });
            let Some((path, _)) = found else {
                return cx.skip("users have no string attribute with returned request");
            };
            let value = cx.unique("asked");
            let user = cx.user().with(&path, value.as_str()).create().await?;
            let mut wrong = Vec::new();
            if user.answer().id().is_some() && user.text(&path) != Some(&value) {
                wrong.push(format!("the 201 does not show {path}, which was sent"));
            }
            if cx.read(&user).await?.get(&path).is_some() {
                wrong.push(format!("a read shows {path} unasked"));
            }
            let asked = cx.read(&format!("{}?attributes={path}", user.path())).await?;
            if asked.text(&path) != Some(&value) {
                wrong.push(format!("a read with attributes={path} does not show it"));
            }
            none(&wrong, "returned request means on request")
        })
    });

/// The value was refused, or what is stored is right.
async fn kept_out(cx: &Cx, answer: &Answer, path: &str, right: impl Fn(&Value) -> bool) -> Verdict {
    if !answer.is_success() {
        let rule = "a wrong value is refused in good order";
        return cx.ensure_on(answer, matches!(answer.status(), 400..=499), rule);
    }
    let read = cx.read(&made_path(cx, answer)?).await?;
    cx.expect_on(&read, read.get(path)).to_hold(
        |value| value.is_none_or(&right),
        "a value of the announced type, or none",
        &format!("{path} is not stored with a wrong value"),
    )
}

/// A writable attribute of users with this data type, shown by every read.
fn of_kind(cx: &Cx, kind: &str) -> Result<String, Stop> {
    let found = user_attribute(cx, |a| {
        a.kind.eq_ignore_ascii_case(kind)
            && a.mutability.eq_ignore_ascii_case("readWrite")
            && a.returned.eq_ignore_ascii_case("default")
    });
    found
        .map(|(path, _)| path)
        .ok_or_else(|| Stop::Skipped(format!("users have no writable {kind} attribute")))
}

/// The definition of an attribute of users.
pub(super) fn announced<'a>(cx: &'a Cx, path: &str) -> Option<&'a ServedAttribute> {
    cx.served().attribute(cx.served().type_of("User")?, path)
}

/// The bytes behind base64 text, padded or not.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}
