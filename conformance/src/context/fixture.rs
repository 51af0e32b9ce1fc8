//! Resources made up for a check, from the schemas that the target serves.
//!
//! Only announced attributes are sent: a check that asks for another one is skipped, with that as the reason. What the
//! schemas require is filled in.

use serde_json::{Map, Value, json};

use super::{Answer, Cx};
use crate::check::Stop;
use crate::json::{at, member, strip_ignoring_case, values};
use crate::ledger::segment;
use crate::served::{Served, ServedAttribute, ServedType};

/// A resource being put together; [`Fixture::create`] creates it.
#[derive(Clone, Debug)]
#[must_use = "a fixture does nothing until it is created"]
pub struct Fixture<'a> {
    cx: &'a Cx,
    endpoint: String,
    word: String,
    attributes: Vec<(String, Value)>,
    raw: Vec<(String, Value)>,
    without: Vec<String>,
}

impl<'a> Fixture<'a> {
    pub(super) fn new(cx: &'a Cx, endpoint: &str) -> Self {
        Self {
            cx,
            endpoint: endpoint.to_owned(),
            word: "x".to_owned(),
            attributes: Vec::new(),
            raw: Vec::new(),
            without: Vec::new(),
        }
    }

    /// The word at the end of the made-up name.
    pub fn named(mut self, word: &str) -> Self {
        word.clone_into(&mut self.word);
        self
    }

    /// Sets an attribute by path: `title`, `name.familyName`, `emails`, `urn:…:User:department`. Where the target does
    /// not announce it, or a sub-attribute in the value, the check is skipped.
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.attributes.push((path.to_owned(), value.into()));
        self
    }

    /// Sets an attribute where the target announces it, and leaves it out otherwise.
    pub fn with_if_announced(self, path: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let served = self.cx.served();
        let announced = served
            .type_of(&self.endpoint)
            .is_some_and(|kind| refused(served, kind, path, &value).is_none());
        if announced { self.with(path, value) } else { self }
    }

    /// Adds a resource to a group's members.
    pub fn member(mut self, of: &Made) -> Self {
        let entry = json!({"value": of.id()});
        match self.attributes.iter_mut().find(|(path, _)| path == "members") {
            Some((_, Value::Array(members))) => members.push(entry),
            _ => self.attributes.push(("members".to_owned(), json!([entry]))),
        }
        self
    }

    /// Sets a member of the body as it is, announced or not and legal or not.
    pub fn raw(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.raw.push((name.to_owned(), value.into()));
        self
    }

    /// Leaves a member of the body out, even a required one.
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// The body that is sent.
    ///
    /// # Errors
    /// [`Stop::Skipped`] when the target has no such resource type or does not announce an attribute.
    pub fn body(&self) -> Result<Value, Stop> {
        let served = self.cx.served();
        let kind = served.type_of(&self.endpoint).ok_or_else(|| {
            Stop::Skipped(format!("the target has no resource type at {}", self.endpoint))
        })?;
        let mut body = Map::new();
        for (path, value) in &self.attributes {
            if let Some(reason) = refused(served, kind, path, value) {
                return Err(Stop::Skipped(reason));
            }
            place(&mut body, kind, path, value.clone());
        }
        self.fill(&mut body, served, kind);
        let mut schemas = vec![Value::from(kind.schema.as_str())];
        let present = kind.extensions.iter().filter(|(uri, _)| find(&body, uri).is_some());
        schemas.extend(present.map(|(uri, _)| Value::from(uri.as_str())));
        body.insert("schemas".to_owned(), Value::Array(schemas));
        for (name, value) in &self.raw {
            body.retain(|key, _| !key.eq_ignore_ascii_case(name));
            body.insert(name.clone(), value.clone());
        }
        for name in &self.without {
            body.retain(|key, _| !key.eq_ignore_ascii_case(name));
        }
        Ok(Value::Object(body))
    }

    /// Sends it and returns the answer, whatever its status.
    ///
    /// # Errors
    /// As [`Fixture::body`] and [`Request::send`](super::Request::send).
    pub async fn post(self) -> Result<Answer, Stop> {
        let body = self.body()?;
        self.cx.post(&self.endpoint, &body).await
    }

    /// Creates it as the setup of a check. Without an answer it is sent once more: a server that breaks off its connection
    /// after an answer, to another check perhaps, must not break this one. What both create is removed.
    ///
    /// # Errors
    /// [`Stop::Broken`] when the target refuses it or does not say what its id is; as [`Fixture::post`].
    pub async fn create(self) -> Result<Made, Stop> {
        let sent = self.body()?;
        let answer = match self.cx.post(&self.endpoint, &sent).await {
            Err(Stop::Broken(_)) if self.cx.evidence.ends_in_silence() => {
                self.cx.post(&self.endpoint, &sent).await?
            }
            other => other?,
        };
        if !answer.is_success() {
            let text = format!("setup: POST {} was answered {}", self.endpoint, answer.summary());
            return Err(Stop::Broken(text));
        }
        let located = || {
            let location = answer.header("location")?.split(['?', '#']).next()?;
            let last = location.trim_end_matches('/').rsplit('/').next()?;
            let id = percent_encoding::percent_decode_str(last).decode_utf8().ok()?;
            (!id.is_empty()).then(|| id.into_owned())
        };
        let id = answer.id().map(str::to_owned).or_else(located).ok_or_else(|| {
            let what = "the answer has neither an id nor a Location";
            Stop::Broken(format!("setup: POST {}: {what}", self.endpoint))
        })?;
        Ok(Made { endpoint: self.endpoint, id, sent, answer })
    }

    /// Adds what the schemas require, and a name.
    fn fill(&self, body: &mut Map<String, Value>, served: &Served, kind: &ServedType) {
        for name in ["userName", "displayName"] {
            let attribute = served.attribute(kind, name);
            let naming = name == "userName" || kind.name.eq_ignore_ascii_case("Group");
            if naming
                && attribute.is_some_and(ServedAttribute::is_writable)
                && find(body, name).is_none()
            {
                body.insert(name.to_owned(), self.name_for(name));
            }
        }
        if let Some(schema) = served.schema(&kind.schema) {
            self.fill_from(body, &schema.attributes);
        }
        for (uri, required) in &kind.extensions {
            let Some(schema) = served.schema(uri) else { continue };
            let mut inner = match find(body, uri) {
                Some(Value::Object(inner)) => inner.clone(),
                Some(_) => continue,
                None if *required => Map::new(),
                None => continue,
            };
            self.fill_from(&mut inner, &schema.attributes);
            if !inner.is_empty() {
                body.insert(uri.clone(), Value::Object(inner));
            }
        }
    }

    fn fill_from(&self, body: &mut Map<String, Value>, attributes: &[ServedAttribute]) {
        for attribute in attributes {
            if attribute.required
                && attribute.is_writable()
                && find(body, &attribute.name).is_none()
            {
                body.insert(attribute.name.clone(), self.value_of(attribute, None));
            } else if attribute.is_complex()
                && let Some(value) = find_mut(body, &attribute.name)
            {
                let elements = match value {
                    Value::Array(items) => items.iter_mut().collect(),
                    one => vec![one],
                };
                for element in elements.into_iter().filter_map(Value::as_object_mut) {
                    for sub in
                        attribute.sub_attributes.iter().filter(|s| s.required && s.is_writable())
                    {
                        if find(element, &sub.name).is_none() {
                            element.insert(sub.name.clone(), self.value_of(sub, Some(attribute)));
                        }
                    }
                }
            }
        }
    }

    /// A value that the definition allows.
    fn value_of(&self, attribute: &ServedAttribute, parent: Option<&ServedAttribute>) -> Value {
        let one = match attribute.kind.to_ascii_lowercase().as_str() {
            "boolean" => Value::from(true),
            "integer" => Value::from(1),
            "decimal" => Value::from(1.5),
            "datetime" => Value::from("2026-01-01T00:00:00Z"),
            "binary" => Value::from("AQIDBA=="),
            "reference" => Value::from("https://example.org/scim-conformance"),
            "complex" => {
                let writable = || attribute.sub_attributes.iter().filter(|sub| sub.is_writable());
                let mut wanted: Vec<_> = writable().filter(|sub| sub.required).collect();
                if wanted.is_empty() {
                    wanted.extend(attribute.sub("value").or_else(|| writable().next()));
                }
                let members = wanted
                    .into_iter()
                    .map(|sub| (sub.name.clone(), self.value_of(sub, Some(attribute))));
                Value::Object(members.collect())
            }
            _ => match attribute.canonical_values.first() {
                Some(first) => Value::from(first.as_str()),
                None => self.name_for(parent.map_or(&attribute.name, |parent| &parent.name)),
            },
        };
        if attribute.multi_valued { Value::Array(vec![one]) } else { one }
    }

    /// Text for an attribute of this name.
    fn name_for(&self, attribute: &str) -> Value {
        match attribute.to_ascii_lowercase().as_str() {
            "username" | "emails" => self.cx.unique_mail(&self.word).into(),
            "password" => format!("Sc1m-Conf!{:08x}-Xy", self.cx.run.seed).into(),
            "phonenumbers" => "+1-201-555-0123".into(),
            "preferredlanguage" | "locale" => "en-US".into(),
            "timezone" => "Europe/Berlin".into(),
            "addresses" => "US".into(),
            _ => self.cx.unique(&self.word).into(),
        }
    }
}

/// Why an attribute with this value may not be sent.
fn refused(served: &Served, kind: &ServedType, path: &str, value: &Value) -> Option<String> {
    if !served.is_announced(kind, path) {
        return Some(format!("the served schema of {} has no {path}", kind.name));
    }
    if served.has_extension(kind, path) {
        let members = value.as_object()?;
        return members
            .iter()
            .find_map(|(name, value)| refused(served, kind, &format!("{path}:{name}"), value));
    }
    let attribute = served.attribute(kind, path).filter(|attribute| attribute.is_complex())?;
    let names = values(Some(value)).iter().filter_map(Value::as_object).flat_map(Map::keys);
    let unknown = names.into_iter().find(|name| attribute.sub(name).is_none())?;
    Some(format!("the served schema of {} has no {path}.{unknown}", kind.name))
}

/// Puts a value where its path says.
fn place(body: &mut Map<String, Value>, kind: &ServedType, path: &str, value: Value) {
    if let Some((uri, _)) = kind.extensions.iter().find(|(uri, _)| uri.eq_ignore_ascii_case(path)) {
        body.insert(uri.clone(), value);
        return;
    }
    let below = |uri: &str| strip_ignoring_case(path, uri)?.strip_prefix(':');
    let extension = kind.extensions.iter().find_map(|(uri, _)| Some((uri, below(uri)?)));
    let (target, names) = match extension {
        Some((uri, rest)) => (object_at(body, uri), rest),
        None => (body, below(&kind.schema).unwrap_or(path)),
    };
    match names.split_once('.') {
        Some((name, sub)) => drop(object_at(target, name).insert(sub.to_owned(), value)),
        None => drop(target.insert(names.to_owned(), value)),
    }
}

/// The object under a name, made where there is none.
fn object_at<'m>(map: &'m mut Map<String, Value>, name: &str) -> &'m mut Map<String, Value> {
    let entry = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    match entry {
        Value::Object(inner) => inner,
        _ => unreachable!("it was made an object above"),
    }
}

fn find<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn find_mut<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Value> {
    map.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A resource that a check has created.
#[derive(Clone, Debug)]
pub struct Made {
    endpoint: String,
    id: String,
    sent: Value,
    answer: Answer,
}

impl Made {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its path below the base URL, the id escaped.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.endpoint, segment(&self.id))
    }

    /// The endpoint of its type.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The body that was sent.
    #[must_use]
    pub fn sent(&self) -> &Value {
        &self.sent
    }

    /// The value sent at a path.
    #[must_use]
    pub fn sent_text(&self, path: &str) -> &str {
        at(&self.sent, path).and_then(Value::as_str).unwrap_or_default()
    }

    /// The body that was sent, with some members replaced or, where the value is null, left out: for a PUT.
    #[must_use]
    pub fn sent_but(&self, changes: &[(&str, Value)]) -> Value {
        let mut body = self.sent.clone();
        if let Value::Object(members) = &mut body {
            for (name, value) in changes {
                members.retain(|key, _| !key.eq_ignore_ascii_case(name));
                if !value.is_null() {
                    members.insert((*name).to_owned(), value.clone());
                }
            }
        }
        body
    }

    /// The answer to its creation.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The value at a path of the answer to its creation.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.answer.get(path)
    }

    /// The string at a path of the answer to its creation.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.answer.text(path)
    }

    /// The version of the answer to its creation: the `ETag` header, else `meta.version`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.answer.version()
    }

    /// Its name, whichever attribute its type has for that.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = |attribute| member(&self.sent, attribute).and_then(Value::as_str);
        name("userName").or_else(|| name("displayName")).unwrap_or_default()
    }
}
