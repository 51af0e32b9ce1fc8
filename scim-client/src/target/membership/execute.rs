//! Carrying a plan out.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use scim_core::{AttrName, AttrPath, Object, Op, Operation, Patch, Value};

use super::{Current, MemberId, MemberLimits, MembershipPlan, MembershipRequest, plan};
use crate::client::Client;
use crate::error::Error;
use crate::target::quirks::{addition, removals};

/// Members that are tried alone before the rest is given up.
const PROBES: usize = 4;

/// The members of one group; made by [`Client::membership`].
#[derive(Clone, Debug)]
pub struct Membership {
    pub(super) client: Client,
    pub(super) group: String,
}

/// What became of the members.
#[derive(Debug, Default)]
#[must_use = "members that failed are named here only"]
pub struct MembershipReport {
    /// Those who were added, or were there already.
    pub added: BTreeSet<MemberId>,
    /// Those who were removed, or were not there.
    pub removed: BTreeSet<MemberId>,
    /// Those for whom it failed, and why.
    pub failed: BTreeMap<MemberId, Error>,
    /// Why the rest was not tried: the group is gone, the credentials do not suffice, the target cannot be reached, or
    /// it takes nothing any more, whichever member it is about.
    pub stopped: Option<Error>,
    /// Requests that changed members, or were to.
    pub requests: usize,
    /// Whether the target does later what it has accepted: only [`Membership::difference`] shows then whether it has.
    pub pending: bool,
    /// Whether it was known who else is a member; if not, some may be left who should not be.
    pub complete: bool,
}

impl MembershipReport {
    /// Whether the members are what they should be, or, where the target does things later, will be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.failed.is_empty() && self.stopped.is_none() && self.complete
    }
}

impl Client {
    /// The members of this group: to read them, and to make them what they should be within the limits of the target.
    ///
    /// ```no_run
    /// # async fn run(scim: scim_client::Client) -> Result<(), scim_client::Error> {
    /// let desired = ["2819c223", "902c246b"].map(Into::into).into();
    /// let report = scim.membership("e9e30dba").set(&desired).await?;
    /// for (member, error) in &report.failed {
    ///     eprintln!("{member}: {error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn membership(&self, group: &str) -> Membership {
        Membership { client: self.clone(), group: group.to_owned() }
    }
}

impl Membership {
    /// Makes these the members: reads who is, plans, and carries the plan out.
    ///
    /// # Errors
    /// As any request, where it could not be read who is a member. What fails afterwards is in the report.
    pub async fn set(&self, desired: &BTreeSet<MemberId>) -> Result<MembershipReport, Error> {
        let current = self.current().await?;
        Ok(self.set_from(desired, &current).await)
    }

    /// Makes these the members where it is known who is, such as from the last run.
    pub async fn set_from(
        &self,
        desired: &BTreeSet<MemberId>,
        current: &Current,
    ) -> MembershipReport {
        let mut limits = MemberLimits::of(self.client.target());
        let first = plan(desired, current, &limits);
        let replaces = matches!(first.requests.as_slice(), [MembershipRequest::Replace(_)]);
        let mut report = self.apply(&first).await;
        if replaces && report.stopped.is_none() && !report.failed.is_empty() {
            // Smaller steps show which member it is that the target does not take.
            limits.replace = None;
            let requests = report.requests;
            report = self.apply(&plan(desired, current, &limits)).await;
            report.requests += requests;
        }
        report.complete = current.is_complete();
        report
    }

    /// Carries a plan out. Where a request with several members fails, its halves are tried, down to the single member;
    /// the others do not suffer from one that the target does not take. Where nothing at all is taken any more, not
    /// even for members from all over the rest, the rest is not tried.
    pub async fn apply(&self, plan: &MembershipPlan) -> MembershipReport {
        let pending = self.client.target().rules("Groups").eventual;
        let mut report =
            MembershipReport { complete: true, pending, ..MembershipReport::default() };
        // The next one is at the end.
        let mut todo: Vec<MembershipRequest> = plan.requests.iter().rev().cloned().collect();
        // As many as there are on the way to a single member, twice.
        let largest = plan.requests.iter().map(size).max().unwrap_or(0);
        let patience = 2 * (usize::BITS - largest.leading_zeros());
        let (mut group_seen, mut fruitless) = (false, 0);
        while let Some(request) = todo.pop() {
            let error = match self.attempt(request, &mut report, &mut todo, &mut group_seen).await {
                Tried::Taken => {
                    fruitless = 0;
                    continue;
                }
                Tried::Refused(error) => error,
                Tried::Stopped(error) => {
                    report.stopped = Some(error);
                    break;
                }
            };
            fruitless += 1;
            if fruitless < patience || todo.is_empty() {
                continue;
            }
            // Is it these members, or something about all of them?
            let mut taken = false;
            for probe in probes(&mut todo) {
                match self.attempt(probe, &mut report, &mut todo, &mut group_seen).await {
                    Tried::Taken => taken = true,
                    Tried::Refused(_) => {}
                    Tried::Stopped(error) => {
                        report.stopped = Some(error);
                        return report;
                    }
                }
            }
            if !taken && !todo.is_empty() {
                report.stopped = Some(error);
                break;
            }
            fruitless = 0;
        }
        report
    }

    /// Makes one request; where it is refused, its halves are to be tried, or its member has failed.
    async fn attempt(
        &self,
        request: MembershipRequest,
        report: &mut MembershipReport,
        todo: &mut Vec<MembershipRequest>,
        group_seen: &mut bool,
    ) -> Tried {
        report.requests += 1;
        let error = match self.send(&request).await {
            Ok(()) => {
                report.succeeded(request);
                return Tried::Taken;
            }
            Err(error) => error,
        };
        if !concerns_members(&error) {
            return Tried::Stopped(error);
        }
        if error.status() == Some(StatusCode::NOT_FOUND) && !*group_seen {
            // It may be the group that is not there.
            match self.client.resources("Groups").get(&self.group).await {
                Ok(_) => *group_seen = true,
                Err(reason) if reason.is_not_found() => return Tried::Stopped(error),
                Err(reason) => return Tried::Stopped(reason),
            }
        }
        match halves(&request) {
            Some((first, second)) => todo.extend([second, first]),
            None => {
                let again_is_error = !self.client.target().rules("Groups").members.add_again;
                if report.as_it_should_be(&request, &error, again_is_error) {
                    report.succeeded(request);
                    return Tried::Taken;
                }
                report.failed_all(request, &error);
            }
        }
        Tried::Refused(error)
    }

    /// What is still different from what it should be: who is missing, and who is there and should not be. For targets
    /// that do not show members, or do later what they have accepted.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub async fn difference(
        &self,
        desired: &BTreeSet<MemberId>,
    ) -> Result<(BTreeSet<MemberId>, BTreeSet<MemberId>), Error> {
        let current = self.current().await?;
        let mut missing = BTreeSet::new();
        for member in desired.difference(current.members()) {
            // Where not all are shown, the one can still be asked about.
            let there = match current.is_complete() {
                true => Some(false),
                false => self.contains(member.as_str()).await?,
            };
            if there != Some(true) {
                missing.insert(member.clone());
            }
        }
        Ok((missing, current.members().difference(desired).cloned().collect()))
    }

    async fn send(&self, request: &MembershipRequest) -> Result<(), Error> {
        let patch = self.patch(request)?;
        self.client.resources("Groups").patch(&self.group, patch).await.map(drop)
    }

    fn patch(&self, request: &MembershipRequest) -> Result<Patch, Error> {
        let wrong = |e: scim_core::NameError| Error::Request(e.to_string());
        Ok(match request {
            MembershipRequest::Replace(ids) => {
                let path = AttrPath::from(AttrName::new("members").map_err(wrong)?);
                let value = Some(Value::Array(members(ids)));
                Patch::from_iter([Operation { op: Op::Replace, path: Some(path.into()), value }])
            }
            MembershipRequest::Change { add, remove } => {
                let form = self.client.target().rules("Groups").members.removal;
                let removals = match remove.is_empty() {
                    true => Vec::new(),
                    false => removals(form, remove),
                };
                let addition = (!add.is_empty()).then(|| addition(members(add))).flatten();
                removals.into_iter().chain(addition).collect()
            }
        })
    }
}

fn members(ids: &[MemberId]) -> Vec<Value> {
    let member = |id: &MemberId| {
        let member: Object = [("value", id.as_str())].into_iter().collect();
        Value::Object(member)
    };
    ids.iter().map(member).collect()
}

/// Whether a smaller request could fare better. Not when nobody was let in, nothing was reached, or there was no time.
fn concerns_members(error: &Error) -> bool {
    let status = error.status().map(|status| status.as_u16());
    !error.is_retryable() && matches!(status, Some(400 | 404 | 409 | 413 | 422))
}

/// What became of one request.
enum Tried {
    /// It was done.
    Taken,
    /// It was refused, perhaps because of a member.
    Refused(Error),
    /// It was refused for a reason that no other request will escape.
    Stopped(Error),
}

/// The members that a request is about.
fn size(request: &MembershipRequest) -> usize {
    match request {
        MembershipRequest::Replace(members) => members.len(),
        MembershipRequest::Change { add, remove } => add.len() + remove.len(),
    }
}

/// Takes a few single members out of what is to be done, from all over it.
fn probes(todo: &mut Vec<MembershipRequest>) -> Vec<MembershipRequest> {
    let all: usize = todo.iter().map(size).sum();
    let mut probes = Vec::new();
    for n in 0..PROBES.min(all) {
        // The last one, and those before it at equal distances; each taken one makes place for one less.
        let mut at = (all - 1) - n * (all / PROBES.min(all));
        for request in todo.iter_mut() {
            let MembershipRequest::Change { add, remove } = request else { continue };
            if at < add.len() {
                let add = vec![add.remove(at)];
                probes.push(MembershipRequest::Change { add, remove: Vec::new() });
                break;
            }
            at -= add.len();
            if at < remove.len() {
                let remove = vec![remove.remove(at)];
                probes.push(MembershipRequest::Change { add: Vec::new(), remove });
                break;
            }
            at -= remove.len();
        }
    }
    todo.retain(|request| {
        !matches!(request, MembershipRequest::Change { add, remove } if add.is_empty() && remove.is_empty())
    });
    probes
}

/// The request in two smaller ones; `None` when it is about one member.
fn halves(request: &MembershipRequest) -> Option<(MembershipRequest, MembershipRequest)> {
    let change = |add: &[MemberId], remove: &[MemberId]| MembershipRequest::Change {
        add: add.to_vec(),
        remove: remove.to_vec(),
    };
    match request {
        MembershipRequest::Replace(_) => None,
        MembershipRequest::Change { add, remove } => match (add.len(), remove.len()) {
            (0, 0 | 1) | (1, 0) => None,
            (0, n) => Some((change(&[], &remove[..n / 2]), change(&[], &remove[n / 2..]))),
            (n, 0) => Some((change(&add[..n / 2], &[]), change(&add[n / 2..], &[]))),
            _ => Some((change(&[], remove), change(add, &[]))),
        },
    }
}

impl MembershipReport {
    fn succeeded(&mut self, request: MembershipRequest) {
        match request {
            MembershipRequest::Replace(members) => self.added.extend(members),
            MembershipRequest::Change { add, remove } => {
                self.added.extend(add);
                self.removed.extend(remove);
            }
        }
    }

    /// Whether the refusal of a request for one member says that it is as it should be.
    fn as_it_should_be(
        &self,
        request: &MembershipRequest,
        error: &Error,
        again_is_error: bool,
    ) -> bool {
        let MembershipRequest::Change { add, remove } = request else { return false };
        let already = again_is_error && !add.is_empty() && error.is_uniqueness();
        let no_target = || error.scim_type().is_some_and(|w| w.eq_ignore_ascii_case("noTarget"));
        already || (!remove.is_empty() && no_target())
    }

    fn failed_all(&mut self, request: MembershipRequest, error: &Error) {
        let (add, remove) = match request {
            MembershipRequest::Change { add, remove } => (add, remove),
            MembershipRequest::Replace(members) => (members, Vec::new()),
        };
        let members = add.into_iter().chain(remove);
        self.failed.extend(members.map(|member| (member, error.clone())));
    }
}
