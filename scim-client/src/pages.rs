//! Walking through the pages of a list.

/// Why a walk through pages was stopped: going on would miss, repeat or never end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PagingError {
    /// The server gave a cursor that it had given before.
    #[error("the server gave the same cursor twice; its pages go round in a circle")]
    RepeatedCursor,
    /// A page held what an earlier page held.
    #[error("the server sent the same page again for startIndex {start_index}")]
    RepeatedPage {
        /// What was asked for.
        start_index: u64,
    },
}
