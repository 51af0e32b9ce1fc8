//! Patience with a target that limits how often it may be asked.
//!
//! A 429, or a 503, says nothing about what a check wants to know. All requests of the run wait until the target is
//! ready again, and the one that was refused is sent once more. Where that does not end, the check could not be tried.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::RETRY_AFTER;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long one request waits at the most.
const ONE_REQUEST: Duration = Duration::from_secs(120);

/// How often a request is sent once more after a 503 that names no time: more likely it is broken than busy.
const TRIES_WITHOUT_TIME: u32 = 3;

/// After so many requests in a row that gave up waiting, with no other answer between, nothing is answered any more.
const IN_A_ROW: u32 = 3;

/// After so many requests for which that was in vain, nobody waits for it any more.
const IN_VAIN: u32 = 3;

/// A pause of a run.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    /// How long.
    pub(crate) wait: Duration,
    /// How long the run has waited in all, with this.
    pub(crate) total: Duration,
    /// Why.
    pub(crate) why: String,
}

/// Holds the requests of a run back while the target asks for it.
#[derive(Debug)]
pub(crate) struct Pacer {
    state: Mutex<State>,
    pauses: watch::Sender<Option<Pause>>,
}

#[derive(Debug, Default)]
struct State {
    /// How long all pauses may be together.
    patience: Duration,
    /// Until when nothing is sent.
    until: Option<Instant>,
    /// All pauses together, with the rest of the present one.
    paused: Duration,
    /// Whether an answer has come that did not ask for patience.
    heard: bool,
    /// Requests that gave up waiting since then.
    in_a_row: u32,
    /// Requests that were sent again after a 503 that names no time, and in vain.
    in_vain: u32,
    /// Why waiting any longer does not help.
    gave_up: Option<String>,
}

impl State {
    fn rest(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// One request on its way, perhaps several times.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    tries: u32,
    waited: Duration,
}

impl Pacer {
    pub(crate) fn new(patience: Duration) -> Self {
        let state = Mutex::new(State { patience, ..State::default() });
        Self { state, pauses: watch::Sender::new(None) }
    }

    /// From now on waits for so long in all: what is left is to be removed even where patience is used up.
    pub(crate) fn grant(&self, more: Duration) {
        let mut state = self.state();
        state.patience = state.paused.saturating_add(more);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told of every pause.
    pub(crate) fn pauses(&self) -> watch::Receiver<Option<Pause>> {
        self.pauses.subscribe()
    }

    /// Why waiting any longer does not help, once that is so.
    pub(crate) fn gave_up(&self) -> Option<String> {
        self.state().gave_up.clone()
    }

    /// Notes an answer that did not ask for patience.
    pub(crate) fn heard(&self) {
        let mut state = self.state();
        (state.heard, state.in_a_row) = (true, 0);
    }

    /// Waits until requests may be sent.
    pub(crate) async fn ready(&self) {
        loop {
            let until = self.state().until;
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// The target has asked for patience: plans a pause, after which the request may be sent once more.
    ///
    /// # Errors
    /// Why it is not worth waiting.
    pub(crate) fn refused(
        &self,
        request: &dyn fmt::Display,
        busy: &Busy,
        waiting: &mut Waiting,
    ) -> Result<(), String> {
        let mut state = self.state();
        let now = Instant::now();
        let wait = busy.wait(waiting.tries);
        let limit = state.patience.min(ONE_REQUEST);
        let mut why = None;
        let tries = if state.in_vain < IN_VAIN { TRIES_WITHOUT_TIME } else { 0 };
        if busy.asked.is_none() && busy.status != 429 && waiting.tries >= tries {
            state.in_vain += 1;
            why = Some(match waiting.tries {
                0 => String::new(),
                tries => format!("{} times", tries + 1),
            });
        } else if waiting.waited.saturating_add(wait) > limit {
            why = Some(match busy.asked {
                Some(asked) if asked > limit => {
                    format!("and is to be asked again after {}", shown(asked))
                }
                _ => format!("for {}", shown(waiting.waited)),
            });
            state.in_a_row += 1;
            if !state.heard || state.in_a_row >= IN_A_ROW {
                state.gave_up.get_or_insert_with(|| busy.sentence(request, why.as_deref()));
            }
        }
        let extra = wait.saturating_sub(state.rest(now));
        if why.is_none() && state.paused.saturating_add(extra) > state.patience {
            why = Some(format!("and the run has waited {} in all", shown(state.paused)));
            state.gave_up.get_or_insert_with(|| busy.sentence(request, why.as_deref()));
        }
        if why.is_some() {
            return Err(busy.sentence(request, why.as_deref()));
        }
        waiting.tries += 1;
        waiting.waited += wait.max(state.rest(now));
        if !extra.is_zero() {
            state.paused += extra;
            state.until = Some(now + wait);
            let why = format!("{request} was answered {}", busy.status);
            let pause = Pause { wait, total: state.paused, why };
            drop(state);
            self.pauses.send_replace(Some(pause));
        }
        Ok(())
    }

    /// Waits for so long, not counting pauses.
    pub(crate) async fn elapse(&self, limit: Duration) {
        let start = Instant::now();
        let before = {
            let state = self.state();
            state.paused.saturating_sub(state.rest(start))
        };
        loop {
            let paused = self.state().paused.saturating_sub(before);
            // Without an end that can be told, it does not end.
            let Some(end) = start.checked_add(limit.saturating_add(paused)) else {
                return std::future::pending().await;
            };
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// The result of work that may take so long, not counting pauses; `None` when it took longer.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.elapse(limit) => None,
        }
    }
}

/// What an answer says that asks for patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    status: u16,
    /// Its `Retry-After`.
    asked: Option<Duration>,
}

impl Busy {
    /// Whether an answer asks for patience: 429 (RFC 6585 section 4) and 503 (RFC 9110 section 15.6.4).
    pub(crate) fn read(status: u16, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        matches!(status, 429 | 503).then(|| Self { status, asked: retry_after(headers, now) })
    }

    /// How long to wait before the next try: as long as was asked for, and a little longer each time, so that a target
    /// which asks for nothing is not asked without end.
    fn wait(self, tries: u32) -> Duration {
        let (least, most) = match self.asked {
            Some(_) => (Duration::from_millis(100), Duration::from_secs(5)),
            None => (Duration::from_secs(1), Duration::from_secs(30)),
        };
        let own = least.saturating_mul(1 << tries.min(10)).min(most);
        self.asked.unwrap_or_default().max(own)
    }

    fn sentence(self, request: &dyn fmt::Display, how: Option<&str>) -> String {
        let (what, status) = (self.what(), self.status);
        let how = how.filter(|how| !how.is_empty());
        let how = how.map(|how| format!(" {how}")).unwrap_or_default();
        let help = match status {
            429 => {
                "lift the limit for this run, or try --jobs 1 or a longer --patience; this says nothing about the rule"
            }
            _ => "look why it is unavailable; this says nothing about the rule",
        };
        format!("{what}: {request} was answered {status}{how}; {help}")
    }

    fn what(self) -> &'static str {
        match self.status {
            429 => "the target limits how often it may be asked",
            _ => "the target says that it is unavailable",
        }
    }
}

/// Reads `Retry-After` in both forms (RFC 9110 section 10.2.3); a date in the past is no wait.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some((at.to_utc() - now).to_std().unwrap_or_default())
}

/// A time in the words of a sentence: `1.5 s`, `2 min`.
pub(crate) fn shown(time: Duration) -> String {
    match time.as_secs() {
        0..10 if time.subsec_millis() > 0 => format!("{:.1} s", time.as_secs_f64()),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn busy(status: u16, after: Option<&'static str>) -> Option<Busy> {
        let headers =
            after.map(|text| (RETRY_AFTER, HeaderValue::from_static(text))).into_iter().collect();
        Busy::read(status, &headers, "2026-11-21T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_asks_for_patience_is_seen_and_for_how_long() {
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),
            ("Sat, 21 Nov 2026 11:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            let asked = expected.map(Duration::from_secs);
            assert_eq!(busy(429, Some(text)), Some(Busy { status: 429, asked }), "{text:?}");
        }
        assert!(busy(503, None).is_some());
        for other in [200, 403, 500, 502, 504] {
            assert_eq!(busy(other, Some("1")), None, "{other}");
        }
        let waits = |after| [0, 1, 2, 9, 99].map(|n| busy(429, after).unwrap().wait(n).as_millis());
        assert_eq!(waits(None), [1_000, 2_000, 4_000, 30_000, 30_000]);
        assert_eq!(waits(Some("0")), [100, 200, 400, 5_000, 5_000]);
        assert_eq!(waits(Some("7")), [7_000; 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_waits_and_the_wait_costs_nobody_his_time() {
        let pacer = Pacer::new(Duration::from_secs(600));
        let started = Instant::now();
        let mut waiting = Waiting::default();
        pacer.refused(&"GET /", &busy(429, Some("30")).unwrap(), &mut waiting).unwrap();
        let worked = pacer.within(Duration::from_secs(5), pacer.ready()).await;
        assert_eq!(worked, Some(()));
        assert_eq!(started.elapsed().as_secs(), 30);
        let pause = pacer.pauses().borrow().clone().unwrap();
        assert_eq!((pause.wait.as_secs(), pause.why.as_str()), (30, "GET / was answered 429"));
        let silence = pacer.within(Duration::from_secs(5), std::future::pending::<()>()).await;
        assert_eq!(silence, None);
        assert_eq!(started.elapsed().as_secs(), 35);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends() {
        let ask = async |pacer: &Pacer, answer: Busy| {
            let started = Instant::now();
            let mut waiting = Waiting::default();
            loop {
                pacer.ready().await;
                if let Err(why) = pacer.refused(&"GET /", &answer, &mut waiting) {
                    return (started.elapsed().as_secs(), why);
                }
            }
        };
        let pacer = Pacer::new(Duration::from_secs(600));
        pacer.heard();
        let (after, why) = ask(&pacer, busy(503, None).unwrap()).await;
        assert!(after == 7 && why.contains("answered 503 4 times"), "{after} {why}");
        assert_eq!(pacer.gave_up(), None, "one broken answer is no reason to end the run");
        for expected in [7, 7, 0, 0] {
            let (after, why) = ask(&pacer, busy(503, None).unwrap()).await;
            assert!(after == expected, "{after} {why}");
        }
        let (after, why) = ask(&pacer, busy(429, Some("9")).unwrap()).await;
        assert!(after == 117 && why.contains("answered 429 for 117 s"), "{after} {why}");
        assert_eq!(pacer.gave_up(), None, "others may be answered");
        ask(&pacer, busy(429, Some("9")).unwrap()).await;
        ask(&pacer, busy(429, Some("9")).unwrap()).await;
        assert!(pacer.gave_up().is_some_and(|why| why.contains("for 117 s")));

        let pacer = Pacer::new(Duration::from_secs(60));
        let (after, why) = ask(&pacer, busy(429, Some("3600")).unwrap()).await;
        assert!(after == 0 && why.contains("to be asked again after 60 min"), "{after} {why}");
        assert!(pacer.gave_up().is_some(), "nothing was ever answered");

        let pacer = Pacer::new(Duration::from_secs(100));
        for _ in 0..5 {
            let mut waiting = Waiting::default();
            pacer.heard();
            pacer.ready().await;
            let one = pacer.refused(&"GET /", &busy(429, Some("20")).unwrap(), &mut waiting);
            assert_eq!(one, Ok(()));
        }
        pacer.ready().await;
        let (_, why) = ask(&pacer, busy(429, Some("20")).unwrap()).await;
        assert!(why.contains("has waited 100 s in all"), "{why}");
        assert!(pacer.gave_up().is_some());
        pacer.grant(Duration::from_secs(40));
        let (after, _) = ask(&pacer, busy(429, Some("20")).unwrap()).await;
        assert_eq!(after, 40, "cleaning up has its own");
    }
}
