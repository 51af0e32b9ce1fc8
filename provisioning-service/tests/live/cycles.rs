//! Cycles: everything once, and every change once after that.

use serde_json::{Value, json};
use testkit::server::TOKEN;

use crate::bed::{Bed, GROUP, PEOPLE};

pub(crate) fn initial(bed: &mut Bed) {
    let made = bed.make_job("PT1S");
    assert_eq!(made["status"]["code"], "NotConfigured");
    let refused = bed.api().post(&bed.path("/start"), None);
    assert_eq!(refused.status, 400, "{}", refused.body);
    bed.save_token(TOKEN);
    bed.tell("/validateCredentials", Some(&json!({ "useSavedCredentials": true })));
    bed.tell("/start", None);
    let cycle = bed.cycle_since(Default::default(), "Succeeded");
    bed.equal();
    let held = bed.held();
    let written = bed.writes();
    assert_eq!(written.counts()[0], held.0.len(), "each once");
    assert_eq!(written.counts()[2], 0);
    let kinds = ["User", "Group", "Contact"]
        .map(|kind| held.0.values().filter(|thing| thing.kind == kind).count());
    // 80 of the 100 groups, and the one of everybody, are security groups; the others have an address.
    assert_eq!(kinds, [PEOPLE as usize, 101, 50]);
    assert_eq!(held.get("all-staff").members.len(), PEOPLE as usize);
    assert!(held.0.values().filter(|thing| thing.manager.is_some()).count() > 380);
    let status = bed.look()["status"].clone();
    assert_eq!(status["code"], "Active", "{status}");
    let counted = status["synchronizedEntryCountByType"].as_array().unwrap();
    let counted: u64 = counted.iter().map(|pair| pair["value"].as_u64().unwrap()).sum();
    assert_eq!(counted, held.0.len() as u64, "{status}");
    assert_eq!(cycle["countExported"], json!(written.0.len()), "{cycle}");
    assert_eq!(bed.logged("u000007", "create", "success"), 1);
    let quiet = bed.cycle("Succeeded");
    assert_eq!((&quiet["countImported"], &quiet["countExports"]), (&json!(0), &json!(0)));
    assert!(bed.writes().0.is_empty());
}

impl Bed {
    /// Makes the job, with this time between two cycles.
    #[track_caller]
    pub(crate) fn make_job(&mut self, interval: &str) -> Value {
        let excluded = format!("OU=Excluded,OU=Corp,{}", self.samba.base());
        let job = json!({
            "templateId": "AD2CloudUsersGroups",
            "hybrid": {
                "name": "Corp to the cloud",
                "source": { "group": GROUP, "directory": "ad", "scope": { "exclude": [excluded] } },
                "interval": interval,
                "deprovision": { "onDelete": "delete", "onOutOfScope": "disable" },
            },
        });
        let made = self.api().post("/synchronization/jobs", Some(&job)).expect(201);
        self.job = made["id"].as_str().unwrap().to_owned();
        made
    }

    /// Saves where the target is and how the job shows who it is there.
    #[track_caller]
    pub(crate) fn save_token(&self, token: &str) {
        let secrets = json!({ "value": [
            { "key": "BaseAddress", "value": self.proxy.url() },
            { "key": "SecretToken", "value": token },
        ] });
        let saved = self.api().put(&self.path("/secrets"), &secrets);
        let _ = saved.expect(204);
    }

    /// Makes an account under `OU=Corp`.
    #[track_caller]
    pub(crate) fn person(&self, place: &str, account: &str, more: &str) {
        let dn = testkit::ldif_line("dn", &format!("{place},OU=Corp,{}", self.samba.base()));
        self.samba.modify(&format!(
            "{dn}objectClass: user\nsAMAccountName: {account}\nuserAccountControl: 544\n{more}"
        ));
    }
}

pub(crate) fn people_change(bed: &mut Bed) {
    let samba = &bed.samba;
    let base = samba.base();
    let before = bed.held();
    let odd = r#"CN=Ünal\, \"Łu\" O'Neil\+Sons \<1\> \#\;\\ 李,OU=Sales,OU=People"#;
    bed.person(odd, "odd", "displayName: Odd\nuserPrincipalName: odd@ad.test.example\n");
    bed.person("CN=Lead After", "lead", "");
    samba.set(&samba.dn_of("odd"), "manager", Some(&samba.dn_of("lead")));
    samba.set(&samba.dn_of("u000013"), "manager", Some(&samba.dn_of("odd")));
    samba.set(&samba.dn_of("u000012"), "manager", None);
    samba.set(&samba.dn_of("u000003"), "displayName", Some("Zoë Ångström"));
    samba.set(&samba.dn_of("u000005"), "userAccountControl", Some("514"));
    samba.set(&samba.dn_of("u000025"), "userAccountControl", Some("544"));
    samba.set(&samba.dn_of("u000014"), "userPrincipalName", Some("renamed@ad.test.example"));
    // A move, and a place with another name above sixty people, change nothing of them.
    let hr = format!("OU=HR,OU=People,OU=Corp,{base}");
    samba.rename(&samba.dn_of("u000009"), "CN=Moved", Some(&hr));
    samba.rename(&format!("OU=Finance,OU=People,OU=Corp,{base}"), r"OU=Geld\, Süd", None);
    // Comes and goes before anybody looks, or nearly.
    let [made, _, gone] = bed.followed().counts();
    assert_eq!((made, gone), (2, 0));
    let held = bed.held();
    assert_eq!(held.get("odd@ad.test.example").manager, Some(held.anchor("lead@ad.test.example")));
    assert_eq!(
        held.anchor("renamed@ad.test.example"),
        before.anchor("u000014@ad.test.example"),
        "it is the same account"
    );
    assert_eq!(held.get("u000005@ad.test.example").active, Some(false));
    assert_eq!(held.get("u000025@ad.test.example").active, Some(true));

    // Out of the scope: switched off, with all that it had; and back.
    let anchor = held.anchor("u000023@ad.test.example");
    let away = format!("OU=Nested,OU=Excluded,OU=Corp,{base}");
    let home = format!("OU=Support,OU=People,OU=Corp,{base}");
    samba.rename(&samba.dn_of("u000023"), "CN=Away", Some(&away));
    let mut released = held.0[&anchor].clone();
    released.active = Some(false);
    bed.released.insert(anchor, released);
    assert_eq!(bed.followed().counts(), [0, 1, 0]);
    bed.samba.rename(&bed.samba.dn_of("u000023"), "CN=Back", Some(&home));
    bed.released.clear();
    assert_eq!(bed.followed().counts()[0], 0, "it is the account that was there");
}

pub(crate) fn groups_change(bed: &mut Bed) {
    let samba = &bed.samba;
    let base = samba.base();
    let group = |name: &str| format!("CN={name},OU=Groups,OU=Corp,{base}");
    let contact = format!("CN=Contact 00001,OU=Contacts,OU=Corp,{base}");
    samba.change(&group("grp00001"), "add", "member", &samba.dn_of("odd"));
    samba.change(&group("grp00001"), "add", "member", &contact);
    samba.change(&group("all-staff"), "add", "member", &samba.dn_of("lead"));
    samba.change(&group("all-staff"), "delete", "member", &samba.dn_of("u000100"));
    // A new group in a new group in one that was there.
    for (name, members) in [
        ("inner", vec![samba.dn_of("u000021")]),
        ("outer", vec![group("inner"), samba.dn_of("u000022")]),
    ] {
        let lines: String =
            members.iter().map(|member| testkit::ldif_line("member", member)).collect();
        let dn = testkit::ldif_line("dn", &group(name));
        samba.modify(&format!(
            "{dn}objectClass: group\nsAMAccountName: {name}\ngroupType: -2147483646\n{lines}"
        ));
    }
    samba.change(&group("grp00003"), "add", "member", &group("outer"));
    samba.rename(&group("grp00006"), "CN=grp six", None);
    let [made, _, gone] = bed.followed().counts();
    assert_eq!((made, gone), (2, 0));
    let held = bed.held();
    assert!(held.get("Group 1").members.contains(&held.anchor("Contact 1")));
    assert!(held.get("Group 3").members.contains(&held.anchor("outer")), "groups in groups");
    assert_eq!(held.get("all-staff").members.len(), PEOPLE as usize);
}

pub(crate) fn objects_go(bed: &mut Bed) {
    let samba = &bed.samba;
    for account in ["odd", "u000031", "inner"] {
        samba.delete(&samba.dn_of(account));
    }
    samba.delete(&format!("CN=Contact 00001,OU=Contacts,OU=Corp,{}", samba.base()));
    let [made, _, gone] = bed.followed().counts();
    assert_eq!((made, gone), (0, 4));
    assert_eq!(bed.logged("u000031", "delete", "success"), 1);
}
