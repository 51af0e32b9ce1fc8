//! Sending: a batch, or one operation, and finding out what became of it.

use http::{Method, StatusCode};
use scim_core::bulk::{BulkMethod, BulkResponse};
use scim_core::{Object, Resource};

use super::super::batch::{Batch, Limits};
use super::super::{Fate, Prepared, Target};
use super::judge::{Verdict, is_busy, is_repeatable, read, read_patch, refusal, verdict};
use super::{Job, PATIENCE};
use crate::error::Error;
use crate::resources::{Place, Resources};
use crate::send::{Call, Lookup, Safety};

impl Job {
    pub(super) async fn batch(&mut self, batch: Batch, limits: &mut Option<Limits>) {
        let place = Place::endpoint("Bulk");
        let mut call = Call::new(Method::POST, place.clone(), Safety::Unsafe);
        // A stopped job still sends the references that it owes; 0 is no number of errors to stop at.
        let left = self.fail_on_errors.map(|most| most.saturating_sub(self.errors));
        let left = left.filter(|left| *left > 0);
        call.body = Some(batch.body(left));
        call.secrets = batch.secrets();
        call.operations = batch.operations.len();
        self.requests += 1;
        let error = match self.client.send(call).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => {
                let pending = Fate::Pending { txn: answer.txn };
                return batch.operations.iter().for_each(|one| self.ends(one, pending.clone()));
            }
            Ok(answer) => match read(answer, &place) {
                Ok(response) => return self.answered(batch, response, left).await,
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
                // Before this, what it may still be doing would be looked for too soon.
                let wait = error.retry_after().unwrap_or_default();
                if wait <= self.client.inner.deadline {
                    tokio::time::sleep(wait).await;
                }
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

    /// Reads what became of each operation of a batch that stops after `limit` errors.
    async fn answered(&mut self, batch: Batch, response: BulkResponse, limit: Option<u64>) {
        self.silence = 0;
        let secrets = batch.secrets();
        let errors = response.operations.iter().filter(|result| !result.is_success()).count();
        // Then the target has begun nothing that it does not mention (RFC 7644 section 3.7.3).
        let stopped = limit.is_some_and(|limit| u64::try_from(errors).is_ok_and(|n| n >= limit));
        let (mut busy, mut not_begun) = (Vec::new(), Vec::new());
        for (operation, result) in batch.match_up(response.operations) {
            match result {
                Some(result) if result.is_success() => self.done(&operation, &result),
                Some(result) => {
                    let error = refusal(&operation, result, &secrets);
                    if is_busy(&error) {
                        busy.push((operation, error));
                    } else {
                        let fate = self.failed(error, false);
                        self.ends(&operation, fate);
                    }
                }
                None if stopped => not_begun.push(operation),
                None => {
                    let text = "the answer of the target does not mention the operation";
                    self.ends(&operation, Fate::Unknown(Error::Request(text.to_owned())));
                }
            }
        }
        for (operation, error) in busy {
            self.alone(operation, error).await;
        }
        // For the target, what was busy counted as an error; by now it may be done, and the others have their turn.
        self.again(not_begun);
    }

    /// Sends an operation again for which the target had no time in a batch: alone it is repeated as often as the policy
    /// says.
    async fn alone(&mut self, operation: Prepared, refusal: Error) {
        let undone = match refusal.may_have_been_done() {
            true => self.find_out(operation, &refusal).await,
            false => Some(operation),
        };
        match undone {
            Some(operation) if operation.link || !self.is_stopped() => {
                self.single(operation, false).await;
            }
            Some(operation) => self.ends(&operation, Fate::Failed(refusal)),
            None => {}
        }
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
            undone.extend(self.find_out(operation, lost).await);
        }
        self.again(undone);
    }

    /// Finds out what has become of an operation, and does it again where twice is as good as once; gives back what
    /// surely was not done.
    async fn find_out(&mut self, operation: Prepared, lost: &Error) -> Option<Prepared> {
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
                Ok(None) => return Some(operation),
                Err(error) => {
                    self.silence += 1;
                    tracing::warn!(%error, "a create whose answer was lost cannot be looked up");
                    self.ends(&operation, Fate::Unknown(lost.clone()));
                }
            }
        }
        None
    }

    async fn look_for(&mut self, operation: &Prepared) -> Result<Option<Object>, Error> {
        let sent = Resource::from(operation.data.clone().unwrap_or_default());
        let lookup = Lookup { by: operation.lookup, sent };
        self.requests += 1;
        self.client.look_for(&operation.place, &lookup).await
    }

    pub(super) async fn single(&mut self, operation: Prepared, repeated: bool) {
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
}
