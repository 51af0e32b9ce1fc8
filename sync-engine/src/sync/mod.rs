//! Synchronisation: from what was imported to what has to be exported.
//!
//! The inbound rules look at what the imports staged: objects are joined to identities, or identities are made of them,
//! and values flow. Then the outbound rules look at every identity that is marked dirty: its objects in the targets are
//! found or made, and the difference between what they must be and what they are becomes their pending export.
//!
//! Nothing here writes to a system. The same state, rules and `now` come to the same result, in whatever order the
//! objects were imported. An object that cannot be handled goes to escrow with a sentence that says why; the others go on.

mod contribute;
mod desire;
mod evaluate;
mod explain;
mod hold;
mod inbound;
mod join;
mod outbound;
mod program;
mod references;
mod release;
mod run;
mod trouble;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::connector::ConnectorSchema;
use crate::escrow::RetrySchedule;
use crate::expr::Random;
use crate::metaverse::{MetaverseObject, ReferenceSource};
use crate::observer::{Event, Observer};
use crate::rules::{RuleSet, Surroundings};
use crate::space::SpaceObject;
use crate::store::JoinKey;
use crate::{AttributeName, ConnectorId, SpaceId, StoreError, SyncStore};
use inbound::Pass;
use program::Programs;
use run::Run;

pub(crate) use hold::held_back;

pub use explain::{
    ActionSection, ClauseSection, Explanation, FlowSection, IdentitySection, IdentityValue,
    ImportSection, MatchSection, ScopeSection,
};

/// Which objects a synchronisation looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Those with a pending import, those in escrow whose time has come, and the identities that are marked dirty.
    Delta,
    /// All of them: after a change of the rules, and when nobody knows what changed.
    Full,
}

/// What a synchronisation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    /// Objects that the inbound rules looked at.
    pub objects: u64,
    /// Identities that were made.
    pub projected: u64,
    /// Objects that were found to belong to an identity, in sources and targets.
    pub joined: u64,
    /// Objects that no longer belong to one.
    pub unlinked: u64,
    /// Identities that nothing holds any more, and were held before.
    pub released: u64,
    /// Identities that are gone.
    pub removed: u64,
    /// Identities that the outbound rules looked at.
    pub identities: u64,
    /// Of these, those that a target is to have: that they are not there yet, or cannot be made, does not matter.
    pub in_scope: u64,
    /// Objects of targets that are to be made.
    pub provisioned: u64,
    /// Objects that went to escrow, or stayed there.
    pub escrowed: u64,
}

/// Why a synchronisation could not go on at all. Single objects go to escrow instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The state could not be read or written; the batch under way was taken back.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies rules to a state.
pub struct Synchronizer<'r> {
    rules: &'r RuleSet,
    now: DateTime<Utc>,
    schemas: BTreeMap<ConnectorId, ConnectorSchema>,
    lacking: BTreeSet<ConnectorId>,
    batch: usize,
    random: Option<&'r (dyn Random + Sync)>,
    retry: RetrySchedule,
    programs: Programs<'r>,
}

/// What the references of one attribute of a target's object must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredReferences {
    /// The objects whose edges they are: what [`SyncStore::edges_in`] gives for each of these, taken together.
    pub sources: Vec<ReferenceSource>,
    /// Whether references that the target has beyond these stay.
    pub add_only: bool,
}

impl<'r> Synchronizer<'r> {
    /// A synchronisation by these rules, at this moment.
    #[must_use]
    pub fn new(rules: &'r RuleSet, now: DateTime<Utc>) -> Self {
        let programs = Programs::new(rules);
        Self {
            rules,
            now,
            schemas: BTreeMap::new(),
            lacking: BTreeSet::new(),
            batch: 500,
            random: None,
            retry: RetrySchedule::default(),
            programs,
        }
    }

    /// With what the systems have: values are brought into the kind that the target's attribute has.
    #[must_use]
    pub fn with_schemas(mut self, schemas: BTreeMap<ConnectorId, ConnectorSchema>) -> Self {
        self.schemas = schemas;
        self
    }

    /// What the systems have.
    pub(crate) fn schemas(&self) -> &BTreeMap<ConnectorId, ConnectorSchema> {
        &self.schemas
    }

    /// With systems of which too little is known: they are left out, and with a source all that shares its identities. Sources
    /// that were never read to their end are among them anyway. The next run without them looks at everything.
    #[must_use]
    pub fn without(mut self, lacking: BTreeSet<ConnectorId>) -> Self {
        self.lacking = lacking;
        self
    }

    /// With another number of objects to a transaction than 500.
    #[must_use]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// With another schedule for what failed.
    #[must_use]
    pub fn with_retry(mut self, retry: RetrySchedule) -> Self {
        self.retry = retry;
        self
    }

    /// With a source of random numbers, for expressions that make passwords; without one, these fail.
    #[must_use]
    pub fn with_random(mut self, random: &'r (dyn Random + Sync)) -> Self {
        self.random = Some(random);
        self
    }

    /// Brings the metaverse and the pending exports in line with the spaces.
    ///
    /// # Errors
    /// [`SyncError::Store`]; what was committed before stays, and the next run goes on from there.
    pub fn run(
        &self,
        store: &mut dyn SyncStore,
        mode: SyncMode,
        observer: &mut dyn Observer,
    ) -> Result<SyncReport, SyncError> {
        Run::new(self, store, observer).run(mode)
    }

    /// What the rules make of one object and why, in a transaction of its own that is taken back.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    pub fn explain(
        &self,
        store: &mut dyn SyncStore,
        object: SpaceId,
    ) -> Result<Explanation, SyncError> {
        store.begin()?;
        let explained = self.explain_within(store, object);
        store.rollback()?;
        explained
    }

    /// The same within a transaction of the caller, who takes it back.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    pub fn explain_within(
        &self,
        store: &mut dyn SyncStore,
        object: SpaceId,
    ) -> Result<Explanation, SyncError> {
        let mut events: Vec<Event> = Vec::new();
        let mut explanation = Explanation::default();
        let Some(before) = store.object(object)? else { return Ok(explanation) };
        explanation.import = Some(ImportSection::of(&before, store.edge_counts(object)?));
        let mut run = Run::new(self, store, &mut events);
        run.groups = run.scope_groups(&crate::run::scope_groups(&*run.store)?)?;
        run.trace = Some(explanation);
        run.one(object, Pass::Joining)?;
        if let Some(link) = run.store.object(object)?.and_then(|object| object.link) {
            run.identity(link.metaverse)?;
        }
        let mut explanation = run.trace.take().unwrap_or_default();
        explanation.troubles = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Escrowed { message, .. } => Some(message),
                _ => None,
            })
            .collect();
        explanation.redact(|section, attribute| {
            section.object_type.as_ref().is_some_and(|object_type| {
                self.rules.is_redacted(&section.connector, object_type, attribute)
            })
        });
        Ok(explanation)
    }

    /// What the references `attribute` of an object of a target must be: of an object that is linked, and not to be
    /// removed or switched off. `None` where the rules do not say anything about them: they stay as they are.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    pub fn desired_references(
        &self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<Option<DesiredReferences>, SyncError> {
        Ok(references::desired(self, store, object, attribute)?)
    }

    /// The values by which an object is found: what [`SyncStore::index_object`] is given.
    #[must_use]
    pub fn keys_of(&self, object: &SpaceObject) -> Vec<JoinKey> {
        self.programs.keys_of(object)
    }

    /// The values by which an identity is found: what [`SyncStore::index_metaverse`] is given.
    #[must_use]
    pub fn keys_of_identity(&self, identity: &MetaverseObject) -> Vec<JoinKey> {
        self.programs.keys_of_identity(identity)
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings::new(
            self.now,
            self.rules.parameters(),
            self.random.map(|random| random as &dyn Random),
        )
    }
}

#[cfg(test)]
mod tests;
