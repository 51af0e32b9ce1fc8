//! `/Me` (RFC 7644 section 3.11).

use super::helpers_a::same_url;
use crate::check::{Check, Topic, must, should};

pub(crate) const CHECKS: &[Check] = &[ANSWER, LOCATION, REDIRECT, ERROR];

const ANSWER: Check =
    should("me.answer.status", Topic::Me, &["7644-3.11-02", "7644-3.11-03", "7644-3.12-10"])
        .reason("/Me answers with the resource, a 308 to it, or 501 where there is none")
        .mend("Answer GET /Me with 501 where it is not supported.")
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.get("/Me").await?;
                if matches!(answer.status(), 403 | 404) {
                    // It may well be that there is a /Me, and nobody behind these credentials.
                    cx.warn(format!(
                        "where /Me is not supported, 501 is asked for: {}",
                        answer.summary()
                    ));
                    return Ok(());
                }
                cx.expect_status(&answer, &[200, 308, 501])
            })
        });

const LOCATION: Check = must("me.answer.location", Topic::Me, &["7644-3.11-05"])
    .reason("Location of an answer from /Me is the permanent URL of the resource")
    .mend("Send Location with the URL that meta.location has.")
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.get("/Me").await?;
            if answer.status() != 200 {
                return cx.skip(format!("GET /Me is answered {}", answer.status()));
            }
            let Some(location) = answer.header("location") else {
                return cx.fail_on(&answer, "the answer has no Location");
            };
            cx.ensure_on(
                &answer,
                !location.trim_end_matches('/').ends_with("/Me"),
                "Location is not /Me itself",
            )?;
            if let Some(inside) = answer.text("meta.location") {
                cx.expect_on(&answer, location).to_hold(
                    |location| same_url(cx, location, inside),
                    inside,
                    "Location is meta.location",
                )?;
            }
            let read = cx.read(&super::helpers_a::resolve(cx, location)).await?;
            cx.expect_on(&read, read.id()).to_be(answer.id(), "it leads to the same resource")
        })
    });

const REDIRECT: Check = must("me.redirect.location", Topic::Me, &["7644-3.11-03"])
    .reason("a 308 from /Me says where the resource is")
    .mend("Send Location with the 308.")
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.get("/Me").await?;
            if answer.status() != 308 {
                return cx.skip(format!("GET /Me is answered {}", answer.status()));
            }
            let Some(location) = answer.header("location") else {
                return cx.fail_on(&answer, "the 308 has no Location");
            };
            let read = cx.read(&super::helpers_a::resolve(cx, location)).await?;
            cx.ensure_on(&read, read.id().is_some(), "it leads to a resource")
        })
    });

const ERROR: Check = must("me.error.body", Topic::Me, &["7644-3.12-01", "7644-3.12-10"])
    .reason("where /Me is not there, the answer is a SCIM error")
    .mend("Answer GET /Me with a SCIM error body.")
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let answer = cx.get("/Me").await?;
            if !matches!(answer.status(), 400..=599) {
                return cx.skip(format!("GET /Me is answered {}", answer.status()));
            }
            cx.expect_scim_error(&answer, &[answer.status()], None)
        })
    });
