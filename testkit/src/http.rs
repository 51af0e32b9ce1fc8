//! HTTP/1.1 over a plain socket, close to the bytes.
//!
//! A proper client library refuses to send what a server has to survive: half a header, a wrong
//! length, two spaces too many. This one sends what it is given and reads one answer
//! (RFC 9112), always within a deadline.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest header line this client reads; a server that sends more is broken.
const LONGEST_LINE: u64 = 64 * 1024;

/// One answer of a server.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code of the final answer; interim `1xx` answers are skipped.
    pub status: u16,
    /// Header names in lower case, values trimmed, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body with transfer coding removed.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, whatever the case of `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text, with replacement characters where it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; an empty body is `null`. Fails the test when it is something else.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => {
                crate::fail(format_args!("the body is not JSON ({error}): {}", self.text()))
            }
        }
    }

    /// The body as JSON if the status is the expected one; fails the test otherwise.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        if self.status != status {
            crate::fail(format_args!(
                "expected status {status}, got {}: {}",
                self.status,
                self.text()
            ));
        }
        self.json()
    }
}

/// A connection that may carry several requests, one after the other.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<Timed>,
}

impl Connection {
    /// Connects; the deadline covers everything done with this connection.
    ///
    /// # Errors
    ///
    /// The error of the socket, or `TimedOut`.
    pub fn open(address: SocketAddr, deadline: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, deadline)?;
        stream.set_nodelay(true)?;
        let timed = Timed { stream, end: Instant::now() + deadline };
        Ok(Self { reader: BufReader::new(timed) })
    }

    /// Starts the clock again with a new deadline.
    pub fn extend(&mut self, deadline: Duration) {
        self.reader.get_mut().end = Instant::now() + deadline;
    }

    /// Sends bytes exactly as given.
    ///
    /// # Errors
    ///
    /// The error of the socket, or `TimedOut`.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Tells the server that nothing more will be sent; answers can still be read.
    ///
    /// # Errors
    ///
    /// The error of the socket.
    pub fn finish(&mut self) -> io::Result<()> {
        self.reader.get_ref().stream.shutdown(std::net::Shutdown::Write)
    }

    /// Reads one answer to a request that was not `HEAD`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the server closed without an answer, `InvalidData` when the answer is
    /// not HTTP/1.1, `TimedOut` when the deadline passed, or the error of the socket.
    pub fn receive(&mut self) -> io::Result<Response> {
        self.receive_to("GET")
    }

    /// Reads one answer to a request with the given method: a `HEAD` answer has no body.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`].
    pub fn receive_to(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let status = self.status_line()?;
            let headers = self.headers()?;
            if (100..200).contains(&status) {
                continue;
            }
            let mut response = Response { status, headers, body: Vec::new() };
            if method != "HEAD" && !matches!(status, 204 | 304) {
                response.body = self.body(&response)?;
            }
            return Ok(response);
        }
    }

    /// Whether the server has closed its side; waits for that until the deadline.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the connection stayed open and silent; `Ok(false)` when data came instead.
    pub fn closed(&mut self) -> io::Result<bool> {
        match self.reader.fill_buf() {
            Ok(buffer) => Ok(buffer.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn status_line(&mut self) -> io::Result<u16> {
        let line = self.line()?;
        let mut words = line.split(' ');
        match (words.next(), words.next().and_then(|code| code.parse().ok())) {
            (Some("HTTP/1.1" | "HTTP/1.0"), Some(status)) => Ok(status),
            _ => Err(invalid(format!("not a status line: {line:?}"))),
        }
    }

    fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(invalid(format!("not a header: {line:?}")));
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let chunked = response
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if chunked {
            return self.chunks();
        }
        let mut body = Vec::new();
        match response.header("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|_| invalid(format!("length {length:?}")))?;
                body.resize(length, 0);
                self.reader.read_exact(&mut body)?;
            }
            None => {
                self.reader.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16)
                .map_err(|_| invalid(format!("not a chunk size: {line:?}")))?;
            if size == 0 {
                self.headers()?;
                return Ok(body);
            }
            let start = body.len();
            body.resize(start + size, 0);
            self.reader.read_exact(&mut body[start..])?;
            if !self.line()?.is_empty() {
                return Err(invalid("a chunk is longer than its size".to_owned()));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
        }
        let text = String::from_utf8(bytes).map_err(|_| invalid("header not UTF-8".to_owned()))?;
        let Some(line) = text.strip_suffix('\n') else {
            return Err(invalid("a header line was cut off".to_owned()));
        };
        Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }
}

/// Sends bytes on a new connection and reads one answer.
///
/// # Errors
///
/// As [`Connection::open`] and [`Connection::receive`]. An error while sending is not one: a
/// server may refuse and close before it has read everything.
pub fn raw(address: SocketAddr, bytes: &[u8], deadline: Duration) -> io::Result<Response> {
    let mut connection = Connection::open(address, deadline)?;
    let sent = connection.send(bytes);
    match connection.receive() {
        Ok(response) => Ok(response),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

/// A socket whose reads and writes all end by the same moment.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the deadline has passed"));
        }
        Ok(Some(left))
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A socket time-out shows as `WouldBlock` on Unix; callers should see one kind only.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::{Connection, raw};
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(5);

    /// Answers the first connection with fixed bytes and keeps it open until the client leaves.
    fn answering(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(bytes).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        address
    }

    #[test]
    fn reads_a_body_by_length_and_no_further() {
        let address =
            answering(b"HTTP/1.1 200 OK\r\nETag: W/\"1\"\r\nContent-Length: 2\r\n\r\n{}X");
        let response = raw(address, b"", SOON).unwrap();
        assert_eq!(response.header("etag"), Some("W/\"1\""));
        assert_eq!(response.expect(200), serde_json::json!({}));
    }

    #[test]
    fn reads_chunks_after_an_interim_answer() {
        let address = answering(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
        );
        assert_eq!(raw(address, b"", SOON).unwrap().text(), "abcde");
    }

    #[test]
    fn carries_several_answers_on_one_connection() {
        let address = answering(
            b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        );
        let mut connection = Connection::open(address, SOON).unwrap();
        assert_eq!(connection.receive().unwrap().status, 204);
        assert_eq!(connection.receive().unwrap().status, 404);
    }

    #[test]
    fn a_silent_server_is_a_timeout_and_not_a_hang() {
        let address = answering(b"HTTP/1.1 200 OK\r\n");
        let error = raw(address, b"", Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_server_that_is_not_http_is_named() {
        let address = answering(b"SSH-2.0-x\r\n");
        let error = raw(address, b"", SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("SSH-2.0-x"), "{error}");
    }
}
