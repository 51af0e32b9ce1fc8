//! What an export would write, before anything is written.
//!
//! A plan is read off the state and changes nothing. Its steps come in five phases ([`Phase`]): objects are made first,
//! without references; then values change, then references, when all that they refer to is there; then objects are
//! switched off, and removed at last. Within a phase they are ordered by type and by the name that people know; the same
//! state gives the same plan, whatever the rows are called.
//!
//! A plan holds counts, a digest and its first steps, not all of them: [`PlanOptions::lines`] says how many.
//!
//! # As JSON
//! A plan serialises to `{version, target, digest, removals, counts, steps, omitted}`. `version` is 1. `digest` stands for
//! everything that is to be written, `removals` for what the guard watches: objects switched off or removed and references
//! taken away. `counts` has `create`, `update`, `references`, `disable`, `delete`, `replace` (objects), `switchedOff`
//! (updates that switch an account off), `leftScope` (of those disabled and deleted), `referencesAdded`,
//! `referencesRemoved`, `emptied` (objects that lose all of two or more references of one attribute), `waiting` (objects in
//! escrow), `referencesWaiting` (references to objects that are not there yet) and `byType`. A step is
//! `{phase, target, kind, objectType, label, anchor, changes, references, reason}`; `changes` are
//! `{name, before, after}` with lists of values, `"(redacted)"` for secrets; `references` are
//! `{name, before, added, removed}` with numbers. `omitted` says how many steps are not listed.

mod digest;
mod display;
pub(crate) mod references;
pub(crate) mod step;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use smol_str::SmolStr;

pub(crate) use self::digest::hex;
use self::digest::{Item, ItemHash, SetDigest};
use self::references::{Edit, Edits, leaves};
use crate::metaverse::{Life, ReleaseCause};
use crate::space::{ExportKind, PendingExport, SpaceObject};
use crate::store::{EscrowStage, Which};
use crate::{
    AttributeName, AttributeValue, ConnectorId, ObjectType, SpaceId, StoreError, SyncStore, Values,
};

pub use self::references::{Desired, References, SameName};
pub use self::step::{
    AttributeChange, Phase, ReferenceDelta, Secrets, Shown, Step, StepKind, default_labels, label,
    one_line, plain,
};

const PAGE: usize = 500;
const DIGEST_MEMORY: usize = 1 << 17;

/// How a plan is made and shown.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// The moment for which it is made: objects in escrow that are not due are not in it.
    pub now: DateTime<Utc>,
    /// How many steps it keeps to be shown.
    pub lines: usize,
    /// The attributes by which people know objects; the first that has a value is taken.
    pub labels: Vec<AttributeName>,
    /// What nobody is to see.
    pub secrets: Secrets,
    /// The order of object types; others follow, groups last.
    pub type_order: Vec<ObjectType>,
    /// The attributes whose `false` means that an account is switched off.
    pub active: Vec<AttributeName>,
}

impl PlanOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            lines: 1000,
            labels: default_labels(),
            secrets: Secrets::default(),
            type_order: Vec::new(),
            active: vec![AttributeName::new("active")],
        }
    }

    /// Where a type comes in the order of types.
    pub(crate) fn rank(&self, object_type: &ObjectType) -> (usize, bool, SmolStr) {
        let listed = self.type_order.iter().position(|found| found == object_type);
        let folded = object_type.as_str().to_ascii_lowercase();
        (
            listed.unwrap_or(self.type_order.len()),
            folded.contains("group"),
            SmolStr::new(object_type.as_str()),
        )
    }

    /// Whether an update switches an account off that was on.
    pub(crate) fn switches_off(&self, object: &SpaceObject, pending: &PendingExport) -> bool {
        pending.kind == ExportKind::Update
            && self.active.iter().any(|name| {
                pending.attributes.get(name).is_some_and(|after| is_false(after))
                    && !is_false(object.hologram.get(name))
            })
    }
}

fn is_false(values: &[AttributeValue]) -> bool {
    match values.first() {
        Some(AttributeValue::Boolean(value)) => !value,
        Some(AttributeValue::Text(text)) => text.eq_ignore_ascii_case("false"),
        Some(
            AttributeValue::Integer(_)
            | AttributeValue::DateTime(_)
            | AttributeValue::Binary(_)
            | AttributeValue::Complex(_),
        )
        | None => false,
    }
}

/// What an export would write to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPlan {
    version: u32,
    target: ConnectorId,
    digest: String,
    removals: String,
    counts: PlanCounts,
    steps: Vec<Step>,
    omitted: u64,
    #[serde(skip)]
    losses: Vec<Loss>,
}

/// How much a plan does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCounts {
    /// Objects that belong to an identity and that the target does not have yet, those in escrow among them: what a share
    /// of the target's objects must not count.
    #[serde(skip)]
    pub unmade: u64,
    /// Objects that are made.
    pub create: u64,
    /// Objects whose values change.
    pub update: u64,
    /// Objects whose references change.
    pub references: u64,
    /// Objects that are switched off because nothing asks for them any more.
    pub disable: u64,
    /// Objects that are removed.
    pub delete: u64,
    /// Objects that are removed and made as another type.
    pub replace: u64,
    /// Of the updates, those that switch an account off.
    pub switched_off: u64,
    /// Of those disabled and deleted, those that left the scope while they are still in their directory.
    pub left_scope: u64,
    /// References that come.
    pub references_added: u64,
    /// References that go.
    pub references_removed: u64,
    /// Objects that lose all of two or more references of one attribute.
    pub emptied: u64,
    /// Objects in escrow whose time has not come.
    pub waiting: u64,
    /// References to objects that the target does not have and this plan does not make.
    pub references_waiting: u64,
    /// Steps by type and kind.
    pub by_type: BTreeMap<ObjectType, BTreeMap<&'static str, u64>>,
}

impl PlanCounts {
    /// All steps.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.create + self.update + self.references + self.disable + self.delete + self.replace
    }

    /// What the guard counts: everything that takes an account away from somebody.
    #[must_use]
    pub fn guarded(&self) -> u64 {
        self.disable + self.delete + self.replace + self.switched_off
    }
}

/// References that one object loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The name that people know.
    pub label: SmolStr,
    /// The attribute.
    pub attribute: AttributeName,
    /// How many it has.
    pub before: u64,
    /// How many it loses.
    pub removed: u64,
    /// How many it gets.
    pub added: u64,
}

impl ExportPlan {
    /// Reads the plan of one target off the state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn build(
        store: &dyn SyncStore,
        target: &ConnectorId,
        references: &dyn References,
        options: &PlanOptions,
    ) -> Result<Self, StoreError> {
        let mut builder = PlanBuilder::new(target, options);
        let escrowed = store.count_objects(target, Which::Escrowed)? > 0;
        loop {
            let mut after = None;
            loop {
                let page = store.objects(target, Which::PendingExport, after, PAGE)?;
                for object in &page {
                    builder.object(store, references, object, escrowed)?;
                }
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some(last.id),
                    _ => break,
                }
            }
            if !builder.pass() {
                return Ok(builder.finish());
            }
        }
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &ConnectorId {
        &self.target
    }

    /// Stands for everything that is to be written: another write is another digest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Stands for what the guard watches: objects switched off or removed and references taken away.
    #[must_use]
    pub fn removals(&self) -> &str {
        &self.removals
    }

    /// How much there is to do.
    #[must_use]
    pub fn counts(&self) -> &PlanCounts {
        &self.counts
    }

    /// The first steps, in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many steps are not among [`ExportPlan::steps`].
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// The objects that lose references.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.steps() == 0
    }
}

type SortKey = (Phase, (usize, bool, SmolStr), SmolStr, ItemHash);

/// Collects steps into a plan.
pub(crate) struct PlanBuilder<'o> {
    target: ConnectorId,
    options: &'o PlanOptions,
    counts: PlanCounts,
    first: BTreeMap<SortKey, Step>,
    losses: Vec<Loss>,
    all: SetDigest,
    removals: SetDigest,
    again: bool,
    /// What was looked up of objects that others refer to: most are referred to more than once.
    known: BTreeMap<SpaceId, Referred>,
}

/// What a plan wants to know of an object that another refers to.
#[derive(Clone, Copy)]
struct Referred {
    leaves: bool,
    reachable: bool,
    identity: ItemHash,
}

/// Of so many referred objects a plan remembers what it looked up: some 5 MiB.
const KNOWN: usize = 65_536;

impl<'o> PlanBuilder<'o> {
    pub(crate) fn new(target: &ConnectorId, options: &'o PlanOptions) -> Self {
        let domain = |what: &str| format!("scim-sync plan 1 {what} {target}\n");
        Self {
            target: target.clone(),
            options,
            counts: PlanCounts::default(),
            first: BTreeMap::new(),
            losses: Vec::new(),
            all: SetDigest::new(&domain("all"), DIGEST_MEMORY),
            removals: SetDigest::new(&domain("removals"), DIGEST_MEMORY),
            again: false,
            known: BTreeMap::new(),
        }
    }

    /// Takes in what is pending for one object.
    pub(crate) fn object(
        &mut self,
        store: &dyn SyncStore,
        references: &dyn References,
        object: &SpaceObject,
        escrowed: bool,
    ) -> Result<(), StoreError> {
        let Some(pending) = &object.pending_export else { return Ok(()) };
        if pending.kind == ExportKind::Add && object.anchor.is_none() && !self.again {
            self.counts.unmade += 1;
        }
        let hold = if escrowed { hold(store, object.id, self.options.now)? } else { None };
        if hold.is_some_and(|stage| stage != EscrowStage::Reference) {
            self.waiting();
            return Ok(());
        }
        let identity = digest::identity(object, &self.options.secrets);
        if self.known.len() < KNOWN {
            // Those that come first are referred to by those that follow: none of them is looked up again.
            let reachable = self.reachable(store, object, escrowed)?;
            let referred = Referred { leaves: leaves(object), reachable, identity };
            self.known.insert(object.id, referred);
        }
        if let Some((phase, kind)) = value_step(pending) {
            let item = digest::values_item(identity, pending, &self.options.secrets);
            let off = self.options.switches_off(object, pending);
            self.all.add(item);
            if off || matches!(kind, StepKind::Disable | StepKind::Delete | StepKind::Replace) {
                self.removals.add(item);
            }
            if !self.again {
                self.counts.switched_off += u64::from(off);
                self.released(store, object, kind)?;
                self.count(object, kind);
                self.keep((phase, kind), object, identity, || {
                    step::changes(
                        pending.attributes.iter(),
                        &object.hologram,
                        &self.options.secrets,
                    )
                });
            }
        }
        if leaves(object) || pending.references.is_empty() {
            return Ok(());
        }
        if hold.is_some() {
            self.waiting();
            return Ok(());
        }
        self.references((store, references), object, pending, (identity, escrowed))
    }

    fn references(
        &mut self,
        (store, references): (&dyn SyncStore, &dyn References),
        object: &SpaceObject,
        pending: &PendingExport,
        (identity, escrowed): (ItemHash, bool),
    ) -> Result<(), StoreError> {
        let there = store.edge_counts(object.id)?;
        let mut deltas = Vec::new();
        for attribute in &pending.references {
            let Some(mut edits) = Edits::of(references, store, object, attribute)? else {
                continue;
            };
            let before = there.iter().find(|(name, _)| name == attribute).map_or(0, |(_, n)| *n);
            let mut delta = ReferenceDelta {
                name: SmolStr::new(attribute.as_str()),
                before,
                ..ReferenceDelta::default()
            };
            while let Some(edit) = edits.next(store)? {
                let (add, id) = match edit {
                    Edit::Add(id) => (true, id),
                    Edit::Remove(id) => (false, id),
                };
                let Some(other) = self.referred(store, id, escrowed)? else { continue };
                if other.leaves && edits.comes_with_removal(edit) {
                    continue;
                }
                if !other.reachable {
                    if !self.again {
                        self.counts.references_waiting += 1;
                    }
                    continue;
                }
                let item = digest::reference_item(identity, attribute, add, other.identity);
                self.all.add(item);
                if add {
                    delta.added += 1;
                } else {
                    delta.removed += 1;
                    self.removals.add(item);
                }
            }
            if delta.added + delta.removed > 0 {
                deltas.push((attribute.clone(), delta));
            }
        }
        if deltas.is_empty() || self.again {
            return Ok(());
        }
        self.count(object, StepKind::References);
        for (attribute, delta) in &deltas {
            self.lose(label(object, &self.options.labels), attribute, delta);
        }
        let deltas = deltas.into_iter().map(|(_, delta)| delta).collect();
        self.keep_references(object, identity, deltas);
        Ok(())
    }

    /// Counts a change of references.
    fn lose(&mut self, label: SmolStr, attribute: &AttributeName, delta: &ReferenceDelta) {
        self.counts.references_added += delta.added;
        self.counts.references_removed += delta.removed;
        if delta.removed == 0 {
            return;
        }
        if delta.before >= 2 && delta.removed == delta.before && delta.added == 0 {
            self.counts.emptied += 1;
        }
        self.losses.push(Loss {
            label,
            attribute: attribute.clone(),
            before: delta.before,
            removed: delta.removed,
            added: delta.added,
        });
    }

    fn referred(
        &mut self,
        store: &dyn SyncStore,
        id: SpaceId,
        escrowed: bool,
    ) -> Result<Option<Referred>, StoreError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(Some(*known));
        }
        let Some(object) = store.object(id)? else { return Ok(None) };
        let referred = Referred {
            leaves: leaves(&object),
            reachable: self.reachable(store, &object, escrowed)?,
            identity: digest::identity(&object, &self.options.secrets),
        };
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(id, referred);
        Ok(Some(referred))
    }

    /// Whether an object is in the target or will be when references are written.
    fn reachable(
        &self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        escrowed: bool,
    ) -> Result<bool, StoreError> {
        if object.anchor.is_some() {
            return Ok(true);
        }
        let made = object.pending_export.as_ref().is_some_and(|p| p.kind == ExportKind::Add);
        if !made || !escrowed {
            return Ok(made);
        }
        let hold = hold(store, object.id, self.options.now)?;
        Ok(hold.is_none_or(|stage| stage == EscrowStage::Reference))
    }

    fn waiting(&mut self) {
        if !self.again {
            self.counts.waiting += 1;
        }
    }

    fn released(
        &mut self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        kind: StepKind,
    ) -> Result<(), StoreError> {
        if !matches!(kind, StepKind::Disable | StepKind::Delete) {
            return Ok(());
        }
        let Some(link) = &object.link else { return Ok(()) };
        if let Some(identity) = store.identity_outline(link.metaverse)?
            && let Life::Released { cause: ReleaseCause::OutOfScope, .. } = identity.life
        {
            self.counts.left_scope += 1;
        }
        Ok(())
    }

    fn count(&mut self, object: &SpaceObject, kind: StepKind) {
        self.tally(&type_of(object), kind);
    }

    fn tally(&mut self, object_type: &ObjectType, kind: StepKind) {
        let counter = match kind {
            StepKind::Create => &mut self.counts.create,
            StepKind::Update => &mut self.counts.update,
            StepKind::References => &mut self.counts.references,
            StepKind::Disable => &mut self.counts.disable,
            StepKind::Delete => &mut self.counts.delete,
            StepKind::Replace => &mut self.counts.replace,
        };
        *counter += 1;
        let by_kind = self.counts.by_type.entry(object_type.clone()).or_default();
        *by_kind.entry(kind.word()).or_default() += 1;
    }

    fn keep(
        &mut self,
        (phase, kind): (Phase, StepKind),
        object: &SpaceObject,
        identity: ItemHash,
        changes: impl FnOnce() -> Vec<AttributeChange>,
    ) {
        let key = self.key(phase, object, identity);
        if self.has_room(&key) {
            let step = self.step(phase, kind, object, changes(), Vec::new());
            self.insert(key, step);
        }
    }

    fn keep_references(
        &mut self,
        object: &SpaceObject,
        identity: ItemHash,
        deltas: Vec<ReferenceDelta>,
    ) {
        let key = self.key(Phase::References, object, identity);
        if self.has_room(&key) {
            let step =
                self.step(Phase::References, StepKind::References, object, Vec::new(), deltas);
            self.insert(key, step);
        }
    }

    fn key(&self, phase: Phase, object: &SpaceObject, identity: ItemHash) -> SortKey {
        let label = label(object, &self.options.labels);
        let label = SmolStr::new(scim_core::text::fold(&label));
        (phase, self.options.rank(&type_of(object)), label, identity)
    }

    fn has_room(&self, key: &SortKey) -> bool {
        self.first.len() < self.options.lines
            || self.first.last_key_value().is_some_and(|(last, _)| key < last)
    }

    fn insert(&mut self, key: SortKey, step: Step) {
        self.first.insert(key, step);
        if self.first.len() > self.options.lines {
            self.first.pop_last();
        }
    }

    fn step(
        &self,
        phase: Phase,
        kind: StepKind,
        object: &SpaceObject,
        changes: Vec<AttributeChange>,
        references: Vec<ReferenceDelta>,
    ) -> Step {
        let reason = object.pending_export.as_ref().map(|p| p.reason.as_str()).unwrap_or_default();
        Step {
            phase,
            target: self.target.clone(),
            kind,
            object_type: type_of(object),
            label: label(object, &self.options.labels),
            anchor: object.anchor.clone(),
            changes,
            references,
            reason: one_line(reason).to_string(),
        }
    }

    /// Takes a step that is not read off the state, as those of an undo are; `whole` is all that it does.
    pub(crate) fn push(
        &mut self,
        step: Step,
        values: &BTreeMap<AttributeName, Values>,
        whole: &[u8],
    ) {
        let item = Item::new(step.kind.word()).part(whole);
        let item = item.finish();
        self.all.add(item);
        let off = step.kind == StepKind::Update
            && self.options.active.iter().any(|name| values.get(name).is_some_and(|v| is_false(v)));
        let takes = step.references.iter().any(|delta| delta.removed > 0);
        if off
            || takes
            || matches!(step.kind, StepKind::Disable | StepKind::Delete | StepKind::Replace)
        {
            self.removals.add(item);
        }
        if self.again {
            return;
        }
        self.counts.switched_off += u64::from(off);
        self.tally(&step.object_type, step.kind);
        for delta in &step.references {
            self.lose(step.label.clone(), &AttributeName::new(&delta.name), delta);
        }
        let label = SmolStr::new(scim_core::text::fold(&step.label));
        let key = (step.phase, self.options.rank(&step.object_type), label, item);
        if self.has_room(&key) {
            self.insert(key, step);
        }
    }

    /// Ends a pass over the objects; whether another is needed.
    pub(crate) fn pass(&mut self) -> bool {
        self.again = true;
        let all = self.all.pass();
        let removals = self.removals.pass();
        all || removals
    }

    pub(crate) fn finish(self) -> ExportPlan {
        let steps: Vec<Step> = self.first.into_values().collect();
        let omitted = self.counts.steps().saturating_sub(steps.len() as u64);
        let mut losses = self.losses;
        losses.sort_by(|a, b| b.removed.cmp(&a.removed).then_with(|| a.label.cmp(&b.label)));
        ExportPlan {
            version: 1,
            target: self.target,
            digest: self.all.finish(),
            removals: self.removals.finish(),
            counts: self.counts,
            steps,
            omitted,
            losses,
        }
    }
}

/// The type of an object; what is only referred to may have none.
pub(crate) fn type_of(object: &SpaceObject) -> ObjectType {
    object.object_type.clone().unwrap_or_else(|| ObjectType::new("object"))
}

/// The step that the values of a pending export need, where they need one.
pub(crate) fn value_step(pending: &PendingExport) -> Option<(Phase, StepKind)> {
    match pending.kind {
        ExportKind::Add => Some((Phase::Create, StepKind::Create)),
        ExportKind::Update if pending.attributes.is_empty() => None,
        ExportKind::Update => Some((Phase::Update, StepKind::Update)),
        ExportKind::Disable => Some((Phase::Disable, StepKind::Disable)),
        ExportKind::Delete => Some((Phase::Delete, StepKind::Delete)),
        ExportKind::DeleteAdd => Some((Phase::Delete, StepKind::Replace)),
    }
}

/// The stage of an escrow entry that holds an object back now.
pub(crate) fn hold(
    store: &dyn SyncStore,
    id: SpaceId,
    now: DateTime<Utc>,
) -> Result<Option<EscrowStage>, StoreError> {
    let held = |next: Option<DateTime<Utc>>| next.is_none_or(|next| next > now);
    Ok(store.escrow(id)?.filter(|entry| held(entry.next)).map(|entry| entry.stage))
}
