//! From text to checked rules.

use std::collections::BTreeMap;

use scim_core::Filter;
use serde::Deserialize;

use super::expression::Compiled;
use super::locate::{Document, Language, Path};
use super::model::{FlowSource, RuleFile, RuleSource};
use super::scope::{Clause, ScopeSource};
use super::{
    Apply, Behavior, Direction, Flow, FlowType, JoinGroup, LinkType, Merge, Operation, Operations,
    Release, Rule, RuleError, Source, scope::Scope,
};
use crate::{AttributeName, AttributeValue, ObjectType};

/// The version of the format that is read here.
const VERSION: u32 = 1;

/// The part of a configuration that is rules; the rest belongs to somebody else.
#[derive(Deserialize)]
struct Embedded {
    version: u32,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default, rename = "rule")]
    rules: Vec<RuleSource>,
}

pub(super) fn read_toml(text: &str) -> Result<RuleFile, RuleError> {
    toml::from_str(text).map_err(|error| toml_error(text, &error))
}

pub(super) fn read_embedded(text: &str) -> Result<RuleFile, RuleError> {
    let Embedded { version, parameters, rules } =
        toml::from_str(text).map_err(|error| toml_error(text, &error))?;
    Ok(RuleFile { version, parameters, rules })
}

fn toml_error(text: &str, error: &toml::de::Error) -> RuleError {
    let document = Document { text, language: Language::Toml };
    let start = error.span().map_or(0, |span| span.start);
    document.at(start, error.message().trim().to_owned())
}

pub(super) fn read_json(text: &str) -> Result<RuleFile, RuleError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let file: RuleFile = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let (line, column) = (inner.line(), inner.column());
        let told = inner.to_string();
        let reason = told.rsplit_once(" at line ").map_or(told.as_str(), |(reason, _)| reason);
        let message = if path == "." { reason.to_owned() } else { format!("{path}: {reason}") };
        RuleError { line: line.max(1), column: column.max(1), message }
    })?;
    deserializer.end().map_err(|error| RuleError {
        line: error.line(),
        column: error.column(),
        message: "there is something after the end of the rules".to_owned(),
    })?;
    Ok(file)
}

/// Checks what was read; `document` is the text that mistakes are located in.
pub(super) fn compile(file: &RuleFile, document: Document<'_>) -> Result<Vec<Rule>, RuleError> {
    let root = Path::default();
    if file.version != VERSION {
        let message = format!("version {} of the rule format is not known; write 1", file.version);
        return Err(document.error(&root.key("version"), message));
    }
    let mut rules = Vec::with_capacity(file.rules.len());
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, source) in file.rules.iter().enumerate() {
        let at = root.key("rule").index(index);
        if source.name.trim().is_empty() {
            return Err(document.error(&at.key("name"), "a rule needs a name"));
        }
        if names.insert(&source.name, index).is_some() {
            let message = format!("there are two rules with the name `{}`", source.name);
            return Err(document.error(&at.key("name"), message));
        }
        rules.push(Compiler { document, rule: source, at }.rule()?);
    }
    agree_on_merging(file, &rules, document)?;
    Ok(rules)
}

/// All flows into one attribute of one type of identity must come together in the same way.
fn agree_on_merging(
    file: &RuleFile,
    rules: &[Rule],
    document: Document<'_>,
) -> Result<(), RuleError> {
    let mut kinds: BTreeMap<(ObjectType, AttributeName), (Merge, &str)> = BTreeMap::new();
    debug_assert_eq!(file.rules.len(), rules.len());
    for (index, rule) in rules.iter().enumerate() {
        if rule.direction == Direction::Outbound || !rule.enabled {
            continue;
        }
        for (number, flow) in rule.flows.iter().enumerate() {
            let key = (rule.metaverse_type.clone(), flow.to.clone());
            let (merge, name) = kinds.entry(key).or_insert((flow.merge, &rule.name));
            if *merge != flow.merge {
                let message = format!(
                    "`{}` comes together in another way in the rule `{name}`; all rules must agree on `merge`",
                    flow.to
                );
                let at = Path::default().key("rule").index(index).key("flow").index(number);
                return Err(document.error(&at, message));
            }
        }
    }
    Ok(())
}

/// Compiles one rule.
struct Compiler<'a> {
    document: Document<'a>,
    rule: &'a RuleSource,
    at: Path,
}

impl Compiler<'_> {
    fn error(&self, path: &Path, message: impl Into<String>) -> RuleError {
        self.document.error(path, message)
    }

    fn rule(&self) -> Result<Rule, RuleError> {
        let source = self.rule;
        match source.direction {
            Direction::Inbound => self.only_inbound()?,
            Direction::Outbound => self.only_outbound()?,
        }
        let operations =
            source.operations.as_ref().map_or_else(Operations::default, |list| Operations {
                add: list.contains(&Operation::Add),
                update: list.contains(&Operation::Update),
                delete: list.contains(&Operation::Delete),
            });
        // An object that was only ever joined was not made here, and is not removed from here unless somebody says so.
        let (on_delete, on_out_of_scope) = match source.link {
            LinkType::Provision => (Release::Delete, Release::Disable),
            LinkType::Join | LinkType::StickyJoin => (Release::Keep, Release::Keep),
        };
        let flows = self.flows(&source.flow, &self.at.key("flow"))?;
        let on_delete = source.on_delete.unwrap_or(on_delete);
        let on_out_of_scope = source.on_out_of_scope.unwrap_or(on_out_of_scope);
        // What is never switched off needs no attribute to be switched off by: groups have none.
        let disables = [on_delete, on_out_of_scope].into_iter().any(Release::disables);
        let later = [on_delete, on_out_of_scope].contains(&Release::DisableThenDelete);
        if source.delete_after_days.is_some() && !later {
            let message = "`delete-after-days` belongs to `disable-then-delete`";
            return Err(self.error(&self.at.key("delete-after-days"), message));
        }
        let disable = match source.disable.as_slice() {
            [] if disables => vec![default_disable()],
            [] => Vec::new(),
            written => self.flows(written, &self.at.key("disable"))?,
        };
        Ok(Rule {
            name: source.name.clone(),
            direction: source.direction,
            connector: source.connector.clone(),
            object_type: source.object_type.clone(),
            metaverse_type: source.metaverse_type.clone(),
            link: source.link,
            precedence: source.precedence,
            enabled: source.enabled,
            scope: self.scope()?,
            join: self.join()?,
            matching: self.matching(&flows)?,
            flows,
            on_delete,
            on_out_of_scope,
            delete_after_days: source.delete_after_days.unwrap_or(DELETE_AFTER_DAYS),
            disable,
            operations,
        })
    }

    fn only_inbound(&self) -> Result<(), RuleError> {
        let source = self.rule;
        let outbound_only: [(&'static str, bool); 6] = [
            ("match", !source.matching.is_empty()),
            ("on-delete", source.on_delete.is_some()),
            ("on-out-of-scope", source.on_out_of_scope.is_some()),
            ("delete-after-days", source.delete_after_days.is_some()),
            ("operations", source.operations.is_some()),
            ("disable", !source.disable.is_empty()),
        ];
        for (key, used) in outbound_only {
            if used {
                return Err(
                    self.error(&self.at.key(key), format!("`{key}` belongs to outbound rules"))
                );
            }
        }
        Ok(())
    }

    fn only_outbound(&self) -> Result<(), RuleError> {
        let source = self.rule;
        if !source.join.is_empty() {
            let message = "`join` belongs to inbound rules; an outbound rule has `match`";
            return Err(self.error(&self.at.key("join"), message));
        }
        if source.link == LinkType::StickyJoin {
            let message = "an outbound rule has the link type `provision` or `join`";
            return Err(self.error(&self.at.key("link"), message));
        }
        Ok(())
    }

    fn scope(&self) -> Result<Scope, RuleError> {
        let at = self.at.key("scope");
        match &self.rule.scope {
            ScopeSource::Filter(text) => {
                let filter: Filter =
                    text.parse().map_err(|error: scim_core::filter::FilterError| {
                        let offset = text.char_indices().nth(error.column.saturating_sub(1));
                        let offset = offset.map_or(text.len(), |(offset, _)| offset);
                        let message = format!("the filter is not right: {}", error.detail);
                        self.document.error_within(&at, text, offset, message)
                    })?;
                Ok(Scope::Filter(Box::new(filter)))
            }
            ScopeSource::Groups(groups) => {
                let mut compiled = Vec::with_capacity(groups.len());
                for (number, group) in groups.iter().enumerate() {
                    let at = at.index(number);
                    if group.is_empty() {
                        let message = "a group without clauses would take everything in; \
                                       leave `scope` out for that";
                        return Err(self.error(&at, message));
                    }
                    let mut clauses = Vec::with_capacity(group.len());
                    for (number, clause) in group.iter().enumerate() {
                        let at = at.index(number);
                        let compiled =
                            Clause::compile(clause).map_err(|message| self.error(&at, message))?;
                        let outbound = self.rule.direction == Direction::Outbound;
                        if outbound && compiled.asks_membership() {
                            let message = "membership is asked of the directory: write this clause in an inbound rule";
                            return Err(self.error(&at, message));
                        }
                        clauses.push(compiled);
                    }
                    compiled.push(clauses);
                }
                Ok(Scope::Groups(compiled))
            }
        }
    }

    fn join(&self) -> Result<Vec<JoinGroup>, RuleError> {
        let at = self.at.key("join");
        let groups = self.rule.join.iter().enumerate().map(|(number, conditions)| {
            if conditions.is_empty() {
                let message = "a join group without conditions would join anything";
                return Err(self.error(&at.index(number), message));
            }
            Ok(JoinGroup { conditions: conditions.clone() })
        });
        groups.collect()
    }

    fn matching(&self, flows: &[Flow]) -> Result<Vec<AttributeName>, RuleError> {
        for (number, name) in self.rule.matching.iter().enumerate() {
            let at = self.at.key("match").index(number);
            let Some(flow) = flows.iter().find(|flow| flow.to == *name) else {
                let message =
                    format!("nothing flows to `{name}`, so there is nothing to find objects by");
                return Err(self.error(&at, message));
            };
            if let Source::Expression(expression) = &flow.source
                && expression.is_unique_candidate()
            {
                let message =
                    format!("`{name}` is chosen to be unique, so nothing is ever found by it");
                return Err(self.error(&at, message));
            }
        }
        Ok(self.rule.matching.clone())
    }

    fn flows(&self, sources: &[FlowSource], at: &Path) -> Result<Vec<Flow>, RuleError> {
        let mut flows: Vec<Flow> = Vec::with_capacity(sources.len());
        for (number, source) in sources.iter().enumerate() {
            let at = at.index(number);
            let flow = self.flow(source, &at)?;
            if flows.iter().any(|other| other.to == flow.to) {
                let message = format!("two flows of this rule go to `{}`", flow.to);
                return Err(self.error(&at.key("to"), message));
            }
            flows.push(flow);
        }
        Ok(flows)
    }

    fn flow(&self, source: &FlowSource, at: &Path) -> Result<Flow, RuleError> {
        if source.to.as_str().trim().is_empty() {
            return Err(self.error(&at.key("to"), "a flow needs an attribute to go to"));
        }
        if self.rule.direction == Direction::Inbound {
            if source.behavior != Behavior::default() {
                return Err(self.error(&at.key("behavior"), "`behavior` belongs to outbound rules"));
            }
            if source.flow_type != FlowType::default() {
                return Err(
                    self.error(&at.key("flow-type"), "`flow-type` belongs to outbound rules")
                );
            }
            if source.export_missing_references {
                let at = at.key("export-missing-references");
                return Err(
                    self.error(&at, "`export-missing-references` belongs to outbound rules")
                );
            }
        } else if source.merge != Merge::default() {
            return Err(self.error(&at.key("merge"), "`merge` belongs to inbound rules"));
        }
        let compiled = match (&source.from, &source.constant, &source.expression) {
            (Some(from), None, None) => Source::Direct(from.clone()),
            (None, Some(constant), None) => Source::Constant(constant.0.clone()),
            (None, None, Some(text)) => {
                let parsed = Compiled::parse(text, self.rule.dialect);
                let expression = parsed.map_err(|(offset, message)| {
                    self.document.error_within(&at.key("expression"), text, offset, message)
                })?;
                Source::Expression(Box::new(expression))
            }
            (None, None, None) => Source::None,
            _ => {
                let message = "a flow has one of `from`, `constant` and `expression`";
                return Err(self.error(at, message));
            }
        };
        let mut apply = source.apply;
        if let Source::Expression(expression) = &compiled
            && expression.is_unique_candidate()
        {
            if self.rule.direction == Direction::Inbound {
                let message =
                    "a value is unique in a target: SelectUniqueValue belongs to outbound rules";
                return Err(self.error(&at.key("expression"), message));
            }
            apply = Apply::OnCreate;
        }
        Ok(Flow {
            to: source.to.clone(),
            source: compiled,
            apply,
            default: source.default.as_ref().map(|default| default.0.clone()),
            merge: source.merge,
            behavior: source.behavior,
            flow_type: source.flow_type,
            export_missing_references: source.export_missing_references,
        })
    }
}

/// How an object is switched off where the rule does not say.
/// How many days an object is off before it is removed, where a rule does not say it.
const DELETE_AFTER_DAYS: u32 = 30;

fn default_disable() -> Flow {
    Flow {
        to: AttributeName::new("active"),
        source: Source::Constant(vec![AttributeValue::Boolean(false)]),
        apply: Apply::Always,
        default: None,
        merge: Merge::Update,
        behavior: Behavior::FlowWhenChanged,
        flow_type: FlowType::Always,
        export_missing_references: false,
    }
}
