//! `/Me` (RFC 7644 section 3.11).

use scim_core::{Patch, User};

use crate::client::Client;
use crate::request::{Delete, Get, PatchRequest, Replace};
use crate::resources::{Place, View};

/// The resource that stands for the one who is authenticated; made by [`Client::me`].
#[derive(Clone, Debug)]
pub struct Me {
    client: Client,
    place: Place,
}

impl Me {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, place: Place::endpoint("Me") }
    }

    /// Reads it as a user.
    pub fn get(&self) -> Get<User> {
        self.get_as()
    }

    /// Reads it as another view: it need not be a user.
    pub fn get_as<T: View>(&self) -> Get<T> {
        Get::new(self.client.clone(), self.place.clone())
    }

    /// Puts this in its place.
    pub fn replace<T: View>(&self, resource: &T) -> Replace<T> {
        Replace::new(self.client.clone(), self.place.clone(), resource)
    }

    /// Changes parts of it.
    pub fn patch(&self, patch: Patch) -> PatchRequest<User> {
        PatchRequest::new(self.client.clone(), self.place.clone(), patch)
    }

    /// Deletes it.
    pub fn delete(&self) -> Delete {
        Delete::new(self.client.clone(), self.place.clone())
    }
}
