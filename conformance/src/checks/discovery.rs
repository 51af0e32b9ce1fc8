//! `GET /ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7643 section 5 to 7, RFC 7644 section 4).

use scim_core::urn;
use serde_json::Value;

use crate::check::{Check, Topic, Verdict, must};
use crate::context::Cx;

pub(crate) const CHECKS: &[Check] = &[CONFIG_OBJECT, RESOURCE_TYPES_LIST, SCHEMAS_LIST];

const CONFIG_OBJECT: Check = must(
    "discovery.config.object",
    Topic::Discovery,
    &["7644-4-02", "7643-5-01"],
)
.reason("/ServiceProviderConfig answers a single object with its own schema")
.mend("Answer 200 with one object whose schemas names ServiceProviderConfig, not with a list.")
.reads()
.body(|cx| Box::pin(config_object(cx)));

async fn config_object(cx: &Cx) -> Verdict {
    let answer = cx.get("/ServiceProviderConfig").await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.list("schemas")).to_hold(
        |schemas| names(schemas, urn::SERVICE_PROVIDER_CONFIG),
        urn::SERVICE_PROVIDER_CONFIG,
        "the configuration names its schema",
    )
}

const RESOURCE_TYPES_LIST: Check =
    must("discovery.resource-types.list", Topic::Discovery, &["7644-4-05"])
        .reason("/ResourceTypes answers a ListResponse")
        .mend("Put the resource types into a ListResponse, even when there is only one.")
        .reads()
        .body(|cx| Box::pin(is_list(cx, "/ResourceTypes")));

const SCHEMAS_LIST: Check = must("discovery.schemas.list", Topic::Discovery, &["7644-4-03"])
    .reason("/Schemas answers all schemas as a ListResponse")
    .mend("Put the schemas into a ListResponse.")
    .reads()
    .body(|cx| Box::pin(is_list(cx, "/Schemas")));

async fn is_list(cx: &Cx, path: &str) -> Verdict {
    let answer = cx.get(path).await?;
    cx.expect_status(&answer, &[200])?;
    cx.expect_on(&answer, answer.list("schemas")).to_hold(
        |schemas| names(schemas, urn::LIST_RESPONSE),
        urn::LIST_RESPONSE,
        "a list names the schema of ListResponse",
    )?;
    let listed = u64::try_from(answer.resources().len()).ok();
    cx.expect_on(&answer, answer.total()).to_be(listed, "totalResults counts what is listed")?;
    cx.ensure_on(&answer, listed != Some(0), "the list is not empty")
}

fn names(schemas: &[Value], uri: &str) -> bool {
    schemas.iter().any(|schema| schema.as_str() == Some(uri))
}
