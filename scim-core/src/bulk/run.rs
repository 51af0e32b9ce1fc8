//! The course of a bulk job, without doing anything itself: hands out ready operations, takes what came of them.

use std::collections::BTreeMap;

use http::StatusCode;
use smol_str::SmolStr;

use super::order::{Step, creators, plan};
use super::response::{BulkResponse, OperationResult};
use super::rewrite::{Withheld, link_patch, rewrite, withhold};
use super::{BulkItem, BulkMethod, BulkOperation, BulkRequest, BulkTarget};
use crate::error::{Error, ErrorDocument};
use crate::id::ResourceId;
use crate::resource::{Object, Value};
use crate::version::TagList;

/// An operation that can be done now: everything it refers to exists, and no `bulkId:` is left in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The index in the request.
    pub index: usize,
    /// What to do.
    pub method: BulkMethod,
    /// The endpoint as the request has it, without slashes.
    pub endpoint: SmolStr,
    /// The resource; absent with POST only.
    pub id: Option<ResourceId>,
    /// The version that the resource must have.
    pub version: Option<TagList>,
    /// The body; absent with DELETE only.
    pub data: Option<Object>,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It succeeded.
    Done {
        /// The status that a single request would get.
        status: StatusCode,
        /// The id of the resource that a POST created.
        id: Option<ResourceId>,
        /// The URL of the resource; when absent it is put together from base, endpoint and id.
        location: Option<String>,
        /// The version of the resource now, as entity tag.
        version: Option<String>,
        /// The body, if the answer is to have it.
        response: Option<Value>,
    },
    /// It failed and changed nothing.
    Failed {
        /// The status that a single request would get.
        status: StatusCode,
        /// The error document.
        document: ErrorDocument,
    },
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Failed { status: error.status(), document: error.document() }
    }
}

/// A bulk job on its way.
///
/// The caller takes a [`Task`] from [`BulkRun::next_task`], does it as a request of its own, and gives the
/// [`Outcome`] to [`BulkRun::report`], until there are no more; [`BulkRun::finish`] is the answer. References between
/// operations, cycles, `failOnErrors` and refused operations are dealt with in between:
///
/// - An operation that refers to a bulkId without resource fails with 409 (AMBIGUITIES 79).
/// - Members of a cycle are created without the reference that closes it, which a PATCH task adds as soon as it can.
///   When that fails, the result of the POST becomes the error, but keeps its `location`: the resource is there.
/// - After `failOnErrors` errors nothing more is begun, and what was not begun is not in the answer (AMBIGUITIES 78).
///   Withheld references whose two sides exist are still added.
#[derive(Debug)]
pub struct BulkRun {
    base: String,
    fail_on_errors: Option<u64>,
    errors: u64,
    items: Vec<Item>,
    creators: BTreeMap<SmolStr, Option<usize>>,
    steps: std::vec::IntoIter<Step>,
    /// What the bulkIds stand for, as far as it is known.
    ids: BTreeMap<SmolStr, ResourceId>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Item {
    method: Option<BulkMethod>,
    bulk_id: Option<SmolStr>,
    path: Option<String>,
    /// Taken when its turn comes.
    operation: Option<Result<BulkOperation, Error>>,
    /// Where the resource is, once created.
    created: Option<(SmolStr, ResourceId)>,
    withheld: Vec<Withheld>,
    result: Option<OperationResult>,
}

#[derive(Debug)]
enum Running {
    Operation { index: usize, endpoint: SmolStr, id: Option<ResourceId> },
    Link { index: usize },
}

impl BulkRun {
    /// Plans the job. `base_url` is where the endpoints are, for the locations in the answer.
    pub fn new(request: BulkRequest, base_url: &str) -> Self {
        let steps = plan(&request.items).into_iter();
        let creators = creators(&request.items);
        let items =
            request.items.into_iter().map(|BulkItem { method, bulk_id, path, operation }| Item {
                method,
                bulk_id,
                path,
                operation: Some(operation),
                created: None,
                withheld: Vec::new(),
                result: None,
            });
        Self {
            base: base_url.trim_end_matches('/').to_owned(),
            fail_on_errors: request.fail_on_errors,
            errors: 0,
            items: items.collect(),
            creators,
            steps,
            ids: BTreeMap::new(),
            running: None,
        }
    }

    /// The next operation to do; `None` when the job is over.
    ///
    /// An operation of which nothing was reported before this is called again counts as not processed.
    pub fn next_task(&mut self) -> Option<Task> {
        self.running = None;
        loop {
            let (index, ready) = match self.steps.next()? {
                Step::Run { .. } if self.is_stopped() => continue,
                Step::Run { index, withheld } => (index, self.ready(index, &withheld)),
                Step::Link { index } => (index, self.ready_link(index)),
            };
            match ready {
                Ok(Some(task)) => return Some(task),
                Ok(None) => {}
                Err(error) => self.fail(index, error.status(), &error.document()),
            }
        }
    }

    /// Says what came of the task that [`BulkRun::next_task`] gave last.
    pub fn report(&mut self, outcome: Outcome) {
        match (self.running.take(), outcome) {
            (None, _) => {}
            (
                Some(Running::Operation { index, endpoint, id }),
                Outcome::Done { status, id: created, location, version, response },
            ) => {
                let at = id.as_ref().or(created.as_ref());
                let location =
                    location.or_else(|| at.map(|id| format!("{}/{endpoint}/{id}", self.base)));
                let item = &mut self.items[index];
                if let Some(id) = created {
                    if let Some(bulk_id) = &item.bulk_id
                        && self.creators.get(bulk_id) == Some(&Some(index))
                    {
                        self.ids.insert(bulk_id.clone(), id.clone());
                    }
                    item.created = Some((endpoint, id));
                }
                item.result = Some(OperationResult {
                    method: item.method,
                    bulk_id: item.bulk_id.clone(),
                    location,
                    version,
                    status,
                    response,
                });
            }
            (Some(Running::Link { index }), Outcome::Done { version, response, .. }) => {
                if let Some(result) = &mut self.items[index].result {
                    result.version = version.or(result.version.take());
                    // A body shown before the link would be out of date.
                    if result.response.is_some() {
                        result.response = response;
                    }
                }
            }
            (
                Some(Running::Operation { index, .. } | Running::Link { index }),
                Outcome::Failed { status, document },
            ) => self.fail(index, status, &document),
        }
    }

    /// Whether `failOnErrors` was reached.
    pub fn is_stopped(&self) -> bool {
        self.fail_on_errors.is_some_and(|limit| self.errors >= limit)
    }

    /// The answer: the results of what was processed, in the order of the request.
    pub fn finish(self) -> BulkResponse {
        BulkResponse { operations: self.items.into_iter().filter_map(|item| item.result).collect() }
    }

    fn ready(&mut self, index: usize, withheld: &[SmolStr]) -> Result<Option<Task>, Error> {
        let Some(operation) = self.items[index].operation.take() else { return Ok(None) };
        let BulkOperation { method, endpoint, target, version, mut data } = operation?;
        let id = match target {
            BulkTarget::Endpoint => None,
            BulkTarget::Id(id) => Some(id),
            BulkTarget::BulkId(bulk_id) => match self.ids.get(&bulk_id) {
                Some(id) => Some(id.clone()),
                None => return Err(self.unresolved(index, &bulk_id)),
            },
        };
        if let Some(data) = &mut data {
            if !withheld.is_empty() {
                self.items[index].withheld = withhold(data, &withheld.iter().cloned().collect());
            }
            self.rewrite(index, data)?;
        }
        self.running =
            Some(Running::Operation { index, endpoint: endpoint.clone(), id: id.clone() });
        Ok(Some(Task { index, method, endpoint, id, version, data }))
    }

    fn ready_link(&mut self, index: usize) -> Result<Option<Task>, Error> {
        let item = &mut self.items[index];
        let withheld = std::mem::take(&mut item.withheld);
        let Some((endpoint, id)) = item.created.clone() else { return Ok(None) };
        let mut data = link_patch(withheld);
        self.rewrite(index, &mut data)?;
        self.running = Some(Running::Link { index });
        Ok(Some(Task {
            index,
            method: BulkMethod::Patch,
            endpoint,
            id: Some(id),
            version: None,
            data: Some(data),
        }))
    }

    fn rewrite(&self, index: usize, data: &mut Object) -> Result<(), Error> {
        let id_of = |bulk_id: &str| self.ids.get(bulk_id).map(|id| SmolStr::new(id.as_str()));
        data.iter_mut()
            .try_for_each(|(_, value)| rewrite(value, &id_of))
            .map_err(|bulk_id| self.unresolved(index, &bulk_id))
    }

    fn unresolved(&self, index: usize, bulk_id: &str) -> Error {
        let detail = match self.creators.get(bulk_id) {
            None => {
                format!("Operations[{index}] refers to a bulkId that no POST of this request has")
            }
            Some(None) => {
                format!(
                    "Operations[{index}] refers to a bulkId that several POSTs of this request have"
                )
            }
            Some(Some(creator)) => format!(
                "Operations[{index}] refers to the resource of Operations[{creator}], which was not created"
            ),
        };
        Error::Conflict { detail }
    }

    fn fail(&mut self, index: usize, status: StatusCode, document: &ErrorDocument) {
        self.errors += 1;
        let item = &mut self.items[index];
        let location = match item.result.take() {
            Some(result) => result.location,
            None if item.method == Some(BulkMethod::Post) => None,
            None => item.path.as_ref().map(|path| format!("{}{path}", self.base)),
        };
        let bulk_id = item.bulk_id.clone();
        item.result =
            Some(OperationResult::failed(item.method, bulk_id, location, status, document));
    }
}
