//! Queries (RFC 7644 section 3.4.2 and 3.4.3, RFC 9865): what is asked, in which order, which page, which attributes;
//! and the list response.

mod cursor;
mod list;
mod page;
mod search;
mod sort;
mod url;

use std::borrow::Cow;

pub use cursor::{Cursor, CursorCodec, CursorKey, CursorScope};
pub use list::{ListPage, ListResponse};
pub use page::PageRequest;
pub(crate) use search::check_message_schemas;
pub use sort::{ResolvedSort, Sort, SortKey};

use crate::error::Error;
use crate::filter::{Filter, FilterError};
use crate::limits::Limits;
use crate::profile::Leniency;
use crate::project::Projection;
use page::read_number;

/// A query, from the parameters of a GET or the body of a POST to `.search`.
///
/// ```
/// use scim_core::query::{ListQuery, PageRequest};
/// use scim_core::{Leniency, Limits, Profile};
/// let raw = "filter=userName+sw+%22J%22&count=10&startIndex=0&";
/// let query = ListQuery::from_query(raw, &Limits::default(), &mut Leniency::new(Profile::strict()))?;
/// assert_eq!(query.filter.as_ref().map(ToString::to_string).as_deref(), Some(r#"userName sw "J""#));
/// assert_eq!(query.page, PageRequest::Index { start: 1, count: Some(10) });
/// assert_eq!(query.to_query_string(), "filter=userName%20sw%20%22J%22&count=10");
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order.
    pub sort: Option<Sort>,
    /// Which part of them.
    pub page: PageRequest,
    /// With which attributes.
    pub projection: Projection,
}

/// The parameters of a query, not yet read.
#[derive(Default)]
struct Parameters<'a> {
    filter: Option<Cow<'a, str>>,
    sort_by: Option<Cow<'a, str>>,
    sort_order: Option<Cow<'a, str>>,
    start_index: Option<i64>,
    count: Option<i64>,
    cursor: Option<Cow<'a, str>>,
}

impl ListQuery {
    /// Reads the raw query part of a URL, without its `?`.
    ///
    /// Names of parameters are taken in any letter case, unknown ones are ignored, stray `&` and `?` at the end too.
    /// Paging values out of range are pulled in: `startIndex` below 1 is 1, `count` below 0 is 0.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`]; [`Error::InvalidValue`] when a parameter occurs twice, is no number, cannot be
    /// decoded, or two exclude each other; [`Error::InvalidCursor`] when the cursor is too long to be one.
    pub fn from_query(raw: &str, limits: &Limits, leniency: &mut Leniency) -> Result<Self, Error> {
        let mut parameters = Parameters::default();
        let (mut attributes, mut excluded) = (None, None);
        for pair in url::pairs(raw) {
            let name = known_parameter(&pair.name);
            let text = match name {
                None => continue,
                Some("startIndex") => {
                    let number = read_number("startIndex", &pair.value()?)?;
                    set(&mut parameters.start_index, "startIndex", number)?;
                    continue;
                }
                Some("count") => {
                    let number = read_number("count", &pair.value()?)?;
                    set(&mut parameters.count, "count", number)?;
                    continue;
                }
                Some("filter") => &mut parameters.filter,
                Some("sortBy") => &mut parameters.sort_by,
                Some("sortOrder") => &mut parameters.sort_order,
                Some("cursor") => &mut parameters.cursor,
                Some("attributes") => &mut attributes,
                Some(_) => &mut excluded,
            };
            set(text, &pair.name, pair.value()?)?;
        }
        let projection = Projection::parse(attributes.as_deref(), excluded.as_deref(), limits)?;
        parameters.into_query(projection, limits, leniency)
    }

    /// The query part of a URL that asks for this, percent-encoded, without `?`; empty for the default query.
    pub fn to_query_string(&self) -> String {
        let mut out = String::new();
        self.write(|name, value| match value {
            Parameter::Text(text) => url::push(&mut out, name, &text),
            Parameter::Number(number) => url::push(&mut out, name, &number.to_string()),
            Parameter::Names(names) => url::push(&mut out, name, &names.join(",")),
        });
        out
    }

    /// The parameters that differ from the defaults, in the order of the RFC.
    fn write(&self, mut parameter: impl FnMut(&'static str, Parameter)) {
        let names = |paths: &[crate::name::AttrPath]| {
            Parameter::Names(paths.iter().map(ToString::to_string).collect())
        };
        match &self.projection {
            Projection::Default => {}
            Projection::Only(paths) => parameter("attributes", names(paths)),
            Projection::Except(paths) => parameter("excludedAttributes", names(paths)),
        }
        if let Some(filter) = &self.filter {
            parameter("filter", Parameter::Text(filter.to_string()));
        }
        if let Some(sort) = &self.sort {
            parameter("sortBy", Parameter::Text(sort.by.to_string()));
            if sort.descending {
                parameter("sortOrder", Parameter::Text("descending".to_owned()));
            }
        }
        match &self.page {
            PageRequest::Index { start: 0 | 1, .. } => {}
            PageRequest::Index { start, .. } => {
                parameter("startIndex", Parameter::Number(*start));
            }
            PageRequest::Cursor { cursor, .. } => {
                parameter("cursor", Parameter::Text(cursor.clone().unwrap_or_default()));
            }
        }
        if let Some(count) = self.page.count() {
            parameter("count", Parameter::Number(count));
        }
    }
}

/// A parameter to be written.
enum Parameter {
    Text(String),
    Number(u64),
    Names(Vec<String>),
}

/// Longer than any cursor of ours; others are unknown to us anyway.
const MAX_CURSOR: usize = 8 * 1024;

impl Parameters<'_> {
    fn into_query(
        self,
        projection: Projection,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<ListQuery, Error> {
        let filter = match self.filter {
            None => None,
            Some(text) if text.trim().is_empty() => {
                let detail = "the filter is empty; leave the parameter out to get everything";
                return Err(FilterError { column: 1, detail: detail.to_owned() }.into());
            }
            Some(text) => Some(Filter::parse(&text, limits, leniency)?),
        };
        let descending = match self.sort_order.as_deref() {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(_) => {
                return Err(Error::value("sortOrder", "it must be ascending or descending"));
            }
        };
        let sort = match self.sort_by.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(path) => {
                let by = path
                    .parse()
                    .map_err(|_| Error::value("sortBy", "it must be the name of an attribute"))?;
                Some(Sort { by, descending })
            }
        };
        if self.cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
            let detail = "it is too long to be one of this server".to_owned();
            return Err(Error::InvalidCursor { detail });
        }
        let cursor = self.cursor.map(Cow::into_owned);
        let page = PageRequest::new(self.start_index, self.count, cursor)?;
        Ok(ListQuery { filter, sort, page, projection })
    }
}

/// The parameter of this name, in the spelling of the RFC.
fn known_parameter(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "attributes",
        "excludedAttributes",
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "cursor",
    ];
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Error> {
    if place.is_some() {
        return Err(Error::value(name, "the parameter is there twice; send it once"));
    }
    *place = Some(value);
    Ok(())
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes` from the raw query part of a URL: what requests for one resource
    /// take. Other parameters are not looked at, not even `filter` (AMBIGUITIES 41).
    ///
    /// # Errors
    /// As [`Projection::parse`], and [`Error::InvalidValue`] when a parameter is there twice or cannot be decoded.
    pub fn from_query(raw: &str, limits: &Limits) -> Result<Self, Error> {
        let (mut attributes, mut excluded) = (None, None);
        for pair in url::pairs(raw) {
            match known_parameter(&pair.name) {
                Some(name @ "attributes") => set(&mut attributes, name, pair.value()?)?,
                Some(name @ "excludedAttributes") => set(&mut excluded, name, pair.value()?)?,
                _ => {}
            }
        }
        Self::parse(attributes.as_deref(), excluded.as_deref(), limits)
    }
}
