//! Directories: a fake domain that misbehaves, a real one, and a real OpenLDAP server.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use scim_sync::connector::{
    ImportChange, ImportEnd, ImportMode, ImportRequest, ImportShape, ImportedObject, ReferenceTo,
    SourceScope, Watermark,
};
use scim_sync::{Anchor, AttributeValue, Connector, ConnectorError};
use scim_sync_connectors::ldap::LdapConnector;

mod fake;
#[cfg(feature = "kerberos")]
mod kerberos;
mod openldap;
mod samba;

/// All that one read told.
#[derive(Debug, Default)]
struct Read {
    changes: Vec<ImportChange>,
    end: Option<ImportEnd>,
    error: Option<ConnectorError>,
}

async fn read(connector: &LdapConnector, shape: &ImportShape, mode: ImportMode) -> Read {
    let mut read = Read::default();
    let mut pages = connector.import(ImportRequest { mode, shape: shape.clone() });
    while let Some(page) = pages.next().await {
        assert!(read.end.is_none() && read.error.is_none(), "something came after the end");
        match page {
            Ok(page) => {
                read.changes.extend(page.changes);
                read.end = page.end;
            }
            Err(error) => read.error = Some(error),
        }
    }
    read
}

async fn full(connector: &LdapConnector, shape: &ImportShape) -> Read {
    read(connector, shape, ImportMode::Full).await.complete(true)
}

async fn delta(connector: &LdapConnector, shape: &ImportShape, since: &Watermark) -> Read {
    read(connector, shape, ImportMode::Delta(since.clone())).await
}

impl Read {
    /// The read, which must have come to its end.
    #[track_caller]
    fn complete(self, sweep: bool) -> Self {
        assert!(self.error.is_none(), "{:?}", self.error);
        let end = self.end.as_ref().expect("the read ended without an end mark");
        assert_eq!(end.sweep, sweep);
        self
    }

    /// The error of a read that must not have come to its end.
    #[track_caller]
    fn failed(self) -> ConnectorError {
        assert!(self.end.is_none(), "a read that broke off has an end mark");
        self.error.expect("a read that broke off ended without a word")
    }

    #[track_caller]
    fn watermark(&self) -> Watermark {
        self.end.as_ref().and_then(|end| end.watermark.clone()).expect("no watermark")
    }

    fn objects(&self) -> impl Iterator<Item = &ImportedObject> {
        self.changes.iter().filter_map(|change| match change {
            ImportChange::Object(object) => Some(object),
            _ => None,
        })
    }

    fn deleted(&self) -> BTreeSet<&str> {
        self.changes
            .iter()
            .filter_map(|change| match change {
                ImportChange::Deleted(anchor) => Some(anchor.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// What a reader keeps who does nothing but what it is told: the model that reads are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Picture {
    objects: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    dn: String,
    kind: String,
    scope: SourceScope,
    values: BTreeMap<String, Vec<AttributeValue>>,
    links: BTreeMap<String, BTreeSet<ReferenceTo>>,
}

impl Picture {
    #[track_caller]
    fn apply(&mut self, read: &Read) {
        let mut told = BTreeSet::new();
        for change in &read.changes {
            match change {
                ImportChange::Object(object) => {
                    told.insert(object.anchor.as_str().to_owned());
                    let values = object.attributes.iter();
                    let links = object.references.iter();
                    let known = Known {
                        dn: object
                            .dn
                            .as_ref()
                            .map_or_else(String::new, |dn| dn.folded().to_string()),
                        kind: object.object_type.as_str().to_owned(),
                        scope: object.scope.clone(),
                        values: values
                            .map(|(name, values)| (name.folded().to_string(), values.to_vec()))
                            .collect(),
                        links: links
                            .map(|(name, to)| {
                                (name.folded().to_string(), to.iter().cloned().collect())
                            })
                            .collect(),
                    };
                    self.objects.insert(object.anchor.as_str().to_owned(), known);
                }
                ImportChange::Changed(change) => {
                    let known = self.objects.get_mut(change.anchor.as_str()).unwrap_or_else(|| {
                        panic!("a change of an object that was never told: {change:?}")
                    });
                    for (name, values) in &change.attributes {
                        let name = name.folded().to_string();
                        if values.is_empty() {
                            known.values.remove(&name);
                        } else {
                            known.values.insert(name, values.clone());
                        }
                    }
                    for (name, edit) in &change.references {
                        let links = known.links.entry(name.folded().to_string()).or_default();
                        if edit.replace {
                            links.clear();
                        }
                        for gone in &edit.removed {
                            links.remove(gone);
                        }
                        links.extend(edit.added.iter().cloned());
                        if links.is_empty() {
                            known.links.remove(&name.folded().to_string());
                        }
                    }
                }
                ImportChange::Present(anchor) => drop(told.insert(anchor.as_str().to_owned())),
                ImportChange::Deleted(anchor) => {
                    self.objects.remove(anchor.as_str());
                }
            }
        }
        if read.end.as_ref().is_some_and(|end| end.sweep) {
            self.objects.retain(|anchor, _| told.contains(anchor));
        }
        self.resolve();
    }

    /// References by name become references to the object of that name, which they stay when it is renamed; references
    /// to what is not there are left out. So does the engine, since no directory tells of such changes.
    fn resolve(&mut self) {
        let names: BTreeMap<_, _> =
            self.objects.iter().map(|(anchor, known)| (known.dn.clone(), anchor.clone())).collect();
        let there: BTreeSet<_> = self.objects.keys().cloned().collect();
        for known in self.objects.values_mut() {
            for links in known.links.values_mut() {
                *links = std::mem::take(links)
                    .into_iter()
                    .filter_map(|to| match to {
                        ReferenceTo::Anchor(anchor) => {
                            there.contains(anchor.as_str()).then_some(anchor)
                        }
                        ReferenceTo::Dn(dn) => names.get(dn.folded().as_str()).map(Anchor::new),
                    })
                    .map(ReferenceTo::Anchor)
                    .collect();
            }
            known.links.retain(|_, links| !links.is_empty());
        }
    }

    fn of(read: &Read) -> Self {
        let mut picture = Self::default();
        picture.apply(read);
        picture
    }

    #[track_caller]
    fn named(&self, rdn: &str) -> (&str, &Known) {
        let start = format!("{},", rdn.to_lowercase());
        let found: Vec<_> =
            self.objects.iter().filter(|(_, known)| known.dn.starts_with(&start)).collect();
        match found.as_slice() {
            [(anchor, known)] => (anchor, known),
            found => panic!("{rdn} should be one object and is {found:?}"),
        }
    }

    fn names<'a>(&self, links: impl Iterator<Item = &'a ReferenceTo>) -> Vec<String> {
        links
            .map(|to| match to {
                ReferenceTo::Anchor(anchor) => self
                    .objects
                    .get(anchor.as_str())
                    .map_or_else(|| anchor.to_string(), |known| known.dn.clone()),
                ReferenceTo::Dn(dn) => dn.to_string(),
            })
            .collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.objects.values().filter(|known| known.kind == kind).count()
    }

    /// Says what differs, object by object, instead of printing both whole.
    #[track_caller]
    fn assert_is(&self, other: &Self, when: &str) {
        let keys: BTreeSet<_> = self.objects.keys().chain(other.objects.keys()).collect();
        for key in keys {
            let (followed, fresh) = (self.objects.get(key), other.objects.get(key));
            if let (Some(followed), Some(fresh)) = (followed, fresh) {
                for name in followed.links.keys().chain(fresh.links.keys()) {
                    let empty = BTreeSet::new();
                    let of = |known: &Known| known.links.get(name).unwrap_or(&empty).clone();
                    let (more, less) = (of(followed), of(fresh));
                    assert!(
                        more == less,
                        "{when}: {name} of {} as followed has also {:?}, as read afresh {:?}",
                        fresh.dn,
                        other.names(more.difference(&less)),
                        other.names(less.difference(&more))
                    );
                }
            }
            assert_eq!(followed, fresh, "{when}: {key} as followed and as read afresh");
        }
    }
}

impl Known {
    fn is_in(&self) -> bool {
        self.scope == SourceScope::In
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first()?.as_text()
    }

    fn links_to(&self, name: &str, anchor: &str) -> bool {
        let to = ReferenceTo::Anchor(Anchor::new(anchor));
        self.links.get(name).is_some_and(|links| links.contains(&to))
    }
}

fn shape(types: &[(&str, &[&str])]) -> ImportShape {
    let types = types
        .iter()
        .map(|(kind, names)| ((*kind).into(), names.iter().map(|name| (*name).into()).collect()))
        .collect();
    ImportShape { types }
}

fn anchor(octets: [u8; 16]) -> String {
    STANDARD.encode(octets)
}
