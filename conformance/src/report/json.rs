//! The report as JSON: what [`Report`] is, as `scim-conformance schema` describes it.

use serde::Deserialize;

use super::{FORMAT, Report};

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no JSON, or something else than a report.
    #[error("this is no report as `run --json` writes it: {0}")]
    NoReport(#[from] serde_json::Error),
    /// It is a report in a format of a later version.
    #[error("the report has format {0}, and this program knows those up to {FORMAT}")]
    Format(u32),
}

/// The report as JSON text.
///
/// # Errors
/// Where a value cannot be JSON, which no report of a run has.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}

/// Reads a report back, for a baseline or a comparison.
///
/// # Errors
/// [`ReadError`].
pub fn read(text: &str) -> Result<Report, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(text)?;
    if format > FORMAT {
        return Err(ReadError::Format(format));
    }
    Ok(serde_json::from_str(text)?)
}
