//! What is announced has to work (RFC 7643 section 5).
//!
//! Each check repeats the try that was made before the checks. Where the answer is that there is no such thing, the
//! checks that need it are skipped, and this is the one failure.

use serde_json::json;

use super::helpers_a::is_refusal;
use crate::capability::{Feature, Probe};
use crate::check::{Check, Draft, Failure, Need, Stop, Topic, Verdict, may, must};
use crate::context::Cx;

pub(crate) const CHECKS: &[Check] =
    &[USERS, GROUPS, PATCH, BULK, FILTER, SORT, ETAG, INDEX, CURSOR, NO_PATCH, NO_FILTER, NO_SORT];

const fn works(id: &'static str, clause: &'static [&'static str]) -> Draft {
    must(id, Topic::Capability, clause)
}

const USERS: Check = works("capability.users", &["7643-6-05"])
    .reason("the endpoint of the resource type User answers")
    .mend("Serve the endpoint that /ResourceTypes names, or do not list the resource type.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Users)));

const GROUPS: Check = works("capability.groups", &["7643-6-05"])
    .reason("the endpoint of the resource type Group answers")
    .mend("Serve the endpoint that /ResourceTypes names, or do not list the resource type.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Groups)));

const PATCH: Check = works("capability.patch", &["7643-5-03"])
    .reason("PATCH works where patch.supported is true")
    .mend("Serve PATCH, or announce patch.supported as false.")
    .body(|cx| Box::pin(try_it(cx, Feature::Patch)));

const BULK: Check = works("capability.bulk", &["7643-5-04"])
    .reason("/Bulk works where bulk.supported is true")
    .mend("Serve POST /Bulk, or announce bulk.supported as false.")
    .body(|cx| Box::pin(try_it(cx, Feature::Bulk)));

const FILTER: Check = works("capability.filter", &["7643-5-05"])
    .reason("a filter is answered where filter.supported is true")
    .mend("Answer ?filter=, or announce filter.supported as false.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Filter)));

const SORT: Check = works("capability.sort", &["7643-5-07"])
    .reason("sortBy is answered where sort.supported is true")
    .mend("Answer ?sortBy=, or announce sort.supported as false.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Sort)));

const ETAG: Check = works("capability.etag", &["7643-5-08"])
    .reason("resources have a version where etag.supported is true")
    .mend("Send ETag and meta.version, or announce etag.supported as false.")
    .body(|cx| Box::pin(try_it(cx, Feature::Etag)));

const INDEX: Check = works("capability.pagination.index", &["7644-3.4.2.4-01"])
    .reason("startIndex and count are answered, unless pagination.index is announced as false")
    .mend("Answer ?startIndex= and ?count=.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Index)));

const CURSOR: Check = works("capability.pagination.cursor", &["9865-4-01"])
    .reason("an empty cursor begins paging where pagination.cursor is true")
    .mend("Answer ?cursor= with a page, or announce pagination.cursor as false.")
    .reads()
    .body(|cx| Box::pin(try_it(cx, Feature::Cursor)));

const NO_PATCH: Check = may("capability.patch.absent", Topic::Capability, &["7644-3.5.2-01"])
    .reason("PATCH is answered with 501 where patch.supported is false")
    .mend("Answer 501 to PATCH, or announce patch.supported as true where it works.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            absent(cx, Feature::Patch)?;
            let user = cx.user().create().await?;
            let operations = json!([{"op": "replace", "path": "userName", "value": user.name()}]);
            let answer = cx.patch(&user, operations).await?;
            cx.expect_status(&answer, &[501])
        })
    });

const NO_FILTER: Check = may("capability.filter.absent", Topic::Capability, &["7644-3.4.2.2-01"])
    .reason("a filter is refused, or works, where filter.supported is false; it is not ignored")
    .mend("Refuse ?filter= where it is not supported: a client takes an unfiltered list for the matches.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            absent(cx, Feature::Filter)?;
            let _user = cx.user().create().await?;
            let filter = format!(r#"userName eq "{}""#, cx.unique_mail("nobody"));
            let answer = cx.list(cx.served().users(), &[("filter", &filter)]).await?;
            if answer.is_success() {
                return cx
                    .expect_on(&answer, answer.resources().len())
                    .to_be(0, "nobody has that name");
            }
            cx.ensure_on(&answer, is_refusal(&answer), "the filter is refused with a client error or 501")
        })
    });

const NO_SORT: Check = may("capability.sort.absent", Topic::Capability, &["7644-3.4.2.3-01"])
    .reason("sortBy is ignored or refused where sort.supported is false")
    .mend("Ignore ?sortBy= where it is not supported.")
    .needs(&[Need::Users])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            absent(cx, Feature::Sort)?;
            let answer = cx.list(cx.served().users(), &[("sortBy", "userName")]).await?;
            let fine = answer.is_success() || is_refusal(&answer);
            cx.ensure_on(&answer, fine, "sortBy is ignored, or refused with a client error or 501")
        })
    });

/// Goes on only where the feature is announced as missing.
fn absent(cx: &Cx, feature: Feature) -> Verdict {
    if feature.announced(cx) == Some(false) {
        return Ok(());
    }
    cx.skip(format!("{} is not announced as missing", feature.name()))
}

async fn try_it(cx: &Cx, feature: Feature) -> Verdict {
    if feature.announced(cx) != Some(true) {
        return cx.skip(format!("{} is not announced", feature.name()));
    }
    match feature.probe(cx).await {
        Probe::Works => Ok(()),
        Probe::Untried(text) => cx.broken(text),
        Probe::Fails(text) | Probe::Absent(text) => Err(Stop::Failed(Failure {
            message: format!("{} is announced and does not work", feature.name()),
            expected: Some("what is announced works".to_owned()),
            got: Some(text),
            exchange: None,
        })),
    }
}
