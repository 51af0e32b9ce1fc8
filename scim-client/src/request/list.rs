//! `GET /Users?filter=…` (RFC 7644 section 3.4.2) and what it has in common with `POST /Users/.search`.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use scim_core::query::{ListQuery, ListResponse, PageRequest, Sort};
use scim_core::{Filter, Object, Projection, Resource, Value, urn};

use super::{Options, common_options};
use crate::client::Client;
use crate::error::{Error, Undecodable};
use crate::pages::{self, Opening, Page};
use crate::resources::{Place, Resources, View};
use crate::send::{Answer, Call, Safety};
use crate::target::fields::Parameter;

/// A query: which resources, in which order, with which attributes.
///
/// [`stream`](Self::stream) reads all pages; `.await` reads one page as it is.
///
/// ```
/// # use scim_client::Client;
/// use futures::TryStreamExt;
/// use scim_client::scim_core::attr;
/// # async fn run(scim: Client) -> Result<(), scim_client::Error> {
/// let mut active = scim.users().list().filter(attr("active").eq(true)).attributes(["userName"]).stream();
/// while let Some(user) = active.try_next().await? {
///     println!("{}", user.user_name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited or its stream is read"]
pub struct List<T> {
    client: Client,
    place: Place,
    verb: Verb,
    query: ListQuery,
    wrong: Option<String>,
    options: Options,
    view: PhantomData<fn() -> T>,
}

/// How the query travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// In the URL.
    Get,
    /// In the body of a POST to `.search`.
    Search,
}

impl<T: View> Resources<T> {
    /// Queries the resources (RFC 7644 section 3.4.2); at the root, those of all types.
    pub fn list(&self) -> List<T> {
        List::new(self, Verb::Get)
    }
}

impl<T: View> List<T> {
    pub(super) fn new(resources: &Resources<T>, verb: Verb) -> Self {
        Self {
            client: resources.client.clone(),
            place: resources.place.clone(),
            verb,
            query: ListQuery::default(),
            wrong: None,
            options: Options::default(),
            view: PhantomData,
        }
    }

    /// Only those that match.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.query.filter = Some(filter);
        self
    }

    /// In the order of this attribute.
    pub fn sort_by(mut self, path: impl AsRef<str>, descending: bool) -> Self {
        match path.as_ref().parse() {
            Ok(by) => self.query.sort = Some(Sort { by, descending }),
            Err(error) => self.wrong = Some(format!("sortBy: {error}")),
        }
        self
    }

    /// At most so many on a page; a stream reads as many pages as there are. The target may give fewer.
    pub fn count(mut self, count: u64) -> Self {
        match &mut self.query.page {
            PageRequest::Index { count: own, .. } | PageRequest::Cursor { count: own, .. } => {
                *own = Some(count);
            }
        }
        self
    }

    /// From this 1-based index on.
    pub fn start_index(mut self, start: u64) -> Self {
        self.query.page = PageRequest::Index { start, count: self.query.page.count() };
        self
    }

    /// From this cursor on, the `nextCursor` of an earlier page; an empty one asks for paging by cursor (RFC 9865).
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        let cursor = Some(cursor.into()).filter(|cursor| !cursor.is_empty());
        self.query.page = PageRequest::Cursor { cursor, count: self.query.page.count() };
        self
    }

    common_options! { @projection }

    /// The resources of all pages, one after the other; the next page is asked for when one is used up.
    ///
    /// Pages are read by cursor where the target announces cursors or answers with one, else by index. One page is held
    /// in memory, whatever the number of results. A resource that the page before had is left out: it has moved while
    /// the pages were read. What does not fit `T` is an error of its own, after which the stream goes on; any other
    /// error ends it, among them [`Error::Paging`] where going on would miss or repeat results.
    #[must_use]
    pub fn stream(self) -> BoxStream<'static, Result<T, Error>> {
        pages::resources(self)
    }

    /// All pages, one after the other, as the target gives them.
    #[must_use]
    pub fn pages(self) -> BoxStream<'static, Result<Page<T>, Error>> {
        pages::pages(self)
    }

    /// Which page the query begins with.
    pub(crate) fn begin(&self) -> &PageRequest {
        &self.query.page
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The size of pages: what was asked for, within what the target takes.
    pub(crate) fn page_size(&self, wanted: u64) -> u64 {
        let projection = self.options.projection().unwrap_or_default();
        let attributes = match &projection {
            Projection::Only(paths) => paths.as_slice(),
            _ => &[],
        };
        self.client.target().count(self.place.endpoint_name(), attributes, wanted)
    }

    /// Holds the query against the target's profile; the page is no larger than the target takes.
    fn within_limits(&self, page: PageRequest) -> Result<PageRequest, Error> {
        let (target, endpoint) = (self.client.target(), self.place.endpoint_name());
        target.admits_query(endpoint, self.query.filter.as_ref())?;
        let projection = self.options.projection()?;
        let sorted = self.query.sort.as_ref();
        let used = [
            (Parameter::Filter, self.query.filter.is_some()),
            (Parameter::SortBy, sorted.is_some()),
            (Parameter::SortOrder, sorted.is_some_and(|sort| sort.descending)),
            (Parameter::StartIndex, matches!(page, PageRequest::Index { start: 2.., .. })),
            (Parameter::Cursor, matches!(page, PageRequest::Cursor { .. })),
            (Parameter::Attributes, matches!(projection, Projection::Only(_))),
            (Parameter::ExcludedAttributes, matches!(projection, Projection::Except(_))),
        ];
        for (parameter, _) in used.into_iter().filter(|(_, used)| *used) {
            target.admits_parameter(parameter)?;
        }
        let countless = target.admits_parameter(Parameter::Count).is_err();
        let bounded = |count: Option<u64>| match countless {
            // How many come is the target's business; all of them are read anyway.
            true => None,
            false => count.map(|count| self.page_size(count)),
        };
        Ok(match page {
            PageRequest::Index { start, count } => {
                PageRequest::Index { start, count: bounded(count) }
            }
            PageRequest::Cursor { cursor, count } => {
                PageRequest::Cursor { cursor, count: bounded(count) }
            }
        })
    }

    /// Reads one page.
    pub(crate) async fn fetch(&self, page: PageRequest) -> Result<Fetched, Error> {
        if let Some(wrong) = &self.wrong {
            return Err(Error::Request(wrong.clone()));
        }
        let page = self.within_limits(page)?;
        let query =
            ListQuery { page, projection: self.options.projection()?, ..self.query.clone() };
        let call = match self.verb {
            Verb::Get => Call::new(Method::GET, self.place.clone(), Safety::Safe),
            Verb::Search => {
                let place = self.place.clone().child(".search");
                Call::new(Method::POST, place, Safety::Safe).json(&query.to_search())?
            }
        };
        let exchange = (call.method.clone(), call.place.to_string());
        let mut call = self.options.apply(call)?;
        call.query = match self.verb {
            Verb::Get => query.to_query_string(),
            Verb::Search => String::new(),
        };
        let answer = self.client.send(call).await?;
        Fetched::read(answer, exchange)
    }
}

impl<T: View> IntoFuture for List<T> {
    type Output = Result<Page<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let page = match (Opening::by_profile(&self.client), self.begin()) {
                (Some(Opening::EmptyCursor), PageRequest::Index { start: 0 | 1, count }) => {
                    PageRequest::Cursor { cursor: None, count: *count }
                }
                (_, page) => page.clone(),
            };
            self.fetch(page).await?.into_page()
        })
    }
}

/// A page as it came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) list: ListResponse,
    pub(crate) exchange: Exchange,
}

/// Which exchange something came from, for errors about it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange(Arc<(Method, String, StatusCode, HeaderMap, u32)>);

impl Fetched {
    fn read(answer: Answer, (method, path): (Method, String)) -> Result<Self, Error> {
        let exchange =
            Exchange(Arc::new((method, path, answer.status, answer.headers, answer.attempts)));
        match read_list(answer.body.unwrap_or_default()) {
            Ok(list) => Ok(Self { list, exchange }),
            Err(problem) => Err(exchange.undecodable(problem)),
        }
    }

    /// The page with its resources as their type.
    pub(crate) fn into_page<T: View>(self) -> Result<Page<T>, Error> {
        let resources = self.list.resources.into_iter();
        let resources = resources.map(|r| self.exchange.view(r)).collect::<Result<_, _>>()?;
        Ok(Page { resources, about: self.list.page })
    }
}

impl Exchange {
    /// The resource as its type.
    pub(crate) fn view<T: View>(&self, resource: Resource) -> Result<T, Error> {
        let id = resource.id().map(str::to_owned);
        T::from_resource(resource).map_err(|error| {
            self.undecodable(match id {
                Some(id) => format!("the resource with the id {id}: {error}"),
                None => format!("a resource without an id: {error}"),
            })
        })
    }

    /// The error that the body is not what it has to be.
    fn undecodable(&self, problem: String) -> Error {
        let (method, path, status, headers, attempts) = &*self.0;
        Error::Decode(Box::new(Undecodable {
            method: method.clone(),
            path: path.clone(),
            status: *status,
            headers: headers.clone(),
            problem,
            body_excerpt: None,
            attempts: *attempts,
        }))
    }
}

/// Reads a list response as servers send it: without `schemas`, with numbers as texts, with numbers that say nothing.
fn read_list(mut body: Object) -> Result<ListResponse, String> {
    if !body.contains("schemas") && (body.contains("Resources") || body.contains("totalResults")) {
        body.insert("schemas", [urn::LIST_RESPONSE]);
    }
    for name in ["totalResults", "itemsPerPage", "startIndex"] {
        let number = match body.get(name) {
            Some(Value::String(text)) => text.trim().parse::<u64>().ok(),
            Some(Value::Number(number)) if number.as_f64().is_some_and(|n| n < 0.0) => None,
            _ => continue,
        };
        match number {
            Some(number) => body.insert(name, Value::Number(number.into())),
            None => body.remove(name),
        };
    }
    ListResponse::from_object(body).map_err(|error| error.to_string())
}
