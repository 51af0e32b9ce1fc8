//! One line of a plan: what is to be written to one object, and why.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use smol_str::SmolStr;

use crate::space::{ExportKind, SpaceObject};
use crate::{Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorId, ObjectType, Values};

/// When a step is carried out: everything of one phase before anything of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Objects are made, without references.
    Create,
    /// Values are changed.
    Update,
    /// References are added and taken away: all objects that they need are there by now.
    References,
    /// Objects are switched off.
    Disable,
    /// Objects are removed.
    Delete,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Create, Self::Update, Self::References, Self::Disable, Self::Delete];
}

/// What a step does, in the words of the provisioning log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// An object is made.
    Create,
    /// Values are changed.
    Update,
    /// References are changed.
    References,
    /// An object is switched off because nothing asks for it any more.
    Disable,
    /// An object is removed.
    Delete,
    /// An object is removed and one of another type is made.
    Replace,
}

impl StepKind {
    /// The sign in front of a line.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update | Self::References => '~',
            Self::Disable => '!',
            Self::Delete => '-',
            Self::Replace => '*',
        }
    }

    /// The word for counts and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::References => "references",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Replace => "replace",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When.
    pub phase: Phase,
    /// In which system.
    pub target: ConnectorId,
    /// What.
    pub kind: StepKind,
    /// To an object of this type,
    pub object_type: ObjectType,
    /// that people call so,
    pub label: SmolStr,
    /// and that has this identifier in the target; none before it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// Values before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AttributeChange>,
    /// References that come and go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceDelta>,
    /// The rule that asks for it and what happened.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A changed attribute of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeChange {
    /// Its name.
    pub name: AttributeName,
    /// What the target has, as far as known.
    pub before: Shown,
    /// What it shall have.
    pub after: Shown,
}

/// Values as they may be shown: those of a secret attribute are not there to be shown by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Open values; none where the attribute is not there.
    Open(Values),
    /// A secret: whether there is a value is all that is known.
    Redacted {
        /// Whether there is one.
        present: bool,
    },
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(values) => serializer.collect_seq(values.iter().map(plain)),
            Self::Redacted { present: true } => serializer.serialize_str("(redacted)"),
            Self::Redacted { present: false } => serializer.collect_seq(std::iter::empty::<()>()),
        }
    }
}

/// How many references of one attribute come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceDelta {
    /// The attribute.
    pub name: SmolStr,
    /// How many there are before.
    pub before: u64,
    /// How many come.
    pub added: u64,
    /// How many go.
    pub removed: u64,
}

/// What a target takes and never tells: kept nowhere, because it could never be compared.
const WRITE_ONLY: [&str; 5] =
    ["password", "userPassword", "unicodePwd", "unixUserPassword", "sambaNTPassword"];

/// Which attributes are shown to nobody: not in plans, logs, undo files or digests. Passwords always are among them.
#[derive(Clone, Debug)]
pub struct Secrets {
    names: BTreeSet<AttributeName>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { names: WRITE_ONLY.iter().map(AttributeName::new).collect() }
    }
}

impl Secrets {
    /// The same with more names.
    #[must_use]
    pub fn and(mut self, names: impl IntoIterator<Item = AttributeName>) -> Self {
        self.names.extend(names);
        self
    }

    /// Whether an attribute is one; of a path, whether its last name is, so that no extension hides a password.
    #[must_use]
    pub fn holds(&self, name: &AttributeName) -> bool {
        if self.names.contains(name) {
            return true;
        }
        self.names.contains(&AttributeName::new(last_name(name)))
    }

    /// Whether an attribute is a password, which a target takes and never tells.
    #[must_use]
    pub fn is_write_only(name: &AttributeName) -> bool {
        WRITE_ONLY.iter().any(|known| known.eq_ignore_ascii_case(last_name(name)))
    }

    /// The values of an attribute as they may be shown.
    #[must_use]
    pub fn show(&self, name: &AttributeName, values: &[AttributeValue]) -> Shown {
        if self.holds(name) {
            Shown::Redacted { present: !values.is_empty() }
        } else {
            Shown::Open(values.to_vec())
        }
    }
}

fn last_name(name: &AttributeName) -> &str {
    name.as_str().rsplit(['.', ':']).next().unwrap_or_default()
}

/// The name by which people know an object: the first of `by` that has a value, else its place, else its identifier.
#[must_use]
pub fn label(object: &SpaceObject, by: &[AttributeName]) -> SmolStr {
    let pending = object.pending_export.as_ref().filter(|pending| pending.kind == ExportKind::Add);
    for name in by {
        let pending = pending.and_then(|pending| pending.attributes.get(name)?.first());
        if let Some(text) =
            pending.or_else(|| object.hologram.first(name)).and_then(AttributeValue::as_text)
            && !text.trim().is_empty()
        {
            return one_line(text);
        }
    }
    if let Some(dn) = &object.dn {
        return one_line(dn.as_str());
    }
    match &object.anchor {
        Some(anchor) => one_line(anchor.as_str()),
        None => SmolStr::new_static("(no name)"),
    }
}

/// The names by which people know objects, where nothing else is configured.
#[must_use]
pub fn default_labels() -> Vec<AttributeName> {
    ["userName", "displayName", "cn", "name", "mail", "externalId"]
        .iter()
        .map(AttributeName::new)
        .collect()
}

/// Text that cannot leave its line or steer a terminal.
#[must_use]
pub fn one_line(text: &str) -> SmolStr {
    if text.chars().any(unprintable) {
        text.chars().map(|c| if unprintable(c) { '\u{fffd}' } else { c }).collect()
    } else {
        SmolStr::new(text)
    }
}

/// Control characters, line and paragraph separators, and what turns the direction of text.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One value as plain JSON, for people and programs that read plans and logs.
#[must_use]
pub fn plain(value: &AttributeValue) -> serde_json::Value {
    use base64::Engine;
    match value {
        AttributeValue::Text(text) => serde_json::Value::from(text.as_str()),
        AttributeValue::Integer(number) => serde_json::Value::from(*number),
        AttributeValue::Boolean(boolean) => serde_json::Value::from(*boolean),
        AttributeValue::DateTime(moment) => serde_json::Value::from(moment.to_rfc3339()),
        AttributeValue::Binary(bytes) => {
            serde_json::Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        AttributeValue::Complex(parts) => serde_json::Value::Object(
            parts.iter().map(|(name, value)| (name.as_str().to_owned(), plain(value))).collect(),
        ),
    }
}

/// The changes of a pending export against what the target is known to have, as they may be shown.
#[must_use]
pub(crate) fn changes<'v>(
    attributes: impl Iterator<Item = (&'v AttributeName, &'v Values)>,
    hologram: &AttributeSet,
    secrets: &Secrets,
) -> Vec<AttributeChange> {
    attributes
        .map(|(name, after)| AttributeChange {
            name: name.clone(),
            before: secrets.show(name, hologram.get(name)),
            after: secrets.show(name, after),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_wherever_it_stands() {
        let secrets = Secrets::default().and([AttributeName::new("pin")]);
        for name in
            ["password", "PASSWORD", "urn:example:User:password", "login.userPassword", "pin"]
        {
            assert!(secrets.holds(&AttributeName::new(name)), "{name}");
        }
        assert!(!secrets.holds(&AttributeName::new("passwordPolicy")));
        let shown = secrets.show(&AttributeName::new("password"), &["hunter2".into()]);
        let json = serde_json::to_string(&shown).unwrap();
        assert_eq!(json, "\"(redacted)\"");
        assert!(!format!("{shown:?}").contains("hunter2"));
    }

    #[test]
    fn a_name_cannot_leave_its_line() {
        assert_eq!(
            one_line("ada\n- User bob\u{1b}[2J\u{202e}x"),
            "ada\u{fffd}- User bob\u{fffd}[2J\u{fffd}x"
        );
        assert_eq!(one_line("Žofie Müller"), "Žofie Müller");
    }
}
