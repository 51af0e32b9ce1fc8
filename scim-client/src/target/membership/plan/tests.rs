use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::target::quirks::{addition, removals};

fn ids(range: std::ops::Range<usize>) -> BTreeSet<MemberId> {
    range.map(|n| MemberId::from(format!("m{n:03}"))).collect()
}

/// A server that refuses what is over its limits.
fn serve(
    members: &mut BTreeSet<MemberId>,
    request: &MembershipRequest,
    limits: &MemberLimits,
) -> Result<(), String> {
    let within = |limit: Option<usize>, n: usize, what: &str| match limit {
        Some(limit) if n > limit => Err(format!("{n} {what}, at most {limit}")),
        _ => Ok(()),
    };
    match request {
        MembershipRequest::Replace(new) => {
            let limit = limits.replace.ok_or("no replace")?;
            within(limit, new.len(), "members")?;
            *members = new.iter().cloned().collect();
        }
        MembershipRequest::Change { add, remove } => {
            if add.is_empty() && remove.is_empty() {
                return Err("a request for nothing".to_owned());
            }
            if !limits.mixed && !add.is_empty() && !remove.is_empty() {
                return Err("both at once".to_owned());
            }
            within(limits.add, add.len(), "additions")?;
            within(limits.remove, remove.len(), "removals")?;
            within(limits.change, add.len() + remove.len(), "changes")?;
            let operations = usize::from(!add.is_empty())
                + match limits.operation_each {
                    true => remove.len(),
                    false => usize::from(!remove.is_empty()),
                };
            within(limits.operations, operations, "operations")?;
            for id in remove {
                if !members.remove(id) {
                    return Err(format!("{id} is no member"));
                }
            }
            for id in add {
                if !members.insert(id.clone()) {
                    return Err(format!("{id} is a member already"));
                }
            }
        }
    }
    Ok(())
}

/// The fewest requests, found by trying everything.
fn fewest(add: usize, remove: usize, limits: &MemberLimits) -> usize {
    let legal = |a: usize, r: usize| {
        let operations =
            usize::from(a > 0) + if limits.operation_each { r } else { usize::from(r > 0) };
        a + r > 0
            && limits.add.is_none_or(|limit| a <= limit)
            && limits.remove.is_none_or(|limit| r <= limit)
            && limits.change.is_none_or(|limit| a + r <= limit)
            && limits.operations.is_none_or(|limit| operations <= limit)
            && (limits.mixed || a == 0 || r == 0)
    };
    let mut seen = BTreeSet::from([(add, remove)]);
    let mut queue = VecDeque::from([(add, remove, 0)]);
    while let Some((a, r, requests)) = queue.pop_front() {
        if a + r == 0 {
            return requests;
        }
        for x in 0..=a {
            for y in (0..=r).filter(|y| legal(x, *y)) {
                if seen.insert((a - x, r - y)) {
                    queue.push_back((a - x, r - y, requests + 1));
                }
            }
        }
    }
    unreachable!("one at a time is always legal")
}

fn limit(most: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![1 => Just(None), 3 => (1..=most).prop_map(Some)]
}

fn limits() -> impl Strategy<Value = MemberLimits> {
    let replace =
        prop_oneof![Just(None), Just(Some(None)), (1_usize..12).prop_map(|n| Some(Some(n)))];
    (limit(6), limit(6), limit(8), limit(6), any::<(bool, bool)>(), replace).prop_map(
        |(add, remove, change, operations, (mixed, operation_each), replace)| MemberLimits {
            add,
            remove,
            change,
            operations,
            bytes: None,
            mixed,
            operation_each,
            replace,
            create: None,
        },
    )
}

fn some_ids() -> impl Strategy<Value = BTreeSet<MemberId>> {
    proptest::collection::btree_set(
        (0_usize..24).prop_map(|n| MemberId::from(format!("m{n:03}"))),
        0..20,
    )
}

proptest! {
    #[test]
    fn a_plan_is_legal_complete_and_the_smallest(
        desired in some_ids(),
        current in some_ids(),
        limits in limits(),
    ) {
        let plan = plan(&desired, &Current::Known(current.clone()), &limits);
        let mut members = current.clone();
        for request in &plan.requests {
            prop_assert_eq!(serve(&mut members, request, &limits), Ok(()), "{}", plan);
        }
        prop_assert_eq!(&members, &desired, "{}", plan);

        let add = desired.difference(&current).count();
        let remove = current.difference(&desired).count();
        let replaceable = !desired.is_empty()
            && limits.replace.is_some_and(|limit| limit.is_none_or(|n| desired.len() <= n));
        let small = fewest(add, remove, &limits);
        let smallest = if replaceable { small.min(1) } else { small };
        prop_assert_eq!(plan.requests.len(), smallest, "{} for +{} -{}", plan, add, remove);
    }

    #[test]
    fn nobody_unknown_is_removed(desired in some_ids(), known in some_ids(), limits in limits()) {
        let plan = plan(&desired, &Current::AtLeast(known.clone()), &limits);
        for request in &plan.requests {
            let MembershipRequest::Change { add, remove } = request else {
                return Err(TestCaseError::fail("all were replaced"));
            };
            prop_assert!(remove.iter().all(|id| known.contains(id) && !desired.contains(id)));
            prop_assert!(add.iter().all(|id| desired.contains(id)));
        }
    }

    /// Separate requests need the sum of both, rounded up each.
    #[test]
    fn without_mixing_the_count_is_the_formula(add in 0_usize..300, remove in 0_usize..300, a in 1_usize..50, r in 1_usize..50) {
        let limits = MemberLimits {
            add: Some(a), remove: Some(r), mixed: false, replace: None, ..MemberLimits::none()
        };
        let plan = plan(&ids(0..add), &Current::Known(ids(500..500 + remove)), &limits);
        prop_assert_eq!(plan.requests.len(), add.div_ceil(a) + remove.div_ceil(r));
    }

    #[test]
    fn bytes_are_a_limit(add in 1_usize..80, remove in 0_usize..80, bytes in 400_usize..2_000, quotes in any::<bool>()) {
        let odd = if quotes { "\"" } else { "é" };
        let some = |range: std::ops::Range<usize>| -> BTreeSet<MemberId> {
            range.map(|n| MemberId::from(format!("{odd}{n:03}"))).collect()
        };
        let limits = MemberLimits { bytes: Some(bytes), replace: None, ..MemberLimits::none() };
        let plan = plan(&some(0..add), &Current::Known(some(500..500 + remove)), &limits);
        for request in &plan.requests {
            let MembershipRequest::Change { add, remove } = request else { unreachable!() };
            let members = add.iter().map(|id| {
                scim_core::Value::Object([("value", id.as_str())].into_iter().collect())
            });
            let patch: scim_core::Patch = removals(Removal::Filter, remove)
                .into_iter()
                .chain(addition(members.collect()))
                .collect();
            prop_assert!(serde_json::to_string(&patch).unwrap().len() <= bytes);
        }
    }
}

#[test]
fn a_large_group_is_planned_at_once() {
    let limits = MemberLimits { change: Some(100), operations: Some(100), ..MemberLimits::none() };
    let limits = MemberLimits { replace: None, ..limits };
    let plan = plan(&ids(0..50_000), &Current::Known(ids(60_000..110_000)), &limits);
    // 50,000 removals and 50,000 additions, 100 of both in each.
    assert_eq!(plan.requests.len(), 1_000);
}

#[test]
fn everybody_goes_one_by_one_rather_than_by_an_empty_list() {
    let limits = MemberLimits { remove: Some(1), ..MemberLimits::none() };
    let plan = plan(&BTreeSet::new(), &Current::Known(ids(0..3)), &limits);
    assert_eq!(plan.to_string(), "remove 1, then remove 1, then remove 1");
}
