//! Finds what an interrupted import may have created.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use scim_client::scim_core::filter::AttrTerm;
use scim_client::scim_core::{AttrName, AttrPath, Filter, Literal};
use scim_client::target::check_matches;
use scim_client::{Client, Error};

use super::line::Line;

/// What tells a resource from others, the surest first.
const NAMES: [&str; 3] = ["userName", "externalId", "displayName"];

/// The resources that this line may stand for already; `None` where nothing tells it from others.
pub(super) async fn lookup(client: &Client, line: &Line) -> Result<Option<Vec<String>>, Error> {
    let named = NAMES.into_iter().find_map(|name| Some((name, line.resource.get_str(name)?)));
    let Some((name, value)) = named else { return Ok(None) };
    let name = AttrName::new(name).map_err(|error| Error::Request(error.to_string()))?;
    let filter: Filter = AttrTerm::from(AttrPath::from(name)).eq(Literal::from(value));
    let mut stream = client.resources(&line.endpoint).list().filter(filter.clone()).stream();
    let mut ids = Vec::new();
    while let Some(found) = stream.try_next().await? {
        check_matches(&filter, std::slice::from_ref(&found))
            .map_err(|ignored| Error::Request(ignored.to_string()))?;
        ids.extend(found.id().map(str::to_owned));
    }
    Ok(Some(ids))
}

/// The first that no other line stands for.
pub(super) fn unclaimed(ids: Vec<String>, claimed: &BTreeSet<String>) -> Option<String> {
    ids.into_iter().find(|id| !claimed.contains(id))
}
