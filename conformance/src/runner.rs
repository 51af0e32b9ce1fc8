//! A run: ask what the target is, try what it can do, run the checks, remove what they created, draw the conclusion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::capability::Capabilities;
use crate::check::{Check, Failure, Stop, Verdict};
use crate::clock;
use crate::context::{Answer, Cx};
use crate::evidence::{Exchange, quoted};
use crate::observer::Observer;
use crate::profile::Profile;
use crate::report::{Conclusion, Counts, Ended, FORMAT, Leftover, Outcome, Report};
use crate::run::Run;
use crate::served::Served;
use crate::suite::Suite;
use crate::sweep;
use crate::target::Target;

/// So many checks in a row without a single answer: the target is gone, and waiting for the others helps nobody.
const GIVE_UP_AFTER: usize = 8;

/// Ends a run early. Clones share one trigger.
#[derive(Clone, Debug)]
pub struct Interrupt {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Interrupt {
    /// Not yet triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the runs that listen to it.
    pub fn trigger(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it was triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        *self.sender.borrow()
    }

    pub(crate) async fn triggered(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        drop(receiver.wait_for(|triggered| *triggered).await);
    }
}

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
    match Run::new(target, suite.profile, report.seed, suite.read_only) {
        Ok(run) => Runner { suite, run: Arc::new(run), report: &mut report, observer }.go().await,
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
        let found = async { Ok(Capabilities::find(&cx, suite.timeout).await) };
        match self.unless_interrupted(found).await {
            Ok(capabilities) => run.learn_capabilities(capabilities),
            Err(why) => self.report.why = Some(why),
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
        self.report.leftovers.extend(sweep::clean(&run, &run.ledger).await);
        if !run.read_only && run.answers() > 0 {
            let swept = sweep::by_marker(&run, Some(run.seed), true, run.has_lost_track()).await;
            self.report.leftovers.extend(swept.left);
        }
    }

    async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        tokio::select! {
            result = work => result,
            () = self.suite.interrupt.triggered() => Err("interrupted".to_owned()),
        }
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
            while under_way.len() < jobs && *silent < GIVE_UP_AFTER {
                if self.suite.interrupt.is_triggered() {
                    break;
                }
                let Some(check) = queue.next() else { break };
                self.observer.starts(check);
                under_way.push(run_one(self.suite, Arc::clone(&self.run), *check));
            }
            let Some(done) = under_way.next().await else { break };
            *silent = if done.silent { *silent + 1 } else { 0 };
            self.report.leftovers.extend(done.leftovers);
            self.observer.ended(&done.outcome);
            self.report.checks.push(done.outcome);
        }
        if self.suite.interrupt.is_triggered() {
            self.report.why = Some("interrupted".to_owned());
        }
        for check in queue {
            let why = match self.report.why {
                Some(_) => "the run was interrupted",
                None => "not tried: the target has stopped answering",
            };
            let outcome = Outcome::of(check, Ended::Broken, why);
            self.observer.ended(&outcome);
            self.report.checks.push(outcome);
        }
    }
}

struct Done {
    outcome: Outcome,
    leftovers: Vec<Leftover>,
    /// It sent requests and had no answer to any.
    silent: bool,
}

async fn run_one(suite: &Suite, run: Arc<Run>, check: Check) -> Done {
    let started = Instant::now();
    let needs = check.writes.then_some(&crate::check::Need::Write);
    let lacks =
        needs.into_iter().chain(check.needs).find_map(|n| run.capabilities().lacks(*n, &run));
    if let Some(reason) = lacks {
        let outcome = Outcome::of(&check, Ended::Skipped, run.secrets.tell(&reason));
        return Done { outcome, leftovers: Vec::new(), silent: false };
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
        () = tokio::time::sleep(suite.timeout) => {
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
    let leftovers = sweep::clean(&run, &cx.ledger).await;
    let mut outcome = weigh(suite.profile, &check, verdict, &cx, suite.keep_evidence);
    outcome.duration_ms = duration_ms;
    for known in &suite.known {
        known.mark(&mut outcome);
    }
    Done { outcome, leftovers, silent }
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

/// Asks the target what it is. The error says why nothing can be checked.
pub(crate) async fn ask(run: &Arc<Run>, patience: Duration) -> Result<(), String> {
    let cx = Cx::of_run(Arc::clone(run), "ask");
    let asked = |path: &'static str| {
        let get = cx.get(path);
        async move {
            match tokio::time::timeout(patience, get).await {
                Ok(answer) => answer,
                Err(_) => Err(Stop::Broken(format!("no answer within {patience:?}"))),
            }
        }
    };
    let (config, types, schemas) =
        tokio::join!(asked("/ServiceProviderConfig"), asked("/ResourceTypes"), asked("/Schemas"));
    let body = |answer: &Result<Answer, Stop>| {
        let answer = answer.as_ref().ok().filter(|answer| answer.status() == 200)?;
        answer.json().filter(|json| json.is_object() || json.is_array()).cloned()
    };
    let (c, t, s) = (body(&config), body(&types), body(&schemas));
    run.learn_served(Served::read(c.as_ref(), t.as_ref(), s.as_ref()));
    let users = run.served().types().first().map_or("/Users", |kind| &kind.endpoint);
    let users = match tokio::time::timeout(patience, cx.get(users)).await {
        Ok(answer) => answer,
        Err(_) => Err(Stop::Broken(format!("no answer within {patience:?}"))),
    };
    let base = run.target.url("");
    let all = [&config, &types, &schemas, &users];
    if run.answers() == 0 {
        let why = all.iter().find_map(|answer| match answer {
            Err(Stop::Broken(text)) => Some(text.as_str()),
            _ => None,
        });
        return Err(format!("no answer from {base}: {}", why.unwrap_or("nothing could be sent")));
    }
    let statuses = || all.iter().filter_map(|answer| answer.as_ref().ok()).map(Answer::status);
    let refused = users.as_ref().is_ok_and(|answer| answer.status() == 401)
        || statuses().all(|status| matches!(status, 401 | 403));
    if refused {
        let credentials = if run.target.has_credentials() {
            "the credentials are refused"
        } else {
            "the target wants credentials, and the run has none"
        };
        let said = users.map_or_else(|_| "401".to_owned(), |answer| answer.summary());
        return Err(format!("{credentials}: {base} answered {said}"));
    }
    let speaks = c.is_some() || t.is_some() || s.is_some() || body(&users).is_some();
    if !speaks {
        let first = all.into_iter().find_map(|answer| answer.as_ref().ok());
        let said = first.map(Answer::summary).unwrap_or_default();
        return Err(format!(
            "nothing at {base} speaks SCIM: /ServiceProviderConfig answered {said}"
        ));
    }
    Ok(())
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
