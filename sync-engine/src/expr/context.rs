//! What an evaluation may ask, and what it gives.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{AttributeName, AttributeSet, AttributeValue};

/// The fuel of an evaluation unless the context says otherwise.
pub const DEFAULT_FUEL: u64 = 2_000_000;

/// The attributes of the object an expression is evaluated for. All of them: an expression over a part of an object, such as
/// the changed attributes only, would take the others as cleared.
pub trait Attributes {
    /// The values of `name`; empty where the attribute is absent.
    fn get(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]>;

    /// Whether the values are references to other objects, shown as their DNs.
    fn is_reference(&self, name: &AttributeName) -> bool {
        let _ = name;
        false
    }
}

impl Attributes for AttributeSet {
    fn get(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        Cow::Borrowed(Self::get(self, name))
    }
}

/// Values for `%Domain.Netbios%` and the like.
pub trait Parameters {
    /// The value of the parameter, where it is set.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Parameters for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        Self::get(self, name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// Where random numbers come from. `RandomString` makes passwords of them: outside of tests this must be the operating
/// system's generator.
pub trait Random {
    /// The next 64 bits, or nothing where this evaluation may use no random numbers, as in a preview.
    fn next(&self) -> Option<u64>;
}

impl<F: FnMut() -> u64> Random for RefCell<F> {
    fn next(&self) -> Option<u64> {
        // A source that calls itself is a mistake of the caller; no number is the answer that stops it.
        self.try_borrow_mut().ok().map(|mut source| source())
    }
}

/// No random numbers: `Guid`, `RandomNum` and `RandomString` fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRandom;

impl Random for NoRandom {
    fn next(&self) -> Option<u64> {
        None
    }
}

/// Asks the target whether a value is taken.
pub trait UniqueProbe {
    /// Whether another object of the target has `value`.
    ///
    /// # Errors
    ///
    /// The target could not be asked; the text says why.
    fn is_taken(&self, value: &AttributeValue) -> Result<bool, String>;
}

/// Everything an evaluation may know.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub(crate) attributes: &'a dyn Attributes,
    pub(crate) imported: Option<&'a dyn Attributes>,
    pub(crate) parameters: Option<&'a dyn Parameters>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) random: &'a dyn Random,
    pub(crate) unique: Option<&'a dyn UniqueProbe>,
    pub(crate) fuel: u64,
}

impl<'a> Context<'a> {
    /// A context with the object's attributes, the time and a source of random numbers, without the rest.
    #[must_use]
    pub fn new(attributes: &'a dyn Attributes, now: DateTime<Utc>, random: &'a dyn Random) -> Self {
        Self {
            attributes,
            imported: None,
            parameters: None,
            now,
            random,
            unique: None,
            fuel: DEFAULT_FUEL,
        }
    }

    /// What `ImportedValue` reads: the values as the connected system last confirmed them.
    #[must_use]
    pub fn imported(mut self, attributes: &'a dyn Attributes) -> Self {
        self.imported = Some(attributes);
        self
    }

    /// What `%name%` reads.
    #[must_use]
    pub fn parameters(mut self, parameters: &'a dyn Parameters) -> Self {
        self.parameters = Some(parameters);
        self
    }

    /// Whom `SelectUniqueValue` asks.
    #[must_use]
    pub fn unique(mut self, probe: &'a dyn UniqueProbe) -> Self {
        self.unique = Some(probe);
        self
    }

    /// The most an evaluation may do: about one unit for each node and for each byte made or searched.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }
}

/// What an expression gives for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These values; never empty.
    Values(Vec<AttributeValue>),
    /// No value: the next flow of lower precedence may give one, and without any the attribute is cleared.
    Null,
    /// No value, and no other flow may give one either.
    AuthoritativeNull,
    /// As if the flow were not there: the target keeps what it has.
    Ignore,
    /// Values that logs must show as `[Redact]`.
    Redacted(Vec<AttributeValue>),
}

impl Outcome {
    /// The values; empty where there are none.
    #[must_use]
    pub fn values(&self) -> &[AttributeValue] {
        match self {
            Self::Values(values) | Self::Redacted(values) => values,
            Self::Null | Self::AuthoritativeNull | Self::Ignore => &[],
        }
    }
}
