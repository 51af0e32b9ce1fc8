//! `POST /Users` (RFC 7644 section 3.3).

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures::future::BoxFuture;
use http::Method;
use scim_core::{ConvertError, Resource};
use secrecy::SecretString;

use super::{Options, Written, common_options};
use crate::client::Client;
use crate::error::Error;
use crate::resources::{Place, View};
use crate::send::{Call, Lookup, Safety};
use crate::target::{Action, members_in};

/// Creates a resource.
///
/// When an answer is lost, the resource is looked up before it is sent again, so that it is not made twice.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Create<T> {
    client: Client,
    place: Place,
    resource: Result<Resource, ConvertError>,
    lookup: &'static [&'static str],
    options: Options,
    view: PhantomData<fn() -> T>,
}

impl<T: View> Create<T> {
    pub(crate) fn new(
        client: Client,
        place: Place,
        resource: &T,
        lookup: &'static [&'static str],
    ) -> Self {
        let resource = resource.to_resource();
        Self { client, place, resource, lookup, options: Options::default(), view: PhantomData }
    }

    common_options! { @projection @asynchronous }

    async fn send(self) -> Result<Written<T>, Error> {
        let endpoint = self.place.endpoint_name();
        let target = self.client.target();
        let resource = self.resource.map_err(unwritable)?.into_object();
        let shaped = target.shape_body(endpoint, Action::Create, resource)?;
        let added_members = members_in(&shaped.body);
        let resource = Resource::from(shaped.body);
        let (secrets, place) = (secrets(&resource), self.place.clone());
        let call = Call::new(Method::POST, self.place, Safety::Create(None)).json(&resource)?;
        let tells = self.lookup.iter().any(|name| resource.get_str(name).is_some());
        let lookup = tells.then(|| Box::new(Lookup { by: self.lookup, sent: resource }));
        let mut call = self.options.apply(call)?;
        call.safety = Safety::Create(lookup);
        call.secrets = secrets;
        call.added_members = added_members;
        let answer = self.client.send(call).await?;
        Ok(Written::read(answer, &place, None, self.client.base_url())?.without(shaped.dropped))
    }
}

/// The error for a view that does not give a resource.
pub(crate) fn unwritable(error: ConvertError) -> Error {
    Error::Request(format!("the resource cannot be written: {error}"))
}

/// What a resource holds that no error may show.
pub(super) fn secrets(resource: &Resource) -> Vec<SecretString> {
    resource.get_str("password").map(SecretString::from).into_iter().collect()
}

impl<T: View> IntoFuture for Create<T> {
    type Output = Result<Written<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
