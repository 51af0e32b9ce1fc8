//! What people are told of: one reason is one thing that is so, from when it is first seen until it is no more.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::tenant::TenantId;

/// What kind of thing is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// A job rests after failures.
    JobQuarantine,
    /// A job rests because a system refuses its credentials.
    JobCredentials,
    /// The guard stopped a plan of a job, and somebody has to allow or reject it.
    JobThreshold,
    /// A job was switched off after four weeks of rest, or because an object failed for so long.
    JobDisabled,
    /// The cycles of a job cannot be run, one after the other.
    JobFailing,
    /// An agent is silent.
    AgentLost,
    /// No agent answers for a group that a job reads through.
    GroupWithoutAgent,
    /// The certificate of an agent ends, and the agent has not renewed it.
    CertificateExpiring,
    /// The certificate of the service's own authority ends.
    AuthorityExpiring,
}

impl ReasonKind {
    /// The name, as the API and the records have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobQuarantine => "job-quarantine",
            Self::JobCredentials => "job-credentials",
            Self::JobThreshold => "job-threshold",
            Self::JobDisabled => "job-disabled",
            Self::JobFailing => "job-failing",
            Self::AgentLost => "agent-lost",
            Self::GroupWithoutAgent => "group-without-agent",
            Self::CertificateExpiring => "certificate-expiring",
            Self::AuthorityExpiring => "authority-expiring",
        }
    }

    /// Whether it is one of the ways in which a job rests: when one follows the other, nothing is over.
    pub(super) const fn is_rest(self) -> bool {
        matches!(self, Self::JobQuarantine | Self::JobCredentials | Self::JobThreshold)
    }

    /// Whether it is about somebody who is not heard of.
    pub(super) const fn is_silence(self) -> bool {
        matches!(self, Self::AgentLost | Self::GroupWithoutAgent)
    }

    /// Whether it is about a job, whose own recipients are told too.
    pub(crate) const fn is_of_job(self) -> bool {
        matches!(
            self,
            Self::JobQuarantine
                | Self::JobCredentials
                | Self::JobThreshold
                | Self::JobDisabled
                | Self::JobFailing
        )
    }

    /// Whether it is about the service as a whole and belongs to no tenant.
    #[must_use]
    pub const fn is_of_service(self) -> bool {
        matches!(self, Self::AuthorityExpiring)
    }

    /// What is so, after the name of what it is so of.
    pub(super) const fn so(self) -> &'static str {
        match self {
            Self::JobQuarantine => "is in quarantine",
            Self::JobCredentials => "is refused: its credentials are not accepted",
            Self::JobThreshold => "was stopped before it took away too much",
            Self::JobDisabled => "is switched off",
            Self::JobFailing => "cannot be run",
            Self::AgentLost => "is silent",
            Self::GroupWithoutAgent => "has no active agent",
            Self::CertificateExpiring => "has a certificate that ends soon",
            Self::AuthorityExpiring => "has a certificate that ends soon",
        }
    }

    /// What is so when it is over.
    pub(super) const fn over(self) -> &'static str {
        match self {
            Self::JobQuarantine => "has left quarantine",
            Self::JobCredentials => "is let in again",
            Self::JobThreshold => "waits for no decision any more",
            Self::JobDisabled => "is no longer switched off",
            Self::JobFailing => "runs again",
            Self::AgentLost => "is heard of again, or expected no more",
            Self::GroupWithoutAgent => "has an active agent again, or is used no more",
            Self::CertificateExpiring => "has a new certificate, or is expected no more",
            Self::AuthorityExpiring => "has a new certificate",
        }
    }

    /// What somebody can do.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::JobQuarantine => {
                "It is tried again by itself, less and less often, and switched off after four weeks. When it is mended, start the job: it is tried at once."
            }
            Self::JobCredentials => {
                "Save good credentials with the job, or with the agent for its directory, and start the job."
            }
            Self::JobThreshold => {
                "Nothing was written. Look at the plan, then allow it once, or reject it, mend the scope and restart the job."
            }
            Self::JobDisabled => "It is not tried any more. When it is mended, start the job.",
            Self::JobFailing => {
                "It is tried with every cycle. Nothing is lost: the next one that can be run goes on from where the last one ended."
            }
            Self::AgentLost => {
                "See whether the agent and its machine run and reach the service; `provisioning-agent doctor` beside it says what to mend."
            }
            Self::GroupWithoutAgent => {
                "The jobs of the group cannot read their directory. Mend an agent of the group, or let another one in."
            }
            Self::CertificateExpiring => {
                "Agents renew by themselves while they run and reach the service. After the end, the agent has to be set up anew with a code."
            }
            Self::AuthorityExpiring => {
                "No agent is let in after the end. Make a new authority before it and set the agents up anew."
            }
        }
    }
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which reason: there is one of a kind for one thing of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReasonKey {
    /// Whose.
    pub tenant: TenantId,
    /// Of which kind.
    pub kind: ReasonKind,
    /// Of what: the identifier of a job or an agent, the name of a group.
    pub object: String,
}

impl ReasonKey {
    /// The identifier of its record.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.kind, self.object)
    }
}

/// Something that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub key: ReasonKey,
    /// What people call the thing, with what it is: `job Corp to the cloud`.
    pub name: String,
    /// What happened, in a sentence.
    pub message: String,
    /// Since when.
    pub since: DateTime<Utc>,
}
