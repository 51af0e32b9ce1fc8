//! Finding the resource that a create may have made.

use chrono::TimeDelta;
use http::Method;
use scim_core::filter::AttrTerm;
use scim_core::query::ListQuery;
use scim_core::{AttrPath, Filter, Literal, Meta, Object, Resource, Value};
use tokio::time::Instant;

use super::{Call, Lookup, Progress, Safety};
use crate::client::Client;
use crate::error::Error;
use crate::resources::Place;
use crate::target::check_matches;
use crate::target::fields::EmptyMeans;

/// How far the peer's clock may be off; what it says was made earlier than this before the call, the call has not made.
const SKEW: TimeDelta = TimeDelta::minutes(15);

/// What there is in place of what a create has sent.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing with that value.
    Nothing,
    /// A resource that can only be the one that was sent.
    Same(Object),
    /// A resource that has the value and differs in others, or was there before.
    Another,
    /// More than one resource that could be it.
    Several,
}

impl Client {
    /// Looks for what a create may have made whose answer was lost with that of others; `None` when it may be sent.
    ///
    /// # Errors
    /// As any request, and [`Error::Request`] when it cannot be told.
    pub(crate) async fn look_for(
        &self,
        place: &Place,
        lookup: &Lookup,
    ) -> Result<Option<Object>, Error> {
        let create = Call::new(Method::POST, place.clone(), Safety::Safe);
        match self.look_up(&create, lookup, Instant::now() + self.inner.deadline).await? {
            Found::Same(object) => Ok(Some(object)),
            Found::Nothing | Found::Another => Ok(None),
            Found::Several => Err(Error::Request(
                "there is more than one resource that could be what was sent".to_owned(),
            )),
        }
    }

    /// Looks for what a create has sent.
    pub(super) async fn look_up(
        &self,
        create: &Call,
        lookup: &Lookup,
        until: Instant,
    ) -> Result<Found, Error> {
        let endpoint = create.place.endpoint_name();
        let (name, filter) = self.tells_apart(endpoint, lookup)?;
        let query = ListQuery { filter: Some(filter.clone()), ..ListQuery::default() };
        let mut call = Call::new(Method::GET, create.place.clone(), Safety::Safe);
        call.query = query.to_query_string();
        let answer = self.drive(&call, &Progress::default(), until).await?;
        let rows = match answer.body.unwrap_or_default().remove("Resources") {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        let rows: Vec<Resource> = rows
            .into_iter()
            .filter_map(|row| match row {
                Value::Object(object) => Some(Resource::from(object)),
                _ => None,
            })
            .collect();
        let holds = |row: &&Resource| {
            row.id().is_some()
                && row.get(name).is_some_and(|value| agrees(value, lookup.sent.get(name)))
        };
        let holders: Vec<&Resource> = rows.iter().filter(holds).collect();
        let mut same = holders
            .iter()
            .filter(|row| is_same(&lookup.sent, row.object()) && !self.was_there(row.object()));
        match (same.next(), same.next()) {
            (Some(_), Some(_)) => return Ok(Found::Several),
            (Some(one), None) => return Ok(Found::Same(one.object().clone())),
            (None, _) if !holders.is_empty() => return Ok(Found::Another),
            (None, _) => {}
        }
        // Not here; but only an answer to this question can say that it is nowhere.
        let target = self.target();
        check_matches(&filter, &rows).map_err(|e| target.unsupported(e.to_string()))?;
        match target.rules(endpoint).filter.empty_means {
            EmptyMeans::NoMatch => Ok(Found::Nothing),
            EmptyMeans::Unknown => {
                Err(target.unsupported("an empty answer as proof that there is none").into())
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

    /// Whether the resource was made before the call began.
    fn was_there(&self, row: &Object) -> bool {
        let deadline = TimeDelta::from_std(self.inner.deadline).unwrap_or(TimeDelta::MAX);
        let Some(earliest) = self
            .inner
            .clock
            .now()
            .checked_sub_signed(SKEW)
            .and_then(|t| t.checked_sub_signed(deadline))
        else {
            return false;
        };
        let meta = row.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
        let created = Meta::try_from(meta).ok().and_then(|meta| meta.created_at());
        created.is_some_and(|created| created < earliest)
    }
}

/// Whether a resource can be what was sent. Servers leave out, add and write differently, so attributes that only one
/// side has do not count, nor does letter case; and an `externalId`, which the client has given, settles it.
fn is_same(sent: &Resource, found: &Object) -> bool {
    match (sent.get_str("externalId"), found.get_str("externalId")) {
        (Some(a), Some(b)) => a == b,
        _ => sent.object().iter().all(|(name, value)| {
            matches!(name, "schemas" | "meta" | "id" | "password")
                || found.get(name).is_none_or(|found| agrees(found, Some(value)))
        }),
    }
}

fn agrees(found: &Value, sent: Option<&Value>) -> bool {
    match (found, sent) {
        (_, None) => true,
        (Value::String(a), Some(Value::String(b))) => {
            a.trim().to_lowercase() == b.trim().to_lowercase()
        }
        (Value::Object(found), Some(Value::Object(sent))) => sent
            .iter()
            .all(|(name, value)| found.get(name).is_none_or(|found| agrees(found, Some(value)))),
        (Value::Array(found), Some(Value::Array(sent))) => {
            sent.iter().all(|sent| found.iter().any(|found| agrees(found, Some(sent))))
        }
        (found, Some(sent)) => found == sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(json: &str) -> Resource {
        serde_json::from_str(json).unwrap()
    }

    fn same(sent: &str, found: &str) -> bool {
        is_same(&resource(sent), resource(found).object())
    }

    #[test]
    fn what_servers_change_does_not_make_another() {
        let sent =
            r#"{"userName":"Ada","password":"x","emails":[{"value":"a@x.test","type":"work"}]}"#;
        for found in [
            r#"{"id":"1","userName":"ada","meta":{"version":"1"}}"#,
            r#"{"id":"1","userName":"ada","emails":[{"value":"A@x.test","type":"work","primary":true}]}"#,
            r#"{"id":"1","userName":"ada","active":true,"emails":[{"value":"b@x.test"},{"value":"a@x.test"}]}"#,
        ] {
            assert!(same(sent, found), "{found}");
        }
    }

    #[test]
    fn what_contradicts_is_another() {
        let sent = r#"{"userName":"ada","title":"Dr","emails":[{"value":"a@x.test"}]}"#;
        for found in [
            r#"{"id":"1","userName":"ada","title":"Prof"}"#,
            r#"{"id":"1","userName":"ada","emails":[{"value":"b@x.test"}]}"#,
        ] {
            assert!(!same(sent, found), "{found}");
        }
    }

    #[test]
    fn an_external_id_settles_it() {
        assert!(same(r#"{"externalId":"1","title":"a"}"#, r#"{"externalId":"1","title":"b"}"#));
        assert!(!same(r#"{"externalId":"1","title":"a"}"#, r#"{"externalId":"2","title":"a"}"#));
    }
}
