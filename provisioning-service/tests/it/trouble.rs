//! What goes wrong: nothing is taken away by mistake, a job that cannot run rests, and goes on when it is mended.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use scim_provisioning_service::job::wire::{
    QuarantineReason, ScheduleState, StatusCode, TaskState, ValidateCredentials,
};
use scim_provisioning_service::job::{Command, JobError, JobKey, Jobs, Refused};
use scim_provisioning_service::logs;
use scim_provisioning_service::records::LogQuery;
use scim_sync::rules::Release;
use scim_sync::run::Reset;
use testkit::proxy::Pass;

use crate::bed::{Bed, actor, last, pair, status, succeeded, until};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_deletes_stop_until_somebody_allows_them() {
    let bed = Bed::new();
    let all = bed.people(40);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let _ = bed.written();
    for guid in &all[..20] {
        bed.ad.delete(*guid);
    }
    let stopped = bed.next(jobs, &key).await;
    assert_eq!(bed.written(), [], "{:?}", stopped.status);
    assert_eq!(bed.held().len(), 41);
    assert_eq!(stopped.status.code, StatusCode::Quarantine);
    let quarantine = stopped.status.quarantine.unwrap();
    assert_eq!(quarantine.reason, QuarantineReason::TooManyDeletes);
    assert_eq!(stopped.status.last_execution.unwrap().error.unwrap().code, "TooManyDeletes");
    let query =
        LogQuery { action: Some("stageddelete".to_owned()), limit: 100, ..LogQuery::default() };
    let staged = logs::page(&*bed.kept.records, &bed.tenant, &query).await.unwrap().entries;
    assert_eq!(staged.len(), 20);

    // It rests, and is tried again later to no other effect.
    let again = bed.after(jobs, &key, TimeDelta::hours(1)).await;
    assert_eq!((again.status.code, bed.written().len()), (StatusCode::Quarantine, 0));

    let plans = jobs.stopped_plans(&key).await.unwrap();
    let [plan] = plans.as_slice() else { panic!("{plans:?}") };
    assert!(plan.message.contains("allow the plan"), "{}", plan.message);
    assert!(matches!(
        jobs.allow(&key, "0123456789", &actor()).await,
        Err(JobError::Missing { .. })
    ));
    let before = last(&status(jobs, &key).await);
    jobs.allow(&key, &plan.stop.digest[..12], &actor()).await.unwrap();
    let done = bed.ended(jobs, &key, before).await;
    succeeded(&done);
    assert_eq!(done.status.code, StatusCode::Active);
    assert_eq!(bed.held().len(), 21);
    assert_eq!(jobs.stopped_plans(&key).await.unwrap(), []);

    // It was for once.
    for guid in &all[20..38] {
        bed.ad.delete(*guid);
    }
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    assert_eq!(bed.held().len(), 21);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_threshold_of_the_notifications_counts_and_a_restart_without_force_allows_nothing() {
    let bed = Bed::new();
    let all = bed.people(40);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let settings = r#"{"Enabled":true,"DeleteThresholdEnabled":true,"DeleteThresholdValue":3}"#;
    jobs.save_secrets(&key, &[pair("SyncNotificationSettings", settings)], &actor()).await.unwrap();
    bed.ad.delete(all[0]);
    bed.ad.delete(all[1]);
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Active);
    assert_eq!(bed.held().len(), 39);
    for guid in &all[2..5] {
        bed.ad.delete(*guid);
    }
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Restart(Reset::usual()), &actor()).await.unwrap();
    let still = bed.ended(jobs, &key, before).await;
    assert_eq!((still.status.code, bed.held().len()), (StatusCode::Quarantine, 39));
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Restart(BTreeSet::from([Reset::ForceDeletes])), &actor())
        .await
        .unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    assert_eq!(bed.held().len(), 36);
    service.stop().await;
}

/// Lets the plan through that the guard stopped, and waits for the cycle.
async fn allow(bed: &Bed, jobs: &Jobs, key: &JobKey) {
    let plans = jobs.stopped_plans(key).await.unwrap();
    let [plan] = plans.as_slice() else { panic!("{plans:?}") };
    let before = last(&status(jobs, key).await);
    jobs.allow(key, &plan.stop.digest, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, key, before).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_first_is_removed_after_its_days_and_not_past_the_guard() {
    let bed = Bed::new();
    let all = bed.people(40);
    let service = bed.service();
    let key = bed
        .job(&service.jobs, |settings| {
            settings.deprovision.on_delete = Release::DisableThenDelete;
            settings.deprovision.delete_after_days = 14;
        })
        .await;
    service.jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(&service.jobs, &key, None).await);
    for guid in &all[..10] {
        bed.ad.delete(*guid);
    }
    assert_eq!(bed.next(&service.jobs, &key).await.status.code, StatusCode::Quarantine);
    allow(&bed, &service.jobs, &key).await;
    let off = || bed.held().keys().filter(|name| name.ends_with("(off)")).count();
    assert_eq!((bed.held().len(), off()), (41, 10));
    let query = LogQuery { action: Some("disable".to_owned()), limit: 100, ..LogQuery::default() };
    let disabled = logs::page(&*bed.kept.records, &bed.tenant, &query).await.unwrap().entries;
    assert_eq!(disabled.len(), 10);
    assert!(disabled[0].to_string().contains("when it was off for 14 days"), "{}", disabled[0]);
    service.stop().await;

    // Another service knows the days as well.
    let service = bed.service();
    let jobs = &service.jobs;
    succeeded(&bed.after(jobs, &key, TimeDelta::days(13)).await);
    assert_eq!(off(), 10);
    let _ = bed.written();
    let stopped = bed.after(jobs, &key, TimeDelta::hours(25)).await;
    assert_eq!(stopped.status.quarantine.unwrap().reason, QuarantineReason::TooManyDeletes);
    assert_eq!(bed.written(), []);
    allow(&bed, jobs, &key).await;
    assert_eq!((bed.held().len(), off()), (31, 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_failed_for_too_long_switches_the_job_off_until_somebody_starts_it() {
    let bed = Bed::new();
    bed.people(5);
    bed.proxy.decide(|seen| {
        let refused = seen.method == "POST" && seen.body.contains("u003@");
        if refused { Pass::Answer(400, None) } else { Pass::Through }
    });
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.job(jobs, |settings| settings.retry.days = 2).await;
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    bed.ended(jobs, &key, None).await;
    for hours in [6, 6, 12] {
        let job = bed.after(jobs, &key, TimeDelta::hours(hours)).await;
        assert_eq!(job.status.last_execution.unwrap().state, TaskState::EntryLevelErrors);
        assert_eq!(job.schedule.state, ScheduleState::Active);
    }
    bed.after(jobs, &key, TimeDelta::hours(24)).await;
    let off = until(async || {
        let glance = jobs.glance(&key).await.unwrap();
        if glance.switched_off.is_some() { Ok(glance) } else { Err(format!("{glance:?}")) }
    })
    .await;
    let why = off.switched_off.unwrap();
    assert!(why.contains("failed at every try since"), "{why}");
    assert_eq!(off.job.schedule.state, ScheduleState::Disabled);
    assert_eq!((off.job.status.code, bed.held().len()), (StatusCode::Quarantine, 5));

    bed.proxy.decide(|_| Pass::Through);
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    let mended = bed.ended(jobs, &key, before).await;
    assert_eq!(mended.schedule.state, ScheduleState::Active);
    assert_eq!(mended.status.last_execution.as_ref().unwrap().count_escrowed, 0);
    assert!(bed.held().contains_key("u003@fake.example"));
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Active);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_is_the_plan_that_was_seen_and_no_later_one() {
    let bed = Bed::new();
    let all = bed.people(40);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let leave = |range: std::ops::Range<usize>| {
        for guid in &all[range] {
            bed.ad.delete(*guid);
        }
    };
    leave(0..8);
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    let seen = jobs.stopped_plans(&key).await.unwrap().remove(0).stop;

    // Somebody allows it while a cycle finds that far more is gone.
    leave(8..30);
    let found = bed.after(jobs, &key, TimeDelta::hours(1)).await;
    assert_eq!(found.status.code, StatusCode::Quarantine);
    let stopped = jobs.stopped_plans(&key).await.unwrap().remove(0).stop;
    assert_ne!(stopped.digest, seen.digest);
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Allow(seen.digest.clone()), &actor()).await.unwrap();
    let still = bed.ended(jobs, &key, before).await;
    assert_eq!((still.status.code, bed.held().len()), (StatusCode::Quarantine, 41));
    let refused = jobs.allow(&key, &seen.digest, &actor()).await.unwrap_err();
    assert!(matches!(refused, JobError::Missing { .. }), "{refused}");

    let before = last(&status(jobs, &key).await);
    jobs.allow(&key, &stopped.digest[..8], &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    assert_eq!(bed.held().len(), 11);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_quarantine_until_it_is_mended() {
    let bed = Bed::new();
    let all = bed.people(5);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;

    let saved =
        ValidateCredentials { use_saved_credentials: true, ..ValidateCredentials::default() };
    jobs.validate(&key, &saved).await.unwrap();
    let wrong = ValidateCredentials {
        use_saved_credentials: false,
        credentials: bed.secrets("a-wrong-token").to_vec(),
    };
    let error = jobs.validate(&key, &wrong).await.unwrap_err();
    assert!(matches!(error, JobError::Credentials(_)), "{error}");
    assert!(!error.to_string().contains("a-wrong-token"));

    jobs.save_secrets(&key, &bed.secrets("a-wrong-token"), &actor()).await.unwrap();
    bed.ad.set(all[0], "cn", Some("Ada"));
    let resting = bed.next(jobs, &key).await;
    assert_eq!(resting.status.code, StatusCode::Quarantine, "{:?}", resting.status);
    let quarantine = resting.status.quarantine.unwrap();
    assert_eq!(quarantine.reason, QuarantineReason::EncounteredQuarantineException);
    assert_eq!(resting.status.last_execution.unwrap().state, TaskState::Failed);
    assert_eq!(resting.status.count_successive_complete_failures, 1);

    // Less and less often: after one hour, two, four.
    for hours in [1, 2, 4] {
        let before = last(&status(jobs, &key).await);
        bed.kept.clock.advance(TimeDelta::minutes(hours * 60 - 1));
        jobs.wake();
        tokio::task::yield_now().await;
        assert_eq!(last(&status(jobs, &key).await), before);
        bed.after(jobs, &key, TimeDelta::minutes(1)).await;
    }
    let resting = status(jobs, &key).await;
    assert_eq!(resting.count_successive_complete_failures, 4);
    let quarantine = resting.quarantine.unwrap();
    assert!(quarantine.current_began - quarantine.series_began >= TimeDelta::hours(7));

    // Mended, and started: at once.
    jobs.save_secrets(&key, &bed.secrets(testkit::server::TOKEN), &actor()).await.unwrap();
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    let mended = bed.ended(jobs, &key, before).await;
    succeeded(&mended);
    assert_eq!(mended.status.code, StatusCode::Active);
    assert_eq!(
        (mended.status.quarantine, mended.status.count_successive_complete_failures),
        (None, 0)
    );
    let found =
        bed.server.client().list("/Users", &[("filter", "displayName eq \"Ada\"")]).expect(200);
    assert_eq!(found["totalResults"], 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_rests_for_four_weeks_is_switched_off() {
    let bed = Bed::new();
    bed.people(2);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    jobs.save_secrets(&key, &bed.secrets("a-wrong-token"), &actor()).await.unwrap();
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    bed.kept.clock.advance(TimeDelta::days(29));
    jobs.wake();
    let off = until(async || {
        let job = jobs.get(&key).await.unwrap();
        if job.schedule.state == ScheduleState::Disabled {
            Ok(job)
        } else {
            Err(format!("{job:?}"))
        }
    })
    .await;
    assert_eq!(off.status.code, StatusCode::Quarantine);
    jobs.save_secrets(&key, &bed.secrets(testkit::server::TOKEN), &actor()).await.unwrap();
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    bed.kept.clock.advance(TimeDelta::days(2));
    jobs.wake();
    let all = LogQuery { limit: 100, ..LogQuery::default() };
    until(async || {
        let left = logs::page(&*bed.kept.records, &bed.tenant, &all).await.unwrap().entries;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("the log has entries of a month ago: {left:?}"))
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_is_a_failure_that_mends_itself() {
    let bed = Bed::new();
    let all = bed.people(5);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let _ = bed.written();
    bed.way.cut(true);
    bed.ad.delete(all[0]);
    let lost = bed.next(jobs, &key).await;
    let execution = lost.status.last_execution.unwrap();
    assert_eq!(execution.state, TaskState::Failed);
    let message = execution.error.unwrap().message;
    assert!(message.contains("no agent of the group corp is connected"), "{message}");
    assert_eq!((lost.status.code, bed.written().len()), (StatusCode::Active, 0));
    bed.way.cut(false);
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!(bed.held().len(), 5);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_ready_is_told() {
    let bed = Bed::new();
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.job(jobs, |_| {}).await;
    jobs.save_secrets(&key, &[pair("SecretToken", "")], &actor()).await.unwrap();
    let error = jobs.command(&key, &Command::Start, &actor()).await.unwrap_err();
    assert!(matches!(error, JobError::Refused(Refused::NotConfigured)), "{error}");
    // A job of another tenant is none.
    let other = scim_provisioning_service::tenant::TenantId::new("other").unwrap();
    let foreign = JobKey::new(&other, &key.id);
    assert!(matches!(jobs.get(&foreign).await, Err(JobError::Missing { .. })));
    assert!(matches!(
        jobs.command(&foreign, &Command::Pause, &actor()).await,
        Err(JobError::Missing { .. })
    ));
    let secrets = bed.secrets("x");
    assert!(matches!(
        jobs.save_secrets(&foreign, &secrets, &actor()).await,
        Err(JobError::Missing { .. })
    ));
    service.stop().await;
}
