//! A place where whoever comes waits until the test lets them on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Beyond this nobody is held: a test that forgot its gate ends.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct State {
    reached: bool,
    open: bool,
}

/// A gate, closed to begin with.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes to the gate, and goes on when it is open.
    pub fn pass(&self) {
        let mut state = self.state();
        state.reached = true;
        let waits = |state: &mut State| !state.open;
        drop(self.changed.wait_timeout_while(state, PATIENCE, waits));
    }

    /// Whether somebody has come.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.state().reached
    }

    /// Lets on who waits and who comes.
    pub fn open(&self) {
        self.state().open = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::poll;

    #[test]
    fn who_comes_waits_until_it_is_open() {
        let gate = Arc::new(Gate::default());
        let passing = Arc::clone(&gate);
        let through = thread::spawn(move || passing.pass());
        let patience = Duration::from_secs(20);
        poll::until(patience, || if gate.reached() { Ok(()) } else { Err("nobody came") });
        assert!(!through.is_finished());
        gate.open();
        through.join().unwrap();
        gate.pass();
    }
}
