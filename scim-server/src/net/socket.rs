//! The socket as the HTTP machinery sees it: it reports to the meter, and gives bare errors a body.
//!
//! hyper answers a head that it cannot read by itself, with a status line and no body. Nothing in
//! its interface changes that. But such an answer is the only thing that is ever written before a
//! handler was asked, so [`Watched`] recognises it and sends the SCIM error document in its place.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{meter::Meter, problem::Problem};

/// What a connection runs over: TCP, or TLS over it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The TCP connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A socket that reports every move to its connection's meter.
pub(super) struct Watched<S> {
    socket: S,
    meter: Arc<Meter>,
    /// What goes out instead of hyper's own answer, and how much of it has.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S: Socket> Watched<S> {
    pub(super) fn new(socket: S, meter: Arc<Meter>) -> Self {
        Self { socket, meter, instead: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.socket
    }

    /// Writes the document in the place of `bare`, which counts as written when all of it went out.
    ///
    /// `None` means that `bare` is not hyper's own answer. On `Pending` hyper comes again with the
    /// same bytes.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        bare: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            if !self.meter.is_before_handler() {
                return None;
            }
            self.instead = Some((Problem::of_bad_head(status_of(bare)?).bytes(), 0));
            self.meter.on_refusal();
        }
        Some(self.poll_rest(cx).map_ok(|()| bare.len()))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((bytes, sent)) = &mut self.instead {
            while *sent < bytes.len() {
                let n = ready!(Pin::new(&mut self.socket).poll_write(cx, &bytes[*sent..]))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *sent += n;
            }
        }
        self.instead = None;
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer whose head is all there is.
fn status_of(head: &[u8]) -> Option<StatusCode> {
    let rest = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(rest.get(..3)?).ok()?;
    (status.is_client_error() && head.ends_with(b"\r\n\r\n")).then_some(status)
}

impl<S: Socket> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.meter.on_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(result) = self.poll_instead(cx, bytes) {
            return result;
        }
        let n = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.meter.on_write(n);
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && let Some(result) = self.poll_instead(cx, first)
        {
            return result;
        }
        let n = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
        self.meter.on_write(n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.meter.on_flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_client_error_counts_as_hypers_own() {
        let status = |text: &str| status_of(text.as_bytes()).map(|s| s.as_u16());
        assert_eq!(status("HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n"), Some(431));
        assert_eq!(status("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), Some(400));
        assert_eq!(status("HTTP/1.1 400 Bad Request\r\ncontent-length: 1\r\n\r\nx"), None);
        assert_eq!(status("HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(status("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(status("HTTP/1.1"), None);
    }
}
