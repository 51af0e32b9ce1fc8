//! A directory that answers wrongly, half or not at all never has anything deleted or changed.

use testkit::FakeAd;
use testkit::fake_ad::{BASE, Fault, PASSWORD};

const ADMIN: &str = "CN=reader,DC=fake,DC=example";

use crate::bed::{self, Bed};

const EXCLUDE: &str = "\n[source.scope]\nexclude = [\"${LDAP_EXCLUDE}\"]\n";

fn bed(fake: &FakeAd) -> Bed {
    let url = fake.url();
    let environment = [
        ("LDAP_URI", url.as_str()),
        ("LDAP_BIND_DN", ADMIN),
        ("LDAP_PASSWORD", PASSWORD),
        ("LDAP_BASE", BASE),
    ];
    Bed::new(&bed::config("ad.toml").replace(EXCLUDE, "\n"), &environment)
}

fn people(fake: &FakeAd, count: usize) -> Vec<[u8; 16]> {
    let all: Vec<_> = (0..count)
        .map(|number| {
            let account = format!("u{number:03}");
            fake.add(
                "user",
                &format!("CN=User {number},{BASE}"),
                &[("sAMAccountName", &account), ("userAccountControl", "512"), ("cn", &account)],
            )
        })
        .collect();
    let group = fake.add(
        "group",
        &format!("CN=Everybody,{BASE}"),
        &[("sAMAccountName", "everybody"), ("groupType", "-2147483646"), ("cn", "everybody")],
    );
    fake.link(group, "member", &all, true);
    all.into_iter().chain([group]).collect()
}

const FAULTS: &[Fault] = &[
    Fault::CutAfter(7),
    Fault::PromiseAndLeave,
    Fault::SizeLimit(7),
    Fault::Referral,
    Fault::NoAnswerControl,
    Fault::BadAnswerControl,
    Fault::BadEntry,
    Fault::Noise,
    Fault::Forbid,
];

#[test]
fn a_read_that_went_wrong_changes_nothing() {
    let fake = FakeAd::start();
    people(&fake, 40);
    let bed = bed(&fake);
    let made = bed.synced();
    assert_eq!(made.count("POST"), 41, "{made}");
    let held = bed.held();
    assert_eq!(held.get("everybody").members.len(), 40);
    bed.quiet();
    for full in [false, true] {
        for fault in FAULTS {
            fake.misbehave(Some(*fault));
            let arguments: &[&str] =
                if full { &["sync", "--once", "--full", "-q"] } else { &["sync", "--once", "-q"] };
            let ran = bed.run(arguments);
            assert!(bed.written().is_empty(), "{fault:?}, full {full}: {ran}");
            assert_eq!(bed.held(), held, "{fault:?}, full {full}");
            // A fault that only the other way of reading meets is none here.
            assert!(matches!(ran.code, 0 | 1), "{fault:?}, full {full}: {ran}");
            if ran.code == 1 {
                assert!(ran.stderr.contains("corp-ad"), "{fault:?}, full {full}: {ran}");
            }
            fake.misbehave(None);
            bed.quiet();
        }
    }
    bed.run(&["verify"]).expect(0);
}

#[test]
fn an_empty_answer_is_no_domain_without_people() {
    let fake = FakeAd::start();
    let all = people(&fake, 40);
    let bed = bed(&fake);
    bed.synced();
    let held = bed.held();
    // Everybody is gone, by mistake or because a right is missing: read as changes, and read whole.
    for guid in all {
        fake.delete(guid);
    }
    bed.sync().expect(3);
    bed.run(&["sync", "--once", "--full", "--quiet"]);
    bed.run(&["reset", "--scope", "watermark"]).expect(0);
    let ran = bed.sync();
    assert!(matches!(ran.code, 1 | 3), "{ran}");
    assert!(bed.written().is_empty(), "{ran}");
    assert_eq!(bed.held(), held);
}

#[test]
fn another_copy_of_the_domain_is_read_whole() {
    let fake = FakeAd::start();
    let all = people(&fake, 30);
    let bed = bed(&fake);
    bed.synced();
    bed.quiet();
    fake.become_another();
    bed.quiet().says("read everything");
    fake.misbehave(Some(Fault::RefuseCookies));
    bed.quiet().says("read everything");
    fake.misbehave(None);
    fake.delete(all[3]);
    fake.link(all[30], "member", &all[..3], false);
    let writes = bed.synced();
    assert_eq!((writes.count("DELETE"), writes.count("POST")), (1, 0), "{writes}");
    assert_eq!(bed.held().get("everybody").members.len(), 26);
    bed.quiet();
}
