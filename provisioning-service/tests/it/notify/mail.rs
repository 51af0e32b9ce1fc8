//! Mail servers that refuse, that are slow, that are gone, and that speak TLS.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use scim_provisioning_service::config::{Config, MailTls};
use scim_provisioning_service::notify::DeliveryOutcome;
use scim_provisioning_service::records::{Expect, Key, Write};
use testkit::SmtpSink;
use testkit::smtp::{Reply, SmtpTls, Step};

use super::{OPS, Quiet, mail_to, server_tls, told};

fn line(text: &str) -> Reply {
    Reply::Line(text.to_owned())
}

#[tokio::test]
async fn a_mailbox_that_refuses_is_told_no_more_and_the_others_are() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    sink.decide(|step| match step {
        Step::To(address) if address == "gone@example.com" => line("550 5.1.1 nobody of this name"),
        _ => Reply::Usual,
    });
    quiet.lost_agent().await;
    let mut teller = quiet.teller(&mail_to(&sink, &["gone@example.com", OPS])).await;
    teller.turn().await;
    assert_eq!(told(&sink.mails()).len(), 1);
    let listed = teller.listed(&quiet.tenant).await;
    let [lost] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(lost.waiting.is_empty());
    let outcomes: Vec<_> = lost
        .notification
        .deliveries
        .iter()
        .map(|delivery| (delivery.to.as_str(), delivery.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [("gone@example.com", DeliveryOutcome::Refused), (OPS, DeliveryOutcome::Delivered)]
    );
    let error = lost.notification.deliveries[0].error.as_deref().unwrap();
    assert!(
        error.starts_with("the mail server 127.0.0.1 refused the message for gone@example.com")
            && error.contains("nobody of this name"),
        "{error}"
    );
    quiet.minutes(120);
    let connections = sink.connections();
    teller.turn().await;
    assert_eq!(sink.connections(), connections);
}

#[tokio::test]
async fn records_that_cannot_be_read_hold_up_no_other() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    let damaged = |kind, id: &str| Write {
        key: Key::new(&quiet.tenant, kind, id),
        expect: Expect::Any,
        value: Some(serde_json::json!(5)),
    };
    quiet
        .kept
        .records
        .write(vec![
            damaged("notification-outbox", "00000000000000"),
            damaged("notification", "0"),
            damaged("agent", "0"),
        ])
        .await
        .unwrap();
    quiet.lost_agent().await;
    let mut teller = quiet.teller(&mail_to(&sink, &[OPS])).await;
    teller.turn().await;
    assert_eq!(told(&sink.mails()).len(), 1);
    let listed = teller.listed(&quiet.tenant).await;
    let [lost] = listed.as_slice() else { panic!("{listed:?}") };
    // A reason that is still so and cannot be read any more is told anew, once.
    quiet.kept.records.write(vec![damaged("notification", &lost.id)]).await.unwrap();
    teller.turn().await;
    teller.turn().await;
    assert_eq!(told(&sink.mails()).len(), 2);
}

#[tokio::test]
async fn what_is_not_taken_now_is_tried_again_and_given_up_in_the_end() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    sink.decide(|step| match step {
        Step::To(_) => line("450 4.2.1 greylisted"),
        _ => Reply::Usual,
    });
    let certificate = quiet.lost_agent().await;
    let mut teller = quiet.teller(&mail_to(&sink, &[OPS])).await;
    teller.turn().await;
    let tries = sink.connections();
    quiet.kept.clock.advance(TimeDelta::seconds(59));
    teller.turn().await;
    assert_eq!(sink.connections(), tries, "not before its time");
    quiet.kept.clock.advance(TimeDelta::seconds(1));
    sink.usual();
    teller.turn().await;
    assert_eq!(told(&sink.mails()).len(), 1);

    // The end is told after the beginning, and what nobody takes for two days is given up.
    sink.decide(|step| match step {
        Step::To(_) => line("450 4.2.1 greylisted"),
        _ => Reply::Usual,
    });
    super::bootstrap(&quiet.agents, &certificate, super::now(&quiet)).await;
    for _ in 0..60 {
        teller.turn().await;
        quiet.minutes(58);
        super::bootstrap(&quiet.agents, &certificate, super::now(&quiet)).await;
    }
    let listed = teller.listed(&quiet.tenant).await;
    let [lost] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(lost.waiting.is_empty(), "{lost:?}");
    let given_up = lost.notification.deliveries.last().unwrap();
    assert_eq!(given_up.outcome, DeliveryOutcome::Expired);
    assert!(given_up.error.as_deref().unwrap().contains("greylisted"), "{given_up:?}");
}

#[tokio::test]
async fn what_is_over_is_not_told_before_what_it_was() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    sink.decide(move |step| match step {
        Step::Connected if is_down.load(Ordering::SeqCst) => Reply::Close,
        _ => Reply::Usual,
    });
    let certificate = quiet.lost_agent().await;
    let mut teller = quiet.teller(&mail_to(&sink, &[OPS])).await;
    teller.turn().await;
    super::bootstrap(&quiet.agents, &certificate, super::now(&quiet)).await;
    down.store(false, Ordering::SeqCst);
    teller.turn().await;
    assert_eq!(told(&sink.mails()), []);
    quiet.minutes(1);
    teller.turn().await;
    let subjects: Vec<String> = told(&sink.mails()).into_iter().map(|it| it.1).collect();
    assert!(
        subjects[0].ends_with("is silent") && subjects[1].contains("heard of again"),
        "{subjects:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_after_the_mail_was_taken_sends_it_again_under_the_same_id() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    let gate = Arc::new((Mutex::new((false, false)), Condvar::new()));
    let shared = Arc::clone(&gate);
    sink.decide(move |step| {
        if matches!(step, Step::Kept(_)) {
            let (state, changed) = &*shared;
            let mut state = state.lock().unwrap();
            state.0 = true;
            while !state.1 {
                state = changed.wait_timeout(state, Duration::from_secs(60)).unwrap().0;
            }
        }
        Reply::Usual
    });
    quiet.lost_agent().await;
    let config = mail_to(&sink, &[OPS]);
    let mut first = quiet.teller(&config).await;
    let dying = tokio::spawn(async move { first.turn().await });
    crate::bed::until(async || {
        if gate.0.lock().unwrap().0 { Ok(()) } else { Err("no mail was taken".to_owned()) }
    })
    .await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    gate.0.lock().unwrap().1 = true;
    gate.1.notify_all();
    // The right to tell ends with the time for which it was held.
    let mut second = quiet.teller(&config).await;
    second.turn().await;
    assert_eq!(sink.mails().len(), 1);
    quiet.minutes(3);
    second.turn().await;
    second.turn().await;
    let mails = sink.mails();
    assert_eq!(mails.len(), 2, "at least once");
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    assert!(mails[0].header("message-id").unwrap().ends_with("@example.com>"));
    assert_eq!(mails[0].header("auto-submitted").as_deref(), Some("auto-generated"));
}

#[tokio::test]
async fn two_services_tell_once() {
    let quiet = Quiet::new().await;
    let sink = SmtpSink::start();
    quiet.lost_agent().await;
    let config = mail_to(&sink, &[OPS]);
    let (mut one, mut two) = (quiet.teller(&config).await, quiet.teller(&config).await);
    for _ in 0..3 {
        tokio::join!(one.turn(), two.turn());
    }
    assert_eq!(sink.mails().len(), 1);
    // When the one ends, the other goes on.
    one.end(&quiet.kept).await;
    two.end(&quiet.kept).await;
    let mut three = quiet.teller(&config).await;
    three.turn().await;
    assert_eq!(sink.mails().len(), 1);
}

fn secured(sink: &SmtpSink, tls: MailTls, ca: &std::path::Path, password: &str) -> Config {
    let mut config = mail_to(sink, &[OPS]);
    let mail = config.mail.as_mut().unwrap();
    mail.tls = tls;
    mail.ca_file = Some(ca.to_owned());
    mail.username = Some("sync".to_owned());
    mail.password = Some(password.to_owned().into());
    config
}

#[tokio::test]
async fn mail_goes_over_tls_to_the_server_that_the_configuration_trusts_only() {
    let quiet = Quiet::new().await;
    let (tls, authority) = server_tls();
    let ca = quiet.folder.path().join("ca.pem");
    std::fs::write(&ca, &authority).unwrap();
    let other = quiet.folder.path().join("other.pem");
    std::fs::write(&other, server_tls().1).unwrap();
    for (kind, mode) in [
        (SmtpTls::Starttls(Arc::clone(&tls)), MailTls::Starttls),
        (SmtpTls::Always(Arc::clone(&tls)), MailTls::Tls),
    ] {
        let sink = SmtpSink::with(kind);
        sink.decide(|step| match step {
            Step::Login(_, password) if password != "s3cret" => {
                line("535 5.7.8 authentication failed")
            }
            _ => Reply::Usual,
        });
        let test = async |ca, password| {
            let config = secured(&sink, mode, ca, password);
            quiet.teller(&config).await.notifier.test(&quiet.tenant).await
        };
        let [good] = test(&ca, "s3cret").await.try_into().unwrap();
        assert!(good.delivered, "{good:?}");
        let mail = sink.mails().remove(0);
        let login = Some(("sync".to_owned(), "s3cret".to_owned()));
        assert_eq!((mail.secured, mail.login), (true, login));

        let [wrong] = test(&ca, "wr0ng").await.try_into().unwrap();
        let error = wrong.error.unwrap();
        assert!(
            error.contains("does not let the service in") && !error.contains("wr0ng"),
            "{error}"
        );
        let [stranger] = test(&other, "s3cret").await.try_into().unwrap();
        let error = stranger.error.unwrap();
        assert!(error.contains("cannot be used"), "{error}");
        assert_eq!(sink.mails().len(), 1);
    }
    // A server that cannot go over to TLS is told nothing.
    let plain = SmtpSink::start();
    let config = secured(&plain, MailTls::Starttls, &ca, "s3cret");
    let [refused] =
        quiet.teller(&config).await.notifier.test(&quiet.tenant).await.try_into().unwrap();
    assert!(!refused.delivered);
    assert!(plain.mails().is_empty());
}
