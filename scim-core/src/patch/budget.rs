//! A bound on the work of one PATCH, so that a small request cannot make a large one of itself.
//!
//! A thousand operations may each touch a list of tens of thousands of elements, and one value may be set on every
//! element of such a list. Both are within the limits of a request's size, and neither is what a provisioning client
//! sends.

use crate::{Error, Value};

/// What the attributes that operations touch may weigh together, counted once for each operation: about a second of
/// work. A thousand additions to a list that ends with a thousand elements take a third of it.
const WORK: usize = 64 << 20;
/// What all copies of one operation's value may weigh: as much as four of the largest bodies.
const COPIES: usize = 16 << 20;

/// What is left of the work that one PATCH may cause.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(WORK)
    }

    /// Pays for an operation that left this value behind.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when nothing is left.
    pub(super) fn spend(&mut self, touched: &Value) -> Result<(), Error> {
        self.0 = self.0.checked_sub(weight(touched)).ok_or_else(|| Error::TooLarge {
            detail:
                "the operations together touch more than one request may; split them over several"
                    .to_owned(),
        })?;
        Ok(())
    }
}

/// Refuses a value that is to be copied too often for its size.
///
/// # Errors
/// [`Error::TooLarge`].
pub(super) fn copies(value: &Value, times: usize) -> Result<(), Error> {
    if times > 1 && weight(value).saturating_mul(times) > COPIES {
        let detail =
            "the value is too large to be set on every element that the filter selects".to_owned();
        return Err(Error::TooLarge { detail });
    }
    Ok(())
}

/// About the bytes of a value in memory.
fn weight(value: &Value) -> usize {
    16 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(object) => object.iter().map(|(_, member)| weight(member)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_adds_up_and_copies_multiply() {
        let list = Value::from(vec![Value::from("x".repeat(1 << 20)); 15]);
        let mut budget = Budget::new();
        for _ in 0..4 {
            budget.spend(&list).unwrap();
        }
        assert!(matches!(budget.spend(&list), Err(Error::TooLarge { .. })));
        let text = Value::from("x".repeat(1 << 20));
        assert!(copies(&text, 1).is_ok() && copies(&text, 15).is_ok());
        assert!(matches!(copies(&text, 16), Err(Error::TooLarge { .. })));
        assert!(copies(&list, 1).is_ok(), "one copy is the request itself");
    }
}
