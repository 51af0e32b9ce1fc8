//! What agents ask over HTTPS.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use scim_sync_link::gateway::{
    BootstrapRequest, BootstrapResponse, ChallengeResponse, EnrollRequest, EnrollResponse,
    LinkEndpoint, LinkKind, RenewRequest, RenewResponse, path,
};

use super::Peer;
use crate::agents::AgentError;
use crate::api::Body;
use crate::app::App;
use crate::authority::CertifiedAgent;
use crate::problem::Problem;

/// `POST /agent/enroll`
pub(crate) async fn enroll(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Body(request): Body<EnrollRequest>,
) -> Result<Json<EnrollResponse>, Problem> {
    let address = peer.address.ip();
    match app.agents.enrol(&request).await {
        Ok(response) => {
            tracing::info!(
                tenant = response.tenant,
                agent = response.agent_id,
                "an agent has enrolled"
            );
            Ok(Json(response))
        }
        Err(error) => {
            if matches!(
                error,
                AgentError::UnknownCode | AgentError::UsedCode | AgentError::ExpiredCode
            ) {
                tracing::warn!(%address, %error, "an enrolment was refused");
                if let Some(seconds) = app.throttle.failed(address) {
                    let detail = "too many wrong enrolment codes from this address";
                    return Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, detail, seconds));
                }
            }
            Err(error.into())
        }
    }
}

/// `POST /agent/challenge`
pub(crate) async fn challenge(
    State(app): State<Arc<App>>,
) -> Result<Json<ChallengeResponse>, Problem> {
    app.challenges.make().map(Json).map_err(|error| Problem::internal(&error))
}

/// `POST /agent/bootstrap`
pub(crate) async fn bootstrap(
    State(app): State<Arc<App>>,
    Extension(certified): Extension<CertifiedAgent>,
    Body(request): Body<BootstrapRequest>,
) -> Result<Json<BootstrapResponse>, Problem> {
    let agent = app.agents.bootstrap(&certified, &request).await?;
    let now = app.clock.now();
    let minimum = &app.config.minimum_agent_version;
    let old = is_older(&agent.version, minimum);
    if old {
        tracing::warn!(
            tenant = %certified.tenant, agent = certified.agent, version = agent.version, minimum,
            "the agent is too old and gets no work"
        );
    }
    let (credential, credential_expires) =
        app.credentials.make(&certified).map_err(|error| Problem::internal(&error))?;
    let channel = format!("{}{}", app.origin.replacen("http", "ws", 1), path::CHANNEL);
    let links = vec![
        LinkEndpoint { kind: LinkKind::WebSocket, url: channel },
        LinkEndpoint { kind: LinkKind::LongPoll, url: format!("{}{}", app.origin, path::POLL) },
    ];
    let newest = agent.certificate_expires().unwrap_or(certified.expires);
    Ok(Json(BootstrapResponse {
        links: if old { Vec::new() } else { links },
        credential,
        credential_expires,
        config_version: agent.config_version,
        service_time: now,
        minimum_version: minimum.clone(),
        // By the certificate that was shown: one that was signed and got lost does not count.
        renew: certified.expires.min(newest) - app.agents.lifetimes().renew_before <= now,
        groups: agent.groups.iter().cloned().collect(),
        poll_seconds: app.config.bootstrap_interval.as_secs(),
    }))
}

/// `POST /agent/renew`
pub(crate) async fn renew(
    State(app): State<Arc<App>>,
    Extension(certified): Extension<CertifiedAgent>,
    Body(request): Body<RenewRequest>,
) -> Result<Json<RenewResponse>, Problem> {
    Ok(Json(app.agents.renew(&certified, &request).await?))
}

/// Whether a version comes before another. A version that is none counts as older than any.
pub(super) fn is_older(version: &str, minimum: &str) -> bool {
    numbers(version) < numbers(minimum)
}

/// The numbers of a version; what follows them (`-rc.1`, `+build`) does not count.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, minimum, older) in [
            ("0.1.0", "0.1.0", false),
            ("0.2.0", "0.10.0", true),
            ("1", "0.9.9", false),
            ("0.1.0-rc.1", "0.1.0", false),
            ("", "0.1.0", true),
            ("x", "0.1.0", true),
        ] {
            assert_eq!(is_older(version, minimum), older, "{version} {minimum}");
        }
    }
}
