//! What is wrong with an expression, and where.

use std::fmt;
use std::sync::Arc;

use super::ast::Span;

/// How many characters of a line are drawn on either side of the place.
const WINDOW: usize = 60;

/// A place in the text of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
}

/// An expression that cannot be loaded: its grammar, a name or a type is wrong. Shown with the place drawn under the text.
#[derive(Clone, PartialEq, Eq)]
pub struct ExprError(Box<Told>);

/// An expression that could not be evaluated for one object. It concerns that object alone: other objects go on.
#[derive(Clone, PartialEq, Eq)]
pub struct EvalError {
    kind: EvalErrorKind,
    told: Box<Told>,
}

/// Why an evaluation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvalErrorKind {
    /// A value has a type the function cannot use.
    Type,
    /// A value is of the right type and still not usable, such as a text that is no date.
    Value,
    /// The evaluation took more than its fuel.
    OutOfFuel,
    /// A value would have become too large.
    TooLarge,
    /// The expression itself said so, with `Error("...")`.
    Raised,
    /// Every candidate of `SelectUniqueValue` is taken in the target.
    AllTaken,
    /// The engine did not give what the expression needs: a parameter, imported values, a target to probe.
    Missing,
}

#[derive(Clone, PartialEq, Eq)]
struct Told {
    message: String,
    mend: String,
    span: Span,
    text: Arc<str>,
}

impl ExprError {
    pub(super) fn new(
        text: &Arc<str>,
        span: Span,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self(Box::new(Told {
            message: message.into(),
            mend: mend.into(),
            span,
            text: Arc::clone(text),
        }))
    }

    /// What is wrong, in one sentence without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it; empty where there is nothing to add.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.0.mend
    }

    /// Where it is wrong.
    #[must_use]
    pub fn place(&self) -> Place {
        self.0.place()
    }

    /// The text of the place.
    #[must_use]
    pub fn marked(&self) -> &str {
        self.0.marked()
    }
}

impl EvalError {
    pub(super) fn new(kind: EvalErrorKind, text: &Arc<str>, span: Span, message: String) -> Self {
        let told = Told { message, mend: String::new(), span, text: Arc::clone(text) };
        Self { kind, told: Box::new(told) }
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> EvalErrorKind {
        self.kind
    }

    /// What went wrong, in one sentence without the place. An expression with `Redact` names no values here.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.told.message
    }

    /// Where in the expression.
    #[must_use]
    pub fn place(&self) -> Place {
        self.told.place()
    }

    /// The part of the expression that failed.
    #[must_use]
    pub fn marked(&self) -> &str {
        self.told.marked()
    }
}

impl Told {
    fn place(&self) -> Place {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            offset: self.span.start,
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn marked(&self) -> &str {
        self.text.get(self.span.start..self.span.end).unwrap_or_default()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        write!(f, "{} (line {}, column {})", self.message, place.line, place.column)?;
        let line = self.text.lines().nth(place.line - 1).unwrap_or_default();
        let skip = (place.column - 1).saturating_sub(WINDOW);
        let marked = self.marked().lines().next().unwrap_or_default().chars().count();
        let shown: String = line.chars().skip(skip).take(2 * WINDOW).collect();
        let room = (skip + 2 * WINDOW).saturating_sub(place.column - 1).max(1);
        // A tab before the place keeps its width when it is a tab in the second line too.
        let indent: String = line
            .chars()
            .skip(skip)
            .take(place.column - 1 - skip)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n  {shown}\n  {indent}{}", "^".repeat(marked.clamp(1, room)))?;
        if !self.mend.is_empty() {
            write!(f, "\n  {}", self.mend)?;
        }
        Ok(())
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExprError({self})")
    }
}

impl std::error::Error for ExprError {}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

impl fmt::Debug for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvalError({:?}: {self})", self.kind)
    }
}

impl std::error::Error for EvalError {}

/// A failure inside a function, before the place is known.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: EvalErrorKind,
    pub(crate) message: String,
    /// The value concerned, kept apart so that an expression with `Redact` can leave it out.
    pub(crate) value: Option<String>,
    /// The argument concerned, for the place.
    pub(crate) argument: Option<usize>,
    /// The place, once it is known: the innermost wins.
    pub(crate) span: Option<Span>,
}

/// What functions give.
pub(crate) type Given<T> = Result<T, Box<Fault>>;

impl Fault {
    pub(crate) fn new(kind: EvalErrorKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { kind, message: message.into(), value: None, argument: None, span: None })
    }

    pub(crate) fn value(message: impl Into<String>) -> Box<Self> {
        Self::new(EvalErrorKind::Value, message)
    }

    pub(crate) fn kind(message: impl Into<String>) -> Box<Self> {
        Self::new(EvalErrorKind::Type, message)
    }

    /// The same, showing the value it is about; cut, for a value may be long.
    pub(crate) fn about(mut self: Box<Self>, value: &str) -> Box<Self> {
        const SHOWN: usize = 40;
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push_str("...");
        }
        self.value = Some(shown);
        self
    }

    pub(crate) fn at(mut self: Box<Self>, argument: usize) -> Box<Self> {
        self.argument.get_or_insert(argument);
        self
    }
}
