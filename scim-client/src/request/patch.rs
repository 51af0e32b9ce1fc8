//! `PATCH /Users/{id}` (RFC 7644 section 3.5.2).

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures::future::BoxFuture;
use http::Method;
use scim_core::{Op, Operation, Patch, Value};
use secrecy::SecretString;

use super::{Options, Written, common_options};
use crate::client::Client;
use crate::error::Error;
use crate::resources::{Place, View};
use crate::send::{Call, Safety};
use crate::target::members_in;

/// Changes parts of a resource.
///
/// Where the target takes less in one request, several are sent, one after the other; [`Error::Partly`] says when only
/// the first of them were done.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct PatchRequest<T> {
    client: Client,
    place: Place,
    patch: Patch,
    options: Options,
    view: PhantomData<fn() -> T>,
}

impl<T: View> PatchRequest<T> {
    pub(crate) fn new(client: Client, place: Place, patch: Patch) -> Self {
        Self { client, place, patch, options: Options::default(), view: PhantomData }
    }

    common_options! { @projection @if_match @asynchronous }

    async fn send(self) -> Result<Written<T>, Error> {
        if self.patch.is_empty() {
            return Err(Error::Request("the PATCH has no operations".to_owned()));
        }
        let repeats =
            self.options.is_conditional() || self.patch.operations().iter().all(is_idempotent);
        let safety = || if repeats { Safety::Idempotent } else { Safety::Unsafe };
        let endpoint = self.place.endpoint_name();
        let target = self.client.target();
        let shaped = target.shape(endpoint, &self.patch)?;
        let of = shaped.messages.len();
        let mut options = self.options;
        let mut place = self.place.clone();
        let mut last = None;
        for (done, message) in shaped.messages.iter().enumerate() {
            let call = Call::new(Method::PATCH, place.clone(), safety()).json(message)?;
            let mut call = options.apply(call)?;
            call.secrets = secrets(&self.patch);
            call.added_members = members_in(message);
            let outcome = self.client.send(call).await;
            let answer = outcome.map_err(|error| match done {
                0 => error,
                done => Error::Partly { done, of, source: Box::new(error) },
            })?;
            let id = target.id_after(self.place.endpoint_name(), message);
            let id = id.or_else(|| place.last().map(str::to_owned));
            let written = Written::read(answer, id.as_deref(), self.client.base_url())?;
            // What comes next is about the version and the place that this one has made.
            if let (true, Some(version)) = (options.is_conditional(), written.version()) {
                options.set_if_match(version);
            }
            if let Ok(id) = written.id() {
                place = place.sibling(id);
            }
            last = Some(written);
        }
        match last {
            Some(written) => Ok(written.without(shaped.dropped)),
            None => Err(target
                .unsupported(format!("a PATCH of nothing but {}", shaped.dropped.join(", ")))
                .into()),
        }
    }
}

/// Whether the operation done twice comes to the same as done once, also with servers that append what is there already:
/// a value is set, members are added (a set by `value`), or something is taken away.
pub(crate) fn is_idempotent(operation: &Operation) -> bool {
    let adds_to_a_list = || {
        let members = operation
            .path
            .as_ref()
            .is_some_and(|path| path.to_string().eq_ignore_ascii_case("members"));
        let simple =
            matches!(operation.value, Some(Value::String(_) | Value::Bool(_) | Value::Number(_)));
        !members && !(simple && operation.path.is_some())
    };
    match operation.op {
        Op::Remove | Op::Replace => true,
        Op::Add => !adds_to_a_list(),
    }
}

fn secrets(patch: &Patch) -> Vec<SecretString> {
    let password = |operation: &Operation| {
        let value = operation.value.as_ref()?;
        match (&operation.path, value) {
            (Some(path), Value::String(text))
                if path.to_string().to_ascii_lowercase().ends_with("password") =>
            {
                Some(SecretString::from(text.as_str()))
            }
            (None, Value::Object(object)) => object.get_str("password").map(SecretString::from),
            _ => None,
        }
    };
    patch.operations().iter().filter_map(password).collect()
}

impl<T: View> IntoFuture for PatchRequest<T> {
    type Output = Result<Written<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
