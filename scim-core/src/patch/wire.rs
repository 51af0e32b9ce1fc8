//! PATCH messages: reading, building and writing them (RFC 7644 section 3.5.2).

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::path::{PatchPath, in_path};
use crate::error::Error;
use crate::limits::Limits;
use crate::name::urn;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Adds a value, or sets it where there can be only one (RFC 7644 section 3.5.2.1).
    Add,
    /// Takes values away (RFC 7644 section 3.5.2.2).
    Remove,
    /// Puts a value in the place of another (RFC 7644 section 3.5.2.3).
    Replace,
}

impl Op {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Remove => "remove",
            Op::Replace => "replace",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Op::Add, Op::Remove, Op::Replace]
            .into_iter()
            .find(|op| op.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One operation of a PATCH message.
///
/// A value that is absent and a value that is `null` are different things: the first is a malformed `add` or
/// `replace`, the second unassigns (RFC 7643 section 2.5).
#[derive(Clone, PartialEq)]
pub struct Operation {
    /// What to do.
    pub op: Op,
    /// Where; the whole resource when absent.
    pub path: Option<PatchPath>,
    /// With what.
    pub value: Option<Value>,
}

/// Never shows the value: it may be a password under any path.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op)?;
        if let Some(path) = &self.path {
            write!(f, " {path}")?;
        }
        match &self.value {
            Some(value) => write!(f, " ({})", value.kind()),
            None => Ok(()),
        }
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = 1 + usize::from(self.path.is_some()) + usize::from(self.value.is_some());
        let mut operation = serializer.serialize_struct("Operation", members)?;
        operation.serialize_field("op", self.op.as_str())?;
        if let Some(path) = &self.path {
            operation.serialize_field("path", &path.to_string())?;
        }
        if let Some(value) = &self.value {
            operation.serialize_field("value", value)?;
        }
        operation.end()
    }
}

/// A PATCH message: operations that are applied in order, all or none.
///
/// ```
/// use scim_core::patch::Patch;
/// let patch = Patch::new()
///     .replace("name.familyName".parse()?, "King")
///     .remove("emails[type eq \"home\"]".parse()?);
/// assert_eq!(patch.operations().len(), 2);
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Patch {
    operations: Vec<Operation>,
}

impl Patch {
    /// A message without operations, to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the body of a PATCH request.
    ///
    /// Member names and `op` are taken in any letter case, members that the RFC does not name are ignored.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when the message has not the form of RFC 7644 section 3.5.2, [`Error::TooLarge`] when
    /// it has more operations than the limit, [`Error::InvalidPath`] for a malformed path.
    pub fn from_object(
        message: Object,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, Error> {
        let mut operations = None;
        let mut schemas = None;
        for (name, value) in message {
            if name.eq_ignore_ascii_case("Operations") {
                operations = Some(value);
            } else if name.eq_ignore_ascii_case("schemas") {
                schemas = Some(value);
            }
        }
        check_schemas(schemas.as_ref(), leniency)?;
        let items = match operations {
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(Value::Array(_)) => {
                return Err(Error::syntax(
                    "Operations: the array is empty; give at least one operation",
                ));
            }
            None | Some(Value::Null) => {
                return Err(Error::syntax(
                    "Operations is missing; give an array of at least one operation",
                ));
            }
            Some(other) => {
                return Err(Error::syntax(format!(
                    "Operations must be an array of operations, not {}",
                    other.kind()
                )));
            }
        };
        if items.len() > limits.patch_operations {
            return Err(Error::TooLarge {
                detail: format!(
                    "Operations: {} are more than the limit of {} in one PATCH request; send several requests",
                    items.len(),
                    limits.patch_operations
                ),
            });
        }
        let operations = items
            .into_iter()
            .enumerate()
            .map(|(i, item)| read_operation(i, item, limits, leniency))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { operations })
    }

    /// The operations, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether there is nothing to do. Such a message may not be sent.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Appends an operation.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Appends an `add`.
    #[must_use]
    pub fn add(self, path: PatchPath, value: impl Into<Value>) -> Self {
        self.with(Op::Add, path, Some(value.into()))
    }

    /// Appends a `replace`.
    #[must_use]
    pub fn replace(self, path: PatchPath, value: impl Into<Value>) -> Self {
        self.with(Op::Replace, path, Some(value.into()))
    }

    /// Appends a `remove`.
    #[must_use]
    pub fn remove(self, path: PatchPath) -> Self {
        self.with(Op::Remove, path, None)
    }

    /// Appends a `replace` when there is a value and a `remove` when there is none.
    #[must_use]
    pub fn set<V: Into<Value>>(self, path: PatchPath, value: Option<V>) -> Self {
        match value {
            Some(value) => self.replace(path, value),
            None => self.remove(path),
        }
    }

    fn with(mut self, op: Op, path: PatchPath, value: Option<Value>) -> Self {
        self.operations.push(Operation { op, path: Some(path), value });
        self
    }
}

impl FromIterator<Operation> for Patch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self { operations: operations.into_iter().collect() }
    }
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut message = serializer.serialize_struct("Patch", 2)?;
        message.serialize_field("schemas", &[urn::PATCH_OP])?;
        message.serialize_field("Operations", &self.operations)?;
        message.end()
    }
}

/// `schemas` of the message: the URI of PATCH messages and nothing else (AMBIGUITIES 26).
fn check_schemas(schemas: Option<&Value>, leniency: &mut Leniency) -> Result<(), Error> {
    let uris = schemas.map(Value::values).unwrap_or_default();
    if uris.is_empty() {
        if leniency.allows(Tolerance::MessageWithoutSchemas, "schemas") {
            return Ok(());
        }
        return Err(Error::syntax(format!(
            "schemas is missing; it must be [\"{}\"]",
            urn::PATCH_OP
        )));
    }
    let listed = matches!(schemas, Some(Value::Array(_)));
    let ours = |uri: &Value| uri.as_str().is_some_and(|u| u.eq_ignore_ascii_case(urn::PATCH_OP));
    if listed && uris.iter().all(ours) {
        Ok(())
    } else {
        Err(Error::syntax(format!("schemas of a PATCH request must be [\"{}\"]", urn::PATCH_OP)))
    }
}

fn read_operation(
    i: usize,
    item: Value,
    limits: &Limits,
    leniency: &mut Leniency,
) -> Result<Operation, Error> {
    let Value::Object(members) = item else {
        return Err(Error::syntax(format!(
            "Operations[{i}] must be an object, not {}",
            item.kind()
        )));
    };
    let (mut op, mut path, mut value) = (None, None, None);
    for (name, member) in members {
        if name.eq_ignore_ascii_case("op") {
            op = Some(member);
        } else if name.eq_ignore_ascii_case("path") {
            path = Some(member);
        } else if name.eq_ignore_ascii_case("value") {
            value = Some(member);
        }
    }
    let op = match op {
        Some(Value::String(word)) => Op::parse(&word),
        _ => None,
    };
    let Some(op) = op else {
        return Err(Error::syntax(format!(
            "Operations[{i}].op must be \"add\", \"remove\" or \"replace\""
        )));
    };
    let path = match path {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let path = PatchPath::parse_for(op, &text, limits, leniency)
                .map_err(|e| Error::path(format_args!("Operations[{i}].path"), in_path(&e)))?;
            Some(path)
        }
        Some(other) => {
            return Err(Error::path(
                format_args!("Operations[{i}].path"),
                format!("must be a string, not {}", other.kind()),
            ));
        }
    };
    Ok(Operation { op, path, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn read(text: &str, profile: Profile) -> Result<Patch, Error> {
        let limits = Limits { patch_operations: 2, ..Limits::default() };
        let message = crate::json::parse_object(text.as_bytes(), &limits)?;
        Patch::from_object(message, &limits, &mut Leniency::new(profile))
    }

    #[test]
    fn names_and_words_are_taken_in_any_case() {
        let patch = read(
            r#"{"id":"x","SCHEMAS":["urn:ietf:params:scim:api:messages:2.0:patchop"],
                "operations":[{"OP":"Replace","Path":"active","VALUE":false,"name":"x"}]}"#,
            Profile::strict(),
        )
        .unwrap();
        assert_eq!(
            serde_json::to_string(&patch).unwrap(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}"#
        );
    }

    #[test]
    fn malformed_messages_are_syntax_errors() {
        let good = r#"{"op":"add","path":"title","value":"x"}"#;
        for operations in [
            "",
            r#""Operations":null"#,
            r#""Operations":[]"#,
            r#""Operations":{}"#,
            r#""Operations":"add""#,
            r#""Operations":[1]"#,
            r#""Operations":[null]"#,
            r#""Operations":[{"path":"title"}]"#,
            r#""Operations":[{"op":7,"path":"title"}]"#,
            r#""Operations":[{"op":"move","path":"title"}]"#,
            r#""Operations":[{"op":null,"path":"title"}]"#,
        ] {
            let comma = if operations.is_empty() { "" } else { "," };
            let text = format!(r#"{{"schemas":["{}"]{comma}{operations}}}"#, urn::PATCH_OP);
            let error = read(&text, Profile::default()).unwrap_err();
            assert!(matches!(error, Error::InvalidSyntax { .. }), "{text}: {error:?}");
        }
        for schemas in ["[1]", "\"urn:x:y\"", "[\"urn:x:y\"]", "{}", "[null]", "7"] {
            let text = format!(r#"{{"schemas":{schemas},"Operations":[{good}]}}"#);
            let error = read(&text, Profile::default()).unwrap_err();
            assert!(matches!(error, Error::InvalidSyntax { .. }), "{text}: {error:?}");
        }
        let many =
            format!(r#"{{"schemas":["{}"],"Operations":[{good},{good},{good}]}}"#, urn::PATCH_OP);
        assert!(matches!(read(&many, Profile::default()), Err(Error::TooLarge { .. })));
        let path = format!(
            r#"{{"schemas":["{}"],"Operations":[{good},{{"op":"add","path":["title"],"value":1}}]}}"#,
            urn::PATCH_OP
        );
        let error = read(&path, Profile::default()).unwrap_err();
        assert_eq!(error.to_string(), "Operations[1].path: must be a string, not an array");
    }

    #[test]
    fn absent_schemas_are_a_tolerance() {
        for text in [
            r#"{"Operations":[{"op":"add","path":"title","value":"x"}]}"#,
            r#"{"schemas":[],"Operations":[{"op":"add","path":"title","value":"x"}]}"#,
            r#"{"schemas":null,"Operations":[{"op":"add","path":"title","value":"x"}]}"#,
        ] {
            assert!(read(text, Profile::default()).is_ok(), "{text}");
            assert!(matches!(read(text, Profile::strict()), Err(Error::InvalidSyntax { .. })));
        }
    }

    #[test]
    fn absent_and_null_values_differ() {
        let text = |value: &str| {
            format!(
                r#"{{"schemas":["{}"],"Operations":[{{"op":"add","path":"title"{value}}}]}}"#,
                urn::PATCH_OP
            )
        };
        let of = |value: &str| {
            read(&text(value), Profile::strict()).unwrap().operations()[0].value.clone()
        };
        assert_eq!(of(""), None);
        assert_eq!(of(r#","value":null"#), Some(Value::Null));
    }

    #[test]
    fn debug_never_shows_values() {
        let patch = Patch::new().replace("password".parse().unwrap(), "hunter2");
        assert!(!format!("{patch:?}").contains("hunter2"));
    }
}
