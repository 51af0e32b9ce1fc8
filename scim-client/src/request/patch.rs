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

/// Changes parts of a resource.
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
        let mut options = self.options;
        let mut written: Option<Written<T>> = None;
        for patch in self.client.target().shape(self.patch) {
            if options.is_conditional()
                && let Some(before) = &written
            {
                options.set_if_match(before.version());
            }
            written = Some(send_one(&self.client, &self.place, &patch, &options).await?);
        }
        written.ok_or_else(|| {
            Error::Request("nothing of the PATCH is left that the target takes".to_owned())
        })
    }
}

async fn send_one<T: View>(
    client: &Client,
    place: &Place,
    patch: &Patch,
    options: &Options,
) -> Result<Written<T>, Error> {
    let repeats = options.is_conditional() || patch.operations().iter().all(is_idempotent);
    let safety = if repeats { Safety::Idempotent } else { Safety::Unsafe };
    let call = Call::new(Method::PATCH, place.clone(), safety).json(patch)?;
    let mut call = options.apply(call)?;
    call.secrets = secrets(patch);
    let answer = client.send(call).await?;
    Written::read(answer, place, place.id(), client.base_url())
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
