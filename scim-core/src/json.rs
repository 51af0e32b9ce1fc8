//! The one way from bytes to values: strict UTF-8, no duplicate names, bounded nesting.

use serde::de::DeserializeSeed;

use crate::error::Error;
use crate::limits::Limits;
use crate::resource::{Object, Value, ValueSeed};

/// Reads one JSON value.
///
/// # Errors
/// [`Error::InvalidSyntax`] with line and column when the bytes are no JSON, no UTF-8, hold the same member name
/// twice (in any letter case), a lone surrogate, something after the value, or nest too deeply.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Error::syntax(format!("the body is not UTF-8: byte {} is wrong", e.valid_up_to()))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = ValueSeed { depth: limits.json_depth }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|e| Error::syntax(format!("the body is not acceptable JSON: {e}")))?;
    Ok(value)
}

/// Reads one JSON object, which is what every SCIM body is.
///
/// # Errors
/// As [`parse`], and [`Error::InvalidSyntax`] when the value is not an object.
pub fn parse_object(bytes: &[u8], limits: &Limits) -> Result<Object, Error> {
    match parse(bytes, limits)? {
        Value::Object(object) => Ok(object),
        other => {
            Err(Error::syntax(format!("the body must be a JSON object, not {}", other.kind())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_json_forbids() {
        let limits = Limits::default();
        for bad in [
            &b"{\"a\":"[..],
            b"",
            b"{} {}",
            b"\xff",
            b"{\"a\":\"\xc3\x28\"}",
            br#"{"a":"\ud800"}"#,
            b"\xef\xbb\xbf{}",
            b"{\"a\":1,\"A\":2}",
            b"{'a':1}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
        ] {
            let error = parse_object(bad, &limits).unwrap_err();
            assert!(matches!(error, Error::InvalidSyntax { .. }), "{bad:?}: {error}");
        }
        assert!(parse_object(b"[]", &limits).is_err());
        assert!(parse_object(br#"{"a":"\u00e9"}"#, &limits).is_ok());
    }

    #[test]
    fn depth_is_a_limit_not_a_crash() {
        let limits = Limits::default();
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse_object(deep.as_bytes(), &limits).is_err());
    }
}
