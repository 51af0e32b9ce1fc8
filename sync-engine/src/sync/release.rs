//! Objects of a target that nothing asks for any more, or not as what they are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::run::Run;
use super::trouble::Trouble;
use crate::metaverse::{Life, MetaverseObject, ReleaseCause};
use crate::rules::{Direction, Release, Rule};
use crate::run;
use crate::space::{ExportKind, LinkOrigin, PendingExport, SpaceObject};
use crate::{AttributeName, ObjectType, Values};

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
            self.forget_release(&mut object)?;
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
        if !rule.operations.delete || what != Release::DisableThenDelete {
            self.forget_release(&mut object)?;
        }
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
        match what {
            Release::Delete => {
                let pending = pending(ExportKind::Delete, BTreeMap::new(), reason);
                self.put_pending(&mut object, Some(pending))
            }
            Release::Disable => {
                let attributes = self.disable_difference(rule, identity, &object)?;
                let pending = (!attributes.is_empty())
                    .then(|| pending(ExportKind::Disable, attributes, reason));
                self.put_pending(&mut object, pending)
            }
            Release::DisableThenDelete => {
                let attributes = self.disable_difference(rule, identity, &object)?;
                self.disable_then_delete(rule, object, attributes, &reason)
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

    /// Switches an object off, and removes it when it was off for as many days as the rule says.
    ///
    /// The days are counted from when it was seen to be off: where the switching off waited, or somebody has switched it on
    /// since, they begin anew.
    fn disable_then_delete(
        &mut self,
        rule: &Rule,
        mut object: SpaceObject,
        attributes: BTreeMap<AttributeName, Values>,
        reason: &str,
    ) -> Result<(), Trouble> {
        let (now, days) = (self.sync.now, rule.delete_after_days);
        let Some(link) = &mut object.link else { return Ok(()) };
        let since = link.released.filter(|_| attributes.is_empty()).unwrap_or(now);
        let begins = link.released.replace(since) != Some(since);
        if begins {
            self.put(&object)?;
        }
        let until = since.checked_add_signed(TimeDelta::days(i64::from(days)));
        let until = until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        if attributes.is_empty() && until <= now {
            let reason = format!("{reason}, and it was off for {days} days");
            let pending = pending(ExportKind::Delete, BTreeMap::new(), reason);
            return self.put_pending(&mut object, Some(pending));
        }
        run::keep_release(self.store, until)?;
        let reason = format!("{reason}; it is removed when it was off for {days} days");
        let pending =
            (!attributes.is_empty()).then(|| pending(ExportKind::Disable, attributes, reason));
        self.put_pending(&mut object, pending)
    }

    /// Forgets since when nothing asks for an object: something does, or it is not to be removed later.
    pub(super) fn forget_release(&mut self, object: &mut SpaceObject) -> Result<(), Trouble> {
        if object.link.as_mut().is_some_and(|link| link.released.take().is_some()) {
            self.put(object)?;
        }
        Ok(())
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
        let reason = format!(
            "rule `{}` wants it as a {} and it is a {is}; the next cycle makes it",
            wanted.name, wanted.object_type
        );
        let pending = pending(ExportKind::DeleteAdd, BTreeMap::new(), reason);
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

fn pending(
    kind: ExportKind,
    attributes: BTreeMap<AttributeName, Values>,
    reason: String,
) -> PendingExport {
    PendingExport { kind, attributes, references: BTreeSet::new(), reason, sent: None }
}
