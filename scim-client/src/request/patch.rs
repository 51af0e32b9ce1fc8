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

    /// Sends the messages that the target wants this to be. Each after the first is bound to the version that the one
    /// before has made, as far as the server tells it.
    async fn send(self) -> Result<Written<T>, Error> {
        if self.patch.is_empty() {
            return Err(Error::Request("the PATCH has no operations".to_owned()));
        }
        let same_twice = self.patch.operations().iter().all(is_idempotent);
        let endpoint = self.place.endpoint_name();
        let target = self.client.target();
        let shaped = target.shape(endpoint, &self.patch)?;
        let of = shaped.messages.len();
        let mut options = self.options;
        let mut place = self.place.clone();
        let mut last = None;
        for (done, message) in shaped.messages.iter().enumerate() {
            let repeats = same_twice || options.is_conditional();
            let safety = if repeats { Safety::Idempotent } else { Safety::Unsafe };
            let call = Call::new(Method::PATCH, place.clone(), safety).json(message)?;
            let mut call = options.apply(call)?;
            call.secrets = secrets(&self.patch);
            call.added_members = members_in(message);
            let outcome = self.client.send(call).await;
            let answer = outcome.map_err(|error| match done {
                0 => error,
                done => Error::Partly { done, of, source: Box::new(error) },
            })?;
            let id = target.id_after(self.place.endpoint_name(), message);
            let id = id.or_else(|| place.id().map(str::to_owned));
            let written: Written<T> =
                Written::read(answer, &place, id.as_deref(), self.client.base_url())?;
            // What comes next is about the version and the place that this one has made.
            if options.is_conditional() {
                options.set_if_match(written.version());
            }
            if place.is_resource()
                && let Ok(id) = written.id()
            {
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
/// a simple value is set, members are added (a set by `value`), or something is taken away.
pub(crate) fn is_idempotent(operation: &Operation) -> bool {
    if operation.op != Op::Add {
        return true;
    }
    match (&operation.path, &operation.value) {
        (Some(path), _) if path.to_string().eq_ignore_ascii_case("members") => true,
        (Some(_), Some(value)) => is_simple(value),
        (None, Some(Value::Object(object))) => object.values().all(is_simple),
        _ => false,
    }
}

fn is_simple(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_sent_twice() {
        let path = |text: &str| text.parse().unwrap();
        for (patch, expected) in [
            (Patch::new().replace(path("emails"), vec!["x"]), true),
            (Patch::new().remove(path("emails[type eq \"work\"]")), true),
            (Patch::new().add(path("title"), "Dr"), true),
            (
                Patch::new().add(
                    path("Members"),
                    vec![Value::Object([("value", "1")].into_iter().collect())],
                ),
                true,
            ),
            (
                Patch::new().add(
                    path("emails"),
                    vec![Value::Object([("value", "a@x")].into_iter().collect())],
                ),
                false,
            ),
            (
                Patch::new()
                    .add(path("emails"), Value::Object([("value", "a@x")].into_iter().collect())),
                false,
            ),
        ] {
            assert_eq!(patch.operations().iter().all(is_idempotent), expected, "{patch:?}");
        }
        let add = |value: &str| Operation {
            op: Op::Add,
            path: None,
            value: Some(serde_json::from_str(value).unwrap()),
        };
        assert!(is_idempotent(&add(r#"{"title":"Dr","active":true}"#)));
        assert!(!is_idempotent(&add(r#"{"title":"Dr","emails":[{"value":"a@x"}]}"#)));
    }

    #[test]
    fn passwords_are_found() {
        let path = |text: &str| text.parse().unwrap();
        let patch = Patch::new().replace(path("password"), "hunter2hunter2");
        assert_eq!(secrets(&patch).len(), 1);
        assert!(secrets(&Patch::new().replace(path("title"), "x")).is_empty());
    }
}
