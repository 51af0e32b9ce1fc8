//! How the program ends.

use std::process::ExitCode;

use scim_sync::cycle::Outcome;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Could not run, or not to the end: no directory, no target, a bad file, told to stop.
    CouldNotRun,
    /// Some objects failed and are in escrow.
    SomeFailed,
    /// Stopped by the guard before the first write.
    Guard,
    /// The service itself says that it does not want this agent: revoked, expired, or too old. Starting again changes nothing.
    Unwanted,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CouldNotRun => 1,
            Self::SomeFailed => 2,
            Self::Guard => 3,
            Self::Unwanted => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::SomeFailed => Self::SomeFailed,
            Outcome::GuardStopped => Self::Guard,
            // What was stopped half-way is not done.
            Outcome::Stopped | Outcome::CouldNotRun => Self::CouldNotRun,
        }
    }
}
