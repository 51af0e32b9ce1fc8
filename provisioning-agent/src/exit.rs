//! How the program ends.

use std::process::ExitCode;

use scim_sync::cycle::Outcome;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Could not run: no directory, no target, a bad file.
    CouldNotRun,
    /// Some objects failed and are in escrow.
    SomeFailed,
    /// Stopped by the guard before the first write.
    Guard,
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
            Outcome::Done | Outcome::Stopped => Self::Done,
            Outcome::SomeFailed => Self::SomeFailed,
            Outcome::GuardStopped => Self::Guard,
            Outcome::CouldNotRun => Self::CouldNotRun,
        }
    }
}
