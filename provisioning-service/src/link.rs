//! The way from a job to the agents: a relay of the remote connector over the hub.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use scim_sync_connectors::remote::{Relay, RelayBody, RelayError};
use scim_sync_link::{GroupKey, Hub, LinkError, RequestOptions};
use tokio::time::{Instant, timeout_at};

use crate::job::Sources;
use crate::tenant::TenantId;

/// Makes the relays of jobs.
#[derive(Debug, Clone)]
pub struct HubSources {
    hub: Hub,
    read_limit: Duration,
}

impl HubSources {
    /// Over this hub; an answer that takes longer than `read_limit` as a whole is broken off, however steadily it comes.
    #[must_use]
    pub fn new(hub: Hub, read_limit: Duration) -> Self {
        Self { hub, read_limit }
    }
}

impl Sources for HubSources {
    fn relay(&self, tenant: &TenantId, group: &str) -> Arc<dyn Relay> {
        Arc::new(HubRelay {
            hub: self.hub.clone(),
            group: GroupKey::new(tenant.as_str(), group),
            read_limit: self.read_limit,
        })
    }
}

struct HubRelay {
    hub: Hub,
    group: GroupKey,
    read_limit: Duration,
}

#[async_trait]
impl Relay for HubRelay {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        let mut options = RequestOptions::within(deadline);
        // Silence is what ends a read: a hundred thousand objects over a slow way take as long as they take. The limit of the
        // whole is kept here, so that it holds for answers from another replica as well.
        options.idle = deadline;
        let until = Instant::now().checked_add(self.read_limit);
        let answer = self.hub.request(&self.group, request, options).await.map_err(relay_error)?;
        let limit = self.read_limit;
        Ok(answer.map(|body| {
            let body = body.map(|piece| piece.map_err(relay_error));
            match until {
                Some(until) => within(body, until, limit),
                None => body.boxed(),
            }
        }))
    }
}

/// A body that ends with an error where it has not come to its end in time.
fn within(
    body: impl futures::Stream<Item = Result<Bytes, RelayError>> + Send + 'static,
    until: Instant,
    limit: Duration,
) -> RelayBody {
    stream::unfold(Some(body.boxed()), move |body| async move {
        let mut body = body?;
        match timeout_at(until, body.next()).await {
            Ok(piece) => Some((piece?, Some(body))),
            Err(_) => {
                let limit = crate::config::show_duration(limit);
                let text =
                    format!("the answer has not come to its end within {limit} (read_limit)");
                Some((Err(RelayError::Unreachable(text)), None))
            }
        }
    })
    .boxed()
}

/// What the link says, as the connector understands it.
fn relay_error(error: LinkError) -> RelayError {
    let text = error.to_string();
    match error {
        LinkError::TooLarge => RelayError::TooLarge(text),
        LinkError::Protocol(_) => RelayError::Protocol(text),
        _ => RelayError::Unreachable(text),
    }
}

#[cfg(test)]
mod tests {
    use scim_sync_link::{Agent, AgentIdentity, Body, Control, Handler, RequestContext, memory};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(600);

    /// Answers with so many pieces, one after so many seconds each; both are in the path.
    struct Slow;

    #[async_trait]
    impl Handler for Slow {
        async fn handle(
            &self,
            request: http::Request<Bytes>,
            _: RequestContext,
        ) -> http::Response<Body> {
            let mut words = request.uri().path().split('/').skip(1);
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            let (pieces, pause) = (number(), Duration::from_secs(number()));
            http::Response::new(Body::from_stream(stream::unfold(0, move |done| async move {
                tokio::time::sleep(pause).await;
                (done < pieces).then_some((Ok(Bytes::from_static(b"piece\n")), done + 1))
            })))
        }
    }

    /// Reads an answer over a hub with one agent; gives how many pieces came, and how it ended.
    async fn read(path: &str, limit: Duration) -> (usize, Result<(), RelayError>) {
        let hub = Hub::new();
        let (agent_end, service_end) = memory::pair();
        let agent =
            tokio::spawn(async move { Agent::new(Slow).serve(agent_end, &Control::new()).await });
        let identity = AgentIdentity::new(TenantId::default().as_str(), "a").in_group("corp");
        let service = tokio::spawn({
            let hub = hub.clone();
            async move { hub.attach(identity, service_end).await }
        });
        while hub.connected(TenantId::default().as_str()).is_empty() {
            tokio::task::yield_now().await;
        }
        let relay = HubSources::new(hub, limit).relay(&TenantId::default(), "corp");
        let request = http::Request::get(path).body(Bytes::new()).unwrap();
        let mut pieces = 0;
        let ended = async {
            let mut body = relay.send(request, DEADLINE).await?.into_body();
            while let Some(piece) = body.next().await {
                piece?;
                pieces += 1;
            }
            Ok::<_, RelayError>(())
        }
        .await;
        agent.abort();
        service.abort();
        (pieces, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_goes_on_for_hours_and_ends_with_silence_or_with_its_limit() {
        let day = Duration::from_secs(86_400);
        assert_eq!(read("/30/500", day).await, (30, Ok(())), "more than four hours");
        let (pieces, ended) = read("/30/700", day).await;
        assert!(pieces == 0 && matches!(ended, Err(RelayError::Unreachable(_))), "{ended:?}");
        let (pieces, ended) = read("/30/500", Duration::from_secs(3600)).await;
        let Err(RelayError::Unreachable(text)) = ended else { panic!("{ended:?}") };
        assert_eq!(pieces, 7);
        assert!(text.contains("within 1h"), "{text}");
    }
}
