use http::HeaderValue;

use super::*;

fn profile(rates: &str) -> TargetProfile {
    TargetProfile::from_toml(&format!("name = \"test\"\n{rates}")).unwrap()
}

/// When each of so many requests went out, in milliseconds.
async fn times(budget: &Budget, class: RequestClass<'_>, n: usize) -> Vec<u128> {
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..n {
        drop(budget.acquire(&class).await);
        times.push(start.elapsed().as_millis());
    }
    times
}

fn most_within(times: &[u128], window: u128) -> usize {
    let in_window =
        |from: &u128| times.iter().filter(|t| (*from..from + window).contains(t)).count();
    times.iter().map(in_window).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_window_sees_more_than_its_amount() {
    for (amount, per) in [(1, 1), (5, 1), (20, 30), (100, 30), (1_000, 60)] {
        let rates = format!("[rates.windows.all]\namount = {amount}\nper = \"{per}s\"");
        let budget = Budget::new(&profile(&rates));
        let n = amount as usize * 3;
        let times = times(&budget, RequestClass::new(Action::Read, "Users"), n).await;
        assert!(most_within(&times, per * 1_000) <= amount as usize, "{amount} per {per} s");
        // And hardly fewer than allowed.
        assert!(times[n - 1] <= per * 1_000 * 4, "{amount} per {per} s took {} ms", times[n - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let budget = Budget::new(&TargetProfile::named("slack").unwrap());
    let times = times(&budget, RequestClass::new(Action::Create, "Users"), 23).await;
    // 20 at once, then 180 a minute.
    assert_eq!(times[19], 0);
    assert!((333..=334).contains(&times[20]), "{times:?}");
    assert!((999..=1_001).contains(&times[22]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn endpoints_sizes_and_actions_have_their_own_windows() {
    let budget = Budget::new(&TargetProfile::named("miro").unwrap());
    let list = times(&budget, RequestClass::new(Action::List, "Groups"), 6).await;
    assert!(list[5] > 5_000, "5 lists of groups in 30 s: {list:?}");
    let users = times(&budget, RequestClass::new(Action::Read, "Users"), 20).await;
    assert_eq!(users[19], 0, "users are not held up by them");
    let small = RequestClass { bytes: 500, ..RequestClass::new(Action::Patch, "Groups") };
    assert_eq!(times(&budget, small, 10).await[9], 0, "100 small ones in 30 s");
    let large = RequestClass { bytes: 501, ..small };
    assert!(times(&budget, large, 2).await[1] >= 5_000, "5 large ones in 30 s");
}

#[tokio::test(start_paused = true)]
async fn each_operation_of_a_bulk_request_counts() {
    let budget = Budget::new(&TargetProfile::named("peakon").unwrap());
    let bulk = RequestClass { operations: 1_000, ..RequestClass::new(Action::Create, "Bulk") };
    let times = times(&budget, bulk, 26).await;
    assert!(most_within(&times, 3_600_000) <= 25, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn members_are_counted_by_group() {
    let budget = Budget::new(&TargetProfile::named("github").unwrap());
    let add = |group| RequestClass {
        resource: Some(group),
        added_members: 100,
        ..RequestClass::new(Action::Patch, "Groups")
    };
    let one = times(&budget, add("a"), 11).await;
    assert!(most_within(&one, 3_600_000) <= 10, "1,000 in an hour: {one:?}");
    assert_eq!(times(&budget, add("b"), 1).await[0], 0, "another group has not had any");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_at_once() {
    let budget = Budget::new(&TargetProfile::named("databricks").unwrap());
    let class = RequestClass::new(Action::Read, "Users");
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(budget.acquire(&class).await);
    }
    let other = budget.clone();
    let fifth = tokio::time::timeout(Duration::from_secs(60), other.acquire(&class));
    assert!(fifth.await.is_err(), "the fifth waits");
    permits.pop();
    let fifth = tokio::time::timeout(Duration::from_secs(1), other.acquire(&class));
    assert!(fifth.await.is_ok(), "until one is done");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_for_all_and_slows_what_follows() {
    let budget = Budget::new(&TargetProfile::generic());
    let class = RequestClass::new(Action::Read, "Users");
    assert_eq!(times(&budget, class, 50).await[49], 0, "no limits are known");
    budget.slow_down(Some(Duration::from_secs(7)));
    let other = budget.clone();
    let after = times(&other, class, 4).await;
    assert_eq!(after[0], 7_000, "Retry-After, for clones too");
    assert!(after[3] - after[0] >= 140, "and no longer all at once: {after:?}");
    budget.slow_down(Some(Duration::ZERO));
    let slower = times(&budget, class, 3).await;
    assert!(slower[2] - slower[0] >= 199, "each refusal doubles the gap: {slower:?}");
    for _ in 0..60 {
        budget.answered(&HeaderMap::new(), 0);
    }
    let again = times(&budget, class, 51).await;
    assert!(again[50] - again[1] <= 1, "successes take it away: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_learns_of_a_refusal_meanwhile() {
    let budget = Budget::new(&profile("[rates.windows.all]\namount = 1\nper = \"1s\""));
    let class = RequestClass::new(Action::Read, "Users");
    drop(budget.acquire(&class).await);
    let start = Instant::now();
    let waiting = budget.acquire(&class);
    let refusal = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        budget.slow_down(Some(Duration::from_secs(10)));
    };
    let (_permit, ()) = tokio::join!(waiting, refusal);
    assert!(start.elapsed() >= Duration::from_millis(10_500));
}

#[tokio::test(start_paused = true)]
async fn headers_that_say_that_nothing_is_left_are_believed() {
    let budget = Budget::new(&TargetProfile::named("configcat").unwrap());
    let class = RequestClass::new(Action::Read, "Users");
    let headers = |remaining: &str, reset: &str| -> HeaderMap {
        [("x-rate-limit-remaining", remaining), ("x-rate-limit-reset", reset)]
            .into_iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    };
    budget.answered(&headers("1", "30"), 0);
    assert_eq!(times(&budget, class, 1).await[0], 0);
    budget.answered(&headers("0", "30"), 0);
    assert_eq!(times(&budget, class, 1).await[0], 30_000, "seconds");
    budget.answered(&headers("0", "1763740012"), 1_763_740_000);
    assert_eq!(times(&budget, class, 1).await[0], 12_000, "the second of the epoch");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_gives_up_takes_nothing() {
    let budget = Budget::new(&profile("[rates.windows.all]\namount = 1\nper = \"10s\""));
    let class = RequestClass::new(Action::Read, "Users");
    drop(budget.acquire(&class).await);
    for _ in 0..5 {
        let hurried = tokio::time::timeout(Duration::from_millis(1), budget.acquire(&class));
        assert!(hurried.await.is_err());
    }
    assert!(times(&budget, class, 1).await[0] <= 10_000);
}
