//! Cycles, one after the other: first, after changes, stopped, killed and gone on with.

use chrono::TimeDelta;
use scim_provisioning_service::job::wire::{ScheduleState, StatusCode, TaskState};
use scim_provisioning_service::job::{Command, JobError, Mode, Pilot};
use scim_provisioning_service::logs;
use scim_provisioning_service::records::{Expect, Journal, Key, LogQuery, Write};
use scim_sync::rules::Release;
use testkit::fake_ad::BASE;

use crate::bed::{Bed, actor, last, named, now, pair, status, succeeded, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_cycle_changes_and_a_quiet_one() {
    let bed = Bed::new();
    let all = bed.people(20);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let held = bed.held();
    assert_eq!(held.len(), 21, "{held:?}");
    assert_eq!(held["everybody"].len(), 20);
    let first = jobs.get(&key).await.unwrap();
    succeeded(&first);
    let execution = first.status.last_execution.clone().unwrap();
    assert_eq!((execution.count_imported, execution.count_escrowed), (21, 0));
    assert!(execution.count_exported >= 21, "{execution:?}");
    assert_eq!(execution.count_imported_reference_deltas, Some(1));
    let counts = &first.status.synchronized_entry_count_by_type;
    let count = |name: &str| counts.iter().find(|pair| pair.key == name).map(|pair| pair.value);
    assert_eq!((count("User"), count("Group")), (Some(20), Some(1)));
    assert_eq!(first.schedule.state, ScheduleState::Active);
    assert_eq!(first.schedule.interval.to_string(), "PT2M");

    // A cycle with nothing to do writes nothing, and the job has come to rest.
    let _ = bed.written();
    let quiet = bed.next(jobs, &key).await;
    succeeded(&quiet);
    assert_eq!(bed.written(), []);
    assert_eq!(quiet.status.steady_state_first_achieved_time, Some(now(&bed)));

    // Somebody comes, somebody goes, somebody is renamed, somebody is switched off, somebody leaves the group.
    bed.person(20);
    bed.ad.delete(all[0]);
    bed.ad.set(all[1], "sAMAccountName", Some("renamed"));
    bed.ad.set(all[2], "userAccountControl", Some("514"));
    bed.ad.link(all[20], "member", &[all[3]], false);
    succeeded(&bed.next(jobs, &key).await);
    let held = bed.held();
    assert!(held.contains_key("u020@fake.example") && !held.contains_key("u000@fake.example"));
    assert!(
        held.contains_key("renamed@fake.example") && held.contains_key("u002@fake.example (off)")
    );
    assert_eq!(held["everybody"].len(), 18, "{held:?}");

    // The log has all of it, in the words of the API.
    let query = LogQuery {
        job: Some(key.id.clone()),
        action: Some("delete".to_owned()),
        limit: 10,
        ..LogQuery::default()
    };
    let page = logs::page(&*bed.kept.records, &bed.tenant, &query).await.unwrap();
    let [gone] = page.entries.as_slice() else { panic!("{:?}", page.entries) };
    assert_eq!(gone["provisioningStatusInfo"]["status"], "success");
    assert_eq!(gone["provisioningSteps"][0]["name"], "EntryExportDelete");
    let found =
        LogQuery { object: Some("U002@FAKE".to_owned()), limit: 100, ..LogQuery::default() };
    let found = logs::page(&*bed.kept.records, &bed.tenant, &found).await.unwrap().entries;
    let changed = found.iter().flat_map(|entry| entry["modifiedProperties"].as_array().unwrap());
    let off =
        changed.into_iter().find(|it| it["displayName"] == "active" && it["newValue"] == "False");
    assert_eq!(off.map(|it| &it["oldValue"]), Some(&serde_json::json!("True")), "{found:?}");
    let everything = LogQuery { job: Some(key.id.clone()), ..LogQuery::default() };
    let (lines, next) = logs::lines(&*bed.kept.records, &bed.tenant, &everything).await.unwrap();
    assert_eq!(next, None);
    assert!(lines.lines().count() >= 25 && lines.lines().all(|line| line.starts_with('{')));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_status_cannot_be_read_stops_no_other() {
    let bed = Bed::new();
    bed.people(1);
    let service = bed.service();
    let jobs = &service.jobs;
    let mut keys = [bed.job(jobs, |_| {}).await, bed.job(jobs, |_| {}).await];
    // The one that is looked at first.
    keys.sort();
    let [damaged, good] = keys;
    let key = Key::new(&bed.tenant, "job-status", damaged.id.as_str());
    let value = Some(serde_json::json!(5));
    bed.kept.records.write(vec![Write { key, expect: Expect::Any, value }]).await.unwrap();
    jobs.command(&good, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &good, None).await);
    let standing = jobs.standing().await.unwrap();
    let seen: Vec<_> = standing.iter().map(|one| (&one.key, one.status.is_some())).collect();
    assert_eq!(seen, [(&damaged, false), (&good, true)]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_the_middle_ends_at_once_and_loses_nothing() {
    let bed = Bed::new();
    bed.people(130);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.job(jobs, |settings| settings.target.parallel = Some(1)).await;

    // While it reads: the answer never comes, and the cycle ends all the same.
    bed.way.hold(true);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    until(
        async || if bed.way.requests() > 0 { Ok(()) } else { Err("nothing was asked".to_owned()) },
    )
    .await;
    jobs.command(&key, &Command::Pause, &actor()).await.unwrap();
    bed.way.hold(false);
    let paused = until(async || {
        let job = jobs.get(&key).await.unwrap();
        match &job.status.last_execution {
            Some(_) => Ok(job),
            None => Err("it runs".to_owned()),
        }
    })
    .await;
    assert_eq!(
        (paused.status.code, paused.schedule.state),
        (StatusCode::Paused, ScheduleState::Paused)
    );
    assert_eq!(bed.held().len(), 0);

    // While it writes.
    let gate = bed.proxy.gate(20);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    until(
        async || {
            if gate.reached() { Ok(()) } else { Err(format!("{:?}", status(jobs, &key).await)) }
        },
    )
    .await;
    let running = status(jobs, &key).await;
    assert_eq!(
        running.progress.first().map(|it| it.units.as_str()),
        Some("objects written"),
        "{running:?}"
    );
    let before = last(&running);
    jobs.command(&key, &Command::Pause, &actor()).await.unwrap();
    gate.open();
    let stopped = bed.ended(jobs, &key, before).await;
    assert_eq!(stopped.status.last_execution.unwrap().state, TaskState::Failed);
    let held = bed.held().len();
    assert!((20..131).contains(&held), "{held}");
    // A paused job stays so.
    bed.kept.clock.advance(TimeDelta::hours(5));
    jobs.wake();
    assert_eq!(status(jobs, &key).await.code, StatusCode::Paused);

    // And goes on: nobody is made twice.
    let _ = bed.written();
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    let done = bed.ended(jobs, &key, before).await;
    succeeded(&done);
    let posts = bed.written().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 131 - held);
    assert_eq!(bed.held().len(), 131);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_in_the_middle_goes_on_where_it_was() {
    let bed = Bed::new();
    let all = bed.people(150);
    let service = bed.service();
    let key = bed.job(&service.jobs, |settings| settings.target.parallel = Some(1)).await;
    let gate = bed.proxy.gate(30);
    service.jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    until(async || if gate.reached() { Ok(()) } else { Err("no write yet".to_owned()) }).await;
    gate.open();
    service.stop().await;
    let held = bed.held().len();
    assert!(held < 151, "{held}");

    let again = bed.service();
    let before = last(&status(&again.jobs, &key).await);
    let _ = bed.written();
    bed.kept.clock.advance(TimeDelta::minutes(2));
    again.jobs.wake();
    succeeded(&bed.ended(&again.jobs, &key, before).await);
    assert_eq!(bed.held().len(), 151);
    let posts = bed.written().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 151 - held);
    // From the watermark on: what changed while it was down, and no more.
    again.stop().await;
    bed.ad.set(all[7], "cn", Some("Somebody Else"));
    let third = bed.service();
    let changed = bed.next(&third.jobs, &key).await;
    succeeded(&changed);
    let execution = changed.status.last_execution.unwrap();
    assert_eq!((execution.count_imported, execution.count_exported), (1, 1), "{execution:?}");
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_reads_everything_and_keeps_the_links() {
    let bed = Bed::new();
    bed.people(10);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let _ = bed.written();
    let before = last(&status(jobs, &key).await);
    let resets = scim_sync::run::Reset::list("").unwrap();
    jobs.command(&key, &Command::Restart(resets), &actor()).await.unwrap();
    let again = bed.ended(jobs, &key, before).await;
    succeeded(&again);
    assert_eq!(again.status.last_execution.unwrap().count_imported, 11 + 11);
    assert_eq!(bed.written(), []);
    // Once: the next cycle reads changes again.
    let next = bed.next(jobs, &key).await;
    assert!(next.status.last_execution.unwrap().count_imported < 11);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_changed_compared_and_taken_back() {
    let bed = Bed::new();
    bed.people(3);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;
    let mut schema = jobs.schema(&key).await.unwrap();
    let users = &mut schema.synchronization_rules[0].object_mappings[0].attribute_mappings;
    let title = users.iter_mut().find(|it| it.target_attribute_name == "title").unwrap();
    let source = title.source.as_mut().unwrap();
    source.expression = Some("\"Colleague\"".to_owned());
    let saved = jobs.save_schema(&key, &schema, &actor()).await.unwrap();
    assert_eq!((saved.version, saved.by.as_str()), (2, "token t1 (ada)"));
    succeeded(&bed.next(jobs, &key).await);
    let titles = || {
        let found = bed.server.client().list("/Users", &[]).expect(200);
        let all = found["Resources"].as_array().cloned().unwrap();
        all.iter().map(|user| user["title"].as_str().map(ToOwned::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(titles(), vec![Some("Colleague".to_owned()); 3]);
    let differences = jobs.compare(&key, 1, 2).await.unwrap();
    assert!(differences.iter().all(|it| it.path.contains("[title].source")), "{differences:?}");
    assert!(!differences.is_empty());

    let back = jobs.roll_back(&key, 1, &actor()).await.unwrap();
    assert_eq!((back.version, back.copy_of), (3, Some(1)));
    assert_eq!(jobs.compare(&key, 1, 3).await.unwrap(), []);
    assert_eq!(jobs.versions(&key).await.unwrap().len(), 3);
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!(titles(), [None, None, None]);

    let wrong = serde_json::to_string(&schema).unwrap().replace("\\\"Colleague\\\"", "Nope(");
    let wrong = scim_sync::rules::graph::JobSchema::from_json(&wrong).unwrap();
    let error = jobs.save_schema(&key, &wrong, &actor()).await.unwrap_err();
    assert!(matches!(error, JobError::Mapping(_)), "{error}");
    assert_eq!(jobs.versions(&key).await.unwrap().len(), 3);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_treated_as_the_job_says() {
    let bed = Bed::new();
    let all = bed.people(20);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.running(jobs).await;

    // Out of the scope: switched off, and on again with the groups when it comes back.
    let aside = format!("OU=Aside,{BASE}");
    bed.ad.add("organizationalUnit", &aside, &[("ou", "Aside")]);
    let mut settings = jobs.get(&key).await.unwrap().hybrid;
    settings.source.scope.exclude = vec![aside.clone()];
    jobs.configure(&key, &named(&settings), &actor()).await.unwrap();
    bed.next(jobs, &key).await;
    bed.ad.rename(all[0], &format!("CN=User 0,{aside}"));
    bed.next(jobs, &key).await;
    let held = bed.held();
    assert!(held.contains_key("u000@fake.example (off)"), "{held:?}");
    bed.ad.rename(all[0], &format!("CN=User 0,{BASE}"));
    bed.next(jobs, &key).await;
    bed.next(jobs, &key).await;
    let held = bed.held();
    assert!(held["everybody"].contains(&"u000@fake.example".to_owned()), "{held:?}");

    // With the flag of the API, whoever leaves the scope stays; whoever is deleted is switched off, as the settings say.
    jobs.save_secrets(&key, &[pair("SkipOutOfScopeDeletions", "True")], &actor()).await.unwrap();
    settings.deprovision.on_delete = Release::Disable;
    jobs.configure(&key, &named(&settings), &actor()).await.unwrap();
    bed.next(jobs, &key).await;
    bed.ad.rename(all[1], &format!("CN=User 1,{aside}"));
    bed.ad.delete(all[2]);
    bed.next(jobs, &key).await;
    let held = bed.held();
    assert!(held.contains_key("u001@fake.example"), "{held:?}");
    assert!(held.contains_key("u002@fake.example (off)"), "{held:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_job_writes_nothing_and_a_deleted_one_leaves_nothing() {
    let bed = Bed::new();
    bed.people(5);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = bed.job(jobs, |settings| settings.mode = Mode::Staging).await;
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    let staged = bed.ended(jobs, &key, None).await;
    succeeded(&staged);
    assert_eq!(bed.held().len(), 0);

    // What would be written is there to be looked at, and told in the log once.
    let plan = jobs.plan(&key).await.unwrap();
    assert_eq!(plan.counts["create"], 6, "{plan:?}");
    let lines = plan.lines.len();
    assert!(lines >= 6, "{plan:?}");
    let skipped =
        LogQuery { status: Some("skipped".to_owned()), limit: 100, ..LogQuery::default() };
    let entries =
        async || logs::page(&*bed.kept.records, &bed.tenant, &skipped).await.unwrap().entries.len();
    assert_eq!(entries().await, lines);
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!((entries().await, bed.held().len()), (lines, 0));

    // Neither its settings nor a look at another plan let it write.
    let mut settings = staged.hybrid;
    settings.mode = Mode::Active;
    let error = jobs.configure(&key, &named(&settings), &actor()).await.unwrap_err();
    assert!(error.to_string().contains("goLive"), "{error}");
    let error = jobs.go_live(&key, Some("0123456789"), &actor()).await.unwrap_err();
    assert!(error.to_string().contains("look at it again"), "{error}");
    let shown = jobs.get(&key).await.unwrap().synchronization_job_settings;
    assert!(shown.iter().any(|pair| pair.name == "Mode" && pair.value == "staging"), "{shown:?}");
    jobs.go_live(&key, Some(&plan.digest[..12]), &actor()).await.unwrap();
    assert!(jobs.go_live(&key, None, &actor()).await.is_err(), "it is live");
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!(bed.held().len(), 6);
    assert!(matches!(jobs.plan(&key).await, Err(JobError::Missing { .. })));
    let acts = LogQuery { action: Some("job.goLive".to_owned()), limit: 9, ..LogQuery::default() };
    let acts = bed.kept.records.log(&bed.tenant, Journal::Audit, &acts).await.unwrap();
    assert_eq!(acts[0].entry.body["digest"], plan.digest);

    let state = bed.jobs_folder().join(bed.tenant.as_str()).join(&key.id);
    assert!(state.exists());
    jobs.delete(&key, &actor()).await.unwrap();
    assert!(!state.exists());
    assert!(matches!(jobs.get(&key).await, Err(JobError::Missing { .. })));
    assert!(jobs.list(&bed.tenant).await.unwrap().is_empty());
    assert_eq!(bed.held().len(), 6, "what was written stays");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_is_for_some_and_to_leave_it_passes_the_guard() {
    let bed = Bed::new();
    let all = bed.people(30);
    let service = bed.service();
    let jobs = &service.jobs;
    let some = |numbers: std::ops::Range<usize>| Pilot {
        objects: numbers.map(|number| format!("CN=User {number},{BASE}")).collect(),
        ..Pilot::default()
    };
    let key = bed.job(jobs, |settings| settings.pilot = Some(some(0..20))).await;
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, None).await);
    assert_eq!(bed.held().len(), 20, "{:?}", bed.held());
    // Whoever is renamed stays in.
    bed.ad.rename(all[3], &format!("CN=Somebody Else,{BASE}"));
    succeeded(&bed.next(jobs, &key).await);
    assert!(!bed.held().keys().any(|name| name.ends_with("(off)")), "{:?}", bed.held());

    // A pilot of fewer is a plan that takes away many: it stops, and says for whom the job is.
    let mut settings = jobs.get(&key).await.unwrap().hybrid;
    settings.pilot = Some(some(0..2));
    jobs.configure(&key, &named(&settings), &actor()).await.unwrap();
    let _ = bed.written();
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    assert_eq!(bed.written(), []);
    let plans = jobs.stopped_plans(&key).await.unwrap();
    assert_eq!(plans[0].scope, "pilot: 2 objects");
    let plan = jobs.plan(&key).await.unwrap();
    assert_eq!((plan.scope.as_str(), plan.stopped.is_some()), ("pilot: 2 objects", true));

    // For everybody: the rest comes, and the group with all its members.
    settings.pilot = None;
    jobs.configure(&key, &named(&settings), &actor()).await.unwrap();
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    assert_eq!(bed.held()["everybody"].len(), 30);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_never_run_one_job_at_once() {
    let bed = Bed::new();
    bed.people(5);
    let (one, two) = (bed.service(), bed.service());
    let key = bed.job(&one.jobs, |_| {}).await;
    bed.way.hold(true);
    one.jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    until(
        async || if bed.way.requests() > 0 { Ok(()) } else { Err("nothing was asked".to_owned()) },
    )
    .await;
    for _ in 0..20 {
        bed.kept.clock.advance(TimeDelta::seconds(1));
        one.jobs.wake();
        two.jobs.wake();
        tokio::task::yield_now().await;
    }
    assert_eq!(bed.way.requests(), 1);
    bed.way.hold(false);
    let done = bed.ended(&one.jobs, &key, None).await;
    succeeded(&done);
    // Whoever comes first takes the next one.
    for _ in 0..3 {
        two.jobs.wake();
        succeeded(&bed.next(&one.jobs, &key).await);
    }
    assert_eq!(bed.held().len(), 6);
    one.stop().await;
    two.stop().await;
}
