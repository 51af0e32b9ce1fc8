//! The fewest legal requests from one set of members to another.

use std::collections::BTreeSet;
use std::fmt;

use super::MemberId;
use crate::target::TargetProfile;
use crate::target::fields::{Limit, MemberRules, PatchRules, Removal};

/// What is known about the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// These are all.
    Known(BTreeSet<MemberId>),
    /// These are some of them; there may be more.
    AtLeast(BTreeSet<MemberId>),
}

impl Current {
    /// Nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        Self::AtLeast(BTreeSet::new())
    }

    /// The members that are known.
    #[must_use]
    pub const fn members(&self) -> &BTreeSet<MemberId> {
        match self {
            Self::Known(members) | Self::AtLeast(members) => members,
        }
    }

    /// Whether there are no others.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

/// What one request about members may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLimits {
    /// Members added.
    pub add: Option<usize>,
    /// Members removed.
    pub remove: Option<usize>,
    /// Both together.
    pub change: Option<usize>,
    /// Operations.
    pub operations: Option<usize>,
    /// Bytes of the body.
    pub bytes: Option<usize>,
    /// Whether some may be added and others removed.
    pub mixed: bool,
    /// Whether each removed member is an operation of its own.
    pub operation_each: bool,
    /// Members of a request that replaces them all; `None` when there is no such request, `Some(None)` without limit.
    pub replace: Option<Option<usize>>,
    /// Members that come with a new group.
    pub create: Option<usize>,
}

impl MemberLimits {
    /// No limits.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            add: None,
            remove: None,
            change: None,
            operations: None,
            bytes: None,
            mixed: true,
            operation_each: true,
            replace: Some(None),
            create: None,
        }
    }

    /// The limits of a profile.
    #[must_use]
    pub fn of(profile: &TargetProfile) -> Self {
        let rules: &MemberRules = &profile.rules("Groups").members;
        let patch: &PatchRules = &profile.fields().patch;
        Self {
            add: rules.max_add.get(),
            remove: rules.max_remove.get(),
            change: rules.max_change.get(),
            operations: patch.max_operations.get(),
            bytes: patch.max_bytes.get(),
            mixed: rules.mixed,
            operation_each: matches!(rules.removal, Removal::AsGiven | Removal::Filter),
            replace: rules.replace_all.then(|| Limit::get(rules.max_replace)),
            create: rules.max_create.get(),
        }
    }
}

/// One request about members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipRequest {
    /// Removes some and adds others; one of the two may be empty.
    Change {
        /// Those to add.
        add: Vec<MemberId>,
        /// Those to remove.
        remove: Vec<MemberId>,
    },
    /// Makes these the only members.
    Replace(Vec<MemberId>),
}

impl fmt::Display for MembershipRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change { add, remove } if remove.is_empty() => write!(f, "add {}", add.len()),
            Self::Change { add, remove } if add.is_empty() => write!(f, "remove {}", remove.len()),
            Self::Change { add, remove } => {
                write!(f, "remove {} and add {}", remove.len(), add.len())
            }
            Self::Replace(members) => write!(f, "replace all by {}", members.len()),
        }
    }
}

/// The requests that make the members what they should be, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MembershipPlan {
    /// The requests.
    pub requests: Vec<MembershipRequest>,
}

impl fmt::Display for MembershipPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests.is_empty() {
            return f.write_str("nothing to do");
        }
        let texts: Vec<String> = self.requests.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", then "))
    }
}

/// Plans the fewest requests that are legal for the target.
///
/// Removals come before additions, so that nobody keeps a right longer than needed when a run breaks off. Where it is not
/// known who else is a member, nobody but the known ones is removed; all members are replaced only where the target takes
/// that, everything is known, and it takes fewer requests.
///
/// With a limit of bytes the count of members in a request goes by the longest `id`; the plan is then legal, and the
/// smallest where the ids are equally long.
///
/// ```
/// use scim_client::target::TargetProfile;
/// use scim_client::target::membership::{Current, MemberLimits, plan};
///
/// let ids = |range: std::ops::Range<u32>| range.map(|n| n.to_string().into()).collect();
/// let entra = MemberLimits::of(&TargetProfile::named("entra")?);
/// let plan = plan(&ids(2..45), &Current::Known(ids(0..4)), &entra);
/// assert_eq!(plan.to_string(), "remove 1, then remove 1, then add 20, then add 20, then add 1");
/// # Ok::<(), scim_client::target::ProfileError>(())
/// ```
#[must_use]
pub fn plan(
    desired: &BTreeSet<MemberId>,
    current: &Current,
    limits: &MemberLimits,
) -> MembershipPlan {
    let add: Vec<MemberId> = desired.difference(current.members()).cloned().collect();
    let remove: Vec<MemberId> = current.members().difference(desired).cloned().collect();
    let room = Room::of(limits, add.iter().chain(&remove));
    let requests = if add.is_empty() && remove.is_empty() {
        Vec::new()
    } else if limits.mixed {
        mixed(&add, &remove, &room)
    } else {
        let removals = remove.chunks(room.remove_alone()).map(|ids| (&[][..], ids));
        let additions = add.chunks(room.add()).map(|ids| (ids, &[][..]));
        removals.chain(additions).map(|(add, remove)| change(add, remove)).collect()
    };
    let replace = || MembershipPlan {
        requests: vec![MembershipRequest::Replace(desired.iter().cloned().collect())],
    };
    // An empty list is how some servers spell "leave it as it is": it is never sent to remove everyone.
    let replaceable = current.is_complete() && !desired.is_empty();
    match limits.replace {
        Some(limit) if replaceable && requests.len() > 1 => {
            let bytes = Room::of(limits, desired.iter()).bytes;
            let most = [limit, bytes].into_iter().flatten().min();
            if most.is_none_or(|most| desired.len() <= most) {
                return replace();
            }
            MembershipPlan { requests }
        }
        _ => MembershipPlan { requests },
    }
}

/// What fits one request, with `usize::MAX` for no limit.
#[derive(Clone, Copy, Debug)]
struct Room {
    add: usize,
    remove: usize,
    change: usize,
    operations: usize,
    operation_each: bool,
    bytes: Option<usize>,
}

/// What a message takes around its members: the schema, one operation with its path.
const MESSAGE_BYTES: usize = 200;

/// What a removal takes around the id: `{"op":"remove","path":"members[value eq \"...\"]"},`.
const MEMBER_BYTES: usize = 52;

impl Room {
    fn of<'i>(limits: &MemberLimits, ids: impl Iterator<Item = &'i MemberId>) -> Self {
        // In JSON within JSON a character can take up to thirteen bytes; ids are almost always plain.
        let longest = ids.map(|id| escaped_len(id.as_str())).max().unwrap_or(0);
        let bytes = limits
            .bytes
            .map(|bytes| (bytes.saturating_sub(MESSAGE_BYTES) / (longest + MEMBER_BYTES)).max(1));
        let change = [limits.change, bytes].into_iter().flatten().min();
        let or_max = |limit: Option<usize>| limit.unwrap_or(usize::MAX).max(1);
        Self {
            add: or_max(limits.add),
            remove: or_max(limits.remove),
            change: or_max(change),
            operations: or_max(limits.operations),
            operation_each: limits.operation_each,
            bytes,
        }
    }

    /// Members that a request can add.
    fn add(self) -> usize {
        self.add.min(self.change)
    }

    /// Members that a request can remove which adds none.
    fn remove_alone(self) -> usize {
        let operations = if self.operation_each { self.operations } else { usize::MAX };
        self.remove.min(self.change).min(operations)
    }

    /// Members that a request can remove which adds this many.
    fn remove_beside(self, added: usize) -> usize {
        if added == 0 {
            return self.remove_alone();
        }
        let operations = match (self.operation_each, self.operations) {
            (_, usize::MAX) => usize::MAX,
            (true, n) => n - 1,
            (false, n) => {
                if n > 1 {
                    usize::MAX
                } else {
                    0
                }
            }
        };
        self.remove.min(operations).min(self.change.saturating_sub(added))
    }
}

/// The bytes of an id within a path within JSON.
fn escaped_len(id: &str) -> usize {
    let one = |c: char| match c {
        '"' | '\\' => 4,
        c if c.is_control() => 7,
        c => c.len_utf8(),
    };
    id.chars().map(one).sum()
}

fn change(add: &[MemberId], remove: &[MemberId]) -> MembershipRequest {
    MembershipRequest::Change { add: add.to_vec(), remove: remove.to_vec() }
}

/// Requests that may add and remove at the same time.
///
/// With `k` requests of which `j` add, the additions spread evenly over the `j` leave the most room for removals, since
/// room only shrinks as a request adds more. So the first `k` for which some `j` leaves enough is the smallest.
fn mixed(add: &[MemberId], remove: &[MemberId], room: &Room) -> Vec<MembershipRequest> {
    let adding = add.len().div_ceil(room.add());
    let mut k = adding.max(remove.len().div_ceil(room.remove_alone())).max(1);
    loop {
        for j in adding..=k.min(add.len().max(adding)) {
            if let Some(shares) = shares(add.len(), remove.len(), k, j, room) {
                return deal(add, remove, &shares);
            }
        }
        k += 1;
    }
}

/// How many each request adds and removes; `None` when the removals do not fit.
fn shares(
    add: usize,
    remove: usize,
    k: usize,
    j: usize,
    room: &Room,
) -> Option<Vec<(usize, usize)>> {
    if j == 0 && add > 0 {
        return None;
    }
    let added = |i: usize| match i < j {
        true => add / j + usize::from(i < add % j),
        false => 0,
    };
    let mut left = remove;
    let mut out = Vec::with_capacity(k);
    for i in 0..k {
        let adds = added(i);
        let removes = left.min(room.remove_beside(adds));
        left -= removes;
        out.push((adds, removes));
    }
    (left == 0).then_some(out)
}

fn deal(
    mut add: &[MemberId],
    mut remove: &[MemberId],
    shares: &[(usize, usize)],
) -> Vec<MembershipRequest> {
    let mut requests = Vec::with_capacity(shares.len());
    for (adds, removes) in shares {
        let (now_added, later_added) = add.split_at(*adds);
        let (now_removed, later_removed) = remove.split_at(*removes);
        (add, remove) = (later_added, later_removed);
        requests.push(change(now_added, now_removed));
    }
    // Removals first, as far as requests have nothing else to do.
    requests.sort_by_key(|request| match request {
        MembershipRequest::Change { add, remove } => match (remove.is_empty(), add.is_empty()) {
            (false, true) => 0,
            (false, false) => 1,
            _ => 2,
        },
        MembershipRequest::Replace(_) => 3,
    });
    requests
}

#[cfg(test)]
mod tests;
