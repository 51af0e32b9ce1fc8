//! A target: whether it is reached, takes the token, and can do what is asked of it.

use anyhow::Result;
use futures::StreamExt as _;
use http::StatusCode;
use scim_client::target::Capabilities;
use scim_client::{Client, Error};
use scim_sync::Connector as _;
use scim_sync::connector::ConnectorSchema;
use url::Url;

use super::certificate;
use super::{Place, Report, State};
use crate::config::TargetConfig;
use crate::connect;

/// Looks at a target and gives its schema, where it comes that far.
///
/// # Errors
/// Where the report cannot be printed.
pub async fn target(
    report: &mut Report,
    target: &TargetConfig,
    place: Place<'_>,
) -> Result<Option<ConnectorSchema>> {
    let about = target.name.as_str();
    if !target.ca_file.as_os_str().is_empty()
        && !certificate::of_file(report, about, &place.folder.join(&target.ca_file))?
    {
        return Ok(None);
    }
    let connector = match connect::scim(target, place.folder, place.environment) {
        Ok(connector) => connector,
        Err(error) => {
            report.add(State::Fail, about, "settings", error.to_string())?;
            return Ok(None);
        }
    };
    if let Ok(url) = Url::parse(&target.url)
        && url.scheme() == "https"
        && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
    {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        certificate::shown_by(report, about, host, port, false).await?;
    }
    let client = connector.client();
    let able = match client.capabilities().await {
        Ok(able) => able,
        Err(error) => {
            let (check, text) = failure(&error, target);
            report.add(State::Fail, about, check, text)?;
            return Ok(None);
        }
    };
    if !token(report, about, client, target).await? {
        return Ok(None);
    }
    capabilities(report, about, &able)?;
    match connector.schema().await {
        Ok(schema) => {
            let types: Vec<&str> = schema.types.keys().map(|name| name.as_str()).collect();
            report.add(State::Ok, about, "schema", format!("serves {}", types.join(", ")))?;
            Ok(Some(schema))
        }
        Err(error) => {
            report.add(State::Fail, about, "schema", error.to_string())?;
            Ok(None)
        }
    }
}

/// Whether the token is taken: what a service says about itself, it may say to everybody.
async fn token(
    report: &mut Report,
    about: &str,
    client: &Client,
    target: &TargetConfig,
) -> Result<bool> {
    let mut pages = client.resources("Users").list().count(1).pages();
    match pages.next().await {
        Some(Err(error)) => {
            let (check, text) = failure(&error, target);
            report.add(State::Fail, about, check, text)?;
            Ok(false)
        }
        _ => {
            let text = format!("{} takes it and shows its users", target.url);
            report.add(State::Ok, about, "token", text)?;
            Ok(true)
        }
    }
}

/// Which check it was that failed, and what to mend.
fn failure(error: &Error, target: &TargetConfig) -> (&'static str, String) {
    match error.status() {
        Some(StatusCode::UNAUTHORIZED) => (
            "token",
            format!(
                "{} does not take the token ({error}): get a new one from the service",
                target.url
            ),
        ),
        Some(StatusCode::FORBIDDEN) => (
            "token",
            format!(
                "the token lacks a right ({error}): it has to be allowed to read and write users and groups"
            ),
        ),
        Some(StatusCode::NOT_FOUND) => (
            "url",
            format!("{error}: look at the url; the base of a SCIM service often ends in /scim/v2"),
        ),
        _ => ("url", format!("{}: {error}", target.url)),
    }
}

fn capabilities(report: &mut Report, about: &str, able: &Capabilities) -> Result<()> {
    let yes = |name: &str, there: bool| format!("{name} {}", if there { "yes" } else { "no" });
    let text = [
        yes("patch", able.patch.value),
        yes("bulk", able.bulk.value),
        yes("filter", able.filter.value),
        yes("etag", able.etag.value),
        yes("paging by index", able.index_paging.value),
        yes("by cursor", able.cursor_paging.value),
    ];
    report.add(State::Ok, about, "capabilities", text.join(", "))?;
    if !able.patch.value {
        let text = "no PATCH: every change sends the whole object, and large groups are slow";
        report.add(State::Warn, about, "capabilities", text)?;
    }
    if !able.filter.value {
        let text =
            "no filters: objects that are there already are found only by reading everything";
        report.add(State::Warn, about, "capabilities", text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use scim_client::scim_core::discovery::ServiceProviderConfig;
    use scim_client::target::TargetProfile;

    use super::*;

    #[test]
    fn what_a_service_lacks_is_warned_of() {
        let judge = |announced: ServiceProviderConfig| {
            let profile = TargetProfile::default();
            let able = Capabilities::from_service_provider_config(Some(&announced), &profile);
            let mut report = Report::new(false);
            capabilities(&mut report, "cloud", &able).unwrap();
            (report.count(State::Warn), report.lines()[0].text.clone())
        };
        let (warnings, text) = judge(ServiceProviderConfig::new());
        assert_eq!(warnings, 2, "{text}");
        assert!(text.starts_with("patch no, bulk no"), "{text}");
        let (warnings, text) = judge(ServiceProviderConfig::new().with_patch());
        assert_eq!(warnings, 1, "{text}");
    }
}
