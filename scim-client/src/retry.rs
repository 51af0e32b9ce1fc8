//! When a request is made again, and when it is not.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::clock::Jitter;

/// How often and how fast requests are repeated.
///
/// Waits grow from `base` to `cap` by doubling; each is drawn at random between nothing and that ("full jitter"), so
/// that clients which failed together do not return together. A `Retry-After` of the peer goes before: it is waited
/// out, and the random part is added to it. Which requests may be repeated at all is not a matter of this policy: see
/// [`Client`](crate::Client).
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts of one request, the first included: 6. An answer with `Retry-After` does not count: the peer has promised
    /// to be ready later, and the deadline of the call ends the waiting.
    pub max_attempts: u32,
    /// The first wait: 250 ms.
    pub base: Duration,
    /// The longest wait that the client chooses by itself: 20 s.
    pub cap: Duration,
    /// Repetitions that are allowed for each request made, over all calls of the client: 0.5. With a peer that fails
    /// every time, retries thus add half of the load at most, not four times the load. An answer that asks for patience
    /// (429, or 503 with `Retry-After`) does not count.
    pub ratio: f64,
    /// Repetitions that are allowed on top, so that a client which has just begun can repeat at all: 100.
    pub reserve: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(20),
            ratio: 0.5,
            reserve: 100,
        }
    }
}

impl RetryPolicy {
    /// Nothing is repeated.
    #[must_use]
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// With this many attempts of one request.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// With waits between these.
    #[must_use]
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap.max(base);
        self
    }

    /// How long to wait before the attempt after this one.
    pub(crate) fn wait(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        jitter: &dyn Jitter,
    ) -> Duration {
        let doubled = self.base.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let random = doubled.min(self.cap).mul_f64(jitter.fraction().clamp(0.0, 1.0));
        // Added also to what the peer asks: it may ask for nothing, again and again.
        asked.unwrap_or_default().saturating_add(random)
    }
}

/// What is left of the repetitions that [`RetryPolicy::ratio`] and [`RetryPolicy::reserve`] allow, in thousandths.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: AtomicI64,
    per_request: i64,
    most: i64,
}

impl RetryBudget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
        let per_request = (policy.ratio.max(0.0) * 1000.0) as i64;
        let most = i64::from(policy.reserve) * 1000;
        Self { left: AtomicI64::new(most), per_request, most: most.max(1000) }
    }

    /// A request is made for the first time.
    pub(crate) fn deposit(&self) {
        let add = |left: i64| Some(left.saturating_add(self.per_request).min(self.most));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Whether there may be one more repetition; it is then spent.
    pub(crate) fn withdraw(&self) -> bool {
        let take = |left: i64| (left >= 1000).then_some(left - 1000);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Reads `Retry-After` in both forms (RFC 9110 section 10.2.3); a date in the past is no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    Some((at - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(text: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        retry_after(&headers, "2026-11-21T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn both_forms() {
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),
            ("Saturday, 21-Nov-26 12:01:00 GMT", Some(60)),
            ("Sat, 21 Nov 2026 11:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(asked(text), expected.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn waits_grow_to_the_cap() {
        let policy = RetryPolicy::default().backoff(Duration::from_secs(1), Duration::from_secs(5));
        let wait = |attempt, asked| policy.wait(attempt, asked, &1.0).as_secs();
        assert_eq!([1, 2, 3, 4, 40].map(|n| wait(n, None)), [1, 2, 4, 5, 5]);
        assert_eq!(wait(1, Some(Duration::from_secs(60))), 61);
        assert_eq!(wait(4, Some(Duration::ZERO)), 5, "a peer that asks for no patience gets some");
        assert_eq!(policy.wait(4, None, &0.0), Duration::ZERO);
        assert_eq!(policy.wait(1, Some(Duration::MAX), &1.0), Duration::MAX);
    }

    #[test]
    fn the_budget_fills_with_requests() {
        let budget =
            RetryBudget::new(&RetryPolicy { reserve: 2, ratio: 0.5, ..RetryPolicy::default() });
        assert_eq!([(); 3].map(|()| budget.withdraw()), [true, true, false]);
        budget.deposit();
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(
            [(); 3].map(|()| budget.withdraw()),
            [true, true, false],
            "no more than the reserve"
        );
    }
}
