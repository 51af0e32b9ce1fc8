//! Where a job stops by itself, and how it goes on.

use chrono::{DateTime, Utc};
use serde_json::json;
use testkit::server::TOKEN;

use crate::bed::{Bed, now};
use crate::mail;

/// What the target does not know.
pub(crate) const WRONG_TOKEN: &str = "a-token-that-the-target-does-not-know";

pub(crate) fn quarantine(bed: &mut Bed) {
    mail::refuse(bed);
    bed.save_token(WRONG_TOKEN);
    bed.samba.set(&bed.samba.dn_of("u000080"), "displayName", Some("Changed in quarantine"));
    let refused = bed
        .api()
        .post(&bed.path("/validateCredentials"), Some(&json!({ "useSavedCredentials": true })));
    assert_eq!(refused.status, 400, "{}", refused.body);
    bed.by_hand();
    bed.tell("/start", None);
    let status = bed.until(|| {
        let status = bed.look()["status"].clone();
        match status["code"] == "Quarantine" {
            true => Ok(status),
            false => Err(status.to_string()),
        }
    });
    let quarantine = &status["quarantine"];
    assert_eq!(quarantine["reason"], "EncounteredQuarantineException", "{status}");
    let message = quarantine["error"]["message"].as_str().unwrap();
    assert!(message.contains("credentials") || message.contains("401"), "{message}");
    let next: DateTime<Utc> = quarantine["nextAttempt"].as_str().unwrap().parse().unwrap();
    assert!((next - now()).num_minutes() > 30, "it rests: {status}");
    assert!(bed.writes().0.iter().all(|seen| seen.method != "DELETE"));
    mail::waits(bed);
    // Mended, it is tried at once.
    bed.save_token(TOKEN);
    let _ = bed.cycle("Succeeded");
    bed.equal();
    let status = bed.look()["status"].clone();
    assert_eq!((&status["code"], &status["quarantine"]), (&json!("Active"), &json!(null)));
    bed.followed();
    mail::over_before_it_was_told(bed);
}

pub(crate) fn threshold(bed: &mut Bed) {
    let limit = json!({ "number": 8, "percent": 100, "at-least": 8 });
    bed.settings(|hybrid| hybrid["guard"]["deletes"] = limit);
    let before = bed.held();
    let _ = bed.writes();
    for number in 200..212 {
        bed.samba.delete(&bed.samba.dn_of(&format!("u{number:06}")));
    }
    bed.tell("/start", None);
    let stopped = bed.until(|| {
        let status = bed.look()["status"].clone();
        match status["quarantine"]["reason"] == "TooManyDeletes" {
            true => Ok(status),
            false => Err(status.to_string()),
        }
    });
    assert_eq!(stopped["code"], "Quarantine");
    let plans = bed.api().get(&bed.path("/stoppedPlans")).expect(200);
    let plan = &plans["value"][0];
    assert!(plan.to_string().contains("12"), "{plan}");
    let gone = |bed: &Bed| bed.writes().counts()[2];
    assert_eq!(gone(bed), 0, "not one");
    let told = bed.mailed("was stopped before it took away too much").data;
    assert!(told.contains("12"), "{told}");
    assert!(bed.held().0.len() >= before.0.len());
    let wrong = bed.api().post(&bed.path("/allowDeletes"), Some(&json!({ "digest": "0000" })));
    assert!((400..500).contains(&wrong.status), "{}", wrong.body);
    let digest = plan["digest"].as_str().unwrap();
    let since = now();
    bed.tell("/allowDeletes", Some(&json!({ "digest": digest })));
    let _ = bed.cycle_since(since, "Succeeded");
    let _ = bed.cycle("Succeeded");
    bed.equal();
    assert_eq!(gone(bed), 12, "each once");
    assert_eq!(bed.look()["status"]["code"], "Active");
    assert_eq!(before.0.len() - bed.held().0.len(), 12);
}
