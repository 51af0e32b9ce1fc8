//! The functions: what each is called, what it takes and gives, and what it does.

mod certificate;
mod convert;
mod date;
mod directory;
mod flow;
mod math;
mod multi;
mod random;
mod replace;
mod text;

pub(crate) use replace::mode as replace_mode;

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::Dialect;
use super::ast::{Call, NodeKind};
use super::error::{Fault, Given};
use super::eval::Env;
use super::types::Kind;
use super::value::{self, Value};
use crate::AttributeValue;

/// One function of one dialect.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// How many of the last parameters may be repeated, as a group.
    pub(crate) repeat: usize,
    pub(crate) returns: Returns,
    pub(crate) apply: Apply,
    /// One line for the reference.
    pub(crate) summary: &'static str,
    /// Expressions over the sample object of the reference, and what they give.
    pub(crate) examples: &'static [(&'static str, &'static str)],
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) want: Want,
    pub(crate) required: bool,
}

pub(crate) const fn req(name: &'static str, want: Want) -> Param {
    Param { name, want, required: true }
}

pub(crate) const fn opt(name: &'static str, want: Want) -> Param {
    Param { name, want, required: false }
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Text,
    Number,
    Boolean,
    Date,
    Binary,
    Reference,
    /// DER bytes, or Base64 or PEM text.
    Certificate,
    /// One value of any kind.
    Scalar,
    /// Whatever is given, as it is.
    Any,
    /// All values of an attribute.
    List,
    /// Something that is true or false; a comparison may stand here in either dialect.
    Condition,
    /// One word of a list.
    Word(&'static [&'static str]),
    /// One text of a list, where it is a constant.
    OneOf(&'static [&'static str]),
    /// The name of a culture.
    Culture,
    /// A comma-separated list of .NET's `DateTimeStyles`.
    Styles,
    /// A .NET regular expression.
    Pattern,
    /// A constant text.
    Name,
    /// A variable that the arguments after it may use.
    Variable,
}

impl Want {
    /// Whether the function is applied to each value where there are several.
    pub(crate) fn each(self) -> bool {
        !matches!(self, Self::Any | Self::List | Self::Condition | Self::Name | Self::Variable)
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Text | Self::OneOf(_) | Self::Culture | Self::Styles | Self::Name => "text",
            Self::Pattern => "a regular expression",
            Self::Number => "a number",
            Self::Boolean => "True or False",
            Self::Date => "a date",
            Self::Binary => "bytes",
            Self::Reference => "a reference",
            Self::Certificate => "a certificate",
            Self::Scalar | Self::Any => "any value",
            Self::List => "a multi-valued attribute",
            Self::Condition => "a condition",
            Self::Word(_) => "one of its words",
            Self::Variable => "a variable",
        }
    }
}

/// What a function gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Returns {
    /// This kind: one value, or one for each where an argument has several.
    Each(Kind),
    /// One value of this kind, whatever the arguments.
    One(Kind),
    /// Several of this kind.
    Many(Kind),
    /// The type of that argument.
    Same(usize),
    /// One value of the kind of that argument.
    ItemOf(usize),
    /// What the body gives: the third argument.
    Body,
    /// Any of these arguments: from that one on, every so many.
    Among(usize, usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Apply {
    /// Its arguments are worked out first.
    Plain(fn(&mut Env<'_>, &Args<'_>) -> Given<Value>),
    /// It says itself which of its arguments are worked out.
    Special(Special),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Iif,
    SwitchKey,
    SwitchCondition,
    Coalesce,
    Select,
    Where,
    With,
    SelectUnique,
    ImportedValue,
    Contains,
}

impl Function {
    /// The parameter an argument belongs to.
    pub(crate) fn param(&self, argument: usize) -> Option<&'static Param> {
        let count = self.params.len();
        if argument < count {
            self.params.get(argument)
        } else if self.repeat > 0 {
            self.params.get(count - self.repeat + (argument - count) % self.repeat)
        } else {
            None
        }
    }

    pub(crate) fn least(&self) -> usize {
        self.params.iter().rposition(|param| param.required).map_or(0, |at| at + 1)
    }

    pub(crate) fn most(&self) -> usize {
        if self.repeat > 0 { usize::MAX } else { self.params.len() }
    }

    /// `Name(first, [second], ...)`.
    pub(crate) fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|p| if p.required { p.name.to_owned() } else { format!("[{}]", p.name) })
            .collect();
        let more = if self.repeat > 0 { ", ..." } else { "" };
        format!("{}({}{more})", self.name, params.join(", "))
    }
}

/// The functions of a dialect by topic, in the order of the reference.
pub(crate) fn topics(dialect: Dialect) -> [(&'static str, &'static [Function]); 9] {
    match dialect {
        Dialect::Provisioning => [
            ("Text", text::PROVISIONING),
            ("Replace", replace::PROVISIONING),
            ("Multi-valued", multi::PROVISIONING),
            ("Flow and tests", flow::PROVISIONING),
            ("Conversion", convert::PROVISIONING),
            ("Dates", date::PROVISIONING),
            ("Numbers", math::PROVISIONING),
            ("Random", random::PROVISIONING),
            ("Certificates", &[]),
        ],
        Dialect::Connect => [
            ("Text", text::CONNECT),
            ("Directory", directory::CONNECT),
            ("Multi-valued", multi::CONNECT),
            ("Flow and tests", flow::CONNECT),
            ("Conversion", convert::CONNECT),
            ("Dates", date::CONNECT),
            ("Numbers", math::CONNECT),
            ("Random", random::CONNECT),
            ("Certificates", certificate::CONNECT),
        ],
    }
}

/// Every function of a dialect.
pub(crate) fn all(dialect: Dialect) -> impl Iterator<Item = &'static Function> {
    topics(dialect).into_iter().flat_map(|(_, functions)| functions)
}

/// The function of that name. Names are case-sensitive; `GUID` is the one that Microsoft writes in two ways.
pub(crate) fn find(dialect: Dialect, name: &str) -> Option<&'static Function> {
    let name = if name == "GUID" && dialect == Dialect::Connect { "Guid" } else { name };
    all(dialect).find(|function| function.name == name)
}

/// The arguments of a call, worked out; a missing one is null.
pub(crate) struct Args<'v> {
    pub(crate) values: &'v [Value],
    pub(crate) call: &'v Call,
}

impl<'v> Args<'v> {
    pub(crate) fn value(&self, at: usize) -> &'v Value {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    /// Whether the argument stands in the text, whatever its value.
    pub(crate) fn given(&self, at: usize) -> bool {
        self.call.args.get(at).is_some_and(|node| !matches!(node.kind, NodeKind::Empty))
    }

    /// The one value of an argument, if any.
    pub(crate) fn one(&self, at: usize) -> Given<Option<&'v AttributeValue>> {
        match self.value(at) {
            Value::One(value) => Ok(Some(value)),
            Value::Many(values) => {
                Err(Fault::kind(format!("one value is needed here and there are {}", values.len()))
                    .at(at))
            }
            Value::Null | Value::AuthoritativeNull | Value::Ignore => Ok(None),
        }
    }

    fn read<T>(
        &self,
        at: usize,
        read: impl FnOnce(&'v AttributeValue) -> Given<T>,
    ) -> Given<Option<T>> {
        self.one(at)?.map(|value| read(value).map_err(|fault| fault.at(at))).transpose()
    }

    pub(crate) fn text(&self, at: usize) -> Given<Option<Cow<'v, str>>> {
        self.read(at, value::to_text)
    }

    /// The text, or nothing as the empty text.
    pub(crate) fn text_or_empty(&self, at: usize) -> Given<Cow<'v, str>> {
        Ok(self.text(at)?.unwrap_or_default())
    }

    pub(crate) fn number(&self, at: usize) -> Given<Option<i64>> {
        self.read(at, value::to_number)
    }

    /// The number, which must be there.
    pub(crate) fn need_number(&self, at: usize) -> Given<i64> {
        let missing = || Fault::value("a number is needed here and there is none").at(at);
        self.number(at)?.ok_or_else(missing)
    }

    pub(crate) fn boolean(&self, at: usize) -> Given<Option<bool>> {
        self.read(at, value::to_boolean)
    }

    pub(crate) fn date(&self, at: usize) -> Given<Option<DateTime<Utc>>> {
        self.read(at, value::to_date)
    }

    pub(crate) fn binary(&self, at: usize) -> Given<Option<&'v [u8]>> {
        self.read(at, |value| match value {
            AttributeValue::Binary(bytes) => Ok(bytes.as_slice()),
            other => Err(Fault::kind(format!("{} is not bytes", value::name_of(other)))),
        })
    }
}
