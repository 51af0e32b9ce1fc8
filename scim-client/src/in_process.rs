//! Requests into a tower service of the same process.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use crate::transport::{Transport, TransportError, TransportErrorKind};

/// Hands requests to a service of the same process, such as an `axum::Router`: no socket, no serialisation of HTTP.
///
/// The service sees the URL whole, so a router that is nested under the path of the client's base URL fits.
#[derive(Clone)]
pub struct InProcess {
    call: Arc<dyn Fn(Request<Full<Bytes>>) -> Exchange + Send + Sync>,
}

type Exchange = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    /// A transport into this service; each request goes to a clone of it.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        S::Future: Send,
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let call = move |request| -> Exchange {
            let service = service.clone();
            Box::pin(async move {
                let answer = service.oneshot(request).await.map_err(lost)?;
                let (parts, body) = answer.into_parts();
                let body = body.collect().await.map_err(lost)?.to_bytes();
                Ok(Response::from_parts(parts, body))
            })
        };
        Self { call: Arc::new(call) }
    }
}

fn lost(error: impl Into<Box<dyn StdError + Send + Sync>>) -> TransportError {
    TransportError::new(TransportErrorKind::Lost, error)
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        (self.call)(request.map(Full::new)).await
    }
}
