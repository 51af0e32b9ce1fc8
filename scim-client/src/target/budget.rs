//! How fast the target may be asked: the rate windows of its profile, requests at once, and patience after a refusal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::TargetProfile;
use super::fields::{Action, Counts, Window};

/// The pace after the first refusal for going too fast, and its bounds.
const FIRST_GAP: Duration = Duration::from_millis(50);
const LARGEST_GAP: Duration = Duration::from_secs(5);
const NO_GAP: Duration = Duration::from_millis(1);

/// A second of the Unix epoch is a larger number than a wait in seconds.
const LONGEST_WAIT: u64 = 7 * 24 * 60 * 60;

/// Buckets of single resources that are kept before the full ones among them are forgotten.
const MANY_BUCKETS: usize = 1_024;

/// What kind of request asks for leave.
#[derive(Clone, Copy, Debug)]
pub struct RequestClass<'a> {
    /// What is to be done.
    pub action: Action,
    /// The endpoint, such as `Users`; empty for the root.
    pub endpoint: &'a str,
    /// The `id` of the resource, where there is one.
    pub resource: Option<&'a str>,
    /// The bytes of the body.
    pub bytes: usize,
    /// The operations of a bulk request; 1 for any other.
    pub operations: usize,
    /// Members that the request adds to a group.
    pub added_members: usize,
}

impl<'a> RequestClass<'a> {
    /// A request without body.
    #[must_use]
    pub const fn new(action: Action, endpoint: &'a str) -> Self {
        Self { action, endpoint, resource: None, bytes: 0, operations: 1, added_members: 0 }
    }
}

/// The rate that a target allows, shared by all who have a clone.
///
/// A request waits until it fits every window of the profile that it belongs to and one of the slots for requests at
/// once is free. Those who came first go first. After a refusal for going too fast nobody asks until the time that the
/// server named is over, and then slower than before; with each success a little faster again.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    windows: Vec<Window>,
    slots: Option<Arc<Semaphore>>,
    remaining: Option<HeaderName>,
    reset: Option<HeaderName>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By window, and by resource where each has its own.
    buckets: BTreeMap<(usize, String), Bucket>,
    /// Nobody asks before this.
    paused_until: Option<Instant>,
    /// The time between two requests that refusals have taught.
    gap: Duration,
    /// When the next request may go by that pace.
    next: Option<Instant>,
}

/// A token bucket that may be in debt: who takes more than is there waits until the debt is paid.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Capacity and tokens a second.
fn shape(window: &Window) -> (f64, f64) {
    let amount = f64::from(window.amount);
    let seconds = window.per.as_secs_f64();
    match window.burst {
        Some(burst) => (f64::from(burst), amount / seconds),
        // A tenth at once, and the others so slowly that no time of this length sees more than the amount.
        None => {
            let capacity = (amount / 10.0).floor().max(1.0);
            (capacity, (amount - capacity + 1.0) / seconds)
        }
    }
}

/// Leave to make one request; give it back by dropping it when the answer is there.
#[derive(Debug)]
#[must_use = "the slot is free again as soon as this is dropped"]
pub struct Permit {
    _slot: Option<OwnedSemaphorePermit>,
}

/// Gives tokens back when the one who waits for them is dropped.
struct Reservation<'b> {
    shared: &'b Shared,
    taken: Vec<((usize, String), f64)>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for (key, tokens) in self.taken.drain(..) {
            if let Some(bucket) = state.buckets.get_mut(&key) {
                bucket.tokens += tokens;
            }
        }
    }
}

impl Budget {
    /// The budget that a profile sets, unspent.
    #[must_use]
    pub fn new(profile: &TargetProfile) -> Self {
        let rates = &profile.fields().rates;
        let header = |name: &Option<String>| name.as_ref().and_then(|n| n.parse().ok());
        Self {
            shared: Arc::new(Shared {
                windows: rates.windows.values().cloned().collect(),
                slots: rates.concurrency.get().map(|n| Arc::new(Semaphore::new(n))),
                remaining: header(&rates.remaining_header),
                reset: header(&rates.reset_header),
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// Waits until a request of this class may go out. Dropping the future takes the request back.
    pub async fn acquire(&self, class: &RequestClass<'_>) -> Permit {
        let slot = match &self.shared.slots {
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        let (mut reservation, ready) = self.shared.reserve(class);
        let mut until = ready;
        loop {
            let now = Instant::now();
            // A refusal that came meanwhile holds for those who wait too.
            let paused = self.shared.state().paused_until;
            until = paused.map_or(until, |pause| until.max(pause));
            if until <= now {
                break;
            }
            tokio::time::sleep_until(until).await;
        }
        reservation.taken.clear();
        Permit { _slot: slot }
    }

    /// The target refused because it was asked too fast.
    pub fn slow_down(&self, wait: Option<Duration>) {
        let mut state = self.shared.state();
        let now = Instant::now();
        state.gap = (state.gap * 2).clamp(FIRST_GAP, LARGEST_GAP);
        let wait = wait.unwrap_or(state.gap);
        if let Some(until) = now.checked_add(wait) {
            state.paused_until = Some(state.paused_until.map_or(until, |other| other.max(until)));
            state.next = state.next.max(Some(until));
        }
        tracing::debug!(gap = ?state.gap, ?wait, "the target asks to be asked more slowly");
    }

    /// The target answered. `unix_now` is the second in which it did, for headers that name one.
    pub fn answered(&self, headers: &HeaderMap, unix_now: i64) {
        let mut state = self.shared.state();
        state.gap = state.gap.mul_f64(0.9);
        if state.gap < NO_GAP {
            state.gap = Duration::ZERO;
        }
        let number = |name: &Option<HeaderName>| -> Option<u64> {
            headers.get(name.as_ref()?)?.to_str().ok()?.trim().parse().ok()
        };
        let (Some(0), Some(reset)) = (number(&self.shared.remaining), number(&self.shared.reset))
        else {
            return;
        };
        let wait = match reset > LONGEST_WAIT {
            true => reset.saturating_sub(u64::try_from(unix_now).unwrap_or(0)),
            false => reset,
        };
        if wait <= LONGEST_WAIT
            && let Some(until) = Instant::now().checked_add(Duration::from_secs(wait))
        {
            state.paused_until = state.paused_until.max(Some(until));
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("windows", &self.shared.windows.len())
            .field("free_slots", &self.shared.slots.as_ref().map(|slots| slots.available_permits()))
            .field("gap", &self.shared.state().gap)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the request costs, and says from when on it may go.
    fn reserve(&self, class: &RequestClass<'_>) -> (Reservation<'_>, Instant) {
        let mut state = self.state();
        let now = Instant::now();
        let mut ready = now;
        let mut taken = Vec::new();
        for (i, window) in self.windows.iter().enumerate() {
            let weight = cost(window, class);
            if weight == 0 {
                continue;
            }
            let weight = f64::from(u32::try_from(weight).unwrap_or(u32::MAX));
            let owner = match window.each_resource {
                true => class.resource.unwrap_or_default().to_owned(),
                false => String::new(),
            };
            let (capacity, rate) = shape(window);
            let key = (i, owner);
            let full = Bucket { tokens: capacity, at: now };
            let bucket = state.buckets.entry(key.clone()).or_insert(full);
            let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
            bucket.tokens = (bucket.tokens + refill).min(capacity) - weight;
            bucket.at = now;
            if bucket.tokens < 0.0 {
                let debt = Duration::try_from_secs_f64(-bucket.tokens / rate);
                ready = ready.max(now + debt.unwrap_or(window.per));
            }
            taken.push((key, weight));
        }
        if state.gap > Duration::ZERO {
            let slot = state.next.map_or(now, |next| next.max(now));
            state.next = Some(slot + state.gap);
            ready = ready.max(slot);
        }
        if state.buckets.len() > MANY_BUCKETS {
            let windows = &self.windows;
            state.buckets.retain(|(i, _), bucket| {
                let (capacity, rate) = shape(&windows[*i]);
                let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
                bucket.tokens + refill < capacity
            });
        }
        drop(state);
        (Reservation { shared: self, taken }, ready)
    }
}

/// What the request costs in this window; 0 when it does not belong there.
fn cost(window: &Window, class: &RequestClass<'_>) -> usize {
    let endpoint = class.endpoint.trim_matches('/');
    let belongs = (window.endpoints.is_empty()
        || window.endpoints.iter().any(|known| known.eq_ignore_ascii_case(endpoint)))
        && (window.actions.is_empty() || window.actions.contains(&class.action))
        && window.body_over.is_none_or(|bytes| class.bytes > bytes as usize)
        && window.body_up_to.is_none_or(|bytes| class.bytes <= bytes as usize);
    match (belongs, window.counts) {
        (false, _) => 0,
        (true, Counts::Requests) => 1,
        (true, Counts::Operations) => class.operations.max(1),
        (true, Counts::AddedMembers) => class.added_members,
    }
}

#[cfg(test)]
mod tests;
