//! A directory and a target in memory, with rules between them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::connector::{
    ChangedObject, ImportChange, ImportEnd, ImportPage, ImportedObject, ReferenceTo, SourceScope,
};
use crate::import::{ReadKind, Staging};
use crate::observer::Silent;
use crate::rules::RuleSet;
use crate::space::{ExportKind, SpaceObject};
use crate::store::Which;
use crate::sync::{SyncMode, SyncReport, Synchronizer};
use crate::verify::{Severity, verify};
use crate::{
    Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorId, MemoryStore, SpaceId,
    SyncStore, Values,
};

/// Rules for users and groups from `ad` to `cloud`; `USER` and `GROUP` are replaced by further lines of the rules.
pub(super) const RULES: &str = r#"
version = 1

[[rule]]
name = "in user"
direction = "inbound"
connector = "ad"
object-type = "user"
metaverse-type = "person"
link = "provision"
scope = [[{ attribute = "hidden", operator = "ISNULL" }]]
flow = [
    { to = "sourceAnchor", from = "anchor" },
    { to = "name", from = "name" },
    { to = "title", from = "title" },
    { to = "mail", from = "mail" },
    { to = "manager", from = "manager" },
    { to = "enabled", from = "enabled", default = true },
]

[[rule]]
name = "in group"
direction = "inbound"
connector = "ad"
object-type = "group"
metaverse-type = "group"
link = "provision"
flow = [
    { to = "sourceAnchor", from = "anchor" },
    { to = "name", from = "name" },
    { to = "member", from = "member" },
]

[[rule]]
name = "out user"
direction = "outbound"
connector = "cloud"
object-type = "User"
metaverse-type = "person"
link = "provision"
match = ["externalId", "userName"]
on-delete = "delete"
on-out-of-scope = "disable"
flow = [
    { to = "externalId", from = "sourceAnchor" },
    { to = "userName", from = "name" },
    { to = "title", from = "title" },
    { to = "emails", from = "mail" },
    { to = "manager", from = "manager" },
    { to = "active", from = "enabled" },
]

[[rule]]
name = "out group"
direction = "outbound"
connector = "cloud"
object-type = "Group"
metaverse-type = "group"
link = "provision"
match = ["externalId", "displayName"]
on-out-of-scope = "delete"
flow = [
    { to = "externalId", from = "sourceAnchor" },
    { to = "displayName", from = "name" },
    { to = "members", from = "member" },
]
"#;

pub(super) fn name(name: &str) -> AttributeName {
    AttributeName::new(name)
}

pub(super) fn ad() -> ConnectorId {
    ConnectorId::new("ad")
}

pub(super) fn cloud() -> ConnectorId {
    ConnectorId::new("cloud")
}

/// An object of a directory, of that type, with the anchor also as its name.
pub(super) fn object(object_type: &str, anchor: &str) -> ImportedObject {
    ImportedObject {
        anchor: anchor.into(),
        dn: Some(format!("CN={anchor},DC=corp,DC=example").as_str().into()),
        object_type: object_type.into(),
        scope: SourceScope::In,
        attributes: AttributeSet::new(),
        references: BTreeMap::new(),
        version: None,
    }
}

pub(super) fn user(anchor: &str) -> ImportedObject {
    object("user", anchor).with("name", anchor)
}

pub(super) fn group(anchor: &str, members: &[&str]) -> ImportedObject {
    object("group", anchor).with("name", anchor).refers("member", members)
}

pub(super) trait With: Sized {
    fn with(self, attribute: &str, value: impl Into<AttributeValue>) -> Self;
    fn refers(self, attribute: &str, anchors: &[&str]) -> Self;
}

impl With for ImportedObject {
    fn with(mut self, attribute: &str, value: impl Into<AttributeValue>) -> Self {
        self.attributes = self.attributes.with(attribute, value);
        self
    }

    fn refers(mut self, attribute: &str, anchors: &[&str]) -> Self {
        let to = anchors.iter().map(|anchor| ReferenceTo::Anchor((*anchor).into())).collect();
        self.references.insert(name(attribute), to);
        self
    }
}

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) rules: RuleSet,
    pub(super) now: DateTime<Utc>,
    made: u64,
}

impl World {
    pub(super) fn new(rules: &str) -> Self {
        let rules = match RuleSet::from_toml(rules) {
            Ok(rules) => rules,
            Err(error) => panic!("{error}"),
        };
        Self { store: MemoryStore::new(), rules, now: DateTime::UNIX_EPOCH, made: 0 }
    }

    pub(super) fn later(&mut self, hours: i64) {
        self.now += TimeDelta::hours(hours);
    }

    /// A complete read: what is not in it is gone.
    pub(super) fn import(&mut self, connector: &ConnectorId, objects: Vec<ImportedObject>) {
        // What is gone is told, as by a directory that tells deletions: that nothing of a type is left is not believed of a
        // read that does not say so.
        let known = self.store.objects(connector, Which::All, None, 1_000).unwrap();
        let known = known.into_iter().filter_map(|row| row.anchor);
        let gone = known.filter(|anchor| objects.iter().all(|object| object.anchor != *anchor));
        let mut changes: Vec<_> = gone.map(ImportChange::Deleted).collect();
        changes.extend(objects.into_iter().map(ImportChange::Object));
        self.stage(connector, ReadKind::Full, changes);
    }

    /// Changes only.
    pub(super) fn change(&mut self, connector: &ConnectorId, changes: Vec<ImportChange>) {
        self.stage(connector, ReadKind::Delta, changes);
    }

    fn stage(&mut self, connector: &ConnectorId, kind: ReadKind, changes: Vec<ImportChange>) {
        let mut staging = Staging::begin(&mut self.store, connector, kind, self.now).unwrap();
        let end = Some(ImportEnd { watermark: None, sweep: kind == ReadKind::Full });
        staging.page(ImportPage { changes, expected: None, end }).unwrap();
        assert!(staging.finish().unwrap().complete);
    }

    pub(super) fn sync(&mut self, mode: SyncMode) -> SyncReport {
        let synchronizer = Synchronizer::new(&self.rules, self.now).with_batch(3);
        let report = synchronizer.run(&mut self.store, mode, &mut Silent).unwrap();
        assert_eq!(self.store.dirty(None, 1).unwrap(), []);
        let connectors: Vec<ConnectorId> =
            self.rules.sources().union(&self.rules.targets()).cloned().collect();
        let synchronizer = Synchronizer::new(&self.rules, self.now);
        let notes = verify(&self.store, &connectors, Some(&synchronizer)).unwrap();
        // Nobody tells of a placeholder that is no longer referred to: that is untidy and no mistake.
        let wrong = notes.iter().filter(|note| note.severity == Severity::Error);
        let notes: Vec<String> = wrong.map(ToString::to_string).collect();
        assert_eq!(notes, [] as [String; 0]);
        report
    }

    /// Carries out what is pending in the target, as an export and its confirmation would.
    pub(super) fn export(&mut self) -> Vec<String> {
        let pending = self.store.objects(&cloud(), Which::PendingExport, None, 1_000_000).unwrap();
        let told = self.pending();
        self.store.begin().unwrap();
        let synchronizer = Synchronizer::new(&self.rules, self.now);
        let mut linked = Vec::new();
        for mut object in pending {
            let Some(export) = object.pending_export.take() else { continue };
            if matches!(export.kind, ExportKind::Delete | ExportKind::DeleteAdd) {
                let link = object.link.clone();
                self.store.remove_object(object.id).unwrap();
                if let Some(link) = link {
                    self.store.mark_dirty(link.metaverse).unwrap();
                }
                continue;
            }
            if export.kind == ExportKind::Add {
                self.made += 1;
                object.anchor = Some(format!("id-{}", self.made).as_str().into());
            }
            for (attribute, values) in export.attributes {
                object.hologram.set(attribute, values);
            }
            self.store.put_object(&object).unwrap();
            self.store.index_object(object.id, &synchronizer.keys_of(&object)).unwrap();
            linked.push((object.id, export.references));
        }
        for (id, references) in linked {
            let Some(object) = self.store.object(id).unwrap() else { continue };
            for attribute in references {
                let desired =
                    synchronizer.desired_references(&self.store, &object, &attribute).unwrap();
                let Some(desired) = desired else { continue };
                let mut wanted = BTreeSet::new();
                for source in desired.sources {
                    let found = self.store.edges_in(
                        source.from,
                        &source.attribute,
                        &cloud(),
                        None,
                        1_000_000,
                    );
                    wanted.extend(found.unwrap());
                }
                let held = self.store.edges(id, &attribute, None, 1_000_000).unwrap();
                for gone in held.iter().filter(|to| !wanted.contains(to) && !desired.add_only) {
                    self.store.remove_edge(id, &attribute, *gone).unwrap();
                }
                for to in wanted {
                    self.store.add_edge(id, &attribute, to).unwrap();
                }
            }
        }
        self.store.commit().unwrap();
        told
    }

    /// Synchronises and exports until nothing is left to do, and says what was done in each round.
    pub(super) fn cycle(&mut self) -> Vec<String> {
        self.sync(SyncMode::Delta);
        let mut told = self.export();
        self.sync(SyncMode::Delta);
        told.extend(self.export());
        self.sync(SyncMode::Delta);
        assert_eq!(self.pending(), [] as [String; 0], "not settled after {told:?}");
        told
    }

    /// The same with objects that stay in escrow.
    pub(super) fn cycle_with_escrow(&mut self) {
        for _ in 0..3 {
            self.sync(SyncMode::Delta);
            self.export();
        }
    }

    /// What is pending in the target, one line for each object, in an order that knows nothing of rows.
    pub(super) fn pending(&self) -> Vec<String> {
        let objects = self.store.objects(&cloud(), Which::PendingExport, None, 1_000_000).unwrap();
        let mut lines: Vec<String> = objects.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// What the target has, or is to have, in an order that knows nothing of rows.
    pub(super) fn target(&self) -> Vec<String> {
        let objects = self.store.objects(&cloud(), Which::All, None, 1_000_000).unwrap();
        let mut lines = Vec::new();
        for object in objects {
            let mut line = format!("{}", object.object_type.as_ref().unwrap());
            for (attribute, values) in object.hologram.iter() {
                line.push_str(&format!(" {attribute}={}", shown(values)));
            }
            for (attribute, _) in self.store.edge_counts(object.id).unwrap() {
                let to = self.store.edges(object.id, &attribute, None, 1_000_000).unwrap();
                let mut to: Vec<String> = to.into_iter().map(|id| self.called(id)).collect();
                to.sort();
                line.push_str(&format!(" {attribute}->{}", to.join("+")));
            }
            if object.link.is_none() {
                line.push_str(" (unlinked)");
            }
            lines.push(line);
        }
        lines.sort();
        lines
    }

    fn called(&self, id: SpaceId) -> String {
        let object = self.store.object(id).unwrap().unwrap();
        let value = object.hologram.first(&name("externalId")).cloned();
        value.and_then(|value| value.as_text().map(str::to_owned)).unwrap_or_default()
    }

    pub(super) fn source(&self, anchor: &str) -> SpaceObject {
        self.at(&ad(), anchor)
    }

    pub(super) fn at(&self, connector: &ConnectorId, anchor: &str) -> SpaceObject {
        let id = self.store.object_by_anchor(connector, &Anchor::new(anchor)).unwrap();
        self.store.object(id.unwrap()).unwrap().unwrap()
    }

    /// The escrow entries, as the object's anchor and the message.
    pub(super) fn escrows(&self) -> Vec<(String, String)> {
        let entries = self.store.escrows(None, None, 1_000).unwrap();
        let mut told: Vec<(String, String)> = entries
            .into_iter()
            .map(|(id, entry)| {
                let object = self.store.object(id).unwrap().unwrap();
                (object.anchor.map(|anchor| anchor.to_string()).unwrap_or_default(), entry.message)
            })
            .collect();
        told.sort();
        told
    }
}

/// A change of an object's attributes; no value clears one.
pub(super) fn changed(
    object_type: &str,
    anchor: &str,
    attributes: &[(&str, Option<&str>)],
) -> ImportChange {
    let attributes = attributes.iter().map(|(attribute, value)| {
        (name(attribute), value.map(AttributeValue::text).into_iter().collect::<Values>())
    });
    ImportChange::Changed(ChangedObject {
        anchor: anchor.into(),
        object_type: object_type.into(),
        dn: None,
        scope: None,
        attributes: attributes.collect(),
        references: BTreeMap::new(),
        version: None,
    })
}

pub(super) fn line(object: &SpaceObject) -> String {
    let Some(export) = &object.pending_export else { return String::new() };
    let known = |attribute: &str| object.hologram.first(&name(attribute)).cloned();
    let called = known("externalId").and_then(|value| value.as_text().map(str::to_owned));
    let mut line = format!("{:?} {}", export.kind, object.object_type.as_ref().unwrap());
    if let Some(called) = called {
        line.push_str(&format!(" {called}:"));
    }
    for (attribute, values) in &export.attributes {
        line.push_str(&format!(" {attribute}={}", shown(values)));
    }
    for attribute in &export.references {
        line.push_str(&format!(" {attribute}->"));
    }
    line
}

fn shown(values: &[AttributeValue]) -> String {
    let mut texts: Vec<String> =
        values.iter().map(|value| crate::rules::text_of(value).into_owned()).collect();
    texts.sort();
    texts.join("+")
}
