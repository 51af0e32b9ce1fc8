//! From a filter to the index that answers it, or most of it.

use scim_core::AttributeType;
use scim_core::filter::{CompareOp, Field, TypedComparison, TypedFilter, TypedValue};
use scim_core::text::TextRule;

use super::catalog::TypeInfo;

/// Where the candidates for a filter come from. Each resource of the type comes at most once.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// None at all.
    Nothing,
    /// The resource with this id.
    Id(String),
    /// Those with this key of an indexed attribute.
    Key { place: usize, key: String },
    /// Groups that have this member.
    Holding { member: String },
    /// Resources that are in this group, directly or through other groups.
    HeldBy { group: String },
    /// Those of a span of time, in milliseconds, both ends included.
    Time { column: Column, from: i64, to: i64 },
    /// Those whose key of an indexed, single-valued attribute begins so.
    Prefix { place: usize, prefix: String },
    /// Those of any of these branches. What an earlier branch has must not come again, so a candidate is held against the
    /// filters of all branches before its own.
    Union(Vec<Branch>),
    /// All of them.
    All,
}

/// A time that is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Created,
    Modified,
}

/// A source, and what is still to be asked of its candidates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) source: Source,
    /// The whole filter again, unless the source answers it exactly.
    pub(super) residual: Option<TypedFilter>,
}

/// One of several ways to match.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) plan: Plan,
    /// The whole filter of the branch.
    pub(super) filter: TypedFilter,
}

impl Plan {
    /// Plans a query over one resource type.
    pub(super) fn of(filter: Option<&TypedFilter>, info: &TypeInfo) -> Self {
        let Some(filter) = filter else { return Self { source: Source::All, residual: None } };
        let (source, exact) = plan(filter, info);
        Self { source, residual: (!exact).then(|| filter.clone()) }
    }
}

impl Source {
    /// The better source has the lower rank.
    fn rank(&self, info: &TypeInfo) -> u8 {
        match self {
            Source::Nothing => 0,
            Source::Id(_) => 1,
            Source::Key { place, .. } if info.index.attributes()[*place].unique => 1,
            Source::Key { .. } => 2,
            Source::Holding { .. } => 3,
            Source::Union(branches) => {
                branches.iter().map(|b| b.plan.source.rank(info)).max().unwrap_or(0).max(3)
            }
            Source::HeldBy { .. } => 5,
            Source::Time { .. } => 6,
            Source::Prefix { .. } => 7,
            Source::All => u8::MAX,
        }
    }
}

/// A source for a filter, and whether it is exact: its candidates are the matches.
fn plan(filter: &TypedFilter, info: &TypeInfo) -> (Source, bool) {
    match filter {
        TypedFilter::Constant(true) => (Source::All, true),
        TypedFilter::Constant(false) => (Source::Nothing, true),
        TypedFilter::Compare(comparison) => {
            leaf(comparison, comparison.field.sub.as_ref(), &comparison.field, info)
                .map_or((Source::All, false), |source| (source, true))
        }
        TypedFilter::Element { field, filter } => element(field, filter, info),
        TypedFilter::And(filters) => and(filters, info),
        TypedFilter::Or(filters) => or(filters, info),
        TypedFilter::Not(_) | TypedFilter::Present(_) => (Source::All, false),
    }
}

fn and(filters: &[TypedFilter], info: &TypeInfo) -> (Source, bool) {
    let mut best: Option<(Source, bool)> = None;
    for filter in filters {
        let (source, exact) = plan(filter, info);
        best = Some(match best {
            None => (source, exact),
            Some((before, was_exact)) => match narrow(&before, &source) {
                Some(both) => (both, was_exact && exact),
                None if source.rank(info) < before.rank(info) => (source, false),
                None => (before, false),
            },
        });
    }
    best.unwrap_or((Source::All, true))
}

/// What two sources have in common, where one source can say it.
fn narrow(a: &Source, b: &Source) -> Option<Source> {
    match (a, b) {
        (Source::Time { column, from, to }, Source::Time { column: other, from: f, to: t })
            if column == other =>
        {
            Some(Source::Time { column: *column, from: *from.max(f), to: *to.min(t) })
        }
        _ => None,
    }
}

fn or(filters: &[TypedFilter], info: &TypeInfo) -> (Source, bool) {
    let mut branches = Vec::with_capacity(filters.len());
    for filter in filters {
        let (source, exact) = plan(filter, info);
        if source == Source::All {
            return (Source::All, exact);
        }
        let plan = Plan { source, residual: (!exact).then(|| filter.clone()) };
        branches.push(Branch { plan, filter: filter.clone() });
    }
    match branches.len() {
        0 => (Source::Nothing, true),
        _ => (Source::Union(branches), true),
    }
}

/// A filter in brackets: the source is that of the best of its terms.
fn element(field: &Field, filter: &TypedFilter, info: &TypeInfo) -> (Source, bool) {
    match filter {
        TypedFilter::Compare(inner) => {
            let found = leaf(inner, Some(&inner.field.name), field, info).or_else(|| {
                // The value of a simple attribute has the name `value` in brackets.
                let simple = field.kind != AttributeType::Complex && inner.field.name == "value";
                simple.then(|| leaf(inner, None, field, info)).flatten()
            });
            found.map_or((Source::All, false), |source| (source, true))
        }
        TypedFilter::And(filters) => filters
            .iter()
            .map(|filter| (element(field, filter, info).0, false))
            .min_by_key(|(source, _)| source.rank(info))
            .unwrap_or((Source::All, false)),
        _ => (Source::All, false),
    }
}

/// The source that answers one comparison exactly, where there is one. `sub` is the sub-attribute compared, `field` the
/// attribute with it.
fn leaf(
    comparison: &TypedComparison,
    sub: Option<&scim_core::AttrName>,
    field: &Field,
    info: &TypeInfo,
) -> Option<Source> {
    let wanted = Field {
        extension: field.extension.clone(),
        name: field.name.clone(),
        sub: sub.cloned(),
        kind: comparison.field.kind,
        rule: comparison.field.rule,
        multi_valued: field.multi_valued,
    };
    let base = wanted.extension.is_none();
    match &comparison.value {
        TypedValue::Text { raw, key } => {
            let is_value = wanted.sub.as_ref().is_some_and(|sub| *sub == "value");
            let exact = wanted.rule == TextRule::Exact && comparison.op == CompareOp::Eq;
            if base && exact && wanted.sub.is_none() && wanted.name == "id" {
                return Some(Source::Id(raw.to_string()));
            }
            if base && exact && is_value && wanted.name == "members" {
                return Some(Source::Holding { member: raw.to_string() });
            }
            if base && exact && is_value && wanted.name == "groups" {
                return Some(Source::HeldBy { group: raw.to_string() });
            }
            let place = info.index.find(&wanted)?;
            match comparison.op {
                CompareOp::Eq => Some(Source::Key { place, key: key.to_string() }),
                CompareOp::Sw if !wanted.multi_valued => {
                    Some(Source::Prefix { place, prefix: key.to_string() })
                }
                _ => None,
            }
        }
        TypedValue::Instant(instant) if base && wanted.name == "meta" => {
            let sub = wanted.sub.as_ref()?;
            let column = if *sub == "created" {
                Column::Created
            } else if *sub == "lastModified" {
                Column::Modified
            } else {
                return None;
            };
            // Stored times are whole milliseconds; the instant asked for may lie between two of them.
            let floor = instant.timestamp_millis();
            let whole = instant.timestamp_subsec_nanos() % 1_000_000 == 0;
            let (from, to) = match comparison.op {
                CompareOp::Eq if whole => (floor, floor),
                CompareOp::Eq => return Some(Source::Nothing),
                CompareOp::Gt => (floor.saturating_add(1), i64::MAX),
                CompareOp::Ge if whole => (floor, i64::MAX),
                CompareOp::Ge => (floor.saturating_add(1), i64::MAX),
                CompareOp::Lt if whole => (i64::MIN, floor.saturating_sub(1)),
                CompareOp::Lt | CompareOp::Le => (i64::MIN, floor),
                _ => return None,
            };
            Some(Source::Time { column, from, to })
        }
        _ => None,
    }
}
