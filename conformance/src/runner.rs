//! A run: ask what the target is, try what it can do, run the checks, remove what they created, draw the conclusion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::alive;
use crate::ask::ask;
use crate::capability::Capabilities;
use crate::check::{Check, Failure, Stop, Verdict};
use crate::clock;
use crate::context::Cx;
use crate::evidence::{Exchange, quoted};
use crate::observer::Observer;
use crate::pace::Pause;
use crate::profile::Profile;
use crate::report::{Conclusion, Counts, Ended, FORMAT, Leftover, NOT_TRIED, Outcome, Report};
use crate::run::Run;
use crate::suite::Suite;
use crate::sweep;
use crate::target::Target;

/// So many checks in a row without a single answer: the target is gone, and waiting for the others helps nobody.
const GIVE_UP_AFTER: usize = 8;

/// How long cleaning up waits for a target that limits how often it may be asked.
const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(60);

/// Why an interrupted run has no verdict.
const INTERRUPTED: &str = "interrupted";

pub(crate) async fn run(suite: &Suite, target: &Target, observer: &mut dyn Observer) -> Report {
    let started = Instant::now();
    let mut report = Report {
        format: FORMAT,
        tool: concat!("scim-conformance ", env!("CARGO_PKG_VERSION")).to_owned(),
        target: target.url(""),
        profile: suite.profile,
        seed: suite.seed.unwrap_or_else(rand::random),
        read_only: suite.read_only,
        started: clock::now(),
        duration_ms: 0,
        verdict: Conclusion::CouldNotRun,
        why: None,
        counts: Counts::default(),
        profiles: Vec::new(),
        capabilities: Vec::new(),
        problems: Vec::new(),
        checks: Vec::new(),
        leftovers: Vec::new(),
        known_from: suite.known.iter().map(|known| known.name().to_owned()).collect(),
        mended: Vec::new(),
    };
    let run = Run::new(
        target,
        suite.profile,
        report.seed,
        suite.read_only,
        suite.patience,
        &suite.interrupt,
    );
    match run {
        Ok(run) => {
            let (run, report) = (Arc::new(run), &mut report);
            Runner { suite, pauses: run.pacer.pauses(), run, report, observer }.go().await;
        }
        Err(error) => report.why = Some(error.to_string()),
    }
    report.duration_ms = millis(started);
    report.mended = suite.known.iter().flat_map(|known| known.mended(&report.checks)).collect();
    report.judge();
    observer.finished(&report);
    report
}

struct Runner<'a> {
    suite: &'a Suite,
    run: Arc<Run>,
    pauses: watch::Receiver<Option<Pause>>,
    report: &'a mut Report,
    observer: &'a mut dyn Observer,
}

impl Runner<'_> {
    async fn go(&mut self) {
        let (suite, run) = (self.suite, Arc::clone(&self.run));
        if let Err(why) = self.unless_interrupted(ask(&run, suite.timeout)).await {
            self.report.why = Some(run.secrets.tell(&why));
            return;
        }
        let cx = Cx::of_run(Arc::clone(&run), "probe");
        match self.unless_interrupted(Capabilities::find(&cx, suite.timeout)).await {
            Ok(capabilities) => run.learn_capabilities(capabilities),
            Err(why) => self.stop(why),
        }
        self.report.capabilities = run.capabilities().listed();
        for capability in &mut self.report.capabilities {
            capability.detail = run.secrets.tell(&capability.detail);
        }
        let problems = run.served().problems().iter();
        self.report.problems = problems.map(|problem| run.secrets.tell(problem)).collect();
        if self.report.why.is_none() {
            self.run_all().await;
        }
        self.observer.cleans_up();
        run.pacer.grant(CLEAN_UP_PATIENCE.min(suite.patience));
        let left = self.attend(clean_up(&run)).await;
        self.report.leftovers.extend(left);
    }

    /// Does some work, and tells the observer when the target asks for patience meanwhile.
    async fn attend<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                Ok(()) = self.pauses.changed() => self.tell_pause(),
            }
        }
    }

    fn tell_pause(&mut self) {
        let pause = self.pauses.borrow_and_update().clone();
        if let Some(Pause { wait, total, why }) = pause {
            self.observer.waits(wait, total, &why);
        }
    }

    async fn unless_interrupted<T>(
        &mut self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let interrupt = self.suite.interrupt.clone();
        self.attend(async {
            tokio::select! {
                result = work => result,
                () = interrupt.triggered() => Err(INTERRUPTED.to_owned()),
            }
        })
        .await
    }

    /// The run has no verdict; the first reason counts.
    fn stop(&mut self, why: impl Into<String>) {
        let why = self.run.secrets.tell(&why.into());
        self.report.why.get_or_insert(why);
    }

    async fn run_all(&mut self) {
        self.observer.begins(self.suite.checks.len());
        let (alone, together): (Vec<_>, Vec<_>) =
            self.suite.checks.iter().partition(|check| check.exclusive);
        let mut silent = 0;
        self.run_some(&together, self.suite.jobs, &mut silent).await;
        self.run_some(&alone, 1, &mut silent).await;
        let position =
            |outcome: &Outcome| self.suite.checks.iter().position(|check| check.id == outcome.id);
        self.report.checks.sort_by_key(position);
    }

    /// Runs checks, so many at a time. `silent` counts those in a row that had no answer.
    async fn run_some(&mut self, checks: &[&Check], jobs: usize, silent: &mut usize) {
        let mut queue = checks.iter().copied();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < jobs && self.report.why.is_none() && self.run.goes_on() {
                let Some(check) = queue.next() else { break };
                self.observer.starts(check);
                under_way.push(run_one(self.suite, Arc::clone(&self.run), *check));
            }
            let done = tokio::select! {
                done = under_way.next() => done,
                Ok(()) = self.pauses.changed() => {
                    self.tell_pause();
                    continue;
                }
            };
            let Some(done) = done else { break };
            *silent = if done.silent { *silent + 1 } else { 0 };
            if let Some(why) = done.gone {
                self.stop(format!("the target stopped answering at {}: {why}", done.outcome.id));
            } else if *silent >= GIVE_UP_AFTER {
                let last = &done.outcome.id;
                self.stop(format!(
                    "the target has stopped answering: {silent} checks in a row had no answer, the last of them {last}"
                ));
            }
            self.report.leftovers.extend(done.leftovers);
            self.observer.ended(&done.outcome);
            self.report.checks.push(done.outcome);
        }
        let rest = if self.suite.interrupt.is_triggered() {
            self.stop(INTERRUPTED);
            "the run was interrupted"
        } else if let Some(why) = self.run.pacer.gave_up() {
            self.stop(why);
            "the target answers no more requests for now"
        } else {
            "the target has stopped answering"
        };
        for check in queue {
            let outcome = Outcome::of(check, Ended::Broken, format!("{NOT_TRIED}{rest}"));
            self.observer.ended(&outcome);
            self.report.checks.push(outcome);
        }
    }
}

/// Removes what is known, and looks for what is not.
async fn clean_up(run: &Arc<Run>) -> Vec<Leftover> {
    let mut left = sweep::clean(run, &run.ledger).await;
    if !run.read_only && run.answers() > 0 {
        let thorough = run.has_lost_track();
        let mut tell = |_: &[(String, String)]| {};
        left.extend(sweep::by_marker(run, Some(run.seed), true, thorough, &mut tell).await.left);
    }
    left
}

struct Done {
    outcome: Outcome,
    leftovers: Vec<Leftover>,
    /// It sent requests and had no answer to any.
    silent: bool,
    /// The target answers nothing else either, and how that shows.
    gone: Option<String>,
}

async fn run_one(suite: &Suite, run: Arc<Run>, check: Check) -> Done {
    let started = Instant::now();
    let needs = check.writes.then_some(&crate::check::Need::Write);
    let lacks =
        needs.into_iter().chain(check.needs).find_map(|n| run.capabilities().lacks(*n, &run));
    if let Some(reason) = lacks {
        let outcome = Outcome::of(&check, Ended::Skipped, run.secrets.tell(&reason));
        return Done { outcome, leftovers: Vec::new(), silent: false, gone: None };
    }
    let cx = Arc::new(Cx::new(Arc::clone(&run), &tag(check.id)));
    let mut body = tokio::spawn({
        let cx = Arc::clone(&cx);
        async move { (check.body)(&cx).await }
    });
    let verdict = tokio::select! {
        ended = &mut body => ended.unwrap_or_else(|stopped| {
            Err(Stop::Broken(format!("the check itself went wrong: {stopped}")))
        }),
        () = run.pacer.elapse(suite.timeout) => {
            body.abort();
            Err(Stop::Broken(format!("it took longer than {:?}", suite.timeout)))
        }
        () = suite.interrupt.triggered() => {
            body.abort();
            Err(Stop::Broken("the run was interrupted".to_owned()))
        }
    };
    let silent = cx.evidence.len() > 0 && !cx.evidence.has_answer();
    let duration_ms = millis(started);
    let mut gone = None;
    if cx.evidence.ends_in_silence() && run.goes_on() {
        tokio::select! {
            alive = alive::probe(&run, suite.timeout) => gone = alive.err(),
            () = suite.interrupt.triggered() => {}
        }
    }
    if gone.is_some() {
        run.give_up();
    }
    let leftovers = if run.goes_on() {
        sweep::clean(&run, &cx.ledger).await
    } else {
        // All that is left is removed together, because the time for it is short.
        sweep::hand_over(&run, &cx.ledger).await;
        Vec::new()
    };
    let mut outcome = weigh(suite.profile, &check, verdict, &cx, suite.keep_evidence);
    outcome.duration_ms = duration_ms;
    for known in &suite.known {
        known.mark(&mut outcome);
    }
    Done { outcome, leftovers, silent, gone }
}

/// A few characters that tell checks apart in names: FNV-1a over the id.
fn tag(id: &str) -> String {
    let hash = id
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// What the end of a check's body counts for.
fn weigh(profile: Profile, check: &Check, verdict: Verdict, cx: &Cx, keep: bool) -> Outcome {
    let remarks = std::mem::take(&mut *cx.remarks());
    let mut warnings = remarks.warnings.into_iter();
    // Whatever the check makes of a refusal to answer now.
    let verdict = match remarks.untried {
        Some(why) if !matches!(verdict, Err(Stop::Skipped(_))) => Err(Stop::Broken(why)),
        _ => verdict,
    };
    let decided = match verdict {
        Err(Stop::Failed(failure)) => (Ended::Failed, Some(failure)),
        Err(Stop::Skipped(text)) => (Ended::Skipped, Some(Failure::new(text))),
        Err(Stop::Broken(text)) => (Ended::Broken, Some(Failure::new(text))),
        Ok(()) => match warnings.next() {
            Some(first) => (Ended::Warned, Some(first)),
            None => (Ended::Passed, None),
        },
    };
    let (ended, failure) = decided;
    let mut outcome = Outcome::of(check, ended, "");
    let tell = |text: String| cx.run.secrets.tell(&text);
    let notes = warnings.map(|warning| warning.message).chain(remarks.notes);
    outcome.notes = notes.map(tell).collect();
    if ended == Ended::Failed {
        outcome.deviates = true;
        outcome.result = match check.level {
            level if profile.decides(level) => Ended::Failed,
            crate::check::Level::Should => Ended::Warned,
            _ => Ended::Noted,
        };
    }
    let last = cx.evidence.len().checked_sub(1);
    let focus = failure.as_ref().and_then(|failure| failure.exchange).or(last);
    if let Some(failure) = failure {
        outcome.message = tell(failure.message);
        outcome.expected = failure.expected.map(tell);
        outcome.got = failure.got.map(tell);
    }
    if let Some(focus) = focus
        && (keep || !matches!(outcome.result, Ended::Passed | Ended::Skipped))
    {
        let (evidence, focus) = cx.evidence.take(focus);
        let shown = evidence.get(focus);
        outcome.curl = shown.map(|exchange| exchange.curl.clone());
        if shown.is_some_and(Exchange::request_is_cut) {
            let (url, id, seed) = (quoted(&cx.run.target.url("")), check.id, cx.run.seed);
            outcome.notes.push(format!(
                "the request is too long to be shown whole; `scim-conformance run {url} --only {id} --seed {seed}` sends it again"
            ));
        }
        (outcome.evidence, outcome.focus) = (evidence, Some(focus));
    }
    outcome
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
