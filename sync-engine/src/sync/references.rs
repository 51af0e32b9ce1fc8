//! What the references of an object of a target must be.

use super::{DesiredReferences, Synchronizer};
use crate::metaverse::Life;
use crate::rules::{Apply, FlowType, Rule, Source};
use crate::space::{ExportKind, SpaceObject};
use crate::{AttributeName, StoreError, SyncStore};

use super::view::IdentityView;

/// The answer for one attribute; `None` where its references stay as they are.
pub(super) fn desired(
    sync: &Synchronizer<'_>,
    store: &dyn SyncStore,
    object: &SpaceObject,
    attribute: &AttributeName,
) -> Result<Option<DesiredReferences>, StoreError> {
    let Some(link) = &object.link else { return Ok(None) };
    let Some(identity) = store.identity_outline(link.metaverse)? else { return Ok(None) };
    if identity.life != Life::Held {
        return Ok(None);
    }
    // Read when a rule asks for values, which few do.
    let mut whole = None;
    let mut rules: Vec<&Rule> = Vec::new();
    for rule in sync.programs.outbound_to(&identity.object_type, &object.connector) {
        if Some(&rule.object_type) != object.object_type.as_ref() {
            continue;
        }
        if !rule.scope.is_everything() {
            if whole.is_none() {
                whole = store.metaverse(link.metaverse)?;
            }
            let Some(whole) = &whole else { return Ok(None) };
            if !rule.scope.holds(&IdentityView(whole))? {
                continue;
            }
        }
        rules.push(rule);
    }
    let creating =
        object.pending_export.as_ref().is_some_and(|pending| pending.kind == ExportKind::Add);
    let mut first = None;
    for rule in rules {
        for flow in rule.flows.iter().filter(|flow| flow.to == *attribute) {
            let once = flow.apply == Apply::OnCreate || flow.flow_type == FlowType::ObjectAddOnly;
            let empty = || store.edges(object.id, attribute, None, 1).map(|edges| edges.is_empty());
            if (once && !creating)
                || (flow.flow_type == FlowType::AttributeAddOnly && !empty()?)
                || matches!(flow.source, Source::None)
            {
                return Ok(None);
            }
            let add_only = flow.flow_type.adds_only();
            first.get_or_insert(add_only);
            let Source::Direct(from) = &flow.source else { continue };
            if let Some(sources) = identity.references.get(from) {
                return Ok(Some(DesiredReferences { sources: sources.clone(), add_only }));
            }
        }
    }
    Ok(first.map(|add_only| DesiredReferences { sources: Vec::new(), add_only }))
}
