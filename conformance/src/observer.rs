//! Watching a run.

use std::time::Duration;

use crate::check::Check;
use crate::report::{Outcome, Report};

/// Told what happens during a run.
pub trait Observer: Send {
    /// The target has answered, and so many checks will run.
    fn begins(&mut self, checks: usize) {
        let _ = checks;
    }

    /// A check starts.
    fn starts(&mut self, check: &Check) {
        let _ = check;
    }

    /// A check has ended, and what it created is removed.
    fn ended(&mut self, outcome: &Outcome) {
        let _ = outcome;
    }

    /// The target asks for patience, and the run waits: how long, how long in all so far, and why.
    fn waits(&mut self, wait: Duration, total: Duration, why: &str) {
        let _ = (wait, total, why);
    }

    /// All checks have ended, or the run is broken off; what is left is being removed.
    fn cleans_up(&mut self) {}

    /// The run is over.
    fn finished(&mut self, report: &Report) {
        let _ = report;
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
