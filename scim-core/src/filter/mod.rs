//! Filters (RFC 7644 section 3.4.2.2).

/// Why a filter is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, column {column}: {detail}")]
pub struct FilterError {
    /// The column, counted in characters from 1.
    pub column: usize,
    /// What was expected, or what does not fit.
    pub detail: String,
}
