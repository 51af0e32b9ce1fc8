//! A set of rules that was loaded, and what others ask of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::load;
use super::locate::{Document, Language};
use super::model::RuleFile;
use super::{Direction, Flow, Rule, RuleError, Source, check};
use crate::connector::{ConnectorSchema, ImportShape};
use crate::{AttributeName, ConnectorId, ObjectType};

/// The names that every object of a space has beside its attributes: its name, its anchor, and the DNS name that the
/// `DC=` parts of its name make. A real attribute of that name goes before.
pub(super) const VIRTUAL: [&str; 3] = ["dn", "anchor", "dn.domain"];

/// Rules that were loaded and checked.
///
/// ```
/// use scim_sync::rules::RuleSet;
///
/// let rules = RuleSet::from_toml(r#"
///     version = 1
///
///     [[rule]]
///     name = "In from AD - user"
///     direction = "inbound"
///     connector = "corp-ad"
///     object-type = "user"
///     metaverse-type = "person"
///     link = "provision"
///     scope = [[{ attribute = "sAMAccountName", operator = "ISNOTNULL" }]]
///
///     [[rule.flow]]
///     to = "displayName"
///     from = "displayName"
/// "#)?;
/// assert_eq!(rules.rules()[0].flows.len(), 1);
/// # Ok::<(), scim_sync::rules::RuleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuleSet {
    file: RuleFile,
    rules: Vec<Rule>,
    text: Option<(String, Language)>,
}

impl RuleSet {
    /// Reads rules in TOML.
    ///
    /// # Errors
    /// [`RuleError`] at the first mistake.
    pub fn from_toml(text: &str) -> Result<Self, RuleError> {
        Self::compile(load::read_toml(text)?, text, Language::Toml)
    }

    /// Reads the rules of a TOML file that holds other things too: its `version`, `parameters` and `rule` are read.
    ///
    /// # Errors
    /// [`RuleError`] at the first mistake.
    pub fn from_config(text: &str) -> Result<Self, RuleError> {
        Self::compile(load::read_embedded(text)?, text, Language::Toml)
    }

    /// Reads rules in JSON, with the names that they have in TOML.
    ///
    /// # Errors
    /// [`RuleError`] at the first mistake.
    pub fn from_json(text: &str) -> Result<Self, RuleError> {
        Self::compile(load::read_json(text)?, text, Language::Json)
    }

    /// Checks rules that were made in memory.
    ///
    /// # Errors
    /// [`RuleError`] at the first mistake; there is no text, so its place is the beginning and the message names the rule.
    pub fn from_file(file: RuleFile) -> Result<Self, RuleError> {
        Self::compile(file, "", Language::None)
    }

    fn compile(file: RuleFile, text: &str, language: Language) -> Result<Self, RuleError> {
        let rules = load::compile(&file, Document { text, language })?;
        let text = (language != Language::None).then(|| (text.to_owned(), language));
        Ok(Self { file, rules, text })
    }

    /// The rules as JSON, for an export of the configuration: reads back as the same rules.
    ///
    /// # Errors
    /// None for rules that were read; those made in memory may hold values that JSON has no form for.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&self.file)
    }

    /// The rules as TOML.
    ///
    /// # Errors
    /// As for [`RuleSet::to_json`].
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(&self.file)
    }

    /// The rules as they were written.
    #[must_use]
    pub fn source(&self) -> &RuleFile {
        &self.file
    }

    /// The rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The enabled rules of one direction, connector and object type, the winning ones first.
    pub fn of(
        &self,
        direction: Direction,
        connector: &ConnectorId,
        object_type: &ObjectType,
    ) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|rule| {
                rule.enabled
                    && rule.direction == direction
                    && rule.connector == *connector
                    && rule.object_type == *object_type
            })
            .collect();
        rules.sort_by_key(|rule| rule.precedence);
        rules
    }

    /// The rule of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The connectors that inbound rules read.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<ConnectorId> {
        self.connectors(Direction::Inbound)
    }

    /// The connectors that outbound rules write.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<ConnectorId> {
        self.connectors(Direction::Outbound)
    }

    fn connectors(&self, direction: Direction) -> BTreeSet<ConnectorId> {
        let of_direction = |rule: &&Rule| rule.enabled && rule.direction == direction;
        self.rules.iter().filter(of_direction).map(|rule| rule.connector.clone()).collect()
    }

    /// The values that expressions know as `%Name%`.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.file.parameters
    }

    /// By which attributes an object of the target is found, the first that finds exactly one wins. Empty where no rule
    /// says.
    #[must_use]
    pub fn matching(&self, target: &ConnectorId, object_type: &ObjectType) -> &[AttributeName] {
        let rules = self.of(Direction::Outbound, target, object_type);
        let first = rules.into_iter().find(|rule| !rule.matching.is_empty());
        first.map_or(&[], |rule| rule.matching.as_slice())
    }

    /// The same for all types that rules write to a target.
    #[must_use]
    pub fn all_matching(&self, target: &ConnectorId) -> BTreeMap<ObjectType, Vec<AttributeName>> {
        let types = self.shape(target).types.into_keys();
        let matching = types.map(|found| {
            let names = self.matching(target, &found).to_vec();
            (found, names)
        });
        matching.collect()
    }

    /// What switches an object of the target off.
    #[must_use]
    pub fn disable_of(&self, target: &ConnectorId, object_type: &ObjectType) -> &[Flow] {
        let rules = self.of(Direction::Outbound, target, object_type);
        rules.into_iter().next().map_or(&[], |rule| rule.disable.as_slice())
    }

    /// Whether a rule redacts what flows to an attribute of a target: logs and previews do not show it.
    #[must_use]
    pub fn is_redacted(
        &self,
        target: &ConnectorId,
        object_type: &ObjectType,
        attribute: &AttributeName,
    ) -> bool {
        self.of(Direction::Outbound, target, object_type).iter().any(|rule| {
            let flows = rule.flows.iter().chain(&rule.disable);
            flows.filter(|flow| flow.to == *attribute).any(|flow| match &flow.source {
                Source::Expression(expression) => expression.redacts(),
                _ => false,
            })
        })
    }

    /// What must be read of a connector for these rules: the types and attributes that any of them asks for.
    #[must_use]
    pub fn shape(&self, connector: &ConnectorId) -> ImportShape {
        let mut types: BTreeMap<ObjectType, BTreeSet<AttributeName>> = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| rule.enabled && rule.connector == *connector) {
            let names = types.entry(rule.object_type.clone()).or_default();
            match rule.direction {
                Direction::Inbound => {
                    names.extend(rule.scope.attributes());
                    let conditions = rule.join.iter().flat_map(|group| &group.conditions);
                    names.extend(conditions.map(|condition| condition.from.clone()));
                    names.extend(rule.flows.iter().flat_map(inputs));
                }
                Direction::Outbound => {
                    names.extend(rule.flows.iter().map(|flow| flow.to.clone()));
                    names.extend(rule.disable.iter().map(|flow| flow.to.clone()));
                }
            }
        }
        let is_virtual =
            |name: &AttributeName| VIRTUAL.iter().any(|known| *name == AttributeName::new(known));
        let types = types.into_iter().map(|(object_type, names)| {
            (object_type, names.into_iter().filter(|name| !is_virtual(name)).collect())
        });
        ImportShape { types: types.collect() }
    }

    /// A digest of all that the rules say. Layout and comments of the file do not count; another digest asks for a full
    /// synchronisation.
    #[must_use]
    pub fn digest(&self) -> String {
        // A map with string keys and scalar leaves always has a JSON form; the empty text stands for nothing else.
        let canonical = serde_json::to_string(&self.file).unwrap_or_default();
        let digest = Sha256::digest(canonical.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Holds the rules against what the systems have: types of objects, and types of the values that flow.
    ///
    /// A source attribute that the directory's schema lacks is no mistake, it is an attribute without values; see
    /// [`RuleSet::missing`]. A target attribute that the target lacks is one.
    ///
    /// # Errors
    /// Every mistake that there is, in the order of the file.
    pub fn check(
        &self,
        schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
    ) -> Result<(), Vec<RuleError>> {
        self.held_against(schemas, true)
    }

    /// The same for the systems that answered: rules of a system whose schema is not among `schemas` are not looked at.
    ///
    /// # Errors
    /// As [`RuleSet::check`].
    pub fn check_known(
        &self,
        schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
    ) -> Result<(), Vec<RuleError>> {
        self.held_against(schemas, false)
    }

    fn held_against(
        &self,
        schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
        all: bool,
    ) -> Result<(), Vec<RuleError>> {
        let (text, language) =
            self.text.as_ref().map_or(("", Language::None), |(text, language)| (text, *language));
        let errors = check::check(&self.rules, schemas, all, Document { text, language });
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The attributes that rules read and the source's schema lacks: they are skipped.
    #[must_use]
    pub fn missing(
        &self,
        schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
    ) -> Vec<(ConnectorId, ObjectType, AttributeName)> {
        let mut missing = Vec::new();
        for connector in self.sources() {
            let Some(schema) = schemas.get(&connector) else { continue };
            for (object_type, names) in self.shape(&connector).types {
                let Some(known) = schema.types.get(&object_type) else { continue };
                let lacking = names.into_iter().filter(|name| known.attribute(name).is_none());
                missing.extend(lacking.map(|name| (connector.clone(), object_type.clone(), name)));
            }
        }
        missing
    }
}

/// The attributes that a flow reads.
pub(crate) fn inputs(flow: &Flow) -> Vec<AttributeName> {
    match &flow.source {
        Source::Direct(from) => vec![from.clone()],
        Source::Expression(expression) => expression.attributes().into_iter().collect(),
        Source::Constant(_) | Source::None => Vec::new(),
    }
}
