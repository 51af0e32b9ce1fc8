//! Credentials: missing, wrong, and what the answer says (RFC 7644 section 2).

use http::Method;

use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx};

pub(crate) const CHECKS: &[Check] = &[
    MISSING_REFUSED,
    MISSING_STATUS,
    MISSING_CHALLENGE,
    MISSING_BODY,
    WRONG_REFUSED,
    WRONG_STATUS,
    WRONG_CHALLENGE,
    RESOURCE,
    CHANGES,
    REGISTRATION,
];

/// Never issued by anybody.
const WRONG: &str = "Bearer scimconf-this-token-was-never-issued";

const MISSING_REFUSED: Check =
    must("auth.missing.refused", Topic::Auth, &["7644-2-07", "7644-3.12-07"])
        .reason("users cannot be listed without credentials")
        .mend("Require credentials on every resource endpoint.")
        .needs(&[Need::Users, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = anonymous(cx, Method::GET, cx.served().users()).await?;
                refuses(cx, &answer)
            })
        });

const MISSING_STATUS: Check =
    should("auth.missing.status", Topic::Auth, &["7644-3.12-07", "7644-3.12-05"])
        .reason("missing credentials give 401")
        .mend("Answer 401 to a request without credentials; 403 is for those who are known.")
        .needs(&[Need::Users, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = anonymous(cx, Method::GET, cx.served().users()).await?;
                cx.expect_status(&answer, &[401])
            })
        });

const MISSING_CHALLENGE: Check = must("auth.missing.challenge", Topic::Auth, &["7644-2-06"])
    .reason("the answer to missing credentials names the schemes in WWW-Authenticate")
    .mend("Send WWW-Authenticate with every 401, for instance: Bearer realm=\"scim\".")
    .needs(&[Need::Users, Need::Credentials])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let answer = anonymous(cx, Method::GET, cx.served().users()).await?;
            challenges(cx, &answer)
        })
    });

const MISSING_BODY: Check =
    must("auth.missing.body", Topic::Auth, &["7644-3.12-01", "7644-3.12-02"])
        .reason("a 401 has a SCIM error body too")
        .mend("Answer with the Error schema, also where a layer in front refuses the request.")
        .needs(&[Need::Users, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = anonymous(cx, Method::GET, cx.served().users()).await?;
                if answer.status() != 401 {
                    return cx.skip("missing credentials do not give 401");
                }
                cx.expect_scim_error(&answer, &[401], None)
            })
        });

const WRONG_REFUSED: Check =
    must("auth.wrong.refused", Topic::Auth, &["7644-2-07", "7644-3.12-07"])
        .reason("a token that was never issued opens nothing")
        .mend("Check the token on every request.")
        .needs(&[Need::Users, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = wrong(cx).await?;
                refuses(cx, &answer)
            })
        });

const WRONG_STATUS: Check =
    should("auth.wrong.status", Topic::Auth, &["7644-3.12-07", "7644-3.12-05"])
        .reason("invalid credentials give 401")
        .mend("Answer 401 to an invalid token.")
        .needs(&[Need::Users, Need::Credentials])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = wrong(cx).await?;
                cx.expect_status(&answer, &[401])
            })
        });

const WRONG_CHALLENGE: Check = must("auth.wrong.challenge", Topic::Auth, &["7644-2-06"])
    .reason("the answer to invalid credentials names the schemes in WWW-Authenticate")
    .mend("Send WWW-Authenticate with every 401.")
    .needs(&[Need::Users, Need::Credentials])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let answer = wrong(cx).await?;
            challenges(cx, &answer)
        })
    });

const RESOURCE: Check = must("auth.missing.resource", Topic::Auth, &["7644-2-07"])
    .reason("a resource cannot be read, searched or changed without credentials")
    .mend("Require credentials on every route below the base URL.")
    .needs(&[Need::Users, Need::Credentials])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            refuses(cx, &anonymous(cx, Method::GET, &user.path()).await?)?;
            let put = cx.request(Method::PUT, &user).json(user.sent()).anonymous().send().await?;
            refuses(cx, &put)?;
            let search = cx
                .request(Method::POST, &format!("{}/.search", user.endpoint()))
                .json(&serde_json::json!({
                    "schemas": [scim_core::urn::SEARCH_REQUEST],
                    "count": 1,
                }))
                .anonymous()
                .send()
                .await?;
            refuses(cx, &search)
        })
    });

const CHANGES: Check = must("auth.missing.delete", Topic::Auth, &["7644-2-07"])
    .reason("a resource cannot be deleted without credentials")
    .mend("Require credentials on every route below the base URL.")
    .needs(&[Need::Users, Need::Credentials])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            refuses(cx, &anonymous(cx, Method::DELETE, &user.path()).await?)?;
            cx.expect_status(&cx.get(&user).await?, &[200])
        })
    });

const REGISTRATION: Check = may("auth.missing.create", Topic::Auth, &["7644-2.2-01"])
    .reason(
        "users cannot be created without credentials, unless that is meant as self-registration",
    )
    .mend("Refuse POST without credentials, or document self-registration.")
    .needs(&[Need::Users, Need::Credentials])
    .body(|cx| {
        Box::pin(async move {
            let answer = cx
                .request(Method::POST, cx.served().users())
                .json(&cx.user().body()?)
                .anonymous()
                .send()
                .await?;
            refuses(cx, &answer)
        })
    });

async fn anonymous(cx: &Cx, method: Method, path: &str) -> Result<Answer, Stop> {
    cx.request(method, path).anonymous().send().await
}

async fn wrong(cx: &Cx) -> Result<Answer, Stop> {
    cx.request(Method::GET, cx.served().users()).authorization(WRONG).send().await
}

/// A redirect to a log-in page gives nothing away either.
fn refuses(cx: &Cx, answer: &Answer) -> Verdict {
    cx.ensure_on(answer, !answer.is_success(), "the request is refused")
}

fn challenges(cx: &Cx, answer: &Answer) -> Verdict {
    if answer.status() != 401 {
        return cx.skip(format!("the answer is {}, not 401", answer.status()));
    }
    let given = answer.header("www-authenticate").is_some_and(|v| !v.trim().is_empty());
    cx.ensure_on(answer, given, "a 401 has a WWW-Authenticate header")
}
