//! gzip for clients that ask for it. Who does not ask pays for one look-up of a header.

use std::convert::Infallible;

use axum::body::Body;
use http::header::ACCEPT_ENCODING;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// Below this many bytes an answer fits a packet anyway.
const WORTHWHILE: u64 = 1024;

/// Runs `answer` on the request, and compresses what comes back where the client accepts gzip (RFC 9110 section
/// 12.5.3). Entity tags stay as they are: ours are weak, which covers another content coding.
pub(crate) async fn compressed<F>(
    request: Request<Body>,
    answer: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return answer(request).await;
    }
    let mut answer = Some(answer);
    let inner = service_fn(move |request| {
        let answer = answer.take();
        async move {
            Ok::<_, Infallible>(match answer {
                Some(answer) => answer(request).await,
                None => Response::default(),
            })
        }
    });
    let layer = CompressionLayer::new()
        .gzip(true)
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTHWHILE));
    match layer.layer(inner).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
