//! From pieces of a body to lines, and from lines to what they tell.

use bytes::{Buf as _, Bytes, BytesMut};
use futures::StreamExt as _;
use scim_sync::ConnectorError;

use super::fault::{self, protocol};
use super::page::{self, Page};
use super::relay::RelayBody;
use super::wire;

/// The lines of a body.
pub(super) struct Lines {
    body: RelayBody,
    waiting: BytesMut,
    /// So many bytes have no line break in them.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: RelayBody) -> Self {
        Self { body, waiting: BytesMut::new(), searched: 0 }
    }

    /// The next line, without its line break; nothing when the body ended behind one.
    async fn next(&mut self) -> Result<Option<Bytes>, ConnectorError> {
        loop {
            let end = self.waiting[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.waiting.split_to(self.searched + end).freeze();
                self.waiting.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.waiting.len();
            if self.waiting.len() > wire::MAX_LINE {
                return Err(protocol(format!("a line has more than {} bytes", wire::MAX_LINE)));
            }
            match self.body.next().await {
                Some(piece) => self.waiting.extend_from_slice(&piece?),
                None if self.waiting.is_empty() => return Ok(None),
                None => return Err(broken_off()),
            }
        }
    }

    /// The next page. The last one is given only when the body came to its end behind it.
    pub(super) async fn page(&mut self) -> Result<Page, ConnectorError> {
        let Some(line) = self.next().await? else { return Err(broken_off()) };
        let page = page::read(&line)?;
        if page.end.is_some() && self.next().await?.is_some() {
            return Err(protocol("something stands behind its end mark"));
        }
        Ok(page)
    }
}

fn broken_off() -> ConnectorError {
    ConnectorError::Incomplete("the agent's answer broke off before its end mark".to_owned())
}

/// The whole body of an answer that is no search.
///
/// # Errors
/// [`ConnectorError::Protocol`] when it is longer than any of these.
pub(super) async fn whole(mut body: RelayBody) -> Result<Vec<u8>, ConnectorError> {
    let mut read = Vec::new();
    while let Some(piece) = body.next().await {
        read.extend_from_slice(&piece?);
        if read.len() > wire::MAX_DOCUMENT {
            return Err(protocol(format!("it has more than {} bytes", wire::MAX_DOCUMENT)));
        }
    }
    Ok(read)
}

/// The body of an answer that says that all is well.
///
/// # Errors
/// The error that the answer tells; [`ConnectorError::Protocol`] when it is another answer than was asked for.
pub(super) async fn accepted(
    response: http::Response<RelayBody>,
    content_type: &str,
) -> Result<RelayBody, ConnectorError> {
    let (head, body) = response.into_parts();
    if head.status != http::StatusCode::OK {
        let body = whole(body).await?;
        let document = scim_core::json::parse_object(&body, &scim_core::Limits::default());
        let told = document.ok().and_then(|document| fault::read(&document));
        return Err(told.unwrap_or_else(|| protocol(format!("it has status {}", head.status))));
    }
    let told = head.headers.get(http::header::CONTENT_TYPE).and_then(|told| told.to_str().ok());
    if told != Some(content_type) {
        return Err(protocol(format!("it is not of content type {content_type}")));
    }
    Ok(body)
}
