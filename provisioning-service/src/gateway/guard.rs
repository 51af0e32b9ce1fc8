//! How a request proves which agent it comes from.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::StatusCode;
use http::header::AUTHORIZATION;
use rustls_pki_types::{CertificateDer, UnixTime};
use scim_sync_link::gateway::{Proof, ProofClaims};

use super::credential::{CredentialError, Granted};
use super::{Peer, challenge::NonceError};
use crate::app::App;
use crate::authority::{CertifiedAgent, certified};
use crate::problem::Problem;
use crate::tls;

/// The largest body of an agent's request.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// The agent of a link that is about to be opened.
#[derive(Debug, Clone)]
pub(crate) struct LinkedAgent(pub(super) Granted);

/// The agent that a request comes from, by its client certificate or by a signed proof. Whether it is still wanted is
/// asked of the records by what is done then.
pub(crate) async fn agent_of(
    app: &App,
    request: Request,
) -> Result<(CertifiedAgent, Request), Problem> {
    let unauthorized = |detail: String| Problem::new(StatusCode::UNAUTHORIZED, detail);
    if let Some(der) = request.extensions().get::<Peer>().and_then(|peer| peer.certificate.clone())
    {
        let agent = certified(&der).map_err(|error| unauthorized(error.to_string()))?;
        return Ok((agent, request));
    }
    let proof = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(Proof::parse)
        .ok_or_else(|| {
            unauthorized(
                "an agent shows its client certificate, or a signed proof (Authorization: AgentProof …)"
                    .to_owned(),
            )
        })?
        .map_err(|error| unauthorized(error.to_string()))?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB")
    })?;
    let address = format!("{}{}", app.origin, parts.uri.path());
    if proof.claims != ProofClaims::new(&proof.claims.nonce, &parts.method, &address, &body) {
        return Err(unauthorized("the proof is for another request".to_owned()));
    }
    let verifier =
        tls::agent_verifier(app.agents.authority()).map_err(|error| Problem::internal(&error))?;
    let seconds = u64::try_from(app.clock.now().timestamp()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let (leaf, above) = proof
        .chain
        .split_first()
        .ok_or_else(|| unauthorized("the proof has no certificate".to_owned()))?;
    verifier
        .verify_client_cert(leaf, above, now)
        .map_err(|error| unauthorized(format!("the certificate of the proof: {error}")))?;
    let agent = certified(leaf).map_err(|error| unauthorized(error.to_string()))?;
    proof.verify(&agent.public_key).map_err(|error| unauthorized(error.to_string()))?;
    // Only now: a stranger cannot use up nonces, or fill the store with them.
    app.challenges.take(&proof.claims.nonce).await.map_err(|error| match error {
        NonceError::Records(error) => error.into(),
        error => unauthorized(error.to_string()),
    })?;
    Ok((agent, Request::from_parts(parts, Body::from(body))))
}

/// The agent of a link: by the credential of its bootstrap, and by its client certificate where TLS ends here.
pub(crate) async fn linked_of(
    app: &App,
    credential: Option<&str>,
    certificate: Option<CertificateDer<'static>>,
) -> Result<LinkedAgent, Problem> {
    let unauthorized = |detail: String| Problem::new(StatusCode::UNAUTHORIZED, detail);
    let credential = credential.ok_or_else(|| {
        unauthorized(
            "the link needs the credential of the last bootstrap as bearer token".to_owned(),
        )
    })?;
    let granted = app.credentials.judge(credential).await.map_err(|error| match error {
        CredentialError::Agent(error) => error.into(),
        error => unauthorized(error.to_string()),
    })?;
    if !app.behind_proxy() {
        let der = certificate
            .ok_or_else(|| unauthorized("the link needs the client certificate".to_owned()))?;
        let agent = certified(&der).map_err(|error| unauthorized(error.to_string()))?;
        app.agents.admit(&agent).await?;
        if agent.tenant != granted.tenant || agent.agent != granted.agent_id {
            return Err(unauthorized("the credential is another agent's".to_owned()));
        }
    }
    Ok(LinkedAgent(granted))
}

/// The bearer token of a request. It is taken from nowhere but the `Authorization` header.
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
