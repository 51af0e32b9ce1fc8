//! What one flow gives for one object or identity.

use super::trouble::Trouble;
use super::view::{IdentityView, ObjectView};
use crate::Values;
use crate::metaverse::ReferenceSource;
use crate::rules::scope::Subject;
use crate::rules::{Compiled, Evaluated, Flow, Rule, Source, Surroundings};

/// What a flow gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Values.
    Values(Values),
    /// References.
    References(Vec<ReferenceSource>),
    /// Nothing; another rule may have something.
    Null,
    /// Nothing, and nobody else is asked.
    AuthoritativeNull,
    /// What there is stays.
    Ignore,
}

/// What an inbound flow gives for an object.
pub(super) fn inbound(
    rule: &Rule,
    flow: &Flow,
    view: &ObjectView<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Offer, Trouble> {
    let offer = match &flow.source {
        Source::Direct(from) => {
            if view.references(from) > 0 && view.object.hologram.get(from).is_empty() {
                Offer::References(vec![ReferenceSource {
                    from: view.object.id,
                    attribute: from.clone(),
                    rule: rule.name.clone(),
                }])
            } else {
                from_values(view.values(from).into_owned())
            }
        }
        Source::Constant(values) => from_values(values.clone()),
        Source::Expression(expression) => compute(rule, flow, expression, view, surroundings)?,
        Source::None => Offer::Null,
    };
    Ok(match (offer, &flow.default) {
        (Offer::Null, Some(default)) => from_values(default.clone()),
        (offer, _) => offer,
    })
}

/// What an outbound flow gives for an identity, before its default.
pub(super) fn outbound(
    rule: &Rule,
    flow: &Flow,
    view: &IdentityView<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Offer, Trouble> {
    Ok(match &flow.source {
        Source::Direct(from) => match view.0.references.get(from) {
            Some(sources) if !sources.is_empty() => Offer::References(sources.clone()),
            _ => from_values(view.values(from).into_owned()),
        },
        Source::Constant(values) => from_values(values.clone()),
        Source::Expression(expression) => compute(rule, flow, expression, view, surroundings)?,
        Source::None => Offer::Ignore,
    })
}

fn from_values(values: Values) -> Offer {
    if values.is_empty() { Offer::Null } else { Offer::Values(values) }
}

fn compute(
    rule: &Rule,
    flow: &Flow,
    expression: &Compiled,
    subject: &dyn Subject,
    surroundings: &Surroundings<'_>,
) -> Result<Offer, Trouble> {
    match expression.evaluate(subject, surroundings) {
        Ok(Evaluated::Values(values)) => Ok(from_values(values)),
        Ok(Evaluated::Null) => Ok(Offer::Null),
        Ok(Evaluated::AuthoritativeNull) => Ok(Offer::AuthoritativeNull),
        Ok(Evaluated::Ignore) => Ok(Offer::Ignore),
        Err(message) => {
            Err(Trouble::new(format!("rule `{}`, flow to `{}`: {message}", rule.name, flow.to)))
        }
    }
}
