//! Finding the resource that a create may have made.

use http::Method;
use scim_core::filter::AttrTerm;
use scim_core::query::ListQuery;
use scim_core::{AttrPath, Filter, Literal, Object, Resource, Value};
use tokio::time::Instant;

use super::{Call, Lookup, Progress, Safety};
use crate::client::Client;
use crate::error::Error;
use crate::resources::Place;
use crate::target::check_matches;
use crate::target::fields::EmptyMeans;

impl Client {
    /// Looks for what a create may have made whose answer was lost with that of others.
    pub(crate) async fn look_for(
        &self,
        place: &Place,
        lookup: &Lookup,
    ) -> Result<Option<Object>, Error> {
        let create = Call::new(Method::POST, place.clone(), Safety::Safe);
        self.look_up(&create, lookup, Instant::now() + self.inner.deadline).await
    }

    /// The resource that holds what the create has sent, if there is one.
    pub(super) async fn look_up(
        &self,
        create: &Call,
        lookup: &Lookup,
        until: Instant,
    ) -> Result<Option<Object>, Error> {
        let endpoint = create.place.endpoint_name();
        let (name, filter) = self.tells_apart(endpoint, lookup)?;
        let query = ListQuery { filter: Some(filter.clone()), ..ListQuery::default() };
        let mut call = Call::new(Method::GET, create.place.clone(), Safety::Safe);
        call.query = query.to_query_string();
        let answer = self.drive(&call, &Progress::default(), until).await?;
        let mut body = answer.body.unwrap_or_default();
        let rows = match body.remove("Resources") {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        let objects = rows.into_iter().filter_map(|row| match row {
            Value::Object(object) => Some(Resource::from(object)),
            _ => None,
        });
        let rows: Vec<Resource> = objects.collect();
        let same =
            |row: &&Resource| row.id().is_some() && is_same(&lookup.sent, row.object(), name);
        let same: Vec<&Resource> = rows.iter().filter(same).collect();
        if let [one] = same.as_slice() {
            return Ok(Some(one.object().clone()));
        }
        // Not here; but only an answer to this question can say that it is nowhere.
        check_matches(&filter, &rows).map_err(|e| self.target().unsupported(e.to_string()))?;
        match self.target().rules(endpoint).filter.empty_means {
            EmptyMeans::NoMatch => Ok(None),
            EmptyMeans::Unknown => {
                Err(self.target().unsupported("an empty answer as proof that there is none").into())
            }
        }
    }

    /// The attribute to look for, and the filter for it.
    fn tells_apart(
        &self,
        endpoint: &str,
        lookup: &Lookup,
    ) -> Result<(&'static str, Filter), Error> {
        let mut refused = None;
        for name in lookup.by {
            let Some(Value::String(text)) = lookup.sent.get(name) else { continue };
            let path: AttrPath =
                name.parse().map_err(|e| Error::Request(format!("{name}: {e}")))?;
            let filter = AttrTerm::from(path).eq(Literal::String(text.clone()));
            match self.inner.target.admits(endpoint, &filter) {
                Ok(()) => return Ok((name, filter)),
                Err(unsupported) => refused = Some(unsupported),
            }
        }
        Err(refused.map_or_else(
            || Error::Request("what was sent has no attribute to look it up by".to_owned()),
            Error::from,
        ))
    }
}

/// Whether this resource can be what was sent: it has the value that was looked for, and contradicts nothing else.
fn is_same(sent: &Resource, found: &Object, name: &str) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_lowercase);
    if text(found.get(name)) != text(sent.get(name)) {
        return false;
    }
    ["externalId", "userName", "displayName", "active"].into_iter().all(|name| {
        match (sent.get(name), found.get(name)) {
            (Some(Value::String(a)), Some(Value::String(b))) => a.eq_ignore_ascii_case(b),
            (Some(Value::Bool(a)), Some(Value::Bool(b))) => a == b,
            _ => true,
        }
    })
}
