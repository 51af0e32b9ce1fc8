//! The difference between the references that are asked for and those that are there, as a stream: a group of a million
//! members is compared in the memory of two pages.

use std::collections::VecDeque;

use crate::space::{ExportKind, SpaceObject};
use crate::store::{JoinKey, ObjectOutline};
use crate::{AttributeName, ConnectorId, SpaceId, StoreError, SyncStore};

const PAGE: usize = 500;

/// Says what the rules make of the objects of a target, beyond the values that are pending: which references an object must
/// have, and by which values it is found.
pub trait References: Send + Sync {
    /// Those of one attribute; `None` where nothing is said about them and they stay as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    fn desired(
        &self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<Option<Desired>, StoreError>;

    /// The values by which an object is found: what [`SyncStore::index_object`] is given.
    fn keys(&self, object: &SpaceObject) -> Vec<JoinKey>;
}

/// What the references of one attribute must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The objects and attributes whose edges they are: what [`SyncStore::edges_in`] gives for each, taken together.
    pub sources: Vec<(SpaceId, AttributeName)>,
    /// Whether references that the target has beyond these stay.
    pub adds_only: bool,
    /// Whether the attribute has one value, such as a manager. A target that removes an object takes it out of lists such
    /// as members; a single reference to it would stay for ever, so it is taken away before.
    pub single: bool,
}

/// An attribute takes the references of the attribute of the same name of its identity. No object is found by a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameName;

impl References for SameName {
    fn desired(
        &self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<Option<Desired>, StoreError> {
        let Some(link) = &object.link else { return Ok(None) };
        let Some(identity) = store.identity_outline(link.metaverse)? else { return Ok(None) };
        let sources = identity.references.get(attribute).into_iter().flatten();
        let sources = sources.map(|source| (source.from, source.attribute.clone())).collect();
        Ok(Some(Desired { sources, ..Desired::default() }))
    }

    fn keys(&self, _object: &SpaceObject) -> Vec<JoinKey> {
        Vec::new()
    }
}

/// A reference that is to come or to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Add(SpaceId),
    Remove(SpaceId),
}

/// The edits of one attribute of one object, in the order of the rows.
///
/// Edits that were given may be applied to the store before the next is asked for.
pub(crate) struct Edits {
    desired: Vec<Stream>,
    current: Stream,
    adds_only: bool,
    single: bool,
}

impl Edits {
    /// What is to be compared for one attribute of an object.
    pub(crate) fn of(
        references: &dyn References,
        store: &dyn SyncStore,
        object: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<Option<Self>, StoreError> {
        let Some(desired) = references.desired(store, object, attribute)? else { return Ok(None) };
        let target = Some(&object.connector);
        Ok(Some(Self {
            desired: desired
                .sources
                .into_iter()
                .map(|(from, name)| Stream::new(from, name, target.cloned()))
                .collect(),
            current: Stream::new(object.id, attribute.clone(), None),
            adds_only: desired.adds_only,
            single: desired.single,
        }))
    }

    /// Whether an edit about `other` need not be written, because the removal of `other` does it.
    pub(crate) fn comes_by_itself(&self, edit: Edit, other: &ObjectOutline) -> bool {
        other.leaves() && self.comes_with_removal(edit)
    }

    /// Whether the removal of an object does this about it, too.
    pub(crate) fn comes_with_removal(&self, edit: Edit) -> bool {
        !(self.single && matches!(edit, Edit::Remove(_)))
    }

    pub(crate) fn next(&mut self, store: &dyn SyncStore) -> Result<Option<Edit>, StoreError> {
        loop {
            let mut wanted: Option<SpaceId> = None;
            for stream in &mut self.desired {
                if let Some(id) = stream.peek(store)? {
                    wanted = Some(wanted.map_or(id, |least| least.min(id)));
                }
            }
            let there = self.current.peek(store)?;
            if let Some(id) = wanted
                && there.is_none_or(|there| id <= there)
            {
                for stream in &mut self.desired {
                    stream.skip(id);
                }
            }
            match (wanted, there) {
                (None, None) => return Ok(None),
                (Some(wanted), Some(there)) if wanted == there => self.current.skip(there),
                (Some(wanted), there) if there.is_none_or(|there| wanted < there) => {
                    return Ok(Some(Edit::Add(wanted)));
                }
                (_, Some(there)) => {
                    self.current.skip(there);
                    if !self.adds_only {
                        return Ok(Some(Edit::Remove(there)));
                    }
                }
                // The guard above holds wherever nothing is there.
                (Some(wanted), None) => return Ok(Some(Edit::Add(wanted))),
            }
        }
    }
}

struct Stream {
    from: SpaceId,
    attribute: AttributeName,
    target: Option<ConnectorId>,
    buffer: VecDeque<SpaceId>,
    after: Option<SpaceId>,
    ended: bool,
}

impl Stream {
    fn new(from: SpaceId, attribute: AttributeName, target: Option<ConnectorId>) -> Self {
        Self { from, attribute, target, buffer: VecDeque::new(), after: None, ended: false }
    }

    fn peek(&mut self, store: &dyn SyncStore) -> Result<Option<SpaceId>, StoreError> {
        if self.buffer.is_empty() && !self.ended {
            let page = match &self.target {
                Some(target) => {
                    store.edges_in(self.from, &self.attribute, target, self.after, PAGE)?
                }
                None => store.edges(self.from, &self.attribute, self.after, PAGE)?,
            };
            self.ended = page.len() < PAGE;
            self.after = page.last().copied().or(self.after);
            self.buffer.extend(page);
        }
        Ok(self.buffer.front().copied())
    }

    fn skip(&mut self, id: SpaceId) {
        if self.buffer.front() == Some(&id) {
            self.buffer.pop_front();
        }
    }
}

/// Whether the target will drop an object.
pub(crate) fn leaves(object: &SpaceObject) -> bool {
    object
        .pending_export
        .as_ref()
        .is_some_and(|pending| matches!(pending.kind, ExportKind::Delete | ExportKind::DeleteAdd))
}
