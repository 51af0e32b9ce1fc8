//! For people: progress while checks run, and what came out.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indexmap::IndexMap;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::harmless;
use super::{Conclusion, Ended, Outcome, Report};
use crate::check::Check;
use crate::observer::Observer;
use crate::pace::shown;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless the environment has `NO_COLOR`.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

impl Color {
    /// Decides for an output that is a terminal or not.
    #[must_use]
    pub fn decide(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Shows progress: a bar on a terminal, a line a check otherwise.
pub struct Console {
    out: Box<dyn Write + Send>,
    bar: Option<ProgressBar>,
    is_terminal: bool,
    color: bool,
    /// How long the run had waited when that was last told.
    told_wait: Option<Duration>,
}

/// So much waiting between two lines about it.
const SELDOM: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("color", &self.color).finish_non_exhaustive()
    }
}

impl Console {
    /// On standard error, so that standard output keeps to the result.
    #[must_use]
    pub fn stderr() -> Self {
        Self::with_color(Color::Auto)
    }

    /// As [`Console::stderr`], with or without colours.
    #[must_use]
    pub fn with_color(color: Color) -> Self {
        let stderr = std::io::stderr();
        let is_terminal = stderr.is_terminal();
        let color = color.decide(is_terminal);
        Self { out: Box::new(stderr), bar: None, is_terminal, color, told_wait: None }
    }

    /// Plain lines into any writer.
    #[must_use]
    pub fn plain(out: impl Write + Send + 'static) -> Self {
        let out = Box::new(out);
        Self { out, bar: None, is_terminal: false, color: false, told_wait: None }
    }

    /// A line; where nobody reads them any more, the run still goes on.
    fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => drop(writeln!(self.out, "{text}")),
        }
    }
}

impl Observer for Console {
    fn begins(&mut self, checks: usize) {
        if !self.is_terminal {
            return self.line(&format!("{checks} checks"));
        }
        let length = u64::try_from(checks).ok();
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bar = Some(bar);
    }

    fn starts(&mut self, check: &Check) {
        if let Some(bar) = &self.bar {
            bar.set_message(check.id);
        }
    }

    fn ended(&mut self, outcome: &Outcome) {
        if !outcome.was_reached() {
            return;
        }
        let quiet = matches!(outcome.result, Ended::Passed | Ended::Skipped | Ended::Noted);
        if self.bar.is_none() || !quiet {
            let word = painted(outcome.result, self.color);
            let message = first_line(outcome.known.as_ref().unwrap_or(&outcome.message));
            let separator = if message.is_empty() { "" } else { ": " };
            self.line(&format!("{word} {}{separator}{message}", outcome.id));
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn waits(&mut self, wait: Duration, total: Duration, why: &str) {
        let (wait, so_far) = (shown(wait), shown(total));
        let text = format!("waiting {wait} ({so_far} in all): {}", first_line(why));
        if let Some(bar) = &self.bar {
            bar.set_message(text.clone());
        }
        // A limit of some requests a second makes many short pauses.
        if self.told_wait.is_none_or(|told| total >= told + SELDOM) {
            self.told_wait = Some(total);
            self.line(&text);
        }
    }

    fn cleans_up(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_message("removing what was created");
        }
    }

    fn finished(&mut self, _: &Report) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// More broken checks with one and the same reason are not shown one by one.
const SAME: usize = 3;

/// The result as text: what failed with its evidence, what is doubtful, what is left over, and last the verdict.
#[must_use]
pub fn summary(report: &Report, color: bool) -> String {
    let mut out = String::new();
    let of = |ended: Ended| report.checks.iter().filter(move |one| one.result == ended);
    for outcome in of(Ended::Failed) {
        out.push('\n');
        detail(&mut out, outcome, color);
    }
    // A setup that does not work breaks many checks in the same way.
    let mut broken: IndexMap<&str, Vec<&Outcome>> = IndexMap::new();
    for outcome in of(Ended::Broken).filter(|one| one.was_reached()) {
        broken.entry(&outcome.message).or_default().push(outcome);
    }
    for alike in broken.values() {
        let (shown, others) = alike.split_at(if alike.len() > SAME { 1 } else { alike.len() });
        for outcome in shown {
            out.push('\n');
            detail(&mut out, outcome, color);
        }
        if !others.is_empty() {
            let ids: Vec<_> = others.iter().map(|one| one.id.as_str()).collect();
            let (count, ids) = (ids.len(), ids.join(" "));
            put(&mut out, format_args!("  {:<9} {count} more: {ids}", "likewise"));
        }
    }
    if let Some((count, why)) = report.not_reached() {
        out.push('\n');
        put(&mut out, format_args!("{count} checks were not tried: {}", first_line(why)));
    }
    let doubtful: Vec<_> = of(Ended::Warned).chain(of(Ended::Known)).collect();
    if !doubtful.is_empty() {
        out.push('\n');
    }
    for outcome in doubtful {
        let word = painted(outcome.result, color);
        let why = outcome.known.as_ref().unwrap_or(&outcome.message);
        put(&mut out, format_args!("{word} {}: {}", outcome.id, first_line(why)));
    }
    if !report.mended.is_empty() {
        out.push('\n');
    }
    for mended in &report.mended {
        let (id, from) = (&mended.check, &mended.from);
        put(&mut out, format_args!("mended  {id}: it passes; take it off the list of {from}"));
    }
    if !report.problems.is_empty() {
        out.push('\n');
    }
    for problem in &report.problems {
        put(&mut out, format_args!("discovery: {problem}"));
    }
    if !report.leftovers.is_empty() {
        out.push('\n');
        for leftover in &report.leftovers {
            let (path, why) = (harmless(&leftover.path), first_line(&leftover.why));
            put(&mut out, format_args!("left over: {path} ({why})"));
        }
        put(&mut out, format_args!("`scim-conformance sweep {}` tries again", report.target));
    }
    let seconds = Duration::from_millis(report.duration_ms).as_secs_f64();
    let (target, seed) = (&report.target, report.seed);
    out.push('\n');
    put(&mut out, format_args!("{target} in {seconds:.1} s, seed {seed}"));
    let line = report.verdict_line();
    let code = match report.verdict {
        Conclusion::Conformant => "32",
        Conclusion::NotConformant | Conclusion::CouldNotRun => "31",
    };
    put(&mut out, format_args!("{}", paint(&line, code, color)));
    out
}

fn detail(out: &mut String, outcome: &Outcome, color: bool) {
    let word = painted(outcome.result, color);
    let clause = outcome.clause.first().map_or("", String::as_str);
    put(out, format_args!("{word} {} ({}, {clause})", outcome.id, outcome.level));
    let rows = [
        ("rule", Some(&outcome.reason)),
        ("what", Some(&outcome.message)),
        ("expected", outcome.expected.as_ref()),
        ("got", outcome.got.as_ref()),
        ("mend", (outcome.result == Ended::Failed).then_some(&outcome.mend)),
        ("repeat", outcome.curl.as_ref()),
    ];
    for (name, text) in rows {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            put(
                out,
                format_args!("  {name:<9} {}", harmless(text).replace('\n', "\n            ")),
            );
        }
    }
    for note in &outcome.notes {
        put(out, format_args!("  {:<9} {}", "note", first_line(note)));
    }
}

/// A line of its own.
fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    out.push_str(&line.to_string());
    out.push('\n');
}

fn painted(ended: Ended, color: bool) -> String {
    let code = match ended {
        Ended::Passed => "32",
        Ended::Failed | Ended::Broken => "31",
        Ended::Warned | Ended::Known => "33",
        Ended::Noted | Ended::Skipped => "2",
    };
    paint(&format!("{:<7}", ended.word()), code, color)
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn first_line(text: &str) -> String {
    harmless(text.lines().next().unwrap_or_default())
}
