//! `POST /Users/.search` (RFC 7644 section 3.4.3).

use super::list::{List, Verb};
use crate::resources::{Resources, View};

impl<T: View> Resources<T> {
    /// The same as [`list`](Self::list) with the query in a body: nothing of it appears in logs of URLs, and its length
    /// has no limit but that of bodies.
    pub fn search(&self) -> List<T> {
        List::new(self, Verb::Search)
    }
}
