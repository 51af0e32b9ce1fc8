//! The one place where requests go out and answers come in: credentials, headers, rate, retries, deadline, errors.

mod answer;
mod attempt;
mod lookup;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use scim_core::{Object, Resource};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Error, Undecodable};
use crate::resources::Place;
use crate::target::{Action, RequestClass};

/// One call: a request that may be made several times.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) place: Place,
    /// The query, encoded.
    pub(crate) query: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) headers: HeaderMap,
    pub(crate) safety: Safety,
    /// Less than the client's.
    pub(crate) deadline: Option<Duration>,
    /// The operations of a bulk request; 1 for any other.
    pub(crate) operations: usize,
    /// Members that the request adds to a group.
    pub(crate) added_members: usize,
    /// What is masked wherever the answer is shown, such as a password that was sent.
    pub(crate) secrets: Vec<SecretString>,
}

/// What happens when the peer gets a request twice.
#[derive(Debug)]
pub(crate) enum Safety {
    /// Nothing: it changes nothing.
    Safe,
    /// Nothing more: the second changes nothing.
    Idempotent,
    /// Something, or it cannot be told: only what surely did not arrive is sent again.
    Unsafe,
    /// A second resource. `Some`: how to find the first one.
    Create(Option<Box<Lookup>>),
}

/// How to find out whether a create whose answer was lost has been done.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Names of attributes, the best first.
    pub(crate) by: &'static [&'static str],
    /// What was sent.
    pub(crate) sent: Resource,
}

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body; none for 204, an empty one, and for 202 with a body that is none of ours.
    pub(crate) body: Option<Object>,
    /// The transaction that a 202 names: the outcome comes as an event (RFC 9967 section 3).
    pub(crate) txn: Option<String>,
    pub(crate) method: Method,
    pub(crate) attempts: u32,
}

impl Answer {
    /// The error for an answer whose body is JSON, but not what it has to be.
    pub(crate) fn undecodable(self, place: &Place, problem: String) -> Error {
        Error::Decode(Box::new(Undecodable {
            method: self.method,
            path: place.to_string(),
            status: self.status,
            headers: self.headers,
            problem,
            body_excerpt: None,
            attempts: self.attempts,
        }))
    }
}

impl Call {
    pub(crate) fn new(method: Method, place: Place, safety: Safety) -> Self {
        Self {
            method,
            place,
            query: String::new(),
            body: None,
            headers: HeaderMap::new(),
            safety,
            deadline: None,
            operations: 1,
            added_members: 0,
            secrets: Vec::new(),
        }
    }

    /// Sends this as the body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        // A usual user, without growing on the way.
        let mut bytes = Vec::with_capacity(1_024);
        serde_json::to_writer(&mut bytes, body)
            .map_err(|e| Error::Request(format!("the body cannot be written as JSON: {e}")))?;
        self.body = Some(Bytes::from(bytes));
        Ok(self)
    }

    /// What is to be done, in the words of target profiles.
    pub(crate) fn action(&self) -> Action {
        let search = self.place.last() == Some(".search");
        match self.method {
            Method::POST if search => Action::Search,
            Method::PUT => Action::Replace,
            Method::PATCH => Action::Patch,
            Method::DELETE => Action::Delete,
            Method::GET if self.place.is_resource() => Action::Read,
            Method::GET => Action::List,
            _ => Action::Create,
        }
    }

    /// What the rate budget has to know.
    pub(crate) fn class(&self) -> RequestClass<'_> {
        RequestClass {
            resource: self.place.last().filter(|_| self.place.is_resource()),
            bytes: self.body.as_ref().map_or(0, Bytes::len),
            operations: self.operations,
            added_members: self.added_members,
            ..RequestClass::new(self.action(), self.place.endpoint_name())
        }
    }

    /// Sends this header, where it has a value.
    pub(crate) fn set_header(
        &mut self,
        name: http::HeaderName,
        value: Option<&str>,
    ) -> Result<(), Error> {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::Request(format!("{name}: no header can carry this value")))?;
            self.headers.insert(name, value);
        }
        Ok(())
    }
}

/// What has happened to a call so far; seen from outside when its deadline passes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    attempts: AtomicU32,
    /// Whether a request is under way whose answer is not here yet.
    in_flight: AtomicBool,
    /// Whether an answer was lost, so that the peer may have acted.
    lost: AtomicBool,
    /// Whether the peer has refused an attempt for the time being.
    disturbed: AtomicBool,
    last: Mutex<Option<Error>>,
}

impl Progress {
    fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn failed(&self, error: &Error) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    fn overdue(&self, limit: Duration, writes: bool) -> Error {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sent = self.lost() || self.in_flight.load(Ordering::Relaxed);
        Error::Deadline {
            limit,
            attempts: self.attempts(),
            may_have_been_sent: writes && sent,
            last: last.map(Box::new),
        }
    }
}

impl Client {
    /// Makes the call: every request of the client goes through here.
    ///
    /// # Errors
    /// Every variant of [`Error`] but paging.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        let endpoint = call.place.endpoint_name();
        self.inner.target.admits_action(endpoint, call.action())?;
        let limit = call.deadline.map_or(self.inner.deadline, |own| own.min(self.inner.deadline));
        self.inner.retries.deposit();
        let progress = Progress::default();
        let until = Instant::now() + limit;
        match tokio::time::timeout_at(until, self.drive(&call, &progress, until)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(progress.overdue(limit, !matches!(call.safety, Safety::Safe))),
        }
    }
}
