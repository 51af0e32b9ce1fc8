//! One request from a replica to another: what goes with it, and how its errors come back.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::presence::{joined, parted};
use crate::{
    agent::{Handler, RequestContext},
    body::{Body, HandlerError},
    error::LinkError,
    hub::{Answer, GroupKey, Hub, RequestOptions, millis},
};

/// Tenant and group of a request.
const GROUP: HeaderName = HeaderName::from_static("sync-link-group");
/// How long its answer may pause, in milliseconds.
const IDLE: HeaderName = HeaderName::from_static("sync-link-idle");
/// In the place of an answer: what went wrong.
const ERROR: HeaderName = HeaderName::from_static("sync-link-error");
/// Begins the words of an error in the middle of an answer.
const WORD: &str = "link-error ";

/// A request as it goes to another replica.
pub(super) fn wrapped(
    group: &GroupKey,
    mut request: http::Request<Bytes>,
    options: RequestOptions,
) -> Result<http::Request<Bytes>, LinkError> {
    let value = HeaderValue::try_from(joined(&group.tenant, &group.group));
    let headers = request.headers_mut();
    headers.insert(GROUP, value.map_err(|_| LinkError::TooLarge)?);
    headers.insert(IDLE, millis(options.idle).into());
    Ok(request)
}

/// The answer of another replica, or what went wrong there.
pub(super) fn unwrapped(
    answer: http::Response<Answer>,
) -> Result<http::Response<Answer>, LinkError> {
    if let Some(error) = answer.headers().get(ERROR) {
        let words = URL_SAFE_NO_PAD.decode(error.as_bytes()).ok();
        let words = words.and_then(|words| String::from_utf8(words).ok());
        return Err(words.as_deref().and_then(read).unwrap_or(LinkError::Lost));
    }
    Ok(answer.map(|body| Answer::from_stream(body.map_err(passed_on))))
}

/// An error of the other replica's link, out of one of the link to it.
pub(super) fn passed_on(error: LinkError) -> LinkError {
    match error {
        LinkError::Refused(words) => {
            words.strip_prefix(WORD).and_then(read).unwrap_or(LinkError::Refused(words))
        }
        other => other,
    }
}

/// Answers another replica's requests with the agents that are connected here.
pub(super) struct Relay(pub(super) Hub);

#[async_trait]
impl Handler for Relay {
    async fn handle(
        &self,
        mut request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body> {
        let headers = request.headers_mut();
        let group = headers.remove(GROUP);
        let group = group.as_ref().and_then(|group| parted(group.to_str().ok()?));
        let idle = headers.remove(IDLE);
        let idle = idle.as_ref().and_then(|idle| idle.to_str().ok()?.parse().ok());
        let (Some(group), Some(idle)) = (group, idle) else {
            return failed(&LinkError::Protocol("a replica asks for no group".to_owned()));
        };
        let options = RequestOptions {
            deadline: context.deadline.saturating_duration_since(Instant::now()),
            idle: Duration::from_millis(idle),
            // The replica that asks counts it, and cancels.
            total: None,
        };
        match self.0.request_here(&group, request, options).await {
            Ok(answer) => answer.map(|body| {
                Body::from_stream(body.map(|piece| {
                    piece.map_err(|error| HandlerError::new(format!("{WORD}{}", words(&error))))
                }))
            }),
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &LinkError) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    let words: String = words(error).chars().take(2000).collect();
    // In letters that a header may have, whatever an agent said.
    if let Ok(value) = HeaderValue::try_from(URL_SAFE_NO_PAD.encode(words)) {
        response.headers_mut().insert(ERROR, value);
    }
    response
}

fn words(error: &LinkError) -> String {
    match error {
        LinkError::NoAgent => "no-agent".to_owned(),
        LinkError::Busy { waiting } => format!("busy {waiting}"),
        LinkError::Deadline => "deadline".to_owned(),
        LinkError::Lost => "lost".to_owned(),
        LinkError::Refused(reason) => format!("refused {reason}"),
        LinkError::TooLarge => "too-large".to_owned(),
        LinkError::Protocol(reason) => format!("protocol {reason}"),
    }
}

fn read(words: &str) -> Option<LinkError> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    Some(match kind {
        "no-agent" => LinkError::NoAgent,
        "busy" => LinkError::Busy { waiting: rest.parse().ok()? },
        "deadline" => LinkError::Deadline,
        "lost" => LinkError::Lost,
        "refused" => LinkError::Refused(rest.to_owned()),
        "too-large" => LinkError::TooLarge,
        "protocol" => LinkError::Protocol(rest.to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{LinkError, passed_on, read, words};

    #[test]
    fn errors_come_back_as_they_were() {
        for error in [
            LinkError::NoAgent,
            LinkError::Busy { waiting: 7 },
            LinkError::Deadline,
            LinkError::Lost,
            LinkError::Refused("the directory is gone".to_owned()),
            LinkError::Refused(String::new()),
            LinkError::TooLarge,
            LinkError::Protocol("twice".to_owned()),
        ] {
            assert_eq!(read(&words(&error)), Some(error.clone()));
            let within = LinkError::Refused(format!("link-error {}", words(&error)));
            assert_eq!(passed_on(within), error);
        }
        let own = LinkError::Refused("the handler panicked".to_owned());
        assert_eq!(passed_on(own.clone()), own);
        assert_eq!(read("something else"), None);
    }
}
