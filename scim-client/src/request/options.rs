//! What most requests can be told.

use std::time::Duration;

use http::header::{IF_MATCH, IF_NONE_MATCH};
use scim_core::query::ListQuery;
use scim_core::{AttrPath, NameError, Projection};

use crate::error::Error;
use crate::send::Call;

/// What has been said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    if_match: Option<String>,
    if_none_match: Option<String>,
    only: Vec<AttrPath>,
    except: Vec<AttrPath>,
    wrong: Option<NameError>,
    deadline: Option<Duration>,
    asynchronous: bool,
}

impl Options {
    pub(crate) fn set_if_match(&mut self, version: Option<&str>) {
        self.if_match = version.map(str::to_owned);
    }

    pub(crate) fn set_if_none_match(&mut self, version: &str) {
        self.if_none_match = Some(version.to_owned());
    }

    pub(crate) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn set_asynchronous(&mut self) {
        self.asynchronous = true;
    }

    pub(crate) fn is_conditional(&self) -> bool {
        self.if_match.is_some()
    }

    pub(crate) fn add_attributes<N: AsRef<str>>(&mut self, names: impl IntoIterator<Item = N>) {
        let wrong = read(names, &mut self.only);
        self.wrong = self.wrong.take().or(wrong);
    }

    pub(crate) fn add_excluded<N: AsRef<str>>(&mut self, names: impl IntoIterator<Item = N>) {
        let wrong = read(names, &mut self.except);
        self.wrong = self.wrong.take().or(wrong);
    }

    /// What `attributes` and `excludedAttributes` come to.
    pub(crate) fn projection(&self) -> Result<Projection, Error> {
        if let Some(wrong) = &self.wrong {
            return Err(Error::Request(wrong.to_string()));
        }
        match (self.only.is_empty(), self.except.is_empty()) {
            (true, true) => Ok(Projection::Default),
            (false, true) => Ok(Projection::Only(self.only.clone())),
            (true, false) => Ok(Projection::Except(self.except.clone())),
            (false, false) => Err(Error::Request(
                "attributes and excludedAttributes cannot be used together (RFC 7644 section 3.9)"
                    .to_owned(),
            )),
        }
    }

    /// The call with these options.
    pub(crate) fn apply(&self, mut call: Call) -> Result<Call, Error> {
        let query = ListQuery { projection: self.projection()?, ..ListQuery::default() };
        call.query = query.to_query_string();
        call.deadline = self.deadline;
        let asynchronous = self.asynchronous.then_some("respond-async");
        call.set_header(IF_MATCH, self.if_match.as_deref())?;
        call.set_header(IF_NONE_MATCH, self.if_none_match.as_deref())?;
        call.set_header(http::HeaderName::from_static("prefer"), asynchronous)?;
        Ok(call)
    }
}

fn read<N: AsRef<str>>(
    names: impl IntoIterator<Item = N>,
    paths: &mut Vec<AttrPath>,
) -> Option<NameError> {
    for name in names {
        match name.as_ref().trim().parse() {
            Ok(path) => paths.push(path),
            Err(error) => return Some(error),
        }
    }
    None
}

/// The methods that these options have in common; the type has a field `options`.
macro_rules! common_options {
    ($(@$what:ident)*) => {
        $( common_options!(#$what); )*

        /// How long this call may take, if that is less than the client's deadline.
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.options.set_deadline(deadline);
            self
        }
    };
    (#projection) => {
        /// Returns these attributes only, beside those that are always returned (RFC 7644 section 3.9).
        pub fn attributes<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
            self.options.add_attributes(names);
            self
        }

        /// Returns all but these attributes (RFC 7644 section 3.9).
        pub fn excluded_attributes<N: AsRef<str>>(
            mut self,
            names: impl IntoIterator<Item = N>,
        ) -> Self {
            self.options.add_excluded(names);
            self
        }
    };
    (#if_match) => {
        /// Only if the resource still has this version, as in `meta.version` or the `ETag` header; else the call fails
        /// and [`is_precondition_failed`](crate::Error::is_precondition_failed) (RFC 7644 section 3.14).
        pub fn if_match(mut self, version: impl AsRef<str>) -> Self {
            self.options.set_if_match(Some(version.as_ref()));
            self
        }
    };
    (#asynchronous) => {
        /// Allows the server to answer before it is done: [`Written::txn`](crate::Written::txn) then names the event
        /// that will tell the outcome (RFC 9967 section 2.5.1).
        pub fn respond_async(mut self) -> Self {
            self.options.set_asynchronous();
            self
        }
    };
}

pub(crate) use common_options;
