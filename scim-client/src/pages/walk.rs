//! The walk over the pages of one query, without any IO: which page to ask for next, and when to stop.

use std::hash::{DefaultHasher, Hash, Hasher};

use scim_core::query::{ListPage, PageRequest};

use super::PagingError;

/// So many pages in a row may be empty while a cursor goes on. A target may answer short pages (RFC 9865 section 2),
/// even empty ones where it filters after it has read; one that does nothing else is not going anywhere.
const EMPTY_PAGES: u32 = 100;

/// How the first page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Without a word about paging but `count`: by index, or however the target pages by default.
    Plain,
    /// With an empty `cursor`, which asks for paging by cursor (RFC 9865 section 2.1).
    EmptyCursor,
    /// Without `count` too: the target knows no pages and answers everything at once.
    Whole,
}

/// Where a walk stands.
///
/// It remembers the marks of one page and a few numbers, however long the walk is.
#[derive(Debug)]
pub(crate) struct Walk {
    next: Option<PageRequest>,
    count: Option<u64>,
    whole: bool,
    /// Pages and resources so far.
    pages: u64,
    received: u64,
    total: Option<u64>,
    empty_pages: u32,
    /// Whether there was one page so far, shorter than asked for, that said nothing about others.
    lone: bool,
    /// The digest of the first page that was not empty: where circles mostly lead back to.
    first: Option<u64>,
    /// The marks of the last page that was not empty, sorted.
    last: Vec<u64>,
    turns: Turns,
}

impl Walk {
    /// A walk from the first page, or from where a query says that it begins.
    pub(crate) fn new(from: PageRequest, opening: Opening) -> Self {
        let count = from.count();
        let next = match (from, opening) {
            (PageRequest::Index { start: 0 | 1, .. }, Opening::EmptyCursor) => {
                PageRequest::Cursor { cursor: None, count }
            }
            (PageRequest::Index { start: 0 | 1, .. }, Opening::Whole) => {
                PageRequest::Index { start: 1, count: None }
            }
            (from, _) => from,
        };
        Self {
            next: Some(next),
            count,
            whole: opening == Opening::Whole,
            pages: 0,
            received: 0,
            total: None,
            empty_pages: 0,
            lone: false,
            first: None,
            last: Vec::new(),
            turns: Turns::default(),
        }
    }

    /// The page to ask for; `None` when the walk is over.
    pub(crate) fn next(&self) -> Option<&PageRequest> {
        self.next.as_ref()
    }

    /// Takes note of the page that was asked for, and decides about the next.
    ///
    /// `marks` stand for its resources: equal for the same resource, different for different ones.
    ///
    /// # Errors
    /// A [`PagingError`] when this page shows that the walk does not lead over all results once. The walk is over then.
    pub(crate) fn arrived(
        &mut self,
        page: &ListPage,
        mut marks: Vec<u64>,
    ) -> Result<(), PagingError> {
        let Some(asked) = self.next.take() else { return Ok(()) };
        let results = marks.len() as u64;
        self.pages += 1;
        self.received += results;
        let cursor = page.next_cursor.as_deref().filter(|cursor| !cursor.is_empty());
        marks.sort_unstable();
        let digest = digest(&(&marks, cursor));
        if results == 0 {
            self.empty_pages += 1;
        } else {
            self.empty_pages = 0;
            let content = self::digest(&marks);
            if marks.iter().all(|mark| self.last.binary_search(mark).is_ok())
                || self.first == Some(content)
                || self.turns.back_at(digest)
            {
                // A target that does not page, or only by cursor, and had no reason to.
                let before = self.received - results;
                let whole = self.lone && page.total_results.is_none_or(|total| total <= before);
                return if whole {
                    Ok(())
                } else {
                    Err(PagingError::Repeated { page: self.pages })
                };
            }
            self.first.get_or_insert(content);
            self.last = marks;
        }
        self.lone = self.pages == 1
            && cursor.is_none()
            && page.total_results.is_none()
            && page.start_index.is_none()
            && self.count.is_some_and(|count| results < count);
        self.next = match cursor {
            Some(cursor) => Some(self.by_cursor(&asked, cursor)?),
            None => self.by_index(&asked, page, results)?,
        };
        Ok(())
    }

    /// Whether the last page that was not empty had this resource.
    pub(crate) fn had(&self, mark: u64) -> bool {
        self.last.binary_search(&mark).is_ok()
    }

    /// A target that names a next cursor goes by cursors, asked or not. Its `totalResults` may be an estimate (RFC 9865
    /// section 2.2) and decides nothing here.
    fn by_cursor(&self, asked: &PageRequest, cursor: &str) -> Result<PageRequest, PagingError> {
        let same =
            matches!(asked, PageRequest::Cursor { cursor: Some(asked), .. } if asked == cursor);
        // The same cursor with other results is a position that the target keeps.
        if self.empty_pages > 0 && (same || self.empty_pages >= EMPTY_PAGES) {
            return Err(PagingError::Endless { pages: self.empty_pages });
        }
        Ok(PageRequest::Cursor { cursor: Some(cursor.to_owned()), count: self.count })
    }

    fn by_index(
        &mut self,
        asked: &PageRequest,
        page: &ListPage,
        results: u64,
    ) -> Result<Option<PageRequest>, PagingError> {
        let start = match asked {
            PageRequest::Index { start, .. } => (*start).max(1),
            // An empty cursor that was answered without one: the only page, unless the answer speaks of indexes or of
            // more results. Then the target does not know cursors.
            PageRequest::Cursor { cursor: None, .. }
                if page
                    .total_results
                    .map_or(page.start_index.is_some(), |total| total > results) =>
            {
                1
            }
            // The last page.
            PageRequest::Cursor { .. } => return Ok(None),
        };
        if self.count == Some(0) {
            return Ok(None);
        }
        let seen = start - 1 + results;
        // Fewer than there are on the page is no total but some other number.
        let total = page.total_results.filter(|total| results == 0 || *total >= seen);
        if let (Some(before), Some(now)) = (self.total, page.total_results)
            && now < before
        {
            return Err(PagingError::Shrunk { before, now });
        }
        self.total = total.or(self.total);
        match total {
            Some(total) if seen >= total => Ok(None),
            Some(total) if results == 0 || self.whole => {
                Err(PagingError::Incomplete { received: self.received, total })
            }
            None if results == 0 || self.whole => Ok(None),
            _ => Ok(Some(PageRequest::Index { start: start + results, count: self.count })),
        }
    }
}

/// The mark of a resource, by what stands for it: its id, or its text where it has none.
pub(crate) fn mark(text: &str) -> u64 {
    digest(&text)
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Notices when a sequence runs in a circle, with one remembered element (R. P. Brent, 1980): the element is taken anew
/// after 1, 2, 4, 8 … steps, so that it is on the circle sooner or later, and the circle comes back to it.
#[derive(Debug, Default)]
struct Turns {
    kept: Option<u64>,
    steps: u64,
    limit: u64,
}

impl Turns {
    fn back_at(&mut self, element: u64) -> bool {
        if self.kept == Some(element) {
            return true;
        }
        if self.steps == self.limit {
            self.kept = Some(element);
            self.limit = (self.limit * 2).max(1);
            self.steps = 0;
        }
        self.steps += 1;
        false
    }
}

#[cfg(test)]
mod tests;
