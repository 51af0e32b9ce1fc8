//! Staging, on the memory store.

mod ends;
mod objects;
mod order;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{ReadKind, Staged, Staging, StagingError, StagingReport};
use crate::connector::{
    ChangedObject, ImportChange, ImportEnd, ImportPage, ImportedObject, ReferenceChange,
    ReferenceTo, SourceScope, Watermark,
};
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::store::Which;
use crate::{
    Anchor, AttributeName, AttributeSet, ConnectorId, Dn, MemoryStore, SpaceId, SyncStore,
};

fn ad() -> ConnectorId {
    ConnectorId::new("ad")
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// A user with the anchor `text`, named after it.
fn user(text: &str) -> ImportedObject {
    ImportedObject {
        anchor: text.into(),
        dn: Some(dn(text)),
        object_type: "user".into(),
        scope: SourceScope::In,
        attributes: AttributeSet::new().with("cn", text),
        references: BTreeMap::new(),
        version: None,
    }
}

fn group(text: &str, members: &[ReferenceTo]) -> ImportedObject {
    let references = BTreeMap::from([("member".into(), members.to_vec())]);
    ImportedObject { object_type: "group".into(), references, ..user(text) }
}

fn changed(text: &str) -> ChangedObject {
    ChangedObject {
        anchor: text.into(),
        object_type: "user".into(),
        dn: None,
        scope: None,
        attributes: BTreeMap::new(),
        references: BTreeMap::new(),
        version: None,
    }
}

fn dn(text: &str) -> Dn {
    Dn::new(format!("cn={text},dc=x"))
}

fn by_dn(text: &str) -> ReferenceTo {
    ReferenceTo::Dn(dn(text))
}

fn by_anchor(text: &str) -> ReferenceTo {
    ReferenceTo::Anchor(text.into())
}

fn told(object: ImportedObject) -> ImportChange {
    ImportChange::Object(object)
}

fn page(changes: Vec<ImportChange>) -> ImportPage {
    ImportPage { changes, ..ImportPage::default() }
}

fn end(cookie: u64, sweep: bool) -> ImportPage {
    let watermark = Some(Watermark(json!(cookie)));
    ImportPage { end: Some(ImportEnd { watermark, sweep }), ..ImportPage::default() }
}

/// A read that comes to its end and asks for nothing.
fn read(
    store: &mut MemoryStore,
    kind: ReadKind,
    changes: Vec<ImportChange>,
) -> Result<StagingReport, StagingError> {
    let mut staging = Staging::begin(store, &ad(), kind, at(1))?;
    let asked = staging.page(page(changes))?.unknown;
    assert!(asked.is_empty(), "{asked:?}");
    let asked = staging.page(end(1, kind == ReadKind::Full))?.unknown;
    assert!(asked.is_empty(), "{asked:?}");
    staging.finish()
}

fn full(store: &mut MemoryStore, objects: Vec<ImportedObject>) -> StagingReport {
    read(store, ReadKind::Full, objects.into_iter().map(told).collect()).unwrap()
}

fn delta(store: &mut MemoryStore, changes: Vec<ImportChange>) -> StagingReport {
    read(store, ReadKind::Delta, changes).unwrap()
}

fn id(store: &MemoryStore, anchor: &str) -> SpaceId {
    store.object_by_anchor(&ad(), &anchor.into()).unwrap().unwrap()
}

fn row(store: &MemoryStore, anchor: &str) -> SpaceObject {
    store.object(id(store, anchor)).unwrap().unwrap()
}

/// What `anchor` refers to, by anchor, or by `?` and the name.
fn members(store: &MemoryStore, anchor: &str) -> BTreeSet<String> {
    let edges = store.edges(id(store, anchor), &"member".into(), None, usize::MAX).unwrap();
    edges.into_iter().map(|to| known_as(&store.object(to).unwrap().unwrap())).collect()
}

fn known_as(row: &SpaceObject) -> String {
    match (&row.anchor, &row.dn) {
        (Some(anchor), _) => anchor.to_string(),
        (None, dn) => format!("?{}", dn.as_ref().map_or("", |dn| dn.as_str())),
    }
}

fn names(set: &[&str]) -> BTreeSet<String> {
    set.iter().map(|name| (*name).to_owned()).collect()
}

fn update(names: &[&str]) -> PendingImport {
    PendingImport::Update(names.iter().map(AttributeName::new).collect())
}

/// As if a synchronisation had seen everything: nothing is pending, deleted rows are gone.
fn synchronise(store: &mut MemoryStore) {
    store.begin().unwrap();
    for row in store.objects(&ad(), Which::PendingImport, None, usize::MAX).unwrap() {
        match row.pending_import {
            PendingImport::Delete => store.remove_object(row.id).unwrap(),
            _ => store
                .put_object(&SpaceObject { pending_import: PendingImport::None, ..row })
                .unwrap(),
        }
    }
    store.commit().unwrap();
}

/// Every row and what is pending of it, for comparisons.
fn pending(store: &MemoryStore) -> BTreeMap<String, PendingImport> {
    let rows = store.objects(&ad(), Which::All, None, usize::MAX).unwrap();
    rows.iter().map(|row| (known_as(row), row.pending_import.clone())).collect()
}

fn is_sound(store: &MemoryStore) {
    let notes = crate::verify::verify(store, &[ad()], None).unwrap();
    let errors: Vec<_> =
        notes.iter().filter(|note| note.severity == crate::verify::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
