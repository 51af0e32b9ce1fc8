//! Waiting for another process without guessing how long it takes.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `probe` until it answers `Ok`, and returns that value.
///
/// The `Err` of a probe is the state it found. When the deadline passes, the test fails and the
/// message shows the last such state, so that a time-out explains itself.
///
/// ```
/// use std::time::Duration;
///
/// let mut looks = 0;
/// let seen = testkit::poll::until(Duration::from_secs(5), || {
///     looks += 1;
///     if looks == 3 { Ok(looks) } else { Err(format!("looked {looks} times")) }
/// });
/// assert_eq!(seen, 3);
/// ```
#[track_caller]
pub fn until<T, S: Display>(deadline: Duration, probe: impl FnMut() -> Result<T, S>) -> T {
    match try_until(deadline, probe) {
        Ok(value) => value,
        Err(state) => crate::fail(format_args!("not within {deadline:?}; last state: {state}")),
    }
}

/// Like [`until`], but hands back the last state instead of failing the test.
///
/// # Errors
///
/// The state that the last probe found, when the deadline passed before a probe succeeded.
pub fn try_until<T, S>(deadline: Duration, probe: impl FnMut() -> Result<T, S>) -> Result<T, S> {
    try_every(PAUSE, deadline, probe)
}

/// Like [`try_until`], with another pause between two looks: for a probe that costs something.
///
/// # Errors
///
/// As [`try_until`].
pub fn try_every<T, S>(
    pause: Duration,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<T, S>,
) -> Result<T, S> {
    let end = Instant::now() + deadline;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(state) if Instant::now() >= end => return Err(state),
            Err(_) => rest(pause),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one pause that all polling goes through")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::{try_until, until};
    use std::time::Duration;

    #[test]
    fn reports_the_last_state_and_not_the_first() {
        let mut looks = 0;
        let state = try_until(Duration::from_millis(50), || {
            looks += 1;
            Err::<(), _>(looks)
        });
        assert!(state.unwrap_err() > 1, "it looked once only");
    }

    #[test]
    #[should_panic(expected = "last state: still 503")]
    fn fails_the_test_with_the_state() {
        until(Duration::from_millis(20), || Err::<(), _>("still 503"));
    }

    #[test]
    fn looks_at_least_once() {
        assert_eq!(until(Duration::ZERO, || Ok::<_, &str>(7)), 7);
    }
}
