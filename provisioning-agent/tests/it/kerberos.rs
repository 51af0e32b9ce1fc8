//! A domain that is signed in to by Kerberos, by an agent whose clock is right, and by one whose clock is not.

use std::process::Command;

use testkit::Samba;

use crate::bed;
use crate::domain;

/// The variables with which a program's clock is ten minutes ahead: behind, it would be too early for the domain's certificate.
fn ten_minutes_ahead() -> Vec<(String, String)> {
    let mut faketime = Command::new("faketime");
    let told = testkit::program::run(faketime.args(["--exclude-monotonic", "-f", "+600s", "env"]));
    let told = told.expect(0).stdout;
    let ours = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"];
    told.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| ours.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_domain_is_signed_in_to_by_kerberos() {
    let samba = Samba::start_with(50, &[("SAMBA_STRONG_AUTH", "allow_sasl_over_tls")]);
    let by_kerberos = format!("sign-in = \"kerberos\"\nkdc = \"{}\"\nbase = ", samba.kdc());
    let config = bed::config("ad.toml").replacen("base = ", &by_kerberos, 1);
    let mut bed = domain::bed(&samba, &config);
    bed.run(&["doctor"]).expect(0).says("by Kerberos");
    bed.synced();
    bed.held().expect(&testkit::held::expected(&samba));
    bed.quiet();
    samba.set(&samba.dn_of("u000003"), "displayName", Some("Read by Kerberos"));
    assert_eq!(bed.synced().count("PATCH"), 1);

    bed.set("LDAP_PASSWORD", "another one");
    bed.run(&["doctor"])
        .expect(1)
        .says("the password of the account svc-sync@ad.test.example to bind with is wrong");
    bed.set("LDAP_PASSWORD", samba.sync_account().1);

    for (name, value) in ten_minutes_ahead() {
        bed.set(&name, &value);
    }
    let ran = bed.run(&["doctor"]).expect(1);
    ran.says("the clocks of this machine and of the Kerberos server")
        .says("have both follow the same time server");
}
