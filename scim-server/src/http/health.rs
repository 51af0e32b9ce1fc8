//! `/health/live` and `/health/ready`: the only routes without a credential.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::body::Body;
use super::problem::Failure;
use crate::app::App;

/// Live: the process answers. Ready: reads and writes can be served now, and go on to be: not while stopping.
pub(crate) fn health_routes(app: Arc<App>) -> Router {
    let ready = move || {
        let app = Arc::clone(&app);
        async move {
            if app.draining.load(Ordering::Relaxed) {
                return answer(StatusCode::SERVICE_UNAVAILABLE, "stopping");
            }
            match app.store.health().await {
                Ok(()) => answer(StatusCode::OK, "ready"),
                Err(error) => {
                    tracing::warn!(%error, "not ready");
                    answer(StatusCode::SERVICE_UNAVAILABLE, "the storage does not answer")
                }
            }
        }
    };
    Router::new()
        .route("/health/live", get(|| async { answer(StatusCode::OK, "live") }))
        .route("/health/ready", get(ready))
        .method_not_allowed_fallback(|| async {
            let allow = "GET, HEAD".to_owned();
            Failure::Method { allow }.into_response().map(axum::body::Body::new)
        })
}

fn answer(status: StatusCode, text: &'static str) -> Response<axum::body::Body> {
    let mut response =
        Response::new(axum::body::Body::new(Body::from(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
