//! `provisioning-service logs`.

use std::path::Path;
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use scim_provisioning_service::records::{Journal, LogEntry, Records as _, SqliteRecords};
use scim_provisioning_service::tenant::TenantId;
use serde_json::{Value, json};
use tempfile::TempDir;

fn logs(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning-service"));
    command.arg("logs").args(arguments).arg("--data").arg(data).env_clear().output().unwrap()
}

fn lines(data: &Path, arguments: &[&str]) -> Vec<String> {
    let output = logs(data, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

fn entry(number: i64, at: DateTime<Utc>) -> LogEntry {
    let failed = number % 2 == 0;
    let status = if failed { "failure" } else { "success" };
    let identity = |name: &str| json!({ "id": name, "displayName": name, "identityType": "user", "details": {} });
    let system = json!({ "id": "ad", "displayName": "ad", "details": {} });
    let person = format!("Zoë {number}\u{1b}[31m");
    let reason = "the target refuses the value\nof mail";
    let body = json!({
        "activityDateTime": at, "tenantId": "default", "jobId": "job", "cycleId": "1", "changeId": "1",
        "provisioningAction": "create", "durationInMilliseconds": null,
        "provisioningStatusInfo": {
            "status": status,
            "errorInformation": failed.then(|| json!({ "errorCode": "Refused", "reason": reason })),
        },
        "provisioningSteps": [],
        "modifiedProperties": [{ "displayName": "title", "oldValue": null, "newValue": "x" }],
        "sourceSystem": system, "targetSystem": system,
        "sourceIdentity": identity(&person), "targetIdentity": identity(""),
        "initiatedBy": { "id": "", "displayName": "", "initiatorType": "system" },
    });
    LogEntry {
        at,
        job: "job".to_owned(),
        object: person,
        action: "create".to_owned(),
        status: status.to_owned(),
        body,
    }
}

#[tokio::test]
async fn the_log_is_read_at_the_command_line() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    let nothing = logs(data, &[]);
    assert!(nothing.status.success() && nothing.stdout.is_empty());
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("nothing is in the log"));

    let records = SqliteRecords::open(&data.join("service.db")).unwrap();
    let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    let entries = (0..1200).map(|number| entry(number, now + TimeDelta::seconds(number))).collect();
    records.append(&TenantId::default(), Journal::Provisioning, entries).await.unwrap();

    let newest = lines(data, &[]);
    assert_eq!(newest.len(), 50);
    // The newest stands last, next to the prompt, and nothing in it moves the cursor or begins a line.
    assert_eq!(
        newest[49].split_once("Z  ").unwrap().1,
        "success  create        Zoë 1199\u{fffd}[31m  title"
    );
    let failed = lines(data, &["--status", "failure", "--limit", "1"]);
    assert!(failed[0].ends_with("the target refuses the value\u{fffd}of mail"), "{failed:?}");
    assert_eq!(lines(data, &["--object", "zoë 119", "--limit", "500"]).len(), 11);
    assert_eq!(lines(data, &["--since", "1d"]).len(), 0, "all of it is old");
    assert_eq!(lines(data, &["--tenant", "other"]).len(), 0);

    let all = lines(data, &["--all", "--json"]);
    let numbers: Vec<u64> = all
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|entry| entry["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 1200);
    assert!(numbers.is_sorted_by(|a, b| a < b), "oldest first, each once");
    assert_eq!(logs(data, &["--status", "good"]).status.code(), Some(2));
}
