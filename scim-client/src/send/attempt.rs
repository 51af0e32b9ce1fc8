//! Attempts of one call, and what is done between them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::lookup::Found;
use super::{Answer, Call, Lookup, Progress, Safety};
use crate::auth::Tools;
use crate::client::Client;
use crate::error::{Error, Rejected};
use crate::retry::retry_after;
use crate::target::Meaning;
use crate::transport::{TransportError, TransportErrorKind};

/// What a failed attempt left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The peer has not acted: the request can be made again as it is.
    NotDone,
    /// The peer asks for patience, and has not acted.
    Patience,
    /// The peer may have acted. Patient: it asks for patience all the same, as with a 503 that comes from something
    /// between here and there that gave up waiting.
    Unclear { patient: bool },
    /// Another attempt would bring the same.
    Lasting,
}

impl Fault {
    /// Whether the peer asks for patience.
    fn is_patient(self) -> bool {
        matches!(self, Self::Patience | Self::Unclear { patient: true })
    }
}

/// What an exchange brought.
struct Exchanged {
    outcome: Result<Response<Bytes>, TransportError>,
    credentials: Option<HeaderValue>,
}

impl Client {
    /// Boxed, because finding out what became of a create makes calls of its own.
    pub(super) fn drive<'a>(
        &'a self,
        call: &'a Call,
        progress: &'a Progress,
        until: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>> {
        Box::pin(self.attempts(call, progress, until))
    }

    async fn attempts(
        &self,
        call: &Call,
        progress: &Progress,
        until: Instant,
    ) -> Result<Answer, Error> {
        let url = call.url(self)?;
        for attempt in 1.. {
            let (error, fault) = match self.attempt(call, &url, progress, until).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match fault {
                Fault::Unclear { .. } => progress.lost.store(true, Ordering::Relaxed),
                // Seen in the wild: the create is done and answered 429.
                Fault::Patience => progress.disturbed.store(true, Ordering::Relaxed),
                Fault::NotDone | Fault::Lasting => {}
            }
            let lookup = match (&call.safety, fault) {
                (_, Fault::Lasting) => return Err(error),
                (Safety::Unsafe | Safety::Create(None), Fault::Unclear { .. }) => {
                    return Err(error);
                }
                (Safety::Create(Some(lookup)), Fault::Unclear { .. }) => Some(lookup),
                _ => None,
            };
            self.pause(&error, fault, attempt, until).await?;
            progress.failed(&error);
            if let Some(lookup) = lookup
                && let Some(answer) =
                    self.find_created(call, lookup, error, progress, until).await?
            {
                return Ok(answer);
            }
        }
        Err(Error::Request("too many attempts".to_owned()))
    }

    async fn attempt(
        &self,
        call: &Call,
        url: &Url,
        progress: &Progress,
        until: Instant,
    ) -> Result<Answer, (Error, Fault)> {
        let exchanged = self.exchange(call, url, progress).await.map_err(|error| {
            let passing = matches!(&error, Error::Auth(auth) if auth.is_retryable());
            (error, if passing { Fault::NotDone } else { Fault::Lasting })
        })?;
        let answer = exchanged.outcome.map_err(|source| {
            let fault = match source.kind() {
                TransportErrorKind::Connect => Fault::NotDone,
                TransportErrorKind::Lost | TransportErrorKind::Timeout => {
                    Fault::Unclear { patient: false }
                }
                TransportErrorKind::TooLarge | TransportErrorKind::Request => Fault::Lasting,
            };
            (Error::Transport { source, attempts: progress.attempts() }, fault)
        })?;
        let credentials = exchanged.credentials.as_ref();
        if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
            return call
                .accepted(answer, credentials, progress)
                .map_err(|error| (error, Fault::Lasting));
        }
        let mut rejected = call.rejected(self, answer, credentials, progress);
        if rejected.meaning == Some(Meaning::SlowDown)
            && rejected.status != StatusCode::TOO_MANY_REQUESTS
        {
            self.inner.budget.slow_down(rejected.retry_after);
        }
        match self.look_closer(call, &mut rejected, progress, until).await {
            Some(done) => Ok(done),
            None => {
                let fault = fault_of(&rejected);
                Err((Error::from(rejected), fault))
            }
        }
    }

    /// Waits until the next attempt, or gives the error back when there is to be none.
    async fn pause(
        &self,
        error: &Error,
        fault: Fault,
        attempt: u32,
        until: Instant,
    ) -> Result<(), Error> {
        let policy = &self.inner.retry;
        let wait = policy.wait(attempt, error.retry_after(), self.inner.jitter.as_ref());
        let in_time = Instant::now().checked_add(wait).is_some_and(|then| then < until);
        // The deadline ends the waiting for a peer that says how long.
        let promised = fault.is_patient() && error.retry_after().is_some();
        let counts = attempt < policy.max_attempts || (promised && policy.max_attempts > 1);
        let allowed = counts && in_time && (fault.is_patient() || self.inner.retries.withdraw());
        if !allowed {
            return Err(error.clone());
        }
        tracing::debug!(attempt, ?wait, %error, "the request will be made again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One exchange with the peer; with new credentials a second one when it answers 401 to the first.
    async fn exchange(
        &self,
        call: &Call,
        url: &Url,
        progress: &Progress,
    ) -> Result<Exchanged, Error> {
        let mut renewed = false;
        loop {
            let permit = self.inner.budget.acquire(&call.class()).await;
            let credentials = self.authorization(call).await?;
            let request = self.request(call, url, credentials.as_ref())?;
            progress.attempts.fetch_add(1, Ordering::Relaxed);
            progress.in_flight.store(true, Ordering::Relaxed);
            let outcome = self.inner.transport.send(request).await;
            drop(permit);
            progress.in_flight.store(false, Ordering::Relaxed);
            if let Ok(answer) = &outcome {
                let now = self.inner.clock.now();
                self.inner.budget.answered(answer.headers(), now.timestamp());
                if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                    self.inner.budget.slow_down(retry_after(answer.headers(), now));
                }
                tracing::debug!(
                    method = %call.method, place = %call.place, status = answer.status().as_u16(), "answered"
                );
                if answer.status() == StatusCode::UNAUTHORIZED
                    && !renewed
                    && let (Some(auth), Some(credentials)) = (&self.inner.auth, &credentials)
                    && auth.refused(credentials).await
                {
                    renewed = true;
                    continue;
                }
            }
            return Ok(Exchanged { outcome, credentials });
        }
    }

    async fn authorization(&self, call: &Call) -> Result<Option<HeaderValue>, Error> {
        if !self.target().wants_credentials(call.place.endpoint_name()) {
            return Ok(None);
        }
        let Some(auth) = &self.inner.auth else { return Ok(None) };
        let tools =
            Tools { transport: self.inner.transport.as_ref(), clock: self.inner.clock.as_ref() };
        Ok(auth.authorization(&tools).await?)
    }

    fn request(
        &self,
        call: &Call,
        url: &Url,
        credentials: Option<&HeaderValue>,
    ) -> Result<Request<Bytes>, Error> {
        let mut request = Request::new(call.body.clone().unwrap_or_default());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|e| Error::Request(format!("the URL cannot be used: {e}")))?;
        #[cfg(feature = "reqwest")]
        request.extensions_mut().insert(crate::transport::ParsedUrl(url.clone()));
        let headers = request.headers_mut();
        headers.clone_from(&call.headers);
        // At once for those below, and for what a transport adds.
        headers.reserve(10);
        if !self.inner.user_agent.is_empty() {
            headers.insert(USER_AGENT, self.inner.user_agent.clone());
        }
        if let Some(accept) = self.inner.target.accept(&call.method) {
            headers.insert(ACCEPT, accept);
        }
        if call.body.is_some() {
            headers.extend(self.inner.target.content_type().map(|kind| (CONTENT_TYPE, kind)));
        }
        if let Some(credentials) = credentials {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        Ok(request)
    }

    /// What a refusal needs to be understood: whether a 404 is about the resource or the method, and whether an earlier
    /// attempt has done the work. Returns the answer where it has.
    async fn look_closer(
        &self,
        call: &Call,
        rejected: &mut Rejected,
        progress: &Progress,
        until: Instant,
    ) -> Option<Answer> {
        match (&call.safety, rejected.status) {
            (_, StatusCode::NOT_FOUND) => {
                if call.method == Method::GET {
                    rejected.confirmed_missing = true;
                } else if !call.creates() && (!rejected.is_scim || self.doubts_not_found(call)) {
                    rejected.confirmed_missing = self.is_missing(call, until).await;
                    if !rejected.confirmed_missing {
                        rejected.meaning = Some(Meaning::MethodUnsupported);
                    }
                }
                // A delete whose answer was lost has done what it should.
                let done = call.method == Method::DELETE
                    && rejected.after_lost_answer
                    && rejected.is_not_found();
                done.then(|| answer(call, StatusCode::NO_CONTENT, None, progress))
            }
            (Safety::Create(Some(lookup)), StatusCode::CONFLICT)
                if progress.lost() || progress.disturbed.load(Ordering::Relaxed) =>
            {
                match self.look_up(call, lookup, until).await {
                    Ok(Found::Same(object)) => {
                        Some(answer(call, StatusCode::CREATED, Some(object), progress))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether the target says "not found" for other reasons too.
    fn doubts_not_found(&self, call: &Call) -> bool {
        self.target().confirms_not_found(call.place.endpoint_name(), call.action())
    }

    /// Whether a GET of the same place says that there is nothing.
    async fn is_missing(&self, call: &Call, until: Instant) -> bool {
        let get = Call::new(Method::GET, call.place.clone(), Safety::Safe);
        let outcome = self.drive(&get, &Progress::default(), until).await;
        matches!(outcome, Err(error) if error.is_not_found())
    }

    /// Looks for what a create may have made; `None` when it has not, and may be sent again.
    ///
    /// When that cannot be found out, the error of the create stands: sending it again could make a second resource.
    async fn find_created(
        &self,
        call: &Call,
        lookup: &Lookup,
        error: Error,
        progress: &Progress,
        until: Instant,
    ) -> Result<Option<Answer>, Error> {
        match self.look_up(call, lookup, until).await {
            Ok(Found::Same(object)) => {
                Ok(Some(answer(call, StatusCode::CREATED, Some(object), progress)))
            }
            // Another has the value that must be unique: the peer will say so itself.
            Ok(Found::Nothing | Found::Another) => Ok(None),
            Ok(Found::Several) => Err(error),
            Err(reason) => {
                tracing::warn!(%reason, "a create whose answer was lost cannot be looked up");
                Err(error)
            }
        }
    }
}

/// An answer that was put together from several.
fn answer(
    call: &Call,
    status: StatusCode,
    body: Option<scim_core::Object>,
    progress: &Progress,
) -> Answer {
    Answer {
        status,
        headers: http::HeaderMap::new(),
        body,
        txn: None,
        method: call.method.clone(),
        attempts: progress.attempts(),
    }
}

/// What a refusal says about the work. 425, 429 and what a profile knows for "not so fast" come before it. A 5xx may come
/// after it, and so may a 408: whatever its `Retry-After` says, a proxy sends 503 also for a server that has gone on.
fn fault_of(rejected: &Rejected) -> Fault {
    match (rejected.meaning, rejected.status.as_u16()) {
        (Some(Meaning::SlowDown), _) | (Some(Meaning::Retryable) | None, 425 | 429) => {
            Fault::Patience
        }
        (Some(Meaning::Retryable) | None, 503) => {
            Fault::Unclear { patient: rejected.retry_after.is_some() }
        }
        (Some(Meaning::Retryable), 408 | 500..) | (None, 408 | 500 | 502 | 504) => {
            Fault::Unclear { patient: false }
        }
        (Some(Meaning::Retryable), _) => Fault::Patience,
        _ => Fault::Lasting,
    }
}

impl Call {
    fn creates(&self) -> bool {
        matches!(self.safety, Safety::Create(_))
    }

    fn url(&self, client: &Client) -> Result<Url, Error> {
        let mut url = self.place.url(&client.inner.base, client.target())?;
        if !self.query.is_empty() {
            url.set_query(Some(&self.query));
        }
        Ok(url)
    }
}
