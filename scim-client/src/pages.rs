//! Walking through the pages of a query: by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865).

mod walk;

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use scim_core::query::{ListPage, PageRequest};
use scim_core::{Resource, Value};

use crate::client::Client;
use crate::error::Error;
use crate::request::{Exchange, Fetched, List};
use crate::resources::View;
use crate::target::Capabilities;
pub(crate) use walk::Opening;
use walk::{Walk, mark};

/// Resources on a page where neither the caller nor the target says how many.
const PAGE_SIZE: u64 = 100;

/// More are not asked for at once unless the caller does: a page is what a walk holds in memory.
const LARGEST_PAGE: u64 = 200;

/// Why a walk through pages was stopped: going on would miss results, repeat them or never end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PagingError {
    /// A page held only what an earlier page had held: the target does not page, or its cursors go round in a circle.
    #[error("page {page} of the list repeats an earlier one; the target does not go on")]
    Repeated {
        /// The number of the page, from 1.
        page: u64,
    },
    /// `totalResults` became smaller on the way. What follows a resource that is gone has moved forward, perhaps to a
    /// page that was read before.
    #[error(
        "the number of results fell from {before} to {now} while they were read by index; some may have been missed, \
         read them again"
    )]
    Shrunk {
        /// What an earlier page said.
        before: u64,
        /// What this page says.
        now: u64,
    },
    /// The target has more results, and does not give them.
    #[error("the target announced {total} results and gave {received}")]
    Incomplete {
        /// Results that came.
        received: u64,
        /// `totalResults`.
        total: u64,
    },
    /// Nothing but empty pages, each with another cursor or always the same.
    #[error("{pages} empty pages in a row, and the target names one more")]
    Endless {
        /// Empty pages in a row.
        pages: u32,
    },
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// Its resources.
    pub resources: Vec<T>,
    /// What the target says about it: the number of all results, the cursor of the next page.
    pub about: ListPage,
}

/// The resources of all pages, one after the other.
pub(crate) fn resources<T: View>(list: List<T>) -> BoxStream<'static, Result<T, Error>> {
    let reader = Reader { pages: Pages::new(list), page: Vec::new().into_iter(), exchange: None };
    stream::unfold(reader, |mut reader| async {
        let item = reader.next().await?;
        Some((item, reader))
    })
    .boxed()
}

/// The pages, one after the other.
pub(crate) fn pages<T: View>(list: List<T>) -> BoxStream<'static, Result<Page<T>, Error>> {
    stream::unfold(Pages::new(list), |mut pages| async {
        let page = pages.next().await?.and_then(|arrived| arrived.fetched.into_page());
        Some((page, pages))
    })
    .boxed()
}

/// Reads page after page.
#[derive(Debug)]
struct Pages<T> {
    list: List<T>,
    /// None before the first page.
    walk: Option<Walk>,
    ended: bool,
}

/// A page that the walk has taken note of.
#[derive(Debug)]
struct Arrived {
    fetched: Fetched,
    /// For each resource, whether the page before had it.
    repeated: Vec<bool>,
}

impl<T: View> Pages<T> {
    fn new(list: List<T>) -> Self {
        Self { list, walk: None, ended: false }
    }

    async fn next(&mut self) -> Option<Result<Arrived, Error>> {
        if self.ended {
            return None;
        }
        let page = self.advance().await.transpose();
        self.ended = !matches!(page, Some(Ok(_)));
        page
    }

    async fn advance(&mut self) -> Result<Option<Arrived>, Error> {
        let walk = match &mut self.walk {
            Some(walk) => walk,
            none => none.insert(begin(&self.list).await),
        };
        let Some(next) = walk.next().cloned() else { return Ok(None) };
        let fetched = self.list.fetch(next).await?;
        let marks: Vec<u64> = fetched.list.resources.iter().map(mark_of).collect();
        let repeated = marks.iter().map(|mark| walk.had(*mark)).collect();
        walk.arrived(&fetched.list.page, marks)?;
        Ok(Some(Arrived { fetched, repeated }))
    }
}

/// Reads resource after resource.
#[derive(Debug)]
struct Reader<T> {
    pages: Pages<T>,
    page: std::vec::IntoIter<Resource>,
    exchange: Option<Exchange>,
}

impl<T: View> Reader<T> {
    async fn next(&mut self) -> Option<Result<T, Error>> {
        loop {
            if let (Some(resource), Some(exchange)) = (self.page.next(), &self.exchange) {
                return Some(exchange.view(resource));
            }
            let Arrived { fetched, repeated } = match self.pages.next().await? {
                Ok(arrived) => arrived,
                Err(error) => return Some(Err(error)),
            };
            let mut resources = fetched.list.resources;
            let mut repeated = repeated.into_iter();
            resources.retain(|_| !repeated.next().unwrap_or_default());
            self.page = resources.into_iter();
            self.exchange = Some(fetched.exchange);
        }
    }
}

fn mark_of(resource: &Resource) -> u64 {
    match resource.id() {
        Some(id) => mark(id),
        None => mark(&Value::from(resource.clone()).to_string()),
    }
}

/// Decides how to page, and where to begin.
async fn begin<T: View>(list: &List<T>) -> Walk {
    let from = list.begin().clone();
    let PageRequest::Index { start, count } = from else {
        return Walk::new(from, Opening::Plain);
    };
    let client = list.client();
    let capabilities = match client.capabilities().await {
        Ok(capabilities) => capabilities,
        // Whoever may read users need not be allowed to read this; without it the pages are read by index.
        Err(error) => {
            tracing::debug!(%error, "what the target announces cannot be read");
            Arc::new(Capabilities::from_service_provider_config(None, client.target()))
        }
    };
    let opening = Opening::by_profile(client).unwrap_or(match capabilities.cursor_paging.value {
        true => Opening::EmptyCursor,
        false => Opening::Plain,
    });
    let most = capabilities.max_page_size.value.or(capabilities.filter_max_results.value);
    let own = most.map_or(PAGE_SIZE, |most| (most as u64).min(LARGEST_PAGE));
    let count = list.page_size(count.unwrap_or(own));
    Walk::new(PageRequest::Index { start, count: Some(count) }, opening)
}

impl Opening {
    /// What the target's profile says; it goes before what the target says.
    pub(crate) fn by_profile(client: &Client) -> Option<Self> {
        let paging = &client.target().fields().paging;
        match (paging.index, paging.cursor) {
            _ if paging.empty_first_cursor => Some(Opening::EmptyCursor),
            (Some(false), Some(false)) => Some(Opening::Whole),
            // By index only, or by cursor without being asked.
            (Some(true), Some(false)) | (Some(false), Some(true)) => Some(Opening::Plain),
            _ => None,
        }
    }
}
