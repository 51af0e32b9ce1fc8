//! The job: batch after batch, with what each refers to already there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use http::{HeaderMap, Method, StatusCode};
use scim_core::bulk::{
    BulkItem, BulkMethod, BulkOperation, BulkResponse, BulkTarget, OperationResult, Step, Withheld,
    link_patch, plan, references, rewrite, withhold,
};
use scim_core::{Leniency, Object, Patch, Profile, Resource};
use secrecy::{ExposeSecret, SecretString};
use smol_str::SmolStr;

use super::batch::{Batch, Limits};
use super::{BulkOutcome, BulkReport, Fate, Item, Prepared, Target};
use crate::client::Client;
use crate::error::{Error, Rejected};
use crate::request::is_idempotent;
use crate::resources::{Place, Resources};
use crate::send::{Answer, Call, Lookup, Safety};
use crate::target::{Action, Capabilities};

/// After so many requests in a row that brought nothing, not even a refusal, nothing more is begun.
const PATIENCE: u32 = 3;

/// A bulk on its way.
#[derive(Debug)]
pub(crate) struct Job {
    client: Client,
    items: Vec<Item>,
    steps: VecDeque<Step>,
    /// Prepared, and to go before the steps.
    ready: VecDeque<Prepared>,
    withheld: BTreeMap<usize, Vec<Withheld>>,
    /// The ids of what was created, by bulkId.
    ids: BTreeMap<SmolStr, SmolStr>,
    outcomes: Vec<BulkOutcome>,
    fail_on_errors: Option<u64>,
    errors: u64,
    /// Requests in a row that brought nothing.
    silence: u32,
    requests: u64,
}

/// What operations have to wait for: what a batch under construction creates, and others that wait.
#[derive(Debug, Default)]
struct Waits {
    ids: BTreeSet<SmolStr>,
    /// Resources that a waiting operation is about: a later one must not overtake it.
    paths: BTreeSet<String>,
}

impl Waits {
    fn for_operation(&mut self, operation: &Prepared) {
        self.ids.extend(operation.bulk_id.clone());
        match &operation.target {
            Target::Endpoint => {}
            Target::Id(_) => drop(self.paths.insert(operation.place().to_path())),
            Target::BulkId(bulk_id) => drop(self.ids.insert(bulk_id.clone())),
        }
    }

    fn concern(&self, operation: &Prepared) -> bool {
        let target = match &operation.target {
            Target::Endpoint => None,
            Target::Id(_) if self.paths.contains(&operation.place().to_path()) => return true,
            Target::Id(_) => None,
            Target::BulkId(bulk_id) => Some(bulk_id),
        };
        let data = operation.data.iter().flat_map(Object::values);
        references(target, data).iter().any(|bulk_id| self.ids.contains(bulk_id))
    }
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Ready(Prepared),
    /// An operation that needs what the batch under construction makes.
    Later(Prepared),
    End,
}

/// What a failed batch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The target has no bulk.
    Missing,
    /// The target takes less at a time.
    TooLarge,
    /// The target does not take these operations together.
    Refused,
    /// The batch may have been done, in whole or in part.
    Unclear,
    /// Nothing was done, and nothing will be.
    Lasting,
}

impl Job {
    pub(crate) fn new(client: Client, mut items: Vec<Item>, fail_on_errors: Option<u64>) -> Self {
        let steps = steps(&mut items).into();
        let outcomes = items.iter().map(|item| BulkOutcome {
            method: item.method,
            path: match &item.target {
                Target::Endpoint => item.place.clone().to_path(),
                Target::Id(id) => item.place.clone().child(id).to_path(),
                Target::BulkId(id) => item.place.clone().child(&format!("bulkId:{id}")).to_path(),
            },
            bulk_id: item.bulk_id.to_string(),
            id: match &item.target {
                Target::Id(id) => Some(id.clone()),
                Target::Endpoint | Target::BulkId(_) => None,
            },
            location: None,
            version: None,
            fate: Fate::NotAttempted,
        });
        Self {
            client,
            outcomes: outcomes.collect(),
            items,
            steps,
            ready: VecDeque::new(),
            withheld: BTreeMap::new(),
            ids: BTreeMap::new(),
            fail_on_errors,
            errors: 0,
            silence: 0,
            requests: 0,
        }
    }

    /// Does everything.
    pub(crate) async fn run(
        mut self,
        capabilities: &Capabilities,
        most: Option<usize>,
    ) -> BulkReport {
        let mut limits = Limits::of(capabilities, most);
        loop {
            let (mut batch, mut later) = (Batch::default(), Vec::new());
            let mut waits = Waits::default();
            let single = loop {
                match (self.next(&waits), limits) {
                    (Next::End, _) => break None,
                    (Next::Later(operation), _) => {
                        waits.for_operation(&operation);
                        later.push(operation);
                    }
                    (Next::Ready(operation), None) => break Some(operation),
                    (Next::Ready(mut operation), Some(limits)) => {
                        if !self.fits_the_target(&mut operation) {
                            if batch.operations.is_empty() {
                                break Some(operation);
                            }
                            later.push(operation);
                            break None;
                        }
                        let creates = operation.bulk_id.clone();
                        match batch.add(operation, limits) {
                            None => waits.ids.extend(creates),
                            // Too large for any batch.
                            Some(operation) if batch.operations.is_empty() => {
                                break Some(operation);
                            }
                            Some(operation) => {
                                later.push(operation);
                                break None;
                            }
                        }
                    }
                }
            };
            self.again(later);
            if let Some(operation) = single {
                self.single(operation, false).await;
            } else if batch.operations.is_empty() {
                return BulkReport { outcomes: self.outcomes, requests: self.requests };
            } else {
                self.batch(batch, &mut limits).await;
            }
        }
    }

    /// Whether nothing new is to be begun.
    fn is_stopped(&self) -> bool {
        self.silence >= PATIENCE || self.fail_on_errors.is_some_and(|limit| self.errors >= limit)
    }

    /// The next operation, given what has to be waited for.
    fn next(&mut self, waits: &Waits) -> Next {
        loop {
            let next = match self.ready.pop_front() {
                Some(operation) => Some(operation),
                None => match self.steps.pop_front() {
                    None => return Next::End,
                    Some(step) => self.prepare(step),
                },
            };
            // What is withheld still has to be added: its operation was begun.
            let Some(mut operation) = next.filter(|next| next.link || !self.is_stopped()) else {
                continue;
            };
            if waits.concern(&operation) {
                return Next::Later(operation);
            }
            match self.resolve(&mut operation) {
                Ok(()) => return Next::Ready(operation),
                Err(bulk_id) => self.dangles(&operation, &bulk_id),
            }
        }
    }

    fn prepare(&mut self, step: Step) -> Option<Prepared> {
        let (index, link) = match step {
            Step::Run { index, .. } => (index, false),
            Step::Link { index } => (index, true),
        };
        let item = &mut self.items[index];
        let creates = item.method == BulkMethod::Post;
        let mut operation = Prepared {
            index,
            link,
            method: item.method,
            place: item.place.clone(),
            target: item.target.clone(),
            version: item.version.clone(),
            data: None,
            bulk_id: creates.then(|| item.bulk_id.clone()),
            lookup: item.lookup,
        };
        match step {
            Step::Run { withheld, .. } => {
                operation.data = item.data.take();
                if let Some(data) = &mut operation.data
                    && !withheld.is_empty()
                {
                    let held_back = withhold(data, &withheld.into_iter().collect());
                    self.withheld.insert(index, held_back);
                }
            }
            Step::Link { .. } => {
                operation.method = BulkMethod::Patch;
                operation.target = Target::BulkId(item.bulk_id.clone());
                operation.bulk_id = None;
                operation.version = None;
                operation.data = Some(link_patch(self.withheld.remove(&index)?));
            }
        }
        Some(operation)
    }

    /// Puts ids in the place of references. Nothing goes out with a reference in it: there are servers that have bulk and
    /// do not resolve all of them, and store `bulkId:…` as a member.
    fn resolve(&self, operation: &mut Prepared) -> Result<(), SmolStr> {
        if let Target::BulkId(bulk_id) = &operation.target {
            let id = self.ids.get(bulk_id).ok_or_else(|| bulk_id.clone())?;
            operation.target = Target::Id(id.to_string());
        }
        let id_of = |bulk_id: &str| self.ids.get(bulk_id).cloned();
        let data = operation.data.iter_mut().flat_map(Object::iter_mut);
        data.map(|(_, value)| value).try_for_each(|value| rewrite(value, &id_of))
    }

    /// Whether the target takes the operation as one element of a bulk. What its profile refuses, changes or splits goes
    /// out alone, where that is done.
    fn fits_the_target(&self, operation: &mut Prepared) -> bool {
        let (target, endpoint) = (self.client.target(), operation.place.endpoint_name());
        let action = match operation.method {
            BulkMethod::Post => Action::Create,
            BulkMethod::Put => Action::Replace,
            BulkMethod::Patch => Action::Patch,
            BulkMethod::Delete => Action::Delete,
        };
        if target.admits_action(endpoint, action).is_err() {
            return false;
        }
        let Some(data) = &operation.data else { return true };
        if action != Action::Patch {
            let shaped = target.shape_body(endpoint, action, data.clone());
            return shaped.is_ok_and(|shaped| shaped.dropped.is_empty() && shaped.body == *data);
        }
        let Ok(patch) = read_patch(data.clone()) else { return false };
        match target.shape(endpoint, &patch) {
            Ok(shaped) if shaped.dropped.is_empty() && shaped.messages.len() == 1 => {
                operation.data = shaped.messages.into_iter().next();
                true
            }
            _ => false,
        }
    }

    async fn batch(&mut self, batch: Batch, limits: &mut Option<Limits>) {
        let place = Place::endpoint("Bulk");
        let mut call = Call::new(Method::POST, place.clone(), Safety::Unsafe);
        // A stopped job still sends the references that it owes; 0 is no number of errors to stop at.
        let left = self.fail_on_errors.map(|most| most.saturating_sub(self.errors));
        call.body = Some(batch.body(left.filter(|left| *left > 0)));
        call.secrets = batch.secrets();
        call.operations = batch.operations.len();
        self.requests += 1;
        let error = match self.client.send(call).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => {
                let pending = Fate::Pending { txn: answer.txn };
                return batch.operations.iter().for_each(|one| self.ends(one, pending.clone()));
            }
            Ok(answer) => match read(answer, &place) {
                Ok(response) => return self.answered(batch, response).await,
                Err(error) => error,
            },
            Err(error) => error,
        };
        match verdict(&error) {
            Verdict::Missing => {
                tracing::debug!(%error, "the target has no bulk; single requests instead");
                *limits = None;
                self.again(batch.operations);
            }
            Verdict::TooLarge if batch.operations.len() > 1 => {
                let operations = batch.operations.len() / 2;
                *limits = limits.map(|limits| Limits { operations, ..limits });
                self.again(batch.operations);
            }
            Verdict::TooLarge | Verdict::Refused => {
                tracing::debug!(%error, "a batch was refused; its operations go out one by one");
                self.silence = 0;
                self.one_by_one(batch.operations).await;
            }
            Verdict::Unclear => {
                self.silence += 1;
                self.in_doubt(batch.operations, &error).await;
            }
            Verdict::Lasting => {
                self.silence += 1;
                for operation in &batch.operations {
                    self.ends(operation, Fate::Failed(error.clone()));
                }
            }
        }
    }

    /// Puts operations back to the front.
    fn again(&mut self, operations: Vec<Prepared>) {
        operations.into_iter().rev().for_each(|operation| self.ready.push_front(operation));
    }

    async fn answered(&mut self, batch: Batch, response: BulkResponse) {
        self.silence = 0;
        let secrets = batch.secrets();
        let mut busy = Vec::new();
        for (operation, result) in batch.match_up(response.operations) {
            match result {
                Some(result) if result.is_success() => self.done(&operation, &result),
                // Too much at once: alone it is repeated as often as the policy says.
                Some(result) if matches!(result.status.as_u16(), 429 | 503) => busy.push(operation),
                Some(result) => {
                    let error = refusal(&operation, result, &secrets);
                    self.ends(&operation, Fate::Failed(error));
                }
                None if self.is_stopped() && !operation.link => {}
                None => {
                    let text = "the answer of the target does not mention the operation";
                    self.ends(&operation, Fate::Unknown(Error::Request(text.to_owned())));
                }
            }
        }
        self.one_by_one(busy).await;
    }

    /// Sends operations of a batch one by one.
    async fn one_by_one(&mut self, operations: Vec<Prepared>) {
        for operation in operations {
            if operation.link || !self.is_stopped() {
                self.single(operation, false).await;
            }
        }
    }

    /// Finds out what has become of operations whose answer was lost; what surely was not done goes out again.
    async fn in_doubt(&mut self, operations: Vec<Prepared>, lost: &Error) {
        let mut undone = Vec::new();
        for operation in operations {
            if self.silence >= PATIENCE {
                // Nobody answers: looking further would take as long for each of them.
                self.ends(&operation, Fate::Unknown(lost.clone()));
            } else if is_repeatable(&operation) {
                self.single(operation, true).await;
            } else if operation.method != BulkMethod::Post {
                self.ends(&operation, Fate::Unknown(lost.clone()));
            } else {
                match self.look_for(&operation).await {
                    Ok(Some(found)) => self.created(&operation, &found),
                    Ok(None) => undone.push(operation),
                    Err(error) => {
                        self.silence += 1;
                        tracing::warn!(%error, "a create whose answer was lost cannot be looked up");
                        self.ends(&operation, Fate::Unknown(lost.clone()));
                    }
                }
            }
        }
        self.again(undone);
    }

    async fn look_for(&mut self, operation: &Prepared) -> Result<Option<Object>, Error> {
        let sent = Resource::from(operation.data.clone().unwrap_or_default());
        let lookup = Lookup { by: operation.lookup, sent };
        self.requests += 1;
        self.client.look_for(&operation.place, &lookup).await
    }

    async fn single(&mut self, operation: Prepared, repeated: bool) {
        let resources: Resources<Resource> =
            Resources::new(self.client.clone(), operation.place.clone(), operation.lookup);
        let Prepared { method, target, version, data, .. } = &operation;
        let data = data.clone().unwrap_or_default();
        let id = match target {
            Target::Id(id) => id.as_str(),
            Target::Endpoint | Target::BulkId(_) => "",
        };
        self.requests += 1;
        let written = match (method, version) {
            (BulkMethod::Post, _) => resources.create(&Resource::from(data)).await,
            (BulkMethod::Put, None) => resources.replace(id, &Resource::from(data)).await,
            (BulkMethod::Put, Some(version)) => {
                resources.replace(id, &Resource::from(data)).if_match(version).await
            }
            (BulkMethod::Patch, version) => match (read_patch(data), version) {
                (Ok(patch), None) => resources.patch(id, patch).await,
                (Ok(patch), Some(version)) => resources.patch(id, patch).if_match(version).await,
                (Err(error), _) => Err(error),
            },
            (BulkMethod::Delete, version) => {
                let delete = resources.delete(id);
                let deleted = match version {
                    None => delete.await,
                    Some(version) => delete.if_match(version).await,
                };
                let fate = match deleted {
                    Ok(_) => Fate::Done(StatusCode::NO_CONTENT),
                    // The first attempt has deleted it.
                    Err(error) if repeated && error.is_not_found() => {
                        Fate::Done(StatusCode::NO_CONTENT)
                    }
                    Err(error) => self.failed(error, repeated),
                };
                return self.ends(&operation, fate);
            }
        };
        match written {
            Ok(written) if written.is_pending() => {
                let txn = written.txn().map(str::to_owned);
                self.ends(&operation, Fate::Pending { txn });
            }
            Ok(written) => {
                self.silence = 0;
                self.is_at(
                    &operation,
                    written.id().ok().map(str::to_owned),
                    written.location().map(str::to_owned),
                    written.version().map(str::to_owned),
                );
                self.ends(&operation, Fate::Done(written.status()));
            }
            Err(error) => {
                let fate = self.failed(error, repeated);
                self.ends(&operation, fate);
            }
        }
    }

    fn failed(&mut self, error: Error, repeated: bool) -> Fate {
        match error.status() {
            Some(_) => self.silence = 0,
            None => self.silence += 1,
        }
        // Our own first attempt may have changed the version.
        let own = repeated && error.is_precondition_failed();
        if own || error.may_have_been_done() { Fate::Unknown(error) } else { Fate::Failed(error) }
    }

    fn done(&mut self, operation: &Prepared, result: &OperationResult) {
        let body = result.response.as_ref().and_then(|response| response.as_object());
        let id = body.and_then(|body| body.get_str("id")).map(str::to_owned).or_else(|| {
            let place =
                Place::from_url(self.client.base_url(), result.location.as_deref()?).ok()?;
            place.id().map(str::to_owned)
        });
        self.is_at(operation, id, result.location.clone(), result.version.clone());
        self.ends(operation, Fate::Done(result.status));
    }

    fn created(&mut self, operation: &Prepared, found: &Object) {
        let meta = |name: &str| found.get("meta")?.as_object()?.get_str(name).map(str::to_owned);
        let id = found.get_str("id").map(str::to_owned);
        self.is_at(operation, id, meta("location"), meta("version"));
        self.ends(operation, Fate::Done(StatusCode::CREATED));
    }

    /// Remembers where the resource of an operation is.
    fn is_at(
        &mut self,
        operation: &Prepared,
        id: Option<String>,
        location: Option<String>,
        version: Option<String>,
    ) {
        if let (Some(bulk_id), Some(id)) = (&operation.bulk_id, &id) {
            self.ids.insert(bulk_id.clone(), SmolStr::new(id));
        }
        let outcome = &mut self.outcomes[operation.index];
        outcome.id = outcome.id.take().or(id);
        outcome.location = location.or(outcome.location.take());
        outcome.version = version.or(outcome.version.take());
    }

    fn dangles(&mut self, operation: &Prepared, bulk_id: &str) {
        self.ends(operation, Fate::Dangling { bulk_id: bulk_id.to_owned() });
    }

    /// Writes down how an operation ended.
    fn ends(&mut self, operation: &Prepared, fate: Fate) {
        let outcome = &mut self.outcomes[operation.index];
        let good = matches!(fate, Fate::Done(_) | Fate::Pending { .. });
        if operation.link && (good || !outcome.is_done()) {
            // The operation itself has been counted.
            return;
        }
        outcome.fate = fate;
        if !good {
            self.errors += 1;
        }
    }
}

/// The order of the operations, what is referred to before what refers to it.
fn steps(items: &mut [Item]) -> Vec<Step> {
    let planned: Vec<BulkItem> = items
        .iter_mut()
        .map(|item| BulkItem {
            method: Some(item.method),
            bulk_id: Some(item.bulk_id.clone()),
            path: None,
            operation: Ok(BulkOperation {
                method: item.method,
                endpoint: SmolStr::default(),
                target: match &item.target {
                    Target::BulkId(bulk_id) => BulkTarget::BulkId(bulk_id.clone()),
                    Target::Endpoint | Target::Id(_) => BulkTarget::Endpoint,
                },
                version: None,
                data: item.data.take(),
            }),
        })
        .collect();
    let steps = plan(&planned);
    for (item, planned) in items.iter_mut().zip(planned) {
        item.data = planned.operation.ok().and_then(|operation| operation.data);
    }
    steps
}

fn read(mut answer: Answer, place: &Place) -> Result<BulkResponse, Error> {
    let response = BulkResponse::from_object(answer.body.take().unwrap_or_default());
    response.map_err(|error| answer.undecodable(place, error.to_string()))
}

fn read_patch(data: Object) -> Result<Patch, Error> {
    let limits = scim_core::Limits { patch_operations: usize::MAX, ..scim_core::Limits::default() };
    Patch::from_object(data, &limits, &mut Leniency::new(Profile::default()))
        .map_err(|error| Error::Request(error.to_string()))
}

/// The error of one operation, as if it had been a request of its own.
fn refusal(operation: &Prepared, result: OperationResult, secrets: &[SecretString]) -> Error {
    let document = result.response.as_ref().and_then(|response| response.as_object());
    let text = |name: &str| {
        let text = document?.get_str(name).filter(|text| !text.is_empty())?;
        let masked = secrets.iter().map(ExposeSecret::expose_secret).filter(|s| s.len() > 3);
        Some(masked.fold(text.to_owned(), |text, secret| text.replace(secret, "***")))
    };
    Error::from(Rejected {
        method: operation.method(),
        path: operation.place().to_path(),
        status: result.status,
        headers: HeaderMap::new(),
        scim_type: text("scimType"),
        detail: text("detail"),
        body_excerpt: None,
        is_scim: true,
        meaning: None,
        hint: None,
        confirmed_missing: false,
        after_lost_answer: false,
        attempts: 1,
        retry_after: None,
    })
}

/// Whether the operation done twice comes to the same as done once.
fn is_repeatable(operation: &Prepared) -> bool {
    let patch = || read_patch(operation.data.clone().unwrap_or_default());
    match operation.method {
        BulkMethod::Put | BulkMethod::Delete => true,
        BulkMethod::Post => false,
        BulkMethod::Patch => {
            operation.version.is_some()
                || patch().is_ok_and(|patch| patch.operations().iter().all(is_idempotent))
        }
    }
}

fn verdict(error: &Error) -> Verdict {
    match error {
        Error::Target(_) => Verdict::Missing,
        Error::Scim(rejected) => match rejected.status.as_u16() {
            403 | 404 | 405 | 501 => Verdict::Missing,
            413 => Verdict::TooLarge,
            401 | 429 => Verdict::Lasting,
            _ if error.may_have_been_done() => Verdict::Unclear,
            400..=499 => Verdict::Refused,
            _ => Verdict::Lasting,
        },
        error if error.may_have_been_done() => Verdict::Unclear,
        _ => Verdict::Lasting,
    }
}
