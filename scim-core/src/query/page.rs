//! Pages: by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865).

use crate::error::Error;

/// Which page of the results is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageRequest {
    /// By position.
    Index {
        /// The 1-based index of the first result; values below 1 were read as 1.
        start: u64,
        /// At most so many results; negative values were read as 0. The server may return fewer.
        count: Option<u64>,
    },
    /// By cursor.
    Cursor {
        /// The `nextCursor` of the page before; `None` for the first page.
        cursor: Option<String>,
        /// At most so many results, the same on every page.
        count: Option<u64>,
    },
}

impl PageRequest {
    /// Puts the parameters together.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] when both `startIndex` and `cursor` are given (AMBIGUITIES 53).
    pub(super) fn new(
        start: Option<i64>,
        count: Option<i64>,
        cursor: Option<String>,
    ) -> Result<Self, Error> {
        let count = count.map(|count| u64::try_from(count).unwrap_or(0));
        match (start, cursor) {
            (Some(_), Some(_)) => Err(Error::value(
                "cursor",
                "it cannot be combined with startIndex; send one of the two",
            )),
            (None, Some(cursor)) => {
                Ok(Self::Cursor { cursor: Some(cursor).filter(|c| !c.is_empty()), count })
            }
            (start, None) => {
                let start = start.and_then(|s| u64::try_from(s).ok()).unwrap_or(1).max(1);
                Ok(Self::Index { start, count })
            }
        }
    }

    /// The requested page size.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Index { count, .. } | Self::Cursor { count, .. } => *count,
        }
    }
}

/// The first page by index, of the server's own size.
impl Default for PageRequest {
    fn default() -> Self {
        Self::Index { start: 1, count: None }
    }
}

/// Reads a whole number of a query string. Numbers beyond 64 bits are numbers too, and as good as the largest.
pub(super) fn read_number(parameter: &str, text: &str) -> Result<i64, Error> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_a_number(parameter));
    }
    Ok(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// Reads a whole number of a JSON body; `10.0` is one.
pub(super) fn read_json_number(parameter: &str, number: &serde_json::Number) -> Result<i64, Error> {
    if let Some(n) = number.as_i64() {
        return Ok(n);
    }
    if number.is_u64() {
        return Ok(i64::MAX);
    }
    match number.as_f64() {
        // The cast saturates, as intended.
        Some(n) if n.fract() == 0.0 => Ok(n as i64),
        _ => Err(not_a_number(parameter)),
    }
}

pub(super) fn not_a_number(parameter: &str) -> Error {
    Error::value(parameter, "it must be a whole number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-3", Some(-3)),
            ("007", Some(7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("1.5", None),
            ("+1", None),
            ("ten", None),
            ("1 ", None),
            ("٣", None),
        ] {
            assert_eq!(read_number("count", text).ok(), expected, "{text:?}");
        }
        for (text, expected) in [
            ("10", Some(10)),
            ("10.0", Some(10)),
            ("18446744073709551615", Some(i64::MAX)),
            ("1e300", Some(i64::MAX)),
            ("10.5", None),
        ] {
            let number = serde_json::from_str(text).unwrap();
            assert_eq!(read_json_number("count", &number).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn out_of_range_is_pulled_in() {
        assert_eq!(
            PageRequest::new(Some(-5), Some(-1), None),
            Ok(PageRequest::Index { start: 1, count: Some(0) })
        );
        assert_eq!(
            PageRequest::new(None, None, Some(String::new())),
            Ok(PageRequest::Cursor { cursor: None, count: None })
        );
        assert!(PageRequest::new(Some(1), None, Some(String::new())).is_err());
    }
}
