//! Expectations that explain themselves: each names the rule, what it asks for and what came.

use serde::Serialize;

use crate::check::{Failure, Stop, Verdict};
use crate::context::{Answer, Cx};

/// A value waiting to be compared.
#[derive(Debug)]
#[must_use = "an expectation does nothing until it is compared"]
pub struct Expect<T> {
    value: T,
    exchange: Option<usize>,
}

impl<T> Expect<T> {
    pub(crate) fn new(value: T, exchange: Option<usize>) -> Self {
        Self { value, exchange }
    }
}

impl<T: Serialize> Expect<T> {
    /// Has to be this value. The text says the rule: "add keeps the first e-mail and appends the second".
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn to_be(self, expected: T, rule: &str) -> Verdict
    where
        T: PartialEq,
    {
        let holds = self.value == expected;
        self.judge(holds, rule, || show(&expected))
    }

    /// Has to be something else.
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn not_to_be(self, other: T, rule: &str) -> Verdict
    where
        T: PartialEq,
    {
        let holds = self.value != other;
        self.judge(holds, rule, || format!("not {}", show(&other)))
    }

    /// Has to be one of these.
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn to_be_one_of(self, expected: &[T], rule: &str) -> Verdict
    where
        T: PartialEq,
    {
        let holds = expected.contains(&self.value);
        self.judge(holds, rule, || expected.iter().map(show).collect::<Vec<_>>().join(" or "))
    }

    /// Has to fulfil a condition, which `expected` puts into words: "a URL that ends in the id".
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn to_hold(self, holds: impl FnOnce(&T) -> bool, expected: &str, rule: &str) -> Verdict {
        let holds = holds(&self.value);
        self.judge(holds, rule, || expected.to_owned())
    }

    fn judge(self, holds: bool, rule: &str, expected: impl FnOnce() -> String) -> Verdict {
        if holds {
            return Ok(());
        }
        Err(Stop::Failed(Failure {
            message: rule.to_owned(),
            expected: Some(expected()),
            got: Some(show(&self.value)),
            exchange: self.exchange,
        }))
    }
}

impl Cx {
    /// A condition that has to hold. Prefer [`Cx::expect`], which shows what came.
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn ensure(&self, holds: bool, rule: &str) -> Verdict {
        if holds { Ok(()) } else { Err(Failure::new(rule).into()) }
    }

    /// A condition on an answer.
    ///
    /// # Errors
    /// [`Stop::Failed`], with that exchange as evidence.
    pub fn ensure_on(&self, answer: &Answer, holds: bool, rule: &str) -> Verdict {
        if holds {
            return Ok(());
        }
        Err(Stop::Failed(Failure {
            exchange: Some(answer.exchange()),
            got: Some(answer.summary()),
            ..Failure::new(rule)
        }))
    }

    /// The status has to be one of these.
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn expect_status(&self, answer: &Answer, statuses: &[u16]) -> Verdict {
        if statuses.contains(&answer.status()) {
            return Ok(());
        }
        let expected: Vec<_> = statuses.iter().map(u16::to_string).collect();
        Err(Stop::Failed(Failure {
            message: format!("the status is not {}", expected.join(" or ")),
            expected: Some(format!("status {}", expected.join(" or "))),
            got: Some(format!("status {}", answer.summary())),
            exchange: Some(answer.exchange()),
        }))
    }

    /// An error answer as RFC 7644 section 3.12 wants it: one of these statuses, a body with the Error schema and the
    /// same status as a string in it, and, where one is named, this `scimType`.
    ///
    /// # Errors
    /// [`Stop::Failed`].
    pub fn expect_scim_error(
        &self,
        answer: &Answer,
        statuses: &[u16],
        scim_type: Option<&str>,
    ) -> Verdict {
        self.expect_status(answer, statuses)?;
        let schemas = answer.list("schemas");
        self.expect_on(answer, schemas).to_hold(
            |found| found.iter().any(|uri| uri.as_str() == Some(scim_core::urn::ERROR)),
            scim_core::urn::ERROR,
            "an error body names the Error schema",
        )?;
        let status = answer.get("status");
        self.expect_on(answer, status).to_hold(
            |found| found.and_then(|v| v.as_str()) == Some(answer.status().to_string().as_str()),
            &format!("\"{}\"", answer.status()),
            "an error body repeats the HTTP status as a string",
        )?;
        match scim_type {
            None => Ok(()),
            Some(wanted) => self
                .expect_on(answer, answer.scim_type())
                .to_be(Some(wanted), "the error names its cause in scimType"),
        }
    }

    /// Ends the check as failed.
    ///
    /// # Errors
    /// Always [`Stop::Failed`].
    pub fn fail(&self, text: impl Into<String>) -> Verdict {
        Err(Failure::new(text).into())
    }

    /// Ends the check as failed, with an answer as evidence.
    ///
    /// # Errors
    /// Always [`Stop::Failed`].
    pub fn fail_on(&self, answer: &Answer, text: impl Into<String>) -> Verdict {
        self.ensure_on(answer, false, &text.into())
    }

    /// Ends the check without a judgement, because the target does not have what it is about.
    ///
    /// # Errors
    /// Always [`Stop::Skipped`].
    pub fn skip(&self, reason: impl Into<String>) -> Verdict {
        Err(Stop::Skipped(reason.into()))
    }

    /// Ends the check because its setup did not work.
    ///
    /// # Errors
    /// Always [`Stop::Broken`].
    pub fn broken(&self, reason: impl Into<String>) -> Verdict {
        Err(Stop::Broken(reason.into()))
    }
}

/// A value as JSON, long ones cut.
pub(crate) fn show(value: &impl Serialize) -> String {
    const MOST: usize = 1000;
    let text = serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    if text.len() <= MOST {
        return text;
    }
    let short: String = text.chars().take(MOST).collect();
    format!("{short}… ({} bytes in all)", text.len())
}
