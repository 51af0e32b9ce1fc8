//! What a search request asks for.

use scim_core::filter::{CompareOp, Comparison, FilterError};
use scim_core::query::{ListQuery, PageRequest};
use scim_core::resource::{Object, Value};
use scim_core::{AttrPath, Error, Filter, Leniency, Limits, Literal, Profile, Projection, json};
use scim_sync::connector::{
    ConnectorSchema, ImportMode, ImportRequest, ImportShape, MatchQuery, ValueKind, Watermark,
};
use scim_sync::{Anchor, AttributeName, AttributeValue, ObjectType};

use super::fault::Fault;
use super::request::{Question, is_dn};
use super::scope::RemoteScope;
use super::value::TextType;
use super::{name, wire};

/// What the limits of a search are: the question of a read names every attribute and every object that it wants.
fn limits() -> Limits {
    Limits {
        payload_bytes: wire::MAX_REQUEST,
        filter_length: 4 << 20,
        filter_terms: 4096,
        projection_names: 65_536,
        ..Limits::default()
    }
}

/// A search request as it came.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) scope: RemoteScope,
    value_type: Option<String>,
    /// How far an earlier read came.
    pub(super) remembered: Option<Watermark>,
    /// What the filter names.
    types: Option<Vec<ObjectType>>,
    ids: Option<Vec<Anchor>>,
    value: Option<(AttrPath, Literal)>,
    /// With the type that each is of.
    attributes: Vec<(ObjectType, AttributeName)>,
    cursor: Option<String>,
    pub(super) count: Option<usize>,
}

/// What the filter of a search can be made of.
enum Term {
    Types(Vec<ObjectType>),
    Ids(Vec<Anchor>),
    Value(AttrPath, Literal),
}

impl Search {
    /// Reads a request.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Fault> {
        let limits = limits();
        let mut object = json::parse_object(body, &limits)?;
        let (scope, value_type, remembered) = read_extension(object.remove(wire::REQUEST))?;
        // A cursor of ours can be longer than one of a server on the open network may be.
        let cursor = match object.remove("cursor") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.to_string()).filter(|text| !text.is_empty()),
            Some(_) => return Err(Error::value("cursor", "it must be a string").into()),
        };
        let mut leniency = Leniency::new(Profile::strict());
        let query = ListQuery::from_search(&object, &limits, &mut leniency)?;
        if matches!(query.page, PageRequest::Index { start, .. } if start > 1) {
            let problem = "a directory is read by cursor; leave it out";
            return Err(Error::value("startIndex", problem).into());
        }
        let mut search = Self {
            scope,
            value_type,
            remembered,
            types: None,
            ids: None,
            value: None,
            attributes: attributes(&query.projection)?,
            cursor,
            count: query.page.count().map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        };
        let terms = match query.filter {
            None => Vec::new(),
            Some(Filter::And(terms)) => terms,
            Some(filter) => vec![filter],
        };
        for filter in terms {
            let fresh = match term(filter)? {
                Term::Types(types) => search.types.replace(types).is_none(),
                Term::Ids(ids) => search.ids.replace(ids).is_none(),
                Term::Value(path, value) => search.value.replace((path, value)).is_none(),
            };
            if !fresh {
                return Err(not_offered().into());
            }
        }
        if search.value.is_some() && search.ids.is_some() {
            return Err(not_offered().into());
        }
        Ok(search)
    }

    /// What is asked, of the type of the endpoint where there is one.
    pub(super) fn question(
        self,
        endpoint: Option<ObjectType>,
        schema: &ConnectorSchema,
    ) -> Result<Question, Fault> {
        let types = match (&endpoint, self.types) {
            (None, None) => schema.types.keys().cloned().collect(),
            (None, Some(types)) => types,
            (Some(endpoint), None) => vec![endpoint.clone()],
            (Some(endpoint), Some(types)) if types == [endpoint.clone()] => types,
            (Some(_), Some(_)) => {
                return Err(filter("it names other types than the endpoint").into());
            }
        };
        let types = types.into_iter().map(|kind| (kind, Vec::new()));
        let mut shape = ImportShape { types: types.collect() };
        for (kind, name) in self.attributes {
            let Some(names) = shape.types.get_mut(&kind) else {
                let problem = format!("the search is not for objects of type {kind}");
                return Err(Error::value("attributes", problem).into());
            };
            names.push(name);
        }
        if (self.ids.is_some() || self.value.is_some()) && self.cursor.is_some() {
            let detail = "single objects have no changes to go on with".to_owned();
            return Err(Error::InvalidCursor { detail }.into());
        }
        if let Some(ids) = self.ids {
            return Ok(Question::Read(ids, shape));
        }
        if let Some((path, literal)) = self.value {
            let Some(object_type) = endpoint else {
                return Err(
                    filter("objects are found by a value at the endpoint of their type").into()
                );
            };
            let attribute = found_by(&path, &object_type)?;
            let value = read_literal(literal, self.value_type.as_deref(), || {
                let known = schema.types.get(&object_type)?.attribute(&attribute)?;
                Some(known.kind)
            })?;
            let limit = self.count.unwrap_or(FOUND);
            return Ok(Question::Find(MatchQuery { object_type, attribute, value, limit }, shape));
        }
        let mode = match self.cursor {
            None => ImportMode::Full,
            Some(cursor) => {
                ImportMode::Delta(serde_json::from_str(&cursor).map(Watermark).map_err(|_| {
                    Error::InvalidCursor { detail: "it was not made here".to_owned() }
                })?)
            }
        };
        Ok(Question::Import(ImportRequest { mode, shape }))
    }
}

/// How many objects a search by a value finds when it does not say how many.
const FOUND: usize = 1000;

type Extension = (RemoteScope, Option<String>, Option<Watermark>);

fn read_extension(value: Option<Value>) -> Result<Extension, Fault> {
    let mut object = match value {
        None => Object::new(),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(Error::value(wire::REQUEST, "it must be an object").into()),
    };
    let scope = match object.remove("scope") {
        None => RemoteScope::default(),
        Some(scope) => serde_json::from_value(scope.into()).map_err(|error| {
            let problem =
                format!("{error}; an agent that does not know a part of a scope reads nothing");
            Error::value("scope", problem)
        })?,
    };
    let value_type = object.get_str("valueType").map(str::to_owned);
    // What is in it is the connector's own; one that makes nothing of it reads without.
    let remembered = object.get_str("remembered");
    let remembered = remembered.and_then(|text| serde_json::from_str(text).ok()).map(Watermark);
    Ok((scope, value_type, remembered))
}

fn attributes(projection: &Projection) -> Result<Vec<(ObjectType, AttributeName)>, Fault> {
    let paths = match projection {
        Projection::Default => return Ok(Vec::new()),
        Projection::Only(paths) => paths,
        Projection::Except(_) => {
            let problem = "only attributes that are asked for are shown; name those in attributes";
            return Err(Error::value("excludedAttributes", problem).into());
        }
    };
    // Names without a type are those that every resource shows.
    let typed = paths.iter().filter_map(|path| Some((path, path.uri()?)));
    let named = typed.map(|(path, uri)| {
        let kind = name::object_type(uri.as_str()).filter(|_| path.sub().is_none());
        kind.zip(name::attribute(path.name().as_str())).ok_or_else(|| {
            let problem =
                "an attribute of a directory is the URN of its type, a colon and its name";
            Error::value("attributes", problem).into()
        })
    });
    named.collect()
}

fn term(filter: Filter) -> Result<Term, Error> {
    match filter {
        Filter::Not(inner) if matches!(&*inner, Filter::Present(path) if is_type(path)) => {
            Ok(Term::Types(Vec::new()))
        }
        Filter::Compare(Comparison { path, op: CompareOp::Eq, value }) => match value {
            Literal::String(text) if is_type(&path) => Ok(Term::Types(vec![ObjectType::new(text)])),
            Literal::String(text) if is_id(&path) => Ok(Term::Ids(vec![Anchor::new(text)])),
            _ if is_type(&path) || is_id(&path) => Err(not_offered()),
            value => Ok(Term::Value(path, value)),
        },
        Filter::Or(alternatives) => {
            let mut all: Option<Term> = None;
            for alternative in alternatives {
                all = Some(match (all, term(alternative)?) {
                    (None, first @ (Term::Types(_) | Term::Ids(_))) => first,
                    (Some(Term::Types(mut all)), Term::Types(more)) => {
                        all.extend(more);
                        Term::Types(all)
                    }
                    (Some(Term::Ids(mut all)), Term::Ids(more)) => {
                        all.extend(more);
                        Term::Ids(all)
                    }
                    _ => return Err(not_offered()),
                });
            }
            all.ok_or_else(not_offered)
        }
        _ => Err(not_offered()),
    }
}

fn is_type(path: &AttrPath) -> bool {
    path.uri().is_none()
        && *path.name() == "meta"
        && path.sub().is_some_and(|sub| *sub == "resourceType")
}

fn is_id(path: &AttrPath) -> bool {
    path.uri().is_none() && *path.name() == "id" && path.sub().is_none()
}

fn filter(detail: &str) -> Error {
    Error::InvalidFilter(FilterError { column: 1, detail: detail.to_owned() })
}

fn not_offered() -> Error {
    filter(
        "a directory is searched by meta.resourceType eq, by id eq, each with alternatives joined by or, both joined by and, \
         or by one attribute eq at the endpoint of its type",
    )
}

/// The attribute by which objects of a type are found.
fn found_by(path: &AttrPath, object_type: &ObjectType) -> Result<AttributeName, Error> {
    let found = name::attribute(path.name().as_str()).filter(|_| path.sub().is_none());
    let found = found.filter(|found| match path.uri() {
        None => is_dn(found),
        Some(uri) => name::object_type(uri.as_str()).is_some_and(|named| named == *object_type),
    });
    found.ok_or_else(|| filter("it names no attribute of the type of the endpoint, nor dn"))
}

fn read_literal(
    literal: Literal,
    value_type: Option<&str>,
    known: impl FnOnce() -> Option<ValueKind>,
) -> Result<AttributeValue, Error> {
    let text = match literal {
        Literal::Bool(boolean) => return Ok(AttributeValue::Boolean(boolean)),
        Literal::Number(number) => {
            let number = number.as_i64().ok_or_else(|| filter("its number is not whole"))?;
            return Ok(AttributeValue::Integer(number));
        }
        Literal::Null => return Err(filter("objects are not found by what they lack")),
        Literal::String(text) => text,
    };
    let kind =
        match value_type {
            Some("string") => None,
            Some(named) => Some(TextType::parse(named).ok_or_else(|| {
                Error::value("valueType", "it must be string, binary or dateTime")
            })?),
            None => match known() {
                Some(ValueKind::Binary) => Some(TextType::Binary),
                Some(ValueKind::DateTime) => Some(TextType::DateTime),
                _ => None,
            },
        };
    match kind {
        None => Ok(AttributeValue::Text(text)),
        Some(kind) => {
            kind.value(&text).ok_or_else(|| filter(&format!("its value is no {}", kind.as_str())))
        }
    }
}
