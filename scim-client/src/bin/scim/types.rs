//! Resource types as people name them.

use scim_client::scim_core::{Registry, ResourceType};
use scim_client::{Client, Error};

use crate::ended::note;

/// The endpoint of a type: `users`, `User`, `Users` and `/Users` are the same. Other types than the usual ones are
/// looked up in what the server announces; what is not announced is taken as it is written.
pub(crate) async fn endpoint(client: &Client, name: &str) -> Result<String, Error> {
    let name = name.trim_matches('/');
    if name.is_empty() {
        let why = "the type is empty; give users, groups or another that the server announces";
        return Err(Error::Request(why.to_owned()));
    }
    for (endpoint, singular) in [("Users", "User"), ("Groups", "Group"), ("Contacts", "Contact")] {
        if name.eq_ignore_ascii_case(endpoint) || name.eq_ignore_ascii_case(singular) {
            return Ok(endpoint.to_owned());
        }
    }
    let types = announced(client).await?.unwrap_or_default();
    let found = types.iter().find(|t| {
        t.name.eq_ignore_ascii_case(name) || t.endpoint.trim_matches('/').eq_ignore_ascii_case(name)
    });
    Ok(found.map_or(name, |t| t.endpoint.trim_matches('/')).to_owned())
}

/// The types that the server announces; `None` when it announces none.
pub(crate) async fn announced(client: &Client) -> Result<Option<Vec<ResourceType>>, Error> {
    match client.discovery().resource_types().await {
        Ok(types) => Ok(Some(types)),
        Err(error) if says_nothing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The schemas that the server serves; those of the RFCs and of this project where it serves none.
pub(crate) async fn registry(client: &Client) -> Result<Registry, Error> {
    match client.discovery().registry().await {
        Ok(registry) => Ok(registry),
        Err(error) if says_nothing(&error) => {
            note(&format!(
                "note: the server's schemas are not known, RFC 7643 is assumed ({error})"
            ));
            Ok(Registry::standard())
        }
        Err(error) => Err(error),
    }
}

/// Whether a server that answers so does not describe itself, or not so that it can be used.
fn says_nothing(error: &Error) -> bool {
    match error {
        Error::Scim(rejected) => matches!(rejected.status.as_u16(), 400 | 403 | 404 | 405 | 501),
        Error::Target(_) | Error::Decode(_) | Error::Request(_) => true,
        _ => false,
    }
}
