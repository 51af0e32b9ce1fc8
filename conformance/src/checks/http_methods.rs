//! Methods, URLs and versions (RFC 7644 section 3.2 and 3.13).

use serde_json::json;
use url::Url;

use super::helpers_a::{is_refusal, plain_attribute};
use crate::check::{Check, Need, Topic, may, must, should};
use crate::context::Cx;

pub(crate) const CHECKS: &[Check] = &[
    COLLECTION,
    COLLECTION_STATUS,
    POST_ON_RESOURCE,
    ENCODED,
    FILTER_ENCODED,
    VERSION,
    WITHOUT_VERSION,
    TLS,
];

const COLLECTION: Check = must("errors.method.collection", Topic::Errors, &["7644-3.2-04"])
    .reason("a collection can be neither replaced nor patched")
    .mend("Refuse PUT and PATCH on /Users.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            // No DELETE: a server that carried it out would lose its users to a check.
            let put = cx.put(cx.served().users(), &cx.user().body()?).await?;
            cx.ensure_on(&put, is_refusal(&put), "PUT on a collection is refused")?;
            let attribute = plain_attribute(cx)?;
            let operations = json!([{"op": "replace", "path": attribute, "value": "x"}]);
            let patch = cx.patch(cx.served().users(), operations).await?;
            cx.ensure_on(&patch, is_refusal(&patch), "PATCH on a collection is refused")
        })
    });

const COLLECTION_STATUS: Check =
    should("errors.method.not-allowed", Topic::Errors, &["7644-3.2-04", "7644-3.12-05"])
        .reason("a method that a collection does not have gives 405 with Allow, or 501")
        .mend("Answer 405 with an Allow header (RFC 9110 section 15.5.6).")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let put = cx.put(cx.served().users(), &cx.user().body()?).await?;
                cx.expect_status(&put, &[405, 501])?;
                let named = put.status() != 405 || put.header("allow").is_some();
                cx.ensure_on(&put, named, "a 405 has an Allow header")
            })
        });

const POST_ON_RESOURCE: Check =
    must("errors.method.post-on-resource", Topic::Errors, &["7644-3.2-04"])
        .reason("POST on a resource is refused")
        .mend("Answer 405 to POST on /Users/{id}.")
        .needs(&[Need::Users])
        .body(|cx| {
            Box::pin(async move {
                let user = cx.user().create().await?;
                let post = cx.post(&user, &cx.user().body()?).await?;
                cx.ensure_on(&post, is_refusal(&post), "POST on a resource is refused")?;
                let read = cx.read(&user).await?;
                cx.expect_on(&read, read.text("userName").map(str::to_lowercase))
                    .to_be(Some(user.name().to_lowercase()), "the user is as before")
            })
        });

const ENCODED: Check = must("read.url.encoded", Topic::Read, &["7644-1.2-01"])
    .reason("percent-encoding in a path means the character that it stands for")
    .mend("Decode path segments before matching them.")
    .needs(&[Need::Users])
    .body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let mut letters = user.id().chars();
            let Some(first) = letters.next().filter(char::is_ascii_alphanumeric) else {
                return cx.skip("the id does not begin with a letter or a digit");
            };
            let path = format!("{}/%{:02X}{}", user.endpoint(), u32::from(first), letters.as_str());
            let read = cx.get(&path).await?;
            cx.expect_status(&read, &[200])?;
            cx.expect_on(&read, read.id()).to_be(Some(user.id()), "it is the same resource")
        })
    });

const FILTER_ENCODED: Check = must("filter.url.encoded", Topic::Filter, &["7644-1.2-01"])
    .reason("percent-encoding in a filter means the character that it stands for")
    .mend("Decode query values once, as RFC 3986 says.")
    .needs(&[Need::Users, Need::Filter])
    .body(|cx| {
        Box::pin(async move {
            let external = cx.unique("a&b+c%25d=é#x");
            let user = cx.user().raw("externalId", external.as_str()).create().await?;
            let read = cx.read(&user).await?;
            if read.text("externalId") != Some(&external) {
                return cx.skip("the server does not keep externalId");
            }
            let filter = format!("externalId eq \"{external}\"");
            let list = cx.list(user.endpoint(), &[("filter", &filter)]).await?;
            cx.expect_status(&list, &[200])?;
            cx.expect_on(&list, list.ids()).to_be(vec![user.id()], "the filter finds the user")
        })
    });

const VERSION: Check = must(
    "errors.version.unknown",
    Topic::Errors,
    &["7644-3.13-03", "7644-3.12-19", "7644-3.13-02"],
)
.reason("a request for an unknown version is refused")
.mend("Answer 400 invalidVers, or 404, to /v99/Users.")
.needs(&[Need::Users])
.reads()
.body(|cx| {
    Box::pin(async move {
        let Some(unversioned) = unversioned(cx) else {
            return cx.skip("the base URL has no version segment");
        };
        let url = format!("{unversioned}/v99{}?count=1", cx.served().users());
        let answer = cx.get(&url).await?;
        cx.ensure_on(&answer, is_refusal(&answer), "v99 is refused")?;
        if answer.status() == 400 && answer.scim_type().is_some() {
            cx.expect_on(&answer, answer.scim_type())
                .to_be(Some("invalidVers"), "the error names its cause")?;
        }
        Ok(())
    })
});

const WITHOUT_VERSION: Check = may("read.version.default", Topic::Read, &["7644-3.13-04"])
    .reason("a URL without a version segment means the latest version")
    .mend("Serve the latest version at the base URL without /v2 as well.")
    .needs(&[Need::Users])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let Some(unversioned) = unversioned(cx) else {
                return cx.skip("the base URL has no version segment");
            };
            let answer = cx.get(&format!("{unversioned}/ServiceProviderConfig")).await?;
            cx.expect_status(&answer, &[200])
        })
    });

const TLS: Check = should("security.transport.tls", Topic::Security, &["7644-7.2-01"])
    .reason("SCIM is offered over TLS")
    .mend("Serve https only.")
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let base = Url::parse(&cx.base()).map_err(|error| {
                crate::check::Stop::Broken(format!("the base URL cannot be read: {error}"))
            })?;
            let local = match base.host() {
                Some(url::Host::Domain(name)) => {
                    name == "localhost" || name.ends_with(".localhost")
                }
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            if base.scheme() != "https" && local {
                return cx.skip("the target is on this machine");
            }
            cx.expect(base.scheme()).to_be("https", "the scheme of the base URL")
        })
    });

/// The base URL without its version segment.
fn unversioned(cx: &Cx) -> Option<String> {
    let base = cx.base();
    let (before, last) = base.trim_end_matches('/').rsplit_once('/')?;
    let digits = last.strip_prefix(['v', 'V'])?;
    let is_version = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    is_version.then(|| before.to_owned())
}
