//! A service that is killed in the middle of a cycle.

use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::sync::Arc;

use chrono::TimeDelta;
use scim_provisioning_service::job::Command;

use crate::bed::{Bed, Kept, Way, actor, last, status, succeeded, until};

/// Not a test: a service that runs until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs the jobs for another test"]
async fn worker() {
    let folder = PathBuf::from(std::env::var("JOBS_TEST_FOLDER").unwrap());
    let way = Arc::new(Way::to(&std::env::var("JOBS_TEST_DOMAIN").unwrap()));
    let _service = Kept::open(&folder).service(&way);
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_one_goes_on_and_writes_nothing_twice() {
    let bed = Bed::new();
    bed.people(150);
    let jobs = bed.kept.jobs(&bed.way);
    let key = bed.job(&jobs, |settings| settings.target.parallel = Some(1)).await;
    let gate = bed.proxy.gate(60);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    let mut worker = Program::new(std::env::current_exe().unwrap())
        .args(["--quiet", "--ignored", "--exact", "kill::worker"])
        .env("JOBS_TEST_FOLDER", bed.folder.path())
        .env("JOBS_TEST_DOMAIN", bed.ad.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(async || if gate.reached() { Ok(()) } else { Err("no write yet".to_owned()) }).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    gate.open();

    // Its lease holds for a while still.
    let service = bed.service();
    let before = last(&status(&service.jobs, &key).await);
    bed.kept.clock.advance(TimeDelta::minutes(2));
    service.jobs.wake();
    succeeded(&bed.ended(&service.jobs, &key, before).await);
    let held = bed.held();
    assert_eq!((held.len(), held["everybody"].len()), (151, 150));
    // The one that was held went through when nobody waited for its answer any more.
    let mut written: Vec<_> = bed.written().into_iter().map(|it| (it.target, it.body)).collect();
    let all = written.len();
    assert!(all >= 151, "{all}");
    written.sort();
    written.dedup();
    assert_eq!(written.len(), all, "something was written twice");
    let quiet = bed.next(&service.jobs, &key).await;
    succeeded(&quiet);
    assert_eq!(bed.written(), []);
    service.stop().await;
}
