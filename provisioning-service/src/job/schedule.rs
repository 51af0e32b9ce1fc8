//! Runs jobs when their time has come: each on a thread of its own, never two cycles of one job at once.
//!
//! Within a process a cycle holds its claim, between processes its lease: what a service that lost its lease writes of a
//! job is refused by the store.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync::cycle::Outcome;
use scim_sync::run::CycleMode;
use scim_sync::stop::Stop;
use tokio::sync::watch;

use super::error::JobError;
use super::folder::{self, JobFolder, Place};
use super::kept::{self, Act, JOB, JobKey, PLAN, Read, SECRETS, STATUS};
use super::record::JobRecord;
use super::run::{self, Shown, Work};
use super::state::{Due, Switch};
use super::status::JobStatus;
use super::{Inner, Jobs};
use crate::audit::Actor;
use crate::logs::{self, Names};
use crate::records::{Batch, Journal, Key, Lease, LogEntry, RecordsError, Write};

/// How often the jobs are looked at where nothing wakes the scheduler: other processes change them too.
const LOOK: Duration = Duration::from_secs(5);
/// How many jobs run at once in one process: each has a thread, a share of the memory and a connection.
const AT_ONCE: usize = 8;
/// How long cycles are waited for when the service ends.
const FAREWELL: Duration = Duration::from_secs(30);
/// Log entries that a cycle may be ahead of the store.
const AHEAD: usize = 1600;
/// Log entries that are written together, and how long the first of them waits for the others: a transaction costs as much for
/// one as for a hundred, and what waits is lost with a process that dies.
const TOGETHER: usize = 100;
const MOMENT: Duration = Duration::from_millis(200);

/// A cycle that runs in this process.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) stop: Stop,
    pub(super) shown: Shown,
    /// Ends with the claim.
    pub(super) done: watch::Receiver<()>,
}

pub(super) type RunningJobs = Mutex<BTreeMap<JobKey, Running>>;

/// The right to work on a job, in this process; given back when it is dropped.
pub(super) struct Claim {
    inner: Arc<Inner>,
    pub(super) key: JobKey,
    pub(super) running: Running,
    /// Whether anything is otherwise now: the scheduler looks again then, and not where another process has the job.
    worked: AtomicBool,
    _done: watch::Sender<()>,
}

impl Claim {
    /// Claims a job, unless a cycle of it runs.
    pub(super) fn take(inner: &Arc<Inner>, key: &JobKey) -> Option<Self> {
        let mut all = inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(key) {
            return None;
        }
        let (sender, done) = watch::channel(());
        let running = Running { stop: Stop::new(), shown: Shown::default(), done };
        all.insert(key.clone(), running.clone());
        let (inner, worked) = (Arc::clone(inner), AtomicBool::new(false));
        Some(Self { inner, key: key.clone(), running, worked, _done: sender })
    }

    /// Something was done: the scheduler looks again when the claim is given back.
    pub(super) fn worked(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        if self.worked.load(Ordering::Relaxed) {
            self.inner.wake.notify_one();
        }
    }
}

impl Jobs {
    /// Runs jobs until `stop` ends; then cycles are stopped and waited for, for half a minute at most.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut forget_at = self.0.clock.now();
        loop {
            let now = self.0.clock.now();
            if now >= forget_at {
                forget_at = now + TimeDelta::hours(1);
                self.0.forget_log(now).await;
                if let Err(error) = self.0.sweep().await {
                    tracing::warn!("what is left of removed jobs stays for now: {error}");
                }
            }
            let wait = match self.look().await {
                Ok(next) => next.min(LOOK),
                Err(error) => {
                    tracing::error!("the jobs cannot be looked at: {error}");
                    LOOK
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.farewell().await;
    }

    async fn farewell(&self) {
        let running: Vec<Running> = {
            let all = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
            all.values().cloned().collect()
        };
        for one in &running {
            one.stop.stop();
        }
        let all = async {
            for mut one in running {
                // An error says that the claim is gone, which is what is waited for.
                while one.done.changed().await.is_ok() {}
            }
        };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!(
                "cycles did not end in time; what they wrote is kept, and the next ones find out"
            );
        }
    }

    /// Has the scheduler look at the jobs now.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Begins the cycles whose time has come, and gives how long nothing will be due.
    async fn look(&self) -> Result<Duration, JobError> {
        let now = self.0.clock.now();
        let mut wait = LOOK;
        let mut waiting = Vec::new();
        for (key, job) in kept::all(&*self.0.records).await? {
            let mut began = None;
            if !job.deleted {
                let status = kept::status(&*self.0.records, &key).await;
                let Some(status) = kept::readable(&key, status)? else { continue };
                match due(&job, &status.value, now) {
                    Due::Now | Due::TooLate => {}
                    Due::At(at) => {
                        wait = wait.min((at - now).to_std().unwrap_or_default());
                        continue;
                    }
                    Due::Never => continue,
                }
                began = status.value.began;
            }
            waiting.push((began, key));
        }
        let running: BTreeSet<JobKey> = {
            let all = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
            all.keys().cloned().collect()
        };
        for key in chosen(waiting, &running) {
            if let Some(claim) = Claim::take(&self.0, &key) {
                tokio::spawn(async move {
                    let key = claim.key.clone();
                    if let Err(error) = claim.inner.clone().drive(&claim).await {
                        tracing::error!(tenant = %key.tenant, job = key.id, "the job was not run: {error}");
                    }
                });
            }
        }
        Ok(wait)
    }
}

/// Of the jobs whose time has come those that begin now: who waits longest, and no more than run at once.
fn chosen(
    mut waiting: Vec<(Option<DateTime<Utc>>, JobKey)>,
    running: &BTreeSet<JobKey>,
) -> Vec<JobKey> {
    waiting.sort();
    let room = AT_ONCE.saturating_sub(running.len());
    let idle = waiting.into_iter().map(|(_, key)| key).filter(|key| !running.contains(key));
    idle.take(room).collect()
}

pub(super) fn due(job: &JobRecord, status: &JobStatus, now: DateTime<Utc>) -> Due {
    let settings = &job.settings;
    let interval = settings.interval.get();
    job.state.due(job.is_configured(), status.found(), interval, &settings.quarantine, now)
}

impl Inner {
    /// Forgets entries of the log that are too old.
    async fn forget_log(&self, now: DateTime<Utc>) {
        let kept = TimeDelta::from_std(self.keep_log).unwrap_or(TimeDelta::MAX);
        let Some(before) = now.checked_sub_signed(kept) else { return };
        match self.records.forget_log(Journal::Provisioning, before).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old entries of the provisioning log were removed"),
            Err(error) => tracing::warn!("old entries of the log were not removed: {error}"),
        }
    }

    /// Removes the working copies of jobs that another replica has removed.
    async fn sweep(self: &Arc<Self>) -> Result<(), JobError> {
        if self.records.states().is_none() {
            return Ok(());
        }
        let root = self.folder.clone();
        let failed = |error: tokio::task::JoinError| JobError::Internal(error.to_string());
        let found = tokio::task::spawn_blocking(move || folder::found(&root)).await;
        for key in found.map_err(failed)? {
            let Some(_claim) = Claim::take(self, &key) else { continue };
            if kept::get::<JobRecord>(&*self.records, key.record(JOB)).await?.is_none() {
                let path = folder::path_of(&self.folder, &key.tenant, &key.id);
                let removed = tokio::task::spawn_blocking(move || JobFolder::hold(&path)?.remove());
                removed.await.map_err(failed)??;
            }
        }
        Ok(())
    }

    /// Where the state of a job is, for whoever has its lease.
    pub(super) fn place(&self, key: &JobKey, lease: &Lease) -> Place {
        Place::new(&self.folder, &*self.records, key, lease)
    }

    /// Takes the lease of a job; `None` while another process has it.
    pub(super) async fn lease(&self, key: &JobKey) -> Result<Option<Lease>, JobError> {
        let now = self.clock.now();
        Ok(self.records.lease(&key.lease(), &self.instance, self.lease_for, now).await?)
    }

    /// Gives the lease back. One that cannot be given back ends by itself.
    pub(super) async fn release(&self, lease: &Lease) {
        if let Err(error) = self.records.release(lease).await {
            tracing::warn!(lease = lease.name, "the lease was not given back: {error}");
        }
    }

    async fn drive(self: Arc<Self>, claim: &Claim) -> Result<(), JobError> {
        let Some(lease) = self.lease(&claim.key).await? else { return Ok(()) };
        let done = self.under_lease(claim, &lease).await;
        self.release(&lease).await;
        match done {
            Err(JobError::Records(RecordsError::Fenced(_))) => {
                tracing::warn!(job = claim.key.id, "another service has taken the job over");
                Ok(())
            }
            done => done,
        }
    }

    async fn under_lease(self: &Arc<Self>, claim: &Claim, lease: &Lease) -> Result<(), JobError> {
        let key = &claim.key;
        let records = &*self.records;
        let Some(job) = kept::get::<JobRecord>(records, key.record(JOB)).await? else {
            return Ok(());
        };
        if job.value.deleted {
            claim.worked();
            return self.purge(key, lease, &job).await;
        }
        let job = job.value;
        let status = kept::status(records, key).await?;
        let now = self.clock.now();
        match due(&job, &status.value, now) {
            Due::Now => {}
            Due::TooLate => return self.disable(key, &status.value).await,
            Due::At(_) | Due::Never => return Ok(()),
        }
        let restart = job.state.restart.as_ref().map(|asked| asked.number);
        let mut begun = status.value.clone();
        begun.began = Some(now);
        begun.tried = restart;
        let prepared = self.systems(key, &job, Some((lease, &claim.running.stop))).await;
        if let Err(error) = &prepared {
            run::could_not_begin(&mut begun, &key.id, now, self.clock.now(), error);
        }
        let write = status.replace(key.record(STATUS), &begun)?;
        self.commit(vec![write], lease).await?;
        claim.worked();
        let mut systems = match prepared {
            Ok(systems) => systems,
            Err(error) => {
                tracing::warn!(job = key.id, "the cycle could not begin: {error}");
                return Ok(());
            }
        };
        (systems.options.reset, systems.options.mode) = job.state.next_cycle();
        let allowed = job.state.restart.as_ref().and_then(|asked| asked.allowed.clone());
        let ended = {
            let keeping = self.keep(claim, lease, &job);
            let running = self.on_a_thread(claim, lease, (systems, allowed), begun);
            tokio::select! {
                () = keeping => return Err(JobError::Internal("the lease is kept for ever".to_owned())),
                ended = running => ended?,
            }
        };
        if let Err(error) = &ended.outcome {
            tracing::error!(job = key.id, "the cycle ended: {error}");
        }
        self.conclude(key, lease, restart, ended).await
    }

    /// Runs a cycle on a thread, with somebody who writes its log.
    async fn on_a_thread(
        &self,
        claim: &Claim,
        lease: &Lease,
        (systems, allowed): (run::Systems, Option<String>),
        status: JobStatus,
    ) -> Result<run::Ended, JobError> {
        let (log, writing) = self.log_writer(&claim.key);
        let work = Work {
            names: self.names(&claim.key, &systems, None),
            place: self.place(&claim.key, lease),
            systems,
            allowed,
            status: status.clone(),
            clock: Arc::clone(&self.clock),
            stop: claim.running.stop.clone(),
            shown: Arc::clone(&claim.running.shown),
            log,
        };
        let ended = on_thread(&claim.key, move || run::cycle(work)).await;
        // The log is on the disk before the status says that the cycle is over.
        let _ = writing.await;
        let mut ended = ended?;
        if let Err(error) = &ended.outcome {
            let (began, now) = (ended.status.began.unwrap_or_default(), self.clock.now());
            run::could_not_begin(&mut ended.status, &claim.key.id, began, now, error);
        }
        Ok(ended)
    }

    /// Somebody who takes entries of the log from a thread and writes them.
    pub(super) fn log_writer(&self, key: &JobKey) -> (run::LogSink, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<LogEntry>(AHEAD);
        let records = Arc::clone(&self.records);
        let (tenant, handle) = (key.tenant.clone(), tokio::runtime::Handle::current());
        let writing = tokio::task::spawn_blocking(move || {
            while let Ok(first) = receiver.recv() {
                let (mut entries, until) = (vec![first], Instant::now() + MOMENT);
                while entries.len() < TOGETHER {
                    let left = until.saturating_duration_since(Instant::now());
                    let Ok(next) = receiver.recv_timeout(left) else { break };
                    entries.push(next);
                }
                let count = entries.len();
                let kept = logs::append(&*records, &tenant, entries);
                if let Err(error) = handle.block_on(kept) {
                    tracing::error!(%tenant, count, "entries of the provisioning log are lost: {error}");
                }
            }
        });
        (sender, writing)
    }

    pub(super) fn names(
        &self,
        key: &JobKey,
        systems: &run::Systems,
        asked_by: Option<&str>,
    ) -> Names {
        Names {
            tenant: key.tenant.to_string(),
            job: key.id.clone(),
            source: systems.mapping.source.to_string(),
            target: systems.mapping.target.to_string(),
            asked_by: asked_by.map(ToOwned::to_owned),
        }
    }

    /// Keeps the lease while a cycle runs, and stops the cycle when the lease is lost or somebody wants it stopped. Never
    /// ends.
    pub(super) async fn keep(&self, claim: &Claim, lease: &Lease, job: &JobRecord) {
        let mut lease = lease.clone();
        loop {
            tokio::time::sleep(self.lease_for / 4).await;
            let now = self.clock.now();
            match self.records.renew(&lease, self.lease_for, now).await {
                Ok(Some(renewed)) => lease = renewed,
                Ok(None) => {
                    tracing::warn!(job = claim.key.id, "the lease is lost, the cycle is stopped");
                    claim.running.stop.stop();
                }
                Err(error) => {
                    tracing::warn!(job = claim.key.id, "the lease was not renewed: {error}");
                    if now >= lease.until {
                        claim.running.stop.stop();
                    }
                }
            }
            // Another process may have been asked to stop this job.
            let found = kept::get::<JobRecord>(&*self.records, claim.key.record(JOB)).await;
            if let Ok(Some(Read { value, .. })) = found {
                let anew = value.state.requests != job.state.requests
                    && value.state.next_cycle().1 == CycleMode::Initial;
                if value.deleted || value.state.switch != Switch::On || anew {
                    claim.running.stop.stop();
                }
            }
        }
    }

    /// Keeps how a cycle ended, and what of the job's restart is over with it.
    async fn conclude(
        &self,
        key: &JobKey,
        lease: &Lease,
        restart: Option<u64>,
        ended: run::Ended,
    ) -> Result<(), JobError> {
        let run::Ended { status: ended, outcome, plan } = ended;
        let outcome = outcome.unwrap_or(Outcome::CouldNotRun);
        let plan = plan.map(|plan| kept::json(&plan)).transpose()?;
        loop {
            let status = kept::status(&*self.records, key).await?;
            let mut writes = vec![status.replace(key.record(STATUS), &ended)?];
            if plan.is_some() || ended.planned.is_none() {
                writes.push(Write { value: plan.clone(), ..gone(key.record(PLAN)) });
            }
            if let Some(job) = kept::get::<JobRecord>(&*self.records, key.record(JOB)).await? {
                let state = job.value.state.after_cycle(restart, outcome);
                if state != job.value.state {
                    let value = JobRecord { state, ..job.value.clone() };
                    writes.push(job.replace(key.record(JOB), &value)?);
                }
            }
            match self.commit(writes, lease).await {
                // An administrator has changed the job meanwhile; what is kept here is not what was changed.
                Err(JobError::Records(RecordsError::Conflict(_))) => {}
                Ok(()) => {
                    tell(key, &ended, outcome);
                    return Ok(());
                }
                done => return done,
            }
        }
    }

    /// Writes what only the holder of the lease may write.
    pub(super) async fn commit(&self, writes: Vec<Write>, lease: &Lease) -> Result<(), JobError> {
        let batch = Batch { writes, fence: Some(lease.fence()), ..Batch::default() };
        Ok(self.records.commit(batch).await?)
    }

    async fn disable(&self, key: &JobKey, status: &JobStatus) -> Result<(), JobError> {
        let rests = || status.quarantine.as_ref().map(|found| found.message.clone());
        let why = status.given_up.clone().or_else(rests).unwrap_or_default();
        tracing::error!(tenant = %key.tenant, job = key.id, "the job failed for too long and is switched off: {why}");
        let details = serde_json::json!({ "why": &why });
        let (by, at) = (&Actor::Service, self.clock.now());
        let act = Act { by, action: "job.disable", details, at };
        kept::change(&*self.records, key, act, |job| {
            job.state = job.state.disabled(&why);
            Ok(((), Vec::new()))
        })
        .await
    }

    /// Removes all that is left of a job.
    async fn purge(
        &self,
        key: &JobKey,
        lease: &Lease,
        job: &Read<JobRecord>,
    ) -> Result<(), JobError> {
        self.forget_schema(key);
        let place = self.place(key, lease);
        let removed = tokio::task::spawn_blocking(move || place.remove());
        removed.await.map_err(|error| JobError::Internal(error.to_string()))??;
        let mut writes = vec![Write::delete(key.record(JOB), job.version)];
        for version in kept::mappings(&*self.records, key).await? {
            writes.push(gone(key.mapping(version.version)));
        }
        writes.push(gone(key.record(SECRETS)));
        writes.push(gone(key.record(STATUS)));
        writes.push(gone(key.record(PLAN)));
        self.commit(writes, lease).await
    }
}

/// Says how a cycle ended, and why where it did not end well.
fn tell(key: &JobKey, ended: &JobStatus, outcome: Outcome) {
    let (tenant, job, words) = (&key.tenant, key.id.as_str(), outcome.words());
    let error = ended.last.as_ref().and_then(|last| last.error.as_ref());
    match (outcome, error) {
        (Outcome::Done | Outcome::Stopped, _) | (_, None) => {
            tracing::info!(%tenant, job, "cycle: {words}");
        }
        (_, Some(error)) => {
            let mut lines = error.message.lines();
            let (first, more) = (lines.next().unwrap_or_default(), lines.count());
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            tracing::warn!(%tenant, job, "cycle: {words}: {first}{more}");
        }
    }
}

fn gone(key: Key) -> Write {
    Write { key, expect: crate::records::Expect::Any, value: None }
}

/// Does something on a thread of its own and waits for it.
pub(super) async fn on_thread<T: Send + 'static>(
    key: &JobKey,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    let (sender, done) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name(format!("job {}", key.id))
        .spawn(move || {
            let _ = sender.send(work());
        })
        .map_err(|error| JobError::Internal(format!("no thread can be made: {error}")))?;
    done.await.map_err(|_| JobError::Internal("the thread of the job died".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::TenantId;

    #[test]
    fn who_waits_longest_begins_and_no_more_than_run_at_once() {
        let key = |number: u32| JobKey::new(&TenantId::default(), &format!("job{number:02}"));
        let at = |minutes: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let waiting = |numbers: &[u32]| -> Vec<_> {
            numbers
                .iter()
                .map(|number| (Some(at(100 - i64::from(*number))), key(*number)))
                .collect()
        };
        let mut all = waiting(&(0..12).collect::<Vec<_>>());
        all.push((None, key(99)));
        let begun = chosen(all.clone(), &BTreeSet::new());
        let expected: Vec<_> = [99, 11, 10, 9, 8, 7, 6, 5].map(key).into();
        assert_eq!(begun, expected);
        let running: BTreeSet<_> = begun.into_iter().take(6).collect();
        assert_eq!(chosen(all, &running), [6, 5].map(key));
    }
}
