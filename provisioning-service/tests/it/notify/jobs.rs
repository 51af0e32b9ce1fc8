//! What is told of jobs and agents, and that it is told once.

use chrono::TimeDelta;
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::config::Config;
use scim_provisioning_service::job::wire::StatusCode;
use scim_provisioning_service::job::{Command, JobKey, Jobs};
use scim_provisioning_service::notify::ReasonKind;
use testkit::SmtpSink;
use testkit::smtp::Mail;

use super::{OPS, Quiet, agents, bootstrap, daily, enrolled, mail_to, patient, teller, told};
use crate::bed::{Bed, actor, last, pair, status, succeeded};

/// The subjects of what was said to somebody about the job, without the name of the tenant.
fn about_job(mails: &[Mail], to: &str) -> Vec<String> {
    let all = told(mails).into_iter().filter(|(who, what)| who == to && what.contains("job Corp"));
    all.map(|(_, what)| what.replace("Tenant default: ", "")).collect()
}

async fn running(bed: &Bed, jobs: &Jobs) -> JobKey {
    let key = bed.job(jobs, |settings| settings.name = "Corp".to_owned()).await;
    let notify = r#"{"Enabled":true,"Recipients":"ada@example.com"}"#;
    jobs.save_secrets(&key, &[pair("SyncNotificationSettings", notify)], &actor()).await.unwrap();
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, None).await);
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_once_and_their_end_once() {
    let bed = Bed::new();
    bed.people(5);
    let sink = SmtpSink::start();
    let config = mail_to(&sink, &[OPS]);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = running(&bed, jobs).await;
    let mut first = teller(&bed.kept, jobs, &config).await;
    first.turn().await;
    assert_eq!(about_job(&sink.mails(), OPS), [] as [&str; 0]);

    jobs.save_secrets(&key, &bed.secrets("a-wrong-token"), &actor()).await.unwrap();
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    for _ in 0..3 {
        first.turn().await;
    }
    let so = "job Corp is refused: its credentials are not accepted";
    assert_eq!(about_job(&sink.mails(), OPS), [so]);
    // The job's own recipient is told too, and the secret is told nobody.
    assert_eq!(about_job(&sink.mails(), "ada@example.com"), [so]);
    assert!(sink.mails().iter().all(|mail| !mail.data.contains("a-wrong-token")));

    // Neither the next tries nor another service nor a new start say it again.
    bed.after(jobs, &key, TimeDelta::hours(1)).await;
    first.turn().await;
    first.end(&bed.kept).await;
    let mut second = teller(&bed.kept, jobs, &config).await;
    second.turn().await;
    assert_eq!(about_job(&sink.mails(), OPS), [so]);

    jobs.save_secrets(&key, &bed.secrets(testkit::server::TOKEN), &actor()).await.unwrap();
    let before = last(&status(jobs, &key).await);
    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    for _ in 0..3 {
        second.turn().await;
    }
    assert_eq!(about_job(&sink.mails(), OPS), [so, "job Corp is let in again"]);
    // A second time is a reason of its own.
    jobs.save_secrets(&key, &bed.secrets("a-wrong-token"), &actor()).await.unwrap();
    bed.next(jobs, &key).await;
    second.turn().await;
    assert_eq!(about_job(&sink.mails(), OPS).len(), 3);
    let listed = second.listed(&bed.tenant).await;
    let of_job: Vec<_> =
        listed.iter().filter(|it| it.notification.kind == ReasonKind::JobCredentials).collect();
    let [one] = of_job.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.notification.times, one.notification.deliveries.len()), (2, 6));
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_was_down_for_an_hour_waits_for_its_agents_before_it_misses_them() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    let config = mail_to(&sink, &[OPS]);
    let certificate = quiet.lost_agent().await;
    let started = async || {
        let until = quiet.kept.clock.now() + TimeDelta::minutes(20);
        patient(&quiet.kept, &quiet.jobs, &config, until).await
    };
    let mut first = started().await;
    first.turn().await;
    quiet.minutes(19);
    bootstrap(&quiet.agents, &certificate, quiet.kept.clock.now()).await;
    first.turn().await;
    quiet.minutes(1);
    first.turn().await;
    assert_eq!(told(&sink.mails()), []);
    first.end(&quiet.kept).await;

    // Who does not come back is missed; and a service that is started then does not believe that it is back.
    quiet.minutes(60);
    let mut second = started().await;
    second.turn().await;
    assert_eq!(told(&sink.mails()), []);
    quiet.minutes(20);
    second.turn().await;
    second.end(&quiet.kept).await;
    let mut third = started().await;
    third.turn().await;
    let subjects: Vec<String> = told(&sink.mails()).into_iter().map(|it| it.1).collect();
    assert_eq!(subjects, ["Tenant default: agent dc1 on dc1.corp is silent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_plan_is_told_with_its_digest_until_somebody_decides() {
    let bed = Bed::new();
    let all = bed.people(40);
    let sink = SmtpSink::start();
    let service = bed.service();
    let jobs = &service.jobs;
    let key = running(&bed, jobs).await;
    let mut teller = teller(&bed.kept, jobs, &mail_to(&sink, &[OPS])).await;
    for guid in &all[..20] {
        bed.ad.delete(*guid);
    }
    assert_eq!(bed.next(jobs, &key).await.status.code, StatusCode::Quarantine);
    teller.turn().await;
    teller.turn().await;
    let so = "job Corp was stopped before it took away too much";
    assert_eq!(about_job(&sink.mails(), OPS), [so]);
    let digest = jobs.stopped_plans(&key).await.unwrap()[0].stop.digest.clone();
    let mails = sink.mails();
    let mail = mails.iter().find(|mail| mail.data.contains("job Corp")).unwrap();
    // The text may be cut into lines by the encoding of mails.
    assert!(mail.data.replace("=\n", "").contains(&digest), "{}", mail.data);

    let before = last(&status(jobs, &key).await);
    jobs.allow(&key, &digest, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, before).await);
    teller.turn().await;
    let over = "job Corp waits for no decision any more";
    assert_eq!(about_job(&sink.mails(), OPS), [so, over]);

    // Rejected is decided too.
    for guid in &all[20..38] {
        bed.ad.delete(*guid);
    }
    bed.next(jobs, &key).await;
    teller.turn().await;
    jobs.command(&key, &Command::Pause, &actor()).await.unwrap();
    teller.turn().await;
    assert_eq!(about_job(&sink.mails(), OPS), [so, over, so, over]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_down_stops_no_job() {
    let bed = Bed::new();
    bed.people(5);
    let sink = SmtpSink::start();
    let config = mail_to(&sink, &[OPS]);
    drop(sink);
    let service = bed.service();
    let jobs = &service.jobs;
    let key = running(&bed, jobs).await;
    let mut teller = teller(&bed.kept, jobs, &config).await;
    // No agent has ever enrolled for the group, as far as the records know.
    teller.turn().await;
    let listed = teller.listed(&bed.tenant).await;
    let waiting = &listed.first().unwrap().waiting;
    assert_eq!(waiting.len(), 1, "{listed:?}");
    let error = waiting[0].error.clone().unwrap();
    assert!(error.contains("mail server 127.0.0.1 cannot be used"), "{error}");
    bed.person(5);
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!(bed.held().len(), 7);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_that_cannot_be_run_are_told_after_a_while() {
    let bed = Bed::new();
    bed.people(2);
    let sink = SmtpSink::start();
    let service = bed.service();
    let jobs = &service.jobs;
    let key = running(&bed, jobs).await;
    let mut teller = teller(&bed.kept, jobs, &mail_to(&sink, &[OPS])).await;
    bed.way.cut(true);
    for cycle in 1..=6 {
        bed.next(jobs, &key).await;
        teller.turn().await;
        assert_eq!(about_job(&sink.mails(), OPS).len(), usize::from(cycle >= 5), "{cycle}");
    }
    let mails = sink.mails();
    let mail = mails.iter().find(|mail| mail.data.contains("job Corp")).unwrap();
    let text = mail.data.replace("=\n", "");
    assert!(text.contains("no agent of the group corp is connected"), "{text}");
    bed.way.cut(false);
    succeeded(&bed.next(jobs, &key).await);
    teller.turn().await;
    assert_eq!(about_job(&sink.mails(), OPS), ["job Corp cannot be run", "job Corp runs again"]);
    service.stop().await;
}

#[tokio::test]
async fn silent_agents_and_ending_certificates_are_told() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    let config = Config { notifications: daily(), ..mail_to(&sink, &[OPS]) };
    let mut teller = quiet.teller(&config).await;
    let certificate = enrolled(&quiet.agents, &quiet.tenant).await;
    quiet.minutes(59);
    teller.turn().await;
    assert_eq!(told(&sink.mails()), []);
    quiet.minutes(1);
    teller.turn().await;
    teller.turn().await;
    let say =
        |what: &str| (OPS.to_owned(), format!("Tenant default: agent dc1 on dc1.corp {what}"));
    assert_eq!(told(&sink.mails()), [say("is silent")]);
    // Reminded once a day, as it is configured.
    quiet.minutes(24 * 60);
    teller.turn().await;
    teller.turn().await;
    assert_eq!(told(&sink.mails())[1..], [say("still is silent")]);
    bootstrap(&quiet.agents, &certificate, quiet.kept.clock.now()).await;
    teller.turn().await;
    assert_eq!(told(&sink.mails())[2..], [say("is heard of again, or expected no more")]);
    // Two weeks before its certificate ends. It is heard of every day.
    for _ in 0..77 {
        quiet.kept.clock.advance(TimeDelta::days(1));
        bootstrap(&quiet.agents, &certificate, quiet.kept.clock.now()).await;
        teller.turn().await;
    }
    assert_eq!(told(&sink.mails())[3], say("has a certificate that ends soon"));
    // Whoever is revoked is expected no more.
    let (id, _) = quiet.agents.list(&quiet.tenant).await.unwrap().remove(0);
    quiet.agents.revoke(&actor(), &quiet.tenant, &id).await.unwrap();
    teller.turn().await;
    let count = sink.mails().len();
    assert_eq!(
        told(&sink.mails())[count - 1],
        say("has a new certificate, or is expected no more")
    );
    teller.turn().await;
    assert_eq!(sink.mails().len(), count);
    drop(agents(&quiet.kept).await);
}
