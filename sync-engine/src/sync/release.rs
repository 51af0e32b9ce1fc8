//! Objects of a target that nothing asks for any more, or not as what they are.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::trouble::Trouble;
use crate::ObjectType;
use crate::metaverse::{Life, MetaverseObject, ReleaseCause};
use crate::rules::{Direction, Release, Rule};
use crate::space::{ExportKind, LinkOrigin, PendingExport, SpaceObject};

impl<'r> Run<'_, 'r> {
    /// Whether an object of the target is there on behalf of outbound rules: what an identity was made from is not
    /// removed when that identity goes.
    pub(super) fn is_ours(&self, object: &SpaceObject) -> bool {
        let rule = match object.link.as_ref().map(|link| &link.origin) {
            None | Some(LinkOrigin::Projected { .. }) => return false,
            Some(LinkOrigin::Joined { rule, .. } | LinkOrigin::Provisioned { rule }) => rule,
        };
        let rule = self.sync.rules.by_name(rule);
        rule.is_none_or(|rule| rule.direction == Direction::Outbound)
    }

    /// An object of the target whose identity nothing holds any more, or that no rule takes in.
    pub(super) fn release(
        &mut self,
        identity: &MetaverseObject,
        mut object: SpaceObject,
        rules: &[&'r Rule],
    ) -> Result<(), Trouble> {
        let of_type =
            || rules.iter().find(|rule| Some(&rule.object_type) == object.object_type.as_ref());
        let Some(rule) = self.made_by(&object).or_else(|| of_type().copied()) else {
            return self.put_pending(&mut object, None);
        };
        let (what, why) = match &identity.life {
            Life::Released { cause: ReleaseCause::Deleted, .. } => {
                (rule.on_delete, "its source was deleted")
            }
            Life::Released { cause: ReleaseCause::OutOfScope, .. } => {
                (rule.on_out_of_scope, "its source left the scope")
            }
            Life::Held => (rule.on_out_of_scope, "it left the scope of the outbound rules"),
        };
        if !rule.operations.delete {
            return self.put_pending(&mut object, None);
        }
        if self.is_unmade(&object) {
            self.store.remove_object(object.id)?;
            return Ok(());
        }
        if object.anchor.is_none() {
            // It was sent to be made and nobody knows what became of it. The export finds out first, and makes nothing
            // for an identity that is not held.
            return Ok(());
        }
        let reason = format!("{why} (rule `{}`)", rule.name);
        let pending = |kind, attributes| PendingExport {
            kind,
            attributes,
            references: BTreeSet::new(),
            reason,
            sent: None,
        };
        match what {
            Release::Delete => {
                let pending = pending(ExportKind::Delete, BTreeMap::new());
                self.put_pending(&mut object, Some(pending))
            }
            Release::Disable => {
                let attributes = self.disable_difference(rule, identity, &object)?;
                let pending =
                    (!attributes.is_empty()).then(|| pending(ExportKind::Disable, attributes));
                self.put_pending(&mut object, pending)
            }
            Release::Keep => {
                object.link = None;
                object.pending_export = None;
                self.put(&object)?;
                self.report.unlinked += 1;
                self.requeue_identity(identity.id)
            }
        }
    }

    /// An object that the rules want to be of another type. No target changes the type of an object: it is removed, and
    /// one of the other type is made when it is gone.
    pub(super) fn replace(
        &mut self,
        wanted: &'r Rule,
        mut object: SpaceObject,
    ) -> Result<(), Trouble> {
        if object.anchor.is_none() {
            // It was sent to be made and nobody knows what became of it: the export finds out first.
            return Ok(());
        }
        let is = object.object_type.as_ref().map_or("thing", ObjectType::as_str);
        let removes = |rule: &Rule| rule.operations.delete && rule.on_delete == Release::Delete;
        if !self.is_ours(&object) || !removes(self.made_by(&object).unwrap_or(wanted)) {
            let message = format!(
                "rule `{}` wants it as a {} and the target has it as a {is}, which would have to be removed for that: no \
                 rule allows it; remove it there, or change the rules",
                wanted.name, wanted.object_type
            );
            return Err(Trouble::new(message).of(object.id));
        }
        let pending = PendingExport {
            kind: ExportKind::DeleteAdd,
            attributes: BTreeMap::new(),
            references: BTreeSet::new(),
            reason: format!(
                "rule `{}` wants it as a {} and it is a {is}; the next cycle makes it",
                wanted.name, wanted.object_type
            ),
            sent: None,
        };
        self.put_pending(&mut object, Some(pending))
    }

    /// The rule by which an object came to be the identity's, where there is one still.
    fn made_by(&self, object: &SpaceObject) -> Option<&'r Rule> {
        match object.link.as_ref().map(|link| &link.origin) {
            Some(LinkOrigin::Joined { rule, .. } | LinkOrigin::Provisioned { rule }) => {
                self.sync.rules.by_name(rule).filter(|rule| rule.enabled)
            }
            _ => None,
        }
    }
}
