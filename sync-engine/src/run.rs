//! What can be run, what can be reset, and the small facts that a run leaves for the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::connector::ConnectorSchema;
use crate::escrow::{self, QuarantineFigures};
use crate::guard::{Allowance, GuardStop};
use crate::store::{ConnectorState, Escrow, EscrowStage, RunRecord, Which};
use crate::{ConnectorId, SpaceId, StoreError, SyncStore};

const PAGE: usize = 500;
const RULES: &str = "rules.digest";
const QUARANTINE: &str = "quarantine";
const OPEN: &str = "sync.open";
const GROUPS: &str = "sync.groups";
const RELEASE: &str = "sync.release";

/// What a cycle reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CycleMode {
    /// What changed since the last cycle, and everything where the changes cannot be had or where rules or attributes are
    /// others now.
    #[default]
    Incremental,
    /// Everything, and all objects pass the rules again. Links are kept.
    Initial,
    /// Nothing: what is pending is written, where all objects have passed these rules.
    ExportOnly,
}

impl CycleMode {
    /// The word for the history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Initial => "initial",
            Self::ExportOnly => "export",
        }
    }
}

/// Something that is forgotten before a cycle, by the names of the job API (`resetScope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reset {
    /// Failures of single objects: all are tried again now.
    Escrows,
    /// How far the systems were read: everything is read again. Links are kept.
    Watermark,
    /// That the job rests, and that objects are no longer tried because they failed for so long.
    QuarantineState,
    /// All objects, links and watermarks. They are rebuilt from both sides.
    ConnectorDataStore,
    /// Everything, the history and what was allowed too.
    Full,
    /// Lets the plan through that the guard stopped last, once.
    ForceDeletes,
}

impl Reset {
    /// Reads a list as the job API has it: names with commas between them, `None` for none, and the usual ones where the
    /// text is empty.
    ///
    /// ```
    /// use scim_sync::run::Reset;
    ///
    /// assert_eq!(Reset::list("")?, Reset::usual());
    /// assert_eq!(Reset::list("Watermark, escrows")?.len(), 2);
    /// assert!(Reset::list("None")?.is_empty());
    /// assert!(Reset::list("Links").is_err());
    /// # Ok::<(), scim_sync::run::UnknownReset>(())
    /// ```
    ///
    /// # Errors
    /// [`UnknownReset`] for a name that is none of them.
    pub fn list(text: &str) -> Result<BTreeSet<Self>, UnknownReset> {
        if text.trim().is_empty() {
            return Ok(Self::usual());
        }
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.eq_ignore_ascii_case("none"))
            .map(Self::from_str)
            .collect()
    }

    /// What is reset where nobody says what.
    #[must_use]
    pub fn usual() -> BTreeSet<Self> {
        BTreeSet::from([Self::QuarantineState, Self::Watermark, Self::Escrows])
    }
}

impl FromStr for Reset {
    type Err = UnknownReset;

    fn from_str(name: &str) -> Result<Self, UnknownReset> {
        let known = [
            Self::Escrows,
            Self::Watermark,
            Self::QuarantineState,
            Self::ConnectorDataStore,
            Self::Full,
            Self::ForceDeletes,
        ];
        known
            .into_iter()
            .find(|reset| reset.to_string().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownReset(name.to_owned()))
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escrows => "Escrows",
            Self::Watermark => "Watermark",
            Self::QuarantineState => "QuarantineState",
            Self::ConnectorDataStore => "ConnectorDataStore",
            Self::Full => "Full",
            Self::ForceDeletes => "ForceDeletes",
        })
    }
}

/// A name that is no reset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no reset `{0}`; there are None, Escrows, Watermark, QuarantineState, ConnectorDataStore, Full and ForceDeletes"
)]
pub struct UnknownReset(String);

/// Forgets what was asked to be forgotten. Safe to be broken off at any point: nothing is ever concluded from a state that
/// is half forgotten.
///
/// # Errors
/// [`StoreError`].
pub fn reset(
    store: &mut dyn SyncStore,
    sources: &BTreeSet<ConnectorId>,
    targets: &BTreeSet<ConnectorId>,
    resets: &BTreeSet<Reset>,
) -> Result<(), StoreError> {
    let full = resets.contains(&Reset::Full);
    let asked = |reset| full || resets.contains(&reset);
    let all: BTreeSet<&ConnectorId> = sources.iter().chain(targets).collect();
    if asked(Reset::ConnectorDataStore) {
        forget_objects(store, &all, targets)?;
    } else if asked(Reset::Watermark) {
        transaction(store, |store| {
            for connector in &all {
                let state = store.connector(connector)?;
                store.put_connector(
                    connector,
                    &ConnectorState { watermark: None, shape: None, ..state },
                )?;
            }
            Ok(())
        })?;
    }
    let (all_failures, given_up) = (asked(Reset::Escrows), asked(Reset::QuarantineState));
    if all_failures || given_up {
        let mut after = None;
        loop {
            let page = store.escrows(None, after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            transaction(store, |store| {
                let begins = |escrow: &Escrow| all_failures || escrow::is_given_up(escrow);
                let mut page = page.iter().filter(|(_, escrow)| begins(escrow));
                page.try_for_each(|(id, escrow)| match escrow.stage {
                    // Nothing else says that the rules have still to handle it: without the entry it would be forgotten.
                    EscrowStage::Sync | EscrowStage::Outbound => {
                        let due =
                            Escrow { next: Some(escrow.first), attempts: 0, ..escrow.clone() };
                        store.put_escrow(*id, Some(&due))
                    }
                    _ => store.put_escrow(*id, None),
                })
            })?;
        }
    }
    transaction(store, |store| {
        if asked(Reset::QuarantineState) {
            store.put_fact(QUARANTINE, None)?;
        }
        for target in targets {
            if full {
                store.put_fact(&stopped_fact(target), None)?;
                store.put_fact(&allowed_fact(target), None)?;
            } else if resets.contains(&Reset::ForceDeletes)
                && let Some(stop) = stopped(store, target)?
            {
                keep_allowance(store, target, &stop)?;
            }
        }
        if full {
            for connector in &all {
                store.put_fact(&schema_fact(connector), None)?;
            }
            store.put_fact(OPEN, None)?;
            store.put_fact(RULES, None)?;
            store.forget_runs(DateTime::<Utc>::MAX_UTC)?;
        }
        Ok(())
    })
}

/// Removes all objects: those of targets first, so that at no time an identity seems to have lost its sources and to
/// have its objects in the targets still.
fn forget_objects(
    store: &mut dyn SyncStore,
    all: &BTreeSet<&ConnectorId>,
    targets: &BTreeSet<ConnectorId>,
) -> Result<(), StoreError> {
    transaction(store, |store| {
        for connector in all {
            let read = store.connector(connector)?.read;
            store
                .put_connector(connector, &ConnectorState { read, ..ConnectorState::default() })?;
        }
        for target in targets {
            store.put_fact(&exported_fact(target), None)?;
        }
        store.put_fact(RULES, None)
    })?;
    let sources = all.iter().copied().filter(|connector| !targets.contains(*connector));
    for connector in targets.iter().chain(sources) {
        loop {
            let page = store.objects(connector, Which::All, None, PAGE)?;
            if page.is_empty() {
                break;
            }
            transaction(store, |store| {
                page.iter().try_for_each(|object| store.remove_object(object.id))
            })?;
        }
    }
    loop {
        let page = store.metaverse_objects(None, PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        transaction(store, |store| {
            page.iter().try_for_each(|object| {
                store.clear_dirty(object.id)?;
                store.remove_metaverse(object.id)
            })
        })?;
    }
}

/// Does something in a transaction: all of it or nothing.
pub(crate) fn transaction<T>(
    store: &mut dyn SyncStore,
    change: impl FnOnce(&mut dyn SyncStore) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    store.begin()?;
    match change(store) {
        Ok(done) => {
            store.commit()?;
            Ok(done)
        }
        Err(error) => {
            store.rollback()?;
            Err(error)
        }
    }
}

fn stopped_fact(target: &ConnectorId) -> String {
    format!("guard.stopped.{target}")
}

fn allowed_fact(target: &ConnectorId) -> String {
    format!("guard.allowed.{target}")
}

fn exported_fact(target: &ConnectorId) -> String {
    format!("exported.{target}")
}

fn schema_fact(connector: &ConnectorId) -> String {
    format!("schema.{connector}")
}

fn read_fact<T: for<'de> Deserialize<'de>>(
    store: &dyn SyncStore,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let Some(text) = store.fact(name)? else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| StoreError::Damaged(format!("the fact `{name}`: {error}")))
}

fn write_fact(
    store: &mut dyn SyncStore,
    name: &str,
    value: &impl Serialize,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::Damaged(format!("the fact `{name}`: {error}")))?;
    store.put_fact(name, Some(&text))
}

/// When objects that were switched off have to be looked at, because one of them is to be removed by then.
pub(crate) fn next_release(store: &dyn SyncStore) -> Result<Option<DateTime<Utc>>, StoreError> {
    read_fact(store, RELEASE)
}

/// Has objects that were switched off looked at by then, or before: on the full hour, so that many that were switched off one
/// after the other are not looked for one after the other. Called within a transaction.
pub(crate) fn keep_release(store: &mut dyn SyncStore, at: DateTime<Utc>) -> Result<(), StoreError> {
    let hours = at.timestamp().saturating_add(3599).div_euclid(3600);
    let at = DateTime::from_timestamp(hours.saturating_mul(3600), 0).unwrap_or(at);
    match next_release(store)? {
        Some(next) if next <= at => Ok(()),
        _ => write_fact(store, RELEASE, &at),
    }
}

/// Keeps that they were looked at. Called within a transaction.
pub(crate) fn forget_release(store: &mut dyn SyncStore) -> Result<(), StoreError> {
    store.put_fact(RELEASE, None)
}

/// The stop of the last plan of a target, where it was stopped and nothing has passed since.
///
/// # Errors
/// [`StoreError`].
pub fn stopped(
    store: &dyn SyncStore,
    target: &ConnectorId,
) -> Result<Option<GuardStop>, StoreError> {
    read_fact(store, &stopped_fact(target))
}

/// Keeps a stop, so that it can be allowed. Called within a transaction.
pub(crate) fn keep_stop(
    store: &mut dyn SyncStore,
    target: &ConnectorId,
    stop: &GuardStop,
) -> Result<(), StoreError> {
    write_fact(store, &stopped_fact(target), stop)
}

fn keep_allowance(
    store: &mut dyn SyncStore,
    target: &ConnectorId,
    stop: &GuardStop,
) -> Result<(), StoreError> {
    let allowance =
        Allowance { digest: stop.digest.clone(), removals: Some(stop.removals.clone()) };
    write_fact(store, &allowed_fact(target), &allowance)
}

/// What was allowed for a target and has not been used.
///
/// # Errors
/// [`StoreError`].
pub fn allowance(
    store: &dyn SyncStore,
    target: &ConnectorId,
) -> Result<Option<Allowance>, StoreError> {
    read_fact(store, &allowed_fact(target))
}

/// A plan has passed: neither a stop nor an allowance is left. Called within a transaction.
pub(crate) fn passed(store: &mut dyn SyncStore, target: &ConnectorId) -> Result<(), StoreError> {
    store.put_fact(&stopped_fact(target), None)?;
    store.put_fact(&allowed_fact(target), None)
}

/// Lets a stopped plan through, once: the next cycle carries it out if it still takes away the same.
///
/// The beginning of a digest is enough where it is at least eight characters. Gives the target that it is about; `None`
/// where no plan with this digest was stopped.
///
/// # Errors
/// [`StoreError`].
pub fn allow(
    store: &mut dyn SyncStore,
    targets: &BTreeSet<ConnectorId>,
    digest: &str,
) -> Result<Option<ConnectorId>, StoreError> {
    let digest = digest.trim().to_ascii_lowercase();
    for target in targets {
        let Some(stop) = stopped(store, target)? else { continue };
        if stop.digest == digest || digest.len() >= 8 && stop.digest.starts_with(&digest) {
            transaction(store, |store| keep_allowance(store, target, &stop))?;
            return Ok(Some(target.clone()));
        }
    }
    Ok(None)
}

/// Whether nothing was ever exported to a target with this state.
///
/// # Errors
/// [`StoreError`].
pub fn first_run(store: &dyn SyncStore, target: &ConnectorId) -> Result<bool, StoreError> {
    Ok(store.fact(&exported_fact(target))?.is_none())
}

/// An export to a target came to its end. Called within a transaction.
pub(crate) fn exported(
    store: &mut dyn SyncStore,
    target: &ConnectorId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    store.put_fact(&exported_fact(target), Some(&now.to_rfc3339()))
}

fn read_whole_fact(connector: &ConnectorId) -> String {
    format!("read.whole.{connector}")
}

/// When a connector was read whole last.
pub(crate) fn read_whole(
    store: &dyn SyncStore,
    connector: &ConnectorId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    read_fact(store, &read_whole_fact(connector))
}

/// Keeps that. Called within a transaction.
pub(crate) fn keep_read_whole(
    store: &mut dyn SyncStore,
    connector: &ConnectorId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    write_fact(store, &read_whole_fact(connector), &now)
}

/// The digest of the rules that all objects have passed.
pub(crate) fn rules_digest(store: &dyn SyncStore) -> Result<Option<String>, StoreError> {
    store.fact(RULES)
}

/// All objects have passed the rules of this digest. Called within a transaction.
pub(crate) fn keep_rules_digest(store: &mut dyn SyncStore, digest: &str) -> Result<(), StoreError> {
    store.put_fact(RULES, Some(digest))
}

/// Groups by what the rules call them: by connector, and by anchor or name.
pub(crate) type ScopeGroups = BTreeMap<ConnectorId, BTreeMap<String, Option<SpaceId>>>;

/// What a synchronisation has not finished. The next one looks at everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Open {
    /// It has begun and not ended, or a target has another schema since: what is pending may be half of what it must be.
    Begun,
    /// It has ended, and left out systems of which too little was known.
    LeftOut,
}

/// What the last synchronisation has not finished.
pub(crate) fn open(store: &dyn SyncStore) -> Result<Option<Open>, StoreError> {
    read_fact(store, OPEN)
}

/// Keeps it. Called within a transaction.
pub(crate) fn keep_open(store: &mut dyn SyncStore, open: Option<Open>) -> Result<(), StoreError> {
    match open {
        Some(open) => write_fact(store, OPEN, &open),
        None => store.put_fact(OPEN, None),
    }
}

/// The groups by which scopes decide, as the last synchronisation found them by what the rules call them.
pub(crate) fn scope_groups(store: &dyn SyncStore) -> Result<ScopeGroups, StoreError> {
    Ok(read_fact(store, GROUPS)?.unwrap_or_default())
}

/// Keeps them. Called within a transaction.
pub(crate) fn keep_scope_groups(
    store: &mut dyn SyncStore,
    groups: &ScopeGroups,
) -> Result<(), StoreError> {
    write_fact(store, GROUPS, groups)
}

/// The schema that a target told last.
pub(crate) fn schema(
    store: &dyn SyncStore,
    target: &ConnectorId,
) -> Result<Option<ConnectorSchema>, StoreError> {
    read_fact(store, &schema_fact(target))
}

/// Keeps the schema of a target. Where it is another than before, everything is looked at again: what is pending was
/// brought into the kinds of the old one.
pub(crate) fn keep_schema(
    store: &mut dyn SyncStore,
    target: &ConnectorId,
    schema: &ConnectorSchema,
) -> Result<(), StoreError> {
    let name = schema_fact(target);
    let text = serde_json::to_string(schema)
        .map_err(|error| StoreError::Damaged(format!("the fact `{name}`: {error}")))?;
    if store.fact(&name)?.as_ref() == Some(&text) {
        return Ok(());
    }
    transaction(store, |store| {
        store.put_fact(&name, Some(&text))?;
        keep_open(store, Some(Open::Begun))
    })
}

/// How the job is doing, beyond single objects.
///
/// # Errors
/// [`StoreError`].
pub fn quarantine(store: &dyn SyncStore) -> Result<QuarantineFigures, StoreError> {
    Ok(read_fact(store, QUARANTINE)?.unwrap_or_default())
}

/// Keeps how the job is doing. Called within a transaction.
pub(crate) fn keep_quarantine(
    store: &mut dyn SyncStore,
    figures: &QuarantineFigures,
) -> Result<(), StoreError> {
    write_fact(store, QUARANTINE, figures)
}

/// Begins a run of the history and forgets old ones.
pub(crate) fn begin(
    store: &mut dyn SyncStore,
    profile: &str,
    now: DateTime<Utc>,
    keep: TimeDelta,
) -> Result<(u64, RunRecord), StoreError> {
    let record = RunRecord {
        profile: profile.to_owned(),
        started: now,
        ended: None,
        outcome: "running".to_owned(),
        counts: BTreeMap::new(),
        errors: Vec::new(),
    };
    let number = transaction(store, |store| {
        if let Some(before) = now.checked_sub_signed(keep) {
            store.forget_runs(before)?;
        }
        store.add_run(&record)
    })?;
    Ok((number, record))
}
