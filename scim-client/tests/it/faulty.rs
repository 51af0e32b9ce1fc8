//! A network that fails on purpose, the same way for the same seed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scim_client::clock::Clock;
use scim_client::scim_core::ErrorDocument;
use scim_client::{InProcess, Transport, TransportError, TransportErrorKind};
use tokio::time::Instant;

/// What can go wrong with one exchange. "Unseen": the server does not get the request; "done": it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoConnection,
    ResetUnseen,
    ResetDone,
    SlowUnseen,
    /// The body of the answer comes too slowly to be waited for.
    SlowDone,
    /// 503 with `Retry-After`.
    BusyUnseen,
    ErrorUnseen,
    ErrorDone,
    HtmlErrorUnseen,
    HtmlErrorDone,
    /// The right answer, said to be a web page.
    WrongTypeDone,
    /// A web page in place of the right answer, with the status of success.
    HtmlSuccessDone,
    /// The same from something on the way, such as a portal to log in.
    HtmlSuccessUnseen,
}

/// Those after which the client can find out what has become of the request.
pub(crate) const MENDABLE: [Fault; 11] = [
    Fault::NoConnection,
    Fault::ResetUnseen,
    Fault::ResetDone,
    Fault::SlowUnseen,
    Fault::SlowDone,
    Fault::BusyUnseen,
    Fault::ErrorUnseen,
    Fault::ErrorDone,
    Fault::HtmlErrorUnseen,
    Fault::HtmlErrorDone,
    Fault::WrongTypeDone,
];

/// How often what goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// The share of exchanges that fail.
    pub(crate) faults: f64,
    pub(crate) kinds: Vec<Fault>,
    /// The share of exchanges that begin a time in which everything is answered 429.
    pub(crate) storms: f64,
}

impl Weather {
    pub(crate) fn calm() -> Self {
        Self { seed: 0, faults: 0.0, kinds: Vec::new(), storms: 0.0 }
    }
}

/// The server behind such a network. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    server: InProcess,
    weather: Weather,
    state: Arc<Mutex<State>>,
    pub(crate) clock: TestClock,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    requests: u64,
    faults: u64,
    storm: Option<Instant>,
}

/// What happens to this exchange.
enum Fate {
    Well,
    Storm(Duration, bool),
    Fault(Fault),
}

impl Faulty {
    pub(crate) fn new(server: InProcess, weather: Weather) -> Self {
        let random = StdRng::seed_from_u64(weather.seed);
        let state = State { random, requests: 0, faults: 0, storm: None };
        Self { server, weather, state: Arc::new(Mutex::new(state)), clock: TestClock::new() }
    }

    /// Requests that the client has made.
    pub(crate) fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    /// Exchanges that went wrong.
    pub(crate) fn faults(&self) -> u64 {
        self.state.lock().unwrap().faults
    }

    fn fate(&self) -> Fate {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let now = Instant::now();
        if state.storm.is_none_or(|end| end <= now) {
            let begins = state.random.random_bool(self.weather.storms);
            let seconds = state.random.random_range(3..20);
            state.storm = begins.then(|| now + Duration::from_secs(seconds));
        }
        if let Some(end) = state.storm {
            state.faults += 1;
            return Fate::Storm(end - now, state.random.random_bool(0.5));
        }
        if !self.weather.kinds.is_empty() && state.random.random_bool(self.weather.faults) {
            state.faults += 1;
            let kind = state.random.random_range(0..self.weather.kinds.len());
            return Fate::Fault(self.weather.kinds[kind]);
        }
        Fate::Well
    }
}

#[async_trait]
impl Transport for Faulty {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let fault = match self.fate() {
            Fate::Well => return self.server.send(request).await,
            Fate::Storm(left, as_date) => return Ok(self.too_many(left, as_date)),
            Fate::Fault(fault) => fault,
        };
        let slow = Duration::from_secs(8);
        match fault {
            Fault::NoConnection => Err(failed(TransportErrorKind::Connect)),
            Fault::ResetUnseen => Err(failed(TransportErrorKind::Lost)),
            Fault::SlowUnseen => {
                tokio::time::sleep(slow).await;
                Err(failed(TransportErrorKind::Timeout))
            }
            Fault::BusyUnseen => {
                let mut busy = page(StatusCode::SERVICE_UNAVAILABLE, "busy");
                busy.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
                Ok(busy)
            }
            Fault::ErrorUnseen => Ok(scim_error(StatusCode::INTERNAL_SERVER_ERROR)),
            Fault::HtmlErrorUnseen => Ok(page(StatusCode::BAD_GATEWAY, HTML)),
            Fault::HtmlSuccessUnseen => Ok(page(StatusCode::OK, HTML)),
            Fault::ResetDone | Fault::SlowDone => {
                self.server.send(request).await?;
                if fault == Fault::ResetDone {
                    return Err(failed(TransportErrorKind::Lost));
                }
                tokio::time::sleep(slow).await;
                Err(failed(TransportErrorKind::Timeout))
            }
            Fault::ErrorDone => {
                self.server.send(request).await?;
                Ok(scim_error(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Fault::HtmlErrorDone => {
                self.server.send(request).await?;
                Ok(page(StatusCode::GATEWAY_TIMEOUT, HTML))
            }
            Fault::HtmlSuccessDone => {
                let status = self.server.send(request).await?.status();
                Ok(page(status, HTML))
            }
            Fault::WrongTypeDone => {
                let mut answer = self.server.send(request).await?;
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
                Ok(answer)
            }
        }
    }
}

const HTML: &str = "<!doctype html><title>Sorry</title><p>Something went wrong.";

impl Faulty {
    fn too_many(&self, left: Duration, as_date: bool) -> Response<Bytes> {
        let mut answer = scim_error(StatusCode::TOO_MANY_REQUESTS);
        let seconds = left.as_secs() + 1;
        let value = if as_date {
            let end = self.clock.now() + TimeDelta::seconds(i64::try_from(seconds).unwrap());
            httpdate::fmt_http_date(end.into())
        } else {
            seconds.to_string()
        };
        answer.headers_mut().insert(RETRY_AFTER, value.parse().unwrap());
        answer
    }
}

fn failed(kind: TransportErrorKind) -> TransportError {
    TransportError::new(kind, "the weather is bad")
}

fn page(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    answer
}

fn scim_error(status: StatusCode) -> Response<Bytes> {
    let document = ErrorDocument::new(status, None, "try again");
    let mut answer = Response::new(Bytes::from(serde_json::to_vec(&document).unwrap()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    answer
}

/// The time of day, going with tokio's clock, which tests pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock {
    begin: DateTime<Utc>,
    zero: Instant,
}

impl TestClock {
    fn new() -> Self {
        Self {
            begin: scim_server::clock::Clock::now(&scim_server::clock::SystemClock::new()),
            zero: Instant::now(),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.begin + TimeDelta::from_std(self.zero.elapsed()).unwrap()
    }
}
