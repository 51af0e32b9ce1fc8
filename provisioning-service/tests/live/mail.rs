//! What people are told by mail: of each thing once, and later where a mailbox takes nothing now.

use serde_json::{Value, json};
use testkit::SmtpSink;
use testkit::server::TOKEN;
use testkit::smtp::{Mail, Reply, Step};

use crate::bed::{Bed, PATIENCE};
use crate::limits::WRONG_TOKEN;

const OPS: &str = "ops@example.com";

/// The file of a service that tells of everything but of cycles that fail: those of these chapters do it in passing.
pub(crate) fn settings(sink: &SmtpSink) -> String {
    format!(
        r#"[mail]
server = "127.0.0.1"
port = {}
tls = "none"
from = "Provisioning <sync@example.com>"
recipients = ["{OPS}"]

[notifications]
failing_cycles = 1000
"#,
        sink.port()
    )
}

fn subject(mail: &Mail) -> String {
    mail.header("subject").unwrap_or_default()
}

impl Bed {
    /// Waits until a reason is `open` or `resolved`, with so many messages that wait.
    #[track_caller]
    fn noticed(&self, kind: &str, state: &str, waiting: usize) -> Value {
        self.until(|| {
            let all = self.api().get("/api/notifications").expect(200)["notifications"].clone();
            let found = all.as_array().unwrap().iter().find(|one| one["kind"] == kind);
            let so = found.filter(|one| {
                one["state"] == state && one["waiting"].as_array().unwrap().len() == waiting
            });
            so.cloned().ok_or_else(|| format!("{all:#}\n{}", self.tail()))
        })
    }

    /// Waits for a mail.
    #[track_caller]
    pub(crate) fn mailed(&self, what: &str) -> Mail {
        self.until(|| {
            let mails = self.sink.mails();
            let found = mails.iter().find(|mail| subject(mail).contains(what)).cloned();
            found.ok_or_else(|| format!("{mails:#?}\n{}", self.tail()))
        })
    }
}

/// From now on the mailbox is locked.
pub(crate) fn refuse(bed: &Bed) {
    bed.sink.decide(|step| match step {
        Step::To(_) => Reply::Line("450 4.2.0 the mailbox is locked".to_owned()),
        _ => Reply::Usual,
    });
}

/// That the job is refused is told to nobody yet, and the service says why; one that is started anew still knows.
pub(crate) fn waits(bed: &mut Bed) {
    let line = bed.service.process().says("the mailbox is locked", PATIENCE);
    for part in [
        "the mail server 127.0.0.1 does not take the message for ops@example.com now: ",
        "; it is tried again at ",
        ": Tenant default: job Corp to the cloud is refused: its credentials are not accepted",
    ] {
        assert!(line.contains(part), "{part:?} should be in {line}");
    }
    bed.service.stop();
    bed.service.begin();
    bed.connected(2);
    let waiting = bed.noticed("job-credentials", "open", 1)["waiting"][0].clone();
    assert!(waiting["error"].as_str().unwrap().contains("the mailbox is locked"), "{waiting}");
    assert_eq!((&waiting["to"], &waiting["event"]), (&json!(OPS), &json!("opened")));
}

/// The job is let in again before anybody was told that it was not. Then the mailbox takes mail again.
pub(crate) fn over_before_it_was_told(bed: &Bed) {
    let _ = bed.noticed("job-credentials", "resolved", 2);
    assert_eq!(bed.sink.mails(), []);
    bed.sink.usual();
}

/// Everything was told, each thing once: what had to wait too.
pub(crate) fn everything_arrived(bed: &mut Bed) {
    let _ = bed.noticed("job-credentials", "resolved", 0);
    let _ = bed.noticed("job-threshold", "resolved", 0);
    let mails = bed.sink.mails();
    let mut told: Vec<String> = mails
        .iter()
        .map(|mail| subject(mail).replace("Tenant default: job Corp to the cloud ", ""))
        .collect();
    let refused = "is refused: its credentials are not accepted";
    let place = |what: &str| told.iter().position(|told| told == what);
    assert!(place(refused) < place("is let in again"), "{told:?}");
    told.sort();
    let all = [
        "is let in again",
        refused,
        "waits for no decision any more",
        "was stopped before it took away too much",
    ];
    assert_eq!(told, all);
    for mail in &mails {
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("sync@example.com", &[OPS.to_owned()][..])
        );
        assert!(mail.data.contains(bed.service.url()), "{}", mail.data);
        assert!(!mail.data.contains(TOKEN) && !mail.data.contains(WRONG_TOKEN), "{}", mail.data);
    }
    let what_to_do = bed.mailed(refused).data.replace("=\n", "").replace('\n', " ");
    assert!(what_to_do.contains("Save good credentials with the job"), "{what_to_do}");
}
