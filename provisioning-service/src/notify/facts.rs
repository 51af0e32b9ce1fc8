//! What is so now, worked out of what the records say. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use scim_sync::escrow::QuarantineReason;

use super::reason::{Reason, ReasonKey, ReasonKind};
use crate::agents::{Agent, AgentState, Lifetimes, delta};
use crate::config::NotificationSettings;
use crate::job::{Standing, Switch};
use crate::tenant::TenantId;

/// What is known of everything that somebody can be told of.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) jobs: Vec<Standing>,
    pub(super) agents: Vec<(TenantId, String, Agent)>,
    pub(super) lifetimes: Lifetimes,
    /// When the authority's certificate ends.
    pub(super) authority: DateTime<Utc>,
}

/// What is so.
pub(super) type Reasons = BTreeMap<ReasonKey, Reason>;

impl Facts {
    /// Every reason to tell somebody.
    pub(super) fn reasons(&self, settings: &NotificationSettings, now: DateTime<Utc>) -> Reasons {
        let mut found = Vec::new();
        for job in &self.jobs {
            of_job(job, settings, now, &mut found);
        }
        self.agents(settings, now, &mut found);
        self.groups(now, &mut found);
        if self.authority - now <= delta(settings.authority_warning) {
            found.push(Reason {
                key: ReasonKey {
                    tenant: TenantId::service(),
                    kind: ReasonKind::AuthorityExpiring,
                    object: "authority".to_owned(),
                },
                name: "the certificate authority".to_owned(),
                message: format!("Its certificate ends at {}.", self.authority),
                since: now,
            });
        }
        found.into_iter().map(|reason| (reason.key.clone(), reason)).collect()
    }

    fn agents(&self, settings: &NotificationSettings, now: DateTime<Utc>, found: &mut Vec<Reason>) {
        let warning = delta(settings.certificate_warning).min(self.lifetimes.renew_before / 2);
        for (tenant, id, agent) in &self.agents {
            let state = agent.state(now, &self.lifetimes);
            let mut tell = |kind, message, since| {
                let key = ReasonKey { tenant: tenant.clone(), kind, object: id.clone() };
                let name = format!("agent {} on {}", agent.name, agent.hostname);
                found.push(Reason { key, name, message, since });
            };
            if state == AgentState::Inactive {
                let seen = agent.last_seen();
                let message = format!("It was last heard of at {seen}.");
                tell(ReasonKind::AgentLost, message, seen + self.lifetimes.inactive);
            }
            let wanted = matches!(state, AgentState::Active | AgentState::Inactive);
            if wanted
                && let Some(expires) = agent.certificate_expires()
                && expires - now <= warning
            {
                let message = format!("Its certificate ends at {expires}.");
                tell(ReasonKind::CertificateExpiring, message, expires - warning);
            }
        }
    }

    fn groups(&self, now: DateTime<Utc>, found: &mut Vec<Reason>) {
        let on = self.jobs.iter().filter(|job| job.switch == Switch::On);
        let used: BTreeSet<(&TenantId, &str)> =
            on.map(|job| (&job.key.tenant, job.group.as_str())).collect();
        for (tenant, group) in used {
            let members = self
                .agents
                .iter()
                .filter(|(of, _, agent)| of == tenant && agent.groups.contains(group));
            let members: Vec<&Agent> = members.map(|(_, _, agent)| agent).collect();
            let active =
                members.iter().any(|agent| agent.state(now, &self.lifetimes) == AgentState::Active);
            if active {
                continue;
            }
            let gone = members.iter().map(|agent| agent.last_seen() + self.lifetimes.inactive);
            let since = gone.max().map_or(now, |gone| gone.min(now));
            found.push(Reason {
                key: ReasonKey {
                    tenant: tenant.clone(),
                    kind: ReasonKind::GroupWithoutAgent,
                    object: group.to_owned(),
                },
                name: format!("agent group {group}"),
                message: format!("{} of its agents are known, and none is active.", members.len()),
                since,
            });
        }
    }
}

fn of_job(
    job: &Standing,
    settings: &NotificationSettings,
    now: DateTime<Utc>,
    found: &mut Vec<Reason>,
) {
    let name = if job.name.is_empty() { &job.key.id } else { &job.name };
    let mut tell = |kind, message: String, since| {
        let tenant = job.key.tenant.clone();
        let key = ReasonKey { tenant, kind, object: job.key.id.clone() };
        found.push(Reason { key, name: format!("job {name}"), message, since });
    };
    let Some(status) = &job.status else { return };
    if let Switch::Disabled(why) = &job.switch {
        tell(ReasonKind::JobDisabled, why.clone(), now);
    }
    if let Some(rest) = &status.quarantine {
        match (rest.reason, &status.refused) {
            // Whoever paused the job has decided: it is no more waited for.
            (QuarantineReason::DeleteThresholdExceeded, _) => {
                let waits = !status.stops.is_empty() && job.switch == Switch::On;
                if waits {
                    tell(ReasonKind::JobThreshold, rest.message.clone(), rest.since);
                }
            }
            (QuarantineReason::EncounteredQuarantineException, Some(said)) => {
                tell(ReasonKind::JobCredentials, said.clone(), rest.since);
            }
            _ => tell(ReasonKind::JobQuarantine, rest.message.clone(), rest.since),
        }
    } else if job.switch == Switch::On && status.failures >= u64::from(settings.failing_cycles) {
        let last = status.last.as_ref();
        let why = last.and_then(|last| last.error.as_ref()).map(|error| error.message.as_str());
        let message = format!(
            "{} cycles in a row could not be run. The last one: {}",
            status.failures,
            why.unwrap_or("it said nothing")
        );
        let since = last.map_or(now, |last| last.time_began);
        tell(ReasonKind::JobFailing, message, since);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;
    use scim_sync::escrow::Quarantine;

    use super::*;
    use crate::agents::Certificate;
    use crate::config::Config;
    use crate::job::{JobKey, JobStatus, Mode};

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn job(switch: Switch, status: JobStatus) -> Standing {
        Standing {
            key: JobKey::new(&TenantId::default(), "j1"),
            name: "Corp".to_owned(),
            group: "corp".to_owned(),
            mode: Mode::Active,
            switch,
            status: Some(status),
        }
    }

    fn agent(seen: i64, expires: i64) -> (TenantId, String, Agent) {
        let agent = Agent {
            name: "dc1".to_owned(),
            hostname: "dc1.corp".to_owned(),
            version: String::new(),
            directories: Vec::new(),
            groups: ["corp".to_owned()].into(),
            config_version: 1,
            enrolled: at(0),
            last_bootstrap: Some(at(seen)),
            clock_ahead: 0,
            certificates: vec![Certificate {
                serial: String::new(),
                key: String::new(),
                issued: at(0),
                expires: at(expires),
            }],
            revoked: None,
        };
        (TenantId::default(), "a1".to_owned(), agent)
    }

    fn kinds(
        jobs: Vec<Standing>,
        agents: Vec<(TenantId, String, Agent)>,
        now: i64,
    ) -> Vec<ReasonKind> {
        let lifetimes = Lifetimes::from(&Config::default());
        let facts = Facts { jobs, agents, lifetimes, authority: at(100_000) };
        let reasons = facts.reasons(&NotificationSettings::default(), at(now));
        reasons.into_keys().map(|key| key.kind).collect()
    }

    fn resting(reason: QuarantineReason) -> JobStatus {
        let quarantine =
            Quarantine { reason, message: "no".to_owned(), since: at(1), next: at(2), attempts: 1 };
        JobStatus { quarantine: Some(quarantine), failures: 50, ..JobStatus::default() }
    }

    #[test]
    fn a_job_is_told_of_once_whatever_it_rests_for() {
        let fresh = || vec![agent(10, 2000)];
        let told = |switch, status| kinds(vec![job(switch, status)], fresh(), 10);
        assert_eq!(told(Switch::On, JobStatus::default()), []);
        let exception = resting(QuarantineReason::EncounteredQuarantineException);
        assert_eq!(told(Switch::On, exception.clone()), [ReasonKind::JobQuarantine]);
        assert_eq!(told(Switch::Paused, exception.clone()), [ReasonKind::JobQuarantine]);
        let refused = JobStatus { refused: Some("401".to_owned()), ..exception.clone() };
        assert_eq!(told(Switch::On, refused.clone()), [ReasonKind::JobCredentials]);
        assert_eq!(
            told(Switch::Disabled("no".to_owned()), refused),
            [ReasonKind::JobCredentials, ReasonKind::JobDisabled]
        );
        let failing = |failures| JobStatus { failures, ..JobStatus::default() };
        assert_eq!(told(Switch::On, failing(4)), []);
        assert_eq!(told(Switch::On, failing(5)), [ReasonKind::JobFailing]);
        assert_eq!(told(Switch::Paused, failing(5)), []);
    }

    #[test]
    fn a_threshold_is_told_of_while_somebody_has_to_decide() {
        let stop: scim_sync::guard::GuardStop = serde_json::from_value(serde_json::json!({
            "target": "cloud", "digest": "ab", "removals": "cd", "reasons": []
        }))
        .unwrap();
        let status = JobStatus {
            stops: BTreeMap::from([("cloud".into(), stop)]),
            ..resting(QuarantineReason::DeleteThresholdExceeded)
        };
        let told = |switch, status| kinds(vec![job(switch, status)], vec![agent(10, 2000)], 10);
        assert_eq!(told(Switch::On, status.clone()), [ReasonKind::JobThreshold]);
        assert_eq!(told(Switch::Paused, status.clone()), []);
        assert_eq!(told(Switch::On, JobStatus { stops: BTreeMap::new(), ..status }), []);
    }

    #[test]
    fn agents_and_groups_are_told_of_when_they_are_silent() {
        use ReasonKind::{AgentLost, CertificateExpiring, GroupWithoutAgent};
        let on = || vec![job(Switch::On, JobStatus::default())];
        assert_eq!(kinds(on(), vec![agent(10, 2000)], 10), []);
        assert_eq!(kinds(on(), vec![agent(10, 2000)], 11), [AgentLost, GroupWithoutAgent]);
        let off = vec![job(Switch::Paused, JobStatus::default())];
        assert_eq!(kinds(off, vec![agent(10, 2000)], 11), [AgentLost]);
        assert_eq!(kinds(on(), vec![], 11), [GroupWithoutAgent]);
        // Two weeks before the end, and no more after ten days of silence.
        assert_eq!(kinds(vec![], vec![agent(100, 100 + 14 * 24 + 1)], 100), []);
        assert_eq!(kinds(vec![], vec![agent(100, 100 + 14 * 24)], 100), [CertificateExpiring]);
        assert_eq!(kinds(vec![], vec![agent(100, 100 + 240)], 100 + 240), []);
    }

    #[test]
    fn the_authority_is_told_of_to_those_who_keep_the_service() {
        let lifetimes = Lifetimes::from(&Config::default());
        let facts = Facts { jobs: vec![], agents: vec![], lifetimes, authority: at(90 * 24) };
        let reasons = facts.reasons(&NotificationSettings::default(), at(0));
        let (key, reason) = reasons.iter().next().unwrap();
        assert!(key.tenant.is_service() && reason.message.contains("1970-04-01"), "{reason:?}");
        assert!(facts.reasons(&NotificationSettings::default(), at(-1)).is_empty());
    }
}
