//! The checks, one file a topic.
//!
//! # How to write one
//!
//! A check is a constant and an async function. Nothing else registers it: add the constant to the `CHECKS` of its file,
//! and a new file to [`all`].
//!
//! ```
//! use scim_conformance::check::{must, Check, Need, Topic, Verdict};
//! use scim_conformance::Cx;
//! use serde_json::json;
//!
//! const ADD_APPENDS: Check = must("patch.add.multi-valued", Topic::Patch, &["7644-3.5.2.1-05"])
//!     .reason("add appends to a multi-valued attribute")
//!     .mend("Keep the existing values and append the new ones.")
//!     .needs(&[Need::Patch])
//!     .body(|cx| Box::pin(add_appends(cx)));
//!
//! async fn add_appends(cx: &Cx) -> Verdict {
//!     let user = cx.user().with("emails", json!([{"value": cx.unique_mail("a"), "type": "work"}])).create().await?;
//!     let home = json!([{"value": cx.unique_mail("b"), "type": "home"}]);
//!     let answer = cx.patch(&user, json!([{"op": "add", "path": "emails", "value": home}])).await?;
//!     cx.expect_status(&answer, &[200, 204])?;
//!     let after = cx.read(&user).await?;
//!     cx.expect_on(&after, after.list("emails").len()).to_be(2, "add keeps the first e-mail and appends the second")
//! }
//! # const _: Check = ADD_APPENDS;
//! ```
//!
//! - **Id**: `topic.subject.rule`, stable for ever; people put it into baselines. The first part is the topic's name.
//! - **Clause**: ids of `requirements.tsv`, the main one first. **Reason**: what the target has to do, as a rule.
//!   **Mend**: what to change in a target that does not.
//! - **`must`, `should`, `may`, `interop`** as the clause says, and `AMBIGUITIES` decides the doubtful: where it says WARN,
//!   let the body pass and say [`Cx::warn`](crate::Cx::warn); where it says INFO, [`Cx::note`](crate::Cx::note).
//! - **`.reads()`** when it sends nothing that writes and uses no data set. **`.exclusive()`** when others must not run at
//!   the same time (it counts all users, or floods the target).
//! - **`.needs(..)`** names what the target has to have; without it the check is skipped. An attribute set with
//!   [`Fixture::with`](crate::context::Fixture::with) needs no mention: where it is not announced, the check is skipped.
//! - **Setup** that is refused ends as broken, not as failed (`create()` does that). Only what the clause is about fails.
//! - **Names** come from [`Cx::unique`](crate::Cx::unique) and [`Cx::unique_mail`](crate::Cx::unique_mail), so that leftovers can be found. Everything created through
//!   `cx`, raw requests included, is deleted afterwards. Do not change or delete what the check did not create.
//! - **Compare what matters and nothing else**: a server may add attributes, order members as it likes, answer 200 or 204
//!   where both are allowed. A false accusation is a bug of ours. Read back with a GET rather than trusting an answer.
//! - **Several requests at once**: `cx` is shared, so `futures::future::join_all` over `cx.post(..)` works.
//! - **A check that cannot fail is a defect**: before it is done, know the server bug that turns it red.

mod after;
mod async_answers;
mod attributes;
mod auth;
mod bulk;
mod capability;
mod concurrency;
mod create;
mod cursor;
mod cursor_security;
mod delete;
mod discovery;
mod enterprise;
mod entra;
mod errors;
mod etag;
mod extensions;
mod filter;
mod groups;
mod helpers_a;
mod http_methods;
mod ipsie;
mod me;
mod media;
mod negative;
mod notation;
mod okta;
mod page;
mod password;
mod patch_add;
mod patch_message;
mod patch_remove;
mod patch_replace;
mod projection;
mod read;
mod replace;
mod schema;
mod search;
mod sort;
mod unicode;
mod user_attributes;

use crate::check::Check;

/// Every check, in the order of a report.
#[must_use]
pub fn all() -> Vec<Check> {
    [
        capability::CHECKS,
        discovery::CHECKS,
        schema::CHECKS,
        auth::CHECKS,
        media::CHECKS,
        create::CHECKS,
        read::CHECKS,
        replace::CHECKS,
        delete::CHECKS,
        attributes::CHECKS,
        user_attributes::CHECKS,
        unicode::CHECKS,
        password::CHECKS,
        etag::CHECKS,
        errors::CHECKS,
        http_methods::CHECKS,
        negative::CHECKS,
        me::CHECKS,
        async_answers::CHECKS,
        notation::CHECKS,
        extensions::CHECKS,
        patch_message::CHECKS,
        patch_add::CHECKS,
        patch_remove::CHECKS,
        patch_replace::CHECKS,
        groups::CHECKS,
        enterprise::CHECKS,
        projection::CHECKS,
        filter::CHECKS,
        sort::CHECKS,
        page::CHECKS,
        cursor::CHECKS,
        cursor_security::CHECKS,
        search::CHECKS,
        concurrency::CHECKS,
        bulk::CHECKS,
        entra::CHECKS,
        okta::CHECKS,
        ipsie::CHECKS,
    ]
    .concat()
}

#[cfg(test)]
mod tests;
