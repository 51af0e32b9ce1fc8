//! One check's hands: requests, made-up resources, expectations. Whatever a check creates through its [`Cx`] is
//! removed when it ends.

mod answer;
mod dataset;
mod fixture;
mod request;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use scim_core::urn;
use serde_json::{Value, json};

pub use self::answer::Answer;
pub use self::dataset::{Dataset, Person};
pub use self::fixture::{Fixture, Made};
pub use self::request::Request;
use crate::check::{Failure, Stop};
use crate::evidence::Evidence;
use crate::expect::Expect;
use crate::ledger::{Ledger, made_up};
use crate::profile::Profile;
use crate::run::Run;
use crate::served::Served;

/// What a check works with.
pub struct Cx {
    pub(crate) run: Arc<Run>,
    pub(crate) evidence: Evidence,
    pub(crate) ledger: Arc<Ledger>,
    /// Stands in every name that this check makes up.
    tag: String,
    names: AtomicUsize,
    remarks: Mutex<Remarks>,
}

/// What a check says without ending.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) warnings: Vec<Failure>,
    pub(crate) notes: Vec<String>,
    /// Why a request was refused without a judgement, and waiting did not help. The check could not be tried then,
    /// whatever it makes of that.
    pub(crate) untried: Option<String>,
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// Something that has a path below the base URL: `"/Users"`, a path put together, a resource.
pub trait Place {
    /// The path, with a slash in front.
    fn path(&self) -> String;
}

impl Place for &str {
    fn path(&self) -> String {
        (*self).to_owned()
    }
}

impl Place for &String {
    fn path(&self) -> String {
        (*self).clone()
    }
}

impl Place for &Made {
    fn path(&self) -> String {
        Made::path(self)
    }
}

impl Cx {
    pub(crate) fn new(run: Arc<Run>, tag: &str) -> Self {
        Self {
            run,
            evidence: Evidence::default(),
            ledger: Arc::new(Ledger::default()),
            tag: tag.to_owned(),
            names: AtomicUsize::new(0),
            remarks: Mutex::default(),
        }
    }

    /// For what all checks share: what it creates stays until the end of the run.
    pub(crate) fn of_run(run: Arc<Run>, tag: &str) -> Self {
        let ledger = Arc::clone(&run.ledger);
        Self { ledger, ..Self::new(run, tag) }
    }

    // ── what is known ──

    /// What the target says about itself.
    #[must_use]
    pub fn served(&self) -> &Served {
        self.run.served()
    }

    /// The profile of this run, for the few places where two specifications disagree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.run.profile
    }

    /// The base URL of the target, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> String {
        self.run.target.url("")
    }

    /// A name that nothing else on the target has: the marker by which `sweep` finds leftovers, the run's seed, the
    /// check, a number, and the given word. Use it for every `userName`, `displayName` of a group and the like.
    #[must_use]
    pub fn unique(&self, word: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        made_up(self.run.seed, &self.tag, number, word)
    }

    /// A unique e-mail address, also good as a `userName`.
    #[must_use]
    pub fn unique_mail(&self, word: &str) -> String {
        format!("{}@{}", self.unique(word), self.run.target.domain())
    }

    // ── requests ──

    /// Any request; the builder sets headers, query and body, and leaves out what it should.
    pub fn request(&self, method: Method, place: impl Place) -> Request<'_> {
        Request::new(self, method, &place.path())
    }

    /// `GET`, whatever the status of the answer.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn get(&self, place: impl Place) -> Result<Answer, Stop> {
        self.request(Method::GET, place).send().await
    }

    /// `GET` of a resource that has to be there: fails the check unless it is a 200 with a JSON object.
    ///
    /// # Errors
    /// [`Stop::Failed`] for any other answer; as [`Request::send`].
    pub async fn read(&self, place: impl Place) -> Result<Answer, Stop> {
        let answer = self.get(place).await?;
        self.expect_status(&answer, &[200])?;
        self.ensure_on(&answer, answer.value().is_object(), "a resource is read as a JSON object")?;
        Ok(answer)
    }

    /// `GET` of a collection with query parameters, which are escaped here.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn list(&self, place: impl Place, query: &[(&str, &str)]) -> Result<Answer, Stop> {
        let request = self.request(Method::GET, place);
        query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().await
    }

    /// `POST` with a JSON body.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn post(&self, place: impl Place, body: &Value) -> Result<Answer, Stop> {
        self.request(Method::POST, place).json(body).send().await
    }

    /// `PUT` with a JSON body.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn put(&self, place: impl Place, body: &Value) -> Result<Answer, Stop> {
        self.request(Method::PUT, place).json(body).send().await
    }

    /// `PATCH` with these operations (an array), inside a proper message.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn patch(&self, place: impl Place, operations: Value) -> Result<Answer, Stop> {
        let body = json!({"schemas": [urn::PATCH_OP], "Operations": operations});
        self.request(Method::PATCH, place).json(&body).send().await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn delete(&self, place: impl Place) -> Result<Answer, Stop> {
        self.request(Method::DELETE, place).send().await
    }

    /// `POST /.search` below a place (`""` is the root), with the members of this object and the message's `schemas`.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn search(&self, place: impl Place, query: Value) -> Result<Answer, Stop> {
        let body = with_schemas(query, urn::SEARCH_REQUEST);
        let path = format!("{}/.search", place.path().trim_end_matches('/'));
        self.post(&path, &body).await
    }

    /// `POST /Bulk` with these operations (an array).
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn bulk(&self, operations: Value) -> Result<Answer, Stop> {
        self.bulk_with(json!({"Operations": operations})).await
    }

    /// `POST /Bulk` with the members of this object (`Operations`, `failOnErrors`) and the message's `schemas`.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn bulk_with(&self, members: Value) -> Result<Answer, Stop> {
        self.post("/Bulk", &with_schemas(members, urn::BULK_REQUEST)).await
    }

    // ── resources ──

    /// A user to be created; only what the served schema announces is sent, and what it requires is filled in.
    pub fn user(&self) -> Fixture<'_> {
        let endpoint = self.served().users().to_owned();
        Fixture::new(self, &endpoint)
    }

    /// A group to be created.
    pub fn group(&self) -> Fixture<'_> {
        let endpoint = self.served().groups().to_owned();
        Fixture::new(self, &endpoint)
    }

    /// A resource of any served type to be created, by its endpoint.
    pub fn resource(&self, endpoint: &str) -> Fixture<'_> {
        Fixture::new(self, endpoint)
    }

    /// The users that all checks of filters, sorting and paging share. They are created when first asked for; no check
    /// may change them.
    ///
    /// # Errors
    /// [`Stop::Skipped`] in a read-only run, [`Stop::Broken`] when the target refuses one of them.
    pub async fn dataset(&self) -> Result<Arc<Dataset>, Stop> {
        self.run.dataset().await
    }

    // ── expectations ──

    /// Compares a value; see [`Expect`].
    pub fn expect<T>(&self, value: T) -> Expect<T> {
        Expect::new(value, None)
    }

    /// Compares a value that came with this answer, so that a failure shows that exchange.
    pub fn expect_on<T>(&self, answer: &Answer, value: T) -> Expect<T> {
        Expect::new(value, Some(answer.exchange()))
    }

    /// Says without ending that the target does something doubtful: where the text allows two readings, or an
    /// otherwise good answer has a flaw. The check ends as "warned" unless it fails.
    pub fn warn(&self, text: impl Into<String>) {
        self.remarks().warnings.push(Failure::new(text));
    }

    /// As [`Cx::warn`], with what was compared.
    pub fn warn_with(&self, failure: Failure) {
        self.remarks().warnings.push(failure);
    }

    /// Adds to the report how the target behaves where the text leaves it open.
    pub fn note(&self, text: impl Into<String>) {
        self.remarks().notes.push(text.into());
    }

    pub(crate) fn remarks(&self) -> std::sync::MutexGuard<'_, Remarks> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_schemas(mut message: Value, uri: &str) -> Value {
    if let Value::Object(members) = &mut message {
        members.entry("schemas").or_insert_with(|| json!([uri]));
    }
    message
}
