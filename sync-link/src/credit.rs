//! How much of a body may still be sent.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::frame::{CRUMB, cost};

/// The sender's side of a window.
#[derive(Debug)]
pub(crate) struct Credit {
    left: Mutex<u64>,
    more: Notify,
}

impl Credit {
    pub(crate) fn new(window: u32) -> Self {
        Self { left: Mutex::new(u64::from(window)), more: Notify::new() }
    }

    /// The other side has room for more.
    pub(crate) fn add(&self, bytes: u32) {
        {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = left.saturating_add(u64::from(bytes));
        }
        self.more.notify_one();
    }

    /// How much of `wanted` may be sent now; waits for at least a crumb. For one waiter at a time.
    pub(crate) async fn take(&self, wanted: usize) -> usize {
        loop {
            if let Some(granted) = self.try_take(wanted) {
                return granted;
            }
            self.more.notified().await;
        }
    }

    pub(crate) fn try_take(&self, wanted: usize) -> Option<usize> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let room = usize::try_from(*left).unwrap_or(usize::MAX);
        if room < CRUMB {
            return None;
        }
        let granted = wanted.min(room);
        *left -= cost(granted) as u64;
        Some(granted)
    }
}

/// The receiver's side of a window: what the sender may still send, and what has been read since it was last told.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u64,
}

impl Allowance {
    pub(crate) fn new(window: u32) -> Self {
        Self { left: u64::from(window) }
    }

    /// Takes what a piece costs; `false` when the sender had no right to send it.
    #[must_use]
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(cost(bytes) as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    pub(crate) fn grant(&mut self, bytes: u32) {
        self.left = self.left.saturating_add(u64::from(bytes));
    }
}

/// What a reader has taken and not yet granted again: told in halves of the window, not for each piece.
#[derive(Debug)]
pub(crate) struct Regrant {
    read: u64,
    window: u32,
}

impl Regrant {
    pub(crate) fn new(window: u32) -> Self {
        Self { read: 0, window }
    }

    /// A piece was read; what to grant now, if it is worth a frame.
    pub(crate) fn read(&mut self, bytes: usize) -> Option<u32> {
        self.read += cost(bytes) as u64;
        if self.read * 2 < u64::from(self.window) {
            return None;
        }
        let grant = u32::try_from(self.read).unwrap_or(u32::MAX);
        self.read = 0;
        Some(grant)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Allowance, Credit, Regrant};

    proptest! {
        /// Both sides count the same: whatever is sent within the credit is allowed, and a reader that reads everything
        /// lets everything through.
        #[test]
        fn the_two_sides_agree(
            window in 4096_u32..20_000,
            wanted in proptest::collection::vec((1_usize..9000, any::<bool>()), 1..200),
        ) {
            let credit = Credit::new(window);
            let mut allowance = Allowance::new(window);
            let mut regrant = Regrant::new(window);
            let mut unread = std::collections::VecDeque::new();
            for (wanted, read_first) in wanted {
                let mut left = wanted;
                while left > 0 {
                    let granted = credit.try_take(left);
                    if let Some(granted) = granted {
                        prop_assert!(granted > 0 && granted <= left);
                        prop_assert!(allowance.spend(granted));
                        unread.push_back(granted);
                        left -= granted;
                    }
                    prop_assert!(granted.is_some() || !unread.is_empty(), "it stands still");
                    if granted.is_none() || read_first {
                        let Some(piece) = unread.pop_front() else { continue };
                        if let Some(bytes) = regrant.read(piece) {
                            allowance.grant(bytes);
                            credit.add(bytes);
                        }
                    }
                }
                prop_assert!(unread.iter().sum::<usize>() <= window as usize);
            }
        }
    }
}
