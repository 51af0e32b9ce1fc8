//! Where a connection stands, and until when it may stand there.
//!
//! Every connection has one meter. The socket, the request body, the handler's answer and the
//! answer's body report to it; the connection's task asks it for the one deadline that counts
//! now. A report costs an uncontended lock, so no request needs a timer of its own.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Deadlines, problem::Problem};

/// Bytes a second that a client must take of an answer, on the whole, once the first deadline for
/// it has passed. What the system buffers counts as taken, so this is no exact measure.
const SLOWEST_READER: u64 = 16 * 1024;

/// How long half a head may take to become whole after the signal to stop.
const HALF_HEAD_GRACE: Duration = Duration::from_secs(1);

/// The state of one connection against the clock.
#[derive(Debug)]
pub(super) struct Meter {
    deadlines: Deadlines,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    deadline: Instant,
    /// Of the request under way: when its body must be complete.
    body_by: Instant,
    /// Of the request under way: when its answer must begin.
    answer_by: Instant,
    /// When the answer began, and how much of it the socket took.
    answer_since: Instant,
    written: u64,
    /// The answer's body is all in the HTTP machinery's buffer.
    handed_over: bool,
    /// The client sent, or may still send, what nobody will read.
    unread: bool,
    /// The signal to stop has come.
    stopping: bool,
    /// The handler has to give way to this.
    overdue: Option<Problem>,
}

/// What the connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a head; on a new connection also its first byte.
    Head { begun: bool },
    /// The rest of a body.
    Body,
    /// The handler's answer.
    Handler,
    /// The client, to take the answer.
    Answer,
}

/// What a deadline that has come means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has not come; this is the one that counts now.
    NotYet(Instant),
    /// The handler's place answers with the problem; poll the connection.
    Answer,
    /// Close without a word: no request had begun.
    Close,
    /// Say so and close.
    Tell(Problem),
    /// The client takes nothing; drop it.
    Drop,
}

impl Meter {
    /// A meter for a connection that is new at `now`.
    pub(super) fn new(deadlines: Deadlines, now: Instant) -> Self {
        let deadline = now + deadlines.header;
        let state = State {
            phase: Phase::Head { begun: false },
            deadline,
            body_by: now,
            answer_by: deadline,
            answer_since: now,
            written: 0,
            handed_over: false,
            unread: false,
            stopping: false,
            overdue: None,
        };
        Self { deadlines, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is a few assignments, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The deadline that counts now.
    pub(super) fn deadline(&self) -> Instant {
        self.state().deadline
    }

    /// Judges the moment `now`.
    pub(super) fn judge(&self, now: Instant) -> Verdict {
        let mut state = self.state();
        if now < state.deadline {
            return Verdict::NotYet(state.deadline);
        }
        match state.phase {
            Phase::Idle | Phase::Head { begun: false } => Verdict::Close,
            Phase::Head { begun: true } => Verdict::Tell(Problem::SLOW_HEAD),
            Phase::Body | Phase::Handler => {
                let body = state.phase == Phase::Body;
                state.overdue = Some(if body { Problem::SLOW_BODY } else { Problem::SLOW_ANSWER });
                state.begin_answer(now, self.deadlines.write);
                Verdict::Answer
            }
            Phase::Answer => Verdict::Drop,
        }
    }

    /// The signal to stop has come: half a head has little time left.
    pub(super) fn stop(&self, now: Instant) {
        let mut state = self.state();
        state.stopping = true;
        if matches!(state.phase, Phase::Head { .. }) {
            state.deadline = state.deadline.min(now + HALF_HEAD_GRACE);
        }
    }

    /// Whether no request has begun.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self.state().phase, Phase::Idle | Phase::Head { begun: false })
    }

    /// Whether no handler has been asked yet: whatever is written now is the HTTP machinery's own.
    pub(super) fn is_before_handler(&self) -> bool {
        matches!(self.state().phase, Phase::Idle | Phase::Head { .. })
    }

    /// Until when the rest of a body may come that nobody will read; `None` where nothing is left.
    pub(super) fn unread_until(&self) -> Option<Instant> {
        let state = self.state();
        (state.unread || state.phase == Phase::Body).then_some(state.body_by)
    }

    /// Bytes came from the client.
    pub(super) fn on_read(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle => {
                state.phase = Phase::Head { begun: true };
                state.deadline = Instant::now() + self.deadlines.header;
            }
            // A new connection has had its deadline since it was accepted.
            Phase::Head { begun: false } => state.phase = Phase::Head { begun: true },
            _ => {}
        }
    }

    /// A head is complete.
    pub(super) fn on_head(&self, has_body: bool) {
        let now = Instant::now();
        let mut state = self.state();
        state.answer_by = now + self.deadlines.request;
        state.overdue = None;
        state.unread = has_body;
        if has_body {
            state.phase = Phase::Body;
            state.body_by = state.answer_by.min(now + self.deadlines.body);
            state.deadline = state.body_by;
        } else {
            state.phase = Phase::Handler;
            state.deadline = state.answer_by;
        }
    }

    /// The body is complete.
    pub(super) fn on_body(&self) {
        let mut state = self.state();
        state.unread = false;
        if state.phase == Phase::Body {
            state.phase = Phase::Handler;
            state.deadline = state.answer_by;
        }
    }

    /// Why the handler has to stop, if it has to.
    pub(super) fn overdue(&self) -> Option<Problem> {
        self.state().overdue
    }

    /// The answer begins; says whether it has to be the connection's last.
    pub(super) fn on_answer(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.begin_answer(now, self.deadlines.write);
        state.stopping
    }

    /// The answer's body is all in the buffer.
    pub(super) fn on_handed_over(&self) {
        self.state().handed_over = true;
    }

    /// The HTTP machinery refused a head by itself; what followed it stays unread.
    pub(super) fn on_refusal(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.unread = true;
        state.body_by = now;
        state.begin_answer(now, self.deadlines.write);
    }

    /// The socket took bytes.
    pub(super) fn on_write(&self, bytes: usize) {
        let mut state = self.state();
        if state.phase == Phase::Answer {
            state.written = state.written.saturating_add(bytes as u64);
            let earned = Duration::from_millis(state.written.saturating_mul(1000) / SLOWEST_READER);
            let stalls = Instant::now() + self.deadlines.write;
            state.deadline = stalls.min(state.answer_since + self.deadlines.write + earned);
        }
    }

    /// The buffer is empty.
    pub(super) fn on_flush(&self) {
        let mut state = self.state();
        if state.phase == Phase::Answer && state.handed_over {
            state.phase = Phase::Idle;
            state.deadline = Instant::now() + self.deadlines.idle;
        }
    }
}

impl State {
    fn begin_answer(&mut self, now: Instant, write: Duration) {
        self.phase = Phase::Answer;
        self.answer_since = now;
        self.written = 0;
        self.handed_over = false;
        self.deadline = now + write;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        header: Duration::from_secs(1),
        body: Duration::from_secs(2),
        request: Duration::from_secs(3),
        write: Duration::from_secs(4),
        idle: Duration::from_secs(5),
        drain: Duration::from_secs(6),
    };

    fn after(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn each_phase_ends_in_its_own_way() {
        let meter = Meter::new(DEADLINES, Instant::now());
        assert!(matches!(meter.judge(Instant::now()), Verdict::NotYet(_)));
        assert_eq!(meter.judge(after(2)), Verdict::Close, "a silent connection");

        meter.on_read();
        assert_eq!(meter.judge(after(2)), Verdict::Tell(Problem::SLOW_HEAD));

        meter.on_head(true);
        assert!(matches!(meter.judge(after(1)), Verdict::NotYet(_)));
        assert_eq!(meter.judge(after(3)), Verdict::Answer);
        assert_eq!(meter.overdue(), Some(Problem::SLOW_BODY));

        meter.on_head(true);
        meter.on_body();
        assert_eq!(meter.overdue(), None, "a new request starts anew");
        assert_eq!(meter.judge(after(4)), Verdict::Answer);
        assert_eq!(meter.overdue(), Some(Problem::SLOW_ANSWER));

        meter.on_answer();
        assert_eq!(meter.judge(after(5)), Verdict::Drop);
        meter.on_flush();
        assert!(!meter.is_between_requests(), "the body is not handed over yet");
        meter.on_handed_over();
        meter.on_flush();
        assert!(meter.is_between_requests());
        assert!(matches!(meter.judge(after(4)), Verdict::NotYet(_)));
        assert_eq!(meter.judge(after(6)), Verdict::Close, "an idle connection");
    }

    #[tokio::test]
    async fn a_reader_must_go_on_and_be_fast_enough_on_the_whole() {
        let begin = Instant::now();
        let meter = Meter::new(DEADLINES, begin);
        meter.on_head(false);
        meter.on_answer();
        // Far ahead of the slowest rate: only a stall ends it.
        meter.on_write(1024 * 1024);
        assert!(meter.deadline() >= begin + DEADLINES.write);
        assert_eq!(meter.judge(after(5)), Verdict::Drop);

        // Ten seconds on, two seconds' worth taken: the time is up although it still trickles.
        let meter = Meter::new(DEADLINES, begin);
        meter.on_head(false);
        meter.on_answer();
        meter.state().answer_since = begin - Duration::from_secs(10);
        meter.on_write(2 * 16 * 1024);
        assert_eq!(meter.judge(Instant::now()), Verdict::Drop);
        meter.on_write(10 * 16 * 1024);
        assert!(matches!(meter.judge(Instant::now()), Verdict::NotYet(_)));
    }

    #[tokio::test]
    async fn a_stop_shortens_only_heads() {
        let long = Deadlines { header: Duration::from_secs(60), ..DEADLINES };
        let meter = Meter::new(long, Instant::now());
        meter.on_read();
        meter.stop(Instant::now());
        assert_eq!(meter.judge(after(2)), Verdict::Tell(Problem::SLOW_HEAD));
        meter.on_head(false);
        let before = meter.deadline();
        meter.stop(Instant::now());
        assert_eq!(meter.deadline(), before);
    }

    #[tokio::test]
    async fn an_unread_body_is_remembered_after_the_answer() {
        let meter = Meter::new(DEADLINES, Instant::now());
        meter.on_head(true);
        meter.on_answer();
        meter.on_handed_over();
        meter.on_flush();
        let until = meter.unread_until().unwrap();
        assert!(until > after(1) && until <= after(2), "the body's own deadline");
        meter.on_head(true);
        meter.on_body();
        assert_eq!(meter.unread_until(), None);
        meter.on_refusal();
        assert!(meter.unread_until().unwrap() <= Instant::now(), "a bad head has no body");
    }
}
