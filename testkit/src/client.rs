//! SCIM requests for tests: a token, JSON bodies, and a plain answer.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::http::{Connection, Response};

/// Characters that stay as they are in a query value (RFC 3986 section 2.3).
const UNRESERVED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// How long one request may take unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// Sends SCIM requests to one base path with one token, each on a connection of its own.
///
/// The short methods fail the test when no answer comes; [`Request::try_send`] hands the error
/// back, for tests that kill the server.
///
/// ```no_run
/// use serde_json::json;
///
/// let client = testkit::Client::new("127.0.0.1:8080".parse().unwrap(), "/scim/v2", "secret");
/// let ada = client.post("/Users", &testkit::people::user(1)).expect(201);
/// let found = client.list("/Users", &[("filter", "userName sw \"ada\"")]).expect(200);
/// assert_eq!(found["totalResults"], json!(1));
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    base_path: String,
    authorization: Option<String>,
    deadline: Duration,
}

impl Client {
    /// A client for the SCIM endpoint at `base_path`, with a bearer token.
    #[must_use]
    pub fn new(address: SocketAddr, base_path: &str, token: &str) -> Self {
        Self {
            address,
            base_path: base_path.trim_end_matches('/').to_owned(),
            authorization: Some(format!("Bearer {token}")),
            deadline: DEADLINE,
        }
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// The same client without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// The same client under another base path, for example that of a tenant.
    #[must_use]
    pub fn at(&self, base_path: &str) -> Self {
        Self { base_path: base_path.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The same client with another deadline for each request.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// A request to be completed with headers and a body.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            client: self,
            method: method.to_owned(),
            target: format!("{}{path}", self.base_path),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET path`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    /// `GET path` with query parameters, percent-encoded here.
    #[must_use]
    #[track_caller]
    pub fn list(&self, path: &str, query: &[(&str, &str)]) -> Response {
        self.request("GET", path).query(query).send()
    }

    /// `POST path` with a JSON body.
    #[must_use]
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path).json(body).send()
    }

    /// `PUT path` with a JSON body.
    #[must_use]
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.request("PUT", path).json(body).send()
    }

    /// `PATCH path` with a JSON body.
    #[must_use]
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Response {
        self.request("PATCH", path).json(body).send()
    }

    /// `DELETE path`.
    #[must_use]
    #[track_caller]
    pub fn delete(&self, path: &str) -> Response {
        self.request("DELETE", path).send()
    }
}

/// One request under construction.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    client: &'a Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds query parameters, percent-encoded here.
    #[must_use]
    pub fn query(mut self, parameters: &[(&str, &str)]) -> Self {
        for (name, value) in parameters {
            let separator = if self.target.contains('?') { '&' } else { '?' };
            let value = utf8_percent_encode(value, &UNRESERVED);
            self.target.push(separator);
            self.target.push_str(&format!("{name}={value}"));
        }
        self
    }

    /// Sets a JSON body, sent as `application/scim+json`.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/scim+json", body.to_string().as_bytes())
    }

    /// Sets any body with its media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self.header("content-type", media_type)
    }

    /// Sends the request; fails the test when no answer comes within the deadline.
    #[must_use]
    #[track_caller]
    pub fn send(&self) -> Response {
        match self.try_send() {
            Ok(response) => response,
            Err(error) => crate::fail(format_args!("{} {}: {error}", self.method, self.target)),
        }
    }

    /// Sends the request and hands back what went wrong on the way.
    ///
    /// # Errors
    ///
    /// As [`Connection::open`] and [`Connection::receive`].
    pub fn try_send(&self) -> io::Result<Response> {
        let mut connection = Connection::open(self.client.address, self.client.deadline)?;
        let sent = connection.send(&self.bytes());
        match connection.receive_to(&self.method) {
            Ok(response) => Ok(response),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\naccept: application/scim+json\r\n",
            self.method, self.target, self.client.address
        );
        let authorization =
            self.client.authorization.iter().map(|value| ("authorization", value.as_str()));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in authorization.chain(own) {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Client;
    use serde_json::json;

    fn client() -> Client {
        Client::new("127.0.0.1:1".parse().unwrap(), "/scim/v2/", "abc")
    }

    #[test]
    fn a_request_is_complete_http() {
        let client = client();
        let request = client.request("POST", "/Users").header("If-Match", "*").json(&json!({}));
        let text = String::from_utf8(request.bytes()).unwrap();
        assert!(text.starts_with("POST /scim/v2/Users HTTP/1.1\r\nhost: 127.0.0.1:1\r\n"));
        assert!(text.contains("authorization: Bearer abc\r\nIf-Match: *\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"), "{text}");
    }

    #[test]
    fn query_values_are_encoded() {
        let client = client();
        let request = client
            .request("GET", "/Users")
            .query(&[("filter", "emails.value co \"a+b&c=d é\""), ("count", "1")]);
        assert_eq!(
            request.target,
            "/scim/v2/Users?filter=emails.value%20co%20%22a%2Bb%26c%3Dd%20%C3%A9%22&count=1"
        );
    }

    #[test]
    fn an_anonymous_client_sends_no_credentials() {
        let client = client().anonymous();
        let text = String::from_utf8(client.request("GET", "/Users").bytes()).unwrap();
        assert!(!text.contains("authorization"), "{text}");
    }

    #[test]
    fn nobody_listening_is_an_error_to_look_at() {
        assert!(client().request("GET", "/Users").try_send().is_err());
    }
}
