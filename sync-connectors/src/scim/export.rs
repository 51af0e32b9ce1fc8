//! Carrying out writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use http::StatusCode;
use scim_client::scim_core::{
    Op, Operation, Patch, PatchPath, Resource, ResourceSchema, Value, attr,
};
use scim_client::target::membership::{Current, MemberLimits, MembershipReport, plan};
use scim_client::{Error, MemberId, Written};
use scim_sync::connector::{
    AttributeEdit, ExportFailure, ExportOperation, ExportOutcome, ExportWrite, Exported,
    FailureKind, ReferenceEdit, RefusedReference,
};
use scim_sync::{Anchor, AttributeName, AttributeSet, ConnectorError, ObjectType};

use super::edit::{self, Edit};
use super::failure::failure;
use super::path::{Paths, TargetPath};
use super::{BulkUse, ScimConnector, bulk, endpoint, import};

/// Carries out all writes, several at a time, and tells of each what became of it.
pub(super) async fn export(
    connector: &ScimConnector,
    writes: Vec<ExportWrite>,
) -> Result<Vec<ExportOutcome>, ConnectorError> {
    let mut schemas = BTreeMap::new();
    for write in &writes {
        if !schemas.contains_key(&write.object_type) {
            schemas.insert(
                write.object_type.clone(),
                connector.resource_schema(&write.object_type).await?,
            );
        }
    }
    if connector.bulk == BulkUse::Always && bulk::pays(connector, &writes).await? {
        return Ok(bulk::export(connector, writes, &schemas).await);
    }
    let outcomes = stream::iter(writes)
        .map(|write| {
            let schema = Arc::clone(&schemas[&write.object_type]);
            async move { one(connector, write, &schema).await }
        })
        .buffered(connector.parallel)
        .collect()
        .await;
    Ok(outcomes)
}

/// Carries out one write.
pub(super) async fn one(
    connector: &ScimConnector,
    write: ExportWrite,
    schema: &Arc<ResourceSchema>,
) -> ExportOutcome {
    let done = match &write.operation {
        ExportOperation::Create { attributes, references } => {
            create(connector, schema, &write.object_type, attributes, references).await
        }
        ExportOperation::Update { anchor, version, current, attributes, references } => {
            let change =
                Change { anchor, version: version.as_deref(), current, attributes, references };
            update(connector, schema, &write.object_type, &change).await
        }
        ExportOperation::Delete { anchor, version } => {
            delete(connector, schema, anchor, version.as_deref()).await
        }
    };
    match done {
        Ok(exported) => ExportOutcome::Done(exported),
        Err(failure) => ExportOutcome::Failed(failure),
    }
}

/// A write that the server would refuse, found before it is sent.
pub(super) fn refused(message: String) -> ExportFailure {
    ExportFailure { kind: FailureKind::Refused, message }
}

async fn create(
    connector: &ScimConnector,
    schema: &Arc<ResourceSchema>,
    object_type: &ObjectType,
    attributes: &AttributeSet,
    references: &BTreeMap<AttributeName, Vec<Anchor>>,
) -> Result<Exported, ExportFailure> {
    let endpoint = endpoint(schema);
    // Members beyond what the target takes with a new group are added afterwards.
    let limits = MemberLimits::of(connector.client.target());
    let (with, after) = split_members(references, endpoint, limits.create);
    let resource = edit::new_resource(schema, attributes, &with).map_err(refused)?;
    let written = connector.client.resources(endpoint).create(&resource).await;
    let written = written.map_err(|error| failure(&error))?;
    let mut exported = told(&written, schema, object_type, attributes)?;
    // A list changes by itself when the target removes what is in it: the version would say that somebody else wrote.
    let is_list = |name| TargetPath::resolve(name, schema).is_ok_and(|path| path.multi_valued);
    if with.keys().any(is_list) {
        exported.version = None;
    }
    if let (Some((name, anchors)), Some(anchor)) = (after, exported.anchor.clone()) {
        let add = ReferenceEdit { add: anchors, remove: Vec::new() };
        // The group is there whatever becomes of its members: a failure that said otherwise would have it made again.
        let unknown = |failure: ExportFailure| ExportFailure {
            kind: FailureKind::Unknown,
            message: format!("the group was made, and not all of its members: {}", failure.message),
        };
        let report = members(connector, &anchor, &add).await.map_err(unknown)?;
        exported.refused.extend(report_refused(&name, report).map_err(unknown)?);
        exported.version = None;
    }
    Ok(exported)
}

/// The members that go with a new group, and those to be added afterwards.
type Split = (BTreeMap<AttributeName, Vec<Anchor>>, Option<(AttributeName, Vec<Anchor>)>);

fn split_members(
    references: &BTreeMap<AttributeName, Vec<Anchor>>,
    endpoint: &str,
    limit: Option<usize>,
) -> Split {
    let mut with = references.clone();
    let mut after = None;
    if let (Some(limit), "Groups") = (limit, endpoint) {
        for (name, anchors) in &mut with {
            if is_members(name) && anchors.len() > limit {
                after = Some((name.clone(), anchors.split_off(limit)));
            }
        }
    }
    (with, after)
}

fn is_members(name: &AttributeName) -> bool {
    name.as_str().eq_ignore_ascii_case("members")
}

/// What the answer to a write says.
pub(super) fn told(
    written: &Written<Resource>,
    schema: &Arc<ResourceSchema>,
    object_type: &ObjectType,
    attributes: &AttributeSet,
) -> Result<Exported, ExportFailure> {
    let anchor = written.id().map_err(|error| ExportFailure {
        kind: FailureKind::Unknown,
        message: error.to_string(),
    })?;
    Ok(Exported {
        anchor: Some(Anchor::new(anchor)),
        version: written.version().map(str::to_owned),
        observed: written.resource().and_then(|resource| {
            let names: Vec<AttributeName> =
                attributes.iter().map(|(name, _)| name.clone()).collect();
            observed(resource, schema, object_type, &names)
        }),
        refused: Vec::new(),
    })
}

/// The attributes that were written, as the answer shows them. An answer that shows none of the resource's attributes
/// (some servers send the id alone) confirms nothing.
fn observed(
    resource: &Resource,
    schema: &Arc<ResourceSchema>,
    object_type: &ObjectType,
    names: &[AttributeName],
) -> Option<AttributeSet> {
    let paths = Paths::resolve(object_type, names, Arc::clone(schema)).ok()?;
    let found = import::attributes(resource.object(), &paths);
    (!found.is_empty()).then_some(found)
}

/// What is to be changed.
struct Change<'a> {
    anchor: &'a Anchor,
    version: Option<&'a str>,
    current: &'a AttributeSet,
    attributes: &'a BTreeMap<AttributeName, AttributeEdit>,
    references: &'a BTreeMap<AttributeName, ReferenceEdit>,
}

async fn update(
    connector: &ScimConnector,
    schema: &Arc<ResourceSchema>,
    object_type: &ObjectType,
    change: &Change<'_>,
) -> Result<Exported, ExportFailure> {
    let (edit, lists) = resolved(change, schema).map_err(refused)?;
    let mut exported = Exported { anchor: Some(change.anchor.clone()), ..Exported::default() };
    if !edit.changes.is_empty() || !edit.pointers.is_empty() {
        let capabilities =
            connector.client.capabilities().await.map_err(|error| failure(&error))?;
        let written = if capabilities.patch.value {
            by_patch(connector, schema, change, &edit).await?
        } else {
            by_replace(connector, schema, change, &edit).await?
        };
        let names: Vec<AttributeName> = change.attributes.keys().cloned().collect();
        exported.version = written.version().map(str::to_owned);
        exported.observed =
            written.resource().and_then(|resource| observed(resource, schema, object_type, &names));
    }
    for (path, edit) in lists {
        // The version that was just made is another one after the members.
        exported.version = None;
        if endpoint(schema) == "Groups" && is_members(&path.name) {
            let report = members(connector, change.anchor, edit).await?;
            exported.refused.extend(report_refused(&path.name, report)?);
        } else {
            let patch = list_patch(&path, edit);
            let sent = connector
                .client
                .resources(endpoint(schema))
                .patch(change.anchor.as_str(), patch)
                .await;
            sent.map_err(|error| failure(&error))?;
        }
    }
    Ok(exported)
}

/// The change with its names looked up; lists of references apart.
pub(super) type Resolved<'a> = (Edit<'a>, Vec<(TargetPath, &'a ReferenceEdit)>);

fn resolved<'a>(change: &Change<'a>, schema: &ResourceSchema) -> Result<Resolved<'a>, String> {
    let mut edit = Edit { current: change.current, changes: Vec::new(), pointers: Vec::new() };
    for (name, value) in change.attributes {
        edit.changes.push((TargetPath::resolve(name, schema)?, value));
    }
    let mut lists = Vec::new();
    for (name, references) in change.references {
        let path = TargetPath::resolve(name, schema)?;
        if path.multi_valued {
            lists.push((path, references));
        } else if !references.add.is_empty() || !references.remove.is_empty() {
            edit.pointers.push((path, references.add.first()));
        }
    }
    Ok((edit, lists))
}

async fn by_patch(
    connector: &ScimConnector,
    schema: &Arc<ResourceSchema>,
    change: &Change<'_>,
    edit: &Edit<'_>,
) -> Result<Written<Resource>, ExportFailure> {
    let patch = edit::patch(edit).map_err(refused)?;
    let mut request =
        connector.client.resources(endpoint(schema)).patch(change.anchor.as_str(), patch);
    if let Some(version) = change.version {
        request = request.if_match(version);
    }
    request.await.map_err(|error| failure(&error))
}

/// For servers without PATCH: the resource is read, changed and written whole, under the version that was read.
async fn by_replace(
    connector: &ScimConnector,
    schema: &Arc<ResourceSchema>,
    change: &Change<'_>,
    edit: &Edit<'_>,
) -> Result<Written<Resource>, ExportFailure> {
    let resources = connector.client.resources(endpoint(schema));
    let now = resources.get(change.anchor.as_str()).await.map_err(|error| failure(&error))?;
    let version =
        now.get("meta").and_then(|meta| meta.as_object()?.get_str("version")).map(str::to_owned);
    let resource = edit::changed_resource(now, schema, edit).map_err(refused)?;
    let mut request = resources.replace(change.anchor.as_str(), &resource);
    if let Some(version) = version {
        request = request.if_match(version);
    }
    request.await.map_err(|error| failure(&error))
}

/// Adds to and takes from a list of references that is not the members of a group.
fn list_patch(path: &TargetPath, edit: &ReferenceEdit) -> Patch {
    let mut patch = Patch::new();
    for anchor in &edit.remove {
        let filter = attr("value").eq(anchor.as_str());
        patch.push(Operation {
            op: Op::Remove,
            path: Some(PatchPath::selected(path.whole(), filter, None)),
            value: None,
        });
    }
    if !edit.add.is_empty() {
        let elements = edit.add.iter().map(edit::pointer).collect();
        patch.push(Operation {
            op: Op::Add,
            path: Some(path.whole().into()),
            value: Some(Value::Array(elements)),
        });
    }
    patch
}

/// Adds members to a group and takes them away, within the limits of the target.
async fn members(
    connector: &ScimConnector,
    group: &Anchor,
    edit: &ReferenceEdit,
) -> Result<MembershipReport, ExportFailure> {
    let ids = |anchors: &[Anchor]| -> BTreeSet<MemberId> {
        anchors.iter().map(|anchor| MemberId::from(anchor.as_str())).collect()
    };
    let (add, remove) = (ids(&edit.add), ids(&edit.remove));
    let limits = MemberLimits::of(connector.client.target());
    // Only the difference is known here, so nobody else may be touched.
    let plan = plan(&add, &Current::AtLeast(remove), &limits);
    let mut report = connector.client.membership(group.as_str()).apply(&plan).await;
    match report.stopped.take() {
        Some(error) if report.added.is_empty() && report.removed.is_empty() => Err(failure(&error)),
        Some(error) => Err(ExportFailure {
            // Some of it happened: the next comparison with the server shows what.
            kind: if error.is_not_found() { FailureKind::Missing } else { FailureKind::Unknown },
            message: error.to_string(),
        }),
        None => Ok(report),
    }
}

/// The members that were refused; an error where all of them were for a reason that has nothing to do with them.
fn report_refused(
    name: &AttributeName,
    report: MembershipReport,
) -> Result<Vec<RefusedReference>, ExportFailure> {
    let passing = |error: &Error| {
        error.is_retryable() || error.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    };
    if let Some(error) = report.failed.values().find(|error| passing(error)) {
        return Err(failure(error));
    }
    Ok(report
        .failed
        .into_iter()
        .map(|(member, error)| RefusedReference {
            attribute: name.clone(),
            anchor: Anchor::new(member.as_str()),
            message: error.to_string(),
        })
        .collect())
}

async fn delete(
    connector: &ScimConnector,
    schema: &Arc<ResourceSchema>,
    anchor: &Anchor,
    version: Option<&str>,
) -> Result<Exported, ExportFailure> {
    let mut request = connector.client.resources(endpoint(schema)).delete(anchor.as_str());
    if let Some(version) = version {
        request = request.if_match(version);
    }
    match request.await {
        Ok(_) => Ok(Exported { anchor: Some(anchor.clone()), ..Exported::default() }),
        // That it is not there is what was wanted.
        Err(error) if error.is_not_found() => {
            Ok(Exported { anchor: Some(anchor.clone()), ..Exported::default() })
        }
        Err(error) => Err(failure(&error)),
    }
}

/// A create or a change as one operation of a bulk; `None` where it takes several requests.
pub(super) enum Single {
    Create(Resource),
    Patch(Anchor, Option<String>, Patch),
    Delete(Anchor, Option<String>),
}

/// The write as one operation, where it is one.
///
/// # Errors
/// As [`one`], found before anything is sent.
pub(super) fn single(
    connector: &ScimConnector,
    write: &ExportWrite,
    schema: &ResourceSchema,
) -> Result<Option<Single>, ExportFailure> {
    Ok(match &write.operation {
        ExportOperation::Create { attributes, references } => {
            let limits = MemberLimits::of(connector.client.target());
            let (with, after) = split_members(references, endpoint(schema), limits.create);
            if after.is_some() {
                return Ok(None);
            }
            Some(Single::Create(edit::new_resource(schema, attributes, &with).map_err(refused)?))
        }
        ExportOperation::Update { anchor, version, current, attributes, references } => {
            let change =
                Change { anchor, version: version.as_deref(), current, attributes, references };
            let (edit, lists) = resolved(&change, schema).map_err(refused)?;
            if !lists.is_empty() {
                return Ok(None);
            }
            Some(Single::Patch(
                anchor.clone(),
                version.clone(),
                edit::patch(&edit).map_err(refused)?,
            ))
        }
        ExportOperation::Delete { anchor, version } => {
            Some(Single::Delete(anchor.clone(), version.clone()))
        }
    })
}
