//! References between lines: put into what is created where the other one is there already, made afterwards else.

use std::collections::{BTreeMap, BTreeSet};

use scim_client::scim_core::{AttrPath, Object, Patch, PatchPath, Value};
use scim_client::target::membership::{Current, MemberLimits, plan};
use scim_client::{Client, Error, MemberId};

use super::line::{Line, Link};

/// Members that a new group is created with, if the target takes as many; the others are added.
const MEMBERS_AT_ONCE: usize = 1000;

/// What is known of the name of a line.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) line: u64,
    /// The id that the server gave; none before, and when it was refused.
    pub(super) id: Option<String>,
}

/// The names of all lines that were read.
pub(super) type Names = BTreeMap<String, Named>;

/// References that are made when all lines are read.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) line: u64,
    pub(super) endpoint: String,
    pub(super) id: String,
    pub(super) links: Vec<Link>,
}

fn path(link: &Link) -> AttrPath {
    AttrPath::new(link.extension.clone(), link.name.clone(), None)
}

fn with_id(value: &Object, id: &str) -> Value {
    let mut value = value.clone();
    value.insert("value", id);
    Value::Object(value)
}

/// Puts the references into the resource whose other end is there; gives those that have to wait.
pub(super) fn put_known(line: &mut Line, names: &Names, limits: &MemberLimits) -> Vec<Link> {
    let mut waiting = Vec::new();
    for mut link in std::mem::take(&mut line.links) {
        let most = match link.members {
            true => limits.create.unwrap_or(MEMBERS_AT_ONCE).min(MEMBERS_AT_ONCE),
            false => usize::MAX,
        };
        let mut known = Vec::new();
        link.values.retain(|value| {
            let named = value.get_str("value").and_then(|name| names.get(name));
            match named.and_then(|named| named.id.as_deref()) {
                Some(id) if known.len() < most => {
                    known.push(with_id(value, id));
                    false
                }
                _ => true,
            }
        });
        if !known.is_empty() {
            put(line, &link, known);
        }
        if !link.values.is_empty() {
            waiting.push(link);
        }
    }
    waiting
}

fn put(line: &mut Line, link: &Link, mut known: Vec<Value>) {
    let object = match &link.extension {
        None => line.resource.object_mut(),
        Some(uri) => {
            let inside = line.resource.object_mut().entry(uri.as_str());
            if inside.as_object().is_none() {
                *inside = Value::Object(Object::new());
            }
            match inside.as_object_mut() {
                Some(inside) => inside,
                None => return,
            }
        }
    };
    let name = link.name.as_str();
    if !link.multi_valued {
        if let Some(one) = known.pop() {
            object.insert(name, one);
        }
        return;
    }
    match object.get_mut(name) {
        Some(Value::Array(values)) => values.append(&mut known),
        _ => drop(object.insert(name, known)),
    }
}

/// Finds the other ends. Those that were refused are named; names of no line are ids that the server may know. Beside these
/// come the names of the file by the ids of the server.
pub(super) fn settle(
    deferred: &mut Deferred,
    names: &Names,
) -> (Vec<String>, BTreeMap<String, String>) {
    let mut missing = Vec::new();
    let mut own = BTreeMap::new();
    for link in &mut deferred.links {
        let attribute = path(link).to_string();
        link.values.retain_mut(|value| {
            let Some(name) = value.get_str("value").map(str::to_owned) else { return false };
            match names.get(&name) {
                None => true,
                Some(Named { id: Some(id), .. }) => {
                    value.insert("value", id.as_str());
                    own.insert(id.clone(), name);
                    true
                }
                Some(Named { line, id: None }) => {
                    missing.push(format!(
                        "{attribute}: it refers to {name}, and line {line} was not created"
                    ));
                    false
                }
            }
        });
    }
    deferred.links.retain(|link| !link.values.is_empty());
    (missing, own)
}

/// Makes the references. What the server refuses is told; other failures end the import.
///
/// # Errors
/// What concerns more than these references.
pub(super) async fn make(
    client: &Client,
    deferred: Deferred,
    own: &BTreeMap<String, String>,
) -> Result<Vec<String>, Error> {
    let mut refused = Vec::new();
    let mut patch = Patch::new();
    for link in deferred.links {
        if link.members {
            add_members(client, &deferred.id, link, own, &mut refused).await?;
            continue;
        }
        let path = PatchPath::from(path(&link));
        let mut values: Vec<Value> = link.values.into_iter().map(Value::Object).collect();
        patch = match (link.multi_valued, values.pop()) {
            (_, None) => patch,
            // Done twice it is the same, so a lost answer does no harm.
            (false, Some(value)) => patch.replace(path, value),
            (true, Some(last)) => {
                values.push(last);
                patch.add(path, values)
            }
        };
    }
    if !patch.is_empty() {
        match client.resources(&deferred.endpoint).patch(&deferred.id, patch).await {
            Ok(_) => {}
            Err(error) if crate::ended::is_refusal(&error) => refused.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// In steps that the target takes; one that it does not take is no harm to the others.
async fn add_members(
    client: &Client,
    group: &str,
    link: Link,
    own: &BTreeMap<String, String>,
    refused: &mut Vec<String>,
) -> Result<(), Error> {
    let members: BTreeSet<MemberId> =
        link.values.iter().filter_map(|value| value.get_str("value")).map(MemberId::from).collect();
    let mut limits = MemberLimits::of(client.target());
    // Others are members already.
    limits.replace = None;
    let plan = plan(&members, &Current::Known(BTreeSet::new()), &limits);
    let report = client.membership(group).apply(&plan).await;
    for (member, error) in &report.failed {
        let member = own.get(member.as_str()).map_or(member.as_str(), String::as_str);
        refused.push(format!("members: {member}: {error}"));
    }
    match report.stopped {
        Some(error) if crate::ended::is_refusal(&error) => {
            refused.push(format!("members: {error}"))
        }
        Some(error) => return Err(error),
        None => {}
    }
    Ok(())
}
