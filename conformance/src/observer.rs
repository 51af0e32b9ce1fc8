//! Watching a run.

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
