//! The compiled form of rules: what the engine works with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::expression::{Compiled, Dialect};
use super::scope::Scope;
use super::{Direction, LinkType, Release};
use crate::{AttributeName, ConnectorId, ObjectType, Values};

/// A sync rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What people call it; unique within its set.
    pub name: String,
    /// Inbound or outbound.
    pub direction: Direction,
    /// The system whose space it looks at or writes to.
    pub connector: ConnectorId,
    /// The type of the objects there.
    pub object_type: ObjectType,
    /// The type of the identities.
    pub metaverse_type: ObjectType,
    /// What it may do to link the two.
    pub link: LinkType,
    /// The lower number wins; between equal numbers, the rule that comes first in the file.
    pub precedence: u32,
    /// A rule that is not enabled is as if it were not there.
    pub enabled: bool,
    /// Which objects (inbound) or identities (outbound) it is about.
    pub scope: Scope,
    /// How an unlinked object finds its identity (inbound): groups are tried in order.
    pub join: Vec<JoinGroup>,
    /// By which attributes of the target an identity finds its object there (outbound): each alone, in order.
    pub matching: Vec<AttributeName>,
    /// What flows.
    pub flows: Vec<Flow>,
    /// What happens to the target's object when the source's object was deleted (outbound).
    pub on_delete: Release,
    /// What happens to it when the source's object left the scope (outbound).
    pub on_out_of_scope: Release,
    /// How many days an object is off before it is removed, where it is switched off first (outbound).
    pub delete_after_days: u32,
    /// What is written to switch an object off (outbound).
    pub disable: Vec<Flow>,
    /// What it may do to a target at all (outbound).
    pub operations: Operations,
}

/// The conditions of one attempt to join; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroup {
    /// Never empty.
    pub conditions: Vec<JoinCondition>,
}

/// One condition of a join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JoinCondition {
    /// The attribute of the object.
    pub from: AttributeName,
    /// The attribute of the identity.
    pub to: AttributeName,
    /// Whether letter case counts: it does for anchors in Base64, and does not for addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_sensitive: bool,
}

/// What an outbound rule may do to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Make objects.
    pub add: bool,
    /// Change objects.
    pub update: bool,
    /// Remove objects or switch them off.
    pub delete: bool,
}

impl Default for Operations {
    fn default() -> Self {
        Self { add: true, update: true, delete: true }
    }
}

/// How one attribute gets its values.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The attribute that gets them: of the metaverse (inbound) or of the target (outbound).
    pub to: AttributeName,
    /// Where they come from.
    pub source: Source,
    /// Always, or only when the object is made.
    pub apply: Apply,
    /// What there is instead of nothing.
    ///
    /// Outbound it is written when an object is made, and never over a value that the target has: what was once there
    /// and is empty in the source now stays as it is.
    pub default: Option<Values>,
    /// How the values of several rules come together (inbound).
    pub merge: Merge,
    /// When an outbound value is written.
    pub behavior: Behavior,
    /// What an outbound flow may do to values that the target has.
    pub flow_type: FlowType,
    /// Whether references to what the target has no object for are written as text, by name or else by anchor.
    ///
    /// Without it they are left out, and are written once the target has the object.
    pub export_missing_references: bool,
}

/// Where values come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Another attribute, as it is; a reference stays one.
    Direct(AttributeName),
    /// Always the same.
    Constant(Values),
    /// Computed.
    Expression(Box<Compiled>),
    /// From nowhere: the target keeps what it has, and gets the default where it has nothing.
    None,
}

/// When a flow applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Apply {
    /// On every synchronisation.
    #[default]
    Always,
    /// When the object is made (outbound) or linked (inbound), and never again.
    OnCreate,
}

/// How the values that several rules give one attribute of an identity come together. All rules must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The first rule by precedence that has a value gives all of them.
    #[default]
    Update,
    /// All values of all rules, each once.
    Merge,
    /// The same, and values that differ in letter case only are one.
    MergeCaseInsensitive,
}

/// When an outbound value is written. The names are those of Microsoft's job schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behavior {
    /// When the target has another.
    #[default]
    FlowWhenChanged,
    /// With every update of the object, even where the target has it already. It makes no update of its own.
    FlowAlways,
}

/// What an outbound flow may do to values that the target has. The names are those of Microsoft's job schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowType {
    /// Everything.
    #[default]
    Always,
    /// Nothing: the value is written only when the object is made.
    ObjectAddOnly,
    /// Add further values to an attribute that can have several; never remove one, never replace.
    MultiValueAddOnly,
    /// Add and replace values; never leave the attribute empty, never remove one of several.
    ValueAddOnly,
    /// Write where there is no value at all.
    AttributeAddOnly,
}

impl FlowType {
    /// Whether references may only be added.
    #[must_use]
    pub const fn adds_only(self) -> bool {
        !matches!(self, Self::Always)
    }
}

/// A rule as it is written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleSource {
    /// See [`Rule::name`].
    pub name: String,
    /// See [`Rule::direction`].
    pub direction: Direction,
    /// See [`Rule::connector`].
    pub connector: ConnectorId,
    /// See [`Rule::object_type`].
    pub object_type: ObjectType,
    /// See [`Rule::metaverse_type`].
    pub metaverse_type: ObjectType,
    /// See [`Rule::link`].
    pub link: LinkType,
    /// See [`Rule::precedence`].
    #[serde(default = "hundred", skip_serializing_if = "is_hundred")]
    pub precedence: u32,
    /// See [`Rule::enabled`].
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// The dialect of the rule's expressions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dialect: Dialect,
    /// See [`Rule::scope`].
    #[serde(default, skip_serializing_if = "super::scope::ScopeSource::is_everything")]
    pub scope: super::scope::ScopeSource,
    /// See [`Rule::join`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<Vec<JoinCondition>>,
    /// See [`Rule::matching`].
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matching: Vec<AttributeName>,
    /// See [`Rule::on_delete`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<Release>,
    /// See [`Rule::on_out_of_scope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_out_of_scope: Option<Release>,
    /// See [`Rule::delete_after_days`]; 30 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_days: Option<u32>,
    /// See [`Rule::operations`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<Operation>>,
    /// See [`Rule::flows`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<FlowSource>,
    /// See [`Rule::disable`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<FlowSource>,
}

/// One thing that an outbound rule may do to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make objects.
    Add,
    /// Change objects.
    Update,
    /// Remove objects or switch them off.
    Delete,
}

/// A flow as it is written in a file: one of `from`, `constant` and `expression`, or none of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlowSource {
    /// See [`Flow::to`].
    pub to: AttributeName,
    /// The attribute to take as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AttributeName>,
    /// The values to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<super::constant::Constant>,
    /// The expression to compute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// See [`Flow::apply`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub apply: Apply,
    /// See [`Flow::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<super::constant::Constant>,
    /// See [`Flow::merge`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub merge: Merge,
    /// See [`Flow::behavior`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub behavior: Behavior,
    /// See [`Flow::flow_type`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow_type: FlowType,
    /// See [`Flow::export_missing_references`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub export_missing_references: bool,
}

/// A file of rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleFile {
    /// The version of the format: 1.
    pub version: u32,
    /// Values that expressions of the `connect` dialect know as `%Name%`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The rules.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleSource>,
}

const fn hundred() -> u32 {
    100
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_hundred(precedence: &u32) -> bool {
    *precedence == 100
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
