//! The link over a WebSocket.
//!
//! The agent dials: TCP, directly or through an HTTP proxy, then TLS with its certificate, then the upgrade. The service
//! hands its accepted socket to [`wrap`], whichever server made it, and sets
//! [`MAX_MESSAGE`] as limit there.

pub(crate) mod dial;
pub(crate) mod http1;
mod proxy;
mod tls;

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio_tungstenite::tungstenite;

use crate::connection::{Connection, TransportError};
pub use crate::frame::{MAX_MESSAGE, PROTOCOL};

pub use dial::{Dial, DialError};
pub use proxy::Proxy;
pub use tls::{ClientIdentity, Roots, client_tls};

/// What a message of a WebSocket is to the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A binary message.
    Message(Bytes),
    /// A ping or a pong: the WebSocket's own business.
    Nothing,
    /// A close, with its reason.
    Closed(String),
    /// A text message, which the protocol does not have.
    Foreign,
}

/// Makes a connection of any socket of messages, such as the one of axum:
///
/// ```
/// # use bytes::Bytes;
/// # use futures::{Sink, Stream};
/// # use scim_sync_link::{Connection, websocket::{self, Received}};
/// # // Stands for `axum::extract::ws::Message`.
/// # enum Message { Binary(Bytes), Text(String), Ping(Bytes), Pong(Bytes), Close(Option<String>) }
/// fn connection<S>(socket: S) -> Connection
/// where
///     S: Sink<Message, Error = std::io::Error>
///         + Stream<Item = Result<Message, std::io::Error>>
///         + Send
///         + 'static,
/// {
///     websocket::wrap(socket, Message::Binary, |message| match message {
///         Message::Binary(bytes) => Received::Message(bytes),
///         Message::Text(_) => Received::Foreign,
///         Message::Ping(_) | Message::Pong(_) => Received::Nothing,
///         Message::Close(reason) => Received::Closed(reason.unwrap_or_default()),
///     })
/// }
/// ```
pub fn wrap<S, M, E>(
    socket: S,
    binary: impl Fn(Bytes) -> M + Send + 'static,
    received: impl Fn(M) -> Received + Send + 'static,
) -> Connection
where
    S: Sink<M, Error = E> + Stream<Item = Result<M, E>> + Send + 'static,
    M: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let (outgoing, incoming) = socket.split();
    let outgoing = outgoing
        .with(move |message| std::future::ready(Ok::<_, E>(binary(message))))
        .sink_map_err(|error| TransportError::new(plain(&error)));
    let incoming = incoming.filter_map(move |message| {
        let message = match message.map(&received) {
            Ok(Received::Message(bytes)) => Some(Ok(bytes)),
            Ok(Received::Nothing) => None,
            Ok(Received::Closed(reason)) if reason.is_empty() => {
                Some(Err(TransportError::new("the other side closed the WebSocket")))
            }
            Ok(Received::Closed(reason)) => Some(Err(TransportError::new(format!(
                "the other side closed the WebSocket: {}",
                reason.chars().take(200).collect::<String>()
            )))),
            Ok(Received::Foreign) => {
                Some(Err(TransportError::new("a text message came, which no agent sends")))
            }
            Err(error) => Some(Err(TransportError::new(plain(&error)))),
        };
        std::future::ready(message)
    });
    Connection::new("websocket", outgoing, incoming)
}

/// An error with what is behind it. Whoever died, or was cut off, says no farewell: that is told in words, and not as the
/// fault of TLS that it looks like.
pub(crate) fn plain(error: &(dyn std::error::Error + 'static)) -> String {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    const BROKEN: [std::io::ErrorKind; 4] =
        [UnexpectedEof, ConnectionReset, ConnectionAborted, BrokenPipe];
    let mut text = error.to_string();
    let mut source = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| BROKEN.contains(&io.kind())) {
            return "the connection broke off".to_owned();
        }
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// The same for the sockets of tungstenite.
fn received(message: tungstenite::Message) -> Received {
    use tungstenite::Message;
    match message {
        Message::Binary(bytes) => Received::Message(bytes),
        Message::Text(_) => Received::Foreign,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Received::Nothing,
        Message::Close(frame) => {
            Received::Closed(frame.map(|frame| frame.reason.to_string()).unwrap_or_default())
        }
    }
}

fn config() -> tungstenite::protocol::WebSocketConfig {
    tungstenite::protocol::WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Accepts the upgrade on a stream without a web server, for tests and small services: any path, any credential.
///
/// # Errors
/// When the other side does not ask for a WebSocket with the subprotocol [`PROTOCOL`].
pub async fn accept<S>(mut stream: S) -> Result<Connection, TransportError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let rest = http1::accept(&mut stream, PROTOCOL).await?;
    let role = tungstenite::protocol::Role::Server;
    let socket =
        tokio_tungstenite::WebSocketStream::from_partially_read(stream, rest, role, Some(config()))
            .await;
    Ok(wrap(socket, tungstenite::Message::Binary, received))
}
