//! Reading a server.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, SecondsFormat, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use scim_client::Page;
use scim_client::scim_core::{Filter, Object, Resource, attr};
use scim_client::target::check_matches;
use scim_sync::connector::{
    ChangedObject, ImportChange, ImportEnd, ImportMode, ImportPage, ImportRequest, ImportShape,
    ImportedObject, MatchQuery, ReferenceTo, SourceScope, Watermark,
};
use scim_sync::{Anchor, AttributeSet, ConnectorError};
use serde::{Deserialize, Serialize};

use super::failure::connector_error;
use super::path::Paths;
use super::{ScimConnector, endpoint, value};

/// What a read by changes goes on from: the newest `meta.lastModified` of the read before.
#[derive(Serialize, Deserialize)]
struct Mark {
    since: DateTime<Utc>,
}

/// Reads all types of the request, one after the other, a page at a time.
///
/// A read of changes asks for what `meta.lastModified` says has changed: deletions do not show in it, nor do the members
/// of groups, which are not asked for then. Both show in a full read.
pub(super) fn import(
    connector: &ScimConnector,
    request: ImportRequest,
) -> BoxStream<'_, Result<ImportPage, ConnectorError>> {
    let since = match request.mode {
        ImportMode::Full => None,
        ImportMode::Delta(watermark) => match serde_json::from_value::<Mark>(watermark.0) {
            Ok(mark) => Some(mark.since),
            Err(_) => {
                let refused =
                    ConnectorError::WatermarkRefused("it was made by something else".to_owned());
                return stream::once(async { Err(refused) }).boxed();
            }
        },
    };
    let types = request.shape.types.keys().cloned().collect();
    let reader = Reader {
        connector,
        shape: request.shape,
        types,
        since,
        newest: since,
        goes_on: true,
        open: None,
        ended: false,
    };
    stream::unfold(reader, |mut reader| async {
        if reader.ended {
            return None;
        }
        let page = reader.next().await;
        reader.ended = !matches!(&page, Ok(page) if page.end.is_none());
        Some((page, reader))
    })
    .boxed()
}

struct Reader<'a> {
    connector: &'a ScimConnector,
    shape: ImportShape,
    /// Those that have not been begun.
    types: VecDeque<scim_sync::ObjectType>,
    since: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    /// Whether every type can be asked for its changes.
    goes_on: bool,
    open: Option<Open>,
    ended: bool,
}

/// A type that is being read.
struct Open {
    paths: Paths,
    pages: BoxStream<'static, Result<Page<Resource>, scim_client::Error>>,
}

impl Reader<'_> {
    async fn next(&mut self) -> Result<ImportPage, ConnectorError> {
        loop {
            let Some(open) = &mut self.open else {
                match self.types.pop_front() {
                    Some(object_type) => {
                        self.open = Some(self.begin(&object_type).await?);
                        continue;
                    }
                    None => return Ok(self.end()),
                }
            };
            let Some(page) = open.pages.next().await else {
                self.open = None;
                continue;
            };
            let page = page.map_err(|error| connector_error(&error))?;
            let full = self.since.is_none();
            let mut changes = Vec::with_capacity(page.resources.len());
            for resource in &page.resources {
                let object = imported(resource.object(), &open.paths)?;
                self.newest = self.newest.max(last_modified(resource.object()));
                // A whole object has nothing but what it shows.
                changes.push(if full && !open.paths.hides {
                    ImportChange::Object(object)
                } else {
                    changed(object, &open.paths)
                });
            }
            return Ok(ImportPage { changes, expected: page.about.total_results, end: None });
        }
    }

    async fn begin(&mut self, object_type: &scim_sync::ObjectType) -> Result<Open, ConnectorError> {
        let paths = self.connector.paths(object_type, &self.shape).await?;
        let resources = self.connector.client.resources(endpoint(&paths.schema));
        let mut list = resources.list();
        if self.connector.names_attributes() {
            list = list.attributes(paths.attributes(self.since.is_none()));
        }
        // The filter of the read that would go on from here.
        let changed = since(self.since.or(self.newest).unwrap_or_default());
        let admitted = self.connector.client.target().admits(endpoint(&paths.schema), &changed);
        match (self.since, admitted) {
            (Some(_), Ok(())) => list = list.filter(changed),
            (Some(_), Err(unsupported)) => {
                return Err(ConnectorError::WatermarkRefused(unsupported.to_string()));
            }
            (None, admitted) => self.goes_on &= admitted.is_ok(),
        }
        Ok(Open { paths, pages: list.pages() })
    }

    fn end(&self) -> ImportPage {
        let newest = self.newest.filter(|_| self.goes_on);
        let watermark =
            newest.and_then(|since| serde_json::to_value(Mark { since }).ok()).map(Watermark);
        ImportPage {
            end: Some(ImportEnd { watermark, sweep: self.since.is_none() }),
            ..ImportPage::default()
        }
    }
}

/// What changed since then. "ge": what was written in the same instant, after the read, must not be missed.
fn since(moment: DateTime<Utc>) -> Filter {
    attr("meta.lastModified").ge(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_str())
}

fn last_modified(resource: &Object) -> Option<DateTime<Utc>> {
    let text = resource.get("meta")?.as_object()?.get_str("lastModified")?;
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc))
}

/// A resource as an object of the connector space.
pub(super) fn imported(resource: &Object, paths: &Paths) -> Result<ImportedObject, ConnectorError> {
    let id = resource.get_str("id").ok_or_else(|| {
        ConnectorError::Protocol(format!("the server gave a {} without an id", paths.object_type))
    })?;
    let meta = resource.get("meta").and_then(|meta| meta.as_object());
    let references = paths.references.iter().map(|path| {
        let anchors = path.values(resource).into_iter().filter_map(|element| {
            let id =
                element.as_object().map_or(element.as_str(), |object| object.get_str("value"))?;
            Some(ReferenceTo::Anchor(Anchor::new(id)))
        });
        (path.name.clone(), anchors.collect())
    });
    Ok(ImportedObject {
        anchor: Anchor::new(id),
        dn: None,
        object_type: paths.object_type.clone(),
        scope: SourceScope::In,
        attributes: attributes(resource, paths),
        references: references.collect(),
        version: meta.and_then(|meta| meta.get_str("version")).map(str::to_owned),
    })
}

/// The values of a resource at the places that rules name.
pub(super) fn attributes(resource: &Object, paths: &Paths) -> AttributeSet {
    paths
        .values
        .iter()
        .map(|path| {
            let values = path
                .values(resource)
                .into_iter()
                .map(|found| value::read(found, path.kind, &path.parts));
            (path.name.clone(), values.collect())
        })
        .collect()
}

/// The same as a change: all values, no references, because they were not asked for or are not shown.
fn changed(object: ImportedObject, paths: &Paths) -> ImportChange {
    let attributes: BTreeMap<_, _> = paths
        .values
        .iter()
        .map(|path| (path.name.clone(), object.attributes.get(&path.name).to_vec()))
        .collect();
    ImportChange::Changed(ChangedObject {
        anchor: object.anchor,
        object_type: object.object_type,
        dn: None,
        scope: None,
        attributes,
        references: BTreeMap::new(),
        version: object.version,
    })
}

/// Reads single resources. The type is not known by the anchor, so each type is asked until one has it.
pub(super) async fn read(
    connector: &ScimConnector,
    anchors: &[Anchor],
    shape: &ImportShape,
) -> Result<Vec<ImportedObject>, ConnectorError> {
    let mut found = Vec::with_capacity(anchors.len());
    for anchor in anchors {
        for object_type in shape.types.keys() {
            let paths = connector.paths(object_type, shape).await?;
            let resources = connector.client.resources(endpoint(&paths.schema));
            let mut get = resources.get(anchor.as_str());
            if connector.names_attributes() {
                get = get.attributes(paths.attributes(true));
            }
            match get.await {
                Ok(resource) => {
                    found.push(imported(resource.object(), &paths)?);
                    break;
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(connector_error(&error)),
            }
        }
    }
    Ok(found)
}

/// Searches by one value.
pub(super) async fn find(
    connector: &ScimConnector,
    query: &MatchQuery,
    shape: &ImportShape,
) -> Result<Vec<ImportedObject>, ConnectorError> {
    if query.attribute.as_str().eq_ignore_ascii_case(MatchQuery::DN) {
        return Err(ConnectorError::Unsupported(
            "resources of a SCIM server have no names; search by an attribute".to_owned(),
        ));
    }
    let paths = connector.paths(&query.object_type, shape).await?;
    let path = connector.path(&query.object_type, &query.attribute).await?;
    let literal = value::literal(&query.value, &path).map_err(ConnectorError::Configuration)?;
    let filter: Filter = path.equals(literal);
    let count = u64::try_from(query.limit).unwrap_or(u64::MAX);
    let resources = connector.client.resources(endpoint(&paths.schema));
    let mut list = resources.list().filter(filter.clone()).count(count);
    if connector.names_attributes() {
        // What is searched by has to be seen, too.
        let mut names = paths.attributes(true);
        let searched = path.whole().to_string();
        if !names.contains(&searched) {
            names.push(searched);
        }
        list = list.attributes(names);
    }
    let page = list.await.map_err(|error| connector_error(&error))?;
    // Not as something that the server cannot do, which would be as good as finding nobody.
    check_matches(&filter, &page.resources).map_err(|ignored| {
        ConnectorError::Protocol(format!(
            "{}: {ignored}: nobody can be looked up there",
            connector.id
        ))
    })?;
    page.resources
        .iter()
        .take(query.limit)
        .map(|resource| imported(resource.object(), &paths))
        .collect()
}
