//! Passwords of a bulk job, hashed before its first write.
//!
//! One after the other, between the writes, a thousand of them would reach the request's deadline with the job half done.
//! Before the writes they are hashed side by side, as many as the pool has workers, and a deadline that comes in the
//! meantime finds nothing written.

use std::fmt;

use futures::{StreamExt, stream};
use scim_core::bulk::{BulkMethod, BulkRequest};
use scim_core::{Object, Value};
use secrecy::{ExposeSecret, SecretString};

use super::split::is_password;
use crate::app::App;

/// Hashes that are ready, each with its own salt and for one use.
#[derive(Default)]
pub(crate) struct ReadyHashes(Vec<(SecretString, String)>);

impl ReadyHashes {
    /// Hashes the passwords that the operations of a request set, as far as that can be told before their turn. What
    /// cannot be hashed, or is not found here, is left to its operation, which has the words for it.
    pub(super) async fn of(app: &App, request: &BulkRequest) -> Self {
        let passwords: Vec<SecretString> = request
            .operations()
            .filter(|operation| {
                let schema = app.registry.by_endpoint(&operation.endpoint);
                schema.is_some_and(|schema| is_password(schema))
            })
            .filter_map(|operation| Some((operation.method, operation.data.as_ref()?)))
            .filter_map(|(method, data)| match method {
                BulkMethod::Patch => patched(data, app.limits.patch_operations),
                _ => set(data),
            })
            .map(SecretString::from)
            .collect();
        let hash = async |password: SecretString| {
            let hash = app.passwords.hash(&password).await.ok()?;
            Some((password, hash))
        };
        let hashes = stream::iter(passwords).map(hash).buffer_unordered(app.passwords.at_once());
        Self(hashes.filter_map(async |hashed| hashed).collect().await)
    }

    /// The hash of a password, if it is ready.
    pub(super) fn take(&mut self, password: &SecretString) -> Option<String> {
        let same =
            |(ready, _): &(SecretString, String)| ready.expose_secret() == password.expose_secret();
        let place = self.0.iter().position(same)?;
        Some(self.0.swap_remove(place).1)
    }
}

/// The password of a resource.
fn set(data: &Object) -> Option<&str> {
    data.get_str("password")
}

/// The password that a PATCH leaves, in the two forms that clients use: by path, and in a value without path. A message
/// with more operations than are taken will be refused, and is not worth a hash.
fn patched(data: &Object, most: usize) -> Option<&str> {
    let operations = data.get("Operations").map(Value::values).unwrap_or_default();
    if operations.len() > most {
        return None;
    }
    operations.iter().rev().find_map(|operation| {
        let operation = operation.as_object()?;
        match (operation.get_str("path"), operation.get("value")?) {
            (Some(path), Value::String(text)) if path.eq_ignore_ascii_case("password") => {
                Some(text.as_str())
            }
            (None, Value::Object(resource)) => set(resource),
            _ => None,
        }
    })
}

impl fmt::Debug for ReadyHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadyHashes({})", self.0.len())
    }
}
