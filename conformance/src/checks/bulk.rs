//! Bulk (RFC 7644 section 3.7).

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

use super::after::{expect_refusal, values};
use super::helpers_a::{refused, resolve};
use crate::check::{Check, Need, Stop, Topic, Verdict, may, must, should};
use crate::context::{Answer, Cx};

/// Larger requests than this are not sent to find a limit.
const MOST_OPERATIONS: u64 = 10_000;
const MOST_BYTES: u64 = 32 * 1024 * 1024;

pub(super) const CHECKS: &[Check] = &[
    must("bulk.response.form", Topic::Bulk, &["7644-3.7-03", "7644-3.7-13", "7644-3.7-12", "7644-3.7-16", "7644-3.7.3-01", "7644-3.7.3-03", "7644-3.7-02"])
        .reason("a processed bulk answers 200 with a BulkResponse that has the result of each operation")
        .mend("Answer 200 with schemas, and per operation method, status as a string, location, and bulkId for POST.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(form(cx))),
    must("bulk.location", Topic::Bulk, &["7644-3.7-09", "7644-3.7.3-02"])
        .reason("every result but that of a failed POST has the location of its resource")
        .mend("Return location for created, changed, removed and failed PUT, PATCH and DELETE operations.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(location(cx))),
    must("bulk.methods", Topic::Bulk, &["7644-3.7-04", "7644-3.7-12"])
        .reason("POST, PUT and DELETE in a bulk do what the single requests do, with the same statuses")
        .mend("Run each operation through the code of the single request, and report its status.")
        .needs(&[Need::Bulk, Need::Users, Need::Attribute("nickName")])
        .body(|cx| Box::pin(methods(cx))),
    must("bulk.patch", Topic::Bulk, &["7644-3.7-04"])
        .reason("PATCH in a bulk does what the single request does")
        .mend("Apply the operation's data as a PATCH message.")
        .needs(&[Need::Bulk, Need::Users, Need::Patch, Need::Attribute("nickName")])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let patch = json!({"schemas": [urn::PATCH_OP], "Operations": [{"op": "add", "path": "nickName", "value": "ace"}]});
                let answer = cx.bulk(json!([{"method": "PATCH", "path": user.path(), "data": patch}])).await?;
                results(cx, &answer, &["200", "204"])?;
                let after = cx.read(&user).await?;
                cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "the change is stored")
            })
        }),
    must("bulk.operations.missing", Topic::Bulk, &["7644-3.7-04"])
        .reason("a bulk without Operations is refused")
        .mend("Answer 400 invalidSyntax.")
        .needs(&[Need::Bulk])
        .body(|cx| {
            Box::pin(async move {
                let answer = cx.bulk_with(json!({"failOnErrors": 1})).await?;
                expect_refusal(cx, &answer, &[400], &["invalidSyntax", "invalidValue"])
            })
        }),
    must("bulk.method.unknown", Topic::Bulk, &["7644-3.7-04"])
        .reason("an operation with another method than POST, PUT, PATCH or DELETE is refused")
        .mend("Report 400 for the operation, or refuse the whole bulk with 400.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let answer = cx.bulk(json!([{"method": "GET", "path": user.path()}])).await?;
                refused_operation(cx, &answer, &["400", "405", "501"])
            })
        }),
    must("bulk.bulk-id.missing", Topic::Bulk, &["7644-3.7-05"])
        .reason("a POST operation without bulkId is refused")
        .mend("Report 400 for the operation, or refuse the whole bulk with 400.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.user().body()?;
                let answer = cx.bulk(json!([{"method": "POST", "path": cx.served().users(), "data": data}])).await?;
                refused_operation(cx, &answer, &["400"])
            })
        }),
    must("bulk.bulk-id.twice", Topic::Bulk, &["7644-3.7-05"])
        .reason("a bulkId stands for one POST operation only")
        .mend("Report 400 for an operation whose bulkId was used before, or refuse the whole bulk with 400.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let (first, second) = (cx.user().body()?, cx.user().body()?);
                let path = cx.served().users();
                let answer = cx
                    .bulk(json!([
                        {"method": "POST", "path": path, "bulkId": "same", "data": first},
                        {"method": "POST", "path": path, "bulkId": "same", "data": second},
                    ]))
                    .await?;
                refused_operation(cx, &answer, &["400", "409"])
            })
        }),
    must("bulk.error.response", Topic::Bulk, &["7644-3.7-10", "7644-3.7.3-03"])
        .reason("an operation that fails carries the Error body of the single request")
        .mend("Put the Error document into response, and its status into status.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(error_response(cx))),
    may("bulk.error.scim-type", Topic::Bulk, &["7644-3.12-21"])
        .reason("the error inside a bulk answer names its cause in scimType, as that of a single request does")
        .mend("Put the scimType of the single request into response.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(error_scim_type(cx))),
    may("bulk.response.success", Topic::Bulk, &["7644-3.7-11"])
        .reason("response is left out of an operation that succeeded, or holds the resource")
        .mend("Leave response out, or put the representation of the resource there.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(success_response(cx))),
    must("bulk.continue", Topic::Bulk, &["7644-3.7-14", "7644-3.7.3-01"])
        .reason("without failOnErrors, the operations after a failed one are carried out")
        .mend("Go on after an error, and report every operation.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(goes_on(cx))),
    must("bulk.fail-on-errors", Topic::Bulk, &["7644-3.7-15", "7644-3.7-14"])
        .reason("with failOnErrors 1, processing stops at the first error")
        .mend("Count errors, stop when failOnErrors is reached, and return the results so far.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(fail_on_errors(cx))),
    must("bulk.bulk-id.resolved", Topic::Bulk, &["7644-3.7.2-02"])
        .reason("bulkId:x in a value is replaced by the id of the resource that was created")
        .mend("Replace references once the resource has its id.")
        .needs(&[Need::Bulk, Need::Users, Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(resolved(cx, false))),
    must("bulk.bulk-id.forward", Topic::Bulk, &["7644-3.7-18", "7644-3.7.2-02"])
        .reason("a reference to a resource that a later operation creates is resolved")
        .mend("Order the operations by their references.")
        .needs(&[Need::Bulk, Need::Users, Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(resolved(cx, true))),
    must("bulk.bulk-id.extension", Topic::Bulk, &["7644-3.7.2-03"])
        .reason("references inside an extension are resolved too")
        .mend("Look for bulkId references in every attribute, manager.value included.")
        .needs(&[Need::Bulk, Need::Users, Need::Enterprise, Need::Attribute("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager")])
        .body(|cx| Box::pin(in_an_extension(cx))),
    must("bulk.circular", Topic::Bulk, &["7644-3.7.1-01", "7644-3.7.1-02"])
        .reason("circular references are attempted: both resources are created, or the failed ones get 409")
        .mend("Create without the reference, then add it; or answer 409 for the operation.")
        .needs(&[Need::Bulk, Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| Box::pin(circular(cx))),
    should("bulk.bulk-id.unknown", Topic::Bulk, &["7644-3.7.2-02"])
        .reason("a reference to a bulkId that no operation has fails that operation")
        .mend("Report 400 or 409 for the operation; never store the text bulkId:x.")
        .needs(&[Need::Bulk, Need::Groups, Need::GroupAttribute("members")])
        .body(|cx| {
            Box::pin(async move {
                let data = cx.group().with("members", json!([{"value": "bulkId:nobody"}])).body()?;
                let path = cx.served().groups();
                let answer = cx.bulk(json!([{"method": "POST", "path": path, "bulkId": "g", "data": data}])).await?;
                refused_operation(cx, &answer, &["400", "404", "409"])
            })
        }),
    must("bulk.limits.announced", Topic::Bulk, &["7644-3.7.4-01"])
        .reason("a service that supports bulk announces its limits")
        .mend("Serve bulk.maxOperations and bulk.maxPayloadSize as positive integers.")
        .needs(&[Need::Bulk])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                for name in ["maxOperations", "maxPayloadSize"] {
                    cx.expect(cx.served().limit("bulk", name)).to_hold(
                        |limit| limit.is_some_and(|limit| limit > 0),
                        "a positive integer",
                        &format!("bulk.{name} is announced"),
                    )?;
                }
                Ok(())
            })
        }),
    must("bulk.limits.operations", Topic::Bulk, &["7644-3.7.4-03", "7644-3.7.4-04"])
        .reason("more operations than announced are refused with 413, and the error names the limit")
        .mend("Answer 413 with the limit in detail, before any operation is carried out.")
        .needs(&[Need::Bulk, Need::Users])
        .body(|cx| Box::pin(too_many(cx))),
    must("bulk.limits.payload", Topic::Bulk, &["7644-3.7.4-03", "7644-3.7.4-04"])
        .reason("a larger payload than announced is refused with 413, and the error names the limit")
        .mend("Answer 413 with the limit in detail.")
        .needs(&[Need::Bulk, Need::Users])
        .exclusive()
        .body(|cx| Box::pin(too_large(cx))),
    must("bulk.not-json", Topic::Bulk, &["7644-3.7-13"])
        .reason("a bulk that cannot be read is refused as a whole")
        .mend("Answer 400 invalidSyntax with an Error body.")
        .needs(&[Need::Bulk])
        .body(|cx| {
            Box::pin(async move {
                let request = cx.request(Method::POST, "/Bulk").raw("{\"Operations\": [");
                refused(cx, &request.send().await?, &[400], &["invalidSyntax"])
            })
        }),
    may("bulk.version", Topic::Bulk, &["7644-3.7-12"])
        .reason("an operation with an old version is refused with 412")
        .mend("Treat version as If-Match of the single request.")
        .needs(&[Need::Bulk, Need::Users, Need::Etag])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let operation = json!({"method": "DELETE", "path": user.path(), "version": "W/\"never-given-out\""});
                let answer = cx.bulk(json!([operation])).await?;
                results(cx, &answer, &["412", "409"])?;
                cx.read(&user).await.map(drop)
            })
        }),
];

/// The results of a bulk that was processed, each with one of these statuses.
fn results<'a>(cx: &Cx, answer: &'a Answer, statuses: &[&str]) -> Result<Vec<&'a Value>, Stop> {
    cx.expect_status(answer, &[200])?;
    let found: Vec<_> = answer.list("Operations").iter().collect();
    for result in &found {
        cx.expect_on(answer, status(result)).to_hold(
            |found| found.as_deref().is_some_and(|found| statuses.contains(&found)),
            &statuses.join(" or "),
            "the operation has the status of the single request",
        )?;
    }
    Ok(found)
}

/// The status of a result: a string, or as RFC 7644 section 3.7.2 shows it an object with code (AMBIGUITIES 83).
fn status(result: &Value) -> Option<String> {
    match result.get("status")? {
        Value::Object(status) => status.get("code").and_then(Value::as_str).map(str::to_owned),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The whole bulk is refused with 400, or at least one of its operations with one of these statuses.
fn refused_operation(cx: &Cx, answer: &Answer, statuses: &[&str]) -> Verdict {
    if answer.status() != 200 {
        return expect_refusal(cx, answer, &[400], &["invalidSyntax", "invalidValue"]);
    }
    let found: Vec<_> = answer.list("Operations").iter().filter_map(status).collect();
    cx.expect_on(answer, found).to_hold(
        |found| found.iter().any(|found| statuses.contains(&found.as_str())),
        &format!("an operation with status {}", statuses.join(" or ")),
        "the operation is refused",
    )
}

fn post(cx: &Cx, bulk_id: &str) -> Result<Value, Stop> {
    let data = cx.user().body()?;
    Ok(json!({"method": "POST", "path": cx.served().users(), "bulkId": bulk_id, "data": data}))
}

async fn form(cx: &Cx) -> Verdict {
    let answer = cx.bulk(json!([post(cx, "one")?, post(cx, "two")?])).await?;
    let found = results(cx, &answer, &["201"])?;
    cx.expect_on(&answer, answer.list("schemas").to_vec())
        .to_be(vec![json!(urn::BULK_RESPONSE)], "the answer names the BulkResponse schema")?;
    cx.expect_on(&answer, answer.get("failOnErrors"))
        .to_be(None, "failOnErrors is not in answers")?;
    cx.expect_on(&answer, found.len()).to_be(2, "each operation has a result")?;
    let text =
        |result: &Value, name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
    let ids: Vec<_> = found.iter().filter_map(|result| text(result, "bulkId")).collect();
    cx.expect_on(&answer, ids).to_hold(
        |ids| ids.contains(&"one".to_owned()) && ids.contains(&"two".to_owned()),
        "one and two",
        "each result of a POST has its bulkId",
    )?;
    for result in found {
        cx.expect_on(&answer, text(result, "method"))
            .to_be(Some("POST".to_owned()), "each result names its method")?;
        if !result.get("status").is_some_and(Value::is_string) {
            cx.warn("status of a result is no string; section 3.7.3 has a string");
        }
    }
    Ok(())
}

async fn location(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let operations = json!([
        post(cx, "new")?,
        {"method": "PUT", "path": user.path(), "data": user.sent()},
        {"method": "PUT", "path": user.path(), "data": {"schemas": [urn::USER], "userName": 7}},
        {"method": "DELETE", "path": user.path()},
    ]);
    let answer = cx.bulk(operations).await?;
    cx.expect_status(&answer, &[200])?;
    for result in answer.list("Operations") {
        cx.expect_on(&answer, result).to_hold(
            |result| {
                result
                    .get("location")
                    .and_then(Value::as_str)
                    .is_some_and(|uri| uri.contains(cx.served().users().trim_start_matches('/')))
            },
            "a location below the endpoint of users",
            "the result has the location of its resource",
        )?;
    }
    let created = answer.text("Operations.0.location").unwrap_or_default().to_owned();
    cx.read(&resolve(cx, &created)).await.map(drop)
}

async fn methods(cx: &Cx) -> Verdict {
    let (changed, gone) = (cx.user().create().await?, cx.user().create().await?);
    let body = changed.sent_but(&[("nickName", json!("ace"))]);
    let operations = json!([
        post(cx, "new")?,
        {"method": "PUT", "path": changed.path(), "data": body},
        {"method": "DELETE", "path": gone.path()},
    ]);
    let answer = cx.bulk(operations).await?;
    cx.expect_status(&answer, &[200])?;
    let mut statuses: Vec<_> = answer
        .list("Operations")
        .iter()
        .map(|result| (result.get("method").and_then(Value::as_str), status(result)))
        .collect();
    statuses.sort();
    let wanted = |method, status: &str| (Some(method), Some(status.to_owned()));
    cx.expect_on(&answer, statuses).to_be(
        vec![wanted("DELETE", "204"), wanted("POST", "201"), wanted("PUT", "200")],
        "each operation has the status of the single request",
    )?;
    let after = cx.read(&changed).await?;
    cx.expect_on(&after, after.text("nickName")).to_be(Some("ace"), "the PUT is stored")?;
    let after = cx.get(&gone).await?;
    cx.expect_status(&after, &[404])
}

async fn error_response(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let data = cx.user().raw("userName", user.name()).body()?;
    let path = cx.served().users();
    let operations = json!([{"method": "POST", "path": path, "bulkId": "twin", "data": data}]);
    let answer = cx.bulk(operations).await?;
    let found = results(cx, &answer, &["409", "400"])?;
    let Some(result) = found.first() else {
        return cx.fail_on(&answer, "the operation has no result");
    };
    let response = result.get("response").cloned().unwrap_or_default();
    cx.expect_on(&answer, &response["schemas"]).to_hold(
        |schemas| schemas.as_array().is_some_and(|list| list.contains(&json!(urn::ERROR))),
        urn::ERROR,
        "response is an Error document",
    )?;
    cx.expect_on(&answer, response["status"].as_str().map(str::to_owned))
        .to_be(status(result), "its status is that of the operation")?;
    cx.expect_on(&answer, result.get("location")).to_be(None, "a POST that failed has no location")
}

async fn error_scim_type(cx: &Cx) -> Verdict {
    let user = cx.user().create().await?;
    let data = cx.user().raw("userName", user.name()).body()?;
    let single = cx.post(cx.served().users(), &data).await?;
    let Some(cause) = single.scim_type() else {
        return cx.skip("the single request has no scimType either");
    };
    let path = cx.served().users();
    let operations = json!([{"method": "POST", "path": path, "bulkId": "twin", "data": data}]);
    let answer = cx.bulk(operations).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.text("Operations.0.response.scimType"))
        .to_be(Some(cause), "the operation names the cause that the single request names")
}

async fn success_response(cx: &Cx) -> Verdict {
    let answer = cx.bulk(json!([post(cx, "one")?])).await?;
    results(cx, &answer, &["201"])?;
    let Some(response) = answer.get("Operations.0.response") else {
        cx.note("response is left out of operations that succeed");
        return Ok(());
    };
    let location = answer.text("Operations.0.location").unwrap_or_default();
    let made = cx.read(&resolve(cx, location)).await?;
    cx.expect_on(&answer, crate::json::at(response, "id"))
        .to_be(made.get("id"), "response is the resource that was created")
}

async fn goes_on(cx: &Cx) -> Verdict {
    let broken = json!({"method": "DELETE", "path": format!("{}/no-such-id", cx.served().users())});
    let answer = cx.bulk(json!([post(cx, "before")?, broken, post(cx, "after")?])).await?;
    cx.expect_status(&answer, &[200])?;
    let mut statuses: Vec<_> = answer.list("Operations").iter().filter_map(status).collect();
    statuses.sort();
    cx.expect_on(&answer, statuses)
        .to_be(vec!["201".to_owned(), "201".to_owned(), "404".to_owned()], "all three were tried")
}

async fn fail_on_errors(cx: &Cx) -> Verdict {
    let broken =
        |id: &str| json!({"method": "DELETE", "path": format!("{}/{id}", cx.served().users())});
    let operations = json!([broken("no-such-id"), broken("nor-this"), post(cx, "last")?]);
    let answer = cx.bulk_with(json!({"failOnErrors": 1, "Operations": operations})).await?;
    if answer.status() != 200 {
        return cx.expect_scim_error(&answer, &[400, 404, 409], None);
    }
    let created =
        answer.list("Operations").iter().filter_map(status).filter(|s| s == "201").count();
    cx.expect_on(&answer, created).to_be(0, "nothing is created after the first error")?;
    cx.expect_on(&answer, answer.list("Operations").len())
        .to_be(1, "the answer has the results up to the error")
}

async fn resolved(cx: &Cx, forward: bool) -> Verdict {
    let group = cx.group().with("members", json!([{"value": "bulkId:ada"}])).body()?;
    let group =
        json!({"method": "POST", "path": cx.served().groups(), "bulkId": "team", "data": group});
    let user = post(cx, "ada")?;
    let answer = cx.bulk(if forward { json!([group, user]) } else { json!([user, group]) }).await?;
    let found = results(cx, &answer, &["201"])?;
    let location = |bulk_id: &str| {
        found
            .iter()
            .find(|result| result.get("bulkId").and_then(Value::as_str) == Some(bulk_id))
            .and_then(|result| result.get("location").and_then(Value::as_str))
            .map(str::to_owned)
    };
    let (Some(user), Some(group)) = (location("ada"), location("team")) else {
        return cx.fail_on(&answer, "a created resource has no location");
    };
    let (user, group) = (cx.read(&resolve(cx, &user)).await?, cx.read(&resolve(cx, &group)).await?);
    cx.expect_on(&group, values(&group, "members"))
        .to_be(user.id().into_iter().collect(), "the member is the new user's id")
}

async fn in_an_extension(cx: &Cx) -> Verdict {
    let path = format!("{}:manager", urn::ENTERPRISE_USER);
    let data = cx.user().with(&path, json!({"value": "bulkId:boss"})).body()?;
    let report =
        json!({"method": "POST", "path": cx.served().users(), "bulkId": "report", "data": data});
    let answer = cx.bulk(json!([post(cx, "boss")?, report])).await?;
    let found = results(cx, &answer, &["201"])?;
    let uris: Vec<_> =
        found.iter().filter_map(|result| result.get("location").and_then(Value::as_str)).collect();
    let [boss, report] = uris[..] else {
        return cx.fail_on(&answer, "a created resource has no location");
    };
    let (boss, report) = (cx.read(&resolve(cx, boss)).await?, cx.read(&resolve(cx, report)).await?);
    cx.expect_on(&report, report.text(&format!("{path}.value")))
        .to_be(boss.id(), "the manager is the new user's id")
}

async fn circular(cx: &Cx) -> Verdict {
    let group = |own: &str, other: &str| -> Result<Value, Stop> {
        let members = json!([{"value": format!("bulkId:{other}")}]);
        let data = cx.group().with("members", members).body()?;
        Ok(json!({"method": "POST", "path": cx.served().groups(), "bulkId": own, "data": data}))
    };
    let answer = cx.bulk(json!([group("a", "b")?, group("b", "a")?])).await?;
    let found = results(cx, &answer, &["201", "409", "400"])?;
    let statuses: Vec<_> = found.iter().filter_map(|result| status(result)).collect();
    if statuses.iter().any(|status| status == "400") {
        return cx.fail_on(&answer, "a circular reference that fails is answered 409");
    }
    if statuses.iter().all(|status| status == "409") {
        cx.note("circular references are refused with 409");
        return Ok(());
    }
    let uris: Vec<_> =
        found.iter().filter_map(|result| result.get("location").and_then(Value::as_str)).collect();
    let [first, second] = uris[..] else {
        return cx.fail_on(&answer, "one of the two is created and the other is not");
    };
    let (first, second) =
        (cx.read(&resolve(cx, first)).await?, cx.read(&resolve(cx, second)).await?);
    cx.expect_on(&first, values(&first, "members"))
        .to_be(second.id().into_iter().collect(), "the first has the second as member")?;
    cx.expect_on(&second, values(&second, "members"))
        .to_be(first.id().into_iter().collect(), "the second has the first as member")
}

async fn too_many(cx: &Cx) -> Verdict {
    let limit = cx.served().limit("bulk", "maxOperations").unwrap_or(0);
    if limit == 0 || limit > MOST_OPERATIONS {
        return cx.skip(format!("maxOperations is {limit}, which is not tried out"));
    }
    let path = format!("{}/no-such-id", cx.served().users());
    let operations: Vec<_> =
        (0..=limit).map(|_| json!({"method": "DELETE", "path": path})).collect();
    names_the_limit(cx, &cx.bulk(json!(operations)).await?, limit)
}

async fn too_large(cx: &Cx) -> Verdict {
    let limit = cx.served().limit("bulk", "maxPayloadSize").unwrap_or(0);
    if limit == 0 || limit > MOST_BYTES {
        return cx.skip(format!("maxPayloadSize is {limit}, which is not tried out"));
    }
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let filler = "x".repeat(length);
    let data = cx.user().raw("nickName", filler).body()?;
    let path = cx.served().users();
    let operations = json!([{"method": "POST", "path": path, "bulkId": "large", "data": data}]);
    // A server that refuses before it has read everything, and closes at once, races its own answer.
    for _ in 0..5 {
        match cx.bulk(operations.clone()).await {
            Ok(answer) => return names_the_limit(cx, &answer, limit),
            Err(Stop::Broken(_)) => {}
            Err(other) => return Err(other),
        }
    }
    cx.warn(
        "the connection was closed while the payload was under way, five times in a row, so that no \
         answer could be read; close it in stages (RFC 9112 section 9.6)",
    );
    Ok(())
}

fn names_the_limit(cx: &Cx, answer: &Answer, limit: u64) -> Verdict {
    cx.expect_scim_error(answer, &[413], None)?;
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    cx.expect_on(answer, answer.text("detail")).to_hold(
        |detail| detail.is_some_and(|detail| digits(detail).contains(&limit.to_string())),
        &format!("a text with {limit} in it"),
        "the error names the limit that was exceeded",
    )
}
