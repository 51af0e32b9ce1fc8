//! Sorting (RFC 7644 section 3.4.2.3), on the known set of users.

use serde_json::Value;

use crate::check::{Check, Need, Stop, Topic, Verdict, must, should};
use crate::context::Cx;

pub(super) const CHECKS: &[Check] = &[
    must("sort.ascending", Topic::Sort, &["7644-3.4.2.3-03", "7644-3.4.2.3-07"])
        .reason("sortBy orders the result, ascending unless sortOrder says otherwise")
        .mend("Order by the attribute; ascending is the default.")
        .needs(&[Need::Users, Need::Filter, Need::Sort])
        .body(|cx| {
            Box::pin(async move {
                let wanted = everyone(cx).await?;
                cx.expect(sorted(cx, &[("sortBy", "userName")]).await?)
                    .to_be(wanted.clone(), "sorted by userName without sortOrder")?;
                cx.expect(sorted(cx, &[("sortBy", "userName"), ("sortOrder", "ascending")]).await?)
                    .to_be(wanted, "sorted by userName, ascending")
            })
        }),
    must("sort.descending", Topic::Sort, &["7644-3.4.2.3-09", "7644-3.4.2.3-03"])
        .reason("sortOrder descending turns the order round")
        .mend("Support sortOrder=descending.")
        .needs(&[Need::Users, Need::Filter, Need::Sort])
        .body(|cx| {
            Box::pin(async move {
                let mut wanted = everyone(cx).await?;
                wanted.reverse();
                cx.expect(sorted(cx, &[("sortBy", "userName"), ("sortOrder", "descending")]).await?)
                    .to_be(wanted, "sorted by userName, descending")
            })
        }),
    must("sort.missing", Topic::Sort, &["7644-3.4.2.3-06"])
        .reason("resources without the value come last when ascending and first when descending")
        .mend("Place missing values last in ascending order and first in descending order.")
        .needs(&[Need::Users, Need::Filter, Need::Sort, Need::Attribute("userType")])
        .body(|cx| Box::pin(missing(cx))),
    must("sort.letter-case", Topic::Sort, &["7644-3.4.2.3-08"])
        .reason("attributes that are not caseExact sort without regard to letter case")
        .mend("Fold letter case before comparing, unless caseExact is true.")
        .needs(&[Need::Users, Need::Filter, Need::Sort, Need::Attribute("nickName")])
        .body(|cx| Box::pin(letter_case(cx))),
    must("sort.multi-valued", Topic::Sort, &["7644-3.4.2.3-04"])
        .reason("a multi-valued attribute sorts by its primary value, else by its first")
        .mend("Use the element with primary true, else the first one.")
        .needs(&[
            Need::Users,
            Need::Filter,
            Need::Sort,
            Need::Attribute("emails.value"),
            Need::Attribute("emails.primary"),
        ])
        .body(|cx| {
            Box::pin(async move {
                // The primary address of each begins as the userName does; edsger has none and comes last.
                let mut wanted = everyone(cx).await?;
                wanted.retain(|label| label != "edsger");
                wanted.push("edsger".to_owned());
                cx.expect(sorted(cx, &[("sortBy", "emails.value")]).await?)
                    .to_be(wanted, "sorted by the primary address")
            })
        }),
    must("sort.sub-attribute", Topic::Sort, &["7644-3.4.2.3-03"])
        .reason("sortBy may name a sub-attribute")
        .mend("Resolve sortBy as any attribute path.")
        .needs(&[Need::Users, Need::Filter, Need::Sort, Need::Attribute("name.familyName")])
        .body(|cx| {
            Box::pin(async move {
                let found = sorted(cx, &[("sortBy", "name.familyName")]).await?;
                let ascii = [
                    "edsger", "grace", "donald", "barbara", "ada", "margaret", "radia", "ken",
                    "alan",
                ];
                let found: Vec<_> =
                    found.into_iter().filter(|label| ascii.contains(&label.as_str())).collect();
                cx.expect(found).to_be(
                    ascii.map(str::to_owned).to_vec(),
                    "sorted by family name (those in ASCII)",
                )
            })
        }),
    should("sort.order-unknown", Topic::Sort, &["7644-3.4.2.3-09"])
        .reason("an unknown sortOrder is refused")
        .mend("Answer 400 invalidValue.")
        .needs(&[Need::Users, Need::Sort])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let users = cx.served().users().to_owned();
                let query = [("sortBy", "userName"), ("sortOrder", "sideways"), ("count", "1")];
                let answer = cx.list(&users, &query).await?;
                cx.expect_status(&answer, &[400])
            })
        }),
];

/// The labels in the order of their names; labels are the ends of the names, which begin alike.
async fn everyone(cx: &Cx) -> Result<Vec<String>, Stop> {
    let data = cx.dataset().await?;
    Ok(data.people().iter().map(|person| person.label.to_owned()).collect())
}

/// Everyone in the data set, in the order in which the target returns them.
async fn sorted(cx: &Cx, query: &[(&str, &str)]) -> Result<Vec<String>, Stop> {
    let data = cx.dataset().await?;
    let everyone = data.everyone();
    let users = cx.served().users().to_owned();
    let mut all = vec![("filter", everyone.as_str()), ("count", "100")];
    all.extend_from_slice(query);
    let answer = cx.list(&users, &all).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.resources().len()).to_be(data.len(), "everyone comes back")?;
    Ok(data.labels_of(answer.resources()))
}

async fn missing(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let without = data.labels_where(|person| person.get("userType").is_none());
    let (some, none) = (data.len() - without.len(), without.len());
    let ascending = sorted(cx, &[("sortBy", "userType")]).await?;
    cx.expect(ascending.iter().skip(some).cloned().collect())
        .to_be(without.clone(), "ascending: those without userType come last")?;
    let descending = sorted(cx, &[("sortBy", "userType"), ("sortOrder", "descending")]).await?;
    cx.expect(descending.iter().take(none).cloned().collect())
        .to_be(without, "descending: those without userType come first")
}

async fn letter_case(cx: &Cx) -> Verdict {
    let data = cx.dataset().await?;
    let served = cx.served();
    let attribute =
        served.type_of(served.users()).and_then(|kind| served.attribute(kind, "nickName"));
    if attribute.is_some_and(|attribute| attribute.case_exact) {
        return cx.skip("the served schema says that nickName is caseExact");
    }
    let mut wanted: Vec<(String, String)> = data
        .people()
        .iter()
        .filter_map(|person| {
            let nick = person.get("nickName").and_then(Value::as_str)?;
            Some((nick.to_lowercase(), person.label.to_owned()))
        })
        .collect();
    wanted.sort();
    let wanted: Vec<_> = wanted.into_iter().map(|(_, label)| label).collect();
    let found = sorted(cx, &[("sortBy", "nickName")]).await?;
    let found: Vec<_> = found.into_iter().filter(|label| wanted.contains(label)).collect();
    cx.expect(found).to_be(wanted, "sorted by nickName without regard to letter case")
}
