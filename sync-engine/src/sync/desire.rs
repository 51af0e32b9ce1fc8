//! What an object of a target must be, and what of it the target does not have yet.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{self, Offer};
use super::run::Run;
use super::trouble::Trouble;
use super::view::{HologramView, IdentityView, known_as};
use crate::attribute::{same_value, same_values};
use crate::connector::{AttributeSchema, ValueKind};
use crate::metaverse::{MetaverseObject, ReferenceSource};
use crate::rules::{
    Apply, Behavior, Flow, FlowType, Rule, Source, boolean_of, integer_of, moment_of, text_of,
};
use crate::space::SpaceObject;
use crate::store::{JoinKey, SyncStore};
use crate::{AttributeName, AttributeValue, SpaceId, StoreError, Values};

/// What the target does not have yet.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// New values; none clear the attribute.
    pub(super) attributes: BTreeMap<AttributeName, Values>,
    /// Values that go with every update.
    pub(super) always: BTreeMap<AttributeName, Values>,
    /// Reference attributes whose edges differ.
    pub(super) references: BTreeSet<AttributeName>,
}

/// The flows to one attribute, the winning ones first.
type Flows<'f> = Vec<(&'f Rule, &'f Flow)>;

/// The flows of rules by the attribute that they go to.
pub(super) fn by_attribute<'f>(rules: &[&'f Rule]) -> BTreeMap<&'f AttributeName, Flows<'f>> {
    let mut flows: BTreeMap<&AttributeName, Flows<'_>> = BTreeMap::new();
    for rule in rules {
        for flow in &rule.flows {
            flows.entry(&flow.to).or_default().push((rule, flow));
        }
    }
    flows
}

/// The flows of rules to one attribute.
pub(super) fn flows_to<'f>(rules: &[&'f Rule], name: &AttributeName) -> Flows<'f> {
    let flows = |rule: &&'f Rule| {
        let rule = *rule;
        rule.flows.iter().filter(|flow| flow.to == *name).map(move |flow| (rule, flow))
    };
    rules.iter().flat_map(flows).collect()
}

/// What the rules together give for one attribute.
pub(super) struct Wish<'f> {
    pub(super) offer: Offer,
    /// The flow that decided; where none did, the first.
    pub(super) flow: &'f Flow,
    pub(super) rule: &'f Rule,
}

impl Run<'_, '_> {
    /// What `rules` ask of `current`, an object that is there, or that is to be made (`creating`).
    pub(super) fn difference(
        &mut self,
        rules: &[&Rule],
        identity: &MetaverseObject,
        current: &SpaceObject,
        creating: bool,
    ) -> Result<Difference, Trouble> {
        let mut difference = Difference::default();
        for (to, flows) in by_attribute(rules) {
            let Some(wish) = self.wish(&flows, identity, current, creating)? else { continue };
            if let Some(trace) = &mut self.trace {
                trace.flow(wish.rule, wish.flow, &wish.offer);
            }
            self.compare(to, wish, current, creating, &mut difference)?;
        }
        Ok(difference)
    }

    /// What has to be written to switch an object off.
    pub(super) fn disable_difference(
        &self,
        rule: &Rule,
        identity: &MetaverseObject,
        current: &SpaceObject,
    ) -> Result<BTreeMap<AttributeName, Values>, Trouble> {
        let mut difference = Difference::default();
        for flow in &rule.disable {
            if let Some(wish) = self.wish(&[(rule, flow)], identity, current, false)? {
                self.compare(&flow.to, wish, current, false, &mut difference)?;
            }
        }
        Ok(difference.attributes)
    }

    /// What the flows to one attribute come to: the first by precedence that has something to say.
    pub(super) fn wish<'f>(
        &self,
        flows: &[(&'f Rule, &'f Flow)],
        identity: &MetaverseObject,
        current: &SpaceObject,
        creating: bool,
    ) -> Result<Option<Wish<'f>>, Trouble> {
        let view = IdentityView(identity);
        let imported = HologramView(current);
        let Some((first_rule, first)) = flows.first().copied() else { return Ok(None) };
        for (rule, flow) in flows.iter().copied() {
            let once = flow.apply == Apply::OnCreate || flow.flow_type == FlowType::ObjectAddOnly;
            if once && !creating {
                return Ok(None);
            }
            let probe = |value: &AttributeValue| self.is_taken(current, &flow.to, value);
            let surroundings = self.sync.surroundings().imported(&imported).unique(&probe);
            let mut offer = evaluate::outbound(rule, flow, &view, &surroundings)?;
            let empty = current.hologram.get(&flow.to).is_empty();
            match (&offer, &flow.source, &flow.default) {
                // A flow from nowhere leaves alone what is there.
                (Offer::Ignore, Source::None, Some(default)) if empty => {
                    offer = Offer::Values(default.clone());
                }
                (Offer::Null, _, Some(default)) if creating => {
                    offer = Offer::Values(default.clone())
                }
                (Offer::Null, _, Some(_)) => offer = Offer::Ignore,
                _ => {}
            }
            match offer {
                Offer::Null => {}
                offer => return Ok(Some(Wish { offer, flow, rule })),
            }
        }
        Ok(Some(Wish { offer: Offer::Null, flow: first, rule: first_rule }))
    }

    /// Whether another object of the target has the value.
    fn is_taken(
        &self,
        current: &SpaceObject,
        attribute: &AttributeName,
        value: &AttributeValue,
    ) -> Result<bool, String> {
        let Some(object_type) = &current.object_type else { return Ok(false) };
        let key: JoinKey = super::program::key(attribute, value);
        let found = self.store.objects_by_key(&current.connector, object_type, &key, 2);
        let found = found.map_err(|error: StoreError| error.to_string())?;
        Ok(found.into_iter().any(|id| id != current.id))
    }

    fn compare(
        &self,
        to: &AttributeName,
        wish: Wish<'_>,
        current: &SpaceObject,
        creating: bool,
        difference: &mut Difference,
    ) -> Result<(), Trouble> {
        let Wish { offer, flow, rule } = wish;
        let held = current.hologram.get(to);
        let schema = self.schema_of(current, to);
        let mut sources = Vec::new();
        let values = match offer {
            Offer::Ignore => return Ok(()),
            Offer::Null | Offer::AuthoritativeNull => Values::new(),
            Offer::Values(values) => fit(rule, to, schema, values)?,
            Offer::References(referred) => {
                sources = referred;
                let names = flow.export_missing_references;
                if names { self.missing_names(&sources, current)? } else { Values::new() }
            }
        };
        if let Some(new) = written(flow.flow_type, schema, held, values) {
            if !same_values(&new, held) {
                difference.attributes.insert(to.clone(), new);
            } else if flow.behavior == Behavior::FlowAlways && !new.is_empty() {
                difference.always.insert(to.clone(), new);
            }
        }
        let add_only = flow.flow_type.adds_only();
        let any = !creating && !self.store.edges(current.id, to, None, 1)?.is_empty();
        let blocked = flow.flow_type == FlowType::AttributeAddOnly && any;
        if (!sources.is_empty() || any)
            && !blocked
            && self.edges_differ(current, to, &sources, add_only)?
        {
            difference.references.insert(to.clone());
        }
        Ok(())
    }

    fn schema_of(&self, object: &SpaceObject, name: &AttributeName) -> Option<AttributeSchema> {
        let schema = self.sync.schemas.get(&object.connector)?;
        schema.types.get(object.object_type.as_ref()?)?.attribute(name)
    }

    /// The names of what is referred to and not in the target.
    fn missing_names(
        &self,
        sources: &[ReferenceSource],
        current: &SpaceObject,
    ) -> Result<Values, Trouble> {
        let mut names = BTreeSet::new();
        for source in sources {
            let mut after = None;
            loop {
                let page = self.store.edges(
                    source.from,
                    &source.attribute,
                    after,
                    super::inbound::PAGE,
                )?;
                let full = page.len() == super::inbound::PAGE;
                after = page.last().copied();
                for id in page {
                    let Some(object) = self.store.object(id)? else { continue };
                    let there = match &object.link {
                        Some(link) => {
                            let links = self.store.links(link.metaverse)?;
                            links.iter().any(|(connector, _)| *connector == current.connector)
                        }
                        None => false,
                    };
                    if !there {
                        names.extend(known_as(&object));
                    }
                }
                if !full {
                    break;
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Whether the references of a target's object are others than those that the sources' edges ask for.
    fn edges_differ(
        &self,
        current: &SpaceObject,
        attribute: &AttributeName,
        sources: &[ReferenceSource],
        add_only: bool,
    ) -> Result<bool, Trouble> {
        let store: &dyn SyncStore = &*self.store;
        if let [_, _, ..] = sources {
            // Several sources are merged, which needs them all at once.
            let mut wanted = BTreeSet::new();
            for source in sources {
                let mut pages = Pages::new(|after, limit| {
                    store.edges_in(source.from, &source.attribute, &current.connector, after, limit)
                });
                while let Some(id) = pages.next()? {
                    wanted.insert(id);
                }
            }
            let mut wanted = wanted.into_iter();
            let held = |after, limit| store.edges(current.id, attribute, after, limit);
            return differ(|| Ok(wanted.next()), Pages::new(held), add_only);
        }
        let Some(source) = sources.first() else {
            return Ok(!add_only && !store.edges(current.id, attribute, None, 1)?.is_empty());
        };
        let mut wanted = Pages::new(|after, limit| {
            store.edges_in(source.from, &source.attribute, &current.connector, after, limit)
        });
        let held = |after, limit| store.edges(current.id, attribute, after, limit);
        differ(|| wanted.next(), Pages::new(held), add_only)
    }
}

/// Brings values into the kind that the target's attribute has.
fn fit(
    rule: &Rule,
    to: &AttributeName,
    schema: Option<AttributeSchema>,
    values: Values,
) -> Result<Values, Trouble> {
    let Some(schema) = schema else { return Ok(values) };
    if !schema.multi_valued && values.len() > 1 {
        return Err(Trouble::new(format!(
            "rule `{}`: `{to}` takes one value, and {} flow to it; choose one, as with Item() or Join()",
            rule.name,
            values.len()
        )));
    }
    let fitted = values.into_iter().map(|value| {
        fit_one(schema.kind, value).ok_or_else(|| {
            Trouble::new(format!(
                "rule `{}`: what flows to `{to}` is no {}; convert it in the flow",
                rule.name,
                word_for(schema.kind)
            ))
        })
    });
    fitted.collect()
}

/// Whether two ordered lists differ; with `add_only`, whether the first has something that the second has not.
fn differ<F: Fn(Option<SpaceId>, usize) -> Result<Vec<SpaceId>, StoreError>>(
    mut wanted: impl FnMut() -> Result<Option<SpaceId>, StoreError>,
    mut held: Pages<F>,
    add_only: bool,
) -> Result<bool, Trouble> {
    let mut have = held.next()?;
    loop {
        let Some(want) = wanted()? else { return Ok(!add_only && have.is_some()) };
        while add_only && have.is_some_and(|have| have < want) {
            have = held.next()?;
        }
        if have != Some(want) {
            return Ok(true);
        }
        have = held.next()?;
    }
}

/// A list that is read page by page.
struct Pages<F> {
    read: F,
    page: std::vec::IntoIter<SpaceId>,
    last: Option<SpaceId>,
    ended: bool,
}

impl<F: Fn(Option<SpaceId>, usize) -> Result<Vec<SpaceId>, StoreError>> Pages<F> {
    fn new(read: F) -> Self {
        Self { read, page: Vec::new().into_iter(), last: None, ended: false }
    }

    fn next(&mut self) -> Result<Option<SpaceId>, StoreError> {
        if let Some(id) = self.page.next() {
            return Ok(Some(id));
        }
        if self.ended {
            return Ok(None);
        }
        let page = (self.read)(self.last, super::inbound::PAGE)?;
        self.ended = page.len() < super::inbound::PAGE;
        self.last = page.last().copied().or(self.last);
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// What is written of `wanted`, by what the flow may do to `held`; `None` leaves it alone.
fn written(
    flow_type: FlowType,
    schema: Option<AttributeSchema>,
    held: &[AttributeValue],
    wanted: Values,
) -> Option<Values> {
    let several = schema.map_or(held.len() > 1 || wanted.len() > 1, |schema| schema.multi_valued);
    let union = |wanted: Values| {
        let mut all = held.to_vec();
        for value in wanted {
            if !all.iter().any(|other| same_value(other, &value)) {
                all.push(value);
            }
        }
        all
    };
    match flow_type {
        // `ObjectAddOnly` comes here only for an object that is made.
        FlowType::Always | FlowType::ObjectAddOnly => Some(wanted),
        _ if wanted.is_empty() => None,
        FlowType::AttributeAddOnly => held.is_empty().then_some(wanted),
        FlowType::MultiValueAddOnly => (held.is_empty() || several).then(|| union(wanted)),
        FlowType::ValueAddOnly if several => Some(union(wanted)),
        FlowType::ValueAddOnly => Some(wanted),
    }
}

fn fit_one(kind: ValueKind, value: AttributeValue) -> Option<AttributeValue> {
    match (kind, &value) {
        (ValueKind::Text, AttributeValue::Text(_))
        | (ValueKind::Binary, AttributeValue::Binary(_))
        | (ValueKind::Complex, AttributeValue::Complex(_)) => Some(value),
        (ValueKind::Text, AttributeValue::Boolean(truth)) => {
            Some(AttributeValue::text(if *truth { "true" } else { "false" }))
        }
        (ValueKind::Text, AttributeValue::Complex(_)) => None,
        (ValueKind::Text, _) => Some(AttributeValue::text(text_of(&value))),
        (ValueKind::Integer, _) => integer_of(&value).map(AttributeValue::Integer),
        (ValueKind::Boolean, _) => boolean_of(&value).map(AttributeValue::Boolean),
        (ValueKind::DateTime, _) => moment_of(&value).map(AttributeValue::DateTime),
        (ValueKind::Binary, _) => {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_text()?);
            bytes.ok().map(AttributeValue::Binary)
        }
        // The connector knows what text may stand for a reference or for a value with parts.
        (ValueKind::Reference | ValueKind::Complex, _) => Some(value),
    }
}

const fn word_for(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Text => "text",
        ValueKind::Integer => "whole number",
        ValueKind::Boolean => "truth value (true or false)",
        ValueKind::DateTime => "moment (as 2026-01-31T12:00:00Z)",
        ValueKind::Binary => "Base64 text",
        ValueKind::Reference => "reference",
        ValueKind::Complex => "value with parts",
    }
}
