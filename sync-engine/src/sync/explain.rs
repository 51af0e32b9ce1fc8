//! Why an object is treated as it is: every rule and value explained.

use serde::Serialize;

use super::evaluate::Offer;
use crate::metaverse::MetaverseObject;
use crate::rules::scope::{Scope, Subject};
use crate::rules::{Direction, Flow, Rule, Source, text_of};
use crate::space::{ExportKind, SpaceObject};
use crate::{
    Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorId, Dn, ObjectType, SpaceId,
    StoreError, Values,
};

/// What stands in the place of a value that a rule redacts.
const REDACTED: &str = "[Redact]";

/// What the rules make of one object, in the four sections of a preview: import, in scope, match, action.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object as its system told it.
    pub import: Option<ImportSection>,
    /// Every rule that was asked, in order.
    pub scope: Vec<ScopeSection>,
    /// What was looked for, and what was found.
    pub matching: Vec<MatchSection>,
    /// The identity's values afterwards, each with the rule that it came by.
    pub identity: Option<IdentitySection>,
    /// What each outbound flow gave.
    pub flows: Vec<FlowSection>,
    /// What would be written.
    pub actions: Vec<ActionSection>,
    /// Why it could not be handled, in sentences.
    pub troubles: Vec<String>,
}

/// The object as its system told it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportSection {
    /// The system.
    pub connector: ConnectorId,
    /// What it is.
    pub object_type: Option<ObjectType>,
    /// What identifies it.
    pub anchor: Option<Anchor>,
    /// Where it is.
    pub dn: Option<Dn>,
    /// Why the connector's own scope leaves it out, where it does.
    pub left_out: Option<String>,
    /// Its values.
    pub attributes: AttributeSet,
    /// How many references it has, by attribute.
    pub references: Vec<(AttributeName, u64)>,
}

/// What one rule's scope said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeSection {
    /// The rule.
    pub rule: String,
    /// Inbound or outbound.
    pub direction: Direction,
    /// Whether it takes the object in.
    pub in_scope: bool,
    /// Every clause by group, with what the attribute is and whether it holds.
    pub clauses: Vec<Vec<ClauseSection>>,
}

/// One clause of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClauseSection {
    /// What was asked.
    pub clause: String,
    /// The values that were there.
    pub values: Values,
    /// Whether it holds.
    pub holds: bool,
}

/// One search for the other side of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchSection {
    /// The rule.
    pub rule: String,
    /// The attributes that it looked by.
    pub by: String,
    /// The value that it looked for, outbound.
    pub value: Option<AttributeValue>,
    /// How many it found that can be linked.
    pub found: usize,
    /// What it found, in a sentence.
    pub told: String,
}

/// An identity's values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentitySection {
    /// What it is.
    pub object_type: ObjectType,
    /// Whether it is held, or why not.
    pub life: String,
    /// The values.
    pub attributes: Vec<IdentityValue>,
    /// The reference attributes.
    pub references: Vec<AttributeName>,
}

/// One attribute of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityValue {
    /// Which one.
    pub attribute: AttributeName,
    /// Its values.
    pub values: Values,
    /// The rule that gave them.
    pub rule: String,
}

/// What one outbound flow gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowSection {
    /// The rule.
    pub rule: String,
    /// Where it goes to.
    pub to: AttributeName,
    /// Where it comes from, as it is written.
    pub from: String,
    /// What it gave, in words or values.
    pub gave: String,
}

/// What would be written to an object of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionSection {
    /// The target.
    pub connector: ConnectorId,
    /// What it is.
    pub object_type: Option<ObjectType>,
    /// The object, where it is there already.
    pub anchor: Option<Anchor>,
    /// Its row.
    #[serde(skip)]
    pub object: SpaceId,
    /// What would be done; `None` where nothing would.
    pub action: Option<ExportKind>,
    /// Why.
    pub reason: String,
    /// Each changed attribute with its values before and after.
    pub changes: Vec<(AttributeName, Values, Values)>,
    /// The reference attributes that would change.
    pub references: Vec<AttributeName>,
}

impl ImportSection {
    pub(super) fn of(object: &SpaceObject, references: Vec<(AttributeName, u64)>) -> Self {
        Self {
            connector: object.connector.clone(),
            object_type: object.object_type.clone(),
            anchor: object.anchor.clone(),
            dn: object.dn.clone(),
            left_out: match &object.scope {
                crate::connector::SourceScope::In => None,
                crate::connector::SourceScope::Out(reason) => Some(reason.clone()),
            },
            attributes: object.hologram.clone(),
            references,
        }
    }
}

impl Explanation {
    pub(super) fn out_of_source_scope(&mut self, object: &SpaceObject, reason: &str) {
        self.scope.push(ScopeSection {
            rule: format!("the scope of `{}`", object.connector),
            direction: Direction::Inbound,
            in_scope: false,
            clauses: vec![vec![ClauseSection {
                clause: reason.to_owned(),
                values: Values::new(),
                holds: false,
            }]],
        });
    }

    pub(super) fn scope(
        &mut self,
        rule: &Rule,
        subject: &dyn Subject,
        in_scope: bool,
    ) -> Result<(), StoreError> {
        let mut clauses = Vec::new();
        match &rule.scope {
            Scope::Groups(groups) => {
                for group in groups {
                    let mut told = Vec::with_capacity(group.len());
                    for clause in group {
                        told.push(ClauseSection {
                            clause: clause.to_string(),
                            values: subject.values(&clause.attribute).into_owned(),
                            holds: clause.holds(subject)?,
                        });
                    }
                    clauses.push(told);
                }
            }
            Scope::Filter(filter) => clauses.push(vec![ClauseSection {
                clause: filter.to_string(),
                values: Values::new(),
                holds: in_scope,
            }]),
        }
        let (name, direction) = (rule.name.clone(), rule.direction);
        self.scope.push(ScopeSection { rule: name, direction, in_scope, clauses });
        Ok(())
    }

    pub(super) fn join(&mut self, rule: &Rule, by: &str, hits: &[MetaverseObject]) {
        let told = match hits.len() {
            0 => "no identity fits".to_owned(),
            1 => "one identity fits".to_owned(),
            several => format!("{several} identities fit"),
        };
        let (rule, by) = (rule.name.clone(), by.to_owned());
        self.matching.push(MatchSection { rule, by, value: None, found: hits.len(), told });
    }

    pub(super) fn matching(
        &mut self,
        rule: &Rule,
        by: &AttributeName,
        value: &AttributeValue,
        free: usize,
        taken: Option<&SpaceObject>,
    ) {
        let told = match (free, taken) {
            (0, None) => "no object fits".to_owned(),
            (0, Some(object)) => {
                format!("{} fits and belongs to another identity", super::trouble::describe(object))
            }
            (1, _) => "one object fits".to_owned(),
            (several, _) => format!("{several} objects fit"),
        };
        self.matching.push(MatchSection {
            rule: rule.name.clone(),
            by: by.to_string(),
            value: Some(value.clone()),
            found: free,
            told,
        });
    }

    pub(super) fn identity(&mut self, identity: &MetaverseObject) {
        let attributes = identity.attributes.iter().map(|(name, held)| IdentityValue {
            attribute: name.clone(),
            values: held.values.clone(),
            rule: held.rule.clone(),
        });
        let life = match identity.life {
            crate::metaverse::Life::Held => "held".to_owned(),
            crate::metaverse::Life::Released { cause, since } => match cause {
                crate::metaverse::ReleaseCause::Deleted => format!("deleted since {since}"),
                crate::metaverse::ReleaseCause::OutOfScope => format!("out of scope since {since}"),
            },
        };
        self.identity = Some(IdentitySection {
            object_type: identity.object_type.clone(),
            life,
            attributes: attributes.collect(),
            references: identity.references.keys().cloned().collect(),
        });
    }

    pub(super) fn flow(&mut self, rule: &Rule, flow: &Flow, offer: &Offer) {
        let (from, redacted) = match &flow.source {
            Source::Direct(name) => (format!("[{name}]"), false),
            Source::Constant(values) => (in_words(values), false),
            Source::Expression(expression) => (expression.text().to_owned(), expression.redacts()),
            Source::None => ("nothing".to_owned(), false),
        };
        let gave = match offer {
            Offer::Values(_) if redacted => REDACTED.to_owned(),
            Offer::Values(values) => in_words(values),
            Offer::References(_) => "references".to_owned(),
            Offer::Null => "no value".to_owned(),
            Offer::AuthoritativeNull => "no value, whatever other rules say".to_owned(),
            Offer::Ignore => "the target keeps what it has".to_owned(),
        };
        let (rule, to) = (rule.name.clone(), flow.to.clone());
        self.flows.push(FlowSection { rule, to, from, gave });
    }

    pub(super) fn action(&mut self, object: &SpaceObject) {
        let pending = object.pending_export.as_ref();
        let changes = pending.into_iter().flat_map(|pending| &pending.attributes);
        let changes = changes
            .map(|(name, new)| (name.clone(), object.hologram.get(name).to_vec(), new.clone()));
        let section = ActionSection {
            connector: object.connector.clone(),
            object_type: object.object_type.clone(),
            anchor: object.anchor.clone(),
            object: object.id,
            action: pending.map(|pending| pending.kind),
            reason: pending.map_or_else(
                || "the target has everything already".to_owned(),
                |pending| pending.reason.clone(),
            ),
            changes: changes.collect(),
            references: pending
                .map_or_else(Vec::new, |pending| pending.references.iter().cloned().collect()),
        };
        self.actions.retain(|other| other.connector != section.connector);
        self.actions.push(section);
    }

    /// Takes the values away that rules redact.
    pub(super) fn redact(&mut self, redacted: impl Fn(&ActionSection, &AttributeName) -> bool) {
        for section in &mut self.actions {
            let hide: Vec<bool> =
                section.changes.iter().map(|(name, ..)| redacted(section, name)).collect();
            for ((_, old, new), _) in section.changes.iter_mut().zip(hide).filter(|(_, hide)| *hide)
            {
                for values in [old, new] {
                    if !values.is_empty() {
                        *values = vec![AttributeValue::text(REDACTED)];
                    }
                }
            }
        }
    }
}

fn in_words(values: &[AttributeValue]) -> String {
    values.iter().map(text_of).collect::<Vec<_>>().join(", ")
}
