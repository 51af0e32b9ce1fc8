//! What is asked of an agent, as requests.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use scim_core::filter::{CompareOp, Comparison};
use scim_core::query::{ListQuery, PageRequest};
use scim_core::resource::Object;
use scim_core::{AttrPath, Filter, Literal, Projection, attr, urn};
use scim_sync::connector::{ImportMode, ImportRequest, ImportShape, MatchQuery, Watermark};
use scim_sync::{Anchor, AttributeName, AttributeValue, ConnectorError};

use super::page;
use super::scope::RemoteScope;
use super::value::{self, TextType};
use super::{name, wire};

/// What a search asks of a directory.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Import(ImportRequest),
    Read(Vec<Anchor>, ImportShape),
    Find(MatchQuery, ImportShape),
}

impl Question {
    pub(super) fn shape(&self) -> &ImportShape {
        match self {
            Self::Import(request) => &request.shape,
            Self::Read(_, shape) | Self::Find(_, shape) => shape,
        }
    }

    /// The search request that asks for this of `directory`.
    ///
    /// # Errors
    /// [`ConnectorError::Unsupported`] for a search by a value that no filter can hold;
    /// [`ConnectorError::Configuration`] for a name of a directory that no URL can hold.
    pub(super) fn request(
        &self,
        directory: &str,
        scope: &RemoteScope,
        remembered: Option<&Watermark>,
    ) -> Result<http::Request<Bytes>, ConnectorError> {
        let mut path = format!("/{}", name::segment(directory));
        let types = types_filter(self.shape());
        let mut value_type = None;
        let (filter, page) = match self {
            Self::Import(request) => {
                let cursor = match &request.mode {
                    ImportMode::Full => None,
                    ImportMode::Delta(watermark) => Some(watermark.0.to_string()),
                };
                (types, PageRequest::Cursor { cursor, count: None })
            }
            Self::Read(anchors, _) => {
                let ids = Filter::any(anchors.iter().map(|anchor| attr("id").eq(anchor.as_str())));
                let filter = Filter::all([Some(types), ids].into_iter().flatten());
                (filter.unwrap_or_else(nothing), PageRequest::default())
            }
            Self::Find(query, _) => {
                path.push('/');
                path.push_str(&name::segment(query.object_type.as_str()));
                let (literal, kind) = literal(query)?;
                value_type = kind;
                let filter = Filter::Compare(Comparison {
                    path: searched(query),
                    op: CompareOp::Eq,
                    value: literal,
                });
                let count = u64::try_from(query.limit).ok();
                (filter, PageRequest::Index { start: 1, count })
            }
        };
        path.push_str("/.search");
        let query = ListQuery {
            filter: Some(filter),
            sort: None,
            page,
            projection: projection(self.shape()),
        };
        let mut body = query.to_search();
        body.insert("schemas", [urn::SEARCH_REQUEST, wire::REQUEST]);
        // A read of changes has it as its cursor.
        let full =
            matches!(self, Self::Import(request) if matches!(request.mode, ImportMode::Full));
        body.insert(wire::REQUEST, extension(scope, value_type, remembered.filter(|_| full))?);
        let request = http::Request::post(path)
            .header(CONTENT_TYPE, wire::SCIM_JSON)
            .header(ACCEPT, wire::LINES);
        request.body(page::json(&body).into()).map_err(|_| no_path(directory))
    }
}

/// The request for one of the documents that describe a directory.
///
/// # Errors
/// [`ConnectorError::Configuration`] for a name of a directory that no URL can hold.
pub(super) fn get(directory: &str, what: &str) -> Result<http::Request<Bytes>, ConnectorError> {
    let path = format!("/{}/{what}", name::segment(directory));
    let request = http::Request::get(path).header(ACCEPT, wire::SCIM_JSON);
    request.body(Bytes::new()).map_err(|_| no_path(directory))
}

fn no_path(directory: &str) -> ConnectorError {
    let shown: String = directory.chars().take(64).collect();
    ConnectorError::Configuration(format!("{shown:?} cannot be the name of a directory"))
}

fn types_filter(shape: &ImportShape) -> Filter {
    let types = shape.types.keys().map(|kind| attr("meta.resourceType").eq(kind.as_str()));
    Filter::any(types).unwrap_or_else(nothing)
}

/// The filter of a search for no type.
fn nothing() -> Filter {
    !attr("meta.resourceType").present()
}

fn projection(shape: &ImportShape) -> Projection {
    let mut paths = Vec::new();
    for (kind, names) in &shape.types {
        let urn = name::urn(kind);
        paths.extend(
            names.iter().map(|name| AttrPath::new(Some(urn.clone()), name::member(name), None)),
        );
    }
    if paths.is_empty() {
        paths.extend("id".parse::<AttrPath>());
    }
    Projection::Only(paths)
}

/// The path of the attribute that a search is about.
fn searched(query: &MatchQuery) -> AttrPath {
    let member = name::member(&query.attribute);
    if is_dn(&query.attribute) {
        return AttrPath::from(member);
    }
    AttrPath::new(Some(name::urn(&query.object_type)), member, None)
}

pub(super) fn is_dn(name: &AttributeName) -> bool {
    *name == AttributeName::new(MatchQuery::DN)
}

/// The value of a search, and what it is where it is written as text.
fn literal(query: &MatchQuery) -> Result<(Literal, Option<&'static str>), ConnectorError> {
    let kind = TextType::of(&query.value).map(TextType::as_str);
    Ok(match &query.value {
        AttributeValue::Text(text) => (Literal::String(text.clone()), Some("string")),
        AttributeValue::Integer(number) => (Literal::from(*number), None),
        AttributeValue::Boolean(boolean) => (Literal::Bool(*boolean), None),
        AttributeValue::DateTime(moment) => (Literal::from(value::moment(moment)), kind),
        AttributeValue::Binary(octets) => (Literal::from(value::bytes(octets)), kind),
        AttributeValue::Complex(_) => {
            return Err(ConnectorError::Unsupported(format!(
                "a directory cannot be searched for this kind of value of {}",
                query.attribute
            )));
        }
    })
}

/// What SCIM has no words for.
fn extension(
    scope: &RemoteScope,
    value_type: Option<&str>,
    remembered: Option<&Watermark>,
) -> Result<Object, ConnectorError> {
    let mut out = Object::new();
    let scope = scim_core::resource::to_value(scope).map_err(|error| {
        ConnectorError::Configuration(format!("the scope cannot be written: {error}"))
    })?;
    out.insert("scope", scope);
    if let Some(value_type) = value_type {
        out.insert("valueType", value_type);
    }
    if let Some(remembered) = remembered {
        out.insert("remembered", remembered.0.to_string());
    }
    Ok(out)
}
