//! `DELETE /Users/{id}` (RFC 7644 section 3.6).

use std::future::IntoFuture;

use futures::future::BoxFuture;
use http::Method;

use super::{Options, common_options};
use crate::client::Client;
use crate::error::Error;
use crate::resources::Place;
use crate::send::{Call, Safety};

/// Deletes a resource.
///
/// A resource that is not there is an error, unless an earlier attempt of this very call may have deleted it.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Delete {
    client: Client,
    place: Place,
    options: Options,
}

impl Delete {
    pub(crate) fn new(client: Client, place: Place) -> Self {
        Self { client, place, options: Options::default() }
    }

    common_options! { @if_match }

    async fn send(self) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, self.place, Safety::Idempotent);
        self.client.send(self.options.apply(call)?).await.map(drop)
    }
}

impl IntoFuture for Delete {
    type Output = Result<(), Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
