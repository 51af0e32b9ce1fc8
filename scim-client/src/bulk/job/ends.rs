//! Writing down what became of operations.

use http::StatusCode;
use scim_core::Object;
use scim_core::bulk::OperationResult;
use smol_str::SmolStr;

use super::super::{Fate, Prepared};
use super::Job;
use crate::resources::Place;

impl Job {
    pub(super) fn done(&mut self, operation: &Prepared, result: &OperationResult) {
        let body = result.response.as_ref().and_then(|response| response.as_object());
        let id = body.and_then(|body| body.get_str("id")).map(str::to_owned).or_else(|| {
            let place =
                Place::from_url(self.client.base_url(), result.location.as_deref()?).ok()?;
            place.id().map(str::to_owned)
        });
        self.is_at(operation, id, result.location.clone(), result.version.clone());
        self.ends(operation, Fate::Done(result.status));
    }

    pub(super) fn created(&mut self, operation: &Prepared, found: &Object) {
        let meta = |name: &str| found.get("meta")?.as_object()?.get_str(name).map(str::to_owned);
        let id = found.get_str("id").map(str::to_owned);
        self.is_at(operation, id, meta("location"), meta("version"));
        self.ends(operation, Fate::Done(StatusCode::CREATED));
    }

    /// Remembers where the resource of an operation is.
    pub(super) fn is_at(
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

    pub(super) fn dangles(&mut self, operation: &Prepared, bulk_id: &str) {
        self.ends(operation, Fate::Dangling { bulk_id: bulk_id.to_owned() });
    }

    /// Writes down how an operation ended.
    pub(super) fn ends(&mut self, operation: &Prepared, fate: Fate) {
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
