//! Webhooks: a signed POST of JSON, in the form of Standard Webhooks: the headers `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, which is `v1,` and the base64 of the HMAC-SHA256 over `id.timestamp.body`.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};

use super::channel::{ChannelError, Undelivered};
use super::mail::causes;
use super::message::Message;
use crate::config::WebhookSettings;
use crate::reach::Reach;
use crate::tenant::TenantId;

const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(20);
/// What keys begin with that are base64 (Standard Webhooks).
const ENCODED: &str = "whsec_";

/// Calls webhooks.
#[derive(Debug)]
pub(super) struct Webhooks {
    client: reqwest::Client,
    settings: WebhookSettings,
    reach: Reach,
}

impl Webhooks {
    pub(super) fn new(settings: &WebhookSettings) -> Result<Self, ChannelError> {
        let wrong = |problem| ChannelError { setting: "webhook.ca_file", problem };
        let reach = Reach::new("webhook.allow_private", &settings.allow_private);
        let mut client = reqwest::Client::builder()
            .redirect(Policy::none())
            // A proxy would look names up itself, behind the check of addresses.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .dns_resolver(reach.clone())
            .user_agent(concat!("provisioning-service/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            let told = |error: String| wrong(format!("{}: {error}", path.display()));
            let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| told(causes(&error)))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| wrong(causes(&error)))?;
        Ok(Self { client, settings: settings.clone(), reach })
    }

    pub(super) fn is_for(&self, tenant: &TenantId) -> bool {
        self.settings.of(tenant).is_some()
    }

    /// Calls the webhook of a tenant and waits until it has answered with success.
    pub(super) async fn send(
        &self,
        tenant: &TenantId,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<(), Undelivered> {
        let Some((url, key)) = self.settings.of(tenant) else {
            return Err(Undelivered::None("there is no webhook of the tenant any more"));
        };
        // Its path may be a secret: the receiver is told by its host.
        let host = url.host_str().unwrap_or_default();
        self.reach.check(url).map_err(|why| {
            Undelivered::Closed(format!("the webhook at {host} is not called: {why}"))
        })?;
        let body = serde_json::to_string(message)
            .map_err(|error| Undelivered::Refused(format!("no JSON can be made: {error}")))?;
        let time = now.timestamp().to_string();
        let answer = self
            .client
            .post(url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", &time)
            .header("webhook-signature", signature(key, &message.id, &time, &body))
            .body(body)
            .send()
            .await;
        let status = match answer {
            Ok(answer) => answer.status(),
            Err(error) => {
                let why = causes(&error.without_url());
                return Err(Undelivered::Closed(format!(
                    "the webhook at {host} cannot be reached: {why}"
                )));
            }
        };
        if status.is_success() {
            return Ok(());
        }
        let sentence = format!("the webhook at {host} answered {status}");
        Err(match status.as_u16() {
            410 => Undelivered::Refused(format!("{sentence}, which is to say: never again")),
            300..=399 => Undelivered::Later(format!("{sentence}; redirects are not followed")),
            413 | 422 => Undelivered::Refused(sentence),
            _ => Undelivered::Later(sentence),
        })
    }
}

/// The signature of a message.
fn signature(key: &SecretString, id: &str, time: &str, body: &str) -> String {
    let text = key.expose_secret();
    let decoded = text.strip_prefix(ENCODED).and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()));
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documents of Standard Webhooks.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let key: SecretString = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into();
        let signed = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let plain: SecretString = "a key of many bytes".to_owned().into();
        assert_ne!(signature(&plain, "a", "1", "{}"), signature(&key, "a", "1", "{}"));
    }
}
