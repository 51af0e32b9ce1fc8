//! The router as hyper's service, with the bodies on both sides reporting to the meter.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::future::RouteFuture};
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};

use super::{meter::Meter, problem::Problem};

/// Paths that are answered even when there is no room for another connection.
const HEALTH: &str = "/health/";

/// The router for one connection.
pub(super) struct Edge {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) meter: Arc<Meter>,
    /// The connection has a place of the reserve: one answer, and only about health.
    pub(super) reserve: bool,
}

impl Service<Request<Incoming>> for Edge {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let has_body = !request.body().is_end_stream();
        self.meter.on_head(has_body);
        let refusal = if self.reserve && !request.uri().path().starts_with(HEALTH) {
            Some(Problem::FULL)
        } else {
            (!names_its_host(&request)).then_some(Problem::BAD_HOST)
        };
        let handler = refusal.map_or_else(
            || {
                let mut request = request.map(|body| {
                    if has_body {
                        Body::new(Upload { body, meter: Arc::clone(&self.meter) })
                    } else {
                        Body::empty()
                    }
                });
                request.extensions_mut().insert(ConnectInfo(self.peer));
                Ok(tower::Service::call(&mut self.router.clone(), request))
            },
            Err,
        );
        Answer { handler, meter: Arc::clone(&self.meter), last: self.reserve }
    }
}

/// Whether the request says which host it is for, as HTTP/1.1 must (RFC 9112 section 3.2). An empty value is a value.
fn names_its_host<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_11 {
        return true;
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.as_bytes();
    host.is_empty()
        || Authority::try_from(host).is_ok_and(|authority| {
            let port = authority.as_str().strip_prefix(authority.host());
            let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
            port.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(digits))
        })
}

/// An answer in the making; the meter can take the handler's place.
pub(super) struct Answer {
    /// The problem where there is no place for the request, or it is none.
    handler: Result<RouteFuture<Infallible>, Problem>,
    meter: Arc<Meter>,
    last: bool,
}

impl Future for Answer {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = if let Some(problem) = self.meter.overdue() {
            // The handler ends here, and with it whatever it waited for.
            self.handler = Err(problem);
            problem.response()
        } else {
            match &mut self.handler {
                Err(problem) => problem.response(),
                Ok(handler) => match ready!(Pin::new(handler).poll(cx)) {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
            }
        };
        let stopping = self.meter.on_answer();
        // Nobody will read the rest of such a body, so no request can follow it.
        let cut = response.status() == StatusCode::PAYLOAD_TOO_LARGE
            && self.meter.unread_until().is_some();
        if self.last || stopping || cut {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        let meter = Arc::clone(&self.meter);
        Poll::Ready(Ok(response.map(|body| AnswerBody { body, meter })))
    }
}

/// A request's body that tells when it is complete.
struct Upload {
    body: Incoming,
    meter: Arc<Meter>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.meter.on_body();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that tells when hyper has all of it: hyper drops it then.
pub(super) struct AnswerBody {
    body: Body,
    meter: Arc<Meter>,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.meter.on_handed_over();
    }
}
