//! What the checks of changes share: change, then look at what is really there.

use serde_json::{Value, json};

use crate::check::{Stop, Verdict};
use crate::context::{Answer, Cx, Made};

/// Applies operations, which have to succeed, and reads the resource anew: what a server answers to PATCH is one
/// thing, what it has stored another.
pub(super) async fn patched(cx: &Cx, made: &Made, operations: Value) -> Result<Answer, Stop> {
    let answer = cx.patch(made, operations).await?;
    cx.expect_status(&answer, &[200, 204])?;
    cx.read(made).await
}

/// Applies operations, which have to be refused with 400 and one of these `scimType`s, and sees that nothing changed.
pub(super) async fn refused(
    cx: &Cx,
    made: &Made,
    operations: Value,
    scim_types: &[&str],
) -> Verdict {
    let before = cx.read(made).await?;
    let answer = cx.patch(made, operations).await?;
    expect_refusal(cx, &answer, &[400], scim_types)?;
    unchanged(cx, made, &before).await
}

/// An error answer with one of these statuses that names one of these causes in `scimType`; any, or none, where the list is
/// empty. For clauses that ask for the keyword; `helpers_a::refused` is for the others.
pub(super) fn expect_refusal(
    cx: &Cx,
    answer: &Answer,
    statuses: &[u16],
    scim_types: &[&str],
) -> Verdict {
    cx.expect_scim_error(answer, statuses, None)?;
    if scim_types.is_empty() {
        return Ok(());
    }
    cx.expect_on(answer, answer.scim_type()).to_hold(
        |found| found.is_some_and(|found| scim_types.contains(&found)),
        &scim_types.join(" or "),
        "the error names its cause in scimType",
    )
}

/// Reads the resource anew and compares it whole with what it was.
pub(super) async fn unchanged(cx: &Cx, made: &Made, before: &Answer) -> Verdict {
    let after = cx.read(made).await?;
    cx.expect_on(&after, after.value())
        .to_be(before.value(), "a refused request leaves the resource as it was")
}

/// The elements of a multi-valued attribute that have this value in a sub-attribute.
pub(super) fn with<'a>(
    answer: &'a Answer,
    attribute: &str,
    sub: &str,
    value: &str,
) -> Vec<&'a Value> {
    answer
        .list(attribute)
        .iter()
        .filter(|one| one.get(sub).and_then(Value::as_str) == Some(value))
        .collect()
}

/// The `value` of each element, sorted.
pub(super) fn values<'a>(answer: &'a Answer, attribute: &str) -> Vec<&'a str> {
    let mut values: Vec<_> = answer
        .list(attribute)
        .iter()
        .filter_map(|one| one.get("value").and_then(Value::as_str))
        .collect();
    values.sort_unstable();
    values
}

/// A user with a work and a home address.
pub(super) async fn two_mails(cx: &Cx) -> Result<Made, Stop> {
    cx.user()
        .with(
            "emails",
            json!([
                {"value": cx.unique_mail("work"), "type": "work"},
                {"value": cx.unique_mail("home"), "type": "home"},
            ]),
        )
        .create()
        .await
}

/// Whether the served User schema requires this attribute.
pub(super) fn user_requires(cx: &Cx, path: &str) -> bool {
    let served = cx.served();
    let kind = served.type_of(served.users());
    kind.and_then(|kind| served.attribute(kind, path)).is_some_and(|attribute| attribute.required)
}

/// Whether the served User schema has this attribute.
pub(super) fn user_has(cx: &Cx, path: &str) -> bool {
    let served = cx.served();
    served.type_of(served.users()).is_some_and(|kind| served.is_announced(kind, path))
}

/// Waits until a timestamp of whole seconds would show a change.
pub(super) async fn tick() {
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
}
