//! `PUT /Users/{id}` (RFC 7644 section 3.5.1).

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures::future::BoxFuture;
use http::Method;
use scim_core::{ConvertError, Resource};

use super::create::secrets;
use super::{Options, Written, common_options, unwritable};
use crate::client::Client;
use crate::error::Error;
use crate::resources::{Place, View};
use crate::send::{Call, Safety};
use crate::target::Action;

/// Puts a resource in the place of another.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Replace<T> {
    client: Client,
    place: Place,
    resource: Result<Resource, ConvertError>,
    options: Options,
    view: PhantomData<fn() -> T>,
}

impl<T: View> Replace<T> {
    pub(crate) fn new(client: Client, place: Place, resource: &T) -> Self {
        let resource = resource.to_resource();
        Self { client, place, resource, options: Options::default(), view: PhantomData }
    }

    common_options! { @projection @if_match @asynchronous }

    async fn send(self) -> Result<Written<T>, Error> {
        let endpoint = self.place.endpoint_name();
        let target = self.client.target();
        let resource = self.resource.map_err(unwritable)?.into_object();
        let shaped = target.shape_body(endpoint, Action::Replace, resource)?;
        let resource = Resource::from(shaped.body);
        let place = self.place.clone();
        let call = Call::new(Method::PUT, self.place, Safety::Idempotent).json(&resource)?;
        let mut call = self.options.apply(call)?;
        call.secrets = secrets(&resource);
        let answer = self.client.send(call).await?;
        let written = Written::read(answer, &place, place.id(), self.client.base_url())?;
        Ok(written.without(shaped.dropped))
    }
}

impl<T: View> IntoFuture for Replace<T> {
    type Output = Result<Written<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
