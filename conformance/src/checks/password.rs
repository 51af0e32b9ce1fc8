//! Passwords go in and never come out (RFC 7643 section 4.1.1).

use serde_json::{Value, json};

use super::helpers_a::{is_refusal, strings};
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx, Made};

pub(crate) const CHECKS: &[Check] = &[
    CREATED, READ, ASKED_FOR, LISTED, REPLACED, PATCHED, IN_ERRORS, CHANGEABLE, FILTER, ORACLE,
    POLICY,
];

const CREATED: Check =
    must("password.create.hidden", Topic::Password, &["7643-4.1.1-16", "7643-7-16", "7643-7-18"])
        .reason("the answer to a create shows no password")
        .mend("Leave password out of the 201, masked or hashed forms included.")
        .needs(&[Need::Users, Need::Password])
        .body(|cx| {
            Box::pin(async move {
                let (user, secret) = with_password(cx).await?;
                hidden(cx, user.answer(), &secret)
            })
        });

const READ: Check =
    must("password.read.hidden", Topic::Password, &["7643-4.1.1-16", "7643-7-16", "7643-7-18"])
        .reason("a read shows no password")
        .mend("Never return password.")
        .needs(&[Need::Users, Need::Password])
        .body(|cx| {
            Box::pin(async move {
                let (user, secret) = with_password(cx).await?;
                hidden(cx, &cx.read(&user).await?, &secret)
            })
        });

const ASKED_FOR: Check = must(
    "password.attributes.hidden",
    Topic::Password,
    &["7643-7-18", "7644-3.9-07", "7643-4.1.1-16"],
)
.reason("attributes=password shows no password")
.mend("Leave attributes with returned never out, even when they are asked for.")
.needs(&[Need::Users, Need::Password])
.body(|cx| {
    Box::pin(async move {
        let (user, secret) = with_password(cx).await?;
        for names in
            ["password", "userName,password", "urn:ietf:params:scim:schemas:core:2.0:User:password"]
        {
            let answer = cx.get(&format!("{}?attributes={names}", user.path())).await?;
            if answer.is_success() {
                hidden(cx, &answer, &secret)?;
            } else {
                let rule = "asking for password is refused in good order";
                cx.ensure_on(&answer, is_refusal(&answer), rule)?;
            }
        }
        Ok(())
    })
});

const LISTED: Check =
    must("password.list.hidden", Topic::Password, &["7643-4.1.1-16", "7643-7-18"])
        .reason("lists show no password")
        .mend("Project list answers as single reads.")
        .needs(&[Need::Users, Need::Password, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let (user, secret) = with_password(cx).await?;
                let filter = format!("userName eq \"{}\"", user.name());
                for attributes in ["", "password"] {
                    let query = [("filter", filter.as_str()), ("attributes", attributes)];
                    let query = if attributes.is_empty() { &query[..1] } else { &query[..] };
                    let list = cx.list(user.endpoint(), query).await?;
                    if list.is_success() {
                        hidden(cx, &list, &secret)?;
                    }
                }
                Ok(())
            })
        });

const REPLACED: Check =
    must("password.replace.hidden", Topic::Password, &["7643-4.1.1-16", "7643-7-16"])
        .reason("the answer to a PUT with a password shows none")
        .mend("Leave password out of the answer to PUT.")
        .needs(&[Need::Users, Need::Password])
        .body(|cx| {
            Box::pin(async move {
                let (user, _) = with_password(cx).await?;
                let secret = secret(cx);
                let put = cx.put(&user, &user.sent_but(&[("password", json!(secret))])).await?;
                hidden(cx, &put, &secret)?;
                hidden(cx, &cx.read(&user).await?, &secret)
            })
        });

const PATCHED: Check =
    must("password.patch.hidden", Topic::Password, &["7643-4.1.1-16", "7643-7-16"])
        .reason("the answer to a PATCH of the password shows none")
        .mend("Leave password out of the answer to PATCH.")
        .needs(&[Need::Users, Need::Password, Need::Patch])
        .body(|cx| {
            Box::pin(async move {
                let (user, _) = with_password(cx).await?;
                let secret = secret(cx);
                let operations = json!([{"op": "replace", "path": "password", "value": secret}]);
                let path = format!("{}?attributes=password,userName", user.path());
                for place in [user.path(), path] {
                    let answer = cx.patch(&place, operations.clone()).await?;
                    hidden(cx, &answer, &secret)?;
                }
                hidden(cx, &cx.read(&user).await?, &secret)
            })
        });

const IN_ERRORS: Check = should("password.error.hidden", Topic::Password, &["7643-4.1.1-16"])
    .reason("an error does not repeat the password of the request")
    .mend("Name the attribute in detail, not the values of the body.")
    .needs(&[Need::Users, Need::Password])
    .body(|cx| {
        Box::pin(async move {
            let secret = secret(cx);
            let answer =
                cx.user().raw("password", secret.as_str()).without("userName").post().await?;
            hidden(cx, &answer, &secret)?;
            let (user, secret) = with_password(cx).await?;
            let again = cx.post(user.endpoint(), user.sent()).await?;
            hidden(cx, &again, &secret)
        })
    });

const CHANGEABLE: Check =
    must("password.change.works", Topic::Password, &["7643-5-06", "7644-3.5.1-04"])
        .reason("where changePassword is supported, a new password is accepted")
        .mend("Take a new password with PUT, or announce changePassword.supported false.")
        .needs(&[Need::Users, Need::Password, Need::ChangePassword])
        .body(|cx| {
            Box::pin(async move {
                let (user, _) = with_password(cx).await?;
                let put = cx.put(&user, &user.sent_but(&[("password", json!(secret(cx)))])).await?;
                cx.ensure_on(&put, put.is_success(), "the PUT with a new password is accepted")
            })
        });

const FILTER: Check =
    may("password.filter.equality", Topic::Password, &["7643-4.1.1-21", "7643-7-19"])
        .reason("passwords cannot be tried out with a filter")
        .mend("Answer 400 invalidFilter (or 403 sensitive) to a filter on password.")
        .needs(&[Need::Users, Need::Password, Need::Filter])
        .body(|cx| {
            Box::pin(async move {
                let (user, secret) = with_password(cx).await?;
                let filter =
                    format!("userName eq \"{}\" and password eq \"{secret}\"", user.name());
                let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
                hidden(cx, &list, &secret)?;
                cx.ensure_on(&list, list.resources().is_empty(), "the filter finds nobody")
            })
        });

const ORACLE: Check = should(
    "password.filter.prefix",
    Topic::Password,
    &["7643-4.1.1-21", "7643-4.1.1-16"],
)
.reason(
    "passwords cannot be guessed letter by letter with a filter: only equality may be supported",
)
.mend("Refuse sw, co, ew, gt and lt on password.")
.needs(&[Need::Users, Need::Password, Need::Filter])
.body(|cx| {
    Box::pin(async move {
        let (user, secret) = with_password(cx).await?;
        let start: String = secret.chars().take(3).collect();
        let found = |list: &Answer| list.is_success() && !list.resources().is_empty();
        for (operator, operand) in [("sw", start.as_str()), ("gt", "!"), ("lt", "~")] {
            let filter =
                format!("userName eq \"{}\" and password {operator} \"{operand}\"", user.name());
            let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
            // A server that ignores what it does not know finds the user for a wrong password as well.
            let wrong = format!("userName eq \"{}\" and password sw \"\u{1}\"", user.name());
            if found(&list) && !found(&cx.list(user.endpoint(), &[("filter", &wrong)]).await?) {
                return cx.fail_on(&list, format!("a filter with {operator} reveals the password"));
            }
        }
        Ok(())
    })
});

const POLICY: Check = should("password.policy.weak", Topic::Password, &["7643-4.1.1-24"])
    .reason("a weak password is refused with 400, or there is no policy")
    .mend("Answer 400 invalidValue to a password that the policy refuses.")
    .needs(&[Need::Users, Need::Password])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.user().raw("password", "a").post().await?;
            if answer.is_success() {
                cx.note("a password of one letter is accepted: there is no policy");
                return Ok(());
            }
            cx.expect_scim_error(&answer, &[400], None)
        })
    });

/// A user with a password, and that password.
async fn with_password(cx: &Cx) -> Result<(Made, String), Stop> {
    let secret = secret(cx);
    let user = cx.user().raw("password", secret.as_str()).create().await?;
    Ok((user, secret))
}

/// A password that any policy should take and that stands nowhere else.
fn secret(cx: &Cx) -> String {
    let tail: String =
        cx.unique("").chars().rev().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("Zq7!vK#{tail}")
}

/// Neither the secret nor anything else as `password` is in the answer.
fn hidden(cx: &Cx, answer: &Answer, secret: &str) -> Verdict {
    let value = answer.value();
    let shown = strings(&value).iter().any(|text| text.contains(secret))
        || String::from_utf8_lossy(answer.bytes()).contains(secret);
    // The value itself must not get into the report.
    cx.ensure_on(answer, !shown, "the password is not in the answer")?;
    cx.ensure_on(answer, !has_password(&value), "the answer has no attribute password")
}

/// Whether a member called `password` with a value is anywhere in a body, the definitions of a schema aside.
fn has_password(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_password),
        Value::Object(members) => members.iter().any(|(name, value)| {
            let named = name.rsplit(':').next().is_some_and(|n| n.eq_ignore_ascii_case("password"));
            (named && !value.is_null()) || has_password(value)
        }),
        _ => false,
    }
}
