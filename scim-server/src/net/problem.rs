//! The answers that the edge gives by itself, as SCIM error documents (RFC 7644 section 3.12).
//!
//! They exist twice: as a response for the router's place in a connection, and as bytes where
//! there is no HTTP machinery to hand a response to (no slot for the connection, half a head).

use std::time::SystemTime;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

/// One failure at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: &'static str,
    retry_after: bool,
}

impl Problem {
    const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail, retry_after: false }
    }

    const fn later(detail: &'static str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail, retry_after: true }
    }

    /// The head did not arrive in time.
    pub(super) const SLOW_HEAD: Self = Self::new(
        StatusCode::REQUEST_TIMEOUT,
        "The headers of the request did not arrive within the time this server waits for them.",
    );
    /// The body did not arrive in time.
    pub(super) const SLOW_BODY: Self = Self::new(
        StatusCode::REQUEST_TIMEOUT,
        "The body of the request did not arrive within the time this server waits for it.",
    );
    /// The handler did not answer in time.
    pub(super) const SLOW_ANSWER: Self = Self::later(
        "The request took longer than this server allows; it may or may not have been carried out.",
    );
    /// A request of HTTP/1.1 must say once, and legibly, which host it is for (RFC 9112 section 3.2).
    pub(super) const BAD_HOST: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "A request of HTTP/1.1 needs exactly one Host header, with a host and perhaps a port.",
    );
    /// There is no room for another connection.
    pub(super) const FULL: Self =
        Self::later("This server has as many connections open as it allows; try again later.");
    /// There is no room for another connection of this client.
    pub(super) const FULL_FOR_ADDRESS: Self = Self::later(
        "Your address has as many connections open as this server allows; close some, or reuse them.",
    );

    /// What hyper means by the bare status it answers a head with that it cannot read.
    pub(super) const fn of_bad_head(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::new(
                status,
                "The headers of the request are too many or too large; this server takes 100 of them in 16 KiB.",
            ),
            StatusCode::URI_TOO_LONG => Self::new(
                status,
                "The address in the request is too long; use POST to .search for a long query.",
            ),
            _ => Self::new(status, "The request is not valid HTTP/1.1."),
        }
    }

    /// The answer for a connection that goes on as HTTP until it is written, and closes then.
    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }

    /// The whole answer as it goes over the wire.
    pub(super) fn bytes(self) -> Vec<u8> {
        let document = self.document();
        let status = self.status;
        let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
        let (length, date) = (document.len(), httpdate::fmt_http_date(SystemTime::now()));
        let retry_after = if self.retry_after {
            format!("retry-after: {RETRY_AFTER}\r\n")
        } else {
            String::new()
        };
        format!(
            "HTTP/1.1 {code} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {length}\r\n\
             connection: close\r\n{retry_after}date: {date}\r\n\r\n{document}"
        )
        .into_bytes()
    }

    /// The document; `detail` is ours and holds nothing that JSON would escape.
    fn document(self) -> String {
        let (status, detail) = (self.status.as_u16(), self.detail);
        format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"{status}","detail":"{detail}"}}"#
        )
    }
}

const MEDIA_TYPE: &str = "application/scim+json";

/// Seconds until a client may try again; connections come and go quickly.
const RETRY_AFTER: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_scim_error_document() {
        let heads = [400, 414, 431].map(|code| StatusCode::from_u16(code).unwrap());
        let heads = heads.map(Problem::of_bad_head);
        let all = [
            Problem::SLOW_HEAD,
            Problem::SLOW_BODY,
            Problem::SLOW_ANSWER,
            Problem::FULL,
            Problem::FULL_FOR_ADDRESS,
        ];
        for problem in all.into_iter().chain(heads) {
            let document: serde_json::Value = serde_json::from_str(&problem.document()).unwrap();
            assert_eq!(document["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
            assert_eq!(document["status"], problem.status.as_str());
            assert_eq!(document["detail"], problem.detail);
        }
    }
}
