//! `GET /Users/{id}` (RFC 7644 section 3.4.1).

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures::future::BoxFuture;
use http::{Method, StatusCode};
use scim_core::Resource;

use super::{Options, common_options};
use crate::client::Client;
use crate::error::Error;
use crate::resources::{Place, View};
use crate::send::{Answer, Call, Safety};

/// Reads one resource.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Get<T> {
    client: Client,
    place: Place,
    options: Options,
    view: PhantomData<fn() -> T>,
}

impl<T: View> Get<T> {
    pub(crate) fn new(client: Client, place: Place) -> Self {
        Self { client, place, options: Options::default(), view: PhantomData }
    }

    common_options! { @projection }

    /// Only if the resource has another version than this one: the outcome is `None` when it has not.
    pub fn if_none_match(mut self, version: impl AsRef<str>) -> GetIfChanged<T> {
        self.options.set_if_none_match(version.as_ref());
        GetIfChanged { get: self }
    }

    async fn send(self) -> Result<Option<T>, Error> {
        let call = Call::new(Method::GET, self.place, Safety::Safe);
        let place = call.place.clone();
        let answer = self.client.send(self.options.apply(call)?).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        read(answer, &place).map(Some)
    }
}

fn read<T: View>(mut answer: Answer, place: &Place) -> Result<T, Error> {
    let Some(body) = answer.body.take() else {
        return Err(answer.undecodable(place, "it is empty".to_owned()));
    };
    T::from_resource(Resource::from(body))
        .map_err(|error| answer.undecodable(place, error.to_string()))
}

impl<T: View> IntoFuture for Get<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let unchanged =
                || Error::Request("the server answers 304 to an unconditional request".to_owned());
            self.send().await?.ok_or_else(unchanged)
        })
    }
}

/// Reads one resource, if it has changed; made by [`Get::if_none_match`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct GetIfChanged<T> {
    get: Get<T>,
}

impl<T: View> IntoFuture for GetIfChanged<T> {
    type Output = Result<Option<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.get.send())
    }
}
