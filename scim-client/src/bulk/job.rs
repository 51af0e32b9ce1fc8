//! The job: batch after batch, with what each refers to already there.

mod ends;
mod judge;
mod send;
mod waits;

use std::collections::{BTreeMap, VecDeque};

use scim_core::Object;
use scim_core::bulk::{
    BulkItem, BulkMethod, BulkOperation, BulkTarget, Step, Withheld, link_patch, plan, rewrite,
    withhold,
};
use smol_str::SmolStr;

use super::batch::{Batch, Limits};
use super::{BulkOutcome, BulkReport, Fate, Item, Prepared, Target};
use crate::client::Client;
use crate::target::{Action, Capabilities};

use judge::read_patch;
use waits::Waits;

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

/// What comes next.
#[derive(Debug)]
enum Next {
    Ready(Prepared),
    /// An operation that needs what the batch under construction makes.
    Later(Prepared),
    End,
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

    /// Puts operations back to the front.
    fn again(&mut self, operations: Vec<Prepared>) {
        operations.into_iter().rev().for_each(|operation| self.ready.push_front(operation));
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
