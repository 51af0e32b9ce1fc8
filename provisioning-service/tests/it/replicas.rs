//! Several services that share their jobs in a PostgreSQL database.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rustix::process::{Pid, Signal, kill_process};
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::job::wire::SynchronizationJob;
use scim_provisioning_service::job::{Command, JobKey};
use scim_provisioning_service::tenant::TenantId;
use tempfile::TempDir;
use testkit::{Gate, Postgres};

use crate::bed::{Bed, Kept, Service, Way, actor, last, status, succeeded, until};

const PEOPLE: usize = 120;

/// Not a test: a replica that runs until it is killed, and says in a file whether a cycle runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs the jobs for another test"]
async fn worker() {
    let told = |name: &str| std::env::var(name).unwrap();
    let folder = PathBuf::from(told("REPLICA_TEST_FOLDER"));
    let way = Arc::new(Way::to(&told("REPLICA_TEST_DOMAIN")));
    let kept = Kept::replica(&folder, &told("REPLICA_TEST_DATABASE"), None).await;
    let service = kept.service(&way);
    let key = JobKey::new(&TenantId::default(), &told("REPLICA_TEST_JOB"));
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        pause.tick().await;
        if let Ok(job) = service.jobs.get(&key).await {
            let says = if job.status.progress.is_empty() { "idle" } else { "busy" };
            std::fs::write(folder.join("says"), says).unwrap();
        }
    }
}

/// A domain, a target, a database, and a replica of its own process that is in the middle of its first cycle.
struct Two {
    bed: Bed,
    _server: Postgres,
    kept: Kept,
    _here: TempDir,
    there: TempDir,
    key: JobKey,
    gate: Arc<Gate>,
    worker: Child,
}

/// A folder of a replica, with the key that all have.
fn folder_beside(bed: &Bed) -> TempDir {
    let folder = TempDir::with_prefix("replica-").unwrap();
    std::fs::copy(bed.folder.path().join("seal.key"), folder.path().join("seal.key")).unwrap();
    folder
}

impl Two {
    async fn start() -> Self {
        let (bed, server) = (Bed::new(), Postgres::start());
        let address = server.database();
        bed.people(PEOPLE);
        let (here, there) = (folder_beside(&bed), folder_beside(&bed));
        let kept = Kept::replica(here.path(), &address, None).await;
        let jobs = kept.jobs(&bed.way);
        let key = bed.job(&jobs, |settings| settings.target.parallel = Some(1)).await;
        let gate = bed.proxy.gate(PEOPLE / 2);
        jobs.command(&key, &Command::Start, &actor()).await.unwrap();
        let worker = start_worker(&bed, there.path(), &address, &key);
        until(async || if gate.reached() { Ok(()) } else { Err("no write yet".to_owned()) }).await;
        Self { bed, _server: server, kept, _here: here, there, key, gate, worker }
    }

    fn says(&self) -> String {
        std::fs::read_to_string(self.there.path().join("says")).unwrap_or_default()
    }

    /// Waits until the other one says so.
    async fn until(&self, says: &str) {
        until(async || if self.says() == says { Ok(()) } else { Err(self.says()) }).await;
    }

    /// Lets time pass and waits for the end of the next cycle.
    async fn next(&self, service: &Service) -> SynchronizationJob {
        let before = last(&status(&service.jobs, &self.key).await);
        self.kept.clock.advance(TimeDelta::minutes(2));
        service.jobs.wake();
        let job = self.bed.ended(&service.jobs, &self.key, before).await;
        succeeded(&job);
        job
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        // Also where it is suspended, and the test has failed.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

fn start_worker(bed: &Bed, folder: &Path, address: &str, key: &JobKey) -> Child {
    Program::new(std::env::current_exe().unwrap())
        .args(["--quiet", "--ignored", "--exact", "replicas::worker"])
        .env("REPLICA_TEST_FOLDER", folder)
        .env("REPLICA_TEST_DOMAIN", bed.ad.url())
        .env("REPLICA_TEST_DATABASE", address)
        .env("REPLICA_TEST_JOB", &key.id)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_one_goes_on_from_the_watermark_where_one_was_killed() {
    let mut two = Two::start().await;
    two.worker.kill().unwrap();
    two.worker.wait().unwrap();
    two.gate.open();

    // Its lease holds for a while still.
    let (ttl, now) = (Duration::from_secs(60), two.kept.clock.now());
    let taken = two.kept.records.lease(&two.key.lease(), "somebody", ttl, now).await;
    assert_eq!(taken.unwrap(), None);
    let service = two.kept.service(&two.bed.way);
    // Who asks this one is told so, though nothing runs here.
    until(async || {
        let glance = service.jobs.glance(&two.key).await.unwrap();
        let progress = &glance.job.status.progress;
        let told = progress.iter().any(|one| one.units.contains("another replica"));
        if glance.running && told { Ok(()) } else { Err(format!("{glance:?}")) }
    })
    .await;
    let job = two.next(&service).await;
    // The other one had read everything: what is read now is what has changed since.
    let read = job.status.last_execution.as_ref().unwrap();
    assert_eq!(read.count_imported_deltas, 0, "{read:?}");
    let held = two.bed.held();
    assert_eq!((held.len(), held["everybody"].len()), (PEOPLE + 1, PEOPLE));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_suspended_and_wakes_up_cannot_write() {
    let mut two = Two::start().await;
    let pid = Pid::from_raw(i32::try_from(two.worker.id()).unwrap()).unwrap();
    two.until("busy").await;
    kill_process(pid, Signal::STOP).unwrap();
    two.gate.open();
    let service = two.kept.service(&two.bed.way);
    let job = two.next(&service).await;
    let held = two.bed.held();
    assert_eq!((held.len(), held["everybody"].len()), (PEOPLE + 1, PEOPLE));

    // It still believes that the lease is its own: by its clock no time has passed.
    let _ = two.bed.written();
    kill_process(pid, Signal::CONT).unwrap();
    two.until("idle").await;
    two.worker.kill().unwrap();
    two.worker.wait().unwrap();
    // It asks before every few writes: of the batch that it had begun, the next one may still be sent. It cannot keep what came
    // of it, nor begin another one.
    let sent = two.bed.written();
    assert!(sent.len() <= 1, "{} writes were sent: {sent:?}", sent.len());
    assert_eq!(last(&status(&service.jobs, &two.key).await), last(&job.status));
    assert_eq!(two.bed.held(), held);
    let quiet = two.next(&service).await;
    let read = quiet.status.last_execution.as_ref().unwrap();
    assert_eq!((read.count_imported_deltas, read.count_exports), (0, 0), "{read:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_service_that_had_no_database_stays_where_it_is() {
    let (bed, server) = (Bed::new(), Postgres::start());
    bed.people(5);
    let alone = bed.service();
    let key = bed.running(&alone.jobs).await;
    alone.stop().await;
    let state = bed.jobs_folder().join(key.tenant.as_str()).join(&key.id).join("job.db");
    let before = std::fs::read(&state).unwrap();

    // The same folder with a database that knows none of its jobs, for a whole cycle of another job.
    let shared = Kept::replica(bed.folder.path(), &server.database(), None).await;
    let service = shared.service(&bed.way);
    bed.running(&service.jobs).await;
    service.stop().await;
    assert_eq!(std::fs::read(&state).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_share_a_job_and_never_run_it_at_once() {
    let (bed, server) = (Bed::new(), Postgres::start());
    let address = server.database();
    bed.people(10);
    let folders = (folder_beside(&bed), folder_beside(&bed));
    let one = Kept::replica(folders.0.path(), &address, None).await;
    let other = Kept::replica(folders.1.path(), &address, Some(&one)).await;
    let services = (one.service(&bed.way), other.service(&bed.way));
    let key = bed.running(&services.0.jobs).await;
    let mut numbers = Vec::new();
    for cycle in 0..8 {
        bed.person(100 + cycle);
        let before = last(&status(&services.0.jobs, &key).await);
        one.clock.advance(TimeDelta::minutes(2));
        // Both see that its time has come.
        services.0.jobs.wake();
        services.1.jobs.wake();
        let job = bed.ended(&services.1.jobs, &key, before).await;
        succeeded(&job);
        let id = last(&job.status).unwrap();
        numbers.push(id.rsplit('.').next().unwrap().parse::<u64>().unwrap());
    }
    let expected: Vec<u64> = (numbers[0]..numbers[0] + 8).collect();
    assert_eq!(numbers, expected);
    assert_eq!(bed.way.at_once(), 1);
    assert_eq!(bed.held().len(), 10 + 1 + 8);

    // Removed by one, it leaves nothing of itself.
    services.0.jobs.delete(&key, &actor()).await.unwrap();
    let name = address.rsplit('/').next().unwrap();
    assert_eq!(server.sql(name, "SELECT count(*) FROM sync_row"), "0");
    services.0.stop().await;
    services.1.stop().await;
}
