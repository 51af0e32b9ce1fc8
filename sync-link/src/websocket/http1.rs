//! As much of HTTP/1.1 as comes before a WebSocket: one request, one answer.
//!
//! By hand because requests here hold credentials, which no library should log, and because a proxy's answer and a refused
//! upgrade are to be told in their own words.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::connection::TransportError;

const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// What is read of the body of a refusal, and how long.
const MAX_REFUSAL: usize = 16 * 1024;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// The head of an answer and what came with it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) rest: BytesMut,
}

/// What went wrong before there was an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    NotHttp(&'static str),
}

/// Sends a request and reads the head of the answer.
pub(super) async fn exchange<S>(stream: &mut S, request: &[u8]) -> Result<Reply, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut buffer = BytesMut::new();
    loop {
        if let Some(reply) = parse(&mut buffer)? {
            // 101 is an answer, other 1xx announce one.
            if !reply.status.is_informational() || reply.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(reply);
            }
            buffer = reply.rest;
            continue;
        }
        if buffer.len() >= MAX_HEAD {
            return Err(ExchangeError::NotHttp("the head of its answer is too long"));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(ExchangeError::NotHttp("it closed the connection without an answer"));
        }
    }
}

fn parse(buffer: &mut BytesMut) -> Result<Option<Reply>, ExchangeError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut slots);
    let not_http = || ExchangeError::NotHttp("it does not answer in HTTP");
    let length = match parsed.parse(buffer).map_err(|_| not_http())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(not_http)?;
    let headers = header_map(parsed.headers).ok_or_else(not_http)?;
    let mut rest = buffer.split();
    rest.advance(length);
    Ok(Some(Reply { status, headers, rest }))
}

fn header_map(parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    parsed
        .iter()
        .map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(header.value).ok()?))
        })
        .collect()
}

/// What a refusal says: the `detail` of an error document, or the beginning of a text.
pub(super) async fn refusal<S>(stream: &mut S, mut reply: Reply) -> Option<String>
where
    S: AsyncRead + Unpin,
{
    let length = reply
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(MAX_REFUSAL)
        .min(MAX_REFUSAL);
    let read = async {
        while reply.rest.len() < length && stream.read_buf(&mut reply.rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // What came until then is good enough.
    drop(timeout(REFUSAL_PATIENCE, read).await);
    let body = &reply.rest[..reply.rest.len().min(length)];
    detail(&reply.headers, body)
}

/// The `detail` of an error document, or the beginning of a text.
pub(crate) fn detail(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let body = &body[..body.len().min(MAX_REFUSAL)];
    let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = document.as_ref().and_then(|document| document["detail"].as_str());
    let is_text = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"text/plain"));
    let text = match detail {
        Some(detail) => detail,
        None if is_text => std::str::from_utf8(body).ok()?,
        None => return None,
    };
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(500).collect();
    (!text.is_empty()).then_some(text)
}

/// A key for `Sec-WebSocket-Key`, and what the answer to it has to be.
pub(super) fn key() -> (String, String) {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let accept = derive_accept_key(key.as_bytes());
    (key, accept)
}

/// Whether a header that is a list has a word.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// Reads a request for an upgrade and grants it; what came after it.
pub(super) async fn accept<S>(stream: &mut S, protocol: &str) -> Result<Vec<u8>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::new();
    let (length, headers) = loop {
        {
            let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parsed = httparse::Request::new(&mut slots);
            let status = parsed.parse(&buffer).map_err(TransportError::new)?;
            if let httparse::Status::Complete(length) = status {
                let headers = header_map(parsed.headers)
                    .ok_or_else(|| TransportError::new("a header is malformed"))?;
                break (length, headers);
            }
        }
        if buffer.len() >= MAX_HEAD {
            return Err(TransportError::new("the head of the request is too long"));
        }
        if stream.read_buf(&mut buffer).await.map_err(TransportError::new)? == 0 {
            return Err(TransportError::new("closed before the upgrade"));
        }
    };
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|_| lists(&headers, &header::UPGRADE, "websocket"))
        .filter(|_| lists(&headers, &header::SEC_WEBSOCKET_PROTOCOL, protocol));
    let Some(key) = key else {
        let refused = "HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\
                       Upgrade: websocket\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refused.as_bytes()).await.map_err(TransportError::new)?;
        return Err(TransportError::new(format!("no upgrade to {protocol} was asked for")));
    };
    let accept = derive_accept_key(key.as_bytes());
    let granted = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(granted.as_bytes()).await.map_err(TransportError::new)?;
    stream.flush().await.map_err(TransportError::new)?;
    buffer.advance(length);
    Ok(buffer.to_vec())
}
