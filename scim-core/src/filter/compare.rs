//! Comparing one value of a resource with the value of a filter, type by type.

use std::cmp::Ordering;

use memchr::memmem;
use serde_json::Number;

use super::CompareOp;
use super::instant::parse_instant;
use super::typed::{TypedComparison, TypedValue};
use crate::resource::Value;
use crate::text::TextRule;

/// Texts up to this length are searched in place; longer ones are worth a folded copy and a linear search.
const IN_PLACE: usize = 256;

impl TypedComparison {
    /// Whether this one value compares so, by this operator. A value of another type does not.
    pub(super) fn holds(&self, op: CompareOp, value: &Value) -> bool {
        match (&self.value, value) {
            (TypedValue::Text { key, .. }, Value::String(text)) => {
                text_holds(self.field.rule, op, text, key)
            }
            (TypedValue::Bool(wanted), Value::Bool(found)) => match op {
                CompareOp::Eq => wanted == found,
                CompareOp::Ne => wanted != found,
                _ => false,
            },
            (TypedValue::Integer(wanted), Value::Number(found)) => {
                order_holds(op, compare_integer(found, *wanted))
            }
            (TypedValue::Decimal(wanted), Value::Number(found)) => {
                order_holds(op, compare_decimal(found, *wanted))
            }
            (TypedValue::Instant(wanted), Value::String(text)) => match parse_instant(text) {
                Some(found) => order_holds(op, Some(found.cmp(wanted))),
                None => false,
            },
            _ => false,
        }
    }
}

fn order_holds(op: CompareOp, order: Option<Ordering>) -> bool {
    let Some(order) = order else { return false };
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

/// Compares by key. `key` is one already, so a text of ASCII needs no copy.
fn text_holds(rule: TextRule, op: CompareOp, text: &str, key: &str) -> bool {
    if rule == TextRule::Exact {
        return key_holds(op, text, key);
    }
    if !text.is_ascii() || (op == CompareOp::Co && text.len() > IN_PLACE) {
        return key_holds(op, &rule.key(text), key);
    }
    // Folding ASCII changes capital letters only, and a folded key has none of them.
    let (text, key) = (text.as_bytes(), key.as_bytes());
    match op {
        CompareOp::Eq => text.eq_ignore_ascii_case(key),
        CompareOp::Ne => !text.eq_ignore_ascii_case(key),
        CompareOp::Sw => text.len() >= key.len() && text[..key.len()].eq_ignore_ascii_case(key),
        CompareOp::Ew => {
            text.len() >= key.len() && text[text.len() - key.len()..].eq_ignore_ascii_case(key)
        }
        CompareOp::Co => {
            key.is_empty() || text.windows(key.len()).any(|part| part.eq_ignore_ascii_case(key))
        }
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
            let folded = text.iter().map(u8::to_ascii_lowercase);
            order_holds(op, Some(folded.cmp(key.iter().copied())))
        }
    }
}

fn key_holds(op: CompareOp, text: &str, key: &str) -> bool {
    match op {
        CompareOp::Eq => text == key,
        CompareOp::Ne => text != key,
        CompareOp::Co => memmem::find(text.as_bytes(), key.as_bytes()).is_some(),
        CompareOp::Sw => text.starts_with(key),
        CompareOp::Ew => text.ends_with(key),
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
            order_holds(op, Some(text.cmp(key)))
        }
    }
}

/// Orders a number of a resource against a whole number, exactly.
fn compare_integer(found: &Number, wanted: i64) -> Option<Ordering> {
    if let Some(found) = found.as_i128() {
        return Some(found.cmp(&i128::from(wanted)));
    }
    compare_with_float(i128::from(wanted), found.as_f64()?).map(Ordering::reverse)
}

/// Orders a number of a resource against a double, exactly.
fn compare_decimal(found: &Number, wanted: f64) -> Option<Ordering> {
    if let Some(found) = found.as_i128() {
        return compare_with_float(found, wanted);
    }
    found.as_f64()?.partial_cmp(&wanted)
}

/// Orders a whole number of at most 64 bits against a double without rounding either.
fn compare_with_float(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Conversion saturates, which is right: the whole number has 64 bits.
    let truncated = float.trunc() as i128;
    Some(whole.cmp(&truncated).then_with(|| 0.0f64.total_cmp(&(float.fract() + 0.0))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_compare_without_rounding() {
        use Ordering::{Equal, Greater, Less};
        for (found, wanted, order) in [
            ("9007199254740993", 9_007_199_254_740_992, Greater),
            ("9223372036854775807", i64::MAX, Equal),
            ("18446744073709551615", i64::MAX, Greater),
            ("-0.0", 0, Equal),
            ("1.0", 1, Equal),
            ("0.5", 1, Less),
            ("-0.5", 0, Less),
            ("-1.5", -1, Less),
            ("1e300", i64::MAX, Greater),
            ("-1e300", i64::MIN, Less),
        ] {
            assert_eq!(compare_integer(&number(found), wanted), Some(order), "{found} {wanted}");
        }
        // 2^53 + 1 is no double: as one it would be equal.
        let wanted = 9_007_199_254_740_992.0;
        assert_eq!(compare_decimal(&number("9007199254740993"), wanted), Some(Greater));
        assert_eq!(compare_decimal(&number("5"), 5.5), Some(Less));
        assert_eq!(compare_decimal(&number("-5"), -5.5), Some(Greater));
        assert_eq!(compare_decimal(&number("175.6"), 175.6), Some(Equal));
    }

    #[test]
    fn long_texts_are_found_in() {
        let long = format!("{}Needle{}", "x".repeat(400), "y".repeat(400));
        assert!(text_holds(TextRule::Fold, CompareOp::Co, &long, "needle"));
        assert!(!text_holds(TextRule::Exact, CompareOp::Co, &long, "needle"));
        assert!(!text_holds(TextRule::Fold, CompareOp::Co, &long, "needles"));
    }

    proptest! {
        /// The way without copies says the same as the way through the keys.
        #[test]
        fn texts_compare_as_their_keys(text in "[aAbBkK\u{212a}éÉ ]{0,4}", wanted in "[aAbBkKéÉ]{0,3}") {
            for rule in [TextRule::Exact, TextRule::Fold, TextRule::UserName] {
                let key = rule.key(&wanted);
                for op in [
                    CompareOp::Eq, CompareOp::Ne, CompareOp::Co, CompareOp::Sw, CompareOp::Ew,
                    CompareOp::Gt, CompareOp::Ge, CompareOp::Lt, CompareOp::Le,
                ] {
                    let by_key = key_holds(op, &rule.key(&text), &key);
                    prop_assert_eq!(text_holds(rule, op, &text, &key), by_key, "{:?} {}", rule, op);
                }
            }
        }
    }
}
