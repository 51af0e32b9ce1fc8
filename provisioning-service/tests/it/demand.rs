//! Single objects on demand.

use scim_provisioning_service::job::wire::{
    Links, OnDemandParameters, ProvisionOnDemand, StatusCode, Subject,
};
use scim_provisioning_service::job::{Command, JobError, Jobs};
use serde_json::Value;
use testkit::fake_ad::BASE;

use crate::bed::{Bed, actor, status, succeeded};

fn asked(name: &str, members: &[&str], dry_run: bool) -> ProvisionOnDemand {
    let subject = |name: &str| Subject { object_id: name.to_owned(), ..Subject::default() };
    let members: Vec<Subject> = members.iter().map(|name| subject(name)).collect();
    let links = (!members.is_empty()).then_some(Links { members, manager: None });
    let subjects = vec![Subject { links, ..subject(name) }];
    ProvisionOnDemand { parameters: vec![OnDemandParameters { rule_id: None, subjects }], dry_run }
}

fn dn(name: &str) -> String {
    format!("CN={name},{BASE}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_four_sections_and_writes_nothing() {
    let bed = Bed::new();
    bed.people(5);
    let service = bed.service();
    let jobs: &Jobs = &service.jobs;
    let key = bed.job(jobs, |_| {}).await;
    let told = jobs.on_demand(&key, &asked(&dn("User 1"), &[], true), &actor()).await.unwrap();
    assert_eq!(bed.written(), []);
    assert_eq!(status(jobs, &key).await.code, StatusCode::NotRun);
    let pair: Value = serde_json::from_str(&told.pair.key).unwrap();
    assert_eq!(pair["result"], "Success", "{told:?}");
    let value: Value = serde_json::from_str(&told.pair.value).unwrap();
    assert_eq!(value["action"], "Create");
    let steps = value["provisioningSteps"].as_array().unwrap();
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Import", "Scoping", "Matching", "Export"]);
    assert_eq!(steps[0]["details"]["sAMAccountName"], "u001");
    let changes = value["modifiedProperties"].as_array().unwrap();
    let name = changes.iter().find(|it| it["displayName"] == "userName").unwrap();
    assert_eq!(name["newValue"], "u001@fake.example");
    assert_eq!(value["targetSystem"]["name"], "Cloud directory");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_made_before_the_first_cycle_and_found_by_it() {
    let bed = Bed::new();
    let all = bed.people(5);
    let service = bed.service();
    let jobs: &Jobs = &service.jobs;
    let key = bed.job(jobs, |_| {}).await;
    let done = jobs.on_demand(&key, &asked(&dn("User 1"), &[], false), &actor()).await.unwrap();
    assert_eq!(done.hybrid[0].result, "Success", "{done:?}");
    assert_eq!(bed.held().into_keys().collect::<Vec<_>>(), ["u001@fake.example"]);
    // The same once more: there is nothing to do.
    let again = jobs.on_demand(&key, &asked(&dn("User 1"), &[], false), &actor()).await.unwrap();
    assert_eq!(again.hybrid[0].result, "Skipped", "{again:?}");

    jobs.command(&key, &Command::Start, &actor()).await.unwrap();
    succeeded(&bed.ended(jobs, &key, None).await);
    assert_eq!(bed.held().len(), 6);

    // After a change, in the middle of the schedule; the next cycle has nothing left to do.
    bed.ad.set(all[2], "cn", Some("Grace"));
    bed.person(5);
    let would = jobs.on_demand(&key, &asked(&dn("User 2"), &[], true), &actor()).await.unwrap();
    assert_eq!(would.hybrid[0].action, "Update", "what is there is found: {would:?}");
    let changes: Vec<&str> =
        would.hybrid[0].modified_properties.iter().map(|it| it.display_name.as_str()).collect();
    assert_eq!(changes, ["displayName"]);
    let done = jobs.on_demand(&key, &asked(&dn("User 2"), &[], false), &actor()).await.unwrap();
    assert_eq!(
        (done.hybrid[0].result.as_str(), done.hybrid[0].action.as_str()),
        ("Success", "Update")
    );
    let done = jobs.on_demand(&key, &asked(&dn("User 5"), &[], false), &actor()).await.unwrap();
    assert_eq!(done.hybrid[0].action, "Create");
    let _ = bed.written();
    succeeded(&bed.next(jobs, &key).await);
    let writes = bed.written();
    assert!(writes.iter().all(|seen| seen.method != "POST"), "{writes:?}");
    assert_eq!(bed.held().len(), 7);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_the_members_that_were_named_and_loses_none() {
    let bed = Bed::new();
    bed.people(5);
    let service = bed.service();
    let jobs: &Jobs = &service.jobs;
    let key = bed.running(jobs).await;
    assert_eq!(bed.held()["everybody"].len(), 5);
    let group = asked(&dn("Everybody"), &[&dn("User 1"), &dn("User 2")], false);
    let done = jobs.on_demand(&key, &group, &actor()).await.unwrap();
    assert_eq!(done.hybrid.len(), 3);
    assert_eq!(bed.held()["everybody"].len(), 5, "{done:?}");
    succeeded(&bed.next(jobs, &key).await);
    assert_eq!(bed.held()["everybody"].len(), 5);

    let names: Vec<String> = (0..6).map(|number| dn(&format!("User {number}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = asked(&dn("Everybody"), &names, true);
    assert!(matches!(jobs.on_demand(&key, &many, &actor()).await, Err(JobError::Invalid(_))));
    let nobody = asked(&dn("Nobody"), &[], true);
    assert!(matches!(jobs.on_demand(&key, &nobody, &actor()).await, Err(JobError::Missing { .. })));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_is_not_applied_and_that_is_told() {
    let bed = Bed::new();
    bed.people(3);
    let aside = format!("OU=Aside,{BASE}");
    bed.ad.add("organizationalUnit", &aside, &[("ou", "Aside")]);
    let service = bed.service();
    let jobs: &Jobs = &service.jobs;
    let key = bed.job(jobs, |settings| settings.source.scope.include = vec![aside]).await;
    let told = jobs.on_demand(&key, &asked(&dn("User 1"), &[], true), &actor()).await.unwrap();
    assert!(told.hybrid[0].left_out.is_some(), "{told:?}");
    assert_eq!(
        (told.hybrid[0].result.as_str(), told.hybrid[0].action.as_str()),
        ("Success", "Create")
    );
    service.stop().await;
}
