//! What an operator, a directory or a target gets wrong: a sentence that says what to mend, and the others go on.

use serde_json::json;
use testkit::OpenLdap;
use testkit::proxy::Pass;

use crate::bed::{self, Bed};
use crate::openldap::{bed, expected};

fn add(server: &OpenLdap, rdn: &str, place: &str, more: &str) {
    server.modify(&format!(
        "dn: {rdn},{place},{}\nobjectClass: inetOrgPerson\nsn: x\n{more}\n",
        server.base()
    ));
}

/// A configuration that is wrong is told with its place, and nobody is asked anything.
#[test]
fn a_broken_file_is_told_with_its_place() {
    let good = bed::config("openldap.toml");
    let environment = [
        ("LDAP_URI", "ldaps://127.0.0.1:9"),
        ("LDAP_BIND_DN", "cn=x"),
        ("LDAP_PASSWORD", "x"),
        ("LDAP_BASE", "dc=x"),
        ("LDAP_EXCLUDE", "ou=x,dc=x"),
    ];
    let bed = Bed::new(&good, &environment);
    let wrong = |text: &str, by: &str, says: &[&str]| {
        assert!(good.contains(text), "{text}");
        bed.configure(&good.replacen(text, by, 1));
        let ran = bed.sync().expect(1);
        let ran = says.iter().fold(ran, |ran, text| ran.says(text));
        assert_eq!(ran.stderr.lines().count(), 1, "one sentence\n{ran}");
        assert!(bed.proxy.take().is_empty(), "{ran}");
    };
    let mut line = good.lines().take_while(|line| !line.contains("to = \"title\"")).count() + 1;
    let at = format!("line {line}");
    wrong("{ to = \"title\", from", "{ to = \"title\" from", &["agent.toml", &at]);
    wrong(
        "to = \"title\", from = \"title\"",
        "to = \"title\", form = \"title\"",
        &["agent.toml", "form"],
    );
    wrong(
        "to = \"title\", from = \"title\"",
        "to = \"title\", expression = 'ToLower([title]'",
        &["agent.toml", &at],
    );
    wrong(
        "to = \"title\", from = \"title\"",
        "to = \"title\", expression = 'NoSuchFunction([title])'",
        &["agent.toml", &at, "NoSuchFunction"],
    );
    line = 1;
    wrong("version = 1", "version = 7", &["agent.toml", &format!("line {line}")]);
    wrong("connector = \"ldap\"", "connector = \"nobody\"", &["nobody", "ldap"]);
    wrong("${LDAP_URI}", "${NOT_SET_ANYWHERE}", &["NOT_SET_ANYWHERE"]);
    wrong("env = \"SCIM_TOKEN\"", "env = \"NO_TOKEN_HERE\"", &["NO_TOKEN_HERE"]);
}

/// What only the systems' schemas can tell is told before anything is read or written.
#[test]
fn rules_that_do_not_fit_are_told_before_anything_is_written() {
    let server = OpenLdap::start(20, 1000);
    let good = bed::config("openldap.toml");
    let bed = bed(&server, &good);
    let wrong = |text: &str, by: &str, says: &[&str]| {
        assert!(good.contains(text), "{text}");
        bed.configure(&good.replace(text, by));
        let ran = bed.sync().expect(1);
        let ran = says.iter().fold(ran, |ran, text| ran.says(text));
        assert!(bed.written().is_empty(), "{ran}");
    };
    wrong(
        "to = \"title\", from = \"title\" },\n  { to = \"manager\"",
        "to = \"title\", expression = 'ToLower([jpegPhoto])' },\n  { to = \"manager\"",
        &["title", "bytes"],
    );
    wrong(
        "to = \"active\", constant = true",
        "to = \"noSuchThing\", constant = true",
        &["noSuchThing"],
    );
    // What only the values can tell: each object waits, and no other is harmed.
    bed.configure(&good.replace(
        "to = \"active\", constant = true",
        "to = \"active\", expression = 'ToUpper([userName])'",
    ));
    bed.sync().expect(2).says("Out to SCIM - user").says("`active` is no truth value");
    assert!(bed.held().0.values().all(|thing| thing.kind == "Group"));
    bed.configure(&good);
    bed.run(&["reset", "--scope", "escrows,quarantine-state"]).expect(0);
    bed.synced();
    bed.held().expect(&expected(&server));
}

/// One that the target refuses, two that are one, and two of the target for one: they wait, all others are there.
#[test]
fn one_bad_object_does_not_stop_the_others() {
    let server = OpenLdap::start(40, 1000);
    let bed = bed(
        &server,
        &bed::config("openldap.toml")
            .replace("match = [\"externalId\"]", "match = [\"externalId\", \"displayName\"]"),
    );
    // Two accounts of the target answer to the same name.
    let client = bed.server.client();
    for number in 0..2 {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("was-there-{number}"), "externalId": format!("old-{number}"), "displayName": "Two Of Us",
        });
        let _ = client.post("/Users", &user).expect(201);
    }
    add(&server, "uid=two", "ou=people", "cn: Two Of Us");
    // Two entries with one user name.
    add(&server, "uid=same", "ou=people", "cn: Same One");
    add(&server, "uid=same", "ou=hr,ou=people", "cn: Same Two");
    // A value that the target refuses.
    add(&server, "uid=refused", "ou=people", "cn: Refused Value");
    bed.proxy.decide(|seen| {
        if seen.is_write() && seen.body.contains("Refused Value") {
            Pass::Answer(400, None)
        } else {
            Pass::Through
        }
    });
    let ran = bed.sync().expect(2).says("Two Of Us").says("refused").says("same");
    assert!(ran.stderr.contains("3 objects are in escrow"), "{ran}");
    let held = bed.held();
    let mut should = expected(&server);
    should.0.retain(|_, thing| !matches!(thing.name.as_str(), "two" | "refused" | "same"));
    let mut there = held.clone();
    there.0.retain(|_, thing| thing.name != "same" && !thing.name.starts_with("was-there"));
    there.expect(&should);
    assert_eq!(held.0.values().filter(|thing| thing.name == "same").count(), 1);
    bed.run(&["status"]).says("refused");
    bed.run(&["verify"]).expect(0);
    // They are not tried with every cycle, and they are not forgotten.
    let _ = bed.written();
    bed.sync().expect(2);
    assert!(bed.written().is_empty());
    // Mended, they come.
    bed.proxy.heal();
    server.modify(&format!(
        "dn: uid=same,ou=hr,ou=people,{}\nchangetype: modrdn\nnewrdn: uid=other\ndeleteoldrdn: 1\n",
        server.base()
    ));
    let old = held.anchor("was-there-1");
    let id = client.list("/Users", &[("filter", &format!("externalId eq \"{old}\""))]).expect(200);
    let id = id["Resources"][0]["id"].as_str().unwrap().to_owned();
    let _ = client.delete(&format!("/Users/{id}")).expect(204);
    // Whoever holds the name that another one wants gives it up first, so that this takes two cycles.
    for _ in 0..2 {
        bed.run(&["reset", "--scope", "escrows"]).expect(0);
        bed.run(&["sync", "--once", "--full", "--quiet"]);
    }
    bed.held().expect(&expected(&server));
    bed.quiet();
}

/// Rows of a file with one key: the first is taken, the second told, the others go on.
#[test]
fn two_rows_with_one_key() {
    let config = bed::config("openldap.toml");
    let source = config.find("[[source]]").unwrap()..config.find("[[target]]").unwrap();
    let mut config = config.clone();
    config.replace_range(
        source,
        "[[source]]\nname = \"ldap\"\nkind = \"csv\"\n[source.files.inetOrgPerson]\npath = \"people.csv\"\nanchor = \"number\"\nreferences = [\"manager\"]\n\n",
    );
    let group = config.find("[[rule]]\nname = \"In from LDAP - group\"").unwrap()
        ..config.find("[[rule]]\nname = \"Out to SCIM - user\"").unwrap();
    config.replace_range(group, "");
    let bed = Bed::new(&config, &[]);
    let people = bed.state().parent().unwrap().join("people.csv");
    std::fs::write(&people, "number,uid,cn,title,manager\n1,a,A,,\n2,b,B,,\n2,c,C,,\n3,d,D,,\n")
        .unwrap();
    let ran = bed.sync();
    assert!(matches!(ran.code, 1 | 2), "{ran}");
    let ran = ran.says("2");
    let held = bed.held();
    assert!(!held.0.values().any(|thing| thing.name == "c"), "{ran}");
    std::fs::write(&people, "number,uid,cn,title,manager\n1,a,A,,\n2,b,B,,\n4,c,C,,\n3,d,D,,\n")
        .unwrap();
    bed.run(&["reset", "--scope", "escrows,quarantine-state"]).expect(0);
    bed.synced();
    let names: Vec<_> = bed.held().0.into_values().map(|thing| thing.name).collect();
    assert_eq!(names, ["a", "b", "d", "c"]);
    bed.quiet();
}
