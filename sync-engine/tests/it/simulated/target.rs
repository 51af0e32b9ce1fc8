//! The target that is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use scim_sync::connector::{
    ConnectorSchema, ExportFailure, ExportOperation, ExportOutcome, ExportWrite, Exported,
    FailureKind, ImportChange, ImportEnd, ImportMode, ImportPage, ImportRequest, ImportShape,
    ImportedObject, MatchQuery, RefusedReference, SourceScope, ValueKind, Watermark,
};
use scim_sync::{
    Anchor, AttributeName, AttributeSet, AttributeValue, Connector, ConnectorError, ConnectorId,
    ObjectType,
};

use super::{Dice, references, type_schema};

/// One resource of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) object_type: ObjectType,
    pub(crate) attributes: AttributeSet,
    pub(crate) references: BTreeMap<AttributeName, BTreeSet<Anchor>>,
    version: u64,
}

impl Resource {
    pub(crate) fn new(object_type: &str, texts: &[(&str, &str)]) -> Self {
        let attributes = texts.iter().fold(AttributeSet::new(), |all, (n, v)| all.with(n, *v));
        Self {
            object_type: ObjectType::new(object_type),
            attributes,
            references: BTreeMap::new(),
            version: 1,
        }
    }
}

/// What the target was asked to do and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Create(Anchor),
    Update(Anchor),
    Off(Anchor),
    Delete(Anchor, Box<Resource>),
}

/// The target: what it holds.
#[derive(Debug, Default)]
pub(crate) struct TargetState {
    pub(crate) resources: BTreeMap<Anchor, Resource>,
    pub(crate) written: Vec<Written>,
    next: u64,
}

/// How often a target fails, in percent of writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) schema_fails: u64,
    pub(crate) busy: u64,
    pub(crate) lost_after: u64,
    pub(crate) lost_before: u64,
    pub(crate) refused: u64,
    pub(crate) changed: u64,
    pub(crate) call_fails: u64,
    pub(crate) short_answer: u64,
    /// Everything is carried out, and half of it answered.
    pub(crate) silent: u64,
    pub(crate) read_breaks: u64,
    pub(crate) find_fails: u64,
}

/// A group, and who is to be in it.
type Joined = Option<(Anchor, BTreeSet<Anchor>)>;

/// The connector of the target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    id: ConnectorId,
    pub(crate) state: Arc<Mutex<TargetState>>,
    pub(crate) faults: Arc<Mutex<(Faults, Dice)>>,
    /// What it takes for `active`.
    pub(crate) active: ValueKind,
    /// Whether answers hold the object as it is now.
    pub(crate) tells: bool,
    /// Whether it has versions.
    pub(crate) versions: bool,
    /// After so many calls it is gone.
    pub(crate) gone_after: Arc<Mutex<Option<u64>>>,
    /// The answer to this write, counted from now, is lost.
    pub(crate) loses: Arc<Mutex<Option<u64>>>,
    /// Whether it makes capital letters of every `displayName`.
    pub(crate) shouts: bool,
    /// Whether it can be asked for objects by their values.
    pub(crate) finds: bool,
    /// Whether it tells changes, of which there are none: what others do there is told by a whole read only.
    pub(crate) watermarks: bool,
    /// Somebody adds these members to this group before it is written next.
    pub(crate) joined: Arc<Mutex<Joined>>,
}

const UNIQUE: &str = "userName";

impl Target {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: ConnectorId::new(id),
            state: Arc::default(),
            faults: Arc::new(Mutex::new((Faults::default(), Dice::new(0)))),
            active: ValueKind::Boolean,
            tells: true,
            versions: true,
            gone_after: Arc::default(),
            loses: Arc::default(),
            shouts: false,
            finds: true,
            watermarks: false,
            joined: Arc::default(),
        }
    }

    fn fails(&self, share: impl Fn(&Faults) -> u64) -> bool {
        let mut faults = self.faults.lock().unwrap();
        let share = share(&faults.0);
        share > 0 && faults.1.percent(share)
    }

    fn write(&self, write: &ExportWrite) -> ExportOutcome {
        if self.fails(|f| f.busy) {
            return failed(FailureKind::Busy, "429 too many requests");
        }
        if self.fails(|f| f.lost_before) {
            return failed(FailureKind::Unknown, "504 gateway timeout");
        }
        if self.fails(|f| f.refused) {
            return failed(FailureKind::Refused, "400 invalidValue");
        }
        let mut state = self.state.lock().unwrap();
        if self.fails(|f| f.changed)
            && let ExportOperation::Update { anchor, .. } | ExportOperation::Delete { anchor, .. } =
                &write.operation
            && let Some(resource) = state.resources.get_mut(anchor)
        {
            resource.version += 1;
        }
        self.join(&mut state, write);
        let outcome = self.carry_out(&mut state, write);
        drop(state);
        if matches!(outcome, ExportOutcome::Done(_)) && self.fails(|f| f.lost_after) {
            return failed(FailureKind::Unknown, "the connection broke before the answer came");
        }
        outcome
    }

    fn join(&self, state: &mut TargetState, write: &ExportWrite) {
        let ExportOperation::Update { anchor, .. } = &write.operation else { return };
        let joined = self.joined.lock().unwrap().take_if(|(group, _)| group == anchor);
        if let Some((group, members)) = joined
            && let Some(resource) = state.resources.get_mut(&group)
        {
            resource.references.entry(AttributeName::new("members")).or_default().extend(members);
            resource.version += 1;
        }
    }

    fn carry_out(&self, state: &mut TargetState, write: &ExportWrite) -> ExportOutcome {
        match &write.operation {
            ExportOperation::Create { attributes, references } => {
                if let Some(why) = taken(state, None, attributes) {
                    return why;
                }
                // As strict servers do: one dead reference, and the whole object is refused.
                if references.values().flatten().any(|to| !state.resources.contains_key(to)) {
                    return failed(
                        FailureKind::Refused,
                        "400 invalidValue: there is no such member",
                    );
                }
                let attributes = &self.as_kept(attributes);
                state.next += 1;
                let anchor = Anchor::new(format!("r{}", state.next));
                let references =
                    references.iter().map(|(n, to)| (n.clone(), to.iter().cloned().collect()));
                let resource = Resource {
                    object_type: write.object_type.clone(),
                    attributes: attributes.clone(),
                    references: references.collect(),
                    version: 1,
                };
                state.resources.insert(anchor.clone(), resource);
                state.written.push(Written::Create(anchor.clone()));
                self.done(anchor.clone(), attributes.clone(), 1)
            }
            ExportOperation::Update { anchor, version, attributes, references, .. } => {
                let Some(resource) = state.resources.get(anchor) else {
                    return failed(FailureKind::Missing, "404");
                };
                if self.versions
                    && version.as_ref().is_some_and(|v| *v != resource.version.to_string())
                {
                    return failed(FailureKind::Changed, "412");
                }
                let mut changed = resource.clone();
                for (name, edit) in attributes {
                    changed.attributes.set(name.clone(), edit.after.clone());
                }
                changed.attributes = self.as_kept(&changed.attributes);
                if let Some(why) = taken(state, Some(anchor), &changed.attributes) {
                    return why;
                }
                let mut refused = Vec::new();
                for (name, edit) in references {
                    let there = changed.references.entry(name.clone()).or_default();
                    for to in &edit.remove {
                        there.remove(to);
                    }
                    for to in &edit.add {
                        if state.resources.contains_key(to) {
                            there.insert(to.clone());
                        } else {
                            let message = "there is no such member".to_owned();
                            let (attribute, anchor) = (name.clone(), to.clone());
                            refused.push(RefusedReference { attribute, anchor, message });
                        }
                    }
                }
                changed.version += 1;
                let off = |resource: &Resource| {
                    resource.attributes.first(&AttributeName::new("active"))
                        == Some(&AttributeValue::Boolean(false))
                };
                let turned_off = off(&changed) && !off(resource);
                let told = attributes
                    .keys()
                    .map(|n| (n.clone(), changed.attributes.get(n).to_vec()))
                    .collect();
                let version = changed.version;
                state.resources.insert(anchor.clone(), changed);
                state.written.push(if turned_off {
                    Written::Off(anchor.clone())
                } else {
                    Written::Update(anchor.clone())
                });
                match self.done(anchor.clone(), told, version) {
                    ExportOutcome::Done(done) => ExportOutcome::Done(Exported { refused, ..done }),
                    failed @ ExportOutcome::Failed(_) => failed,
                }
            }
            ExportOperation::Delete { anchor, version } => {
                let Some(resource) = state.resources.get(anchor) else {
                    return failed(FailureKind::Missing, "404");
                };
                if self.versions
                    && version.as_ref().is_some_and(|v| *v != resource.version.to_string())
                {
                    return failed(FailureKind::Changed, "412");
                }
                let resource = state.resources.remove(anchor).unwrap();
                for other in state.resources.values_mut() {
                    // As servers do: lists lose it, and a single reference to it stays.
                    if let Some(members) = other.references.get_mut(&AttributeName::new("members"))
                    {
                        members.remove(anchor);
                    }
                }
                state.written.push(Written::Delete(anchor.clone(), Box::new(resource)));
                ExportOutcome::Done(Exported::default())
            }
        }
    }

    /// An error where it is gone.
    fn there(&self) -> Result<(), ConnectorError> {
        match self.gone_after.lock().unwrap().as_mut() {
            Some(0) => Err(ConnectorError::Unreachable("it is gone".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the answer to this write is lost.
    fn is_lost(&self) -> bool {
        let mut loses = self.loses.lock().unwrap();
        let lost = *loses == Some(0);
        *loses = loses.and_then(|left| left.checked_sub(1));
        lost
    }

    /// What it makes of values.
    fn as_kept(&self, attributes: &AttributeSet) -> AttributeSet {
        let mut kept = attributes.clone();
        let name = AttributeName::new("displayName");
        if let Some(text) = attributes.first(&name).and_then(AttributeValue::as_text)
            && self.shouts
        {
            kept.set(name, vec![AttributeValue::text(text.to_uppercase())]);
        }
        kept
    }

    fn done(&self, anchor: Anchor, told: AttributeSet, version: u64) -> ExportOutcome {
        ExportOutcome::Done(Exported {
            anchor: Some(anchor),
            version: self.versions.then(|| version.to_string()),
            observed: self.tells.then_some(told),
            refused: Vec::new(),
        })
    }

    fn tell(&self, anchor: &Anchor, resource: &Resource) -> ImportedObject {
        ImportedObject {
            anchor: anchor.clone(),
            dn: None,
            object_type: resource.object_type.clone(),
            scope: SourceScope::In,
            attributes: resource.attributes.clone(),
            references: references(&resource.references),
            version: self.versions.then(|| resource.version.to_string()),
        }
    }
}

fn failed(kind: FailureKind, message: &str) -> ExportOutcome {
    ExportOutcome::Failed(ExportFailure { kind, message: message.to_owned() })
}

/// The answer where another resource has a value that must be unique.
fn taken(
    state: &TargetState,
    own: Option<&Anchor>,
    attributes: &AttributeSet,
) -> Option<ExportOutcome> {
    let name = AttributeName::new(UNIQUE);
    let wanted = attributes.first(&name)?;
    let mut others = state.resources.iter().filter(|(anchor, _)| Some(*anchor) != own);
    let taken = others.any(|(_, other)| other.attributes.first(&name) == Some(wanted));
    taken.then(|| failed(FailureKind::NotUnique, "409 uniqueness"))
}

#[async_trait]
impl Connector for Target {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        if self.fails(|f| f.schema_fails) {
            return Err(ConnectorError::Unreachable("503 at /Schemas".to_owned()));
        }
        let user = type_schema(&[
            ("userName", ValueKind::Text, false),
            ("displayName", ValueKind::Text, false),
            ("title", ValueKind::Text, false),
            ("externalId", ValueKind::Text, false),
            ("active", self.active, false),
            ("manager", ValueKind::Reference, false),
        ]);
        let group = type_schema(&[
            ("displayName", ValueKind::Text, false),
            ("externalId", ValueKind::Text, false),
            ("members", ValueKind::Reference, true),
        ]);
        let types = [(ObjectType::new("User"), user), (ObjectType::new("Group"), group)];
        Ok(ConnectorSchema { types: types.into() })
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let breaks = self.fails(|f| f.read_breaks);
        let watermark = self.watermarks.then(|| Watermark("so far".into()));
        if matches!(request.mode, ImportMode::Delta(_)) {
            let end = Some(ImportEnd { watermark, sweep: false });
            let page = ImportPage { changes: Vec::new(), expected: None, end };
            return stream::iter([Ok(page)]).boxed();
        }
        let state = self.state.lock().unwrap();
        let told: Vec<ImportChange> = state
            .resources
            .iter()
            .map(|(anchor, resource)| ImportChange::Object(self.tell(anchor, resource)))
            .collect();
        let mut pages: Vec<Result<ImportPage, ConnectorError>> = told
            .chunks(5)
            .map(|chunk| Ok(ImportPage { changes: chunk.to_vec(), expected: None, end: None }))
            .collect();
        if breaks {
            pages.truncate(pages.len() / 2);
            pages.push(Err(ConnectorError::Unreachable("502 bad gateway".to_owned())));
        } else {
            let end = Some(ImportEnd { watermark, sweep: true });
            pages.push(Ok(ImportPage { changes: Vec::new(), expected: None, end }));
        }
        stream::iter(pages).boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        _shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        if self.fails(|f| f.find_fails) {
            return Err(ConnectorError::Unreachable("503".to_owned()));
        }
        self.there()?;
        let state = self.state.lock().unwrap();
        let found = anchors
            .iter()
            .filter_map(|anchor| Some(self.tell(anchor, state.resources.get(anchor)?)));
        Ok(found.collect())
    }

    async fn find(
        &self,
        query: &MatchQuery,
        _shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        if self.fails(|f| f.find_fails) {
            return Err(ConnectorError::Unreachable("503".to_owned()));
        }
        if !self.finds {
            return Err(ConnectorError::Unsupported("no filters here".to_owned()));
        }
        self.there()?;
        let state = self.state.lock().unwrap();
        let hit = |resource: &Resource| {
            resource.object_type == query.object_type
                && resource.attributes.get(&query.attribute).contains(&query.value)
        };
        let found = state.resources.iter().filter(|(_, resource)| hit(resource));
        Ok(found.take(query.limit).map(|(anchor, resource)| self.tell(anchor, resource)).collect())
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        if self.fails(|f| f.call_fails) {
            return Err(ConnectorError::Unreachable("no route to the target".to_owned()));
        }
        let cut = if self.fails(|f| f.short_answer) { writes.len() / 2 } else { writes.len() };
        self.there()?;
        let mut outcomes: Vec<_> = writes[..cut].iter().map(|write| self.write(write)).collect();
        if self.is_lost() {
            outcomes.clear();
        }
        if self.fails(|f| f.silent) {
            outcomes.truncate(writes.len() / 2);
        }
        Ok(outcomes)
    }
}
