//! The default times, on a clock that is moved.

use std::time::Duration;

use bytes::Bytes;
use scim_sync_link::{
    Agent, AgentIdentity, Body, Control, EndCode, Handler, Hub, RequestContext, memory,
};
use tokio::time::Instant;

struct Nobody;

#[async_trait::async_trait]
impl Handler for Nobody {
    async fn handle(&self, _: http::Request<Bytes>, _: RequestContext) -> http::Response<Body> {
        http::Response::new(Body::empty())
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_falls_silent_is_given_up_after_a_minute() {
    let (agent, mut service) = memory::pair();
    let hello = scim_sync_link::frame::Frame::Hello(scim_sync_link::suite::rogues::hello());
    service.send(hello.encode(1).unwrap()).await.unwrap();
    let started = Instant::now();
    let ended = Agent::new(Nobody).serve(agent, &Control::new()).await;
    assert_eq!(ended.code, EndCode::Silent);
    let after = started.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(70)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_link_lasts() {
    let (agent, service) = memory::pair();
    let agent = tokio::spawn(async move { Agent::new(Nobody).serve(agent, &Control::new()).await });
    let hub = Hub::new();
    let attached = tokio::spawn({
        let hub = hub.clone();
        async move { hub.attach(AgentIdentity::new("t", "a"), service).await }
    });
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(hub.connected("t").len(), 1);
    assert!(!agent.is_finished() && !attached.is_finished());
}
